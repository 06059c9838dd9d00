/* check_qk_rows.c - holds the SIMD rows of list_qk.def to the definition, with nothing but
 * the C library: for emulators (tests/math/test_neon.sh). One TAP line for each set. */
#include "../math/check_qk.h"

int main(void) {
    struct math_kernels c, k;
    int bad = 0;
    math_fill(&c, 0);
    for (int i = 1; i < math_n_isas(); i++) {
        math_fill(&k, i);
        bool ok = check_products(&c, &k, 40, 3) == 0 &&
                  check_rounding(&c, &k, 2000, 1) == 0 &&
                  check_widening(&c, &k, 200, 2) == 0;
        printf("%s - weights in blocks of 256, %s\n", ok ? "ok" : "not ok",
               math_isa_name(i));
        bad += !ok;
    }
    return bad != 0;
}
