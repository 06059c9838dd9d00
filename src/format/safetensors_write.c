/* safetensors_write.c - writes safetensors files: descriptions are collected, then shards are
 * cut, headers written, and each tensor's data put at its place.
 *
 * What the reader checks is not checked again here: finish opens the files it wrote. The names
 * of shards and the index are those of the transformers library. */
#include "format/safetensors_write.h"

#include "base/buf.h"
#include "base/utf8.h"
#include "format/archive.h"
#include "format/safetensors.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static const char ENDING[] = ".safetensors";

struct tensor {
    size_t name; /* in names */
    const struct safetensors_type *type;
    int n_dims;
    int64_t shape[ARCHIVE_MAX_DIMS];
    size_t n_bytes, offset; /* from the start of the data of its shard */
    int shard;
};

struct shard {
    char *path, *part; /* the file's name, and its name until it is whole */
    int fd;            /* -1: not open */
    size_t first, n;   /* tensors */
    size_t start;      /* of the data in the file */
};

struct safetensors_writer {
    char *path;
    size_t shard_bytes;
    struct tensor *tensors;
    size_t n_tensors, cap_tensors;
    struct buf names;
    struct buf meta; /* the text of __metadata__ */
    struct shard *shards;
    int n_shards;
    bool started;   /* shards are cut, headers are out */
    size_t current; /* tensor whose data comes next */
    size_t n_given; /* bytes of it so far */
};

glass_status safetensors_writer_create(struct safetensors_writer **out, const char *path,
                                       size_t shard_bytes) {
    struct safetensors_writer *w;
    size_t n = strlen(path), n_ending = strlen(ENDING);
    glass_status status;
    *out = NULL;
    if (n <= n_ending || strcmp(path + n - n_ending, ENDING) != 0)
        return fail(GLASS_USAGE, "%s: the name must end in %s", path, ENDING);
    TRY(mem_alloc_zero(&w, 1, sizeof *w));
    w->shard_bytes = shard_bytes > 0 ? shard_bytes : SIZE_MAX;
    TRY_FAIL(mem_copy_text(&w->path, path, n));
    *out = w;
    return GLASS_OK;
fail:
    safetensors_writer_free(w);
    return status;
}

void safetensors_writer_free(struct safetensors_writer *w) {
    if (w == NULL) return;
    for (int i = 0; i < w->n_shards; i++) {
        struct shard *s = &w->shards[i];
        if (s->fd >= 0) {
            close(s->fd);
            unlink(s->part);
        }
        mem_free(s->path);
        mem_free(s->part);
    }
    mem_free(w->shards);
    mem_free(w->tensors);
    buf_free(&w->names);
    buf_free(&w->meta);
    mem_free(w->path);
    mem_free(w);
}

static glass_status too_late(const struct safetensors_writer *w) {
    if (!w->started) return GLASS_OK;
    return fail(GLASS_USAGE, "%s: a description after the tensors' data began", w->path);
}

glass_status safetensors_put_meta(struct safetensors_writer *w, const char *key,
                                  const char *value) {
    TRY(too_late(w));
    TRY(buf_text(&w->meta, w->meta.len == 0 ? "" : ","));
    TRY(buf_json_string(&w->meta, key, strlen(key)));
    TRY(buf_byte(&w->meta, ':'));
    return buf_json_string(&w->meta, value, strlen(value));
}

/* Names are written as they are; what JSON cannot hold would become another name. */
static bool is_text(const char *name) {
    size_t n = strlen(name), used;
    for (size_t at = 0; at < n; at += used) {
        uint32_t c;
        used = utf8_decode(&c, name + at, n - at);
        if (c == UTF8_BAD) return false;
    }
    return true;
}

static glass_status put(struct safetensors_writer *w, const char *name,
                        const struct safetensors_type *type, int n_dims,
                        const int64_t *shape) {
    struct tensor t = {.name = w->names.len, .type = type, .n_dims = n_dims};
    TRY(too_late(w));
    bool good = n_dims >= 0 && n_dims <= ARCHIVE_MAX_DIMS && type != NULL && is_text(name);
    for (int i = 0; good && i < n_dims; i++) {
        t.shape[i] = shape[i];
        good = shape[i] >= 0;
    }
    if (!good || !safetensors_bytes(&t.n_bytes, type, n_dims, shape))
        return fail(
            GLASS_USAGE,
            "%s: tensor \"%s\" has a name, shape or type that safetensors cannot hold",
            w->path, name);
    if (w->n_tensors == w->cap_tensors) {
        size_t cap = w->cap_tensors == 0 ? 64 : w->cap_tensors * 2;
        TRY(mem_resize(&w->tensors, cap, sizeof *w->tensors));
        w->cap_tensors = cap;
    }
    TRY(buf_append(&w->names, name, strlen(name) + 1));
    w->tensors[w->n_tensors++] = t;
    return GLASS_OK;
}

glass_status safetensors_put_tensor(struct safetensors_writer *w, const char *name,
                                    glass_dtype dtype, int n_dims, const int64_t *shape) {
    return put(w, name, safetensors_type_of(dtype), n_dims, shape);
}

glass_status safetensors_put_typed(struct safetensors_writer *w, const char *name,
                                   const char *type, int n_dims, const int64_t *shape) {
    return put(w, name, safetensors_type_named(type), n_dims, shape);
}

/* ---- shards ---- */

/* A new shard begins where the next tensor would make this one too large. */
static glass_status cut_shards(struct safetensors_writer *w) {
    size_t n_bytes = 0;
    int n = 1;
    for (size_t i = 0; i < w->n_tensors; i++) {
        size_t more = w->tensors[i].n_bytes;
        if (n_bytes > 0 && (n_bytes > w->shard_bytes || more > w->shard_bytes - n_bytes)) {
            n++;
            n_bytes = 0;
        }
        if (!mem_add(&n_bytes, n_bytes, more))
            return fail(GLASS_USAGE, "%s: more data than can be counted", w->path);
        w->tensors[i].shard = n - 1;
    }
    TRY(mem_alloc_zero(&w->shards, (size_t)n, sizeof *w->shards));
    w->n_shards = n;
    for (int i = 0; i < n; i++) w->shards[i].fd = -1;
    for (size_t i = w->n_tensors; i > 0; i--) {
        struct shard *s = &w->shards[w->tensors[i - 1].shard];
        s->first = i - 1;
        s->n++;
    }
    return GLASS_OK;
}

static glass_status create_part(struct shard *s) {
    s->fd = open(s->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return s->fd < 0 ? fail_errno("%s: cannot create", s->part) : GLASS_OK;
}

static glass_status name_shard(struct safetensors_writer *w, int i) {
    struct buf name = {0};
    glass_status status;
    size_t n_stem = strlen(w->path) - strlen(ENDING), ignored;
    struct shard *s = &w->shards[i];
    TRY_FAIL(buf_append(&name, w->path, n_stem));
    if (w->n_shards > 1) TRY_FAIL(buf_printf(&name, "-%05d-of-%05d", i + 1, w->n_shards));
    TRY_FAIL(buf_text(&name, ENDING));
    TRY_FAIL(mem_copy_text(&s->path, name.data, name.len));
    TRY_FAIL(buf_printf(&name, ".part-%ld", (long)getpid()));
    TRY_FAIL(buf_take(&name, &s->part, &ignored));
    status = create_part(s);
fail:
    buf_free(&name);
    return status;
}

/* Gives the shard's tensors their places: larger numbers first, then in order. */
static void place(struct safetensors_writer *w, const struct shard *s) {
    size_t offset = 0;
    for (int bits = 64; bits > 0; bits--)
        for (size_t i = s->first; i < s->first + s->n; i++) {
            if (w->tensors[i].type->bits != bits) continue;
            w->tensors[i].offset = offset;
            offset += w->tensors[i].n_bytes;
        }
}

static glass_status describe(const struct safetensors_writer *w, const struct tensor *t,
                             struct buf *out) {
    const char *name = w->names.data + t->name;
    if (out->len > 9) TRY(buf_byte(out, ',')); /* after the length and '{' */
    TRY(buf_json_string(out, name, strlen(name)));
    TRY(buf_printf(out, ":{\"dtype\":\"%s\",\"shape\":[", t->type->name));
    for (int i = 0; i < t->n_dims; i++)
        TRY(buf_printf(out, "%s%lld", i > 0 ? "," : "", (long long)t->shape[i]));
    return buf_printf(out, "],\"data_offsets\":[%zu,%zu]}", t->offset,
                      t->offset + t->n_bytes);
}

/* The length, then the JSON, with spaces to a multiple of 8. */
static glass_status make_header(const struct safetensors_writer *w, const struct shard *s,
                                struct buf *out) {
    TRY(buf_append(out, "\0\0\0\0\0\0\0\0{", 9));
    if (w->meta.len > 0) {
        TRY(buf_text(out, "\"__metadata__\":{"));
        TRY(buf_append(out, w->meta.data, w->meta.len));
        TRY(buf_byte(out, '}'));
    }
    for (int bits = 64; bits > 0; bits--)
        for (size_t i = s->first; i < s->first + s->n; i++)
            if (w->tensors[i].type->bits == bits) TRY(describe(w, &w->tensors[i], out));
    TRY(buf_byte(out, '}'));
    while (out->len % 8 != 0) TRY(buf_byte(out, ' '));
    uint64_t n = out->len - 8;
    for (int i = 0; i < 8; i++) out->data[i] = (char)(n >> (8 * i));
    return GLASS_OK;
}

static glass_status write_at(const struct shard *s, const char *bytes, size_t n_bytes,
                             size_t at) {
    while (n_bytes > 0) {
        ssize_t n = pwrite(s->fd, bytes, n_bytes, (off_t)at);
        if (n < 0) return fail_errno("%s: cannot write", s->part);
        bytes += n;
        n_bytes -= (size_t)n;
        at += (size_t)n;
    }
    return GLASS_OK;
}

static glass_status start(struct safetensors_writer *w) {
    glass_status status = GLASS_OK;
    if (w->started) return GLASS_OK;
    TRY(cut_shards(w));
    w->started = true;
    for (int i = 0; i < w->n_shards && status == GLASS_OK; i++) {
        struct buf header = {0};
        struct shard *s = &w->shards[i];
        status = name_shard(w, i);
        if (status == GLASS_OK) place(w, s);
        if (status == GLASS_OK) status = make_header(w, s, &header);
        if (status == GLASS_OK) status = write_at(s, header.data, header.len, 0);
        s->start = header.len;
        buf_free(&header);
    }
    return status;
}

/* Passes tensors that are complete, those without bytes included. */
static void pass_complete(struct safetensors_writer *w) {
    while (w->current < w->n_tensors && w->n_given == w->tensors[w->current].n_bytes) {
        w->current++;
        w->n_given = 0;
    }
}

glass_status safetensors_put_data(struct safetensors_writer *w, const void *bytes,
                                  size_t n_bytes) {
    const char *from = bytes;
    TRY(start(w));
    for (pass_complete(w); n_bytes > 0; pass_complete(w)) {
        if (w->current == w->n_tensors)
            return fail(GLASS_USAGE, "%s: %zu bytes more than the tensors take", w->path,
                        n_bytes);
        const struct tensor *t = &w->tensors[w->current];
        const struct shard *s = &w->shards[t->shard];
        size_t n = t->n_bytes - w->n_given;
        if (n > n_bytes) n = n_bytes;
        TRY(write_at(s, from, n, s->start + t->offset + w->n_given));
        from += n;
        n_bytes -= n;
        w->n_given += n;
    }
    return GLASS_OK;
}

/* ---- the end ---- */

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static glass_status make_index(const struct safetensors_writer *w, struct buf *out) {
    size_t n_bytes = 0;
    for (size_t i = 0; i < w->n_tensors; i++) n_bytes += w->tensors[i].n_bytes;
    TRY(buf_printf(out, "{\n  \"metadata\": {\n    \"total_size\": %zu\n  },\n", n_bytes));
    TRY(buf_text(out, "  \"weight_map\": {"));
    for (size_t i = 0; i < w->n_tensors; i++) {
        const char *name = w->names.data + w->tensors[i].name;
        const char *file = base_name(w->shards[w->tensors[i].shard].path);
        TRY(buf_text(out, i > 0 ? ",\n    " : "\n    "));
        TRY(buf_json_string(out, name, strlen(name)));
        TRY(buf_text(out, ": "));
        TRY(buf_json_string(out, file, strlen(file)));
    }
    return buf_text(out, "\n  }\n}\n");
}

/* Beside its place, then renamed, as the shards were. */
static glass_status write_index(const struct safetensors_writer *w) {
    struct buf text = {0}, path = {0}, part = {0};
    struct shard s = {.fd = -1};
    glass_status status;
    TRY_FAIL(make_index(w, &text));
    TRY_FAIL(buf_printf(&path, "%s.index.json", w->path));
    TRY_FAIL(buf_printf(&part, "%s.part-%ld", path.data, (long)getpid()));
    s.part = part.data;
    TRY_FAIL(create_part(&s));
    status = write_at(&s, text.data, text.len, 0);
    if (status == GLASS_OK && fsync(s.fd) != 0)
        status = fail_errno("%s: cannot flush", s.part);
    close(s.fd);
    if (status == GLASS_OK && rename(s.part, path.data) != 0)
        status = fail_errno("%s: cannot rename to %s", s.part, path.data);
    if (status != GLASS_OK) unlink(s.part);
fail:
    buf_free(&text);
    buf_free(&path);
    buf_free(&part);
    return status;
}

/* The parts as the reader sees them: names twice in one of them, or in two. */
static glass_status read_back(const struct safetensors_writer *w) {
    const char **paths;
    struct archive *a = NULL;
    glass_status status;
    TRY(mem_alloc(&paths, (size_t)w->n_shards, sizeof *paths));
    for (int i = 0; i < w->n_shards; i++) paths[i] = w->shards[i].part;
    status = archive_open_parts(&a, paths, w->n_shards);
    for (int64_t i = 0; status == GLASS_OK && i < archive_n_tensors(a); i++) {
        const struct archive_tensor *t = archive_tensor_at(a, i);
        if (archive_find(a, t->name, -1)->part != t->part)
            status = fail(GLASS_BAD_INPUT, "%s: the tensor \"%s\" was given twice", w->path,
                          t->name);
    }
    archive_close(a);
    mem_free(paths);
    return status;
}

static glass_status finish(struct safetensors_writer *w) {
    TRY(start(w));
    pass_complete(w);
    if (w->current < w->n_tensors)
        return fail(GLASS_BAD_INPUT, "%s: the data of tensor %zu of %zu is missing",
                    w->path, w->current + 1, w->n_tensors);
    for (int i = 0; i < w->n_shards; i++)
        if (fsync(w->shards[i].fd) != 0)
            return fail_errno("%s: cannot flush", w->shards[i].part);
    TRY(read_back(w));
    for (int i = 0; i < w->n_shards; i++) {
        struct shard *s = &w->shards[i];
        if (rename(s->part, s->path) != 0)
            return fail_errno("%s: cannot rename to %s", s->part, s->path);
        close(s->fd);
        s->fd = -1;
    }
    return w->n_shards > 1 ? write_index(w) : GLASS_OK;
}

glass_status safetensors_writer_finish(struct safetensors_writer *w) {
    glass_status status = finish(w);
    safetensors_writer_free(w);
    return status;
}
