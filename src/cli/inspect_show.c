/* inspect_show.c - see cmd_inspect.h: bars, cells and tokens in a terminal. */
#include "base/utf8.h"
#include "cli/cmd_inspect.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

glass_status inspect_range(glass_range *out, const char *text, const char *option) {
    char *end;
    long long first, last;
    *out = (glass_range){0};
    if (text == NULL) return GLASS_OK;
    first = strtoll(text, &end, 10);
    bool good = end != text && first > -(1LL << 40) && first < 1LL << 40;
    if (good && *end == '\0') {
        *out = (glass_range){first, 1};
        return GLASS_OK;
    }
    if (good && strcmp(end, "..") == 0) {
        *out = (glass_range){first, 0};
        return GLASS_OK;
    }
    if (good && strncmp(end, "..", 2) == 0) {
        const char *rest = end + 2;
        last = strtoll(rest, &end, 10);
        if (end != rest && *end == '\0' && last < 1LL << 40 && last >= first &&
            (first < 0) == (last < 0)) {
            *out = (glass_range){first, last - first + 1};
            return GLASS_OK;
        }
    }
    return fail(GLASS_USAGE, "--%s %.40s: wanted is N, N..M or N.. (-1 is the last)",
                option, text);
}

glass_status inspect_print(char *json, size_t n_bytes) {
    bool good = fwrite(json, 1, n_bytes, stdout) == n_bytes && putchar('\n') != EOF &&
                fflush(stdout) == 0;
    glass_free(json);
    return good ? GLASS_OK : fail_errno("standard output");
}

int inspect_columns(void) {
    struct winsize w;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 40 ? w.ws_col : 100;
}

bool inspect_colour(void) {
    const char *no = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) && (no == NULL || *no == '\0');
}

/* A character as it may be shown: 0 where it takes no column. */
static uint32_t shown(uint32_t c) {
    if (c == '\n') return 0x21b5;
    if (c == '\t') return 0x2192;
    if (c < ' ' || (c >= 0x7f && c < 0xa0)) return 0xfffd;
    return c;
}

/* Bytes that are a piece of a character stand as \xE4, as `glass tokenizer` writes them. */
static glass_status readable(struct buf *out, const char *text, size_t n) {
    for (size_t i = 0; i < n;) {
        uint32_t c;
        size_t used = utf8_decode(&c, text + i, n - i);
        if (c == UTF8_BAD)
            TRY(buf_printf(out, "\\x%02X", (unsigned char)text[i]));
        else
            TRY(buf_append(out, text + i, used));
        i += used;
    }
    return GLASS_OK;
}

void inspect_token(const glass_tokenizer *t, int32_t id, int width) {
    char *text = NULL, number[16];
    size_t n = 0, i = 0;
    int columns = 0;
    struct buf b = {0};
    if (t != NULL && id >= 0 && id < glass_tokenizer_n_vocab(t) &&
        glass_tokenizer_decode(t, &text, &n, &id, 1, GLASS_SHOW_SPECIAL | GLASS_CONTINUE) !=
            GLASS_OK)
        text = NULL;
    if (text == NULL) {
        snprintf(number, sizeof number, "%d", id);
        printf("%-*s", width, number);
        return;
    }
    if (readable(&b, text, n) == GLASS_OK && b.len > 0) {
        glass_free(text);
        text = b.data;
        n = b.len;
    }
    putchar('"');
    while (i < n && columns < width - 2) {
        uint32_t c;
        char bytes[4];
        i += utf8_decode(&c, text + i, n - i);
        /* What is wide (CJK, emoji) takes two columns. */
        c = columns == width - 3 && i < n ? 0x2026 : shown(c);
        columns += c >= 0x1100 && (c <= 0x115f || (c >= 0x2e80 && c <= 0xd7a3) ||
                                   (c >= 0xf900 && c <= 0xfaff) ||
                                   (c >= 0xff00 && c <= 0xff60) || c >= 0x1f300)
                       ? 2
                       : 1;
        fwrite(bytes, 1, utf8_encode(bytes, c), stdout);
    }
    putchar('"');
    for (columns += 2; columns < width; columns++) putchar(' ');
    if (text == b.data)
        buf_free(&b);
    else
        glass_free(text);
}

void inspect_bar(double share, int width) {
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    share = share > 0 ? share < 1 ? share : 1 : 0;
    int n = (int)lround(share * 8 * width);
    if (n == 0 && share >= 0.001) n = 1;
    for (int i = 0; i < n / 8; i++) fputs("█", stdout);
    fputs(eighths[n % 8], stdout);
    for (int i = (n + 7) / 8; i < width; i++) putchar(' ');
}

void inspect_cell(double share, int width) {
    static const char *const shades[] = {" ", "·", "░", "▒", "▓", "█"};
    share = share > 0 ? share < 1 ? share : 1 : 0;
    if (inspect_colour()) {
        /* From black by blue to white: steps of the 256 colours' cube. */
        static const int steps[] = {16, 17, 18, 19, 20, 26, 32, 38, 44, 80, 123, 195, 231};
        int n = sizeof steps / sizeof *steps;
        int at = (int)(sqrt(share) * n);
        printf("\x1b[48;5;%dm%*s\x1b[0m", steps[at < n ? at : n - 1], width, "");
        return;
    }
    /* Small shares are what maps are made of. */
    int at = share < 0.005 ? 0 : 1 + (int)(sqrt(share) * 5);
    for (int i = 0; i < width; i++) fputs(shades[at < 5 ? at : 5], stdout);
}

void inspect_spark(const int64_t *counts, int n, int each) {
    static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    int64_t most = 1;
    for (int i = 0; i < n; i += each) {
        int64_t sum = 0;
        for (int j = i; j < i + each && j < n; j++) sum += counts[j];
        most = sum > most ? sum : most;
    }
    for (int i = 0; i < n; i += each) {
        int64_t sum = 0;
        for (int j = i; j < i + each && j < n; j++) sum += counts[j];
        int at = (int)ceil(8 * (double)sum / (double)most);
        fputs(blocks[at < 8 ? at : 8], stdout);
    }
}
