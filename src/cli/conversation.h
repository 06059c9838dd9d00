/* conversation.h - the messages of a chat: adding, rendering to token ids, saving, loading. */
#ifndef CLI_CONVERSATION_H
#define CLI_CONVERSATION_H

#include "cli/cli.h"

struct message {
    char *role, *content; /* owned */
    size_t n_content;
};

struct conversation {
    struct message *messages;
    int64_t n;
};

glass_status conversation_add(struct conversation *c, const char *role, const char *content,
                              size_t n_bytes);
/* Replaces the system message, or puts one first; "" removes it. */
glass_status conversation_system(struct conversation *c, const char *text);
/* Forgets messages from i on. */
void conversation_cut(struct conversation *c, int64_t i);
/* How many messages at the front are the system's: 0 or 1. */
int64_t conversation_n_system(const struct conversation *c);
/* The ids of the conversation with the opening of an answer, by the model's own template,
 * without the first n_skip messages that are not the system's. What people typed never
 * becomes a control token. *ids is the caller's. */
glass_status conversation_encode(const struct conversation *c, int64_t n_skip,
                                 const glass_model *model, int32_t **ids, int64_t *n_ids);
/* {"messages":[{"role":…,"content":…},…]} */
glass_status conversation_json(const struct conversation *c, struct buf *out);
glass_status conversation_save(const struct conversation *c, const char *path);
/* Replaces the messages; on failure they are unchanged. */
glass_status conversation_load(struct conversation *c, const char *path);
void conversation_clear(struct conversation *c);

#endif
