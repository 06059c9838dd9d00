/* fuzz_session.c - libFuzzer target: a hostile session file is refused and the session
 * stays as it was, or it is taken and the session goes on.
 *
 * Input: a byte that chooses the cache's type, then the file without its checksum. That and
 * the model's fingerprint are put right here: they protect against damage and mistakes, not
 * against people. With the byte's high bit the file is taken as it is. */
#include "fuzz_common.h"

#include "base/hash.h"
#include "glass/glass.h"
#include "model/model.h"

static const glass_dtype types[] = {GLASS_F32, GLASS_F16};
static glass_model *model;
static glass_session *sessions[2];
static int32_t n_vocab;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    MUST(glass_model_open(&model, "tests/model/data/families/llama.gguf", NULL) ==
         GLASS_OK);
    glass_model_info info;
    glass_model_get_info(model, &info);
    n_vocab = (int32_t)info.n_vocab;
    for (int k = 0; k < 2; k++) {
        glass_session_options o = {
            .n_ctx = 16, .n_batch = 4, .n_threads = 1, .cache_type = types[k]};
        MUST(glass_session_create(&sessions[k], model, &o) == GLASS_OK);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    glass_session *s = sessions[data[0] & 1];
    struct buf file = {0};
    uint8_t digest[32];
    char path[32];
    MUST(buf_append(&file, data + 1, size - 1) == GLASS_OK);
    if (!(data[0] & 0x80)) {
        enum { FINGERPRINT_AT = 16 };
        if (file.len >= FINGERPRINT_AT + sizeof model->fingerprint)
            memcpy(file.data + FINGERPRINT_AT, model->fingerprint,
                   sizeof model->fingerprint);
        MUST(sha256_bytes(digest, file.data, file.len) == GLASS_OK);
        MUST(buf_append(&file, digest, sizeof digest) == GLASS_OK);
    }
    int64_t before, after;
    const int32_t *tokens = glass_session_tokens(s, &before);
    int fd = fuzz_file(path, file.data, file.len);
    glass_status status = glass_session_load(s, path);
    close(fd);
    tokens = glass_session_tokens(s, &after);
    if (status != GLASS_OK) {
        MUST(status == GLASS_BAD_INPUT && glass_error()[0] != '\0' && after == before);
    } else {
        float logits[256];
        const int32_t id = 3;
        MUST(after >= 0 && after <= glass_session_n_ctx(s) && n_vocab <= 256);
        for (int64_t i = 0; i < after; i++) MUST(tokens[i] >= 0 && tokens[i] < n_vocab);
        if (after < glass_session_n_ctx(s))
            MUST(glass_session_eval(s, &id, 1, logits) == GLASS_OK);
    }
    buf_free(&file);
    return 0;
}
