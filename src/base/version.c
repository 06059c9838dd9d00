/* version.c - what this build is. */
#include "glass/status.h"

const char *glass_version(void) {
    return GLASS_VERSION;
}

const char *glass_arithmetic(void) {
    return "exact-1";
}
