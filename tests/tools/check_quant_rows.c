/* check_quant_rows.c - holds the SIMD rows of list_quant.def to the definition, with nothing
 * but the C library: for emulators (tests/math/test_neon.sh). One TAP line for each set. */
#include "../math/check_quant.h"

int main(void) {
    struct math_kernels c, k;
    int bad = 0;
    math_fill(&c, 0);
    for (int i = 1; i < math_n_isas(); i++) {
        math_fill(&k, i);
        bool ok = check_quant_table(&c, &k);
        if (!ok) printf("# %s\n", check_message);
        printf("%s - weights to blocks, %s\n", ok ? "ok" : "not ok", math_isa_name(i));
        bad += !ok;
    }
    return bad != 0;
}
