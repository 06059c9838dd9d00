/* adapter_merge.c - see adapter_merge.h. Rows are added one linear layer at a time: a tensor
 * of q, k and v holds three. */
#include "model/adapter_merge.h"

#include "base/mem.h"
#include "math/gemm.h"
#include "math/kernels.h"
#include "model/adapter_parts.h"

enum { SCALES = 256 };

struct adapter_merge {
    const struct glass_model *model;
    struct adapt_set *set;
    void *scratch;
    float *block, *a, *b, *d; /* A (r, k), B's rows (n, r), their product (n, k) */
    size_t n_block;           /* floats */
};

glass_status adapter_merge_create(struct adapter_merge **out, const glass_model *model,
                                  const glass_adapter_use *uses, int n) {
    struct adapter_merge *m;
    glass_status status;
    *out = NULL;
    TRY(mem_alloc_zero(&m, 1, sizeof *m));
    m->model = model;
    TRY_FAIL(adapt_set_create(&m->set, model, uses, n));
    TRY_FAIL(mem_alloc_aligned(&m->scratch, GEMM_SCRATCH_BYTES, 1));
    int64_t head = model->weights.head.id;
    for (int i = 0; m->set != NULL && model->weights.tied && i < m->set->n; i++) {
        const struct glass_adapter *a = m->set->uses[i].adapter;
        if (a->loras[head].a.data == NULL) continue;
        status =
            fail(GLASS_BAD_INPUT,
                 "%s: it changes the head, which is the embedding of this model: it can "
                 "be run, but not merged",
                 a->path);
        goto fail;
    }
    *out = m;
    return GLASS_OK;
fail:
    adapter_merge_free(m);
    return status;
}

void adapter_merge_free(struct adapter_merge *m) {
    if (m == NULL) return;
    adapt_set_free(m->set);
    mem_free(m->scratch);
    mem_free(m->block);
    mem_free(m);
}

static bool layer_has(const struct adapter_merge *m, int64_t id) {
    return m->set->first[id] < m->set->first[id + 1];
}

bool adapter_merge_has(const struct adapter_merge *m, const char *tensor) {
    struct adapter_place place;
    if (m == NULL || m->set == NULL) return false;
    if (!adapter_find_place(&place, m->model, tensor)) return false;
    for (int i = 0; i < place.n; i++)
        if (layer_has(m, place.ids[i])) return true;
    return false;
}

static glass_status reserve(struct adapter_merge *m, int64_t n, int64_t r, int64_t k) {
    size_t n_a = (size_t)(r * k), n_b = (size_t)(n * r),
           total = n_a + n_b + (size_t)(n * k);
    if (total > m->n_block) {
        mem_free(m->block);
        m->block = NULL;
        m->n_block = 0;
        TRY(mem_alloc_aligned(&m->block, total, sizeof *m->block));
        m->n_block = total;
    }
    m->a = m->block;
    m->b = m->a + n_a;
    m->d = m->b + n_b;
    return GLASS_OK;
}

/* The row of a layer whose heads come in halves, of canonical row r. */
static int64_t parted_row(int64_t r, int64_t head) {
    int64_t i = r % head;
    return r - i + i % 2 * (head / 2) + i / 2;
}

/* One adapter, canonical rows first … of one layer. */
static glass_status add_term(struct adapter_merge *m, const struct adapt_term *term,
                             const struct linear *l, float *w, int64_t first, int64_t n) {
    const struct math_kernels *kernels = math_kernels();
    int64_t r = term->a.n, k = term->a.k, head = m->model->config.head_dim;
    float scales[SCALES];
    TRY(reserve(m, n, r, k));
    for (int64_t i = 0; i < r; i++) matmul_row(m->a + i * k, &term->a, i);
    for (int64_t i = 0; i < n; i++)
        matmul_row(m->b + i * r, &term->b,
                   l->halves ? parted_row(first + i, head) : first + i);
    kernels->gemm_nn_f32(m->d, k, m->b, (size_t)r * sizeof(float), m->a,
                         (size_t)k * sizeof(float), n, k, r, m->scratch);
    for (int i = 0; i < SCALES; i++) scales[i] = term->scale;
    for (int64_t i = 0; i < n * k; i += SCALES)
        kernels->fma_f32(w + i, scales, m->d + i, n * k - i < SCALES ? n * k - i : SCALES);
    return GLASS_OK;
}

glass_status adapter_merge_rows(struct adapter_merge *m, const char *tensor, float *w,
                                int64_t first, int64_t n) {
    struct adapter_place place = {.n = 0};
    adapter_find_place(&place, m->model, tensor);
    int64_t at = 0; /* the tensor's row at which the layer begins */
    for (int i = 0; i < place.n; i++) {
        int64_t id = place.ids[i];
        const struct linear *l =
            weights_linear(&m->model->weights, m->model->config.n_layer, id);
        int64_t begin = first > at ? first : at;
        int64_t end = first + n < at + l->w.n ? first + n : at + l->w.n;
        for (int32_t j = m->set->first[id]; begin < end && j < m->set->first[id + 1]; j++)
            TRY(add_term(m, &m->set->terms[j], l, w + (begin - first) * l->w.k, begin - at,
                         end - begin));
        at += l->w.n;
    }
    return GLASS_OK;
}
