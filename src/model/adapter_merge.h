/* adapter_merge.h - adapters added to a model's weights for good: W + scale · B A. */
#ifndef MODEL_ADAPTER_MERGE_H
#define MODEL_ADAPTER_MERGE_H

#include "glass/adapter.h"

struct adapter_merge;

/* The adapters must be of this model; both must outlive it. GLASS_BAD_INPUT: an adapter has
 * a part for the head, which is the embedding. GLASS_USAGE as glass_session_set_adapters. */
glass_status adapter_merge_create(struct adapter_merge **out, const glass_model *model,
                                  const glass_adapter_use *uses, int n);
void adapter_merge_free(struct adapter_merge *merge);
/* Whether an adapter changes this tensor, by its canonical name; merge may be NULL. */
bool adapter_merge_has(const struct adapter_merge *merge, const char *tensor);
/* Canonical rows first … first+n-1 of such a tensor, w (n, k): per adapter, in order,
 * w = fma(scale, d, w), d the product of B's row and A over the rank. */
glass_status adapter_merge_rows(struct adapter_merge *merge, const char *tensor, float *w,
                                int64_t first, int64_t n);

#endif
