/* emit_words.c - a record of the Model Openness Tool (YAML), and a model card (Markdown behind YAML).
 *
 * In the record a component has its own licence or none: what is inherited the tool works out itself. Its
 * comments tell grades. Sources: lfai/model_openness_tool at 8b5d30e, schema/mof_schema.json;
 * Mitchell et al. 2018, arXiv 1810.03993. */
#include "open/emit_parts.h"
#include "open/mof.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* `KEY: "text"`: a JSON string is YAML, too. */
static glass_status member(struct buf *out, const char *key, const char *text) {
    TRY(buf_printf(out, "%s: ", key));
    TRY(buf_json_string(out, text, strlen(text)));
    return buf_byte(out, '\n');
}

/* What the weights are under: a text at hand before what is only said. */
static const struct emit_licence *main_licence(const struct emit *e) {
    const struct emit_licence *best = NULL;
    for (int64_t i = 0; i < e->n_licences; i++) {
        const struct emit_licence *l = &e->licences[i];
        if (l->part == GLASS_PART_MODEL && (best == NULL || l->grade < best->grade))
            best = l;
    }
    return best;
}

/* ---- MOF ---- */

static const char *architecture(const struct emit *e) {
    static const char *const decoders[] = {"llama",   "qwen2", "qwen3",   "olmo2",   "gpt2",
                                           "gptneox", "gemma", "mistral", "gpt_neox"};
    const char *said = emit_fact(e, "architecture");
    for (size_t i = 0; said != NULL && i < sizeof decoders / sizeof *decoders; i++)
        if (strcmp(said, decoders[i]) == 0) return "transformer decoder";
    return "";
}

static bool makes_text(const struct emit *e) {
    const char *task = emit_fact(e, "task");
    return e->kind == EMIT_RUN || (task != NULL && strcmp(task, "text-generation") == 0);
}

/* Where a component is, as far as it is at hand. */
static glass_status put_component(struct emit *e, struct buf *out,
                                  const glass_audit_component *c) {
    const char *id = "";
    bool listed;
    TRY(buf_printf(out, "    - name: \"%s\" # %s\n", c->name, emit_grade(c->grade)));
    TRY(member(out, "      description", c->words));
    if (c->grade == GLASS_AUDIT_VERIFIED && *c->evidence.file)
        TRY(member(out, "      component_path", c->evidence.file));
    if (*c->licence == '\0' || c->licence_grade > GLASS_AUDIT_DECLARED) return GLASS_OK;
    TRY(emit_licence_id(e, &id, &listed, c->licence));
    TRY(buf_text(out, "      license: "));
    TRY(buf_json_string(out, id, strlen(id)));
    TRY(buf_printf(out, " # %s\n", emit_grade(c->licence_grade)));
    return *c->licence_evidence.file
               ? member(out, "      license_path", c->licence_evidence.file)
               : GLASS_OK;
}

glass_status emit_mof(struct emit *e, struct buf *out) {
    const glass_audit_report *r = &e->a->report;
    const struct emit_licence *l = main_licence(e);
    const char *developer = emit_fact(e, "developer"), *base = emit_fact(e, "base model");
    int n = 0;
    TRY(buf_text(out,
                 "framework:\n  name: \"Model Openness Framework\"\n  version: \"1.0\"\n"
                 "  date: \"2024-12-15\"\nrelease:\n"));
    TRY(member(out, "  name", e->name));
    if (emit_fact(e, "version")) TRY(member(out, "  version", emit_fact(e, "version")));
    if (*e->date) TRY(buf_printf(out, "  date: \"%.10s\"\n", e->date));
    TRY(member(out, "  type", makes_text(e) ? "language" : ""));
    TRY(member(out, "  architecture", architecture(e)));
    if (base != NULL) TRY(member(out, "  origin", base));
    TRY(member(out, "  producer", developer != NULL ? developer : ""));
    TRY(buf_text(out, l != NULL ? "  license:\n    distribution:\n" : "  license: {}\n"));
    if (l != NULL) {
        TRY(buf_text(out, "      name: "));
        TRY(buf_json_string(out, l->id, strlen(l->id)));
        TRY(buf_printf(out, " # %s\n", emit_grade(l->grade)));
        TRY(member(out, "      path", l->evidence.file));
    }
    for (int i = 0; i < GLASS_MOF_COMPONENTS; i++) {
        if (r->components[i].grade > GLASS_AUDIT_DECLARED) continue;
        if (n++ == 0) TRY(buf_text(out, "  components:\n"));
        TRY(put_component(e, out, &r->components[i]));
    }
    return n == 0 ? buf_text(out, "  components: []\n") : GLASS_OK;
}

/* ---- the card ---- */

static glass_status front_list(struct emit *e, struct buf *out, const char *as,
                               const char *key) {
    const struct emit_fact *f;
    int64_t at = 0;
    for (int n = 0; (f = emit_fact_next(e, key, &at)) != NULL; n++) {
        if (n == 0) TRY(buf_printf(out, "%s:\n", as));
        TRY(buf_text(out, "- "));
        TRY(buf_json_string(out, f->value, strlen(f->value)));
        TRY(buf_byte(out, '\n'));
    }
    return GLASS_OK;
}

/* Hubs want their own names: SPDX' in lower case, or "other" with the name beside it. */
static glass_status front_licence(struct emit *e, struct buf *out) {
    const struct emit_licence *l = main_licence(e);
    if (l == NULL) return GLASS_OK;
    if (l->listed) {
        TRY(buf_text(out, "license: "));
        for (const char *c = l->id; *c; c++)
            TRY(buf_byte(out, (char)tolower((unsigned char)*c)));
        return buf_byte(out, '\n');
    }
    TRY(buf_text(out, "license: other\n"));
    TRY(member(out, "license_name", l->name));
    return l->grade == GLASS_AUDIT_VERIFIED ? member(out, "license_link", l->evidence.file)
                                            : GLASS_OK;
}

static glass_status row(struct buf *out, const char *key, const char *value,
                        glass_audit_grade grade, const glass_audit_evidence *at) {
    TRY(buf_text(out, "| "));
    TRY(emit_markdown(out, key));
    TRY(buf_text(out, " | "));
    TRY(emit_markdown(out, value));
    TRY(buf_printf(out, " | %s | ", emit_grade(grade)));
    TRY(emit_markdown(out, at->file));
    if (at->end > at->begin) TRY(buf_printf(out, ", bytes %zu to %zu", at->begin, at->end));
    return buf_text(out, " |\n");
}

/* The facts whose keys begin so; every other one where none of the prefixes fits. */
static glass_status rows(struct emit *e, struct buf *out, const char *heading,
                         const char *prefix) {
    static const char *const others[] = {"recipe.", "openness: ", "check: ", "finding: "};
    int n = 0;
    for (int64_t i = 0; i < e->n_facts; i++) {
        const struct emit_fact *f = &e->facts[i];
        bool other = false;
        for (size_t k = 0; k < sizeof others / sizeof *others; k++)
            other |= strncmp(f->key, others[k], strlen(others[k])) == 0;
        if (prefix != NULL ? strncmp(f->key, prefix, strlen(prefix)) != 0 : other) continue;
        if (n++ == 0)
            TRY(buf_printf(out,
                           "## %s\n\n| fact | value | how sure | by |\n|---|---|---|---|\n",
                           heading));
        TRY(row(out, f->key + (prefix != NULL ? strlen(prefix) : 0), f->value, f->grade,
                &f->evidence));
    }
    return n > 0 ? buf_byte(out, '\n') : GLASS_OK;
}

static glass_status card_licences(struct emit *e, struct buf *out) {
    static const char *const parts[] = {"model", "base", "adapter", "policy",
                                        "data",  "code", "document"};
    TRY(buf_text(out, "## Licences\n\n"));
    if (e->n_licences == 0)
        return buf_text(out, "Nothing at hand says what it is under.\n\n");
    TRY(buf_text(out, "| of | licence | how sure | by |\n|---|---|---|---|\n"));
    for (int64_t i = 0; i < e->n_licences; i++) {
        const struct emit_licence *l = &e->licences[i];
        const char *name = "";
        TRY(pool_printf(&e->pool, &name, "%s: %s%s", l->id, l->name,
                        l->changed ? " (words differ)" : ""));
        TRY(row(out, parts[l->part], name, l->grade, &l->evidence));
    }
    return buf_byte(out, '\n');
}

static glass_status card_files(struct emit *e, struct buf *out) {
    TRY(buf_text(out, "## Files\n\n| file | bytes | SHA-256 |\n|---|---|---|\n"));
    for (int64_t i = 0; i < e->n_files; i++) {
        TRY(buf_text(out, "| "));
        TRY(emit_markdown(out, e->files[i].f->path));
        TRY(buf_printf(out, " | %zu | %s |\n", e->files[i].f->n_bytes, e->files[i].sha256));
    }
    return GLASS_OK;
}

glass_status emit_card(struct emit *e, struct buf *out) {
    TRY(buf_text(out, "---\n"));
    TRY(front_licence(e, out));
    TRY(front_list(e, out, "language", "language"));
    TRY(front_list(e, out, "base_model", "base model"));
    TRY(front_list(e, out, "datasets", "dataset"));
    if (makes_text(e)) TRY(buf_text(out, "pipeline_tag: text-generation\n"));
    if (emit_fact(e, "library")) TRY(member(out, "library_name", emit_fact(e, "library")));
    TRY(buf_text(out, "---\n\n# "));
    TRY(emit_markdown(out, e->name));
    TRY(buf_text(out, "\n\nWritten from the files at hand by `glass audit --emit card`. "
                      "Verified: computed from bytes; declared: somebody says so.\n\n"));
    TRY(rows(e, out, "Model", NULL));
    TRY(buf_text(out, "## Intended use\n\nNot declared to Glass.\n\n"));
    TRY(card_licences(e, out));
    TRY(rows(e, out, "Training", "recipe."));
    TRY(rows(e, out, "How open", "openness: "));
    TRY(rows(e, out, "Checks", "check: "));
    TRY(rows(e, out, "What does not fit", "finding: "));
    TRY(buf_text(out, "## Limits, biases, risks\n\nNot declared to Glass.\n\n"));
    return card_files(e, out);
}
