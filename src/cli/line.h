/* line.h - a line of a terminal: editing, history, completion, pasting, over libedit.
 *
 * Ctrl-C is a key here: it throws the line away. A pasted text of several lines arrives as
 * one line with newlines in it (bracketed paste). */
#ifndef CLI_LINE_H
#define CLI_LINE_H

#include "base/buf.h"

struct line_editor;

enum line_end {
    LINE_TEXT,
    LINE_CANCELLED,
    LINE_OVER /* Ctrl-D, or the terminal is gone */
};

/* words: what Tab completes at the beginning of a line, ended by NULL; a word that ends
 * with a space is followed by a file name, which Tab completes too. history: a file, or
 * NULL. Standard input and output must be a terminal. One at a time. */
glass_status line_create(struct line_editor **out, const char *const *words,
                         const char *history);
/* Keeps the history and frees. NULL is fine. */
void line_free(struct line_editor *e);
/* Reads one line, without its newline, into out (also one that was thrown away). The prompt
 * must live until the next call; \1 in it surrounds what takes no room (colours). */
glass_status line_read(struct line_editor *e, struct buf *out, const char *prompt,
                       enum line_end *end);
/* Remembers a text for the arrow keys. */
void line_remember(struct line_editor *e, const char *text);

#endif
