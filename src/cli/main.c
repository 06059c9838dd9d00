/* main.c - the program: one table of commands. */
#include "cli/cli.h"

#include <stdio.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"chat", cmd_chat, "talk with a model in the terminal"},
    {"complete", cmd_complete, "complete a text"},
    {"show", cmd_show, "what a model is: shape, sizes, licence, template, memory"},
    {"list", cmd_list, "the models on this machine"},
    {"bench", cmd_bench, "speed, against this machine's own limits"},
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static int help(FILE *out, int code) {
    fprintf(out, "glass %s - a language-model system: the same bits on every machine\n\n"
                 "usage: glass COMMAND [options]\n\n",
            glass_version());
    for (int i = 0; i < N_COMMANDS; i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fprintf(out, "\nglass COMMAND --help tells more, with examples.\n"
                 "GLASS_ISA=c|avx2|avx512|neon forces an instruction set (results are the "
                 "same).\n");
    return code;
}

int main(int argc, char **argv) {
    if (argc < 2) return help(stderr, 2);
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
        return help(stdout, 0);
    if (!strcmp(argv[1], "--version")) {
        printf("glass %s (%s, %s)\n", glass_version(), glass_arithmetic(), glass_isa());
        return 0;
    }
    for (int i = 0; i < N_COMMANDS; i++)
        if (!strcmp(argv[1], commands[i].name)) return commands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "glass: there is no command \"%s\"; glass --help lists them\n", argv[1]);
    return 2;
}
