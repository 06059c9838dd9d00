/* fuzz_clean.c - libFuzzer target: any text through every rule (but the language): what is changed
 * stays UTF-8 if it was, changing it again changes nothing by the encoding's rule, masks leave no
 * address behind, and bands depend on words alone. */
#include "fuzz_common.h"

#include "data/clean.h"

static struct clean_scratch scratch;

static void check_text(const char *rule, const char *text, size_t n) {
    struct clean_rules rules;
    struct clean_result result;
    MUST(clean_parse(&rules, rule) == GLASS_OK);
    MUST(clean_document(&result, &scratch, &rules, NULL, text, n) == GLASS_OK);
    MUST(!result.removed || result.why.rule != NULL);
    MUST(result.n_steps <= CLEAN_STEPS && result.changed == (result.n_steps > 0));
    if (!result.changed || result.removed) return;
    MUST(scratch.a.len <= n + 16 + n);
    if (fuzz_is_utf8(text, n))
        MUST(fuzz_is_utf8(scratch.a.data ? scratch.a.data : "", scratch.a.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const rules[] = {
        "encoding",
        "boilerplate",
        "mask",
        "c4",
        "gopher",
        "repetition",
        "fineweb",
        "near",
        "encoding,boilerplate,mask,c4,gopher,repetition,fineweb,exact,near"};
    const char *text = (const char *)data, *encoding;
    struct buf out = {0};
    uint64_t a[NEAR_BANDS], b[NEAR_BANDS];
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        check_text(rules[i], text, size);
    MUST(clean_decode(&out, &encoding, text, size) == GLASS_OK);
    MUST(encoding != NULL || out.len == 0);
    MUST(fuzz_is_utf8(out.data ? out.data : "", out.len));
    buf_clear(&out);
    for (size_t i = 0; i < size; i++) {
        bool letter = data[i] >= 'a' && data[i] <= 'z';
        MUST(buf_byte(&out, letter ? (char)(data[i] - 32) : (char)data[i]) == GLASS_OK);
    }
    MUST(clean_normal(&scratch, text, size) == GLASS_OK);
    bool some = clean_bands(&scratch, a);
    MUST(clean_normal(&scratch, out.data ? out.data : "", out.len) == GLASS_OK);
    MUST(clean_bands(&scratch, b) == some && (!some || memcmp(a, b, sizeof a) == 0));
    buf_free(&out);
    return 0;
}
