/* trace_build.c - an index of shards: see glass/trace.h and trace_build.h.
 *
 * The part has its final layout from the start, with another beginning (trace_header_write). Its
 * header is written once all but the segments is on the disk, and a segment's record once that
 * is: what a second try finds there it checks against the digests and keeps. */
#include "open/trace_build.h"

#include "base/hash.h"
#include "base/path.h"
#include "base/team.h"
#include "open/trace_run.h"
#include "text/tok_to_gguf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 1 << 20, MOST_SHARDS = 1 << 16 };
#define DEFAULT_SEGMENT ((int64_t)1 << 28)
#define DEFAULT_MEMORY  ((size_t)6 << 30)

glass_status trace_put_at(const struct trace_building *b, const void *bytes, size_t n_bytes,
                          uint64_t offset) {
    const char *p = bytes;
    while (n_bytes > 0) {
        ssize_t n = pwrite(b->fd, p, n_bytes, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno("%s: cannot write", b->part);
        p += n;
        n_bytes -= (size_t)n;
        offset += (uint64_t)n;
    }
    return GLASS_OK;
}

/* ---- the vocabulary ---- */

static glass_status copy_values(struct gguf_writer *w, const struct gguf *g) {
    for (int64_t i = 0; i < gguf_n_values(g); i++) {
        const struct gguf_value *v = gguf_value_at(g, i);
        if (v->key.n_bytes > 10 && memcmp(v->key.text, "tokenizer.", 10) == 0 &&
            !(v->key.n_bytes >= 23 &&
              memcmp(v->key.text, "tokenizer.chat_template", 23) == 0))
            TRY(gguf_put_value(w, v));
    }
    return GLASS_OK;
}

static glass_status write_vocabulary(struct gguf_writer *w, const char *source) {
    const struct tok_to_gguf_options any = {.any_pre = true};
    struct tok_source s = TOK_SOURCE_NONE;
    struct filemap map = {0};
    struct stat st;
    struct gguf *g;
    bool gguf = false;
    if (stat(source, &st) != 0) return fail_errno("%s", source);
    if (!S_ISDIR(st.st_mode)) {
        TRY(filemap_open(&map, source));
        gguf = map.size >= 4 && memcmp(map.data, "GGUF", 4) == 0;
        filemap_close(&map);
    }
    TRY(gguf_put_text(w, "general.architecture", "vocabulary"));
    if (gguf) {
        TRY(gguf_open(&g, source));
        glass_status status = copy_values(w, g);
        gguf_close(g);
        return status;
    }
    glass_status status = tok_read_path(&s, source);
    if (status == GLASS_OK) status = tok_to_gguf(w, &s, &any);
    tok_source_clear(&s);
    return status;
}

/* The bytes of a GGUF file that holds nothing but the vocabulary; how many tokens it has. */
static glass_status make_vocabulary(struct trace_building *b, int64_t *n_vocab) {
    struct gguf_writer *w = NULL;
    struct gguf *g = NULL;
    glass_tokenizer *t = NULL;
    struct buf path = {0};
    glass_status status;
    TRY_FAIL(buf_printf(&path, "%s.vocabulary-%ld", b->path, (long)getpid()));
    TRY_FAIL(gguf_writer_create(&w, path.data));
    TRY_FAIL(write_vocabulary(w, b->o.vocabulary));
    status = gguf_writer_finish(w);
    w = NULL;
    if (status == GLASS_OK)
        status = path_read_whole(&b->vocabulary, path.data, SIZE_MAX / 4);
    unlink(path.data);
    if (status != GLASS_OK) goto fail;
    TRY_FAIL(gguf_open_memory(&g, b->vocabulary.data, b->vocabulary.len, b->o.vocabulary));
    TRY_FAIL(tok_create_gguf(&t, g));
    *n_vocab = glass_tokenizer_n_vocab(t);
fail:
    gguf_writer_free(w);
    glass_tokenizer_close(t);
    gguf_close(g);
    buf_free(&path);
    return status == GLASS_OK ? status : fail_within(status, "%s", b->o.vocabulary);
}

/* ---- the plan ---- */

static glass_status open_shards(struct trace_building *b) {
    struct buf list = {0};
    const char zeros[TRACE_RECORD] = {0};
    glass_status status = GLASS_OK;
    TRY(mem_alloc_zero(&b->shards, (size_t)b->n_shards, sizeof *b->shards));
    for (int64_t i = 0; status == GLASS_OK && i < b->n_shards; i++)
        status = buf_append(&list, zeros, sizeof zeros);
    for (int64_t i = 0; status == GLASS_OK && i < b->n_shards; i++) {
        struct shard *s = &b->shards[i];
        const char *slash = strrchr(b->names[i], '/');
        const char *name = slash == NULL ? b->names[i] : slash + 1;
        status = shard_open(s, b->names[i], NULL);
        if (status != GLASS_OK) break;
        const uint64_t numbers[4] = {(uint64_t)s->n_tokens, (uint64_t)s->n_documents,
                                     list.len, strlen(name)};
        memcpy(list.data + i * TRACE_RECORD, s->sha256, 32);
        memcpy(list.data + i * TRACE_RECORD + 32, numbers, sizeof numbers);
        status = buf_text(&list, name);
        b->h.n_documents += s->n_documents;
        b->h.n += s->n_tokens + s->n_documents;
    }
    b->shard_list = list;
    if (status == GLASS_OK && b->h.n_documents == 0)
        return fail(GLASS_BAD_INPUT, "there is no document in the shards");
    return status;
}

static glass_status add_segment(struct trace_building *b, int64_t begin, int64_t document) {
    int64_t n = b->h.n_segments;
    if ((n & (n - 1)) == 0) /* doubles at powers of two */
        TRY(mem_resize(&b->segments, n == 0 ? 2 : 2 * (size_t)n + 1, sizeof *b->segments));
    b->segments[n] = (struct trace_segment_record){.begin = begin, .document = document};
    b->h.n_segments++;
    return GLASS_OK;
}

static int64_t segment_most(const struct trace_building *b) {
    int64_t n = DEFAULT_SEGMENT;
    if (b->o.segment_tokens > 0) return b->o.segment_tokens;
    while (n > 1024 && trace_sort_bytes(n, b->h.n_symbols) > b->o.memory_bytes) n /= 2;
    return n;
}

/* Whole documents, as many as fit, at least one. */
static glass_status plan_segments(struct trace_building *b) {
    int64_t at = 0, document = 0, begin = 0;
    b->h.segment_most = segment_most(b);
    TRY(add_segment(b, 0, 0));
    for (int64_t i = 0; i < b->n_shards; i++)
        for (int64_t d = 0; d < b->shards[i].n_documents; d++, document++) {
            int64_t n = shard_start(&b->shards[i], d + 1) - shard_start(&b->shards[i], d);
            if (n >= INT32_MAX - 1)
                return fail(GLASS_BAD_INPUT,
                            "%s: document %lld has %lld tokens: at most 2^31 - 3 can be "
                            "traced",
                            b->names[i], (long long)d, (long long)n);
            if (trace_sort_bytes(n + 1, b->h.n_symbols) > b->o.memory_bytes)
                return fail(GLASS_USAGE,
                            "%s: document %lld has %lld tokens, which takes %zu MB to "
                            "sort: allow more memory",
                            b->names[i], (long long)d, (long long)n,
                            trace_sort_bytes(n + 1, b->h.n_symbols) >> 20);
            if (at > begin && at + n + 1 - begin > b->h.segment_most) {
                TRY(add_segment(b, at, document));
                begin = at;
            }
            at += n + 1;
        }
    TRY(add_segment(b, at, document));
    b->h.n_segments--; /* the last is their end */
    return GLASS_OK;
}

static glass_status plan(struct trace_building *b) {
    int64_t n_vocab = 0;
    TRY(make_vocabulary(b, &n_vocab));
    b->h.n_symbols = (uint32_t)n_vocab + 1;
    b->h.symbol_bytes = b->h.n_symbols <= 65536 ? 2 : 3;
    b->h.n_shards = b->n_shards;
    TRY(open_shards(b));
    TRY(plan_segments(b));
    b->h.sizes[TRACE_SHARDS] = b->shard_list.len;
    b->h.sizes[TRACE_VOCABULARY] = b->vocabulary.len;
    trace_layout(&b->h);
    TRY(sha256_bytes(b->h.sha256[TRACE_SHARDS], b->shard_list.data, b->shard_list.len));
    return sha256_bytes(b->h.sha256[TRACE_VOCABULARY], b->vocabulary.data,
                        b->vocabulary.len);
}

/* ---- documents and tokens ---- */

/* Bytes in a row into a section, with their digest. */
struct stream {
    const struct trace_building *b;
    struct sha256 *hash;
    uint64_t at;
    size_t n;
    uint8_t *bytes; /* (CHUNK) */
};

static glass_status stream_open(struct stream *s, const struct trace_building *b,
                                enum trace_section section) {
    *s = (struct stream){.b = b, .at = b->h.offsets[section]};
    TRY(sha256_create(&s->hash));
    glass_status status = mem_alloc(&s->bytes, CHUNK, 1);
    if (status != GLASS_OK) sha256_free(s->hash);
    return status;
}

static glass_status stream_flush(struct stream *s) {
    TRY(sha256_update(s->hash, s->bytes, s->n));
    TRY(trace_put_at(s->b, s->bytes, s->n, s->at));
    s->at += s->n;
    s->n = 0;
    return GLASS_OK;
}

static inline glass_status stream_put(struct stream *s, const void *bytes, size_t n) {
    if (s->n + n > CHUNK) TRY(stream_flush(s));
    memcpy(s->bytes + s->n, bytes, n);
    s->n += n;
    return GLASS_OK;
}

static glass_status stream_close(struct stream *s, glass_status status,
                                 uint8_t digest[32]) {
    if (status == GLASS_OK) status = stream_flush(s);
    if (status == GLASS_OK) {
        status = sha256_finish(s->hash, digest);
        s->hash = NULL;
    }
    sha256_free(s->hash);
    mem_free(s->bytes);
    return status;
}

static glass_status copy_tokens(const struct trace_building *b, struct stream *out,
                                int64_t shard, int64_t from, int64_t to) {
    const struct shard *s = &b->shards[shard];
    const uint32_t end = 0;
    for (int64_t i = from; i < to; i++) {
        uint32_t token = 0;
        memcpy(&token, s->tokens + (size_t)i * (size_t)s->token_bytes,
               (size_t)s->token_bytes);
        if (token >= b->h.n_symbols - 1)
            return fail(GLASS_BAD_INPUT,
                        "%s: token %lld is %u, and %s has %u tokens: it is another "
                        "vocabulary's",
                        b->names[shard], (long long)i, token, b->o.vocabulary,
                        b->h.n_symbols - 1);
        token++;
        TRY(stream_put(out, &token, b->h.symbol_bytes));
    }
    return stream_put(out, &end, b->h.symbol_bytes);
}

static glass_status write_symbols(struct trace_building *b, struct stream *out) {
    int64_t done = 0;
    for (int64_t i = 0; i < b->n_shards; i++)
        for (int64_t d = 0; d < b->shards[i].n_documents; d++) {
            int64_t from = shard_start(&b->shards[i], d),
                    to = shard_start(&b->shards[i], d + 1);
            TRY(copy_tokens(b, out, i, from, to));
            done += to - from + 1;
            if (b->o.progress != NULL && d % 1024 == 0 &&
                !b->o.progress(b->o.context, "copying", done, b->h.n))
                return fail(GLASS_CANCELLED, "stopped");
        }
    return GLASS_OK;
}

static glass_status write_documents(struct trace_building *b, struct stream *out) {
    int64_t at = 0;
    TRY(stream_put(out, &at, sizeof at));
    for (int64_t i = 0; i < b->n_shards; i++)
        for (int64_t d = 0; d < b->shards[i].n_documents; d++) {
            at += shard_start(&b->shards[i], d + 1) - shard_start(&b->shards[i], d) + 1;
            TRY(stream_put(out, &at, sizeof at));
        }
    return GLASS_OK;
}

/* ---- the part ---- */

static glass_status hash_section(uint8_t out[32], const struct trace_building *b,
                                 enum trace_section s) {
    return sha256_bytes(out, b->map.data + b->h.offsets[s], (size_t)b->h.sizes[s]);
}

/* Whether the mapped part is of the same shards, vocabulary and segments, and good so far; the
 * digests of its documents and tokens are then in b->h, and segments that are done marked. */
static glass_status take_over(bool *good, struct trace_building *b) {
    struct trace_header h;
    uint8_t have[32];
    *good = false;
    if (b->map.size != b->h.file_size ||
        trace_header_read(&h, b->map.data, b->map.size, false, b->part) != GLASS_OK)
        return GLASS_OK;
    bool alike = h.n == b->h.n && h.n_documents == b->h.n_documents &&
                 h.n_segments == b->h.n_segments && h.n_symbols == b->h.n_symbols &&
                 h.segment_most == b->h.segment_most && h.file_size == b->h.file_size &&
                 memcmp(h.sha256, b->h.sha256, 2 * sizeof *h.sha256) == 0;
    for (int s = TRACE_DOCUMENTS; alike && s <= TRACE_SYMBOLS; s++) {
        TRY(hash_section(have, b, (enum trace_section)s));
        alike = memcmp(have, h.sha256[s], 32) == 0;
    }
    if (!alike) return GLASS_OK;
    for (int64_t i = 0; i < b->h.n_segments; i++) {
        struct trace_segment_record r, *s = &b->segments[i];
        size_t n_buckets = ((size_t)h.n_symbols + 1) * 4;
        size_t from = (size_t)(s->begin - s->document) * 4,
               to = (size_t)(s[1].begin - s[1].document) * 4;
        struct sha256 *hash;
        trace_segment_read(&r, b->map.data + h.offsets[TRACE_SEGMENTS] +
                                   (size_t)i * TRACE_RECORD);
        if (!r.done || r.begin != s->begin || r.document != s->document) continue;
        TRY(sha256_create(&hash));
        glass_status status = sha256_update(
            hash, b->map.data + h.offsets[TRACE_BUCKETS] + (size_t)i * n_buckets,
            n_buckets);
        if (status == GLASS_OK)
            status = sha256_update(hash, b->map.data + h.offsets[TRACE_SUFFIXES] + from,
                                   to - from);
        if (status == GLASS_OK) {
            status = sha256_finish(hash, have);
            hash = NULL;
        }
        sha256_free(hash);
        TRY(status);
        if (memcmp(have, r.sha256, 32) != 0) continue;
        *s = r;
    }
    memcpy(b->h.sha256, h.sha256, sizeof h.sha256);
    *good = true;
    return GLASS_OK;
}

/* What is small, and zeros between the sections: written anew by every try. */
static glass_status write_small(const struct trace_building *b) {
    static const uint8_t zeros[TRACE_ALIGN];
    const struct trace_header *h = &b->h;
    uint8_t record[TRACE_RECORD];
    TRY(trace_put_at(b, b->shard_list.data, b->shard_list.len, h->offsets[TRACE_SHARDS]));
    TRY(trace_put_at(b, b->vocabulary.data, b->vocabulary.len,
                     h->offsets[TRACE_VOCABULARY]));
    for (int64_t i = 0; i <= h->n_segments; i++) {
        trace_segment_write(record, &b->segments[i]);
        TRY(trace_put_at(b, record, sizeof record,
                         h->offsets[TRACE_SEGMENTS] + (uint64_t)i * TRACE_RECORD));
    }
    for (int s = 0; s < TRACE_N_SECTIONS; s++) {
        uint64_t end = h->offsets[s] + h->sizes[s];
        uint64_t next = s + 1 < TRACE_N_SECTIONS ? h->offsets[s + 1] : h->file_size;
        TRY(trace_put_at(b, zeros, (size_t)(next - end), end));
    }
    return GLASS_OK;
}

/* All but the segments, and then the word that it is there. */
static glass_status write_part(struct trace_building *b) {
    uint8_t bytes[TRACE_HEADER] = {0};
    struct stream s;
    if (ftruncate(b->fd, 0) != 0 || ftruncate(b->fd, (off_t)b->h.file_size) != 0)
        return fail_errno("%s: cannot make it %llu MB", b->part,
                          (unsigned long long)b->h.file_size >> 20);
    TRY(stream_open(&s, b, TRACE_DOCUMENTS));
    TRY(stream_close(&s, write_documents(b, &s), b->h.sha256[TRACE_DOCUMENTS]));
    TRY(stream_open(&s, b, TRACE_SYMBOLS));
    TRY(stream_close(&s, write_symbols(b, &s), b->h.sha256[TRACE_SYMBOLS]));
    TRY(write_small(b));
    if (fdatasync(b->fd) != 0) return fail_errno("%s: cannot flush", b->part);
    TRY(trace_header_write(bytes, &b->h, false));
    return trace_put_at(b, bytes, sizeof bytes, 0);
}

static glass_status open_part(struct trace_building *b) {
    struct stat st;
    bool good = false;
    b->fd = open(b->part, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (b->fd < 0) return fail_errno("%s: cannot open", b->part);
    if (flock(b->fd, LOCK_EX | LOCK_NB) != 0)
        return fail(GLASS_USAGE, "%s: another process is at it", b->part);
    if (fstat(b->fd, &st) != 0) return fail_errno("%s", b->part);
    if (st.st_size > 0) {
        TRY(filemap_open(&b->map, b->part));
        TRY(take_over(&good, b));
        if (good) return write_small(b);
        filemap_close(&b->map);
    }
    TRY(write_part(b));
    return filemap_open(&b->map, b->part);
}

/* The header, last of all. */
static glass_status finish(struct trace_building *b) {
    uint8_t bytes[TRACE_HEADER];
    if (fsync(b->fd) != 0) return fail_errno("%s: cannot flush", b->part);
    TRY(hash_section(b->h.sha256[TRACE_SEGMENTS], b, TRACE_SEGMENTS));
    TRY(trace_header_write(bytes, &b->h, true));
    TRY(trace_put_at(b, bytes, sizeof bytes, 0));
    if (fsync(b->fd) != 0) return fail_errno("%s: cannot flush", b->part);
    if (rename(b->part, b->path) != 0)
        return fail_errno("%s: cannot rename to %s", b->part, b->path);
    return GLASS_OK;
}

static void building_clear(struct trace_building *b) {
    for (int64_t i = 0; b->shards != NULL && i < b->n_shards; i++)
        shard_clear(&b->shards[i]);
    filemap_close(&b->map);
    if (b->fd >= 0) close(b->fd);
    mem_free(b->shards);
    mem_free(b->segments);
    mem_free(b->path);
    mem_free(b->part);
    buf_free(&b->shard_list);
    buf_free(&b->vocabulary);
}

glass_status glass_trace_build(const char *path, const char *const *shards,
                               int64_t n_shards, const glass_trace_build_options *options) {
    struct trace_building b = {.fd = -1, .names = shards, .n_shards = n_shards};
    struct buf part = {0};
    glass_status status;
    if (options != NULL) b.o = *options;
    if (b.o.memory_bytes == 0) b.o.memory_bytes = DEFAULT_MEMORY;
    if (b.o.n_threads <= 0) b.o.n_threads = team_default_threads();
    if (b.o.vocabulary == NULL)
        return fail(GLASS_USAGE, "an index needs the vocabulary of its tokens: name it");
    if (n_shards < 1 || n_shards > MOST_SHARDS)
        return fail(GLASS_USAGE, "an index is of 1 to %d shards", MOST_SHARDS);
    TRY_FAIL(mem_copy_text(&b.path, path, strlen(path)));
    TRY_FAIL(buf_printf(&part, "%s.building", path));
    TRY_FAIL(buf_take(&part, &b.part, NULL));
    TRY_FAIL(plan(&b));
    TRY_FAIL(open_part(&b));
    TRY_FAIL(trace_sort_segments(&b));
    status = finish(&b);
fail:
    building_clear(&b);
    buf_free(&part);
    return status;
}

glass_status glass_trace_build_run(const char *path, const char *run,
                                   const glass_trace_build_options *options) {
    glass_trace_build_options o = {0};
    struct buf index = {0};
    struct trace_run r;
    char **shards = NULL, *vocabulary = NULL;
    glass_status status;
    if (options != NULL) o = *options;
    TRY(trace_run_open(&r, run));
    TRY_FAIL(trace_run_shards(&r, &shards));
    if (o.vocabulary == NULL) {
        TRY_FAIL(trace_run_vocabulary(&r, &vocabulary));
        o.vocabulary = vocabulary;
    }
    TRY_FAIL(buf_printf(&index, "%s/%s", run, TRACE_RUN_INDEX));
    status = glass_trace_build(path != NULL ? path : index.data,
                               (const char *const *)shards, r.n_shards, &o);
fail:
    for (int64_t i = 0; shards != NULL && i < r.n_shards; i++) mem_free(shards[i]);
    mem_free(shards);
    mem_free(vocabulary);
    buf_free(&index);
    trace_run_close(&r);
    return status;
}
