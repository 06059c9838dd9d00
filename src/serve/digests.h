/* digests.h - SHA-256 of model files, computed once in the background and remembered.
 *
 * What is remembered belongs to a path, a size and a time of change; FOLDER/digests.json keeps
 * it over restarts. Thread-safe. */
#ifndef SERVE_DIGESTS_H
#define SERVE_DIGESTS_H

#include "base/buf.h"

struct digests;

/* folder: where to keep them; NULL: path_data(); "": nowhere. A file there that cannot be read
 * counts as empty. */
glass_status digests_create(struct digests **out, const char *folder);
/* Ends the computing. */
void digests_free(struct digests *d);
/* The digest of the file as it is now, in hexadecimal. False: it is not known (out is ""); it is
 * computed from now on, if the file can be read. */
bool digests_get(struct digests *d, const char *path, char out[65]);

#endif
