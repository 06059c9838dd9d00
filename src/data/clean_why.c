/* clean_why.c - what rules decided of a document: glass_corpus_why. */
#include "base/hash.h"
#include "data/corpus.h"

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

/* ---- groups of near duplicates: each names an earlier one, up to one that stayed ---- */

enum { GROUP_LISTED = 100 };

struct group {
    struct glass_corpus *c;
    sqlite3_stmt *up, *down;
    struct buf queue; /* hashes of 32 bytes */
};

static glass_status group_open(struct group *g, struct glass_corpus *c) {
    *g = (struct group){.c = c};
    TRY(corpus_prepare(c, &g->up,
                       "SELECT detail FROM decisions WHERE record=? AND rule='near'"));
    return corpus_prepare(c, &g->down,
                          "SELECT record FROM decisions WHERE detail=? AND rule='near' "
                          "ORDER BY rowid");
}

static void group_close(struct group *g) {
    sqlite3_finalize(g->up);
    sqlite3_finalize(g->down);
    buf_free(&g->queue);
}

/* From a document to the one that stayed for it. */
static glass_status climb(struct group *g, uint8_t record[32]) {
    /* A chain only leads to earlier documents; a table made by hand may do otherwise. */
    for (int i = 0; i < 1000; i++) {
        sqlite3_reset(g->up);
        sqlite3_bind_blob(g->up, 1, record, 32, SQLITE_TRANSIENT);
        int r = sqlite3_step(g->up);
        if (r == SQLITE_DONE) return GLASS_OK;
        if (r != SQLITE_ROW) return corpus_failed(g->c, "read");
        const char *detail = (const char *)sqlite3_column_text(g->up, 0);
        if (detail == NULL || strncmp(detail, "record ", 7) != 0 ||
            !sha256_parse(record, detail + 7, strlen(detail + 7)))
            return GLASS_OK;
    }
    return fail(GLASS_BAD_INPUT, "%s/corpus.sqlite: near duplicates in a circle",
                g->c->path);
}

/* All that led to it, into the queue, breadth first. */
static glass_status gather_group(struct group *g, const uint8_t top[32]) {
    TRY(buf_append(&g->queue, (const char *)top, 32));
    for (size_t at = 0; at < g->queue.len; at += 32) {
        char detail[80], hex[65];
        uint8_t record[32];
        int r;
        sha256_hex(hex, (const uint8_t *)g->queue.data + at);
        snprintf(detail, sizeof detail, "record %s", hex);
        sqlite3_reset(g->down);
        sqlite3_bind_text(g->down, 1, detail, -1, SQLITE_TRANSIENT);
        while ((r = sqlite3_step(g->down)) == SQLITE_ROW)
            if (corpus_hash(record, g->down, 0))
                TRY(buf_append(&g->queue, (const char *)record, 32));
        if (r != SQLITE_DONE) return corpus_failed(g->c, "read");
        if (g->queue.len > (size_t)1 << 30)
            return fail(GLASS_BAD_INPUT, "%s/corpus.sqlite: near duplicates in a circle",
                        g->c->path);
    }
    return GLASS_OK;
}

/* ,"group":{"stayed":RECORD,"documents":N,"left_out":[RECORD,…]} of a document that has one. */
static glass_status put_group(struct buf *b, struct glass_corpus *c,
                              const uint8_t record[32]) {
    struct group g;
    uint8_t top[32];
    char hex[65];
    memcpy(top, record, 32);
    glass_status status = group_open(&g, c);
    if (status == GLASS_OK) status = climb(&g, top);
    if (status == GLASS_OK) status = gather_group(&g, top);
    size_t n = g.queue.len / 32;
    if (status == GLASS_OK && n > 1) {
        sha256_hex(hex, top);
        status = buf_printf(b,
                            ",\"group\":{\"stayed\":\"%s\",\"documents\":%zu,"
                            "\"left_out\":[",
                            hex, n);
        for (size_t i = 1; i < n && i <= GROUP_LISTED && status == GLASS_OK; i++) {
            sha256_hex(hex, (const uint8_t *)g.queue.data + 32 * i);
            status = buf_printf(b, "%s\"%s\"", i > 1 ? "," : "", hex);
        }
        if (status == GLASS_OK) status = buf_text(b, "]}");
    }
    group_close(&g);
    return status;
}

/* Files that an add left out, whose paths end as this one does. */
static glass_status put_left_out(struct buf *b, struct glass_corpus *c, const char *path,
                                 bool *any) {
    sqlite3_stmt *s;
    int r;
    *any = false;
    TRY(buf_text(b, ",\"left_out\":["));
    TRY(corpus_prepare(
        c, &s,
        "SELECT DISTINCT sources.spec, path, reason FROM excluded JOIN sources ON "
        "sources.id = from_source WHERE " NEWEST_ADDS
        " AND (path = ?1 OR substr(?1, -length(path) - 1) = '/' || path) "
        "ORDER BY 1, 2, 3 LIMIT 100"));
    sqlite3_bind_text(s, 1, path, -1, SQLITE_STATIC);
    glass_status status = GLASS_OK;
    while ((r = sqlite3_step(s)) == SQLITE_ROW && status == GLASS_OK) {
        static const char *const keys[] = {"{\"source\":", ",\"path\":", ",\"reason\":"};
        if (*any) status = buf_byte(b, ',');
        *any = true;
        for (int i = 0; i < 3 && status == GLASS_OK; i++) {
            const char *text = (const char *)sqlite3_column_text(s, i);
            status = buf_text(b, keys[i]);
            if (status == GLASS_OK)
                status = buf_json_string(b, text ? text : "", text ? strlen(text) : 0);
        }
        if (status == GLASS_OK) status = buf_byte(b, '}');
    }
    if (status == GLASS_OK && r != SQLITE_ROW && r != SQLITE_DONE)
        status = corpus_failed(c, "read");
    sqlite3_finalize(s);
    TRY(status);
    return buf_byte(b, ']');
}

/* The rules' decisions, if rules were run on this corpus. */
static glass_status put_decisions(struct buf *b, struct glass_corpus *c,
                                  const uint8_t hash[32], bool *removed, uint8_t record[32],
                                  bool *has_record, int64_t *tables) {
    sqlite3_stmt *s = NULL;
    bool first = true;
    glass_status status = GLASS_OK;
    TRY(buf_text(b, "{\"decisions\":["));
    TRY(corpus_number(c, tables,
                      "SELECT count(*) FROM sqlite_master WHERE name='decisions'", 0));
    if (*tables == 0) return GLASS_OK;
    TRY(corpus_prepare(
        c, &s, "SELECT * FROM decisions WHERE content=?1 OR record=?1 ORDER BY rowid"));
    sqlite3_bind_blob(s, 1, hash, 32, SQLITE_STATIC);
    for (; status == GLASS_OK && sqlite3_step(s) == SQLITE_ROW; first = false) {
        *removed |= sqlite3_column_int(s, 7) != 0;
        *has_record = corpus_hash(record, s, 1);
        status = put_decision(b, s, first);
    }
    sqlite3_finalize(s);
    return status;
}

glass_status glass_corpus_why(char **json, bool *kept, glass_corpus *c,
                              const uint8_t hash[32], const char *path) {
    struct buf b = {0};
    sqlite3_stmt *s = NULL;
    static const uint8_t none[32];
    bool removed = false, has_record = false, left_out = false;
    int64_t n = 0, tables = 0;
    uint8_t record[32];
    size_t length;
    glass_status status;
    *json = NULL;
    TRY_FAIL(put_decisions(&b, c, hash, &removed, record, &has_record, &tables));
    TRY_FAIL(corpus_prepare(c, &s,
                            "SELECT count(*),hash,json_extract(record,'$.cleaned.record') "
                            "FROM documents WHERE content=?1 OR hash=?1 OR path=?2 OR "
                            "json_extract(record,'$.cleaned.record')=lower(hex(?1)) OR "
                            "json_extract(record,'$.cleaned.content')=lower(hex(?1))"));
    sqlite3_bind_blob(s, 1, hash, 32, SQLITE_STATIC);
    if (path != NULL && memcmp(hash, none, 32) == 0)
        sqlite3_bind_text(s, 2, path, -1, SQLITE_STATIC);
    if (sqlite3_step(s) == SQLITE_ROW) n = sqlite3_column_int64(s, 0);
    if (n > 0 && !has_record) { /* as it was before: decisions know that one */
        const char *before = (const char *)sqlite3_column_text(s, 2);
        has_record = before ? sha256_parse(record, before, strlen(before))
                            : corpus_hash(record, s, 1);
    }
    *kept = n > 0;
    TRY_FAIL(buf_printf(&b, "],\"kept\":%s", n > 0 ? "true" : "false"));
    if (path != NULL) TRY_FAIL(put_left_out(&b, c, path, &left_out));
    TRY_FAIL(
        buf_printf(&b, ",\"known\":%s", n > 0 || removed || left_out ? "true" : "false"));
    if (has_record && tables > 0) TRY_FAIL(put_group(&b, c, record));
    TRY_FAIL(buf_text(&b, "}\n"));
    status = buf_take(&b, json, &length);
fail:
    sqlite3_finalize(s);
    buf_free(&b);
    return status;
}

glass_status glass_corpus_find(uint8_t hash[32], glass_corpus *c, const char *digits) {
    enum { LEAST = 8 };
    uint8_t ends[2][32];
    size_t n = strlen(digits);
    sqlite3_stmt *s;
    int found = 0;
    for (int i = 0; i < 2; i++) {
        char hex[65];
        memset(hex, i == 0 ? '0' : 'f', sizeof hex - 1);
        if (n <= 64) memcpy(hex, digits, n);
        if (n < LEAST || n > 64 || !sha256_parse(ends[i], hex, 64))
            return fail(GLASS_USAGE,
                        "%s: neither a file nor %d digits or more of a SHA-256", digits,
                        LEAST);
    }
    TRY(corpus_prepare(
        c, &s,
        "SELECT DISTINCT content FROM documents WHERE content BETWEEN ? AND ? "
        "LIMIT 2"));
    for (int i = 0; i < 2; i++) sqlite3_bind_blob(s, i + 1, ends[i], 32, SQLITE_STATIC);
    while (sqlite3_step(s) == SQLITE_ROW && corpus_hash(hash, s, 0)) found++;
    sqlite3_finalize(s);
    if (found == 1) return GLASS_OK;
    return fail(GLASS_USAGE, "%s: %s of %s has a SHA-256 that begins so%s", digits,
                found == 0 ? "no text" : "more than one text", c->path,
                found == 0 ? "" : ": give more digits");
}
