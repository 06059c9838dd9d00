/* verify_without.c - see verify_without.h. */
#include "cli/verify_without.h"

#include "base/path.h"
#include "cli/trace_show.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    LIST_LIMIT = 256 << 20,
    TEXT_LIMIT = 64 << 20,
    SHOWN_DOCUMENTS = 10,
    SHOWN_TOKENS = 48
};

/* ---- names of documents ---- */

struct names {
    char **list; /* (n) owned */
    size_t n, room;
};

static glass_status add_name(struct names *n, const char *text, size_t n_bytes) {
    if (n->n == n->room) {
        n->room = n->room == 0 ? 64 : 2 * n->room;
        TRY(mem_resize(&n->list, n->room, sizeof *n->list));
    }
    TRY(mem_copy_text(&n->list[n->n], text, n_bytes));
    n->n++;
    return GLASS_OK;
}

/* A line of a list: a hash or a place, whatever stands behind it, as `glass data list` prints them;
 * else all of it. Empty lines and those that begin with # are none. */
static glass_status add_line(struct names *n, const char *line, size_t n_bytes) {
    static const char blanks[] = " \t\r";
    while (n_bytes > 0 && strchr(blanks, *line) != NULL) line++, n_bytes--;
    while (n_bytes > 0 && strchr(blanks, line[n_bytes - 1]) != NULL) n_bytes--;
    if (n_bytes == 0 || *line == '#') return GLASS_OK;
    size_t word = 0, hex = 0;
    while (word < n_bytes && strchr(blanks, line[word]) == NULL) word++;
    while (hex < word && strchr("0123456789abcdef", line[hex]) != NULL) hex++;
    bool place = word > 6 && memcmp(line, "train-", 6) == 0;
    return add_name(n, line, place || (hex == word && hex >= 8) ? word : n_bytes);
}

static glass_status add_list(struct names *n, const char *path) {
    struct buf text = {0};
    glass_status status =
        path_read_whole(&text, strcmp(path, "-") == 0 ? "/dev/stdin" : path, LIST_LIMIT);
    for (size_t at = 0; status == GLASS_OK && at < text.len;) {
        const char *line = text.data + at, *end = memchr(line, '\n', text.len - at);
        size_t length = end == NULL ? text.len - at : (size_t)(end - line);
        status = add_line(n, line, length);
        at += length + 1;
    }
    buf_free(&text);
    return status;
}

static glass_status add_word(struct names *n, const char *word) {
    return word[0] == '@' ? add_list(n, word + 1) : add_name(n, word, strlen(word));
}

static void free_names(struct names *n) {
    for (size_t i = 0; i < n->n; i++) mem_free(n->list[i]);
    mem_free(n->list);
}

/* ---- for people ---- */

struct telling {
    const struct verify_without *v;
    double shown; /* when the line was drawn last */
    bool drawn;
};

static void show(void *context, const glass_run_report *p, int64_t last) {
    struct telling *t = context;
    if (t->v->quiet || glass_processes_rank(t->v->processes) > 0 || !isatty(STDERR_FILENO))
        return;
    if (cli_now() - t->shown < 0.2 && p->step < last) return;
    t->shown = cli_now();
    t->drawn = true;
    fprintf(stderr, "\rwithout them: step %lld of %lld  loss %.4f\x1b[K",
            (long long)p->step, (long long)last, p->loss);
}

static void print_documents(const glass_without_report *r) {
    int64_t n_tokens = 0;
    for (int64_t i = 0; i < r->n_documents; i++) n_tokens += r->documents[i].n_tokens;
    printf("left out: %lld document%s of %lld tokens\n", (long long)r->n_documents,
           r->n_documents == 1 ? "" : "s", (long long)n_tokens);
    for (int64_t i = 0; i < r->n_documents && i < SHOWN_DOCUMENTS; i++) {
        const glass_without_document *d = &r->documents[i];
        const char *const fields[] = {d->title, d->licence, d->source};
        printf("  %s", d->name);
        for (int k = 0; k < 3; k++) {
            if (fields[k] == NULL) continue;
            printf("  ");
            trace_print_line(fields[k], strlen(fields[k]));
        }
        printf("\n");
    }
    if (r->n_documents > SHOWN_DOCUMENTS)
        printf("  and %lld more (--json)\n", (long long)(r->n_documents - SHOWN_DOCUMENTS));
}

static void print_reads(const glass_without_report *r) {
    if (r->n_steps_of == 0) {
        printf("no step of the %lld read any of them\n", (long long)r->n_steps);
        return;
    }
    printf("read by %lld of %lld steps, from %lld to %lld: %lld of %lld windows, %lld of "
           "%lld tokens\n",
           (long long)r->n_steps_of, (long long)r->n_steps, (long long)r->first_step,
           (long long)r->last_step, (long long)r->n_reads_of, (long long)r->n_reads,
           (long long)r->n_tokens_of, (long long)r->n_tokens);
}

static void print_computed(const glass_without_report *r) {
    printf("computed: %lld steps", (long long)r->n_computed);
    if (r->from > 0)
        printf("; up to step %lld, which read none of them, they are the run's own",
               (long long)r->from);
    else if (r->n_computed < r->n_steps)
        printf("; the first %lld were there", (long long)(r->n_steps - r->n_computed));
    printf("\n\n");
}

static void print_row(const char *name, const glass_without_pair *p) {
    if (isfinite(p->with) && isfinite(p->without))
        printf("%-44s %12.4f %12.4f %+12.4f\n", name, p->with, p->without,
               p->without - p->with);
    else if (isfinite(p->with))
        printf("%-44s %12.4f %12s %12s\n", name, p->with, "-", "-");
    else
        printf("%-44s %12s %12s %12s\n", name, "-", "-", "-");
}

static void print_table(const glass_without_report *r) {
    char name[64];
    printf("%-44s %12s %12s %12s\n", "", "with", "without", "difference");
    snprintf(name, sizeof name, "training loss, mean of the last %lld step%s",
             (long long)r->n_last, r->n_last == 1 ? "" : "s");
    print_row(name, &r->training);
    if (r->has_held_out) {
        print_row("held-out loss", &r->held_out);
        print_row("held out, bits a byte", &r->bits_per_byte);
    }
    if (r->n_left_out > 0) print_row("loss of what was left out", &r->left_out);
    if (r->answer == NULL) return;
    double n = (double)r->n_answer_tokens;
    const glass_without_pair mean = {r->lnp.with / n, r->lnp.without / n};
    print_row("the answer: ln p a token", &mean);
    snprintf(name, sizeof name, "the answer: ln p of its %lld tokens",
             (long long)r->n_answer_tokens);
    print_row(name, &r->lnp);
}

static void print_tokens(const glass_without_report *r) {
    if (r->answer == NULL) return;
    printf("\n%12s %12s %12s  token\n", "with", "without", "difference");
    for (int64_t i = 0; i < r->n_answer_tokens && i < SHOWN_TOKENS; i++) {
        const glass_without_token *t = &r->tokens[i];
        printf("%12.4f %12.4f %+12.4f  «", t->lnp.with, t->lnp.without,
               t->lnp.without - t->lnp.with);
        trace_print_line(r->answer + t->begin, t->end - t->begin);
        printf("»\n");
    }
    if (r->n_answer_tokens > SHOWN_TOKENS)
        printf("%12s and %lld more (--json)\n", "",
               (long long)(r->n_answer_tokens - SHOWN_TOKENS));
}

/* e^x as "1.2 million times", 1 digit after the point below a thousand. */
static void print_times(double x) {
    double times = exp(x);
    if (times < 1000)
        printf("%.3g times", times);
    else
        printf("e^%.1f (%.2g) times", x, times);
}

static void print_meaning(const glass_without_report *r) {
    double fell = r->lnp.with - r->lnp.without;
    if (r->answer == NULL || r->n_steps_of == 0) return;
    printf("\nTrained without %s, the model gives this answer ",
           r->n_documents == 1 ? "this document" : "these documents");
    if (fabs(fell) < log(2)) {
        printf("about the same probability: it does not hang on %s alone.",
               r->n_documents == 1 ? "it" : "them");
    } else {
        printf("a probability ");
        print_times(fabs(fell));
        printf(" %s.", fell > 0 ? "lower" : "higher");
    }
    printf("\nAll else was the same: first weights, order, what else each step read, every "
           "operation; the\nvocabulary too, whatever it was made from. Any change of the "
           "texts moves a model a little:\nhow much, leaving out others of their size "
           "tells.\n");
}

/* ---- JSON ---- */

static glass_status put_number(struct buf *b, const char *name, double value) {
    TRY(buf_printf(b, ",\"%s\":", name));
    return buf_json_number(b, value);
}

static glass_status put_pair(struct buf *b, const char *name, const glass_without_pair *p) {
    TRY(buf_printf(b, ",\"%s\":{\"with\":", name));
    TRY(buf_json_number(b, p->with));
    TRY(put_number(b, "without", p->without));
    return buf_byte(b, '}');
}

static glass_status put_text(struct buf *b, const char *name, const char *text) {
    TRY(buf_printf(b, ",\"%s\":", name));
    return text == NULL ? buf_text(b, "null") : buf_json_string(b, text, strlen(text));
}

static glass_status put_documents(struct buf *b, const glass_without_report *r) {
    TRY(buf_text(b, "{\"documents\":["));
    for (int64_t i = 0; i < r->n_documents; i++) {
        const glass_without_document *d = &r->documents[i];
        TRY(buf_printf(b, "%s{\"name\":\"%s\",\"tokens\":%lld", i > 0 ? "," : "", d->name,
                       (long long)d->n_tokens));
        TRY(put_text(b, "title", d->title));
        TRY(put_text(b, "licence", d->licence));
        TRY(put_text(b, "source", d->source));
        TRY(buf_byte(b, '}'));
    }
    return buf_byte(b, ']');
}

static glass_status put_answer(struct buf *b, const glass_without_report *r) {
    if (r->answer == NULL) return GLASS_OK;
    TRY(buf_text(b, ",\"answer\":{\"text\":"));
    TRY(buf_json_string(b, r->answer, r->n_answer));
    TRY(put_pair(b, "lnp", &r->lnp));
    TRY(buf_text(b, ",\"tokens\":["));
    for (int64_t i = 0; i < r->n_answer_tokens; i++) {
        const glass_without_token *t = &r->tokens[i];
        TRY(buf_printf(b, "%s{\"id\":%d,\"text\":", i > 0 ? "," : "", t->id));
        TRY(buf_json_string(b, r->answer + t->begin, t->end - t->begin));
        TRY(put_pair(b, "lnp", &t->lnp));
        TRY(buf_byte(b, '}'));
    }
    return buf_text(b, "]}");
}

static glass_status put_report(struct buf *b, const glass_without_report *r) {
    const struct {
        const char *name;
        int64_t value;
    } whole[] = {{"windows_of", r->n_windows},      {"steps", r->n_steps},
                 {"steps_of", r->n_steps_of},       {"first_step", r->first_step},
                 {"last_step", r->last_step},       {"reads", r->n_reads},
                 {"reads_of", r->n_reads_of},       {"tokens", r->n_tokens},
                 {"tokens_of", r->n_tokens_of},     {"from", r->from},
                 {"computed", r->n_computed},       {"training_steps", r->n_last},
                 {"left_out_tokens", r->n_left_out}};
    TRY(put_documents(b, r));
    TRY(put_text(b, "run", r->folder));
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        TRY(buf_printf(b, ",\"%s\":%lld", whole[i].name, (long long)whole[i].value));
    TRY(put_pair(b, "training", &r->training));
    if (r->has_held_out) {
        TRY(put_pair(b, "held_out", &r->held_out));
        TRY(put_pair(b, "bits_per_byte", &r->bits_per_byte));
    }
    if (r->n_left_out > 0) TRY(put_pair(b, "left_out", &r->left_out));
    TRY(put_answer(b, r));
    return buf_text(b, "}\n");
}

/* ---- the whole ---- */

static glass_status tell(const struct verify_without *v, const glass_without_report *r) {
    struct buf json = {0};
    if (glass_processes_rank(v->processes) > 0) return GLASS_OK;
    if (v->json) {
        glass_status status = put_report(&json, r);
        if (status == GLASS_OK) fputs(json.data, stdout);
        buf_free(&json);
        return status;
    }
    print_documents(r);
    print_reads(r);
    print_computed(r);
    print_table(r);
    print_tokens(r);
    print_meaning(r);
    if (r->folder != NULL)
        printf("\n%s is the run without them; glass verify %s computes all of it again\n",
               r->folder, r->folder);
    return GLASS_OK;
}

static glass_status read_answer(struct buf *out, const struct verify_without *v) {
    if (v->answer != NULL && v->file != NULL)
        return fail(GLASS_USAGE, "--answer and --file: one of them");
    if (v->answer != NULL) return buf_text(out, v->answer);
    if (v->file == NULL) return GLASS_OK;
    TRY(path_read_whole(out, strcmp(v->file, "-") == 0 ? "/dev/stdin" : v->file,
                        TEXT_LIMIT));
    /* As glass trace has it. */
    if (out->len > 0 && out->data[out->len - 1] == '\n') out->data[--out->len] = '\0';
    return GLASS_OK;
}

static void on_stop(int number) {
    (void)number;
    cli_interrupted = 1;
}

static glass_status ask(const struct verify_without *v, const char *run,
                        const struct names *names, const struct buf *answer) {
    struct telling t = {.v = v};
    bool asked = v->answer != NULL || v->file != NULL;
    struct sigaction stop = {.sa_handler = on_stop};
    const glass_without_options o = {.documents = (const char *const *)names->list,
                                     .n_documents = (int64_t)names->n,
                                     .folder = v->out,
                                     .full = v->full,
                                     .answer = !asked            ? NULL
                                               : answer->len > 0 ? answer->data
                                                                 : "",
                                     .n_answer = answer->len,
                                     .prompt = v->prompt,
                                     .n_prompt = v->prompt == NULL ? 0 : strlen(v->prompt),
                                     .n_threads = v->n_threads,
                                     .texts = v->texts,
                                     .processes = v->processes,
                                     .stop = &cli_interrupted,
                                     .progress = show,
                                     .context = &t};
    glass_without_report *r;
    cli_catch_interrupt();
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGUSR1, &stop, NULL); /* as glass train has it, for batch systems */
    glass_status status = glass_run_without(&r, run, &o);
    if (t.drawn) fprintf(stderr, "\r\x1b[K");
    if (status == GLASS_OK) status = tell(v, r);
    glass_without_report_free(r);
    return status;
}

glass_status verify_without(const struct verify_without *v, const char *run,
                            const char *const *words, int n_words) {
    struct names names = {0};
    struct buf answer = {0};
    glass_status status;
    if (v->prompt != NULL && v->answer == NULL && v->file == NULL)
        return fail(GLASS_USAGE, "--prompt: of which --answer?");
    for (int i = 0; i < v->documents.n; i++)
        TRY_FAIL(add_word(&names, v->documents.items[i]));
    for (int i = 0; i < n_words; i++) TRY_FAIL(add_word(&names, words[i]));
    TRY_FAIL(read_answer(&answer, v));
    status = ask(v, run, &names, &answer);
fail:
    free_names(&names);
    buf_free(&answer);
    return status;
}
