/* train_avx512.c - rows of training as the compiler makes them for avx512. */
#define TRAIN_FILL train_fill_avx512
#include "math/train_rows.inc"
