/* fuzz_unpack.c - libFuzzer target: any bytes as an archive of each kind: names have no NUL, nothing
 * leads out of it, what comes out is bounded, and a broken one has a message. */
#include "fuzz_common.h"

#include "data/unpack.h"

struct source {
    const uint8_t *data;
    size_t size, at;
};

static glass_status read_some(void *from, const void **bytes, size_t *n) {
    struct source *s = from;
    *n = s->size - s->at < 4096 ? s->size - s->at : 4096;
    *bytes = s->data + s->at;
    s->at += *n;
    return GLASS_OK;
}

static size_t n_out;

static glass_status visit(void *context, struct item *item) {
    struct buf all = {0};
    bool whole;
    const struct walk *w = context;
    MUST(item->path[0] != '\0');
    /* Every '!' stands between an archive and what is in it, whatever names have. */
    int n_parts = 0;
    for (const char *p = item->path; (p = strchr(p, '!')) != NULL; p++) n_parts++;
    MUST(n_parts <= w->depth);
    const char *inner = strrchr(item->path, '!');
    inner = inner ? inner + 1 : item->path;
    MUST(strncmp(inner, "../", 3) != 0 && strstr(inner, "/../") == NULL && inner[0] != '/');
    glass_status status = item_read_all(item, &all, 1 << 20, &whole);
    fuzz_read(all.data ? all.data : "", all.len);
    n_out += all.len;
    buf_free(&all);
    return status;
}

static void skip(void *context, const char *path, const char *reason) {
    (void)context;
    MUST(path != NULL && reason[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"a.tar", "a.zip", "a.deb",     "a.gz",   "a.xz",
                                        "a.zst", "a.bz2", "a.tar.gz",  "a.tgz",  "a.lzma",
                                        "a.lz4", "a.txt", "a.tar.zst", "a.jsonl"};
    if (size == 0) return 0;
    struct source s = {data + 1, size - 1, 0};
    struct item item = {names[data[0] % (sizeof names / sizeof *names)], read_some, &s};
    struct walk w = {
        .visit = visit, .skip = skip, .max_ratio = 10, .max_entries = 1000, .max_depth = 3};
    w.context = &w;
    n_out = 0;
    glass_status status = walk_item(&w, &item);
    MUST(status == GLASS_OK || status == GLASS_BAD_INPUT || status == GLASS_NO_MEMORY);
    MUST(status == GLASS_OK || glass_error()[0] != '\0');
    MUST(n_out <= (size_t)WALK_SLACK + 11 * size + (1 << 20));
    return 0;
}
