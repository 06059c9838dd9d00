/* test_tokenizer_vectors.c - published vocabularies against their published test vectors.
 *
 * NAME.gguf.inp holds cases separated by a line, NAME.gguf.out one line of ids for each,
 * made without BOS and without recognising special tokens. Needs the shared data; skipped
 * without. Vocabularies that the shared data has only vectors for, or nothing, are looked
 * for in the folder $GLASS_VOCABS: models/ of llama.cpp's source has them. */
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
    bool elsewhere;      /* both in $GLASS_VOCABS, unless the shared data has the vectors */
};

static const char *shared(void) {
    const char *folder = getenv("GLASS_SHARED");
    return folder != NULL && folder[0] != '\0' ? folder : "../shared/data";
}

static glass_status read_file(struct buf *out, const char *folder, const char *name) {
    struct buf path = {0};
    assert_int_equal(buf_printf(&path, "%s/%s", folder, name), GLASS_OK);
    glass_status status = path_read_whole(out, path.data, 64 << 20);
    buf_free(&path);
    return status;
}

/* Cases and ids of v; false if they are nowhere. */
static bool read_vectors(const struct vocabulary *v, struct buf *cases, struct buf *lines) {
    char name[128], folder[4096];
    const char *vocabs = getenv("GLASS_VOCABS");
    if (v->elsewhere && vocabs == NULL) return false;
    snprintf(folder, sizeof folder, "%s/tokenizers/ggml-vocab", shared());
    snprintf(name, sizeof name, "%s.gguf.inp", v->vectors);
    if (read_file(cases, folder, name) != GLASS_OK) {
        if (!v->elsewhere) return false;
        snprintf(folder, sizeof folder, "%s", vocabs);
        assert_int_equal(read_file(cases, folder, name), GLASS_OK);
    }
    snprintf(name, sizeof name, "%s.gguf.out", v->vectors);
    assert_int_equal(read_file(lines, folder, name), GLASS_OK);
    return true;
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
            print_error("case \"%.*s\": token %d should be %ld\n", (int)n_bytes, text,
                        (int)n, want);
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
    if (!read_vectors(v, &cases, &lines)) {
        print_message("skipped: no %s\n", v->elsewhere ? "GLASS_VOCABS" : "shared data");
        buf_free(&cases);
        skip();
    }
    if (v->elsewhere)
        assert_int_equal(buf_printf(&path, "%s/%s", getenv("GLASS_VOCABS"), v->file),
                         GLASS_OK);
    else
        assert_int_equal(buf_printf(&path, "%s/tokenizers/%s", shared(), v->file),
                         GLASS_OK);
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
#define SHARED(file, vectors)                                                              \
    { file, "ggml-vocab-" vectors, false }
    static struct vocabulary gpt2 = SHARED("ggml-vocab/ggml-vocab-gpt-2.gguf", "gpt-2");
    static struct vocabulary mpt = SHARED("ggml-vocab/ggml-vocab-mpt.gguf", "mpt");
    static struct vocabulary neox = SHARED("ggml-vocab/ggml-vocab-gpt-neox.gguf", "mpt");
    static struct vocabulary spm =
        SHARED("ggml-vocab/ggml-vocab-llama-spm.gguf", "llama-spm");
    static struct vocabulary coder =
        SHARED("ggml-vocab/ggml-vocab-starcoder.gguf", "starcoder");
    static struct vocabulary gpt2_json = SHARED("gpt2/tokenizer.json", "gpt-2");
    static struct vocabulary neox_json = SHARED("gpt-neox/tokenizer.json", "mpt");
    static struct vocabulary qwen_json = SHARED("qwen3/tokenizer.json", "qwen2");
    static struct vocabulary llama_model = SHARED("llama/tokenizer.model", "llama-spm");
#define ELSEWHERE(name)                                                                    \
    { "ggml-vocab-" name ".gguf", "ggml-vocab-" name, true }
    static struct vocabulary llama_bpe = ELSEWHERE("llama-bpe");
    static struct vocabulary command_r = ELSEWHERE("command-r");
    static struct vocabulary qwen2 = ELSEWHERE("qwen2"), qwen35 = ELSEWHERE("qwen35");
    static struct vocabulary refact = ELSEWHERE("refact"), falcon = ELSEWHERE("falcon");
    static struct vocabulary deepseek_coder = ELSEWHERE("deepseek-coder");
    static struct vocabulary deepseek_llm = ELSEWHERE("deepseek-llm");
    static struct vocabulary phi_3 = ELSEWHERE("phi-3");
#define VOCABULARY(v)                                                                      \
    { "vectors_hold_for_" #v, vectors_hold, NULL, NULL, &v }
    const struct CMUnitTest tests[] = {
        VOCABULARY(gpt2),         VOCABULARY(mpt),
        VOCABULARY(neox),         VOCABULARY(spm),
        VOCABULARY(coder),        VOCABULARY(gpt2_json),
        VOCABULARY(neox_json),    VOCABULARY(qwen_json),
        VOCABULARY(llama_model),  VOCABULARY(llama_bpe),
        VOCABULARY(command_r),    VOCABULARY(qwen2),
        VOCABULARY(qwen35),       VOCABULARY(refact),
        VOCABULARY(falcon),       VOCABULARY(deepseek_coder),
        VOCABULARY(deepseek_llm), VOCABULARY(phi_3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
