/* trace_run.c - see trace_run.h. */
#include "open/trace_run.h"

#include "base/hash.h"
#include "base/path.h"
#include "train/order.h"
#include "train/run_parts.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { SMALL_FILE = 1 << 20 };

/* ---- the folder ---- */

static glass_status join(char **out, const char *folder, const char *name) {
    struct buf b = {0};
    *out = NULL;
    glass_status status = buf_printf(&b, "%s/%s", folder, name);
    if (status == GLASS_OK) status = buf_take(&b, out, NULL);
    buf_free(&b);
    return status;
}

static glass_status read_recipe(struct trace_run *r) {
    struct glass_run run = {.folder = r->folder, .lock = -1};
    glass_status status = run_read_recipe(&run);
    r->recipe = run.recipe;
    return status;
}

static glass_status read_digests(struct trace_run *r) {
    struct buf text = {0};
    json_t *json = NULL;
    char *path;
    glass_status status;
    TRY(join(&path, r->folder, "run.json"));
    TRY_FAIL(path_read_whole(&text, path, SMALL_FILE));
    json = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *list = json_object_get(json, "train");
    r->n_shards = (int64_t)json_array_size(list);
    TRY_FAIL(mem_alloc_zero(&r->sha256, (size_t)r->n_shards, sizeof *r->sha256));
    bool good = r->n_shards == r->recipe.n_data;
    for (int64_t i = 0; good && i < r->n_shards; i++) {
        const json_t *digest = json_array_get(list, (size_t)i);
        good = sha256_parse(r->sha256[i], json_string_value(digest),
                            json_string_length(digest));
    }
    if (!good) status = fail(GLASS_BAD_INPUT, "%s: its list of shards is damaged", path);
fail:
    json_decref(json);
    buf_free(&text);
    mem_free(path);
    return status;
}

/* The line that byte `at` lies in: its first byte, and its length without the newline. False if
 * it was not written whole. */
static bool line_at(const struct filemap *f, size_t at, size_t *begin, size_t *n) {
    const char *text = (const char *)f->data;
    const char *before = at == 0 ? NULL : memrchr(text, '\n', at);
    *begin = before == NULL ? 0 : (size_t)(before - text) + 1;
    const char *end = memchr(text + *begin, '\n', f->size - *begin);
    *n = end == NULL ? 0 : (size_t)(end - text) - *begin;
    return end != NULL;
}

static glass_status open_ledger(struct trace_run *r) {
    char *path;
    size_t begin, n, size;
    TRY(join(&path, r->folder, "ledger.jsonl"));
    glass_status status = filemap_open(&r->ledger, path);
    if (status == GLASS_OK) {
        for (size = r->ledger.size; size > 0 && r->ledger.data[size - 1] != '\n';) size--;
        bool good = size > 0 && line_at(&r->ledger, size - 1, &begin, &n);
        r->n_done = good ? lines_step((const char *)r->ledger.data + begin, n) : -1;
        if (r->n_done < 0)
            status = fail(GLASS_BAD_INPUT, "%s: its last line is none of a ledger", path);
    }
    mem_free(path);
    return status;
}

glass_status trace_run_open(struct trace_run *out, const char *folder) {
    struct stat st;
    glass_status status;
    *out = (struct trace_run){0};
    TRY_FAIL(join(&out->folder, folder, "run.json"));
    bool there = stat(out->folder, &st) == 0;
    mem_free(out->folder);
    out->folder = NULL;
    if (!there) {
        status = fail(GLASS_USAGE, "%s holds no run (there is no run.json in it)", folder);
        goto fail;
    }
    TRY_FAIL(mem_copy_text(&out->folder, folder, strlen(folder)));
    TRY_FAIL(read_recipe(out));
    TRY_FAIL(read_digests(out));
    TRY_FAIL(open_ledger(out));
    return GLASS_OK;
fail:
    trace_run_close(out);
    return status;
}

void trace_run_close(struct trace_run *r) {
    recipe_clear(&r->recipe);
    filemap_close(&r->ledger);
    mem_free(r->sha256);
    mem_free(r->folder);
    *r = (struct trace_run){0};
}

glass_status trace_run_shards(const struct trace_run *r, char ***paths) {
    struct buf name = {0};
    char **list;
    *paths = NULL;
    TRY(mem_alloc_zero(&list, (size_t)r->n_shards, sizeof *list));
    *paths = list;
    glass_status status = GLASS_OK;
    for (int64_t i = 0; status == GLASS_OK && i < r->n_shards; i++) {
        buf_clear(&name);
        status =
            buf_printf(&name, "%s/shards/train-%lld.safetensors", r->folder, (long long)i);
        if (status == GLASS_OK) status = buf_take(&name, &list[i], NULL);
    }
    buf_free(&name);
    return status;
}

glass_status trace_run_vocabulary(const struct trace_run *r, char **path) {
    struct buf model = {0};
    int64_t *steps = NULL, n = 0;
    char *folder;
    *path = NULL;
    TRY(join(&folder, r->folder, "checkpoints"));
    glass_status status = checkpoint_list(folder, &steps, &n);
    if (status == GLASS_OK && n > 0) {
        status = checkpoint_path(&model, folder, steps[n - 1]);
        if (status == GLASS_OK) status = buf_text(&model, "/model.gguf");
    } else if (status == GLASS_OK) {
        const struct recipe *p = &r->recipe;
        status = buf_text(&model, p->base[0] != '\0' ? p->base : p->tokenizer);
    }
    if (status == GLASS_OK) status = buf_take(&model, path, NULL);
    buf_free(&model);
    mem_free(folder);
    mem_free(steps);
    return status;
}

/* ---- the ledger ---- */

static glass_status contradiction(const struct trace_run *r, int64_t step) {
    return fail(GLASS_BAD_INPUT,
                "%s: step %lld: ledger and recipe do not say the same of what it read: "
                "glass verify tells which was changed",
                r->folder, (long long)step);
}

/* The line of a step, by halving: steps ascend. */
static const char *find_line(const struct trace_run *r, int64_t step, size_t *n) {
    size_t low = 0, high = r->ledger.size, begin;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (!line_at(&r->ledger, middle, &begin, n)) {
            high = begin;
            continue;
        }
        int64_t have = lines_step((const char *)r->ledger.data + begin, *n);
        if (have == step) return (const char *)r->ledger.data + begin;
        if (have < step)
            low = begin + *n + 1;
        else
            high = begin;
    }
    return NULL;
}

/* Whether sample `place` of the step is this window, as the ledger has it. */
static bool ledger_says(const struct trace_run *r, int64_t step, int64_t place,
                        int64_t window) {
    static const char mark[] = "\"samples\":[";
    char number[24];
    size_t n;
    const char *line = find_line(r, step, &n);
    const char *at = line == NULL ? NULL : memmem(line, n, mark, sizeof mark - 1);
    if (at == NULL) return false;
    const char *end = line + n;
    at += sizeof mark - 1;
    for (; place > 0; place--) {
        at = memchr(at, ',', (size_t)(end - at));
        if (at == NULL) return false;
        at++;
    }
    int length = snprintf(number, sizeof number, "%lld", (long long)window);
    return end - at > length && memcmp(at, number, (size_t)length) == 0 &&
           (at[length] == ',' || at[length] == ']');
}

/* ---- windows and steps ---- */

glass_status trace_places_make(struct trace_places *out, const struct trace_run *r,
                               const int64_t *rows) {
    glass_status status;
    size_t n = (size_t)r->n_shards;
    *out = (struct trace_places){0};
    TRY_FAIL(mem_alloc(&out->rows, n, sizeof *out->rows));
    TRY_FAIL(mem_alloc(&out->windows, n, sizeof *out->windows));
    TRY_FAIL(mem_alloc(&out->places, n, sizeof *out->places));
    for (size_t i = 0; i < n; i++) {
        out->rows[i] = rows[i];
        out->windows[i] = rows[i] / r->recipe.context;
        /* As loader.h says. */
        double places = round(r->recipe.data[i].weight * (double)out->windows[i]);
        out->places[i] = places < 1 ? 1 : (int64_t)places;
        out->n += out->places[i];
        if (out->windows[i] == 0) {
            status = fail(GLASS_BAD_INPUT, "%s: shard %zu holds no window", r->folder, i);
            goto fail;
        }
    }
    return GLASS_OK;
fail:
    trace_places_clear(out);
    return status;
}

void trace_places_clear(struct trace_places *p) {
    mem_free(p->rows);
    mem_free(p->windows);
    mem_free(p->places);
    *p = (struct trace_places){0};
}

struct reading {
    const struct trace_run *r;
    const struct trace_places *p;
    glass_trace_read *list;
    int64_t n, cap;
};

static glass_status add_read(struct reading *x, int64_t sample, int64_t window,
                             int64_t n_tokens) {
    int64_t sequences = x->r->recipe.sequences, step = sample / sequences + 1;
    if (step > x->r->n_done) return GLASS_OK;
    if (!ledger_says(x->r, step, sample % sequences, window))
        return contradiction(x->r, step);
    if (x->n == x->cap) {
        x->cap = x->cap == 0 ? 8 : 2 * x->cap;
        TRY(mem_resize(&x->list, (size_t)x->cap, sizeof *x->list));
    }
    x->list[x->n++] = (glass_trace_read){step, window, n_tokens};
    return GLASS_OK;
}

/* Every time that window w of the shard was read. */
static glass_status add_window(struct reading *x, int64_t shard, int64_t w,
                               int64_t n_tokens) {
    const struct trace_places *p = x->p;
    int64_t before = 0, windows_before = 0, windows = p->windows[shard];
    for (int64_t i = 0; i < shard; i++) {
        before += p->places[i];
        windows_before += p->windows[i];
    }
    int64_t n_samples = x->r->n_done * x->r->recipe.sequences;
    for (int64_t epoch = 0; epoch * p->n < n_samples; epoch++) {
        int64_t start = (int64_t)((unsigned __int128)epoch * (uint64_t)p->places[shard] %
                                  (uint64_t)windows);
        for (int64_t i = (w - start + windows) % windows; i < p->places[shard];
             i += windows) {
            int64_t at = (int64_t)order_place((uint64_t)x->r->recipe.seed, (uint64_t)epoch,
                                              (uint64_t)(before + i), (uint64_t)p->n);
            TRY(add_read(x, epoch * p->n + at, windows_before + w, n_tokens));
        }
    }
    return GLASS_OK;
}

static int by_step(const void *a, const void *b) {
    const glass_trace_read *x = a, *y = b;
    if (x->step != y->step) return x->step < y->step ? -1 : 1;
    return (x->window > y->window) - (x->window < y->window);
}

glass_status trace_run_reads(const struct trace_run *r, const struct trace_places *p,
                             const struct trace_stretch *s, int64_t most,
                             glass_trace_read **reads, int64_t *n, int64_t *n_all) {
    struct reading x = {.r = r, .p = p};
    int64_t context = r->recipe.context, d = s->document;
    /* Row i of the document has tokens i and i + 1, counted from its start; its last token
     * has no row of its own. */
    int64_t first = (s->begin > s->from ? s->begin - 1 : s->begin) - d;
    int64_t last = (s->end < s->to ? s->end - 1 : s->to - 2) - d;
    glass_status status = GLASS_OK;
    *reads = NULL;
    for (int64_t w = first / context; status == GLASS_OK && w <= last / context; w++) {
        int64_t from = w * context + d, to = (w + 1) * context + d + 1;
        if (from < s->begin) from = s->begin;
        if (to > s->end) to = s->end;
        /* An incomplete last window is not learnt from. */
        if (w < p->windows[s->shard] && to > from)
            status = add_window(&x, s->shard, w, to - from);
    }
    if (status != GLASS_OK) {
        mem_free(x.list);
        return status;
    }
    if (x.n > 0) qsort(x.list, (size_t)x.n, sizeof *x.list, by_step);
    *reads = x.list;
    *n_all = x.n;
    *n = most >= 0 && most < x.n ? most : x.n;
    return GLASS_OK;
}
