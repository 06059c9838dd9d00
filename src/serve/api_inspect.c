/* api_inspect.c - POST /inspect: what a model makes of a text inside, for the page's glass view
 * and for programs.
 *
 * A look runs the text again in a session of its own, on one thread and in short passes, and one
 * look at a time in the whole server: answers go on beside it. */
#include "base/utf8.h"
#include "glass/inspect.h"
#include "serve/chat.h"
#include "serve/server.h"
#include "serve/wire.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum {
    MOST_TOKENS = 4096,
    MOST_POSITIONS = 256, /* of logits; */
    MOST_PLACES = 16,     /* of layers, which has a prediction for each layer at each */
    MOST_WAITING = 8,
    PASS_ROWS = 64
};

enum { SEE_LOGITS = 1, SEE_LAYERS = 2, SEE_ATTENTION = 4 };

struct view {
    struct exchange *x;
    struct ask ask;
    int32_t *ids; /* owned */
    int64_t n;
    int64_t position, n_positions, layer; /* layer -1: all */
    unsigned what;
    glass_inspect_options o;
    struct buf b;
};

/* ---- one at a time ---- */

static pthread_mutex_t looking = PTHREAD_MUTEX_INITIALIZER;
static atomic_int n_waiting;

static glass_status begin(struct view *v) {
    struct timespec moment = {.tv_nsec = 20000000};
    if (atomic_fetch_add(&n_waiting, 1) >= MOST_WAITING) {
        atomic_fetch_sub(&n_waiting, 1);
        TRY(reply_header(v->x, "Retry-After", "2"));
        reply_error(v->x, 503, NULL, NULL,
                    "others are looking inside: one look runs at a time, and enough wait");
        return GLASS_CANCELLED;
    }
    bool mine;
    while (!(mine = pthread_mutex_trylock(&looking) == 0) && !exchange_gone(v->x))
        nanosleep(&moment, NULL);
    atomic_fetch_sub(&n_waiting, 1);
    return mine ? GLASS_OK : fail(GLASS_CANCELLED, "the client has left");
}

static bool still_there(void *context, int64_t done, int64_t total) {
    (void)done;
    (void)total;
    return !exchange_gone(context);
}

/* ---- the request ---- */

static glass_status take_chat(struct view *v, const struct fields *f) {
    struct chat chat = {0};
    bool goes_on = false;
    glass_status status = chat_take_openai(&chat, f);
    if (status == GLASS_OK) status = fields_bool(f, "continue_final_message", &goes_on);
    if (status == GLASS_OK && goes_on) status = chat_take_prefill(&chat);
    if (status == GLASS_OK) status = chat_take_prefill_ids(&chat, &v->ask, f);
    if (status == GLASS_OK) status = chat_encode(&chat, &v->ask);
    chat_clear(&chat);
    return status;
}

static glass_status take_text(struct view *v, const struct fields *f) {
    const char *text = NULL;
    const json_t *messages = NULL, *tokens = NULL, *prefill = NULL;
    int32_t *ids;
    int64_t n;
    size_t n_bytes = 0;
    bool goes_on = false; /* its type; take_chat reads it */
    TRY(fields_bytes(f, "prompt", &text, &n_bytes));
    TRY(fields_list(f, "messages", &messages));
    TRY(fields_list(f, "tokens", &tokens));
    TRY(fields_list(f, "prefill_ids", &prefill));
    TRY(fields_bool(f, "continue_final_message", &goes_on));
    int n_given = (text != NULL) + (messages != NULL) + (tokens != NULL);
    if (n_given != 1)
        return fail(GLASS_BAD_INPUT, "one of messages, prompt and tokens is needed");
    if (messages != NULL) return take_chat(v, f);
    if (json_array_size(prefill) > 0)
        return bad_param(v->x, "prefill_ids", "goes with messages only");
    if (text != NULL)
        return ask_add_text(&v->ask, text, n_bytes,
                            GLASS_ADD_SPECIAL | GLASS_PARSE_SPECIAL);
    TRY(ask_take_ids(&v->ask, f, "tokens", &ids, &n));
    if (n == 0) return bad_param(v->x, "tokens", "at least one token is needed");
    return ask_add_prompt(&v->ask, ids, n);
}

/* The text, and behind it the token that is asked about. */
static glass_status take_ids(struct view *v, const struct fields *f) {
    const struct ask_prompt *p;
    int64_t token = -1;
    TRY(take_text(v, f));
    p = &v->ask.prompts[0];
    TRY(fields_int(f, "token", &token, 0, v->ask.n_vocab - 1));
    if (p->n + (token >= 0) > MOST_TOKENS)
        return fail(GLASS_BAD_INPUT, "%lld tokens: at most %d are looked at",
                    (long long)p->n, MOST_TOKENS);
    TRY(mem_alloc(&v->ids, (size_t)p->n + 1, sizeof *v->ids));
    memcpy(v->ids, p->ids, (size_t)p->n * sizeof *v->ids);
    v->n = p->n;
    if (token >= 0) v->ids[v->n++] = (int32_t)token;
    v->position = token >= 0 ? v->n - 1 : v->n;
    return GLASS_OK;
}

static glass_status take_what(struct view *v, const struct fields *f) {
    static const char *const words[] = {"logits", "layers", "attention"};
    const json_t *list = NULL, *item;
    size_t i, k;
    TRY(fields_list(f, "what", &list));
    if (list == NULL) v->what = SEE_LOGITS | SEE_LAYERS | SEE_ATTENTION;
    json_array_foreach(list, i, item) {
        const char *word = json_string_value(item);
        for (k = 0; k < 3; k++)
            if (word != NULL && strcmp(word, words[k]) == 0) break;
        if (k == 3)
            return fields_wrong(f, "what",
                                "a list of \"logits\", \"layers\", \"attention\"");
        v->what |= 1u << k;
    }
    return GLASS_OK;
}

static glass_status take_view(struct view *v, const struct fields *f) {
    glass_model_info info;
    struct sched_stats stats;
    int64_t top = 5;
    glass_model_get_info(v->ask.model, &info);
    TRY(take_what(v, f));
    TRY(take_ids(v, f));
    TRY(fields_int(f, "position", &v->position, 1, v->n));
    v->n_positions = 1;
    TRY(fields_int(f, "positions", &v->n_positions, 1,
                   v->what & SEE_LAYERS ? MOST_PLACES : MOST_POSITIONS));
    if (v->n_positions > v->n + 1 - v->position) v->n_positions = v->n + 1 - v->position;
    v->layer = -1;
    TRY(fields_int(f, "layer", &v->layer, 0, info.n_layer - 1));
    TRY(fields_int(f, "top", &top, 1, ASK_TOP));
    /* What stands behind is of no consequence. */
    if (v->n > v->position + v->n_positions) v->n = v->position + v->n_positions;
    sched_get_stats(served_sched(v->ask.served), &stats);
    v->o = (glass_inspect_options){.n_top = top,
                                   .n_ctx = stats.n_ctx >= v->n ? stats.n_ctx : 0,
                                   .n_batch = PASS_ROWS,
                                   .n_threads = 1,
                                   .progress = still_there,
                                   .context = v->x};
    v->o.cache_type = server_options(exchange_server(v->x))->models.sched.cache_type;
    v->o.adapters = served_adapters(v->ask.served, &v->o.n_adapters);
    return GLASS_OK;
}

/* ---- the reply ---- */

static glass_status
predictions(struct view *v, const char *name,
            glass_status (*look)(glass_predictions **, const glass_model *, const int32_t *,
                                 int64_t, const glass_inspect_options *)) {
    glass_inspect_options o = v->o;
    glass_predictions *p;
    char *json = NULL;
    size_t n_bytes;
    o.at = (glass_range){v->position, v->n_positions};
    TRY(look(&p, v->ask.model, v->ids, v->n, &o));
    glass_status status = glass_predictions_json(&json, &n_bytes, p, v->ask.tokenizer);
    if (status == GLASS_OK) status = buf_printf(&v->b, ",\"%s\":", name);
    if (status == GLASS_OK) status = buf_append(&v->b, json, n_bytes);
    glass_free(json);
    glass_predictions_free(p);
    return status;
}

/* The mean over n rows of what each key got. */
static glass_status put_mean(struct buf *b, const float *rows, int64_t n, int64_t n_keys) {
    TRY(buf_byte(b, '['));
    for (int64_t k = 0; k < n_keys; k++) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++) sum += (double)rows[i * n_keys + k];
        TRY(buf_printf(b, "%s%.6g", k > 0 ? "," : "", sum / (double)n));
    }
    return buf_byte(b, ']');
}

/* A token's text; bytes that are a piece of a character stand as <E4>, as the page writes them. */
static glass_status put_piece(struct buf *b, const char *text, size_t n) {
    struct buf whole = {0};
    glass_status status = GLASS_OK;
    for (size_t i = 0; status == GLASS_OK && i < n;) {
        uint32_t c;
        size_t used = utf8_decode(&c, text + i, n - i);
        status = c == UTF8_BAD ? buf_printf(&whole, "<%02X>", (unsigned char)text[i])
                               : buf_append(&whole, text + i, used);
        i += used;
    }
    if (status == GLASS_OK)
        status = buf_json_string(b, whole.len > 0 ? whole.data : "", whole.len);
    buf_free(&whole);
    return status;
}

static glass_status put_attention(struct view *v, const glass_attention *a) {
    struct buf *b = &v->b;
    bool one = v->layer >= 0;
    int64_t n_rows = one ? a->n_heads : a->n_layers, each = one ? 1 : a->n_heads;
    TRY(buf_printf(b, ",\"attention\":{\"query\":%lld,\"layers\":%lld,\"heads\":%lld",
                   (long long)a->first_query, (long long)a->n_layers,
                   (long long)a->n_heads));
    if (one) TRY(buf_printf(b, ",\"layer\":%lld", (long long)v->layer));
    TRY(buf_text(b, ",\"tokens\":["));
    for (int64_t k = 0; k < a->n_keys; k++) {
        char *text;
        size_t n;
        TRY(ask_token_text(&v->ask, a->ids[k], &text, &n));
        glass_status status = buf_text(b, k > 0 ? "," : "");
        if (status == GLASS_OK) status = put_piece(b, text, n);
        glass_free(text);
        TRY(status);
    }
    TRY(buf_text(b, "],\"mean\":"));
    TRY(put_mean(b, a->weights, a->n_layers * a->n_heads, a->n_keys));
    TRY(buf_printf(b, ",\"%s\":[", one ? "by_head" : "by_layer"));
    for (int64_t i = 0; i < n_rows; i++) {
        if (i > 0) TRY(buf_byte(b, ','));
        TRY(put_mean(b, a->weights + i * each * a->n_keys, each, a->n_keys));
    }
    return buf_text(b, "]}");
}

/* What the token before the position looked at when it said what comes. */
static glass_status attention(struct view *v) {
    glass_inspect_options o = v->o;
    glass_attention *a;
    o.at = (glass_range){v->position - 1, 1};
    if (v->layer >= 0) o.layers = (glass_range){v->layer, 1};
    TRY(glass_inspect_attention(&a, v->ask.model, v->ids, v->position, &o));
    glass_status status = put_attention(v, a);
    glass_attention_free(a);
    return status;
}

static glass_status look(struct view *v) {
    TRY(buf_text(&v->b, "{\"model\":"));
    TRY(wire_string(&v->b, v->ask.name));
    TRY(buf_printf(&v->b, ",\"position\":%lld", (long long)v->position));
    if (v->what & SEE_LOGITS) TRY(predictions(v, "logits", glass_inspect_logits));
    if (v->what & SEE_LAYERS) TRY(predictions(v, "layers", glass_inspect_layers));
    if (v->what & SEE_ATTENTION) TRY(attention(v));
    return buf_byte(&v->b, '}');
}

static glass_status inspect(struct exchange *x) {
    struct view v = {.x = x};
    struct fields f;
    TRY(fields_of_body(&f, x));
    glass_status status = ask_open(&v.ask, x, &f, NAN);
    if (status == GLASS_OK) status = take_view(&v, &f);
    if (status == GLASS_OK) status = begin(&v);
    if (status == GLASS_OK) {
        status = look(&v);
        pthread_mutex_unlock(&looking);
    }
    if (status == GLASS_OK) {
        exchange_note(x, v.ask.name, v.n, 0, 0);
        status = reply_bytes(x, 200, "application/json", v.b.data, v.b.len);
    }
    ask_close(&v.ask);
    mem_free(v.ids);
    buf_free(&v.b);
    return status;
}

const struct route routes_inspect[] = {
    {"POST", "/inspect", false, SHAPE_PLAIN, inspect, false},
    {NULL, NULL, false, SHAPE_PLAIN, NULL, false},
};
