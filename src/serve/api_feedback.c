/* api_feedback.c - the routes below /glass/feedback: what people think of answers. */
#include "serve/api_page.h"
#include "serve/server.h"

#include <string.h>

/* Path and licence of the model that is named, as far as they are known without loading one.
 * *path and *licence are the caller's (mem_free). */
static glass_status find_model(struct exchange *x, char **path, char **licence,
                               const char *name) {
    struct models *models = server_models(exchange_server(x));
    struct model_entry *entries;
    int64_t n;
    TRY(models_list(models, &entries, &n));
    glass_status status = GLASS_OK;
    for (int64_t i = 0; status == GLASS_OK && *path == NULL && i < n; i++) {
        if (strcmp(entries[i].name, name) != 0) continue;
        status = mem_copy_text(path, entries[i].path, strlen(entries[i].path));
    }
    models_entries_free(entries, n);
    struct served *served;
    if (status != GLASS_OK || *path == NULL ||
        models_peek(models, &served, name) != GLASS_OK)
        return status;
    glass_model_info info;
    glass_model_get_info(served_model(served), &info);
    status = mem_copy_text(licence, info.license, strlen(info.license));
    models_peek_end(served);
    return status;
}

glass_status page_feedback_post(struct exchange *x) {
    struct conversations *c;
    const json_t *body;
    json_t *out = NULL;
    char *name = NULL, *path = NULL, *licence = NULL;
    TRY(page_store(&c, x));
    TRY(page_body(&body, x));
    glass_status status = feedback_model_name(c, &name, body);
    if (status == GLASS_OK) status = find_model(x, &path, &licence, name);
    if (status == GLASS_OK) {
        struct feedback_model model = {name, path, licence};
        status = feedback_put(c, &out, body, &model);
    }
    mem_free(name);
    mem_free(path);
    mem_free(licence);
    return status == GLASS_OK ? page_reply(x, 201, out) : status;
}

glass_status page_feedback_delete(struct exchange *x) {
    struct conversations *c;
    TRY(page_store(&c, x));
    TRY(feedback_delete(c, exchange_part(x, 0)));
    return page_reply(x, 200, json_object());
}

glass_status page_feedback_stats(struct exchange *x) {
    struct conversations *c;
    json_t *out;
    TRY(page_store(&c, x));
    TRY(feedback_stats(c, &out));
    return page_reply(x, 200, out);
}

static glass_status add_line(void *context, const char *line, size_t n) {
    struct buf *b = context;
    TRY(buf_append(b, line, n));
    return buf_byte(b, '\n');
}

/* Pairs, or with ?which=ratings the ratings; only what was given with consent. */
glass_status page_feedback_export(struct exchange *x) {
    struct conversations *c;
    struct buf lines = {0};
    const char *which = exchange_query(x, "which");
    bool ratings = which != NULL && strcmp(which, "ratings") == 0;
    if (which != NULL && !ratings && strcmp(which, "pairs") != 0)
        return fail(GLASS_BAD_INPUT, "which must be pairs or ratings");
    TRY(page_store(&c, x));
    glass_status status = buf_append(&lines, "", 0);
    if (status == GLASS_OK)
        status =
            feedback_each(c, ratings ? FEEDBACK_RATINGS : FEEDBACK_PAIRS, add_line, &lines);
    if (status == GLASS_OK)
        status = reply_header(x, "Content-Disposition",
                              ratings ? "attachment; filename=\"ratings.jsonl\""
                                      : "attachment; filename=\"preferences.jsonl\"");
    if (status == GLASS_OK)
        status = reply_bytes(x, 200, "application/jsonl", lines.data, lines.len);
    buf_free(&lines);
    return status;
}
