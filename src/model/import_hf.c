/* import_hf.c - Hugging Face's models: settings from config.json, tensors by their names. */
#include "base/buf.h"
#include "math/half.h"
#include "model/import_parts.h"

#include <math.h>
#include <stdio.h>

/* ---- settings ---- */

static glass_status read_key(struct import *im, const struct import_key *k) {
    if (k->kind == KIND_COUNT) {
        int64_t n, most = k->into == offsetof(struct import, n_layer) ? IMPORT_LAYERS
                                                                      : IMPORT_COUNT;
        TRY(import_count(im, im->config, k->theirs, &n, 1, most,
                         k->required ? -1 : (int64_t)k->absent));
        if (k->into != 0) memcpy((char *)im + k->into, &n, sizeof n);
        return n == 0 || k->ours == NULL ? GLASS_OK : import_put_count(im, k->ours, n);
    }
    const json_t *value;
    TRY(import_get(im, im->config, k->theirs, &value));
    if (k->kind == KIND_FLAG) {
        bool flag;
        TRY(import_flag(im, im->config, k->theirs, &flag, k->absent != 0));
        return import_put_flag(im, k->ours, flag);
    }
    double number = 0;
    if (value == NULL && !k->required && isnan(k->absent)) return GLASS_OK;
    TRY(import_number(im, im->config, k->theirs, &number, k->required ? NAN : k->absent));
    return import_put_number(im, k->ours, number);
}

/* Whether a setting is one of "a|b|c"; numbers, true and false as JSON spells them. */
static bool is_one_of(const json_t *value, const char *values) {
    char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY);
    const char *have = text == NULL ? json_string_value(value) : text;
    bool found = false;
    while (!found && have != NULL && *values) {
        size_t n = strcspn(values, "|");
        found = strlen(have) == n && strncmp(have, values, n) == 0;
        values += values[n] ? n + 1 : n;
    }
    free(text);
    return found;
}

static glass_status check_must(const struct import *im, const struct import_must *m) {
    const json_t *value;
    char want[160];
    TRY(import_get(im, im->config, m->theirs, &value));
    if (value == NULL || is_one_of(value, m->values)) return GLASS_OK;
    snprintf(want, sizeof want, "%s can be run", m->values);
    return import_bad(im, m->theirs, value, want);
}

/* A model that is stored for a method of quantisation of its own has other tensors. */
static glass_status check_quantised(const struct import *im) {
    const json_t *value;
    TRY(import_get(im, im->config, "quantization_config", &value));
    if (value == NULL) return GLASS_OK;
    const char *method = json_string_value(json_object_get(value, "quant_method"));
    return fail(
        GLASS_BAD_INPUT,
        "%s: quantization_config: weights quantised by \"%.40s\" are not read; take "
        "the model's float weights, or a GGUF file",
        im->config_path, method == NULL ? "?" : method);
}

static glass_status head_shape(struct import *im) {
    if (im->n_head_kv == 0) im->n_head_kv = im->n_head;
    bool said = im->head_dim != 0;
    if (!said) im->head_dim = im->family->head_dim;
    if (im->head_dim == 0) {
        if (im->n_embd % im->n_head != 0)
            return fail(GLASS_BAD_INPUT,
                        "%s: a width of %lld does not divide by %lld heads",
                        im->config_path, (long long)im->n_embd, (long long)im->n_head);
        im->head_dim = im->n_embd / im->n_head;
    }
    if (im->head_dim > 4096)
        return fail(GLASS_BAD_INPUT, "%s: heads of %lld numbers; at most 4096 are possible",
                    im->config_path, (long long)im->head_dim);
    if (!said && im->head_dim * im->n_head == im->n_embd) return GLASS_OK;
    TRY(import_put_count(im, "attention.key_length", im->head_dim));
    return import_put_count(im, "attention.value_length", im->head_dim);
}

static glass_status read_settings(struct import *im) {
    const char *type;
    TRY(import_text(im, im->config, "model_type", &type, ""));
    im->family = import_family_find(type);
    if (im->family == NULL)
        return fail(GLASS_BAD_INPUT,
                    "%s: model_type is \"%.64s\"; these families can be run: %s",
                    im->config_path, type, import_family_names());
    TRY(gguf_put_text(im->values, "general.architecture", im->family->arch));
    TRY(check_quantised(im));
    for (const struct import_must *m = im->family->musts; m->theirs != NULL; m++)
        TRY(check_must(im, m));
    for (const struct import_key *k = im->family->keys; k->theirs != NULL; k++)
        TRY(read_key(im, k));
    TRY(head_shape(im));
    if (im->family->rope) TRY(import_rope(im));
    TRY(import_flag(im, im->config, "tie_word_embeddings", &im->tied, im->family->tied));
    const char *bias_key = im->family->bias_key;
    TRY(import_flag(im, im->config, bias_key == NULL ? "attention_bias" : bias_key,
                    &im->attention_bias, im->family->attention_bias));
    TRY(import_flag(im, im->config, "mlp_bias", &im->mlp_bias, false));
    return im->family->more == NULL ? GLASS_OK : im->family->more(im);
}

/* ---- tensors ---- */

static const char *const suffixes[IMPORT_SUFFIXES] = {".weight", ".bias"};

bool import_fits(const char *patterns, const char *name, size_t n, int64_t *layer) {
    const char *end = name + n, *at = name, *p = patterns;
    *layer = -1;
    for (; *p && *p != '|'; p++) {
        if (*p != '#') {
            if (at == end || *at++ != *p) break;
            continue;
        }
        const char *start = at;
        *layer = 0;
        while (at < end && *at >= '0' && *at <= '9' && at - start < 6)
            *layer = *layer * 10 + (*at++ - '0');
        if (at == start || (*start == '0' && at - start > 1)) break;
    }
    if (at == end && (*p == '\0' || *p == '|')) return true;
    p = strchr(p, '|');
    return p != NULL && import_fits(p + 1, name, n, layer);
}

void import_spell(char out[128], const char *prefix, const char *pattern, int64_t layer,
                  const char *suffix) {
    int n = (int)strcspn(pattern, "|"), to_hash = (int)strcspn(pattern, "#|");
    if (to_hash == n)
        snprintf(out, 128, "%s%.*s%s", prefix, n, pattern, suffix);
    else
        snprintf(out, 128, "%s%.*s%lld%.*s%s", prefix, to_hash, pattern, (long long)layer,
                 n - to_hash - 1, pattern + to_hash + 1, suffix);
}

/* The embedding that a tied head is; NULL if the archive has none. */
static const struct archive_tensor *embedding(const struct import *im) {
    const struct import_name *row = im->family->names;
    char name[128];
    while (strcmp(row->ours, "token_embd") != 0) row++;
    import_spell(name, im->family->prefix, row->theirs, 0, ".weight");
    const struct archive_tensor *t = archive_find(im->archive, name, -1);
    if (t != NULL) return t;
    return archive_find(im->archive, name + strlen(im->family->prefix), -1);
}

/* A head that is stored though the settings tie it to the embedding must be its copy. */
static glass_status check_tied(const struct import *im, const struct archive_tensor *t) {
    const struct archive_tensor *e = embedding(im);
    if (e != NULL && e->dtype == t->dtype && e->n_bytes == t->n_bytes &&
        (e->data == t->data || memcmp(e->data, t->data, t->n_bytes) == 0))
        return GLASS_OK;
    return fail(GLASS_BAD_INPUT,
                "%s: tie_word_embeddings is true, but %s in %s is no copy of the embedding",
                im->config_path, t->name, archive_part_path(im->archive, t->part));
}

static uint8_t *claimed(const struct import *im, const struct import_name *row,
                        int64_t layer, int suffix) {
    int64_t r = row - im->family->names;
    return &im->claimed[(r * im->n_layer + (layer < 0 ? 0 : layer)) * IMPORT_SUFFIXES +
                        suffix];
}

static glass_status no_place(const struct import *im, const struct archive_tensor *t) {
    return fail(GLASS_BAD_INPUT,
                "%s: tensor %.200s has no place in a model of the %s family",
                archive_part_path(im->archive, t->part), t->name, im->family->model_type);
}

/* Whether the row has a bias in this model. */
static bool has_bias(const struct import *im, const struct import_name *row) {
    switch (row->bias) {
    case BIAS_ALWAYS: return true;
    case BIAS_ATTENTION: return im->attention_bias;
    case BIAS_MLP: return im->mlp_bias;
    default: return false;
    }
}

static glass_status claim(struct import *im, const struct import_name *row, int64_t layer,
                          int suffix, const struct archive_tensor *t) {
    char name[128];
    if (layer >= im->n_layer)
        return fail(GLASS_BAD_INPUT,
                    "%s: tensor %s belongs to a layer that %s does not have",
                    archive_part_path(im->archive, t->part), t->name, im->config_path);
    if (suffix == 1 && !has_bias(im, row)) return no_place(im, t);
    uint8_t *done = claimed(im, row, layer, suffix);
    if (*done)
        return fail(GLASS_BAD_INPUT, "%s: tensor %s is there twice, by different names",
                    archive_path(im->archive), t->name);
    *done = 1;
    if (im->tied && suffix == 0 && strcmp(row->ours, "output") == 0)
        return check_tied(im, t);
    import_spell(name, "", row->ours, layer, suffixes[suffix]);
    return import_tensor(im, name, row->how, t);
}

/* ---- the numbers of xIELU: tensors of one item there, keys here ---- */

const char *const import_xielu_names[IMPORT_XIELU] = {"alpha_p", "alpha_n", "beta", "eps"};

static glass_status claim_xielu(struct import *im, int kind, int64_t layer,
                                const struct archive_tensor *t) {
    if (layer >= im->n_layer)
        return fail(GLASS_BAD_INPUT,
                    "%s: tensor %s belongs to a layer that %s does not have",
                    archive_part_path(im->archive, t->part), t->name, im->config_path);
    TRY(import_check_type(im, t));
    if (t->n_bytes != glass_dtype_block_bytes(t->dtype))
        return fail(GLASS_BAD_INPUT, "%s: tensor %s: it is not one number",
                    archive_part_path(im->archive, t->part), t->name);
    uint16_t half;
    float value;
    if (t->dtype == GLASS_F32) {
        memcpy(&value, t->data, sizeof value);
    } else {
        memcpy(&half, t->data, sizeof half);
        value = t->dtype == GLASS_F16 ? f16_widen(half) : bf16_widen(half);
    }
    im->xielu[kind * im->n_layer + layer] = value;
    im->xielu_there[kind * im->n_layer + layer] = 1;
    return GLASS_OK;
}

static glass_status try_xielu(struct import *im, const char *name,
                              const struct archive_tensor *t, bool *taken) {
    char pattern[64];
    int64_t layer;
    *taken = true;
    for (int i = 0; i < IMPORT_XIELU; i++) {
        snprintf(pattern, sizeof pattern, "layers.#.mlp.act_fn.%s", import_xielu_names[i]);
        if (import_fits(pattern, name, strlen(name), &layer))
            return claim_xielu(im, i, layer, t);
    }
    *taken = false;
    return GLASS_OK;
}

static glass_status put_xielu(struct import *im) {
    char key[64];
    for (int i = 0; i < IMPORT_XIELU; i++) {
        for (int64_t layer = 0; layer < im->n_layer; layer++)
            if (!im->xielu_there[i * im->n_layer + layer])
                return fail(GLASS_BAD_INPUT,
                            "%s: tensor %slayers.%lld.mlp.act_fn.%s is missing",
                            archive_path(im->archive), im->family->prefix, (long long)layer,
                            import_xielu_names[i]);
        snprintf(key, sizeof key, "xielu.%s", import_xielu_names[i]);
        TRY(gguf_put_array(im->values, key, GGUF_F32, im->xielu + i * im->n_layer,
                           (uint64_t)im->n_layer));
    }
    return GLASS_OK;
}

static glass_status one_tensor(struct import *im, const struct archive_tensor *t) {
    const struct import_family *f = im->family;
    const char *name = t->name;
    int64_t layer;
    size_t n_prefix = strlen(f->prefix);
    if (strncmp(name, f->prefix, n_prefix) == 0) name += n_prefix;
    size_t n = strlen(name);
    for (const char *const *i = f->ignored; *i != NULL; i++)
        if (import_fits(*i, name, n, &layer)) return GLASS_OK;
    if (f->xielu) {
        bool taken;
        TRY(try_xielu(im, name, t, &taken));
        if (taken) return GLASS_OK;
    }
    for (int s = 0; s < IMPORT_SUFFIXES; s++) {
        size_t n_suffix = strlen(suffixes[s]);
        if (n <= n_suffix || strcmp(name + n - n_suffix, suffixes[s]) != 0) continue;
        for (const struct import_name *row = f->names; row->theirs != NULL; row++)
            if (import_fits(row->theirs, name, n - n_suffix, &layer))
                return claim(im, row, layer, s, t);
    }
    return no_place(im, t);
}

static glass_status check_complete(const struct import *im) {
    char name[128];
    for (const struct import_name *row = im->family->names; row->theirs != NULL; row++) {
        int64_t n = strchr(row->theirs, '#') == NULL ? 1 : im->n_layer;
        bool tied = im->tied && strcmp(row->ours, "output") == 0;
        for (int64_t layer = 0; layer < n; layer++)
            for (int s = tied; s < (has_bias(im, row) ? 2 : 1); s++) {
                if (*claimed(im, row, layer, s)) continue;
                import_spell(name, im->family->prefix, row->theirs, layer, suffixes[s]);
                return fail(GLASS_BAD_INPUT, "%s: tensor %s is missing, which %s asks for",
                            archive_path(im->archive), name, im->config_path);
            }
    }
    return GLASS_OK;
}

static glass_status read_tensors(struct import *im) {
    int64_t n_rows = 0;
    while (im->family->names[n_rows].theirs != NULL) n_rows++;
    TRY(mem_alloc_zero(&im->claimed, (size_t)(n_rows * im->n_layer), IMPORT_SUFFIXES));
    if (im->family->xielu) {
        TRY(mem_alloc_zero(&im->xielu, (size_t)im->n_layer,
                           IMPORT_XIELU * sizeof *im->xielu));
        TRY(mem_alloc_zero(&im->xielu_there, (size_t)im->n_layer, IMPORT_XIELU));
    }
    for (int64_t i = 0; i < archive_n_tensors(im->archive); i++)
        TRY(one_tensor(im, archive_tensor_at(im->archive, i)));
    TRY(check_complete(im));
    if (im->family->xielu) TRY(put_xielu(im));
    const struct archive_tensor *e = embedding(im);
    if (im->n_vocab != 0 && e != NULL && e->n_dims == 2 && e->shape[0] != im->n_vocab)
        return fail(GLASS_BAD_INPUT, "%s: vocab_size is %lld, but %s has %lld rows",
                    im->config_path, (long long)im->n_vocab, e->name,
                    (long long)e->shape[0]);
    return GLASS_OK;
}

/* ---- both ---- */

glass_status import_hf(struct gguf_build *build, struct archive *archive,
                       const char *config, size_t n_config, const char *config_path) {
    struct import im = {.config_path = config_path,
                        .archive = archive,
                        .build = build,
                        .values = gguf_build_values(build)};
    TRY(import_own_archive(&im));
    TRY(import_parse(&im.config, config, n_config, config_path));
    glass_status status = read_settings(&im);
    if (status == GLASS_OK) status = read_tensors(&im);
    json_decref(im.config);
    mem_free(im.claimed);
    mem_free(im.xielu);
    mem_free(im.xielu_there);
    return status;
}

glass_status import_hf_memory(struct gguf **file, const char *config, size_t n_config,
                              struct archive *archive, const char *name) {
    struct gguf_build *build;
    *file = NULL;
    glass_status status = gguf_build_create(&build, name);
    if (status != GLASS_OK) {
        archive_close(archive);
        return status;
    }
    status = import_hf(build, archive, config, n_config, name);
    if (status == GLASS_OK) return gguf_build_finish(file, build);
    gguf_build_free(build);
    return status;
}
