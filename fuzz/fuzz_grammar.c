/* fuzz_grammar.c - libFuzzer target: any text as GBNF is refused with a message that names it,
 * or is a grammar whose masks say what its tokens do, and whose whole texts are UTF-8. */
#include "fuzz_grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char name[] = "fuzz.gbnf";
    glass_grammar_options o = {.name = name, .most_memory = FUZZ_GRAMMAR_MEMORY};
    glass_grammar *g;
    if (size < 1 || size > 4096) return 0;
    const glass_tokenizer *t = fuzz_grammar_tokenizer(data[0] & 1);
    glass_status status =
        glass_grammar_from_gbnf(&g, t, (const char *)data + 1, size - 1, &o);
    if (status != GLASS_OK) {
        MUST(g == NULL && status == GLASS_BAD_INPUT);
        MUST(strncmp(glass_error(), name, sizeof name - 1) == 0);
        return 0;
    }
    for (uint64_t k = 0; k < 2; k++) {
        struct buf text = {0};
        if (fuzz_walk(g, t, tok_mix(size + 1000 * k + data[0]), &text))
            MUST(fuzz_is_utf8(text.data, text.len));
        buf_free(&text);
    }
    glass_grammar_free(g);
    return 0;
}
