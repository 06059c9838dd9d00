/* ask.h - what all APIs that make text share: the model of a request, how its tokens are
 * chosen, the jobs that answer it, and their events on the handler's own thread.
 *
 * An ask holds what a handler needs until it is done: ask_open … ask_close. Its jobs run at
 * once as far as the scheduler takes them; events of all come through ask_next in the order in
 * which they happened. */
#ifndef SERVE_ASK_H
#define SERVE_ASK_H

#include "glass/grammar.h"
#include "serve/fields.h"

enum {
    ASK_STOPS = 32,
    ASK_TOP = 20,
    ASK_BIAS = 4096,
    ASK_PROMPTS = 2048,
    ASK_CHOICES = 128
};

/* Names and meanings of sampling fields differ a little. */
enum ask_names { NAMES_OPENAI, NAMES_OLLAMA, NAMES_MESSAGES, NAMES_LLAMA };

struct ask_event {
    struct ask_event *next;
    int job; /* which of them */
    enum job_event_kind kind;
    int64_t n_prompt, n_cached, n_read;
    struct job_logprob token;
    const struct job_logprob *top; /* (n_top) */
    int64_t n_top;
    const char *text; /* NUL-terminated */
    size_t n_text;
    enum job_end end;
    const char *stop_text; /* NULL */
    glass_status status;
    const char *message;
    int64_t n_answer;
    double queued_s, prompt_s, answer_s;
    const float *embedding;
    int64_t n_embd;
    /* The arrays lie behind the event, in one piece of memory. */
};

struct ask_prompt {
    int32_t *ids; /* owned */
    int64_t n;
};

struct ask {
    struct exchange *x;
    struct served *served;
    const glass_model *model;
    const glass_tokenizer *tokenizer;
    const char *name; /* of the model, as this server calls it */
    int64_t n_vocab;
    struct job_request r; /* all but the prompt */
    bool seeded;
    glass_logit_bias *bias; /* owned */
    const char *stops[ASK_STOPS], *breakers[ASK_STOPS];
    glass_grammar *grammar; /* owned */
    struct ask_prompt *prompts;
    int64_t n_prompts;
    int64_t n_choices; /* of each prompt */
    struct ask_jobs *jobs;
    double began;
};

/* The model that the field "model" names (not given: the default one), loaded. A reply is
 * begun if there is none. */
glass_status ask_open(struct ask *a, struct exchange *x, const struct fields *f,
                      double keep_s);
void ask_close(struct ask *a);

/* Temperature and the rest, stop texts, bias, seed. */
glass_status ask_sampling(struct ask *a, const struct fields *f, enum ask_names names);
/* "grammar" (GBNF), or an object's or string's JSON schema, which *path names. */
glass_status ask_gbnf(struct ask *a, const char *path, const char *text, size_t n);
glass_status ask_schema(struct ask *a, const char *path, const json_t *schema);
glass_status ask_json_object(struct ask *a);
/* A stop text more. */
glass_status ask_stop(struct ask *a, const char *path, const char *text);

/* A list of tokens, checked; *ids is allocated (mem_free), or NULL without any. */
glass_status ask_take_ids(const struct ask *a, const struct fields *f, const char *name,
                          int32_t **ids, int64_t *n);
/* ids is the ask's from now on, also on failure. */
glass_status ask_add_prompt(struct ask *a, int32_t *ids, int64_t n);
/* Encodes text and adds it. */
glass_status ask_add_text(struct ask *a, const char *text, size_t n, unsigned flags);

/* Submits what fits; the rest follows in ask_next. Job i answers prompt i / n_choices. When the
 * first is not taken, a reply is begun and GLASS_CANCELLED is returned. */
glass_status ask_submit(struct ask *a);
int64_t ask_n_jobs(const struct ask *a);
/* The next event (borrowed until the next call); NULL after the last one, or when seconds have
 * passed without (*silent is true then). GLASS_CANCELLED: the client has left. */
glass_status ask_next(struct ask *a, const struct ask_event **out, double seconds,
                      bool *silent);
/* Whether a job failed, or was cancelled because the server or its model ends; *e is a JOB_END. */
glass_status ask_failed(struct exchange *x, const struct ask_event *e);
/* Ends one job early (its JOB_END comes). */
void ask_cancel(struct ask *a, int job);

/* The text of one token: *text is allocated (glass_free). */
glass_status ask_token_text(const struct ask *a, int32_t id, char **text, size_t *n);
/* {"seed":…} for the header. */
uint64_t ask_seed(const struct ask *a);

#endif
