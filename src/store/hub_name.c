/* hub_name.c - what a name on the command line means, and who one is to the hub. */
#include "store/hub.h"

#include "base/path.h"
#include "base/utf8.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#define DEFAULT_ENDPOINT "https://huggingface.co"

enum { PATH_LIMIT = 1000, PART_LIMIT = 200, TOKEN_LIMIT = 4096 };

void hub_name_clear(struct hub_name *n) {
    mem_free(n->url);
    mem_free(n->user);
    mem_free(n->model);
    mem_free(n->revision);
    mem_free(n->file);
    mem_free(n->tag);
    *n = (struct hub_name){0};
}

bool hub_path_is_safe(const char *path) {
    size_t n = strlen(path), part = 0;
    if (n == 0 || n > PATH_LIMIT || path[0] == '/') return false;
    for (size_t at = 0; at < n;) {
        uint32_t c;
        if (part == 0 && (path[at] == '.' || path[at] == '-' || path[at] == '~'))
            return false;
        at += utf8_decode(&c, path + at, n - at);
        if (c == UTF8_BAD || c < 0x20 || (c >= 0x7f && c < 0xa0) || c == '\\') return false;
        part = c == '/' ? 0 : part + 1;
        if (part > PART_LIMIT || (c == '/' && (at == n || path[at] == '/'))) return false;
    }
    return true;
}

static glass_status take(char **out, const char *text, size_t n) {
    mem_free(*out);
    return mem_copy_text(out, text, n);
}

static int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* %41 becomes A, in place; %00 stays, and is no path then. */
static void unescape(char *text) {
    char *to = text;
    for (const char *p = text; *p; p++) {
        int value = p[0] == '%' && hex(p[1]) >= 0 && hex(p[2]) >= 0
                        ? hex(p[1]) * 16 + hex(p[2])
                        : 0;
        *to++ = value ? (char)value : *p;
        if (value) p += 2;
    }
    *to = '\0';
}

static glass_status bad_name(const char *text) {
    return fail(GLASS_USAGE,
                "\"%.200s\" names no model. A name is user/model, "
                "user/model:Q4_K_M, user/model/file.gguf, or an http(s) address "
                "of a GGUF file",
                text);
}

static bool plain_name(const char *text) {
    size_t n = strlen(text);
    return n > 0 && n <= 96 && text[0] != '.' && text[0] != '-' &&
           strspn(text,
                  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == n;
}

/* user/model[:tag], user/model/FILE, user/model/{blob,resolve,raw}/REVISION/FILE,
 * user/model/tree/REVISION. `page`: it came as an address, so that these words count. */
static glass_status parse_path(struct hub_name *o, char *path, bool page,
                               const char *text) {
    char *slash = strchr(path, '/');
    if (slash == NULL) return bad_name(text);
    TRY(take(&o->user, path, (size_t)(slash - path)));
    char *model = slash + 1, *rest = strchr(model, '/');
    if (rest != NULL && rest[1] == '\0') rest[0] = '\0', rest = NULL;
    if (rest != NULL) *rest++ = '\0';
    char *colon = strchr(model, ':');
    if (colon != NULL) {
        *colon++ = '\0';
        if (rest != NULL || *colon == '\0') return bad_name(text);
        TRY(take(&o->tag, colon, strlen(colon)));
    }
    TRY(take(&o->model, model, strlen(model)));
    if (!plain_name(o->user) || !plain_name(o->model)) return bad_name(text);
    static const char *const words[] = {"blob/", "resolve/", "raw/", "tree/"};
    for (int i = 0; page && rest != NULL && i < 4; i++) {
        if (strncmp(rest, words[i], strlen(words[i])) != 0) continue;
        char *revision = rest + strlen(words[i]);
        rest = strchr(revision, '/');
        if (rest != NULL) *rest++ = '\0';
        unescape(revision);
        TRY(take(&o->revision, revision, strlen(revision)));
        if (o->revision[0] == '\0' || (i < 3 && rest == NULL)) return bad_name(text);
        if (i == 3) rest = NULL; /* a folder's page means the model */
        break;
    }
    if (rest == NULL) return GLASS_OK;
    if (page) unescape(rest);
    if (!hub_path_is_safe(rest))
        return fail(GLASS_USAGE, "\"%.200s\": that is no file name of a model", text);
    return take(&o->file, rest, strlen(rest));
}

/* The path of an address on a hub; NULL if it is elsewhere. */
static const char *hub_part(const char *text, const char *endpoint, bool *page) {
    static const char *const hosts[] = {"hf.co/", "huggingface.co/", "www.huggingface.co/"};
    size_t n = strlen(endpoint);
    *page = true;
    if (strncasecmp(text, endpoint, n) == 0 && text[n] == '/') return text + n + 1;
    bool secure = strncasecmp(text, "https://", 8) == 0;
    const char *rest = secure ? text + 8 : text;
    for (int i = 0; i < 3; i++)
        if (strncasecmp(rest, hosts[i], strlen(hosts[i])) == 0)
            return rest + strlen(hosts[i]);
    *page = false;
    if (strncasecmp(text, "hf://", 5) == 0) return text + 5;
    return strstr(text, "://") == NULL ? text : NULL;
}

static glass_status parse(struct hub_name *o, const char *text, const char *endpoint) {
    char **const all[] = {&o->url, &o->user, &o->model, &o->revision, &o->file, &o->tag};
    for (int i = 0; i < 6; i++) TRY(mem_copy_text(all[i], "", 0));
    bool page;
    const char *path = hub_part(text, endpoint, &page);
    if (path == NULL) {
        char *host;
        TRY(http_host(&host, text));
        mem_free(host);
        return take(&o->url, text, strlen(text));
    }
    char *copy;
    TRY(mem_copy_text(&copy, path, page ? strcspn(path, "?#") : strlen(path)));
    glass_status status = parse_path(o, copy, page, text);
    mem_free(copy);
    return status;
}

glass_status hub_name_parse(struct hub_name *out, const char *text, const char *endpoint) {
    *out = (struct hub_name){0};
    glass_status status = parse(out, text, endpoint);
    if (status != GLASS_OK) hub_name_clear(out);
    return status;
}

glass_status hub_endpoint(char **out) {
    const char *value = getenv("HF_ENDPOINT");
    if (value == NULL || value[0] == '\0') value = DEFAULT_ENDPOINT;
    size_t n = strlen(value);
    while (n > 0 && value[n - 1] == '/') n--;
    char *host;
    *out = NULL;
    glass_status status = http_host(&host, value);
    if (status != GLASS_OK) return fail_within(status, "HF_ENDPOINT");
    mem_free(host);
    return mem_copy_text(out, value, n);
}

/* The path of the token file, as the hub's own programs look for it. */
static glass_status token_path(struct buf *path) {
    const char *value;
    if ((value = getenv("HF_TOKEN_PATH")) != NULL && *value) return buf_text(path, value);
    if ((value = getenv("HF_HOME")) != NULL && *value)
        return buf_printf(path, "%s/token", value);
    if ((value = getenv("XDG_CACHE_HOME")) != NULL && *value == '/')
        return buf_printf(path, "%s/huggingface/token", value);
    if ((value = getenv("HOME")) == NULL) return GLASS_OK;
    return buf_printf(path, "%s/.cache/huggingface/token", value);
}

static glass_status read_token(struct buf *token) {
    const char *value = getenv("HF_TOKEN");
    if (value == NULL || *value == '\0') value = getenv("HUGGING_FACE_HUB_TOKEN");
    if (value != NULL && *value) return buf_text(token, value);
    struct buf path = {0};
    glass_status status = token_path(&path);
    if (status == GLASS_OK && path.len > 0) {
        status = path_read_whole(token, path.data, TOKEN_LIMIT);
        if (status == GLASS_SYSTEM) status = GLASS_OK; /* there need not be one */
    }
    buf_free(&path);
    return status;
}

glass_status hub_token(char **out, const char *endpoint) {
    struct buf token = {0};
    *out = NULL;
    glass_status status = read_token(&token);
    const char *from = token.data;
    size_t n = token.len;
    while (n > 0 && isspace((unsigned char)*from)) from++, n--;
    while (n > 0 && isspace((unsigned char)from[n - 1])) n--;
    for (size_t i = 0; status == GLASS_OK && i < n; i++)
        if (from[i] <= ' ' || from[i] > '~')
            status = fail(GLASS_BAD_INPUT, "the hub token (HF_TOKEN or the token file) has "
                                           "characters that no token has");
    if (status == GLASS_OK && n > 0 && http_is_private(endpoint))
        status = mem_copy_text(out, from, n);
    buf_free(&token);
    return status;
}
