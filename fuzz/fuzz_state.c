/* fuzz_state.c - libFuzzer target: any bytes as a checkpoint's state.json give a state whose
 * numbers are in range, or a message that names the file. */
#include "fuzz_common.h"

#include "train/checkpoint.h"
#include "train/checkpoint_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct checkpoint_state state = {0};
    char path[32];
    int fd = fuzz_file(path, data, size);
    glass_status status = checkpoint_read_state(&state, path);
    if (status == GLASS_OK)
        MUST(state.step >= 1 && state.sample >= 1);
    else
        MUST(status == GLASS_BAD_INPUT && strncmp(glass_error(), path, strlen(path)) == 0);
    close(fd);
    return 0;
}
