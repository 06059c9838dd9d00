/* emit_cyclonedx.c - CycloneDX 1.6 as JSON: a bill of materials with a model card.
 *
 * A licence is "concluded" where its text is at hand, else "declared". How sure other facts are
 * stands in properties named glass:FACT, as "VALUE (GRADE; FILE, bytes A to B, SHA-256 …)".
 * Source: cyclonedx.org/docs/1.6/json. */
#include "open/emit_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void property(struct emit *e, json_t *list, const char *name, const char *value) {
    json_t *o = json_object();
    emit_put_text(e, o, "name", name);
    emit_put_text(e, o, "value", value);
    emit_push(e, list, o);
}

static void graded(struct emit *e, json_t *list, const char *key, const char *value,
                   glass_audit_grade grade, const glass_audit_evidence *at) {
    const char *name = "", *words = "", *bytes = "";
    if (at->end > at->begin &&
        pool_printf(&e->pool, &bytes, ", bytes %zu to %zu", at->begin, at->end) != GLASS_OK)
        e->failed = true;
    if (pool_printf(&e->pool, &name, "glass:%s", key) != GLASS_OK ||
        pool_printf(&e->pool, &words, "%s (%s%s%s%s%s%s)", value, emit_grade(grade),
                    *at->file ? "; " : "", at->file, bytes, *at->sha256 ? ", SHA-256 " : "",
                    at->sha256) != GLASS_OK)
        e->failed = true;
    property(e, list, name, words);
}

static bool is_one_of(const char *words, const char *text, size_t n) {
    for (const char *w = words; *w; w += strspn(w, " ")) {
        size_t k = strcspn(w, " ");
        if (k == n && memcmp(w, text, n) == 0) return true;
        w += k;
    }
    return false;
}

/* Whether the schema's list of ids has it. Families that are told by rule elsewhere may have versions
 * that do not exist; OpenMDW is younger than the list. */
static bool has_id(const struct emit_licence *l) {
    static const struct {
        const char *begin, *versions, *ends;
    } families[] = {
        {"GPL-", "1.0 2.0 3.0", "-only -or-later"},
        {"LGPL-", "2.0 2.1 3.0", "-only -or-later"},
        {"AGPL-", "1.0 3.0", "-only -or-later"},
        {"GFDL-", "1.1 1.2 1.3",
         "-only -or-later -invariants-only -invariants-or-later -no-invariants-only "
         "-no-invariants-or-later"},
        {"CC-BY-", "1.0 2.0 2.5 3.0 4.0", ""},
        {"CC-BY-SA-", "1.0 2.0 2.5 3.0 4.0", ""},
        {"CC-BY-NC-", "1.0 2.0 2.5 3.0 4.0", ""},
        {"CC-BY-ND-", "1.0 2.0 2.5 3.0 4.0", ""},
        {"CC-BY-NC-SA-", "1.0 2.0 2.5 3.0 4.0", ""},
        {"CC-BY-NC-ND-", "1.0 2.0 2.5 3.0 4.0", ""}};
    if (!l->listed || strncmp(l->id, "OpenMDW-", 8) == 0) return false;
    size_t n = strcspn(l->id, "0123456789");
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        if (strlen(families[i].begin) != n || memcmp(l->id, families[i].begin, n) != 0)
            continue;
        const char *version = l->id + n, *end = version + strcspn(version, "-");
        return is_one_of(families[i].versions, version, (size_t)(end - version)) &&
               (*end == '\0' || is_one_of(families[i].ends, end, strlen(end)));
    }
    return strncmp(l->id, "CC-", 3) != 0; /* those of a place */
}

static json_t *licences(struct emit *e, glass_audit_part part) {
    json_t *list = json_array();
    for (int64_t i = 0; i < e->n_licences; i++) {
        const struct emit_licence *l = &e->licences[i];
        bool sure = l->grade == GLASS_AUDIT_VERIFIED && !l->changed, before = false;
        if (l->part != part) continue;
        for (int64_t k = 0; k < i; k++)
            before |= e->licences[k].part == part &&
                      strcmp(e->licences[k].id, l->id) == 0 &&
                      sure == (e->licences[k].grade == GLASS_AUDIT_VERIFIED &&
                               !e->licences[k].changed);
        if (before) continue;
        json_t *o = json_object(), *outer = json_object();
        emit_put_text(e, o, has_id(l) ? "id" : "name", l->id);
        emit_put_text(e, o, "acknowledgement", sure ? "concluded" : "declared");
        json_t *more = json_array();
        graded(e, more, "licence", l->name, l->grade, &l->evidence);
        emit_put(e, o, "properties", more);
        emit_put(e, outer, "license", o);
        emit_push(e, list, outer);
    }
    return list;
}

static void put_licences(struct emit *e, json_t *o, glass_audit_part part) {
    json_t *list = licences(e, part);
    if (json_array_size(list) > 0)
        emit_put(e, o, "licenses", list);
    else
        json_decref(list);
}

/* Where a licence is said. */
static json_t *occurrences(struct emit *e, glass_audit_part part) {
    json_t *list = json_array();
    for (int64_t i = 0; i < e->n_licences; i++) {
        const struct emit_licence *l = &e->licences[i];
        const char *words = "";
        if (l->part != part || *l->evidence.file == '\0') continue;
        json_t *o = json_object();
        emit_put_text(e, o, "location", l->evidence.file);
        if (l->evidence.end > l->evidence.begin)
            emit_put(e, o, "offset", json_integer((json_int_t)l->evidence.begin));
        if (pool_printf(&e->pool, &words, "licence %s, %s by %s", l->id,
                        emit_grade(l->grade), l->how) != GLASS_OK)
            e->failed = true;
        emit_put_text(e, o, "additionalContext", words);
        emit_push(e, list, o);
    }
    return list;
}

static json_t *hashes(struct emit *e, const char *sha256) {
    json_t *list = json_array(), *o = json_object();
    emit_put_text(e, o, "alg", "SHA-256");
    emit_put_text(e, o, "content", sha256);
    emit_push(e, list, o);
    return list;
}

static json_t *component(struct emit *e, const char *type, const char *ref,
                         const char *name) {
    json_t *o = json_object();
    emit_put_text(e, o, "type", type);
    emit_put_text(e, o, "bom-ref", ref);
    emit_put_text(e, o, "name", name);
    return o;
}

/* ---- the model card ---- */

static json_t *card(struct emit *e) {
    json_t *card = json_object(), *p = json_object(), *sets = json_array();
    const struct emit_fact *f;
    int64_t at = 0;
    char ref[40];
    if (e->kind == EMIT_RUN) {
        json_t *approach = json_object();
        emit_put_text(e, approach, "type", "self-supervised");
        emit_put(e, p, "approach", approach);
        emit_put_text(e, p, "task", "text-generation");
    } else if (emit_fact(e, "task") != NULL) {
        emit_put_text(e, p, "task", emit_fact(e, "task"));
    }
    if (emit_fact(e, "architecture") != NULL)
        emit_put_text(e, p, "modelArchitecture", emit_fact(e, "architecture"));
    for (int n = 0; (f = emit_fact_next(e, "dataset", &at)) != NULL; n++) {
        json_t *o = json_object();
        snprintf(ref, sizeof ref, "dataset-%d", n);
        emit_put_text(e, o, "ref", ref);
        emit_push(e, sets, o);
    }
    if (e->kind == EMIT_RUN) {
        json_t *o = json_object();
        emit_put_text(e, o, "ref", "shards");
        emit_push(e, sets, o);
    }
    if (json_array_size(sets) > 0)
        emit_put(e, p, "datasets", sets);
    else
        json_decref(sets);
    emit_put(e, card, "modelParameters", p);
    if (emit_fact(e, "held-out loss") != NULL) {
        json_t *q = json_object(), *list = json_array(), *m = json_object();
        emit_put_text(e, m, "type", "held-out loss");
        emit_put_text(e, m, "value", emit_fact(e, "held-out loss"));
        emit_push(e, list, m);
        emit_put(e, q, "performanceMetrics", list);
        emit_put(e, card, "quantitativeAnalysis", q);
    }
    return card;
}

/* ---- components ---- */

static void put_files(struct emit *e, json_t *list, json_t *refs) {
    for (int64_t i = 0; i < e->n_files; i++) {
        const struct emit_file *f = &e->files[i];
        char ref[40];
        snprintf(ref, sizeof ref, "file-%d", (int)i);
        json_t *o = component(e, "file", ref, f->f->path);
        emit_put(e, o, "hashes", hashes(e, f->sha256));
        emit_push(e, list, o);
        emit_push(e, refs, json_string(ref));
    }
}

static json_t *data_component(struct emit *e, const char *ref, const char *name) {
    json_t *o = component(e, "data", ref, name), *data = json_array(), *d = json_object();
    emit_put_text(e, d, "type", "dataset");
    emit_put_text(e, d, "name", name);
    emit_push(e, data, d);
    emit_put(e, o, "data", data);
    return o;
}

static void put_named(struct emit *e, json_t *list, json_t *refs) {
    static const char *const keys[] = {"dataset", "base model"};
    for (int k = 0; k < 2; k++) {
        const struct emit_fact *f;
        int64_t at = 0;
        char ref[40];
        for (int n = 0; (f = emit_fact_next(e, keys[k], &at)) != NULL; n++) {
            snprintf(ref, sizeof ref, "%s-%d", k == 0 ? "dataset" : "base", n);
            json_t *o = k == 0 ? data_component(e, ref, f->value)
                               : component(e, "machine-learning-model", ref, f->value);
            json_t *more = json_array();
            graded(e, more, "name", f->value, f->grade, &f->evidence);
            emit_put(e, o, "properties", more);
            emit_push(e, list, o);
            emit_push(e, refs, json_string(ref));
        }
    }
    if (e->kind == EMIT_RUN) {
        json_t *o = data_component(e, "shards", "shards");
        put_licences(e, o, GLASS_PART_DATA);
        emit_push(e, list, o);
        emit_push(e, refs, json_string("shards"));
    }
}

static json_t *main_component(struct emit *e) {
    bool corpus = e->kind == EMIT_CORPUS;
    glass_audit_part part = corpus ? GLASS_PART_DATA : GLASS_PART_MODEL;
    json_t *o = corpus ? data_component(e, "main", e->name)
                       : component(e, "machine-learning-model", "main", e->name);
    if (emit_fact(e, "version") != NULL)
        emit_put_text(e, o, "version", emit_fact(e, "version"));
    if (e->weights != NULL) emit_put(e, o, "hashes", hashes(e, e->weights->sha256));
    put_licences(e, o, part);
    json_t *where = occurrences(e, part), *evidence = json_object();
    bool some = json_array_size(where) > 0;
    emit_put(e, evidence, "occurrences", where);
    if (some)
        emit_put(e, o, "evidence", evidence);
    else
        json_decref(evidence);
    if (!corpus) emit_put(e, o, "modelCard", card(e));
    json_t *more = json_array();
    for (int64_t i = 0; i < e->n_facts; i++)
        graded(e, more, e->facts[i].key, e->facts[i].value, e->facts[i].grade,
               &e->facts[i].evidence);
    emit_put(e, o, "properties", more);
    return o;
}

static json_t *metadata(struct emit *e) {
    json_t *m = json_object(), *tools = json_object(), *list = json_array();
    if (*e->date) emit_put_text(e, m, "timestamp", e->date);
    json_t *glass = json_object();
    emit_put_text(e, glass, "type", "application");
    emit_put_text(e, glass, "name", "Glass");
    emit_put_text(e, glass, "version", glass_version());
    emit_push(e, list, glass);
    emit_put(e, tools, "components", list);
    emit_put(e, m, "tools", tools);
    emit_put(e, m, "component", main_component(e));
    return m;
}

glass_status emit_cyclonedx(struct emit *e, json_t **out) {
    const char *serial = "";
    TRY(pool_printf(&e->pool, &serial, "urn:uuid:%s", e->uuid));
    json_t *root = json_object(), *components = json_array(), *refs = json_array();
    json_t *dependencies = json_array(), *d = json_object();
    emit_put_text(e, root, "$schema", "http://cyclonedx.org/schema/bom-1.6.schema.json");
    emit_put_text(e, root, "bomFormat", "CycloneDX");
    emit_put_text(e, root, "specVersion", "1.6");
    emit_put_text(e, root, "serialNumber", serial);
    emit_put(e, root, "version", json_integer(1));
    emit_put(e, root, "metadata", metadata(e));
    put_files(e, components, refs);
    put_named(e, components, refs);
    emit_put(e, root, "components", components);
    emit_put_text(e, d, "ref", "main");
    emit_put(e, d, "dependsOn", refs);
    emit_push(e, dependencies, d);
    emit_put(e, root, "dependencies", dependencies);
    *out = root;
    return GLASS_OK;
}
