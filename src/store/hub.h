/* hub.h - names of models on a hub, and the files that a hub has.
 *
 * The API is the Hugging Face hub's: GET /api/models/USER/NAME/tree/REVISION lists files
 * with their SHA-256 (of those in large file storage), GET /USER/NAME/resolve/REVISION/FILE
 * leads to the bytes. Servers are not trusted: names are checked before they name anything
 * here. */
#ifndef STORE_HUB_H
#define STORE_HUB_H

#include "store/http.h"

/* What stands behind a name. Every text is owned; "" where the name did not say. */
struct hub_name {
    char *url;                   /* the address itself, if it is none of the hub's */
    char *user, *model;          /* else these */
    char *revision, *file, *tag; /* a tag is "Q4_K_M" or a part of a file's name */
};

/* user/model, user/model:TAG, user/model/FILE.gguf, hf.co/… and huggingface.co/… with or
 * without https://, hub pages (/blob/REVISION/FILE, /resolve/REVISION/FILE,
 * /tree/REVISION), hf://…, and any other http(s) address. endpoint: the hub in use.
 * GLASS_USAGE says which forms there are. */
glass_status hub_name_parse(struct hub_name *out, const char *text, const char *endpoint);
void hub_name_clear(struct hub_name *name);

/* A path that may be joined to a folder: relative, of parts that are not empty, not hidden,
 * not "..", without control characters or backslashes, of sane length. */
bool hub_path_is_safe(const char *path);

/* $HF_ENDPOINT or https://huggingface.co, without '/' at the end. GLASS_USAGE if it is not
 * an http(s) address. mem_free it. */
glass_status hub_endpoint(char **out);
/* $HF_TOKEN, else the file $HF_TOKEN_PATH, $HF_HOME/token, or huggingface/token in the
 * cache folder. *out is NULL if there is none, or if it must not travel (endpoint is plain
 * http to another machine). mem_free it. */
glass_status hub_token(char **out, const char *endpoint);

struct hub_file {
    char *path;
    int64_t n_bytes; /* -1: not said */
    char sha256[65]; /* "" if it is not published */
};
struct hub_listing {
    struct hub_file *files; /* by path */
    int64_t n;
    int64_t n_refused; /* names that are not safe */
};

/* Every file of the model at the revision ("" = main). GLASS_BAD_INPUT: there is no such
 * model or revision, or access is refused; GLASS_SYSTEM: no answer. */
glass_status hub_list(struct hub_listing *out, struct http *http, const char *endpoint,
                      const char *token, const struct hub_name *name);
void hub_listing_clear(struct hub_listing *listing);

/* The GGUF files that a name means, in order: the one named, the one that fits the tag, or
 * without either the usual choice (Q4_K_M, else the next best); all parts of a split one.
 * *chosen (mem_free it) receives indices. GLASS_BAD_INPUT lists what there is. */
glass_status hub_choose(int64_t **chosen, int64_t *n, const struct hub_listing *listing,
                        const struct hub_name *name);
/* Whether a is "…-00001-of-00003.gguf" or the like; *stem bytes of it come before the
 * part's number, *n_parts of them there are. */
bool hub_is_part(const char *path, size_t *stem, int *part, int *n_parts);
/* Whether the tag stands in the path as a whole word, in any case: "Q4_K" is not in
 * "model-Q4_K_M.gguf". */
bool hub_has_tag(const char *path, const char *tag);

#endif
