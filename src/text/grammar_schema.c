/* grammar_schema.c - being written */
#include "text/grammar_json.h"
glass_status gram_read_schema(struct gram_tree *t, uint32_t *rule, const char *json,
                              size_t n_bytes, bool compact, const char *name) {
    (void)json;
    (void)n_bytes;
    (void)name;
    return gram_read_object(t, rule, compact);
}
