/* tokenizer.c - building a tokenizer from what a file says, encoding, and small questions.
 * Decoding is in tok_stream.c. */
#include "text/tokenizer.h"

#include "base/utf8.h"
#include "text/tok_pre.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* Pieces that end an answer in the models that have them. */
// clang-format off
static const char *const end_pieces[] = {
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>",
    "<end_of_turn>", "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>",
    "\xe2\x96\x81<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>", "<end_of_utterance>", "<eos>",
    "<turn|>", ("<\xef\xbd\x9c" "end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>"), "[e~["};
// clang-format on

/* Pieces that steer a chat or a fill-in. Files exist that call them user-defined; then they
 * would be recognised in anybody's text. */
// clang-format off
static const char *const control_pieces[] = {
    "<|im_start|>", "<|start_header_id|>", "<|end_header_id|>", "<start_of_turn>",
    "<|system|>", "<|user|>", "<|assistant|>", "<|START_OF_TURN_TOKEN|>",
    "<|END_OF_TURN_TOKEN|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>",
    "<|fim_pad|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>",
    "<fim-prefix>", "<fim-middle>", "<fim-suffix>", "<PRE>", "<SUF>", "<MID>",
    "\xe2\x96\x81<PRE>", "\xe2\x96\x81<SUF>", "\xe2\x96\x81<MID>",
    ("<\xef\xbd\x9c" "fim\xe2\x96\x81" "begin\xef\xbd\x9c>"),
    ("<\xef\xbd\x9c" "fim\xe2\x96\x81hole\xef\xbd\x9c>"),
    ("<\xef\xbd\x9c" "fim\xe2\x96\x81" "end\xef\xbd\x9c>")};
// clang-format on

static uint32_t byte_chars(uint8_t byte) {
    if ((byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte != 0xad)) return byte;
    if (byte <= 0x20) return 0x100u + byte;
    return byte == 0xad ? 0x143u : 0x121u + (byte - 0x7fu);
}

uint32_t tok_char_of(uint8_t byte) {
    return byte_chars(byte);
}

int tok_byte_of(uint32_t c) {
    if ((c >= '!' && c <= '~') || (c >= 0xa1 && c <= 0xff && c != 0xad)) return (int)c;
    if (c >= 0x100 && c <= 0x120) return (int)(c - 0x100);
    if (c >= 0x121 && c <= 0x142) return (int)(c - 0x121 + 0x7f);
    return c == 0x143 ? 0xad : -1;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int tok_hex_byte(const char *piece, size_t n_bytes) {
    if (n_bytes != 6 || memcmp(piece, "<0x", 3) != 0 || piece[5] != '>') return -1;
    int high = hex_digit(piece[3]), low = hex_digit(piece[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static int32_t find_text(const glass_tokenizer *t, const char *text) {
    return tok_table_find(t, text, strlen(text));
}

static glass_status check_vocabulary(const struct tok_source *source) {
    if (source->n_vocab < 1 || source->n_vocab > TOK_VOCAB_LIMIT)
        return fail(GLASS_BAD_INPUT,
                    "%s: a vocabulary of %lld tokens; 1 to %d are possible", source->name,
                    (long long)source->n_vocab, TOK_VOCAB_LIMIT);
    for (int64_t id = 0; id < source->n_vocab; id++) {
        if (source->pieces[id].len > TOK_PIECE_LIMIT / 2)
            return fail(GLASS_BAD_INPUT,
                        "%s: token %lld has %u bytes; at most %d are possible",
                        source->name, (long long)id, (unsigned)source->pieces[id].len,
                        TOK_PIECE_LIMIT / 2);
        if (source->types != NULL && source->types[id] > TOK_BYTE)
            return fail(GLASS_BAD_INPUT,
                        "%s: token %lld is of type %u, which does not exist", source->name,
                        (long long)id, (unsigned)source->types[id]);
    }
    return GLASS_OK;
}

static glass_status check_id(const struct tok_source *source, const char *what,
                             int64_t id) {
    if (id < source->n_vocab) return GLASS_OK;
    return fail(GLASS_BAD_INPUT, "%s: the %s token is %lld, but there are only %lld tokens",
                source->name, what, (long long)id, (long long)source->n_vocab);
}

/* Converters fill gaps in a vocabulary with user-defined "[PAD<id>]"; nobody means those. */
static bool is_filler(const glass_tokenizer *t, int32_t id) {
    struct tok_piece piece = t->pieces[id];
    const char *text = t->text + piece.at;
    if (piece.len < 6 || piece.len > 16 || memcmp(text, "[PAD", 4) != 0) return false;
    int64_t number = 0;
    for (uint32_t i = 4; i + 1 < piece.len; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        number = number * 10 + (text[i] - '0');
    }
    return text[piece.len - 1] == ']' && number == id;
}

static void settle_types(glass_tokenizer *t) {
    for (int32_t id = 0; id < t->n_vocab; id++)
        if (t->types[id] == TOK_USER && is_filler(t, id)) t->types[id] = TOK_UNUSED;
    for (size_t i = 0; i < sizeof control_pieces / sizeof *control_pieces; i++) {
        int32_t id = find_text(t, control_pieces[i]);
        if (id >= 0) t->types[id] = TOK_CONTROL;
    }
}

static glass_status settle_ends(glass_tokenizer *t, const struct tok_source *source) {
    TRY(mem_alloc_zero(&t->ends, (size_t)t->n_vocab, 1));
    const int64_t named[] = {source->eos, source->eot, source->eom};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (named[i] >= 0) t->ends[named[i]] = 1;
    for (size_t i = 0; i < sizeof end_pieces / sizeof *end_pieces; i++) {
        int32_t id = find_text(t, end_pieces[i]);
        if (id < 0) continue;
        t->ends[id] = 1;
        t->types[id] = TOK_CONTROL;
    }
    /* Where messages end with <|return|> or <|call|>, <|end|> only ends a part of one. */
    int32_t end = find_text(t, "<|end|>");
    if (end >= 0 && source->eos != end &&
        (find_text(t, "<|return|>") >= 0 || find_text(t, "<|flush|>") >= 0) &&
        (find_text(t, "<|call|>") >= 0 || find_text(t, "<|calls|>") >= 0))
        t->ends[end] = 0;
    return GLASS_OK;
}

static glass_status find_bytes(glass_tokenizer *t, const char *name) {
    int n_found = 0;
    for (int byte = 0; byte < 256; byte++) {
        char text[8];
        size_t n;
        if (t->spm) {
            static const char digits[] = "0123456789ABCDEF";
            const char spelled[6] = {'<', '0', 'x', digits[byte >> 4], digits[byte & 15],
                                     '>'};
            memcpy(text, spelled, n = sizeof spelled);
        } else {
            n = utf8_encode(text, tok_char_of((uint8_t)byte));
        }
        int32_t id = tok_table_find(t, text, n);
        /* A user-defined token that looks like a byte's stands for its own characters. */
        if (id >= 0 && t->types[id] != TOK_NORMAL && t->types[id] != TOK_BYTE) id = -1;
        t->byte_ids[byte] = id;
        n_found += id >= 0;
    }
    t->has_bytes = n_found > 0;
    if (!t->spm) {
        if (n_found > 0) return GLASS_OK;
        return fail(GLASS_BAD_INPUT,
                    "%s: a byte-level vocabulary without a token for any single byte",
                    name);
    }
    if (n_found > 0 && n_found < 256)
        return fail(GLASS_BAD_INPUT, "%s: only %d of the 256 byte tokens <0x00> to <0xFF>",
                    name, n_found);
    if (n_found == 0 && t->unk < 0)
        return fail(GLASS_BAD_INPUT, "%s: neither byte tokens nor an unknown token", name);
    if (t->has_bytes)
        for (int byte = 0; byte < 256; byte++) t->types[t->byte_ids[byte]] = TOK_BYTE;
    return GLASS_OK;
}

/* Scores as numbers whose order is the order of merging. */
static glass_status rank_scores(glass_tokenizer *t, const struct tok_source *source) {
    if (source->scores == NULL)
        return fail(GLASS_BAD_INPUT, "%s: a SentencePiece vocabulary without scores",
                    source->name);
    TRY(mem_alloc(&t->priority, (size_t)t->n_vocab, sizeof *t->priority));
    for (int32_t id = 0; id < t->n_vocab; id++) {
        float score = source->scores[id];
        if (score != score)
            return fail(GLASS_BAD_INPUT, "%s: the score of token %d is not a number",
                        source->name, (int)id);
        score += 0.0f; /* -0 becomes +0 */
        uint32_t bits;
        memcpy(&bits, &score, sizeof bits);
        uint32_t ascending = bits >> 31 ? ~bits : bits | 0x80000000u;
        uint8_t type = t->types[id];
        bool merges = type == TOK_NORMAL || type == TOK_USER || type == TOK_UNUSED;
        t->priority[id] = merges ? ~ascending : TOK_NONE;
    }
    return GLASS_OK;
}

static glass_status build_pre(glass_tokenizer *t, const struct tok_source *source) {
    if (source->patterns != NULL)
        return tok_pre_create(&t->pre, "tokenizer.json", source->patterns,
                              source->n_patterns, false);
    const struct tok_pre_name *name = tok_pre_find(source->pre, strlen(source->pre));
    if (name == NULL) {
        struct buf known = {0};
        glass_status status = tok_pre_names(&known);
        if (status == GLASS_OK)
            status =
                fail(GLASS_BAD_INPUT,
                     "%s: unknown pre-tokenizer \"%.64s\" (tokenizer.ggml.pre); known: %s",
                     source->name, source->pre, known.data);
        buf_free(&known);
        return status;
    }
    t->whole_words = t->whole_words || name->whole_words;
    if (source->add_bos < 0 && name->add_bos) t->add_bos = t->bos >= 0;
    return tok_pre_create_named(&t->pre, name);
}

static glass_status build(glass_tokenizer *t, struct tok_source *source) {
    t->spm = source->spm;
    t->add_space = source->add_space;
    t->whole_words = source->whole_words;
    t->nfc = source->nfc;
    t->squeeze = source->squeeze;
    TRY(check_id(source, "BOS", source->bos));
    TRY(check_id(source, "EOS", source->eos));
    TRY(check_id(source, "EOT", source->eot));
    TRY(check_id(source, "EOM", source->eom));
    TRY(check_id(source, "unknown", source->unk));
    t->bos = (int32_t)source->bos;
    t->eos = (int32_t)source->eos;
    t->unk = (int32_t)source->unk;
    for (int i = 0; i < TOK_INFILL_KINDS; i++)
        t->infill[i] =
            source->infill[i] <= source->n_vocab ? (int32_t)source->infill[i] : 0;
    t->add_bos = source->add_bos < 0 ? t->spm && t->bos >= 0 : source->add_bos;
    t->add_eos = source->add_eos > 0;
    if ((t->add_bos && t->bos < 0) || (t->add_eos && t->eos < 0))
        return fail(GLASS_BAD_INPUT,
                    "%s: asks for a %s token in front of text and has none", source->name,
                    t->add_bos && t->bos < 0 ? "BOS" : "EOS");
    for (int32_t id = 0; id < t->n_vocab; id++)
        if (t->pieces[id].len > t->longest) t->longest = t->pieces[id].len;
    TRY(tok_table_build(t, source->name));
    settle_types(t);
    TRY(settle_ends(t, source));
    TRY(find_bytes(t, source->name));
    TRY(tok_specials_build(t));
    if (t->spm) {
        TRY(rank_scores(t, source));
        return tok_cut_build(t);
    }
    TRY(tok_pairs_build(t, source));
    return build_pre(t, source);
}

glass_status tok_build(glass_tokenizer **out, struct tok_source *source) {
    *out = NULL;
    TRY(check_vocabulary(source));
    glass_tokenizer *t;
    TRY(mem_alloc_zero(&t, 1, sizeof *t));
    if (source->types == NULL) {
        glass_status status = mem_alloc(&source->types, (size_t)source->n_vocab, 1);
        if (status != GLASS_OK) {
            mem_free(t);
            return status;
        }
        memset(source->types, TOK_NORMAL, (size_t)source->n_vocab);
    }
    t->n_vocab = (int32_t)source->n_vocab;
    t->text = source->text;
    t->pieces = source->pieces;
    t->types = source->types;
    source->pieces = NULL;
    source->types = NULL;
    glass_status status = build(t, source);
    if (status != GLASS_OK) {
        glass_tokenizer_close(t);
        return status;
    }
    *out = t;
    return GLASS_OK;
}

void tok_source_clear(struct tok_source *source) {
    mem_free(source->pieces);
    mem_free(source->types);
    source->pieces = NULL;
    source->types = NULL;
}

/* A cache pays off once words come again; it takes 4 MiB. Without byte tokens a run of
 * unknown characters is one token even across words, so words cannot be looked at apart. */
static glass_status make_cache(struct tok_work *w, size_t n_bytes) {
    enum { WORTH_BYTES = 4096 };
    w->n_seen += n_bytes;
    if (w->cache != NULL || w->n_seen < WORTH_BYTES || (w->t->spm && !w->t->has_bytes))
        return GLASS_OK;
    return mem_alloc_zero(&w->cache, (size_t)1 << TOK_CACHE_BITS, sizeof *w->cache);
}

static void work_free(struct tok_work *w) {
    if (w == NULL) return;
    mem_free(w->cache);
    mem_free(w->symbols);
    tok_queue_free(&w->queue);
    mem_free(w->escaped);
    tok_pre_match_free(w->match);
    mem_free(w);
}

static glass_status work_take(const glass_tokenizer *t, struct tok_work **out) {
    /* The spares are the one part of a tokenizer that calls change. */
    glass_tokenizer *owner = (glass_tokenizer *)(uintptr_t)t;
    for (int i = 0; i < TOK_SPARES; i++) {
        *out = atomic_exchange_explicit(&owner->spares[i], NULL, memory_order_acquire);
        if (*out != NULL) return GLASS_OK;
    }
    TRY(mem_alloc_zero(out, 1, sizeof **out));
    (*out)->t = t;
    return GLASS_OK;
}

static void work_return(const glass_tokenizer *t, struct tok_work *w) {
    enum { KEEP_SYMBOLS = 1 << 14 };
    glass_tokenizer *owner = (glass_tokenizer *)(uintptr_t)t;
    if (w->n_symbols > KEEP_SYMBOLS || w->n_escaped > KEEP_SYMBOLS) {
        mem_free(w->symbols);
        tok_queue_free(&w->queue);
        mem_free(w->escaped);
        w->symbols = NULL;
        w->escaped = NULL;
        w->n_symbols = w->n_escaped = 0;
    }
    for (int i = 0; i < TOK_SPARES; i++) {
        struct tok_work *none = NULL;
        if (atomic_compare_exchange_strong_explicit(
                &owner->spares[i], &none, w, memory_order_release, memory_order_relaxed))
            return;
    }
    work_free(w);
}

void glass_tokenizer_close(glass_tokenizer *t) {
    if (t == NULL) return;
    for (int i = 0; i < TOK_SPARES; i++) work_free(atomic_load(&t->spares[i]));
    tok_pre_free(t->pre);
    mem_free(t->pieces);
    mem_free(t->types);
    mem_free(t->ends);
    mem_free(t->priority);
    mem_free(t->table.slots);
    mem_free(t->pairs.slots);
    mem_free(t->pairs.results);
    mem_free(t->specials.ids);
    mem_free(t->cut);
    mem_free(t->owned_text);
    gguf_close(t->gguf);
    mem_free(t);
}

static glass_status encode_spm(struct tok_work *w, const char *text, size_t n) {
    size_t ends[TOK_BLOCK], begin = 0, count;
    while ((count = tok_cut_ends(w->t->cut, ends, TOK_BLOCK, text, begin, n)) > 0) {
        TRY(tok_words(w, text, begin, ends, count, text + n));
        begin = ends[count - 1];
    }
    return GLASS_OK;
}

static glass_status emit_word(void *context, const char *word, size_t n_bytes) {
    return tok_words(context, word, 0, &n_bytes, 1, word + n_bytes);
}

static glass_status encode_bpe(struct tok_work *w, const char *text, size_t n) {
    enum tok_scan scan = tok_pre_scan(w->t->pre);
    if (scan == TOK_SCAN_NONE)
        return tok_pre_run(w->t->pre, &w->match, text, n, emit_word, w);
    size_t ends[TOK_BLOCK], begin = 0, count;
    while ((count = tok_scan_ends(scan, ends, TOK_BLOCK, text, begin, n)) > 0) {
        TRY(tok_words(w, text, begin, ends, count, text + n));
        begin = ends[count - 1];
    }
    return GLASS_OK;
}

/* NFC of the stretches that are UTF-8; other bytes stay. */
static glass_status to_nfc(struct buf *out, const char *text, size_t n) {
    for (size_t from = 0; from < n;) {
        size_t at = from, used = 0;
        while (at < n) {
            uint32_t c;
            used = utf8_decode(&c, text + at, n - at);
            if (c == UTF8_BAD) break;
            at += used;
        }
        if (at > from) {
            utf8proc_uint8_t *composed = NULL;
            utf8proc_ssize_t len = utf8proc_map((const utf8proc_uint8_t *)text + from,
                                                (utf8proc_ssize_t)(at - from), &composed,
                                                UTF8PROC_STABLE | UTF8PROC_COMPOSE);
            if (len < 0) return fail_memory(at - from);
            glass_status status = buf_append(out, composed, (size_t)len);
            free(composed);
            TRY(status);
        }
        if (at < n) TRY(buf_append(out, text + at, used));
        from = at < n ? at + used : n;
    }
    return GLASS_OK;
}

/* As SentencePiece does it: a U+2581 in the text counts as a space only at the end. */
static glass_status squeeze(struct buf *out, const char *text, size_t n) {
    for (size_t used = 1; used > 0; n -= used) {
        used = 0;
        if (n > 0 && text[n - 1] == ' ') used = 1;
        if (n >= 3 && memcmp(text + n - 3, "\xe2\x96\x81", 3) == 0) used = 3;
    }
    bool space = false;
    TRY(buf_reserve(out, n));
    for (size_t at = 0; at < n; at++) {
        if (text[at] == ' ') {
            space = true;
            continue;
        }
        if (space && out->len > 0) out->data[out->len++] = ' ';
        space = false;
        out->data[out->len++] = text[at];
    }
    return GLASS_OK;
}

/* What some files ask to be done to text first. */
static glass_status prepare(struct tok_work *w, struct buf *out, const char *text,
                            size_t n) {
    if (w->t->squeeze) return squeeze(out, text, n);
    if (!w->t->spm && w->lead_space) {
        if (text[0] != ' ') TRY(buf_byte(out, ' '));
        w->lead_space = false;
    }
    return w->t->nfc ? to_nfc(out, text, n) : buf_append(out, text, n);
}

/* Text between special tokens. */
static glass_status encode_plain(struct tok_work *w, const char *text, size_t n) {
    const glass_tokenizer *t = w->t;
    struct buf prepared = {0};
    glass_status status = GLASS_OK;
    if (n == 0) return GLASS_OK;
    if (t->squeeze || t->nfc || (w->lead_space && !t->spm)) {
        status = prepare(w, &prepared, text, n);
        text = prepared.data;
        n = prepared.len;
    }
    if (status == GLASS_OK)
        status = t->spm ? encode_spm(w, text, n) : encode_bpe(w, text, n);
    buf_free(&prepared);
    return status;
}

static glass_status encode_parts(struct tok_work *w, const char *text, size_t n,
                                 const glass_span *plain, int64_t n_plain, unsigned flags) {
    const glass_tokenizer *t = w->t;
    bool control = (flags & GLASS_PARSE_SPECIAL) != 0;
    size_t from = 0;
    w->lead_space = t->add_space;
    while (from < n) {
        size_t at = from, next = n;
        while (n_plain > 0 && plain[0].end <= from) {
            plain++;
            n_plain--;
        }
        int32_t id = tok_specials_next(t, text, &at, n, &next, control, plain, n_plain);
        if (id < 0) return encode_plain(w, text + from, n - from);
        TRY(encode_plain(w, text + from, at - from));
        TRY(tok_ids_reserve(w->ids, 1));
        w->ids->data[w->ids->len++] = id;
        w->lead_space = t->add_space;
        from = next;
    }
    return GLASS_OK;
}

static glass_status check_spans(const glass_span *plain, int64_t n_plain, size_t n_bytes) {
    size_t before = 0;
    for (int64_t i = 0; i < n_plain; i++) {
        if (plain[i].begin < before || plain[i].end < plain[i].begin ||
            plain[i].end > n_bytes)
            return fail(GLASS_USAGE, "plain span %lld is out of order or outside the text",
                        (long long)i);
        before = plain[i].end;
    }
    return GLASS_OK;
}

static glass_status encode(const glass_tokenizer *t, struct tok_ids *ids, const char *text,
                           size_t n, const glass_span *plain, int64_t n_plain,
                           unsigned flags) {
    struct tok_work *w;
    TRY(work_take(t, &w));
    w->ids = ids;
    glass_status status = tok_ids_reserve(ids, (int64_t)(n / 3 + 16));
    if (status == GLASS_OK) status = make_cache(w, n);
    if (status == GLASS_OK && t->add_bos && (flags & GLASS_ADD_SPECIAL))
        ids->data[ids->len++] = t->bos;
    if (status == GLASS_OK) status = encode_parts(w, text, n, plain, n_plain, flags);
    if (status == GLASS_OK && t->add_eos && (flags & GLASS_ADD_SPECIAL)) {
        status = tok_ids_reserve(ids, 1);
        if (status == GLASS_OK) ids->data[ids->len++] = t->eos;
    }
    work_return(t, w);
    return status;
}

glass_status glass_tokenizer_encode_spans(const glass_tokenizer *t, int32_t **ids,
                                          int64_t *n_ids, const char *text, size_t n_bytes,
                                          const glass_span *plain, int64_t n_plain,
                                          unsigned flags) {
    *ids = NULL;
    *n_ids = 0;
    if (n_bytes > TOK_TEXT_LIMIT)
        return fail(GLASS_USAGE, "%zu bytes of text in one call; at most %zu are possible",
                    n_bytes, TOK_TEXT_LIMIT);
    TRY(check_spans(plain, n_plain, n_bytes));
    struct tok_ids made = {0};
    glass_status status = encode(t, &made, text, n_bytes, plain, n_plain, flags);
    if (status != GLASS_OK) {
        mem_free(made.data);
        return status;
    }
    *ids = made.data;
    *n_ids = made.len;
    return GLASS_OK;
}

glass_status glass_tokenizer_encode(const glass_tokenizer *t, int32_t **ids, int64_t *n_ids,
                                    const char *text, size_t n_bytes, unsigned flags) {
    return glass_tokenizer_encode_spans(t, ids, n_ids, text, n_bytes, NULL, 0, flags);
}

int64_t glass_tokenizer_n_vocab(const glass_tokenizer *t) {
    return t->n_vocab;
}

const char *glass_tokenizer_piece(const glass_tokenizer *t, int32_t id, size_t *n_bytes) {
    if (id < 0 || id >= t->n_vocab) {
        *n_bytes = 0;
        return NULL;
    }
    *n_bytes = t->pieces[id].len;
    return t->text + t->pieces[id].at;
}

int32_t glass_tokenizer_find(const glass_tokenizer *t, const char *piece, size_t n_bytes) {
    return n_bytes == 0 ? -1 : tok_table_find(t, piece, n_bytes);
}

int32_t glass_tokenizer_bos(const glass_tokenizer *t) {
    return t->bos;
}

int32_t glass_tokenizer_eos(const glass_tokenizer *t) {
    return t->eos;
}

bool glass_tokenizer_adds_bos(const glass_tokenizer *t) {
    return t->add_bos;
}

bool glass_tokenizer_is_end(const glass_tokenizer *t, int32_t id) {
    return id >= 0 && id < t->n_vocab && t->ends[id];
}

bool glass_tokenizer_is_control(const glass_tokenizer *t, int32_t id) {
    return id >= 0 && id < t->n_vocab &&
           (t->types[id] == TOK_CONTROL || t->types[id] == TOK_UNKNOWN);
}

const char *glass_tokenizer_kind(const glass_tokenizer *t) {
    return t->spm ? "spm" : "bpe";
}

const char *glass_tokenizer_pre(const glass_tokenizer *t) {
    return t->spm ? "" : tok_pre_name(t->pre);
}
