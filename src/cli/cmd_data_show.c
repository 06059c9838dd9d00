/* cmd_data_show.c - glass data show, list: what is in a corpus. */
#include "cli/cmd_data.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- show ---- */

enum { ROWS = 20 };

/* "  GPL-2.0-or-later      12 documents   1.2 MB"; long tables end after ROWS rows. */
static glass_status put_table(struct buf *out, const json_t *list, const char *heading,
                              const char *name) {
    char size[32];
    size_t n = json_array_size(list);
    if (n == 0) return GLASS_OK;
    TRY(buf_printf(out, "\n%s\n", heading));
    for (size_t i = 0; i < n && i < ROWS; i++) {
        const json_t *row = json_array_get(list, i), *bytes = json_object_get(row, "bytes");
        const char *text = json_string_value(json_object_get(row, name));
        TRY(buf_printf(out, "  %-52s %9lld", text ? text : "",
                       (long long)json_integer_value(json_object_get(row, "documents"))));
        if (bytes)
            TRY(buf_printf(out, "  %10s",
                           cli_bytes(size, (double)json_integer_value(bytes))));
        TRY(buf_byte(out, '\n'));
    }
    if (n > ROWS) TRY(buf_printf(out, "  … and %zu more (--json)\n", n - ROWS));
    return GLASS_OK;
}

/* The largest groups by the record that stayed: `glass data why CORPUS RECORD` has the others. */
static glass_status put_near(struct buf *out, const json_t *near) {
    const json_t *list = json_object_get(near, "largest");
    if (json_integer_value(json_object_get(near, "groups")) == 0) return GLASS_OK;
    TRY(buf_printf(out, "\n%lld documents in %lld groups of near duplicates; stayed\n",
                   (long long)json_integer_value(json_object_get(near, "documents")),
                   (long long)json_integer_value(json_object_get(near, "groups"))));
    for (size_t i = 0; i < json_array_size(list) && i < 5; i++) {
        const json_t *row = json_array_get(list, i);
        const char *text = json_string_value(json_object_get(row, "stayed"));
        TRY(buf_printf(out, "  %.64s  of %lld\n", text ? text : "",
                       (long long)json_integer_value(json_object_get(row, "documents"))));
    }
    return GLASS_OK;
}

static glass_status put_summary(struct buf *out, const char *path, const json_t *s) {
    char size[32];
    const json_t *roots = json_object_get(s, "roots");
    TRY(buf_printf(
        out, "%s: %lld document%s, %s; %lld with statements that contradict each other\n",
        path, (long long)json_integer_value(json_object_get(s, "documents")),
        cli_plural(json_integer_value(json_object_get(s, "documents"))),
        cli_bytes(size, (double)json_integer_value(json_object_get(s, "bytes"))),
        (long long)json_integer_value(json_object_get(s, "contradictory"))));
    if (json_array_size(roots) == 0)
        TRY(buf_text(out, "never finished: give the same command again\n"));
    for (size_t i = 0; i < json_array_size(roots) && i < ROWS; i++) {
        const json_t *r = json_array_get(roots, i);
        TRY(buf_printf(out, "root %s  %s  %lld document%s\n",
                       json_string_value(json_object_get(r, "root")),
                       json_string_value(json_object_get(r, "sealed")),
                       (long long)json_integer_value(json_object_get(r, "documents")),
                       cli_plural(json_integer_value(json_object_get(r, "documents")))));
    }
    TRY(put_table(out, json_object_get(s, "licences"), "licence", "licence"));
    TRY(put_table(out, json_object_get(s, "sources"), "source", "source"));
    TRY(put_table(out, json_object_get(s, "kinds"), "kind", "kind"));
    TRY(put_table(out, json_object_get(s, "makers"), "made by", "made_by"));
    TRY(put_table(out, json_object_get(s, "evidence"), "said by", "kind"));
    TRY(put_table(out, json_object_get(s, "left_out"), "left out", "reason"));
    return put_near(out, json_object_get(s, "near"));
}

static glass_status show(const char *path, bool json) {
    glass_corpus *corpus;
    char *text;
    struct buf out = {0};
    TRY(glass_corpus_open(&corpus, path, false));
    glass_status status = glass_corpus_summary(&text, corpus);
    glass_corpus_close(corpus);
    if (status != GLASS_OK) return status;
    if (json) {
        status = buf_printf(&out, "%s\n", text);
    } else {
        json_t *summary = json_loads(text, 0, NULL);
        status = put_summary(&out, path, summary);
        json_decref(summary);
    }
    glass_free(text);
    if (status == GLASS_OK) status = data_print(&out);
    buf_free(&out);
    return status;
}

int data_show_main(int argc, char **argv) {
    bool json = false;
    const struct opt options[] = {
        {"json", 'j', OPT_FLAG, &json, NULL, "everything, as a JSON object"},
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass data show CORPUS [options]",
        "What a corpus holds: its roots, licences, sources, who made it, and what was left "
        "out.",
        "  glass data show corpus\n"
        "  glass data show corpus --json | jq .licences\n"
        "  sqlite3 corpus/corpus.sqlite \"SELECT path, licence FROM documents LIMIT 9\"\n",
        options,
        1,
        1,
        false};
    const char *words[1];
    int n, code = opts_parse(&command, argc, argv, words, &n);
    if (code >= 0) return code;
    glass_status status = show(words[0], json);
    return status == GLASS_OK ? 0 : cli_fail(status);
}

/* ---- list ---- */

struct listing {
    bool json;
    int64_t most, shown;
    struct buf out;
    glass_status status;
};

static glass_status put_document(struct listing *l, const glass_document *d) {
    char content[65];
    for (int i = 0; i < 32; i++) snprintf(content + 2 * i, 3, "%02x", d->content[i]);
    if (l->json) return buf_printf(&l->out, "%s\n", d->record);
    return buf_printf(&l->out, "%.16s  %-24s %9lld  %s %s\n", content, d->licence,
                      (long long)d->n_bytes, d->source, d->path);
}

static bool on_document(void *context, const glass_document *d) {
    struct listing *l = context;
    l->status = put_document(l, d);
    if (l->status == GLASS_OK && l->out.len > 1 << 16) {
        l->status = data_print(&l->out);
        buf_clear(&l->out);
    }
    l->shown++;
    return l->status == GLASS_OK && !cli_interrupted &&
           (l->most == 0 || l->shown < l->most);
}

static glass_status list(struct listing *l, const char *path, const char *root,
                         const char *policy) {
    glass_corpus *corpus;
    if (l->most < 0)
        return fail(GLASS_USAGE, "-n %lld: 1 and more are possible", (long long)l->most);
    TRY(glass_corpus_open(&corpus, path, false));
    glass_status status = glass_corpus_each(corpus, root, policy, on_document, l);
    glass_corpus_close(corpus);
    if (status == GLASS_CANCELLED && !cli_interrupted) status = l->status;
    if (status == GLASS_OK) status = data_print(&l->out);
    buf_free(&l->out);
    return status;
}

int data_list_main(int argc, char **argv) {
    struct listing l = {0};
    const char *root = NULL, *policy = NULL;
    const struct opt options[] = {
        {"policy", 'p', OPT_TEXT, &policy, "POLICY", "only documents that it allows"},
        {"root", 'r', OPT_TEXT, &root, "ROOT",
         "the corpus as this root names it (the newest)"},
        {"number", 'n', OPT_INT, &l.most, "N", "no more than N documents"},
        {"json", 'j', OPT_FLAG, &l.json, NULL, "every record whole, one a line"},
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass data list CORPUS [options]",
        "The documents of a corpus in the order of their hashes: hash, licence, bytes, "
        "origin.",
        "  glass data list corpus -n 20\n"
        "  glass data list corpus --policy permissive --json > records.jsonl\n",
        options,
        1,
        1,
        false};
    const char *words[1];
    int n, code = opts_parse(&command, argc, argv, words, &n);
    if (code >= 0) return code;
    cli_catch_interrupt();
    glass_status status = list(&l, words[0], root, policy);
    return status == GLASS_OK ? 0 : cli_fail(status);
}
