/* test_grammar.c - grammars against their plain definition: what a text's beginnings are, by
 * trying every way to read it; and masks against trying every token. */
#include "glass/grammar.h"

#include "vocab_maker.h"

#include <math.h>

/* --- random grammars ---------------------------------------------------------------------- */

enum { RULES = 4, NODES = 400, LETTERS = 5 };
static const char *const letters[LETTERS] = {"a", "b", "\xc3\xa9", "\xc3\xaa",
                                             "\xe4\xbd\xa0"};
enum kind { LIT, SET, SEQ, ALT, REP, REF };
struct node {
    enum kind kind;
    int letter, n; /* LIT: n letters from `letter`; SET: bits in `letter` */
    int min, max;  /* REP, -1 = no most */
    int child[4], n_child;
};
struct grammar {
    struct node nodes[NODES];
    int n, rules[RULES];
    uint64_t seed;
};

static int random_below(struct grammar *g, int n) {
    return (int)(random_next(&g->seed) % (uint64_t)n);
}

static int new_node(struct grammar *g, enum kind kind) {
    assert_true(g->n < NODES);
    g->nodes[g->n] = (struct node){.kind = kind};
    return g->n++;
}

static int terminal(struct grammar *g) {
    int id = new_node(g, random_below(g, 2) ? LIT : SET);
    struct node *n = &g->nodes[id];
    n->letter = random_below(g, n->kind == LIT ? LETTERS : (1 << LETTERS) - 2);
    n->letter += n->kind == SET;
    n->n = n->kind == LIT ? 1 + random_below(g, 2) : 0;
    return id;
}

/* least: rules that may stand first; what stands behind a letter may be any of them. */
static int part(struct grammar *g, int depth, int least) {
    int what = depth > 3 ? 0 : random_below(g, 6), id;
    if (what <= 1) return terminal(g);
    if (what == 2) {
        if (least >= RULES) return terminal(g);
        id = new_node(g, REF);
        g->nodes[id].letter = least + random_below(g, RULES - least);
        return id;
    }
    if (what == 3) {
        id = new_node(g, REP);
        int child = part(g, depth + 1, least);
        struct node *n = &g->nodes[id];
        n->child[0] = child;
        n->n_child = 1;
        n->min = random_below(g, 3);
        n->max = random_below(g, 3) == 0 ? -1 : n->min + random_below(g, 3);
        return id;
    }
    id = new_node(g, what == 4 ? SEQ : ALT);
    int n_child = 1 + random_below(g, 3);
    for (int i = 0; i < n_child; i++) {
        int child;
        bool behind = what == 4 && i > 0 && g->nodes[g->nodes[id].child[0]].kind <= SET;
        if (what == 4 && i == 0 && random_below(g, 2))
            child = terminal(g);
        else
            child = part(g, depth + 1, behind ? 0 : least);
        g->nodes[id].child[g->nodes[id].n_child++] = child;
    }
    return id;
}

static void random_grammar(struct grammar *g, uint64_t seed) {
    g->n = 0;
    g->seed = seed;
    for (int r = 0; r < RULES; r++) {
        int id = new_node(g, ALT), first = terminal(g); /* so that it has a text */
        g->nodes[id].child[0] = first;
        g->nodes[id].child[1] = part(g, 0, r + 1);
        g->nodes[id].child[2] = part(g, 0, r + 1);
        g->nodes[id].n_child = 3;
        g->rules[r] = id;
    }
}

static void write_node(const struct grammar *g, int id, struct buf *out) {
    const struct node *n = &g->nodes[id];
    switch (n->kind) {
    case LIT:
        ok(buf_byte(out, '"'));
        for (int i = 0; i < n->n; i++)
            ok(buf_text(out, letters[(n->letter + i) % LETTERS]));
        ok(buf_byte(out, '"'));
        break;
    case SET:
        /* Written as it is or by what it leaves out, which then is all else. */
        ok(buf_byte(out, '['));
        for (int i = 0; i < LETTERS; i++)
            if (n->letter >> i & 1) ok(buf_text(out, letters[i]));
        ok(buf_byte(out, ']'));
        break;
    case REF:
        ok(n->letter == 0 ? buf_text(out, "root") : buf_printf(out, "r%d", n->letter));
        break;
    case SEQ:
    case ALT:
        ok(buf_byte(out, '('));
        for (int i = 0; i < n->n_child; i++) {
            if (i > 0) ok(buf_text(out, n->kind == ALT ? " | " : " "));
            write_node(g, n->child[i], out);
        }
        ok(buf_byte(out, ')'));
        break;
    case REP:
        ok(buf_byte(out, '('));
        write_node(g, n->child[0], out);
        if (n->max < 0)
            ok(n->min == 0   ? buf_text(out, ")*")
               : n->min == 1 ? buf_text(out, ")+")
                             : buf_printf(out, "){%d,}", n->min));
        else
            ok(buf_printf(out, "){%d,%d}", n->min, n->max));
        break;
    }
}

static void write_grammar(const struct grammar *g, struct buf *out) {
    for (int r = 0; r < RULES; r++) {
        ok(r == 0 ? buf_text(out, "root ::= ") : buf_printf(out, "r%d ::= ", r));
        write_node(g, g->rules[r], out);
        ok(buf_byte(out, '\n'));
    }
}

/* --- the definition ----------------------------------------------------------------------- */

enum { TEXT = 24 };
struct reading {
    const struct grammar *g;
    const char *text;
    int n, steps;
    bool more; /* the text's end was met where a letter could come */
};

/* The set of places, as bits, to which a letter leads from `at`. */
static uint32_t read_letter(struct reading *r, int letter, int at) {
    int n = (int)strlen(letters[letter]), left = r->n - at;
    if (memcmp(r->text + at, letters[letter], (size_t)(left < n ? left : n)) != 0) return 0;
    if (left < n) r->more = true;
    return left < n ? 0 : (uint32_t)1 << (at + n);
}

static uint32_t read_node(struct reading *r, int id, int at);

static uint32_t read_all(struct reading *r, int id, uint32_t from) {
    uint32_t to = 0;
    for (int at = 0; at <= r->n; at++)
        if (from >> at & 1) to |= read_node(r, id, at);
    return to;
}

static uint32_t read_times(struct reading *r, const struct node *n, int at) {
    uint32_t now = (uint32_t)1 << at, all = n->min == 0 ? now : 0;
    for (int i = 1; now != 0 && (n->max < 0 ? i <= TEXT + n->min : i <= n->max); i++) {
        now = read_all(r, n->child[0], now);
        if (i >= n->min) all |= now;
    }
    return all;
}

static uint32_t read_node(struct reading *r, int id, int at) {
    const struct node *n = &r->g->nodes[id];
    uint32_t set = 0;
    r->steps++;
    switch (n->kind) {
    case LIT:
        set = (uint32_t)1 << at;
        for (int i = 0; i < n->n; i++) {
            uint32_t next = 0;
            for (int k = 0; k <= r->n; k++)
                if (set >> k & 1) next |= read_letter(r, (n->letter + i) % LETTERS, k);
            set = next;
        }
        return set;
    case SET:
        for (int i = 0; i < LETTERS; i++)
            if (n->letter >> i & 1) set |= read_letter(r, i, at);
        return set;
    case SEQ:
        set = (uint32_t)1 << at;
        for (int i = 0; i < n->n_child && set; i++) set = read_all(r, n->child[i], set);
        return set;
    case ALT:
        for (int i = 0; i < n->n_child; i++) set |= read_node(r, n->child[i], at);
        return set;
    case REP: return read_times(r, n, at);
    case REF: return read_node(r, r->g->rules[n->letter], at);
    }
    return set;
}

/* --- a vocabulary ------------------------------------------------------------------------- */

/* Bytes, pieces of letters and of JSON cut anywhere, and what ends an answer. */
static void make_vocab(glass_tokenizer **t, bool spm, uint64_t seed) {
    static const char *const parts[] = {
        "a", "b",    "\xc3\xa9", "\xc3\xaa", "\xe4\xbd\xa0", "\"",   "\\",
        "{", "}",    ",",        ": ",       "\n  ",         "true", "12",
        " ", "\xc3", "\xe4\xbd", "\xbd\xa0", "name",         "\\u00"};
    struct maker m;
    if (spm)
        maker_spm(&m);
    else
        maker_bpe(&m, "gpt-2");
    for (int k = 0; k < 300; k++) {
        struct buf piece = {0};
        int n = 1 + (int)(random_next(&seed) % 5);
        for (int i = 0; i < n; i++) {
            const char *part =
                parts[random_next(&seed) % (k % 2 ? 5 : sizeof parts / sizeof *parts)];
            for (size_t b = 0; part[b] != '\0'; b++) {
                char text[4];
                if (spm && (uint8_t)part[b] >= 0x80) break; /* pieces are UTF-8 there */
                if (spm && part[b] == ' ')
                    ok(buf_text(&piece, "\xe2\x96\x81"));
                else if (spm)
                    ok(buf_byte(&piece, part[b]));
                else
                    ok(buf_append(&piece, text,
                                  utf8_encode(text, tok_char_of((uint8_t)part[b]))));
            }
        }
        if (piece.len > 0 && maker_find(&m, piece.data, piece.len) < 0)
            maker_add(&m, piece.data, piece.len, k % 50 == 7 ? TOK_USER : TOK_NORMAL);
        buf_free(&piece);
    }
    if (!spm) m.eos = maker_add_text(&m, "<|end|>", TOK_CONTROL);
    maker_add_text(&m, "<|other|>", TOK_CONTROL);
    ok(maker_open(&m, t));
    maker_free(&m);
}

static glass_grammar *from_gbnf(const glass_tokenizer *t, const char *text) {
    glass_grammar *g;
    ok(glass_grammar_from_gbnf(&g, t, text, strlen(text), NULL));
    return g;
}

/* Every token's bit against trying the token, and that against its bytes. */
static void check_mask(const glass_tokenizer *t, glass_grammar_state *s,
                       glass_grammar_state *copy, bool over) {
    const uint64_t *bits;
    ok(glass_grammar_state_mask(s, &bits));
    for (int32_t id = 0; id < glass_tokenizer_n_vocab(t); id++) {
        bool bit = bits[id / 64] >> (id % 64) & 1;
        ok(glass_grammar_state_copy(copy, s));
        glass_status status = glass_grammar_state_accept(copy, id);
        assert_true(status == GLASS_OK || status == GLASS_NEGATIVE);
        if (bit != (status == GLASS_OK)) {
            size_t n;
            const char *piece = glass_tokenizer_piece(t, id, &n);
            print_error("token %d (%.*s): bit %d\n", (int)id, (int)n, piece, bit);
        }
        assert_int_equal(bit, status == GLASS_OK);
        if (glass_tokenizer_is_end(t, id)) {
            assert_int_equal(bit, glass_grammar_state_may_end(s) && !over);
        } else if (glass_tokenizer_is_control(t, id)) {
            assert_false(bit);
        }
    }
}

/* Once the first token is over, a token is its bytes. */
static void check_bytes(const glass_tokenizer *t, glass_grammar_state *s,
                        glass_grammar_state *copy) {
    const uint64_t *bits;
    ok(glass_grammar_state_mask(s, &bits));
    for (int32_t id = 0; id < glass_tokenizer_n_vocab(t); id++) {
        char *text;
        size_t n;
        if (glass_tokenizer_is_control(t, id)) continue;
        ok(glass_tokenizer_decode(t, &text, &n, &id, 1, GLASS_CONTINUE));
        ok(glass_grammar_state_copy(copy, s));
        bool fits = n > 0 && glass_grammar_state_accept_bytes(copy, text, n) == GLASS_OK;
        assert_int_equal(bits[id / 64] >> (id % 64) & 1, fits);
        glass_free(text);
    }
}

/* --- tests -------------------------------------------------------------------------------- */

/* A text that is mostly a beginning of some text of the grammar. */
static int random_beginning(struct grammar *g, char *text) {
    int n = 0;
    while (n < TEXT - 4) {
        int letter = random_below(g, LETTERS);
        for (int try = 0; try < LETTERS; try++, letter = (letter + 1) % LETTERS) {
            int len = (int)strlen(letters[letter]);
            memcpy(text + n, letters[letter], (size_t)len);
            struct reading r = {.g = g, .text = text, .n = n + len};
            uint32_t ends = read_node(&r, g->rules[0], 0);
            if (r.steps > 200000) return n;
            if (r.more || ends >> r.n & 1 || random_below(g, 12) == 0) break;
        }
        n += (int)strlen(letters[letter]);
        if (random_below(g, 10) == 0) return n;
    }
    return n;
}

static void check_text(const struct grammar *g, glass_grammar_state *s, const char *text,
                       int n, const char *source) {
    glass_grammar_state_reset(s);
    bool alive = true;
    for (int i = 0; i <= n; i++) {
        struct reading r = {.g = g, .text = text, .n = i};
        uint32_t ends = read_node(&r, g->rules[0], 0);
        bool whole = ends >> i & 1;
        if (i > 0 && alive)
            alive = glass_grammar_state_accept_bytes(s, text + i - 1, 1) == GLASS_OK;
        if (alive != (r.more || whole) ||
            (alive && whole != glass_grammar_state_may_end(s)))
            print_error("%s\n\"%.*s\": %d %d\n", source, i, text, alive, whole);
        assert_int_equal(alive, r.more || whole);
        if (!alive) return;
        assert_int_equal(whole, glass_grammar_state_may_end(s));
        assert_int_equal(!r.more, glass_grammar_state_finished(s));
    }
}

static void texts_are_read_as_defined(void **state) {
    (void)state;
    static struct grammar g;
    glass_tokenizer *t;
    make_vocab(&t, false, 1);
    int n_alive = 0;
    for (uint64_t seed = 1; seed <= 1500; seed++) {
        struct buf source = {0};
        glass_grammar_state *s;
        char text[TEXT + 4];
        random_grammar(&g, seed);
        write_grammar(&g, &source);
        glass_grammar *grammar = from_gbnf(t, source.data);
        ok(glass_grammar_state_create(&s, grammar, 0));
        for (int k = 0; k < 12; k++) {
            int n = random_beginning(&g, text);
            check_text(&g, s, text, n, source.data);
            n_alive += n > 4;
        }
        glass_grammar_state_free(s);
        glass_grammar_free(grammar);
        buf_free(&source);
    }
    assert_true(n_alive > 3000);
    glass_tokenizer_close(t);
}

/* Walks by allowed tokens, and tries all at each step. */
static void walk_tokens(const glass_tokenizer *t, const glass_grammar *g, uint64_t *seed,
                        unsigned flags, int n_steps) {
    glass_grammar_state *s, *copy;
    bool plain = flags == GLASS_CONTINUE; /* the next token's space is real */
    ok(glass_grammar_state_create(&s, g, flags));
    ok(glass_grammar_state_create(&copy, g, flags));
    for (int step = 0; step < n_steps; step++) {
        const uint64_t *bits;
        int32_t ids[2048];
        int n = 0;
        check_mask(t, s, copy, false);
        if (plain) check_bytes(t, s, copy);
        ok(glass_grammar_state_mask(s, &bits));
        for (int32_t id = 0; id < glass_tokenizer_n_vocab(t); id++)
            if (bits[id / 64] >> (id % 64) & 1) ids[n++] = id;
        if (n == 0) break;
        int32_t id = ids[random_next(seed) % (uint64_t)n];
        ok(glass_grammar_state_accept(s, id));
        plain = t->types[id] != TOK_USER;
        if (glass_tokenizer_is_end(t, id)) {
            assert_true(glass_grammar_state_finished(s));
            check_mask(t, s, copy, true);
            break;
        }
        if (step == n_steps / 2) { /* a copy goes on alike */
            ok(glass_grammar_state_copy(copy, s));
            glass_grammar_state_free(s);
            s = copy;
            ok(glass_grammar_state_create(&copy, g, flags));
        }
    }
    glass_grammar_state_free(s);
    glass_grammar_state_free(copy);
}

static void masks_are_exact(void **state) {
    (void)state;
    static struct grammar g;
    uint64_t seed = 5;
    for (int spm = 0; spm < 2; spm++) {
        glass_tokenizer *t;
        make_vocab(&t, spm, 2);
        for (int k = 0; k < 60; k++) {
            struct buf source = {0};
            random_grammar(&g, 10000 + (uint64_t)k);
            write_grammar(&g, &source);
            glass_grammar *grammar = from_gbnf(t, source.data);
            walk_tokens(t, grammar, &seed, k % 2 ? GLASS_CONTINUE : 0, 12);
            glass_grammar_free(grammar);
            buf_free(&source);
        }
        glass_tokenizer_close(t);
    }
}

static const char json_text[] =
    "root ::= object\n"
    "value ::= object | array | string | number | (\"true\" | \"false\" | \"null\") ws\n"
    "object ::= \"{\" ws ( string \":\" ws value (\",\" ws string \":\" ws value)* )? "
    "\"}\" ws\n"
    "array ::= \"[\" ws ( value (\",\" ws value)* )? \"]\" ws\n"
    "string ::= \"\\\"\" ( [^\"\\\\\\x7F\\x00-\\x1F] | \"\\\\\" ([\"\\\\bfnrt] | \"u\" "
    "[0-9a-fA-F]{4}) )* \"\\\"\" ws\n"
    "number ::= (\"-\"? ([0-9] | [1-9] [0-9]{0,15})) (\".\" [0-9]+)? ([eE] [-+]? [0-9] "
    "[1-9]{0,15})? ws\n"
    "ws ::= | \" \" | \"\\n\" [ \\t]{0,20}\n";

static void json_masks_are_exact(void **state) {
    (void)state;
    uint64_t seed = 9;
    for (int spm = 0; spm < 2; spm++) {
        glass_tokenizer *t;
        glass_grammar *g, *object;
        make_vocab(&t, spm, 3);
        g = from_gbnf(t, json_text);
        ok(glass_grammar_from_json_object(&object, t, NULL));
        for (int k = 0; k < 6; k++) {
            walk_tokens(t, g, &seed, 0, 30);
            walk_tokens(t, object, &seed, 0, 30);
        }
        glass_grammar_free(g);
        glass_grammar_free(object);
        glass_tokenizer_close(t);
    }
}

/* What a grammar may not be, and where the message says that it is wrong. */
static void bad_grammars_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "no rule root"},
        {"roof ::= \"a\"", "no rule root"},
        {"root ::= a", "line 1, column 10: there is no rule a"},
        {"root ::= \"a", "line 1, column 10"},
        {"root ::= [a", "line 1, column 10"},
        {"root ::= (\"a\"", "line 1, column 10"},
        {"root ::= \"a\")", "line 1, column 13"},
        {"root ::= \"a\" |\nroot ::= \"b\"", "line 2, column 6"},
        {"root = \"a\"", "line 1, column 6"},
        {"root ::= *", "line 1, column 10"},
        {"root ::= \"a\"{x}", "a number should be here"},
        {"root ::= \"a\"{3,2}", "fewer at most"},
        {"root ::= \"a\"{70000}", "65536"},
        {"root ::= \"\\q\"", "line 1, column 11: an unknown escape"},
        {"root ::= \"\\u12\"", "hexadecimal"},
        {"root ::= \"\\U00110000\"", "U+10FFFF"},
        {"root ::= \"\\", "line 1, column 11"},
        {"root ::= \"\xff\"", "not UTF-8"},
        {"root ::= [z-a]", "backwards"},
        {"root ::= []", "without characters"},
        {"root ::= \"a\"\nroot ::= \"b\"",
         "line 2, column 1: this rule is defined already"},
        {"root ::= x\nx ::= x \"a\" | \"b\"",
         "line 2, column 1: rule x begins with itself"},
        {"root ::= x\nx ::= y* z\ny ::= \"q\"?\nz ::= x | \"w\"", "x > z > x"},
        {"root ::= \"a\" root", "no text at all"},
        {"root ::= [\\uD800-\\uDFFF]", "no text at all"},
        {"root ::= <[12]>", "tokens by name"},
        {"root ::= ((((\"a\"{1000}){1000}){1000}){1000})", "too large"},
    };
    glass_tokenizer *t;
    make_vocab(&t, false, 4);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        glass_grammar *g;
        assert_int_equal(
            glass_grammar_from_gbnf(&g, t, cases[i].text, strlen(cases[i].text), NULL),
            GLASS_BAD_INPUT);
        assert_null(g);
        if (strstr(glass_error(), cases[i].says) == NULL)
            print_error("%s\n%s\n", cases[i].text, glass_error());
        assert_non_null(strstr(glass_error(), cases[i].says));
    }
    glass_tokenizer_close(t);
}

static bool whole(const glass_tokenizer *t, const char *grammar, const char *text) {
    glass_grammar *g = from_gbnf(t, grammar);
    glass_grammar_state *s;
    ok(glass_grammar_state_create(&s, g, 0));
    glass_status status = glass_grammar_state_accept_bytes(s, text, strlen(text));
    bool yes = status == GLASS_OK && glass_grammar_state_may_end(s);
    glass_grammar_state_free(s);
    glass_grammar_free(g);
    return yes;
}

static void wrong(const char *grammar, const char *text) {
    print_error("%s: \"%s\" is judged wrongly\n", grammar, text);
    assert_true(false);
}

static void syntax_means_what_it_says(void **state) {
    (void)state;
    static const struct {
        const char *grammar, *yes[4], *no[4];
    } cases[] = {
        {"root ::= .", {"a", "\n", "\xf0\x9f\x98\x80"}, {"", "ab", "\xf0\x9f\x98"}},
        {"root ::= [^a-c]", {"d", "\xc3\xa9"}, {"a", "b", "\xed\xa0\x80"}},
        {"root ::= [-+*/]", {"-", "+"}, {",", "."}},
        {"root ::= [a-]", {"a", "-"}, {"b"}},
        {"root ::= [\\x41-\\u0043\\U0001F600]", {"B", "\xf0\x9f\x98\x80"}, {"D"}},
        {"root ::= \"ab\"*", {"", "abab"}, {"a", "abb"}},
        {"root ::= \"a\"{2}{3}", {"aaaaaa"}, {"aaaaa", "aaaaaaa"}},
        {"root ::= \"a\"{2,} \"b\"?", {"aa", "aaab"}, {"a", "ab"}},
        {"root ::= \"a\"{0,2}", {"", "aa"}, {"aaa"}},
        {"# c\nroot ::= # d\n  \"a\" # e\n\n\nx ::= \"b\"", {"a"}, {"b"}},
        {"root ::= \"a\" |\n \"b\"", {"a", "b"}, {"ab"}},
        {"root ::= (\"a\"\n \"b\"\n | \"c\"\n)", {"ab", "c"}, {"a"}},
        {"root ::= \"a\" root \"b\" | \"\"", {"", "ab", "aaabbb"}, {"aab", "abb"}},
        {"root ::= [\xe3\x81\x81-\xe3\x82\x9f]+", {"\xe3\x81\x82\xe3\x81\x84"}, {"a"}},
        {"root ::= \"\\\"\\\\\\n\\t\\r\\[\\]\\-\"", {"\"\\\n\t\r[]-"}, {"\""}},
        {"root::=\"a\"\r\n", {"a"}, {""}},
        {"root ::= x x\nx ::= \"a\"? x2\nx2 ::= \"b\" | ",
         {"", "ab", "ba", "abab"},
         {"aba b"}},
    };
    glass_tokenizer *t;
    make_vocab(&t, false, 4);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int k = 0; k < 4 && cases[i].yes[k] != NULL; k++)
            if (!whole(t, cases[i].grammar, cases[i].yes[k]))
                wrong(cases[i].grammar, cases[i].yes[k]);
        for (int k = 0; k < 4 && cases[i].no[k] != NULL; k++)
            if (whole(t, cases[i].grammar, cases[i].no[k]))
                wrong(cases[i].grammar, cases[i].no[k]);
    }
    glass_tokenizer_close(t);
}

static void choices_and_lists(void **state) {
    (void)state;
    static const char *const names[] = {"get_weather", "get_time", "get"};
    glass_tokenizer *t;
    glass_grammar *g;
    glass_grammar_state *s;
    make_vocab(&t, false, 4);
    ok(glass_grammar_from_choices(&g, t, names, 3, NULL));
    ok(glass_grammar_state_create(&s, g, 0));
    ok(glass_grammar_state_accept_bytes(s, "get", 3));
    assert_true(glass_grammar_state_may_end(s));
    assert_false(glass_grammar_state_finished(s));
    assert_int_equal(glass_grammar_state_accept_bytes(s, "_x", 2), GLASS_NEGATIVE);
    ok(glass_grammar_state_accept_bytes(s, "_time", 5)); /* it stayed where it was */
    assert_true(glass_grammar_state_finished(s));
    glass_grammar_state_free(s);
    glass_grammar_free(g);
    /* A rule that only goes on with itself does not grow with the text. */
    g = from_gbnf(t, "root ::= item root | item\nitem ::= [a-b]+ \",\"");
    ok(glass_grammar_state_create(&s, g, 0));
    mem_asked_bytes();
    for (int i = 0; i < 100000; i++) ok(glass_grammar_state_accept_bytes(s, "ab,", 3));
    assert_true(glass_grammar_state_may_end(s));
    assert_true(mem_asked_bytes() < 1 << 20);
    glass_grammar_state_free(s);
    glass_grammar_free(g);
    glass_tokenizer_close(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_read_as_defined),
        cmocka_unit_test(masks_are_exact),
        cmocka_unit_test(json_masks_are_exact),
        cmocka_unit_test(bad_grammars_are_refused),
        cmocka_unit_test(syntax_means_what_it_says),
        cmocka_unit_test(choices_and_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
