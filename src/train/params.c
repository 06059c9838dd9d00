/* params.c - walks a model's weights and gives every tensor its place; see params.h. */
#include "train/params.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* The first walk (list NULL) counts, the second copies. */
struct walk {
    struct params *p;
    int64_t n_list, used;
    int64_t layer; /* -1: no layer's */
};

/* The next entry, or NULL while counting. */
static struct param *entry(struct walk *k, enum param_role role, const char *name,
                           const char *kind, int64_t n, int64_t columns) {
    struct param *e = NULL;
    if (k->p->list != NULL) {
        e = &k->p->list[k->n_list];
        if (k->layer >= 0)
            snprintf(e->name, sizeof e->name, "blk.%lld.%s.%s", (long long)k->layer, name,
                     kind);
        else
            snprintf(e->name, sizeof e->name, "%s.%s", name, kind);
        e->role = role;
        e->n = n, e->k = columns;
        e->w = k->p->values + k->used;
        e->d = k->p->gradients + k->used;
    }
    k->n_list++;
    k->used += (n * columns + 15) / 16 * 16;
    return e;
}

static void matrix(struct walk *k, struct weight *w, struct weight *d, enum param_role role,
                   const char *name, const struct weight *source, bool halves, int64_t hd) {
    if (source->data == NULL) return;
    struct param *e = entry(k, role, name, "weight", source->n, source->k);
    if (e == NULL) return;
    *w = (struct weight){e->w, GLASS_F32, e->n, e->k, (size_t)e->k * sizeof *e->w};
    *d = *w;
    d->data = e->d;
    for (int64_t i = 0; i < e->n; i++) {
        /* Row 2i + b of a head lies at b hd/2 + i where rows come in halves. */
        int64_t in = i % hd, from = halves ? i - in + in % 2 * (hd / 2) + in / 2 : i;
        matmul_row(e->w + i * e->k, source, from);
    }
}

static void vector(struct walk *k, float **w, float **d, enum param_role role,
                   const char *name, const char *kind, const float *source, int64_t n,
                   bool halves, int64_t hd) {
    if (source == NULL) return;
    struct param *e = entry(k, role, name, kind, 1, n);
    if (e == NULL) return;
    *w = e->w;
    *d = e->d;
    for (int64_t i = 0; i < n; i++) {
        int64_t in = i % hd, from = halves ? i - in + in % 2 * (hd / 2) + in / 2 : i;
        e->w[i] = source[from];
    }
}

static void linear(struct walk *k, struct linear *w, struct linear *d, const char *name,
                   const struct linear *source) {
    int64_t hd = k->p->config->head_dim;
    bool halves = source->halves;
    matrix(k, &w->w, &d->w, PARAM_MATRIX, name, &source->w, halves, hd);
    vector(k, &w->b, &d->b, PARAM_BIAS, name, "bias", source->b, source->w.n, halves, hd);
    w->halves = d->halves = false;
}

static void norm(struct walk *k, struct norm *w, struct norm *d, const char *name,
                 const struct norm *source, int64_t n) {
    if (!k->p->config->family.norm_weights) return; /* ones: borrowed as they are */
    vector(k, &w->w, &d->w, PARAM_NORM, name, "weight", source->w, n, false, 1);
    vector(k, &w->b, &d->b, PARAM_BIAS, name, "bias", source->b, n, false, 1);
}

static void walk_layer(struct walk *k, struct layer *w, struct layer *d,
                       const struct layer *s) {
    const struct config *c = k->p->config;
    bool row = c->family.qk_norm == QK_NORM_ROW;
    int64_t D = c->n_embd, hd = c->head_dim;
    norm(k, &w->attn_norm, &d->attn_norm, "attn_norm", &s->attn_norm, D);
    linear(k, &w->q, &d->q, "attn_q", &s->q);
    linear(k, &w->k, &d->k, "attn_k", &s->k);
    linear(k, &w->v, &d->v, "attn_v", &s->v);
    norm(k, &w->q_norm, &d->q_norm, "attn_q_norm", &s->q_norm, row ? c->n_head * hd : hd);
    norm(k, &w->k_norm, &d->k_norm, "attn_k_norm", &s->k_norm,
         row ? c->n_head_kv * hd : hd);
    linear(k, &w->o, &d->o, "attn_output", &s->o);
    norm(k, &w->attn_after, &d->attn_after, "post_attention_norm", &s->attn_after, D);
    if (c->family.one_norm) {
        w->ffn_norm = w->attn_norm;
        d->ffn_norm = d->attn_norm;
    } else {
        norm(k, &w->ffn_norm, &d->ffn_norm, "ffn_norm", &s->ffn_norm, D);
    }
    linear(k, &w->gate, &d->gate, "ffn_gate", &s->gate);
    linear(k, &w->up, &d->up, "ffn_up", &s->up);
    linear(k, &w->down, &d->down, "ffn_down", &s->down);
    norm(k, &w->ffn_after, &d->ffn_after, "post_ffw_norm", &s->ffn_after, D);
}

/* only: where it only counts, a layer for all of them. */
static void walk_all(struct walk *k, const struct weights *s, struct layer *only) {
    struct weights *w = &k->p->w, *d = &k->p->d;
    k->n_list = k->used = 0;
    k->layer = -1;
    matrix(k, &w->embedding, &d->embedding, PARAM_EMBEDDING, "token_embd", &s->embedding,
           false, 1);
    matrix(k, &w->positions, &d->positions, PARAM_POSITIONS, "position_embd", &s->positions,
           false, 1);
    for (int64_t i = 0; i < k->p->config->n_layer; i++) {
        k->layer = i;
        walk_layer(k, only ? only : &w->layers[i], only ? only : &d->layers[i],
                   &s->layers[i]);
    }
    k->layer = -1;
    norm(k, &w->final_norm, &d->final_norm, "output_norm", &s->final_norm,
         k->p->config->n_embd);
    if (s->tied) {
        w->head.w = w->embedding;
        d->head.w = d->embedding;
    } else {
        matrix(k, &w->head.w, &d->head.w, PARAM_HEAD, "output", &s->head.w, false, 1);
    }
    vector(k, &w->head.b, &d->head.b, PARAM_BIAS, "output", "bias", s->head.b,
           k->p->config->n_vocab, false, 1);
}

/* Copies what does not train, too: frequencies, the ones of norms without weights. */
static glass_status borrow(struct params *p, const struct weights *s) {
    size_t n = (size_t)p->config->n_layer;
    TRY(mem_alloc(&p->w.vectors, s->n_vectors, sizeof *s->vectors));
    memcpy(p->w.vectors, s->vectors, s->n_vectors * sizeof *s->vectors);
    float *vectors = p->w.vectors;
    struct layer *layers;
    TRY(mem_alloc(&layers, n, sizeof *layers));
    memcpy(layers, s->layers, n * sizeof *layers);
    p->w = *s;
    p->w.vectors = vectors;
    p->w.layers = layers;
    for (int i = 0; i < s->n_ropes; i++)
        for (int l = 0; l < 2; l++)
            p->w.ropes[i].freq[l] = vectors + (s->ropes[i].freq[l] - s->vectors);
    for (size_t i = 0; !p->config->family.norm_weights && i < n; i++) {
        struct norm *const norms[] = {&layers[i].attn_norm, &layers[i].attn_after,
                                      &layers[i].ffn_norm,  &layers[i].ffn_after,
                                      &layers[i].q_norm,    &layers[i].k_norm};
        for (size_t j = 0; j < sizeof norms / sizeof *norms; j++)
            if (norms[j]->w != NULL) norms[j]->w = vectors + (norms[j]->w - s->vectors);
    }
    if (!p->config->family.norm_weights)
        p->w.final_norm.w = vectors + (s->final_norm.w - s->vectors);
    return mem_alloc_zero(&p->d.layers, n, sizeof *p->d.layers);
}

glass_status params_create(struct params *out, const struct config *config,
                           const struct weights *source) {
    glass_status status;
    *out = (struct params){.config = config};
    struct walk k = {.p = out};
    TRY_FAIL(borrow(out, source));
    walk_all(&k, source, NULL);
    out->n_floats = k.used;
    TRY_FAIL(mem_alloc_aligned(&out->values, (size_t)k.used, sizeof *out->values));
    TRY_FAIL(mem_alloc_aligned(&out->gradients, (size_t)k.used, sizeof *out->gradients));
    memset(out->values, 0, (size_t)k.used * sizeof *out->values);
    memset(out->gradients, 0, (size_t)k.used * sizeof *out->gradients);
    TRY_FAIL(mem_alloc_zero(&out->list, (size_t)k.n_list, sizeof *out->list));
    out->n_list = k.n_list;
    walk_all(&k, source, NULL);
    return GLASS_OK;
fail:
    params_clear(out);
    return status;
}

size_t params_bytes(const struct config *config, const struct weights *source,
                    int64_t *n_list, int64_t *n_floats) {
    /* The counting walk touches layers that it is given, to no effect. */
    struct params p = {.config = config};
    struct layer none = {0};
    struct walk k = {.p = &p};
    size_t layers = (size_t)config->n_layer;
    walk_all(&k, source, &none);
    *n_list = k.n_list;
    *n_floats = k.used;
    return (size_t)k.n_list * sizeof *p.list + 2 * layers * sizeof none +
           (source->n_vectors + 2 * (size_t)k.used) * sizeof(float);
}

void params_clear(struct params *p) {
    mem_free(p->list);
    mem_free(p->w.layers);
    mem_free(p->w.vectors);
    mem_free(p->d.layers);
    mem_free(p->values);
    mem_free(p->gradients);
    *p = (struct params){0};
}
