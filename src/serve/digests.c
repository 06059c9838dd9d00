/* digests.c - see digests.h. A thread is started when there is something to compute, and ends when
 * there is nothing left. */
#include "serve/digests.h"

#include "base/hash.h"
#include "base/path.h"

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PIECE = 1 << 20, FILE_MOST = 1 << 20, ENTRIES_MOST = 4096 };

struct digest {
    char *path; /* owned */
    int64_t n_bytes, changed_ns;
    char hex[65]; /* "": to be computed */
    bool hopeless;
};

struct digests {
    char *file; /* NULL: nowhere */
    pthread_mutex_t lock;
    pthread_cond_t ended;
    struct digest *list;
    int64_t n;
    bool working, over;
};

static bool look(const char *path, int64_t *n_bytes, int64_t *changed_ns) {
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) return false;
    *n_bytes = st.st_size;
    *changed_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    return true;
}

static struct digest *find(struct digests *d, const char *path) {
    for (int64_t i = 0; i < d->n; i++)
        if (strcmp(d->list[i].path, path) == 0) return &d->list[i];
    return NULL;
}

static struct digest *add(struct digests *d, const char *path) {
    char *copy;
    if (d->n == ENTRIES_MOST) return NULL;
    if (mem_resize(&d->list, (size_t)d->n + 1, sizeof *d->list) != GLASS_OK) return NULL;
    if (mem_copy_text(&copy, path, strlen(path)) != GLASS_OK) return NULL;
    d->list[d->n] = (struct digest){.path = copy};
    return &d->list[d->n++];
}

/* ---- the file ---- */

static void load(struct digests *d) {
    struct buf text = {0};
    const char *path;
    json_t *item;
    if (d->file == NULL || path_read_whole(&text, d->file, FILE_MOST) != GLASS_OK) return;
    json_t *all = json_loadb(text.data != NULL ? text.data : "", text.len, 0, NULL);
    buf_free(&text);
    json_object_foreach(all, path, item) {
        const char *hex = json_string_value(json_object_get(item, "sha256"));
        uint8_t bytes[32];
        struct digest *e = NULL;
        if (hex != NULL && sha256_parse(bytes, hex, strlen(hex))) e = add(d, path);
        if (e == NULL) continue;
        e->n_bytes = json_integer_value(json_object_get(item, "bytes"));
        e->changed_ns = json_integer_value(json_object_get(item, "changed_ns"));
        sha256_hex(e->hex, bytes);
    }
    json_decref(all);
}

/* Those of files that are still so. Under the lock. What is not kept is computed again. */
static void save(const struct digests *d) {
    json_t *all = json_object();
    for (int64_t i = 0; d->file != NULL && i < d->n; i++) {
        const struct digest *e = &d->list[i];
        int64_t n_bytes, changed_ns;
        if (e->hex[0] == '\0' || !look(e->path, &n_bytes, &changed_ns)) continue;
        json_object_set_new(all, e->path,
                            json_pack("{s:I,s:I,s:s}", "bytes", (json_int_t)e->n_bytes,
                                      "changed_ns", (json_int_t)e->changed_ns, "sha256",
                                      e->hex));
    }
    char *text = d->file != NULL ? json_dumps(all, JSON_INDENT(1) | JSON_SORT_KEYS) : NULL;
    if (text != NULL) (void)path_write_private(d->file, text, strlen(text));
    free(text);
    json_decref(all);
}

/* ---- computing ---- */

static bool is_over(struct digests *d) {
    pthread_mutex_lock(&d->lock);
    bool over = d->over;
    pthread_mutex_unlock(&d->lock);
    return over;
}

static glass_status hash_pieces(struct digests *d, int fd, char *piece, char hex[65]) {
    struct sha256 *hash;
    uint8_t digest[32];
    ssize_t n;
    TRY(sha256_create(&hash));
    glass_status status = GLASS_OK;
    while (status == GLASS_OK && (n = read(fd, piece, PIECE)) != 0) {
        if (n < 0 || is_over(d)) status = fail(GLASS_CANCELLED, "reading the file");
        if (status == GLASS_OK) status = sha256_update(hash, piece, (size_t)n);
    }
    if (status != GLASS_OK) {
        sha256_free(hash);
        return status;
    }
    TRY(sha256_finish(hash, digest));
    sha256_hex(hex, digest);
    return GLASS_OK;
}

static glass_status hash_file(struct digests *d, const char *path, char hex[65]) {
    char *piece;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail_errno("%s", path);
    glass_status status = mem_alloc(&piece, PIECE, 1);
    if (status == GLASS_OK) {
        status = hash_pieces(d, fd, piece, hex);
        mem_free(piece);
    }
    close(fd);
    return status;
}

/* One that waits: its path is copied. Under the lock. */
static bool next(struct digests *d, char **path) {
    for (int64_t i = 0; i < d->n && !d->over; i++)
        if (d->list[i].hex[0] == '\0' && !d->list[i].hopeless)
            return mem_copy_text(path, d->list[i].path, strlen(d->list[i].path)) ==
                   GLASS_OK;
    return false;
}

/* The file may have changed meanwhile: then it is asked for again. */
static void compute(struct digests *d, const char *path) {
    int64_t n_bytes = 0, changed_ns = 0, n_after, changed_after;
    char hex[65];
    bool good = look(path, &n_bytes, &changed_ns) && hash_file(d, path, hex) == GLASS_OK &&
                look(path, &n_after, &changed_after) && n_after == n_bytes &&
                changed_after == changed_ns;
    pthread_mutex_lock(&d->lock);
    struct digest *e = find(d, path);
    e->n_bytes = n_bytes;
    e->changed_ns = changed_ns;
    e->hopeless = !good;
    if (good) memcpy(e->hex, hex, sizeof e->hex);
    if (good) save(d);
    pthread_mutex_unlock(&d->lock);
}

static void *work(void *context) {
    struct digests *d = context;
    char *path;
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 19); /* answers come first */
    pthread_mutex_lock(&d->lock);
    while (next(d, &path)) {
        pthread_mutex_unlock(&d->lock);
        compute(d, path);
        mem_free(path);
        pthread_mutex_lock(&d->lock);
    }
    d->working = false;
    pthread_cond_signal(&d->ended);
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

/* Under the lock. */
static void start(struct digests *d) {
    pthread_attr_t attributes;
    pthread_t thread;
    if (d->working || d->over) return;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    d->working = pthread_create(&thread, &attributes, work, d) == 0;
    pthread_attr_destroy(&attributes);
}

bool digests_get(struct digests *d, const char *path, char out[65]) {
    int64_t n_bytes, changed_ns;
    out[0] = '\0';
    if (!look(path, &n_bytes, &changed_ns)) return false;
    pthread_mutex_lock(&d->lock);
    struct digest *e = find(d, path);
    if (e == NULL) e = add(d, path);
    bool same = e != NULL && e->n_bytes == n_bytes && e->changed_ns == changed_ns;
    if (e != NULL && !same) {
        e->n_bytes = n_bytes;
        e->changed_ns = changed_ns;
        e->hex[0] = '\0';
        e->hopeless = false;
    }
    if (e != NULL) memcpy(out, e->hex, sizeof e->hex);
    if (e != NULL && e->hex[0] == '\0' && !e->hopeless) start(d);
    pthread_mutex_unlock(&d->lock);
    return out[0] != '\0';
}

/* ---- life ---- */

static glass_status set_file(struct digests *d, const char *folder) {
    struct buf b = {0};
    size_t n;
    if (folder != NULL && folder[0] == '\0') return GLASS_OK;
    glass_status status = folder != NULL ? buf_text(&b, folder) : path_data(&b);
    if (status == GLASS_OK) status = buf_text(&b, "/digests.json");
    if (status == GLASS_OK) status = buf_take(&b, &d->file, &n);
    buf_free(&b);
    return status;
}

glass_status digests_create(struct digests **out, const char *folder) {
    struct digests *d;
    *out = NULL;
    TRY(mem_alloc_zero(&d, 1, sizeof *d));
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->ended, NULL);
    *out = d;
    TRY(set_file(d, folder));
    load(d);
    return GLASS_OK;
}

void digests_free(struct digests *d) {
    if (d == NULL) return;
    pthread_mutex_lock(&d->lock);
    d->over = true;
    while (d->working) pthread_cond_wait(&d->ended, &d->lock);
    pthread_mutex_unlock(&d->lock);
    for (int64_t i = 0; i < d->n; i++) mem_free(d->list[i].path);
    mem_free(d->list);
    mem_free(d->file);
    pthread_cond_destroy(&d->ended);
    pthread_mutex_destroy(&d->lock);
    mem_free(d);
}
