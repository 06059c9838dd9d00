/* quantize.c - a model's tensors to other number types, by pieces of rows, into a new file.
 *
 * First everything is planned and checked that can be without reading weights; then tensors
 * are read, quantised and written piece by piece. Members of a team take rows of a piece;
 * errors are kept by row and added up in order, so that nothing depends on who did what. */
#include "base/mem.h"
#include "base/team.h"
#include "format/gguf_view.h"
#include "format/gguf_write.h"
#include "math/half.h"
#include "math/kernels.h"
#include "math/matmul.h"
#include "math/quant.h"
#include "model/import.h"
#include "model/quant_mix.h"
#include "text/tok_to_gguf.h"

#include <fnmatch.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum {
    UNIT_WEIGHTS = 1 << 17, /* that a member takes at a time, about: its scratch */
    UNITS_EACH = 4          /* in a piece, for each member: uneven cores end together */
};

/* What becomes of a tensor. */
struct item {
    const struct gguf_tensor *t;
    glass_dtype to;
    bool kept, fallback;
    const float *importance; /* or NULL */
    int64_t n_importance;    /* columns, or columns of each expert */
};

struct job {
    const glass_quantize_options *o;
    const char *in, *out;
    struct gguf *file;
    char *vocab; /* as import_find gives it */
    struct item *items;
    struct gguf_writer *writer;
    double done, all; /* weights */
    glass_quantize_total total;
    double squares, weights; /* of all tensors that were changed */
};

/* ---- the plan ---- */

static bool rule_fits(const glass_quantize_rule *rule, const char *name) {
    if (strpbrk(rule->pattern, "*?[") != NULL) return fnmatch(rule->pattern, name, 0) == 0;
    return strstr(name, rule->pattern) != NULL;
}

static const glass_quantize_rule *rule_of(const glass_quantize_options *o,
                                          const char *name) {
    for (int i = 0; i < o->n_rules; i++)
        if (rule_fits(&o->rules[i], name)) return &o->rules[i];
    return NULL;
}

/* A rule that no matrix obeys is most likely misspelt. */
static glass_status check_rules(const struct job *j) {
    for (int r = 0; r < j->o->n_rules; r++) {
        const glass_quantize_rule *rule = &j->o->rules[r];
        bool used = false;
        if (!rule->keep && !quant_known(rule->type))
            return fail(GLASS_USAGE, "%s: weights cannot be %s", rule->pattern,
                        glass_dtype_name(rule->type) ? glass_dtype_name(rule->type)
                                                     : "of that type");
        for (int64_t i = 0; i < gguf_n_tensors(j->file); i++) {
            const struct gguf_tensor *t = gguf_tensor_at(j->file, i);
            used |= mix_takes(t) && rule_fits(rule, t->name);
        }
        if (!used)
            return fail(GLASS_USAGE, "%s: no matrix has \"%s\" in its name", j->in,
                        rule->pattern);
    }
    return GLASS_OK;
}

static int64_t width_of(const struct gguf_tensor *t) {
    return t->shape[t->n_dims - 1];
}

static int64_t n_experts(const struct gguf_tensor *t) {
    return t->n_dims == 3 ? t->shape[0] : 1;
}

/* Embeddings are looked up, not multiplied: importance, which a file may have for a head that
 * shares them, is not for them. */
static glass_status find_importance(const struct job *j, struct item *item) {
    int64_t width = width_of(item->t), n;
    if (j->o->importance == NULL || strcmp(item->t->name, "token_embd.weight") == 0)
        return GLASS_OK;
    const float *w = glass_importance_of(j->o->importance, item->t->name, &n);
    if (w == NULL || glass_dtype_block(item->to) == 1 || item->to == GLASS_Q8_0)
        return GLASS_OK; /* none, or a type that does not look at it */
    if (n != width && n != width * n_experts(item->t))
        return fail(GLASS_BAD_INPUT,
                    "%s: %s has %lld columns, and its importance %lld: it was made for "
                    "another model",
                    j->in, item->t->name, (long long)width, (long long)n);
    item->importance = w;
    item->n_importance = n;
    return GLASS_OK;
}

static bool is_float(glass_dtype type) {
    return type == GLASS_F32 || type == GLASS_F16 || type == GLASS_BF16;
}

/* Vectors keep their numbers. Half floats, which other programs do not add and multiply with,
 * become F32. */
static glass_dtype kept_type(const struct gguf_tensor *t) {
    return t->n_dims == 1 && is_float(t->dtype) ? GLASS_F32 : t->dtype;
}

static glass_status plan_tensor(const struct job *j, struct item *item,
                                const struct mix_model *mix) {
    const struct gguf_tensor *t = item->t;
    const glass_quantize_rule *rule = rule_of(j->o, t->name);
    item->to = kept_type(t);
    item->kept = true;
    if (!mix_takes(t) || (rule != NULL && rule->keep)) return GLASS_OK;
    glass_dtype wanted = rule != NULL ? rule->type : mix_choose(mix, t, j->o->pure);
    item->to = mix_fitting(wanted, width_of(t));
    item->fallback = item->to != wanted;
    item->kept = item->to == t->dtype;
    if (item->kept) return GLASS_OK;
    struct weight w = {t->data, t->dtype, 1, width_of(t), gguf_tensor_row_bytes(t)};
    glass_status status = matmul_check(&w);
    if (status != GLASS_OK) return fail_within(status, "%s: tensor %s", j->in, t->name);
    if (glass_dtype_block(t->dtype) > 1 && !j->o->allow_requantize)
        return fail(
            GLASS_BAD_INPUT,
            "%s: tensor %s is %s, quantised already: to quantise it again as %s adds "
            "its error to the first. Take the original, or allow it "
            "(--allow-requantize)",
            j->in, t->name, glass_dtype_name(t->dtype), glass_dtype_name(item->to));
    return find_importance(j, item);
}

static size_t new_bytes(const struct item *item) {
    if (item->to == item->t->dtype) return item->t->n_bytes;
    return (size_t)gguf_tensor_n_rows(item->t) *
           quant_row_bytes(item->to, width_of(item->t));
}

static glass_status plan(struct job *j) {
    const struct mix *mix;
    struct mix_model model;
    int64_t n = gguf_n_tensors(j->file);
    bool important = j->o->importance == NULL;
    TRY(mix_find(&mix, j->o->mix));
    TRY(check_rules(j));
    if (mix_wants_importance(mix) && j->o->importance == NULL)
        return fail(GLASS_USAGE,
                    "%s is of no use without importance: give a calibration text, or a "
                    "file of importance",
                    j->o->mix);
    mix_model_read(&model, mix, j->file, j->o->importance != NULL);
    TRY(mem_alloc_zero(&j->items, (size_t)n, sizeof *j->items));
    for (int64_t i = 0; i < n; i++) {
        struct item *item = &j->items[i];
        item->t = gguf_tensor_at(j->file, i);
        TRY(plan_tensor(j, item, &model));
        int64_t columns;
        if (j->o->importance != NULL)
            important |=
                glass_importance_of(j->o->importance, item->t->name, &columns) != NULL;
        int64_t weights = width_of(item->t) * gguf_tensor_n_rows(item->t);
        j->all += (double)weights;
        j->total.n_tensors++;
        j->total.n_weights += weights;
        j->total.bytes_before += item->t->n_bytes;
        j->total.bytes_after += new_bytes(item);
    }
    if (j->total.n_weights > 0)
        j->total.bits_per_weight =
            8.0 * (double)j->total.bytes_after / (double)j->total.n_weights;
    if (!important)
        return fail(GLASS_BAD_INPUT,
                    "%s: the importance is of other tensors: it was made for another model",
                    j->in);
    return GLASS_OK;
}

/* ---- the new file's description ---- */

static bool is_key(const struct gguf_value *v, const char *key) {
    size_t n = strlen(key);
    return v->key.n_bytes == n && memcmp(v->key.text, key, n) == 0;
}

/* Keys that are about the old file. */
static bool is_replaced(const struct gguf_value *v) {
    static const char *const keys[] = {"general.file_type",
                                       "general.quantization_version",
                                       "split.no",
                                       "split.count",
                                       "split.tensors.count",
                                       "quantize.imatrix.file",
                                       "quantize.imatrix.dataset",
                                       "quantize.imatrix.entries_count",
                                       "quantize.imatrix.chunks_count"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (is_key(v, keys[i])) return true;
    return false;
}

/* What is known of the importance, under llama-quantize's keys. */
static glass_status put_importance(const struct job *j) {
    glass_importance_info info;
    const char *name = j->o->importance_name;
    if (j->o->importance == NULL) return GLASS_OK;
    glass_importance_get_info(j->o->importance, &info);
    if (name != NULL) TRY(gguf_put_text(j->writer, "quantize.imatrix.file", name));
    if (info.source[0] != '\0')
        TRY(gguf_put_text(j->writer, "quantize.imatrix.dataset", info.source));
    TRY(gguf_put_int(j->writer, "quantize.imatrix.entries_count", GGUF_U32,
                     info.n_tensors));
    if (info.n_pieces > 0)
        TRY(gguf_put_int(j->writer, "quantize.imatrix.chunks_count", GGUF_U32,
                         info.n_pieces));
    return GLASS_OK;
}

/* The vocabulary of a model that does not have it among its keys. */
static glass_status put_vocabulary(const struct job *j) {
    const struct gguf_tensor *rows = gguf_tensor_find(j->file, "token_embd.weight");
    struct tok_source source = TOK_SOURCE_NONE;
    if (j->vocab == NULL) return GLASS_OK;
    const struct tok_to_gguf_options o = {.n_vocab = rows == NULL ? 0 : rows->shape[0]};
    glass_status status = tok_read_path(&source, j->vocab);
    if (status == GLASS_OK) status = tok_to_gguf(j->writer, &source, &o);
    tok_source_clear(&source);
    return status;
}

static glass_status describe(struct job *j) {
    enum { QUANTIZATION_VERSION = 2 }; /* of the blocks: ggml's GGML_QNT_VERSION */
    const struct mix *mix;
    TRY(mix_find(&mix, j->o->mix));
    for (int64_t i = 0; i < gguf_n_values(j->file); i++)
        if (!is_replaced(gguf_value_at(j->file, i)))
            TRY(gguf_put_value(j->writer, gguf_value_at(j->file, i)));
    TRY(gguf_put_int(j->writer, "general.quantization_version", GGUF_U32,
                     QUANTIZATION_VERSION));
    TRY(gguf_put_int(j->writer, "general.file_type", GGUF_U32, mix_file_type(mix)));
    TRY(put_importance(j));
    TRY(put_vocabulary(j));
    for (int64_t i = 0; i < j->total.n_tensors; i++) {
        const struct gguf_tensor *t = j->items[i].t;
        TRY(gguf_put_tensor(j->writer, t->name, j->items[i].to, t->n_dims, t->shape));
    }
    return GLASS_OK;
}

/* ---- weights ---- */

/* One member's scratch and what went wrong in its rows. */
struct own {
    uint8_t *source; /* (unit rows) as the model has them */
    float *x;        /* (unit rows, width) */
    float *widened;  /* (width) */
    enum quant_flaw flaw;
    int64_t flaw_at; /* the weight, counted from the tensor's first */
    float flaw_value;
};

/* The rows of a tensor that are in memory at a time. */
struct piece {
    const struct item *item;
    int64_t first, n, unit, width;
    size_t source_bytes, out_bytes; /* of a row */
    uint8_t *out;                   /* (piece rows) */
    struct quant_error *errors;     /* (piece rows) */
    struct own *own;                /* (members) */
};

/* Rows first … first+n-1, all of one expert, from x to out. */
static void quantise_rows(const struct piece *p, struct own *me, uint8_t *out,
                          const float *x, int64_t first, int64_t n) {
    const struct item *item = p->item;
    const float *w = item->importance;
    int64_t at;
    if (w != NULL && item->n_importance > p->width)
        w += first / (gguf_tensor_n_rows(item->t) / n_experts(item->t)) * p->width;
    enum quant_flaw flaw = quant_rows(out, x, w, n, p->width, item->to, &at);
    if (flaw == QUANT_GOOD) return;
    if (me->flaw != QUANT_GOOD && me->flaw_at < first * p->width + at) return;
    me->flaw = flaw;
    me->flaw_at = first * p->width + at;
    me->flaw_value = x[at];
}

/* Rows [begin, end) of the piece. */
static void quantise_unit(const struct piece *p, struct own *me, int64_t begin,
                          int64_t end) {
    const struct gguf_tensor *t = p->item->t;
    int64_t n = end - begin, per_expert = gguf_tensor_n_rows(t) / n_experts(t);
    struct weight w = {me->source, t->dtype, 1, n * p->width, p->source_bytes * (size_t)n};
    gguf_tensor_rows(me->source, t, p->first + begin, n);
    matmul_row(me->x, &w, 0);
    for (int64_t r = begin; r < end;) {
        int64_t first = p->first + r, rest = per_expert - first % per_expert;
        int64_t m = rest < end - r ? rest : end - r;
        quantise_rows(p, me, p->out + (size_t)r * p->out_bytes,
                      me->x + (r - begin) * p->width, first, m);
        r += m;
    }
    if (me->flaw != QUANT_GOOD) return;
    for (int64_t r = begin; r < end; r++)
        quant_error_row(&p->errors[r], me->widened, me->x + (r - begin) * p->width,
                        p->out + (size_t)r * p->out_bytes, p->width, p->item->to);
}

static void quantise_piece(void *context, const struct member *me) {
    const struct piece *p = context;
    int64_t begin, end;
    while (team_queue_next(me, p->n, p->unit, &begin, &end))
        quantise_unit(p, &p->own[me->i], begin, end);
}

static glass_status bad_weight(const struct job *j, const struct piece *p,
                               const struct own *me) {
    int64_t row = me->flaw_at / p->width, column = me->flaw_at % p->width;
    if (me->flaw == QUANT_NOT_FINITE)
        return fail(GLASS_BAD_INPUT,
                    "%s: tensor %s, row %lld, column %lld: the weight is %g; a model whose "
                    "weights are not all numbers is damaged",
                    j->in, p->item->t->name, (long long)row, (long long)column,
                    (double)me->flaw_value);
    return fail(GLASS_BAD_INPUT,
                "%s: tensor %s, row %lld, column %lld: weights as large as %g do not fit "
                "%s; give this tensor another type (--keep %s=F32)",
                j->in, p->item->t->name, (long long)row, (long long)column,
                (double)me->flaw_value, glass_dtype_name(p->item->to), p->item->t->name);
}

/* The first flaw of all members', if there is one. */
static glass_status check_flaws(const struct job *j, const struct piece *p, int n_threads) {
    const struct own *first = NULL;
    for (int i = 0; i < n_threads; i++)
        if (p->own[i].flaw != QUANT_GOOD &&
            (first == NULL || p->own[i].flaw_at < first->flaw_at))
            first = &p->own[i];
    return first == NULL ? GLASS_OK : bad_weight(j, p, first);
}

static glass_status progress(struct job *j, const glass_quantize_tensor *tensor) {
    if (j->o->progress == NULL) return GLASS_OK;
    if (!j->o->progress(j->o->context, tensor, j->all > 0 ? j->done / j->all : 1))
        return fail(GLASS_CANCELLED, "%s: quantising was cancelled", j->in);
    return GLASS_OK;
}

/* Memory for pieces of this tensor, in one block. */
static glass_status take_piece(struct piece *p, void **block, const struct item *item,
                               int n_threads) {
    int64_t n_rows = gguf_tensor_n_rows(item->t), width = width_of(item->t);
    int64_t unit = (UNIT_WEIGHTS / width + 15) / 16 * 16;
    if (unit < 16) unit = 16;
    if (unit > n_rows) unit = n_rows;
    int64_t rows = unit * n_threads * UNITS_EACH;
    if (rows > n_rows) rows = n_rows;
    *p = (struct piece){.item = item,
                        .n = rows,
                        .unit = unit,
                        .width = width,
                        .source_bytes = gguf_tensor_row_bytes(item->t),
                        .out_bytes = quant_row_bytes(item->to, width)};
    size_t sizes[6] = {
        (size_t)rows * p->out_bytes,        (size_t)rows * sizeof *p->errors,
        (size_t)n_threads * sizeof *p->own, (size_t)(unit * width) * sizeof(float),
        (size_t)width * sizeof(float),      (size_t)unit * p->source_bytes};
    size_t own = 0, shared = 0;
    for (int i = 0; i < 6; i++) {
        sizes[i] = (sizes[i] + 63) & ~(size_t)63;
        *(i < 3 ? &shared : &own) += sizes[i];
    }
    TRY(mem_alloc_aligned(block, shared + own * (size_t)n_threads, 1));
    uint8_t *at = *block;
    p->out = at;
    p->errors = (void *)(at += sizes[0]);
    p->own = (void *)(at += sizes[1]);
    at += sizes[2];
    for (int i = 0; i < n_threads; i++, at += own)
        p->own[i] = (struct own){.x = (void *)at,
                                 .widened = (void *)(at + sizes[3]),
                                 .source = at + sizes[3] + sizes[4]};
    return GLASS_OK;
}

static glass_status quantise_tensor(struct job *j, const struct item *item,
                                    struct quant_error *error, int n_threads) {
    int64_t n_rows = gguf_tensor_n_rows(item->t);
    struct piece p;
    void *block;
    *error = (struct quant_error){0};
    TRY(take_piece(&p, &block, item, n_threads));
    glass_status status = GLASS_OK;
    int64_t step = p.n;
    for (; p.first < n_rows && status == GLASS_OK; p.first += step) {
        p.n = n_rows - p.first < step ? n_rows - p.first : step;
        team_run(n_threads, quantise_piece, &p);
        status = check_flaws(j, &p, n_threads);
        for (int64_t r = 0; r < p.n && status == GLASS_OK; r++) {
            error->squares += p.errors[r].squares;
            error->weights += p.errors[r].weights;
            if (p.errors[r].largest > error->largest) error->largest = p.errors[r].largest;
        }
        if (status == GLASS_OK)
            status = gguf_put_data(j->writer, p.out, (size_t)p.n * p.out_bytes);
        j->done += (double)(p.n * p.width);
        if (status == GLASS_OK) status = progress(j, NULL);
    }
    mem_free(block);
    return status;
}

/* Its own bytes, by rows. */
static glass_status copy_tensor(struct job *j, const struct gguf_tensor *t) {
    enum { STEP_BYTES = 1 << 20 };
    int64_t n_rows = gguf_tensor_n_rows(t);
    size_t row_bytes = gguf_tensor_row_bytes(t);
    int64_t step = (int64_t)(STEP_BYTES / row_bytes) + 1;
    uint8_t *rows;
    if (step > n_rows) step = n_rows;
    TRY(mem_alloc(&rows, (size_t)step, row_bytes));
    glass_status status = GLASS_OK;
    for (int64_t r = 0; r < n_rows && status == GLASS_OK; r += step) {
        int64_t n = n_rows - r < step ? n_rows - r : step;
        gguf_tensor_rows(rows, t, r, n);
        status = gguf_put_data(j->writer, rows, (size_t)n * row_bytes);
        j->done += (double)(n * width_of(t));
        if (status == GLASS_OK) status = progress(j, NULL);
    }
    mem_free(rows);
    return status;
}

/* Pages of the model that were read are not needed again: memory stays small. */
static void forget(const struct job *j) {
    for (int i = 0; i < gguf_n_parts(j->file); i++) {
        const struct filemap *map = gguf_part(j->file, i);
        if (map->size > 0) madvise((void *)(uintptr_t)map->data, map->size, MADV_DONTNEED);
    }
}

static void report_of(glass_quantize_tensor *out, const struct item *item,
                      const struct quant_error *error) {
    const struct gguf_tensor *t = item->t;
    *out = (glass_quantize_tensor){.name = t->name,
                                   .from = t->dtype,
                                   .to = item->to,
                                   .n_dims = t->n_dims,
                                   .n_bytes = new_bytes(item),
                                   .kept = item->kept,
                                   .important = item->importance != NULL,
                                   .fallback = item->fallback,
                                   .largest = error->largest};
    memcpy(out->shape, t->shape, sizeof out->shape);
    if (error->weights > 0) out->rmse = sqrt(error->squares / error->weights);
}

static glass_status do_tensors(struct job *j) {
    int n_threads = j->o->n_threads > 0 ? j->o->n_threads : team_default_threads();
    for (int64_t i = 0; i < j->total.n_tensors; i++) {
        const struct item *item = &j->items[i];
        struct quant_error error = {0};
        glass_quantize_tensor report;
        if (!j->o->dry_run) {
            /* Floats that are kept go the same way, which looks at every number. */
            TRY(is_float(item->to) || !item->kept
                    ? quantise_tensor(j, item, &error, n_threads)
                    : copy_tensor(j, item->t));
            forget(j);
        }
        if (!item->kept) {
            j->squares += error.squares;
            j->weights += error.weights;
        }
        report_of(&report, item, &error);
        TRY(progress(j, &report));
    }
    if (j->weights > 0) j->total.rmse = sqrt(j->squares / j->weights);
    return GLASS_OK;
}

/* ---- */

static glass_status check_paths(const struct job *j) {
    struct stat a, b;
    if (!j->o->dry_run && stat(j->in, &a) == 0 && stat(j->out, &b) == 0 &&
        a.st_dev == b.st_dev && a.st_ino == b.st_ino)
        return fail(GLASS_USAGE, "%s: the new file would take the place of the model",
                    j->out);
    if (j->o->n_threads < 0 || j->o->n_threads > 1024)
        return fail(GLASS_USAGE, "%d threads: 1 to 1024 are possible", j->o->n_threads);
    return GLASS_OK;
}

static glass_status run(struct job *j) {
    TRY(math_isa_status());
    TRY(check_paths(j));
    TRY(import_find(&j->file, &j->vocab, j->in));
    TRY(plan(j));
    if (j->o->dry_run) return do_tensors(j);
    TRY(gguf_writer_create(&j->writer, j->out));
    TRY(describe(j));
    TRY(do_tensors(j));
    struct gguf_writer *writer = j->writer;
    j->writer = NULL;
    return gguf_writer_finish(writer);
}

glass_status glass_quantize(const char *out, const char *in,
                            const glass_quantize_options *options,
                            glass_quantize_total *total) {
    struct job j = {.o = options, .in = in, .out = out};
    glass_status status = run(&j);
    gguf_writer_free(j.writer);
    mem_free(j.items);
    mem_free(j.vocab);
    gguf_close(j.file);
    if (total != NULL) *total = status == GLASS_OK ? j.total : (glass_quantize_total){0};
    return status;
}
