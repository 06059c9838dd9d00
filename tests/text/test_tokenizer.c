/* test_tokenizer.c - encoding and decoding with small vocabularies against the definition of
 * merging (vocab_maker.h), special tokens, streams, hostile texts and bad vocabularies. */
#include "base/team.h"
#include "text/tok_pre.h"

#include "vocab_maker.h"

#include <time.h>

static glass_tokenizer *open_or_fail(const struct maker *m) {
    glass_tokenizer *t;
    ok(maker_open(m, &t));
    assert_non_null(t);
    return t;
}

static void expect_ids(const int32_t *got, int64_t n_got, const int32_t *want,
                       int64_t n_want, const char *text, size_t n_bytes) {
    bool same = n_got == n_want && memcmp(got, want, (size_t)n_want * sizeof *want) == 0;
    if (!same) {
        print_error("text:");
        for (size_t i = 0; i < n_bytes; i++) print_error(" %02x", (unsigned char)text[i]);
        print_error("\ngot: ");
        for (int64_t i = 0; i < n_got; i++) print_error(" %d", (int)got[i]);
        print_error("\nwant:");
        for (int64_t i = 0; i < n_want; i++) print_error(" %d", (int)want[i]);
        print_error("\n");
    }
    assert_true(same);
}

static void expect_back(const glass_tokenizer *t, const int32_t *ids, int64_t n_ids,
                        const char *text, size_t n_bytes) {
    char *back;
    size_t n_back;
    ok(glass_tokenizer_decode(t, &back, &n_back, ids, n_ids, 0));
    assert_int_equal(n_back, n_bytes);
    assert_memory_equal(back, text, n_bytes);
    glass_free(back);
}

struct definition {
    const struct maker *m;
    int32_t ids[4096];
    int64_t n;
};

static glass_status define_word(void *context, const char *word, size_t n_bytes) {
    struct definition *d = context;
    d->n += define_ids(d->m, d->ids + d->n, word, n_bytes);
    return GLASS_OK;
}

/* Some rounds in one call, so that words come from the cache too. */
static void bpe_is_its_definition(void **state) {
    (void)state;
    static const char *const pres[] = {"gpt-2", "smollm", "llama-bpe", "qwen2",
                                       "deepseek-v3"};
    static struct definition d;
    struct maker m;
    char text[1024];
    for (size_t k = 0; k < sizeof pres / sizeof *pres; k++) {
        maker_bpe(&m, pres[k]);
        glass_tokenizer *t = open_or_fail(&m);
        assert_string_equal(glass_tokenizer_kind(t), "bpe");
        assert_string_equal(glass_tokenizer_pre(t), pres[k]);
        const struct tok_pre_name *row = tok_pre_find(pres[k], strlen(pres[k]));
        struct tok_pre *pre;
        ok(tok_pre_create_named(&pre, row));
        uint64_t seed = 1 + k;
        void *match = NULL;
        for (int i = 0; i < 150; i++) {
            size_t n = random_text(&seed, text, i % 10 == 0 ? sizeof text : 120);
            d = (struct definition){.m = &m};
            ok(tok_pre_run(pre, &match, text, n, define_word, &d));
            int32_t *ids;
            int64_t n_ids;
            ok(glass_tokenizer_encode(t, &ids, &n_ids, text, n, 0));
            if (!row->whole_words) expect_ids(ids, n_ids, d.ids, d.n, text, n);
            expect_back(t, ids, n_ids, text, n);
            glass_free(ids);
        }
        tok_pre_match_free(match);
        tok_pre_free(pre);
        glass_tokenizer_close(t);
        maker_free(&m);
    }
}

/* The definition merges over the whole text; the tokenizer cuts it first. */
static void spm_is_its_definition(void **state) {
    (void)state;
    struct maker m;
    char text[300], spaced[301];
    static int32_t want[4096];
    for (int add_space = 0; add_space < 2; add_space++) {
        maker_spm(&m);
        m.add_space = add_space;
        glass_tokenizer *t = open_or_fail(&m);
        assert_string_equal(glass_tokenizer_kind(t), "spm");
        uint64_t seed = 5;
        for (int i = 0; i < 120; i++) {
            size_t n = random_text(&seed, text, i % 10 == 0 ? sizeof text : 90);
            int64_t n_want = 0;
            spaced[0] = ' ';
            memcpy(spaced + 1, text, n);
            if (n > 0)
                n_want =
                    define_ids(&m, want, spaced + 1 - add_space, n + (size_t)add_space);
            int32_t *ids;
            int64_t n_ids;
            ok(glass_tokenizer_encode(t, &ids, &n_ids, text, n, 0));
            expect_ids(ids, n_ids, want, n_want, text, n);
            expect_back(t, ids, n_ids, text, n);
            glass_free(ids);
        }
        glass_tokenizer_close(t);
        maker_free(&m);
    }
}

/* The same text whole, again with a warm cache, and from threads. */
struct shared_text {
    const glass_tokenizer *t;
    const char *text;
    size_t n_bytes;
    const int32_t *want;
    int64_t n_want;
    int n_bad;
};

static void encode_alike(void *context, const struct member *me) {
    struct shared_text *s = context;
    (void)me;
    for (int i = 0; i < 20; i++) {
        int32_t *ids;
        int64_t n;
        glass_status status =
            glass_tokenizer_encode(s->t, &ids, &n, s->text, s->n_bytes, 0);
        bool same = status == GLASS_OK && n == s->n_want &&
                    memcmp(ids, s->want, (size_t)n * sizeof *ids) == 0;
        if (!same) __atomic_fetch_add(&s->n_bad, 1, __ATOMIC_RELAXED);
        glass_free(ids);
    }
}

static void threads_share_a_tokenizer(void **state) {
    (void)state;
    struct maker m;
    for (int spm = 0; spm < 2; spm++) {
        if (spm)
            maker_spm(&m);
        else
            maker_bpe(&m, "smollm");
        glass_tokenizer *t = open_or_fail(&m);
        struct buf text = {0};
        uint64_t seed = 3;
        char part[300];
        while (text.len < 20000) ok(buf_append(&text, part, random_text(&seed, part, 300)));
        /* Piece by piece on fresh tokenizers is the reference for the warm one. */
        int32_t *want;
        int64_t n_want;
        ok(glass_tokenizer_encode(t, &want, &n_want, text.data, text.len, 0));
        struct shared_text s = {t, text.data, text.len, want, n_want, 0};
        team_run(12, encode_alike, &s);
        assert_int_equal(s.n_bad, 0);
        expect_back(t, want, n_want, text.data, text.len);
        glass_free(want);
        glass_tokenizer_close(t);
        buf_free(&text);
        maker_free(&m);
    }
}

static void expect_pieces(const glass_tokenizer *t, const char *text,
                          const glass_span *plain, int64_t n_plain, unsigned flags,
                          const char *want) {
    int32_t *ids;
    int64_t n_ids;
    struct buf got = {0};
    ok(glass_tokenizer_encode_spans(t, &ids, &n_ids, text, strlen(text), plain, n_plain,
                                    flags));
    ok(buf_text(&got, ""));
    for (int64_t i = 0; i < n_ids; i++) {
        size_t n;
        const char *piece = glass_tokenizer_piece(t, ids[i], &n);
        if (i > 0) ok(buf_byte(&got, '|'));
        ok(buf_append(&got, piece, n));
    }
    assert_string_equal(got.data, want);
    buf_free(&got);
    glass_free(ids);
}

static void specials_are_found_where_allowed(void **state) {
    (void)state;
    struct maker m;
    maker_bpe(&m, "gpt-2");
    maker_add_text(&m, "<|end|>", TOK_CONTROL);
    maker_add_text(&m, "<|end|>>", TOK_CONTROL);
    maker_add_text(&m, "<x", TOK_CONTROL);
    maker_add_text(&m, "<tool>", TOK_USER);
    maker_add_text(&m, "<|im_start|>", TOK_USER); /* a file's mistake */
    char filler[32];
    snprintf(filler, sizeof filler, "[PAD%d]", (int)m.n_tokens);
    maker_add_text(&m, filler, TOK_USER);
    glass_tokenizer *t = open_or_fail(&m);
    const unsigned parse = GLASS_PARSE_SPECIAL;
    expect_pieces(t, "<|end|>", NULL, 0, parse, "<|end|>");
    expect_pieces(t, "<|end|>", NULL, 0, 0, "<|||en|d|||>");
    /* The longest at one place; the leftmost before longer ones. */
    expect_pieces(t, "<|end|>><x<|end|>", NULL, 0, parse, "<|end|>>|<x|<|end|>");
    expect_pieces(t, "1<|end|>2", NULL, 0, parse, "1|<|end|>|2");
    /* User-defined ones count everywhere. */
    expect_pieces(t, "1<tool>2", NULL, 0, 0, "1|<tool>|2");
    expect_pieces(t, "<tool", NULL, 0, parse, "<|t|o|o|l");
    /* Those that steer a chat do not, whatever the file says; nor do fillers. */
    int64_t im_start = maker_find(&m, "<|im_start|>", 12);
    assert_true(glass_tokenizer_is_control(t, (int32_t)im_start));
    expect_pieces(t, "<|im_start|>", NULL, 0, parse, "<|im_start|>");
    int32_t *ids;
    int64_t n_ids;
    ok(glass_tokenizer_encode(t, &ids, &n_ids, "<|im_start|>", 12, 0));
    assert_true(n_ids > 3);
    glass_free(ids);
    ok(glass_tokenizer_encode(t, &ids, &n_ids, filler, strlen(filler), parse));
    assert_true(n_ids > 3);
    glass_free(ids);
    /* A plain span is text; a token may not reach into one. */
    const glass_span all = {0, 7}, tail = {5, 9}, last = {7, 8};
    expect_pieces(t, "<|end|>", &all, 1, parse, "<|||en|d|||>");
    expect_pieces(t, "<|end|>12", &tail, 1, parse, "<|||en|d|||>|1|2");
    expect_pieces(t, "<|end|>>", &last, 1, parse, "<|end|>|>");
    const glass_span two[] = {{0, 1}, {8, 15}};
    expect_pieces(t, "1<|end|><|end|>", two, 2, parse, "1|<|end|>|<|||en|d|||>");
    const glass_span back[] = {{3, 4}, {0, 1}}, outside = {0, 99};
    assert_int_equal(glass_tokenizer_encode_spans(t, &ids, &n_ids, "12345", 5, back, 2, 0),
                     GLASS_USAGE);
    assert_int_equal(
        glass_tokenizer_encode_spans(t, &ids, &n_ids, "12345", 5, &outside, 1, 0),
        GLASS_USAGE);
    glass_tokenizer_close(t);
    maker_free(&m);
}

/* One first byte among the specials takes a shorter way than several. */
static void specials_with_many_first_bytes(void **state) {
    (void)state;
    struct maker m;
    maker_bpe(&m, "gpt-2");
    maker_add_text(&m, "<a>", TOK_CONTROL);
    maker_add_text(&m, "[b]", TOK_CONTROL);
    maker_add_text(&m, "~~~~", TOK_CONTROL);
    glass_tokenizer *t = open_or_fail(&m);
    expect_pieces(t, "<a>[b]<a", NULL, 0, GLASS_PARSE_SPECIAL, "<a>|[b]|<|a");
    expect_pieces(t, "1~~~~~2", NULL, 0, GLASS_PARSE_SPECIAL, "1|~~~~|~|2");
    expect_pieces(t, "[", NULL, 0, GLASS_PARSE_SPECIAL, "[");
    glass_tokenizer_close(t);
    maker_free(&m);
    maker_bpe(&m, "gpt-2");
    maker_add_text(&m, "\xe2\x98\x83", TOK_CONTROL);
    m.types[maker_find(&m, "Q", 1)] = TOK_USER; /* a single byte beside longer ones */
    t = open_or_fail(&m);
    expect_pieces(t, "1Q2Q", NULL, 0, 0, "1|Q|2|Q");
    expect_pieces(t, "\xe2\x98\x83Q", NULL, 0, GLASS_PARSE_SPECIAL, "\xe2\x98\x83|Q");
    glass_tokenizer_close(t);
    maker_free(&m);
}

static void bos_and_eos_as_the_file_says(void **state) {
    (void)state;
    struct maker m;
    maker_spm(&m);
    glass_tokenizer *t = open_or_fail(&m);
    assert_true(glass_tokenizer_adds_bos(t));
    assert_int_equal(glass_tokenizer_bos(t), 1);
    assert_int_equal(glass_tokenizer_eos(t), 2);
    assert_true(glass_tokenizer_is_end(t, 2));
    assert_false(glass_tokenizer_is_end(t, 1));
    assert_false(glass_tokenizer_is_end(t, -1));
    assert_true(glass_tokenizer_is_control(t, 0));
    expect_pieces(t, "", NULL, 0, GLASS_ADD_SPECIAL, "<s>");
    expect_pieces(t, "", NULL, 0, 0, "");
    /* Text after a special token gets the added space again; decoding takes both away. */
    expect_pieces(t, "e<s>e", NULL, 0, GLASS_PARSE_SPECIAL | GLASS_ADD_SPECIAL,
                  "<s>|\xe2\x96\x81|e|<s>|\xe2\x96\x81|e");
    int32_t *ids;
    int64_t n_ids;
    ok(glass_tokenizer_encode(t, &ids, &n_ids, "e<s>e", 5, GLASS_PARSE_SPECIAL));
    char *text;
    size_t n;
    ok(glass_tokenizer_decode(t, &text, &n, ids, n_ids, GLASS_SHOW_SPECIAL));
    assert_string_equal(text, "e<s>e");
    glass_free(text);
    ok(glass_tokenizer_decode(t, &text, &n, ids, n_ids, 0));
    assert_string_equal(text, "ee");
    glass_free(text);
    ok(glass_tokenizer_decode(t, &text, &n, ids, 2, GLASS_CONTINUE));
    assert_string_equal(text, " e");
    glass_free(text);
    glass_free(ids);
    glass_tokenizer_close(t);
    m.add_bos = 0;
    t = open_or_fail(&m);
    expect_pieces(t, "", NULL, 0, GLASS_ADD_SPECIAL, "");
    glass_tokenizer_close(t);
    maker_free(&m);

    maker_bpe(&m, "gpt-2");
    m.bos = m.eos = maker_add_text(&m, "<|endoftext|>", TOK_CONTROL);
    t = open_or_fail(&m);
    assert_false(glass_tokenizer_adds_bos(t));
    assert_true(glass_tokenizer_is_end(t, (int32_t)m.eos));
    glass_tokenizer_close(t);
    m.pre = "llama-bpe";
    t = open_or_fail(&m);
    assert_true(glass_tokenizer_adds_bos(t));
    glass_tokenizer_close(t);
    maker_free(&m);
}

/* Words that are tokens stay whole in these files, though no merge makes them. */
static void whole_words_are_tokens(void **state) {
    (void)state;
    struct maker m;
    maker_bpe(&m, "llama-bpe");
    maker_add_text(&m, "\xc4\xa0qzqzq", TOK_NORMAL);
    maker_add_text(&m, "qzq", TOK_CONTROL);
    glass_tokenizer *t = open_or_fail(&m);
    expect_pieces(t, " qzqzq", NULL, 0, 0, "\xc4\xa0qzqzq");
    expect_pieces(t, "qzq", NULL, 0, 0, "q|z|q");
    glass_tokenizer_close(t);
    m.pre = "gpt-2";
    t = open_or_fail(&m);
    expect_pieces(t, "qzqzq", NULL, 0, 0, "q|z|q|z|q");
    glass_tokenizer_close(t);
    maker_free(&m);
}

/* Bytes without a token are left out, and their neighbours may merge. */
/* A file may call a piece that merges make a control token; what a person types is no such
 * token unless the caller asks for it. */
static void merging_makes_no_control_token(void **state) {
    (void)state;
    struct maker m;
    maker_bpe(&m, "gpt-2");
    int64_t he = maker_find(&m, "he", 2);
    assert_true(he >= 256);
    for (int control = 0; control < 2; control++) {
        m.types[he] = control ? TOK_CONTROL : TOK_NORMAL;
        glass_tokenizer *t = open_or_fail(&m);
        expect_pieces(t, "he", NULL, 0, 0, control ? "h|e" : "he");
        expect_pieces(t, "he", NULL, 0, GLASS_PARSE_SPECIAL, "he");
        glass_tokenizer_close(t);
    }
    maker_free(&m);
}

static void missing_bytes_are_left_out(void **state) {
    (void)state;
    struct maker m;
    maker_bpe(&m, "gpt-2");
    mem_free(m.tokens[0xff]);
    ok(mem_copy_text(&m.tokens[0xff], "unused", 6));
    glass_tokenizer *t = open_or_fail(&m);
    int32_t *ids;
    int64_t n_ids;
    ok(glass_tokenizer_encode(t, &ids, &n_ids,
                              "1\xff"
                              "2",
                              3, 0));
    expect_back(t, ids, n_ids, "12", 2);
    glass_free(ids);
    glass_tokenizer_close(t);
    maker_free(&m);
}

/* Without byte tokens unknown characters become one unknown token a run. */
static void unknown_characters_without_bytes(void **state) {
    (void)state;
    struct maker m = {.spm = true,
                      .model = "llama",
                      .bos = 1,
                      .eos = 2,
                      .unk = 0,
                      .add_bos = -1,
                      .add_space = -1};
    maker_add_text(&m, "<unk>", TOK_UNKNOWN);
    maker_add_text(&m, "<s>", TOK_CONTROL);
    maker_add_text(&m, "</s>", TOK_CONTROL);
    maker_add_text(&m, "\xe2\x96\x81", TOK_NORMAL);
    maker_add_text(&m, "a", TOK_NORMAL);
    glass_tokenizer *t = open_or_fail(&m);
    expect_pieces(t, "a\xf0\x9f\xa6\x99xyz a", NULL, 0, 0,
                  "\xe2\x96\x81|a|<unk>|\xe2\x96\x81|a");
    glass_tokenizer_close(t);
    m.unk = 0xffffffff; /* "none" as some converters write it */
    m.types[0] = TOK_NORMAL;
    assert_int_equal(maker_open(&m, &t), GLASS_BAD_INPUT);
    assert_non_null(strstr(glass_error(), "neither byte tokens nor an unknown token"));
    maker_free(&m);
}

static bool is_utf8(const char *text, size_t n) {
    uint32_t c = 0;
    for (size_t at = 0; at < n && c != UTF8_BAD;) at += utf8_decode(&c, text + at, n - at);
    return c != UTF8_BAD;
}

/* Pushing one by one gives whole characters, and in the end the same text. */
static void streams_give_whole_characters(void **state) {
    (void)state;
    struct maker m;
    for (int spm = 0; spm < 2; spm++) {
        if (spm)
            maker_spm(&m);
        else
            maker_bpe(&m, "qwen2");
        glass_tokenizer *t = open_or_fail(&m);
        glass_token_stream *stream;
        ok(glass_token_stream_create(&stream, t, 0));
        uint64_t seed = 11;
        int n_valid = 0;
        for (int round = 0; round < 400; round++) {
            char text[200];
            size_t n = random_text(&seed, text, sizeof text);
            bool valid = is_utf8(text, n);
            n_valid += valid;
            int32_t *ids;
            int64_t n_ids;
            struct buf got = {0};
            ok(glass_tokenizer_encode(t, &ids, &n_ids, text, n, 0));
            const char *part;
            size_t n_part;
            for (int64_t i = 0; i < n_ids; i++) {
                ok(glass_token_stream_push(stream, ids[i], &part, &n_part));
                if (valid) assert_true(is_utf8(part, n_part));
                ok(buf_append(&got, part, n_part));
            }
            ok(glass_token_stream_finish(stream, &part, &n_part));
            assert_true(n_part <= 3);
            ok(buf_append(&got, part, n_part));
            assert_int_equal(got.len, n);
            assert_memory_equal(got.data, text, n);
            buf_free(&got);
            glass_free(ids);
        }
        assert_true(n_valid > 100);
        const char *part;
        size_t n_part;
        assert_int_equal(
            glass_token_stream_push(stream, (int32_t)m.n_tokens, &part, &n_part),
            GLASS_BAD_INPUT);
        char *text;
        const int32_t bad[] = {5, -7};
        assert_int_equal(glass_tokenizer_decode(t, &text, &n_part, bad, 2, 0),
                         GLASS_BAD_INPUT);
        assert_non_null(strstr(glass_error(), "token 1 is -7"));
        glass_token_stream_free(stream);
        glass_tokenizer_close(t);
        maker_free(&m);
    }
}

/* Texts that take a careless tokenizer quadratic time: 128 KiB of each is a matter of
 * hundredths of seconds here, and would be one of minutes there. */
static void hostile_texts_take_linear_time(void **state) {
    (void)state;
    static const char *const units[] = {
        "a", "the",  " ", "       x", "\xf0\x9f\xa6\x99", "!", "\n", " \n",
        "7", "\xff", "'", "<|",       "\xe2\x96\x81"};
    const size_t size = 1 << 17;
    struct maker m;
    char *text = malloc(size + 16);
    assert_non_null(text);
    for (int kind = 0; kind < 4; kind++) {
        if (kind == 0)
            maker_spm(&m);
        else
            maker_bpe(&m, kind == 1 ? "smollm" : kind == 2 ? "llama-bpe" : "deepseek-llm");
        maker_add_text(&m, "<|||||||||||||||||||>", TOK_CONTROL);
        glass_tokenizer *t = open_or_fail(&m);
        for (size_t k = 0; k < sizeof units / sizeof *units; k++) {
            size_t n = 0, unit = strlen(units[k]);
            while (n < size) {
                memcpy(text + n, units[k], unit);
                n += unit;
            }
            int32_t *ids;
            int64_t n_ids;
            struct timespec from, to;
            clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
            ok(glass_tokenizer_encode(t, &ids, &n_ids, text, n, GLASS_PARSE_SPECIAL));
            clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
            assert_true(to.tv_sec - from.tv_sec < 5);
            if (kind != 0 || units[k][0] != '\xe2') expect_back(t, ids, n_ids, text, n);
            glass_free(ids);
        }
        glass_tokenizer_close(t);
        maker_free(&m);
    }
    free(text);
}

static void expect_refused(const struct maker *m, const char *message) {
    glass_tokenizer *t;
    assert_int_equal(maker_open(m, &t), GLASS_BAD_INPUT);
    assert_null(t);
    if (strstr(glass_error(), message) == NULL) print_error("%s\n", glass_error());
    assert_non_null(strstr(glass_error(), message));
}

static void replace(char **slot, const char *text) {
    mem_free(*slot);
    ok(mem_copy_text(slot, text, strlen(text)));
}

static void bad_bpe_vocabularies_are_refused(void **state) {
    (void)state;
    struct maker m;
    maker_bpe(&m, "gpt-5");
    expect_refused(&m, "unknown pre-tokenizer \"gpt-5\"");
    assert_non_null(strstr(glass_error(), "llama-bpe"));
    m.pre = NULL;
    expect_refused(&m, "tokenizer.ggml.pre is missing");
    m.pre = "gpt-2";
    m.model = "t5";
    expect_refused(&m, "tokenizer \"t5\"");
    m.model = "gpt2";
    m.merges_left_out = true;
    expect_refused(&m, "tokenizer.ggml.merges is missing");
    m.merges_left_out = false;
    m.bos = m.n_tokens;
    expect_refused(&m, "the BOS token is ");
    m.bos = -1;
    m.add_bos = 1;
    expect_refused(&m, "asks for a BOS token");
    m.add_bos = -1;
    m.n_types--;
    expect_refused(&m, "tokenizer.ggml.token_type has ");
    m.n_types++;
    m.types[3] = 7;
    expect_refused(&m, "token 3 is of type");
    m.types[3] = -1;
    expect_refused(&m, "token 3 is of type");
    m.types[3] = TOK_NORMAL;
    static const char *const merges[] = {"ab",   " ",    "a ",  " a", "a b c",
                                         "QQ b", "b QQ", "Q Q", ""};
    static const char *const why[] = {"is not two",    "is not two",    "is not two",
                                      "is not two",    "names a piece", "names a piece",
                                      "names a piece", "makes a piece", "is not two"};
    for (size_t i = 0; i < sizeof merges / sizeof *merges; i++) {
        char *keep = m.merges[17];
        m.merges[17] = NULL;
        replace(&m.merges[17], merges[i]);
        expect_refused(&m, why[i]);
        assert_non_null(strstr(glass_error(), "merge 17,"));
        mem_free(m.merges[17]);
        m.merges[17] = keep;
    }
    replace(&m.tokens[10], m.tokens[300]);
    expect_refused(&m, "tokens 10 and 300 are both");
    for (int byte = 0; byte < 256; byte++) {
        char name[16];
        snprintf(name, sizeof name, "byte%d", byte);
        replace(&m.tokens[byte], name);
    }
    m.n_merges = 0;
    expect_refused(&m, "without a token for any single byte");
    maker_free(&m);
}

static void bad_spm_vocabularies_are_refused(void **state) {
    (void)state;
    struct maker m;
    maker_spm(&m);
    m.n_scores = 0;
    expect_refused(&m, "without scores");
    m.n_scores = m.n_tokens - 1;
    expect_refused(&m, "tokenizer.ggml.scores has ");
    m.n_scores = m.n_tokens;
    memset(&m.scores[300], 0xff, sizeof *m.scores);
    expect_refused(&m, "the score of token 300 is not a number");
    m.scores[300] = 0;
    replace(&m.tokens[3 + 0x41], "<0xZZ>");
    expect_refused(&m, "only 255 of the 256 byte tokens");
    struct maker empty = m;
    empty.n_tokens = empty.n_types = empty.n_scores = 0;
    expect_refused(&empty, "a vocabulary of 0 tokens");
    maker_free(&m);
}

/* A piece may be huge, but not boundless. */
static void long_pieces(void **state) {
    (void)state;
    struct maker m;
    maker_bpe(&m, "gpt-2");
    char *text = malloc(70001);
    assert_non_null(text);
    memset(text, 'z', 70000);
    text[70000] = '\0';
    maker_add_text(&m, text, TOK_NORMAL);
    expect_refused(&m, "has 70000 bytes");
    m.tokens[m.n_tokens - 1][30000] = '\0';
    glass_tokenizer *t = open_or_fail(&m);
    assert_int_equal(glass_tokenizer_find(t, text, 30000), m.n_tokens - 1);
    assert_int_equal(glass_tokenizer_find(t, text, 29999), -1);
    glass_tokenizer_close(t);
    free(text);
    maker_free(&m);
}

/* Whichever allocation fails, the call says so and nothing leaks or stays half-made. */
static void running_out_of_memory_is_an_error(void **state) {
    (void)state;
    struct maker m;
    for (int spm = 0; spm < 2; spm++) {
        if (spm)
            maker_spm(&m);
        else
            maker_bpe(&m, "deepseek-v3");
        maker_add_text(&m, "<|x|>", TOK_CONTROL);
        struct buf bytes = {0};
        char path[64], text[6000];
        uint64_t seed = 2;
        maker_bytes(&m, &bytes);
        write_temporary(path, bytes.data, bytes.len);
        size_t n = 0;
        while (n < 5000) n += random_text(&seed, text + n, 1000);
        for (int64_t fail_at = 1;; fail_at++) {
            glass_tokenizer *t;
            int32_t *ids = NULL;
            int64_t n_ids;
            mem_fail_at(fail_at);
            glass_status status = glass_tokenizer_open(&t, path);
            if (status == GLASS_OK)
                status =
                    glass_tokenizer_encode(t, &ids, &n_ids, text, n, GLASS_PARSE_SPECIAL);
            int64_t asked = mem_fail_at(0);
            glass_free(ids);
            glass_tokenizer_close(t);
            if (asked < fail_at) {
                assert_int_equal(status, GLASS_OK);
                break;
            }
            assert_int_equal(status, GLASS_NO_MEMORY);
        }
        unlink(path);
        buf_free(&bytes);
        maker_free(&m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bpe_is_its_definition),
        cmocka_unit_test(spm_is_its_definition),
        cmocka_unit_test(threads_share_a_tokenizer),
        cmocka_unit_test(specials_are_found_where_allowed),
        cmocka_unit_test(specials_with_many_first_bytes),
        cmocka_unit_test(bos_and_eos_as_the_file_says),
        cmocka_unit_test(whole_words_are_tokens),
        cmocka_unit_test(merging_makes_no_control_token),
        cmocka_unit_test(missing_bytes_are_left_out),
        cmocka_unit_test(unknown_characters_without_bytes),
        cmocka_unit_test(streams_give_whole_characters),
        cmocka_unit_test(hostile_texts_take_linear_time),
        cmocka_unit_test(bad_bpe_vocabularies_are_refused),
        cmocka_unit_test(bad_spm_vocabularies_are_refused),
        cmocka_unit_test(long_pieces),
        cmocka_unit_test(running_out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
