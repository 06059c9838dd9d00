/* export.h - parameters in training as a model file. */
#ifndef TRAIN_EXPORT_H
#define TRAIN_EXPORT_H

#include "model/model.h"
#include "train/params.h"

/* A GGUF file of F32 tensors with the keys and the tensor names of `model`, of which p are the
 * parameters; tensors that do not train are copied. tokenizer: a file or folder to take the
 * vocabulary from where the model's own keys have none; may be NULL. */
glass_status export_gguf(const char *path, const struct glass_model *model,
                         const struct params *p, const char *tokenizer);

#endif
