/* limits.h - what this machine can do at most, measured: the yardstick of every speed. */
#ifndef GLASS_LIMITS_H
#define GLASS_LIMITS_H

#include "glass/status.h"
GLASS_BEGIN

/* Reads a buffer much larger than the caches with n_threads for about seconds; *out is bytes
 * per second, the median of the passes. Takes 512 MB while it runs. */
GLASS_API glass_status glass_limit_read(double *out, int n_threads, double seconds);
/* Independent chains of fma on the widest registers of the instruction set in use; *out is
 * operations per second (an fma is two), the median of the passes. */
GLASS_API glass_status glass_limit_fma(double *out, int n_threads, double seconds);

GLASS_END
#endif
