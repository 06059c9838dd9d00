/* infill.h - prompts for models that fill in what is missing between two texts.
 *
 * Such a model was trained on documents cut in three and joined in another order, with
 * tokens of its own between the parts (Bavarian et al., "Efficient Training of Language
 * Models to Fill in the Middle", 2022). docs/text.md lists the names that are known. */
#ifndef GLASS_INFILL_H
#define GLASS_INFILL_H

#include "glass/tokenizer.h"
GLASS_BEGIN

/* With P, S and M the model's tokens for prefix, suffix and middle:
 *   PSM  P prefix S suffix M        SPM  P S suffix M prefix
 * Both begin with BOS if the model's texts do. */
typedef enum glass_infill_order { GLASS_PSM = 0, GLASS_SPM = 1 } glass_infill_order;

typedef struct glass_infill_options {
    glass_infill_order order;
    int64_t n_most; /* tokens of the prompt at most; 0 = as many as there are */
} glass_infill_options;

typedef struct glass_infill {
    int32_t *ids; /* owned; glass_infill_clear */
    int64_t n;
    int64_t n_prefix, n_suffix;     /* of them, the two texts' */
    int64_t prefix_cut, suffix_cut; /* left out of the prefix's front, the suffix's end */
} glass_infill;

/* Whether the vocabulary has the three tokens. GLASS_BAD_INPUT says which are looked for. */
GLASS_API glass_status glass_infill_check(const glass_tokenizer *tokenizer);
/* The prompt for what stands between prefix and suffix; control tokens in them are text.
 * options may be NULL. What does not fit n_most goes: the suffix keeps at least a quarter of
 * the room, the prefix three, or all that the other leaves. GLASS_BAD_INPUT: the vocabulary
 * has no such tokens, or n_most has no room for them. *out holds nothing then. */
GLASS_API glass_status glass_infill_tokens(glass_infill *out,
                                           const glass_tokenizer *tokenizer,
                                           const char *prefix, size_t n_prefix_bytes,
                                           const char *suffix, size_t n_suffix_bytes,
                                           const glass_infill_options *options);
GLASS_API void glass_infill_clear(glass_infill *infill);
/* Whether a token ends what is filled in: those of glass_tokenizer_is_end, padding, and what
 * begins another file or repository. */
GLASS_API bool glass_infill_is_end(const glass_tokenizer *tokenizer, int32_t id);

GLASS_END
#endif
