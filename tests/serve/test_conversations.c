/* test_conversations.c - the store of conversations and feedback: versions, branches, search,
 * consent, hostile bodies, damaged files, failing allocations, and kills. */
#include "serve/conversations.h"
#include "serve/fold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct place {
    char folder[64], file[96];
    struct conversations *c;
};

static int begin(void **state) {
    struct place *p = calloc(1, sizeof *p);
    strcpy(p->folder, "/tmp/glass-talk-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->file, sizeof p->file, "%s/conversations.db", p->folder);
    assert_int_equal(conversations_open(&p->c, p->folder), GLASS_OK);
    *state = p;
    return 0;
}

static int end(void **state) {
    struct place *p = *state;
    char command[128];
    conversations_close(p->c);
    snprintf(command, sizeof command, "rm -rf '%s'", p->folder);
    int r = system(command);
    free(p);
    return r;
}

static json_t *parse(const char *format, ...) {
    char text[4096];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    for (char *q = text; *q; q++)
        if (*q == '\'') *q = '"';
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    return value;
}

/* Calls that are to go well; the reply is let go of. */
static void make(struct conversations *c, const char *id, const char *title) {
    json_t *out,
        *body = parse("{'id':'%s','title':'%s','model':'m','settings':{}}", id, title);
    assert_int_equal(conversations_create(c, &out, body), GLASS_OK);
    json_decref(out);
    json_decref(body);
}

static glass_status try_put(struct conversations *c, bool *conflict, const char *id,
                            const char *message, const char *format, ...) {
    char text[4096];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    json_t *out, *body = parse("%s", text);
    glass_status status = conversations_put(c, &out, conflict, id, message, body);
    json_decref(out);
    json_decref(body);
    return status;
}

static void say(struct conversations *c, const char *id, const char *message,
                const char *parent, const char *role, const char *content) {
    bool conflict;
    const char *mark = parent != NULL ? "'" : "";
    assert_int_equal(try_put(c, &conflict, id, message,
                             "{'parent':%s%s%s,'role':'%s','content':'%s','state':'done',"
                             "'version':1,'leaf':true,'model':'m','seed':7,"
                             "'settings':{'system':'Be kind.','top_k':3}}",
                             mark, parent != NULL ? parent : "null", mark, role, content),
                     GLASS_OK);
    assert_false(conflict);
}

static json_t *read_one(struct conversations *c, const char *id) {
    json_t *out;
    assert_int_equal(conversations_get(c, &out, id), GLASS_OK);
    return out;
}

static const char *text_at(const json_t *value, const char *name) {
    const char *text = json_string_value(json_object_get(value, name));
    return text != NULL ? text : "(none)";
}

/* The member of the n-th message. */
static const char *message_at(const json_t *c, size_t n, const char *name) {
    return text_at(json_array_get(json_object_get(c, "messages"), n), name);
}

/* ---- conversations ---- */

static void keeps_a_tree(void **state) {
    struct place *p = *state;
    bool conflict;
    make(p->c, "c1", "First");
    say(p->c, "c1", "u1", NULL, "user", "Hello");
    say(p->c, "c1", "a1", "u1", "assistant", "Good day");
    say(p->c, "c1", "a2", "u1", "assistant", "Hi");
    conversations_close(p->c);
    assert_int_equal(conversations_open(&p->c, p->folder), GLASS_OK);
    json_t *c = read_one(p->c, "c1");
    assert_int_equal(json_array_size(json_object_get(c, "messages")), 3);
    assert_string_equal(text_at(c, "leaf"), "a2");
    assert_string_equal(message_at(c, 1, "parent"), "u1");
    assert_string_equal(message_at(c, 2, "content"), "Hi");
    assert_string_equal(message_at(c, 2, "model"), "m");
    json_decref(c);
    /* A request that is repeated changes nothing; another text under the same name is refused. */
    say(p->c, "c1", "a2", "u1", "assistant", "Hi");
    assert_int_equal(try_put(p->c, &conflict, "c1", "a2",
                             "{'parent':'u1','role':'assistant','content':'Other','state':"
                             "'done','version':1}"),
                     GLASS_OK);
    assert_true(conflict);
    c = read_one(p->c, "c1");
    assert_string_equal(message_at(c, 2, "content"), "Hi");
    json_decref(c);
}

static void grows_while_partial(void **state) {
    struct place *p = *state;
    bool conflict;
    json_t *out;
    static const char form[] =
        "{'parent':'u1','role':'assistant','content':'%s','state':'%s',"
        "'version':%d,'tokens':[1,2,3]}";
    make(p->c, "c1", "First");
    say(p->c, "c1", "u1", NULL, "user", "Hello");
    assert_int_equal(try_put(p->c, &conflict, "c1", "a", form, "On", "partial", 1),
                     GLASS_OK);
    assert_int_equal(try_put(p->c, &conflict, "c1", "a", form, "Once", "partial", 4),
                     GLASS_OK);
    assert_false(conflict);
    /* One that was overtaken. */
    assert_int_equal(try_put(p->c, &conflict, "c1", "a", form, "Onc", "partial", 3),
                     GLASS_OK);
    assert_true(conflict);
    assert_int_equal(try_put(p->c, &conflict, "c1", "a", form, "Once.", "done", 5),
                     GLASS_OK);
    assert_false(conflict);
    assert_int_equal(try_put(p->c, &conflict, "c1", "a", form, "Twice.", "done", 6),
                     GLASS_OK);
    assert_true(conflict);
    json_t *c = read_one(p->c, "c1");
    assert_string_equal(message_at(c, 1, "content"), "Once.");
    assert_null(
        json_object_get(json_array_get(json_object_get(c, "messages"), 1), "tokens"));
    json_decref(c);
    assert_int_equal(conversations_tokens(p->c, &out, "c1", "a"), GLASS_OK);
    assert_int_equal(json_array_size(json_object_get(out, "tokens")), 3);
    json_decref(out);
    assert_int_equal(conversations_tokens(p->c, &out, "c1", "b"), GLASS_NEGATIVE);
}

static void two_tabs_lose_no_title(void **state) {
    struct place *p = *state;
    json_t *out, *first = parse("{'version':1,'title':'One'}"),
                 *second = parse("{'version':1,'settings':{'top_k':1}}"),
                 *leaf = parse("{'leaf':'u1'}");
    bool conflict;
    make(p->c, "c1", "First");
    say(p->c, "c1", "u1", NULL, "user", "Hello");
    assert_int_equal(conversations_update(p->c, &out, &conflict, "c1", first), GLASS_OK);
    assert_false(conflict);
    assert_int_equal(json_integer_value(json_object_get(out, "version")), 2);
    json_decref(out);
    assert_int_equal(conversations_update(p->c, &out, &conflict, "c1", second), GLASS_OK);
    assert_true(conflict);
    assert_string_equal(text_at(out, "title"), "One");
    assert_int_equal(json_object_size(json_object_get(out, "settings")), 0);
    json_decref(out);
    assert_int_equal(conversations_update(p->c, &out, &conflict, "c1", leaf), GLASS_OK);
    assert_false(conflict);
    assert_int_equal(json_integer_value(json_object_get(out, "version")), 2);
    json_decref(out);
    json_decref(first);
    json_decref(second);
    json_decref(leaf);
}

/* Ids of a list, with commas. */
static const char *ids(const json_t *list, char text[256]) {
    size_t i;
    json_t *c;
    text[0] = '\0';
    json_array_foreach(json_object_get(list, "conversations"), i, c) {
        strncat(text, text_at(c, "id"), 100);
        strncat(text, ",", 2);
    }
    return text;
}

static void searches(struct conversations *c, const char *query, const char *wanted) {
    json_t *out;
    char text[256];
    assert_int_equal(conversations_list(c, &out, query, NULL, 50), GLASS_OK);
    assert_string_equal(ids(out, text), wanted);
    json_decref(out);
}

static void lists_and_finds(void **state) {
    struct place *p = *state;
    json_t *out;
    char text[256];
    make(p->c, "c1", "Plum cake");
    make(p->c, "c2", "Ärger über Öl");
    make(p->c, "c3", "Third");
    say(p->c, "c1", "u1", NULL, "user",
        "A long line of words before the one word, STRASSE, and then some more of them "
        "behind");
    searches(p->c, NULL, "c1,c3,c2,");
    searches(p->c, "arger uber", "c2,");
    searches(p->c,
             "stra\xc3\x9f"
             "e",
             "c1,");
    searches(p->c, "PLUM", "c1,");
    searches(p->c, "%", "");
    searches(p->c, "nothing of it", "");
    assert_int_equal(conversations_list(p->c, &out, "strasse", NULL, 50), GLASS_OK);
    const char *snippet =
        text_at(json_array_get(json_object_get(out, "conversations"), 0), "snippet");
    assert_non_null(strstr(snippet, "STRASSE"));
    assert_true(strlen(snippet) < 120);
    json_decref(out);
    /* Page after page. */
    assert_int_equal(conversations_list(p->c, &out, NULL, NULL, 2), GLASS_OK);
    assert_string_equal(ids(out, text), "c1,c3,");
    assert_true(json_is_true(json_object_get(out, "more")));
    char cursor[64];
    snprintf(cursor, sizeof cursor, "%s",
             text_at(json_array_get(json_object_get(out, "conversations"), 1), "cursor"));
    json_decref(out);
    assert_int_equal(conversations_list(p->c, &out, NULL, cursor, 2), GLASS_OK);
    assert_string_equal(ids(out, text), "c2,");
    assert_false(json_is_true(json_object_get(out, "more")));
    json_decref(out);
    assert_int_equal(conversations_list(p->c, &out, NULL, "yesterday", 2), GLASS_BAD_INPUT);
    assert_int_equal(conversations_list(p->c, &out, NULL, NULL, 0), GLASS_BAD_INPUT);
}

static void folds(void **state) {
    (void)state;
    size_t b, e;
    static const char text[] = "x \xc3\x84hnlich \xef\xac\x81n \xff end"; /* Ähnlich, fi */
    assert_true(fold_find(&b, &e, text, strlen(text), "ahnlich", 7));
    assert_int_equal(b, 2);
    assert_int_equal(e, 10);
    assert_true(fold_find(&b, &e, text, strlen(text), "fin", 3));
    assert_memory_equal(text + b, "\xef\xac\x81n", 4);
    assert_true(fold_find(&b, &e, text, strlen(text), " end", 4));
    assert_false(fold_find(&b, &e, text, strlen(text), "ende", 4));
}

static bool file_holds(const char *path, const char *words) {
    struct buf b = {0};
    FILE *f = fopen(path, "rb");
    char piece[4096];
    size_t n;
    if (f == NULL) return false;
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        assert_int_equal(buf_append(&b, piece, n), GLASS_OK);
    fclose(f);
    bool found = b.len > 0 && memmem(b.data, b.len, words, strlen(words)) != NULL;
    buf_free(&b);
    return found;
}

static void deletes_to_the_bytes(void **state) {
    struct place *p = *state;
    json_t *out;
    char log[128];
    struct stat st;
    snprintf(log, sizeof log, "%s-wal", p->file);
    make(p->c, "c1", "First");
    say(p->c, "c1", "u1", NULL, "user", "a very secret sentence");
    assert_true(file_holds(p->file, "very secret") || file_holds(log, "very secret"));
    assert_int_equal(conversations_delete(p->c, "c1"), GLASS_OK);
    assert_false(file_holds(p->file, "very secret") || file_holds(log, "very secret"));
    assert_int_equal(conversations_get(p->c, &out, "c1"), GLASS_NEGATIVE);
    assert_int_equal(conversations_delete(p->c, "c1"), GLASS_NEGATIVE);
    assert_int_equal(stat(p->file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

/* ---- hostile bodies ---- */

static void refuses(struct conversations *c, const char *body, const char *words) {
    bool conflict;
    glass_status status = try_put(c, &conflict, "c1", "m1", "%s", body);
    assert_int_equal(status, GLASS_BAD_INPUT);
    if (strstr(glass_error(), words) == NULL) fail_msg("\"%s\": %s", words, glass_error());
}

static void refuses_bad_bodies(void **state) {
    struct place *p = *state;
    struct conversations *c = p->c;
    bool conflict;
    json_t *out;
    make(c, "c1", "First");
    refuses(c, "{}", "role");
    refuses(c, "[]", "role");
    refuses(c, "{'role':'user'}", "content");
    refuses(c, "{'role':'user','content':5}", "content must be a text");
    refuses(c, "{'role':'user','content':'x'}", "state");
    refuses(c, "{'role':'user','content':'x','state':'done'}", "version");
    refuses(c, "{'role':'king','content':'x','state':'done','version':1}", "role must");
    refuses(c, "{'role':'user','content':'x','state':'odd','version':1}", "state must");
    refuses(c, "{'role':'user','content':'x','state':'done','version':1.5}", "version");
    refuses(c, "{'role':'user','content':'x','state':'done','version':1,'tokens':{}}",
            "tokens must be a list");
    refuses(c, "{'role':'user','content':'x','state':'done','version':1,'parent':'../x'}",
            "parent must");
    refuses(c, "{'role':'user','content':'x','state':'done','version':1,'parent':'none'}",
            "has no message");
    refuses(c, "{'role':'user','content':'x','state':'done','version':1,'parent':'m1'}",
            "has no message");
    assert_int_equal(try_put(c, &conflict, "c1", "a/b", "{}"), GLASS_BAD_INPUT);
    assert_int_equal(try_put(c, &conflict, "c9", "m1",
                             "{'role':'user','content':'x','state':'done','version':1}"),
                     GLASS_NEGATIVE);
    static const char *const heads[] = {"{}",
                                        "{'id':''}",
                                        "{'id':5}",
                                        "{'id':'a b'}",
                                        "{'id':'x','title':[]}",
                                        "{'id':'x','settings':[]}",
                                        "{'id':'x','title':'a\\u0000b'}"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        json_t *body = json_loads("{}", 0, NULL);
        json_decref(body);
        char text[128];
        snprintf(text, sizeof text, "%s", heads[i]);
        for (char *q = text; *q; q++)
            if (*q == '\'') *q = '"';
        body = json_loads(text, JSON_ALLOW_NUL, NULL);
        assert_non_null(body);
        assert_int_equal(conversations_create(c, &out, body), GLASS_BAD_INPUT);
        assert_null(out);
        json_decref(body);
    }
}

/* ---- feedback ---- */

static glass_status give(struct conversations *c, const char *text) {
    json_t *out, *body = parse("%s", text);
    struct feedback_model model = {"m", "/proc/self/exe", "Apache-2.0"};
    glass_status status = feedback_put(c, &out, body, &model);
    json_decref(out);
    json_decref(body);
    return status;
}

struct lines {
    int n;
    json_t *last;
};
static glass_status take(void *context, const char *line, size_t n) {
    struct lines *l = context;
    l->n++;
    json_decref(l->last);
    l->last = json_loadb(line, n, 0, NULL);
    assert_non_null(l->last);
    return GLASS_OK;
}

static void two_answers(struct conversations *c) {
    make(c, "c1", "First");
    say(c, "c1", "u1", NULL, "user", "Hello");
    say(c, "c1", "a1", "u1", "assistant", "Good day");
    say(c, "c1", "a2", "u1", "assistant", "Go away");
}

static void pairs_hold_all(void **state) {
    struct place *p = *state;
    struct lines l = {0};
    two_answers(p->c);
    assert_int_equal(give(p->c,
                          "{'id':'f1','conversation':'c1','message':'a1','kind':"
                          "'comparison','chosen':'a1','rejected':'a2','comment':'polite',"
                          "'author':'Ada','consent':true,'licence':'CC-BY-4.0'}"),
                     GLASS_OK);
    assert_int_equal(feedback_each(p->c, FEEDBACK_PAIRS, take, &l), GLASS_OK);
    assert_int_equal(l.n, 1);
    const json_t *prompt = json_object_get(l.last, "prompt");
    assert_int_equal(json_array_size(prompt), 2);
    assert_string_equal(text_at(json_array_get(prompt, 0), "content"), "Be kind.");
    assert_string_equal(text_at(json_array_get(prompt, 1), "content"), "Hello");
    assert_string_equal(
        text_at(json_array_get(json_object_get(l.last, "chosen"), 0), "content"),
        "Good day");
    assert_string_equal(
        text_at(json_array_get(json_object_get(l.last, "rejected"), 0), "content"),
        "Go away");
    assert_string_equal(text_at(l.last, "author"), "Ada");
    assert_string_equal(text_at(l.last, "licence"), "CC-BY-4.0");
    const json_t *consent = json_object_get(l.last, "consent"),
                 *model = json_object_get(l.last, "model");
    assert_true(json_is_true(json_object_get(consent, "given")));
    assert_string_equal(text_at(consent, "text"), feedback_consent);
    assert_string_equal(text_at(model, "name"), "m");
    assert_int_equal(strlen(text_at(model, "sha256")), 64);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(l.last, "seeds"), "chosen")), 7);
    assert_null(json_object_get(json_object_get(l.last, "sampling"), "system"));
    json_decref(l.last);
}

static void only_consent_is_exported(void **state) {
    struct place *p = *state;
    struct lines pairs = {0}, ratings = {0}, all = {0};
    json_t *stats;
    two_answers(p->c);
    assert_int_equal(give(p->c,
                          "{'id':'f1','conversation':'c1','message':'a1','kind':"
                          "'comparison','chosen':'a1','rejected':'a2','author':'Ada'}"),
                     GLASS_OK);
    assert_int_equal(give(p->c, "{'id':'f2','conversation':'c1','message':'a1','kind':"
                                "'rating','rating':1,'author':'Ada','consent':false}"),
                     GLASS_OK);
    assert_int_equal(give(p->c, "{'id':'f3','conversation':'c1','message':'a2','kind':"
                                "'rating','rating':-1,'author':'Bo','consent':true}"),
                     GLASS_OK);
    assert_int_equal(feedback_each(p->c, FEEDBACK_PAIRS, take, &pairs), GLASS_OK);
    assert_int_equal(feedback_each(p->c, FEEDBACK_RATINGS, take, &ratings), GLASS_OK);
    assert_int_equal(feedback_each(p->c, FEEDBACK_ALL, take, &all), GLASS_OK);
    assert_int_equal(pairs.n, 0);
    assert_int_equal(ratings.n, 1);
    assert_int_equal(all.n, 3);
    assert_true(json_is_false(json_object_get(ratings.last, "label")));
    assert_string_equal(text_at(ratings.last, "licence"), "CC0-1.0");
    json_decref(ratings.last);
    json_decref(all.last);
    assert_int_equal(feedback_stats(p->c, &stats), GLASS_OK);
    assert_int_equal(json_integer_value(json_object_get(stats, "n")), 3);
    assert_int_equal(json_integer_value(json_object_get(stats, "n_consented")), 1);
    assert_int_equal(json_object_size(json_object_get(stats, "authors")), 1);
    json_decref(stats);
    /* Taken back, and gone with the conversation. */
    assert_int_equal(feedback_delete(p->c, "f3"), GLASS_OK);
    assert_int_equal(feedback_delete(p->c, "f3"), GLASS_NEGATIVE);
    assert_int_equal(conversations_delete(p->c, "c1"), GLASS_OK);
    assert_int_equal(feedback_stats(p->c, &stats), GLASS_OK);
    assert_int_equal(json_integer_value(json_object_get(stats, "n")), 0);
    json_decref(stats);
}

static void one_rating_an_answer(void **state) {
    struct place *p = *state;
    struct lines all = {0};
    two_answers(p->c);
    assert_int_equal(give(p->c, "{'id':'f1','conversation':'c1','message':'a1','kind':"
                                "'rating','rating':1}"),
                     GLASS_OK);
    assert_int_equal(give(p->c, "{'id':'f2','conversation':'c1','message':'a1','kind':"
                                "'rating','rating':-1}"),
                     GLASS_OK);
    assert_int_equal(feedback_each(p->c, FEEDBACK_ALL, take, &all), GLASS_OK);
    assert_int_equal(all.n, 1);
    assert_string_equal(text_at(all.last, "id"), "f2");
    json_decref(all.last);
    json_t *c = read_one(p->c, "c1");
    const json_t *f =
        json_object_get(json_array_get(json_object_get(c, "messages"), 1), "feedback");
    assert_int_equal(json_array_size(f), 1);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(f, 0), "rating")),
                     -1);
    json_decref(c);
}

static void refuses_bad_feedback(void **state) {
    struct place *p = *state;
    static const struct {
        const char *body, *words;
    } bad[] = {
        {"{'conversation':'c1'}", "id"},
        {"{'id':'f','conversation':'c1','message':'a1','kind':'praise'}", "kind must"},
        {"{'id':'f','conversation':'c1','message':'a1','kind':'rating','rating':5}",
         "rating"},
        {"{'id':'f','conversation':'c1','message':'u1','kind':'rating','rating':1}",
         "answers only"},
        {"{'id':'f','conversation':'c1','message':'a1','kind':'comparison','chosen':'a1'}",
         "chosen and rejected"},
        {"{'id':'f','conversation':'c1','message':'a1','kind':'comparison','chosen':'a1',"
         "'rejected':'a1'}",
         "same message"},
        {"{'id':'f','conversation':'c1','message':'a1','kind':'comparison','chosen':'b1',"
         "'rejected':'a1'}",
         "same message"},
        {"{'id':'f','conversation':'c1','message':'a1','kind':'rating','rating':1,'consent'"
         ":"
         "true,'author':' '}",
         "needs a name"},
        {"{'id':'f','conversation':'c1','message':'a1','kind':'rating','rating':1,'consent'"
         ":"
         "'yes'}",
         "true or false"},
        {"{'id':'f','conversation':'c1','message':'a1','kind':'rating','rating':1,'licence'"
         ":"
         "'mine'}",
         "licence must"}};
    two_answers(p->c);
    say(p->c, "c1", "u2", "a2", "user", "Oh");
    say(p->c, "c1", "b1", "u2", "assistant", "Sorry");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(give(p->c, bad[i].body), GLASS_BAD_INPUT);
        if (strstr(glass_error(), bad[i].words) == NULL)
            fail_msg("%s: %s", bad[i].body, glass_error());
    }
    assert_int_equal(give(p->c,
                          "{'id':'f','conversation':'c9','message':'a1','kind':'rating',"
                          "'rating':1}"),
                     GLASS_NEGATIVE);
}

/* ---- damage ---- */

static void refuses_other_files(void **state) {
    struct place *p = *state;
    sqlite3 *db;
    conversations_close(p->c);
    p->c = NULL;
    FILE *f = fopen(p->file, "wb");
    fputs("this is no database at all, but a text that is long enough", f);
    fclose(f);
    assert_int_equal(conversations_open(&p->c, p->folder), GLASS_SYSTEM);
    assert_null(p->c);
    assert_non_null(strstr(glass_error(), "conversations.db"));
    unlink(p->file);
    assert_int_equal(sqlite3_open(p->file, &db), SQLITE_OK);
    sqlite3_exec(db, "PRAGMA application_id=5; CREATE TABLE t (x)", NULL, NULL, NULL);
    sqlite3_close(db);
    assert_int_equal(conversations_open(&p->c, p->folder), GLASS_BAD_INPUT);
    assert_non_null(strstr(glass_error(), "another program"));
    sqlite3_open(p->file, &db);
    sqlite3_exec(db, "PRAGMA application_id=1198285683; PRAGMA user_version=9", NULL, NULL,
                 NULL);
    sqlite3_close(db);
    assert_int_equal(conversations_open(&p->c, p->folder), GLASS_BAD_INPUT);
    assert_non_null(strstr(glass_error(), "format is 9"));
    assert_int_equal(conversations_open(&p->c, "/proc/nowhere"), GLASS_SYSTEM);
}

static void survives_no_memory(void **state) {
    struct place *p = *state;
    json_t *out;
    two_answers(p->c);
    for (int n = 1; n < 20; n++) {
        mem_fail_at(n);
        glass_status status = conversations_list(p->c, &out, "hello", NULL, 50);
        json_decref(out);
        mem_fail_at(n);
        glass_status got = conversations_get(p->c, &out, "c1");
        json_decref(out);
        mem_fail_at(n);
        glass_status given =
            give(p->c, "{'id':'f1','conversation':'c1','message':'a1','kind':"
                       "'rating','rating':1}");
        mem_fail_at(0);
        assert_true(status == GLASS_OK || status == GLASS_NO_MEMORY);
        assert_true(got == GLASS_OK || got == GLASS_NO_MEMORY);
        assert_true(given == GLASS_OK || given == GLASS_NO_MEMORY);
    }
    searches(p->c, "hello", "c1,");
}

/* ---- kills ---- */

/* Writes message after message, and tells of each through the pipe once it is acknowledged. */
static void write_until_killed(const char *folder, int round, int pipe) {
    struct conversations *c;
    bool conflict;
    if (conversations_open(&c, folder) != GLASS_OK) _exit(1);
    for (int i = 0;; i++) {
        char id[32];
        json_t *out,
            *body = json_pack("{s:s,s:s,s:s,s:i}", "role", "user", "content",
                              "some words that were said", "state", "done", "version", 1);
        snprintf(id, sizeof id, "r%d-%d", round, i);
        if (conversations_put(c, &out, &conflict, "c1", id, body) != GLASS_OK) _exit(1);
        if (write(pipe, &i, sizeof i) != sizeof i) _exit(1);
        json_decref(out);
        json_decref(body);
    }
}

static void survives_kills(void **state) {
    struct place *p = *state;
    const char *wanted = getenv("GLASS_KILLS");
    int rounds = wanted != NULL ? atoi(wanted) : 10, total = 0;
    make(p->c, "c1", "First");
    conversations_close(p->c);
    p->c = NULL;
    for (int r = 0; r < rounds; r++) {
        int ends[2], last = -1, got;
        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        if (pid == 0) write_until_killed(p->folder, r, ends[1]);
        close(ends[1]);
        for (int n = 0; n < 3 + r % 7 && read(ends[0], &got, sizeof got) == sizeof got; n++)
            last = got;
        usleep((useconds_t)(137 * r % 5000));
        kill(pid, SIGKILL);
        while (read(ends[0], &got, sizeof got) == sizeof got) last = got;
        close(ends[0]);
        waitpid(pid, NULL, 0);
        assert_true(last >= 0);
        total += last + 1;
        assert_int_equal(conversations_open(&p->c, p->folder), GLASS_OK);
        json_t *c = read_one(p->c, "c1");
        int n = 0;
        size_t i;
        json_t *m;
        char prefix[16];
        snprintf(prefix, sizeof prefix, "r%d-", r);
        json_array_foreach(json_object_get(c, "messages"), i, m) n +=
            strncmp(text_at(m, "id"), prefix, strlen(prefix)) == 0;
        assert_true(n >= last + 1);
        json_decref(c);
        conversations_close(p->c);
        p->c = NULL;
    }
    sqlite3 *db;
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_open(p->file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &s, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(s, 0), "ok");
    sqlite3_finalize(s);
    sqlite3_close(db);
    print_message("# %d kills, %d acknowledged messages, all there\n", rounds, total);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps_a_tree, begin, end),
        cmocka_unit_test_setup_teardown(grows_while_partial, begin, end),
        cmocka_unit_test_setup_teardown(two_tabs_lose_no_title, begin, end),
        cmocka_unit_test_setup_teardown(lists_and_finds, begin, end),
        cmocka_unit_test(folds),
        cmocka_unit_test_setup_teardown(deletes_to_the_bytes, begin, end),
        cmocka_unit_test_setup_teardown(refuses_bad_bodies, begin, end),
        cmocka_unit_test_setup_teardown(pairs_hold_all, begin, end),
        cmocka_unit_test_setup_teardown(only_consent_is_exported, begin, end),
        cmocka_unit_test_setup_teardown(one_rating_an_answer, begin, end),
        cmocka_unit_test_setup_teardown(refuses_bad_feedback, begin, end),
        cmocka_unit_test_setup_teardown(refuses_other_files, begin, end),
        cmocka_unit_test_setup_teardown(survives_no_memory, begin, end),
        cmocka_unit_test_setup_teardown(survives_kills, begin, end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
