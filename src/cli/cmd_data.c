/* cmd_data.c - glass data: corpora with the licence of every document. Its parts are in
 * cmd_data_*.c. */
#include "cli/cmd_data.h"

#include <stdio.h>

int cmd_data(int argc, char **argv) {
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } parts[] = {
        {"add", data_add_main},   {"show", data_show_main},   {"list", data_list_main},
        {"card", data_card_main}, {"clean", data_clean_main}, {"why", data_why_main},
        {"pack", data_pack_main}, {"prove", data_prove_main}, {"check", data_check_main}};
    static const char usage[] =
        "usage: glass data add CORPUS SOURCE...      files, archives, packages into a "
        "corpus\n"
        "       glass data show CORPUS               its licences, sources and roots\n"
        "       glass data list CORPUS               its documents\n"
        "       glass data clean CORPUS... OUT       by rules, into a new corpus\n"
        "       glass data why CORPUS DOC            what the rules decided of a text\n"
        "       glass data pack CORPUS... OUT        into shards for glass train\n"
        "       glass data card CORPUS               its datasheet, with pictures\n"
        "       glass data prove CORPUS DOC          that it has a text, or has it not\n"
        "       glass data check PROOF               a proof, without the corpus\n\n"
        "A CORPUS is a folder. glass data add --help and so on tell more; docs/data.md "
        "all.\n\n"
        "examples:\n"
        "  glass data add corpus texts/ books.tar.xz deb:bash debsrc:hello --policy dfsg\n"
        "  glass data show corpus\n"
        "  glass data prove corpus letter.txt > proof.json && glass data check "
        "proof.json\n";
    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(usage, stdout);
        return 0;
    }
    for (size_t i = 0; argc >= 2 && i < sizeof parts / sizeof *parts; i++)
        if (strcmp(argv[1], parts[i].name) == 0) return parts[i].run(argc - 1, argv + 1);
    if (argc >= 2) fprintf(stderr, "glass: data cannot \"%s\"\n", argv[1]);
    fputs(usage, stderr);
    return 2;
}

glass_status data_print(const struct buf *out) {
    if (out->len > 0 && fwrite(out->data, 1, out->len, stdout) != out->len)
        return fail_errno("standard output");
    return GLASS_OK;
}
