/* wire.h - pieces of replies that several APIs write. */
#ifndef SERVE_WIRE_H
#define SERVE_WIRE_H

#include "serve/ask.h"

/* "stop", "length" */
const char *wire_finish(enum job_end end);
/* "fp_…": of the program, its arithmetic and the model. */
void wire_fingerprint(char out[24], const struct ask *a);
/* Appends "prefix" and 24 random letters. */
glass_status wire_id(struct buf *b, const char *prefix);
/* ,"usage":{…} of OpenAI's chats and completions */
glass_status wire_usage(struct buf *b, int64_t n_prompt, int64_t n_cached,
                        int64_t n_answer);
glass_status wire_string(struct buf *b, const char *text);
/* A log-probability; -9999 for what JSON cannot say, as OpenAI does. */
glass_status wire_logprob(struct buf *b, double value);
/* "token":…,"logprob":…,"bytes":[…],"id":… */
glass_status wire_token(struct buf *b, const struct ask *a, const struct job_logprob *p);
/* An element of "content" of OpenAI's logprobs. */
glass_status wire_logprobs_of(struct buf *b, const struct ask *a,
                              const struct ask_event *e);
/* Where each token's log-probability begins in the lists that hold it, so that those of a text
 * that a stop text cut off can be taken back. Zero-initialise; marks_free. */
struct marks {
    struct mark {
        size_t raw, at[4];
    } * list; /* owned */
    int64_t n, room;
    size_t raw; /* bytes of all tokens so far */
};
/* A token of n_bytes comes; the lists have these lengths before it. */
glass_status marks_add(struct marks *m, size_t n_bytes, const size_t at[4]);
/* The lists' lengths without the tokens that begin behind n_told bytes; NULL: all are told. */
const size_t *marks_cut(const struct marks *m, size_t n_told);
void marks_free(struct marks *m);
/* Unicode characters of a text. */
int64_t wire_characters(const char *text, size_t n);

/* Server-sent events: "data: " + json + two line ends. */
glass_status wire_event(struct exchange *x, const struct buf *json);
/* With "event: name" before it. */
glass_status wire_named_event(struct exchange *x, const char *name, const struct buf *json);
/* Ends a stream that failed: the error in the shape of an event. */
glass_status wire_stream_error(struct exchange *x, const char *message);

/* What has been written when: a line of comment goes out when a prompt takes long. */
struct heartbeat {
    double last;
};
glass_status wire_heartbeat(struct heartbeat *h, struct exchange *x,
                            const struct ask_event *e);
enum { HEARTBEAT_S = 5 };

#endif
