/* main.c - the program: one table of commands. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary; /* NULL: another line of the help tells of it */
} commands[] = {
    {"chat", cmd_chat, "talk with a model in the terminal"},
    {"serve", cmd_serve, "a chat page (feedback: what people said there), and known APIs"},
    {"complete", cmd_complete, "complete a text"},
    {"show", cmd_show, "what a model is: shape, sizes, licence, template, memory"},
    {"pull", cmd_pull, "get a model from a hub or an address"},
    {"convert", cmd_convert, "a model in another form: GGUF, or a Hugging Face folder"},
    {"list", cmd_list, "the models on this machine"},
    {"quantize", cmd_quantize, "a model in fewer bits, and what that costs"},
    {"tokenizer", cmd_tokenizer, "text to tokens and back; what a tokenizer is"},
    {"eval", cmd_eval, "perplexity, log-likelihoods, divergence between two models"},
    {"data", cmd_data, "corpora: every document with its licence, and proofs"},
    {"train", cmd_train, "train a model from text, as a recipe says"},
    {"verify", cmd_verify, "replay a run of training; check what `glass sign` signed"},
    {"sign", cmd_sign, NULL},
    {"trace", cmd_trace, "where a text's words stand in what a model learnt from"},
    {"audit", cmd_audit, "how open a model is, and what its licences let one do"},
    {"inspect", cmd_inspect, "look inside: weights, attention, what each layer predicts"},
    {"bench", cmd_bench, "speed, against this machine's own limits"},
    {"feedback", cmd_feedback, NULL}, /* told with serve */
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static int help(FILE *out, int code) {
    fprintf(out,
            "glass %s - a language-model system: the same bits on every machine\n"
            "usage: glass COMMAND [options]\n\n",
            glass_version());
    for (int i = 0; i < N_COMMANDS; i++)
        if (commands[i].summary != NULL)
            fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fprintf(
        out,
        "\nglass COMMAND --help (or glass help COMMAND, man glass) tells more. A MODEL is\n"
        "a GGUF file, a published folder, or a name that `glass list` shows. Apache-2.0.\n"
        "example: glass complete smollm2 -p \"The capital of France is\" -n 8 --temp 0\n");
    return code;
}

/* What the same is called elsewhere. */
static const char *our_name(const char *name) {
    static const char *const words[][2] = {
        {"run", "chat"},       {"ls", "list"},           {"generate", "complete"},
        {"cli", "chat"},       {"download", "pull"},     {"perplexity", "eval"},
        {"info", "show"},      {"embed", "serve"},       {"tokenize", "tokenizer"},
        {"finetune", "train"}, {"version", "--version"}, {"-v", "--version"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(name, words[i][0]) == 0) return words[i][1];
    return NULL;
}

static int unknown(const char *name) {
    const char *best = our_name(name);
    int least = best != NULL ? 0 : 3;
    for (int i = 0; i < N_COMMANDS; i++) {
        int d = opts_distance(name, commands[i].name);
        if (d >= least) continue;
        least = d;
        best = commands[i].name;
    }
    fprintf(stderr, "glass: there is no command \"%s\"%s%s%s; glass --help lists them\n",
            name, best ? " (did you mean " : "", best ? best : "", best ? "?)" : "");
    return 2;
}

static int run(int argc, char **argv) {
    for (int i = 0; i < N_COMMANDS; i++)
        if (strcmp(argv[0], commands[i].name) == 0) return commands[i].run(argc, argv);
    return unknown(argv[0]);
}

/* glass help COMMAND [PART] is glass COMMAND [PART] --help. */
static int help_on(int argc, char **argv) {
    char flag[] = "--help";
    char *words[] = {argv[0], argc > 1 ? argv[1] : flag, argc > 1 ? flag : NULL, NULL};
    return run(argc > 1 ? 3 : 2, words);
}

int main(int argc, char **argv) {
    int code;
    if (argc < 2) return help(stderr, 2);
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
        code = help(stdout, 0);
    } else if (!strcmp(argv[1], "help")) {
        code = argc > 2 ? help_on(argc - 2, argv + 2) : help(stdout, 0);
    } else if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
        printf("glass %s (%s, %s)\n", glass_version(), glass_arithmetic(), glass_isa());
        code = 0;
    } else {
        code = run(argc - 1, argv + 1);
    }
    /* Text that never arrived is no success. */
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == 0) {
        fprintf(stderr, "glass: standard output: %s\n", strerror(errno));
        code = 4;
    }
    return code;
}
