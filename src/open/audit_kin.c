/* audit_kin.c - whether weights and vocabulary are what is said of them: models that it is said to be
 * made from, and models that it is not said to follow. Similarity is glass/inspect.h's. */
#include "open/audit_parts.h"

#include "glass/inspect.h"
#include "glass/tokenizer.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const glass_audit_evidence nowhere = {"", "", 0, 0, ""};

/* What opens as a model: the file, the folder, or the one GGUF file that lies in it. */
static glass_status model_path(struct glass_audit *a, const char **out) {
    const struct audit_tree *t = &a->tree;
    const struct audit_file *gguf = NULL;
    bool folder = false;
    for (int64_t i = 0; i < t->n; i++) {
        const struct audit_file *f = &t->files[i];
        size_t n = strlen(f->name);
        if (f->path != f->name) continue;
        folder |= strcmp(f->name, "config.json") == 0;
        if (n > 5 && strcmp(f->name + n - 5, ".gguf") == 0 && gguf == NULL) gguf = f;
    }
    const char *name = t->one                   ? t->files[0].path
                       : folder || gguf == NULL ? NULL
                                                : gguf->path;
    if (name == NULL) return pool_text(&a->pool, out, t->root, strlen(t->root));
    return pool_printf(&a->pool, out, "%s/%s", t->root, name);
}

static bool follows(glass_kinship k) {
    return k == GLASS_SAME_WEIGHTS || k == GLASS_QUANTISED_FROM ||
           k == GLASS_CLOSELY_FOLLOWS || k == GLASS_PARTLY_FOLLOWS;
}

static bool has_base(const struct glass_audit *a) {
    for (int64_t i = 0; i < a->n_claims; i++)
        if (a->claims[i].c.part == GLASS_PART_BASE) return true;
    return false;
}

static glass_status tell(struct glass_audit *a, const char *other, bool base,
                         const glass_diff *d) {
    const struct audit_thing *scratch = &a->things[SIGN_SCRATCH];
    bool kin = follows(d->kinship), named = base || has_base(a);
    glass_audit_evidence where = nowhere;
    TRY(pool_text(&a->pool, &where.file, other, strlen(other)));
    bool good = base ? kin : !kin || (named && scratch->words == NULL);
    TRY(audit_check_add(a, "likeness", good, &where, "%s: %s; %s", other,
                        glass_kinship_name(d->kinship), d->verdict));
    if (base && !kin)
        return audit_finding_add(a,
                                 d->kinship == GLASS_UNRELATED ? GLASS_FINDING_CONTRADICTION
                                                               : GLASS_FINDING_WARNING,
                                 &where, NULL, "said to be made from %s: %s", other,
                                 d->verdict);
    if (!kin) return GLASS_OK;
    if (scratch->words != NULL)
        return audit_finding_add(
            a, GLASS_FINDING_CONTRADICTION, &scratch->evidence, &where,
            "said to be trained from scratch, and its weights follow %s: "
            "%s",
            other, d->verdict);
    if (!named)
        return audit_finding_add(a, GLASS_FINDING_WARNING, &where, NULL,
                                 "its weights follow %s, and nothing says that it was made "
                                 "from another model: %s",
                                 other, d->verdict);
    return GLASS_OK;
}

static glass_status tell_failure(struct glass_audit *a, const char *other,
                                 glass_status status, const char *what) {
    glass_audit_evidence where = nowhere;
    if (status == GLASS_NO_MEMORY) return status;
    TRY(pool_text(&a->pool, &where.file, other, strlen(other)));
    return audit_finding_add(a, GLASS_FINDING_WARNING, &where, NULL,
                             "%s cannot be compared with %s: %s", what, other,
                             glass_error());
}

/* Pieces that have the same id in both, and the smaller vocabulary's size. */
static void count_pieces(const glass_tokenizer *x, const glass_tokenizer *y, int64_t *same,
                         int64_t *n) {
    int64_t a = glass_tokenizer_n_vocab(x), b = glass_tokenizer_n_vocab(y);
    *n = a < b ? a : b;
    *same = 0;
    for (int64_t i = 0; i < *n; i++) {
        size_t k, m;
        const char *p = glass_tokenizer_piece(x, (int32_t)i, &k);
        const char *q = glass_tokenizer_piece(y, (int32_t)i, &m);
        *same += p != NULL && q != NULL && k == m && memcmp(p, q, k) == 0;
    }
}

/* Of what it is said to be made from, or follows: the vocabulary should be that one's. */
static glass_status compare_tokenizers(struct glass_audit *a, const char *own,
                                       const char *other) {
    glass_tokenizer *x = NULL, *y = NULL;
    int64_t same, n;
    glass_audit_evidence where = nowhere;
    glass_status status = glass_tokenizer_open(&x, own);
    if (status == GLASS_OK) status = glass_tokenizer_open(&y, other);
    if (status != GLASS_OK) {
        glass_tokenizer_close(x);
        return tell_failure(a, other, status, "the vocabulary");
    }
    count_pieces(x, y, &same, &n);
    bool good = 10 * same >= 9 * n;
    status = pool_text(&a->pool, &where.file, other, strlen(other));
    if (status == GLASS_OK)
        status = audit_check_add(a, "vocabulary", good, &where,
                                 "%s: %lld of %lld tokens are the same", other,
                                 (long long)same, (long long)n);
    if (status == GLASS_OK && !good)
        status = audit_finding_add(
            a, GLASS_FINDING_CONTRADICTION, &where, NULL,
            "its vocabulary is another family's than that of %s, which it follows or is "
            "said to be made from: %lld of %lld tokens are the same",
            other, (long long)same, (long long)n);
    glass_tokenizer_close(x);
    glass_tokenizer_close(y);
    return status;
}

static glass_status compare_one(struct glass_audit *a, const char *own, const char *other,
                                bool base) {
    glass_diff *d;
    glass_status status = glass_inspect_diff(&d, own, other, NULL);
    if (status != GLASS_OK) return tell_failure(a, other, status, "the weights");
    bool kin = follows(d->kinship);
    status = tell(a, other, base, d);
    glass_diff_free(d);
    TRY(status);
    return base || kin ? compare_tokenizers(a, own, other) : GLASS_OK;
}

glass_status audit_kin(struct glass_audit *a, const glass_audit_options *o) {
    const char *own;
    if (o == NULL || (o->n_base == 0 && o->n_against == 0)) return GLASS_OK;
    if (a->tree.root == NULL) return GLASS_OK;
    TRY(model_path(a, &own));
    for (int64_t i = 0; i < o->n_against; i++)
        TRY(compare_one(a, own, o->against[i], false));
    /* A base may be at hand for its licence alone. */
    bool weights = a->things[MOF_PARAMETERS].words != NULL &&
                   a->things[MOF_PARAMETERS].grade == GLASS_AUDIT_VERIFIED;
    for (int64_t i = 0; weights && i < o->n_base; i++) {
        struct audit_tree t;
        bool model = false;
        TRY(audit_tree_open(&t, o->base[i]));
        for (int64_t k = 0; k < t.n; k++) {
            enum audit_role role = audit_role(t.files[k].path);
            model |= role == ROLE_WEIGHTS || role == ROLE_GGUF;
        }
        audit_tree_close(&t);
        if (model) TRY(compare_one(a, own, o->base[i], true));
    }
    return GLASS_OK;
}

/* ---- a folder's tokenizer against its own configuration ---- */

/* Kinds of models whose releases have these classes of tokenizers; others may have any. */
static const struct {
    const char *model, *classes;
} families[] = {
    {"llama", "Llama|Code|PreTrainedTokenizer|GPT2"},
    {"mistral", "Llama|PreTrainedTokenizer|Mistral"},
    {"gemma", "Gemma|PreTrainedTokenizer"},
    {"gpt2", "GPT2|PreTrainedTokenizer"},
    {"gpt_neox", "GPTNeoX|PreTrainedTokenizer|GPT2"},
    {"gpt_neo", "GPT2|PreTrainedTokenizer"},
    {"opt", "GPT2|PreTrainedTokenizer|OPT"},
    {"qwen", "Qwen|PreTrainedTokenizer"},
    {"bloom", "Bloom|PreTrainedTokenizer"},
    {"olmo", "GPTNeoX|GPT2|PreTrainedTokenizer"},
    {"phi", "CodeGen|GPT2|Llama|PreTrainedTokenizer"},
};

static const struct audit_file *beside(const struct audit_tree *t, const char *path,
                                       const char *name) {
    size_t n = audit_folder(path);
    for (int64_t i = 0; i < t->n; i++)
        if (audit_folder(t->files[i].path) == n &&
            strncmp(t->files[i].path, path, n) == 0 && strcmp(t->files[i].name, name) == 0)
            return &t->files[i];
    return NULL;
}

static json_t *load(const struct audit_tree *t, const struct audit_file *f,
                    struct buf *text) {
    enum { JSON_MOST = 32 << 20 };
    if (f == NULL || audit_tree_read(text, t, f, JSON_MOST) != GLASS_OK) return NULL;
    return json_loadb(text->data, text->len, 0, NULL);
}

static glass_status place(struct glass_audit *a, const struct audit_file *f,
                          const struct buf *text, const char *what,
                          glass_audit_evidence *e) {
    const char *at =
        text->len > 0 ? memmem(text->data, text->len, what, strlen(what)) : NULL;
    size_t begin = at != NULL ? (size_t)(at - text->data) : 0;
    return audit_evidence(a, e, f->path, "", text->data, text->len, begin,
                          begin + (at != NULL ? strlen(what) : 0));
}

static bool fits(const char *model, const char *class_name) {
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        if (strncmp(model, families[i].model, strlen(families[i].model)) != 0) continue;
        for (const char *w = families[i].classes; *w;) {
            size_t k = strcspn(w, "|");
            if (strncmp(class_name, w, k) == 0) return true;
            w += k + (w[k] == '|');
        }
        return false;
    }
    return true;
}

/* The largest id that tokenizer.json gives. */
static json_int_t largest(const json_t *root) {
    const char *piece;
    json_t *id;
    size_t i;
    json_int_t most = -1;
    json_object_foreach(json_object_get(json_object_get(root, "model"), "vocab"), piece,
                        id) if (json_integer_value(id) > most) most =
        json_integer_value(id);
    json_array_foreach(json_object_get(root, "added_tokens"), i, id) {
        json_int_t k = json_integer_value(json_object_get(id, "id"));
        if (k > most) most = k;
    }
    return most;
}

static glass_status check_config(struct glass_audit *a, const struct audit_file *config) {
    const struct audit_tree *t = &a->tree;
    const struct audit_file *setup = beside(t, config->path, "tokenizer_config.json");
    const struct audit_file *tokens = beside(t, config->path, "tokenizer.json");
    struct buf text[3] = {{0}, {0}, {0}};
    json_t *c = load(t, config, &text[0]), *s = load(t, setup, &text[1]),
           *v = load(t, tokens, &text[2]);
    const char *model = json_string_value(json_object_get(c, "model_type"));
    const char *class_name = json_string_value(json_object_get(s, "tokenizer_class"));
    json_int_t room = json_integer_value(json_object_get(c, "vocab_size"));
    json_int_t most = v != NULL ? largest(v) : -1;
    glass_audit_evidence one, other;
    glass_status status = GLASS_OK;
    if (model != NULL && class_name != NULL && !fits(model, class_name)) {
        status = place(a, config, &text[0], model, &one);
        if (status == GLASS_OK) status = place(a, setup, &text[1], class_name, &other);
        if (status == GLASS_OK)
            status = audit_finding_add(a, GLASS_FINDING_WARNING, &one, &other,
                                       "the tokenizer is of another family (%s) than the "
                                       "model (%s)",
                                       class_name, model);
    }
    if (status == GLASS_OK && room > 0 && most >= room) {
        status = place(a, config, &text[0], "\"vocab_size\"", &one);
        if (status == GLASS_OK) status = place(a, tokens, &text[2], "\"vocab\"", &other);
        if (status == GLASS_OK)
            status =
                audit_finding_add(a, GLASS_FINDING_CONTRADICTION, &one, &other,
                                  "the tokenizer has ids up to %lld, and the model has "
                                  "%lld rows: it is another model's",
                                  (long long)most, (long long)room);
    }
    json_decref(c);
    json_decref(s);
    json_decref(v);
    for (int i = 0; i < 3; i++) buf_free(&text[i]);
    return status;
}

glass_status audit_check_tokenizers(struct glass_audit *a) {
    enum { CONFIGS_MOST = 64 };
    int n = 0;
    for (int64_t i = 0; i < a->tree.n && n < CONFIGS_MOST; i++)
        if (strcmp(a->tree.files[i].name, "config.json") == 0) {
            n++;
            TRY(check_config(a, &a->tree.files[i]));
        }
    return GLASS_OK;
}
