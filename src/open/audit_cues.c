/* audit_cues.c - what the words of a card say of the parts of a model.
 *
 * These are declarations: a sentence that has a cue in it is quoted as it stands, and whether it is
 * true is not seen. */
#include "open/audit_parts.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { CUE_TEXT = 512 << 10, TRIES = 200 };

struct cue {
    int thing;
    const char *what; /* stands in the text, whatever the letters' case */
    const char *near; /* one of these words ('|' between) in the reach around it; NULL */
    int reach;        /* bytes, before and after */
    const char *words;
};

/* Libraries for everybody are nobody's own code. */
static const char libraries[] =
    "huggingface/transformers|text-generation-inference|github.com/pytorch/|google/jax|"
    "jax-ml/jax|google/ml-pathways|nvidia/megatron|linkedin/liger|llama.cpp|vllm|hpcaitech/"
    "|"
    "openaccess-ai|unsloth|tensorflow/|flash-attention|axolotl|facebookresearch/fairseq|"
    "openai/whisper|llama_index|dao-ailab";
/* Where an address is of something else: pictures, other people's papers. */
static const char others[] =
    ".png|.jpg|.jpeg|.gif|-images|from their|attention paper|[mmlu]|"
    "arxiv.org/...|optional";

static const struct cue cues[] = {
    {MOF_PAPER, "arxiv.org/", "paper|report|cite|citation|preprint|publication", 90,
     "the address of a paper"},
    {SIGN_PREPRINT, "arxiv.org/", "paper|report|cite|citation|preprint|publication", 90,
     "the address of a preprint"},
    {MOF_PAPER, "archiveprefix", NULL, 0, "a citation of a preprint"},
    {SIGN_PREPRINT, "archiveprefix", NULL, 0, "a citation of a preprint"},
    {MOF_PAPER, "arxiv preprint", NULL, 0, "a citation of a preprint"},
    {SIGN_PREPRINT, "arxiv preprint", NULL, 0, "a citation of a preprint"},
    {MOF_PAPER, "research paper", NULL, 0, "a paper is named"},
    {MOF_PAPER, "@inproceedings", NULL, 0, "a citation of a paper"},
    {SIGN_REVIEWED, "@inproceedings", NULL, 0, "a citation of a paper in proceedings"},
    {SIGN_REVIEWED, "aclanthology.org/", NULL, 0, "the address of a paper in proceedings"},
    {SIGN_REVIEWED, "proceedings of", NULL, 0, "a paper in proceedings is named"},
    {MOF_REPORT, "technical report", NULL, 0, "a technical report is named"},
    {MOF_REPORT, "tech report", NULL, 0, "a technical report is named"},
    {MOF_REPORT, "techreport", NULL, 0, "a technical report is named"},
    {MOF_REPORT, "white paper", NULL, 0, "a report is named"},
    {MOF_DATASETS, "huggingface.co/datasets/", NULL, 0, "the address of a data set"},
    {MOF_DATASETS, "trained on",
     "the pile|dolma|c4|refinedweb|fineweb|redpajama|slimpajama|"
     "common crawl|commoncrawl|the stack|wikipedia|starcoderdata|"
     "starcoder data|roots",
     300, "data sets are named"},
    {MOF_DATA_CARD, "data card", NULL, 0, "a data card is named"},
    {MOF_DATA_CARD, "datasheet", NULL, 0, "a datasheet is named"},
    {MOF_DATA_CARD, "data sheet", NULL, 0, "a datasheet is named"},
    {MOF_DATA_CARD, "dataset card", NULL, 0, "a data set's card is named"},
    {MOF_ARCHITECTURE, "ForCausalLM", NULL, 0,
     "an architecture of a public library, by name"},
    {MOF_ARCHITECTURE, "github.com/", "architecture|implementation of", 100,
     "the address of code, beside words on the architecture"},
    {MOF_TRAINING, "github.com/", "training|pretrain|pre-train|train the|fine-tuning", 100,
     "the address of code, beside words on training"},
    {MOF_PREPROCESSING, "github.com/",
     "preprocess|pre-process|data processing|deduplication|data prep|toolkit for "
     "dolma|datatrove|"
     "data toolkit|data pipeline|process the data|replicate the dataset|dataset creation|"
     "curation",
     100, "the address of code, beside words on preparing data"},
    {MOF_INFERENCE, "from_pretrained(", NULL, 0,
     "an example that runs it with a public library"},
    {MOF_INFERENCE, "pipeline(", "transformers|generation", 400,
     "an example that runs it with a public library"},
    {MOF_INFERENCE, "github.com/", "inference", 100,
     "the address of code, beside words on inference"},
    {MOF_EVALUATION, "lm-evaluation-harness", NULL, 0, "a public evaluation harness"},
    {MOF_EVALUATION, "lm-eval", NULL, 0, "a public evaluation harness"},
    {MOF_EVALUATION, "lighteval", NULL, 0, "a public evaluation harness"},
    {MOF_EVALUATION, "evaluation harness", NULL, 0, "a public evaluation harness"},
    {MOF_EVALUATION, "github.com/", "evaluation|evaluate", 100,
     "the address of code, beside words on evaluation"},
    {MOF_EVALUATION_DATA, "hellaswag", NULL, 0, "public evaluation sets are named"},
    {MOF_EVALUATION_DATA, "mmlu", NULL, 0, "public evaluation sets are named"},
    {MOF_EVALUATION_DATA, "lambada", NULL, 0, "public evaluation sets are named"},
    {MOF_EVALUATION_DATA, "humaneval", NULL, 0, "public evaluation sets are named"},
    {MOF_LIBRARIES, "pip install", NULL, 0, "packages that it needs"},
    {SIGN_PACKAGE, "pip install", NULL, 0, "a package that can be installed"},
    {SIGN_PACKAGE, "from_pretrained(", NULL, 0, "a public library loads it"},
    {MOF_CHECKPOINTS, "intermediate checkpoint", NULL, 0, "intermediate checkpoints"},
    {MOF_CHECKPOINTS, "training checkpoints", NULL, 0, "checkpoints of the training"},
    {MOF_CHECKPOINTS, "partially trained checkpoint", NULL, 0, "intermediate checkpoints"},
    {MOF_CHECKPOINTS, "partially-trained checkpoint", NULL, 0, "intermediate checkpoints"},
    {MOF_CHECKPOINTS, "checkpoints", "every 1000|every 500|every 250|intermediate|revision",
     200, "checkpoints of the training"},
    {MOF_CHECKPOINTS, "revision=\"step", NULL, 0, "checkpoints by step"},
    {MOF_PARAMETERS, "from_pretrained(", NULL, 0, "weights that a library fetches"},
    {MOF_PARAMETERS, "pipeline(", "model=", 60, "weights that a library fetches"},
    {MOF_PARAMETERS, "weights", "download|huggingface.co/|released|release of|available",
     160, "weights that can be had elsewhere"},
    {MOF_PARAMETERS, "checkpoints", "download|huggingface.co/|released", 160,
     "weights that can be had elsewhere"},
    {MOF_METADATA, "learning rate", NULL, 0, "how it was trained"},
    {MOF_METADATA, "hyperparameters", NULL, 0, "how it was trained"},
    {SIGN_HARDWARE, "a100", NULL, 0, "what it was trained on"},
    {SIGN_HARDWARE, "h100", NULL, 0, "what it was trained on"},
    {SIGN_HARDWARE, "gh200", NULL, 0, "what it was trained on"},
    {SIGN_HARDWARE, "mi250", NULL, 0, "what it was trained on"},
    {SIGN_HARDWARE, "v100", NULL, 0, "what it was trained on"},
    {SIGN_HARDWARE, "gpu hours", NULL, 0, "what it was trained on"},
    {SIGN_HARDWARE, " tpu", NULL, 0, "what it was trained on"},
    {SIGN_API, "chat template", NULL, 0, "how it is spoken to"},
    {SIGN_API, "system prompt", NULL, 0, "how it is spoken to"},
    {SIGN_API, "apply_chat_template", NULL, 0, "how it is spoken to"},
    {SIGN_SCRATCH, "trained from scratch", NULL, 0, "trained from scratch"},
    {SIGN_SCRATCH, "train from scratch", NULL, 0, "trained from scratch"},
    {SIGN_SCRATCH, "pretrained from scratch", NULL, 0, "trained from scratch"},
};

static bool word_in(const char *text, size_t n, const char *word, size_t k) {
    for (size_t i = 0; i + k <= n; i++)
        if (strncasecmp(text + i, word, k) == 0) return true;
    return false;
}

static bool any_in(const char *text, size_t n, const char *words) {
    for (const char *w = words; *w;) {
        size_t k = strcspn(w, "|");
        if (word_in(text, n, w, k)) return true;
        w += k + (w[k] == '|');
    }
    return false;
}

static bool near(const char *text, size_t n, size_t at, const struct cue *c) {
    if (c->near == NULL) return true;
    size_t reach = (size_t)c->reach;
    size_t begin = at > reach ? at - reach : 0;
    size_t end = n - at > reach ? at + reach : n;
    return any_in(text + begin, end - begin, c->near);
}

/* The line around a place, at most some hundred bytes of it. */
static void line_of(const char *text, size_t n, size_t at, size_t *begin, size_t *end) {
    enum { SIDE = 160 };
    size_t b = at, e = at;
    while (b > 0 && text[b - 1] != '\n' && at - b < SIDE) b--;
    while (e < n && text[e] != '\n' && text[e] != '\r' && e - at < SIDE) e++;
    /* not in the middle of a character */
    while (b < at && ((unsigned char)text[b] & 0xc0) == 0x80) b++;
    while (e > at && e < n && ((unsigned char)text[e] & 0xc0) == 0x80) e--;
    *begin = b;
    *end = e;
}

static glass_status offer_at(struct glass_audit *a, int thing, glass_audit_grade grade,
                             const char *words, const char *shown, const char *sha256,
                             const char *text, size_t n, size_t at) {
    glass_audit_evidence e;
    size_t begin, end;
    line_of(text, n, at, &begin, &end);
    TRY(audit_evidence(a, &e, shown, sha256, text, n, begin, end));
    return audit_offer(a, thing, grade, words, &e);
}

/* An address that is another thing's, and a tokenizer that is no model. */
static bool is_other(const char *text, size_t n, size_t at, const struct cue *c) {
    size_t begin, end;
    line_of(text, n, at, &begin, &end);
    bool address = strstr(c->what, ".org/") != NULL || strstr(c->what, ".co/") != NULL;
    size_t after = n - at < 90 ? n - at : 90;
    if (strcmp(c->what, "github.com/") == 0)
        return any_in(text + at, after, libraries) ||
               (c->thing == MOF_TRAINING && any_in(text + at, after, "eval|/issues/"));
    if (text[begin] == '[' && address &&
        memmem(text + begin, end - begin, "]: ", 3) != NULL)
        return true; /* a list of links */
    if (strcmp(c->what, "from_pretrained(") == 0)
        return any_in(text + begin, end - begin, "okenizer");
    return address && any_in(text + begin, end - begin, others);
}

/* Not right after "not ": "this model was not trained from scratch". */
static bool denied(const char *text, size_t at) {
    return at >= 4 && strncasecmp(text + at - 4, "not ", 4) == 0;
}

static glass_status take_cue(struct glass_audit *a, const struct cue *c, const char *shown,
                             const char *sha256, const char *text, size_t n) {
    const char *p = text;
    for (int i = 0; i < TRIES && (p = strcasestr(p, c->what)) != NULL; i++, p++) {
        size_t at = (size_t)(p - text);
        if (at >= n) break;
        if (denied(text, at) || !near(text, n, at, c) || is_other(text, n, at, c)) continue;
        return offer_at(a, c->thing, GLASS_AUDIT_DECLARED, c->words, shown, sha256, text, n,
                        at);
    }
    return GLASS_OK;
}

/* ---- headings ---- */

static bool heading(const char *line, size_t n, size_t *at) {
    size_t i = 0;
    while (i < n && line[i] == '#') i++;
    if (i == 0 || i > 6) {
        i = 0;
        if (n < 4 || line[0] != '<' || (line[1] != 'h' && line[1] != 'H') ||
            !isdigit((unsigned char)line[2]))
            return false;
    }
    *at = i;
    return true;
}

/* A table with numbers in it begins within the next part. */
static bool has_table(const char *text, size_t n) {
    int rows = 0;
    for (size_t i = 0; i < n;) {
        const char *end = memchr(text + i, '\n', n - i);
        size_t k = end != NULL ? (size_t)(end - text) - i : n - i;
        bool digit = false;
        int bars = 0;
        for (size_t j = i; j < i + k; j++) {
            digit |= isdigit((unsigned char)text[j]) != 0;
            bars += text[j] == '|';
        }
        rows += digit && bars >= 2;
        if (rows >= 2 || (k > 5 && strncasecmp(text + i, "<table", 6) == 0)) return true;
        i += k + 1;
    }
    return false;
}

static glass_status take_headings(struct glass_audit *a, const char *shown,
                                  const char *sha256, const char *text, size_t n) {
    static const char *const of_cards[] = {
        "model details", "intended use",      "limitations",     "bias",
        "training data", "model description", "evaluation data", "out-of-scope"};
    int card = 0;
    size_t first = 0;
    for (size_t i = 0; i < n;) {
        const char *end = memchr(text + i, '\n', n - i);
        size_t k = end != NULL ? (size_t)(end - text) - i : n - i, skip;
        if (heading(text + i, k, &skip)) {
            const char *h = text + i;
            size_t rest = n - i - k < 3000 ? n - i - k : 3000;
            bool results = word_in(h, k, "eval", 4) || word_in(h, k, "result", 6) ||
                           word_in(h, k, "benchmark", 9) ||
                           word_in(h, k, "performance", 11);
            if (results && has_table(text + i + k, rest))
                TRY(offer_at(a, MOF_RESULTS, GLASS_AUDIT_VERIFIED,
                             "a table of results, as published", shown, sha256, text, n,
                             i));
            if (word_in(h, k, "training data", 13) || word_in(h, k, "dataset", 7))
                TRY(offer_at(a, SIGN_DATA, GLASS_AUDIT_DECLARED,
                             "a section on data in a card of something else", shown, sha256,
                             text, n, i));
            for (size_t c = 0; c < sizeof of_cards / sizeof *of_cards; c++)
                if (word_in(h, k, of_cards[c], strlen(of_cards[c]))) {
                    if (card++ == 0) first = i;
                    break;
                }
        }
        i += k + 1;
    }
    if (card >= 2)
        TRY(offer_at(a, MOF_MODEL_CARD, GLASS_AUDIT_VERIFIED,
                     "a text with the sections of a model card", shown, sha256, text, n,
                     first));
    return GLASS_OK;
}

glass_status audit_find_cues(struct glass_audit *a, const char *shown, const char *sha256,
                             const char *text, size_t n_bytes) {
    size_t n = strnlen(text, n_bytes < CUE_TEXT ? n_bytes : CUE_TEXT);
    for (size_t i = 0; i < sizeof cues / sizeof *cues; i++)
        TRY(take_cue(a, &cues[i], shown, sha256, text, n));
    return take_headings(a, shown, sha256, text, n);
}
