/* reference.h - the one transformer in binary64, and its loss: plain, slow, and apart from the
 * code that it tests. For derivatives by differences (test_differences.c). */
#ifndef TESTS_TRAIN_REFERENCE_H
#define TESTS_TRAIN_REFERENCE_H

#include "train/trainer.h"

/* Mean of the weighted cross-entropies and z-losses of a micro-batch, with values (n_floats) in
 * place of p->values. */
double reference_loss(const struct params *p, const double *values,
                      const struct micro_batch *batch, double z, double factor);

#endif
