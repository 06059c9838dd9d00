/* torch_tensor.c - makes tensors of the calls in a pickle of PyTorch: the names that may stand
 * there, what storages they point into, and other orders in memory than the shape's.
 *
 * Source: torch/_utils.py and torch/serialization.py of the PyTorch project. */
#include "format/torch_parts.h"

enum { MAX_KEY = 64 /* bytes of a storage's key */ };

enum {
    T_OTHER,
    T_FLOAT,
    T_DOUBLE,
    T_HALF,
    T_BFLOAT16,
    T_LONG,
    T_INT,
    T_SHORT,
    T_CHAR,
    T_BYTE,
    T_BOOL,
    T_CFLOAT,
    T_CDOUBLE,
    T_UNTYPED,
    T_TENSOR,
    T_TENSOR_V2,
    T_TENSOR_V3,
    T_PARAMETER,
    D_F32,
    D_F64,
    D_F16,
    D_BF16,
    D_I64,
    D_I32,
    D_I16,
    D_I8,
    D_U8,
    D_U16,
    D_U32,
    D_U64,
    D_BOOL,
    D_F8_E4M3,
    D_F8_E5M2,
    D_F8_E4M3FNUZ,
    D_F8_E5M2FNUZ,
    D_F8_E8M0
};

const struct torch_meaning torch_meanings[] = {
    [T_OTHER] = {TORCH_OTHER, 0, false, 0, ""},
    [T_FLOAT] = {TORCH_STORAGE, 4, true, GLASS_F32, "torch.FloatStorage"},
    [T_DOUBLE] = {TORCH_STORAGE, 8, true, GLASS_F64, "torch.DoubleStorage"},
    [T_HALF] = {TORCH_STORAGE, 2, true, GLASS_F16, "torch.HalfStorage"},
    [T_BFLOAT16] = {TORCH_STORAGE, 2, true, GLASS_BF16, "torch.BFloat16Storage"},
    [T_LONG] = {TORCH_STORAGE, 8, true, GLASS_I64, "torch.LongStorage"},
    [T_INT] = {TORCH_STORAGE, 4, true, GLASS_I32, "torch.IntStorage"},
    [T_SHORT] = {TORCH_STORAGE, 2, true, GLASS_I16, "torch.ShortStorage"},
    [T_CHAR] = {TORCH_STORAGE, 1, true, GLASS_I8, "torch.CharStorage"},
    [T_BYTE] = {TORCH_STORAGE, 1, false, 0, "torch.ByteStorage"},
    [T_BOOL] = {TORCH_STORAGE, 1, false, 0, "torch.BoolStorage"},
    [T_CFLOAT] = {TORCH_STORAGE, 8, false, 0, "torch.ComplexFloatStorage"},
    [T_CDOUBLE] = {TORCH_STORAGE, 16, false, 0, "torch.ComplexDoubleStorage"},
    [T_UNTYPED] = {TORCH_STORAGE, 0, false, 0, "torch.storage.UntypedStorage"},
    [T_TENSOR] = {TORCH_TENSOR, 0, false, 0, ""},
    [T_TENSOR_V2] = {TORCH_TENSOR_V2, 0, false, 0, ""},
    [T_TENSOR_V3] = {TORCH_TENSOR_V3, 0, false, 0, ""},
    [T_PARAMETER] = {TORCH_PARAMETER, 0, false, 0, ""},
    [D_F32] = {TORCH_DTYPE, 4, true, GLASS_F32, "torch.float32"},
    [D_F64] = {TORCH_DTYPE, 8, true, GLASS_F64, "torch.float64"},
    [D_F16] = {TORCH_DTYPE, 2, true, GLASS_F16, "torch.float16"},
    [D_BF16] = {TORCH_DTYPE, 2, true, GLASS_BF16, "torch.bfloat16"},
    [D_I64] = {TORCH_DTYPE, 8, true, GLASS_I64, "torch.int64"},
    [D_I32] = {TORCH_DTYPE, 4, true, GLASS_I32, "torch.int32"},
    [D_I16] = {TORCH_DTYPE, 2, true, GLASS_I16, "torch.int16"},
    [D_I8] = {TORCH_DTYPE, 1, true, GLASS_I8, "torch.int8"},
    [D_U8] = {TORCH_DTYPE, 1, false, 0, "torch.uint8"},
    [D_U16] = {TORCH_DTYPE, 2, false, 0, "torch.uint16"},
    [D_U32] = {TORCH_DTYPE, 4, false, 0, "torch.uint32"},
    [D_U64] = {TORCH_DTYPE, 8, false, 0, "torch.uint64"},
    [D_BOOL] = {TORCH_DTYPE, 1, false, 0, "torch.bool"},
    [D_F8_E4M3] = {TORCH_DTYPE, 1, false, 0, "torch.float8_e4m3fn"},
    [D_F8_E5M2] = {TORCH_DTYPE, 1, false, 0, "torch.float8_e5m2"},
    [D_F8_E4M3FNUZ] = {TORCH_DTYPE, 1, false, 0, "torch.float8_e4m3fnuz"},
    [D_F8_E5M2FNUZ] = {TORCH_DTYPE, 1, false, 0, "torch.float8_e5m2fnuz"},
    [D_F8_E8M0] = {TORCH_DTYPE, 1, false, 0, "torch.float8_e8m0fnu"},
};

const struct pickle_global torch_globals[] = {
    {"collections", "OrderedDict", true, T_OTHER},
    {"torch._utils", "_rebuild_tensor_v2", false, T_TENSOR_V2},
    {"torch._utils", "_rebuild_tensor_v3", false, T_TENSOR_V3},
    {"torch._utils", "_rebuild_tensor", false, T_TENSOR},
    {"torch._utils", "_rebuild_parameter", false, T_PARAMETER},
    {"torch._utils", "_rebuild_parameter_with_state", false, T_PARAMETER},
    {"torch", "FloatStorage", false, T_FLOAT},
    {"torch", "DoubleStorage", false, T_DOUBLE},
    {"torch", "HalfStorage", false, T_HALF},
    {"torch", "BFloat16Storage", false, T_BFLOAT16},
    {"torch", "LongStorage", false, T_LONG},
    {"torch", "IntStorage", false, T_INT},
    {"torch", "ShortStorage", false, T_SHORT},
    {"torch", "CharStorage", false, T_CHAR},
    {"torch", "ByteStorage", false, T_BYTE},
    {"torch", "BoolStorage", false, T_BOOL},
    {"torch", "ComplexFloatStorage", false, T_CFLOAT},
    {"torch", "ComplexDoubleStorage", false, T_CDOUBLE},
    {"torch.storage", "UntypedStorage", false, T_UNTYPED},
    {"torch", "Size", false, T_OTHER},
    {"torch", "device", false, T_OTHER},
    {"torch", "float32", false, D_F32},
    {"torch", "float64", false, D_F64},
    {"torch", "float16", false, D_F16},
    {"torch", "bfloat16", false, D_BF16},
    {"torch", "int64", false, D_I64},
    {"torch", "int32", false, D_I32},
    {"torch", "int16", false, D_I16},
    {"torch", "int8", false, D_I8},
    {"torch", "uint8", false, D_U8},
    {"torch", "uint16", false, D_U16},
    {"torch", "uint32", false, D_U32},
    {"torch", "uint64", false, D_U64},
    {"torch", "bool", false, D_BOOL},
    {"torch", "float8_e4m3fn", false, D_F8_E4M3},
    {"torch", "float8_e5m2", false, D_F8_E5M2},
    {"torch", "float8_e4m3fnuz", false, D_F8_E4M3FNUZ},
    {"torch", "float8_e5m2fnuz", false, D_F8_E5M2FNUZ},
    {"torch", "float8_e8m0fnu", false, D_F8_E8M0},
};
const int torch_n_globals = sizeof torch_globals / sizeof *torch_globals;

glass_status torch_bad(const struct torch_file *f, const struct pickle_node *node,
                       const char *what) {
    return fail(GLASS_BAD_INPUT, "%s: %s at byte %zu of %s", f->path, what, node->pos,
                f->pickle.member);
}

static const struct torch_meaning *meaning(int global) {
    return &torch_meanings[torch_globals[global].tag];
}

const struct torch_meaning *torch_meaning_of(const struct pickle_node *call) {
    return meaning(call->global);
}

glass_status torch_read_id(struct torch_file *f, const struct pickle_node *saved,
                           struct torch_id *out) {
    const struct pickle_node *id =
        saved->items[0].kind == PICKLE_TUPLE ? saved->items[0].as.node : NULL;
    uint32_t n_wanted = f->zip != NULL ? 5 : 6;
    if (id == NULL || id->n != n_wanted || !pickle_is(&id->items[0], "storage") ||
        id->items[1].kind != PICKLE_GLOBAL || id->items[2].kind != PICKLE_TEXT ||
        id->items[3].kind != PICKLE_TEXT || id->items[4].kind != PICKLE_INT)
        return torch_bad(f, saved, "refused: something saved apart that is no storage");
    if (n_wanted == 6 && id->items[5].kind != PICKLE_NONE)
        return torch_bad(f, saved, "refused: a storage that is a view of another");
    *out = (struct torch_id){.type = meaning((int)id->items[1].as.integer),
                             .key = id->items[2].as.text,
                             .n_key = id->items[2].n_text,
                             .numel = id->items[4].as.integer};
    if (out->type->role != TORCH_STORAGE)
        return torch_bad(f, saved, "refused: a storage of what is no storage's type");
    if (out->numel < 0 || out->n_key == 0 || out->n_key > MAX_KEY)
        return torch_bad(f, saved, "a storage of impossible size or name");
    return GLASS_OK;
}

struct torch_storage *torch_find_storage(const struct torch_file *f, const char *key,
                                         size_t n_key) {
    size_t low = 0, high = f->n_storages;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct torch_storage *s = &f->storages[middle];
        size_t n = s->n_key < n_key ? s->n_key : n_key;
        int order = memcmp(key, s->key, n);
        if (order == 0 && n_key == s->n_key) return s;
        if (order < 0 || (order == 0 && n_key < s->n_key))
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* The bytes of a storage: at least elements * element_bytes. */
static glass_status find_bytes(struct torch_file *f, const struct pickle_node *saved,
                               const struct torch_id *id, size_t element_bytes,
                               const uint8_t **data) {
    size_t n_bytes, n_wanted;
    if (f->zip != NULL) {
        size_t n_folder = f->folder.len;
        TRY(buf_append(&f->folder, id->key, id->n_key));
        const struct zip_entry *e = zip_find(f->zip, f->folder.data, f->folder.len);
        f->folder.len = n_folder;
        if (e == NULL)
            return torch_bad(f, saved, "a storage whose bytes are not in the archive");
        *data = e->data;
        n_bytes = e->n_bytes;
    } else {
        const struct torch_storage *s = torch_find_storage(f, id->key, id->n_key);
        if (s == NULL || s->data == NULL)
            return torch_bad(f, saved, "a storage whose bytes are not in the file");
        *data = s->data;
        n_bytes = s->n_bytes;
    }
    if (!mem_mul(&n_wanted, (size_t)id->numel, element_bytes) || n_wanted > n_bytes)
        return torch_bad(f, saved, "a storage that claims more bytes than the file has");
    return GLASS_OK;
}

/* A tuple of whole numbers from 0, or torch.Size of one. */
static glass_status read_numbers(struct torch_file *f, const struct pickle_node *call,
                                 const struct pickle_value *v, int64_t *out, int *n) {
    if (v->kind == PICKLE_CALL && torch_meaning_of(v->as.node)->role == TORCH_OTHER) {
        const struct pickle_node *args = v->as.node->items[0].as.node;
        if (args != NULL && args->n == 1) v = &args->items[0];
    }
    *n = 0;
    if (v->kind != PICKLE_TUPLE)
        return torch_bad(f, call, "a tensor whose shape or strides are no tuple");
    const struct pickle_node *items = v->as.node;
    for (uint32_t i = 0; items != NULL && i < items->n; i++) {
        if (*n == ARCHIVE_MAX_DIMS)
            return torch_bad(f, call, "a tensor of more than 8 dimensions");
        if (items->items[i].kind != PICKLE_INT || items->items[i].as.integer < 0)
            return torch_bad(f, call,
                             "a tensor with a dimension or stride that is no size");
        out[(*n)++] = items->items[i].as.integer;
    }
    return GLASS_OK;
}

/* What a call of _rebuild_tensor… says. */
struct layout {
    struct torch_id id;
    const struct pickle_node *saved;
    int64_t offset;
    int64_t stride[ARCHIVE_MAX_DIMS];
    size_t element_bytes;
};

/* The type: the storage's own or, of a v3 tensor, the dtype beside it. */
static glass_status read_type(struct torch_file *f, const struct pickle_node *call,
                              const struct pickle_node *args, struct layout *l,
                              struct archive_tensor *t) {
    const struct torch_meaning *type = l->id.type;
    if (torch_meaning_of(call)->role == TORCH_TENSOR_V3) {
        if (args->n < 7 || args->items[6].kind != PICKLE_GLOBAL ||
            meaning((int)args->items[6].as.integer)->role != TORCH_DTYPE ||
            type->bytes != 0)
            return torch_bad(f, call, "a tensor without a type");
        type = meaning((int)args->items[6].as.integer);
    }
    if (type->bytes == 0) return torch_bad(f, call, "a tensor without a type");
    t->known = type->known;
    t->dtype = type->dtype;
    t->type = type->label;
    l->element_bytes = (size_t)type->bytes;
    return GLASS_OK;
}

static glass_status read_layout(struct torch_file *f, const struct pickle_node *call,
                                struct layout *l, struct archive_tensor *t) {
    const struct pickle_node *args = call->items[0].as.node;
    int n_strides;
    if (args == NULL || args->n < 4 || args->items[0].kind != PICKLE_SAVED ||
        args->items[1].kind != PICKLE_INT || args->items[1].as.integer < 0)
        return torch_bad(f, call, "a tensor that is made of no storage");
    l->saved = args->items[0].as.node;
    l->offset = args->items[1].as.integer;
    TRY(torch_read_id(f, l->saved, &l->id));
    TRY(read_numbers(f, call, &args->items[2], t->shape, &t->n_dims));
    TRY(read_numbers(f, call, &args->items[3], l->stride, &n_strides));
    if (n_strides != t->n_dims)
        return torch_bad(f, call, "a tensor with other numbers of dimensions and strides");
    for (int i = 0; i < n_strides; i++) /* what is never stepped over may be anything */
        if (t->shape[i] <= 1) l->stride[i] = 0;
    return read_type(f, call, args, l, t);
}

/* Elements of the tensor, and the last that it reaches in the storage; false: uncountable. */
static bool measure(const struct archive_tensor *t, const struct layout *l, int64_t *n,
                    int64_t *last) {
    bool empty = false;
    *n = 1;
    *last = l->offset;
    for (int i = 0; i < t->n_dims; i++) empty |= t->shape[i] == 0;
    if (empty) {
        *n = 0;
        return true;
    }
    for (int i = 0; i < t->n_dims; i++) {
        int64_t reach;
        if (__builtin_mul_overflow(*n, t->shape[i], n) ||
            __builtin_mul_overflow(t->shape[i] - 1, l->stride[i], &reach) ||
            __builtin_add_overflow(*last, reach, last))
            return false;
    }
    return true;
}

/* How many of the last dimensions lie one after the other, and the elements of them. */
static int run_of(const struct archive_tensor *t, const struct layout *l, int64_t *n) {
    int i = t->n_dims;
    *n = 1;
    for (; i > 0; i--) {
        if (t->shape[i - 1] != 1 && l->stride[i - 1] != *n) break;
        *n *= t->shape[i - 1];
    }
    return i;
}

/* Copies run by run; n_outer dimensions are walked like a milometer. from: the storage's
 * first byte, to: the tensor's. */
static void put_in_order(const struct archive_tensor *t, const struct layout *l,
                         int n_outer, int64_t n_run, const uint8_t *from, uint8_t *to) {
    int64_t at[ARCHIVE_MAX_DIMS] = {0}, place = l->offset;
    size_t element = l->element_bytes, run_bytes = (size_t)n_run * element;
    for (;;) {
        memcpy(to, from + (size_t)place * element, run_bytes);
        to += run_bytes;
        int i = n_outer - 1;
        for (; i >= 0; i--) {
            place += l->stride[i];
            if (++at[i] < t->shape[i]) break;
            place -= l->stride[i] * t->shape[i];
            at[i] = 0;
        }
        if (i < 0) return;
    }
}

/* All such copies together are at most as large as the file, and 1 MiB: expand() makes a
 * tensor of any size out of one element. */
static glass_status copy(struct torch_file *f, const struct pickle_node *call,
                         const struct layout *l, struct archive_tensor *t, int n_outer,
                         int64_t n_run, const uint8_t *from) {
    const struct archive_part *part = &f->a->parts[f->a->n_parts - 1];
    size_t limit = part->map.size + TORCH_SPARE_COPY;
    uint8_t *to;
    if (t->n_bytes > limit - f->n_copied)
        return torch_bad(
            f, call,
            "refused: a tensor whose strides repeat so much of its storage that "
            "the tensors would be larger than the file");
    f->n_copied += t->n_bytes;
    TRY(archive_memory(f->a, t->n_bytes, &to));
    put_in_order(t, l, n_outer, n_run, from, to);
    t->data = to;
    return GLASS_OK;
}

static glass_status place(struct torch_file *f, const struct pickle_node *call,
                          const struct layout *l, struct archive_tensor *t) {
    const uint8_t *data;
    int64_t n, last, n_run;
    /* Elements that the storage has, counted as the tensor's. */
    int64_t numel = l->id.numel;
    if (l->id.type->bytes == 0) numel /= (int64_t)l->element_bytes;
    TRY(find_bytes(f, l->saved, &l->id, l->id.type->bytes == 0 ? 1 : l->element_bytes,
                   &data));
    if (!measure(t, l, &n, &last) || (n > 0 && last >= numel))
        return torch_bad(f, call, "a tensor that reaches beyond its storage");
    if (!mem_mul(&t->n_bytes, (size_t)n, l->element_bytes))
        return torch_bad(f, call, "a tensor whose bytes cannot be counted");
    if (n == 0) {
        t->data = data;
        return GLASS_OK;
    }
    int n_outer = run_of(t, l, &n_run);
    if (n_outer > 0) return copy(f, call, l, t, n_outer, n_run, data);
    t->data = data + (size_t)l->offset * l->element_bytes;
    return GLASS_OK;
}

glass_status torch_add_tensor(struct torch_file *f, const struct pickle_node *call,
                              const char *name, size_t n_name) {
    struct archive_tensor t = {0};
    struct layout l = {0};
    char where[100];
    if (torch_meaning_of(call)->role == TORCH_PARAMETER) {
        const struct pickle_node *args = call->items[0].as.node;
        if (args == NULL || args->n == 0 || args->items[0].kind != PICKLE_CALL)
            return torch_bad(f, call, "a parameter that is no tensor");
        call = args->items[0].as.node;
    }
    enum torch_role role = torch_meaning_of(call)->role;
    if (role != TORCH_TENSOR && role != TORCH_TENSOR_V2 && role != TORCH_TENSOR_V3)
        return torch_bad(f, call, "a parameter that is no tensor");
    TRY(read_layout(f, call, &l, &t));
    TRY(place(f, call, &l, &t));
    snprintf(where, sizeof where, "byte %zu of %s", call->pos, f->pickle.member);
    return archive_add(f->a, &t, name, n_name, where);
}
