/* comm.c - messages, waiting, and notices of failure; see comm.h. */
#include "comm/comm_parts.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/team.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The transport may notice that a process has gone before its pid tells. */
static glass_status broken(glass_processes *c, int peer, const char *text) {
    for (int i = 0; c->pidfds != NULL && !c->lost && i < 50; i++, usleep(10000))
        TRY(comm_look(c));
    if (peer == COMM_ANY || peer == c->rank) return fail(GLASS_SYSTEM, "MPI: %s", text);
    return fail(GLASS_SYSTEM, "rank %d of %d (%s): MPI: %s", peer, c->size,
                c->peers[peer].host, text);
}

/* ---- messages ---- */

glass_status comm_send(glass_processes *c, struct comm_request *r, int to,
                       enum comm_tag tag, const void *data, size_t n_bytes) {
    char text[COMM_TEXT];
    *r = (struct comm_request){.peer = to};
    if (!c->transport->send(&r->word, to, (int)tag, data, (int)n_bytes, text))
        return broken(c, to, text);
    r->open = true;
    return GLASS_OK;
}

glass_status comm_receive(glass_processes *c, struct comm_request *r, int from,
                          enum comm_tag tag, void *data, size_t n_bytes) {
    char text[COMM_TEXT];
    *r = (struct comm_request){.peer = from};
    if (!c->transport->receive(&r->word, from, (int)tag, data, (int)n_bytes, text))
        return broken(c, from, text);
    r->open = true;
    return GLASS_OK;
}

glass_status comm_test(glass_processes *c, struct comm_request *r) {
    char text[COMM_TEXT];
    bool done = false;
    if (!r->open) return GLASS_OK;
    if (!c->transport->test(&r->word, &done, text)) return broken(c, r->peer, text);
    r->open = !done;
    return GLASS_OK;
}

glass_status comm_died(glass_processes *c, const char *text) {
    c->lost = true;
    snprintf(c->death, sizeof c->death, "%s", text);
    return fail(GLASS_SYSTEM, "%s", text);
}

/* Whether one that fails has said so. */
static glass_status listen(glass_processes *c) {
    if (c->heard.status == GLASS_OK) {
        TRY(comm_test(c, &c->notice));
        if (c->notice.open) return GLASS_OK;
    }
    c->heard.text[COMM_TEXT - 1] = '\0';
    if (c->heard.died) return comm_died(c, c->heard.text);
    c->told = true;
    return fail((glass_status)c->heard.status, "rank %d of %d: %s", c->heard.rank, c->size,
                c->heard.text);
}

/* Between two looks at a message: yields at first, as most come soon, then sleeps, as the others
 * may have long work to do, perhaps on this core. Looks around fifty times a second: a launcher
 * that has seen a process die leaves the others a second to say so. */
struct patience {
    double began, looked;
};

static glass_status rest(glass_processes *c, struct patience *p) {
    double t = clock_now();
    if (p->began == 0) p->began = p->looked = t;
    if (t - p->looked > 0.02) {
        p->looked = t;
        TRY(listen(c));
        TRY(comm_look(c));
    }
    if (t - p->began < 0.001)
        sched_yield();
    else
        usleep(t - p->began < 0.1 ? 50 : 500);
    return GLASS_OK;
}

glass_status comm_wait(glass_processes *c, struct comm_request *r) {
    struct patience p = {0};
    while (r->open) {
        TRY(comm_test(c, r));
        if (r->open) TRY(rest(c, &p));
    }
    return GLASS_OK;
}

static size_t message(size_t n_bytes, size_t at) {
    return n_bytes - at < COMM_BYTES_MOST ? n_bytes - at : COMM_BYTES_MOST;
}

glass_status comm_send_all(glass_processes *c, int to, enum comm_tag tag, const void *data,
                           size_t n_bytes) {
    struct comm_request r;
    for (size_t at = 0; at < n_bytes; at += COMM_BYTES_MOST) {
        TRY(comm_send(c, &r, to, tag, (const char *)data + at, message(n_bytes, at)));
        TRY(comm_wait(c, &r));
    }
    return GLASS_OK;
}

glass_status comm_receive_all(glass_processes *c, int from, enum comm_tag tag, void *data,
                              size_t n_bytes) {
    struct comm_request r;
    for (size_t at = 0; at < n_bytes; at += COMM_BYTES_MOST) {
        TRY(comm_receive(c, &r, from, tag, (char *)data + at, message(n_bytes, at)));
        TRY(comm_wait(c, &r));
    }
    return GLASS_OK;
}

glass_status comm_gather(glass_processes *c, void *all, size_t n_bytes) {
    if (c == NULL) return GLASS_OK;
    char *rows = all;
    for (int i = 0; i < c->size; i++) {
        if (i == c->rank) continue;
        TRY(comm_receive(c, &c->pending[2 * i], i, COMM_NUMBERS, rows + (size_t)i * n_bytes,
                         n_bytes));
        TRY(comm_send(c, &c->pending[2 * i + 1], i, COMM_NUMBERS,
                      rows + (size_t)c->rank * n_bytes, n_bytes));
    }
    for (int i = 0; i < 2 * c->size; i++)
        if (i / 2 != c->rank) TRY(comm_wait(c, &c->pending[i]));
    return GLASS_OK;
}

glass_status comm_from_first(glass_processes *c, void *data, size_t n_bytes) {
    if (c == NULL) return GLASS_OK;
    if (c->rank > 0) return comm_receive_all(c, 0, COMM_NUMBERS, data, n_bytes);
    for (int i = 1; i < c->size; i++) TRY(comm_send_all(c, i, COMM_NUMBERS, data, n_bytes));
    return GLASS_OK;
}

/* ---- failing ---- */

void comm_tell(glass_processes *c, glass_status status) {
    if (c == NULL || c->told || c->alike || c->said.status != GLASS_OK) return;
    c->said.rank = c->rank;
    c->said.status = (int32_t)status;
    c->said.died = c->lost;
    snprintf(c->said.text, COMM_TEXT, "%s", c->lost ? c->death : glass_error());
    for (int i = 0; i < c->size; i++) { /* who cannot be told is not: all end anyway */
        struct comm_request *r = &c->pending[i];
        r->open = false;
        if (i != c->rank && !comm_gone(c, i))
            (void)comm_send(c, r, i, COMM_NOTICE, &c->said, sizeof c->said);
    }
    int n_open = c->size;
    for (double end = clock_now() + 0.2; n_open > 0 && clock_now() < end; usleep(200)) {
        n_open = 0;
        for (int i = 0; i < c->size; i++) {
            struct comm_request *r = &c->pending[i];
            if (comm_test(c, r) != GLASS_OK) r->open = false;
            n_open += r->open;
        }
    }
}

void comm_alike(glass_processes *c) {
    if (c != NULL) c->alike = true;
}

bool comm_lost(const glass_processes *c) {
    return c != NULL && c->lost;
}

bool glass_processes_told(const glass_processes *p) {
    return p != NULL && p->rank > 0 && (p->told || p->alike);
}

/* ---- joining and leaving ---- */

int glass_processes_rank(const glass_processes *p) {
    return p == NULL ? 0 : p->rank;
}

int glass_processes_size(const glass_processes *p) {
    return p == NULL ? 1 : p->size;
}

int comm_default_threads(const glass_processes *c) {
    int n = team_default_threads(), sharing = 0;
    if (c == NULL) return n;
    const struct comm_peer *me = &c->peers[c->rank];
    for (int i = 0; i < c->size; i++)
        sharing +=
            strcmp(c->peers[i].machine, me->machine) == 0 && c->peers[i].cores == me->cores;
    return n > sharing ? n / sharing : 1;
}

static void clear(glass_processes *c) {
    for (int i = 0; c->pidfds != NULL && i < c->size; i++)
        if (c->pidfds[i] >= 0) close(c->pidfds[i]);
    mem_free(c->peers);
    mem_free(c->pidfds);
    mem_free(c->pending);
    mem_free(c);
}

static glass_status join(glass_processes *c, int expected) {
    TRY(comm_load(c, expected));
    size_t n = (size_t)c->size;
    TRY(mem_alloc_zero(&c->peers, n, sizeof *c->peers));
    TRY(mem_alloc_zero(&c->pending, 2 * n, sizeof *c->pending));
    TRY(mem_alloc(&c->pidfds, n, sizeof *c->pidfds));
    for (size_t i = 0; i < n; i++) c->pidfds[i] = -1;
    TRY(comm_receive(c, &c->notice, COMM_ANY, COMM_NOTICE, &c->heard, sizeof c->heard));
    return comm_meet(c);
}

glass_status glass_processes_join(glass_processes **out) {
    glass_processes *c;
    int expected;
    *out = NULL;
    TRY(comm_expected(&expected));
    if (expected == 1) return GLASS_OK;
    TRY(mem_alloc_zero(&c, 1, sizeof *c));
    glass_status status = join(c, expected);
    if (status == GLASS_OK && c->size > 1) {
        *out = c;
        return GLASS_OK;
    }
    if (c->transport != NULL && status == GLASS_OK) {
        c->transport->cancel(&c->notice.word);
        c->transport->close();
    }
    clear(c);
    return status;
}

void glass_processes_leave(glass_processes *p, glass_status status) {
    if (p == NULL) return;
    if (status == GLASS_OK || status == GLASS_CANCELLED)
        status =
            comm_gather(p, p->peers, 0); /* nobody ends before the last has come here */
    if (status != GLASS_OK) comm_tell(p, status);
    /* The transport's own end waits for all, which the dead never answer; what is under way with
     * the living is not taken up again. */
    if (!p->lost) {
        if (p->notice.open) p->transport->cancel(&p->notice.word);
        p->transport->close();
    }
    clear(p);
}
