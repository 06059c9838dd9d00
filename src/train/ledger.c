/* ledger.c - see ledger.h. */
#include "train/ledger.h"

#include "base/hash.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned long long bits_of(double x) {
    unsigned long long bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static glass_status payload(struct buf *b, const struct ledger_entry *e) {
    char hex[65];
    TRY(buf_printf(b, "step %lld\nsamples", (long long)e->step));
    for (int64_t i = 0; i < e->n_samples; i++)
        TRY(buf_printf(b, " %lld", (long long)e->samples[i]));
    TRY(buf_printf(b, "\nloss %016llx\nnorm %016llx\n", bits_of(e->loss),
                   bits_of(e->norm)));
    if (!e->has_weights) return GLASS_OK;
    sha256_hex(hex, e->weights);
    TRY(buf_printf(b, "weights %s\nblocks", hex));
    for (int64_t i = 0; i < e->n_blocks; i++) {
        sha256_hex(hex, e->blocks + 32 * i);
        TRY(buf_printf(b, " %s", hex));
    }
    return buf_byte(b, '\n');
}

static glass_status line_text(struct buf *b, const uint8_t chain[32],
                              const struct ledger_entry *e) {
    char hex[65];
    TRY(buf_printf(b, "{\"step\":%lld,\"samples\":[", (long long)e->step));
    for (int64_t i = 0; i < e->n_samples; i++)
        TRY(buf_printf(b, "%s%lld", i > 0 ? "," : "", (long long)e->samples[i]));
    TRY(buf_printf(b, "],\"loss\":\"%016llx\",\"norm\":\"%016llx\"", bits_of(e->loss),
                   bits_of(e->norm)));
    if (e->has_weights) {
        sha256_hex(hex, e->weights);
        TRY(buf_printf(b, ",\"weights\":\"%s\",\"blocks\":[", hex));
        for (int64_t i = 0; i < e->n_blocks; i++) {
            sha256_hex(hex, e->blocks + 32 * i);
            TRY(buf_printf(b, "%s\"%s\"", i > 0 ? "," : "", hex));
        }
        TRY(buf_byte(b, ']'));
    }
    sha256_hex(hex, chain);
    return buf_printf(b, ",\"chain\":\"%s\"}", hex);
}

glass_status ledger_line(struct buf *out, uint8_t chain[32], const struct ledger_entry *e) {
    struct buf b = {0};
    glass_status status = buf_append(&b, chain, 32);
    if (status == GLASS_OK) status = payload(&b, e);
    if (status == GLASS_OK) status = sha256_bytes(chain, b.data, b.len);
    if (status == GLASS_OK) status = line_text(out, chain, e);
    buf_free(&b);
    return status;
}

/* Each root once, in the recipe's order. */
static glass_status put_roots(struct buf *out, const struct recipe *r) {
    bool any = false;
    for (int64_t i = 0; i < r->n_data; i++) {
        const char *root = r->data[i].root;
        bool again = root[0] == '\0';
        for (int64_t j = 0; j < i && !again; j++)
            again = strcmp(root, r->data[j].root) == 0;
        if (again) continue;
        TRY(buf_printf(out, "%s\"%s\"", any ? "," : ",\"data\":[", root));
        any = true;
    }
    return any ? buf_byte(out, ']') : GLASS_OK;
}

glass_status ledger_first(struct buf *out, const struct recipe *recipe,
                          const uint8_t chain[32], const uint8_t weights[32],
                          const uint8_t *without) {
    char weights_hex[65], chain_hex[65], without_hex[65];
    sha256_hex(weights_hex, weights);
    sha256_hex(chain_hex, chain);
    TRY(buf_printf(out, "{\"step\":0,\"weights\":\"%s\"", weights_hex));
    TRY(put_roots(out, recipe));
    if (without != NULL) {
        sha256_hex(without_hex, without);
        TRY(buf_printf(out, ",\"without\":\"%s\"", without_hex));
    }
    return buf_printf(out, ",\"chain\":\"%s\"}", chain_hex);
}

glass_status ledger_chain_of(uint8_t chain[32], const char *line, size_t n,
                             const char *path) {
    static const char mark[] = ",\"chain\":\"";
    size_t n_mark = sizeof mark - 1;
    bool good = n > n_mark + 66 && memcmp(line + n - 66 - n_mark, mark, n_mark) == 0;
    good = good && memcmp(line + n - 2, "\"}", 2) == 0 &&
           sha256_parse(chain, line + n - 66, 64);
    return good ? GLASS_OK
                : fail(GLASS_BAD_INPUT, "%s: a line that ends without its chain", path);
}

static bool read_bits(double *out, const json_t *text) {
    const char *s = json_string_value(text);
    char *end;
    if (s == NULL || strlen(s) != 16) return false;
    unsigned long long bits = strtoull(s, &end, 16);
    memcpy(out, &bits, sizeof *out);
    return *end == '\0';
}

static bool read_digest(uint8_t out[32], const json_t *text) {
    return sha256_parse(out, json_string_value(text), json_string_length(text));
}

static glass_status read_blocks(bool *good, struct ledger_entry *e, struct buf *out,
                                const json_t *list) {
    uint8_t digest[32];
    buf_clear(out);
    *good = json_is_array(list);
    e->n_blocks = (int64_t)json_array_size(list);
    for (int64_t i = 0; *good && i < e->n_blocks; i++) {
        *good = read_digest(digest, json_array_get(list, (size_t)i));
        TRY(buf_append(out, digest, sizeof digest));
    }
    e->blocks = (const uint8_t *)out->data;
    return GLASS_OK;
}

glass_status ledger_parse(struct ledger_entry *out, struct buf *blocks, int64_t *samples,
                          int64_t n_samples, const char *line, size_t n) {
    json_t *j = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);
    const json_t *list = json_object_get(j, "samples");
    const json_t *weights = json_object_get(j, "weights");
    glass_status status = GLASS_OK;
    *out = (struct ledger_entry){.step = json_integer_value(json_object_get(j, "step")),
                                 .samples = samples,
                                 .n_samples = n_samples,
                                 .has_weights = weights != NULL};
    bool good = json_array_size(list) == (size_t)n_samples &&
                read_bits(&out->loss, json_object_get(j, "loss")) &&
                read_bits(&out->norm, json_object_get(j, "norm")) &&
                (weights == NULL || read_digest(out->weights, weights));
    for (int64_t i = 0; good && i < n_samples; i++) {
        const json_t *sample = json_array_get(list, (size_t)i);
        good = json_is_integer(sample);
        samples[i] = json_integer_value(sample);
    }
    if (good && out->has_weights)
        status = read_blocks(&good, out, blocks, json_object_get(j, "blocks"));
    json_decref(j);
    if (status == GLASS_OK && !good)
        status = fail(GLASS_BAD_INPUT, "a line that is none of a ledger");
    return status;
}
