/* trace_html.c - the report: a text with its spans marked, where they stand, and what read them,
 * as one page without scripts or anything from elsewhere. */
#include "open/page_text.h"
#include "open/trace_parts.h"

#include <stdlib.h>

enum { DOCUMENTS_SHOWN = 10, DOCUMENTS_MOST = 100, PLACES_SHOWN = 3 };

static const char style[] =
    ":root{color-scheme:light dark;--ink:#1c1c1c;--soft:#5f5f5f;--page:#fff;--line:#ddd;"
    "--mark:255,190,0}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e4e4e4;--soft:#a6a6a6;--page:#181818;"
    "--line:#3a3a3a;--mark:200,140,0}}"
    "body{font:16px/1.55 system-ui,sans-serif;color:var(--ink);background:var(--page);"
    "max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}"
    "h3{font-size:1rem;margin:1.8rem 0 .4rem;line-height:1.8;overflow-wrap:anywhere}"
    ".note,.small{color:var(--soft)}.small{font-size:.87rem}"
    ".note{border-left:3px solid rgb(var(--mark));padding-left:.8rem}"
    ".text,pre{white-space:pre-wrap;overflow-wrap:anywhere;border:1px solid var(--line);"
    "border-radius:6px;padding:1rem;margin:.3rem 0 1rem}"
    ".text{line-height:1.9}pre{font:.87rem/1.5 ui-monospace,monospace}"
    "a{color:inherit}"
    "mark{color:inherit;border-radius:3px;padding:.1em 0;print-color-adjust:exact;"
    "-webkit-print-color-adjust:exact;-webkit-box-decoration-break:clone;"
    "box-decoration-break:clone}"
    ".text a{text-decoration:none}"
    ".place{border-left:3px solid var(--line);padding-left:.8rem;margin:.8rem 0}"
    ".place p{margin:.2rem 0;white-space:pre-wrap;overflow-wrap:anywhere}"
    ".wide{overflow-x:auto}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .8rem "
    ".3rem 0;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}"
    "th{overflow-wrap:normal;font-weight:600;font-size:.87rem;color:var(--soft)}"
    ".n{text-align:right;font-variant-numeric:tabular-nums;overflow-wrap:normal}"
    "td .small{display:block}"
    "summary{cursor:pointer;color:var(--soft);font-size:.87rem;margin:.5rem 0}"
    "summary:focus-visible,a:focus-visible{outline:2px solid rgb(var(--mark))}"
    ":target{outline:2px solid rgb(var(--mark));outline-offset:3px}"
    "@media(max-width:40rem){.extra{display:none}}"
    "@media print{:root{--ink:#000;--soft:#444;--page:#fff;--line:#bbb;--mark:255,190,0}"
    "body{font-size:10.5pt;margin:0;max-width:none;padding:0}a{text-decoration:none}"
    ".place,tr,h2,h3,.text{break-inside:avoid}h2,h3{break-after:avoid}"
    "details::details-content{content-visibility:visible;height:auto}summary{display:none}"
    "@page{margin:18mm}}";

/* How strongly span i of n is marked: the least likely most. */
static double strength(int64_t i, int64_t n) {
    return 0.75 - 0.55 * (double)i / (double)(n > 1 ? n - 1 : 1);
}

/* ---- the text ---- */

static int by_place(const void *a, const void *b) {
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* The least likely span that covers a byte, -1 if none does. */
static int64_t span_at(const glass_trace_result *r, size_t at) {
    for (int64_t i = 0; i < r->n_spans; i++)
        if (r->spans[i].begin <= at && at < r->spans[i].end) return i;
    return -1;
}

/* Cut wherever a span begins or ends. */
static glass_status put_marked(struct buf *b, const glass_trace_result *r) {
    size_t *cuts, n = 0;
    TRY(mem_alloc(&cuts, 2 * (size_t)r->n_spans + 2, sizeof *cuts));
    cuts[n++] = 0;
    for (int64_t i = 0; i < r->n_spans; i++) {
        cuts[n++] = r->spans[i].begin;
        cuts[n++] = r->spans[i].end;
    }
    cuts[n++] = r->n_bytes;
    qsort(cuts, n, sizeof *cuts, by_place);
    glass_status status = buf_text(b, "<div class=\"text\">");
    for (size_t i = 0; status == GLASS_OK && i + 1 < n; i++) {
        size_t from = cuts[i], to = cuts[i + 1];
        if (from == to) continue;
        int64_t span = span_at(r, from);
        if (span >= 0)
            status = buf_printf(b,
                                "<a href=\"#s%lld\"><mark style=\"background:"
                                "rgba(var(--mark),%.2f)\">",
                                (long long)span + 1, strength(span, r->n_spans));
        if (status == GLASS_OK) status = page_put(b, r->text + from, to - from);
        if (status == GLASS_OK && span >= 0) status = buf_text(b, "</mark></a>");
    }
    mem_free(cuts);
    return status == GLASS_OK ? buf_text(b, "</div>\n") : status;
}

/* ---- places ---- */

static glass_status put_field(struct buf *b, const char *name, const char *value) {
    if (value == NULL) return GLASS_OK;
    TRY(buf_printf(b, " · %s ", name));
    return page_string(b, value);
}

static glass_status put_title(struct buf *b, const glass_trace_place *p) {
    if (p->record.title == NULL) return GLASS_OK;
    TRY(buf_text(b, "<b>"));
    TRY(page_string(b, p->record.title));
    return buf_text(b, "</b> ");
}

static glass_status put_document(struct buf *b, const glass_trace_place *p) {
    TRY(put_title(b, p));
    TRY(page_string(b, p->name));
    TRY(put_field(b, "licence",
                  p->record.license != NULL ? p->record.license : "not recorded"));
    TRY(put_field(b, "author", p->record.author));
    TRY(put_field(b, "made by", p->record.made_by));
    TRY(put_field(b, "from", p->record.origin));
    return put_field(b, "at", p->record.url);
}

static glass_status put_reads(struct buf *b, const glass_trace *t,
                              const glass_trace_place *p, int64_t n_tokens) {
    glass_trace_info info;
    glass_trace_get_info(t, &info);
    if (!info.of_run) return GLASS_OK;
    if (p->n_reads_all == 0) {
        bool any = info.n_steps_done > 0;
        return buf_text(b,
                        any ? "<br>read by no step" : "<br>the run has done no step yet");
    }
    TRY(buf_text(b, "<br>read in step"));
    for (int64_t i = 0; i < p->n_reads; i++) {
        const glass_trace_read *r = &p->reads[i];
        TRY(buf_printf(b, "%s %lld", i > 0 ? "," : "", (long long)r->step));
        if (r->n_tokens < n_tokens)
            TRY(buf_printf(b, " (%lld of the span's %lld tokens)", (long long)r->n_tokens,
                           (long long)n_tokens));
    }
    if (p->n_reads < p->n_reads_all)
        TRY(buf_printf(b, " and %lld more", (long long)(p->n_reads_all - p->n_reads)));
    return buf_printf(b, " of the %lld done", (long long)info.n_steps_done);
}

static glass_status put_place(struct buf *b, const glass_trace *t,
                              const glass_trace_place *p, int64_t n_tokens) {
    TRY(buf_text(b, "<div class=\"place\"><p>"));
    TRY(page_string(b, p->before));
    TRY(buf_text(b, "<mark style=\"background:rgba(var(--mark),.5)\">"));
    TRY(page_string(b, p->span));
    TRY(buf_text(b, "</mark>"));
    TRY(page_string(b, p->after));
    TRY(buf_text(b, "</p><p class=\"small\">"));
    TRY(put_document(b, p));
    TRY(buf_printf(b, " · relevance %.1f", p->relevance));
    TRY(put_reads(b, t, p, n_tokens));
    return buf_text(b, "</p></div>\n");
}

static glass_status put_span(struct buf *b, const glass_trace *t,
                             const glass_trace_result *r, int64_t i) {
    const glass_trace_span *s = &r->spans[i];
    TRY(buf_printf(
        b, "<h3 id=\"s%lld\">%lld. <mark style=\"background:rgba(var(--mark),%.2f)\">",
        (long long)i + 1, (long long)i + 1, strength(i, r->n_spans)));
    TRY(page_put(b, r->text + s->begin, s->end - s->begin));
    TRY(buf_printf(
        b,
        "</mark></h3>\n<p class=\"small\">%lld tokens; by their frequencies alone "
        "1 in 2<sup>%.0f</sup>; stands %lld time%s in the texts%s</p>\n",
        (long long)s->n, -s->log2_probability, (long long)s->count,
        s->count == 1 ? "" : "s", s->n_places < s->count ? ", for example:" : ":"));
    for (int64_t k = 0; k < s->n_places; k++) {
        if (k == PLACES_SHOWN)
            TRY(buf_printf(b, "<details><summary>%lld more places</summary>\n",
                           (long long)(s->n_places - k)));
        TRY(put_place(b, t, &s->places[k], s->n));
    }
    return s->n_places > PLACES_SHOWN ? buf_text(b, "</details>\n") : GLASS_OK;
}

/* The least likely span that has a place in this document: where the report tells of it. */
static int64_t span_of(const glass_trace_result *r, int64_t document) {
    for (int64_t i = 0; i < r->n_spans; i++)
        for (int64_t k = 0; k < r->spans[i].n_places; k++)
            if (r->spans[i].places[k].at.document == document) return i;
    return -1;
}

static glass_status put_row(struct buf *b, const glass_trace_result *r,
                            const glass_trace_document *d) {
    const glass_trace_record *record = &d->best->record;
    int64_t span = span_of(r, d->document);
    TRY(buf_text(b, "<tr><td>"));
    TRY(put_title(b, d->best));
    TRY(buf_text(b, "<span class=\"small\">"));
    TRY(page_string(b, d->best->name));
    if (record->origin != NULL) {
        TRY(buf_text(b, " · "));
        TRY(page_string(b, record->origin));
    }
    TRY(buf_text(b, "</span><td>"));
    TRY(page_string(b, record->license != NULL ? record->license : "not recorded"));
    TRY(buf_text(b, "<td class=\"extra\">"));
    if (record->author != NULL) TRY(page_string(b, record->author));
    TRY(buf_printf(b, "<td class=\"n\"><a href=\"#s%lld\">%lld</a>", (long long)span + 1,
                   (long long)d->n_spans));
    return buf_printf(b, "<td class=\"n extra\">%.1f\n", d->best->relevance);
}

static glass_status put_table(struct buf *b, const glass_trace_result *r, int64_t from,
                              int64_t to) {
    TRY(buf_text(b, "<div class=\"wide\"><table><tr><th>document<th>licence"
                    "<th class=\"extra\">author<th class=\"n\">stretches"
                    "<th class=\"n extra\">relevance\n"));
    for (int64_t i = from; i < to; i++) TRY(put_row(b, r, &r->documents[i]));
    return buf_text(b, "</table></div>\n");
}

static glass_status put_documents(struct buf *b, const glass_trace_result *r) {
    int64_t n = r->n_documents < DOCUMENTS_MOST ? r->n_documents : DOCUMENTS_MOST;
    int64_t first = n < DOCUMENTS_SHOWN ? n : DOCUMENTS_SHOWN;
    TRY(buf_text(b, "<h2>Documents, most relevant first</h2>\n"));
    TRY(put_table(b, r, 0, first));
    if (first < n) {
        TRY(buf_printf(b, "<details><summary>%lld more</summary>\n",
                       (long long)(n - first)));
        TRY(put_table(b, r, first, n));
        TRY(buf_text(b, "</details>\n"));
    }
    if (n == r->n_documents) return GLASS_OK;
    return buf_printf(b, "<p class=\"small\">and %lld others</p>\n",
                      (long long)(r->n_documents - n));
}

/* How the cause is found out: by training again without the documents of the first span. */
static glass_status put_cause(struct buf *b, const glass_trace_info *info,
                              const glass_trace_result *r) {
    const glass_trace_span *s = &r->spans[0];
    if (info->run == NULL) return GLASS_OK;
    TRY(buf_text(b,
                 "<h2>And the cause?</h2>\n<p>What documents did to an answer is seen by "
                 "training again without them, as exactly as the run itself: for those "
                 "of the least likely stretch by</p>\n<pre>glass verify "));
    TRY(page_string(b, info->run));
    TRY(buf_text(b, " --without"));
    for (int64_t k = 0; k < s->n_places; k++) {
        bool again = false;
        for (int64_t l = 0; l < k; l++)
            again |= s->places[l].at.document == s->places[k].at.document;
        if (again) continue;
        TRY(buf_byte(b, ' '));
        TRY(page_string(b, s->places[k].name));
    }
    return buf_text(b, " -f ANSWER.txt</pre>\n");
}

static glass_status put_page(struct buf *b, const glass_trace *t,
                             const glass_trace_result *r,
                             const glass_trace_options *options) {
    glass_trace_info info;
    glass_trace_get_info(t, &info);
    TRY(buf_printf(b,
                   "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">"
                   "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
                   "'none'; style-src 'unsafe-inline'\">"
                   "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
                   "<title>Trace</title><style>%s</style>\n<h1>Where these words stand in "
                   "the training texts</h1>\n",
                   style));
    if (options != NULL && options->prompt != NULL) {
        TRY(buf_text(b, "<p class=\"small\">asked:</p><div class=\"text\">"));
        TRY(page_put(b, options->prompt, options->n_prompt));
        TRY(buf_text(b, "</div><p class=\"small\">answered:</p>\n"));
    }
    TRY(put_marked(b, r));
    TRY(buf_printf(
        b,
        "<p>%lld tokens, of which %lld lie in a stretch that stands word for word "
        "in the %lld tokens of %lld documents. Marked: the %lld least likely of %lld "
        "such stretches, the less likely the stronger; each leads to where it "
        "stands.</p>\n<p class=\"note\">A match is not a cause: that these "
        "words stand in a text which the model read does not show that it wrote them "
        "because of that text. Short and common stretches stand in many texts.</p>\n",
        (long long)r->n_tokens, (long long)r->n_covered, (long long)info.n_tokens,
        (long long)info.n_documents, (long long)r->n_spans, (long long)r->n_spans_all));
    if (r->n_spans == 0) return GLASS_OK;
    TRY(put_documents(b, r));
    TRY(buf_text(b, "<h2>Stretches, least likely first</h2>\n"));
    for (int64_t i = 0; i < r->n_spans; i++) TRY(put_span(b, t, r, i));
    TRY(put_cause(b, &info, r));
    return buf_text(b, "</html>\n");
}

glass_status glass_trace_html(char **html, size_t *n_bytes, const glass_trace *trace,
                              const glass_trace_result *result,
                              const glass_trace_options *options) {
    struct buf b = {0};
    *html = NULL;
    *n_bytes = 0;
    glass_status status = put_page(&b, trace, result, options);
    if (status == GLASS_OK) status = buf_take(&b, html, n_bytes);
    buf_free(&b);
    return status;
}
