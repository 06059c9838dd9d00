/* tok_train.c - training a vocabulary: options, alphabet, output; see tok_train.h. */
#include "text/tok_train.h"

#include "base/team.h"
#include "base/utf8.h"
#include "text/tok_to_json.h"

#include <stdlib.h>

enum {
    DEFAULT_VOCAB = 32000,
    DEFAULT_COUNT = 2,
    DEFAULT_PIECE = 16,
    BYTES = 256,
    MOST_THREADS = 256
};
#define DEFAULT_MEMORY ((size_t)4 << 30)

/* Everything that lives while training does. */
struct training {
    glass_vocab_options o;
    struct train_meter meter;
    struct train_words words;
    struct train_merger merger;
    struct tok_pre *pre;
    uint32_t byte_ids[BYTES];
    bool spm;
    int64_t n_chars; /* spm */
};

static glass_status check_special(const char *const *special, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        size_t len = strlen(special[i]);
        if (len < 2 || len > TOK_PIECE_LIMIT / 2)
            return fail(
                GLASS_USAGE, "special token \"%.64s\": %s; 2 to %d bytes are possible",
                special[i], len < 2 ? "too short" : "too long", TOK_PIECE_LIMIT / 2);
        for (size_t at = 0; at < len;) {
            uint32_t c;
            size_t used = utf8_decode(&c, special[i] + at, len - at);
            if (c == UTF8_BAD)
                return fail(GLASS_USAGE, "special token %lld is not UTF-8",
                            (long long)i + 1);
            if (used == len && tok_byte_of(c) >= 0)
                return fail(GLASS_USAGE, "special token \"%s\" spells a byte", special[i]);
            at += used;
        }
        for (int64_t k = 0; k < i; k++)
            if (strcmp(special[i], special[k]) == 0)
                return fail(GLASS_USAGE, "special token \"%.64s\" is given twice",
                            special[i]);
    }
    return GLASS_OK;
}

static glass_status check_spm(glass_vocab_options *o) {
    static const char *const taken[] = {"<unk>", "<s>", "</s>"};
    if (o->coverage == 0) o->coverage = 0.9995f;
    if (o->max_piece == 0) o->max_piece = DEFAULT_PIECE;
    if (!(o->coverage > 0 && o->coverage <= 1))
        return fail(GLASS_USAGE, "a coverage of %g; more than 0 to 1 is possible",
                    (double)o->coverage);
    if (o->max_piece < 1 || o->max_piece > TRAIN_MOST_CHARS)
        return fail(GLASS_USAGE, "tokens of %lld characters; 1 to %d are possible",
                    (long long)o->max_piece, TRAIN_MOST_CHARS);
    for (int64_t i = 0; i < o->n_special; i++) {
        const char *text = o->special[i];
        bool is_taken = tok_hex_byte(text, strlen(text)) >= 0;
        for (int k = 0; k < 3; k++) is_taken = is_taken || strcmp(text, taken[k]) == 0;
        if (is_taken)
            return fail(GLASS_USAGE, "special token \"%s\" is in the vocabulary anyway",
                        text);
    }
    return GLASS_OK;
}

static glass_status check_options(glass_vocab_options *o) {
    if (o->n_vocab == 0) o->n_vocab = DEFAULT_VOCAB;
    if (o->min_count == 0) o->min_count = DEFAULT_COUNT;
    if (o->n_threads == 0) o->n_threads = team_default_threads();
    if (o->memory_bytes == 0) o->memory_bytes = DEFAULT_MEMORY;
    bool spm = o->kind != NULL && strcmp(o->kind, "spm") == 0;
    if (o->kind != NULL && !spm && strcmp(o->kind, "bytes") != 0)
        return fail(GLASS_USAGE, "kind \"%.64s\"; there are bytes and spm", o->kind);
    if (spm && o->pre != NULL) return fail(GLASS_USAGE, "spm has no pre-tokenizer");
    if (!spm && o->pre == NULL) o->pre = "gpt-2";
    if (spm) TRY(check_spm(o));
    if (!spm && (o->coverage != 0 || o->max_piece != 0 || o->split_digits))
        return fail(GLASS_USAGE, "coverage, longest token and split digits are spm's");
    if (o->min_count < 1)
        return fail(GLASS_USAGE, "a least count of %lld; 1 and more are possible",
                    (long long)o->min_count);
    if (o->n_threads < 1 || o->n_threads > MOST_THREADS)
        return fail(GLASS_USAGE, "%d threads; 1 to %d are possible", (int)o->n_threads,
                    MOST_THREADS);
    int64_t least = o->n_special + (spm ? TRAIN_SPM_FIRST : BYTES);
    if (o->n_vocab < least || o->n_vocab > TOK_VOCAB_LIMIT)
        return fail(GLASS_USAGE,
                    "a vocabulary of %lld tokens; %lld (bytes and special tokens) "
                    "to %d are possible",
                    (long long)o->n_vocab, (long long)least, TOK_VOCAB_LIMIT);
    return check_special(o->special, o->n_special);
}

static glass_status find_pre(struct training *t) {
    const char *name = strcmp(t->o.pre, "gpt2") == 0 ? "gpt-2" : t->o.pre;
    const struct tok_pre_name *pre = tok_pre_find(name, strlen(name));
    t->o.pre = name;
    if (pre != NULL) return tok_pre_create_named(&t->pre, pre);
    struct buf names = {0};
    glass_status status = tok_pre_names(&names);
    if (status == GLASS_OK)
        status = fail(GLASS_USAGE, "unknown pre-tokenizer \"%.64s\"; there are: %s", name,
                      names.data);
    buf_free(&names);
    return status;
}

/* Control tokens, then the bytes in the order of the characters that spell them. */
static glass_status add_alphabet(struct training *t) {
    uint32_t id;
    for (int64_t i = 0; i < t->o.n_special; i++) {
        const char *text = t->o.special[i];
        size_t n = strlen(text), n_chars = 0;
        for (size_t at = 0; at < n; at++)
            n_chars += ((unsigned char)text[at] & 0xc0) != 0x80;
        /* Merges may make it, too: of one symbol a character. */
        TRY(train_token(&t->merger, &id, text, n, (uint32_t)n_chars));
    }
    for (uint32_t c = 0, n = 0; n < BYTES; c++) {
        int byte = tok_byte_of(c);
        if (byte < 0) continue;
        char text[4];
        TRY(train_token(&t->merger, &t->byte_ids[byte], text, utf8_encode(text, c), 1));
        n++;
    }
    return GLASS_OK;
}

/* The words go over from their tables shard by shard. */
static glass_status add_words(struct training *t) {
    uint32_t *ids = NULL;
    size_t room = 0;
    glass_status status = GLASS_OK;
    for (int i = 0; i < TRAIN_SHARDS; i++) {
        const struct train_shard *s = &t->words.shards[i];
        for (size_t k = 0; k < s->n_words; k++) {
            struct train_word w = s->words[k];
            TRY_FAIL(train_grow(&t->meter, &ids, &room, w.len, sizeof *ids));
            for (uint32_t b = 0; b < w.len; b++)
                ids[b] = t->byte_ids[(unsigned char)s->text[w.at + b]];
            TRY_FAIL(train_add_word(&t->merger, ids, w.len, w.count));
        }
    }
fail:
    atomic_fetch_sub(&t->meter.used, room * sizeof *ids);
    mem_free(ids);
    return status;
}

static glass_status put_merges(struct tok_source *s, const struct train_merger *m) {
    TRY(mem_alloc(&s->merges, m->n_merges, sizeof *s->merges));
    for (size_t i = 0; i < m->n_merges; i++) {
        struct tok_piece left = m->pieces[m->merges[i].left];
        struct tok_piece right = m->pieces[m->merges[i].right];
        if (s->merge_owner.len > UINT32_MAX - 2 * (size_t)TOK_PIECE_LIMIT)
            return fail(GLASS_BAD_INPUT, "the merges are too long");
        s->merges[s->n_merges++] =
            (struct tok_piece){(uint32_t)s->merge_owner.len, left.len + 1 + right.len};
        TRY(buf_append(&s->merge_owner, m->text.data + left.at, left.len));
        TRY(buf_byte(&s->merge_owner, ' '));
        TRY(buf_append(&s->merge_owner, m->text.data + right.at, right.len));
    }
    s->merge_text = s->merge_owner.data;
    return GLASS_OK;
}

/* The writer's form of what was made. */
static glass_status put_source(struct tok_source *s, const struct training *t) {
    const struct train_merger *m = &t->merger;
    s->name = "the trained vocabulary";
    s->text = m->text.data;
    s->n_vocab = m->n_tokens;
    s->types_known = true;
    memcpy(s->pre, t->o.pre, strlen(t->o.pre) + 1);
    TRY(mem_alloc(&s->pieces, m->n_tokens, sizeof *s->pieces));
    memcpy(s->pieces, m->pieces, m->n_tokens * sizeof *s->pieces);
    TRY(mem_alloc(&s->types, m->n_tokens, 1));
    for (int64_t id = 0; id < s->n_vocab; id++)
        s->types[id] = id < t->o.n_special ? TOK_CONTROL : TOK_NORMAL;
    return put_merges(s, m);
}

static glass_status write_json(struct training *t, char **json, size_t *n_bytes,
                               int64_t *n_merges) {
    struct tok_source source = TOK_SOURCE_NONE;
    struct buf tokenizer = {0}, config = {0};
    glass_status status = t->spm ? train_spm_source(&source, &t->merger, t->n_chars, &t->o)
                                 : put_source(&source, t);
    if (status == GLASS_OK) status = tok_to_json(&tokenizer, &config, &source, NULL, 0);
    if (status == GLASS_OK) status = buf_take(&tokenizer, json, n_bytes);
    *n_merges = (int64_t)t->merger.n_merges;
    tok_source_clear(&source);
    buf_free(&tokenizer);
    buf_free(&config);
    return status;
}

static glass_status train(struct training *t, const char *const *paths, int64_t n_paths,
                          glass_vocab_report *report) {
    TRY(train_count(&t->words, t->pre, paths, n_paths, &t->o));
    report->n_bytes = t->words.n_bytes;
    report->n_words = t->words.n_words;
    report->n_different = train_words_different(&t->words);
    if (t->words.n_words == 0)
        return fail(GLASS_BAD_INPUT, "%s%s: there is no text to train on",
                    n_paths > 0 ? paths[0] : "no files",
                    n_paths > 1 ? " and the other files" : "");
    if (t->spm) {
        TRY(train_spm_alphabet(&t->merger, &t->meter, &t->n_chars, &t->words, &t->o));
    } else {
        TRY(train_merger_init(&t->merger, &t->meter, t->o.n_vocab));
        TRY(add_alphabet(t));
        TRY(add_words(t));
    }
    train_words_clear(&t->words);
    TRY(train_run(&t->merger, &t->o));
    report->n_vocab = t->merger.n_tokens;
    if (t->spm) report->n_vocab += TRAIN_SPM_FIRST + t->o.n_special;
    return GLASS_OK;
}

glass_status glass_tokenizer_train(char **json, size_t *n_bytes, glass_vocab_report *report,
                                   const char *const *paths, int64_t n_paths,
                                   const glass_vocab_options *options) {
    static const glass_vocab_options none = {0};
    struct training t = {.o = options == NULL ? none : *options};
    glass_vocab_report own;
    if (report == NULL) report = &own;
    *json = NULL;
    *n_bytes = 0;
    *report = (glass_vocab_report){0};
    TRY(check_options(&t.o));
    t.spm = t.o.kind != NULL && strcmp(t.o.kind, "spm") == 0;
    if (!t.spm) TRY(find_pre(&t));
    t.meter.limit = t.o.memory_bytes;
    glass_status status = train_words_init(&t.words, &t.meter);
    if (status == GLASS_OK) status = train(&t, paths, n_paths, report);
    if (status == GLASS_OK) status = write_json(&t, json, n_bytes, &report->n_merges);
    if (status != GLASS_OK) *report = (glass_vocab_report){0};
    train_words_clear(&t.words);
    train_merger_clear(&t.merger);
    tok_pre_free(t.pre);
    return status;
}
