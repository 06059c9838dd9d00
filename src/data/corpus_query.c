/* corpus_query.c - what is in a corpus: its documents by root, and counts. */
#include "data/corpus.h"

#include "base/hash.h"
#include "data/licence.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static const char *text_of(sqlite3_stmt *s, int column) {
    const char *text = (const char *)sqlite3_column_text(s, column);
    return text ? text : "";
}

static glass_status text_at(struct glass_corpus *c, const char **text, int64_t at,
                            int64_t n) {
    *text = "";
    if (n == 0) return GLASS_OK;
    if (!c->reading) {
        *text = (const char *)c->view + at;
        return GLASS_OK;
    }
    buf_clear(&c->one);
    TRY(buf_reserve(&c->one, (size_t)n));
    for (int64_t done = 0; done < n;) {
        ssize_t k = pread(c->texts_fd, c->one.data + done, (size_t)(n - done), at + done);
        if (k <= 0 && !(k < 0 && errno == EINTR))
            return fail_errno("%s/texts: cannot read", c->path);
        done += k > 0 ? k : 0;
    }
    *text = c->one.data;
    return GLASS_OK;
}

static glass_status one_document(struct glass_corpus *c, sqlite3_stmt *s,
                                 const struct licence_policy *policy, bool *go_on,
                                 bool (*visit)(void *, const glass_document *),
                                 void *context) {
    uint8_t content[32], hash[32];
    int64_t at = sqlite3_column_int64(s, 3), n = sqlite3_column_int64(s, 4);
    if (!corpus_hash(content, s, 0) || !corpus_hash(hash, s, 1) || at < 0 || n < 0 ||
        (uint64_t)at > c->view_bytes || (uint64_t)n > c->view_bytes - (uint64_t)at)
        return fail(GLASS_BAD_INPUT, "%s/corpus.sqlite: a document's text is not in texts",
                    c->path);
    glass_document d = {.content = content,
                        .record_hash = hash,
                        .record = text_of(s, 2),
                        .source = text_of(s, 5),
                        .path = text_of(s, 6),
                        .licence = text_of(s, 7),
                        .n_bytes = n};
    bool known = strcmp(d.licence, "unknown") != 0;
    const char *made_by = (const char *)sqlite3_column_text(s, 8);
    if (policy && !policy_allows(policy, known ? d.licence : "",
                                 sqlite3_column_int(s, 9) != 0, made_by, NULL))
        return GLASS_OK;
    TRY(text_at(c, &d.text, at, n));
    *go_on = visit(context, &d);
    return GLASS_OK;
}

static glass_status each(struct glass_corpus *c, int64_t seal,
                         const struct licence_policy *policy, const uint8_t content[32],
                         const uint8_t hash[32],
                         bool (*visit)(void *, const glass_document *), void *context) {
    sqlite3_stmt *s;
    bool go_on = true;
    int r = SQLITE_DONE;
    glass_status status = GLASS_OK;
    TRY(corpus_prepare(c, &s,
                       "SELECT content,hash,record,text_at,text_bytes,source,path,licence,"
                       "made_by,json_extract(record,'$.contradictory') FROM documents "
                       "WHERE seal<=?1 AND (content,hash)>(?2,?3) ORDER BY content,hash"));
    sqlite3_bind_int64(s, 1, seal);
    sqlite3_bind_blob(s, 2, content ? (const void *)content : "", content ? 32 : 0,
                      SQLITE_STATIC);
    sqlite3_bind_blob(s, 3, content ? (const void *)hash : "", content ? 32 : 0,
                      SQLITE_STATIC);
    while (status == GLASS_OK && go_on && (r = sqlite3_step(s)) == SQLITE_ROW)
        status = one_document(c, s, policy, &go_on, visit, context);
    if (status == GLASS_OK && !go_on) status = fail(GLASS_CANCELLED, "cancelled");
    if (status == GLASS_OK && r != SQLITE_DONE) status = corpus_failed(c, "read");
    sqlite3_finalize(s);
    return status;
}

glass_status corpus_each_after(struct glass_corpus *c, const char *root, const char *policy,
                               const uint8_t content[32], const uint8_t hash[32],
                               bool (*visit)(void *context, const glass_document *d),
                               void *context) {
    struct licence_policy p = {0};
    uint8_t digest[32];
    int64_t seal, n;
    TRY(corpus_find_root(c, root, &seal, digest, &n));
    TRY(corpus_view(c));
    if (policy) TRY(policy_open(&p, policy));
    glass_status status = each(c, seal, policy ? &p : NULL, content, hash, visit, context);
    policy_clear(&p);
    return status;
}

glass_status glass_corpus_each(glass_corpus *c, const char *root, const char *policy,
                               bool (*visit)(void *context, const glass_document *document),
                               void *context) {
    return corpus_each_after(c, root, policy, NULL, NULL, visit, context);
}

/* ---- counts ---- */

/* "key":[{"NAME":…,"documents":…,"bytes":…},…] of a query with three columns. */
static glass_status put_groups(struct buf *out, struct glass_corpus *c, const char *key,
                               const char *name, const char *sql) {
    sqlite3_stmt *s;
    int r;
    bool first = true;
    glass_status status = GLASS_OK;
    TRY(buf_printf(out, ",\"%s\":[", key));
    TRY(corpus_prepare(c, &s, sql));
    while (status == GLASS_OK && (r = sqlite3_step(s)) == SQLITE_ROW) {
        const char *text = text_of(s, 0);
        status = buf_printf(out, "%s{\"%s\":", first ? "" : ",", name);
        first = false;
        if (status == GLASS_OK) status = buf_json_string(out, text, strlen(text));
        if (status == GLASS_OK)
            status = buf_printf(out, ",\"documents\":%lld",
                                (long long)sqlite3_column_int64(s, 1));
        if (status == GLASS_OK && sqlite3_column_count(s) > 2)
            status =
                buf_printf(out, ",\"bytes\":%lld", (long long)sqlite3_column_int64(s, 2));
        if (status == GLASS_OK) status = buf_byte(out, '}');
    }
    if (status == GLASS_OK && r != SQLITE_DONE) status = corpus_failed(c, "read");
    sqlite3_finalize(s);
    return status == GLASS_OK ? buf_byte(out, ']') : status;
}

static glass_status put_roots(struct buf *out, struct glass_corpus *c) {
    sqlite3_stmt *s;
    bool first = true;
    glass_status status = GLASS_OK;
    TRY(buf_text(out, ",\"roots\":["));
    TRY(corpus_prepare(c, &s,
                       "SELECT lower(hex(root)),n,sealed FROM roots ORDER BY seal DESC"));
    while (status == GLASS_OK && sqlite3_step(s) == SQLITE_ROW) {
        status = buf_printf(out, "%s{\"root\":\"%s\",\"documents\":%lld,\"sealed\":\"%s\"}",
                            first ? "" : ",", text_of(s, 0),
                            (long long)sqlite3_column_int64(s, 1), text_of(s, 2));
        first = false;
    }
    sqlite3_finalize(s);
    return status == GLASS_OK ? buf_byte(out, ']') : status;
}

/* "rules":[{"rule":…,"removed":…,"documents":…},…] of a corpus that was cleaned. */
static glass_status put_rules(struct buf *out, struct glass_corpus *c) {
    sqlite3_stmt *s;
    int64_t tables;
    bool first = true;
    int r = SQLITE_DONE;
    glass_status status = GLASS_OK;
    TRY(corpus_number(c, &tables,
                      "SELECT count(*) FROM sqlite_master WHERE name='decisions'", 0));
    TRY(buf_text(out, ",\"rules\":["));
    if (tables == 0) return buf_byte(out, ']');
    TRY(corpus_prepare(c, &s,
                       "SELECT rule,removed,count(*) FROM decisions GROUP BY 1,2 ORDER BY "
                       "2,3 DESC,1"));
    while (status == GLASS_OK && (r = sqlite3_step(s)) == SQLITE_ROW) {
        status = buf_text(out, first ? "{\"rule\":" : ",{\"rule\":");
        first = false;
        if (status == GLASS_OK)
            status = buf_json_string(out, text_of(s, 0), strlen(text_of(s, 0)));
        if (status == GLASS_OK)
            status = buf_printf(out, ",\"removed\":%s,\"documents\":%lld}",
                                sqlite3_column_int(s, 1) ? "true" : "false",
                                (long long)sqlite3_column_int64(s, 2));
    }
    if (status == GLASS_OK && r != SQLITE_DONE) status = corpus_failed(c, "read");
    sqlite3_finalize(s);
    return status == GLASS_OK ? buf_byte(out, ']') : status;
}

/* "near":{"groups":N,"documents":N,"largest":[{"stayed":RECORD,"documents":N},…]}: near
 * duplicates by the document that stayed for them, itself counted. */
static glass_status put_near(struct buf *out, struct glass_corpus *c) {
    int64_t tables, groups, documents;
    TRY(corpus_number(c, &tables,
                      "SELECT count(*) FROM sqlite_master WHERE name='decisions_near'", 0));
    if (tables == 0) return GLASS_OK;
    /* Each names an earlier one, which may have been left out for another. */
    static const char tops[] =
        "CREATE TEMP TABLE IF NOT EXISTS near_tops AS "
        "WITH RECURSIVE near(child,parent) AS MATERIALIZED (SELECT lower(hex(record)),"
        "substr(detail,8) FROM decisions WHERE rule='near'),"
        " top(child,parent) AS (SELECT child,parent FROM near UNION SELECT top.child,"
        "near.parent FROM top JOIN near ON near.child=top.parent)"
        " SELECT parent AS stayed,1+count(*) AS n FROM top WHERE parent NOT IN "
        "(SELECT child FROM near) GROUP BY 1";
    if (sqlite3_exec(c->db, tops, NULL, NULL, NULL) != SQLITE_OK)
        return corpus_failed(c, "read");
    TRY(corpus_number(c, &groups, "SELECT count(*) FROM near_tops", 0));
    TRY(corpus_number(c, &documents, "SELECT sum(n) FROM near_tops", 0));
    TRY(buf_printf(out, ",\"near\":{\"groups\":%lld,\"documents\":%lld", (long long)groups,
                   (long long)documents));
    TRY(put_groups(out, c, "largest", "stayed",
                   "SELECT stayed,n FROM near_tops ORDER BY n DESC,stayed LIMIT 20"));
    return buf_byte(out, '}');
}

static glass_status put_summary(struct buf *out, struct glass_corpus *c) {
    int64_t n, bytes, contradictory;
    TRY(corpus_number(c, &n, "SELECT count(*) FROM documents", 0));
    TRY(corpus_number(c, &bytes, "SELECT sum(text_bytes) FROM documents", 0));
    TRY(corpus_number(c, &contradictory,
                      "SELECT count(*) FROM documents WHERE "
                      "json_extract(record,'$.contradictory')",
                      0));
    TRY(buf_printf(out, "{\"documents\":%lld,\"bytes\":%lld,\"contradictory\":%lld",
                   (long long)n, (long long)bytes, (long long)contradictory));
    TRY(put_roots(out, c));
    TRY(put_groups(out, c, "licences", "licence",
                   "SELECT licence,count(*),sum(text_bytes) FROM documents GROUP BY 1 "
                   "ORDER BY 3 DESC,1"));
    TRY(put_groups(out, c, "sources", "source",
                   "SELECT source,count(*),sum(text_bytes) FROM documents GROUP BY 1 "
                   "ORDER BY 3 DESC,1"));
    TRY(put_groups(out, c, "kinds", "kind",
                   "SELECT kind,count(*),sum(text_bytes) FROM documents GROUP BY 1 "
                   "ORDER BY 3 DESC,1"));
    TRY(put_groups(out, c, "makers", "made_by",
                   "SELECT coalesce(made_by,'not declared'),count(*),sum(text_bytes) "
                   "FROM documents GROUP BY 1 ORDER BY 3 DESC,1"));
    TRY(put_groups(
        out, c, "evidence", "kind",
        "SELECT coalesce(json_extract(record,'$.evidence[0].kind'),'none'),count(*),"
        "sum(text_bytes) FROM documents GROUP BY 1 ORDER BY 3 DESC,1"));
    /* A line's number is no reason of its own. What was added again counts once. */
    TRY(put_groups(out, c, "left_out", "reason",
                   "SELECT CASE WHEN reason LIKE 'line %' THEN 'a line that is no JSON' "
                   "ELSE reason END,count(*) FROM excluded WHERE " NEWEST_ADDS
                   " GROUP BY 1 ORDER BY 2 DESC,1"));
    TRY(put_rules(out, c));
    TRY(put_near(out, c));
    return buf_byte(out, '}');
}

glass_status glass_corpus_summary(char **json, glass_corpus *c) {
    struct buf out = {0};
    size_t n;
    *json = NULL;
    glass_status status = put_summary(&out, c);
    if (status == GLASS_OK) status = buf_take(&out, json, &n);
    buf_free(&out);
    return status;
}
