/* convert_hf.c - a model as a Hugging Face folder: made beside its place, read back, renamed.
 *
 * What a config.json cannot say is found by reading it: the model must have the same numbers
 * as before. A folder's own tokenizer files are copied; else they are written anew. */
#include "base/path.h"
#include "format/archive.h"
#include "format/safetensors_write.h"
#include "math/half.h"
#include "model/convert_parts.h"
#include "model/import.h"
#include "text/tok_to_json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHARD_BYTES ((size_t)5000000000)
enum { SMALL_FILE = 256 << 20 };

/* ---- files ---- */

static glass_status put_file(const char *folder, const char *name, const void *bytes,
                             size_t n_bytes) {
    struct buf path = {0};
    glass_status status = buf_printf(&path, "%s/%s", folder, name);
    FILE *file = status == GLASS_OK ? fopen(path.data, "wbe") : NULL;
    if (status == GLASS_OK && file == NULL)
        status = fail_errno("%s: cannot create", path.data);
    if (file != NULL) {
        bool good = fwrite(bytes, 1, n_bytes, file) == n_bytes && fflush(file) == 0 &&
                    fsync(fileno(file)) == 0;
        if (!good) status = fail_errno("%s: cannot write", path.data);
        fclose(file);
    }
    buf_free(&path);
    return status;
}

static glass_status copy_file(const char *from, const char *to, const char *name) {
    struct buf path = {0}, text = {0};
    struct stat st;
    glass_status status = buf_printf(&path, "%s/%s", from, name);
    if (status == GLASS_OK && stat(path.data, &st) == 0 && S_ISREG(st.st_mode)) {
        status = path_read_whole(&text, path.data, SMALL_FILE);
        if (status == GLASS_OK) status = put_file(to, name, text.data, text.len);
    }
    buf_free(&path);
    buf_free(&text);
    return status;
}

/* Removes a folder of plain files; it stays if there is more in it. */
static void remove_folder(const char *folder) {
    DIR *dir = opendir(folder);
    struct dirent *d;
    if (dir == NULL) return;
    while ((d = readdir(dir)) != NULL)
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
            unlinkat(dirfd(dir), d->d_name, 0);
    closedir(dir);
    rmdir(folder);
}

/* ---- the tokenizer ---- */

static const char *const tokenizer_files[] = {"tokenizer.json",
                                              "tokenizer_config.json",
                                              "special_tokens_map.json",
                                              "tokenizer.model",
                                              "added_tokens.json",
                                              "vocab.json",
                                              "merges.txt",
                                              "chat_template.jinja",
                                              "chat_template.json",
                                              "generation_config.json",
                                              NULL};

/* The files of the folder that the model came in. */
static glass_status copy_tokenizer(const struct convert *c, const char *folder) {
    for (const char *const *name = tokenizer_files; *name != NULL; name++)
        TRY(copy_file(c->vocab, folder, *name));
    return GLASS_OK;
}

/* One end as a number, several as a list. */
static glass_status write_generation(const struct convert *c, const char *folder) {
    const struct tok_source *s = &c->source;
    const int64_t all[] = {s->eos, s->eot, s->eom};
    int64_t ends[3];
    int n = 0;
    for (int i = 0; i < 3; i++) {
        bool again = all[i] < 0;
        for (int j = 0; j < n; j++) again |= ends[j] == all[i];
        if (!again) ends[n++] = all[i];
    }
    if (n == 0) return GLASS_OK;
    struct buf text = {0};
    glass_status status = buf_text(&text, "{\n");
    if (status == GLASS_OK && s->bos >= 0)
        status = buf_printf(&text, "  \"bos_token_id\": %lld,\n", (long long)s->bos);
    if (status == GLASS_OK) status = buf_text(&text, "  \"eos_token_id\": ");
    for (int i = 0; status == GLASS_OK && i < n; i++)
        status = buf_printf(&text, "%s%lld%s",
                            i > 0   ? ", "
                            : n > 1 ? "["
                                    : "",
                            (long long)ends[i], i == n - 1 && n > 1 ? "]" : "");
    if (status == GLASS_OK) status = buf_text(&text, "\n}\n");
    if (status == GLASS_OK)
        status = put_file(folder, "generation_config.json", text.data, text.len);
    buf_free(&text);
    return status;
}

static bool came_in_folder(const struct convert *c) {
    struct stat st;
    return c->vocab != NULL && stat(c->vocab, &st) == 0 && S_ISDIR(st.st_mode);
}

static glass_status write_tokenizer(struct convert *c, const char *folder) {
    struct buf tokenizer = {0}, config = {0};
    struct gguf_string tmpl;
    if (!c->has_source) return GLASS_OK;
    if (came_in_folder(c)) return copy_tokenizer(c, folder);
    TRY(gguf_get_string_or(c->in, "tokenizer.chat_template", &tmpl));
    glass_status status = tok_to_json(&tokenizer, &config, &c->source,
                                      tmpl.n_bytes == 0 ? NULL : tmpl.text, tmpl.n_bytes);
    if (status == GLASS_OK)
        status = put_file(folder, "tokenizer.json", tokenizer.data, tokenizer.len);
    if (status == GLASS_OK)
        status = put_file(folder, "tokenizer_config.json", config.data, config.len);
    if (status == GLASS_OK) status = write_generation(c, folder);
    buf_free(&tokenizer);
    buf_free(&config);
    return status;
}

/* ---- the card ---- */

/* A folder's own, with its licence; else what the metadata says. */
static glass_status write_card(const struct convert *c, const char *folder) {
    static const char *const names[] = {"README.md", "LICENSE", "LICENSE.txt", "LICENSE.md",
                                        "LICENCE"};
    struct buf path = {0}, text = {0};
    struct stat st;
    glass_status status = GLASS_OK;
    for (int i = 0; came_in_folder(c) && status == GLASS_OK && i < 5; i++)
        status = copy_file(c->vocab, folder, names[i]);
    if (status == GLASS_OK) status = buf_printf(&path, "%s/README.md", folder);
    if (status == GLASS_OK && stat(path.data, &st) != 0) {
        status = convert_readme(c, &text);
        if (status == GLASS_OK) status = put_file(folder, "README.md", text.data, text.len);
    }
    buf_free(&path);
    buf_free(&text);
    return status;
}

/* ---- weights ---- */

static glass_status put_data(void *writer, const void *bytes, size_t n_bytes) {
    return safetensors_put_data(writer, bytes, n_bytes);
}

/* The writer wants larger numbers first; the data follows in the order of descriptions. */
static glass_status write_weights(struct convert *c, const char *folder) {
    struct safetensors_writer *w;
    struct buf path = {0};
    size_t shard = c->options->shard_bytes == 0 ? SHARD_BYTES : c->options->shard_bytes;
    glass_status status = buf_printf(&path, "%s/model.safetensors", folder);
    if (status == GLASS_OK) status = safetensors_writer_create(&w, path.data, shard);
    buf_free(&path);
    TRY(status);
    TRY_FAIL(safetensors_put_meta(w, "format", "pt"));
    for (int64_t i = 0; i < c->n_tensors; i++) {
        const struct convert_tensor *t = &c->tensors[i];
        TRY_FAIL(safetensors_put_tensor(w, t->name, t->dtype, t->n_dims, t->shape));
    }
    TRY_FAIL(convert_stream(c, put_data, w));
    return safetensors_writer_finish(w);
fail:
    safetensors_writer_free(w);
    return status;
}

/* ---- that it is the same model ---- */

/* Llama 3's factors follow a rule that was found for them; the others are said one by one. */
static glass_status same_factors(const struct convert *c, const struct gguf *made) {
    static const char *const names[] = {"rope_freqs.weight", "rope_factors_short.weight",
                                        "rope_factors_long.weight"};
    for (int i = 0; i < 3; i++) {
        const struct gguf_tensor *a = gguf_tensor_find(c->in, names[i]),
                                 *b = gguf_tensor_find(made, names[i]);
        bool same = (a == NULL) == (b == NULL) && (a == NULL || a->n_bytes == b->n_bytes);
        if (same && a != NULL && i > 0)
            same = a->data != NULL && memcmp(a->data, b->data, a->n_bytes) == 0;
        if (!same)
            return fail(GLASS_BAD_INPUT,
                        "%s: %s: a Hugging Face folder cannot say these factors",
                        c->in_path, names[i]);
    }
    return GLASS_OK;
}

static glass_status check_made(const struct convert *c, const char *folder) {
    struct gguf *made = NULL;
    struct config *was = NULL, *is = NULL;
    char *vocab = NULL;
    glass_status status = import_find(&made, &vocab, folder);
    if (status != GLASS_OK)
        return fail_within(status, "what was written cannot be read back");
    TRY_FAIL(mem_alloc_zero(&was, 1, sizeof *was));
    TRY_FAIL(mem_alloc_zero(&is, 1, sizeof *is));
    TRY_FAIL(config_read(was, c->in));
    TRY_FAIL(config_read(is, made));
    if (memcmp(was, is, sizeof *was) != 0)
        TRY_FAIL(fail(GLASS_BAD_INPUT,
                      "%s: its settings (keys %s.*) say more than a Hugging Face folder of "
                      "this family can",
                      c->in_path, was->family.arch));
    status = same_factors(c, made);
fail:
    gguf_close(made);
    mem_free(vocab);
    mem_free(was);
    mem_free(is);
    return status;
}

/* ---- the folder ---- */

static glass_status fill_folder(struct convert *c, const char *folder) {
    struct buf config = {0};
    glass_status status = convert_config(c, &config);
    if (status == GLASS_OK) status = convert_reckon(c, folder);
    if (status == GLASS_OK) status = write_weights(c, folder);
    if (status == GLASS_OK) status = write_tokenizer(c, folder);
    if (status == GLASS_OK) status = write_card(c, folder);
    if (status == GLASS_OK)
        status = put_file(folder, "config.json", config.data, config.len);
    if (status == GLASS_OK) status = check_made(c, folder);
    buf_free(&config);
    return status;
}

/* A folder is replaced whole, so it must be nothing but a model: plain files, one of them
 * config.json. */
static glass_status check_old(const char *folder) {
    DIR *dir = opendir(folder);
    struct dirent *d;
    struct stat st;
    int n = 0, n_config = 0, n_other = 0;
    if (dir == NULL) return fail_errno("%s: cannot open the folder", folder);
    while ((d = readdir(dir)) != NULL) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0) continue;
        n++;
        n_config += strcmp(d->d_name, "config.json") == 0;
        if (fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
            S_ISDIR(st.st_mode))
            n_other++;
    }
    closedir(dir);
    if (n == 0 || (n_config > 0 && n_other == 0)) return GLASS_OK;
    return fail(GLASS_USAGE,
                "%s: no model folder, or one with more in it: remove it, or choose another "
                "name",
                folder);
}

static glass_status put_in_place(const char *made, const char *out) {
    struct stat st;
    if (lstat(out, &st) != 0) {
        if (rename(made, out) == 0) return GLASS_OK;
        return fail_errno("%s: cannot rename to %s", made, out);
    }
    /* The two change places in one step; what was there is then removed. */
    if (renameat2(AT_FDCWD, made, AT_FDCWD, out, RENAME_EXCHANGE) != 0)
        return fail_errno("%s: cannot take the place of %s", made, out);
    remove_folder(made);
    return GLASS_OK;
}

glass_status convert_to_folder(struct convert *c) {
    struct buf out = {0}, part = {0};
    struct stat st;
    glass_status status = buf_text(&out, c->out_path);
    while (out.len > 1 && out.data[out.len - 1] == '/') out.data[--out.len] = '\0';
    if (status == GLASS_OK && lstat(out.data, &st) == 0) status = check_old(out.data);
    if (status == GLASS_OK)
        status = buf_printf(&part, "%s.part-%ld", out.data, (long)getpid());
    if (status == GLASS_OK && mkdir(part.data, 0777) != 0)
        status = fail_errno("%s: cannot make the folder", part.data);
    else if (status == GLASS_OK) {
        status = fill_folder(c, part.data);
        if (status == GLASS_OK) status = put_in_place(part.data, out.data);
        if (status != GLASS_OK) remove_folder(part.data);
    }
    buf_free(&out);
    buf_free(&part);
    return status;
}
