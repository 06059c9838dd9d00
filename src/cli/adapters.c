/* adapters.c - see adapters.h. */
#include "cli/adapters.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* A path may have an '=' of its own: only a number after the last one is a scale. */
static glass_status open_one(glass_adapter **out, glass_adapter_use *use,
                             const glass_model *model, const char *text) {
    const char *equals = strrchr(text, '=');
    size_t n = strlen(text);
    char *path, *end;
    use->scale = 1;
    if (equals != NULL && equals[1] != '\0') {
        float scale = strtof(equals + 1, &end);
        if (*end == '\0') {
            use->scale = scale;
            n = (size_t)(equals - text);
        }
    }
    TRY(mem_copy_text(&path, text, n));
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
