/* fuzz_config.c - libFuzzer target: any text as a config.json or params.json over weights that
 * stay the same is refused with a message, or makes a model whose settings and shapes can be
 * bound; the memory is in proportion to text and weights. */
#include "../tests/model/tiny_archive.h"
#include "fuzz_common.h"

#include "model/config.h"
#include "model/weights.h"

enum { MAX_FAMILIES = 64 };

static struct buf weights_of[MAX_FAMILIES], meta_weights;

static void put_meta(struct buf *out) {
    static const char *const matrices[] = {
        "attention.wq",    "attention.wk",    "attention.wv",   "attention.wo",
        "feed_forward.w1", "feed_forward.w2", "feed_forward.w3"};
    struct buf header = {0};
    char name[128];
    size_t at = 0;
    buf_byte(&header, '{');
    tiny_put(&header, &at, "tok_embeddings.weight", TINY_VOCAB, TINY_WIDTH);
    tiny_put(&header, &at, "output.weight", TINY_VOCAB, TINY_WIDTH);
    tiny_put(&header, &at, "norm.weight", TINY_WIDTH, 0);
    for (int i = 0; i < TINY_LAYERS; i++) {
        for (size_t m = 0; m < sizeof matrices / sizeof *matrices; m++) {
            snprintf(name, sizeof name, "layers.%d.%s.weight", i, matrices[m]);
            tiny_put(&header, &at, name, TINY_WIDTH, TINY_WIDTH);
        }
        snprintf(name, sizeof name, "layers.%d.attention_norm.weight", i);
        tiny_put(&header, &at, name, TINY_WIDTH, 0);
        snprintf(name, sizeof name, "layers.%d.ffn_norm.weight", i);
        tiny_put(&header, &at, name, TINY_WIDTH, 0);
    }
    buf_byte(&header, '}');
    while (header.len % 8 != 0) buf_byte(&header, ' ');
    uint64_t n = header.len;
    buf_append(out, &n, sizeof n);
    buf_append(out, header.data, header.len);
    for (size_t i = 0; i < at; i++) buf_byte(out, 0);
    buf_free(&header);
}

static void prepare(void) {
    const struct import_family *f;
    if (meta_weights.len > 0) return;
    put_meta(&meta_weights);
    for (int i = 0; (f = import_family_at(i)) != NULL; i++) {
        MUST(i < MAX_FAMILIES);
        tiny_archive(&weights_of[i], f);
    }
}

/* The weights of the family that the text names first in the table; the first one's if none. */
static const struct buf *pick(const char *text, size_t n) {
    const struct import_family *f;
    char quoted[64];
    for (int i = 0; (f = import_family_at(i)) != NULL; i++) {
        snprintf(quoted, sizeof quoted, "\"%s\"", f->model_type);
        if (memmem(text, n, quoted, strlen(quoted)) != NULL) return &weights_of[i];
    }
    return &weights_of[0];
}

static glass_status meta(struct gguf **g, struct archive *a, const char *text, size_t n) {
    struct gguf_build *build;
    *g = NULL;
    MUST(gguf_build_create(&build, "fuzz") == GLASS_OK);
    glass_status status = import_meta(build, a, text, n, "params.json");
    if (status == GLASS_OK) return gguf_build_finish(g, build);
    gguf_build_free(build);
    return status;
}

static void check(const struct gguf *g) {
    struct config *config;
    struct weights weights = {0};
    MUST(mem_alloc_zero(&config, 1, sizeof *config) == GLASS_OK);
    glass_status status = config_read(config, g);
    if (status == GLASS_OK) status = weights_bind(&weights, config, g);
    MUST(status == GLASS_OK || (status == GLASS_BAD_INPUT && glass_error()[0] != '\0'));
    weights_clear(&weights);
    mem_free(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    struct archive *a;
    struct gguf *g;
    prepare();
    bool is_meta = memmem(text, size, "\"dim\"", 5) != NULL;
    const struct buf *bytes = is_meta ? &meta_weights : pick(text, size);
    MUST(archive_open_memory(&a, bytes->data, bytes->len, "weights") == GLASS_OK);
    mem_asked_bytes();
    glass_status status = is_meta ? meta(&g, a, text, size)
                                  : import_hf_memory(&g, text, size, a, "config.json");
    MUST((status == GLASS_OK) == (g != NULL));
    MUST(status == GLASS_OK || (status == GLASS_BAD_INPUT && glass_error()[0] != '\0'));
    if (status == GLASS_OK) check(g);
    MUST(mem_asked_bytes() <= 64 * size + (4u << 20));
    gguf_close(g);
    return 0;
}
