/* fuzz_tokenizer.c - libFuzzer target: a hostile vocabulary (GGUF, tokenizer.json with or
 * without tokenizer_config.json, SentencePiece model, tiktoken's lines) is refused, or
 * encodes and decodes any text as it should.
 *
 * Both writers take what was read. Input: two bytes with the length of the text, the text, the
 * file; a NUL ends a tokenizer.json, and what follows is its tokenizer_config.json. */
#include "fuzz_common.h"

#include "text/tok_to_gguf.h"
#include "text/tok_to_json.h"

static glass_status read_json(struct tok_source *s, const char *file, size_t n) {
    const char *end = memchr(file, '\0', n);
    size_t n_json = end == NULL ? n : (size_t)(end - file);
    TRY(tok_read_json(s, file, n_json, "fuzz"));
    return end == NULL ? GLASS_OK
                       : tok_read_config(s, end + 1, n - n_json - 1, "fuzz config");
}

/* A byte 1, vocab.json, a NUL, merges.txt, a NUL, added_tokens.json. */
static glass_status read_pair(struct tok_source *s, const char *file, size_t n) {
    const char *end = memchr(file, '\0', n);
    size_t n_vocab = end == NULL ? n : (size_t)(end - file);
    if (end == NULL) return tok_read_vocab(s, file, n, "", 0, "fuzz");
    const char *merges = end + 1, *more = memchr(merges, '\0', n - n_vocab - 1);
    size_t left = n - n_vocab - 1, n_merges = more == NULL ? left : (size_t)(more - merges);
    TRY(tok_read_vocab(s, file, n_vocab, merges, n_merges, "fuzz"));
    return more == NULL ? GLASS_OK
                        : tok_read_added(s, more + 1, left - n_merges - 1, "fuzz added");
}

/* Both writers write what was read, or say what they cannot; and what they wrote is read. */
static void write_back(const struct tok_source *s, const char *text, size_t n) {
    struct buf json = {0}, config = {0};
    glass_status status = tok_to_json(&json, &config, s, text, n);
    MUST(status == GLASS_OK || status == GLASS_BAD_INPUT);
    struct tok_source again = TOK_SOURCE_NONE;
    if (status == GLASS_OK) {
        status = tok_read_json(&again, json.data, json.len, "written");
        if (status == GLASS_OK)
            status = tok_read_config(&again, config.data, config.len, "written config");
        /* Two pieces may be one text, and merges may be of none: tok_build refuses them. */
        MUST(status == GLASS_OK || status == GLASS_BAD_INPUT);
        fuzz_sink += (uint64_t)again.n_vocab;
    }
    tok_source_clear(&again);
    float *scores;
    MUST(mem_alloc(&scores, (size_t)s->n_vocab, sizeof *scores) == GLASS_OK);
    MUST(tok_to_gguf_scores(scores, s) == GLASS_OK);
    fuzz_read(scores, (size_t)s->n_vocab * sizeof *scores);
    mem_free(scores);
    const char *pre = tok_to_gguf_pre(s);
    if (pre != NULL) fuzz_read(pre, strlen(pre));
    buf_free(&json);
    buf_free(&config);
}

static glass_status read_any(struct tok_source *s, struct gguf **g, const char *file,
                             size_t n) {
    *g = NULL;
    if (n >= 4 && memcmp(file, "GGUF", 4) == 0) {
        TRY(gguf_open_memory(g, file, n, "fuzz"));
        return tok_read_gguf(s, *g);
    }
    if (file[0] == '{') return read_json(s, file, n);
    if (file[0] == '\1') return read_pair(s, file + 1, n - 1);
    if (tok_is_tiktoken(file, n)) return tok_read_tiktoken(s, file, n, "fuzz");
    return tok_read_model(s, file, n, "fuzz");
}

/* Nothing but merging happens to the text, and there is a token for every byte. */
static bool gives_text_back(const glass_tokenizer *t) {
    for (int64_t i = 0; i < t->specials.n; i++)
        if (t->specials.items[i].flags & (TOK_STRIP_LEFT | TOK_STRIP_RIGHT)) return false;
    for (int64_t i = 0; i < t->normal_specials.n; i++)
        if (t->normal_specials.items[i].flags & (TOK_STRIP_LEFT | TOK_STRIP_RIGHT))
            return false;
    const struct tok_rules *rules = &t->rules;
    if (t->spm || rules->nfc || rules->squeeze || rules->lead != TOK_LEAD_NEVER)
        return false;
    for (int byte = 0; byte < 256; byte++)
        if (t->byte_ids[byte] < 0) return false;
    return true;
}

static void use(const glass_tokenizer *t, const char *text, size_t n, bool any_pattern,
                bool drops) {
    for (unsigned flags = 0; flags < 4; flags++) {
        int32_t *ids, *again;
        int64_t n_ids, n_again;
        glass_status status = glass_tokenizer_encode(t, &ids, &n_ids, text, n, flags);
        /* A pattern out of a file may ask for more work than any text is worth. */
        MUST(status == GLASS_OK || (any_pattern && status == GLASS_BAD_INPUT));
        if (status != GLASS_OK) return;
        MUST(glass_tokenizer_encode(t, &again, &n_again, text, n, flags) == GLASS_OK);
        MUST(n_ids == n_again && memcmp(ids, again, (size_t)n_ids * sizeof *ids) == 0);
        char *back;
        size_t n_back;
        fuzz_check_ids(t, ids, n_ids, flags, &back, &n_back);
        if (!(flags & GLASS_ADD_SPECIAL) && !drops && gives_text_back(t))
            MUST(n_back == n && memcmp(back, text, n) == 0);
        glass_free(back);
        glass_free(again);
        glass_free(ids);
    }
}

static void look_around(const glass_tokenizer *t) {
    int32_t n = (int32_t)glass_tokenizer_n_vocab(t);
    MUST(n > 0 && glass_tokenizer_bos(t) < n && glass_tokenizer_eos(t) < n);
    MUST(!glass_tokenizer_adds_bos(t) || glass_tokenizer_bos(t) >= 0);
    for (int32_t id = 0; id < n && id < 4096; id++) {
        size_t n_piece, n_text;
        const char *piece = glass_tokenizer_piece(t, id, &n_piece);
        fuzz_read(piece, n_piece);
        if (n_piece > 0) MUST(glass_tokenizer_find(t, piece, n_piece) == id);
        char *text;
        MUST(glass_tokenizer_decode(t, &text, &n_text, &id, 1, 0) == GLASS_OK);
        fuzz_read(text, n_text);
        glass_free(text);
        fuzz_sink += glass_tokenizer_is_end(t, id) + glass_tokenizer_is_control(t, id);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3) return 0;
    size_t n_text = (size_t)(data[0] | data[1] << 8) % (size - 2), n = size - 2 - n_text;
    const char *from = (const char *)data + 2;
    char *text = malloc(n_text + (n_text == 0)), *file = malloc(n);
    MUST(text != NULL && file != NULL);
    memcpy(text, from, n_text);
    memcpy(file, from + n_text, n);
    glass_tokenizer *t = NULL;
    struct gguf *g;
    struct tok_source s = TOK_SOURCE_NONE;
    glass_status status = read_any(&s, &g, file, n);
    bool any_pattern = s.has_patterns, drops = s.drop_gaps != 0;
    if (status == GLASS_OK && s.n_vocab <= 4096) write_back(&s, text, n_text);
    if (status == GLASS_OK) status = tok_build(&t, &s);
    MUST((status == GLASS_OK) == (t != NULL));
    MUST(status == GLASS_OK || (status == GLASS_BAD_INPUT && glass_error()[0] != '\0'));
    if (t != NULL) {
        look_around(t);
        use(t, text, n_text, any_pattern, drops);
        glass_tokenizer_close(t);
    }
    tok_source_clear(&s);
    gguf_close(g);
    free(text);
    free(file);
    return 0;
}
