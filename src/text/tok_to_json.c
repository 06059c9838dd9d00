/* tok_to_json.c - a vocabulary as tokenizer.json; see tok_to_json.h. */
#include "text/tok_to_json.h"

#include "base/utf8.h"
#include "text/tok_index.h"
#include "text/tok_pre.h"
#include "text/tok_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEVEL(regex)                                                                       \
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,"            \
    "\"use_regex\":" regex "}"
#define MARK "\xe2\x96\x81" /* U+2581 */
#define REPLACE                                                                            \
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"" MARK "\"}"

struct json_writer {
    struct buf *out;
    const struct tok_source *s;
};

static uint8_t type_of(const struct tok_source *s, int64_t id) {
    return s->types == NULL ? TOK_NORMAL : s->types[id];
}

static glass_status put_string(struct buf *out, const char *text, size_t n) {
    return buf_json_string(out, text, n);
}

static glass_status put_piece(struct json_writer *w, int64_t id) {
    struct tok_piece piece = w->s->pieces[id];
    return put_string(w->out, w->s->text + piece.at, piece.len);
}

static bool is_filler(const struct tok_source *s, int64_t id) {
    char name[32];
    int n = snprintf(name, sizeof name, "[PAD%lld]", (long long)id);
    return type_of(s, id) == TOK_UNUSED && s->pieces[id].len == (uint32_t)n &&
           memcmp(s->text + s->pieces[id].at, name, (size_t)n) == 0;
}

static bool is_added(const struct tok_source *s, int64_t id) {
    uint8_t type = type_of(s, id);
    return s->pieces[id].len > 0 &&
           (type == TOK_CONTROL || type == TOK_USER || type == TOK_UNKNOWN);
}

static glass_status check_pieces(const struct tok_source *s) {
    for (int64_t id = 0; id < s->n_vocab; id++) {
        const char *text = s->text + s->pieces[id].at;
        size_t n = s->pieces[id].len;
        for (size_t at = 0; at < n;) {
            uint32_t c;
            at += utf8_decode(&c, text + at, n - at);
            if (c == UTF8_BAD)
                return fail(GLASS_BAD_INPUT,
                            "%s: token %lld is not UTF-8; a tokenizer.json cannot say it",
                            s->name, (long long)id);
        }
    }
    return GLASS_OK;
}

static const char *truth(bool value) {
    return value ? "true" : "false";
}

/* ---- added tokens */

static glass_status put_flags(struct json_writer *w, int64_t id) {
    unsigned flags = w->s->flags == NULL ? 0 : w->s->flags[id];
    TRY(buf_text(w->out, "\"content\":"));
    TRY(put_piece(w, id));
    return buf_printf(
        w->out,
        ",\"single_word\":false,\"lstrip\":%s,\"rstrip\":%s,\"normalized\":%s,"
        "\"special\":%s",
        truth(flags & TOK_STRIP_LEFT), truth(flags & TOK_STRIP_RIGHT),
        truth(flags & TOK_NORMALIZED), truth(type_of(w->s, id) != TOK_USER));
}

static glass_status put_added(struct json_writer *w) {
    bool first = true;
    TRY(buf_text(w->out, "\"added_tokens\":["));
    for (int64_t id = 0; id < w->s->n_vocab; id++) {
        if (!is_added(w->s, id)) continue;
        TRY(buf_printf(w->out, "%s\n{\"id\":%lld,", first ? "" : ",", (long long)id));
        TRY(put_flags(w, id));
        TRY(buf_text(w->out, "}"));
        first = false;
    }
    return buf_text(w->out, "],\n");
}

/* ---- rules */

static glass_status put_rule(struct buf *out, const json_t *rules, const char *key) {
    json_t *value = json_object_get(rules, key);
    char *text = value == NULL ? NULL : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (value != NULL && text == NULL) return fail_memory(0);
    glass_status status =
        buf_printf(out, "\"%s\":%s,\n", key, text == NULL ? "null" : text);
    free(text);
    return status;
}

static glass_status put_kept_rules(struct json_writer *w) {
    static const char *const keys[] = {"normalizer", "pre_tokenizer", "post_processor",
                                       "decoder"};
    const struct buf *kept = &w->s->json_rules;
    json_t *rules;
    TRY(tok_json_parse(&rules, kept->data, kept->len, w->s->name));
    glass_status status = GLASS_OK;
    for (size_t i = 0; status == GLASS_OK && i < sizeof keys / sizeof *keys; i++)
        status = put_rule(w->out, rules, keys[i]);
    json_decref(rules);
    return status;
}

static glass_status put_split(struct buf *out, const char *pattern, bool drop_gaps) {
    TRY(buf_text(out, "{\"type\":\"Split\",\"pattern\":{\"Regex\":"));
    TRY(put_string(out, pattern, strlen(pattern)));
    return buf_printf(out, "},\"behavior\":\"%s\",\"invert\":%s},",
                      drop_gaps ? "Removed" : "Isolated", truth(drop_gaps));
}

static glass_status put_patterns(struct json_writer *w) {
    const char *list[TOK_MAX_PATTERNS];
    int n = 0;
    if (w->s->has_patterns) {
        for (; n < w->s->n_patterns; n++) list[n] = w->s->patterns[n];
    } else {
        const struct tok_pre_name *name = tok_pre_find(w->s->pre, strlen(w->s->pre));
        if (name == NULL)
            return fail(GLASS_BAD_INPUT, "%s: unknown pre-tokenizer \"%.64s\"", w->s->name,
                        w->s->pre);
        for (; n < TOK_MAX_PATTERNS && name->patterns[n] != NULL; n++)
            list[n] = name->patterns[n];
    }
    const char *gpt2 = tok_pre_find("gpt-2", 5)->patterns[0];
    bool last = n > 0 && strcmp(list[n - 1], gpt2) == 0 &&
                !(w->s->drop_gaps >> (n - 1) & 1); /* ByteLevel's own */
    if (last) n--;
    TRY(buf_text(w->out, "\"pre_tokenizer\":"));
    if (n > 0) TRY(buf_text(w->out, "{\"type\":\"Sequence\",\"pretokenizers\":["));
    for (int i = 0; i < n; i++) {
        if (strcmp(list[i], "\\p{N}") == 0 && !(w->s->drop_gaps >> i & 1))
            TRY(buf_text(w->out, "{\"type\":\"Digits\",\"individual_digits\":true},"));
        else
            TRY(put_split(w->out, list[i], w->s->drop_gaps >> i & 1));
    }
    TRY(buf_text(w->out, last ? LEVEL("true") : LEVEL("false")));
    return buf_text(w->out, n > 0 ? "]},\n" : ",\n");
}

static bool adds_bos(const struct tok_source *s) {
    return s->bos >= 0 && tok_source_adds_bos(s);
}

static bool adds_eos(const struct tok_source *s) {
    return s->eos >= 0 && s->add_eos > 0;
}

static glass_status put_template_token(struct json_writer *w, int64_t id, bool in_list) {
    if (in_list) {
        TRY(buf_text(w->out, "{\"SpecialToken\":{\"id\":"));
        TRY(put_piece(w, id));
        return buf_text(w->out, ",\"type_id\":0}}");
    }
    TRY(put_piece(w, id));
    TRY(buf_text(w->out, ":{\"id\":"));
    TRY(put_piece(w, id));
    TRY(buf_printf(w->out, ",\"ids\":[%lld],\"tokens\":[", (long long)id));
    TRY(put_piece(w, id));
    return buf_text(w->out, "]}");
}

static glass_status put_template(struct json_writer *w) {
    const struct tok_source *s = w->s;
    static const char *const lists[] = {"single", "pair"};
    TRY(buf_text(w->out, "{\"type\":\"TemplateProcessing\""));
    for (int pair = 0; pair < 2; pair++) {
        TRY(buf_printf(w->out, ",\"%s\":[", lists[pair]));
        for (int part = 0; part <= pair; part++) {
            if (part > 0) TRY(buf_text(w->out, ","));
            if (adds_bos(s)) {
                TRY(put_template_token(w, s->bos, true));
                TRY(buf_text(w->out, ","));
            }
            TRY(buf_printf(w->out, "{\"Sequence\":{\"id\":\"%c\",\"type_id\":%d}}",
                           'A' + part, part));
            if (!adds_eos(s)) continue;
            TRY(buf_text(w->out, ","));
            TRY(put_template_token(w, s->eos, true));
        }
        TRY(buf_text(w->out, "]"));
    }
    TRY(buf_text(w->out, ",\"special_tokens\":{"));
    if (adds_bos(s)) TRY(put_template_token(w, s->bos, false));
    if (adds_eos(s) && !(adds_bos(s) && s->eos == s->bos)) {
        if (adds_bos(s)) TRY(buf_text(w->out, ","));
        TRY(put_template_token(w, s->eos, false));
    }
    return buf_text(w->out, "}}");
}

static glass_status put_post(struct json_writer *w) {
    bool adds = adds_bos(w->s) || adds_eos(w->s);
    TRY(buf_text(w->out, "\"post_processor\":"));
    if (w->s->spm) {
        TRY(adds ? put_template(w) : buf_text(w->out, "null"));
        return buf_text(w->out, ",\n");
    }
    if (!adds) return buf_text(w->out, LEVEL("true") ",\n");
    TRY(buf_text(w->out, "{\"type\":\"Sequence\",\"processors\":[" LEVEL("true") ","));
    TRY(put_template(w));
    return buf_text(w->out, "]},\n");
}

/* What SentencePiece does to spaces, as a list of normalisers. */
static glass_status put_spm_normalizer(struct json_writer *w) {
    const struct tok_rules *rules = &w->s->rules;
    TRY(buf_text(w->out, "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":["));
    for (int i = 0; rules->squeeze && i < TOK_SQUEEZE_STEPS; i++) {
        const struct tok_squeeze *step = &tok_squeeze_steps[i];
        TRY(buf_text(w->out, "{\"type\":\"Replace\",\"pattern\":{\"Regex\":"));
        TRY(put_string(w->out, step->regex, strlen(step->regex)));
        TRY(buf_printf(w->out, "},\"content\":\"%s\"},", step->content));
    }
    if (rules->lead == TOK_LEAD_ALWAYS)
        TRY(buf_text(w->out, "{\"type\":\"Prepend\",\"prepend\":\"" MARK "\"},"));
    return buf_text(w->out, REPLACE "]},\n\"pre_tokenizer\":null,\n");
}

static glass_status put_spm_rules(struct json_writer *w) {
    static const char decoder[] =
        "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\","
        "\"pattern\":"
        "{\"String\":\"" MARK "\"},\"content\":\" \"},{\"type\":\"ByteFallback\"},"
        "{\"type\":\"Fuse\"}";
    enum tok_lead lead = w->s->rules.lead;
    if (lead == TOK_LEAD_ALWAYS || w->s->rules.squeeze)
        TRY(put_spm_normalizer(w));
    else if (lead == TOK_LEAD_NEVER)
        TRY(buf_text(w->out, "\"normalizer\":" REPLACE ",\n\"pre_tokenizer\":null,\n"));
    else
        TRY(buf_text(w->out,
                     "\"normalizer\":null,\n\"pre_tokenizer\":{\"type\":\"Metaspace\","
                     "\"replacement\":\"" MARK "\",\"prepend_scheme\":\"first\","
                     "\"split\":false},\n"));
    TRY(put_post(w));
    TRY(buf_text(w->out, decoder));
    if (lead != TOK_LEAD_NEVER)
        TRY(buf_text(w->out,
                     ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}"));
    return buf_text(w->out, "]},\n");
}

static glass_status put_rules(struct json_writer *w) {
    if (w->s->json_rules.len > 0) return put_kept_rules(w);
    if (w->s->spm) return put_spm_rules(w);
    TRY(buf_text(w->out, "\"normalizer\":null,\n"));
    TRY(put_patterns(w));
    TRY(put_post(w));
    return buf_text(w->out, "\"decoder\":" LEVEL("true") ",\n");
}

/* ---- model */

/* Byte tokens are all there or none is meant. */
static bool has_bytes(const struct tok_source *s) {
    if (!s->spm || !s->rules.byte_fallback) return false;
    for (int64_t id = 0; id < s->n_vocab; id++)
        if (tok_hex_byte(s->text + s->pieces[id].at, s->pieces[id].len) >= 0 &&
            type_of(s, id) != TOK_USER)
            return true;
    return false;
}

/* All tokens, added ones too: their ids are then the model's, whatever the gaps. */
static glass_status put_vocabulary(struct json_writer *w) {
    bool first = true;
    TRY(buf_text(w->out, "\"vocab\":{"));
    for (int64_t id = 0; id < w->s->n_vocab; id++) {
        if (w->s->pieces[id].len == 0 || is_filler(w->s, id)) continue;
        TRY(buf_text(w->out, first ? "\n" : ",\n"));
        TRY(put_piece(w, id));
        TRY(buf_printf(w->out, ":%lld", (long long)id));
        first = false;
    }
    return buf_text(w->out, "},\n");
}

static bool spaces_in(struct gguf_string s) {
    return memchr(s.text, ' ', s.n_bytes) != NULL;
}

static glass_status put_merges(struct buf *out, const struct tok_source *s) {
    struct gguf_string left, right;
    bool pairs = false;
    for (int64_t i = 0; i < s->n_merges && !pairs; i++)
        pairs =
            tok_merge_parts(s, i, &left, &right) && (spaces_in(left) || spaces_in(right));
    TRY(buf_text(out, "\"merges\":["));
    for (int64_t i = 0; i < s->n_merges; i++) {
        if (!tok_merge_parts(s, i, &left, &right))
            return fail(GLASS_BAD_INPUT, "%s: merge %lld is not two pieces", s->name,
                        (long long)i);
        TRY(buf_text(out, i > 0 ? ",\n" : "\n"));
        if (!pairs) {
            TRY(put_string(out, s->merge_text + s->merges[i].at, s->merges[i].len));
            continue;
        }
        TRY(buf_text(out, "["));
        TRY(put_string(out, left.text, left.n_bytes));
        TRY(buf_text(out, ","));
        TRY(put_string(out, right.text, right.n_bytes));
        TRY(buf_text(out, "]"));
    }
    return buf_text(out, "]");
}

static glass_status put_model(struct json_writer *w) {
    const struct tok_source *s = w->s;
    bool kept = s->json_rules.len > 0;
    TRY(buf_text(w->out, "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":"));
    bool unk = s->unk >= 0 && (s->spm || s->rules.unknown_bytes);
    TRY(unk ? put_piece(w, s->unk) : buf_text(w->out, "null"));
    TRY(buf_printf(w->out,
                   ",\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,"
                   "\"fuse_unk\":%s,\"byte_fallback\":%s,\"ignore_merges\":%s,\n",
                   truth(kept ? s->rules.fuse_unknown : s->spm),
                   truth(kept ? s->rules.byte_fallback : has_bytes(s)),
                   truth(tok_source_whole_words(s))));
    TRY(put_vocabulary(w));
    if (s->spm && !s->rules.by_merges) {
        struct tok_source made = TOK_SOURCE_NONE;
        glass_status status = tok_spm_merges(&made, s);
        if (status == GLASS_OK) status = put_merges(w->out, &made);
        tok_source_clear(&made);
        TRY(status);
    } else {
        TRY(put_merges(w->out, s));
    }
    return buf_text(w->out, "}}\n");
}

/* ---- tokenizer_config.json */

static glass_status put_named(struct json_writer *w, const char *key, int64_t id) {
    if (id < 0) return GLASS_OK;
    TRY(buf_printf(w->out, "\"%s\":", key));
    TRY(put_piece(w, id));
    return buf_text(w->out, ",\n");
}

static glass_status put_config(struct json_writer *w, const char *chat_template,
                               size_t n_template) {
    const struct tok_source *s = w->s;
    bool first = true;
    TRY(buf_printf(w->out, "{\"add_bos_token\":%s,\n\"add_eos_token\":%s,\n",
                   truth(adds_bos(s)), truth(adds_eos(s))));
    TRY(buf_text(w->out, "\"added_tokens_decoder\":{"));
    for (int64_t id = 0; id < s->n_vocab; id++) {
        if (!is_added(s, id)) continue;
        TRY(buf_printf(w->out, "%s\n\"%lld\":{", first ? "" : ",", (long long)id));
        TRY(put_flags(w, id));
        TRY(buf_text(w->out, "}"));
        first = false;
    }
    TRY(buf_text(w->out, "},\n"));
    TRY(put_named(w, "bos_token", s->bos));
    TRY(put_named(w, "eos_token", s->eos));
    TRY(put_named(w, "unk_token", s->unk));
    /* Nobody pads with what is not there. */
    TRY(put_named(w, "pad_token", s->pad < s->n_vocab ? s->pad : -1));
    if (chat_template != NULL) {
        TRY(buf_text(w->out, "\"chat_template\":"));
        TRY(put_string(w->out, chat_template, n_template));
        TRY(buf_text(w->out, ",\n"));
    }
    return buf_text(w->out, "\"clean_up_tokenization_spaces\":false,\n"
                            "\"tokenizer_class\":\"PreTrainedTokenizerFast\"}\n");
}

glass_status tok_to_json(struct buf *tokenizer, struct buf *config,
                         const struct tok_source *s, const char *chat_template,
                         size_t n_template) {
    struct json_writer w = {tokenizer, s}, c = {config, s};
    TRY(check_pieces(s));
    TRY(tok_source_check_ids(s));
    TRY(buf_text(tokenizer,
                 "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\n"));
    TRY(put_added(&w));
    TRY(put_rules(&w));
    TRY(put_model(&w));
    return put_config(&c, chat_template, n_template);
}
