/* cmd_trace.c - glass trace: where words stand in the texts that a model learnt from. */
#include "base/path.h"
#include "cli/bar.h"
#include "cli/cli.h"
#include "cli/trace_show.h"

#include <ctype.h>
#include <stdio.h>
#include <unistd.h>

enum { WORDS = 1024, TEXT_LIMIT = 64 << 20, SHOWN = 20 };

struct trace {
    const char *file, *prompt, *html, *out, *vocabulary;
    bool build, check, count, json, quiet;
    int64_t ngrams; /* 0 = not asked for */
    int64_t memory, segment, n_threads;
    int64_t least, n_spans, n_places, n_around, n_reads, most;
    struct cli_bar bar;
    double shown;
    struct buf text;
};

/* ---- making ---- */

static bool show_progress(void *context, const char *what, int64_t done, int64_t total) {
    struct trace *t = context;
    if (isatty(STDERR_FILENO) && !t->quiet && cli_now() - t->shown > 0.1) {
        t->shown = cli_now();
        fprintf(stderr, "\r%s tokens: %.0f%% of %.1f million\x1b[K", what,
                100 * (double)done / (double)total, 1e-6 * (double)total);
    }
    return !cli_interrupted;
}

static void print_info(const glass_trace *trace) {
    glass_trace_info i;
    char text[32];
    glass_trace_get_info(trace, &i);
    printf("%lld tokens of %lld document%s in %lld shard%s; %s, %.2f bytes a token\n",
           (long long)i.n_tokens, (long long)i.n_documents, cli_plural(i.n_documents),
           (long long)i.n_shards, cli_plural(i.n_shards), cli_bytes(text, (double)i.bytes),
           (double)i.bytes / (double)i.n_tokens);
}

static glass_status build(struct trace *t, const char *const *words, int n_words) {
    glass_trace_build_options o = {.vocabulary = t->vocabulary,
                                   .segment_tokens = t->segment,
                                   .progress = show_progress,
                                   .context = t};
    struct buf index = {0};
    glass_trace *trace;
    if (t->memory < 0 || t->segment < 0 || t->n_threads < 0)
        return fail(GLASS_USAGE, "--memory, --segment, --threads: no negative number");
    TRY(cli_narrow(&o.n_threads, t->n_threads, "threads"));
    o.memory_bytes = (size_t)t->memory << 20;
    TRY(buf_printf(&index, "%s/run.json", words[0]));
    bool run = n_words == 1 && access(index.data, R_OK) == 0;
    buf_free(&index);
    if (!run && (t->out == NULL || t->vocabulary == NULL))
        return fail(
            GLASS_USAGE,
            "%s is no run: an index of shards needs -o INDEX and --vocabulary MODEL",
            words[0]);
    cli_catch_interrupt();
    double start = cli_now();
    glass_status status = run ? glass_trace_build_run(t->out, words[0], &o)
                              : glass_trace_build(t->out, words, n_words, &o);
    if (isatty(STDERR_FILENO) && !t->quiet) fprintf(stderr, "\r\x1b[K");
    TRY(status);
    if (t->quiet) return GLASS_OK;
    TRY(glass_trace_open(&trace, t->out != NULL ? t->out : words[0]));
    print_info(trace);
    printf("made in %.1f s\n", cli_now() - start);
    glass_trace_close(trace);
    return GLASS_OK;
}

/* ---- asking ---- */

static glass_status read_text(struct trace *t, const char *word) {
    if ((word != NULL) + (t->file != NULL) != 1)
        return fail(GLASS_USAGE, "give a TEXT, or -f FILE (-: standard input)");
    if (word != NULL) return buf_text(&t->text, word);
    const char *path = strcmp(t->file, "-") == 0 ? "/dev/stdin" : t->file;
    TRY(path_read_whole(&t->text, path, TEXT_LIMIT));
    /* The newline that ends a file is no part of its text. */
    if (t->text.len > 0 && t->text.data[t->text.len - 1] == '\n')
        t->text.data[--t->text.len] = '\0';
    return GLASS_OK;
}

/* The text's tokens as it stands, or behind a space: many vocabularies know a word at the start
 * of a text and one in its middle by different tokens. */
static glass_status encode(const glass_trace *trace, const struct trace *t, bool space,
                           int32_t **ids, int64_t *n) {
    struct buf text = {0};
    glass_status status = buf_text(&text, space ? " " : "");
    if (status == GLASS_OK && t->text.len > 0)
        status = buf_append(&text, t->text.data, t->text.len);
    *ids = NULL;
    *n = 0;
    if (status == GLASS_OK)
        status = glass_tokenizer_encode(glass_trace_tokenizer(trace), ids, n,
                                        text.len > 0 ? text.data : "", text.len, 0);
    buf_free(&text);
    return status;
}

static glass_status count_tokens(const glass_trace *trace, const struct trace *t,
                                 bool space, int64_t *count, int64_t *n) {
    int32_t *ids;
    *count = 0;
    TRY(encode(trace, t, space, &ids, n));
    glass_status status = *n > 0 ? glass_trace_count(trace, count, ids, *n)
                                 : fail(GLASS_USAGE, "there is no text to count");
    glass_free(ids);
    return status;
}

static glass_status show_count(const glass_trace *trace, const struct trace *t) {
    int64_t n, n_space, count, count_space;
    if (t->text.len == 0) return fail(GLASS_USAGE, "there is no text to count");
    TRY(count_tokens(trace, t, false, &count, &n));
    TRY(count_tokens(trace, t, true, &count_space, &n_space));
    if (t->json)
        printf("{\"tokens\":%lld,\"count\":%lld,\"count_behind_space\":%lld}\n",
               (long long)n, (long long)count, (long long)count_space);
    else
        printf("%lld as it stands, %lld behind a space\n", (long long)count,
               (long long)count_space);
    return GLASS_OK;
}

static glass_status print_next(const glass_trace *trace, const struct trace *t,
                               const glass_trace_next *list, int64_t n, double total,
                               struct buf *json) {
    for (int64_t i = 0; i < n; i++) {
        char *text = NULL;
        size_t n_bytes = 0;
        double share = (double)list[i].count / total;
        if (list[i].id >= 0)
            TRY(glass_tokenizer_decode(glass_trace_tokenizer(trace), &text, &n_bytes,
                                       &list[i].id, 1,
                                       GLASS_SHOW_SPECIAL | GLASS_CONTINUE));
        glass_status status = GLASS_OK;
        if (t->json) {
            status =
                buf_printf(json, "%s{\"id\":%d,\"count\":%lld,\"text\":", i > 0 ? "," : "",
                           list[i].id, (long long)list[i].count);
            if (status == GLASS_OK)
                status = text == NULL ? buf_text(json, "null")
                                      : buf_json_string(json, text, n_bytes);
            if (status == GLASS_OK) status = buf_byte(json, '}');
        } else {
            printf("%12lld  %6.2f%%  ", (long long)list[i].count, 100 * share);
            if (text == NULL)
                printf("(the document ends)");
            else
                trace_print_line(text, n_bytes);
            printf("\n");
        }
        glass_free(text);
        TRY(status);
    }
    return GLASS_OK;
}

/* What follows the last tokens of the text: N - 1 of them, or as many as stand anywhere. */
static glass_status list_next(const glass_trace *trace, const struct trace *t, bool space,
                              glass_trace_next **list, int64_t *n_list, int64_t *used) {
    int32_t *ids;
    int64_t n;
    *list = NULL;
    *n_list = 0;
    TRY(encode(trace, t, space, &ids, &n));
    *used = t->ngrams > 0 && t->ngrams - 1 < n ? t->ngrams - 1 : n;
    glass_status status;
    do {
        glass_free(*list);
        status = glass_trace_following(trace, list, n_list, ids + (n - *used), *used);
    } while (status == GLASS_OK && *n_list == 0 && t->ngrams < 0 && (*used)-- > 0);
    glass_free(ids);
    return status;
}

static glass_status show_ngrams(const glass_trace *trace, const struct trace *t) {
    int64_t n_list = 0, used;
    glass_trace_next *list = NULL;
    struct buf json = {0};
    double total = 0;
    glass_status status = list_next(trace, t, false, &list, &n_list, &used);
    if (status == GLASS_OK && n_list == 0) {
        glass_free(list);
        status = list_next(trace, t, true, &list, &n_list, &used);
    }
    for (int64_t i = 0; i < n_list; i++) total += (double)list[i].count;
    int64_t shown = t->most < n_list ? t->most : n_list;
    if (status == GLASS_OK && t->json)
        status = buf_printf(&json, "{\"context_tokens\":%lld,\"count\":%.0f,\"next\":[",
                            (long long)used, total);
    else if (status == GLASS_OK)
        printf(
            "after %lld token%s, which stand%s %.0f times; %lld different ones follow:\n",
            (long long)used, cli_plural(used), used == 1 ? "s" : "", total,
            (long long)n_list);
    if (status == GLASS_OK) status = print_next(trace, t, list, shown, total, &json);
    if (status == GLASS_OK && t->json) printf("%s]}\n", json.data);
    buf_free(&json);
    glass_free(list);
    return status;
}

static glass_status write_html(const glass_trace *trace, const struct trace *t,
                               const glass_trace_result *r, const glass_trace_options *o) {
    char *html;
    size_t n;
    TRY(glass_trace_html(&html, &n, trace, r, o));
    glass_status status = path_write_whole(t->html, html, n);
    glass_free(html);
    if (status == GLASS_OK && !t->json) printf("%s\n", t->html);
    return status;
}

/* The text again, as an option of glass verify: as it was given. */
static glass_status asked_as(struct buf *out, const struct trace *t) {
    bool file = t->file != NULL && strcmp(t->file, "-") != 0;
    TRY(buf_text(out, file ? "-f " : "--answer "));
    if (file)
        TRY(trace_quote(out, t->file, strlen(t->file)));
    else
        TRY(trace_quote(out, t->text.len > 0 ? t->text.data : "", t->text.len));
    if (t->prompt == NULL) return GLASS_OK;
    TRY(buf_text(out, " -p "));
    return trace_quote(out, t->prompt, strlen(t->prompt));
}

static double least_likely(const glass_trace_result *r) {
    return r->n_spans > 0 ? r->spans[0].log2_probability : 0;
}

/* The text as it stands or behind a space, whichever has the less likely span: to many vocabularies
 * the first word of a text is another token than the same word in the middle of one. Where a space
 * is a token of its own, it is not the text's. */
static glass_status trace_both(glass_trace_result **out, const glass_trace *trace,
                               const struct trace *t, const glass_trace_options *o) {
    const char *text = t->text.len > 0 ? t->text.data : "";
    struct buf spaced = {0};
    glass_trace_result *other = NULL;
    TRY(glass_trace_text(out, trace, text, t->text.len, o));
    if (text[0] == '\0' || isspace((unsigned char)text[0])) return GLASS_OK;
    glass_status status = buf_byte(&spaced, ' ');
    if (status == GLASS_OK) status = buf_append(&spaced, text, t->text.len);
    if (status == GLASS_OK)
        status = glass_trace_text(&other, trace, spaced.data, spaced.len, o);
    if (status == GLASS_OK && other->n_tokens <= (*out)->n_tokens &&
        least_likely(other) < least_likely(*out)) {
        glass_trace_result_free(*out);
        *out = other;
        other = NULL;
    }
    glass_trace_result_free(other);
    buf_free(&spaced);
    if (status == GLASS_OK) return GLASS_OK;
    glass_trace_result_free(*out);
    *out = NULL;
    return status;
}

static glass_status show_text(const glass_trace *trace, const struct trace *t) {
    const glass_trace_options o = {.prompt = t->prompt,
                                   .n_prompt = t->prompt != NULL ? strlen(t->prompt) : 0,
                                   .least = t->least,
                                   .n_spans = t->n_spans,
                                   .n_places = t->n_places,
                                   .n_around = t->n_around,
                                   .n_reads = t->n_reads};
    glass_trace_result *r;
    struct buf json = {0}, asked = {0};
    TRY(trace_both(&r, trace, t, &o));
    glass_status status = GLASS_OK;
    if (t->html != NULL) status = write_html(trace, t, r, &o);
    if (status == GLASS_OK && t->json) {
        status = trace_json(&json, trace, r);
        if (status == GLASS_OK) printf("%s\n", json.data);
    } else if (status == GLASS_OK && t->html == NULL) {
        status = asked_as(&asked, t);
        if (status == GLASS_OK) trace_print(trace, r, asked.data);
    }
    buf_free(&json);
    buf_free(&asked);
    glass_trace_result_free(r);
    return status;
}

static glass_status work(struct trace *t, const char *const *words, int n_words) {
    glass_trace *trace;
    if (t->build + t->check + t->count + (t->ngrams != 0) > 1)
        return fail(GLASS_USAGE, "--build, --check, --count, --ngrams: one at a time");
    if (t->build) return build(t, words, n_words);
    if (n_words > 2) return fail(GLASS_USAGE, "more than one TEXT: put it in quotes");
    bool text = n_words == 2 || t->file != NULL;
    if (text) TRY(read_text(t, n_words == 2 ? words[1] : NULL));
    TRY(glass_trace_open(&trace, words[0]));
    glass_status status = GLASS_OK;
    if (t->check) {
        status = glass_trace_check(trace);
        if (status == GLASS_OK) printf("%s: every byte is as it was written\n", words[0]);
    } else if (t->ngrams != 0) {
        status = show_ngrams(trace, t);
    } else if (!text && !t->count) {
        print_info(trace);
    } else {
        status = t->count ? show_count(trace, t) : show_text(trace, t);
    }
    glass_trace_close(trace);
    return status;
}

int cmd_trace(int argc, char **argv) {
    struct trace t = {.most = SHOWN};
    const struct opt options[] = {
        {"file", 'f', OPT_TEXT, &t.file, "FILE", "the text (-: standard input)"},
        {"prompt", 'p', OPT_TEXT, &t.prompt, "TEXT",
         "what the text answers: documents are ranked by it, too"},
        {"count", 0, OPT_FLAG, &t.count, NULL, "only how often the text stands there"},
        {"ngrams", 0, OPT_INT, &t.ngrams, "N",
         "what follows the text's last N-1 tokens (-1: as many as stand anywhere)"},
        {"top", 0, OPT_INT, &t.most, "N", "so many of them (20)"},
        {"json", 'j', OPT_FLAG, &t.json, NULL, "one JSON object"},
        {"html", 0, OPT_TEXT, &t.html, "FILE", "a report to read in a browser"},
        {"Spans", 0, OPT_HEADING, NULL, NULL, NULL},
        {"least", 0, OPT_INT, &t.least, "N", "tokens of a span at least (2)"},
        {"spans", 0, OPT_INT, &t.n_spans, "N",
         "so many, least likely first (a twentieth of the tokens, at least 10; -1: all)"},
        {"places", 0, OPT_INT, &t.n_places, "N", "places of each span (10)"},
        {"around", 0, OPT_INT, &t.n_around, "N", "tokens of text around a place (40)"},
        {"reads", 0, OPT_INT, &t.n_reads, "N", "steps told of each place (8; -1: all)"},
        {"The index", 0, OPT_HEADING, NULL, NULL, NULL},
        {"build", 0, OPT_FLAG, &t.build, NULL,
         "make it, of a run or of shards; what was stopped goes on"},
        {"out", 'o', OPT_TEXT, &t.out, "INDEX", "where (default: RUN/trace.index)"},
        {"vocabulary", 0, OPT_TEXT, &t.vocabulary, "MODEL",
         "the shards' tokenizer (a run's is known)"},
        {"memory", 0, OPT_INT, &t.memory, "MB", "to work in (6144)"},
        {"segment", 0, OPT_INT, &t.segment, "N",
         "tokens sorted together (2^28, or what memory allows)"},
        {"threads", 't', OPT_INT, &t.n_threads, "N", "threads (default: all cores)"},
        {"check", 0, OPT_FLAG, &t.check, NULL, "compare every byte with the digests"},
        {"quiet", 'q', OPT_FLAG, &t.quiet, NULL, "say nothing while it is made"},
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass trace RUN|INDEX [TEXT | -f FILE] [options]",
        "Finds where the words of a text stand in what a model learnt from: the longest\n"
        "stretches, least likely first, with document, licence, author and, of a run, the\n"
        "steps that read them. A match is not a cause.",
        "  glass trace --build shakespeare.run\n"
        "  glass trace shakespeare.run \"To be, or not to be\"\n"
        "  glass trace shakespeare.run -f answer.txt -p \"Who said that?\" --html "
        "trace.html\n"
        "  glass trace shakespeare.run --count \"the king\"\n"
        "  glass trace shakespeare.run --ngrams 3 \"the king\"\n"
        "  glass trace --build -o all.index --vocabulary MODEL a.safetensors "
        "b.safetensors\n",
        options,
        1,
        WORDS,
        false};
    const char *words[WORDS] = {NULL};
    int n_words, code = opts_parse(&command, argc, argv, words, &n_words);
    if (code >= 0) return code;
    glass_status status = work(&t, words, n_words);
    buf_free(&t.text);
    return status == GLASS_OK ? 0 : cli_fail(status);
}
