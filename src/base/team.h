/* team.h - a team of threads working through one function together.
 *
 * team_run starts the team (OpenMP underneath: threads are kept between calls), every member
 * runs work(context, member) and meets the others at team_barrier. Which member computes what
 * never changes a result: members own different outputs. */
#ifndef BASE_TEAM_H
#define BASE_TEAM_H

#include <stdbool.h>
#include <stdint.h>

struct team; /* shared by the members of one run */

struct member {
    struct team *team;
    int i, n; /* this is member i of n */
};

typedef void (*team_work)(void *context, const struct member *me);

/* Runs work on n_threads members and returns when all are done. */
void team_run(int n_threads, team_work work, void *context);
/* Waits for all members; what any of them wrote before is visible to all after. */
void team_barrier(const struct member *me);
/* The member's share of n items, as a range; shares are multiples of `unit` (but the last). */
void team_share(const struct member *me, int64_t n, int64_t unit, int64_t *begin,
                int64_t *end);
/* Cores this process may run on. */
int team_default_threads(void);

/* Items handed out on demand, for work of uneven length or uneven cores. All members call
 * team_queue_next(…) on the same phase until it returns false, then team_barrier before the
 * queue is used again (the barrier resets it). */
bool team_queue_next(const struct member *me, int64_t n, int64_t unit, int64_t *begin,
                     int64_t *end);

#endif
