/* tok_json.c - byte-level BPE vocabularies from a tokenizer.json (the Hugging Face format).
 *
 * Understood: models of type BPE; pre-tokenizers ByteLevel, Split (isolated) and Digits, alone
 * or in sequence; the normaliser NFC; templates that put one token before or after the text.
 * Anything else in these places would change ids, so it is refused by name. */
#include "base/path.h"
#include "text/tok_pre.h"
#include "text/tokenizer.h"

#include <jansson.h>
#include <string.h>

enum { MAX_PATTERNS = 8 };

struct json_source {
    const char *name;
    json_t *root;
    struct tok_source s;
    struct buf text; /* pieces */
    struct buf merge_text;
    struct tok_piece *merges;
    char *patterns[MAX_PATTERNS];
    bool byte_level; /* seen: nothing may come after it */
};

static glass_status bad(const struct json_source *j, const char *what) {
    return fail(GLASS_BAD_INPUT, "%s: %s", j->name, what);
}

static glass_status unsupported(const struct json_source *j, const char *what,
                                const char *value) {
    return fail(GLASS_BAD_INPUT, "%s: %s \"%.64s\" is not supported", j->name, what, value);
}

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static bool is_true(const json_t *object, const char *key, bool absent) {
    const json_t *value = json_object_get(object, key);
    return json_is_boolean(value) ? json_is_true(value) : absent;
}

static glass_status put_text(struct json_source *j, struct buf *to, struct tok_piece *piece,
                             const char *text, size_t n_bytes) {
    if (n_bytes > UINT32_MAX - to->len) return bad(j, "more than 4 GiB of text");
    *piece = (struct tok_piece){(uint32_t)to->len, (uint32_t)n_bytes};
    return buf_append(to, text, n_bytes);
}

/* Sets a piece, or finds that it is set alike. */
static glass_status put_piece(struct json_source *j, int64_t id, const char *text,
                              size_t n_bytes) {
    if (id < 0 || id >= j->s.n_vocab)
        return fail(GLASS_BAD_INPUT, "%s: \"%.64s\" has the id %lld; 0 to %d are possible",
                    j->name, text, (long long)id, TOK_VOCAB_LIMIT - 1);
    struct tok_piece *piece = &j->s.pieces[id];
    if (piece->len == 0) return put_text(j, &j->text, piece, text, n_bytes);
    if (piece->len == n_bytes && memcmp(j->text.data + piece->at, text, n_bytes) == 0)
        return GLASS_OK;
    return fail(GLASS_BAD_INPUT, "%s: \"%.64s\" has the id %lld, which is another token's",
                j->name, text, (long long)id);
}

static int64_t largest_id(const json_t *vocab, const json_t *added) {
    int64_t largest = -1;
    const char *key;
    json_t *value;
    size_t i;
    json_object_foreach((json_t *)(uintptr_t)vocab, key, value) {
        int64_t id = json_integer_value(value);
        if (id > largest) largest = id;
    }
    json_array_foreach(added, i, value) {
        int64_t id = json_integer_value(json_object_get(value, "id"));
        if (id > largest) largest = id;
    }
    return largest;
}

static glass_status read_added(struct json_source *j, const json_t *added) {
    size_t i;
    json_t *token;
    json_array_foreach(added, i, token) {
        const json_t *content = json_object_get(token, "content");
        const json_t *id = json_object_get(token, "id");
        if (!json_is_string(content) || !json_is_integer(id))
            return bad(j, "an added token without id and content");
        static const char *const flags[] = {"single_word", "lstrip", "rstrip"};
        for (size_t k = 0; k < sizeof flags / sizeof *flags; k++)
            if (is_true(token, flags[k], false))
                return fail(GLASS_BAD_INPUT,
                            "%s: added token \"%.64s\" with %s is not supported", j->name,
                            json_string_value(content), flags[k]);
        TRY(put_piece(j, json_integer_value(id), json_string_value(content),
                      json_string_length(content)));
        j->s.types[json_integer_value(id)] =
            is_true(token, "special", false) ? TOK_CONTROL : TOK_USER;
    }
    return GLASS_OK;
}

static glass_status read_vocabulary(struct json_source *j, const json_t *model) {
    json_t *vocab = json_object_get(model, "vocab"), *value;
    const json_t *added = json_object_get(j->root, "added_tokens");
    const char *key;
    if (!json_is_object(vocab)) return bad(j, "no vocabulary (model.vocab)");
    int64_t largest = largest_id(vocab, added);
    if (largest >= TOK_VOCAB_LIMIT)
        return fail(GLASS_BAD_INPUT, "%s: a token's id is %lld; 0 to %d are possible",
                    j->name, (long long)largest, TOK_VOCAB_LIMIT - 1);
    j->s.n_vocab = largest + 1;
    TRY(mem_alloc_zero(&j->s.pieces, (size_t)j->s.n_vocab, sizeof *j->s.pieces));
    TRY(mem_alloc(&j->s.types, (size_t)j->s.n_vocab, 1));
    memset(j->s.types, TOK_NORMAL, (size_t)j->s.n_vocab);
    json_object_foreach(vocab, key, value) {
        if (!json_is_integer(value)) return bad(j, "a token without an id");
        TRY(put_piece(j, json_integer_value(value), key, strlen(key)));
    }
    TRY(read_added(j, added));
    for (int64_t id = 0; id < j->s.n_vocab; id++)
        if (j->s.pieces[id].len == 0) j->s.types[id] = TOK_UNUSED;
    return GLASS_OK;
}

/* "a b", or ["a", "b"]. */
static glass_status read_merges(struct json_source *j, const json_t *model) {
    const json_t *merges = json_object_get(model, "merges");
    size_t i;
    json_t *merge;
    if (!json_is_array(merges)) return bad(j, "no merges (model.merges)");
    TRY(mem_alloc(&j->merges, json_array_size(merges), sizeof *j->merges));
    json_array_foreach(merges, i, merge) {
        struct tok_piece *piece = &j->merges[i];
        if (json_is_string(merge)) {
            TRY(put_text(j, &j->merge_text, piece, json_string_value(merge),
                         json_string_length(merge)));
            continue;
        }
        const json_t *left = json_array_get(merge, 0), *right = json_array_get(merge, 1);
        if (!json_is_string(left) || !json_is_string(right))
            return fail(GLASS_BAD_INPUT, "%s: merge %zu is not two pieces", j->name, i);
        TRY(put_text(j, &j->merge_text, piece, json_string_value(left),
                     json_string_length(left)));
        TRY(buf_byte(&j->merge_text, ' '));
        TRY(buf_append(&j->merge_text, json_string_value(right),
                       json_string_length(right)));
        piece->len = (uint32_t)(j->merge_text.len - piece->at);
    }
    j->s.merges = j->merges;
    j->s.n_merges = (int64_t)json_array_size(merges);
    return GLASS_OK;
}

static glass_status read_model(struct json_source *j) {
    const json_t *model = json_object_get(j->root, "model");
    if (!json_is_object(model)) return bad(j, "no model");
    const char *type = text_of(model, "type");
    if (strcmp(type, "BPE") != 0 && type[0] != '\0')
        return unsupported(j, "a model of type", type);
    if (is_true(model, "byte_fallback", false))
        return bad(j, "a SentencePiece vocabulary as JSON is not supported; use its "
                      "tokenizer.model or a GGUF file");
    static const char *const affixes[] = {"continuing_subword_prefix",
                                          "end_of_word_suffix"};
    for (size_t i = 0; i < sizeof affixes / sizeof *affixes; i++)
        if (text_of(model, affixes[i])[0] != '\0')
            return unsupported(j, affixes[i], text_of(model, affixes[i]));
    j->s.whole_words = is_true(model, "ignore_merges", false);
    TRY(read_vocabulary(j, model));
    return read_merges(j, model);
}

static glass_status add_pattern(struct json_source *j, const char *pattern) {
    if (j->s.n_patterns == MAX_PATTERNS) return bad(j, "too many pre-tokenizers");
    return mem_copy_text(&j->patterns[j->s.n_patterns++], pattern, strlen(pattern));
}

/* Patterns that leave no gap between matches: dropping the gaps is the same as keeping them. */
static bool covers_text(const char *pattern) {
    return strstr(pattern, "\\p{L}") != NULL && strstr(pattern, "|\\p{N}") != NULL &&
           strstr(pattern, "[^\\s\\p{L}\\p{N}]+") != NULL && strlen(pattern) > 4 &&
           strcmp(pattern + strlen(pattern) - 4, "|\\s+") == 0;
}

static glass_status read_split(struct json_source *j, const json_t *pre) {
    const json_t *pattern = json_object_get(pre, "pattern");
    const char *regex = json_string_value(json_object_get(pattern, "Regex"));
    const char *plain = json_string_value(json_object_get(pattern, "String"));
    const char *behavior = text_of(pre, "behavior");
    bool invert = is_true(pre, "invert", false);
    struct buf quoted = {0};
    if (regex == NULL && plain == NULL) return bad(j, "a Split without a pattern");
    bool keeps_gaps = strcmp(behavior, "Isolated") == 0 && !invert;
    bool has_none =
        strcmp(behavior, "Removed") == 0 && invert && regex != NULL && covers_text(regex);
    if (!keeps_gaps && !has_none) return unsupported(j, "a Split with behavior", behavior);
    if (regex != NULL) return add_pattern(j, regex);
    glass_status status = buf_text(&quoted, "");
    for (const char *p = plain; status == GLASS_OK && *p != '\0'; p++) {
        bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                      (*p >= '0' && *p <= '9') || (unsigned char)*p >= 0x80;
        if (!letter) status = buf_byte(&quoted, '\\');
        if (status == GLASS_OK) status = buf_byte(&quoted, *p);
    }
    if (status == GLASS_OK) status = add_pattern(j, quoted.data);
    buf_free(&quoted);
    return status;
}

static glass_status read_pre(struct json_source *j, const json_t *pre, bool only);

static glass_status read_sequence(struct json_source *j, const json_t *pre) {
    const json_t *list = json_object_get(pre, "pretokenizers");
    size_t i;
    json_t *part;
    if (!json_is_array(list)) return bad(j, "a Sequence without pretokenizers");
    json_array_foreach(list, i, part) {
        if (strcmp(text_of(part, "type"), "Sequence") == 0)
            return bad(j, "a Sequence inside a Sequence is not supported");
        TRY(read_pre(j, part, json_array_size(list) == 1));
    }
    return GLASS_OK;
}

static glass_status read_pre(struct json_source *j, const json_t *pre, bool only) {
    const char *type = text_of(pre, "type");
    if (j->byte_level) return unsupported(j, "after ByteLevel, a pre-tokenizer", type);
    if (strcmp(type, "Sequence") == 0) return read_sequence(j, pre);
    if (strcmp(type, "Split") == 0) return read_split(j, pre);
    if (strcmp(type, "Digits") == 0)
        return add_pattern(j,
                           is_true(pre, "individual_digits", false) ? "\\p{N}" : "\\p{N}+");
    if (strcmp(type, "ByteLevel") != 0) return unsupported(j, "the pre-tokenizer", type);
    j->byte_level = true;
    if (is_true(pre, "add_prefix_space", true)) {
        if (!only)
            return bad(j, "add_prefix_space after other pre-tokenizers is not supported");
        j->s.add_space = true;
    }
    if (!is_true(pre, "use_regex", true)) return GLASS_OK;
    return add_pattern(j, tok_pre_find("gpt-2", 5)->patterns[0]);
}

static glass_status read_normalizer(struct json_source *j, const json_t *normalizer) {
    const char *type = text_of(normalizer, "type");
    if (normalizer == NULL || json_is_null(normalizer)) return GLASS_OK;
    if (strcmp(type, "NFC") == 0) {
        j->s.nfc = true;
        return GLASS_OK;
    }
    const json_t *list = json_object_get(normalizer, "normalizers");
    if (strcmp(type, "Sequence") != 0 || json_array_size(list) > 1)
        return unsupported(j, "the normalizer", type);
    return read_normalizer(j, json_array_get(list, 0));
}

static int64_t find_piece(const struct json_source *j, const char *text) {
    size_t n = strlen(text);
    for (int64_t id = 0; n > 0 && id < j->s.n_vocab; id++)
        if (j->s.pieces[id].len == n &&
            memcmp(j->text.data + j->s.pieces[id].at, text, n) == 0)
            return id;
    return -1;
}

/* [{"SpecialToken": {"id": "<s>"}}, {"Sequence": …}, …] */
static glass_status read_template(struct json_source *j, const json_t *post) {
    const json_t *single = json_object_get(post, "single");
    bool after = false;
    size_t i;
    json_t *part;
    json_array_foreach(single, i, part) {
        const json_t *special = json_object_get(part, "SpecialToken");
        if (special == NULL) {
            after = true;
            continue;
        }
        int64_t id = find_piece(j, text_of(special, "id"));
        int64_t *slot = after ? &j->s.eos : &j->s.bos;
        if (id < 0 || *slot >= 0)
            return unsupported(j, "the template token", text_of(special, "id"));
        *slot = id;
        if (after)
            j->s.add_eos = 1;
        else
            j->s.add_bos = 1;
    }
    return GLASS_OK;
}

static glass_status read_post(struct json_source *j, const json_t *post) {
    const char *type = text_of(post, "type");
    if (post == NULL || json_is_null(post) || strcmp(type, "ByteLevel") == 0)
        return GLASS_OK;
    if (strcmp(type, "TemplateProcessing") == 0) return read_template(j, post);
    if (strcmp(type, "Sequence") != 0) return unsupported(j, "the post-processor", type);
    size_t i;
    json_t *part;
    json_array_foreach(json_object_get(post, "processors"), i, part) {
        if (strcmp(text_of(part, "type"), "Sequence") == 0)
            return unsupported(j, "nested", "Sequence");
        TRY(read_post(j, part));
    }
    return GLASS_OK;
}

static glass_status read_all(struct json_source *j) {
    j->s.add_bos = j->s.add_eos = 0;
    j->s.bos = j->s.eos = j->s.eot = j->s.eom = j->s.unk = -1;
    TRY(read_model(j));
    TRY(read_pre(j, json_object_get(j->root, "pre_tokenizer"), true));
    if (!j->byte_level)
        return bad(j, "the vocabulary is not byte-level; only that is supported");
    TRY(read_normalizer(j, json_object_get(j->root, "normalizer")));
    TRY(read_post(j, json_object_get(j->root, "post_processor")));
    TRY(buf_append(&j->text, "", 0));
    TRY(buf_append(&j->merge_text, "", 0));
    j->s.text = j->text.data;
    j->s.merge_text = j->merge_text.data;
    j->s.patterns = (const char *const *)j->patterns;
    return GLASS_OK;
}

static glass_status parse(json_t **out, const char *json, size_t n_bytes,
                          const char *name) {
    json_error_t error;
    *out = json_loadb(json, n_bytes, JSON_ALLOW_NUL, &error);
    if (*out != NULL) return GLASS_OK;
    return fail(GLASS_BAD_INPUT, "%s: line %d: %s", name, error.line, error.text);
}

glass_status tok_create_json(glass_tokenizer **out, const char *json, size_t n_bytes,
                             const char *name) {
    struct json_source j = {.name = name, .s.name = name};
    *out = NULL;
    glass_status status = parse(&j.root, json, n_bytes, name);
    if (status == GLASS_OK) status = read_all(&j);
    if (status == GLASS_OK) status = tok_build(out, &j.s);
    if (status == GLASS_OK) {
        (*out)->owned_text = j.text.data;
        j.text = (struct buf){0};
    }
    json_decref(j.root);
    buf_free(&j.text);
    buf_free(&j.merge_text);
    mem_free(j.merges);
    for (int i = 0; i < MAX_PATTERNS; i++) mem_free(j.patterns[i]);
    tok_source_clear(&j.s);
    return status;
}

/* "bos_token": "<s>", or an object with the text as its content. */
static int32_t token_named(const glass_tokenizer *t, const json_t *config,
                           const char *key) {
    const json_t *token = json_object_get(config, key);
    if (json_is_object(token)) token = json_object_get(token, "content");
    if (!json_is_string(token)) return -1;
    return glass_tokenizer_find(t, json_string_value(token), json_string_length(token));
}

glass_status tok_read_config(glass_tokenizer *t, const char *json, size_t n_bytes,
                             const char *name) {
    json_t *config;
    TRY(parse(&config, json, n_bytes, name));
    if (t->bos < 0) t->bos = token_named(t, config, "bos_token");
    if (t->eos < 0) t->eos = token_named(t, config, "eos_token");
    if (t->eos >= 0) t->ends[t->eos] = 1;
    json_decref(config);
    return GLASS_OK;
}
