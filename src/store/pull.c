/* pull.c - a name becomes files of a server, and those become files of the store. */
#include "store/pull.h"

#include "base/path.h"
#include "store/fetch.h"
#include "store/hub.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct pull {
    const struct pull_options *options;
    char *endpoint, *token;
    struct hub_name name;
    struct http *http;
    struct hub_listing listing;
    int64_t *chosen, n_chosen;
    struct buf folder;          /* where the files go */
    struct buf *urls, *targets; /* (n_chosen) */
    struct fetch *fetches;      /* (n_chosen) */
    int lock;
};

static glass_status note(const struct pull *p, const char *text) {
    struct pull_event e = {
        .kind = PULL_NOTE, .file = "", .part = 1, .n_parts = 1, .text = text};
    if (p->options->event == NULL || p->options->event(p->options->context, &e))
        return GLASS_OK;
    return fail(GLASS_CANCELLED, "stopped");
}

static glass_status make_room_for(struct pull *p, int64_t n) {
    p->n_chosen = n;
    TRY(mem_alloc_zero(&p->urls, (size_t)n, sizeof *p->urls));
    TRY(mem_alloc_zero(&p->targets, (size_t)n, sizeof *p->targets));
    return mem_alloc_zero(&p->fetches, (size_t)n, sizeof *p->fetches);
}

static glass_status set_digest(struct fetch *f, const char *sha256) {
    if (sha256 == NULL) return GLASS_OK;
    if (strlen(sha256) != 64 || strspn(sha256, "0123456789abcdefABCDEF") != 64)
        return fail(GLASS_USAGE, "--sha256 wants 64 hexadecimal digits");
    for (int i = 0; i < 64; i++) f->sha256[i] = (char)tolower((unsigned char)sha256[i]);
    return GLASS_OK;
}

/* user/model/FILE below models/, as it is called on the hub. */
static glass_status plan_hub(struct pull *p) {
    struct hub_name *n = &p->name;
    if (p->options->revision != NULL && p->options->revision[0]) {
        mem_free(n->revision);
        TRY(mem_copy_text(&n->revision, p->options->revision,
                          strlen(p->options->revision)));
    }
    if (p->options->name != NULL)
        return fail(GLASS_USAGE, "--name is for addresses; a hub's files keep their names");
    int64_t n_chosen;
    TRY(hub_list(&p->listing, p->http, p->endpoint, p->token, n));
    TRY(hub_choose(&p->chosen, &n_chosen, &p->listing, n));
    if (p->options->sha256 != NULL && n_chosen > 1)
        return fail(GLASS_USAGE, "--sha256 is for one file, and the model has %lld",
                    (long long)n_chosen);
    TRY(make_room_for(p, n_chosen));
    TRY(buf_printf(&p->folder, "/%s/%s", n->user, n->model));
    for (int64_t i = 0; i < n_chosen; i++) {
        const struct hub_file *file = &p->listing.files[p->chosen[i]];
        struct fetch *f = &p->fetches[i];
        TRY(buf_printf(&p->urls[i], "%s/%s/%s/resolve/", p->endpoint, n->user, n->model));
        TRY(http_escape(&p->urls[i], n->revision[0] ? n->revision : "main"));
        TRY(buf_byte(&p->urls[i], '/'));
        TRY(http_escape(&p->urls[i], file->path));
        TRY(buf_printf(&p->targets[i], "%s/%s", p->folder.data, file->path));
        *f = (struct fetch){.file = file->path,
                            .n_bytes = file->n_bytes,
                            .token = p->token,
                            .revision = n->revision[0] ? n->revision : "main",
                            .hub = true};
        memcpy(f->sha256, file->sha256, sizeof f->sha256);
        TRY(set_digest(f, p->options->sha256));
    }
    return GLASS_OK;
}

/* The file's name in an address: its last part without query. */
static glass_status name_of(struct buf *out, const struct pull *p) {
    const char *name = p->options->name, *url = p->name.url;
    const char *path = strstr(url, "://") + 3, *end = path + strcspn(path, "?#");
    const char *slash = memrchr(path, '/', (size_t)(end - path));
    if (name != NULL)
        TRY(buf_text(out, name));
    else if (slash != NULL)
        TRY(buf_append(out, slash + 1, (size_t)(end - slash - 1)));
    if (name != NULL && out->len > 0 &&
        (out->len < 6 || strcasecmp(out->data + out->len - 5, ".gguf") != 0))
        TRY(buf_text(out, ".gguf"));
    if (out->len < 6 || strcasecmp(out->data + out->len - 5, ".gguf") != 0 ||
        strchr(out->data, '/') != NULL || strchr(out->data, '%') != NULL ||
        !hub_path_is_safe(out->data))
        return fail(GLASS_USAGE, "%.200s: %s; --name NAME.gguf gives it one", url,
                    name ? "that is no file name"
                         : "the address has no name of a GGUF file");
    return GLASS_OK;
}

/* HOST/FILE below models/. */
static glass_status plan_url(struct pull *p) {
    char *host;
    struct buf name = {0};
    size_t stem;
    int part, n_parts;
    TRY(make_room_for(p, 1));
    TRY(http_host(&host, p->name.url));
    for (char *c = host; *c; c++)
        if (!isalnum((unsigned char)*c) && strchr(".-", *c) == NULL) *c = '_';
    glass_status status = buf_printf(&p->folder, "/%s", host[0] == '.' ? "_" : host);
    mem_free(host);
    if (status == GLASS_OK) status = name_of(&name, p);
    if (status == GLASS_OK && hub_is_part(name.data, &stem, &part, &n_parts) && n_parts > 1)
        status =
            note(p, "this is one part of a split model; the others are wanted beside it");
    if (status == GLASS_OK)
        status = buf_printf(&p->targets[0], "%s/%s", p->folder.data, name.data);
    if (status == GLASS_OK) status = buf_text(&p->urls[0], p->name.url);
    p->fetches[0] =
        (struct fetch){.file = p->name.url, .n_bytes = -1, .revision = "", .hub = false};
    buf_free(&name);
    TRY(status);
    return set_digest(&p->fetches[0], p->options->sha256);
}

/* One pull at a time in a folder. The file stays: removing it would let two hold "it". */
static glass_status take_lock(struct pull *p) {
    struct buf path = {0};
    glass_status status = path_make_private(p->folder.data);
    if (status == GLASS_OK) status = buf_printf(&path, "%s/.pull.lock", p->folder.data);
    if (status == GLASS_OK) {
        p->lock = open(path.data, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (p->lock < 0) status = fail_errno("%s: cannot create", path.data);
    }
    for (bool said = false; status == GLASS_OK; said = true) {
        if (flock(p->lock, LOCK_EX | LOCK_NB) == 0) break;
        if (errno != EWOULDBLOCK && errno != EINTR)
            status = fail_errno("%s: cannot lock", path.data);
        else if (!said)
            status = note(p, "another glass pull is getting this model; waiting for it");
        else {
            struct pull_event e = {.kind = PULL_PROGRESS, .file = "", .total = -1};
            usleep(100000);
            if (p->options->event != NULL && !p->options->event(p->options->context, &e))
                status = fail(GLASS_CANCELLED, "stopped");
        }
    }
    buf_free(&path);
    return status;
}

static glass_status check_space(const struct pull *p) {
    struct statvfs fs;
    uint64_t wanted = 0;
    for (int64_t i = 0; i < p->n_chosen; i++) {
        int64_t have = fetch_have(&p->fetches[i]), n = p->fetches[i].n_bytes;
        if (n > have) wanted += (uint64_t)(n - have);
    }
    if (statvfs(p->folder.data, &fs) != 0) return GLASS_OK; /* writing will tell */
    uint64_t free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (wanted <= free_bytes) return GLASS_OK;
    return fail(GLASS_SYSTEM,
                "%s: %llu bytes are wanted and %llu are free there; make room, or "
                "set GLASS_HOME to a folder elsewhere",
                p->folder.data, (unsigned long long)wanted, (unsigned long long)free_bytes);
}

/* The folders between the model's own and a file's. */
static glass_status make_parent(const char *target) {
    char *copy;
    TRY(mem_copy_text(&copy, target, strlen(target)));
    *strrchr(copy, '/') = '\0';
    glass_status status = path_make_private(copy);
    mem_free(copy);
    return status;
}

static glass_status run(struct pull *p, const char *name) {
    TRY(hub_endpoint(&p->endpoint));
    TRY(hub_name_parse(&p->name, name, p->endpoint));
    TRY(hub_token(&p->token, p->endpoint));
    TRY(http_create(&p->http));
    TRY(path_data(&p->folder));
    TRY(buf_text(&p->folder, "/models"));
    TRY(p->name.url[0] ? plan_url(p) : plan_hub(p));
    for (int64_t i = 0; i < p->n_chosen; i++) {
        struct fetch *f = &p->fetches[i];
        f->options = p->options;
        f->http = p->http;
        f->url = p->urls[i].data;
        f->target = p->targets[i].data;
        f->part = (int)i + 1;
        f->n_parts = (int)p->n_chosen;
    }
    TRY(take_lock(p));
    TRY(check_space(p));
    for (int64_t i = 0; i < p->n_chosen; i++) {
        TRY(make_parent(p->fetches[i].target));
        TRY(fetch_file(&p->fetches[i]));
    }
    return GLASS_OK;
}

glass_status store_pull(char **path, const char *name, const struct pull_options *options) {
    static const struct pull_options none;
    struct pull p = {.options = options ? options : &none, .lock = -1};
    *path = NULL;
    glass_status status = run(&p, name);
    if (status == GLASS_OK) status = buf_take(&p.targets[0], path, NULL);
    if (p.lock >= 0) close(p.lock);
    for (int64_t i = 0; i < p.n_chosen; i++) {
        if (p.urls != NULL) buf_free(&p.urls[i]);
        if (p.targets != NULL) buf_free(&p.targets[i]);
    }
    mem_free(p.urls);
    mem_free(p.targets);
    mem_free(p.fetches);
    mem_free(p.chosen);
    buf_free(&p.folder);
    hub_listing_clear(&p.listing);
    hub_name_clear(&p.name);
    http_free(p.http);
    mem_free(p.token);
    mem_free(p.endpoint);
    return status;
}
