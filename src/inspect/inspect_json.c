/* inspect_json.c - what was seen, as JSON: one object a call. */
#include "base/buf.h"
#include "base/utf8.h"
#include "glass/inspect.h"

static glass_status member(struct buf *b, const char *name) {
    if (b->data[b->len - 1] != '{') TRY(buf_byte(b, ','));
    return buf_printf(b, "\"%s\":", name);
}

static glass_status put_number(struct buf *b, const char *name, double value) {
    TRY(member(b, name));
    return buf_json_number(b, value);
}

static glass_status put_count(struct buf *b, const char *name, int64_t value) {
    TRY(member(b, name));
    return buf_printf(b, "%lld", (long long)value);
}

static glass_status put_string(struct buf *b, const char *name, const char *text) {
    TRY(member(b, name));
    if (text == NULL) return buf_text(b, "null");
    return buf_json_string(b, text, strlen(text));
}

static glass_status put_shape(struct buf *b, const char *name, const int64_t *shape,
                              int n) {
    TRY(member(b, name));
    TRY(buf_byte(b, '['));
    for (int d = 0; d < n; d++)
        TRY(buf_printf(b, "%s%lld", d > 0 ? "," : "", (long long)shape[d]));
    return buf_byte(b, ']');
}

/* "bytes":[…] of a token that is a piece of a character: its text says U+FFFD alone. */
static glass_status put_pieces(struct buf *b, const char *text, size_t n) {
    uint32_t c = 0;
    for (size_t i = 0; i < n && c != UTF8_BAD;) i += utf8_decode(&c, text + i, n - i);
    if (c != UTF8_BAD) return GLASS_OK;
    TRY(member(b, "bytes"));
    for (size_t i = 0; i < n; i++)
        TRY(buf_printf(b, "%s%u", i > 0 ? "," : "[", (unsigned char)text[i]));
    return buf_byte(b, ']');
}

/* "id":…,"text":… */
static glass_status put_token(struct buf *b, const glass_tokenizer *t, int32_t id) {
    char *text;
    size_t n;
    TRY(put_count(b, "id", id));
    if (t == NULL || id < 0 || id >= glass_tokenizer_n_vocab(t)) return GLASS_OK;
    TRY(glass_tokenizer_decode(t, &text, &n, &id, 1, GLASS_SHOW_SPECIAL | GLASS_CONTINUE));
    glass_status status = member(b, "text");
    if (status == GLASS_OK) status = buf_json_string(b, text, n);
    if (status == GLASS_OK) status = put_pieces(b, text, n);
    glass_free(text);
    return status;
}

/* The finished object, or nothing. */
static glass_status hand_over(glass_status status, struct buf *b, char **text,
                              size_t *n_bytes) {
    *text = NULL;
    if (n_bytes != NULL) *n_bytes = 0;
    if (status == GLASS_OK) status = buf_take(b, text, n_bytes);
    buf_free(b);
    return status;
}

static glass_status put_tokens(struct buf *b, const glass_tokenizer *t, const int32_t *ids,
                               int64_t n) {
    TRY(member(b, "tokens"));
    TRY(buf_byte(b, '['));
    for (int64_t i = 0; i < n; i++) {
        TRY(buf_text(b, i > 0 ? ",{" : "{"));
        TRY(put_token(b, t, ids[i]));
        TRY(buf_byte(b, '}'));
    }
    return buf_byte(b, ']');
}

/* ---- predictions ---- */

static glass_status put_choice(struct buf *b, const glass_tokenizer *t,
                               const glass_choice *c) {
    TRY(buf_byte(b, '{'));
    TRY(put_token(b, t, c->id));
    TRY(put_number(b, "logprob", c->logprob));
    return buf_byte(b, '}');
}

static glass_status put_prediction(struct buf *b, const glass_tokenizer *t,
                                   const glass_prediction *p, int64_t n_top) {
    TRY(buf_byte(b, '{'));
    TRY(put_count(b, "position", p->position));
    TRY(put_count(b, "layer", p->layer));
    if (p->id >= 0) {
        TRY(put_token(b, t, p->id));
        TRY(put_number(b, "logprob", p->logprob));
        TRY(put_count(b, "rank", p->rank));
    }
    TRY(member(b, "answer"));
    TRY(buf_byte(b, '{'));
    TRY(put_token(b, t, p->answer));
    TRY(put_number(b, "logprob", p->answer_logprob));
    TRY(put_count(b, "rank", p->answer_rank));
    TRY(buf_byte(b, '}'));
    TRY(put_number(b, "entropy", p->entropy));
    TRY(put_number(b, "kl", p->kl));
    TRY(member(b, "top"));
    TRY(buf_byte(b, '['));
    for (int64_t i = 0; i < n_top; i++) {
        if (i > 0) TRY(buf_byte(b, ','));
        TRY(put_choice(b, t, &p->top[i]));
    }
    return buf_text(b, "]}");
}

static glass_status put_predictions(struct buf *b, const glass_predictions *p,
                                    const glass_tokenizer *t) {
    TRY(buf_byte(b, '{'));
    TRY(put_count(b, "layers", p->n_layer));
    TRY(put_tokens(b, t, p->ids, p->n_ids));
    TRY(put_count(b, "scored", p->n_scored));
    if (p->n_scored > 0) TRY(put_number(b, "nll", p->nll));
    TRY(member(b, "predictions"));
    TRY(buf_byte(b, '['));
    for (int64_t i = 0; i < p->n; i++) {
        if (i > 0) TRY(buf_byte(b, ','));
        TRY(put_prediction(b, t, &p->list[i], p->n_top));
    }
    return buf_text(b, "]}");
}

glass_status glass_predictions_json(char **text, size_t *n_bytes,
                                    const glass_predictions *p, const glass_tokenizer *t) {
    struct buf b = {0};
    return hand_over(put_predictions(&b, p, t), &b, text, n_bytes);
}

/* ---- attention ---- */

/* Numbers of a query's keys, up to its own. */
static glass_status put_row(struct buf *b, const float *w, int64_t n) {
    TRY(buf_byte(b, '['));
    for (int64_t j = 0; j < n; j++) {
        if (j > 0) TRY(buf_byte(b, ','));
        /* Nine digits are a binary32 to the bit. */
        TRY(w[j] == 0 ? buf_byte(b, '0') : buf_printf(b, "%.9g", (double)w[j]));
    }
    return buf_byte(b, ']');
}

static glass_status put_attention(struct buf *b, const glass_attention *a,
                                  const glass_tokenizer *t) {
    const float *w = a->weights;
    TRY(buf_byte(b, '{'));
    TRY(put_tokens(b, t, a->ids, a->n_keys));
    TRY(put_count(b, "first_query", a->first_query));
    TRY(put_count(b, "queries", a->n_queries));
    TRY(member(b, "maps"));
    TRY(buf_byte(b, '['));
    for (int64_t i = 0; i < a->n_layers * a->n_heads; i++) {
        TRY(buf_text(b, i > 0 ? ",{" : "{"));
        TRY(put_count(b, "layer", a->first_layer + i / a->n_heads));
        TRY(put_count(b, "head", a->first_head + i % a->n_heads));
        TRY(put_count(b, "window", a->windows[i / a->n_heads]));
        TRY(member(b, "weights"));
        TRY(buf_byte(b, '['));
        for (int64_t q = 0; q < a->n_queries; q++, w += a->n_keys) {
            if (q > 0) TRY(buf_byte(b, ','));
            TRY(put_row(b, w, a->first_query + q + 1));
        }
        TRY(buf_text(b, "]}"));
    }
    return buf_text(b, "]}");
}

glass_status glass_attention_json(char **text, size_t *n_bytes, const glass_attention *a,
                                  const glass_tokenizer *t) {
    struct buf b = {0};
    return hand_over(put_attention(&b, a, t), &b, text, n_bytes);
}

/* ---- tensors ---- */

static glass_status put_tensor(struct buf *b, const glass_tensor_view *v) {
    TRY(buf_byte(b, '{'));
    TRY(put_string(b, "name", v->name));
    TRY(put_string(b, "type", v->type));
    TRY(put_shape(b, "shape", v->shape, v->n_dims));
    TRY(put_count(b, "bytes", (int64_t)v->n_bytes));
    TRY(put_count(b, "numbers", v->n));
    if (!v->known) return buf_byte(b, '}');
    TRY(put_count(b, "zeros", v->n_zero));
    TRY(put_count(b, "not_finite", v->n_bad));
    TRY(put_number(b, "norm", v->norm));
    TRY(put_number(b, "mean", v->mean));
    TRY(put_number(b, "std", v->std));
    TRY(put_number(b, "min", v->min));
    TRY(put_number(b, "max", v->max));
    TRY(member(b, "histogram"));
    TRY(buf_byte(b, '{'));
    TRY(put_number(b, "low", v->low));
    TRY(put_number(b, "high", v->high));
    TRY(put_shape(b, "counts", v->bins, GLASS_BINS));
    return buf_text(b, "}}");
}

static glass_status put_tensors(struct buf *b, const glass_tensors *t) {
    TRY(buf_text(b, "{\"tensors\":["));
    for (int64_t i = 0; i < t->n; i++) {
        if (i > 0) TRY(buf_byte(b, ','));
        TRY(put_tensor(b, &t->list[i]));
    }
    return buf_text(b, "]}");
}

glass_status glass_tensors_json(char **text, size_t *n_bytes, const glass_tensors *t) {
    struct buf b = {0};
    return hand_over(put_tensors(&b, t), &b, text, n_bytes);
}

/* ---- two models ---- */

static glass_status put_pair(struct buf *b, const glass_tensor_pair *p) {
    TRY(buf_byte(b, '{'));
    TRY(put_string(b, "name", p->name));
    if (p->other != NULL) TRY(put_string(b, "other", p->other));
    TRY(put_string(b, "likeness", glass_likeness_name(p->likeness)));
    TRY(put_string(b, "type_a", p->type_a));
    TRY(put_string(b, "type_b", p->type_b));
    if (p->type_a != NULL) TRY(put_shape(b, "shape_a", p->shape, p->n_dims));
    if (p->type_b != NULL) TRY(put_shape(b, "shape_b", p->shape_b, p->n_dims));
    if (p->likeness == GLASS_UNCOMPARED) return buf_byte(b, '}');
    TRY(put_count(b, "numbers", p->n));
    TRY(put_count(b, "equal", p->n_equal));
    TRY(put_count(b, "not_finite", p->n_bad));
    TRY(put_number(b, "cosine", p->cosine));
    TRY(put_number(b, "relative", p->relative));
    TRY(put_number(b, "largest", p->largest));
    TRY(put_number(b, "norm_a", p->norm_a));
    TRY(put_number(b, "norm_b", p->norm_b));
    return buf_byte(b, '}');
}

static glass_status put_diff(struct buf *b, const glass_diff *d) {
    TRY(buf_byte(b, '{'));
    TRY(put_string(b, "kinship", glass_kinship_name(d->kinship)));
    TRY(put_string(b, "verdict", d->verdict));
    if (d->kinship == GLASS_QUANTISED_FROM)
        TRY(put_string(b, "fewer_bits", d->b_from_a ? "b" : "a"));
    TRY(put_number(b, "cosine", d->cosine));
    TRY(put_number(b, "median_cosine", d->median));
    TRY(put_number(b, "relative", d->relative));
    TRY(member(b, "counts"));
    TRY(buf_byte(b, '{'));
    for (int i = 0; i <= GLASS_UNCOMPARED; i++)
        TRY(put_count(b, glass_likeness_name((glass_likeness)i), d->counts[i]));
    TRY(buf_text(b, "},\"tensors\":["));
    for (int64_t i = 0; i < d->n; i++) {
        if (i > 0) TRY(buf_byte(b, ','));
        TRY(put_pair(b, &d->list[i]));
    }
    return buf_text(b, "]}");
}

glass_status glass_diff_json(char **text, size_t *n_bytes, const glass_diff *d) {
    struct buf b = {0};
    return hand_over(put_diff(&b, d), &b, text, n_bytes);
}
