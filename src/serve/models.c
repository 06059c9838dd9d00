/* models.c - the models that can be named, those that are loaded, and when they are closed.
 *
 * One lock. A model is opened by the first thread that asks for it, with the lock free; others
 * that ask for it meanwhile wait. Where another model must go first, no new request gets that
 * one until those that use it have ended. A thread of its own closes what nobody uses. */
#include "serve/models.h"

#include "base/buf.h"
#include "base/clock.h"
#include "store/store.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

enum stage { CLOSED, OPENING, OPEN, CLOSING };

struct served {
    struct models *models;
    char *name, *path;
    struct served *next; /* in order of naming */
    bool named;          /* at start; else of the store */
    int64_t n_bytes;     /* as the store says; 0 = the file's */
    enum stage stage;
    bool leaving; /* nobody may begin to use it */
    glass_model *model;
    struct sched *sched;
    glass_adapter **adapters; /* (n_adapters of the options) the default model's */
    glass_adapter_use *uses;
    int64_t n_users;
    double keep_s;          /* after the last user */
    double used, loaded_at; /* moments of clock_now; seconds since 1970 */
};

struct models {
    struct models_options o;
    struct models_adapter *adapters; /* owned copies */
    struct served *first;
    int64_t n_open;         /* being opened, too */
    uint64_t tickets, turn; /* of those that want room for a model: given out, served */
    pthread_mutex_t lock;
    pthread_cond_t change;
    pthread_t keeper;
    bool kept, ready, ending, draining;
};

/* ---- names ---- */

/* "smollm2.gguf" of "models/smollm2.gguf" without its end. */
static glass_status short_name(char **out, const char *path) {
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    size_t begin = n;
    while (begin > 0 && path[begin - 1] != '/') begin--;
    if (n - begin > 5 && strncasecmp(path + n - 5, ".gguf", 5) == 0) n -= 5;
    return mem_copy_text(out, path + begin, n - begin);
}

/* Whether a request means this name: any case, with or without ".gguf" or ":latest". */
static bool is_name(const char *name, const char *asked) {
    static const char *const ends[] = {"", ".gguf", ":latest"};
    size_t n = strlen(name);
    if (strncasecmp(name, asked, n) != 0) return false;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (strcasecmp(asked + n, ends[i]) == 0) return true;
    return false;
}

static glass_status add_served(struct models *m, const char *name, const char *path,
                               bool named, int64_t n_bytes) {
    struct served *s, **end = &m->first;
    TRY(mem_alloc_zero(&s, 1, sizeof *s));
    s->models = m;
    s->named = named;
    s->n_bytes = n_bytes;
    s->keep_s = m->o.keep_s;
    glass_status status = mem_copy_text(&s->path, path, strlen(path));
    if (status == GLASS_OK) status = mem_copy_text(&s->name, name, strlen(name));
    if (status != GLASS_OK) {
        mem_free(s->path);
        mem_free(s);
        return status;
    }
    while (*end != NULL) end = &(*end)->next;
    *end = s;
    return GLASS_OK;
}

static glass_status add_named(struct models *m, const char *argument) {
    char *path, *name = NULL;
    TRY(store_resolve(&path, argument));
    struct stat st;
    /* A path is called by its file, a name of the store as it is. */
    glass_status status = stat(argument, &st) == 0
                              ? short_name(&name, argument)
                              : mem_copy_text(&name, argument, strlen(argument));
    for (struct served *s = m->first; status == GLASS_OK && s != NULL; s = s->next)
        if (is_name(s->name, name))
            status = fail(GLASS_USAGE, "two models are called %s", name);
    if (status == GLASS_OK) status = add_served(m, name, path, true, 0);
    mem_free(name);
    mem_free(path);
    return status;
}

/* Those of the store that are not known yet. Under the lock. */
static glass_status add_store(struct models *m) {
    struct store_listing listing;
    glass_status status;
    if (!m->o.store) return GLASS_OK;
    TRY(store_list(&listing));
    status = GLASS_OK;
    for (int64_t i = 0; i < listing.n && status == GLASS_OK; i++) {
        bool known = false;
        for (struct served *s = m->first; s != NULL; s = s->next)
            known |= strcmp(s->path, listing.entries[i].path) == 0 ||
                     is_name(s->name, listing.entries[i].name);
        if (!known)
            status = add_served(m, listing.entries[i].name, listing.entries[i].path, false,
                                listing.entries[i].n_bytes);
    }
    store_listing_clear(&listing);
    return status;
}

/* A model of the store whose file went away. */
static bool vanished(const struct served *s) {
    struct stat st;
    return !s->named && s->stage == CLOSED && stat(s->path, &st) != 0;
}

static struct served *find(struct models *m, const char *name) {
    if (name == NULL || name[0] == 0) return m->first;
    for (struct served *s = m->first; s != NULL; s = s->next)
        if (!vanished(s) &&
            (is_name(s->name, name) || (s->named && strcmp(s->path, name) == 0)))
            return s;
    return NULL;
}

static glass_status unknown(struct models *m, const char *name) {
    struct buf list = {0};
    for (struct served *s = m->first; s != NULL; s = s->next)
        if (!vanished(s) &&
            buf_printf(&list, "%s%s", list.len ? ", " : "", s->name) != GLASS_OK)
            break;
    glass_status status = fail(GLASS_NEGATIVE, "there is no model %.200s; there are: %s",
                               name, list.data ? list.data : "none");
    buf_free(&list);
    return status;
}

/* ---- opening and closing ---- */

static void close_parts(struct served *s) {
    sched_free(s->sched);
    for (int i = 0; s->adapters != NULL && i < s->models->o.n_adapters; i++)
        glass_adapter_close(s->adapters[i]);
    mem_free(s->adapters);
    mem_free(s->uses);
    glass_model_close(s->model);
    s->sched = NULL;
    s->adapters = NULL;
    s->uses = NULL;
    s->model = NULL;
}

static glass_status open_adapters(struct served *s, struct sched_options *o) {
    const struct models *m = s->models;
    o->adapters = NULL;
    o->n_adapters = 0;
    if (s != m->first || m->o.n_adapters == 0) return GLASS_OK;
    size_t n = (size_t)m->o.n_adapters;
    TRY(mem_alloc_zero(&s->adapters, n, sizeof *s->adapters));
    TRY(mem_alloc_zero(&s->uses, n, sizeof *s->uses));
    for (size_t i = 0; i < n; i++) {
        TRY(glass_adapter_open(&s->adapters[i], s->model, m->adapters[i].path));
        s->uses[i] = (glass_adapter_use){s->adapters[i], m->adapters[i].scale};
    }
    o->adapters = s->uses;
    o->n_adapters = (int)n;
    return GLASS_OK;
}

static glass_status open_parts(struct served *s) {
    const struct models *m = s->models;
    struct sched_options o = m->o.sched;
    glass_model_options options = {.lock_memory = m->o.mlock};
    TRY(glass_model_open(&s->model, s->path, &options));
    TRY(open_adapters(s, &o));
    return sched_create(&s->sched, s->model, &o);
}

/* With the lock held, which is free while the model is being closed. */
static void close_served(struct models *m, struct served *s) {
    s->stage = CLOSING; /* by one thread only: the keeper and take_room may both want it */
    s->leaving = true;
    pthread_mutex_unlock(&m->lock);
    close_parts(s);
    pthread_mutex_lock(&m->lock);
    s->stage = CLOSED;
    s->leaving = false;
    s->loaded_at = 0;
    s->keep_s = m->o.keep_s;
    m->n_open--;
    pthread_cond_broadcast(&m->change);
}

/* Makes room for another model and takes it: the one that was used longest ago leaves. Whoever
 * came first has its turn first. */
static void take_room(struct models *m) {
    uint64_t ticket = m->tickets++;
    while (ticket != m->turn || m->n_open >= m->o.n_loaded) {
        if (ticket != m->turn) {
            pthread_cond_wait(&m->change, &m->lock);
            continue;
        }
        struct served *victim = NULL;
        bool one_leaves = false;
        for (struct served *s = m->first; s != NULL; s = s->next) {
            one_leaves |= s->leaving;
            if (s->stage != OPEN || s->leaving) continue;
            bool idler =
                victim == NULL || (s->n_users == 0) > (victim->n_users == 0) ||
                ((s->n_users == 0) == (victim->n_users == 0) && s->used < victim->used);
            if (idler) victim = s;
        }
        if (!one_leaves && victim != NULL && victim->n_users == 0)
            close_served(m, victim);
        else {
            if (!one_leaves && victim != NULL) victim->leaving = true;
            pthread_cond_wait(&m->change, &m->lock);
        }
    }
    m->turn++;
    m->n_open++;
    pthread_cond_broadcast(&m->change);
}

/* Under the lock, which is free while the model is being opened. */
static glass_status open_served(struct models *m, struct served *s) {
    s->stage = OPENING;
    take_room(m);
    pthread_mutex_unlock(&m->lock);
    glass_status status = open_parts(s);
    if (status != GLASS_OK) close_parts(s);
    pthread_mutex_lock(&m->lock);
    s->stage = status == GLASS_OK ? OPEN : CLOSED;
    s->loaded_at = status == GLASS_OK ? (double)time(NULL) : 0;
    if (status != GLASS_OK) m->n_open--;
    if (s == m->first) m->ready = m->ready || status == GLASS_OK;
    pthread_cond_broadcast(&m->change);
    return status;
}

glass_status models_acquire(struct models *m, struct served **out, const char *name,
                            double keep_s) {
    glass_status status = GLASS_OK;
    *out = NULL;
    pthread_mutex_lock(&m->lock);
    struct served *s = find(m, name);
    if (s == NULL) {
        status = add_store(m);
        s = find(m, name);
    }
    if (s == NULL && status == GLASS_OK) status = unknown(m, name ? name : "");
    while (status == GLASS_OK && (s->stage != OPEN || s->leaving)) {
        if (m->draining)
            status = fail(GLASS_CANCELLED, "the server is stopping");
        else if (s->stage == CLOSED && !s->leaving)
            status = open_served(m, s);
        else
            pthread_cond_wait(&m->change, &m->lock);
    }
    if (status == GLASS_OK) {
        s->n_users++;
        s->used = clock_now();
        if (!isnan(keep_s)) s->keep_s = keep_s;
        *out = s;
    }
    pthread_mutex_unlock(&m->lock);
    return status;
}

void models_release(struct served *s) {
    if (s == NULL) return;
    struct models *m = s->models;
    pthread_mutex_lock(&m->lock);
    s->n_users--;
    s->used = clock_now();
    pthread_cond_broadcast(&m->change);
    pthread_mutex_unlock(&m->lock);
}

glass_status models_peek(struct models *m, struct served **out, const char *name) {
    glass_status status = GLASS_OK;
    *out = NULL;
    pthread_mutex_lock(&m->lock);
    struct served *s = find(m, name);
    if (s == NULL)
        status = unknown(m, name ? name : "");
    else if (s->stage != OPEN || s->leaving)
        status = fail(GLASS_NEGATIVE, "%s is not loaded", s->name);
    else
        s->n_users++; /* so that it stays until the peek ends; "used" is as it was */
    if (status == GLASS_OK) *out = s;
    pthread_mutex_unlock(&m->lock);
    return status;
}

void models_peek_end(struct served *s) {
    if (s == NULL) return;
    pthread_mutex_lock(&s->models->lock);
    s->n_users--;
    pthread_cond_broadcast(&s->models->change);
    pthread_mutex_unlock(&s->models->lock);
}

/* The moment when a model's time is over; INFINITY if it is not to be. */
static double over(const struct served *s) {
    if (s->stage != OPEN || s->n_users > 0) return INFINITY;
    if (s->leaving) return 0;
    return s->keep_s < 0 ? INFINITY : s->used + s->keep_s;
}

/* Open, and to be closed by nobody in this moment: whose time is over is as good as closed. */
static bool stays(const struct served *s) {
    return s->stage == OPEN && !s->leaving && over(s) > clock_now();
}

glass_status models_unload(struct models *m, const char *name) {
    glass_status status = GLASS_OK;
    pthread_mutex_lock(&m->lock);
    struct served *s = find(m, name);
    if (s == NULL)
        status = unknown(m, name ? name : "");
    else if (s->stage == OPENING || stays(s))
        s->keep_s = 0;
    else
        status = fail(GLASS_NEGATIVE, "%s is not loaded", s->name);
    pthread_cond_broadcast(&m->change);
    pthread_mutex_unlock(&m->lock);
    return status;
}

/* ---- the keeper ---- */

static void *keep(void *context) {
    struct models *m = context;
    pthread_mutex_lock(&m->lock);
    while (!m->ending) {
        struct served *next = NULL;
        for (struct served *s = m->first; s != NULL; s = s->next)
            if (over(s) < INFINITY && (next == NULL || over(s) < over(next))) next = s;
        double now = clock_now();
        if (next == NULL) {
            pthread_cond_wait(&m->change, &m->lock);
        } else if (over(next) > now) {
            struct timespec until;
            double end = over(next);
            until.tv_sec = (time_t)end;
            until.tv_nsec = (long)((end - floor(end)) * 1e9);
            pthread_cond_timedwait(&m->change, &m->lock, &until);
        } else {
            close_served(m, next);
        }
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

/* ---- all of them ---- */

static glass_status copy_options(struct models *m, const struct models_options *o) {
    m->o = *o;
    m->o.n_adapters = 0;
    TRY(mem_alloc_zero(&m->adapters, (size_t)o->n_adapters + 1, sizeof *m->adapters));
    for (int i = 0; i < o->n_adapters; i++) {
        char *path;
        TRY(mem_copy_text(&path, o->adapters[i].path, strlen(o->adapters[i].path)));
        m->adapters[m->o.n_adapters++] =
            (struct models_adapter){path, o->adapters[i].scale};
    }
    for (int i = 0; i < o->n_names; i++) TRY(add_named(m, o->names[i]));
    if (m->first == NULL) TRY(add_store(m));
    if (m->first == NULL)
        return fail(GLASS_USAGE, "no model is named, and the store has none");
    if (m->o.n_loaded <= 0) m->o.n_loaded = o->n_names > 1 ? o->n_names : 1;
    return GLASS_OK;
}

glass_status models_create(struct models **out, const struct models_options *options) {
    glass_status status;
    struct models *m;
    pthread_condattr_t clock;
    *out = NULL;
    TRY(mem_alloc_zero(&m, 1, sizeof *m));
    pthread_mutex_init(&m->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&m->change, &clock);
    pthread_condattr_destroy(&clock);
    TRY_FAIL(copy_options(m, options));
    errno = pthread_create(&m->keeper, NULL, keep, m);
    if (errno != 0) TRY_FAIL(fail_errno("the models' thread"));
    m->kept = true;
    *out = m;
    return GLASS_OK;
fail:
    models_free(m);
    return status;
}

void models_free(struct models *m) {
    if (m == NULL) return;
    if (m->kept) {
        pthread_mutex_lock(&m->lock);
        m->ending = true;
        pthread_cond_broadcast(&m->change);
        pthread_mutex_unlock(&m->lock);
        pthread_join(m->keeper, NULL);
    }
    for (struct served *s = m->first, *next; s != NULL; s = next) {
        next = s->next;
        close_parts(s);
        mem_free(s->name);
        mem_free(s->path);
        mem_free(s);
    }
    for (int i = 0; i < m->o.n_adapters; i++) mem_free((char *)m->adapters[i].path);
    mem_free(m->adapters);
    pthread_cond_destroy(&m->change);
    pthread_mutex_destroy(&m->lock);
    mem_free(m);
}

void models_drain(struct models *m, double grace_s) {
    double end = clock_now() + grace_s;
    pthread_mutex_lock(&m->lock);
    m->draining = true;
    pthread_cond_broadcast(&m->change);
    for (struct served *s = m->first; s != NULL; s = s->next) {
        while (s->stage == OPENING || (s->leaving && s->n_users == 0))
            pthread_cond_wait(&m->change, &m->lock);
        if (s->stage != OPEN) continue;
        s->n_users++; /* so that it stays */
        pthread_mutex_unlock(&m->lock);
        double left = end - clock_now();
        sched_drain(s->sched, left > 0 ? left : 0);
        pthread_mutex_lock(&m->lock);
        s->n_users--;
    }
    pthread_cond_broadcast(&m->change);
    pthread_mutex_unlock(&m->lock);
}

glass_status models_preload(struct models *m) {
    struct served *s;
    TRY(models_acquire(m, &s, NULL, NAN));
    models_release(s);
    return GLASS_OK;
}

bool models_ready(struct models *m) {
    pthread_mutex_lock(&m->lock);
    bool ready = m->ready;
    pthread_mutex_unlock(&m->lock);
    return ready;
}

const glass_model *served_model(const struct served *s) {
    return s->model;
}

struct sched *served_sched(const struct served *s) {
    return s->sched;
}

const glass_adapter_use *served_adapters(const struct served *s, int *n) {
    *n = s->uses != NULL ? s->models->o.n_adapters : 0;
    return s->uses;
}

const char *served_name(const struct served *s) {
    return s->name;
}

const char *served_path(const struct served *s) {
    return s->path;
}

/* ---- the list ---- */

/* What a loaded model takes, as far as it is not shared with files. */
static size_t memory_of(const struct served *s) {
    glass_model_info info;
    struct sched_stats stats;
    glass_model_get_info(s->model, &info);
    sched_get_stats(s->sched, &stats);
    return info.weight_bytes + info.copied_bytes + stats.cache_bytes + stats.work_bytes;
}

static glass_status describe(struct model_entry *out, const struct served *s) {
    struct stat st;
    *out = (struct model_entry){0};
    if (stat(s->path, &st) == 0) {
        out->n_bytes = s->n_bytes > 0 ? s->n_bytes : st.st_size;
        out->modified_s = st.st_mtime;
    }
    if (stays(s)) {
        double since = clock_now() - s->used;
        out->loaded_s = s->loaded_at;
        out->expires_s = s->keep_s < 0 ? -1 : (double)time(NULL) - since + s->keep_s;
        out->memory_bytes = memory_of(s);
    }
    TRY(mem_copy_text(&out->name, s->name, strlen(s->name)));
    return mem_copy_text(&out->path, s->path, strlen(s->path));
}

glass_status models_list(struct models *m, struct model_entry **out, int64_t *n) {
    int64_t count = 0;
    *out = NULL;
    *n = 0;
    pthread_mutex_lock(&m->lock);
    glass_status status = add_store(m);
    for (struct served *s = m->first; s != NULL; s = s->next) count++;
    if (status == GLASS_OK) status = mem_alloc_zero(out, (size_t)count, sizeof **out);
    for (struct served *s = m->first; status == GLASS_OK && s != NULL; s = s->next)
        if (!vanished(s)) status = describe(&(*out)[(*n)++], s);
    pthread_mutex_unlock(&m->lock);
    if (status == GLASS_OK) return GLASS_OK;
    models_entries_free(*out, *n);
    *out = NULL;
    *n = 0;
    return status;
}

void models_entries_free(struct model_entry *entries, int64_t n) {
    for (int64_t i = 0; entries != NULL && i < n; i++) {
        mem_free(entries[i].name);
        mem_free(entries[i].path);
    }
    mem_free(entries);
}
