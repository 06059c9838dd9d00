/* adapters.h - the adapters that a command line names, opened. */
#ifndef CLI_ADAPTERS_H
#define CLI_ADAPTERS_H

#include "cli/opts.h"

struct cli_adapters {
    glass_adapter *opened[64];
    glass_adapter_use uses[64]; /* for session and evaluation options */
    int n;
};

/* "PATH" or "PATH=SCALE": *path is to be freed with mem_free. */
glass_status cli_adapter_parse(char **path, float *scale, const char *text);
/* Each of these opened. On failure *out is as after cli_adapters_close. */
glass_status cli_adapters_open(struct cli_adapters *out, const glass_model *model,
                               const struct opt_list *list);
void cli_adapters_close(struct cli_adapters *a);

/* The row of the option, to be pasted into a table. */
// clang-format off
#define ADAPTER_OPTION(list)                                                                 \
    {"adapter", 0, OPT_LIST, &(list), "PATH[=F]", "a LoRA adapter, times F (repeatable)"}
// clang-format on

#endif
