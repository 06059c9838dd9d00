/* fuzz_tokenizer.c - libFuzzer target: a hostile vocabulary (GGUF, tokenizer.json with or
 * without tokenizer_config.json, SentencePiece model) is refused, or encodes and decodes
 * any text as it should.
 *
 * Input: two bytes with the length of the text, the text, the file; a NUL ends a
 * tokenizer.json, and what follows is its tokenizer_config.json. */
#include "fuzz_common.h"

static glass_status open_json(glass_tokenizer **out, const char *file, size_t n) {
    const char *end = memchr(file, '\0', n);
    size_t n_json = end == NULL ? n : (size_t)(end - file);
    glass_status status = tok_create_json(out, file, n_json, "fuzz");
    if (status != GLASS_OK || end == NULL) return status;
    status = tok_read_config(*out, end + 1, n - n_json - 1, "fuzz config");
    if (status == GLASS_OK) return GLASS_OK;
    MUST(status == GLASS_BAD_INPUT);
    glass_tokenizer_close(*out);
    *out = NULL;
    return status;
}

static glass_status open_gguf(glass_tokenizer **out, const char *file, size_t n) {
    struct gguf *g;
    *out = NULL;
    glass_status status = gguf_open_memory(&g, file, n, "fuzz");
    if (status != GLASS_OK) return status;
    status = tok_create_gguf(out, g);
    if (status == GLASS_OK)
        (*out)->gguf = g;
    else
        gguf_close(g);
    return status;
}

/* Nothing but merging happens to the text, and there is a token for every byte. */
static bool gives_text_back(const glass_tokenizer *t) {
    if (t->spm || t->nfc || t->squeeze || t->add_space) return false;
    for (int byte = 0; byte < 256; byte++)
        if (t->byte_ids[byte] < 0) return false;
    return true;
}

static void use(const glass_tokenizer *t, const char *text, size_t n, bool any_pattern) {
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
        if (!(flags & GLASS_ADD_SPECIAL) && gives_text_back(t))
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
    glass_tokenizer *t;
    glass_status status;
    bool json = file[0] == '{';
    if (n >= 4 && memcmp(file, "GGUF", 4) == 0)
        status = open_gguf(&t, file, n);
    else if (json)
        status = open_json(&t, file, n);
    else
        status = tok_create_model(&t, file, n, "fuzz");
    MUST((status == GLASS_OK) == (t != NULL));
    MUST(status == GLASS_OK || (status == GLASS_BAD_INPUT && glass_error()[0] != '\0'));
    if (t != NULL) {
        look_around(t);
        use(t, text, n_text, json);
        glass_tokenizer_close(t);
    }
    free(text);
    free(file);
    return 0;
}
