/* test_llama2c.c - llama2.c's models of versions 0, 1 and 2 and its tokenizer files: small ones
 * made here, one bad one per error, cuts, flips, failing allocations; a real one if it is there. */
#include "archive_check.h"
#include "format/llama2c.h"

/* A model of dimension 8: 2 layers, 4 heads, 2 key/value heads. Weights count up by 1. */
enum { DIM = 8, HIDDEN = 12, LAYERS = 2, HEADS = 4, KV_HEADS = 2, VOCAB = 10, CTX = 6 };
enum { KV_DIM = DIM / HEADS * KV_HEADS, GROUP = 4 };

static void put_int(struct buf *b, int64_t value) {
    for (int i = 0; i < 4; i++) ok(buf_byte(b, (char)(value >> (8 * i))));
}

static void put_header(struct buf *b, int version, bool shared) {
    buf_clear(b);
    if (version > 0) {
        ok(buf_append(b, "24ka", 4));
        put_int(b, version);
    }
    int vocab = version == 0 && !shared ? -VOCAB : VOCAB;
    const int numbers[] = {DIM, HIDDEN, LAYERS, HEADS, KV_HEADS, vocab, CTX};
    for (int i = 0; i < 7; i++) put_int(b, numbers[i]);
    if (version == 0) return;
    ok(buf_byte(b, shared));
    if (version == 2) put_int(b, GROUP);
    while (b->len < 256) ok(buf_byte(b, 0));
}

static void put_floats(struct buf *b, int n, float *next) {
    for (int i = 0; i < n; i++, ++*next) ok(buf_append(b, next, 4));
}

static void put_matrix(struct buf *b, int version, int n, float *next) {
    if (version < 2) {
        put_floats(b, n, next);
        return;
    }
    for (int i = 0; i < n; i++) ok(buf_byte(b, (char)i));
    put_floats(b, n / GROUP, next);
}

static void make(struct buf *b, int version, bool shared) {
    float next = 0;
    put_header(b, version, shared);
    if (version == 0) put_floats(b, VOCAB * DIM, &next);
    put_floats(b, LAYERS * DIM, &next); /* attention_norm */
    if (version > 0) {
        put_floats(b, LAYERS * DIM + DIM, &next); /* ffn_norm, norm */
        put_matrix(b, version, VOCAB * DIM, &next);
    }
    const int attention[] = {DIM * DIM, KV_DIM * DIM, KV_DIM * DIM, DIM * DIM};
    for (int i = 0; i < 4; i++)
        for (int layer = 0; layer < LAYERS; layer++)
            put_matrix(b, version, attention[i], &next);
    if (version == 0) put_floats(b, LAYERS * DIM, &next); /* ffn_norm */
    for (int i = 0; i < 3 * LAYERS; i++) put_matrix(b, version, HIDDEN * DIM, &next);
    if (version == 0) {
        put_floats(b, DIM, &next); /* norm */
        put_floats(b, CTX * (DIM / HEADS / 2) * 2, &next);
    }
    if (!shared) put_matrix(b, version, VOCAB * DIM, &next);
}

static void check_floats(const struct archive *a, const char *name, int64_t rows,
                         int64_t columns, float first) {
    const struct archive_tensor *t = archive_find(a, name, -1);
    float value;
    if (t == NULL) print_error("no %s\n", name);
    assert_non_null(t);
    assert_int_equal(t->dtype, GLASS_F32);
    assert_int_equal(t->n_dims, rows > 0 ? 2 : 1);
    if (rows > 0) assert_int_equal(t->shape[0], rows);
    assert_int_equal(t->shape[t->n_dims - 1], columns);
    memcpy(&value, t->data, 4);
    if (value != first) print_error("%s: %g, not %g\n", name, value, first);
    assert_true(value == first);
}

static void check_header(const struct archive *a, int version, bool shared) {
    const struct llama2c_header *h = archive_llama2c(a);
    assert_non_null(h);
    assert_int_equal(h->version, version);
    assert_int_equal(h->dim, DIM);
    assert_int_equal(h->hidden_dim, HIDDEN);
    assert_int_equal(h->n_layers, LAYERS);
    assert_int_equal(h->n_heads, HEADS);
    assert_int_equal(h->n_kv_heads, KV_HEADS);
    assert_int_equal(h->n_vocab, VOCAB);
    assert_int_equal(h->n_ctx, CTX);
    assert_int_equal(h->shared, shared);
    assert_int_equal(h->group, version == 2 ? GROUP : 0);
    assert_string_equal(archive_kind(a, 0), "llama2.c");
}

static void each_version_reads(void **state) {
    (void)state;
    struct buf b = {0};
    for (int version = 0; version < 3; version++)
        for (int shared = 0; shared < 2; shared++) {
            struct archive *a;
            char *copy;
            make(&b, version, shared);
            ok(open_copy(&a, &copy, b.data, b.len));
            check_header(a, version, shared);
            int n = 3 + LAYERS * 9 - shared;
            if (version == 2) n += 1 + LAYERS * 7 + (1 - shared); /* scales */
            assert_int_equal(archive_n_tensors(a), n);
            read_all(a);
            assert_int_equal(archive_find(a, "output.weight", -1) == NULL, shared);
            archive_close(a);
            free(copy);
        }
    buf_free(&b);
}

static void tensors_are_where_they_should_be(void **state) {
    (void)state;
    struct buf b = {0};
    struct archive *a;
    make(&b, 0, false);
    ok(archive_open_memory(&a, b.data, b.len, "v0"));
    check_floats(a, "tok_embeddings.weight", VOCAB, DIM, 0);
    check_floats(a, "layers.1.attention_norm.weight", 0, DIM, 80 + 8);
    check_floats(a, "layers.0.attention.wq.weight", DIM, DIM, 96);
    check_floats(a, "layers.1.attention.wk.weight", KV_DIM, DIM, 96 + 128 + 32);
    check_floats(a, "layers.0.attention.wv.weight", KV_DIM, DIM, 288);
    check_floats(a, "layers.0.attention.wo.weight", DIM, DIM, 352);
    check_floats(a, "layers.0.ffn_norm.weight", 0, DIM, 480);
    check_floats(a, "layers.1.feed_forward.w1.weight", HIDDEN, DIM, 496 + 96);
    check_floats(a, "layers.0.feed_forward.w2.weight", DIM, HIDDEN, 688);
    check_floats(a, "layers.0.feed_forward.w3.weight", HIDDEN, DIM, 880);
    check_floats(a, "norm.weight", 0, DIM, 1072);
    check_floats(a, "output.weight", VOCAB, DIM, 1080 + 12);
    archive_close(a);
    make(&b, 1, false);
    ok(archive_open_memory(&a, b.data, b.len, "v1"));
    check_floats(a, "layers.1.ffn_norm.weight", 0, DIM, 24);
    check_floats(a, "norm.weight", 0, DIM, 32);
    check_floats(a, "tok_embeddings.weight", VOCAB, DIM, 40);
    check_floats(a, "layers.0.attention.wq.weight", DIM, DIM, 120);
    check_floats(a, "output.weight", VOCAB, DIM, 120 + 384 + 576);
    archive_close(a);
    make(&b, 2, false);
    ok(archive_open_memory(&a, b.data, b.len, "v2"));
    assert_int_equal(archive_find(a, "tok_embeddings.weight", -1)->dtype, GLASS_I8);
    check_floats(a, "tok_embeddings.scales", 0, VOCAB * DIM / GROUP, 40);
    check_floats(a, "layers.0.attention.wq.scales", 0, DIM * DIM / GROUP, 60);
    archive_close(a);
    buf_free(&b);
}

static void bad_models_are_refused(void **state) {
    (void)state;
    static const struct {
        int version;
        size_t at;
        int64_t value;
        const char *words;
    } cases[] = {
        {0, 0, 9, "neither safetensors, nor of PyTorch, nor of llama2.c"},
        {0, 0, -8, "neither safetensors"},
        {0, 12, 3, "neither safetensors"},
        {0, 16, 8, "neither safetensors"},
        {0, 16, 0, "neither safetensors"},
        {0, 20, INT32_MIN, "neither safetensors"},
        {0, 24, 7, "neither safetensors"},
        {1, 4, 3, "byte 4: llama2.c version 3; Glass reads 0 to 2"},
        {1, 4, 0, "byte 4: llama2.c version 0"},
        {1, 8, 0, "byte 8: the header describes no model"},
        {1, 8, 1 << 25, "byte 8: the header describes no model"},
        {1, 16, 5000, "byte 8: the header describes no model"},
        {1, 20, 3, "byte 8: the header describes no model"},
        {1, 24, 3, "byte 8: the header describes no model"},
        {1, 36, 2, "byte 8: the header describes no model"},
        {1, 8, 16, "the header describes a file of"},
        {1, 36, 1, "the header describes a file of 4576 bytes, but it has 4896"},
        {2, 37, 0, "byte 37: groups of 0 do not fill the weights"},
        {2, 37, -4, "byte 37: groups of -4 do not fill the weights"},
        {2, 37, 3, "byte 37: groups of 3 do not fill the weights"},
        {2, 37, 8, "the header describes a file of"},
    };
    struct buf b = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        make(&b, cases[i].version, false);
        for (int k = 0; k < 4; k++)
            b.data[cases[i].at + (size_t)k] = (char)(cases[i].value >> (8 * k));
        refused(b.data, b.len, cases[i].words);
    }
    /* Numbers whose products pass 64 bits. */
    make(&b, 1, false);
    for (int i = 0; i < 7; i++) memcpy(b.data + 8 + 4 * i, "\0\0\0\1", 4);
    memcpy(b.data + 16, "\0\20\0\0", 4);
    refused(b.data, b.len, "the header describes a file of");
    buf_free(&b);
}

static void cuts_and_flips(void **state) {
    (void)state;
    struct buf b = {0};
    for (int version = 0; version < 3; version++) {
        make(&b, version, true);
        cut_anywhere(b.data, b.len);
        assert_true(flip_all_bits(b.data, b.len) > 1000 * 8);
    }
    ok(path_write_whole(in_folder("model.bin"), b.data, b.len));
    assert_true(fail_each_allocation(in_folder("model.bin")) > 4);
    buf_free(&b);
}

/* ---- tokenizer.bin ---- */

static const char pieces[] = "\5\0\0\0"
                             "\0\0\0\0\5\0\0\0<unk>"
                             "\0\0\200\277\3\0\0\0a\0b"
                             "\0\0\0\300\0\0\0\0";

static void vocabulary_reads(void **state) {
    (void)state;
    struct llama2c_vocab *v;
    size_t n;
    float score;
    ok(llama2c_vocab_open_memory(&v, pieces, sizeof pieces - 1, "tok"));
    assert_int_equal(llama2c_vocab_n(v), 3);
    assert_string_equal(llama2c_vocab_piece(v, 0, &n, &score), "<unk>");
    assert_int_equal(n, 5);
    assert_true(score == 0);
    assert_memory_equal(llama2c_vocab_piece(v, 1, &n, &score), "a\0b", 4);
    assert_int_equal(n, 3);
    assert_true(score == -1);
    assert_string_equal(llama2c_vocab_piece(v, 2, &n, &score), "");
    assert_null(llama2c_vocab_piece(v, 3, &n, &score));
    assert_null(llama2c_vocab_piece(v, -1, &n, &score));
    llama2c_vocab_close(v);
    /* Cut at a piece's end it is a smaller vocabulary; elsewhere it is an error. */
    for (size_t cut = 0; cut < sizeof pieces - 1; cut++) {
        char *copy = malloc(cut > 0 ? cut : 1);
        memcpy(copy, pieces, cut);
        glass_status status = llama2c_vocab_open_memory(&v, copy, cut, "tok");
        assert_int_equal(status, cut == 17 || cut == 28 ? GLASS_OK : GLASS_BAD_INPUT);
        llama2c_vocab_close(v);
        free(copy);
    }
    static const char longer[] = "\5\0\0\0\0\0\0\0\1\0\1\0";
    assert_int_equal(llama2c_vocab_open_memory(&v, longer, 12, "tok"), GLASS_BAD_INPUT);
    assert_null(v);
    says("tok: byte 4: piece 0 is 65537 bytes long; at most 65536 are read");
    for (int64_t at = 1;; at++) {
        mem_fail_at(at);
        glass_status status =
            llama2c_vocab_open_memory(&v, pieces, sizeof pieces - 1, "tok");
        mem_fail_at(0);
        if (status == GLASS_OK) break;
        assert_int_equal(status, GLASS_NO_MEMORY);
        assert_null(v);
    }
    llama2c_vocab_close(v);
}

static void a_real_model_reads(void **state) {
    (void)state;
    char path[300];
    const char *shared = getenv("GLASS_SHARED");
    struct archive *a;
    struct llama2c_vocab *v;
    size_t n;
    float score;
    snprintf(path, sizeof path, "%s/models/stories260K/stories260K.bin",
             shared != NULL ? shared : "../shared/data");
    if (access(path, F_OK) != 0) skip();
    ok(archive_open(&a, path));
    assert_int_equal(archive_llama2c(a)->n_vocab, 512);
    assert_int_equal(archive_llama2c(a)->n_kv_heads, 4);
    assert_true(archive_llama2c(a)->shared);
    assert_int_equal(archive_n_tensors(a), 2 + 5 * 9);
    archive_close(a);
    snprintf(path, sizeof path, "%s/models/stories260K/tok512.bin",
             shared != NULL ? shared : "../shared/data");
    ok(llama2c_vocab_open(&v, path));
    assert_int_equal(llama2c_vocab_n(v), 512);
    assert_string_equal(llama2c_vocab_piece(v, 1, &n, &score), "\n<s>\n");
    llama2c_vocab_close(v);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_version_reads),
        cmocka_unit_test(tensors_are_where_they_should_be),
        cmocka_unit_test(bad_models_are_refused),
        cmocka_unit_test(cuts_and_flips),
        cmocka_unit_test(vocabulary_reads),
        cmocka_unit_test(a_real_model_reads),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
