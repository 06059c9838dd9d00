/* quant_mix.h - which tensor of a model gets which number type. */
#ifndef MODEL_QUANT_MIX_H
#define MODEL_QUANT_MIX_H

#include "format/gguf.h"
#include "glass/quantize.h"

struct mix; /* one of the mixes: a constant */

/* By name, any case. GLASS_USAGE lists them. */
glass_status mix_find(const struct mix **out, const char *name);
/* general.file_type of files made with it. */
uint32_t mix_file_type(const struct mix *mix);
/* True if the mix is of no use without importance. */
bool mix_wants_importance(const struct mix *mix);

/* What the choice depends on besides the tensor. */
struct mix_model {
    const struct mix *mix;
    const struct gguf *file;
    int64_t n_layer, n_group; /* query heads to a key/value head */
    bool tied, important, large_llama;
};
void mix_model_read(struct mix_model *out, const struct mix *mix, const struct gguf *file,
                    bool important);

/* True for tensors that are quantised at all: matrices that are no norms, positions, … */
bool mix_takes(const struct gguf_tensor *t);
/* The type for tensor t (that mix_takes), which the file holds. */
glass_dtype mix_choose(const struct mix_model *m, const struct gguf_tensor *t, bool pure);
/* The type itself if it can hold rows of `width`, else the next best. */
glass_dtype mix_fitting(glass_dtype type, int64_t width);

#endif
