/* tok_folder.c - a vocabulary with the small files that lie beside it.
 *
 *   tokenizer.json                   all of it, but for the names of BOS, EOS and PAD, and for
 *                                    the scores of a tokenizer.model beside it
 *   tokenizer.model                  SentencePiece, with added_tokens.json; or Meta's of Llama 3
 *                                    (tiktoken's lines), with params.json
 *   vocab.json and merges.txt        GPT-2's, with added_tokens.json
 *   tokenizer_config.json, special_tokens_map.json   those names, for each of the three
 *   generation_config.json           what ends a text, where that is more than EOS */
#include "base/path.h"
#include "text/tok_rules.h"
#include "text/tokenizer.h"

#include <string.h>
#include <sys/stat.h>

enum { JSON_LIMIT = 256 << 20 };

/* FOLDER/name of the folder that path lies in, or is. */
static glass_status beside(struct buf *out, const char *path, bool is_folder,
                           const char *name) {
    const char *slash = strrchr(path, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash - path) + 1;
    if (is_folder) n = strlen(path);
    buf_clear(out);
    TRY(buf_append(out, path, n));
    if (is_folder && n > 0 && path[n - 1] != '/') TRY(buf_byte(out, '/'));
    return buf_text(out, name);
}

struct folder {
    const char *path; /* the folder, or a file in it */
    bool is_folder;
    struct buf name, data;
};

/* Reads a file that may be missing: *found says whether it is there. */
static glass_status read_file(struct folder *f, const char *name, bool *found) {
    buf_clear(&f->data);
    TRY(beside(&f->name, f->path, f->is_folder, name));
    struct stat st;
    *found = stat(f->name.data, &st) == 0;
    return *found ? path_read_whole(&f->data, f->name.data, JSON_LIMIT) : GLASS_OK;
}

typedef glass_status (*read_small)(struct tok_source *, const char *, size_t, const char *);

/* Messages of these files name them; the source keeps its own name. */
static glass_status read_beside(struct folder *f, struct tok_source *s, const char *name,
                                read_small read) {
    bool found;
    TRY(read_file(f, name, &found));
    if (!found) return GLASS_OK;
    const char *kept = s->name;
    s->name = f->name.data;
    glass_status status = read(s, f->data.data, f->data.len, f->name.data);
    s->name = kept;
    return status;
}

/* One more id that ends a text: in the first of the three that is free. An id that no token has
 * never comes. */
static void add_end(struct tok_source *s, int64_t id) {
    int64_t *const ends[] = {&s->eos, &s->eot, &s->eom};
    if (id < 0 || id >= s->n_vocab) return;
    for (int i = 0; i < 3; i++) {
        if (*ends[i] < 0) *ends[i] = id;
        if (*ends[i] == id) return;
    }
}

/* eos_token_id: an id, or a list of them. */
static glass_status read_generation(struct tok_source *s, const char *json, size_t n_bytes,
                                    const char *name) {
    json_t *config;
    TRY(tok_json_parse(&config, json, n_bytes, name));
    const json_t *ids = json_object_get(config, "eos_token_id");
    if (json_is_integer(ids)) add_end(s, json_integer_value(ids));
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *id = json_array_get(ids, i);
        if (json_is_integer(id)) add_end(s, json_integer_value(id));
    }
    json_decref(config);
    return GLASS_OK;
}

static glass_status read_configs(struct folder *f, struct tok_source *s, bool added) {
    if (added) TRY(read_beside(f, s, "added_tokens.json", tok_read_added));
    TRY(read_beside(f, s, "tokenizer_config.json", tok_read_config));
    TRY(read_beside(f, s, "special_tokens_map.json", tok_read_config));
    return read_beside(f, s, "generation_config.json", read_generation);
}

/* GPT-2's folders from before tokenizer.json. */
static glass_status read_pair(struct folder *f, struct tok_source *s, bool *found) {
    struct buf vocab = {0};
    TRY(read_file(f, "vocab.json", found));
    if (!*found) return GLASS_OK;
    vocab = f->data;
    f->data = (struct buf){0};
    glass_status status = read_file(f, "merges.txt", found);
    if (status == GLASS_OK && !*found)
        status =
            fail(GLASS_BAD_INPUT, "%s: vocab.json without merges.txt beside it", f->path);
    if (status == GLASS_OK)
        status =
            tok_read_vocab(s, vocab.data, vocab.len, f->data.data, f->data.len, f->path);
    buf_free(&vocab);
    return status;
}

/* tokenizer.model, or a file like one. */
static glass_status read_model(struct folder *f, struct tok_source *s) {
    const char *bytes = f->data.data;
    size_t n = f->data.len;
    if (tok_is_tiktoken(bytes, n)) {
        TRY(tok_read_tiktoken(s, bytes, n, f->path));
        TRY(read_beside(f, s, "params.json", tok_read_params));
        return read_configs(f, s, false);
    }
    TRY(tok_read_model(s, bytes, n, f->path));
    return read_configs(f, s, true);
}

static glass_status read_folder(struct folder *f, struct tok_source *s) {
    bool found;
    TRY(read_file(f, "tokenizer.json", &found));
    if (found) {
        TRY(tok_read_json(s, f->data.data, f->data.len, f->path));
        if (!s->only_encodes) TRY(read_beside(f, s, "tokenizer.model", tok_read_scores));
        return read_configs(f, s, false);
    }
    TRY(read_file(f, "tokenizer.model", &found));
    if (found) return read_model(f, s);
    TRY(read_pair(f, s, &found));
    if (found) return read_configs(f, s, true);
    return fail(
        GLASS_BAD_INPUT,
        "%s: no tokenizer.json, no tokenizer.model and no vocab.json with merges.txt",
        f->path);
}

static bool has_name(const char *path, const char *name) {
    const char *slash = strrchr(path, '/');
    return strcmp(slash == NULL ? path : slash + 1, name) == 0;
}

static bool has_end(const char *path, const char *end) {
    size_t n = strlen(path), m = strlen(end);
    return n >= m && strcmp(path + n - m, end) == 0;
}

static glass_status read_one(struct folder *f, struct tok_source *s) {
    bool found;
    if (has_name(f->path, "vocab.json") || has_name(f->path, "merges.txt")) {
        TRY(read_pair(f, s, &found));
        return read_configs(f, s, true);
    }
    TRY(path_read_whole(&f->data, f->path, JSON_LIMIT));
    const char *bytes = f->data.data;
    size_t start = strspn(bytes, " \t\r\n");
    if (bytes[start] == '{') {
        TRY(tok_read_json(s, bytes, f->data.len, f->path));
        return read_configs(f, s, false);
    }
    if (has_end(f->path, ".tiktoken"))
        return fail(GLASS_BAD_INPUT,
                    "%s: its pattern and special tokens are in the program that it came "
                    "with; take the model's tokenizer.json, or Llama 3's tokenizer.model",
                    f->path);
    bool pieces = f->data.len > 0 && bytes[0] == '\n'; /* field 1, bytes */
    if (pieces || tok_is_tiktoken(bytes, f->data.len)) return read_model(f, s);
    return fail(GLASS_BAD_INPUT,
                "%s: neither a GGUF file nor a tokenizer.json nor a SentencePiece model "
                "nor Llama 3's tokenizer.model",
                f->path);
}

glass_status tok_read_path(struct tok_source *s, const char *path) {
    struct stat st;
    struct folder f = {.path = path,
                       .is_folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode)};
    glass_status status = f.is_folder ? read_folder(&f, s) : read_one(&f, s);
    s->name = path;
    buf_free(&f.name);
    buf_free(&f.data);
    return status;
}

void tok_find_eos(struct tok_source *s) {
    static const char *const names[] = {"<|endoftext|>", "</s>", "<|end_of_text|>",
                                        "<eos>"};
    for (size_t k = 0; s->eos < 0 && k < sizeof names / sizeof *names; k++)
        for (int64_t i = 0; i < s->n_vocab; i++)
            if (s->pieces[i].len == strlen(names[k]) &&
                memcmp(s->text + s->pieces[i].at, names[k], s->pieces[i].len) == 0)
                s->eos = i;
}
