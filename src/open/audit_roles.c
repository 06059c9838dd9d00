/* audit_roles.c - what a file is, by its name and the folder it is in. */
#include "open/audit_parts.h"

#include "data/licence_files.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool ends(const char *text, const char *end) {
    size_t n = strlen(text), k = strlen(end);
    return n >= k && strcasecmp(text + n - k, end) == 0;
}

/* Whether words stand in a name, whatever lies between letters: "USE_POLICY" has "usepolicy". */
static bool names(const char *name, const char *what) {
    for (const char *s = name; *s; s++) {
        const char *p = s, *w = what;
        while (*p && *w) {
            if (tolower((unsigned char)*p) == *w)
                w++;
            else if (isalnum((unsigned char)*p))
                break;
            p++;
        }
        if (*w == '\0') return true;
    }
    return false;
}

static bool is_text_name(const char *name) {
    static const char *const ends_with[] = {".md", ".txt", ".rst", ".html", ".htm"};
    for (size_t i = 0; i < sizeof ends_with / sizeof *ends_with; i++)
        if (ends(name, ends_with[i])) return true;
    return strchr(name, '.') == NULL;
}

static bool is_weights(const char *name) {
    static const char *const always[] = {".safetensors", ".pth", ".ckpt", ".pt",
                                         ".msgpack",     ".h5",  ".onnx"};
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        if (ends(name, always[i])) return true;
    return ends(name, ".bin") &&
           (strncmp(name, "pytorch_model", 13) == 0 || strncmp(name, "model", 5) == 0 ||
            strncmp(name, "adapter_model", 13) == 0);
}

static bool is_code(const char *name) {
    static const char *const codes[] = {".py", ".ipynb", ".sh",  ".c",  ".h",
                                        ".cc", ".cpp",   ".cu",  ".rs", ".go",
                                        ".js", ".ts",    ".java"};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (ends(name, codes[i])) return true;
    return false;
}

/* A program's file may be called after licences, too. */
static bool is_made(const char *name) {
    static const char *const ends_with[] = {".o",   ".d",   ".so",  ".a",    ".json",
                                            ".tsv", ".csv", ".yml", ".yaml", ".licence"};
    for (size_t i = 0; i < sizeof ends_with / sizeof *ends_with; i++)
        if (ends(name, ends_with[i])) return true;
    return is_code(name);
}

enum audit_role audit_role(const char *path) {
    const char *name = path + audit_folder(path);
    if (is_text_name(name) &&
        (names(name, "usepolicy") || names(name, "usagepolicy") ||
         names(name, "acceptableuse") || names(name, "prohibiteduse")))
        return ROLE_POLICY;
    if ((!is_made(name) && licence_file_kind(path, false) == LICENCE_FILE_FOLDER) ||
        (is_text_name(name) && (names(name, "license") || names(name, "licence"))))
        return ROLE_LICENCE;
    if (is_text_name(name) && name - path >= 9 &&
        (strncasecmp(name - 9, "licenses/", 9) == 0 ||
         strncasecmp(name - 9, "licences/", 9) == 0))
        return ROLE_LICENCE;
    if (ends(name, ".gguf")) return ROLE_GGUF;
    if (is_weights(name)) return ROLE_WEIGHTS;
    if (strcmp(name, "config.json") == 0 || strcmp(name, "params.json") == 0)
        return ROLE_CONFIG;
    if (strcmp(name, "adapter_config.json") == 0) return ROLE_ADAPTER;
    if (strncmp(name, "tokenizer", 9) == 0 || strcmp(name, "vocab.json") == 0 ||
        strcmp(name, "merges.txt") == 0)
        return ROLE_TOKENIZER;
    if (strncasecmp(name, "citation", 8) == 0) return ROLE_CITATION;
    if (is_text_name(name) &&
        (strncasecmp(name, "readme", 6) == 0 || names(name, "modelcard")))
        return ROLE_CARD;
    if (is_code(name)) return ROLE_CODE;
    if (ends(name, ".jsonl") || ends(name, ".parquet") || ends(name, ".arrow") ||
        ends(name, ".tfrecord"))
        return ROLE_DATA;
    return ROLE_OTHER;
}

/* Whether a card opens with front matter. */
static bool has_front(const struct audit_tree *t, const struct audit_file *f) {
    struct buf start = {0};
    bool front = audit_tree_read(&start, t, f, 16) == GLASS_OK && start.len >= 4 &&
                 memcmp(start.data, "---", 3) == 0;
    buf_free(&start);
    return front;
}

bool audit_is_model_folder(const struct audit_tree *t, const char *path, size_t n) {
    for (int64_t i = 0; i < t->n; i++) {
        const struct audit_file *f = &t->files[i];
        if (audit_folder(f->path) != n || strncmp(f->path, path, n) != 0) continue;
        enum audit_role role = audit_role(f->path);
        if (role == ROLE_WEIGHTS || role == ROLE_GGUF || role == ROLE_CONFIG ||
            role == ROLE_ADAPTER || (role == ROLE_CARD && has_front(t, f)))
            return true;
    }
    return false;
}
