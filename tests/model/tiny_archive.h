/* tiny_archive.h - for any family of the importer, weights of a model of two layers in memory,
 * by the names that its table has, and a config.json that fits them. */
#ifndef TESTS_MODEL_TINY_ARCHIVE_H
#define TESTS_MODEL_TINY_ARCHIVE_H

#include "base/buf.h"
#include "format/archive.h"
#include "model/import_parts.h"

#include <stdio.h>
#include <string.h>

enum { TINY_WIDTH = 8, TINY_LAYERS = 2, TINY_VOCAB = 7, TINY_LENGTH = 16, TINY_HEAD = 4 };

struct tiny_shape {
    const char *end;   /* of the canonical name */
    int rows, columns; /* no columns: a vector */
};

static inline struct tiny_shape tiny_shape_of(const struct import_family *f,
                                              const char *ours) {
    static const struct tiny_shape shapes[] = {
        {"attn_q_norm", TINY_HEAD, 0},
        {"attn_k_norm", TINY_HEAD, 0},
        {"norm", TINY_WIDTH, 0},
        {"token_embd", TINY_VOCAB, TINY_WIDTH},
        {"output", TINY_VOCAB, TINY_WIDTH},
        {"position_embd", TINY_LENGTH, TINY_WIDTH},
        {"attn_qkv", 3 * TINY_WIDTH, TINY_WIDTH},
        {"", TINY_WIDTH, TINY_WIDTH},
    };
    struct tiny_shape s = {0};
    size_t n = strlen(ours);
    for (const struct tiny_shape *row = shapes; s.rows == 0; row++) {
        size_t m = strlen(row->end);
        if (n >= m && strcmp(ours + n - m, row->end) == 0) s = *row;
    }
    if (strstr(ours, "attn_output") != NULL) s.rows = TINY_WIDTH;
    if (strcmp(f->arch, "olmo2") == 0 && s.rows == TINY_HEAD) s.rows = TINY_WIDTH;
    if (strcmp(f->arch, "phi3") == 0 && strstr(ours, "ffn_up") != NULL) s.rows *= 2;
    if (strcmp(f->arch, "starcoder") == 0 && s.rows == 3 * TINY_WIDTH)
        s.rows = TINY_WIDTH + 2 * TINY_HEAD; /* one head of keys */
    return s;
}

static inline void tiny_put(struct buf *header, size_t *at, const char *name, int rows,
                            int columns) {
    size_t n = (size_t)rows * (size_t)(columns == 0 ? 1 : columns) * sizeof(float);
    buf_printf(header, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%d",
               header->len > 1 ? "," : "", name, rows);
    if (columns != 0) buf_printf(header, ",%d", columns);
    buf_printf(header, "],\"data_offsets\":[%zu,%zu]}", *at, *at + n);
    *at += n;
}

static inline void tiny_put_row(struct buf *header, size_t *at,
                                const struct import_family *f,
                                const struct import_name *row) {
    const char *prefix = strcmp(row->ours, "output") == 0 ? "" : f->prefix;
    struct tiny_shape s = tiny_shape_of(f, row->ours);
    bool turned = row->how == HOW_TURNED && s.columns != 0;
    char name[128];
    for (int i = 0; i < (strchr(row->theirs, '#') == NULL ? 1 : TINY_LAYERS); i++) {
        import_spell(name, prefix, row->theirs, i, ".weight");
        tiny_put(header, at, name, turned ? s.columns : s.rows,
                 turned ? s.rows : s.columns);
        if (row->bias != BIAS_ALWAYS && (row->bias != BIAS_ATTENTION || !f->attention_bias))
            continue;
        import_spell(name, prefix, row->theirs, i, ".bias");
        tiny_put(header, at, name, s.rows, 0);
    }
}

/* The bytes of a safetensors file, all numbers 0. */
static inline void tiny_archive(struct buf *out, const struct import_family *f) {
    struct buf header = {0};
    char name[128], pattern[64];
    size_t at = 0;
    buf_byte(&header, '{');
    for (const struct import_name *row = f->names; row->theirs != NULL; row++)
        tiny_put_row(&header, &at, f, row);
    for (int k = 0; f->xielu && k < IMPORT_XIELU * TINY_LAYERS; k++) {
        snprintf(pattern, sizeof pattern, "layers.#.mlp.act_fn.%s",
                 import_xielu_names[k % IMPORT_XIELU]);
        import_spell(name, f->prefix, pattern, k / IMPORT_XIELU, "");
        tiny_put(&header, &at, name, 1, 0);
    }
    buf_byte(&header, '}');
    while (header.len % 8 != 0) buf_byte(&header, ' ');
    uint64_t n = header.len;
    buf_clear(out);
    buf_append(out, &n, sizeof n);
    buf_append(out, header.data, header.len);
    for (size_t i = 0; i < at; i++) buf_byte(out, 0);
    buf_free(&header);
}

static inline void tiny_config(struct buf *out, const struct import_family *f) {
    static const char *const scalings[] = {
        "\"rope_type\":\"llama3\",\"factor\":8.0,\"low_freq_factor\":1.0,"
        "\"high_freq_factor\":4.0,\"original_max_position_embeddings\":8",
        "\"rope_type\":\"yarn\",\"factor\":2.0,\"beta_fast\":32,\"mscale\":1.0,"
        "\"mscale_all_dim\":1.0,\"original_max_position_embeddings\":8,"
        "\"llama_4_scaling_beta\":0.1",
        "\"type\":\"su\",\"short_factor\":[1.0,1.5],\"long_factor\":[2.0,3],"
        "\"original_max_position_embeddings\":8",
        "\"type\":\"linear\",\"factor\":2.0",
    };
    int kind = strcmp(f->arch, "phi3") == 0       ? 2
               : strcmp(f->arch, "mistral3") == 0 ? 1
               : f->rope_kinds                    ? 1
               : strcmp(f->arch, "gemma") == 0    ? 3
                                                  : 0;
    buf_clear(out);
    buf_printf(out,
               "{\"model_type\":\"%s\",\"num_hidden_layers\":%d,\"hidden_size\":%d,"
               "\"max_position_embeddings\":%d,\"intermediate_size\":8,\"n_inner\":8,"
               "\"num_attention_heads\":2,\"num_key_value_heads\":2,\"head_dim\":%d,"
               "\"rotary_dim\":4,\"vocab_size\":%d,\"partial_rotary_factor\":1.0,"
               "\"query_pre_attn_scalar\":4,\"sliding_window\":3,\"rope_theta\":5e5,"
               "\"rope_scaling\":{%s},\"layer_types\":[\"%s\",\"full_attention\"],"
               "\"attention_types\":[[[\"global\",\"local\"],1]],\"no_rope_layers\":[1,0],"
               "\"use_sliding_window\":true,\"tie_word_embeddings\":false}",
               f->model_type, TINY_LAYERS, TINY_WIDTH, TINY_LENGTH, TINY_HEAD, TINY_VOCAB,
               scalings[kind], "sliding_attention");
}

#endif
