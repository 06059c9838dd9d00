/* gguf_sample.h - a small GGUF file in memory, laid down byte by byte without the writer,
 * that remembers where each field stands, so that tests can make any one of them wrong. */
#ifndef TESTS_GGUF_SAMPLE_H
#define TESTS_GGUF_SAMPLE_H

#include "base/buf.h"
#include "format/gguf.h"

/* Where things are in the sample. */
enum field {
    AT_MAGIC,
    AT_VERSION,
    AT_N_TENSORS,
    AT_N_VALUES,
    AT_ALIGN_KEY, /* length of the key; its text is 8 further on */
    AT_ALIGN_TYPE,
    AT_ALIGN,
    AT_NAME_KEY,
    AT_NAME_TYPE,
    AT_NAME, /* length of the string */
    AT_BOOL_KEY,
    AT_BOOL_TYPE,
    AT_BOOL,
    AT_WORDS_KEY,
    AT_WORDS_ITEM,
    AT_WORDS_N,
    AT_WORD_0,
    AT_WORD_2,
    AT_NUMBERS_KEY,
    AT_NUMBERS_ITEM,
    AT_NUMBERS_N,
    AT_A, /* tensor a.w: length of the name */
    AT_A_N_DIMS,
    AT_A_DIM_0,
    AT_A_DIM_1,
    AT_A_TYPE,
    AT_A_OFFSET,
    AT_B, /* tensor b.w */
    AT_B_N_DIMS,
    AT_B_DIM_0,
    AT_B_TYPE,
    AT_B_OFFSET,
    AT_DATA,
    AT_LIMIT
};

struct sample {
    struct buf b;
    size_t at[AT_LIMIT];
};

static inline void sample_mark(struct sample *s, enum field field) {
    s->at[field] = s->b.len;
}

static inline void sample_le(struct sample *s, uint64_t value, int n_bytes) {
    for (int i = 0; i < n_bytes; i++) buf_byte(&s->b, (char)(value >> (8 * i)));
}

static inline void sample_string(struct sample *s, const char *text) {
    sample_le(s, strlen(text), 8);
    buf_text(&s->b, text);
}

static inline void sample_key(struct sample *s, enum field field, const char *key,
                              enum gguf_type type) {
    sample_mark(s, field);
    sample_string(s, key);
    sample_le(s, type, 4);
}

static inline void sample_values(struct sample *s) {
    sample_key(s, AT_ALIGN_KEY, "general.alignment", GGUF_U32);
    s->at[AT_ALIGN_TYPE] = s->b.len - 4;
    sample_mark(s, AT_ALIGN);
    sample_le(s, 64, 4);
    sample_key(s, AT_NAME_KEY, "general.name", GGUF_STRING);
    s->at[AT_NAME_TYPE] = s->b.len - 4;
    sample_mark(s, AT_NAME);
    sample_string(s, "sample");
    sample_key(s, AT_BOOL_KEY, "general.flag", GGUF_BOOL);
    s->at[AT_BOOL_TYPE] = s->b.len - 4;
    sample_mark(s, AT_BOOL);
    sample_le(s, 1, 1);
    sample_key(s, AT_WORDS_KEY, "words", GGUF_ARRAY);
    sample_mark(s, AT_WORDS_ITEM);
    sample_le(s, GGUF_STRING, 4);
    sample_mark(s, AT_WORDS_N);
    sample_le(s, 3, 8);
    sample_mark(s, AT_WORD_0);
    sample_string(s, "one");
    sample_string(s, "");
    sample_mark(s, AT_WORD_2);
    sample_string(s, "three");
    sample_key(s, AT_NUMBERS_KEY, "numbers", GGUF_ARRAY);
    sample_mark(s, AT_NUMBERS_ITEM);
    sample_le(s, GGUF_I32, 4);
    sample_mark(s, AT_NUMBERS_N);
    sample_le(s, 2, 8);
    sample_le(s, (uint32_t)-7, 4);
    sample_le(s, 7, 4);
}

static inline void sample_tensors(struct sample *s) {
    sample_mark(s, AT_A);
    sample_string(s, "a.w");
    sample_mark(s, AT_A_N_DIMS);
    sample_le(s, 2, 4);
    sample_mark(s, AT_A_DIM_0);
    sample_le(s, 32, 8); /* innermost */
    sample_mark(s, AT_A_DIM_1);
    sample_le(s, 3, 8);
    sample_mark(s, AT_A_TYPE);
    sample_le(s, GLASS_Q8_0, 4);
    sample_mark(s, AT_A_OFFSET);
    sample_le(s, 0, 8); /* 102 bytes */
    sample_mark(s, AT_B);
    sample_string(s, "b.w");
    sample_mark(s, AT_B_N_DIMS);
    sample_le(s, 1, 4);
    sample_mark(s, AT_B_DIM_0);
    sample_le(s, 5, 8);
    sample_mark(s, AT_B_TYPE);
    sample_le(s, GLASS_F32, 4);
    sample_mark(s, AT_B_OFFSET);
    sample_le(s, 128, 8);
}

/* A good file: five values, two tensors. buf_free(&s->b) when done. */
static inline void sample_make(struct sample *s) {
    *s = (struct sample){0};
    sample_mark(s, AT_MAGIC);
    buf_text(&s->b, "GGUF");
    sample_mark(s, AT_VERSION);
    sample_le(s, 3, 4);
    sample_mark(s, AT_N_TENSORS);
    sample_le(s, 2, 8);
    sample_mark(s, AT_N_VALUES);
    sample_le(s, 5, 8);
    sample_values(s);
    sample_tensors(s);
    while (s->b.len % 64 != 0) buf_byte(&s->b, 0);
    sample_mark(s, AT_DATA);
    for (int i = 0; i < 128 + 20; i++) buf_byte(&s->b, (char)i);
}

/* Overwrites n_bytes at a field. */
static inline void sample_patch(struct sample *s, enum field field, size_t beyond,
                                uint64_t value, int n_bytes) {
    for (int i = 0; i < n_bytes; i++)
        s->b.data[s->at[field] + beyond + (size_t)i] = (char)(value >> (8 * i));
}

/* Reads everything that the reader hands out, as its users would; a sum so that nothing is
 * optimised away. Sanitizers see any byte outside the file. */
static inline uint64_t sample_walk(const struct gguf *g) {
    uint64_t sum = 0;
    for (int64_t i = 0; i < gguf_n_values(g); i++) {
        const struct gguf_value *v = gguf_value_at(g, i);
        for (size_t k = 0; k < v->key.n_bytes; k++) sum += (uint8_t)v->key.text[k];
        for (size_t k = 0; k < v->n_bytes; k++) sum += v->data[k];
        for (uint64_t k = 0; k < v->n_items; k++) {
            struct gguf_string text = gguf_item_string(v, k);
            for (size_t c = 0; c < text.n_bytes; c++) sum += (uint8_t)text.text[c];
            sum += (uint64_t)gguf_item_int(v, k);
            sum += gguf_item_float(v, k) > 0.0;
        }
    }
    for (int64_t i = 0; i < gguf_n_tensors(g); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(g, i);
        sum += strlen(t->name);
        for (size_t k = 0; k < t->n_bytes; k++) sum += t->data[k];
    }
    return sum;
}

#endif
