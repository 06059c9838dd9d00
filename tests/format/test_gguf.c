/* test_gguf.c - the GGUF reader and writer: good files of our own and of another
 * implementation, one bad file per error, cuts, bit flips, failing allocations. */
#include "base/hash.h"
#include "base/path.h"
#include "format/gguf_write.h"
#include "gguf_sample.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#undef fail /* cmocka's macro hides ours */

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif

static char folder[] = "/tmp/glass-test-gguf-XXXXXX";

static const char *in_folder(const char *name) {
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void ok(glass_status status) {
    if (status != GLASS_OK) print_error("%s\n", glass_error());
    assert_int_equal(status, GLASS_OK);
}

static void says(const char *words) {
    if (strstr(glass_error(), words) == NULL)
        print_error("\"%s\" does not say \"%s\"\n", glass_error(), words);
    assert_non_null(strstr(glass_error(), words));
}

/* ---- good files ---- */

static void sample_reads(void **state) {
    (void)state;
    struct sample s;
    struct gguf *g;
    sample_make(&s);
    ok(gguf_open_memory(&g, s.b.data, s.b.len, "sample"));
    assert_int_equal(gguf_version(g), 3);
    assert_int_equal(gguf_n_parts(g), 1);
    assert_int_equal(gguf_n_values(g), 5);
    const struct gguf_value *words, *numbers;
    ok(gguf_get_array(g, "words", GGUF_STRING, &words));
    assert_int_equal(words->n_items, 3);
    assert_int_equal(gguf_item_string(words, 1).n_bytes, 0);
    assert_memory_equal(gguf_item_string(words, 2).text, "three", 5);
    assert_int_equal(gguf_item_string(words, 3).n_bytes, 0);
    ok(gguf_get_array(g, "numbers", GGUF_I32, &numbers));
    assert_int_equal(gguf_item_int(numbers, 0), -7);
    const struct gguf_tensor *a = gguf_tensor_find(g, "a.w"),
                             *b = gguf_tensor_find(g, "b.w");
    assert_non_null(a);
    assert_int_equal(a->dtype, GLASS_Q8_0);
    assert_int_equal(a->n_dims, 2);
    assert_int_equal(a->shape[0], 3);
    assert_int_equal(a->shape[1], 32);
    assert_int_equal(a->n_bytes, 3 * 34);
    assert_ptr_equal(a->data, s.b.data + s.at[AT_DATA]);
    assert_ptr_equal(b->data, s.b.data + s.at[AT_DATA] + 128);
    assert_null(gguf_tensor_find(g, "c.w"));
    assert_null(gguf_tensor_at(g, 2));
    assert_null(gguf_value_at(g, -1));
    sample_walk(g);
    gguf_close(g);
    sample_patch(&s, AT_VERSION, 0, 2, 4);
    ok(gguf_open_memory(&g, s.b.data, s.b.len, "sample"));
    assert_int_equal(gguf_version(g), 2);
    gguf_close(g);
    buf_free(&s.b);
}

static void typed_access_refuses_other_types(void **state) {
    (void)state;
    struct sample s;
    struct gguf *g;
    uint64_t u;
    double d;
    bool b;
    struct gguf_string text;
    const struct gguf_value *v;
    sample_make(&s);
    ok(gguf_open_memory(&g, s.b.data, s.b.len, "sample"));
    ok(gguf_get_u64(g, "general.alignment", &u));
    assert_int_equal(u, 64);
    assert_int_equal(gguf_get_u64(g, "none", &u), GLASS_BAD_INPUT);
    says("sample: the key \"none\" is missing");
    ok(gguf_get_u64_or(g, "none", &u, 9));
    assert_int_equal(u, 9);
    assert_int_equal(gguf_get_u64_or(g, "general.name", &u, 9), GLASS_BAD_INPUT);
    says("\"general.name\" is of type string, not an integer");
    assert_int_equal(gguf_get_u64(g, "general.flag", &u), GLASS_BAD_INPUT);
    assert_int_equal(gguf_get_u64(g, "numbers", &u), GLASS_BAD_INPUT);
    says("an array of I32, not an integer");
    assert_int_equal(gguf_get_f64_or(g, "general.alignment", &d, 1.0), GLASS_BAD_INPUT);
    ok(gguf_get_f64_or(g, "none", &d, 1.5));
    assert_true(d == 1.5);
    ok(gguf_get_bool_or(g, "general.flag", &b, false));
    assert_true(b);
    assert_int_equal(gguf_get_bool_or(g, "words", &b, false), GLASS_BAD_INPUT);
    ok(gguf_get_string(g, "general.name", &text));
    assert_int_equal(text.n_bytes, 6);
    assert_int_equal(gguf_get_string(g, "none", &text), GLASS_BAD_INPUT);
    ok(gguf_get_string_or(g, "none", &text));
    assert_int_equal(text.n_bytes, 0);
    assert_int_equal(gguf_get_array(g, "words", GGUF_I32, &v), GLASS_BAD_INPUT);
    says("\"words\" is an array of string, not an array of I32");
    ok(gguf_get_array(g, "none", GGUF_I32, &v));
    assert_null(v);
    gguf_close(g);
    buf_free(&s.b);
}

static void put_all(struct gguf_writer *w) {
    static const struct gguf_string words[] = {{"a", 1}, {"", 0}, {"x\0y", 3}};
    static const uint16_t numbers[] = {1, 65535, 3};
    ok(gguf_put_int(w, "general.alignment", GGUF_U32, 128));
    ok(gguf_put_int(w, "u8", GGUF_U8, 200));
    ok(gguf_put_int(w, "i8", GGUF_I8, -100));
    ok(gguf_put_int(w, "u16", GGUF_U16, 60000));
    ok(gguf_put_int(w, "i16", GGUF_I16, -30000));
    ok(gguf_put_int(w, "i32", GGUF_I32, INT32_MIN));
    ok(gguf_put_int(w, "u64", GGUF_U64, INT64_MAX));
    ok(gguf_put_int(w, "i64", GGUF_I64, INT64_MIN));
    ok(gguf_put_float(w, "f32", GGUF_F32, 0.5));
    ok(gguf_put_float(w, "f64", GGUF_F64, 0.1));
    ok(gguf_put_bool(w, "flag", true));
    ok(gguf_put_text(w, "text", "some text"));
    ok(gguf_put_strings(w, "words", words, 3));
    ok(gguf_put_array(w, "numbers", GGUF_U16, numbers, 3));
    ok(gguf_put_array(w, "nothing", GGUF_F32, NULL, 0));
}

static void check_all(const struct gguf *g) {
    static const struct {
        const char *key;
        enum gguf_type type;
        int64_t value;
    } ints[] = {{"general.alignment", GGUF_U32, 128},
                {"u8", GGUF_U8, 200},
                {"i8", GGUF_I8, -100},
                {"u16", GGUF_U16, 60000},
                {"i16", GGUF_I16, -30000},
                {"i32", GGUF_I32, INT32_MIN},
                {"u64", GGUF_U64, INT64_MAX},
                {"i64", GGUF_I64, INT64_MIN}};
    uint64_t u;
    double d;
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) {
        const struct gguf_value *v = gguf_find(g, ints[i].key);
        assert_non_null(v);
        assert_int_equal(v->type, ints[i].type);
        assert_int_equal(gguf_item_int(v, 0), ints[i].value);
    }
    assert_int_equal(gguf_get_u64(g, "i8", &u), GLASS_BAD_INPUT);
    says("is -100; it cannot be negative");
    ok(gguf_get_f64_or(g, "f32", &d, 0));
    assert_true(d == 0.5);
    ok(gguf_get_f64_or(g, "f64", &d, 0));
    assert_true(d == 0.1);
    const struct gguf_value *words = gguf_find(g, "words"),
                            *numbers = gguf_find(g, "numbers");
    assert_int_equal(gguf_item_string(words, 2).n_bytes, 3);
    assert_memory_equal(gguf_item_string(words, 2).text, "x\0y", 3);
    assert_int_equal(gguf_item_int(numbers, 1), 65535);
    assert_int_equal(gguf_item_int(numbers, 3), 0);
    assert_int_equal(gguf_find(g, "nothing")->n_items, 0);
}

static void writer_round_trip(void **state) {
    (void)state;
    struct gguf_writer *w;
    struct gguf *g, *copy;
    float data[70];
    for (int i = 0; i < 70; i++) data[i] = (float)i;
    ok(gguf_writer_create(&w, in_folder("round.gguf")));
    put_all(w);
    ok(gguf_put_tensor(w, "big", GLASS_F32, 3, (const int64_t[]){2, 3, 11}));
    ok(gguf_put_tensor(w, "one", GLASS_F32, 1, (const int64_t[]){4}));
    ok(gguf_put_tensor(w, "full", GLASS_I8, 1, (const int64_t[]){128}));
    ok(gguf_put_tensor(w, "next", GLASS_I8, 1, (const int64_t[]){1})); /* without a gap */
    for (size_t i = 0; i < sizeof data; i += 35) ok(gguf_put_data(w, (char *)data + i, 35));
    ok(gguf_put_data(w, data, 129));
    assert_int_equal(gguf_put_int(w, "late", GGUF_U8, 1), GLASS_USAGE);
    assert_int_equal(gguf_put_data(w, data, 1), GLASS_USAGE);
    assert_int_equal(access(in_folder("round.gguf"), F_OK), -1);
    ok(gguf_writer_finish(w));
    ok(gguf_open(&g, in_folder("round.gguf")));
    check_all(g);
    assert_memory_equal(gguf_tensor_find(g, "big")->data, data, 66 * 4);
    assert_memory_equal(gguf_tensor_find(g, "one")->data, data + 66, 16);
    assert_int_equal(gguf_tensor_find(g, "big")->shape[2], 11);
    /* The same file again from what was read. */
    ok(gguf_writer_create(&w, in_folder("copy.gguf")));
    for (int64_t i = 0; i < gguf_n_values(g); i++)
        ok(gguf_put_value(w, gguf_value_at(g, i)));
    for (int64_t i = 0; i < gguf_n_tensors(g); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(g, i);
        ok(gguf_put_tensor(w, t->name, t->dtype, t->n_dims, t->shape));
    }
    for (int64_t i = 0; i < gguf_n_tensors(g); i++)
        ok(gguf_put_data(w, gguf_tensor_at(g, i)->data, gguf_tensor_at(g, i)->n_bytes));
    ok(gguf_writer_finish(w));
    ok(gguf_open(&copy, in_folder("copy.gguf")));
    assert_int_equal(gguf_part(g, 0)->size, gguf_part(copy, 0)->size);
    assert_memory_equal(gguf_part(g, 0)->data, gguf_part(copy, 0)->data,
                        gguf_part(g, 0)->size);
    gguf_close(g);
    gguf_close(copy);
}

static void writer_refuses(void **state) {
    (void)state;
    struct gguf_writer *w;
    ok(gguf_writer_create(&w, in_folder("bad.gguf")));
    assert_int_equal(gguf_put_int(w, "k", GGUF_U8, 256), GLASS_USAGE);
    assert_int_equal(gguf_put_int(w, "k", GGUF_F32, 1), GLASS_USAGE);
    assert_int_equal(gguf_put_float(w, "k", GGUF_U8, 1), GLASS_USAGE);
    assert_int_equal(gguf_put_int(w, "general.alignment", GGUF_U32, 48), GLASS_USAGE);
    assert_int_equal(gguf_put_tensor(w, "t", GLASS_Q8_0, 1, (const int64_t[]){33}),
                     GLASS_USAGE);
    assert_int_equal(gguf_put_tensor(w, "t", GLASS_F32, 1, (const int64_t[]){0}),
                     GLASS_USAGE);
    ok(gguf_put_tensor(w, "t", GLASS_F32, 1, (const int64_t[]){1}));
    ok(gguf_put_data(w, "abc", 3));
    assert_int_equal(gguf_writer_finish(w), GLASS_BAD_INPUT);
    says("the data of tensor 1 of 1 is missing");
    ok(gguf_writer_create(&w, in_folder("bad.gguf")));
    ok(gguf_put_int(w, "k", GGUF_U8, 1));
    ok(gguf_put_int(w, "k", GGUF_U8, 2));
    assert_int_equal(gguf_writer_finish(w), GLASS_BAD_INPUT);
    says("there twice");
    assert_int_equal(access(in_folder("bad.gguf"), F_OK), -1);
    assert_int_equal(gguf_writer_create(&w, in_folder("none/bad.gguf")), GLASS_SYSTEM);
    assert_null(w);
}

/* ---- files of the gguf Python package ---- */

static void check_python(const struct gguf *g) {
    static const struct {
        const char *key;
        int64_t value;
    } ints[] = {{"test.u8", 255},        {"test.i8", -128},        {"test.u16", 65535},
                {"test.i16", -32768},    {"test.u32", UINT32_MAX}, {"test.i32", INT32_MIN},
                {"test.u64", INT64_MAX}, {"test.i64", INT64_MIN},  {"test.yes", 1},
                {"test.no", 0}};
    uint64_t u;
    struct gguf_string text;
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++)
        assert_int_equal(gguf_item_int(gguf_find(g, ints[i].key), 0), ints[i].value);
    ok(gguf_get_u64(g, "test.u64", &u));
    assert_true(u == UINT64_MAX);
    assert_true(gguf_item_float(gguf_find(g, "test.f32"), 0) == (double)0.1f);
    assert_true(gguf_item_float(gguf_find(g, "test.f64"), 0) == 0.1);
    ok(gguf_get_string(g, "test.text", &text));
    assert_int_equal(text.n_bytes, strlen("Grüße, 世界"));
    assert_memory_equal(text.text, "Grüße, 世界", text.n_bytes);
    assert_memory_equal(gguf_item_string(gguf_find(g, "test.words"), 2).text, "▁the", 6);
    assert_int_equal(gguf_item_int(gguf_find(g, "test.numbers"), 1), -2);
    assert_true(gguf_item_float(gguf_find(g, "test.floats"), 2) == 3.25);
    assert_int_equal(gguf_find(g, "test.bools")->item_type, GGUF_BOOL);
    assert_int_equal(gguf_n_tensors(g), 4);
    const struct gguf_tensor *t = gguf_tensor_find(g, "matrix.f32");
    static const float ramp[] = {0, 1, 2, 3, 4, 5};
    assert_int_equal(t->shape[0], 2);
    assert_int_equal(t->shape[1], 3);
    assert_memory_equal(t->data, ramp, sizeof ramp);
    t = gguf_tensor_find(g, "vector.f16");
    static const uint16_t halves[] = {0x3c00, 0x4000, 0x4200, 0x4400, 0x4500};
    assert_memory_equal(t->data, halves, sizeof halves);
    t = gguf_tensor_find(g, "cube.i32");
    assert_int_equal(t->n_dims, 3);
    assert_int_equal(t->shape[2], 4);
    t = gguf_tensor_find(g, "rows.q8_0");
    assert_int_equal(t->dtype, GLASS_Q8_0);
    assert_int_equal(t->n_bytes, 4 * 34);
    assert_int_equal((int8_t)t->data[2], -127); /* -4 is the first block's largest */
}

static void python_files_read(void **state) {
    (void)state;
    struct gguf *g;
    ok(gguf_open(&g, "tests/format/data/python.gguf"));
    check_python(g);
    assert_int_equal(gguf_n_parts(g), 1);
    gguf_close(g);
    static const char *const parts[] = {"tests/format/data/parts-00001-of-00002.gguf",
                                        "tests/format/data/parts-00002-of-00002.gguf"};
    for (int i = 0; i < 2; i++) {
        ok(gguf_open(&g, parts[i]));
        assert_int_equal(gguf_n_parts(g), 2);
        assert_string_equal(gguf_path(g), parts[0]);
        check_python(g);
        gguf_close(g);
    }
}

static void python_files_are_the_recorded_ones(void **state) {
    (void)state;
    struct buf sums = {0}, file = {0};
    int n = 0;
    ok(path_read_whole(&sums, "tests/format/data/SHA256SUMS", 10000));
    for (char *line = sums.data; *line != '\0'; line = strchr(line, '\n') + 1) {
        char name[100], path[200], hex[65];
        uint8_t digest[32];
        assert_int_equal(sscanf(line, "%*64s %99s", name), 1);
        snprintf(path, sizeof path, "tests/format/data/%s", name);
        ok(path_read_whole(&file, path, 1 << 20));
        ok(sha256_bytes(digest, file.data, file.len));
        sha256_hex(hex, digest);
        assert_memory_equal(hex, line, 64);
        n++;
    }
    assert_int_equal(n, 3);
    buf_free(&sums);
    buf_free(&file);
}

/* ---- split files ---- */

struct part {
    const char *name;
    int64_t no, count, tensors;
    const char *tensor;
};

static void write_part(const struct part *p) {
    struct gguf_writer *w;
    ok(gguf_writer_create(&w, in_folder(p->name)));
    if (p->no >= 0) ok(gguf_put_int(w, "split.no", GGUF_U16, p->no));
    ok(gguf_put_int(w, "split.count", GGUF_U16, p->count));
    ok(gguf_put_int(w, "split.tensors.count", GGUF_I32, p->tensors));
    ok(gguf_put_tensor(w, p->tensor, GLASS_F32, 1, (const int64_t[]){1}));
    ok(gguf_put_data(w, "abcd", 4));
    ok(gguf_writer_finish(w));
}

static void splits_must_agree(void **state) {
    (void)state;
    static const struct {
        struct part a, b;
        const char *words;
    } cases[] = {
        {{"m-00001-of-00002.gguf", 0, 2, 2, "x"},
         {"m-00002-of-00002.gguf", 1, 2, 2, "y"},
         ""},
        {{"m-00001-of-00002.gguf", 0, 2, 3, "x"},
         {"m-00002-of-00002.gguf", 1, 2, 3, "y"},
         "split.tensors.count is 3, but the parts hold 2"},
        {{"m-00001-of-00002.gguf", 0, 2, 2, "x"},
         {"m-00002-of-00002.gguf", 1, 3, 2, "y"},
         "split.count is 3 here and 2 in another part"},
        {{"m-00001-of-00002.gguf", 0, 2, 2, "x"},
         {"m-00002-of-00002.gguf", 0, 2, 2, "y"},
         "split.no is 0, but by its name this is part 2"},
        {{"m-00001-of-00002.gguf", 0, 2, 2, "x"},
         {"m-00002-of-00002.gguf", -1, 2, 2, "y"},
         "split.count without split.no"},
        {{"m-00001-of-00002.gguf", 0, 2, 2, "x"},
         {"m-00002-of-00002.gguf", 1, 2, 2, "x"},
         "\"x\" is described twice"},
        {{"m-00001-of-00002.gguf", 5, 2, 2, "x"},
         {"m-00002-of-00002.gguf", 1, 2, 2, "y"},
         "split.no is not among the 2 parts"},
        {{"m-00001-of-00002.gguf", -1, 2, 2, "x"},
         {"m-00002-of-00002.gguf", 1, 2, 2, "y"},
         "split.no is missing beside the 2 parts"},
        {{"m-00001-of-00002.gguf", 1, 2, 2, "x"},
         {"m-00002-of-00002.gguf", 1, 2, 2, "y"},
         "its name must end in -00002-of-00002.gguf"},
        {{"m-00001-of-00002.gguf", 0, 5000, 2, "x"},
         {"m-00002-of-00002.gguf", 1, 2, 2, "y"},
         "at most 4096 parts"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct gguf *g;
        write_part(&cases[i].a);
        write_part(&cases[i].b);
        glass_status status = gguf_open(&g, in_folder("m-00001-of-00002.gguf"));
        if (cases[i].words[0] == '\0') {
            ok(status);
            assert_int_equal(gguf_n_tensors(g), 2);
            gguf_close(g);
            continue;
        }
        assert_int_equal(status, GLASS_BAD_INPUT);
        assert_null(g);
        says(cases[i].words);
    }
}

static void missing_part_is_named(void **state) {
    (void)state;
    struct gguf *g;
    struct buf bytes = {0};
    write_part(&(struct part){"n-00002-of-00003.gguf", 1, 3, 3, "y"});
    assert_int_equal(gguf_open(&g, in_folder("n-00002-of-00003.gguf")), GLASS_BAD_INPUT);
    says("n-00001-of-00003.gguf: part 1 of 3 is missing");
    ok(path_read_whole(&bytes, in_folder("n-00002-of-00003.gguf"), 10000));
    assert_int_equal(gguf_open_memory(&g, bytes.data, bytes.len, "part"), GLASS_BAD_INPUT);
    says("one of 3 parts");
    buf_free(&bytes);
}

/* ---- bad files ---- */

struct bad {
    enum field field;
    size_t beyond;
    uint64_t value;
    int n_bytes;
    const char *words;
};

static const struct bad bads[] = {
    {AT_MAGIC, 0, 0x47475546, 4, "a big-endian GGUF file"},
    {AT_MAGIC, 0, 0x11223344, 4, "byte 0: not a GGUF file: it starts with 44 33 22 11"},
    {AT_MAGIC, 0, 0x04034b50, 4, "a zip archive"},
    {AT_MAGIC, 0, 0x6f64213c, 4, "a web page"},
    {AT_MAGIC, 0, 0x67676a74, 4, "a GGML file of 2023"},
    {AT_VERSION, 0, 1, 4, "byte 4: GGUF version 1"},
    {AT_VERSION, 0, 0, 4, "byte 4: GGUF version 0"},
    {AT_VERSION, 0, 4, 4, "byte 4: GGUF version 4; Glass reads 2 and 3: a newer"},
    {AT_VERSION, 0, 0x03000000, 4, "byte 4: a big-endian"},
    {AT_N_TENSORS, 0, 1000, 8,
     "byte 8: the number of tensors is 1000, more than a file of"},
    {AT_N_TENSORS, 0, UINT64_MAX, 8, "byte 8: the number of tensors is 184467440737"},
    {AT_N_TENSORS, 0, (uint64_t)1 << 63, 8, "more than a file of"},
    {AT_N_TENSORS, 0, 14, 8, "14 tensors cannot be described"},
    {AT_N_TENSORS, 0, 3, 8, "byte "},
    {AT_N_VALUES, 0, UINT64_MAX / 14, 8, "byte 16: the number of values is 13176"},
    {AT_N_VALUES, 0, 6, 8, "byte "},
    {AT_NAME_KEY, 0, 0, 8, "a value with an empty key"},
    {AT_NAME_KEY, 0, 65536, 8, "a key is 65536 bytes long; at most 65535"},
    {AT_NAME_KEY, 0, 65535, 8, "a key needs 65535 bytes but the file ends"},
    {AT_NAME_KEY, 0, UINT64_MAX, 8, "a key is 18446744073709551615 bytes long"},
    {AT_NAME_KEY, 8, '\n', 1, "a key holds the byte 0x0a"},
    {AT_NAME_KEY, 9, 0, 1, "a key holds the byte 0x00"},
    {AT_NAME_KEY, 9, 0xc3, 1, "a key holds the byte 0xc3"},
    {AT_NAME_KEY, 16, 0x67616c66, 4, "the key \"general.flag\" is there twice"},
    {AT_NAME_TYPE, 0, 13, 4, "\"general.name\" is of the unknown type 13"},
    {AT_NAME_TYPE, 0, UINT32_MAX, 4, "unknown type 4294967295"},
    {AT_NAME, 0, 5000, 8, "a string needs 5000 bytes but the file ends"},
    {AT_NAME, 0, (uint64_t)1 << 40, 8, "a string is 1099511627776 bytes long"},
    {AT_BOOL, 0, 2, 1, "\"general.flag\" is a bool of value 2"},
    {AT_WORDS_ITEM, 0, GGUF_ARRAY, 4, "\"words\" is an array of arrays"},
    {AT_WORDS_ITEM, 0, 99, 4, "\"words\" is of the unknown type 99"},
    {AT_WORDS_N, 0, 1000, 8, "\"words\" claims 1000 items of string"},
    {AT_WORDS_N, 0, UINT64_MAX, 8, "claims 18446744073709551615 items of string"},
    {AT_WORDS_N, 0, (uint64_t)1 << 61, 8, "claims 2305843009213693952 items of string"},
    {AT_WORD_2, 0, 4096, 8, "string 2 of \"words\" is 4096 bytes long"},
    {AT_WORD_2, 0, UINT64_MAX, 8, "string 2 of \"words\" is 18446744073709551615 bytes"},
    {AT_WORD_2, 0, UINT64_MAX - 7, 8,
     "string 2 of \"words\" is 18446744073709551608 bytes"},
    {AT_NUMBERS_N, 0, (uint64_t)1 << 62, 8, "claims 4611686018427387904 items of I32"},
    {AT_NUMBERS_N, 0, 1000, 8, "\"numbers\" claims 1000 items of I32"},
    {AT_NUMBERS_ITEM, 0, GGUF_BOOL, 4, "is a bool of value 249"},
    {AT_ALIGN, 0, 0, 4, "general.alignment is 0"},
    {AT_ALIGN, 0, 4, 4, "general.alignment is 4"},
    {AT_ALIGN, 0, 48, 4, "general.alignment is 48"},
    {AT_ALIGN, 0, 1u << 22, 4, "general.alignment is 4194304"},
    {AT_ALIGN, 0, UINT32_MAX, 4, "general.alignment is 4294967295"},
    {AT_ALIGN_TYPE, 0, GGUF_I32, 4, "general.alignment is a I32, not U32"},
    {AT_ALIGN, 0, 256, 4, "not a multiple of the alignment 256"},
    {AT_A, 0, 0, 8, "a tensor without a name"},
    {AT_A, 0, 65, 8, "a tensor's name is 65 bytes long; at most 64"},
    {AT_A, 0, UINT64_MAX, 8, "a tensor's name is 18446744073709551615 bytes long"},
    {AT_A, 9, 0, 1, "a tensor's name holds the control byte 0x00"},
    {AT_A, 8, 'b', 1, "tensor \"b.w\" is described twice"},
    {AT_A_N_DIMS, 0, 0, 4, "tensor \"a.w\" has 0 dimensions"},
    {AT_A_N_DIMS, 0, 5, 4, "tensor \"a.w\" has 5 dimensions"},
    {AT_A_N_DIMS, 0, UINT32_MAX, 4, "has 4294967295 dimensions"},
    {AT_A_DIM_0, 0, 0, 8, "tensor \"a.w\" has a dimension of 0"},
    {AT_A_DIM_1, 0, 0, 8, "tensor \"a.w\" has a dimension of 0"},
    {AT_A_DIM_0, 0, 1ull << 63, 8, "has a dimension of 9223372036854775808"},
    {AT_A_DIM_0, 0, 1ull << 62, 8, "has more weights than can be counted"},
    {AT_A_DIM_1, 0, 1ull << 58, 8, "has more weights than can be counted"},
    {AT_A_DIM_0, 0, 33, 8, "tensor \"a.w\" has rows of 33, which blocks of 32 Q8_0"},
    {AT_A_TYPE, 0, 16, 4,
     "tensor \"a.w\" is of type IQ2_XXS (16), which Glass cannot read"},
    {AT_A_TYPE, 0, 39, 4, "is of type MXFP4 (39)"},
    {AT_A_TYPE, 0, 99, 4, "is of the unknown type 99"},
    {AT_A_TYPE, 0, UINT32_MAX, 4, "is of the unknown type 4294967295"},
    {AT_A_OFFSET, 0, 32, 8, "is at offset 32, which is not a multiple of the alignment 64"},
    {AT_B_OFFSET, 0, 64, 8, "the data of tensor \"b.w\" overlaps that of \"a.w\""},
    {AT_B_OFFSET, 0, 0, 8, "overlaps that of"},
    {AT_B_OFFSET, 0, 192, 8, "takes 20 bytes from offset 192, but the file has only 148"},
    {AT_B_OFFSET, 0, UINT64_MAX - 63, 8, "takes 20 bytes from offset 1844674407370955"},
    {AT_B_DIM_0, 0, 6, 8, "takes 24 bytes from offset 128"},
    {AT_B_DIM_0, 0, 1ull << 61, 8, "takes 9223372036854775808 bytes"},
    {AT_B_DIM_0, 0, 1ull << 62, 8, "tensor \"b.w\" has more bytes than can be counted"},
};

static void each_error_has_its_message(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bads / sizeof *bads; i++) {
        struct sample s;
        struct gguf *g = (struct gguf *)&s;
        sample_make(&s);
        sample_patch(&s, bads[i].field, bads[i].beyond, bads[i].value, bads[i].n_bytes);
        glass_status status = gguf_open_memory(&g, s.b.data, s.b.len, "bad.gguf");
        if (status != GLASS_BAD_INPUT)
            print_error("case %zu gave %d (%s)\n", i, status, bads[i].words);
        assert_int_equal(status, GLASS_BAD_INPUT);
        assert_null(g);
        says("bad.gguf: byte ");
        says(bads[i].words);
        buf_free(&s.b);
    }
}

static void other_bad_files(void **state) {
    (void)state;
    struct gguf *g;
    assert_int_equal(gguf_open(&g, in_folder("absent.gguf")), GLASS_SYSTEM);
    assert_int_equal(gguf_open(&g, folder), GLASS_BAD_INPUT);
    says("not a regular file");
    ok(path_write_whole(in_folder("empty.gguf"), "", 0));
    assert_int_equal(gguf_open(&g, in_folder("empty.gguf")), GLASS_BAD_INPUT);
    says("the file is empty");
    const char *pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\n";
    assert_int_equal(gguf_open_memory(&g, pointer, strlen(pointer), "lfs"),
                     GLASS_BAD_INPUT);
    says("a Git LFS pointer");
    assert_null(g);
    gguf_close(NULL);
}

/* Each prefix lies at the end of its own allocation, so that AddressSanitizer sees a read
 * past it. */
static void cut_anywhere_is_an_error(void **state) {
    (void)state;
    struct sample s;
    struct gguf *g;
    sample_make(&s);
    for (size_t n = 0; n < s.b.len; n++) {
        char *cut = malloc(n + (n == 0));
        memcpy(cut, s.b.data, n);
        assert_int_equal(gguf_open_memory(&g, cut, n, "cut"), GLASS_BAD_INPUT);
        assert_null(g);
        free(cut);
    }
    buf_free(&s.b);
}

static void flip(struct buf *b, size_t bit) {
    b->data[bit / 8] ^= (char)(1 << (bit % 8));
}

/* An address-space limit turns any absurd allocation into GLASS_NO_MEMORY, which must not
 * appear. (The sanitizers need the address space themselves.) */
static void flipped_bits_never_harm(void **state) {
    (void)state;
    struct sample s;
    struct gguf *g;
    int n_opened = 0;
    uint64_t sum = 0;
#ifndef WITH_ASAN
    struct rlimit old, tight;
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    assert_non_null(statm);
    assert_int_equal(fscanf(statm, "%ld", &pages), 1);
    fclose(statm);
    getrlimit(RLIMIT_AS, &old);
    tight = old;
    tight.rlim_cur = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + (4u << 20);
    setrlimit(RLIMIT_AS, &tight);
#endif
    sample_make(&s);
    for (size_t bit = 0; bit < s.b.len * 8; bit++) {
        flip(&s.b, bit);
        glass_status status = gguf_open_memory(&g, s.b.data, s.b.len, "flipped");
        if (status == GLASS_OK) {
            sum += sample_walk(g);
            n_opened++;
        }
        if (status != GLASS_OK && status != GLASS_BAD_INPUT)
            print_error("bit %zu: %s\n", bit, glass_error());
        assert_true(status == GLASS_OK || status == GLASS_BAD_INPUT);
        assert_true((status == GLASS_OK) == (g != NULL));
        gguf_close(g);
        flip(&s.b, bit);
    }
    /* Text, numbers and weights may flip unnoticed; structure may not. */
    assert_true(n_opened > 148 * 8 && sum != 0);
    buf_free(&s.b);
#ifndef WITH_ASAN
    setrlimit(RLIMIT_AS, &old);
#endif
}

static void allocations_may_fail(void **state) {
    (void)state;
    static const char *const paths[] = {"tests/format/data/python.gguf",
                                        "tests/format/data/parts-00002-of-00002.gguf"};
    for (int i = 0; i < 2; i++) {
        int64_t n = 1;
        for (;; n++) {
            struct gguf *g;
            mem_fail_at(n);
            glass_status status = gguf_open(&g, paths[i]);
            mem_fail_at(0);
            if (status == GLASS_OK) {
                gguf_close(g);
                break;
            }
            assert_int_equal(status, GLASS_NO_MEMORY);
            assert_null(g);
        }
        assert_true(n > 8);
    }
}

static glass_status write_some(const char *path) {
    struct gguf_writer *w;
    glass_status status;
    TRY(gguf_writer_create(&w, path));
    TRY_FAIL(gguf_put_text(w, "text", "text"));
    TRY_FAIL(gguf_put_strings(w, "words", (const struct gguf_string[]){{"a", 1}}, 1));
    TRY_FAIL(gguf_put_tensor(w, "t", GLASS_F32, 1, (const int64_t[]){1}));
    TRY_FAIL(gguf_put_data(w, "abcd", 4));
    return gguf_writer_finish(w);
fail:
    gguf_writer_free(w);
    return status;
}

static void writer_allocations_may_fail(void **state) {
    (void)state;
    int64_t n = 1;
    for (;; n++) {
        unlink(in_folder("some.gguf"));
        mem_fail_at(n);
        glass_status status = write_some(in_folder("some.gguf"));
        mem_fail_at(0);
        if (status == GLASS_OK) break;
        assert_int_equal(status, GLASS_NO_MEMORY);
        assert_int_equal(access(in_folder("some.gguf"), F_OK), -1);
    }
    assert_true(n > 10);
}

/* A disk that is full: the limit on file sizes makes write(2) fail the same way. */
static void writer_reports_a_full_disk(void **state) {
    (void)state;
    struct gguf_writer *w;
    struct rlimit old, tight;
    static char zeros[1 << 16];
    glass_status status;
    ok(gguf_writer_create(&w, in_folder("full.gguf")));
    ok(gguf_put_tensor(w, "t", GLASS_I8, 1, (const int64_t[]){sizeof zeros * 4}));
    getrlimit(RLIMIT_FSIZE, &old);
    tight = old;
    tight.rlim_cur = 100000;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &tight);
    for (int i = 0; i < 4; i++) {
        status = gguf_put_data(w, zeros, sizeof zeros);
        if (status != GLASS_OK) break;
    }
    if (status == GLASS_OK)
        status = gguf_writer_finish(w);
    else
        gguf_writer_free(w);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, GLASS_SYSTEM);
    says("File too large");
    assert_int_equal(access(in_folder("full.gguf"), F_OK), -1);
}

/* Names that hash or sort badly: many equal prefixes, in descending order. */
static void many_names_stay_fast(void **state) {
    (void)state;
    enum { N = 20000 };
    struct gguf_writer *w;
    struct gguf *g;
    char name[64];
    ok(gguf_writer_create(&w, in_folder("many.gguf")));
    for (int i = N; i > 0; i--) {
        snprintf(name, sizeof name, "blk.layer.weight.of.a.model.number.%06d", i);
        ok(gguf_put_tensor(w, name, GLASS_I8, 1, (const int64_t[]){1}));
    }
    for (int i = 0; i < N; i++) ok(gguf_put_data(w, "x", 1));
    ok(gguf_writer_finish(w));
    ok(gguf_open(&g, in_folder("many.gguf")));
    for (int i = 1; i <= N; i++) {
        snprintf(name, sizeof name, "blk.layer.weight.of.a.model.number.%06d", i);
        assert_ptr_equal(gguf_tensor_find(g, name), gguf_tensor_at(g, N - i));
    }
    gguf_close(g);
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state) {
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sample_reads),
        cmocka_unit_test(typed_access_refuses_other_types),
        cmocka_unit_test(writer_round_trip),
        cmocka_unit_test(writer_refuses),
        cmocka_unit_test(python_files_read),
        cmocka_unit_test(python_files_are_the_recorded_ones),
        cmocka_unit_test(splits_must_agree),
        cmocka_unit_test(missing_part_is_named),
        cmocka_unit_test(each_error_has_its_message),
        cmocka_unit_test(other_bad_files),
        cmocka_unit_test(cut_anywhere_is_an_error),
        cmocka_unit_test(flipped_bits_never_harm),
        cmocka_unit_test(allocations_may_fail),
        cmocka_unit_test(writer_allocations_may_fail),
        cmocka_unit_test(writer_reports_a_full_disk),
        cmocka_unit_test(many_names_stay_fast),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
