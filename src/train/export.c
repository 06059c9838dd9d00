/* export.c - see export.h. A family's fused tensors are put together from their parts. */
#include "train/export.h"

#include "base/mem.h"
#include "format/gguf_view.h"
#include "text/tok_to_gguf.h"

#include <stdio.h>

static const struct param *find(const struct params *p, const char *name) {
    for (int64_t i = 0; i < p->n_list; i++)
        if (strcmp(p->list[i].name, name) == 0) return &p->list[i];
    return NULL;
}

enum { MOST_PARTS = 3 };

/* The parameters that a tensor of the model consists of; none if it does not train. */
static int parts_of(const struct param *parts[MOST_PARTS], const struct params *p,
                    const char *name) {
    static const struct {
        const char *fused, *parts[MOST_PARTS];
    } all[] = {{".attn_qkv.", {".attn_q.", ".attn_k.", ".attn_v."}},
               {".ffn_up.", {".ffn_gate.", ".ffn_up.", NULL}}};
    for (int f = 0; f < 2; f++) {
        const char *at = strstr(name, all[f].fused);
        int n = 0;
        if (at == NULL || (f == 1 && !p->config->family.fused_gate)) continue;
        for (; n < MOST_PARTS && all[f].parts[n] != NULL; n++) {
            char part[2 * PARAM_NAME];
            snprintf(part, sizeof part, "%.*s%s%s", (int)(at - name), name, all[f].parts[n],
                     at + strlen(all[f].fused));
            parts[n] = find(p, part);
            if (parts[n] == NULL) return 0;
        }
        return n;
    }
    parts[0] = find(p, name);
    return parts[0] != NULL;
}

static glass_status put_tokenizer(struct gguf_writer *w, const struct gguf *g,
                                  const char *path) {
    struct tok_source source = TOK_SOURCE_NONE;
    struct tok_to_gguf_options options = {
        .any_pre = true, .n_vocab = gguf_tensor_find(g, "token_embd.weight")->shape[0]};
    glass_status status = tok_read_path(&source, path);
    if (status == GLASS_OK) status = tok_to_gguf(w, &source, &options);
    tok_source_clear(&source);
    return status;
}

static glass_status put_values(struct gguf_writer *w, const struct gguf *g,
                               const char *tokenizer) {
    bool vocabulary = false;
    for (int64_t i = 0; i < gguf_n_values(g); i++) {
        const struct gguf_value *v = gguf_value_at(g, i);
        char key[128];
        snprintf(key, sizeof key, "%.*s", (int)v->key.n_bytes, v->key.text);
        vocabulary = vocabulary || strcmp(key, "tokenizer.ggml.model") == 0;
        if (strncmp(key, "split.", 6) == 0 || strcmp(key, "general.alignment") == 0 ||
            strcmp(key, "general.quantization_version") == 0 ||
            strcmp(key, "general.file_type") == 0)
            continue;
        TRY(gguf_put_value(w, v));
    }
    if (!vocabulary && tokenizer != NULL) TRY(put_tokenizer(w, g, tokenizer));
    return gguf_put_int(w, "general.file_type", GGUF_U32, 0); /* all F32 */
}

/* A tensor that does not train, as it is. */
static glass_status put_rows(struct gguf_writer *w, const struct gguf_tensor *t) {
    uint8_t *rows;
    int64_t n = gguf_tensor_n_rows(t);
    TRY(mem_alloc(&rows, (size_t)n, gguf_tensor_row_bytes(t)));
    gguf_tensor_rows(rows, t, 0, n);
    glass_status status = gguf_put_data(w, rows, (size_t)n * gguf_tensor_row_bytes(t));
    mem_free(rows);
    return status;
}

/* Descriptions, or in a second walk the data. */
static glass_status walk(struct gguf_writer *w, const struct glass_model *m,
                         const struct params *p, bool data, int64_t *n_written) {
    *n_written = 0;
    for (int64_t i = 0; i < gguf_n_tensors(m->file); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(m->file, i);
        const struct param *parts[MOST_PARTS];
        int n = parts_of(parts, p, t->name);
        *n_written += n;
        if (!data)
            TRY(gguf_put_tensor(w, t->name, n > 0 ? GLASS_F32 : t->dtype, t->n_dims,
                                t->shape));
        else if (n == 0)
            TRY(put_rows(w, t));
        for (int j = 0; data && j < n; j++)
            TRY(gguf_put_data(w, parts[j]->w,
                              (size_t)(parts[j]->n * parts[j]->k) * sizeof(float)));
    }
    return GLASS_OK;
}

glass_status export_gguf(const char *path, const struct glass_model *model,
                         const struct params *p, const char *tokenizer) {
    struct gguf_writer *w;
    glass_status status;
    int64_t n_written;
    TRY(gguf_writer_create(&w, path));
    TRY_FAIL(put_values(w, model->file, tokenizer));
    TRY_FAIL(walk(w, model, p, false, &n_written));
    if (n_written != p->n_list) {
        status = fail(GLASS_BAD_INPUT,
                      "%s: %lld of %lld parameters have a place in the model's file", path,
                      (long long)n_written, (long long)p->n_list);
        goto fail;
    }
    TRY_FAIL(walk(w, model, p, true, &n_written));
    return gguf_writer_finish(w);
fail:
    gguf_writer_free(w);
    return status;
}
