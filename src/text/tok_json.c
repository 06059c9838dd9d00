/* tok_json.c - vocabularies in the Hugging Face formats: tokenizer.json, the older pair of
 * vocab.json and merges.txt, and the small files beside them. What a tokenizer.json says of
 * the handling of text is tok_rules.c's. */
#include "text/tok_rules.h"

#include <stdio.h>
#include <string.h>

static glass_status bad(const struct tok_source *s, const char *what) {
    return fail(GLASS_BAD_INPUT, "%s: %s", s->name, what);
}

static glass_status put_text(struct tok_source *s, struct buf *to, struct tok_piece *piece,
                             const char *text, size_t n_bytes) {
    if (n_bytes > UINT32_MAX - to->len) return bad(s, "more than 4 GiB of text");
    *piece = (struct tok_piece){(uint32_t)to->len, (uint32_t)n_bytes};
    return buf_append(to, text, n_bytes);
}

/* Sets a piece, or finds that it is set alike. */
static glass_status put_piece(struct tok_source *s, int64_t id, const char *text,
                              size_t n_bytes) {
    if (id < 0 || id >= s->n_vocab)
        return fail(GLASS_BAD_INPUT, "%s: \"%.64s\" has the id %lld; 0 to %d are possible",
                    s->name, text, (long long)id, TOK_VOCAB_LIMIT - 1);
    struct tok_piece *piece = &s->pieces[id];
    if (piece->len == 0) return put_text(s, &s->text_owner, piece, text, n_bytes);
    if (piece->len == n_bytes && memcmp(s->text_owner.data + piece->at, text, n_bytes) == 0)
        return GLASS_OK;
    return fail(GLASS_BAD_INPUT, "%s: \"%.64s\" has the id %lld, which is another token's",
                s->name, text, (long long)id);
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

static glass_status read_added_list(struct tok_source *s, const json_t *added) {
    size_t i;
    json_t *token;
    json_array_foreach(added, i, token) {
        const json_t *content = json_object_get(token, "content");
        const json_t *id = json_object_get(token, "id");
        if (!json_is_string(content) || !json_is_integer(id))
            return fail(GLASS_BAD_INPUT, "%s: added_tokens[%zu]: no id or no content",
                        s->name, i);
        TRY(put_piece(s, json_integer_value(id), json_string_value(content),
                      json_string_length(content)));
        bool special = tok_json_bool(token, "special", false);
        s->types[json_integer_value(id)] = special ? TOK_CONTROL : TOK_USER;
    }
    return GLASS_OK;
}

/* {"piece": id, …} and, of a tokenizer.json, the list of added tokens. */
static glass_status read_vocabulary(struct tok_source *s, const json_t *vocab,
                                    const json_t *added, const char *path) {
    const char *key;
    json_t *value;
    if (!json_is_object(vocab))
        return fail(GLASS_BAD_INPUT, "%s: %s: no vocabulary", s->name, path);
    int64_t largest = largest_id(vocab, added);
    if (largest >= TOK_VOCAB_LIMIT)
        return fail(GLASS_BAD_INPUT, "%s: a token's id is %lld; 0 to %d are possible",
                    s->name, (long long)largest, TOK_VOCAB_LIMIT - 1);
    s->n_vocab = largest + 1;
    TRY(mem_alloc_zero(&s->pieces, (size_t)s->n_vocab, sizeof *s->pieces));
    TRY(mem_alloc(&s->types, (size_t)s->n_vocab, 1));
    memset(s->types, TOK_NORMAL, (size_t)s->n_vocab);
    TRY(buf_append(&s->text_owner, "", 0));
    json_object_foreach((json_t *)(uintptr_t)vocab, key, value) {
        if (!json_is_integer(value))
            return fail(GLASS_BAD_INPUT, "%s: %s: \"%.64s\" has no id", s->name, path, key);
        TRY(put_piece(s, json_integer_value(value), key, strlen(key)));
    }
    TRY(read_added_list(s, added));
    for (int64_t id = 0; id < s->n_vocab; id++)
        if (s->pieces[id].len == 0) s->types[id] = TOK_UNUSED;
    s->text = s->text_owner.data;
    return GLASS_OK;
}

static glass_status put_merge(struct tok_source *s, int64_t i, const char *left,
                              size_t n_left, const char *right, size_t n_right) {
    struct tok_piece *piece = &s->merges[i];
    TRY(put_text(s, &s->merge_owner, piece, left, n_left));
    TRY(buf_byte(&s->merge_owner, ' '));
    TRY(buf_append(&s->merge_owner, right, n_right));
    if (s->merge_owner.len > UINT32_MAX) return bad(s, "more than 4 GiB of text");
    piece->len = (uint32_t)(n_left + 1 + n_right);
    s->merge_lefts[i] = (uint32_t)n_left;
    return GLASS_OK;
}

static glass_status merges_reserve(struct tok_source *s, size_t n) {
    TRY(mem_resize(&s->merges, n, sizeof *s->merges));
    return mem_resize(&s->merge_lefts, n, sizeof *s->merge_lefts);
}

static glass_status read_merges(struct tok_source *s, const json_t *merges) {
    size_t i;
    json_t *merge;
    if (!json_is_array(merges)) return bad(s, "model.merges: no merges");
    TRY(merges_reserve(s, json_array_size(merges)));
    TRY(buf_append(&s->merge_owner, "", 0));
    json_array_foreach(merges, i, merge) { /* "a b", or ["a", "b"] */
        const json_t *left = json_array_get(merge, 0), *right = json_array_get(merge, 1);
        const char *both = json_string_value(merge);
        const char *space = both == NULL ? NULL : strchr(both, ' ');
        size_t n = json_string_length(merge);
        if (space != NULL && strchr(space + 1, ' ') == NULL)
            TRY(put_merge(s, (int64_t)i, both, (size_t)(space - both), space + 1,
                          n - (size_t)(space - both) - 1));
        else if (json_is_string(left) && json_is_string(right) &&
                 json_array_size(merge) == 2)
            TRY(put_merge(s, (int64_t)i, json_string_value(left), json_string_length(left),
                          json_string_value(right), json_string_length(right)));
        else
            return fail(GLASS_BAD_INPUT, "%s: model.merges[%zu]: not two pieces", s->name,
                        i);
    }
    s->merge_text = s->merge_owner.data;
    s->n_merges = (int64_t)json_array_size(merges);
    return GLASS_OK;
}

static glass_status check_top(const struct tok_source *s, const json_t *root) {
    if (!json_is_object(root)) return bad(s, "not a JSON object");
    /* truncation and padding are how a training run cut its texts; decoder is not encoding. */
    TRY(tok_json_keys(s->name, "", root,
                      "version truncation padding added_tokens normalizer pre_tokenizer "
                      "post_processor decoder model"));
    const json_t *model = json_object_get(root, "model");
    const char *type = tok_json_text(model, "type");
    if (!json_is_object(model)) return bad(s, "no model");
    if (strcmp(type, "BPE") == 0 || (type[0] == '\0' && json_object_get(model, "merges")))
        return GLASS_OK;
    return fail(GLASS_BAD_INPUT,
                "%s: model.type: a vocabulary of type \"%.64s\" is not supported; BPE is",
                s->name, type);
}

static glass_status read_root(struct tok_source *s, const json_t *root) {
    TRY(check_top(s, root));
    const json_t *model = json_object_get(root, "model");
    TRY(read_vocabulary(s, json_object_get(model, "vocab"),
                        json_object_get(root, "added_tokens"), "model.vocab"));
    TRY(read_merges(s, json_object_get(model, "merges")));
    TRY(tok_rules_read(s, root));
    if (s->spm && s->unk >= 0 && s->types[s->unk] == TOK_CONTROL)
        s->types[s->unk] = TOK_UNKNOWN;
    return tok_rules_keep(s, root);
}

glass_status tok_read_json(struct tok_source *s, const char *json, size_t n_bytes,
                           const char *name) {
    json_t *root;
    s->name = name;
    TRY(tok_json_parse(&root, json, n_bytes, name));
    glass_status status = read_root(s, root);
    json_decref(root);
    return status;
}

/* ---- vocab.json and merges.txt */

/* Lines "a b" after a first line "#version: …". */
static glass_status read_merge_lines(struct tok_source *s, const char *text, size_t n) {
    size_t room = 0;
    int64_t line = 0;
    TRY(buf_append(&s->merge_owner, "", 0));
    for (size_t at = 0; at < n;) {
        const char *start = text + at, *newline = memchr(start, '\n', n - at);
        size_t len = newline == NULL ? n - at : (size_t)(newline - start);
        at += len + (newline != NULL);
        line++;
        if (len > 0 && start[len - 1] == '\r') len--;
        if (len == 0 || (len >= 8 && memcmp(start, "#version", 8) == 0)) continue;
        const char *space = memchr(start, ' ', len);
        size_t n_left = space == NULL ? 0 : (size_t)(space - start);
        if (n_left == 0 || memchr(space + 1, ' ', len - n_left - 1) != NULL)
            return fail(GLASS_BAD_INPUT, "%s: merges.txt: line %lld: not two pieces",
                        s->name, (long long)line);
        if ((size_t)s->n_merges == room) {
            room = room == 0 ? 4096 : 2 * room;
            TRY(merges_reserve(s, room));
        }
        TRY(put_merge(s, s->n_merges, start, n_left, space + 1, len - n_left - 1));
        s->n_merges++;
    }
    s->merge_text = s->merge_owner.data;
    return GLASS_OK;
}

glass_status tok_read_vocab(struct tok_source *s, const char *vocab, size_t n_vocab,
                            const char *merges, size_t n_merges, const char *name) {
    json_t *root;
    s->name = name;
    TRY(tok_json_parse(&root, vocab, n_vocab, name));
    glass_status status = read_vocabulary(s, root, NULL, "vocab.json");
    json_decref(root);
    if (status == GLASS_OK) status = read_merge_lines(s, merges, n_merges);
    if (status != GLASS_OK) return status;
    /* GPT-2's: nothing else was published so. */
    static const char end[] = "<|endoftext|>";
    s->types_known = true;
    s->rules.last_merge = true;
    memcpy(s->pre, "gpt-2", sizeof "gpt-2");
    s->add_bos = s->add_eos = 0;
    int64_t id = tok_source_find(s, end, sizeof end - 1);
    if (id >= 0) s->types[id] = TOK_CONTROL;
    return GLASS_OK;
}

/* ---- beside a vocabulary */

/* "bos_token": "<s>", or an object with the text as its content. */
static int64_t token_named(const struct tok_source *s, const json_t *config,
                           const char *key) {
    const json_t *token = json_object_get(config, key);
    if (json_is_object(token)) token = json_object_get(token, "content");
    if (!json_is_string(token)) return -1;
    return tok_source_find(s, json_string_value(token), json_string_length(token));
}

/* What a config calls BOS, EOS or PAD is a control token even where no list of added tokens
 * says so; not a piece that merges make, though. */
static void name_token(struct tok_source *s, int64_t *slot, const json_t *config,
                       const char *key, bool lists_missing) {
    if (*slot < 0) *slot = token_named(s, config, key);
    if (*slot >= 0 && lists_missing && s->types[*slot] == TOK_NORMAL)
        s->types[*slot] = TOK_CONTROL;
}

static glass_status read_config(struct tok_source *s, const json_t *config) {
    const json_t *bos = json_object_get(config, "add_bos_token");
    const json_t *eos = json_object_get(config, "add_eos_token");
    const json_t *legacy = json_object_get(config, "legacy");
    if (!json_is_object(config)) return bad(s, "not a JSON object");
    bool vocab_alone = s->types != NULL && s->flags == NULL && !s->spm;
    name_token(s, &s->bos, config, "bos_token", vocab_alone);
    name_token(s, &s->eos, config, "eos_token", vocab_alone);
    name_token(s, &s->pad, config, "pad_token", vocab_alone);
    /* A post-processor has said already; of a vocabulary without one this is asked. */
    bool said = s->flags != NULL && s->add_bos >= 0;
    if (!said && json_is_boolean(bos)) s->add_bos = json_is_true(bos) && s->bos >= 0;
    if (!said && json_is_boolean(eos)) s->add_eos = json_is_true(eos) && s->eos >= 0;
    /* Only what was made before this key puts a space after special tokens, too. */
    if (s->spm && s->flags == NULL && json_is_false(legacy) &&
        s->rules.lead == TOK_LEAD_ALWAYS)
        s->rules.lead = TOK_LEAD_FIRST;
    return GLASS_OK;
}

glass_status tok_read_config(struct tok_source *s, const char *json, size_t n_bytes,
                             const char *name) {
    json_t *config;
    TRY(tok_json_parse(&config, json, n_bytes, name));
    glass_status status = read_config(s, config);
    json_decref(config);
    return status;
}

/* Room for ids up to n_vocab - 1; the new ones are unused. */
static glass_status grow(struct tok_source *s, int64_t n_vocab) {
    if (n_vocab <= s->n_vocab) return GLASS_OK;
    size_t n = (size_t)n_vocab, n_more = (size_t)(n_vocab - s->n_vocab);
    TRY(mem_resize(&s->pieces, n, sizeof *s->pieces));
    TRY(mem_resize(&s->types, n, 1));
    memset(s->pieces + s->n_vocab, 0, n_more * sizeof *s->pieces);
    memset(s->types + s->n_vocab, TOK_UNUSED, n_more);
    if (s->scores != NULL) {
        TRY(mem_resize(&s->scores, n, sizeof *s->scores));
        for (int64_t id = s->n_vocab; id < n_vocab; id++) s->scores[id] = -1000;
    }
    s->n_vocab = n_vocab;
    return GLASS_OK;
}

static glass_status add_tokens(struct tok_source *s, const json_t *added) {
    const char *text;
    json_t *value;
    if (!json_is_object(added)) return bad(s, "added_tokens.json: not a JSON object");
    int64_t largest = largest_id(added, NULL);
    if (largest >= TOK_VOCAB_LIMIT)
        return fail(GLASS_BAD_INPUT, "%s: a token's id is %lld; 0 to %d are possible",
                    s->name, (long long)largest, TOK_VOCAB_LIMIT - 1);
    TRY(grow(s, largest + 1));
    json_object_foreach((json_t *)(uintptr_t)added, text, value) {
        int64_t id = json_integer_value(value);
        if (!json_is_integer(value))
            return fail(GLASS_BAD_INPUT, "%s: \"%.64s\" has no id", s->name, text);
        bool fresh = id >= 0 && id < s->n_vocab && s->pieces[id].len == 0;
        TRY(put_piece(s, id, text, strlen(text)));
        if (fresh) s->types[id] = TOK_USER;
    }
    s->text = s->text_owner.data;
    return GLASS_OK;
}

glass_status tok_read_added(struct tok_source *s, const char *json, size_t n_bytes,
                            const char *name) {
    json_t *added;
    TRY(tok_json_parse(&added, json, n_bytes, name));
    glass_status status = add_tokens(s, added);
    json_decref(added);
    return status;
}
