/* tok_scores.c - the scores of the SentencePiece model that a tokenizer.json was made of.
 *
 * A tokenizer.json has merges only. Where the model lies beside it, a GGUF file can have the
 * scores that it was published with, if they say the same: the model's pieces are the first
 * ones, its pairs are as many as the merges, and the merges come in the order of their
 * pieces' scores. */
#include "text/tok_index.h"

#include <string.h>

static bool same_pieces(const struct tok_source *s, const struct tok_source *model) {
    if (model->n_vocab > s->n_vocab) return false;
    for (int64_t id = 0; id < model->n_vocab; id++) {
        struct tok_piece a = s->pieces[id], b = model->pieces[id];
        if (a.len != b.len || memcmp(s->text + a.at, model->text + b.at, a.len) != 0)
            return false;
    }
    return true;
}

/* Sets *same if the scores of what merges make never rise. */
static glass_status merges_fall(bool *same, const struct tok_source *s,
                                const struct tok_source *model) {
    struct tok_index x;
    struct buf joined = {0};
    int32_t last = -1;
    *same = true;
    TRY(tok_index_build(&x, model));
    glass_status status = GLASS_OK;
    for (int64_t i = 0; *same && i < s->n_merges; i++) {
        struct gguf_string left, right;
        *same = tok_merge_parts(s, i, &left, &right);
        if (!*same) break;
        buf_clear(&joined);
        status = buf_append(&joined, left.text, left.n_bytes);
        if (status == GLASS_OK) status = buf_append(&joined, right.text, right.n_bytes);
        if (status != GLASS_OK) break;
        int32_t id = tok_index_find(&x, joined.data, joined.len);
        *same = id >= 0 && (last < 0 || model->scores[id] <= model->scores[last]);
        last = id;
    }
    buf_free(&joined);
    tok_index_free(&x);
    return status;
}

static glass_status agree(bool *same, const struct tok_source *s,
                          const struct tok_source *model) {
    struct tok_source made = TOK_SOURCE_NONE;
    *same = s->n_merges > 0 && same_pieces(s, model);
    if (!*same) return GLASS_OK;
    glass_status status = tok_spm_merges(&made, model);
    if (status == GLASS_OK) {
        *same = made.n_merges == s->n_merges;
        if (*same) status = merges_fall(same, s, model);
    }
    tok_source_clear(&made);
    return status;
}

static glass_status take(struct tok_source *s, const struct tok_source *model) {
    const float added = -1000; /* as llama.cpp's converter writes it */
    TRY(mem_alloc(&s->scores, (size_t)s->n_vocab, sizeof *s->scores));
    memcpy(s->scores, model->scores, (size_t)model->n_vocab * sizeof *s->scores);
    for (int64_t id = model->n_vocab; id < s->n_vocab; id++) s->scores[id] = added;
    return GLASS_OK;
}

glass_status tok_read_scores(struct tok_source *s, const char *bytes, size_t n_bytes,
                             const char *name) {
    struct tok_source model = TOK_SOURCE_NONE;
    bool same = false;
    if (!s->spm || !s->rules.by_merges || tok_is_tiktoken(bytes, n_bytes)) return GLASS_OK;
    glass_status status = tok_read_model(&model, bytes, n_bytes, name);
    if (status == GLASS_OK && model.n_vocab > 0) status = agree(&same, s, &model);
    if (status == GLASS_OK && same) status = take(s, &model);
    tok_source_clear(&model);
    /* Whatever else is wrong with it: encoding needs none of it. */
    return status == GLASS_NO_MEMORY ? status : GLASS_OK;
}
