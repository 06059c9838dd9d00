/* check_attn_rows.c - holds the SIMD rows of list_attn.def to the definition, with nothing
 * but the C library: for emulators (tests/math/test_neon.sh). One TAP line for each set. */
#include "../math/attn_check.h"

int main(void) {
    struct math_kernels c, k;
    int bad = 0;
    math_fill(&c, 0);
    for (int i = 1; i < math_n_isas(); i++) {
        math_fill(&k, i);
        bool ok = check_products(&c, &k, 600) && check_rounding(&c, &k, 20000);
        printf("%s - attention, %s\n", ok ? "ok" : "not ok", math_isa_name(i));
        bad += !ok;
    }
    return bad != 0;
}
