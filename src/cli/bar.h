/* bar.h - a line on a terminal that shows how far something is. Nothing is drawn where stderr
 * is no terminal. */
#ifndef CLI_BAR_H
#define CLI_BAR_H

#include <stdbool.h>

/* Zero-initialise it. */
struct cli_bar {
    bool shown;
    double started, last, have_at_start;
};

/* From here on time counts; `have` bytes were there before. */
void cli_bar_start(struct cli_bar *bar, double have);
/* Bytes a second since then; 0 as long as that says nothing. */
double cli_bar_rate(const struct cli_bar *bar, double have);
/* Whether so many seconds went by since it was last true. */
bool cli_bar_due(struct cli_bar *bar, double seconds);
/* name  42% [#####      ] 41.2 MB of 98.0 MB, 10.3 MB/s, 00:06 left. At most ten times a
 * second; total below 0: not known. */
void cli_bar_draw(struct cli_bar *bar, const char *name, double have, double total);
void cli_bar_clear(struct cli_bar *bar);

#endif
