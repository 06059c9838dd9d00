/* gather.c - sources to documents: glass_corpus_add. */
#include "data/gather.h"

#include "base/hash.h"
#include "base/utf8.h"
#include "data/clean.h"
#include "data/html_text.h"
#include "data/notice.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

enum { DOCUMENT_BYTES = 16 << 20, LICENCE_FILE_BYTES = 1 << 20 };

/* ---- one document ---- */

/* The first bytes of what is quoted, not cut inside a character. */
static void set_quote(struct evidence *e, const char *data, size_t n) {
    size_t take = n < QUOTE_BYTES ? n : QUOTE_BYTES;
    e->quote = data;
    e->n_quote = take == n ? n : utf8_complete(data, take);
}

static void add_evidence(struct record *r, const char *kind, const char *says,
                         const char *file, const uint8_t sha256[32], const char *data,
                         size_t offset, size_t n_bytes) {
    struct evidence *e = &r->evidence[r->n_evidence++];
    e->kind = kind;
    e->says = says;
    e->file = file;
    memcpy(e->sha256, sha256, 32);
    e->offset = (int64_t)offset;
    e->n_bytes = (int64_t)n_bytes;
    set_quote(e, data + offset, n_bytes);
}

struct licences {
    struct buf expression, stated;
    struct notice notice;
    struct licence_finding finding;
};

static void licences_clear(struct licences *l) {
    buf_free(&l->expression);
    buf_free(&l->stated);
    notice_clear(&l->notice);
    licence_finding_clear(&l->finding);
}

/* What the file says and what is said of it by name: both count; if they differ, both hold and
 * the record says that they do. What a folder or package says counts only where the file itself
 * says nothing. */
static glass_status weigh(struct gather *g, const struct draft *d, struct record *r,
                          struct licences *l) {
    const char *own = l->notice.expression.len ? l->notice.expression.data : "";
    const char *other = l->finding.expression.len ? l->finding.expression.data : "";
    bool use_other = other[0] && (!own[0] || !l->finding.inherited);
    if (l->stated.len > 0) {
        add_evidence(r, "stated", l->stated.data, r->path, r->raw, d->raw, d->stated_at,
                     d->n_stated);
        return buf_append(&l->expression, l->stated.data, l->stated.len);
    }
    if (own[0])
        add_evidence(r, l->notice.kind == NOTICE_TAG ? "spdx-tag" : "notice", own, r->path,
                     r->raw, d->raw, l->notice.offset, l->notice.n_bytes);
    if (use_other) {
        const struct licence_file *f = l->finding.file;
        add_evidence(r, l->finding.kind, other, f->path, f->sha256, f->text.data,
                     l->finding.offset, l->finding.n_bytes);
        r->contradictory = l->finding.contradictory;
    }
    if (own[0] && use_other) {
        if (licence_within(own, other)) return buf_text(&l->expression, other);
        if (licence_within(other, own)) return buf_text(&l->expression, own);
        r->contradictory = true;
        return licence_join(&l->expression, own, other, "AND");
    }
    if (own[0] || use_other) return buf_text(&l->expression, own[0] ? own : other);
    if (g->options->licence == NULL) return GLASS_OK;
    struct evidence *e = &r->evidence[r->n_evidence++];
    TRY(licence_normal(&l->expression, g->options->licence, strlen(g->options->licence)));
    *e = (struct evidence){.kind = "declared", .file = ""};
    e->says = l->expression.len ? l->expression.data : "";
    set_quote(e, g->options->licence, strlen(g->options->licence));
    return GLASS_OK;
}

/* Copyright lines, as written, with white space as one space: scratch in g->value. */
static glass_status find_author(struct gather *g, const struct draft *d, struct record *r,
                                const struct licences *l) {
    const char *text = NULL;
    size_t n = 0, at;
    if (d->author != NULL) {
        r->author = d->author;
        return GLASS_OK;
    }
    if (l->finding.copyright.n_bytes > 0) {
        text = l->finding.copyright.text;
        n = l->finding.copyright.n_bytes;
    } else if (!d->prose && notice_author(d->raw, d->n_raw, &at, &n)) {
        text = d->raw + at;
    } else if (g->options->author != NULL) {
        r->author = g->options->author;
        return GLASS_OK;
    }
    if (text == NULL) return GLASS_OK;
    buf_clear(&g->value);
    for (size_t i = 0; i < n && g->value.len < 400; i++) {
        bool space = strchr(" \t\r\n", text[i]) != NULL && text[i] != '\0';
        if (space && (g->value.len == 0 || g->value.data[g->value.len - 1] == ' '))
            continue;
        TRY(buf_byte(&g->value, space ? ' ' : text[i]));
    }
    g->value.len = utf8_complete(g->value.data, g->value.len);
    g->value.data[g->value.len] = '\0';
    r->author = g->value.data;
    return GLASS_OK;
}

static bool is_empty(const char *text, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!strchr(" \t\r\n\f\v", text[i]) || text[i] == '\0') return false;
    return true;
}

static bool is_utf16(const char *text, size_t n) {
    return n >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0);
}

/* NULL if the bytes are text. */
static const char *no_text(const char *text, size_t n) {
    size_t n_control = 0;
    if (is_empty(text, n)) return "empty";
    for (size_t at = 0; at < n;) {
        unsigned char c = (unsigned char)text[at];
        uint32_t u;
        if (c >= 0x80) {
            at += utf8_decode(&u, text + at, n - at);
            if (u == UTF8_BAD) return "not UTF-8";
            continue;
        }
        if (c == 0) return "no text";
        if (c < ' ' && c != '\n' && c != '\t' && c != '\r' && c != '\f') n_control++;
        at++;
    }
    return n_control > n / 256 ? "no text" : NULL;
}

static glass_status keep(struct gather *g, const struct draft *d, struct record *r,
                         struct licences *l) {
    char reason[128];
    bool added;
    const char *expression = l->expression.len ? l->expression.data : "";
    r->licence = expression;
    TRY(find_author(g, d, r, l));
    if (!policy_allows(&g->policy, expression, r->contradictory, r->made_by, reason)) {
        struct buf words = {0};
        glass_status status = buf_printf(&words, "policy %s: %s", g->policy.name, reason);
        g->report->n_excluded++;
        if (status == GLASS_OK && g->options->left_out)
            g->options->left_out(g->options->context, r->path, words.data);
        if (status == GLASS_OK)
            status = corpus_put_excluded(g->corpus, r->path, d->part, words.data,
                                         expression[0] ? expression : "unknown");
        buf_free(&words);
        return status;
    }
    TRY(corpus_put(g->corpus, r, d->text, &added));
    g->progress.n_documents++;
    g->progress.n_bytes += (int64_t)d->n_text;
    if (added)
        g->report->n_added++;
    else
        g->report->n_again++;
    if (g->options->progress && !g->options->progress(g->options->context, &g->progress))
        return fail(GLASS_CANCELLED, "cancelled");
    return GLASS_OK;
}

/* A catalogue of translations holds the notices that programs print: only its head is its own. */
static size_t notice_bytes(const struct draft *d) {
    size_t n = strlen(d->path);
    if (n < 4 || (strcmp(d->path + n - 3, ".po") && strcmp(d->path + n - 4, ".pot")))
        return d->n_raw;
    const char *first = memmem(d->raw, d->n_raw, "\nmsgid", 6);
    return first ? (size_t)(first - d->raw) : d->n_raw;
}

/* ChangeLog, changelog.Debian, CHANGES.txt, NEWS, HISTORY, but not changes.c. */
static bool is_history(const char *path) {
    static const char *const names[] = {"changelog", "changes", "news", "history"};
    const char *name = path + strlen(path);
    while (name > path && name[-1] != '/' && name[-1] != '!') name--;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n = strlen(names[i]);
        if (strncasecmp(name, names[i], n) != 0) continue;
        const char *end = name + n;
        return !isalpha((unsigned char)*end) &&
               (*end != '.' || strlen(end) > 4 || strcasecmp(end, ".txt") == 0 ||
                strcasecmp(end, ".md") == 0 || isdigit((unsigned char)end[1]));
    }
    return false;
}

glass_status gather_draft(struct gather *g, const struct draft *d) {
    const char *reason = no_text(d->text, d->n_text);
    if (reason != NULL) {
        gather_skip(g, d->path, reason);
        return GLASS_OK;
    }
    struct record r = {.source = g->source.data,
                       .path = d->path,
                       .part = d->part,
                       .n_bytes = (int64_t)d->n_text,
                       .kind = d->kind,
                       .encoding = d->encoding,
                       .title = d->title && d->title[0] ? d->title : NULL,
                       .url = d->url,
                       .made_by = d->made_by ? d->made_by : g->options->made_by};
    TRY(sha256_bytes(r.content, d->text, d->n_text));
    memcpy(g->last_content, r.content, 32);
    if (g->corpus == NULL) return GLASS_OK;
    TRY(sha256_bytes(r.raw, d->raw, d->n_raw));
    memcpy(r.retrieved, g->has_retrieved ? g->retrieved : r.raw, 32);
    struct licences l = {0};
    glass_status status = GLASS_OK;
    if (d->stated != NULL) status = licence_normal(&l.stated, d->stated, d->n_stated);
    if (status == GLASS_OK && !d->prose)
        status = notice_find(&l.notice, d->raw, notice_bytes(d),
                             is_history(d->path) ? NOTICE_HISTORY : NOTICE_FILE);
    if (status == GLASS_OK) status = licence_files_find(&l.finding, &g->licences, d->path);
    if (status == GLASS_OK) status = weigh(g, d, &r, &l);
    if (status == GLASS_OK) status = keep(g, d, &r, &l);
    licences_clear(&l);
    return status;
}

/* ---- one file ---- */

void gather_skip(void *context, const char *path, const char *reason) {
    struct gather *g = context;
    if (g->collecting || g->report == NULL) return;
    g->report->n_skipped++;
    if (g->options->left_out) g->options->left_out(g->options->context, path, reason);
    /* What cannot be noted down shows at the next write. */
    if (g->corpus) (void)corpus_put_excluded(g->corpus, path, -1, reason, NULL);
}

/* The path in its source; NULL for files that are none of its documents. */
static const char *own_path(struct gather *g, const char *path) {
    if (g->prefix.len > 0 && strncmp(path, g->prefix.data, g->prefix.len) == 0)
        path += g->prefix.len;
    if (g->package) { /* "control.tar.xz!control", "data.tar.xz!usr/…" */
        const char *inner = strchr(path, '!');
        return strncmp(path, "data.tar", 8) == 0 && inner ? inner + 1 : NULL;
    }
    if (g->strip_first) {
        const char *slash = strchr(path, '/');
        path = slash ? slash + 1 : path;
        if (g->without_debian && strncmp(path, "debian/", 7) == 0) return NULL;
    }
    return path;
}

static bool has_end(const char *path, const char *end) {
    size_t n = strlen(path), k = strlen(end);
    return n > k && strcasecmp(path + n - k, end) == 0;
}

static const char *kind_of(const char *path) {
    if (has_end(path, ".html") || has_end(path, ".htm") || has_end(path, ".xhtml"))
        return "html";
    if (has_end(path, ".md") || has_end(path, ".markdown")) return "markdown";
    return "text";
}

/* UTF-16 by its mark, or bytes that are no UTF-8. */
static bool is_coded(const char *text, size_t n) {
    const char *reason = no_text(text, n);
    return is_utf16(text, n) || (reason != NULL && strcmp(reason, "not UTF-8") == 0);
}

static glass_status whole_file(struct gather *g, struct item *item, const char *path,
                               const void *first, size_t n_first) {
    bool whole;
    buf_clear(&g->raw); /* first is gone with the next read */
    TRY(buf_append(&g->raw, first, n_first));
    TRY(item_read_all(item, &g->text, (size_t)g->max_document, &whole));
    if (!whole || g->text.len + n_first > (size_t)g->max_document) {
        gather_skip(g, path, "longer than a document may be (--max-document)");
        return GLASS_OK;
    }
    TRY(buf_append(&g->raw, g->text.len ? g->text.data : "", g->text.len));
    struct draft d = {.path = path,
                      .part = -1,
                      .raw = g->raw.data,
                      .n_raw = g->raw.len,
                      .text = g->raw.data,
                      .n_text = g->raw.len,
                      .kind = kind_of(path)};
    if (d.n_raw >= 3 && memcmp(d.raw, "\xef\xbb\xbf", 3) == 0) d.text += 3, d.n_text -= 3;
    if (strcmp(d.kind, "html") == 0) {
        glass_status status = html_text(&g->text, &g->title, d.raw, d.n_raw, path);
        if (status == GLASS_BAD_INPUT) {
            gather_skip(g, path, "no page of HTML");
            return GLASS_OK;
        }
        TRY(status);
        d.text = g->text.len ? g->text.data : "";
        d.n_text = g->text.len;
        d.title = g->title.len ? g->title.data : NULL;
    } else if (g->options->repair && is_coded(d.text, d.n_text)) {
        TRY(clean_decode(&g->text, &d.encoding, d.raw, d.n_raw));
        if (d.encoding != NULL) {
            d.text = g->text.data;
            d.n_text = g->text.len;
        }
    }
    return gather_draft(g, &d);
}

/* In the first pass only what says something of other files is read. */
static glass_status collect(struct gather *g, struct item *item, const char *path,
                            enum licence_file_kind kind) {
    struct buf text = {0};
    bool whole;
    if (kind == LICENCE_FILE_NONE) return GLASS_OK;
    glass_status status = item_read_all(item, &text, LICENCE_FILE_BYTES, &whole);
    if (status == GLASS_OK && whole)
        status = licence_files_add(&g->licences, kind, path, &text);
    buf_free(&text);
    return status;
}

/* Its magic bytes are at its beginning and its end. */
static glass_status no_parquet(struct gather *g, const char *path) {
    static const char advice[] =
        "Parquet, which Glass does not read: make JSON lines of it";
    if (!g->single) {
        gather_skip(g, path, advice);
        return GLASS_OK;
    }
    return fail(GLASS_BAD_INPUT,
                "%s: %s, for example with Python's pandas and pyarrow: "
                "pandas.read_parquet('FILE').to_json('FILE.jsonl', orient='records', "
                "lines=True), and add FILE.jsonl",
                path, advice);
}

glass_status gather_visit(void *context, struct item *item) {
    struct gather *g = context;
    const void *first;
    size_t n;
    const char *path = own_path(g, item->path);
    if (path == NULL) return GLASS_OK;
    /* A path of the item's, which lives as long as it does. */
    enum licence_file_kind kind = licence_file_kind(path, g->package);
    if (g->collecting) return collect(g, item, path, kind);
    if (kind != LICENCE_FILE_NONE && g->corpus != NULL) {
        gather_skip(g, path, "a licence, not a document");
        return GLASS_OK;
    }
    TRY(item->read(item->from, &first, &n));
    if (n == 0) {
        gather_skip(g, path, "empty");
        return GLASS_OK;
    }
    if (n >= 4 && memcmp(first, "PAR1", 4) == 0) return no_parquet(g, path);
    bool coded = g->options->repair && is_utf16(first, n);
    if (!coded && memchr(first, '\0', n)) { /* most files that are no text show it soon */
        gather_skip(g, path, "no text");
        return GLASS_OK;
    }
    if (has_end(path, ".jsonl") || has_end(path, ".ndjson"))
        return gather_lines(g, item, path, first, n);
    if (n > 5 && memcmp(first, "<doc ", 5) == 0)
        return gather_docs(g, item, path, first, n);
    return whole_file(g, item, path, first, n);
}

/* ---- one source ---- */

static glass_status each_path(struct gather *g, struct walk *w, const struct source *s) {
    (void)g;
    char real[4096];
    if (realpath(s->spec, real) == NULL) return fail_errno("%s: cannot open", s->spec);
    return walk_path(w, real, s->name.data);
}

static glass_status open_path(struct gather *g, struct source *s) {
    char real[4096];
    struct stat st;
    if (realpath(s->spec, real) == NULL || stat(real, &st) != 0)
        return strstr(s->spec, "://") != NULL ? fail(GLASS_USAGE,
                                                     "%s: addresses are not fetched: get "
                                                     "it first (curl -LO, git clone), "
                                                     "and add the file or folder",
                                                     s->spec)
                                              : fail_errno("%s: cannot open", s->spec);
    const char *name = strrchr(real, '/');
    name = name && name[1] ? name + 1 : real;
    bool folder = S_ISDIR(st.st_mode);
    if (!folder && !S_ISREG(st.st_mode))
        return fail(
            GLASS_USAGE,
            "%s: neither a file nor a folder: what comes from a pipe or a device is "
            "written to a file first, which is what is hashed and can be shown again",
            s->spec);
    TRY(buf_printf(&g->source, "%s:%s", folder ? "folder" : "file",
                   g->options->name ? g->options->name : name));
    TRY(walk_put_name(&s->name, name, strlen(name)));
    s->each = each_path;
    if (folder) return GLASS_OK;
    g->single = !walk_is_archive(name);
    if (!g->single) TRY(buf_printf(&g->prefix, "%s!", s->name.data));
    g->has_retrieved = true;
    return sha256_file(g->retrieved, real);
}

static glass_status pass(struct gather *g, const struct source *s, bool collecting) {
    const glass_data_options *o = g->options;
    struct walk w = {.visit = gather_visit,
                     .skip = gather_skip,
                     .context = g,
                     .max_ratio = o->max_ratio ? o->max_ratio : 250,
                     .max_entries = o->max_files ? o->max_files : 10000000,
                     .max_depth = o->max_depth ? o->max_depth : 4};
    g->collecting = collecting;
    return s->each(g, &w, s);
}

static void source_clear(struct source *s) {
    buf_free(&s->folder);
    buf_free(&s->name);
    buf_free(&s->commit);
    for (int i = 0; i < s->n_files; i++) buf_free(&s->files[i]);
}

static glass_status run_source(struct gather *g, const char *spec) {
    struct source s = {.spec = spec};
    glass_status status;
    g->progress.source = spec;
    buf_clear(&g->source);
    buf_clear(&g->prefix);
    g->has_retrieved = g->package = g->strip_first = g->without_debian = false;
    g->single = false;
    licence_files_clear(&g->licences);
    if (strncmp(spec, "deb:", 4) == 0 || strncmp(spec, "debsrc:", 7) == 0)
        status = gather_deb_open(g, &s);
    else if (gather_is_git(spec))
        status = gather_git_open(g, &s);
    else
        status = open_path(g, &s);
    if (status == GLASS_OK) status = pass(g, &s, true);
    if (status == GLASS_OK) status = pass(g, &s, false);
    source_clear(&s);
    return status;
}

static void gather_clear(struct gather *g) {
    policy_clear(&g->policy);
    licence_files_clear(&g->licences);
    struct buf *all[] = {&g->source, &g->prefix, &g->raw,  &g->text,
                         &g->title,  &g->line,   &g->path, &g->value};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) buf_free(all[i]);
}

/* What is declared by mistake would be in every record. */
static glass_status check_declared(const glass_data_options *o) {
    static const char own[] = "LicenseRef-";
    struct buf b = {0};
    glass_status status = GLASS_OK;
    if (o->licence != NULL) status = licence_normal(&b, o->licence, strlen(o->licence));
    if (status == GLASS_OK && b.len > 0 && strstr(b.data, own) != NULL &&
        strstr(o->licence, own) == NULL &&
        strstr(b.data, "LicenseRef-public-domain") == NULL)
        status = fail(GLASS_USAGE,
                      "licence \"%s\": no licence that is known here; one of your own is "
                      "called %sNAME",
                      o->licence, own);
    buf_free(&b);
    if (status == GLASS_OK && o->made_by != NULL && strcmp(o->made_by, "person") != 0 &&
        (strncmp(o->made_by, "model:", 6) != 0 || o->made_by[6] == '\0'))
        status = fail(GLASS_USAGE, "made by \"%s\": person, or model:NAME", o->made_by);
    return status;
}

/* What makes two adds of one source the same. */
static glass_status describe(struct buf *out, const glass_data_options *o) {
    const char *words[] = {o->policy, o->name,    o->licence,
                           o->author, o->made_by, o->text_field};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        TRY(buf_printf(out, "%s|", words[i] ? words[i] : ""));
    if (o->repair) TRY(buf_text(out, "repair|"));
    return buf_printf(out, "%lld|%lld|%lld|%d", (long long)o->max_document,
                      (long long)o->max_ratio, (long long)o->max_files, o->max_depth);
}

static glass_status add_source(struct gather *g, const char *spec, const char *described) {
    char real[4096];
    bool done;
    const char *key = realpath(spec, real) ? real : spec;
    glass_status status = corpus_begin_source(g->corpus, key, described, &done);
    if (status == GLASS_OK && done) return GLASS_OK;
    if (status == GLASS_OK) status = run_source(g, spec);
    if (status == GLASS_OK) status = corpus_end_source(g->corpus);
    if (status != GLASS_OK) corpus_undo_source(g->corpus);
    return status;
}

glass_status glass_corpus_add(glass_corpus *c, glass_data_report *report,
                              const char *const *sources, int64_t n_sources,
                              const glass_data_options *options) {
    static const glass_data_options none;
    struct gather g = {.corpus = c, .options = options ? options : &none, .report = report};
    struct buf described = {0};
    *report = (glass_data_report){0};
    g.max_document = g.options->max_document ? g.options->max_document : DOCUMENT_BYTES;
    if (g.options->name && n_sources > 1)
        return fail(GLASS_USAGE, "a name is for one source; there are %lld",
                    (long long)n_sources);
    if (g.options->max_document < 0 || g.options->max_ratio < 0 ||
        g.options->max_files < 0 || g.options->max_depth < 0)
        return fail(GLASS_USAGE, "limits of documents cannot be negative");
    TRY(check_declared(g.options));
    TRY(policy_open(&g.policy, g.options->policy));
    glass_status status = describe(&described, g.options);
    if (status == GLASS_OK) status = corpus_begin_writing(c);
    for (int64_t i = 0; i < n_sources && status == GLASS_OK; i++)
        status = add_source(&g, sources[i], described.data);
    if (status == GLASS_OK) status = corpus_seal(c, report->root);
    if (status == GLASS_OK)
        status =
            corpus_number(c, &report->n_documents, "SELECT count(*) FROM documents", 0);
    if (status == GLASS_OK)
        status =
            corpus_number(c, &report->n_bytes, "SELECT sum(text_bytes) FROM documents", 0);
    if (status != GLASS_OK && c->inside) corpus_undo_source(c);
    buf_free(&described);
    gather_clear(&g);
    return status;
}

glass_status glass_data_content(uint8_t content[32], const char *path) {
    /* What is no UTF-8 is in a corpus as repaired, or not at all. */
    static const glass_data_options none = {.repair = true};
    glass_data_report report = {0};
    struct gather g = {.options = &none, .report = &report, .max_document = DOCUMENT_BYTES};
    struct source s = {.spec = path};
    glass_status status = open_path(&g, &s);
    if (status == GLASS_OK) status = pass(&g, &s, false);
    source_clear(&s);
    if (status == GLASS_OK && report.n_skipped > 0)
        status = fail(GLASS_BAD_INPUT, "%s: no text that could be in a corpus", path);
    memcpy(content, g.last_content, 32);
    gather_clear(&g);
    return status;
}
