/* test_infill.c - prompts for what is missing between two texts: both orders against the plain
 * definition of merging, where the tokens come from, what is cut, what ends an answer. */
#include "vocab_maker.h"

#include "glass/infill.h"

#define SPACE "\xe2\x96\x81"
enum { MOST = 4096 };

struct three {
    int64_t prefix, suffix, middle;
};

static struct three add_three(struct maker *m, const char *prefix, const char *suffix,
                              const char *middle, int type) {
    struct three three = {maker_add_text(m, prefix, type), 0, 0};
    three.middle = maker_add_text(m, middle, type); /* in another order, on purpose */
    three.suffix = maker_add_text(m, suffix, type);
    return three;
}

static glass_tokenizer *opened(const struct maker *m) {
    glass_tokenizer *t;
    ok(maker_open(m, &t));
    return t;
}

static void same_ids(const glass_infill *got, const int32_t *want, int64_t n) {
    assert_int_equal(got->n, n);
    assert_memory_equal(got->ids, want, (size_t)n * sizeof *want);
}

/* The definition, for a SentencePiece vocabulary: only the prefix begins with a space. */
static int64_t defined(const struct maker *m, int32_t *out, const struct three *three,
                       glass_infill_order order, const char *prefix, size_t n_prefix,
                       const char *suffix, size_t n_suffix) {
    char spaced[1024] = " ";
    int64_t n = 0;
    memcpy(spaced + 1, prefix, n_prefix);
    out[n++] = (int32_t)m->bos;
    out[n++] = (int32_t)three->prefix;
    if (order == GLASS_PSM && n_prefix > 0)
        n += define_ids(m, out + n, spaced, n_prefix + 1);
    out[n++] = (int32_t)three->suffix;
    n += define_ids(m, out + n, suffix, n_suffix);
    out[n++] = (int32_t)three->middle;
    if (order == GLASS_SPM && n_prefix > 0)
        n += define_ids(m, out + n, spaced, n_prefix + 1);
    return n;
}

static void check_spm(const struct maker *m, const struct three *three) {
    glass_tokenizer *t = opened(m);
    uint64_t state = 7;
    for (int i = 0; i < 300; i++) {
        char prefix[256], suffix[256];
        int32_t want[MOST];
        glass_infill got;
        size_t n_prefix = random_text(&state, prefix, i % 9 ? sizeof prefix : 2);
        size_t n_suffix = random_text(&state, suffix, i % 7 ? sizeof suffix : 2);
        for (int order = GLASS_PSM; order <= GLASS_SPM; order++) {
            const glass_infill_options o = {.order = (glass_infill_order)order};
            int64_t n =
                defined(m, want, three, o.order, prefix, n_prefix, suffix, n_suffix);
            ok(glass_infill_tokens(&got, t, prefix, n_prefix, suffix, n_suffix, &o));
            same_ids(&got, want, n);
            assert_int_equal(got.n_prefix + got.n_suffix, n - 4);
            assert_int_equal(got.prefix_cut + got.suffix_cut, 0);
            glass_infill_clear(&got);
        }
    }
    glass_tokenizer_close(t);
}

static void code_llama_orders(void **state) {
    (void)state;
    struct maker m;
    maker_spm(&m);
    struct three three =
        add_three(&m, SPACE "<PRE>", SPACE "<SUF>", SPACE "<MID>", TOK_CONTROL);
    check_spm(&m, &three);
    maker_free(&m);
}

/* A piece that begins with the smiley which usually keeps the space away. */
static void guards_do_not_merge(void **state) {
    (void)state;
    struct maker m;
    maker_spm(&m);
    struct three three =
        add_three(&m, SPACE "<PRE>", SPACE "<SUF>", SPACE "<MID>", TOK_CONTROL);
    m.scores[maker_add_text(&m, "\xe2\x98\xba", TOK_NORMAL)] = -5;
    m.scores[maker_add_text(&m, "\xe2\x98\xbathe", TOK_NORMAL)] = -6;
    m.scores[maker_add_text(&m, "\xe2\x98\xba" SPACE, TOK_NORMAL)] = -7;
    glass_tokenizer *t = opened(&m);
    static const char *const suffixes[] = {"the cat", " the cat", "cat"};
    for (int i = 0; i < 3; i++) {
        int32_t want[64];
        glass_infill got;
        size_t n_bytes = strlen(suffixes[i]);
        int64_t n = defined(&m, want, &three, GLASS_PSM, "a", 1, suffixes[i], n_bytes);
        ok(glass_infill_tokens(&got, t, "a", 1, suffixes[i], n_bytes, NULL));
        same_ids(&got, want, n);
        glass_infill_clear(&got);
    }
    glass_tokenizer_close(t);
    maker_free(&m);
}

static void check_bytes(const struct maker *m, const struct three *three) {
    static const char prefix[] = " The cat", suffix[] = " sat on <fim_middle> the mat";
    glass_tokenizer *t = opened(m);
    glass_infill got;
    int32_t *before, *after, want[64];
    int64_t n_before, n_after, n = 0;
    ok(glass_tokenizer_encode(t, &before, &n_before, prefix, sizeof prefix - 1, 0));
    ok(glass_tokenizer_encode(t, &after, &n_after, suffix, sizeof suffix - 1, 0));
    want[n++] = (int32_t)three->prefix;
    for (int64_t i = 0; i < n_before; i++) want[n++] = before[i];
    want[n++] = (int32_t)three->suffix;
    for (int64_t i = 0; i < n_after; i++) want[n++] = after[i];
    want[n++] = (int32_t)three->middle;
    ok(glass_infill_check(t));
    ok(glass_infill_tokens(&got, t, prefix, sizeof prefix - 1, suffix, sizeof suffix - 1,
                           NULL));
    same_ids(&got, want, n);
    glass_infill_clear(&got);
    glass_free(before);
    glass_free(after);
    glass_tokenizer_close(t);
}

static void every_name_is_known(void **state) {
    (void)state;
    static const char *const names[][3] = {
        {SPACE "<PRE>", SPACE "<SUF>", SPACE "<MID>"},
        {"<fim_prefix>", "<fim_suffix>", "<fim_middle>"},
        {"<fim-prefix>", "<fim-suffix>", "<fim-middle>"},
        {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"},
        {"<\xef\xbd\x9c"
         "fim" SPACE "begin\xef\xbd\x9c>",
         "<\xef\xbd\x9c"
         "fim" SPACE "hole\xef\xbd\x9c>",
         "<\xef\xbd\x9c"
         "fim" SPACE "end\xef\xbd\x9c>"},
        {"<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"},
        {"<|prefix|>", "<|suffix|>", "<|middle|>"},
        {"<PRE>", "<SUF>", "<MID>"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct maker m;
        maker_bpe(&m, "gpt-2");
        /* One of a triple alone says nothing. */
        maker_add_text(&m, names[(i + 1) % 8][0], TOK_CONTROL);
        struct three three =
            add_three(&m, names[i][0], names[i][1], names[i][2], TOK_CONTROL);
        check_bytes(&m, &three);
        maker_free(&m);
    }
}

static void files_name_tokens(void **state) {
    (void)state;
    static const char *const keys[][3] = {
        {"tokenizer.ggml.prefix_token_id", "tokenizer.ggml.suffix_token_id",
         "tokenizer.ggml.middle_token_id"},
        {"tokenizer.ggml.fim_pre_token_id", "tokenizer.ggml.fim_suf_token_id",
         "tokenizer.ggml.fim_mid_token_id"}};
    for (int row = 0; row < 2; row++) {
        struct maker m;
        maker_bpe(&m, "gpt-2");
        struct three three = add_three(&m, "<1>", "<2>", "<3>", TOK_CONTROL);
        const int64_t ids[3] = {three.prefix, three.suffix, three.middle};
        for (int i = 0; i < 3; i++) m.id_keys[i] = keys[row][i], m.more_ids[i] = ids[i];
        check_bytes(&m, &three);
        /* Names lose against what the file says, and win against what it cannot mean. */
        struct three named =
            add_three(&m, "<fim_prefix>", "<fim_suffix>", "<fim_middle>", TOK_CONTROL);
        check_bytes(&m, &three);
        m.more_ids[1] = m.n_tokens;
        check_bytes(&m, &named);
        m.more_ids[1] = UINT32_MAX;
        check_bytes(&m, &named);
        maker_free(&m);
    }
}

static void too_long_is_cut(void **state) {
    (void)state;
    struct maker m;
    maker_bpe(&m, "gpt-2");
    struct three three =
        add_three(&m, "<fim_prefix>", "<fim_suffix>", "<fim_middle>", TOK_CONTROL);
    m.bos = maker_add_text(&m, "<s>", TOK_CONTROL);
    m.add_bos = 1;
    glass_tokenizer *t = opened(&m);
    static const char text[] = "0123456789#@&%$=+*/^~|<>{}[]()!?;:";
    glass_infill whole, got;
    for (size_t n_prefix = 0; n_prefix < 34; n_prefix += 3) {
        for (size_t n_suffix = 0; n_suffix < 34; n_suffix += 3) {
            ok(glass_infill_tokens(&whole, t, text, n_prefix, text, n_suffix, NULL));
            const int32_t *prefix = whole.ids + 2, *suffix = prefix + whole.n_prefix + 1;
            for (int64_t most = 4; most <= whole.n + 1; most++) {
                const glass_infill_options o = {.n_most = most};
                ok(glass_infill_tokens(&got, t, text, n_prefix, text, n_suffix, &o));
                assert_int_equal(got.n, most < whole.n ? most : whole.n);
                assert_int_equal(got.n, 4 + got.n_prefix + got.n_suffix);
                assert_int_equal(got.n_prefix + got.prefix_cut, whole.n_prefix);
                assert_int_equal(got.n_suffix + got.suffix_cut, whole.n_suffix);
                int64_t room = most - 4;
                assert_true(got.suffix_cut == 0 || got.n_suffix >= room / 4);
                assert_true(got.prefix_cut == 0 || got.n_prefix >= room - room / 4);
                assert_int_equal(got.ids[1], three.prefix);
                assert_memory_equal(got.ids + 2, prefix + got.prefix_cut,
                                    (size_t)got.n_prefix * sizeof *prefix);
                assert_int_equal(got.ids[2 + got.n_prefix], three.suffix);
                assert_memory_equal(got.ids + 3 + got.n_prefix, suffix,
                                    (size_t)got.n_suffix * sizeof *suffix);
                assert_int_equal(got.ids[got.n - 1], three.middle);
                glass_infill_clear(&got);
            }
            glass_infill_clear(&whole);
        }
    }
    for (int64_t most = -1; most < 4; most++) {
        const glass_infill_options o = {.n_most = most};
        if (most == 0) continue;
        assert_int_equal(glass_infill_tokens(&got, t, "a", 1, "b", 1, &o),
                         most < 0 ? GLASS_USAGE : GLASS_BAD_INPUT);
        assert_null(got.ids);
    }
    const glass_infill_options bad = {.order = (glass_infill_order)2};
    assert_int_equal(glass_infill_tokens(&got, t, "a", 1, "b", 1, &bad), GLASS_USAGE);
    glass_tokenizer_close(t);
    maker_free(&m);
}

static void what_ends_an_answer(void **state) {
    (void)state;
    struct maker m;
    maker_bpe(&m, "gpt-2");
    int64_t eos = m.eos = maker_add_text(&m, "<|endoftext|>", TOK_CONTROL);
    int64_t eot = maker_add_text(&m, SPACE "<EOT>", TOK_CONTROL);
    int64_t pad = maker_add_text(&m, "<fim_pad>", TOK_CONTROL);
    int64_t file = maker_add_text(&m, "<file_sep>", TOK_USER);
    int64_t repository = maker_add_text(&m, "<|repo_name|>", TOK_CONTROL);
    int64_t markup = maker_add_text(&m, "<PAD>", TOK_NORMAL);
    int64_t named = maker_add_text(&m, "<next>", TOK_CONTROL);
    int64_t other = maker_add_text(&m, "<other>", TOK_CONTROL);
    m.id_keys[0] = "tokenizer.ggml.fim_sep_token_id";
    m.more_ids[0] = named;
    glass_tokenizer *t = opened(&m);
    const int64_t ends[] = {eos, eot, pad, file, repository, named};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        assert_true(glass_infill_is_end(t, (int32_t)ends[i]));
        assert_int_equal(glass_tokenizer_is_end(t, (int32_t)ends[i]), i < 2);
    }
    assert_false(glass_infill_is_end(t, (int32_t)markup));
    assert_false(glass_infill_is_end(t, (int32_t)other));
    assert_false(glass_infill_is_end(t, 'a'));
    assert_false(glass_infill_is_end(t, -1));
    assert_false(glass_infill_is_end(t, (int32_t)m.n_tokens));
    glass_infill got;
    assert_int_equal(glass_infill_check(t), GLASS_BAD_INPUT);
    assert_non_null(strstr(glass_error(), "not made to fill in"));
    assert_int_equal(glass_infill_tokens(&got, t, "a", 1, "b", 1, NULL), GLASS_BAD_INPUT);
    assert_null(got.ids);
    glass_tokenizer_close(t);
    maker_free(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(code_llama_orders),   cmocka_unit_test(guards_do_not_merge),
        cmocka_unit_test(every_name_is_known), cmocka_unit_test(files_name_tokens),
        cmocka_unit_test(too_long_is_cut),     cmocka_unit_test(what_ends_an_answer),
    };
    return cmocka_run_group_tests_name("infill", tests, NULL, NULL);
}
