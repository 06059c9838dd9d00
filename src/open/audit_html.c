/* audit_html.c - audits side by side as one page, without scripts or anything from elsewhere. */
#include "open/audit_parts.h"

#include "open/page_text.h"

#include <inttypes.h>
#include <string.h>

static const char style[] =
    ":root{color-scheme:light dark;--ink:#1c1c1c;--soft:#5f5f5f;--page:#fff;--line:#ddd;"
    "--good:#17663a;--bad:#9c2a1d}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e4e4e4;--soft:#a6a6a6;--page:#181818;"
    "--line:#3a3a3a;--good:#7cc79a;--bad:#f09a8c}}"
    "body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);"
    "max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "h1{font-size:1.5rem;overflow-wrap:anywhere}h2{font-size:1.15rem;margin-top:2.2rem}"
    "h3{font-size:1rem;margin:1.6rem 0 .3rem;overflow-wrap:anywhere}"
    ".soft,.small{color:var(--soft)}.small{font-size:.85rem}.wide{overflow-x:auto}"
    "table{border-collapse:collapse;width:100%}"
    "td,th{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid var(--line);"
    "vertical-align:top;overflow-wrap:anywhere;min-width:6rem}"
    "th{font-weight:600;font-size:.87rem;color:var(--soft)}"
    "td .small{display:block}.good{color:var(--good)}.bad{color:var(--bad)}"
    "q{quotes:none;font-family:ui-monospace,monospace;font-size:.85rem}"
    "li{margin:.5rem 0}"
    "@media "
    "print{:root{--ink:#000;--soft:#444;--page:#fff;--line:#bbb;--good:#000;--bad:#000}"
    "body{font-size:9.5pt;margin:0;max-width:none;padding:0}.wide{overflow:visible}"
    "tr,li,h2,h3{break-inside:avoid}h2,h3{break-after:avoid}@page{margin:16mm}}";

static const char *const grades[] = {"verified", "declared", "inherited", "missing"};
static const char *const parts[] = {"weights", "base model", "adapter", "use policy",
                                    "data",    "code",       "document"};

static glass_status put_evidence(struct buf *b, const glass_audit_evidence *e) {
    enum { QUOTE = 240 };
    if (*e->file == '\0') return GLASS_OK;
    TRY(buf_text(b, "<span class=\"small\">"));
    TRY(page_string(b, e->file));
    if (e->end > e->begin) TRY(buf_printf(b, ", bytes %zu–%zu", e->begin, e->end));
    if (*e->sha256) TRY(buf_printf(b, ", SHA-256 %.16s…", e->sha256));
    if (*e->quote) {
        size_t n = strlen(e->quote);
        TRY(buf_text(b, ": <q>"));
        TRY(page_put(b, e->quote, n < QUOTE ? n : QUOTE));
        TRY(buf_text(b, n < QUOTE ? "</q>" : "…</q>"));
    }
    return buf_text(b, "</span>");
}

static glass_status head(struct buf *b, const glass_audit *const *audits, int64_t n,
                         const char *first) {
    TRY(buf_printf(b, "<div class=\"wide\"><table><thead><tr><th>%s</th>", first));
    for (int64_t i = 0; i < n; i++) {
        TRY(buf_text(b, "<th>"));
        TRY(page_string(b, audits[i]->report.path));
        TRY(buf_text(b, "</th>"));
    }
    return buf_text(b, "</tr></thead><tbody>");
}

static glass_status put_component(struct buf *b, const glass_audit_component *c,
                                  bool alone) {
    if (c->grade == GLASS_AUDIT_MISSING) return buf_text(b, "<td class=\"soft\">missing");
    TRY(buf_printf(b, "<td><span class=\"%s\">%s</span>",
                   c->grade == GLASS_AUDIT_VERIFIED ? "good" : "", grades[c->grade]));
    TRY(buf_text(b, "<span class=\"small\">"));
    if (*c->licence) {
        TRY(page_string(b, c->licence));
        TRY(buf_printf(b, ", %s; %s", grades[c->licence_grade],
                       !c->open ? "not open"
                       : c->fit ? "open"
                                : "open, not meant for this"));
    } else {
        TRY(buf_text(b, "no licence at hand"));
    }
    TRY(buf_text(b, "</span>"));
    if (!alone) return GLASS_OK;
    TRY(buf_text(b, "</td><td>"));
    TRY(page_string(b, c->words));
    return put_evidence(b, &c->evidence);
}

static glass_status put_components(struct buf *b, const glass_audit *const *audits,
                                   int64_t n) {
    TRY(buf_text(b, "<h2>Parts of a model</h2>"));
    TRY(head(b, audits, n, "component, class of the Model Openness Framework"));
    for (int k = 0; k < GLASS_MOF_COMPONENTS; k++) {
        const glass_audit_component *c = &audits[0]->components[k];
        TRY(buf_printf(b, "<tr><td>%s<span class=\"small\">%s, class %.*s%s</span></td>",
                       c->name, c->content, c->mof_class, "III",
                       c->required ? "" : ", optional"));
        for (int64_t i = 0; i < n; i++) {
            TRY(put_component(b, &audits[i]->components[k], n == 1));
            TRY(buf_text(b, "</td>"));
        }
        if (n == 1 && c->grade == GLASS_AUDIT_MISSING) TRY(buf_text(b, "<td></td>"));
        TRY(buf_text(b, "</tr>"));
    }
    return buf_text(b, "</tbody></table></div>");
}

/* The same point of another audit: all have the same points in one order. */
static glass_status put_points(struct buf *b, const glass_audit *const *audits, int64_t n) {
    const glass_audit_report *first = &audits[0]->report;
    TRY(buf_text(b, "<h2>How open, by seven measures</h2>"));
    TRY(head(b, audits, n, "measure"));
    for (int64_t k = 0; k < first->n_points; k++) {
        const glass_audit_point *p = &first->points[k];
        TRY(buf_printf(b, "<tr><td>%s<span class=\"small\">%s</span></td>",
                       *p->name ? p->name : "result", p->measure));
        for (int64_t i = 0; i < n; i++) {
            p = &audits[i]->report.points[k];
            TRY(buf_printf(b, "<td>%s<span class=\"small\">%s", p->value,
                           grades[p->grade]));
            if (*p->words && n <= 3) {
                TRY(buf_text(b, "; "));
                TRY(page_string(b, p->words));
            }
            TRY(buf_text(b, "</span></td>"));
        }
        TRY(buf_text(b, "</tr>"));
    }
    return buf_text(b, "</tbody></table></div>");
}

static glass_status put_findings(struct buf *b, const glass_audit_report *r) {
    static const char *const kinds[] = {"Contradiction", "Gap", "Warning"};
    TRY(buf_text(b, "<h3>What does not fit</h3>"));
    if (r->n_findings == 0) return buf_text(b, "<p class=\"soft\">Nothing was found.</p>");
    TRY(buf_text(b, "<ul>"));
    for (int64_t i = 0; i < r->n_findings; i++) {
        const glass_audit_finding *f = &r->findings[i];
        TRY(buf_printf(b, "<li><span class=\"bad\">%s</span>: ", kinds[f->kind]));
        TRY(page_string(b, f->words));
        TRY(buf_text(b, "<br>"));
        TRY(put_evidence(b, &f->one));
        if (*f->other.file) TRY(buf_text(b, "<br>"));
        TRY(put_evidence(b, &f->other));
        TRY(buf_text(b, "</li>"));
    }
    return buf_text(b, "</ul>");
}

static glass_status put_checks(struct buf *b, const glass_audit_report *r) {
    if (r->n_checks == 0) return GLASS_OK;
    TRY(buf_text(b, "<h3>What was computed again</h3><ul>"));
    for (int64_t i = 0; i < r->n_checks; i++) {
        const glass_audit_check *c = &r->checks[i];
        TRY(buf_printf(b, "<li><span class=\"%s\">%s</span>, %s: ",
                       c->good ? "good" : "bad", c->good ? "holds" : "fails", c->name));
        TRY(page_string(b, c->words));
        TRY(buf_text(b, "</li>"));
    }
    return buf_text(b, "</ul>");
}

static glass_status put_claims(struct buf *b, const glass_audit_report *r) {
    TRY(buf_text(b, "<h3>What says under which licence</h3><div class=\"wide\"><table>"
                    "<thead><tr><th>part</th><th>licence</th><th>where</th></tr></thead>"
                    "<tbody>"));
    for (int64_t i = 0; i < r->n_claims; i++) {
        const glass_audit_claim *c = &r->claims[i];
        TRY(buf_printf(b, "<tr><td>%s<span class=\"small\">", parts[c->part]));
        TRY(page_string(b, c->subject));
        TRY(buf_text(b, "</span></td><td>"));
        TRY(page_string(b, c->name));
        TRY(buf_printf(b, "<span class=\"small\">%s%s%s%s</span></td><td>",
                       grades[c->grade], *c->how ? ", by " : "", c->how,
                       c->changed ? ", its words differ from the known text" : ""));
        TRY(put_evidence(b, &c->evidence));
        TRY(buf_text(b, "</td></tr>"));
    }
    return buf_text(b, "</tbody></table></div>");
}

static glass_status put_page(struct buf *b, const glass_audit *const *audits, int64_t n) {
    TRY(buf_printf(
        b,
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
        "'none';style-src 'unsafe-inline'\"><title>Audit</title><style>%s</style>"
        "</head><body><h1>How open: ",
        style));
    for (int64_t i = 0; i < n; i++) {
        if (i > 0) TRY(buf_text(b, ", "));
        TRY(page_string(b, audits[i]->report.path));
    }
    TRY(buf_text(b,
                 "</h1><p class=\"soft\">Verified: recognised or computed from the bytes "
                 "at hand. Declared: something at hand says so. Inherited: by a licence "
                 "of another part. Missing: nothing at hand says so. Not legal advice."
                 "</p>"));
    TRY(put_points(b, audits, n));
    TRY(put_components(b, audits, n));
    for (int64_t i = 0; i < n; i++) {
        const glass_audit_report *r = &audits[i]->report;
        TRY(buf_text(b, "<h2>"));
        TRY(page_string(b, r->path));
        TRY(buf_printf(b, "</h2><p class=\"soft\">%" PRId64 " files seen</p>", r->n_files));
        TRY(put_findings(b, r));
        TRY(put_checks(b, r));
        TRY(put_claims(b, r));
    }
    return buf_text(b, "</body></html>\n");
}

glass_status glass_audit_html(char **html, size_t *n_bytes,
                              const glass_audit *const *audits, int64_t n) {
    struct buf b = {0};
    size_t length;
    *html = NULL;
    if (n < 1) return fail(GLASS_USAGE, "a report is of one audit at least");
    glass_status status = put_page(&b, audits, n);
    if (status == GLASS_OK) status = buf_take(&b, html, &length);
    if (status == GLASS_OK && n_bytes != NULL) *n_bytes = length;
    buf_free(&b);
    return status;
}
