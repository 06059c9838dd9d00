/* cmd_data_pack.c - glass data pack: corpora into shards for training. */
#include "cli/cmd_data.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST_CORPORA = 256 };

struct packing {
    glass_pack_options o;
    const char *tokenizer, *folder;
    struct opt_list mix;
    int64_t memory, threads;
    float held_out;
    bool json, on_terminal;
    double shown;
    glass_pack_source sources[MOST_CORPORA];
    struct buf names[MOST_CORPORA];
    int n;
};

static bool on_progress(void *context, const glass_pack_progress *r) {
    struct packing *p = context;
    double now;
    char size[32];
    if (cli_interrupted) return false;
    if (!p->on_terminal || (now = cli_now()) - p->shown < 0.1) return true;
    p->shown = now;
    fprintf(stderr, "\r\033[K%lld documents, %s, %lld tokens", (long long)r->n_documents,
            cli_bytes(size, (double)r->n_bytes), (long long)r->n_tokens);
    return true;
}

glass_status data_take_corpus(glass_pack_source *out, struct buf *name, const char *word) {
    const char *at = strrchr(word, '@');
    size_t n = at != NULL && strchr(at, '/') == NULL ? (size_t)(at - word) : strlen(word);
    TRY(buf_append(name, word, n));
    *out = (glass_pack_source){.corpus = name->data,
                               .root = word[n] == '@' ? word + n + 1 : NULL};
    return GLASS_OK;
}

/* CORPUS=WEIGHT. */
static glass_status take_weight(struct packing *p, const char *word) {
    const char *equals = strrchr(word, '=');
    char *end = NULL;
    double weight = equals ? strtod(equals + 1, &end) : 0;
    if (equals == NULL || end == equals + 1 || *end != '\0' || !(weight > 0))
        return fail(GLASS_USAGE, "--mix %s: wanted CORPUS=WEIGHT, as stories=0.5", word);
    for (int i = 0; i < p->n; i++) {
        const char *name = p->sources[i].corpus;
        if (strlen(name) != (size_t)(equals - word) ||
            memcmp(name, word, (size_t)(equals - word)) != 0)
            continue;
        p->sources[i].weight = weight;
        return GLASS_OK;
    }
    return fail(GLASS_USAGE, "--mix %s: no corpus of that name is packed here", word);
}

static glass_status report(const struct packing *p, const glass_pack_report *r) {
    struct buf out = {0};
    char size[32];
    glass_status status;
    if (p->json)
        status = buf_printf(
            &out,
            "{\"root\":\"%s\",\"shards\":%lld,\"kept\":%lld,\"documents\":%lld,"
            "\"bytes\":%lld,\"tokens\":%lld,\"held_out\":%lld,\"again\":%lld}\n",
            r->root, (long long)r->n_shards, (long long)r->n_kept,
            (long long)r->n_documents, (long long)r->n_bytes, (long long)r->n_tokens,
            (long long)r->n_held_out, (long long)r->n_again);
    else
        status = buf_printf(
            &out,
            "%s: %lld document%s (%lld held out), %s, %lld tokens in %lld shard%s\n"
            "  %lld more have a text that another one has\n"
            "root %s\n"
            "in a recipe:\n  data:\n  - shards: %s\n    root: %s\n",
            p->folder, (long long)r->n_documents, cli_plural(r->n_documents),
            (long long)r->n_held_out, cli_bytes(size, (double)r->n_bytes),
            (long long)r->n_tokens, (long long)r->n_shards, cli_plural(r->n_shards),
            (long long)r->n_again, r->root, p->folder, r->root);
    if (status == GLASS_OK) status = data_print(&out);
    buf_free(&out);
    return status;
}

static glass_status pack(struct packing *p, const char **words, int n) {
    glass_tokenizer *tokenizer = NULL;
    char *path = NULL;
    glass_pack_report r;
    glass_status status = GLASS_OK;
    if (p->tokenizer == NULL)
        return fail(GLASS_USAGE, "--tokenizer is missing: a tokenizer.json, or a model");
    for (p->n = 0; p->n < n && status == GLASS_OK; p->n++)
        status = data_take_corpus(&p->sources[p->n], &p->names[p->n], words[p->n]);
    for (int i = 0; i < p->mix.n && status == GLASS_OK; i++)
        status = take_weight(p, p->mix.items[i]);
    int32_t threads = 0;
    if (status == GLASS_OK) status = cli_narrow(&threads, p->threads, "threads");
    p->o.n_threads = threads;
    p->o.memory_bytes = p->memory << 20;
    p->o.held_out = (double)p->held_out;
    if (status == GLASS_OK && access(p->tokenizer, F_OK) != 0)
        status = store_resolve(&path, p->tokenizer);
    if (status == GLASS_OK)
        status = glass_tokenizer_open(&tokenizer, path != NULL ? path : p->tokenizer);
    mem_free(path);
    if (status == GLASS_OK)
        status = glass_data_pack(&r, p->folder, p->sources, p->n, tokenizer, &p->o);
    glass_tokenizer_close(tokenizer);
    for (int i = 0; i < n; i++) buf_free(&p->names[i]);
    if (p->on_terminal) fputs("\r\033[K", stderr);
    return status == GLASS_OK ? report(p, &r) : status;
}

int data_pack_main(int argc, char **argv) {
    static struct packing p;
    const struct opt options[] = {
        {"tokenizer", 't', OPT_TEXT, &p.tokenizer, "T",
         "a tokenizer.json, its folder, a GGUF file, or the name of a model"},
        {"policy", 'p', OPT_TEXT, &p.o.policy, "POLICY",
         "which documents (all that are in): see glass data add"},
        {"mix", 0, OPT_LIST, &p.mix, "CORPUS=WEIGHT",
         "how often an epoch has a corpus (1); may be given several times"},
        {"held-out", 0, OPT_FLOAT, &p.held_out, "SHARE",
         "of documents, chosen by their hashes, into held-out.safetensors (0)"},
        {"shard-tokens", 0, OPT_INT, &p.o.shard_tokens, "N",
         "after which a shard ends (67108864)"},
        {"memory", 0, OPT_INT, &p.memory, "MB", "for texts being encoded (256)"},
        {"threads", 0, OPT_INT, &p.threads, "N", "all cores; changes no bit"},
        {"json", 'j', OPT_FLAG, &p.json, NULL, "the report as a JSON object"},
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass data pack CORPUS[@ROOT]... OUT --tokenizer T [options]",
        "Encodes corpora into shards for glass train, in the folder OUT; pack.json in it "
        "names all by one\n"
        "root, for a recipe. Beside each shard, NAME.documents.jsonl tells each document's "
        "record, licence\n"
        "and rows. Killed at any moment, the same command goes on. The same bytes on any "
        "number of threads.",
        "  glass data pack corpus packed --tokenizer tokenizer.json --policy dfsg\n"
        "  glass data pack books stories packed -t model.gguf --mix stories=0.5 "
        "--held-out 0.01\n",
        options,
        2,
        MOST_CORPORA,
        false};
    const char *words[MOST_CORPORA];
    int n, code = opts_parse(&command, argc, argv, words, &n);
    if (code >= 0) return code;
    p.o.progress = on_progress;
    p.o.context = &p;
    p.folder = words[n - 1];
    p.on_terminal = isatty(STDERR_FILENO);
    cli_catch_interrupt();
    glass_status status = pack(&p, words, n - 1);
    return status == GLASS_OK ? 0 : cli_fail(status);
}
