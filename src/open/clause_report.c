/* clause_report.c - glass_licence_read: a text's licences as a report that stands by itself. */
#include "glass/audit.h"

#include "base/buf.h"
#include "base/hash.h"
#include "base/path.h"
#include "open/audit_pool.h"
#include "open/clause_match.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINK_MOST = 64 << 10 }; /* bytes in which addresses of licences are looked for */

/* The report, and what it is made of. */
struct report {
    glass_licence_text licence; /* first: this is what the caller has */
    struct clause_table table;
    struct audit_pool pool;
};

static void set_known(glass_licence_found *f, const struct clause_licence *l) {
    f->key = l->key;
    f->name = l->name;
    f->version = l->version;
    f->id = l->id;
    f->kind = l->kind;
    f->about = l->about;
    f->osi = l->osi;
    f->fsf = l->fsf;
    f->dfsg = l->dfsg;
    f->osi_source = l->osi_source;
    f->fsf_source = l->fsf_source;
    f->dfsg_source = l->dfsg_source;
    f->policy = l->policy;
    f->note = l->note;
    f->copy = "";
    f->second = "";
}

/* match NULL: no text is at hand. */
static glass_status set_rows(struct report *r, glass_licence_found *f,
                             const struct clause_licence *l, const struct clause_matches *m,
                             const struct clause_match *match) {
    glass_licence_row *rows;
    TRY(pool_alloc(&r->pool, &rows, (size_t)l->n_rows, sizeof *rows));
    for (int i = 0; i < l->n_rows; i++) {
        const struct clause_row *row = &l->rows[i];
        rows[i] = (glass_licence_row){.topic = row->topic,
                                      .answer = row->answer,
                                      .detail = row->detail,
                                      .section = row->section,
                                      .words = row->words};
        if (match == NULL || row->n == 0) continue;
        rows[i].at_hand =
            clause_match_bytes(&rows[i].begin, &rows[i].end, m, match, row->at, row->n);
        rows[i].changed = !rows[i].at_hand;
    }
    f->rows = rows;
    f->n_rows = l->n_rows;
    return GLASS_OK;
}

static glass_licence_verdict verdict(const struct clause_match *x) {
    bool filled = false;
    if (x->copy != NULL) return GLASS_LICENCE_SAME_BYTES;
    if (10 * x->n_matched < 9 * x->n_known) return GLASS_LICENCE_PART;
    if (x->n_changed > 0) return GLASS_LICENCE_CHANGED;
    for (int i = 0; i < x->n_changes; i++) filled |= x->changes[i].kind != CLAUSE_CHANGED;
    return filled ? GLASS_LICENCE_FILLED : GLASS_LICENCE_SAME_WORDS;
}

static glass_status set_match(struct report *r, glass_licence_found *f,
                              const struct clause_matches *m,
                              const struct clause_match *x) {
    glass_licence_change *changes;
    set_known(f, x->licence);
    f->text_at_hand = true;
    f->verdict = verdict(x);
    if (x->copy != NULL) f->copy = x->copy->source;
    f->n_known = x->n_known;
    f->n_matched = x->n_matched;
    f->n_changed = x->n_changed;
    f->begin = x->begin;
    f->end = x->end;
    if (x->second != NULL) f->second = x->second->key;
    f->second_changed = x->second_changed;
    TRY(pool_alloc(&r->pool, &changes, (size_t)x->n_changes, sizeof *changes));
    for (int i = 0; i < x->n_changes; i++) {
        const struct clause_change *c = &x->changes[i];
        changes[i] = (glass_licence_change){
            .kind = c->kind == CLAUSE_CHANGED  ? GLASS_CHANGE_SUBSTANCE
                    : c->kind == CLAUSE_FILLED ? GLASS_CHANGE_FILLED
                                               : GLASS_CHANGE_NOTICE,
            .n_known = c->n_known,
            .n_here = c->n_words,
            .begin = c->begin,
            .end = c->end,
            .section = c->section};
    }
    f->changes = changes;
    f->n_changes = x->n_changes;
    return set_rows(r, f, x->licence, m, x);
}

/* A short file that only says where the licence is. */
static glass_status find_link(struct report *r, const char *text, size_t n) {
    size_t at = 0;
    if (r->licence.n_found > 0 || n > LINK_MOST) return GLASS_OK;
    const struct clause_licence *l = clause_table_link(&r->table, text, n, &at);
    if (l == NULL) return GLASS_OK;
    glass_licence_found *f = (glass_licence_found *)r->licence.found;
    set_known(f, l);
    f->begin = at;
    f->end = at;
    while (f->end < n && (unsigned char)text[f->end] > ' ') f->end++;
    r->licence.n_found = 1;
    return set_rows(r, f, l, NULL, NULL);
}

static glass_status create(struct report **out) {
    *out = NULL;
    struct report *r;
    TRY(mem_alloc_zero(&r, 1, sizeof *r));
    glass_status status = clause_table_open(&r->table);
    if (status != GLASS_OK) {
        mem_free(r);
        return status;
    }
    *out = r;
    return GLASS_OK;
}

static glass_status fill(struct report *r, const char *path, const char *text, size_t n) {
    struct clause_matches m;
    uint8_t digest[32];
    glass_licence_found *found;
    TRY(pool_text(&r->pool, &r->licence.path, path, strlen(path)));
    TRY(pool_text(&r->pool, &r->licence.text, text, n));
    r->licence.n_bytes = n;
    TRY(sha256_bytes(digest, text, n));
    sha256_hex(r->licence.sha256, digest);
    TRY(clause_match_text(&m, &r->table, text, n));
    r->licence.n_words = m.words.n;
    r->licence.n_other = m.n_other;
    glass_status status = pool_alloc(&r->pool, &found, (size_t)m.n + 1, sizeof *found);
    r->licence.found = found;
    for (int i = 0; i < m.n && status == GLASS_OK; i++) {
        status = set_match(r, &found[i], &m, &m.matches[i]);
        r->licence.n_found = i + 1;
    }
    clause_matches_clear(&m);
    if (status == GLASS_OK) status = find_link(r, text, n);
    return status;
}

glass_status glass_licence_read_bytes(glass_licence_text **out, const char *path,
                                      const char *text, size_t n_bytes) {
    struct report *r;
    *out = NULL;
    TRY(create(&r));
    glass_status status = fill(r, path, text, n_bytes);
    if (status != GLASS_OK)
        glass_licence_free(&r->licence);
    else
        *out = &r->licence;
    return status;
}

glass_status glass_licence_read(glass_licence_text **out, const char *path) {
    struct buf text = {0};
    *out = NULL;
    TRY(path_read_whole(&text, path, LICENCE_TEXT_MOST));
    glass_status status =
        glass_licence_read_bytes(out, path, text.len > 0 ? text.data : "", text.len);
    buf_free(&text);
    return status;
}

glass_status glass_licence_known(glass_licence_text **out, const char *name) {
    struct report *r;
    glass_licence_found *found;
    *out = NULL;
    TRY(create(&r));
    const struct clause_licence *one =
        name != NULL ? clause_table_find(&r->table, name) : NULL;
    glass_status status = GLASS_OK;
    if (name != NULL && one == NULL)
        status = fail(GLASS_USAGE,
                      "the table has no licence \"%s\"; glass audit --licenses lists them",
                      name);
    int n = one != NULL ? 1 : r->table.n;
    if (status == GLASS_OK) status = pool_alloc(&r->pool, &found, (size_t)n, sizeof *found);
    for (int i = 0; i < n && status == GLASS_OK; i++) {
        const struct clause_licence *l = one != NULL ? one : &r->table.licences[i];
        set_known(&found[i], l);
        status = set_rows(r, &found[i], l, NULL, NULL);
        found[i].n_known = l->n_words;
    }
    if (status != GLASS_OK) {
        glass_licence_free(&r->licence);
        return status;
    }
    r->licence.path = r->licence.text = "";
    r->licence.found = found;
    r->licence.n_found = n;
    *out = &r->licence;
    return GLASS_OK;
}

void glass_licence_free(glass_licence_text *licence) {
    struct report *r = (struct report *)licence;
    if (r == NULL) return;
    clause_table_close(&r->table);
    pool_free(&r->pool);
    mem_free(r);
}
