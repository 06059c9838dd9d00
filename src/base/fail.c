/* fail.c - the calling thread's last failure. Leaves printing to the program. */
#include "base/fail.h"

#include "base/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_BYTES = 2048 };
static _Thread_local char message[MESSAGE_BYTES];

const char *glass_error(void) {
    return message;
}

glass_status fail(glass_status status, const char *format, ...) {
    /* The arguments may point into the old message, so the new one is built aside. */
    char text[MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(message, text, sizeof message);
    return status;
}

glass_status fail_errno(const char *format, ...) {
    int code = errno;
    char text[MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return fail(GLASS_SYSTEM, "%s: %s", text, strerror(code));
}

glass_status fail_within(glass_status status, const char *format, ...) {
    char context[MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(context, sizeof context, format, args);
    va_end(args);
    return fail(status, "%s: %s", context, message);
}

glass_status fail_memory(size_t n_bytes) {
    return fail(GLASS_NO_MEMORY, "out of memory: %zu bytes were refused", n_bytes);
}

int glass_status_exit_code(glass_status status) {
    switch (status) {
    case GLASS_OK: return 0;
    case GLASS_NEGATIVE: return 1;
    case GLASS_USAGE: return 2;
    case GLASS_BAD_INPUT: return 3;
    default: return 4;
    }
}

void glass_free(void *memory) {
    mem_free(memory);
}
