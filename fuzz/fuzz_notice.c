/* fuzz_notice.c - libFuzzer target: any text is searched for a notice, an author, a licence's name:
 * places lie inside it, expressions have no line breaks, a policy answers to each. */
#include "fuzz_common.h"

#include "data/licence.h"
#include "data/notice.h"

static void ask(const struct buf *b) {
    struct licence_policy p;
    char reason[128];
    const char *text = b->len > 0 ? b->data : "";
    MUST(b->len == 0 || strlen(text) == b->len);
    MUST(strchr(text, '\n') == NULL);
    MUST(policy_open(&p, "dfsg") == GLASS_OK);
    fuzz_sink += policy_allows(&p, text, false, NULL, reason);
    fuzz_read(reason, strlen(reason));
    policy_clear(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    struct buf out = {0};
    size_t at, n;
    for (int scope = NOTICE_FILE; scope <= NOTICE_HISTORY; scope++) {
        struct notice found = {0};
        MUST(notice_find(&found, text, size, (enum notice_scope)scope) == GLASS_OK);
        if (found.kind != NOTICE_NONE) {
            MUST(found.offset <= size && found.n_bytes <= size - found.offset);
            MUST(found.expression.len > 0);
        }
        ask(&found.expression);
        notice_clear(&found);
    }
    if (notice_author(text, size, &at, &n)) {
        MUST(at <= size && n <= size - at);
        fuzz_read(text + at, n);
    }
    MUST(notice_expression(&out, text, size) == GLASS_OK);
    ask(&out);
    buf_clear(&out);
    MUST(licence_normal(&out, text, size < 4096 ? size : 4096) == GLASS_OK);
    ask(&out);
    buf_free(&out);
    return 0;
}
