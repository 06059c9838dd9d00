/* pool.c - pages, who holds them, and the tree of prefixes; what sessions of a pool do instead
 * of others. Files of pages: pool_folder.c. */
#include "model/pages.h"

#include "base/mem.h"
#include "base/team.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PAGE = GLASS_POOL_PAGE };

/* ---- pages ---- */

static bool is_kept(const struct page *page) {
    return page->state == PAGE_KNOWN && page->holders == 0;
}

static void unlink_page(struct page *page) {
    struct page **at = &page->parent->child;
    while (*at != page) at = &(*at)->next;
    *at = page->next;
    page->parent = page->next = NULL;
}

void pages_put(struct glass_pool *p, struct page *page) {
    page->state = PAGE_FREE;
    page->holders = 0;
    page->next = p->free;
    p->free = page;
    p->n_free++;
}

/* A page that nobody holds leaves the tree. */
static void forget(struct glass_pool *p, struct page *page) {
    unlink_page(page);
    p->n_kept--;
    pages_put(p, page);
}

struct page *pages_take(struct glass_pool *p) {
    struct page *oldest = NULL;
    for (int64_t i = 0; p->free == NULL && i < p->n_pages; i++) {
        struct page *page = &p->pages[i];
        if (!is_kept(page) || page->child != NULL) continue;
        if (oldest == NULL || page->used < oldest->used) oldest = page;
    }
    if (oldest != NULL) forget(p, oldest);
    struct page *page = p->free;
    if (page == NULL) return NULL;
    p->free = page->next;
    p->n_free--;
    page->parent = page->child = page->next = NULL;
    page->n = 0;
    page->state = PAGE_OWN;
    page->filed = false;
    page->touched = true;
    page->holders = 1;
    return page;
}

static void hold(struct glass_pool *p, struct page *page) {
    if (is_kept(page)) p->n_kept--;
    page->holders++;
}

void pages_let_go(struct glass_pool *p, struct page *page) {
    page->holders--;
    page->used = p->moment;
    if (is_kept(page)) p->n_kept++;
}

/* Tokens that a page and a text begin with alike. */
static int64_t same_tokens(const struct page *page, const int32_t *tokens, int64_t n) {
    int64_t same = 0;
    if (n > page->n) n = page->n;
    while (same < n && page->tokens[same] == tokens[same]) same++;
    return same;
}

/* The child that has most of the tokens, and how many. */
static struct page *nearest(const struct page *parent, const int32_t *tokens, int64_t n,
                            int64_t *same) {
    struct page *best = NULL;
    *same = 0;
    for (struct page *c = parent->child; c != NULL; c = c->next) {
        int64_t here = same_tokens(c, tokens, n);
        if (here <= *same) continue;
        *same = here;
        best = c;
    }
    return best;
}

void pages_know(struct glass_pool *p, struct page *page, struct page *parent,
                const int32_t *tokens, int64_t n) {
    /* Parts of pages that this one has, too, have had their time. */
    for (struct page *c = parent->child, *next; c != NULL; c = next) {
        next = c->next;
        if (is_kept(c) && c->n < n && same_tokens(c, tokens, n) == c->n) forget(p, c);
    }
    memcpy(page->tokens, tokens, (size_t)n * sizeof *tokens);
    page->n = (int32_t)n;
    page->state = PAGE_KNOWN;
    page->parent = parent;
    page->depth = parent->depth + 1;
    page->next = parent->child;
    parent->child = page;
}

/* ---- a session's pages ---- */

static struct page *parent_of(struct glass_session *s, int64_t i) {
    return i == 0 ? &s->pool->root : s->held[i - 1];
}

static void add_page(struct glass_session *s, struct page *page) {
    s->held[s->n_held] = page;
    s->pages[s->n_held++] = page->rows;
}

static void copy_rows(const struct glass_session *s, struct page *to,
                      const struct page *from, int64_t n) {
    for (int64_t i = 0; i < s->model->config.n_layer; i++)
        attn_copy_page(&s->caches[i], to->rows, from->rows, n);
}

static glass_status no_page(const struct glass_session *s, int64_t n) {
    const struct glass_pool *p = s->pool;
    return fail(GLASS_NO_MEMORY,
                "no page of the cache is free for %lld more tokens: sessions hold all "
                "%lld of %d positions",
                (long long)n, (long long)p->n_pages, PAGE);
}

/* The page that the next token goes to, in the middle of which the session stands, becomes its
 * own. */
static bool own_last(struct glass_session *s) {
    struct glass_pool *p = s->pool;
    int64_t i = s->n_tokens / PAGE, n = s->n_tokens % PAGE;
    struct page *page = s->held[i], *mine;
    if (page->state == PAGE_OWN) return true;
    if (page->holders == 1 && page->child == NULL) {
        unlink_page(page);
        page->state = PAGE_OWN;
        page->filed = false;
        return true;
    }
    mine = pages_take(p);
    if (mine == NULL) return false;
    copy_rows(s, mine, page, n);
    pages_let_go(p, page);
    s->held[i] = mine;
    s->pages[i] = mine->rows;
    return true;
}

glass_status pages_reserve(struct glass_session *s, int64_t n) {
    struct glass_pool *p = s->pool;
    int64_t want = (s->n_tokens + n + PAGE - 1) / PAGE;
    if (n == 0) return GLASS_OK;
    if (s->n_tokens % PAGE != 0 && !own_last(s)) return no_page(s, n);
    while (s->n_held < want) {
        struct page *page = pages_take(p);
        if (page == NULL) return no_page(s, n);
        add_page(s, page);
    }
    return GLASS_OK;
}

/* A full page of its own becomes known, or gives way to the one that is. */
static void settle(struct glass_session *s, int64_t i) {
    struct glass_pool *p = s->pool;
    struct page *parent = parent_of(s, i), *page = s->held[i];
    const int32_t *tokens = s->tokens + i * PAGE;
    int64_t same;
    struct page *twin = nearest(parent, tokens, PAGE, &same);
    if (twin == NULL || same < PAGE) {
        pages_know(p, page, parent, tokens, PAGE);
        return;
    }
    hold(p, twin);
    pages_put(p, page);
    s->held[i] = twin;
    s->pages[i] = twin->rows;
}

void pages_settle(struct glass_session *s) {
    for (int64_t i = 0; i < s->n_tokens / PAGE; i++)
        if (s->held[i]->state == PAGE_OWN) settle(s, i);
}

/* The session's last page, of which n positions are stored, is left to the pool. */
static void drop_last(struct glass_session *s, int64_t n) {
    struct glass_pool *p = s->pool;
    int64_t i = --s->n_held, same;
    struct page *page = s->held[i];
    if (page->state == PAGE_OWN) {
        struct page *parent = parent_of(s, i);
        const int32_t *tokens = s->tokens + i * PAGE;
        if (n > 0) nearest(parent, tokens, n, &same);
        if (n <= 0 || same == n) {
            pages_put(p, page);
            return;
        }
        pages_know(p, page, parent, tokens, n);
    }
    pages_let_go(p, page);
}

void pages_truncate(struct glass_session *s, int64_t n) {
    s->pool->moment++;
    while (s->n_held > (n + PAGE - 1) / PAGE)
        drop_last(s, s->n_tokens - (s->n_held - 1) * PAGE);
}

/* ---- looking up ---- */

/* Part of a page: n positions of it become the session's own page. */
static bool take_part(struct glass_session *s, struct page *from, int64_t n) {
    struct glass_pool *p = s->pool;
    struct page *mine = from;
    if (is_kept(from) && from->child == NULL && from->n == n) {
        unlink_page(from);
        p->n_kept--;
        from->state = PAGE_OWN;
        from->filed = false;
        from->holders = 1;
    } else {
        uint64_t used = from->used;
        hold(p, from); /* it must not be what is taken */
        mine = pages_take(p);
        pages_let_go(p, from);
        from->used = used;
        if (mine == NULL) return false;
        copy_rows(s, mine, from, n);
    }
    add_page(s, mine);
    return true;
}

glass_status glass_pool_find(glass_session *s, const int32_t *tokens, int64_t n,
                             int64_t *n_found) {
    struct glass_pool *p = s->pool;
    int64_t done = 0, same;
    *n_found = 0;
    if (p == NULL) return fail(GLASS_USAGE, "the session is of no pool");
    if (s->n_tokens % PAGE != 0) return GLASS_OK;
    if (n > s->n_ctx - s->n_tokens) n = s->n_ctx - s->n_tokens;
    pages_truncate(s, s->n_tokens); /* pages that were reserved only */
    while (done < n) {
        struct page *at = parent_of(s, s->n_held);
        struct page *next = nearest(at, tokens + done, n - done, &same);
        if (same < PAGE && n - done >= PAGE &&
            pages_folder_find(p, at, tokens + done)) /* may have taken that page */
            next = nearest(at, tokens + done, n - done, &same);
        if (same < PAGE) {
            if (same > 0 && take_part(s, next, same)) done += same;
            break;
        }
        hold(p, next);
        add_page(s, next);
        done += PAGE;
    }
    memcpy(s->tokens + s->n_tokens, tokens, (size_t)done * sizeof *tokens);
    s->n_tokens += done;
    *n_found = done;
    return GLASS_OK;
}

glass_status glass_pool_reserve(glass_session *s, int64_t n) {
    if (s->pool == NULL) return fail(GLASS_USAGE, "the session is of no pool");
    if (n < 0 || n > s->n_ctx - s->n_tokens)
        return fail(GLASS_USAGE, "%lld more tokens do not fit: %lld of %lld are there",
                    (long long)n, (long long)s->n_tokens, (long long)s->n_ctx);
    return pages_reserve(s, n);
}

glass_status glass_pool_write(glass_pool *p, bool *wrote) {
    *wrote = pages_folder_step(p);
    return GLASS_OK;
}

bool glass_pool_warm(glass_pool *p) {
    struct page *page = p->free;
    if (page != NULL && page->touched) page = page->next;
    if (page == NULL || page->touched) return false;
    memset(page->rows, 0, p->page_bytes);
    page->touched = true;
    return true;
}

/* ---- creation ---- */

/* Options of sessions, and how many pages of how many bytes. */
static glass_status choose(struct glass_pool *p, const glass_pool_options *asked) {
    const struct config *c = &p->model->config;
    glass_pool_options o = asked == NULL ? (glass_pool_options){0} : *asked;
    p->o = (glass_session_options){.n_ctx = o.n_ctx,
                                   .n_batch = o.n_batch,
                                   .n_threads = o.n_threads,
                                   .cache_type = o.cache_type,
                                   .adapters = o.adapters,
                                   .n_adapters = o.n_adapters};
    TRY(session_choose(&p->o, c, &p->o));
    p->layer_bytes = attn_cache_bytes(p->o.cache_type, PAGE, c->n_head_kv, c->head_dim);
    if (!mem_mul(&p->page_bytes, p->layer_bytes, 2 * (size_t)c->n_layer))
        return fail_memory(SIZE_MAX);
    p->n_pages = (p->o.n_ctx + PAGE - 1) / PAGE;
    if (o.cache_bytes > 0) p->n_pages = (int64_t)(o.cache_bytes / p->page_bytes);
    if (p->n_pages < 1)
        return fail(GLASS_USAGE,
                    "a cache of %zu bytes: one page of %d positions of this model takes "
                    "%zu",
                    o.cache_bytes, PAGE, p->page_bytes);
    return GLASS_OK;
}

/* MemAvailable: what is free, and what files in memory would make room for. */
static size_t free_bytes(void) {
    char line[128];
    unsigned long long kb, found = ULLONG_MAX;
    FILE *f = fopen("/proc/meminfo", "re");
    while (f != NULL && found == ULLONG_MAX && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "MemAvailable: %llu kB", &kb) == 1) found = kb;
    if (f != NULL) fclose(f);
    size_t all = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    return found < all / 1024 ? (size_t)found * 1024 : all;
}

static void fill_info(glass_pool_info *out, const struct glass_pool *p) {
    size_t work = p->work.n_bytes,
           per_row = sizeof(struct attn_cache *) + sizeof(struct logit_request);
    if (work == 0) { /* not taken yet */
        struct workspace w;
        workspace_layout(&w, NULL, &p->model->config, &p->model->weights, p->o.n_batch,
                         p->o.n_ctx, p->o.n_threads);
        work = w.n_bytes;
    }
    *out = (glass_pool_info){.n_ctx = p->o.n_ctx,
                             .page_bytes = p->page_bytes,
                             .cache_bytes = (size_t)p->n_pages * p->page_bytes,
                             .work_bytes = work + (size_t)p->o.n_batch * per_row +
                                           (size_t)p->n_pages * sizeof(struct page),
                             .n_pages = p->n_pages,
                             .n_used = p->n_pages - p->n_free,
                             .n_kept = p->n_kept,
                             .n_read = p->n_read,
                             .n_written = p->n_written,
                             .n_refused = p->n_refused,
                             .note = p->note};
}

glass_status glass_pool_plan(glass_pool_info *out, const glass_model *model,
                             const glass_pool_options *options) {
    struct glass_pool p = {.model = model};
    *out = (glass_pool_info){0};
    TRY(choose(&p, options));
    p.n_free = p.n_pages;
    fill_info(out, &p);
    out->free_bytes = free_bytes();
    out->note = "";
    return GLASS_OK;
}

void glass_pool_get_info(const glass_pool *p, glass_pool_info *out) {
    fill_info(out, p);
}

static glass_status check_room(const struct glass_pool *p) {
    glass_pool_info info;
    fill_info(&info, p);
    info.free_bytes = free_bytes();
    if (info.cache_bytes <= info.free_bytes &&
        info.work_bytes <= info.free_bytes - info.cache_bytes)
        return GLASS_OK;
    return fail(GLASS_NO_MEMORY,
                "a cache of %.1f GB and %.1f GB to work in are wanted, and this machine "
                "has %.1f free: make the context, the cache or the number of requests "
                "smaller",
                1e-9 * (double)info.cache_bytes, 1e-9 * (double)info.work_bytes,
                1e-9 * (double)info.free_bytes);
}

static glass_status take_pages(struct glass_pool *p) {
    TRY(mem_alloc_large(&p->block, (size_t)p->n_pages, p->page_bytes));
    TRY(mem_alloc_zero(&p->pages, (size_t)p->n_pages, sizeof *p->pages));
    for (int64_t i = p->n_pages - 1; i >= 0; i--) {
        p->pages[i].rows = (uint8_t *)p->block + (size_t)i * p->page_bytes;
        pages_put(p, &p->pages[i]);
    }
    return GLASS_OK;
}

static glass_status take_work(struct glass_pool *p) {
    const struct glass_model *m = p->model;
    const glass_session_options *o = &p->o;
    TRY(session_work(&p->work, &p->pass_caches, &p->requests, m, o));
    TRY(adapt_set_create(&p->adapters, m, o->adapters, o->n_adapters));
    if (p->adapters == NULL) return GLASS_OK;
    return adapt_reserve(&p->adapt, o->n_batch, o->n_threads, p->adapters->width);
}

glass_status glass_pool_create(glass_pool **out, const glass_model *model,
                               const glass_pool_options *options) {
    glass_status status;
    struct glass_pool *p;
    *out = NULL;
    TRY(mem_alloc_zero(&p, 1, sizeof *p));
    p->model = model;
    TRY_FAIL(choose(p, options));
    TRY_FAIL(check_room(p));
    TRY_FAIL(take_pages(p));
    TRY_FAIL(take_work(p));
    if (options != NULL && options->prefix_dir != NULL)
        TRY_FAIL(pages_folder_open(p, options->prefix_dir, options->prefix_bytes));
    *out = p;
    return GLASS_OK;
fail:
    glass_pool_free(p);
    return status;
}

void glass_pool_free(glass_pool *p) {
    if (p == NULL) return;
    pages_folder_close(p);
    adapt_set_free(p->adapters);
    adapt_release(&p->adapt);
    mem_free(p->work.block);
    mem_free(p->pass_caches);
    mem_free(p->requests);
    mem_free(p->pages);
    mem_free(p->block);
    mem_free(p);
}

glass_status glass_pool_session(glass_session **out, glass_pool *p) {
    glass_status status;
    struct glass_session *s;
    size_t n_pages = (size_t)((p->o.n_ctx + PAGE - 1) / PAGE),
           n_layer = (size_t)p->model->config.n_layer;
    *out = NULL;
    TRY(mem_alloc_zero(&s, 1, sizeof *s));
    s->model = p->model;
    s->pool = p;
    s->n_ctx = p->o.n_ctx;
    s->work = p->work;
    s->pass_caches = p->pass_caches;
    s->requests = p->requests;
    s->adapters = p->adapters;
    s->adapt = p->adapt;
    TRY_FAIL(mem_alloc(&s->tokens, (size_t)s->n_ctx, sizeof *s->tokens));
    TRY_FAIL(mem_alloc_zero(&s->pages, n_pages, sizeof *s->pages));
    TRY_FAIL(mem_alloc_zero(&s->held, n_pages, sizeof *s->held));
    TRY_FAIL(mem_alloc(&s->caches, n_layer, sizeof *s->caches));
    for (size_t i = 0; i < n_layer; i++)
        s->caches[i] = (struct attn_cache){.dtype = p->o.cache_type,
                                           .n_ctx = s->n_ctx,
                                           .n_head_kv = p->model->config.n_head_kv,
                                           .head_dim = p->model->config.head_dim,
                                           .pages = s->pages,
                                           .k_at = 2 * i * p->layer_bytes,
                                           .v_at = (2 * i + 1) * p->layer_bytes};
    *out = s;
    return GLASS_OK;
fail:
    glass_session_free(s);
    return status;
}
