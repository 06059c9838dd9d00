/* torch.c - reads what torch.save writes: zip archives and, before version 1.6, pickles one
 * after the other with the storages' bytes behind them.
 *
 * Source: torch/serialization.py of the PyTorch project. */
#include "format/torch_parts.h"

#include <stdlib.h>

enum {
    MAX_DEPTH = 32, /* of dicts in dicts */
    IN_PROGRESS = 1,
    WITHOUT_TENSORS,
    WITH_TENSORS
};

/* ---- the walk: dicts, lists and tuples become dotted names ---- */

static glass_status walk(struct torch_file *f, const struct pickle_value *v,
                         struct buf *name, int depth);

static glass_status append_key(struct torch_file *f, struct buf *name,
                               const struct pickle_node *dict,
                               const struct pickle_value *key) {
    if (name->len > 0) TRY(buf_byte(name, '.'));
    if (key->kind == PICKLE_INT)
        return buf_printf(name, "%lld", (long long)key->as.integer);
    if (key->kind != PICKLE_TEXT)
        return torch_bad(f, dict, "refused: a key that is neither text nor integer");
    if (key->n_text > ARCHIVE_MAX_NAME)
        return torch_bad(f, dict, "a tensor's name that is too long");
    return buf_append(name, key->as.text, key->n_text);
}

static bool may_hold_tensors(const struct pickle_value *v) {
    switch (v->kind) {
    case PICKLE_CALL: return torch_meaning_of(v->as.node)->role != TORCH_OTHER;
    case PICKLE_TUPLE:
    case PICKLE_LIST:
    case PICKLE_DICT: return v->as.node != NULL && v->as.node->n > 0;
    default: return false;
    }
}

static glass_status walk_items(struct torch_file *f, const struct pickle_value *v,
                               struct buf *name, int depth) {
    const struct pickle_node *node = v->as.node;
    bool is_dict = v->kind == PICKLE_DICT;
    size_t n_before = name->len;
    for (uint32_t i = 0; i < node->n; i += is_dict ? 2 : 1) {
        struct pickle_value place = {.kind = PICKLE_INT, .as.integer = i};
        const struct pickle_value *item = &node->items[is_dict ? i + 1 : i];
        if (!may_hold_tensors(item)) continue;
        TRY(append_key(f, name, node, is_dict ? &node->items[i] : &place));
        TRY(walk(f, item, name, depth + 1));
        name->len = n_before;
    }
    return GLASS_OK;
}

/* A container is walked once, so that the names are no more than the pickle's bytes. */
static glass_status walk_container(struct torch_file *f, const struct pickle_value *v,
                                   struct buf *name, int depth) {
    struct pickle_node *node = v->as.node;
    if (depth == MAX_DEPTH) return torch_bad(f, node, "refused: dicts nested too deep");
    if (node->mark == IN_PROGRESS)
        return torch_bad(f, node, "refused: a container that contains itself");
    if (node->mark == WITH_TENSORS)
        return torch_bad(f, node,
                         "refused: a container of tensors that stands in two places");
    if (node->mark == WITHOUT_TENSORS) return GLASS_OK;
    size_t n_before = f->a->n_tensors;
    node->mark = IN_PROGRESS;
    TRY(walk_items(f, v, name, depth));
    node->mark = f->a->n_tensors > n_before ? WITH_TENSORS : WITHOUT_TENSORS;
    return GLASS_OK;
}

static glass_status walk(struct torch_file *f, const struct pickle_value *v,
                         struct buf *name, int depth) {
    if (!may_hold_tensors(v)) return GLASS_OK;
    if (v->kind != PICKLE_CALL) return walk_container(f, v, name, depth);
    /* Names cost little in a pickle that shares them: a real one takes more than a hundred
     * bytes for a tensor. */
    f->n_names += name->len;
    if (f->n_names > 8 * f->pickle.n_bytes)
        return torch_bad(f, v->as.node, "refused: longer names than such a file justifies");
    if (name->len == 0) return torch_add_tensor(f, v->as.node, "tensor", 6);
    return torch_add_tensor(f, v->as.node, name->data, name->len);
}

static glass_status walk_root(struct torch_file *f) {
    struct buf name = {0};
    glass_status status = walk(f, &f->pickle.root, &name, 0);
    buf_free(&name);
    return status;
}

/* ---- zip archives ---- */

static bool ends_with(const struct zip_entry *e, const char *ending) {
    size_t n = strlen(ending);
    return e->n_name > n && memcmp(e->name + e->n_name - n, ending, n) == 0;
}

/* The archive is one folder, named after the file; data.pkl is at its top. */
static const struct zip_entry *find_data(const struct zip *zip) {
    for (size_t i = 0; i < zip->n; i++) {
        const struct zip_entry *e = &zip->entries[i];
        if (ends_with(e, "/data.pkl") && memchr(e->name, '/', e->n_name - 9) == NULL)
            return e;
    }
    return NULL;
}

/* FOLDER/name, or NULL. */
static glass_status find_beside(struct torch_file *f, const struct zip_entry *data,
                                const char *name, const struct zip_entry **out) {
    struct buf path = {0};
    *out = NULL;
    glass_status status = buf_append(&path, data->name, data->n_name - strlen("data.pkl"));
    if (status == GLASS_OK) status = buf_text(&path, name);
    if (status == GLASS_OK) *out = zip_find(f->zip, path.data, path.len);
    buf_free(&path);
    return status;
}

static glass_status check_kind(struct torch_file *f, const struct zip_entry *data) {
    const struct zip_entry *order, *script;
    TRY(find_beside(f, data, "constants.pkl", &script));
    if (script != NULL)
        return fail(GLASS_BAD_INPUT,
                    "%s: a TorchScript program, not a file of tensors; save the model's "
                    "state_dict instead",
                    f->path);
    TRY(find_beside(f, data, "byteorder", &order));
    if (order == NULL || (order->n_bytes == 6 && memcmp(order->data, "little", 6) == 0))
        return GLASS_OK;
    if (order->n_bytes == 3 && memcmp(order->data, "big", 3) == 0)
        return fail(
            GLASS_BAD_INPUT,
            "%s: byteorder is \"big\": the tensors are big-endian, which Glass does "
            "not read",
            f->path);
    return fail(GLASS_BAD_INPUT, "%s: byteorder is neither \"little\" nor \"big\"",
                f->path);
}

static glass_status read_zip(struct torch_file *f) {
    const struct zip_entry *data = find_data(f->zip);
    if (data == NULL)
        return fail(GLASS_BAD_INPUT,
                    "%s: a zip archive without a data.pkl, so not one of torch.save",
                    f->path);
    TRY(check_kind(f, data));
    TRY(buf_append(&f->folder, data->name, data->n_name - strlen("data.pkl")));
    TRY(buf_text(&f->folder, "data/"));
    TRY(pickle_open(&f->pickle, data->data, data->n_bytes, torch_globals, torch_n_globals,
                    f->path, "data.pkl"));
    if (f->pickle.n_bytes != data->n_bytes)
        return fail(GLASS_BAD_INPUT, "%s: bytes after the end of the pickle data.pkl",
                    f->path);
    return walk_root(f);
}

static void clear(struct torch_file *f) {
    pickle_close(&f->pickle);
    buf_free(&f->folder);
    mem_free(f->storages);
}

glass_status archive_read_torch_zip(struct archive *a) {
    struct archive_part *part = &a->parts[a->n_parts - 1];
    struct torch_file f = {.a = a, .path = part->path};
    struct zip zip;
    part->kind = "PyTorch";
    TRY(zip_open(&zip, part->map.data, part->map.size, part->path));
    f.zip = &zip;
    glass_status status = read_zip(&f);
    clear(&f);
    zip_close(&zip);
    return status;
}

/* ---- before 1.6 ---- */

/* One pickle at *pos, which moves behind it. */
static glass_status next_pickle(struct pickle *out, const struct torch_file *f, size_t *pos,
                                const char *member) {
    const struct archive_part *part = &f->a->parts[f->a->n_parts - 1];
    TRY(pickle_open(out, part->map.data + *pos, part->map.size - *pos, torch_globals,
                    torch_n_globals, f->path, member));
    *pos += out->n_bytes;
    return GLASS_OK;
}

/* The magic number was seen; then come a version and facts about the machine. */
static glass_status read_prologue(struct torch_file *f, size_t *pos) {
    struct pickle p;
    TRY(next_pickle(&p, f, pos, "the magic number"));
    pickle_close(&p);
    TRY(next_pickle(&p, f, pos, "the version"));
    bool good = p.root.kind == PICKLE_INT && p.root.as.integer == 1001;
    pickle_close(&p);
    if (!good)
        return fail(GLASS_BAD_INPUT,
                    "%s: byte %zu: another version than 1001, the only one", f->path, *pos);
    TRY(next_pickle(&p, f, pos, "the system's description"));
    const struct pickle_value *little = pickle_get(&p.root, "little_endian");
    good = little != NULL && little->kind == PICKLE_BOOL && little->as.integer == 1;
    pickle_close(&p);
    if (!good)
        return fail(GLASS_BAD_INPUT,
                    "%s: byte %zu: little_endian is not true: the tensors are big-endian, "
                    "which Glass does not read",
                    f->path, *pos);
    return GLASS_OK;
}

static int by_key(const void *a, const void *b) {
    const struct torch_storage *x = a, *y = b;
    size_t n = x->n_key < y->n_key ? x->n_key : y->n_key;
    int order = memcmp(x->key, y->key, n);
    if (order != 0) return order;
    return x->n_key < y->n_key ? -1 : x->n_key > y->n_key;
}

/* The storages that the object names, each once. */
static glass_status list_storages(struct torch_file *f) {
    size_t n = 0, n_kept = 0;
    for (const struct pickle_node *node = f->pickle.nodes; node != NULL; node = node->next)
        n += node->kind == PICKLE_SAVED;
    TRY(mem_alloc(&f->storages, n, sizeof *f->storages));
    for (const struct pickle_node *node = f->pickle.nodes; node != NULL;
         node = node->next) {
        struct torch_id id;
        if (node->kind != PICKLE_SAVED) continue;
        TRY(torch_read_id(f, node, &id));
        f->storages[f->n_storages++] =
            (struct torch_storage){id.key, id.n_key, id.type, id.numel, NULL, 0};
    }
    if (n > 0) qsort(f->storages, n, sizeof *f->storages, by_key);
    for (size_t i = 0; i < n; i++) {
        struct torch_storage *s = &f->storages[i];
        if (n_kept > 0 && by_key(s, &f->storages[n_kept - 1]) == 0) {
            const struct torch_storage *kept = &f->storages[n_kept - 1];
            if (s->type != kept->type || s->numel != kept->numel)
                return fail(GLASS_BAD_INPUT,
                            "%s: the storage \"%.*s\" has two types or sizes", f->path,
                            (int)s->n_key, s->key);
            continue;
        }
        f->storages[n_kept++] = *s;
    }
    f->n_storages = n_kept;
    return GLASS_OK;
}

/* The bytes of one storage: its number of elements, then they. */
static glass_status read_storage(struct torch_file *f, struct reader *r,
                                 const struct pickle_value *key) {
    uint64_t numel;
    size_t n_bytes, pos = r->pos;
    if (key->kind != PICKLE_TEXT)
        return fail(GLASS_BAD_INPUT, "%s: a storage's key that is no text", f->path);
    struct torch_storage *s = torch_find_storage(f, key->as.text, key->n_text);
    if (s == NULL || s->data != NULL)
        return fail(GLASS_BAD_INPUT,
                    "%s: byte %zu: the bytes of a storage that no tensor has, or that came "
                    "before",
                    f->path, pos);
    TRY(reader_u64(r, &numel, "a storage's size"));
    size_t element_bytes = s->type->bytes > 0 ? (size_t)s->type->bytes : 1;
    if (numel != (uint64_t)s->numel || !mem_mul(&n_bytes, (size_t)numel, element_bytes))
        return fail(GLASS_BAD_INPUT,
                    "%s: byte %zu: a storage of %llu elements, where the pickle says %lld",
                    f->path, pos, (unsigned long long)numel, (long long)s->numel);
    TRY(reader_bytes(r, &s->data, n_bytes, "a storage"));
    s->n_bytes = n_bytes;
    return GLASS_OK;
}

static glass_status read_storages(struct torch_file *f, size_t pos) {
    const struct archive_part *part = &f->a->parts[f->a->n_parts - 1];
    struct pickle keys;
    glass_status status = GLASS_OK;
    TRY(list_storages(f));
    TRY(next_pickle(&keys, f, &pos, "the list of storages"));
    struct reader r = {part->map.data, part->map.size, pos, f->path};
    if (keys.root.kind != PICKLE_LIST)
        status = fail(GLASS_BAD_INPUT, "%s: byte %zu: no list of storages", f->path, pos);
    for (uint32_t i = 0; status == GLASS_OK && i < keys.root.as.node->n; i++)
        status = read_storage(f, &r, &keys.root.as.node->items[i]);
    if (status == GLASS_OK && reader_left(&r) > 0)
        status = fail(GLASS_BAD_INPUT, "%s: byte %zu: bytes after the last storage",
                      f->path, r.pos);
    pickle_close(&keys);
    return status;
}

static glass_status read_legacy(struct torch_file *f) {
    size_t pos = 0;
    TRY(read_prologue(f, &pos));
    TRY(next_pickle(&f->pickle, f, &pos, "the object"));
    TRY(read_storages(f, pos));
    return walk_root(f);
}

glass_status archive_read_torch_legacy(struct archive *a) {
    struct archive_part *part = &a->parts[a->n_parts - 1];
    struct torch_file f = {.a = a, .path = part->path};
    part->kind = "PyTorch before 1.6";
    glass_status status = read_legacy(&f);
    clear(&f);
    return status;
}
