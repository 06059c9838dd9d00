/* test_safetensors.c - safetensors files and indexes of shards: good files of another
 * implementation, one bad file per error, cuts, bit flips, failing allocations; the writer. */
#include "archive_check.h"
#include "format/safetensors_write.h"

#include <signal.h>
#include <sys/stat.h>

static const int64_t none[1];
#define SHAPE(...)                                                                         \
    (const int64_t[]) {                                                                    \
        __VA_ARGS__                                                                        \
    }

/* ---- good files ---- */

/* The tensors of make_archives.py's state(), with these words for the types. */
static void other_implementations_file_reads(void **state) {
    (void)state;
    struct archive *a;
    static const float ramp[] = {0, 1, 2, 3, 4, 5}, turned[] = {0, 3, 1, 4, 2, 5};
    is_recorded("single.safetensors");
    ok(archive_open(&a, "tests/format/data/single.safetensors"));
    assert_int_equal(archive_n_tensors(a), 11);
    assert_string_equal(archive_kind(a, 0), "safetensors");
    holds(a, "ramp", "F32", 2, SHAPE(2, 3), ramp, 24);
    holds(a, "turned", "F32", 2, SHAPE(3, 2), turned, 24);
    holds(a, "column", "F32", 1, SHAPE(2), (const float[]){1, 4}, 8);
    holds(a, "repeated", "I32", 2, SHAPE(2, 2), (const int32_t[]){7, 7, 7, 7}, 16);
    holds(a, "half", "F16", 1, SHAPE(3), (const uint16_t[]){0x3c00, 0xc000, 0x3800}, 6);
    holds(a, "brain", "BF16", 2, SHAPE(1, 2), (const uint16_t[]){0x3fc0, 0xc040}, 4);
    holds(a, "scalar", "F64", 0, none, (const double[]){2.5}, 8);
    holds(a, "long", "I64", 1, SHAPE(2), (const int64_t[]){1ll << 40, -1}, 16);
    holds(a, "mask", "BOOL", 1, SHAPE(2), "\1\0", 2);
    holds(a, "none", "F32", 2, SHAPE(0, 4), "", 0);
    assert_true(archive_find(a, "half", 0)->known);
    assert_int_equal(archive_find(a, "half", 0)->dtype, GLASS_F16);
    assert_false(archive_find(a, "mask", 0)->known);
    const char *key, *value;
    assert_int_equal(archive_n_meta(a), 1);
    archive_meta(a, 0, &key, &value);
    assert_string_equal(key, "title");
    assert_string_equal(value, "größe \"x\"\n");
    archive_meta(a, 1, &key, &value);
    assert_null(key);
    assert_null(archive_find(a, "rampe", -1));
    assert_null(archive_find(a, "ramp", 1));
    assert_null(archive_tensor_at(a, 11));
    ok(archive_verify(a));
    archive_close(a);
}

static void shards_read_as_one(void **state) {
    (void)state;
    struct archive *a;
    is_recorded("shards-00001-of-00002.safetensors");
    is_recorded("shards.safetensors.index.json");
    ok(archive_open(&a, "tests/format/data/shards.safetensors.index.json"));
    assert_int_equal(archive_n_parts(a), 2);
    assert_int_equal(archive_n_tensors(a), 3);
    assert_int_equal(archive_find(a, "a.weight", -1)->part, 0);
    assert_int_equal(archive_find(a, "c.weight", -1)->part, 1);
    assert_null(archive_find(a, "c.weight", 0));
    assert_string_equal(archive_part_path(a, 1),
                        "tests/format/data/shards-00002-of-00002.safetensors");
    assert_string_equal(archive_path(a), "tests/format/data/shards.safetensors.index.json");
    assert_null(archive_part_path(a, 2));
    assert_int_equal(archive_part_map(a, 1)->size, 116);
    assert_int_equal(archive_n_meta(a), 1);
    holds(a, "c.weight", "F32", 1, SHAPE(3), (const float[]){2, 2, 2}, 12);
    archive_close(a);
}

/* Meta's consolidated.NN.pth have the same names in every part. */
static void parts_may_repeat_names(void **state) {
    (void)state;
    struct archive *a;
    const char *const paths[] = {"tests/format/data/single.safetensors",
                                 "tests/format/data/single.safetensors"};
    ok(archive_open_parts(&a, paths, 2));
    assert_int_equal(archive_n_tensors(a), 22);
    assert_int_equal(archive_find(a, "ramp", 0)->part, 0);
    assert_int_equal(archive_find(a, "ramp", 1)->part, 1);
    assert_int_equal(archive_find(a, "ramp", -1)->part, 0);
    assert_int_equal(archive_n_meta(a), 1);
    archive_close(a);
    assert_int_equal(archive_open_parts(&a, paths, 0), GLASS_USAGE);
    assert_null(a);
}

/* ---- bad files ---- */

/* header with its length in front, then n bytes of data. */
static void make(struct buf *b, const char *header, size_t n_data) {
    buf_clear(b);
    size_t n = strlen(header);
    for (int i = 0; i < 8; i++) ok(buf_byte(b, (char)(n >> (8 * i))));
    ok(buf_text(b, header));
    for (size_t i = 0; i < n_data; i++) ok(buf_byte(b, (char)i));
}

#define T(name, type, shape, begin, end)                                                   \
    "\"" name "\":{\"dtype\":\"" type "\",\"shape\":[" shape "],\"data_offsets\":[" begin  \
    "," end "]}"

static const struct {
    const char *header;
    size_t n_data;
    const char *words; /* "": it is good */
} cases[] = {
    {"{}", 0, ""},
    {"{ } \n\t ", 0, ""},
    {"{" T("a", "F32", "1", "0", "4") "}", 4, ""},
    {"{" T("a", "F32", "", "0", "4") "," T("b", "U8", "0", "4", "4") "}", 4, ""},
    {"{" T("b", "U8", "1", "4", "5") "," T("a", "F32", "", "0", "4") "}", 5, ""},
    {"{\"a\" : { \"shape\" : [ 2 , 1 ] , \"more\" : [{\"x\":[1,-2.5e3,null]},true,\"]\"] ,"
     " \"data_offsets\":[0,2], \"dtype\":\"I8\" } }",
     2, ""},
    {"{" T("\\u00e4\\ud83e\\udd99\\/", "I8", "1", "0", "1") "}", 1, ""},
    {"{" T("a", "F4", "4", "0", "2") "}", 2, ""},
    {"{\"__metadata__\":{}," T("a", "I8", "1", "0", "1") "}", 1, ""},
    {"[]", 0, "byte 8: the header does not begin with '{'"},
    {"{", 0, "byte 9: the JSON ends where a name in quotes should be"},
    {"{} x", 0, "byte 11: 'x' in the JSON where the end should be"},
    {"{,}", 0, "byte 9: ',' in the JSON where a name in quotes should be"},
    {"{\"a\"}", 0, "byte 12: '}' in the JSON where ':' should be"},
    {"{\"a\":1}", 0, "'1' in the JSON where '{' should be"},
    {"{\"a\":{}}", 0, "where a name in quotes should be"},
    {"{\"a\":{\"dtype\":\"F32\"}}", 0, "tensor \"a\" has no field \"shape\""},
    {"{\"a\":{\"shape\":[1]}}", 0, "tensor \"a\" has no field \"dtype\""},
    {"{\"a\":{\"shape\":[1],\"dtype\":\"I8\"}}", 1,
     "tensor \"a\" has no field \"data_offsets\""},
    {"{\"a\":{\"shape\":[1],\"shape\":[1]}}", 0, "tensor \"a\" has two fields \"shape\""},
    {"{" T("a", "F32", "1", "0", "4") "," T("a", "F32", "1", "4", "8") "}", 8,
     "the tensor \"a\" is there twice"},
    {"{" T("a", "F33", "1", "0", "4") "}", 4,
     "tensor \"a\" is of the unknown type \"F33\""},
    {"{" T("a", "f32", "1", "0", "4") "}", 4, "unknown type \"f32\""},
    {"{" T("a", "F32", "-1", "0", "4") "}", 4, "'-' in the JSON where a dimension"},
    {"{" T("a", "F32", "1.0", "0", "4") "}", 4, "a dimension is not written as a whole"},
    {"{" T("a", "F32", "1e0", "0", "4") "}", 4, "a dimension is not written as a whole"},
    {"{" T("a", "F32", "01", "0", "4") "}", 4, "a dimension is not written as a whole"},
    {"{" T("a", "F32", "9223372036854775808", "0", "4") "}", 4,
     "a dimension is too large to be counted"},
    {"{" T("a", "F32", "4294967296,4294967296", "0", "4") "}", 4,
     "shape whose bytes cannot be counted"},
    {"{" T("a", "F32", "4611686018427387904", "0", "4") "}", 4,
     "shape whose bytes cannot be counted"},
    {"{" T("a", "F32", "4294967296,4294967296,0", "0", "0") "}", 0, ""},
    {"{" T("a", "F4", "3", "0", "2") "}", 2, "shape whose bytes cannot be counted"},
    {"{" T("a", "F32", "1,1,1,1,1,1,1,1,1", "0", "4") "}", 4, "more than 8 dimensions"},
    {"{" T("a", "F32", "2", "0", "4") "}", 4,
     "tensor \"a\" takes 8 bytes by its shape and type, but its offsets are 0 and 4"},
    {"{" T("a", "F32", "1", "4", "0") "}", 4, "its offsets are 4 and 0"},
    {"{" T("a", "F32", "1", "18446744073709551612", "0") "}", 4, "an offset is too large"},
    {"{" T("a", "F32", "1", "4", "8") "}", 8,
     "begins at offset 4, but the one before it ends at 0: there is a hole"},
    {"{" T("a", "F32", "1", "0", "4") "," T("b", "F32", "1", "2", "6") "}", 6,
     "tensor \"b\" begins at offset 2, but the one before it ends at 4: they overlap"},
    {"{" T("a", "F32", "1", "0", "4") "," T("b", "F32", "1", "0", "4") "}", 4,
     "they overlap"},
    {"{" T("a", "F32", "1", "0", "4") "}", 3,
     "tensor \"a\" ends at offset 4, but the file has only 3 bytes of data"},
    {"{" T("a", "F32", "1", "0", "4") "}", 5,
     "the tensors end at offset 4, but the file has 5 bytes of data"},
    {"{}", 1, "the tensors end at offset 0, but the file has 1 bytes of data"},
    {"{" T("", "F32", "1", "0", "4") "}", 4, "a tensor's name of 0 bytes; 1 to 512"},
    {"{" T("a\\n", "F32", "1", "0", "4") "}", 4, "a tensor's name holds the byte 0x0a"},
    {"{" T("a\n", "F32", "1", "0", "4") "}", 4, "holds the byte 0x0a"},
    {"{" T("a\xff", "F32", "1", "0", "4") "}", 4, "holds the byte 0xff"},
    {"{" T("a\\x", "F32", "1", "0", "4") "}", 4, "where an escape's letter should be"},
    {"{" T("a\\u12g4", "F32", "1", "0", "4") "}", 4, "where a hexadecimal digit should be"},
    {"{" T("a\\u0000", "F32", "1", "0", "4") "}", 4, "\\u0000 in the JSON is no character"},
    {"{" T("a\\ud800", "F32", "1", "0", "4") "}", 4, "\\ud800 in the JSON is no character"},
    {"{" T("a\\ud800\\u0041", "F32", "1", "0", "4") "}", 4, "is no character"},
    {"{" T("a\\udc00", "F32", "1", "0", "4") "}", 4, "\\udc00 in the JSON is no character"},
    {"{\"__metadata__\":{\"a\":1}}", 0, "where a text of __metadata__ should be"},
    {"{\"__metadata__\":{\"a\":\"b\",\"a\":\"c\"}}", 0,
     "__metadata__ has the key \"a\" twice"},
    {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "__metadata__ is there twice"},
    {"{\"a\":{\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
     "1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}}",
     0, "JSON more than 64 levels deep"},
    {"{\"a\":{\"x\":[1 2]}}", 0, "where ',' or ']' should be"},
    {"{\"a\":{\"x\":{1:2}}}", 0, "where a name in quotes should be"},
    {"{\"a\":{\"x\":\"\\\"}}", 0, "the JSON ends where the end of a string should be"},
};

static void each_error_has_its_message(void **state) {
    (void)state;
    struct buf b = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct archive *a;
        char *copy;
        make(&b, cases[i].header, cases[i].n_data);
        if (cases[i].words[0] != '\0') {
            refused(b.data, b.len, cases[i].words);
            continue;
        }
        ok(open_copy(&a, &copy, b.data, b.len));
        read_all(a);
        archive_close(a);
        free(copy);
    }
    buf_free(&b);
}

static void lengths_are_bounded(void **state) {
    (void)state;
    struct buf b = {0};
    make(&b, "{" T("a", "F32", "1", "0", "4") "}", 4);
    b.data[3] = 6; /* 100663350 */
    refused(b.data, b.len,
            "byte 0: a header of 100663350 bytes; safetensors allows 100000000");
    b.data[3] = 5;
    refused(b.data, b.len, "the header needs 83886134 bytes but the file ends");
    refused("\0\0\0\0\0\0\0\0", 8, "byte 8: the header does not begin with '{'");
    memset(b.data, 0xff, 8);
    refused(b.data, b.len, "byte 0: a header of 18446744073709551615 bytes");
    buf_free(&b);
}

static void strangers_are_named(void **state) {
    (void)state;
    static char tar[512];
    memcpy(tar, "sys_info", 8);
    memcpy(tar + 257, "ustar", 5);
    refused("", 0, "the file is empty");
    refused("GGUF\3\0\0\0", 8, "this is a GGUF file");
    refused("version https://git-lfs.github.com/spec/v1", 42, "a Git LFS pointer");
    refused("<!DOCTYPE html><html>", 21, "a web page");
    refused("\x89HDF\r\n\x1a\n", 8, "an HDF5 file");
    refused("\x93NUMPY\1\0", 8, "a NumPy array");
    refused(tar, sizeof tar, "a tar archive");
    refused("hello", 5,
            "neither safetensors, nor of PyTorch, nor of llama2.c: it starts with "
            "68 65 6c 6c");
}

static void read_file(struct buf *b, const char *path) {
    ok(path_read_whole(b, path, 1 << 20));
}

static void cuts_and_flips(void **state) {
    (void)state;
    struct buf b = {0};
    read_file(&b, "tests/format/data/single.safetensors");
    cut_anywhere(b.data, b.len);
    /* Text and weights may flip unnoticed; structure may not. */
    assert_true(flip_all_bits(b.data, b.len) > 112 * 8);
    buf_free(&b);
}

static void allocations_may_fail(void **state) {
    (void)state;
    assert_true(fail_each_allocation("tests/format/data/single.safetensors") > 8);
    assert_true(fail_each_allocation("tests/format/data/shards.safetensors.index.json") >
                16);
}

/* A header of a million empty things in a field that nobody reads takes no memory, and the
 * tensors' own memory is in proportion. */
static void memory_follows_the_file(void **state) {
    (void)state;
    struct buf b = {0}, header = {0};
    struct archive *a;
    ok(buf_text(&header, "{\"a\":{\"x\":[[]"));
    for (int i = 0; i < 1000000; i++) ok(buf_text(&header, ",[]"));
    ok(buf_text(&header, "],\"dtype\":\"I8\",\"shape\":[0],\"data_offsets\":[0,0]}}"));
    make(&b, header.data, 0);
    mem_asked_bytes();
    ok(archive_open_memory(&a, b.data, b.len, "big"));
    assert_true(mem_asked_bytes() < 20000);
    archive_close(a);
    buf_free(&b);
    buf_free(&header);
}

/* ---- indexes ---- */

static void write_text(const char *name, const char *text) {
    ok(path_write_whole(in_folder(name), text, strlen(text)));
}

static void write_shard(const char *name, const char *tensor) {
    struct buf b = {0};
    char header[200];
    snprintf(header, sizeof header, "{" T("%s", "I8", "1", "0", "1") "}", tensor);
    make(&b, header, 1);
    ok(path_write_whole(in_folder(name), b.data, b.len));
    buf_free(&b);
}

static void indexes_must_agree(void **state) {
    (void)state;
    static const struct {
        const char *text, *words;
    } indexes[] = {
        {"{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}}", ""},
        {" {\"metadata\":{\"x\":[1,{}]},\"weight_map\":{\"a\":\"one.safetensors\"}}\n", ""},
        {"{}", "JSON without a weight_map"},
        {"{\"weight_map\":{}}", "JSON without a weight_map"},
        {"{\"weight_map\":[]}", "where '{' should be"},
        {"{\"weight_map\":{\"a\":1}}", "where a file's name in quotes should be"},
        {"{\"weight_map\":{\"a\":\"one.safetensors\"},\"weight_map\":{}}",
         "weight_map is there twice"},
        {"{\"weight_map\":{\"a\":\"one.safetensors\"}} x", "where the end should be"},
        {"{\"weight_map\":{\"a\":\"../one.safetensors\"}}",
         "\"../one.safetensors\" is not the plain name of a file beside the index"},
        {"{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "is not the plain name"},
        {"{\"weight_map\":{\"a\":\"..\"}}", "\"..\" is not the plain name"},
        {"{\"weight_map\":{\"a\":\"\"}}", "\"\" is not the plain name"},
        {"{\"weight_map\":{\"a\":\"x\\\\y\"}}", "is not the plain name"},
        {"{\"weight_map\":{\"a\":\"x\\ny\"}}", "is not the plain name"},
        {"{\"weight_map\":{\"a\":\"three.safetensors\"}}", "three.safetensors: named by"},
        {"{\"weight_map\":{\"c\":\"one.safetensors\"}}",
         "the tensor \"c\" is not in one.safetensors, where it should be"},
        {"{\"weight_map\":{\"a\":\"one.safetensors\",\"a\":\"two.safetensors\"}}",
         "the tensor \"a\" is in weight_map twice"},
        {"{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"both.safetensors\"}}",
         "the tensor \"a\" is also in"},
        {"{\"weight_map\":{\"\":\"one.safetensors\"}}", "a tensor's name of 0 bytes"},
        {"{\"weight_map\":{\"a\":\"self.index.json\"}}",
         "self.index.json: byte 0: neither"},
    };
    struct buf both = {0};
    write_shard("one.safetensors", "a");
    write_shard("two.safetensors", "b");
    make(&both, "{" T("a", "I8", "1", "0", "1") "," T("b", "I8", "1", "1", "2") "}", 2);
    ok(path_write_whole(in_folder("both.safetensors"), both.data, both.len));
    buf_free(&both);
    write_text("self.index.json", "{\"weight_map\":{\"a\":\"self.index.json\"}}");
    for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++) {
        struct archive *a;
        write_text("m.index.json", indexes[i].text);
        glass_status status = archive_open(&a, in_folder("m.index.json"));
        if (indexes[i].words[0] == '\0') {
            ok(status);
            archive_close(a);
            continue;
        }
        assert_int_equal(status, GLASS_BAD_INPUT);
        assert_null(a);
        says(indexes[i].words);
    }
}

static void cut_index_is_an_error(void **state) {
    (void)state;
    static const char text[] =
        "{\"metadata\":{\"total_size\":1},\"weight_map\":{\"a\":\"one.safetensors\"}}";
    write_shard("one.safetensors", "a");
    for (size_t n = 0; n < sizeof text; n++) {
        struct archive *a;
        ok(path_write_whole(in_folder("m.index.json"), text, n));
        glass_status status = archive_open(&a, in_folder("m.index.json"));
        assert_int_equal(status, n == sizeof text - 1 ? GLASS_OK : GLASS_BAD_INPUT);
        archive_close(a);
    }
}

/* ---- the writer ---- */

static glass_status write_some(const char *path, size_t shard_bytes) {
    struct safetensors_writer *w;
    glass_status status;
    static const double numbers[] = {1, 2, 3, 4, 5, 6, 7, 8};
    TRY(safetensors_writer_create(&w, path, shard_bytes));
    TRY_FAIL(safetensors_put_meta(w, "format", "pt"));
    TRY_FAIL(safetensors_put_meta(w, "title", "größe \"x\"\n"));
    TRY_FAIL(safetensors_put_tensor(w, "odd", GLASS_I8, 1, SHAPE(3)));
    TRY_FAIL(safetensors_put_tensor(w, "empty", GLASS_F32, 2, SHAPE(0, 5)));
    TRY_FAIL(safetensors_put_tensor(w, "wide", GLASS_F64, 2, SHAPE(2, 2)));
    TRY_FAIL(safetensors_put_typed(w, "mask", "BOOL", 1, SHAPE(1)));
    TRY_FAIL(safetensors_put_tensor(w, "brain", GLASS_BF16, 1, SHAPE(2)));
    TRY_FAIL(safetensors_put_tensor(w, "scalar", GLASS_F32, 0, NULL));
    for (size_t at = 0; at < 44; at += 11)
        TRY_FAIL(safetensors_put_data(w, (const char *)numbers + at, 11));
    return safetensors_writer_finish(w);
fail:
    safetensors_writer_free(w);
    return status;
}

static void check_some(const struct archive *a) {
    static const double numbers[] = {1, 2, 3, 4, 5, 6, 7, 8};
    const char *bytes = (const char *)numbers;
    assert_int_equal(archive_n_tensors(a), 6);
    holds(a, "odd", "I8", 1, SHAPE(3), bytes, 3);
    holds(a, "empty", "F32", 2, SHAPE(0, 5), "", 0);
    holds(a, "wide", "F64", 2, SHAPE(2, 2), bytes + 3, 32);
    holds(a, "mask", "BOOL", 1, SHAPE(1), bytes + 35, 1);
    holds(a, "brain", "BF16", 1, SHAPE(2), bytes + 36, 4);
    holds(a, "scalar", "F32", 0, none, bytes + 40, 4);
    const char *key, *value;
    archive_meta(a, 1, &key, &value);
    assert_string_equal(key, "title");
    assert_string_equal(value, "größe \"x\"\n");
}

static void writer_round_trip(void **state) {
    (void)state;
    struct archive *a;
    ok(write_some(in_folder("w.safetensors"), 0));
    ok(archive_open(&a, in_folder("w.safetensors")));
    check_some(a);
    /* Every tensor is aligned to its numbers, the data to 8 bytes. */
    const uint8_t *start = archive_part_map(a, 0)->data;
    assert_int_equal((archive_find(a, "wide", 0)->data - start) % 8, 0);
    assert_int_equal((archive_find(a, "scalar", 0)->data - start) % 4, 0);
    assert_int_equal((archive_find(a, "brain", 0)->data - start) % 2, 0);
    archive_close(a);
    /* A limit that everything fits into changes nothing. */
    ok(write_some(in_folder("whole.safetensors"), 44));
    ok(archive_open(&a, in_folder("whole.safetensors")));
    check_some(a);
    archive_close(a);
}

static void writer_cuts_shards(void **state) {
    (void)state;
    struct archive *a;
    ok(write_some(in_folder("s.safetensors"), 33));
    assert_int_equal(access(in_folder("s.safetensors"), F_OK), -1);
    ok(archive_open(&a, in_folder("s.safetensors.index.json")));
    check_some(a);
    assert_int_equal(archive_n_parts(a), 3);
    assert_int_equal(archive_find(a, "odd", -1)->part, 0);
    assert_int_equal(archive_find(a, "wide", -1)->part, 1);
    assert_int_equal(archive_find(a, "mask", -1)->part, 1);
    assert_int_equal(archive_find(a, "scalar", -1)->part, 2);
    assert_string_equal(archive_part_path(a, 2), in_folder("s-00003-of-00003.safetensors"));
    archive_close(a);
    struct buf index = {0};
    ok(path_read_whole(&index, in_folder("s.safetensors.index.json"), 10000));
    assert_non_null(strstr(index.data, "\"total_size\": 44"));
    assert_non_null(strstr(index.data, "\"brain\": \"s-00003-of-00003.safetensors\""));
    buf_free(&index);
}

/* Nothing with this name, nor anything begun, is in the folder. */
static void nothing_is_left(const char *stem) {
    char command[200];
    snprintf(command, sizeof command, "ls %s | grep -q '^%s'", folder, stem);
    assert_int_not_equal(system(command), 0);
}

static void writer_refuses(void **state) {
    (void)state;
    struct safetensors_writer *w;
    assert_int_equal(safetensors_writer_create(&w, in_folder("bad.bin"), 0), GLASS_USAGE);
    assert_int_equal(safetensors_writer_create(&w, ".safetensors", 0), GLASS_USAGE);
    assert_null(w);
    ok(safetensors_writer_create(&w, in_folder("bad.safetensors"), 0));
    assert_int_equal(safetensors_put_tensor(w, "q", GLASS_Q8_0, 1, SHAPE(32)), GLASS_USAGE);
    assert_int_equal(safetensors_put_typed(w, "q", "F99", 1, SHAPE(32)), GLASS_USAGE);
    assert_int_equal(safetensors_put_tensor(w, "q", GLASS_F32, 1, SHAPE(-1)), GLASS_USAGE);
    assert_int_equal(safetensors_put_tensor(w, "q\xff", GLASS_F32, 1, SHAPE(1)),
                     GLASS_USAGE);
    assert_int_equal(
        safetensors_put_tensor(w, "q", GLASS_F32, 2, SHAPE(1ll << 40, 1 << 30)),
        GLASS_USAGE);
    ok(safetensors_put_tensor(w, "t", GLASS_F32, 1, SHAPE(1)));
    ok(safetensors_put_data(w, "abc", 3));
    assert_int_equal(safetensors_put_meta(w, "k", "v"), GLASS_USAGE);
    assert_int_equal(safetensors_put_tensor(w, "u", GLASS_F32, 1, SHAPE(1)), GLASS_USAGE);
    assert_int_equal(safetensors_put_data(w, "abc", 3), GLASS_USAGE);
    says("2 bytes more than the tensors take");
    safetensors_writer_free(w);
    ok(safetensors_writer_create(&w, in_folder("bad.safetensors"), 0));
    ok(safetensors_put_tensor(w, "t", GLASS_F32, 1, SHAPE(1)));
    ok(safetensors_put_data(w, "abc", 3));
    assert_int_equal(safetensors_writer_finish(w), GLASS_BAD_INPUT);
    says("the data of tensor 1 of 1 is missing");
    for (size_t shard = 0; shard <= 1; shard++) { /* in one file, in two */
        ok(safetensors_writer_create(&w, in_folder("bad.safetensors"), shard));
        ok(safetensors_put_tensor(w, "t", GLASS_I8, 1, SHAPE(1)));
        ok(safetensors_put_tensor(w, "t", GLASS_I8, 1, SHAPE(1)));
        ok(safetensors_put_data(w, "ab", 2));
        assert_int_equal(safetensors_writer_finish(w), GLASS_BAD_INPUT);
        says("twice");
    }
    nothing_is_left("bad");
    ok(safetensors_writer_create(&w, in_folder("none/bad.safetensors"), 0));
    assert_int_equal(safetensors_writer_finish(w), GLASS_SYSTEM);
}

static void writer_allocations_may_fail(void **state) {
    (void)state;
    for (size_t shard = 0; shard <= 33; shard += 33) {
        int64_t n = 1;
        for (;; n++) {
            mem_fail_at(n);
            glass_status status = write_some(in_folder("some.safetensors"), shard);
            mem_fail_at(0);
            if (status == GLASS_OK) break;
            assert_int_equal(status, GLASS_NO_MEMORY);
            assert_int_equal(access(in_folder("some.safetensors"), F_OK), -1);
            assert_int_equal(access(in_folder("some.safetensors.index.json"), F_OK), -1);
        }
        assert_true(n > 15);
        unlink(in_folder("some.safetensors"));
    }
}

/* A disk that is full: the limit on file sizes makes write(2) fail the same way. */
static void writer_reports_a_full_disk(void **state) {
    (void)state;
    struct safetensors_writer *w;
    struct rlimit old, tight;
    static char zeros[1 << 16];
    glass_status status = GLASS_OK;
    ok(safetensors_writer_create(&w, in_folder("full.safetensors"), 0));
    ok(safetensors_put_tensor(w, "t", GLASS_I8, 1, SHAPE(sizeof zeros * 4)));
    getrlimit(RLIMIT_FSIZE, &old);
    tight = old;
    tight.rlim_cur = 100000;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &tight);
    for (int i = 0; i < 4 && status == GLASS_OK; i++)
        status = safetensors_put_data(w, zeros, sizeof zeros);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, handler);
    safetensors_writer_free(w);
    assert_int_equal(status, GLASS_SYSTEM);
    says("File too large");
    nothing_is_left("full");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_implementations_file_reads),
        cmocka_unit_test(shards_read_as_one),
        cmocka_unit_test(parts_may_repeat_names),
        cmocka_unit_test(each_error_has_its_message),
        cmocka_unit_test(lengths_are_bounded),
        cmocka_unit_test(strangers_are_named),
        cmocka_unit_test(cuts_and_flips),
        cmocka_unit_test(allocations_may_fail),
        cmocka_unit_test(memory_follows_the_file),
        cmocka_unit_test(indexes_must_agree),
        cmocka_unit_test(cut_index_is_an_error),
        cmocka_unit_test(writer_round_trip),
        cmocka_unit_test(writer_cuts_shards),
        cmocka_unit_test(writer_refuses),
        cmocka_unit_test(writer_allocations_may_fail),
        cmocka_unit_test(writer_reports_a_full_disk),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
