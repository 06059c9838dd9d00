/* cmd_pull.c - glass pull: get a model from a hub, with a progress bar. */
#include "cli/cli.h"
#include "store/pull.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct pull_view {
    bool json, bar, bar_shown;
    double started, shown;
    int64_t have_at_start;
    const char *slash;
};

static void clear_bar(struct pull_view *v) {
    if (v->bar_shown) fprintf(stderr, "\r\x1b[K");
    v->bar_shown = false;
}

static void put_seconds(char text[32], double s) {
    unsigned n = s < 360000 ? (unsigned)(s + 0.5) : 0;
    if (!(s < 360000))
        snprintf(text, 32, "--:--");
    else if (n >= 3600)
        snprintf(text, 32, "%u:%02u:%02u", n / 3600, n / 60 % 60, n % 60);
    else
        snprintf(text, 32, "%02u:%02u", n / 60, n % 60);
}

static int columns(void) {
    struct winsize w;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 80;
}

static double rate(const struct pull_view *v, const struct pull_event *e) {
    double s = cli_now() - v->started;
    return s > 0.2 ? (double)(e->have - v->have_at_start) / s : 0;
}

/* model.gguf  42% [#####      ] 41.2 MB of 98.0 MB, 10.3 MB/s, 00:06 left */
static void draw_bar(struct pull_view *v, const struct pull_event *e) {
    char have[32], total[32], speed[32], left[32] = "--:--", tail[160], bar[41];
    const char *name = strrchr(e->file, '/') ? strrchr(e->file, '/') + 1 : e->file;
    double r = rate(v, e), share = e->total > 0 ? (double)e->have / (double)e->total : 0;
    if (r > 0 && e->total >= 0) put_seconds(left, (double)(e->total - e->have) / r);
    if (e->total < 0)
        snprintf(tail, sizeof tail, "%s, %s/s", cli_bytes(have, (double)e->have),
                 cli_bytes(speed, r));
    else
        snprintf(tail, sizeof tail, "%3.0f%% %s of %s, %s/s, %s left", 100 * share,
                 cli_bytes(have, (double)e->have), cli_bytes(total, (double)e->total),
                 cli_bytes(speed, r), left);
    int room = columns() - 1 - (int)strlen(tail), width = room > 40 ? 20 : 0;
    for (int i = 0; i < width; i++) bar[i] = i < (int)(share * width + 0.5) ? '#' : '.';
    bar[width] = '\0';
    int n_name = room - width - 6;
    if (n_name < 0) n_name = 0;
    fprintf(stderr, "\r%.*s%s%s%s%s\x1b[K", n_name, name, n_name ? " " : "", bar,
            width ? " " : "", tail);
    v->bar_shown = true;
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
    clear_bar(v);
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
    double now = cli_now();
    if (e->kind == PULL_FILE) {
        v->started = now;
        v->have_at_start = e->have;
    }
    if (e->kind == PULL_PROGRESS) {
        double pause = v->json ? 0.5 : 0.1;
        if (e->file[0] && now - v->shown >= pause && (v->json || v->bar)) {
            v->shown = now;
            if (v->json)
                json_event(e, kinds[e->kind], rate(v, e));
            else
                draw_bar(v, e);
        }
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
    clear_bar(v);
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
    v.bar = !v.json && isatty(STDERR_FILENO);
    glass_status status = pull(&v, &o, words[0]);
    return status == GLASS_OK ? 0 : cli_fail(status);
}
