/* test_merkle.c - trees and paths against the definition of RFC 6962, written as it stands there. */
#include "data/merkle.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

enum { MOST = 70 };

static uint8_t leaves[MOST][32];

static void make_leaves(void) {
    for (int i = 0; i < MOST; i++) {
        uint8_t content[32] = {(uint8_t)i}, record[32] = {7};
        assert_int_equal(merkle_leaf(leaves[i], content, record), GLASS_OK);
    }
}

/* MTH(D[n]) by its definition. */
static void definition(uint8_t out[32], const uint8_t (*first)[32], uint64_t n) {
    if (n == 0) {
        sha256_bytes(out, "", 0);
        return;
    }
    if (n == 1) {
        memcpy(out, first[0], 32);
        return;
    }
    uint64_t k = 1;
    while (2 * k < n) k *= 2;
    uint8_t bytes[65] = {1};
    definition(bytes + 1, first, k);
    definition(bytes + 33, first + k, n - k);
    sha256_bytes(out, bytes, sizeof bytes);
}

static void tops(void **state) {
    (void)state;
    make_leaves();
    for (uint64_t n = 0; n <= MOST; n++) {
        struct merkle m = {0};
        uint8_t got[32], wanted[32];
        for (uint64_t i = 0; i < n; i++)
            assert_int_equal(merkle_add(&m, leaves[i]), GLASS_OK);
        assert_int_equal(merkle_top(got, &m), GLASS_OK);
        definition(wanted, (const uint8_t(*)[32])leaves, n);
        assert_memory_equal(got, wanted, 32);
    }
}

static void paths(void **state) {
    (void)state;
    static struct merkle_trail trail;
    struct merkle_path path;
    uint8_t top[32], wanted[32];
    make_leaves();
    for (uint64_t n = 1; n <= MOST; n++) {
        definition(wanted, (const uint8_t(*)[32])leaves, n);
        for (uint64_t at = 0; at < n; at++) {
            merkle_trail_begin(&trail, at, n);
            for (uint64_t i = 0; i < n; i++)
                assert_int_equal(merkle_trail_add(&trail, leaves[i]), GLASS_OK);
            assert_int_equal(merkle_trail_path(&path, &trail), GLASS_OK);
            assert_int_equal(merkle_climb(top, leaves[at], at, n, &path), GLASS_OK);
            assert_memory_equal(top, wanted, 32);
            /* At another place, or of another leaf, it leads elsewhere or is of no use. */
            uint64_t other = at ? at - 1 : n - 1;
            if (n > 1 && merkle_climb(top, leaves[at], other, n, &path) == GLASS_OK)
                assert_memory_not_equal(top, wanted, 32);
            if (n > 1) {
                assert_int_equal(merkle_climb(top, leaves[other], at, n, &path), GLASS_OK);
                assert_memory_not_equal(top, wanted, 32);
            }
            path.n++;
            assert_int_equal(merkle_climb(top, leaves[at], at, n, &path), GLASS_BAD_INPUT);
        }
    }
    assert_int_equal(merkle_climb(top, leaves[0], 5, 5, &path), GLASS_BAD_INPUT);
}

/* The number of leaves is part of a root: a tree's top alone may be that of other trees. */
static void roots(void **state) {
    (void)state;
    uint8_t a[32], b[32], top[32] = {1};
    assert_int_equal(merkle_root(a, 4, top), GLASS_OK);
    assert_int_equal(merkle_root(b, 5, top), GLASS_OK);
    assert_memory_not_equal(a, b, 32);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(tops), cmocka_unit_test(paths),
                                       cmocka_unit_test(roots)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
