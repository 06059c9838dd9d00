/* emit_spdx.c - SPDX 3.0.1 as JSON-LD, profiles Core, Software, SimpleLicensing, AI and Dataset.
 *
 * How sure a fact is stands in an annotation, whose statement is JSON: fact, value, grade, evidence.
 * A licence that is declared is related as declared, one whose text is at hand as concluded.
 * Source: spdx.github.io/spdx-spec/v3.0.1. */
#include "open/emit_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char no_licence[] = "expandedlicensing_NoAssertionLicense";

struct spdx {
    struct emit *e;
    json_t *graph, *all; /* all: ids of elements */
    int n_relations, n_notes, n_licences;
};

static const char *id_of(struct spdx *s, const char *kind, int n) {
    const char *id = "";
    if (pool_printf(&s->e->pool, &id, n >= 0 ? "urn:uuid:%s#%s-%d" : "urn:uuid:%s#%s",
                    s->e->uuid, kind, n) != GLASS_OK)
        s->e->failed = true;
    return id;
}

static json_t *element(struct spdx *s, const char *type, const char *id) {
    json_t *o = json_object();
    emit_put_text(s->e, o, "type", type);
    emit_put_text(s->e, o, "spdxId", id);
    emit_put_text(s->e, o, "creationInfo", "_:creation");
    if (json_array_append(s->graph, o) != 0) s->e->failed = true;
    emit_push(s->e, s->all, json_string(id));
    json_decref(o); /* the graph has it; where it does not, nothing is written */
    return s->e->failed ? NULL : o;
}

static json_t *one(struct spdx *s, const char *text) {
    json_t *list = json_array();
    emit_push(s->e, list, emit_text(text));
    return list;
}

static json_t *relate(struct spdx *s, const char *from, const char *type, json_t *to) {
    json_t *o = element(s, "Relationship", id_of(s, "relation", s->n_relations++));
    emit_put_text(s->e, o, "from", from);
    emit_put_text(s->e, o, "relationshipType", type);
    emit_put(s->e, o, "to", to);
    return o;
}

static void annotate(struct spdx *s, const char *subject, const char *key,
                     const char *value, glass_audit_grade grade,
                     const glass_audit_evidence *evidence) {
    json_t *said = json_object();
    emit_put_text(s->e, said, "fact", key);
    emit_put_text(s->e, said, "value", value);
    emit_put_text(s->e, said, "grade", emit_grade(grade));
    if (*evidence->file) emit_put(s->e, said, "evidence", emit_evidence(s->e, evidence));
    struct buf text = {0};
    if (emit_dump(&text, said, JSON_COMPACT) != GLASS_OK) s->e->failed = true;
    json_decref(said);
    json_t *o = element(s, "Annotation", id_of(s, "annotation", s->n_notes++));
    emit_put_text(s->e, o, "annotationType", "other");
    emit_put_text(s->e, o, "subject", subject);
    emit_put_text(s->e, o, "contentType", "application/json");
    emit_put(s->e, o, "statement", text.len > 0 ? json_string(text.data) : NULL);
    buf_free(&text);
}

static json_t *hashes(struct spdx *s, const char *sha256) {
    json_t *list = json_array(), *h = json_object();
    emit_put_text(s->e, h, "type", "Hash");
    emit_put_text(s->e, h, "algorithm", "sha256");
    emit_put_text(s->e, h, "hashValue", sha256);
    emit_push(s->e, list, h);
    return list;
}

static void entry(struct spdx *s, json_t *list, const char *key, const char *value) {
    json_t *o = json_object();
    emit_put_text(s->e, o, "type", "DictionaryEntry");
    emit_put_text(s->e, o, "key", key);
    emit_put_text(s->e, o, "value", value);
    emit_push(s->e, list, o);
}

/* ---- licences ---- */

static const char *put_licence(struct spdx *s, const struct emit_licence *l) {
    const char *id = id_of(s, "licence", s->n_licences++);
    json_t *o = element(s, "simplelicensing_LicenseExpression", id);
    emit_put_text(s->e, o, "name", l->name);
    emit_put_text(s->e, o, "simplelicensing_licenseExpression", l->id);
    return id;
}

/* What a package is under, each licence once. */
static void put_licences(struct spdx *s, const char *from, glass_audit_part part) {
    const struct emit *e = s->e;
    bool said[2] = {false, false};
    for (int64_t i = 0; i < e->n_licences; i++) {
        const struct emit_licence *l = &e->licences[i];
        if (l->part != part) continue;
        bool sure = l->grade == GLASS_AUDIT_VERIFIED && !l->changed, before = false;
        for (int64_t k = 0; k < i; k++) {
            const struct emit_licence *m = &e->licences[k];
            before |= m->part == part && strcmp(m->id, l->id) == 0 &&
                      (m->grade == GLASS_AUDIT_VERIFIED && !m->changed) == sure;
        }
        if (!before) {
            relate(s, from, sure ? "hasConcludedLicense" : "hasDeclaredLicense",
                   one(s, put_licence(s, l)));
            said[sure] = true;
        }
        annotate(s, from, "licence", l->id, l->grade, &l->evidence);
    }
    for (int k = 0; k < 2; k++)
        if (!said[k])
            relate(s, from, k ? "hasConcludedLicense" : "hasDeclaredLicense",
                   one(s, no_licence));
}

/* ---- files, packages ---- */

static const char *purpose(const struct emit_file *f) {
    switch (f->role) {
    case ROLE_LICENCE:
    case ROLE_POLICY:
    case ROLE_CARD:
    case ROLE_CITATION: return "documentation";
    case ROLE_WEIGHTS:
    case ROLE_GGUF:
    case ROLE_ADAPTER: return "model";
    case ROLE_CONFIG:
    case ROLE_TOKENIZER: return "configuration";
    case ROLE_CODE: return "source";
    case ROLE_DATA: return "data";
    default: return "file";
    }
}

static bool is_shard(const struct emit_file *f) {
    return strncmp(f->f->path, "shards/", 7) == 0;
}

/* Those files that are shards of a run, or those that are not. */
static void put_files(struct spdx *s, const char *package, bool shards) {
    struct emit *e = s->e;
    json_t *ids = json_array();
    for (int64_t i = 0; i < e->n_files; i++) {
        const struct emit_file *f = &e->files[i];
        if ((e->kind == EMIT_RUN && is_shard(f)) != shards) continue;
        const char *id = id_of(s, "file", (int)i);
        json_t *o = element(s, "software_File", id);
        emit_put_text(e, o, "name", f->f->path);
        emit_put(e, o, "verifiedUsing", hashes(s, f->sha256));
        emit_put_text(e, o, "software_primaryPurpose", shards ? "data" : purpose(f));
        emit_push(e, ids, json_string(id));
    }
    if (json_array_size(ids) > 0)
        emit_put_text(e, relate(s, package, "contains", ids), "completeness", "complete");
    else
        json_decref(ids);
}

static void put_hyperparameters(struct spdx *s, json_t *o) {
    const struct emit *e = s->e;
    json_t *list = json_array();
    for (int64_t i = 0; i < e->n_facts; i++)
        if (strncmp(e->facts[i].key, "recipe.", 7) == 0)
            entry(s, list, e->facts[i].key + 7, e->facts[i].value);
    emit_put(s->e, o, "ai_hyperparameter", list);
    emit_put_text(
        s->e, o, "ai_informationAboutTraining",
        "Trained by Glass from recipe.yaml and the shards, step by step as "
        "ledger.jsonl tells; the same inputs give the same weights, bit for bit.");
    if (emit_fact(e, "held-out loss") == NULL) return;
    list = json_array();
    entry(s, list, "held-out loss", emit_fact(e, "held-out loss"));
    emit_put(s->e, o, "ai_metric", list);
}

static void put_model(struct spdx *s, const char *id) {
    struct emit *e = s->e;
    json_t *o = element(s, "ai_AIPackage", id);
    emit_put_text(e, o, "name", e->name);
    emit_put_text(e, o, "software_primaryPurpose", "model");
    if (e->weights != NULL) emit_put(e, o, "verifiedUsing", hashes(s, e->weights->sha256));
    if (emit_fact(e, "version") != NULL)
        emit_put_text(e, o, "software_packageVersion", emit_fact(e, "version"));
    if (emit_fact(e, "architecture") != NULL)
        emit_put(e, o, "ai_typeOfModel", one(s, emit_fact(e, "architecture")));
    if (emit_fact(e, "task") != NULL)
        emit_put(e, o, "ai_domain", one(s, emit_fact(e, "task")));
    if (e->kind == EMIT_RUN) put_hyperparameters(s, o);
    put_files(s, id, false);
    put_licences(s, id, GLASS_PART_MODEL);
    for (int64_t i = 0; i < e->n_facts; i++)
        if (strncmp(e->facts[i].key, "recipe.", 7) != 0)
            annotate(s, id, e->facts[i].key, e->facts[i].value, e->facts[i].grade,
                     &e->facts[i].evidence);
}

/* Data sets and models that are only named. */
static void put_named(struct spdx *s, const char *model) {
    struct emit *e = s->e;
    static const struct {
        const char *key, *type, *relation, *kind;
    } named[] = {{"dataset", "dataset_DatasetPackage", "trainedOn", "dataset"},
                 {"base model", "ai_AIPackage", "descendantOf", "base"}};
    for (int k = 0; k < 2; k++) {
        const struct emit_fact *f;
        int64_t at = 0;
        for (int n = 0; (f = emit_fact_next(e, named[k].key, &at)) != NULL; n++) {
            const char *id = id_of(s, named[k].kind, n);
            json_t *o = element(s, named[k].type, id);
            emit_put_text(e, o, "name", f->value);
            if (k == 0) emit_put(e, o, "dataset_datasetType", one(s, "noAssertion"));
            emit_put_text(e, relate(s, model, named[k].relation, one(s, id)),
                          "completeness", "noAssertion");
            annotate(s, id, "name", f->value, f->grade, &f->evidence);
            relate(s, id, "hasConcludedLicense", one(s, no_licence));
        }
    }
}

/* A corpus, or the shards that a run learnt from. */
static void put_data(struct spdx *s, const char *id) {
    struct emit *e = s->e;
    bool corpus = e->kind == EMIT_CORPUS;
    json_t *o = element(s, "dataset_DatasetPackage", id);
    emit_put_text(e, o, "name", corpus ? e->name : "shards");
    emit_put_text(e, o, "software_primaryPurpose", "data");
    emit_put(e, o, "dataset_datasetType", one(s, "text"));
    if (corpus) {
        emit_put(e, o, "dataset_datasetSize",
                 json_integer(json_integer_value(json_object_get(e->summary, "bytes"))));
        for (int64_t i = 0; i < e->n_facts; i++)
            annotate(s, id, e->facts[i].key, e->facts[i].value, e->facts[i].grade,
                     &e->facts[i].evidence);
    }
    put_files(s, id, !corpus);
    put_licences(s, id, GLASS_PART_DATA);
}

/* ---- the whole ---- */

static void put_top(struct spdx *s, json_t *profiles, const char *main) {
    struct emit *e = s->e;
    json_t *info = json_object();
    emit_put_text(e, info, "type", "CreationInfo");
    emit_put_text(e, info, "@id", "_:creation");
    emit_put_text(e, info, "specVersion", "3.0.1");
    emit_put_text(e, info, "created", *e->date ? e->date : "1970-01-01T00:00:00Z");
    if (*e->date == '\0')
        emit_put_text(e, info, "comment",
                      "No clock was read: the time of creation is not told.");
    const char *glass = id_of(s, "glass", -1), *bom = id_of(s, "bom", -1);
    emit_put(e, info, "createdBy", one(s, glass));
    emit_push(e, s->graph, info);
    json_t *o = element(s, "SoftwareAgent", glass);
    emit_put_text(e, o, "name", "Glass");
    o = json_object();
    emit_put_text(e, o, "type", "SpdxDocument");
    emit_put_text(e, o, "spdxId", id_of(s, "document", -1));
    emit_put_text(e, o, "creationInfo", "_:creation");
    emit_put_text(e, o, "name", e->name);
    emit_put(e, o, "profileConformance", json_incref(profiles));
    emit_put(e, o, "rootElement", one(s, bom));
    emit_put(e, o, "element", json_incref(s->all)); /* filled as elements come */
    emit_push(e, s->graph, o);
    o = element(s, "software_Sbom", bom);
    emit_put(e, o, "profileConformance", profiles);
    emit_put(e, o, "rootElement", one(s, main));
    emit_put(e, o, "software_sbomType", one(s, "analyzed"));
}

glass_status emit_spdx(struct emit *e, json_t **out) {
    struct spdx s = {.e = e, .graph = json_array(), .all = json_array()};
    json_t *root = json_object(), *profiles = json_array();
    static const char *const names[] = {"core", "software", "simpleLicensing", "dataset",
                                        "ai"};
    bool corpus = e->kind == EMIT_CORPUS;
    for (int i = 0; i < (corpus ? 4 : 5); i++)
        emit_push(e, profiles, json_string(names[i]));
    emit_put_text(e, root, "@context", "https://spdx.org/rdf/3.0.1/spdx-context.jsonld");
    emit_put(e, root, "@graph", json_incref(s.graph));
    const char *model = id_of(&s, "model", -1), *data = id_of(&s, "data", -1);
    put_top(&s, profiles, corpus ? data : model);
    if (!corpus) put_model(&s, model);
    if (!corpus) put_named(&s, model);
    if (e->kind != EMIT_MODEL) put_data(&s, data);
    if (e->kind == EMIT_RUN)
        emit_put_text(e, relate(&s, model, "trainedOn", one(&s, data)), "completeness",
                      "complete");
    json_decref(s.all);
    json_decref(s.graph);
    *out = root;
    return GLASS_OK;
}
