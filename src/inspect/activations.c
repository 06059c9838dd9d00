/* activations.c - glass_inspect_activations: what the passes leave, saved as safetensors or npy.
 *
 * npy is NumPy's own format, version 1.0: "\x93NUMPY", 1, 0, the header's length in 16 bits, a
 * Python dict as text, padded so that the data starts at a multiple of 64. */
#include "base/path.h"
#include "format/safetensors_write.h"
#include "inspect/look.h"
#include "math/kernels.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

enum { HEADER = 128 }; /* bytes kept before each tensor's numbers, for npy's header */

/* A tensor to save: memory is its header's place, and its numbers behind it. */
struct saved {
    char name[48];
    uint8_t *memory;
    int64_t width; /* 0: a vector */
    bool integers;
};

struct keep {
    struct look look;
    const char *out;
    unsigned what;
    int64_t first, n, layer, n_layers;
    struct saved *list;
    int64_t n_list;
    size_t n_bytes;
};

static const char *const kind_names[LOOK_KINDS] = {
    "stream", "attention", "middle", "mlp", "q", "k", "v", "heads", "gate", "up"};

static float *numbers(const struct saved *s) {
    return (float *)(void *)(s->memory + HEADER);
}

/* Whether the model has such rows. */
static bool has(const struct config *c, enum look_kind kind) {
    return !(kind == LOOK_MIDDLE && c->parallel_residual) &&
           !(kind == LOOK_GATE && !c->family.gated);
}

static bool to_the_end(const struct keep *k) {
    return (k->what & GLASS_SEE_STREAM) != 0 &&
           k->layer + k->n_layers == k->look.model->config.n_layer;
}

static int64_t n_saved(const struct keep *k) {
    int64_t n = 1; /* the tokens */
    for (int kind = 0; kind < LOOK_KINDS; kind++)
        if (k->what >> kind & 1 && has(&k->look.model->config, kind)) n += k->n_layers;
    return n + (to_the_end(k) ? 2 : 0);
}

static glass_status add(struct keep *k, const char *name, int64_t width,
                        struct saved **out) {
    struct saved *s = &k->list[k->n_list++];
    size_t row = (size_t)(width > 0 ? width : 1) * sizeof(float), bytes;
    *out = s;
    s->width = width;
    snprintf(s->name, sizeof s->name, "%s", name);
    k->n_bytes += (size_t)k->n * row;
    if (!mem_mul(&bytes, (size_t)k->n, row)) return fail_memory(SIZE_MAX);
    return mem_alloc_aligned(&s->memory, bytes + HEADER, 1);
}

static glass_status take(struct keep *k) {
    struct look *l = &k->look;
    const struct config *c = &l->model->config;
    struct saved *s;
    char name[48];
    TRY(mem_alloc_zero(&k->list, (size_t)n_saved(k), sizeof *k->list));
    TRY(add(k, "tokens", 0, &s));
    s->integers = true;
    memcpy(numbers(s), l->ids + k->first, (size_t)k->n * sizeof *l->ids);
    for (int64_t i = k->layer; i < k->layer + k->n_layers; i++)
        for (int kind = 0; kind < LOOK_KINDS; kind++) {
            if (!(k->what >> kind & 1) || !has(c, kind)) continue;
            snprintf(name, sizeof name, "layers.%lld.%s", (long long)i, kind_names[kind]);
            TRY(add(k, name, look_width(c, kind), &s));
            l->kept[kind][i] = numbers(s);
        }
    if (!to_the_end(k)) return GLASS_OK;
    TRY(add(k, "stream", c->n_embd, &s));
    l->kept[LOOK_STREAM][c->n_layer] = numbers(s);
    return add(k, "normed", c->n_embd, &s);
}

/* The last tensor, from the one before it. */
static void norm_last(struct keep *k) {
    const struct config *c = &k->look.model->config;
    const struct norm *norm = &k->look.model->weights.final_norm;
    const float *x = numbers(&k->list[k->n_list - 2]);
    float *y = numbers(&k->list[k->n_list - 1]);
    for (int64_t i = 0; i < k->n; i++, x += c->n_embd, y += c->n_embd)
        if (c->family.norm == NORM_RMS)
            math_kernels()->rmsnorm_f32(y, x, norm->w, c->n_embd, c->norm_eps);
        else
            math_kernels()->layernorm_f32(y, x, norm->w, norm->b, c->n_embd, c->norm_eps);
}

/* ---- files ---- */

static size_t bytes_of(const struct keep *k, const struct saved *s) {
    return (size_t)(k->n * (s->width > 0 ? s->width : 1)) * sizeof(float);
}

static glass_status write_safetensors(const struct keep *k) {
    struct safetensors_writer *w;
    glass_status status;
    TRY(safetensors_writer_create(&w, k->out, 0));
    for (int64_t i = 0; i < k->n_list; i++) {
        const struct saved *s = &k->list[i];
        const int64_t shape[2] = {k->n, s->width};
        TRY_FAIL(safetensors_put_tensor(w, s->name, s->integers ? GLASS_I32 : GLASS_F32,
                                        s->width > 0 ? 2 : 1, shape));
    }
    for (int64_t i = 0; i < k->n_list; i++)
        TRY_FAIL(safetensors_put_data(w, numbers(&k->list[i]), bytes_of(k, &k->list[i])));
    return safetensors_writer_finish(w);
fail:
    safetensors_writer_free(w);
    return status;
}

static void write_header(const struct keep *k, const struct saved *s) {
    char text[HEADER + 1], columns[32] = "";
    if (s->width > 0) snprintf(columns, sizeof columns, " %lld", (long long)s->width);
    int n = snprintf(text, sizeof text,
                     "{'descr': '<%s', 'fortran_order': False, 'shape': (%lld,%s), }",
                     s->integers ? "i4" : "f4", (long long)k->n, columns);
    memcpy(s->memory, "\x93NUMPY\x01\x00\x76\x00", 10); /* 118 bytes follow */
    memset(s->memory + 10, ' ', HEADER - 11);
    memcpy(s->memory + 10, text, (size_t)n);
    s->memory[HEADER - 1] = '\n';
}

static glass_status write_npy(const struct keep *k) {
    struct buf path = {0};
    glass_status status = GLASS_OK;
    if (mkdir(k->out, 0777) != 0 && errno != EEXIST)
        return fail_errno("%s: cannot make the folder", k->out);
    for (int64_t i = 0; status == GLASS_OK && i < k->n_list; i++) {
        const struct saved *s = &k->list[i];
        buf_clear(&path);
        write_header(k, s);
        status = buf_printf(&path, "%s/%s.npy", k->out, s->name);
        if (status == GLASS_OK)
            status = path_write_whole(path.data, s->memory, HEADER + bytes_of(k, s));
    }
    buf_free(&path);
    return status;
}

static bool is_safetensors(const char *path) {
    static const char end[] = ".safetensors";
    size_t n = strlen(path), m = sizeof end - 1;
    return n > m && strcmp(path + n - m, end) == 0;
}

/* ---- the call ---- */

static glass_status plan(struct keep *k) {
    struct look *l = &k->look;
    const struct config *c = &l->model->config;
    if (k->what == 0) k->what = GLASS_SEE_USUAL;
    if (k->what >> LOOK_KINDS != 0)
        return fail(GLASS_USAGE, "kinds of activations 0x%x: unknown bits", k->what);
    TRY(look_range(&k->first, &k->n, l->options->at, 0, l->n_ids, "positions"));
    TRY(look_range(&k->layer, &k->n_layers, l->options->layers, 0, c->n_layer, "layers"));
    if (l->n_batch > k->first + k->n) l->n_batch = k->first + k->n;
    for (int kind = 0; kind < LOOK_KINDS; kind++)
        if (k->what >> kind & 1 && has(c, kind))
            look_need(l, k->n * k->n_layers, (size_t)look_width(c, kind) * sizeof(float));
    if (to_the_end(k)) look_need(l, 2 * k->n, (size_t)c->n_embd * sizeof(float));
    look_need(l, n_saved(k), HEADER + sizeof(struct saved));
    return look_open(l, k->first + k->n);
}

glass_status glass_inspect_activations(const char *out, const glass_model *model,
                                       const int32_t *ids, int64_t n, unsigned what,
                                       size_t *n_bytes,
                                       const glass_inspect_options *options) {
    struct keep k = {.out = out, .what = what};
    glass_status status;
    if (n_bytes != NULL) *n_bytes = 0;
    TRY(look_init(&k.look, model, ids, n, options));
    TRY_FAIL(plan(&k));
    TRY_FAIL(take(&k));
    TRY_FAIL(look_run(&k.look, k.first, k.n, NULL, NULL));
    if (to_the_end(&k)) norm_last(&k);
    TRY_FAIL(is_safetensors(out) ? write_safetensors(&k) : write_npy(&k));
    if (n_bytes != NULL) *n_bytes = k.n_bytes;
fail:
    for (int64_t i = 0; k.list != NULL && i < k.n_list; i++) mem_free(k.list[i].memory);
    mem_free(k.list);
    look_close(&k.look);
    return status;
}
