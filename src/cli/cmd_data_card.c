/* cmd_data_card.c - glass data card: a corpus's datasheet. */
#include "base/path.h"
#include "cli/cmd_data.h"

#include <stdio.h>

struct showing {
    glass_card_options o;
    const char *out;
    bool json;
};

static bool has_end(const char *text, const char *end) {
    size_t n = strlen(text), k = strlen(end);
    return n > k && strcmp(text + n - k, end) == 0;
}

/* FILE.md has its pictures beside it: FILE-sources.svg and so on. */
static glass_status write_files(const struct showing *s, const glass_card *card) {
    struct buf path = {0};
    glass_status status = path_write_whole(s->out, card->text, card->n_bytes);
    for (int i = 0; i < card->n_charts && status == GLASS_OK && !s->o.html; i++) {
        buf_clear(&path);
        status = buf_printf(&path, "%.*s-%s.svg", (int)strlen(s->out) - 3, s->out,
                            card->charts[i].name);
        if (status == GLASS_OK)
            status = path_write_whole(path.data, card->charts[i].svg,
                                      strlen(card->charts[i].svg));
    }
    buf_free(&path);
    return status;
}

static glass_status show(struct showing *s, const char *path) {
    glass_corpus *corpus;
    glass_card card;
    char name[256] = "card";
    if (s->out != NULL) {
        const char *slash = strrchr(s->out, '/');
        s->o.html = has_end(s->out, ".html");
        if (!s->o.html && !has_end(s->out, ".md"))
            return fail(GLASS_USAGE, "-o %s: wanted NAME.html or NAME.md", s->out);
        snprintf(name, sizeof name, "%s", slash ? slash + 1 : s->out);
        if (!s->o.html) name[strlen(name) - 3] = '\0';
    }
    s->o.name = name;
    TRY(glass_corpus_open(&corpus, path, false));
    glass_status status = glass_corpus_card(&card, corpus, &s->o);
    glass_corpus_close(corpus);
    if (status != GLASS_OK) return status;
    if (s->out != NULL) status = write_files(s, &card);
    if (status == GLASS_OK && s->json)
        printf("%s\n", card.json);
    else if (status == GLASS_OK && s->out == NULL)
        fputs(card.text, stdout);
    glass_card_clear(&card);
    return status;
}

int data_card_main(int argc, char **argv) {
    struct showing s = {0};
    const struct opt options[] = {
        {"out", 'o', OPT_TEXT, &s.out, "FILE",
         "NAME.html, pictures inside, or NAME.md, pictures beside it (Markdown, printed)"},
        {"json", 'j', OPT_FLAG, &s.json, NULL, "print what it is made of as a JSON object"},
        {"What the records do not say", 0, OPT_HEADING, NULL, NULL, NULL},
        {"title", 0, OPT_TEXT, &s.o.title, "TEXT", "of the corpus"},
        {"purpose", 0, OPT_TEXT, &s.o.purpose, "TEXT", "for what it was made"},
        {"contact", 0, OPT_TEXT, &s.o.contact, "TEXT", "who made it, and whom to ask"},
        {"limits", 0, OPT_TEXT, &s.o.limits, "TEXT", "for what it should not be used"},
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass data card CORPUS [options]",
        "Writes a datasheet: sizes by source, licence and language as tables and pictures, "
        "what each\n"
        "licence allows, the evidence, what was left out and why. What nobody declared is "
        "called "
        "so.",
        "  glass data card corpus -o card.html --title \"Free stories\" --purpose \"to "
        "learn "
        "reading\"\n",
        options,
        1,
        1,
        false};
    const char *words[1];
    int n, code = opts_parse(&command, argc, argv, words, &n);
    if (code >= 0) return code;
    glass_status status = show(&s, words[0]);
    return status == GLASS_OK ? 0 : cli_fail(status);
}
