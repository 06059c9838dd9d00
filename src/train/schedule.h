/* schedule.h - the learning rate of a step, and all that a recipe says of it.
 *
 * In binary64; the cosine is that of a binary32 argument, correctly rounded (math/functions.h), so
 * that the rate has the same bits everywhere. Step t counts from 1, of S:
 *
 *   warmup    rate t / W, for t <= W
 *   then, with p = (t - W) / (S - W):
 *   constant  rate
 *   linear    rate (1 - (1 - final) p)
 *   cosine    rate (final + (1 - final) (1 + cos(pi p)) / 2)
 *   wsd       rate up to step S - D, then linear to rate final over D steps */
#ifndef TRAIN_SCHEDULE_H
#define TRAIN_SCHEDULE_H

#include "train/optimizer.h"
#include "train/recipe.h"

double schedule_rate(const struct recipe *r, int64_t step);
/* What an optimiser is told; Muon's rate goes the same way. */
struct optimizer_options schedule_options(const struct recipe *r, int64_t step);

#endif
