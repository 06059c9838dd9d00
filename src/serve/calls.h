/* calls.h - tool calls in what a model writes: text goes on to the client, calls are taken out
 * of it, whatever style the model was trained to write them in. */
#ifndef SERVE_CALLS_H
#define SERVE_CALLS_H

#include "serve/chat.h"

struct calls; /* of one answer */

/* What came out. Called from calls_take and calls_end. */
struct calls_sink {
    glass_status (*text)(void *context, const char *text, size_t n);
    /* arguments: JSON, whole. */
    glass_status (*call)(void *context, int i, const char *name, const char *arguments);
    void *context;
    /* NULL, or a call of which a grammar assures that it will be one, as it comes: open, any
     * number of pieces of its arguments' JSON, and close; what was cut is closed, too. */
    glass_status (*open)(void *context, int i, const char *name);
    glass_status (*piece)(void *context, const char *text, size_t n);
    glass_status (*close)(void *context);
};

glass_status calls_create(struct calls **out, const struct chat *chat,
                          const glass_tokenizer *tokenizer, const struct calls_sink *sink);
void calls_free(struct calls *calls);
/* A token and the text that became certain with it (perhaps none). */
glass_status calls_take(struct calls *calls, int32_t id, const char *text, size_t n);
/* What is left. whole: the answer was not cut. */
glass_status calls_end(struct calls *calls, const char *text, size_t n);
int calls_n(const struct calls *calls);

#endif
