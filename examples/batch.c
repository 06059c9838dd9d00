/* batch.c MODEL TEXT TEXT - two sessions of one model in one pass: each gets the logits that
 * it would get alone, bit for bit. */
#include <glass/glass.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(glass_status status) {
    if (status == GLASS_OK) return;
    fprintf(stderr, "batch: %s\n", glass_error());
    exit(glass_status_exit_code(status));
}

int main(int argc, char **argv) {
    glass_model *model;
    glass_model_info info;
    glass_batch_item items[2] = {{0}};
    float *logits[2], *alone;
    int32_t *ids[2];
    if (argc != 4) {
        fprintf(stderr, "usage: batch MODEL.gguf TEXT TEXT\n");
        return 2;
    }
    must(glass_model_open(&model, argv[1], NULL));
    glass_model_get_info(model, &info);
    size_t n_bytes = (size_t)info.n_vocab * sizeof(float);
    for (int i = 0; i < 2; i++) {
        must(glass_tokenizer_encode(glass_model_tokenizer(model), &ids[i], &items[i].n,
                                    argv[2 + i], strlen(argv[2 + i]), GLASS_ADD_SPECIAL));
        must(glass_session_create(&items[i].session, model, NULL));
        logits[i] = malloc(n_bytes);
        if (logits[i] == NULL) return 4;
        items[i].tokens = ids[i];
        items[i].logits = logits[i];
    }
    must(glass_batch_eval(items, 2));

    alone = malloc(n_bytes);
    if (alone == NULL) return 4;
    for (int i = 0; i < 2; i++) {
        must(glass_session_truncate(items[i].session, 0));
        must(glass_session_eval(items[i].session, ids[i], items[i].n, alone));
        printf("\"%s\": %lld tokens, %s\n", argv[2 + i], (long long)items[i].n,
               memcmp(alone, logits[i], n_bytes) == 0 ? "the same bits alone and together"
                                                      : "DIFFERENT");
        glass_session_free(items[i].session);
        glass_free(ids[i]);
        free(logits[i]);
    }
    free(alone);
    glass_model_close(model);
    return 0;
}
