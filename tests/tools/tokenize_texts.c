/* tokenize_texts.c - encodes texts for scripts: tokenize_texts VOCABULARY FLAGS. Standard
 * input is a row of texts, each its length (u32, little-endian) and its bytes; standard
 * output, for each, the number of ids (u32) and the ids (i32). Without a fault each text is
 * decoded too and must come back, unless FLAGS has 256 added (normalising vocabularies). */
#include "glass/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(glass_status status) {
    if (status == GLASS_OK) return;
    fprintf(stderr, "tokenize_texts: %s\n", glass_error());
    exit(glass_status_exit_code(status));
}

static void one_text(const glass_tokenizer *t, const char *text, size_t n, unsigned flags) {
    int32_t *ids;
    int64_t n_ids;
    char *back;
    size_t n_back;
    check(glass_tokenizer_encode(t, &ids, &n_ids, text, n, flags & 255));
    check(glass_tokenizer_decode(t, &back, &n_back, ids, n_ids, GLASS_SHOW_SPECIAL));
    if (!(flags & 256) && (n_back != n || memcmp(back, text, n) != 0)) {
        fprintf(stderr, "tokenize_texts: a text of %zu bytes does not come back\n", n);
        exit(1);
    }
    uint32_t count = (uint32_t)n_ids;
    fwrite(&count, sizeof count, 1, stdout);
    fwrite(ids, sizeof *ids, count, stdout);
    glass_free(ids);
    glass_free(back);
}

int main(int argc, char **argv) {
    glass_tokenizer *t;
    uint32_t n;
    if (argc != 3) return 2;
    check(glass_tokenizer_open(&t, argv[1]));
    while (fread(&n, sizeof n, 1, stdin) == 1) {
        char *text = malloc((size_t)n + 1);
        if (text == NULL || fread(text, 1, n, stdin) != n) return 4;
        one_text(t, text, n, (unsigned)strtoul(argv[2], NULL, 10));
        free(text);
    }
    glass_tokenizer_close(t);
    return ferror(stdout) || fflush(stdout) != 0 ? 4 : 0;
}
