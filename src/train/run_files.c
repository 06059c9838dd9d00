/* run_files.c - a run's folder: recipe, shards, run.json, the ledger's beginning. */
#include "base/filemap.h"
#include "base/hash.h"
#include "base/path.h"
#include "train/ledger.h"
#include "train/left_out.h"
#include "train/run_parts.h"
#include "train/weights_hash.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

enum {
    SMALL_FILE = 1 << 20,
    RUN_FORMAT = 2 /* of run.json, recipe.yaml and the ledger together; 1 had no blocks */
};

glass_status run_path(char **out, const struct glass_run *run, const char *name) {
    struct buf b = {0};
    *out = NULL;
    glass_status status = buf_printf(&b, "%s/%s", run->folder, name);
    if (status == GLASS_OK) status = buf_take(&b, out, NULL);
    buf_free(&b);
    return status;
}

glass_status run_is_there(const char *folder) {
    static const char *const names[] = {"run.json", "recipe.yaml", "ledger.jsonl"};
    struct buf path = {0};
    bool found = false;
    glass_status status = GLASS_OK;
    for (size_t i = 0; status == GLASS_OK && i < sizeof names / sizeof *names; i++) {
        buf_clear(&path);
        status = buf_printf(&path, "%s/%s", folder, names[i]);
        found = found || (status == GLASS_OK && access(path.data, F_OK) == 0);
    }
    buf_free(&path);
    if (status != GLASS_OK || found) return status;
    return fail(GLASS_USAGE, "%s holds no run (there is no run.json in it)", folder);
}

/* FOLDER/c/d of "/a/b/c/d", whatever of it is there, the longest first. */
static glass_status find_below(struct buf *out, const char *folder, const char *file,
                               bool *found) {
    for (const char *tail = file; !*found && tail != NULL; tail = strchr(tail, '/')) {
        while (*tail == '/') tail++;
        if (*tail == '\0') break;
        buf_clear(out);
        TRY(buf_printf(out, "%s/%s", folder, tail));
        *found = access(out->data, R_OK) == 0;
    }
    return GLASS_OK;
}

glass_status run_find(char **out, const struct glass_run *run, const char *file) {
    struct buf b = {0}, beside = {0};
    bool found = !run->replay || file[0] == '\0';
    glass_status status;
    *out = NULL;
    if (!found && run->texts != NULL) TRY_FAIL(find_below(&b, run->texts, file, &found));
    if (!found && access(file, R_OK) != 0) {
        TRY_FAIL(buf_printf(&beside, "%s/..", run->folder));
        TRY_FAIL(find_below(&b, beside.data, file, &found));
    } else {
        found = found && b.len > 0;
    }
    if (!found) buf_clear(&b);
    if (!found) TRY_FAIL(buf_text(&b, file));
    status = buf_take(&b, out, NULL);
fail:
    buf_free(&b);
    buf_free(&beside);
    return status;
}

glass_status run_lock(struct glass_run *run) {
    char *path;
    TRY(run_path(&path, run, "run.lock"));
    glass_status status = GLASS_OK;
    run->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (run->lock < 0)
        status = fail_errno("%s: cannot open", path);
    else if (flock(run->lock, LOCK_EX | LOCK_NB) != 0)
        status = fail(GLASS_USAGE, "%s: another process is at this run", run->folder);
    mem_free(path);
    return status;
}

glass_status run_clean(const struct glass_run *run) {
    char *path;
    TRY(path_remove_parts(run->folder));
    TRY(run_path(&path, run, "shards"));
    glass_status status = path_remove_parts(path);
    mem_free(path);
    TRY(status);
    TRY(run_path(&path, run, "checkpoints"));
    status = checkpoint_clean(path);
    mem_free(path);
    return status;
}

/* ---- shards ---- */

glass_status run_shard_path(char **out, const struct glass_run *run, bool held_out,
                            int64_t i) {
    char name[64];
    snprintf(name, sizeof name, "shards/%s-%lld.safetensors",
             held_out ? "held-out" : "train", (long long)i);
    return run_path(out, run, name);
}

/* What a file of the recipe gives: its part to learn from, or the one that is held out. */
struct text_part {
    const char *file;
    int64_t documents;
    double fraction; /* that is held out, from its end */
    bool held_out, whole;
};

static struct shard_text text_of(const struct text_part *p, const struct filemap *map) {
    const char *text = map->data == NULL ? "" : (const char *)map->data;
    size_t cut = p->whole ? 0 : shard_cut(text, map->size, p->fraction);
    return (struct shard_text){.text = p->held_out ? text + cut : text,
                               .n_bytes = p->held_out ? map->size - cut : cut,
                               .offset = p->held_out ? cut : 0,
                               .documents = (enum recipe_documents)p->documents,
                               .name = p->file,
                               .mapped = true};
}

/* Part i of the recipe's: training shards first, then those that are held out. */
static struct text_part part_at(const struct glass_run *run, int64_t i, bool held_out) {
    const struct recipe *r = &run->recipe;
    if (held_out && r->held_out_file[0] != '\0')
        return (struct text_part){r->held_out_file, r->held_out_documents, 0, true, true};
    return (struct text_part){r->data[i].file, r->data[i].documents, r->held_out_fraction,
                              held_out, false};
}

/* Made beside its place, written, and then read from there. */
static glass_status make_shard(struct glass_run *run, struct shard *s, bool held_out,
                               int64_t i) {
    const struct text_part part = part_at(run, i, held_out);
    const char *temporary = getenv("TMPDIR");
    struct filemap map;
    char *folder = NULL, *path = NULL;
    uint8_t sha256[32];
    glass_status status;
    if (run_is_packed(part.file)) {
        TRY(run_shard_path(&path, run, held_out, i));
        status = run_link_shard(run, s, part.file, path);
        mem_free(path);
        return status;
    }
    TRY(filemap_open(&map, part.file));
    const struct shard_text text = text_of(&part, &map);
    TRY_FAIL(filemap_check_text(part.file, map.data, map.size));
    TRY_FAIL(run_path(&folder, run, "shards"));
    TRY_FAIL(shard_make(s, &text, glass_model_tokenizer(run->model),
                        !run->dry           ? folder
                        : temporary != NULL ? temporary
                                            : "/tmp"));
    if (run->dry) goto fail;
    TRY_FAIL(run_shard_path(&path, run, held_out, i));
    TRY_FAIL(shard_write(s, path));
    memcpy(sha256, s->sha256, sizeof sha256);
    shard_clear(s);
    status = shard_open(s, path, sha256);
fail:
    filemap_close(&map);
    mem_free(folder);
    mem_free(path);
    return status;
}

static glass_status take_shards(struct glass_run *run) {
    const struct recipe *r = &run->recipe;
    run->n_shards = r->n_data;
    run->n_held_out = r->held_out_file[0] != '\0' ? 1
                      : r->held_out_fraction > 0  ? r->n_data
                                                  : 0;
    TRY(mem_alloc_zero(&run->shards, (size_t)run->n_shards, sizeof *run->shards));
    return mem_alloc_zero(&run->held_out, (size_t)run->n_held_out, sizeof *run->held_out);
}

glass_status run_make_shards(struct glass_run *run) {
    char *folder;
    TRY(run_take_packs(run));
    TRY(take_shards(run));
    if (!run->dry) {
        TRY(run_path(&folder, run, "shards"));
        glass_status status = path_make(folder);
        mem_free(folder);
        TRY(status);
    }
    for (int64_t i = 0; i < run->n_shards; i++)
        TRY(make_shard(run, &run->shards[i], false, i));
    for (int64_t i = 0; i < run->n_held_out; i++)
        TRY(make_shard(run, &run->held_out[i], true, i));
    int64_t rows = 0;
    for (int64_t i = 0; i < run->n_held_out; i++) rows += run->held_out[i].n_rows;
    if (run->n_held_out > 0 && rows == 0)
        return fail(GLASS_BAD_INPUT, "%s: held_out leaves no text to evaluate on",
                    run->recipe.path);
    return GLASS_OK;
}

/* Of a file that is neither where the recipe says nor elsewhere. */
glass_status run_lacks(const struct glass_run *run, const char *file) {
    return fail(GLASS_SYSTEM,
                "%s: is not there, as %s/recipe.yaml has it, and nothing called so lies "
                "beside the run: --texts FOLDER says where its files are now",
                file, run->folder);
}

/* A shard with the file that it was made of, which lies there. */
static glass_status compare_shard(const struct glass_run *run, const struct shard *s,
                                  const struct text_part *part, const char *file,
                                  const char *root) {
    struct filemap map;
    if (run_is_packed(file)) return run_compare_packed(s, file, root);
    TRY(filemap_open(&map, file));
    const struct shard_text text = text_of(part, &map);
    glass_status status = shard_compare(s, &text, glass_model_tokenizer(run->model));
    filemap_close(&map);
    return status;
}

/* One after the other, so that a text's name stands in the message. */
glass_status run_compare_shards(struct glass_run *run) {
    for (int64_t i = 0; i < run->n_shards + run->n_held_out; i++) {
        bool held_out = i >= run->n_shards;
        int64_t at = held_out ? i - run->n_shards : i;
        const struct text_part part = part_at(run, at, held_out);
        const struct shard *s = held_out ? &run->held_out[at] : &run->shards[at];
        char *path, *file;
        TRY(run_find(&file, run, part.file));
        glass_status status =
            compare_shard(run, s, &part, file, held_out ? "" : run->recipe.data[at].root);
        bool gone = status != GLASS_OK && access(file, R_OK) != 0;
        mem_free(file);
        if (status == GLASS_OK) continue;
        if (gone) return run_lacks(run, part.file);
        TRY(run_shard_path(&path, run, held_out, at));
        fail_within(status, "%s", path);
        mem_free(path);
        return status;
    }
    return GLASS_OK;
}

/* ---- the beginning ---- */

glass_status run_first_chain(struct glass_run *run, uint8_t weights[32]) {
    TRY(weights_hash(weights, run->tensors, trainer_params(run->trainer), run->n_threads));
    return run_chain_of(run, weights);
}

glass_status run_chain_of(struct glass_run *run, const uint8_t weights[32]) {
    struct buf b = {0};
    char hex[65];
    uint8_t without[32];
    bool any;
    glass_status status;
    TRY_FAIL(buf_printf(&b, "glass ledger 2\narithmetic %s\nrecipe\n", glass_arithmetic()));
    TRY_FAIL(recipe_identity(&b, &run->recipe));
    for (int64_t i = 0; i < run->n_shards; i++) {
        sha256_hex(hex, run->shards[i].sha256);
        TRY_FAIL(buf_printf(&b, "shard %s\n", hex));
    }
    TRY_FAIL(left_out_root(without, &any, run->shards, run->n_shards));
    sha256_hex(hex, without);
    if (any) TRY_FAIL(buf_printf(&b, "without %s\n", hex));
    sha256_hex(hex, weights);
    TRY_FAIL(buf_printf(&b, "weights %s\n", hex));
    status = sha256_bytes(run->chain, b.data, b.len);
fail:
    buf_free(&b);
    return status;
}

static glass_status list_shards(struct buf *b, const char *name, const struct shard *s,
                                int64_t n) {
    char hex[65];
    TRY(buf_printf(b, ",\n\"%s\": [", name));
    for (int64_t i = 0; i < n; i++) {
        sha256_hex(hex, s[i].sha256);
        TRY(buf_printf(b, "%s\"%s\"", i > 0 ? ", " : "", hex));
    }
    return buf_byte(b, ']');
}

glass_status run_first_line(struct buf *out, const struct glass_run *run,
                            const uint8_t weights[32]) {
    uint8_t without[32];
    bool any;
    TRY(left_out_root(without, &any, run->shards, run->n_shards));
    return ledger_first(out, &run->recipe, run->chain, weights, any ? without : NULL);
}

static glass_status write_ledger(struct glass_run *run) {
    struct buf line = {0};
    uint8_t weights[32];
    char *path = NULL;
    glass_status status;
    TRY_FAIL(run_first_chain(run, weights));
    TRY_FAIL(run_first_line(&line, run, weights));
    TRY_FAIL(buf_byte(&line, '\n'));
    TRY_FAIL(run_path(&path, run, "ledger.jsonl"));
    TRY_FAIL(path_write_whole(path, line.data, line.len));
    mem_free(path);
    TRY_FAIL(run_path(&path, run, "metrics.jsonl"));
    status = path_write_whole(path, "", 0);
fail:
    mem_free(path);
    buf_free(&line);
    return status;
}

/* run.json of a run whose shards' digests are known. */
static glass_status run_json(struct buf *out, const struct glass_run *run) {
    char hex[65];
    uint8_t without[32];
    bool any;
    sha256_hex(hex, run->recipe_sha256);
    TRY(buf_printf(out, "{\n\"format\": %d,\n\"recipe\": \"%s\"", RUN_FORMAT, hex));
    TRY(list_shards(out, "train", run->shards, run->n_shards));
    TRY(list_shards(out, "held-out", run->held_out, run->n_held_out));
    TRY(left_out_root(without, &any, run->shards, run->n_shards));
    sha256_hex(hex, without);
    if (any) TRY(buf_printf(out, ",\n\"without\": \"%s\"", hex));
    return buf_text(out, "\n}\n");
}

glass_status run_write_json(const struct glass_run *run) {
    struct buf json = {0};
    char *path;
    TRY(run_path(&path, run, "run.json"));
    glass_status status = run_json(&json, run);
    if (status == GLASS_OK) status = path_write_whole(path, json.data, json.len);
    mem_free(path);
    buf_free(&json);
    return status;
}

glass_status run_write_files(struct glass_run *run) {
    struct buf recipe = {0};
    char *path = NULL;
    glass_status status;
    TRY_FAIL(recipe_write(&recipe, &run->recipe));
    TRY_FAIL(run_path(&path, run, "recipe.yaml"));
    TRY_FAIL(path_write_whole(path, recipe.data, recipe.len));
    TRY_FAIL(write_ledger(run));
    TRY_FAIL(sha256_bytes(run->recipe_sha256, recipe.data, recipe.len));
    status = run_write_json(run);
fail:
    mem_free(path);
    buf_free(&recipe);
    return status;
}

/* ---- reading it again ---- */

static glass_status read_json(json_t **out, const struct glass_run *run) {
    struct buf text = {0};
    json_error_t error;
    char *path;
    *out = NULL;
    TRY(run_path(&path, run, "run.json"));
    glass_status status = path_read_whole(&text, path, SMALL_FILE);
    if (status == GLASS_OK) {
        *out = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &error);
        if (*out == NULL)
            status = fail(GLASS_BAD_INPUT, "%s:%d: %s", path, error.line, error.text);
        else if (json_integer_value(json_object_get(*out, "format")) != RUN_FORMAT)
            status =
                fail(GLASS_BAD_INPUT,
                     "%s: a run of format %lld, which another version of Glass made; this "
                     "one reads format %d",
                     path, json_integer_value(json_object_get(*out, "format")), RUN_FORMAT);
    }
    mem_free(path);
    buf_free(&text);
    return status;
}

static bool digest_of(uint8_t out[32], const json_t *text) {
    return sha256_parse(out, json_string_value(text), json_string_length(text));
}

glass_status run_read_recipe(struct glass_run *run) {
    struct buf text = {0};
    uint8_t *have = run->recipe_sha256, want[32];
    char *path = NULL;
    json_t *json = NULL;
    glass_status status;
    TRY_FAIL(read_json(&json, run));
    TRY_FAIL(run_path(&path, run, "recipe.yaml"));
    TRY_FAIL(path_read_whole(&text, path, SMALL_FILE));
    TRY_FAIL(sha256_bytes(have, text.data, text.len));
    if (!digest_of(want, json_object_get(json, "recipe")) ||
        memcmp(have, want, sizeof want) != 0)
        status = fail(GLASS_BAD_INPUT,
                      "%s: its SHA-256 is not the one that run.json says: one of the two "
                      "was changed",
                      path);
    else
        status = recipe_parse(&run->recipe, text.data, text.len, path);
fail:
    json_decref(json);
    mem_free(path);
    buf_free(&text);
    return status;
}

static glass_status open_list(struct glass_run *run, const json_t *json, bool held_out,
                              struct shard *shards, int64_t n) {
    const json_t *list = json_object_get(json, held_out ? "held-out" : "train");
    if (json_array_size(list) != (size_t)n)
        return fail(GLASS_BAD_INPUT, "%s/run.json: not as many shards as recipe.yaml says",
                    run->folder);
    for (int64_t i = 0; i < n; i++) {
        uint8_t sha256[32];
        char *path;
        if (!digest_of(sha256, json_array_get(list, (size_t)i)))
            return fail(GLASS_BAD_INPUT, "%s/run.json: a digest is damaged", run->folder);
        TRY(run_shard_path(&path, run, held_out, i));
        glass_status status = shard_open(&shards[i], path, sha256);
        mem_free(path);
        TRY(status);
    }
    return GLASS_OK;
}

/* Whatever else stands in it than what is read was not written by a run. */
static glass_status check_json(const struct glass_run *run) {
    struct buf want = {0}, have = {0};
    char *path;
    TRY(run_path(&path, run, "run.json"));
    glass_status status = path_read_whole(&have, path, SMALL_FILE);
    if (status == GLASS_OK) status = run_json(&want, run);
    if (status == GLASS_OK &&
        (have.len != want.len || memcmp(have.data, want.data, want.len) != 0)) {
        size_t at = 0, line = 1;
        for (; at < have.len && at < want.len && have.data[at] == want.data[at]; at++)
            line += want.data[at] == '\n';
        status = fail(GLASS_BAD_INPUT, "%s:%zu: not as the run wrote it", path, line);
    }
    mem_free(path);
    buf_free(&want);
    buf_free(&have);
    return status;
}

glass_status run_open_shards(struct glass_run *run) {
    json_t *json;
    TRY(take_shards(run));
    TRY(read_json(&json, run));
    glass_status status = open_list(run, json, false, run->shards, run->n_shards);
    if (status == GLASS_OK)
        status = open_list(run, json, true, run->held_out, run->n_held_out);
    if (status == GLASS_OK) status = check_json(run);
    json_decref(json);
    return status;
}
