/* tok_index.h - the pieces of a source by their text, for the writers. */
#ifndef TEXT_TOK_INDEX_H
#define TEXT_TOK_INDEX_H

#include "text/tokenizer.h"

struct tok_index {
    const struct tok_source *source;
    int32_t *slots; /* open addressing, -1 = free; NULL when nothing was built */
    uint32_t mask;
};

/* The source must stay as it is. On failure there is nothing to free. */
glass_status tok_index_build(struct tok_index *index, const struct tok_source *source);
void tok_index_free(struct tok_index *index);
/* The least id of this text, -1 if there is none. */
int32_t tok_index_find(const struct tok_index *index, const char *text, size_t n_bytes);

/* The parts of merge i; false if it has not two. */
bool tok_merge_parts(const struct tok_source *source, int64_t i, struct gguf_string *left,
                     struct gguf_string *right);

/* The merges that the scores of a SentencePiece vocabulary mean, written into out, which is
 * empty, and which the caller clears. */
glass_status tok_spm_merges(struct tok_source *out, const struct tok_source *source);

#endif
