/* test_hostile.c - model files made to harm: glass_model_open refuses them with words that
 * say what and where, or what it opens can be used; memory stays in proportion to the file.
 *
 * The files are edits of the tests' tiny models. tests/format/test_gguf.c has the reader's
 * share, tests/text/test_tokenizer.c the vocabulary's. Run under SAN=1, too. */
#include "../text/vocab_maker.h"

#include "base/hash.h"
#include "base/path.h"
#include "glass/glass.h"

#include <math.h>
#include <sys/mman.h>

/* ---- a model file taken apart and put together otherwise */

struct change {
    const char *key; /* replaced, or added at the end */
    enum gguf_type type;
    double number;    /* what it becomes … */
    const char *text; /* … or, for strings, this; NULL removes the key */
};

struct reshape {
    const char *name; /* tensor; NULL = none */
    int64_t shape[2]; /* outermost first; 0 = one dimension less */
    glass_dtype dtype;
    bool left_out;
};

struct recipe {
    struct buf base;
    struct gguf *g;
    const struct change *changes;
    size_t n_changes;
    struct reshape reshape;
    const struct maker *vocabulary; /* NULL = none */
    const char *tmpl;
    size_t n_tmpl;
};

static void recipe_open(struct recipe *r, const char *name) {
    char path[128];
    *r = (struct recipe){0};
    snprintf(path, sizeof path, "tests/model/data/families/%s.gguf", name);
    ok(path_read_whole(&r->base, path, 1 << 20));
    ok(gguf_open_memory(&r->g, r->base.data, r->base.len, name));
}

static void recipe_close(struct recipe *r) {
    gguf_close(r->g);
    buf_free(&r->base);
}

static void put_number(struct buf *b, enum gguf_type type, double number) {
    float f = (float)number;
    int64_t i = isfinite(number) ? (int64_t)number : 0;
    switch (type) {
    case GGUF_F32: ok(buf_append(b, &f, 4)); break;
    case GGUF_F64: ok(buf_append(b, &number, 8)); break;
    case GGUF_U8:
    case GGUF_I8:
    case GGUF_BOOL: ok(buf_append(b, &i, 1)); break;
    case GGUF_U16:
    case GGUF_I16: ok(buf_append(b, &i, 2)); break;
    case GGUF_U32:
    case GGUF_I32: ok(buf_append(b, &i, 4)); break;
    default: ok(buf_append(b, &i, 8)); break;
    }
}

static void put_change(struct buf *b, uint64_t *n, const struct change *c) {
    if (c->type == GGUF_STRING && c->text == NULL) return;
    put_key(b, n, c->key, c->type);
    if (c->type == GGUF_STRING)
        put_string(b, c->text);
    else
        put_number(b, c->type, c->number);
}

static void put_value(struct buf *b, uint64_t *n, const struct gguf_value *v) {
    put_u64(b, v->key.n_bytes);
    ok(buf_append(b, v->key.text, v->key.n_bytes));
    put_u32(b, v->type);
    ++*n;
    if (v->type == GGUF_ARRAY) put_u32(b, v->item_type);
    if (v->type == GGUF_ARRAY) put_u64(b, v->n_items);
    if (v->type == GGUF_STRING) put_u64(b, v->n_bytes);
    ok(buf_append(b, v->data, v->n_bytes));
}

static void put_values(const struct recipe *r, struct buf *b, uint64_t *n) {
    for (int64_t i = 0; i < gguf_n_values(r->g); i++) {
        const struct gguf_value *v = gguf_value_at(r->g, i);
        bool changed = false;
        for (size_t k = 0; k < r->n_changes; k++)
            changed |= strlen(r->changes[k].key) == v->key.n_bytes &&
                       memcmp(r->changes[k].key, v->key.text, v->key.n_bytes) == 0;
        if (!changed) put_value(b, n, v);
    }
    for (size_t k = 0; k < r->n_changes; k++) put_change(b, n, &r->changes[k]);
    if (r->vocabulary != NULL) {
        struct buf more = {0};
        struct gguf *g;
        maker_bytes(r->vocabulary, &more);
        ok(gguf_open_memory(&g, more.data, more.len, "vocabulary"));
        for (int64_t i = 0; i < gguf_n_values(g); i++)
            if (memcmp(gguf_value_at(g, i)->key.text, "tokenizer", 9) == 0)
                put_value(b, n, gguf_value_at(g, i));
        gguf_close(g);
        buf_free(&more);
    }
    if (r->tmpl != NULL) {
        put_key(b, n, "tokenizer.chat_template", GGUF_STRING);
        put_u64(b, r->n_tmpl);
        ok(buf_append(b, r->tmpl, r->n_tmpl));
    }
}

static void put_tensors(const struct recipe *r, struct buf *infos, struct buf *data,
                        uint64_t *n) {
    for (int64_t i = 0; i < gguf_n_tensors(r->g); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(r->g, i);
        bool other = r->reshape.name != NULL && strcmp(r->reshape.name, t->name) == 0;
        if (other && r->reshape.left_out) continue;
        int64_t shape[4], count = 1;
        int n_dims = t->n_dims;
        memcpy(shape, t->shape, sizeof shape);
        if (other) memcpy(shape, r->reshape.shape, sizeof r->reshape.shape);
        if (other) n_dims = r->reshape.shape[1] == 0 ? 1 : 2;
        glass_dtype dtype = other ? r->reshape.dtype : t->dtype;
        put_string(infos, t->name);
        put_u32(infos, (uint32_t)n_dims);
        for (int d = n_dims; d-- > 0;) {
            put_u64(infos, (uint64_t)shape[d]);
            count *= shape[d];
        }
        put_u32(infos, dtype);
        put_u64(infos, data->len);
        size_t n_bytes =
            (size_t)(count / glass_dtype_block(dtype)) * glass_dtype_block_bytes(dtype);
        ok(buf_append(data, t->data, n_bytes < t->n_bytes ? n_bytes : t->n_bytes));
        for (size_t k = t->n_bytes; k < n_bytes || data->len % 32 != 0; k++)
            ok(buf_byte(data, 0));
        ++*n;
    }
}

static void recipe_bytes(const struct recipe *r, struct buf *out) {
    struct buf values = {0}, infos = {0}, data = {0};
    uint64_t n_values = 0, n_tensors = 0;
    put_values(r, &values, &n_values);
    put_tensors(r, &infos, &data, &n_tensors);
    ok(buf_text(out, "GGUF"));
    put_u32(out, 3);
    put_u64(out, n_tensors);
    put_u64(out, n_values);
    ok(buf_append(out, values.data, values.len));
    ok(buf_append(out, infos.data, infos.len));
    while (out->len % 32 != 0) ok(buf_byte(out, 0));
    ok(buf_append(out, data.data, data.len));
    buf_free(&values);
    buf_free(&infos);
    buf_free(&data);
}

/* ---- opening and using */

/* A file in memory under a name; *fd is to be closed. */
static void as_file(char *path, int *fd, const void *bytes, size_t n) {
    *fd = memfd_create("hostile", MFD_CLOEXEC);
    assert_true(*fd >= 0);
    assert_int_equal(write(*fd, bytes, n), n);
    snprintf(path, 64, "/proc/self/fd/%d", *fd);
}

static glass_status open_bytes(glass_model **m, const void *bytes, size_t n) {
    char path[64];
    int fd;
    as_file(path, &fd, bytes, n);
    glass_status status = glass_model_open(m, path, NULL);
    close(fd);
    return status;
}

/* Everything a program would do with it. */
static void use_model(const glass_model *m) {
    static float logits[4096];
    glass_model_info info;
    glass_model_get_info(m, &info);
    assert_true(info.n_vocab <= 4096);
    glass_session_options o = {.n_ctx = info.n_ctx < 4 ? info.n_ctx : 4, .n_threads = 1};
    glass_session *s;
    if (glass_session_create(&s, m, &o) != GLASS_OK) return;
    const int32_t ids[2] = {0, (int32_t)info.n_vocab - 1};
    ok(glass_session_eval(s, ids, o.n_ctx < 2 ? o.n_ctx : 2, logits));
    glass_sampler_options so;
    glass_sampler *sampler;
    glass_sampler_defaults(&so);
    if (glass_model_tokenizer(m) != NULL &&
        glass_sampler_create(&sampler, glass_model_tokenizer(m), &so) == GLASS_OK) {
        int32_t id;
        if (glass_sampler_next(sampler, &id, logits, info.n_vocab) == GLASS_OK)
            assert_true(id >= 0 && id < info.n_vocab);
        glass_sampler_free(sampler);
    }
    glass_session_free(s);
}

/* Refused for what it is, or usable. */
static bool try_bytes(const void *bytes, size_t n) {
    glass_model *m;
    glass_status status = open_bytes(&m, bytes, n);
    if (status != GLASS_OK) {
        assert_int_equal(status, GLASS_BAD_INPUT);
        assert_null(m);
        assert_true(strlen(glass_error()) > 20);
        return false;
    }
    use_model(m);
    glass_model_close(m);
    return true;
}

static void expect_words(const struct recipe *r, const char *words) {
    struct buf bytes = {0};
    recipe_bytes(r, &bytes);
    bool opened = try_bytes(bytes.data, bytes.len);
    buf_free(&bytes);
    if (words == NULL) {
        if (!opened) print_error("refused: %s\n", glass_error());
        assert_true(opened);
        return;
    }
    if (opened || strstr(glass_error(), words) == NULL)
        print_error("wanted \"%s\", got %s\n", words,
                    opened ? "an open model" : glass_error());
    assert_false(opened);
    assert_non_null(strstr(glass_error(), words));
}

/* ---- the tests */

static void the_recipe_alone_is_good(void **state) {
    (void)state;
    static const char *const names[] = {
        "llama",   "gpt2",    "gptneo", "gptneox",    "olmo",    "qwen3",
        "gptj",    "olmo3",   "gemma2", "gemma3",     "apertus", "phi3",
        "granite", "smollm3", "phi2",   "ministral3", "gemma",   "starcoder"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct recipe r;
        recipe_open(&r, names[i]);
        expect_words(&r, NULL);
        recipe_close(&r);
    }
}

#define U32(key, n, words)                                                                 \
    { {key, GGUF_U32, n, NULL}, words }
#define F32(key, x, words)                                                                 \
    { {key, GGUF_F32, x, NULL}, words }
#define TEXT(key, s, words)                                                                \
    { {key, GGUF_STRING, 0, s}, words }

struct case_of {
    struct change change;
    const char *words; /* of the error; NULL = it opens and runs */
};

static void run_cases(const char *base, const struct case_of *cases, size_t n) {
    struct recipe r;
    recipe_open(&r, base);
    for (size_t i = 0; i < n; i++) {
        r.changes = &cases[i].change;
        r.n_changes = 1;
        expect_words(&r, cases[i].words);
    }
    recipe_close(&r);
}

static void absurd_numbers_are_refused(void **state) {
    (void)state;
    static const struct case_of llama[] = {
        TEXT("general.architecture", NULL, "\"general.architecture\" is missing"),
        TEXT("general.architecture", "", "cannot be run"),
        TEXT("general.architecture", "grok", "\"grok\" family cannot be run"),
        U32("general.architecture", 1, "is of type U32, not a string"),
        U32("llama.block_count", 0, "llama.block_count is 0"),
        U32("llama.block_count", 3, "blk.2."),
        U32("llama.block_count", 4294967295.0, "llama.block_count is 4294967295"),
        F32("llama.block_count", 2, "is of type F32, not an integer"),
        TEXT("llama.block_count", NULL, "llama.block_count\" is missing"),
        {{"llama.block_count", GGUF_I32, -2, NULL}, "cannot be negative"},
        U32("llama.embedding_length", 0, "llama.embedding_length is 0"),
        U32("llama.embedding_length", 33, "token_embd.weight is 61 x 32"),
        U32("llama.embedding_length", 1 << 20, "token_embd.weight is 61 x 32"),
        U32("llama.context_length", 0, "llama.context_length is 0"),
        U32("llama.context_length", 1 << 28, NULL),
        U32("llama.context_length", 4294967295.0, "llama.context_length is 4294967295"),
        U32("llama.feed_forward_length", 0, "llama.feed_forward_length is 0"),
        U32("llama.feed_forward_length", 63, "ffn_gate.weight is 64 x 32"),
        U32("llama.attention.head_count", 0, "llama.attention.head_count is 0"),
        U32("llama.attention.head_count", 3, "cannot share"),
        U32("llama.attention.head_count", 64, "0 numbers a head"),
        U32("llama.attention.head_count", 8, "metadata asks for"),
        U32("llama.attention.head_count_kv", 0, "llama.attention.head_count_kv is 0"),
        U32("llama.attention.head_count_kv", 3, "cannot share"),
        U32("llama.attention.head_count_kv", 8, "cannot share"),
        U32("llama.attention.key_length", 7, "it must be even"),
        U32("llama.attention.key_length", 0, "llama.attention.key_length is 0"),
        U32("llama.attention.value_length", 4, "values of 4 numbers a head"),
        U32("llama.rope.dimension_count", 0, "llama.rope.dimension_count is 0"),
        U32("llama.rope.dimension_count", 7, "it must be even"),
        U32("llama.rope.dimension_count", 10, "llama.rope.dimension_count is 10"),
        F32("llama.rope.freq_base", 0, "llama.rope.freq_base is 0"),
        F32("llama.rope.freq_base", -10000, "llama.rope.freq_base is -10000"),
        F32("llama.rope.freq_base", NAN, "llama.rope.freq_base is "),
        F32("llama.rope.freq_base", INFINITY, "llama.rope.freq_base is inf"),
        U32("llama.rope.freq_base", 10000, "not F32 or F64"),
        F32("llama.rope.scale_linear", 0, "llama.rope.scale_linear is 0"),
        F32("llama.rope.scaling.factor", 0, "llama.rope.scaling.factor is 0"),
        F32("llama.rope.scaling.attn_factor", INFINITY, "attn_factor is inf"),
        U32("llama.rope.scaling.original_context_length", 0, "context_length is 0"),
        TEXT("llama.rope.scaling.type", "dynamic",
             "rope scaling \"dynamic\" is not supported"),
        TEXT("llama.rope.scaling.type", "yarn", NULL),
        F32("llama.rope.freq_base_swa", NAN, "llama.rope.freq_base_swa is "),
        F32("llama.attn_logit_softcapping", -1, "attn_logit_softcapping is -1"),
        F32("llama.attn_logit_softcapping", 1e-30, NULL),
        F32("llama.final_logit_softcapping", NAN, "final_logit_softcapping is "),
        F32("llama.attention.temperature_scale", INFINITY, "temperature_scale is inf"),
        U32("llama.attention.rope_pattern", 0, NULL),
        U32("llama.attention.rope_pattern", 4294967295.0, NULL),
        F32("llama.attention.rope_pattern", 1, "rope_pattern"),
        F32("llama.attention.layer_norm_rms_epsilon", NAN, "epsilon is "),
        F32("llama.attention.layer_norm_rms_epsilon", -1, "epsilon is -1"),
        F32("llama.attention.layer_norm_rms_epsilon", INFINITY, "epsilon is inf"),
        F32("llama.attention.layer_norm_rms_epsilon", 0, NULL),
        F32("llama.attention.scale", 0, "llama.attention.scale is 0"),
        F32("llama.attention.scale", NAN, "llama.attention.scale is "),
        F32("llama.attention.clamp_kqv", -1, "llama.attention.clamp_kqv is -1"),
        U32("llama.attention.sliding_window", 0, NULL),
        U32("llama.attention.sliding_window", 1, NULL),
        U32("llama.attention.sliding_window", 4294967295.0, "sliding_window is 4294967295"),
        U32("general.alignment", 0, "general.alignment is 0"),
        U32("general.alignment", 4294967295.0, "general.alignment is 4294967295"),
        U32("general.alignment", 1 << 30, "general.alignment is 1073741824"),
        U32("split.count", 2, "split"),
    };
    run_cases("llama", llama, sizeof llama / sizeof *llama);
    static const struct case_of gpt2[] = {
        U32("gpt2.context_length", 65, "position_embd.weight is 64 x 32"),
        U32("gpt2.attention.head_count", 5, "cannot share"),
        F32("gpt2.attention.layer_norm_epsilon", NAN, "epsilon is "),
        F32("gpt2.attention.temperature_scale", 1, NULL),
    };
    run_cases("gpt2", gpt2, sizeof gpt2 / sizeof *gpt2);
    static const struct case_of neo[] = {
        F32("gptneo.attention.sliding_window_pattern", 1,
            "sliding_window_pattern\" is of type"),
        U32("gptneo.attention.sliding_window_pattern", 1, NULL),
        U32("gptneo.block_count", 1, "sliding_window_pattern has 2 items for 1 layers"),
        TEXT("gptneo.attention.sliding_window_pattern", NULL, NULL),
    };
    run_cases("gptneo", neo, sizeof neo / sizeof *neo);
    static const struct case_of neox[] = {
        U32("gptneox.rope.dimension_count", 3, "it must be even"),
        U32("gptneox.use_parallel_residual", 1, "not a bool"),
    };
    run_cases("gptneox", neox, sizeof neox / sizeof *neox);
}

/* The numbers that only some families read. */
static void absurd_particulars_are_refused(void **state) {
    (void)state;
    static const struct case_of olmo3[] = {
        F32("olmo2.rope.scaling.factor", NAN, "olmo2.rope.scaling.factor is "),
        F32("olmo2.rope.scaling.factor", 1e-3, NULL),
        F32("olmo2.rope.scaling.yarn_beta_fast", 0, "yarn_beta_fast is 0"),
        F32("olmo2.rope.scaling.yarn_beta_slow", INFINITY, "yarn_beta_slow is inf"),
        F32("olmo2.rope.scaling.yarn_beta_slow", 1e6, NULL), /* high below low */
        F32("olmo2.rope.scaling.yarn_ext_factor", 2, "yarn_ext_factor is 2"),
        F32("olmo2.rope.scaling.yarn_attn_factor", 0, "yarn_attn_factor is 0"),
        F32("olmo2.rope.scaling.yarn_log_multiplier", -1, "yarn_log_multiplier is -1"),
        F32("olmo2.rope.freq_base", 1, "olmo2.rope.freq_base is 1; YaRN wants more"),
        U32("olmo2.rope.scaling.original_context_length", 1, NULL),
        U32("olmo2.rope.scaling.original_context_length", 4294967295.0, "is 4294967295"),
        U32("olmo2.attention.sliding_window_pattern", 4294967295.0, NULL),
        {{"olmo2.attention.sliding_window_pattern", GGUF_I32, -1, NULL},
         "cannot be negative"},
    };
    run_cases("olmo3", olmo3, sizeof olmo3 / sizeof *olmo3);
    static const struct case_of apertus[] = {
        TEXT("xielu.alpha_p", NULL, "\"xielu.alpha_p\" is missing"),
        F32("xielu.alpha_p", NAN, "\"xielu.alpha_p\" of layer 0 is "),
        F32("xielu.alpha_p", 1e4, NULL),
        F32("xielu.alpha_n", INFINITY, "\"xielu.alpha_n\" of layer 0 is inf"),
        F32("xielu.alpha_n", -1e4, NULL),
        F32("xielu.beta", 1e5, "\"xielu.beta\" of layer 0 is 100000"),
        F32("xielu.eps", 1, "\"xielu.eps\" of layer 0 is 1"),
        U32("xielu.eps", 0, "\"xielu.eps\" is neither a number nor an array of 2"),
        U32("apertus.block_count", 1, "is neither a number nor an array of 1"),
    };
    run_cases("apertus", apertus, sizeof apertus / sizeof *apertus);
    static const struct case_of granite[] = {
        F32("granite.embedding_scale", 0, "granite.embedding_scale is 0"),
        F32("granite.residual_scale", NAN, "granite.residual_scale is "),
        F32("granite.logit_scale", 0, "granite.logit_scale is 0"),
        F32("granite.logit_scale", 1e6, NULL),
    };
    run_cases("granite", granite, sizeof granite / sizeof *granite);
    static const struct case_of phi3[] = {
        U32("phi3.rope.dimension_count", 8, "rope_factors_short.weight is 3"),
        U32("phi3.attention.head_count_kv", 2, "attn_qkv.weight is 32 x 16"),
        U32("phi3.feed_forward_length", 23, "ffn_up.weight is 48 x 16"),
        U32("phi3.feed_forward_length", 48, "ffn_up.weight is 48 x 16"),
    };
    run_cases("phi3", phi3, sizeof phi3 / sizeof *phi3);
    struct recipe r;
    recipe_open(&r, "phi3");
    r.reshape = (struct reshape){"rope_factors_short.weight", {0}, GLASS_F32, true};
    expect_words(&r, "rope_factors_short.weight is missing");
    r.reshape = (struct reshape){"rope_factors_long.weight", {2, 0}, GLASS_F32, false};
    expect_words(&r, "rope_factors_long.weight is 2");
    recipe_close(&r);
}

static void wrong_tensors_are_refused(void **state) {
    (void)state;
    static const struct {
        struct reshape reshape;
        const char *words;
    } cases[] = {
        {{"token_embd.weight", {0}, GLASS_F32, true}, "token_embd.weight"},
        {{"token_embd.weight", {61, 31}, GLASS_F32, false}, "token_embd.weight is 61 x 31"},
        {{"token_embd.weight", {61 * 32, 0}, GLASS_F32, false},
         "token_embd.weight is 1952"},
        {{"token_embd.weight", {61, 32}, GLASS_I32, false}, "token_embd.weight"},
        {{"token_embd.weight", {61, 32}, GLASS_F64, false}, "token_embd.weight"},
        {{"token_embd.weight", {61, 32}, GLASS_F16, false}, NULL},
        {{"token_embd.weight", {61, 32}, GLASS_Q8_0, false}, NULL},
        {{"token_embd.weight", {60, 32}, GLASS_F32, false}, "output.weight is 61 x 32"},
        {{"output.weight", {0}, GLASS_F32, true}, NULL},
        {{"output_norm.weight", {0}, GLASS_F32, true}, "output_norm.weight"},
        {{"output_norm.weight", {31, 0}, GLASS_F32, false}, "output_norm.weight is 31"},
        {{"output_norm.weight", {1, 32}, GLASS_F32, false}, "output_norm.weight is 1 x 32"},
        {{"output_norm.weight", {32, 0}, GLASS_Q8_0, false}, "output_norm.weight is Q8_0"},
        {{"blk.1.attn_q.weight", {0}, GLASS_F32, true}, "blk.1.attn_q.weight"},
        {{"blk.1.attn_q.weight", {32, 64}, GLASS_F32, false},
         "blk.1.attn_q.weight is 32 x 64"},
        {{"blk.0.attn_k.weight", {32, 32}, GLASS_F32, false},
         "blk.0.attn_k.weight is 32 x 32"},
        {{"blk.0.ffn_down.weight", {64, 32}, GLASS_F32, false},
         "blk.0.ffn_down.weight is 64 x 32"},
        {{"blk.0.ffn_norm.weight", {32, 0}, GLASS_I8, false},
         "blk.0.ffn_norm.weight is I8"},
    };
    struct recipe r;
    recipe_open(&r, "llama");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        r.reshape = cases[i].reshape;
        expect_words(&r, cases[i].words);
    }
    recipe_close(&r);
}

/* Weights that are no numbers give logits that are none; nothing breaks. */
static void weights_may_be_no_numbers(void **state) {
    (void)state;
    static const uint32_t bits[] = {0x7fc00000, 0x7f800000, 0xff800000,
                                    0x7f7fffff, 0x00000001, 0xffffffff};
    static const char *const names[] = {"llama",  "gpt2",    "gptneox", "qwen3", "olmo",
                                        "gemma2", "apertus", "phi3",    "olmo3"};
    struct maker m;
    maker_bpe(&m, "gpt-2");
    m.n_tokens = m.n_types = 61; /* bytes only */
    m.n_merges = 0;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) {
            struct recipe r;
            struct buf bytes = {0};
            struct gguf *g;
            recipe_open(&r, names[k]);
            r.vocabulary = &m;
            recipe_bytes(&r, &bytes);
            ok(gguf_open_memory(&g, bytes.data, bytes.len, "weights"));
            for (int64_t t = 0; t < gguf_n_tensors(g); t++) {
                const struct gguf_tensor *tensor = gguf_tensor_at(g, t);
                size_t step = i % 2 == 0 ? 4 : 28; /* all of them, some of them */
                size_t at = (size_t)(tensor->data - (const uint8_t *)bytes.data);
                for (size_t b = 0; b + 4 <= tensor->n_bytes; b += step)
                    memcpy(bytes.data + at + b, &bits[i], 4);
            }
            gguf_close(g);
            assert_true(try_bytes(bytes.data, bytes.len));
            buf_free(&bytes);
            recipe_close(&r);
        }
    maker_free(&m);
}

static void vocabularies_that_disagree_are_refused(void **state) {
    (void)state;
    struct recipe r;
    struct maker m;
    recipe_open(&r, "llama");
    maker_bpe(&m, "gpt-2");
    r.vocabulary = &m;
    int64_t n_merges = m.n_merges;
    m.n_merges = 0;
    m.n_types = m.n_tokens = 62;
    expect_words(&r, "62 tokens but embeddings for only 61");
    m.n_types = m.n_tokens = 61;
    expect_words(&r, NULL);
    m.n_types = m.n_tokens = 7; /* embeddings may be padded */
    expect_words(&r, NULL);
    m.n_types = 8;
    expect_words(&r, "tokenizer.ggml.token_type has 8 entries for 7 tokens");
    m.n_types = 7;
    m.n_merges = n_merges;
    expect_words(&r, "names a piece that is not in the vocabulary");
    m.n_merges = 0;
    m.eos = 61;
    expect_words(&r, "the EOS token is 61");
    m.eos = -1;
    m.n_types = m.n_tokens = 0;
    expect_words(&r, "a vocabulary of 0 tokens");
    recipe_close(&r);
    maker_free(&m);
}

/* ---- cut and flipped */

static size_t header_end(const struct recipe *r) {
    const uint8_t *least = NULL;
    for (int64_t i = 0; i < gguf_n_tensors(r->g); i++) {
        const uint8_t *data = gguf_tensor_at(r->g, i)->data;
        if (least == NULL || data < least) least = data;
    }
    return (size_t)(least - (const uint8_t *)r->base.data);
}

static void cut_anywhere_is_refused(void **state) {
    (void)state;
    struct recipe r;
    recipe_open(&r, "llama");
    size_t header = header_end(&r);
    for (size_t n = 0; n < r.base.len; n += n < header ? 1 : 61)
        assert_false(try_bytes(r.base.data, n));
    recipe_close(&r);
}

static void flipped_bits_never_harm(void **state) {
    (void)state;
    static const char *const names[] = {"llama",   "gptneox", "gpt2", "olmo3",
                                        "apertus", "gemma3",  "phi3"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        struct recipe r;
        recipe_open(&r, names[k]);
        size_t n_bits = 8 * header_end(&r);
        for (size_t bit = k % 3; bit < n_bits; bit += 3) {
            r.base.data[bit / 8] ^= (char)(1 << bit % 8);
            try_bytes(r.base.data, r.base.len);
            r.base.data[bit / 8] ^= (char)(1 << bit % 8);
        }
        recipe_close(&r);
    }
}

/* ---- memory */

/* Opens and closes; what was asked for in all is at most `factor` times the file, and a
 * constant for the tables that every model has. */
static void expect_modest(const struct buf *bytes, size_t factor) {
    enum { CONSTANT = 3 << 20 };
    glass_model *m;
    mem_asked_bytes();
    glass_status status = open_bytes(&m, bytes->data, bytes->len);
    size_t asked = mem_asked_bytes();
    if (asked > factor * bytes->len + CONSTANT)
        print_error("%zu bytes asked for to open a file of %zu (%s)\n", asked, bytes->len,
                    status == GLASS_OK ? "opened" : glass_error());
    assert_true(asked <= factor * bytes->len + CONSTANT);
    glass_model_close(m);
}

static void memory_follows_the_file(void **state) {
    (void)state;
    struct recipe r;
    struct buf bytes = {0};
    recipe_open(&r, "llama");
    recipe_bytes(&r, &bytes);
    expect_modest(&bytes, 4);
    /* Counts that the file cannot hold: tensors, values, and an array's items. */
    static const size_t counts[] = {8, 16};
    for (size_t i = 0; i < 2; i++)
        for (int shift = 0; shift < 64; shift++) {
            uint64_t huge = UINT64_C(1) << shift, keep;
            memcpy(&keep, bytes.data + counts[i], 8);
            memcpy(bytes.data + counts[i], &huge, 8);
            expect_modest(&bytes, 4);
            memcpy(bytes.data + counts[i], &keep, 8);
        }
    buf_clear(&bytes);
    /* A vocabulary of a million empty tokens; eight bytes each in the file. */
    uint64_t n = 0;
    struct buf values = {0};
    put_values(&r, &values, &n);
    put_text(&values, &n, "tokenizer.ggml.model", "gpt2");
    put_text(&values, &n, "tokenizer.ggml.pre", "gpt-2");
    put_array(&values, &n, "tokenizer.ggml.tokens", GGUF_STRING, 1 << 20);
    for (int i = 0; i < 1 << 20; i++) put_u64(&values, 0);
    put_array(&values, &n, "tokenizer.ggml.merges", GGUF_STRING, 1 << 19);
    for (int i = 0; i < 1 << 19; i++) put_u64(&values, 0);
    struct buf infos = {0}, data = {0};
    uint64_t n_tensors = 0;
    put_tensors(&r, &infos, &data, &n_tensors);
    ok(buf_text(&bytes, "GGUF"));
    put_u32(&bytes, 3);
    put_u64(&bytes, n_tensors);
    put_u64(&bytes, n);
    ok(buf_append(&bytes, values.data, values.len));
    ok(buf_append(&bytes, infos.data, infos.len));
    while (bytes.len % 32 != 0) ok(buf_byte(&bytes, 0));
    ok(buf_append(&bytes, data.data, data.len));
    expect_modest(&bytes, 8);
    buf_free(&values);
    buf_free(&infos);
    buf_free(&data);
    buf_free(&bytes);
    recipe_close(&r);
}

/* A chat template of 100 MB: the model opens, the template is refused when it is asked for.
 */
static void a_huge_template_costs_little(void **state) {
    (void)state;
    enum { HUGE_TEMPLATE = 100 << 20 };
    struct recipe r;
    struct maker m;
    struct buf bytes = {0};
    recipe_open(&r, "llama");
    maker_bpe(&m, "gpt-2");
    m.n_tokens = m.n_types = 61;
    m.n_merges = 0;
    r.vocabulary = &m;
    char *text = malloc(HUGE_TEMPLATE);
    assert_non_null(text);
    memset(text, 1, HUGE_TEMPLATE); /* JSON spells it in six bytes */
    r.tmpl = text;
    r.n_tmpl = HUGE_TEMPLATE;
    recipe_bytes(&r, &bytes);
    glass_model *model;
    const glass_template *tmpl;
    mem_asked_bytes();
    ok(open_bytes(&model, bytes.data, bytes.len));
    assert_true(mem_asked_bytes() < 4 << 20);
    assert_int_equal(glass_model_template(model, &tmpl), GLASS_BAD_INPUT);
    assert_non_null(strstr(glass_error(), "bytes"));
    for (int64_t i = 0; i < glass_model_n_meta(model); i++) {
        const char *key, *json;
        glass_model_meta(model, i, &key, &json);
        if (strcmp(key, "tokenizer.chat_template") == 0)
            assert_string_equal(json, "{\"length\":104857600}");
    }
    glass_model_close(model);
    free(text);
    buf_free(&bytes);
    maker_free(&m);
    recipe_close(&r);
}

/* Whichever allocation of opening, rendering, encoding and running fails, it is reported.
 */
static glass_status whole_use(const char *path) {
    static const char json[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"A <|x|>\"}]}";
    static float logits[61];
    glass_status status;
    glass_model *m = NULL;
    glass_session *s = NULL;
    const glass_template *tmpl;
    glass_rendered text = {0};
    int32_t *ids = NULL;
    int64_t n;
    glass_session_options o = {.n_ctx = 32, .n_threads = 1};
    TRY_FAIL(glass_model_open(&m, path, NULL));
    TRY_FAIL(glass_model_template(m, &tmpl));
    TRY_FAIL(glass_template_render(tmpl, &text, json, sizeof json - 1, -1));
    TRY_FAIL(glass_tokenizer_encode_spans(glass_model_tokenizer(m), &ids, &n, text.text,
                                          text.n_bytes, text.plain, text.n_plain,
                                          GLASS_PARSE_SPECIAL));
    TRY_FAIL(glass_session_create(&s, m, &o));
    status = glass_session_eval(s, ids, n < 32 ? n : 32, logits);
fail:
    glass_free(ids);
    glass_rendered_clear(&text);
    glass_session_free(s);
    glass_model_close(m);
    return status;
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    static const char tmpl[] =
        "{% for m in messages %}{{ m.content | upper }}!{% endfor %}";
    struct recipe r;
    struct maker m;
    struct buf bytes = {0};
    char path[64];
    int fd;
    recipe_open(&r, "llama");
    maker_bpe(&m, "gpt-2");
    m.n_tokens = m.n_types = 61;
    m.n_merges = 0;
    r.vocabulary = &m;
    r.tmpl = tmpl;
    r.n_tmpl = sizeof tmpl - 1;
    recipe_bytes(&r, &bytes);
    as_file(path, &fd, bytes.data, bytes.len);
    int64_t fail_at = 1;
    for (;; fail_at++) {
        mem_fail_at(fail_at);
        glass_status status = whole_use(path);
        int64_t asked = mem_fail_at(0);
        if (asked < fail_at) {
            ok(status);
            break;
        }
        if (status != GLASS_NO_MEMORY)
            print_error("allocation %d: %s\n", (int)fail_at,
                        status == GLASS_OK ? "ok" : glass_error());
        assert_int_equal(status, GLASS_NO_MEMORY);
    }
    assert_true(fail_at > 50);
    close(fd);
    buf_free(&bytes);
    maker_free(&m);
    recipe_close(&r);
}

/* A session file whose checksum is right and whose tokens are not. */
static void saved_tokens_are_checked(void **state) {
    (void)state;
    enum { TOKENS_AT = 88 };
    static const int32_t ids[3] = {1, 2, 3}, bad[] = {61, -1, INT32_MAX, INT32_MIN};
    char path[] = "/tmp/glass-session-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    glass_model *m;
    glass_session *s;
    glass_session_options o = {.n_ctx = 8, .n_threads = 1};
    ok(glass_model_open(&m, "tests/model/data/families/llama.gguf", NULL));
    ok(glass_session_create(&s, m, &o));
    ok(glass_session_eval(s, ids, 3, NULL));
    ok(glass_session_save(s, path));
    struct buf file = {0};
    ok(path_read_whole(&file, path, 1 << 20));
    for (size_t i = 0; i <= sizeof bad / sizeof *bad; i++) {
        int64_t n;
        bool good = i == sizeof bad / sizeof *bad;
        memcpy(file.data + TOKENS_AT + 4, good ? &ids[1] : &bad[i], 4);
        ok(sha256_bytes((uint8_t *)file.data + file.len - 32, file.data, file.len - 32));
        ok(path_write_whole(path, file.data, file.len));
        ok(glass_session_truncate(s, 0));
        assert_int_equal(glass_session_load(s, path), good ? GLASS_OK : GLASS_BAD_INPUT);
        if (!good) assert_non_null(strstr(glass_error(), "token 1 is "));
        glass_session_tokens(s, &n);
        assert_int_equal(n, good ? 3 : 0);
    }
    unlink(path);
    buf_free(&file);
    glass_session_free(s);
    glass_model_close(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_recipe_alone_is_good),
        cmocka_unit_test(absurd_numbers_are_refused),
        cmocka_unit_test(absurd_particulars_are_refused),
        cmocka_unit_test(wrong_tensors_are_refused),
        cmocka_unit_test(weights_may_be_no_numbers),
        cmocka_unit_test(vocabularies_that_disagree_are_refused),
        cmocka_unit_test(cut_anywhere_is_refused),
        cmocka_unit_test(flipped_bits_never_harm),
        cmocka_unit_test(memory_follows_the_file),
        cmocka_unit_test(a_huge_template_costs_little),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(saved_tokens_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
