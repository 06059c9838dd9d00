/* openapi.h - the description of all routes, for programs: openapi.json, as it is. */
#ifndef SERVE_OPENAPI_H
#define SERVE_OPENAPI_H

#include <stddef.h>

const char *openapi_text(size_t *n_bytes);

#endif
