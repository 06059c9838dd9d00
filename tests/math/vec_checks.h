/* vec_checks.h - holds one table's rows of list_vec.def to another's, bit for bit. The
 * tests call it for every instruction set of the machine; tools for sets that it lacks. */
#ifndef VEC_CHECKS_H
#define VEC_CHECKS_H

#include "kernel_check.h"
#include "math/kernels.h"

struct vec_check {
    const struct math_kernels *c, *k; /* the definition; the variant */
    struct check_random random;
};

typedef void vec_unary(float *y, const float *x, int64_t n);
typedef void vec_binary(float *y, const float *a, const float *b, int64_t n);
typedef void vec_scaled(float *y, const float *x, float factor, int64_t n);
typedef float vec_reduce(const float *x, int64_t n);
typedef void vec_rope(float *x, const float *cosines, const float *sines, int64_t n_heads,
                      int64_t head_dim, int64_t n_rot);

/* Lengths: every tail, then longer ones. */
static inline int64_t vec_length(struct vec_check *v, int round) {
    return round < 68 ? round : 68 + check_below(&v->random, 1500);
}
enum { VEC_ROUNDS = 80 };

static inline struct check_array vec_input(struct vec_check *v, int64_t n,
                                           enum check_mood mood) {
    struct check_array a = check_array_create(n, check_below(&v->random, 8));
    check_array_fill(&a, &v->random, mood);
    return a;
}

static inline bool vec_check_unary(struct vec_check *v, const char *name, vec_unary *c,
                                   vec_unary *k) {
    bool ok = true;
    for (int i = 0; i < CHECK_MOODS * VEC_ROUNDS && ok; i++) {
        int64_t n = vec_length(v, i / CHECK_MOODS);
        struct check_array x = vec_input(v, n, i % CHECK_MOODS);
        struct check_array got = vec_input(v, n, CHECK_TAME),
                           want = vec_input(v, n, CHECK_TAME);
        c(want.x, x.x, n);
        k(got.x, x.x, n);
        ok = check_equal(name, n, got.x, want.x) && check_margins(name, &got);
        k(x.x, x.x, n); /* in place */
        ok = ok && check_equal(name, n, x.x, want.x) && check_margins(name, &x);
        check_array_close(&x), check_array_close(&got), check_array_close(&want);
    }
    return ok;
}

static inline bool vec_check_binary(struct vec_check *v, const char *name, vec_binary *c,
                                    vec_binary *k) {
    bool ok = true;
    for (int i = 0; i < CHECK_MOODS * VEC_ROUNDS && ok; i++) {
        int64_t n = vec_length(v, i / CHECK_MOODS);
        struct check_array a = vec_input(v, n, i % CHECK_MOODS);
        struct check_array b = vec_input(v, n, i % CHECK_MOODS);
        struct check_array got = vec_input(v, n, CHECK_TAME),
                           want = vec_input(v, n, CHECK_TAME);
        c(want.x, a.x, b.x, n);
        k(got.x, a.x, b.x, n);
        ok = check_equal(name, n, got.x, want.x) && check_margins(name, &got);
        struct check_array *y = i & 1 ? &a : &b;
        k(y->x, a.x, b.x, n);
        ok = ok && check_equal(name, n, y->x, want.x) && check_margins(name, y);
        check_array_close(&a), check_array_close(&b);
        check_array_close(&got), check_array_close(&want);
    }
    return ok;
}

static inline bool vec_check_scaled(struct vec_check *v, const char *name, vec_scaled *c,
                                    vec_scaled *k) {
    bool ok = true;
    for (int i = 0; i < CHECK_MOODS * VEC_ROUNDS && ok; i++) {
        int64_t n = vec_length(v, i / CHECK_MOODS);
        struct check_array x = vec_input(v, n, i % CHECK_MOODS);
        struct check_array want = vec_input(v, n, CHECK_TAME);
        float factor = check_float(&v->random, i % CHECK_MOODS);
        c(want.x, x.x, factor, n);
        k(x.x, x.x, factor, n);
        ok = check_equal(name, n, x.x, want.x) && check_margins(name, &x);
        check_array_close(&x), check_array_close(&want);
    }
    return ok;
}

static inline bool vec_check_reduce(struct vec_check *v, const char *name, vec_reduce *c,
                                    vec_reduce *k) {
    bool ok = true;
    for (int i = 0; i < CHECK_MOODS * VEC_ROUNDS && ok; i++) {
        int64_t n = vec_length(v, i / CHECK_MOODS);
        struct check_array x = vec_input(v, n, i % CHECK_MOODS);
        float want = c(x.x, n), got = k(x.x, n);
        ok = check_equal(name, 1, &got, &want);
        for (int64_t l = 0; l < n; l++) x.x[l] = i & 1 ? -0.0f : 0.0f * x.x[l];
        want = c(x.x, n), got = k(x.x, n);
        ok = ok && check_equal(name, 1, &got, &want);
        check_array_close(&x);
    }
    return ok;
}

static inline bool vec_check_norms(struct vec_check *v) {
    bool ok = true;
    for (int i = 0; i < CHECK_MOODS * VEC_ROUNDS && ok; i++) {
        int64_t n = vec_length(v, i / CHECK_MOODS);
        struct check_array x = vec_input(v, n, i % CHECK_MOODS);
        struct check_array w = vec_input(v, n, CHECK_FINITE),
                           b = vec_input(v, n, CHECK_FINITE);
        struct check_array got = vec_input(v, n, CHECK_TAME),
                           want = vec_input(v, n, CHECK_TAME);
        v->c->rmsnorm_f32(want.x, x.x, w.x, n, 1e-5f);
        v->k->rmsnorm_f32(got.x, x.x, w.x, n, 1e-5f);
        ok = check_equal("rmsnorm", n, got.x, want.x) && check_margins("rmsnorm", &got);
        v->c->layernorm_f32(want.x, x.x, w.x, NULL, n, 1e-6f);
        v->k->layernorm_f32(got.x, x.x, w.x, NULL, n, 1e-6f);
        ok = ok && check_equal("layernorm without b", n, got.x, want.x);
        v->c->layernorm_f32(want.x, x.x, w.x, b.x, n, 1e-6f);
        v->k->layernorm_f32(x.x, x.x, w.x, b.x, n, 1e-6f);
        ok = ok && check_equal("layernorm", n, x.x, want.x) &&
             check_margins("layernorm", &x);
        check_array_close(&x), check_array_close(&w), check_array_close(&b);
        check_array_close(&got), check_array_close(&want);
    }
    return ok;
}

/* Outside [begin, end) lies what must be neither used nor changed: s is NaN there. */
static inline bool vec_check_softmax(struct vec_check *v) {
    const char *name = "softmax_exp";
    bool ok = true;
    for (int i = 0; i < 600 && ok; i++) {
        int64_t begin = check_below(&v->random, i < 400 ? 70 : 1);
        int64_t end = begin + check_below(&v->random, i < 500 ? 70 : 1500);
        struct check_array s = vec_input(v, end, i % CHECK_MOODS);
        struct check_array got = vec_input(v, end, CHECK_TAME);
        struct check_array want = vec_input(v, end, CHECK_TAME);
        for (int64_t j = 0; j < begin; j++) s.x[j] = __builtin_nanf("");
        memcpy(want.x, got.x, (size_t)end * 4);
        float max = check_float(&v->random, i % CHECK_MOODS);
        if (i % 3 == 0) max = v->c->max_f32(s.x + begin, end - begin);
        float z = v->c->softmax_exp_f32(want.x, s.x, max, begin, end);
        float have = v->k->softmax_exp_f32(got.x, s.x, max, begin, end);
        ok = check_equal(name, end, got.x, want.x) &&
             check_equal("softmax's sum", 1, &have, &z);
        ok = ok && check_margins(name, &got);
        have = v->k->softmax_exp_f32(s.x, s.x, max, begin, end);
        ok = ok && check_equal(name, end - begin, s.x + begin, want.x + begin) &&
             check_equal("softmax's sum", 1, &have, &z) && check_margins(name, &s);
        check_array_close(&s), check_array_close(&got), check_array_close(&want);
    }
    return ok;
}

static inline bool vec_check_exp_sums(struct vec_check *v) {
    bool ok = true;
    for (int i = 0; i < 2 * VEC_ROUNDS && ok; i++) {
        int64_t n = 1 + vec_length(v, i / 2);
        struct check_array x = vec_input(v, n, i % 2 ? CHECK_FINITE : CHECK_TAME);
        struct check_array y = vec_input(v, n, i % 2 ? CHECK_FINITE : CHECK_TAME);
        float max = v->c->max_f32(x.x, n);
        for (int both = 0; both < 2 && ok; both++) {
            double want[2], got[2];
            v->c->exp_sums_f64(want, x.x, both ? y.x : NULL, max, n);
            v->k->exp_sums_f64(got, x.x, both ? y.x : NULL, max, n);
            if (memcmp(got, want, sizeof got) != 0)
                ok = check_wrong("exp_sums of %lld: %a, %a, not %a, %a", (long long)n,
                                 got[0], got[1], want[0], want[1]);
        }
        check_array_close(&x), check_array_close(&y);
    }
    return ok;
}

static inline bool vec_check_rope(struct vec_check *v, const char *name, vec_rope *c,
                                  vec_rope *k) {
    bool ok = true;
    for (int i = 0; i < 300 && ok; i++) {
        int64_t n_heads = check_below(&v->random, 5),
                n_rot = 2 * check_below(&v->random, 70);
        int64_t head_dim = n_rot + check_below(&v->random, 9), n = n_heads * head_dim;
        struct check_array want = vec_input(v, n, i % CHECK_MOODS);
        struct check_array got = vec_input(v, n, CHECK_TAME);
        struct check_array cosines = vec_input(v, n_rot / 2, CHECK_FINITE);
        struct check_array sines = vec_input(v, n_rot / 2, CHECK_FINITE);
        memcpy(got.x, want.x, (size_t)n * 4);
        c(want.x, cosines.x, sines.x, n_heads, head_dim, n_rot);
        k(got.x, cosines.x, sines.x, n_heads, head_dim, n_rot);
        ok = check_equal(name, n, got.x, want.x) && check_margins(name, &got);
        check_array_close(&want), check_array_close(&got);
        check_array_close(&cosines), check_array_close(&sines);
    }
    return ok;
}

static inline bool vec_check_mix(struct vec_check *v) {
    bool ok = true;
    for (int i = 0; i < 300 && ok; i++) {
        int64_t hd = 1 + check_below(&v->random, 200), n_keys = check_below(&v->random, 40);
        struct check_array p = vec_input(v, n_keys, i % CHECK_MOODS);
        struct check_array values = vec_input(v, n_keys * hd, i % CHECK_MOODS);
        struct check_array got = vec_input(v, hd, CHECK_TAME),
                           want = vec_input(v, hd, CHECK_TAME);
        v->c->mix_f32(want.x, p.x, values.x, n_keys, hd);
        v->k->mix_f32(got.x, p.x, values.x, n_keys, hd);
        ok = check_equal("mix", hd, got.x, want.x) && check_margins("mix", &got);
        check_array_close(&p), check_array_close(&values);
        check_array_close(&got), check_array_close(&want);
    }
    return ok;
}

/* Functions on every step-th of all 2^32 bit patterns, in one long array each. */
static inline bool vec_check_all_bits(const char *name, vec_unary *c, vec_unary *k,
                                      uint64_t step) {
    enum { BLOCK = 4096 };
    static float x[BLOCK], got[BLOCK], want[BLOCK];
    uint64_t bits = 0;
    while (bits < (uint64_t)1 << 32) {
        int64_t n = 0;
        for (; n < BLOCK && bits < (uint64_t)1 << 32; bits += step, n++)
            x[n] = bits_f32((uint32_t)bits);
        c(want, x, n);
        k(got, x, n);
        if (check_equal(name, n, got, want)) continue;
        int64_t i = 0;
        while (check_same(got[i], want[i])) i++;
        return check_wrong("%s(%a) is %a, not %a", name, (double)x[i], (double)got[i],
                           (double)want[i]);
    }
    return true;
}

/* Arguments whose exponential is so near a midpoint that AVX-512's shorter way, without its
 * second look, rounds it wrongly (there are 57), each in every lane. */
static inline bool vec_check_hard_exp(const struct vec_check *v) {
    static const uint32_t hard[] = {0x3ca834ff, 0x40803ef9, 0xbefffee9};
    bool ok = true;
    for (int i = 0; i < 3 * 64 && ok; i++) {
        float x[64] = {0}, got[64], want[64];
        x[i / 3] = bits_f32(hard[i % 3]);
        v->c->exp_f32(want, x, 64);
        v->k->exp_f32(got, x, 64);
        ok = check_equal("exp near a midpoint", 64, got, want);
    }
    return ok;
}

/* All rows. step: of the functions' bit patterns. */
static inline bool vec_check_table(const struct math_kernels *c,
                                   const struct math_kernels *k, uint64_t step) {
    struct vec_check v = {c, k, {1}};
#define UNARY(row)    (vec_check_unary(&v, #row, c->row, k->row))
#define FUNCTION(row) (UNARY(row) && vec_check_all_bits(#row, c->row, k->row, step))
    return vec_check_hard_exp(&v) && FUNCTION(exp_f32) && FUNCTION(log_f32) &&
           FUNCTION(tanh_f32) && FUNCTION(erf_f32) && FUNCTION(sin_f32) &&
           FUNCTION(cos_f32) && FUNCTION(silu_f32) && FUNCTION(gelu_tanh_f32) &&
           FUNCTION(gelu_erf_f32) && UNARY(relu_f32) &&
           vec_check_binary(&v, "add", c->add_f32, k->add_f32) &&
           vec_check_binary(&v, "mul", c->mul_f32, k->mul_f32) &&
           vec_check_binary(&v, "silu_mul", c->silu_mul_f32, k->silu_mul_f32) &&
           vec_check_scaled(&v, "scale", c->scale_f32, k->scale_f32) &&
           vec_check_scaled(&v, "divide", c->divide_f32, k->divide_f32) &&
           vec_check_mix(&v) && vec_check_reduce(&v, "max", c->max_f32, k->max_f32) &&
           vec_check_reduce(&v, "sum16", c->sum16_f32, k->sum16_f32) &&
           vec_check_reduce(&v, "sumsq16", c->sumsq16_f32, k->sumsq16_f32) &&
           vec_check_norms(&v) && vec_check_softmax(&v) && vec_check_exp_sums(&v) &&
           vec_check_rope(&v, "rope_half", c->rope_half_f32, k->rope_half_f32) &&
           vec_check_rope(&v, "rope_pairs", c->rope_pairs_f32, k->rope_pairs_f32);
#undef UNARY
#undef FUNCTION
}

#endif
