/* convert_card.c - a model card, README.md, of what the metadata says: the keys that
 * import_readme.c reads, under the hub's names. */
#include "model/convert_parts.h"

#include <stdio.h>
#include <strings.h>

/* A scalar of YAML: plain where it can only be a text, else as JSON writes it. */
static glass_status put_scalar(struct buf *b, const char *text, size_t n) {
    static const char *const words[] = {"true", "false", "yes", "no",  "on", "off",
                                        "null", "y",     "n",   "nan", NULL};
    bool plain = n > 0 && ((text[0] | 32) >= 'a' && (text[0] | 32) <= 'z');
    for (size_t i = 0; plain && i < n; i++)
        plain = (text[i] >= '0' && text[i] <= '9') ||
                ((text[i] | 32) >= 'a' && (text[i] | 32) <= 'z') ||
                (text[i] != '\0' && strchr("./_-+", text[i]) != NULL);
    for (int i = 0; plain && words[i] != NULL; i++)
        plain = strlen(words[i]) != n || strncasecmp(words[i], text, n) != 0;
    return plain ? buf_append(b, text, n) : buf_json_string(b, text, n);
}

static glass_status put_text(struct buf *b, const struct gguf *g, const char *ours,
                             const char *theirs) {
    struct gguf_string s;
    TRY(gguf_get_string_or(g, ours, &s));
    if (s.n_bytes == 0) return GLASS_OK;
    TRY(buf_printf(b, "%s: ", theirs));
    TRY(put_scalar(b, s.text, s.n_bytes));
    return buf_byte(b, '\n');
}

static glass_status put_list(struct buf *b, const struct gguf *g, const char *ours,
                             const char *theirs) {
    const struct gguf_value *v;
    TRY(gguf_get_array(g, ours, GGUF_STRING, &v));
    if (v == NULL || v->n_items == 0) return GLASS_OK;
    TRY(buf_printf(b, "%s:\n", theirs));
    for (uint64_t i = 0; i < v->n_items; i++) {
        struct gguf_string s = gguf_item_string(v, i);
        TRY(buf_text(b, "- "));
        TRY(put_scalar(b, s.text, s.n_bytes));
        TRY(buf_byte(b, '\n'));
    }
    return GLASS_OK;
}

/* ORG/NAME where the address is the hub's, else the address, else the name. */
static glass_status put_sources(struct buf *b, const struct gguf *g, const char *kind,
                                const char *theirs) {
    static const char hub[] = "https://huggingface.co/";
    uint64_t n;
    char key[80];
    snprintf(key, sizeof key, "general.%s.count", kind);
    TRY(gguf_get_u64_or(g, key, &n, 0));
    for (uint64_t i = 0; i < n && i < 4096; i++) {
        struct gguf_string s;
        snprintf(key, sizeof key, "general.%s.%llu.repo_url", kind, (unsigned long long)i);
        TRY(gguf_get_string_or(g, key, &s));
        size_t n_hub = strlen(hub);
        if (s.n_bytes > n_hub && memcmp(s.text, hub, n_hub) == 0 &&
            memchr(s.text + n_hub, '/', s.n_bytes - n_hub) != NULL) {
            s.text += n_hub;
            s.n_bytes -= n_hub;
        }
        snprintf(key, sizeof key, "general.%s.%llu.name", kind, (unsigned long long)i);
        if (s.n_bytes == 0) TRY(gguf_get_string_or(g, key, &s));
        if (i == 0) TRY(buf_printf(b, "%s:\n", theirs));
        TRY(buf_text(b, "- "));
        TRY(put_scalar(b, s.text, s.n_bytes));
        TRY(buf_byte(b, '\n'));
    }
    return GLASS_OK;
}

static glass_status put_head(struct buf *b, const struct gguf *g) {
    static const char *const texts[][2] = {{"general.name", "model_name"},
                                           {"general.license", "license"},
                                           {"general.license.name", "license_name"},
                                           {"general.license.link", "license_link"},
                                           {"general.author", "author"},
                                           {"general.organization", "organization"},
                                           {"general.version", "version"},
                                           {"general.description", "description"},
                                           {"general.finetune", "finetune"},
                                           {"general.basename", "basename"},
                                           {"general.size_label", "size_label"},
                                           {"general.quantized_by", "quantized_by"},
                                           {"general.source.url", "url"},
                                           {"general.source.doi", "doi"},
                                           {"general.source.uuid", "uuid"},
                                           {"general.source.repo_url", "repo_url"}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        TRY(put_text(b, g, texts[i][0], texts[i][1]));
    TRY(put_list(b, g, "general.languages", "language"));
    TRY(put_list(b, g, "general.tags", "tags"));
    TRY(put_sources(b, g, "base_model", "base_model"));
    TRY(put_sources(b, g, "dataset", "datasets"));
    return buf_text(b, "library_name: transformers\n");
}

glass_status convert_readme(const struct convert *c, struct buf *text) {
    struct gguf_string name;
    TRY(buf_text(text, "---\n"));
    TRY(put_head(text, c->in));
    TRY(gguf_get_string_or(c->in, "general.name", &name));
    TRY(buf_text(text, "---\n\n"));
    if (name.n_bytes > 0)
        TRY(buf_printf(text, "# %.*s\n\n", (int)(name.n_bytes < 200 ? name.n_bytes : 200),
                       name.text));
    return buf_printf(text,
                      "Converted by Glass %s from %s. What the model is, who made it and "
                      "under which licence: see its metadata above.\n",
                      glass_version(), c->from_gguf ? "a GGUF file" : "its published form");
}
