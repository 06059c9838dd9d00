/* recipe_scan.c - what YAML can say and a recipe never does, refused before a tree is made of it:
 * anchors and aliases, tags, directives, depth, a second document. See recipe.h. */
#include "train/recipe.h"

#include <yaml.h>

enum { MOST_DEPTH = 8, MOST_TOKENS = 1 << 17 };

struct scan {
    const char *path;
    int depth, n_tokens, n_documents;
    bool ended;
};

static glass_status refuse(const struct scan *s, const yaml_token_t *t, const char *what) {
    return fail(GLASS_BAD_INPUT, "%s:%zu: %s", s->path, t->start_mark.line + 1, what);
}

static glass_status look(struct scan *s, const yaml_token_t *t) {
    if (++s->n_tokens > MOST_TOKENS) return refuse(s, t, "longer than a recipe can be");
    if (s->ended && t->type != YAML_STREAM_END_TOKEN && t->type != YAML_DOCUMENT_END_TOKEN)
        return refuse(s, t, "a second document: a recipe is one");
    switch (t->type) {
    case YAML_ANCHOR_TOKEN:
    case YAML_ALIAS_TOKEN:
        return refuse(s, t, "an anchor or an alias (& or *): write the value itself");
    case YAML_TAG_TOKEN: return refuse(s, t, "a tag (!): recipes need none");
    case YAML_VERSION_DIRECTIVE_TOKEN:
    case YAML_TAG_DIRECTIVE_TOKEN:
        return refuse(s, t, "a directive (%): recipes need none");
    case YAML_DOCUMENT_START_TOKEN:
        if (s->n_documents++ > 0 || s->n_tokens > 2)
            return refuse(s, t, "a second document: a recipe is one");
        break;
    case YAML_DOCUMENT_END_TOKEN: s->ended = true; break;
    case YAML_BLOCK_SEQUENCE_START_TOKEN:
    case YAML_BLOCK_MAPPING_START_TOKEN:
    case YAML_FLOW_SEQUENCE_START_TOKEN:
    case YAML_FLOW_MAPPING_START_TOKEN:
        if (++s->depth > MOST_DEPTH) return refuse(s, t, "deeper than a recipe can be");
        break;
    case YAML_BLOCK_END_TOKEN:
    case YAML_FLOW_SEQUENCE_END_TOKEN:
    case YAML_FLOW_MAPPING_END_TOKEN: s->depth--; break;
    default: break;
    }
    return GLASS_OK;
}

glass_status recipe_scan(const char *text, size_t n_bytes, const char *path) {
    struct scan s = {.path = path};
    glass_status status = GLASS_OK;
    yaml_parser_t parser;
    bool end = false;
    if (!yaml_parser_initialize(&parser)) return fail_memory(sizeof parser);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, n_bytes);
    while (status == GLASS_OK && !end) {
        yaml_token_t token;
        /* What is no YAML at all is told by the one who reads it next. */
        if (!yaml_parser_scan(&parser, &token)) break;
        status = look(&s, &token);
        end = token.type == YAML_STREAM_END_TOKEN;
        yaml_token_delete(&token);
    }
    yaml_parser_delete(&parser);
    return status;
}
