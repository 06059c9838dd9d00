/* sched_parts.h - the scheduler's insides.
 *
 * sched.c      the thread, the queue, what callers see
 * sched_job.c  one request: what it asks for, its text, its events
 * sched_pass.c which tokens share a pass, and what is made of the logits
 * sched_cache.c  sessions on the pool of pages; who waits when there are too few
 *
 * A job's tokens are its prompt and then its answer; those from n_fed on are still to be fed.
 * When the last one is fed its logits give the next. So a prompt, a piece of one, an answer's
 * next token and an answer that lost its cache and is read again are one and the same. */
#ifndef SERVE_SCHED_PARTS_H
#define SERVE_SCHED_PARTS_H

#include "base/buf.h"
#include "serve/sched.h"

#include <pthread.h>
#include <stdatomic.h>

enum { PARALLEL_MOST = 1024, TOP_MOST = 100, SCORED_ROWS = 64, MESSAGE_BYTES = 512 };

struct job {
    /* From sched_submit on. */
    struct job_request r; /* its arrays are owned copies */
    int64_t id, n_room;   /* tokens that it may reach, prompt included */
    size_t *stop_bytes;   /* (n_stop) */
    double submitted;
    /* The scheduler's thread. */
    glass_sampler *sampler;
    glass_token_stream *stream;
    struct buf held; /* text that is not certain yet */
    int32_t *tokens; /* (n_room) */
    int64_t n_tokens, n_fed, n_answer;
    int64_t n_cached;         /* of the prompt, found in the cache at first */
    int64_t n_scored;         /* positions whose logits or rows were made use of */
    int64_t n_said;           /* of the prompt, in events */
    int64_t n_take;           /* tokens in the pass that is being made */
    double *sums;             /* (n_embd) of the rows of an embedding */
    float *embedding;         /* (n_embd) */
    glass_session *session;   /* NULL while it waits */
    int64_t turn;             /* among those that were ever started */
    double started, answered; /* moments: taken from the queue, the first logits */
    int stopped_by;           /* the stop text that was found, or -1 */
    /* Under `lock`. */
    pthread_mutex_t lock;
    pthread_cond_t quiet;
    bool in_event, released;
    int refs;            /* the submitter's and the scheduler's */
    struct sched *sched; /* NULL once it has ended */
    atomic_bool cancelled;
    /* Under the scheduler's lock. */
    struct job *next; /* of its client's that wait */
    struct job_shown {
        bool running;
        int64_t n_read, n_cached, n_answer;
        double started;
    } shown;
};

/* Requests that wait, of one client; a ring. */
struct client {
    uint64_t id;
    struct job *first, *last;
    struct client *next;
};

/* One row of logits and what becomes of it. */
struct task {
    struct job *job;
    const float *logits; /* (n_vocab) */
    bool scores;         /* of token `id` of a prompt; else it draws the next token */
    bool ends;           /* the token drawn ends the answer */
    struct job_logprob token;
    struct job_logprob *top; /* (TOP_MOST) */
    int64_t n_top;
    glass_status status;
    char message[MESSAGE_BYTES];
};

struct sched {
    const glass_model *model;
    const glass_tokenizer *tokenizer;
    glass_model_info info;
    struct sched_options o; /* every default filled in */
    pthread_t thread;
    /* The thread's own. */
    struct job **running; /* (n_parallel) in order of start */
    int64_t n_running;
    struct job *
        *paused; /* (n_parallel) by order of start: they lost their pages, and come first */
    int64_t n_paused;
    glass_batch_item *items; /* (n_parallel) of a pass */
    int64_t n_items;
    struct task *tasks; /* (n_parallel + SCORED_ROWS) */
    int64_t n_tasks;
    struct job_logprob *tops; /* (tasks, TOP_MOST) */
    float *logits;            /* (tasks, n_vocab) */
    float *logprobs;          /* (n_threads, n_vocab) */
    float *hidden;            /* (n_batch, n_embd) */
    glass_pool *pool;
    glass_session **sessions; /* (n_parallel) n_idle of them, empty, first */
    int64_t n_idle;
    int64_t n_most;   /* positions that a request can have */
    bool pages_short; /* nobody can begin before some page is let go */
    int64_t n_started;
    struct sched_stats mine; /* what stats will say */
    /* Under `lock`. */
    pthread_mutex_t lock;
    pthread_cond_t wake, idle; /* something to do; nothing left to do */
    struct client *ring;       /* the client whose turn was last; NULL: nobody waits */
    int64_t n_waiting, n_jobs, last_id;
    bool started, closing, stopping;
    bool look, cancel_all; /* some were cancelled; all are */
    struct sched_stats stats;
};

/* sched_job.c */
/* The job of a request that was checked. */
glass_status job_create(struct job **out, struct sched *s, const struct job_request *r);
void job_unref(struct job *job);
/* What the scheduler's thread needs besides, when the job's turn has come. */
glass_status job_begin(struct job *job);
void job_event(struct job *job, struct job_event *event);
/* The last event; the scheduler's reference goes with it. message may be NULL. */
void job_finish(struct job *job, enum job_end end, glass_status status,
                const char *message);
/* A token was chosen: its text, its event. How the answer ends with it, or JOB_GOES_ON;
 * JOB_FAILED: glass_error(). */
enum { JOB_GOES_ON = -1 };
int job_take_token(struct job *job, const struct task *task);

/* sched.c: a job that runs ends. It may be gone afterwards. */
void sched_end(struct sched *s, struct job *job, enum job_end end, glass_status status,
               const char *message);

/* sched_pass.c */
/* Feeds the next tokens of those that run, and draws theirs. */
void sched_pass(struct sched *s);

/* sched_cache.c */
glass_status cache_create(struct sched *s);
void cache_free(struct sched *s);
/* A session for a job, holding as much of its tokens as there is, but `most` at most; false:
 * there is none, or pages are short. */
bool cache_begin(struct sched *s, struct job *job, int64_t most);
/* The job is done with its session. */
void cache_end(struct sched *s, struct job *job);
/* More of a prompt that others have read meanwhile; `most` as above. */
void cache_look_again(struct sched *s, struct job *job, int64_t most);
/* Writes a page to the folder, if there is one to be written. */
bool cache_write(struct sched *s);
/* Readies a page for the next request; false if that is done. */
bool cache_warm(struct sched *s);
/* What the pool holds, for stats. */
void cache_publish(struct sched *s);
/* Pages for job->n_take of every job that runs. Where there are too few, those that began last
 * are paused. */
void cache_reserve(struct sched *s);

/* sched.c: tokens of the cache that a job can begin with: those whose logits or rows it needs,
 * it must compute. */
int64_t job_reusable(const struct job *job);
/* sched.c: a job that runs loses its pages, and comes back when there are some. */
void sched_pause(struct sched *s, struct job *job);

#endif
