/* gguf_split.c - split GGUF files: NAME-00001-of-0000N.gguf, each a whole GGUF file.
 *
 * The keys split.no (from 0), split.count and split.tensors.count of every part must agree
 * with the names and with each other. The values of the first part are the model's. */
#include "format/gguf_parts.h"

#include "base/buf.h"

#include <errno.h>
#include <unistd.h>

static glass_status key_or(uint64_t *out, const struct gguf_part *part, const char *key,
                           uint64_t absent) {
    const struct gguf_value *v = gguf_part_find(part, key);
    *out = absent;
    return v == NULL ? GLASS_OK : gguf_value_u64(out, part, v);
}

glass_status gguf_split_count(uint64_t *out, const struct gguf_part *part) {
    TRY(key_or(out, part, "split.count", 1));
    if (*out == 0) *out = 1; /* what tools leave behind that merge the parts */
    if (*out > GGUF_MAX_PARTS)
        return fail(GLASS_BAD_INPUT, "%s: split.count is %llu; at most %d parts are read",
                    part->path, (unsigned long long)*out, GGUF_MAX_PARTS);
    return GLASS_OK;
}

/* Checks that path ends in -NNNNN-of-NNNNN.gguf for this part; gives what stands before. */
static glass_status name_stem(struct buf *out, const char *path, uint64_t no,
                              uint64_t n_parts) {
    struct buf ending = {0};
    TRY(buf_printf(&ending, "-%05llu-of-%05llu.gguf", (unsigned long long)no + 1,
                   (unsigned long long)n_parts));
    size_t n = strlen(path);
    glass_status status;
    if (n < ending.len || strcmp(path + n - ending.len, ending.data) != 0)
        status = fail(
            GLASS_BAD_INPUT,
            "%s: part %llu of %llu of a split file; its name must end in %s so that "
            "the others can be found",
            path, (unsigned long long)no + 1, (unsigned long long)n_parts, ending.data);
    else
        status = buf_append(out, path, n - ending.len);
    buf_free(&ending);
    return status;
}

static glass_status check_part(const struct gguf_part *part, uint64_t no,
                               uint64_t n_parts) {
    uint64_t has_no, has_count;
    TRY(key_or(&has_no, part, "split.no", UINT64_MAX));
    TRY(key_or(&has_count, part, "split.count", 1));
    if (has_count != n_parts)
        return fail(
            GLASS_BAD_INPUT,
            "%s: split.count is %llu here and %llu in another part; these files do not "
            "belong together",
            part->path, (unsigned long long)has_count, (unsigned long long)n_parts);
    if (has_no == UINT64_MAX)
        return fail(GLASS_BAD_INPUT, "%s: split.count without split.no", part->path);
    if (has_no != no)
        return fail(
            GLASS_BAD_INPUT,
            "%s: split.no is %llu, but by its name this is part %llu (split.no %llu)",
            part->path, (unsigned long long)has_no, (unsigned long long)no + 1,
            (unsigned long long)no);
    return GLASS_OK;
}

static glass_status add_named(struct gguf *g, const char *path, uint64_t no,
                              uint64_t n_parts) {
    struct filemap map;
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return fail(GLASS_BAD_INPUT,
                    "%s: part %llu of %llu is missing; it must lie beside the others", path,
                    (unsigned long long)no + 1, (unsigned long long)n_parts);
    TRY(filemap_open(&map, path));
    TRY(gguf_add_part(g, path, map, true));
    return check_part(&g->parts[g->n_parts - 1], no, n_parts);
}

static glass_status check_total(const struct gguf *g) {
    uint64_t said;
    for (int i = 0; i < g->n_parts; i++) {
        TRY(key_or(&said, &g->parts[i], "split.tensors.count", (uint64_t)g->n_tensors));
        if (said != (uint64_t)g->n_tensors)
            return fail(GLASS_BAD_INPUT,
                        "%s: split.tensors.count is %llu, but the parts hold %lld tensors",
                        g->parts[i].path, (unsigned long long)said,
                        (long long)g->n_tensors);
    }
    return GLASS_OK;
}

glass_status gguf_open_split(struct gguf *g, uint64_t n_parts) {
    struct buf stem = {0}, path = {0};
    uint64_t no;
    glass_status status;
    TRY_FAIL(key_or(&no, &g->parts[0], "split.no", UINT64_MAX));
    if (no >= n_parts)
        TRY_FAIL(fail(GLASS_BAD_INPUT, "%s: split.no is %s the %llu parts of split.count",
                      g->parts[0].path, no == UINT64_MAX ? "missing beside" : "not among",
                      (unsigned long long)n_parts));
    TRY_FAIL(name_stem(&stem, g->parts[0].path, no, n_parts));
    gguf_clear_parts(g);
    for (uint64_t i = 0; i < n_parts; i++) {
        buf_clear(&path);
        TRY_FAIL(buf_printf(&path, "%s-%05llu-of-%05llu.gguf", stem.data,
                            (unsigned long long)i + 1, (unsigned long long)n_parts));
        TRY_FAIL(add_named(g, path.data, i, n_parts));
    }
    status = check_total(g);
fail:
    buf_free(&stem);
    buf_free(&path);
    return status;
}
