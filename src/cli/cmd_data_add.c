/* cmd_data_add.c - glass data add: sources into a corpus. */
#include "cli/cmd_data.h"

#include <stdio.h>
#include <unistd.h>

enum { MOST_SOURCES = 4096 };

struct adding {
    glass_data_options o;
    const char *corpus;
    int64_t depth;
    bool json, verbose, on_terminal;
    double shown;
};

static bool on_progress(void *context, const glass_data_progress *p) {
    struct adding *a = context;
    double now;
    char size[32];
    if (cli_interrupted) return false;
    if (!a->on_terminal || (now = cli_now()) - a->shown < 0.1) return true;
    a->shown = now;
    fprintf(stderr, "\r\033[K%.40s: %lld documents, %s", p->source,
            (long long)p->n_documents, cli_bytes(size, (double)p->n_bytes));
    return true;
}

static void on_left_out(void *context, const char *path, const char *reason) {
    struct adding *a = context;
    if (a->verbose)
        fprintf(stderr, "%sleft out: %s: %s\n", a->on_terminal ? "\r\033[K" : "", path,
                reason);
}

static glass_status report(const struct adding *a, const glass_data_report *r) {
    struct buf out = {0};
    char size[32];
    glass_status status;
    if (a->json)
        status =
            buf_printf(&out,
                       "{\"root\":\"%s\",\"documents\":%lld,\"bytes\":%lld,\"added\":%lld,"
                       "\"again\":%lld,\"excluded\":%lld,\"skipped\":%lld}\n",
                       r->root, (long long)r->n_documents, (long long)r->n_bytes,
                       (long long)r->n_added, (long long)r->n_again,
                       (long long)r->n_excluded, (long long)r->n_skipped);
    else
        status = buf_printf(
            &out,
            "%s: %lld document%s, %s\n"
            "  %lld new, %lld there before, %lld left out by the policy %s, "
            "%lld files that are no documents\n"
            "root %s\n",
            a->corpus, (long long)r->n_documents, cli_plural(r->n_documents),
            cli_bytes(size, (double)r->n_bytes), (long long)r->n_added,
            (long long)r->n_again, (long long)r->n_excluded,
            a->o.policy ? a->o.policy : "known", (long long)r->n_skipped, r->root);
    if (status == GLASS_OK) status = data_print(&out);
    buf_free(&out);
    return status;
}

static glass_status add(struct adding *a, const char **sources, int n) {
    glass_corpus *corpus;
    glass_data_report r;
    TRY(cli_narrow(&a->o.max_depth, a->depth, "max-depth"));
    TRY(glass_corpus_open(&corpus, a->corpus, true));
    glass_status status = glass_corpus_add(corpus, &r, sources, n, &a->o);
    glass_corpus_close(corpus);
    if (a->on_terminal) fputs("\r\033[K", stderr);
    return status == GLASS_OK ? report(a, &r) : status;
}

int data_add_main(int argc, char **argv) {
    struct adding a = {
        .o = {.progress = on_progress, .left_out = on_left_out, .context = &a}};
    const struct opt options[] = {
        {"policy", 'p', OPT_TEXT, &a.o.policy, "POLICY",
         "which licences come in: known (default), dfsg, osi, permissive, public-domain, "
         "no-share-alike, commercial, any, or a YAML file with rules"},
        {"name", 0, OPT_TEXT, &a.o.name, "NAME",
         "of the one source, instead of its file's"},
        {"repair", 0, OPT_FLAG, &a.o.repair, NULL,
         "read files that are no UTF-8 as UTF-16 or Windows-1252; their records say so"},
        {"verbose", 'v', OPT_FLAG, &a.verbose, NULL,
         "tell every file that is left out, and why"},
        {"json", 'j', OPT_FLAG, &a.json, NULL, "the report as a JSON object"},
        {"What the files do not say themselves", 0, OPT_HEADING, NULL, NULL, NULL},
        {"licence", 0, OPT_TEXT, &a.o.licence, "LICENCE",
         "as you declare it: an SPDX expression, or \"CC BY 4.0\""},
        {"author", 0, OPT_TEXT, &a.o.author, "TEXT", "as you declare it"},
        {"made-by", 0, OPT_TEXT, &a.o.made_by, "WHO", "person, or model:NAME"},
        {"text-field", 0, OPT_TEXT, &a.o.text_field, "KEY",
         "of JSON lines (text, else content, document)"},
        {"Limits", 0, OPT_HEADING, NULL, NULL, NULL},
        {"max-document", 0, OPT_INT, &a.o.max_document, "BYTES",
         "of one document (16777216)"},
        {"max-ratio", 0, OPT_INT, &a.o.max_ratio, "N",
         "bytes that may come out of an archive for each of its own (250)"},
        {"max-files", 0, OPT_INT, &a.o.max_files, "N", "of a source (10000000)"},
        {"max-depth", 0, OPT_INT, &a.depth, "N", "archives inside archives (4)"},
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass data add CORPUS SOURCE... [options]",
        "Adds documents to a corpus, each with its origin, its licence and the bytes that "
        "say so.\n"
        "A SOURCE is a file, a folder, an archive (tar, zip, gz, xz, zst, bz2, deb), a git "
        "checkout,\n"
        "deb:NAME[=VERSION] or debsrc:NAME[=VERSION]. Texts, Markdown, HTML, JSON lines "
        "are read.\n"
        "Documents without a known licence stay out unless the policy says otherwise. "
        "Killed at any\n"
        "moment, the same command again ends with the same root.",
        "  glass data add corpus texts/ manual.tar.xz deb:bash debsrc:hello=2.10-3\n"
        "  glass data add corpus stories.jsonl --licence \"CC BY 4.0\" --made-by person\n"
        "  glass data add free ~/src/project --policy no-share-alike -v\n",
        options,
        2,
        MOST_SOURCES,
        false};
    const char *words[MOST_SOURCES];
    int n, code = opts_parse(&command, argc, argv, words, &n);
    if (code >= 0) return code;
    a.corpus = words[0];
    a.on_terminal = isatty(STDERR_FILENO);
    cli_catch_interrupt();
    glass_status status = add(&a, words + 1, n - 1);
    return status == GLASS_OK ? 0 : cli_fail(status);
}
