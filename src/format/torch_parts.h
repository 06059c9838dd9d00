/* torch_parts.h - what the readers of PyTorch's files share; nobody else includes it.
 *
 * torch.c reads the two containers and walks what was saved; torch_tensor.c makes tensors of
 * the calls that it finds. */
#ifndef FORMAT_TORCH_PARTS_H
#define FORMAT_TORCH_PARTS_H

#include "format/archive_parts.h"
#include "format/pickle.h"
#include "format/zip.h"

enum { TORCH_SPARE_COPY = 1 << 20 };

enum torch_role {
    TORCH_OTHER, /* harmless, and no tensor */
    TORCH_STORAGE,
    TORCH_DTYPE,
    TORCH_TENSOR,    /* _rebuild_tensor(storage, offset, size, stride) */
    TORCH_TENSOR_V2, /* … requires_grad, backward_hooks[, metadata]) */
    TORCH_TENSOR_V3, /* … requires_grad, backward_hooks, dtype[, metadata]) */
    TORCH_PARAMETER  /* _rebuild_parameter(tensor, …) */
};

/* Every name that may stand in a pickle; the tag is a place in torch_meanings. */
extern const struct pickle_global torch_globals[];
extern const int torch_n_globals;
extern const struct torch_meaning {
    enum torch_role role;
    int bytes; /* of one element, of a storage or a dtype; 0: the storage does not say */
    bool known;
    glass_dtype dtype;
    const char *label;
} torch_meanings[];

/* The bytes of one storage of a legacy file. */
struct torch_storage {
    const char *key;
    size_t n_key;
    const struct torch_meaning *type;
    int64_t numel;
    const uint8_t *data; /* NULL until its place is known */
    size_t n_bytes;
};

struct torch_file {
    struct archive *a;
    const char *path;
    struct pickle pickle;           /* of the object that was saved */
    const struct zip *zip;          /* or NULL: a legacy file with… */
    struct buf folder;              /* "archive/data/" in front of a storage's key */
    struct torch_storage *storages; /* … these, by key */
    size_t n_storages;
    size_t n_copied; /* bytes of tensors that had to be put in order */
    size_t n_names;
};

/* What a persistent id says: ('storage', type, key, location, elements[, view]). */
struct torch_id {
    const struct torch_meaning *type;
    const char *key;
    size_t n_key;
    int64_t numel;
};

const struct torch_meaning *torch_meaning_of(const struct pickle_node *call);
glass_status torch_read_id(struct torch_file *f, const struct pickle_node *saved,
                           struct torch_id *out);
/* The storage of a key in a legacy file; NULL if there is none. */
struct torch_storage *torch_find_storage(const struct torch_file *f, const char *key,
                                         size_t n_key);
/* Adds the tensor that this call makes to the archive. */
glass_status torch_add_tensor(struct torch_file *f, const struct pickle_node *call,
                              const char *name, size_t n_name);
/* "FILE: what at byte N of data.pkl". */
glass_status torch_bad(const struct torch_file *f, const struct pickle_node *node,
                       const char *what);

#endif
