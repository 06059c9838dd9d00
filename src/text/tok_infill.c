/* tok_infill.c - the prompts of infilling: which tokens a vocabulary has for it, and the two
 * orders. */
#include "glass/infill.h"

#include "base/buf.h"
#include "text/tokenizer.h"

#include <string.h>

#define DEEPSEEK(word)                                                                     \
    ("<\xef\xbd\x9c"                                                                       \
     "fim\xe2\x96\x81" word "\xef\xbd\x9c>")

// clang-format off
/* Code Llama; StarCoder, SantaCoder; Qwen, CodeGemma; DeepSeek; Refact and others. */
static const char *const triples[][3] = {
    {"\xe2\x96\x81<PRE>", "\xe2\x96\x81<SUF>", "\xe2\x96\x81<MID>"},
    {"<fim_prefix>", "<fim_suffix>", "<fim_middle>"},
    {"<fim-prefix>", "<fim-suffix>", "<fim-middle>"},
    {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"},
    {DEEPSEEK("begin"), DEEPSEEK("hole"), DEEPSEEK("end")},
    {"<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"},
    {"<|prefix|>", "<|suffix|>", "<|middle|>"},
    {"<PRE>", "<SUF>", "<MID>"}};

/* No part of the text that is missing. */
static const char *const after_middle[] = {
    "<fim_pad>", "<fim-pad>", "<|fim_pad|>", "<PAD>", "<file_sep>", "<|file_sep|>", "<filename>",
    "<repo_name>", "<|repo_name|>", "<reponame>", "<|fim_repo|>", "<fim-repo>", "<REPO>"};
// clang-format on
enum { N_TRIPLES = sizeof triples / sizeof *triples };

static int32_t find(const glass_tokenizer *t, const char *piece) {
    return glass_tokenizer_find(t, piece, strlen(piece));
}

/* Prefix, suffix, middle: what the file says, or the first names of which all three are
 * there. */
static bool find_three(const glass_tokenizer *t, int32_t out[3]) {
    for (int i = 0; i < 3; i++) out[i] = t->infill[i] - 1;
    if (out[0] >= 0 && out[1] >= 0 && out[2] >= 0) return true;
    for (int row = 0; row < N_TRIPLES; row++) {
        for (int i = 0; i < 3; i++) out[i] = find(t, triples[row][i]);
        if (out[0] >= 0 && out[1] >= 0 && out[2] >= 0) return true;
    }
    return false;
}

static glass_status three_of(const glass_tokenizer *t, int32_t out[3]) {
    if (find_three(t, out)) return GLASS_OK;
    return fail(GLASS_BAD_INPUT,
                "this model was not made to fill in text: its vocabulary has none of the "
                "tokens for prefix, suffix and middle (\xe2\x96\x81<PRE>, <fim_prefix>, "
                "<|fim_prefix|>, <\xef\xbd\x9c"
                "fim\xe2\x96\x81"
                "begin\xef\xbd\x9c> and their like)");
}

glass_status glass_infill_check(const glass_tokenizer *t) {
    int32_t ids[3];
    return three_of(t, ids);
}

bool glass_infill_is_end(const glass_tokenizer *t, int32_t id) {
    if (glass_tokenizer_is_end(t, id)) return true;
    if (id < 0 || id >= t->n_vocab) return false;
    for (int i = TOK_INFILL_PAD; i < TOK_INFILL_KINDS; i++)
        if (t->infill[i] - 1 == id) return true;
    if (t->types[id] == TOK_NORMAL) return false; /* HTML may have a piece "<PAD>" */
    for (size_t i = 0; i < sizeof after_middle / sizeof *after_middle; i++)
        if (find(t, after_middle[i]) == id) return true;
    return false;
}

/* The ids of a text that stands in the middle of another: without the space that
 * SentencePiece puts in front. As in Code Llama's own code, a character that nothing merges
 * with holds that place, and its tokens are taken away. */
static glass_status encode_inside(const glass_tokenizer *t, int32_t **ids, int64_t *n,
                                  const char *text, size_t n_bytes) {
    static const char *const guards[] = {"\xe2\x98\xba", "\x01", "\n"};
    enum { N_GUARDS = sizeof guards / sizeof *guards };
    if (n_bytes == 0 || !t->spm) return glass_tokenizer_encode(t, ids, n, text, n_bytes, 0);
    for (int i = 0; i < N_GUARDS; i++) {
        struct buf both = {0};
        int32_t *guard = NULL;
        int64_t n_guard;
        *ids = NULL;
        glass_status status = buf_text(&both, guards[i]);
        if (status == GLASS_OK) status = buf_append(&both, text, n_bytes);
        if (status == GLASS_OK)
            status = glass_tokenizer_encode(t, &guard, &n_guard, guards[i],
                                            strlen(guards[i]), 0);
        if (status == GLASS_OK)
            status = glass_tokenizer_encode(t, ids, n, both.data, both.len, 0);
        /* A merge across the border would have changed the guard's own tokens. */
        bool apart = status == GLASS_OK && *n >= n_guard &&
                     memcmp(*ids, guard, (size_t)n_guard * sizeof *guard) == 0;
        if (apart) {
            *n -= n_guard;
            memmove(*ids, *ids + n_guard, (size_t)*n * sizeof **ids);
        }
        mem_free(guard);
        buf_free(&both);
        if (apart) return GLASS_OK;
        mem_free(*ids);
        *ids = NULL;
        TRY(status);
    }
    return fail(GLASS_BAD_INPUT,
                "a vocabulary in which a smiley, a control character and a "
                "newline merge with what follows");
}

/* Makes both texts fit `room` tokens. */
static void cut(glass_infill *out, int64_t n_prefix, int64_t n_suffix, int64_t room) {
    out->n_prefix = n_prefix;
    out->n_suffix = n_suffix;
    if (room >= n_prefix && n_suffix <= room - n_prefix) return;
    int64_t for_suffix = room / 4;
    if (for_suffix < room - n_prefix) for_suffix = room - n_prefix;
    if (out->n_suffix > for_suffix) out->n_suffix = for_suffix;
    if (out->n_prefix > room - out->n_suffix) out->n_prefix = room - out->n_suffix;
    out->prefix_cut = n_prefix - out->n_prefix;
    out->suffix_cut = n_suffix - out->n_suffix;
}

static void put(glass_infill *out, const int32_t *ids, int64_t n) {
    if (n > 0) memcpy(out->ids + out->n, ids, (size_t)n * sizeof *ids);
    out->n += n;
}

static glass_status arrange(glass_infill *out, const glass_tokenizer *t,
                            const int32_t *prefix, int64_t n_prefix, const int32_t *suffix,
                            int64_t n_suffix, const glass_infill_options *o) {
    int32_t mark[3];
    bool bos = glass_tokenizer_adds_bos(t);
    int64_t n_marks = 3 + bos, room = n_prefix + n_suffix;
    TRY(three_of(t, mark));
    if (o->n_most > 0 && o->n_most < n_marks)
        return fail(GLASS_BAD_INPUT,
                    "a prompt to fill in text has %lld tokens of its own; %lld are allowed",
                    (long long)n_marks, (long long)o->n_most);
    if (o->n_most > 0) room = o->n_most - n_marks;
    cut(out, n_prefix, n_suffix, room);
    TRY(mem_alloc(&out->ids, (size_t)(n_marks + out->n_prefix + out->n_suffix),
                  sizeof *out->ids));
    prefix += out->prefix_cut;
    if (bos) put(out, &(int32_t){glass_tokenizer_bos(t)}, 1);
    put(out, &mark[0], 1);
    if (o->order == GLASS_PSM) put(out, prefix, out->n_prefix);
    put(out, &mark[1], 1);
    put(out, suffix, out->n_suffix);
    put(out, &mark[2], 1);
    if (o->order == GLASS_SPM) put(out, prefix, out->n_prefix);
    return GLASS_OK;
}

glass_status glass_infill_tokens(glass_infill *out, const glass_tokenizer *t,
                                 const char *prefix, size_t n_prefix_bytes,
                                 const char *suffix, size_t n_suffix_bytes,
                                 const glass_infill_options *options) {
    const glass_infill_options usual = {0}, *o = options != NULL ? options : &usual;
    int32_t *before = NULL, *after = NULL;
    int64_t n_before = 0, n_after = 0;
    *out = (glass_infill){0};
    if ((o->order != GLASS_PSM && o->order != GLASS_SPM) || o->n_most < 0)
        return fail(GLASS_USAGE, "infill: order %d, at most %lld tokens", (int)o->order,
                    (long long)o->n_most);
    TRY(glass_infill_check(t));
    glass_status status =
        glass_tokenizer_encode(t, &before, &n_before, prefix, n_prefix_bytes, 0);
    if (status == GLASS_OK)
        status = encode_inside(t, &after, &n_after, suffix, n_suffix_bytes);
    if (status == GLASS_OK) status = arrange(out, t, before, n_before, after, n_after, o);
    mem_free(before);
    mem_free(after);
    if (status != GLASS_OK) glass_infill_clear(out);
    return status;
}

void glass_infill_clear(glass_infill *infill) {
    mem_free(infill->ids);
    *infill = (glass_infill){0};
}
