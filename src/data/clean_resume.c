/* clean_resume.c - see clean_run.h. The place is one row of the corpus's table meta, committed with
 * the documents that were put down; the files of those that wait are flushed before and cut to
 * what the row knows of after. */
#include "data/clean_run.h"

#include "base/hash.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

static glass_status file_path(struct buf *out, const struct cleaning *c, const char *name) {
    buf_clear(out);
    return buf_printf(out, "%s/%s", c->out->path, name);
}

static const char *const names[] = {"cleaning.texts", "cleaning.bands"};

/* A file of n bytes, to go on at its end. */
static glass_status open_file(FILE **out, const struct cleaning *c, const char *name,
                              uint64_t n) {
    struct buf path = {0};
    TRY(file_path(&path, c, name));
    int fd = open(path.data, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    glass_status status = GLASS_OK;
    off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : -1;
    if (fd < 0 || size < 0)
        status = fail_errno("%s: cannot open", path.data);
    else if ((uint64_t)size < n)
        status =
            fail(GLASS_BAD_INPUT,
                 "%s: %lld bytes, where %llu were written: remove the folder and begin "
                 "anew",
                 path.data, (long long)size, (unsigned long long)n);
    else if (ftruncate(fd, (off_t)n) != 0)
        status = fail_errno("%s: cannot cut", path.data);
    if (status == GLASS_OK && (*out = fdopen(fd, "r+b")) == NULL)
        status = fail_errno("%s: cannot open", path.data);
    if (status != GLASS_OK && fd >= 0) close(fd);
    if (status == GLASS_OK && fseeko(*out, (off_t)n, SEEK_SET) != 0)
        status = fail_errno("%s: cannot seek", path.data);
    buf_free(&path);
    return status;
}

static glass_status open_files(struct cleaning *c) {
    if (!(c->rules.set & CLEAN_NEAR)) return GLASS_OK;
    TRY(open_file(&c->spool, c, names[0], c->at.spool_bytes));
    return open_file(&c->marks, c, names[1], c->at.n_waiting * sizeof(struct clean_mark));
}

void clean_remove_files(struct cleaning *c) {
    struct buf path = {0};
    for (size_t i = 0; i < 2; i++)
        if (file_path(&path, c, names[i]) == GLASS_OK) unlink(path.data);
    buf_free(&path);
}

/* ---- the row ---- */

static glass_status put_row(struct cleaning *c) {
    const struct clean_place *at = &c->at;
    const glass_clean_report *r = c->report;
    char content[65], hash[65];
    sqlite3_stmt *s;
    sha256_hex(content, at->content);
    sha256_hex(hash, at->hash);
    json_t *j = json_pack(
        "{s:s,s:s,s:I,s:I,s:b,s:s,s:s,s:I,s:I,s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "spec",
        c->spec.data, "options", c->options.data, "source", (json_int_t)c->out->source,
        "corpus", (json_int_t)at->corpus, "any", (int)at->any, "content", content, "hash",
        hash, "waiting", (json_int_t)at->n_waiting, "spool", (json_int_t)at->spool_bytes,
        "waited", (int)at->waited, "judged", (json_int_t)at->n_judged, "at",
        (json_int_t)at->spool_at, "seen", (json_int_t)r->n_seen, "before",
        (json_int_t)r->n_bytes_before, "kept", (json_int_t)r->n_kept, "bytes",
        (json_int_t)r->n_bytes, "changed", (json_int_t)r->n_changed, "removed",
        (json_int_t)r->n_removed);
    char *text = j != NULL ? json_dumps(j, JSON_COMPACT) : NULL;
    json_decref(j);
    if (text == NULL) return fail_memory(1024);
    glass_status status =
        corpus_prepare(c->out, &s, "INSERT OR REPLACE INTO meta VALUES('cleaning',?)");
    if (status == GLASS_OK) {
        sqlite3_bind_text(s, 1, text, -1, SQLITE_STATIC);
        if (sqlite3_step(s) != SQLITE_DONE) status = corpus_failed(c->out, "write");
        sqlite3_finalize(s);
    }
    free(text);
    return status;
}

static int64_t number(const json_t *j, const char *key) {
    return (int64_t)json_integer_value(json_object_get(j, key));
}

static bool hash_of(uint8_t out[32], const json_t *j, const char *key) {
    const char *hex = json_string_value(json_object_get(j, key));
    return hex != NULL && sha256_parse(out, hex, strlen(hex));
}

static bool is_text(const json_t *j, const char *key, const char *wanted) {
    const char *text = json_string_value(json_object_get(j, key));
    return text != NULL && strcmp(text, wanted) == 0;
}

static glass_status take_row(struct cleaning *c, const json_t *j) {
    struct clean_place *at = &c->at;
    glass_clean_report *r = c->report;
    if (!is_text(j, "spec", c->spec.data) || !is_text(j, "options", c->options.data))
        return fail(GLASS_USAGE,
                    "%s: holds a cleaning of other corpora or by other rules that was "
                    "stopped: clean into a new folder",
                    c->out->path);
    at->corpus = number(j, "corpus");
    at->any = json_is_true(json_object_get(j, "any"));
    at->n_waiting = (uint64_t)number(j, "waiting");
    at->spool_bytes = (uint64_t)number(j, "spool");
    at->waited = json_is_true(json_object_get(j, "waited"));
    at->n_judged = (uint64_t)number(j, "judged");
    at->spool_at = (uint64_t)number(j, "at");
    bool fine = hash_of(at->content, j, "content") && hash_of(at->hash, j, "hash") &&
                at->corpus >= 0 && at->n_judged <= at->n_waiting &&
                at->spool_at <= at->spool_bytes;
    r->n_seen = number(j, "seen");
    r->n_bytes_before = number(j, "before");
    r->n_kept = number(j, "kept");
    r->n_bytes = number(j, "bytes");
    r->n_changed = number(j, "changed");
    r->n_removed = number(j, "removed");
    c->out->source = number(j, "source");
    return fine
               ? GLASS_OK
               : fail(GLASS_BAD_INPUT,
                      "%s/corpus.sqlite: where the cleaning goes on cannot be read: remove "
                      "the folder and begin anew",
                      c->out->path);
}

glass_status clean_resume(struct cleaning *c, bool *goes_on) {
    sqlite3_stmt *s;
    json_t *j = NULL;
    TRY(corpus_prepare(c->out, &s, "SELECT value FROM meta WHERE key='cleaning'"));
    *goes_on = sqlite3_step(s) == SQLITE_ROW;
    const char *text = *goes_on ? (const char *)sqlite3_column_text(s, 0) : NULL;
    if (text != NULL) j = json_loads(text, 0, NULL);
    sqlite3_finalize(s);
    glass_status status = *goes_on ? take_row(c, j) : GLASS_OK;
    json_decref(j);
    if (status == GLASS_OK && *goes_on) status = corpus_go_on(c->out);
    if (status == GLASS_OK) status = open_files(c);
    return status;
}

static glass_status flush(struct cleaning *c, FILE *f) {
    return f == NULL || (fflush(f) == 0 && fsync(fileno(f)) == 0)
               ? GLASS_OK
               : fail_errno("%s: cannot write", c->out->path);
}

glass_status clean_checkpoint(struct cleaning *c) {
    if (c->at.n_judged == 0) { /* later on nothing is written to them */
        TRY(flush(c, c->spool));
        TRY(flush(c, c->marks));
    }
    TRY(put_row(c));
    TRY(corpus_end_source(c->out));
    c->since = 0;
    return corpus_go_on(c->out);
}

glass_status clean_finish(struct cleaning *c) {
    if (sqlite3_exec(c->out->db, "DELETE FROM meta WHERE key='cleaning'", NULL, NULL,
                     NULL) != SQLITE_OK)
        return corpus_failed(c->out, "write");
    return corpus_end_source(c->out);
}
