/* dispatch.c - fills the kernel table: the portable definition first, then what this machine
 * can run faster. */
#include "math/dispatch.h"

#include "base/fail.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct isa {
    const char *name;
    bool (*available)(void);
    /* Overlays, applied after those of the sets before it that are available. */
    void (*fill[8])(struct math_kernels *);
};

static bool always(void) {
    return true;
}

#if defined(__x86_64__)
/* clang 14 has no word for F16C in __builtin_cpu_supports. */
static bool has_f16c(void) {
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C) != 0;
}
static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
}
static bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}
static bool has_avx512vnni(void) {
    return has_avx512() && __builtin_cpu_supports("avx512vnni");
}
#elif defined(__aarch64__)
static bool has_dotprod(void) {
    return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
}
#endif

/* Each set builds on the ones above it. */
// clang-format off
static const struct isa isas[] = {
    {"c", always, {vec_fill_c, attn_fill_c, float_fill_c, q32_fill_c, qk_fill_c, quant_fill_c, train_fill_c}},
#if defined(__x86_64__)
    {"avx2", has_avx2, {vec_fill_avx2, attn_fill_avx2, float_fill_avx2, q32_fill_avx2, qk_fill_avx2, quant_fill_avx2, train_fill_avx2, widen_fill_avx2}},
    {"avx512",
     has_avx512,
     {vec_fill_avx512, attn_fill_avx512, float_fill_avx512, q32_fill_avx512, qk_fill_avx512, quant_fill_avx512, train_fill_avx512}},
    {"avx512vnni", has_avx512vnni, {NULL, NULL, NULL, q32_fill_avx512vnni, qk_fill_avx512vnni}},
#elif defined(__aarch64__)
    {"neon", always, {vec_fill_neon, attn_fill_neon, float_fill_neon, q32_fill_neon, qk_fill_neon, quant_fill_neon, train_fill_neon}},
    {"dotprod", has_dotprod, {NULL, NULL, NULL, q32_fill_dotprod, qk_fill_dotprod}},
#endif
};
// clang-format on
enum { N_ISAS = sizeof isas / sizeof *isas };

static struct math_kernels table;
static int table_isa;
static char bad_isa[64];
static pthread_once_t once = PTHREAD_ONCE_INIT;

int math_n_isas(void) {
    int n = 0;
    while (n < N_ISAS && isas[n].available()) n++;
    return n;
}

const char *math_isa_name(int i) {
    return isas[i].name;
}

void math_fill(struct math_kernels *out, int i) {
    memset(out, 0, sizeof *out);
    for (int j = 0; j <= i; j++)
        for (int part = 0; part < 8; part++)
            if (isas[j].fill[part] != NULL) isas[j].fill[part](out);
}

static void fill_table(void) {
    const char *wanted = getenv("GLASS_ISA");
    table_isa = math_n_isas() - 1;
    if (wanted != NULL && wanted[0] != '\0') {
        int i = 0;
        while (i < math_n_isas() && strcmp(isas[i].name, wanted) != 0) i++;
        if (i < math_n_isas()) {
            table_isa = i;
        } else {
            strncpy(bad_isa, wanted, sizeof bad_isa - 1);
        }
    }
    math_fill(&table, table_isa);
}

const struct math_kernels *math_kernels(void) {
    pthread_once(&once, fill_table);
    return &table;
}

glass_status math_isa_status(void) {
    pthread_once(&once, fill_table);
    if (bad_isa[0] == '\0') return GLASS_OK;
    char names[128] = "";
    for (int i = 0; i < math_n_isas(); i++) {
        if (i > 0) strncat(names, ", ", sizeof names - strlen(names) - 1);
        strncat(names, isas[i].name, sizeof names - strlen(names) - 1);
    }
    return fail(GLASS_USAGE, "GLASS_ISA=%s: this machine runs %s", bad_isa, names);
}

const char *glass_isa(void) {
    pthread_once(&once, fill_table);
    return isas[table_isa].name;
}
