/* recipe_write.c - a recipe with every key, as YAML. */
#include "train/recipe.h"

#include <stdio.h>

static glass_status write_value(struct buf *b, const struct recipe_key *k,
                                const char *from) {
    const void *at = from + k->at;
    size_t n;
    const char *text;
    switch (k->kind) {
    case KEY_TEXT:
    case KEY_PATH: text = *(char *const *)at; return buf_json_string(b, text, strlen(text));
    case KEY_WHOLE: return buf_printf(b, "%lld", (long long)*(const int64_t *)at);
    case KEY_NUMBER: return buf_json_number(b, *(const double *)at);
    case KEY_FLAG: return buf_text(b, *(const bool *)at ? "true" : "false");
    default:
        text = recipe_choice(k->choices, *(const int64_t *)at, &n);
        return buf_append(b, text, n);
    }
}

static glass_status write_data(struct buf *b, const struct recipe *r, bool identity) {
    TRY(buf_text(b, "data:\n"));
    for (int64_t i = 0; i < r->n_data; i++) {
        const char *lead = "- ";
        for (int j = 0; j < recipe_n_source_keys; j++) {
            const struct recipe_key *k = &recipe_source_keys[j];
            if (identity && k->aside) continue;
            if ((k->kind == KEY_TEXT || k->kind == KEY_PATH) &&
                **(char *const *)((const char *)&r->data[i] + k->at) == '\0')
                continue;
            TRY(buf_printf(b, "%s%s: ", lead, k->name));
            TRY(write_value(b, k, (const char *)&r->data[i]));
            TRY(buf_byte(b, '\n'));
            lead = "  ";
        }
    }
    return GLASS_OK;
}

static glass_status write_all(struct buf *b, const struct recipe *r, bool identity) {
    const char *section = "";
    size_t n_section = 0;
    for (int i = 0; i < recipe_n_keys; i++) {
        const struct recipe_key *k = &recipe_keys[i];
        const char *dot = strchr(k->name, '.');
        size_t n = dot == NULL ? 0 : (size_t)(dot - k->name);
        /* The base and the tokenizer are known by what they are, not by where they lie. */
        if (identity && (k->aside || k->kind == KEY_PATH)) continue;
        if (n > 0 && (n != n_section || strncmp(k->name, section, n) != 0))
            TRY(buf_printf(b, "%.*s:\n", (int)n, k->name));
        section = k->name;
        n_section = n;
        TRY(buf_printf(b, "%s%s: ", n ? "  " : "", n ? dot + 1 : k->name));
        TRY(write_value(b, k, (const char *)r));
        TRY(buf_byte(b, '\n'));
    }
    return write_data(b, r, identity);
}

glass_status recipe_write(struct buf *out, const struct recipe *r) {
    return write_all(out, r, false);
}

glass_status recipe_identity(struct buf *out, const struct recipe *r) {
    return write_all(out, r, true);
}
