/* openapi.c - see openapi.h. The assembler reads the file. */
#include "serve/openapi.h"

__asm__(".section .rodata\n"
        "openapi_json:\n.incbin \"src/serve/openapi.json\"\n"
        "openapi_json_end:\n.byte 0\n.previous\n");
extern const char openapi_json[], openapi_json_end[];

const char *openapi_text(size_t *n_bytes) {
    *n_bytes = (size_t)(openapi_json_end - openapi_json);
    return openapi_json;
}
