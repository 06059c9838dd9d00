/* pack_make.c - corpora to packed shards (train/pack.h).
 *
 * Documents come in the order of their hashes, in batches that fit the memory asked for; a batch
 * is encoded by all threads and put down in order. A shard ends with the document that reaches
 * its size, so that where it ends depends on documents alone. Whole shards of a call that was
 * killed are kept: each says what it was made of, and from which document on. */
#include "base/hash.h"
#include "base/path.h"
#include "base/team.h"
#include "data/corpus.h"
#include "data/licence.h"
#include "train/pack.h"
#include "train/shard.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_DOCUMENTS = 1 << 20 /* of a shard */, MOST_BATCH = 1 << 16 /* documents */ };

struct packing {
    const char *folder;
    const glass_tokenizer *tokenizer;
    glass_pack_options o;
    glass_pack_report *report;
    struct pack pack;
    int64_t now;  /* the corpus being packed; -1: held-out documents, of all */
    int64_t from; /* of whose corpus documents come */
    struct licence_policy policy; /* for its digest */
    uint64_t threshold;           /* documents whose hash begins below are held out */
    char settings[65];
    glass_status status; /* what stopped a visit */
    /* the batch */
    struct waiting *items;
    int64_t n_items, batch_bytes;
    struct buf texts, lines;
    /* documents of this corpus */
    uint8_t last[32];
    bool any;
    int64_t seen, skip, begun; /* begun: at which the open shard begins */
    /* the open shard */
    bool open;
    struct shard_maker maker;
    struct buf records, roots, path, other;
    FILE *jsonl;
    struct sha256 *jsonl_hash;
    int64_t shard_bytes, shard; /* its number */
};

struct waiting {
    size_t at, n_bytes, line, n_line; /* at: in texts; line: in lines */
    uint8_t record[32];
    int32_t *ids;
    int64_t n_ids;
    glass_status status;
};

/* ---- shards ---- */

static glass_status name_shard(struct packing *p, const char *kind) {
    buf_clear(&p->path);
    if (p->now < 0) return buf_printf(&p->path, "%s/held-out.%s", p->folder, kind);
    return buf_printf(&p->path, "%s/%lld-%05lld.%s", p->folder, (long long)p->now,
                      (long long)p->shard, kind);
}

static glass_status open_shard(struct packing *p) {
    TRY(shard_maker_begin(&p->maker, p->tokenizer, p->folder));
    p->open = true;
    p->begun = p->seen;
    p->shard_bytes = 0;
    buf_clear(&p->records);
    TRY(sha256_create(&p->jsonl_hash));
    buf_clear(&p->other);
    TRY(buf_printf(&p->other, "%s/.part-documents.jsonl", p->folder));
    p->jsonl = fopen(p->other.data, "wb");
    return p->jsonl != NULL ? GLASS_OK : fail_errno("%s: cannot make", p->other.data);
}

static void drop_shard(struct packing *p) {
    shard_maker_clear(&p->maker);
    if (p->jsonl != NULL) fclose(p->jsonl);
    p->jsonl = NULL;
    sha256_free(p->jsonl_hash);
    p->jsonl_hash = NULL;
    p->open = false;
}

/* The records' file has its place before the shard has: a shard that is there is whole. */
static glass_status end_jsonl(struct packing *p, char hex[65]) {
    uint8_t digest[32];
    struct sha256 *h = p->jsonl_hash;
    FILE *f = p->jsonl;
    p->jsonl_hash = NULL;
    p->jsonl = NULL;
    glass_status status = sha256_finish(h, digest);
    if (fflush(f) != 0 || fsync(fileno(f)) != 0)
        status = fail_errno("%s: cannot write", p->other.data);
    if (fclose(f) != 0 && status == GLASS_OK)
        status = fail_errno("%s: cannot write", p->other.data);
    TRY(status);
    sha256_hex(hex, digest);
    TRY(name_shard(p, "documents.jsonl"));
    return rename(p->other.data, p->path.data) == 0
               ? GLASS_OK
               : fail_errno("%s: cannot rename", p->path.data);
}

static glass_status list_shard(struct packing *p, const struct shard *s) {
    struct pack *k = &p->pack;
    TRY(mem_resize(&k->shards, (size_t)k->n_shards + 1, sizeof *k->shards));
    struct pack_shard *e = &k->shards[k->n_shards++];
    *e = (struct pack_shard){.corpus = p->now,
                             .n_documents = s->n_documents,
                             .n_tokens = s->n_tokens,
                             .n_bytes = s->n_bytes};
    memcpy(e->sha256, s->sha256, 32);
    TRY(name_shard(p, "safetensors"));
    const char *name = p->path.data + strlen(p->folder) + 1;
    TRY(mem_copy_text(&e->file, name, strlen(name)));
    p->report->n_shards++;
    p->report->n_documents += s->n_documents;
    p->report->n_tokens += s->n_tokens;
    p->report->n_bytes += s->n_bytes;
    if (p->now < 0) p->report->n_held_out += s->n_documents;
    p->shard++;
    return GLASS_OK;
}

static glass_status close_shard(struct packing *p) {
    char hex[65], first[24];
    struct shard s;
    if (!p->open) return GLASS_OK;
    TRY(end_jsonl(p, hex));
    p->open = false;
    TRY(shard_maker_finish(&s, &p->maker));
    s.n_bytes = p->shard_bytes;
    snprintf(first, sizeof first, "%lld", (long long)p->begun);
    const char *const meta[][2] = {{"corpus", p->roots.data},
                                   {"policy", p->o.policy ? p->policy.name : ""},
                                   {"settings", p->settings},
                                   {"first", first},
                                   {"records_sha256", hex}};
    const struct shard_more more = {(const uint8_t *)p->records.data, meta,
                                    sizeof meta / sizeof *meta};
    glass_status status = name_shard(p, "safetensors");
    if (status == GLASS_OK) status = shard_write_more(&s, p->path.data, &more);
    if (status == GLASS_OK) status = list_shard(p, &s);
    shard_clear(&s);
    return status;
}

/* ---- documents ---- */

static glass_status put_line(struct packing *p, const void *bytes, size_t n) {
    if (fwrite(bytes, 1, n, p->jsonl) != n)
        return fail_errno("%s: cannot write", p->other.data);
    return sha256_update(p->jsonl_hash, bytes, n);
}

static glass_status put_document(struct packing *p, const struct waiting *w) {
    char row[96];
    if (!p->open) TRY(open_shard(p));
    int64_t first = p->maker.n_tokens - p->maker.n_documents;
    TRY(shard_maker_put(&p->maker, w->ids, w->n_ids));
    int n = snprintf(row, sizeof row, "{\"row\":%lld,\"rows\":%lld,", (long long)first,
                     (long long)w->n_ids + 1);
    TRY(put_line(p, row, (size_t)n));
    TRY(put_line(p, p->lines.data + w->line, w->n_line));
    TRY(buf_append(&p->records, w->record, 32));
    p->shard_bytes += (int64_t)w->n_bytes;
    p->seen++;
    if (p->now < 0 ||
        (p->maker.n_tokens < p->o.shard_tokens && p->maker.n_documents < MOST_DOCUMENTS))
        return GLASS_OK;
    return close_shard(p);
}

static void encode_some(void *context, const struct member *me) {
    struct packing *p = context;
    int64_t begin, end;
    while (team_queue_next(me, p->n_items, 1, &begin, &end))
        for (int64_t i = begin; i < end; i++) {
            struct waiting *w = &p->items[i];
            w->status = glass_tokenizer_encode(p->tokenizer, &w->ids, &w->n_ids,
                                               p->texts.data + w->at, w->n_bytes, 0);
        }
    team_barrier(me);
}

static glass_status flush_batch(struct packing *p) {
    glass_status status = GLASS_OK;
    if (p->n_items == 0) return GLASS_OK;
    team_run(p->o.n_threads, encode_some, p);
    for (int64_t i = 0; i < p->n_items; i++) {
        struct waiting *w = &p->items[i];
        if (status == GLASS_OK && w->status != GLASS_OK) status = fail_memory(w->n_bytes);
        if (status == GLASS_OK) status = put_document(p, w);
        glass_free(w->ids);
        w->ids = NULL;
    }
    p->n_items = 0;
    p->batch_bytes = 0;
    buf_clear(&p->lines);
    buf_clear(&p->texts);
    const glass_pack_progress progress = {
        p->report->n_documents + (p->open ? p->maker.n_documents : 0),
        p->report->n_bytes + (p->open ? p->shard_bytes : 0),
        p->report->n_tokens + (p->open ? p->maker.n_tokens : 0)};
    if (status == GLASS_OK && p->o.progress != NULL &&
        !p->o.progress(p->o.context, &progress))
        status = fail(GLASS_CANCELLED, "stopped; the same command goes on");
    return status;
}

static glass_status put_key(struct buf *b, const json_t *record, const char *key) {
    const json_t *value = json_object_get(record, key);
    if (!json_is_string(value)) return GLASS_OK;
    TRY(buf_printf(b, ",\"%s\":", key));
    return buf_json_string(b, json_string_value(value), json_string_length(value));
}

/* What stands in the records' file of it, behind its rows. */
static glass_status record_line(struct packing *p, const glass_document *d) {
    struct buf *b = &p->lines;
    char hex[65];
    json_t *record = json_loads(d->record, 0, NULL);
    glass_status status;
    sha256_hex(hex, d->record_hash);
    TRY_FAIL(buf_printf(b, "\"record\":\"%s\"", hex));
    sha256_hex(hex, d->content);
    TRY_FAIL(buf_printf(b, ",\"content\":\"%s\"", hex));
    sha256_hex(hex, p->pack.corpora[p->from].root);
    TRY_FAIL(buf_printf(b, ",\"corpus\":\"%s\",\"licence\":", hex));
    TRY_FAIL(buf_json_string(b, d->licence, strlen(d->licence)));
    TRY_FAIL(put_key(b, record, "title"));
    TRY_FAIL(put_key(b, record, "author"));
    TRY_FAIL(put_key(b, record, "made_by"));
    TRY_FAIL(put_key(b, record, "url"));
    TRY_FAIL(buf_text(b, ",\"source\":"));
    TRY_FAIL(buf_json_string(b, d->source, strlen(d->source)));
    TRY_FAIL(buf_text(b, ",\"path\":"));
    TRY_FAIL(buf_json_string(b, d->path, strlen(d->path)));
    status = buf_text(b, "}\n");
fail:
    json_decref(record);
    return status;
}

static bool is_held_out(const struct packing *p, const uint8_t content[32]) {
    uint64_t x = 0;
    for (int i = 0; i < 8; i++) x = x << 8 | content[i];
    return x < p->threshold;
}

static glass_status take(struct packing *p, const glass_document *d) {
    if (d->n_bytes == 0) return GLASS_OK;
    if (p->any && memcmp(p->last, d->content, 32) == 0) {
        p->report->n_again++;
        return GLASS_OK;
    }
    memcpy(p->last, d->content, 32);
    p->any = true;
    if (p->skip > 0) {
        p->skip--;
        p->seen++;
        return GLASS_OK;
    }
    if (p->n_items == MOST_BATCH ||
        (p->n_items > 0 && p->batch_bytes + d->n_bytes > p->o.memory_bytes / 8))
        TRY(flush_batch(p));
    struct waiting *w = &p->items[p->n_items];
    *w = (struct waiting){
        .at = p->texts.len, .n_bytes = (size_t)d->n_bytes, .line = p->lines.len};
    TRY(buf_append(&p->texts, d->text, w->n_bytes));
    memcpy(w->record, d->record_hash, 32);
    TRY(record_line(p, d));
    w->n_line = p->lines.len - w->line;
    p->batch_bytes += d->n_bytes + (int64_t)w->n_line;
    p->n_items++;
    return GLASS_OK;
}

static bool visit(void *context, const glass_document *d) {
    struct packing *p = context;
    bool held_out = is_held_out(p, d->content);
    /* They come first, by the order of hashes. */
    if (p->now < 0 && !held_out) return false;
    if (p->now >= 0 && held_out) return true;
    p->status = take(p, d);
    return p->status == GLASS_OK;
}

/* ---- what was there before ---- */

static glass_status same_settings(struct packing *p, const struct shard *s) {
    const char *settings = shard_meta(s, "settings"), *first = shard_meta(s, "first");
    char want[24];
    snprintf(want, sizeof want, "%lld", (long long)p->skip);
    if (settings != NULL && first != NULL && strcmp(settings, p->settings) == 0 &&
        strcmp(first, want) == 0)
        return GLASS_OK;
    return fail(GLASS_USAGE,
                "%s: a shard of other corpora, another tokenizer or other options: name "
                "another folder",
                p->path.data);
}

static glass_status keep_shards(struct packing *p) {
    struct stat st;
    p->skip = p->seen = p->shard = 0;
    p->any = false;
    for (;;) {
        struct shard s;
        TRY(name_shard(p, "safetensors"));
        if (stat(p->path.data, &st) != 0) return GLASS_OK;
        TRY(shard_open(&s, p->path.data, NULL));
        glass_status status = same_settings(p, &s);
        if (status == GLASS_OK) status = list_shard(p, &s);
        p->skip += s.n_documents;
        p->report->n_kept++;
        shard_clear(&s);
        TRY(status);
        if (p->now < 0) return GLASS_OK;
    }
}

/* ---- the whole ---- */

static glass_status each(struct packing *p, const glass_pack_source *source) {
    glass_corpus *corpus;
    char root[65];
    sha256_hex(root, p->pack.corpora[p->from].root);
    TRY(glass_corpus_open(&corpus, source->corpus, false));
    corpus->reading = true;
    p->status = GLASS_OK;
    p->any = false;
    glass_status status = glass_corpus_each(corpus, root, p->o.policy, visit, p);
    if (status == GLASS_CANCELLED) status = p->status;
    if (status == GLASS_OK) status = flush_batch(p); /* texts are the corpus's */
    p->n_items = 0;
    glass_corpus_close(corpus);
    return status;
}

static glass_status hash_settings(struct packing *p) {
    struct buf b = {0};
    uint8_t digest[32];
    char hex[65];
    const struct licence_policy *q = &p->policy;
    sha256_hex(hex, p->pack.tokenizer);
    glass_status status;
    TRY_FAIL(buf_printf(&b, "tokenizer %s\ntokens %lld\nheld out %llu\ncorpora %s\n", hex,
                        (long long)p->o.shard_tokens, (unsigned long long)p->threshold,
                        p->roots.data));
    if (p->o.policy != NULL)
        TRY_FAIL(buf_printf(&b, "policy %s %u %u %d %d\n%s\n%s\n%s", q->name, q->want,
                            q->refuse, q->unknown, q->contradictory,
                            q->allow.data ? q->allow.data : "",
                            q->deny.data ? q->deny.data : "",
                            q->deny_makers.data ? q->deny_makers.data : ""));
    status = sha256_bytes(digest, b.data, b.len);
    sha256_hex(p->settings, digest);
fail:
    buf_free(&b);
    return status;
}

static glass_status take_sources(struct packing *p, const glass_pack_source *sources,
                                 int64_t n) {
    TRY(mem_alloc_zero(&p->pack.corpora, (size_t)n, sizeof *p->pack.corpora));
    for (int64_t i = 0; i < n; i++) {
        struct pack_corpus *c = &p->pack.corpora[p->pack.n_corpora++];
        const char *name = sources[i].corpus, *policy = p->o.policy ? p->policy.name : "";
        glass_corpus *corpus;
        int64_t seal, count;
        c->weight = sources[i].weight == 0 ? 1 : sources[i].weight;
        TRY(mem_copy_text(&c->name, name, strlen(name)));
        TRY(mem_copy_text(&c->policy, policy, strlen(policy)));
        if (!(c->weight > 0) || !isfinite(c->weight))
            return fail(GLASS_USAGE, "%s: a weight of %g", name, c->weight);
        TRY(glass_corpus_open(&corpus, name, false));
        glass_status status =
            corpus_find_root(corpus, sources[i].root, &seal, c->root, &count);
        glass_corpus_close(corpus);
        TRY(status);
        char hex[65];
        sha256_hex(hex, c->root);
        TRY(buf_printf(&p->roots, "%s%s", i > 0 ? " " : "", hex));
    }
    return GLASS_OK;
}

static glass_status lock_folder(const char *folder, int *fd) {
    TRY(path_make(folder));
    *fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0) return fail_errno("%s: cannot open", folder);
    if (flock(*fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK
                   ? fail(GLASS_SYSTEM, "%s: another glass is packing into it", folder)
                   : fail_errno("%s: cannot lock", folder);
    return path_remove_parts(folder);
}

static glass_status pack_held_out(struct packing *p, const glass_pack_source *sources) {
    p->now = -1;
    TRY(keep_shards(p));
    if (p->shard > 0) return GLASS_OK; /* it is there, whole */
    for (p->from = 0; p->from < p->pack.n_corpora; p->from++)
        TRY(each(p, &sources[p->from]));
    return close_shard(p);
}

static glass_status pack_all(struct packing *p, const glass_pack_source *sources) {
    TRY(pack_tokenizer(p->pack.tokenizer, p->tokenizer));
    TRY(hash_settings(p));
    TRY(mem_alloc_zero(&p->items, MOST_BATCH, sizeof *p->items));
    if (p->threshold > 0) TRY(pack_held_out(p, sources));
    for (p->now = 0; p->now < p->pack.n_corpora; p->now++) {
        p->from = p->now;
        TRY(keep_shards(p));
        TRY(each(p, &sources[p->now]));
        TRY(close_shard(p));
    }
    if (p->report->n_documents == p->report->n_held_out)
        return fail(GLASS_BAD_INPUT, "there is no document to pack%s",
                    p->o.policy ? ": the policy allows none" : "");
    TRY(pack_write(&p->pack, p->folder));
    sha256_hex(p->report->root, p->pack.root);
    return GLASS_OK;
}

static glass_status take_options(struct packing *p, const glass_pack_options *o) {
    if (o != NULL) p->o = *o;
    if (p->o.shard_tokens == 0) p->o.shard_tokens = INT64_C(64) << 20;
    if (p->o.memory_bytes == 0) p->o.memory_bytes = INT64_C(256) << 20;
    if (p->o.n_threads == 0) p->o.n_threads = team_default_threads();
    if (!(p->o.held_out >= 0 && p->o.held_out <= 0.5))
        return fail(GLASS_USAGE, "held out may be from 0 to 0.5");
    if (p->o.shard_tokens < 1 || p->o.memory_bytes < 1 << 20 || p->o.n_threads < 1)
        return fail(GLASS_USAGE,
                    "a shard wants a token, a pack a thread and 1 MiB of memory");
    p->threshold = (uint64_t)ldexp(p->o.held_out, 64);
    if (p->o.policy != NULL) return policy_open(&p->policy, p->o.policy);
    return GLASS_OK;
}

glass_status glass_data_pack(glass_pack_report *report, const char *folder,
                             const glass_pack_source *sources, int64_t n_sources,
                             const glass_tokenizer *tokenizer,
                             const glass_pack_options *options) {
    struct packing p = {.folder = folder, .tokenizer = tokenizer, .report = report};
    int lock = -1;
    *report = (glass_pack_report){0};
    glass_status status = take_options(&p, options);
    if (status == GLASS_OK && n_sources < 1)
        status = fail(GLASS_USAGE, "no corpus to pack");
    if (status == GLASS_OK) status = take_sources(&p, sources, n_sources);
    if (status == GLASS_OK) status = lock_folder(folder, &lock);
    if (status == GLASS_OK) status = pack_all(&p, sources);
    drop_shard(&p);
    if (lock >= 0) close(lock);
    policy_clear(&p.policy);
    pack_clear(&p.pack);
    mem_free(p.items);
    buf_free(&p.texts);
    buf_free(&p.lines);
    buf_free(&p.records);
    buf_free(&p.roots);
    buf_free(&p.path);
    buf_free(&p.other);
    return status;
}
