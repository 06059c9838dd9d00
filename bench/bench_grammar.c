/* bench_grammar.c - what a form costs: compiling it, its masks, and answers with and without it.
 *
 *   bench_grammar VOCABULARY
 *   bench_grammar MODEL [TOKENS] [ROUNDS] [THREADS]
 *
 * A vocabulary alone: milliseconds to compile each form, then microseconds a token for masks of
 * random walks, of the processor: the first walk, which meets no mask that was made before, and the hundred after
 * it. A model: tokens a second of answers of so many tokens (default 96), free and of each form in
 * turn, so many rounds (default 7): medians, and the median of each round's ratio; then the
 * first answer of a grammar that was compiled just now, compiling included. Where a form is
 * at its end the answer goes on with another beginning. */
#include "base/clock.h"
#include "glass/glass.h"
#include "text/tokenizer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// clang-format off
static const struct form {
    const char *name, *schema, *gbnf;
} forms[] = {
    {"any JSON object", NULL, NULL},
    {"person",
     "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"age\":{\"type\":\"integer\",\"minimum\":0,"
     "\"maximum\":130},\"email\":{\"type\":\"string\",\"format\":\"email\"},\"tags\":{\"type\":\"array\",\"items\":{\"type\":"
     "\"string\"},\"maxItems\":5},\"bio\":{\"type\":\"string\",\"maxLength\":500}},\"required\":[\"name\",\"age\",\"email\","
     "\"tags\",\"bio\"],\"additionalProperties\":false}", NULL},
    {"tool calls",
     "{\"type\":\"array\",\"minItems\":1,\"items\":{\"anyOf\":[{\"type\":\"object\",\"properties\":{\"name\":{\"const\":"
     "\"get_weather\"},\"arguments\":{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"},\"unit\":{\"enum\":"
     "[\"celsius\",\"fahrenheit\"]},\"day\":{\"type\":\"string\",\"format\":\"date\"}},\"required\":[\"city\"]}},\"required\":"
     "[\"name\",\"arguments\"]},{\"type\":\"object\",\"properties\":{\"name\":{\"const\":\"search\"},\"arguments\":{\"type\":"
     "\"object\",\"properties\":{\"query\":{\"type\":\"string\",\"minLength\":3},\"limit\":{\"type\":\"integer\",\"minimum\":1,"
     "\"maximum\":50},\"sites\":{\"type\":\"array\",\"items\":{\"type\":\"string\",\"format\":\"uri\"}}},\"required\":"
     "[\"query\"]}},\"required\":[\"name\",\"arguments\"]}]}}", NULL},
    {"tree of $ref",
     "{\"$defs\":{\"node\":{\"type\":\"object\",\"properties\":{\"value\":{\"type\":[\"string\",\"number\",\"null\"]},"
     "\"children\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/node\"}}},\"required\":[\"value\",\"children\"]}},"
     "\"$ref\":\"#/$defs/node\"}", NULL},
    {"payment: if, oneOf",
     "{\"type\":\"object\",\"properties\":{\"method\":{\"enum\":[\"card\",\"cash\"]},\"number\":{\"type\":"
     "\"string\",\"pattern\":\"^\\\\d{4}$\"},\"from\":{\"oneOf\":[{\"type\":\"object\",\"properties\":{\"k"
     "ind\":{\"const\":\"shop\",\"default\":\"shop\"},\"name\":{\"type\":\"string\"}},\"required\":[\"name"
     "\"]},{\"type\":\"object\",\"properties\":{\"kind\":{\"const\":\"site\",\"default\":\"site\"},\"url\":"
     "{\"type\":\"string\",\"format\":\"uri\"}},\"required\":[\"url\"]},{\"type\":\"object\",\"properties"
     "\":{\"kind\":{\"const\":\"person\",\"default\":\"person\"},\"name\":{\"type\":\"string\"},\"age\":{"
     "\"type\":\"integer\"}},\"required\":[\"name\",\"age\"]}]}},\"required\":[\"method\",\"from\"],\"if\":"
     "{\"properties\":{\"method\":{\"const\":\"card\"}}},\"then\":{\"required\":[\"number\"]},\"else\":{\"p"
     "roperties\":{\"number\":false}}}", NULL},
    {"prose (GBNF)", NULL, "root ::= sentence (\" \" sentence)*\nsentence ::= [A-Z] [a-z]* ([,;]? \" \" word)* [.!?]\n"
     "word ::= [a-zA-Z]+ (\"-\" [a-z]+)? | [0-9]{1,4}\n"},
    {"arithmetic (GBNF)", NULL, "root ::= (expr \"=\" term \"\\n\")+\nexpr ::= term ([-+*/] term)*\n"
     "term ::= ident | num | \"(\" ws expr \")\" ws\nident ::= [a-z] [a-z0-9_]* ws\nnum ::= [0-9]+ ws\nws ::= [ \\t\\n]*\n"},
};
// clang-format on
enum { FORMS = sizeof forms / sizeof *forms, MOST_ROUNDS = 64 };

static void check(glass_status status) {
    if (status == GLASS_OK) return;
    fprintf(stderr, "bench_grammar: %s\n", glass_error());
    exit(glass_status_exit_code(status));
}

static glass_grammar *compile(const glass_tokenizer *t, const struct form *f) {
    glass_grammar *g;
    check(f->schema != NULL
              ? glass_grammar_from_schema(&g, t, f->schema, strlen(f->schema), NULL)
          : f->gbnf != NULL ? glass_grammar_from_gbnf(&g, t, f->gbnf, strlen(f->gbnf), NULL)
                            : glass_grammar_from_json_object(&g, t, NULL));
    return g;
}

/* Of this thread: other programs do not count. */
static double processor_time(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, int n) {
    qsort(x, (size_t)n, sizeof *x, by_value);
    return x[n / 2];
}

/* --- masks --------------------------------------------------------------------------------- */

struct walk {
    double mask, most, accept; /* seconds */
    int64_t n;
};

/* Up to 60 tokens, mostly short ones. */
static void random_walk(const glass_grammar *g, int32_t n_vocab, int32_t *ids,
                        uint64_t *seed, struct walk *out) {
    glass_grammar_state *s;
    check(glass_grammar_state_create(&s, g, GLASS_CONTINUE));
    for (int step = 0; step < 60 && !glass_grammar_state_finished(s); step++) {
        const uint64_t *bits;
        uint32_t n = 0;
        double start = processor_time();
        check(glass_grammar_state_mask(s, &bits));
        double took = processor_time() - start;
        out->mask += took;
        if (took > out->most) out->most = took;
        for (int32_t w = 0; w < (n_vocab + 63) / 64; w++)
            for (uint64_t left = bits[w]; left != 0; left &= left - 1)
                ids[n++] = 64 * w + __builtin_ctzll(left);
        if (n == 0) break;
        *seed = tok_mix(*seed + 0x9e3779b97f4a7c15);
        int32_t id = ids[*seed % n];
        start = processor_time();
        check(glass_grammar_state_accept(s, id));
        out->accept += processor_time() - start;
        out->n++;
    }
    glass_grammar_state_free(s);
}

static void bench_vocabulary(const glass_tokenizer *t) {
    int32_t n_vocab = (int32_t)glass_tokenizer_n_vocab(t), *ids;
    ids = malloc((size_t)n_vocab * sizeof *ids);
    double start = processor_time();
    glass_grammar_free(compile(t, &forms[0]));
    printf("%d tokens; their tree and the first grammar: %.1f ms\n", (int)n_vocab,
           1e3 * (processor_time() - start));
    printf("%-18s %10s %10s %12s %12s %12s %12s %10s\n", "", "compile ms", "kB", "first us",
           "most us", "later us", "most us", "accept us");
    for (int i = 0; i < FORMS; i++) {
        struct walk first = {0}, later = {0};
        double times[9];
        uint64_t seed = 1;
        for (int k = 0; k < 9; k++) {
            start = processor_time();
            glass_grammar_free(compile(t, &forms[i]));
            times[k] = processor_time() - start;
        }
        glass_grammar *g = compile(t, &forms[i]);
        random_walk(g, n_vocab, ids, &seed, &first);
        for (int k = 0; k < 100; k++) random_walk(g, n_vocab, ids, &seed, &later);
        printf("%-18s %10.2f %10.0f %12.1f %12.0f %12.1f %12.0f %10.2f\n", forms[i].name,
               1e3 * median(times, 9), (double)glass_grammar_memory(g) / 1e3,
               1e6 * first.mask / (double)first.n, 1e6 * first.most,
               1e6 * later.mask / (double)later.n, 1e6 * later.most,
               1e6 * later.accept / (double)later.n);
        glass_grammar_free(g);
    }
    free(ids);
}

/* --- answers ------------------------------------------------------------------------------- */

struct engine {
    glass_session *session;
    glass_sampler *sampler;
    const glass_tokenizer *tokenizer;
    float *logits;
    int64_t n_vocab, n_tokens;
    double sampling; /* seconds in the sampler, of the last answer */
};

/* Seconds for an answer behind the same prompt. */
static double answer(struct engine *e, const glass_grammar *g, uint64_t *hash) {
    int32_t *ids, id;
    int64_t n;
    check(glass_tokenizer_encode(e->tokenizer, &ids, &n, "Answer:", 7, 0));
    check(glass_session_truncate(e->session, 0));
    check(glass_session_eval(e->session, ids, n, e->logits));
    glass_free(ids);
    glass_sampler_reset(e->sampler);
    e->sampling = 0;
    double start = clock_now();
    check(glass_sampler_set_grammar(e->sampler, g, 0));
    for (int64_t i = 0; i < e->n_tokens; i++) {
        glass_grammar_state *place = glass_sampler_grammar(e->sampler);
        double before = processor_time();
        if (place != NULL && glass_grammar_state_finished(place))
            glass_grammar_state_reset(place);
        check(glass_sampler_next(e->sampler, &id, e->logits, e->n_vocab));
        e->sampling += processor_time() - before;
        *hash = tok_mix(*hash ^ (uint64_t)id);
        check(glass_session_eval(e->session, &id, 1, e->logits));
    }
    double took = clock_now() - start;
    check(glass_sampler_set_grammar(e->sampler, NULL, 0));
    return took;
}

static void bench_model(struct engine *e, int rounds) {
    glass_grammar *grammars[FORMS];
    double free_time[MOST_ROUNDS], time[FORMS][MOST_ROUNDS], ratio[FORMS][MOST_ROUNDS],
        first[FORMS], sampling[FORMS] = {0}, free_sampling = 0;
    uint64_t hash = 0;
    answer(e, NULL, &hash);
    glass_grammar_free(compile(e->tokenizer, &forms[0])); /* the vocabulary's tree */
    for (int i = 0; i < FORMS; i++) {
        double start = clock_now();
        grammars[i] = compile(e->tokenizer, &forms[i]);
        first[i] = clock_now() - start;
        first[i] += answer(e, grammars[i], &hash);
    }
    for (int r = 0; r < rounds; r++) {
        free_time[r] = answer(e, NULL, &hash);
        free_sampling += e->sampling;
        for (int i = 0; i < FORMS; i++) {
            time[i][r] = answer(e, grammars[i], &hash);
            ratio[i][r] = free_time[r] / time[i][r];
            sampling[i] += e->sampling;
        }
    }
    double n = (double)e->n_tokens, plain = median(free_time, rounds);
    printf("%-18s %8.1f tok/s %26s sampling %7.1f us\n", "free", n / plain, "",
           1e6 * free_sampling / (n * rounds));
    for (int i = 0; i < FORMS; i++) {
        printf("%-18s %8.1f tok/s  ratio %5.3f, first %5.3f  sampling %7.1f us\n",
               forms[i].name, n / median(time[i], rounds), median(ratio[i], rounds),
               plain / first[i], 1e6 * sampling[i] / (n * rounds));
        glass_grammar_free(grammars[i]);
    }
}

int main(int argc, char **argv) {
    glass_model *model;
    glass_model_info info;
    glass_tokenizer *t;
    struct engine e = {0};
    if (argc < 2) {
        fprintf(stderr,
                "usage: bench_grammar VOCABULARY | MODEL [TOKENS] [ROUNDS] [THREADS]\n");
        return 2;
    }
    if (argc == 2) {
        check(glass_tokenizer_open(&t, argv[1]));
        bench_vocabulary(t);
        glass_tokenizer_close(t);
        return 0;
    }
    int rounds = argc > 3 ? atoi(argv[3]) : 7;
    e.n_tokens = atoi(argv[2]);
    if (rounds < 1 || rounds > MOST_ROUNDS || e.n_tokens < 1) return 2;
    glass_session_options o = {.n_ctx = e.n_tokens + 64,
                               .n_threads = argc > 4 ? atoi(argv[4]) : 0};
    glass_sampler_options so;
    glass_sampler_defaults(&so);
    so.seed = 1;
    check(glass_model_open(&model, argv[1], NULL));
    check(glass_tokenizer_open(&t, argv[1]));
    e.tokenizer = t;
    glass_model_get_info(model, &info);
    e.n_vocab = info.n_vocab;
    e.logits = malloc((size_t)e.n_vocab * sizeof *e.logits);
    check(glass_session_create(&e.session, model, &o));
    check(glass_sampler_create(&e.sampler, t, &so));
    bench_model(&e, rounds);
    glass_sampler_free(e.sampler);
    glass_session_free(e.session);
    free(e.logits);
    glass_tokenizer_close(t);
    glass_model_close(model);
    return 0;
}
