/* kernel_check.h - what a kernel checker needs: reproducible floats of nasty kinds, arrays
 * with guard pages, and comparison of bits with a message that names the first difference.
 * No test framework: checks return false and leave the reason in check_message. */
#ifndef KERNEL_CHECK_H
#define KERNEL_CHECK_H

#include "math/half.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static char check_message[512];

__attribute__((format(printf, 1, 2))) static inline bool check_wrong(const char *format,
                                                                     ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(check_message, sizeof check_message, format, arguments);
    va_end(arguments);
    return false;
}

/* ---- random numbers ---- */

struct check_random {
    uint64_t state;
};

/* splitmix64. */
static inline uint64_t check_bits(struct check_random *r) {
    uint64_t z = (r->state += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* 0 … n - 1 */
static inline int64_t check_below(struct check_random *r, int64_t n) {
    return (int64_t)(check_bits(r) % (uint64_t)n);
}

enum check_mood {
    CHECK_TAME,   /* (-4, 4): sums depend on their order, nothing overflows */
    CHECK_FINITE, /* all exponents, subnormals, zeros of both signs */
    CHECK_WILD,   /* and infinities and NaNs */
    CHECK_MOODS
};

static inline float check_float(struct check_random *r, enum check_mood mood) {
    static const uint32_t special[] = {
        0x00000000, 0x00000001, 0x007fffff, 0x00800000, 0x00800001, /* 0, subnormals */
        0x3f800000, 0x3f7fffff, 0x3f800001, 0x4b800000, 0x4c000000, /* 1, 2^24, 2^25 */
        0x42b17217, 0x42b17218, 0x42cff1b5, 0x42cff1b6, 0x42aeac50, /* exp's limits */
        0x41102cb3, 0x41102cb4, 0x407ad444, 0x407ad445, 0x407ae147, /* tanh's, erf's */
        0x3fc90fdb, 0x40490fdb, 0x7f7fffff, 0x7f000000, 0x34000000,
        0x7f800000, 0x7fc00000, 0x7fa00001}; /* not finite */
    uint64_t u = check_bits(r);
    uint32_t bits = (uint32_t)(u >> 32), sign = bits & 0x80000000u;
    if (mood == CHECK_TAME || u % 8 < 4) return (float)(int32_t)bits * 0x1p-29f;
    if (u % 8 < 6)
        return bits_f32(special[(u >> 8) % (mood == CHECK_WILD ? 28 : 25)] | sign);
    if ((bits & 0x7f800000u) == 0x7f800000u && mood != CHECK_WILD) bits ^= 0x00800000u;
    return bits_f32(bits);
}

/* ---- arrays: n floats, `shift` floats off a page's end, so that reading beyond faults
 * ---- */

struct check_array {
    float *x;
    void *map;
    size_t map_bytes;
    int64_t n;
};

enum { CHECK_MARGIN = 8 }; /* floats before and after that must stay as they were */
#define CHECK_CANARY 0x7fb5c3a1u

static inline struct check_array check_array_create(int64_t n, int64_t shift) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE),
           bytes = (size_t)(n + shift + CHECK_MARGIN) * 4;
    size_t body = (bytes + page - 1) / page * page;
    char *map =
        mmap(NULL, body + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + body, page, PROT_NONE) != 0) {
        perror("mmap");
        exit(4);
    }
    float *end = (float *)(void *)(map + body);
    for (float *p = (float *)(void *)map; p < end; p++)
        memcpy(p, &(uint32_t){CHECK_CANARY}, 4);
    return (struct check_array){end - n - shift, map, body + page, n};
}

static inline void check_array_close(struct check_array *a) {
    munmap(a->map, a->map_bytes);
}

static inline void check_array_fill(struct check_array *a, struct check_random *r,
                                    enum check_mood mood) {
    for (int64_t i = 0; i < a->n; i++) a->x[i] = check_float(r, mood);
}

/* ---- comparison ---- */

/* Equal bits, any NaN equal to any NaN: which of two NaNs an operation keeps is up to the
 * instruction, and no result with a NaN is used. */
static inline bool check_same(float a, float b) {
    return f32_bits(a) == f32_bits(b) || (a != a && b != b);
}

static inline bool check_equal(const char *what, int64_t n, const float *got,
                               const float *want) {
    for (int64_t i = 0; i < n; i++)
        if (!check_same(got[i], want[i]))
            return check_wrong("%s: element %lld of %lld is %a (%08x), not %a (%08x)", what,
                               (long long)i, (long long)n, (double)got[i],
                               (unsigned)f32_bits(got[i]), (double)want[i],
                               (unsigned)f32_bits(want[i]));
    return true;
}

/* What lies around the array is untouched. */
static inline bool check_margins(const char *what, const struct check_array *a) {
    for (const float *p = a->x - CHECK_MARGIN; p < a->x; p++)
        if (f32_bits(*p) != CHECK_CANARY)
            return check_wrong("%s: wrote %lld floats before y", what,
                               (long long)(a->x - p));
    const char *end = (const char *)a->map + a->map_bytes - (size_t)sysconf(_SC_PAGESIZE);
    for (const float *p = a->x + a->n; (const char *)p < end; p++)
        if (f32_bits(*p) != CHECK_CANARY)
            return check_wrong("%s: wrote %lld floats after y", what,
                               (long long)(p - a->x - a->n));
    return true;
}

#endif
