/* import.c - finds out what a path is, and opens it: a GGUF file, or what an importer makes one
 * of.
 *
 * Folders are looked at by the names that their publishers agree on, files by their first
 * bytes. */
#include "base/path.h"
#include "model/import_parts.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static glass_status join(struct buf *out, const char *folder, const char *name) {
    buf_clear(out);
    return buf_printf(out, "%s/%s", folder, name);
}

static bool is_file(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Whether a folder has a file of this name; out is then its path. */
static glass_status look(struct buf *out, bool *found, const char *folder,
                         const char *name) {
    TRY(join(out, folder, name));
    *found = is_file(out->data);
    return GLASS_OK;
}

/* The one file in a folder whose name ends so; out is empty when there is none or more. */
static glass_status only_file(struct buf *out, const char *folder, const char *end) {
    DIR *dir = opendir(folder);
    glass_status status = GLASS_OK;
    int n = 0;
    struct dirent *d;
    buf_clear(out);
    if (dir == NULL) return fail_errno("%s: cannot open the folder", folder);
    while (status == GLASS_OK && (d = readdir(dir)) != NULL)
        if (d->d_name[0] != '.' && ends_with(d->d_name, end) && n++ == 0)
            status = join(out, folder, d->d_name);
    closedir(dir);
    if (n > 1) buf_clear(out);
    return status;
}

/* ---- Hugging Face ---- */

/* Where a folder's weights are, by the order in which transformers looks. */
static glass_status find_weights(struct buf *out, const char *folder) {
    static const char *const names[] = {"model.safetensors", "model.safetensors.index.json",
                                        "pytorch_model.bin",
                                        "pytorch_model.bin.index.json"};
    bool found;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        TRY(look(out, &found, folder, names[i]));
        if (found) return GLASS_OK;
    }
    TRY(only_file(out, folder, ".safetensors"));
    if (out->len > 0) return GLASS_OK;
    return fail(GLASS_BAD_INPUT,
                "%s: the folder has no weights: none of %s, %s, %s and %s is there", folder,
                names[0], names[1], names[2], names[3]);
}

/* "model-00001-of-00003.safetensors": the index that such a shard belongs to. */
static glass_status index_of_shard(struct buf *out, const char *path) {
    const char *dot = strrchr(path, '.'), *of = NULL;
    if (dot != NULL && dot - path > 15) of = dot - 15;
    if (of == NULL || of[0] != '-' || strncmp(of + 6, "-of-", 4) != 0 ||
        strspn(of + 1, "0123456789") != 5 || strspn(of + 10, "0123456789") != 5)
        return buf_text(out, path);
    return buf_printf(out, "%.*s%s.index.json", (int)(of - path), path, dot);
}

static glass_status open_hf(struct gguf **out, const char *folder, const char *weights) {
    struct buf config = {0}, path = {0}, found = {0};
    struct gguf_build *build = NULL;
    struct archive *archive;
    glass_status status;
    TRY_FAIL(join(&path, folder, "config.json"));
    TRY_FAIL(path_read_whole(&config, path.data, IMPORT_CONFIG_BYTES));
    TRY_FAIL(weights == NULL ? find_weights(&found, folder)
                             : index_of_shard(&found, weights));
    TRY_FAIL(archive_open(&archive, found.data));
    status = gguf_build_create(&build, folder);
    if (status != GLASS_OK) {
        archive_close(archive);
        goto fail;
    }
    TRY_FAIL(import_hf(build, archive, config.data, config.len, path.data));
    TRY_FAIL(import_put_name(gguf_build_values(build), folder));
    TRY_FAIL(import_template(gguf_build_values(build), folder));
    status = gguf_build_finish(out, build);
    build = NULL;
fail:
    gguf_build_free(build);
    buf_free(&config);
    buf_free(&path);
    buf_free(&found);
    return status;
}

/* ---- the tokenizer ---- */

static glass_status open_tokenizer(glass_tokenizer **out, const char *folder) {
    static const char *const names[] = {"tokenizer.json", "tokenizer.model"};
    struct buf path = {0};
    bool found = false;
    glass_status status = GLASS_OK;
    for (size_t i = 0; status == GLASS_OK && !found && i < sizeof names / sizeof *names;
         i++)
        status = look(&path, &found, folder, names[i]);
    if (status == GLASS_OK && found) status = glass_tokenizer_open(out, path.data);
    buf_free(&path);
    return status;
}

/* ---- what a path is ---- */

static glass_status open_folder(struct gguf **file, glass_tokenizer **tokenizer,
                                const char *folder, const char *weights) {
    struct buf path = {0};
    bool hf;
    glass_status status = look(&path, &hf, folder, "config.json");
    if (status == GLASS_OK && hf) {
        status = open_hf(file, folder, weights);
        if (status == GLASS_OK) status = open_tokenizer(tokenizer, folder);
    } else if (status == GLASS_OK) {
        status = only_file(&path, folder, ".gguf");
        if (status == GLASS_OK && path.len > 0)
            status = gguf_open(file, path.data);
        else if (status == GLASS_OK)
            status = fail(GLASS_BAD_INPUT,
                          "%s: no model: neither config.json (Hugging Face) nor one .gguf "
                          "file is in this folder",
                          folder);
    }
    buf_free(&path);
    return status;
}

/* Whether a file is one that an archive reader should look at. */
static glass_status is_weights(bool *out, const char *path) {
    struct filemap map;
    *out = ends_with(path, ".index.json");
    if (*out) return GLASS_OK;
    TRY(filemap_open(&map, path));
    *out = map.size > 8 && (memcmp(map.data, "PK\3\4", 4) == 0 || map.data[8] == '{');
    if (map.size > 4 && memcmp(map.data, "GGUF", 4) == 0) *out = false;
    filemap_close(&map);
    return GLASS_OK;
}

static glass_status open_file(struct gguf **file, glass_tokenizer **tokenizer,
                              const char *path) {
    struct buf folder = {0};
    const char *slash = strrchr(path, '/');
    bool weights, settings = ends_with(path, "config.json");
    glass_status status = GLASS_OK;
    TRY(is_weights(&weights, path));
    if (!weights && !settings) return gguf_open(file, path);
    if (slash == NULL)
        status = buf_text(&folder, ".");
    else
        status = buf_append(&folder, path, (size_t)(slash - path) + (slash == path));
    if (status == GLASS_OK)
        status = open_folder(file, tokenizer, folder.data, settings ? NULL : path);
    buf_free(&folder);
    return status;
}

glass_status import_open(struct gguf **file, glass_tokenizer **tokenizer,
                         const char *path) {
    struct stat st;
    *file = NULL;
    *tokenizer = NULL;
    bool folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    glass_status status = folder ? open_folder(file, tokenizer, path, NULL)
                                 : open_file(file, tokenizer, path);
    if (status == GLASS_OK) return GLASS_OK;
    gguf_close(*file);
    *file = NULL;
    return status;
}
