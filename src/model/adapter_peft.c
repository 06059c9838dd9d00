/* adapter_peft.c - adapters as PEFT saves them: adapter_config.json, and for a layer NAME
 * base_model.model.NAME.lora_A.weight (r, in) and .lora_B.weight (out, r), for Conv1D layers
 * too. What changes results and is more than that is refused by its name. */
#include "model/adapter_parts.h"

#include "base/path.h"
#include "model/import_parts.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "base_model.model."
#define END_A  ".lora_A.weight"
#define END_B  ".lora_B.weight"

struct peft {
    struct adapter_file *file;
    struct import im; /* for questions to the config */
    int64_t rank;
    double alpha;
    bool root; /* alpha / sqrt(rank) */
};

/* ---- settings ---- */

/* Settings that are read elsewhere here, or that a finished adapter no longer depends on. */
static const char *const known[] = {"alpha_pattern",
                                    "auto_mapping",
                                    "base_model_name_or_path",
                                    "bias",
                                    "corda_config",
                                    "ensure_weight_tying",
                                    "eva_config",
                                    "exclude_modules",
                                    "fan_in_fan_out",
                                    "inference_mode",
                                    "init_lora_weights",
                                    "layers_pattern",
                                    "layers_to_transform",
                                    "loftq_config",
                                    "lora_alpha",
                                    "lora_dropout",
                                    "lora_ga_config",
                                    "megatron_config",
                                    "megatron_core",
                                    "peft_type",
                                    "peft_version",
                                    "qalora_group_size",
                                    "r",
                                    "rank_pattern",
                                    "revision",
                                    "runtime_config",
                                    "target_modules",
                                    "task_type",
                                    "use_rslora"};

static bool is_known(const char *key) {
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i], key) == 0) return true;
    return false;
}

/* null, false, 0, "", [] and {} ask for nothing. */
static bool asks(const json_t *value) {
    if (json_is_string(value)) return json_string_length(value) > 0;
    if (json_is_array(value)) return json_array_size(value) > 0;
    if (json_is_object(value)) return json_object_size(value) > 0;
    if (json_is_number(value)) return json_number_value(value) != 0;
    return json_is_true(value);
}

static glass_status check_text(const struct import *im, const char *key, const char *want,
                               const char *absent) {
    const char *text;
    char message[80];
    TRY(import_text(im, im->config, key, &text, absent));
    if (strcmp(text, want) == 0) return GLASS_OK;
    snprintf(message, sizeof message, "\"%s\" can be run", want);
    return import_bad(im, key, json_object_get(im->config, key), message);
}

/* Ways to begin that leave the base as it is; others (PiSSA, OLoRA, LoftQ …) train beside a
 * changed base, which the adapter's file does not hold. */
static glass_status check_beginning(const struct import *im) {
    static const char *const plain[] = {"gaussian", "eva", "orthogonal"};
    const json_t *value = json_object_get(im->config, "init_lora_weights");
    if (value == NULL || json_is_boolean(value) || json_is_null(value)) return GLASS_OK;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (json_is_string(value) && strcmp(json_string_value(value), plain[i]) == 0)
            return GLASS_OK;
    return import_bad(im, "init_lora_weights", value,
                      "it changes the base's weights: save the adapter converted to plain "
                      "LoRA");
}

static glass_status check_patterns(const struct import *im, const char *name) {
    const json_t *patterns = json_object_get(im->config, name), *value;
    const char *key;
    if (patterns == NULL || json_is_null(patterns)) return GLASS_OK;
    if (!json_is_object(patterns))
        return import_bad(im, name, patterns, "names of layers with numbers are possible");
    json_object_foreach((json_t *)(uintptr_t)patterns, key, value) {
        for (const char *c = key; *c; c++)
            if (!isalnum((unsigned char)*c) && *c != '_' && *c != '.')
                return fail(GLASS_BAD_INPUT,
                            "%s: %s: \"%.80s\": a layer's name, or its end, is possible, "
                            "but no other pattern",
                            im->config_path, name, key);
        if (!json_is_number(value))
            return import_bad(im, name, value, "a number is possible");
    }
    return GLASS_OK;
}

static glass_status read_settings(struct peft *p) {
    const struct import *im = &p->im;
    const json_t *value;
    const char *key, *base;
    TRY(check_text(im, "peft_type", "LORA", ""));
    TRY(check_text(im, "bias", "none", "none"));
    TRY(check_beginning(im));
    json_object_foreach(im->config, key, value) {
        if (is_known(key) || !asks(value)) continue;
        return import_bad(im, key, value, "only plain LoRA on linear layers can be run");
    }
    TRY(import_count(im, im->config, "r", &p->rank, 1, ADAPTER_MAX_RANK, -1));
    TRY(import_number(im, im->config, "lora_alpha", &p->alpha, NAN));
    TRY(import_flag(im, im->config, "use_rslora", &p->root, false));
    TRY(check_patterns(im, "rank_pattern"));
    TRY(check_patterns(im, "alpha_pattern"));
    TRY(import_text(im, im->config, "base_model_name_or_path", &base, ""));
    return mem_copy_text(&p->file->base, base, strlen(base));
}

/* The first pattern that is the layer's name or its end after a dot; else `usual`. */
static double by_pattern(const struct peft *p, const char *name, const char *layer,
                         size_t n, double usual) {
    json_t *patterns = json_object_get(p->im.config, name), *value;
    const char *key;
    json_object_foreach(patterns, key, value) {
        size_t n_key = strlen(key);
        if (n_key <= n && memcmp(layer + n - n_key, key, n_key) == 0 &&
            (n_key == n || layer[n - n_key - 1] == '.'))
            return json_number_value(value);
    }
    return usual;
}

/* ---- tensors ---- */

static glass_status matrix_of(struct adapter_matrix *out, const struct adapter_file *f,
                              const struct archive_tensor *t) {
    if (t->n_dims != 2)
        return fail(GLASS_BAD_INPUT, "%s: tensor %.200s: it is no matrix", f->path,
                    t->name);
    if (!t->known)
        return fail(GLASS_BAD_INPUT,
                    "%s: tensor %.200s: numbers of type %.60s cannot be weights", f->path,
                    t->name, t->type);
    *out = (struct adapter_matrix){t->name,     t->data,     t->dtype,
                                   t->shape[0], t->shape[1], t->n_bytes};
    return GLASS_OK;
}

static glass_status add_pair(struct peft *peft, const struct archive_tensor *a,
                             const char *layer, size_t n) {
    struct adapter_file *f = peft->file;
    char name[ARCHIVE_MAX_NAME + 1];
    snprintf(name, sizeof name, PREFIX "%.*s" END_B, (int)n, layer);
    const struct archive_tensor *b = archive_find(f->archive, name, -1);
    if (b == NULL)
        return fail(GLASS_BAD_INPUT,
                    "%s: tensor %.200s is missing, which belongs to %.200s", f->path, name,
                    a->name);
    struct adapter_pair *p = &f->pairs[f->n_pairs++];
    *p = (struct adapter_pair){.layer = layer, .n_layer = n};
    TRY(matrix_of(&p->a, f, a));
    TRY(matrix_of(&p->b, f, b));
    double rank = by_pattern(peft, "rank_pattern", layer, n, (double)peft->rank);
    double alpha = by_pattern(peft, "alpha_pattern", layer, n, peft->alpha);
    if (rank != (double)p->a.n)
        return fail(GLASS_BAD_INPUT,
                    "%s: tensor %.200s has %lld rows; %s says a rank of %g", f->path,
                    a->name, (long long)p->a.n, peft->im.config_path, rank);
    p->scale = alpha / (peft->root ? sqrt(rank) : rank);
    return adapter_check_pair(f, p);
}

/* What a name that is neither an A nor a B says, where that is known. */
static const char *other_kind(const char *name) {
    if (strstr(name, "lora_magnitude_vector") != NULL) return "it is DoRA's";
    if (strstr(name, "lora_embedding_") != NULL)
        return "adapters of embeddings cannot be run";
    if (strstr(name, "modules_to_save") != NULL)
        return "whole modules beside the adapter cannot be run";
    if (strstr(name, ".bias") != NULL) return "biases cannot be run";
    return "only " PREFIX "LAYER" END_A " and " END_B " can be run";
}

static glass_status add_tensor(struct peft *p, const struct archive_tensor *t) {
    char name[ARCHIVE_MAX_NAME + 1];
    const char *layer = t->name + strlen(PREFIX);
    size_t n = strlen(t->name), n_end = strlen(END_A), n_prefix = strlen(PREFIX);
    bool inside = n > n_prefix + n_end && strncmp(t->name, PREFIX, n_prefix) == 0;
    if (inside && strcmp(t->name + n - n_end, END_A) == 0)
        return add_pair(p, t, layer, n - n_prefix - n_end);
    if (!inside || strcmp(t->name + n - n_end, END_B) != 0)
        return fail(GLASS_BAD_INPUT, "%s: tensor %.200s: %s", p->file->path, t->name,
                    other_kind(t->name));
    snprintf(name, sizeof name, "%.*s" END_A, (int)(n - n_end), t->name);
    if (archive_find(p->file->archive, name, -1) != NULL) return GLASS_OK;
    return fail(GLASS_BAD_INPUT, "%s: tensor %.200s is missing, which belongs to %.200s",
                p->file->path, name, t->name);
}

/* ---- the folder ---- */

static glass_status find_tensors(char **out, const char *folder) {
    static const char *const names[] = {"adapter_model.safetensors", "adapter_model.bin"};
    struct buf path = {0};
    for (int i = 0; i < 2; i++) {
        size_t n;
        buf_clear(&path);
        glass_status status = buf_printf(&path, "%s/%s", folder, names[i]);
        if (status == GLASS_OK && access(path.data, R_OK) == 0)
            return buf_take(&path, out, &n);
        if (status == GLASS_OK) continue;
        buf_free(&path);
        return status;
    }
    buf_free(&path);
    return fail(GLASS_BAD_INPUT, "%s: neither %s nor %s is in the folder", folder, names[0],
                names[1]);
}

static glass_status read_tensors(struct peft *p) {
    struct adapter_file *f = p->file;
    TRY(archive_open(&f->archive, f->path));
    int64_t n = archive_n_tensors(f->archive);
    TRY(mem_alloc_zero(&f->pairs, (size_t)n, sizeof *f->pairs));
    for (int64_t i = 0; i < n; i++) TRY(add_tensor(p, archive_tensor_at(f->archive, i)));
    return GLASS_OK;
}

glass_status adapter_open_peft(struct adapter_file *out, const char *folder) {
    struct buf path = {0}, text = {0};
    struct peft p = {.file = out};
    glass_status status;
    out->kind = "PEFT";
    out->peft = true;
    TRY_FAIL(buf_printf(&path, "%s/adapter_config.json", folder));
    TRY_FAIL(path_read_whole(&text, path.data, IMPORT_CONFIG_BYTES));
    p.im.config_path = path.data;
    TRY_FAIL(import_parse(&p.im.config, text.data ? text.data : "", text.len, path.data));
    TRY_FAIL(read_settings(&p));
    TRY_FAIL(find_tensors(&out->path, folder));
    status = read_tensors(&p);
fail:
    json_decref(p.im.config);
    buf_free(&path);
    buf_free(&text);
    return status;
}
