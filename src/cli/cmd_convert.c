/* cmd_convert.c - glass convert: a model in another published form. */
#include "cli/bar.h"
#include "cli/cli.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>

struct view {
    bool json;
    struct opt_list adapters;
    char *paths[64];
    float scales[64];
    struct cli_bar bar;
};

static bool on_progress(void *context, const glass_convert_progress *p) {
    struct view *v = context;
    if (v->json && cli_bar_due(&v->bar, 0.5)) {
        printf("{\"event\":\"progress\",\"tensor\":\"%s\",\"bytes\":%zu,\"total\":%zu}\n",
               p->tensor, p->done, p->total);
        fflush(stdout);
    }
    if (!v->json) cli_bar_draw(&v->bar, p->tensor, (double)p->done, (double)p->total);
    return !cli_interrupted;
}

/* "5GB", "500MB", "123456": powers of ten, as the hub counts. */
static glass_status parse_size(size_t *out, const char *text) {
    char *end;
    double n = strtod(text, &end);
    double unit = 1;
    if (*end == 'k' || *end == 'K') unit = 1e3;
    if (*end == 'm' || *end == 'M') unit = 1e6;
    if (*end == 'g' || *end == 'G') unit = 1e9;
    if (unit > 1) end++;
    if (*end == 'b' || *end == 'B') end++;
    if (end == text || *end != '\0' || !(n * unit >= 1 && n * unit < 1e18))
        return fail(GLASS_USAGE, "--shard-size %s: a size like 5GB or 500MB is possible",
                    text);
    *out = (size_t)(n * unit);
    return GLASS_OK;
}

static glass_status parse(glass_convert_options *o, const char *out, const char *to,
                          const char *type, const char *size) {
    size_t n = strlen(out);
    bool gguf = n > 5 && strcmp(out + n - 5, ".gguf") == 0;
    if (to == NULL) to = gguf ? "gguf" : "safetensors";
    if (strcmp(to, "gguf") != 0 && strcmp(to, "safetensors") != 0)
        return fail(GLASS_USAGE, "--to %s: gguf and safetensors are possible", to);
    o->to = strcmp(to, "gguf") == 0 ? GLASS_TO_GGUF : GLASS_TO_SAFETENSORS;
    o->keep_types = strcmp(type, "auto") == 0;
    if (!o->keep_types) {
        TRY(glass_dtype_parse(&o->type, type));
        if (o->type != GLASS_F32 && o->type != GLASS_F16 && o->type != GLASS_BF16)
            return fail(GLASS_USAGE, "--type %s: auto, f32, f16 and bf16 are possible",
                        type);
    }
    return size == NULL ? GLASS_OK : parse_size(&o->shard_bytes, size);
}

static glass_status take_adapters(struct view *v, glass_convert_options *o) {
    for (int i = 0; i < v->adapters.n; i++)
        TRY(cli_adapter_parse(&v->paths[i], &v->scales[i], v->adapters.items[i]));
    o->adapters = (const char *const *)v->paths;
    o->scales = v->scales;
    o->n_adapters = v->adapters.n;
    return GLASS_OK;
}

static glass_status print_done(const struct view *v, const char *out,
                               const glass_convert_result *r, double seconds) {
    char size[32];
    struct buf b = {0};
    if (!v->json) {
        fprintf(stderr, "%s: %lld tensors, %s, in %.1f s\n", out, (long long)r->n_tensors,
                cli_bytes(size, (double)r->n_bytes), seconds);
        return GLASS_OK;
    }
    glass_status status = buf_text(&b, "{\"event\":\"done\",\"path\":");
    if (status == GLASS_OK) status = buf_json_string(&b, out, strlen(out));
    if (status == GLASS_OK)
        printf("%s,\"tensors\":%lld,\"bytes\":%zu,\"seconds\":%.3f}\n", b.data,
               (long long)r->n_tensors, r->n_bytes, seconds);
    buf_free(&b);
    return status;
}

int cmd_convert(int argc, char **argv) {
    struct view v = {0};
    glass_convert_options o = {.progress = on_progress, .context = &v};
    const char *to = NULL, *type = "auto", *size = NULL;
    const struct opt options[] = {
        {"to", 0, OPT_TEXT, &to, "FORM",
         "gguf, or safetensors: a Hugging Face folder (by OUT's name)"},
        {"type", 0, OPT_TEXT, &type, "TYPE",
         "weights as auto (as they are), f32, f16, bf16 (auto)"},
        {"adapter", 0, OPT_LIST, &v.adapters, "PATH[=F]",
         "merge a LoRA adapter, times F (repeatable)"},
        {"shard-size", 0, OPT_TEXT, &size, "SIZE", "most of a safetensors file (5GB)"},
        {"force", 0, OPT_FLAG, &o.force, NULL, "replace what OUT is"},
        {"json", 'j', OPT_FLAG, &v.json, NULL, "a JSON object per line and event"},
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass convert MODEL OUT [options]",
        "Writes a model in another form: of any that Glass reads, a GGUF file or a Hugging "
        "Face\n"
        "folder. Weights keep their bits unless --type rounds them. OUT appears when it is "
        "whole.",
        "  glass convert ./SmolLM2-135M-Instruct smollm2.gguf\n"
        "  glass convert ./llama-2-7b llama-2-7b-hf --to safetensors\n"
        "  glass convert smollm2.gguf ./smollm2-hf --type bf16\n"
        "  glass convert ./base merged.gguf --adapter ./my-lora\n",
        options,
        2,
        2,
        true};
    const char *words[2];
    int n_words, code = opts_parse(&command, argc, argv, words, &n_words);
    if (code >= 0) return code;
    char *path = NULL;
    glass_convert_result result = {0};
    glass_status status = parse(&o, words[1], to, type, size);
    if (status == GLASS_OK) status = take_adapters(&v, &o);
    if (status == GLASS_OK) status = store_resolve(&path, words[0]);
    cli_catch_stop();
    cli_bar_start(&v.bar, 0);
    if (status == GLASS_OK) status = glass_convert(path, words[1], &o, &result);
    cli_bar_clear(&v.bar);
    if (status == GLASS_OK)
        status = print_done(&v, words[1], &result, cli_now() - v.bar.started);
    for (int i = 0; i < v.adapters.n; i++) mem_free(v.paths[i]);
    mem_free(path);
    return status == GLASS_OK ? 0 : cli_fail(status);
}
