/* trace_show.h - a traced text on the terminal or as JSON, for trace, chat and complete. */
#ifndef CLI_TRACE_SHOW_H
#define CLI_TRACE_SHOW_H

#include "base/buf.h"
#include "serve/trace_json.h"

/* What people read, on standard output. asked: options of glass verify --without that give the
 * same text, "--answer 'TEXT'", for the command that tells the cause; NULL = none. */
void trace_print(const glass_trace *trace, const glass_trace_result *r, const char *asked);
/* Appends text as one word of a shell's command. */
glass_status trace_quote(struct buf *out, const char *text, size_t n_bytes);
/* Text without what could steer a terminal; line breaks become one sign. */
void trace_print_line(const char *text, size_t n_bytes);

/* Traces an answer and prints it, or appends ,"trace":{…} to json if that is not NULL. */
glass_status trace_answer(const glass_trace *trace, const char *prompt, size_t n_prompt,
                          const char *answer, size_t n_answer, struct buf *json);

#endif
