/* train_c.c - rows of training as the compiler makes them for any machine. */
#define TRAIN_FILL train_fill_c
#include "math/train_rows.inc"
