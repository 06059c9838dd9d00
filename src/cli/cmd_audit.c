/* cmd_audit.c - glass audit: how open a model is, and what one may do with it. */
#include "cli/cmd_audit.h"

#include "base/path.h"
#include "store/store.h"

#include <stdio.h>
#include <unistd.h>

enum { WORDS = 4096, MODELS = 16 };

struct audit {
    const char *licence, *html;
    struct audit_emitting emit;
    bool licences, mof, json;
    int64_t replay;
    struct opt_list may, data, adapters, base, against;
};

static glass_status write_html(const struct audit *a, glass_audit *const *audits, int n) {
    char *html;
    size_t n_bytes;
    TRY(glass_audit_html(&html, &n_bytes, (const glass_audit *const *)audits, n));
    glass_status status = path_write_whole(a->html, html, n_bytes);
    glass_free(html);
    if (status == GLASS_OK && !a->json) printf("%s\n", a->html);
    return status;
}

static glass_status show(const struct audit *a, glass_audit *const *audits, int n) {
    if (a->may.n > 0) return audit_may(audits[0], &a->may, a->json);
    if (a->emit.form != NULL) return audit_emit(audits[0], &a->emit);
    if (a->html != NULL) TRY(write_html(a, audits, n));
    if (a->html != NULL && !a->json) return GLASS_OK;
    return n > 1 ? audit_compare(audits, n, a->json) : audit_show(audits[0], a->json);
}

/* What is there is audited where it is, a run whole; else it may be a model's name. */
static glass_status open_one(glass_audit **out, const char *name,
                             const glass_audit_options *o) {
    static const char by_name[] = "licence:";
    char *path = NULL;
    if (access(name, F_OK) != 0 && strncmp(name, by_name, sizeof by_name - 1) != 0)
        TRY(store_resolve(&path, name));
    glass_status status = glass_audit_open(out, path != NULL ? path : name, o);
    mem_free(path);
    return status;
}

static glass_status run_models(const struct audit *a, const char **paths, int n) {
    glass_audit *audits[MODELS] = {0};
    const glass_audit_options o = {.data = a->data.items,
                                   .n_data = a->data.n,
                                   .adapters = a->adapters.items,
                                   .n_adapters = a->adapters.n,
                                   .base = a->base.items,
                                   .n_base = a->base.n,
                                   .against = a->against.items,
                                   .n_against = a->against.n,
                                   .n_replay = a->replay};
    bool more = o.n_data > 0 || o.n_adapters > 0 || o.n_base > 0;
    if (n > MODELS) return fail(GLASS_USAGE, "at most %d models side by side", MODELS);
    if (n > 1 && a->may.n > 0) return fail(GLASS_USAGE, "--may is asked of one MODEL");
    if (n > 1 && more)
        return fail(GLASS_USAGE, "--data, --adapter and --base are of one MODEL");
    if (n > 1 && a->emit.form != NULL)
        return fail(GLASS_USAGE, "--emit tells of one MODEL");
    glass_status status = GLASS_OK;
    for (int i = 0; i < n && status == GLASS_OK; i++)
        status = open_one(&audits[i], paths[i], &o);
    if (status == GLASS_OK) status = show(a, audits, n);
    for (int i = 0; i < n; i++) glass_audit_close(audits[i]);
    return status;
}

static glass_status run(const struct audit *a, const char **words, int n_words) {
    if (a->emit.form == NULL && (a->emit.out || a->emit.o.name || a->emit.o.date))
        return fail(GLASS_USAGE, "-o, --name and --date go with --emit FORM");
    if (a->emit.form && (a->may.n || a->licence || a->licences || a->mof || a->html))
        return fail(GLASS_USAGE, "--emit FORM is about a MODEL, and alone");
    if (a->replay < 0) return fail(GLASS_USAGE, "--replay: no negative number");
    if (a->licence != NULL && a->licences)
        return fail(GLASS_USAGE, "--license FILE and --licenses are two questions");
    if (a->licence != NULL && n_words > 0)
        return fail(GLASS_USAGE, "--license FILE is about that file: no MODEL with it");
    if (a->licence != NULL) return audit_licence(a->licence, a->json);
    if (a->mof && n_words == 0)
        return fail(GLASS_USAGE, "--mof: give records of the Model Openness Tool (.yml)");
    if (a->mof) return audit_mof(words, n_words, a->json);
    if (a->licences && n_words > 1)
        return fail(GLASS_USAGE, "--licenses tells of all, or of one NAME");
    if (a->licences) return audit_licences(n_words > 0 ? words[0] : NULL, a->json);
    if (n_words == 0)
        return fail(GLASS_USAGE,
                    "give a MODEL, --license FILE or --licenses; see glass audit "
                    "--help");
    return run_models(a, words, n_words);
}

int cmd_audit(int argc, char **argv) {
    struct audit a = {0};
    const struct opt options[] = {
        {"may", 0, OPT_LIST, &a.may, "ACTION",
         "use, commercial, redistribute, modify, relicense, train-other-models, "
         "serve:USERS, "
         "revenue:AMOUNT, field:WORD, name:NAME, territory:PLACE (repeatable)"},
        {"data", 0, OPT_LIST, &a.data, "PATH", "data that it was trained on (repeatable)"},
        {"adapter", 0, OPT_LIST, &a.adapters, "PATH",
         "an adapter that is put on it (repeatable)"},
        {"base", 0, OPT_LIST, &a.base, "PATH",
         "a model that it was made from (repeatable)"},
        {"against", 0, OPT_LIST, &a.against, "MODEL",
         "a model whose weights and vocabulary its own are compared with (repeatable)"},
        {"html", 0, OPT_TEXT, &a.html, "FILE", "a report to read in a browser, or print"},
        {"license", 0, OPT_TEXT, &a.licence, "FILE",
         "which licence a file holds, how surely, and what differs"},
        {"licenses", 0, OPT_FLAG, &a.licences, NULL,
         "the licences that are known; with a name, what that one does"},
        {"mof", 0, OPT_FLAG, &a.mof, NULL,
         "the words are records of the Model Openness Tool: their classes, and what "
         "rests on inherited licences"},
        {"replay", 0, OPT_INT, &a.replay, "N",
         "of a Glass run, compute N steps drawn at random again"},
        {"json", 'j', OPT_FLAG, &a.json, NULL, "JSON for programs"},
        {"Evidence in standard forms", 0, OPT_HEADING, NULL, NULL, NULL},
        {"emit", 0, OPT_TEXT, &a.emit.form, "FORM",
         "spdx, cyclonedx, croissant (of a corpus), mof, slsa (of a run), card, datasheet"},
        {"out", 'o', OPT_TEXT, &a.emit.out, "FILE", "write it there (printed)"},
        {"name", 0, OPT_TEXT, &a.emit.o.name, "NAME", "of the model (its folder's)"},
        {"date", 0, OPT_TEXT, &a.emit.o.date, "DATE",
         "YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ (none is told)"},
        {0}};
    const struct opt_command command = {
        .usage = "glass audit MODEL… [--may ACTION] | --license FILE | --licenses [NAME] | "
                 "--mof RECORD…",
        .about =
            "Says how open a model's folder or file, a repository or a run is, and what it "
            "is\nunder, by the bytes that say so; and what that lets one do. Exit code 1: "
            "no, or\nnothing says so. Not legal advice.",
        .examples = "  glass audit ~/models/Llama-2-7b-hf\n"
                    "  glass audit ~/models/Llama-2-7b-hf --may train-other-models --may "
                    "serve:800M\n"
                    "  glass audit licence:gemma --may field:health\n"
                    "  glass audit Pythia OLMo Amber --html openness.html\n"
                    "  glass audit MyModel --against Llama-3-8B.gguf\n"
                    "  glass audit shakespeare.run --replay 3\n"
                    "  glass audit shakespeare.run --emit slsa -o provenance.json\n"
                    "  glass audit --mof OLMo-7B.yml\n"
                    "  glass audit --license LICENSE\n",
        .options = options,
        .min_words = 0,
        .max_words = WORDS};
    const char *words[WORDS];
    int n_words;
    int code = opts_parse(&command, argc, argv, words, &n_words);
    if (code >= 0) return code;
    glass_status status = run(&a, words, n_words);
    if (status == GLASS_NEGATIVE && a.emit.form == NULL) return 1;
    return status == GLASS_OK ? 0 : cli_fail(status);
}
