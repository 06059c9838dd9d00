/* convert_gguf.c - a model as one GGUF file. */
#include "format/gguf_write.h"
#include "model/convert_parts.h"
#include "text/tok_to_gguf.h"

static bool is_key(const struct gguf_value *v, const char *key) {
    return v->key.n_bytes == strlen(key) && memcmp(v->key.text, key, v->key.n_bytes) == 0;
}

static bool is_short_float(glass_dtype dtype) {
    return dtype == GLASS_F16 || dtype == GLASS_BF16;
}

/* A GGUF file's tensors stay what they are, unless a type is asked for. */
static glass_dtype type_of(const struct convert *c, const struct gguf_tensor *t) {
    const glass_convert_options *o = c->options;
    if (t->n_dims == 1 && (is_short_float(t->dtype) || t->dtype == GLASS_F32))
        return c->from_gguf && o->keep_types ? t->dtype : GLASS_F32;
    return o->keep_types || t->n_dims == 1 ? t->dtype : o->type;
}

static glass_status plan(struct convert *c) {
    int64_t n = gguf_n_tensors(c->in);
    TRY(mem_alloc_zero(&c->tensors, (size_t)n, sizeof *c->tensors));
    c->n_tensors = n;
    for (int64_t i = 0; i < n; i++) {
        const struct gguf_tensor *t = gguf_tensor_at(c->in, i);
        struct convert_tensor *to = &c->tensors[i];
        *to =
            (struct convert_tensor){.from = t, .dtype = type_of(c, t), .n_dims = t->n_dims};
        memcpy(to->shape, t->shape, sizeof to->shape);
        memcpy(to->name, t->name, strlen(t->name) + 1);
    }
    return GLASS_OK;
}

/* llama.cpp's number for what most weights are; -1 for blocks, whose mixes have names that
 * cannot be told from the tensors. */
static int file_type(const struct convert *c) {
    size_t bytes[GLASS_DTYPE_LIMIT] = {0};
    int most = GLASS_F32;
    for (int64_t i = 0; i < c->n_tensors; i++) {
        const struct convert_tensor *t = &c->tensors[i];
        size_t n = 1;
        for (int d = 0; d < t->n_dims; d++) n *= (size_t)t->shape[d];
        bytes[t->dtype] += t->n_dims == 1 ? 0 : n;
    }
    for (int i = 0; i < GLASS_DTYPE_LIMIT; i++)
        if (bytes[i] > bytes[most]) most = i;
    return most == GLASS_F32 ? 0 : most == GLASS_F16 ? 1 : most == GLASS_BF16 ? 32 : -1;
}

/* Which vectors had 16 bits, so that the way back can give them those again. */
static glass_status put_stored(const struct convert *c, struct gguf_writer *w,
                               glass_dtype was, const char *key) {
    struct gguf_string *names;
    uint64_t n = 0;
    TRY(mem_alloc_zero(&names, (size_t)c->n_tensors, sizeof *names));
    for (int64_t i = 0; i < c->n_tensors; i++) {
        const struct convert_tensor *t = &c->tensors[i];
        glass_dtype stored = t->from->view == NULL ? t->from->dtype : t->from->view->stored;
        if (stored == was && t->dtype == GLASS_F32 && c->options->keep_types)
            names[n++] = (struct gguf_string){t->name, strlen(t->name)};
    }
    glass_status status = n == 0 ? GLASS_OK : gguf_put_strings(w, key, names, n);
    mem_free(names);
    return status;
}

static glass_status put_values(struct convert *c, struct gguf_writer *w) {
    bool keep = c->from_gguf && c->options->keep_types;
    int type = file_type(c);
    for (int64_t i = 0; i < gguf_n_values(c->in); i++) {
        const struct gguf_value *v = gguf_value_at(c->in, i);
        bool split = v->key.n_bytes > 6 && memcmp(v->key.text, "split.", 6) == 0;
        bool retyped = is_key(v, "general.file_type") || is_key(v, CONVERT_WAS_F16) ||
                       is_key(v, CONVERT_WAS_BF16) ||
                       is_key(v, "general.quantization_version");
        if (split || (retyped && !keep)) continue;
        TRY(gguf_put_value(w, v));
    }
    if (keep) return GLASS_OK;
    if (type >= 0) TRY(gguf_put_int(w, "general.file_type", GGUF_U32, type));
    TRY(put_stored(c, w, GLASS_F16, CONVERT_WAS_F16));
    return put_stored(c, w, GLASS_BF16, CONVERT_WAS_BF16);
}

/* The rows of the embedding; ids that the vocabulary does not have become unused tokens. */
static int64_t n_rows(const struct convert *c) {
    const struct gguf_tensor *t = gguf_tensor_find(c->in, "token_embd.weight");
    return t == NULL ? 0 : t->shape[0];
}

static glass_status put_data(void *writer, const void *bytes, size_t n_bytes) {
    return gguf_put_data(writer, bytes, n_bytes);
}

glass_status convert_to_gguf(struct convert *c) {
    struct gguf_writer *w;
    glass_status status;
    TRY(plan(c));
    TRY(convert_reckon(c, c->out_path));
    TRY(gguf_writer_create(&w, c->out_path));
    TRY_FAIL(put_values(c, w));
    if (c->vocab != NULL) {
        const struct tok_to_gguf_options options = {.n_vocab = n_rows(c)};
        TRY_FAIL(tok_to_gguf(w, &c->source, &options));
    }
    for (int64_t i = 0; i < c->n_tensors; i++) {
        const struct convert_tensor *t = &c->tensors[i];
        TRY_FAIL(gguf_put_tensor(w, t->name, t->dtype, t->n_dims, t->shape));
    }
    TRY_FAIL(convert_stream(c, put_data, w));
    return gguf_writer_finish(w);
fail:
    gguf_writer_free(w);
    return status;
}
