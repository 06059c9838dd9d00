/* emit_facts.c - the one set of facts that every form is written from: what the audit found, hashes of
 * all files, and what cards, configurations, GGUF metadata, a run's record or a corpus say. */
#include "open/emit_parts.h"

#include "base/hash.h"
#include "base/mem.h"
#include "data/licence.h"
#include "format/gguf.h"
#include "glass/data.h"
#include "open/mof.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const glass_audit_evidence nowhere = {"", "", 0, 0, ""};

const char *emit_grade(glass_audit_grade grade) {
    static const char *const names[] = {"verified", "declared", "inherited", "missing"};
    return names[grade];
}

/* ---- facts ---- */

glass_status emit_fact_add(struct emit *e, glass_audit_grade grade,
                           const glass_audit_evidence *evidence, const char *value,
                           const char *key, ...) {
    char name[300];
    va_list list;
    va_start(list, key);
    vsnprintf(name, sizeof name, key, list);
    va_end(list);
    if (*value == '\0') return GLASS_OK;
    if (e->n_facts == e->facts_room) {
        int64_t room = e->facts_room > 0 ? 2 * e->facts_room : 64;
        TRY(mem_resize(&e->facts, (size_t)room, sizeof *e->facts));
        e->facts_room = room;
    }
    struct emit_fact f = {.grade = grade,
                          .evidence = evidence != NULL ? *evidence : nowhere};
    TRY(pool_text(&e->pool, &f.key, name, strlen(name)));
    TRY(pool_text(&e->pool, &f.value, value, strlen(value)));
    e->facts[e->n_facts++] = f;
    return GLASS_OK;
}

const struct emit_fact *emit_fact_next(const struct emit *e, const char *key, int64_t *at) {
    while (*at < e->n_facts) {
        const struct emit_fact *f = &e->facts[(*at)++];
        if (strcmp(f->key, key) == 0) return f;
    }
    return NULL;
}

const char *emit_fact(const struct emit *e, const char *key) {
    int64_t at = 0;
    const struct emit_fact *f = emit_fact_next(e, key, &at);
    return f != NULL ? f->value : NULL;
}

const struct emit_file *emit_file(const struct emit *e, const char *path) {
    for (int64_t i = 0; i < e->n_files; i++)
        if (strcmp(e->files[i].f->path, path) == 0) return &e->files[i];
    return NULL;
}

bool emit_checks_good(const struct emit *e) {
    for (int64_t i = 0; i < e->a->report.n_checks; i++)
        if (!e->a->report.checks[i].good) return false;
    return true;
}

static glass_audit_evidence at_file(const struct emit_file *f, size_t begin, size_t end) {
    return (glass_audit_evidence){f->f->path, f->sha256, begin, end, ""};
}

/* ---- files ---- */

/* What a program that reads or writes the folder leaves there, and is no part of it. */
static bool passing(const char *path) {
    static const char *const ends[] = {"-shm", "-wal", "run.lock"};
    size_t n = strlen(path);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t k = strlen(ends[i]);
        if (n >= k && strcmp(path + n - k, ends[i]) == 0) return true;
    }
    return false;
}

static glass_status hash_files(struct emit *e) {
    const struct audit_tree *t = &e->a->tree;
    struct buf path = {0}, all = {0};
    uint8_t digest[32];
    glass_status status = mem_alloc_zero(&e->files, (size_t)t->n + 1, sizeof *e->files);
    for (int64_t i = 0; i < t->n && status == GLASS_OK; i++) {
        if (e->kind != EMIT_MODEL && passing(t->files[i].path)) continue;
        struct emit_file *f = &e->files[e->n_files];
        buf_clear(&path);
        f->f = &t->files[i];
        f->role = audit_role(f->f->path);
        status = audit_tree_path(&path, t, f->f);
        if (status == GLASS_OK) status = sha256_file(digest, path.data);
        if (status != GLASS_OK) break;
        sha256_hex(f->sha256, digest);
        status = buf_printf(&all, "%s  %s\n", f->sha256, f->f->path);
        e->n_files++;
    }
    if (status == GLASS_OK) status = sha256_bytes(digest, all.len ? all.data : "", all.len);
    buf_free(&path);
    buf_free(&all);
    TRY(status);
    sha256_hex(e->digest, digest);
    digest[6] = (uint8_t)((digest[6] & 0x0f) | 0x80); /* RFC 9562: version 8, of a hash */
    digest[8] = (uint8_t)((digest[8] & 0x3f) | 0x80);
    char hex[65];
    sha256_hex(hex, digest);
    snprintf(e->uuid, sizeof e->uuid, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
             hex + 16, hex + 20);
    return GLASS_OK;
}

static glass_status read_file(struct emit *e, const struct emit_file *f, struct buf *out) {
    return audit_tree_read(out, &e->a->tree, f->f, AUDIT_TEXT);
}

/* NULL where it is no JSON. */
static glass_status parse(json_t **out, const char *text, size_t n) {
    json_error_t error = {0};
    *out = n > 0 ? json_loadb(text, n, 0, &error) : NULL;
    if (n == 0 || *out != NULL) return GLASS_OK;
    /* Where memory is missing jansson has no code, or finds that its text is wrong: ask again. */
    enum json_error_code code = json_error_code(&error);
    if (code == json_error_unknown || code == json_error_out_of_memory)
        return fail_memory(n);
    *out = json_loadb(text, n, 0, NULL);
    return GLASS_OK;
}

/* NULL where there is none, or it is no JSON. */
static glass_status read_json(struct emit *e, json_t **out, const char *path) {
    const struct emit_file *f = emit_file(e, path);
    struct buf text = {0};
    *out = NULL;
    if (f == NULL) return GLASS_OK;
    glass_status status = read_file(e, f, &text);
    if (status == GLASS_OK) status = parse(out, text.data, text.len);
    buf_free(&text);
    return status;
}

/* ---- licences ---- */

/* Whether all of its names are known, or references. */
static bool is_expression(const char *text) {
    bool with = false;
    for (const char *p = text + strspn(text, " ()"); *p; p += strspn(p, " ()")) {
        size_t n = strcspn(p, " ()");
        bool word =
            (n == 3 && memcmp(p, "AND", 3) == 0) || (n == 2 && memcmp(p, "OR", 2) == 0);
        bool now = n == 4 && memcmp(p, "WITH", 4) == 0;
        if (!word && !now && !with && strncmp(p, "LicenseRef-", 11) != 0 &&
            (licence_flags(p, n) & LICENCE_KNOWN) == 0)
            return false;
        with = now;
        p += n;
    }
    return true;
}

glass_status emit_licence_id(struct emit *e, const char **id, bool *listed,
                             const char *name) {
    const struct clause_licence *l = clause_table_find(&e->a->table, name);
    struct buf b = {0};
    *listed = false;
    if (l != NULL) {
        *listed = strncmp(l->id, "LicenseRef-", 11) != 0;
        return pool_text(&e->pool, id, l->id, strlen(l->id));
    }
    glass_status status = licence_normal(&b, name, strlen(name));
    if (status == GLASS_OK && b.len > 0 && is_expression(b.data)) {
        *listed = strchr(b.data, ' ') == NULL && strncmp(b.data, "LicenseRef-", 11) != 0;
        status = pool_text(&e->pool, id, b.data, b.len);
        buf_free(&b);
        return status;
    }
    buf_clear(&b);
    if (status == GLASS_OK) status = buf_text(&b, "LicenseRef-");
    for (const char *c = name; *c && b.len < 100 && status == GLASS_OK; c++) {
        bool plain = isalnum((unsigned char)*c) || *c == '.' || *c == '-';
        if (plain || b.data[b.len - 1] != '-') status = buf_byte(&b, plain ? *c : '-');
    }
    if (status == GLASS_OK && b.len == 11) status = buf_text(&b, "unnamed");
    if (status == GLASS_OK) status = pool_text(&e->pool, id, b.data, b.len);
    buf_free(&b);
    return status;
}

static glass_status add_licence(struct emit *e, const struct emit_licence *given,
                                const char *id_of) {
    if (e->n_licences == e->licences_room) {
        int64_t room = e->licences_room > 0 ? 2 * e->licences_room : 16;
        TRY(mem_resize(&e->licences, (size_t)room, sizeof *e->licences));
        e->licences_room = room;
    }
    struct emit_licence l = *given;
    TRY(emit_licence_id(e, &l.id, &l.listed, id_of));
    e->licences[e->n_licences++] = l;
    return GLASS_OK;
}

static glass_status collect_licences(struct emit *e) {
    for (int64_t i = 0; i < e->a->n_claims; i++) {
        const struct audit_claim *c = &e->a->claims[i];
        if (c->aside || c->c.grade == GLASS_AUDIT_MISSING) continue;
        const struct emit_licence l = {.part = c->c.part,
                                       .name = c->c.name,
                                       .key = c->c.key,
                                       .how = c->c.how,
                                       .changed = c->c.changed,
                                       .grade = c->c.grade,
                                       .evidence = c->c.evidence};
        TRY(add_licence(e, &l, c->licence != NULL ? c->licence->id : c->c.name));
    }
    return GLASS_OK;
}

/* ---- cards, configurations, GGUF ---- */

struct said {
    const char *key, *as;
};

static glass_status collect_card(struct emit *e, const struct emit_file *f) {
    static const struct said said[] = {
        {"language", "language"},     {"pipeline_tag", "task"},
        {"library_name", "library"},  {"datasets", "dataset"},
        {"base_model", "base model"}, {"model_name", "model name"},
        {"model-name", "model name"}, {"model_type", "architecture"},
        {"developers", "developer"},  {"pretty_name", "data set name"},
        {"source_datasets", "source"}};
    struct buf text = {0};
    struct card c = {0};
    glass_status status = read_file(e, f, &text);
    if (status == GLASS_OK && text.len > 0)
        status = card_read(&c, text.data, text.len, false);
    for (size_t k = 0; k < sizeof said / sizeof *said; k++) {
        const struct card_member *m;
        for (int i = 0; status == GLASS_OK && i < 64 && (m = card_item(&c, said[k].key, i));
             i++) {
            const glass_audit_evidence at = at_file(f, m->begin, m->end);
            status =
                emit_fact_add(e, GLASS_AUDIT_DECLARED, &at, m->value, "%s", said[k].as);
        }
    }
    card_clear(&c);
    buf_free(&text);
    return status;
}

static glass_status collect_config(struct emit *e, const struct emit_file *f) {
    static const struct said said[] = {
        {"model_type", "architecture"}, {"max_position_embeddings", "context"},
        {"hidden_size", "width"},       {"num_hidden_layers", "layers"},
        {"vocab_size", "vocabulary"},   {"torch_dtype", "number format"}};
    json_t *root;
    TRY(read_json(e, &root, f->f->path));
    const glass_audit_evidence at = at_file(f, 0, 0);
    glass_status status = GLASS_OK;
    for (size_t k = 0; k < sizeof said / sizeof *said && status == GLASS_OK; k++) {
        const json_t *v = json_object_get(root, said[k].key);
        char number[32] = "";
        if (json_is_integer(v))
            snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        status = emit_fact_add(e, GLASS_AUDIT_DECLARED, &at,
                               json_is_string(v) ? json_string_value(v) : number, "%s",
                               said[k].as);
    }
    json_decref(root);
    return status;
}

static glass_status read_gguf(struct emit *e, const struct emit_file *f,
                              const struct gguf *g) {
    static const struct said said[] = {{"general.architecture", "architecture"},
                                       {"general.name", "model name"},
                                       {"general.organization", "developer"},
                                       {"general.version", "version"}};
    const glass_audit_evidence at = at_file(f, 0, 0);
    for (size_t k = 0; k < sizeof said / sizeof *said; k++) {
        struct gguf_string s;
        const char *value;
        const struct gguf_value *v = gguf_find(g, said[k].key);
        if (v == NULL || v->type != GGUF_STRING) continue;
        TRY(gguf_get_string_or(g, said[k].key, &s));
        TRY(pool_text(&e->pool, &value, s.text, s.n_bytes < 300 ? s.n_bytes : 300));
        TRY(emit_fact_add(e, GLASS_AUDIT_DECLARED, &at, value, "%s", said[k].as));
    }
    double n = 0; /* shapes are checked against the file, whose size bounds them */
    for (int64_t i = 0; i < gguf_n_tensors(g); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(g, i);
        double size = 1;
        for (int d = 0; d < t->n_dims; d++) size *= (double)t->shape[d];
        n += size;
    }
    char text[32];
    snprintf(text, sizeof text, "%.0f", n);
    return emit_fact_add(e, GLASS_AUDIT_VERIFIED, &at, text, "parameters");
}

static glass_status collect_gguf(struct emit *e, const struct emit_file *f) {
    struct gguf *g;
    struct buf path = {0};
    TRY(audit_tree_path(&path, &e->a->tree, f->f));
    glass_status status = gguf_open(&g, path.data);
    buf_free(&path);
    if (status == GLASS_NO_MEMORY) return status;
    if (status != GLASS_OK) return GLASS_OK; /* the audit's findings tell it */
    status = read_gguf(e, f, g);
    gguf_close(g);
    return status;
}

static glass_status collect_model(struct emit *e) {
    bool gguf = false;
    int n_weights = 0;
    for (int64_t i = 0; i < e->n_files; i++) {
        const struct emit_file *f = &e->files[i];
        bool top = strchr(f->f->path, '/') == NULL;
        if (f->role == ROLE_CARD && top) TRY(collect_card(e, f));
        if (f->role == ROLE_CONFIG && top) TRY(collect_config(e, f));
        if (f->role == ROLE_GGUF || f->role == ROLE_WEIGHTS) {
            n_weights++;
            e->weights = f;
        }
        if (f->role == ROLE_GGUF && !gguf) {
            gguf = true;
            TRY(collect_gguf(e, f));
        }
    }
    if (n_weights != 1) e->weights = NULL;
    return GLASS_OK;
}

/* ---- runs ---- */

static glass_status collect_recipe(struct emit *e) {
    const struct emit_file *f = emit_file(e, "recipe.yaml");
    struct buf text = {0};
    struct card c = {0};
    glass_status status = f != NULL ? read_file(e, f, &text) : GLASS_OK;
    if (status == GLASS_OK && text.len > 0)
        status = card_read(&c, text.data, text.len, true);
    for (int i = 0; i < c.n && status == GLASS_OK; i++) {
        const glass_audit_evidence at = at_file(f, c.members[i].begin, c.members[i].end);
        status = emit_fact_add(
            e, emit_checks_good(e) ? GLASS_AUDIT_VERIFIED : GLASS_AUDIT_DECLARED, &at,
            c.members[i].value, "recipe.%s", c.members[i].key);
    }
    card_clear(&c);
    buf_free(&text);
    return status;
}

/* The last line of a file of JSON lines, its first one, and how many there are; of any size. */
static glass_status read_lines(struct emit *e, const char *name, json_t **first,
                               json_t **last, int64_t *n) {
    const struct emit_file *f = emit_file(e, name);
    struct buf path = {0};
    struct filemap map;
    if (f == NULL) return GLASS_OK;
    TRY(audit_tree_path(&path, &e->a->tree, f->f));
    glass_status status = filemap_open(&map, path.data);
    buf_free(&path);
    TRY(status);
    const char *text = (const char *)map.data, *end = text + map.size, *line = text;
    while (line < end && status == GLASS_OK) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        if (stop == NULL) break; /* half a line */
        bool ends =
            stop + 1 == end || memchr(stop + 1, '\n', (size_t)(end - stop - 1)) == NULL;
        if (first != NULL && *n == 0) status = parse(first, line, (size_t)(stop - line));
        if (status == GLASS_OK && last != NULL && ends)
            status = parse(last, line, (size_t)(stop - line));
        (*n)++;
        line = stop + 1;
    }
    filemap_close(&map);
    return status;
}

/* The newest checkpoint, as names sort. */
static glass_status collect_checkpoint(struct emit *e) {
    const char *path = NULL;
    for (int64_t i = 0; i < e->n_files; i++) {
        const char *p = e->files[i].f->path;
        if (strncmp(p, "checkpoints/", 12) != 0 ||
            strcmp(e->files[i].f->name, "model.gguf"))
            continue;
        e->weights = &e->files[i];
        TRY(pool_printf(&e->pool, &path, "%.*sstate.json", (int)audit_folder(p), p));
    }
    if (path == NULL) return GLASS_OK;
    TRY(read_json(e, &e->state, path));
    const struct emit_file *f = emit_file(e, path);
    const glass_audit_evidence at = f ? at_file(f, 0, 0) : nowhere;
    glass_audit_grade grade =
        emit_checks_good(e) ? GLASS_AUDIT_VERIFIED : GLASS_AUDIT_DECLARED;
    static const char *const keys[] = {"arithmetic", "weights"};
    static const char *const as[] = {"arithmetic", "root of the weights"};
    for (int k = 0; k < 2; k++) {
        const char *v = json_string_value(json_object_get(e->state, keys[k]));
        if (v != NULL) TRY(emit_fact_add(e, grade, &at, v, "%s", as[k]));
    }
    return collect_gguf(e, e->weights);
}

static glass_status collect_run(struct emit *e) {
    json_t *last = NULL;
    char number[40];
    TRY(read_json(e, &e->run, "run.json"));
    TRY(collect_recipe(e));
    glass_status status = read_lines(e, "ledger.jsonl", &e->first, &last, &e->ledger_lines);
    const char *chain = json_string_value(json_object_get(last, "chain"));
    if (chain != NULL && strlen(chain) == 64) memcpy(e->chain, chain, 65);
    json_decref(last);
    TRY(status);
    const struct emit_file *f = emit_file(e, "ledger.jsonl");
    const glass_audit_evidence at = at_file(f, 0, 0);
    glass_audit_grade grade =
        emit_checks_good(e) ? GLASS_AUDIT_VERIFIED : GLASS_AUDIT_DECLARED;
    TRY(emit_fact_add(e, grade, &at, e->chain, "ledger's chain"));
    snprintf(number, sizeof number, "%" PRId64,
             e->ledger_lines > 0 ? e->ledger_lines - 1 : 0);
    TRY(emit_fact_add(e, grade, &at, number, "steps"));
    TRY(collect_checkpoint(e));
    int64_t n = 0;
    TRY(read_lines(e, "metrics.jsonl", NULL, &e->metrics, &n));
    const json_t *loss = json_object_get(e->metrics, "held_out_loss");
    if (!json_is_number(loss)) return GLASS_OK;
    f = emit_file(e, "metrics.jsonl");
    const glass_audit_evidence there = at_file(f, 0, 0);
    snprintf(number, sizeof number, "%.17g", json_number_value(loss));
    return emit_fact_add(e, GLASS_AUDIT_DECLARED, &there, number, "held-out loss");
}

/* ---- corpora ---- */

static glass_status collect_corpus(struct emit *e) {
    glass_corpus *corpus;
    char *json = NULL, number[32];
    TRY(glass_corpus_open(&corpus, e->a->tree.root, false));
    glass_status status = glass_corpus_summary(&json, corpus);
    glass_corpus_close(corpus);
    TRY(status);
    e->summary = json_loads(json, 0, NULL);
    glass_free(json);
    if (e->summary == NULL) return fail_memory(1);
    const struct emit_file *f = emit_file(e, "corpus.sqlite");
    const glass_audit_evidence at = at_file(f, 0, 0);
    glass_audit_grade grade =
        emit_checks_good(e) ? GLASS_AUDIT_VERIFIED : GLASS_AUDIT_DECLARED;
    const json_t *roots = json_object_get(e->summary, "roots");
    const char *root = json_string_value(json_object_get(json_array_get(roots, 0), "root"));
    if (root != NULL) TRY(emit_fact_add(e, grade, &at, root, "root"));
    static const char *const counts[] = {"documents", "bytes", "contradictory"};
    for (int k = 0; k < 3; k++) {
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT,
                 json_integer_value(json_object_get(e->summary, counts[k])));
        TRY(emit_fact_add(e, grade, &at, number, "%s", counts[k]));
    }
    const json_t *list = json_object_get(e->summary, "licences");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name =
            json_string_value(json_object_get(json_array_get(list, i), "licence"));
        if (name == NULL || *name == '\0' || strcmp(name, "unknown") == 0) continue;
        struct emit_licence l = {.part = GLASS_PART_DATA,
                                 .key = "",
                                 .how = "records",
                                 .grade = GLASS_AUDIT_DECLARED,
                                 .evidence = at};
        TRY(pool_text(&e->pool, &l.name, name, strlen(name)));
        TRY(add_licence(e, &l, name));
    }
    return GLASS_OK;
}

/* ---- the whole ---- */

static glass_status take_name(struct emit *e) {
    const struct audit_tree *t = &e->a->tree;
    const char *name = e->o.name;
    if (name == NULL) name = t->one ? t->files[0].name : t->root + audit_folder(t->root);
    if (*name == '\0') name = "model";
    return pool_text(&e->pool, &e->name, name, strlen(name));
}

static bool has(const struct audit_tree *t, const char *path) {
    for (int64_t i = 0; i < t->n; i++)
        if (strcmp(t->files[i].path, path) == 0) return true;
    return false;
}

/* Results of the measures; what was checked; what does not fit. */
static glass_status collect_report(struct emit *e) {
    const glass_audit_report *r = &e->a->report;
    static const char *const kinds[] = {"contradiction", "gap", "warning"};
    for (int64_t i = 0; i < r->n_points; i++) {
        const glass_audit_point *p = &r->points[i];
        if (e->kind != EMIT_CORPUS && p->grade != GLASS_AUDIT_MISSING)
            TRY(emit_fact_add(e, p->grade, &p->evidence, p->value, "openness: %s%s%s",
                              p->measure, *p->name ? ", " : "", p->name));
    }
    for (int64_t i = 0; i < r->n_checks; i++)
        TRY(emit_fact_add(e, GLASS_AUDIT_VERIFIED, &r->checks[i].evidence,
                          r->checks[i].words, "check: %s%s", r->checks[i].name,
                          r->checks[i].good ? "" : " failed"));
    for (int64_t i = 0; i < r->n_findings; i++) {
        /* A corpus has no weights whose licence could be missing. */
        bool gap = r->findings[i].kind == GLASS_FINDING_GAP;
        if (gap && e->kind == EMIT_CORPUS) continue;
        TRY(emit_fact_add(e, GLASS_AUDIT_VERIFIED, &r->findings[i].one,
                          r->findings[i].words, "finding: %s", kinds[r->findings[i].kind]));
    }
    return GLASS_OK;
}

glass_status emit_collect(struct emit *e) {
    const struct audit_tree *t = &e->a->tree;
    if (t->root == NULL)
        return fail(GLASS_USAGE,
                    "a licence alone has no evidence to write: give a model, a "
                    "run or a corpus");
    if (t->cut)
        return fail(GLASS_BAD_INPUT,
                    "%s: more files than are looked at; what is written would not be whole",
                    t->root);
    if (!t->one && has(t, "ledger.jsonl") && has(t, "run.json") && has(t, "recipe.yaml"))
        e->kind = EMIT_RUN;
    else if (!t->one && has(t, "corpus.sqlite") && has(t, "texts"))
        e->kind = EMIT_CORPUS;
    TRY(take_name(e));
    TRY(hash_files(e));
    TRY(collect_licences(e));
    if (e->kind == EMIT_RUN)
        TRY(collect_run(e));
    else if (e->kind == EMIT_CORPUS)
        TRY(collect_corpus(e));
    else
        TRY(collect_model(e));
    return collect_report(e);
}
