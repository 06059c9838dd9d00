/* test_torch.c - what torch.save writes: good files of torch itself, one bad file per error
 * for the zip archive, the pickle and the storages, cuts, bit flips, failing allocations. */
#include "archive_check.h"
#include "format/archive_parts.h"
#include "format/pickle.h"
#include "zip_maker.h"

static const int64_t none[1];
#define SHAPE(...)                                                                         \
    (const int64_t[]) {                                                                    \
        __VA_ARGS__                                                                        \
    }

/* ---- good files ---- */

static void check_state(const struct archive *a, const char *prefix) {
    static const float ramp[] = {0, 1, 2, 3, 4, 5}, turned[] = {0, 3, 1, 4, 2, 5};
    char name[40];
#define NAME(text) (snprintf(name, sizeof name, "%s" text, prefix), name)
    holds(a, NAME("ramp"), "torch.FloatStorage", 2, SHAPE(2, 3), ramp, 24);
    const uint8_t *start = archive_find(a, name, 0)->data;
    holds(a, NAME("turned"), "torch.FloatStorage", 2, SHAPE(3, 2), turned, 24);
    holds(a, NAME("column"), "torch.FloatStorage", 1, SHAPE(2), (const float[]){1, 4}, 8);
    holds(a, NAME("row"), "torch.FloatStorage", 1, SHAPE(3), ramp + 3, 12);
    assert_ptr_equal(archive_find(a, name, 0)->data, start + 12); /* shared, not copied */
    holds(a, NAME("repeated"), "torch.IntStorage", 2, SHAPE(2, 2),
          (const int32_t[]){7, 7, 7, 7}, 16);
    holds(a, NAME("half"), "torch.HalfStorage", 1, SHAPE(3),
          (const uint16_t[]){0x3c00, 0xc000, 0x3800}, 6);
    holds(a, NAME("brain"), "torch.BFloat16Storage", 2, SHAPE(1, 2),
          (const uint16_t[]){0x3fc0, 0xc040}, 4);
    holds(a, NAME("scalar"), "torch.DoubleStorage", 0, none, (const double[]){2.5}, 8);
    holds(a, NAME("long"), "torch.LongStorage", 1, SHAPE(2),
          (const int64_t[]){1ll << 40, -1}, 16);
    holds(a, NAME("mask"), "torch.BoolStorage", 1, SHAPE(2), "\1\0", 2);
    holds(a, NAME("none"), "torch.FloatStorage", 2, SHAPE(0, 4), "", 0);
    assert_true(archive_find(a, NAME("half"), 0)->known);
    assert_int_equal(archive_find(a, NAME("half"), 0)->dtype, GLASS_F16);
    assert_false(archive_find(a, NAME("mask"), 0)->known);
#undef NAME
}

static void files_of_torch_read(void **state) {
    (void)state;
    static const struct {
        const char *name, *kind;
    } files[] = {{"zip4.bin", "PyTorch"}, {"legacy.bin", "PyTorch before 1.6"}};
    char path[100];
    struct archive *a;
    for (int i = 0; i < 2; i++) {
        is_recorded(files[i].name);
        snprintf(path, sizeof path, "tests/format/data/%s", files[i].name);
        ok(archive_open(&a, path));
        assert_int_equal(archive_n_tensors(a), 11);
        assert_string_equal(archive_kind(a, 0), files[i].kind);
        assert_int_equal(archive_n_meta(a), 0);
        check_state(a, "");
        ok(archive_verify(a));
        archive_close(a);
    }
}

static void nested_dicts_have_dotted_names(void **state) {
    (void)state;
    struct archive *a;
    is_recorded("zip.bin");
    ok(archive_open(&a, "tests/format/data/zip.bin"));
    assert_int_equal(archive_n_tensors(a), 14);
    check_state(a, "model.");
    holds(a, "optimizer.state.0.step", "torch.FloatStorage", 0, none, (const float[]){3},
          4);
    holds(a, "list.0", "torch.CharStorage", 1, SHAPE(1), "\11", 1);
    holds(a, "list.1.1", "torch.ShortStorage", 1, SHAPE(1), "\10\0", 2);
    archive_close(a);
}

static void verify_finds_damage(void **state) {
    (void)state;
    struct buf b = {0};
    struct archive *a;
    static const float ramp[] = {0, 1, 2, 3, 4, 5};
    ok(path_read_whole(&b, "tests/format/data/zip.bin", 1 << 20));
    char *data = memmem(b.data, b.len, ramp, sizeof ramp);
    assert_non_null(data);
    data[4] ^= 1;
    ok(archive_open_memory(&a, b.data, b.len, "damaged"));
    assert_int_equal(archive_verify(a), GLASS_BAD_INPUT);
    says("damaged: byte ");
    says("the zip member \"zip/data/0\" does not have the CRC-32");
    archive_close(a);
    buf_free(&b);
    assert_int_equal(zip_crc(0, (const uint8_t *)"123456789", 9), 0xcbf43926);
    static uint8_t zeros[5000];
    assert_int_equal(zip_crc(0, zeros, 5000),
                     zip_crc(zip_crc(0, zeros, 1000), zeros, 4000));
    assert_int_equal(zip_crc(zip_crc(0, zeros, 4000), zeros, 1000),
                     zip_crc(0, zeros, 5000));
    assert_int_equal(
        zip_crc(zip_crc(0, (const uint8_t *)"1234", 4), (const uint8_t *)"56789", 5),
        0xcbf43926);
}

/* ---- pickles ---- */

#define STORAGE(key, type, n)                                                              \
    "(X\7\0\0\0storagectorch\n" type "\nX\1\0\0\0" key "X\3\0\0\0cpuK" n "tQ"
/* A tensor of the storage "0" with sixteen floats; shape and strides as opcodes. */
#define TENSOR_OF(storage, offset, shape, strides)                                         \
    "ctorch._utils\n_rebuild_tensor_v2\n(" storage offset shape strides "\x89"             \
    "ccollections\nOrderedDict\n)RtR"
#define TENSOR(offset, shape, strides)                                                     \
    TENSOR_OF(STORAGE("0", "FloatStorage", "\20"), offset, shape, strides)
#define NAMED(tensor) "\x80\2}X\1\0\0\0w" tensor "s."
#define PLAIN         TENSOR("K\0", "K\4\x85", "K\1\x85")
#define SHORT         "ctorch._utils\n_rebuild_tensor_v2\n"

struct bytes {
    const char *text;
    size_t n;
};
#define B(text)                                                                            \
    { text, sizeof(text) - 1 }

/* The archive around a pickle: storages "0" of 64 bytes and "1" of none. */
static void make_archive(struct zip_maker *z, struct bytes pickle) {
    static char storage[64];
    for (size_t i = 0; i < sizeof storage; i++) storage[i] = (char)i;
    z->n = 0;
    buf_clear(&z->b);
    zip_add(z, "archive/data.pkl", pickle.text, pickle.n);
    zip_add(z, "archive/byteorder", "little", 6);
    zip_add(z, "archive/data/0", storage, sizeof storage);
    zip_add(z, "archive/data/1", "", 0);
    zip_finish(z);
}

/* Opens it; the archive points into z. */
static glass_status open_pickle(struct archive **a, struct zip_maker *z,
                                struct bytes pickle) {
    make_archive(z, pickle);
    return archive_open_memory(a, z->b.data, z->b.len, "sample");
}

static const struct {
    struct bytes pickle;
    const char *words;
} bad_pickles[] = {
    /* names and calls */
    {B("\x80\2"
       "cos\nsystem\nX\2\0\0\0ls\x85R."),
     "refused: os.system at byte 2 of data.pkl"},
    {B("\x80\4\x8c\5posix\x8c\6system\x93\x8c\2ls\x85R."),
     "refused: posix.system at byte 17 of data.pkl"},
    {B("\x80\2"
       "c__builtin__\neval\n."),
     "refused: __builtin__.eval"},
    {B("\x80\2"
       "ctorch\nload\n."),
     "refused: torch.load"},
    {B("\x80\2"
       "cto\x1brch\nlo\nad\n."),
     "refused: to?rch.lo at byte 2"},
    {B("\x80\2NNR."), "refused: a call of what is no allowed function"},
    {B("\x80\2"
       "ctorch\nSize\nNR."),
     "refused: a call of what is no allowed function"},
    {B("\x80\2"
       "ccollections\nOrderedDict\nN\x85R."),
     "refused: a dict made of arguments"},
    {B("\x80\2NN\x93."), "a global without a name"},
    {B("\x80\2]}b."), "refused: a state set on what has none"},
    /* opcodes */
    {B("\x80\2(ios\nsystem\n."), "refused: the opcode INST (0x69) at byte 3 of data.pkl"},
    {B("\x80\2(N)o."), "the opcode OBJ (0x6f)"},
    {B("\x80\2N)\x81."), "the opcode NEWOBJ (0x81)"},
    {B("\x80\2N)}\x92."), "the opcode NEWOBJ_EX (0x92)"},
    {B("\x80\2\x82\1."), "the opcode EXT1 (0x82)"},
    {B("\x80\2Pid\n."), "the opcode PERSID (0x50)"},
    {B("\x80\2S'a'\n."), "the opcode STRING (0x53)"},
    {B("\x80\2\x8f."), "the opcode EMPTY_SET (0x8f)"},
    {B("\x80\2\x96\0\0\0\0\0\0\0\0."), "the opcode BYTEARRAY8 (0x96)"},
    {B("\x80\2\xff."), "the opcode that does not exist (0xff)"},
    {B("\x80\2N2."), "the opcode DUP (0x32)"},
    {B("\x80\1N."), "pickle protocol 1 in data.pkl; Glass reads 2 to 5"},
    {B("\x80\6N."), "pickle protocol 6"},
    /* the stack, marks, the memo */
    {B("\x80\2."), "the pickle ends with more or less than one object"},
    {B("\x80\2NN."), "the pickle ends with more or less than one object"},
    {B("\x80\2N(."), "the pickle ends with more or less than one object"},
    {B("\x80\2"
       "0."),
     "an opcode without its operands at byte 2"},
    {B("\x80\2N\x86."), "an opcode without its operands"},
    {B("\x80\2}(Ns."), "an opcode without its operands"},
    {B("\x80\2"
       "N(0."),
     "an opcode without its operands"},
    {B("\x80\2t."), "an opcode without its mark at byte 2"},
    {B("\x80\2"
       "1."),
     "an opcode without its mark"},
    {B("\x80\2}(Nu."), "items set in what is no dict"},
    {B("\x80\2](NNu."), "items set in what is no dict"},
    {B("\x80\2}NN]NNs."), "an item set in what is no dict"},
    {B("\x80\2}Na."), "an item added to what is no list"},
    {B("\x80\2)(NNe."), "items added to what is no list"},
    {B("\x80\2Nq\1."), "refused: a memo entry out of order"},
    {B("\x80\2Nr\xff\xff\xff\x7f."), "refused: a memo entry out of order"},
    {B("\x80\2h\0."), "a memo entry that was never made"},
    {B("\x80\2Nq\0j\1\0\0\0."), "a memo entry that was never made"},
    {B("\x80\2q\0."), "an opcode without its operands"},
    {B("\x80\2Q."), "an opcode without its operands"},
    /* lengths */
    {B("\x80\2X\xff\xff\xff\xff."), "data.pkl ends inside the opcode at byte 2; it is cut"},
    {B("\x80\4\x8d\0\0\0\0\1\0\0\0."), "a text that is too long at byte 2"},
    {B("\x80\2\x8a\xff."), "ends inside the opcode at byte 2"},
    {B("\x80\2"
       "ctorch\nSi"),
     "ends inside the opcode at byte 2"},
    {B("\x80\4\x95\xff\0\0\0\0\0\0\0N."), "a frame longer than the pickle"},
    {B("\x80\2N.N"), "bytes after the end of the pickle data.pkl"},
    {B(""), "data.pkl ends inside the opcode at byte 0"},
    /* storages */
    {B(NAMED(TENSOR_OF("K\1Q", "K\0", "K\4\x85", "K\1\x85"))),
     "refused: something saved apart that is no storage at byte"},
    {B(NAMED(TENSOR_OF("(X\7\0\0\0storageX\1\0\0\0fX\1\0\0\0000X\3\0\0\0cpuK\20tQ", "K\0",
                       "K\4\x85", "K\1\x85"))),
     "refused: something saved apart that is no storage"},
    {B(NAMED(TENSOR_OF(STORAGE("0", "Size", "\20"), "K\0", "K\4\x85", "K\1\x85"))),
     "refused: a storage of what is no storage's type"},
    {B(NAMED(TENSOR_OF("(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0000X\3\0\0\0cpuJ"
                       "\xff\xff\xff\xfftQ",
                       "K\0", "K\4\x85", "K\1\x85"))),
     "a storage of impossible size or name"},
    {B(NAMED(TENSOR_OF(STORAGE("9", "FloatStorage", "\20"), "K\0", "K\4\x85", "K\1\x85"))),
     "a storage whose bytes are not in the archive"},
    {B(NAMED(TENSOR_OF(STORAGE("0", "FloatStorage", "\21"), "K\0", "K\4\x85", "K\1\x85"))),
     "a storage that claims more bytes than the file has"},
    {B(NAMED(TENSOR_OF(STORAGE("1", "FloatStorage", "\1"), "K\0", "K\1\x85", "K\1\x85"))),
     "a storage that claims more bytes than the file has"},
    {B(NAMED(TENSOR_OF("(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0000X\3\0\0\0cpu"
                       "\x8a\10\0\0\0\0\0\0\0\x40tQ",
                       "K\0", "K\4\x85", "K\1\x85"))),
     "a storage that claims more bytes than the file has"},
    /* tensors */
    {B(NAMED("ctorch._utils\n_rebuild_tensor_v2\n)R")),
     "a tensor that is made of no storage"},
    {B(NAMED("ctorch._utils\n_rebuild_tensor_v2\n(NNNNtR")), "made of no storage"},
    {B(NAMED("ctorch._utils\n_rebuild_parameter\n)R")), "a parameter that is no tensor"},
    {B(NAMED("ctorch._utils\n_rebuild_parameter\nN\x85R")),
     "a parameter that is no tensor"},
    {B(NAMED("ctorch._utils\n_rebuild_parameter\nctorch\ndevice\n)R\x85R")),
     "a parameter that is no tensor"},
    {B(NAMED("ctorch\nFloatStorage\n)R")), "a parameter that is no tensor"},
    {B(NAMED(TENSOR("J\xff\xff\xff\xff", "K\4\x85", "K\1\x85"))), "made of no storage"},
    {B(NAMED(TENSOR("K\0", "N", "K\1\x85"))), "whose shape or strides are no tuple"},
    {B(NAMED(TENSOR("K\0", "N\x85", "K\1\x85"))), "a dimension or stride that is no size"},
    {B(NAMED(TENSOR("K\0", "K\4\x85", "J\xff\xff\xff\xff\x85"))),
     "a dimension or stride that is no size"},
    {B(NAMED(TENSOR("K\0", "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t", "K\1\x85"))),
     "a tensor of more than 8 dimensions"},
    {B(NAMED(TENSOR("K\0", "K\4\x85", ")"))), "other numbers of dimensions and strides"},
    {B(NAMED(TENSOR("K\0", "K\21\x85", "K\1\x85"))), "a tensor that reaches beyond its"},
    {B(NAMED(TENSOR("K\15", "K\4\x85", "K\1\x85"))), "reaches beyond its storage"},
    {B(NAMED(TENSOR("K\0", "K\4\x85", "K\6\x85"))), "reaches beyond its storage"},
    {B(NAMED(TENSOR("\x8a\10\xff\xff\xff\xff\xff\xff\xff\x7f", "K\4\x85", "K\1\x85"))),
     "reaches beyond its storage"},
    {B(NAMED(TENSOR("K\0", "K\4\x85", "\x8a\10\xff\xff\xff\xff\xff\xff\xff\x7f\x85"))),
     "reaches beyond its storage"},
    {B(NAMED(TENSOR("K\0", "(\x8a\10\0\0\0\0\0\0\0\x40K\4t", "(K\0K\0t"))),
     "reaches beyond its storage"},
    {B(NAMED(TENSOR("K\0", "\x8a\10\0\0\0\0\0\0\0\x40\x85", "K\0\x85"))),
     "a tensor whose bytes cannot be counted"},
    {B(NAMED(TENSOR("K\0", "\x8a\5\0\0\0\0\1\x85", "K\0\x85"))),
     "refused: a tensor whose strides repeat so much of its storage"},
    {B(NAMED(TENSOR_OF(STORAGE("0", "ShortStorage", "\40"), "K\0", "J\0\0\x20\0\x85",
                       "K\0\x85"))),
     "refused: a tensor whose strides repeat"},
    {B(NAMED("ctorch._utils\n_rebuild_tensor_v3\n(" STORAGE(
         "0", "FloatStorage", "\20") "K\0K\4\x85K\1\x85\x89Nctorch\nuint16\ntR")),
     "a tensor without a type"},
    {B(NAMED("ctorch._utils\n_rebuild_tensor_v3\n(" STORAGE(
         "0", "FloatStorage", "\20") "K\0K\4\x85K\1\x85\x89NtR")),
     "a tensor without a type"},
    /* the walk */
    {B("\x80\2}q\0X\1\0\0\0ah\0s."), "refused: a container that contains itself"},
    {B("\x80\2]q\0h\0a."), "refused: a container that contains itself"},
    {B("\x80\2}(X\1\0\0\0a}q\0X\1\0\0\0w" PLAIN "sX\1\0\0\0bh\0u."),
     "refused: a container of tensors that stands in two places"},
    {B("\x80\2}N" PLAIN "s."), "refused: a key that is neither text nor integer"},
    {B("\x80\2}X\0\0\0\0" PLAIN "s."), ""},
    {B("\x80\2}X\1\0\0\0\n" PLAIN "s."), "a tensor's name holds the byte 0x0a"},
    {B("\x80\2}X\1\0\0\0\xff" PLAIN "s."), "a tensor's name holds the byte 0xff"},
    {B("\x80\2}(X\1\0\0\0w" PLAIN "X\1\0\0\0w" PLAIN "u."),
     "the tensor \"w\" is there twice"},
    {B("\x80\2}(X\3\0\0\0a.w" PLAIN "X\1\0\0\0a}X\1\0\0\0w" PLAIN "su."),
     "the tensor \"a.w\" is there twice"},
};

static void each_pickle_error_has_its_message(void **state) {
    (void)state;
    struct zip_maker z = {0};
    for (size_t i = 0; i < sizeof bad_pickles / sizeof *bad_pickles; i++) {
        make_archive(&z, bad_pickles[i].pickle);
        if (bad_pickles[i].words[0] != '\0') {
            refused(z.b.data, z.b.len, bad_pickles[i].words);
            continue;
        }
        struct archive *a;
        ok(archive_open_memory(&a, z.b.data, z.b.len, "sample"));
        archive_close(a);
    }
    buf_free(&z.b);
}

static void plain_pickles_read(void **state) {
    (void)state;
    static const char ramp[] = "\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\21\22\23\24\25";
    struct zip_maker z = {0};
    struct archive *a;
    ok(open_pickle(&a, &z, (struct bytes)B(NAMED(TENSOR("K\1", "K\3\x85", "K\1\x85")))));
    holds(a, "w", "torch.FloatStorage", 1, SHAPE(3), ramp + 4, 12);
    archive_close(a);
    /* torch.Size instead of a tuple; strides of single dimensions may be anything. */
    ok(open_pickle(
        &a, &z,
        (struct bytes)B(NAMED(TENSOR("K\0", "ctorch\nSize\nK\1K\2\x86\x85R",
                                     "\x8a\10\xff\xff\xff\xff\xff\xff\xff\x7fK\1\x86")))));
    holds(a, "w", "torch.FloatStorage", 2, SHAPE(1, 2), ramp, 8);
    archive_close(a);
    /* The oldest call, and a tensor that is all there is. */
    ok(open_pickle(
        &a, &z,
        (struct bytes)B("\x80\2"
                        "ctorch._utils\n_rebuild_tensor\n(" STORAGE(
                            "0", "FloatStorage", "\20") "K\0K\2K\2\x86K\1K\2\x86tR.")));
    holds(a, "tensor", "torch.FloatStorage", 2, SHAPE(2, 2),
          "\0\1\2\3\10\11\12\13\4\5\6\7\14\15\16\17", 16);
    archive_close(a);
    /* A type of its own. */
    ok(open_pickle(
        &a, &z,
        (struct bytes)B(NAMED("ctorch._utils\n_rebuild_tensor_v3\n((X\7\0\0\0storagectorch."
                              "storage\nUntypedStorage\nX\1\0\0\0000X\3\0\0\0cpuK\7tQ"
                              "K\1K\2\x85K\1\x85\x89Nctorch\nbfloat16\ntR"))));
    holds(a, "w", "torch.bfloat16", 1, SHAPE(2), ramp + 2, 4);
    archive_close(a);
    /* Nothing at all, and no tensors among much else. */
    ok(open_pickle(&a, &z, (struct bytes)B("\x80\2N.")));
    assert_int_equal(archive_n_tensors(a), 0);
    archive_close(a);
    ok(open_pickle(&a, &z,
                   (struct bytes)B("\x80\4}(\x8c\1a\x88\x8c\1bG\0\0\0\0\0\0\0\0\x8c\1c"
                                   "\x8a\1\xff\x8c\1f](NNe\x8c\1d)\x8c\1eC\2xyU\1zNu.")));
    archive_close(a);
    buf_free(&z.b);
}

/* Lists of the same list, thirty levels: 2^30 ways to the innermost. */
static void shared_lists_are_walked_once(void **state) {
    (void)state;
    struct zip_maker z = {0};
    struct archive *a;
    struct buf b = {0};
    ok(buf_append(&b, "\x80\2]q\0", 5));
    for (int i = 1; i < 30; i++) {
        const char level[] = {'0', ']',           '(', 'h', (char)(i - 1),
                              'h', (char)(i - 1), 'e', 'q', (char)i};
        ok(buf_append(&b, level, sizeof level));
    }
    ok(buf_byte(&b, '.'));
    ok(open_pickle(&a, &z, (struct bytes){b.data, b.len}));
    assert_int_equal(archive_n_tensors(a), 0);
    archive_close(a);
    buf_free(&b);
    buf_free(&z.b);
}

static void nesting_is_bounded(void **state) {
    (void)state;
    struct zip_maker z = {0};
    struct buf b = {0};
    ok(buf_append(&b, "\x80\2", 2));
    for (int i = 0; i < 200000; i++) ok(buf_byte(&b, ']'));
    for (int i = 1; i < 200000; i++) ok(buf_byte(&b, 'a'));
    ok(buf_byte(&b, '.'));
    make_archive(&z, (struct bytes){b.data, b.len});
    refused(z.b.data, z.b.len, "refused: dicts nested too deep");
    buf_free(&b);
    buf_free(&z.b);
}

/* A thousand tensors in ten dicts with one long name each: the names would be fifty times the
 * pickle. */
static void names_are_bounded(void **state) {
    (void)state;
    struct zip_maker z = {0};
    struct buf b = {0};
    ok(buf_append(&b, "\x80\2}X\xf4\1\0\0", 8));
    for (int i = 0; i < 500; i++) ok(buf_byte(&b, 'x'));
    ok(buf_append(&b, "}", 1));
    static const char tensor[] = PLAIN;
    ok(buf_append(&b, "X\1\0\0\0w", 6));
    ok(buf_append(&b, tensor, sizeof tensor - 1));
    ok(buf_append(&b, "q\0s", 3));
    for (int i = 0; i < 1000; i++) {
        ok(buf_append(&b, "M", 1));
        ok(buf_byte(&b, (char)i));
        ok(buf_byte(&b, (char)(i >> 8)));
        ok(buf_append(&b, "h\0s", 3));
    }
    ok(buf_append(&b, "s.", 2));
    make_archive(&z, (struct bytes){b.data, b.len});
    refused(z.b.data, z.b.len, "refused: longer names than such a file justifies");
    buf_free(&b);
    buf_free(&z.b);
}

/* Many calls of one large tuple of arguments, many memo entries, many marks. */
static void memory_follows_the_pickle(void **state) {
    (void)state;
    struct zip_maker z = {0};
    struct archive *a;
    struct buf b = {0};
    ok(buf_append(&b, "\x80\2](", 4));
    for (int i = 0; i < 10000; i++) ok(buf_byte(&b, 'N'));
    ok(buf_append(&b,
                  "tq\0"
                  "0",
                  4));
    for (int i = 0; i < 10000; i++) ok(buf_append(&b, "ctorch\ndevice\nh\0R0", 18));
    for (int i = 0; i < 10000; i++)
        ok(buf_append(&b,
                      "N\x94"
                      "0",
                      3));
    ok(buf_byte(&b, '.'));
    make_archive(&z, (struct bytes){b.data, b.len});
    mem_asked_bytes();
    ok(archive_open_memory(&a, z.b.data, z.b.len, "sample"));
    assert_true(mem_asked_bytes() < 20 * z.b.len);
    archive_close(a);
    buf_free(&b);
    buf_free(&z.b);
}

/* ---- zip archives ---- */

static void zip64_reads(void **state) {
    (void)state;
    struct zip_maker z = {.zip64 = true};
    struct archive *a;
    ok(open_pickle(&a, &z, (struct bytes)B(NAMED(PLAIN))));
    assert_int_equal(archive_n_tensors(a), 1);
    ok(archive_verify(a));
    archive_close(a);
    cut_anywhere(z.b.data, z.b.len);
    buf_free(&z.b);
}

enum where { LOCAL, CENTRAL, END, WHOLE };

static const struct {
    bool zip64;
    enum where where; /* of member 2, the storage */
    int64_t at;
    uint64_t value;
    int n_bytes;
    const char *words;
} bad_zips[] = {
    {false, CENTRAL, 10, 8, 2,
     "the zip member \"archive/data/0\" is compressed (method 8)"},
    {false, CENTRAL, 8, 1, 2, "\"archive/data/0\" is encrypted"},
    {false, CENTRAL, 34, 1, 2, "is on another disk"},
    {false, CENTRAL, 20, 63, 4, "is stored in another size than its own"},
    {false, CENTRAL, 24, UINT32_MAX, 4, "has a broken extra field"},
    {false, CENTRAL, 42, UINT32_MAX - 1, 4, "lies beyond the end of the file"},
    {false, CENTRAL, 42, 0, 4, "has another name in its local header"},
    {false, CENTRAL, 42, 1, 4, "has no local header"},
    {false, CENTRAL, 28, 0, 2, "name is empty or too long"},
    {false, CENTRAL, 28, 60000, 2, "a record of the zip archive's directory is cut short"},
    {false, CENTRAL, 30, 3, 2, "no record of the zip archive's directory"},
    {false, CENTRAL, 46, 'X', 1, "has another name in its local header"},
    {false, CENTRAL, 46, 7, 1, "name holds a control byte"},
    {false, CENTRAL, 0, 0, 4, "no record of the zip archive's directory, which should be"},
    {false, CENTRAL, 16, 0, 4, "has another size or CRC in its local header"},
    {false, LOCAL, 0, 0, 4, "has no local header"},
    {false, LOCAL, 6, 1, 2, "has other flags or another method in its local header"},
    {false, LOCAL, 8, 8, 2, "has other flags or another method in its local header"},
    {false, LOCAL, 14, 0, 4, "has another size or CRC in its local header"},
    {false, LOCAL, 18, 0, 4, "has another size or CRC in its local header"},
    {false, LOCAL, 22, 0, 4, "has another size or CRC in its local header"},
    {false, LOCAL, 26, 13, 2, "has another name in its local header"},
    {false, LOCAL, 28, 60000, 2, "does not fit into the archive"},
    {false, LOCAL, 28, 20, 2, "has a broken extra field in its local header"},
    {false, END, 4, 1, 2, "one part of a zip archive in several parts"},
    {false, END, 8, 3, 2, "one part of a zip archive in several parts"},
    {false, END, 8, 0x00050005, 4, "no record of the zip archive's directory"},
    {false, END, 8, 0x00030003, 4, "bytes after the last record of the zip archive's"},
    {false, END, 8, 0xff00ff00, 4, "claims more members than its directory can hold"},
    {false, END, 12, 0, 4, "the zip archive's directory is not where the end record says"},
    {false, END, 16, 0, 4, "the zip archive's directory is not where the end record says"},
    {false, END, 20, 1, 2, "a zip archive without its directory"},
    {false, END, 0, 0, 4, "a zip archive without its directory"},
    {true, END, 12, 5, 4, "the two end records of the zip archive disagree"},
    {true, END, -20 + 4, 1, 4, "one part of a zip archive in several parts"},
    {true, END, -20 + 8, 0, 8, "the zip64 end record is not where its locator says"},
    {true, END, -20 + 8, UINT64_MAX, 8,
     "the zip64 end record is not where its locator says"},
    {true, END, -76, 0, 4, "no zip64 end record, which should be here"},
    {true, END, -76 + 4, 45, 8, "no zip64 end record, which should be here"},
    {true, END, -76 + 24, 3, 8, "one part of a zip archive in several parts"},
    {true, END, -76 + 32, UINT64_MAX, 8, "one part of a zip archive in several parts"},
    {true, END, -76 + 40, UINT64_MAX, 8, "is not where the end record says"},
    {true, END, -76 + 48, UINT64_MAX, 8, "is not where the end record says"},
    {true, CENTRAL, 46 + 14 + 2, 16, 2, "has a broken extra field"},
    {true, CENTRAL, 46 + 14 + 2, 25, 2, "has a broken extra field"},
    {true, CENTRAL, 46 + 14, 2, 2, "has a broken extra field"},
    {true, CENTRAL, 46 + 14 + 4, UINT64_MAX, 8, "is stored in another size than its own"},
    {true, LOCAL, 30 + 14 + 4, 63, 8, "has another size or CRC in its local header"},
    {true, LOCAL, 30 + 14 + 2, 60000, 2, "has a broken extra field in its local header"},
};

static void each_zip_error_has_its_message(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad_zips / sizeof *bad_zips; i++) {
        struct zip_maker z = {.zip64 = bad_zips[i].zip64};
        make_archive(&z, (struct bytes)B(NAMED(PLAIN)));
        size_t base = bad_zips[i].where == LOCAL     ? z.members[2].local
                      : bad_zips[i].where == CENTRAL ? z.members[2].central
                                                     : z.end;
        zip_patch(&z, (size_t)((int64_t)base + bad_zips[i].at), bad_zips[i].value,
                  bad_zips[i].n_bytes);
        refused(z.b.data, z.b.len, bad_zips[i].words);
        buf_free(&z.b);
    }
}

static void other_bad_archives(void **state) {
    (void)state;
    struct zip_maker z = {0};
    static const char pickle[] = NAMED(PLAIN);
    zip_add(&z, "a/data.pkl", pickle, sizeof pickle - 1);
    zip_add(&z, "a/data.pkl", pickle, sizeof pickle - 1);
    zip_finish(&z);
    refused(z.b.data, z.b.len, "the zip member \"a/data.pkl\" is there twice");
    z = (struct zip_maker){.b = z.b};
    buf_clear(&z.b);
    zip_add(&z, "weights.npy", "x", 1);
    zip_finish(&z);
    refused(z.b.data, z.b.len, "a zip archive without a data.pkl");
    z = (struct zip_maker){.b = z.b};
    buf_clear(&z.b);
    zip_add(&z, "a/data.pkl", pickle, sizeof pickle - 1);
    zip_add(&z, "a/constants.pkl", "", 0);
    zip_finish(&z);
    refused(z.b.data, z.b.len, "a TorchScript program");
    for (int i = 0; i < 2; i++) {
        z = (struct zip_maker){.b = z.b};
        buf_clear(&z.b);
        zip_add(&z, "a/data.pkl", pickle, sizeof pickle - 1);
        zip_add(&z, "a/byteorder", i == 0 ? "big" : "mixed", i == 0 ? 3 : 5);
        zip_finish(&z);
        refused(z.b.data, z.b.len,
                i == 0 ? "byteorder is \"big\"" : "byteorder is neither");
    }
    z = (struct zip_maker){.b = z.b};
    buf_clear(&z.b);
    make_archive(&z, (struct bytes)B(NAMED(PLAIN)));
    for (int i = 0; i < 4; i++) { /* twenty bytes longer, by both directories */
        size_t at = i < 2 ? z.members[2].central + 20 : z.members[2].local + 18;
        zip_patch(&z, at + (i % 2) * 4, 84, 4);
    }
    refused(z.b.data, z.b.len, "\"archive/data/1\" overlaps \"archive/data/0\"");
    make_archive(&z, (struct bytes)B(NAMED(PLAIN)));
    zip_put(&z, 0, 1);
    refused(z.b.data, z.b.len, "a zip archive without its directory");
    refused("PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22, "an empty zip archive");
    buf_free(&z.b);
}

/* ---- before 1.6 ---- */

#define LEGACY_START                                                                       \
    "\x80\2\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\2M\xe9\3.\x80\2}q\0(X\15\0\0\0"         \
    "little_endian\x88u."
#define LEGACY_STORAGE(key, type, n)                                                       \
    "(X\7\0\0\0storagectorch\n" type "\nX\1\0\0\0" key "X\3\0\0\0cpuK" n "NtQ"
#define LEGACY_TENSOR(key, type, n)                                                        \
    TENSOR_OF(LEGACY_STORAGE(key, type, n), "K\0", "K\1\x85", "K\1\x85")
#define KEYS(...) "\x80\2](" __VA_ARGS__ "e."
#define KEY(key)  "X\1\0\0\0" key
#define DATA      "\2\0\0\0\0\0\0\0abcdefgh"

static const struct {
    struct bytes file;
    const char *words;
} legacies[] = {
    {B(LEGACY_START NAMED(LEGACY_TENSOR("5", "FloatStorage", "\2")) KEYS(KEY("5")) DATA),
     ""},
    {B(LEGACY_START "\x80\2}(X\1\0\0\0a" LEGACY_TENSOR(
         "5", "FloatStorage", "\2") "X\1\0\0\0b" LEGACY_TENSOR("5", "FloatStorage",
                                                               "\2") "u." KEYS(KEY("5"))
           DATA),
     ""},
    {B("\x80\2\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\2M\xe8\3."),
     "another version than 1001, the only one"},
    {B("\x80\2\x8a\nl\xfc\x9c\x46\xf9 "
       "j\xa8P\x19.\x80\2M\xe9\3.\x80\2}X\15\0\0\0little_endian"
       "\x89s."),
     "little_endian is not true"},
    {B("\x80\2\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\2M\xe9\3.\x80\2N."),
     "little_endian is not true"},
    {B(LEGACY_START "\x80\2"
                    "cos\nsystem\n."),
     "refused: os.system at byte 2 of the object"},
    {B(LEGACY_START NAMED(PLAIN) KEYS(KEY("0")) DATA),
     "refused: something saved apart that is no storage"},
    {B(LEGACY_START NAMED(
         TENSOR_OF("(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0005X\3\0\0"
                   "\0cpuK\2)tQ",
                   "K\0", "K\1\x85", "K\1\x85")) KEYS(KEY("5")) DATA),
     "refused: a storage that is a view of another"},
    {B(LEGACY_START "\x80\2}(X\1\0\0\0a" LEGACY_TENSOR(
         "5", "FloatStorage", "\2") "X\1\0\0\0b" LEGACY_TENSOR("5", "HalfStorage",
                                                               "\2") "u." KEYS(KEY("5"))
           DATA),
     "the storage \"5\" has two types or sizes"},
    {B(LEGACY_START NAMED(LEGACY_TENSOR("5", "FloatStorage", "\2")) KEYS()),
     "a storage whose bytes are not in the file"},
    {B(LEGACY_START NAMED(LEGACY_TENSOR("5", "FloatStorage", "\2")) "\x80\2N."),
     "no list of storages"},
    {B(LEGACY_START NAMED(LEGACY_TENSOR("5", "FloatStorage", "\2")) KEYS("K\5") DATA),
     "a storage's key that is no text"},
    {B(LEGACY_START NAMED(LEGACY_TENSOR("5", "FloatStorage", "\2")) KEYS(KEY("6")) DATA),
     "the bytes of a storage that no tensor has"},
    {B(LEGACY_START NAMED(LEGACY_TENSOR("5", "FloatStorage", "\2")) KEYS(KEY("5") KEY("5"))
           DATA DATA),
     "the bytes of a storage that no tensor has, or that came before"},
    {B(LEGACY_START NAMED(LEGACY_TENSOR("5", "FloatStorage", "\3")) KEYS(KEY("5")) DATA),
     "a storage of 2 elements, where the pickle says 3"},
    {B(LEGACY_START NAMED(LEGACY_TENSOR("5", "DoubleStorage", "\2")) KEYS(KEY("5")) DATA),
     "a storage needs 16 bytes but the file ends after 8"},
    {B(LEGACY_START NAMED(LEGACY_TENSOR("5", "FloatStorage", "\2")) KEYS(KEY("5")) DATA
       "x"),
     "bytes after the last storage"},
};

static void each_legacy_error_has_its_message(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof legacies / sizeof *legacies; i++) {
        struct archive *a;
        char *copy;
        struct bytes file = legacies[i].file;
        if (legacies[i].words[0] != '\0') {
            refused(file.text, file.n, legacies[i].words);
            continue;
        }
        ok(open_copy(&a, &copy, file.text, file.n));
        assert_memory_equal(archive_tensor_at(a, 0)->data, "abcd", 4);
        archive_close(a);
        free(copy);
    }
}

/* ---- every cut, every bit, every allocation ---- */

static void cuts_and_flips(void **state) {
    (void)state;
    static const char *const names[] = {"zip.bin", "zip4.bin", "legacy.bin"};
    char path[100];
    struct buf b = {0};
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "tests/format/data/%s", names[i]);
        ok(path_read_whole(&b, path, 1 << 20));
        cut_anywhere(b.data, b.len);
        assert_true(flip_all_bits(b.data, b.len) > 0);
    }
    buf_free(&b);
}

static void allocations_may_fail(void **state) {
    (void)state;
    assert_true(fail_each_allocation("tests/format/data/zip.bin") > 50);
    assert_true(fail_each_allocation("tests/format/data/zip4.bin") > 50);
    assert_true(fail_each_allocation("tests/format/data/legacy.bin") > 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_torch_read),
        cmocka_unit_test(nested_dicts_have_dotted_names),
        cmocka_unit_test(verify_finds_damage),
        cmocka_unit_test(plain_pickles_read),
        cmocka_unit_test(each_pickle_error_has_its_message),
        cmocka_unit_test(shared_lists_are_walked_once),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(names_are_bounded),
        cmocka_unit_test(memory_follows_the_pickle),
        cmocka_unit_test(zip64_reads),
        cmocka_unit_test(each_zip_error_has_its_message),
        cmocka_unit_test(other_bad_archives),
        cmocka_unit_test(each_legacy_error_has_its_message),
        cmocka_unit_test(cuts_and_flips),
        cmocka_unit_test(allocations_may_fail),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
