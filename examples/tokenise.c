/* tokenise.c MODEL TEXT - the tokens of a text, one a line. */
#include <glass/glass.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(glass_status status) {
    if (status == GLASS_OK) return;
    fprintf(stderr, "tokenise: %s\n", glass_error());
    exit(glass_status_exit_code(status));
}

int main(int argc, char **argv) {
    glass_tokenizer *tokenizer;
    int32_t *ids;
    int64_t n;
    if (argc != 3) {
        fprintf(stderr, "usage: tokenise MODEL.gguf TEXT\n");
        return 2;
    }
    must(glass_tokenizer_open(&tokenizer, argv[1]));
    must(glass_tokenizer_encode(tokenizer, &ids, &n, argv[2], strlen(argv[2]), 0));
    for (int64_t i = 0; i < n; i++) {
        size_t n_bytes;
        const char *piece = glass_tokenizer_piece(tokenizer, ids[i], &n_bytes);
        printf("%6d  %.*s\n", ids[i], (int)n_bytes, piece);
    }
    glass_free(ids);
    glass_tokenizer_close(tokenizer);
    return 0;
}
