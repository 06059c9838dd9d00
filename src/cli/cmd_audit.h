/* cmd_audit.h - between the files of glass audit. */
#ifndef CLI_CMD_AUDIT_H
#define CLI_CMD_AUDIT_H

#include "cli/cli.h"

/* Of bytes of a file for one line: white space is one blank, what is no text a question mark, and
 * more than `most` characters end in "…". */
void audit_print_quote(const char *text, size_t n_bytes, size_t most);
glass_status audit_json_quote(struct buf *json, const char *text, size_t n_bytes);

/* glass audit --license FILE, --licenses */
glass_status audit_licence(const char *path, bool json);
glass_status audit_licences(const char *name, bool json);

#endif
