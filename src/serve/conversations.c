/* conversations.c - conversations: list, make, read, change, delete; see conversations.h. */
#include "serve/conversations_parts.h"

#include "serve/fold.h"

#include <math.h>
#include <stdlib.h>

enum {
    TITLE = 1000,
    MODEL = 1000,
    SETTINGS = 1 << 16,
    MORE = 1 << 16,
    CONTENT = 4 << 20,
    TOKENS = 8 << 20,
    QUERY = 1000,
    AROUND = 30 /* bytes of a snippet before and after what was found, about */
};

/* ---- the list ---- */

/* A little text around what was looked for, NULL if it is not there. */
static json_t *snippet(const char *text, const char *folded, size_t n_folded) {
    size_t n = strlen(text), begin, end;
    if (!fold_find(&begin, &end, text, n, folded, n_folded)) return NULL;
    size_t from = begin > AROUND ? begin - AROUND : 0;
    size_t to = n - end > 2 * AROUND ? end + 2 * AROUND : n;
    while (from < begin && ((unsigned char)text[from] & 0xc0) == 0x80) from++;
    while (to > end && to < n && ((unsigned char)text[to] & 0xc0) == 0x80) to--;
    struct buf b = {0};
    glass_status status = buf_text(&b, from > 0 ? "…" : "");
    if (status == GLASS_OK) status = buf_append(&b, text + from, to - from);
    if (status == GLASS_OK) status = buf_text(&b, to < n ? "…" : "");
    json_t *out = NULL;
    if (status == GLASS_OK) {
        for (size_t i = 0; i < b.len; i++)
            if (b.data[i] == '\n' || b.data[i] == '\t') b.data[i] = ' ';
        out = json_stringn(b.data, b.len);
    }
    buf_free(&b);
    return out;
}

/* Of the first message of a conversation that holds the words. */
static glass_status add_snippet(struct conversations *c, json_t *entry, int64_t row,
                                const char *folded, size_t n_folded) {
    sqlite3_stmt *s;
    bool found;
    TRY(db_prepare(c, &s,
                   "SELECT content FROM messages WHERE conversation=? AND holds(content,?)"
                   " ORDER BY row LIMIT 1",
                   "it", row, folded));
    glass_status status = db_step(c, s, &found);
    if (status == GLASS_OK && found) {
        json_t *text = snippet(db_text(s, 0), folded, n_folded);
        if (text != NULL && json_object_set_new(entry, "snippet", text) != 0)
            status = json_failed();
    }
    sqlite3_finalize(s);
    return status;
}

static glass_status list_rows(struct conversations *c, json_t *list, bool *more,
                              sqlite3_stmt *s, int limit, const struct buf *folded) {
    bool row;
    for (;;) {
        TRY(db_step(c, s, &row));
        *more = row && json_array_size(list) == (size_t)limit;
        if (!row || *more) return GLASS_OK;
        char cursor[64];
        snprintf(cursor, sizeof cursor, "%.17g_%lld", sqlite3_column_double(s, 4),
                 (long long)sqlite3_column_int64(s, 0));
        json_t *entry = json_pack("{s:s,s:s,s:f,s:f,s:I,s:s}", "id", db_text(s, 1), "title",
                                  db_text(s, 2), "created", sqlite3_column_double(s, 3),
                                  "updated", sqlite3_column_double(s, 4), "n_messages",
                                  (json_int_t)sqlite3_column_int64(s, 5), "cursor", cursor);
        if (json_array_append_new(list, entry) != 0) return json_failed();
        if (folded->len > 0)
            TRY(add_snippet(c, entry, sqlite3_column_int64(s, 0), folded->data,
                            folded->len));
    }
}

/* "1764113000.25_12" */
static glass_status parse_cursor(double *updated, int64_t *row, const char *text) {
    char *end;
    *updated = HUGE_VAL;
    *row = INT64_MAX;
    if (text == NULL) return GLASS_OK;
    *updated = strtod(text, &end);
    if (end != text && *end == '_') {
        const char *digits = end + 1;
        *row = strtoll(digits, &end, 10);
        if (end != digits && *end == '\0' && isfinite(*updated)) return GLASS_OK;
    }
    return fail(GLASS_BAD_INPUT, "before must be a cursor of an earlier list");
}

glass_status conversations_list(struct conversations *c, json_t **out, const char *query,
                                const char *before, int limit) {
    static const char sql[] =
        "SELECT row,id,title,created,updated,(SELECT count(*) FROM messages WHERE"
        " conversation=c.row) FROM conversations c WHERE (updated,row)<(?1,?2) AND (?3=''"
        " OR holds(title,?3) OR EXISTS (SELECT 1 FROM messages WHERE conversation=c.row AND"
        " holds(content,?3))) ORDER BY updated DESC,row DESC LIMIT ?4";
    double updated;
    int64_t row;
    struct buf folded = {0};
    sqlite3_stmt *s = NULL;
    bool more = false;
    *out = NULL;
    TRY(parse_cursor(&updated, &row, before));
    if (limit < 1 || limit > 200)
        return fail(GLASS_BAD_INPUT, "limit must be a number from 1 to 200");
    if (query != NULL && strlen(query) > QUERY)
        return fail(GLASS_BAD_INPUT, "q may have %d bytes", QUERY);
    json_t *list = json_array();
    glass_status status = list != NULL ? GLASS_OK : json_failed();
    if (status == GLASS_OK)
        status = fold_text(&folded, query != NULL ? query : "",
                           query != NULL ? strlen(query) : 0);
    pthread_mutex_lock(&c->lock);
    if (status == GLASS_OK)
        status =
            db_prepare(c, &s, sql, "fiti", updated, row, folded.data, (int64_t)limit + 1);
    if (status == GLASS_OK) status = list_rows(c, list, &more, s, limit, &folded);
    sqlite3_finalize(s);
    pthread_mutex_unlock(&c->lock);
    buf_free(&folded);
    if (status == GLASS_OK)
        return json_out(out, json_pack("{s:o,s:b}", "conversations", list, "more", more));
    json_decref(list);
    return status;
}

/* ---- one ---- */

/* Members that both making and changing take; NULL where the body has none. */
struct head {
    const char *title, *model;
    const json_t *settings;
};

static glass_status read_head(struct head *h, const json_t *body) {
    TRY(member_text(&h->title, body, "title", TITLE, true));
    TRY(member_text(&h->model, body, "model", MODEL, true));
    h->settings = json_object_get(body, "settings");
    if (h->settings == NULL) return GLASS_OK;
    if (!json_is_object(h->settings))
        return fail(GLASS_BAD_INPUT, "settings must be an object");
    if (json_dumpb(h->settings, NULL, 0, JSON_COMPACT) > SETTINGS)
        return fail(GLASS_BAD_INPUT, "settings may have %d bytes", SETTINGS);
    return GLASS_OK;
}

/* id, version, title, model, settings of a conversation, and what else the caller asks for. */
static glass_status describe(struct conversations *c, json_t **out, int64_t row) {
    sqlite3_stmt *s;
    bool found;
    *out = NULL;
    TRY(db_prepare(c, &s,
                   "SELECT id,version,title,model,settings,leaf,created,updated FROM"
                   " conversations WHERE row=?",
                   "i", row));
    glass_status status = db_step(c, s, &found);
    if (status == GLASS_OK && found)
        status = json_out(
            out,
            json_pack("{s:s,s:I,s:s,s:s,s:o,s:o,s:f,s:f}", "id", db_text(s, 0), "version",
                      (json_int_t)sqlite3_column_int64(s, 1), "title", db_text(s, 2),
                      "model", db_text(s, 3), "settings", db_json(s, 4), "leaf",
                      sqlite3_column_type(s, 5) == SQLITE_NULL ? json_null()
                                                               : json_string(db_text(s, 5)),
                      "created", sqlite3_column_double(s, 6), "updated",
                      sqlite3_column_double(s, 7)));
    else if (status == GLASS_OK)
        status = fail(GLASS_NEGATIVE, "the conversation is gone");
    sqlite3_finalize(s);
    return status;
}

glass_status conversations_create(struct conversations *c, json_t **out,
                                  const json_t *body) {
    const char *id;
    struct head h;
    int64_t row = 0;
    *out = NULL;
    TRY(member_id(&id, body, "id", false));
    TRY(read_head(&h, body));
    double now = conversations_now();
    TRY(db_begin(c));
    glass_status status =
        db_do(c,
              "INSERT INTO conversations (id,version,title,model,settings,created,updated)"
              " VALUES (?,1,?,?,coalesce(?,'{}'),?,?) ON CONFLICT (id) DO NOTHING",
              "tttjff", id, h.title != NULL ? h.title : "", h.model != NULL ? h.model : "",
              h.settings, now, now);
    if (status == GLASS_OK) status = conversation_row(c, &row, id);
    if (status == GLASS_OK) status = describe(c, out, row);
    status = db_end(c, status);
    if (status != GLASS_OK) {
        json_decref(*out);
        *out = NULL;
    }
    return status;
}

/* A message without its tokens; more holds what else the page wrote of it. */
static json_t *message_json(sqlite3_stmt *s) {
    json_t *m = db_json(s, 6), *parent;
    if (!json_is_object(m)) {
        json_decref(m);
        m = json_object();
    }
    parent =
        sqlite3_column_type(s, 1) == SQLITE_NULL ? json_null() : json_string(db_text(s, 1));
    if (m == NULL || json_object_set_new(m, "id", json_string(db_text(s, 0))) != 0 ||
        json_object_set_new(m, "parent", parent) != 0 ||
        json_object_set_new(m, "role", json_string(db_text(s, 2))) != 0 ||
        json_object_set_new(m, "content", json_string(db_text(s, 3))) != 0 ||
        json_object_set_new(m, "state", json_string(db_text(s, 4))) != 0 ||
        json_object_set_new(m, "version", json_integer(sqlite3_column_int64(s, 5))) != 0 ||
        json_object_set_new(m, "n_tokens", json_integer(sqlite3_column_int64(s, 7))) != 0) {
        json_decref(m);
        return NULL;
    }
    return m;
}

static const char message_columns[] = "id,parent,role,content,state,version,more,n_tokens";

static glass_status add_messages(struct conversations *c, json_t *out, int64_t row) {
    struct buf sql = {0};
    sqlite3_stmt *s = NULL;
    bool more = true;
    json_t *list = json_array();
    glass_status status = list != NULL ? GLASS_OK : json_failed();
    if (status == GLASS_OK)
        status =
            buf_printf(&sql, "SELECT %s FROM messages WHERE conversation=? ORDER BY row",
                       message_columns);
    if (status == GLASS_OK) status = db_prepare(c, &s, sql.data, "i", row);
    while (status == GLASS_OK) {
        status = db_step(c, s, &more);
        if (status != GLASS_OK || !more) break;
        if (json_array_append_new(list, message_json(s)) != 0) status = json_failed();
    }
    sqlite3_finalize(s);
    buf_free(&sql);
    if (status == GLASS_OK && json_object_set(out, "messages", list) != 0)
        status = json_failed();
    json_decref(list);
    return status;
}

/* To each message its feedback, as {id,kind,rating,consent}. */
static glass_status add_feedback(struct conversations *c, json_t *out, int64_t row) {
    sqlite3_stmt *s;
    bool more = true;
    size_t i;
    json_t *m;
    TRY(db_prepare(c, &s,
                   "SELECT message,id,kind,rating,consent FROM feedback WHERE"
                   " conversation=? ORDER BY row",
                   "i", row));
    glass_status status = GLASS_OK;
    while (status == GLASS_OK) {
        status = db_step(c, s, &more);
        if (status != GLASS_OK || !more) break;
        json_array_foreach(json_object_get(out, "messages"), i, m) {
            if (strcmp(json_string_value(json_object_get(m, "id")), db_text(s, 0)) != 0)
                continue;
            if (json_object_get(m, "feedback") == NULL)
                json_object_set_new(m, "feedback", json_array());
            json_t *f = json_pack("{s:s,s:s,s:i,s:b}", "id", db_text(s, 1), "kind",
                                  db_text(s, 2), "rating", sqlite3_column_int(s, 3),
                                  "consent", sqlite3_column_int(s, 4));
            if (json_array_append_new(json_object_get(m, "feedback"), f) != 0)
                status = json_failed();
        }
    }
    sqlite3_finalize(s);
    return status;
}

glass_status conversations_get(struct conversations *c, json_t **out, const char *id) {
    int64_t row = 0;
    *out = NULL;
    /* Within a transaction: no writer comes between head and messages. */
    TRY(db_begin(c));
    glass_status status = conversation_row(c, &row, id);
    if (status == GLASS_OK) status = describe(c, out, row);
    if (status == GLASS_OK) status = add_messages(c, *out, row);
    if (status == GLASS_OK) status = add_feedback(c, *out, row);
    status = db_end(c, status);
    if (status != GLASS_OK) {
        json_decref(*out);
        *out = NULL;
    }
    return status;
}

static glass_status change(struct conversations *c, bool *conflict, int64_t row,
                           const json_t *body) {
    struct head h;
    const char *leaf;
    int64_t version;
    TRY(read_head(&h, body));
    TRY(member_id(&leaf, body, "leaf", true));
    if (leaf != NULL)
        TRY(db_do(c, "UPDATE conversations SET leaf=? WHERE row=?", "ti", leaf, row));
    if (h.title == NULL && h.model == NULL && h.settings == NULL) return GLASS_OK;
    TRY(member_integer(&version, body, "version"));
    TRY(db_do(c,
              "UPDATE conversations SET version=version+1,title=coalesce(?,title),"
              "model=coalesce(?,model),settings=coalesce(?,settings)"
              " WHERE row=? AND version=?",
              "ttjii", h.title, h.model, h.settings, row, version));
    *conflict = sqlite3_changes(c->db) == 0;
    return GLASS_OK;
}

glass_status conversations_update(struct conversations *c, json_t **out, bool *conflict,
                                  const char *id, const json_t *body) {
    int64_t row = 0;
    *out = NULL;
    *conflict = false;
    TRY(db_begin(c));
    glass_status status = conversation_row(c, &row, id);
    if (status == GLASS_OK) status = change(c, conflict, row, body);
    if (status == GLASS_OK) status = describe(c, out, row);
    status = db_end(c, status);
    if (status != GLASS_OK) {
        json_decref(*out);
        *out = NULL;
    }
    return status;
}

glass_status conversations_delete(struct conversations *c, const char *id) {
    int64_t row = 0;
    TRY(db_begin(c));
    glass_status status = conversation_row(c, &row, id);
    if (status == GLASS_OK)
        status = db_do(c, "DELETE FROM conversations WHERE row=?", "i", row);
    status = db_end(c, status);
    if (status != GLASS_OK) return status;
    /* The log still holds the deleted text: it is emptied, if no other process reads it. */
    pthread_mutex_lock(&c->lock);
    sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    pthread_mutex_unlock(&c->lock);
    return GLASS_OK;
}

/* ---- messages ---- */

struct message {
    const char *id, *parent, *role, *content, *state;
    int64_t version, n_tokens;
    bool leaf;
    const json_t *tokens; /* borrowed */
    json_t *more;         /* owned */
};

static bool one_of(const char *word, const char *const *words) {
    for (; *words != NULL; words++)
        if (strcmp(word, *words) == 0) return true;
    return false;
}

static glass_status read_message(struct message *m, const char *id, const json_t *body) {
    static const char *const roles[] = {"system", "user", "assistant", "tool", NULL};
    static const char *const states[] = {"partial", "done",  "stopped",
                                         "length",  "error", NULL};
    static const char *const own[] = {"id",    "parent",   "role",     "content",
                                      "state", "version",  "n_tokens", "tokens",
                                      "leaf",  "feedback", NULL};
    if (!id_fits(id))
        return fail(GLASS_BAD_INPUT,
                    "a message's id must be 1 to 64 letters, digits or hyphens");
    m->id = id;
    TRY(member_id(&m->parent, body, "parent", true));
    TRY(member_text(&m->role, body, "role", 16, false));
    TRY(member_text(&m->content, body, "content", CONTENT, false));
    TRY(member_text(&m->state, body, "state", 16, false));
    TRY(member_integer(&m->version, body, "version"));
    if (!one_of(m->role, roles))
        return fail(GLASS_BAD_INPUT, "role must be system, user, assistant or tool");
    if (!one_of(m->state, states))
        return fail(GLASS_BAD_INPUT,
                    "state must be partial, done, stopped, length or error");
    m->leaf = json_is_true(json_object_get(body, "leaf"));
    m->tokens = json_object_get(body, "tokens");
    if (m->tokens != NULL && !json_is_null(m->tokens) && !json_is_array(m->tokens))
        return fail(GLASS_BAD_INPUT, "tokens must be a list");
    if (m->tokens != NULL && json_dumpb(m->tokens, NULL, 0, JSON_COMPACT) > TOKENS)
        return fail(GLASS_BAD_INPUT, "tokens may have %d bytes", TOKENS);
    m->n_tokens = (int64_t)json_array_size(m->tokens);
    m->more = json_copy((json_t *)(uintptr_t)body);
    if (m->more == NULL) return json_failed();
    for (int i = 0; own[i] != NULL; i++) json_object_del(m->more, own[i]);
    if (json_dumpb(m->more, NULL, 0, JSON_COMPACT) > MORE)
        return fail(GLASS_BAD_INPUT, "what is told of a message besides may have %d bytes",
                    MORE);
    return GLASS_OK;
}

/* Whether the parent is there; a message's own parent must be an older one. */
static glass_status find_parent(struct conversations *c, int64_t row, const char *parent) {
    sqlite3_stmt *s;
    bool found;
    if (parent == NULL) return GLASS_OK;
    TRY(db_prepare(c, &s, "SELECT 1 FROM messages WHERE conversation=? AND id=?", "it", row,
                   parent));
    glass_status status = db_step(c, s, &found);
    sqlite3_finalize(s);
    if (status == GLASS_OK && !found)
        status =
            fail(GLASS_BAD_INPUT, "parent: the conversation has no message \"%s\"", parent);
    return status;
}

enum fate { INSERT, REPLACE, SAME, CONFLICT };

static glass_status compare(struct conversations *c, enum fate *fate, int64_t row,
                            const struct message *m) {
    sqlite3_stmt *s;
    bool found;
    *fate = INSERT;
    TRY(db_prepare(c, &s,
                   "SELECT parent,role,content,state,version FROM messages WHERE"
                   " conversation=? AND id=?",
                   "it", row, m->id));
    glass_status status = db_step(c, s, &found);
    if (status == GLASS_OK && found) {
        const char *parent = (const char *)sqlite3_column_text(s, 0);
        bool kin = strcmp(db_text(s, 1), m->role) == 0 &&
                   (parent == NULL) == (m->parent == NULL) &&
                   (parent == NULL || strcmp(parent, m->parent) == 0);
        bool partial = strcmp(db_text(s, 3), "partial") == 0;
        int64_t version = sqlite3_column_int64(s, 4);
        if (kin && partial && m->version > version)
            *fate = REPLACE;
        else if (kin && m->version == version && strcmp(db_text(s, 3), m->state) == 0 &&
                 strcmp(db_text(s, 2), m->content) == 0)
            *fate = SAME;
        else
            *fate = CONFLICT;
    }
    sqlite3_finalize(s);
    return status;
}

static glass_status put(struct conversations *c, enum fate *fate, int64_t row,
                        const struct message *m) {
    TRY(compare(c, fate, row, m));
    if (*fate == INSERT) {
        TRY(find_parent(c, row, m->parent));
        TRY(db_do(c,
                  "INSERT INTO messages (conversation,id,parent,role,content,state,version,"
                  "more,n_tokens,tokens) VALUES (?,?,?,?,?,?,?,?,?,?)",
                  "itttttijij", row, m->id, m->parent, m->role, m->content, m->state,
                  m->version, m->more, m->n_tokens, m->tokens));
    } else if (*fate == REPLACE) {
        TRY(db_do(c,
                  "UPDATE messages SET content=?,state=?,version=?,more=?,n_tokens=?,"
                  "tokens=? WHERE conversation=? AND id=?",
                  "ttijijit", m->content, m->state, m->version, m->more, m->n_tokens,
                  m->tokens, row, m->id));
    }
    if (*fate == CONFLICT) return GLASS_OK;
    TRY(db_do(c, "UPDATE conversations SET updated=max(updated,?) WHERE row=?", "fi",
              conversations_now(), row));
    if (m->leaf)
        TRY(db_do(c, "UPDATE conversations SET leaf=? WHERE row=?", "ti", m->id, row));
    return GLASS_OK;
}

/* The message as it is now. */
static glass_status message_now(struct conversations *c, json_t **out, int64_t row,
                                const char *id) {
    struct buf sql = {0};
    sqlite3_stmt *s = NULL;
    bool found;
    glass_status status = buf_printf(
        &sql, "SELECT %s FROM messages WHERE conversation=? AND id=?", message_columns);
    if (status == GLASS_OK) status = db_prepare(c, &s, sql.data, "it", row, id);
    if (status == GLASS_OK) status = db_step(c, s, &found);
    if (status == GLASS_OK) status = json_out(out, message_json(s));
    sqlite3_finalize(s);
    buf_free(&sql);
    return status;
}

glass_status conversations_put(struct conversations *c, json_t **out, bool *conflict,
                               const char *id, const char *message, const json_t *body) {
    struct message m = {0};
    int64_t row = 0;
    enum fate fate = SAME;
    *out = NULL;
    *conflict = false;
    glass_status status = read_message(&m, message, body);
    if (status == GLASS_OK) status = db_begin(c);
    if (status == GLASS_OK) {
        status = conversation_row(c, &row, id);
        if (status == GLASS_OK) status = put(c, &fate, row, &m);
        if (status == GLASS_OK && fate == CONFLICT)
            status = message_now(c, out, row, message);
        else if (status == GLASS_OK)
            status = json_out(out, json_pack("{s:s,s:I}", "id", message, "version",
                                             (json_int_t)m.version));
        status = db_end(c, status);
    }
    *conflict = status == GLASS_OK && fate == CONFLICT;
    if (status != GLASS_OK) {
        json_decref(*out);
        *out = NULL;
    }
    json_decref(m.more);
    return status;
}

glass_status conversations_tokens(struct conversations *c, json_t **out, const char *id,
                                  const char *message) {
    sqlite3_stmt *s = NULL;
    int64_t row = 0;
    bool found = false;
    *out = NULL;
    pthread_mutex_lock(&c->lock);
    glass_status status = conversation_row(c, &row, id);
    if (status == GLASS_OK)
        status =
            db_prepare(c, &s, "SELECT tokens FROM messages WHERE conversation=? AND id=?",
                       "it", row, message);
    if (status == GLASS_OK) status = db_step(c, s, &found);
    if (status == GLASS_OK && !found)
        status = fail(GLASS_NEGATIVE, "the conversation has no message \"%.64s\"", message);
    if (status == GLASS_OK) {
        json_t *tokens = db_json(s, 0);
        if (json_is_null(tokens)) tokens = json_array();
        status = json_out(out, json_pack("{s:o}", "tokens", tokens));
    }
    sqlite3_finalize(s);
    pthread_mutex_unlock(&c->lock);
    return status;
}
