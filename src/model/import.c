/* import.c - finds out what a path is, and opens it: a GGUF file, or what an importer makes one
 * of.
 *
 * Folders are looked at by the names that their publishers agree on, files by their first
 * bytes. */
#include "base/path.h"
#include "format/llama2c.h"
#include "model/import_parts.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { META_SHARDS = 100 }; /* two digits */

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

/* The one file in a folder whose name begins and ends so; out is empty when there is none or more. */
static glass_status only_file(struct buf *out, const char *folder, const char *start,
                              const char *end) {
    DIR *dir = opendir(folder);
    glass_status status = GLASS_OK;
    int n = 0;
    struct dirent *d;
    buf_clear(out);
    if (dir == NULL) return fail_errno("%s: cannot open the folder", folder);
    while (status == GLASS_OK && (d = readdir(dir)) != NULL)
        if (d->d_name[0] != '.' && strncmp(d->d_name, start, strlen(start)) == 0 &&
            ends_with(d->d_name, end) && n++ == 0)
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
    TRY(only_file(out, folder, "", ".safetensors"));
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

/* Fills a build out of settings and an archive. */
typedef glass_status (*importer)(struct gguf_build *, struct archive *, const char *,
                                 size_t, const char *);

/* Takes the archive over. */
static glass_status build(struct gguf **out, const char *folder, const char *settings,
                          struct archive *archive, importer import) {
    struct buf config = {0}, path = {0};
    struct gguf_build *b = NULL;
    bool taken = false;
    glass_status status;
    TRY_FAIL(join(&path, folder, settings));
    TRY_FAIL(path_read_whole(&config, path.data, IMPORT_CONFIG_BYTES));
    TRY_FAIL(gguf_build_create(&b, folder));
    taken = true;
    TRY_FAIL(import(b, archive, config.data, config.len, path.data));
    TRY_FAIL(import_card(gguf_build_values(b), folder));
    status = gguf_build_finish(out, b);
    b = NULL;
fail:
    if (!taken) archive_close(archive);
    gguf_build_free(b);
    buf_free(&config);
    buf_free(&path);
    return status;
}

static glass_status open_hf(struct gguf **out, const char *folder, const char *weights) {
    struct buf found = {0};
    struct archive *archive = NULL;
    glass_status status =
        weights == NULL ? find_weights(&found, folder) : index_of_shard(&found, weights);
    if (status == GLASS_OK) status = archive_open(&archive, found.data);
    if (status == GLASS_OK) status = build(out, folder, "config.json", archive, import_hf);
    buf_free(&found);
    return status;
}

/* ---- Meta ---- */

/* consolidated.00.pth and so on, as many as there are. */
static glass_status open_shards(struct archive **out, const char *folder) {
    struct buf path = {0};
    char **paths = NULL;
    int n = 0;
    bool found = true;
    glass_status status = GLASS_OK;
    while (status == GLASS_OK && found && n < META_SHARDS) {
        char name[40];
        snprintf(name, sizeof name, "consolidated.%02d.pth", n);
        status = look(&path, &found, folder, name);
        if (status != GLASS_OK || !found) continue;
        status = mem_resize(&paths, (size_t)n + 1, sizeof *paths);
        if (status == GLASS_OK) status = mem_copy_text(&paths[n++], path.data, path.len);
    }
    if (status == GLASS_OK) status = archive_open_parts(out, (const char *const *)paths, n);
    for (int i = 0; i < n; i++) mem_free(paths[i]);
    mem_free(paths);
    buf_free(&path);
    return status;
}

static glass_status open_meta(struct gguf **out, const char *folder) {
    static const char *const single[] = {"consolidated.safetensors",
                                         "consolidated.safetensors.index.json",
                                         "consolidated.pth"};
    struct buf path = {0};
    struct archive *archive = NULL;
    bool found;
    glass_status status = look(&path, &found, folder, "consolidated.00.pth");
    if (status == GLASS_OK && found) {
        status = open_shards(&archive, folder);
    } else {
        for (size_t i = 0; status == GLASS_OK && !found && i < 3; i++)
            status = look(&path, &found, folder, single[i]);
        if (status == GLASS_OK && found) status = archive_open(&archive, path.data);
        if (status == GLASS_OK && !found)
            status =
                fail(GLASS_BAD_INPUT,
                     "%s: params.json without weights: neither consolidated.00.pth nor "
                     "%s is there",
                     folder, single[0]);
    }
    if (status == GLASS_OK)
        status = build(out, folder, "params.json", archive, import_meta);
    buf_free(&path);
    return status;
}

/* ---- llama2.c ---- */

static glass_status put_stem(struct gguf_writer *values, const char *path) {
    const char *name = strrchr(path, '/'), *dot;
    name = name == NULL ? path : name + 1;
    dot = strrchr(name, '.');
    struct gguf_string text = {name, dot == NULL ? strlen(name) : (size_t)(dot - name)};
    return gguf_put_string(values, "general.name", text);
}

/* Its vocabulary is tokenizer.bin or the only tok*.bin beside it, unless a SentencePiece model
 * is there. */
static glass_status put_vocab(struct gguf_writer *values, const char *folder) {
    struct buf path = {0};
    bool found;
    glass_status status = look(&path, &found, folder, "tokenizer.bin");
    if (status == GLASS_OK && !found) status = only_file(&path, folder, "tok", ".bin");
    if (status == GLASS_OK && path.len > 0)
        status = import_llama2c_vocab(values, path.data);
    buf_free(&path);
    return status;
}

static glass_status open_llama2c(struct gguf **file, char **vocab, struct archive *archive,
                                 const char *path, const char *folder) {
    struct gguf_build *b;
    struct buf found = {0};
    bool is_there;
    glass_status status = gguf_build_create(&b, path);
    if (status != GLASS_OK) {
        archive_close(archive);
        return status;
    }
    TRY_FAIL(import_llama2c(b, archive));
    TRY_FAIL(put_stem(gguf_build_values(b), path));
    TRY_FAIL(look(&found, &is_there, folder, "tokenizer.model"));
    if (!is_there) TRY_FAIL(only_file(&found, folder, "", ".model"));
    if (found.len > 0)
        TRY_FAIL(mem_copy_text(vocab, found.data, found.len));
    else
        TRY_FAIL(put_vocab(gguf_build_values(b), folder));
    status = gguf_build_finish(file, b);
    b = NULL;
fail:
    gguf_build_free(b);
    buf_free(&found);
    return status;
}

/* ---- the tokenizer ---- */

/* A folder with one of these has a vocabulary. */
static glass_status find_vocab(char **vocab, const char *folder) {
    static const char *const names[] = {"tokenizer.json", "tokenizer.model", "vocab.json"};
    struct buf path = {0};
    bool found = false;
    glass_status status = GLASS_OK;
    for (size_t i = 0; status == GLASS_OK && !found && i < sizeof names / sizeof *names;
         i++)
        status = look(&path, &found, folder, names[i]);
    buf_free(&path);
    if (status != GLASS_OK || !found) return status;
    return mem_copy_text(vocab, folder, strlen(folder));
}

/* ---- what a path is ---- */

/* weights is the file that was named, if one was; settings are preferred to be these. */
static glass_status open_folder(struct gguf **file, char **vocab, const char *folder,
                                const char *weights, bool prefer_meta) {
    struct buf path = {0};
    bool hf = false, meta = false;
    glass_status status = look(&path, &hf, folder, "config.json");
    if (status == GLASS_OK) status = look(&path, &meta, folder, "params.json");
    if (status == GLASS_OK && hf && !(prefer_meta && meta)) {
        status = open_hf(file, folder, weights);
    } else if (status == GLASS_OK && meta) {
        status = open_meta(file, folder);
    } else if (status == GLASS_OK) {
        status = only_file(&path, folder, "", ".gguf");
        if (status == GLASS_OK && path.len > 0) {
            status = gguf_open(file, path.data);
            buf_free(&path);
            return status;
        }
        if (status == GLASS_OK)
            status =
                fail(GLASS_BAD_INPUT,
                     "%s: no model: neither config.json (Hugging Face) nor params.json "
                     "(Meta) nor one .gguf file is in this folder",
                     folder);
    }
    if (status == GLASS_OK) status = find_vocab(vocab, folder);
    buf_free(&path);
    return status;
}

enum kind { KIND_GGUF, KIND_SETTINGS, KIND_WEIGHTS, KIND_LLAMA2C };

/* *archive is the opened one for KIND_LLAMA2C. */
static glass_status kind_of(enum kind *out, struct archive **archive, const char *path) {
    struct filemap map;
    *out = KIND_SETTINGS;
    if (ends_with(path, ".json") && !ends_with(path, ".index.json")) return GLASS_OK;
    *out = KIND_WEIGHTS;
    if (ends_with(path, ".index.json")) return GLASS_OK;
    TRY(filemap_open(&map, path));
    bool ours = map.size > 4 && memcmp(map.data, "GGUF", 4) == 0;
    bool theirs = map.size > 8 && (memcmp(map.data, "PK\3\4", 4) == 0 ||
                                   map.data[8] == '{' || map.data[0] == 0x80);
    filemap_close(&map);
    if (ours || (!theirs && !ends_with(path, ".bin"))) *out = KIND_GGUF;
    if (*out != KIND_WEIGHTS || !ends_with(path, ".bin") || theirs) return GLASS_OK;
    TRY(archive_open(archive, path));
    if (archive_llama2c(*archive) != NULL) {
        *out = KIND_LLAMA2C;
        return GLASS_OK;
    }
    archive_close(*archive);
    *archive = NULL;
    return GLASS_OK;
}

static glass_status open_file(struct gguf **file, char **vocab, const char *path) {
    struct buf folder = {0};
    struct archive *archive = NULL;
    const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
    enum kind kind;
    glass_status status;
    TRY(kind_of(&kind, &archive, path));
    if (kind == KIND_GGUF) return gguf_open(file, path);
    if (slash == NULL)
        status = buf_text(&folder, ".");
    else
        status = buf_append(&folder, path, (size_t)(slash - path) + (slash == path));
    if (status != GLASS_OK)
        archive_close(archive);
    else if (kind == KIND_LLAMA2C)
        status = open_llama2c(file, vocab, archive, path, folder.data);
    else
        status = open_folder(file, vocab, folder.data, kind == KIND_SETTINGS ? NULL : path,
                             strncmp(name, "consolidated.", 13) == 0 ||
                                 strcmp(name, "params.json") == 0);
    buf_free(&folder);
    return status;
}

glass_status import_find(struct gguf **file, char **vocab, const char *path) {
    struct stat st;
    *file = NULL;
    *vocab = NULL;
    bool folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    glass_status status =
        folder ? open_folder(file, vocab, path, NULL, false) : open_file(file, vocab, path);
    if (status == GLASS_OK) return GLASS_OK;
    gguf_close(*file);
    mem_free(*vocab);
    *file = NULL;
    *vocab = NULL;
    return status;
}

glass_status import_open(struct gguf **file, glass_tokenizer **tokenizer,
                         const char *path) {
    char *vocab;
    *tokenizer = NULL;
    TRY(import_find(file, &vocab, path));
    if (vocab == NULL) return GLASS_OK;
    glass_status status = glass_tokenizer_open(tokenizer, vocab);
    mem_free(vocab);
    if (status == GLASS_OK) return GLASS_OK;
    gguf_close(*file);
    *file = NULL;
    return status;
}
