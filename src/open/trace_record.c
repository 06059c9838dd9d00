/* trace_record.c - see trace_record.h. Where each line begins is looked up when a file's first
 * record is asked for: until then nothing of it is read. */
#include "open/trace_record.h"

#include "base/buf.h"
#include "base/filemap.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

struct list {
    char *path;
    struct filemap map;
    int64_t n;
    uint64_t *lines; /* (n + 1) where they begin; NULL until they are counted */
};

struct trace_records {
    struct list *lists;
    int64_t n;
    pthread_mutex_t lock; /* of `lines` */
};

static glass_status open_list(struct list *l, const char *shard, int64_t n) {
    static const char ending[] = ".safetensors";
    struct buf path = {0};
    struct stat st;
    size_t length = strlen(shard), cut = sizeof ending - 1;
    l->n = n;
    if (length > cut && strcmp(shard + length - cut, ending) == 0) length -= cut;
    glass_status status = buf_append(&path, shard, length);
    if (status == GLASS_OK) status = buf_text(&path, ".documents.jsonl");
    if (status == GLASS_OK && stat(path.data, &st) == 0)
        status = filemap_open(&l->map, path.data);
    if (status == GLASS_OK) status = buf_take(&path, &l->path, NULL);
    buf_free(&path);
    return status;
}

glass_status trace_records_open(struct trace_records **out, const char *const *paths,
                                const int64_t *n_documents, int64_t n) {
    struct trace_records *r;
    *out = NULL;
    TRY(mem_alloc_zero(&r, 1, sizeof *r));
    pthread_mutex_init(&r->lock, NULL);
    glass_status status = mem_alloc_zero(&r->lists, (size_t)n, sizeof *r->lists);
    if (status == GLASS_OK) r->n = n;
    for (int64_t i = 0; status == GLASS_OK && i < n; i++)
        status = open_list(&r->lists[i], paths[i], n_documents[i]);
    if (status == GLASS_OK)
        *out = r;
    else
        trace_records_close(r);
    return status;
}

void trace_records_close(struct trace_records *r) {
    if (r == NULL) return;
    for (int64_t i = 0; i < r->n; i++) {
        mem_free(r->lists[i].path);
        mem_free(r->lists[i].lines);
        filemap_close(&r->lists[i].map);
    }
    mem_free(r->lists);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

static glass_status count_lines(struct list *l) {
    const uint8_t *text = l->map.data;
    size_t size = l->map.size, at = 0;
    int64_t n = 0;
    TRY(mem_alloc(&l->lines, (size_t)l->n + 1, sizeof *l->lines));
    for (; at < size && n < l->n; n++) {
        const uint8_t *end = memchr(text + at, '\n', size - at);
        l->lines[n] = at;
        at = end == NULL ? size : (size_t)(end - text) + 1;
    }
    l->lines[n] = at;
    if (n == l->n && at == size) return GLASS_OK;
    mem_free(l->lines);
    l->lines = NULL;
    return fail(GLASS_BAD_INPUT, "%s: it has not one line for each of the %lld documents",
                l->path, (long long)l->n);
}

typedef glass_status (*copier)(void *context, const char **out, const char *text,
                               size_t n_bytes);

static glass_status copy_value(const char **out, const json_t *record, const char *key,
                               copier copy, void *context) {
    const json_t *value = json_object_get(record, key);
    *out = NULL;
    if (!json_is_string(value)) return GLASS_OK;
    return copy(context, out, json_string_value(value), json_string_length(value));
}

/* "SOURCE PATH" */
static glass_status copy_origin(const char **out, const json_t *record, copier copy,
                                void *context) {
    const char *source = json_string_value(json_object_get(record, "source"));
    const char *path = json_string_value(json_object_get(record, "path"));
    struct buf b = {0};
    *out = NULL;
    if (source == NULL) return GLASS_OK;
    glass_status status = buf_text(&b, source);
    if (status == GLASS_OK && path != NULL && path[0] != '\0')
        status = buf_printf(&b, " %s", path);
    if (status == GLASS_OK) status = copy(context, out, b.data, b.len);
    buf_free(&b);
    return status;
}

glass_status trace_records_get(glass_trace_record *out, const struct trace_records *r,
                               int64_t shard, int64_t document, copier copy,
                               void *context) {
    struct list *l = &r->lists[shard];
    *out = (glass_trace_record){0};
    if (l->map.data == NULL) return GLASS_OK;
    pthread_mutex_lock((pthread_mutex_t *)&r->lock);
    glass_status status = l->lines == NULL ? count_lines(l) : GLASS_OK;
    pthread_mutex_unlock((pthread_mutex_t *)&r->lock);
    TRY(status);
    json_t *record = json_loadb((const char *)l->map.data + l->lines[document],
                                (size_t)(l->lines[document + 1] - l->lines[document]),
                                JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(record)) {
        json_decref(record);
        return fail(GLASS_BAD_INPUT, "%s:%lld: no JSON object", l->path,
                    (long long)document + 1);
    }
    status = copy_value(&out->title, record, "title", copy, context);
    if (status == GLASS_OK) status = copy_origin(&out->origin, record, copy, context);
    if (status == GLASS_OK) status = copy_value(&out->url, record, "url", copy, context);
    if (status == GLASS_OK)
        status = copy_value(&out->license, record, "licence", copy, context);
    if (status == GLASS_OK)
        status = copy_value(&out->author, record, "author", copy, context);
    if (status == GLASS_OK)
        status = copy_value(&out->made_by, record, "made_by", copy, context);
    json_decref(record);
    return status;
}
