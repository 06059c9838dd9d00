/* test_models.c - the models of a server: names, loading once, room for others, times after
 * which they are closed, unloading, draining. */
#include "solo.h"

#include "serve/models.h"

#include <time.h>

enum { N_FILES = 3 };

struct fixture {
    struct maker vocabulary;
    char paths[N_FILES][64];
};

static int start(void **state) {
    static struct fixture f;
    *state = &f;
    maker_bpe(&f.vocabulary, "gpt-2");
    for (int i = 0; i < N_FILES; i++)
        text_model_write(f.paths[i], &f.vocabulary,
                         &(struct text_model){.seed = (uint64_t)i + 1, .sharpness = 2});
    return 0;
}

static int end(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < N_FILES; i++) unlink(f->paths[i]);
    maker_free(&f->vocabulary);
    return 0;
}

static struct models *make(const struct fixture *f, int n, int64_t n_loaded,
                           double keep_s) {
    const char *names[N_FILES];
    struct models *m;
    for (int i = 0; i < N_FILES; i++) names[i] = f->paths[i];
    struct models_options o = {.names = names,
                               .n_names = n,
                               .n_loaded = n_loaded,
                               .keep_s = keep_s,
                               .sched = {.n_ctx = 64, .n_parallel = 2, .n_threads = 1}};
    ok(models_create(&m, &o));
    return m;
}

static const char *name_of(const struct fixture *f, int i) {
    return strrchr(f->paths[i], '/') + 1;
}

/* How many are loaded. */
static int n_loaded(struct models *m) {
    struct model_entry *entries;
    int64_t n;
    int loaded = 0;
    ok(models_list(m, &entries, &n));
    for (int64_t i = 0; i < n; i++) loaded += entries[i].loaded_s > 0;
    models_entries_free(entries, n);
    return loaded;
}

static void wait_loaded(struct models *m, int want) {
    for (int i = 0; i < 2000 && n_loaded(m) != want; i++)
        nanosleep(&(struct timespec){0, 5000000}, NULL);
    assert_int_equal(n_loaded(m), want);
}

static void test_names(void **state) {
    const struct fixture *f = *state;
    struct models *m = make(f, 3, 0, -1);
    struct served *a, *b, *none;
    char text[96];
    assert_false(models_ready(m));
    ok(models_preload(m));
    assert_true(models_ready(m));
    ok(models_acquire(m, &a, NULL, NAN));
    ok(models_acquire(m, &b, "", NAN));
    assert_ptr_equal(a, b);
    assert_string_equal(served_name(a), name_of(f, 0));
    assert_string_equal(served_path(a), f->paths[0]);
    models_release(b);
    static const char *const ends[] = {"", ".gguf", ":latest"};
    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof text, "%s%s", name_of(f, 1), ends[i]);
        ok(models_acquire(m, &b, text, NAN));
        assert_string_equal(served_name(b), name_of(f, 1));
        assert_ptr_not_equal(served_model(a), served_model(b));
        models_release(b);
    }
    assert_int_equal(models_acquire(m, &none, "nothing", NAN), GLASS_NEGATIVE);
    assert_null(none);
    for (int i = 0; i < 3; i++) assert_non_null(strstr(glass_error(), name_of(f, i)));
    assert_int_equal(n_loaded(m), 2);
    models_release(a);
    models_free(m);
    struct models *same;
    const char *twice[] = {f->paths[0], f->paths[0]};
    struct models_options o = {.names = twice, .n_names = 2};
    assert_int_equal(models_create(&same, &o), GLASS_USAGE);
    assert_null(same);
}

struct user {
    struct models *m;
    const char *name;
    struct served *served;
    pthread_t thread;
};

static void *acquire(void *context) {
    struct user *u = context;
    if (models_acquire(u->m, &u->served, u->name, NAN) != GLASS_OK) u->served = NULL;
    return NULL;
}

/* Many at once open it once. */
static void test_loaded_once(void **state) {
    const struct fixture *f = *state;
    struct models *m = make(f, 1, 1, -1);
    struct user users[8];
    for (int i = 0; i < 8; i++) {
        users[i] = (struct user){.m = m};
        pthread_create(&users[i].thread, NULL, acquire, &users[i]);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(users[i].thread, NULL);
        assert_non_null(users[i].served);
        assert_ptr_equal(served_model(users[i].served), served_model(users[0].served));
    }
    for (int i = 0; i < 8; i++) models_release(users[i].served);
    models_free(m);
}

/* With room for one: another waits until nobody uses it, and then takes its place. */
static void test_room(void **state) {
    const struct fixture *f = *state;
    struct models *m = make(f, 3, 1, -1);
    struct served *a, *b;
    struct user u = {.m = m, .name = name_of(f, 1)}, back = {.m = m, .name = name_of(f, 0)};
    ok(models_acquire(m, &a, NULL, NAN));
    pthread_create(&u.thread, NULL, acquire, &u);
    nanosleep(&(struct timespec){0, 30000000}, NULL);
    assert_null(u.served);
    pthread_create(&back.thread, NULL, acquire, &back); /* stands behind the other */
    nanosleep(&(struct timespec){0, 30000000}, NULL);
    assert_null(back.served);
    models_release(a);
    pthread_join(u.thread, NULL);
    assert_non_null(u.served);
    assert_string_equal(served_name(u.served), name_of(f, 1));
    models_release(u.served);
    pthread_join(back.thread, NULL);
    assert_non_null(back.served);
    models_release(back.served);
    assert_int_equal(n_loaded(m), 1);
    ok(models_acquire(m, &b, name_of(f, 2), NAN));
    assert_int_equal(n_loaded(m), 1);
    models_release(b);
    models_free(m);
}

static void test_times(void **state) {
    const struct fixture *f = *state;
    struct models *m = make(f, 2, 2, 0.05);
    struct served *a;
    ok(models_acquire(m, &a, NULL, NAN));
    nanosleep(&(struct timespec){0, 100000000}, NULL);
    assert_int_equal(n_loaded(m), 1); /* while it is used */
    models_release(a);
    wait_loaded(m, 0);
    ok(models_acquire(m, &a, NULL, -1)); /* this request's wish: never */
    models_release(a);
    nanosleep(&(struct timespec){0, 100000000}, NULL);
    assert_int_equal(n_loaded(m), 1);
    ok(models_unload(m, NULL));
    assert_int_equal(n_loaded(m), 0); /* at once, whenever it is closed */
    assert_int_equal(models_unload(m, NULL), GLASS_NEGATIVE);
    assert_int_equal(models_unload(m, "nothing"), GLASS_NEGATIVE);
    models_free(m);
}

static void test_bad_file(void **state) {
    const struct fixture *f = *state;
    char bad[64];
    write_temporary(bad, "GGUF nonsense", 13);
    const char *names[] = {f->paths[0], bad};
    struct models *m;
    struct served *a;
    struct models_options o = {
        .names = names, .n_names = 2, .keep_s = -1, .sched = {.n_ctx = 64, .n_threads = 1}};
    ok(models_create(&m, &o));
    assert_int_not_equal(models_acquire(m, &a, strrchr(bad, '/') + 1, NAN), GLASS_OK);
    assert_null(a);
    ok(models_acquire(m, &a, NULL, NAN)); /* the other works */
    models_release(a);
    models_free(m);
    unlink(bad);
    o.n_names = 1;
    names[0] = "/nowhere/model.gguf";
    assert_int_not_equal(models_create(&m, &o), GLASS_OK);
    assert_null(m);
}

static void test_drain(void **state) {
    const struct fixture *f = *state;
    struct models *m = make(f, 2, 2, -1);
    struct served *a, *none;
    struct answer answer;
    struct job *job;
    int32_t prompt[] = {1, 2, 3};
    struct job_request r = {.prompt = prompt,
                            .n_prompt = 3,
                            .n_predict = 20,
                            .ignore_eos = true,
                            .event = answer_event,
                            .context = &answer};
    glass_sampler_defaults(&r.sampler);
    answer_init(&answer);
    ok(models_acquire(m, &a, NULL, NAN));
    assert_int_equal(sched_submit(served_sched(a), &job, &r), SUBMIT_OK);
    models_drain(m, 30);
    assert_int_equal(answer.end, JOB_LENGTH);
    assert_int_equal(answer.n, 20);
    assert_int_equal(models_acquire(m, &none, name_of(f, 1), NAN), GLASS_CANCELLED);
    job_release(job);
    models_release(a);
    models_free(m);
    answer_clear(&answer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),    cmocka_unit_test(test_loaded_once),
        cmocka_unit_test(test_room),     cmocka_unit_test(test_times),
        cmocka_unit_test(test_bad_file), cmocka_unit_test(test_drain),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, start, end);
}
