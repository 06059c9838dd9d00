/* convert_tokenizer.c - a vocabulary in another format: convert_tokenizer IN OUT [N_VOCAB]. OUT
 * ending in .gguf is written as a GGUF file without tensors; else it is a folder that gets
 * a tokenizer.json and a tokenizer_config.json. IN is whatever holds a vocabulary. */
#include "base/path.h"
#include "text/tok_to_gguf.h"
#include "text/tok_to_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(glass_status status) {
    if (status == GLASS_OK) return;
    fprintf(stderr, "convert_tokenizer: %s\n", glass_error());
    exit(glass_status_exit_code(status));
}

static void to_gguf(const struct tok_source *s, const char *path, int64_t n_vocab) {
    struct gguf_writer *w;
    struct tok_to_gguf_options options = {.n_vocab = n_vocab};
    check(gguf_writer_create(&w, path));
    check(gguf_put_text(w, "general.architecture", "llama"));
    check(tok_to_gguf(w, s, &options));
    check(gguf_writer_finish(w));
}

static void to_json(const struct tok_source *s, const char *folder) {
    struct buf tokenizer = {0}, config = {0}, path = {0};
    check(tok_to_json(&tokenizer, &config, s, NULL, 0));
    check(buf_printf(&path, "%s/tokenizer.json", folder));
    check(path_write_whole(path.data, tokenizer.data, tokenizer.len));
    buf_clear(&path);
    check(buf_printf(&path, "%s/tokenizer_config.json", folder));
    check(path_write_whole(path.data, config.data, config.len));
    buf_free(&tokenizer);
    buf_free(&config);
    buf_free(&path);
}

int main(int argc, char **argv) {
    struct tok_source s = TOK_SOURCE_NONE;
    struct gguf *g = NULL;
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: convert_tokenizer IN OUT [N_VOCAB]\n");
        return 2;
    }
    size_t n_in = strlen(argv[1]), n_out = strlen(argv[2]);
    if (n_in > 5 && strcmp(argv[1] + n_in - 5, ".gguf") == 0) {
        check(gguf_open(&g, argv[1]));
        check(tok_read_gguf(&s, g));
    } else {
        check(tok_read_path(&s, argv[1]));
    }
    if (n_out > 5 && strcmp(argv[2] + n_out - 5, ".gguf") == 0)
        to_gguf(&s, argv[2], argc == 4 ? strtoll(argv[3], NULL, 10) : 0);
    else
        to_json(&s, argv[2]);
    tok_source_clear(&s);
    gguf_close(g);
    return 0;
}
