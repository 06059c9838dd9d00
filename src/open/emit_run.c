/* emit_run.c - in-toto statement v1 with SLSA provenance v1: these weights came from this run.
 *
 * buildType urn:glass:train:1: externalParameters.recipe has every key of recipe.yaml;
 * internalParameters the arithmetic, whose definition is docs/arithmetic.md; resolvedDependencies
 * the recipe and the shards; the subject is the last checkpoint's model.gguf; byproducts are the ledger, whose
 * chain ties all of them, and what the run leaves beside. It says what the run's hashes prove; who ran it
 * and when they do not tell. Source: slsa.dev/spec/v1.0/provenance, in-toto attestation v1. */
#include "open/emit_parts.h"

#include <string.h>

static json_t *resource(struct emit *e, const struct emit_file *f) {
    json_t *o = json_object();
    emit_put_text(e, o, "name", f->f->path);
    emit_put(e, o, "digest", emit_sha256(e, f->sha256));
    return o;
}

static json_t *grade_note(struct emit *e) {
    json_t *o = json_object();
    emit_put_text(e, o, "glass_grade", "verified");
    return o;
}

static json_t *recipe(struct emit *e) {
    json_t *o = json_object();
    for (int64_t i = 0; i < e->n_facts; i++)
        if (strncmp(e->facts[i].key, "recipe.", 7) == 0)
            emit_put_text(e, o, e->facts[i].key + 7, e->facts[i].value);
    return o;
}

static void copy(struct emit *e, json_t *o, const char *as, const json_t *from,
                 const char *key) {
    json_t *v = json_object_get(from, key);
    if (v != NULL) emit_put(e, o, as, json_incref(v));
}

static json_t *dependencies(struct emit *e) {
    json_t *list = json_array();
    for (int64_t i = 0; i < e->n_files; i++) {
        const struct emit_file *f = &e->files[i];
        size_t n = strlen(f->f->path);
        bool shard = strncmp(f->f->path, "shards/", 7) == 0 && n > 12 &&
                     strcmp(f->f->path + n - 12, ".safetensors") == 0;
        if (!shard && strcmp(f->f->path, "recipe.yaml") != 0) continue;
        json_t *o = resource(e, f);
        emit_put(e, o, "annotations", grade_note(e));
        emit_push(e, list, o);
    }
    return list;
}

static json_t *definition(struct emit *e) {
    json_t *o = json_object(), *outer = json_object(), *inner = json_object();
    emit_put_text(e, o, "buildType", "urn:glass:train:1");
    emit_put(e, outer, "recipe", recipe(e));
    emit_put(e, o, "externalParameters", outer);
    copy(e, inner, "arithmetic", e->state, "arithmetic");
    copy(e, inner, "shards", e->run, "train");
    copy(e, inner, "heldOut", e->run, "held-out");
    copy(e, inner, "packs", e->first, "packs");
    copy(e, inner, "without", e->first, "without");
    copy(e, inner, "firstWeights", e->first, "weights");
    emit_put(e, o, "internalParameters", inner);
    emit_put(e, o, "resolvedDependencies", dependencies(e));
    return o;
}

static json_t *details(struct emit *e) {
    json_t *o = json_object(), *builder = json_object(), *list = json_array(),
           *metadata = json_object();
    emit_put_text(e, builder, "id", "urn:glass:run");
    emit_put(e, o, "builder", builder);
    copy(e, metadata, "invocationId", e->first, "chain");
    emit_put(e, o, "metadata", metadata);
    for (int64_t i = 0; i < e->n_files; i++) {
        const struct emit_file *f = &e->files[i];
        if (f == e->weights || strncmp(f->f->path, "shards/", 7) == 0 ||
            strcmp(f->f->path, "recipe.yaml") == 0)
            continue;
        json_t *r = resource(e, f);
        if (strcmp(f->f->path, "ledger.jsonl") == 0) {
            json_t *note = grade_note(e);
            emit_put(e, note, "glass_lines", json_integer((json_int_t)e->ledger_lines));
            emit_put_text(e, note, "glass_chain", e->chain);
            emit_put(e, r, "annotations", note);
        }
        emit_push(e, list, r);
    }
    emit_put(e, o, "byproducts", list);
    return o;
}

static json_t *subject(struct emit *e) {
    json_t *list = json_array(), *o = resource(e, e->weights), *note = grade_note(e);
    copy(e, note, "glass_weights_root", e->state, "weights");
    copy(e, note, "glass_step", e->state, "step");
    emit_put(e, o, "annotations", note);
    emit_push(e, list, o);
    return list;
}

glass_status emit_slsa(struct emit *e, json_t **out) {
    if (!emit_checks_good(e))
        return fail(GLASS_NEGATIVE,
                    "the run does not agree with its own record, so there is no provenance "
                    "to tell: see glass audit");
    if (e->weights == NULL || e->state == NULL || e->first == NULL || e->chain[0] == '\0')
        return fail(GLASS_NEGATIVE, "the run has no checkpoint yet, or no ledger");
    json_t *o = json_object(), *predicate = json_object();
    emit_put_text(e, o, "_type", "https://in-toto.io/Statement/v1");
    emit_put(e, o, "subject", subject(e));
    emit_put_text(e, o, "predicateType", "https://slsa.dev/provenance/v1");
    emit_put(e, predicate, "buildDefinition", definition(e));
    emit_put(e, predicate, "runDetails", details(e));
    emit_put(e, o, "predicate", predicate);
    *out = o;
    return GLASS_OK;
}
