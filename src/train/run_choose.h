/* run_choose.h - documents of a run by their names, as `glass trace` and `glass data` say them:
 *
 *   train-0:77          document 77 of that shard (train-0.safetensors:77, too)
 *   3f2a91c4…           8 digits or more of the SHA-256 of a text or a record
 *   letter.txt          a file: documents whose tokens are those of its text
 *   licence:GPL-3.0*    all whose records say so; also source, path, title, author, made_by, url
 *
 * Hashes and fields are those of NAME.documents.jsonl beside a packed shard; of a shard without it
 * the text's file is the source. */
#ifndef TRAIN_RUN_CHOOSE_H
#define TRAIN_RUN_CHOOSE_H

#include "train/run_parts.h"

/* What is chosen of one shard. */
struct choice {
    int64_t *documents; /* (n) ascending */
    uint8_t *digests;   /* (n, 32) of left_out_digest */
    int64_t n;
};

/* *out (run->n_shards), to be freed. run: with its shards, and a model's tokenizer. GLASS_USAGE: a
 * name is none of a document, or of documents with different texts. */
glass_status run_choose(struct choice **out, const struct glass_run *run,
                        const char *const *names, int64_t n_names);
void run_choice_free(struct choice *list, int64_t n_shards);

/* Adds what is known of every chosen document. */
glass_status run_describe(glass_without_document **out, int64_t *n,
                          const struct choice *list, const struct glass_run *run);

#endif
