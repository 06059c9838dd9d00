/* fuzz_recipe.c - libFuzzer target: any text as a recipe is refused with file and message, or
 * gives a recipe that comes back the same when it is written and read again. */
#include "fuzz_common.h"

#include "train/recipe.h"

static void written(struct buf *out, struct buf *identity, const struct recipe *r) {
    MUST(recipe_write(out, r) == GLASS_OK);
    MUST(recipe_identity(identity, r) == GLASS_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char path[] = "fuzz/recipe.yaml";
    struct recipe r, again;
    struct buf text = {0}, identity = {0}, text2 = {0}, identity2 = {0};
    mem_asked_bytes();
    glass_status status = recipe_parse(&r, (const char *)data, size, path);
    MUST(mem_asked_bytes() <= 64 * size + (1u << 20));
    if (status != GLASS_OK) {
        MUST(status == GLASS_BAD_INPUT &&
             strncmp(glass_error(), path, sizeof path - 1) == 0);
        return 0;
    }
    written(&text, &identity, &r);
    MUST(recipe_parse(&again, text.data, text.len, path) == GLASS_OK);
    written(&text2, &identity2, &again);
    MUST(text.len == text2.len && memcmp(text.data, text2.data, text.len) == 0);
    MUST(identity.len == identity2.len &&
         memcmp(identity.data, identity2.data, identity.len) == 0);
    buf_free(&text);
    buf_free(&identity);
    buf_free(&text2);
    buf_free(&identity2);
    recipe_clear(&r);
    recipe_clear(&again);
    return 0;
}
