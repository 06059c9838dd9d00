/* wire.c - see wire.h. */
#include "serve/wire.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <sys/random.h>

const char *wire_finish(enum job_end end) {
    return end == JOB_LENGTH || end == JOB_CONTEXT ? "length" : "stop";
}

void wire_fingerprint(char out[24], const struct ask *a) {
    uint8_t digest[32];
    char text[600], hex[65];
    glass_model_info i;
    glass_model_get_info(a->model, &i);
    snprintf(text, sizeof text, "%s|%s|%.200s|%s|%lld|%zu|%.120s", glass_version(),
             glass_arithmetic(), i.name, i.family, (long long)i.n_params, i.weight_bytes,
             i.dtype_mix);
    if (sha256_bytes(digest, text, strlen(text)) != GLASS_OK) memset(digest, 0, 32);
    sha256_hex(hex, digest);
    snprintf(out, 24, "fp_%.12s", hex);
}

glass_status wire_id(struct buf *b, const char *prefix) {
    static const char letters[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    uint8_t random[24];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return fail_errno("no random number");
    TRY(buf_text(b, prefix));
    for (int i = 0; i < 24; i++) TRY(buf_byte(b, letters[random[i] % 62]));
    return GLASS_OK;
}

glass_status wire_usage(struct buf *b, int64_t n_prompt, int64_t n_cached,
                        int64_t n_answer) {
    return buf_printf(b,
                      "\"usage\":{\"prompt_tokens\":%lld,\"completion_tokens\":%lld,"
                      "\"total_tokens\":%lld,\"prompt_tokens_details\":{\"cached_tokens\":"
                      "%lld}}",
                      (long long)n_prompt, (long long)n_answer,
                      (long long)(n_prompt + n_answer), (long long)n_cached);
}

glass_status wire_string(struct buf *b, const char *text) {
    return buf_json_string(b, text, strlen(text));
}

glass_status wire_logprob(struct buf *b, double value) {
    return buf_printf(b, "%.9g", isfinite(value) ? value : -9999.0);
}

glass_status wire_token(struct buf *b, const struct ask *a, const struct job_logprob *p) {
    char *text;
    size_t n;
    TRY(ask_token_text(a, p->id, &text, &n));
    glass_status status = buf_text(b, "\"token\":");
    if (status == GLASS_OK) status = buf_json_string(b, text, n);
    if (status == GLASS_OK) status = buf_text(b, ",\"logprob\":");
    if (status == GLASS_OK) status = wire_logprob(b, (double)p->logprob);
    if (status == GLASS_OK) status = buf_text(b, ",\"bytes\":[");
    for (size_t i = 0; status == GLASS_OK && i < n; i++)
        status = buf_printf(b, "%s%d", i > 0 ? "," : "", (uint8_t)text[i]);
    glass_free(text);
    return status == GLASS_OK ? buf_printf(b, "],\"id\":%d", p->id) : status;
}

glass_status wire_logprobs_of(struct buf *b, const struct ask *a,
                              const struct ask_event *e) {
    TRY(buf_byte(b, '{'));
    TRY(wire_token(b, a, &e->token));
    TRY(buf_text(b, ",\"top_logprobs\":["));
    for (int64_t i = 0; i < e->n_top; i++) {
        TRY(buf_text(b, i > 0 ? ",{" : "{"));
        TRY(wire_token(b, a, &e->top[i]));
        TRY(buf_byte(b, '}'));
    }
    return buf_text(b, "]}");
}

glass_status marks_add(struct marks *m, size_t n_bytes, const size_t at[4]) {
    if (m->n == m->room) {
        int64_t room = 2 * m->room + 16;
        TRY(mem_resize(&m->list, (size_t)room, sizeof *m->list));
        m->room = room;
    }
    struct mark *mark = &m->list[m->n++];
    mark->raw = m->raw;
    memcpy(mark->at, at, sizeof mark->at);
    m->raw += n_bytes;
    return GLASS_OK;
}

const size_t *marks_cut(const struct marks *m, size_t n_told) {
    for (int64_t i = 0; i < m->n; i++)
        if (m->list[i].raw >= n_told) return m->list[i].at;
    return NULL;
}

void marks_free(struct marks *m) {
    mem_free(m->list);
    *m = (struct marks){0};
}

int64_t wire_characters(const char *text, size_t n) {
    int64_t count = 0;
    for (size_t at = 0; at < n; count++) {
        uint32_t c;
        at += utf8_decode(&c, text + at, n - at);
    }
    return count;
}

/* In one piece, so that it is one chunk on the wire. */
static glass_status write_event(struct exchange *x, const char *name, const char *json,
                                size_t n) {
    struct buf b = {0};
    glass_status status = GLASS_OK;
    if (name != NULL) status = buf_printf(&b, "event: %s\n", name);
    if (status == GLASS_OK) status = buf_text(&b, "data: ");
    if (status == GLASS_OK) status = buf_append(&b, json, n);
    if (status == GLASS_OK) status = buf_text(&b, "\n\n");
    if (status == GLASS_OK) status = reply_write(x, b.data, b.len);
    buf_free(&b);
    return status;
}

glass_status wire_event(struct exchange *x, const struct buf *json) {
    return write_event(x, NULL, json->data, json->len);
}

glass_status wire_named_event(struct exchange *x, const char *name,
                              const struct buf *json) {
    return write_event(x, name, json->data, json->len);
}

glass_status wire_stream_error(struct exchange *x, const char *message) {
    struct buf b = {0};
    glass_status status =
        buf_text(&b, "{\"error\":{\"type\":\"server_error\",\"message\":");
    if (status == GLASS_OK) status = wire_string(&b, message);
    if (status == GLASS_OK) status = buf_text(&b, ",\"param\":null,\"code\":null}}");
    if (status == GLASS_OK) status = wire_event(x, &b);
    buf_free(&b);
    return status;
}

glass_status wire_heartbeat(struct heartbeat *h, struct exchange *x,
                            const struct ask_event *e) {
    char text[120] = ": waiting for a place\n\n";
    double now = clock_now();
    if (h->last == 0) h->last = now;
    if (now - h->last < HEARTBEAT_S) return GLASS_OK;
    h->last = now;
    if (e != NULL)
        snprintf(text, sizeof text, ": %lld of %lld tokens of the prompt read\n\n",
                 (long long)e->n_read, (long long)e->n_prompt);
    return reply_write(x, text, strlen(text));
}
