/* conversations_db.c - the file under conversations and feedback: opening, statements, members
 * of bodies; see conversations_parts.h. */
#include "serve/conversations_parts.h"

#include "base/path.h"
#include "serve/fold.h"

#include <fcntl.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

enum { APPLICATION = 0x476c6373, FORMAT = 1 }; /* "Glcs" */

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS conversations (row INTEGER PRIMARY KEY, id TEXT NOT NULL"
    " UNIQUE, version INTEGER NOT NULL, title TEXT NOT NULL, model TEXT NOT NULL,"
    " settings TEXT NOT NULL, leaf TEXT, created REAL NOT NULL, updated REAL NOT NULL);"
    "CREATE INDEX IF NOT EXISTS by_time ON conversations (updated, row);"
    "CREATE TABLE IF NOT EXISTS messages (row INTEGER PRIMARY KEY, conversation INTEGER NOT"
    " NULL REFERENCES conversations ON DELETE CASCADE, id TEXT NOT NULL, parent TEXT,"
    " role TEXT NOT NULL, content TEXT NOT NULL, state TEXT NOT NULL, version INTEGER NOT"
    " NULL, more TEXT NOT NULL, n_tokens INTEGER NOT NULL, tokens TEXT,"
    " UNIQUE (conversation, id));"
    "CREATE TABLE IF NOT EXISTS feedback (row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
    " conversation INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,"
    " message TEXT NOT NULL, kind TEXT NOT NULL, rating INTEGER, author TEXT NOT NULL,"
    " consent INTEGER NOT NULL, licence TEXT, model TEXT NOT NULL, record TEXT NOT NULL);"
    "CREATE INDEX IF NOT EXISTS by_message ON feedback (conversation, message);"
    "CREATE TABLE IF NOT EXISTS models (path TEXT PRIMARY KEY, bytes INTEGER NOT NULL,"
    " modified INTEGER NOT NULL, sha256 TEXT NOT NULL);";

glass_status db_fail(struct conversations *c) {
    int code = c->db == NULL ? SQLITE_NOMEM : sqlite3_errcode(c->db);
    if (code == SQLITE_NOMEM)
        return fail(GLASS_NO_MEMORY, "%s: too little memory", c->path);
    return fail(GLASS_SYSTEM, "%s: %s", c->path, sqlite3_errmsg(c->db));
}

glass_status db_run(struct conversations *c, const char *sql) {
    return sqlite3_exec(c->db, sql, NULL, NULL, NULL) == SQLITE_OK ? GLASS_OK : db_fail(c);
}

static int bind_json(sqlite3_stmt *s, int i, const json_t *value) {
    if (value == NULL || json_is_null(value)) return sqlite3_bind_null(s, i);
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text == NULL) return SQLITE_NOMEM;
    int r = sqlite3_bind_text(s, i, text, -1, SQLITE_TRANSIENT);
    free(text);
    return r;
}

static glass_status prepare(struct conversations *c, sqlite3_stmt **out, const char *sql,
                            const char *letters, va_list values) {
    *out = NULL;
    if (sqlite3_prepare_v2(c->db, sql, -1, out, NULL) != SQLITE_OK) return db_fail(c);
    int r = SQLITE_OK;
    for (int i = 0; letters[i] != '\0' && r == SQLITE_OK; i++) {
        if (letters[i] == 'i')
            r = sqlite3_bind_int64(*out, i + 1, va_arg(values, int64_t));
        else if (letters[i] == 'f')
            r = sqlite3_bind_double(*out, i + 1, va_arg(values, double));
        else if (letters[i] == 't')
            r = sqlite3_bind_text(*out, i + 1, va_arg(values, const char *), -1,
                                  SQLITE_TRANSIENT);
        else
            r = bind_json(*out, i + 1, va_arg(values, const json_t *));
    }
    if (r == SQLITE_OK) return GLASS_OK;
    sqlite3_finalize(*out);
    *out = NULL;
    return fail(GLASS_NO_MEMORY, "%s: too little memory", c->path);
}

glass_status db_prepare(struct conversations *c, sqlite3_stmt **out, const char *sql,
                        const char *letters, ...) {
    va_list values;
    va_start(values, letters);
    glass_status status = prepare(c, out, sql, letters, values);
    va_end(values);
    return status;
}

glass_status db_step(struct conversations *c, sqlite3_stmt *s, bool *row) {
    int r = sqlite3_step(s);
    *row = r == SQLITE_ROW;
    return r == SQLITE_ROW || r == SQLITE_DONE ? GLASS_OK : db_fail(c);
}

glass_status db_do(struct conversations *c, const char *sql, const char *letters, ...) {
    sqlite3_stmt *s;
    bool row;
    va_list values;
    va_start(values, letters);
    glass_status status = prepare(c, &s, sql, letters, values);
    va_end(values);
    if (status == GLASS_OK) status = db_step(c, s, &row);
    sqlite3_finalize(s);
    return status;
}

const char *db_text(sqlite3_stmt *s, int column) {
    const char *text = (const char *)sqlite3_column_text(s, column);
    return text != NULL ? text : "";
}

json_t *db_json(sqlite3_stmt *s, int column) {
    json_t *value = json_loads(db_text(s, column), JSON_DECODE_ANY, NULL);
    return value != NULL ? value : json_null();
}

glass_status db_begin(struct conversations *c) {
    pthread_mutex_lock(&c->lock);
    glass_status status = db_run(c, "BEGIN IMMEDIATE");
    if (status != GLASS_OK) pthread_mutex_unlock(&c->lock);
    return status;
}

glass_status db_end(struct conversations *c, glass_status status) {
    if (status == GLASS_OK) status = db_run(c, "COMMIT");
    if (status != GLASS_OK) sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    pthread_mutex_unlock(&c->lock);
    return status;
}

glass_status conversation_row(struct conversations *c, int64_t *row, const char *id) {
    sqlite3_stmt *s;
    bool found = false;
    TRY(db_prepare(c, &s, "SELECT row FROM conversations WHERE id=?", "t", id));
    glass_status status = db_step(c, s, &found);
    if (found) *row = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    if (status == GLASS_OK && !found)
        status = fail(GLASS_NEGATIVE, "there is no conversation \"%.64s\"", id);
    return status;
}

/* ---- opening ---- */

/* Whose file it is: 0 for one that is new. */
static glass_status check_format(struct conversations *c) {
    sqlite3_stmt *s;
    int64_t value[2] = {0, 0};
    static const char *const sql[2] = {"PRAGMA application_id", "PRAGMA user_version"};
    for (int i = 0; i < 2; i++) {
        bool row = false;
        TRY(db_prepare(c, &s, sql[i], ""));
        glass_status status = db_step(c, s, &row);
        if (row) value[i] = sqlite3_column_int64(s, 0);
        sqlite3_finalize(s);
        TRY(status);
    }
    if (value[0] == 0 && value[1] == 0) return GLASS_OK;
    if (value[0] != APPLICATION)
        return fail(GLASS_BAD_INPUT, "%s: this is another program's database", c->path);
    if (value[1] != FORMAT)
        return fail(GLASS_BAD_INPUT,
                    "%s: its format is %lld, and this program knows %d: take a newer one",
                    c->path, (long long)value[1], FORMAT);
    return GLASS_OK;
}

static glass_status open_file(struct conversations *c) {
    struct buf sql = {0};
    if (sqlite3_open_v2(c->path, &c->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX,
                        NULL) != SQLITE_OK)
        return db_fail(c);
    sqlite3_busy_timeout(c->db, 10000);
    TRY(check_format(c));
    TRY(fold_register(c->db));
    TRY(db_run(c,
               "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
               "PRAGMA secure_delete=ON; PRAGMA trusted_schema=OFF;"));
    TRY(db_run(c, "BEGIN IMMEDIATE"));
    glass_status status = db_run(c, schema);
    if (status == GLASS_OK)
        status =
            buf_printf(&sql, "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT",
                       APPLICATION, FORMAT);
    if (status == GLASS_OK) status = db_run(c, sql.data);
    buf_free(&sql);
    return status;
}

glass_status conversations_open(struct conversations **out, const char *folder) {
    struct conversations *c;
    struct buf path = {0};
    *out = NULL;
    glass_status status = folder != NULL ? buf_text(&path, folder) : path_data(&path);
    if (status == GLASS_OK) status = path_make_private(path.data);
    if (status == GLASS_OK) status = buf_text(&path, "/conversations.db");
    if (status == GLASS_OK) status = mem_alloc_zero(&c, 1, sizeof *c);
    if (status != GLASS_OK) {
        buf_free(&path);
        return status;
    }
    pthread_mutex_init(&c->lock, NULL);
    c->path = path.data;
    /* What people write is for them alone; SQLite gives its other files the same mode. */
    int fd = open(c->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    status = fd >= 0 ? open_file(c) : fail_errno("%s: cannot open", c->path);
    if (fd >= 0) close(fd);
    if (status != GLASS_OK) {
        conversations_close(c);
        return status;
    }
    *out = c;
    return GLASS_OK;
}

void conversations_close(struct conversations *c) {
    if (c == NULL) return;
    sqlite3_close(c->db);
    pthread_mutex_destroy(&c->lock);
    mem_free(c->path);
    mem_free(c);
}

/* ---- members of bodies ---- */

glass_status member_text(const char **out, const json_t *body, const char *name,
                         size_t most, bool optional) {
    const json_t *value = json_object_get(body, name);
    *out = NULL;
    if (value == NULL || json_is_null(value))
        return optional ? GLASS_OK
                        : fail(GLASS_BAD_INPUT, "%s is missing: a text is needed", name);
    if (!json_is_string(value)) return fail(GLASS_BAD_INPUT, "%s must be a text", name);
    if (json_string_length(value) > most)
        return fail(GLASS_BAD_INPUT, "%s has %zu bytes, and may have %zu", name,
                    json_string_length(value), most);
    if (strlen(json_string_value(value)) != json_string_length(value))
        return fail(GLASS_BAD_INPUT, "%s must not hold the character U+0000", name);
    *out = json_string_value(value);
    return GLASS_OK;
}

bool id_fits(const char *id) {
    size_t n =
        strspn(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-");
    return n >= 1 && n <= 64 && id[n] == '\0';
}

glass_status member_id(const char **out, const json_t *body, const char *name,
                       bool optional) {
    TRY(member_text(out, body, name, 64, optional));
    if (*out != NULL && !id_fits(*out))
        return fail(GLASS_BAD_INPUT, "%s must be 1 to 64 letters, digits or hyphens", name);
    return GLASS_OK;
}

glass_status member_integer(int64_t *out, const json_t *body, const char *name) {
    const json_t *value = json_object_get(body, name);
    if (!json_is_integer(value))
        return fail(GLASS_BAD_INPUT, "%s must be a whole number", name);
    *out = json_integer_value(value);
    return GLASS_OK;
}

glass_status json_failed(void) {
    return fail(GLASS_NO_MEMORY, "too little memory for a JSON value");
}

glass_status json_out(json_t **out, json_t *value) {
    *out = value;
    return value != NULL ? GLASS_OK : json_failed();
}

double conversations_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
