/* test_sampler.c - the sampler chooses what an implementation in numpy chooses
 * (gen_sampler.py says how data/sampler.json was made), sorts as qsort does, costs no
 * square of its history, and refuses what cannot be sampled. */
#include "../text/vocab_maker.h"
#include "base/hash.h"
#include "base/path.h"
#include "glass/glass.h"
#include "model/sampler.h"

#include <jansson.h>
#include <math.h>

/* cmocka's own is in the way of fail.h's. */
#define COMPLAIN(...)                                                                      \
    do {                                                                                   \
        print_error(__VA_ARGS__);                                                          \
        assert_true(false);                                                                \
    } while (0)

static const char data_path[] = "tests/model/data/sampler.json";

/* gen_sampler.py's make_logits. */
static void make_logits(float *out, int64_t n, uint32_t seed, int64_t spread) {
    for (int64_t i = 0; i < n; i++) {
        uint32_t h = (uint32_t)i * 2654435761u + seed * 40503u + 12345u;
        int64_t total = 0;
        for (int round = 0; round < 3; round++) {
            h ^= h >> 15;
            h *= 0x2C1B3C6Du;
            h ^= h >> 12;
            h *= 0x297A2D39u;
            h ^= h >> 15;
            total += h >> 23;
        }
        out[i] = (float)((total - 766) * spread) / 64.0F;
    }
}

static glass_sampler_options all_off(void) {
    return (glass_sampler_options){.temperature = 1,
                                   .top_p = 1,
                                   .typical_p = 1,
                                   .repeat_penalty = 1,
                                   .penalty_last_n = 64,
                                   .mirostat_tau = 5,
                                   .mirostat_eta = 0.1F,
                                   .dry_base = 1.75F,
                                   .dry_allowed_length = 2,
                                   .dry_last_n = -1,
                                   .xtc_threshold = 0.1F};
}

static float number(const json_t *o, const char *key, float absent) {
    const json_t *value = json_object_get(o, key);
    return value != NULL ? (float)json_number_value(value) : absent;
}

static int32_t integer(const json_t *o, const char *key, int32_t absent) {
    const json_t *value = json_object_get(o, key);
    return value != NULL ? (int32_t)json_integer_value(value) : absent;
}

static glass_sampler_options options_of(const json_t *o) {
    glass_sampler_options d = all_off();
    d.temperature = number(o, "temperature", d.temperature);
    d.top_k = integer(o, "top_k", d.top_k);
    d.top_p = number(o, "top_p", d.top_p);
    d.min_p = number(o, "min_p", d.min_p);
    d.typical_p = number(o, "typical_p", d.typical_p);
    d.repeat_penalty = number(o, "repeat_penalty", d.repeat_penalty);
    d.presence_penalty = number(o, "presence_penalty", d.presence_penalty);
    d.frequency_penalty = number(o, "frequency_penalty", d.frequency_penalty);
    d.penalty_last_n = integer(o, "penalty_last_n", d.penalty_last_n);
    d.mirostat = integer(o, "mirostat", d.mirostat);
    d.mirostat_tau = number(o, "mirostat_tau", d.mirostat_tau);
    d.mirostat_eta = number(o, "mirostat_eta", d.mirostat_eta);
    d.dry_multiplier = number(o, "dry_multiplier", d.dry_multiplier);
    d.dry_base = number(o, "dry_base", d.dry_base);
    d.dry_allowed_length = integer(o, "dry_allowed_length", d.dry_allowed_length);
    d.dry_last_n = integer(o, "dry_last_n", d.dry_last_n);
    d.xtc_probability = number(o, "xtc_probability", d.xtc_probability);
    d.xtc_threshold = number(o, "xtc_threshold", d.xtc_threshold);
    d.seed = (uint64_t)json_integer_value(json_object_get(o, "seed"));
    return d;
}

/* The tokenizer's first tokens are the bytes, so id 7 is the text "\7". */
static glass_sampler *sampler_of(const json_t *c, const glass_tokenizer *tokenizer) {
    glass_sampler_options o = options_of(json_object_get(c, "options"));
    const json_t *bias = json_object_get(c, "bias");
    const json_t *breakers = json_object_get(c, "breakers");
    glass_logit_bias biases[64];
    const char *texts[8] = {NULL};
    char bytes[8][2];
    glass_sampler *s;
    for (size_t i = 0; i < json_array_size(bias); i++) {
        const json_t *pair = json_array_get(bias, i), *value = json_array_get(pair, 1);
        biases[i].id = (int32_t)json_integer_value(json_array_get(pair, 0));
        biases[i].bias = json_is_null(value) ? -INFINITY : (float)json_number_value(value);
    }
    o.bias = biases;
    o.n_bias = (int64_t)json_array_size(bias);
    for (size_t i = 0; i < json_array_size(breakers); i++) {
        bytes[i][0] = (char)json_integer_value(json_array_get(breakers, i));
        bytes[i][1] = 0;
        texts[i] = bytes[i];
    }
    o.dry_breakers = texts;
    o.n_dry_breakers = (int64_t)json_array_size(breakers);
    ok(glass_sampler_create(&s, breakers != NULL ? tokenizer : NULL, &o));
    return s;
}

static void check_case(const json_t *c, const glass_tokenizer *tokenizer) {
    const json_t *want = json_object_get(c, "ids"),
                 *history = json_object_get(c, "history");
    int64_t n = json_integer_value(json_object_get(c, "n"));
    int64_t spread = json_integer_value(json_object_get(c, "spread"));
    uint32_t seed = (uint32_t)json_integer_value(json_object_get(c, "logits"));
    glass_sampler *s = sampler_of(c, tokenizer);
    float *logits = malloc((size_t)n * sizeof *logits);
    assert_non_null(logits);
    assert_true(json_array_size(want) > 0);
    for (int again = 0; again < 2; again++) {
        for (size_t i = 0; i < json_array_size(history); i++)
            ok(glass_sampler_accept(
                s, (int32_t)json_integer_value(json_array_get(history, i))));
        for (size_t i = 0; i < json_array_size(want); i++) {
            int32_t id, right = (int32_t)json_integer_value(json_array_get(want, i));
            make_logits(logits, n, seed + (uint32_t)i, spread);
            ok(glass_sampler_next(s, &id, logits, n));
            if (id != right)
                COMPLAIN("%s of %d (logits %u): token %d is %d, not %d",
                         json_string_value(json_object_get(c, "name")), (int)n, seed,
                         (int)i, id, right);
        }
        glass_sampler_reset(s);
    }
    glass_sampler_free(s);
    free(logits);
}

static void chooses_what_numpy_chooses(void **state) {
    (void)state;
    json_error_t error;
    struct maker m;
    glass_tokenizer *tokenizer;
    json_t *cases = json_load_file(data_path, 0, &error);
    if (cases == NULL) COMPLAIN("%s: %s", data_path, error.text);
    maker_bpe(&m, "gpt-2");
    ok(maker_open(&m, &tokenizer));
    assert_true(json_array_size(cases) > 100);
    for (size_t i = 0; i < json_array_size(cases); i++)
        check_case(json_array_get(cases, i), tokenizer);
    glass_tokenizer_close(tokenizer);
    maker_free(&m);
    json_decref(cases);
}

static void the_cases_are_those_that_were_made(void **state) {
    (void)state;
    struct buf json = {0}, sum = {0};
    uint8_t digest[32];
    char hex[65];
    ok(path_read_whole(&json, data_path, 1 << 20));
    ok(path_read_whole(&sum, "tests/model/data/sampler.sha256", 1 << 10));
    ok(sha256_bytes(digest, json.data, json.len));
    for (int i = 0; i < 32; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    assert_memory_equal(hex, sum.data, 64);
    buf_free(&json);
    buf_free(&sum);
}

static int by_key(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* With low halves that ascend, a stable sort by the high halves sorts the whole keys. */
static void keys_are_sorted(void **state) {
    (void)state;
    static uint64_t keys[5000], spare[5000], want[5000];
    uint64_t random = 9;
    static const int64_t sizes[] = {0, 1, 2, 3, 47, 48, 49, 50, 255, 256, 257, 5000};
    for (size_t t = 0; t < sizeof sizes / sizeof *sizes; t++)
        for (int few = 0; few < 2; few++) {
            int64_t n = sizes[t];
            for (int64_t i = 0; i < n; i++) {
                uint64_t high = random_next(&random) >> 32;
                want[i] = keys[i] = (few ? high % 3 << 20 : high) << 32 | (uint64_t)i;
            }
            qsort(want, (size_t)n, sizeof *want, by_key);
            keys_sort(keys, spare, n);
            assert_memory_equal(keys, want, (size_t)n * sizeof *keys);
        }
    static const float ascending[] = {-INFINITY, -3e38F, -1, -1e-45F, 0, 1e-45F, 2, 3e38F};
    for (int i = 0; i < 7; i++)
        assert_true(key_ascending(ascending[i]) < key_ascending(ascending[i + 1]));
    assert_int_equal(key_ascending(-0.0F), key_ascending(0.0F));
}

/* The k best are the same by heap and by radix, ties and all. */
static void the_best_are_sorted(void **state) {
    (void)state;
    enum { N = 3000 };
    static float logits[N];
    static uint64_t want[N];
    struct list l = {0};
    ok(list_reserve(&l, N));
    make_logits(logits, N, 77, 1);
    for (int64_t i = 0; i < N; i++) {
        logits[i] = floorf(logits[i]); /* many ties */
        want[i] = (uint64_t)~key_ascending(logits[i]) << 32 | (uint64_t)i;
    }
    qsort(want, N, sizeof *want, by_key);
    for (int64_t k = 1; k <= N; k += k < 600 ? 7 : 601) {
        list_fill(&l, logits, N, logits[want[0] & 0xffffffffu]);
        list_best(&l, k);
        assert_memory_equal(l.keys, want, (size_t)k * sizeof *want);
    }
    list_clear(&l);
}

/* A square of this history would be 4e10 steps. */
static void long_histories_are_linear(void **state) {
    (void)state;
    enum { N = 100, HISTORY = 200000 };
    float logits[N];
    glass_sampler_options o = all_off();
    const char *none = NULL;
    glass_sampler *s;
    int32_t id;
    o.repeat_penalty = 1.1F;
    o.penalty_last_n = -1;
    o.dry_multiplier = 0.5F;
    o.dry_breakers = &none;
    make_logits(logits, N, 5, 4);
    for (int kinds = 1; kinds < 100; kinds += 49) {
        ok(glass_sampler_create(&s, NULL, &o));
        for (int32_t i = 0; i < HISTORY; i++) ok(glass_sampler_accept(s, i % kinds));
        ok(glass_sampler_next(s, &id, logits, N));
        glass_sampler_free(s);
    }
}

static void expect_refused(const glass_sampler_options *o, const char *name) {
    glass_sampler *s;
    assert_int_equal(glass_sampler_create(&s, NULL, o), GLASS_USAGE);
    assert_null(s);
    if (strstr(glass_error(), name) == NULL) COMPLAIN("%s: %s", name, glass_error());
}

static void wrong_options_are_named(void **state) {
    (void)state;
    glass_logit_bias bias = {-1, 1};
    struct {
        const char *name;
        glass_sampler_options o;
    } wrong[20];
    int n = 0;
#define WRONG(field, value)                                                                \
    wrong[n].name = #field;                                                                \
    wrong[n].o = all_off();                                                                \
    wrong[n++].o.field = value
    WRONG(temperature, -1);
    WRONG(temperature, NAN);
    WRONG(top_k, -1);
    WRONG(top_p, 1.5F);
    WRONG(min_p, NAN);
    WRONG(typical_p, -0.5F);
    WRONG(repeat_penalty, 0);
    WRONG(presence_penalty, INFINITY);
    WRONG(frequency_penalty, -1e9F);
    WRONG(penalty_last_n, -2);
    WRONG(mirostat, 3);
    WRONG(dry_multiplier, -1);
    WRONG(dry_last_n, -2);
    WRONG(xtc_probability, 2);
    WRONG(xtc_threshold, -1);
#undef WRONG
    for (int i = 0; i < n; i++) expect_refused(&wrong[i].o, wrong[i].name);
    glass_sampler_options o = all_off();
    o.bias = &bias;
    o.n_bias = 1;
    expect_refused(&o, "logit_bias");
    bias = (glass_logit_bias){1, INFINITY};
    expect_refused(&o, "logit_bias");
    o = all_off();
    o.dry_multiplier = 1;
    expect_refused(&o, "tokenizer");
}

static void wrong_logits_are_refused(void **state) {
    (void)state;
    enum { N = 300 };
    float logits[N];
    glass_logit_bias bias[2] = {{N, 1}, {0, -INFINITY}};
    glass_sampler_options o = all_off();
    glass_sampler *s;
    int32_t id;
    make_logits(logits, N, 5, 4);
    ok(glass_sampler_create(&s, NULL, &o));
    static const float bad[] = {NAN, INFINITY};
    for (int i = 0; i < 2; i++) {
        logits[17] = bad[i];
        assert_int_equal(glass_sampler_next(s, &id, logits, N), GLASS_BAD_INPUT);
        assert_int_equal(id, -1);
        assert_non_null(strstr(glass_error(), "17"));
    }
    for (int i = 0; i < N; i++) logits[i] = -INFINITY;
    assert_int_equal(glass_sampler_next(s, &id, logits, N), GLASS_USAGE);
    assert_int_equal(glass_sampler_next(s, &id, logits, 0), GLASS_USAGE);
    assert_int_equal(glass_sampler_accept(s, -1), GLASS_USAGE);
    /* One token left: always that one, at every draw. */
    logits[255] = -3e38F;
    for (int i = 0; i < 50; i++) {
        ok(glass_sampler_next(s, &id, logits, N));
        assert_int_equal(id, 255);
    }
    glass_sampler_free(s);
    o.bias = bias;
    o.n_bias = 2;
    ok(glass_sampler_create(&s, NULL, &o));
    assert_int_equal(glass_sampler_next(s, &id, logits, N), GLASS_USAGE);
    glass_sampler_free(s);
}

static void logprobs_sum_to_one(void **state) {
    (void)state;
    enum { N = 1000 };
    float logits[N], out[N];
    double sum = 0;
    make_logits(logits, N, 5, 2);
    glass_logprobs(out, logits, N);
    for (int i = 0; i < N; i++) sum += exp((double)out[i]);
    assert_true(fabs(sum - 1) < 1e-6);
    assert_true(fabs((double)(out[3] - out[4]) - (double)(logits[3] - logits[4])) < 1e-5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chooses_what_numpy_chooses),
        cmocka_unit_test(the_cases_are_those_that_were_made),
        cmocka_unit_test(keys_are_sorted),
        cmocka_unit_test(the_best_are_sorted),
        cmocka_unit_test(long_histories_are_linear),
        cmocka_unit_test(wrong_options_are_named),
        cmocka_unit_test(wrong_logits_are_refused),
        cmocka_unit_test(logprobs_sum_to_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
