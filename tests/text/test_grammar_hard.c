/* test_grammar_hard.c - grammars when memory fails, and shared by threads. */
#include "glass/grammar.h"

#include "vocab_maker.h"

#include <jansson.h>
#include <pthread.h>

static const char gbnf[] =
    "root ::= \"{\" ws (pair (\",\" ws pair)*)? \"}\" ws\n"
    "pair ::= string \":\" ws value\n"
    "string ::= \"\\\"\" [^\"\\\\\\x00-\\x1f]* \"\\\"\" ws\n"
    "value ::= root | string | [0-9]{1,9} ws | \"[\" ws value{0,3} \"]\"\n"
    "ws ::= \" \"? | \"\\n\" [ \\t]{0,20}\n";
static const char schema[] =
    "{\"$defs\":{\"n\":{\"type\":\"object\",\"properties\":{\"v\":{\"type\":\"number\","
    "\"minimum\":-1.5},"
    "\"c\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/n\"}}},\"required\":[\"v\"]}},"
    "\"anyOf\":[{\"$ref\":\"#/$defs/"
    "n\"},{\"type\":\"string\",\"pattern\":\"^[a-d]+\\\\d{2}\",\"maxLength\":9},"
    "{\"type\":\"object\",\"properties\":{\"x\":{\"enum\":[1,\"the\",null]}},"
    "\"additionalProperties\":"
    "{\"type\":\"integer\",\"maximum\":77}},{\"allOf\":[{\"type\":\"string\",\"format\":"
    "\"date\"},{\"minLength\":3}]}]}";

/* What must not hold, and what is counted. */
static const char opposites[] =
    "{\"type\":\"object\",\"properties\":{\"k\":{\"enum\":[\"a\",\"b\",\"c\"]},\"t\":{"
    "\"oneOf\":[{"
    "\"type\":\"string\",\"pattern\":\"^(?!ab)[a-c]\"},{\"type\":\"string\",\"maxLength\":"
    "3}]},"
    "\"l\":{\"type\":\"array\",\"items\":{\"type\":[\"integer\",\"null\"]},\"contains\":{"
    "\"type\":"
    "\"null\"},\"maxContains\":2},\"u\":{\"oneOf\":[{\"type\":\"object\",\"properties\":{"
    "\"z\":{\"const\":1},"
    "\"y\":{}}},{\"type\":\"object\",\"properties\":{\"z\":{\"const\":2}},\"required\":["
    "\"x\"]},{\"type\":"
    "\"object\",\"properties\":{\"x\":{\"not\":{\"type\":\"integer\"}}},"
    "\"additionalProperties\":false}]}},"
    "\"required\":[\"k\"],\"if\":{\"properties\":{\"k\":{\"const\":\"a\"}}},\"then\":{"
    "\"required\":[\"t\"]},"
    "\"else\":{\"not\":{\"anyOf\":[{\"required\":[\"l\"]},{\"$ref\":\"#/$defs/"
    "d\"}]}},\"dependentSchemas\":{"
    "\"u\":{\"required\":[\"t\"]}},\"minProperties\":2,\"maxProperties\":3,\"allOf\":[{"
    "\"properties\":{\"w\":{}}}],"
    "\"unevaluatedProperties\":false,\"$defs\":{\"d\":{\"minProperties\":3}}}";

static void open_vocab(glass_tokenizer **t) {
    struct maker m;
    maker_bpe(&m, "gpt-2");
    m.eos = maker_add_text(&m, "<|end|>", TOK_CONTROL);
    ok(maker_open(&m, t));
    maker_free(&m);
}

static glass_status compile(glass_grammar **out, const glass_tokenizer *t, int which) {
    static const char *const choices[] = {"the cat", "the dog", "12"};
    return which == 0   ? glass_grammar_from_gbnf(out, t, gbnf, strlen(gbnf), NULL)
           : which == 1 ? glass_grammar_from_schema(out, t, schema, strlen(schema), NULL)
           : which == 2 ? glass_grammar_from_json_object(out, t, NULL)
           : which == 4
               ? glass_grammar_from_schema(out, t, opposites, strlen(opposites), NULL)
               : glass_grammar_from_choices(out, t, choices, 3, NULL);
}

/* Walks by the seed; a digest of every mask and of whether it may end. */
static glass_status walk(const glass_grammar *g, const glass_tokenizer *t, uint64_t seed,
                         uint64_t *digest) {
    int32_t n_vocab = (int32_t)glass_tokenizer_n_vocab(t), ids[MAKER_TOKENS];
    glass_grammar_state *s = NULL, *copy = NULL;
    glass_status status = glass_grammar_state_create(&s, g, 0);
    if (status == GLASS_OK) status = glass_grammar_state_create(&copy, g, 0);
    *digest = seed;
    for (int step = 0; status == GLASS_OK && step < 24; step++) {
        const uint64_t *bits;
        int n = 0;
        if (glass_grammar_state_finished(s)) break;
        status = glass_grammar_state_mask(s, &bits);
        if (status != GLASS_OK) break;
        for (int32_t id = 0; id < n_vocab; id++)
            if (bits[id / 64] >> (id % 64) & 1) ids[n++] = id;
        for (int32_t i = 0; i < (n_vocab + 63) / 64; i++)
            *digest = tok_mix(*digest ^ bits[i]);
        *digest = tok_mix(*digest + glass_grammar_state_may_end(s));
        assert_true(n > 0);
        seed = tok_mix(seed + 1);
        int32_t id = ids[seed % (uint64_t)n];
        status = glass_grammar_state_accept(s, id);
        assert_int_not_equal(status, GLASS_NEGATIVE);
        if (status == GLASS_OK) status = glass_grammar_state_copy(copy, s);
    }
    glass_grammar_state_free(s);
    glass_grammar_state_free(copy);
    return status;
}

/* Each allocation fails once: an error, nothing lost, and what was there works as before. */
static void memory_that_fails(void **state) {
    (void)state;
    for (int which = 0; which < 5; which++) {
        int64_t n_failed = 0;
        uint64_t want, got;
        for (int64_t n = 1;; n += n < 200 ? 1 : n / 40) {
            glass_tokenizer *t;
            glass_grammar *g = NULL;
            open_vocab(&t);
            mem_fail_at(n);
            glass_status status = compile(&g, t, which);
            if (status == GLASS_OK) status = walk(g, t, 5, &got);
            bool all = mem_fail_at(0) < n; /* fewer were asked for */
            if (!all && status != GLASS_NO_MEMORY)
                print_error("form %d, allocation %d\n", which, (int)n);
            if (!all) assert_int_equal(status, GLASS_NO_MEMORY);
            if (g != NULL) {
                ok(walk(g, t, 5, &got));
                ok(walk(g, t, 5, &want));
                assert_true(got == want);
            } else {
                assert_false(all);
                ok(compile(&g, t, which));
            }
            glass_grammar_free(g);
            glass_tokenizer_close(t);
            n_failed += !all;
            if (all) break;
        }
        assert_true(n_failed > 30);
    }
}

static int64_t left; /* allocations of JSON until one fails */

static void *failing(size_t n) {
    return --left == 0 ? NULL : malloc(n);
}

/* The same for the JSON library's own: no schema that lost a part is taken. */
static void json_memory_that_fails(void **state) {
    glass_tokenizer *t;
    glass_grammar *g;
    uint64_t want, got;
    int64_t n = 0;
    (void)state;
    open_vocab(&t);
    ok(compile(&g, t, 4));
    ok(walk(g, t, 5, &want));
    glass_grammar_free(g);
    json_set_alloc_funcs(failing, free);
    do {
        left = ++n;
        if (compile(&g, t, 4) != GLASS_OK) continue;
        ok(walk(g, t, 5, &got));
        assert_true(got == want);
        glass_grammar_free(g);
    } while (left <= 0);
    json_set_alloc_funcs(malloc, free);
    assert_true(n > 300);
    glass_tokenizer_close(t);
}

enum { THREADS = 4, WALKS = 40 };
struct job {
    const glass_grammar *g;
    const glass_tokenizer *t;
    uint64_t digests[WALKS];
    pthread_barrier_t *start;
};

static void *run_job(void *arg) {
    struct job *j = arg;
    pthread_barrier_wait(j->start);
    for (int k = 0; k < WALKS; k++)
        if (walk(j->g, j->t, 100 + (uint64_t)k, &j->digests[k]) != GLASS_OK)
            j->digests[k] = 0;
    return NULL;
}

/* They make its masks at the same time, and get those of a grammar of one's own. */
static void threads_share_a_grammar(void **state) {
    (void)state;
    for (int which = 0; which < 3; which++) {
        glass_tokenizer *t;
        glass_grammar *shared, *own;
        struct job jobs[THREADS];
        pthread_t threads[THREADS];
        pthread_barrier_t start;
        open_vocab(&t);
        ok(compile(&shared, t, which));
        assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
        for (int i = 0; i < THREADS; i++) {
            jobs[i] = (struct job){.g = shared, .t = t, .start = &start};
            assert_int_equal(pthread_create(&threads[i], NULL, run_job, &jobs[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
        pthread_barrier_destroy(&start);
        ok(compile(&own, t, which));
        for (int k = 0; k < WALKS; k++) {
            uint64_t digest;
            ok(walk(own, t, 100 + (uint64_t)k, &digest));
            for (int i = 0; i < THREADS; i++) assert_true(jobs[i].digests[k] == digest);
        }
        glass_grammar_free(own);
        glass_grammar_free(shared);
        glass_tokenizer_close(t);
    }
}

/* Masks that there is no room to keep are made again, and are the same. */
static void memory_that_is_bounded(void **state) {
    glass_tokenizer *t;
    glass_grammar *g, *small;
    uint64_t a, b;
    (void)state;
    open_vocab(&t);
    ok(compile(&g, t, 2));
    size_t bare = glass_grammar_memory(g);
    glass_grammar_options o = {.most_memory = bare + 100};
    ok(glass_grammar_from_json_object(&small, t, &o));
    for (uint64_t seed = 1; seed < 20; seed++) {
        ok(walk(g, t, seed, &a));
        ok(walk(small, t, seed, &b));
        assert_true(a == b);
    }
    assert_true(glass_grammar_memory(g) > bare);
    assert_true(glass_grammar_memory(small) <= bare + 100);
    glass_grammar_free(small);
    o.most_memory = bare / 2;
    assert_int_equal(glass_grammar_from_json_object(&small, t, &o), GLASS_BAD_INPUT);
    assert_null(small);
    glass_grammar_free(g);
    glass_tokenizer_close(t);
}

static void accept_many(glass_grammar_state *s, size_t n) {
    for (; n > 0; n--) ok(glass_grammar_state_accept_bytes(s, "a", 1));
}

/* What can be read in ever more ways has the masks of the same texts said plainly, until the
 * ways are too many: then that is said, and soon. */
static void ways_that_are_many(void **state) {
    static const char many[] = "root ::= \"a\" root* | \"\"\n";
    static const char plain[] = "root ::= \"a\"*\n";
    glass_tokenizer *t;
    glass_grammar *g, *h;
    glass_grammar_state *s, *r;
    const uint64_t *bits, *want;
    struct buf more = {0};
    (void)state;
    open_vocab(&t);
    size_t n_bytes = ((size_t)glass_tokenizer_n_vocab(t) + 63) / 64 * sizeof *bits;
    ok(glass_grammar_from_gbnf(&g, t, many, strlen(many), NULL));
    ok(glass_grammar_from_gbnf(&h, t, plain, strlen(plain), NULL));
    ok(glass_grammar_state_create(&s, g, 0));
    ok(glass_grammar_state_create(&r, h, 0));
    for (int i = 0; i < 40; i++) {
        ok(glass_grammar_state_mask(s, &bits));
        ok(glass_grammar_state_mask(r, &want));
        assert_memory_equal(bits, want, n_bytes);
        assert_true(glass_grammar_state_may_end(s));
        accept_many(s, 7);
        accept_many(r, 7);
    }
    glass_grammar_state_free(s);
    glass_grammar_state_free(r);
    glass_grammar_free(g);
    glass_grammar_free(h);
    for (int i = 0; i < 1100; i++)
        ok(buf_printf(&more, "r%d ::= \"a\" r%d? \"b\"\n", i, i));
    ok(buf_printf(&more, "root ::= r0"));
    for (int i = 1; i < 1100; i++) ok(buf_printf(&more, " | r%d", i));
    ok(glass_grammar_from_gbnf(&g, t, more.data, more.len, NULL));
    buf_free(&more);
    ok(glass_grammar_state_create(&s, g, 0));
    assert_int_equal(glass_grammar_state_accept_bytes(s, "a", 1), GLASS_BAD_INPUT);
    assert_non_null(strstr(glass_error(), "too many ways"));
    glass_grammar_state_free(s);
    glass_grammar_free(g);
    glass_tokenizer_close(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_that_fails),       cmocka_unit_test(json_memory_that_fails),
        cmocka_unit_test(threads_share_a_grammar), cmocka_unit_test(memory_that_is_bounded),
        cmocka_unit_test(ways_that_are_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
