/* llama2c.h - the files of llama2.c: a .bin model's header, and its tokenizer.bin.
 *
 * archive_open presents such a model as an archive of Meta's names: tok_embeddings.weight,
 * layers.N.attention_norm.weight, .attention.{wq,wk,wv,wo}.weight, .ffn_norm.weight,
 * .feed_forward.{w1,w2,w3}.weight, norm.weight, and output.weight where it is not shared.
 * Version 0 has no magic number: it is told by a size that its header explains to the byte.
 * Version 2 holds 8-bit integers: X.weight is I8 and X.scales F32, one for each group of
 * weights in the order in which they lie. Source: export.py and run.c of the llama2.c
 * project. */
#ifndef FORMAT_LLAMA2C_H
#define FORMAT_LLAMA2C_H

#include "base/fail.h"

struct archive;

struct llama2c_header {
    int version; /* 0, 1, 2 */
    int64_t dim, hidden_dim, n_layers, n_heads, n_kv_heads, n_vocab, n_ctx;
    bool shared;   /* the output is the embedding */
    int64_t group; /* weights to a scale; 0 but in version 2 */
};

/* The header of a llama2.c model; NULL if the archive is none. */
const struct llama2c_header *archive_llama2c(const struct archive *a);

struct llama2c_vocab; /* borrows nothing from the file */

/* tokenizer.bin: pieces with scores, in the order of their ids. */
glass_status llama2c_vocab_open(struct llama2c_vocab **out, const char *path);
glass_status llama2c_vocab_open_memory(struct llama2c_vocab **out, const void *bytes,
                                       size_t n_bytes, const char *name);
void llama2c_vocab_close(struct llama2c_vocab *v);
int64_t llama2c_vocab_n(const struct llama2c_vocab *v);
/* Piece id's bytes, NUL-terminated but may hold NULs, and its score. */
const char *llama2c_vocab_piece(const struct llama2c_vocab *v, int64_t id, size_t *n_bytes,
                                float *score);

#endif
