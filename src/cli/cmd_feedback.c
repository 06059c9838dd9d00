/* cmd_feedback.c - glass feedback: what people said of answers on the page of glass serve, and
 * what of it they agreed to publish. */
#include "base/path.h"
#include "cli/cli.h"
#include "serve/conversations.h"

#include <stdio.h>
#include <unistd.h>

struct feedback {
    const char *data, *out;
    bool json, ratings;
    struct buf lines;
};

/* ---- list ---- */

static const char *text_of(const json_t *record, const char *name) {
    const char *text = json_string_value(json_object_get(record, name));
    return text != NULL ? text : "";
}

/* The last turn of a list of them. */
static const char *last_of(const json_t *record, const char *name) {
    const json_t *list = json_object_get(record, name);
    size_t n = json_array_size(list);
    return n > 0 ? text_of(json_array_get(list, n - 1), "content") : "";
}

/* At most 60 bytes on one line, without what could steer a terminal. */
static void print_short(const char *what, const char *text) {
    size_t n = strlen(text), most = n > 60 ? 60 : n;
    while (most < n && most > 0 && ((unsigned char)text[most] & 0xc0) == 0x80) most--;
    printf("    %-9s ", what);
    for (size_t i = 0; i < most; i++) {
        size_t n_same = strcspn(text + i, "\n\t");
        if (n_same > most - i) n_same = most - i;
        cli_print_safely(text + i, n_same);
        i += n_same;
        if (i < most) putchar(' ');
    }
    printf("%s\n", most < n ? "…" : "");
}

static glass_status print_one(void *context, const char *line, size_t n) {
    const struct feedback *f = context;
    if (f->json) {
        printf("%.*s\n", (int)n, line);
        return GLASS_OK;
    }
    json_t *r = json_loadb(line, n, 0, NULL);
    const json_t *label = json_object_get(r, "label"),
                 *consent = json_object_get(r, "consent");
    bool given = json_is_true(json_object_get(consent, "given"));
    printf("%s  %s  %s%s%s\n", text_of(r, "created"), text_of(r, "id"), text_of(r, "kind"),
           label == NULL         ? ""
           : json_is_true(label) ? ", good"
                                 : ", bad",
           given ? ", with consent" : ", without consent");
    if (given) print_short("author", text_of(r, "author"));
    print_short("prompt", last_of(r, "prompt"));
    if (label != NULL) print_short("answer", last_of(r, "completion"));
    if (label == NULL) print_short("chosen", last_of(r, "chosen"));
    if (label == NULL) print_short("rejected", last_of(r, "rejected"));
    if (text_of(r, "comment")[0] != '\0') print_short("comment", text_of(r, "comment"));
    json_decref(r);
    return GLASS_OK;
}

/* ---- export ---- */

static glass_status collect(void *context, const char *line, size_t n) {
    struct feedback *f = context;
    TRY(buf_append(&f->lines, line, n));
    return buf_byte(&f->lines, '\n');
}

static glass_status export(struct feedback *f, struct conversations *c) {
    TRY(buf_append(&f->lines, "", 0));
    TRY(feedback_each(c, f->ratings ? FEEDBACK_RATINGS : FEEDBACK_PAIRS, collect, f));
    if (f->out != NULL && strcmp(f->out, "-") != 0)
        return path_write_private(f->out, f->lines.data, f->lines.len);
    fwrite(f->lines.data, 1, f->lines.len, stdout);
    return GLASS_OK;
}

/* ---- stats ---- */

static void print_counts(const json_t *stats, const char *name, const char *title) {
    const char *key;
    json_t *value, *group = json_object_get(stats, name);
    if (json_object_size(group) == 0) return;
    printf("%s:\n", title);
    json_object_foreach(group, key, value) {
        if (json_is_integer(value))
            printf("    %-24s %lld\n", key, (long long)json_integer_value(value));
        else
            printf("    %-24s %lld, %lld with consent\n", key,
                   (long long)json_integer_value(json_object_get(value, "n")),
                   (long long)json_integer_value(json_object_get(value, "n_consented")));
    }
}

static glass_status stats(const struct feedback *f, struct conversations *c) {
    json_t *s;
    TRY(feedback_stats(c, &s));
    if (f->json) {
        char *text = json_dumps(s, JSON_COMPACT);
        printf("%s\n", text != NULL ? text : "{}");
        free(text);
    } else {
        printf("%lld given, %lld with consent to publish\n",
               (long long)json_integer_value(json_object_get(s, "n")),
               (long long)json_integer_value(json_object_get(s, "n_consented")));
        print_counts(s, "kinds", "kinds");
        print_counts(s, "authors", "authors, of what is published");
        print_counts(s, "licences", "licences");
        print_counts(s, "models", "models");
    }
    json_decref(s);
    return GLASS_OK;
}

/* ---- the command ---- */

/* Who names a folder means one with conversations in it; looking makes none. */
static glass_status look_for(const char *folder) {
    struct buf path = {0};
    if (folder == NULL) return GLASS_OK;
    glass_status status = buf_printf(&path, "%s/conversations.db", folder);
    if (status == GLASS_OK && access(path.data, F_OK) != 0)
        status = fail(GLASS_BAD_INPUT, "%s: there is none; glass serve --data %s makes it",
                      path.data, folder);
    buf_free(&path);
    return status;
}

static glass_status run(struct feedback *f, const char *const *words, int n_words) {
    struct conversations *c;
    glass_status status;
    bool forget = strcmp(words[0], "forget") == 0;
    if (forget != (n_words == 2))
        return fail(GLASS_USAGE,
                    forget ? "glass feedback forget needs the ID of one"
                           : "glass feedback %s takes no second word",
                    words[0]);
    TRY(look_for(f->data));
    TRY(conversations_open(&c, f->data));
    if (strcmp(words[0], "list") == 0)
        status = feedback_each(c, FEEDBACK_ALL, print_one, f);
    else if (strcmp(words[0], "export") == 0)
        status = export(f, c);
    else if (strcmp(words[0], "stats") == 0)
        status = stats(f, c);
    else if (forget)
        status = feedback_delete(c, words[1]);
    else
        status =
            fail(GLASS_USAGE,
                 "glass feedback: there is no \"%s\"; it knows list, export, stats and "
                 "forget",
                 words[0]);
    conversations_close(c);
    return status;
}

int cmd_feedback(int argc, char **argv) {
    struct feedback f = {0};
    const char *words[2];
    const struct opt options[] = {
        {"data", 0, OPT_TEXT, &f.data, "DIR",
         "the folder of conversations.db (Glass's data)"},
        {"out", 'o', OPT_TEXT, &f.out, "FILE", "export: to a file (standard output)"},
        {"ratings", 0, OPT_FLAG, &f.ratings, NULL, "export: thumbs instead of pairs"},
        {"json", 'j', OPT_FLAG, &f.json, NULL, "list, stats: JSON"},
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass feedback list|export|stats|forget [ID] [options]",
        "What people said of answers on the page of glass serve. Exported is only what "
        "was\n"
        "given with the author's consent: JSONL of pairs (prompt, chosen, rejected), or "
        "with\n"
        "--ratings of thumbs (prompt, completion, label); docs/feedback.md tells each "
        "member.\n"
        "forget ID takes one back.",
        "  glass feedback stats\n  glass feedback export -o preferences.jsonl\n"
        "  glass feedback export --ratings | jq -r .author | sort | uniq -c\n",
        options,
        1,
        2,
        false};
    int n_words, code = opts_parse(&command, argc, argv, words, &n_words);
    if (code >= 0) return code;
    glass_status status = run(&f, words, n_words);
    buf_free(&f.lines);
    return status == GLASS_OK ? 0 : cli_fail(status);
}
