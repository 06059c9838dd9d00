/* train_neon.c - rows of training as the compiler makes them for neon. */
#define TRAIN_FILL train_fill_neon
#include "math/train_rows.inc"
