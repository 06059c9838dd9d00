/* pack.c - see pack.h. */
#include "train/pack.h"

#include "base/hash.h"
#include "base/path.h"

#include <jansson.h>
#include <math.h>

enum { PACK_LIMIT = 64 << 20 };

/* ---- the tokenizer ---- */

/* Spaces, digits, case, contractions, accents composed and not, scripts, marks, emoji, code. */
static const char probe[] =
    "Hello  world! It's 1234567 o'clock,\n\n\tDON'T we'll  "
    "\r\nnaïve cafe\xcc\x81 Ünï 3.14e-10 "
    "Привет мир 你好，世界 こんにちは שלום مرحبا नमस्ते "
    "👩‍👩‍👧 \xef\xac\x81 if(x<=0){return a[i]+=\"\\n\";} <s> "
    "</s> <|endoftext|>   end ";

static glass_status hash_pieces(struct sha256 *h, const glass_tokenizer *t) {
    int64_t n = glass_tokenizer_n_vocab(t);
    const int32_t ends[2] = {glass_tokenizer_bos(t), glass_tokenizer_eos(t)};
    TRY(sha256_update(h, &n, sizeof n));
    TRY(sha256_update(h, ends, sizeof ends));
    for (int32_t id = 0; id < n; id++) {
        size_t n_bytes = 0;
        const char *piece = glass_tokenizer_piece(t, id, &n_bytes);
        const uint64_t length = n_bytes;
        TRY(sha256_update(h, &length, sizeof length));
        if (n_bytes > 0) TRY(sha256_update(h, piece, n_bytes));
    }
    return GLASS_OK;
}

glass_status pack_tokenizer(uint8_t digest[32], const glass_tokenizer *t) {
    struct sha256 *h;
    int32_t *ids = NULL;
    int64_t n;
    glass_status status;
    TRY(sha256_create(&h));
    TRY_FAIL(hash_pieces(h, t));
    TRY_FAIL(glass_tokenizer_encode(t, &ids, &n, probe, sizeof probe - 1, 0));
    TRY_FAIL(sha256_update(h, ids, (size_t)n * sizeof *ids));
    glass_free(ids);
    return sha256_finish(h, digest);
fail:
    glass_free(ids);
    sha256_free(h);
    return status;
}

/* ---- the root ---- */

static glass_status identity(struct buf *b, const struct pack *p) {
    char hex[65];
    sha256_hex(hex, p->tokenizer);
    TRY(buf_printf(b, "glass pack 1\ntokenizer %s\n", hex));
    for (int64_t i = 0; i < p->n_corpora; i++) {
        sha256_hex(hex, p->corpora[i].root);
        TRY(buf_printf(b, "corpus %s weight ", hex));
        TRY(buf_json_number(b, p->corpora[i].weight));
        TRY(buf_text(b, " policy "));
        for (const char *at = p->corpora[i].policy; *at != '\0'; at++)
            TRY(buf_byte(b, (unsigned char)*at <= ' ' ? '_' : *at));
        TRY(buf_byte(b, '\n'));
    }
    for (int64_t i = 0; i < p->n_shards; i++) {
        sha256_hex(hex, p->shards[i].sha256);
        TRY(buf_printf(b, "shard %s corpus %lld\n", hex, (long long)p->shards[i].corpus));
    }
    return GLASS_OK;
}

static glass_status root_of(uint8_t root[32], const struct pack *p) {
    struct buf b = {0};
    glass_status status = identity(&b, p);
    if (status == GLASS_OK) status = sha256_bytes(root, b.data, b.len);
    buf_free(&b);
    return status;
}

/* ---- writing ---- */

static glass_status put_corpora(struct buf *b, const struct pack *p) {
    char hex[65];
    for (int64_t i = 0; i < p->n_corpora; i++) {
        const struct pack_corpus *c = &p->corpora[i];
        sha256_hex(hex, c->root);
        TRY(buf_printf(b, "%s\n  {\"root\":\"%s\",\"name\":", i > 0 ? "," : "", hex));
        TRY(buf_json_string(b, c->name, strlen(c->name)));
        TRY(buf_text(b, ",\"weight\":"));
        TRY(buf_json_number(b, c->weight));
        TRY(buf_text(b, ",\"policy\":"));
        TRY(buf_json_string(b, c->policy, strlen(c->policy)));
        TRY(buf_byte(b, '}'));
    }
    return GLASS_OK;
}

static glass_status put_shards(struct buf *b, const struct pack *p) {
    char hex[65];
    for (int64_t i = 0; i < p->n_shards; i++) {
        const struct pack_shard *s = &p->shards[i];
        sha256_hex(hex, s->sha256);
        TRY(buf_printf(b, "%s\n  {\"file\":", i > 0 ? "," : ""));
        TRY(buf_json_string(b, s->file, strlen(s->file)));
        TRY(buf_printf(b,
                       ",\"corpus\":%lld,\"documents\":%lld,\"tokens\":%lld,\"bytes\":%lld,"
                       "\"sha256\":\"%s\"}",
                       (long long)s->corpus, (long long)s->n_documents,
                       (long long)s->n_tokens, (long long)s->n_bytes, hex));
    }
    return GLASS_OK;
}

glass_status pack_write(struct pack *p, const char *folder) {
    struct buf b = {0}, path = {0};
    char hex[65];
    glass_status status;
    TRY(root_of(p->root, p));
    sha256_hex(hex, p->root);
    TRY_FAIL(buf_printf(&b, "{\"format\":1,\n\"root\":\"%s\",\n", hex));
    sha256_hex(hex, p->tokenizer);
    TRY_FAIL(buf_printf(&b, "\"tokenizer\":\"%s\",\n\"corpora\":[", hex));
    TRY_FAIL(put_corpora(&b, p));
    TRY_FAIL(buf_text(&b, "],\n\"shards\":["));
    TRY_FAIL(put_shards(&b, p));
    TRY_FAIL(buf_text(&b, "]}\n"));
    TRY_FAIL(buf_printf(&path, "%s/pack.json", folder));
    status = path_write_whole(path.data, b.data, b.len);
fail:
    buf_free(&b);
    buf_free(&path);
    return status;
}

/* ---- reading ---- */

static bool digest_of(uint8_t out[32], const json_t *from, const char *key) {
    const json_t *text = json_object_get(from, key);
    return json_is_string(text) &&
           sha256_parse(out, json_string_value(text), json_string_length(text));
}

static glass_status copy_text(char **out, const json_t *from, const char *key, bool *good) {
    const char *text = json_string_value(json_object_get(from, key));
    if (text == NULL) *good = false;
    return mem_copy_text(out, text ? text : "", text ? strlen(text) : 0);
}

static bool count_of(int64_t *out, const json_t *from, const char *key, int64_t least) {
    const json_t *value = json_object_get(from, key);
    *out = json_integer_value(value);
    return json_is_integer(value) && *out >= least;
}

static glass_status read_corpora(struct pack *p, const json_t *list, bool *good) {
    size_t n = json_array_size(list);
    TRY(mem_alloc_zero(&p->corpora, n, sizeof *p->corpora));
    for (size_t i = 0; i < n; i++) {
        struct pack_corpus *c = &p->corpora[p->n_corpora++];
        const json_t *from = json_array_get(list, i);
        TRY(copy_text(&c->name, from, "name", good));
        TRY(copy_text(&c->policy, from, "policy", good));
        c->weight = json_number_value(json_object_get(from, "weight"));
        if (!digest_of(c->root, from, "root") || !isfinite(c->weight) || c->weight <= 0)
            *good = false;
    }
    return GLASS_OK;
}

static glass_status read_shards(struct pack *p, const json_t *list, bool *good) {
    size_t n = json_array_size(list);
    TRY(mem_alloc_zero(&p->shards, n, sizeof *p->shards));
    for (size_t i = 0; i < n; i++) {
        struct pack_shard *s = &p->shards[p->n_shards++];
        const json_t *from = json_array_get(list, i);
        TRY(copy_text(&s->file, from, "file", good));
        if (!count_of(&s->corpus, from, "corpus", -1) || s->corpus >= p->n_corpora ||
            !count_of(&s->n_documents, from, "documents", 0) ||
            !count_of(&s->n_tokens, from, "tokens", 0) ||
            !count_of(&s->n_bytes, from, "bytes", 0) ||
            !digest_of(s->sha256, from, "sha256"))
            *good = false;
        /* A name, and nothing that leads elsewhere. */
        if (strchr(s->file, '/') != NULL || s->file[0] == '.' || s->file[0] == '\0')
            *good = false;
    }
    return GLASS_OK;
}

static glass_status read_json(struct pack *p, const json_t *j, const char *path) {
    uint8_t root[32];
    bool good = json_integer_value(json_object_get(j, "format")) == 1 &&
                digest_of(p->root, j, "root") && digest_of(p->tokenizer, j, "tokenizer");
    TRY(read_corpora(p, json_object_get(j, "corpora"), &good));
    TRY(read_shards(p, json_object_get(j, "shards"), &good));
    if (!good) return fail(GLASS_BAD_INPUT, "%s: no list of packed shards", path);
    TRY(root_of(root, p));
    if (memcmp(root, p->root, sizeof root) == 0) return GLASS_OK;
    return fail(GLASS_BAD_INPUT,
                "%s: its root is not that of what it lists: it was changed", path);
}

glass_status pack_read(struct pack *out, const char *folder) {
    struct buf text = {0}, path = {0};
    json_error_t error;
    json_t *j = NULL;
    glass_status status;
    *out = (struct pack){0};
    TRY_FAIL(buf_printf(&path, "%s/pack.json", folder));
    TRY_FAIL(path_read_whole(&text, path.data, PACK_LIMIT));
    j = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &error);
    status = j == NULL
                 ? fail(GLASS_BAD_INPUT, "%s:%d: %s", path.data, error.line, error.text)
                 : read_json(out, j, path.data);
fail:
    json_decref(j);
    buf_free(&text);
    buf_free(&path);
    if (status != GLASS_OK) pack_clear(out);
    return status;
}

void pack_clear(struct pack *p) {
    for (int64_t i = 0; i < p->n_corpora; i++) {
        mem_free(p->corpora[i].name);
        mem_free(p->corpora[i].policy);
    }
    for (int64_t i = 0; i < p->n_shards; i++) mem_free(p->shards[i].file);
    mem_free(p->corpora);
    mem_free(p->shards);
    *p = (struct pack){0};
}
