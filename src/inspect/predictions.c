/* predictions.c - glass_inspect_logits and glass_inspect_layers: what the model makes likely at
 * each position, after its last layer or after any. */
#include "base/mem.h"
#include "inspect/look.h"
#include "inspect/predict.h"

#include <string.h>

enum { TOP_DEFAULT = 5, BLOCK = 64 /* rows of logits at a time */ };

/* The public struct and what it points at. */
struct result {
    glass_predictions p;
    glass_prediction *list;
    glass_choice *choices; /* (n, n_top) */
    int32_t *ids;
};

struct lens {
    struct look look;
    struct result *result;
    int64_t first, n;             /* rows of the text: the predictions of first + 1 … */
    int64_t layer, n_layers;      /* of the streams looked at */
    int64_t block;                /* rows of logits at a time */
    float *streams;               /* (n_layers kept, rows of a pass, n_embd) */
    float *logits, *last, *zeros; /* (block, n_vocab) twice, (n_vocab) */
};

/* Layers whose streams are kept: those asked for, and the last. */
static int64_t n_streams(const struct lens *x) {
    int64_t L = x->look.model->config.n_layer;
    return x->n_layers + (x->layer + x->n_layers <= L);
}

static glass_status take_result(struct lens *x) {
    const struct look *l = &x->look;
    struct result *r = x->result;
    int64_t n = x->n * x->n_layers, n_top = r->p.n_top;
    TRY(mem_alloc_zero(&r->list, (size_t)n, sizeof *r->list));
    TRY(mem_alloc_zero(&r->choices, (size_t)(n * n_top), sizeof *r->choices));
    TRY(mem_alloc(&r->ids, (size_t)l->n_ids, sizeof *r->ids));
    memcpy(r->ids, l->ids, (size_t)l->n_ids * sizeof *r->ids);
    for (int64_t i = 0; i < n; i++) {
        int64_t position = x->first + i / x->n_layers + 1;
        r->list[i] = (glass_prediction){.position = position,
                                        .layer = x->layer + i % x->n_layers,
                                        .id = position < l->n_ids ? l->ids[position] : -1,
                                        .top = r->choices + i * n_top};
    }
    r->p.list = r->list;
    r->p.ids = r->ids;
    r->p.n = n;
    r->p.n_layer = l->model->config.n_layer;
    r->p.n_ids = l->n_ids;
    return GLASS_OK;
}

static glass_status take_work(struct lens *x) {
    struct look *l = &x->look;
    int64_t V = l->model->config.n_vocab, D = l->model->config.n_embd;
    int64_t L = l->model->config.n_layer, rows = l->n_batch;
    TRY(mem_alloc(&x->streams, (size_t)(n_streams(x) * rows), (size_t)D * sizeof(float)));
    TRY(mem_alloc(&x->logits, (size_t)(x->block * V), sizeof(float)));
    TRY(mem_alloc(&x->last, (size_t)(x->block * V), sizeof(float)));
    TRY(mem_alloc_zero(&x->zeros, (size_t)V, sizeof(float)));
    for (int64_t i = 0; i < x->n_layers; i++)
        l->kept[LOOK_STREAM][x->layer + i] = x->streams + i * rows * D;
    if (n_streams(x) > x->n_layers)
        l->kept[LOOK_STREAM][L] = x->streams + x->n_layers * rows * D;
    return GLASS_OK;
}

/* Predictions of rows row … row + n - 1 of the text, which are rows at … of the pass. */
static glass_status predict_block(struct lens *x, int64_t row, int64_t at, int64_t n) {
    const struct look *l = &x->look;
    const struct config *c = &l->model->config;
    struct predict p = {.stride = x->n_layers,
                        .last = x->last,
                        .zeros = x->zeros,
                        .n_rows = n,
                        .n_vocab = c->n_vocab,
                        .n_top = x->result->p.n_top};
    const float *last = l->kept[LOOK_STREAM][c->n_layer];
    session_head(l->session, last + at * c->n_embd, n, x->last);
    for (int64_t i = 0; i < x->n_layers; i++) {
        const float *stream = l->kept[LOOK_STREAM][x->layer + i];
        p.out = x->result->list + (row - x->first) * x->n_layers + i;
        p.logits = stream == last ? x->last : x->logits;
        if (stream != last) session_head(l->session, stream + at * c->n_embd, n, x->logits);
        TRY(predict_rows(&p, l->session->work.n_threads));
    }
    return GLASS_OK;
}

static glass_status predict_pass(void *context, int64_t row, int64_t n) {
    struct lens *x = context;
    for (int64_t at = 0; at < n; at += x->block)
        TRY(predict_block(x, row + at, at, n - at < x->block ? n - at : x->block));
    return GLASS_OK;
}

static void sum_up(struct result *r) {
    for (int64_t i = 0; i < r->p.n; i++)
        if (r->list[i].layer == r->p.n_layer && r->list[i].id >= 0) {
            r->p.nll -= r->list[i].logprob;
            r->p.n_scored++;
        }
    if (r->p.n_scored > 0) r->p.nll /= (double)r->p.n_scored;
}

/* Everything but the text itself. */
static glass_status plan(struct lens *x, bool layers) {
    struct look *l = &x->look;
    const struct config *c = &l->model->config;
    const glass_inspect_options *o = l->options;
    int64_t n_top = o->n_top == 0 ? TOP_DEFAULT : o->n_top, n;
    if (n_top < 1 || n_top > GLASS_TOP_MAX)
        return fail(GLASS_USAGE, "%lld choices: 1 to %d are possible", (long long)n_top,
                    GLASS_TOP_MAX);
    TRY(look_range(&x->first, &x->n, o->at, 1, l->n_ids + 1, "positions"));
    x->first--; /* the row that predicts it */
    x->layer = c->n_layer;
    x->n_layers = 1;
    if (layers)
        TRY(look_range(&x->layer, &x->n_layers, o->layers, 0, c->n_layer + 1, "layers"));
    x->result->p.n_top = n_top < c->n_vocab ? n_top : c->n_vocab;
    n = x->n * x->n_layers;
    if (l->n_batch > x->first + x->n) l->n_batch = x->first + x->n;
    x->block = l->n_batch < BLOCK ? l->n_batch : BLOCK;
    look_need(l, n, sizeof(glass_prediction) + (size_t)n_top * sizeof(glass_choice));
    look_need(l, n_streams(x) * l->n_batch, (size_t)c->n_embd * sizeof(float));
    look_need(l, 2 * x->block + 1, (size_t)c->n_vocab * sizeof(float));
    return look_open(l, x->first + x->n);
}

static glass_status inspect(glass_predictions **out, const glass_model *model,
                            const int32_t *ids, int64_t n,
                            const glass_inspect_options *options, bool layers) {
    struct lens x = {0};
    glass_status status;
    *out = NULL;
    TRY(look_init(&x.look, model, ids, n, options));
    TRY(mem_alloc_zero(&x.result, 1, sizeof *x.result));
    TRY_FAIL(plan(&x, layers));
    TRY_FAIL(take_result(&x));
    TRY_FAIL(take_work(&x));
    TRY_FAIL(look_run(&x.look, x.first, x.n, predict_pass, &x));
    sum_up(x.result);
    *out = &x.result->p;
    x.result = NULL;
fail:
    mem_free(x.streams);
    mem_free(x.logits);
    mem_free(x.last);
    mem_free(x.zeros);
    look_close(&x.look);
    if (x.result != NULL) glass_predictions_free(&x.result->p);
    return status;
}

glass_status glass_inspect_logits(glass_predictions **out, const glass_model *model,
                                  const int32_t *ids, int64_t n,
                                  const glass_inspect_options *options) {
    return inspect(out, model, ids, n, options, false);
}

glass_status glass_inspect_layers(glass_predictions **out, const glass_model *model,
                                  const int32_t *ids, int64_t n,
                                  const glass_inspect_options *options) {
    return inspect(out, model, ids, n, options, true);
}

void glass_predictions_free(glass_predictions *p) {
    struct result *r = (struct result *)p; /* its first member */
    if (r == NULL) return;
    mem_free(r->list);
    mem_free(r->choices);
    mem_free(r->ids);
    mem_free(r);
}
