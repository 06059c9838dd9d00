/* audit.c - glass_audit_open: everything at hand about a model, and what it claims. */
#include "open/audit_limits.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

glass_status audit_claim_add(struct glass_audit *a, const struct audit_claim *claim) {
    if (a->n_claims == a->claims_room) {
        int64_t room = a->claims_room > 0 ? 2 * a->claims_room : 16;
        TRY(mem_resize(&a->claims, (size_t)room, sizeof *a->claims));
        a->claims_room = room;
    }
    a->claims[a->n_claims++] = *claim;
    return GLASS_OK;
}

static const glass_audit_evidence nowhere = {"", "", 0, 0, ""};

glass_status audit_finding_add(struct glass_audit *a, glass_audit_finding_kind kind,
                               const glass_audit_evidence *one,
                               const glass_audit_evidence *other, const char *format, ...) {
    char text[1000];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (a->n_findings == a->findings_room) {
        int64_t room = a->findings_room > 0 ? 2 * a->findings_room : 16;
        TRY(mem_resize(&a->findings, (size_t)room, sizeof *a->findings));
        a->findings_room = room;
    }
    glass_audit_finding f = {.kind = kind,
                             .one = one != NULL ? *one : nowhere,
                             .other = other != NULL ? *other : nowhere};
    TRY(pool_text(&a->pool, &f.words, text, strlen(text)));
    a->findings[a->n_findings++] = f;
    return GLASS_OK;
}

glass_status audit_evidence(struct glass_audit *a, glass_audit_evidence *out,
                            const char *file, const char *sha256, const char *text,
                            size_t n_bytes, size_t begin, size_t end) {
    enum { QUOTE = 400 };
    if (end > n_bytes) end = n_bytes;
    if (begin > end) begin = end;
    size_t n = end - begin < QUOTE ? end - begin : QUOTE;
    *out = (glass_audit_evidence){.begin = begin, .end = end};
    TRY(pool_text(&a->pool, &out->file, file, strlen(file)));
    TRY(pool_text(&a->pool, &out->sha256, sha256, strlen(sha256)));
    return pool_text(&a->pool, &out->quote, text + begin, n);
}

/* "licence:NAME": the table alone. */
static glass_status open_name(struct glass_audit *a, const char *name) {
    const struct clause_licence *l = clause_table_find(&a->table, name);
    if (l == NULL)
        return fail(GLASS_USAGE,
                    "the table has no licence \"%s\"; glass audit --licenses lists them",
                    name);
    struct audit_claim claim = {.licence = l};
    claim.c = (glass_audit_claim){.part = strcmp(l->kind, "policy") == 0 ? GLASS_PART_POLICY
                                                                         : GLASS_PART_MODEL,
                                  .subject = name,
                                  .grade = GLASS_AUDIT_DECLARED,
                                  .key = l->key,
                                  .name = l->name,
                                  .how = "name",
                                  .evidence = nowhere};
    TRY(pool_text(&a->pool, &claim.c.subject, name, strlen(name)));
    return audit_claim_add(a, &claim);
}

static glass_status open_side(struct glass_audit *a, const char *const *paths, int64_t n,
                              glass_audit_part part) {
    for (int64_t i = 0; i < n; i++) {
        struct audit_tree tree;
        const char *prefix;
        TRY(pool_printf(&a->pool, &prefix, "%s/", paths[i]));
        TRY(audit_tree_open(&tree, paths[i]));
        if (tree.one) prefix = "";
        int64_t before = a->n_claims;
        glass_status status = audit_collect(a, &tree, part, prefix);
        if (status == GLASS_OK) status = audit_runs(a, &tree, part, prefix, 0);
        if (status == GLASS_OK) status = audit_find(a, &tree, part, prefix);
        if (status == GLASS_OK) status = audit_find_hashes(a, &tree, prefix);
        if (status == GLASS_OK && a->n_claims == before) {
            struct audit_claim none = {.c = {.part = part,
                                             .subject = prefix,
                                             .grade = GLASS_AUDIT_MISSING,
                                             .key = "",
                                             .name = "nothing at hand says",
                                             .how = "",
                                             .evidence = nowhere}};
            status = pool_text(&a->pool, &none.c.subject, paths[i], strlen(paths[i]));
            if (status == GLASS_OK) status = audit_claim_add(a, &none);
        }
        audit_tree_close(&tree);
        TRY(status);
    }
    return GLASS_OK;
}

static glass_status tell_tree(struct glass_audit *a) {
    const struct audit_tree *t = &a->tree;
    glass_audit_evidence where = nowhere;
    if (t->outside != NULL) {
        TRY(pool_text(&a->pool, &where.file, t->outside, strlen(t->outside)));
        TRY(audit_finding_add(
            a, GLASS_FINDING_WARNING, &where, NULL,
            "%lld link%s out of the folder, and %s not followed", (long long)t->n_outside,
            t->n_outside == 1 ? " leads" : "s lead", t->n_outside == 1 ? "was" : "were"));
    }
    if (t->outside_licence != NULL)
        TRY(audit_limits_unread(a, GLASS_PART_MODEL, t->outside_licence,
                                "this leads out of the folder, and was not read"));
    if (t->cut)
        TRY(audit_limits_unread(a, GLASS_PART_MODEL, "",
                                "there are more files than are looked at"));
    if (t->cut)
        TRY(audit_finding_add(
            a, GLASS_FINDING_WARNING, NULL, NULL,
            "there are more files, or deeper folders, than the %d and %d that "
            "are looked at: what they say is not here",
            AUDIT_FILES, AUDIT_DEPTH));
    if (t->n_special > 0)
        TRY(audit_finding_add(a, GLASS_FINDING_WARNING, NULL, NULL,
                              "%lld entries are no regular files, or cannot be read",
                              (long long)t->n_special));
    return GLASS_OK;
}

static bool has_part(const struct glass_audit *a, glass_audit_part part) {
    for (int64_t i = 0; i < a->n_claims; i++)
        if (a->claims[i].c.part == part) return true;
    return false;
}

static glass_status finish(struct glass_audit *a, const char *path) {
    /* A policy alone is a question about that. */
    bool policy = (a->tree.one || a->tree.root == NULL) && has_part(a, GLASS_PART_POLICY);
    if (!has_part(a, GLASS_PART_MODEL) && !policy) {
        struct audit_claim none = {.c = {.part = GLASS_PART_MODEL,
                                         .subject = "",
                                         .grade = GLASS_AUDIT_MISSING,
                                         .key = "",
                                         .name = "nothing at hand says",
                                         .how = "",
                                         .evidence = nowhere}};
        TRY(audit_claim_add(a, &none));
        bool data_alone = has_part(a, GLASS_PART_DATA) &&
                          a->things[MOF_PARAMETERS].words == NULL &&
                          a->things[MOF_CHECKPOINTS].words == NULL;
        if (!data_alone)
            TRY(audit_finding_add(
                a, GLASS_FINDING_GAP, NULL, NULL,
                "nothing at hand says what the weights are under; what is not "
                "licensed may not be used"));
    }
    TRY(pool_alloc(&a->pool, &a->public_claims, (size_t)a->n_claims + 1,
                   sizeof *a->public_claims));
    for (int64_t i = 0; i < a->n_claims; i++) a->public_claims[i] = a->claims[i].c;
    a->report = (glass_audit_report){.claims = a->public_claims,
                                     .n_claims = a->n_claims,
                                     .findings = a->findings,
                                     .n_findings = a->n_findings,
                                     .components = a->components,
                                     .points = a->points,
                                     .n_points = a->n_points,
                                     .checks = a->checks,
                                     .n_checks = a->n_checks,
                                     .n_files = a->tree.n,
                                     .n_links = a->tree.n_links,
                                     .n_outside = a->tree.n_outside,
                                     .cut = a->tree.cut};
    return pool_text(&a->pool, &a->report.path, path, strlen(path));
}

static glass_status open_all(struct glass_audit *a, const char *path,
                             const glass_audit_options *o) {
    static const char by_name[] = "licence:";
    TRY(clause_table_open(&a->table));
    if (strncmp(path, by_name, sizeof by_name - 1) == 0) {
        TRY(open_name(a, path + sizeof by_name - 1));
    } else {
        TRY(audit_tree_open(&a->tree, path));
        TRY(tell_tree(a));
        TRY(audit_collect(a, &a->tree, GLASS_PART_MODEL, ""));
        TRY(audit_runs(a, &a->tree, GLASS_PART_MODEL, "", o != NULL ? o->n_replay : 0));
        TRY(audit_find(a, &a->tree, GLASS_PART_MODEL, ""));
        TRY(audit_find_hashes(a, &a->tree, ""));
    }
    if (o != NULL) {
        TRY(open_side(a, o->base, o->n_base, GLASS_PART_BASE));
        TRY(open_side(a, o->adapters, o->n_adapters, GLASS_PART_ADAPTER));
        TRY(open_side(a, o->data, o->n_data, GLASS_PART_DATA));
    }
    TRY(audit_add_policies(a));
    TRY(audit_compare_claims(a));
    TRY(audit_limits_tell(a));
    TRY(audit_check_tokenizers(a));
    TRY(audit_kin(a, o));
    TRY(audit_judge(a));
    return finish(a, path);
}

glass_status glass_audit_open(glass_audit **out, const char *path,
                              const glass_audit_options *options) {
    struct glass_audit *a;
    *out = NULL;
    TRY(mem_alloc_zero(&a, 1, sizeof *a));
    glass_status status = open_all(a, path, options);
    if (status != GLASS_OK)
        glass_audit_close(a);
    else
        *out = a;
    return status;
}

const glass_audit_report *glass_audit_get(const glass_audit *audit) {
    return &audit->report;
}

void glass_audit_close(glass_audit *a) {
    if (a == NULL) return;
    for (int64_t i = 0; i < a->n_texts; i++) glass_licence_free(a->texts[i]);
    mem_free(a->texts);
    mem_free(a->claims);
    mem_free(a->limits);
    mem_free(a->findings);
    mem_free(a->points);
    mem_free(a->checks);
    audit_tree_close(&a->tree);
    clause_table_close(&a->table);
    pool_free(&a->pool);
    mem_free(a);
}
