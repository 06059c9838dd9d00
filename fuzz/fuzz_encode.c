/* fuzz_encode.c - libFuzzer target: any bytes as text, through every kind of pre-tokenizer
 * and both kinds of vocabulary. Encoding never fails, gives the ids of the plain definition
 * of merging, and decoding gives the text back, at once and in a stream.
 *
 * Input: a byte that chooses the vocabulary, one that cuts, then the text. */
#include "fuzz_common.h"

#include "text/tok_pre.h"

/* One for each scanner and each list of patterns; NULL is SentencePiece. */
static const char *const pres[] = {
    "gpt-2",        "smollm",         "llama-bpe",  "qwen2",      "gpt-4o",
    "deepseek-llm", "deepseek-coder", "falcon",     "default",    "bloom",
    "tekken",       "viking",         "seed-coder", "bailingmoe", "laguna",
    "qwen35",       "deepseek-v3",    "minicpm5",   NULL,         NULL};
enum { N_PRES = sizeof pres / sizeof *pres, ORACLE_BYTES = 512 };

static glass_tokenizer *tokenizers[N_PRES];
static struct tok_pre *plain_pres[N_PRES];

static void open_one(size_t k) {
    if (tokenizers[k] != NULL) return;
    tokenizers[k] = fuzz_tokenizer(pres[k], k == N_PRES - 1);
    if (pres[k] == NULL) return;
    const struct tok_pre_name *row = tok_pre_find(pres[k], strlen(pres[k]));
    int n = 0;
    while (row->patterns[n] != NULL) n++;
    MUST(tok_pre_create(&plain_pres[k], pres[k], row->patterns, n, 0, true) == GLASS_OK);
}

/* ---- the definition: the best pair of the whole word, the leftmost of equals, until there
 * is none. Symbols are kept as where they begin in the spelled text. */
struct oracle {
    const glass_tokenizer *t;
    int32_t ids[4 * ORACLE_BYTES];
    int64_t n;
};

static uint32_t pair_order(const glass_tokenizer *t, const char *text, const size_t *begin,
                           const int32_t *ids, size_t i, int32_t *joined) {
    if (t->spm) {
        *joined = tok_table_find(t, text + begin[i], begin[i + 2] - begin[i]);
        return *joined < 0 ? TOK_NONE : t->priority[*joined];
    }
    uint32_t rank = tok_pairs_find(&t->pairs, ids[i], ids[i + 1]);
    if (rank != TOK_NONE) *joined = (int32_t)t->pairs.results[rank];
    return rank;
}

static void merge_all(struct oracle *o, const char *text, size_t *begin, int32_t *ids,
                      size_t n) {
    for (;;) {
        uint32_t best = TOK_NONE;
        size_t at = 0;
        int32_t joined = -1, made = -1;
        for (size_t i = 0; i + 1 < n; i++) {
            uint32_t order = pair_order(o->t, text, begin, ids, i, &joined);
            if (order >= best) continue;
            best = order;
            at = i;
            made = joined;
        }
        if (best == TOK_NONE) break;
        ids[at] = made;
        memmove(ids + at + 1, ids + at + 2, (n - at - 2) * sizeof *ids);
        memmove(begin + at + 1, begin + at + 2, (n - at - 1) * sizeof *begin);
        n--;
    }
    for (size_t i = 0; i < n; i++) {
        if (ids[i] >= 0) {
            o->ids[o->n++] = ids[i];
            continue;
        }
        for (size_t at = begin[i]; at < begin[i + 1]; at++)
            o->ids[o->n++] = o->t->byte_ids[(unsigned char)text[at]];
    }
}

static glass_status oracle_word(void *context, const char *word, size_t n) {
    struct oracle *o = context;
    static size_t begin[ORACLE_BYTES + 2];
    static int32_t ids[ORACLE_BYTES + 2];
    struct buf spelled = {0};
    for (size_t i = 0; i < n; i++) {
        char c[4];
        size_t len = utf8_encode(c, tok_char_of((uint8_t)word[i]));
        MUST(buf_append(&spelled, c, len) == GLASS_OK);
        begin[i] = i;
        ids[i] = o->t->byte_ids[(unsigned char)word[i]];
    }
    begin[n] = n;
    int32_t whole =
        o->t->rules.whole_words ? tok_table_find(o->t, spelled.data, spelled.len) : -1;
    if (whole >= 0 && o->t->types[whole] == TOK_NORMAL)
        o->ids[o->n++] = whole;
    else
        merge_all(o, word, begin, ids, n);
    buf_free(&spelled);
    return GLASS_OK;
}

static void oracle_spm(struct oracle *o, const char *text, size_t n) {
    static size_t begin[ORACLE_BYTES + 3];
    static int32_t ids[ORACLE_BYTES + 3];
    struct buf spelled = {0};
    if (o->t->rules.lead != TOK_LEAD_NEVER)
        MUST(buf_text(&spelled, "\xe2\x96\x81") == GLASS_OK);
    for (size_t i = 0; i < n; i++) {
        if (text[i] == ' ')
            MUST(buf_text(&spelled, "\xe2\x96\x81") == GLASS_OK);
        else
            MUST(buf_byte(&spelled, text[i]) == GLASS_OK);
    }
    size_t count = 0;
    for (size_t at = 0; at < spelled.len; count++) {
        uint32_t c;
        size_t used = utf8_decode(&c, spelled.data + at, spelled.len - at);
        int32_t id = tok_table_find(o->t, spelled.data + at, used);
        begin[count] = at;
        ids[count] = id >= 0 && o->t->priority[id] != TOK_NONE ? id : -1;
        at += used;
    }
    begin[count] = spelled.len;
    merge_all(o, spelled.data, begin, ids, count);
    buf_free(&spelled);
}

/* User-defined tokens cut the text first. */
static void define(struct oracle *o, size_t k, const char *text, size_t n) {
    int32_t user = tok_table_find(o->t, FUZZ_USER, strlen(FUZZ_USER));
    void *match = NULL;
    while (n > 0) {
        const char *found = memmem(text, n, FUZZ_USER, strlen(FUZZ_USER));
        size_t part = found == NULL ? n : (size_t)(found - text);
        if (part > 0 && o->t->spm) oracle_spm(o, text, part);
        if (part > 0 && !o->t->spm)
            MUST(tok_pre_run(plain_pres[k], &match, text, part, oracle_word, o) ==
                 GLASS_OK);
        if (found == NULL) break;
        o->ids[o->n++] = user;
        text = found + strlen(FUZZ_USER);
        n -= part + strlen(FUZZ_USER);
    }
    tok_pre_match_free(match);
}

/* U+2581 is the vocabulary's space and comes back as one. */
static bool same_text(const glass_tokenizer *t, const char *back, size_t n_back,
                      const char *text, size_t n) {
    size_t at = 0;
    for (size_t i = 0; i < n; i++, at++) {
        bool mark = t->spm && n - i >= 3 && memcmp(text + i, "\xe2\x96\x81", 3) == 0;
        if (at >= n_back || back[at] != (mark ? ' ' : text[i])) return false;
        if (mark) i += 2;
    }
    return at == n_back;
}

static void check(size_t k, const char *text, size_t n, unsigned flags,
                  const glass_span *span) {
    const glass_tokenizer *t = tokenizers[k];
    int32_t *ids, *again;
    int64_t n_ids, n_again;
    MUST(glass_tokenizer_encode_spans(t, &ids, &n_ids, text, n, span, span != NULL,
                                      flags) == GLASS_OK);
    MUST(glass_tokenizer_encode_spans(t, &again, &n_again, text, n, span, span != NULL,
                                      flags) == GLASS_OK);
    MUST(n_ids == n_again && memcmp(ids, again, (size_t)n_ids * sizeof *ids) == 0);
    glass_free(again);
    char *back;
    size_t n_back;
    fuzz_check_ids(t, ids, n_ids, flags, &back, &n_back);
    MUST(same_text(t, back, n_back, text, n));
    glass_free(back);
    if (flags == 0 && n <= ORACLE_BYTES) {
        static struct oracle o;
        o.t = t;
        o.n = 0;
        define(&o, k, text, n);
        MUST(o.n == n_ids && memcmp(o.ids, ids, (size_t)n_ids * sizeof *ids) == 0);
    }
    glass_free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    size_t k = data[0] % N_PRES, n = size - 2;
    open_one(k);
    /* A copy of exactly this size, so that reading past the end is seen. */
    char *text = malloc(n + (n == 0));
    MUST(text != NULL);
    memcpy(text, data + 2, n);
    glass_span span = {n * (data[1] & 15) / 16, n};
    span.end = span.begin + (n - span.begin) * (data[1] >> 4) / 15;
    check(k, text, n, 0, NULL);
    check(k, text, n, GLASS_PARSE_SPECIAL, NULL);
    check(k, text, n, GLASS_PARSE_SPECIAL, &span);
    free(text);
    return 0;
}
