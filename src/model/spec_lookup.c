/* spec_lookup.c - proposals from what was said before: texts that quote, edit or repeat come
 * back to the same runs of tokens (Saxena, "Prompt Lookup Decoding", 2023). */
#include "model/spec.h"

/* Runs are compared up to this length; longer ones are not surer. */
enum { LONGEST_RUN = 16 };

void spec_lookup(struct spec_proposal *p, const int32_t *tokens, int64_t n, int64_t least,
                 int64_t most) {
    const int32_t *last = tokens + n - 1;
    int64_t best = 0, after = 0;
    p->source = SPEC_LOOKUP;
    p->n = 0;
    for (int64_t end = n - 1; end > 0 && best < LONGEST_RUN; end--) {
        /* The run before tokens[end]. */
        int64_t length = 0, limit = end < LONGEST_RUN ? end : LONGEST_RUN;
        while (length < limit && tokens[end - 1 - length] == last[-length]) length++;
        if (length <= best) continue;
        best = length;
        after = end;
    }
    if (best < least) return;
    for (int64_t i = 0; i < most; i++) {
        /* What repeats itself goes on into what is proposed. */
        int64_t from = after + i;
        p->ids[i] = from < n ? tokens[from] : p->ids[from - n];
        p->bins[i] = (uint8_t)spec_bin_lookup(best + i);
        p->n++;
    }
}
