/* adapters.c - see adapters.h. */
#include "cli/adapters.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* A path may have an '=' of its own: only a number after the last one is a scale. */
glass_status cli_adapter_parse(char **path, float *scale, const char *text) {
    const char *equals = strrchr(text, '=');
    size_t n = strlen(text);
    char *end;
    *scale = 1;
    if (equals != NULL && equals[1] != '\0') {
        float value = strtof(equals + 1, &end);
        if (*end == '\0') {
            *scale = value;
            n = (size_t)(equals - text);
        }
    }
    return mem_copy_text(path, text, n);
}

static glass_status open_one(glass_adapter **out, glass_adapter_use *use,
                             const glass_model *model, const char *text) {
    char *path;
    TRY(cli_adapter_parse(&path, &use->scale, text));
    glass_status status = glass_adapter_open(out, model, path);
    mem_free(path);
    use->adapter = *out;
    return status;
}

glass_status cli_adapters_open(struct cli_adapters *out, const glass_model *model,
                               const struct opt_list *list) {
    *out = (struct cli_adapters){0};
    for (int i = 0; i < list->n; i++) {
        glass_status status =
            open_one(&out->opened[i], &out->uses[i], model, list->items[i]);
        if (status != GLASS_OK) {
            cli_adapters_close(out);
            return status;
        }
        out->n++;
    }
    return GLASS_OK;
}

void cli_adapters_close(struct cli_adapters *a) {
    for (int i = 0; i < a->n; i++) glass_adapter_close(a->opened[i]);
    *a = (struct cli_adapters){0};
}
