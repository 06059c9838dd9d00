/* model.c - opening a model: file, numbers, weights, tokenizer, template. */
#include "model/model.h"

#include "base/buf.h"
#include "math/kernels.h"
#include "model/describe.h"
#include "model/forward.h"
#include "model/import.h"
#include "model/session.h"
#include "text/tokenizer.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Reads a file's pages ahead of use in steps, so that a cold disk shows progress; pages that
 * are in memory cost nothing. */
static glass_status warm(const struct gguf *g, const glass_model_options *o) {
    enum { STEP_BYTES = 16 << 20 };
    size_t total = 0, done = 0;
    for (int i = 0; i < gguf_n_parts(g); i++) total += gguf_part(g, i)->size;
    for (int i = 0; i < gguf_n_parts(g); i++) {
        const struct filemap *map = gguf_part(g, i);
        for (size_t at = 0; at < map->size; at += STEP_BYTES) {
            size_t n = map->size - at < STEP_BYTES ? map->size - at : STEP_BYTES;
            unsigned char resident = 1;
            /* The last page of the step stands for it. */
            size_t page = (at + n - 1) / 4096 * 4096;
            mincore((void *)(uintptr_t)(map->data + page), 1, &resident);
            if (!(resident & 1)) {
                volatile const uint8_t *p = map->data + at;
                for (size_t j = 0; j < n; j += 4096) (void)p[j];
            }
            done += n;
            if (!o->progress(o->context, (double)done / (double)total))
                return fail(GLASS_CANCELLED, "%s: loading was cancelled", gguf_path(g));
        }
    }
    return GLASS_OK;
}

static glass_status open_template(struct glass_model *m) {
    enum { TEMPLATE_KEPT = 1 << 20 }; /* no template that is longer compiles */
    struct gguf_string source;
    TRY(gguf_get_string_or(m->file, "tokenizer.chat_template", &source));
    if (source.n_bytes == 0) return GLASS_OK;
    if (source.n_bytes <= TEMPLATE_KEPT)
        TRY(mem_copy_text(&m->template_source, source.text, source.n_bytes));
    glass_status status = glass_template_compile(&m->tmpl, source.text, source.n_bytes);
    if (status == GLASS_NO_MEMORY) return status;
    /* A template that does not compile must not keep a model from completing text. */
    if (status != GLASS_OK)
        return mem_copy_text(&m->template_error, glass_error(), strlen(glass_error()));
    return GLASS_OK;
}

static glass_status open_tokenizer(struct glass_model *m) {
    struct gguf_string kind;
    TRY(gguf_get_string_or(m->file, "tokenizer.ggml.model", &kind));
    if (m->tokenizer != NULL) return open_template(m); /* it came beside the weights */
    if (kind.n_bytes == 0) return GLASS_OK;
    TRY(tok_create_gguf(&m->tokenizer, m->file));
    if (glass_tokenizer_n_vocab(m->tokenizer) > m->config.n_vocab)
        return fail(GLASS_BAD_INPUT, "%s: %lld tokens but embeddings for only %lld",
                    gguf_path(m->file), (long long)glass_tokenizer_n_vocab(m->tokenizer),
                    (long long)m->config.n_vocab);
    return open_template(m);
}

glass_status model_create(struct glass_model **out, struct gguf *file,
                          glass_tokenizer *tokenizer) {
    struct glass_model *m;
    *out = NULL;
    glass_status status = mem_alloc_zero(&m, 1, sizeof *m);
    if (status != GLASS_OK) {
        glass_tokenizer_close(tokenizer);
        gguf_close(file);
        return status;
    }
    m->file = file;
    m->tokenizer = tokenizer;
    TRY_FAIL(config_read(&m->config, m->file));
    TRY_FAIL(weights_bind(&m->weights, &m->config, m->file));
    TRY_FAIL(
        mem_copy_text(&m->family, m->config.family.arch, strlen(m->config.family.arch)));
    TRY_FAIL(open_tokenizer(m));
    TRY_FAIL(describe_model(m));
    *out = m;
    return GLASS_OK;
fail:
    glass_model_close(m);
    return status;
}

glass_status glass_model_open(glass_model **out, const char *path,
                              const glass_model_options *options) {
    glass_status status;
    struct glass_model *m;
    struct gguf *file;
    glass_tokenizer *tokenizer;
    *out = NULL;
    TRY(math_isa_status());
    TRY(import_open(&file, &tokenizer, path));
    TRY(model_create(&m, file, tokenizer));
    if (options != NULL && options->progress != NULL) TRY_FAIL(warm(m->file, options));
    for (int i = 0; options != NULL && options->lock_memory && i < gguf_n_parts(m->file);
         i++)
        TRY_FAIL(filemap_lock(gguf_part(m->file, i)));
    *out = m;
    return GLASS_OK;
fail:
    glass_model_close(m);
    return status;
}

void glass_model_close(glass_model *m) {
    if (m == NULL) return;
    describe_clear(m);
    glass_template_free(m->tmpl);
    glass_tokenizer_close(m->tokenizer);
    mem_free(m->template_source);
    mem_free(m->template_error);
    mem_free(m->family);
    weights_clear(&m->weights);
    gguf_close(m->file);
    mem_free(m);
}

void glass_model_get_info(const glass_model *m, glass_model_info *out) {
    const struct config *c = &m->config;
    *out = (glass_model_info){.family = m->family,
                              .name = m->name,
                              .license = m->license,
                              .n_params = m->n_params,
                              .weight_bytes = m->weight_bytes,
                              .copied_bytes = m->weights.n_copied_bytes,
                              .n_vocab = c->n_vocab,
                              .n_ctx = c->n_ctx,
                              .n_embd = c->n_embd,
                              .n_layer = c->n_layer,
                              .n_head = c->n_head,
                              .n_head_kv = c->n_head_kv,
                              .head_dim = c->head_dim,
                              .n_ff = c->n_ff,
                              .window = c->window,
                              .tied = m->weights.tied,
                              .dtype_mix = m->dtype_mix,
                              .has_template = m->template_source != NULL};
}

size_t glass_model_session_bytes(const glass_model *m, int64_t n_ctx,
                                 glass_dtype cache_type) {
    return session_bytes(m, n_ctx, session_batch(n_ctx), team_default_threads(),
                         cache_type);
}

const glass_tokenizer *glass_model_tokenizer(const glass_model *m) {
    return m->tokenizer;
}

glass_status glass_model_template(const glass_model *m, const glass_template **out) {
    *out = m->tmpl;
    if (m->tmpl != NULL) return GLASS_OK;
    if (m->template_error != NULL)
        return fail(GLASS_BAD_INPUT, "%s: chat template: %s", gguf_path(m->file),
                    m->template_error);
    return fail(GLASS_NEGATIVE, "%s: the file carries no chat template",
                gguf_path(m->file));
}

const char *glass_model_template_source(const glass_model *m) {
    return m->template_source;
}

int64_t glass_model_n_meta(const glass_model *m) {
    return m->n_meta;
}

void glass_model_meta(const glass_model *m, int64_t i, const char **key,
                      const char **json) {
    *key = m->meta[i].key;
    *json = m->meta[i].json;
}

int64_t glass_model_n_tensors(const glass_model *m) {
    return gguf_n_tensors(m->file);
}

void glass_model_tensor(const glass_model *m, int64_t i, glass_tensor_info *out) {
    const struct gguf_tensor *t = gguf_tensor_at(m->file, i);
    *out = (glass_tensor_info){t->name, t->dtype, t->n_dims, {0}, t->n_bytes};
    for (int d = 0; d < t->n_dims; d++) out->shape[d] = t->shape[d];
}
