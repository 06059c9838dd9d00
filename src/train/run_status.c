/* run_status.c - what a run's files tell of it. */
#include "base/path.h"
#include "train/run_metrics.h"
#include "train/run_parts.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdint.h>
#include <sys/file.h>
#include <unistd.h>

static double number(const json_t *line, const char *name) {
    return json_number_value(json_object_get(line, name));
}

static glass_status add(struct metric **list, int64_t *n, const char *text, size_t length) {
    json_error_t error;
    json_t *line = json_loadb(text, length, 0, &error);
    if (line == NULL || !json_is_integer(json_object_get(line, "step"))) {
        json_decref(line);
        return fail(GLASS_BAD_INPUT, "line %lld is damaged", (long long)*n + 1);
    }
    glass_status status = GLASS_OK;
    if ((*n & (*n - 1)) == 0) /* doubles at powers of two */
        status = mem_resize(list, *n == 0 ? 1 : 2 * (size_t)*n, sizeof **list);
    if (status == GLASS_OK)
        (*list)[(*n)++] =
            (struct metric){.step = json_integer_value(json_object_get(line, "step")),
                            .loss = number(line, "loss"),
                            .norm = number(line, "norm"),
                            .rate = number(line, "rate"),
                            .seconds = number(line, "seconds"),
                            .tokens = number(line, "tokens"),
                            .evaluated = json_object_get(line, "held_out_loss") != NULL,
                            .held_out_loss = number(line, "held_out_loss"),
                            .bits_per_byte = number(line, "bits_per_byte")};
    const json_t *sample = json_object_get(line, "sample");
    if (status == GLASS_OK && json_is_string(sample))
        status = mem_copy_text(&(*list)[*n - 1].sample, json_string_value(sample),
                               json_string_length(sample));
    json_decref(line);
    return status;
}

glass_status metrics_read(struct metric **list, int64_t *n, const char *path) {
    struct buf text = {0};
    *list = NULL;
    *n = 0;
    glass_status status = path_read_whole(&text, path, SIZE_MAX / 4);
    for (size_t at = 0; status == GLASS_OK && at < text.len;) {
        const char *end = memchr(text.data + at, '\n', text.len - at);
        if (end == NULL) break;
        size_t length = (size_t)(end - text.data) - at;
        status = add(list, n, text.data + at, length);
        at += length + 1;
    }
    buf_free(&text);
    if (status == GLASS_OK) return GLASS_OK;
    metrics_free(*list, *n);
    *list = NULL;
    return fail_within(status, "%s", path);
}

void metrics_free(struct metric *list, int64_t n) {
    for (int64_t i = 0; list != NULL && i < n; i++) mem_free(list[i].sample);
    mem_free(list);
}

/* A step's time: the middle one of the last few. */
static double typical_seconds(const struct metric *list, int64_t n) {
    double last[15];
    int m = n < 15 ? (int)n : 15;
    for (int i = 0; i < m; i++) {
        int at = i;
        for (; at > 0 && last[at - 1] > list[n - 1 - i].seconds; at--)
            last[at] = last[at - 1];
        last[at] = list[n - 1 - i].seconds;
    }
    return last[m / 2];
}

static glass_status fill(glass_run_report *out, struct glass_run *run) {
    struct metric *list;
    int64_t n;
    char *path;
    TRY(run_read_recipe(run));
    TRY(run_path(&path, run, "metrics.jsonl"));
    glass_status status = metrics_read(&list, &n, path);
    mem_free(path);
    TRY(status);
    out->n_steps = run->recipe.steps;
    if (n > 0) {
        const struct metric *m = &list[n - 1];
        out->step = m->step;
        out->loss = m->loss;
        out->norm = m->norm;
        out->rate = m->rate;
        out->seconds = typical_seconds(list, n);
        out->n_tokens = run->recipe.context * run->recipe.sequences;
    }
    for (int64_t i = n - 1; i >= 0 && !out->evaluated; i--) {
        out->evaluated = list[i].evaluated;
        out->held_out_loss = list[i].held_out_loss;
        out->bits_per_byte = list[i].bits_per_byte;
    }
    metrics_free(list, n);
    return GLASS_OK;
}

glass_status glass_run_status(glass_run_report *out, bool *running, const char *folder) {
    struct glass_run run = {.lock = -1};
    char *path = NULL;
    *out = (glass_run_report){0};
    *running = false;
    TRY(run_is_there(folder));
    TRY(mem_copy_text(&run.folder, folder, strlen(folder)));
    glass_status status = fill(out, &run);
    if (status == GLASS_OK) status = run_path(&path, &run, "run.lock");
    if (status == GLASS_OK) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        *running = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0;
        if (fd >= 0) close(fd);
    }
    mem_free(path);
    recipe_clear(&run.recipe);
    mem_free(run.folder);
    return status;
}
