/* cmd_audit.h - between the files of glass audit. */
#ifndef CLI_CMD_AUDIT_H
#define CLI_CMD_AUDIT_H

#include "cli/cli.h"
#include "glass/audit.h"

/* Of bytes of a file for one line: white space is one blank, what is no text a question mark, and
 * more than `most` characters end in "…". */
void audit_print_quote(const char *text, size_t n_bytes, size_t most);
glass_status audit_json_quote(struct buf *json, const char *text, size_t n_bytes);

const char *audit_part_name(glass_audit_part part);
const char *audit_grade_name(glass_audit_grade grade);
/* One line, if it names a file. */
void audit_print_evidence(const char *indent, const glass_audit_evidence *e);
/* ,"name":{…} or null */
glass_status audit_json_evidence(struct buf *json, const char *name,
                                 const glass_audit_evidence *e);

/* glass audit MODEL */
glass_status audit_show(const glass_audit *audit, bool json);
glass_status audit_json_report(struct buf *json, const glass_audit_report *r);
/* glass audit MODEL --may ACTION: GLASS_NEGATIVE if one answer is no, or unknown. */
glass_status audit_may(glass_audit *audit, const struct opt_list *may, bool json);

/* glass audit A B C */
glass_status audit_compare(glass_audit *const *audits, int64_t n, bool json);
/* glass audit --mof RECORD… */
glass_status audit_mof(const char **paths, int n, bool json);

/* glass audit --license FILE, --licenses */
glass_status audit_licence(const char *path, bool json);
glass_status audit_licences(const char *name, bool json);

#endif
