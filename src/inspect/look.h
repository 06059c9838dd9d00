/* look.h - a text going through a model in a session whose passes leave their rows. */
#ifndef INSPECT_LOOK_H
#define INSPECT_LOOK_H

#include "glass/inspect.h"
#include "model/session.h"

/* What of a layer may be kept: the bits of glass/inspect.h, as numbers. */
enum look_kind {
    LOOK_STREAM,
    LOOK_ATTENTION,
    LOOK_MIDDLE,
    LOOK_MLP,
    LOOK_Q,
    LOOK_K,
    LOOK_V,
    LOOK_HEADS,
    LOOK_GATE,
    LOOK_UP,
    LOOK_KINDS
};

struct look {
    const struct glass_model *model;
    const glass_inspect_options *options; /* never NULL */
    const int32_t *ids;
    int64_t n_ids;
    int64_t n_batch;      /* rows of a pass at most */
    size_t limit, needed; /* bytes allowed, and planned so far */
    struct glass_session *session;
    /* (n_layer) kinds (n_layer + 1 for the stream) whose rows are to be kept, or NULL. */
    float **kept[LOOK_KINDS];
    struct tape tape;
    float **pointers; /* the memory of kept */
};

/* Checks the text and the options. Nothing is taken yet. */
glass_status look_init(struct look *l, const struct glass_model *m, const int32_t *ids,
                       int64_t n, const glass_inspect_options *options);
/* asked among low … high - 1, `what` a plural: "layers". */
glass_status look_range(int64_t *first, int64_t *n, glass_range asked, int64_t low,
                        int64_t high, const char *what);
/* Counts memory that will be taken; more than can be counted is an error later. */
void look_need(struct look *l, int64_t n_items, size_t item_bytes);
/* GLASS_NO_MEMORY if the session for rows 0 … n_rows - 1 and what was counted do not fit the limit,
 * else the session is made. */
glass_status look_open(struct look *l, int64_t n_rows);
void look_close(struct look *l);
/* Numbers in a row of a kind. */
int64_t look_width(const struct config *c, enum look_kind kind);

/* Feeds rows 0 … first + n - 1. Those from `first` on leave their rows in kept: all of them one
 * below the other, or, with `each`, those of each pass, and each is called then with the
 * pass's first row and number. */
typedef glass_status (*look_each)(void *context, int64_t row, int64_t n);
glass_status look_run(struct look *l, int64_t first, int64_t n, look_each each,
                      void *context);

#endif
