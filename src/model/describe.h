/* describe.h - what a model file says about itself, as text. */
#ifndef MODEL_DESCRIBE_H
#define MODEL_DESCRIBE_H

#include "model/model.h"

/* Fills meta, n_meta, name, license, dtype_mix, n_params, weight_bytes and fingerprint from
 * model->file. On failure what was filled in stays the model's to free. */
glass_status describe_model(struct glass_model *model);
void describe_clear(struct glass_model *model);

#endif
