/* test_differences.c - every operation's backward pass against central differences, in binary64,
 * of a reference of the operation in binary64: rows one by one, linear layers, attention, the head,
 * and then the whole transformer of every family, which has the rest (rotation, clamps, joins,
 * embeddings, shared norms) between its ends.
 *
 * A gradient g of n numbers is tested along directions u of random signs: (f(x + h u) - f(x - h u))
 * / 2h is g . u, which is about as large as g, so that one wrong number is seen among many. */
#include "base/mem.h"
#include "glass/glass.h"
#include "math/compose.h"
#include "math/gemm.h"
#include "math/kernels.h"
#include "model/model.h"
#include "reference.inc"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static uint64_t state_of_random = 1;

/* Uniform in [-1, 1). */
static double uniform(void) {
    state_of_random = state_of_random * 6364136223846793005U + 1442695040888963407U;
    return (double)(int64_t)state_of_random * 0x1p-63;
}

static float *numbers(int64_t n, double size) {
    float *x = malloc((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++) x[i] = (float)(size * uniform());
    return x;
}

/* A function of numbers, and what it is a function of besides. */
typedef double function(const void *context, const double *x);

enum { DIRECTIONS = 3 };

/* Fails unless g (n) is the gradient of f at x, but for floor. */
static void check(const char *name, function *f, const void *context, const float *x,
                  const float *g, int64_t n, double limit, double floor) {
    double *near = malloc((size_t)n * sizeof *near), size = 0, h = 1e-6;
    signed char *sign = malloc((size_t)n);
    for (int64_t i = 0; i < n; i++) size += (double)g[i] * (double)g[i];
    for (int round = 0; round < DIRECTIONS; round++) {
        double value[2], along = 0;
        for (int64_t i = 0; i < n; i++) {
            sign[i] = uniform() < 0 ? -1 : 1;
            along += sign[i] * (double)g[i];
        }
        for (int side = 0; side < 2; side++) {
            for (int64_t i = 0; i < n; i++)
                near[i] = (double)x[i] + (side ? -h : h) * sign[i];
            value[side] = f(context, near);
        }
        double slope = (value[0] - value[1]) / (2 * h);
        if (!(fabs(slope - along) <= limit * sqrt(size) + floor))
            fail_msg("%s: slope %.9g, the gradient says %.9g (its size %g)", name, slope,
                     along, sqrt(size));
    }
    free(near), free(sign);
}

/* ---- rows ---- */

enum { WIDTH = 203 };
static const struct xielu some_xielu = {0.8F, 0.9F, 0.5F, -0x1p-20F};

struct row {
    const float *dy, *other; /* (WIDTH) */
    int kind;
};

static double row_function(const struct row *r, double x, double other) {
    const struct xielu *u = &some_xielu;
    double eps = (double)u->eps;
    switch (r->kind) {
    case 0: return x / (1 + exp(-x)) * other;
    case 1:
        return other / (1 + exp(-other)) * x; /* the same, as one of its other argument */
    case 2:
        return 0.5 * x * (1 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
    case 3: return 0.5 * x * (1 + erf(x * 0.70710678118654752440));
    case 4: return 3 * tanh(x / 3);
    default:
        return x > 0
                   ? (double)u->right * x * x + (double)u->beta * x
                   : (expm1(x < eps ? x : eps) - x) * (double)u->left + (double)u->beta * x;
    }
}

static double row_sum(const void *context, const double *x) {
    const struct row *r = context;
    double sum = 0;
    for (int i = 0; i < WIDTH; i++)
        sum += (double)r->dy[i] * row_function(r, x[i], (double)r->other[i]);
    return sum;
}

static void rows_are_derived(void **state) {
    (void)state;
    const struct math_kernels *k = math_kernels();
    float *x = numbers(WIDTH, 4), *other = numbers(WIDTH, 2), *dy = numbers(WIDTH, 1);
    float a[WIDTH], b[WIDTH], g[WIDTH], u[WIDTH];
    struct row r = {dy, other, 0};
    k->scale_f32(a, x, -1, WIDTH);
    k->exp_f32(a, a, WIDTH);
    k->silu_mul_back_f32(g, u, dy, x, other, a, WIDTH);
    check("silu_mul, gate", row_sum, &r, x, g, WIDTH, 1e-6, 1e-7);
    r = (struct row){dy, x, 1};
    check("silu_mul, up", row_sum, &r, other, u, WIDTH, 1e-6, 1e-7);
    r = (struct row){dy, other, 2};
    k->gelu_tanh_inner_f32(a, x, WIDTH);
    k->tanh_f32(a, a, WIDTH);
    k->gelu_tanh_back_f32(g, dy, x, a, WIDTH);
    check("gelu_tanh", row_sum, &r, x, g, WIDTH, 1e-6, 1e-7);
    r.kind = 3;
    k->gelu_erf_inner_f32(a, b, x, WIDTH);
    k->erf_f32(a, a, WIDTH);
    k->exp_f32(b, b, WIDTH);
    k->gelu_erf_back_f32(g, dy, x, a, b, WIDTH);
    check("gelu_erf", row_sum, &r, x, g, WIDTH, 1e-6, 1e-7);
    r.kind = 4;
    k->divide_f32(a, x, 3, WIDTH);
    k->tanh_f32(a, a, WIDTH);
    memcpy(g, dy, sizeof g);
    k->softcap_back_f32(g, a, WIDTH);
    check("softcap", row_sum, &r, x, g, WIDTH, 1e-6, 1e-7);
    r.kind = 5;
    math_xielu_back_f32(g, dy, x, WIDTH, &some_xielu);
    check("xielu", row_sum, &r, x, g, WIDTH, 1e-6, 1e-7);
    /* Between eps and 0 the exponential stands still. */
    float inside = -0x1p-22F, one = 1, slope;
    math_xielu_back_f32(&slope, &one, &inside, 1, &some_xielu);
    assert_true(slope == some_xielu.beta - some_xielu.left);
    free(x), free(other), free(dy);
}

struct norm_case {
    const float *dy, *w;
    bool layer;
    const float *x; /* where it is a function of w */
};

static double norm_sum(const struct norm_case *c, const double *x, const double *w) {
    double mean = 0, square = 0, sum = 0;
    for (int i = 0; c->layer && i < WIDTH; i++) mean += x[i] / WIDTH;
    for (int i = 0; i < WIDTH; i++) square += (x[i] - mean) * (x[i] - mean) / WIDTH;
    for (int i = 0; i < WIDTH; i++)
        sum += (double)c->dy[i] * (x[i] - mean) / sqrt(square + 1e-5) * w[i];
    return sum;
}

static double norm_of_x(const void *context, const double *x) {
    const struct norm_case *c = context;
    double w[WIDTH];
    for (int i = 0; i < WIDTH; i++) w[i] = (double)c->w[i];
    return norm_sum(c, x, w);
}

static double norm_of_w(const void *context, const double *w) {
    const struct norm_case *c = context;
    double x[WIDTH];
    for (int i = 0; i < WIDTH; i++) x[i] = (double)c->x[i];
    return norm_sum(c, x, w);
}

static void norms_are_derived(void **state) {
    (void)state;
    const struct math_kernels *k = math_kernels();
    for (int layer = 0; layer < 2; layer++) {
        float *x = numbers(WIDTH, 2), *w = numbers(WIDTH, 1), *dy = numbers(WIDTH, 1);
        float dx[WIDTH], hat[WIDTH];
        struct norm_case c = {dy, w, layer, x};
        (layer ? k->layernorm_back_f32 : k->rmsnorm_back_f32)(dx, hat, dy, x, w, WIDTH,
                                                              1e-5F);
        check(layer ? "layernorm" : "rmsnorm", norm_of_x, &c, x, dx, WIDTH, 2e-6, 1e-7);
        k->mul_f32(hat, hat, dy, WIDTH);
        check("weights of a norm", norm_of_w, &c, w, hat, WIDTH, 2e-6, 1e-7);
        free(x), free(w), free(dy);
    }
}

/* ---- linear layers ---- */

enum { ROWS = 301, OUT = 37, IN = 29 }; /* over a block of tokens */

struct linear_case {
    const float *x, *w, *dy;
};

static double linear_sum(const struct linear_case *c, const double *x, const double *w,
                         const double *b) {
    double sum = 0;
    for (int t = 0; t < ROWS; t++)
        for (int i = 0; i < OUT; i++) {
            double y = b == NULL ? 0 : b[i];
            for (int j = 0; j < IN; j++)
                y += (x ? x[t * IN + j] : (double)c->x[t * IN + j]) *
                     (w ? w[i * IN + j] : (double)c->w[i * IN + j]);
            sum += y * (double)c->dy[t * OUT + i];
        }
    return sum;
}
static double linear_of_x(const void *c, const double *x) {
    return linear_sum(c, x, NULL, NULL);
}
static double linear_of_w(const void *c, const double *w) {
    return linear_sum(c, NULL, w, NULL);
}
static double linear_of_b(const void *c, const double *b) {
    return linear_sum(c, NULL, NULL, b);
}

struct linear_task {
    const struct linear_case *c;
    float *dx, *dw, *db;
    char *scratch;
};

static void run_linear(void *context, const struct member *me) {
    struct linear_task *t = context;
    struct crew crew = {me, math_kernels(),
                        t->scratch + (size_t)me->i * GEMM_SCRATCH_BYTES};
    struct weight w = {t->c->w, GLASS_F32, OUT, IN, IN * sizeof(float)};
    const struct product both[] = {{t->dx, t->c->dy, NULL, &w},
                                   {t->dw, t->c->dy, t->c->x, &w}};
    product_list(&crew, both, 2, ROWS);
    sum_tokens(&crew, t->db, t->c->dy, NULL, OUT, ROWS);
}

static void linear_layers_are_derived(void **state) {
    (void)state;
    float *x = numbers(ROWS * IN, 1), *w = numbers(OUT * IN, 1),
          *dy = numbers(ROWS * OUT, 1);
    float *dx = numbers(ROWS * IN, 1), *dw = numbers(OUT * IN, 1), *db = numbers(OUT, 1);
    struct linear_case c = {x, w, dy};
    struct linear_task task = {&c, dx, dw, db, aligned_alloc(64, 2 * GEMM_SCRATCH_BYTES)};
    float zeros[OUT] = {0};
    team_run(2, run_linear, &task);
    check("inputs", linear_of_x, &c, x, dx, ROWS * IN, 2e-6, 1e-7);
    check("weights", linear_of_w, &c, w, dw, OUT * IN, 2e-6, 1e-7);
    check("bias", linear_of_b, &c, zeros, db, OUT, 2e-6, 1e-7);
    free(x), free(w), free(dy), free(dx), free(dw), free(db), free(task.scratch);
}

/* ---- attention ---- */

struct attention_case {
    struct attn_back job;
    int64_t n; /* rows in all */
    int which; /* what it is a function of: 0 q, 1 k, 2 v */
};

/* The sum of d_o o; o too where it is wanted. */
static double attention_sum(const struct attention_case *a, const double *x, float *o) {
    const struct attn_back *j = &a->job;
    int64_t hd = j->head_dim, group = j->n_head / j->n_head_kv;
    const float *const from[] = {j->q, j->k, j->v};
    double sum = 0, p[512];
#define READ(i, at) (x != NULL && a->which == (i) ? x[at] : (double)from[i][at])
    for (int64_t s = 0; s < j->n_segments; s++)
        for (int64_t t = 0; t < j->segments[s].n * j->n_head; t++) {
            int64_t row = j->segments[s].row, query = t / j->n_head, h = t % j->n_head;
            int64_t at = ((row + query) * j->n_head + h) * hd;
            int64_t first = j->window > 0 && query >= j->window ? query - j->window + 1 : 0;
            double z = 0;
            for (int64_t l = first; l <= query; l++) {
                int64_t key = ((row + l) * j->n_head_kv + h / group) * hd;
                double dot = 0;
                for (int64_t d = 0; d < hd; d++) dot += READ(0, at + d) * READ(1, key + d);
                p[l] = exp(ref_cap(dot * (double)j->scale, (double)j->cap));
                z += p[l];
            }
            for (int64_t d = 0; d < hd; d++) {
                double y = 0;
                for (int64_t l = first; l <= query; l++)
                    y +=
                        p[l] / z * READ(2, ((row + l) * j->n_head_kv + h / group) * hd + d);
                if (o != NULL) o[at + d] = (float)y;
                sum += y * (double)j->d_o[at + d];
            }
        }
#undef READ
    return sum;
}

static double attention_of(const void *context, const double *x) {
    return attention_sum(context, x, NULL);
}

struct attention_task {
    const struct attn_back *job;
    char *scratch;
    size_t bytes;
};

static void run_attention(void *context, const struct member *me) {
    const struct attention_task *t = context;
    attn_back_run(me, t->job, t->scratch + (size_t)me->i * t->bytes);
}

/* Two segments: rows of each, heads, kv heads, head_dim, window, whether capped. */
static void attention_case(int64_t n0, int64_t n1, int64_t n_head, int64_t n_kv, int64_t hd,
                           int64_t window, bool capped) {
    struct attn_rows segments[2] = {{0, n0}, {n0, n1}};
    int64_t wide = (n0 + n1) * n_head * hd, narrow = (n0 + n1) * n_kv * hd;
    float *q = numbers(wide, 2), *k = numbers(narrow, 2), *v = numbers(narrow, 1),
          *o = numbers(wide, 1), *d_o = numbers(wide, 1), *dq = numbers(wide, 1),
          *dk = numbers(narrow, 1), *dv = numbers(narrow, 1);
    struct attention_case a = {.job = {.q = q,
                                       .k = k,
                                       .v = v,
                                       .o = o,
                                       .d_o = d_o,
                                       .dq = dq,
                                       .dk = dk,
                                       .dv = dv,
                                       .n_head = n_head,
                                       .n_head_kv = n_kv,
                                       .head_dim = hd,
                                       .scale = 1 / sqrtf((float)hd),
                                       .cap = capped ? 1.5F : 0,
                                       .window = window,
                                       .segments = segments,
                                       .n_segments = 2}};
    struct attention_task task = {&a.job, NULL, attn_back_scratch_bytes(n0, hd, capped)};
    task.scratch = aligned_alloc(64, (2 * task.bytes + 63) / 64 * 64);
    attention_sum(&a, NULL, o);
    team_run(2, run_attention, &task);
    check("queries", attention_of, &a, q, dq, wide, 5e-6, 1e-7);
    a.which = 1;
    check("keys", attention_of, &a, k, dk, narrow, 5e-6, 1e-7);
    a.which = 2;
    check("values", attention_of, &a, v, dv, narrow, 5e-6, 1e-7);
    free(q), free(k), free(v), free(o), free(d_o), free(dq), free(dk), free(dv);
    free(task.scratch);
}

static void attention_is_derived(void **state) {
    (void)state;
    for (int capped = 0; capped < 2; capped++) {
        attention_case(7, 1, 2, 1, 8, 0, capped);
        attention_case(270, 40, 2, 2, 16, 0, capped);
        attention_case(290, 3, 3, 1, 10, 17, capped);
        attention_case(300, 258, 2, 1, 8, 257, capped);
    }
}

/* ---- the whole ---- */

static const char *const names[] = {
    "llama",       "llama-tied", "mistral",    "llama3",
    "llama-bias",  "qwen2",      "qwen3",      "olmo2",
    "gpt2",        "gptneo",     "gptneox",    "gptneox-sequential",
    "gptj",        "gemma",      "smollm3",    "phi2",
    "starcoder2",  "phi3",       "qwen2-yarn", "ministral3",
    "olmo",        "olmo3",      "gemma2",     "gemma3",
    "apertus",     "granite",    "starcoder",  "codellama",
    "llama-linear"};

struct whole {
    const struct params *p;
    const struct param *e;
    double *values;
    const struct micro_batch *batch;
    double z, factor;
};

static double loss_of(const void *context, const double *x) {
    const struct whole *w = context;
    double *at = w->values + (w->e->w - w->p->values);
    size_t bytes = (size_t)(w->e->n * w->e->k) * sizeof *x;
    double *kept = malloc(bytes);
    memcpy(kept, at, bytes);
    memcpy(at, x, bytes);
    double loss = reference_loss(w->p, w->values, w->batch, w->z, w->factor);
    memcpy(at, kept, bytes);
    free(kept);
    return loss;
}

enum { FIRST = 11, SECOND = 4, TOKENS = FIRST + SECOND };

static void whole_model(const char *name) {
    char path[128], what[192];
    int32_t ids[TOKENS + 1];
    float weights[TOKENS], losses[TOKENS], sum = 0;
    struct attn_rows segments[2] = {{0, FIRST}, {FIRST, SECOND}};
    struct micro_batch b = {ids, ids + 1, weights, segments, 2, TOKENS};
    struct trainer_options o = {
        .n_rows = TOKENS, .longest = FIRST, .n_threads = 2, .z = 0.01F};
    struct trainer *t;
    glass_model *model;
    for (int i = 0; i <= TOKENS; i++) ids[i] = (7 * i + 3) % 61;
    for (int i = 0; i < TOKENS; i++)
        sum += weights[i] = i % 5 == 2 ? 0 : 1.0F / (float)(1 + i % 3);
    snprintf(path, sizeof path, "tests/model/data/families/%s.gguf", name);
    if (glass_model_open(&model, path, NULL) != GLASS_OK ||
        trainer_create(&t, model, &o) != GLASS_OK ||
        trainer_add(t, &b, 1 / sum, losses) != GLASS_OK)
        fail_msg("%s: %s", name, glass_error());
    const struct params *p = trainer_params(t);
    struct whole w = {p,  NULL,        malloc((size_t)p->n_floats * 8),
                      &b, (double)o.z, 1 / (double)sum};
    for (int64_t i = 0; i < p->n_floats; i++) w.values[i] = (double)p->values[i];
    double want = reference_loss(p, w.values, &b, 0, w.factor), loss = 0, largest = 0;
    for (int i = 0; i < TOKENS; i++)
        loss += (double)weights[i] * (double)losses[i] * w.factor;
    if (!(fabs(loss / want - 1) < 1e-6)) fail_msg("%s: loss %g, not %g", name, loss, want);
    for (int64_t i = 0; i < p->n_list; i++) {
        double size = sqrt(
            (double)math_kernels()->sumsq16_f32(p->list[i].d, p->list[i].n * p->list[i].k));
        largest = size > largest ? size : largest;
    }
    /* Gradients that are 0 but for rounding, such as the bias of keys, have no slope. */
    for (int64_t i = 0; i < p->n_list; i++) {
        w.e = &p->list[i];
        snprintf(what, sizeof what, "%s, %s", name, w.e->name);
        check(what, loss_of, &w, w.e->w, w.e->d, w.e->n * w.e->k, 2e-5, 1e-6 * largest);
    }
    free(w.values);
    trainer_free(t);
    glass_model_close(model);
}

static void models_are_derived(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) whole_model(names[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_derived),          cmocka_unit_test(norms_are_derived),
        cmocka_unit_test(linear_layers_are_derived), cmocka_unit_test(attention_is_derived),
        cmocka_unit_test(models_are_derived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
