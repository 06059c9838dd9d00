/* complete.c MODEL TEXT - loads a model and completes a text, greedily. */
#include <glass/glass.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(glass_status status) {
    if (status == GLASS_OK) return;
    fprintf(stderr, "complete: %s\n", glass_error());
    exit(glass_status_exit_code(status));
}

int main(int argc, char **argv) {
    glass_model *model;
    glass_session *session;
    glass_sampler *sampler;
    glass_token_stream *stream;
    glass_sampler_options options;
    glass_model_info info;
    int32_t *ids, id;
    int64_t n;
    if (argc != 3) {
        fprintf(stderr, "usage: complete MODEL.gguf TEXT\n");
        return 2;
    }
    must(glass_model_open(&model, argv[1], NULL));
    glass_model_get_info(model, &info);
    const glass_tokenizer *tokenizer = glass_model_tokenizer(model);
    must(glass_session_create(&session, model, NULL));
    glass_sampler_defaults(&options);
    options.temperature = 0;
    must(glass_sampler_create(&sampler, tokenizer, &options));
    must(glass_tokenizer_encode(tokenizer, &ids, &n, argv[2], strlen(argv[2]),
                                GLASS_ADD_SPECIAL));
    must(glass_token_stream_create(&stream, tokenizer, 0));

    float *logits = malloc((size_t)info.n_vocab * sizeof *logits);
    if (logits == NULL) return 4;
    must(glass_session_eval(session, ids, n, logits));
    for (int i = 0; i < 32; i++) {
        const char *text;
        size_t n_bytes;
        must(glass_sampler_next(sampler, &id, logits, info.n_vocab));
        if (glass_tokenizer_is_end(tokenizer, id)) break;
        must(glass_token_stream_push(stream, id, &text, &n_bytes));
        fwrite(text, 1, n_bytes, stdout);
        must(glass_session_eval(session, &id, 1, logits));
    }
    printf("\n");

    free(logits);
    glass_free(ids);
    glass_token_stream_free(stream);
    glass_sampler_free(sampler);
    glass_session_free(session);
    glass_model_close(model);
    return 0;
}
