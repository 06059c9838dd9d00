/* test_look.c - what is seen is what the pass weighed, to the bit; and nothing is changed by
 * looking: threads, batches, ranges, caches, adapters of none, failing allocations. */
#include "base/mem.h"
#include "inspect/look.h"
#include "math/functions.h"
#include "math/kernels.h"
#include "model/score.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { V = 61, T = 40, LONG = 300 };

// clang-format off
static const char *const names[] = {"llama", "llama-tied", "mistral", "qwen2", "qwen3", "olmo",
                                    "olmo2", "gpt2", "gptneo", "gptneox", "gptneox-sequential",
                                    "codellama", "llama3", "llama-linear", "llama-bias",
                                    "gptj", "olmo3", "smollm3", "gemma", "gemma2", "gemma3",
                                    "apertus", "granite", "phi2", "phi3", "starcoder",
                                    "starcoder2", "qwen2-yarn", "ministral3", "mistral-long",
                                    "gptneo-long", "gemma2-long"};
// clang-format on
enum { N_NAMES = sizeof names / sizeof *names };

static int32_t ids[LONG];

static int length_of(const char *name) {
    return strstr(name, "-long") != NULL ? LONG : T;
}

static glass_model *open_family(const char *name) {
    glass_model *model;
    char path[128];
    snprintf(path, sizeof path, "tests/model/data/families/%s.gguf", name);
    for (int i = 0; i < LONG; i++) ids[i] = (7 * i + 3) % V;
    if (glass_model_open(&model, path, NULL) != GLASS_OK) fail_msg("%s", glass_error());
    return model;
}

static void good(glass_status status) {
    if (status != GLASS_OK) fail_msg("%s", glass_error());
}

/* ---- logits and layers ---- */

/* All logits of a plain session. */
static float *plain_logits(const glass_model *model, int n, const glass_adapter_use *use) {
    glass_session *s;
    glass_session_options o = {
        .n_ctx = n, .n_threads = 1, .adapters = use, .n_adapters = use != NULL};
    float *out = malloc(sizeof(float) * (size_t)(n * V));
    good(glass_session_create(&s, model, &o));
    good(glass_session_eval_all(s, ids, n, out));
    glass_session_free(s);
    return out;
}

static void check_row(const char *name, const glass_prediction *p, const float *row) {
    struct score s;
    int32_t next = p->id >= 0 ? p->id : 0;
    int64_t rank = 1;
    double total = 0;
    good(score_rows(&s, &row, 1, &next, 1, V, 1));
    for (int i = 0; i < V; i++)
        rank += row[i] > row[next] || (row[i] == row[next] && i < next);
    if (p->answer != s.best[0] || p->answer_rank != 1 || p->kl != 0)
        fail_msg("%s: position %d: another answer", name, (int)p->position);
    if (p->id >= 0 && (memcmp(&p->logprob, &s.logprob[0], 8) != 0 || p->rank != rank))
        fail_msg("%s: position %d: other bits", name, (int)p->position);
    for (int i = 0; i < V; i++) {
        total += exp(p->top[i].logprob);
        if (i > 0 && row[p->top[i].id] > row[p->top[i - 1].id]) fail_msg("%s: order", name);
    }
    if (fabs(total - 1) > 1e-9) fail_msg("%s: all of the vocabulary is %g", name, total);
    double entropy = 0;
    for (int i = 0; i < V; i++) entropy -= exp(p->top[i].logprob) * p->top[i].logprob;
    if (fabs(entropy - p->entropy) > 1e-9) fail_msg("%s: entropy", name);
}

/* The last layer's predictions are the session's own logits, however they are asked for. */
static void predictions_are_the_sessions(void **state) {
    (void)state;
    for (int f = 0; f < N_NAMES; f++) {
        glass_model *model = open_family(names[f]);
        int n = length_of(names[f]);
        int64_t n_layer;
        glass_predictions *p, *lens, *one;
        glass_inspect_options o = {.n_top = V, .n_threads = 2, .n_batch = 7};
        float *logits = plain_logits(model, n, NULL);
        good(glass_inspect_logits(&p, model, ids, n, &o));
        o.n_threads = 1;
        o.n_batch = 0;
        good(glass_inspect_layers(&lens, model, ids, n, &o));
        n_layer = p->n_layer;
        assert_int_equal(p->n, n);
        assert_int_equal(lens->n, n * (n_layer + 1));
        assert_int_equal(p->n_scored, n - 1);
        for (int i = 0; i < n; i++) {
            const glass_prediction *a = &p->list[i];
            const glass_prediction *b = &lens->list[i * (n_layer + 1) + n_layer];
            assert_int_equal(a->position, i + 1);
            assert_int_equal(a->id, i + 1 < n ? ids[i + 1] : -1);
            check_row(names[f], a, logits + i * V);
            assert_int_equal(b->layer, n_layer);
            assert_memory_equal(a->top, b->top, sizeof *a->top * V);
            assert_memory_equal(&a->entropy, &b->entropy, sizeof a->entropy);
        }
        /* A part alone has the bits it has among all. */
        o.at = (glass_range){n - 3, 2};
        o.layers = (glass_range){1, 1};
        good(glass_inspect_layers(&one, model, ids, n, &o));
        assert_int_equal(one->n, 2);
        for (int i = 0; i < 2; i++) {
            const glass_prediction *a = &one->list[i];
            const glass_prediction *b = &lens->list[(n - 4 + i) * (n_layer + 1) + 1];
            assert_int_equal(a->position, b->position);
            assert_memory_equal(a->top, b->top, sizeof *a->top * V);
            assert_memory_equal(&a->kl, &b->kl, sizeof a->kl);
            assert_true(a->kl > 0);
            assert_int_equal(a->answer, b->answer);
            assert_int_equal(a->answer_rank, b->answer_rank);
        }
        glass_predictions_free(p);
        glass_predictions_free(lens);
        glass_predictions_free(one);
        free(logits);
        glass_model_close(model);
    }
}

/* With adapters, on the head too where they have that. */
static void adapters_are_seen(void **state) {
    (void)state;
    static const char *const some[] = {"llama", "gpt2", "gptneox"};
    for (int f = 0; f < 3; f++) {
        glass_model *model = open_family(some[f]);
        glass_adapter *adapter;
        glass_predictions *p;
        char path[128];
        snprintf(path, sizeof path, "tests/model/data/adapters/%s", some[f]);
        good(glass_adapter_open(&adapter, model, path));
        const glass_adapter_use use = {adapter, 1.5F};
        glass_inspect_options o = {
            .n_top = V, .n_batch = 9, .adapters = &use, .n_adapters = 1};
        float *with = plain_logits(model, T, &use), *without = plain_logits(model, T, NULL);
        assert_true(memcmp(with, without, sizeof(float) * T * V) != 0);
        good(glass_inspect_logits(&p, model, ids, T, &o));
        for (int i = 0; i < T; i++) check_row(some[f], &p->list[i], with + i * V);
        glass_predictions_free(p);
        glass_adapter_close(adapter);
        glass_model_close(model);
        free(with);
        free(without);
    }
}

/* KL as its definition has it. */
static void kl_is_the_divergence(void **state) {
    (void)state;
    glass_model *model = open_family("llama");
    glass_predictions *p;
    glass_inspect_options o = {.n_top = V, .at = {-1, 0}};
    good(glass_inspect_layers(&p, model, ids, T, &o));
    const glass_prediction *last = &p->list[p->n - 1];
    for (int64_t i = 0; i < p->n; i++) {
        double of[V], kl = 0;
        for (int k = 0; k < V; k++) of[p->list[i].top[k].id] = p->list[i].top[k].logprob;
        for (int k = 0; k < V; k++)
            kl += exp(last->top[k].logprob) * (last->top[k].logprob - of[last->top[k].id]);
        assert_true(fabs(kl - p->list[i].kl) < 1e-9);
    }
    glass_predictions_free(p);
    glass_model_close(model);
}

/* ---- attention ---- */

/* What a head gives, by arithmetic.md, from shares before they are divided: blocks at multiples
 * of 256, chains ascending from the first visible key. */
static void weigh_values(float *out, const float *p, float z, const float *v,
                         int64_t stride, int64_t first, int64_t pos, int64_t hd) {
    for (int64_t d = 0; d < hd; d++) {
        float sum = 0;
        bool started = false;
        for (int64_t block = first / 256 * 256; block <= pos; block += 256) {
            float chain = 0;
            for (int64_t j = block > first ? block : first; j <= pos && j < block + 256;
                 j++)
                chain = fmaf(p[j], v[j * stride + d], chain);
            sum = started ? sum + chain : chain;
            started = true;
        }
        out[d] = sum / z;
    }
}

struct seen {
    struct look l;
    const glass_attention *a;
    float *q, *v, *heads;
    int64_t layer;
};

static void check_heads(const struct seen *s, const char *name, int n) {
    const struct config *c = &s->l.model->config;
    int64_t hd = c->head_dim, group = c->n_head / c->n_head_kv;
    static float p[512], out[64];
    struct attn_shape shape = {.n_head = c->n_head,
                               .scale = c->attn_scale,
                               .window = c->windowed[s->layer] ? c->window : 0,
                               .cap = c->attn_cap};
    for (int64_t t = 0; t < n; t++)
        for (int64_t h = 0; h < c->n_head; h++) {
            float z = attn_exponents(p, s->q + (t * c->n_head + h) * hd, h, t,
                                     &s->l.session->caches[s->layer], &shape);
            int64_t first =
                shape.window > 0 && t + 1 > shape.window ? t + 1 - shape.window : 0;
            weigh_values(out, p, z, s->v + h / group * hd, c->n_head_kv * hd, first, t, hd);
            if (memcmp(out, s->heads + (t * c->n_head + h) * hd, (size_t)hd * 4) != 0)
                fail_msg("%s: layer %d, head %d, position %d: other bits", name,
                         (int)s->layer, (int)h, (int)t);
            const float *w = s->a->weights + ((s->layer * c->n_head + h) * n + t) * n;
            for (int64_t j = 0; j < n; j++) {
                float share = j < first || j > t ? 0 : p[j] / z;
                if (memcmp(&w[j], &share, 4) != 0) fail_msg("%s: a share differs", name);
            }
        }
}

/* With these shares the values add up to what the pass itself made of them, to the bit. */
static void shares_make_what_the_pass_made(void **state) {
    (void)state;
    for (int f = 0; f < N_NAMES; f++) {
        glass_model *model = open_family(names[f]);
        const struct config *c = &model->config;
        int n = length_of(names[f]);
        glass_attention *a;
        glass_inspect_options o = {.n_threads = 2, .n_batch = 11};
        good(glass_inspect_attention(&a, model, ids, n, &o));
        for (int64_t layer = 0; layer < c->n_layer; layer++) {
            struct seen s = {.a = a, .layer = layer};
            good(look_init(&s.l, model, ids, n, &o));
            good(look_open(&s.l, n));
            s.q = s.l.kept[LOOK_Q][layer] =
                malloc((size_t)(n * c->n_head * c->head_dim) * 4);
            s.v = s.l.kept[LOOK_V][layer] =
                malloc((size_t)(n * c->n_head_kv * c->head_dim) * 4);
            s.heads = s.l.kept[LOOK_HEADS][layer] =
                malloc((size_t)(n * c->n_head * c->head_dim) * 4);
            good(look_run(&s.l, 0, n, NULL, NULL));
            check_heads(&s, names[f], n);
            look_close(&s.l);
            free(s.q);
            free(s.v);
            free(s.heads);
        }
        glass_attention_free(a);
        glass_model_close(model);
    }
}

/* Parts, threads, batches and a cache of another type. */
static void parts_have_the_bits_of_the_whole(void **state) {
    (void)state;
    static const char *const some[] = {"mistral", "gemma2", "codellama", "gptneox"};
    for (int f = 0; f < 4; f++)
        for (int cache = 0; cache < 2; cache++) {
            glass_model *model = open_family(some[f]);
            int64_t H = model->config.n_head;
            glass_attention *all, *part;
            glass_inspect_options o = {.cache_type = cache ? GLASS_F16 : GLASS_F32};
            good(glass_inspect_attention(&all, model, ids, T, &o));
            o.n_threads = 3;
            o.n_batch = 1;
            o.at = (glass_range){20, 5};
            o.layers = (glass_range){-1, 1};
            o.heads = (glass_range){1, 2};
            good(glass_inspect_attention(&part, model, ids, T, &o));
            assert_int_equal(part->n_keys, 25);
            assert_int_equal(part->first_layer, 1);
            for (int64_t h = 0; h < 2; h++)
                for (int64_t q = 0; q < 5; q++)
                    assert_memory_equal(part->weights + (h * 5 + q) * 25,
                                        all->weights + ((H + 1 + h) * T + 20 + q) * T,
                                        25 * sizeof(float));
            glass_attention_free(all);
            glass_attention_free(part);
            glass_model_close(model);
        }
}

/* ---- refusals ---- */

static void refused(glass_status got, glass_status want, const char *part) {
    if (got != want || strstr(glass_error(), part) == NULL)
        fail_msg("status %d, \"%s\"; \"%s\" was expected", got, glass_error(), part);
}

static void wrong_requests_name_what_is_there(void **state) {
    (void)state;
    glass_model *model = open_family("llama");
    glass_predictions *p;
    glass_attention *a;
    int32_t bad[2] = {3, V};
    glass_inspect_options o = {.at = {0, 1}};
    refused(glass_inspect_logits(&p, model, ids, T, &o), GLASS_USAGE, "there are 1 to 40");
    assert_null(p);
    o.at = (glass_range){T + 1, 0};
    refused(glass_inspect_logits(&p, model, ids, T, &o), GLASS_USAGE, "there are 1 to 40");
    o.at = (glass_range){T, 1};
    refused(glass_inspect_attention(&a, model, ids, T, &o), GLASS_USAGE,
            "there are 0 to 39");
    assert_null(a);
    o.at = (glass_range){INT64_MIN, 1};
    refused(glass_inspect_attention(&a, model, ids, T, &o), GLASS_USAGE,
            "there are 0 to 39");
    o.at = (glass_range){5, INT64_MAX};
    refused(glass_inspect_attention(&a, model, ids, T, &o), GLASS_USAGE,
            "there are 0 to 39");
    o.at = (glass_range){5, -1};
    refused(glass_inspect_attention(&a, model, ids, T, &o), GLASS_USAGE,
            "there are 0 to 39");
    o = (glass_inspect_options){.layers = {3, 1}};
    refused(glass_inspect_layers(&p, model, ids, T, &o), GLASS_USAGE, "there are 0 to 2");
    refused(glass_inspect_attention(&a, model, ids, T, &o), GLASS_USAGE,
            "there are 0 to 1");
    o = (glass_inspect_options){.heads = {4, 0}};
    refused(glass_inspect_attention(&a, model, ids, T, &o), GLASS_USAGE, "heads");
    o = (glass_inspect_options){.n_top = GLASS_TOP_MAX + 1};
    refused(glass_inspect_logits(&p, model, ids, T, &o), GLASS_USAGE, "choices");
    o = (glass_inspect_options){.memory_bytes = 10000};
    refused(glass_inspect_logits(&p, model, ids, T, &o), GLASS_NO_MEMORY, "are allowed");
    o = (glass_inspect_options){.n_ctx = 20};
    refused(glass_inspect_logits(&p, model, ids, T, &o), GLASS_USAGE, "a context of 20");
    o = (glass_inspect_options){.n_batch = -1};
    refused(glass_inspect_logits(&p, model, ids, T, &o), GLASS_USAGE, "a batch of");
    o = (glass_inspect_options){.n_threads = -1};
    refused(glass_inspect_logits(&p, model, ids, T, &o), GLASS_USAGE, "threads");
    o = (glass_inspect_options){.cache_type = GLASS_Q4_K};
    refused(glass_inspect_logits(&p, model, ids, T, &o), GLASS_USAGE, "cache");
    refused(glass_inspect_logits(&p, model, ids, 0, NULL), GLASS_BAD_INPUT, "no token");
    refused(glass_inspect_logits(&p, model, ids, 65, NULL), GLASS_BAD_INPUT,
            "64 positions");
    refused(glass_inspect_logits(&p, model, bad, 2, NULL), GLASS_BAD_INPUT,
            "token 1 is 61");
    refused(glass_inspect_activations("/nowhere/at/all", model, ids, T, 0, NULL, NULL),
            GLASS_SYSTEM, "/nowhere/at/all");
    refused(glass_inspect_activations("x", model, ids, T, 1 << 20, NULL, NULL), GLASS_USAGE,
            "unknown bits");
    glass_model_close(model);
}

/* Memory is what was planned: a call takes no more than it was allowed. */
static void memory_is_counted_before_it_is_taken(void **state) {
    (void)state;
    glass_model *model = open_family("gemma2");
    for (size_t allowed = 1 << 16;; allowed += allowed / 8) {
        glass_attention *a;
        glass_inspect_options o = {.memory_bytes = allowed, .n_threads = 2};
        mem_asked_bytes();
        glass_status status = glass_inspect_attention(&a, model, ids, T, &o);
        size_t asked = mem_asked_bytes();
        if (status == GLASS_NO_MEMORY) {
            assert_true(asked < 4096);
            continue;
        }
        good(status);
        /* Pointers and small structs come on top. */
        if (asked > allowed + 8192)
            fail_msg("%zu bytes were asked for, %zu allowed", asked, allowed);
        glass_attention_free(a);
        break;
    }
    glass_model_close(model);
}

static bool stop(void *context, int64_t done, int64_t total) {
    (void)total;
    return done < *(int64_t *)context;
}

static void it_can_be_stopped(void **state) {
    (void)state;
    glass_model *model = open_family("llama");
    glass_predictions *p;
    int64_t after = 10;
    glass_inspect_options o = {.n_batch = 4, .progress = stop, .context = &after};
    assert_int_equal(glass_inspect_logits(&p, model, ids, T, &o), GLASS_CANCELLED);
    assert_null(p);
    glass_model_close(model);
}

/* Every allocation fails once: an error, and nothing leaks (under AddressSanitizer). */
static void failing_allocations_are_errors(void **state) {
    (void)state;
    glass_model *model = open_family("qwen3");
    static const char *const paths[] = {"tests/model/data/families/qwen3.gguf",
                                        "tests/model/data/families/llama.gguf"};
    char path[] = "/tmp/glass-inspect-XXXXXX";
    assert_true(mkdtemp(path) != NULL);
    char out[64];
    snprintf(out, sizeof out, "%s/a.safetensors", path);
    for (int what = 0; what < 6; what++) {
        glass_status status = GLASS_NO_MEMORY;
        for (int64_t i = 1; status != GLASS_OK && i < 5000; i++) {
            glass_predictions *p = NULL;
            glass_attention *a = NULL;
            glass_tensors *t = NULL;
            glass_diff *d = NULL;
            char *json = NULL;
            glass_inspect_options o = {.n_threads = 1};
            glass_weights_options w = {.n_threads = 1};
            mem_fail_at(i);
            switch (what) {
            case 0:
                status = glass_inspect_logits(&p, model, ids, T, &o);
                if (status == GLASS_OK)
                    status = glass_predictions_json(&json, NULL, p, NULL);
                break;
            case 1: status = glass_inspect_layers(&p, model, ids, T, &o); break;
            case 2:
                status = glass_inspect_attention(&a, model, ids, 8, &o);
                if (status == GLASS_OK) status = glass_attention_json(&json, NULL, a, NULL);
                break;
            case 3:
                status = glass_inspect_activations(out, model, ids, 8, 0, NULL, &o);
                break;
            case 4:
                status = glass_inspect_tensors(&t, paths[0], NULL, 0, &w);
                if (status == GLASS_OK) status = glass_tensors_json(&json, NULL, t);
                break;
            case 5:
                status = glass_inspect_diff(&d, paths[0], paths[1], &w);
                if (status == GLASS_OK) status = glass_diff_json(&json, NULL, d);
                break;
            }
            mem_fail_at(0);
            if (status != GLASS_OK && status != GLASS_NO_MEMORY)
                fail_msg("what %d, allocation %d: %s", what, (int)i, glass_error());
            glass_predictions_free(p);
            glass_attention_free(a);
            glass_tensors_free(t);
            glass_diff_free(d);
            glass_free(json);
        }
        assert_int_equal(status, GLASS_OK);
    }
    unlink(out);
    rmdir(path);
    glass_model_close(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(predictions_are_the_sessions),
        cmocka_unit_test(adapters_are_seen),
        cmocka_unit_test(kl_is_the_divergence),
        cmocka_unit_test(shares_make_what_the_pass_made),
        cmocka_unit_test(parts_have_the_bits_of_the_whole),
        cmocka_unit_test(wrong_requests_name_what_is_there),
        cmocka_unit_test(memory_is_counted_before_it_is_taken),
        cmocka_unit_test(it_can_be_stopped),
        cmocka_unit_test(failing_allocations_are_errors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
