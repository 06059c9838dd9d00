/* cmd_show.c - glass show: what a model file is. */
#include "cli/adapters.h"
#include "cli/cli.h"
#include "store/store.h"

#include <stdio.h>

struct show {
    bool json, tensors, meta, tmpl;
    int64_t n_ctx;
    const char *cache_name;
    glass_dtype cache;
    struct opt_list adapters;
    size_t adapter_bytes,
        adapter_session; /* of the adapters' files, of a session with them */
};

static int64_t context_of(const struct show *s, const glass_model_info *i) {
    if (s->n_ctx > 0) return s->n_ctx;
    return i->n_ctx < 4096 ? i->n_ctx : 4096;
}

static void shape_text(char text[96], const glass_tensor_info *t) {
    text[0] = '\0';
    for (int d = 0; d < t->n_dims; d++) {
        size_t at = strlen(text);
        snprintf(text + at, 96 - at, "%s%lld", d ? " x " : "", (long long)t->shape[d]);
    }
}

static void print_text(const struct show *s, const glass_model *m, const char *path) {
    glass_model_info i;
    char a[32], b[32];
    glass_model_get_info(m, &i);
    int64_t n_ctx = context_of(s, &i);
    printf("file         %s\n", path);
    printf("name         %s\n", i.name[0] ? i.name : "(the file does not say)");
    printf("family       %s\n", i.family);
    printf("licence      %s\n", i.license[0] ? i.license : "(the file does not say)");
    printf("parameters   %.1f million, %s (%s)\n", 1e-6 * (double)i.n_params,
           cli_bytes(a, (double)i.weight_bytes), i.dtype_mix);
    printf("shape        %lld layers, width %lld, %lld heads of %lld (%lld for keys), MLP "
           "%lld\n",
           (long long)i.n_layer, (long long)i.n_embd, (long long)i.n_head,
           (long long)i.head_dim, (long long)i.n_head_kv, (long long)i.n_ff);
    printf("vocabulary   %lld tokens%s\n", (long long)i.n_vocab,
           i.tied ? ", head tied to the embedding" : "");
    printf("context      %lld positions", (long long)i.n_ctx);
    if (i.window > 0) printf(", windows of %lld", (long long)i.window);
    size_t session = glass_model_session_bytes(m, n_ctx, s->cache);
    size_t with = s->adapter_bytes + s->adapter_session;
    printf(
        "\nmemory       %s: weights %s, and %s for %lld positions with an %s cache\n",
        cli_bytes((char[32]){0}, (double)i.weight_bytes + (double)session + (double)with),
        cli_bytes(a, (double)i.weight_bytes), cli_bytes(b, (double)session),
        (long long)n_ctx, glass_dtype_name(s->cache));
    if (s->adapters.n > 0)
        printf("             with adapters of %s, and %s for a session with them\n",
               cli_bytes(a, (double)s->adapter_bytes),
               cli_bytes(b, (double)s->adapter_session));
    if (i.copied_bytes > 0)
        printf("             %s of the weights lie there in another order and are copied\n",
               cli_bytes(a, (double)i.copied_bytes));
    const glass_template *tmpl;
    glass_status status = glass_model_template(m, &tmpl);
    printf("chat         %s\n", status == GLASS_OK         ? "has a chat template"
                                : status == GLASS_NEGATIVE ? "no chat template"
                                                           : glass_error());
    const glass_tokenizer *t = glass_model_tokenizer(m);
    if (t != NULL)
        printf("tokenizer    %s %s\n", glass_tokenizer_kind(t), glass_tokenizer_pre(t));
}

static void print_tensors(const glass_model *m) {
    for (int64_t k = 0; k < glass_model_n_tensors(m); k++) {
        glass_tensor_info t;
        char shape[96];
        glass_model_tensor(m, k, &t);
        shape_text(shape, &t);
        printf("%-32s %-7s %-18s %12zu bytes\n", t.name, glass_dtype_name(t.dtype), shape,
               t.n_bytes);
    }
}

static glass_status json_field(struct buf *b, const char *name, const char *text) {
    TRY(buf_printf(b, ",\"%s\":", name));
    return buf_json_string(b, text, strlen(text));
}

static glass_status json_tensors(struct buf *b, const glass_model *m) {
    TRY(buf_text(b, ",\"tensors\":["));
    for (int64_t k = 0; k < glass_model_n_tensors(m); k++) {
        glass_tensor_info t;
        glass_model_tensor(m, k, &t);
        TRY(buf_text(b, k ? ",{\"name\":" : "{\"name\":"));
        TRY(buf_json_string(b, t.name, strlen(t.name)));
        TRY(buf_printf(b, ",\"dtype\":\"%s\",\"bytes\":%zu,\"shape\":[",
                       glass_dtype_name(t.dtype), t.n_bytes));
        for (int d = 0; d < t.n_dims; d++)
            TRY(buf_printf(b, "%s%lld", d ? "," : "", (long long)t.shape[d]));
        TRY(buf_text(b, "]}"));
    }
    return buf_byte(b, ']');
}

static glass_status as_json(struct buf *b, const struct show *s, const glass_model *m,
                            const char *path) {
    glass_model_info i;
    glass_model_get_info(m, &i);
    int64_t n_ctx = context_of(s, &i);
    TRY(buf_text(b, "{\"file\":"));
    TRY(buf_json_string(b, path, strlen(path)));
    TRY(json_field(b, "name", i.name));
    TRY(json_field(b, "family", i.family));
    TRY(json_field(b, "license", i.license));
    TRY(json_field(b, "types", i.dtype_mix));
    TRY(buf_printf(b,
                   ",\"parameters\":%lld,\"weight_bytes\":%zu,\"copied_bytes\":%zu,"
                   "\"layers\":%lld,"
                   "\"width\":%lld,\"heads\":%lld,\"key_heads\":%lld,\"head_dim\":%lld,"
                   "\"mlp\":%lld,\"vocabulary\":%lld,\"context\":%lld,\"window\":%lld,"
                   "\"tied\":%s,\"session\":{\"positions\":%lld,\"cache_type\":\"%s\","
                   "\"bytes\":%zu,\"bytes_f32\":%zu,\"bytes_f16\":%zu,"
                   "\"bytes_q8_0\":%zu}",
                   (long long)i.n_params, i.weight_bytes, i.copied_bytes,
                   (long long)i.n_layer, (long long)i.n_embd, (long long)i.n_head,
                   (long long)i.n_head_kv, (long long)i.head_dim, (long long)i.n_ff,
                   (long long)i.n_vocab, (long long)i.n_ctx, (long long)i.window,
                   i.tied ? "true" : "false", (long long)n_ctx, glass_dtype_name(s->cache),
                   glass_model_session_bytes(m, n_ctx, s->cache),
                   glass_model_session_bytes(m, n_ctx, GLASS_F32),
                   glass_model_session_bytes(m, n_ctx, GLASS_F16),
                   glass_model_session_bytes(m, n_ctx, GLASS_Q8_0)));
    if (s->adapters.n > 0)
        TRY(buf_printf(b, ",\"adapters\":{\"weight_bytes\":%zu,\"session_bytes\":%zu}",
                       s->adapter_bytes, s->adapter_session));
    if (glass_model_template_source(m) != NULL)
        TRY(json_field(b, "template", glass_model_template_source(m)));
    TRY(buf_text(b, ",\"metadata\":{"));
    for (int64_t k = 0; k < glass_model_n_meta(m); k++) {
        const char *key, *json;
        glass_model_meta(m, k, &key, &json);
        if (k > 0) TRY(buf_byte(b, ','));
        TRY(buf_json_string(b, key, strlen(key)));
        TRY(buf_printf(b, ":%s", json));
    }
    TRY(buf_byte(b, '}'));
    if (s->tensors) TRY(json_tensors(b, m));
    return buf_text(b, "}\n");
}

static glass_status print(const struct show *s, const glass_model *m, const char *path) {
    if (s->json) {
        struct buf b = {0};
        glass_status status = as_json(&b, s, m, path);
        if (status == GLASS_OK) fwrite(b.data, 1, b.len, stdout);
        buf_free(&b);
        return status;
    }
    print_text(s, m, path);
    if (s->tmpl && glass_model_template_source(m) != NULL)
        printf("\n%s\n", glass_model_template_source(m));
    if (s->meta) printf("\n");
    for (int64_t k = 0; s->meta && k < glass_model_n_meta(m); k++) {
        const char *key, *json;
        glass_model_meta(m, k, &key, &json);
        printf("%-40s %.300s\n", key, json);
    }
    if (s->tensors) printf("\n");
    if (s->tensors) print_tensors(m);
    return GLASS_OK;
}

/* ---- adapters ---- */

static void print_adapter(const glass_adapter_info *i, const char *path) {
    char a[32];
    printf("file         %s\n", path);
    printf("kind         LoRA adapter (%s)\n", i->kind);
    printf("base         %s\n", i->base[0] ? i->base : "(the file does not say)");
    printf("layers       %lld: %s\n", (long long)i->n_pairs, i->targets);
    printf("rank         %lld", (long long)i->rank_least);
    if (i->rank_most > i->rank_least) printf(" to %lld", (long long)i->rank_most);
    printf("\nscale        %g", i->scale_least);
    if (i->scale_most > i->scale_least) printf(" to %g", i->scale_most);
    printf("\nparameters   %.3f million, %s (%s)\n", 1e-6 * (double)i->n_params,
           cli_bytes(a, (double)i->n_bytes), i->dtypes);
}

static glass_status adapter_json(struct buf *b, const glass_adapter_info *i,
                                 const char *path) {
    TRY(buf_text(b, "{\"file\":"));
    TRY(buf_json_string(b, path, strlen(path)));
    TRY(buf_text(b, ",\"kind\":\"adapter\""));
    TRY(json_field(b, "format", i->kind));
    TRY(json_field(b, "base", i->base));
    TRY(json_field(b, "targets", i->targets));
    TRY(json_field(b, "types", i->dtypes));
    TRY(buf_printf(b,
                   ",\"layers\":%lld,\"parameters\":%lld,\"weight_bytes\":%zu,"
                   "\"rank\":[%lld,%lld],\"scale\":[",
                   (long long)i->n_pairs, (long long)i->n_params, i->n_bytes,
                   (long long)i->rank_least, (long long)i->rank_most));
    TRY(buf_json_number(b, i->scale_least));
    TRY(buf_byte(b, ','));
    TRY(buf_json_number(b, i->scale_most));
    return buf_text(b, "]}\n");
}

static glass_status show_adapter(const struct show *s, const char *path) {
    glass_adapter *adapter;
    glass_adapter_info info;
    struct buf b = {0};
    TRY(glass_adapter_open(&adapter, NULL, path));
    glass_adapter_get_info(adapter, &info);
    glass_status status = GLASS_OK;
    if (s->json)
        status = adapter_json(&b, &info, path);
    else
        print_adapter(&info, path);
    if (status == GLASS_OK && b.len > 0) fwrite(b.data, 1, b.len, stdout);
    buf_free(&b);
    glass_adapter_close(adapter);
    return status;
}

static glass_status count_adapters(struct show *s, const glass_model *m) {
    struct cli_adapters opened;
    glass_model_info model;
    glass_model_get_info(m, &model);
    int64_t n_ctx = context_of(s, &model);
    TRY(cli_adapters_open(&opened, m, &s->adapters));
    for (int i = 0; i < opened.n; i++) {
        glass_adapter_info info;
        glass_adapter_get_info(opened.opened[i], &info);
        s->adapter_bytes += info.n_bytes;
    }
    glass_status status =
        glass_adapters_session_bytes(&s->adapter_session, m, n_ctx, opened.uses, opened.n);
    cli_adapters_close(&opened);
    return status;
}

static glass_status show_model(struct show *s, const char *path) {
    glass_model *model;
    TRY(glass_model_open(&model, path, NULL));
    glass_status status = count_adapters(s, model);
    if (status == GLASS_OK) status = print(s, model, path);
    glass_model_close(model);
    return status;
}

int cmd_show(int argc, char **argv) {
    struct show s = {.cache_name = "f32"};
    const struct opt options[] = {
        {"tensors", 0, OPT_FLAG, &s.tensors, NULL, "every tensor: type, shape, bytes"},
        {"meta", 0, OPT_FLAG, &s.meta, NULL, "every metadata entry"},
        {"template", 0, OPT_FLAG, &s.tmpl, NULL, "the chat template's text"},
        {"ctx", 'c', OPT_INT, &s.n_ctx, "N", "reckon the memory for N positions"},
        {"cache-type", 0, OPT_TEXT, &s.cache_name, "TYPE",
         "and this cache: f32, f16, q8_0"},
        ADAPTER_OPTION(s.adapters),
        {"json", 'j', OPT_FLAG, &s.json, NULL, "one JSON object"},
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass show MODEL [options]",
        "Shows what a model is: shape, sizes, licence, template, memory needed; or what "
        "an\n"
        "adapter is.",
        "  glass show smollm2\n  glass show smollm2 -c 8192 --cache-type q8_0\n"
        "  glass show model.gguf --tensors\n"
        "  glass show model.gguf --json | jq .license\n"
        "  glass show ./my-lora\n",
        options,
        1,
        1,
        true};
    const char *words[1];
    int n_words, code = opts_parse(&command, argc, argv, words, &n_words);
    if (code >= 0) return code;
    char *path = NULL;
    glass_status status = cli_cache_type(&s.cache, s.cache_name);
    if (status == GLASS_OK && s.n_ctx < 0)
        status = fail(GLASS_USAGE, "-c %lld: a context has at least one position",
                      (long long)s.n_ctx);
    if (status == GLASS_OK) status = store_resolve(&path, words[0]);
    if (status == GLASS_OK)
        status = glass_adapter_is_one(path) ? show_adapter(&s, path) : show_model(&s, path);
    mem_free(path);
    return status == GLASS_OK ? 0 : cli_fail(status);
}
