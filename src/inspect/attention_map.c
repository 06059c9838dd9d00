/* attention_map.c - glass_inspect_attention: which keys the heads weighed, and by how much.
 *
 * The queries are those of the pass, the keys those that its cache holds; scores, caps and
 * exponents are made again by the kernels that made them (attn_exponents), and divided by
 * their sum: p_j / z, which the pass itself divides only after it weighed the values. */
#include "base/mem.h"
#include "inspect/look.h"
#include "math/attn_layout.h"

#include <string.h>

struct result {
    glass_attention a;
    float *weights;
    int64_t *windows;
    int32_t *ids;
};

struct map {
    struct look look;
    struct result *result;
    float *queries; /* (n_layers, rows of a pass, n_head * head_dim) */
    float *scores;  /* (threads, n_scores) */
    int64_t n_scores;
    int64_t row, n_rows; /* of the pass at work */
};

/* One query of one head of one layer: item i of the pass. */
static void weigh(struct map *m, int64_t i, float *p) {
    const struct look *l = &m->look;
    const struct config *c = &l->model->config;
    const glass_attention *a = &m->result->a;
    int64_t t = i % m->n_rows, head = i / m->n_rows % a->n_heads;
    int64_t layer = i / m->n_rows / a->n_heads, at = a->first_layer + layer;
    int64_t pos = m->row + t, h = a->first_head + head;
    const struct attn_shape shape = {.n_head = c->n_head,
                                     .scale = c->attn_scale,
                                     .window = m->result->windows[layer],
                                     .cap = c->attn_cap};
    const float *q = l->kept[LOOK_Q][at] + (t * c->n_head + h) * c->head_dim;
    float *out =
        m->result->weights +
        ((layer * a->n_heads + head) * a->n_queries + pos - a->first_query) * a->n_keys;
    float z = attn_exponents(p, q, h, pos, &l->session->caches[at], &shape);
    for (int64_t j = 0; j <= pos; j++) out[j] = p[j] / z;
}

static void weigh_share(void *context, const struct member *me) {
    struct map *m = context;
    const glass_attention *a = &m->result->a;
    int64_t begin, end;
    while (team_queue_next(me, a->n_layers * a->n_heads * m->n_rows, 1, &begin, &end))
        weigh(m, begin, m->scores + me->i * m->n_scores);
}

static glass_status weigh_pass(void *context, int64_t row, int64_t n) {
    struct map *m = context;
    m->row = row;
    m->n_rows = n;
    team_run(m->look.session->work.n_threads, weigh_share, m);
    return GLASS_OK;
}

static glass_status plan(struct map *m) {
    struct look *l = &m->look;
    const struct config *c = &l->model->config;
    const glass_inspect_options *o = l->options;
    glass_attention *a = &m->result->a;
    TRY(look_range(&a->first_query, &a->n_queries, o->at, 0, l->n_ids, "positions"));
    TRY(look_range(&a->first_layer, &a->n_layers, o->layers, 0, c->n_layer, "layers"));
    TRY(look_range(&a->first_head, &a->n_heads, o->heads, 0, c->n_head, "heads"));
    a->n_keys = a->first_query + a->n_queries;
    if (l->n_batch > a->n_keys) l->n_batch = a->n_keys;
    m->n_scores = (a->n_keys + ATTN_BLOCK - 1) / ATTN_BLOCK * ATTN_BLOCK;
    int threads = o->n_threads > 0 ? o->n_threads : team_default_threads();
    look_need(l, a->n_layers * a->n_heads * a->n_queries,
              (size_t)a->n_keys * sizeof(float));
    look_need(l, a->n_layers * l->n_batch, (size_t)look_width(c, LOOK_Q) * sizeof(float));
    look_need(l, threads, (size_t)m->n_scores * sizeof(float));
    return look_open(l, a->n_keys);
}

static glass_status take(struct map *m) {
    struct look *l = &m->look;
    const struct config *c = &l->model->config;
    struct result *r = m->result;
    glass_attention *a = &r->a;
    int64_t width = look_width(c, LOOK_Q);
    size_t n = (size_t)(a->n_layers * a->n_heads * a->n_queries);
    TRY(mem_alloc_zero(&r->weights, n, (size_t)a->n_keys * sizeof(float)));
    TRY(mem_alloc(&r->windows, (size_t)a->n_layers, sizeof *r->windows));
    TRY(mem_alloc(&r->ids, (size_t)a->n_keys, sizeof *r->ids));
    TRY(mem_alloc(&m->queries, (size_t)(a->n_layers * l->n_batch),
                  (size_t)width * sizeof(float)));
    TRY(mem_alloc(&m->scores, (size_t)l->session->work.n_threads,
                  (size_t)m->n_scores * sizeof(float)));
    memcpy(r->ids, l->ids, (size_t)a->n_keys * sizeof *r->ids);
    for (int64_t i = 0; i < a->n_layers; i++) {
        r->windows[i] = c->windowed[a->first_layer + i] ? c->window : 0;
        l->kept[LOOK_Q][a->first_layer + i] = m->queries + i * l->n_batch * width;
    }
    a->weights = r->weights;
    a->windows = r->windows;
    a->ids = r->ids;
    return GLASS_OK;
}

glass_status glass_inspect_attention(glass_attention **out, const glass_model *model,
                                     const int32_t *ids, int64_t n,
                                     const glass_inspect_options *options) {
    struct map m = {0};
    glass_status status;
    *out = NULL;
    TRY(look_init(&m.look, model, ids, n, options));
    TRY(mem_alloc_zero(&m.result, 1, sizeof *m.result));
    TRY_FAIL(plan(&m));
    TRY_FAIL(take(&m));
    TRY_FAIL(
        look_run(&m.look, m.result->a.first_query, m.result->a.n_queries, weigh_pass, &m));
    *out = &m.result->a;
    m.result = NULL;
fail:
    mem_free(m.queries);
    mem_free(m.scores);
    look_close(&m.look);
    if (m.result != NULL) glass_attention_free(&m.result->a);
    return status;
}

void glass_attention_free(glass_attention *a) {
    struct result *r = (struct result *)a; /* its first member */
    if (r == NULL) return;
    mem_free(r->weights);
    mem_free(r->windows);
    mem_free(r->ids);
    mem_free(r);
}
