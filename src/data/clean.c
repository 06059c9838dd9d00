/* clean.c - glass_data_clean: corpora through rules into a new corpus.
 *
 * Documents come in the order of their hashes, corpus after corpus, in batches that fit the
 * memory asked for; all threads judge a batch, and what comes of it is put down in order. Near
 * duplicates need all documents: what passed the other rules waits in a file, and its bands are
 * sorted on disk. A document is a near duplicate if an earlier one that passed has a band in
 * common with it.
 *
 * From time to time all that was done is committed, with the place in the order where it goes on:
 * killed at any moment, the same call goes on there and ends with the same root. */
#include "data/clean_run.h"

#include "base/hash.h"
#include "base/path.h"
#include "base/team.h"
#include "data/corpus.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST_BATCH = 1 << 14, LEAST_BATCH = 64 };

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
    struct clean_head h = {.n_text = w->n_bytes, .n_record = n_record};
    struct clean_mark m = {.has_bands = w->result.has_bands};
    memcpy(h.content, w->content, 32);
    memcpy(h.hash, w->hash, 32);
    memcpy(m.hash, w->hash, 32);
    memcpy(m.bands, w->result.bands, sizeof m.bands);
    TRY(spool_bytes(c, c->marks, &m, sizeof m));
    TRY(spool_bytes(c, c->spool, &h, sizeof h));
    TRY(spool_bytes(c, c->spool, record, n_record));
    TRY(spool_bytes(c, c->spool, w->text, w->n_bytes));
    c->at.n_waiting++;
    c->at.spool_bytes += sizeof h + n_record + w->n_bytes;
    return GLASS_OK;
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
    for (int64_t i = 0; i < c->n_items; i++)
        c->items[i].text = c->items[i].n_bytes ? c->texts.data + c->items[i].at : "";
    team_run(c->o.n_threads, judge_some, c);
    for (int64_t i = 0; i < c->n_items; i++) {
        struct waiting *w = &c->items[i];
        size_t n = w->n_bytes;
        /* A thread's own message is not seen here. */
        if (status == GLASS_OK && w->status == GLASS_SYSTEM)
            status = fail(GLASS_SYSTEM,
                          "/usr/share/libexttextcat/fpdb.conf: cannot be read; the rule "
                          "language wants the package libexttextcat-data");
        else if (status == GLASS_OK && w->status != GLASS_OK)
            status = fail_memory(n);
        if (status == GLASS_OK) status = put_down(c, w);
        buf_free(&w->own); /* many that are kept would be more than the memory asked for */
    }
    const struct waiting *last = &c->items[c->n_items - 1];
    memcpy(c->at.content, last->content, 32);
    memcpy(c->at.hash, last->hash, 32);
    c->at.any = true;
    c->since += c->batch_bytes;
    c->n_items = 0;
    c->batch_bytes = 0;
    buf_clear(&c->records);
    buf_clear(&c->texts);
    if (status == GLASS_OK && c->since >= c->o.memory_bytes) status = clean_checkpoint(c);
    const glass_clean_progress progress = {c->report->n_seen, c->report->n_bytes_before};
    if (status == GLASS_OK && c->o.progress != NULL &&
        !c->o.progress(c->o.context, &progress))
        status = fail(GLASS_CANCELLED, "stopped; the same command goes on");
    return status;
}

static glass_status take(struct cleaning *c, const glass_document *d) {
    size_t n_record = strlen(d->record);
    if (c->n_items == c->most_items ||
        (c->n_items > 0 && c->batch_bytes + d->n_bytes > c->o.memory_bytes / 8))
        TRY(flush_batch(c));
    struct waiting *w = &c->items[c->n_items];
    w->at = c->texts.len;
    w->n_bytes = (size_t)d->n_bytes;
    TRY(buf_append(&c->texts, d->text, w->n_bytes));
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
    corpus->reading = true;
    c->status = GLASS_OK;
    glass_status status = corpus_each_after(
        corpus, hex, c->o.policy, c->at.any ? c->at.content : NULL, c->at.hash, visit, c);
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
    struct clean_mark m;
    bool more, any = false;
    TRY(sorter_create(&c->bands, c->out->path, (size_t)c->o.memory_bytes / 4));
    TRY(sorter_create(&c->pairs, c->out->path, (size_t)c->o.memory_bytes / 8));
    rewind(c->marks);
    for (uint64_t i = 0; i < c->at.n_waiting; i++) {
        if (fread(&m, sizeof m, 1, c->marks) != 1)
            return fail_errno("%s: cannot read what was cleaned", c->out->path);
        for (int b = 0; b < NEAR_BANDS && m.has_bands; b++)
            TRY(sorter_add(c->bands, m.bands[b], i));
    }
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

static glass_status read_waiting(struct cleaning *c, struct clean_head *h) {
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
    struct clean_mark m;
    char hex[65];
    if (pread(fileno(c->marks), &m, sizeof m, (off_t)(first * sizeof m)) !=
        (ssize_t)sizeof m)
        return fail_errno("%s: cannot read what was cleaned", c->out->path);
    sha256_hex(hex, m.hash);
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
    if (fflush(c->spool) != 0 || fflush(c->marks) != 0)
        return fail_errno("%s: cannot write", c->out->path);
    TRY(find_pairs(c));
    if (fseeko(c->spool, (off_t)c->at.spool_at, SEEK_SET) != 0)
        return fail_errno("%s: cannot read what was cleaned", c->out->path);
    TRY(sorter_next(c->pairs, &pair, &more));
    for (uint64_t i = c->at.n_judged; i < c->at.n_waiting; i++) {
        struct clean_head h;
        struct clean_finding f;
        int bands = 0;
        bool again;
        while (more && pair.key < i) TRY(sorter_next(c->pairs, &pair, &more));
        bool near = more && pair.key == i;
        uint64_t first = near ? pair.value : 0;
        TRY(read_waiting(c, &h));
        if (near) TRY(count_pairs(c, &pair, &more, &bands));
        TRY(is_again(c, c->text.data, c->text.len, &f, &again));
        if (!again && near) TRY(near_finding(c, first, bands, &f));
        if (again || near)
            TRY(decide(c, h.content, h.hash, &f, true));
        else
            TRY(put_document(c, c->record.data, c->record.len, c->text.data, c->text.len));
        c->at.n_judged = i + 1;
        c->at.spool_at += sizeof h + h.n_record + h.n_text;
        c->since += (int64_t)h.n_text;
        if (c->since >= c->o.memory_bytes) TRY(clean_checkpoint(c));
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

static glass_status make_tables(struct cleaning *c) {
    return sqlite3_exec(
               c->out->db,
               "CREATE TABLE IF NOT EXISTS decisions(content BLOB NOT NULL, record "
               "BLOB NOT NULL, rule TEXT NOT NULL, value REAL, least REAL, most REAL, "
               "detail TEXT NOT NULL, removed INTEGER NOT NULL);"
               "CREATE INDEX IF NOT EXISTS decisions_by_content ON decisions(content);"
               "CREATE INDEX IF NOT EXISTS decisions_by_record ON decisions(record);"
               "CREATE INDEX IF NOT EXISTS decisions_near ON decisions(detail) "
               "WHERE rule='near';",
               NULL, NULL, NULL) == SQLITE_OK
               ? GLASS_OK
               : corpus_failed(c->out, "make a table");
}

static glass_status start(struct cleaning *c, bool *done) {
    int64_t n, seals;
    bool goes_on;
    c->out->cleaning = true;
    TRY(corpus_begin_writing(c->out));
    TRY(clean_resume(c, &goes_on));
    if (!goes_on) {
        TRY(corpus_number(c->out, &seals, "SELECT count(*) FROM roots", 0));
        TRY(corpus_number(c->out, &n, "SELECT count(*) FROM documents", 0));
        /* Killed before it was sealed, all is there: only the seal is wanting. */
        TRY(corpus_begin_source(c->out, c->spec.data, c->options.data, done));
        if (*done) return GLASS_OK;
        if (seals > 0 || n > 0)
            return fail(GLASS_USAGE, "%s: holds documents already: clean into a new folder",
                        c->out->path);
        TRY(make_tables(c));
    }
    return corpus_prepare(c->out, &c->decide,
                          "INSERT INTO decisions VALUES(?,?,?,?,?,?,?,?)");
}

static glass_status judge_all(struct cleaning *c, const glass_pack_source *sources,
                              int64_t n) {
    if (!c->at.waited) {
        for (; c->at.corpus < n; c->at.corpus++) {
            TRY(each(c, &sources[c->at.corpus], c->roots[c->at.corpus]));
            c->at.any = false; /* the next corpus begins at its beginning */
        }
        c->at.waited = true;
        if (c->rules.set & CLEAN_NEAR) TRY(clean_checkpoint(c));
    }
    if (c->rules.set & CLEAN_NEAR) TRY(finish_near(c));
    return clean_finish(c);
}

static glass_status run(struct cleaning *c, const glass_pack_source *sources, int64_t n) {
    bool done = false;
    int64_t most = c->o.memory_bytes / 16 / (int64_t)sizeof *c->items;
    c->most_items = most < LEAST_BATCH  ? LEAST_BATCH
                    : most > MOST_BATCH ? MOST_BATCH
                                        : most;
    TRY(mem_alloc_zero(&c->roots, (size_t)n, sizeof *c->roots));
    TRY(mem_alloc_zero(&c->items, (size_t)c->most_items, sizeof *c->items));
    TRY(mem_alloc_zero(&c->scratch, (size_t)c->o.n_threads, sizeof *c->scratch));
    if (c->o.n_against > 0)
        TRY(clean_evaluations_open(&c->evaluations, c->o.against, c->o.n_against));
    TRY(describe(c, &c->spec, &c->options, sources, n));
    glass_status status = start(c, &done);
    if (status == GLASS_OK && !done) status = judge_all(c, sources, n);
    if (status == GLASS_OK) status = corpus_seal(c->out, c->report->root);
    if (status == GLASS_OK) clean_remove_files(c);
    if (status != GLASS_OK && c->out->inside) corpus_undo_source(c->out);
    return status;
}

static void clear(struct cleaning *c) {
    sqlite3_finalize(c->decide);
    glass_corpus_close(c->out);
    clean_evaluations_close(c->evaluations);
    for (int i = 0; c->scratch != NULL && i < c->o.n_threads; i++)
        clean_scratch_clear(&c->scratch[i]);
    for (int64_t i = 0; c->items != NULL && i < c->most_items; i++)
        buf_free(&c->items[i].own);
    sorter_free(c->bands);
    sorter_free(c->pairs);
    if (c->spool != NULL) fclose(c->spool);
    if (c->marks != NULL) fclose(c->marks);
    mem_free(c->scratch);
    mem_free(c->items);
    mem_free(c->roots);
    struct buf *all[] = {&c->texts, &c->records, &c->record,
                         &c->text,  &c->spec,    &c->options};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) buf_free(all[i]);
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
