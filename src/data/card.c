/* card.c - a corpus's datasheet (the questions of Gebru et al. 2018, arXiv 1803.09010, as far as its
 * records answer them) and its licences, with bar charts as SVG. What nobody declared is called
 * so. There is no time in it: the same corpus gives the same bytes. */
#include "base/hash.h"
#include "base/utf8.h"
#include "data/clean.h"
#include "data/corpus.h"
#include "data/licence.h"

#include <jansson.h>
#include <stdlib.h>

enum { MOST_BARS = 15, MOST_ROWS = 60, MOST_LANGUAGES = 200, SAMPLE = 20000 };

struct language {
    char name[24];
    int64_t n, n_bytes;
};

struct card {
    struct glass_corpus *corpus;
    const glass_card_options *o;
    glass_card *out;
    json_t *summary;
    struct buf b;
    struct clean_scratch scratch;
    struct language languages[MOST_LANGUAGES];
    int n_languages;
    int64_t n_sampled;
    glass_status status;
};

/* ---- writing, as HTML or Markdown ---- */

static glass_status put_escaped(struct buf *b, bool html, const char *text) {
    for (const char *c = text; *c != '\0'; c++) {
        const char *as = html && *c == '<'    ? "&lt;"
                         : html && *c == '>'  ? "&gt;"
                         : html && *c == '&'  ? "&amp;"
                         : html && *c == '"'  ? "&quot;"
                         : !html && *c == '|' ? "\\|"
                         : !html && *c == '<' ? "\\<"
                                              : NULL;
        bool control = (unsigned char)*c < ' ';
        TRY(as != NULL ? buf_text(b, as) : buf_byte(b, control ? ' ' : *c));
    }
    return GLASS_OK;
}

static glass_status head(struct card *c, const char *text) {
    TRY(buf_text(&c->b, c->o->html ? "<h2>" : "\n## "));
    TRY(put_escaped(&c->b, c->o->html, text));
    return buf_text(&c->b, c->o->html ? "</h2>\n" : "\n\n");
}

static glass_status para(struct card *c, const char *text) {
    if (c->o->html) TRY(buf_text(&c->b, "<p>"));
    TRY(put_escaped(&c->b, c->o->html, text));
    return buf_text(&c->b, c->o->html ? "</p>\n" : "\n\n");
}

static glass_status question(struct card *c, const char *asked, const char *answer) {
    TRY(buf_text(&c->b, c->o->html ? "<p><b>" : "**"));
    TRY(put_escaped(&c->b, c->o->html, asked));
    TRY(buf_text(&c->b, c->o->html ? "</b> " : "** "));
    TRY(put_escaped(&c->b, c->o->html, answer != NULL ? answer : "Not declared."));
    return buf_text(&c->b, c->o->html ? "</p>\n" : "\n\n");
}

static glass_status cells(struct card *c, const char *const *texts, int n, bool first) {
    const char *tag = first ? "th" : "td";
    TRY(buf_text(&c->b, c->o->html ? "<tr>" : "|"));
    for (int i = 0; i < n; i++) {
        if (c->o->html)
            TRY(buf_printf(&c->b, "<%s>", tag));
        else
            TRY(buf_byte(&c->b, ' '));
        TRY(put_escaped(&c->b, c->o->html, texts[i]));
        TRY(c->o->html ? buf_printf(&c->b, "</%s>", tag) : buf_text(&c->b, " |"));
    }
    TRY(buf_text(&c->b, c->o->html ? "</tr>\n" : "\n"));
    for (int i = 0; first && !c->o->html && i <= n; i++)
        TRY(buf_text(&c->b, i == 0 ? "|" : "---|"));
    return first && !c->o->html ? buf_byte(&c->b, '\n') : GLASS_OK;
}

static glass_status table(struct card *c, bool begin) {
    return c->o->html ? buf_text(&c->b, begin ? "<table>\n" : "</table>\n")
                      : buf_text(&c->b, begin ? "" : "\n");
}

static const char *size_text(char out[32], double n) {
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    int i = 0;
    for (; n >= 1000 && i < 4; i++) n /= 1000;
    snprintf(out, 32, i == 0 ? "%.0f %s" : "%.1f %s", n, units[i]);
    return out;
}

/* ---- charts ---- */

struct bar {
    const char *name;
    double value;
};

static glass_status svg_name(struct buf *b, const char *name) {
    size_t n = strlen(name);
    char cut[64];
    if (n > 44) n = utf8_complete(name, 44);
    snprintf(cut, sizeof cut, "%.*s%s", (int)n, name, strlen(name) > n ? "…" : "");
    return put_escaped(b, true, cut);
}

static glass_status draw(struct buf *b, const char *title, const struct bar *bars, int n) {
    double most = 1;
    char size[32];
    int height = 40 + 22 * n;
    for (int i = 0; i < n; i++) most = bars[i].value > most ? bars[i].value : most;
    TRY(buf_printf(
        b,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 %d\" "
        "width=\"760\" height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n"
        "<rect width=\"760\" height=\"%d\" fill=\"#fff\"/>\n"
        "<text x=\"8\" y=\"20\" font-size=\"14\" font-weight=\"bold\">",
        height, height, height));
    TRY(put_escaped(b, true, title));
    TRY(buf_text(b, "</text>\n"));
    for (int i = 0; i < n; i++) {
        int y = 34 + 22 * i;
        double width = 360 * bars[i].value / most;
        TRY(buf_printf(b, "<text x=\"300\" y=\"%d\" text-anchor=\"end\">", y + 13));
        TRY(svg_name(b, bars[i].name));
        TRY(buf_printf(b,
                       "</text><rect x=\"308\" y=\"%d\" width=\"%.1f\" height=\"16\" "
                       "fill=\"#36c\"/><text x=\"%.1f\" y=\"%d\">%s</text>\n",
                       y, width < 1 ? 1 : width, 314 + width, y + 13,
                       size_text(size, bars[i].value)));
    }
    return buf_text(b, "</svg>\n");
}

static glass_status chart(struct card *c, const char *name, const char *title,
                          const struct bar *bars, int n) {
    struct buf svg = {0};
    if (n == 0) return GLASS_OK;
    glass_status status = draw(&svg, title, bars, n);
    if (status == GLASS_OK && c->o->html) status = buf_append(&c->b, svg.data, svg.len);
    if (status == GLASS_OK && !c->o->html)
        status = buf_printf(&c->b, "![%s](%s-%s.svg)\n\n", title,
                            c->o->name ? c->o->name : "card", name);
    if (status == GLASS_OK) {
        struct glass_card_chart *out = &c->out->charts[c->out->n_charts++];
        out->name = name;
        status = buf_take(&svg, &out->svg, NULL);
    }
    buf_free(&svg);
    return status;
}

/* The largest of a summary's group; the rest is one bar. */
static int bars_of(struct bar *bars, const json_t *list, const char *key) {
    size_t n = json_array_size(list), shown = n > MOST_BARS ? MOST_BARS - 1 : n;
    double rest = 0;
    for (size_t i = 0; i < n; i++) {
        const json_t *x = json_array_get(list, i);
        double bytes = json_number_value(json_object_get(x, "bytes"));
        if (i < shown)
            bars[i] = (struct bar){json_string_value(json_object_get(x, key)), bytes};
        else
            rest += bytes;
    }
    if (shown < n) bars[shown++] = (struct bar){"others", rest};
    return (int)shown;
}

/* ---- sections ---- */

static glass_status group(struct card *c, const char *list, const char *key,
                          const char *heading, bool bytes) {
    const json_t *items = json_object_get(c->summary, list);
    const char *const top[] = {heading, "documents", "text"};
    size_t n = json_array_size(items);
    TRY(table(c, true));
    TRY(cells(c, top, bytes ? 3 : 2, true));
    for (size_t i = 0; i < n && i < MOST_ROWS; i++) {
        const json_t *x = json_array_get(items, i);
        char count[32], size[32];
        snprintf(count, sizeof count, "%lld",
                 (long long)json_integer_value(json_object_get(x, "documents")));
        const char *name = json_string_value(json_object_get(x, key));
        const char *row[] = {
            name ? name : "", count,
            size_text(size, json_number_value(json_object_get(x, "bytes")))};
        TRY(cells(c, row, bytes ? 3 : 2, false));
    }
    TRY(table(c, false));
    if (n <= MOST_ROWS) return GLASS_OK;
    char more[80];
    snprintf(more, sizeof more, "%zu more are in the table of documents.", n - MOST_ROWS);
    return para(c, more);
}

static glass_status charts_of(struct card *c, const char *list, const char *key,
                              const char *title) {
    struct bar bars[MOST_BARS];
    int n = bars_of(bars, json_object_get(c->summary, list), key);
    return chart(c, list, title, bars, n);
}

/* Which policies would let a licence in. */
static glass_status licences(struct card *c) {
    static const char *const names[] = {"dfsg", "osi", "permissive", "no-share-alike",
                                        "commercial"};
    enum { N = sizeof names / sizeof *names };
    const char *const top[] = {"licence", "documents", "text",   names[0],
                               names[1],  names[2],    names[3], names[4]};
    const json_t *items = json_object_get(c->summary, "licences");
    struct licence_policy policies[N] = {0};
    glass_status status = GLASS_OK;
    for (int k = 0; k < N && status == GLASS_OK; k++)
        status = policy_open(&policies[k], names[k]);
    if (status == GLASS_OK) status = table(c, true);
    if (status == GLASS_OK) status = cells(c, top, 3 + N, true);
    for (size_t i = 0; status == GLASS_OK && i < json_array_size(items); i++) {
        const json_t *x = json_array_get(items, i);
        const char *name = json_string_value(json_object_get(x, "licence"));
        char count[32], size[32];
        const char *row[3 + N] = {name ? name : "", count, size};
        snprintf(count, sizeof count, "%lld",
                 (long long)json_integer_value(json_object_get(x, "documents")));
        size_text(size, json_number_value(json_object_get(x, "bytes")));
        bool unknown = name == NULL || strcmp(name, "unknown") == 0;
        for (int k = 0; k < N; k++)
            row[3 + k] = policy_allows(&policies[k], unknown ? "" : name, false, NULL, NULL)
                             ? "yes"
                             : "no";
        status = cells(c, row, 3 + N, false);
    }
    for (int k = 0; k < N; k++) policy_clear(&policies[k]);
    return status == GLASS_OK ? table(c, false) : status;
}

/* ---- languages ---- */

static glass_status count_language(struct card *c, const glass_document *d) {
    struct clean_finding f = {0};
    bool fails;
    char name[24] = "too short to tell";
    TRY(clean_language(&c->scratch, "", d->text, (size_t)d->n_bytes, &fails, &f));
    if (f.detail[0] == '[')
        snprintf(name, sizeof name, "%.*s", (int)strcspn(f.detail + 1, "-]"), f.detail + 1);
    else if (f.rule != NULL)
        snprintf(name, sizeof name, "not recognised");
    int i = 0;
    while (i < c->n_languages && strcmp(c->languages[i].name, name) != 0) i++;
    if (i == MOST_LANGUAGES) return GLASS_OK;
    if (i == c->n_languages) memcpy(c->languages[c->n_languages++].name, name, sizeof name);
    c->languages[i].n++;
    c->languages[i].n_bytes += d->n_bytes;
    c->n_sampled++;
    return GLASS_OK;
}

static bool visit(void *context, const glass_document *d) {
    struct card *c = context;
    c->status = count_language(c, d);
    return c->status == GLASS_OK && c->n_sampled < SAMPLE;
}

static int by_size(const void *a, const void *b) {
    const struct language *x = a, *y = b;
    if (x->n_bytes != y->n_bytes) return x->n_bytes < y->n_bytes ? 1 : -1;
    return strcmp(x->name, y->name);
}

static glass_status put_languages(struct card *c) {
    glass_status status = glass_corpus_each(c->corpus, c->o->root, NULL, visit, c);
    if (status == GLASS_CANCELLED) status = c->status;
    TRY(status);
    qsort(c->languages, (size_t)c->n_languages, sizeof *c->languages, by_size);
    json_t *list = json_array();
    for (int i = 0; i < c->n_languages && list != NULL; i++)
        json_array_append_new(list,
                              json_pack("{s:s,s:I,s:I}", "language", c->languages[i].name,
                                        "documents", (json_int_t)c->languages[i].n, "bytes",
                                        (json_int_t)c->languages[i].n_bytes));
    if (list == NULL || json_object_set_new(c->summary, "languages", list) != 0 ||
        json_object_set_new(c->summary, "languages_of",
                            json_integer((json_int_t)c->n_sampled)) != 0)
        return fail_memory(sizeof *c);
    return GLASS_OK;
}

/* ---- the whole ---- */

static glass_status put_top(struct card *c) {
    char text[200], size[32];
    const char *title = c->o->title ? c->o->title : "A corpus of texts";
    const json_t *roots = json_object_get(c->summary, "roots");
    const char *root = json_string_value(json_object_get(json_array_get(roots, 0), "root"));
    if (c->o->html)
        TRY(buf_text(&c->b, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta "
                            "charset=\"utf-8\"><title>Datasheet</title>\n<style>"
                            "body{font-family:sans-serif;max-width:60em;margin:2em auto;"
                            "padding:0 1em}table{border-collapse:collapse;margin:1em 0}"
                            "td,th{border:1px solid #ccc;padding:.2em .6em;text-align:left}"
                            "svg{max-width:100%;height:auto}</style></head><body>\n<h1>"));
    else
        TRY(buf_text(&c->b, "# "));
    TRY(put_escaped(&c->b, c->o->html, title));
    TRY(buf_text(&c->b, c->o->html ? "</h1>\n" : "\n\n"));
    snprintf(text, sizeof text, "%lld documents, %s of text. Root %s.",
             (long long)json_integer_value(json_object_get(c->summary, "documents")),
             size_text(size, json_number_value(json_object_get(c->summary, "bytes"))),
             root ? root : "none");
    TRY(para(c, text));
    return para(
        c, "Every document has a record: origin, hashes, licence, and the bytes that say "
           "so. Whoever has the root can check that a text is in the corpus, or that it "
           "is not. Records say what files say; whether that suffices in law they do "
           "not say.");
}

static glass_status put_sections(struct card *c) {
    char text[200];
    TRY(head(c, "Motivation"));
    TRY(question(c, "For what was it made?", c->o->purpose));
    TRY(question(c, "By whom, and whom to ask?", c->o->contact));
    TRY(head(c, "Composition"));
    TRY(charts_of(c, "sources", "source", "Text by source"));
    TRY(group(c, "sources", "source", "source", true));
    TRY(group(c, "kinds", "kind", "kind", true));
    TRY(charts_of(c, "languages", "language", "Text by language"));
    snprintf(text, sizeof text,
             "Languages as libexttextcat names them, of %lld documents in the order of "
             "their hashes.",
             (long long)c->n_sampled);
    TRY(para(c, text));
    TRY(group(c, "languages", "language", "language", true));
    TRY(group(c, "makers", "made_by", "made by, as declared", true));
    TRY(head(c, "Licences"));
    TRY(charts_of(c, "licences", "licence", "Text by licence"));
    TRY(licences(c));
    snprintf(text, sizeof text,
             "%lld documents have statements that contradict each other.",
             (long long)json_integer_value(json_object_get(c->summary, "contradictory")));
    TRY(para(c, text));
    TRY(group(c, "evidence", "kind", "evidence", true));
    TRY(head(c, "Collection and cleaning"));
    TRY(para(c, "Left out when sources were added:"));
    TRY(group(c, "left_out", "reason", "reason", false));
    if (json_array_size(json_object_get(c->summary, "rules")) > 0) {
        TRY(para(c, "Rules that changed documents or left them out:"));
        TRY(group(c, "rules", "rule", "rule", false));
    }
    TRY(head(c, "Uses, distribution, maintenance"));
    TRY(question(c, "For what should it not be used?", c->o->limits));
    TRY(question(c, "Under which terms?",
                 "Each document under its own licence, as listed above."));
    TRY(question(
        c, "Can a document be taken out?",
        "A corpus is never changed: one without it is made and has another root."));
    return c->o->html ? buf_text(&c->b, "</body></html>\n") : GLASS_OK;
}

static glass_status write_card(struct card *c) {
    char *json;
    TRY(glass_corpus_summary(&json, c->corpus));
    c->summary = json_loads(json, 0, NULL);
    glass_free(json);
    if (c->summary == NULL) return fail_memory(1);
    TRY(put_languages(c));
    TRY(put_top(c));
    TRY(put_sections(c));
    TRY(buf_take(&c->b, &c->out->text, &c->out->n_bytes));
    char *text = json_dumps(c->summary, JSON_COMPACT);
    if (text == NULL) return fail_memory(1);
    glass_status status = mem_copy_text(&c->out->json, text, strlen(text));
    free(text);
    return status;
}

glass_status glass_corpus_card(glass_card *out, glass_corpus *corpus,
                               const glass_card_options *options) {
    static const glass_card_options none;
    struct card *c;
    *out = (glass_card){0};
    TRY(mem_alloc_zero(&c, 1, sizeof *c));
    c->corpus = corpus;
    c->o = options ? options : &none;
    c->out = out;
    glass_status status = write_card(c);
    json_decref(c->summary);
    buf_free(&c->b);
    clean_scratch_clear(&c->scratch);
    mem_free(c);
    if (status != GLASS_OK) glass_card_clear(out);
    return status;
}

void glass_card_clear(glass_card *card) {
    glass_free(card->text);
    glass_free(card->json);
    for (int i = 0; i < card->n_charts; i++) glass_free(card->charts[i].svg);
    *card = (glass_card){0};
}
