/* trainer_step.c - what a step does with the sum of its gradients, and with the other processes:
 * the norm, new values of this one's part of the parameters, and everybody's values. */
#include "train/trainer_parts.h"

#include "base/mem.h"
#include "math/kernels.h"

#include <math.h>
#include <string.h>

enum { LANES = 16, VALUES_MOST = 1 << 22 /* floats of a message */ };

static int rank_of(const struct trainer *t) {
    return glass_processes_rank(t->options.comm);
}

static int size_of(const struct trainer *t) {
    return glass_processes_size(t->options.comm);
}

/* What of parameter e is in a process's part, in floats of the block. */
static bool share_of(const struct trainer *t, const struct param *e, int process,
                     int64_t *begin, int64_t *end) {
    int64_t at = e->w - t->params.values, to = at + e->n * e->k;
    optimizer_cut(&t->params, process, size_of(t), begin, end);
    if (*begin < at) *begin = at;
    if (*end > to) *end = to;
    return *begin < *end;
}

/* The next process in a direction that has some of it too; -1: none. */
static int next_owner(const struct trainer *t, const struct param *e, int step) {
    int64_t begin, end;
    for (int p = rank_of(t) + step; p >= 0 && p < size_of(t); p += step)
        if (share_of(t, e, p, &begin, &end)) return p;
    return -1;
}

/* ---- the norm ---- */

struct squares_task {
    struct trainer *t;
    const float *gradient;
    float *squares; /* (n_list) this process's row */
};

/* Parameters that are this process's alone. */
static void run_squares(void *context, const struct member *me) {
    const struct squares_task *s = context;
    const struct optimizer *o = &s->t->optimizer;
    int64_t begin, end;
    while (team_queue_next(me, s->t->params.n_list, 1, &begin, &end)) {
        const struct param *p = &s->t->params.list[begin];
        int64_t at = p->w - s->t->params.values, n = p->n * p->k;
        if (at >= o->begin && at + n <= o->end)
            s->squares[begin] = math_kernels()->sumsq16_f32(s->gradient + at, n);
    }
}

/* Goes on with the sixteen lanes of sum16 where the owner of what is before left them. */
static glass_status shared_squares(const struct squares_task *s, int64_t i) {
    const struct trainer *t = s->t;
    const struct param *e = &t->params.list[i];
    int before = next_owner(t, e, -1), after = next_owner(t, e, 1);
    float lanes[LANES] = {0};
    int64_t begin, end;
    share_of(t, e, rank_of(t), &begin, &end);
    if (before >= 0)
        TRY(comm_receive_all(t->options.comm, before, COMM_LANES, lanes, sizeof lanes));
    for (int64_t at = begin; at < end; at += LANES) {
        const float *g = s->gradient + at;
        math_kernels()->fma_f32(lanes, g, g, end - at < LANES ? end - at : LANES);
    }
    if (after >= 0)
        return comm_send_all(t->options.comm, after, COMM_LANES, lanes, sizeof lanes);
    s->squares[i] = math_kernels()->sum16_f32(lanes, LANES);
    return GLASS_OK;
}

/* A part begins and ends inside of two parameters at most: first what waits for nobody. */
static glass_status all_shared(const struct squares_task *s) {
    const struct optimizer *o = &s->t->optimizer;
    for (int64_t i = s->t->params.n_list - 1; i >= 0 && o->begin < o->end; i--) {
        const struct param *p = &s->t->params.list[i];
        int64_t at = p->w - s->t->params.values, end = at + p->n * p->k;
        if (at < o->end && end > o->begin && (at < o->begin || end > o->end))
            TRY(shared_squares(s, i));
    }
    return GLASS_OK;
}

/* t->squares' first row = those of every parameter, from the process that has its end. */
static glass_status gather_squares(struct trainer *t) {
    int64_t n = t->params.n_list, begin, end;
    TRY(comm_gather(t->options.comm, t->squares, (size_t)n * sizeof *t->squares));
    for (int64_t i = 0; i < n; i++)
        for (int p = size_of(t) - 1; p >= 0; p--) {
            if (!share_of(t, &t->params.list[i], p, &begin, &end)) continue;
            t->squares[i] = t->squares[p * n + i];
            break;
        }
    return GLASS_OK;
}

static glass_status norm_of(struct trainer *t, const float *gradient, float *norm) {
    struct squares_task s = {t, gradient, t->squares + rank_of(t) * t->params.n_list};
    team_run(t->options.n_threads, run_squares, &s);
    if (t->options.comm != NULL) {
        TRY(all_shared(&s));
        TRY(gather_squares(t));
    }
    for (int64_t i = 0; i < t->params.n_list; i++)
        if (!isfinite(t->squares[i])) {
            comm_alike(t->options.comm);
            return fail(GLASS_BAD_INPUT,
                        "step %lld: the gradient of %s is not finite: a smaller "
                        "optimizer.rate may help",
                        (long long)t->optimizer.n_steps + 1, t->params.list[i].name);
        }
    *norm = sqrtf(math_kernels()->sum16_f32(t->squares, t->params.n_list));
    return GLASS_OK;
}

/* ---- values ---- */

/* Messages of [begin, end). */
static int64_t n_messages(int64_t begin, int64_t end) {
    return (end - begin + VALUES_MOST - 1) / VALUES_MOST;
}

static glass_status exchange_values(struct trainer *t, struct comm_request *requests) {
    glass_processes *comm = t->options.comm;
    int64_t n_requests = 0, begin, end;
    for (int i = 1; i < size_of(t);
         i++) { /* receive from those before, send to those after */
        int from = (rank_of(t) + size_of(t) - i) % size_of(t);
        optimizer_cut(&t->params, from, size_of(t), &begin, &end);
        for (; begin < end; begin += VALUES_MOST) {
            int64_t n = end - begin < VALUES_MOST ? end - begin : VALUES_MOST;
            TRY(comm_receive(comm, &requests[n_requests++], from, COMM_VALUES,
                             t->params.values + begin, (size_t)n * sizeof(float)));
        }
    }
    for (int i = 1; i < size_of(t); i++)
        for (begin = t->optimizer.begin; begin < t->optimizer.end; begin += VALUES_MOST) {
            int64_t n = t->optimizer.end - begin < VALUES_MOST ? t->optimizer.end - begin
                                                               : VALUES_MOST;
            TRY(comm_send(comm, &requests[n_requests++], (rank_of(t) + i) % size_of(t),
                          COMM_VALUES, t->params.values + begin,
                          (size_t)n * sizeof(float)));
        }
    for (int64_t i = 0; i < n_requests; i++) TRY(comm_wait(comm, &requests[i]));
    return GLASS_OK;
}

/* Everybody gets everybody's part. */
static glass_status share_values(struct trainer *t) {
    struct comm_request *requests;
    int64_t n = 0, begin, end;
    if (t->options.comm == NULL) return GLASS_OK;
    for (int p = 0; p < size_of(t); p++) {
        optimizer_cut(&t->params, p, size_of(t), &begin, &end);
        n += n_messages(begin, end) * (p == rank_of(t) ? size_of(t) - 1 : 1);
    }
    TRY(mem_alloc(&requests, (size_t)n, sizeof *requests));
    glass_status status = exchange_values(t, requests);
    mem_free(requests);
    return status;
}

glass_status trainer_step(struct trainer *t, const struct optimizer_options *o,
                          float *norm) {
    const float *gradient;
    *norm = 0;
    TRY(tree_finish(&t->tree, &gradient));
    TRY(norm_of(t, gradient, norm));
    optimizer_step(&t->optimizer, o, gradient + t->optimizer.begin,
                   optimizer_clip(o, *norm), t->options.n_threads);
    return share_values(t);
}

/* ---- state ---- */

/* What rank 0 asks the others for. */
enum { WANT_NOTHING_MORE = -1 };

static glass_status ask(struct trainer *t, int32_t what) {
    for (int p = 1; p < size_of(t); p++)
        TRY(comm_send_all(t->options.comm, p, COMM_MOMENTS, &what, sizeof what));
    return GLASS_OK;
}

glass_status trainer_gather_moments(struct trainer *t, int which, const float **all) {
    float *whole = t->params.gradients, *mine = t->optimizer.moments[which];
    *all = NULL;
    if (t->options.comm == NULL) {
        *all = mine;
        return GLASS_OK;
    }
    TRY(ask(t, which));
    memcpy(whole + t->optimizer.begin, mine,
           (size_t)(t->optimizer.end - t->optimizer.begin) * sizeof(float));
    for (int p = 1; p < size_of(t); p++) {
        int64_t begin, end;
        optimizer_cut(&t->params, p, size_of(t), &begin, &end);
        TRY(comm_receive_all(t->options.comm, p, COMM_MOMENTS, whole + begin,
                             (size_t)(end - begin) * sizeof(float)));
    }
    *all = whole;
    return GLASS_OK;
}

glass_status trainer_gathered(struct trainer *t) {
    return ask(t, WANT_NOTHING_MORE);
}

glass_status trainer_lend_moments(struct trainer *t) {
    size_t n_bytes = (size_t)(t->optimizer.end - t->optimizer.begin) * sizeof(float);
    for (;;) {
        int32_t what;
        TRY(comm_receive_all(t->options.comm, 0, COMM_MOMENTS, &what, sizeof what));
        if (what == WANT_NOTHING_MORE) return GLASS_OK;
        TRY(comm_send_all(t->options.comm, 0, COMM_MOMENTS, t->optimizer.moments[what == 1],
                          n_bytes));
    }
}

void trainer_put_moments(struct trainer *t, int which, int64_t at, const void *from,
                         int64_t n) {
    int64_t begin = at > t->optimizer.begin ? at : t->optimizer.begin;
    int64_t end = at + n < t->optimizer.end ? at + n : t->optimizer.end;
    if (begin < end)
        memcpy(t->optimizer.moments[which] + (begin - t->optimizer.begin),
               (const char *)from + (size_t)(begin - at) * sizeof(float),
               (size_t)(end - begin) * sizeof(float));
}

void trainer_get_counters(const struct trainer *t, int64_t *n_steps, double powers[2]) {
    *n_steps = t->optimizer.n_steps;
    memcpy(powers, t->optimizer.powers, sizeof t->optimizer.powers);
}

void trainer_set_counters(struct trainer *t, int64_t n_steps, const double powers[2]) {
    t->optimizer.n_steps = n_steps;
    memcpy(t->optimizer.powers, powers, sizeof t->optimizer.powers);
}
