/* checkpoint.c - writing checkpoints; see checkpoint.h. checkpoint_read.c opens them. */
#include "train/checkpoint.h"

#include "base/hash.h"
#include "base/path.h"
#include "format/safetensors_write.h"
#include "train/checkpoint_parts.h"
#include "train/export.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const checkpoint_files[CHECKPOINT_FILES] = {"model.gguf", "moments.safetensors",
                                                        "state.json"};

glass_status checkpoint_join(struct buf *out, const char *folder, const char *name) {
    buf_clear(out);
    return buf_printf(out, "%s/%s", folder, name);
}

glass_status checkpoint_path(struct buf *out, const char *folder, int64_t step) {
    buf_clear(out);
    return buf_printf(out, "%s/step-%08lld", folder, (long long)step);
}

/* A folder's entries are on the disk. */
static glass_status sync_folder(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return fail_errno("%s: cannot open the folder", path);
    glass_status status = fsync(fd) == 0 ? GLASS_OK : fail_errno("%s: cannot flush", path);
    close(fd);
    return status;
}

/* ---- the files ---- */

static glass_status write_moments(const char *path, struct trainer *t) {
    const struct params *p = trainer_params(t);
    struct safetensors_writer *w;
    glass_status status;
    TRY(safetensors_writer_create(&w, path, 0));
    for (int which = 0; which < 2; which++)
        for (int64_t i = 0; i < p->n_list; i++) {
            char name[PARAM_NAME + 4];
            const struct param *e = &p->list[i];
            const int64_t shape[2] = {e->n, e->k};
            if (!optimizer_keeps(e, which)) continue;
            snprintf(name, sizeof name, "%c.%s", which == 0 ? 'm' : 'v', e->name);
            TRY_FAIL(safetensors_put_tensor(w, name, GLASS_F32, 2, shape));
        }
    for (int which = 0; which < 2; which++) {
        const float *all;
        TRY_FAIL(trainer_gather_moments(t, which, &all));
        for (int64_t i = 0; i < p->n_list; i++) {
            const struct param *e = &p->list[i];
            if (!optimizer_keeps(e, which)) continue;
            TRY_FAIL(safetensors_put_data(w, all + (e->w - p->values),
                                          (size_t)(e->n * e->k) * sizeof(float)));
        }
    }
    return safetensors_writer_finish(w);
fail:
    safetensors_writer_free(w);
    return status;
}

static glass_status write_state(const char *path, const struct checkpoint_state *s,
                                const uint8_t *tensors, const struct params *p) {
    struct buf b = {0};
    char hex[65];
    uint64_t bits[2];
    glass_status status;
    memcpy(bits, s->powers, sizeof bits);
    TRY_FAIL(buf_printf(&b,
                        "{\n\"step\": %lld,\n\"sample\": %lld,\n\"arithmetic\": \"%s\",\n"
                        "\"powers\": [\"%016llx\", \"%016llx\"],\n",
                        (long long)s->step, (long long)s->sample, glass_arithmetic(),
                        (unsigned long long)bits[0], (unsigned long long)bits[1]));
    sha256_hex(hex, s->chain);
    TRY_FAIL(buf_printf(&b, "\"chain\": \"%s\",\n", hex));
    sha256_hex(hex, s->weights);
    TRY_FAIL(buf_printf(&b, "\"weights\": \"%s\",\n\"tensors\": {", hex));
    for (int64_t i = 0; i < p->n_list; i++) {
        sha256_hex(hex, tensors + 32 * i);
        TRY_FAIL(
            buf_printf(&b, "%s\n  \"%s\": \"%s\"", i > 0 ? "," : "", p->list[i].name, hex));
    }
    TRY_FAIL(buf_text(&b, "\n}\n}\n"));
    status = path_write_whole(path, b.data, b.len);
fail:
    buf_free(&b);
    return status;
}

static glass_status write_files(const char *folder, const struct checkpoint_state *state,
                                const uint8_t *tensors, const struct glass_model *model,
                                struct trainer *t, const char *tokenizer) {
    struct buf path = {0}, sums = {0};
    glass_status status;
    TRY_FAIL(checkpoint_join(&path, folder, checkpoint_files[0]));
    TRY_FAIL(export_gguf(path.data, model, trainer_params(t), tokenizer));
    TRY_FAIL(checkpoint_join(&path, folder, checkpoint_files[1]));
    TRY_FAIL(write_moments(path.data, t));
    TRY_FAIL(checkpoint_join(&path, folder, checkpoint_files[2]));
    TRY_FAIL(write_state(path.data, state, tensors, trainer_params(t)));
    TRY_FAIL(checkpoint_sums(&sums, folder));
    TRY_FAIL(checkpoint_join(&path, folder, "SHA256SUMS"));
    TRY_FAIL(path_write_whole(path.data, sums.data, sums.len));
    status = sync_folder(folder);
fail:
    buf_free(&path);
    buf_free(&sums);
    return status;
}

/* ---- folders ---- */

/* A folder of files, and then itself. */
static glass_status remove_folder(const char *path) {
    struct buf file = {0};
    struct dirent *d;
    DIR *dir = opendir(path);
    glass_status status = GLASS_OK;
    if (dir == NULL) return fail_errno("%s: cannot open the folder", path);
    while (status == GLASS_OK && (d = readdir(dir)) != NULL) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0) continue;
        status = checkpoint_join(&file, path, d->d_name);
        if (status == GLASS_OK && unlink(file.data) != 0)
            status = fail_errno("%s: cannot remove", file.data);
    }
    closedir(dir);
    buf_free(&file);
    if (status == GLASS_OK && rmdir(path) != 0)
        status = fail_errno("%s: cannot remove", path);
    return status;
}

static int by_step(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

glass_status checkpoint_list(const char *folder, int64_t **steps, int64_t *n) {
    DIR *dir = opendir(folder);
    struct dirent *d;
    glass_status status = GLASS_OK;
    *steps = NULL;
    *n = 0;
    if (dir == NULL && errno == ENOENT) return GLASS_OK;
    if (dir == NULL) return fail_errno("%s: cannot open the folder", folder);
    while (status == GLASS_OK && (d = readdir(dir)) != NULL) {
        const char *digits = d->d_name + 5;
        if (strncmp(d->d_name, "step-", 5) != 0 || strlen(digits) < 8 ||
            strspn(digits, "0123456789") != strlen(digits) || strlen(digits) > 18)
            continue;
        status = mem_resize(steps, (size_t)*n + 1, sizeof **steps);
        if (status == GLASS_OK) (*steps)[(*n)++] = strtoll(digits, NULL, 10);
    }
    closedir(dir);
    if (*n > 0) qsort(*steps, (size_t)*n, sizeof **steps, by_step);
    return status;
}

/* What is hidden: half written, or half removed. */
glass_status checkpoint_clean(const char *folder) {
    struct buf path = {0};
    struct dirent *d;
    DIR *dir = opendir(folder);
    glass_status status = GLASS_OK;
    if (dir == NULL) return errno == ENOENT ? GLASS_OK : fail_errno("%s", folder);
    while (status == GLASS_OK && (d = readdir(dir)) != NULL) {
        if (strncmp(d->d_name, ".part-", 6) != 0) continue;
        status = checkpoint_join(&path, folder, d->d_name);
        if (status == GLASS_OK) status = remove_folder(path.data);
    }
    closedir(dir);
    buf_free(&path);
    return status;
}

static glass_status prune(const char *folder, int64_t keep) {
    struct buf path = {0}, hidden = {0};
    int64_t *steps, n;
    glass_status status = checkpoint_list(folder, &steps, &n);
    for (int64_t i = 0; status == GLASS_OK && keep > 0 && i < n - keep; i++) {
        TRY_FAIL(checkpoint_path(&path, folder, steps[i]));
        buf_clear(&hidden);
        TRY_FAIL(buf_printf(&hidden, "%s/.part-old-%lld", folder, (long long)steps[i]));
        if (rename(path.data, hidden.data) != 0)
            status = fail_errno("%s: cannot remove", path.data);
        else
            status = remove_folder(hidden.data);
    }
fail:
    mem_free(steps);
    buf_free(&path);
    buf_free(&hidden);
    return status;
}

glass_status checkpoint_write(const char *folder, const struct checkpoint_state *state,
                              const uint8_t *tensors, const struct glass_model *model,
                              struct trainer *t, const char *tokenizer, int64_t keep) {
    struct buf path = {0}, part = {0};
    struct stat st;
    glass_status status;
    TRY_FAIL(checkpoint_path(&path, folder, state->step));
    if (stat(path.data, &st) == 0) goto fail; /* the same state gives the same bytes */
    TRY_FAIL(path_make(folder));
    TRY_FAIL(checkpoint_clean(folder));
    TRY_FAIL(buf_printf(&part, "%s/.part-new", folder));
    TRY_FAIL(path_make(part.data));
    status = write_files(part.data, state, tensors, model, t, tokenizer);
    if (status == GLASS_OK && rename(part.data, path.data) != 0)
        status = fail_errno("%s: cannot rename to %s", part.data, path.data);
    if (status == GLASS_OK) status = sync_folder(folder);
    if (status == GLASS_OK) status = prune(folder, keep);
    if (status != GLASS_OK) {
        fail_within(status, "checkpoint of step %lld", (long long)state->step);
        checkpoint_clean(folder); /* a full disk gets its room back */
    }
fail:
    buf_free(&path);
    buf_free(&part);
    return status;
}
