/* vec_check.c - holds this architecture's SIMD rows of list_vec.def to the definition, with
 * nothing but the C library: for emulators (tests/math/test_vec_neon.sh). One TAP line. */
#include "../math/vec_checks.h"
#include "math/dispatch.h"

int main(void) {
    struct math_kernels c = {0}, k = {0};
    vec_fill_c(&c);
#if defined(__x86_64__)
    vec_fill_avx2(&k);
#elif defined(__aarch64__)
    vec_fill_neon(&k);
#endif
    bool ok = vec_check_table(&c, &k, 40009);
    if (!ok) printf("# %s\n", check_message);
    printf("%s 1 - SIMD functions and vectors\n", ok ? "ok" : "not ok");
    return !ok;
}
