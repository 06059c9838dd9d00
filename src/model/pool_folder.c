/* pool_folder.c - full pages of a pool in files, so that prefixes outlive the process.
 *
 * A page's file is named by the SHA-256 of the model with its adapters, the cache's type and all
 * tokens up to the page's end; it holds "GLASSPG1", that digest, the rows, and the SHA-256 of
 * all before. Files are read when they are asked for; one that is damaged is removed and counted.
 * Pages are written one by one when the owner has time, and when the pool ends, those used last
 * first; the oldest files make room: a file's time is that of its last use. */
#include "base/buf.h"
#include "base/filemap.h"
#include "base/hash.h"
#include "base/path.h"
#include "model/pages.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = GLASS_POOL_PAGE, MAGIC_BYTES = 8, DIGEST = 32 };
static const char magic[MAGIC_BYTES + 1] = "GLASSPG1", ending[] = ".page";

static size_t file_bytes(const struct glass_pool *p) {
    return MAGIC_BYTES + 2 * DIGEST + p->page_bytes;
}

static void note(struct glass_pool *p, const char *text) {
    snprintf(p->note, sizeof p->note, "%s", text);
}

/* The digest of a full page's tokens behind its parent's. */
static glass_status page_digest(uint8_t out[32], const struct page *parent,
                                const int32_t *tokens) {
    uint8_t bytes[DIGEST + PAGE * sizeof *tokens];
    memcpy(bytes, parent->digest, DIGEST);
    memcpy(bytes + DIGEST, tokens, PAGE * sizeof *tokens);
    return sha256_bytes(out, bytes, sizeof bytes);
}

static glass_status root_digest(struct glass_pool *p) {
    uint8_t bytes[DIGEST + 2 * sizeof(int32_t)];
    bool is_long =
        p->model->weights.two_lengths && p->o.n_ctx > p->model->config.rope_short;
    int32_t more[2] = {(int32_t)p->o.cache_type, is_long};
    TRY(adapt_fingerprint(bytes, p->model, p->adapters));
    memcpy(bytes + DIGEST, more, sizeof more);
    return sha256_bytes(p->root.digest, bytes, sizeof bytes);
}

static glass_status path_of(struct buf *out, const struct glass_pool *p,
                            const uint8_t *digest) {
    char hex[65];
    sha256_hex(hex, digest);
    out->len = 0;
    return buf_printf(out, "%s/%s%s", p->folder, hex, ending);
}

/* ---- what the folder has ---- */

static glass_status add_filed(struct glass_pool *p, const uint8_t *digest, double used) {
    if (p->n_filed == p->room_filed) {
        int64_t room = 2 * p->room_filed + 64;
        TRY(mem_resize(&p->filed, (size_t)room, sizeof *p->filed));
        p->room_filed = room;
    }
    struct filed_page *f = &p->filed[p->n_filed++];
    memcpy(f->digest, digest, DIGEST);
    f->used = used;
    return GLASS_OK;
}

static int64_t find_filed(const struct glass_pool *p, const uint8_t *digest) {
    for (int64_t i = 0; i < p->n_filed; i++)
        if (memcmp(p->filed[i].digest, digest, DIGEST) == 0) return i;
    return -1;
}

static void drop_filed(struct glass_pool *p, int64_t at) {
    p->n_filed--;
    p->filed[at] = p->filed[p->n_filed];
}

/* A file of the folder by its name: one of a page, complete, as far as its size says. */
static glass_status look_at(struct glass_pool *p, int folder, const char *name) {
    uint8_t digest[DIGEST];
    struct stat st;
    size_t n = strlen(name);
    if (n != 64 + sizeof ending - 1 || strcmp(name + 64, ending) != 0 ||
        !sha256_parse(digest, name, 64) ||
        fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode) ||
        (size_t)st.st_size != file_bytes(p))
        return GLASS_OK;
    return add_filed(p, digest,
                     (double)st.st_mtim.tv_sec + (double)st.st_mtim.tv_nsec * 1e-9);
}

glass_status pages_folder_open(struct glass_pool *p, const char *folder, size_t n_bytes) {
    glass_status status = GLASS_OK;
    TRY(root_digest(p));
    TRY(path_make_private(folder));
    TRY(path_remove_parts(folder));
    TRY(mem_copy_text(&p->folder, folder, strlen(folder)));
    p->folder_bytes = n_bytes > 0 ? n_bytes : (size_t)p->n_pages * p->page_bytes;
    DIR *d = opendir(folder);
    if (d == NULL) return fail_errno("%s: cannot read the folder", folder);
    for (struct dirent *e; status == GLASS_OK && (e = readdir(d)) != NULL;)
        status = look_at(p, dirfd(d), e->d_name);
    closedir(d);
    return status;
}

/* ---- reading ---- */

/* Whether a file is what its name says, to the last bit. */
static glass_status check_file(const struct glass_pool *p, const struct filemap *map,
                               const uint8_t *digest, const char *path) {
    uint8_t found[DIGEST];
    size_t body = file_bytes(p) - DIGEST;
    if (map->size != file_bytes(p))
        return fail(GLASS_BAD_INPUT, "%s: %zu bytes; a page has %zu", path, map->size,
                    file_bytes(p));
    TRY(sha256_bytes(found, map->data, body));
    if (memcmp(map->data, magic, MAGIC_BYTES) != 0 ||
        memcmp(map->data + MAGIC_BYTES, digest, DIGEST) != 0 ||
        memcmp(map->data + body, found, DIGEST) != 0)
        return fail(GLASS_BAD_INPUT, "%s: the page is damaged", path);
    return GLASS_OK;
}

static bool read_page(struct glass_pool *p, struct page *parent, const int32_t *tokens,
                      const uint8_t *digest, const char *path) {
    struct filemap map;
    struct page *page = NULL;
    glass_status status = filemap_open(&map, path);
    if (status == GLASS_OK) {
        status = check_file(p, &map, digest, path);
        if (status == GLASS_OK) page = pages_take(p);
        if (page != NULL)
            memcpy(page->rows, map.data + MAGIC_BYTES + DIGEST, p->page_bytes);
        filemap_close(&map);
    }
    if (status != GLASS_OK) {
        note(p, glass_error());
        p->n_refused++;
        unlink(path);
        drop_filed(p, find_filed(p, digest));
    }
    if (page == NULL) return false;
    pages_know(p, page, parent, tokens, PAGE);
    memcpy(page->digest, digest, DIGEST);
    page->filed = true;
    pages_let_go(p, page);
    p->n_read++;
    return true;
}

bool pages_folder_find(struct glass_pool *p, struct page *parent, const int32_t *tokens) {
    uint8_t digest[DIGEST];
    struct buf path = {0};
    bool found = false;
    if (p->folder == NULL || p->n_filed == 0) return false;
    if (page_digest(digest, parent, tokens) != GLASS_OK || find_filed(p, digest) < 0)
        return false;
    if (path_of(&path, p, digest) == GLASS_OK)
        found = read_page(p, parent, tokens, digest, path.data);
    buf_free(&path);
    return found;
}

/* ---- writing ---- */

static glass_status write_page(struct glass_pool *p, const struct page *page, struct buf *b,
                               const char *path) {
    uint8_t digest[DIGEST];
    b->len = 0;
    TRY(buf_append(b, magic, MAGIC_BYTES));
    TRY(buf_append(b, page->digest, DIGEST));
    TRY(buf_append(b, page->rows, p->page_bytes));
    TRY(sha256_bytes(digest, b->data, b->len));
    TRY(buf_append(b, digest, DIGEST));
    TRY(path_write_private(path, b->data, b->len));
    p->n_written++;
    return GLASS_OK;
}

/* Files a page, or says that its file is still of use. */
static glass_status file_page(struct glass_pool *p, struct page *page, struct buf *b) {
    struct buf path = {0};
    TRY(page_digest(page->digest, page->parent, page->tokens));
    glass_status status = path_of(&path, p, page->digest);
    int64_t at = find_filed(p, page->digest);
    if (status == GLASS_OK && at >= 0) {
        utimensat(AT_FDCWD, path.data, NULL, 0);
        drop_filed(p, at);
    } else if (status == GLASS_OK) {
        status = write_page(p, page, b, path.data);
    }
    buf_free(&path);
    return status;
}

static int later(const void *a, const void *b) {
    const struct page *x = *(struct page *const *)a, *y = *(struct page *const *)b;
    if (x->used != y->used) return x->used < y->used ? 1 : -1;
    return x->depth < y->depth ? -1 : x->depth > y->depth;
}

static int older(const void *a, const void *b) {
    const struct filed_page *x = a, *y = b;
    return x->used < y->used ? -1 : x->used > y->used ? 1 : 0;
}

/* Of the files that were not used, the oldest leave until the folder is no larger than it may
 * be, with n_bytes of others in it. */
static void make_room(struct glass_pool *p, size_t n_bytes) {
    struct buf path = {0};
    int64_t n_fit = n_bytes > p->folder_bytes
                        ? 0
                        : (int64_t)((p->folder_bytes - n_bytes) / file_bytes(p));
    if (p->n_filed > 0) qsort(p->filed, (size_t)p->n_filed, sizeof *p->filed, older);
    for (int64_t i = 0; i < p->n_filed - n_fit; i++)
        if (path_of(&path, p, p->filed[i].digest) == GLASS_OK) unlink(path.data);
    buf_free(&path);
}

/* Full pages, those used last first, a parent before its children; no more than the folder
 * may hold. */
static glass_status worth_filing(struct page ***out, int64_t *n, struct glass_pool *p) {
    struct page **order;
    int64_t most = (int64_t)(p->folder_bytes / file_bytes(p));
    *n = 0;
    TRY(mem_alloc(&order, (size_t)p->n_pages, sizeof(struct page *)));
    for (int64_t i = 0; i < p->n_pages; i++) {
        struct page *page = &p->pages[i];
        if (page->state == PAGE_KNOWN && page->n == PAGE) order[(*n)++] = page;
    }
    if (*n > 0) qsort(order, (size_t)*n, sizeof(struct page *), later);
    if (*n > most) *n = most;
    *out = order;
    return GLASS_OK;
}

static void write_pages(struct glass_pool *p) {
    struct page **order;
    struct buf b = {0};
    int64_t n = 0, done = 0;
    glass_status status = worth_filing(&order, &n, p);
    for (; status == GLASS_OK && done < n; done++) status = file_page(p, order[done], &b);
    make_room(p, (size_t)done * file_bytes(p));
    if (status != GLASS_OK) note(p, glass_error());
    buf_free(&b);
    mem_free(order);
}

static bool is_among(struct page *const *order, int64_t n, const uint8_t *digest) {
    for (int64_t i = 0; i < n; i++)
        if (order[i]->filed && memcmp(order[i]->digest, digest, DIGEST) == 0) return true;
    return false;
}

/* The oldest file that stands for none of these pages leaves, where the folder is full. */
static void leave_oldest(struct glass_pool *p, struct page *const *order, int64_t n) {
    struct buf path = {0};
    int64_t oldest = -1;
    if ((size_t)(p->n_filed + 1) * file_bytes(p) <= p->folder_bytes) return;
    for (int64_t i = 0; i < p->n_filed; i++)
        if ((oldest < 0 || p->filed[i].used < p->filed[oldest].used) &&
            !is_among(order, n, p->filed[i].digest))
            oldest = i;
    if (oldest < 0) return;
    if (path_of(&path, p, p->filed[oldest].digest) == GLASS_OK) unlink(path.data);
    drop_filed(p, oldest);
    buf_free(&path);
}

static glass_status know_digest(const struct glass_pool *p, struct page *page) {
    if (page->filed) return GLASS_OK;
    if (page->parent != &p->root) TRY(know_digest(p, page->parent));
    return page_digest(page->digest, page->parent, page->tokens);
}

/* Of these pages, in their order, the first that the folder lacks. */
static glass_status first_lacking(struct page **out, struct glass_pool *p,
                                  struct page *const *order, int64_t n) {
    *out = NULL;
    for (int64_t i = 0; i < n; i++) {
        struct page *page = order[i];
        if (page->filed) continue;
        TRY(know_digest(p, page));
        page->filed = find_filed(p, page->digest) >= 0;
        if (page->filed) continue;
        *out = page;
        break;
    }
    return GLASS_OK;
}

static glass_status file_one(struct glass_pool *p, struct page *page,
                             struct page *const *order, int64_t n) {
    struct buf path = {0}, b = {0};
    glass_status status = path_of(&path, p, page->digest);
    leave_oldest(p, order, n);
    if (status == GLASS_OK) status = write_page(p, page, &b, path.data);
    if (status == GLASS_OK) status = add_filed(p, page->digest, (double)time(NULL));
    page->filed = status == GLASS_OK;
    buf_free(&path);
    buf_free(&b);
    return status;
}

bool pages_folder_step(struct glass_pool *p) {
    struct page **order, *page = NULL;
    int64_t n;
    if (p->folder == NULL || p->folder_fails) return false;
    glass_status status = worth_filing(&order, &n, p);
    if (status == GLASS_OK) status = first_lacking(&page, p, order, n);
    if (status == GLASS_OK && page != NULL) status = file_one(p, page, order, n);
    if (status != GLASS_OK) {
        note(p, glass_error());
        p->folder_fails = true;
    }
    mem_free(order);
    return status == GLASS_OK && page != NULL;
}

void pages_folder_close(struct glass_pool *p) {
    if (p->folder != NULL && p->pages != NULL) write_pages(p);
    mem_free(p->folder);
    mem_free(p->filed);
    p->folder = NULL;
}
