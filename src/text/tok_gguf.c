/* tok_gguf.c - the tokenizer of a GGUF file: keys tokenizer.ggml.* of the specification. */
#include "text/tok_rules.h"

#include <string.h>

#define KEY(name) "tokenizer.ggml." name

static glass_status get_id(const struct gguf *g, const char *key, int64_t *out,
                           int64_t absent) {
    uint64_t value;
    TRY(gguf_get_u64_or(g, key, &value, UINT64_MAX));
    *out = absent;
    /* Some converters write -1 as 4294967295 for "none". */
    if (value == UINT32_MAX)
        *out = -1;
    else if (value != UINT64_MAX)
        *out = value < INT32_MAX ? (int64_t)value : INT32_MAX;
    return GLASS_OK;
}

static glass_status get_flag(const struct gguf *g, const char *key, int *out) {
    bool value;
    *out = -1;
    if (gguf_find(g, key) == NULL) return GLASS_OK;
    TRY(gguf_get_bool_or(g, key, &value, false));
    *out = value;
    return GLASS_OK;
}

/* Where the strings of an array lie, relative to its first byte. */
static glass_status get_pieces(const struct gguf_value *array, struct tok_piece **out) {
    TRY(mem_alloc(out, array->n_items, sizeof **out));
    for (uint64_t i = 0; i < array->n_items; i++) {
        struct gguf_string s = gguf_item_string(array, i);
        (*out)[i] = (struct tok_piece){(uint32_t)(s.text - (const char *)array->data),
                                       (uint32_t)s.n_bytes};
    }
    return GLASS_OK;
}

static glass_status check_count(const struct gguf *g, const char *key,
                                const struct gguf_value *array, int64_t n_vocab) {
    if (array == NULL || array->n_items == (uint64_t)n_vocab) return GLASS_OK;
    return fail(GLASS_BAD_INPUT, "%s: %s has %llu entries for %lld tokens", gguf_path(g),
                key, (unsigned long long)array->n_items, (long long)n_vocab);
}

static glass_status get_types(const struct gguf *g, struct tok_source *s) {
    const struct gguf_value *array;
    TRY(gguf_get_array(g, KEY("token_type"), GGUF_I32, &array));
    TRY(check_count(g, KEY("token_type"), array, s->n_vocab));
    if (array == NULL) return GLASS_OK;
    TRY(mem_alloc(&s->types, (size_t)s->n_vocab, 1));
    for (int64_t id = 0; id < s->n_vocab; id++) {
        int64_t type = gguf_item_int(array, (uint64_t)id);
        /* 0 and numbers to come are "undefined"; tok_build refuses what it is not told. */
        s->types[id] = type >= 0 && type <= TOK_BYTE ? (uint8_t)type : UINT8_MAX;
    }
    return GLASS_OK;
}

static glass_status get_scores(const struct gguf *g, struct tok_source *s) {
    const struct gguf_value *array;
    TRY(gguf_get_array(g, KEY("scores"), GGUF_F32, &array));
    TRY(check_count(g, KEY("scores"), array, s->n_vocab));
    if (array == NULL) return GLASS_OK;
    TRY(mem_alloc(&s->scores, (size_t)s->n_vocab, sizeof *s->scores));
    for (int64_t id = 0; id < s->n_vocab; id++)
        s->scores[id] = (float)gguf_item_float(array, (uint64_t)id);
    return GLASS_OK;
}

static glass_status get_merges(const struct gguf *g, struct tok_source *s) {
    const struct gguf_value *array;
    TRY(gguf_get_array(g, KEY("merges"), GGUF_STRING, &array));
    if (array == NULL)
        return fail(GLASS_BAD_INPUT, "%s: %s is missing", gguf_path(g), KEY("merges"));
    TRY(get_pieces(array, &s->merges));
    s->merge_text = (const char *)array->data;
    s->n_merges = (int64_t)array->n_items;
    return GLASS_OK;
}

/* Files from before the key existed: families whose every model has one pre-tokenizer. */
static glass_status get_pre(const struct gguf *g, char *pre, size_t room) {
    static const struct {
        const char *family, *pre;
    } known[] = {{"gpt2", "gpt-2"},  {"gptneox", "gpt-2"},       {"mpt", "mpt"},
                 {"bloom", "bloom"}, {"starcoder", "starcoder"}, {"falcon", "falcon"}};
    struct gguf_string name, family;
    TRY(gguf_get_string_or(g, KEY("pre"), &name));
    if (name.n_bytes > 0) {
        size_t n = name.n_bytes < room - 1 ? name.n_bytes : room - 1;
        memcpy(pre, name.text, n);
        pre[n] = '\0';
        return GLASS_OK;
    }
    TRY(gguf_get_string_or(g, "general.architecture", &family));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strlen(known[i].family) != family.n_bytes ||
            memcmp(known[i].family, family.text, family.n_bytes) != 0)
            continue;
        memcpy(pre, known[i].pre, strlen(known[i].pre) + 1);
        return GLASS_OK;
    }
    return fail(
        GLASS_BAD_INPUT,
        "%s: %s is missing, and a %.*s model's pre-tokenizer cannot be told without it; "
        "convert the model again with a newer converter",
        gguf_path(g), KEY("pre"), (int)(family.n_bytes < 32 ? family.n_bytes : 32),
        family.n_bytes > 0 ? family.text : "");
}

static glass_status get_kind(const struct gguf *g, struct tok_source *s) {
    struct gguf_string model;
    TRY(gguf_get_string(g, KEY("model"), &model));
    s->spm = model.n_bytes == 5 && memcmp(model.text, "llama", 5) == 0;
    if (s->spm || (model.n_bytes == 4 && memcmp(model.text, "gpt2", 4) == 0))
        return GLASS_OK;
    return fail(GLASS_BAD_INPUT, "%s: tokenizer \"%.*s\" (%s); known: gpt2, llama",
                gguf_path(g), (int)(model.n_bytes < 64 ? model.n_bytes : 64), model.text,
                KEY("model"));
}

/* Of SentencePiece vocabularies the first three tokens are <unk>, <s> and </s> unless the
 * file says otherwise. */
static glass_status get_settings(const struct gguf *g, struct tok_source *s) {
    bool first_three = s->spm && s->n_vocab >= 3;
    TRY(get_id(g, KEY("bos_token_id"), &s->bos, first_three ? 1 : -1));
    TRY(get_id(g, KEY("eos_token_id"), &s->eos, first_three ? 2 : -1));
    TRY(get_id(g, KEY("unknown_token_id"), &s->unk, first_three ? 0 : -1));
    TRY(get_id(g, KEY("eot_token_id"), &s->eot, -1));
    TRY(get_id(g, KEY("eom_token_id"), &s->eom, -1));
    TRY(get_flag(g, KEY("add_bos_token"), &s->add_bos));
    TRY(get_flag(g, KEY("add_eos_token"), &s->add_eos));
    TRY(get_id(g, KEY("padding_token_id"), &s->pad, -1));
    bool add_space;
    TRY(gguf_get_bool_or(g, KEY("add_space_prefix"), &add_space, s->spm));
    /* Some byte-level files say it and mean nothing. */
    s->rules.lead = add_space && s->spm ? TOK_LEAD_ALWAYS : TOK_LEAD_NEVER;
    s->rules.byte_fallback = s->spm;
    if (!s->spm) return GLASS_OK;
    return gguf_get_bool_or(g, KEY("remove_extra_whitespaces"), &s->rules.squeeze, false);
}

/* A file that names a token outside its vocabulary names none: older converters gave Code
 * Llama's ids to models without them. */
static glass_status get_infill(const struct gguf *g, struct tok_source *s) {
    static const char *const keys[TOK_INFILL_KINDS][2] = {
        {KEY("fim_pre_token_id"), KEY("prefix_token_id")},
        {KEY("fim_suf_token_id"), KEY("suffix_token_id")},
        {KEY("fim_mid_token_id"), KEY("middle_token_id")},
        {KEY("fim_pad_token_id"), NULL},
        {KEY("fim_rep_token_id"), NULL},
        {KEY("fim_sep_token_id"), NULL}};
    for (int i = 0; i < TOK_INFILL_KINDS; i++) {
        int64_t id;
        TRY(get_id(g, keys[i][0], &id, -1));
        if (id < 0 && keys[i][1] != NULL) TRY(get_id(g, keys[i][1], &id, -1));
        if (id < s->n_vocab) s->infill[i] = id + 1;
    }
    return GLASS_OK;
}

/* Rules that Glass keeps of a tokenizer.json say more than the keys of the specification:
 * they come first. The keys say BOS and EOS all the same. */
static glass_status get_rules(const struct gguf *g, struct tok_source *s, bool *found) {
    struct gguf_string text;
    json_t *root;
    TRY(gguf_get_string_or(g, TOK_RULES_KEY, &text));
    *found = text.n_bytes > 0;
    if (!*found) return GLASS_OK;
    bool spm = s->spm;
    int64_t bos = s->bos, eos = s->eos;
    int add_bos = s->add_bos, add_eos = s->add_eos;
    TRY(tok_json_parse(&root, text.text, text.n_bytes, s->name));
    s->rules = (struct tok_rules){.lead = TOK_LEAD_NEVER};
    s->bos = s->eos = -1;
    glass_status status = tok_rules_read(s, root);
    json_decref(root);
    if (status != GLASS_OK) return fail_within(status, "%s", TOK_RULES_KEY);
    if (s->spm != spm)
        return fail(GLASS_BAD_INPUT, "%s: %s and %s disagree", s->name, TOK_RULES_KEY,
                    KEY("model"));
    s->bos = bos;
    s->eos = eos;
    if (add_bos >= 0) s->add_bos = add_bos;
    if (add_eos >= 0) s->add_eos = add_eos;
    return buf_append(&s->json_rules, text.text, text.n_bytes);
}

glass_status tok_read_gguf(struct tok_source *s, const struct gguf *g) {
    const struct gguf_value *tokens;
    bool rules;
    s->name = gguf_path(g);
    TRY(get_kind(g, s));
    TRY(gguf_get_array(g, KEY("tokens"), GGUF_STRING, &tokens));
    if (tokens == NULL)
        return fail(GLASS_BAD_INPUT, "%s: %s is missing", s->name, KEY("tokens"));
    if (tokens->n_items > TOK_VOCAB_LIMIT)
        return fail(GLASS_BAD_INPUT,
                    "%s: a vocabulary of %llu tokens; at most %d are possible", s->name,
                    (unsigned long long)tokens->n_items, TOK_VOCAB_LIMIT);
    s->text = (const char *)tokens->data;
    s->n_vocab = (int64_t)tokens->n_items;
    TRY(get_pieces(tokens, &s->pieces));
    TRY(get_types(g, s));
    TRY(get_settings(g, s));
    TRY(get_infill(g, s));
    TRY(get_rules(g, s, &rules));
    if (s->spm) TRY(get_scores(g, s));
    if (s->spm && !rules) return GLASS_OK;
    if (!rules) TRY(get_pre(g, s->pre, sizeof s->pre));
    return get_merges(g, s);
}

glass_status tok_create_gguf(glass_tokenizer **out, const struct gguf *g) {
    struct tok_source source = TOK_SOURCE_NONE;
    *out = NULL;
    glass_status status = tok_read_gguf(&source, g);
    if (status == GLASS_OK) status = tok_build(out, &source);
    tok_source_clear(&source);
    return status;
}
