/* checkpoint_read.c - opening checkpoints; see checkpoint.h. */
#include "base/hash.h"
#include "base/path.h"
#include "format/archive.h"
#include "train/checkpoint.h"
#include "train/checkpoint_parts.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum { SMALL_FILE = 64 << 20 };

glass_status checkpoint_sums(struct buf *out, const char *folder) {
    struct buf path = {0};
    glass_status status = GLASS_OK;
    buf_clear(out);
    for (int i = 0; status == GLASS_OK && i < CHECKPOINT_FILES; i++) {
        uint8_t digest[32];
        char hex[65];
        status = checkpoint_join(&path, folder, checkpoint_files[i]);
        if (status == GLASS_OK) status = sha256_file(digest, path.data);
        if (status != GLASS_OK) break;
        sha256_hex(hex, digest);
        if (status == GLASS_OK)
            status = buf_printf(out, "%s  %s\n", hex, checkpoint_files[i]);
    }
    buf_free(&path);
    return status;
}

/* Names the file whose line differs. */
static glass_status check_sums(const char *folder) {
    struct buf want = {0}, have = {0}, path = {0};
    glass_status status;
    TRY_FAIL(checkpoint_join(&path, folder, "SHA256SUMS"));
    TRY_FAIL(path_read_whole(&have, path.data, SMALL_FILE));
    TRY_FAIL(checkpoint_sums(&want, folder));
    if (have.len == want.len && memcmp(have.data, want.data, want.len) == 0) goto fail;
    size_t at = 0;
    int line = 0;
    for (; at < have.len && at < want.len && have.data[at] == want.data[at]; at++)
        line += want.data[at] == '\n';
    const char *name = line < CHECKPOINT_FILES ? checkpoint_files[line] : "SHA256SUMS";
    status = fail(GLASS_BAD_INPUT,
                  "%s/%s is damaged: its SHA-256 is not the one that SHA256SUMS says (or "
                  "that file is damaged)",
                  folder, name);
fail:
    buf_free(&want);
    buf_free(&have);
    buf_free(&path);
    return status;
}

static bool digest_of(uint8_t out[32], const json_t *text) {
    return sha256_parse(out, json_string_value(text), json_string_length(text));
}

static bool bits_of(double *out, const json_t *text) {
    const char *s = json_string_value(text);
    char *end;
    if (s == NULL || strlen(s) != 16) return false;
    unsigned long long bits = strtoull(s, &end, 16);
    memcpy(out, &bits, sizeof *out);
    return *end == '\0';
}

glass_status checkpoint_read_state(struct checkpoint_state *s, const char *path) {
    struct buf text = {0};
    json_error_t error;
    glass_status status = path_read_whole(&text, path, SMALL_FILE);
    json_t *j = NULL;
    if (status == GLASS_OK) {
        j = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &error);
        const json_t *powers = json_object_get(j, "powers");
        const char *arithmetic = json_string_value(json_object_get(j, "arithmetic"));
        s->step = json_integer_value(json_object_get(j, "step"));
        s->sample = json_integer_value(json_object_get(j, "sample"));
        if (j == NULL || s->step < 1 || s->sample < 1 ||
            !bits_of(&s->powers[0], json_array_get(powers, 0)) ||
            !bits_of(&s->powers[1], json_array_get(powers, 1)) ||
            !digest_of(s->chain, json_object_get(j, "chain")) ||
            !digest_of(s->weights, json_object_get(j, "weights")))
            status = fail(GLASS_BAD_INPUT, "%s: no state of a run", path);
        else if (arithmetic == NULL || strcmp(arithmetic, glass_arithmetic()) != 0)
            status = fail(GLASS_BAD_INPUT,
                          "%s: of arithmetic \"%.40s\"; this program computes in %s", path,
                          arithmetic ? arithmetic : "", glass_arithmetic());
    }
    json_decref(j);
    buf_free(&text);
    return status;
}

glass_status checkpoint_open(const char *folder, int64_t step,
                             struct checkpoint_state *out) {
    struct buf path = {0}, file = {0};
    *out = (struct checkpoint_state){0};
    glass_status status = checkpoint_path(&path, folder, step);
    if (status == GLASS_OK) status = check_sums(path.data);
    if (status == GLASS_OK) status = checkpoint_join(&file, path.data, "state.json");
    if (status == GLASS_OK) status = checkpoint_read_state(out, file.data);
    if (status == GLASS_OK && out->step != step)
        status = fail(GLASS_BAD_INPUT, "%s: it is of step %lld", path.data,
                      (long long)out->step);
    buf_free(&path);
    buf_free(&file);
    return status;
}

glass_status checkpoint_tensors(const char *folder, int64_t step, uint8_t *tensors,
                                const struct params *p) {
    struct buf path = {0};
    glass_status status = checkpoint_path(&path, folder, step);
    if (status == GLASS_OK) status = buf_text(&path, "/state.json");
    json_t *j = status == GLASS_OK ? json_load_file(path.data, 0, NULL) : NULL;
    const json_t *list = json_object_get(j, "tensors");
    if (status == GLASS_OK && j == NULL)
        status = fail(GLASS_NEGATIVE, "%s: cannot be read", path.data);
    for (int64_t i = 0; status == GLASS_OK && i < p->n_list; i++)
        if (!digest_of(tensors + 32 * i, json_object_get(list, p->list[i].name)))
            status =
                fail(GLASS_BAD_INPUT, "%s: no digest of %s", path.data, p->list[i].name);
    json_decref(j);
    buf_free(&path);
    return status;
}

static glass_status read_moments(const struct archive *a, struct trainer *t) {
    const struct params *p = trainer_params(t);
    for (int which = 0; which < 2; which++)
        for (int64_t i = 0; i < p->n_list; i++) {
            const struct param *e = &p->list[i];
            char name[PARAM_NAME + 4];
            if (!optimizer_keeps(e, which)) continue;
            snprintf(name, sizeof name, "%c.%s", which == 0 ? 'm' : 'v', e->name);
            const struct archive_tensor *m = archive_find(a, name, -1);
            size_t n_bytes = (size_t)(e->n * e->k) * sizeof(float);
            if (m == NULL || !m->known || m->dtype != GLASS_F32 || m->n_bytes != n_bytes)
                return fail(GLASS_BAD_INPUT, "%s: %s is missing, or of another shape",
                            archive_path(a), name);
            trainer_put_moments(t, which, e->w - p->values, m->data, e->n * e->k);
        }
    return GLASS_OK;
}

glass_status checkpoint_restore(const char *folder, const struct checkpoint_state *state,
                                struct trainer *t) {
    struct buf path = {0}, file = {0};
    struct archive *a = NULL;
    glass_status status = checkpoint_path(&path, folder, state->step);
    if (status == GLASS_OK)
        status = checkpoint_join(&file, path.data, "moments.safetensors");
    if (status == GLASS_OK) status = archive_open(&a, file.data);
    if (status == GLASS_OK) status = read_moments(a, t);
    if (status == GLASS_OK) trainer_set_counters(t, state->step, state->powers);
    archive_close(a);
    buf_free(&path);
    buf_free(&file);
    return status;
}
