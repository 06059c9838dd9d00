/* shape.h - a new model, from a recipe's shape and a tokenizer. */
#ifndef TRAIN_SHAPE_H
#define TRAIN_SHAPE_H

#include "model/model.h"
#include "train/params.h"
#include "train/recipe.h"

/* A model whose weights are all zeros, which take no memory to speak of: shape_fill gives a
 * trainer's parameters their first values. Fills in r->n_ff where the recipe does not say it.
 * GLASS_BAD_INPUT: the family is none that can be made, or the numbers do not fit. */
glass_status shape_model(struct glass_model **out, struct recipe *r);
/* Matrices and embeddings are normal(0, deviation), those that end a residual branch
 * (attn_output, ffn_down) normal(0, deviation / sqrt(2 n_layer)); norms are 1, biases 0. Element j
 * of registry entry i is Philox's element j of stream (seed, i + 1), times the deviation,
 * rounded once. */
void shape_fill(const struct params *p, const struct recipe *r);

#endif
