/* fuzz_gguf.c - libFuzzer target: whatever the bytes, the GGUF reader refuses them or hands
 * out only what is inside them. AddressSanitizer sees every read past the input's end. */
#include "fuzz_common.h"

static void check_value(const struct gguf *g, const struct gguf_value *v) {
    char key[300];
    fuzz_read(v->key.text, v->key.n_bytes);
    fuzz_read(v->data, v->n_bytes);
    for (uint64_t i = 0; i < v->n_items && i < 100000; i++) {
        struct gguf_string text = gguf_item_string(v, i);
        fuzz_read(text.text, text.n_bytes);
        fuzz_sink += (uint64_t)gguf_item_int(v, i);
        fuzz_sink += gguf_item_float(v, i) > 0;
    }
    MUST(gguf_item_string(v, v->n_items).n_bytes == 0);
    MUST(gguf_item_int(v, v->n_items) == 0);
    if (v->key.n_bytes >= sizeof key) return;
    memcpy(key, v->key.text, v->key.n_bytes);
    key[v->key.n_bytes] = '\0';
    MUST(gguf_find(g, key) == v);
    uint64_t u;
    double d;
    bool b;
    struct gguf_string text;
    const struct gguf_value *array;
    /* Exactly the getters of its type succeed. */
    bool integer = v->type != GGUF_F32 && v->type != GGUF_F64 && v->type != GGUF_BOOL &&
                   v->type != GGUF_STRING && v->type != GGUF_ARRAY;
    MUST(integer || gguf_get_u64(g, key, &u) == GLASS_BAD_INPUT);
    if (integer && gguf_get_u64(g, key, &u) != GLASS_OK) MUST(gguf_item_int(v, 0) < 0);
    MUST((gguf_get_f64_or(g, key, &d, 0) == GLASS_OK) ==
         (v->type == GGUF_F32 || v->type == GGUF_F64));
    MUST((gguf_get_bool_or(g, key, &b, false) == GLASS_OK) == (v->type == GGUF_BOOL));
    MUST((gguf_get_string(g, key, &text) == GLASS_OK) == (v->type == GGUF_STRING));
    for (int item = GGUF_U8; item <= GGUF_F64; item++)
        MUST((gguf_get_array(g, key, (enum gguf_type)item, &array) == GLASS_OK) ==
             (v->type == GGUF_ARRAY && (int)v->item_type == item));
}

static void check_tensor(const struct gguf *g, const struct gguf_tensor *t,
                         const uint8_t *data, size_t size) {
    MUST(gguf_tensor_find(g, t->name) == t);
    MUST(t->n_dims >= 1 && t->n_dims <= 4 && t->n_bytes > 0);
    MUST(t->data >= data && t->n_bytes <= (size_t)(data + size - t->data));
    int64_t n = 1;
    for (int i = 0; i < t->n_dims; i++) {
        MUST(t->shape[i] > 0);
        n *= t->shape[i];
    }
    MUST(t->shape[t->n_dims - 1] % glass_dtype_block(t->dtype) == 0);
    MUST((size_t)(n / glass_dtype_block(t->dtype)) * glass_dtype_block_bytes(t->dtype) ==
         t->n_bytes);
    fuzz_read(t->data, t->n_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct gguf *g;
    glass_status status = gguf_open_memory(&g, data, size, "fuzz");
    MUST((status == GLASS_OK) == (g != NULL));
    if (status != GLASS_OK) {
        MUST(status == GLASS_BAD_INPUT && glass_error()[0] != '\0');
        return 0;
    }
    for (int64_t i = 0; i < gguf_n_values(g); i++) check_value(g, gguf_value_at(g, i));
    for (int64_t i = 0; i < gguf_n_tensors(g); i++)
        check_tensor(g, gguf_tensor_at(g, i), data, size);
    gguf_close(g);
    return 0;
}
