/* cmd_pull.c - glass pull: get a model from a hub, with a progress bar. */
#include "cli/bar.h"
#include "cli/cli.h"
#include "store/pull.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct pull_view {
    bool json;
    struct cli_bar bar;
    const char *slash;
};

static double rate(const struct pull_view *v, const struct pull_event *e) {
    return cli_bar_rate(&v->bar, (double)e->have);
}

static glass_status json_event(const struct pull_event *e, const char *kind, double per_s) {
    struct buf b = {0};
    glass_status status = buf_printf(&b, "{\"event\":\"%s\"", kind);
    const struct {
        const char *key, *text;
    } texts[] = {
        {"file", e->file}, {"path", e->path}, {"sha256", e->sha256}, {"message", e->text}};
    for (int i = 0; status == GLASS_OK && i < 4; i++) {
        if (texts[i].text == NULL || texts[i].text[0] == '\0') continue;
        status = buf_printf(&b, ",\"%s\":", texts[i].key);
        if (status == GLASS_OK)
            status = buf_json_string(&b, texts[i].text, strlen(texts[i].text));
    }
    if (status == GLASS_OK && e->kind != PULL_NOTE)
        status = buf_printf(&b, ",\"part\":%d,\"parts\":%d,\"bytes\":%lld", e->part,
                            e->n_parts, (long long)e->have);
    if (status == GLASS_OK && e->kind != PULL_NOTE && e->total >= 0)
        status = buf_printf(&b, ",\"total\":%lld", (long long)e->total);
    if (status == GLASS_OK && per_s > 0)
        status = buf_printf(&b, ",\"bytes_per_s\":%.0f", per_s);
    if (status == GLASS_OK) {
        printf("%s}\n", b.data);
        fflush(stdout);
    }
    buf_free(&b);
    return status;
}

static void say(struct pull_view *v, const struct pull_event *e) {
    char size[32], part[32] = "";
    cli_bar_clear(&v->bar);
    if (e->n_parts > 1)
        snprintf(part, sizeof part, " (part %d of %d)", e->part, e->n_parts);
    switch (e->kind) {
    case PULL_FILE:
        fprintf(stderr, "getting %s%s%s%s", e->file, part, e->total >= 0 ? ", " : "",
                e->total >= 0 ? cli_bytes(size, (double)e->total) : "");
        if (e->have > 0)
            fprintf(stderr, ", from byte %lld on (the rest is here)", (long long)e->have);
        fprintf(stderr, "\n");
        break;
    case PULL_DONE:
        fprintf(stderr, "%s: %s, %s\n", e->file, cli_bytes(size, (double)e->total),
                e->sha256[0]
                    ? "SHA-256 as it should be"
                    : "no SHA-256 is published for it: only its length was checked");
        break;
    case PULL_KEPT: fprintf(stderr, "%s%s: already here\n", e->file, part); break;
    default: fprintf(stderr, "%s\n", e->text);
    }
}

static bool on_event(void *context, const struct pull_event *e) {
    static const char *const kinds[] = {"file", "progress", "done", "kept", "note"};
    struct pull_view *v = context;
    if (e->kind == PULL_FILE) cli_bar_start(&v->bar, (double)e->have);
    if (e->kind == PULL_PROGRESS) {
        const char *name = strrchr(e->file, '/') ? strrchr(e->file, '/') + 1 : e->file;
        if (v->json && e->file[0] && cli_bar_due(&v->bar, 0.5))
            json_event(e, kinds[e->kind], rate(v, e));
        else if (!v->json && e->file[0])
            cli_bar_draw(&v->bar, name, (double)e->have, (double)e->total);
    } else if (v->json) {
        json_event(e, kinds[e->kind], 0);
    } else {
        say(v, e);
    }
    return !cli_interrupted;
}

/* A model that cannot be run is worth saying at once; it stays all the same. */
static void describe(const struct pull_view *v, const char *path, const char *name) {
    glass_model *model;
    glass_model_info i;
    if (v->json) return;
    if (glass_model_open(&model, path, NULL) != GLASS_OK) {
        fprintf(stderr, "glass: the file is here, but Glass cannot run it: %s\n",
                glass_error());
        return;
    }
    glass_model_get_info(model, &i);
    fprintf(stderr, "%s: %.0f million parameters, licence %s\n", i.name[0] ? i.name : name,
            1e-6 * (double)i.n_params,
            i.license[0] ? i.license : "not in the file: see its page");
    fprintf(stderr, "talk: glass chat %s\n", name);
    glass_model_close(model);
}

static glass_status pull(struct pull_view *v, struct pull_options *o, const char *name) {
    char *path = NULL;
    o->event = on_event;
    o->context = v;
    cli_catch_interrupt();
    glass_status status = store_pull(&path, name, o);
    cli_bar_clear(&v->bar);
    if (status == GLASS_OK) {
        describe(v, path, name);
        if (!v->json) printf("%s\n", path);
    } else if (v->json) {
        struct buf b = {0};
        if (buf_json_string(&b, glass_error(), strlen(glass_error())) == GLASS_OK)
            printf("{\"event\":\"error\",\"message\":%s}\n", b.data);
        buf_free(&b);
    }
    mem_free(path);
    return status;
}

int cmd_pull(int argc, char **argv) {
    struct pull_view v = {0};
    struct pull_options o = {0};
    const struct opt options[] = {
        {"revision", 0, OPT_TEXT, &o.revision, "REV", "branch, tag or commit (main)"},
        {"sha256", 0, OPT_TEXT, &o.sha256, "HEX", "what the file must have"},
        {"name", 0, OPT_TEXT, &o.name, "FILE",
         "the file's name here, for addresses without one"},
        {"force", 0, OPT_FLAG, &o.force, NULL, "get it again even if it is here"},
        {"json", 'j', OPT_FLAG, &v.json, NULL, "a JSON object per line and event"},
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass pull NAME [options]",
        "Gets a model in GGUF format into Glass's store, checked by its SHA-256. A pull "
        "that\n"
        "breaks off goes on where it was when it is started again. NAME is user/model "
        "(then\n"
        "Q4_K_M is taken, or the next best), user/model:TAG, user/model/FILE.gguf, or an "
        "address\n"
        "(http, https, hf.co/…). HF_ENDPOINT names another hub; HF_TOKEN, or the token "
        "file of\n"
        "the hub's own programs, goes to that hub only.",
        "  glass pull HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF\n"
        "  glass pull Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q8_0\n"
        "  glass pull hf.co/user/model/model-Q4_0.gguf\n"
        "  glass pull https://example.org/model.gguf --sha256 b179c952…\n",
        options,
        1,
        1,
        false};
    const char *words[1];
    int n_words, code = opts_parse(&command, argc, argv, words, &n_words);
    if (code >= 0) return code;
    glass_status status = pull(&v, &o, words[0]);
    return status == GLASS_OK ? 0 : cli_fail(status);
}
