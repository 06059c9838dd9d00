/* clean_rules.c - which rules there are, and one document through them. */
#include "data/clean.h"

#include <textcat.h>
#include <math.h>
#include <string.h>

static const struct {
    const char *name;
    unsigned set;
} table[] = {{"encoding", CLEAN_ENCODING},
             {"boilerplate", CLEAN_BOILERPLATE},
             {"c4", CLEAN_C4},
             {"gopher", CLEAN_GOPHER},
             {"repetition", CLEAN_REPETITION},
             {"fineweb", CLEAN_FINEWEB},
             {"language", CLEAN_LANGUAGE},
             {"mask", CLEAN_MASK},
             {"exact", CLEAN_EXACT},
             {"near", CLEAN_NEAR}};
enum { N_RULES = sizeof table / sizeof *table };

static glass_status take_rule(struct clean_rules *out, const char *word, size_t n) {
    size_t name = strcspn(word, "=,");
    for (int i = 0; i < N_RULES; i++) {
        if (strlen(table[i].name) != name || memcmp(table[i].name, word, name) != 0)
            continue;
        bool has_value = name < n, wants = table[i].set == CLEAN_LANGUAGE;
        if (has_value != wants)
            return fail(GLASS_USAGE, "the rule %s %s", table[i].name,
                        wants ? "wants languages: language=en+fr" : "has no value");
        out->set |= table[i].set;
        if (!wants) return GLASS_OK;
        if (n - name - 1 == 0 || n - name + 3 > sizeof out->languages)
            return fail(GLASS_USAGE,
                        "the rule language wants some languages: language=en+fr");
        snprintf(out->languages, sizeof out->languages, "+%.*s+", (int)(n - name - 1),
                 word + name + 1);
        return GLASS_OK;
    }
    return fail(GLASS_USAGE,
                "there is no rule \"%.*s\": encoding, boilerplate, c4, gopher, repetition, "
                "fineweb, language=LANG, mask, exact, near",
                (int)(n < 40 ? n : 40), word);
}

glass_status clean_parse(struct clean_rules *out, const char *text) {
    *out = (struct clean_rules){0};
    while (*text != '\0') {
        size_t n = strcspn(text, ",");
        TRY(take_rule(out, text, n));
        text += n + (text[n] == ',');
    }
    return GLASS_OK;
}

void clean_scratch_clear(struct clean_scratch *s) {
    buf_free(&s->a);
    buf_free(&s->b);
    mem_free(s->words);
    mem_free(s->lines);
    mem_free(s->table);
    mem_free(s->spans);
    mem_free(s->places);
    mem_free(s->grams);
    if (s->textcat != NULL) textcat_Done(s->textcat);
    *s = (struct clean_scratch){0};
}

/* A document on its way. */
struct passing {
    struct clean_result *out;
    struct clean_scratch *s;
    const char *text;
    size_t n;
};

/* The text is now what stands in b, if anything was changed. */
static void take_step(struct passing *p, const char *rule, size_t n) {
    if (n == 0) return;
    struct buf t = p->s->a;
    p->s->a = p->s->b;
    p->s->b = t;
    p->text = p->s->a.len > 0 ? p->s->a.data : "";
    p->n = p->s->a.len;
    p->out->changed = true;
    p->out->steps[p->out->n_steps++] =
        (struct clean_finding){.rule = rule, .value = (double)n, .least = NAN, .most = NAN};
}

static glass_status change(struct passing *p, unsigned set) {
    size_t n;
    struct clean_masked masked;
    if (set & CLEAN_ENCODING) {
        buf_clear(&p->s->b);
        TRY(clean_encoding(&p->s->b, p->text, p->n, &n));
        take_step(p, "encoding", n);
    }
    if (set & CLEAN_BOILERPLATE) {
        buf_clear(&p->s->b);
        TRY(clean_boilerplate(&p->s->b, p->text, p->n, &n));
        take_step(p, "boilerplate", n);
    }
    if (set & CLEAN_MASK) {
        buf_clear(&p->s->b);
        TRY(clean_mask(&p->s->b, p->text, p->n, &masked));
        take_step(p, "mask", masked.emails + masked.addresses + masked.keys);
        if (masked.emails + masked.addresses + masked.keys > 0)
            snprintf(p->out->steps[p->out->n_steps - 1].detail, 96,
                     "%zu emails, %zu addresses, %zu keys", masked.emails, masked.addresses,
                     masked.keys);
    }
    if (set & CLEAN_C4) {
        bool fine;
        buf_clear(&p->s->b);
        TRY(clean_c4(&p->s->b, p->text, p->n, &n, &fine, &p->out->why));
        p->out->removed = !fine;
        bool same = p->s->b.len == p->n && memcmp(p->s->b.data, p->text, p->n) == 0;
        if (fine && !same) take_step(p, "c4.lines", n > 0 ? n : 1);
    }
    return GLASS_OK;
}

static bool is_empty(const char *text, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strchr(" \t\n", text[i]) == NULL || text[i] == '\0') return false;
    return true;
}

static glass_status judge(struct passing *p, const struct clean_rules *rules) {
    struct clean_result *out = p->out;
    unsigned set = rules->set;
    if (is_empty(p->text, p->n)) {
        out->removed = true;
        out->why = (struct clean_finding){"empty", (double)p->n, 1, NAN, ""};
        return GLASS_OK;
    }
    if (set & (CLEAN_GOPHER | CLEAN_REPETITION | CLEAN_FINEWEB))
        TRY(clean_split(p->s, p->text, p->n));
    if (set & CLEAN_GOPHER) out->removed = clean_gopher(p->s, p->text, p->n, &out->why);
    if (!out->removed && set & CLEAN_REPETITION)
        TRY(clean_repetition(p->s, p->text, p->n, &out->removed, &out->why));
    if (!out->removed && set & CLEAN_FINEWEB)
        TRY(clean_fineweb(p->s, p->text, p->n, &out->removed, &out->why));
    if (!out->removed && set & CLEAN_LANGUAGE)
        TRY(clean_language(p->s, rules->languages, p->text, p->n, &out->removed,
                           &out->why));
    return GLASS_OK;
}

glass_status clean_document(struct clean_result *out, struct clean_scratch *s,
                            const struct clean_rules *rules,
                            const struct clean_evaluations *evaluations, const char *text,
                            size_t n_bytes) {
    struct passing p = {out, s, text, n_bytes};
    *out = (struct clean_result){0};
    TRY(change(&p, rules->set));
    if (!out->removed) TRY(judge(&p, rules));
    if (out->removed || (evaluations == NULL && !(rules->set & CLEAN_NEAR)))
        return GLASS_OK;
    TRY(clean_normal(s, p.text, p.n));
    if (evaluations != NULL) out->removed = clean_contaminated(evaluations, s, &out->why);
    if (!out->removed && rules->set & CLEAN_NEAR)
        out->has_bands = clean_bands(s, out->bands);
    return GLASS_OK;
}
