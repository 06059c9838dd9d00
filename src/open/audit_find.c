/* audit_find.c - which parts of a model lie in a folder, by the names and the bytes of its files. */
#include "open/audit_parts.h"

#include "base/hash.h"
#include "base/mem.h"
#include "format/archive.h"
#include "format/gguf.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { CODE_MOST = 256 << 10, FILES_MOST = 4000, CARDS_MOST = 300 };

struct seen {
    struct glass_audit *a;
    const struct audit_tree *t;
    const struct audit_file *file;
    glass_audit_part part;
    const char *shown;
    bool runs; /* there is a run or a corpus in the tree */
    struct buf text;
    char sha256[65];
};

static int depth_of(const char *path) {
    int n = 0;
    for (; *path; path++) n += *path == '/';
    return n;
}

glass_status audit_offer(struct glass_audit *a, int thing, glass_audit_grade grade,
                         const char *words, const glass_audit_evidence *evidence) {
    struct audit_thing *t = &a->things[thing];
    int depth = depth_of(evidence->file);
    if (t->words != NULL && (grade > t->grade || (grade == t->grade && depth >= t->depth)))
        return GLASS_OK;
    *t = (struct audit_thing){
        .grade = grade, .words = words, .evidence = *evidence, .depth = depth};
    return GLASS_OK;
}

static glass_status offer(struct seen *s, int thing, glass_audit_grade grade,
                          const char *words, size_t begin, size_t end) {
    glass_audit_evidence e;
    const char *text = s->text.data != NULL ? s->text.data : "";
    TRY(audit_evidence(s->a, &e, s->shown, s->sha256, text, s->text.len, begin, end));
    return audit_offer(s->a, thing, grade, words, &e);
}

static glass_status read_seen(struct seen *s, size_t most) {
    uint8_t digest[32];
    TRY(audit_tree_read(&s->text, s->t, s->file, most));
    if (s->text.len < s->file->n_bytes) return GLASS_OK; /* a part has no name */
    TRY(sha256_bytes(digest, s->text.data, s->text.len));
    sha256_hex(s->sha256, digest);
    return GLASS_OK;
}

static bool has(const char *path, const char *words) {
    for (const char *w = words; *w;) {
        size_t k = strcspn(w, "|");
        for (const char *p = path; *p; p++)
            if (strncasecmp(p, w, k) == 0) return true;
        w += k + (w[k] == '|');
    }
    return false;
}

/* Where one of the words stands in a file, and nothing but text is in it. */
static bool holds(const struct buf *text, const char *words, size_t *at, size_t *end) {
    if (memchr(text->data, '\0', text->len < 4096 ? text->len : 4096) != NULL) return false;
    for (const char *w = words; *w;) {
        size_t k = strcspn(w, "|");
        for (size_t i = 0; i + k <= text->len; i++)
            if (strncasecmp(text->data + i, w, k) == 0) {
                *at = i;
                *end = i + k;
                return true;
            }
        w += k + (w[k] == '|');
    }
    return false;
}

/* ---- code ---- */

/* Both the name and the text of a file have to speak of it. */
static const struct {
    int thing;
    const char *names, *never, *text, *words;
} codes[] = {
    {MOF_ARCHITECTURE, "model|architecture|transformer", "test|train|eval",
     "attention|def forward|n_head|num_heads", "code of the architecture"},
    {MOF_PREPROCESSING,
     "preprocess|dedup|clean|filter|prepare|tokenize|process_data|data_prep", "test",
     "token|text|dedup|filter|document", "code that prepares data"},
    {MOF_TRAINING, "train|finetune|fine_tune|sft", "test|eval|constrain|pretrained",
     "optimizer|backward(|learning_rate|loss", "code that trains"},
    {MOF_INFERENCE, "infer|generat|sample|chat|complet|serve|predict", "test",
     "generate|decode|logits|prompt", "code that runs it"},
    {MOF_EVALUATION, "eval|benchmark", "retrieval|medieval",
     "accuracy|perplexity|score|metric|loss", "code that evaluates"},
};

static glass_status take_code(struct seen *s) {
    size_t at, end;
    bool read = false;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (!has(s->file->path, codes[i].names) || has(s->file->name, codes[i].never))
            continue;
        if (!read) TRY(read_seen(s, CODE_MOST));
        read = true;
        if (holds(&s->text, codes[i].text, &at, &end))
            TRY(offer(s, codes[i].thing, GLASS_AUDIT_VERIFIED, codes[i].words, at, end));
    }
    return GLASS_OK;
}

/* ---- weights ---- */

static bool is_checkpoint(const char *path) {
    return has(path, "checkpoint-|checkpoint_|step-|step_|/step|iter_|global_step");
}

static const char pointer[] = "version https://git-lfs.github.com/spec/";

/* What the first bytes say that it is; NULL: nothing known. */
static const char *form_of(const struct buf *b, size_t n_bytes) {
    static const struct {
        const char *bytes, *form;
        size_t n;
    } starts[] = {{"GGUF", "a GGUF file", 4},
                  {"PK\3\4", "an archive of PyTorch", 4},
                  {"\x80\2", "a pickle of PyTorch", 2},
                  {"\x89HDF", "an HDF5 file", 4}};
    const uint8_t *p = (const uint8_t *)b->data;
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (b->len >= starts[i].n && memcmp(p, starts[i].bytes, starts[i].n) == 0)
            return starts[i].form;
    uint64_t n = 0;
    for (int i = 7; b->len >= 9 && i >= 0; i--) n = n << 8 | p[i];
    return b->len >= 9 && n >= 2 && n <= n_bytes - 8 && p[8] == '{'
               ? "tensors (safetensors)"
               : NULL;
}

/* Whether what the header tells is there to the last byte. */
static glass_status whole(struct seen *s, bool gguf, bool *good) {
    struct archive *archive;
    struct gguf *g;
    struct buf path = {0};
    TRY(audit_tree_path(&path, s->t, s->file));
    glass_status status =
        gguf ? gguf_open(&g, path.data) : archive_open(&archive, path.data);
    buf_free(&path);
    *good = status == GLASS_OK;
    if (*good && gguf) gguf_close(g);
    if (*good && !gguf) archive_close(archive);
    return status == GLASS_NO_MEMORY ? status : GLASS_OK;
}

static glass_status take_pointer(struct seen *s, int thing) {
    const char *oid = memmem(s->text.data, s->text.len, "oid sha256:", 11);
    size_t at = oid != NULL ? (size_t)(oid - s->text.data) : 0;
    size_t end = at;
    while (end < s->text.len && s->text.data[end] != '\n') end++;
    return offer(s, thing, GLASS_AUDIT_DECLARED,
                 "not the weights, but a pointer of Git LFS with their hash", at, end);
}

static glass_status take_weights(struct seen *s) {
    int thing = is_checkpoint(s->file->path) ? MOF_CHECKPOINTS : MOF_PARAMETERS;
    glass_audit_evidence e;
    bool good = true;
    TRY(read_seen(s, 512));
    if (s->text.len >= sizeof pointer - 1 &&
        memcmp(s->text.data, pointer, sizeof pointer - 1) == 0)
        return take_pointer(s, thing);
    const char *form = form_of(&s->text, s->file->n_bytes);
    bool gguf = form != NULL && strcmp(form, "a GGUF file") == 0;
    if (gguf || (form != NULL && strcmp(form, "tensors (safetensors)") == 0))
        TRY(whole(s, gguf, &good));
    if (form != NULL && good) return offer(s, thing, GLASS_AUDIT_VERIFIED, form, 0, 8);
    TRY(audit_evidence(s->a, &e, s->shown, s->sha256, s->text.data, s->text.len, 0,
                       s->text.len < 16 ? s->text.len : 16));
    if (form != NULL)
        return audit_finding_add(s->a, GLASS_FINDING_WARNING, &e, NULL,
                                 "weights are damaged or cut short: %s", glass_error());
    return audit_finding_add(
        s->a, GLASS_FINDING_WARNING, &e, NULL,
        "a file is called weights, and its bytes are none of their forms");
}

/* model.safetensors.index.json: every part that it names. */
static glass_status take_index(struct seen *s) {
    json_error_t error;
    const char *key, *last = "";
    json_t *value;
    TRY(read_seen(s, AUDIT_TEXT));
    json_t *root = json_loadb(s->text.data, s->text.len, 0, &error);
    size_t n = audit_folder(s->file->path);
    int missing = 0;
    glass_audit_evidence e = {"", "", 0, 0, ""};
    glass_status status = GLASS_OK;
    json_object_foreach(json_object_get(root, "weight_map"), key, value) {
        const char *name = json_string_value(value);
        if (name == NULL || strcmp(name, last) == 0) continue;
        last = name;
        bool there = false;
        for (int64_t i = 0; i < s->t->n && !there; i++)
            there = audit_folder(s->t->files[i].path) == n &&
                    strncmp(s->t->files[i].path, s->file->path, n) == 0 &&
                    strcmp(s->t->files[i].name, name) == 0;
        if (there) continue;
        if (missing++ == 0) {
            const char *at = memmem(s->text.data, s->text.len, name, strlen(name));
            size_t begin = at != NULL ? (size_t)(at - s->text.data) : 0;
            status = audit_evidence(s->a, &e, s->shown, s->sha256, s->text.data,
                                    s->text.len, begin, begin + strlen(name));
            if (status != GLASS_OK) break;
        }
    }
    json_decref(root);
    if (status == GLASS_OK && missing > 0)
        status = audit_finding_add(s->a, GLASS_FINDING_GAP, &e, NULL,
                                   "parts of the weights that an index names are missing");
    return status;
}

/* ---- the rest ---- */

static glass_status take_config(struct seen *s) {
    json_error_t error;
    TRY(read_seen(s, 1 << 20));
    json_t *root = json_loadb(s->text.data, s->text.len, 0, &error);
    const char *type = json_string_value(json_object_get(root, "model_type"));
    const char *at = type ? memmem(s->text.data, s->text.len, type, strlen(type)) : NULL;
    glass_status status = GLASS_OK;
    if (at != NULL) {
        size_t begin = (size_t)(at - s->text.data);
        status = offer(s, MOF_ARCHITECTURE, GLASS_AUDIT_DECLARED,
                       "an architecture by name, whose code is elsewhere", begin,
                       begin + strlen(type));
    }
    json_decref(root);
    return status;
}

static glass_status take_settings(struct seen *s) {
    size_t at, end;
    TRY(read_seen(s, CODE_MOST));
    if (holds(&s->text, "learning_rate|\"lr\"|optimizer|max_lr|warmup", &at, &end))
        TRY(offer(s, MOF_METADATA, GLASS_AUDIT_VERIFIED, "settings of the training", at,
                  end));
    return GLASS_OK;
}

static bool is_front_of_data(const struct card *c) {
    static const char *const keys[] = {"dataset_info", "size_categories", "task_categories",
                                       "annotations_creators"};
    for (int i = 0; i < c->n; i++)
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
            if (strncmp(c->members[i].key, keys[k], strlen(keys[k])) == 0) return true;
    return false;
}

static glass_status offer_member(struct seen *s, const struct card *c, const char *key,
                                 int thing, const char *words) {
    const struct card_member *m = card_item(c, key, 0);
    return m == NULL ? GLASS_OK
                     : offer(s, thing, GLASS_AUDIT_DECLARED, words, m->begin, m->end);
}

static glass_status take_front(struct seen *s) {
    struct card c;
    TRY(card_read(&c, s->text.data, s->text.len, false));
    glass_status status = GLASS_OK;
    bool data = s->part == GLASS_PART_DATA || is_front_of_data(&c);
    if (c.n > 0)
        status = offer(s, data ? MOF_DATA_CARD : MOF_MODEL_CARD, GLASS_AUDIT_VERIFIED,
                       data ? "a card of data" : "a card with metadata", c.begin,
                       c.begin + (c.end - c.begin < 200 ? c.end - c.begin : 200));
    if (status == GLASS_OK && !data)
        status = offer_member(s, &c, "datasets", MOF_DATASETS, "a data set by name");
    if (status == GLASS_OK)
        status = offer_member(s, &c, "library_name", MOF_INFERENCE,
                              "a public library that runs it");
    if (status == GLASS_OK)
        status = offer_member(s, &c, "library_name", SIGN_PACKAGE,
                              "a public library that runs it");
    for (int i = 0; status == GLASS_OK && i < c.n; i++) {
        const struct card_member *m = &c.members[i];
        if (strncmp(m->key, "model-index", 11) == 0 && strstr(m->key, ".value") != NULL) {
            status =
                offer(s, MOF_RESULTS, GLASS_AUDIT_VERIFIED,
                      "results in the card's metadata, as published", m->begin, m->end);
            break;
        }
        if (strncmp(m->key, "tags[", 5) == 0 && strncasecmp(m->value, "arxiv:", 6) == 0) {
            status = offer(s, MOF_PAPER, GLASS_AUDIT_DECLARED, "a paper by its number",
                           m->begin, m->end);
            if (status == GLASS_OK)
                status = offer(s, SIGN_PREPRINT, GLASS_AUDIT_DECLARED,
                               "a preprint by its number", m->begin, m->end);
        }
    }
    card_clear(&c);
    return status;
}

static glass_status take_words(struct seen *s, enum audit_role role) {
    TRY(read_seen(s, AUDIT_TEXT));
    if (role == ROLE_CARD) TRY(take_front(s));
    if (has(s->file->name, "modelcard|model_card|model-card"))
        TRY(offer(s, MOF_MODEL_CARD, GLASS_AUDIT_VERIFIED, "a model card", 0, 0));
    if (has(s->file->name, "datacard|data_card|data-card|datasheet|dataset_card") ||
        (s->part == GLASS_PART_DATA && role == ROLE_CARD))
        TRY(offer(s, MOF_DATA_CARD, GLASS_AUDIT_VERIFIED, "a card of data", 0, 0));
    return audit_find_cues(s->a, s->shown, s->sha256, s->text.data, s->text.len);
}

static glass_status take_data(struct seen *s) {
    TRY(read_seen(s, 512));
    if (s->text.len >= sizeof pointer - 1 &&
        memcmp(s->text.data, pointer, sizeof pointer - 1) == 0)
        return take_pointer(s, MOF_DATASETS);
    if (s->file->n_bytes == 0) return GLASS_OK;
    bool eval = has(s->file->path, "eval|test|valid|benchmark");
    return offer(s, eval ? MOF_EVALUATION_DATA : MOF_DATASETS, GLASS_AUDIT_VERIFIED,
                 eval ? "data to evaluate with" : "data", 0, 0);
}

static bool ends(const char *name, const char *end) {
    size_t n = strlen(name), k = strlen(end);
    return n >= k && strcasecmp(name + n - k, end) == 0;
}

static glass_status take_other(struct seen *s) {
    static const char *const needs[] = {"requirements.txt", "setup.py",   "pyproject.toml",
                                        "environment.yml",  "Dockerfile", "Cargo.toml"};
    const char *name = s->file->name;
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
        if (strcmp(name, needs[i]) == 0 && s->file->n_bytes > 0) {
            TRY(read_seen(s, CODE_MOST));
            TRY(offer(s, MOF_LIBRARIES, GLASS_AUDIT_VERIFIED, "a list of what it needs", 0,
                      0));
            return offer(s, SIGN_PACKAGE, GLASS_AUDIT_VERIFIED, "a package", 0, 0);
        }
    if (ends(name, ".index.json")) return take_index(s);
    if (strcmp(name, "trainer_state.json") == 0 || strcmp(name, "recipe.yaml") == 0 ||
        ends(name, ".yml") || ends(name, ".yaml") || ends(name, ".json"))
        return take_settings(s);
    if (s->part == GLASS_PART_DATA && s->file->n_bytes > 0 &&
        (ends(name, ".txt") || ends(name, ".zst") || ends(name, ".gz") ||
         ends(name, ".csv") || ends(name, ".tsv") || ends(name, ".json")))
        return take_data(s);
    if (ends(name, ".md") || ends(name, ".rst")) return take_words(s, ROLE_OTHER);
    return GLASS_OK;
}

static glass_status take(struct seen *s, int *cards) {
    enum audit_role role = audit_role(s->file->path);
    /* What a run or a corpus is made of, its hashes tell (audit_run.c). */
    if (s->runs && audit_in_run(s->t, s->file->path) && role != ROLE_CARD &&
        role != ROLE_GGUF)
        return GLASS_OK;
    if ((role == ROLE_WEIGHTS || role == ROLE_GGUF || role == ROLE_DATA) &&
        has(s->file->path, "tests/"))
        return GLASS_OK;
    if (role == ROLE_CARD || role == ROLE_OTHER) {
        bool text = role == ROLE_CARD || ends(s->file->name, ".md");
        if (text && (*cards)++ >= CARDS_MOST) return GLASS_OK;
    }
    if (s->part != GLASS_PART_MODEL && s->part != GLASS_PART_DATA) return GLASS_OK;
    if (s->part == GLASS_PART_DATA && role != ROLE_CARD && role != ROLE_DATA &&
        role != ROLE_OTHER)
        return GLASS_OK;
    switch (role) {
    case ROLE_WEIGHTS:
    case ROLE_GGUF: return take_weights(s);
    case ROLE_CONFIG: return take_config(s);
    case ROLE_CARD: return take_words(s, role);
    case ROLE_CODE:
        if (strcmp(s->file->name, "setup.py") == 0) return take_other(s);
        return take_code(s);
    case ROLE_DATA: return take_data(s);
    case ROLE_OTHER: return take_other(s);
    default: return GLASS_OK;
    }
}

glass_status audit_find(struct glass_audit *a, const struct audit_tree *t,
                        glass_audit_part part, const char *prefix) {
    int cards = 0;
    int64_t n = t->n < FILES_MOST ? t->n : FILES_MOST;
    bool runs = false;
    for (int64_t i = 0; i < t->n; i++)
        runs |= strcmp(t->files[i].name, "ledger.jsonl") == 0 ||
                strcmp(t->files[i].name, "corpus.sqlite") == 0;
    for (int64_t i = 0; i < n; i++) {
        struct seen s = {.a = a, .t = t, .file = &t->files[i], .part = part, .runs = runs};
        TRY(pool_printf(&a->pool, &s.shown, "%s%s", prefix, s.file->path));
        glass_status status = take(&s, &cards);
        buf_free(&s.text);
        TRY(status);
    }
    if (t->n > n)
        return audit_finding_add(a, GLASS_FINDING_WARNING, NULL, NULL,
                                 "of %lld files, %lld were looked at for parts of a model",
                                 (long long)t->n, (long long)n);
    return GLASS_OK;
}
