/* hub.c - the files of a model on a hub, and which of them a name means. */
#include "store/hub.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <strings.h>

enum { PAGE_LIMIT = 64 << 20, MAX_PAGES = 100, MAX_FILES = 100000 };

void hub_listing_clear(struct hub_listing *l) {
    for (int64_t i = 0; i < l->n; i++) mem_free(l->files[i].path);
    mem_free(l->files);
    *l = (struct hub_listing){0};
}

static bool is_sha256(const char *text) {
    return text != NULL && strlen(text) == 64 &&
           strspn(text, "0123456789abcdefABCDEF") == 64;
}

static glass_status add_file(struct hub_listing *l, json_t *path, json_t *size,
                             json_t *digest) {
    const char *name = json_string_value(path), *sha = json_string_value(digest);
    if (name == NULL) return GLASS_OK;
    if (strlen(name) != json_string_length(path) || !hub_path_is_safe(name)) {
        l->n_refused++;
        return GLASS_OK;
    }
    if (l->n == MAX_FILES)
        return fail(GLASS_BAD_INPUT, "the hub lists more than %d files", MAX_FILES);
    TRY(mem_resize(&l->files, (size_t)l->n + 1, sizeof *l->files));
    struct hub_file *f = &l->files[l->n];
    *f = (struct hub_file){.n_bytes = -1};
    TRY(mem_copy_text(&f->path, name, strlen(name)));
    l->n++;
    if (json_is_integer(size) && json_integer_value(size) >= 0)
        f->n_bytes = json_integer_value(size);
    for (int i = 0; is_sha256(sha) && i < 64; i++)
        f->sha256[i] = (char)tolower((unsigned char)sha[i]);
    return GLASS_OK;
}

static json_t *get(json_t *object, const char *key) {
    return json_object_get(object, key);
}

/* [{"type":"file","path":…,"size":…,"lfs":{"oid":…,"size":…}},…] */
static glass_status add_tree(struct hub_listing *l, json_t *json) {
    size_t i;
    json_t *e;
    json_array_foreach(json, i, e) {
        const char *type = json_string_value(get(e, "type"));
        if (type != NULL && strcmp(type, "file") != 0) continue;
        TRY(add_file(l, get(e, "path"), get(e, "size"), get(get(e, "lfs"), "oid")));
    }
    return GLASS_OK;
}

/* {"siblings":[{"rfilename":…,"size":…,"lfs":{"sha256":…}},…]}, which mirrors may have
 * only. */
static glass_status add_siblings(struct hub_listing *l, json_t *json) {
    size_t i;
    json_t *e;
    json_array_foreach(get(json, "siblings"), i, e)
        TRY(add_file(l, get(e, "rfilename"), get(e, "size"), get(get(e, "lfs"), "sha256")));
    return GLASS_OK;
}

static glass_status parse_page(struct hub_listing *l, const struct buf *text,
                               const char *url) {
    json_error_t error;
    json_t *json =
        json_loadb(text->data ? text->data : "", text->len, JSON_ALLOW_NUL, &error);
    if (json == NULL)
        return fail(GLASS_BAD_INPUT, "%.200s: the answer is not JSON (%s): is this a hub?",
                    url, error.text);
    glass_status status = json_is_array(json) ? add_tree(l, json) : add_siblings(l, json);
    json_decref(json);
    return status;
}

static glass_status refused(const struct http_reply *r, const char *endpoint,
                            const char *token, const struct hub_name *n) {
    const char *words = r->message ? r->message : "";
    if (r->status == 401 || r->status == 403)
        return fail(
            GLASS_BAD_INPUT,
            "%s/%s: the hub refuses (%ld%s%s): there is no such model, or it is private "
            "or wants its terms accepted at %s/%s/%s. %s",
            n->user, n->model, r->status, *words ? ", " : "", words, endpoint, n->user,
            n->model,
            token ? "Your token was sent." : "Then set HF_TOKEN to a token of yours.");
    if (r->status == 404)
        return fail(GLASS_BAD_INPUT, "%s/%s%s%s: there is no such model%s on %s%s%s%s",
                    n->user, n->model, n->revision[0] ? " at " : "", n->revision,
                    n->revision[0] ? " or revision" : "", endpoint, *words ? " (" : "",
                    words, *words ? ")" : "");
    return fail(GLASS_SYSTEM, "%s/%s: the hub answers %ld%s%s", n->user, n->model,
                r->status, *words ? ": " : "", words);
}

static glass_status list_url(struct buf *url, const char *endpoint,
                             const struct hub_name *n, bool siblings) {
    buf_clear(url);
    TRY(buf_printf(url, "%s/api/models/%s/%s/%s/", endpoint, n->user, n->model,
                   siblings ? "revision" : "tree"));
    /* A revision is one part of the path, whatever is in it. */
    for (const char *p = n->revision[0] ? n->revision : "main"; *p; p++) {
        char one[2] = {*p, '\0'};
        TRY(*p == '/' ? buf_text(url, "%2F") : http_escape(url, one));
    }
    return buf_text(url, siblings ? "?blobs=true" : "?recursive=true");
}

static glass_status list_pages(struct hub_listing *out, struct http *http,
                               const char *endpoint, const char *token,
                               const struct hub_name *name, struct buf *url,
                               struct buf *text, struct http_reply *reply) {
    bool siblings = false;
    TRY(list_url(url, endpoint, name, false));
    for (int page = 0; page < MAX_PAGES; page++) {
        http_reply_clear(reply);
        TRY(http_get_text(http, text, url->data, token, PAGE_LIMIT, reply));
        if (reply->status == 404 && !siblings && page == 0) {
            siblings = true;
            TRY(list_url(url, endpoint, name, true));
            continue;
        }
        if (reply->status != 200) return refused(reply, endpoint, token, name);
        TRY(parse_page(out, text, url->data));
        if (reply->next == NULL) return GLASS_OK;
        if (!http_same_origin(reply->next, endpoint))
            return fail(GLASS_BAD_INPUT, "%s: the list goes on at another host (%.100s)",
                        endpoint, reply->next);
        buf_clear(url);
        TRY(buf_text(url, reply->next));
    }
    return fail(GLASS_BAD_INPUT, "%s/%s: the hub's list has no end", name->user,
                name->model);
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const struct hub_file *)a)->path, ((const struct hub_file *)b)->path);
}

glass_status hub_list(struct hub_listing *out, struct http *http, const char *endpoint,
                      const char *token, const struct hub_name *name) {
    struct buf url = {0}, text = {0};
    struct http_reply reply = {0};
    *out = (struct hub_listing){0};
    glass_status status = list_pages(out, http, endpoint, token, name, &url, &text, &reply);
    http_reply_clear(&reply);
    buf_free(&url);
    buf_free(&text);
    if (status != GLASS_OK)
        hub_listing_clear(out);
    else if (out->n > 0)
        qsort(out->files, (size_t)out->n, sizeof *out->files, by_path);
    return status;
}

bool hub_is_part(const char *path, size_t *stem, int *part, int *n_parts) {
    size_t n = strlen(path);
    const char *p = path + n - 20; /* -00001-of-00003.gguf */
    if (n < 21 || strcasecmp(path + n - 5, ".gguf") != 0 || p[0] != '-' ||
        strspn(p + 1, "0123456789") != 5 || strncmp(p + 6, "-of-", 4) != 0 ||
        strspn(p + 10, "0123456789") != 5)
        return false;
    *stem = (size_t)(p - path);
    *part = (int)strtol(p + 1, NULL, 10);
    *n_parts = (int)strtol(p + 10, NULL, 10);
    return *part >= 1 && *part <= *n_parts;
}

/* What may be run: GGUF, no vision projector or importance matrix, the first part of split
 * ones. */
static bool is_model(const char *path) {
    size_t n = strlen(path), stem;
    int part, n_parts;
    if (n < 6 || strcasecmp(path + n - 5, ".gguf") != 0) return false;
    if (strcasestr(path, "mmproj") != NULL || strcasestr(path, "imatrix") != NULL)
        return false;
    return !hub_is_part(path, &stem, &part, &n_parts) || part == 1;
}

bool hub_has_tag(const char *path, const char *tag) {
    size_t n = strlen(tag);
    for (const char *p = path; n > 0 && (p = strcasestr(p, tag)) != NULL; p++) {
        bool begins = p == path || (!isalnum((unsigned char)p[-1]) && p[-1] != '_');
        bool ends = !isalnum((unsigned char)p[n]) && p[n] != '_';
        if (begins && ends) return true;
    }
    return false;
}

/* "WHAT. Its GGUF files: A, B, C" */
static glass_status offer(const struct hub_listing *l, const char *what, bool all) {
    struct buf b = {0};
    int64_t left = 0;
    glass_status status = GLASS_OK;
    for (int64_t i = 0; status == GLASS_OK && i < l->n; i++) {
        if (!all && !is_model(l->files[i].path)) continue;
        if (b.len > 1200)
            left++;
        else
            status = buf_printf(&b, "%s%s", b.len ? ", " : "", l->files[i].path);
    }
    if (status == GLASS_OK && left > 0)
        status = buf_printf(&b, " and %lld more", (long long)left);
    if (status == GLASS_OK)
        status = fail(GLASS_BAD_INPUT, "%s. There %s: %s", what, all ? "is" : "are",
                      b.len ? b.data : "none");
    buf_free(&b);
    return status;
}

static int64_t find_path(const struct hub_listing *l, const char *path) {
    for (int64_t i = 0; i < l->n; i++)
        if (strcmp(l->files[i].path, path) == 0) return i;
    return -1;
}

/* The only model file with the tag; -1 none, -2 several. */
static int64_t find_tag(const struct hub_listing *l, const char *tag) {
    int64_t found = -1;
    for (int64_t i = 0; i < l->n; i++) {
        if (!is_model(l->files[i].path) || !hub_has_tag(l->files[i].path, tag)) continue;
        if (found >= 0) return -2;
        found = i;
    }
    return found;
}

static glass_status find_first(int64_t *first, const struct hub_listing *l,
                               const struct hub_name *name) {
    /* Small, good, and what other programs take: in this order. */
    static const char *const usual[] = {"Q4_K_M", "Q4_K_S", "Q4_0",   "IQ4_NL", "IQ4_XS",
                                        "Q5_K_M", "Q5_K_S", "Q8_0",   "Q6_K",   "F16",
                                        "BF16",   "F32",    "Q3_K_M", "Q2_K"};
    char what[400];
    int64_t i = -1, n_models = 0, only = -1;
    for (int64_t k = 0; k < l->n; k++)
        if (is_model(l->files[k].path)) n_models++, only = k;
    if (n_models == 0 && name->file[0] == '\0') {
        snprintf(what, sizeof what, "%s/%s has no GGUF file", name->user, name->model);
        return offer(l, what, true);
    }
    if (name->file[0]) {
        i = find_path(l, name->file);
        snprintf(what, sizeof what, "%s/%s has no file \"%.200s\"", name->user, name->model,
                 name->file);
        if (i >= 0 && !is_model(name->file)) {
            size_t stem;
            int part, n_parts;
            if (hub_is_part(name->file, &stem, &part, &n_parts))
                return *first = i, GLASS_OK;
            return fail(GLASS_USAGE, "%s: pull gets GGUF files of language models",
                        name->file);
        }
    } else if (name->tag[0]) {
        i = find_tag(l, name->tag);
        snprintf(what, sizeof what, "%s/%s has %s file for \"%.100s\"", name->user,
                 name->model, i == -2 ? "more than one" : "no", name->tag);
    } else {
        i = n_models == 1 ? only : -1;
        for (int k = 0; i == -1 && k < (int)(sizeof usual / sizeof *usual); k++)
            i = find_tag(l, usual[k]);
        snprintf(what, sizeof what, "%s/%s: say which file, as %s/%s:TAG or with its name",
                 name->user, name->model, name->user, name->model);
    }
    if (i < 0) return offer(l, what, false);
    *first = i;
    return GLASS_OK;
}

glass_status hub_choose(int64_t **chosen, int64_t *n, const struct hub_listing *l,
                        const struct hub_name *name) {
    int64_t first;
    size_t stem;
    int part, n_parts = 1;
    *chosen = NULL;
    *n = 0;
    TRY(find_first(&first, l, name));
    const char *path = l->files[first].path;
    bool split = hub_is_part(path, &stem, &part, &n_parts);
    if (!split) n_parts = 1;
    int64_t *list;
    TRY(mem_alloc(&list, (size_t)n_parts, sizeof *list));
    for (int k = 0; k < n_parts; k++) {
        struct buf b = {0};
        list[k] = first;
        if (!split) break;
        glass_status status = buf_printf(&b, "%.*s-%05d-of-%05d%s", (int)stem, path, k + 1,
                                         n_parts, path + strlen(path) - 5);
        list[k] = status == GLASS_OK ? find_path(l, b.data) : -1;
        if (status == GLASS_OK && list[k] < 0)
            status = fail(GLASS_BAD_INPUT,
                          "%s: the model is in %d parts, and this one is "
                          "missing on the hub",
                          b.data, n_parts);
        buf_free(&b);
        if (status != GLASS_OK) {
            mem_free(list);
            return status;
        }
    }
    *chosen = list;
    *n = n_parts;
    return GLASS_OK;
}
