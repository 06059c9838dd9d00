/* fail.h - reporting a failure from inside the library. */
#ifndef BASE_FAIL_H
#define BASE_FAIL_H

#include "glass/status.h"

/* Records the message for glass_error() and returns status, so that a failing function ends
 * with `return fail(GLASS_BAD_INPUT, "%s: byte %zu: …", …)`. */
glass_status fail(glass_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same with ": " and the system's words for errno at the end. GLASS_SYSTEM. */
glass_status fail_errno(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Puts "context: " in front of the current message and returns status. */
glass_status fail_within(glass_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The usual out-of-memory message with the size that was asked for. */
glass_status fail_memory(size_t n_bytes);

#define TRY(call)                                                                          \
    do {                                                                                   \
        glass_status try_status_ = (call);                                                 \
        if (try_status_ != GLASS_OK) return try_status_;                                   \
    } while (0)
/* For functions with one `fail:` label and a variable `status`. */
#define TRY_FAIL(call)                                                                     \
    do {                                                                                   \
        status = (call);                                                                   \
        if (status != GLASS_OK) goto fail;                                                 \
    } while (0)

#endif
