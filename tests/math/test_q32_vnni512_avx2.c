/* test_q32_vnni512_avx2.c - the same as test_q32_512_avx2.c for the products with VNNI. */
#include "simde512_q32.h"

#define q32_fill_avx512vnni q32_fill_emulated
#include "math/x86/q32_avx512vnni.c"

#include "emulated_q32.h"
