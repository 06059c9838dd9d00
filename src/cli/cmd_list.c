/* cmd_list.c - glass list: the models on this machine. */
#include "cli/cli.h"
#include "store/store.h"

#include <stdio.h>

static glass_status print_json(const struct store_listing *l) {
    struct buf b = {0};
    glass_status status = buf_byte(&b, '[');
    for (int64_t i = 0; status == GLASS_OK && i < l->n; i++) {
        const struct store_entry *e = &l->entries[i];
        status = buf_text(&b, i ? ",{\"name\":" : "{\"name\":");
        if (status == GLASS_OK) status = buf_json_string(&b, e->name, strlen(e->name));
        if (status == GLASS_OK) status = buf_text(&b, ",\"path\":");
        if (status == GLASS_OK) status = buf_json_string(&b, e->path, strlen(e->path));
        if (status == GLASS_OK)
            status = buf_printf(&b, ",\"place\":\"%s\",\"bytes\":%lld}", e->place,
                                (long long)e->n_bytes);
    }
    if (status == GLASS_OK) printf("%s]\n", b.data);
    buf_free(&b);
    return status;
}

int cmd_list(int argc, char **argv) {
    bool json = false;
    const struct opt options[] = {{"json", 'j', OPT_FLAG, &json, NULL, "a JSON array"},
                                  {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass list [--json]",
        "Lists the models in Glass's own store, and those that the caches of the Hugging "
        "Face "
        "hub,\nllama.cpp and Ollama hold. A name, or its beginning, is a MODEL.",
        "  glass list\n  glass list --json | jq -r '.[].name'\n",
        options,
        0,
        0,
        false};
    int n_words, code = opts_parse(&command, argc, argv, NULL, &n_words);
    if (code >= 0) return code;
    struct store_listing l;
    glass_status status = store_list(&l);
    if (status != GLASS_OK) return cli_fail(status);
    if (json) status = print_json(&l);
    for (int64_t i = 0; !json && i < l.n; i++) {
        char size[32];
        printf("%-44s %9s  %s\n", l.entries[i].name,
               cli_bytes(size, (double)l.entries[i].n_bytes), l.entries[i].place);
    }
    if (!json && l.n == 0)
        printf("no models yet: glass pull NAME gets one, and so does ./setup.sh chat\n");
    store_listing_clear(&l);
    return status == GLASS_OK ? 0 : cli_fail(status);
}
