/* chat.h - the messages and tools of a chat, whatever API they came by, and the prompt that the
 * model's own template makes of them. */
#ifndef SERVE_CHAT_H
#define SERVE_CHAT_H

#include "serve/ask.h"

/* How a model says that it calls a tool; its template tells. */
enum tool_style {
    TOOLS_NONE,   /* there are no tools, or they must not be called */
    TOOLS_HERMES, /* <tool_call>{"name":…,"arguments":…}</tool_call>: Hermes, Qwen */
    TOOLS_LLAMA,  /* {"name":…,"parameters":…}, perhaps after <|python_tag|>: Llama 3 */
    TOOLS_MISTRAL, /* [TOOL_CALLS][{"name":…,"arguments":…},…] */
    TOOLS_FORCED /* it has no way of its own: a grammar makes {"name":…,"arguments":…} or
                      {"response":…} of its answer */
};

enum tool_choice { CHOOSE_AUTO, CHOOSE_NONE, CHOOSE_REQUIRED, CHOOSE_NAMED };

struct chat {
    json_t *messages; /* owned: as templates want them, contents are strings */
    json_t *tools;    /* owned: [{"type":"function","function":{…}},…] or NULL */
    json_t *more;     /* owned: further variables of the template, or NULL */
    enum tool_choice choice;
    const char *tool;     /* CHOOSE_NAMED */
    char *prefill;        /* owned: the answer begins with this, or NULL */
    int32_t *prefill_ids; /* owned: or with exactly these tokens */
    int64_t n_prefill_ids;
    enum tool_style style; /* by chat_encode */
    bool forced;           /* the answer is one call, by a grammar */
    bool one_call;         /* the client wants one at most: others are left out */
};

void chat_clear(struct chat *c);
/* Adds a message; content may hold any text. */
glass_status chat_add(struct chat *c, const char *role, const char *content, size_t n);
/* A message of the assistant's that calls a tool; arguments is JSON text, or not. */
glass_status chat_add_call(struct chat *c, const char *id, const char *name,
                           const char *arguments);
/* What a tool returned. */
glass_status chat_add_result(struct chat *c, const char *id, const char *name,
                             const char *content, size_t n);
/* A tool; parameters is borrowed and may be NULL. path: for messages. */
glass_status chat_add_tool(struct chat *c, struct exchange *x, const char *path,
                           const char *name, const char *description,
                           const json_t *parameters);
/* A last message of the assistant's becomes the beginning of the answer. */
glass_status chat_take_prefill(struct chat *c);
/* "prefill_ids": tokens with which the answer begins. They stand for the text of the last message
 * of the assistant's, which becomes the beginning of the answer with them. */
glass_status chat_take_prefill_ids(struct chat *c, const struct ask *a,
                                   const struct fields *f);
/* Text of a string or of a list of {"type":"text","text":…} parts (input_text and output_text
 * as well), appended to out. Other parts are refused. */
glass_status chat_text(struct exchange *x, const char *path, const json_t *content,
                       struct buf *out);

/* OpenAI's "messages", "tools", "tool_choice", "chat_template_kwargs". */
glass_status chat_take_openai(struct chat *c, const struct fields *f);
glass_status chat_take_tools(struct chat *c, const struct fields *f);

/* The prompt goes to the ask, and so does a grammar if tools need one. */
glass_status chat_encode(struct chat *c, struct ask *a);
/* The text of the prompt, for /apply-template. */
glass_status chat_render(struct chat *c, struct ask *a, struct buf *out);

#endif
