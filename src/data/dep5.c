/* dep5.c - see dep5.h. */
#include "data/dep5.h"

#include "data/licence.h"
#include "data/notice.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { MOST_STANZAS = 20000 };

static bool is_name(const char *at, const char *end, const char *name, const char **value) {
    size_t n = strlen(name);
    if ((size_t)(end - at) <= n || strncasecmp(at, name, n) != 0 || at[n] != ':')
        return false;
    *value = at + n + 1;
    return true;
}

static const char *line_end(const char *at, const char *end) {
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    return newline ? newline : end;
}

static bool blank(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r')) at++;
    return at == end;
}

/* The value from its first line to the last one that goes on with it. */
static const char *take_value(struct dep5_field *out, const char *value, const char *end) {
    const char *stop = line_end(value, end);
    for (const char *at = stop; at < end;) {
        const char *line = at + 1, *next;
        if (line >= end || (*line != ' ' && *line != '\t')) break;
        next = line_end(line, end);
        /* A line of blanks ends the stanza, in strict reading; many files have such lines by
         * mistake where " ." should be, so it goes on if an indented line follows. */
        at = next;
        stop = next;
    }
    while (value < stop && (*value == ' ' || *value == '\t')) value++;
    out->text = value;
    out->n_bytes = (size_t)(stop - value);
    return stop < end ? stop + 1 : end;
}

static glass_status add_stanza(struct dep5 *d, int *room) {
    if (d->n == MOST_STANZAS)
        return fail(GLASS_BAD_INPUT, "debian/copyright has more than %d stanzas",
                    MOST_STANZAS);
    if (d->n == *room) {
        *room = *room ? 2 * *room : 16;
        TRY(mem_resize(&d->stanzas, (size_t)*room, sizeof *d->stanzas));
    }
    memset(&d->stanzas[d->n], 0, sizeof *d->stanzas);
    d->stanzas[d->n++].files.text = NULL;
    return GLASS_OK;
}

static glass_status parse_lines(struct dep5 *d) {
    const char *at = d->data, *end = at + d->size;
    bool inside = false;
    int room = 0;
    while (at < end) {
        const char *stop = line_end(at, end), *value;
        if (blank(at, stop)) {
            inside = false;
            at = stop < end ? stop + 1 : end;
            continue;
        }
        if (*at == '#') { /* a comment, as in other control files */
            at = stop < end ? stop + 1 : end;
            continue;
        }
        if (!inside) TRY(add_stanza(d, &room));
        inside = true;
        struct dep5_stanza *s = &d->stanzas[d->n - 1];
        struct dep5_field other;
        if (is_name(at, stop, "Files", &value))
            at = take_value(&s->files, value, end);
        else if (is_name(at, stop, "Copyright", &value))
            at = take_value(&s->copyright, value, end);
        else if (is_name(at, stop, "License", &value) ||
                 is_name(at, stop, "Licence", &value))
            at = take_value(&s->licence, value, end);
        else
            at = take_value(&other, at, end);
    }
    return GLASS_OK;
}

/* "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/" and drafts. */
static bool has_format(const char *data, size_t size) {
    const char *end = data + size, *at = data, *value;
    if (size >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0) at += 3;
    while (at < end) { /* comments and the header's other fields may come first */
        const char *stop = line_end(at, end);
        if (blank(at, stop) && at != data) return false;
        if (is_name(at, stop, "Format", &value) ||
            is_name(at, stop, "Format-Specification", &value)) {
            size_t n = (size_t)(end - value);
            if (n > 400) n = 400;
            return memmem(value, n, "copyright-format", 16) ||
                   memmem(value, n, "dep5", 4) || memmem(value, n, "DEP5", 4) ||
                   memmem(value, n, "CopyrightFormat", 15);
        }
        at = stop < end ? stop + 1 : end;
    }
    return false;
}

glass_status dep5_parse(struct dep5 *out, const char *data, size_t size) {
    *out = (struct dep5){.data = data, .size = size};
    if (!has_format(data, size)) return GLASS_NEGATIVE;
    glass_status status = parse_lines(out);
    if (status != GLASS_OK) dep5_clear(out);
    return status;
}

void dep5_clear(struct dep5 *d) {
    mem_free(d->stanzas);
    d->stanzas = NULL;
    d->n = 0;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool fits(const struct dep5_field *files, const char *path) {
    const char *at = files->text, *end = at + files->n_bytes;
    while (at < end) {
        while (at < end && is_blank(*at)) at++;
        const char *stop = at;
        while (stop < end && !is_blank(*stop)) stop++;
        size_t n = (size_t)(stop - at);
        const char *pattern = at;
        if (n > 2 && pattern[0] == '.' && pattern[1] == '/') pattern += 2, n -= 2;
        /* Early drafts parted patterns by commas. */
        if (n > 1 && pattern[n - 1] == ',') n--;
        if (n > 0 && licence_glob(pattern, n, path, strlen(path))) return true;
        at = stop;
    }
    return false;
}

int dep5_find(const struct dep5 *d, const char *path) {
    int found = -1;
    for (int i = 0; i < d->n; i++)
        if (d->stanzas[i].files.n_bytes > 0 && fits(&d->stanzas[i].files, path)) found = i;
    return found;
}

static struct dep5_field first_line(const struct dep5_field *f) {
    struct dep5_field line = *f;
    const char *newline = f->n_bytes ? memchr(f->text, '\n', f->n_bytes) : NULL;
    if (newline) line.n_bytes = (size_t)(newline - f->text);
    while (line.n_bytes > 0 && is_blank(line.text[line.n_bytes - 1])) line.n_bytes--;
    return line;
}

/* The licence's text: below the short name, or in the stanza of its own that has the name. */
static struct dep5_field body_of(const struct dep5 *d, const struct dep5_field *licence) {
    struct dep5_field name = first_line(licence);
    struct dep5_field body = {licence->text + name.n_bytes,
                              licence->n_bytes - name.n_bytes};
    if (!blank(body.text, body.text + body.n_bytes) &&
        memchr(body.text, '\n', body.n_bytes))
        return body;
    for (int i = 0; i < d->n; i++) {
        const struct dep5_stanza *s = &d->stanzas[i];
        struct dep5_field own = first_line(&s->licence);
        if (s->files.n_bytes == 0 && s->licence.n_bytes > own.n_bytes &&
            own.n_bytes == name.n_bytes &&
            strncasecmp(own.text, name.text, own.n_bytes) == 0)
            return (struct dep5_field){s->licence.text + own.n_bytes,
                                       s->licence.n_bytes - own.n_bytes};
    }
    return (struct dep5_field){NULL, 0};
}

/* Where the short name says GFDL and no more, the text tells about invariant sections. */
static glass_status refine(struct buf *name, const struct buf *body, size_t from) {
    const char *id = name->data + from;
    if (strncmp(id, "GFDL-", 5) != 0 || strchr(id, ' ') || strstr(id, "invariants"))
        return GLASS_OK;
    if (strncmp(body->data, "GFDL-", 5) != 0 || strchr(body->data, ' ')) return GLASS_OK;
    const char *said = strstr(body->data, "-no-invariants") ? "-no-invariants"
                       : strstr(body->data, "-invariants")  ? "-invariants"
                                                            : NULL;
    if (said == NULL) return GLASS_OK;
    char version[16];
    snprintf(version, sizeof version, "%.8s", id); /* GFDL-1.3 */
    bool or_later = strstr(id, "-or-later") != NULL;
    name->len = from;
    return buf_printf(name, "%s%s%s", version, said, or_later ? "-or-later" : "-only");
}

/* "GPL-2.0-only" where the text says "or any later version", and the reverse. */
static bool disagree(const char *name, const char *body) {
    if (body[0] == '\0' || strchr(name, ' ') || strchr(body, ' ')) return false;
    if (strncmp(name, "LicenseRef-", 11) == 0 || strncmp(body, "LicenseRef-", 11) == 0)
        return false;
    const char *families[] = {"GPL-", "LGPL-", "AGPL-", "GFDL-"};
    for (size_t i = 0; i < 4; i++)
        if (strncmp(name, families[i], strlen(families[i])) == 0 &&
            strncmp(body, families[i], strlen(families[i])) == 0)
            return strcmp(name, body) != 0;
    return false;
}

/* A name that nobody but the file's author knows. */
static bool is_unknown(const char *name) {
    return strncmp(name, "LicenseRef-", 11) == 0 && strchr(name, ' ') == NULL &&
           licence_flags(name, strlen(name)) == 0;
}

/* What the stanza of its own says that an unknown name (as an id) has; nothing if none does. */
static glass_status text_of_name(struct buf *out, const struct dep5 *d, const char *id,
                                 size_t n) {
    struct buf name = {0};
    glass_status status = GLASS_OK;
    for (int i = 0; i < d->n && status == GLASS_OK && out->len == 0; i++) {
        const struct dep5_stanza *s = &d->stanzas[i];
        struct dep5_field own = first_line(&s->licence);
        if (s->files.n_bytes > 0 || s->licence.n_bytes <= own.n_bytes) continue;
        buf_clear(&name);
        status = licence_normal(&name, own.text, own.n_bytes);
        if (status == GLASS_OK && name.len == n && memcmp(name.data, id, n) == 0)
            status = notice_expression(out, own.text + own.n_bytes,
                                       s->licence.n_bytes - own.n_bytes);
    }
    buf_free(&name);
    return status;
}

/* "GPL-2+ or Less": a name among several that nobody knows is what its own text is. */
static glass_status resolve(struct buf *out, size_t from, const struct dep5 *d) {
    static const char mark[] = "LicenseRef-";
    struct buf whole = {0}, said = {0};
    glass_status status = GLASS_OK;
    bool any = false;
    for (size_t at = from; at < out->len && status == GLASS_OK;) {
        size_t n = strcspn(out->data + at, " ()");
        const char *id = out->data + at;
        buf_clear(&said);
        if (n > sizeof mark - 1 && memcmp(id, mark, sizeof mark - 1) == 0 &&
            licence_flags(id, n) == 0)
            status = text_of_name(&said, d, id, n);
        if (n == 0) n = 1; /* a space, a parenthesis */
        if (status == GLASS_OK && said.len > 0) {
            status = buf_printf(&whole, "(%s)", said.data);
            any = true;
        } else if (status == GLASS_OK) {
            status = buf_append(&whole, id, n);
        }
        at += n;
    }
    if (status == GLASS_OK && any) {
        out->len = from;
        status = licence_normal(out, whole.data, whole.len);
    }
    buf_free(&whole);
    buf_free(&said);
    return status;
}

glass_status dep5_licence(struct buf *out, const struct dep5 *d, int stanza,
                          bool *contradictory) {
    const struct dep5_stanza *s = &d->stanzas[stanza];
    *contradictory = false;
    if (s->licence.n_bytes == 0) return GLASS_OK;
    struct dep5_field name = first_line(&s->licence), body = body_of(d, &s->licence);
    struct buf said = {0};
    size_t from = out->len;
    glass_status status = licence_normal(out, name.text, name.n_bytes);
    if (status == GLASS_OK && body.n_bytes > 0)
        status = notice_expression(&said, body.text, body.n_bytes);
    bool nameless =
        status == GLASS_OK && (out->len == from || is_unknown(out->data + from));
    if (status == GLASS_OK && nameless && said.len > 0) {
        out->len = from; /* "MIT-like": its text says more */
        status = buf_append(out, said.data, said.len);
    } else if (status == GLASS_OK && !nameless) {
        status = resolve(out, from, d);
        if (status == GLASS_OK && said.len > 0) status = refine(out, &said, from);
        if (status == GLASS_OK && said.len > 0)
            *contradictory = disagree(out->data + from, said.data);
        if (status == GLASS_OK && *contradictory)
            status = buf_printf(out, " AND %s", said.data);
    }
    buf_free(&said);
    return status;
}

static bool of_packaging(const struct dep5_field *files) {
    return files->n_bytes >= 6 && strncmp(files->text, "debian", 6) == 0 &&
           memchr(files->text, '\n', files->n_bytes) == NULL;
}

glass_status dep5_whole(struct buf *out, const struct dep5 *d, bool *contradictory) {
    struct buf all = {0}, one = {0}, joined = {0};
    glass_status status = GLASS_OK;
    *contradictory = false;
    for (int i = 0; i < d->n && status == GLASS_OK; i++) {
        bool contradicts;
        if (d->stanzas[i].files.n_bytes == 0 || of_packaging(&d->stanzas[i].files))
            continue;
        buf_clear(&one);
        buf_clear(&joined);
        status = dep5_licence(&one, d, i, &contradicts);
        if (status != GLASS_OK) break;
        *contradictory |= contradicts;
        status = licence_join(&joined, all.data && all.len ? all.data : "",
                              one.data && one.len ? one.data : "", "AND");
        if (status != GLASS_OK) break;
        struct buf old = all;
        all = joined;
        joined = old;
    }
    if (status == GLASS_OK && all.len > 0) status = buf_append(out, all.data, all.len);
    buf_free(&all);
    buf_free(&one);
    buf_free(&joined);
    return status;
}
