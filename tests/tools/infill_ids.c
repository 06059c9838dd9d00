/* infill_ids.c - prints the prompts of infilling, for comparisons with other programs.
 * Usage: infill_ids TOKENIZER < LINES. A line: "psm" or "spm", prefix and suffix in
 * hexadecimal, with tabs between. For each it prints the ids in one line. */
#include "glass/glass.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t from_hex(char *text) {
    size_t n = strlen(text) / 2;
    for (size_t i = 0; i < n; i++) {
        const char digits[3] = {text[2 * i], text[2 * i + 1], 0};
        text[i] = (char)strtol(digits, NULL, 16);
    }
    return n;
}

static int one_line(const glass_tokenizer *t, char *line) {
    line[strcspn(line, "\n")] = 0;
    char *prefix = strchr(line, '\t');
    char *suffix = prefix != NULL ? strchr(prefix + 1, '\t') : NULL;
    if (suffix == NULL) {
        fprintf(stderr, "infill_ids: a line has three columns\n");
        return 2;
    }
    *prefix++ = *suffix++ = 0;
    glass_infill_options o = {.order = strcmp(line, "spm") == 0 ? GLASS_SPM : GLASS_PSM};
    glass_infill got;
    size_t n_prefix = from_hex(prefix), n_suffix = from_hex(suffix);
    if (glass_infill_tokens(&got, t, prefix, n_prefix, suffix, n_suffix, &o) != GLASS_OK) {
        fprintf(stderr, "infill_ids: %s\n", glass_error());
        return 4;
    }
    for (int64_t i = 0; i < got.n; i++) printf("%s%d", i ? " " : "", got.ids[i]);
    printf("\n");
    glass_infill_clear(&got);
    return 0;
}

int main(int argc, char **argv) {
    glass_tokenizer *t;
    if (argc != 2) {
        fprintf(stderr, "usage: infill_ids TOKENIZER < LINES\n");
        return 2;
    }
    if (glass_tokenizer_open(&t, argv[1]) != GLASS_OK) {
        fprintf(stderr, "infill_ids: %s\n", glass_error());
        return 4;
    }
    char *line = NULL;
    size_t cap = 0;
    int code = 0;
    while (code == 0 && getline(&line, &cap, stdin) >= 0) code = one_line(t, line);
    free(line);
    glass_tokenizer_close(t);
    return code;
}
