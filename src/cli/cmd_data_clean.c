/* cmd_data_clean.c - glass data clean and why: rules over corpora, and what they decided. */
#include "cli/cmd_data.h"

#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

enum { MOST_CORPORA = 256 };

struct cleaning {
    glass_clean_options o;
    const char *folder;
    struct opt_list against;
    int64_t memory, threads;
    bool json, on_terminal;
    double shown;
    glass_pack_source sources[MOST_CORPORA];
    struct buf names[MOST_CORPORA];
};

static bool on_progress(void *context, const glass_clean_progress *r) {
    struct cleaning *c = context;
    double now;
    char size[32];
    if (cli_interrupted) return false;
    if (!c->on_terminal || (now = cli_now()) - c->shown < 0.1) return true;
    c->shown = now;
    fprintf(stderr, "\r\033[K%lld documents, %s", (long long)r->n_documents,
            cli_bytes(size, (double)r->n_bytes));
    return true;
}

/* What each rule did, of the new corpus's summary. */
static glass_status put_rules(struct buf *out, const char *folder) {
    glass_corpus *corpus;
    char *text;
    TRY(glass_corpus_open(&corpus, folder, false));
    glass_status status = glass_corpus_summary(&text, corpus);
    glass_corpus_close(corpus);
    if (status != GLASS_OK) return status;
    json_t *j = json_loads(text, 0, NULL), *rule;
    size_t i;
    glass_free(text);
    json_array_foreach(json_object_get(j, "rules"), i, rule) {
        if (status == GLASS_OK)
            status = buf_printf(
                out, "  %8lld %s by %s\n",
                (long long)json_integer_value(json_object_get(rule, "documents")),
                json_is_true(json_object_get(rule, "removed")) ? "left out" : "changed",
                json_string_value(json_object_get(rule, "rule")));
    }
    json_decref(j);
    return status;
}

static glass_status report(const struct cleaning *c, const glass_clean_report *r) {
    struct buf out = {0};
    char before[32], after[32];
    glass_status status;
    if (c->json) {
        status = buf_printf(&out,
                            "{\"root\":\"%s\",\"seen\":%lld,\"bytes_before\":%lld,"
                            "\"kept\":%lld,\"bytes\":%lld,\"changed\":%lld,"
                            "\"removed\":%lld}\n",
                            r->root, (long long)r->n_seen, (long long)r->n_bytes_before,
                            (long long)r->n_kept, (long long)r->n_bytes,
                            (long long)r->n_changed, (long long)r->n_removed);
    } else {
        status = buf_printf(
            &out, "%s: %lld of %lld documents, %s of %s; %lld changed, %lld left out\n",
            c->folder, (long long)r->n_kept, (long long)r->n_seen,
            cli_bytes(after, (double)r->n_bytes),
            cli_bytes(before, (double)r->n_bytes_before), (long long)r->n_changed,
            (long long)r->n_removed);
        if (status == GLASS_OK) status = put_rules(&out, c->folder);
        if (status == GLASS_OK) status = buf_printf(&out, "root %s\n", r->root);
    }
    if (status == GLASS_OK) status = data_print(&out);
    buf_free(&out);
    return status;
}

static glass_status clean(struct cleaning *c, const char **words, int n) {
    glass_clean_report r;
    glass_status status = GLASS_OK;
    int32_t threads = 0;
    for (int i = 0; i < n && status == GLASS_OK; i++)
        status = data_take_corpus(&c->sources[i], &c->names[i], words[i]);
    if (status == GLASS_OK) status = cli_narrow(&threads, c->threads, "threads");
    c->o.n_threads = threads;
    c->o.memory_bytes = c->memory << 20;
    c->o.against = c->against.items;
    c->o.n_against = c->against.n;
    if (status == GLASS_OK) status = glass_data_clean(&r, c->folder, c->sources, n, &c->o);
    for (int i = 0; i < n; i++) buf_free(&c->names[i]);
    if (c->on_terminal) fputs("\r\033[K", stderr);
    return status == GLASS_OK ? report(c, &r) : status;
}

int data_clean_main(int argc, char **argv) {
    static struct cleaning c;
    const struct opt options[] = {
        {"rules", 'r', OPT_TEXT, &c.o.rules, "RULES",
         "encoding, boilerplate, mask, c4, gopher, repetition, fineweb, language=en+fr, "
         "exact, near; with commas between (encoding,exact)"},
        {"against", 'a', OPT_LIST, &c.against, "FILE",
         "an evaluation set whose 13-grams must not occur; may be given several times"},
        {"policy", 'p', OPT_TEXT, &c.o.policy, "POLICY",
         "which documents (all that are in): see glass data add"},
        {"memory", 0, OPT_INT, &c.memory, "MB", "to work in (256)"},
        {"threads", 't', OPT_INT, &c.threads, "N", "all cores; changes no bit"},
        {"json", 'j', OPT_FLAG, &c.json, NULL, "the report as a JSON object"},
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass data clean CORPUS[@ROOT]... OUT [options]",
        "Makes a new corpus OUT of what rules leave of others; docs/data.md has the rules "
        "and "
        "their bounds.\n"
        "A text that was changed has a record that says from which, and by which rules; "
        "glass "
        "data why tells\n"
        "what was decided of a document. The same corpora and rules give the same root.",
        "  glass data clean corpus cleaned --rules encoding,mask,gopher,repetition,near\n"
        "  glass data clean corpus cleaned -r exact -a HumanEval.jsonl.gz -a "
        "hellaswag.txt\n",
        options,
        2,
        MOST_CORPORA,
        false};
    const char *words[MOST_CORPORA];
    int n, code = opts_parse(&command, argc, argv, words, &n);
    if (code >= 0) return code;
    c.o.progress = on_progress;
    c.o.context = &c;
    c.folder = words[n - 1];
    c.on_terminal = isatty(STDERR_FILENO);
    cli_catch_interrupt();
    glass_status status = clean(&c, words, n - 1);
    return status == GLASS_OK ? 0 : cli_fail(status);
}

/* ---- why ---- */

static void print_number(const char *before, const json_t *j, const char *key,
                         const char *after) {
    const json_t *value = json_object_get(j, key);
    if (value != NULL) printf("%s%.6g%s", before, json_number_value(value), after);
}

static void print_decision(const json_t *d) {
    const json_t *detail = json_object_get(d, "detail");
    printf("%s by %s", json_is_true(json_object_get(d, "removed")) ? "left out" : "changed",
           json_string_value(json_object_get(d, "rule")));
    print_number(": ", d, "value", "");
    print_number(", at least ", d, "least", "");
    print_number(", at most ", d, "most", "");
    if (detail != NULL) printf(" (%s)", json_string_value(detail));
    printf("\n");
}

static void print_why(const char *text) {
    json_t *j = json_loads(text, 0, NULL), *d;
    size_t i;
    json_array_foreach(json_object_get(j, "decisions"), i, d) print_decision(d);
    const json_t *group = json_object_get(j, "group");
    if (group != NULL)
        printf("one of %lld near duplicates, for which record %s stayed\n",
               (long long)json_integer_value(json_object_get(group, "documents")),
               json_string_value(json_object_get(group, "stayed")));
    json_array_foreach(json_object_get(group, "left_out"), i, d) {
        if (i < 10) printf("  left out: record %s\n", json_string_value(d));
    }
    if (i > 10) printf("  … and more (--json)\n");
    if (json_is_true(json_object_get(j, "kept"))) printf("in the corpus\n");
    json_array_foreach(json_object_get(j, "left_out"), i, d)
        printf("%s of %s was left out: %s\n", json_string_value(json_object_get(d, "path")),
               json_string_value(json_object_get(d, "source")),
               json_string_value(json_object_get(d, "reason")));
    if (!json_is_true(json_object_get(j, "known")))
        printf("not known here: it was not in what was added or cleaned\n");
    json_decref(j);
}

static glass_status why(const char *path, const char *document, bool json, bool *kept) {
    glass_corpus *corpus;
    uint8_t hash[32] = {0};
    char *text;
    TRY(glass_corpus_open(&corpus, path, false));
    bool digits = strspn(document, "0123456789abcdef") == strlen(document);
    bool file = access(document, F_OK) == 0;
    glass_status status = GLASS_OK;
    if (file || digits) status = data_content_in(hash, corpus, document);
    if (file && status == GLASS_BAD_INPUT) status = GLASS_OK; /* no text: left out, maybe */
    if (status == GLASS_OK)
        status =
            glass_corpus_why(&text, kept, corpus, hash, digits && !file ? NULL : document);
    glass_corpus_close(corpus);
    if (status != GLASS_OK) return status;
    if (json)
        fputs(text, stdout);
    else
        print_why(text);
    glass_free(text);
    return GLASS_OK;
}

int data_why_main(int argc, char **argv) {
    bool json = false, kept = false;
    const struct opt options[] = {{"json", 'j', OPT_FLAG, &json, NULL, "as a JSON object"},
                                  {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass data why CORPUS DOC [options]",
        "Tells what rules decided of a document when the corpus was cleaned: which rule, "
        "what it\n"
        "measured, its bounds; and why glass data add left a file out. DOC is a file, its "
        "path in the\n"
        "source, or the SHA-256 of a text or a record, from before or after.\n"
        "The exit code is 0 where the text is in the corpus, and 1 where it is not.",
        "  glass data why cleaned letter.txt\n"
        "  glass data why corpus src/main.c\n",
        options,
        2,
        2,
        false};
    const char *words[2];
    int n, code = opts_parse(&command, argc, argv, words, &n);
    if (code >= 0) return code;
    glass_status status = why(words[0], words[1], json, &kept);
    if (status != GLASS_OK) return cli_fail(status);
    return kept ? 0 : 1;
}
