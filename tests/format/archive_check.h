/* archive_check.h - what the tests of archives share: reading from a copy without slack, words
 * of messages, cuts, flipped bits, failing allocations, recorded digests. */
#ifndef ARCHIVE_CHECK_H
#define ARCHIVE_CHECK_H

#include "base/hash.h"
#include "base/path.h"
#include "format/archive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
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

static char folder[] = "/tmp/glass-test-archive-XXXXXX";

static inline const char *in_folder(const char *name) {
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static inline int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static inline int remove_folder(void **state) {
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static inline void ok(glass_status status) {
    if (status != GLASS_OK) print_error("%s\n", glass_error());
    assert_int_equal(status, GLASS_OK);
}

static inline void says(const char *words) {
    if (strstr(glass_error(), words) == NULL)
        print_error("\"%s\" does not say \"%s\"\n", glass_error(), words);
    assert_non_null(strstr(glass_error(), words));
}

/* Opens a copy of exactly n bytes, so that AddressSanitizer sees every step outside. The copy
 * is freed with the archive's bytes: *copy. */
static inline glass_status open_copy(struct archive **a, char **copy, const void *bytes,
                                     size_t n) {
    *copy = malloc(n > 0 ? n : 1);
    assert_non_null(*copy);
    if (n > 0) memcpy(*copy, bytes, n);
    return archive_open_memory(a, *copy, n, "sample");
}

static inline void refused(const void *bytes, size_t n, const char *words) {
    struct archive *a = (struct archive *)&n;
    char *copy;
    glass_status status = open_copy(&a, &copy, bytes, n);
    if (status != GLASS_BAD_INPUT)
        print_error("status %d where \"%s\" was expected\n", status, words);
    assert_int_equal(status, GLASS_BAD_INPUT);
    assert_null(a);
    says("sample");
    says(words);
    free(copy);
}

/* Every byte that the archive points at. */
static inline uint64_t read_all(const struct archive *a) {
    uint64_t sum = 0;
    for (int64_t i = 0; i < archive_n_tensors(a); i++) {
        const struct archive_tensor *t = archive_tensor_at(a, i);
        assert_ptr_equal(archive_find(a, t->name, t->part), t);
        for (size_t k = 0; k < t->n_bytes; k++) sum += t->data[k] + 1u;
    }
    return sum;
}

static inline void cut_anywhere(const char *bytes, size_t n) {
    for (size_t cut = 0; cut < n; cut++) {
        struct archive *a;
        char *copy;
        glass_status status = open_copy(&a, &copy, bytes, cut);
        if (status != GLASS_BAD_INPUT) print_error("cut at %zu: %d\n", cut, status);
        assert_int_equal(status, GLASS_BAD_INPUT);
        assert_null(a);
        free(copy);
    }
}

/* An address-space limit turns any absurd allocation into GLASS_NO_MEMORY, which must not
 * appear. (The sanitizers need the address space themselves.) Returns how many flips went
 * unnoticed. */
static inline int64_t flip_all_bits(const char *bytes, size_t n) {
    int64_t n_opened = 0;
    char *copy = malloc(n);
    assert_non_null(copy);
    memcpy(copy, bytes, n);
#ifndef WITH_ASAN
    struct rlimit old, tight;
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    assert_non_null(statm);
    assert_int_equal(fscanf(statm, "%ld", &pages), 1);
    fclose(statm);
    getrlimit(RLIMIT_AS, &old);
    tight = old;
    tight.rlim_cur = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + (8u << 20);
    setrlimit(RLIMIT_AS, &tight);
#endif
    for (size_t bit = 0; bit < n * 8; bit++) {
        struct archive *a;
        copy[bit / 8] ^= (char)(1 << (bit % 8));
        glass_status status = archive_open_memory(&a, copy, n, "flipped");
        if (status != GLASS_OK && status != GLASS_BAD_INPUT)
            print_error("bit %zu: %s\n", bit, glass_error());
        assert_true(status == GLASS_OK || status == GLASS_BAD_INPUT);
        assert_true((status == GLASS_OK) == (a != NULL));
        if (status == GLASS_OK) {
            read_all(a);
            n_opened++;
        }
        archive_close(a);
        copy[bit / 8] ^= (char)(1 << (bit % 8));
    }
#ifndef WITH_ASAN
    setrlimit(RLIMIT_AS, &old);
#endif
    free(copy);
    return n_opened;
}

/* Returns how many allocations opening takes. */
static inline int64_t fail_each_allocation(const char *path) {
    for (int64_t n = 1;; n++) {
        struct archive *a;
        mem_fail_at(n);
        glass_status status = archive_open(&a, path);
        mem_fail_at(0);
        if (status == GLASS_OK) {
            archive_close(a);
            return n - 1;
        }
        assert_int_equal(status, GLASS_NO_MEMORY);
        assert_null(a);
    }
}

/* The file is the one that data/archives.sha256 records. */
static inline void is_recorded(const char *name) {
    struct buf sums = {0}, file = {0};
    char path[200], hex[65];
    uint8_t digest[32];
    snprintf(path, sizeof path, "tests/format/data/%s", name);
    ok(path_read_whole(&sums, "tests/format/data/archives.sha256", 10000));
    ok(path_read_whole(&file, path, 1 << 20));
    ok(sha256_bytes(digest, file.data, file.len));
    sha256_hex(hex, digest);
    char *line = strstr(sums.data, name);
    assert_non_null(line);
    assert_true(line - sums.data >= 66);
    assert_memory_equal(line - 66, hex, 64);
    buf_free(&sums);
    buf_free(&file);
}

/* One tensor: type, shape and bytes. */
static inline void holds(const struct archive *a, const char *name, const char *type,
                         int n_dims, const int64_t *shape, const void *bytes, size_t n) {
    const struct archive_tensor *t = archive_find(a, name, -1);
    if (t == NULL) print_error("no tensor %s\n", name);
    assert_non_null(t);
    assert_string_equal(t->name, name);
    assert_string_equal(t->type, type);
    assert_int_equal(t->n_dims, n_dims);
    for (int i = 0; i < n_dims; i++) assert_int_equal(t->shape[i], shape[i]);
    assert_int_equal(t->n_bytes, n);
    if (n > 0) assert_memory_equal(t->data, bytes, n);
}

#endif
