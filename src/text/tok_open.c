/* tok_open.c - a tokenizer from whatever file holds one, told by its first bytes. */
#include "base/path.h"
#include "text/tokenizer.h"

#include <string.h>

enum { JSON_LIMIT = 256 << 20 };

/* What tokenizer_config.json beside a tokenizer.json says of BOS and EOS. */
static glass_status read_beside(glass_tokenizer *t, const char *path) {
    struct buf name = {0}, json = {0};
    const char *slash = strrchr(path, '/');
    glass_status status =
        buf_append(&name, path, slash == NULL ? 0 : (size_t)(slash - path) + 1);
    if (status == GLASS_OK) status = buf_text(&name, "tokenizer_config.json");
    if (status == GLASS_OK) {
        status = path_read_whole(&json, name.data, JSON_LIMIT);
        if (status == GLASS_OK)
            status = tok_read_config(t, json.data, json.len, name.data);
        else if (status == GLASS_SYSTEM)
            status = GLASS_OK; /* there need not be one */
    }
    buf_free(&name);
    buf_free(&json);
    return status;
}

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

glass_status glass_tokenizer_open(glass_tokenizer **out, const char *path) {
    *out = NULL;
    struct filemap map;
    TRY(filemap_open(&map, path));
    const char *bytes = (const char *)map.data;
    glass_status status;
    size_t start = 0;
    while (start < map.size && start < 64 && strchr(" \t\r\n", bytes[start]) != NULL)
        start++;
    if (map.size >= 4 && memcmp(bytes, "GGUF", 4) == 0) {
        filemap_close(&map);
        return open_gguf(out, path);
    }
    if (start < map.size && bytes[start] == '{' && map.size <= JSON_LIMIT) {
        status = tok_create_json(out, bytes, map.size, path);
        if (status == GLASS_OK) {
            status = read_beside(*out, path);
            if (status != GLASS_OK) {
                glass_tokenizer_close(*out);
                *out = NULL;
            }
        }
    } else if (map.size > 0 && bytes[0] == '\n') { /* field 1, bytes */
        status = tok_create_model(out, bytes, map.size, path);
    } else {
        status = fail(
            GLASS_BAD_INPUT,
            "%s: neither a GGUF file nor a tokenizer.json nor a SentencePiece model", path);
    }
    filemap_close(&map);
    return status;
}
