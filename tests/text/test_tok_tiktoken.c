/* test_tok_tiktoken.c - Llama 3's tokenizer.model: lines of "base64 rank".
 *
 * Random small vocabularies against the plain definition of tiktoken's merging; special tokens;
 * bad files. With GLASS_VOCABS (models/ of llama.cpp's source) a file made of all pieces of
 * Llama 3's GGUF vocabulary, which must give that vocabulary again. */
#include "base/path.h"
#include "text/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#undef fail

static void ok(glass_status status) {
    if (status != GLASS_OK) print_error("%s\n", glass_error());
    assert_int_equal(status, GLASS_OK);
}

/* ---- files */

static void put_line(struct buf *out, const char *piece, size_t n, int rank) {
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (i + k < n ? (unsigned char)piece[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            ok(buf_byte(out, i + k > n ? '=' : digits[bits >> (18 - 6 * k) & 63]));
    }
    ok(buf_printf(out, " %d\n", rank));
}

/* The 256 bytes, the highest first: ids are no bytes. */
static void put_bytes(struct buf *out) {
    for (int i = 0; i < 256; i++) {
        char byte = (char)(255 - i);
        put_line(out, &byte, 1, i);
    }
}

static glass_status read_text(struct tok_source *s, const struct buf *file) {
    *s = (struct tok_source)TOK_SOURCE_NONE;
    return tok_read_tiktoken(s, file->data, file->len, "test");
}

static glass_tokenizer *open_text(const struct buf *file) {
    struct tok_source s;
    glass_tokenizer *t;
    ok(read_text(&s, file));
    ok(tok_build(&t, &s));
    tok_source_clear(&s);
    return t;
}

/* ---- merging */

enum { N_MADE = 24, LONGEST = 5 };

struct plain {
    char pieces[N_MADE][LONGEST + 1]; /* rank 256 on; letters a, b and c */
    int n;
};

static int rank_of(const struct plain *p, const char *text, size_t n) {
    if (n == 1) return 255 - (unsigned char)text[0];
    for (int i = 0; i < p->n; i++)
        if (strlen(p->pieces[i]) == n && memcmp(p->pieces[i], text, n) == 0) return 256 + i;
    return -1;
}

static void make_plain(struct plain *p) {
    p->n = 0;
    while (p->n < N_MADE) {
        size_t n = 2 + (size_t)rand() % (LONGEST - 1);
        char *piece = p->pieces[p->n];
        for (size_t i = 0; i < n; i++) piece[i] = (char)('a' + rand() % 3 % 2);
        if (rand() % 3 == 0) piece[n - 1] = 'c';
        piece[n] = '\0';
        if (rank_of(p, piece, n) < 0) p->n++;
    }
}

/* tiktoken: the whole word, or the neighbours that make the piece of least rank, the leftmost
 * of equals, until none do. */
static int64_t merge_plainly(const struct plain *p, int32_t *ids, const char *word,
                             size_t n) {
    size_t begin[128];
    int64_t n_parts = (int64_t)n;
    if (rank_of(p, word, n) >= 0) {
        ids[0] = rank_of(p, word, n);
        return 1;
    }
    for (size_t i = 0; i <= n; i++) begin[i] = i;
    for (;;) {
        int best = -1;
        int64_t at = 0;
        for (int64_t i = 0; i + 1 < n_parts; i++) {
            int rank = rank_of(p, word + begin[i], begin[i + 2] - begin[i]);
            if (rank < 0 || (best >= 0 && rank >= best)) continue;
            best = rank;
            at = i;
        }
        if (best < 0) break;
        for (int64_t i = at + 1; i < n_parts; i++) begin[i] = begin[i + 1];
        n_parts--;
    }
    for (int64_t i = 0; i < n_parts; i++)
        ids[i] = rank_of(p, word + begin[i], begin[i + 1] - begin[i]);
    return n_parts;
}

static void merging_is_tiktokens(void **state) {
    (void)state;
    srand(3);
    for (int round = 0; round < 200; round++) {
        struct plain p;
        struct buf file = {0};
        make_plain(&p);
        put_bytes(&file);
        for (int i = 0; i < p.n; i++)
            put_line(&file, p.pieces[i], strlen(p.pieces[i]), 256 + i);
        glass_tokenizer *t = open_text(&file);
        assert_int_equal(glass_tokenizer_n_vocab(t), 256 + N_MADE + 256);
        for (int tried = 0; tried < 60; tried++) {
            char word[100];
            int32_t want[100], *ids;
            int64_t n_ids;
            size_t n = 1 + (size_t)rand() % (tried % 2 ? 12 : 90);
            for (size_t i = 0; i < n; i++) word[i] = (char)('a' + rand() % 5 % 3);
            int64_t n_want = merge_plainly(&p, want, word, n);
            ok(glass_tokenizer_encode(t, &ids, &n_ids, word, n, 0));
            assert_int_equal(n_ids, n_want);
            assert_memory_equal(ids, want, (size_t)n_want * sizeof *ids);
            glass_free(ids);
        }
        glass_tokenizer_close(t);
        buf_free(&file);
    }
}

/* ---- folders and special tokens */

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

static int32_t find(const glass_tokenizer *t, const char *text) {
    return glass_tokenizer_find(t, text, strlen(text));
}

static void folders_have_special_tokens(void **state) {
    (void)state;
    static const char text[] = "a<|eot_id|><|reserved_special_token_250|>";
    char folder[] = "/tmp/glass-tok-XXXXXX";
    struct buf file = {0};
    glass_tokenizer *t;
    int32_t *ids;
    int64_t n;
    assert_non_null(mkdtemp(folder));
    put_bytes(&file);
    put_line(&file, "ab", 2, 256);
    put_file(folder, "tokenizer.model", file.data, file.len);
    ok(glass_tokenizer_open(&t, folder));
    assert_int_equal(glass_tokenizer_n_vocab(t), 257 + 256);
    assert_int_equal(glass_tokenizer_bos(t), 257);
    assert_int_equal(glass_tokenizer_eos(t), 258);
    assert_true(glass_tokenizer_adds_bos(t));
    assert_int_equal(find(t, "<|start_header_id|>"), 257 + 6);
    assert_int_equal(find(t, "<|reserved_special_token_4|>"), 257 + 8);
    assert_true(glass_tokenizer_is_end(t, 257 + 9));
    assert_int_equal(find(t, "<|eom_id|>"), -1);
    ok(glass_tokenizer_encode(t, &ids, &n, text, strlen(text),
                              GLASS_ADD_SPECIAL | GLASS_PARSE_SPECIAL));
    const int32_t want[] = {257, 255 - 'a', 257 + 9, 257 + 255};
    assert_int_equal(n, 4);
    assert_memory_equal(ids, want, sizeof want);
    glass_free(ids);
    ok(glass_tokenizer_encode(t, &ids, &n, text, strlen(text), 0));
    for (int64_t i = 0; i < n; i++) assert_true(ids[i] < 257);
    glass_free(ids);
    glass_tokenizer_close(t);

    /* Llama 3.1 has the same file, and says so beside it. */
    static const char params[] = "{\"dim\": 4096, \"use_scaled_rope\": true}";
    put_file(folder, "params.json", params, strlen(params));
    ok(glass_tokenizer_open(&t, folder));
    assert_int_equal(find(t, "<|finetune_right_pad_id|>"), 257 + 4);
    assert_int_equal(find(t, "<|eom_id|>"), 257 + 8);
    assert_int_equal(find(t, "<|python_tag|>"), 257 + 10);
    assert_int_equal(find(t, "<|reserved_special_token_247|>"), 257 + 255);
    assert_int_equal(find(t, "<|reserved_special_token_248|>"), -1);
    assert_true(glass_tokenizer_is_end(t, 257 + 8));
    glass_tokenizer_close(t);
    put_file(folder, "params.json", "{", 1);
    assert_int_equal(glass_tokenizer_open(&t, folder), GLASS_BAD_INPUT);
    assert_non_null(strstr(glass_error(), "params.json: line 1"));
    drop_file(folder, "params.json");

    struct buf path = {0};
    put_file(folder, "other.tiktoken", file.data, file.len);
    ok(buf_printf(&path, "%s/other.tiktoken", folder));
    assert_int_equal(glass_tokenizer_open(&t, path.data), GLASS_BAD_INPUT);
    assert_non_null(strstr(glass_error(), "its pattern and special tokens"));
    drop_file(folder, "other.tiktoken");
    drop_file(folder, "tokenizer.model");
    rmdir(folder);
    buf_free(&path);
    buf_free(&file);
}

/* ---- bad files */

static void expect_refused(const struct buf *file, const char *message) {
    struct tok_source s;
    assert_int_equal(read_text(&s, file), GLASS_BAD_INPUT);
    if (strstr(glass_error(), message) == NULL)
        print_error("\"%s\" is not in \"%s\"\n", message, glass_error());
    assert_non_null(strstr(glass_error(), message));
    tok_source_clear(&s);
}

static void bad_files_are_refused(void **state) {
    (void)state;
    static const char *const not_lines[] = {
        "QQ==\n",    "QQ== \n",   "QQ==  0\n", "QQ== 0 \n",        "QQ== 0x\n",
        "QQ== -1\n", "QQ=== 0\n", "QQQ 0\n",   "Q=Q= 0\n",         "==== 0\n",
        "QQ==\t0\n", "\n",        "Q\\== 0\n", "QQ== 1234567890\n"};
    struct buf file = {0};
    for (size_t i = 0; i < sizeof not_lines / sizeof *not_lines; i++) {
        buf_clear(&file);
        ok(buf_text(&file, "QQ== 0\n"));
        ok(buf_text(&file, not_lines[i]));
        expect_refused(&file, "line 2: not a piece");
    }
    buf_clear(&file);
    ok(buf_text(&file, "QQ== 0\nQg== 2\n"));
    expect_refused(&file, "line 2: the rank is 2");
    buf_clear(&file);
    char text[300];
    memset(text, 'a', sizeof text);
    put_line(&file, text, 256, 0);
    struct tok_source s;
    ok(read_text(&s, &file));
    tok_source_clear(&s);
    put_line(&file, text, 257, 1);
    expect_refused(&file, "line 2: not a piece");
    buf_clear(&file);
    for (int n = 1; n <= 40; n++) put_line(&file, text, (size_t)n, n - 1);
    expect_refused(&file, "more than 8 ways");
    buf_clear(&file);
    for (int i = 0; i <= 128000; i++) {
        memcpy(text, &i, sizeof i);
        put_line(&file, text, sizeof i, i);
    }
    expect_refused(&file, "more than 128000 ranks");
    assert_false(tok_is_tiktoken("", 0));
    assert_false(tok_is_tiktoken("\n\x0b", 2));
    assert_false(tok_is_tiktoken("plain text", 10));
    assert_true(tok_is_tiktoken("QQ== 0", 6));
    buf_free(&file);
}

/* Any beginning of a file is refused or is a vocabulary; so is running out of memory. */
static void files_cut_anywhere_are_safe(void **state) {
    (void)state;
    struct buf file = {0};
    put_bytes(&file);
    put_line(&file, "abc", 3, 256);
    for (size_t n = 0; n < file.len; n++) {
        char *exact = malloc(n + (n == 0)); /* so that a sanitizer sees one byte too many */
        assert_non_null(exact);
        memcpy(exact, file.data, n);
        const struct buf cut = {.data = exact, .len = n};
        struct tok_source s;
        glass_status status = read_text(&s, &cut);
        assert_true(status == GLASS_OK || status == GLASS_BAD_INPUT);
        bool whole = n > 0 && n < 256 * 10 && file.data[n] == '\n';
        if (whole) assert_int_equal(status, GLASS_OK);
        tok_source_clear(&s);
        free(exact);
    }
    for (int64_t fails_at = 1;; fails_at++) {
        struct tok_source s;
        mem_fail_at(fails_at);
        glass_status status = read_text(&s, &file);
        mem_fail_at(0);
        tok_source_clear(&s);
        if (status == GLASS_OK) break;
        assert_int_equal(status, GLASS_NO_MEMORY);
        assert_true(fails_at < 1000);
    }
    buf_free(&file);
}

/* ---- all of Llama 3's */

static void decode_piece(struct buf *out, const glass_tokenizer *t, int32_t id) {
    char *text;
    size_t n;
    ok(glass_tokenizer_decode(t, &text, &n, &id, 1, 0));
    put_line(out, text, n, id);
    glass_free(text);
}

static void same_pieces(const struct tok_source *a, const struct tok_source *b) {
    assert_int_equal(a->n_vocab, b->n_vocab);
    for (int64_t id = 0; id < a->n_vocab; id++) {
        assert_int_equal(a->pieces[id].len, b->pieces[id].len);
        assert_memory_equal(a->text + a->pieces[id].at, b->text + b->pieces[id].at,
                            a->pieces[id].len);
        assert_int_equal(a->types[id], b->types[id]);
    }
    assert_int_equal(a->n_merges, b->n_merges);
    for (int64_t i = 0; i < a->n_merges; i++) {
        assert_int_equal(a->merges[i].len, b->merges[i].len);
        assert_memory_equal(a->merge_text + a->merges[i].at,
                            b->merge_text + b->merges[i].at, a->merges[i].len);
    }
    assert_int_equal(a->bos, b->bos);
    assert_int_equal(a->eos, b->eos);
}

static void llama3_comes_back_from_its_pieces(void **state) {
    (void)state;
    const char *vocabs = getenv("GLASS_VOCABS");
    if (vocabs == NULL) {
        print_message("skipped: no GLASS_VOCABS\n");
        skip();
    }
    struct buf path = {0}, file = {0}, cases = {0};
    struct gguf *g;
    glass_tokenizer *want, *t;
    ok(buf_printf(&path, "%s/ggml-vocab-llama-bpe.gguf", vocabs));
    ok(gguf_open(&g, path.data));
    ok(tok_create_gguf(&want, g));
    for (int32_t id = 0; id < 128000; id++) decode_piece(&file, want, id);
    struct tok_source a = TOK_SOURCE_NONE, b;
    ok(tok_read_gguf(&a, g));
    ok(read_text(&b, &file));
    same_pieces(&a, &b);
    tok_source_clear(&a);
    ok(tok_build(&t, &b));
    tok_source_clear(&b);
    ok(buf_printf(&path, ".inp"));
    ok(path_read_whole(&cases, path.data, 1 << 20));
    for (unsigned flags = 0; flags < 4; flags++) {
        int32_t *x, *y;
        int64_t n_x, n_y;
        ok(glass_tokenizer_encode(want, &x, &n_x, cases.data, cases.len, flags));
        ok(glass_tokenizer_encode(t, &y, &n_y, cases.data, cases.len, flags));
        assert_int_equal(n_x, n_y);
        assert_memory_equal(x, y, (size_t)n_x * sizeof *x);
        glass_free(x);
        glass_free(y);
    }
    glass_tokenizer_close(t);
    glass_tokenizer_close(want);
    gguf_close(g);
    buf_free(&path);
    buf_free(&file);
    buf_free(&cases);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merging_is_tiktokens),
        cmocka_unit_test(folders_have_special_tokens),
        cmocka_unit_test(bad_files_are_refused),
        cmocka_unit_test(files_cut_anywhere_are_safe),
        cmocka_unit_test(llama3_comes_back_from_its_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
