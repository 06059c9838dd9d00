/* cmd_tokenizer_train.c - glass tokenizer train: a vocabulary from text. */
#include "base/filemap.h"
#include "base/path.h"
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST_FILES = 4096 };

struct trained {
    const char *out, *kind, *pre, *memory;
    float coverage;
    int64_t max_piece;
    bool split_digits;
    struct opt_list special;
    int64_t n_vocab, n_threads, min_count;
    bool lines, json;
    double started, shown;
    bool on_terminal;
};

/* The words may have been swapped: what is no tokenizer.json stays. */
static glass_status check_out(const char *path) {
    struct filemap map;
    if (access(path, F_OK) != 0) return GLASS_OK;
    TRY(filemap_open(&map, path));
    bool json = map.size == 0 || map.data[0] == '{';
    filemap_close(&map);
    if (json) return GLASS_OK;
    return fail(
        GLASS_USAGE,
        "%s is there, and no tokenizer.json: it stays (the new vocabulary's name is the "
        "first word, then come texts)",
        path);
}

/* "500" is MB, as everywhere; "500M", "4G". */
static glass_status read_bytes(size_t *out, const char *text) {
    static const char units[] = "KMGT";
    char *end;
    double value = strtod(text, &end);
    const char *unit = *end == '\0' ? NULL : strchr(units, *end & ~0x20);
    if (end == text || !(value > 0) || (*end != '\0' && (unit == NULL || end[1] != '\0')))
        return fail(GLASS_USAGE, "--memory %s: a number of MB, or one with K, M, G or T",
                    text);
    if (unit == NULL) unit = units + 1;
    for (const char *u = units; u <= unit; u++) value *= 1024;
    if (value > (double)(SIZE_MAX / 4))
        return fail(GLASS_USAGE, "--memory %s: more than there is", text);
    *out = (size_t)value;
    return GLASS_OK;
}

/* One line, at most ten times a second. */
static bool on_progress(void *context, const glass_vocab_progress *p) {
    struct trained *c = context;
    double now = cli_now();
    char done[32], total[32];
    if (cli_interrupted) return false;
    if (!c->on_terminal || now - c->shown < 0.1) return true;
    c->shown = now;
    if (p->merging)
        fprintf(stderr, "\r\033[Kmerging: %lld of %lld tokens", (long long)p->done,
                (long long)p->total);
    else if (p->total > 0)
        fprintf(stderr, "\r\033[Kreading: %s of %s", cli_bytes(done, (double)p->done),
                cli_bytes(total, (double)p->total));
    else
        fprintf(stderr, "\r\033[Kreading: %s", cli_bytes(done, (double)p->done));
    return true;
}

static glass_status print_report(const struct trained *c, const glass_vocab_report *r) {
    struct buf out = {0};
    double seconds = cli_now() - c->started;
    glass_status status;
    if (c->json) {
        status = buf_text(&out, "{\"out\":");
        if (status == GLASS_OK) status = buf_json_string(&out, c->out, strlen(c->out));
        if (status == GLASS_OK)
            status = buf_printf(
                &out,
                ",\"vocabulary\":%lld,\"merges\":%lld,\"bytes\":%lld,"
                "\"words\":%lld,\"different_words\":%lld,\"seconds\":%.2f}\n",
                (long long)r->n_vocab, (long long)r->n_merges, (long long)r->n_bytes,
                (long long)r->n_words, (long long)r->n_different, seconds);
    } else {
        char size[32];
        status =
            buf_printf(&out,
                       "%s: %lld tokens from %s, %lld words (%lld different), in "
                       "%.1f s\n",
                       c->out, (long long)r->n_vocab, cli_bytes(size, (double)r->n_bytes),
                       (long long)r->n_words, (long long)r->n_different, seconds);
    }
    if (status == GLASS_OK && fwrite(out.data, 1, out.len, stdout) != out.len)
        status = fail_errno("standard output");
    buf_free(&out);
    if (status == GLASS_OK && r->n_vocab < c->n_vocab)
        fprintf(stderr,
                "glass: %lld tokens were asked for; no more pairs occur %lld times "
                "(--min-count)\n",
                (long long)c->n_vocab, (long long)c->min_count);
    return status;
}

static glass_status train(struct trained *c, const char **paths, int n_paths) {
    glass_vocab_options o = {.kind = c->kind,
                             .coverage = c->coverage,
                             .max_piece = c->max_piece,
                             .split_digits = c->split_digits,
                             .n_vocab = c->n_vocab,
                             .pre = c->pre,
                             .special = c->special.items,
                             .n_special = c->special.n,
                             .min_count = c->min_count,
                             .lines = c->lines,
                             .progress = on_progress,
                             .context = c};
    glass_vocab_report report;
    char *json;
    size_t n_bytes;
    if (c->n_vocab < 1 || c->min_count < 1)
        return fail(GLASS_USAGE, "--%s %lld: 1 and more are possible",
                    c->n_vocab < 1 ? "vocab" : "min-count",
                    (long long)(c->n_vocab < 1 ? c->n_vocab : c->min_count));
    TRY(cli_narrow(&o.n_threads, c->n_threads, "threads"));
    TRY(check_out(c->out));
    if (c->memory != NULL) TRY(read_bytes(&o.memory_bytes, c->memory));
    for (int i = 0; i < n_paths; i++)
        if (strcmp(paths[i], "-") == 0) paths[i] = "/dev/stdin";
    glass_status status =
        glass_tokenizer_train(&json, &n_bytes, &report, paths, n_paths, &o);
    if (c->on_terminal) fputs("\r\033[K", stderr);
    if (status != GLASS_OK) return status;
    status = path_write_whole(c->out, json, n_bytes);
    glass_free(json);
    return status == GLASS_OK ? print_report(c, &report) : status;
}

int cmd_tokenizer_train(int argc, char **argv) {
    struct trained c = {.n_vocab = 32000, .min_count = 2, .kind = "bytes"};
    const struct opt options[] = {
        {"vocab", 'v', OPT_INT, &c.n_vocab, "N", "tokens, special ones included (32000)"},
        {"kind", 0, OPT_TEXT, &c.kind, "KIND",
         "bytes: byte-level BPE (default); spm: SentencePiece-style, with byte fallback"},
        {"pre", 0, OPT_TEXT, &c.pre, "NAME",
         "bytes: how text is cut into words: gpt-2 (default), llama3, qwen2, smollm …"},
        {"special", 0, OPT_LIST, &c.special, "TOKEN",
         "a control token; they get the first ids (repeatable)"},
        {"coverage", 0, OPT_FLOAT, &c.coverage, "F",
         "spm: share of the text whose characters are tokens (0.9995)"},
        {"max-piece", 0, OPT_INT, &c.max_piece, "N",
         "spm: longest token in characters (16)"},
        {"split-digits", 0, OPT_FLAG, &c.split_digits, NULL, "spm: digits stay alone"},
        {"min-count", 0, OPT_INT, &c.min_count, "K",
         "a pair that occurs less often makes no token (2)"},
        {"lines", 0, OPT_FLAG, &c.lines, NULL,
         "every line is a text of its own: no token spans two"},
        {"threads", 't', OPT_INT, &c.n_threads, "N",
         "threads (default: all cores); the result is the same with any"},
        {"memory", 0, OPT_TEXT, &c.memory, "MB",
         "the most to hold, or with a unit: 8G (4096); a text that needs more is an error"},
        {"json", 'j', OPT_FLAG, &c.json, NULL, "the report as a JSON object"},
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass tokenizer train OUT.json TEXT... [options]",
        "Makes a vocabulary from text: byte-level BPE or SentencePiece-style, as a "
        "tokenizer.json that the "
        "tokenizers library\nreads, too. TEXT is a file, - is standard input.",
        "  glass tokenizer train tok.json corpus.txt --vocab 8000 --special "
        "\"<|endoftext|>\"\n"
        "  zstd -dc *.zst | glass tokenizer train tok.json - --pre llama3 --memory 8G\n"
        "  glass tokenizer train tok.json a.txt b.txt --kind spm --vocab 8000 "
        "--split-digits\n",
        options,
        2,
        MOST_FILES,
        false};
    const char *words[MOST_FILES];
    int n_words, code = opts_parse(&command, argc, argv, words, &n_words);
    if (code >= 0) return code;
    c.out = words[0];
    c.started = cli_now();
    c.on_terminal = isatty(STDERR_FILENO);
    cli_catch_interrupt();
    glass_status status = train(&c, words + 1, n_words - 1);
    return status == GLASS_OK ? 0 : cli_fail(status);
}
