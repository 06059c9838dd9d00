/* tok_open.c - a tokenizer from whatever file or folder holds one. */
#include "text/tokenizer.h"

#include <string.h>
#include <sys/stat.h>

static glass_status open_gguf(glass_tokenizer **out, const char *path) {
    struct gguf *g;
    TRY(gguf_open(&g, path));
    glass_status status = tok_create_gguf(out, g);
    if (status != GLASS_OK) {
        gguf_close(g);
        return status;
    }
    (*out)->gguf = g;
    return GLASS_OK;
}

static glass_status is_gguf(bool *out, const char *path) {
    struct stat st;
    struct filemap map;
    *out = false;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) return GLASS_OK;
    TRY(filemap_open(&map, path));
    *out = map.size >= 4 && memcmp(map.data, "GGUF", 4) == 0;
    filemap_close(&map);
    return GLASS_OK;
}

glass_status glass_tokenizer_open(glass_tokenizer **out, const char *path) {
    struct tok_source source = TOK_SOURCE_NONE;
    bool gguf;
    *out = NULL;
    TRY(is_gguf(&gguf, path));
    if (gguf) return open_gguf(out, path);
    source.only_encodes = true;
    glass_status status = tok_read_path(&source, path);
    if (status == GLASS_OK) tok_find_eos(&source);
    if (status == GLASS_OK) status = tok_build(out, &source);
    tok_source_clear(&source);
    return status;
}
