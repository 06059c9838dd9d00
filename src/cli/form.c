/* form.c - grammars and schemas from the command line. */
#include "cli/form.h"

#include "base/buf.h"
#include "base/path.h"

enum { FORM_LIMIT = 4 << 20 };

static glass_status from_file(glass_grammar **out, const glass_tokenizer *t,
                              const char *path, bool schema) {
    struct buf text = {0};
    glass_grammar_options o = {.name = path};
    glass_status status =
        path_read_whole(&text, strcmp(path, "-") == 0 ? "/dev/stdin" : path, FORM_LIMIT);
    if (status == GLASS_OK)
        status = schema ? glass_grammar_from_schema(out, t, text.data, text.len, &o)
                        : glass_grammar_from_gbnf(out, t, text.data, text.len, &o);
    buf_free(&text);
    return status;
}

static bool is_json(const char *text) {
    text += strspn(text, " \t\r\n");
    return text[0] == '{' || strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
}

glass_status cli_form_open(glass_grammar **out, const glass_tokenizer *t,
                           const struct cli_form *f) {
    int n =
        (f->grammar != NULL) + (f->grammar_text != NULL) + (f->schema != NULL) + f->object;
    *out = NULL;
    if (n == 0) return GLASS_OK;
    if (n > 1)
        return fail(GLASS_USAGE, "--grammar, --grammar-text, --json-schema and "
                                 "--json-object: only one of them is possible");
    if (f->object) return glass_grammar_from_json_object(out, t, NULL);
    if (f->grammar != NULL) return from_file(out, t, f->grammar, false);
    if (f->grammar_text != NULL)
        return glass_grammar_from_gbnf(out, t, f->grammar_text, strlen(f->grammar_text),
                                       NULL);
    if (!is_json(f->schema)) return from_file(out, t, f->schema, true);
    return glass_grammar_from_schema(out, t, f->schema, strlen(f->schema), NULL);
}
