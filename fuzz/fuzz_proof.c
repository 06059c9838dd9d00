/* fuzz_proof.c - libFuzzer target: any text as a proof is refused with a message, or holds, which
 * no mutation of a true one should but where it says the same. */
#include "fuzz_common.h"

#include "glass/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    glass_proof p;
    glass_status status = glass_proof_check(&p, (const char *)data, size);
    MUST(status == GLASS_OK || status == GLASS_BAD_INPUT || status == GLASS_NEGATIVE);
    if (status != GLASS_OK) {
        MUST(glass_error()[0] != '\0');
        return 0;
    }
    MUST(strlen(p.root) == 64 && strlen(p.content) == 64 && p.n_documents >= 0);
    MUST(p.present == (p.record != NULL));
    if (p.record != NULL) fuzz_read(p.record, strlen(p.record));
    glass_free(p.record);
    return 0;
}
