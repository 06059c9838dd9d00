/* cmd_sign.h - signatures of models: glass sign, glass verify --signature. */
#ifndef CLI_CMD_SIGN_H
#define CLI_CMD_SIGN_H

#include "cli/cli.h"
#include "glass/sign.h"

struct verify_signature {
    const char *signature, *key;
    struct opt_list certificates, ignore;
    bool any_signer, ignore_unsigned;
};
/* The rows of those options. */
// clang-format off
#define SIGNATURE_OPTIONS(s)                                                                 \
    {"A signature (glass sign)", 0, OPT_HEADING, NULL, NULL, NULL},                          \
    {"signature", 0, OPT_TEXT, &(s).signature, "FILE", "are the model's files those that were signed?"}, \
    {"key", 0, OPT_TEXT, &(s).key, "PUB.pem", "by whom: the public key"},                    \
    {"certificate", 0, OPT_LIST, &(s).certificates, "CA.pem", "by whom: certificates lead to one of these (repeatable)"}, \
    {"any-signer", 0, OPT_FLAG, &(s).any_signer, NULL, "whoever it was: the files alone"},   \
    {"ignore", 0, OPT_LIST, &(s).ignore, "PATH", "in the folder, need not be signed (repeatable)"}, \
    {"ignore-unsigned", 0, OPT_FLAG, &(s).ignore_unsigned, NULL, "files that nobody signed may be there"}
// clang-format on

/* GLASS_NEGATIVE: not by that signer, or not those files. */
glass_status verify_signature(const struct verify_signature *v, const char *model,
                              bool json, bool quiet);

#endif
