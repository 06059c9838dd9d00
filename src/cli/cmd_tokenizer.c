/* cmd_tokenizer.c - glass tokenizer: encode, decode, and what a tokenizer is. Training one is in
 * cmd_tokenizer_train.c. */
#include "base/path.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_LIMIT ((size_t)1 << 30)

enum { ROWS_LIMIT = 1000 };

struct tok {
    const char *prompt, *file;
    bool json, ids, lines, special, bos, hide;
    int64_t n_rows;
    const glass_tokenizer *t; /* own's, or the model's */
    glass_tokenizer *own;
    glass_model *model;
    FILE *in;
    struct buf out;
};

/* The vocabulary at a path, or that of the model that a file there is a part of (weights, a
 * config.json). */
static glass_status open_path(struct tok *c, const char *path) {
    struct buf why = {0};
    glass_status status = glass_tokenizer_open(&c->own, path);
    c->t = c->own;
    if (status != GLASS_BAD_INPUT) return status;
    TRY(buf_text(&why, glass_error()));
    if (glass_model_open(&c->model, path, NULL) == GLASS_OK)
        c->t = glass_model_tokenizer(c->model);
    status = c->t == NULL ? fail(GLASS_BAD_INPUT, "%s", why.data) : GLASS_OK;
    buf_free(&why);
    return status;
}

/* A model by name or path, or a folder with a vocabulary in it. */
static glass_status open_tokenizer(struct tok *c, const char *name) {
    struct stat st;
    char *path = NULL;
    if (stat(name, &st) == 0 && S_ISDIR(st.st_mode)) return open_path(c, name);
    TRY(store_resolve(&path, name));
    glass_status status = open_path(c, path);
    mem_free(path);
    return status;
}

static glass_status open_input(struct tok *c) {
    if (c->prompt != NULL && c->file != NULL)
        return fail(GLASS_USAGE, "give -p or -f, not both");
    if (c->prompt != NULL) return GLASS_OK;
    if (c->file != NULL && strcmp(c->file, "-") != 0) {
        c->in = fopen(c->file, "rbe");
        return c->in ? GLASS_OK : fail_errno("%s: cannot open", c->file);
    }
    if (isatty(STDIN_FILENO))
        return fail(GLASS_USAGE,
                    "nothing to read: give -p TEXT, -f FILE, or standard input");
    c->in = stdin;
    return GLASS_OK;
}

static glass_status flush_if(struct buf *out, size_t limit) {
    if (out->len <= limit) return GLASS_OK;
    if (fwrite(out->data, 1, out->len, stdout) != out->len)
        return fail_errno("standard output");
    buf_clear(out);
    return GLASS_OK;
}

/* A token's own text, as JSON. */
static glass_status json_text(struct tok *c, int32_t id) {
    char *text;
    size_t n;
    TRY(glass_tokenizer_decode(c->t, &text, &n, &id, 1,
                               GLASS_SHOW_SPECIAL | GLASS_CONTINUE));
    glass_status status = buf_json_string(&c->out, text, n);
    glass_free(text);
    return status;
}

/* A token's own text for people: in quotes, escaped where it could not be read. */
static glass_status quoted(struct tok *c, int32_t id) {
    char *text;
    size_t n;
    TRY(glass_tokenizer_decode(c->t, &text, &n, &id, 1,
                               GLASS_SHOW_SPECIAL | GLASS_CONTINUE));
    glass_status status = buf_byte(&c->out, '"');
    for (size_t at = 0; status == GLASS_OK && at < n;) {
        uint32_t u;
        size_t used = utf8_decode(&u, text + at, n - at);
        if (u == UTF8_BAD || u < ' ' || (u >= 0x7f && u < 0xa0))
            status = u == '\n'   ? buf_text(&c->out, "\\n")
                     : u == '\t' ? buf_text(&c->out, "\\t")
                                 : buf_printf(&c->out, "\\x%02X", (unsigned char)text[at]);
        else if (u == '"' || u == '\\')
            status = buf_printf(&c->out, "\\%c", (char)u);
        else
            status = buf_append(&c->out, text + at, used);
        at += u >= 0x80 && u < 0xa0 ? 1 : used;
    }
    glass_free(text);
    return status == GLASS_OK ? buf_byte(&c->out, '"') : status;
}

/* id, text and, for people, one token a line. */
static glass_status put_encoded(struct tok *c, const int32_t *ids, int64_t n) {
    struct buf *out = &c->out;
    if (c->json) TRY(buf_printf(out, "{\"n\":%lld,\"ids\":[", (long long)n));
    for (int64_t i = 0; i < n; i++) {
        if (c->json || c->ids) {
            TRY(buf_printf(out, "%s%d", i ? (c->json ? "," : " ") : "", ids[i]));
        } else {
            TRY(buf_printf(out, "%7d  ", ids[i]));
            TRY(quoted(c, ids[i]));
            TRY(buf_byte(out, '\n'));
        }
        TRY(flush_if(out, 1 << 16));
    }
    if (c->json) TRY(buf_text(out, "],\"tokens\":["));
    for (int64_t i = 0; c->json && i < n; i++) {
        if (i > 0) TRY(buf_byte(out, ','));
        TRY(json_text(c, ids[i]));
        TRY(flush_if(out, 1 << 16));
    }
    if (c->json) TRY(buf_text(out, "]}"));
    if (c->json || c->ids) TRY(buf_byte(out, '\n'));
    return flush_if(out, c->lines && isatty(STDOUT_FILENO) ? 0 : 1 << 16);
}

static glass_status encode_text(struct tok *c, const char *text, size_t n_bytes) {
    int32_t *ids;
    int64_t n;
    unsigned flags =
        (c->special ? GLASS_PARSE_SPECIAL : 0) | (c->bos ? GLASS_ADD_SPECIAL : 0);
    TRY(glass_tokenizer_encode(c->t, &ids, &n, text, n_bytes, flags));
    glass_status status = put_encoded(c, ids, n);
    glass_free(ids);
    return status;
}

static glass_status read_all(struct tok *c, struct buf *text) {
    for (;;) {
        TRY(buf_reserve(text, 1 << 16));
        size_t n = fread(text->data + text->len, 1, 1 << 16, c->in);
        text->len += n;
        text->data[text->len] = '\0';
        if (text->len > TEXT_LIMIT)
            return fail(GLASS_BAD_INPUT,
                        "the text is longer than %zu bytes, the most that one "
                        "call takes; --lines takes any number of lines",
                        TEXT_LIMIT);
        if (n == 0) break;
    }
    return ferror(c->in) ? fail_errno("cannot read the text") : GLASS_OK;
}

static glass_status encode(struct tok *c) {
    struct buf text = {0};
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    glass_status status = GLASS_OK;
    if (c->prompt != NULL) {
        status = encode_text(c, c->prompt, strlen(c->prompt));
    } else if (c->lines) {
        while (status == GLASS_OK && (n = getline(&line, &room, c->in)) >= 0) {
            if (n > 0 && line[n - 1] == '\n') n--;
            status = encode_text(c, line, (size_t)n);
        }
        if (status == GLASS_OK && ferror(c->in))
            status = fail_errno("cannot read the text");
        free(line);
    } else {
        status = read_all(c, &text);
        if (status == GLASS_OK)
            status = encode_text(c, text.data ? text.data : "", text.len);
    }
    buf_free(&text);
    return status;
}

/* The next number of the input; signs and anything between numbers but letters are fine, so
 * that "[1, 2]" and lines of `encode --ids` are. *more is false at the end. */
static glass_status next_id(struct tok *c, int64_t *at, int32_t *id, bool *more) {
    int ch, sign = 1;
    int64_t value = 0;
    *more = false;
    for (;;) {
        ch = c->in ? getc(c->in) : (unsigned char)c->prompt[*at];
        if (c->in == NULL && ch == '\0') return GLASS_OK;
        if (ch == EOF) return ferror(c->in) ? fail_errno("cannot read the ids") : GLASS_OK;
        (*at)++;
        if ((ch >= '0' && ch <= '9') || ch == '-') break;
        if (strchr(" \t\r\n,[]", ch) == NULL || ch == 0)
            return fail(GLASS_BAD_INPUT,
                        "byte %lld of the ids is no digit, space, comma or "
                        "bracket",
                        (long long)*at);
    }
    if (ch == '-') sign = -1;
    bool digits = ch != '-';
    if (digits) value = ch - '0';
    for (;;) {
        ch = c->in ? getc(c->in) : (unsigned char)c->prompt[*at];
        if (ch < '0' || ch > '9') break;
        (*at)++;
        digits = true;
        value = value * 10 + (ch - '0');
        if (value > INT32_MAX) break;
    }
    if (c->in != NULL && ch != EOF) ungetc(ch, c->in);
    if (!digits || value > INT32_MAX)
        return fail(GLASS_BAD_INPUT, "byte %lld of the ids: that is no token id",
                    (long long)*at);
    *id = (int32_t)(sign * value);
    *more = true;
    return GLASS_OK;
}

static glass_status put_decoded(struct tok *c, const char *text, size_t n) {
    TRY(buf_append(&c->out, text, n));
    return c->json ? GLASS_OK : flush_if(&c->out, 1 << 16);
}

static glass_status decode_stream(struct tok *c, glass_token_stream *stream) {
    const char *text;
    size_t n;
    int64_t at = 0, n_ids = 0;
    int32_t id = 0;
    for (bool more = true;;) {
        TRY(next_id(c, &at, &id, &more));
        if (!more) break;
        glass_status status = glass_token_stream_push(stream, id, &text, &n);
        if (status != GLASS_OK)
            return fail_within(status, "id %lld of the list", (long long)n_ids);
        n_ids++;
        TRY(put_decoded(c, text, n));
    }
    TRY(glass_token_stream_finish(stream, &text, &n));
    TRY(put_decoded(c, text, n));
    if (!c->json) return GLASS_OK;
    struct buf json = {0};
    glass_status status = buf_printf(&json, "{\"n\":%lld,\"text\":", (long long)n_ids);
    if (status == GLASS_OK)
        status = buf_json_string(&json, c->out.data ? c->out.data : "", c->out.len);
    if (status == GLASS_OK) status = buf_text(&json, "}\n");
    buf_free(&c->out);
    c->out = json;
    return status;
}

static glass_status decode(struct tok *c) {
    glass_token_stream *stream;
    TRY(glass_token_stream_create(&stream, c->t, c->hide ? 0 : GLASS_SHOW_SPECIAL));
    glass_status status = decode_stream(c, stream);
    glass_token_stream_free(stream);
    return status;
}

struct row {
    int32_t id;
    size_t n_bytes;
};

static int longest_first(const void *a, const void *b) {
    const struct row *x = a, *y = b;
    if (x->n_bytes != y->n_bytes) return x->n_bytes < y->n_bytes ? 1 : -1;
    return (x->id > y->id) - (x->id < y->id);
}

/* The longest ordinary tokens by the bytes that they stand for, and the special ones by id.
 */
static glass_status collect(struct tok *c, struct row *rows, int64_t *n_rows,
                            int32_t *special, int64_t *n_special) {
    *n_rows = *n_special = 0;
    for (int64_t i = 0; i < glass_tokenizer_n_vocab(c->t); i++) {
        int32_t id = (int32_t)i;
        if (glass_tokenizer_is_control(c->t, id) || glass_tokenizer_is_end(c->t, id)) {
            special[(*n_special)++] = id;
            continue;
        }
        char *text;
        TRY(glass_tokenizer_decode(c->t, &text, &rows[*n_rows].n_bytes, &id, 1,
                                   GLASS_CONTINUE));
        glass_free(text);
        rows[(*n_rows)++].id = id;
    }
    qsort(rows, (size_t)*n_rows, sizeof *rows, longest_first);
    return GLASS_OK;
}

static const char *role_of(const glass_tokenizer *t, int32_t id) {
    if (id == glass_tokenizer_bos(t) && id == glass_tokenizer_eos(t)) return "bos and eos";
    if (id == glass_tokenizer_bos(t)) return "bos";
    if (id == glass_tokenizer_eos(t)) return "eos";
    return glass_tokenizer_is_end(t, id) ? "ends an answer" : "";
}

static glass_status show_text(struct tok *c, const struct row *rows, int64_t n_rows,
                              const int32_t *special, int64_t n_special) {
    struct buf *o = &c->out;
    const char *pre = glass_tokenizer_pre(c->t);
    TRY(buf_printf(o, "kind          %s\n",
                   strcmp(glass_tokenizer_kind(c->t), "spm") == 0
                       ? "spm: SentencePiece BPE with byte fallback"
                       : "bpe: byte-level BPE"));
    if (pre[0]) TRY(buf_printf(o, "pre-tokenizer %s\n", pre));
    TRY(buf_printf(o, "vocabulary    %lld tokens, %lld of them special\n",
                   (long long)glass_tokenizer_n_vocab(c->t), (long long)n_special));
    TRY(buf_printf(o, "text begins   %s\n",
                   glass_tokenizer_adds_bos(c->t) ? "with BOS" : "without BOS"));
    TRY(buf_text(o, "special tokens\n"));
    for (int64_t i = 0; i < n_special && i < c->n_rows; i++) {
        TRY(buf_printf(o, "%9d  ", special[i]));
        TRY(quoted(c, special[i]));
        const char *role = role_of(c->t, special[i]);
        TRY(buf_printf(o, "%s%s\n", role[0] ? "  " : "", role));
    }
    if (n_special > c->n_rows)
        TRY(buf_printf(o, "           and %lld more (-n shows them)\n",
                       (long long)(n_special - c->n_rows)));
    TRY(buf_text(o, "longest tokens\n"));
    for (int64_t i = 0; i < n_rows && i < c->n_rows; i++) {
        TRY(buf_printf(o, "%9d  ", rows[i].id));
        TRY(quoted(c, rows[i].id));
        TRY(buf_printf(o, "  %zu bytes\n", rows[i].n_bytes));
    }
    return GLASS_OK;
}

static glass_status show_json(struct tok *c, const struct row *rows, int64_t n_rows,
                              const int32_t *special, int64_t n_special) {
    struct buf *o = &c->out;
    const char *pre = glass_tokenizer_pre(c->t);
    TRY(buf_printf(o, "{\"kind\":\"%s\",\"pre\":", glass_tokenizer_kind(c->t)));
    TRY(buf_json_string(o, pre, strlen(pre)));
    TRY(buf_printf(o,
                   ",\"vocabulary\":%lld,\"bos\":%d,\"eos\":%d,\"adds_bos\":%s,"
                   "\"special\":[",
                   (long long)glass_tokenizer_n_vocab(c->t), glass_tokenizer_bos(c->t),
                   glass_tokenizer_eos(c->t),
                   glass_tokenizer_adds_bos(c->t) ? "true" : "false"));
    for (int64_t i = 0; i < n_special; i++) {
        TRY(buf_printf(o, "%s{\"id\":%d,\"text\":", i ? "," : "", special[i]));
        TRY(json_text(c, special[i]));
        TRY(buf_printf(o, ",\"ends\":%s}",
                       glass_tokenizer_is_end(c->t, special[i]) ? "true" : "false"));
    }
    TRY(buf_text(o, "],\"longest\":["));
    for (int64_t i = 0; i < n_rows && i < c->n_rows; i++) {
        TRY(buf_printf(o, "%s{\"id\":%d,\"bytes\":%zu,\"text\":", i ? "," : "", rows[i].id,
                       rows[i].n_bytes));
        TRY(json_text(c, rows[i].id));
        TRY(buf_byte(o, '}'));
    }
    return buf_text(o, "]}\n");
}

static glass_status show(struct tok *c) {
    size_t n_vocab = (size_t)glass_tokenizer_n_vocab(c->t);
    struct row *rows;
    int32_t *special = NULL;
    int64_t n_rows, n_special;
    if (c->n_rows < 0 || c->n_rows > ROWS_LIMIT)
        return fail(GLASS_USAGE, "-n %lld: 0 to %d are possible", (long long)c->n_rows,
                    ROWS_LIMIT);
    TRY(mem_alloc(&rows, n_vocab, sizeof *rows));
    glass_status status = mem_alloc(&special, n_vocab, sizeof *special);
    if (status == GLASS_OK) status = collect(c, rows, &n_rows, special, &n_special);
    if (status == GLASS_OK)
        status = (c->json ? show_json : show_text)(c, rows, n_rows, special, n_special);
    mem_free(rows);
    mem_free(special);
    return status;
}

static int finish(struct tok *c, glass_status status) {
    if (status == GLASS_OK) status = flush_if(&c->out, 0);
    if (status == GLASS_OK && fflush(stdout) != 0) status = fail_errno("standard output");
    if (c->in != NULL && c->in != stdin) fclose(c->in);
    glass_tokenizer_close(c->own);
    glass_model_close(c->model);
    buf_free(&c->out);
    return status == GLASS_OK ? 0 : cli_fail(status);
}

static int run(struct tok *c, const struct opt_command *command, int argc, char **argv,
               glass_status (*work)(struct tok *), bool reads) {
    const char *words[1];
    int n_words, code = opts_parse(command, argc, argv, words, &n_words);
    if (code >= 0) return code;
    glass_status status = reads ? open_input(c) : GLASS_OK;
    if (status == GLASS_OK) status = open_tokenizer(c, words[0]);
    if (status == GLASS_OK) status = work(c);
    return finish(c, status);
}

#define MODEL_IS                                                                           \
    "MODEL is a GGUF file or the name of a model, a tokenizer.json (or the folder it is "  \
    "in),\n"                                                                               \
    "or a SentencePiece model."

static int encode_main(int argc, char **argv) {
    struct tok c = {0};
    const struct opt options[] = {
        {"prompt", 'p', OPT_TEXT, &c.prompt, "TEXT", "the text"},
        {"file", 'f', OPT_TEXT, &c.file, "FILE", "the text (- or none: standard input)"},
        {"lines", 0, OPT_FLAG, &c.lines, NULL,
         "every line is a text of its own, as it comes"},
        {"ids", 0, OPT_FLAG, &c.ids, NULL, "ids only, in one line"},
        {"special", 0, OPT_FLAG, &c.special, NULL,
         "control tokens in the text count as such"},
        {"bos", 0, OPT_FLAG, &c.bos, NULL, "BOS and EOS as the model wants them"},
        {"json", 'j', OPT_FLAG, &c.json, NULL, "a JSON object"},
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass tokenizer encode MODEL [-p TEXT | -f FILE] [options]",
        "Shows the tokens of a text. " MODEL_IS,
        "  glass tokenizer encode smollm2 -p \"Hello, world\"\n"
        "  glass tokenizer encode smollm2 -p \"<|im_start|>user\" --special --ids\n"
        "  glass tokenizer encode tokenizer.json --lines --ids < corpus.txt > ids.txt\n",
        options,
        1,
        1,
        true};
    return run(&c, &command, argc, argv, encode, true);
}

static int decode_main(int argc, char **argv) {
    struct tok c = {0};
    const struct opt options[] = {
        {"prompt", 'p', OPT_TEXT, &c.prompt, "IDS", "the ids, between spaces or commas"},
        {"file", 'f', OPT_TEXT, &c.file, "FILE", "the ids (- or none: standard input)"},
        {"hide-special", 0, OPT_FLAG, &c.hide, NULL, "leave control tokens out"},
        {"json", 'j', OPT_FLAG, &c.json, NULL, "a JSON object"},
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass tokenizer decode MODEL [-p IDS | -f FILE] [options]",
        "Turns ids back into text, byte for byte and as they come. " MODEL_IS,
        "  glass tokenizer decode smollm2 -p \"19556 28 905\"\n"
        "  glass tokenizer encode smollm2 --ids < a.txt | glass tokenizer decode smollm2\n",
        options,
        1,
        1,
        true};
    return run(&c, &command, argc, argv, decode, true);
}

static int show_main(int argc, char **argv) {
    struct tok c = {.n_rows = 10};
    const struct opt options[] = {
        {"rows", 'n', OPT_INT, &c.n_rows, "N", "how many tokens to list (10)"},
        {"json", 'j', OPT_FLAG, &c.json, NULL, "a JSON object"},
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass tokenizer show MODEL [options]",
        "Shows what a tokenizer is: kind, size, special tokens, pre-tokenizer, longest "
        "tokens.\n" MODEL_IS,
        "  glass tokenizer show smollm2\n  glass tokenizer show tokenizer.json -n 50\n",
        options,
        1,
        1,
        true};
    return run(&c, &command, argc, argv, show, false);
}

int cmd_tokenizer(int argc, char **argv) {
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } parts[] = {{"encode", encode_main},
                 {"decode", decode_main},
                 {"show", show_main},
                 {"train", cmd_tokenizer_train}};
    static const char usage[] =
        "usage: glass tokenizer encode MODEL [-p TEXT | -f FILE]   text to tokens\n"
        "       glass tokenizer decode MODEL [-p IDS | -f FILE]    tokens to text\n"
        "       glass tokenizer show MODEL                         what a tokenizer is\n"
        "       glass tokenizer train OUT.json TEXT...              a new one from text\n\n"
        "glass tokenizer encode --help and so on tell more.\n\n"
        "examples:\n"
        "  glass tokenizer encode smollm2 -p \"Hello, world\"\n"
        "  glass tokenizer decode smollm2 -p \"19556 28 905\"\n"
        "  glass tokenizer show tokenizer.json --json\n"
        "  glass tokenizer train tok.json corpus.txt --vocab 8000\n";
    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(usage, stdout);
        return 0;
    }
    for (int i = 0; argc >= 2 && i < 4; i++)
        if (strcmp(argv[1], parts[i].name) == 0) return parts[i].run(argc - 1, argv + 1);
    if (argc >= 2) fprintf(stderr, "glass: tokenizer cannot \"%s\"\n", argv[1]);
    fputs(usage, stderr);
    return 2;
}
