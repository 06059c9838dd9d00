/* tok_to_gguf.c - a vocabulary as GGUF keys; see tok_to_gguf.h. */
#include "text/tok_to_gguf.h"

#include "text/tok_index.h"
#include "text/tok_pre.h"
#include "text/tok_rules.h"

#include <stdio.h>
#include <string.h>

#define KEY(name) "tokenizer.ggml." name

const char *tok_to_gguf_pre(const struct tok_source *s) {
    if (s->spm) return "default";
    if (!s->has_patterns) return s->pre;
    const char *patterns[TOK_MAX_PATTERNS];
    for (int i = 0; i < s->n_patterns; i++) patterns[i] = s->patterns[i];
    return tok_pre_name_of(patterns, s->n_patterns, s->drop_gaps, s->rules.whole_words);
}

static glass_status unknown_pre(const struct tok_source *s) {
    struct buf shown = {0};
    glass_status status = buf_text(&shown, "");
    for (int i = 0; status == GLASS_OK && i < s->n_patterns; i++)
        status = buf_printf(&shown, "%s\"%.120s\"", i > 0 ? ", " : "", s->patterns[i]);
    if (status == GLASS_OK)
        status =
            fail(GLASS_BAD_INPUT,
                 "%s: no name of tokenizer.ggml.pre stands for its pre-tokenizer (%s%s); "
                 "a GGUF file could not say it",
                 s->name, shown.data, s->rules.whole_words ? ", ignore_merges" : "");
    buf_free(&shown);
    return status;
}

/* ---- tokens and types */

/* Spells the id of a token that only fills a gap. */
static void name_filler(char out[40], int64_t id) {
    snprintf(out, 40, "[PAD%lld]", (long long)id);
}

static glass_status put_tokens(struct gguf_writer *w, const struct tok_source *s,
                               int64_t n_vocab) {
    enum { FILLER = 40 };
    struct gguf_string *tokens;
    char *fillers = NULL;
    TRY(mem_alloc(&tokens, (size_t)n_vocab, sizeof *tokens));
    glass_status status = mem_alloc(&fillers, (size_t)n_vocab, FILLER);
    for (int64_t id = 0; status == GLASS_OK && id < n_vocab; id++) {
        if (id < s->n_vocab && s->pieces[id].len > 0) {
            tokens[id] =
                (struct gguf_string){s->text + s->pieces[id].at, s->pieces[id].len};
            continue;
        }
        char *filler = fillers + id * FILLER;
        name_filler(filler, id);
        tokens[id] = (struct gguf_string){filler, strlen(filler)};
    }
    if (status == GLASS_OK)
        status = gguf_put_strings(w, KEY("tokens"), tokens, (uint64_t)n_vocab);
    mem_free(tokens);
    mem_free(fillers);
    return status;
}

static int32_t type_of(const struct tok_source *s, int64_t id) {
    if (id >= s->n_vocab || s->pieces[id].len == 0) return TOK_UNUSED;
    int32_t type = s->types == NULL ? TOK_NORMAL : s->types[id];
    bool byte = s->spm && s->rules.byte_fallback && type == TOK_NORMAL &&
                tok_hex_byte(s->text + s->pieces[id].at, s->pieces[id].len) >= 0;
    return byte ? TOK_BYTE : type;
}

static glass_status put_types(struct gguf_writer *w, const struct tok_source *s,
                              int64_t n_vocab) {
    int32_t *types;
    TRY(mem_alloc(&types, (size_t)n_vocab, sizeof *types));
    for (int64_t id = 0; id < n_vocab; id++) types[id] = type_of(s, id);
    glass_status status =
        gguf_put_array(w, KEY("token_type"), GGUF_I32, types, (uint64_t)n_vocab);
    mem_free(types);
    return status;
}

/* ---- scores */

static glass_status rank_results(float *scores, const struct tok_source *s, uint8_t *done) {
    struct tok_index x;
    struct buf joined = {0};
    TRY(tok_index_build(&x, s));
    int64_t n_ranked = 0;
    glass_status status = GLASS_OK;
    for (int64_t i = 0; status == GLASS_OK && i < s->n_merges; i++) {
        struct gguf_string left, right;
        if (!tok_merge_parts(s, i, &left, &right)) continue;
        buf_clear(&joined);
        status = buf_append(&joined, left.text, left.n_bytes);
        if (status == GLASS_OK) status = buf_append(&joined, right.text, right.n_bytes);
        if (status != GLASS_OK) break;
        int32_t id = tok_index_find(&x, joined.data, joined.len);
        if (id < 0 || done[id]) continue;
        done[id] = 1;
        scores[id] = -(float)n_ranked++;
    }
    for (int64_t id = 0; status == GLASS_OK && id < s->n_vocab; id++)
        if (!done[id] && type_of(s, id) == TOK_NORMAL) scores[id] = -(float)n_ranked++;
    buf_free(&joined);
    tok_index_free(&x);
    return status;
}

glass_status tok_to_gguf_scores(float *scores, const struct tok_source *s) {
    uint8_t *done;
    TRY(mem_alloc_zero(&done, (size_t)s->n_vocab, 1));
    for (int64_t id = 0; id < s->n_vocab; id++) scores[id] = 0;
    glass_status status = rank_results(scores, s, done);
    mem_free(done);
    return status;
}

static glass_status put_scores(struct gguf_writer *w, const struct tok_source *s,
                               int64_t n_vocab) {
    const float filler = -10000; /* as llama.cpp's converter writes them */
    float *scores;
    TRY(mem_alloc(&scores, (size_t)n_vocab, sizeof *scores));
    glass_status status = GLASS_OK;
    if (s->scores != NULL)
        memcpy(scores, s->scores, (size_t)s->n_vocab * sizeof *scores);
    else
        status = tok_to_gguf_scores(scores, s);
    for (int64_t id = 0; id < n_vocab; id++)
        if (type_of(s, id) == TOK_UNUSED && (id >= s->n_vocab || s->pieces[id].len == 0))
            scores[id] = filler;
    if (status == GLASS_OK)
        status = gguf_put_array(w, KEY("scores"), GGUF_F32, scores, (uint64_t)n_vocab);
    mem_free(scores);
    return status;
}

/* ---- merges */

static glass_status put_merges(struct gguf_writer *w, const struct tok_source *s) {
    struct gguf_string *merges;
    TRY(mem_alloc(&merges, (size_t)s->n_merges, sizeof *merges));
    glass_status status = GLASS_OK;
    for (int64_t i = 0; status == GLASS_OK && i < s->n_merges; i++) {
        struct gguf_string left, right;
        merges[i] = (struct gguf_string){s->merge_text + s->merges[i].at, s->merges[i].len};
        bool good = tok_merge_parts(s, i, &left, &right) &&
                    memchr(left.text, ' ', left.n_bytes) == NULL &&
                    memchr(right.text, ' ', right.n_bytes) == NULL;
        if (!good)
            status = fail(GLASS_BAD_INPUT,
                          "%s: merge %lld, \"%.*s\", has more than one space, which a GGUF "
                          "file cannot say",
                          s->name, (long long)i,
                          (int)(merges[i].n_bytes < 64 ? merges[i].n_bytes : 64),
                          merges[i].text);
    }
    if (status == GLASS_OK)
        status = gguf_put_strings(w, KEY("merges"), merges, (uint64_t)s->n_merges);
    mem_free(merges);
    return status;
}

static glass_status put_settings(struct gguf_writer *w, const struct tok_source *s) {
    static const char *const names[] = {KEY("bos_token_id"),     KEY("eos_token_id"),
                                        KEY("eot_token_id"),     KEY("eom_token_id"),
                                        KEY("unknown_token_id"), KEY("padding_token_id")};
    const int64_t ids[] = {s->bos, s->eos, s->eot, s->eom, s->unk, s->pad};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (ids[i] >= 0) TRY(gguf_put_int(w, names[i], GGUF_U32, ids[i]));
    TRY(gguf_put_bool(w, KEY("add_bos_token"), tok_source_adds_bos(s)));
    TRY(gguf_put_bool(w, KEY("add_eos_token"), s->add_eos > 0));
    if (s->spm)
        TRY(gguf_put_bool(w, KEY("add_space_prefix"), s->rules.lead != TOK_LEAD_NEVER));
    if (s->rules.squeeze) TRY(gguf_put_bool(w, KEY("remove_extra_whitespaces"), true));
    if (s->json_rules.len == 0) return GLASS_OK;
    return gguf_put_text(w, TOK_RULES_KEY, s->json_rules.data);
}

glass_status tok_to_gguf(struct gguf_writer *w, const struct tok_source *s,
                         const struct tok_to_gguf_options *options) {
    const char *pre = tok_to_gguf_pre(s);
    int64_t n_vocab = options->n_vocab > 0 ? options->n_vocab : s->n_vocab;
    if (s->n_vocab > n_vocab)
        return fail(GLASS_BAD_INPUT, "%s: %lld tokens, but the model has only %lld",
                    s->name, (long long)s->n_vocab, (long long)n_vocab);
    if (n_vocab > TOK_VOCAB_LIMIT)
        return fail(GLASS_BAD_INPUT,
                    "%s: a vocabulary of %lld tokens; at most %d are possible", s->name,
                    (long long)n_vocab, TOK_VOCAB_LIMIT);
    TRY(tok_source_check_ids(s));
    if (pre == NULL && !options->any_pre) return unknown_pre(s);
    if (!s->spm && s->rules.lead != TOK_LEAD_NEVER && !options->any_pre)
        return fail(
            GLASS_BAD_INPUT,
            "%s: pre_tokenizer.add_prefix_space: a GGUF file of a byte-level vocabulary "
            "cannot say it",
            s->name);
    TRY(gguf_put_text(w, KEY("model"), s->spm ? "llama" : "gpt2"));
    if (pre != NULL) TRY(gguf_put_text(w, KEY("pre"), pre));
    TRY(put_tokens(w, s, n_vocab));
    if (s->spm) TRY(put_scores(w, s, n_vocab));
    TRY(put_types(w, s, n_vocab));
    if (!s->spm || s->rules.by_merges) TRY(put_merges(w, s));
    return put_settings(w, s);
}
