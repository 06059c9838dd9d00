/* audit_card.c - see audit_card.h. Read by libyaml's events: aliases are not followed, so that no
 * small text becomes a large one. */
#include "open/audit_card.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

enum { DEPTH = 24, KEY_MOST = 400 };

struct level {
    bool list;
    int item;         /* of a list, the next one */
    bool key;         /* of a map: a key comes next */
    size_t key_bytes; /* of the path, without this level's */
};

struct builder {
    struct card *card;
    const char *text; /* the YAML */
    size_t n, offset; /* its place in the file */
    size_t at, chars; /* byte and character that have been counted so far */
    struct level levels[DEPTH];
    int depth;
    char path[KEY_MOST];
    size_t path_bytes;
};

/* libyaml counts characters. Marks come in the text's order. */
static size_t byte_of(struct builder *b, size_t index) {
    if (index < b->chars) b->at = b->chars = 0;
    while (b->chars < index && b->at < b->n) {
        b->at++;
        while (b->at < b->n && ((unsigned char)b->text[b->at] & 0xc0) == 0x80) b->at++;
        b->chars++;
    }
    return b->offset + b->at;
}

static glass_status add(struct builder *b, const char *value, size_t n,
                        const yaml_event_t *e) {
    struct card *c = b->card;
    if (c->n >= CARD_MEMBERS) return GLASS_OK;
    if (c->n == c->room) {
        int room = c->room > 0 ? 2 * c->room : 32;
        TRY(mem_resize(&c->members, (size_t)room, sizeof *c->members));
        c->room = room;
    }
    struct card_member *m = &c->members[c->n];
    *m = (struct card_member){0};
    TRY(mem_copy_text(&m->key, b->path, b->path_bytes));
    glass_status status = mem_copy_text(&m->value, value, n);
    if (status != GLASS_OK) {
        mem_free(m->key);
        return status;
    }
    m->begin = byte_of(b, e->start_mark.index);
    m->end = byte_of(b, e->end_mark.index);
    c->n++;
    return GLASS_OK;
}

/* Puts what comes next in its place: the path has its name. False: it is a key itself. */
static bool place(struct builder *b, const char *text, size_t n) {
    if (b->depth == 0) return true;
    struct level *l = &b->levels[b->depth - 1];
    b->path_bytes = l->key_bytes;
    if (l->list) {
        int k =
            snprintf(b->path + b->path_bytes, KEY_MOST - b->path_bytes, "[%d]", l->item++);
        if (k > 0 && b->path_bytes + (size_t)k < KEY_MOST) b->path_bytes += (size_t)k;
        return true;
    }
    if (!l->key) {
        l->key = true;
        /* The key was put behind key_bytes; it is still there. */
        b->path_bytes = strlen(b->path);
        return true;
    }
    bool dot = b->path_bytes > 0;
    if (text != NULL && b->path_bytes + dot + n + 1 < KEY_MOST) {
        if (dot) b->path[b->path_bytes] = '.';
        memcpy(b->path + b->path_bytes + dot, text, n);
        b->path[b->path_bytes + dot + n] = '\0';
        b->path_bytes += dot + n;
    }
    l->key = false;
    return false;
}

static bool down(struct builder *b, bool list) {
    if (b->depth == DEPTH) return false;
    place(b, NULL, 0);
    b->levels[b->depth++] =
        (struct level){.list = list, .key = true, .key_bytes = b->path_bytes};
    return true;
}

static void up(struct builder *b) {
    if (b->depth == 0) return;
    b->depth--;
    b->path_bytes = b->levels[b->depth].key_bytes;
    b->path[b->path_bytes] = '\0';
}

static glass_status take(struct builder *b, const yaml_event_t *e, bool *more) {
    const char *text = (const char *)e->data.scalar.value;
    switch (e->type) {
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
        *more = down(b, e->type == YAML_SEQUENCE_START_EVENT);
        if (!*more) snprintf(b->card->problem, sizeof b->card->problem, "it is too deep");
        return GLASS_OK;
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT: up(b); return GLASS_OK;
    case YAML_ALIAS_EVENT: place(b, "*", 1); return GLASS_OK;
    case YAML_SCALAR_EVENT:
        if (!place(b, text, e->data.scalar.length)) return GLASS_OK;
        return add(b, text, e->data.scalar.length, e);
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT: *more = false; return GLASS_OK;
    default: return GLASS_OK;
    }
}

static glass_status read_yaml(struct builder *b) {
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) return fail_memory(sizeof parser);
    yaml_parser_set_input_string(&parser, (const unsigned char *)b->text, b->n);
    glass_status status = GLASS_OK;
    for (bool more = true; more && status == GLASS_OK;) {
        yaml_event_t e;
        if (!yaml_parser_parse(&parser, &e)) {
            snprintf(b->card->problem, sizeof b->card->problem, "line %zu of its YAML: %s",
                     parser.problem_mark.line + 1,
                     parser.problem != NULL ? parser.problem : "it is no YAML");
            break;
        }
        status = take(b, &e, &more);
        yaml_event_delete(&e);
    }
    yaml_parser_delete(&parser);
    return status;
}

/* Where the front matter is: behind "---\n", up to the next line of "---". */
static bool front(struct card *c, const char *text, size_t n) {
    size_t at = n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (at < n && (text[at] == '\n' || text[at] == '\r')) at++;
    if (n - at < 4 || memcmp(text + at, "---", 3) != 0) return false;
    size_t i = at + 3;
    while (i < n && (text[i] == ' ' || text[i] == '\r')) i++;
    if (i >= n || text[i] != '\n') return false;
    c->begin = ++i;
    while (i < n && i - c->begin < CARD_BYTES) {
        if (n - i >= 3 && memcmp(text + i, "---", 3) == 0) {
            c->end = i;
            return true;
        }
        const char *line = memchr(text + i, '\n', n - i);
        if (line == NULL) break;
        i = (size_t)(line - text) + 1;
    }
    snprintf(c->problem, sizeof c->problem, "its front matter has no end");
    c->end = c->begin;
    return false;
}

glass_status card_read(struct card *out, const char *text, size_t n_bytes, bool whole) {
    *out = (struct card){0};
    if (whole)
        out->end = n_bytes < CARD_BYTES ? n_bytes : CARD_BYTES;
    else if (!front(out, text, n_bytes))
        return GLASS_OK;
    struct builder b = {.card = out, .text = text + out->begin, .n = out->end - out->begin};
    b.offset = out->begin;
    glass_status status = read_yaml(&b);
    if (status != GLASS_OK) card_clear(out);
    return status;
}

void card_clear(struct card *c) {
    for (int i = 0; i < c->n; i++) {
        mem_free(c->members[i].key);
        mem_free(c->members[i].value);
    }
    mem_free(c->members);
    *c = (struct card){0};
}

const struct card_member *card_find(const struct card *c, const char *key) {
    for (int i = 0; i < c->n; i++)
        if (strcmp(c->members[i].key, key) == 0) return &c->members[i];
    return NULL;
}

const struct card_member *card_item(const struct card *c, const char *key, int i) {
    char name[128];
    if (i == 0) {
        const struct card_member *one = card_find(c, key);
        if (one != NULL) return one;
    }
    snprintf(name, sizeof name, "%s[%d]", key, i);
    return card_find(c, name);
}
