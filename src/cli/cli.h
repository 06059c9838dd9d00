/* cli.h - what the commands share. The commands are clients of include/glass/ only (plus
 * base/buf.h for text and the store's public header). */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "base/buf.h"
#include "cli/adapters.h"
#include "cli/form.h"
#include "cli/opts.h"

int cmd_chat(int argc, char **argv);
int cmd_complete(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_pull(int argc, char **argv);
int cmd_tokenizer(int argc, char **argv);
int cmd_convert(int argc, char **argv);
int cmd_tokenizer_train(int argc, char **argv); /* a part of the one above */
int cmd_eval(int argc, char **argv);
int cmd_quantize(int argc, char **argv);
int cmd_train(int argc, char **argv);
int cmd_data(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_sign(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_feedback(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_audit(int argc, char **argv);
int cmd_inspect(int argc, char **argv);

/* What commands take that talk and are given no MODEL; setup.sh gets it. */
#define CLI_DEFAULT_MODEL "SmolLM2-135M-Instruct"

/* Prints "glass: <last error>" on stderr and returns the status's exit code; 130, as shells
 * expect it, after Ctrl-C, and 143 after a caught SIGTERM. */
int cli_fail(glass_status status);
/* The same where processes share the work: what went wrong is said once, by the one that it
 * happened to or by rank 0; where a process died, by each of the others. */
int cli_fail_one(const glass_processes *p, glass_status status);
enum { CLI_INTERRUPTED = 130, CLI_TERMINATED = 143 };
/* Seconds on a clock that never goes back. */
double cli_now(void);
/* A --cache-type. GLASS_USAGE if no cache can be of it. */
glass_status cli_cache_type(glass_dtype *out, const char *name);
/* An option's value that must fit 32 bits. */
glass_status cli_narrow(int32_t *out, int64_t value, const char *option);
/* Finds a model by name or path and opens it, with progress on a terminal. GLASS_BAD_INPUT if
 * it has no tokenizer. */
glass_status cli_open_model(glass_model **out, const char *name, bool mlock);
/* Text of a model or a stranger on standard output, where a terminal shows it: what would steer
 * that (escapes, backspace, C1) becomes U+FFFD. The text ends between characters. */
void cli_print_safely(const char *text, size_t n_bytes);
/* "1.2 GB"; writes into text. */
const char *cli_bytes(char text[32], double n_bytes);
/* "s" unless there is one. */
const char *cli_plural(int64_t n);
/* Set by Ctrl-C after cli_catch_interrupt, to the signal's number; commands clear it. A second
 * Ctrl-C before that ends the program. */
extern volatile int cli_interrupted;
void cli_catch_interrupt(void);
/* The same, and for SIGTERM: commands that write a file and remove what is not whole. */
void cli_catch_stop(void);

/* Options that every command which runs a model has. */
struct run_options {
    int64_t n_ctx, n_threads, n_batch, n_predict, seed;
    const char *cache_type;
    const char *draft; /* a model that proposes */
    int64_t n_draft, lookup;
    bool mlock, json, ignore_eos;
    glass_sampler_options sampler;
    int64_t top_k, penalty_last_n, mirostat, dry_allowed_length, dry_last_n;
    struct opt_list stop, bias, breakers, adapters;
    struct cli_form form;
};
/* The rows of those options, to be pasted into a table. */
// clang-format off
#define SPECULATION_OPTIONS(r)                                                               \
    {"The same answer in fewer passes", 0, OPT_HEADING, NULL, NULL, NULL},                   \
    {"draft", 0, OPT_TEXT, &(r).draft, "MODEL", "a fast model of the same vocabulary proposes tokens"}, \
    {"lookup", 0, OPT_MAYBE, &(r).lookup, "[N]", "what followed the last N (2) tokens before is proposed"}, \
    {"draft-n", 0, OPT_INT, &(r).n_draft, "N", "most tokens proposed at once (16)"}
#define RUN_OPTIONS(r)                                                                       \
    {"Running", 0, OPT_HEADING, NULL, NULL, NULL},                                           \
    ADAPTER_OPTION((r).adapters),                                                            \
    {"ctx", 'c', OPT_INT, &(r).n_ctx, "N", "context positions (default: the model's, at most 4096)"}, \
    {"predict", 'n', OPT_INT, &(r).n_predict, "N", "most tokens to answer (-1: until it ends)"}, \
    {"threads", 't', OPT_INT, &(r).n_threads, "N", "threads (default: all cores)"},         \
    {"batch", 'b', OPT_INT, &(r).n_batch, "N", "most prompt tokens in one pass (512)"},     \
    {"cache-type", 0, OPT_TEXT, &(r).cache_type, "TYPE", "key/value cache: f32, f16, q8_0"}, \
    {"mlock", 0, OPT_FLAG, &(r).mlock, NULL, "pin the weights in memory"},                   \
    {"ignore-eos", 0, OPT_FLAG, &(r).ignore_eos, NULL, "never let the model end the answer"}, \
    {"stop", 0, OPT_LIST, &(r).stop, "TEXT", "stop before this text (repeatable)"},          \
    FORM_OPTIONS((r).form),                                                                  \
    SPECULATION_OPTIONS(r),                                                                  \
    {"Sampling", 0, OPT_HEADING, NULL, NULL, NULL},                                          \
    {"temp", 0, OPT_FLOAT, &(r).sampler.temperature, "F", "temperature, 0 = greedy (0.8)"},  \
    {"top-k", 0, OPT_INT, &(r).top_k, "N", "keep the N likeliest (40, 0 = all)"},            \
    {"top-p", 0, OPT_FLOAT, &(r).sampler.top_p, "F", "keep this much probability (0.95)"},   \
    {"min-p", 0, OPT_FLOAT, &(r).sampler.min_p, "F", "least share of the best one's (0.05)"}, \
    {"typical", 0, OPT_FLOAT, &(r).sampler.typical_p, "F", "locally typical mass (1 = off)"}, \
    {"repeat-penalty", 0, OPT_FLOAT, &(r).sampler.repeat_penalty, "F", "1 = off"},           \
    {"presence-penalty", 0, OPT_FLOAT, &(r).sampler.presence_penalty, "F", "0 = off"},       \
    {"frequency-penalty", 0, OPT_FLOAT, &(r).sampler.frequency_penalty, "F", "0 = off"},     \
    {"repeat-last-n", 0, OPT_INT, &(r).penalty_last_n, "N", "tokens that penalties see (64, -1 = all)"}, \
    {"mirostat", 0, OPT_INT, &(r).mirostat, "N", "0 = off, 1, 2"},                           \
    {"mirostat-tau", 0, OPT_FLOAT, &(r).sampler.mirostat_tau, "F", "target surprise (5)"},   \
    {"mirostat-eta", 0, OPT_FLOAT, &(r).sampler.mirostat_eta, "F", "learning rate (0.1)"},   \
    {"dry-multiplier", 0, OPT_FLOAT, &(r).sampler.dry_multiplier, "F", "0 = off"},           \
    {"dry-base", 0, OPT_FLOAT, &(r).sampler.dry_base, "F", "1.75"},                          \
    {"dry-allowed-length", 0, OPT_INT, &(r).dry_allowed_length, "N", "2"},                   \
    {"dry-last-n", 0, OPT_INT, &(r).dry_last_n, "N", "tokens that DRY sees (-1 = all)"},     \
    {"dry-breaker", 0, OPT_LIST, &(r).breakers, "TEXT", "ends DRY's matches (repeatable)"}, \
    {"xtc-probability", 0, OPT_FLOAT, &(r).sampler.xtc_probability, "F", "0 = off"},         \
    {"xtc-threshold", 0, OPT_FLOAT, &(r).sampler.xtc_threshold, "F", "0.1"},                 \
    {"logit-bias", 0, OPT_LIST, &(r).bias, "ID+B|ID-B", "add B to a token's logit (repeatable)"}, \
    {"seed", 's', OPT_INT, &(r).seed, "N", "same seed, same answer (0; -1 takes a random one)"}
// clang-format on

void run_options_init(struct run_options *r);

/* A model at work: opened, with a session and a sampler. */
struct engine {
    glass_model *model;
    struct cli_adapters adapters;
    glass_session *session;
    glass_sampler *sampler;
    const glass_tokenizer *tokenizer;
    glass_model *draft;
    glass_speculator *speculator; /* NULL: every token is a pass */
    glass_grammar *grammar;       /* of every answer; NULL: any text */
    float *logits;                /* (n_vocab) after the prompt */
    int64_t n_vocab;
    glass_logit_bias *bias; /* owned */
    /* Of the last engine_feed and engine_answer. */
    int64_t n_prompt, n_cached, n_answer;
    double prompt_s, answer_s;
    glass_speculative_stats speculation;
};

/* Finds the model by name or path, loads it (progress on a terminal) and makes the rest. */
glass_status engine_open(struct engine *e, const char *name, struct run_options *r);
void engine_close(struct engine *e);
/* A new sampler with another seed. */
glass_status engine_reseed(struct engine *e, struct run_options *r, int64_t seed);
/* Makes the session hold exactly these tokens, reusing what it already holds of them. Shows
 * progress on a terminal when it takes long. GLASS_CANCELLED after Ctrl-C. */
glass_status engine_feed(struct engine *e, const int32_t *ids, int64_t n);

struct answer_options {
    int64_t n_predict; /* -1: until the model ends it or the context is full */
    const struct opt_list *stop;
    int logprobs; /* alternatives per token, -1 = none */
    bool goes_on; /* the text goes on from the prompt's: its first space is real */
    bool infill;  /* ends where a filled-in text ends, too */
    /* Called with text as it becomes certain (never part of a stop text). */
    glass_status (*text)(void *context, const char *text, size_t n_bytes);
    /* Called per token when logprobs >= 0; log-probabilities (n_vocab) are borrowed. */
    glass_status (*token)(void *context, int32_t id, const float *logprobs);
    void *context;
};
enum answer_end { END_MODEL, END_STOP, END_LENGTH, END_CONTEXT, END_INTERRUPT };
glass_status engine_answer(struct engine *e, const struct answer_options *o,
                           enum answer_end *end);
/* ,"passes":…,"proposed":…,"accepted":… of the last answer; nothing without a speculator. */
glass_status engine_speculation_json(const struct engine *e, struct buf *out);
const char *answer_end_name(enum answer_end end);

#endif
