/* adapt.c - see adapt.h. */
#include "model/adapt.h"

#include "base/hash.h"
#include "base/mem.h"
#include "math/gemm.h"
#include "math/kernels.h"
#include "model/adapter_parts.h"

#include <math.h>
#include <string.h>

/* ---- sets ---- */

static glass_status check_use(const struct glass_model *m, const glass_adapter_use *use) {
    if (use->adapter == NULL || use->adapter->model != m)
        return fail(GLASS_USAGE, "%s: the adapter was not opened for this model",
                    use->adapter == NULL ? "NULL" : use->adapter->path);
    if (!isfinite(use->scale))
        return fail(GLASS_USAGE, "%s: a scale of %g: only finite numbers are possible",
                    use->adapter->path, (double)use->scale);
    return GLASS_OK;
}

/* The product of both scales, rounded once. */
static glass_status term_scale(float *out, const glass_adapter_use *use,
                               const struct lora *lora) {
    double scale = (double)use->scale * lora->scale;
    *out = (float)scale;
    if (isfinite(*out)) return GLASS_OK;
    return fail(GLASS_USAGE, "%s: a scale of %g: with its own of %g it is no finite number",
                use->adapter->path, (double)use->scale, lora->scale);
}

/* The term of an earlier layer of the group, first … n-1, that has the same A. */
static const struct adapt_term *twin(const struct adapt_set *set, int32_t first, int32_t n,
                                     const struct lora *lora) {
    for (int32_t i = first; i < n; i++)
        if (set->terms[i].a.data == lora->a.data) return &set->terms[i];
    return NULL;
}

/* Which of the layers that read the same rows comes first. */
static int group_start(int kind) {
    switch (kind) {
    case LINEAR_Q:
    case LINEAR_K:
    case LINEAR_V: return LINEAR_Q;
    case LINEAR_GATE:
    case LINEAR_UP: return LINEAR_GATE;
    default: return kind;
    }
}

static glass_status fill_terms(struct adapt_set *set, int64_t n_linears) {
    int32_t n = 0, group = 0;
    int64_t at = 0;
    for (int64_t id = 0; id < n_linears; id++) {
        int kind = id == n_linears - 1 ? LINEARS : (int)(id % LINEARS);
        if (group_start(kind) == kind) at = 0, group = n;
        set->first[id] = n;
        for (int i = 0; i < set->n; i++) {
            const struct lora *lora = &set->uses[i].adapter->loras[id];
            if (lora->a.data == NULL) continue;
            const struct adapt_term *same = twin(set, group, n, lora);
            struct adapt_term *term = &set->terms[n++];
            *term = (struct adapt_term){.a = lora->a, .b = lora->b};
            TRY(term_scale(&term->scale, &set->uses[i], lora));
            term->at = same == NULL ? at : same->at;
            term->low = same == NULL ? lora->a.n : 0;
            at += term->low;
            if (at > set->width) set->width = at;
        }
    }
    set->first[n_linears] = n;
    return GLASS_OK;
}

glass_status adapt_set_create(struct adapt_set **out, const struct glass_model *m,
                              const glass_adapter_use *uses, int n) {
    int64_t n_linears = m->config.n_layer * LINEARS + 1, n_terms = 0;
    struct adapt_set *set;
    glass_status status;
    *out = NULL;
    if (n < 0 || n > ADAPTERS_AT_ONCE)
        return fail(GLASS_USAGE, "%d adapters: 0 to %d are possible", n, ADAPTERS_AT_ONCE);
    if (n == 0) return GLASS_OK;
    TRY(mem_alloc_zero(&set, 1, sizeof *set));
    for (int i = 0; i < n; i++) {
        TRY_FAIL(check_use(m, &uses[i]));
        if (uses[i].scale == 0) continue;
        set->uses[set->n++] = uses[i];
        n_terms += uses[i].adapter->n_linears;
    }
    TRY_FAIL(mem_alloc(&set->terms, (size_t)n_terms, sizeof *set->terms));
    TRY_FAIL(mem_alloc(&set->first, (size_t)n_linears + 1, sizeof *set->first));
    TRY_FAIL(fill_terms(set, n_linears));
    set->n_bytes = sizeof *set + (size_t)n_terms * sizeof *set->terms +
                   ((size_t)n_linears + 1) * sizeof *set->first;
    if (set->n > 0)
        *out = set;
    else
        adapt_set_free(set);
    return GLASS_OK;
fail:
    adapt_set_free(set);
    return status;
}

void adapt_set_free(struct adapt_set *set) {
    if (set == NULL) return;
    mem_free(set->terms);
    mem_free(set->first);
    mem_free(set);
}

bool adapt_set_same(const struct adapt_set *a, const struct adapt_set *b) {
    if (a == NULL || b == NULL) return a == b;
    if (a->n != b->n) return false;
    for (int i = 0; i < a->n; i++)
        if (a->uses[i].adapter != b->uses[i].adapter ||
            a->uses[i].scale != b->uses[i].scale)
            return false;
    return true;
}

glass_status adapt_fingerprint(uint8_t out[32], const struct glass_model *m,
                               const struct adapt_set *set) {
    struct sha256 *hash;
    memcpy(out, m->fingerprint, 32);
    if (set == NULL) return GLASS_OK;
    TRY(sha256_create(&hash));
    glass_status status = sha256_update(hash, m->fingerprint, 32);
    for (int i = 0; status == GLASS_OK && i < set->n; i++) {
        status = sha256_update(hash, set->uses[i].adapter->fingerprint, 32);
        if (status == GLASS_OK)
            status = sha256_update(hash, &set->uses[i].scale, sizeof set->uses[i].scale);
    }
    if (status == GLASS_OK) return sha256_finish(hash, out);
    sha256_free(hash);
    return status;
}

/* ---- memory ---- */

static size_t runs_bytes(int64_t n_rows) {
    return (2 * (size_t)n_rows * sizeof(struct adapt_run) + 63) / 64 * 64;
}

bool adapt_memory_bytes(size_t *out, int64_t n_rows, int n_threads, int64_t width) {
    size_t t, sums = (size_t)n_threads * ADAPT_SUMS * sizeof(float);
    *out = 0;
    return width == 0 || (mem_mul(&t, (size_t)n_rows * sizeof(float), (size_t)width) &&
                          mem_add(out, runs_bytes(n_rows) + sums, t));
}

glass_status adapt_reserve(struct adapt_memory *m, int64_t n_rows, int n_threads,
                           int64_t width) {
    size_t rows = (size_t)n_rows, threads = (size_t)n_threads, total;
    void *block;
    if (width <= m->width) return GLASS_OK;
    if (!adapt_memory_bytes(&total, n_rows, n_threads, width)) return fail_memory(SIZE_MAX);
    TRY(mem_alloc_aligned(&block, total, 1));
    mem_free(m->block);
    float *at = (float *)(void *)((uint8_t *)block + runs_bytes(n_rows));
    *m = (struct adapt_memory){.block = block, .width = width};
    m->pass = (struct adapt){
        .runs = block, .sums = at, .t = at + threads * ADAPT_SUMS, .width = width};
    m->head = m->pass;
    m->head.runs += rows;
    return GLASS_OK;
}

void adapt_release(struct adapt_memory *m) {
    mem_free(m->block);
    *m = (struct adapt_memory){0};
}

void adapt_rows(struct adapt *a, int64_t n, const struct adapt_set *set) {
    struct adapt_run *last = a->n_runs > 0 ? &a->runs[a->n_runs - 1] : NULL;
    if (last != NULL && last->first + last->n == a->n_rows &&
        adapt_set_same(last->set, set))
        last->n += n;
    else if (set != NULL)
        a->runs[a->n_runs++] = (struct adapt_run){a->n_rows, n, set};
    a->n_rows += n;
}

/* ---- products ---- */

/* t of n rows of a run from row `row` on, rank outputs [begin, end) of one term. */
static void low_rows(const struct adapt *a, const struct adapt_term *term,
                     const struct operand *x, int64_t row, int64_t n, int64_t begin,
                     int64_t end, void *scratch) {
    size_t row_bytes = x->row_bytes[OPERAND_F32];
    struct operand rows = {
        .rows = {(const char *)x->rows[OPERAND_F32] + (size_t)row * row_bytes},
        .row_bytes = {row_bytes}};
    matmul_range(a->t + row * a->width + term->at, a->width, &rows, &term->a, n, begin, end,
                 scratch);
}

/* The outputs of all terms of these layers, run by run, as one line; walks over those in
 * [begin, end), and returns how long the line is. */
static int64_t low_line(const struct adapt *a, const struct operand *x,
                        const struct linear *const *layers, int n_layers, int64_t begin,
                        int64_t end, void *scratch) {
    int64_t first = 0;
    for (int64_t r = 0; r < a->n_runs; r++) {
        const struct adapt_run *run = &a->runs[r];
        for (int i = 0; i < n_layers; i++) {
            int32_t j = run->set->first[layers[i]->id];
            for (; j < run->set->first[layers[i]->id + 1]; j++) {
                const struct adapt_term *term = &run->set->terms[j];
                int64_t from = begin > first ? begin - first : 0;
                int64_t to = end - first < term->low ? end - first : term->low;
                if (from < to) low_rows(a, term, x, run->first, run->n, from, to, scratch);
                first += term->low;
            }
        }
    }
    return first;
}

/* All terms of rows [begin, end). */
static void low_share(const struct adapt *a, const struct operand *x,
                      const struct linear *const *layers, int n_layers, int64_t begin,
                      int64_t end, void *scratch) {
    for (int64_t r = 0; r < a->n_runs; r++) {
        const struct adapt_run *run = &a->runs[r];
        int64_t from = run->first > begin ? run->first : begin;
        int64_t to = run->first + run->n < end ? run->first + run->n : end;
        for (int i = 0; from < to && i < n_layers; i++) {
            int32_t j = run->set->first[layers[i]->id];
            for (; j < run->set->first[layers[i]->id + 1]; j++) {
                const struct adapt_term *term = &run->set->terms[j];
                if (term->low > 0)
                    low_rows(a, term, x, from, to - from, 0, term->low, scratch);
            }
        }
    }
}

void adapt_low(const struct adapt *a, const struct member *me, bool few,
               const struct operand *x, const struct linear *const *layers, int n_layers,
               void *scratch) {
    int64_t total = low_line(a, x, layers, n_layers, 0, 0, scratch), begin, end;
    if (total == 0) return;
    if (few) {
        int64_t unit = matmul_unit(total, 8, me->n, true);
        while (team_queue_next(me, total, unit, &begin, &end))
            low_line(a, x, layers, n_layers, begin, end, scratch);
    } else {
        team_share(me, a->n_rows, 1, &begin, &end);
        low_share(a, x, layers, n_layers, begin, end, scratch);
    }
    team_barrier(me);
}

/* y += scale * sums, elementwise by fma. */
static void add_sums(float *y, int64_t y_stride, const float *sums, int64_t n_rows,
                     int64_t n, float scale) {
    enum { PIECE = 256 };
    float scales[PIECE];
    const struct math_kernels *m = math_kernels();
    for (int64_t i = 0; i < (n < PIECE ? n : PIECE); i++) scales[i] = scale;
    for (int64_t t = 0; t < n_rows; t++)
        for (int64_t i = 0; i < n; i += PIECE)
            m->fma_f32(y + t * y_stride + i, scales, sums + t * n + i,
                       n - i < PIECE ? n - i : PIECE);
}

/* One term for n_rows rows of t and y, outputs [begin, end), in pieces that the sums hold. */
static void add_term(const struct adapt_term *term, float *y, int64_t y_stride,
                     const float *t, int64_t t_stride, int64_t n_rows, int64_t begin,
                     int64_t end, float *sums, void *scratch) {
    enum { ROWS = 64 };
    for (int64_t row = 0; row < n_rows; row += ROWS) {
        int64_t n = n_rows - row < ROWS ? n_rows - row : ROWS, step = ADAPT_SUMS / n;
        struct operand in = {.rows = {t + row * t_stride},
                             .row_bytes = {(size_t)t_stride * sizeof *t}};
        for (int64_t i = begin; i < end; i += step) {
            struct weight b = term->b;
            b.data = (const char *)b.data + (size_t)i * b.row_bytes;
            b.n = end - i < step ? end - i : step;
            matmul_range(sums, b.n, &in, &b, n, 0, b.n, scratch);
            add_sums(y + row * y_stride + i, y_stride, sums, n, b.n, term->scale);
        }
    }
}

void adapt_add(const struct adapt *a, const struct member *me, float *y,
               const struct linear *l, int64_t row, int64_t n_rows, int64_t begin,
               int64_t end, void *scratch) {
    float *sums = a->sums + (int64_t)me->i * ADAPT_SUMS;
    for (int64_t r = 0; r < a->n_runs; r++) {
        const struct adapt_run *run = &a->runs[r];
        int64_t from = run->first > row ? run->first : row;
        int64_t to =
            run->first + run->n < row + n_rows ? run->first + run->n : row + n_rows;
        for (int32_t j = run->set->first[l->id];
             from < to && j < run->set->first[l->id + 1]; j++) {
            const struct adapt_term *term = &run->set->terms[j];
            add_term(term, y + (from - row) * l->w.n, l->w.n,
                     a->t + from * a->width + term->at, a->width, to - from, begin, end,
                     sums, scratch);
        }
    }
}
