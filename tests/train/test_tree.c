/* test_tree.c - runs of micro-batches and their nodes against the plain binary tree of arithmetic.md,
 * spelled out: leaves in pairs, level after level; the last of an odd level goes up alone. */
#include "base/mem.h"
#include "train/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LEAVES = 17, PROCESSES = 9, TEXT = 160 };

/* An addition, written down: "(a+b)". */
static void add_text(char *to, const char *left, const char *right) {
    char sum[TEXT];
    int n = snprintf(sum, sizeof sum, "(%s+%s)", left, right);
    assert_true(n > 0 && n < TEXT);
    memcpy(to, sum, sizeof sum);
}

/* The definition: the sum of leaves 0 … n - 1. */
static void plain_tree(char *out, int64_t n) {
    char level[LEAVES][TEXT];
    for (int64_t i = 0; i < n; i++) snprintf(level[i], TEXT, "%lld", (long long)i);
    for (; n > 1; n = (n + 1) / 2)
        for (int64_t i = 0; i < n; i += 2) {
            char here[TEXT];
            if (i + 1 < n)
                add_text(here, level[i], level[i + 1]);
            else
                memcpy(here, level[i], sizeof here);
            memcpy(level[i / 2], here, sizeof here);
        }
    memcpy(out, level[0], TEXT);
}

/* What node (level, index) of n leaves is in the definition; returns the end of its leaves. */
static int64_t plain_node(char *out, int level, int64_t index, int64_t n) {
    int64_t begin = index << level, end = (index + 1) << level;
    if (end > n) end = n;
    assert_true(begin < end);
    if (level == 0) {
        snprintf(out, TEXT, "%lld", (long long)index);
        return end;
    }
    int64_t middle = plain_node(out, level - 1, 2 * index, n);
    if (middle < end) {
        char right[TEXT];
        assert_true(plain_node(right, level - 1, 2 * index + 1, n) == end);
        add_text(out, out, right);
    }
    return end;
}

static void runs_are_all_leaves_in_order(void **state) {
    (void)state;
    for (int64_t n = 1; n <= LEAVES; n++)
        for (int64_t size = 1; size <= PROCESSES; size++) {
            int64_t at = 0, longest = 0, least = (n + size - 1) / size, begin, end;
            for (int64_t i = 0; i < size; i++) {
                tree_run(n, i, size, &begin, &end);
                assert_true(begin == at && end >= begin);
                if (end - begin > longest) longest = end - begin;
                at = end;
            }
            assert_true(at == n);
            assert_true(10 * longest <= 11 * least); /* tree.h: a tenth longer at most */
        }
}

static void runs_fit_the_tree(void **state) {
    (void)state;
    int64_t begin, end;
    for (int64_t size = 1; size <= 8; size *= 2) /* powers of two: a node for each */
        for (int64_t n = size; n <= 16; n *= 2)
            for (int64_t i = 0; i < size; i++) {
                struct tree_node nodes[TREE_LEVELS];
                int most;
                tree_run(n, i, size, &begin, &end);
                assert_true(end - begin == n / size);
                assert_true(tree_nodes(nodes, n, begin, end, &most) == 1);
            }
}

static void only_siblings_merge(void **state) {
    (void)state;
    for (int level = 0; level < 4; level++)
        for (int64_t left = 0; left < 8; left++)
            for (int other = 0; other < 4; other++)
                for (int64_t right = 0; right < 8; right++) {
                    struct tree_node l = {.level = level, .index = left};
                    const struct tree_node r = {.level = other, .index = right};
                    bool siblings = level == other && left % 2 == 0 && right == left + 1;
                    assert_true(tree_merge(&l, &r, INT64_MAX) == siblings);
                    assert_true(l.level == level + siblings);
                    assert_true(l.index == (siblings ? left / 2 : left));
                }
}

/* A process's stack, added as its leaves come: pieces (depth, TEXT) and their nodes. */
static int add_run(char (*sums)[TEXT], struct tree_node *nodes, int64_t n, int64_t begin,
                   int64_t end) {
    struct tree_node stack[TREE_LEVELS];
    int depth = 0, most, kept = 0;
    for (int64_t i = begin; i < end; i++) {
        if (depth > kept) kept = depth;
        int alone = tree_nodes(&stack[depth], n, i, i + 1, &most);
        assert_true(alone == 1 && most == 0);
        snprintf(sums[depth++], TEXT, "%lld", (long long)i);
        while (depth > 1 && tree_merge(&stack[depth - 2], &stack[depth - 1], n)) {
            depth--;
            add_text(sums[depth - 1], sums[depth - 1], sums[depth]);
        }
    }
    int n_nodes = tree_nodes(nodes, n, begin, end, &most);
    assert_true(n_nodes == depth && most == kept);
    for (int i = 0; i < depth; i++)
        assert_true(nodes[i].level == stack[i].level && nodes[i].index == stack[i].index);
    return depth;
}

static void nodes_are_those_of_the_plain_tree(void **state) {
    (void)state;
    for (int64_t n = 1; n <= LEAVES; n++)
        for (int64_t begin = 0; begin < n; begin++)
            for (int64_t end = begin; end <= n; end++) { /* any run, not tree_run's alone */
                char sums[TREE_LEVELS][TEXT], want[TEXT];
                struct tree_node nodes[TREE_LEVELS];
                int64_t at = begin;
                int depth = add_run(sums, nodes, n, begin, end);
                for (int i = 0; i < depth; i++) {
                    assert_true(nodes[i].index << nodes[i].level == at);
                    at = plain_node(want, nodes[i].level, nodes[i].index, n);
                    assert_string_equal(sums[i], want);
                }
                assert_true(at == end);
            }
}

/* Everybody's pieces, in the order of the ranks, merge into the whole and nothing else. */
static void pieces_of_processes_make_the_whole(void **state) {
    (void)state;
    for (int64_t n = 1; n <= LEAVES; n++)
        for (int64_t size = 1; size <= PROCESSES; size++) {
            char sums[TREE_LEVELS][TEXT], want[TEXT];
            struct tree_node stack[TREE_LEVELS];
            int depth = 0;
            for (int64_t rank = 0; rank < size; rank++) {
                char mine[TREE_LEVELS][TEXT];
                struct tree_node nodes[TREE_LEVELS];
                int64_t begin, end;
                tree_run(n, rank, size, &begin, &end);
                int n_mine = add_run(mine, nodes, n, begin, end);
                for (int i = 0; i < n_mine; i++) {
                    stack[depth] = nodes[i];
                    memcpy(sums[depth++], mine[i], TEXT);
                    while (depth > 1 &&
                           tree_merge(&stack[depth - 2], &stack[depth - 1], n)) {
                        depth--;
                        add_text(sums[depth - 1], sums[depth - 1], sums[depth]);
                    }
                }
            }
            assert_int_equal(depth, 1);
            plain_tree(want, n);
            assert_string_equal(sums[0], want);
        }
}

/* Memory: the sums that are kept, of the process that keeps the most. */
static void bytes_are_those_of_the_largest(void **state) {
    (void)state;
    const int64_t floats = 1 << 20;
    for (int64_t n = 1; n <= LEAVES; n++) {
        int kept = 0;
        while (((int64_t)2 << kept) <= n) kept++;
        /* Alone: one sum for each level that is under way, but for the leaf's own memory. */
        size_t bytes = tree_bytes(floats, n, 1) / sizeof(float);
        assert_true(bytes % (size_t)floats == 0);
        assert_true(bytes / (size_t)floats <= (size_t)kept + 1);
        assert_true((n == 1) == (bytes == 0));
        for (int64_t size = 2; size <= PROCESSES; size++)
            assert_true(tree_bytes(floats, n, size) >= reduction_bytes(floats, n, size));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_are_all_leaves_in_order),
        cmocka_unit_test(runs_fit_the_tree),
        cmocka_unit_test(only_siblings_merge),
        cmocka_unit_test(nodes_are_those_of_the_plain_tree),
        cmocka_unit_test(pieces_of_processes_make_the_whole),
        cmocka_unit_test(bytes_are_those_of_the_largest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
