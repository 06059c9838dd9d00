/* recipe.c - YAML to a struct recipe; see recipe.h. libyaml's documents know their lines. */
#include "train/recipe.h"

#include "base/path.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <yaml.h>

enum { RECIPE_BYTES = 1 << 20, MAX_KEYS = 128, MAX_SOURCES = 1024, NAME_BYTES = 96 };
enum { HASH_TOKENS = 1 << 15 }; /* between two hashes of the weights; docs/training.md */

struct reading {
    struct recipe *r;
    const char *path;
    yaml_document_t *document;
};

/* A table of keys, the struct that they fill, and which were seen. */
struct target {
    const struct recipe_key *keys;
    int n_keys;
    char *into;
    const char *prefix;     /* of names in messages: "data: " */
    int64_t seen[MAX_KEYS]; /* its line; 0 = not there */
};

static int64_t line_of(const yaml_node_t *n) {
    return (int64_t)n->start_mark.line + 1;
}

static bool is_scalar(const yaml_node_t *n) {
    return n != NULL && n->type == YAML_SCALAR_NODE;
}

static const char *text_of(const yaml_node_t *n) {
    return (const char *)n->data.scalar.value;
}

/* Levenshtein's distance of words shorter than NAME_BYTES. */
static int distance(const char *a, const char *b) {
    int row[NAME_BYTES + 1], n = (int)strlen(b);
    for (int j = 0; j <= n; j++) row[j] = j;
    for (int i = 1; a[i - 1] != '\0'; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            int shift = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            row[j] = change < shift ? change : shift;
        }
    }
    return row[n];
}

/* What other trainers call a key. */
static const char *known_elsewhere(const char *word) {
    static const char *const names[][2] = {{"lr", "optimizer.rate"},
                                           {"learning_rate", "optimizer.rate"},
                                           {"max_lr", "optimizer.rate"},
                                           {"min_lr", "schedule.final"},
                                           {"lr_scheduler_type", "schedule.kind"},
                                           {"weight_decay", "optimizer.decay"},
                                           {"grad_clip", "optimizer.clip"},
                                           {"max_grad_norm", "optimizer.clip"},
                                           {"batch_size", "batch.sequences"},
                                           {"micro_batch_size", "batch.micro"},
                                           {"device_batch_size", "batch.micro"},
                                           {"gradient_accumulation_steps", "batch.micro"},
                                           {"seq_len", "context"},
                                           {"max_seq_len", "context"},
                                           {"sequence_length", "context"},
                                           {"block_size", "context"},
                                           {"max_steps", "steps"},
                                           {"max_iters", "steps"},
                                           {"num_iterations", "steps"},
                                           {"warmup_steps", "schedule.warmup"},
                                           {"warmup_iters", "schedule.warmup"},
                                           {"eval_every", "evaluate.every"},
                                           {"eval_interval", "evaluate.every"},
                                           {"save_every", "checkpoint.every"},
                                           {"save_steps", "checkpoint.every"},
                                           {"hidden_size", "model.n_embd"},
                                           {"d_model", "model.n_embd"},
                                           {"num_hidden_layers", "model.n_layer"},
                                           {"n_layers", "model.n_layer"},
                                           {"depth", "model.n_layer"},
                                           {"num_attention_heads", "model.n_head"},
                                           {"num_key_value_heads", "model.n_head_kv"},
                                           {"n_kv_head", "model.n_head_kv"},
                                           {"intermediate_size", "model.n_ff"},
                                           {"rope_theta", "model.rope_base"},
                                           {"tie_word_embeddings", "model.tied"},
                                           {"initializer_range", "model.deviation"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i][0], word) == 0) return names[i][1];
    return NULL;
}

/* Letters that may differ: fewer in short words. */
static int most_changes(const char *word) {
    size_t n = strlen(word) / 2;
    return n < 3 ? (int)n : 3;
}

static const char *likely(const struct target *t, const char *name) {
    const char *dotted = strrchr(name, '.'), *word = dotted == NULL ? name : dotted + 1;
    const char *best = t->keys == recipe_keys ? known_elsewhere(word) : NULL;
    if (best != NULL || strlen(name) >= NAME_BYTES) return best;
    int least = most_changes(name) + 1, most = most_changes(word);
    for (int i = 0; i < t->n_keys; i++) {
        const char *dot = strrchr(t->keys[i].name, '.');
        int d = distance(name, t->keys[i].name);
        /* "n_embed" may stand for "model.n_embd": a key in the wrong place. */
        if (dot != NULL && d >= least) {
            d = distance(word, dot + 1);
            d = d > most ? least : 1 + d;
        }
        if (d >= least) continue;
        least = d;
        best = t->keys[i].name;
    }
    return best;
}

/* A section's name for another; *n of its letters are before the dot. */
static const char *likely_section(const struct target *t, const char *name, int *n) {
    const char *best = NULL;
    int least = most_changes(name) + 1;
    for (int i = 0; i < t->n_keys && strlen(name) < NAME_BYTES; i++) {
        char section[NAME_BYTES];
        const char *dot = strchr(t->keys[i].name, '.');
        if (dot == NULL) continue;
        snprintf(section, sizeof section, "%.*s", (int)(dot - t->keys[i].name),
                 t->keys[i].name);
        int d = distance(name, section);
        if (d >= least) continue;
        least = d;
        best = t->keys[i].name;
        *n = (int)(dot - best);
    }
    return best;
}

static glass_status unknown(const struct reading *g, const struct target *t,
                            const yaml_node_t *key, const char *name, bool mapping) {
    int n = 0;
    const char *best = mapping ? likely_section(t, name, &n) : likely(t, name);
    if (best != NULL && !mapping) n = (int)strlen(best);
    return fail(GLASS_BAD_INPUT, "%s:%lld: %s\"%.80s\" is no key of a recipe%s%.*s%s",
                g->path, (long long)line_of(key), t->prefix, name,
                best ? "; did you mean \"" : "", n, best ? best : "", best ? "\"?" : "");
}

/* ---- values ---- */

static glass_status bad_value(const struct reading *g, int64_t line,
                              const struct recipe_key *k, const char *got,
                              const char *want) {
    return fail(GLASS_BAD_INPUT, "%s:%lld: %s is \"%.80s\"; wanted: %s", g->path,
                (long long)line, k->name, got, want);
}

/* A path from the recipe's folder; what is no file there stays as it is (a model's name). */
static glass_status set_path(const struct reading *g, char **out, const char *text) {
    struct buf b = {0};
    const char *slash = strrchr(g->path, '/');
    char *real = NULL;
    glass_status status = GLASS_OK;
    if (text[0] != '/' && text[0] != '\0' && slash != NULL)
        status = buf_printf(&b, "%.*s/%s", (int)(slash - g->path), g->path, text);
    else
        status = buf_text(&b, text);
    if (status == GLASS_OK && text[0] != '\0') real = realpath(b.data, NULL);
    mem_free(*out);
    *out = NULL;
    if (status == GLASS_OK)
        status = mem_copy_text(out, real ? real : text, strlen(real ? real : text));
    free(real);
    buf_free(&b);
    return status;
}

static glass_status set_number(const struct reading *g, int64_t line,
                               const struct recipe_key *k, void *at, const char *text) {
    char want[96], *end;
    errno = 0;
    double value = strtod(text, &end);
    int64_t whole = 0;
    bool good = end != text && *end == '\0' && isfinite(value) && errno != ERANGE &&
                strcspn(text, "xX") == strlen(text);
    if (good && k->kind == KEY_WHOLE) {
        whole = strtoll(text, &end, 10);
        good = *end == '\0' && errno == 0;
    }
    if (k->kind == KEY_WHOLE)
        snprintf(want, sizeof want, "a whole number from %.0f to %.0f", k->least, k->most);
    else
        snprintf(want, sizeof want, "a number from %.15g to %.15g", k->least, k->most);
    if (!good || value < k->least || value > k->most)
        return bad_value(g, line, k, text, want);
    if (k->kind == KEY_WHOLE)
        *(int64_t *)at = whole;
    else
        *(double *)at = value;
    return GLASS_OK;
}

static glass_status set_choice(const struct reading *g, int64_t line,
                               const struct recipe_key *k, int64_t *at, const char *text) {
    size_t n;
    const char *word;
    for (int64_t i = 0; (word = recipe_choice(k->choices, i, &n)) != NULL; i++)
        if (strlen(text) == n && memcmp(word, text, n) == 0) {
            *at = i;
            return GLASS_OK;
        }
    return bad_value(g, line, k, text, k->choices);
}

static glass_status set_value(const struct reading *g, const struct recipe_key *k,
                              char *into, const char *text, int64_t line, bool plain) {
    void *at = into + k->at;
    switch (k->kind) {
    case KEY_TEXT: mem_free(*(char **)at); return mem_copy_text(at, text, strlen(text));
    case KEY_PATH: return set_path(g, at, text);
    case KEY_CHOICE: return set_choice(g, line, k, at, text);
    case KEY_FLAG:
        if (!plain || (strcmp(text, "true") != 0 && strcmp(text, "false") != 0))
            return bad_value(g, line, k, text, "true or false");
        *(bool *)at = text[0] == 't';
        return GLASS_OK;
    default:
        if (!plain) return bad_value(g, line, k, text, "a number, without quotes");
        return set_number(g, line, k, at, text);
    }
}

static glass_status set_node(const struct reading *g, const struct recipe_key *k,
                             char *into, const yaml_node_t *value) {
    if (!is_scalar(value))
        return bad_value(g, line_of(value), k, "a list or a mapping", "one value");
    if (strlen(text_of(value)) != value->data.scalar.length)
        return bad_value(g, line_of(value), k, text_of(value), "text without NUL");
    return set_value(g, k, into, text_of(value), line_of(value),
                     value->data.scalar.style == YAML_PLAIN_SCALAR_STYLE);
}

static glass_status fill_absent(const struct reading *g, struct target *t, int64_t line) {
    for (int i = 0; i < t->n_keys; i++) {
        const struct recipe_key *k = &t->keys[i];
        if (t->seen[i]) continue;
        if (k->absent == NULL)
            return fail(GLASS_BAD_INPUT, "%s:%lld: %s\"%s\" is missing", g->path,
                        (long long)line, t->prefix, k->name);
        TRY(set_value(g, k, t->into, k->absent, line, true));
    }
    return GLASS_OK;
}

/* ---- mappings ---- */

static bool is_section(const struct target *t, const char *name) {
    size_t n = strlen(name);
    for (int i = 0; i < t->n_keys; i++)
        if (strncmp(t->keys[i].name, name, n) == 0 && t->keys[i].name[n] == '.')
            return true;
    return false;
}

static glass_status read_data(struct reading *g, const yaml_node_t *list);

static glass_status read_mapping(struct reading *g, struct target *t,
                                 const yaml_node_t *node, const char *section);

static glass_status read_pair(struct reading *g, struct target *t,
                              const yaml_node_pair_t *pair, const char *section) {
    const yaml_node_t *key = yaml_document_get_node(g->document, pair->key);
    const yaml_node_t *value = yaml_document_get_node(g->document, pair->value);
    char name[NAME_BYTES];
    if (!is_scalar(key))
        return fail(GLASS_BAD_INPUT, "%s:%lld: a key that is no word", g->path,
                    (long long)line_of(key));
    snprintf(name, sizeof name, "%s%s%s", section, *section ? "." : "", text_of(key));
    for (int i = 0; i < t->n_keys; i++) {
        if (strcmp(name, t->keys[i].name) != 0) continue;
        if (t->seen[i])
            return fail(GLASS_BAD_INPUT, "%s:%lld: %s is there twice", g->path,
                        (long long)line_of(key), name);
        t->seen[i] = line_of(key);
        return set_node(g, &t->keys[i], t->into, value);
    }
    if (*section == '\0' && t->keys == recipe_keys && strcmp(name, "data") == 0)
        return read_data(g, value);
    if (*section == '\0' && is_section(t, name)) {
        if (value->type != YAML_MAPPING_NODE)
            return fail(GLASS_BAD_INPUT, "%s:%lld: \"%s\" must be a mapping of keys",
                        g->path, (long long)line_of(value), name);
        return read_mapping(g, t, value, name);
    }
    return unknown(g, t, key, name, value->type == YAML_MAPPING_NODE);
}

static glass_status read_mapping(struct reading *g, struct target *t,
                                 const yaml_node_t *node, const char *section) {
    for (const yaml_node_pair_t *p = node->data.mapping.pairs.start;
         p < node->data.mapping.pairs.top; p++)
        TRY(read_pair(g, t, p, section));
    return GLASS_OK;
}

/* A list of files, each by name alone or with keys of its own. */
static glass_status read_data(struct reading *g, const yaml_node_t *list) {
    struct recipe *r = g->r;
    if (r->n_data > 0)
        return fail(GLASS_BAD_INPUT, "%s:%lld: data is there twice", g->path,
                    (long long)line_of(list));
    if (list->type != YAML_SEQUENCE_NODE)
        return fail(GLASS_BAD_INPUT,
                    "%s:%lld: data must be a list: \"- file: PATH\" and so on", g->path,
                    (long long)line_of(list));
    for (const yaml_node_item_t *i = list->data.sequence.items.start;
         i < list->data.sequence.items.top; i++) {
        const yaml_node_t *node = yaml_document_get_node(g->document, *i);
        if (r->n_data == MAX_SOURCES)
            return fail(GLASS_BAD_INPUT, "%s:%lld: more than %d files of data", g->path,
                        (long long)line_of(node), MAX_SOURCES);
        TRY(mem_resize(&r->data, (size_t)r->n_data + 1, sizeof *r->data));
        struct recipe_source *s = &r->data[r->n_data++];
        *s = (struct recipe_source){.line = line_of(node)};
        struct target t = {.keys = recipe_source_keys,
                           .n_keys = recipe_n_source_keys,
                           .into = (char *)s,
                           .prefix = "data: "};
        if (node->type == YAML_SCALAR_NODE) {
            t.seen[0] = line_of(node);
            TRY(set_node(g, &recipe_source_keys[0], t.into, node));
        } else if (node->type == YAML_MAPPING_NODE) {
            TRY(read_mapping(g, &t, node, ""));
        }
        TRY(fill_absent(g, &t, s->line));
    }
    return GLASS_OK;
}

/* ---- what keys mean together ---- */

/* Names the line of a key, or of what its section has; where neither is there, the file alone. */
static glass_status bad(const struct target *t, const char *key, const char *what) {
    const struct recipe *r = (const struct recipe *)t->into;
    size_t n = strcspn(key, ".");
    int64_t line = 0;
    for (int i = 0; i < t->n_keys; i++) {
        const char *name = t->keys[i].name;
        bool same = strcmp(name, key) == 0;
        if (t->seen[i] > 0 && (same || (line == 0 && strncmp(name, key, n + 1) == 0)))
            line = t->seen[i];
        if (same && t->seen[i] > 0) break;
    }
    return line > 0 ? fail(GLASS_BAD_INPUT, "%s:%lld: %s", r->path, (long long)line, what)
                    : fail(GLASS_BAD_INPUT, "%s: %s", r->path, what);
}

static glass_status check_shape(struct recipe *r, const struct target *t) {
    if (r->base[0] != '\0') {
        if (r->n_embd || r->n_layer || r->n_head || r->tokenizer[0])
            return bad(t, "model.base",
                       "model.base says the shape and the tokenizer already: leave n_embd, "
                       "n_layer, n_head and tokenizer out, or base");
        return GLASS_OK;
    }
    if (!r->n_embd || !r->n_layer || !r->n_head)
        return bad(t, "model.n_embd",
                   "model: either base, or n_embd, n_layer and n_head must be there");
    if (r->tokenizer[0] == '\0')
        return bad(t, "model.n_embd",
                   "model.tokenizer is missing: a tokenizer.json, or a model's file");
    if (!r->n_head_kv) r->n_head_kv = r->n_head;
    if (!r->head_dim) r->head_dim = r->n_embd / r->n_head;
    if (!r->n_ctx) r->n_ctx = r->context;
    if (r->n_head % r->n_head_kv != 0)
        return bad(t, "model.n_head_kv", "model.n_head must be a multiple of n_head_kv");
    if (r->head_dim < 2 || r->head_dim % 2 != 0)
        return bad(t, "model.n_head", "model.head_dim (else n_embd / n_head) must be even");
    return GLASS_OK;
}

static glass_status check_source(const struct recipe *r, const struct recipe_source *s) {
    const char *what = NULL;
    if ((s->file[0] != '\0') == (s->shards[0] != '\0'))
        what = "either file or shards must be there";
    else if (s->shards[0] != '\0' && s->root[0] == '\0')
        what = "shards want their root: `glass data pack` tells it, and pack.json has it";
    else if (s->root[0] != '\0' &&
             (strlen(s->root) != 64 || strspn(s->root, "0123456789abcdef") != 64))
        what = "root must be 64 hexadecimal digits";
    if (what == NULL) return GLASS_OK;
    return fail(GLASS_BAD_INPUT, "%s:%lld: data: %s", r->path, (long long)s->line, what);
}

static glass_status check(struct recipe *r, const struct target *t) {
    TRY(check_shape(r, t));
    for (int64_t i = 0; i < r->n_data; i++) TRY(check_source(r, &r->data[i]));
    if (r->n_data == 0) return bad(t, "data", "data is missing: a list of text files");
    if (r->n_ctx > 0 && r->context > r->n_ctx)
        return bad(t, "context", "context is larger than model.n_ctx");
    if (!r->micro) r->micro = r->sequences;
    if (r->sequences % r->micro != 0)
        return bad(t, "batch.micro", "batch.sequences must be a multiple of batch.micro");
    /* A hash of the weights costs as much as few tokens do, whatever the model's size. */
    int64_t tokens = r->context * r->sequences;
    if (!r->ledger_every) r->ledger_every = (HASH_TOKENS + tokens - 1) / tokens;
    if (r->warmup > r->steps)
        return bad(t, "schedule.warmup", "schedule.warmup is more than steps");
    if (r->schedule == SCHEDULE_WSD && r->decline == 0) r->decline = (r->steps + 9) / 10;
    if (r->schedule != SCHEDULE_WSD && r->decline != 0)
        return bad(t, "schedule.decline", "schedule.decline is wsd's alone");
    if (r->decline > r->steps - r->warmup)
        return bad(t, "schedule.decline",
                   "schedule.warmup and schedule.decline are more than steps");
    if (r->held_out_fraction > 0 && r->held_out_file[0] != '\0')
        return bad(t, "held_out.file", "held_out: a fraction or a file, not both");
    return GLASS_OK;
}

glass_status recipe_check_files(const struct recipe *r) {
    for (int64_t i = 0; i < r->n_data; i++) {
        const char *file = r->data[i].shards[0] ? r->data[i].shards : r->data[i].file;
        if (access(file, R_OK) != 0)
            return fail_errno("%s:%lld: data: %s: cannot open", r->path,
                              (long long)r->data[i].line, file);
    }
    if (r->held_out_file[0] != '\0' && access(r->held_out_file, R_OK) != 0)
        return fail_errno("%s: held_out.file: %s: cannot open", r->path, r->held_out_file);
    if (r->tokenizer[0] != '\0' && access(r->tokenizer, R_OK) != 0)
        return fail_errno("%s: model.tokenizer: %s: cannot open", r->path, r->tokenizer);
    return GLASS_OK;
}

static glass_status read_document(struct reading *g) {
    struct recipe *r = g->r;
    const yaml_node_t *root = yaml_document_get_root_node(g->document);
    if (root == NULL || root->type != YAML_MAPPING_NODE)
        return fail(GLASS_BAD_INPUT, "%s: no recipe: a mapping of keys is wanted", g->path);
    struct target t = {
        .keys = recipe_keys, .n_keys = recipe_n_keys, .into = (char *)r, .prefix = ""};
    TRY(read_mapping(g, &t, root, ""));
    TRY(fill_absent(g, &t, line_of(root)));
    return check(r, &t);
}

/* libyaml's reader knows the byte alone. */
static size_t problem_line(const yaml_parser_t *parser, const char *text, size_t n_bytes) {
    size_t line = 1;
    if (parser->error != YAML_READER_ERROR) return parser->problem_mark.line + 1;
    for (size_t i = 0; i < parser->problem_offset && i < n_bytes; i++)
        line += text[i] == '\n';
    return line;
}

glass_status recipe_parse(struct recipe *out, const char *text, size_t n_bytes,
                          const char *path) {
    yaml_parser_t parser;
    yaml_document_t document;
    *out = (struct recipe){0};
    TRY(recipe_scan(text, n_bytes, path));
    TRY(mem_copy_text(&out->path, path, strlen(path)));
    if (!yaml_parser_initialize(&parser)) {
        recipe_clear(out);
        return fail_memory(sizeof parser);
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, n_bytes);
    glass_status status;
    if (yaml_parser_load(&parser, &document)) {
        struct reading g = {out, out->path, &document};
        status = read_document(&g);
        yaml_document_delete(&document);
    } else {
        status = fail(GLASS_BAD_INPUT, "%s:%zu: not YAML: %s", path,
                      problem_line(&parser, text, n_bytes),
                      parser.problem ? parser.problem : "too little memory");
    }
    yaml_parser_delete(&parser);
    if (status != GLASS_OK) recipe_clear(out);
    return status;
}

glass_status recipe_read(struct recipe *out, const char *path) {
    struct buf text = {0};
    *out = (struct recipe){0};
    glass_status status = path_read_whole(&text, path, RECIPE_BYTES);
    if (status == GLASS_OK) status = recipe_parse(out, text.data, text.len, path);
    buf_free(&text);
    return status;
}

static void clear_table(const struct recipe_key *keys, int n_keys, char *into) {
    for (int i = 0; i < n_keys; i++)
        if (keys[i].kind == KEY_TEXT || keys[i].kind == KEY_PATH)
            mem_free(*(char **)(into + keys[i].at));
}

void recipe_clear(struct recipe *r) {
    clear_table(recipe_keys, recipe_n_keys, (char *)r);
    for (int64_t i = 0; i < r->n_data; i++)
        clear_table(recipe_source_keys, recipe_n_source_keys, (char *)&r->data[i]);
    mem_free(r->data);
    mem_free(r->path);
    *r = (struct recipe){0};
}
