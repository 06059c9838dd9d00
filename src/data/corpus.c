/* corpus.c - see corpus.h. */
#include "data/corpus.h"

#include "base/hash.h"
#include "base/path.h"
#include "data/merkle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The record is the only source of what it says: columns for queries are computed from it. */
static const char schema[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE roots(seal INTEGER PRIMARY KEY, root BLOB NOT NULL, n INTEGER NOT NULL,"
    " sealed TEXT NOT NULL);"
    "CREATE TABLE sources(id INTEGER PRIMARY KEY, spec TEXT NOT NULL, options TEXT NOT "
    "NULL,"
    " seal INTEGER NOT NULL, added TEXT NOT NULL);"
    "CREATE TABLE documents(id INTEGER PRIMARY KEY, content BLOB NOT NULL, hash BLOB NOT "
    "NULL,"
    " record TEXT NOT NULL, from_source INTEGER NOT NULL, seal INTEGER NOT NULL,"
    " text_at INTEGER NOT NULL, text_bytes INTEGER NOT NULL,"
    " source TEXT AS (json_extract(record,'$.source')),"
    " path TEXT AS (json_extract(record,'$.path')),"
    " kind TEXT AS (json_extract(record,'$.kind')),"
    " title TEXT AS (json_extract(record,'$.title')),"
    " url TEXT AS (json_extract(record,'$.url')),"
    " licence TEXT AS (json_extract(record,'$.licence')),"
    " author TEXT AS (json_extract(record,'$.author')),"
    " made_by TEXT AS (json_extract(record,'$.made_by')));"
    "CREATE UNIQUE INDEX by_content ON documents(content, hash);"
    "CREATE TABLE excluded(from_source INTEGER NOT NULL, path TEXT NOT NULL, part INTEGER,"
    " reason TEXT NOT NULL, licence TEXT);"
    "INSERT INTO meta VALUES('format','glass corpus 1'),('texts_bytes',0);";

glass_status corpus_failed(struct glass_corpus *c, const char *doing) {
    int code = sqlite3_errcode(c->db);
    glass_status status = code == SQLITE_NOTADB || code == SQLITE_CORRUPT ? GLASS_BAD_INPUT
                          : code == SQLITE_NOMEM                          ? GLASS_NO_MEMORY
                                                                          : GLASS_SYSTEM;
    return fail(status, "%s/corpus.sqlite: cannot %s: %s", c->path, doing,
                sqlite3_errmsg(c->db));
}

static glass_status execute(struct glass_corpus *c, const char *sql, const char *doing) {
    return sqlite3_exec(c->db, sql, NULL, NULL, NULL) == SQLITE_OK
               ? GLASS_OK
               : corpus_failed(c, doing);
}

glass_status corpus_prepare(struct glass_corpus *c, sqlite3_stmt **out, const char *sql) {
    *out = NULL;
    return sqlite3_prepare_v2(c->db, sql, -1, out, NULL) == SQLITE_OK
               ? GLASS_OK
               : corpus_failed(c, "read");
}

glass_status corpus_number(struct glass_corpus *c, int64_t *out, const char *sql,
                           int64_t absent) {
    sqlite3_stmt *s;
    TRY(corpus_prepare(c, &s, sql));
    int r = sqlite3_step(s);
    *out = r == SQLITE_ROW && sqlite3_column_type(s, 0) != SQLITE_NULL
               ? sqlite3_column_int64(s, 0)
               : absent;
    sqlite3_finalize(s);
    return r == SQLITE_ROW || r == SQLITE_DONE ? GLASS_OK : corpus_failed(c, "read");
}

bool corpus_hash(uint8_t out[32], sqlite3_stmt *s, int column) {
    const void *bytes = sqlite3_column_blob(s, column);
    if (bytes == NULL || sqlite3_column_bytes(s, column) != 32) return false;
    memcpy(out, bytes, 32);
    return true;
}

/* ---- open and close ---- */

static glass_status check_format(struct glass_corpus *c) {
    sqlite3_stmt *s;
    if (sqlite3_prepare_v2(c->db, "SELECT value FROM meta WHERE key='format'", -1, &s,
                           NULL) != SQLITE_OK)
        return fail(GLASS_BAD_INPUT, "%s/corpus.sqlite: no corpus of Glass: %s", c->path,
                    sqlite3_errmsg(c->db));
    bool fine = sqlite3_step(s) == SQLITE_ROW && sqlite3_column_text(s, 0) != NULL &&
                strcmp((const char *)sqlite3_column_text(s, 0), "glass corpus 1") == 0;
    sqlite3_finalize(s);
    return fine ? GLASS_OK
                : fail(GLASS_BAD_INPUT,
                       "%s/corpus.sqlite: no corpus of Glass that this version reads",
                       c->path);
}

static glass_status open_table(struct glass_corpus *c, const char *file, bool create) {
    bool absent = access(file, F_OK) != 0;
    if (absent && !create)
        return fail(GLASS_BAD_INPUT,
                    "%s: no corpus: there is no corpus.sqlite in it; `glass data add %s "
                    "SOURCE` makes one",
                    c->path, c->path);
    if (absent) TRY(path_make(c->path));
    int flags = SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0);
    int r = sqlite3_open_v2(file, &c->db, flags, NULL);
    if (r == SQLITE_CANTOPEN && !create) { /* a folder that may only be read */
        sqlite3_close(c->db);
        r = sqlite3_open_v2(file, &c->db, SQLITE_OPEN_READONLY, NULL);
    }
    if (c->db == NULL) return fail_memory(1);
    if (r != SQLITE_OK) return corpus_failed(c, "open");
    sqlite3_busy_timeout(c->db, 10000);
    int64_t n;
    glass_status status = corpus_number(c, &n, "SELECT count(*) FROM sqlite_master", 0);
    if (status != GLASS_OK) return status;
    if (n > 0 || !create) return check_format(c);
    struct buf sql = {0};
    status = buf_printf(&sql, "BEGIN IMMEDIATE;%sCOMMIT;", schema);
    if (status == GLASS_OK) status = execute(c, sql.data, "make its tables");
    buf_free(&sql);
    return status;
}

glass_status glass_corpus_open(glass_corpus **out, const char *path, bool create) {
    struct glass_corpus *c;
    struct buf file = {0};
    *out = NULL;
    TRY(mem_alloc_zero(&c, 1, sizeof *c));
    c->texts_fd = -1;
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    glass_status status = mem_copy_text(&c->path, path, n);
    if (status == GLASS_OK) status = buf_printf(&file, "%s/corpus.sqlite", c->path);
    if (status == GLASS_OK) status = open_table(c, file.data, create);
    buf_free(&file);
    if (status != GLASS_OK) {
        glass_corpus_close(c);
        return status;
    }
    *out = c;
    return GLASS_OK;
}

void glass_corpus_close(glass_corpus *c) {
    if (c == NULL) return;
    if (c->inside) corpus_undo_source(c);
    sqlite3_finalize(c->insert);
    sqlite3_finalize(c->find_text);
    sqlite3_finalize(c->exclude);
    sqlite3_close(c->db);
    if (c->texts) fclose(c->texts);
    if (c->view) munmap(c->view, c->view_bytes);
    if (c->texts_fd >= 0) close(c->texts_fd);
    buf_free(&c->json);
    buf_free(&c->one);
    mem_free(c->path);
    mem_free(c);
}

/* ---- writing ---- */

glass_status corpus_begin_writing(struct glass_corpus *c) {
    struct buf file = {0};
    int64_t committed;
    if (c->writing) return GLASS_OK;
    TRY(buf_printf(&file, "%s/texts", c->path));
    int fd = open(file.data, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    glass_status status = GLASS_OK;
    struct stat st;
    if (fd < 0) {
        status = fail_errno("%s: cannot open", file.data);
    } else if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        status =
            errno == EWOULDBLOCK
                ? fail(GLASS_SYSTEM, "%s: another glass is adding to this corpus", c->path)
                : fail_errno("%s: cannot lock", file.data);
    } else {
        status = corpus_number(c, &committed,
                               "SELECT value FROM meta WHERE key='texts_bytes'", 0);
        if (status == GLASS_OK && fstat(fd, &st) == 0 && st.st_size < committed)
            status = fail(GLASS_BAD_INPUT, "%s: %lld bytes, where the table knows of %lld",
                          file.data, (long long)st.st_size, (long long)committed);
        if (status == GLASS_OK && ftruncate(fd, committed) != 0)
            status = fail_errno("%s: cannot cut", file.data);
    }
    if (status == GLASS_OK && (c->texts = fdopen(fd, "r+b")) == NULL)
        status = fail_errno("%s: cannot open", file.data);
    if (status != GLASS_OK && fd >= 0) close(fd);
    if (status == GLASS_OK && fseeko(c->texts, (off_t)committed, SEEK_SET) != 0)
        status = fail_errno("%s: cannot seek", file.data);
    buf_free(&file);
    if (status != GLASS_OK) return status;
    int64_t stopped;
    TRY(corpus_number(c, &stopped, "SELECT count(*) FROM meta WHERE key='cleaning'", 0));
    if (stopped > 0 && !c->cleaning)
        return fail(
            GLASS_USAGE,
            "%s: a cleaning was stopped in it: give its `glass data clean` again, or "
            "another folder",
            c->path);
    c->texts_at = committed;
    c->writing = true;
    TRY(corpus_prepare(
        c, &c->insert,
        "INSERT OR IGNORE INTO documents(content,hash,record,from_source,seal,"
        "text_at,text_bytes) VALUES(?,?,?,?,?,?,?)"));
    TRY(corpus_prepare(c, &c->find_text,
                       "SELECT text_at FROM documents WHERE content=? LIMIT 1"));
    return corpus_prepare(c, &c->exclude, "INSERT INTO excluded VALUES(?,?,?,?,?)");
}

static void bind_text(sqlite3_stmt *s, int i, const char *text) {
    sqlite3_bind_text(s, i, text, -1, SQLITE_STATIC);
}

glass_status corpus_begin_source(struct glass_corpus *c, const char *spec,
                                 const char *options, bool *done) {
    sqlite3_stmt *s;
    *done = false;
    TRY(execute(c, "BEGIN IMMEDIATE", "begin"));
    c->inside = true;
    TRY(corpus_number(c, &c->seal, "SELECT max(seal) FROM roots", 0));
    c->seal++;
    TRY(corpus_prepare(c, &s,
                       "SELECT 1 FROM sources WHERE spec=? AND options=? AND seal=?"));
    bind_text(s, 1, spec);
    bind_text(s, 2, options);
    sqlite3_bind_int64(s, 3, c->seal);
    *done = sqlite3_step(s) == SQLITE_ROW;
    sqlite3_finalize(s);
    if (*done) {
        corpus_undo_source(c);
        return GLASS_OK;
    }
    TRY(corpus_prepare(c, &s,
                       "INSERT INTO sources(spec,options,seal,added) "
                       "VALUES(?,?,?,strftime('%Y-%m-%dT%H:%M:%SZ','now'))"));
    bind_text(s, 1, spec);
    bind_text(s, 2, options);
    sqlite3_bind_int64(s, 3, c->seal);
    int r = sqlite3_step(s);
    sqlite3_finalize(s);
    if (r != SQLITE_DONE) return corpus_failed(c, "write");
    c->source = sqlite3_last_insert_rowid(c->db);
    return GLASS_OK;
}

/* Where the text lies; -1: it is not there. */
static glass_status find_text(struct glass_corpus *c, const uint8_t content[32],
                              int64_t *at) {
    sqlite3_reset(c->find_text);
    sqlite3_bind_blob(c->find_text, 1, content, 32, SQLITE_STATIC);
    int found = sqlite3_step(c->find_text);
    *at = found == SQLITE_ROW ? sqlite3_column_int64(c->find_text, 0) : -1;
    sqlite3_reset(c->find_text);
    return found == SQLITE_ROW || found == SQLITE_DONE ? GLASS_OK
                                                       : corpus_failed(c, "read");
}

glass_status corpus_has_text(struct glass_corpus *c, const uint8_t content[32], bool *has) {
    int64_t at;
    TRY(find_text(c, content, &at));
    *has = at >= 0;
    return GLASS_OK;
}

/* Equal texts are kept once. */
static glass_status place_text(struct glass_corpus *c, const uint8_t content[32],
                               const char *text, int64_t n_bytes, int64_t *at) {
    TRY(find_text(c, content, at));
    if (*at >= 0) return GLASS_OK;
    *at = c->texts_at;
    if (fwrite(text, 1, (size_t)n_bytes, c->texts) != (size_t)n_bytes)
        return fail_errno("%s/texts: cannot write", c->path);
    c->texts_at += n_bytes;
    return GLASS_OK;
}

glass_status corpus_put_json(struct glass_corpus *c, const uint8_t content[32],
                             const char *json, size_t n_json, const char *text,
                             int64_t n_bytes, bool *added) {
    uint8_t hash[32];
    int64_t at;
    TRY(sha256_bytes(hash, json, n_json));
    TRY(place_text(c, content, text, n_bytes, &at));
    sqlite3_stmt *s = c->insert;
    sqlite3_reset(s);
    sqlite3_bind_blob(s, 1, content, 32, SQLITE_STATIC);
    sqlite3_bind_blob(s, 2, hash, 32, SQLITE_STATIC);
    sqlite3_bind_text(s, 3, json, (int)n_json, SQLITE_STATIC);
    sqlite3_bind_int64(s, 4, c->source);
    sqlite3_bind_int64(s, 5, c->seal);
    sqlite3_bind_int64(s, 6, at);
    sqlite3_bind_int64(s, 7, n_bytes);
    int done = sqlite3_step(s);
    sqlite3_reset(s);
    if (done != SQLITE_DONE) return corpus_failed(c, "write");
    *added = sqlite3_changes(c->db) > 0;
    return GLASS_OK;
}

glass_status corpus_put(struct glass_corpus *c, struct record *r, const char *text,
                        bool *added) {
    buf_clear(&c->json);
    TRY(record_json(&c->json, r));
    return corpus_put_json(c, r->content, c->json.data, c->json.len, text, r->n_bytes,
                           added);
}

glass_status corpus_put_excluded(struct glass_corpus *c, const char *path, int64_t part,
                                 const char *reason, const char *licence) {
    sqlite3_stmt *s = c->exclude;
    sqlite3_reset(s);
    sqlite3_bind_int64(s, 1, c->source);
    bind_text(s, 2, path);
    if (part >= 0)
        sqlite3_bind_int64(s, 3, part);
    else
        sqlite3_bind_null(s, 3);
    bind_text(s, 4, reason);
    bind_text(s, 5, licence);
    int done = sqlite3_step(s);
    sqlite3_reset(s);
    return done == SQLITE_DONE ? GLASS_OK : corpus_failed(c, "write");
}

glass_status corpus_end_source(struct glass_corpus *c) {
    char sql[128];
    if (fflush(c->texts) != 0 || fsync(fileno(c->texts)) != 0)
        return fail_errno("%s/texts: cannot write", c->path);
    snprintf(sql, sizeof sql, "UPDATE meta SET value=%lld WHERE key='texts_bytes'",
             (long long)c->texts_at);
    TRY(execute(c, sql, "write"));
    TRY(execute(c, "COMMIT", "write"));
    c->inside = false;
    return GLASS_OK;
}

glass_status corpus_go_on(struct glass_corpus *c) {
    TRY(execute(c, "BEGIN IMMEDIATE", "begin"));
    c->inside = true;
    TRY(corpus_number(c, &c->seal, "SELECT max(seal) FROM roots", 0));
    c->seal++;
    return GLASS_OK;
}

/* The texts' end goes back when the next source begins, or the next writer comes. */
void corpus_undo_source(struct glass_corpus *c) {
    int64_t committed;
    sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    c->inside = false;
    if (c->texts == NULL) return;
    if (corpus_number(c, &committed, "SELECT value FROM meta WHERE key='texts_bytes'", 0) ==
            GLASS_OK &&
        fflush(c->texts) == 0 && fseeko(c->texts, (off_t)committed, SEEK_SET) == 0)
        c->texts_at = committed;
}

/* ---- roots ---- */

static glass_status hash_documents(struct glass_corpus *c, uint8_t root[32], int64_t *n) {
    struct merkle tree = {0};
    uint8_t content[32], hash[32], leaf[32], top[32];
    sqlite3_stmt *s;
    glass_status status = GLASS_OK;
    int r;
    TRY(corpus_prepare(c, &s, "SELECT content,hash FROM documents ORDER BY content,hash"));
    while ((r = sqlite3_step(s)) == SQLITE_ROW) {
        if (!corpus_hash(content, s, 0) || !corpus_hash(hash, s, 1))
            status = fail(GLASS_BAD_INPUT, "%s/corpus.sqlite: a document without hashes",
                          c->path);
        if (status == GLASS_OK) status = merkle_leaf(leaf, content, hash);
        if (status == GLASS_OK) status = merkle_add(&tree, leaf);
        if (status != GLASS_OK) break;
    }
    if (status == GLASS_OK && r != SQLITE_DONE) status = corpus_failed(c, "read");
    sqlite3_finalize(s);
    if (status == GLASS_OK) status = merkle_top(top, &tree);
    if (status == GLASS_OK) status = merkle_root(root, tree.n, top);
    *n = (int64_t)tree.n;
    return status;
}

glass_status corpus_seal(struct glass_corpus *c, char hex[65]) {
    uint8_t root[32];
    int64_t n, seal, same, pending;
    sqlite3_stmt *s;
    TRY(execute(c, "BEGIN IMMEDIATE", "begin"));
    c->inside = true;
    TRY(corpus_number(c, &seal, "SELECT max(seal) FROM roots", 0));
    TRY(hash_documents(c, root, &n));
    sha256_hex(hex, root);
    /* Nothing new: the root is the one that it has, and only sources were said again. */
    TRY(corpus_number(c, &same, "SELECT n FROM roots ORDER BY seal DESC LIMIT 1", -1));
    TRY(corpus_number(c, &pending,
                      "SELECT count(*) FROM sources WHERE seal > "
                      "(SELECT coalesce(max(seal),0) FROM roots)",
                      0));
    if (same == n && pending == 0) {
        corpus_undo_source(c);
        return GLASS_OK;
    }
    TRY(corpus_prepare(c, &s,
                       "INSERT INTO roots VALUES(?,?,?,strftime('%Y-%m-%dT%H:%M:%SZ',"
                       "'now'))"));
    sqlite3_bind_int64(s, 1, seal + 1);
    sqlite3_bind_blob(s, 2, root, 32, SQLITE_STATIC);
    sqlite3_bind_int64(s, 3, n);
    int r = sqlite3_step(s);
    sqlite3_finalize(s);
    if (r != SQLITE_DONE) return corpus_failed(c, "write");
    TRY(execute(c, "COMMIT", "write"));
    c->inside = false;
    return GLASS_OK;
}

glass_status corpus_find_root(struct glass_corpus *c, const char *root, int64_t *seal,
                              uint8_t digest[32], int64_t *n) {
    sqlite3_stmt *s;
    int found = 0;
    TRY(corpus_prepare(c, &s,
                       "SELECT seal,root,n FROM roots WHERE lower(hex(root)) LIKE ? "
                       "ORDER BY seal DESC"));
    struct buf like = {0};
    glass_status status = buf_printf(&like, "%s%%", root ? root : "");
    if (status == GLASS_OK && root && strspn(root, "0123456789abcdef") != strlen(root))
        status = fail(GLASS_USAGE, "%.80s: a root is hexadecimal", root);
    if (status == GLASS_OK) bind_text(s, 1, like.data);
    uint8_t first[32];
    while (status == GLASS_OK && sqlite3_step(s) == SQLITE_ROW) {
        if (found++ == 0) {
            *seal = sqlite3_column_int64(s, 0);
            *n = sqlite3_column_int64(s, 2);
            if (!corpus_hash(first, s, 1))
                status = fail(GLASS_BAD_INPUT, "%s/corpus.sqlite: a root of no 32 bytes",
                              c->path);
            if (root == NULL) break;
        } else {
            uint8_t other[32];
            if (corpus_hash(other, s, 1) && memcmp(first, other, 32) != 0)
                status = fail(GLASS_USAGE, "%s: several roots begin so", root);
        }
    }
    sqlite3_finalize(s);
    buf_free(&like);
    if (status != GLASS_OK) return status;
    if (found == 0)
        return root ? fail(GLASS_BAD_INPUT,
                           "%s: has no root %s; `glass data show %s` lists them", c->path,
                           root, c->path)
                    : fail(GLASS_BAD_INPUT,
                           "%s: was never finished: give the same command again", c->path);
    memcpy(digest, first, 32);
    return GLASS_OK;
}

glass_status corpus_view(struct glass_corpus *c) {
    struct buf file = {0};
    struct stat st;
    glass_status status = buf_printf(&file, "%s/texts", c->path);
    if (status != GLASS_OK) return status;
    if (c->view) munmap(c->view, c->view_bytes);
    if (c->texts_fd >= 0) close(c->texts_fd);
    c->texts_fd = -1;
    c->view_bytes = 0;
    c->view = NULL;
    int fd = open(file.data, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        status = fail_errno("%s: cannot open", file.data);
    } else if (c->reading) {
        c->view_bytes = (size_t)st.st_size;
        c->texts_fd = fd;
        fd = -1;
    } else if (st.st_size > 0) {
        void *view = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (view == MAP_FAILED)
            status = fail_errno("%s: cannot map", file.data);
        else {
            c->view = view;
            c->view_bytes = (size_t)st.st_size;
        }
    }
    if (fd >= 0) close(fd);
    buf_free(&file);
    return status;
}
