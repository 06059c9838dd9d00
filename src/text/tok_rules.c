/* tok_rules.c - what a tokenizer.json asks to be done to text; see tok_rules.h. */
#include "text/tok_rules.h"

#include "text/tok_pre.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 128, DEEPEST = 8 };

/* Where in the file: "pre_tokenizer.pretokenizers[1]". */
struct place {
    char path[PATH_BYTES];
    int depth;
};

struct reading {
    struct tok_source *s;
    bool byte_level, metaspace; /* pre-tokenizers seen */
    bool replaces, prepends;    /* normalisers seen */
    int squeezes;               /* of tok_squeeze_patterns */
};

static const char mark[] = "\xe2\x96\x81"; /* U+2581 */

glass_status tok_json_parse(json_t **out, const char *json, size_t n_bytes,
                            const char *name) {
    json_error_t error;
    *out = json_loadb(json, n_bytes, JSON_ALLOW_NUL, &error);
    if (*out != NULL) return GLASS_OK;
    return fail(GLASS_BAD_INPUT, "%s: line %d: %s", name, error.line, error.text);
}

const char *tok_json_text(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

bool tok_json_bool(const json_t *object, const char *key, bool absent) {
    const json_t *value = json_object_get(object, key);
    return json_is_boolean(value) ? json_is_true(value) : absent;
}

static bool is_known(const char *known, const char *key) {
    size_t n = strlen(key);
    for (const char *p = known; *p != '\0';) {
        size_t len = strcspn(p, " ");
        if (len == n && memcmp(p, key, n) == 0) return true;
        p += len + strspn(p + len, " ");
    }
    return false;
}

glass_status tok_json_keys(const char *name, const char *path, const json_t *object,
                           const char *known) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        if (json_is_null(value) || is_known(known, key)) continue;
        return fail(GLASS_BAD_INPUT,
                    "%s: %s%s%.64s is not known, and may change how text is encoded", name,
                    path, path[0] == '\0' ? "" : ".", key);
    }
    return GLASS_OK;
}

int64_t tok_source_find(const struct tok_source *s, const char *text, size_t n) {
    for (int64_t id = 0; n > 0 && id < s->n_vocab; id++)
        if (s->pieces[id].len == n && memcmp(s->text + s->pieces[id].at, text, n) == 0)
            return id;
    return -1;
}

static glass_status bad(const struct reading *r, const char *path, const char *what) {
    return fail(GLASS_BAD_INPUT, "%s: %s: %s", r->s->name, path, what);
}

static glass_status unsupported(const struct reading *r, const char *path, const char *key,
                                const char *value) {
    return fail(GLASS_BAD_INPUT, "%s: %s.%s: \"%.64s\" is not supported", r->s->name, path,
                key, value);
}

static struct place inside(const struct place *outer, const char *list, size_t i) {
    struct place p = {.depth = outer->depth + 1};
    snprintf(p.path, sizeof p.path, "%.80s.%s[%zu]", outer->path, list, i);
    return p;
}

static glass_status keys(const struct reading *r, const char *path, const json_t *object,
                         const char *known) {
    return tok_json_keys(r->s->name, path, object, known);
}

/* ---- normalizer */

const struct tok_squeeze tok_squeeze_steps[TOK_SQUEEZE_STEPS] = {
    {"\\A +", ""}, {"[ \xe2\x96\x81]+\\z", ""}, {" {2,}", " "}};

/* One of the three, in their order and before all else. */
static bool reads_squeeze(struct reading *r, const json_t *n) {
    if (r->squeezes == TOK_SQUEEZE_STEPS || r->replaces || r->prepends || r->s->rules.nfc)
        return false;
    const struct tok_squeeze *step = &tok_squeeze_steps[r->squeezes];
    const char *regex = tok_json_text(json_object_get(n, "pattern"), "Regex");
    const char *content = json_string_value(json_object_get(n, "content"));
    if (strcmp(regex, step->regex) != 0 || content == NULL ||
        strcmp(content, step->content) != 0)
        return false;
    r->squeezes++;
    return true;
}

static glass_status read_replace(struct reading *r, const struct place *at,
                                 const json_t *n) {
    const json_t *pattern = json_object_get(n, "pattern");
    TRY(keys(r, at->path, n, "type pattern content"));
    if (reads_squeeze(r, n)) return GLASS_OK;
    if (strcmp(tok_json_text(pattern, "String"), " ") != 0 ||
        strcmp(tok_json_text(n, "content"), mark) != 0)
        return bad(r, at->path, "a Replace other than of \" \" by U+2581 is not supported");
    r->replaces = true;
    return GLASS_OK;
}

static glass_status read_prepend(struct reading *r, const struct place *at,
                                 const json_t *n) {
    const char *text = tok_json_text(n, "prepend");
    TRY(keys(r, at->path, n, "type prepend"));
    bool space = strcmp(text, mark) == 0 || (strcmp(text, " ") == 0 && !r->replaces);
    if (!space || r->prepends) return unsupported(r, at->path, "prepend", text);
    r->prepends = true;
    return GLASS_OK;
}

static glass_status read_normalizer(struct reading *r, const struct place *at,
                                    const json_t *n) {
    if (n == NULL || json_is_null(n)) return GLASS_OK;
    const char *type = tok_json_text(n, "type");
    if (strcmp(type, "NFC") == 0) {
        r->s->rules.nfc = true;
        return keys(r, at->path, n, "type");
    }
    if (strcmp(type, "Replace") == 0) return read_replace(r, at, n);
    if (strcmp(type, "Prepend") == 0) return read_prepend(r, at, n);
    const json_t *list = json_object_get(n, "normalizers");
    if (strcmp(type, "Sequence") != 0) return unsupported(r, at->path, "type", type);
    if (!json_is_array(list) || at->depth == DEEPEST)
        return bad(r, at->path, "a Sequence without normalizers, or too deep");
    TRY(keys(r, at->path, n, "type normalizers"));
    size_t i;
    json_t *part;
    json_array_foreach(list, i, part) {
        struct place next = inside(at, "normalizers", i);
        TRY(read_normalizer(r, &next, part));
    }
    return GLASS_OK;
}

/* ---- pre_tokenizer */

static glass_status add_pattern(struct reading *r, const struct place *at,
                                const char *pattern, bool drop_gaps) {
    struct tok_source *s = r->s;
    if (s->n_patterns == TOK_MAX_PATTERNS)
        return bad(r, at->path, "too many pre-tokenizers");
    if (drop_gaps) s->drop_gaps |= 1 << s->n_patterns;
    TRY(mem_copy_text(&s->patterns[s->n_patterns], pattern, strlen(pattern)));
    s->n_patterns++;
    return GLASS_OK;
}

/* A text as a pattern that matches just it. */
static glass_status quote(struct buf *out, const char *text) {
    TRY(buf_text(out, ""));
    for (const char *p = text; *p != '\0'; p++) {
        bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                      (*p >= '0' && *p <= '9') || (unsigned char)*p >= 0x80;
        if (!letter) TRY(buf_byte(out, '\\'));
        TRY(buf_byte(out, *p));
    }
    return GLASS_OK;
}

/* Isolated keeps matches and gaps as pieces; Removed keeps one of them. */
static glass_status read_split(struct reading *r, const struct place *at,
                               const json_t *pre) {
    const json_t *pattern = json_object_get(pre, "pattern");
    const char *regex = json_string_value(json_object_get(pattern, "Regex"));
    const char *plain = json_string_value(json_object_get(pattern, "String"));
    const char *behavior = tok_json_text(pre, "behavior");
    bool invert = tok_json_bool(pre, "invert", false);
    struct buf quoted = {0};
    TRY(keys(r, at->path, pre, "type pattern behavior invert"));
    if (regex == NULL && plain == NULL)
        return bad(r, at->path, "a Split without a pattern");
    /* Where the normaliser replaced all spaces, a split at spaces does nothing (Gemma). */
    if (plain != NULL && strcmp(plain, " ") == 0 && r->replaces) return GLASS_OK;
    bool removes_gaps = strcmp(behavior, "Removed") == 0 && invert;
    if (strcmp(behavior, "Isolated") != 0 && !removes_gaps)
        return unsupported(r, at->path, "behavior", behavior);
    if (regex != NULL) return add_pattern(r, at, regex, removes_gaps);
    glass_status status = quote(&quoted, plain);
    if (status == GLASS_OK) status = add_pattern(r, at, quoted.data, removes_gaps);
    buf_free(&quoted);
    return status;
}

static glass_status read_byte_level(struct reading *r, const struct place *at,
                                    const json_t *pre, bool only) {
    TRY(keys(r, at->path, pre, "type add_prefix_space trim_offsets use_regex"));
    r->byte_level = true;
    if (tok_json_bool(pre, "add_prefix_space", true)) {
        if (!only)
            return bad(r, at->path,
                       "add_prefix_space after other pre-tokenizers is not supported");
        r->s->rules.lead = TOK_LEAD_ALWAYS;
        r->s->rules.lead_once = true;
    }
    if (!tok_json_bool(pre, "use_regex", true)) return GLASS_OK;
    return add_pattern(r, at, tok_pre_find("gpt-2", 5)->patterns[0], false);
}

static glass_status read_metaspace(struct reading *r, const struct place *at,
                                   const json_t *pre) {
    static const char *const schemes[] = {"never", "always", "first"};
    struct tok_rules *rules = &r->s->rules;
    TRY(keys(r, at->path, pre,
             "type replacement prepend_scheme split add_prefix_space str_rep"));
    if (strcmp(tok_json_text(pre, "replacement"), mark) != 0)
        return unsupported(r, at->path, "replacement", tok_json_text(pre, "replacement"));
    const char *scheme = tok_json_text(pre, "prepend_scheme");
    if (scheme[0] == '\0')
        scheme = tok_json_bool(pre, "add_prefix_space", true) ? "always" : "never";
    int lead = 0;
    while (lead < 3 && strcmp(scheme, schemes[lead]) != 0) lead++;
    if (lead == 3) return unsupported(r, at->path, "prepend_scheme", scheme);
    if (lead != 0 && !tok_json_bool(pre, "add_prefix_space", true))
        return bad(r, at->path, "add_prefix_space and prepend_scheme disagree");
    if (r->metaspace) return bad(r, at->path, "two of type Metaspace are not supported");
    r->metaspace = true;
    rules->lead = lead == 0 ? TOK_LEAD_NEVER : lead == 1 ? TOK_LEAD_ALWAYS : TOK_LEAD_FIRST;
    rules->lead_once = true;
    rules->split_words = tok_json_bool(pre, "split", true);
    return GLASS_OK;
}

static glass_status read_pre(struct reading *r, const struct place *at, const json_t *pre,
                             bool only) {
    if (pre == NULL || json_is_null(pre)) return GLASS_OK;
    const char *type = tok_json_text(pre, "type");
    if (strcmp(type, "Sequence") == 0) {
        const json_t *list = json_object_get(pre, "pretokenizers");
        size_t i;
        json_t *part;
        TRY(keys(r, at->path, pre, "type pretokenizers"));
        if (!json_is_array(list) || at->depth == DEEPEST)
            return bad(r, at->path, "a Sequence without pretokenizers, or too deep");
        json_array_foreach(list, i, part) {
            struct place next = inside(at, "pretokenizers", i);
            TRY(read_pre(r, &next, part, only && json_array_size(list) == 1));
        }
        return GLASS_OK;
    }
    if (r->byte_level || r->metaspace)
        return unsupported(r, at->path, "type",
                           r->byte_level ? "after ByteLevel" : "after Metaspace");
    if (strcmp(type, "Split") == 0) return read_split(r, at, pre);
    if (strcmp(type, "ByteLevel") == 0) return read_byte_level(r, at, pre, only);
    if (strcmp(type, "Metaspace") == 0) return read_metaspace(r, at, pre);
    if (strcmp(type, "Digits") != 0) return unsupported(r, at->path, "type", type);
    TRY(keys(r, at->path, pre, "type individual_digits"));
    bool single = tok_json_bool(pre, "individual_digits", false);
    return add_pattern(r, at, single ? "\\p{N}" : "\\p{N}+", false);
}

/* ---- post_processor */

/* {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}: what a template's token stands for. */
static int64_t template_id(const struct reading *r, const json_t *post, const char *text) {
    const json_t *ids = json_object_get(
        json_object_get(json_object_get(post, "special_tokens"), text), "ids");
    const json_t *id = json_array_get(ids, 0);
    if (json_array_size(ids) == 1 && json_is_integer(id)) {
        int64_t value = json_integer_value(id);
        return value >= 0 && value < r->s->n_vocab ? value : -1;
    }
    return ids == NULL ? tok_source_find(r->s, text, strlen(text)) : -1;
}

/* [{"SpecialToken": {"id": "<s>"}}, {"Sequence": …}, …] */
static glass_status read_template(struct reading *r, const struct place *at,
                                  const json_t *post) {
    const json_t *single = json_object_get(post, "single");
    bool after = false;
    size_t i;
    json_t *part;
    TRY(keys(r, at->path, post, "type single pair special_tokens"));
    if (!json_is_array(single)) return bad(r, at->path, "no template (single)");
    json_array_foreach(single, i, part) {
        const json_t *special = json_object_get(part, "SpecialToken");
        const char *text = tok_json_text(special, "id");
        if (special == NULL) {
            if (after || json_object_get(part, "Sequence") == NULL)
                return bad(r, at->path, "a template that is not one text is not supported");
            after = true;
            continue;
        }
        int64_t id = template_id(r, post, text);
        int64_t *slot = after ? &r->s->eos : &r->s->bos;
        if (id < 0 || *slot >= 0) return unsupported(r, at->path, "single", text);
        *slot = id;
        if (after)
            r->s->add_eos = 1;
        else
            r->s->add_bos = 1;
    }
    return after ? GLASS_OK : bad(r, at->path, "a template without a text");
}

static glass_status read_post(struct reading *r, const struct place *at,
                              const json_t *post) {
    if (post == NULL || json_is_null(post)) return GLASS_OK;
    const char *type = tok_json_text(post, "type");
    /* It says BOS and EOS, even if only by not having any. */
    if (r->s->add_bos < 0) r->s->add_bos = 0;
    if (r->s->add_eos < 0) r->s->add_eos = 0;
    if (strcmp(type, "ByteLevel") == 0)
        return keys(r, at->path, post, "type add_prefix_space trim_offsets use_regex");
    if (strcmp(type, "TemplateProcessing") == 0) return read_template(r, at, post);
    if (strcmp(type, "Sequence") != 0) return unsupported(r, at->path, "type", type);
    const json_t *list = json_object_get(post, "processors");
    if (!json_is_array(list) || at->depth == DEEPEST)
        return bad(r, at->path, "a Sequence without processors, or too deep");
    size_t i;
    json_t *part;
    TRY(keys(r, at->path, post, "type processors"));
    json_array_foreach(list, i, part) {
        struct place next = inside(at, "processors", i);
        TRY(read_post(r, &next, part));
    }
    return GLASS_OK;
}

/* ---- model and added_tokens */

static glass_status read_model_flags(struct reading *r, const json_t *model) {
    static const char *const affixes[] = {"continuing_subword_prefix",
                                          "end_of_word_suffix"};
    struct tok_source *s = r->s;
    const json_t *unk = json_object_get(model, "unk_token");
    TRY(keys(r, "model", model,
             "type dropout unk_token continuing_subword_prefix end_of_word_suffix fuse_unk "
             "byte_fallback ignore_merges vocab merges"));
    for (size_t i = 0; i < sizeof affixes / sizeof *affixes; i++)
        if (tok_json_text(model, affixes[i])[0] != '\0')
            return unsupported(r, "model", affixes[i], tok_json_text(model, affixes[i]));
    if (json_number_value(json_object_get(model, "dropout")) != 0)
        return bad(r, "model.dropout",
                   "merges that are left out at random are not supported");
    s->rules.whole_words = tok_json_bool(model, "ignore_merges", false);
    s->rules.byte_fallback = tok_json_bool(model, "byte_fallback", false);
    s->rules.fuse_unknown = tok_json_bool(model, "fuse_unk", false);
    s->rules.last_merge = true;
    if (!json_is_string(unk)) return GLASS_OK;
    s->unk = tok_source_find(s, json_string_value(unk), json_string_length(unk));
    if (s->unk < 0) return unsupported(r, "model", "unk_token", json_string_value(unk));
    return GLASS_OK;
}

static glass_status read_flags(struct reading *r, const json_t *added) {
    size_t i;
    json_t *token;
    struct tok_source *s = r->s;
    TRY(mem_alloc_zero(&s->flags, (size_t)s->n_vocab, 1));
    json_array_foreach(added, i, token) {
        char path[PATH_BYTES];
        const json_t *id = json_object_get(token, "id");
        int64_t value = json_integer_value(id);
        snprintf(path, sizeof path, "added_tokens[%zu]", i);
        TRY(keys(r, path, token,
                 "id content single_word lstrip rstrip normalized special"));
        if (!json_is_integer(id) || value < 0 || value >= s->n_vocab)
            return bad(r, path, "no id, or one that is not in the vocabulary");
        if (tok_json_bool(token, "single_word", false))
            return bad(r, path, "single_word is not supported");
        bool special = tok_json_bool(token, "special", false);
        s->flags[value] =
            (uint8_t)((tok_json_bool(token, "lstrip", false) ? TOK_STRIP_LEFT : 0) |
                      (tok_json_bool(token, "rstrip", false) ? TOK_STRIP_RIGHT : 0) |
                      (tok_json_bool(token, "normalized", !special) ? TOK_NORMALIZED : 0));
    }
    return GLASS_OK;
}

/* Spaces squeezed as SentencePiece does it, or not at all. */
static glass_status settle_squeeze(struct reading *r) {
    struct tok_source *s = r->s;
    if (r->squeezes == 0) return GLASS_OK;
    if (r->squeezes < TOK_SQUEEZE_STEPS || r->byte_level || s->rules.nfc)
        return bad(
            r, "normalizer",
            "a Replace of runs of spaces other than as SentencePiece squeezes them is "
            "not supported");
    for (int64_t id = 0; id < s->n_vocab; id++)
        if (s->flags[id] & TOK_NORMALIZED)
            return bad(r, "normalizer",
                       "squeezed spaces beside normalized added tokens are not supported");
    s->rules.squeeze = true;
    return GLASS_OK;
}

/* What was read, as the rules of one of the two kinds. */
static glass_status settle(struct reading *r) {
    struct tok_source *s = r->s;
    struct tok_rules *rules = &s->rules;
    s->types_known = true;
    s->spm = !r->byte_level;
    TRY(settle_squeeze(r));
    if (r->byte_level) {
        if (r->replaces || r->prepends)
            return bad(r, "normalizer",
                       "spaces are not replaced in byte-level vocabularies");
        s->has_patterns = true;
        rules->unknown_bytes = s->unk >= 0;
        return GLASS_OK;
    }
    if (!r->metaspace && !r->replaces)
        return bad(r, "pre_tokenizer",
                   "neither ByteLevel nor spaces as U+2581; other vocabularies are not "
                   "supported");
    if (s->n_patterns > 0)
        return bad(r, "pre_tokenizer", "splits before Metaspace are not supported");
    if (r->prepends && !r->replaces)
        return bad(r, "normalizer", "Prepend without Replace is not supported");
    if (rules->whole_words && rules->split_words)
        return bad(r, "model.ignore_merges", "not supported with Metaspace that splits");
    rules->by_merges = true;
    rules->early = r->replaces;
    rules->lead_early = r->prepends;
    if (r->prepends) {
        rules->lead = TOK_LEAD_ALWAYS;
        rules->lead_once = false;
    }
    return GLASS_OK;
}

glass_status tok_rules_read(struct tok_source *s, const json_t *root) {
    struct reading r = {.s = s};
    struct place normalizer = {.path = "normalizer"}, pre = {.path = "pre_tokenizer"},
                 post = {.path = "post_processor"};
    TRY(read_model_flags(&r, json_object_get(root, "model")));
    TRY(read_normalizer(&r, &normalizer, json_object_get(root, "normalizer")));
    TRY(read_pre(&r, &pre, json_object_get(root, "pre_tokenizer"), true));
    TRY(read_post(&r, &post, json_object_get(root, "post_processor")));
    TRY(read_flags(&r, json_object_get(root, "added_tokens")));
    return settle(&r);
}

/* Sets to[key] = from[key], shared, if it says anything. */
static bool share(json_t *to, const json_t *from, const char *key) {
    json_t *value = json_object_get(from, key);
    if (value == NULL || json_is_null(value)) return true;
    return json_object_set(to, key, value) == 0;
}

static bool keep_flags(json_t *to, const json_t *added) {
    static const char *const flags[] = {"lstrip", "rstrip", "normalized", "special"};
    size_t i;
    json_t *token;
    json_t *list = json_array();
    bool good = list != NULL;
    json_array_foreach(added, i, token) {
        bool plain = !tok_json_bool(token, "lstrip", false) &&
                     !tok_json_bool(token, "rstrip", false);
        bool special = tok_json_bool(token, "special", false);
        if (plain && !tok_json_bool(token, "normalized", !special)) continue;
        json_t *kept = json_object();
        good = good && kept != NULL && share(kept, token, "id");
        for (size_t k = 0; k < sizeof flags / sizeof *flags; k++)
            good = good && share(kept, token, flags[k]);
        good = json_array_append_new(list, kept) == 0 && good;
    }
    return json_object_set_new(to, "added_tokens", list) == 0 && good;
}

glass_status tok_rules_keep(struct tok_source *s, const json_t *root) {
    static const char *const parts[] = {"normalizer", "pre_tokenizer", "post_processor",
                                        "decoder"};
    static const char *const settings[] = {"unk_token", "fuse_unk", "byte_fallback",
                                           "ignore_merges"};
    json_t *kept = json_object(), *model = json_object();
    bool good = kept != NULL && model != NULL;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        good = good && share(kept, root, parts[i]);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        good = good && share(model, json_object_get(root, "model"), settings[i]);
    good = json_object_set_new(kept, "model", model) == 0 && good;
    good = good && keep_flags(kept, json_object_get(root, "added_tokens"));
    char *text = good ? json_dumps(kept, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    glass_status status = text == NULL ? fail_memory(0) : GLASS_OK;
    buf_clear(&s->json_rules);
    if (status == GLASS_OK) status = buf_text(&s->json_rules, text);
    free(text);
    json_decref(kept);
    return status;
}
