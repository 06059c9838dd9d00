/* limit_words.c - see limit_words.h. A sentence becomes words; "non-commercial" is two of them. */
#include "open/limit_words.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

enum { WORDS = 256, OVERLAP = 24, WORD_MOST = 40 };

struct word {
    size_t begin, end;
};

/* One sentence, or a piece of one that is too long. */
struct sentence {
    const char *text;
    struct word words[WORDS];
    int n;
};

/* Whether byte i is part of a word: a letter, a digit, or of a character outside ASCII that is none of
 * Unicode's signs and punctuation (U+0080 to U+00BF, U+2000 to U+2FFF). */
static bool in_word(const char *text, size_t i) {
    if ((unsigned char)text[i] < 0x80) return isalnum((unsigned char)text[i]);
    for (int k = 0; k < 3 && i > 0 && ((unsigned char)text[i] & 0xc0) == 0x80; k++) i--;
    return (unsigned char)text[i] > 0xc2 && (unsigned char)text[i] != 0xe2;
}

/* Whether word i is one of a list's, which are parted by blanks; "prohibit*" is the start of one. */
static bool is(const struct sentence *s, int i, const char *list) {
    if (i < 0 || i >= s->n) return false;
    size_t n = s->words[i].end - s->words[i].begin;
    const char *w = s->text + s->words[i].begin;
    for (const char *p = list; *p;) {
        size_t k = strcspn(p, " ");
        bool start = k > 0 && p[k - 1] == '*';
        size_t m = start ? k - 1 : k;
        if ((start ? n >= m : n == m) && strncasecmp(p, w, m) == 0) return true;
        p += k;
        p += strspn(p, " ");
    }
    return false;
}

/* Whether one of [from, to) is. */
static bool any(const struct sentence *s, int from, int to, const char *list) {
    for (int i = from < 0 ? 0 : from; i < to && i < s->n; i++)
        if (is(s, i, list)) return true;
    return false;
}

static const char negations[] =
    "not no never cannot without nor neither none isn aren don doesn "
    "mustn prohibit* forbid* forbidden disallow* exclud* restrict* ban "
    "banned except";
static const char refusals[] =
    "not never cannot prohibit* forbid* forbidden disallow* exclud* "
    "restrict* banned require* unavailable";
static const char onlys[] =
    "only solely exclusively strictly purely merely restricted limited";
static const char private_words[] =
    "research academic academics academia education* scientific "
    "personal private evaluation internal nonprofit study "
    "teaching hobby hobbyist";
static const char uses[] =
    "use uses usage used using purpose purposes application applications";

/* "non-commercial", "not be used commercially", "commercial use is prohibited". */
static bool no_commerce(const struct sentence *s, int i) {
    if (is(s, i, "noncommercial* nichtkommerziell*")) return true;
    if (is(s, i, "nc") && is(s, i - 1, "by cc")) return true; /* "CC BY-NC" */
    if (is(s, i, "profit")) {
        if (is(s, i - 1, "non")) return any(s, i, i + 4, uses) || any(s, 0, i, onlys);
        return is(s, i - 1, "for") && any(s, i - 7, i - 1, negations);
    }
    if (!is(s, i,
            "commercial* commerical* commerce comercial* kommerziell* revenue monetiz* "
            "monetis*"))
        return false;
    if (is(s, i - 1, "non no não nicht not")) return true;
    if (any(s, i - 8, i, negations) || any(s, i + 1, i + 6, refusals)) return true;
    bool ask = any(s, 0, s->n,
                   "contact request* obtain* separate separately inquir* email write "
                   "purchase buy apply");
    return ask && any(s, i + 1, i + 3, "licen* use* permission* terms agreement*");
}

/* "for research purposes only", "restricted to academic use", "research only". */
static bool only_private(const struct sentence *s, int i) {
    if (!is(s, i, private_words)) return false;
    int end = i + 1;
    while (is(s, end, private_words) ||
           (is(s, end, "and or") && is(s, end + 1, private_words)))
        end++;
    if (is(s, end, "only exclusively")) return true;
    if (any(s, i - 3, i, "restricted limited") && any(s, i - 2, i, "to for")) return true;
    if (!is(s, end, uses)) return false;
    return any(s, i - 5, i, onlys) || any(s, end + 1, end + 3, onlys);
}

/* Scripts without blanks, by their bytes. */
static bool says_elsewhere(const char *text, size_t n) {
    static const char *const phrases[] = {
        "非商业", "非商用",       "禁止商",   "不得用于商",  "不可商",
        "不能商", "仅供",         "仅限",     "仅用于",      "只供",
        "非営利", "商用利用不可", "商用禁止", "研究目的に限"};
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++)
        if (memmem(text, n, phrases[i], strlen(phrases[i])) != NULL) return true;
    return false;
}

/* "companies with more than 10 million monthly users", "with revenue below". */
static bool is_size(const struct sentence *s, int i) {
    static const char more[] = "less more fewer under over below above exceed* least than";
    if (is(s, i, "revenue* employees turnover")) return any(s, i - 6, i, more);
    return is(s, i, "users") && is(s, i - 1, "active monthly daily") &&
           any(s, i - 7, i, more);
}

/* "tuned from LLaMA", "based on Llama 2": whose terms go on. */
static bool is_made_from(const struct sentence *s, int i) {
    return is(s, i, "llama llama1 llama2 llama3 codellama alpaca vicuna gemma gemma2") &&
           any(s, i - 6, i, "on from of") &&
           any(s, i - 7, i,
               "tuned tune finetune* built based derived initialized initialised "
               "distilled delta deltas");
}

/* "may not be used", "only be used", "you agree", "without our consent", "requires a licence". */
static bool is_limit(const struct sentence *s, int i) {
    static const char verbs[] =
        "use used using deploy* distribut* redistribut* share shared train "
        "host hosted sell sold modify modified copy copied publish* "
        "download* access sublicens* transfer* generate";
    bool no = (is(s, i, "not") && is(s, i - 1, "may must shall do can please")) ||
              (is(s, i, "t") && is(s, i - 1, "can don won mustn")) || is(s, i, "cannot");
    if (no && any(s, i + 1, i + 7, verbs))
        return !any(s, i + 1, s->n,
                    "compliance"); /* "except in compliance with the License" */
    if (is(s, i, "not") &&
        is(s, i + 1, "permitted allowed authorized authorised licensed available"))
        return true;
    if (is(s, i, "no") && any(s, i + 1, i + 4,
                              "use uses redistribution distribution modifications "
                              "derivatives"))
        return true;
    if (is(s, i, "prohibited forbidden disallowed")) return true;
    if (is(s, i, "only") && is(s, i - 1, "may must shall can") &&
        any(s, i + 1, i + 4, verbs))
        return true;
    if (is(s, i, "must") &&
        any(s, i - 4, i, "you users derivative* licensee* anyone products") &&
        any(s, i + 1, i + 4,
            "include display contain mention credit cite comply follow abide "
            "retain keep ask request share"))
        return true;
    if (is(s, i, "agree") && is(s, i - 1, "you users I must")) return true;
    if (is(s, i, "agreeing") && is(s, i + 1, "to")) return true;
    if (is(s, i, "permission* consent approval authorization license licence") &&
        any(s, i - 6, i, "require* obtain* need* without request* written must prior"))
        return true;
    if (is(s, i, "expire* revoke*") && any(s, 0, s->n, "licen* permission rights"))
        return true;
    if (is(s, i, "terms") && is(s, i + 1, "of") && is(s, i + 2, "use service")) return true;
    if (is_size(s, i) || is_made_from(s, i)) return true;
    return is(s, i, "restriction* terms conditions") &&
           is(s, i - 1, "additional further use usage") &&
           any(s, 0, s->n, "apply applies agree subject following accept under");
}

static enum limit judge(const struct sentence *s) {
    if (s->n == 0) return LIMIT_NONE;
    size_t begin = s->words[0].begin;
    enum limit found = LIMIT_NONE;
    if (says_elsewhere(s->text + begin, s->words[s->n - 1].end - begin))
        return LIMIT_COMMERCE;
    for (int i = 0; i < s->n; i++) {
        if (no_commerce(s, i) || only_private(s, i)) return LIMIT_COMMERCE;
        if (is_limit(s, i)) found = LIMIT_SAID;
    }
    return found;
}

/* ---- sentences ---- */

/* Whether a sentence ends at byte i: behind a full stop, at an empty line, a list's item, a heading, a
 * table's cell. */
static bool ends_here(const char *text, size_t n, size_t i) {
    if (text[i] == '|') return true;
    if (strchr(".!?;", text[i]) != NULL)
        return i + 1 >= n || isspace((unsigned char)text[i + 1]) || text[i + 1] == '*' ||
               text[i + 1] == '<';
    if (text[i] != '\n') return false;
    size_t k = i + 1;
    while (k < n && (text[k] == ' ' || text[k] == '\t' || text[k] == '\r')) k++;
    return k >= n || text[k] == '\n' || strchr("#-*+|>", text[k]) != NULL;
}

/* Reads the sentence that begins at *at. False: there are no more words. */
static bool read_sentence(struct sentence *s, const char *text, size_t n, size_t *at) {
    size_t i = *at;
    s->text = text;
    s->n = 0;
    while (i < n && s->n < WORDS) {
        if (!in_word(text, i)) {
            bool end = s->n > 0 && ends_here(text, n, i);
            i++;
            if (end) break;
            continue;
        }
        size_t begin = i;
        while (i < n && in_word(text, i)) i++;
        s->words[s->n++] = (struct word){begin, i};
    }
    if (s->n == WORDS) i = s->words[WORDS - OVERLAP].begin;
    *at = i;
    return s->n > 0;
}

/* "Can I use it commercially?" */
static bool asks_for_commerce(const struct sentence *s, size_t end) {
    return end > 0 &&
           memchr(s->text + s->words[s->n - 1].end, '?', end - s->words[s->n - 1].end) !=
               NULL &&
           any(s, 0, s->n, "commercial* commerce sell");
}

enum limit limit_next(const char *text, size_t n, size_t *at, size_t *begin, size_t *end) {
    struct sentence s;
    bool asked = false;
    while (read_sentence(&s, text, n, at)) {
        enum limit found = judge(&s);
        if (asked && any(&s, 0, 3, "no not")) found = LIMIT_COMMERCE;
        asked = *at > s.words[s.n - 1].end && asks_for_commerce(&s, *at);
        if (found == LIMIT_NONE) continue;
        *begin = s.words[0].begin;
        *end = s.words[s.n - 1].end;
        return found;
    }
    return LIMIT_NONE;
}

int limit_count(const char *text, size_t n) {
    int count = 0;
    for (size_t i = 0; i < n; i++)
        count += in_word(text, i) && (i + 1 == n || !in_word(text, i + 1));
    return count;
}

bool limit_word(const char *text, size_t n, bool weak) {
    static const char strong_list[] =
        "not no only solely exclusively strictly purely commercial* noncommercial* "
        "nichtkommerziell* profit must shall cannot except unless however restrict* "
        "prohibit* "
        "forbid* forbidden permission consent nonprofit exclud* excluding supersede* "
        "prevail* "
        "additional* notwithstanding";
    static const char weak_list[] =
        "purpose purposes use uses used usage using provided "
        "limitation* require* condition* agree* terms permitted "
        "allowed without academic* educational other";
    struct sentence s;
    if (says_elsewhere(text, n)) return true;
    for (size_t at = 0; read_sentence(&s, text, n, &at);)
        for (int i = 0; i < s.n; i++)
            if (is(&s, i, strong_list) || (weak && is(&s, i, weak_list))) return true;
    return false;
}

/* ---- what a model was made from ---- */

static bool in_name(char c) {
    return isalnum((unsigned char)c) || strchr("-._/", c) != NULL;
}

/* The first name with one slash in it from a byte on, within the sentence. */
static bool find_name(const char *text, size_t from, size_t to, size_t *name,
                      size_t *n_name) {
    for (size_t i = from; i < to;) {
        if (!isalnum((unsigned char)text[i])) {
            i++;
            continue;
        }
        size_t begin = i;
        while (i < to && in_name(text[i])) i++;
        size_t end = i;
        while (end > begin && strchr("./", text[end - 1]) != NULL) end--;
        const char *slash = memchr(text + begin, '/', end - begin);
        const char *hub = memmem(text + begin, end - begin, "huggingface.co/", 15);
        if (hub != NULL) {
            begin = (size_t)(hub - text) + 15;
            slash = memchr(text + begin, '/', end - begin);
        }
        if (slash == NULL || end - begin > 120) continue;
        *name = begin;
        *n_name = end - begin;
        return true;
    }
    return false;
}

bool limit_made_from(const char *text, size_t n, size_t *at, size_t *name, size_t *n_name) {
    struct sentence s;
    while (read_sentence(&s, text, n, at))
        for (int i = 0; i < s.n; i++) {
            bool made =
                is(&s, i, "finetune* quantiz* quantis* distilled derived merge* adapted") ||
                (is(&s, i, "tuned tune tuning") && is(&s, i - 1, "fine instruction"));
            if (!made || !any(&s, i + 1, i + 6, "of from on")) continue;
            /* A name has more bytes than words: up to the blank behind the last word. */
            size_t end = s.words[s.n - 1].end;
            while (end < n && in_name(text[end])) end++;
            if (find_name(text, s.words[i].end, end, name, n_name)) return true;
        }
    return false;
}
