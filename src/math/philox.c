/* philox.c - Philox4x32-10, uniform and normal numbers. */
#include "math/philox.h"

#include "math/functions.h"
#include "math/kernels.h"

#include <math.h>

#define TWO_PI 0x1.921fb6p+2F

void philox4x32(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        /* The paper's multipliers, and Weyl increments of the key. */
        uint64_t a = (uint64_t)0xD2511F53 * c0, b = (uint64_t)0xCD9E8D57 * c2;
        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)b;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)a;
        k0 += 0x9E3779B9;
        k1 += 0xBB67AE85;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

static void element(uint32_t out[4], uint64_t seed, uint64_t stream, uint64_t i) {
    uint32_t counter[4] = {(uint32_t)i, (uint32_t)(i >> 32), (uint32_t)stream,
                           (uint32_t)(stream >> 32)};
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    philox4x32(out, counter, key);
}

float philox_uniform(uint64_t seed, uint64_t stream, uint64_t i) {
    uint32_t word[4];
    element(word, seed, stream, i);
    return (float)(word[0] >> 8) * 0x1p-24F;
}

/* What log and cos are taken of. */
static void normal_arguments(float *share, float *angle, uint64_t seed, uint64_t stream,
                             uint64_t i) {
    uint32_t word[4];
    element(word, seed, stream, i);
    *share = (float)((word[0] >> 8) + 1) * 0x1p-24F;
    *angle = TWO_PI * ((float)(word[1] >> 8) * 0x1p-24F);
}

float philox_normal(uint64_t seed, uint64_t stream, uint64_t i) {
    float share, angle;
    normal_arguments(&share, &angle, seed, stream, i);
    return sqrtf(-2.0F * math_log_f32(share)) * math_cos_f32(angle);
}

void philox_normals(float *y, int64_t n, uint64_t seed, uint64_t stream, uint64_t first) {
    enum { BLOCK = 256 };
    const struct math_kernels *k = math_kernels();
    float share[BLOCK], angle[BLOCK];
    for (int64_t done = 0; done < n; done += BLOCK) {
        int64_t count = n - done < BLOCK ? n - done : BLOCK;
        for (int64_t j = 0; j < count; j++)
            normal_arguments(&share[j], &angle[j], seed, stream,
                             first + (uint64_t)(done + j));
        k->log_f32(share, share, count);
        k->cos_f32(angle, angle, count);
        for (int64_t j = 0; j < count; j++)
            y[done + j] = sqrtf(-2.0F * share[j]) * angle[j];
    }
}
