/* test_attention.c - the key/value cache and attention over it: against a naive reference in
 * double precision, every kernel set against the portable one, and the same bits however the
 * work is cut. */
#include "attn_check.h"
#include "base/mem.h"
#include "math/attention.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#undef fail /* cmocka's macro hides ours */

/* A model's layer for the tests: rows of q, k, v for every position of one session. */
struct layer {
    glass_dtype dtype;
    int64_t n_ctx, n_head, n_head_kv, head_dim, n, window;
    float *q, *k, *v, *o; /* (n, heads * head_dim) */
    float cap;
};

static void layer_init(struct layer *l) {
    int64_t nq = l->n * l->n_head * l->head_dim, nkv = l->n * l->n_head_kv * l->head_dim;
    l->q = calloc((size_t)nq, 4);
    l->o = calloc((size_t)nq, 4);
    l->k = calloc((size_t)nkv, 4);
    l->v = calloc((size_t)nkv, 4);
    for (int64_t i = 0; i < nq; i++) l->q[i] = 3 * check_uniform();
    for (int64_t i = 0; i < nkv; i++) l->k[i] = check_uniform(), l->v[i] = check_uniform();
}

static void layer_clear(struct layer *l) {
    free(l->q), free(l->k), free(l->v), free(l->o);
}

static struct attn_cache cache_create(const struct layer *l) {
    struct attn_cache c = {.dtype = l->dtype,
                           .n_ctx = l->n_ctx,
                           .n_head_kv = l->n_head_kv,
                           .head_dim = l->head_dim};
    size_t bytes = attn_cache_bytes(l->dtype, l->n_ctx, l->n_head_kv, l->head_dim);
    assert_int_equal(mem_alloc_aligned(&c.k, bytes, 1), GLASS_OK);
    assert_int_equal(mem_alloc_aligned(&c.v, bytes, 1), GLASS_OK);
    memset(c.k, 0xff, bytes); /* NaN in every type: unused slots must not matter */
    memset(c.v, 0xff, bytes);
    return c;
}

static void cache_clear(struct attn_cache *c) {
    mem_free(c->k);
    mem_free(c->v);
}

/* The same in pages, the last block's first; each has room for other layers before K and
 * between K and V. */
struct paged {
    struct attn_cache cache;
    size_t page_bytes;
    int64_t n_pages;
    void *pages[16], *block;
};

static void paged_create(struct paged *p, const struct layer *l) {
    size_t one = attn_cache_bytes(l->dtype, ATTN_BLOCK, l->n_head_kv, l->head_dim);
    *p = (struct paged){.cache = {.dtype = l->dtype,
                                  .n_ctx = l->n_ctx,
                                  .n_head_kv = l->n_head_kv,
                                  .head_dim = l->head_dim,
                                  .k_at = 64,
                                  .v_at = 192 + one},
                        .page_bytes = 2 * one + 256,
                        .n_pages = (l->n_ctx + ATTN_BLOCK - 1) / ATTN_BLOCK};
    size_t bytes = (size_t)(p->n_pages + 1) * p->page_bytes;
    assert_int_equal(mem_alloc_aligned(&p->block, bytes, 1), GLASS_OK);
    memset(p->block, 0xff, bytes);
    for (int64_t i = 0; i < p->n_pages; i++)
        p->pages[i] = (uint8_t *)p->block + (size_t)(p->n_pages - i) * p->page_bytes;
    p->cache.pages = p->pages;
}

/* Moves what is stored of the page that holds pos to the spare page. */
static void paged_move(struct paged *p, int64_t pos) {
    void *from = p->pages[pos / ATTN_BLOCK];
    attn_copy_page(&p->cache, p->block, from, pos % ATTN_BLOCK);
    memset(from, 0xff, p->page_bytes);
    p->pages[pos / ATTN_BLOCK] = p->block;
}

/* One call's worth of work for a team. */
struct call {
    const struct attn_segment *segments;
    int64_t n_segments;
    struct attn_shape shape;
    const float *q, *k, *v;
    float *o;
    int64_t q_stride, kv_stride;
    void *scratch;
};

static void store_work(void *context, const struct member *me) {
    const struct call *c = context;
    attn_store(me, c->segments, c->n_segments, c->k, c->kv_stride, c->v, c->kv_stride);
}

static void call_work(void *context, const struct member *me) {
    const struct call *c = context;
    store_work(context, me);
    attn_run(me, c->o, c->q_stride, c->q, c->q_stride, c->segments, c->n_segments,
             &c->shape, c->scratch);
}

/* Feeds positions [pos, pos + n) of the layer to the cache. */
static void layer_feed(struct layer *l, const struct attn_cache *cache, int64_t pos,
                       int64_t n, int n_threads) {
    struct attn_segment segment = {cache, pos, pos, n};
    struct call call = {.segments = &segment,
                        .n_segments = 1,
                        .q = l->q,
                        .k = l->k,
                        .v = l->v,
                        .o = l->o,
                        .q_stride = l->n_head * l->head_dim,
                        .kv_stride = l->n_head_kv * l->head_dim};
    call.shape = (struct attn_shape){l->n_head, 0.25f, l->window, l->cap};
    size_t bytes =
        attn_scratch_bytes(l->n_ctx, l->head_dim, l->n_head, l->n_head_kv, n_threads);
    assert_int_equal(mem_alloc_aligned(&call.scratch, bytes, 1), GLASS_OK);
    team_run(n_threads, call_work, &call);
    mem_free(call.scratch);
}

/* The nearest f16 by search, even in the last bit where two are as near. */
static uint16_t nearest_f16(double x) {
    uint16_t best = 0;
    double best_error = INFINITY;
    for (uint32_t h = 0; h < 0x7c00; h++) {
        double error = fabs((double)f16_widen((uint16_t)h) - fabs(x));
        if (error < best_error || (error == best_error && h % 2 == 0))
            best = (uint16_t)h, best_error = error;
    }
    if (fabs(x) >= 65520) best = 0x7c00;
    return (uint16_t)(best | (signbit(x) ? 0x8000 : 0));
}

/* What the cache makes of x. */
static void stored_values(double *out, const float *x, int64_t n, glass_dtype dtype) {
    for (int64_t i = 0; i < n; i++)
        out[i] = (double)(dtype == GLASS_F16 ? f16_widen(f16_round(x[i])) : x[i]);
    for (int64_t b = 0; dtype == GLASS_Q8_0 && b < n; b += 32) {
        float max = 0;
        for (int64_t i = b; i < b + 32; i++) max = fmaxf(max, fabsf(x[i]));
        float d = f16_widen(f16_round(max / 127));
        for (int64_t i = b; i < b + 32; i++)
            out[i] = d > 0 ? (double)d * rint((double)(x[i] * (1 / d))) : 0;
    }
}

/* Attention written as in a textbook. */
static void naive(double *o, const struct layer *l) {
    int64_t width_q = l->n_head * l->head_dim, width = l->n_head_kv * l->head_dim;
    int64_t hd = l->head_dim, group = l->n_head / l->n_head_kv;
    double *k = malloc((size_t)(l->n * width) * 8), *v = malloc((size_t)(l->n * width) * 8);
    double *p = malloc((size_t)l->n * 8);
    stored_values(k, l->k, l->n * width, l->dtype);
    stored_values(v, l->v, l->n * width, l->dtype);
    for (int64_t i = 0; i < l->n * l->n_head; i++) {
        int64_t t = i / l->n_head, head = i % l->n_head, at = head / group * hd;
        const float *q = l->q + t * width_q + head * hd;
        int64_t from = l->window > 0 && t + 1 > l->window ? t + 1 - l->window : 0;
        double max = -INFINITY, z = 0;
        for (int64_t j = from; j <= t; j++) {
            p[j] = 0;
            for (int64_t d = 0; d < hd; d++) p[j] += (double)q[d] * k[j * width + at + d];
            p[j] *= 0.25;
            if (l->cap > 0) p[j] = (double)l->cap * tanh(p[j] / (double)l->cap);
            max = fmax(max, p[j]);
        }
        for (int64_t j = from; j <= t; j++) z += p[j] = exp(p[j] - max);
        for (int64_t d = 0; d < hd; d++) {
            double sum = 0;
            for (int64_t j = from; j <= t; j++) sum += p[j] * v[j * width + at + d];
            o[t * width_q + head * hd + d] = sum / z;
        }
    }
    free(k), free(v), free(p);
}

static const struct layer shapes[] = {
    {GLASS_F32, .n_ctx = 300, .n_head = 6, .n_head_kv = 2, .head_dim = 64, .n = 290},
    {GLASS_F16, .n_ctx = 300, .n_head = 6, .n_head_kv = 2, .head_dim = 64, .n = 290},
    {GLASS_Q8_0, .n_ctx = 300, .n_head = 6, .n_head_kv = 2, .head_dim = 64, .n = 290},
    {GLASS_F32, .n_ctx = 77, .n_head = 3, .n_head_kv = 3, .head_dim = 80, .n = 77},
    {GLASS_F16, .n_ctx = 77, .n_head = 5, .n_head_kv = 1, .head_dim = 6, .n = 70},
    {GLASS_Q8_0, .n_ctx = 77, .n_head = 14, .n_head_kv = 2, .head_dim = 96, .n = 77},
    {GLASS_F32, .n_ctx = 600, .n_head = 2, .n_head_kv = 1, .head_dim = 128, .n = 600},
    {GLASS_F32, .n_ctx = 64, .n_head = 2, .n_head_kv = 1, .head_dim = 320, .n = 64},
    {GLASS_F16, .n_ctx = 64, .n_head = 2, .n_head_kv = 2, .head_dim = 256, .n = 64},
    {GLASS_F32, .n_ctx = 700, .n_head = 4, .n_head_kv = 2, .head_dim = 32, .n = 700,
     .window = 100},
    {GLASS_Q8_0, .n_ctx = 700, .n_head = 4, .n_head_kv = 2, .head_dim = 32, .n = 690,
     .window = 270},
    {GLASS_F16, .n_ctx = 50, .n_head = 1, .n_head_kv = 1, .head_dim = 16, .n = 50,
     .window = 1},
    {GLASS_F32, .n_ctx = 40, .n_head = 128, .n_head_kv = 1, .head_dim = 16, .n = 40},
    {GLASS_F16, .n_ctx = 700, .n_head = 4, .n_head_kv = 2, .head_dim = 32, .n = 700,
     .window = 270, .cap = 1.5f},
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

static void equals_textbook(void **state) {
    (void)state;
    for (int i = 0; i < N_SHAPES; i++) {
        struct layer l = shapes[i];
        layer_init(&l);
        struct attn_cache cache = cache_create(&l);
        layer_feed(&l, &cache, 0, l.n, 2);
        int64_t n = l.n * l.n_head * l.head_dim;
        double *want = malloc((size_t)n * 8), error = 0, norm = 0;
        naive(want, &l);
        for (int64_t j = 0; j < n; j++) {
            error += ((double)l.o[j] - want[j]) * ((double)l.o[j] - want[j]);
            norm += want[j] * want[j];
        }
        if (!(sqrt(error / norm) < 1e-6))
            printf("# shape %d: relative error %g\n", i, sqrt(error / norm));
        assert_true(sqrt(error / norm) < 1e-6);
        free(want);
        cache_clear(&cache);
        layer_clear(&l);
    }
}

/* One token at a time on one thread, against other cuts and teams. */
static void cuts_and_threads_change_nothing(void **state) {
    (void)state;
    static const int64_t cuts[] = {1, 3, 16, 37, 100000};
    for (int i = 0; i < N_SHAPES; i++) {
        struct layer l = shapes[i];
        layer_init(&l);
        size_t bytes = (size_t)(l.n * l.n_head * l.head_dim) * sizeof(float);
        float *want = malloc(bytes);
        for (int j = 0; j < 30; j++) {
            int64_t cut = cuts[j % 5];
            int n_threads = j / 5 % 4 + 1;
            struct attn_cache cache = cache_create(&l);
            struct paged paged;
            paged_create(&paged, &l);
            memset(l.o, 0, bytes);
            for (int64_t pos = 0; pos < l.n; pos += cut) {
                layer_feed(&l, j < 20 ? &cache : &paged.cache, pos,
                           pos + cut < l.n ? cut : l.n - pos, n_threads);
                if (j >= 20 && pos <= l.n / 2 && pos + cut > l.n / 2 && pos + cut < l.n)
                    paged_move(&paged, pos + cut);
            }
            mem_free(paged.block);
            if (j == 0) memcpy(want, l.o, bytes);
            if (memcmp(want, l.o, bytes) != 0)
                printf("# shape %d cut %d threads %d%s\n", i, (int)cut, n_threads,
                       j < 20 ? "" : ", in pages");
            assert_memory_equal(want, l.o, bytes);
            cache_clear(&cache);
        }
        free(want);
        layer_clear(&l);
    }
}

enum { SESSIONS = 3, HEADS = 4, KV = 2, DIM = 32, CTX = 1300, ROWS = 10 };

/* All sessions' rows in one call, for teams of several sizes. */
static void run_together(struct attn_segment *segments, const struct layer *l) {
    static float q[ROWS][HEADS * DIM], k[ROWS][KV * DIM], v[ROWS][KV * DIM];
    static float o[ROWS][HEADS * DIM];
    for (int i = 0; i < SESSIONS; i++) {
        int64_t row = segments[i].row, pos = segments[i].pos;
        size_t n = (size_t)segments[i].n;
        memcpy(q[row], l[i].q + pos * HEADS * DIM, n * sizeof *q);
        memcpy(k[row], l[i].k + pos * KV * DIM, n * sizeof *k);
        memcpy(v[row], l[i].v + pos * KV * DIM, n * sizeof *v);
    }
    for (int n_threads = 1; n_threads <= 9; n_threads += 2) {
        struct call call = {.segments = segments,
                            .n_segments = SESSIONS,
                            .q = q[0],
                            .k = k[0],
                            .v = v[0],
                            .o = o[0],
                            .q_stride = HEADS * DIM,
                            .kv_stride = KV * DIM};
        call.shape = (struct attn_shape){HEADS, 0.25f, l[0].window, 0};
        size_t bytes = attn_scratch_bytes(CTX, DIM, HEADS, KV, n_threads);
        assert_int_equal(mem_alloc_aligned(&call.scratch, bytes, 1), GLASS_OK);
        memset(o, 0, sizeof o);
        team_run(n_threads, call_work, &call);
        mem_free(call.scratch);
        for (int i = 0; i < SESSIONS; i++)
            assert_memory_equal(o[segments[i].row], l[i].o + segments[i].pos * HEADS * DIM,
                                (size_t)segments[i].n * sizeof *o);
    }
}

/* Three sessions at different positions in one call, against each alone. Contexts are long
 * enough, and rows few enough, that heads are split among members. */
static void strangers_change_nothing(void **state) {
    (void)state;
    static const int64_t pos[] = {5, 1200, 700}, n[] = {3, 1, 6}, row[] = {7, 0, 1};
    static const glass_dtype dtypes[] = {GLASS_F32, GLASS_Q8_0, GLASS_F16};
    for (int64_t window = 0; window <= 600; window += 300) {
        struct layer l[SESSIONS];
        struct attn_cache cache[SESSIONS];
        struct attn_segment segments[SESSIONS];
        for (int i = 0; i < SESSIONS; i++) {
            l[i] = (struct layer){dtypes[i], CTX,  HEADS, KV,   DIM,  pos[i] + n[i],
                                  window,    NULL, NULL,  NULL, NULL, 0};
            layer_init(&l[i]);
            cache[i] = cache_create(&l[i]);
            layer_feed(&l[i], &cache[i], 0, l[i].n, 1);
            segments[i] = (struct attn_segment){&cache[i], pos[i], row[i], n[i]};
        }
        run_together(segments, l);
        for (int i = 0; i < SESSIONS; i++) cache_clear(&cache[i]), layer_clear(&l[i]);
    }
}

static void every_set_has_the_same_bits(void **state) {
    (void)state;
    struct math_kernels c, other;
    math_fill(&c, 0);
    for (int i = 1; i < math_n_isas(); i++) {
        math_fill(&other, i);
        assert_true(check_products(&c, &other, 600));
        assert_true(check_rounding(&c, &other, 3000));
    }
}

/* Stored bits of one position of two heads of 32, through the cache and back. */
static void store_one(void *k, void *v, const float *x, glass_dtype dtype, int64_t pos) {
    struct layer l = {.dtype = dtype, .n_ctx = 40, .n_head_kv = 2, .head_dim = 32};
    struct attn_cache cache = cache_create(&l);
    struct attn_segment segment = {&cache, pos, 0, 1};
    struct call call = {
        .segments = &segment, .n_segments = 1, .k = x, .v = x, .kv_stride = 64};
    team_run(1, store_work, &call);
    attn_export(k, v, &cache, pos, 1);
    cache_clear(&cache);
}

static void f16_rounds_to_nearest_even(void **state) {
    (void)state;
    static const float some[] = {
        0.0f,      -0.0f,        1.0f,         65504.0f,     65519.99f,       65520.0f,
        -65520.0f, 1e30f,        0x1p-24f,     0x1p-25f,     0x1.000002p-25f, 0x3p-25f,
        -0x5p-25f, 0x1.ffdp-15f, 0x1.ffep-15f, 0x1.fffp-15f, 1e-30f,          2049.0f,
        2051.0f,   2050.99f,     0x1p-149f};
    float x[64];
    uint16_t k[64], v[64];
    for (size_t i = 0; i < 64; i++) {
        x[i] = i < sizeof some / sizeof *some ? some[i]
                                              : check_uniform() * (float)(1 << i % 17);
        if (i > 50) x[i] = f16_widen((uint16_t)(0x3c00 + i)) + 0x1p-11f; /* halfway */
    }
    store_one(k, v, x, GLASS_F16, 17);
    for (int i = 0; i < 64; i++) {
        assert_int_equal(k[i], nearest_f16((double)x[i]));
        assert_int_equal(v[i], k[i]);
    }
    x[3] = INFINITY, x[4] = NAN;
    store_one(k, v, x, GLASS_F16, 0);
    assert_int_equal(k[3], 0x7c00);
    assert_true((k[4] & 0x7fff) > 0x7c00);
}

static void q8_0_rounds_as_defined(void **state) {
    (void)state;
    /* d = 1: halves go to even; the second head is all zeros. */
    static const float half[] = {127,   0.5f,  1.5f,   2.5f,   -0.5f,
                                 -1.5f, -2.5f, 126.5f, -126.5f};
    static const int8_t want[] = {127, 0, 2, 2, 0, -2, -2, 126, -126};
    float x[64] = {0};
    uint8_t k[2][34], v[2][34];
    memcpy(x, half, sizeof half);
    store_one(k, v, x, GLASS_Q8_0, 33);
    assert_memory_equal(k, v, sizeof k);
    assert_int_equal(load_u16(k[0]), 0x3c00);
    assert_memory_equal(k[0] + 2, want, sizeof want);
    for (int i = 0; i < 34; i++) assert_int_equal(k[1][i], 0);
    /* Too small for any scale: zeros. Too large: the scale saturates, values are held. */
    for (int i = 0; i < 32; i++)
        x[i] = i % 2 ? 1e-7f : -1e-7f, x[32 + i] = i ? 3e38f : -1e7f;
    store_one(k, v, x, GLASS_Q8_0, 1);
    assert_int_equal(load_u16(k[0]), 0);
    for (int i = 0; i < 34; i++) assert_int_equal(k[0][i], 0);
    assert_int_equal(load_u16(k[1]), 0x7bff);
    assert_int_equal((int8_t)k[1][2], -127);
    assert_int_equal((int8_t)k[1][3], 127);
    /* A scale below f16's normal range rounds far: 1.4 units become 1, and values are held. */
    for (int i = 0; i < 32; i++) x[i] = (float)(i - 16) * 0x1p-24f * 1.4f * 127 / 16;
    x[40] = INFINITY; /* stays visible */
    store_one(k, v, x, GLASS_Q8_0, 15);
    assert_int_equal(load_u16(k[0]), 1);
    assert_int_equal((int8_t)k[0][2], -127);
    assert_int_equal((int8_t)k[0][2 + 24], (int)rint(8 * 1.4 * 127 / 16));
    assert_int_equal(load_u16(k[1]), 0x7e00);
    x[40] = 0, x[41] = NAN;
    store_one(k, v, x, GLASS_Q8_0, 16);
    assert_int_equal(load_u16(k[1]), 0x7e00);
}

/* A session that is exported and imported elsewhere goes on with the same bits. */
static void export_and_import_are_inverse(void **state) {
    (void)state;
    for (int i = 0; i < N_SHAPES; i++) {
        struct layer l = shapes[i];
        layer_init(&l);
        struct attn_cache a = cache_create(&l);
        layer_feed(&l, &a, 0, l.n, 1);
        int64_t n = l.n - 1;
        size_t row = attn_row_bytes(l.dtype, l.n_head_kv, l.head_dim);
        uint8_t *k = malloc(row * (size_t)n), *v = malloc(row * (size_t)n);
        attn_export(k, v, &a, 0, n);
        size_t bytes = (size_t)(l.n_head * l.head_dim) * sizeof(float);
        float *last = l.o + n * l.n_head * l.head_dim, *want = malloc(bytes);
        memcpy(want, last, bytes);
        memset(last, 0, bytes);
        l.n_ctx += 100; /* another capacity, another place for everything */
        struct attn_cache b = cache_create(&l);
        attn_import(&b, k, v, 0, n);
        layer_feed(&l, &b, n, 1, 2);
        assert_memory_equal(want, last, bytes);
        free(k), free(v), free(want);
        cache_clear(&a), cache_clear(&b), layer_clear(&l);
    }
}

static void bad_types_are_refused(void **state) {
    (void)state;
    assert_int_equal(attn_cache_check(GLASS_F32, 64), GLASS_OK);
    assert_int_equal(attn_cache_check(GLASS_F16, 2), GLASS_OK);
    assert_int_equal(attn_cache_check(GLASS_Q8_0, 96), GLASS_OK);
    assert_int_equal(attn_cache_check(GLASS_Q8_0, 80), GLASS_USAGE);
    assert_int_equal(attn_cache_check(GLASS_F16, 0), GLASS_USAGE);
    assert_int_equal(attn_cache_check(GLASS_F32, -2), GLASS_USAGE);
    assert_int_equal(attn_cache_check(GLASS_F32, 63), GLASS_USAGE);
    assert_int_equal(attn_cache_check(GLASS_Q4_0, 64), GLASS_USAGE);
    assert_int_equal(attn_cache_check((glass_dtype)99, 64), GLASS_USAGE);
    assert_true(attn_cache_bytes(GLASS_F32, INT64_MAX / 2, 8, 128) == SIZE_MAX);
    assert_true(attn_cache_bytes(GLASS_F32, 16, 2, 64) == 16 * 2 * 64 * 4);
    assert_true(attn_cache_bytes(GLASS_Q8_0, 17, 2, 64) == 32 * 2 * 2 * 34);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_types_are_refused),
        cmocka_unit_test(f16_rounds_to_nearest_even),
        cmocka_unit_test(q8_0_rounds_as_defined),
        cmocka_unit_test(every_set_has_the_same_bits),
        cmocka_unit_test(equals_textbook),
        cmocka_unit_test(cuts_and_threads_change_nothing),
        cmocka_unit_test(strangers_change_nothing),
        cmocka_unit_test(export_and_import_are_inverse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
