/* tok_same.c - whether two vocabularies are the same. */
#include "base/buf.h"
#include "glass/tokenizer.h"

static glass_status differ(const glass_tokenizer *a, const glass_tokenizer *b, int32_t id) {
    struct buf text = {0};
    const glass_tokenizer *const both[] = {a, b};
    glass_status status = GLASS_OK;
    for (int i = 0; i < 2 && status == GLASS_OK; i++) {
        size_t n;
        const char *piece = glass_tokenizer_piece(both[i], id, &n);
        if (i > 0) status = buf_text(&text, " in one and ");
        if (status == GLASS_OK) status = buf_json_string(&text, piece, n < 64 ? n : 64);
    }
    if (status == GLASS_OK)
        status =
            fail(GLASS_BAD_INPUT, "the vocabularies differ: token %d is %s in the other",
                 id, text.data);
    buf_free(&text);
    return status;
}

glass_status glass_tokenizer_same(const glass_tokenizer *a, const glass_tokenizer *b) {
    int64_t n = glass_tokenizer_n_vocab(a), m = glass_tokenizer_n_vocab(b);
    for (int32_t id = 0; id < n && id < m; id++) {
        size_t n_bytes, m_bytes;
        const char *x = glass_tokenizer_piece(a, id, &n_bytes);
        const char *y = glass_tokenizer_piece(b, id, &m_bytes);
        if (n_bytes != m_bytes || memcmp(x, y, n_bytes) != 0) return differ(a, b, id);
    }
    if (n != m)
        return fail(GLASS_BAD_INPUT, "the vocabularies differ: %lld tokens and %lld",
                    (long long)n, (long long)m);
    return GLASS_OK;
}
