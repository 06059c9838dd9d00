/* engine.c - a model at work: loading with progress, feeding, answering, stop texts. */
#include "base/clock.h"
#include "cli/cli.h"
#include "store/store.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/random.h>
#include <unistd.h>

volatile int cli_interrupted;

static void on_interrupt(int number) {
    if (cli_interrupted) {
        signal(number, SIG_DFL);
        raise(number);
    }
    cli_interrupted = number;
}

void cli_catch_interrupt(void) {
    struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
}

void cli_catch_stop(void) {
    struct sigaction action = {.sa_handler = on_interrupt};
    cli_catch_interrupt();
    sigaction(SIGTERM, &action, NULL);
}

int cli_fail(glass_status status) {
    fprintf(stderr, "glass: %s\n", glass_error());
    if (status != GLASS_CANCELLED) return glass_status_exit_code(status);
    return cli_interrupted == SIGTERM ? CLI_TERMINATED : CLI_INTERRUPTED;
}

int cli_fail_one(const glass_processes *p, glass_status status) {
    if (glass_processes_size(p) == 1) return cli_fail(status);
    bool said = glass_processes_told(p) ||
                (status == GLASS_CANCELLED && glass_processes_rank(p) > 0);
    if (!said)
        fprintf(stderr, "glass: rank %d: %s\n", glass_processes_rank(p), glass_error());
    return status == GLASS_CANCELLED ? CLI_INTERRUPTED : glass_status_exit_code(status);
}

double cli_now(void) {
    return clock_now();
}

glass_status cli_cache_type(glass_dtype *out, const char *name) {
    if (glass_dtype_parse(out, name) == GLASS_OK &&
        (*out == GLASS_F32 || *out == GLASS_F16 || *out == GLASS_Q8_0))
        return GLASS_OK;
    return fail(GLASS_USAGE, "--cache-type %.40s: f32, f16 and q8_0 are possible", name);
}

const char *cli_bytes(char text[32], double n) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    int i = 0;
    while (n >= 1000 && i < 4) {
        n /= 1000;
        i++;
    }
    snprintf(text, 32, i == 0 || n >= 100 ? "%.0f %s" : "%.1f %s", n, units[i]);
    return text;
}

const char *cli_plural(int64_t n) {
    return n == 1 ? "" : "s";
}

void cli_print_safely(const char *text, size_t n) {
    for (size_t i = 0; i < n; i++) {
        unsigned char ch = (unsigned char)text[i];
        bool c1 = ch == 0xc2 && i + 1 < n && (unsigned char)text[i + 1] >= 0x80 &&
                  (unsigned char)text[i + 1] < 0xa0;
        if ((ch < ' ' && ch != '\n' && ch != '\t') || ch == 0x7f || c1) {
            fputs("\xef\xbf\xbd", stdout);
            i += c1;
        } else {
            putchar(ch);
        }
    }
}

void run_options_init(struct run_options *r) {
    *r = (struct run_options){.n_predict = -1, .cache_type = "f32"};
    glass_sampler_defaults(&r->sampler);
    r->top_k = r->sampler.top_k;
    r->penalty_last_n = r->sampler.penalty_last_n;
    r->dry_allowed_length = r->sampler.dry_allowed_length;
    r->dry_last_n = r->sampler.dry_last_n;
}

static bool show_progress(void *context, double fraction) {
    double *last = context;
    /* Nothing for what is quick: the line appears after a third of a second. */
    if (cli_now() - last[0] > 0.3 && fraction - last[1] > 0.01) {
        fprintf(stderr, "\rloading %3.0f%%\x1b[K", 100 * fraction);
        last[1] = fraction;
    }
    if (fraction >= 1 && last[1] > 0) fprintf(stderr, "\r\x1b[K");
    return !cli_interrupted;
}

/* "--logit-bias 15043+1.5" */
static glass_status parse_bias(struct engine *e, const char *text, glass_logit_bias *out) {
    char *end, *last;
    long id = strtol(text, &end, 10);
    float bias = strcmp(end, "-inf") == 0 ? -INFINITY : strtof(end, &last);
    if (end == text || (bias != -INFINITY && (end == last || *last)) || id < 0 ||
        id >= e->n_vocab)
        return fail(GLASS_USAGE, "--logit-bias %s: an id below %lld, then +B, -B or -inf",
                    text, (long long)e->n_vocab);
    *out = (glass_logit_bias){(int32_t)id, bias};
    return GLASS_OK;
}

/* The command line's, and with --ignore-eos every token that would end the answer. */
static glass_status make_bias(struct engine *e, struct run_options *r) {
    size_t n_ends = 0;
    for (int64_t id = 0; r->ignore_eos && id < e->n_vocab; id++)
        n_ends += glass_tokenizer_is_end(e->tokenizer, (int32_t)id);
    TRY(mem_alloc(&e->bias, (size_t)r->bias.n + n_ends, sizeof *e->bias));
    for (int i = 0; i < r->bias.n; i++) TRY(parse_bias(e, r->bias.items[i], &e->bias[i]));
    r->sampler.n_bias = r->bias.n;
    for (int64_t id = 0; r->ignore_eos && id < e->n_vocab; id++)
        if (glass_tokenizer_is_end(e->tokenizer, (int32_t)id))
            e->bias[r->sampler.n_bias++] = (glass_logit_bias){(int32_t)id, -INFINITY};
    r->sampler.bias = e->bias;
    return GLASS_OK;
}

glass_status cli_narrow(int32_t *out, int64_t value, const char *option) {
    if (value < INT32_MIN || value > INT32_MAX)
        return fail(GLASS_USAGE, "--%s %lld: too large", option, (long long)value);
    *out = (int32_t)value;
    return GLASS_OK;
}

static glass_status make_sampler(struct engine *e, struct run_options *r) {
    int32_t mirostat;
    TRY(make_bias(e, r));
    TRY(cli_narrow(&r->sampler.top_k, r->top_k, "top-k"));
    TRY(cli_narrow(&r->sampler.penalty_last_n, r->penalty_last_n, "repeat-last-n"));
    TRY(cli_narrow(&mirostat, r->mirostat, "mirostat"));
    TRY(cli_narrow(&r->sampler.dry_allowed_length, r->dry_allowed_length,
                   "dry-allowed-length"));
    TRY(cli_narrow(&r->sampler.dry_last_n, r->dry_last_n, "dry-last-n"));
    r->sampler.mirostat = mirostat;
    if (r->breakers.n > 0) {
        r->sampler.dry_breakers = r->breakers.items;
        r->sampler.n_dry_breakers = r->breakers.n;
    }
    if (r->n_predict < -1)
        return fail(GLASS_USAGE, "--predict %lld: -1 (until it ends), 0 or more",
                    (long long)r->n_predict);
    if (r->seed < 0) {
        uint32_t random;
        if (getrandom(&random, sizeof random, 0) != sizeof random)
            return fail_errno("no random seed");
        r->seed = random;
    }
    return engine_reseed(e, r, r->seed);
}

glass_status engine_reseed(struct engine *e, struct run_options *r, int64_t seed) {
    glass_sampler *sampler;
    r->sampler.seed = (uint64_t)seed;
    TRY(glass_sampler_create(&sampler, e->tokenizer, &r->sampler));
    glass_sampler_free(e->sampler);
    e->sampler = sampler;
    return GLASS_OK;
}

glass_status cli_open_model(glass_model **out, const char *name, bool mlock) {
    double last[2] = {cli_now(), 0};
    char *path;
    *out = NULL;
    TRY(store_resolve(&path, name));
    glass_model_options options = {.lock_memory = mlock, .context = last};
    if (isatty(STDERR_FILENO)) options.progress = show_progress;
    glass_status status = glass_model_open(out, path, &options);
    mem_free(path);
    TRY(status);
    if (glass_model_tokenizer(*out) != NULL) return GLASS_OK;
    glass_model_close(*out);
    *out = NULL;
    return fail(GLASS_BAD_INPUT, "%s: the file carries no tokenizer", name);
}

static glass_status make_speculator(struct engine *e, const struct run_options *r) {
    glass_speculative_options o = {.n_draft = r->n_draft,
                                   .lookup = r->lookup < 0 ? 2 : r->lookup};
    if (r->draft == NULL && r->lookup == 0) {
        if (r->n_draft == 0) return GLASS_OK;
        return fail(GLASS_USAGE, "--draft-n is for --draft and --lookup");
    }
    if (r->draft != NULL) TRY(cli_open_model(&e->draft, r->draft, r->mlock));
    o.draft = e->draft;
    return glass_speculator_create(&e->speculator, e->session, &o);
}

glass_status engine_open(struct engine *e, const char *name, struct run_options *r) {
    *e = (struct engine){0};
    glass_model_info info;
    glass_session_options options = {.n_ctx = r->n_ctx, .n_batch = r->n_batch};
    TRY(cli_narrow(&options.n_threads, r->n_threads, "threads"));
    TRY(cli_cache_type(&options.cache_type, r->cache_type));
    TRY(cli_open_model(&e->model, name, r->mlock));
    e->tokenizer = glass_model_tokenizer(e->model);
    glass_model_get_info(e->model, &info);
    e->n_vocab = info.n_vocab;
    TRY(cli_adapters_open(&e->adapters, e->model, &r->adapters));
    options.adapters = e->adapters.uses;
    options.n_adapters = e->adapters.n;
    TRY(glass_session_create(&e->session, e->model, &options));
    TRY(make_speculator(e, r));
    TRY(cli_form_open(&e->grammar, e->tokenizer, &r->form));
    TRY(mem_alloc(&e->logits, (size_t)e->n_vocab, sizeof *e->logits));
    return make_sampler(e, r);
}

void engine_close(struct engine *e) {
    mem_free(e->logits);
    mem_free(e->bias);
    glass_sampler_free(e->sampler);
    glass_grammar_free(e->grammar);
    glass_speculator_free(e->speculator);
    glass_session_free(e->session);
    glass_model_close(e->draft);
    cli_adapters_close(&e->adapters);
    glass_model_close(e->model);
    *e = (struct engine){0};
}

enum { FEED_PIECE = 512 };

/* In pieces, so that Ctrl-C is heard; how tokens are cut changes no bit of the result. */
static glass_status feed_pieces(struct engine *e, const int32_t *ids, int64_t from,
                                int64_t n) {
    double start = cli_now();
    bool shown = false;
    glass_status status = GLASS_OK;
    for (int64_t at = from; status == GLASS_OK && at < n;) {
        int64_t step = n - at < FEED_PIECE ? n - at : FEED_PIECE;
        status = cli_interrupted
                     ? fail(GLASS_CANCELLED, "stopped after %lld of %lld prompt tokens",
                            (long long)at, (long long)n)
                     : glass_session_eval(e->session, ids + at, step,
                                          at + step == n ? e->logits : NULL);
        at += step;
        if (cli_now() - start < 1 || at == n || !isatty(STDERR_FILENO)) continue;
        fprintf(stderr, "\rreading %3.0f%%\x1b[K", 100.0 * (double)at / (double)n);
        shown = true;
    }
    if (shown) fprintf(stderr, "\r\x1b[K");
    return status;
}

glass_status engine_feed(struct engine *e, const int32_t *ids, int64_t n) {
    int64_t held, same = 0;
    const int32_t *tokens = glass_session_tokens(e->session, &held);
    while (same < held && same < n && tokens[same] == ids[same]) same++;
    if (same == n && n > 0) same = n - 1; /* the last one gives the logits */
    if (n > glass_session_n_ctx(e->session))
        return fail(
            GLASS_BAD_INPUT,
            "the prompt has %lld tokens and the context %lld positions: shorten it, "
            "or give more with -c",
            (long long)n, (long long)glass_session_n_ctx(e->session));
    TRY(glass_session_truncate(e->session, same));
    double start = cli_now();
    TRY(feed_pieces(e, ids, same, n));
    e->prompt_s = cli_now() - start;
    e->n_prompt = n;
    e->n_cached = same;
    glass_sampler_reset(e->sampler);
    for (int64_t i = 0; i < n; i++) TRY(glass_sampler_accept(e->sampler, ids[i]));
    return GLASS_OK;
}

/* How much of text may be shown: up to a stop text (found), or up to where one may begin. */
static size_t certain(const struct buf *text, const struct opt_list *stop, bool *found) {
    size_t safe = text->len;
    *found = false;
    for (int i = 0; stop != NULL && i < stop->n; i++) {
        size_t n = strlen(stop->items[i]);
        for (size_t at = 0; n > 0 && at < safe; at++) {
            size_t left = text->len - at, compared = left < n ? left : n;
            if (memcmp(text->data + at, stop->items[i], compared) != 0) continue;
            safe = at;
            *found = compared == n;
            break;
        }
    }
    return safe;
}

/* Shows what is certain of the held-back text and keeps the rest. */
static glass_status show(struct buf *held, const struct answer_options *o, bool all,
                         bool *stopped) {
    size_t n = all ? held->len : certain(held, o->stop, stopped);
    if (n > 0) TRY(o->text(o->context, held->data, n));
    struct buf rest = {0};
    glass_status status = buf_append(&rest, held->len ? held->data + n : "", held->len - n);
    buf_free(held);
    *held = rest;
    return status;
}

/* Feeds the token that was chosen; *logits are those after it. *full: there is no room. */
static glass_status advance(struct engine *e, int32_t id, const float **logits,
                            bool *full) {
    int64_t used;
    glass_session_tokens(e->session, &used);
    if (e->speculator != NULL) used = glass_speculator_n_tokens(e->speculator);
    *full = used == glass_session_n_ctx(e->session);
    if (*full) return GLASS_OK;
    if (e->speculator != NULL)
        return glass_speculator_feed(e->speculator, id, e->sampler, logits);
    return glass_session_eval(e->session, &id, 1, e->logits);
}

static glass_status answer_loop(struct engine *e, const struct answer_options *o,
                                glass_token_stream *stream, struct buf *held,
                                float *logprobs, enum answer_end *end) {
    const char *text;
    size_t n_bytes;
    bool stopped = false, full;
    const float *logits = e->logits;
    for (e->n_answer = 0; o->n_predict < 0 || e->n_answer < o->n_predict;) {
        int32_t id;
        if (cli_interrupted) {
            *end = END_INTERRUPT;
            return GLASS_OK;
        }
        TRY(glass_sampler_next(e->sampler, &id, logits, e->n_vocab));
        if (o->infill ? glass_infill_is_end(e->tokenizer, id)
                      : glass_tokenizer_is_end(e->tokenizer, id)) {
            *end = END_MODEL;
            return GLASS_OK;
        }
        if (o->logprobs >= 0) {
            glass_logprobs(logprobs, logits, e->n_vocab);
            TRY(o->token(o->context, id, logprobs));
        }
        e->n_answer++;
        TRY(glass_token_stream_push(stream, id, &text, &n_bytes));
        TRY(buf_append(held, text, n_bytes));
        TRY(show(held, o, false, &stopped));
        if (stopped) {
            buf_clear(held);
            *end = END_STOP;
            return GLASS_OK;
        }
        if (e->grammar != NULL &&
            glass_grammar_state_finished(glass_sampler_grammar(e->sampler))) {
            *end = END_MODEL; /* nothing more may follow */
            return GLASS_OK;
        }
        TRY(advance(e, id, &logits, &full));
        if (full) {
            *end = END_CONTEXT;
            return GLASS_OK;
        }
    }
    *end = END_LENGTH;
    return GLASS_OK;
}

glass_status engine_answer(struct engine *e, const struct answer_options *o,
                           enum answer_end *end) {
    glass_token_stream *stream;
    struct buf held = {0};
    float *logprobs = NULL;
    bool ignored;
    double start = cli_now();
    unsigned flags = o->goes_on ? GLASS_CONTINUE : 0;
    TRY(glass_sampler_set_grammar(e->sampler, e->grammar, flags));
    TRY(glass_token_stream_create(&stream, e->tokenizer, flags));
    glass_status status = GLASS_OK;
    if (o->logprobs >= 0)
        status = mem_alloc(&logprobs, (size_t)e->n_vocab, sizeof *logprobs);
    if (e->speculator != NULL) {
        glass_speculator_begin(e->speculator);
        glass_speculator_reset_stats(e->speculator);
    }
    if (status == GLASS_OK) status = answer_loop(e, o, stream, &held, logprobs, end);
    if (e->speculator != NULL) {
        glass_speculator_settle(e->speculator);
        glass_speculator_get_stats(e->speculator, &e->speculation);
    }
    const char *text;
    size_t n_bytes;
    if (status == GLASS_OK && *end != END_STOP) {
        status = glass_token_stream_finish(stream, &text, &n_bytes);
        if (status == GLASS_OK) status = buf_append(&held, text, n_bytes);
        if (status == GLASS_OK) status = show(&held, o, true, &ignored);
    }
    e->answer_s = cli_now() - start;
    buf_free(&held);
    mem_free(logprobs);
    glass_token_stream_free(stream);
    return status;
}

glass_status engine_speculation_json(const struct engine *e, struct buf *out) {
    const glass_speculative_stats *s = &e->speculation;
    if (e->speculator == NULL) return GLASS_OK;
    return buf_printf(out, ",\"passes\":%lld,\"proposed\":%lld,\"accepted\":%lld",
                      (long long)s->n_passes,
                      (long long)(s->draft_proposed + s->lookup_proposed),
                      (long long)(s->draft_accepted + s->lookup_accepted));
}

const char *answer_end_name(enum answer_end end) {
    static const char *const names[] = {"end", "stop", "length", "context", "interrupt"};
    return names[end];
}
