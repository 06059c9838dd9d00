/* cmd_inspect.c - glass inspect: what a model is made of, and what it makes of a text. Its parts
 * are in cmd_inspect_*.c. */
#include "cli/cmd_inspect.h"

#include <stdio.h>

int cmd_inspect(int argc, char **argv) {
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } parts[] = {
        {"tensors", inspect_tensors_main},     {"diff", inspect_diff_main},
        {"logits", inspect_logits_main},       {"layers", inspect_layers_main},
        {"attention", inspect_attention_main}, {"activations", inspect_activations_main}};
    static const char usage[] =
        "usage: glass inspect tensors MODEL [NAME...]     figures and histograms of "
        "weights\n"
        "       glass inspect diff A B                    how alike two models' weights "
        "are\n"
        "       glass inspect logits MODEL -p TEXT        each token's probability and "
        "rank\n"
        "       glass inspect layers MODEL -p TEXT        what each layer would predict\n"
        "       glass inspect attention MODEL -p TEXT     what each head attends to\n"
        "       glass inspect activations MODEL -p TEXT --out PATH    saved as arrays\n\n"
        "glass inspect PART --help tells more.\n";
    const char *name = argc > 1 ? argv[1] : "--help";
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcmp(name, parts[i].name) == 0) return parts[i].run(argc - 1, argv + 1);
    bool asked = argc > 1 && (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0);
    if (!asked && argc > 1) fprintf(stderr, "glass: there is no \"inspect %s\"\n", name);
    fputs(usage, asked ? stdout : stderr);
    return asked ? 0 : 2;
}
