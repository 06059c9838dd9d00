/* test_tok_json.c - tokenizer.json in every shape that is read, against what the tokenizers
 * library makes of the same texts (data/tok_golden.json, by gen_tok_golden.py); what is
 * refused, by its path; the files beside it; and both writers, there and back. */
#include "base/hash.h"
#include "base/path.h"
#include "text/tok_rules.h"
#include "text/tok_to_gguf.h"
#include "text/tok_to_json.h"

#include "vocab_maker.h"

#include <sys/stat.h>
#include <time.h>

#define GOLDEN "tests/text/data/tok_golden.json"

static json_t *golden;

static int open_golden(void **state) {
    (void)state;
    json_error_t error;
    golden = json_load_file(GOLDEN, 0, &error);
    if (golden == NULL) print_error("%s: %s\n", GOLDEN, error.text);
    return golden == NULL;
}

static int close_golden(void **state) {
    (void)state;
    json_decref(golden);
    return 0;
}

/* The tokenizer.json of a shape. */
static char *shape_text(json_t *shape) {
    json_t *whole = json_deep_copy(json_object_get(shape, "tokenizer"));
    json_t *vocabulary = json_object_get(json_object_get(golden, "vocabularies"),
                                         tok_json_text(shape, "vocabulary"));
    json_t *model = json_object_get(whole, "model");
    assert_int_equal(json_object_update(model, vocabulary), 0);
    char *text = json_dumps(whole, 0);
    assert_non_null(text);
    json_decref(whole);
    return text;
}

static json_t *shape_named(const char *name) {
    size_t i;
    json_t *shape;
    json_array_foreach(json_object_get(golden, "shapes"), i, shape) {
        if (strcmp(tok_json_text(shape, "name"), name) == 0) return shape;
    }
    return NULL;
}

static void read_shape(struct tok_source *s, json_t *shape) {
    char *text = shape_text(shape);
    ok(tok_read_json(s, text, strlen(text), tok_json_text(shape, "name")));
    free(text);
}

static glass_tokenizer *open_shape(const char *name) {
    struct tok_source s = TOK_SOURCE_NONE;
    glass_tokenizer *t;
    read_shape(&s, shape_named(name));
    ok(tok_build(&t, &s));
    tok_source_clear(&s);
    return t;
}

static bool same_ids(const json_t *want, const int32_t *ids, int64_t n) {
    if (json_array_size(want) != (size_t)n) return false;
    for (int64_t i = 0; i < n; i++)
        if (json_integer_value(json_array_get(want, (size_t)i)) != ids[i]) return false;
    return true;
}

static void check_case(const glass_tokenizer *t, json_t *shape, const json_t *tried,
                       const char *how) {
    const json_t *text = json_array_get(tried, 0), *want = json_array_get(tried, 1);
    int32_t *ids;
    int64_t n;
    ok(glass_tokenizer_encode(t, &ids, &n, json_string_value(text),
                              json_string_length(text), GLASS_PARSE_SPECIAL));
    bool same = same_ids(want, ids, n);
    if (!same) {
        char *shown = json_dumps(tried, 0);
        print_error("%s (%s): %s\ngot", tok_json_text(shape, "name"), how, shown);
        for (int64_t i = 0; i < n; i++) print_error(" %d", (int)ids[i]);
        print_error("\n");
        free(shown);
    }
    glass_free(ids);
    assert_true(same);
}

static void check_around(const glass_tokenizer *t, const json_t *around) {
    int32_t *ids;
    int64_t n;
    size_t front = json_array_size(json_array_get(around, 0));
    size_t behind = json_array_size(json_array_get(around, 1));
    ok(glass_tokenizer_encode(t, &ids, &n, "", 0, GLASS_ADD_SPECIAL));
    assert_int_equal(n, front + behind);
    for (size_t i = 0; i < front + behind; i++) {
        const json_t *list = json_array_get(around, i < front ? 0 : 1);
        assert_int_equal(
            ids[i], json_integer_value(json_array_get(list, i < front ? i : i - front)));
    }
    glass_free(ids);
}

static void check_shape(struct tok_source *s, json_t *shape, const char *how) {
    glass_tokenizer *t;
    size_t i;
    json_t *tried;
    ok(tok_build(&t, s));
    json_array_foreach(json_object_get(shape, "cases"), i, tried) {
        check_case(t, shape, tried, how);
    }
    check_around(t, json_object_get(shape, "around"));
    glass_tokenizer_close(t);
}

static void shapes_encode_as_the_library_does(void **state) {
    (void)state;
    size_t i, n_cases = 0;
    json_t *shape;
    json_array_foreach(json_object_get(golden, "shapes"), i, shape) {
        struct tok_source s = TOK_SOURCE_NONE;
        read_shape(&s, shape);
        check_shape(&s, shape, "as read");
        tok_source_clear(&s);
        n_cases += json_array_size(json_object_get(shape, "cases"));
    }
    assert_true(i >= 25 && n_cases > 700);
}

/* ---- writers */

static struct gguf *write_gguf(const struct tok_source *s, char *path, bool any_pre) {
    struct gguf_writer *w;
    struct gguf *g;
    struct tok_to_gguf_options options = {.any_pre = any_pre, .n_vocab = s->n_vocab + 3};
    write_temporary(path, "", 0);
    ok(gguf_writer_create(&w, path));
    ok(tok_to_gguf(w, s, &options));
    ok(gguf_writer_finish(w));
    ok(gguf_open(&g, path));
    unlink(path);
    return g;
}

static void same_piece(const struct tok_source *a, const struct tok_source *b, int64_t id) {
    assert_int_equal(a->pieces[id].len, b->pieces[id].len);
    assert_memory_equal(a->text + a->pieces[id].at, b->text + b->pieces[id].at,
                        a->pieces[id].len);
}

static void same_merges(const struct tok_source *a, const struct tok_source *b) {
    assert_int_equal(a->n_merges, b->n_merges);
    for (int64_t i = 0; i < a->n_merges; i++) {
        assert_int_equal(a->merges[i].len, b->merges[i].len);
        assert_memory_equal(a->merge_text + a->merges[i].at,
                            b->merge_text + b->merges[i].at, a->merges[i].len);
    }
}

static void shapes_go_through_gguf(void **state) {
    (void)state;
    size_t i;
    json_t *shape;
    json_array_foreach(json_object_get(golden, "shapes"), i, shape) {
        struct tok_source s = TOK_SOURCE_NONE, back = TOK_SOURCE_NONE;
        char path[64];
        read_shape(&s, shape);
        struct gguf *g = write_gguf(&s, path, true);
        ok(tok_read_gguf(&back, g));
        assert_int_equal(back.n_vocab, s.n_vocab + 3);
        for (int64_t id = 0; id < s.n_vocab; id++) {
            same_piece(&s, &back, id);
            bool byte = back.types[id] == TOK_BYTE && s.types[id] == TOK_NORMAL;
            if (!byte) assert_int_equal(back.types[id], s.types[id]);
        }
        assert_int_equal(back.types[s.n_vocab], TOK_UNUSED);
        same_merges(&s, &back);
        check_shape(&back, shape, "through GGUF");
        tok_source_clear(&s);
        tok_source_clear(&back);
        gguf_close(g);
    }
}

static void read_written(struct tok_source *out, const struct tok_source *s) {
    struct buf json = {0}, config = {0};
    ok(tok_to_json(&json, &config, s, "{{ x }}", 7));
    ok(tok_read_json(out, json.data, json.len, "written"));
    ok(tok_read_config(out, config.data, config.len, "written config"));
    buf_free(&json);
    buf_free(&config);
}

static void shapes_go_through_json(void **state) {
    (void)state;
    size_t i;
    json_t *shape;
    json_array_foreach(json_object_get(golden, "shapes"), i, shape) {
        struct tok_source s = TOK_SOURCE_NONE, back = TOK_SOURCE_NONE;
        read_shape(&s, shape);
        read_written(&back, &s);
        assert_int_equal(back.n_vocab, s.n_vocab);
        for (int64_t id = 0; id < s.n_vocab; id++) {
            same_piece(&s, &back, id);
            assert_int_equal(back.types[id], s.types[id]);
            assert_int_equal(back.flags[id], s.flags[id]);
        }
        same_merges(&s, &back);
        check_shape(&back, shape, "through JSON");
        tok_source_clear(&s);
        tok_source_clear(&back);
    }
}

static void open_maker(struct tok_source *s, struct gguf **g, const struct maker *m,
                       struct buf *bytes) {
    maker_bytes(m, bytes);
    ok(gguf_open_memory(g, bytes->data, bytes->len, "made"));
    ok(tok_read_gguf(s, *g));
}

/* A list of merges knows no ties, and makes no pieces of characters that are no tokens. */
static void make_listable(struct maker *m) {
    for (char c = '\t'; c <= '~'; c++)
        if (c != ' ' && maker_find(m, &c, 1) < 0) maker_add(m, &c, 1, TOK_NORMAL);
    for (int64_t id = 0; id < m->n_tokens; id++)
        if (m->types[id] == TOK_NORMAL) m->scores[id] = -(float)id;
}

/* Vocabularies that never were a tokenizer.json: by name of a pre-tokenizer, and by scores. */
static void gguf_files_become_json(void **state) {
    (void)state;
    static const char *const pres[] = {NULL,    "gpt-2",  "smollm",      "llama-bpe",
                                       "qwen2", "tekken", "deepseek-v3", "deepseek-llm"};
    for (size_t k = 0; k < sizeof pres / sizeof *pres; k++) {
        struct maker m;
        struct gguf *g;
        struct buf bytes = {0};
        struct tok_source s = TOK_SOURCE_NONE, back = TOK_SOURCE_NONE;
        glass_tokenizer *before, *after;
        if (pres[k] == NULL)
            maker_spm(&m);
        else
            maker_bpe(&m, pres[k]);
        if (m.spm) make_listable(&m);
        m.bos =
            maker_add_text(&m, "<|x|>", TOK_CONTROL); /* put in front if pre has it so */
        maker_add_text(&m, "[U]", TOK_USER);
        open_maker(&s, &g, &m, &bytes);
        read_written(&back, &s);
        if (pres[k] != NULL) assert_string_equal(tok_to_gguf_pre(&back), pres[k]);
        ok(tok_build(&before, &s));
        ok(tok_build(&after, &back));
        uint64_t seed = 7;
        for (int i = 0; i < 300; i++) {
            char text[400];
            int32_t *a, *b;
            int64_t n_a, n_b;
            size_t n = random_text(&seed, text, i % 10 == 0 ? sizeof text : 60);
            const unsigned flags = GLASS_PARSE_SPECIAL | GLASS_ADD_SPECIAL;
            ok(glass_tokenizer_encode(before, &a, &n_a, text, n, flags));
            ok(glass_tokenizer_encode(after, &b, &n_b, text, n, flags));
            assert_int_equal(n_a, n_b);
            assert_memory_equal(a, b, (size_t)n_a * sizeof *a);
            glass_free(a);
            glass_free(b);
        }
        glass_tokenizer_close(before);
        glass_tokenizer_close(after);
        tok_source_clear(&s);
        tok_source_clear(&back);
        gguf_close(g);
        buf_free(&bytes);
        maker_free(&m);
    }
}

static void listing_needs_all_characters(void **state) {
    (void)state;
    struct maker m;
    struct gguf *g;
    struct buf bytes = {0}, json = {0}, config = {0};
    struct tok_source s = TOK_SOURCE_NONE;
    maker_spm(&m);
    open_maker(&s, &g, &m, &bytes);
    assert_int_equal(tok_to_json(&json, &config, &s, NULL, 0), GLASS_BAD_INPUT);
    assert_non_null(strstr(glass_error(), "has a character that is no token"));
    tok_source_clear(&s);
    gguf_close(g);
    buf_free(&bytes);
    buf_free(&json);
    buf_free(&config);
    maker_free(&m);
}

static void scores_follow_the_merges(void **state) {
    (void)state;
    struct tok_source s = TOK_SOURCE_NONE;
    float *scores;
    read_shape(&s, shape_named("llama"));
    ok(mem_alloc(&scores, (size_t)s.n_vocab, sizeof *scores));
    ok(tok_to_gguf_scores(scores, &s));
    float before = 1;
    for (int64_t i = 0; i < s.n_merges;
         i++) { /* each piece of this vocabulary has one merge */
        char joined[256];
        size_t n = 0;
        for (uint32_t k = 0; k < s.merges[i].len; k++)
            if (k != s.merge_lefts[i]) joined[n++] = s.merge_text[s.merges[i].at + k];
        int64_t id = tok_source_find(&s, joined, n);
        assert_true(id >= 0 && scores[id] < before);
        before = scores[id];
    }
    assert_true(scores[0] == 0);
    mem_free(scores);
    tok_source_clear(&s);
}

static void writers_refuse_what_they_cannot_say(void **state) {
    (void)state;
    struct tok_source s = TOK_SOURCE_NONE;
    struct gguf_writer *w;
    struct tok_to_gguf_options options = {0};
    struct buf json = {0}, config = {0};
    char path[64];
    write_temporary(path, "", 0);
    ok(gguf_writer_create(&w, path));
    read_shape(&s, shape_named("removed-gaps"));
    assert_null(tok_to_gguf_pre(&s));
    assert_int_equal(tok_to_gguf(w, &s, &options), GLASS_BAD_INPUT);
    assert_non_null(strstr(glass_error(), "no name of tokenizer.ggml.pre stands for"));
    tok_source_clear(&s);
    read_shape(&s, shape_named("prefix-space"));
    assert_int_equal(tok_to_gguf(w, &s, &options), GLASS_BAD_INPUT);
    assert_non_null(strstr(glass_error(), "add_prefix_space"));
    tok_source_clear(&s);
    read_shape(&s, shape_named("gpt2"));
    options.n_vocab = s.n_vocab - 1;
    assert_int_equal(tok_to_gguf(w, &s, &options), GLASS_BAD_INPUT);
    assert_non_null(strstr(glass_error(), "the model has only"));
    /* A file may name any id as a special token's. */
    const int64_t eos = s.eos;
    options.n_vocab = s.n_vocab;
    s.eos = s.n_vocab;
    assert_int_equal(tok_to_json(&json, &config, &s, NULL, 0), GLASS_BAD_INPUT);
    assert_non_null(strstr(glass_error(), "the EOS token is"));
    assert_int_equal(tok_to_gguf(w, &s, &options), GLASS_BAD_INPUT);
    assert_non_null(strstr(glass_error(), "the EOS token is"));
    s.eos = eos;
    s.pad = INT64_C(1) << 40;
    ok(tok_to_json(&json, &config, &s, NULL, 0));
    assert_null(strstr(config.data, "pad_token"));
    s.text_owner.data[s.pieces[300].at] = '\xff';
    assert_int_equal(tok_to_json(&json, &config, &s, NULL, 0), GLASS_BAD_INPUT);
    assert_non_null(strstr(glass_error(), "token 300 is not UTF-8"));
    tok_source_clear(&s);
    gguf_writer_free(w);
    unlink(path);
    buf_free(&json);
    buf_free(&config);
}

/* Names stand for exactly these patterns, and for merging words that are tokens or not. */
static void pre_tokenizers_are_known_by_their_patterns(void **state) {
    (void)state;
    static const char *const known[][2] = {
        {"gpt2", "gpt-2"},       {"neox", "gpt-2"},       {"qwen", "qwen2"},
        {"llama3", "llama-bpe"}, {"smollm", "smollm"},    {"removed", "dbrx"},
        {"tekken", "tekken"},    {"nested", "smollm"},    {"llama", "default"},
        {"gemma", "default"},    {"cl100k", NULL},        {"string", NULL},
        {"no-regex", NULL},      {"runs-of-digits", NULL}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct tok_source s = TOK_SOURCE_NONE;
        read_shape(&s, shape_named(known[i][0]));
        const char *pre = tok_to_gguf_pre(&s);
        if (known[i][1] == NULL)
            assert_null(pre);
        else
            assert_string_equal(pre, known[i][1]);
        tok_source_clear(&s);
    }
}

/* ---- refusals */

static void expect_refused(json_t *whole, const char *message) {
    struct tok_source s = TOK_SOURCE_NONE;
    glass_tokenizer *t = NULL;
    char *text = json_dumps(whole, 0);
    glass_status status = tok_read_json(&s, text, strlen(text), "x.json");
    if (status == GLASS_OK) status = tok_build(&t, &s);
    if (status != GLASS_BAD_INPUT || strstr(glass_error(), message) == NULL)
        print_error("wanted \"%s\", got %d \"%s\"\n", message, (int)status, glass_error());
    assert_int_equal(status, GLASS_BAD_INPUT);
    assert_non_null(strstr(glass_error(), message));
    assert_non_null(strstr(glass_error(), "x.json"));
    tok_source_clear(&s);
    free(text);
}

static void replace_part(json_t *whole, const char *path, const char *value) {
    char key[64];
    json_t *at = whole;
    for (const char *dot; (dot = strchr(path, '.')) != NULL; path = dot + 1) {
        snprintf(key, sizeof key, "%.*s", (int)(dot - path), path);
        at = key[0] >= '0' && key[0] <= '9' ? json_array_get(at, strtoul(key, NULL, 10))
                                            : json_object_get(at, key);
        assert_non_null(at);
    }
    json_error_t error;
    json_t *new = json_loads(value, JSON_DECODE_ANY, &error);
    if (new == NULL) print_error("%s: %s\n", value, error.text);
    assert_non_null(new);
    if (json_is_array(at))
        assert_int_equal(json_array_set_new(at, strtoul(path, NULL, 10), new), 0);
    else
        assert_int_equal(json_object_set_new(at, path, new), 0);
}

struct refusal {
    const char *shape, *path, *value, *message;
};

#define NFC   "{\"type\":\"NFC\"}"
#define LEVEL "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}"
static const struct refusal refusals[] = {
    {"gpt2", "model.type", "\"Unigram\"", "model.type: a vocabulary of type \"Unigram\""},
    {"gpt2", "model.type", "\"WordPiece\"",
     "model.type: a vocabulary of type \"WordPiece\""},
    {"gpt2", "model.dropout", "0.1", "model.dropout"},
    {"gpt2", "model.continuing_subword_prefix", "\"##\"",
     "model.continuing_subword_prefix"},
    {"gpt2", "model.end_of_word_suffix", "\"</w>\"", "model.end_of_word_suffix"},
    {"gpt2", "model.unk_token", "\"<none>\"", "model.unk_token: \"<none>\""},
    {"gpt2", "model.lower_case", "true", "model.lower_case is not known"},
    {"gpt2", "model.vocab", "[]", "model.vocab: no vocabulary"},
    {"gpt2", "model.merges", "{}", "model.merges: no merges"},
    {"gpt2", "model.merges.3", "\"a b c\"", "model.merges[3]"},
    {"gpt2", "model.merges.3", "[\"a\",\"b\",\"c\"]", "model.merges[3]"},
    {"gpt2", "model.merges.3", "[\"a\",\"\"]", "merge 3"},
    {"gpt2", "model", "null", "no model"},
    {"gpt2", "preprocessor", "{}", "preprocessor is not known"},
    {"gpt2", "pre_tokenizer.max_length", "7", "pre_tokenizer.max_length is not known"},
    {"gpt2", "pre_tokenizer.type", "\"Whitespace\"", "pre_tokenizer.type: \"Whitespace\""},
    {"gpt2", "pre_tokenizer", "null", "pre_tokenizer: neither ByteLevel nor spaces"},
    {"gpt2", "normalizer", "{\"type\":\"Lowercase\"}", "normalizer.type: \"Lowercase\""},
    {"gpt2", "normalizer", "{\"type\":\"NFKC\"}", "normalizer.type: \"NFKC\""},
    {"gpt2", "normalizer",
     "{\"type\":\"Sequence\",\"normalizers\":[" NFC ",{\"type\":\"Strip\"}]}",
     "normalizer.normalizers[1].type: \"Strip\""},
    {"gpt2", "normalizer",
     "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\xe2\x96\x81\"}",
     "normalizer: spaces are not replaced in byte-level"},
    {"gpt2", "post_processor", "{\"type\":\"BertProcessing\"}", "post_processor.type"},
    {"gpt2", "post_processor", "{\"type\":\"TemplateProcessing\",\"single\":[]}",
     "post_processor: a template without a text"},
    {"qwen", "pre_tokenizer.pretokenizers.0.behavior", "\"MergedWithNext\"",
     "pre_tokenizer.pretokenizers[0].behavior: \"MergedWithNext\""},
    {"qwen", "pre_tokenizer.pretokenizers.0.pattern", "{}",
     "pre_tokenizer.pretokenizers[0]: a Split without a pattern"},
    {"qwen", "pre_tokenizer.pretokenizers.0.pattern", "{\"Regex\":\"(\"}", "pattern \"(\""},
    {"qwen", "pre_tokenizer.pretokenizers.1.add_prefix_space", "true",
     "pre_tokenizer.pretokenizers[1]: add_prefix_space after"},
    {"qwen", "pre_tokenizer.pretokenizers.0", LEVEL, "pre_tokenizer.pretokenizers[1].type"},
    {"gpt2", "added_tokens.0.single_word", "true", "added_tokens[0]: single_word"},
    {"gpt2", "added_tokens.0.flavour", "1", "added_tokens[0].flavour is not known"},
    {"gpt2", "added_tokens.0.id", "7", "has the id 7, which is another token's"},
    {"gpt2", "added_tokens.0.id", "-2", "has the id -2"},
    {"gpt2", "added_tokens.0.id", "99999999", "a token's id is 99999999"},
    {"gpt2", "added_tokens.0.id", "\"7\"", "added_tokens[0]: no id"},
    {"llama", "normalizer.normalizers.0.prepend", "\"_\"",
     "normalizer.normalizers[0].prepend: \"_\""},
    {"llama", "normalizer.normalizers.1.content", "\"_\"",
     "normalizer.normalizers[1]: a Replace"},
    {"llama-squeezed", "normalizer.normalizers.2.content", "\"\"",
     "normalizer.normalizers[2]: a Replace"},
    {"llama-squeezed", "normalizer.normalizers.0",
     "{\"type\":\"Sequence\",\"normalizers\":[]}", "normalizer.normalizers[1]: a Replace"},
    {"llama-squeezed", "normalizer.normalizers.3", NFC, "normalizer: a Replace of runs"},
    {"llama-squeezed", "added_tokens.0.normalized", "true",
     "normalizer: squeezed spaces beside"},
    {"llama-first", "pre_tokenizer.prepend_scheme", "\"last\"",
     "pre_tokenizer.prepend_scheme: \"last\""},
    {"llama-first", "pre_tokenizer.replacement", "\"_\"",
     "pre_tokenizer.replacement: \"_\""},
    {"llama-split", "model.ignore_merges", "true", "model.ignore_merges"},
    {"llama", "model.merges.3", "[\"<0x41>\",\"<0x42>\"]", "merge 3"},
};

static void what_is_not_understood_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const struct refusal *r = &refusals[i];
        char *text = shape_text(shape_named(r->shape));
        json_t *whole = json_loads(text, 0, NULL);
        replace_part(whole, r->path, r->value);
        expect_refused(whole, r->message);
        json_decref(whole);
        free(text);
    }
}

static void bad_json_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {
        "", "{", "[]", "{\"model\":{}}", "7", "{\"model\":[]}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct tok_source s = TOK_SOURCE_NONE;
        assert_int_equal(tok_read_json(&s, texts[i], strlen(texts[i]), "x.json"),
                         GLASS_BAD_INPUT);
        assert_non_null(strstr(glass_error(), "x.json"));
        tok_source_clear(&s);
    }
}

/* Cut at every byte; the first thousand bytes of a file are its rules. */
static void files_cut_anywhere_are_refused(void **state) {
    (void)state;
    char *text = shape_text(shape_named("llama"));
    size_t n = strlen(text);
    for (size_t len = 0; len < n; len += len < 2000 ? 1 : 97) {
        struct tok_source s = TOK_SOURCE_NONE;
        assert_int_equal(tok_read_json(&s, text, len, "cut"), GLASS_BAD_INPUT);
        tok_source_clear(&s);
    }
    free(text);
}

/* ---- folders */

static void put_file(const char *folder, const char *name, const char *text, size_t n) {
    struct buf path = {0};
    ok(buf_printf(&path, "%s/%s", folder, name));
    ok(path_write_whole(path.data, text, n));
    buf_free(&path);
}

static void drop_file(const char *folder, const char *name) {
    struct buf path = {0};
    ok(buf_printf(&path, "%s/%s", folder, name));
    unlink(path.data);
    buf_free(&path);
}

static void put_text_file(const char *folder, const char *name, const char *text) {
    put_file(folder, name, text, strlen(text));
}

static void tokenizer_config_names_tokens(void **state) {
    (void)state;
    char folder[] = "/tmp/glass-tok-XXXXXX";
    glass_tokenizer *t;
    assert_non_null(mkdtemp(folder));
    char *text = shape_text(shape_named("gpt2"));
    put_text_file(folder, "tokenizer.json", text);
    free(text);
    put_text_file(folder, "tokenizer_config.json",
                  "{\"bos_token\":{\"__type\":\"AddedToken\",\"content\":\"<|end|>\"},"
                  "\"add_bos_token\":true}");
    put_text_file(folder, "special_tokens_map.json", "{\"eos_token\":\"<tool>\"}");
    ok(glass_tokenizer_open(&t, folder));
    int32_t end = glass_tokenizer_find(t, "<|end|>", 7);
    assert_true(end > 0);
    assert_int_equal(glass_tokenizer_bos(t), end);
    assert_int_equal(glass_tokenizer_eos(t), end + 1);
    assert_true(glass_tokenizer_is_end(t, end + 1));
    assert_true(glass_tokenizer_adds_bos(t)); /* the file has no post-processor */
    glass_tokenizer_close(t);
    put_text_file(folder, "tokenizer_config.json", "{\"bos_token\":");
    assert_int_equal(glass_tokenizer_open(&t, folder), GLASS_BAD_INPUT);
    assert_non_null(strstr(glass_error(), "tokenizer_config.json: line 1"));
    put_text_file(folder, "tokenizer_config.json", "{}");
    drop_file(folder, "tokenizer.json");
    assert_int_equal(glass_tokenizer_open(&t, folder), GLASS_BAD_INPUT);
    assert_non_null(strstr(glass_error(), "no tokenizer.json, no tokenizer.model"));
    drop_file(folder, "tokenizer_config.json");
    drop_file(folder, "special_tokens_map.json");
    rmdir(folder);
}

static void put_varint(struct buf *b, uint64_t value) {
    for (; value >= 0x80; value >>= 7) ok(buf_byte(b, (char)(value | 0x80)));
    ok(buf_byte(b, (char)value));
}

/* A SentencePiece model of these pieces, "<unk>", "<s>" and "</s>" first. */
static void put_model(const char *folder, const char *const *pieces, const float *scores,
                      int n) {
    struct buf file = {0}, piece = {0};
    for (int i = 0; i < n; i++) {
        static const char types[] = {TOK_UNKNOWN, TOK_CONTROL, TOK_CONTROL};
        buf_clear(&piece);
        ok(buf_byte(&piece, 1 << 3 | 2));
        put_varint(&piece, strlen(pieces[i]));
        ok(buf_text(&piece, pieces[i]));
        ok(buf_byte(&piece, 2 << 3 | 5));
        ok(buf_append(&piece, (const char *)&scores[i], sizeof scores[i]));
        ok(buf_byte(&piece, 3 << 3));
        ok(buf_byte(&piece, i < 3 ? types[i] : TOK_NORMAL));
        ok(buf_byte(&file, 1 << 3 | 2));
        put_varint(&file, piece.len);
        ok(buf_append(&file, piece.data, piece.len));
    }
    /* trainer_spec: model_type BPE; normalizer_spec: remove_extra_whitespaces off */
    static const char specs[] = {2 << 3 | 2, 2, 3 << 3, 2, 3 << 3 | 2, 2, 4 << 3, 0};
    ok(buf_append(&file, specs, sizeof specs));
    put_file(folder, "tokenizer.model", file.data, file.len);
    buf_free(&file);
    buf_free(&piece);
}

/* A folder has tokenizer.json and the model that it was made of. */
static void scores_come_from_the_model_beside(void **state) {
    (void)state;
    static const char *const pieces[] = {"<unk>", "<s>", "</s>", "a",  "b",
                                         "c",     "ab",  "abc",  "bc", "cab"};
    float scores[] = {0, 0, 0, -9, -9.5F, -10, -0.25F, -3.5F, -1.5F, -4};
    enum { PIECES = sizeof scores / sizeof *scores };
    char folder[] = "/tmp/glass-tok-XXXXXX";
    struct buf json = {0}, config = {0};
    assert_non_null(mkdtemp(folder));
    put_model(folder, pieces, scores, PIECES);
    for (int round = 0; round < 5; round++) {
        struct tok_source s = TOK_SOURCE_NONE;
        if (round == 2) scores[7] = -1;    /* "abc" before "bc": not the merges' order */
        if (round == 3) scores[7] = -1.5F; /* a tie: Llama's runs of spaces have one */
        if (round == 4) scores[7] = -3.5F;
        if (round > 0) put_model(folder, pieces, scores, round == 4 ? PIECES - 1 : PIECES);
        ok(tok_read_path(&s, folder));
        if (round == 0) {
            ok(tok_to_json(&json, &config, &s, NULL, 0));
            put_file(folder, "tokenizer.json", json.data, json.len);
        } else if (round == 2 || round == 4) { /* or merges that the model has not */
            assert_true(s.rules.by_merges && s.scores == NULL);
        } else {
            assert_true(s.rules.by_merges && s.n_vocab == PIECES);
            assert_memory_equal(s.scores, scores, sizeof scores);
        }
        tok_source_clear(&s);
    }
    struct tok_source s = TOK_SOURCE_NONE;
    put_text_file(folder, "tokenizer.model", "\n\xff no model");
    ok(tok_read_path(&s, folder));
    assert_null(s.scores);
    tok_source_clear(&s);
    buf_free(&json);
    buf_free(&config);
    drop_file(folder, "tokenizer.json");
    drop_file(folder, "tokenizer.model");
    rmdir(folder);
}

/* A post-processor has the last word on BOS. */
static void post_processors_come_before_configs(void **state) {
    (void)state;
    struct tok_source s = TOK_SOURCE_NONE;
    static const char config[] = "{\"add_bos_token\":false,\"bos_token\":\"</s>\"}";
    read_shape(&s, shape_named("llama"));
    ok(tok_read_config(&s, config, strlen(config), "config"));
    assert_int_equal(s.add_bos, 1);
    assert_int_equal(s.bos, 1);
    tok_source_clear(&s);
}

static void gpt2_folders_without_tokenizer_json(void **state) {
    (void)state;
    char folder[] = "/tmp/glass-tok-XXXXXX";
    struct buf vocab = {0}, merges = {0};
    json_t *whole = json_object_get(json_object_get(golden, "vocabularies"), "bytes");
    json_t *list = json_object_get(whole, "merges");
    char *text = json_dumps(json_object_get(whole, "vocab"), 0);
    assert_non_null(mkdtemp(folder));
    put_text_file(folder, "vocab.json", text);
    free(text);
    ok(buf_text(&merges, "#version: 0.2\n"));
    size_t i;
    json_t *merge;
    json_array_foreach(list, i, merge) {
        ok(buf_printf(&merges, "%s %s\r\n", json_string_value(json_array_get(merge, 0)),
                      json_string_value(json_array_get(merge, 1))));
    }
    put_file(folder, "merges.txt", merges.data, merges.len);
    ok(buf_printf(&vocab, "{\"<|end|>\":500,\"<tool>\":501}"));
    put_file(folder, "added_tokens.json", vocab.data, vocab.len);
    put_text_file(folder, "tokenizer_config.json", "{\"eos_token\":\"<|end|>\"}");
    struct tok_source s = TOK_SOURCE_NONE;
    ok(tok_read_path(&s, folder));
    assert_int_equal(s.n_vocab, 502);
    assert_int_equal(s.eos, 500);
    check_shape(&s, shape_named("gpt2"), "vocab.json");
    tok_source_clear(&s);
    put_text_file(folder, "merges.txt", "a b c\n");
    assert_int_equal(tok_read_path(&s, folder), GLASS_BAD_INPUT);
    assert_non_null(strstr(glass_error(), "merges.txt: line 1"));
    tok_source_clear(&s);
    static const char *const names[] = {"vocab.json", "merges.txt", "added_tokens.json",
                                        "tokenizer_config.json"};
    for (size_t k = 0; k < 4; k++) drop_file(folder, names[k]);
    rmdir(folder);
    buf_free(&vocab);
    buf_free(&merges);
}

/* ---- what a person typed */

static void expect_no_control(const glass_tokenizer *t, const char *text, size_t begin,
                              size_t end, int n_control) {
    int32_t *ids;
    int64_t n;
    const glass_span span = {begin, end};
    ok(glass_tokenizer_encode_spans(t, &ids, &n, text, strlen(text), &span, 1,
                                    GLASS_PARSE_SPECIAL));
    int count = 0;
    for (int64_t i = 0; i < n; i++) count += glass_tokenizer_is_control(t, ids[i]);
    if (count != n_control) print_error("\"%s\" [%zu, %zu)\n", text, begin, end);
    assert_int_equal(count, n_control);
    glass_free(ids);
}

/* Spans hold in normalised text, whose places are other ones. */
static void plain_spans_hold_after_normalising(void **state) {
    (void)state;
    static const char *const shapes[] = {"normalized", "llama-normalized",
                                         "gemma-normalized", "metaspace-normalized"};
    for (size_t k = 0; k < 4; k++) {
        glass_tokenizer *t = open_shape(shapes[k]);
        bool prepends = k == 1; /* its tokens begin with a space once normalised */
        expect_no_control(t, "<|n|>", 0, 5, 0);
        expect_no_control(t, "<|n|>", 5, 5, 1);
        expect_no_control(t, "x e\xcc\x81 <|n|> <|n|>", 5, 10, 1);
        expect_no_control(t, "x e\xcc\x81 <|n|> <|n|>", 6, 11, 1);
        /* A token that begins with a space begins in the span here. */
        expect_no_control(t, "x e\xcc\x81 <|n|> <|n|>", 0, 6, prepends ? 1 : 2);
        expect_no_control(t, "x e\xcc\x81 <|n|> <|n|>", 0, 17, 0);
        /* The token is spelled e + accent in the file; what composes is the same one. */
        if (!prepends && k != 3) expect_no_control(t, "<|\xc3\xa9|>", 6, 6, 1);
        if (!prepends && k != 3) expect_no_control(t, "<|e\xcc\x81|>", 7, 7, 1);
        if (!prepends && k != 3) expect_no_control(t, "<|e\xcc\x81|>", 3, 4, 0);
        glass_tokenizer_close(t);
    }
}

static void decoding_takes_the_added_space_away(void **state) {
    (void)state;
    static const char *const shapes[] = {"llama", "llama-first", "llama-always",
                                         "llama-never", "gemma"};
    static const char *const texts[] = {"the cat", "a\n", "<|end|>the"};
    for (size_t k = 0; k < 5; k++) {
        glass_tokenizer *t = open_shape(shapes[k]);
        for (size_t i = 0; i < 3; i++) {
            int32_t *ids;
            int64_t n;
            size_t n_back;
            char *back;
            ok(glass_tokenizer_encode(t, &ids, &n, texts[i], strlen(texts[i]),
                                      GLASS_PARSE_SPECIAL | GLASS_ADD_SPECIAL));
            ok(glass_tokenizer_decode(t, &back, &n_back, ids, n, GLASS_SHOW_SPECIAL));
            const char *from = strncmp(back, "<s>", 3) == 0 ? back + 3 : back;
            if (k == 4) from += strlen("<|end|>"), back[n_back - 6] = '\0';
            assert_string_equal(from, texts[i]);
            glass_free(back);
            glass_free(ids);
        }
        glass_tokenizer_close(t);
    }
}

/* ---- time: what takes a careless reader quadratic time */

static void hostile_texts_take_linear_time(void **state) {
    (void)state;
    static const char *const shapes[] = {
        "neox",     "qwen",        "strips",           "normalized",
        "llama",    "llama-split", "llama-normalized", "gemma-normalized",
        "no-bytes", "removed-gaps"};
    static const char *const units[] = {"a",
                                        " ",
                                        "\xcc\x81",
                                        "\xcc\x81\xcc\x96",
                                        "<|l|>",
                                        " <|r|> ",
                                        "7",
                                        "<|",
                                        "\xe2\x96\x81",
                                        "\xff",
                                        "e\xcc\x81",
                                        "      <|b|>",
                                        "\xe1\x85\xa1",
                                        "two ",
                                        "theth"};
    const size_t size = 1 << 17;
    char *text = malloc(size + 16);
    assert_non_null(text);
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        glass_tokenizer *t = open_shape(shapes[k]);
        for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
            size_t n = 0, unit = strlen(units[i]);
            for (; n < size; n += unit) memcpy(text + n, units[i], unit);
            /* Marks of one class, then of another: an insertion sort would move each. */
            if (i == 3)
                for (size_t at = 0; at + 1 < n; at += 2)
                    text[at + 1] = at < n / 2 ? '\x81' : '\x96';
            int32_t *ids;
            int64_t n_ids;
            struct timespec from, to;
            clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
            ok(glass_tokenizer_encode(t, &ids, &n_ids, text, n, GLASS_PARSE_SPECIAL));
            clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
            assert_true(to.tv_sec - from.tv_sec < 3);
            glass_free(ids);
        }
        glass_tokenizer_close(t);
    }
    free(text);
}

/* Whichever allocation fails, reading, building, encoding and writing say so. */
static void running_out_of_memory_is_an_error(void **state) {
    (void)state;
    static const char *const shapes[] = {"normalized", "llama-normalized"};
    for (size_t k = 0; k < 2; k++) {
        char *text = shape_text(shape_named(shapes[k]));
        for (int64_t fail_at = 1;; fail_at += fail_at < 300 ? 1 : 37) {
            struct tok_source s = TOK_SOURCE_NONE;
            struct buf json = {0}, config = {0};
            glass_tokenizer *t = NULL;
            int32_t *ids = NULL;
            int64_t n_ids;
            static const char input[] = "e\xcc\x81 two words<|n|> the cat sat on the mat";
            const glass_span span = {0, 4};
            mem_fail_at(fail_at);
            glass_status status = tok_read_json(&s, text, strlen(text), "x");
            if (status == GLASS_OK) status = tok_to_json(&json, &config, &s, NULL, 0);
            if (status == GLASS_OK) status = tok_build(&t, &s);
            if (status == GLASS_OK)
                status = glass_tokenizer_encode_spans(t, &ids, &n_ids, input, strlen(input),
                                                      &span, 1, GLASS_PARSE_SPECIAL);
            int64_t asked = mem_fail_at(0);
            glass_free(ids);
            glass_tokenizer_close(t);
            tok_source_clear(&s);
            buf_free(&json);
            buf_free(&config);
            if (asked < fail_at) {
                assert_int_equal(status, GLASS_OK);
                break;
            }
            assert_int_equal(status, GLASS_NO_MEMORY);
        }
        free(text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_encode_as_the_library_does),
        cmocka_unit_test(shapes_go_through_gguf),
        cmocka_unit_test(shapes_go_through_json),
        cmocka_unit_test(gguf_files_become_json),
        cmocka_unit_test(listing_needs_all_characters),
        cmocka_unit_test(scores_follow_the_merges),
        cmocka_unit_test(writers_refuse_what_they_cannot_say),
        cmocka_unit_test(pre_tokenizers_are_known_by_their_patterns),
        cmocka_unit_test(what_is_not_understood_is_refused),
        cmocka_unit_test(bad_json_is_refused),
        cmocka_unit_test(files_cut_anywhere_are_refused),
        cmocka_unit_test(tokenizer_config_names_tokens),
        cmocka_unit_test(scores_come_from_the_model_beside),
        cmocka_unit_test(post_processors_come_before_configs),
        cmocka_unit_test(gpt2_folders_without_tokenizer_json),
        cmocka_unit_test(plain_spans_hold_after_normalising),
        cmocka_unit_test(decoding_takes_the_added_space_away),
        cmocka_unit_test(hostile_texts_take_linear_time),
        cmocka_unit_test(running_out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, open_golden, close_golden);
}
