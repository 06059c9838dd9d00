/* grammar_draw.c - grammar_draw VOCABULARY [SEED] <REQUESTS: random answers of grammars, and
 * judgements of texts.
 *
 * A request is a line of JSON: {"schema": TEXT or "gbnf": TEXT, "compact": false, "samples": N,
 * "texts": [TEXT, …]}. Its answer is one: {"error": …} or {"samples": [TEXT, …], "whole":
 * [whether each text is one of the grammar's, …]}. A sample is drawn token by token among those
 * that the mask allows: by token, by byte, or as structure would have it; after a random number
 * of tokens it goes to the end as fast as it can. One that does not end is null. */
#include "base/buf.h"
#include "text/grammar_parts.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static const glass_tokenizer *tokenizer;
static const struct gram_vocab *vocab;
static uint64_t seed;

static void must(glass_status status) {
    if (status == GLASS_OK) return;
    fprintf(stderr, "grammar_draw: %s\n", glass_error());
    exit(glass_status_exit_code(status));
}

static uint32_t below(uint32_t n) {
    seed += 0x9e3779b97f4a7c15;
    return (uint32_t)((tok_mix(seed) >> 32) % n);
}

/* The rank of a byte on a short way to an answer's end, inside strings or outside. */
static int rank(uint8_t byte, bool inside) {
    const char *order = inside ? "\"}],:0en1tf2a \\-.uTZ" : "}],\":0en1tf2a \\-.uTZ";
    const char *at = byte == 0 ? NULL : strchr(order, byte);
    if (byte == '{' || byte == '[') return 300;
    if (byte == '\n' || byte == '\t') return 299;
    return at != NULL ? (int)(at - order) : 40 + (byte >= 0x80 ? 1 : 0);
}

static uint8_t first_byte(int32_t id) {
    return (uint8_t)vocab->text[vocab->at[id]];
}

static uint32_t length(int32_t id) {
    return vocab->at[id + 1] - vocab->at[id];
}

/* One of the allowed tokens that begin with the byte; brief: the shortest. */
static int32_t pick(const int32_t *ids, uint32_t n, uint8_t byte, bool brief) {
    uint32_t count = 0;
    int32_t best = -1;
    for (uint32_t i = 0; i < n; i++) {
        if (length(ids[i]) == 0 || first_byte(ids[i]) != byte) continue;
        if (brief ? best < 0 || length(ids[i]) < length(best) : below(++count) == 0)
            best = ids[i];
    }
    return best;
}

static int32_t choose(const int32_t *ids, uint32_t n, int way, bool hurry) {
    bool there[256] = {false};
    int n_bytes = 0, best = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (length(ids[i]) == 0) { /* it ends here */
            if (hurry || below(3) == 0) return ids[i];
            continue;
        }
        n_bytes += !there[first_byte(ids[i])];
        there[first_byte(ids[i])] = true;
    }
    if (n_bytes == 0) return ids[0];
    if (hurry && below(6) != 0) {
        int least = 1000;
        bool inside = below(2);
        for (int b = 0; b < 256; b++)
            if (there[b] && rank((uint8_t)b, inside) < least) {
                least = rank((uint8_t)b, inside);
                best = b;
            }
        return pick(ids, n, (uint8_t)best, true);
    }
    if (way == 0) return ids[below(n)];
    int skip = (int)below((uint32_t)n_bytes);
    if (way == 2 && there['"'] && below(2)) return pick(ids, n, '"', below(2));
    for (int b = 0; b < 256; b++)
        if (there[b] && skip-- == 0) best = b;
    return pick(ids, n, (uint8_t)best, way == 1 || below(2));
}

/* One answer; false: it did not end. */
static bool sample(const glass_grammar *g, int32_t *ids, struct buf *out, int way) {
    enum { MOST = 1500 };
    glass_grammar_state *s;
    uint32_t patience = below(4) == 0 ? below(200) : below(30);
    bool ended = false;
    must(glass_grammar_state_create(&s, g, GLASS_CONTINUE));
    for (uint32_t step = 0; step < MOST && !ended; step++) {
        const uint64_t *bits;
        uint32_t n = 0;
        if (glass_grammar_state_finished(s)) {
            ended = true;
            break;
        }
        must(glass_grammar_state_mask(s, &bits));
        for (int32_t w = 0; w < (vocab->n_vocab + 63) / 64; w++)
            for (uint64_t left = bits[w]; left != 0; left &= left - 1)
                ids[n++] = 64 * w + __builtin_ctzll(left);
        if (n == 0) break;
        int32_t id = choose(ids, n, way, step >= patience);
        must(glass_grammar_state_accept(s, id));
        must(buf_append(out, vocab->text + vocab->at[id], length(id)));
        ended = glass_tokenizer_is_end(tokenizer, id);
    }
    if (ended != glass_grammar_state_finished(s)) abort();
    glass_grammar_state_free(s);
    return ended;
}

static json_t *samples(const glass_grammar *g, int n) {
    json_t *list = json_array();
    int32_t *ids;
    must(mem_alloc(&ids, (size_t)vocab->n_vocab, sizeof *ids));
    for (int i = 0; i < n; i++) {
        struct buf text = {0};
        must(buf_reserve(&text, 1));
        json_array_append_new(list, sample(g, ids, &text, i % 3)
                                        ? json_stringn(text.data, text.len)
                                        : json_null());
        buf_free(&text);
    }
    mem_free(ids);
    return list;
}

static json_t *judge(const glass_grammar *g, json_t *texts) {
    json_t *list = json_array(), *text;
    glass_grammar_state *s;
    size_t i;
    must(glass_grammar_state_create(&s, g, 0));
    json_array_foreach(texts, i, text) {
        glass_grammar_state_reset(s);
        glass_status status = glass_grammar_state_accept_bytes(s, json_string_value(text),
                                                               json_string_length(text));
        if (status != GLASS_NEGATIVE) must(status);
        json_array_append_new(
            list, json_boolean(status == GLASS_OK && glass_grammar_state_may_end(s)));
    }
    glass_grammar_state_free(s);
    return list;
}

static void answer(json_t *request) {
    json_t *schema = json_object_get(request, "schema"),
           *gbnf = json_object_get(request, "gbnf"), *reply = json_object();
    glass_grammar_options o = {.compact =
                                   json_is_true(json_object_get(request, "compact"))};
    glass_grammar *g;
    glass_status status =
        schema != NULL ? glass_grammar_from_schema(&g, tokenizer, json_string_value(schema),
                                                   json_string_length(schema), &o)
                       : glass_grammar_from_gbnf(&g, tokenizer, json_string_value(gbnf),
                                                 json_string_length(gbnf), &o);
    if (status != GLASS_OK) {
        json_object_set_new(reply, "error", json_string(glass_error()));
    } else {
        must(gram_vocab_of(&vocab, tokenizer));
        int n = (int)json_integer_value(json_object_get(request, "samples"));
        json_object_set_new(reply, "samples", samples(g, n));
        json_object_set_new(reply, "whole", judge(g, json_object_get(request, "texts")));
        glass_grammar_free(g);
    }
    json_dumpf(reply, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
    putchar('\n');
    fflush(stdout);
    json_decref(reply);
}

int main(int argc, char **argv) {
    glass_tokenizer *t;
    char *line = NULL;
    size_t cap = 0;
    json_error_t error;
    if (argc < 2) {
        fprintf(stderr, "usage: grammar_draw VOCABULARY [SEED] <REQUESTS\n");
        return 2;
    }
    must(glass_tokenizer_open(&t, argv[1]));
    tokenizer = t;
    seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    while (getline(&line, &cap, stdin) > 0) {
        json_t *request = json_loads(line, JSON_ALLOW_NUL, &error);
        if (request == NULL) {
            fprintf(stderr, "grammar_draw: %s\n", error.text);
            return 3;
        }
        answer(request);
        json_decref(request);
    }
    free(line);
    glass_tokenizer_close(t);
    return 0;
}
