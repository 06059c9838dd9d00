/* tok_stream.c - ids to text, all at once or as they come.
 *
 * SentencePiece vocabularies put a space in front of text (rules.lead); decoding takes it away
 * where encoding put it: at the start, and after every special token. */
#include "base/buf.h"
#include "base/utf8.h"
#include "text/tokenizer.h"

struct glass_token_stream {
    const glass_tokenizer *t;
    unsigned flags;
    bool lead;       /* the next space was added by encoding */
    struct buf text; /* what was given out, then what is waiting */
    size_t n_given;
};

/* The bytes of a byte-level piece; one with any other character in it stands for itself. */
static glass_status append_spelled(struct buf *out, const char *piece, size_t n_bytes) {
    size_t before = out->len;
    TRY(buf_reserve(out, n_bytes));
    for (size_t at = 0; at < n_bytes;) {
        uint32_t c;
        at += utf8_decode(&c, piece + at, n_bytes - at);
        int byte = tok_byte_of(c);
        if (byte < 0) {
            out->len = before;
            return buf_append(out, piece, n_bytes);
        }
        out->data[out->len++] = (char)byte;
    }
    out->data[out->len] = '\0';
    return GLASS_OK;
}

/* U+2581 is the vocabulary's space. */
static glass_status append_unescaped(struct buf *out, const char *piece, size_t n_bytes) {
    TRY(buf_reserve(out, n_bytes));
    for (size_t at = 0; at < n_bytes;) {
        if (n_bytes - at >= 3 && memcmp(piece + at, "\xe2\x96\x81", 3) == 0) {
            out->data[out->len++] = ' ';
            at += 3;
        } else {
            out->data[out->len++] = piece[at++];
        }
    }
    out->data[out->len] = '\0';
    return GLASS_OK;
}

static glass_status append_token(const glass_tokenizer *t, struct buf *out, int32_t id,
                                 unsigned flags, bool *lead) {
    const char *piece = t->text + t->pieces[id].at;
    size_t n_bytes = t->pieces[id].len, before = out->len;
    bool lead_before = *lead;
    *lead = false;
    switch (t->types[id]) {
    case TOK_CONTROL:
    case TOK_UNKNOWN:
        /* BOS that encoding puts first stands before the text's own start. */
        *lead =
            t->rules.lead == TOK_LEAD_ALWAYS || (lead_before && t->add_bos && id == t->bos);
        return flags & GLASS_SHOW_SPECIAL ? buf_append(out, piece, n_bytes) : GLASS_OK;
    case TOK_USER:
        *lead = t->rules.lead == TOK_LEAD_ALWAYS;
        return buf_append(out, piece, n_bytes);
    case TOK_BYTE: {
        int byte = tok_hex_byte(piece, n_bytes);
        if (byte >= 0) return buf_byte(out, (char)byte);
        break;
    }
    default: break;
    }
    if (!t->spm) return append_spelled(out, piece, n_bytes);
    TRY(append_unescaped(out, piece, n_bytes));
    if (lead_before && out->len > before && out->data[before] == ' ') {
        memmove(out->data + before, out->data + before + 1, out->len - before);
        out->len--;
    }
    return GLASS_OK;
}

static glass_status bad_id(const glass_tokenizer *t, int32_t id, int64_t position) {
    return fail(GLASS_BAD_INPUT, "token %lld is %d; the vocabulary has 0 to %d",
                (long long)position, (int)id, (int)t->n_vocab - 1);
}

static bool starts_with_lead(const glass_tokenizer *t, unsigned flags) {
    return t->rules.lead != TOK_LEAD_NEVER && !(flags & GLASS_CONTINUE);
}

glass_status glass_tokenizer_decode(const glass_tokenizer *t, char **text, size_t *n_bytes,
                                    const int32_t *ids, int64_t n_ids, unsigned flags) {
    *text = NULL;
    *n_bytes = 0;
    struct buf out = {0};
    bool lead = starts_with_lead(t, flags);
    glass_status status = GLASS_OK;
    for (int64_t i = 0; status == GLASS_OK && i < n_ids; i++) {
        if (ids[i] < 0 || ids[i] >= t->n_vocab)
            status = bad_id(t, ids[i], i);
        else
            status = append_token(t, &out, ids[i], flags, &lead);
    }
    if (status == GLASS_OK) status = buf_take(&out, text, n_bytes);
    buf_free(&out);
    return status;
}

glass_status glass_token_stream_create(glass_token_stream **out,
                                       const glass_tokenizer *tokenizer, unsigned flags) {
    TRY(mem_alloc_zero(out, 1, sizeof **out));
    (*out)->t = tokenizer;
    (*out)->flags = flags;
    (*out)->lead = starts_with_lead(tokenizer, flags);
    return GLASS_OK;
}

void glass_token_stream_free(glass_token_stream *stream) {
    if (stream == NULL) return;
    buf_free(&stream->text);
    mem_free(stream);
}

static void drop_given(glass_token_stream *stream) {
    size_t left = stream->text.len - stream->n_given;
    if (stream->n_given > 0)
        memmove(stream->text.data, stream->text.data + stream->n_given, left);
    stream->text.len = left;
    stream->n_given = 0;
}

static void give(glass_token_stream *stream, size_t n, const char **text, size_t *n_bytes) {
    stream->n_given = n;
    *text = n > 0 ? stream->text.data : "";
    *n_bytes = n;
}

glass_status glass_token_stream_push(glass_token_stream *stream, int32_t id,
                                     const char **text, size_t *n_bytes) {
    *text = "";
    *n_bytes = 0;
    if (id < 0 || id >= stream->t->n_vocab)
        return fail(GLASS_BAD_INPUT, "token %d; the vocabulary has 0 to %d", (int)id,
                    (int)stream->t->n_vocab - 1);
    drop_given(stream);
    TRY(append_token(stream->t, &stream->text, id, stream->flags, &stream->lead));
    give(stream, utf8_complete(stream->text.data, stream->text.len), text, n_bytes);
    return GLASS_OK;
}

glass_status glass_token_stream_finish(glass_token_stream *stream, const char **text,
                                       size_t *n_bytes) {
    drop_given(stream);
    give(stream, stream->text.len, text, n_bytes);
    stream->lead = starts_with_lead(stream->t, stream->flags);
    return GLASS_OK;
}
