/* prove.c - that a text is in a corpus, or is not: proofs that need the root alone.
 *
 * The leaves of a corpus's tree stand in the order of (content hash, record hash). Presence is
 * one leaf with its record and its path; absence is the two neighbours between which the hash
 * would stand, or the one at an end, each with its path. The root covers the number of leaves, so
 * that neighbours can be told by their places. */
#include "data/corpus.h"

#include "base/hash.h"
#include "data/merkle.h"

#include <jansson.h>
#include <stdlib.h>

/* ---- making ---- */

struct side {
    bool has;
    int64_t at;
    uint8_t content[32], hash[32];
    char *record; /* owned; NULL: only the hash is told */
    struct merkle_trail trail;
};

struct proving {
    struct glass_corpus *c;
    int64_t seal, n;
    uint8_t root[32], content[32];
    struct side sides[2]; /* the leaf, or the neighbours */
    bool present;
};

static glass_status leaves(struct glass_corpus *c, int64_t seal, sqlite3_stmt **out) {
    TRY(corpus_prepare(c, out,
                       "SELECT content,hash,id FROM documents WHERE seal<=? "
                       "ORDER BY content,hash"));
    sqlite3_bind_int64(*out, 1, seal);
    return GLASS_OK;
}

/* Where the content stands, or would. */
static glass_status find_places(struct proving *p) {
    sqlite3_stmt *s;
    uint8_t content[32];
    int64_t at = 0;
    int r;
    TRY(leaves(p->c, p->seal, &s));
    for (; (r = sqlite3_step(s)) == SQLITE_ROW; at++) {
        if (!corpus_hash(content, s, 0)) continue;
        int order = memcmp(content, p->content, 32);
        struct side *side = &p->sides[order > 0];
        if (order == 0) p->present = true;
        side->has = true;
        side->at = at;
        memcpy(side->content, content, 32);
        corpus_hash(side->hash, s, 1);
        if (order >= 0) break;
    }
    sqlite3_finalize(s);
    if (r != SQLITE_ROW && r != SQLITE_DONE) return corpus_failed(p->c, "read");
    if (p->present) p->sides[1].has = false;
    return GLASS_OK;
}

static glass_status gather_paths(struct proving *p) {
    sqlite3_stmt *s;
    uint8_t content[32], hash[32], leaf[32];
    int64_t n = 0;
    int r;
    glass_status status = GLASS_OK;
    for (int i = 0; i < 2; i++)
        if (p->sides[i].has)
            merkle_trail_begin(&p->sides[i].trail, (uint64_t)p->sides[i].at,
                               (uint64_t)p->n);
    TRY(leaves(p->c, p->seal, &s));
    for (; status == GLASS_OK && (r = sqlite3_step(s)) == SQLITE_ROW; n++) {
        if (!corpus_hash(content, s, 0) || !corpus_hash(hash, s, 1)) break;
        status = merkle_leaf(leaf, content, hash);
        for (int i = 0; i < 2 && status == GLASS_OK; i++)
            if (p->sides[i].has) status = merkle_trail_add(&p->sides[i].trail, leaf);
    }
    sqlite3_finalize(s);
    if (status == GLASS_OK && n != p->n)
        status = fail(GLASS_BAD_INPUT,
                      "%s/corpus.sqlite: %lld documents, where the root has %lld",
                      p->c->path, (long long)n, (long long)p->n);
    return status;
}

static glass_status read_record(struct proving *p) {
    sqlite3_stmt *s;
    struct side *side = &p->sides[0];
    TRY(corpus_prepare(p->c, &s,
                       "SELECT record FROM documents WHERE content=? AND hash=?"));
    sqlite3_bind_blob(s, 1, side->content, 32, SQLITE_STATIC);
    sqlite3_bind_blob(s, 2, side->hash, 32, SQLITE_STATIC);
    glass_status status = GLASS_OK;
    if (sqlite3_step(s) == SQLITE_ROW)
        status = mem_copy_text(&side->record, (const char *)sqlite3_column_text(s, 0),
                               (size_t)sqlite3_column_bytes(s, 0));
    else
        status = corpus_failed(p->c, "read");
    sqlite3_finalize(s);
    return status;
}

static glass_status put_hex(struct buf *out, const char *before, const uint8_t hash[32]) {
    char hex[65];
    sha256_hex(hex, hash);
    return buf_printf(out, "%s\"%s\"", before, hex);
}

static glass_status put_side(struct buf *out, const struct proving *p, const struct side *s,
                             const char *name) {
    struct merkle_path path;
    uint8_t leaf[32], top[32], root[32];
    TRY(merkle_trail_path(&path, &s->trail));
    TRY(merkle_leaf(leaf, s->content, s->hash));
    TRY(merkle_climb(top, leaf, (uint64_t)s->at, (uint64_t)p->n, &path));
    TRY(merkle_root(root, (uint64_t)p->n, top));
    if (memcmp(root, p->root, 32) != 0)
        return fail(GLASS_BAD_INPUT,
                    "%s/corpus.sqlite: its documents do not give the root: it was changed",
                    p->c->path);
    TRY(buf_printf(out, ",\n \"%s\": {\"at\": %lld", name, (long long)s->at));
    if (s->record != NULL) {
        TRY(buf_text(out, ",\n  \"record\": "));
        TRY(buf_json_string(out, s->record, strlen(s->record)));
    } else {
        TRY(put_hex(out, ", \"content\": ", s->content));
        TRY(put_hex(out, ", \"record_hash\": ", s->hash));
    }
    TRY(buf_text(out, ",\n  \"path\": ["));
    for (int i = 0; i < path.n; i++) TRY(put_hex(out, i ? ", " : "", path.nodes[i]));
    return buf_text(out, "]}");
}

static glass_status put_proof(struct buf *out, const struct proving *p) {
    TRY(buf_text(out, "{\"format\": \"glass proof 1\""));
    TRY(put_hex(out, ",\n \"root\": ", p->root));
    TRY(buf_printf(out, ",\n \"documents\": %lld", (long long)p->n));
    TRY(put_hex(out, ",\n \"content\": ", p->content));
    TRY(buf_printf(out, ",\n \"present\": %s", p->present ? "true" : "false"));
    if (p->present) {
        TRY(put_side(out, p, &p->sides[0], "document"));
    } else {
        if (p->sides[0].has) TRY(put_side(out, p, &p->sides[0], "before"));
        if (p->sides[1].has) TRY(put_side(out, p, &p->sides[1], "after"));
    }
    return buf_text(out, "}\n");
}

glass_status glass_corpus_prove(char **json, bool *present, glass_corpus *c,
                                const char *root, const uint8_t content[32]) {
    struct buf out = {0};
    struct proving *p;
    size_t n;
    *json = NULL;
    TRY(mem_alloc_zero(&p, 1, sizeof *p));
    p->c = c;
    memcpy(p->content, content, 32);
    glass_status status = corpus_find_root(c, root, &p->seal, p->root, &p->n);
    if (status == GLASS_OK) status = find_places(p);
    if (status == GLASS_OK) status = gather_paths(p);
    if (status == GLASS_OK && p->present) status = read_record(p);
    if (status == GLASS_OK) status = put_proof(&out, p);
    if (status == GLASS_OK) status = buf_take(&out, json, &n);
    *present = p->present;
    buf_free(&out);
    mem_free(p->sides[0].record);
    mem_free(p);
    return status;
}

/* ---- checking ---- */

static glass_status no_proof(const char *what) {
    return fail(GLASS_BAD_INPUT, "no proof of Glass: %s", what);
}

static glass_status get_hash(uint8_t out[32], const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    if (text == NULL || !sha256_parse(out, text, strlen(text)))
        return fail(GLASS_BAD_INPUT, "no proof of Glass: \"%s\" is no SHA-256", key);
    return GLASS_OK;
}

static glass_status get_path(struct merkle_path *out, const json_t *side) {
    const json_t *path = json_object_get(side, "path");
    if (!json_is_array(path) || json_array_size(path) > MERKLE_LEVELS)
        return no_proof("\"path\" is no list of hashes");
    out->n = (int)json_array_size(path);
    for (int i = 0; i < out->n; i++) {
        const char *text = json_string_value(json_array_get(path, (size_t)i));
        if (text == NULL || !sha256_parse(out->nodes[i], text, strlen(text)))
            return no_proof("\"path\" holds something that is no SHA-256");
    }
    return GLASS_OK;
}

/* Whether the side's leaf is where it says in the corpus of that root. */
static glass_status climb(const json_t *side, const uint8_t content[32],
                          const uint8_t hash[32], int64_t n, const uint8_t root[32],
                          int64_t *at) {
    struct merkle_path path;
    uint8_t leaf[32], top[32], is[32];
    const json_t *place = json_object_get(side, "at");
    if (!json_is_integer(place) || json_integer_value(place) < 0 ||
        json_integer_value(place) >= n)
        return no_proof("\"at\" is no place in the corpus");
    *at = json_integer_value(place);
    TRY(get_path(&path, side));
    TRY(merkle_leaf(leaf, content, hash));
    glass_status status = merkle_climb(top, leaf, (uint64_t)*at, (uint64_t)n, &path);
    if (status == GLASS_BAD_INPUT)
        return fail(GLASS_NEGATIVE, "the proof does not hold: %s", glass_error());
    TRY(status);
    TRY(merkle_root(is, (uint64_t)n, top));
    if (memcmp(is, root, 32) != 0)
        return fail(GLASS_NEGATIVE,
                    "the proof does not hold: its path does not lead to the root");
    return GLASS_OK;
}

static glass_status check_present(glass_proof *out, const json_t *proof, int64_t n,
                                  const uint8_t root[32], const uint8_t content[32]) {
    const json_t *side = json_object_get(proof, "document");
    const char *record = json_string_value(json_object_get(side, "record"));
    uint8_t hash[32], said[32];
    int64_t at;
    if (record == NULL) return no_proof("no \"document\" with its \"record\"");
    json_t *parsed = json_loads(record, 0, NULL);
    glass_status status = get_hash(said, parsed, "content");
    json_decref(parsed);
    TRY(status);
    if (memcmp(said, content, 32) != 0)
        return fail(GLASS_NEGATIVE,
                    "the proof does not hold: its record is of another text");
    TRY(sha256_bytes(hash, record, strlen(record)));
    TRY(climb(side, content, hash, n, root, &at));
    return mem_copy_text(&out->record, record, strlen(record));
}

static glass_status check_neighbour(const json_t *side, int64_t n, const uint8_t root[32],
                                    const uint8_t content[32], int wanted, int64_t *at) {
    uint8_t here[32], hash[32];
    TRY(get_hash(here, side, "content"));
    TRY(get_hash(hash, side, "record_hash"));
    int order = memcmp(here, content, 32);
    if (order == 0 || (order > 0) != (wanted > 0))
        return fail(GLASS_NEGATIVE,
                    "the proof does not hold: a neighbour stands on the wrong side");
    return climb(side, here, hash, n, root, at);
}

static glass_status check_absent(const json_t *proof, int64_t n, const uint8_t root[32],
                                 const uint8_t content[32]) {
    const json_t *before = json_object_get(proof, "before");
    const json_t *after = json_object_get(proof, "after");
    int64_t low = -1, high = n;
    if (before) TRY(check_neighbour(before, n, root, content, -1, &low));
    if (after) TRY(check_neighbour(after, n, root, content, 1, &high));
    if (high != low + 1)
        return fail(
            GLASS_NEGATIVE,
            "the proof does not hold: other documents may stand between its neighbours");
    if (n > 0) return GLASS_OK;
    uint8_t top[32], is[32];
    struct merkle none = {0};
    TRY(merkle_top(top, &none));
    TRY(merkle_root(is, 0, top));
    return memcmp(is, root, 32) == 0
               ? GLASS_OK
               : fail(GLASS_NEGATIVE,
                      "the proof does not hold: the root is not that of nothing");
}

static glass_status check(glass_proof *out, const json_t *proof) {
    uint8_t root[32], content[32];
    const char *format = json_string_value(json_object_get(proof, "format"));
    const json_t *n = json_object_get(proof, "documents");
    const json_t *present = json_object_get(proof, "present");
    if (format == NULL || strcmp(format, "glass proof 1") != 0)
        return no_proof("its \"format\" is not \"glass proof 1\"");
    if (!json_is_integer(n) || json_integer_value(n) < 0 || !json_is_boolean(present))
        return no_proof("\"documents\" or \"present\" is missing");
    TRY(get_hash(root, proof, "root"));
    TRY(get_hash(content, proof, "content"));
    out->n_documents = json_integer_value(n);
    out->present = json_is_true(present);
    sha256_hex(out->root, root);
    sha256_hex(out->content, content);
    return out->present ? check_present(out, proof, out->n_documents, root, content)
                        : check_absent(proof, out->n_documents, root, content);
}

glass_status glass_proof_check(glass_proof *out, const char *json, size_t n_bytes) {
    json_error_t error;
    *out = (glass_proof){0};
    json_t *proof = json_loadb(json, n_bytes, JSON_REJECT_DUPLICATES, &error);
    if (proof == NULL)
        return fail(GLASS_BAD_INPUT, "no proof of Glass: line %d: %s", error.line,
                    error.text);
    glass_status status = check(out, proof);
    json_decref(proof);
    return status;
}
