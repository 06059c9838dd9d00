/* conversation.c - the messages of a chat. */
#include "cli/conversation.h"

#include "base/path.h"

#include <jansson.h>
#include <sys/stat.h>
#include <time.h>

glass_status conversation_add(struct conversation *c, const char *role, const char *content,
                              size_t n_bytes) {
    TRY(mem_resize(&c->messages, (size_t)c->n + 1, sizeof *c->messages));
    struct message *m = &c->messages[c->n];
    *m = (struct message){.n_content = n_bytes};
    TRY(mem_copy_text(&m->role, role, strlen(role)));
    glass_status status = mem_copy_text(&m->content, content, n_bytes);
    if (status != GLASS_OK) {
        mem_free(m->role);
        return status;
    }
    c->n++;
    return GLASS_OK;
}

void conversation_cut(struct conversation *c, int64_t i) {
    while (c->n > i) {
        struct message *m = &c->messages[--c->n];
        mem_free(m->role);
        mem_free(m->content);
    }
}

void conversation_clear(struct conversation *c) {
    conversation_cut(c, 0);
    mem_free(c->messages);
    *c = (struct conversation){0};
}

int64_t conversation_n_system(const struct conversation *c) {
    return c->n > 0 && strcmp(c->messages[0].role, "system") == 0;
}

glass_status conversation_system(struct conversation *c, const char *text) {
    if (conversation_n_system(c)) {
        mem_free(c->messages[0].role);
        mem_free(c->messages[0].content);
        memmove(c->messages, c->messages + 1, (size_t)(--c->n) * sizeof *c->messages);
    }
    if (text[0] == '\0') return GLASS_OK;
    TRY(conversation_add(c, "system", text, strlen(text)));
    struct message system = c->messages[c->n - 1];
    memmove(c->messages + 1, c->messages, (size_t)(c->n - 1) * sizeof *c->messages);
    c->messages[0] = system;
    return GLASS_OK;
}

static glass_status messages_json(const struct conversation *c, int64_t n_skip,
                                  struct buf *b) {
    int64_t n_system = conversation_n_system(c);
    TRY(buf_text(b, "\"messages\":["));
    for (int64_t i = 0; i < c->n; i++) {
        const struct message *m = &c->messages[i];
        if (i >= n_system && i < n_system + n_skip) continue;
        TRY(buf_text(b, b->data[b->len - 1] == '[' ? "{\"role\":" : ",{\"role\":"));
        TRY(buf_json_string(b, m->role, strlen(m->role)));
        TRY(buf_text(b, ",\"content\":"));
        TRY(buf_json_string(b, m->content, m->n_content));
        TRY(buf_byte(b, '}'));
    }
    return buf_byte(b, ']');
}

static glass_status token_json(const glass_tokenizer *t, struct buf *b, const char *name,
                               int32_t id) {
    size_t n = 0;
    const char *piece = glass_tokenizer_piece(t, id, &n);
    TRY(buf_printf(b, ",\"%s\":", name));
    return buf_json_string(b, piece ? piece : "", piece ? n : 0);
}

glass_status conversation_json(const struct conversation *c, struct buf *out) {
    TRY(buf_byte(out, '{'));
    TRY(messages_json(c, 0, out));
    return buf_text(out, "}\n");
}

static glass_status variables(const struct conversation *c, int64_t n_skip,
                              const glass_tokenizer *t, struct buf *b) {
    TRY(buf_byte(b, '{'));
    TRY(messages_json(c, n_skip, b));
    TRY(buf_text(b, ",\"add_generation_prompt\":true"));
    TRY(token_json(t, b, "bos_token", glass_tokenizer_bos(t)));
    TRY(token_json(t, b, "eos_token", glass_tokenizer_eos(t)));
    return buf_byte(b, '}');
}

glass_status conversation_encode(const struct conversation *c, int64_t n_skip,
                                 const glass_model *model, int32_t **ids, int64_t *n_ids) {
    const glass_tokenizer *t = glass_model_tokenizer(model);
    const glass_template *tmpl;
    struct glass_rendered text = {0};
    struct buf json = {0};
    *ids = NULL;
    *n_ids = 0;
    glass_status status = glass_model_template(model, &tmpl);
    if (status == GLASS_NEGATIVE)
        return fail(GLASS_BAD_INPUT, "this model has no chat template: it completes text "
                                     "(glass complete) but was not made to chat");
    if (status == GLASS_OK) status = variables(c, n_skip, t, &json);
    if (status == GLASS_OK)
        status =
            glass_template_render(tmpl, &text, json.data, json.len, (int64_t)time(NULL));
    /* Templates write BOS themselves when the model wants it. */
    if (status == GLASS_OK)
        status =
            glass_tokenizer_encode_spans(t, ids, n_ids, text.text, text.n_bytes, text.plain,
                                         text.n_plain, GLASS_PARSE_SPECIAL);
    glass_rendered_clear(&text);
    buf_free(&json);
    return status;
}

glass_status conversation_save(const struct conversation *c, const char *path) {
    struct buf b = {0};
    struct conversation other = {0};
    glass_status status = GLASS_OK;
    struct stat st;
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
        conversation_load(&other, path) != GLASS_OK)
        status =
            fail(GLASS_USAGE, "%s is there, and is no saved chat: it stays as it is", path);
    conversation_clear(&other);
    if (status == GLASS_OK) status = conversation_json(c, &b);
    if (status == GLASS_OK) status = path_write_private(path, b.data, b.len);
    buf_free(&b);
    return status;
}

static glass_status take_messages(struct conversation *c, json_t *list, const char *path) {
    size_t i;
    json_t *m;
    if (!json_is_array(list))
        return fail(GLASS_BAD_INPUT, "%s: no list \"messages\": it is not a saved chat",
                    path);
    json_array_foreach(list, i, m) {
        const char *role = json_string_value(json_object_get(m, "role"));
        json_t *content = json_object_get(m, "content");
        if (role == NULL || !json_is_string(content))
            return fail(GLASS_BAD_INPUT, "%s: message %zu lacks a role or a content", path,
                        i);
        if (strcmp(role, "system") != 0 && strcmp(role, "user") != 0 &&
            strcmp(role, "assistant") != 0)
            return fail(GLASS_BAD_INPUT,
                        "%s: message %zu is of \"%.40s\": system, user and assistant speak "
                        "here",
                        path, i, role);
        TRY(conversation_add(c, role, json_string_value(content),
                             json_string_length(content)));
    }
    return GLASS_OK;
}

glass_status conversation_load(struct conversation *c, const char *path) {
    struct buf text = {0};
    struct conversation loaded = {0};
    json_error_t error;
    glass_status status = path_read_whole(&text, path, 64 << 20);
    if (status == GLASS_OK) {
        json_t *json = json_loadb(text.data, text.len, 0, &error);
        status =
            json == NULL
                ? fail(GLASS_BAD_INPUT, "%s: line %d: %s", path, error.line, error.text)
                : take_messages(&loaded, json_object_get(json, "messages"), path);
        json_decref(json);
    }
    buf_free(&text);
    if (status == GLASS_OK) {
        conversation_clear(c);
        *c = loaded;
    } else {
        conversation_clear(&loaded);
    }
    return status;
}
