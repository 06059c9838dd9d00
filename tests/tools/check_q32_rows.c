/* check_q32_rows.c - holds the SIMD rows of list_q32.def to the definition, with nothing
 * but the C library: for emulators (tests/math/test_neon.sh). One TAP line for each set. */
#include "../math/check_q32.h"

int main(void) {
    struct math_kernels c, k;
    int bad = 0;
    math_fill(&c, 0);
    for (int i = 1; i < math_n_isas(); i++) {
        math_fill(&k, i);
        bool ok = check_products(&c, &k, 60, 3) == 0 &&
                  check_rounding(&c, &k, 5000, 1) == 0 &&
                  check_widening(&c, &k, 300, 2) == 0;
        printf("%s - weights in blocks of 32, %s\n", ok ? "ok" : "not ok",
               math_isa_name(i));
        bad += !ok;
    }
    return bad != 0;
}
