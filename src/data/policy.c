/* policy.c - which licences a corpus may have: built-in policies and rules in YAML.
 *
 *     base: dfsg                  # what holds where no rule below does (known)
 *     allow: [GFDL-*, LicenseRef-mine]
 *     deny: [AGPL-*]              # stronger than allow
 *     unknown: false              # also documents without a statement
 *     contradictory: true         # also documents whose statements contradict each other
 *     deny_makers: [model*]       # who made it, as declared */
#include "base/path.h"
#include "data/licence.h"
#include "data/licence_parts.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { POLICY_LIMIT = 1 << 20 };

static const struct {
    const char *name;
    unsigned want, refuse;
    bool unknown;
} builtin[] = {
    {"known", LICENCE_KNOWN, 0, false},
    {"dfsg", LICENCE_DFSG, 0, false},
    {"osi", LICENCE_OSI, 0, false},
    {"permissive", LICENCE_PERMISSIVE, LICENCE_SHARE_ALIKE, false},
    {"public-domain", LICENCE_PUBLIC, 0, false},
    {"no-share-alike", LICENCE_KNOWN, LICENCE_SHARE_ALIKE, false},
    {"commercial", LICENCE_KNOWN, LICENCE_NO_COMMERCE, false},
    {"any", 0, 0, true},
};
enum { N_BUILTIN = sizeof builtin / sizeof *builtin };

static bool take_builtin(struct licence_policy *p, const char *name) {
    for (int i = 0; i < N_BUILTIN; i++) {
        if (strcmp(builtin[i].name, name) != 0) continue;
        p->want = builtin[i].want;
        p->refuse = builtin[i].refuse;
        p->unknown = builtin[i].unknown;
        return true;
    }
    return false;
}

static const char *scalar(yaml_document_t *doc, yaml_node_t *node) {
    (void)doc;
    return node != NULL && node->type == YAML_SCALAR_NODE
               ? (const char *)node->data.scalar.value
               : NULL;
}

static glass_status read_flag(bool *out, const char *value, const char *path, size_t line,
                              const char *key) {
    if (value != NULL && strcmp(value, "true") == 0)
        *out = true;
    else if (value != NULL && strcmp(value, "false") == 0)
        *out = false;
    else
        return fail(GLASS_BAD_INPUT, "%s:%zu: %s must be true or false", path, line, key);
    return GLASS_OK;
}

static glass_status read_patterns(struct buf *out, yaml_document_t *doc, yaml_node_t *list,
                                  const char *path, size_t line, const char *key) {
    if (list->type != YAML_SEQUENCE_NODE)
        return fail(GLASS_BAD_INPUT, "%s:%zu: %s must be a list: [GPL-*, MIT]", path, line,
                    key);
    for (yaml_node_item_t *i = list->data.sequence.items.start;
         i < list->data.sequence.items.top; i++) {
        const char *text = scalar(doc, yaml_document_get_node(doc, *i));
        if (text == NULL)
            return fail(GLASS_BAD_INPUT, "%s:%zu: %s holds something that is no text", path,
                        line, key);
        TRY(buf_printf(out, "%s\n", text));
    }
    return GLASS_OK;
}

static glass_status read_key(struct licence_policy *p, yaml_document_t *doc,
                             const char *key, yaml_node_t *value, const char *path) {
    size_t line = value->start_mark.line + 1;
    const char *text = scalar(doc, value);
    if (strcmp(key, "base") == 0) {
        if (text == NULL || !take_builtin(p, text))
            return fail(GLASS_BAD_INPUT,
                        "%s:%zu: base must be known, dfsg, osi, permissive, public-domain, "
                        "no-share-alike, commercial or any",
                        path, line);
        return GLASS_OK;
    }
    if (strcmp(key, "allow") == 0)
        return read_patterns(&p->allow, doc, value, path, line, key);
    if (strcmp(key, "deny") == 0)
        return read_patterns(&p->deny, doc, value, path, line, key);
    if (strcmp(key, "deny_makers") == 0)
        return read_patterns(&p->deny_makers, doc, value, path, line, key);
    if (strcmp(key, "unknown") == 0) return read_flag(&p->unknown, text, path, line, key);
    if (strcmp(key, "contradictory") == 0)
        return read_flag(&p->contradictory, text, path, line, key);
    return fail(
        GLASS_BAD_INPUT,
        "%s:%zu: there is no key \"%.40s\": base, allow, deny, unknown, contradictory, "
        "deny_makers",
        path, line, key);
}

static glass_status read_document(struct licence_policy *p, yaml_document_t *doc,
                                  const char *path) {
    yaml_node_t *root = yaml_document_get_root_node(doc);
    if (root == NULL || root->type != YAML_MAPPING_NODE)
        return fail(GLASS_BAD_INPUT, "%s: a policy is a mapping: \"base: dfsg\" and so on",
                    path);
    /* base first, so that the flags beside it hold in any order. */
    for (int round = 0; round < 2; round++)
        for (yaml_node_pair_t *pair = root->data.mapping.pairs.start;
             pair < root->data.mapping.pairs.top; pair++) {
            const char *key = scalar(doc, yaml_document_get_node(doc, pair->key));
            if (key == NULL) return fail(GLASS_BAD_INPUT, "%s: a key is no text", path);
            if ((strcmp(key, "base") == 0) == (round == 0))
                TRY(read_key(p, doc, key, yaml_document_get_node(doc, pair->value), path));
        }
    return GLASS_OK;
}

static glass_status read_file(struct licence_policy *p, const char *path) {
    struct buf text = {0};
    yaml_parser_t parser;
    yaml_document_t doc;
    glass_status status = path_read_whole(&text, path, POLICY_LIMIT);
    if (status != GLASS_OK) {
        buf_free(&text);
        return status;
    }
    if (!yaml_parser_initialize(&parser)) {
        buf_free(&text);
        return fail_memory(sizeof parser);
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.data, text.len);
    if (!yaml_parser_load(&parser, &doc)) {
        status = fail(GLASS_BAD_INPUT, "%s:%zu: %s", path, parser.problem_mark.line + 1,
                      parser.problem ? parser.problem : "no YAML");
    } else {
        status = read_document(p, &doc, path);
        yaml_document_delete(&doc);
    }
    yaml_parser_delete(&parser);
    buf_free(&text);
    return status;
}

glass_status policy_open(struct licence_policy *out, const char *name) {
    memset(out, 0, sizeof *out);
    out->contradictory = true;
    if (name == NULL) name = "known";
    snprintf(out->name, sizeof out->name, "%.60s",
             strrchr(name, '/') ? strrchr(name, '/') + 1 : name);
    if (take_builtin(out, name)) return GLASS_OK;
    if (strchr(name, '/') == NULL && strchr(name, '.') == NULL)
        return fail(
            GLASS_USAGE,
            "there is no policy \"%s\": known, dfsg, osi, permissive, public-domain, "
            "no-share-alike, commercial, any, or a YAML file with rules",
            name);
    take_builtin(out, "known");
    glass_status status = read_file(out, name);
    if (status != GLASS_OK) policy_clear(out);
    return status;
}

void policy_clear(struct licence_policy *p) {
    buf_free(&p->allow);
    buf_free(&p->deny);
    buf_free(&p->deny_makers);
}

static bool matches(const struct buf *patterns, const char *text) {
    const char *end = patterns->data ? patterns->data + patterns->len : NULL;
    for (const char *at = patterns->data; at != NULL && at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (licence_glob(at, (size_t)(stop - at), text, strlen(text))) return true;
        at = stop + 1;
    }
    return false;
}

static bool name_allowed(const struct licence_policy *p, const char *id, char reason[128]) {
    unsigned flags = licence_flags(id, strlen(id));
    bool fine = !matches(&p->deny, id);
    if (fine && !matches(&p->allow, id)) {
        fine = (p->want == 0 || (flags & p->want)) && !(flags & p->refuse);
        if (!(flags & LICENCE_KNOWN) && !p->unknown) fine = false;
    }
    if (!fine) snprintf(reason, 128, "%.110s", id);
    return fine;
}

static bool node_allowed(const struct licence_policy *p, const struct licence_tree *t,
                         int i, char reason[128]) {
    const struct licence_node *x = &t->nodes[i];
    if (x->kind == 'n') return name_allowed(p, x->text, reason);
    if (x->kind == 'w') return node_allowed(p, t, x->left, reason);
    bool left = node_allowed(p, t, x->left, reason);
    if (x->kind == '&') return left && node_allowed(p, t, x->right, reason);
    return left || node_allowed(p, t, x->right, reason);
}

bool policy_allows(const struct licence_policy *p, const char *expression,
                   bool contradictory, const char *made_by, char reason[128]) {
    char here[128];
    struct licence_tree *tree;
    if (reason == NULL) reason = here;
    reason[0] = '\0';
    if (made_by != NULL && matches(&p->deny_makers, made_by)) {
        snprintf(reason, 128, "made by %.100s", made_by);
        return false;
    }
    if (contradictory && !p->contradictory) {
        snprintf(reason, 128, "contradictory statements");
        return false;
    }
    if (expression[0] == '\0') {
        snprintf(reason, 128, "unknown");
        return p->unknown;
    }
    if ((tree = malloc(sizeof *tree)) == NULL) {
        snprintf(reason, 128, "no memory");
        return false;
    }
    bool fine = licence_parse(tree, expression, strlen(expression)) && tree->top >= 0 &&
                node_allowed(p, tree, tree->top, reason);
    free(tree);
    return fine;
}
