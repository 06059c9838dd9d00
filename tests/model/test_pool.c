/* test_pool.c - pools of pages: sessions of a pool give the bits that sessions of their own
 * give, whatever they share, lose, find again or read from a folder; no page is lost or held
 * twice; damaged files are not believed. */
#include "text_model.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/path.h"
#include "math/attn_layout.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

enum { N = 1100, TEXTS = 6, SESSIONS = 5, PAGE = GLASS_POOL_PAGE };
_Static_assert((int)GLASS_POOL_PAGE == (int)ATTN_BLOCK, "pages are attention's blocks");

/* Text i begins as text 0 does, for shared[i] tokens. */
static const int64_t shared[TEXTS] = {N, 100, 256, 300, 512, 700};

struct fixture {
    struct maker vocabulary;
    glass_model *model, *other;
    int64_t V;
    int32_t texts[TEXTS][N];
    float *logits[TEXTS]; /* (N, V) of a session of its own */
};

static int start(void **state) {
    static struct fixture f;
    *state = &f;
    maker_bpe(&f.vocabulary, "gpt-2");
    maker_add_text(&f.vocabulary, "<|endoftext|>", TOK_CONTROL);
    f.V = f.vocabulary.n_tokens;
    struct text_model m = {.seed = 1, .sharpness = 2, .n_ctx = 2048};
    f.model = text_model_open(&f.vocabulary, &m);
    m.seed = 2;
    f.other = text_model_open(&f.vocabulary, &m);
    uint64_t random = 3;
    for (int i = 0; i < TEXTS; i++) {
        glass_session *s;
        glass_session_options o = {.n_ctx = N, .n_threads = 1};
        for (int64_t t = 0; t < N; t++)
            f.texts[i][t] = i > 0 && t < shared[i]
                                ? f.texts[0][t]
                                : (int32_t)(random_next(&random) % (uint64_t)f.V);
        f.logits[i] = malloc((size_t)(N * f.V) * sizeof(float));
        ok(glass_session_create(&s, f.model, &o));
        ok(glass_session_eval_all(s, f.texts[i], N, f.logits[i]));
        glass_session_free(s);
    }
    return 0;
}

static int end(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < TEXTS; i++) free(f->logits[i]);
    glass_model_close(f->model);
    glass_model_close(f->other);
    maker_free(&f->vocabulary);
    return 0;
}

static size_t page_bytes(const struct fixture *f, const glass_pool_options *o) {
    glass_pool_info info;
    ok(glass_pool_plan(&info, f->model, o));
    return info.page_bytes;
}

static glass_pool *make_pool(const struct fixture *f, int64_t n_pages,
                             glass_pool_options o) {
    glass_pool *p;
    if (o.n_ctx == 0) o.n_ctx = N;
    o.n_threads = 2;
    o.n_batch = 96;
    o.cache_bytes = (size_t)n_pages * page_bytes(f, &o);
    ok(glass_pool_create(&p, f->model, &o));
    return p;
}

static glass_pool_info info_of(const glass_pool *p) {
    glass_pool_info info;
    glass_pool_get_info(p, &info);
    return info;
}

/* Feeds the next n tokens of text i, all logits compared. */
static glass_status feed(const struct fixture *f, glass_session *s, int i, int64_t n) {
    int64_t at;
    (void)glass_session_tokens(s, &at);
    float *logits = malloc((size_t)(n * f->V) * sizeof *logits);
    glass_status status = glass_session_eval_all(s, f->texts[i] + at, n, logits);
    if (status == GLASS_OK)
        assert_memory_equal(logits, f->logits[i] + at * f->V,
                            (size_t)(n * f->V) * sizeof *logits);
    free(logits);
    return status;
}

static glass_session *session_of(glass_pool *p) {
    glass_session *s;
    ok(glass_pool_session(&s, p));
    return s;
}

static int64_t find(const struct fixture *f, glass_session *s, int i, int64_t n) {
    int64_t found;
    ok(glass_pool_find(s, f->texts[i], n, &found));
    return found;
}

/* ---- sharing ---- */

static void test_sharing(void **state) {
    const struct fixture *f = *state;
    glass_pool *p = make_pool(f, 12, (glass_pool_options){0});
    glass_session *a = session_of(p), *b = session_of(p), *c = session_of(p);
    assert_int_equal(info_of(p).n_pages, 12);
    ok(feed(f, a, 0, 700)); /* two full pages and a part */
    assert_int_equal(info_of(p).n_used, 3);
    /* Full pages are shared; the part is in use. */
    assert_int_equal(find(f, b, 5, 650), 512);
    assert_int_equal(info_of(p).n_used, 3);
    ok(feed(f, b, 5, 200));
    ok(feed(f, a, 0, 100));
    assert_int_equal(info_of(p).n_used, 4 + 1);
    /* What a session leaves is kept: full pages, and parts are copied as far as they fit. */
    glass_session_free(a);
    assert_int_equal(info_of(p).n_kept, 2);
    assert_int_equal(find(f, c, 5, 640), 640);
    ok(feed(f, c, 5, 300));
    assert_int_equal(glass_session_truncate(c, 0), GLASS_OK);
    assert_int_equal(find(f, c, 3, N), 300);
    ok(feed(f, c, 3, 20));
    /* A session that goes on from the middle of a page that others have writes to a copy. */
    ok(glass_session_truncate(b, 400));
    ok(feed(f, b, 0, 300));
    ok(glass_session_truncate(c, 0));
    assert_int_equal(find(f, c, 5, N), 940);
    ok(feed(f, c, 5, N - 940));
    glass_session_free(b);
    glass_session_free(c);
    assert_int_equal(info_of(p).n_used, info_of(p).n_kept);
    glass_pool_free(p);
}

/* Two that read the same at the same time end with one copy of each full page. */
static void test_twins(void **state) {
    const struct fixture *f = *state;
    glass_pool *p = make_pool(f, 8, (glass_pool_options){0});
    glass_session *a = session_of(p), *b = session_of(p);
    for (int i = 0; i < 6; i++) ok(feed(f, a, 0, 50)), ok(feed(f, b, 3, 50));
    assert_int_equal(info_of(p).n_used, 3);
    int64_t found;
    for (int i = 0; i < 6; i++) ok(feed(f, a, 0, 50)), ok(feed(f, b, 3, 50));
    assert_int_equal(info_of(p).n_used, 5);
    ok(glass_pool_find(a, f->texts[0] + 600, 100, &found)); /* not where a page ends */
    assert_int_equal(found, 0);
    glass_session_free(a);
    glass_session_free(b);
    glass_pool_free(p);
}

/* ---- too few pages ---- */

static void test_short(void **state) {
    const struct fixture *f = *state;
    glass_pool *p = make_pool(f, 3, (glass_pool_options){0});
    glass_session *a = session_of(p), *b = session_of(p);
    ok(feed(f, a, 0, 600));
    int64_t n;
    assert_int_equal(feed(f, b, 1, 10), GLASS_NO_MEMORY);
    assert_non_null(strstr(glass_error(), "3"));
    glass_session_tokens(b, &n);
    assert_int_equal(n, 0);
    ok(glass_pool_reserve(a, 100));
    assert_int_equal(glass_pool_reserve(a, 200), GLASS_NO_MEMORY);
    assert_int_equal(feed(f, a, 0, 400), GLASS_NO_MEMORY);
    ok(feed(f, a, 0, 168)); /* what there is can be used */
    glass_session_free(a);
    ok(feed(f, b, 1, 300)); /* prefixes make room, what was used longest ago first */
    assert_int_equal(glass_session_truncate(b, 0), GLASS_OK);
    assert_int_equal(find(f, b, 1, N), 300);
    glass_session_free(b);
    glass_pool_free(p);
    p = make_pool(f, 1, (glass_pool_options){0});
    a = session_of(p);
    ok(feed(f, a, 0, 200));
    ok(glass_session_truncate(a, 0));
    assert_int_equal(find(f, a, 1, N), 0); /* no second page to copy to */
    assert_int_equal(find(f, a, 0, N), 200);
    ok(feed(f, a, 0, 56));
    glass_session_free(a);
    glass_pool_free(p);
}

static void test_refusals(void **state) {
    const struct fixture *f = *state;
    glass_pool *p;
    glass_session *own, *s;
    int64_t found;
    glass_pool_options o = {.n_ctx = N, .cache_bytes = 100};
    assert_int_equal(glass_pool_create(&p, f->model, &o), GLASS_USAGE);
    assert_non_null(strstr(glass_error(), "one page"));
    o.cache_bytes = (size_t)1 << 60;
    assert_int_equal(glass_pool_create(&p, f->model, &o), GLASS_NO_MEMORY);
    assert_non_null(strstr(glass_error(), "this machine"));
    o = (glass_pool_options){.n_ctx = 4096};
    assert_int_equal(glass_pool_create(&p, f->model, &o), GLASS_USAGE);
    o = (glass_pool_options){.n_ctx = N, .prefix_dir = "/proc/none"};
    assert_int_equal(glass_pool_create(&p, f->model, &o), GLASS_SYSTEM);
    p = make_pool(f, 4, (glass_pool_options){0});
    s = session_of(p);
    ok(glass_session_create(&own, f->model, NULL));
    glass_batch_item items[2] = {{.session = s, .tokens = f->texts[0], .n = 1},
                                 {.session = own, .tokens = f->texts[0], .n = 1}};
    assert_int_equal(glass_batch_eval(items, 2), GLASS_USAGE);
    assert_int_equal(glass_session_set_adapters(s, NULL, 0), GLASS_USAGE);
    assert_int_equal(glass_pool_find(own, f->texts[0], 1, &found), GLASS_USAGE);
    assert_int_equal(glass_pool_reserve(own, 1), GLASS_USAGE);
    assert_int_equal(glass_pool_reserve(s, N + 1), GLASS_USAGE);
    glass_session_free(own);
    glass_session_free(s);
    glass_pool_free(p);
    o = (glass_pool_options){.n_ctx = N};
    for (int n = 1; n < 40; n++) {
        mem_fail_at(n);
        glass_status status = glass_pool_create(&p, f->model, &o);
        mem_fail_at(0);
        if (status == GLASS_OK) {
            mem_fail_at(n % 6 + 1);
            if (glass_pool_session(&s, p) == GLASS_OK) glass_session_free(s);
            mem_fail_at(0);
        } else {
            assert_int_equal(status, GLASS_NO_MEMORY);
            assert_null(p);
        }
        glass_pool_free(p);
    }
}

/* ---- anything, in any order ---- */

struct walker {
    glass_session *session;
    int text;
};

/* What one session does next. */
static void step(const struct fixture *f, glass_pool *p, struct walker *w,
                 uint64_t *random) {
    int64_t n, have;
    uint64_t dice = random_next(random) % 16;
    glass_session_tokens(w->session, &have);
    if (dice < 2) { /* ends, and begins anew */
        glass_session_free(w->session);
        w->session = session_of(p);
        w->text = (int)(random_next(random) % TEXTS);
        if (dice == 0) find(f, w->session, w->text, (int64_t)(random_next(random) % N));
    } else if (dice == 2) {
        ok(glass_session_truncate(w->session,
                                  (int64_t)(random_next(random) % (uint64_t)(have + 1))));
    } else if (dice == 3) { /* another text, as far as it is the same */
        w->text = (int)(random_next(random) % TEXTS);
        int64_t same = 0;
        const int32_t *held = glass_session_tokens(w->session, &have);
        while (same < have && held[same] == f->texts[w->text][same]) same++;
        ok(glass_session_truncate(w->session, same));
    } else if (dice == 4) {
        int64_t found;
        ok(glass_pool_find(w->session, f->texts[w->text] + have, N - have, &found));
    } else {
        n = 1 + (int64_t)(random_next(random) % (dice < 8 ? 300 : 20));
        if (n > N - have) n = N - have;
        glass_status status = feed(f, w->session, w->text, n);
        if (status == GLASS_NO_MEMORY) {
            ok(glass_session_truncate(w->session, 0));
        } else {
            ok(status);
        }
    }
}

static void walk(const struct fixture *f, int64_t n_pages, uint64_t seed) {
    glass_pool *p = make_pool(f, n_pages, (glass_pool_options){0});
    struct walker w[SESSIONS];
    uint64_t random = seed;
    for (int i = 0; i < SESSIONS; i++) w[i] = (struct walker){session_of(p), i};
    for (int i = 0; i < 400; i++) {
        step(f, p, &w[random_next(&random) % SESSIONS], &random);
        glass_pool_info info = info_of(p);
        assert_true(info.n_used <= info.n_pages && info.n_kept <= info.n_used);
    }
    for (int i = 0; i < SESSIONS; i++) glass_session_free(w[i].session);
    assert_int_equal(info_of(p).n_used, info_of(p).n_kept);
    /* Every page can be had again. */
    glass_session *s = session_of(p);
    ok(feed(f, s, 0, N < n_pages * PAGE ? N : n_pages * PAGE));
    glass_session_free(s);
    glass_pool_free(p);
}

static void test_any_order(void **state) {
    for (uint64_t seed = 1; seed <= 6; seed++) walk(*state, 2 + (int64_t)seed * 2, seed);
}

/* ---- the folder ---- */

static char folder[] = "/tmp/glass-pool-XXXXXX";

/* How many files of pages; the name of one of them goes to path. */
static int count_files(char path[512]) {
    int n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (strstr(e->d_name, ".page") != NULL) {
            snprintf(path, 512, "%s/%s", folder, e->d_name);
            n++;
        }
    closedir(d);
    return n;
}

static glass_pool *folder_pool(const struct fixture *f, size_t bytes, glass_dtype type) {
    return make_pool(f, 8,
                     (glass_pool_options){
                         .prefix_dir = folder, .prefix_bytes = bytes, .cache_type = type});
}

static void leave(const struct fixture *f, size_t bytes, int text, int64_t n) {
    glass_pool *p = folder_pool(f, bytes, GLASS_F32);
    glass_session *s = session_of(p);
    ok(feed(f, s, text, n));
    glass_session_free(s);
    glass_pool_free(p);
}

static int64_t found_in(const struct fixture *f, glass_pool *p, int text) {
    glass_session *s = session_of(p);
    int64_t found = find(f, s, text, N);
    ok(feed(f, s, text, 20));
    glass_session_free(s);
    return found;
}

static void test_folder(void **state) {
    struct fixture *f = *state;
    char path[512];
    struct stat st;
    assert_non_null(mkdtemp(folder));
    leave(f, 0, 0, 700);
    assert_int_equal(count_files(path), 2);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    glass_pool *p = folder_pool(f, 0, GLASS_F32);
    assert_int_equal(found_in(f, p, 5), 512);
    assert_int_equal(found_in(f, p, 3), 300); /* the second page was read for text 5 */
    assert_int_equal(info_of(p).n_read, 2);
    glass_pool_free(p);
    assert_int_equal(count_files(path), 2);
    /* Of another type, or model: nothing. */
    p = folder_pool(f, 0, GLASS_F16);
    glass_session *s = session_of(p);
    assert_int_equal(find(f, s, 0, N), 0);
    glass_session_free(s);
    glass_pool_free(p);
    glass_pool_options o = {.n_ctx = N, .prefix_dir = folder};
    ok(glass_pool_create(&p, f->other, &o));
    s = session_of(p);
    assert_int_equal(find(f, s, 0, N), 0);
    glass_session_free(s);
    glass_pool_free(p);
    /* No more bytes than may be: what was used last stays. */
    size_t two = 2 * (page_bytes(f, &(glass_pool_options){.n_ctx = N}) + 100);
    leave(f, two, 1, 700);
    assert_int_equal(count_files(path), 2);
    p = folder_pool(f, two, GLASS_F32);
    assert_int_equal(found_in(f, p, 0), 0); /* whole pages only */
    assert_int_equal(info_of(p).n_read, 0);
    assert_int_equal(found_in(f, p, 1), 512);
    glass_pool_free(p);
}

static bool write_one(glass_pool *p) {
    bool wrote;
    ok(glass_pool_write(p, &wrote));
    return wrote;
}

/* Pages that are written while the pool is at work are found by another, as after a kill. */
static void test_written_early(void **state) {
    struct fixture *f = *state;
    char path[512];
    for (; count_files(path) > 0;) unlink(path);
    glass_pool *p = folder_pool(f, 0, GLASS_F32), *other;
    assert_false(write_one(p));
    glass_session *s = session_of(p), *t = session_of(p);
    ok(feed(f, s, 1, 600));
    find(f, t, 1, 300);
    ok(glass_session_truncate(s, 0)); /* the first page is held, the second let go later */
    assert_true(write_one(p) && write_one(p));
    assert_false(write_one(p));
    assert_int_equal(info_of(p).n_written, 2);
    other = folder_pool(f, 0, GLASS_F32);
    assert_int_equal(found_in(f, other, 1), 512);
    assert_false(write_one(other)); /* what was read is there */
    glass_pool_free(other);
    glass_session_free(s);
    glass_session_free(t);
    glass_pool_free(p);
    assert_int_equal(count_files(path), 2);
    /* A full folder: what was used last takes the place of what was used longest ago. */
    size_t two = 2 * (page_bytes(f, &(glass_pool_options){.n_ctx = N}) + 100);
    p = folder_pool(f, two, GLASS_F32);
    s = session_of(p);
    ok(feed(f, s, 4, 300));
    assert_true(write_one(p));
    assert_false(write_one(p));
    assert_int_equal(count_files(path), 2);
    ok(glass_session_truncate(s, 0));
    ok(feed(f, s, 0, 700)); /* its first page is text 4's, too */
    ok(glass_session_truncate(s, 0));
    assert_true(write_one(p));
    assert_false(write_one(p));
    assert_int_equal(count_files(path), 2);
    other = folder_pool(f, two, GLASS_F32);
    assert_int_equal(found_in(f, other, 0), 512);
    glass_pool_free(other);
    /* A folder that takes nothing is asked once. */
    for (; count_files(path) > 0;) unlink(path);
    assert_int_equal(rmdir(folder), 0);
    ok(feed(f, s, 3, 600));
    ok(glass_session_truncate(s, 0));
    assert_false(write_one(p));
    assert_non_null(strstr(info_of(p).note, folder));
    glass_session_free(s);
    glass_pool_free(p);
    assert_int_equal(mkdir(folder, 0700), 0);
}

/* One byte of a file is another; or it is cut. */
static void damage(const char *path, size_t at, size_t cut) {
    struct buf b = {0};
    ok(path_read_whole(&b, path, (size_t)1 << 30));
    b.data[at % b.len] ^= 4;
    ok(path_write_whole(path, b.data, b.len - cut));
    buf_free(&b);
}

static void test_damage(void **state) {
    struct fixture *f = *state;
    char path[512];
    static const size_t at[] = {0, 9, 39, 40, 41, 5000, (size_t)-1};
    for (int i = 0; i < 8; i++) {
        for (; count_files(path) > 0;) unlink(path);
        leave(f, 0, 4, 300);
        assert_int_equal(count_files(path), 1);
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        damage(path, i == 6 ? (size_t)st.st_size - 1 : at[i % 7], i == 7);
        glass_pool *p = folder_pool(f, 0, GLASS_F32);
        assert_int_equal(found_in(f, p, 4), 0);
        glass_pool_info info = info_of(p);
        if (i < 7) {
            assert_int_equal(info.n_refused, 1);
            assert_non_null(strstr(info.note, path));
            assert_int_equal(count_files(path), 0);
        }
        glass_pool_free(p);
    }
    for (; count_files(path) > 0;) unlink(path);
    assert_int_equal(rmdir(folder), 0);
}

/* ---- warm pages ---- */

static int warmed(glass_pool *p) {
    int n = 0;
    while (glass_pool_warm(p)) n++;
    return n;
}

/* Two free pages are made ready, never one that somebody holds or that keeps a prefix. */
static void test_warm(void **state) {
    struct fixture *f = *state;
    glass_pool *p = make_pool(f, 6, (glass_pool_options){0});
    assert_int_equal(warmed(p), 2);
    assert_int_equal(warmed(p), 0);
    glass_session *s = session_of(p);
    ok(feed(f, s, 1, 600)); /* three pages */
    assert_int_equal(warmed(p), 2);
    ok(feed(f, s, 1, 300));
    assert_int_equal(warmed(p), 1);
    glass_session_free(s);
    assert_int_equal(warmed(p), 0);
    s = session_of(p);
    assert_int_equal(find(f, s, 1, N), 900);
    ok(feed(f, s, 1, 200));
    assert_int_equal(warmed(p), 0);
    glass_session_free(s);
    glass_pool_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sharing),       cmocka_unit_test(test_twins),
        cmocka_unit_test(test_short),         cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_any_order),     cmocka_unit_test(test_folder),
        cmocka_unit_test(test_written_early), cmocka_unit_test(test_damage),
        cmocka_unit_test(test_warm),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, start, end);
}
