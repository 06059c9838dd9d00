/* pack.h - a folder of packed shards, named by a root: what `glass data pack` writes and a recipe
 * names ("data: - shards: FOLDER, root: HEX").
 *
 * pack.json lists the corpora by their roots, the tokenizer's digest and the shards by their
 * SHA-256. The pack's root is SHA-256 of the text
 *
 *   glass pack 1\ntokenizer HEX\n
 *   corpus ROOT weight W policy NAME\n          for each corpus
 *   shard SHA256 corpus I\n                     for each shard; I = -1: held out, of all corpora
 *
 * where NAME has every blank and control byte replaced by '_'. */
#ifndef TRAIN_PACK_H
#define TRAIN_PACK_H

#include "base/buf.h"
#include "glass/tokenizer.h"

struct pack_corpus {
    char *name; /* as it was called; says nothing of what it is */
    uint8_t root[32];
    double weight;
    char *policy; /* "" = all that is in it */
};

struct pack_shard {
    char *file; /* in the folder, "0-00000.safetensors" */
    int64_t corpus;
    int64_t n_documents, n_tokens, n_bytes; /* n_bytes: of the text */
    uint8_t sha256[32];
};

struct pack {
    uint8_t root[32], tokenizer[32];
    struct pack_corpus *corpora;
    int64_t n_corpora;
    struct pack_shard *shards;
    int64_t n_shards;
};

/* Of what a tokenizer does: its pieces, BOS and EOS, and how it encodes a text that all kinds of
 * rules show in. Not of the file that it came from. */
glass_status pack_tokenizer(uint8_t digest[32], const glass_tokenizer *tokenizer);
/* Sets p->root, and writes pack.json, the last file of a pack. */
glass_status pack_write(struct pack *p, const char *folder);
/* Reads it, and checks that the root is that of what it says. */
glass_status pack_read(struct pack *out, const char *folder);
void pack_clear(struct pack *p);

#endif
