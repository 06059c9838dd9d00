/* opts.h - command line options from one table per command: parsing, checks, help. */
#ifndef CLI_OPTS_H
#define CLI_OPTS_H

#include "glass/glass.h"

enum opt_kind {
    OPT_FLAG,   /* bool *: present or not */
    OPT_INT,    /* int64_t * */
    OPT_MAYBE,  /* int64_t *: the number may be left out, which gives -1 */
    OPT_FLOAT,  /* float * */
    OPT_TEXT,   /* const char ** */
    OPT_LIST,   /* struct opt_list *: may be given several times */
    OPT_HEADING /* a line in the help only */
};

struct opt_list {
    const char *items[64];
    int n;
};

struct opt {
    const char *name; /* "temp" for --temp; NULL ends the table */
    char letter;      /* 't' for -t, or 0 */
    enum opt_kind kind;
    void *dest;
    const char *argument; /* "FLOAT" in the help */
    const char *help;
};

struct opt_command {
    const char *usage;    /* "glass complete MODEL -p TEXT [options]" */
    const char *about;    /* one or two sentences */
    const char *examples; /* lines */
    const struct opt *options;
    int min_words, max_words; /* words that are not options */
    bool model;               /* the first word is a MODEL: -m gives it as well */
};

/* Parses argv[1…). words receives the plain words. Returns -1 to go on, else the exit code to
 * end with (--help printed, or an error on stderr that names the option and the nearest). */
int opts_parse(const struct opt_command *command, int argc, char **argv, const char **words,
               int *n_words);

/* How many letters must change to make one word of the other (Levenshtein); 99 for words of
 * more than 62 letters. */
int opts_distance(const char *a, const char *b);

#endif
