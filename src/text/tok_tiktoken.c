/* tok_tiktoken.c - Meta's tokenizer.model of Llama 3: tiktoken's lines of "base64 rank".
 *
 * The file holds the pieces alone; the pattern and the special tokens are in the program that
 * Meta published with it. The pattern is the one called llama-bpe; 256 special tokens follow
 * the last rank. tiktoken joins any two neighbours that make a piece, the least rank first,
 * and leaves a word that is a piece whole. As a list of pairs: each way to cut a piece in two
 * pieces, pieces by rank, in the order of transformers' converter. */
#include "base/utf8.h"
#include "text/tok_index.h"
#include "text/tok_rules.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    RANK_LIMIT = 128000, /* Llama 4 has more, and another pattern */
    PIECE_BYTES = 256,   /* the longest of Llama 3's has 128 */
    CUTS = 8,            /* pairs for each piece; Llama 3's file has 2.2 */
    N_SPECIALS = 256
};

static int sextet(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Writes the bytes of text[0..n), which is base64 with its padding; 0 if it is none, or of
 * more than PIECE_BYTES. */
static size_t decode(uint8_t out[PIECE_BYTES + 2], const char *text, size_t n) {
    size_t n_out = 0, n_pads = 0;
    if (n == 0 || n % 4 != 0 || n / 4 * 3 > PIECE_BYTES + 2) return 0;
    while (n_pads < 2 && text[n - 1 - n_pads] == '=') n_pads++;
    for (size_t i = 0; i < n; i += 4) {
        uint32_t bits = 0;
        for (size_t k = 0; k < 4; k++) {
            int value = i + k < n - n_pads ? sextet(text[i + k]) : 0;
            if (value < 0) return 0;
            bits = bits << 6 | (uint32_t)value;
        }
        out[n_out++] = (uint8_t)(bits >> 16);
        out[n_out++] = (uint8_t)(bits >> 8);
        out[n_out++] = (uint8_t)bits;
    }
    n_out -= n_pads;
    return n_out <= PIECE_BYTES ? n_out : 0;
}

struct line {
    const char *text; /* the base64 part */
    size_t n_text, n; /* n: of the whole line, with its end */
    int64_t rank;     /* -1: this is no such line */
};

static struct line cut_line(const char *text, size_t n) {
    struct line line = {text, 0, n, -1};
    const char *end = memchr(text, '\n', n);
    if (end != NULL) line.n = (size_t)(end - text) + 1;
    size_t at = 0, stop = line.n - (end != NULL);
    if (stop > 0 && text[stop - 1] == '\r') stop--;
    while (at < stop && (sextet(text[at]) >= 0 || text[at] == '=')) at++;
    line.n_text = at;
    if (at == 0 || at == stop || text[at++] != ' ' || at == stop || stop - at > 9)
        return line;
    int64_t rank = 0;
    for (; at < stop; at++) {
        if (text[at] < '0' || text[at] > '9') return line;
        rank = rank * 10 + (text[at] - '0');
    }
    line.rank = rank;
    return line;
}

bool tok_is_tiktoken(const char *bytes, size_t n_bytes) {
    return n_bytes > 0 && cut_line(bytes, n_bytes).rank >= 0;
}

static glass_status put_piece(struct tok_source *s, int64_t id, const char *text,
                              size_t n) {
    s->pieces[id] = (struct tok_piece){(uint32_t)s->text_owner.len, (uint32_t)n};
    TRY(buf_append(&s->text_owner, text, n));
    s->text = s->text_owner.data;
    return GLASS_OK;
}

/* One line's piece, spelled as byte-level vocabularies spell bytes. */
static glass_status read_line(struct tok_source *s, int64_t id, const struct line *line) {
    uint8_t bytes[PIECE_BYTES + 2];
    char spelled[2 * PIECE_BYTES];
    size_t n = 0, n_bytes = line->rank < 0 ? 0 : decode(bytes, line->text, line->n_text);
    if (n_bytes == 0)
        return fail(GLASS_BAD_INPUT,
                    "%s: line %lld: not a piece of 1 to %d bytes in base64 and its rank",
                    s->name, (long long)id + 1, PIECE_BYTES);
    if (line->rank != id)
        return fail(GLASS_BAD_INPUT,
                    "%s: line %lld: the rank is %lld; ranks count lines from 0", s->name,
                    (long long)id + 1, (long long)line->rank);
    for (size_t i = 0; i < n_bytes; i++)
        n += utf8_encode(spelled + n, tok_char_of(bytes[i]));
    return put_piece(s, id, spelled, n);
}

static glass_status read_lines(struct tok_source *s, const char *text, size_t n) {
    int64_t room = 0;
    for (size_t at = 0; at < n;) {
        struct line line = cut_line(text + at, n - at);
        if (s->n_vocab == RANK_LIMIT)
            return fail(GLASS_BAD_INPUT,
                        "%s: more than %d ranks; Llama 3 has so many, and the patterns of "
                        "other files of this kind are not in them",
                        s->name, RANK_LIMIT);
        if (s->n_vocab == room) {
            room = room == 0 ? 1024 : 2 * room;
            TRY(mem_resize(&s->pieces, (size_t)room, sizeof *s->pieces));
        }
        TRY(read_line(s, s->n_vocab, &line));
        s->n_vocab++;
        at += line.n;
    }
    return GLASS_OK;
}

/* A cut of a piece: the ids of both parts. */
struct cut {
    int32_t left, right;
    uint32_t n_left;
};

static int by_ids(const void *a, const void *b) {
    const struct cut *x = a, *y = b;
    if (x->left != y->left) return x->left < y->left ? -1 : 1;
    return x->right < y->right ? -1 : x->right > y->right;
}

static glass_status put_cut(struct tok_source *s, struct tok_piece piece, uint32_t n_left) {
    const char *text = s->text + piece.at;
    s->merges[s->n_merges] =
        (struct tok_piece){(uint32_t)s->merge_owner.len, piece.len + 1};
    s->merge_lefts[s->n_merges++] = n_left;
    TRY(buf_append(&s->merge_owner, text, n_left));
    TRY(buf_byte(&s->merge_owner, ' '));
    return buf_append(&s->merge_owner, text + n_left, piece.len - n_left);
}

static glass_status cut_piece(struct tok_source *s, const struct tok_index *x, int64_t id) {
    struct tok_piece piece = s->pieces[id];
    const char *text = s->text + piece.at;
    struct cut cuts[PIECE_BYTES];
    int n = 0;
    for (uint32_t at = 1; at < piece.len; at++) {
        if (((unsigned char)text[at] & 0xc0) == 0x80) continue; /* inside a character */
        int32_t left = tok_index_find(x, text, at);
        if (left < 0) continue;
        int32_t right = tok_index_find(x, text + at, piece.len - at);
        if (right >= 0) cuts[n++] = (struct cut){left, right, at};
    }
    if (s->n_merges + n > CUTS * s->n_vocab)
        return fail(GLASS_BAD_INPUT,
                    "%s: line %lld: more than %d ways a piece to cut pieces in two",
                    s->name, (long long)id + 1, CUTS);
    qsort(cuts, (size_t)n, sizeof *cuts, by_ids);
    for (int i = 0; i < n; i++) TRY(put_cut(s, piece, cuts[i].n_left));
    return GLASS_OK;
}

static glass_status find_cuts(struct tok_source *s) {
    struct tok_index x;
    size_t room = (size_t)s->n_vocab * CUTS;
    TRY(mem_resize(&s->merges, room, sizeof *s->merges));
    TRY(mem_resize(&s->merge_lefts, room, sizeof *s->merge_lefts));
    TRY(buf_append(&s->merge_owner, "", 0));
    TRY(tok_index_build(&x, s));
    glass_status status = GLASS_OK;
    for (int64_t id = 0; status == GLASS_OK && id < s->n_vocab; id++)
        status = cut_piece(s, &x, id);
    tok_index_free(&x);
    s->merge_text = s->merge_owner.data;
    return status;
}

/* The names of Llama 3; or those of 3.1 and later, whose file is the same. */
static glass_status put_specials(struct tok_source *s, int64_t first, bool later) {
    static const char *const names[] = {
        "<|begin_of_text|>",   "<|end_of_text|>",   NULL, NULL,        NULL, NULL,
        "<|start_header_id|>", "<|end_header_id|>", NULL, "<|eot_id|>"};
    static const char *const later_names[] = {"<|begin_of_text|>",
                                              "<|end_of_text|>",
                                              NULL,
                                              NULL,
                                              "<|finetune_right_pad_id|>",
                                              NULL,
                                              "<|start_header_id|>",
                                              "<|end_header_id|>",
                                              "<|eom_id|>",
                                              "<|eot_id|>",
                                              "<|python_tag|>"};
    int n_names = later ? 11 : 10, n_reserved = 0;
    for (int i = 0; i < N_SPECIALS; i++) {
        char reserved[48];
        const char *name = i >= n_names ? NULL : later ? later_names[i] : names[i];
        if (name == NULL) {
            snprintf(reserved, sizeof reserved, "<|reserved_special_token_%d|>",
                     n_reserved++);
            name = reserved;
        }
        TRY(put_piece(s, first + i, name, strlen(name)));
    }
    s->eom = later ? first + 8 : -1;
    s->pad = later ? first + 4 : -1;
    return GLASS_OK;
}

glass_status tok_read_tiktoken(struct tok_source *s, const char *bytes, size_t n_bytes,
                               const char *name) {
    s->name = name;
    if (n_bytes > UINT32_MAX / 16)
        return fail(GLASS_BAD_INPUT, "%s: %zu bytes are too many", name, n_bytes);
    TRY(buf_append(&s->text_owner, "", 0));
    TRY(read_lines(s, bytes, n_bytes));
    if (s->n_vocab == 0) return fail(GLASS_BAD_INPUT, "%s: no lines", name);
    TRY(find_cuts(s));
    int64_t first = s->n_vocab, n = first + N_SPECIALS;
    TRY(mem_resize(&s->pieces, (size_t)n, sizeof *s->pieces));
    TRY(mem_alloc(&s->types, (size_t)n, 1));
    memset(s->types, TOK_NORMAL, (size_t)first);
    memset(s->types + first, TOK_CONTROL, N_SPECIALS);
    TRY(put_specials(s, first, false));
    s->n_vocab = n;
    s->types_known = true;
    s->bos = first;
    s->eos = first + 1;
    s->eot = first + 9;
    s->add_bos = 1;
    s->add_eos = 0;
    snprintf(s->pre, sizeof s->pre, "llama-bpe");
    return GLASS_OK;
}

glass_status tok_read_params(struct tok_source *s, const char *json, size_t n_bytes,
                             const char *name) {
    json_t *root;
    TRY(tok_json_parse(&root, json, n_bytes, name));
    bool later = tok_json_bool(root, "use_scaled_rope", false);
    json_decref(root);
    return later ? put_specials(s, s->n_vocab - N_SPECIALS, true) : GLASS_OK;
}
