/* run_choose.c - see run_choose.h. */
#include "train/run_choose.h"

#include "base/filemap.h"
#include "base/hash.h"
#include "train/left_out.h"

#include <fnmatch.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { LEAST_DIGITS = 8 };

enum kind { BY_PLACE, BY_FIELD, BY_HASH, BY_TEXT };

struct name {
    const char *text;
    enum kind kind;
    int64_t shard, document;  /* BY_PLACE */
    char field[16];           /* BY_FIELD */
    const char *pattern;      /* the same */
    size_t n_digits;          /* BY_HASH */
    char content[65];         /* of the text that it was found to be */
    int32_t *ids, *ids_short; /* BY_TEXT: of the file, and without its last newline */
    int64_t n_ids, n_short;
    int64_t n_found;
};

/* ---- what names are ---- */

/* "train-0:77", "train-0.safetensors:77" */
static bool read_place(struct name *n) {
    static const char lead[] = "train-", ending[] = ".safetensors";
    char *end;
    if (strncmp(n->text, lead, sizeof lead - 1) != 0) return false;
    const char *at = n->text + sizeof lead - 1;
    n->shard = strtoll(at, &end, 10);
    if (end == at) return false;
    if (strncmp(end, ending, sizeof ending - 1) == 0) end += sizeof ending - 1;
    if (*end != ':') return false;
    at = end + 1;
    n->document = strtoll(at, &end, 10);
    return end != at && *end == '\0';
}

static bool read_field(struct name *n) {
    static const char *const fields[] = {"licence", "license", "source",  "path",
                                         "title",   "author",  "made_by", "url"};
    const char *colon = strchr(n->text, ':');
    for (size_t i = 0; colon != NULL && i < sizeof fields / sizeof *fields; i++) {
        size_t length = strlen(fields[i]);
        if (length != (size_t)(colon - n->text) || memcmp(n->text, fields[i], length) != 0)
            continue;
        snprintf(n->field, sizeof n->field, "%s", i == 1 ? fields[0] : fields[i]);
        n->pattern = colon + 1;
        return true;
    }
    return false;
}

static bool read_hash(struct name *n) {
    n->n_digits = strspn(n->text, "0123456789abcdefABCDEF");
    return n->text[n->n_digits] == '\0' && n->n_digits >= LEAST_DIGITS && n->n_digits <= 64;
}

static glass_status encode_file(struct name *n, const glass_tokenizer *t) {
    struct filemap map;
    TRY(filemap_open(&map, n->text));
    const char *text = map.data == NULL ? "" : (const char *)map.data;
    glass_status status = glass_tokenizer_encode(t, &n->ids, &n->n_ids, text, map.size, 0);
    size_t cut = map.size;
    while (cut > 0 && text[cut - 1] == '\n') cut--;
    if (status == GLASS_OK && cut < map.size)
        status = glass_tokenizer_encode(t, &n->ids_short, &n->n_short, text, cut, 0);
    filemap_close(&map);
    return status;
}

static glass_status read_name(struct name *n, const struct glass_run *run) {
    struct stat st;
    if (read_place(n)) {
        n->kind = BY_PLACE;
        bool there = n->shard >= 0 && n->shard < run->n_shards && n->document >= 0 &&
                     n->document < run->shards[n->shard].n_documents;
        return there
                   ? GLASS_OK
                   : fail(GLASS_USAGE, "%s: %s has no such document", n->text, run->folder);
    }
    if (read_field(n)) {
        n->kind = BY_FIELD;
        return GLASS_OK;
    }
    if (stat(n->text, &st) == 0 && !S_ISDIR(st.st_mode)) {
        n->kind = BY_TEXT;
        return encode_file(n, glass_model_tokenizer(run->model));
    }
    n->kind = BY_HASH;
    if (read_hash(n)) return GLASS_OK;
    return fail(GLASS_USAGE,
                "%s: no document is called so: give train-N:I, %d digits or more of a "
                "SHA-256, a file with the text, or licence:PATTERN (source, path, title, "
                "author, made_by, url)",
                n->text, LEAST_DIGITS);
}

/* ---- records ---- */

/* NAME.documents.jsonl of a shard; data is NULL where there is none. */
static glass_status open_records(struct filemap *out, const struct glass_run *run,
                                 int64_t shard) {
    static const char ending[] = ".safetensors";
    struct buf name = {0};
    struct stat st;
    char *path;
    *out = (struct filemap){0};
    TRY(run_shard_path(&path, run, false, shard));
    glass_status status = buf_printf(&name, "%.*s.documents.jsonl",
                                     (int)(strlen(path) - sizeof ending + 1), path);
    if (status == GLASS_OK && stat(name.data, &st) == 0)
        status = filemap_open(out, name.data);
    buf_free(&name);
    mem_free(path);
    return status;
}

/* The line at *at, which moves behind it. */
static glass_status next_record(json_t **out, const struct filemap *map, size_t *at,
                                const struct glass_run *run, int64_t shard,
                                int64_t document) {
    const char *text = (const char *)map->data + *at;
    const char *end = *at < map->size ? memchr(text, '\n', map->size - *at) : NULL;
    size_t n = end == NULL ? map->size - *at : (size_t)(end - text);
    *out = json_loadb(text, n, 0, NULL);
    *at += end == NULL ? n : n + 1;
    if (json_is_object(*out)) return GLASS_OK;
    json_decref(*out);
    *out = NULL;
    return fail(GLASS_BAD_INPUT,
                "%s/shards/train-%lld.documents.jsonl:%lld: no record of a document",
                run->folder, (long long)shard, (long long)document + 1);
}

static const char *text_of(const json_t *record, const char *key) {
    return json_string_value(json_object_get(record, key));
}

static bool begins(const char *hash, const struct name *n) {
    return hash != NULL && strncasecmp(hash, n->text, n->n_digits) == 0;
}

/* One prefix is one text, of however many documents. */
static glass_status match_hash(struct name *n, const json_t *record, bool *found) {
    const char *content = text_of(record, "content");
    *found = begins(content, n) || begins(text_of(record, "record"), n);
    if (!*found || content == NULL) return GLASS_OK;
    if (n->content[0] != '\0' && strcmp(n->content, content) != 0)
        return fail(GLASS_USAGE,
                    "%s: documents with different texts are called so (%.16s…, %.16s…): "
                    "give more digits",
                    n->text, n->content, content);
    snprintf(n->content, sizeof n->content, "%s", content);
    return GLASS_OK;
}

static bool fits(const char *value, const struct name *n) {
    return value != NULL && fnmatch(n->pattern, value, 0) == 0;
}

/* ---- choosing ---- */

struct choosing {
    const struct glass_run *run;
    struct name *names;
    int64_t n_names;
    uint8_t *marks; /* (documents of the shard of now) */
};

static void mark(struct choosing *c, struct name *n, int64_t document) {
    c->marks[document] = 1;
    n->n_found++;
}

/* By what records say. */
static glass_status choose_recorded(struct choosing *c, int64_t shard,
                                    const struct filemap *map) {
    size_t at = 0;
    glass_status status = GLASS_OK;
    for (int64_t d = 0; status == GLASS_OK && d < c->run->shards[shard].n_documents; d++) {
        json_t *record;
        TRY(next_record(&record, map, &at, c->run, shard, d));
        for (int64_t i = 0; status == GLASS_OK && i < c->n_names; i++) {
            struct name *n = &c->names[i];
            bool found = n->kind == BY_FIELD && fits(text_of(record, n->field), n);
            if (n->kind == BY_HASH) status = match_hash(n, record, &found);
            if (found) mark(c, n, d);
        }
        json_decref(record);
    }
    return status;
}

/* Without records, the file that the shard was made of is a document's source. */
static void choose_by_file(struct choosing *c, int64_t shard) {
    const char *file = c->run->recipe.data[shard].file;
    const char *slash = strrchr(file, '/');
    for (int64_t i = 0; i < c->n_names; i++) {
        struct name *n = &c->names[i];
        if (n->kind != BY_FIELD || strcmp(n->field, "source") != 0) continue;
        if (!fits(file, n) && !fits(slash == NULL ? file : slash + 1, n)) continue;
        for (int64_t d = 0; d < c->run->shards[shard].n_documents; d++) mark(c, n, d);
    }
}

/* Whether a document has these tokens between the two that begin and end it. */
static bool same_tokens(const struct shard *s, int64_t d, const int32_t *ids, int64_t n) {
    int64_t at = shard_start(s, d) + 1;
    if (ids == NULL || shard_start(s, d + 1) - at != n + 1) return false;
    for (int64_t i = 0; i < n; i++)
        if (shard_token(s, at + i) != ids[i]) return false;
    return true;
}

static void choose_by_text(struct choosing *c, int64_t shard) {
    const struct shard *s = &c->run->shards[shard];
    for (int64_t i = 0; i < c->n_names; i++) {
        struct name *n = &c->names[i];
        if (n->kind != BY_TEXT) continue;
        for (int64_t d = 0; d < s->n_documents; d++)
            if (same_tokens(s, d, n->ids, n->n_ids) ||
                same_tokens(s, d, n->ids_short, n->n_short))
                mark(c, n, d);
    }
}

static glass_status choose_of(struct choosing *c, int64_t shard) {
    struct filemap map;
    for (int64_t i = 0; i < c->n_names; i++)
        if (c->names[i].kind == BY_PLACE && c->names[i].shard == shard)
            mark(c, &c->names[i], c->names[i].document);
    choose_by_text(c, shard);
    TRY(open_records(&map, c->run, shard));
    if (map.data == NULL) {
        choose_by_file(c, shard);
        return GLASS_OK;
    }
    glass_status status = choose_recorded(c, shard, &map);
    filemap_close(&map);
    return status;
}

static glass_status take(struct choice *out, const struct choosing *c, int64_t shard) {
    const struct shard *s = &c->run->shards[shard];
    int64_t n = 0;
    for (int64_t d = 0; d < s->n_documents; d++) n += c->marks[d];
    TRY(mem_alloc(&out->documents, (size_t)n, sizeof *out->documents));
    TRY(mem_alloc(&out->digests, (size_t)n, 32));
    for (int64_t d = 0; d < s->n_documents; d++)
        if (c->marks[d]) {
            TRY(left_out_digest(out->digests + 32 * out->n, s, d));
            out->documents[out->n++] = d;
        }
    return GLASS_OK;
}

static glass_status check_found(const struct choosing *c, const struct choice *list) {
    for (int64_t i = 0; i < c->n_names; i++)
        if (c->names[i].n_found == 0)
            return fail(GLASS_USAGE, "%s: no document that %s learns from is called so%s",
                        c->names[i].text, c->run->folder,
                        c->names[i].kind == BY_TEXT ? " (or has that file's text)" : "");
    for (int64_t i = 0; i < c->run->n_shards; i++)
        if (list[i].n < c->run->shards[i].n_documents) return GLASS_OK;
    return fail(GLASS_USAGE, "these are all the documents that %s learns from",
                c->run->folder);
}

static glass_status choose(struct choice *list, struct choosing *c) {
    for (int64_t i = 0; i < c->n_names; i++) TRY(read_name(&c->names[i], c->run));
    for (int64_t i = 0; i < c->run->n_shards; i++) {
        TRY(mem_alloc_zero(&c->marks, (size_t)c->run->shards[i].n_documents, 1));
        glass_status status = choose_of(c, i);
        if (status == GLASS_OK) status = take(&list[i], c, i);
        mem_free(c->marks);
        TRY(status);
    }
    return check_found(c, list);
}

glass_status run_choose(struct choice **out, const struct glass_run *run,
                        const char *const *names, int64_t n_names) {
    struct choosing c = {.run = run, .n_names = n_names};
    glass_status status;
    *out = NULL;
    TRY_FAIL(mem_alloc_zero(&c.names, (size_t)n_names, sizeof *c.names));
    for (int64_t i = 0; i < n_names; i++) c.names[i].text = names[i];
    TRY_FAIL(mem_alloc_zero(out, (size_t)run->n_shards, sizeof **out));
    status = choose(*out, &c);
fail:
    for (int64_t i = 0; c.names != NULL && i < n_names; i++) {
        glass_free(c.names[i].ids);
        glass_free(c.names[i].ids_short);
    }
    mem_free(c.names);
    if (status == GLASS_OK) return status;
    run_choice_free(*out, run->n_shards);
    *out = NULL;
    return status;
}

void run_choice_free(struct choice *list, int64_t n_shards) {
    for (int64_t i = 0; list != NULL && i < n_shards; i++) {
        mem_free(list[i].documents);
        mem_free(list[i].digests);
    }
    mem_free(list);
}

/* ---- telling ---- */

static glass_status copy(char **out, const char *text) {
    return text == NULL ? GLASS_OK : mem_copy_text(out, text, strlen(text));
}

static glass_status describe(glass_without_document *out, const json_t *record) {
    struct buf source = {0};
    const char *path = text_of(record, "path");
    TRY(copy(&out->title, text_of(record, "title")));
    TRY(copy(&out->licence, text_of(record, "licence")));
    if (text_of(record, "source") == NULL) return GLASS_OK;
    glass_status status =
        buf_printf(&source, "%s%s%s", text_of(record, "source"),
                   path != NULL && path[0] != '\0' ? " " : "", path != NULL ? path : "");
    if (status == GLASS_OK) status = buf_take(&source, &out->source, NULL);
    buf_free(&source);
    return status;
}

static glass_status describe_shard(glass_without_document *out, const struct choice *c,
                                   const struct glass_run *run, int64_t shard,
                                   const struct filemap *map) {
    const struct shard *s = &run->shards[shard];
    size_t at = 0;
    int64_t line = 0;
    for (int64_t k = 0; k < c->n; k++) {
        int64_t d = c->documents[k];
        snprintf(out[k].name, sizeof out[k].name, "train-%lld:%lld", (long long)shard,
                 (long long)d);
        out[k].n_tokens = shard_start(s, d + 1) - shard_start(s, d);
        if (map->data == NULL) {
            TRY(copy(&out[k].source, run->recipe.data[shard].file));
            continue;
        }
        json_t *record = NULL;
        for (; line <= d; line++) {
            json_decref(record);
            TRY(next_record(&record, map, &at, run, shard, line));
        }
        glass_status status = describe(&out[k], record);
        json_decref(record);
        TRY(status);
    }
    return GLASS_OK;
}

glass_status run_describe(glass_without_document **out, int64_t *n,
                          const struct choice *list, const struct glass_run *run) {
    int64_t all = 0;
    for (int64_t i = 0; i < run->n_shards; i++) all += list[i].n;
    TRY(mem_alloc_zero(out, (size_t)all, sizeof **out));
    *n = all;
    all = 0;
    for (int64_t i = 0; i < run->n_shards; i++) {
        struct filemap map;
        if (list[i].n == 0) continue;
        TRY(open_records(&map, run, i));
        glass_status status = describe_shard(*out + all, &list[i], run, i, &map);
        filemap_close(&map);
        TRY(status);
        all += list[i].n;
    }
    return GLASS_OK;
}
