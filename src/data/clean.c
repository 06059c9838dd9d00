/* clean.c - glass_data_clean: corpora through rules into a new corpus.
 *
 * Documents come in the order of their hashes, corpus after corpus, in batches that fit the
 * memory asked for; all threads judge a batch, and what comes of it is put down in order. Near
 * duplicates need all documents: what passed the other rules waits in a file without a name, and
 * its bands are sorted on disk. A document is a near duplicate if an earlier one that passed has a
 * band in common with it. All is one transaction: killed at any moment, the same call begins
 * again and ends with the same root. */
#include "data/clean.h"

#include "base/hash.h"
#include "base/path.h"
#include "base/team.h"
#include "data/corpus.h"
#include "train/shard.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST_BATCH = 1 << 14 };

struct waiting {
    const char *text;                 /* in the corpus's view, or own.data */
    size_t n_bytes, record, n_record; /* record: in records */
    uint8_t content[32], hash[32];    /* before */
    struct clean_result result;
    struct buf own;
    glass_status status;
};

/* What stands before a text in the waiting file. */
struct head {
    uint64_t n_text, n_record;
    uint8_t content[32], hash[32]; /* before */
};

struct cleaning {
    glass_clean_options o;
    glass_clean_report *report;
    struct clean_rules rules;
    struct clean_evaluations *evaluations;
    struct glass_corpus *out;
    sqlite3_stmt *decide;
    uint8_t (*roots)[32];          /* of the corpora */
    struct clean_scratch *scratch; /* (n_threads) */
    struct waiting *items;
    int64_t n_items, batch_bytes;
    struct buf records, record, text;
    glass_status status;
    uint64_t n_waiting;
    FILE *spool, *hashes;
    struct sorter *bands, *pairs;
};

/* ---- decisions ---- */

static void bind_number(sqlite3_stmt *s, int i, double x) {
    if (isnan(x))
        sqlite3_bind_null(s, i);
    else
        sqlite3_bind_double(s, i, x);
}

static glass_status decide(struct cleaning *c, const uint8_t content[32],
                           const uint8_t hash[32], const struct clean_finding *f,
                           bool removed) {
    sqlite3_stmt *s = c->decide;
    sqlite3_reset(s);
    sqlite3_bind_blob(s, 1, content, 32, SQLITE_STATIC);
    sqlite3_bind_blob(s, 2, hash, 32, SQLITE_STATIC);
    sqlite3_bind_text(s, 3, f->rule, -1, SQLITE_STATIC);
    bind_number(s, 4, f->value);
    bind_number(s, 5, f->least);
    bind_number(s, 6, f->most);
    sqlite3_bind_text(s, 7, f->detail, -1, SQLITE_STATIC);
    sqlite3_bind_int(s, 8, removed);
    int r = sqlite3_step(s);
    sqlite3_reset(s);
    if (removed) c->report->n_removed++;
    return r == SQLITE_DONE ? GLASS_OK : corpus_failed(c->out, "write");
}

/* ---- putting down ---- */

/* The record of a text that was changed: what it is now, and what it came from. */
static glass_status change_record(struct cleaning *c, const struct waiting *w,
                                  const uint8_t content[32]) {
    const char *old = c->records.data + w->record;
    json_t *j = json_loadb(old, w->n_record, 0, NULL);
    json_t *steps = json_array(), *cleaned = json_object();
    char hex[65], *text = NULL;
    glass_status status = GLASS_OK;
    bool good = json_is_object(j) && steps != NULL && cleaned != NULL;
    sha256_hex(hex, w->hash);
    good = good && json_object_set_new(cleaned, "record", json_string(hex)) == 0;
    sha256_hex(hex, w->content);
    good = good && json_object_set_new(cleaned, "content", json_string(hex)) == 0;
    for (int i = 0; good && i < w->result.n_steps; i++)
        good = json_array_append_new(steps,
                                     json_pack("[s,I]", w->result.steps[i].rule,
                                               (json_int_t)w->result.steps[i].value)) == 0;
    good = good && json_object_set(cleaned, "steps", steps) == 0;
    sha256_hex(hex, content);
    good = good && json_object_set_new(j, "content", json_string(hex)) == 0;
    good =
        good && json_object_set_new(j, "bytes", json_integer((json_int_t)w->own.len)) == 0;
    good = good && json_object_set(j, "cleaned", cleaned) == 0;
    if (good) text = json_dumps(j, JSON_COMPACT);
    buf_clear(&c->record);
    status = text != NULL ? buf_text(&c->record, text)
                          : fail(GLASS_BAD_INPUT, "a record that is no JSON: %.60s", old);
    free(text);
    json_decref(steps);
    json_decref(cleaned);
    json_decref(j);
    return status;
}

static glass_status put_document(struct cleaning *c, const char *record, size_t n_record,
                                 const char *text, size_t n_text) {
    uint8_t content[32];
    bool added;
    TRY(sha256_bytes(content, text, n_text));
    TRY(corpus_put_json(c->out, content, record, n_record, text, (int64_t)n_text, &added));
    c->report->n_kept++;
    c->report->n_bytes += (int64_t)n_text;
    return GLASS_OK;
}

/* Whether the text is in the new corpus already. */
static glass_status is_again(struct cleaning *c, const char *text, size_t n,
                             struct clean_finding *f, bool *again) {
    uint8_t content[32];
    char hex[65];
    *again = false;
    if (!(c->rules.set & CLEAN_EXACT)) return GLASS_OK;
    TRY(sha256_bytes(content, text, n));
    TRY(corpus_has_text(c->out, content, again));
    sha256_hex(hex, content);
    *f = (struct clean_finding){.rule = "exact", .value = 1, .least = NAN, .most = 0};
    snprintf(f->detail, sizeof f->detail, "text %s", hex);
    return GLASS_OK;
}

static glass_status spool_bytes(struct cleaning *c, FILE *f, const void *bytes, size_t n) {
    return fwrite(bytes, 1, n, f) == n ? GLASS_OK
                                       : fail_errno("%s: cannot write", c->out->path);
}

static glass_status wait_for_others(struct cleaning *c, const struct waiting *w,
                                    const char *record, size_t n_record) {
    struct head h = {.n_text = w->n_bytes, .n_record = n_record};
    memcpy(h.content, w->content, 32);
    memcpy(h.hash, w->hash, 32);
    for (int b = 0; b < NEAR_BANDS && w->result.has_bands; b++)
        TRY(sorter_add(c->bands, w->result.bands[b], c->n_waiting));
    TRY(spool_bytes(c, c->hashes, w->hash, 32));
    TRY(spool_bytes(c, c->spool, &h, sizeof h));
    TRY(spool_bytes(c, c->spool, record, n_record));
    c->n_waiting++;
    return spool_bytes(c, c->spool, w->text, w->n_bytes);
}

static glass_status put_down(struct cleaning *c, struct waiting *w) {
    const char *record = c->records.data + w->record;
    size_t n_record = w->n_record;
    struct clean_finding f;
    uint8_t content[32];
    bool again;
    if (w->result.removed) return decide(c, w->content, w->hash, &w->result.why, true);
    for (int i = 0; i < w->result.n_steps; i++)
        TRY(decide(c, w->content, w->hash, &w->result.steps[i], false));
    if (w->result.changed) {
        w->text = w->own.len > 0 ? w->own.data : "";
        w->n_bytes = w->own.len;
        c->report->n_changed++;
        TRY(sha256_bytes(content, w->text, w->n_bytes));
        TRY(change_record(c, w, content));
        record = c->record.data;
        n_record = c->record.len;
    }
    if (c->rules.set & CLEAN_NEAR) return wait_for_others(c, w, record, n_record);
    TRY(is_again(c, w->text, w->n_bytes, &f, &again));
    if (again) return decide(c, w->content, w->hash, &f, true);
    return put_document(c, record, n_record, w->text, w->n_bytes);
}

/* ---- batches ---- */

static void judge_some(void *context, const struct member *me) {
    struct cleaning *c = context;
    struct clean_scratch *s = &c->scratch[me->i];
    int64_t begin, end;
    while (team_queue_next(me, c->n_items, 1, &begin, &end))
        for (int64_t i = begin; i < end; i++) {
            struct waiting *w = &c->items[i];
            w->status = clean_document(&w->result, s, &c->rules, c->evaluations, w->text,
                                       w->n_bytes);
            buf_clear(&w->own);
            if (w->status == GLASS_OK && w->result.changed && !w->result.removed)
                w->status = buf_append(&w->own, s->a.data ? s->a.data : "", s->a.len);
        }
    team_barrier(me);
}

static glass_status flush_batch(struct cleaning *c) {
    glass_status status = GLASS_OK;
    if (c->n_items == 0) return GLASS_OK;
    team_run(c->o.n_threads, judge_some, c);
    for (int64_t i = 0; i < c->n_items; i++) {
        struct waiting *w = &c->items[i];
        const char *text = w->text;
        size_t n = w->n_bytes;
        /* A thread's own message is not seen here. */
        if (status == GLASS_OK && w->status == GLASS_SYSTEM)
            status = fail(GLASS_SYSTEM,
                          "/usr/share/libexttextcat/fpdb.conf: cannot be read; the rule "
                          "language wants the package libexttextcat-data");
        else if (status == GLASS_OK && w->status != GLASS_OK)
            status = fail_memory(n);
        if (status == GLASS_OK) status = put_down(c, w);
        shard_let_go(text, n);
        if (w->own.cap > 1 << 16) buf_free(&w->own);
    }
    c->n_items = 0;
    c->batch_bytes = 0;
    buf_clear(&c->records);
    const glass_clean_progress progress = {c->report->n_seen, c->report->n_bytes_before};
    if (status == GLASS_OK && c->o.progress != NULL &&
        !c->o.progress(c->o.context, &progress))
        status = fail(GLASS_CANCELLED, "stopped; nothing of it is kept");
    return status;
}

static glass_status take(struct cleaning *c, const glass_document *d) {
    size_t n_record = strlen(d->record);
    if (c->n_items == MOST_BATCH ||
        (c->n_items > 0 && c->batch_bytes + d->n_bytes > c->o.memory_bytes / 8))
        TRY(flush_batch(c));
    struct waiting *w = &c->items[c->n_items];
    w->text = d->text;
    w->n_bytes = (size_t)d->n_bytes;
    w->record = c->records.len;
    w->n_record = n_record;
    memcpy(w->content, d->content, 32);
    memcpy(w->hash, d->record_hash, 32);
    TRY(buf_append(&c->records, d->record, n_record));
    c->n_items++;
    c->batch_bytes += d->n_bytes + (int64_t)n_record;
    c->report->n_seen++;
    c->report->n_bytes_before += d->n_bytes;
    return GLASS_OK;
}

static bool visit(void *context, const glass_document *d) {
    struct cleaning *c = context;
    c->status = take(c, d);
    return c->status == GLASS_OK;
}

static glass_status each(struct cleaning *c, const glass_pack_source *source,
                         const uint8_t root[32]) {
    glass_corpus *corpus;
    char hex[65];
    sha256_hex(hex, root);
    TRY(glass_corpus_open(&corpus, source->corpus, false));
    c->status = GLASS_OK;
    glass_status status = glass_corpus_each(corpus, hex, c->o.policy, visit, c);
    if (status == GLASS_CANCELLED) status = c->status;
    if (status == GLASS_OK) status = flush_batch(c);
    c->n_items = 0;
    glass_corpus_close(corpus);
    return status;
}

/* ---- near duplicates ---- */

/* Who shares a band with an earlier one: (later, first of the band). */
static glass_status find_pairs(struct cleaning *c) {
    struct sorted x, first = {0};
    bool more, any = false;
    TRY(sorter_finish(c->bands));
    for (;;) {
        TRY(sorter_next(c->bands, &x, &more));
        if (!more) break;
        if (any && x.key == first.key) {
            if (x.value != first.value) TRY(sorter_add(c->pairs, x.value, first.value));
        } else {
            first = x;
            any = true;
        }
    }
    sorter_free(c->bands);
    c->bands = NULL;
    return sorter_finish(c->pairs);
}

static glass_status read_bytes(struct cleaning *c, void *bytes, size_t n) {
    if (fread(bytes, 1, n, c->spool) == n) return GLASS_OK;
    return fail_errno("%s: cannot read what was cleaned", c->out->path);
}

static glass_status read_waiting(struct cleaning *c, struct head *h) {
    TRY(read_bytes(c, h, sizeof *h));
    buf_clear(&c->record);
    buf_clear(&c->text);
    TRY(buf_reserve(&c->record, h->n_record + 1));
    TRY(buf_reserve(&c->text, h->n_text + 1));
    TRY(read_bytes(c, c->record.data, h->n_record));
    TRY(read_bytes(c, c->text.data, h->n_text));
    c->record.len = h->n_record;
    c->text.len = h->n_text;
    return GLASS_OK;
}

/* The first pair of this document is with the earliest. */
static glass_status near_finding(struct cleaning *c, uint64_t first, int bands,
                                 struct clean_finding *f) {
    uint8_t hash[32];
    char hex[65];
    if (pread(fileno(c->hashes), hash, 32, (off_t)first * 32) != 32)
        return fail_errno("%s: cannot read what was cleaned", c->out->path);
    sha256_hex(hex, hash);
    *f = (struct clean_finding){.rule = "near", .value = bands, .least = NAN, .most = 0};
    snprintf(f->detail, sizeof f->detail, "record %s", hex);
    return GLASS_OK;
}

/* How many bands a document shares with the earliest that it shares one with. */
static glass_status count_pairs(struct cleaning *c, struct sorted *pair, bool *more,
                                int *bands) {
    const struct sorted first = *pair;
    for (*bands = 0; *more && pair->key == first.key;) {
        *bands += pair->value == first.value;
        TRY(sorter_next(c->pairs, pair, more));
    }
    return GLASS_OK;
}

static glass_status finish_near(struct cleaning *c) {
    struct sorted pair;
    bool more;
    TRY(find_pairs(c));
    if (fflush(c->spool) != 0 || fflush(c->hashes) != 0)
        return fail_errno("%s: cannot write", c->out->path);
    rewind(c->spool);
    TRY(sorter_next(c->pairs, &pair, &more));
    for (uint64_t i = 0; i < c->n_waiting; i++) {
        struct head h;
        struct clean_finding f;
        bool again, near = more && pair.key == i;
        uint64_t first = near ? pair.value : 0;
        int bands = 0;
        TRY(read_waiting(c, &h));
        if (near) TRY(count_pairs(c, &pair, &more, &bands));
        TRY(is_again(c, c->text.data, c->text.len, &f, &again));
        if (!again && near) TRY(near_finding(c, first, bands, &f));
        if (again || near)
            TRY(decide(c, h.content, h.hash, &f, true));
        else
            TRY(put_document(c, c->record.data, c->record.len, c->text.data, c->text.len));
    }
    return GLASS_OK;
}

/* ---- the whole ---- */

static glass_status describe(struct cleaning *c, struct buf *spec, struct buf *options,
                             const glass_pack_source *sources, int64_t n) {
    uint8_t digest[32] = {0};
    char hex[65];
    TRY(buf_text(spec, "clean"));
    for (int64_t i = 0; i < n; i++) {
        glass_corpus *corpus;
        int64_t seal, count;
        TRY(glass_corpus_open(&corpus, sources[i].corpus, false));
        glass_status status =
            corpus_find_root(corpus, sources[i].root, &seal, c->roots[i], &count);
        glass_corpus_close(corpus);
        TRY(status);
        sha256_hex(hex, c->roots[i]);
        TRY(buf_printf(spec, " %s", hex));
    }
    if (c->evaluations != NULL) clean_evaluations_digest(c->evaluations, digest);
    sha256_hex(hex, digest);
    return buf_printf(options, "rules %s evaluations %s policy %s", c->o.rules,
                      c->evaluations ? hex : "none", c->o.policy ? c->o.policy : "");
}

static glass_status start(struct cleaning *c, const char *spec, const char *options,
                          bool *done) {
    int64_t n, seals;
    TRY(corpus_begin_writing(c->out));
    TRY(corpus_number(c->out, &seals, "SELECT count(*) FROM roots", 0));
    TRY(corpus_number(c->out, &n, "SELECT count(*) FROM documents", 0));
    /* Killed before it was sealed, all is there: only the seal is wanting. */
    TRY(corpus_begin_source(c->out, spec, options, done));
    if (*done) return GLASS_OK;
    if (seals > 0 || n > 0)
        return fail(GLASS_USAGE, "%s: holds documents already: clean into a new folder",
                    c->out->path);
    if (sqlite3_exec(
            c->out->db,
            "CREATE TABLE IF NOT EXISTS decisions(content BLOB NOT NULL, record "
            "BLOB NOT NULL, rule TEXT NOT NULL, value REAL, least REAL, most REAL, "
            "detail TEXT NOT NULL, removed INTEGER NOT NULL);"
            "CREATE INDEX IF NOT EXISTS decisions_by_content ON decisions(content);"
            "CREATE INDEX IF NOT EXISTS decisions_by_record ON decisions(record);",
            NULL, NULL, NULL) != SQLITE_OK)
        return corpus_failed(c->out, "make a table");
    TRY(corpus_prepare(c->out, &c->decide,
                       "INSERT INTO decisions VALUES(?,?,?,?,?,?,?,?)"));
    if (!(c->rules.set & CLEAN_NEAR)) return GLASS_OK;
    TRY(path_nameless(&c->spool, c->out->path));
    TRY(path_nameless(&c->hashes, c->out->path));
    TRY(sorter_create(&c->bands, c->out->path, (size_t)c->o.memory_bytes / 4));
    return sorter_create(&c->pairs, c->out->path, (size_t)c->o.memory_bytes / 8);
}

static glass_status run(struct cleaning *c, const glass_pack_source *sources, int64_t n) {
    struct buf spec = {0}, options = {0};
    bool done = false;
    glass_status status;
    TRY_FAIL(mem_alloc_zero(&c->roots, (size_t)n, sizeof *c->roots));
    TRY_FAIL(mem_alloc_zero(&c->items, MOST_BATCH, sizeof *c->items));
    TRY_FAIL(mem_alloc_zero(&c->scratch, (size_t)c->o.n_threads, sizeof *c->scratch));
    if (c->o.n_against > 0)
        TRY_FAIL(clean_evaluations_open(&c->evaluations, c->o.against, c->o.n_against));
    TRY_FAIL(describe(c, &spec, &options, sources, n));
    TRY_FAIL(start(c, spec.data, options.data, &done));
    for (int64_t i = 0; i < n && !done; i++) TRY_FAIL(each(c, &sources[i], c->roots[i]));
    if (!done && c->rules.set & CLEAN_NEAR) TRY_FAIL(finish_near(c));
    if (!done) TRY_FAIL(corpus_end_source(c->out));
    status = corpus_seal(c->out, c->report->root);
fail:
    if (status != GLASS_OK && c->out->inside) corpus_undo_source(c->out);
    buf_free(&spec);
    buf_free(&options);
    return status;
}

static void clear(struct cleaning *c) {
    sqlite3_finalize(c->decide);
    glass_corpus_close(c->out);
    clean_evaluations_close(c->evaluations);
    for (int i = 0; c->scratch != NULL && i < c->o.n_threads; i++)
        clean_scratch_clear(&c->scratch[i]);
    for (int i = 0; c->items != NULL && i < MOST_BATCH; i++) buf_free(&c->items[i].own);
    sorter_free(c->bands);
    sorter_free(c->pairs);
    if (c->spool != NULL) fclose(c->spool);
    if (c->hashes != NULL) fclose(c->hashes);
    mem_free(c->scratch);
    mem_free(c->items);
    mem_free(c->roots);
    buf_free(&c->records);
    buf_free(&c->record);
    buf_free(&c->text);
}

glass_status glass_data_clean(glass_clean_report *report, const char *folder,
                              const glass_pack_source *sources, int64_t n_sources,
                              const glass_clean_options *options) {
    struct cleaning c = {.report = report};
    *report = (glass_clean_report){0};
    if (options != NULL) c.o = *options;
    if (c.o.rules == NULL) c.o.rules = "encoding,exact";
    if (c.o.memory_bytes == 0) c.o.memory_bytes = INT64_C(256) << 20;
    if (c.o.n_threads == 0) c.o.n_threads = team_default_threads();
    if (n_sources < 1) return fail(GLASS_USAGE, "no corpus to clean");
    if (c.o.memory_bytes < 1 << 20 || c.o.n_threads < 1)
        return fail(GLASS_USAGE, "cleaning wants a thread and 1 MiB of memory");
    TRY(clean_parse(&c.rules, c.o.rules));
    glass_status status = glass_corpus_open(&c.out, folder, true);
    if (status == GLASS_OK) status = run(&c, sources, n_sources);
    clear(&c);
    return status;
}

/* ---- why ---- */

static glass_status put_number(struct buf *b, const char *key, sqlite3_stmt *s,
                               int column) {
    if (sqlite3_column_type(s, column) == SQLITE_NULL) return GLASS_OK;
    TRY(buf_printf(b, ",\"%s\":", key));
    return buf_json_number(b, sqlite3_column_double(s, column));
}

static glass_status put_decision(struct buf *b, sqlite3_stmt *s, bool first) {
    uint8_t hash[32];
    char hex[65];
    TRY(buf_text(b, first ? "{\"rule\":" : ",{\"rule\":"));
    const char *rule = (const char *)sqlite3_column_text(s, 2);
    const char *detail = (const char *)sqlite3_column_text(s, 6);
    TRY(buf_json_string(b, rule ? rule : "", rule ? strlen(rule) : 0));
    TRY(put_number(b, "value", s, 3));
    TRY(put_number(b, "least", s, 4));
    TRY(put_number(b, "most", s, 5));
    if (detail != NULL && detail[0] != '\0') {
        TRY(buf_text(b, ",\"detail\":"));
        TRY(buf_json_string(b, detail, strlen(detail)));
    }
    if (corpus_hash(hash, s, 1)) {
        sha256_hex(hex, hash);
        TRY(buf_printf(b, ",\"record\":\"%s\"", hex));
    }
    return buf_printf(b, ",\"removed\":%s}", sqlite3_column_int(s, 7) ? "true" : "false");
}

glass_status glass_corpus_why(char **json, bool *kept, glass_corpus *c,
                              const uint8_t hash[32]) {
    struct buf b = {0};
    sqlite3_stmt *s = NULL;
    bool first = true, removed = false;
    int64_t n = 0, tables;
    size_t length;
    int r = SQLITE_DONE;
    glass_status status;
    *json = NULL;
    TRY(corpus_number(c, &tables,
                      "SELECT count(*) FROM sqlite_master WHERE name='decisions'", 0));
    if (tables == 0)
        return fail(GLASS_USAGE, "%s: was not made by `glass data clean`", c->path);
    TRY_FAIL(buf_text(&b, "{\"decisions\":["));
    TRY_FAIL(corpus_prepare(
        c, &s, "SELECT * FROM decisions WHERE content=?1 OR record=?1 ORDER BY rowid"));
    sqlite3_bind_blob(s, 1, hash, 32, SQLITE_STATIC);
    for (; (r = sqlite3_step(s)) == SQLITE_ROW; first = false) {
        removed |= sqlite3_column_int(s, 7) != 0;
        TRY_FAIL(put_decision(&b, s, first));
    }
    sqlite3_finalize(s);
    TRY_FAIL(corpus_prepare(c, &s,
                            "SELECT count(*) FROM documents WHERE content=?1 OR hash=?1 OR "
                            "json_extract(record,'$.cleaned.record')=lower(hex(?1)) OR "
                            "json_extract(record,'$.cleaned.content')=lower(hex(?1))"));
    sqlite3_bind_blob(s, 1, hash, 32, SQLITE_STATIC);
    if (sqlite3_step(s) == SQLITE_ROW) n = sqlite3_column_int64(s, 0);
    *kept = n > 0;
    TRY_FAIL(buf_printf(&b, "],\"kept\":%s,\"known\":%s}\n", n > 0 ? "true" : "false",
                        n > 0 || removed ? "true" : "false"));
    status = buf_take(&b, json, &length);
fail:
    sqlite3_finalize(s);
    buf_free(&b);
    return status;
}
