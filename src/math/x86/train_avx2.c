/* train_avx2.c - rows of training as the compiler makes them for avx2. */
#define TRAIN_FILL train_fill_avx2
#include "math/train_rows.inc"
