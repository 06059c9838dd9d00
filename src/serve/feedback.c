/* feedback.c - what people think of answers, and what they agreed to; see conversations.h.
 *
 * Each row keeps the whole record that is exported (docs/feedback.md), made when the feedback is
 * given: what was said then cannot change under it. */
#include "serve/conversations_parts.h"

#include "base/hash.h"
#include "glass/status.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

enum { COMMENT = 4000, AUTHOR = 200, DEEPEST = 100000 };

const char feedback_consent[] = "I wrote or chose this myself, and I agree that it is "
                                "published under this licence, with "
                                "the conversation up to here and with my name.";
const char *const feedback_licences[] = {"CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", NULL};

/* ---- the model's bytes ---- */

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Of a folder: of the lines "SHA-256  NAME\n" of its plain files in the order of their names,
 * as sha256sum writes them. */
static glass_status hash_folder(uint8_t digest[32], const char *path) {
    struct dirent **list = NULL;
    struct buf lines = {0}, name = {0};
    struct stat st;
    char hex[65];
    int n = scandir(path, &list, NULL, by_name);
    glass_status status = n >= 0 ? GLASS_OK : fail_errno("%s: cannot read", path);
    for (int i = 0; i < n; i++) {
        if (status == GLASS_OK && list[i]->d_name[0] != '.') {
            buf_clear(&name);
            status = buf_printf(&name, "%s/%s", path, list[i]->d_name);
            if (status == GLASS_OK && stat(name.data, &st) == 0 && S_ISREG(st.st_mode)) {
                status = sha256_file(digest, name.data);
                if (status == GLASS_OK) {
                    sha256_hex(hex, digest);
                    status = buf_printf(&lines, "%s  %s\n", hex, list[i]->d_name);
                }
            }
        }
        free(list[i]);
    }
    free(list);
    if (status == GLASS_OK) status = sha256_bytes(digest, lines.data, lines.len);
    buf_free(&lines);
    buf_free(&name);
    return status;
}

/* The SHA-256 of a model's file, or folder, which is read once for each state of it. NULL in
 * *out if it cannot be read. */
static glass_status model_hash(struct conversations *c, json_t **out, const char *path) {
    struct stat st;
    sqlite3_stmt *s;
    bool found;
    uint8_t digest[32];
    char hex[65];
    *out = json_null();
    if (path == NULL || stat(path, &st) != 0) return GLASS_OK;
    pthread_mutex_lock(&c->lock);
    glass_status status = db_prepare(
        c, &s, "SELECT sha256 FROM models WHERE path=? AND bytes=? AND modified=?", "tii",
        path, (int64_t)st.st_size, (int64_t)st.st_mtime);
    if (status == GLASS_OK) status = db_step(c, s, &found);
    if (status == GLASS_OK && found) *out = json_string(db_text(s, 0));
    sqlite3_finalize(s);
    pthread_mutex_unlock(&c->lock);
    if (status != GLASS_OK || found) return status;
    status = S_ISDIR(st.st_mode) ? hash_folder(digest, path) : sha256_file(digest, path);
    if (status == GLASS_NO_MEMORY) return status;
    if (status != GLASS_OK) return GLASS_OK;
    sha256_hex(hex, digest);
    *out = json_string(hex);
    pthread_mutex_lock(&c->lock);
    status = db_do(c, "INSERT OR REPLACE INTO models VALUES (?,?,?,?)", "tiit", path,
                   (int64_t)st.st_size, (int64_t)st.st_mtime, hex);
    pthread_mutex_unlock(&c->lock);
    return status;
}

/* ---- what was given ---- */

struct given {
    const char *id, *conversation, *message, *kind, *comment, *author, *licence;
    const char *chosen, *rejected; /* messages of a pair */
    int64_t rating;
    bool consent;
};

static bool licence_known(const char *licence) {
    for (int i = 0; feedback_licences[i] != NULL; i++)
        if (strcmp(licence, feedback_licences[i]) == 0) return true;
    return false;
}

static glass_status read_consent(struct given *g, const json_t *body) {
    TRY(member_text(&g->comment, body, "comment", COMMENT, true));
    TRY(member_text(&g->author, body, "author", AUTHOR, true));
    TRY(member_text(&g->licence, body, "licence", 64, true));
    const json_t *consent = json_object_get(body, "consent");
    if (consent != NULL && !json_is_boolean(consent))
        return fail(GLASS_BAD_INPUT, "consent must be true or false");
    g->consent = json_is_true(consent);
    if (g->author == NULL) g->author = "";
    if (g->licence == NULL) g->licence = feedback_licences[0];
    if (!licence_known(g->licence))
        return fail(GLASS_BAD_INPUT, "licence must be CC0-1.0, CC-BY-4.0 or CC-BY-SA-4.0");
    if (g->consent && g->author[strspn(g->author, " \t")] == '\0')
        return fail(GLASS_BAD_INPUT, "author: consent to publish needs a name");
    return GLASS_OK;
}

static glass_status read_given(struct given *g, const json_t *body) {
    TRY(member_id(&g->id, body, "id", false));
    TRY(member_id(&g->conversation, body, "conversation", false));
    TRY(member_id(&g->message, body, "message", false));
    TRY(member_text(&g->kind, body, "kind", 16, false));
    TRY(member_id(&g->chosen, body, "chosen", true));
    TRY(member_id(&g->rejected, body, "rejected", true));
    if (strcmp(g->kind, "rating") == 0) {
        TRY(member_integer(&g->rating, body, "rating"));
        if (g->rating != 1 && g->rating != -1)
            return fail(GLASS_BAD_INPUT, "rating must be 1 or -1");
    } else if (strcmp(g->kind, "correction") == 0) {
        g->rejected = g->message; /* what was corrected */
        if (g->chosen == NULL)
            return fail(GLASS_BAD_INPUT, "chosen is missing: the message "
                                         "as it should be");
    } else if (strcmp(g->kind, "comparison") == 0) {
        if (g->chosen == NULL || g->rejected == NULL)
            return fail(GLASS_BAD_INPUT, "a comparison needs chosen and rejected");
    } else {
        return fail(GLASS_BAD_INPUT, "kind must be rating, correction or comparison");
    }
    if (g->chosen != NULL && g->rejected != NULL && strcmp(g->chosen, g->rejected) == 0)
        return fail(GLASS_BAD_INPUT, "chosen and rejected are the same message");
    return read_consent(g, body);
}

/* ---- the record ---- */

struct said {
    json_t *turn; /* [{"role","content"}]; owned */
    json_t *more; /* model, seed, settings, corrects …; owned */
    char *parent; /* "" = none; owned */
};

static void said_clear(struct said *s) {
    json_decref(s->turn);
    json_decref(s->more);
    mem_free(s->parent);
}

static glass_status read_said(struct conversations *c, struct said *out, int64_t row,
                              const char *id) {
    sqlite3_stmt *s;
    bool found;
    TRY(db_prepare(c, &s,
                   "SELECT parent,role,content,more FROM messages WHERE conversation=? AND"
                   " id=?",
                   "it", row, id));
    glass_status status = db_step(c, s, &found);
    if (status == GLASS_OK && !found)
        status = fail(GLASS_NEGATIVE, "the conversation has no message \"%s\"", id);
    if (status == GLASS_OK) {
        out->turn =
            json_pack("[{s:s,s:s}]", "role", db_text(s, 1), "content", db_text(s, 2));
        out->more = db_json(s, 3);
        status = out->turn == NULL
                     ? json_failed()
                     : mem_copy_text(&out->parent, db_text(s, 0), strlen(db_text(s, 0)));
    }
    sqlite3_finalize(s);
    return status;
}

/* The conversation up to an answer, oldest first, with the system prompt that it had. */
static glass_status read_prompt(struct conversations *c, json_t *prompt, int64_t row,
                                const struct said *answer) {
    struct said at = {0};
    char *parent;
    TRY(mem_copy_text(&parent, answer->parent, strlen(answer->parent)));
    glass_status status = GLASS_OK;
    for (int i = 0; status == GLASS_OK && parent[0] != '\0' && i < DEEPEST; i++) {
        at = (struct said){0};
        status = read_said(c, &at, row, parent);
        if (status == GLASS_OK && json_array_insert(prompt, 0, json_array_get(at.turn, 0)))
            status = json_failed();
        mem_free(parent);
        parent = at.parent;
        at.parent = NULL;
        said_clear(&at);
        if (parent == NULL) return status;
    }
    mem_free(parent);
    const json_t *settings = json_object_get(answer->more, "settings");
    const char *system = json_string_value(json_object_get(settings, "system"));
    if (status == GLASS_OK && system != NULL &&
        json_array_insert_new(prompt, 0,
                              json_pack("{s:s,s:s}", "role", "system", "content", system)))
        status = json_failed();
    return status;
}

static json_t *or_null(json_t *value) {
    return value != NULL ? json_incref(value) : json_null();
}

static void time_text(char text[32], double seconds) {
    time_t t = (time_t)seconds;
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* The members that all kinds have. */
static json_t *record_head(const struct given *g, const struct said *answer,
                           const struct feedback_model *model, json_t *hash) {
    char now[32];
    time_text(now, conversations_now());
    json_t *sampling = json_copy(json_object_get(answer->more, "settings"));
    if (sampling != NULL) {
        json_object_del(sampling, "system");
        json_object_del(sampling, "alternatives");
    }
    return json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:s,s:{s:b,s:o},s:o,s:{s:o,s:o,s:s?},s:o,s:{s:s,s:s}}",
        "format", "glass-preference-1", "id", g->id, "kind", g->kind, "created", now,
        "author", g->author, "comment", g->comment != NULL ? g->comment : "", "consent",
        "given", g->consent, "text",
        g->consent ? json_string(feedback_consent) : json_null(), "licence",
        g->consent ? json_string(g->licence) : json_null(), "model", "name",
        or_null(json_object_get(answer->more, "model")), "sha256", hash, "licence",
        model->license != NULL && model->license[0] != '\0' ? model->license : NULL,
        "sampling", sampling != NULL ? sampling : json_object(), "glass", "version",
        glass_version(), "arithmetic", glass_arithmetic());
}

/* What differs: an answer and its label, or a pair. Takes over prompt. */
static glass_status fill_record(struct conversations *c, json_t *record, json_t *prompt,
                                int64_t row, const struct given *g,
                                const struct said *answer) {
    struct said chosen = {0}, rejected = {0};
    glass_status status = GLASS_OK;
    int bad = json_object_set_new(record, "prompt", prompt);
    if (g->rating != 0) {
        bad |= json_object_set(record, "completion", answer->turn);
        bad |= json_object_set_new(record, "label", json_boolean(g->rating > 0));
        bad |= json_object_set_new(record, "seed",
                                   or_null(json_object_get(answer->more, "seed")));
    } else {
        status = read_said(c, &chosen, row, g->chosen);
        if (status == GLASS_OK) status = read_said(c, &rejected, row, g->rejected);
        if (status == GLASS_OK && strcmp(chosen.parent, rejected.parent) != 0)
            status =
                fail(GLASS_BAD_INPUT, "chosen and rejected do not answer the same message");
        if (status == GLASS_OK) {
            bad |= json_object_set(record, "chosen", chosen.turn);
            bad |= json_object_set(record, "rejected", rejected.turn);
            bad |= json_object_set_new(
                record, "seeds",
                json_pack("{s:o,s:o}", "chosen",
                          or_null(json_object_get(chosen.more, "seed")), "rejected",
                          or_null(json_object_get(rejected.more, "seed"))));
            bad |= json_object_set_new(
                record, "chosen_by",
                json_string(strcmp(g->kind, "correction") == 0 ? "person" : "model"));
        }
    }
    said_clear(&chosen);
    said_clear(&rejected);
    return status == GLASS_OK && bad != 0 ? json_failed() : status;
}

static glass_status make_record(struct conversations *c, json_t **out, int64_t row,
                                const struct given *g, const struct feedback_model *model,
                                json_t *hash) {
    struct said answer = {0};
    *out = NULL;
    const char *id = g->rating != 0 ? g->message : g->rejected;
    glass_status status = read_said(c, &answer, row, id);
    json_t *prompt = json_array();
    if (status == GLASS_OK && prompt == NULL) status = json_failed();
    if (status == GLASS_OK &&
        strcmp(json_string_value(json_object_get(json_array_get(answer.turn, 0), "role")),
               "assistant") != 0)
        status = fail(GLASS_BAD_INPUT, "message: feedback is on answers only");
    if (status == GLASS_OK) status = read_prompt(c, prompt, row, &answer);
    if (status == GLASS_OK)
        status = json_out(out, record_head(g, &answer, model, json_incref(hash)));
    if (status == GLASS_OK)
        status = fill_record(c, *out, json_incref(prompt), row, g, &answer);
    json_decref(prompt);
    said_clear(&answer);
    return status;
}

static glass_status keep(struct conversations *c, int64_t row, const struct given *g,
                         const struct feedback_model *model, const json_t *record) {
    if (g->rating != 0)
        TRY(db_do(
            c,
            "DELETE FROM feedback WHERE conversation=? AND message=? AND kind='rating'"
            " AND id<>?",
            "itt", row, g->message, g->id));
    return db_do(c,
                 "INSERT INTO feedback (id,conversation,message,kind,rating,author,consent,"
                 "licence,model,record) VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO"
                 " NOTHING",
                 "tittititt"
                 "j",
                 g->id, row, g->message, g->kind, g->rating, g->author, (int64_t)g->consent,
                 g->consent ? g->licence : NULL, model->name != NULL ? model->name : "",
                 record);
}

glass_status feedback_put(struct conversations *c, json_t **out, const json_t *body,
                          const struct feedback_model *model) {
    struct given g = {0};
    json_t *hash = NULL, *record = NULL;
    int64_t row = 0;
    *out = NULL;
    TRY(read_given(&g, body));
    TRY(model_hash(c, &hash, model->path));
    glass_status status = db_begin(c);
    if (status == GLASS_OK) {
        status = conversation_row(c, &row, g.conversation);
        if (status == GLASS_OK) status = make_record(c, &record, row, &g, model, hash);
        if (status == GLASS_OK) status = keep(c, row, &g, model, record);
        status = db_end(c, status);
    }
    json_decref(hash);
    json_decref(record);
    if (status != GLASS_OK) return status;
    return json_out(out, json_pack("{s:s,s:b}", "id", g.id, "consent", g.consent));
}

glass_status feedback_delete(struct conversations *c, const char *id) {
    TRY(db_begin(c));
    glass_status status = db_do(c, "DELETE FROM feedback WHERE id=?", "t", id);
    if (status == GLASS_OK && sqlite3_changes(c->db) == 0)
        status = fail(GLASS_NEGATIVE, "there is no feedback \"%.64s\"", id);
    return db_end(c, status);
}

glass_status feedback_model_name(struct conversations *c, char **out, const json_t *body) {
    const char *conversation, *message;
    sqlite3_stmt *s = NULL;
    bool found = false;
    *out = NULL;
    TRY(member_id(&conversation, body, "conversation", false));
    TRY(member_id(&message, body, "message", false));
    pthread_mutex_lock(&c->lock);
    glass_status status =
        db_prepare(c, &s,
                   "SELECT coalesce(json_extract(m.more,'$.model'),'') FROM messages m JOIN"
                   " conversations c ON c.row=m.conversation WHERE c.id=? AND m.id=?",
                   "tt", conversation, message);
    if (status == GLASS_OK) status = db_step(c, s, &found);
    const char *name = status == GLASS_OK && found ? db_text(s, 0) : "";
    if (status == GLASS_OK) status = mem_copy_text(out, name, strlen(name));
    sqlite3_finalize(s);
    pthread_mutex_unlock(&c->lock);
    return status;
}

/* ---- reading ---- */

/* {word: {"n","n_consented"}} of a column; only consented ones count where told so. */
static glass_status count_by(struct conversations *c, json_t *out, const char *name,
                             const char *sql) {
    sqlite3_stmt *s;
    bool row;
    json_t *object = json_object();
    if (json_object_set_new(out, name, object) != 0) return json_failed();
    TRY(db_prepare(c, &s, sql, ""));
    glass_status status;
    for (;;) {
        status = db_step(c, s, &row);
        if (status != GLASS_OK || !row) break;
        json_t *value =
            sqlite3_column_count(s) == 3
                ? json_pack("{s:I,s:I}", "n", (json_int_t)sqlite3_column_int64(s, 1),
                            "n_consented", (json_int_t)sqlite3_column_int64(s, 2))
                : json_integer(sqlite3_column_int64(s, 1));
        if (json_object_set_new(object, db_text(s, 0), value) != 0) {
            status = json_failed();
            break;
        }
    }
    sqlite3_finalize(s);
    return status;
}

glass_status feedback_stats(struct conversations *c, json_t **out) {
    static const char *const by[][2] = {
        {"kinds", "SELECT kind,count(*),sum(consent) FROM feedback GROUP BY 1 ORDER BY 1"},
        {"authors",
         "SELECT author,count(*) FROM feedback WHERE consent GROUP BY 1 ORDER BY 1"},
        {"licences",
         "SELECT licence,count(*) FROM feedback WHERE consent GROUP BY 1 ORDER BY 1"},
        {"models",
         "SELECT model,count(*) FROM feedback WHERE consent GROUP BY 1 ORDER BY 1"}};
    sqlite3_stmt *s = NULL;
    bool row;
    *out = NULL;
    TRY(db_begin(c));
    glass_status status =
        db_prepare(c, &s, "SELECT count(*),coalesce(sum(consent),0) FROM feedback", "");
    if (status == GLASS_OK) status = db_step(c, s, &row);
    if (status == GLASS_OK)
        status = json_out(
            out, json_pack("{s:I,s:I}", "n", (json_int_t)sqlite3_column_int64(s, 0),
                           "n_consented", (json_int_t)sqlite3_column_int64(s, 1)));
    sqlite3_finalize(s);
    for (size_t i = 0; status == GLASS_OK && i < sizeof by / sizeof *by; i++)
        status = count_by(c, *out, by[i][0], by[i][1]);
    status = db_end(c, status);
    if (status != GLASS_OK) {
        json_decref(*out);
        *out = NULL;
    }
    return status;
}

glass_status feedback_each(struct conversations *c, enum feedback_which which,
                           glass_status (*each)(void *context, const char *line, size_t n),
                           void *context) {
    static const char *const sql[] = {
        [FEEDBACK_ALL] = "SELECT record FROM feedback ORDER BY row",
        [FEEDBACK_PAIRS] = "SELECT record FROM feedback WHERE consent AND kind IN"
                           " ('correction','comparison') ORDER BY row",
        [FEEDBACK_RATINGS] = "SELECT record FROM feedback WHERE consent AND kind='rating'"
                             " ORDER BY row"};
    sqlite3_stmt *s;
    bool row = true;
    pthread_mutex_lock(&c->lock);
    glass_status status = db_prepare(c, &s, sql[which], "");
    while (status == GLASS_OK) {
        status = db_step(c, s, &row);
        if (status != GLASS_OK || !row) break;
        status = each(context, db_text(s, 0), strlen(db_text(s, 0)));
    }
    sqlite3_finalize(s);
    pthread_mutex_unlock(&c->lock);
    return status;
}
