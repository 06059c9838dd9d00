/* page_files.c - the page's files; see page_files.h. The assembler reads them: web/NAME, and
 * NAME.gz, which the Makefile makes in the build folder. */
#include "serve/page_files.h"

#include <string.h>

#define HTML   "text/html; charset=utf-8"
#define CSS    "text/css; charset=utf-8"
#define SCRIPT "text/javascript; charset=utf-8"

/* One row a file: a name for its symbols, its own, its type. */
#define FILES(row)                                                                         \
    row(answer, "answer.js", SCRIPT) row(api, "api.js", SCRIPT) row(app, "app.js", SCRIPT) \
        row(conversation, "conversation.js", SCRIPT) row(dom, "dom.js", SCRIPT)            \
            row(feedback, "feedback.js", SCRIPT) row(icon, "icon.svg", "image/svg+xml")    \
                row(index, "index.html", HTML) row(inside, "inside.js", SCRIPT)            \
                    row(list, "list.js", SCRIPT) row(markdown, "markdown.js", SCRIPT)      \
                        row(messages, "messages.js", SCRIPT)                               \
                            row(settings, "settings.js", SCRIPT)                           \
                                row(style, "style.css", CSS)                               \
                                    row(first, "first.js", SCRIPT)                         \
                                        row(tokens, "tokens.js", SCRIPT)

#define EMBED(symbol, name, type)                                                          \
    __asm__(".section .rodata\n"                                                           \
            "web_" #symbol ":\n.incbin \"web/" name "\"\n"                                 \
            "web_" #symbol "_packed:\n.incbin \"web/" name ".gz\"\n"                       \
            "web_" #symbol "_end:\n.byte 0\n.previous\n");                                 \
    extern const char web_##symbol[], web_##symbol##_packed[], web_##symbol##_end[];
FILES(EMBED)

#define ROW(symbol, name, type)                                                            \
    {name, type, web_##symbol, web_##symbol##_packed, web_##symbol##_end},
static const struct page_file files[] = {FILES(ROW)};

const struct page_file *page_file(const char *name) {
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (strcmp(files[i].name, name) == 0) return &files[i];
    return NULL;
}
