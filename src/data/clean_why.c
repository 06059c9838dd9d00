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
