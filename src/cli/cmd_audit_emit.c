/* cmd_audit_emit.c - glass audit MODEL --emit FORM: evidence in standard forms. */
#include "base/path.h"
#include "cli/cmd_audit.h"

#include <stdio.h>

glass_status audit_emit(glass_audit *audit, const struct audit_emitting *emit) {
    char *text;
    size_t n_bytes;
    int form = 0;
    const char *name;
    while ((name = glass_emit_name(form)) != NULL && strcmp(name, emit->form) != 0) form++;
    if (name == NULL)
        return fail(GLASS_USAGE,
                    "--emit %s: wanted spdx, cyclonedx, croissant, mof, slsa, card or "
                    "datasheet",
                    emit->form);
    TRY(glass_emit(&text, &n_bytes, audit, (glass_emit_form)form, &emit->o));
    glass_status status = GLASS_OK;
    if (emit->out != NULL)
        status = path_write_whole(emit->out, text, n_bytes);
    else
        fwrite(text, 1, n_bytes, stdout);
    glass_free(text);
    return status;
}
