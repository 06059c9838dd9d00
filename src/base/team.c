/* team.c - threads by OpenMP.
 *
 * The queue is two counters used in turn: members take items from the current one, and the
 * barrier's last arrival clears the other, so one barrier is enough between two uses. */
#include "base/team.h"

#include <limits.h>
#include <linux/futex.h>
#include <omp.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

struct team {
    /* Own cache lines: the counter is hit by everyone, the barrier words are spun on. */
    _Alignas(64) atomic_int_fast64_t queue[2];
    _Alignas(64) atomic_int arrived;
    _Alignas(64) atomic_uint round;
    atomic_int sleepers;
    int spins; /* before a waiting member sleeps */
};

void team_run(int n_threads, team_work work, void *context) {
    /* Some 50 us where every member has a core; none where they share cores. */
    struct team team = {.spins = n_threads <= team_default_threads() ? 4000 : 0};
    if (n_threads <= 1) {
        struct member me = {&team, 0, 1};
        work(context, &me);
        return;
    }
#pragma omp parallel num_threads(n_threads)
    {
        struct member me = {&team, omp_get_thread_num(), omp_get_num_threads()};
        work(context, &me);
    }
}

/* Spins briefly, then sleeps until the round changes: machines are shared, and a team may be
 * larger than its cores. Sleepers are counted so that the last arrival makes no system call
 * when nobody sleeps; both sides order their two steps, so no wake-up is lost. */
static void wait_for(struct team *team, unsigned round) {
    for (int spins = 0; spins < team->spins; spins++) {
        if (atomic_load_explicit(&team->round, memory_order_acquire) != round) return;
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("yield");
#endif
    }
    atomic_fetch_add(&team->sleepers, 1);
    while (atomic_load(&team->round) == round)
        syscall(SYS_futex, &team->round, FUTEX_WAIT_PRIVATE, round, NULL, NULL, 0);
    atomic_fetch_sub(&team->sleepers, 1);
}

void team_barrier(const struct member *me) {
    struct team *team = me->team;
    unsigned round = atomic_load_explicit(&team->round, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&team->arrived, 1, memory_order_acq_rel) + 1 == me->n) {
        atomic_store_explicit(&team->queue[round & 1], 0, memory_order_relaxed);
        atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
        atomic_store(&team->round, round + 1);
        if (atomic_load(&team->sleepers) > 0)
            syscall(SYS_futex, &team->round, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
    } else {
        wait_for(team, round);
    }
}

void team_share(const struct member *me, int64_t n, int64_t unit, int64_t *begin,
                int64_t *end) {
    int64_t n_units = (n + unit - 1) / unit;
    int64_t from = n_units * me->i / me->n * unit,
            to = n_units * (me->i + 1) / me->n * unit;
    *begin = from < n ? from : n;
    *end = to < n ? to : n;
}

bool team_queue_next(const struct member *me, int64_t n, int64_t unit, int64_t *begin,
                     int64_t *end) {
    unsigned round = atomic_load_explicit(&me->team->round, memory_order_relaxed);
    int64_t from =
        atomic_fetch_add_explicit(&me->team->queue[round & 1], unit, memory_order_relaxed);
    if (from >= n) return false;
    *begin = from;
    *end = from + unit < n ? from + unit : n;
    return true;
}

int team_default_threads(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? n : 1;
}
