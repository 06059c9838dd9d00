/* adapter_gguf.c - GGUF adapters: general.type "adapter", adapter.type "lora", and for a tensor
 * NAME of the model NAME.lora_a (r, in) and NAME.lora_b (out, r), as llama.cpp reads them. */
#include "model/adapter_parts.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool text_is(const struct gguf_string *s, const char *text) {
    return s->n_bytes == strlen(text) && memcmp(s->text, text, s->n_bytes) == 0;
}

static glass_status want_text(const struct gguf *g, const char *key, const char *text) {
    struct gguf_string have;
    TRY(gguf_get_string_or(g, key, &have));
    if (text_is(&have, text)) return GLASS_OK;
    return fail(GLASS_BAD_INPUT, "%s: %s is \"%.*s\"; \"%s\" is what an adapter has",
                gguf_path(g), key, (int)(have.n_bytes < 60 ? have.n_bytes : 60), have.text,
                text);
}

static glass_status copy_text(char **out, const struct gguf *g, const char *key) {
    struct gguf_string s;
    TRY(gguf_get_string_or(g, key, &s));
    return s.n_bytes == 0 ? GLASS_OK : mem_copy_text(out, s.text, s.n_bytes);
}

static bool ends_with(const char *name, const char *end, size_t *n) {
    size_t n_name = strlen(name), n_end = strlen(end);
    if (n_name <= n_end || strcmp(name + n_name - n_end, end) != 0) return false;
    *n = n_name - n_end;
    return true;
}

static struct adapter_matrix matrix_of(const struct gguf_tensor *t) {
    /* A matrix of one row may have been written without its second dimension. */
    int64_t n = t->n_dims == 1 ? 1 : t->shape[0];
    int64_t k = t->shape[t->n_dims - 1];
    return (struct adapter_matrix){t->name, t->data, t->dtype, n, k, t->n_bytes};
}

/* The pair of an A, whose layer's name has n bytes. */
static glass_status add_pair(struct adapter_file *f, const struct gguf_tensor *a, size_t n,
                             double alpha) {
    char name[128];
    snprintf(name, sizeof name, "%.*s.lora_b", (int)n, a->name);
    const struct gguf_tensor *b = gguf_tensor_find(f->gguf, name);
    if (b == NULL)
        return fail(GLASS_BAD_INPUT, "%s: tensor %s is missing, which belongs to %s",
                    f->path, name, a->name);
    if (a->n_dims > 2 || b->n_dims > 2)
        return fail(GLASS_BAD_INPUT, "%s: tensor %s: it is no matrix", f->path,
                    a->n_dims > 2 ? a->name : b->name);
    struct adapter_pair *p = &f->pairs[f->n_pairs++];
    *p = (struct adapter_pair){a->name, n, matrix_of(a), matrix_of(b), 1};
    /* llama.cpp takes an alpha of 0 as none. */
    if (alpha != 0) p->scale = alpha / (double)p->a.n;
    return adapter_check_pair(f, p);
}

static glass_status add_tensor(struct adapter_file *f, const struct gguf_tensor *t,
                               double alpha) {
    char name[128];
    size_t n;
    if (ends_with(t->name, ".lora_a", &n)) return add_pair(f, t, n, alpha);
    if (!ends_with(t->name, ".lora_b", &n))
        return fail(GLASS_BAD_INPUT,
                    "%s: tensor %s is neither NAME.lora_a nor NAME.lora_b: only LoRA on "
                    "linear layers can be run",
                    f->path, t->name);
    snprintf(name, sizeof name, "%.*s.lora_a", (int)n, t->name);
    if (gguf_tensor_find(f->gguf, name) != NULL) return GLASS_OK;
    return fail(GLASS_BAD_INPUT, "%s: tensor %s is missing, which belongs to %s", f->path,
                name, t->name);
}

glass_status adapter_open_gguf(struct adapter_file *out, const char *path) {
    const struct gguf_value *tokens;
    double alpha;
    TRY(mem_copy_text(&out->path, path, strlen(path)));
    TRY(gguf_open(&out->gguf, path));
    out->kind = "GGUF";
    TRY(want_text(out->gguf, "general.type", "adapter"));
    TRY(want_text(out->gguf, "adapter.type", "lora"));
    TRY(copy_text(&out->arch, out->gguf, "general.architecture"));
    TRY(copy_text(&out->base, out->gguf, "general.base_model.0.name"));
    TRY(gguf_get_f64_or(out->gguf, "adapter.lora.alpha", &alpha, 0));
    tokens = gguf_find(out->gguf, "adapter.alora.invocation_tokens");
    if (tokens != NULL)
        return fail(GLASS_BAD_INPUT,
                    "%s: adapter.alora.invocation_tokens: adapters that start at certain "
                    "tokens cannot be run",
                    path);
    int64_t n = gguf_n_tensors(out->gguf);
    TRY(mem_alloc_zero(&out->pairs, (size_t)n, sizeof *out->pairs));
    for (int64_t i = 0; i < n; i++)
        TRY(add_tensor(out, gguf_tensor_at(out->gguf, i), alpha));
    return GLASS_OK;
}
