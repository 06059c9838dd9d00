/* tokenizer.c - building a tokenizer from what a file says, encoding, and small questions.
 * Decoding is in tok_stream.c. */
#include "text/tokenizer.h"

#include "base/utf8.h"
#include "text/grammar_parts.h"
#include "text/tok_pre.h"

#include <stdatomic.h>
#include <string.h>

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

static void settle_types(glass_tokenizer *t, const struct tok_source *source) {
    if (source->types_known) return;
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
        if (id < 0 || (source->types_known && t->types[id] == TOK_NORMAL)) continue;
        t->ends[id] = 1;
        if (!source->types_known) t->types[id] = TOK_CONTROL;
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
    t->has_bytes = n_found > 0 && (!t->spm || t->rules.byte_fallback);
    if (!t->spm) {
        if (t->rules.byte_fallback && n_found < 256)
            return fail(GLASS_BAD_INPUT,
                        "%s: model.byte_fallback with a byte-level vocabulary that lacks "
                        "bytes is not supported",
                        name);
        if (n_found > 0) return GLASS_OK;
        return fail(GLASS_BAD_INPUT,
                    "%s: a byte-level vocabulary without a token for any single byte",
                    name);
    }
    if (t->has_bytes && n_found < 256)
        return fail(GLASS_BAD_INPUT, "%s: only %d of the 256 byte tokens <0x00> to <0xFF>",
                    name, n_found);
    if (!t->has_bytes && t->unk < 0)
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

static const struct tok_pre_name *pre_name(const struct tok_source *source) {
    if (source->spm || source->has_patterns) return NULL;
    return tok_pre_find(source->pre, strlen(source->pre));
}

bool tok_source_adds_bos(const struct tok_source *source) {
    const struct tok_pre_name *name = pre_name(source);
    if (source->add_bos >= 0) return source->add_bos;
    return source->bos >= 0 && (source->spm || (name != NULL && name->add_bos));
}

bool tok_source_whole_words(const struct tok_source *source) {
    const struct tok_pre_name *name = pre_name(source);
    return source->rules.whole_words || (name != NULL && name->whole_words);
}

static glass_status build_pre(glass_tokenizer *t, const struct tok_source *source) {
    if (source->has_patterns) {
        const char *patterns[TOK_MAX_PATTERNS];
        for (int i = 0; i < source->n_patterns; i++) patterns[i] = source->patterns[i];
        glass_status status = tok_pre_create(&t->pre, "tokenizer.json", patterns,
                                             source->n_patterns, source->drop_gaps, false);
        return status == GLASS_BAD_INPUT ? fail_within(status, "%s", source->name) : status;
    }
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
    return tok_pre_create_named(&t->pre, name);
}

glass_status tok_source_check_ids(const struct tok_source *source) {
    TRY(check_id(source, "BOS", source->bos));
    TRY(check_id(source, "EOS", source->eos));
    TRY(check_id(source, "EOT", source->eot));
    TRY(check_id(source, "EOM", source->eom));
    return check_id(source, "unknown", source->unk);
}

static glass_status build(glass_tokenizer *t, struct tok_source *source) {
    t->spm = source->spm;
    t->rules = source->rules;
    TRY(tok_source_check_ids(source));
    t->bos = (int32_t)source->bos;
    t->eos = (int32_t)source->eos;
    t->unk = (int32_t)source->unk;
    for (int i = 0; i < TOK_INFILL_KINDS; i++)
        t->infill[i] =
            source->infill[i] <= source->n_vocab ? (int32_t)source->infill[i] : 0;
    t->add_bos = tok_source_adds_bos(source);
    t->rules.whole_words = tok_source_whole_words(source);
    t->add_eos = source->add_eos > 0;
    if ((t->add_bos && t->bos < 0) || (t->add_eos && t->eos < 0))
        return fail(GLASS_BAD_INPUT,
                    "%s: asks for a %s token in front of text and has none", source->name,
                    t->add_bos && t->bos < 0 ? "BOS" : "EOS");
    for (int32_t id = 0; id < t->n_vocab; id++)
        if (t->pieces[id].len > t->longest) t->longest = t->pieces[id].len;
    TRY(tok_table_build(t, source->name));
    settle_types(t, source);
    TRY(settle_ends(t, source));
    TRY(find_bytes(t, source->name));
    TRY(tok_normal_build(t));
    TRY(tok_specials_build(t, source));
    if (t->spm && !t->rules.by_merges) {
        TRY(rank_scores(t, source));
        return tok_cut_build(t);
    }
    TRY(tok_pairs_build(t, source));
    if (!t->spm) return build_pre(t, source);
    t->space_id = tok_table_find(t, "\xe2\x96\x81", 3);
    return tok_cut_build(t);
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
    t->owned_text = source->text_owner;
    t->pieces = source->pieces;
    t->types = source->types;
    source->text_owner = (struct buf){0};
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
    buf_free(&source->text_owner);
    mem_free(source->pieces);
    mem_free(source->types);
    mem_free(source->flags);
    mem_free(source->scores);
    buf_free(&source->merge_owner);
    mem_free(source->merges);
    mem_free(source->merge_lefts);
    for (int i = 0; i < source->n_patterns; i++) mem_free(source->patterns[i]);
    buf_free(&source->json_rules);
    *source = (struct tok_source)TOK_SOURCE_NONE;
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
    gram_vocab_free(atomic_load(&t->grammar_vocab));
    tok_pre_free(t->pre);
    mem_free(t->pieces);
    mem_free(t->types);
    mem_free(t->ends);
    mem_free(t->priority);
    mem_free(t->table.slots);
    mem_free(t->pairs.slots);
    mem_free(t->pairs.results);
    tok_specials_clear(&t->specials);
    tok_specials_clear(&t->normal_specials);
    mem_free(t->cut);
    mem_free(t->nfc_stays);
    buf_free(&t->owned_text);
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

static glass_status put_id(struct tok_work *w, int32_t id) {
    TRY(tok_ids_reserve(w->ids, 1));
    w->ids->data[w->ids->len++] = id;
    return GLASS_OK;
}

static bool begins_with_space(const char *text, size_t n) {
    return n > 0 && (text[0] == ' ' || (n >= 3 && memcmp(text, "\xe2\x96\x81", 3) == 0));
}

/* Normalised text between tokens; lead: a space belongs in front of it. */
static glass_status encode_plain(struct tok_work *w, const char *text, size_t n,
                                 bool lead) {
    const glass_tokenizer *t = w->t;
    if (n == 0) return GLASS_OK;
    if (t->spm) {
        w->lead_space = lead && !(t->rules.lead_once && begins_with_space(text, n));
        w->unknown = false;
        int32_t whole =
            t->rules.whole_words ? tok_whole_text(w, text, n, w->lead_space) : -1;
        if (whole >= 0) return put_id(w, whole);
        return encode_spm(w, text, n);
    }
    if (!lead || text[0] == ' ') return encode_bpe(w, text, n);
    struct buf spaced = {0};
    glass_status status = buf_byte(&spaced, ' ');
    if (status == GLASS_OK) status = buf_append(&spaced, text, n);
    if (status == GLASS_OK) status = encode_bpe(w, spaced.data, spaced.len);
    buf_free(&spaced);
    return status;
}

/* What a call of encode looks for in the text. */
struct search {
    const glass_span *plain;
    int64_t n_plain;
    bool control;
};

/* text[from..end), normalised: cut at the tokens that are looked for there. first: it is the
 * text's beginning. */
static glass_status encode_normal(struct tok_work *w, const char *text, size_t from,
                                  size_t end, bool first, struct search s) {
    const glass_tokenizer *t = w->t;
    bool always = t->rules.lead == TOK_LEAD_ALWAYS;
    bool lead = always || (t->rules.lead == TOK_LEAD_FIRST && first);
    if (t->rules.lead_early && t->normal_specials.n > 0) always = lead = false;
    while (from < end) {
        size_t at = from, next = end;
        while (s.n_plain > 0 && s.plain[0].end <= from) {
            s.plain++;
            s.n_plain--;
        }
        int32_t id = tok_specials_next(t, &t->normal_specials, text, &at, end, &next,
                                       s.control, s.plain, s.n_plain);
        if (id < 0) return encode_plain(w, text + from, end - from, lead);
        TRY(encode_plain(w, text + from, at - from, lead));
        TRY(put_id(w, id));
        lead = always;
        from = next;
    }
    return GLASS_OK;
}

/* text[from..end), which holds none of the tokens that are looked for before. */
static glass_status encode_part(struct tok_work *w, const char *text, size_t from,
                                size_t end, struct search s) {
    const glass_tokenizer *t = w->t;
    bool first = from == 0;
    if (from == end) return GLASS_OK;
    if (!tok_normal_needed(t, text + from, end - from))
        return encode_normal(w, text, from, end, first, s);
    struct buf normal = {0};
    glass_span *spans = NULL, *mapped = NULL;
    int64_t n_spans = 0, n = 0;
    while (t->normal_specials.n > 0 && n_spans < s.n_plain && s.plain[n_spans].begin < end)
        n_spans++;
    glass_status status = mem_alloc(&spans, 2 * (size_t)n_spans, sizeof *spans);
    if (status == GLASS_OK) {
        mapped = spans + n_spans;
        for (int64_t i = 0; i < n_spans; i++) {
            glass_span span = s.plain[i];
            if (span.end <= from) continue;
            spans[n++] = (glass_span){span.begin > from ? span.begin - from : 0,
                                      (span.end < end ? span.end : end) - from};
        }
        status =
            tok_normalize(t, &normal, text + from, end - from, first, spans, n, mapped);
    }
    s.plain = mapped;
    s.n_plain = n;
    if (status == GLASS_OK) status = encode_normal(w, normal.data, 0, normal.len, first, s);
    mem_free(spans);
    buf_free(&normal);
    return status;
}

static glass_status encode_parts(struct tok_work *w, const char *text, size_t n,
                                 struct search s) {
    const glass_tokenizer *t = w->t;
    size_t from = 0;
    while (from < n) {
        size_t at = from, next = n;
        while (s.n_plain > 0 && s.plain[0].end <= from) {
            s.plain++;
            s.n_plain--;
        }
        int32_t id = tok_specials_next(t, &t->specials, text, &at, n, &next, s.control,
                                       s.plain, s.n_plain);
        if (id < 0) return encode_part(w, text, from, n, s);
        TRY(encode_part(w, text, from, at, s));
        TRY(put_id(w, id));
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
    struct search s = {plain, n_plain, (flags & GLASS_PARSE_SPECIAL) != 0};
    if (status == GLASS_OK) status = encode_parts(w, text, n, s);
    if (status == GLASS_OK && t->add_eos && (flags & GLASS_ADD_SPECIAL))
        status = put_id(w, t->eos);
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
