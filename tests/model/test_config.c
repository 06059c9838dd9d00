/* test_config.c - what a family's row says where the file does not, and how frequencies come
 * out of it: numbers that the tiny models of test_families.c do not reach. */
#include "format/gguf_write.h"
#include "model/config.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#undef fail /* cmocka's macro hides ours */

static void ok(glass_status status) {
    if (status != GLASS_OK) print_error("%s\n", glass_error());
    assert_int_equal(status, GLASS_OK);
}

static void put_int(struct gguf_writer *w, const char *arch, const char *name,
                    int64_t value) {
    char key[96];
    snprintf(key, sizeof key, "%s.%s", arch, name);
    ok(gguf_put_int(w, key, GGUF_U32, value));
}

/* A file of the numbers that every family must have, and a width of heads. */
static struct gguf_writer *start(char *path, const char *arch, int64_t n_layer) {
    struct gguf_writer *w;
    snprintf(path, 32, "/tmp/glass-config-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    ok(gguf_writer_create(&w, path));
    ok(gguf_put_text(w, "general.architecture", arch));
    put_int(w, arch, "block_count", n_layer);
    put_int(w, arch, "embedding_length", 4608);
    put_int(w, arch, "context_length", 8192);
    put_int(w, arch, "feed_forward_length", 64);
    put_int(w, arch, "attention.head_count", 32);
    put_int(w, arch, "attention.key_length", 128);
    return w;
}

static void finish(struct config *c, struct gguf_writer *w, const char *path) {
    static const int64_t shape[1] = {1};
    struct gguf *g;
    ok(gguf_put_tensor(w, "x", GLASS_F32, 1, shape));
    ok(gguf_put_data(w, "\0\0\0", 4));
    ok(gguf_writer_finish(w));
    ok(gguf_open(&g, path));
    ok(config_read(c, g));
    gguf_close(g);
    unlink(path);
}

static struct config plain(const char *arch, int64_t n_layer) {
    char path[32];
    static struct config c;
    finish(&c, start(path, arch, n_layer), path);
    return c;
}

static void rows_say_what_files_do_not(void **state) {
    (void)state;
    struct config c = plain("gemma2", 26);
    assert_true(c.attn_scale == 1.0F / sqrtf(128));
    assert_true(c.embed_scale == sqrtf(4608));
    assert_true(c.attn_cap == 50 && c.logit_cap == 30 && c.window == 4096);
    assert_true(c.windowed[0] && !c.windowed[1] && c.windowed[24] && !c.windowed[25]);
    assert_false(c.has_local);
    c = plain("gemma2", 46); /* of 27 billion weights: n_embd / n_head */
    assert_true(c.attn_scale == 1.0F / sqrtf(144));
    c = plain("gemma3", 62);
    assert_true(c.attn_scale == 1.0F / sqrtf(144));
    assert_true(c.attn_cap == 0 && c.logit_cap == 0 && c.window == 0 && !c.has_local);
    c = plain("gemma3", 34);
    assert_true(c.attn_scale == 1.0F / sqrtf(128));
    c = plain("smollm3", 36);
    assert_true(c.rotated[2] && !c.rotated[3] && !c.rotated[35] && c.window == 0);
    c = plain("granite", 40);
    assert_true(c.embed_scale == 1 && c.residual_scale == 1 && c.logit_divisor == 1);
    c = plain("llama", 46);
    assert_true(c.attn_scale == 1.0F / sqrtf(128) && c.embed_scale == 1);
}

static void patterns_are_read(void **state) {
    (void)state;
    static const bool rotated[6] = {true, false, false, true, true, false};
    char path[32];
    struct config c;
    struct gguf_writer *w = start(path, "smollm3", 6);
    ok(gguf_put_array(w, "smollm3.attention.rope_pattern", GGUF_BOOL, rotated, 6));
    finish(&c, w, path);
    assert_memory_equal(c.rotated, rotated, sizeof rotated);
    w = start(path, "gemma3", 6);
    put_int(w, "gemma3", "attention.sliding_window", 512);
    put_int(w, "gemma3", "attention.sliding_window_pattern", 3);
    finish(&c, w, path);
    for (int i = 0; i < 6; i++) assert_int_equal(c.windowed[i], i % 3 != 2);
    assert_true(c.has_local && c.rope_local.base == 10000);
    w = start(path, "gemma3", 6);
    put_int(w, "gemma3", "attention.sliding_window", 512);
    ok(gguf_put_float(w, "gemma3.rope.freq_base_swa", GGUF_F32, 7000));
    ok(gguf_put_float(w, "gemma3.rope.freq_base", GGUF_F32, 1e6));
    ok(gguf_put_float(w, "gemma3.rope.scaling.factor", GGUF_F32, 8));
    finish(&c, w, path);
    assert_true(c.rope_local.base == 7000 && c.rope_local.scale == 1);
    assert_true(c.rope.base == 1e6F && c.rope.scale == 8);
    w = start(path, "qwen2", 2); /* a base alone: the scaling is everyone's */
    put_int(w, "qwen2", "attention.sliding_window", 512);
    ok(gguf_put_float(w, "qwen2.rope.freq_base_swa", GGUF_F32, 7000));
    ok(gguf_put_float(w, "qwen2.rope.scaling.factor", GGUF_F32, 8));
    finish(&c, w, path);
    assert_true(c.has_local && c.rope_local.base == 7000 && c.rope_local.scale == 8);
}

/* A published model's: Qwen 2.5 with a factor of 4, in binary64 as the paper has it. */
static void yarn_is_the_papers(void **state) {
    (void)state;
    char path[32];
    struct config c;
    struct gguf_writer *w = start(path, "qwen2", 2);
    float freq[64];
    ok(gguf_put_float(w, "qwen2.rope.freq_base", GGUF_F32, 1e6));
    ok(gguf_put_text(w, "qwen2.rope.scaling.type", "yarn"));
    ok(gguf_put_float(w, "qwen2.rope.scaling.factor", GGUF_F32, 4));
    put_int(w, "qwen2", "rope.scaling.original_context_length", 32768);
    finish(&c, w, path);
    const double pi = 3.14159265358979323846;
    double low = floor(128 * log(32768 / (32 * 2 * pi)) / (2 * log(1e6)));
    double high = ceil(128 * log(32768 / (2 * pi)) / (2 * log(1e6)));
    assert_true((double)c.rope.low == low && (double)c.rope.high == high);
    assert_true(fabs((double)c.rope.amplitude - (0.1 * log(4) + 1)) < 2e-7);
    rope_frequencies(freq, &c.rope, 128, NULL);
    for (int i = 0; i < 64; i++) {
        double own = pow(1e6, -i / 64.0), ramp = fmin(1, fmax(0, (i - low) / (high - low)));
        double want = own * (1 - ramp) + own / 4 * ramp;
        assert_true(fabs((double)freq[i] - want) < 4e-7 * want);
    }
    w = start(path, "qwen2", 2);
    ok(gguf_put_text(w, "qwen2.rope.scaling.type", "yarn"));
    ok(gguf_put_float(w, "qwen2.rope.scaling.factor", GGUF_F32, 4));
    ok(gguf_put_float(w, "qwen2.rope.scaling.yarn_ext_factor", GGUF_F32, 0));
    finish(&c, w, path);
    rope_frequencies(freq, &c.rope, 128, NULL);
    for (int i = 0; i < 64; i++) { /* nothing is kept: all pairs are stretched */
        double want = pow(1e4, -i / 64.0) / 4;
        assert_true(fabs((double)freq[i] - want) < 4e-7 * want);
    }
}

/* forward.c's join makes rows of these in memory that a parallel MLP still reads. */
static void parallel_residuals_are_plain(void **state) {
    (void)state;
    const char *names = family_names();
    int n = 0, n_parallel = 0;
    for (; *names != '\0'; names += strspn(names, ", ")) {
        if (*names == '(') names = strchr(names, ')') + 1;
        size_t length = strcspn(names, ", ");
        const struct family *f = family_find(names, length);
        names += length;
        if (length == 0) continue;
        assert_non_null(f);
        n++;
        if (!f->parallel && !f->parallel_key) continue;
        assert_false(f->norm_after || f->multipliers);
        n_parallel++;
    }
    assert_true(n >= 20 && n_parallel >= 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_say_what_files_do_not),
        cmocka_unit_test(patterns_are_read),
        cmocka_unit_test(yarn_is_the_papers),
        cmocka_unit_test(parallel_residuals_are_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
