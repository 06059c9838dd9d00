/* gather_parts.c - files that hold many documents: JSON lines, and texts between <doc …> and
 * </doc>. */
#include "data/gather.h"

#include "format/json_scan.h"

#include <stdlib.h>

/* Lines of an item, longest max_document. */
struct lines {
    struct item *item;
    const char *bytes; /* of the block that is being read */
    size_t n, at;
    struct buf *line;
    size_t limit;
    bool too_long;
};

/* The next line with its '\n'; *more is false at the end. */
static glass_status next_line(struct lines *l, bool *more) {
    const void *bytes;
    buf_clear(l->line);
    l->too_long = false;
    *more = false;
    for (;;) {
        if (l->at == l->n) {
            TRY(l->item->read(l->item->from, &bytes, &l->n));
            l->bytes = bytes;
            l->at = 0;
            if (l->n == 0) return GLASS_OK;
        }
        *more = true;
        const char *from = l->bytes + l->at;
        const char *newline = memchr(from, '\n', l->n - l->at);
        size_t take = newline ? (size_t)(newline - from) + 1 : l->n - l->at;
        if (l->line->len + take > l->limit)
            l->too_long = true;
        else if (!l->too_long)
            TRY(buf_append(l->line, from, take));
        l->at += take;
        if (newline) return GLASS_OK;
    }
}

/* ---- JSON lines ---- */

enum {
    FIELD_TEXT,
    FIELD_CONTENT,
    FIELD_DOCUMENT,
    FIELD_LICENCE,
    FIELD_TITLE,
    FIELD_URL,
    FIELD_AUTHOR,
    FIELD_MADE_BY,
    N_FIELDS
};

struct fields {
    struct buf values[N_FIELDS];
    bool has[N_FIELDS];
    size_t licence_at, n_licence; /* in the line */
};

static int field_of(const char *key, const char *text_field) {
    static const struct {
        const char *key;
        int field;
    } keys[] = {{"text", FIELD_TEXT},         {"content", FIELD_CONTENT},
                {"document", FIELD_DOCUMENT}, {"license", FIELD_LICENCE},
                {"licence", FIELD_LICENCE},   {"title", FIELD_TITLE},
                {"url", FIELD_URL},           {"author", FIELD_AUTHOR},
                {"made_by", FIELD_MADE_BY}};
    if (text_field != NULL && strcmp(key, text_field) == 0) return FIELD_TEXT;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i].key) == 0)
            return text_field != NULL && keys[i].field <= FIELD_DOCUMENT ? -1
                                                                         : keys[i].field;
    return -1;
}

static glass_status read_fields(struct fields *f, struct json_scan *s, struct buf *key,
                                const char *text_field) {
    bool more = true;
    TRY(json_scan_want(s, '{'));
    if (json_scan_take(s, '}')) return json_scan_end(s);
    while (more) {
        TRY(json_scan_key(s, key));
        int field = field_of(key->data, text_field);
        if (field < 0 || json_scan_peek(s) != '"') {
            TRY(json_scan_skip(s));
        } else {
            size_t at = s->pos;
            TRY(json_scan_string(s, &f->values[field], "a value"));
            f->has[field] = true;
            if (field == FIELD_LICENCE) {
                f->licence_at = at + 1;
                f->n_licence = s->pos - at - 2;
            }
        }
        TRY(json_scan_next(s, '}', &more));
    }
    return json_scan_end(s);
}

static const char *value(const struct fields *f, int field) {
    return f->has[field] ? f->values[field].data ? f->values[field].data : "" : NULL;
}

static glass_status put_line(struct gather *g, const char *path, int64_t part,
                             struct fields *f) {
    int field = FIELD_TEXT;
    while (field <= FIELD_DOCUMENT && !f->has[field]) field++;
    if (field > FIELD_DOCUMENT) {
        gather_skip(g, path, "a line without a text (--text-field)");
        return GLASS_OK;
    }
    struct draft d = {.path = path,
                      .part = part,
                      .raw = g->line.data,
                      .n_raw = g->line.len,
                      .text = value(f, field),
                      .n_text = f->values[field].len,
                      .kind = "jsonl",
                      .title = value(f, FIELD_TITLE),
                      .url = value(f, FIELD_URL),
                      .author = value(f, FIELD_AUTHOR),
                      .made_by = value(f, FIELD_MADE_BY),
                      .prose = true,
                      .stated_at = f->licence_at,
                      .n_stated = f->n_licence};
    /* An escaped value is rare enough in a licence's name to be read as it stands. */
    if (f->has[FIELD_LICENCE]) d.stated = g->line.data + f->licence_at;
    return gather_draft(g, &d);
}

static glass_status one_line(struct gather *g, const char *path, int64_t part,
                             struct fields *f, struct buf *key) {
    struct json_scan s = {.data = g->line.data, .size = g->line.len, .name = path};
    for (int i = 0; i < N_FIELDS; i++) {
        buf_clear(&f->values[i]);
        f->has[i] = false;
    }
    if (json_scan_peek(&s) == '\0') return GLASS_OK; /* an empty line */
    glass_status status = read_fields(f, &s, key, g->options->text_field);
    if (status != GLASS_BAD_INPUT)
        return status == GLASS_OK ? put_line(g, path, part, f) : status;
    struct buf reason = {0};
    status = buf_printf(&reason, "line %lld: %s", (long long)part + 1, glass_error());
    if (status == GLASS_OK) gather_skip(g, path, reason.data);
    buf_free(&reason);
    return status;
}

glass_status gather_lines(struct gather *g, struct item *item, const char *path,
                          const void *first, size_t n_first) {
    struct buf block = {0}, key = {0};
    struct fields f = {0};
    bool more = true;
    glass_status status = buf_append(&block, first, n_first);
    struct lines l = {.item = item,
                      .bytes = block.data,
                      .n = n_first,
                      .line = &g->line,
                      .limit = (size_t)g->max_document};
    for (int64_t part = 0; status == GLASS_OK; part++) {
        status = next_line(&l, &more);
        if (status != GLASS_OK || !more) break;
        if (l.too_long)
            gather_skip(g, path, "a line longer than a document may be (--max-document)");
        else
            status = one_line(g, path, part, &f, &key);
    }
    for (int i = 0; i < N_FIELDS; i++) buf_free(&f.values[i]);
    buf_free(&block);
    buf_free(&key);
    return status;
}

/* ---- <doc title="…" url="…" license="…"> ---- */

/* The value of an attribute, its entities read, and where it stands. */
static glass_status attribute(struct buf *out, const char *tag, size_t n, const char *name,
                              size_t *at, size_t *n_value, bool *found) {
    static const struct {
        const char *entity, *text;
    } entities[] = {{"&quot;", "\""}, {"&amp;", "&"}, {"&lt;", "<"},  {"&gt;", ">"},
                    {"&#x27;", "'"},  {"&#39;", "'"}, {"&apos;", "'"}};
    struct buf mark = {0};
    *found = false;
    buf_clear(out);
    TRY(buf_printf(&mark, " %s=\"", name));
    const char *begin = memmem(tag, n, mark.data, mark.len);
    size_t n_mark = mark.len;
    buf_free(&mark);
    if (begin == NULL) return GLASS_OK;
    begin += n_mark;
    const char *end = memchr(begin, '"', n - (size_t)(begin - tag));
    if (end == NULL) return GLASS_OK;
    *found = true;
    *at = (size_t)(begin - tag);
    *n_value = (size_t)(end - begin);
    while (begin < end) {
        bool read = false;
        for (size_t i = 0; *begin == '&' && !read && i < sizeof entities / sizeof *entities;
             i++) {
            size_t k = strlen(entities[i].entity);
            if ((size_t)(end - begin) < k || memcmp(begin, entities[i].entity, k) != 0)
                continue;
            TRY(buf_text(out, entities[i].text));
            begin += k;
            read = true;
        }
        if (!read) TRY(buf_byte(out, *begin++));
    }
    return buf_reserve(out, 1);
}

/* g->raw holds the element from its tag to before </doc>. */
static glass_status put_doc(struct gather *g, const char *path, int64_t part) {
    const char *raw = g->raw.data;
    const char *newline = memchr(raw, '\n', g->raw.len);
    size_t n_tag = newline ? (size_t)(newline - raw) : g->raw.len;
    size_t from = newline ? n_tag + 1 : n_tag, at, n;
    bool titled, addressed, licensed;
    TRY(attribute(&g->title, raw, n_tag, "title", &at, &n, &titled));
    TRY(attribute(&g->path, raw, n_tag, "url", &at, &n, &addressed));
    TRY(attribute(&g->text, raw, n_tag, "license", &at, &n, &licensed));
    struct draft d = {.path = path,
                      .part = part,
                      .raw = raw,
                      .n_raw = g->raw.len,
                      .text = raw + from,
                      .n_text = g->raw.len - from,
                      .kind = "doc",
                      .title = titled ? g->title.data : NULL,
                      .url = addressed ? g->path.data : NULL,
                      .prose = true,
                      .stated = licensed ? raw + at : NULL,
                      .stated_at = at,
                      .n_stated = licensed ? n : 0};
    return gather_draft(g, &d);
}

glass_status gather_docs(struct gather *g, struct item *item, const char *path,
                         const void *first, size_t n_first) {
    struct buf block = {0};
    bool more = true, inside = false, too_long = false;
    int64_t part = 0;
    glass_status status = buf_append(&block, first, n_first);
    struct lines l = {.item = item,
                      .bytes = block.data,
                      .n = n_first,
                      .line = &g->line,
                      .limit = (size_t)g->max_document};
    while (status == GLASS_OK) {
        status = next_line(&l, &more);
        if (status != GLASS_OK) break;
        const char *line = l.line->len ? l.line->data : "";
        bool opens = strncmp(line, "<doc ", 5) == 0,
             closes = strncmp(line, "</doc>", 6) == 0;
        if (inside && (opens || closes || !more)) {
            if (too_long)
                gather_skip(g, path, "longer than a document may be (--max-document)");
            else
                status = put_doc(g, path, part);
            part++;
            inside = false;
        }
        if (!more || status != GLASS_OK) break;
        if (opens) {
            inside = true;
            too_long = false;
            buf_clear(&g->raw);
        }
        if (!inside) continue;
        too_long |= l.too_long || g->raw.len + l.line->len > (size_t)g->max_document;
        if (!too_long) status = buf_append(&g->raw, l.line->data, l.line->len);
    }
    buf_free(&block);
    return status;
}
