/* main.c - the program: one table of commands. */
#include "glass/glass.h"

#include <stdio.h>

int main(void) {
    printf("glass %s (%s, %s)\n", glass_version(), glass_arithmetic(), glass_isa());
    return 0;
}
