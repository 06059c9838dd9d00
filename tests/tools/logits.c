/* logits.c MODEL IDS OUT [--chunk N] [--threads N] [--cache TYPE] [--adapter PATH]
 * [--scale F] - writes the logits of
 * every position as f32 (n, n_vocab) to OUT, for comparison with other systems. IDS is a file
 * of token ids separated by white space. Adapters may be several; --scale is of the one before
 * it. */
#include "base/path.h"
#include "glass/glass.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int end(glass_status status) {
    fprintf(stderr, "logits: %s\n", glass_error());
    return glass_status_exit_code(status);
}

static glass_status read_ids(const char *path, int32_t **ids, int64_t *n) {
    struct buf text = {0};
    TRY(path_read_whole(&text, path, 1 << 24));
    TRY(mem_alloc(ids, text.len + 1, sizeof **ids));
    *n = 0;
    for (char *p = text.data, *next;; p = next) {
        long id = strtol(p, &next, 10);
        if (next == p) break;
        (*ids)[(*n)++] = (int32_t)id;
    }
    buf_free(&text);
    return GLASS_OK;
}

enum { ADAPTERS = 8 };

struct adapters {
    const char *paths[ADAPTERS];
    glass_adapter *opened[ADAPTERS];
    glass_adapter_use uses[ADAPTERS];
    int n;
};

static glass_status run(char **argv, int64_t chunk, glass_session_options *options,
                        struct adapters *a) {
    glass_model *model;
    glass_session *session;
    glass_model_info info;
    int32_t *ids;
    int64_t n;
    float *logits;
    TRY(read_ids(argv[2], &ids, &n));
    TRY(glass_model_open(&model, argv[1], NULL));
    glass_model_get_info(model, &info);
    for (int i = 0; i < a->n; i++) {
        TRY(glass_adapter_open(&a->opened[i], model, a->paths[i]));
        a->uses[i].adapter = a->opened[i];
    }
    options->adapters = a->uses;
    options->n_adapters = a->n;
    TRY(glass_session_create(&session, model, options));
    TRY(mem_alloc(&logits, (size_t)(n * info.n_vocab), sizeof *logits));
    if (chunk < 1) chunk = n;
    for (int64_t i = 0; i < n; i += chunk)
        TRY(glass_session_eval_all(session, ids + i, n - i < chunk ? n - i : chunk,
                                   logits + i * info.n_vocab));
    TRY(path_write_whole(argv[3], logits, (size_t)(n * info.n_vocab) * sizeof *logits));
    mem_free(logits);
    mem_free(ids);
    glass_session_free(session);
    for (int i = 0; i < a->n; i++) glass_adapter_close(a->opened[i]);
    glass_model_close(model);
    return GLASS_OK;
}

int main(int argc, char **argv) {
    glass_session_options options = {0};
    struct adapters adapters = {.n = 0};
    int64_t chunk = 0;
    if (argc < 4) {
        fprintf(stderr,
                "usage: logits MODEL IDS OUT [--chunk N] [--threads N] [--cache T]\n");
        return 2;
    }
    for (int i = 4; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--chunk")) chunk = strtol(argv[i + 1], NULL, 10);
        if (!strcmp(argv[i], "--threads"))
            options.n_threads = (int)strtol(argv[i + 1], NULL, 10);
        if (!strcmp(argv[i], "--adapter") && adapters.n < ADAPTERS) {
            adapters.uses[adapters.n].scale = 1;
            adapters.paths[adapters.n++] = argv[i + 1];
        }
        if (!strcmp(argv[i], "--scale") && adapters.n > 0)
            adapters.uses[adapters.n - 1].scale = strtof(argv[i + 1], NULL);
        if (!strcmp(argv[i], "--cache")) {
            glass_status status = glass_dtype_parse(&options.cache_type, argv[i + 1]);
            if (status != GLASS_OK) return end(status);
        }
    }
    glass_status status = run(argv, chunk, &options, &adapters);
    return status == GLASS_OK ? 0 : end(status);
}
