/* test_tokenizer_vectors.c - published vocabularies against their published test vectors.
 *
 * NAME.gguf.inp holds cases separated by a line, NAME.gguf.out one line of ids for each, made
 * without BOS and without recognising special tokens. Needs the shared data; skipped without. */
#include "base/path.h"
#include "glass/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#undef fail

struct vocabulary {
    const char *file;    /* under tokenizers/ */
    const char *vectors; /* under tokenizers/ggml-vocab/ */
};

static const char *shared(void) {
    const char *folder = getenv("GLASS_SHARED");
    return folder != NULL && folder[0] != '\0' ? folder : "../shared/data";
}

static glass_status read_shared(struct buf *out, const char *name) {
    struct buf path = {0};
    assert_int_equal(buf_printf(&path, "%s/tokenizers/%s", shared(), name), GLASS_OK);
    glass_status status = path_read_whole(out, path.data, 64 << 20);
    buf_free(&path);
    return status;
}

/* Encodes one case and compares with its line of ids; the text must come back too. */
static void check_case(const glass_tokenizer *t, const char *text, size_t n_bytes,
                       const char *line) {
    int32_t *ids;
    int64_t n_ids;
    assert_int_equal(glass_tokenizer_encode(t, &ids, &n_ids, text, n_bytes, 0), GLASS_OK);
    int64_t n = 0;
    for (const char *p = line; *p != '\n' && *p != '\0';) {
        char *end;
        long want = strtol(p, &end, 10);
        if (end == p) break;
        if (n >= n_ids || ids[n] != want)
            print_error("case \"%.*s\": token %d should be %ld\n", (int)n_bytes, text, (int)n,
                        want);
        assert_true(n < n_ids);
        assert_int_equal(ids[n], want);
        n++;
        p = end;
        while (*p == ' ') p++;
    }
    assert_int_equal(n, n_ids);
    char *back;
    size_t n_back;
    assert_int_equal(glass_tokenizer_decode(t, &back, &n_back, ids, n_ids, 0), GLASS_OK);
    assert_int_equal(n_back, n_bytes);
    assert_memory_equal(back, text, n_bytes);
    glass_free(back);
    glass_free(ids);
}

static void vectors_hold(void **state) {
    const struct vocabulary *v = *state;
    static const char mark[] = "\n__ggml_vocab_test__\n";
    struct buf cases = {0}, lines = {0}, path = {0};
    char name[128];
    snprintf(name, sizeof name, "ggml-vocab/%s.gguf.inp", v->vectors);
    if (read_shared(&cases, name) != GLASS_OK) {
        print_message("skipped: no shared data\n");
        buf_free(&cases);
        skip();
    }
    snprintf(name, sizeof name, "ggml-vocab/%s.gguf.out", v->vectors);
    assert_int_equal(read_shared(&lines, name), GLASS_OK);
    assert_int_equal(buf_printf(&path, "%s/tokenizers/%s", shared(), v->file), GLASS_OK);
    glass_tokenizer *t;
    if (glass_tokenizer_open(&t, path.data) != GLASS_OK) print_error("%s\n", glass_error());
    assert_non_null(t);
    int n_cases = 0;
    const char *text = cases.data, *line = lines.data, *next;
    while ((next = strstr(text, mark)) != NULL) {
        check_case(t, text, (size_t)(next - text), line);
        text = next + sizeof mark - 1;
        line = strchr(line, '\n');
        assert_non_null(line);
        line++;
        n_cases++;
    }
    assert_true(n_cases >= 40);
    glass_tokenizer_close(t);
    buf_free(&cases);
    buf_free(&lines);
    buf_free(&path);
}

int main(void) {
    static struct vocabulary gpt2 = {"ggml-vocab/ggml-vocab-gpt-2.gguf", "ggml-vocab-gpt-2"};
    static struct vocabulary mpt = {"ggml-vocab/ggml-vocab-mpt.gguf", "ggml-vocab-mpt"};
    static struct vocabulary neox = {"ggml-vocab/ggml-vocab-gpt-neox.gguf", "ggml-vocab-mpt"};
    static struct vocabulary spm = {"ggml-vocab/ggml-vocab-llama-spm.gguf",
                                    "ggml-vocab-llama-spm"};
    static struct vocabulary coder = {"ggml-vocab/ggml-vocab-starcoder.gguf",
                                      "ggml-vocab-starcoder"};
    static struct vocabulary gpt2_json = {"gpt2/tokenizer.json", "ggml-vocab-gpt-2"};
    static struct vocabulary neox_json = {"gpt-neox/tokenizer.json", "ggml-vocab-mpt"};
    static struct vocabulary qwen_json = {"qwen3/tokenizer.json", "ggml-vocab-qwen2"};
    static struct vocabulary llama_model = {"llama/tokenizer.model", "ggml-vocab-llama-spm"};
#define VOCABULARY(v) {"vectors_hold_for_" #v, vectors_hold, NULL, NULL, &v}
    const struct CMUnitTest tests[] = {
        VOCABULARY(gpt2), VOCABULARY(mpt), VOCABULARY(neox), VOCABULARY(spm),
        VOCABULARY(coder), VOCABULARY(gpt2_json), VOCABULARY(neox_json), VOCABULARY(qwen_json),
        VOCABULARY(llama_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
