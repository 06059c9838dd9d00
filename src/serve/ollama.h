/* ollama.h - what the two files of Ollama's API share: api_ollama.c (answers) and
 * api_ollama_models.c (models). */
#ifndef SERVE_OLLAMA_H
#define SERVE_OLLAMA_H

#include "serve/fields.h"

glass_status ollama_version(struct exchange *x);
glass_status ollama_tags(struct exchange *x);
glass_status ollama_ps(struct exchange *x);
glass_status ollama_show(struct exchange *x);
glass_status ollama_pull(struct exchange *x);
glass_status ollama_delete(struct exchange *x);

/* "2026-11-25T23:41:38.123456789Z"; of now if seconds < 0. */
void ollama_time(char out[40], double seconds);

#endif
