/* mof.c - see mof.h; and glass_mof_read, records of the Model Openness Tool. */
#include "open/mof.h"

#include "base/hash.h"
#include "base/mem.h"
#include "data/licence.h"
#include "open/audit_card.h"
#include "open/audit_pool.h"
#include "open/audit_tree.h"

#include <stdio.h>
#include <string.h>

const struct mof_kind mof_kinds[MOF_COMPONENTS] = {
    {9, "Model architecture", "code", 3, true},
    {16, "Data preprocessing code", "code", 1, true},
    {7, "Training code", "code", 2, true},
    {8, "Inference code", "code", 2, true},
    {18, "Evaluation code", "code", 2, true},
    {22, "Supporting libraries and tools", "code", 2, false},
    {10, "Model parameters (Final)", "data", 3, true},
    {24, "Model parameters (Intermediate)", "data", 1, true},
    {15, "Datasets", "data", 1, true},
    {19, "Evaluation data", "data", 2, true},
    {17, "Model metadata", "data", 1, false},
    {20, "Sample model outputs", "document", 3, false},
    {13, "Model card", "document", 3, true},
    {14, "Data card", "document", 3, true},
    {11, "Technical report", "document", 3, true},
    {21, "Research paper", "document", 1, true},
    {12, "Evaluation results", "document", 3, true},
};

/* Of the tool's list; "ODC-PDDL-1.0" is no SPDX id, and stands there in place of PDDL-1.0. */
static const char tool_data[] = "CDLA-Permissive-1.0 CDLA-Permissive-2.0 C-UDA-1.0 CC-PDDC "
                                "CC0-1.0 ODC-PDDL-1.0 ODC-By-1.0 CDLA-Sharing-1.0 "
                                "OpenMDW-1.0";

/* Creative Commons' licences by attribution alone or with share-alike, of any version and place. */
static bool is_cc_by(const char *name) {
    return strncmp(name, "CC-BY-", 6) == 0 && strstr(name, "NC") == NULL &&
           strstr(name, "ND") == NULL && strpbrk(name, "123456789") != NULL;
}

static const char open_data[] = "CDLA-Permissive-1.0 CDLA-Permissive-2.0 C-UDA-1.0 "
                                "O-UDA-1.0 CC-PDDC CC0-1.0 PDDL-1.0 ODC-By-1.0 ODbL-1.0 "
                                "CDLA-Sharing-1.0";
static const char open_text[] = "CC0-1.0 CC-PDDC GFDL-1.3 GFDL-1.3-only GFDL-1.3-or-later";
static const char fit_for_all[] = "OpenMDW-1.0 OpenMDW-1.1";

static bool holds(const char *words, const char *name) {
    size_t n = strlen(name);
    if (n == 0 || strchr(name, ' ') != NULL) return false;
    for (const char *p = words; *p;) {
        size_t k = strcspn(p, " ");
        if (k == n && memcmp(p, name, n) == 0) return true;
        p += k;
        p += strspn(p, " ");
    }
    return false;
}

bool mof_open_tool(const char *name) {
    return holds(spdx_osi, name) || holds(spdx_fsf_alone, name) || holds(tool_data, name) ||
           is_cc_by(name);
}

bool mof_open_paper(const char *id, const char *content, bool parameters) {
    if (holds(fit_for_all, id)) return true;
    if (strcmp(content, "code") == 0) return holds(spdx_osi, id);
    if (strcmp(content, "document") == 0) return holds(open_text, id) || is_cc_by(id);
    return holds(open_data, id) || is_cc_by(id) || (parameters && holds(spdx_osi, id));
}

void mof_classify(int *mof_class, double progress[3], const bool counts[MOF_COMPONENTS]) {
    *mof_class = 0;
    bool before = true;
    for (int level = 3; level >= 1; level--) {
        int needed = 0, there = 0;
        for (int i = 0; i < MOF_COMPONENTS; i++) {
            const struct mof_kind *k = &mof_kinds[i];
            if (!k->required || k->mof_class < level) continue;
            /* A paper stands for the report: class I, which asks for a paper, then asks for
             * no report. */
            if (i == MOF_REPORT && !counts[i] && counts[MOF_PAPER] && level == 1) continue;
            needed++;
            there += counts[i] || (i == MOF_REPORT && counts[MOF_PAPER]);
        }
        progress[level - 1] = before ? 100.0 * there / needed : 0;
        before = before && there == needed;
        if (before) *mof_class = level;
    }
}

/* ---- records ---- */

struct record {
    glass_mof_record r; /* first: it is what callers hold */
    struct audit_pool pool;
};

static glass_status quote(struct record *x, glass_audit_evidence *e,
                          const struct card_member *m) {
    e->file = x->r.path;
    e->sha256 = x->r.sha256;
    e->quote = "";
    if (m == NULL) return GLASS_OK;
    e->begin = m->begin;
    e->end = m->end;
    return pool_text(&x->pool, &e->quote, m->value, strlen(m->value));
}

/* Its own licence, else that of its kind, else that of the whole. "unlicensed" is one's own. */
static glass_status take_licence(struct record *x, const struct card *c,
                                 glass_mof_component *out, int at) {
    char key[80];
    const struct card_member *m;
    snprintf(key, sizeof key, "release.components[%d].license", at);
    m = card_find(c, key);
    out->from = "component";
    if (m == NULL || *m->value == '\0') {
        snprintf(key, sizeof key, "release.license.%s.name", out->content);
        m = card_find(c, key);
        out->from = out->content;
    }
    if (m == NULL || *m->value == '\0') {
        m = card_find(c, "release.license.distribution.name");
        out->from = "distribution";
    }
    if (m == NULL || *m->value == '\0' || strcmp(m->value, "unlicensed") == 0) {
        out->from = m != NULL && *m->value ? "component" : "";
        return GLASS_OK;
    }
    TRY(pool_text(&x->pool, &out->licence, m->value, strlen(m->value)));
    return quote(x, &out->evidence, m);
}

static glass_status take_components(struct record *x, const struct card *c) {
    char key[80];
    const struct card_member *m;
    for (int at = 0;; at++) {
        snprintf(key, sizeof key, "release.components[%d].name", at);
        if ((m = card_find(c, key)) == NULL) break;
        int i = 0;
        while (i < MOF_COMPONENTS && strcmp(mof_kinds[i].name, m->value) != 0) i++;
        if (i == MOF_COMPONENTS) {
            x->r.n_unknown++;
            continue;
        }
        glass_mof_component *out = &x->r.components[i];
        x->r.n_components += !out->present;
        out->present = true;
        TRY(quote(x, &out->evidence, m));
        TRY(take_licence(x, c, out, at));
    }
    return GLASS_OK;
}

static glass_status judge(struct record *x) {
    bool tool[MOF_COMPONENTS], paper[MOF_COMPONENTS], own[MOF_COMPONENTS];
    for (int i = 0; i < MOF_COMPONENTS; i++) {
        glass_mof_component *c = &x->r.components[i];
        struct buf id = {0};
        glass_status status = licence_normal(&id, c->licence, strlen(c->licence));
        if (status != GLASS_OK) return status;
        c->open = c->present && mof_open_tool(c->licence);
        bool parameters = i == MOF_PARAMETERS || i == MOF_CHECKPOINTS;
        c->fit =
            c->present && (mof_open_paper(c->licence, c->content, parameters) ||
                           (id.len > 0 && mof_open_paper(id.data, c->content, parameters)));
        buf_free(&id);
        /* The paper's table 2 takes data sets as they are, "including unlicensed". */
        c->fit |= c->present && i == MOF_DATASETS;
        tool[i] = c->open;
        own[i] = c->open && strcmp(c->from, "distribution") != 0;
        paper[i] = c->fit;
    }
    mof_classify(&x->r.class_tool, x->r.progress_tool, tool);
    mof_classify(&x->r.class_paper, x->r.progress_paper, paper);
    mof_classify(&x->r.class_own, x->r.progress_own, own);
    return GLASS_OK;
}

static glass_status read_record(struct record *x, const char *text, size_t n) {
    struct card c;
    uint8_t digest[32];
    char hex[65];
    TRY(sha256_bytes(digest, text, n));
    sha256_hex(hex, digest);
    TRY(pool_text(&x->pool, &x->r.sha256, hex, 64));
    for (int i = 0; i < MOF_COMPONENTS; i++) {
        const struct mof_kind *k = &mof_kinds[i];
        x->r.components[i] = (glass_mof_component){.id = k->id,
                                                   .name = k->name,
                                                   .content = k->content,
                                                   .mof_class = k->mof_class,
                                                   .required = k->required,
                                                   .licence = "",
                                                   .from = ""};
        TRY(quote(x, &x->r.components[i].evidence, NULL));
    }
    TRY(card_read(&c, text, n, true));
    const struct card_member *name = card_find(&c, "release.name");
    glass_status status = GLASS_OK;
    if (*c.problem)
        status = fail(GLASS_BAD_INPUT, "%s: %s", x->r.path, c.problem);
    else if (name == NULL || card_find(&c, "release.components[0].name") == NULL)
        status = fail(GLASS_BAD_INPUT,
                      "%s: no record of the Model Openness Framework: it has no "
                      "release.name, or no release.components",
                      x->r.path);
    else
        status = pool_text(&x->pool, &x->r.name, name->value, strlen(name->value));
    if (status == GLASS_OK) status = take_components(x, &c);
    card_clear(&c);
    return status == GLASS_OK ? judge(x) : status;
}

glass_status glass_mof_read(glass_mof_record **out, const char *path) {
    struct audit_tree tree;
    struct buf text = {0};
    struct record *x;
    *out = NULL;
    TRY(audit_tree_open(&tree, path));
    glass_status status = mem_alloc_zero(&x, 1, sizeof *x);
    if (status != GLASS_OK) {
        audit_tree_close(&tree);
        return status;
    }
    if (!tree.one)
        status = fail(GLASS_BAD_INPUT, "%s: a folder; give a record's file", path);
    if (status == GLASS_OK) status = pool_text(&x->pool, &x->r.path, path, strlen(path));
    if (status == GLASS_OK) status = audit_tree_read(&text, &tree, &tree.files[0], 1 << 20);
    if (status == GLASS_OK) status = read_record(x, text.data, text.len);
    buf_free(&text);
    audit_tree_close(&tree);
    if (status == GLASS_OK)
        *out = &x->r;
    else
        glass_mof_free(&x->r);
    return status;
}

void glass_mof_free(glass_mof_record *record) {
    struct record *x = (struct record *)record;
    if (x == NULL) return;
    pool_free(&x->pool);
    mem_free(x);
}
