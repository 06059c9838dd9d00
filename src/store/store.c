/* store.c - finding models by walking the few folders where programs keep them. */
#include "store/store.h"

#include "base/path.h"
#include "store/hub.h"

#include <dirent.h>
#include <jansson.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

static bool is_gguf(const char *name) {
    size_t n = strlen(name);
    return n > 5 && strcasecmp(name + n - 5, ".gguf") == 0;
}

/* Later parts of a split model open through the first; projectors are no models. */
static bool is_later_part(const char *name) {
    size_t stem;
    int part, n_parts;
    if (strncasecmp(name, "mmproj", 6) == 0) return true;
    return hub_is_part(name, &stem, &part, &n_parts) && part > 1;
}

static bool ends(const char *name, const char *end) {
    size_t n = strlen(name), m = strlen(end);
    return n > m && strcasecmp(name + n - m, end) == 0;
}

/* The bytes of a folder's weights if it is a model as its publisher made it: Hugging Face's
 * config.json or Meta's params.json with weights beside it; else 0. */
static int64_t folder_bytes(const char *folder) {
    DIR *dir = opendir(folder);
    int64_t n_safetensors = 0, n_torch = 0;
    bool settings = false;
    struct dirent *d;
    if (dir == NULL) return 0;
    while ((d = readdir(dir)) != NULL) {
        struct buf path = {0};
        struct stat st;
        const char *name = d->d_name;
        bool tensors = ends(name, ".safetensors"),
             torch = ends(name, ".bin") || ends(name, ".pth");
        settings |= strcmp(name, "config.json") == 0 || strcmp(name, "params.json") == 0;
        if ((tensors || torch) && buf_printf(&path, "%s/%s", folder, name) == GLASS_OK &&
            stat(path.data, &st) == 0)
            *(tensors ? &n_safetensors : &n_torch) += st.st_size;
        buf_free(&path);
    }
    closedir(dir);
    return !settings ? 0 : n_safetensors > 0 ? n_safetensors : n_torch;
}

/* A checkpoint of glass train. */
static bool is_checkpoint(const char *folder) {
    struct buf path = {0};
    struct stat st;
    bool good = buf_printf(&path, "%s/model.gguf", folder) == GLASS_OK &&
                stat(path.data, &st) == 0 && S_ISREG(st.st_mode);
    buf_free(&path);
    return good;
}

/* A folder is listed under its own name. */
static glass_status add_folder(struct store_listing *l, const char *name, const char *path,
                               const char *place) {
    int64_t n_bytes = folder_bytes(path);
    if (n_bytes == 0) return GLASS_OK;
    TRY(mem_resize(&l->entries, (size_t)l->n + 1, sizeof *l->entries));
    struct store_entry *e = &l->entries[l->n++];
    *e = (struct store_entry){.place = place, .n_bytes = n_bytes, .folder = true};
    TRY(mem_copy_text(&e->name, name, strlen(name)));
    return mem_copy_text(&e->path, path, strlen(path));
}

static glass_status add(struct store_listing *l, const char *name, size_t n_name,
                        const char *path, const char *place) {
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) return GLASS_OK;
    TRY(mem_resize(&l->entries, (size_t)l->n + 1, sizeof *l->entries));
    struct store_entry *e = &l->entries[l->n++];
    *e = (struct store_entry){.place = place, .n_bytes = st.st_size};
    TRY(mem_copy_text(&e->name, name, n_name));
    return mem_copy_text(&e->path, path, strlen(path));
}

/* Adds the bytes of the later parts of a split model to its entry. */
static glass_status add_parts(struct store_entry *e) {
    size_t stem;
    int part, n_parts;
    if (!hub_is_part(e->path, &stem, &part, &n_parts)) return GLASS_OK;
    glass_status status = GLASS_OK;
    for (int i = 2; status == GLASS_OK && i <= n_parts; i++) {
        struct buf b = {0};
        struct stat st;
        status = buf_printf(&b, "%.*s-%05d-of-%05d%s", (int)stem, e->path, i, n_parts,
                            e->path + strlen(e->path) - 5);
        if (status == GLASS_OK && stat(b.data, &st) == 0) e->n_bytes += st.st_size;
        buf_free(&b);
    }
    return status;
}

/* GGUF files at most `depth` folders below, and folders that are models; a name is the path
 * below the root without its ".gguf". */
static glass_status walk(struct store_listing *l, const char *root, const char *folder,
                         int depth, const char *place) {
    DIR *dir = opendir(folder);
    if (dir == NULL) return GLASS_OK;
    glass_status status = GLASS_OK;
    struct dirent *d;
    while (status == GLASS_OK && (d = readdir(dir)) != NULL) {
        struct buf path = {0};
        struct stat st;
        int64_t n_before = l->n;
        if (d->d_name[0] == '.') continue;
        status = buf_printf(&path, "%s/%s", folder, d->d_name);
        if (status == GLASS_OK && stat(path.data, &st) == 0) {
            const char *below = path.data + strlen(root) + 1;
            if (S_ISDIR(st.st_mode) && depth > 0) {
                status = walk(l, root, path.data, depth - 1, place);
                if (status == GLASS_OK) status = add_folder(l, below, path.data, place);
            }
            bool model =
                S_ISREG(st.st_mode) && is_gguf(d->d_name) && !is_later_part(d->d_name);
            if (model) status = add(l, below, strlen(below) - 5, path.data, place);
            if (model && status == GLASS_OK && l->n > n_before)
                status = add_parts(&l->entries[l->n - 1]);
        }
        buf_free(&path);
    }
    closedir(dir);
    return status;
}

/* models--USER--NAME/snapshots/HASH/FILE.gguf is listed as USER/NAME:FILE, a folder of weights
 * as USER/NAME. */
static glass_status name_hub(struct store_entry *e) {
    struct buf b = {0};
    char *p = e->name;
    if (strncmp(p, "models--", 8) != 0) return GLASS_OK;
    char *slash = strchr(p, '/'), *file = strrchr(p, '/');
    char *dashes = strstr(p + 8, "--");
    if (slash == NULL || dashes == NULL || dashes > slash) return GLASS_OK;
    glass_status status = buf_printf(&b, "%.*s/%.*s", (int)(dashes - p - 8), p + 8,
                                     (int)(slash - dashes - 2), dashes + 2);
    if (status == GLASS_OK && !e->folder) status = buf_printf(&b, ":%s", file + 1);
    if (status == GLASS_OK) {
        mem_free(e->name);
        status = buf_take(&b, &e->name, NULL);
    }
    buf_free(&b);
    return status;
}

static int by_place_and_name(const void *a, const void *b) {
    const struct store_entry *x = a, *y = b;
    bool own_x = strcmp(x->place, "glass") == 0, own_y = strcmp(y->place, "glass") == 0;
    if (own_x != own_y) return own_x ? -1 : 1;
    int order = strcmp(x->place, y->place);
    return order ? order : strcmp(x->name, y->name);
}

/* manifests/HOST/USER/MODEL/TAG is JSON whose model layer names a blob. `below` is
 * HOST/USER/MODEL/TAG; Ollama's own host and its user "library" go without saying. */
static glass_status add_ollama(struct store_listing *l, const char *root, const char *below,
                               const char *manifest) {
    json_t *json = json_load_file(manifest, 0, NULL);
    size_t i;
    json_t *layer;
    glass_status status = GLASS_OK;
    if (strncmp(below, "registry.ollama.ai/", 19) == 0) below += 19;
    if (strncmp(below, "library/", 8) == 0) below += 8;
    const char *tag = strrchr(below, '/');
    json_array_foreach(json_object_get(json, "layers"), i, layer) {
        const char *type = json_string_value(json_object_get(layer, "mediaType"));
        const char *digest = json_string_value(json_object_get(layer, "digest"));
        struct buf name = {0}, path = {0};
        if (tag == NULL || type == NULL || digest == NULL ||
            strstr(type, "image.model") == NULL || strncmp(digest, "sha256:", 7) != 0 ||
            strspn(digest + 7, "0123456789abcdef") != strlen(digest + 7))
            continue;
        status = buf_printf(&name, "%.*s:%s", (int)(tag - below), below, tag + 1);
        if (status == GLASS_OK)
            status = buf_printf(&path, "%s/blobs/sha256-%s", root, digest + 7);
        if (status == GLASS_OK) status = add(l, name.data, name.len, path.data, "ollama");
        buf_free(&name);
        buf_free(&path);
        if (status != GLASS_OK) break;
    }
    json_decref(json);
    return status;
}

static glass_status walk_ollama(struct store_listing *l, const char *root,
                                const char *folder, int depth) {
    size_t n_above = strlen(root) + strlen("/manifests/");
    DIR *dir = opendir(folder);
    if (dir == NULL) return GLASS_OK;
    glass_status status = GLASS_OK;
    struct dirent *d;
    while (status == GLASS_OK && (d = readdir(dir)) != NULL) {
        struct buf path = {0};
        if (d->d_name[0] == '.') continue;
        status = buf_printf(&path, "%s/%s", folder, d->d_name);
        if (status == GLASS_OK && depth > 0)
            status = walk_ollama(l, root, path.data, depth - 1);
        if (status == GLASS_OK && depth == 0)
            status = add_ollama(l, root, path.data + n_above, path.data);
        buf_free(&path);
    }
    closedir(dir);
    return status;
}

/* The first of these that is set: $variable + tail, … , the cache folder + name. */
static glass_status cache_folder(struct buf *out, const char *const (*variables)[2],
                                 const char *name) {
    const char *value;
    buf_clear(out);
    for (; (*variables)[0] != NULL; variables++)
        if ((value = getenv((*variables)[0])) != NULL && *value)
            return buf_printf(out, "%s%s", value, (*variables)[1]);
    if ((value = getenv("XDG_CACHE_HOME")) != NULL && *value == '/')
        return buf_printf(out, "%s/%s", value, name);
    value = getenv("HOME");
    return buf_printf(out, "%s/.cache/%s", value ? value : "", name);
}

static glass_status fill_hub(struct store_listing *l, struct buf *b) {
    static const char *const variables[][2] = {{"HF_HUB_CACHE", ""},
                                               {"HUGGINGFACE_HUB_CACHE", ""},
                                               {"HF_HOME", "/hub"},
                                               {NULL, NULL}};
    int64_t first = l->n;
    TRY(cache_folder(b, variables, "huggingface/hub"));
    TRY(walk(l, b->data, b->data, 4, "huggingface"));
    for (int64_t i = first; i < l->n; i++) TRY(name_hub(&l->entries[i]));
    return GLASS_OK;
}

static glass_status fill(struct store_listing *l, struct buf *b) {
    static const char *const llama[][2] = {{"LLAMA_CACHE", ""}, {NULL, NULL}};
    const char *home = getenv("HOME"), *ollama = getenv("OLLAMA_MODELS");
    TRY(path_data(b));
    TRY(buf_text(b, "/models"));
    TRY(walk(l, b->data, b->data, 5, "glass"));
    TRY(fill_hub(l, b));
    TRY(cache_folder(b, llama, "llama.cpp"));
    TRY(walk(l, b->data, b->data, 0, "llama.cpp"));
    buf_clear(b);
    if (ollama != NULL && *ollama)
        TRY(buf_text(b, ollama));
    else
        TRY(buf_printf(b, "%s/.ollama/models", home ? home : ""));
    struct buf manifests = {0};
    glass_status status = buf_printf(&manifests, "%s/manifests", b->data);
    if (status == GLASS_OK) status = walk_ollama(l, b->data, manifests.data, 3);
    buf_free(&manifests);
    return status;
}

static void entry_clear(struct store_entry *e) {
    mem_free(e->name);
    mem_free(e->path);
}

/* A hub's cache has a file once for every revision: one of them is enough. */
static void drop_doubles(struct store_listing *l) {
    int64_t n = 0;
    for (int64_t i = 0; i < l->n; i++) {
        struct store_entry *e = &l->entries[i], *kept = n > 0 ? &l->entries[n - 1] : NULL;
        if (kept != NULL && !strcmp(kept->name, e->name) && !strcmp(kept->place, e->place))
            entry_clear(e);
        else
            l->entries[n++] = *e;
    }
    l->n = n;
}

glass_status store_list(struct store_listing *out) {
    *out = (struct store_listing){0};
    struct buf b = {0};
    glass_status status = fill(out, &b);
    buf_free(&b);
    if (status != GLASS_OK) {
        store_listing_clear(out);
        return status;
    }
    if (out->n > 0)
        qsort(out->entries, (size_t)out->n, sizeof *out->entries, by_place_and_name);
    drop_doubles(out);
    return GLASS_OK;
}

void store_listing_clear(struct store_listing *l) {
    for (int64_t i = 0; i < l->n; i++) entry_clear(&l->entries[i]);
    mem_free(l->entries);
    *l = (struct store_listing){0};
}

static bool begins(const char *full, const char *name, size_t n) {
    return strncasecmp(full, name, n) == 0;
}

/* The names that `glass pull` takes are names here as well. */
static const char *without_hub(const char *name) {
    static const char *const fronts[] = {"https://", "hf.co/", "huggingface.co/"};
    for (int i = 0; i < 3; i++)
        if (begins(name, fronts[i], strlen(fronts[i]))) name += strlen(fronts[i]);
    return name;
}

/* How well an entry fits a name: 3 the name itself, 2 its beginning, 1 the beginning of its
 * last part, 0 not. "user/model:Q4_K_M" fits a file of that model with Q4_K_M in its name. */
static int fit(const struct store_entry *e, const char *name) {
    name = without_hub(name);
    size_t n = strlen(name);
    if (n > 5 && is_gguf(name)) n -= 5;
    const char *last = strrchr(e->name, '/'), *colon = strchr(name, ':');
    if (n == 0) return 0;
    if (strlen(e->name) == n && begins(e->name, name, n)) return 3;
    if (colon != NULL && colon > name && begins(e->name, name, (size_t)(colon - name)) &&
        strchr(":/", e->name[colon - name]) != NULL && e->name[colon - name] &&
        hub_has_tag(e->name + (colon - name), colon + 1))
        return 2;
    if (begins(e->name, name, n)) return 2;
    /* user/model/FILE of a hub's cache is listed as user/model:FILE. */
    const char *file = strrchr(name, '/');
    if (file != NULL && file > name && begins(e->name, name, (size_t)(file - name)) &&
        e->name[file - name] == ':' &&
        begins(e->name + (file - name) + 1, file + 1, n - (size_t)(file - name) - 1))
        return 2;
    return last != NULL && begins(last + 1, name, n) ? 1 : 0;
}

/* "user/model" and "user/model:QUANT", not a path. */
static bool could_pull(const char *name) {
    const char *slash = strchr(name, '/');
    return slash != NULL && slash > name && name[0] != '.' &&
           strchr(slash + 1, '/') == NULL;
}

static glass_status no_fit(const struct store_listing *l, const char *name, int best) {
    struct buf b = {0};
    glass_status status = GLASS_OK;
    for (int64_t i = 0; status == GLASS_OK && i < l->n && b.len < 1000; i++)
        if (best == 0 || fit(&l->entries[i], name) == best)
            status = buf_printf(&b, "%s%s", b.len ? ", " : "", l->entries[i].name);
    if (status == GLASS_OK)
        status =
            fail(GLASS_BAD_INPUT, "%.200s: %s%s%s", name,
                 best ? "more than one model fits: " : "there is no such file or model. ",
                 best || b.len == 0 ? "" : "There are: ",
                 b.len ? b.data : "No model is on this machine yet");
    if (status == GLASS_BAD_INPUT && best == 0)
        status =
            fail(status, "%s. glass pull gets models%s%s", glass_error(),
                 could_pull(name) ? ": glass pull " : "", could_pull(name) ? name : "");
    buf_free(&b);
    return status;
}

/* The newest checkpoint of a run's folder; *path stays NULL where it is none. */
static glass_status newest_checkpoint(char **path, const char *run) {
    struct buf b = {0};
    enum { NAME = 13 }; /* bytes of "step-00000001" */
    char newest[NAME + 1] = "";
    struct stat st;
    struct dirent *d;
    DIR *dir = NULL;
    glass_status status;
    TRY_FAIL(buf_printf(&b, "%s/run.json", run));
    if (stat(b.data, &st) != 0) goto fail;
    buf_clear(&b);
    TRY_FAIL(buf_printf(&b, "%s/checkpoints", run));
    dir = opendir(b.data);
    while (dir != NULL && (d = readdir(dir)) != NULL)
        if (strncmp(d->d_name, "step-", 5) == 0 && strlen(d->d_name) == NAME &&
            strcmp(d->d_name, newest) > 0)
            memcpy(newest, d->d_name, sizeof newest);
    if (newest[0] == '\0') {
        status = fail(GLASS_BAD_INPUT, "%s: a run that has no checkpoint yet", run);
        goto fail;
    }
    TRY_FAIL(buf_printf(&b, "/%s", newest));
    status = buf_take(&b, path, NULL);
fail:
    if (dir != NULL) closedir(dir);
    buf_free(&b);
    return status;
}

glass_status store_resolve(char **path, const char *name) {
    struct store_listing l;
    struct stat st;
    *path = NULL;
    TRY(newest_checkpoint(path, name));
    if (*path != NULL) return GLASS_OK;
    /* A folder without a model is no path unless it is written like one. */
    if (stat(name, &st) == 0 &&
        (S_ISREG(st.st_mode) ||
         (S_ISDIR(st.st_mode) && (strchr("./", name[0]) != NULL || folder_bytes(name) > 0 ||
                                  is_checkpoint(name)))))
        return mem_copy_text(path, name, strlen(name));
    TRY(store_list(&l));
    int best = 0;
    int64_t found = -1, n_best = 0;
    for (int64_t i = 0; i < l.n; i++) {
        int f = fit(&l.entries[i], name);
        if (f > best) {
            best = f;
            n_best = 0;
        }
        if (f == best && f > 0 && n_best++ == 0) found = i;
    }
    glass_status status;
    if (best > 0 && (n_best == 1 || best == 3)) {
        status = mem_copy_text(path, l.entries[found].path, strlen(l.entries[found].path));
    } else {
        status = no_fit(&l, name, best);
    }
    store_listing_clear(&l);
    return status;
}
