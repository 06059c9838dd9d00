/* tok_model.c - SentencePiece .model files: protocol buffers, read field by field.
 *
 * Source: sentencepiece_model.proto of the SentencePiece project. Models of type BPE whose
 * normaliser has no character map are taken; others would tokenise differently. */
#include "base/reader.h"
#include "text/tokenizer.h"

#include <string.h>

/* Wire types of protocol buffers. */
enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

struct field {
    uint32_t number;
    int wire;
    uint64_t value;      /* VARINT, FIXED32, FIXED64 */
    const uint8_t *data; /* BYTES */
    size_t n_bytes;
};

static glass_status read_varint(struct reader *r, uint64_t *out) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        uint8_t byte;
        TRY(reader_u8(r, &byte, "number"));
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = value;
            return GLASS_OK;
        }
    }
    return fail(GLASS_BAD_INPUT, "%s: byte %zu: a number that does not end", r->name,
                r->pos);
}

static glass_status read_field(struct reader *r, struct field *f) {
    uint64_t key;
    uint32_t small;
    *f = (struct field){0};
    TRY(read_varint(r, &key));
    f->number = (uint32_t)(key >> 3);
    f->wire = (int)(key & 7);
    switch (f->wire) {
    case VARINT: return read_varint(r, &f->value);
    case FIXED64: return reader_u64(r, &f->value, "number");
    case FIXED32:
        TRY(reader_u32(r, &small, "number"));
        f->value = small;
        return GLASS_OK;
    case BYTES:
        TRY(read_varint(r, &f->value));
        if (f->value > reader_left(r))
            return fail(GLASS_BAD_INPUT,
                        "%s: byte %zu: a field of %llu bytes; %zu are left", r->name,
                        r->pos, (unsigned long long)f->value, reader_left(r));
        f->n_bytes = (size_t)f->value;
        return reader_bytes(r, &f->data, f->n_bytes, "field");
    default:
        return fail(GLASS_BAD_INPUT, "%s: byte %zu: not a SentencePiece model", r->name,
                    r->pos);
    }
}

static struct reader inside(const struct reader *r, const struct field *f) {
    return (struct reader){f->data, f->n_bytes, 0, r->name};
}

struct model {
    struct tok_source *s;
    const uint8_t *base;
    int64_t room;
    bool bpe;
};

/* SentencePiece: 1 piece, 2 score, 3 type. */
static glass_status read_piece(struct model *m, const struct reader *outer,
                               const struct field *message) {
    struct reader r = inside(outer, message);
    if (m->s->n_vocab == TOK_VOCAB_LIMIT)
        return fail(GLASS_BAD_INPUT, "%s: more than %d tokens", r.name, TOK_VOCAB_LIMIT);
    if (m->s->n_vocab == m->room) {
        m->room = m->room == 0 ? 1024 : 2 * m->room;
        TRY(mem_resize(&m->s->pieces, (size_t)m->room, sizeof *m->s->pieces));
        TRY(mem_resize(&m->s->scores, (size_t)m->room, sizeof *m->s->scores));
        TRY(mem_resize(&m->s->types, (size_t)m->room, 1));
    }
    int64_t id = m->s->n_vocab++;
    m->s->pieces[id] = (struct tok_piece){0, 0};
    m->s->scores[id] = 0;
    m->s->types[id] = TOK_NORMAL;
    while (reader_left(&r) > 0) {
        struct field f;
        TRY(read_field(&r, &f));
        if (f.number == 1 && f.wire == BYTES) {
            m->s->pieces[id] =
                (struct tok_piece){(uint32_t)(f.data - m->base), (uint32_t)f.n_bytes};
        } else if (f.number == 2 && f.wire == FIXED32) {
            uint32_t bits = (uint32_t)f.value;
            memcpy(&m->s->scores[id], &bits, sizeof bits);
        } else if (f.number == 3 && f.wire == VARINT) {
            m->s->types[id] = f.value <= TOK_BYTE ? (uint8_t)f.value : UINT8_MAX;
        }
    }
    return GLASS_OK;
}

/* Ids are int32; absent tokens are -1, written as a huge number. */
static int64_t token_id(uint64_t value) {
    return value <= INT32_MAX ? (int64_t)value : -1;
}

/* TrainerSpec: 3 model_type, 24 treat_whitespace_as_suffix, 40 unk_id, 41 bos_id, 42 eos_id. */
static glass_status read_trainer(struct model *m, const struct reader *outer,
                                 const struct field *message) {
    struct reader r = inside(outer, message);
    while (reader_left(&r) > 0) {
        struct field f;
        TRY(read_field(&r, &f));
        if (f.wire != VARINT) continue;
        if (f.number == 3) m->bpe = f.value == 2;
        if (f.number == 24 && f.value != 0)
            return fail(GLASS_BAD_INPUT, "%s: spaces after words are not supported",
                        r.name);
        if (f.number == 40) m->s->unk = token_id(f.value);
        if (f.number == 41) m->s->bos = token_id(f.value);
        if (f.number == 42) m->s->eos = token_id(f.value);
    }
    return GLASS_OK;
}

/* NormalizerSpec: 2 precompiled_charsmap, 3 add_dummy_prefix, 4 remove_extra_whitespaces,
 * 5 escape_whitespaces. */
static glass_status read_normalizer(struct model *m, const struct reader *outer,
                                    const struct field *message) {
    struct reader r = inside(outer, message);
    bool charsmap = false, shrink = true, escape = true;
    while (reader_left(&r) > 0) {
        struct field f;
        TRY(read_field(&r, &f));
        if (f.number == 2 && f.wire == BYTES) charsmap = f.n_bytes > 0;
        if (f.wire != VARINT) continue;
        if (f.number == 3)
            m->s->rules.lead = f.value != 0 ? TOK_LEAD_ALWAYS : TOK_LEAD_NEVER;
        if (f.number == 4) shrink = f.value != 0;
        if (f.number == 5) escape = f.value != 0;
    }
    m->s->rules.squeeze = shrink;
    if (!charsmap && escape) return GLASS_OK;
    return fail(GLASS_BAD_INPUT, "%s: its normaliser (%s) is not supported", r.name,
                charsmap ? "a character map" : "spaces are not escaped");
}

static glass_status read_model(struct model *m, struct reader *r) {
    bool normalizer = false;
    m->s->spm = true;
    m->s->bos = 1;
    m->s->eos = 2;
    m->s->unk = 0;
    m->s->rules.lead = TOK_LEAD_ALWAYS;
    m->s->rules.byte_fallback = true;
    while (reader_left(r) > 0) {
        struct field f;
        TRY(read_field(r, &f));
        if (f.wire != BYTES) continue;
        if (f.number == 1) TRY(read_piece(m, r, &f));
        if (f.number == 2) TRY(read_trainer(m, r, &f));
        if (f.number == 3) {
            TRY(read_normalizer(m, r, &f));
            normalizer = true;
        }
    }
    if (!m->bpe || !normalizer)
        return fail(GLASS_BAD_INPUT, "%s: not a SentencePiece model of type BPE", r->name);
    if (m->s->bos >= m->s->n_vocab) m->s->bos = -1;
    if (m->s->eos >= m->s->n_vocab) m->s->eos = -1;
    if (m->s->unk >= m->s->n_vocab) m->s->unk = -1;
    return GLASS_OK;
}

glass_status tok_read_model(struct tok_source *s, const char *bytes, size_t n_bytes,
                            const char *name) {
    s->name = name;
    if (n_bytes > UINT32_MAX / 2)
        return fail(GLASS_BAD_INPUT, "%s: %zu bytes are too many", name, n_bytes);
    TRY(buf_append(&s->text_owner, bytes, n_bytes));
    s->text = s->text_owner.data;
    struct reader r = {(const uint8_t *)s->text, n_bytes, 0, name};
    struct model m = {.s = s, .base = r.data};
    return read_model(&m, &r);
}
