/* emit.c - glass_emit: an audit in a standard form. */
#include "open/emit_parts.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static const char *const forms[GLASS_EMIT_FORMS] = {"spdx", "cyclonedx", "croissant", "mof",
                                                    "slsa", "card",      "datasheet"};

const char *glass_emit_name(int form) {
    return form >= 0 && form < GLASS_EMIT_FORMS ? forms[form] : NULL;
}

/* ---- JSON ---- */

json_t *emit_text(const char *text) {
    json_t *v = json_string(text);
    if (v != NULL) return v;
    struct buf b = {0}; /* the slow way, which mends it */
    if (buf_json_string(&b, text, strlen(text)) == GLASS_OK)
        v = json_loads(b.data, JSON_DECODE_ANY, NULL);
    buf_free(&b);
    return v;
}

void emit_put(struct emit *e, json_t *object, const char *key, json_t *value) {
    if (json_object_set_new(object, key, value) != 0) e->failed = true;
}

void emit_put_text(struct emit *e, json_t *object, const char *key, const char *value) {
    emit_put(e, object, key, emit_text(value));
}

void emit_push(struct emit *e, json_t *array, json_t *value) {
    if (json_array_append_new(array, value) != 0) e->failed = true;
}

json_t *emit_evidence(struct emit *e, const glass_audit_evidence *evidence) {
    json_t *o = json_object();
    emit_put_text(e, o, "file", evidence->file);
    if (*evidence->sha256) emit_put_text(e, o, "sha256", evidence->sha256);
    if (evidence->end > evidence->begin) {
        emit_put(e, o, "begin", json_integer((json_int_t)evidence->begin));
        emit_put(e, o, "end", json_integer((json_int_t)evidence->end));
    }
    return o;
}

json_t *emit_sha256(struct emit *e, const char *hex) {
    json_t *o = json_object();
    emit_put_text(e, o, "sha256", hex);
    return o;
}

struct dumping {
    struct buf *out;
    glass_status status;
};

static int take_piece(const char *text, size_t n, void *context) {
    struct dumping *d = context;
    if (d->status == GLASS_OK) d->status = buf_append(d->out, text, n);
    return d->status == GLASS_OK ? 0 : -1;
}

/* json_dumps goes on where memory for a key is missing, and leaves it out. */
glass_status emit_dump(struct buf *out, const json_t *value, size_t flags) {
    struct dumping d = {out, GLASS_OK};
    int failed = json_dump_callback(value, take_piece, &d, flags);
    TRY(d.status);
    return failed != 0 ? fail_memory(1) : GLASS_OK;
}

glass_status emit_markdown(struct buf *out, const char *text) {
    for (const char *c = text; *c; c++) {
        if (strchr("|<\\`[*", *c) != NULL) TRY(buf_byte(out, '\\'));
        TRY(buf_byte(out, (unsigned char)*c < ' ' ? ' ' : *c));
    }
    return GLASS_OK;
}

/* ---- dates ---- */

static int two_digits(const char *text) {
    return 10 * (text[0] - '0') + text[1] - '0';
}

static bool is_date(const char *text) {
    static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
    size_t n = strlen(text);
    if (n != 10 && n != sizeof form - 1) return false;
    for (size_t i = 0; i < n; i++)
        if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
            return false;
    static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = 100 * two_digits(text) + two_digits(text + 2);
    int month = two_digits(text + 5), day = two_digits(text + 8);
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (month < 1 || month > 12 || day < 1 || day > days[month - 1] ||
        (month == 2 && day == 29 && !leap))
        return false;
    return n == 10 || (two_digits(text + 11) < 24 && two_digits(text + 14) < 60 &&
                       two_digits(text + 17) < 60);
}

static glass_status take_date(struct emit *e) {
    const char *date = e->o.date;
    if (date == NULL) return GLASS_OK;
    if (!is_date(date))
        return fail(GLASS_USAGE, "--date %s: wanted YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ",
                    date);
    snprintf(e->date, sizeof e->date, "%s%s", date, strlen(date) == 10 ? "T00:00:00Z" : "");
    return GLASS_OK;
}

/* ---- the whole ---- */

static glass_status fits(const struct emit *e, glass_emit_form form) {
    static const char *const are[] = {"a model", "a Glass run", "a corpus"};
    if (form == GLASS_EMIT_CROISSANT && e->kind != EMIT_CORPUS)
        return fail(GLASS_USAGE,
                    "Croissant tells of data: give a corpus (glass data add); this is %s",
                    are[e->kind]);
    if (form == GLASS_EMIT_SLSA && e->kind != EMIT_RUN)
        return fail(GLASS_USAGE,
                    "provenance is told of a Glass run (glass train), whose ledger says "
                    "how the weights were made; this is %s",
                    are[e->kind]);
    if (e->kind == EMIT_CORPUS && (form == GLASS_EMIT_MOF || form == GLASS_EMIT_CARD))
        return fail(GLASS_USAGE, "that form tells of a model; this is a corpus");
    return GLASS_OK;
}

static glass_status write_form(struct emit *e, struct buf *out, glass_emit_form form) {
    static glass_status (*const json_forms[])(struct emit *, json_t **) = {
        [GLASS_EMIT_SPDX] = emit_spdx,
        [GLASS_EMIT_CYCLONEDX] = emit_cyclonedx,
        [GLASS_EMIT_CROISSANT] = emit_croissant,
        [GLASS_EMIT_SLSA] = emit_slsa};
    json_t *root = NULL;
    TRY(take_date(e));
    TRY(emit_collect(e));
    TRY(fits(e, form));
    if (form == GLASS_EMIT_MOF) return emit_mof(e, out);
    if (form == GLASS_EMIT_CARD) return emit_card(e, out);
    if (form == GLASS_EMIT_DATASHEET) return emit_datasheet(e, out);
    glass_status status = json_forms[form](e, &root);
    if (status == GLASS_OK && (e->failed || root == NULL)) status = fail_memory(1);
    if (status == GLASS_OK) status = emit_dump(out, root, JSON_INDENT(2));
    if (status == GLASS_OK) status = buf_byte(out, '\n');
    json_decref(root);
    return status;
}

glass_status glass_emit(char **text, size_t *n_bytes, glass_audit *audit,
                        glass_emit_form form, const glass_emit_options *options) {
    struct emit *e;
    struct buf out = {0};
    *text = NULL;
    if ((int)form < 0 || form >= GLASS_EMIT_FORMS)
        return fail(GLASS_USAGE, "there is no such form");
    TRY(mem_alloc_zero(&e, 1, sizeof *e));
    e->a = audit;
    if (options != NULL) e->o = *options;
    glass_status status = write_form(e, &out, form);
    if (status == GLASS_OK) status = buf_take(&out, text, n_bytes);
    buf_free(&out);
    json_decref(e->run);
    json_decref(e->state);
    json_decref(e->first);
    json_decref(e->metrics);
    json_decref(e->summary);
    mem_free(e->files);
    mem_free(e->facts);
    mem_free(e->licences);
    pool_free(&e->pool);
    mem_free(e);
    return status;
}
