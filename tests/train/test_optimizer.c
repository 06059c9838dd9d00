/* test_optimizer.c - a step of the whole registry has the bits of steps of its parts. */
#include "glass/glass.h"
#include "model/model.h"
#include "train/optimizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS = 3 };

static void open(glass_model **model, struct params *p) {
    if (glass_model_open(model, "tests/model/data/families/llama.gguf", NULL) != GLASS_OK ||
        params_create(p, &(*model)->config, &(*model)->weights) != GLASS_OK)
        fail_msg("%s", glass_error());
}

/* Three steps by n owners; a part's gradient and moments are no longer than the part. */
static void step_by(int64_t n, const int64_t *ends, float *values) {
    glass_model *model;
    struct params p;
    struct optimizer_options options = {1e-3, 0.9, 0.95, 1e-8, 0.1, 1};
    open(&model, &p);
    float *gradient = malloc((size_t)p.n_floats * sizeof *gradient);
    struct optimizer *o = calloc((size_t)n, sizeof *o);
    for (int64_t i = 0; i < n; i++) {
        int64_t begin, end;
        optimizer_cut(&p, i, n, &begin, &end);
        if (ends != NULL) begin = i == 0 ? 0 : ends[i - 1], end = ends[i];
        assert_int_equal(begin, i == 0 ? 0 : o[i - 1].end);
        float *moments[2];
        for (int m = 0; m < 2; m++) moments[m] = malloc((size_t)(end - begin + 1) * 4);
        optimizer_start(&o[i], &p, begin, end, moments);
    }
    assert_int_equal(o[n - 1].end, p.n_floats);
    for (int step = 0; step < STEPS; step++) {
        for (int64_t i = 0; i < p.n_floats; i++)
            gradient[i] = (float)((i * 37 + step * 11) % 101 - 50) * 1e-3F;
        for (int64_t i = 0; i < n; i++) {
            size_t bytes = (size_t)(o[i].end - o[i].begin) * sizeof(float);
            float *part = malloc(bytes + 1);
            memcpy(part, gradient + o[i].begin, bytes);
            optimizer_step(&o[i], &options, part, 0.5F, 1 + (int)(i % 3));
            free(part);
        }
    }
    for (int64_t i = 0; i < n; i++)
        for (int m = 0; m < 2; m++) free(o[i].moments[m]);
    memcpy(values, p.values, (size_t)p.n_floats * sizeof *values);
    free(gradient), free(o);
    params_clear(&p);
    glass_model_close(model);
}

static void parts_make_the_whole(void **state) {
    (void)state;
    glass_model *model;
    struct params p;
    open(&model, &p);
    size_t bytes = (size_t)p.n_floats * sizeof(float);
    float *want = malloc(bytes), *got = malloc(bytes);
    int64_t odd[] = {16, 16, p.n_floats / 32 * 16 + 16, p.n_floats};
    step_by(1, NULL, want);
    assert_memory_not_equal(want, p.values, bytes);
    for (int64_t n = 2; n <= 7; n++) {
        step_by(n, NULL, got);
        assert_memory_equal(want, got, bytes);
    }
    step_by(4, odd, got);
    assert_memory_equal(want, got, bytes);
    free(want), free(got);
    params_clear(&p);
    glass_model_close(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(parts_make_the_whole)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
