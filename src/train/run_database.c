/* run_database.c - a run's metrics in SQLite; see run_metrics.h. */
#include "train/run_metrics.h"

#include "base/buf.h"

#include <math.h>
#include <sqlite3.h>
#include <unistd.h>

enum { INSERTS = 3 };

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS steps (step INTEGER PRIMARY KEY, loss REAL, norm REAL,"
    " rate REAL, tokens INTEGER, seconds REAL);"
    "CREATE TABLE IF NOT EXISTS evaluations (step INTEGER PRIMARY KEY, loss REAL,"
    " bits_per_byte REAL);"
    "CREATE TABLE IF NOT EXISTS samples (step INTEGER PRIMARY KEY, text TEXT);"
    "DELETE FROM steps; DELETE FROM evaluations; DELETE FROM samples;";

struct database {
    sqlite3 *db;
    char *path;
    sqlite3_stmt *insert[INSERTS]; /* into steps, evaluations, samples */
};

static glass_status broken(const struct database *d) {
    return fail(GLASS_SYSTEM, "%s: %s", d->path,
                d->db == NULL ? "too little memory" : sqlite3_errmsg(d->db));
}

static glass_status run_sql(const struct database *d, const char *sql) {
    return sqlite3_exec(d->db, sql, NULL, NULL, NULL) == SQLITE_OK ? GLASS_OK : broken(d);
}

/* A step's place in each table where it has one. */
static glass_status put_rows(const struct database *d, const struct metric *m) {
    sqlite3_stmt *const *s = d->insert;
    bool wanted[INSERTS] = {true, m->evaluated, m->sample != NULL};
    sqlite3_bind_double(s[0], 2, m->loss);
    sqlite3_bind_double(s[0], 3, m->norm);
    sqlite3_bind_double(s[0], 4, m->rate);
    sqlite3_bind_int64(s[0], 5, (sqlite3_int64)m->tokens);
    sqlite3_bind_double(s[0], 6, m->seconds);
    sqlite3_bind_double(s[1], 2, m->held_out_loss);
    sqlite3_bind_double(s[1], 3, m->bits_per_byte);
    sqlite3_bind_text(s[2], 2, m->sample, -1, SQLITE_STATIC);
    for (int i = 0; i < INSERTS; i++) {
        if (!wanted[i]) continue;
        sqlite3_bind_int64(s[i], 1, m->step);
        bool good = sqlite3_step(s[i]) == SQLITE_DONE;
        if (sqlite3_reset(s[i]) != SQLITE_OK || !good) return broken(d);
    }
    return GLASS_OK;
}

static glass_status in_transaction(const struct database *d, const struct metric *list,
                                   int64_t n) {
    TRY(run_sql(d, "BEGIN IMMEDIATE"));
    glass_status status = GLASS_OK;
    for (int64_t i = 0; status == GLASS_OK && i < n; i++) status = put_rows(d, &list[i]);
    if (status == GLASS_OK) return run_sql(d, "COMMIT");
    sqlite3_exec(d->db, "ROLLBACK", NULL, NULL, NULL); /* the first message counts */
    return status;
}

/* A power cut may lose the file, which the next process makes anew: nothing waits for the disk. */
static glass_status open_file(struct database *d) {
    static const char *const sql[INSERTS] = {
        "INSERT OR REPLACE INTO steps VALUES (?, ?, ?, ?, ?, ?)",
        "INSERT OR REPLACE INTO evaluations VALUES (?, ?, ?)",
        "INSERT OR REPLACE INTO samples VALUES (?, ?)"};
    if (sqlite3_open(d->path, &d->db) != SQLITE_OK) return broken(d);
    sqlite3_busy_timeout(d->db, 10000);
    TRY(run_sql(d, "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;"));
    TRY(run_sql(d, schema));
    for (int i = 0; i < INSERTS; i++)
        if (sqlite3_prepare_v2(d->db, sql[i], -1, &d->insert[i], NULL) != SQLITE_OK)
            return broken(d);
    return GLASS_OK;
}

static void close_file(struct database *d) {
    for (int i = 0; i < INSERTS; i++) {
        sqlite3_finalize(d->insert[i]);
        d->insert[i] = NULL;
    }
    sqlite3_close(d->db);
    d->db = NULL;
}

static glass_status remove_file(const struct database *d) {
    static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
    struct buf path = {0};
    glass_status status = GLASS_OK;
    for (size_t i = 0; status == GLASS_OK && i < sizeof endings / sizeof *endings; i++) {
        buf_clear(&path);
        status = buf_printf(&path, "%s%s", d->path, endings[i]);
        if (status == GLASS_OK) unlink(path.data);
    }
    buf_free(&path);
    return status;
}

glass_status database_open(struct database **out, const char *path,
                           const struct metric *list, int64_t n) {
    struct database *d;
    *out = NULL;
    TRY(mem_alloc_zero(&d, 1, sizeof *d));
    glass_status status = mem_copy_text(&d->path, path, strlen(path));
    if (status == GLASS_OK) status = open_file(d);
    if (status == GLASS_OK) status = in_transaction(d, list, n);
    if (status == GLASS_SYSTEM) { /* damaged, perhaps, or not a database: a new one */
        close_file(d);
        status = remove_file(d);
        if (status == GLASS_OK) status = open_file(d);
        if (status == GLASS_OK) status = in_transaction(d, list, n);
    }
    if (status == GLASS_OK)
        *out = d;
    else
        database_close(d);
    return status;
}

glass_status database_put(struct database *d, const struct metric *m) {
    return in_transaction(d, m, 1);
}

void database_close(struct database *d) {
    if (d == NULL) return;
    close_file(d);
    mem_free(d->path);
    mem_free(d);
}
