/* record.c - see record.h. */
#include "data/record.h"

#include "base/hash.h"

static glass_status put_hash(struct buf *out, const char *key, const uint8_t hash[32]) {
    char hex[65];
    sha256_hex(hex, hash);
    return buf_printf(out, ",\"%s\":\"%s\"", key, hex);
}

static glass_status put_text(struct buf *out, const char *key, const char *text, size_t n) {
    TRY(buf_printf(out, ",\"%s\":", key));
    return buf_json_string(out, text, n);
}

static glass_status put_evidence(struct buf *out, const struct evidence *e) {
    TRY(buf_printf(out, "{\"kind\":\"%s\"", e->kind));
    if (e->file[0] != '\0') {
        TRY(put_text(out, "file", e->file, strlen(e->file)));
        TRY(put_hash(out, "sha256", e->sha256));
        TRY(buf_printf(out, ",\"offset\":%lld,\"bytes\":%lld", (long long)e->offset,
                       (long long)e->n_bytes));
    }
    TRY(put_text(out, "says", e->says, strlen(e->says)));
    TRY(put_text(out, "quote", e->quote, e->n_quote));
    return buf_byte(out, '}');
}

glass_status record_json(struct buf *out, const struct record *r) {
    TRY(buf_text(out, "{\"source\":"));
    TRY(buf_json_string(out, r->source, strlen(r->source)));
    TRY(put_text(out, "path", r->path, strlen(r->path)));
    if (r->part >= 0) TRY(buf_printf(out, ",\"part\":%lld", (long long)r->part));
    TRY(put_hash(out, "retrieved", r->retrieved));
    TRY(put_hash(out, "raw", r->raw));
    TRY(put_hash(out, "content", r->content));
    TRY(buf_printf(out, ",\"bytes\":%lld,\"kind\":\"%s\"", (long long)r->n_bytes, r->kind));
    if (r->encoding) TRY(put_text(out, "encoding", r->encoding, strlen(r->encoding)));
    if (r->title) TRY(put_text(out, "title", r->title, strlen(r->title)));
    if (r->url) TRY(put_text(out, "url", r->url, strlen(r->url)));
    const char *licence = r->licence[0] ? r->licence : "unknown";
    TRY(put_text(out, "licence", licence, strlen(licence)));
    if (r->contradictory) TRY(buf_text(out, ",\"contradictory\":true"));
    TRY(buf_text(out, ",\"evidence\":["));
    for (int i = 0; i < r->n_evidence; i++) {
        if (i > 0) TRY(buf_byte(out, ','));
        TRY(put_evidence(out, &r->evidence[i]));
    }
    TRY(buf_byte(out, ']'));
    if (r->author) TRY(put_text(out, "author", r->author, strlen(r->author)));
    if (r->made_by) TRY(put_text(out, "made_by", r->made_by, strlen(r->made_by)));
    return buf_byte(out, '}');
}
