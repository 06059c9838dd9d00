/* api_ollama_models.c - Ollama's API: which models there are, what they are, getting one and
 * deleting one. */
#include "serve/ask.h"
#include "serve/ollama.h"
#include "serve/server.h"
#include "serve/wire.h"
#include "store/hub.h"
#include "store/pull.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/path.h"

#include <math.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Clients hide what a version before some number could not do. */
#define OLLAMA_VERSION "0.12.0"

glass_status ollama_version(struct exchange *x) {
    static const char text[] = "{\"version\":\"" OLLAMA_VERSION "\"}";
    return reply_bytes(x, 200, "application/json", text, strlen(text));
}

/* ---- lists ---- */

/* A name for a file as it is now: clients compare them only. */
static void digest_of(char out[65], const struct model_entry *m) {
    uint8_t digest[32];
    char text[600];
    snprintf(text, sizeof text, "%.400s|%lld|%lld", m->name, (long long)m->n_bytes,
             (long long)m->modified_s);
    if (sha256_bytes(digest, text, strlen(text)) != GLASS_OK) memset(digest, 0, 32);
    sha256_hex(out, digest);
}

static void short_number(char out[24], double n) {
    if (n >= 1e9)
        snprintf(out, 24, "%.1fB", n / 1e9);
    else
        snprintf(out, 24, "%.2fM", n / 1e6);
}

static glass_status details(struct buf *b, const glass_model *model) {
    glass_model_info i = {.family = "", .dtype_mix = ""};
    char size[24] = "", mix[24] = "";
    if (model != NULL) {
        glass_model_get_info(model, &i);
        short_number(size, (double)i.n_params);
        snprintf(mix, sizeof mix, "%.*s", (int)strcspn(i.dtype_mix, " "), i.dtype_mix);
    }
    TRY(buf_text(b, "\"details\":{\"parent_model\":\"\",\"format\":\"gguf\",\"family\":"));
    TRY(wire_string(b, i.family));
    TRY(buf_text(b, ",\"families\":["));
    if (i.family[0] != '\0') TRY(wire_string(b, i.family));
    return buf_printf(b, "],\"parameter_size\":\"%s\",\"quantization_level\":\"%s\"}", size,
                      mix);
}

static glass_status entry_json(struct buf *b, struct exchange *x,
                               const struct model_entry *m, bool running) {
    char digest[65], when[40];
    digest_of(digest, m);
    TRY(buf_text(b, "{\"name\":"));
    TRY(wire_string(b, m->name));
    TRY(buf_text(b, ",\"model\":"));
    TRY(wire_string(b, m->name));
    TRY(buf_printf(b, ",\"size\":%lld,\"digest\":\"%s\",",
                   running ? (long long)m->memory_bytes : (long long)m->n_bytes, digest));
    struct served *served;
    models_peek(server_models(exchange_server(x)), &served, m->name);
    glass_status status = details(b, served != NULL ? served_model(served) : NULL);
    struct sched_stats stats = {0};
    if (served != NULL) sched_get_stats(served_sched(served), &stats);
    models_peek_end(served);
    TRY(status);
    if (!running) {
        ollama_time(when, (double)m->modified_s);
        return buf_printf(b, ",\"modified_at\":\"%s\"}", when);
    }
    /* "Never" is far away. */
    ollama_time(when, m->expires_s < 0 ? 16725225600.0 : m->expires_s);
    return buf_printf(b, ",\"expires_at\":\"%s\",\"size_vram\":0,\"context_length\":%lld}",
                      when, (long long)stats.n_ctx);
}

static glass_status list(struct exchange *x, bool running) {
    struct model_entry *entries;
    int64_t n, shown = 0;
    struct buf b = {0};
    TRY(models_list(server_models(exchange_server(x)), &entries, &n));
    glass_status status = buf_text(&b, "{\"models\":[");
    for (int64_t i = 0; status == GLASS_OK && i < n; i++) {
        if (running ? entries[i].loaded_s <= 0 : access(entries[i].path, F_OK) != 0)
            continue;
        if (shown++ > 0) status = buf_byte(&b, ',');
        if (status == GLASS_OK) status = entry_json(&b, x, &entries[i], running);
    }
    if (status == GLASS_OK) status = buf_text(&b, "]}");
    if (status == GLASS_OK) status = reply_bytes(x, 200, "application/json", b.data, b.len);
    models_entries_free(entries, n);
    buf_free(&b);
    return status;
}

glass_status ollama_tags(struct exchange *x) {
    return list(x, false);
}

glass_status ollama_ps(struct exchange *x) {
    return list(x, true);
}

/* ---- show ---- */

static glass_status model_info(struct buf *b, const glass_model *model, bool verbose) {
    int64_t n = glass_model_n_meta(model), shown = 0;
    TRY(buf_text(b, "\"model_info\":{"));
    for (int64_t i = 0; i < n; i++) {
        const char *key, *json;
        glass_model_meta(model, i, &key, &json);
        /* The vocabulary is long; Ollama shows null for it, too. */
        bool heavy = json[0] == '[' || json[0] == '{' || strlen(json) > 4096;
        if (strcmp(key, "tokenizer.chat_template") == 0) continue;
        TRY(buf_text(b, shown++ > 0 ? "," : ""));
        TRY(wire_string(b, key));
        TRY(buf_printf(b, ":%s", heavy && !verbose ? "null" : json));
    }
    return buf_byte(b, '}');
}

static glass_status capabilities(struct buf *b, const glass_model *model) {
    const char *source = glass_model_template_source(model);
    TRY(buf_text(b, "\"capabilities\":[\"completion\",\"embedding\""));
    if (source != NULL) TRY(buf_text(b, ",\"tools\""));
    if (glass_infill_check(glass_model_tokenizer(model)) == GLASS_OK)
        TRY(buf_text(b, ",\"insert\""));
    return buf_byte(b, ']');
}

static glass_status show_json(struct buf *b, const struct ask *a, bool verbose) {
    glass_model_info i;
    struct stat st;
    char when[40];
    const char *source = glass_model_template_source(a->model);
    glass_model_get_info(a->model, &i);
    TRY(buf_text(b, "{\"license\":"));
    TRY(wire_string(b, i.license));
    TRY(buf_text(b, ",\"modelfile\":"));
    TRY(buf_text(b, "\"\",\"parameters\":\"\",\"template\":"));
    TRY(wire_string(b, source != NULL ? source : ""));
    TRY(buf_byte(b, ','));
    TRY(details(b, a->model));
    TRY(buf_byte(b, ','));
    TRY(model_info(b, a->model, verbose));
    TRY(buf_byte(b, ','));
    TRY(capabilities(b, a->model));
    ollama_time(when, stat(served_path(a->served), &st) == 0 ? (double)st.st_mtime : 0);
    return buf_printf(b, ",\"modified_at\":\"%s\"}", when);
}

/* Older clients say "name". */
static glass_status with_model_field(struct fields *f, json_t **own) {
    const char *name = NULL;
    TRY(fields_text(f, "name", &name));
    *own = NULL;
    if (name == NULL || fields_get(f, "model") != NULL) return GLASS_OK;
    *own = json_copy((json_t *)(uintptr_t)f->json);
    if (*own == NULL || json_object_set_new(*own, "model", json_string(name)) != 0)
        return fail(GLASS_NO_MEMORY, "no memory for the request");
    f->json = *own;
    return GLASS_OK;
}

glass_status ollama_show(struct exchange *x) {
    struct fields f;
    struct ask a = {0};
    struct buf b = {0};
    bool verbose = false;
    json_t *own = NULL;
    TRY(fields_of_body(&f, x));
    glass_status status = with_model_field(&f, &own);
    if (status == GLASS_OK) status = fields_bool(&f, "verbose", &verbose);
    if (status == GLASS_OK) status = ask_open(&a, x, &f, NAN);
    if (status == GLASS_OK) status = show_json(&b, &a, verbose);
    if (status == GLASS_OK) status = reply_bytes(x, 200, "application/json", b.data, b.len);
    ask_close(&a);
    json_decref(own);
    buf_free(&b);
    return status;
}

/* ---- pull ---- */

struct pulling {
    struct exchange *x;
    bool stream;
    double last;
    struct buf line;
};

static glass_status say(struct pulling *p, const char *word, const struct pull_event *e) {
    struct buf *b = &p->line;
    buf_clear(b);
    TRY(buf_text(b, "{\"status\":"));
    TRY(wire_string(b, word));
    if (e != NULL) {
        TRY(buf_text(b, ",\"digest\":"));
        TRY(wire_string(b,
                        e->sha256 != NULL && e->sha256[0] != '\0' ? e->sha256 : e->file));
        if (e->total >= 0) TRY(buf_printf(b, ",\"total\":%lld", (long long)e->total));
        TRY(buf_printf(b, ",\"completed\":%lld", (long long)e->have));
    }
    TRY(buf_byte(b, '}'));
    if (!p->stream) return GLASS_OK;
    TRY(buf_byte(b, '\n'));
    return reply_write(p->x, b->data, b->len);
}

static bool on_pull(void *context, const struct pull_event *e) {
    struct pulling *p = context;
    char word[300];
    double now = clock_now();
    if (exchange_gone(p->x)) return false;
    if (e->kind == PULL_NOTE) return say(p, e->text, NULL) == GLASS_OK;
    if (e->kind == PULL_PROGRESS && now - p->last < 0.1) return true;
    p->last = now;
    snprintf(word, sizeof word, "pulling %.256s", e->file != NULL ? e->file : "");
    return say(p, word, e) == GLASS_OK;
}

/* Addresses of anywhere would make this server fetch what a client cannot reach. */
static glass_status check_hub_name(struct exchange *x, const char *name) {
    struct hub_name parsed;
    char *endpoint;
    TRY(hub_endpoint(&endpoint));
    glass_status status = hub_name_parse(&parsed, name, endpoint);
    mem_free(endpoint);
    if (status != GLASS_OK) {
        char text[500];
        snprintf(text, sizeof text, "%s", glass_error());
        return bad_param(x, "model", "%s", text);
    }
    bool good = parsed.url[0] == '\0' && parsed.user[0] != '\0' && parsed.model[0] != '\0';
    hub_name_clear(&parsed);
    return good ? GLASS_OK
                : bad_param(x, "model", "must be a name of the hub: user/model:QUANT");
}

static glass_status pull(struct pulling *p, const char *name) {
    struct pull_options o = {.event = on_pull, .context = p};
    char *path;
    if (p->stream) TRY(reply_begin(p->x, 200, "application/x-ndjson"));
    TRY(say(p, "pulling manifest", NULL));
    TRY(store_pull(&path, name, &o));
    mem_free(path);
    TRY(say(p, "success", NULL));
    if (p->stream) return reply_end(p->x);
    return reply_bytes(p->x, 200, "application/json", p->line.data, p->line.len);
}

glass_status ollama_pull(struct exchange *x) {
    struct pulling p = {.x = x, .stream = true};
    struct fields f;
    const char *name = NULL;
    if (!server_options(exchange_server(x))->allow_pull)
        return reply_error(x, 403, NULL, NULL,
                           "this server gets no models for its clients (glass serve "
                           "--allow-pull)");
    TRY(fields_of_body(&f, x));
    TRY(fields_text(&f, "name", &name));
    TRY(fields_text(&f, "model", &name));
    TRY(fields_bool(&f, "stream", &p.stream));
    if (name == NULL) return fields_wrong(&f, "model", "a string: user/model:QUANT");
    TRY(check_hub_name(x, name));
    glass_status status = pull(&p, name);
    if (status != GLASS_OK && status != GLASS_CANCELLED && p.stream && exchange_begun(x)) {
        char text[600];
        snprintf(text, sizeof text, "%s", glass_error());
        buf_clear(&p.line);
        if (buf_text(&p.line, "{\"error\":") == GLASS_OK &&
            wire_string(&p.line, text) == GLASS_OK && buf_text(&p.line, "}\n") == GLASS_OK)
            reply_write(x, p.line.data, p.line.len);
    }
    buf_free(&p.line);
    return status;
}

/* ---- delete ---- */

/* Whether a file lies in Glass's own store, by itself. */
static glass_status in_store(bool *good, const char *path) {
    struct buf store = {0};
    struct stat st;
    *good = false;
    glass_status status = path_data(&store);
    if (status == GLASS_OK) status = buf_text(&store, "/models/");
    if (status == GLASS_OK)
        *good = strncmp(path, store.data, store.len) == 0 &&
                strstr(path + store.len, "..") == NULL && lstat(path, &st) == 0 &&
                S_ISREG(st.st_mode);
    buf_free(&store);
    return status;
}

static glass_status remove_one(const char *path, const char *end) {
    struct buf b = {0};
    glass_status status = buf_printf(&b, "%s%s", path, end);
    if (status == GLASS_OK && unlink(b.data) != 0 && end[0] == '\0')
        status = fail_errno("removing the model");
    buf_free(&b);
    return status;
}

/* All parts of a split model. */
static glass_status remove_files(const char *path) {
    size_t stem;
    int part, n_parts;
    if (!hub_is_part(path, &stem, &part, &n_parts)) {
        TRY(remove_one(path, ""));
        return remove_one(path, ".origin.json");
    }
    for (int i = 1; i <= n_parts; i++) {
        char end[40];
        struct buf b = {0};
        snprintf(end, sizeof end, "%05d-of-%05d.gguf", i, n_parts);
        glass_status status = buf_append(&b, path, stem);
        if (status == GLASS_OK) status = buf_text(&b, end);
        if (status == GLASS_OK) status = remove_one(b.data, "");
        if (status == GLASS_OK) status = remove_one(b.data, ".origin.json");
        buf_free(&b);
        TRY(status);
    }
    return GLASS_OK;
}

static glass_status delete_named(struct exchange *x, const char *name) {
    struct models *models = server_models(exchange_server(x));
    struct model_entry *entries;
    int64_t n;
    bool good = false, known = false;
    TRY(models_list(models, &entries, &n));
    glass_status status = GLASS_OK;
    for (int64_t i = 0; status == GLASS_OK && i < n && !known; i++) {
        known = strcmp(entries[i].name, name) == 0;
        if (!known) continue;
        models_unload(models, name); /* it may not be loaded */
        status = in_store(&good, entries[i].path);
        if (status == GLASS_OK && good) status = remove_files(entries[i].path);
    }
    models_entries_free(entries, n);
    TRY(status);
    if (!known) return fail(GLASS_NEGATIVE, "there is no model %.200s", name);
    if (!good)
        return reply_error(x, 403, NULL, "model",
                           "only single files of Glass's own store can be deleted");
    return reply_bytes(x, 200, "application/json", "", 0);
}

glass_status ollama_delete(struct exchange *x) {
    struct fields f;
    const char *name = NULL;
    if (!server_options(exchange_server(x))->allow_delete)
        return reply_error(x, 403, NULL, NULL,
                           "this server deletes nothing for its clients (glass serve "
                           "--allow-delete)");
    TRY(fields_of_body(&f, x));
    TRY(fields_text(&f, "name", &name));
    TRY(fields_text(&f, "model", &name));
    if (name == NULL) return fields_wrong(&f, "model", "a string");
    return delete_named(x, name);
}
