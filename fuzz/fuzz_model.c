/* fuzz_model.c - libFuzzer target: a hostile model file is refused by glass_model_open, or
 * runs: its tables read, its template renders, its tokenizer encodes, tokens go through it.
 */
#include "fuzz_common.h"

#include "glass/glass.h"

static void look_around(const glass_model *m) {
    glass_model_info info;
    glass_model_get_info(m, &info);
    fuzz_sink += strlen(info.family) + strlen(info.name) + strlen(info.license) +
                 strlen(info.dtype_mix);
    MUST(info.n_layer > 0 && info.n_vocab > 0 && info.n_head > 0 && info.head_dim > 0);
    for (int64_t i = 0; i < glass_model_n_meta(m); i++) {
        const char *key, *json;
        glass_model_meta(m, i, &key, &json);
        fuzz_read(key, strlen(key));
        fuzz_read(json, strlen(json));
    }
    for (int64_t i = 0; i < glass_model_n_tensors(m); i++) {
        glass_tensor_info t;
        glass_model_tensor(m, i, &t);
        fuzz_read(t.name, strlen(t.name));
    }
    fuzz_sink += glass_model_session_bytes(m, 16, GLASS_F32);
}

static void talk(const glass_model *m) {
    static const char json[] = "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";
    const glass_template *tmpl;
    const glass_tokenizer *t = glass_model_tokenizer(m);
    glass_rendered r;
    int32_t *ids;
    int64_t n;
    if (t == NULL) return;
    if (glass_tokenizer_encode(t, &ids, &n, "The cat\n", 8, GLASS_ADD_SPECIAL) == GLASS_OK)
        glass_free(ids);
    if (glass_model_template(m, &tmpl) != GLASS_OK) return;
    if (glass_template_render(tmpl, &r, json, sizeof json - 1, -1) == GLASS_OK)
        glass_rendered_clear(&r);
}

static void run_tokens(const glass_model *m) {
    glass_model_info info;
    glass_model_get_info(m, &info);
    /* A file may be small and still ask for wide rows of nothing but its one tensor. */
    if (info.n_vocab > 1 << 16) return;
    static float logits[1 << 16];
    glass_session_options o = {
        .n_ctx = info.n_ctx < 8 ? info.n_ctx : 8, .n_batch = 2, .n_threads = 1};
    const int32_t ids[3] = {0, (int32_t)info.n_vocab - 1, (int32_t)info.n_vocab / 2};
    glass_session *s;
    if (glass_session_create(&s, m, &o) != GLASS_OK) return;
    MUST(glass_session_eval(s, ids, o.n_ctx < 3 ? o.n_ctx : 3, logits) == GLASS_OK);
    fuzz_read(logits, (size_t)info.n_vocab * sizeof *logits);
    glass_session_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[32];
    int fd = fuzz_file(path, data, size);
    glass_model *m;
    glass_status status = glass_model_open(&m, path, NULL);
    close(fd);
    MUST((status == GLASS_OK) == (m != NULL));
    if (m == NULL) {
        MUST(status == GLASS_BAD_INPUT && glass_error()[0] != '\0');
        return 0;
    }
    look_around(m);
    talk(m);
    run_tokens(m);
    glass_model_close(m);
    return 0;
}
