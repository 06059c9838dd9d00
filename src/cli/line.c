/* line.c - line editing with libedit's own interface. */
#include "cli/line.h"

#include <dirent.h>
#include <histedit.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { HISTORY_LINES = 1000, PASTE_LIMIT = 1 << 20 };

struct line_editor {
    EditLine *el;
    History *history;
    char *path; /* of the history, or NULL */
    const char *const *words;
    const char *prompt;
    bool cancelled;
};

static char *prompt_of(EditLine *el) {
    struct line_editor *e = NULL;
    el_get(el, EL_CLIENTDATA, &e);
    return (char *)e->prompt; /* libedit does not write to it */
}

/* Ctrl-C: the line ends, and counts as thrown away. */
static unsigned char on_cancel(EditLine *el, int key) {
    struct line_editor *e = NULL;
    (void)key;
    el_get(el, EL_CLIENTDATA, &e);
    e->cancelled = true;
    return CC_NEWLINE;
}

/* Ctrl-Z: libedit's own handler leaves the terminal as it was, and comes back to it. */
static unsigned char on_suspend(EditLine *el, int key) {
    (void)el, (void)key;
    raise(SIGTSTP);
    return CC_REFRESH;
}

/* What follows ESC [ 200 ~ is pasted text up to ESC [ 201 ~; its newlines do not end the
 * line. */
static unsigned char on_paste(EditLine *el, int key) {
    static const char end[] = "\x1b[201~";
    struct buf text = {0};
    char c;
    (void)key;
    while (text.len < PASTE_LIMIT && el_getc(el, &c) == 1) {
        if (buf_byte(&text, c == '\r' ? '\n' : c) != GLASS_OK) break;
        if (text.len >= 6 && memcmp(text.data + text.len - 6, end, 6) == 0) {
            text.len -= 6;
            break;
        }
    }
    /* One newline at the end came with the text's last line, and is not meant. */
    if (text.len > 0 && text.data[text.len - 1] == '\n') text.len--;
    if (text.data != NULL) text.data[text.len] = '\0';
    int failed = text.len > 0 ? el_insertstr(el, text.data) : 0;
    buf_free(&text);
    return failed ? CC_ERROR : CC_REFRESH;
}

/* The longest common continuation of what fits, and how many fit. */
struct completion {
    struct buf rest;
    int n;
    bool any;
};

static glass_status fits(struct completion *c, const char *typed, size_t n,
                         const char *word) {
    if (strncmp(word, typed, n) != 0) return GLASS_OK;
    const char *rest = word + n;
    c->n++;
    if (c->n == 1) return buf_text(&c->rest, rest);
    size_t same = 0;
    while (same < c->rest.len && c->rest.data[same] == rest[same]) same++;
    c->rest.len = same;
    if (c->rest.data != NULL) c->rest.data[same] = '\0';
    return GLASS_OK;
}

static glass_status complete_file(struct completion *c, const char *typed) {
    const char *slash = strrchr(typed, '/'), *name = slash ? slash + 1 : typed;
    struct buf folder = {0}, word = {0};
    glass_status status = slash ? buf_append(&folder, typed, (size_t)(slash - typed) + 1)
                                : buf_text(&folder, "./");
    DIR *dir = status == GLASS_OK ? opendir(folder.data) : NULL;
    struct dirent *d;
    while (dir != NULL && status == GLASS_OK && (d = readdir(dir)) != NULL) {
        if (d->d_name[0] == '.' && name[0] != '.') continue;
        buf_clear(&word);
        status = buf_printf(&word, "%s%s", d->d_name, d->d_type == DT_DIR ? "/" : "");
        if (status == GLASS_OK) status = fits(c, name, strlen(name), word.data);
    }
    if (dir != NULL) closedir(dir);
    buf_free(&folder);
    buf_free(&word);
    return status;
}

static unsigned char on_tab(EditLine *el, int key) {
    struct line_editor *e = NULL;
    struct completion c = {0};
    (void)key;
    el_get(el, EL_CLIENTDATA, &e);
    const LineInfo *info = el_line(el);
    size_t n = (size_t)(info->cursor - info->buffer);
    char *typed = NULL;
    if (info->cursor != info->lastchar ||
        mem_copy_text(&typed, info->buffer, n) != GLASS_OK)
        return CC_ERROR;
    bool file = false;
    glass_status status = GLASS_OK;
    for (const char *const *w = e->words; status == GLASS_OK && *w; w++) {
        size_t n_word = strlen(*w);
        if ((*w)[n_word - 1] == ' ' && strncmp(typed, *w, n_word) == 0) {
            file = true;
            status = complete_file(&c, typed + n_word);
        }
    }
    for (const char *const *w = e->words; !file && n > 0 && status == GLASS_OK && *w; w++)
        status = fits(&c, typed, n, *w);
    int inserted = c.rest.len > 0 ? el_insertstr(el, c.rest.data) : -1;
    buf_free(&c.rest);
    mem_free(typed);
    return inserted == 0 ? CC_REFRESH : CC_ERROR;
}

/* Letters beyond ASCII need a UTF-8 locale; a machine without one has C.UTF-8. */
static void choose_locale(void) {
    setlocale(LC_CTYPE, "");
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0) setlocale(LC_CTYPE, "C.UTF-8");
}

static void set_up_keys(EditLine *el) {
    el_set(el, EL_EDITOR, "emacs");
    el_set(el, EL_SIGNAL, 1); /* resizing, Ctrl-Z */
    el_set(el, EL_ADDFN, "glass-cancel", "Throw the line away", on_cancel);
    el_set(el, EL_ADDFN, "glass-paste", "Insert pasted text", on_paste);
    el_set(el, EL_ADDFN, "glass-tab", "Complete a command or file", on_tab);
    el_set(el, EL_ADDFN, "glass-suspend", "Stop the program for a while", on_suspend);
    el_set(el, EL_SETTY, "-d", "-isig", NULL); /* Ctrl-C is a key while a line is edited */
    el_set(el, EL_BIND, "^Z", "glass-suspend", NULL);
    el_set(el, EL_BIND, "^C", "glass-cancel", NULL);
    el_set(el, EL_BIND, "\\e[200~", "glass-paste", NULL);
    el_set(el, EL_BIND, "^I", "glass-tab", NULL);
    el_set(el, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_set(el, EL_BIND, "\\e[1;5D", "ed-prev-word", NULL);
    el_set(el, EL_BIND, "\\e[1;5C", "em-next-word", NULL);
    el_set(el, EL_BIND, "\\e[3~", "ed-delete-next-char", NULL);
    el_set(el, EL_BIND, "\\e[H", "ed-move-to-beg", NULL);
    el_set(el, EL_BIND, "\\e[F", "ed-move-to-end", NULL);
}

glass_status line_create(struct line_editor **out, const char *const *words,
                         const char *path) {
    struct line_editor *e;
    HistEvent event;
    *out = NULL;
    TRY(mem_alloc_zero(&e, 1, sizeof *e));
    choose_locale();
    e->words = words;
    e->prompt = "";
    glass_status status = path ? mem_copy_text(&e->path, path, strlen(path)) : GLASS_OK;
    if (status == GLASS_OK) {
        e->el = el_init("glass", stdin, stdout, stderr);
        e->history = history_init();
        if (e->el == NULL || e->history == NULL) status = fail_memory(sizeof *e);
    }
    if (status != GLASS_OK) {
        line_free(e);
        return status;
    }
    history(e->history, &event, H_SETSIZE, HISTORY_LINES);
    history(e->history, &event, H_SETUNIQUE, 1);
    if (e->path != NULL) history(e->history, &event, H_LOAD, e->path);
    el_set(e->el, EL_CLIENTDATA, e);
    el_set(e->el, EL_PROMPT_ESC, prompt_of, '\1');
    el_set(e->el, EL_HIST, history, e->history);
    set_up_keys(e->el);
    *out = e;
    return GLASS_OK;
}

void line_free(struct line_editor *e) {
    HistEvent event;
    if (e == NULL) return;
    if (e->history != NULL && e->path != NULL && e->el != NULL)
        history(e->history, &event, H_SAVE, e->path);
    if (e->el != NULL) el_end(e->el);
    if (e->history != NULL) history_end(e->history);
    mem_free(e->path);
    mem_free(e);
}

glass_status line_read(struct line_editor *e, struct buf *out, const char *prompt,
                       enum line_end *end) {
    int n = 0;
    buf_clear(out);
    e->prompt = prompt;
    e->cancelled = false;
    el_set(e->el, EL_PREP_TERM, 1); /* before the prompt invites to press Ctrl-D */
    fputs("\x1b[?2004h", stdout);   /* pasted text comes in brackets */
    fflush(stdout);
    const char *line = el_gets(e->el, &n);
    fputs("\x1b[?2004l", stdout);
    fflush(stdout);
    *end = e->cancelled ? LINE_CANCELLED : line == NULL || n <= 0 ? LINE_OVER : LINE_TEXT;
    if (e->cancelled) fputs("^C\n", stdout);
    if (line == NULL || n <= 0) return GLASS_OK;
    if (line[n - 1] == '\n') n--;
    return buf_append(out, line, (size_t)n);
}

void line_remember(struct line_editor *e, const char *text) {
    HistEvent event;
    if (text[0] != '\0') history(e->history, &event, H_ENTER, text);
}
