/* status.h - how a call says that it failed, and why.
 *
 * Every fallible call returns a glass_status. On failure its out-parameters are NULL or zero
 * and glass_error() holds one sentence: what happened, where (file, byte, line, key) and what
 * to do. The message belongs to the calling thread and lives until that thread's next failure. */
#ifndef GLASS_STATUS_H
#define GLASS_STATUS_H

#include "glass/api.h"
GLASS_BEGIN

typedef enum glass_status {
    GLASS_OK = 0,
    GLASS_NEGATIVE = 1,  /* the question was answered, and the answer is no */
    GLASS_USAGE = 2,     /* the caller asked for something that does not exist */
    GLASS_BAD_INPUT = 3, /* a file, text or request is wrong */
    GLASS_SYSTEM = 4,    /* the machine refused: file access, network, disk */
    GLASS_NO_MEMORY = 5, /* an allocation failed, or was refused before it was tried */
    GLASS_CANCELLED = 6  /* a callback asked to stop */
} glass_status;

/* The calling thread's last failure, "" if there was none. Never NULL. */
GLASS_API const char *glass_error(void);

/* The process exit code for a status: 0 ok, 1 negative, 2 usage, 3 bad input, 4 system. */
GLASS_API int glass_status_exit_code(glass_status status);

/* Frees memory that a public call handed over (strings, id arrays). NULL is fine. */
GLASS_API void glass_free(void *memory);

/* "0.1.0"; the arithmetic's name, "exact-1"; the instruction set in use: "c", "avx2", … */
GLASS_API const char *glass_version(void);
GLASS_API const char *glass_arithmetic(void);
GLASS_API const char *glass_isa(void);

GLASS_END
#endif
