/* test_q32_512_avx2.c - the AVX-512 products with 32-block weights and the rounding, compiled
 * against SIMDe's emulation, so that machines without AVX-512 hold them to the definition
 * too. (The file's name makes the build allow AVX2, which the emulation uses.) */
#include "simde512_q32.h"

#define q32_fill_avx512 q32_fill_emulated
#include "math/x86/q32_avx512.c"

#include "emulated_q32.h"
