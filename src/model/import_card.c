/* import_card.c - what a folder says of a model besides settings and weights: its name and its
 * chat template. */
#include "base/path.h"
#include "model/import_parts.h"

#include <stdlib.h>
#include <sys/stat.h>

enum { TEMPLATE_BYTES = 4 << 20, TOKENIZER_CONFIG_BYTES = 64 << 20 };

glass_status import_read_file(struct buf *out, const char *folder, const char *name,
                              size_t limit) {
    struct buf path = {0};
    struct stat st;
    buf_clear(out);
    glass_status status = buf_printf(&path, "%s/%s", folder, name);
    if (status == GLASS_OK && stat(path.data, &st) == 0)
        status = path_read_whole(out, path.data, limit);
    buf_free(&path);
    return status;
}

/* The member as it stands, or the one named "default" of a list of named templates. */
static const char *template_of(const json_t *config) {
    const json_t *member = json_object_get(config, "chat_template"), *item;
    size_t i;
    if (json_is_string(member)) return json_string_value(member);
    json_array_foreach(member, i, item) {
        const char *name = json_string_value(json_object_get(item, "name"));
        if (name != NULL && strcmp(name, "default") == 0)
            return json_string_value(json_object_get(item, "template"));
    }
    return NULL;
}

static glass_status put_template(struct gguf_writer *values, const char *text, size_t n) {
    return gguf_put_string(values, "tokenizer.chat_template",
                           (struct gguf_string){text, n});
}

/* chat_template.jinja, else the member of chat_template.json or tokenizer_config.json: the order
 * in which transformers looks. */
static glass_status put_chat_template(struct gguf_writer *values, const char *folder) {
    static const char *const names[] = {"chat_template.json", "tokenizer_config.json"};
    struct buf text = {0};
    bool found = false;
    glass_status status =
        import_read_file(&text, folder, "chat_template.jinja", TEMPLATE_BYTES);
    if (status == GLASS_OK && text.len > 0) {
        status = put_template(values, text.data, text.len);
        found = true;
    }
    for (int i = 0; i < 2 && status == GLASS_OK && !found; i++) {
        json_t *config;
        status = import_read_file(&text, folder, names[i], TOKENIZER_CONFIG_BYTES);
        if (status != GLASS_OK || text.len == 0) continue;
        status = import_parse(&config, text.data, text.len, names[i]);
        if (status != GLASS_OK) {
            status = fail_within(status, "%s", folder);
            break;
        }
        const char *source = template_of(config);
        found = source != NULL;
        if (found) status = put_template(values, source, strlen(source));
        json_decref(config);
    }
    buf_free(&text);
    return status;
}

/* models--USER--NAME/snapshots/HASH is USER/NAME in the hub's cache; elsewhere a folder's own
 * name is the model's. */
static glass_status put_name(struct gguf_writer *values, const char *folder) {
    struct buf name = {0};
    char *full = realpath(folder, NULL);
    glass_status status = GLASS_OK;
    if (full == NULL) return fail_errno("%s: cannot find the folder", folder);
    char *hub = strstr(full, "/models--"), *last = strrchr(full, '/');
    if (hub != NULL && strstr(hub, "/snapshots/") != NULL) {
        const char *user = hub + 9;
        size_t n = strcspn(user, "/");
        for (size_t i = 0; status == GLASS_OK && i < n; i++) {
            bool dashes = i + 1 < n && user[i] == '-' && user[i + 1] == '-';
            status = buf_byte(&name, dashes ? '/' : user[i]);
            i += dashes;
        }
    } else {
        status = buf_text(&name, last == NULL ? full : last + 1);
    }
    if (status == GLASS_OK)
        status = gguf_put_string(values, "general.name",
                                 (struct gguf_string){name.data, name.len});
    buf_free(&name);
    free(full);
    return status;
}

glass_status import_card(struct gguf_writer *values, const char *folder) {
    bool named;
    TRY(gguf_put_text(values, "general.type", "model"));
    TRY(import_readme(values, folder, &named));
    if (!named) TRY(put_name(values, folder));
    return put_chat_template(values, folder);
}
