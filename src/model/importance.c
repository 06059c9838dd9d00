/* importance.c - which inputs of each layer matter: the sums of their squares over a text.
 *
 * Reading and writing files is importance_file.c's. */
#include "model/importance.h"

#include "base/mem.h"
#include "math/half.h"
#include "model/session.h"

#include <stdio.h>
#include <string.h>

/* Larger mean squares come from no model, and would overflow in a search. */
#define MOST 1e15F

enum { PIECE = 512 };

/* ---- the object ---- */

glass_status importance_add(struct glass_importance *im, struct importance_entry **out,
                            const char *tensor, size_t n_bytes, int64_t n,
                            int64_t n_counts) {
    /* By powers of two: whenever the number of entries is one. */
    if ((im->n_entries & (im->n_entries - 1)) == 0)
        TRY(mem_resize(&im->entries, (size_t)(im->n_entries > 0 ? im->n_entries * 2 : 1),
                       sizeof *im->entries));
    struct importance_entry *e = &im->entries[im->n_entries++];
    *e = (struct importance_entry){.n = n, .n_counts = n_counts};
    *out = e;
    TRY(mem_copy_text(&e->tensor, tensor, n_bytes));
    TRY(mem_alloc_zero(&e->sums, (size_t)n, sizeof *e->sums));
    TRY(mem_alloc_zero(&e->means, (size_t)n, sizeof *e->means));
    return mem_alloc_zero(&e->counts, (size_t)n_counts, sizeof *e->counts);
}

glass_status importance_finish(struct glass_importance *im, const char *name) {
    for (int64_t i = 0; i < im->n_entries; i++) {
        struct importance_entry *e = &im->entries[i];
        int64_t part = e->n / e->n_counts;
        for (int64_t j = 0; j < e->n; j++) {
            /* What was never used counts evenly. */
            float count = e->counts[j / part];
            e->means[j] = count > 0 ? e->sums[j] / count : 1;
            if (!(e->means[j] >= 0 && e->means[j] <= MOST) || !(count >= 0))
                return fail(GLASS_BAD_INPUT,
                            "%s: importance of %s, column %lld: %g of %g tokens", name,
                            e->tensor, (long long)j, (double)e->sums[j], (double)count);
        }
    }
    return GLASS_OK;
}

void glass_importance_free(glass_importance *im) {
    if (im == NULL) return;
    for (int64_t i = 0; i < im->n_entries; i++) {
        mem_free(im->entries[i].tensor);
        mem_free(im->entries[i].sums);
        mem_free(im->entries[i].counts);
        mem_free(im->entries[i].means);
    }
    mem_free(im->entries);
    mem_free(im->source);
    mem_free(im);
}

void glass_importance_get_info(const glass_importance *im, glass_importance_info *out) {
    *out = (glass_importance_info){im->n_entries, im->n_pieces, im->n_ctx,
                                   im->source != NULL ? im->source : ""};
}

const float *glass_importance_of(const glass_importance *im, const char *tensor,
                                 int64_t *n) {
    for (int64_t i = 0; i < im->n_entries; i++)
        if (strcmp(im->entries[i].tensor, tensor) == 0) {
            *n = im->entries[i].n;
            return im->entries[i].means;
        }
    *n = 0;
    return NULL;
}

/* ---- collecting ---- */

/* Sums of one kind of input of one layer. */
struct site {
    double *sums; /* (width) */
    int64_t width;
};

struct collector {
    struct site *sites; /* (n_layer, OBSERVED_KINDS) */
    double *block;      /* their sums */
    int64_t n_layer, n_tokens;
};

/* A square is exact in binary64; the additions go by token. */
static void add_rows(void *context, int64_t layer, enum observed what, const float *x,
                     int64_t n_rows, int64_t width, int64_t begin, int64_t end) {
    struct collector *c = context;
    double *sums = c->sites[layer * OBSERVED_KINDS + what].sums;
    for (int64_t t = 0; t < n_rows; t++)
        for (int64_t i = begin; i < end; i++) {
            double v = (double)x[t * width + i];
            sums[i] += v * v;
        }
}

static glass_status take_sites(struct collector *c, const struct glass_model *m) {
    int64_t total = 0, at = 0;
    c->n_layer = m->config.n_layer;
    TRY(mem_alloc_zero(&c->sites, (size_t)(c->n_layer * OBSERVED_KINDS), sizeof *c->sites));
    for (int64_t i = 0; i < c->n_layer; i++) {
        const struct layer *l = &m->weights.layers[i];
        struct site *s = &c->sites[i * OBSERVED_KINDS];
        s[OBSERVED_ATTENTION].width = l->q.w.k;
        s[OBSERVED_OUTPUT].width = l->o.w.k;
        s[OBSERVED_MLP].width = l->up.w.k;
        s[OBSERVED_DOWN].width = l->down.w.k;
        for (int k = 0; k < OBSERVED_KINDS; k++) total += s[k].width;
    }
    TRY(mem_alloc_zero(&c->block, (size_t)total, sizeof *c->block));
    for (int64_t i = 0; i < c->n_layer * OBSERVED_KINDS; i++) {
        c->sites[i].sums = c->block + at;
        at += c->sites[i].width;
    }
    return GLASS_OK;
}

/* The tensors that read each kind of input; families have some of them. */
static const struct {
    enum observed what;
    const char *name;
} readers[] = {{OBSERVED_ATTENTION, "attn_q"},   {OBSERVED_ATTENTION, "attn_k"},
               {OBSERVED_ATTENTION, "attn_v"},   {OBSERVED_ATTENTION, "attn_qkv"},
               {OBSERVED_OUTPUT, "attn_output"}, {OBSERVED_MLP, "ffn_gate"},
               {OBSERVED_MLP, "ffn_up"},         {OBSERVED_DOWN, "ffn_down"}};

static glass_status make_entries(struct glass_importance *im, const struct collector *c,
                                 const struct gguf *file) {
    for (int64_t layer = 0; layer < c->n_layer; layer++)
        for (size_t r = 0; r < sizeof readers / sizeof *readers; r++) {
            const struct site *s = &c->sites[layer * OBSERVED_KINDS + readers[r].what];
            struct importance_entry *e;
            char name[80];
            snprintf(name, sizeof name, "blk.%lld.%s.weight", (long long)layer,
                     readers[r].name);
            if (gguf_tensor_find(file, name) == NULL) continue;
            TRY(importance_add(im, &e, name, strlen(name), s->width, 1));
            e->counts[0] = (float)c->n_tokens;
            for (int64_t i = 0; i < s->width; i++) e->sums[i] = (float)s->sums[i];
        }
    return GLASS_OK;
}

static glass_status encode(int32_t **ids, int64_t *n, const glass_model *m,
                           const char *text, size_t n_bytes) {
    const glass_tokenizer *t = glass_model_tokenizer(m);
    *ids = NULL;
    if (t == NULL)
        return fail(GLASS_BAD_INPUT, "a model without a tokenizer reads no text");
    TRY(glass_tokenizer_encode(t, ids, n, text, n_bytes, GLASS_ADD_SPECIAL));
    if (*n == 0 || (*n == 1 && glass_tokenizer_adds_bos(t)))
        return fail(GLASS_BAD_INPUT, "the calibration text has no tokens");
    return GLASS_OK;
}

/* All pieces of ids[0..n) through the session; the last may be shorter. */
static glass_status run_pieces(struct glass_importance *im, struct collector *c,
                               glass_session *s, int32_t *ids, int64_t n,
                               const glass_importance_options *o) {
    const glass_tokenizer *t = glass_model_tokenizer(s->model);
    int64_t pieces = (n + im->n_ctx - 1) / im->n_ctx;
    if (o->n_pieces > 0 && o->n_pieces < pieces) pieces = o->n_pieces;
    for (int64_t i = 0; i < pieces; i++) {
        int64_t begin = i * im->n_ctx, rest = n - begin;
        int64_t length = rest < im->n_ctx ? rest : im->n_ctx;
        if (glass_tokenizer_adds_bos(t)) ids[begin] = glass_tokenizer_bos(t);
        TRY(glass_session_truncate(s, 0));
        TRY(glass_session_eval(s, ids + begin, length, NULL));
        c->n_tokens += length;
        im->n_pieces++;
        if (o->progress != NULL && !o->progress(o->context, i + 1, pieces))
            return fail(GLASS_CANCELLED, "collecting importance was cancelled");
    }
    return GLASS_OK;
}

glass_status glass_importance_collect(glass_importance **out, const glass_model *model,
                                      const char *text, size_t n_bytes,
                                      const glass_importance_options *options) {
    glass_importance_options o = {0};
    struct glass_importance *im = NULL;
    struct collector c = {0};
    struct observer observer = {add_rows, &c};
    glass_session *session = NULL;
    glass_status status;
    int32_t *ids = NULL;
    int64_t n = 0;
    *out = NULL;
    if (options != NULL) o = *options;
    TRY(mem_alloc_zero(&im, 1, sizeof *im));
    im->n_ctx = o.n_ctx > 0 ? o.n_ctx : PIECE;
    if (o.n_ctx == 0 && im->n_ctx > model->config.n_ctx) im->n_ctx = model->config.n_ctx;
    glass_session_options so = {.n_ctx = im->n_ctx, .n_threads = o.n_threads};
    const char *source = o.source != NULL ? o.source : "";
    TRY_FAIL(mem_copy_text(&im->source, source, strlen(source)));
    TRY_FAIL(encode(&ids, &n, model, text, n_bytes));
    TRY_FAIL(glass_session_create(&session, model, &so));
    TRY_FAIL(take_sites(&c, model));
    session->observer = &observer;
    TRY_FAIL(run_pieces(im, &c, session, ids, n, &o));
    TRY_FAIL(make_entries(im, &c, model->file));
    TRY_FAIL(importance_finish(im, source));
    *out = im;
    im = NULL;
fail:
    glass_importance_free(im);
    glass_session_free(session);
    mem_free(c.sites);
    mem_free(c.block);
    glass_free(ids);
    return status;
}
