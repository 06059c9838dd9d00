/* fetch.c - one file: part file, resume, checks, rename.
 *
 * FILE.part is what came so far; FILE.part.of says of what: the file's SHA-256, or the
 * address and the server's ETag or date, which goes out as If-Range. A part of anything
 * else is thrown away. */
#include "store/fetch.h"

#include "base/hash.h"
#include "base/path.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TRIES_IN_VAIN = 4, LONGEST_WAIT_S = 60 };

struct transfer {
    struct fetch *f;
    struct buf part, of, origin; /* paths */
    struct buf identity;         /* what of holds, or shall hold */
    int fd;
    int64_t at, resumed_at;
    struct sha256 *hash;
    struct http_reply reply;
    bool restarted, any; /* the server ignored the range; something came this time */
};

static glass_status event(const struct fetch *f, struct pull_event e) {
    e.file = f->file;
    e.part = f->part;
    e.n_parts = f->n_parts;
    if (f->options->event == NULL || f->options->event(f->options->context, &e))
        return GLASS_OK;
    return fail(GLASS_CANCELLED, "stopped; the same command goes on from here");
}

static glass_status note(const struct fetch *f, const char *text) {
    return event(f, (struct pull_event){.kind = PULL_NOTE, .text = text});
}

static int64_t size_of(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) ? st.st_size : -1;
}

int64_t fetch_have(const struct fetch *f) {
    int64_t n = size_of(f->target);
    if (n >= 0 && n == f->n_bytes) return n;
    struct buf part = {0};
    n = buf_printf(&part, "%s.part", f->target) == GLASS_OK ? size_of(part.data) : 0;
    buf_free(&part);
    return n > 0 ? n : 0;
}

static glass_status write_failed(const struct transfer *t) {
    if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
        return fail(GLASS_SYSTEM,
                    "%s: no space for more than these %lld bytes (%s); make room, "
                    "and the same command goes on from here",
                    t->part.data, (long long)t->at, strerror(errno));
    return fail_errno("%s: cannot write", t->part.data);
}

static glass_status on_body(void *context, const void *bytes, size_t n_bytes) {
    struct transfer *t = context;
    int64_t total = t->f->n_bytes;
    const char *from = bytes;
    if (total >= 0 && (int64_t)n_bytes > total - t->at)
        return fail(GLASS_BAD_INPUT,
                    "%s: the server sends more than the %lld bytes that the "
                    "file has",
                    t->f->file, (long long)total);
    TRY(sha256_update(t->hash, bytes, n_bytes));
    while (n_bytes > 0) {
        ssize_t n = write(t->fd, from, n_bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return write_failed(t);
        from += n;
        n_bytes -= (size_t)n;
        t->at += n;
        t->any = true;
    }
    return GLASS_OK;
}

/* Nothing of the file is here, and its hash begins anew. */
static glass_status start_over(struct transfer *t) {
    t->at = t->resumed_at = 0;
    sha256_free(t->hash);
    t->hash = NULL;
    if (ftruncate(t->fd, 0) != 0 || lseek(t->fd, 0, SEEK_SET) != 0)
        return fail_errno("%s: cannot empty", t->part.data);
    return sha256_create(&t->hash);
}

/* "sha256 HEX", or "URL\nVALIDATOR" with a strong ETag or a date; "" if nothing tells one
 * version of the file from another. */
static glass_status identify(struct transfer *t, const char *etag, const char *modified) {
    const char *validator = etag != NULL && etag[0] == '"' ? etag : modified;
    buf_clear(&t->identity);
    if (t->f->sha256[0]) return buf_printf(&t->identity, "sha256 %s", t->f->sha256);
    if (validator == NULL) return GLASS_OK;
    return buf_printf(&t->identity, "%s\n%s", t->f->url, validator);
}

static bool is_hex256(const char *text, size_t n) {
    return n == 64 && strspn(text, "0123456789abcdefABCDEF") >= 64;
}

/* The hub says the digest with the file if its list did not. */
static void take_digest(struct transfer *t) {
    const char *tag = t->reply.linked_etag;
    if (!t->f->hub || t->f->sha256[0] || tag == NULL) return;
    if (tag[0] == '"') tag++;
    if (!is_hex256(tag, strcspn(tag, "\""))) return;
    for (int i = 0; i < 64; i++) t->f->sha256[i] = (char)tolower((unsigned char)tag[i]);
}

static glass_status on_begin(void *context, int64_t from) {
    struct transfer *t = context;
    struct fetch *f = t->f;
    if (from != t->at) {
        t->restarted = true;
        TRY(note(f, "the server begins anew: it cannot resume, or the file has changed"));
        TRY(start_over(t));
    }
    take_digest(t);
    int64_t total =
        from > 0 ? t->reply.range_total : (t->reply.n_body >= 0 ? t->reply.n_body : -1);
    if (f->n_bytes >= 0 && total >= 0 && total != f->n_bytes)
        return fail(GLASS_BAD_INPUT, "%s: the server has %lld bytes, its list said %lld",
                    f->file, (long long)total, (long long)f->n_bytes);
    if (f->n_bytes < 0) f->n_bytes = total;
    if (from == 0 || f->sha256[0]) {
        TRY(identify(t, t->reply.etag, t->reply.modified));
        unlink(t->of.data);
        if (t->identity.len > 0)
            TRY(path_write_whole(t->of.data, t->identity.data, t->identity.len));
    }
    return event(
        f, (struct pull_event){.kind = PULL_PROGRESS, .have = t->at, .total = f->n_bytes});
}

static bool on_poll(void *context) {
    struct transfer *t = context;
    return event(t->f, (struct pull_event){.kind = PULL_PROGRESS,
                                           .have = t->at,
                                           .total = t->f->n_bytes}) != GLASS_OK;
}

static glass_status hash_fd(struct sha256 *hash, int fd, const char *path,
                            int64_t *n_bytes) {
    char *block;
    glass_status status = GLASS_OK;
    ssize_t n;
    *n_bytes = 0;
    TRY(mem_alloc(&block, 1 << 20, 1));
    while (status == GLASS_OK && (n = read(fd, block, 1 << 20)) != 0) {
        if (n < 0 && errno == EINTR) continue;
        status = n < 0 ? fail_errno("%s: cannot read", path)
                       : sha256_update(hash, block, (size_t)n);
        if (n > 0) *n_bytes += n;
    }
    mem_free(block);
    return status;
}

/* Opens the part file; what is in it stays if it is of this very file. */
static glass_status open_part(struct transfer *t) {
    struct fetch *f = t->f;
    struct buf held = {0};
    t->fd = open(t->part.data, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (t->fd < 0) return fail_errno("%s: cannot create", t->part.data);
    TRY(sha256_create(&t->hash));
    TRY(identify(t, NULL, NULL));
    bool ours = path_read_whole(&held, t->of.data, 8192) == GLASS_OK && held.len > 0;
    size_t n_url = strlen(f->url);
    if (f->sha256[0]) {
        ours = ours && held.len == t->identity.len &&
               memcmp(held.data, t->identity.data, held.len) == 0;
    } else {
        ours = ours && held.len > n_url + 1 && memcmp(held.data, f->url, n_url) == 0 &&
               held.data[n_url] == '\n' && strchr(held.data + n_url + 1, '\n') == NULL;
        if (ours) TRY(buf_append(&t->identity, held.data, held.len));
    }
    buf_free(&held);
    glass_status status = GLASS_OK;
    if (ours) status = hash_fd(t->hash, t->fd, t->part.data, &t->at);
    if (status == GLASS_OK && (!ours || (f->n_bytes >= 0 && t->at > f->n_bytes)))
        status = start_over(t);
    if (!ours) unlink(t->of.data);
    t->resumed_at = t->at;
    return status;
}

static glass_status answered(struct transfer *t) {
    const struct http_reply *r = &t->reply;
    const char *words = r->message ? r->message : "";
    if (r->status == 401 || r->status == 403)
        return fail(GLASS_BAD_INPUT,
                    "%s: the server refuses (%ld%s%s); if the model wants its "
                    "terms accepted, do that on its page and set HF_TOKEN",
                    t->f->url, r->status, *words ? ", " : "", words);
    if (r->status == 404 || r->status == 410)
        return fail(GLASS_BAD_INPUT, "%s: there is no such file (%ld)", t->f->url,
                    r->status);
    return fail(r->transient ? GLASS_SYSTEM : GLASS_BAD_INPUT,
                "%s: the server answers %ld%s%s", t->f->url, r->status, *words ? ": " : "",
                words);
}

/* One request from where we are. Not GLASS_OK with reply.transient: worth another. */
static glass_status request(struct transfer *t) {
    const char *newline = t->identity.len > 0 ? strchr(t->identity.data, '\n') : NULL;
    struct http_request r = {.url = t->f->url,
                             .token = t->f->token,
                             .from = t->at,
                             .if_range = newline ? newline + 1 : NULL,
                             .begin = on_begin,
                             .body = on_body,
                             .cancelled = on_poll,
                             .context = t};
    t->any = false;
    http_reply_clear(&t->reply);
    TRY(http_get(t->f->http, &r, &t->reply));
    if (t->reply.status == 416 &&
        t->at > 0) { /* the part is no part of what is there now */
        t->reply.transient = true;
        TRY(start_over(t));
        return fail(GLASS_SYSTEM, "%s: the server has no bytes from there on", t->f->url);
    }
    if (t->reply.status != 200 && t->reply.status != 206) return answered(t);
    if (t->f->n_bytes >= 0 && t->at < t->f->n_bytes) {
        t->reply.transient = true;
        return fail(GLASS_SYSTEM, "%s: cut after %lld of %lld bytes", t->f->url,
                    (long long)t->at, (long long)t->f->n_bytes);
    }
    return GLASS_OK;
}

static glass_status wait_a_little(struct transfer *t, int vain) {
    struct buf text = {0};
    char why[600];
    int64_t seconds = vain > 0 ? 1 << (vain - 1) : 0;
    snprintf(why, sizeof why, "%s", glass_error());
    if (t->reply.retry_after_s > seconds) seconds = t->reply.retry_after_s;
    if (seconds > LONGEST_WAIT_S) seconds = LONGEST_WAIT_S;
    glass_status status = buf_printf(&text, "%s; trying again", why);
    if (status == GLASS_OK && seconds > 0)
        status = buf_printf(&text, " in %lld s", (long long)seconds);
    if (status == GLASS_OK) status = note(t->f, text.data);
    buf_free(&text);
    for (int64_t i = 0; status == GLASS_OK && i < seconds * 10; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        if (on_poll(t)) status = fail(GLASS_CANCELLED, "stopped");
    }
    return status;
}

/* Until all of it is here. Every try that brings something is followed by another at once.
 */
static glass_status transfer(struct transfer *t) {
    for (int vain = 0; t->f->n_bytes < 0 || t->at < t->f->n_bytes;) {
        glass_status status = request(t);
        if (status == GLASS_OK) break;
        if (!t->reply.transient) return status;
        vain = t->any ? 0 : vain + 1;
        if (vain == TRIES_IN_VAIN)
            return fail_within(status,
                               "%s: given up for now; the same command goes on from "
                               "byte %lld",
                               t->f->file, (long long)t->at);
        TRY(wait_a_little(t, vain));
    }
    return GLASS_OK;
}

/* The bytes are a GGUF file of the right length and hash. *again: they are not, but were
 * put together from several runs, so that a fresh start may do better. */
static glass_status check(struct transfer *t, bool *again) {
    struct fetch *f = t->f;
    uint8_t digest[32];
    char hex[65], magic[5] = {0};
    *again = false;
    struct sha256 *hash = t->hash;
    t->hash = NULL;
    TRY(sha256_finish(hash, digest));
    sha256_hex(hex, digest);
    if (f->sha256[0] && strcmp(hex, f->sha256) != 0) {
        *again = t->resumed_at > 0;
        unlink(t->part.data);
        unlink(t->of.data);
        return fail(GLASS_BAD_INPUT,
                    "%s: its SHA-256 is %s and should be %s: what came was not "
                    "the file, and was thrown away",
                    f->file, hex, f->sha256);
    }
    if (pread(t->fd, magic, 4, 0) != 4 || memcmp(magic, "GGUF", 4) != 0) {
        for (int i = 0; i < 4; i++)
            if (magic[i] != 0 && (magic[i] < ' ' || magic[i] > '~')) magic[i] = '?';
        unlink(t->part.data);
        unlink(t->of.data);
        return fail(GLASS_BAD_INPUT,
                    "%s: not a GGUF file (it begins with \"%s\"): is the "
                    "address that of the file itself?",
                    f->url, magic);
    }
    memcpy(f->sha256, hex, sizeof hex);
    return GLASS_OK;
}

static glass_status write_origin(const struct transfer *t, bool checked) {
    const struct fetch *f = t->f;
    struct buf b = {0};
    char *url = NULL, date[32];
    time_t now = time(NULL);
    struct tm utc;
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    glass_status status = http_without_secrets(&url, f->url);
    if (status == GLASS_OK) status = buf_text(&b, "{\"url\":");
    if (status == GLASS_OK) status = buf_json_string(&b, url, strlen(url));
    if (status == GLASS_OK && f->revision[0]) status = buf_text(&b, ",\"revision\":");
    if (status == GLASS_OK && f->revision[0])
        status = buf_json_string(&b, f->revision, strlen(f->revision));
    if (status == GLASS_OK)
        status = buf_printf(&b,
                            ",\"bytes\":%lld,\"sha256\":\"%s\",\"checked\":%s,"
                            "\"date\":\"%s\"}\n",
                            (long long)t->at, f->sha256, checked ? "true" : "false", date);
    if (status == GLASS_OK) status = path_write_whole(t->origin.data, b.data, b.len);
    mem_free(url);
    buf_free(&b);
    return status;
}

static glass_status put_in_place(struct transfer *t, bool checked) {
    if (fsync(t->fd) != 0) return write_failed(t);
    if (rename(t->part.data, t->f->target) != 0)
        return fail_errno("%s: cannot rename to %s", t->part.data, t->f->target);
    unlink(t->of.data);
    return write_origin(t, checked);
}

/* The target is there and is what the server has, as far as can be told. */
static glass_status is_there(struct transfer *t, bool *yes) {
    struct fetch *f = t->f;
    int64_t n = size_of(f->target), read_bytes;
    *yes = false;
    if (n < 0 || f->options->force || (f->n_bytes >= 0 && n != f->n_bytes)) return GLASS_OK;
    json_t *origin = json_load_file(t->origin.data, 0, NULL);
    const char *known = json_string_value(json_object_get(origin, "sha256"));
    int64_t size = json_integer_value(json_object_get(origin, "bytes"));
    glass_status status = GLASS_OK;
    if (f->sha256[0] == '\0' || (known != NULL && size == n && !strcmp(known, f->sha256))) {
        *yes = true;
        if (f->sha256[0] == '\0')
            status = note(f, "the file is here; the server was not asked whether it has "
                             "another by now (--force gets it again)");
    } else {
        uint8_t digest[32];
        char hex[65];
        struct sha256 *hash = NULL;
        int fd = open(f->target, O_RDONLY | O_CLOEXEC);
        status = fd < 0 ? fail_errno("%s: cannot open", f->target) : sha256_create(&hash);
        if (status == GLASS_OK) status = hash_fd(hash, fd, f->target, &read_bytes);
        if (status == GLASS_OK) {
            status = sha256_finish(hash, digest);
            hash = NULL;
            sha256_hex(hex, digest);
            *yes = status == GLASS_OK && strcmp(hex, f->sha256) == 0;
        }
        sha256_free(hash);
        if (fd >= 0) close(fd);
    }
    json_decref(origin);
    return status;
}

static void close_part(struct transfer *t) {
    if (t->fd >= 0) close(t->fd);
    t->fd = -1;
    sha256_free(t->hash);
    t->hash = NULL;
    http_reply_clear(&t->reply);
}

static glass_status get(struct transfer *t) {
    struct fetch *f = t->f;
    for (int round = 0;; round++) {
        bool again = false;
        TRY(open_part(t));
        glass_status status = event(
            f, (struct pull_event){.kind = PULL_FILE, .have = t->at, .total = f->n_bytes});
        if (status == GLASS_OK) status = transfer(t);
        bool known = f->sha256[0] != '\0';
        if (status == GLASS_OK) status = check(t, &again);
        if (status == GLASS_OK) status = put_in_place(t, known);
        close_part(t);
        if (status == GLASS_OK)
            return event(f, (struct pull_event){.kind = PULL_DONE,
                                                .have = t->at,
                                                .total = t->at,
                                                .path = f->target,
                                                .sha256 = known ? f->sha256 : ""});
        if (!again || round > 0) return status;
        TRY(note(f, "the parts did not add up to the file (SHA-256); starting anew"));
        t->at = t->resumed_at = 0;
    }
}

glass_status fetch_file(struct fetch *f) {
    struct transfer t = {.f = f, .fd = -1};
    bool there = false;
    glass_status status;
    TRY_FAIL(buf_printf(&t.part, "%s.part", f->target));
    TRY_FAIL(buf_printf(&t.of, "%s.part.of", f->target));
    TRY_FAIL(buf_printf(&t.origin, "%s.origin.json", f->target));
    TRY_FAIL(is_there(&t, &there));
    if (there)
        status = event(f, (struct pull_event){.kind = PULL_KEPT,
                                              .path = f->target,
                                              .have = size_of(f->target),
                                              .total = size_of(f->target),
                                              .sha256 = f->sha256});
    else
        status = get(&t);
fail:
    close_part(&t);
    buf_free(&t.part);
    buf_free(&t.of);
    buf_free(&t.origin);
    buf_free(&t.identity);
    return status;
}
