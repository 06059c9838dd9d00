/* Suffix sorting against sorting by comparison, over texts of every kind that is small enough. */
#include "base/mem.h"
#include "open/trace_sais.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the ones above first
#include <cmocka.h>

static uint32_t state = 1;
static uint32_t draw(uint32_t below) {
    state = state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)state * below >> 32);
}

static const int32_t *compared;
static int32_t compared_n;

static int by_suffix(const void *a, const void *b) {
    int32_t i = *(const int32_t *)a, j = *(const int32_t *)b;
    if (i == j) return 0;
    while (i < compared_n && j < compared_n && compared[i] == compared[j]) i++, j++;
    if (i == compared_n || j == compared_n) return i == compared_n ? -1 : 1;
    return compared[i] < compared[j] ? -1 : 1;
}

static void pack(uint8_t *out, const int32_t *text, int32_t n, int bytes) {
    for (int32_t i = 0; i < n; i++) memcpy(out + i * bytes, &text[i], (size_t)bytes);
}

static void check(const int32_t *text, int32_t n, int32_t k) {
    int32_t *want = malloc((size_t)n * 4), *have = malloc((size_t)n * 4);
    uint8_t *packed = malloc((size_t)n * 4);
    for (int32_t i = 0; i < n; i++) want[i] = i;
    compared = text;
    compared_n = n;
    qsort(want, (size_t)n, sizeof *want, by_suffix);
    for (int bytes = k <= 65536 ? 2 : 3; bytes <= 4; bytes++) {
        pack(packed, text, n, bytes);
        memset(have, 0x55, (size_t)n * 4);
        assert_int_equal(trace_sais(have, packed, bytes, n, k, NULL), GLASS_OK);
        assert_memory_equal(have, want, (size_t)n * 4);
    }
    free(want);
    free(have);
    free(packed);
}

/* Every text of up to 9 symbols of an alphabet of 3. */
static void test_all_short(void **unused) {
    (void)unused;
    int32_t text[9];
    for (int32_t n = 1, count = 3; n <= 9; n++, count *= 3)
        for (int32_t code = 0; code < count; code++) {
            for (int32_t i = 0, c = code; i < n; i++, c /= 3) text[i] = c % 3;
            check(text, n, 3);
        }
}

static void test_random(void **unused) {
    (void)unused;
    static const int32_t alphabets[] = {1, 2, 5, 300, 65536, 100000};
    int32_t text[3000];
    for (int round = 0; round < 240; round++) {
        int32_t k = alphabets[round % 6], n = 1 + (int32_t)draw(round < 200 ? 300 : 3000);
        for (int32_t i = 0; i < n; i++) text[i] = (int32_t)draw((uint32_t)k);
        check(text, n, k);
    }
}

/* Repetitions of repetitions, and Fibonacci's words, in which ranks are equal at many levels. */
static void test_repetitive(void **unused) {
    (void)unused;
    int32_t text[2584] = {1, 0};
    for (int32_t a = 1, b = 2; b < 2584;) {
        int32_t next = a + b;
        for (int32_t i = 0; i < a && b + i < 2584; i++) text[b + i] = text[i];
        a = b;
        b = next;
        check(text, b < 2584 ? b : 2584, 2);
    }
    for (int round = 0; round < 60; round++) {
        int32_t n = 1 + (int32_t)draw(40), k = 2 + (int32_t)draw(4);
        for (int32_t i = 0; i < n; i++) text[i] = (int32_t)draw((uint32_t)k);
        while (n < 1000) {
            int32_t from = (int32_t)draw((uint32_t)n);
            int32_t length = 1 + (int32_t)draw((uint32_t)(n - from));
            memmove(text + n, text + from, (size_t)length * sizeof *text);
            n += length;
        }
        check(text, n, k);
    }
}

/* No memory at any place is an error, and nothing is left. */
static void test_no_memory(void **unused) {
    (void)unused;
    int32_t text[2000], sa[2000];
    for (int32_t i = 0; i < 2000; i++) text[i] = (int32_t)draw(2000);
    for (int64_t at = 1;; at++) {
        mem_fail_at(at);
        glass_status status = trace_sais(sa, text, 4, 2000, 2000, NULL);
        mem_fail_at(0);
        if (status == GLASS_OK) break;
        assert_int_equal(status, GLASS_NO_MEMORY);
    }
    volatile int stop = 1;
    assert_int_equal(trace_sais(sa, text, 4, 2000, 2000, &stop), GLASS_CANCELLED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_short), cmocka_unit_test(test_random),
        cmocka_unit_test(test_repetitive), cmocka_unit_test(test_no_memory)};
    return cmocka_run_group_tests_name("trace_sais", tests, NULL, NULL);
}
