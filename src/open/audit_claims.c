/* audit_claims.c - what licence texts, cards, GGUF files and adapters at hand claim. */
#include "open/audit_limits.h"

#include "base/hash.h"
#include "base/mem.h"
#include "data/licence.h"
#include "data/notice.h"
#include "format/gguf.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    READ_MOST = 300,
    WEIGHTS_MOST = 64,
    JSON_MOST = 1 << 20
}; /* files; bytes of a configuration */

/* The file being looked at. */
struct source {
    struct glass_audit *a;
    const struct audit_tree *t;
    const struct audit_file *file;
    glass_audit_part part; /* of the tree */
    const char *shown;     /* prefix and path */
    const char *folder;    /* shown, "" for the top */
    struct buf text;
    char sha256[65];
    bool model; /* its folder holds a model */
};

static glass_status read_source(struct source *s) {
    uint8_t digest[32];
    TRY(audit_tree_read(&s->text, s->t, s->file, AUDIT_TEXT));
    TRY(sha256_bytes(digest, s->text.data, s->text.len));
    sha256_hex(s->sha256, digest);
    return GLASS_OK;
}

static glass_status evidence(struct source *s, glass_audit_evidence *out, size_t begin,
                             size_t end) {
    return audit_evidence(s->a, out, s->shown, s->sha256, s->text.data, s->text.len, begin,
                          end);
}

static glass_status add(struct source *s, struct audit_claim *claim, size_t begin,
                        size_t end) {
    if (claim->licence != NULL) {
        claim->c.key = claim->licence->key;
        claim->c.name = claim->licence->name;
    } else if (claim->c.key == NULL) {
        claim->c.key = "";
    }
    if (claim->c.subject == NULL) claim->c.subject = s->folder;
    TRY(evidence(s, &claim->c.evidence, begin, end));
    return audit_claim_add(s->a, claim);
}

static bool has(const char *text, const char *what) {
    return strcasestr(text, what) != NULL;
}

/* What a licence's file is about: its own name says so, or what the licence was written for, or what
 * lies beside it. */
static glass_audit_part part_of(const struct source *s, const char *about,
                                const char *kind) {
    const char *name = s->file->name;
    if (strcmp(kind, "policy") == 0) return GLASS_PART_POLICY;
    if (s->part != GLASS_PART_MODEL || s->t->one) return s->part;
    if (has(name, "model") || has(name, "weights")) return GLASS_PART_MODEL;
    if (has(name, "code")) return GLASS_PART_CODE;
    if (has(name, "data")) return GLASS_PART_DATA;
    if (strcmp(about, "model") == 0 || s->model) return GLASS_PART_MODEL;
    if (strcmp(about, "data") == 0) return GLASS_PART_DATA;
    return strcmp(about, "software") == 0 ? GLASS_PART_CODE : GLASS_PART_DOCUMENT;
}

static struct audit_where where(const struct source *s, int64_t first_claim) {
    return (struct audit_where){.part = s->part,
                                .folder = s->folder,
                                .shown = s->shown,
                                .sha256 = s->sha256,
                                .text = s->text.data,
                                .n_bytes = s->text.len,
                                .first_claim = first_claim};
}

/* A model's folder, or the top of what is looked at. */
static bool is_near(const struct source *s) {
    return s->model || s->file->path == s->file->name;
}

/* ---- texts ---- */

static glass_status keep_text(struct glass_audit *a, glass_licence_text *text) {
    if (a->n_texts == a->texts_room) {
        int64_t room = a->texts_room > 0 ? 2 * a->texts_room : 16;
        glass_status status = mem_resize(&a->texts, (size_t)room, sizeof *a->texts);
        if (status != GLASS_OK) {
            glass_licence_free(text);
            return status;
        }
        a->texts_room = room;
    }
    a->texts[a->n_texts++] = text;
    return GLASS_OK;
}

/* A repository's page names the terms of many things. */
static bool is_page(const struct source *s) {
    return audit_role(s->file->path) == ROLE_CARD && !s->model && !s->t->one &&
           !has(s->file->name, "model");
}

/* "The set is licensed under [NAME](ADDRESS)" is more than a mention. */
static bool is_granted(const struct source *s, size_t at) {
    enum { REACH = 60 };
    size_t begin = at;
    while (begin > 0 && at - begin < REACH && s->text.data[begin - 1] != '\n') begin--;
    const char *p = s->text.data + begin;
    return memmem(p, at - begin, "licensed under ", 15) != NULL ||
           memmem(p, at - begin, "released under ", 15) != NULL;
}

/* Every known text in the file. least: the share of a known text that must be there, in percent. */
static glass_status take_texts(struct source *s, int least, int64_t *n) {
    glass_licence_text *text;
    *n = 0;
    TRY(glass_licence_read_bytes(&text, s->shown, s->text.data, s->text.len));
    TRY(keep_text(s->a, text));
    for (int64_t i = 0; i < text->n_found; i++) {
        const glass_licence_found *f = &text->found[i];
        if (f->text_at_hand && 100 * f->n_matched < least * f->n_known) continue;
        struct audit_claim claim = {
            .licence = clause_table_find(&s->a->table, f->key), .text = text, .found = f};
        claim.c.part = part_of(s, f->about, f->kind);
        claim.aside = !f->text_at_hand && is_page(s) &&
                      !(claim.c.part == GLASS_PART_DATA && is_granted(s, f->begin));
        claim.c.grade = f->text_at_hand ? GLASS_AUDIT_VERIFIED : GLASS_AUDIT_DECLARED;
        claim.c.how = f->text_at_hand ? "text" : "address";
        claim.c.changed =
            f->text_at_hand && f->n_changed > 0 && f->verdict != GLASS_LICENCE_SAME_BYTES;
        TRY(add(s, &claim, f->begin, f->end));
        (*n)++;
    }
    return GLASS_OK;
}

/* "Licensed under …", an SPDX tag. */
static glass_status take_notice(struct source *s, bool whole, bool aside, int64_t *n) {
    struct notice notice;
    TRY(notice_find(&notice, s->text.data, s->text.len, whole));
    glass_status status = GLASS_OK;
    if (notice.kind != NOTICE_NONE && notice.expression.len > 0) {
        const char *said = notice.expression.data;
        struct audit_claim claim = {.licence = clause_table_find(&s->a->table, said),
                                    .aside = aside};
        status = pool_text(&s->a->pool, &claim.c.name, said, strlen(said));
        claim.c.part =
            part_of(s, claim.licence ? claim.licence->about : "software", "licence");
        claim.c.grade = GLASS_AUDIT_DECLARED;
        claim.c.how = notice.kind == NOTICE_TAG ? "SPDX tag" : "notice";
        if (status == GLASS_OK)
            status = add(s, &claim, notice.offset, notice.offset + notice.n_bytes);
        (*n)++;
    }
    notice_clear(&notice);
    return status;
}

/* What has no known text in it is a licence only if it is called so: no program, and no text on
 * licences. */
static bool is_called_licence(const struct source *s) {
    const char *name = s->file->name;
    if (memchr(s->text.data, '\0', s->text.len) != NULL) return false;
    if (audit_role(s->file->path) == ROLE_POLICY || s->t->one) return true;
    bool plural =
        strncasecmp(name, "licenses", 8) == 0 || strncasecmp(name, "licences", 8) == 0;
    return (strncasecmp(name, "licen", 5) == 0 || strncasecmp(name, "copying", 7) == 0 ||
            has(name, "model_licen") || has(name, "_licen") || has(name, "-licen")) &&
           !plural;
}

/* PDF, UTF-16, …: what it says is not known here. */
static bool is_no_text(const struct source *s) {
    return memchr(s->text.data, '\0', s->text.len) != NULL;
}

static glass_status take_licence(struct source *s) {
    int64_t n = 0;
    struct audit_where w = where(s, s->a->n_claims);
    TRY(take_texts(s, 50, &n));
    if (n == 0) TRY(take_notice(s, true, false, &n));
    if (n > 0 && is_no_text(s))
        TRY(audit_limits_unread(s->a, s->part, s->shown,
                                "not all of this is text that can be read here"));
    if (n > 0) return audit_limits_beside(s->a, &w);
    bool text = !is_no_text(s);
    if (text && !is_called_licence(s))
        return is_near(s) || strncasecmp(s->file->path, "licen", 5) == 0
                   ? audit_limits_prose(s->a, &w, LIMIT_SAID, true)
                   : GLASS_OK;
    if (!text && !is_near(s)) return GLASS_OK;
    struct audit_claim claim = {0};
    claim.c.part = part_of(s, "software",
                           audit_role(s->file->path) == ROLE_POLICY ? "policy" : "licence");
    claim.c.grade = GLASS_AUDIT_DECLARED;
    claim.c.name = text ? "a text that the table does not know"
                        : "a file that is no text in UTF-8, and was not read";
    claim.c.how = "text";
    return add(s, &claim, 0, 0);
}

/* ---- cards ---- */

/* A name as hubs and metadata have it. */
static glass_status add_named(struct source *s, glass_audit_part part, const char *said,
                              const char *how, size_t begin, size_t end) {
    struct audit_claim claim = {0};
    struct buf spdx = {0};
    size_t at = 0, from, to;
    claim.licence = clause_table_find(&s->a->table, said);
    glass_status status = GLASS_OK;
    /* "mit (non-commercial)" is not MIT. */
    if (claim.licence == NULL && !limit_word(said, strlen(said), true) &&
        limit_next(said, strlen(said), &at, &from, &to) == LIMIT_NONE) {
        status = licence_normal(&spdx, said, strlen(said));
        if (status == GLASS_OK && spdx.len > 0)
            claim.licence = clause_table_find(&s->a->table, spdx.data);
        buf_free(&spdx);
    }
    claim.c.part = part;
    claim.c.grade = GLASS_AUDIT_DECLARED;
    claim.c.how = how;
    if (status == GLASS_OK)
        status = pool_text(&s->a->pool, &claim.c.name, said, strlen(said));
    return status == GLASS_OK ? add(s, &claim, begin, end) : status;
}

/* A model or data set by name. */
static glass_status add_other(struct source *s, glass_audit_part part, const char *name,
                              size_t begin, size_t end) {
    struct audit_claim claim = {0};
    if (part == GLASS_PART_BASE) claim.licence = clause_table_model(&s->a->table, name);
    claim.c.part = part;
    claim.c.grade = claim.licence != NULL ? GLASS_AUDIT_INHERITED : GLASS_AUDIT_MISSING;
    claim.c.name = "its licence is not at hand";
    claim.c.how = "name";
    TRY(pool_text(&s->a->pool, &claim.c.subject, name, strlen(name)));
    return add(s, &claim, begin, end);
}

static bool is_data_card(const struct card *c) {
    static const char *const keys[] = {"dataset_info",         "size_categories",
                                       "task_categories",      "configs",
                                       "size_categories[0]",   "task_categories[0]",
                                       "annotations_creators", "source_datasets"};
    for (int i = 0; i < c->n; i++)
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            size_t n = strlen(keys[k]);
            const char *key = c->members[i].key;
            if (strncmp(key, keys[k], n) == 0 &&
                (key[n] == '\0' || key[n] == '.' || key[n] == '['))
                return true;
        }
    return false;
}

static bool vague(const char *said) {
    return strcasecmp(said, "other") == 0 || strcasecmp(said, "unknown") == 0;
}

/* Whether a member is a licence, however it is spelt: "license", "licence[0]", "weights_license",
 * "license.weights". */
static bool is_licence_key(const char *key) {
    for (const char *p = key; *p;) {
        size_t n = strcspn(p, ".[");
        static const char *const names[] = {"license", "licence", "licenses", "licences"};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            size_t k = strlen(names[i]);
            bool whole = n == k || (n > k && strchr("_-", p[n - k - 1]) != NULL);
            if (n >= k && whole && strncasecmp(p + n - k, names[i], k) == 0) return true;
        }
        p += n;
        while (*p == '[') p += strcspn(p, "]") + (strchr(p, ']') != NULL);
        p += *p == '.';
    }
    return false;
}

/* Whether a file lies beside this one. */
static bool has_file(const struct source *s, const char *name) {
    size_t n = audit_folder(s->file->path);
    if (strncmp(name, "./", 2) == 0) name += 2;
    for (int64_t i = 0; i < s->t->n; i++)
        if (strncmp(s->t->files[i].path, s->file->path, n) == 0 &&
            strcmp(s->t->files[i].path + n, name) == 0)
            return true;
    return false;
}

static glass_status take_card_licence(struct source *s, const struct card *c,
                                      glass_audit_part part, int64_t *n) {
    enum { MOST = 16 };
    const struct card_member *name = card_find(c, "license_name");
    const struct card_member *link = card_find(c, "license_link");
    const struct clause_licence *l = NULL;
    bool named = false, linked = false;
    size_t at;
    if (link != NULL)
        l = clause_table_link(&s->a->table, link->value, strlen(link->value), &at);
    /* A key that stands twice counts twice: readers differ on which one holds. */
    for (int i = 0; i < c->n && *n < MOST; i++) {
        const struct card_member *m = &c->members[i];
        static const char tag[] = "license:";
        bool tagged = strncmp(m->key, "tags[", 5) == 0 &&
                      strncasecmp(m->value, tag, sizeof tag - 1) == 0;
        if (!is_licence_key(m->key) && !tagged) continue;
        (*n)++;
        if (tagged) {
            TRY(add_named(s, part, m->value + sizeof tag - 1, "tag", m->begin, m->end));
        } else if (!vague(m->value)) {
            bool data = strcasestr(m->key, "data") != NULL;
            TRY(add_named(s, data ? GLASS_PART_DATA : part, m->value, "tag", m->begin,
                          m->end));
        } else if (l == NULL) {
            if (name == NULL) TRY(add_named(s, part, m->value, "tag", m->begin, m->end));
            named |= name == NULL;
        }
    }
    for (int64_t i = s->a->n_claims - *n; i >= 0 && i < s->a->n_claims; i++)
        linked |= s->a->claims[i].licence == l && l != NULL;
    if (l != NULL && !linked) {
        struct audit_claim claim = {.licence = l};
        claim.c.part = part;
        claim.c.grade = GLASS_AUDIT_DECLARED;
        claim.c.how = "address";
        TRY(add(s, &claim, link->begin, link->end));
        (*n)++;
    } else if (link != NULL && strstr(link->value, "://") == NULL &&
               !has_file(s, link->value)) {
        TRY(audit_limits_unread(s->a, part, s->shown,
                                "the card names a licence's file that is not at hand"));
    }
    if (name != NULL && !linked && l == NULL && !named && !vague(name->value)) {
        TRY(add_named(s, part, name->value, "tag", name->begin, name->end));
        (*n)++;
    }
    return GLASS_OK;
}

/* What somebody has to agree to before he gets the files. */
static glass_status take_gates(struct source *s, const struct card *c) {
    struct audit_where w = where(s, s->a->n_claims);
    bool told = false;
    for (int i = 0; i < c->n && !told; i++)
        if (strncmp(c->members[i].key, "extra_gated_prompt", 18) == 0 ||
            strncmp(c->members[i].key, "extra_gated_fields", 18) == 0) {
            TRY(audit_limits_gate(s->a, &w, c->members[i].begin, c->members[i].end));
            told = true;
        }
    return GLASS_OK;
}

static glass_status take_front(struct source *s, int64_t *n) {
    struct card c;
    TRY(card_read(&c, s->text.data, s->text.len, false));
    glass_audit_part part = s->part;
    if (s->text.len > 3 && memcmp(s->text.data, "+++", 3) == 0)
        TRY(audit_limits_unread(s->a, part, s->shown,
                                "its front matter is no YAML, and was not read"));
    const struct card_member *m;
    glass_status status = GLASS_OK;
    if (*c.problem) {
        glass_audit_evidence e;
        status = evidence(s, &e, 0, 0);
        if (status == GLASS_OK)
            status = audit_finding_add(s->a, GLASS_FINDING_WARNING, &e, NULL,
                                       "the front matter of a card cannot be read: %s",
                                       c.problem);
    }
    if (is_data_card(&c) && s->file->path == s->file->name) part = GLASS_PART_DATA;
    if (status == GLASS_OK) status = take_card_licence(s, &c, part, n);
    if (status == GLASS_OK) status = take_gates(s, &c);
    for (int i = 0; status == GLASS_OK && part != GLASS_PART_DATA && i < 32 &&
                    (m = card_item(&c, "base_model", i)) != NULL;
         i++)
        status = add_other(s, GLASS_PART_BASE, m->value, m->begin, m->end);
    for (int i = 0; status == GLASS_OK && part != GLASS_PART_DATA && i < 64 &&
                    (m = card_item(&c, "datasets", i)) != NULL;
         i++)
        status = add_other(s, GLASS_PART_DATA, m->value, m->begin, m->end);
    card_clear(&c);
    return status;
}

/* CITATION.cff: the licence is that of what is cited, which type tells. */
static glass_status take_citation(struct source *s) {
    struct card c;
    const struct card_member *m;
    TRY(card_read(&c, s->text.data, s->text.len, true));
    const struct card_member *type = card_find(&c, "type");
    bool data = type != NULL && strcmp(type->value, "dataset") == 0;
    glass_status status = GLASS_OK;
    for (int i = 0; status == GLASS_OK && i < 16; i++) {
        if ((m = card_item(&c, "license", i)) == NULL) break;
        status = add_named(s, data ? GLASS_PART_DATA : GLASS_PART_CODE, m->value,
                           "citation", m->begin, m->end);
    }
    card_clear(&c);
    return status;
}

/* The licence whose name begins a text: as many of its first words as the table knows. */
static glass_status named_at(struct source *s, const char *text, size_t n,
                             const struct clause_licence **out) {
    enum { WORDS = 6 };
    size_t ends[WORDS], at = 0;
    int n_words = 0;
    *out = NULL;
    while (n_words < WORDS && at < n) {
        while (at < n && strchr(" *[`\"'_", text[at]) != NULL) at++;
        size_t from = at;
        while (at < n && strchr(" *[]`\"(),;\n", text[at]) == NULL) at++;
        if (at == from) break;
        ends[n_words++] = at;
    }
    for (int k = n_words; k > 0 && *out == NULL; k--) {
        struct buf name = {0}, id = {0};
        size_t end = ends[k - 1], begin = 0;
        while (end > 0 && text[end - 1] == '.') end--;
        while (begin < end && strchr(" *[`\"'_", text[begin]) != NULL) begin++;
        if (end - begin > 4 && strncasecmp(text + begin, "the ", 4) == 0) begin += 4;
        while (begin < end && strchr(" *[`\"'_", text[begin]) != NULL) begin++;
        glass_status status = buf_append(&name, text + begin, end - begin);
        if (status == GLASS_OK) *out = clause_table_find(&s->a->table, name.data);
        if (status == GLASS_OK && *out == NULL) { /* "Llama 2" is "llama-2" */
            for (size_t i = 0; i < name.len; i++)
                if (name.data[i] == ' ') name.data[i] = '-';
            *out = clause_table_find(&s->a->table, name.data);
            for (size_t i = 0; i < name.len; i++) name.data[i] = text[begin + i];
        }
        if (status == GLASS_OK && *out == NULL) {
            status = licence_normal(&id, name.data, name.len);
            if (status == GLASS_OK && id.len > 0)
                *out = clause_table_find(&s->a->table, id.data);
        }
        buf_free(&name);
        buf_free(&id);
        TRY(status);
    }
    return GLASS_OK;
}

/* Behind words such as "licensed under (the terms of) (the)" that begin at p; NULL: others do. */
static const char *behind_verb(const char *p, const char *end) {
    static const char *const verbs[] = {
        "licensed under",  "released under", "published under", "distributed under",
        "available under", "provided under", "governed by",     "covered by"};
    static const char *const fill[] = {"the terms of", "terms of", "the", "a", "an"};
    for (size_t v = 0; v < sizeof verbs / sizeof *verbs; v++) {
        const char *q = p, *w = verbs[v];
        while (q < end && *w) {
            bool blank = *w == ' ' && isspace((unsigned char)*q);
            if (!blank && tolower((unsigned char)*q) != *w) break;
            q++;
            if (blank)
                while (q < end && isspace((unsigned char)*q)) q++;
            w++;
        }
        if (*w) continue;
        for (size_t i = 0; i < sizeof fill / sizeof *fill; i++) {
            size_t n = strlen(fill[i]);
            while (q < end && isspace((unsigned char)*q)) q++;
            if ((size_t)(end - q) > n && strncasecmp(q, fill[i], n) == 0 &&
                isspace((unsigned char)q[n]))
                q += n;
        }
        return q;
    }
    return NULL;
}

/* Behind "License:", "Model weights:" or a heading "# License" that begins a line at p; NULL. */
static const char *behind_label(const char *p, const char *end) {
    static const char *const labels[] = {"license",       "licence", "model license",
                                         "model licence", "weights", "model weights"};
    bool heading = false;
    size_t n = 0;
    while (p < end && strchr("#*-> \t_|", *p) != NULL) heading |= *p++ == '#';
    for (size_t i = 0; i < sizeof labels / sizeof *labels && n == 0; i++) {
        size_t k = strlen(labels[i]);
        if ((size_t)(end - p) > k && strncasecmp(p, labels[i], k) == 0 &&
            !isalnum((unsigned char)p[k]))
            n = k;
    }
    if (n == 0) return NULL;
    p += n;
    while (p < end && strchr("*_ \r", *p) != NULL) p++;
    bool colon = p < end && (*p == ':' || *p == '|');
    bool line = p + 4 < end && *p == '\n' &&
                (strncmp(p + 1, "===", 3) == 0 || strncmp(p + 1, "---", 3) == 0);
    if (!colon && !line && !(heading && p < end && *p == '\n')) return NULL;
    while (p < end && strchr(line ? " \t\r\n*_=-" : " \t\r\n*_:|", *p) != NULL) p++;
    return p;
}

/* "All our models are licensed under Apache 2.0.", "License: MIT": as a claim, unless the file has said
 * the same. */
static glass_status add_sentence(struct source *s, int64_t before, size_t at,
                                 const char *name, int64_t *n) {
    enum { REACH = 200 };
    const char *text = s->text.data;
    size_t begin = at, end = (size_t)(name - text), stop = end;
    struct audit_claim claim = {0};
    while (begin > 0 && text[begin - 1] != '\n' && at - begin < REACH) begin--;
    while (stop < s->text.len && stop - end < REACH && text[stop] != '\n') stop++;
    TRY(named_at(s, name, stop - end, &claim.licence));
    if (claim.licence == NULL) return GLASS_OK;
    const char *line = text + begin;
    bool model = memmem(line, stop - begin, "model", 5) != NULL ||
                 memmem(line, stop - begin, "Model", 5) != NULL ||
                 memmem(line, stop - begin, "weights", 7) != NULL ||
                 memmem(line, stop - begin, "checkpoint", 10) != NULL;
    claim.c.part = model ? GLASS_PART_MODEL : part_of(s, claim.licence->about, "");
    claim.c.grade = GLASS_AUDIT_DECLARED;
    claim.c.how = "notice";
    for (int64_t i = before; i < s->a->n_claims; i++)
        if (s->a->claims[i].licence == claim.licence) return GLASS_OK;
    (*n)++;
    return add(s, &claim, begin, stop);
}

static glass_status take_sentences(struct source *s, int64_t before, int64_t *n) {
    enum { MOST = 8, TRIES = 64 };
    const char *text = s->text.data, *end = text + s->text.len;
    int64_t said = 0;
    int tries = 0;
    bool line = true;
    for (const char *p = text; p < end && said < MOST && tries < TRIES; p++) {
        bool start = p == text || !isalnum((unsigned char)p[-1]);
        const char *name =
            start && strchr("lrpdagcLRPDAGC", *p) ? behind_verb(p, end) : NULL;
        if (name == NULL && line) name = behind_label(p, end);
        line = *p == '\n';
        tries += name != NULL;
        if (name != NULL) TRY(add_sentence(s, before, (size_t)(p - text), name, &said));
    }
    *n += said;
    return GLASS_OK;
}

/* "A fine-tuned version of [meta-llama/Llama-2-7b-hf]": where the table knows that model. */
static glass_status take_made_from(struct source *s) {
    enum { MOST = 4 };
    size_t at = 0, name, n;
    for (int i = 0;
         i < MOST && limit_made_from(s->text.data, s->text.len, &at, &name, &n);) {
        const char *said;
        TRY(pool_text(&s->a->pool, &said, s->text.data + name, n));
        if (clause_table_model(&s->a->table, said) == NULL) continue;
        bool there = false;
        for (int64_t k = 0; k < s->a->n_claims; k++)
            there |= strcmp(s->a->claims[k].c.subject, said) == 0;
        if (!there) TRY(add_other(s, GLASS_PART_BASE, said, name, name + n));
        i++;
    }
    return GLASS_OK;
}

static glass_status take_card(struct source *s) {
    int64_t n = 0, texts = 0, before = s->a->n_claims;
    size_t at = 0;
    struct audit_where w = where(s, before);
    if (is_no_text(s))
        return audit_limits_unread(s->a, s->part, s->shown,
                                   "this is no text in UTF-8, and was not read");
    TRY(take_front(s, &n));
    TRY(take_texts(s, 90, &texts)); /* some cards hold the licence itself */
    TRY(audit_limits_prose(s->a, &w, s->model ? LIMIT_SAID : LIMIT_COMMERCE, false));
    if (s->model && s->part != GLASS_PART_DATA) TRY(take_made_from(s));
    if (texts > 0) return GLASS_OK;
    const struct clause_licence *l =
        clause_table_link(&s->a->table, s->text.data, s->text.len, &at);
    if (n == 0 && l != NULL && strcmp(l->about, "model") == 0) {
        struct audit_claim claim = {.licence = l, .aside = is_page(s)};
        claim.c.part = strcmp(l->kind, "policy") == 0 ? GLASS_PART_POLICY : s->part;
        claim.c.grade = GLASS_AUDIT_DECLARED;
        claim.c.how = "address";
        size_t end = at;
        while (end < s->text.len && (unsigned char)s->text.data[end] > ' ' &&
               strchr(")>]\"'", s->text.data[end]) == NULL)
            end++;
        TRY(add(s, &claim, at, end));
        n++;
    }
    TRY(take_sentences(s, before, &n));
    return n == 0 ? take_notice(s, false, true, &n) : GLASS_OK;
}

/* Any other text: what it says of licences, and of limits if it lies beside the model. */
static glass_status take_prose(struct source *s) {
    int64_t n = 0;
    struct audit_where w = where(s, s->a->n_claims);
    bool terms = audit_is_terms(s->file->name);
    TRY(take_sentences(s, s->a->n_claims, &n));
    if (!terms && !is_near(s)) return GLASS_OK;
    return audit_limits_prose(s->a, &w, terms ? LIMIT_SAID : LIMIT_COMMERCE,
                              terms && is_near(s));
}

/* Where a value that was read from a file stands in it; [0, 0) if it is spelled otherwise there. */
static void find_said(const struct source *s, const char *said, size_t *begin,
                      size_t *end) {
    const char *at = memmem(s->text.data, s->text.len, said, strlen(said));
    *begin = at != NULL ? (size_t)(at - s->text.data) : 0;
    *end = at != NULL ? *begin + strlen(said) : 0;
}

/* What a configuration says: a licence, and the model that it was loaded from. */
static glass_status take_config(struct source *s) {
    json_error_t error;
    json_t *root = json_loadb(s->text.data,
                              s->text.len < JSON_MOST ? s->text.len : JSON_MOST, 0, &error);
    const char *licence = json_string_value(json_object_get(root, "license"));
    const char *from = json_string_value(json_object_get(root, "_name_or_path"));
    size_t begin, end;
    glass_status status = GLASS_OK;
    if (licence != NULL && !vague(licence)) {
        find_said(s, licence, &begin, &end);
        status = add_named(s, s->part, licence, "configuration", begin, end);
    }
    bool known = from != NULL && clause_table_model(&s->a->table, from) != NULL;
    for (int64_t i = 0; i < s->a->n_claims && known; i++)
        known = strcmp(s->a->claims[i].c.subject, from) != 0;
    if (status == GLASS_OK && known) {
        find_said(s, from, &begin, &end);
        status = add_other(s, GLASS_PART_BASE, from, begin, end);
    }
    json_decref(root);
    return status;
}

/* ---- GGUF, adapters ---- */

static glass_status take_gguf_value(struct source *s, const struct gguf *g, const char *key,
                                    struct buf *text) {
    struct gguf_string value;
    buf_clear(text);
    const struct gguf_value *v = gguf_find(g, key);
    if (v == NULL || v->type != GGUF_STRING) return GLASS_OK;
    (void)s;
    TRY(gguf_get_string_or(g, key, &value));
    return buf_append(text, value.text, value.n_bytes < 1000 ? value.n_bytes : 1000);
}

/* Its metadata: licence, and what it was made from. Offsets are those of the file. */
static glass_status read_gguf(struct source *s, const struct gguf *g) {
    struct buf text = {0};
    static const char *const keys[] = {"general.license", "general.license.name"};
    glass_status status = GLASS_OK;
    const struct filemap *map = gguf_part(g, 0);
    for (size_t k = 0; k < 2 && status == GLASS_OK; k++) {
        status = take_gguf_value(s, g, keys[k], &text);
        if (status != GLASS_OK || text.len == 0 || vague(text.data)) continue;
        const struct gguf_value *v = gguf_find(g, keys[k]);
        size_t at = (size_t)((const uint8_t *)v->data - map->data);
        s->text = (struct buf){.data = (char *)map->data, .len = map->size};
        status = add_named(s, s->part, text.data, "GGUF metadata", at, at + text.len);
        s->text = (struct buf){0};
        break;
    }
    for (int i = 0; i < 8 && status == GLASS_OK; i++) {
        char key[64], other[64];
        snprintf(key, sizeof key, "general.base_model.%d.repo_url", i);
        snprintf(other, sizeof other, "general.base_model.%d.name", i);
        const char *from = gguf_find(g, key) != NULL ? key : other;
        status = take_gguf_value(s, g, from, &text);
        if (status != GLASS_OK || text.len == 0) break;
        const char *name = strstr(text.data, "huggingface.co/");
        const struct gguf_value *v = gguf_find(g, from);
        size_t at = (size_t)((const uint8_t *)v->data - map->data);
        s->text = (struct buf){.data = (char *)map->data, .len = map->size};
        status =
            add_other(s, GLASS_PART_BASE, name ? name + 15 : text.data, at, at + text.len);
        s->text = (struct buf){0};
    }
    buf_free(&text);
    return status;
}

static glass_status take_gguf(struct source *s) {
    struct gguf *g;
    struct buf path = {0};
    TRY(audit_tree_path(&path, s->t, s->file));
    glass_status status = gguf_open(&g, path.data);
    buf_free(&path);
    if (status != GLASS_OK) {
        glass_audit_evidence e;
        TRY(audit_evidence(s->a, &e, s->shown, "", "", 0, 0, 0));
        return audit_finding_add(s->a, GLASS_FINDING_WARNING, &e, NULL,
                                 "a GGUF file cannot be read: %s", glass_error());
    }
    status = read_gguf(s, g);
    gguf_close(g);
    return status;
}

static glass_status take_adapter(struct source *s) {
    json_error_t error;
    json_t *root = json_loadb(s->text.data,
                              s->text.len < JSON_MOST ? s->text.len : JSON_MOST, 0, &error);
    const char *base = json_string_value(json_object_get(root, "base_model_name_or_path"));
    size_t begin, end;
    glass_status status = GLASS_OK;
    if (base != NULL) {
        find_said(s, base, &begin, &end);
        status = add_other(s, GLASS_PART_BASE, base, begin, end);
    }
    json_decref(root);
    return status;
}

/* The header of safetensors may tell a licence, too: "license", "modelspec.license". */
static glass_status take_safetensors(struct source *s) {
    enum { HEADER_MOST = 256 << 10 };
    json_error_t error;
    uint64_t n = 0;
    TRY(audit_tree_read(&s->text, s->t, s->file, HEADER_MOST));
    if (s->text.len < 8) return GLASS_OK;
    for (int i = 7; i >= 0; i--) n = n << 8 | (uint8_t)s->text.data[i];
    if (n > s->text.len - 8) return GLASS_OK;
    json_t *root = json_loadb(s->text.data + 8, (size_t)n, 0, &error), *value;
    const char *key;
    size_t begin, end;
    glass_status status = GLASS_OK;
    json_object_foreach(json_object_get(root, "__metadata__"), key, value) {
        const char *said = json_string_value(value);
        if (status != GLASS_OK || said == NULL ||
            !(has(key, "license") || has(key, "licence")) || vague(said) || *said == '\0')
            continue;
        find_said(s, said, &begin, &end);
        status = add_named(s, s->part, said, "safetensors metadata", begin, end);
    }
    json_decref(root);
    return status;
}

/* ---- the tree ---- */

static glass_status take_file(struct source *s, enum audit_role role) {
    if (role == ROLE_GGUF) return take_gguf(s);
    if (role == ROLE_WEIGHTS) return take_safetensors(s);
    TRY(read_source(s));
    switch (role) {
    case ROLE_CARD: return take_card(s);
    case ROLE_ADAPTER: return take_adapter(s);
    case ROLE_CITATION: return take_citation(s);
    case ROLE_CONFIG: return take_config(s);
    case ROLE_OTHER: return take_prose(s);
    default: return take_licence(s);
    }
}

static bool is_cff(const char *name) {
    size_t n = strlen(name);
    return n > 4 && strcasecmp(name + n - 4, ".cff") == 0;
}

/* Configurations besides config.json. */
static bool is_settings(const char *name) {
    static const char *const names[] = {"generation_config.json", "model_index.json",
                                        "configuration.json", "metadata.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

static bool is_prose(const char *name) {
    static const char *const texts[] = {".txt", ".rst", ".html", ".htm"};
    size_t n = strlen(name);
    bool text = strchr(name, '.') == NULL;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t k = strlen(texts[i]);
        text |= n > k && strcasecmp(name + n - k, texts[i]) == 0;
    }
    return (n > 3 && strcasecmp(name + n - 3, ".md") == 0) ||
           (text && audit_is_terms(name));
}

glass_status audit_collect(struct glass_audit *a, const struct audit_tree *t,
                           glass_audit_part part, const char *prefix) {
    int n_read = 0, n_weights = 0;
    for (int64_t i = 0; i < t->n; i++) {
        struct source s = {.a = a, .t = t, .file = &t->files[i], .part = part};
        enum audit_role role = audit_role(s.file->path);
        if (t->one && role == ROLE_OTHER)
            role = ROLE_LICENCE; /* somebody asks about this */
        if (role == ROLE_OTHER && is_settings(s.file->name)) role = ROLE_CONFIG;
        if (role != ROLE_LICENCE && role != ROLE_POLICY && role != ROLE_CARD &&
            role != ROLE_GGUF && role != ROLE_ADAPTER && role != ROLE_CONFIG &&
            !(role == ROLE_WEIGHTS && has(s.file->name, ".safetensors")) &&
            !(role == ROLE_CITATION && is_cff(s.file->name)) &&
            !(role == ROLE_OTHER && is_prose(s.file->name)))
            continue;
        if (role == ROLE_WEIGHTS && n_weights++ >= WEIGHTS_MOST) continue;
        if (role != ROLE_WEIGHTS && n_read++ == READ_MOST) {
            TRY(audit_limits_unread(a, part, "",
                                    "there are more licences and cards than are read"));
            return audit_finding_add(
                a, GLASS_FINDING_WARNING, NULL, NULL,
                "more than %d licences and cards: the rest was not read", READ_MOST);
        }
        if (role != ROLE_GGUF && role != ROLE_CONFIG && role != ROLE_WEIGHTS &&
            s.file->n_bytes > AUDIT_TEXT)
            TRY(audit_limits_unread(a, part, s.file->path,
                                    "of this file only the first 4 MiB were read"));
        size_t n = audit_folder(s.file->path);
        TRY(pool_printf(&a->pool, &s.shown, "%s%s", prefix, s.file->path));
        TRY(pool_text(&a->pool, &s.folder, s.shown, strlen(prefix) + n));
        s.model = t->one || audit_is_model_folder(t, s.file->path, n);
        glass_status status = take_file(&s, role);
        buf_free(&s.text);
        TRY(status);
    }
    return GLASS_OK;
}

/* ---- between claims ---- */

glass_status audit_add_policies(struct glass_audit *a) {
    int64_t n = a->n_claims;
    for (int64_t i = 0; i < n; i++) {
        const struct clause_licence *l = a->claims[i].licence;
        if (l == NULL || *l->policy == '\0' || a->claims[i].aside) continue;
        const struct clause_licence *policy = clause_table_find(&a->table, l->policy);
        bool there = false;
        for (int64_t k = 0; k < a->n_claims; k++) there |= a->claims[k].licence == policy;
        if (there || policy == NULL) continue;
        struct audit_claim claim = {.licence = policy};
        claim.c = a->claims[i].c;
        claim.c.part = GLASS_PART_POLICY;
        claim.c.grade = GLASS_AUDIT_MISSING;
        claim.c.key = policy->key;
        claim.c.name = policy->name;
        claim.c.how = "reference";
        claim.c.changed = false;
        TRY(audit_claim_add(a, &claim));
    }
    return GLASS_OK;
}

/* Keys that name the same terms, or states of them: "gemma-2024-04-01", "code-llama". */
static bool same_family(const struct clause_licence *x, const struct clause_licence *y) {
    if (x == y) return true;
    bool gemma = strncmp(x->key, "gemma-2", 7) == 0 && strncmp(y->key, "gemma-2", 7) == 0;
    bool llama = (strcmp(x->key, "code-llama") == 0 && strcmp(y->key, "llama-2") == 0) ||
                 (strcmp(x->key, "llama-2") == 0 && strcmp(y->key, "code-llama") == 0);
    bool yi = strncmp(x->key, "yi-", 3) == 0 && strncmp(y->key, "yi-", 3) == 0;
    return gemma || llama || yi;
}

/* Whether one folder is the other, or above it. */
static bool same_place(const char *a, const char *b) {
    size_t n = strlen(a), m = strlen(b), k = n < m ? n : m;
    return strncmp(a, b, k) == 0;
}

/* "hf/microsoft__phi-2/" and "hf/microsoft__phi-2.2023-12/": two states of one model. */
static bool is_state(const char *a, const char *b) {
    size_t n = strlen(a);
    return n > 1 && strncmp(a, b, n - 1) == 0 && strchr(".@-_", b[n - 1]) != NULL &&
           b[n - 1] != '\0' && strncmp(b + n, "20", 2) == 0;
}

static glass_status compare_states(struct glass_audit *a) {
    for (int64_t i = 0; i < a->n_claims; i++)
        for (int64_t k = 0; k < a->n_claims; k++) {
            const struct audit_claim *x = &a->claims[i], *y = &a->claims[k];
            if (x->c.part != GLASS_PART_MODEL || y->c.part != GLASS_PART_MODEL ||
                !is_state(x->c.subject, y->c.subject) || strcmp(x->c.name, y->c.name) == 0)
                continue;
            TRY(audit_finding_add(a, GLASS_FINDING_WARNING, &x->c.evidence, &y->c.evidence,
                                  "the licence has changed: %s in %s, %s in %s", x->c.name,
                                  x->c.subject, y->c.name, y->c.subject));
        }
    return GLASS_OK;
}

/* What is named, and whose text nobody can read here. */
static glass_status tell_missing_texts(struct glass_audit *a) {
    for (int64_t i = 0; i < a->n_claims; i++) {
        const struct audit_claim *x = &a->claims[i];
        bool there = false;
        if (x->c.part != GLASS_PART_MODEL || x->aside || x->licence == NULL ||
            strcmp(x->c.how, "text") == 0 || strcmp(x->c.how, "name") == 0)
            continue;
        for (int64_t k = 0; k < a->n_claims && !there; k++) {
            const struct audit_claim *y = &a->claims[k];
            bool before = k < i && y->c.part == GLASS_PART_MODEL && !y->aside;
            there = y->licence != NULL && same_family(x->licence, y->licence) &&
                    (strcmp(y->c.how, "text") == 0 || before);
        }
        if (!there)
            TRY(audit_finding_add(a, GLASS_FINDING_GAP, &x->c.evidence, NULL,
                                  "the text of %s, which is named, is not at hand",
                                  x->c.name));
    }
    return GLASS_OK;
}

glass_status audit_compare_claims(struct glass_audit *a) {
    TRY(compare_states(a));
    TRY(tell_missing_texts(a));
    for (int64_t i = 0; i < a->n_claims; i++)
        for (int64_t k = i + 1; k < a->n_claims; k++) {
            const struct audit_claim *x = &a->claims[i], *y = &a->claims[k];
            if (x->c.part != GLASS_PART_MODEL || y->c.part != GLASS_PART_MODEL) continue;
            if (x->aside || y->aside || !same_place(x->c.subject, y->c.subject)) continue;
            if (vague(x->c.name) || vague(y->c.name)) continue;
            if (strcmp(x->c.evidence.file, y->c.evidence.file) == 0 &&
                strcmp(x->c.how, y->c.how) == 0)
                continue; /* a list of licences in one file */
            if (x->licence != NULL && y->licence != NULL) {
                if (same_family(x->licence, y->licence)) continue;
            } else if (strcasecmp(x->c.name, y->c.name) == 0) {
                continue;
            }
            bool same_file = strcmp(x->c.evidence.file, y->c.evidence.file) == 0;
            if (same_file &&
                (strcmp(x->c.how, "address") == 0 || strcmp(y->c.how, "address") == 0)) {
                TRY(audit_finding_add(a, GLASS_FINDING_WARNING, &x->c.evidence,
                                      &y->c.evidence,
                                      "a card says %s, and names %s, too: whether the "
                                      "latter holds as well, its words have to tell",
                                      x->c.name, y->c.name));
                continue;
            }
            TRY(audit_finding_add(
                a, GLASS_FINDING_CONTRADICTION, &x->c.evidence, &y->c.evidence,
                "the weights are under %s (%s of %s) and under %s (%s of %s)", x->c.name,
                x->c.how, x->c.evidence.file, y->c.name, y->c.how, y->c.evidence.file));
        }
    return GLASS_OK;
}
