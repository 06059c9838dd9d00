/* adapter.c - adapters: which layer of the model each pair of an adapter's file belongs to. */
#include "model/adapter_parts.h"

#include "base/buf.h"
#include "base/hash.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- files ---- */

glass_status adapter_check_pair(const struct adapter_file *f,
                                const struct adapter_pair *p) {
    const struct adapter_matrix *a = &p->a, *b = &p->b;
    if (a->n < 1 || a->k < 1 || b->n < 1)
        return fail(GLASS_BAD_INPUT, "%s: tensor %.200s: it is empty", f->path,
                    b->n < 1 ? b->name : a->name);
    if (a->n > ADAPTER_MAX_RANK)
        return fail(GLASS_BAD_INPUT,
                    "%s: tensor %.200s: a rank of %lld; at most %d is possible", f->path,
                    a->name, (long long)a->n, ADAPTER_MAX_RANK);
    if (a->n != b->k)
        return fail(
            GLASS_BAD_INPUT,
            "%s: tensor %.200s is %lld x %lld, and %.200s %lld x %lld: the rank of the "
            "one is not that of the other",
            f->path, a->name, (long long)a->n, (long long)a->k, b->name, (long long)b->n,
            (long long)b->k);
    for (int i = 0; i < 2; i++) {
        const struct adapter_matrix *m = i ? b : a;
        struct weight w = {m->data, m->dtype, m->n, m->k, m->n_bytes / (size_t)m->n};
        glass_status status = matmul_check(&w);
        if (status != GLASS_OK)
            return fail_within(status, "%s: tensor %.200s", f->path, m->name);
    }
    if (isfinite(p->scale) && isfinite((float)p->scale)) return GLASS_OK;
    return fail(GLASS_BAD_INPUT, "%s: tensor %.200s: its scale is %g, no finite number",
                f->path, a->name, p->scale);
}

void adapter_file_clear(struct adapter_file *f) {
    archive_close(f->archive);
    gguf_close(f->gguf);
    mem_free(f->path);
    mem_free(f->base);
    mem_free(f->arch);
    mem_free(f->pairs);
    *f = (struct adapter_file){0};
}

/* "PATH/NAME" is there. */
static bool has_file(const char *path, const char *name) {
    struct buf full = {0};
    bool found =
        buf_printf(&full, "%s/%s", path, name) == GLASS_OK && access(full.data, R_OK) == 0;
    buf_free(&full);
    return found;
}

static bool is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool glass_adapter_is_one(const char *path) {
    struct gguf_string type;
    struct filemap map;
    struct gguf *g;
    if (is_folder(path))
        return has_file(path, "adapter_config.json") && !has_file(path, "config.json");
    if (filemap_open(&map, path) != GLASS_OK) return false;
    bool gguf = map.size > 4 && memcmp(map.data, "GGUF", 4) == 0;
    filemap_close(&map);
    if (!gguf || gguf_open(&g, path) != GLASS_OK) return false;
    bool found = gguf_get_string_or(g, "general.type", &type) == GLASS_OK &&
                 type.n_bytes == 7 && memcmp(type.text, "adapter", 7) == 0;
    gguf_close(g);
    return found;
}

/* A folder, or one of the files that PEFT has in it, or a GGUF file. */
static glass_status open_file(struct adapter_file *out, const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
    if (is_folder(path)) return adapter_open_peft(out, path);
    if (strncmp(name, "adapter_", 8) != 0 || strstr(name, ".gguf") != NULL)
        return adapter_open_gguf(out, path);
    char *folder;
    TRY(slash == NULL
            ? mem_copy_text(&folder, ".", 1)
            : mem_copy_text(&folder, path, (size_t)(slash - path) + (slash == path)));
    glass_status status = adapter_open_peft(out, folder);
    mem_free(folder);
    return status;
}

/* ---- places ---- */

static glass_status no_place(const struct glass_model *m, const struct adapter_file *f,
                             const struct adapter_pair *p, const char *what) {
    return fail(GLASS_BAD_INPUT, "%s: tensor %.200s: %s, %s (%s)", f->path, p->a.name, what,
                gguf_path(m->file), m->family);
}

bool adapter_find_place(struct adapter_place *out, const struct glass_model *m,
                        const char *tensor) {
    static const struct {
        const char *name;
        int n, kinds[3];
    } rows[] = {{"blk.#.attn_q.weight", 1, {LINEAR_Q}},
                {"blk.#.attn_k.weight", 1, {LINEAR_K}},
                {"blk.#.attn_v.weight", 1, {LINEAR_V}},
                {"blk.#.attn_qkv.weight", 3, {LINEAR_Q, LINEAR_K, LINEAR_V}},
                {"blk.#.attn_output.weight", 1, {LINEAR_O}},
                {"blk.#.ffn_gate.weight", 1, {LINEAR_GATE}},
                {"blk.#.ffn_up.weight", 1, {LINEAR_UP}},
                {"blk.#.ffn_down.weight", 1, {LINEAR_DOWN}},
                {"output.weight", 1, {LINEARS}}};
    int64_t layer;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!import_fits(rows[i].name, tensor, strlen(tensor), &layer)) continue;
        if (layer >= m->config.n_layer) return false;
        if (layer < 0) layer = m->config.n_layer - 1; /* the head's id is the next one */
        out->n = rows[i].n;
        for (int j = 0; j < out->n; j++) out->ids[j] = layer * LINEARS + rows[i].kinds[j];
        if (rows[i].kinds[0] == LINEAR_UP && m->config.family.fused_gate) {
            out->n = 2;
            out->ids[0] = layer * LINEARS + LINEAR_GATE;
            out->ids[1] = layer * LINEARS + LINEAR_UP;
        }
        return true;
    }
    return false;
}

static glass_status find_linears(struct adapter_place *out, const struct glass_model *m,
                                 const struct adapter_file *f, const struct adapter_pair *p,
                                 const char *tensor) {
    if (adapter_find_place(out, m, tensor)) return GLASS_OK;
    return no_place(m, f, p, "it belongs to no linear layer of the model");
}

/* A layer's name of Hugging Face's, by the tables of the model's family. */
static glass_status find_peft(struct adapter_place *out, const struct glass_model *m,
                              const struct adapter_file *f, const struct adapter_pair *p) {
    const struct import_family *family;
    bool any = false;
    for (int i = 0; (family = import_family_at(i)) != NULL; i++) {
        size_t n_prefix = strlen(family->prefix), n = p->n_layer;
        const char *name = p->layer;
        char ours[128];
        int64_t layer;
        if (strcmp(family->arch, m->family) != 0) continue;
        any = true;
        if (n > n_prefix && strncmp(name, family->prefix, n_prefix) == 0)
            name += n_prefix, n -= n_prefix;
        for (const struct import_name *row = family->names; row->theirs != NULL; row++) {
            if (!import_fits(row->theirs, name, n, &layer)) continue;
            import_spell(ours, "", row->ours, layer, ".weight");
            out->how = row->how;
            out->n_heads =
                row->how == HOW_HALVES_K ? m->config.n_head_kv : m->config.n_head;
            return find_linears(out, m, f, p, ours);
        }
    }
    return no_place(m, f, p,
                    any ? "it belongs to no layer of the model"
                        : "Hugging Face's names are not known for the model");
}

static glass_status find_gguf(struct adapter_place *out, const struct glass_model *m,
                              const struct adapter_file *f, const struct adapter_pair *p) {
    char name[128];
    snprintf(name, sizeof name, "%.*s", (int)p->n_layer, p->layer); /* GGUF's are short */
    out->how = HOW_AS_IS;
    return find_linears(out, m, f, p, name);
}

static glass_status check_place(const struct glass_model *m, const struct adapter_file *f,
                                const struct adapter_pair *p,
                                const struct adapter_place *place) {
    int64_t n = 0, k = 0;
    for (int i = 0; i < place->n; i++) {
        const struct linear *l =
            weights_linear(&m->weights, m->config.n_layer, place->ids[i]);
        if (l->w.data == NULL)
            return no_place(m, f, p, "it belongs to no layer of the model");
        n += l->w.n;
        k = l->w.k;
    }
    bool by_heads = place->how == HOW_QKV;
    if (p->a.k != k || p->b.n != n)
        return fail(
            GLASS_BAD_INPUT,
            "%s: tensors %.200s (%lld x %lld) and %.200s (%lld x %lld): the model's "
            "layer has %lld inputs and %lld outputs",
            f->path, p->a.name, (long long)p->a.n, (long long)p->a.k, p->b.name,
            (long long)p->b.n, (long long)p->b.k, (long long)k, (long long)n);
    if (by_heads && m->config.n_head != m->config.n_head_kv)
        return no_place(m, f, p, "its heads are not those of the model");
    return GLASS_OK;
}

/* The row in which a pair's file has canonical row r of n. */
static int64_t stored_row(const struct adapter_place *place, int64_t r, int64_t n) {
    int64_t head = n / place->n_heads, i = r % head;
    switch (place->how) {
    case HOW_HALVES_Q:
    case HOW_HALVES_K: return r - i + i % 2 * (head / 2) + i / 2;
    case HOW_QKV:
        head /= 3;
        return r % (n / 3) / head * 3 * head + r / (n / 3) * head + r % head;
    default: return r;
    }
}

/* The canonical row of row r of a layer whose heads come in halves. */
static int64_t joined_row(int64_t r, int64_t head) {
    int64_t i = r % head;
    return r - i + (i < head / 2 ? 2 * i : 2 * (i - head / 2) + 1);
}

/* ---- numbers ---- */

static bool is_float(glass_dtype dtype) {
    return dtype == GLASS_F32 || dtype == GLASS_F16 || dtype == GLASS_BF16;
}

static size_t aligned(size_t n_bytes) {
    return (n_bytes + 63) / 64 * 64;
}

/* Bytes of a matrix here: blocks are widened. */
static size_t owned_bytes(const struct adapter_matrix *m) {
    if (is_float(m->dtype)) return aligned(m->n_bytes);
    return aligned((size_t)m->n * (size_t)m->k * sizeof(float));
}

/* An empty matrix of m's type (or F32) and width with n rows, at *at. */
static struct weight lay(uint8_t **at, const struct adapter_matrix *m, int64_t n) {
    glass_dtype dtype = is_float(m->dtype) ? m->dtype : GLASS_F32;
    size_t row_bytes = (size_t)m->k * glass_dtype_block_bytes(dtype);
    struct weight w = {*at, dtype, n, m->k, row_bytes};
    *at += (size_t)n * row_bytes;
    return w;
}

static void copy_row(struct weight *to, int64_t row, const struct adapter_matrix *m,
                     int64_t stored) {
    uint8_t *out = (uint8_t *)(uintptr_t)to->data + (size_t)row * to->row_bytes;
    struct weight from = {m->data, m->dtype, m->n, m->k, m->n_bytes / (size_t)m->n};
    if (is_float(m->dtype))
        memcpy(out, m->data + (size_t)stored * from.row_bytes, from.row_bytes);
    else
        matmul_row((float *)(void *)out, &from, stored);
}

static glass_status bind_pair(struct glass_adapter *a, const struct adapter_file *f,
                              const struct adapter_pair *p, uint8_t **at) {
    const struct glass_model *m = a->model;
    struct adapter_place place = {.n_heads = 1};
    uint8_t *start = *at;
    TRY(f->peft ? find_peft(&place, m, f, p) : find_gguf(&place, m, f, p));
    TRY(check_place(m, f, p, &place));
    struct weight low = lay(at, &p->a, p->a.n);
    for (int64_t r = 0; r < p->a.n; r++) copy_row(&low, r, &p->a, r);
    *at = start + owned_bytes(&p->a);
    start = *at;
    int64_t first = 0;
    for (int i = 0; i < place.n; i++) {
        const struct linear *l =
            weights_linear(&m->weights, m->config.n_layer, place.ids[i]);
        struct lora *lora = &a->loras[place.ids[i]];
        if (lora->a.data != NULL)
            return no_place(m, f, p, "its layer has another pair already");
        *lora = (struct lora){low, lay(at, &p->b, l->w.n), p->scale};
        for (int64_t r = 0; r < l->w.n; r++) {
            int64_t row = first + (l->halves ? joined_row(r, m->config.head_dim) : r);
            copy_row(&lora->b, r, &p->b, stored_row(&place, row, p->b.n));
        }
        first += l->w.n;
    }
    *at = start + owned_bytes(&p->b);
    return GLASS_OK;
}

static glass_status hash_matrix(struct sha256 *hash, const struct weight *w) {
    int64_t shape[3] = {(int64_t)w->dtype, w->n, w->k};
    TRY(sha256_update(hash, shape, sizeof shape));
    return sha256_update(hash, w->data, (size_t)w->n * w->row_bytes);
}

static glass_status fill_fingerprint(struct glass_adapter *a) {
    struct sha256 *hash;
    TRY(sha256_create(&hash));
    glass_status status = GLASS_OK;
    for (int64_t id = 0; status == GLASS_OK && id < a->n_linears; id++) {
        const struct lora *lora = &a->loras[id];
        if (lora->a.data == NULL) continue;
        status = sha256_update(hash, &id, sizeof id);
        if (status == GLASS_OK)
            status = sha256_update(hash, &lora->scale, sizeof lora->scale);
        if (status == GLASS_OK) status = hash_matrix(hash, &lora->a);
        if (status == GLASS_OK) status = hash_matrix(hash, &lora->b);
    }
    if (status == GLASS_OK) return sha256_finish(hash, a->fingerprint);
    sha256_free(hash);
    return status;
}

static glass_status bind_pairs(struct glass_adapter *a, const struct adapter_file *f) {
    size_t n_bytes = 0;
    if (f->arch != NULL && strcmp(f->arch, a->model->family) != 0)
        return fail(GLASS_BAD_INPUT,
                    "%s: an adapter for a model of the \"%s\" family, not "
                    "\"%s\"",
                    f->path, f->arch, a->model->family);
    for (int64_t i = 0; i < f->n_pairs; i++)
        n_bytes += owned_bytes(&f->pairs[i].a) + owned_bytes(&f->pairs[i].b);
    a->n_linears = a->model->config.n_layer * LINEARS + 1;
    TRY(mem_alloc_zero(&a->loras, (size_t)a->n_linears, sizeof *a->loras));
    TRY(mem_alloc_aligned(&a->bytes, n_bytes, 1));
    uint8_t *at = a->bytes;
    for (int64_t i = 0; i < f->n_pairs; i++) TRY(bind_pair(a, f, &f->pairs[i], &at));
    return fill_fingerprint(a);
}

/* ---- what it is ---- */

/* Adds a word to a list "a, b" unless it is there. */
static glass_status add_word(struct buf *list, const char *word, size_t n) {
    for (size_t at = 0; at < list->len;) {
        const char *comma = strchr(list->data + at, ',');
        size_t len = comma == NULL ? list->len - at : (size_t)(comma - list->data) - at;
        if (len == n && memcmp(list->data + at, word, n) == 0) return GLASS_OK;
        at += len + 2;
    }
    return buf_printf(list, "%s%.*s", list->len ? ", " : "", (int)n, word);
}

/* "q_proj" of "model.layers.0.self_attn.q_proj", "attn_q" of "blk.0.attn_q.weight". */
static glass_status add_target(struct buf *list, const struct adapter_file *f,
                               const struct adapter_pair *p) {
    size_t n = p->n_layer, start;
    if (!f->peft && n > 7 && memcmp(p->layer + n - 7, ".weight", 7) == 0) n -= 7;
    for (start = n; start > 0 && p->layer[start - 1] != '.';) start--;
    /* A hostile file may have as many names as tensors. */
    return list->len > 1000 ? GLASS_OK : add_word(list, p->layer + start, n - start);
}

static glass_status describe(struct glass_adapter *a, struct adapter_file *f) {
    struct buf targets = {0}, dtypes = {0};
    glass_adapter_info *info = &a->info;
    glass_status status = GLASS_OK;
    size_t n;
    info->n_pairs = f->n_pairs;
    for (int64_t i = 0; i < f->n_pairs; i++) {
        const struct adapter_pair *p = &f->pairs[i];
        int64_t r = p->a.n;
        if (i == 0 || r < info->rank_least) info->rank_least = r;
        if (r > info->rank_most) info->rank_most = r;
        if (i == 0 || p->scale < info->scale_least) info->scale_least = p->scale;
        if (i == 0 || p->scale > info->scale_most) info->scale_most = p->scale;
        info->n_params += r * p->a.k + p->b.n * r;
        info->n_bytes += p->a.n_bytes + p->b.n_bytes;
        TRY_FAIL(add_target(&targets, f, p));
        for (int j = 0; j < 2; j++) {
            const char *dtype = glass_dtype_name(j ? p->b.dtype : p->a.dtype);
            TRY_FAIL(add_word(&dtypes, dtype, strlen(dtype)));
        }
    }
    TRY_FAIL(buf_text(&targets, ""));
    TRY_FAIL(buf_take(&targets, &a->targets, &n));
    TRY_FAIL(buf_take(&dtypes, &a->dtypes, &n));
    a->kind = f->kind;
    a->base = f->base;
    f->base = NULL;
fail:
    buf_free(&targets);
    buf_free(&dtypes);
    return status;
}

/* ---- the calls ---- */

glass_status glass_adapter_open(glass_adapter **out, const glass_model *model,
                                const char *path) {
    struct adapter_file file = {0};
    struct glass_adapter *a;
    glass_status status;
    *out = NULL;
    TRY(mem_alloc_zero(&a, 1, sizeof *a));
    a->model = model;
    TRY_FAIL(mem_copy_text(&a->path, path, strlen(path)));
    TRY_FAIL(open_file(&file, path));
    if (file.n_pairs == 0) {
        status = fail(GLASS_BAD_INPUT, "%s: there is no adapter in it", file.path);
        goto fail;
    }
    if (model != NULL) TRY_FAIL(bind_pairs(a, &file));
    TRY_FAIL(describe(a, &file));
    adapter_file_clear(&file);
    *out = a;
    return GLASS_OK;
fail:
    adapter_file_clear(&file);
    glass_adapter_close(a);
    return status;
}

void glass_adapter_close(glass_adapter *a) {
    if (a == NULL) return;
    mem_free(a->path);
    mem_free(a->base);
    mem_free(a->targets);
    mem_free(a->dtypes);
    mem_free(a->loras);
    mem_free(a->bytes);
    mem_free(a);
}

void glass_adapter_get_info(const glass_adapter *a, glass_adapter_info *out) {
    *out = a->info;
    out->kind = a->kind;
    out->base = a->base == NULL ? "" : a->base;
    out->targets = a->targets;
    out->dtypes = a->dtypes;
}
