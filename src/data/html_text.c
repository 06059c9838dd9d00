/* html_text.c - see html_text.h. */
#include "data/html_text.h"

#include "base/utf8.h"

#include <libxml/HTMLparser.h>
#include <limits.h>
#include <strings.h>

static bool one_of(const char *name, const char *const *words) {
    for (; *words != NULL; words++)
        if (strcasecmp(name, *words) == 0) return true;
    return false;
}

static bool is_left_out(const char *name) {
    static const char *const words[] = {
        "script", "style", "template", "noscript", "head", "iframe", "object",
        "svg",    "math",  "select",   "button",   "form", NULL};
    return one_of(name, words);
}

static bool is_block(const char *name) {
    static const char *const words[] = {
        "p",     "div",    "h1",         "h2",         "h3",     "h4",      "h5",
        "h6",    "ul",     "ol",         "li",         "dl",     "dt",      "dd",
        "table", "tr",     "pre",        "blockquote", "br",     "hr",      "td",
        "th",    "nav",    "section",    "article",    "header", "footer",  "body",
        "main",  "figure", "figcaption", "address",    "aside",  "caption", NULL};
    return one_of(name, words);
}

/* Two line feeds at most; no spaces at a line's end. */
static glass_status end_line(struct buf *out, int n_lines) {
    while (out->len > 0 && out->data[out->len - 1] == ' ') out->len--;
    if (out->len == 0) return GLASS_OK;
    int has = 0;
    while (has < 2 && (size_t)has < out->len &&
           out->data[out->len - 1 - (size_t)has] == '\n')
        has++;
    for (; has < n_lines; has++) TRY(buf_byte(out, '\n'));
    return GLASS_OK;
}

static glass_status put_text(struct buf *out, const char *text, bool verbatim) {
    if (verbatim) return buf_text(out, text);
    for (const char *p = text; *p != '\0';) {
        size_t n = strcspn(p, " \t\r\n\f");
        TRY(buf_append(out, p, n));
        p += n;
        if (*p == '\0') break;
        p += strspn(p, " \t\r\n\f");
        char last = out->len ? out->data[out->len - 1] : '\n';
        if (last != ' ' && last != '\n') TRY(buf_byte(out, ' '));
    }
    return GLASS_OK;
}

static bool is_paragraph(const char *name) {
    static const char *const words[] = {"p",          "h1",    "h2",  "h3", "h4",
                                        "h5",         "h6",    "ul",  "ol", "dl",
                                        "blockquote", "table", "pre", NULL};
    return one_of(name, words);
}

/* Depth first without recursion: pages may be nested without end. */
static glass_status walk(struct buf *out, xmlNodePtr root) {
    int in_pre = 0;
    for (xmlNodePtr node = root; node != NULL;) {
        const char *name = node->name ? (const char *)node->name : "";
        bool element = node->type == XML_ELEMENT_NODE;
        bool enter = element && !is_left_out(name);
        if (node->type == XML_TEXT_NODE || node->type == XML_CDATA_SECTION_NODE)
            TRY(put_text(out, node->content ? (const char *)node->content : "",
                         in_pre > 0));
        if (enter && is_block(name)) TRY(end_line(out, is_paragraph(name) ? 2 : 1));
        if (enter && strcasecmp(name, "li") == 0) TRY(buf_text(out, "- "));
        if (enter && node->children != NULL) {
            if (strcasecmp(name, "pre") == 0) in_pre++;
            node = node->children;
            continue;
        }
        while (node != root && node->next == NULL) {
            node = node->parent;
            const char *left = (const char *)node->name;
            if (strcasecmp(left, "pre") == 0 && in_pre > 0) in_pre--;
            if (is_block(left)) TRY(end_line(out, is_paragraph(left) ? 2 : 1));
        }
        if (node == root) break;
        node = node->next;
    }
    return GLASS_OK;
}

static xmlNodePtr find(xmlNodePtr root, const char *wanted) {
    for (xmlNodePtr node = root; node != NULL;) {
        if (node->type == XML_ELEMENT_NODE &&
            strcasecmp((const char *)node->name, wanted) == 0)
            return node;
        if (node->children != NULL && node->type == XML_ELEMENT_NODE) {
            node = node->children;
            continue;
        }
        while (node != root && node->next == NULL) node = node->parent;
        if (node == root) return NULL;
        node = node->next;
    }
    return NULL;
}

static bool is_utf8(const char *text, size_t n) {
    for (size_t at = 0; at < n;) {
        uint32_t c;
        at += utf8_decode(&c, text + at, n - at);
        if (c == UTF8_BAD) return false;
    }
    return true;
}

glass_status html_text(struct buf *out, struct buf *title, const char *html, size_t n_bytes,
                       const char *name) {
    glass_status status = GLASS_OK;
    buf_clear(out);
    buf_clear(title);
    if (n_bytes == 0) return GLASS_OK;
    if (n_bytes > INT_MAX / 2)
        return fail(GLASS_BAD_INPUT, "%s: a page of %zu bytes", name, n_bytes);
    htmlDocPtr doc =
        htmlReadMemory(html, (int)n_bytes, NULL, is_utf8(html, n_bytes) ? "UTF-8" : NULL,
                       HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
                           HTML_PARSE_NONET | HTML_PARSE_NODEFDTD);
    if (doc == NULL) return fail(GLASS_BAD_INPUT, "%s: no page of HTML", name);
    xmlNodePtr root = xmlDocGetRootElement(doc);
    if (root != NULL) {
        xmlNodePtr head = find(root, "title");
        if (head != NULL && head->children != NULL && head->children->content != NULL)
            status = put_text(title, (const char *)head->children->content, false);
        if (status == GLASS_OK) status = walk(out, root);
        while (out->len > 1 && out->data[out->len - 1] == '\n' &&
               out->data[out->len - 2] == '\n')
            out->data[--out->len] = '\0';
        if (status == GLASS_OK) status = end_line(out, 1);
    }
    xmlFreeDoc(doc);
    return status;
}
