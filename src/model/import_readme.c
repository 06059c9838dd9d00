/* import_readme.c - what a model card says: the YAML between two lines of --- at the top of
 * README.md, under the keys that llama.cpp's converter gives it.
 *
 * Of YAML it reads what cards are written in: top-level keys with a scalar, a list of scalars
 * below or in brackets. Maps and blocks of text inside are passed over. */
#include "base/path.h"
#include "model/import_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { README_BYTES = 16 << 20, CARD_ITEMS = 4096, CARD_TEXT = 1 << 16 };

struct item {
    char *key, *text;
};

struct card {
    struct item *items; /* lists repeat their key */
    int n;
};

static void card_clear(struct card *c) {
    for (int i = 0; i < c->n; i++) {
        mem_free(c->items[i].key);
        mem_free(c->items[i].text);
    }
    mem_free(c->items);
    *c = (struct card){0};
}

static glass_status add(struct card *c, const char *key, size_t n_key, const char *text,
                        size_t n) {
    if (n == 0 || c->n >= CARD_ITEMS || n > CARD_TEXT) return GLASS_OK;
    TRY(mem_resize(&c->items, (size_t)c->n + 1, sizeof *c->items));
    struct item *item = &c->items[c->n++];
    *item = (struct item){0};
    TRY(mem_copy_text(&item->key, key, n_key));
    return mem_copy_text(&item->text, text, n);
}

/* ---- YAML ---- */

/* A scalar in quotes that begins at *at; *at is then behind it. */
static glass_status quoted(struct buf *out, const char **at, const char *end) {
    char quote = **at;
    const char *start = (*at)++;
    for (; *at < end; (*at)++) {
        if (quote == '\'' && **at == quote && *at + 1 < end && (*at)[1] == quote)
            (*at)++;
        else if (quote == '"' && **at == '\\' && *at + 1 < end)
            (*at)++;
        else if (**at == quote)
            break;
        if (quote == '\'') TRY(buf_byte(out, **at));
    }
    if (*at < end) (*at)++;
    if (quote == '\'') return GLASS_OK;
    json_t *text = json_loadb(start, (size_t)(*at - start), JSON_DECODE_ANY, NULL);
    glass_status status =
        json_is_string(text)
            ? buf_append(out, json_string_value(text), json_string_length(text))
            : buf_append(out, start + 1, (size_t)(*at - start - 1));
    json_decref(text);
    return status;
}

/* One scalar up to the end or a character of `stops`; *at is then there. */
static glass_status scalar(struct card *c, const char *key, size_t n_key, const char **at,
                           const char *end, const char *stops) {
    struct buf text = {0};
    const char *start;
    bool plain;
    while (*at < end && (**at == ' ' || **at == '\t')) (*at)++;
    glass_status status = buf_text(&text, "");
    plain = *at == end || (**at != '"' && **at != '\'');
    if (status == GLASS_OK && !plain) status = quoted(&text, at, end);
    for (start = *at; *at < end && strchr(stops, **at) == NULL; (*at)++)
        if (**at == '#' && (*at == start || (*at)[-1] == ' ')) break;
    if (plain) {
        const char *last = *at;
        while (last > start && strchr(" \t\r", last[-1]) != NULL) last--;
        size_t n = (size_t)(last - start);
        bool nothing =
            (n == 1 && *start == '~') || (n == 4 && strncmp(start, "null", 4) == 0);
        if (status == GLASS_OK && !nothing) status = buf_append(&text, start, n);
    }
    if (status == GLASS_OK) status = add(c, key, n_key, text.data, text.len);
    buf_free(&text);
    return status;
}

static glass_status value(struct card *c, const char *key, size_t n_key, const char *at,
                          const char *end) {
    while (at < end && (*at == ' ' || *at == '\t')) at++;
    if (at == end || *at == '|' || *at == '>' || *at == '{' || *at == '&') return GLASS_OK;
    if (*at != '[') return scalar(c, key, n_key, &at, end, "");
    while (at < end && *at != ']') {
        at++;
        TRY(scalar(c, key, n_key, &at, end, ",]"));
        while (at < end && *at != ',' && *at != ']') at++;
    }
    return GLASS_OK;
}

static glass_status parse(struct card *c, const char *at, const char *end) {
    const char *key = NULL;
    size_t n_key = 0;
    while (at < end) {
        const char *line = at, *stop = memchr(at, '\n', (size_t)(end - at)), *colon;
        if (stop == NULL) stop = end;
        at = stop == end ? end : stop + 1;
        if (stop - line >= 3 && strncmp(line, "---", 3) == 0) break;
        size_t indent = 0;
        while (line < stop && *line == ' ') line++, indent++;
        if (line == stop || *line == '#' || *line == '\r') continue;
        if (line + 1 < stop && line[0] == '-' && line[1] == ' ') {
            /* "- name: x" is a map, which no list that counts here has. */
            bool map = *(line + 2) != '"' && memmem(line, (size_t)(stop - line), ": ", 2);
            if (key != NULL && !map && indent <= 4)
                TRY(value(c, key, n_key, line + 2, stop));
            continue;
        }
        if (indent > 0) continue;
        colon = memchr(line, ':', (size_t)(stop - line));
        key = colon == NULL ? NULL : line;
        n_key = colon == NULL ? 0 : (size_t)(colon - line);
        if (colon != NULL) TRY(value(c, key, n_key, colon + 1, stop));
    }
    return GLASS_OK;
}

/* ---- keys ---- */

/* "a|b": whether the key is one of them. */
static bool is_key(const char *keys, const char *key) {
    size_t n_key = strlen(key);
    while (*keys) {
        size_t n = strcspn(keys, "|");
        if (n == n_key && strncmp(keys, key, n) == 0) return true;
        keys += keys[n] ? n + 1 : n;
    }
    return false;
}

/* All items of these keys, with commas between them; "" if there are none. */
static glass_status joined(struct buf *out, const struct card *c, const char *keys,
                           const char *between) {
    buf_clear(out);
    TRY(buf_text(out, ""));
    for (int i = 0; i < c->n; i++) {
        if (!is_key(keys, c->items[i].key)) continue;
        if (out->len > 0) TRY(buf_text(out, between));
        TRY(buf_text(out, c->items[i].text));
    }
    return GLASS_OK;
}

static glass_status put_texts(struct gguf_writer *values, const struct card *c) {
    static const struct {
        const char *theirs, *ours, *between;
    } rows[] = {{"author|authors|model_author|model_creator", "general.author", ", "},
                {"version|model_version", "general.version", ", "},
                {"organization|model_organization", "general.organization", ", "},
                {"description|model_description", "general.description", "\n"},
                {"finetune|model_finetune", "general.finetune", "-"},
                {"basename|model_basename", "general.basename", "-"},
                {"size_label|model_size_label", "general.size_label", ", "},
                {"quantized_by", "general.quantized_by", ", "},
                {"license_name", "general.license.name", ", "},
                {"license_link", "general.license.link", ", "},
                {"url|model_url", "general.source.url", ", "},
                {"doi|model_doi", "general.source.doi", ", "},
                {"uuid|model_uuid", "general.source.uuid", ", "},
                {"repo_url|model_repo_url", "general.source.repo_url", ", "}};
    struct buf text = {0};
    glass_status status = GLASS_OK;
    for (size_t i = 0; status == GLASS_OK && i < sizeof rows / sizeof *rows; i++) {
        status = joined(&text, c, rows[i].theirs, rows[i].between);
        if (status == GLASS_OK && text.len > 0)
            status = gguf_put_text(values, rows[i].ours, text.data);
    }
    buf_free(&text);
    return status;
}

static glass_status put_list(struct gguf_writer *values, const struct card *c,
                             const char *theirs, const char *ours) {
    struct gguf_string *items;
    uint64_t n = 0;
    TRY(mem_alloc_zero(&items, (size_t)c->n + 1, sizeof *items));
    for (int i = 0; i < c->n; i++)
        if (is_key(theirs, c->items[i].key))
            items[n++] = (struct gguf_string){c->items[i].text, strlen(c->items[i].text)};
    glass_status status = n == 0 ? GLASS_OK : gguf_put_strings(values, ours, items, n);
    mem_free(items);
    return status;
}

/* "my-small-model-v2" is "My Small Model v2": words in small letters get a large one, but for
 * versions and what begins with a digit. */
static glass_status title(struct buf *out, const char *id, size_t n) {
    buf_clear(out);
    for (size_t i = 0; i < n;) {
        size_t m = 0;
        bool small = true;
        while (i + m < n && id[i + m] != '-') {
            small &= !(id[i + m] >= 'A' && id[i + m] <= 'Z');
            m++;
        }
        if (m > 1 && id[i] == 'v' && id[i + 1] >= '0' && id[i + 1] <= '9') small = false;
        for (size_t k = 0; k < m; k++) {
            char b = id[i + k];
            if (k == 0 && out->len > 0) TRY(buf_byte(out, ' '));
            TRY(buf_byte(out,
                         k == 0 && small && b >= 'a' && b <= 'z' ? (char)(b - 32) : b));
        }
        i += m + 1;
    }
    return out->data == NULL ? buf_text(out, "") : GLASS_OK;
}

static glass_status put_reference(struct gguf_writer *values, const char *kind, int i,
                                  const char *part, const char *text) {
    char key[80];
    snprintf(key, sizeof key, "general.%s.%d.%s", kind, i, part);
    return gguf_put_text(values, key, text);
}

/* ORG/NAME, an address, or a name alone. */
static glass_status put_source(struct gguf_writer *values, const char *kind, int i,
                               const char *id, struct buf *text) {
    static const char hub[] = "https://huggingface.co/";
    bool address = strstr(id, "://") != NULL;
    const char *name = strncmp(id, hub, strlen(hub)) == 0 ? id + strlen(hub) : id;
    const char *slash = strchr(name, '/');
    if (!address || name != id) {
        const char *own = slash == NULL ? name : slash + 1;
        TRY(title(text, own, strlen(own)));
        TRY(put_reference(values, kind, i, "name", text->data));
        if (slash != NULL) {
            TRY(title(text, name, (size_t)(slash - name)));
            TRY(put_reference(values, kind, i, "organization", text->data));
        }
    }
    if (address) return put_reference(values, kind, i, "repo_url", id);
    if (slash == NULL) return GLASS_OK;
    buf_clear(text);
    TRY(buf_printf(text, "%s%s", hub, name));
    return put_reference(values, kind, i, "repo_url", text->data);
}

static glass_status put_sources(struct gguf_writer *values, const struct card *c,
                                const char *theirs, const char *kind) {
    struct buf text = {0};
    char key[80];
    int n = 0;
    for (int i = 0; i < c->n; i++) n += is_key(theirs, c->items[i].key);
    if (n == 0) return GLASS_OK;
    snprintf(key, sizeof key, "general.%s.count", kind);
    glass_status status = gguf_put_int(values, key, GGUF_U32, n);
    n = 0;
    for (int i = 0; status == GLASS_OK && i < c->n; i++)
        if (is_key(theirs, c->items[i].key))
            status = put_source(values, kind, n++, c->items[i].text, &text);
    buf_free(&text);
    return status;
}

/* ---- a licence without a card ---- */

/* The licence that a file's first lines name, as the hub calls it. */
static const char *licence_of(const char *text) {
    static const struct {
        const char *a, *b, *id;
    } rows[] = {{"Apache License", "Version 2.0", "apache-2.0"},
                {"MIT License", "", "mit"},
                {"Permission is hereby granted, free of charge", "", "mit"},
                {"BSD 3-Clause", "", "bsd-3-clause"},
                {"LLAMA 2 COMMUNITY LICENSE", "", "llama2"},
                {"LLAMA 3.3 COMMUNITY LICENSE", "", "llama3.3"},
                {"LLAMA 3.2 COMMUNITY LICENSE", "", "llama3.2"},
                {"LLAMA 3.1 COMMUNITY LICENSE", "", "llama3.1"},
                {"META LLAMA 3 COMMUNITY LICENSE", "", "llama3"},
                {"GNU AFFERO GENERAL PUBLIC LICENSE", "Version 3", "agpl-3.0"},
                {"GNU LESSER GENERAL PUBLIC LICENSE", "Version 3", "lgpl-3.0"},
                {"GNU GENERAL PUBLIC LICENSE", "Version 3", "gpl-3.0"},
                {"Attribution 4.0 International", "", "cc-by-4.0"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcasestr(text, rows[i].a) != NULL && strcasestr(text, rows[i].b) != NULL)
            return rows[i].id;
    return NULL;
}

/* LICENSE, of which the first lines tell; one that is not known goes by its first line. */
static glass_status licence_file(struct gguf_writer *values, const char *folder) {
    enum { HEAD = 2000 };
    static const char *const names[] = {"LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE"};
    struct buf text = {0};
    glass_status status = GLASS_OK;
    for (int i = 0; status == GLASS_OK && text.len == 0 && i < 4; i++)
        status = import_read_file(&text, folder, names[i], README_BYTES);
    if (status == GLASS_OK && text.len > 0) {
        if (text.len > HEAD) text.data[HEAD] = '\0';
        const char *id = licence_of(text.data);
        status = gguf_put_text(values, "general.license", id == NULL ? "other" : id);
        const char *line = text.data + strspn(text.data, " \t\r\n#*");
        size_t n = strcspn(line, "\r\n");
        if (status == GLASS_OK && id == NULL && n > 0)
            status = gguf_put_string(values, "general.license.name",
                                     (struct gguf_string){line, n});
    }
    buf_free(&text);
    return status;
}

/* ---- both ---- */

static glass_status put_card(struct gguf_writer *values, const struct card *c,
                             const char *folder, bool *named) {
    struct buf text = {0};
    glass_status status = joined(&text, c, "model_name|name", " ");
    *named = status == GLASS_OK && text.len > 0;
    if (*named) status = gguf_put_text(values, "general.name", text.data);
    if (status == GLASS_OK) status = joined(&text, c, "license", ",");
    if (status == GLASS_OK)
        status = text.len > 0 ? gguf_put_text(values, "general.license", text.data)
                              : licence_file(values, folder);
    buf_free(&text);
    TRY(status);
    TRY(put_texts(values, c));
    TRY(put_sources(values, c, "base_model|base_models", "base_model"));
    TRY(put_sources(values, c, "datasets|dataset", "dataset"));
    TRY(put_list(values, c, "tags|pipeline_tag", "general.tags"));
    return put_list(values, c, "language|languages", "general.languages");
}

glass_status import_readme(struct gguf_writer *values, const char *folder, bool *named) {
    struct buf text = {0};
    struct card card = {0};
    *named = false;
    glass_status status = import_read_file(&text, folder, "README.md", README_BYTES);
    size_t start = text.len > 4 && strncmp(text.data, "---\n", 4) == 0     ? 4
                   : text.len > 5 && strncmp(text.data, "---\r\n", 5) == 0 ? 5
                                                                           : 0;
    if (status == GLASS_OK && start > 0)
        status = parse(&card, text.data + start, text.data + text.len);
    if (status == GLASS_OK) status = put_card(values, &card, folder, named);
    card_clear(&card);
    buf_free(&text);
    return status;
}
