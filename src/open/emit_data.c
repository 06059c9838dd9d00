/* emit_data.c - data in standard forms: Croissant 1.1 of a corpus, and datasheets.
 *
 * Croissant asks for a URL, a creator and a date, which nothing at hand tells: they are left out.
 * Counts by licence, source, kind and maker are record sets with their data inline.
 * Sources: docs.mlcommons.org/croissant (1.1); Gebru et al. 2018, arXiv 1803.09010. */
#include "open/emit_parts.h"

#include "base/mem.h"
#include "glass/data.h"

#include <stdio.h>
#include <string.h>

/* ---- Croissant ---- */

/* The context of the specification's examples; terms of one name are those of croissant. */
static json_t *context(struct emit *e) {
    static const char *const terms[] = {
        "arrayShape", "citeAs",   "column",       "containedIn",   "equivalentProperty",
        "extract",    "field",    "fileProperty", "fileObject",    "fileSet",
        "format",     "includes", "isArray",      "isLiveDataset", "jsonPath",
        "key",        "md5",      "parentField",  "path",          "recordSet",
        "references", "regex",    "repeated",     "replace",       "samplingRate",
        "separator",  "source",   "subField",     "transform"};
    json_t *o = json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:{s:s,s:s},s:{s:s,s:s},s:{s:s,s:s}}", "@language",
        "en", "@vocab", "https://schema.org/", "sc", "https://schema.org/", "cr",
        "http://mlcommons.org/croissant/", "rai", "http://mlcommons.org/croissant/RAI/",
        "dct", "http://purl.org/dc/terms/", "conformsTo", "dct:conformsTo", "data", "@id",
        "cr:data", "@type", "@json", "dataType", "@id", "cr:dataType", "@type", "@vocab",
        "examples", "@id", "cr:examples", "@type", "@json");
    for (size_t i = 0; i < sizeof terms / sizeof *terms; i++) {
        char full[40];
        snprintf(full, sizeof full, "cr:%s", terms[i]);
        emit_put_text(e, o, terms[i], full);
    }
    return o;
}

static json_t *named(struct emit *e, const char *type, const char *id, const char *name) {
    json_t *o = json_object();
    emit_put_text(e, o, "@type", type);
    emit_put_text(e, o, "@id", id);
    emit_put_text(e, o, "name", name);
    return o;
}

static const char *encoding(const char *path) {
    const char *dot = strrchr(path, '.');
    if (dot != NULL && strcmp(dot, ".sqlite") == 0) return "application/vnd.sqlite3";
    return strcmp(path, "texts") == 0 ? "text/plain" : "application/octet-stream";
}

static json_t *distribution(struct emit *e) {
    json_t *list = json_array();
    for (int64_t i = 0; i < e->n_files; i++) {
        const struct emit_file *f = &e->files[i];
        char size[32];
        json_t *o = named(e, "cr:FileObject", f->f->path, f->f->path);
        snprintf(size, sizeof size, "%zu B", f->f->n_bytes);
        emit_put_text(e, o, "contentUrl", f->f->path);
        emit_put_text(e, o, "contentSize", size);
        emit_put_text(e, o, "encodingFormat", encoding(f->f->path));
        emit_put_text(e, o, "sha256", f->sha256);
        emit_push(e, list, o);
    }
    return list;
}

static json_t *field(struct emit *e, const char *id, const char *name, const char *words,
                     const char *type) {
    json_t *o = named(e, "cr:Field", id, name);
    emit_put_text(e, o, "description", words);
    emit_put_text(e, o, "dataType", type);
    return o;
}

/* Counts of the documents by something that their records say. */
static json_t *counts(struct emit *e, const char *list, const char *key,
                      const char *words) {
    const json_t *items = json_object_get(e->summary, list);
    const char *ids[3] = {"", "", ""};
    const char *const columns[3] = {key, "documents", "bytes"};
    const char *const about[3] = {words, "How many documents.", "Bytes of their text."};
    json_t *set = named(e, "cr:RecordSet", list, list), *fields = json_array(),
           *data = json_array();
    emit_put_text(e, set, "description",
                  "Counts over all documents, by what their records say.");
    for (int k = 0; k < 3; k++) {
        if (pool_printf(&e->pool, &ids[k], "%s/%s", list, columns[k]) != GLASS_OK)
            e->failed = true;
        emit_push(
            e, fields,
            field(e, ids[k], columns[k], about[k], k == 0 ? "sc:Text" : "sc:Integer"));
    }
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        const char *name = json_string_value(json_object_get(item, key));
        json_t *o = json_object();
        emit_put_text(e, o, ids[0], name != NULL ? name : "");
        for (int k = 1; k < 3; k++)
            emit_put(e, o, ids[k],
                     json_integer(json_integer_value(json_object_get(item, columns[k]))));
        emit_push(e, data, o);
    }
    emit_put(e, set, "field", fields);
    emit_put(e, set, "data", data);
    return set;
}

static void put_licences(struct emit *e, json_t *root) {
    json_t *list = json_array();
    for (int64_t i = 0; i < e->n_licences; i++) {
        const struct emit_licence *l = &e->licences[i];
        const char *text = l->id;
        bool before = false;
        for (int64_t k = 0; k < i; k++) before |= strcmp(e->licences[k].id, l->id) == 0;
        if (before || l->part != GLASS_PART_DATA) continue;
        if (l->listed &&
            pool_printf(&e->pool, &text, "https://spdx.org/licenses/%s", l->id) != GLASS_OK)
            e->failed = true;
        emit_push(e, list, emit_text(text));
    }
    if (json_array_size(list) > 0)
        emit_put(e, root, "license", list);
    else
        json_decref(list);
}

/* The facts with their grades, as schema.org's own free-form properties. */
static json_t *facts(struct emit *e) {
    json_t *list = json_array();
    for (int64_t i = 0; i < e->n_facts; i++) {
        const struct emit_fact *f = &e->facts[i];
        json_t *o = json_object();
        emit_put_text(e, o, "@type", "sc:PropertyValue");
        emit_put_text(e, o, "name", f->key);
        emit_put_text(e, o, "value", f->value);
        emit_put_text(e, o, "description", emit_grade(f->grade));
        emit_push(e, list, o);
    }
    return list;
}

glass_status emit_croissant(struct emit *e, json_t **out) {
    const char *words = "";
    const char *root = emit_fact(e, "root");
    TRY(pool_printf(&e->pool, &words,
                    "A corpus of %s documents, %s bytes of text, each with a record of its "
                    "origin, hashes and licence; root %s.",
                    emit_fact(e, "documents"), emit_fact(e, "bytes"),
                    root ? root : "none"));
    json_t *o = json_object(), *sets = json_array();
    emit_put(e, o, "@context", context(e));
    emit_put_text(e, o, "@type", "sc:Dataset");
    emit_put_text(e, o, "conformsTo", "http://mlcommons.org/croissant/1.1");
    emit_put_text(e, o, "name", e->name);
    emit_put_text(e, o, "description", words);
    if (root != NULL) emit_put_text(e, o, "identifier", root);
    if (*e->date) emit_put_text(e, o, "datePublished", e->date);
    put_licences(e, o);
    emit_put(e, o, "distribution", distribution(e));
    emit_push(e, sets, counts(e, "licences", "licence", "An SPDX expression, or unknown."));
    emit_push(e, sets, counts(e, "sources", "source", "Where documents were taken from."));
    emit_push(e, sets, counts(e, "kinds", "kind", "What kind of source that is."));
    emit_push(e, sets, counts(e, "makers", "made_by", "Who made the text, as declared."));
    emit_put(e, o, "recordSet", sets);
    emit_put(e, o, "additionalProperty", facts(e));
    *out = o;
    return GLASS_OK;
}

/* ---- datasheets ---- */

/* The sheet that glass data card writes, without the pictures, which are files of their own. */
static glass_status corpus_sheet(struct emit *e, struct buf *out) {
    glass_corpus *corpus;
    glass_card card;
    const glass_card_options o = {.title = e->name};
    TRY(glass_corpus_open(&corpus, e->a->tree.root, false));
    glass_status status = glass_corpus_card(&card, corpus, &o);
    glass_corpus_close(corpus);
    TRY(status);
    for (const char *line = card.text; *line && status == GLASS_OK;) {
        size_t n = strcspn(line, "\n");
        n += line[n] == '\n';
        if (strncmp(line, "![", 2) != 0) status = buf_append(out, line, n);
        line += n;
    }
    glass_card_clear(&card);
    return status;
}

/* "- KEY: VALUE (how sure)" */
static glass_status item(struct buf *out, const char *key, const char *value,
                         const char *sure) {
    TRY(buf_text(out, "- "));
    TRY(emit_markdown(out, key));
    TRY(buf_text(out, ": "));
    TRY(emit_markdown(out, value));
    return buf_printf(out, " (%s)\n", sure);
}

static glass_status answer(struct buf *out, const char *asked, const char *words) {
    TRY(buf_printf(out, "**%s** ", asked));
    TRY(emit_markdown(out, words != NULL && *words ? words : "Not declared."));
    return buf_text(out, "\n\n");
}

/* What a model's card, or a run, tells of its data. */
static glass_status other_sheet(struct emit *e, struct buf *out) {
    const struct emit_fact *f;
    int64_t at = 0, n = 0;
    TRY(buf_text(out, "# Data of "));
    TRY(emit_markdown(out, e->name));
    TRY(buf_text(out, "\n\n## Motivation\n\n"));
    TRY(answer(out, "For what was it made?", NULL));
    TRY(answer(out, "By whom, and whom to ask?", NULL));
    TRY(buf_text(out, "## Composition\n\n"));
    for (; (f = emit_fact_next(e, "dataset", &at)) != NULL; n++)
        TRY(item(out, f->evidence.file, f->value, emit_grade(f->grade)));
    for (int64_t i = 0; i < e->n_files; i++) {
        const struct emit_file *file = &e->files[i];
        bool shard = e->kind == EMIT_RUN && strncmp(file->f->path, "shards/", 7) == 0;
        if (!shard && (e->kind == EMIT_RUN || file->role != ROLE_DATA)) continue;
        TRY(item(out, file->f->path, file->sha256, "SHA-256, verified"));
        n++;
    }
    TRY(buf_text(out, n > 0 ? "\n" : "Nothing at hand tells what data it is.\n\n"));
    return answer(out, "What languages?", emit_fact(e, "language"));
}

static glass_status sheet_licences(struct emit *e, struct buf *out) {
    int64_t n = 0;
    for (int64_t i = 0; i < e->n_licences; i++) {
        const struct emit_licence *l = &e->licences[i];
        if (l->part != GLASS_PART_DATA) continue;
        if (n++ == 0)
            TRY(buf_text(out, "| licence | how sure | by | file |\n|---|---|---|---|\n"));
        TRY(buf_printf(out, "| %s | %s | %s | ", l->id, emit_grade(l->grade), l->how));
        TRY(emit_markdown(out, l->evidence.file));
        TRY(buf_text(out, " |\n"));
    }
    return buf_text(out, n > 0 ? "\n" : "No licence of the data is declared.\n\n");
}

glass_status emit_datasheet(struct emit *e, struct buf *out) {
    bool corpus = e->kind == EMIT_CORPUS;
    TRY(corpus ? corpus_sheet(e, out) : other_sheet(e, out));
    TRY(buf_text(out, corpus ? "\n## How sure\n\n" : "## Licences\n\n"));
    TRY(sheet_licences(e, out));
    if (!corpus) TRY(buf_text(out, "## Collection, cleaning, uses\n\nNot declared.\n\n"));
    for (int64_t i = 0; i < e->n_facts; i++) {
        const struct emit_fact *f = &e->facts[i];
        if (corpus || strncmp(f->key, "check:", 6) == 0 ||
            strncmp(f->key, "finding:", 8) == 0)
            TRY(item(out, f->key, f->value, emit_grade(f->grade)));
    }
    return buf_printf(out, "- digest of the files: %s (verified)\n", e->digest);
}
