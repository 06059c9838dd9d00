/* tok_pre.c - pre-tokenizers by name, and the regular expressions behind them.
 *
 * The names are the values of tokenizer.ggml.pre that GGUF files carry; the patterns are those
 * of the models' own tokenizer.json files. Names whose pattern would take more than linear
 * time (jais-2: it looks along a run of spaces anew for every 512 of them) or is not a regular
 * expression at all are left out. */
#include "text/tok_pre.h"

#include "base/utf8.h"

#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum { MAX_STAGES = 8 };

/* A stage that PCRE2 would take quadratic time for: white space at the end of a piece. */
#define TRAILING_SPACE "\\s+$"

struct stage {
    pcre2_code *code; /* NULL: the scanner, or trailing space */
    enum tok_scan scan;
    bool drop_gaps;
};

struct tok_pre {
    char *name;
    enum tok_scan scan; /* of a pre-tokenizer that is one scanner */
    int n_stages;
    struct stage stages[MAX_STAGES];
};

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define GPT2                                                                               \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define LLAMA3_WITH(numbers)                                                               \
    CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" numbers                                 \
                 "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"                                         \
                 "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
/* Words split where lower case turns to upper case. */
#define CASED_WITH(suffix, numbers)                                                        \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" suffix "|[^\\r\\n\\p{L}\\p{N}]?" UPPER    \
    "+" LOWER "*" suffix "|" numbers                                                       \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define DEEPSEEK_CJK "[\\x{4e00}-\\x{9fa5}\\x{3040}-\\x{309f}\\x{30a0}-\\x{30ff}]+"
#define DEEPSEEK_WORDS                                                                     \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"                                \
    "|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*"              \
    "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define LINES "[^\\n]+|[\\n]+"

typedef const char *const patterns[];

static patterns gpt2 = {GPT2, NULL};
static patterns digits = {"\\p{N}", GPT2, NULL};
static patterns llama3 = {LLAMA3_WITH("\\p{N}{1,3}"), NULL};
static patterns qwen2 = {LLAMA3_WITH("\\p{N}"), NULL};
static patterns plain_default = {"[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+",
                                 "[0-9][0-9][0-9]", NULL};
static patterns falcon = {"[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]", NULL};
/* The letters of alphabets that have case, as DeepSeek LLM's file lists them. */
static patterns deepseek_llm = {
    "[\\r\\n]",
    "\\s?[A-Za-z\\x{00b5}\\x{00c0}-\\x{00d6}\\x{00d8}-\\x{00f6}\\x{00f8}-\\x{01ba}"
    "\\x{01bc}-\\x{01bf}\\x{01c4}-\\x{0293}\\x{0295}-\\x{02af}\\x{0370}-\\x{0373}"
    "\\x{0376}\\x{0377}\\x{037b}-\\x{037d}\\x{037f}\\x{0386}\\x{0388}-\\x{038a}\\x{038c}"
    "\\x{038e}-\\x{03a1}\\x{03a3}-\\x{03f5}\\x{03f7}-\\x{0481}\\x{048a}-\\x{052f}"
    "\\x{0531}-\\x{0556}\\x{10a0}-\\x{10c5}\\x{13a0}-\\x{13f5}\\x{13f8}-\\x{13fd}"
    "\\x{1c90}-\\x{1cba}\\x{1cbd}-\\x{1cbf}\\x{1d00}-\\x{1d2b}\\x{1d6b}-\\x{1d77}"
    "\\x{1d79}-\\x{1d9a}\\x{1e00}-\\x{1f15}\\x{1f18}-\\x{1f1d}\\x{1f20}-\\x{1f45}"
    "\\x{1f48}-\\x{1f4d}\\x{1f50}-\\x{1f57}\\x{1f59}\\x{1f5b}\\x{1f5d}"
    "\\x{1f5f}-\\x{1f7d}\\x{1f80}-\\x{1fb4}\\x{1fb6}-\\x{1fbc}\\x{1fbe}"
    "\\x{1fc2}-\\x{1fc4}\\x{1fc6}-\\x{1fcc}\\x{1fd0}-\\x{1fd3}\\x{1fd6}-\\x{1fdb}"
    "\\x{1fe0}-\\x{1fec}\\x{1ff2}-\\x{1ff4}\\x{1ff6}-\\x{1ffc}\\x{2102}\\x{2107}"
    "\\x{210a}-\\x{2113}\\x{2115}\\x{2119}-\\x{211d}\\x{2124}\\x{2126}\\x{2128}"
    "\\x{212a}-\\x{212d}\\x{212f}-\\x{2134}\\x{2139}\\x{213c}-\\x{213f}"
    "\\x{2145}-\\x{2149}\\x{214e}\\x{2183}\\x{2184}\\x{2c00}-\\x{2c7b}"
    "\\x{2c7e}-\\x{2ce4}\\x{2ceb}-\\x{2cee}\\x{2cf2}\\x{2cf3}\\x{a640}-\\x{a66d}"
    "\\x{a680}-\\x{a69b}\\x{a722}-\\x{a76f}\\x{a771}-\\x{a787}\\x{a78b}-\\x{a78e}"
    "\\x{ab70}-\\x{abbf}\\x{fb00}-\\x{fb06}\\x{fb13}-\\x{fb17}\\x{ff21}-\\x{ff3a}"
    "\\x{ff41}-\\x{ff5a}\\x{10400}-\\x{1044f}\\x{104b0}-\\x{104d3}\\x{104d8}-\\x{104fb}"
    "\\x{10c80}-\\x{10cb2}\\x{10cc0}-\\x{10cf2}\\x{118a0}-\\x{118df}"
    "\\x{1e900}-\\x{1e943}]+",
    "\\s?[!-/:-~\\x{ff01}-\\x{ff0f}\\x{ff1a}-\\x{ff5e}\\x{2018}-\\x{201f}"
    "\\x{3000}-\\x{3002}]+",
    TRAILING_SPACE,
    "[\\x{4e00}-\\x{9fa5}\\x{0800}-\\x{4e00}\\x{ac00}-\\x{d7ff}]+",
    "\\p{N}+",
    NULL};
static patterns deepseek_coder = {
    "[\\r\\n]",    "\\s?\\p{L}+",
    "\\s?\\p{P}+", "[\\x{4e00}-\\x{9fa5}\\x{0800}-\\x{4e00}\\x{ac00}-\\x{d7ff}]+",
    "\\p{N}",      NULL};
static patterns deepseek3 = {"\\p{N}{1,3}", DEEPSEEK_CJK, DEEPSEEK_WORDS, NULL};
static patterns bloom = {" ?[^(\\s|.,!?…。，、।۔،)]+", NULL};
static patterns viking = {" ?[^(\\s|.,!?…。，、।۔،)]+", "\\p{N}", NULL};
static patterns tekken = {CASED_WITH("", "\\p{N}"), NULL};
static patterns gpt4o = {CASED_WITH(CONTRACTIONS "?", "\\p{N}{1,3}"), NULL};
static patterns qwen35 = {
    CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}"
                 "| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    NULL};
static patterns bailing = {"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}"
                           "| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
                           NULL};
static patterns seed_coder = {
    CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+"
                 "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    NULL};
static patterns minicpm5 = {"\\p{N}{1,3}", LLAMA3_WITH("\\p{N}+"), NULL};
static patterns laguna = {LINES, LLAMA3_WITH("\\p{N}"), NULL};

enum { WHOLE = 1, BOS = 2 };
#define ROW(name, scan, list, flags)                                                       \
    { name, scan, list, ((flags)&WHOLE) != 0, ((flags)&BOS) != 0 }

/* In alphabetical order, for the message that lists them. */
static const struct tok_pre_name names[] = {
    ROW("a.x-4.0", TOK_SCAN_GPT2, gpt2, 0),
    ROW("bailingmoe", TOK_SCAN_NONE, bailing, 0),
    ROW("bailingmoe2", TOK_SCAN_NONE, bailing, 0),
    ROW("bloom", TOK_SCAN_NONE, bloom, 0),
    ROW("chatglm-bpe", TOK_SCAN_LLAMA3, llama3, 0),
    ROW("codeshell", TOK_SCAN_DIGITS, digits, 0),
    ROW("command-r", TOK_SCAN_DIGITS, digits, 0),
    ROW("dbrx", TOK_SCAN_LLAMA3, llama3, 0),
    ROW("deepseek-coder", TOK_SCAN_NONE, deepseek_coder, 0),
    ROW("deepseek-llm", TOK_SCAN_NONE, deepseek_llm, 0),
    ROW("deepseek-r1-qwen", TOK_SCAN_QWEN2, qwen2, 0),
    ROW("deepseek-v3", TOK_SCAN_NONE, deepseek3, 0),
    ROW("default", TOK_SCAN_NONE, plain_default, 0),
    ROW("exaone", TOK_SCAN_DIGITS, digits, 0),
    ROW("exaone4", TOK_SCAN_GPT2, gpt2, 0),
    ROW("falcon", TOK_SCAN_NONE, falcon, 0),
    ROW("falcon-h1", TOK_SCAN_LLAMA3, llama3, WHOLE | BOS),
    ROW("falcon3", TOK_SCAN_LLAMA3, llama3, WHOLE | BOS),
    ROW("gigachat", TOK_SCAN_GPT2, gpt2, 0),
    ROW("glm4", TOK_SCAN_LLAMA3, llama3, WHOLE),
    ROW("gpt-2", TOK_SCAN_GPT2, gpt2, 0),
    ROW("gpt-4o", TOK_SCAN_NONE, gpt4o, 0),
    ROW("gpt3-finnish", TOK_SCAN_NONE, bloom, 0),
    ROW("granite-docling", TOK_SCAN_GPT2, gpt2, 0),
    ROW("grok-2", TOK_SCAN_QWEN2, qwen2, 0),
    ROW("hunyuan", TOK_SCAN_QWEN2, qwen2, 0),
    ROW("hunyuan-dense", TOK_SCAN_NONE, deepseek3, 0),
    ROW("jais", TOK_SCAN_GPT2, gpt2, 0),
    ROW("joyai-llm", TOK_SCAN_NONE, deepseek3, 0),
    ROW("kanana2", TOK_SCAN_NONE, gpt4o, 0),
    ROW("laguna", TOK_SCAN_NONE, laguna, 0),
    ROW("lfm2", TOK_SCAN_LLAMA3, llama3, WHOLE | BOS),
    ROW("llada-moe", TOK_SCAN_NONE, bailing, 0),
    ROW("llama-bpe", TOK_SCAN_LLAMA3, llama3, WHOLE | BOS),
    ROW("llama-v3", TOK_SCAN_LLAMA3, llama3, WHOLE | BOS),
    ROW("llama3", TOK_SCAN_LLAMA3, llama3, WHOLE | BOS),
    ROW("llama4", TOK_SCAN_NONE, gpt4o, 0),
    ROW("megrez", TOK_SCAN_QWEN2, qwen2, 0),
    ROW("mellum", TOK_SCAN_GPT2, gpt2, 0),
    ROW("midm-2.0", TOK_SCAN_LLAMA3, llama3, WHOLE | BOS),
    ROW("minerva-7b", TOK_SCAN_DIGITS, digits, 0),
    ROW("minicpm5", TOK_SCAN_NONE, minicpm5, WHOLE),
    ROW("minimax-m2", TOK_SCAN_NONE, gpt4o, 0),
    ROW("modern-bert", TOK_SCAN_GPT2, gpt2, 0),
    ROW("mpt", TOK_SCAN_GPT2, gpt2, 0),
    ROW("olmo", TOK_SCAN_GPT2, gpt2, 0),
    ROW("phi-2", TOK_SCAN_GPT2, gpt2, 0),
    ROW("pixtral", TOK_SCAN_LLAMA3, llama3, WHOLE | BOS),
    ROW("poro-chat", TOK_SCAN_NONE, bloom, 0),
    ROW("qwen2", TOK_SCAN_QWEN2, qwen2, 0),
    ROW("qwen35", TOK_SCAN_NONE, qwen35, 0),
    ROW("refact", TOK_SCAN_DIGITS, digits, 0),
    ROW("seed-coder", TOK_SCAN_NONE, seed_coder, 0),
    ROW("smaug-bpe", TOK_SCAN_LLAMA3, llama3, 0),
    ROW("smollm", TOK_SCAN_DIGITS, digits, 0),
    ROW("solar-open", TOK_SCAN_QWEN2, qwen2, 0),
    ROW("stablelm2", TOK_SCAN_QWEN2, qwen2, 0),
    ROW("starcoder", TOK_SCAN_DIGITS, digits, 0),
    ROW("tekken", TOK_SCAN_NONE, tekken, WHOLE | BOS),
    ROW("trillion", TOK_SCAN_GPT2, gpt2, 0),
    ROW("viking", TOK_SCAN_NONE, viking, 0),
};
enum { N_NAMES = sizeof names / sizeof *names };

const struct tok_pre_name *tok_pre_find(const char *name, size_t n_bytes) {
    for (int i = 0; i < N_NAMES; i++)
        if (strlen(names[i].name) == n_bytes && memcmp(names[i].name, name, n_bytes) == 0)
            return &names[i];
    return NULL;
}

glass_status tok_pre_names(struct buf *out) {
    for (int i = 0; i < N_NAMES; i++)
        TRY(buf_printf(out, "%s%s", i == 0 ? "" : ", ", names[i].name));
    return GLASS_OK;
}

/* The patterns were written for engines whose \s is the White_Space property; PCRE2's also
 * has U+180E. A backslash that is itself escaped is skipped with its partner. */
static glass_status translate(struct buf *out, const char *pattern) {
    for (const char *p = pattern; *p != '\0'; p++) {
        if (p[0] == '\\' && (p[1] == 's' || p[1] == 'S')) {
            TRY(buf_text(out, p[1] == 's' ? "\\p{wspace}" : "\\P{wspace}"));
            p++;
        } else if (p[0] == '\\' && p[1] != '\0') {
            TRY(buf_append(out, p, 2));
            p++;
        } else {
            TRY(buf_byte(out, *p));
        }
    }
    return GLASS_OK;
}

static glass_status compile(pcre2_code **out, const char *name, const char *pattern) {
    struct buf translated = {0};
    *out = NULL;
    glass_status status = translate(&translated, pattern);
    if (status == GLASS_OK) {
        int code;
        PCRE2_SIZE at;
        *out = pcre2_compile((PCRE2_SPTR)translated.data, translated.len,
                             PCRE2_UTF | PCRE2_UCP | PCRE2_DOLLAR_ENDONLY |
                                 PCRE2_NEVER_BACKSLASH_C,
                             &code, &at, NULL);
        if (*out == NULL) {
            PCRE2_UCHAR why[128];
            pcre2_get_error_message(code, why, sizeof why);
            status = fail(GLASS_BAD_INPUT, "%s: pre-tokenizer pattern \"%.200s\": %s", name,
                          pattern, (const char *)why);
        } else {
            pcre2_jit_compile(*out, PCRE2_JIT_COMPLETE); /* a speed-up; may be missing */
        }
    }
    buf_free(&translated);
    return status;
}

static bool same_patterns(const char *const *a, const char *const *b, int n) {
    int n_a = 0;
    while (a[n_a] != NULL) n_a++;
    if (n_a != n) return false;
    for (int i = 0; i < n; i++)
        if (strcmp(a[i], b[i]) != 0) return false;
    return true;
}

static enum tok_scan scanner_of(const char *const *list, int n) {
    if (same_patterns(gpt2, list, n)) return TOK_SCAN_GPT2;
    if (same_patterns(digits, list, n)) return TOK_SCAN_DIGITS;
    if (same_patterns(llama3, list, n)) return TOK_SCAN_LLAMA3;
    if (same_patterns(qwen2, list, n)) return TOK_SCAN_QWEN2;
    return TOK_SCAN_NONE;
}

/* Of names for the same patterns the one that most files carry. */
const char *tok_pre_name_of(const char *const *list, int n, int drop_gaps,
                            bool whole_words) {
    static const char *const usual[] = {"gpt-2", "smollm",      "llama-bpe", "dbrx",
                                        "qwen2", "deepseek-v3", "gpt-4o",    "tekken"};
    for (int i = 0; i < n; i++)
        if (scanner_of(&list[i], 1) != TOK_SCAN_NONE) drop_gaps &= ~(1 << i);
    if (drop_gaps != 0) return NULL;
    for (size_t k = 0; k < sizeof usual / sizeof *usual; k++) {
        const struct tok_pre_name *name = tok_pre_find(usual[k], strlen(usual[k]));
        if (name->whole_words == whole_words && same_patterns(name->patterns, list, n))
            return name->name;
    }
    for (int k = 0; k < N_NAMES; k++)
        if (names[k].whole_words == whole_words &&
            same_patterns(names[k].patterns, list, n))
            return names[k].name;
    return NULL;
}

glass_status tok_pre_create(struct tok_pre **out, const char *name, const char *const *list,
                            int n, int drop_gaps, bool plain) {
    *out = NULL;
    if (n > MAX_STAGES)
        return fail(GLASS_BAD_INPUT,
                    "%s: %d pre-tokenizer patterns; at most %d are supported", name, n,
                    MAX_STAGES);
    struct tok_pre *pre;
    TRY(mem_alloc_zero(&pre, 1, sizeof *pre));
    glass_status status = mem_copy_text(&pre->name, name, strlen(name));
    /* These leave no gap in any text. */
    for (int i = 0; i < n; i++)
        if (scanner_of(&list[i], 1) != TOK_SCAN_NONE) drop_gaps &= ~(1 << i);
    if (!plain && drop_gaps == 0) pre->scan = scanner_of(list, n);
    for (int i = 0; status == GLASS_OK && pre->scan == TOK_SCAN_NONE && i < n; i++) {
        struct stage *stage = &pre->stages[pre->n_stages++];
        stage->drop_gaps = drop_gaps >> i & 1;
        if (strcmp(list[i], TRAILING_SPACE) == 0 && !stage->drop_gaps) continue;
        if (!plain && !stage->drop_gaps) stage->scan = scanner_of(&list[i], 1);
        if (stage->scan == TOK_SCAN_NONE) status = compile(&stage->code, name, list[i]);
    }
    if (status != GLASS_OK) {
        tok_pre_free(pre);
        return status;
    }
    *out = pre;
    return GLASS_OK;
}

glass_status tok_pre_create_named(struct tok_pre **out, const struct tok_pre_name *name) {
    int n = 0;
    while (name->patterns[n] != NULL) n++;
    return tok_pre_create(out, name->name, name->patterns, n, 0, false);
}

void tok_pre_free(struct tok_pre *pre) {
    if (pre == NULL) return;
    for (int i = 0; i < pre->n_stages; i++) pcre2_code_free(pre->stages[i].code);
    mem_free(pre->name);
    mem_free(pre);
}

const char *tok_pre_name(const struct tok_pre *pre) {
    return pre->name;
}

enum tok_scan tok_pre_scan(const struct tok_pre *pre) {
    return pre->scan;
}

/* PCRE2's memory for one call of encode. */
struct match {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

void tok_pre_match_free(void *memory) {
    struct match *match = memory;
    if (match == NULL) return;
    pcre2_match_data_free(match->data);
    pcre2_match_context_free(match->context);
    pcre2_jit_stack_free(match->stack);
    mem_free(match);
}

static glass_status match_create(void **out) {
    if (*out != NULL) return GLASS_OK;
    struct match *match;
    TRY(mem_alloc_zero(&match, 1, sizeof *match));
    match->data = pcre2_match_data_create(1, NULL);
    match->context = pcre2_match_context_create(NULL);
    match->stack = pcre2_jit_stack_create(32 << 10, 8 << 20, NULL);
    if (match->data == NULL || match->context == NULL) {
        tok_pre_match_free(match);
        return fail_memory(sizeof *match);
    }
    if (match->stack != NULL) pcre2_jit_stack_assign(match->context, NULL, match->stack);
    pcre2_set_heap_limit(match->context, 64 << 10); /* KiB, for the interpreter */
    *out = match;
    return GLASS_OK;
}

/* A run over one text. Where bytes were replaced by U+FFFD, `base` is the copy and bad[] lists
 * the places; words are handed on in the original. */
struct run {
    const struct tok_pre *pre;
    struct match *match;
    tok_emit emit;
    void *context;
    const char *original, *base;
    const size_t *bad;
    size_t n_bad, next_bad;
};

static glass_status emit_word(struct run *r, const char *word, size_t n) {
    size_t begin = (size_t)(word - r->base), end = begin + n;
    while (r->next_bad < r->n_bad && r->bad[r->next_bad] < begin) r->next_bad++;
    begin -= 2 * r->next_bad; /* three bytes of U+FFFD stand for one */
    while (r->next_bad < r->n_bad && r->bad[r->next_bad] < end) r->next_bad++;
    end -= 2 * r->next_bad;
    return r->emit(r->context, r->original + begin, end - begin);
}

static glass_status run_stage(struct run *r, int i, const char *text, size_t n);

static glass_status run_scanner(struct run *r, int i, enum tok_scan scan, const char *text,
                                size_t n) {
    size_t ends[128], begin = 0, count;
    while ((count = tok_scan_ends(scan, ends, 128, text, begin, n)) > 0) {
        for (size_t k = 0; k < count; k++) {
            TRY(run_stage(r, i + 1, text + begin, ends[k] - begin));
            begin = ends[k];
        }
    }
    return GLASS_OK;
}

bool tok_is_space(uint32_t c) {
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

/* Where white space at the end of the piece begins. */
static size_t trailing_space(const char *text, size_t n) {
    size_t begin = n, at = 0;
    bool inside = false;
    while (at < n) {
        uint32_t c;
        size_t used = utf8_decode(&c, text + at, n - at);
        bool space = tok_is_space(c);
        if (space && !inside) begin = at;
        inside = space;
        at += used;
    }
    return inside ? begin : n;
}

static glass_status match_failed(const struct run *r, int code) {
    PCRE2_UCHAR why[128];
    pcre2_get_error_message(code, why, sizeof why);
    return fail(GLASS_BAD_INPUT, "pre-tokenizer %s: matching failed: %s", r->pre->name,
                (const char *)why);
}

static glass_status run_regex(struct run *r, int i, const char *text, size_t n) {
    const pcre2_code *code = r->pre->stages[i].code;
    bool drop = r->pre->stages[i].drop_gaps;
    size_t from = 0, at = 0; /* emitted so far; searched from */
    while (at < n) {
        int rc = pcre2_match(code, (PCRE2_SPTR)text, n, at, PCRE2_NO_UTF_CHECK,
                             r->match->data, r->match->context);
        if (rc == PCRE2_ERROR_NOMATCH) break;
        if (rc < 0) return match_failed(r, rc);
        const PCRE2_SIZE *where = pcre2_get_ovector_pointer(r->match->data);
        size_t begin = where[0], end = where[1];
        if (end <= begin || begin < from) { /* empty, or \K put the start elsewhere */
            uint32_t c;
            at += utf8_decode(&c, text + at, n - at);
            continue;
        }
        if (begin > from && !drop) TRY(run_stage(r, i + 1, text + from, begin - from));
        TRY(run_stage(r, i + 1, text + begin, end - begin));
        from = at = end;
    }
    return from < n && !drop ? run_stage(r, i + 1, text + from, n - from) : GLASS_OK;
}

static glass_status run_stage(struct run *r, int i, const char *text, size_t n) {
    if (i == r->pre->n_stages) return emit_word(r, text, n);
    const struct stage *stage = &r->pre->stages[i];
    if (stage->code != NULL) return run_regex(r, i, text, n);
    if (stage->scan != TOK_SCAN_NONE) return run_scanner(r, i, stage->scan, text, n);
    size_t begin = trailing_space(text, n);
    if (begin > 0) TRY(run_stage(r, i + 1, text, begin));
    return begin < n ? run_stage(r, i + 1, text + begin, n - begin) : GLASS_OK;
}

/* Copies text with U+FFFD for every byte that is not UTF-8; *bad lists where they are in the
 * copy. Nothing is copied (out->data NULL) if there is none. */
static glass_status repair(struct buf *out, size_t **bad, size_t *n_bad, const char *text,
                           size_t n) {
    size_t from = 0, room = 0;
    *bad = NULL;
    *n_bad = 0;
    for (size_t at = 0; at < n;) {
        uint32_t c;
        size_t used = utf8_decode(&c, text + at, n - at);
        if (c == UTF8_BAD) {
            TRY(buf_append(out, text + from, at - from));
            if (*n_bad == room) {
                room = room == 0 ? 64 : 2 * room;
                TRY(mem_resize(bad, room, sizeof **bad));
            }
            (*bad)[(*n_bad)++] = out->len;
            TRY(buf_text(out, "\xef\xbf\xbd"));
            from = at + used;
        }
        at += used;
    }
    return *n_bad > 0 ? buf_append(out, text + from, n - from) : GLASS_OK;
}

glass_status tok_pre_run(const struct tok_pre *pre, void **match, const char *text,
                         size_t n, tok_emit emit, void *context) {
    struct run r = {
        .pre = pre, .emit = emit, .context = context, .original = text, .base = text};
    if (n == 0) return GLASS_OK;
    if (pre->scan != TOK_SCAN_NONE) return run_scanner(&r, -1, pre->scan, text, n);
    TRY(match_create(match));
    r.match = *match;
    struct buf repaired = {0};
    size_t *bad = NULL;
    glass_status status = repair(&repaired, &bad, &r.n_bad, text, n);
    if (status == GLASS_OK && r.n_bad > 0) {
        r.base = repaired.data;
        r.bad = bad;
    }
    if (status == GLASS_OK)
        status = run_stage(&r, 0, r.base, r.n_bad > 0 ? repaired.len : n);
    buf_free(&repaired);
    mem_free(bad);
    return status;
}
