/* store.h - where models are on this machine, and what their names mean.
 *
 * Glass's own store is the folder models/ of path_data(). Looked through as well, without
 * changing anything: the caches of the Hugging Face hub, llama.cpp and Ollama. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/buf.h"

struct store_entry {
    char *name;        /* what may be given as MODEL; owned */
    char *path;        /* owned */
    const char *place; /* "glass", "huggingface", "llama.cpp", "ollama"; static */
    int64_t n_bytes;
    bool folder; /* of a model's files, as Hugging Face or Meta publish them */
};

struct store_listing {
    struct store_entry *entries; /* by place, then name */
    int64_t n;
};

/* Every model file and folder found. Folders that are missing or unreadable count as empty. */
glass_status store_list(struct store_listing *out);
void store_listing_clear(struct store_listing *listing);

/* The path behind a MODEL argument (mem_free it): a path that exists, a name of the listing
 * (any case, with or without ".gguf", or a beginning of it that fits one model only), the newest
 * checkpoint of a run's folder, or
 * "user/model:QUANT". GLASS_BAD_INPUT says what there is when nothing, or too much, fits. */
glass_status store_resolve(char **path, const char *name);

#endif
