/* opts.c - option parsing with errors that say what was probably meant. */
#include "cli/opts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_help(const struct opt_command *c) {
    printf("usage: %s\n\n%s\n", c->usage, c->about);
    for (const struct opt *o = c->options; o->name != NULL; o++) {
        if (o->kind == OPT_HEADING) {
            printf("\n%s:\n", o->name);
            continue;
        }
        char left[64], letter[8] = "    ";
        if (o->letter) snprintf(letter, sizeof letter, "-%c, ", o->letter);
        snprintf(left, sizeof left, "  %s--%s %s", letter, o->name,
                 o->argument ? o->argument : "");
        printf("%-30s %s\n", left, o->help);
    }
    if (c->model) printf("%-30s %s\n", "  -m, --model MODEL", "the same as the word MODEL");
    printf("%-30s %s\n", "  -h, --help", "this text");
    printf("\nexamples:\n%s", c->examples);
}

int opts_distance(const char *a, const char *b) {
    int row[64], n = (int)strlen(b);
    if (n > 62 || strlen(a) > 62) return 99;
    for (int j = 0; j <= n; j++) row[j] = j;
    for (int i = 0; a[i]; i++) {
        int diagonal = row[0];
        row[0] = i + 1;
        for (int j = 1; j <= n; j++) {
            int best = diagonal + (a[i] != b[j - 1]);
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[n];
}

static int unknown(const struct opt_command *c, const char *word) {
    const struct opt *best = NULL;
    int least = 3;
    for (const struct opt *o = c->options; o->name != NULL; o++) {
        int d = o->kind == OPT_HEADING ? 99 : opts_distance(word + 2, o->name);
        if (d < least) {
            least = d;
            best = o;
        }
    }
    fprintf(stderr, "glass: there is no option %s%s%s%s; --help lists them\n", word,
            best ? " (did you mean --" : "", best ? best->name : "", best ? "?)" : "");
    return 2;
}

/* "-ngl" is -n with "gl" here, and an option of its own elsewhere. */
static int bad_letters(const struct opt *o, const char *word) {
    fprintf(
        stderr,
        "glass: there is no option %s (-%c is --%s %s, and \"%s\" is none); --help lists "
        "them\n",
        word, o->letter, o->name, o->argument, word + 2);
    return 2;
}

static int bad_value(const struct opt *o, const char *value) {
    fprintf(stderr, "glass: --%s wants %s, not \"%s\"\n", o->name, o->argument, value);
    return 2;
}

static int store(const struct opt *o, const char *value) {
    char *end;
    errno = 0;
    switch (o->kind) {
    case OPT_INT:
    case OPT_MAYBE:
        *(int64_t *)o->dest = strtoll(value, &end, 10);
        return *value && !*end && errno == 0 ? -1 : bad_value(o, value);
    case OPT_FLOAT:
        *(float *)o->dest = strtof(value, &end);
        return *value && !*end && errno == 0 ? -1 : bad_value(o, value);
    case OPT_TEXT: *(const char **)o->dest = value; return -1;
    case OPT_LIST: {
        struct opt_list *list = o->dest;
        if (list->n == (int)(sizeof list->items / sizeof *list->items)) {
            fprintf(stderr, "glass: --%s is given too often\n", o->name);
            return 2;
        }
        list->items[list->n++] = value;
        return -1;
    }
    default: return -1;
    }
}

/* What the same options are called elsewhere. */
static const char *our_name(const char *name, size_t *n) {
    static const char *const aliases[][2] = {
        {"n-predict", "predict"}, {"max-tokens", "predict"},
        {"ctx-size", "ctx"},      {"n-ctx", "ctx"},
        {"batch-size", "batch"},  {"temperature", "temp"},
        {"n-threads", "threads"}, {"system-prompt", "system"},
        {"typical-p", "typical"}, {"cache-type-k", "cache-type"},
        {"model-draft", "draft"}, {"draft-max", "draft-n"},
        {"chunks", "windows"},    {"ppl-stride", "stride"},
        {"output", "out"},        {"licence", "license"},
        {"license", "licence"},   {"licences", "licenses"}};
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++) {
        if (strlen(aliases[i][0]) != *n || memcmp(aliases[i][0], name, *n) != 0) continue;
        *n = strlen(aliases[i][1]);
        return aliases[i][1];
    }
    return name;
}

static const struct opt *find_long(const struct opt_command *c, const char *name,
                                   size_t n) {
    for (const struct opt *o = c->options; o->name != NULL; o++)
        if (o->kind != OPT_HEADING && strlen(o->name) == n && !memcmp(o->name, name, n))
            return o;
    return NULL;
}

static const struct opt *find(const struct opt_command *c, const char *word, size_t n) {
    if (word[1] == '-') {
        size_t n_name = n - 2;
        const struct opt *o = find_long(c, word + 2, n_name);
        if (o != NULL) return o;
        const char *name = our_name(word + 2, &n_name);
        return find_long(c, name, n_name);
    }
    for (const struct opt *o = c->options; o->name != NULL; o++) {
        if (o->kind != OPT_HEADING && o->letter == word[1] && word[1]) return o;
    }
    return NULL;
}

static bool is_number(const char *word) {
    return *word != '\0' && word[strspn(word, "0123456789")] == '\0';
}

/* One option at argv[*i]: "--name value", "--name=value", "-n value", "-n5". */
static int take(const struct opt_command *c, int argc, char **argv, int *i) {
    const char *word = strcmp(argv[*i], "-np") == 0 ? "--parallel" : argv[*i];
    const char *equals = strchr(word, '=');
    size_t n = word[1] == '-' && equals ? (size_t)(equals - word) : strlen(word);
    const struct opt *o = find(c, word, n);
    if (o == NULL) return unknown(c, word);
    const char *value =
        word[1] == '-' ? (equals ? equals + 1 : NULL) : (word[2] ? word + 2 : NULL);
    if (o->kind == OPT_FLAG) {
        *(bool *)o->dest = true;
        return value == NULL ? -1 : bad_value(o, value);
    }
    if (o->kind == OPT_MAYBE && value == NULL &&
        (*i + 1 >= argc || !is_number(argv[*i + 1]))) {
        *(int64_t *)o->dest = -1;
        return -1;
    }
    if (value == NULL && *i + 1 >= argc) {
        fprintf(stderr, "glass: --%s wants %s after it\n", o->name, o->argument);
        return 2;
    }
    if (value != NULL && word[1] != '-' && (o->kind == OPT_INT || o->kind == OPT_FLOAT) &&
        strchr("+-.0123456789", value[0]) == NULL)
        return bad_letters(o, word);
    return store(o, value ? value : argv[++*i]);
}

/* "-m MODEL", "--model MODEL", "--model=MODEL": the model's name, or NULL if it is no such
 * option. A missing name comes back as "". */
static const char *take_model(int argc, char **argv, int *i) {
    const char *word = argv[*i];
    if (strncmp(word, "--model=", 8) == 0) return word + 8;
    if (strcmp(word, "-m") != 0 && strcmp(word, "--model") != 0) return NULL;
    return *i + 1 < argc ? argv[++*i] : "";
}

int opts_parse(const struct opt_command *c, int argc, char **argv, const char **words,
               int *n_words) {
    bool only_words = false;
    *n_words = 0;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (!only_words && (!strcmp(word, "--help") || !strcmp(word, "-h"))) {
            print_help(c);
            return 0;
        }
        if (!only_words && !strcmp(word, "--")) {
            only_words = true;
            continue;
        }
        const char *model = only_words || !c->model ? NULL : take_model(argc, argv, &i);
        if (model != NULL && *model == '\0') {
            fprintf(stderr, "glass: --model wants MODEL after it\n");
            return 2;
        }
        if (model == NULL && !only_words && word[0] == '-' && word[1]) {
            int code = take(c, argc, argv, &i);
            if (code >= 0) return code;
        } else if (*n_words == c->max_words) {
            fprintf(stderr, "glass: \"%s\" is one word too many\nusage: %s\n",
                    model ? model : word, c->usage);
            return 2;
        } else {
            words[(*n_words)++] = model ? model : word;
        }
    }
    if (*n_words < c->min_words) {
        fprintf(stderr, "glass: a word is missing\nusage: %s\n", c->usage);
        return 2;
    }
    return -1;
}
