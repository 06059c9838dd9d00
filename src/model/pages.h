/* pages.h - pages of keys and values, the tree of prefixes that they make, and its folder. */
#ifndef MODEL_PAGES_H
#define MODEL_PAGES_H

#include "glass/pool.h"
#include "model/session.h"

enum page_state {
    PAGE_FREE,  /* holds nothing */
    PAGE_OWN,   /* one session writes to it */
    PAGE_KNOWN, /* in the tree: nobody writes to it */
};

/* A page. In the tree it stands for its tokens behind those of its parents; only pages that
 * are full have children. Who holds a page holds its parents, too. */
struct page {
    void *rows; /* per layer K, then V */
    enum page_state state;
    bool filed;                         /* in the folder, too; digest is then right */
    bool touched;                       /* the system has given it memory */
    int32_t n;                          /* tokens, in the tree */
    int32_t depth;                      /* pages before it */
    int64_t holders;                    /* sessions */
    uint64_t used;                      /* the moment when it was let go last, counted */
    struct page *parent, *child, *next; /* in the tree; next also among the free ones */
    uint8_t digest[32]; /* of all tokens up to its end; of pages that were in the folder */
    int32_t tokens[GLASS_POOL_PAGE];
};

/* A page in the folder. */
struct filed_page {
    uint8_t digest[32];
    double used; /* seconds since the epoch */
};

struct glass_pool {
    const struct glass_model *model;
    glass_session_options o; /* defaults filled in */
    struct adapt_set *adapters;
    struct adapt_memory adapt;
    struct workspace work;
    struct attn_cache **pass_caches;
    struct logit_request *requests;
    size_t layer_bytes, page_bytes; /* of K, or V, of a page's layer; of a page */
    void *block;                    /* all pages' rows */
    struct page *pages;             /* (n_pages) */
    int64_t n_pages, n_free, n_kept, n_sessions;
    struct page root, *free;
    uint64_t moment;
    /* The folder. */
    char *folder; /* or NULL */
    size_t folder_bytes;
    bool folder_fails;        /* a page could not be written */
    struct filed_page *filed; /* (n_filed), room for room_filed */
    int64_t n_filed, room_filed;
    int64_t n_read, n_written, n_refused;
    char note[512];
};

/* What glass_session_eval and its kin do for a session of a pool. */
glass_status pages_reserve(struct glass_session *s, int64_t n);
/* After tokens were fed: full pages are known from now on. */
void pages_settle(struct glass_session *s);
/* Before n_tokens becomes n, or (n = 0) the session is freed. */
void pages_truncate(struct glass_session *s, int64_t n);

/* A free page, or that of the prefix used longest ago; NULL where sessions hold all. */
struct page *pages_take(struct glass_pool *p);
void pages_put(struct glass_pool *p, struct page *page);    /* makes it free */
void pages_let_go(struct glass_pool *p, struct page *page); /* one holder less */
/* Puts a page into the tree. */
void pages_know(struct glass_pool *p, struct page *page, struct page *parent,
                const int32_t *tokens, int64_t n);

/* pool_folder.c */
glass_status pages_folder_open(struct glass_pool *p, const char *folder, size_t n_bytes);
/* Writes a page that the folder lacks; false: there is none, or it could not be. */
bool pages_folder_step(struct glass_pool *p);
/* Writes pages, those used last first, and forgets the folder. */
void pages_folder_close(struct glass_pool *p);
/* Reads the page of these tokens, if there is one that may be believed; parent must be held. */
bool pages_folder_find(struct glass_pool *p, struct page *parent, const int32_t *tokens);
#endif
