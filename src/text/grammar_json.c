/* grammar_json.c - plain JSON as trees. */
#include "text/grammar_json.h"

glass_status gram_put_text(struct gram_tree *t, uint32_t seq, const char *text) {
    uint32_t node;
    TRY(gram_text(t, &node, text, strlen(text)));
    gram_add(t, seq, node);
    return GLASS_OK;
}

glass_status gram_put_rule(struct gram_json *j, uint32_t seq, enum json_rule which) {
    uint32_t node;
    TRY(gram_json_rule(j, &node, which));
    gram_add(j->t, seq, node);
    return GLASS_OK;
}

glass_status gram_put_space(struct gram_json *j, uint32_t seq) {
    return j->compact ? GLASS_OK : gram_put_rule(j, seq, RULE_SPACE);
}

static glass_status put_class(struct gram_tree *t, uint32_t parent, const char *ranges,
                              uint32_t min, uint32_t max) {
    struct gram_range list[8];
    uint32_t n = 0, node;
    for (; ranges[0] != '\0'; ranges += 2)
        list[n++] = (struct gram_range){(uint8_t)ranges[0], (uint8_t)ranges[1]};
    TRY(gram_class(t, &node, GRAM_CLASS, list, n));
    if (min != 1 || max != 1) TRY(gram_times(t, &node, node, min, max));
    gram_add(t, parent, node);
    return GLASS_OK;
}

#define HEX "09afAF"

/* \uXXXX: any character that is no surrogate, or a pair of them. */
static glass_status put_hex_escapes(struct gram_tree *t, uint32_t alt) {
    uint32_t seq, inner, pair;
    TRY(gram_seq(t, &seq));
    TRY(gram_put_text(t, seq, "u"));
    TRY(gram_alt(t, &inner));
    TRY(gram_seq(t, &pair));
    TRY(put_class(t, pair, "09acefACEF", 1, 1));
    TRY(put_class(t, pair, HEX, 3, 3));
    gram_add(t, inner, pair);
    TRY(gram_seq(t, &pair));
    TRY(put_class(t, pair, "ddDD", 1, 1));
    TRY(put_class(t, pair, "07", 1, 1));
    TRY(put_class(t, pair, HEX, 2, 2));
    gram_add(t, inner, pair);
    TRY(gram_seq(t, &pair));
    TRY(put_class(t, pair, "ddDD", 1, 1));
    TRY(put_class(t, pair, "89abAB", 1, 1));
    TRY(put_class(t, pair, HEX, 2, 2));
    TRY(gram_put_text(t, pair, "\\u"));
    TRY(put_class(t, pair, "ddDD", 1, 1));
    TRY(put_class(t, pair, "cfCF", 1, 1));
    TRY(put_class(t, pair, HEX, 2, 2));
    gram_add(t, inner, pair);
    gram_add(t, seq, inner);
    gram_add(t, alt, seq);
    return GLASS_OK;
}

glass_status gram_json_char(struct gram_json *j, uint32_t *out) {
    static const struct gram_range plain[] = {
        {0x20, '"' - 1}, {'"' + 1, '\\' - 1}, {'\\' + 1, 0x10ffff}};
    struct gram_tree *t = j->t;
    uint32_t node, seq, alt;
    TRY(gram_alt(t, out));
    TRY(gram_class(t, &node, GRAM_CLASS, plain, 3));
    gram_add(t, *out, node);
    TRY(gram_seq(t, &seq));
    TRY(gram_put_text(t, seq, "\\"));
    TRY(gram_alt(t, &alt));
    TRY(put_class(t, alt, "\"\"\\\\//bbffnnrrtt", 1, 1));
    TRY(put_hex_escapes(t, alt));
    gram_add(t, seq, alt);
    gram_add(t, *out, seq);
    return GLASS_OK;
}

static glass_status make_space(struct gram_json *j, uint32_t *out) {
    struct gram_tree *t = j->t;
    uint32_t seq;
    TRY(gram_alt(t, out));
    TRY(gram_put_text(t, *out, ""));
    TRY(gram_put_text(t, *out, " "));
    TRY(gram_seq(t, &seq));
    TRY(put_class(t, seq, "\n\n", 1, 2));
    TRY(put_class(t, seq, "  \t\t", 0, 20));
    gram_add(t, *out, seq);
    return GLASS_OK;
}

static glass_status make_string(struct gram_json *j, uint32_t *out) {
    uint32_t node;
    TRY(gram_seq(j->t, out));
    TRY(gram_put_text(j->t, *out, "\""));
    TRY(gram_json_char(j, &node));
    TRY(gram_times(j->t, &node, node, 0, GRAM_NONE));
    gram_add(j->t, *out, node);
    return gram_put_text(j->t, *out, "\"");
}

/* 0, or digits that do not begin with 0. */
static glass_status put_whole(struct gram_tree *t, uint32_t parent) {
    uint32_t alt, seq;
    TRY(gram_alt(t, &alt));
    TRY(gram_put_text(t, alt, "0"));
    TRY(gram_seq(t, &seq));
    TRY(put_class(t, seq, "19", 1, 1));
    TRY(put_class(t, seq, "09", 0, 17));
    gram_add(t, alt, seq);
    gram_add(t, parent, alt);
    return GLASS_OK;
}

static glass_status put_optional(struct gram_tree *t, uint32_t parent, uint32_t node) {
    TRY(gram_times(t, &node, node, 0, 1));
    gram_add(t, parent, node);
    return GLASS_OK;
}

static glass_status make_number(struct gram_json *j, uint32_t *out) {
    struct gram_tree *t = j->t;
    uint32_t part;
    TRY(gram_seq(t, out));
    TRY(put_class(t, *out, "--", 0, 1));
    TRY(put_whole(t, *out));
    TRY(gram_seq(t, &part));
    TRY(gram_put_text(t, part, "."));
    TRY(put_class(t, part, "09", 1, 17));
    TRY(put_optional(t, *out, part));
    TRY(gram_seq(t, &part));
    TRY(put_class(t, part, "eeEE", 1, 1));
    TRY(put_class(t, part, "++--", 0, 1));
    TRY(put_class(t, part, "09", 1, 2));
    return put_optional(t, *out, part);
}

static glass_status make_integer(struct gram_json *j, uint32_t *out) {
    struct gram_tree *t = j->t;
    uint32_t seq;
    TRY(gram_alt(t, out));
    TRY(gram_put_text(t, *out, "0"));
    TRY(gram_seq(t, &seq));
    TRY(put_class(t, seq, "--", 0, 1));
    TRY(put_class(t, seq, "19", 1, 1));
    TRY(put_class(t, seq, "09", 0, 17));
    gram_add(t, *out, seq);
    return GLASS_OK;
}

static glass_status make_value(struct gram_json *j, uint32_t *out) {
    static const char *const words[] = {"true", "false", "null"};
    static const enum json_rule rules[] = {RULE_STRING, RULE_NUMBER, RULE_OBJECT,
                                           RULE_ARRAY};
    TRY(gram_alt(j->t, out));
    for (int i = 0; i < 3; i++) TRY(gram_put_text(j->t, *out, words[i]));
    for (int i = 0; i < 4; i++) TRY(gram_put_rule(j, *out, rules[i]));
    return GLASS_OK;
}

/* open (item ("," item)*)? close */
static glass_status bracketed(struct gram_json *j, uint32_t *out, const char *open,
                              const char *close, uint32_t item, uint32_t min,
                              uint32_t max) {
    struct gram_tree *t = j->t;
    uint32_t items, rest, copy;
    TRY(gram_seq(t, out));
    TRY(gram_put_text(t, *out, open));
    TRY(gram_put_space(j, *out));
    if (max > 0) {
        TRY(gram_seq(t, &items));
        TRY(gram_copy(t, &copy, item));
        gram_add(t, items, copy);
        TRY(gram_seq(t, &rest));
        TRY(gram_put_space(j, rest));
        TRY(gram_put_text(t, rest, ","));
        TRY(gram_put_space(j, rest));
        gram_add(t, rest, item);
        TRY(gram_times(t, &rest, rest, min > 0 ? min - 1 : 0,
                       max == GRAM_NONE ? max : max - 1));
        gram_add(t, items, rest);
        TRY(gram_put_space(j, items));
        TRY(gram_times(t, &items, items, min > 0, 1));
        gram_add(t, *out, items);
    }
    return gram_put_text(t, *out, close);
}

glass_status gram_json_list(struct gram_json *j, uint32_t *out, uint32_t item, uint32_t min,
                            uint32_t max) {
    return bracketed(j, out, "[", "]", item, min, max);
}

static glass_status make_object(struct gram_json *j, uint32_t *out) {
    uint32_t member;
    TRY(gram_seq(j->t, &member));
    TRY(gram_put_rule(j, member, RULE_STRING));
    TRY(gram_put_space(j, member));
    TRY(gram_put_text(j->t, member, ":"));
    TRY(gram_put_space(j, member));
    TRY(gram_put_rule(j, member, RULE_VALUE));
    return bracketed(j, out, "{", "}", member, 0, GRAM_NONE);
}

static glass_status make_array(struct gram_json *j, uint32_t *out) {
    uint32_t item;
    TRY(gram_json_rule(j, &item, RULE_VALUE));
    return gram_json_list(j, out, item, 0, GRAM_NONE);
}

glass_status gram_json_rule(struct gram_json *j, uint32_t *out, enum json_rule which) {
    static const struct {
        const char *name;
        glass_status (*make)(struct gram_json *j, uint32_t *out);
    } makers[] = {{"JSON space", make_space},   {"JSON string", make_string},
                  {"JSON number", make_number}, {"JSON integer", make_integer},
                  {"JSON value", make_value},   {"JSON object", make_object},
                  {"JSON array", make_array}};
    if (j->rules[which] == 0) {
        uint32_t rule, node;
        TRY(gram_rule_add(j->t, &rule, makers[which].name, strlen(makers[which].name)));
        j->rules[which] = rule + 1; /* known before it is made: values hold values */
        TRY(makers[which].make(j, &node));
        j->t->rules[rule].node = node;
    }
    return gram_call(j->t, out, j->rules[which] - 1);
}

glass_status gram_read_object(struct gram_tree *t, uint32_t *rule, bool compact) {
    struct gram_json j = {.t = t, .compact = compact};
    uint32_t node;
    TRY(gram_json_rule(&j, &node, RULE_OBJECT));
    *rule = j.rules[RULE_OBJECT] - 1;
    return GLASS_OK;
}

/* --- constants ---------------------------------------------------------------------------- */

/* The same spelling as GRAM_STRING's. */
static glass_status spell(struct buf *out, const char *text, size_t n) {
    static const char shorts[] = "\bb\ff\nn\rr\tt\"\"\\\\";
    TRY(buf_byte(out, '"'));
    for (size_t i = 0; i < n; i++) {
        char name = '\0';
        for (int k = 0; shorts[k] != '\0'; k += 2)
            if (shorts[k] == text[i]) name = shorts[k + 1];
        if (name != '\0')
            TRY(buf_printf(out, "\\%c", name));
        else if ((uint8_t)text[i] < 0x20)
            TRY(buf_printf(out, "\\u%04x", (unsigned)text[i]));
        else
            TRY(buf_byte(out, text[i]));
    }
    return buf_byte(out, '"');
}

glass_status gram_json_quoted(struct gram_tree *t, uint32_t *out, const char *text,
                              size_t n) {
    struct buf quoted = {0};
    glass_status status = spell(&quoted, text, n);
    if (status == GLASS_OK) status = gram_text(t, out, quoted.data, quoted.len);
    buf_free(&quoted);
    return status;
}

static glass_status number_text(struct gram_tree *t, uint32_t *out, const json_t *value) {
    struct buf text = {0};
    glass_status status = json_is_integer(value)
                              ? buf_printf(&text, "%lld", json_integer_value(value))
                              : buf_json_number(&text, json_real_value(value));
    if (status == GLASS_OK) status = gram_text(t, out, text.data, text.len);
    buf_free(&text);
    return status;
}

static glass_status put_const(struct gram_json *j, uint32_t seq, const json_t *value) {
    uint32_t node;
    TRY(gram_json_const(j, &node, value));
    gram_add(j->t, seq, node);
    return GLASS_OK;
}

static glass_status const_array(struct gram_json *j, uint32_t *out, const json_t *value) {
    size_t i;
    const json_t *item;
    TRY(gram_seq(j->t, out));
    TRY(gram_put_text(j->t, *out, "["));
    TRY(gram_put_space(j, *out));
    json_array_foreach(value, i, item) {
        if (i > 0) {
            TRY(gram_put_text(j->t, *out, ","));
            TRY(gram_put_space(j, *out));
        }
        TRY(put_const(j, *out, item));
        TRY(gram_put_space(j, *out));
    }
    return gram_put_text(j->t, *out, "]");
}

static glass_status const_object(struct gram_json *j, uint32_t *out, json_t *value) {
    const char *key;
    json_t *member;
    bool first = true;
    TRY(gram_seq(j->t, out));
    TRY(gram_put_text(j->t, *out, "{"));
    TRY(gram_put_space(j, *out));
    json_object_foreach(value, key, member) {
        uint32_t name;
        if (!first) {
            TRY(gram_put_text(j->t, *out, ","));
            TRY(gram_put_space(j, *out));
        }
        first = false;
        TRY(gram_json_quoted(j->t, &name, key, strlen(key)));
        gram_add(j->t, *out, name);
        TRY(gram_put_space(j, *out));
        TRY(gram_put_text(j->t, *out, ":"));
        TRY(gram_put_space(j, *out));
        TRY(put_const(j, *out, member));
        TRY(gram_put_space(j, *out));
    }
    return gram_put_text(j->t, *out, "}");
}

glass_status gram_json_const(struct gram_json *j, uint32_t *out, const json_t *value) {
    if (json_is_object(value)) return const_object(j, out, (json_t *)(uintptr_t)value);
    if (json_is_array(value)) return const_array(j, out, value);
    if (json_is_string(value))
        return gram_json_quoted(j->t, out, json_string_value(value),
                                json_string_length(value));
    if (json_is_number(value)) return number_text(j->t, out, value);
    const char *word = json_is_true(value)    ? "true"
                       : json_is_false(value) ? "false"
                                              : "null";
    return gram_text(j->t, out, word, strlen(word));
}
