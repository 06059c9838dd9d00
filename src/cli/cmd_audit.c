/* cmd_audit.c - glass audit: how open a model is, and what one may do with it. */
#include "cli/cmd_audit.h"

#include <stdio.h>

int cmd_audit(int argc, char **argv) {
    const char *licence = NULL;
    bool json = false, licences = false;
    const struct opt options[] = {
        {"license", 0, OPT_TEXT, &licence, "FILE",
         "which licence a file holds, how surely, and what differs"},
        {"licenses", 0, OPT_FLAG, &licences, NULL,
         "the licences that are known; with a word, what one of them does"},
        {"json", 0, OPT_FLAG, &json, NULL, "JSON for programs"},
        {0}};
    const struct opt_command command = {
        .usage = "glass audit --license FILE | --licenses [NAME]",
        .about = "Says what licences let one do, section by section, with the bytes that "
                 "say so.\n"
                 "Not legal advice.",
        .examples = "  glass audit --license LICENSE\n"
                    "  glass audit --licenses llama-3.1\n",
        .options = options,
        .min_words = 0,
        .max_words = 1};
    const char *words[1];
    int n_words;
    int code = opts_parse(&command, argc, argv, words, &n_words);
    if (code >= 0) return code;
    glass_status status;
    if (licence != NULL && !licences && n_words == 0)
        status = audit_licence(licence, json);
    else if (licences && licence == NULL)
        status = audit_licences(n_words > 0 ? words[0] : NULL, json);
    else
        status =
            fail(GLASS_USAGE, "give --license FILE or --licenses; see glass audit --help");
    if (status == GLASS_NEGATIVE) return 1;
    return status == GLASS_OK ? 0 : cli_fail(status);
}
