/* trace_show.c - see trace_show.h. */
#include "cli/trace_show.h"

#include "base/utf8.h"
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

enum { SHOWN_PLACES = 3, SHOWN_DOCUMENTS = 10, SHOWN_AROUND = 60 /* bytes */ };

void trace_print_line(const char *text, size_t n_bytes) {
    for (size_t i = 0; i < n_bytes;) {
        uint32_t c;
        size_t n = utf8_decode(&c, text + i, n_bytes - i);
        if (c == '\n')
            fputs("\xe2\x86\xb5", stdout);
        else if (c == UTF8_BAD || c < ' ' || (c >= 0x7f && c < 0xa0))
            fputs(c == '\t' ? " " : "\xef\xbf\xbd", stdout);
        else
            fwrite(text + i, 1, n, stdout);
        i += n;
    }
}

/* ---- for people ---- */

/* The last bytes of a text, or its first, cut between characters. */
static void print_before(const char *text) {
    size_t n = strlen(text), from = n > SHOWN_AROUND ? n - SHOWN_AROUND : 0;
    while (from < n && from > 0 && ((unsigned char)text[from] & 0xc0) == 0x80) from++;
    if (from > 0) fputs("…", stdout);
    trace_print_line(text + from, n - from);
}

static void print_after(const char *text) {
    size_t n = strlen(text), to = n > SHOWN_AROUND ? SHOWN_AROUND : n;
    while (to < n && ((unsigned char)text[to] & 0xc0) == 0x80) to++;
    trace_print_line(text, to);
    if (to < n) fputs("…", stdout);
}

static void print_field(const char *name, const char *value) {
    if (value == NULL) return;
    printf("%s", name);
    trace_print_line(value, strlen(value));
}

glass_status trace_quote(struct buf *out, const char *text, size_t n_bytes) {
    TRY(buf_byte(out, '\''));
    for (size_t i = 0; i < n_bytes; i++)
        TRY(text[i] == '\'' ? buf_text(out, "'\\''") : buf_byte(out, text[i]));
    return buf_byte(out, '\'');
}

static void print_document(const glass_trace_place *p) {
    print_field("", p->record.title);
    printf("%sdocument %s", p->record.title != NULL ? ", " : "", p->name);
    print_field(", licence ", p->record.license);
    print_field(", by ", p->record.author);
    print_field(", made by ", p->record.made_by);
    print_field(", from ", p->record.origin);
}

static void print_reads(const glass_trace_info *info, const glass_trace_place *p,
                        int64_t n) {
    if (!info->of_run) return;
    printf("      read by ");
    if (p->n_reads_all == 0)
        printf("none of the %lld steps done", (long long)info->n_steps_done);
    for (int64_t i = 0; i < p->n_reads; i++) {
        const glass_trace_read *r = &p->reads[i];
        printf("%s%lld", i > 0 ? ", " : "step ", (long long)r->step);
        if (r->n_tokens < n) printf(" (%lld tokens of it)", (long long)r->n_tokens);
    }
    if (p->n_reads < p->n_reads_all)
        printf(" and %lld more", (long long)(p->n_reads_all - p->n_reads));
    printf("\n");
}

static void print_place(const glass_trace_info *info, const glass_trace_place *p,
                        int64_t n) {
    printf("    ");
    print_document(p);
    printf(" (relevance %.1f)\n      ", p->relevance);
    print_before(p->before);
    printf("«");
    trace_print_line(p->span, strlen(p->span));
    printf("»");
    print_after(p->after);
    printf("\n");
    print_reads(info, p, n);
}

static void print_span(const glass_trace_info *info, const glass_trace_result *r,
                       int64_t i) {
    const glass_trace_span *s = &r->spans[i];
    printf("\n%3lld. «", (long long)i + 1);
    trace_print_line(r->text + s->begin, s->end - s->begin);
    printf("»\n    %lld tokens, by chance 1 in 2^%.0f, %lld time%s\n", (long long)s->n,
           -s->log2_probability, (long long)s->count, s->count == 1 ? "" : "s");
    int64_t shown = s->n_places < SHOWN_PLACES ? s->n_places : SHOWN_PLACES;
    for (int64_t k = 0; k < shown; k++) print_place(info, &s->places[k], s->n);
}

/* A word of a command for a shell. */
static void print_word(const char *word) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789_./+,:@%-";
    struct buf b = {0};
    bool quoted = word[strspn(word, plain)] != '\0' || word[0] == '\0';
    if (quoted && trace_quote(&b, word, strlen(word)) == GLASS_OK)
        printf("%s", b.data);
    else
        printf("%s", word);
    buf_free(&b);
}

/* The command that trains again without the documents of the least likely span. */
static void print_cause(const glass_trace_info *info, const glass_trace_result *r,
                        const char *asked) {
    enum { MOST = 8 };
    const glass_trace_span *s = &r->spans[0];
    int64_t seen[MOST], n = 0;
    const char *names[MOST];
    if (info->run == NULL || r->n_spans == 0) return;
    for (int64_t i = 0; i < s->n_places && n < MOST; i++) {
        const glass_trace_place *p = &s->places[i];
        bool again = false;
        for (int64_t k = 0; k < n; k++) again |= seen[k] == p->at.document;
        if (again) continue;
        names[n] = p->name;
        seen[n++] = p->at.document;
    }
    if (n == info->n_documents) return; /* nothing would be left to learn from */
    printf("What these documents did to it is seen by training again without them:\n"
           "  glass verify ");
    print_word(info->run);
    printf(" --without");
    for (int64_t i = 0; i < n; i++) printf(" %s", names[i]);
    printf("%s%s\n", asked != NULL ? " " : "", asked != NULL ? asked : "");
}

void trace_print(const glass_trace *trace, const glass_trace_result *r, const char *asked) {
    glass_trace_info info;
    glass_trace_get_info(trace, &info);
    printf(
        "%lld tokens, %lld of them in stretches that stand word for word in the "
        "training texts\n(%lld tokens, %lld document%s). The least likely %lld of %lld:\n",
        (long long)r->n_tokens, (long long)r->n_covered, (long long)info.n_tokens,
        (long long)info.n_documents, cli_plural(info.n_documents), (long long)r->n_spans,
        (long long)r->n_spans_all);
    for (int64_t i = 0; i < r->n_spans; i++) print_span(&info, r, i);
    int64_t n = r->n_documents < SHOWN_DOCUMENTS ? r->n_documents : SHOWN_DOCUMENTS;
    if (n > 0) printf("\ndocuments, most relevant first:\n");
    for (int64_t i = 0; i < n; i++) {
        printf("  %6.1f  ", r->documents[i].best->relevance);
        print_document(r->documents[i].best);
        printf(" (%lld span%s)\n", (long long)r->documents[i].n_spans,
               r->documents[i].n_spans == 1 ? "" : "s");
    }
    printf(
        "\nA match is not a cause: that these words stand in a text which the model read\n"
        "does not show that it wrote them because of that text.\n");
    print_cause(&info, r, asked);
}

glass_status trace_answer(const glass_trace *trace, const char *prompt, size_t n_prompt,
                          const char *answer, size_t n_answer, struct buf *json) {
    const glass_trace_options o = {.prompt = prompt, .n_prompt = n_prompt};
    glass_trace_result *r;
    TRY(glass_trace_text(&r, trace, answer, n_answer, &o));
    glass_status status = GLASS_OK;
    if (json == NULL) {
        printf("\n");
        trace_print(trace, r, NULL);
        fflush(stdout);
    } else {
        status = buf_text(json, ",\"trace\":");
        if (status == GLASS_OK) status = trace_json(json, trace, r);
    }
    glass_trace_result_free(r);
    return status;
}
