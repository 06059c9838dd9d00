/* conversations_parts.h - what conversations.c and feedback.c share. */
#ifndef SERVE_CONVERSATIONS_PARTS_H
#define SERVE_CONVERSATIONS_PARTS_H

#include "serve/conversations.h"

#include <pthread.h>
#include <sqlite3.h>

struct conversations {
    sqlite3 *db;
    char *path;
    pthread_mutex_t lock; /* around each call: one connection, one transaction at a time */
};

/* Statements. A failure becomes GLASS_SYSTEM with SQLite's words. */
glass_status db_fail(struct conversations *c);
glass_status db_run(struct conversations *c, const char *sql);
/* Values by their letters: i int64_t, f double, t text or NULL, j a JSON value or NULL. */
glass_status db_prepare(struct conversations *c, sqlite3_stmt **out, const char *sql,
                        const char *letters, ...);
/* *row: whether there is another row. */
glass_status db_step(struct conversations *c, sqlite3_stmt *s, bool *row);
/* Runs one that gives no rows. */
glass_status db_do(struct conversations *c, const char *sql, const char *letters, ...);
/* A column's text, never NULL; a column of JSON, json_null() if it is none (new). */
const char *db_text(sqlite3_stmt *s, int column);
json_t *db_json(sqlite3_stmt *s, int column);

/* Locks and begins a transaction; ends it, well if status is GLASS_OK, and unlocks. */
glass_status db_begin(struct conversations *c);
glass_status db_end(struct conversations *c, glass_status status);

/* The row of a conversation; GLASS_NEGATIVE. */
glass_status conversation_row(struct conversations *c, int64_t *row, const char *id);

/* ---- members of a body ---- */

/* Of at most `most` bytes; *out is borrowed. Missing or null: *out = NULL if optional. */
glass_status member_text(const char **out, const json_t *body, const char *name,
                         size_t most, bool optional);
/* 1 to 64 letters, digits or hyphens. */
glass_status member_id(const char **out, const json_t *body, const char *name,
                       bool optional);
bool id_fits(const char *id);
glass_status member_integer(int64_t *out, const json_t *body, const char *name);
/* json_pack failed, or a set: no memory. */
glass_status json_failed(void);
/* Sets *out, which the caller owns, or GLASS_NO_MEMORY for NULL. */
glass_status json_out(json_t **out, json_t *value);

double conversations_now(void);

#endif
