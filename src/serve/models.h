/* models.h - the models that a server has: which there are, which are loaded, and how long.
 *
 * Models are those named at start and, where that is allowed, those of the store
 * (store/store.h). A model is opened when a request names it, with a scheduler of its own;
 * when memory for another one is needed, or keep_s seconds after its last request, it is
 * closed. Thread-safe. */
#ifndef SERVE_MODELS_H
#define SERVE_MODELS_H

#include "serve/sched.h"

struct models;
struct served; /* a loaded model, counted */

struct models_adapter {
    const char *path;
    float scale;
};

struct models_options {
    const char *const *names; /* MODEL arguments; the first is the default one */
    int n_names;
    bool store;                 /* those of the store may be named, too */
    int64_t n_loaded;           /* most at once; 0 = 1, or as many as were named */
    double keep_s;              /* unused ones are closed after this; < 0 = never */
    struct sched_options sched; /* of each model; its adapters are not looked at */
    const struct models_adapter *adapters; /* of the default model; copied */
    int n_adapters;
    bool mlock;
};

glass_status models_create(struct models **out, const struct models_options *options);
void models_free(struct models *models); /* drains nothing: see models_drain */
void models_drain(struct models *models, double grace_s);
/* Opens the default model now, so that the first request finds it. */
glass_status models_preload(struct models *models);
/* While the default model is being opened: false. */
bool models_ready(struct models *models);

/* The model that a request names (NULL or "" = the default one), loaded; waits while it is
 * being opened. GLASS_NEGATIVE: there is none of that name (the error lists those there
 * are). keep_s: NAN = the default; else when to close it after this request (Ollama's
 * keep_alive). Every acquire needs a release. */
glass_status models_acquire(struct models *models, struct served **out, const char *name,
                            double keep_s);
void models_release(struct served *served);
/* The same for a model that is open now: it is neither opened nor kept open longer for that.
 * GLASS_NEGATIVE: it is not open, or about to be closed. Ends with models_peek_end. */
glass_status models_peek(struct models *models, struct served **out, const char *name);
void models_peek_end(struct served *served);
/* Closes it as soon as nobody uses it. GLASS_NEGATIVE: it is not loaded. */
glass_status models_unload(struct models *models, const char *name);

const glass_model *served_model(const struct served *served);
struct sched *served_sched(const struct served *served);
/* Those of all its answers. */
const glass_adapter_use *served_adapters(const struct served *served, int *n);
const char *served_name(const struct served *served);
const char *served_path(const struct served *served);

struct model_entry {
    char *name, *path; /* owned */
    int64_t n_bytes;
    double loaded_s, expires_s; /* seconds since 1970; 0 = not loaded; expires -1 = never */
    size_t memory_bytes;        /* weights, cache and work; 0 if not loaded */
    int64_t modified_s;
};
/* All that can be named, the default one first. Clear with models_entries_free. */
glass_status models_list(struct models *models, struct model_entry **out, int64_t *n);
void models_entries_free(struct model_entry *entries, int64_t n);

#endif
