/* test_gradients.c - losses, gradients and ten steps of AdamW of every family that trains are
 * PyTorch's (tests/train/gen_gradients.py); their bits do not depend on threads, and micro-batches
 * add in arithmetic.md's tree. The limit is a relative L2 of 1e-4 for each gradient tensor. */
#include "base/buf.h"
#include "base/mem.h"
#include "base/path.h"
#include "glass/glass.h"
#include "math/kernels.h"
#include "model/model.h"
#include "train/trainer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { V = 61, ROWS = 299 /* of the long ones */, STEPS = 10 };

static const char *const names[] = {
    "llama",        "llama-tied",   "mistral",     "llama3",
    "llama-bias",   "qwen2",        "qwen3",       "olmo2",
    "gpt2",         "gptneo",       "gptneox",     "gptneox-sequential",
    "gptj",         "gemma",        "smollm3",     "starcoder2",
    "phi2",         "phi3",         "qwen2-yarn",  "ministral3",
    "olmo",         "olmo3",        "gemma2",      "gemma3",
    "apertus",      "granite",      "starcoder",   "codellama",
    "llama-linear", "mistral-long", "gptneo-long", "gemma2-long"};
enum { N_NAMES = sizeof names / sizeof *names };

struct texts {
    int32_t ids[ROWS], targets[ROWS];
    float weights[ROWS], sum;
    struct attn_rows segments[2];
};

/* Two documents side by side, some of whose tokens do not count. */
static void make_texts(struct texts *x, const char *name) {
    bool is_long = strstr(name, "-long") != NULL;
    int64_t split = is_long ? 200 : 24, rows = is_long ? ROWS : 39;
    x->segments[0] = (struct attn_rows){0, split};
    x->segments[1] = (struct attn_rows){split, rows - split};
    x->sum = 0;
    for (int s = 0; s < 2; s++)
        for (int64_t t = 0; t < x->segments[s].n; t++) {
            int64_t row = x->segments[s].row + t;
            x->ids[row] = (int32_t)((7 * row + 3) % V);
            x->targets[row] = (int32_t)((7 * (row + 1) + 3) % V);
            x->weights[row] = t % 5 == 2 ? 0.0F : t % 3 ? 1.0F : 0.5F;
            x->sum += x->weights[row];
        }
}

static struct micro_batch batch_of(const struct texts *x, int64_t first,
                                   int64_t n_segments) {
    int64_t row = x->segments[first].row, T_rows = 0;
    static struct attn_rows rows[2];
    for (int64_t i = 0; i < n_segments; i++) {
        rows[i] = x->segments[first + i];
        rows[i].row -= row;
        T_rows += rows[i].n;
    }
    return (struct micro_batch){x->ids + row, x->targets + row, x->weights + row,
                                rows,         n_segments,       T_rows};
}

static struct trainer *open_with(glass_model **model, const char *name,
                                 struct trainer_options o) {
    char path[128];
    struct trainer *t = NULL;
    struct texts x;
    make_texts(&x, name);
    snprintf(path, sizeof path, "tests/model/data/families/%s.gguf", name);
    o.n_rows = x.segments[0].n + x.segments[1].n;
    o.longest = x.segments[0].n;
    if (glass_model_open(model, path, NULL) != GLASS_OK ||
        trainer_create(&t, *model, &o) != GLASS_OK)
        fail_msg("%s: %s", name, glass_error());
    return t;
}

static struct trainer *open(glass_model **model, const char *name, int threads) {
    return open_with(model, name, (struct trainer_options){.n_threads = threads});
}

static double add(struct trainer *t, const struct texts *x, const struct micro_batch *b) {
    float losses[ROWS];
    double loss = 0;
    if (trainer_add(t, b, 1.0F / x->sum, losses) != GLASS_OK) fail_msg("%s", glass_error());
    for (int64_t i = 0; i < b->T; i++) loss += (double)b->weights[i] * (double)losses[i];
    return loss / (double)x->sum;
}

static const struct param *find(const struct params *p, const char *name) {
    for (int64_t i = 0; i < p->n_list; i++)
        if (strcmp(p->list[i].name, name) == 0) return &p->list[i];
    return NULL;
}

/* Number i of a tensor's gradient; a fused tensor's is that of its parts, one after another. */
static double gradient_at(const struct params *p, const char *name, int64_t i) {
    static const struct {
        const char *fused, *parts[3];
    } all[] = {{"attn_qkv", {"attn_q", "attn_k", "attn_v"}},
               {"ffn_up", {"ffn_gate", "ffn_up"}}};
    const struct param *whole = find(p, name);
    if (whole != NULL && i < whole->n * whole->k &&
        (strstr(name, "ffn_up") == NULL || p->config->family.fused_gate == false))
        return (double)whole->d[i];
    for (size_t f = 0; f < 2; f++) {
        const char *at = strstr(name, all[f].fused);
        for (int l = 0; at != NULL && l < 3 && all[f].parts[l] != NULL; l++) {
            char part[96];
            snprintf(part, sizeof part, "%.*s%s%s", (int)(at - name), name, all[f].parts[l],
                     at + strlen(all[f].fused));
            const struct param *e = find(p, part);
            if (e == NULL) fail_msg("no gradient of %s", part);
            if (i < e->n * e->k) return (double)e->d[i];
            i -= e->n * e->k;
        }
    }
    fail_msg("no gradient of %s", name);
    return 0;
}

struct fixture {
    char *text, *at;
};

static void open_fixture(struct fixture *f, const char *file) {
    char path[256];
    struct buf b = {0};
    snprintf(path, sizeof path, "tests/train/data/%s", file);
    if (path_read_whole(&b, path, 1 << 20) != GLASS_OK) fail_msg("%s", glass_error());
    assert_int_equal(buf_take(&b, &f->text, NULL), GLASS_OK);
    f->at = f->text;
}

/* The next word of this line, NULL at its end. */
static char *word(struct fixture *f) {
    while (*f->at == ' ') f->at++;
    if (*f->at == '\n' || *f->at == '\0') return NULL;
    char *start = f->at;
    f->at += strcspn(f->at, " \n");
    if (*f->at == ' ') *f->at++ = '\0';
    return start;
}

static double number(struct fixture *f) {
    char *w = word(f);
    assert_non_null(w);
    return strtod(w, NULL);
}

static void next_line(struct fixture *f) {
    f->at += strcspn(f->at, "\n");
    if (*f->at == '\n') f->at++;
}

/* A tensor's gradient beside the fixture's line, whose name is read. */
static void compare(const char *family, const struct params *p, struct fixture *f,
                    const char *name, double largest) {
    int64_t n = (int64_t)number(f), stride = (int64_t)number(f);
    double norm = number(f), difference = 0, size = 0, ours = 0;
    for (int64_t i = 0; i < n; i++) {
        double x = gradient_at(p, name, i);
        ours += x * x;
        if (i % stride != 0) continue;
        double want = number(f);
        difference += (x - want) * (x - want);
        size += want * want;
    }
    /* What is 0 but for rounding, such as the bias of keys, has no relative error. */
    if (norm < 1e-6 * largest) return;
    if (!(sqrt(difference) <= 1e-4 * sqrt(size)) || !(fabs(sqrt(ours) / norm - 1) < 1e-5))
        fail_msg("%s: %s is %g off; norms %g and %g", family, name,
                 sqrt(difference / (size + 1e-300)), sqrt(ours), norm);
}

static double largest_norm(struct fixture f) {
    double most = 0;
    for (char *line = strchr(strchr(f.at, '\n') + 1, '\n'); line != NULL && line[1] != '\0';
         line = strchr(line + 1, '\n')) {
        double norm;
        if (sscanf(line + 1, "%*s %*s %*s %lf", &norm) == 1 && norm > most) most = norm;
    }
    return most;
}

static void gradients_are_pytorchs(void **state) {
    (void)state;
    struct texts x;
    for (int i = 0; i < N_NAMES; i++) {
        make_texts(&x, names[i]);
        glass_model *model;
        struct fixture f;
        char file[64];
        struct trainer *t = open(&model, names[i], 2);
        struct micro_batch b = batch_of(&x, 0, 2);
        double loss = add(t, &x, &b);
        snprintf(file, sizeof file, "%s.grads", names[i]);
        open_fixture(&f, file);
        double largest = largest_norm(f);
        assert_string_equal(word(&f), "loss");
        double want = number(&f);
        if (!(fabs(loss / want - 1) < 1e-5))
            fail_msg("%s: loss %g, not %g", names[i], loss, want);
        next_line(&f);
        next_line(&f); /* the steps */
        for (char *name; (name = word(&f)) != NULL; next_line(&f))
            compare(names[i], trainer_params(t), &f, name, largest);
        free(f.text);
        trainer_free(t);
        glass_model_close(model);
    }
}

static void steps_are_pytorchs(void **state) {
    (void)state;
    struct texts x;
    for (int i = 0; i < N_NAMES; i++) {
        make_texts(&x, names[i]);
        glass_model *model;
        struct fixture f;
        char file[64];
        struct trainer *t = open(&model, names[i], 1);
        struct micro_batch b = batch_of(&x, 0, 2);
        struct optimizer_options o = {.rate = 1e-3,
                                      .beta1 = 0.9,
                                      .beta2 = 0.95,
                                      .eps = 1e-8,
                                      .decay = 0.1,
                                      .clip = 1};
        snprintf(file, sizeof file, "%s.grads", names[i]);
        open_fixture(&f, file);
        /* Larger steps of this one are no test: gen_gradients.py says why. */
        if (strcmp(names[i], "gemma3") == 0) o.rate = 1e-4;
        next_line(&f);
        assert_string_equal(word(&f), "steps");
        for (int step = 0; step < STEPS; step++) {
            double loss = add(t, &x, &b), want = number(&f);
            float norm;
            if (trainer_step(t, &o, &norm) != GLASS_OK) fail_msg("%s", glass_error());
            if (!(fabs(loss / want - 1) < 2e-5))
                fail_msg("%s, step %d: loss %.9g, not %.9g", names[i], step, loss, want);
        }
        free(f.text);
        trainer_free(t);
        glass_model_close(model);
    }
}

/* Other ways to step, by the lines of NAME.steps. PyTorch's own Muon makes matrices orthogonal in
 * bfloat16: its losses are near ours, and no more. */
static const struct {
    const char *name;
    double limit;
    struct trainer_options t;
    struct optimizer_options o;
} variants[] = {
    {"muon", 1e-4, {.optimizer = OPTIMIZER_MUON}, {.muon_rate = 0.02}},
    {"muon-rms",
     1e-4,
     {.optimizer = OPTIMIZER_MUON},
     {.muon_rate = 0.01, .scale = MUON_RMS}},
    {"muon-rms-plain",
     1e-4,
     {.optimizer = OPTIMIZER_MUON},
     {.muon_rate = 0.01, .scale = MUON_RMS, .plain = true}},
    {"muon-torch", 2e-3, {.optimizer = OPTIMIZER_MUON}, {.muon_rate = 0.02}},
    {"adamw-z", 2e-5, {.z = 0.01F}, {.decay = 0.1}},
    {"adamw-decay-vectors",
     2e-5,
     {.z = 0},
     {.decay = 0.2, .decays = 1 << PARAM_NORM | 1 << PARAM_BIAS}},
};

static void variants_of(const char *name) {
    struct texts x;
    struct fixture f;
    char path[128];
    make_texts(&x, name);
    snprintf(path, sizeof path, "%s.steps", name);
    open_fixture(&f, path);
    for (size_t v = 0; v < sizeof variants / sizeof *variants; v++, next_line(&f)) {
        glass_model *model;
        struct trainer_options options = variants[v].t;
        struct optimizer_options o = variants[v].o;
        struct micro_batch b = batch_of(&x, 0, 2);
        options.n_threads = 1 + (int)v % 3;
        struct trainer *t = open_with(&model, name, options);
        o.rate = 1e-3, o.beta1 = 0.9, o.beta2 = 0.95, o.eps = 1e-8, o.clip = 1;
        o.muon_decay = 0.1, o.momentum = 0.95;
        if (o.decay == 0) o.decay = 0.1;
        assert_string_equal(word(&f), variants[v].name);
        for (int step = 0; step < STEPS; step++) {
            double loss = add(t, &x, &b), want = number(&f);
            float norm;
            if (trainer_step(t, &o, &norm) != GLASS_OK) fail_msg("%s", glass_error());
            if (!(fabs(loss / want - 1) < variants[v].limit))
                fail_msg("%s, %s, step %d: loss %.9g, not %.9g", name, variants[v].name,
                         step, loss, want);
        }
        trainer_free(t);
        glass_model_close(model);
    }
    free(f.text);
}

static void other_steps_are_pytorchs(void **state) {
    (void)state;
    variants_of("llama");
    variants_of("qwen3");
    variants_of("starcoder2");
}

/* Three micro-batches by one thread and by three: the same parameters after two steps. */
static void threads_change_nothing(void **state) {
    (void)state;
    struct texts x;
    for (int i = 0; i < N_NAMES; i++) {
        make_texts(&x, names[i]);
        glass_model *model[2];
        struct trainer *t[2];
        for (int l = 0; l < 2; l++) {
            t[l] = open(&model[l], names[i], l == 0 ? 1 : 3);
            for (int step = 0; step < 2; step++) {
                struct optimizer_options o = {.rate = 1e-3,
                                              .beta1 = 0.9,
                                              .beta2 = 0.95,
                                              .eps = 1e-8,
                                              .decay = 0.1,
                                              .clip = 1};
                float norm;
                for (int micro = 0; micro < 3; micro++) {
                    struct micro_batch b = batch_of(&x, micro % 2, 1);
                    add(t[l], &x, &b);
                }
                assert_int_equal(trainer_step(t[l], &o, &norm), GLASS_OK);
            }
        }
        const struct params *a = trainer_params(t[0]), *b = trainer_params(t[1]);
        assert_int_equal(a->n_floats, b->n_floats);
        if (memcmp(a->values, b->values, (size_t)a->n_floats * 4) != 0)
            fail_msg("%s: threads change parameters", names[i]);
        for (int l = 0; l < 2; l++) trainer_free(t[l]), glass_model_close(model[l]);
    }
}

/* What is made again instead of kept has the same bits. */
static void recomputing_changes_nothing(void **state) {
    (void)state;
    struct texts x;
    for (int i = 0; i < N_NAMES; i++) {
        glass_model *model[3];
        struct trainer *t[3];
        size_t bytes[3];
        make_texts(&x, names[i]);
        struct micro_batch b = batch_of(&x, 0, 2);
        for (int r = 0; r < 3; r++) {
            struct trainer_options o = {.n_threads = 1 + r, .recompute = (enum recompute)r};
            t[r] = open_with(&model[r], names[i], o);
            o.n_rows = b.T, o.longest = x.segments[0].n, o.n_threads = 1;
            bytes[r] = trainer_bytes(model[r], &o);
            for (int again = 0; again < 2; again++) add(t[r], &x, &b);
            const struct params *p = trainer_params(t[r]), *p0 = trainer_params(t[0]);
            if (memcmp(p->gradients, p0->gradients, (size_t)p->n_floats * 4) != 0)
                fail_msg("%s: level %d changes gradients", names[i], r);
        }
        if (!(bytes[1] < bytes[0] && bytes[2] < bytes[1]))
            fail_msg("%s: %zu, %zu, %zu bytes", names[i], bytes[0], bytes[1], bytes[2]);
        for (int r = 0; r < 3; r++) trainer_free(t[r]), glass_model_close(model[r]);
    }
}

/* A document whose rows weigh nothing (left_out.h): whatever its tokens are, gradients and new
 * parameters have the same bits; and as much is learnt as without its rows. */
static void what_weighs_nothing_teaches_nothing(void **state) {
    (void)state;
    struct texts x;
    for (int i = 0; i < N_NAMES; i++)
        for (int out = 0; out < 2; out++) {
            glass_model *model[3];
            struct trainer *t[3];
            for (int l = 0; l < 3; l++) {
                struct optimizer_options o = {.rate = 1e-3,
                                              .beta1 = 0.9,
                                              .beta2 = 0.95,
                                              .eps = 1e-8,
                                              .decay = 0.1,
                                              .clip = 1};
                float norm;
                make_texts(&x, names[i]);
                t[l] = open_with(&model[l], names[i],
                                 (struct trainer_options){.n_threads = 2, .z = 0.01F});
                for (int64_t k = 0; k < x.segments[out].n; k++) {
                    int64_t row = x.segments[out].row + k;
                    x.sum -= x.weights[row];
                    x.weights[row] = 0;
                    x.ids[row] = (int32_t)(l == 0 ? 1 : (5 * row * row + 2) % V);
                    x.targets[row] = (int32_t)(l == 0 ? 1 : (3 * row + 1) % V);
                }
                /* The last one is the other document alone. */
                struct micro_batch b =
                    l < 2 ? batch_of(&x, 0, 2) : batch_of(&x, 1 - out, 1);
                add(t[l], &x, &b);
                const struct params *p = trainer_params(t[l]), *p0 = trainer_params(t[0]);
                size_t n_bytes = (size_t)p->n_floats * sizeof(float);
                for (int64_t k = 0; l == 2 && k < p->n_floats; k++)
                    if (!(fabsf(p->gradients[k] - p0->gradients[k]) <=
                          1e-6F + 1e-3F * fabsf(p0->gradients[k])))
                        fail_msg("%s: gradient %a beside the document, %a alone", names[i],
                                 p0->gradients[k], p->gradients[k]);
                if (l == 1 && memcmp(p->gradients, p0->gradients, n_bytes) != 0)
                    fail_msg("%s: tokens that weigh nothing change gradients", names[i]);
                assert_int_equal(trainer_step(t[l], &o, &norm), GLASS_OK);
                if (l == 1 && memcmp(p->values, p0->values, n_bytes) != 0)
                    fail_msg("%s: tokens that weigh nothing change values", names[i]);
            }
            for (int l = 0; l < 3; l++) trainer_free(t[l]), glass_model_close(model[l]);
        }
}

/* The gradients g[0 … n) added as arithmetic.md says: neighbours, then their sums, and so on; an
 * odd one passes up. g[0] is the result. */
static void add_tree(float **g, int n, int64_t n_floats) {
    for (; n > 1; n = (n + 1) / 2) {
        for (int i = 0; i + 1 < n; i += 2)
            for (int64_t l = 0; l < n_floats; l++) g[i][l] = g[i][l] + g[i + 1][l];
        for (int i = 1; 2 * i < n; i++) {
            float *moved = g[i];
            g[i] = g[2 * i];
            g[2 * i] = moved;
        }
    }
}

static float norm_of(const struct params *p, const float *g) {
    float squares[64];
    assert_true(p->n_list <= 64);
    for (int64_t i = 0; i < p->n_list; i++)
        squares[i] = math_kernels()->sumsq16_f32(g + (p->list[i].d - p->gradients),
                                                 p->list[i].n * p->list[i].k);
    return sqrtf(math_kernels()->sum16_f32(squares, p->n_list));
}

/* One step of 1 to MOST micro-batches against the tree written out. */
static void micro_batches_add_in_a_tree(void **state) {
    enum { MOST = 11 };
    (void)state;
    struct texts x;
    make_texts(&x, "llama");
    for (int n = 1; n <= MOST; n++) {
        glass_model *model;
        struct trainer *t = open(&model, "llama", 1);
        const struct params *p = trainer_params(t);
        size_t bytes = (size_t)p->n_floats * sizeof(float);
        float *g[MOST], *want = malloc(bytes), *m = calloc(bytes, 1), *v = calloc(bytes, 1);
        for (int i = 0; i < n; i++) {
            struct micro_batch b = batch_of(&x, i % 2, 1);
            float losses[ROWS];
            assert_int_equal(trainer_add(t, &b, 0.01F * (float)(i + 1), losses), GLASS_OK);
            memcpy(g[i] = malloc(bytes), p->gradients, bytes);
        }
        memcpy(want, p->values, bytes);
        add_tree(g, n, p->n_floats);
        struct optimizer_options o = {
            .rate = 1e-3, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8};
        struct adamw_step step = {0.95F,
                                  (float)(1 - 0.9),
                                  (float)(1 - 0.95),
                                  (float)(1e-3 / (1 - 0.9)),
                                  (float)(1 / sqrt(1 - 0.95)),
                                  1e-8F,
                                  1,
                                  1};
        float norm, wanted = norm_of(p, g[0]);
        math_kernels()->adamw_f32(want, m, v, g[0], p->n_floats, &step);
        assert_int_equal(trainer_step(t, &o, &norm), GLASS_OK);
        if (norm != wanted) fail_msg("%d micro-batches: norm %a, not %a", n, norm, wanted);
        for (int64_t i = 0; i < p->n_list; i++)
            assert_memory_equal(p->list[i].w, want + (p->list[i].w - p->values),
                                (size_t)(p->list[i].n * p->list[i].k) * sizeof(float));
        for (int i = 0; i < n; i++) free(g[i]);
        free(want), free(m), free(v);
        trainer_free(t);
        glass_model_close(model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_pytorchs),
        cmocka_unit_test(steps_are_pytorchs),
        cmocka_unit_test(other_steps_are_pytorchs),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(recomputing_changes_nothing),
        cmocka_unit_test(what_weighs_nothing_teaches_nothing),
        cmocka_unit_test(micro_batches_add_in_a_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
