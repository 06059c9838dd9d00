/* sched.h - answers to many requests at once, each with the bits that it would get alone.
 *
 * A scheduler serves one model with one thread of its own (and the model's team): in every
 * pass it feeds the next token of each answer and pieces of the prompts that wait, so that a
 * long prompt stalls nobody. Its key/value cache is a pool of pages of a size decided at
 * start; prompts that begin alike share pages. What a request gets depends on the request
 * alone: neighbours, order of arrival, cuts and cached prefixes change no bit.
 *
 * A job belongs to whoever submitted it until job_release. Events come on the scheduler's
 * thread, in order, and must return at once (copy, wake somebody): JOB_PROMPT any number of
 * times, JOB_TOKEN any number of times, then exactly one JOB_END, after which no event
 * follows. After job_cancel JOB_END comes soon, with JOB_CANCELLED. */
#ifndef SERVE_SCHED_H
#define SERVE_SCHED_H

#include "glass/glass.h"

struct sched;
struct job;

struct sched_options {
    int64_t n_ctx;      /* most positions of one request; 0 = the model's, at most 4096 */
    size_t cache_bytes; /* of all pages together; 0 = enough for n_parallel * n_ctx, at
                              most a quarter of the machine's memory */
    int64_t n_parallel; /* most requests in a pass; 0 = 16 */
    int64_t n_queue;    /* most requests that wait beyond those; 0 = 256 */
    int64_t n_batch;    /* most rows of a pass; 0 = 512 */
    int n_threads;      /* 0 = one per core of this process's affinity */
    glass_dtype cache_type; /* GLASS_F32, GLASS_F16, GLASS_Q8_0 */
    const char *prefix_dir; /* NULL, or a folder where prefixes outlive the process */
    size_t prefix_bytes;    /* most bytes in it; 0 = cache_bytes, 2 GiB at most */
    const glass_adapter_use *adapters; /* of every request; must outlive the scheduler */
    int n_adapters;
};

/* All memory is taken here, or GLASS_NO_MEMORY says what is needed and what there is. The
 * model must outlive the scheduler. */
glass_status sched_create(struct sched **out, const glass_model *model,
                          const struct sched_options *options);
/* Takes no more jobs; those that run may end within grace_s seconds, then are cancelled. */
void sched_drain(struct sched *sched, double grace_s);
/* Cancels what runs, waits for the thread, frees. Jobs must still be released. */
void sched_free(struct sched *sched);

enum job_event_kind { JOB_PROMPT, JOB_TOKEN, JOB_END };
enum job_end {
    JOB_MODEL,     /* the model ended its answer, or the grammar allows no more ("stop") */
    JOB_STOP,      /* a stop text ("stop"; stop_text says which) */
    JOB_LENGTH,    /* n_predict tokens ("length") */
    JOB_CONTEXT,   /* no position is left ("length") */
    JOB_CANCELLED, /* job_cancel, or the scheduler ended */
    JOB_FAILED     /* status and message say why */
};

struct job_logprob {
    int32_t id;
    float logprob; /* ln of the model's own probability, before any sampling step; NAN where
                      nobody asked */
};

struct job_event {
    enum job_event_kind kind;
    /* JOB_PROMPT: positions read so far. For a request with prompt_logprobs one such event
     * comes for each prompt token, with token and top as below (the first has no logprob:
     * NAN). */
    int64_t n_prompt, n_cached; /* tokens of the prompt; of them found in the cache */
    int64_t n_read;
    /* JOB_TOKEN (borrowed during the call): the token chosen, and what is certain of the
     * text: it may be empty while a character is cut or a stop text may begin. Text that
     * was held back comes with a later token or with JOB_END. */
    struct job_logprob token;
    const struct job_logprob *top; /* (n_top) likeliest first */
    int64_t n_top;
    const char *text;
    size_t n_text;
    /* JOB_END; text and n_text hold what was still held back. */
    enum job_end end;
    const char *stop_text;
    glass_status status;
    const char *message;
    int64_t n_answer;
    double queued_s, prompt_s, answer_s;
    const float *embedding; /* (n_embd) of a request with embed; else NULL */
    int64_t n_embd;
};

struct job_request {
    const int32_t *prompt; /* all that is borrowed is copied by sched_submit */
    int64_t n_prompt;
    int64_t n_predict; /* most tokens to answer; -1 = as many as fit; 0 = the prompt only */
    glass_sampler_options sampler;
    const glass_grammar *grammar; /* NULL; it may be freed after sched_submit */
    const char *const *stop;      /* answers end before these texts */
    int n_stop;
    bool logprobs;        /* of the tokens chosen; else token.logprob is NAN */
    int n_top;            /* alternatives per token, 0 to 100; logprobs, too, if not 0 */
    bool prompt_logprobs; /* of the prompt's tokens, too */
    bool ignore_eos, infill;
    bool goes_on; /* the text goes on from the prompt's: its first space is real (not for
                     chats) */
    bool embed;   /* the mean of the last layer's normed rows over the prompt, then length
                        1; no answer */
    uint64_t client; /* requests that wait are taken from clients in turn */
    void (*event)(void *context, const struct job_event *event);
    void *context;
};

/* Why a request is not taken, for a server that must say it in its protocol. */
enum submit_verdict {
    SUBMIT_OK,
    SUBMIT_BAD,     /* glass_error() says what is wrong with it (too long, a bad option) */
    SUBMIT_FULL,    /* the queue is full: try again later */
    SUBMIT_CLOSING, /* draining */
    SUBMIT_FAILED   /* no memory; glass_error() */
};
enum submit_verdict sched_submit(struct sched *sched, struct job **out,
                                 const struct job_request *request);
/* From any thread, any number of times, also after the end. */
void job_cancel(struct job *job);
/* The submitter is done with it: cancels it if it still runs; no event comes after this
 * returns. Not from within an event. */
void job_release(struct job *job);

struct sched_stats {
    int64_t n_running, n_waiting;  /* now */
    int64_t n_pages, n_pages_used; /* now; used includes kept prefixes */
    int64_t n_pages_kept;          /* of them held by no request */
    int64_t n_pages_read;          /* from prefix_dir, since start */
    int64_t n_files_refused;       /* in prefix_dir, that were damaged */
    int64_t n_paused;              /* times that a request lost its pages to an older one */
    char note[256];                /* what was wrong last in prefix_dir; or "" */
    size_t cache_bytes, work_bytes; /* decided at start */
    int64_t n_ctx, n_parallel;
    int64_t prompt_tokens, cached_tokens, answer_tokens, passes, jobs; /* since start */
    double busy_s;                                                     /* time in passes */
};
void sched_get_stats(struct sched *sched, struct sched_stats *out);
/* One line of JSON for each job that runs or waits, for /slots. mem_free *out. */
glass_status sched_describe(struct sched *sched, char **out);

#endif
