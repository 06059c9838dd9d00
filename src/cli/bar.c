/* bar.c - see bar.h. */
#include "cli/bar.h"

#include "cli/cli.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

void cli_bar_start(struct cli_bar *bar, double have) {
    bar->started = cli_now();
    bar->have_at_start = have;
}

double cli_bar_rate(const struct cli_bar *bar, double have) {
    double s = cli_now() - bar->started;
    return s > 0.2 ? (have - bar->have_at_start) / s : 0;
}

bool cli_bar_due(struct cli_bar *bar, double seconds) {
    double now = cli_now();
    if (now - bar->last < seconds) return false;
    bar->last = now;
    return true;
}

void cli_bar_clear(struct cli_bar *bar) {
    if (bar->shown) fprintf(stderr, "\r\x1b[K");
    bar->shown = false;
}

static void put_seconds(char text[32], double s) {
    unsigned n = s < 360000 ? (unsigned)(s + 0.5) : 0;
    if (!(s < 360000))
        snprintf(text, 32, "--:--");
    else if (n >= 3600)
        snprintf(text, 32, "%u:%02u:%02u", n / 3600, n / 60 % 60, n % 60);
    else
        snprintf(text, 32, "%02u:%02u", n / 60, n % 60);
}

static int columns(void) {
    struct winsize w;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 80;
}

void cli_bar_draw(struct cli_bar *bar, const char *name, double have, double total) {
    char a[32], b[32], speed[32], left[32] = "--:--", tail[160], marks[41];
    double r = cli_bar_rate(bar, have), share = total > 0 ? have / total : 0;
    if (!isatty(STDERR_FILENO) || !cli_bar_due(bar, 0.1)) return;
    if (r > 0 && total >= 0) put_seconds(left, (total - have) / r);
    if (total < 0)
        snprintf(tail, sizeof tail, "%s, %s/s", cli_bytes(a, have), cli_bytes(speed, r));
    else
        snprintf(tail, sizeof tail, "%3.0f%% %s of %s, %s/s, %s left", 100 * share,
                 cli_bytes(a, have), cli_bytes(b, total), cli_bytes(speed, r), left);
    int room = columns() - 1 - (int)strlen(tail), width = room > 40 ? 20 : 0;
    for (int i = 0; i < width; i++) marks[i] = i < (int)(share * width + 0.5) ? '#' : '.';
    marks[width] = '\0';
    int n_name = room - width - 6;
    if (n_name < 0) n_name = 0;
    fprintf(stderr, "\r%.*s%s%s%s%s\x1b[K", n_name, name, n_name ? " " : "", marks,
            width ? " " : "", tail);
    bar->shown = true;
}
