/* comm.h - messages between the processes of one run, and what one hears when another has gone.
 *
 * The type is glass/processes.h's; NULL is a process alone, which never sends. Messages between
 * two processes with one tag arrive in the order in which they were sent. Nothing here adds
 * numbers: whoever receives them adds, in the order that arithmetic.md defines.
 *
 * A call that waits returns with an error, instead of waiting for ever, when a process of this
 * machine has ended (its pid tells), when one that fails says so (comm_tell), or when the
 * transport has an error. Processes of other machines that die without a word are the launcher's
 * to notice: it ends all of them. One owner at a time: the thread that joined. */
#ifndef COMM_COMM_H
#define COMM_COMM_H

#include "base/fail.h"
#include "glass/processes.h"

enum comm_tag {
    COMM_NUMBERS = 1, /* comm_gather */
    COMM_GRADIENT,
    COMM_LANES,
    COMM_VALUES,
    COMM_MOMENTS,
    COMM_LOSSES,
    COMM_NOTICE /* comm.c's own */
};

enum { COMM_BYTES_MOST = 1 << 26 }; /* of a message */

/* One message on its way. */
struct comm_request {
    uint64_t word; /* the transport's */
    int peer;
    bool open; /* not done yet */
};

/* Begin to send n_bytes, or to receive as many; data is lent until the request is done. */
glass_status comm_send(glass_processes *c, struct comm_request *r, int to,
                       enum comm_tag tag, const void *data, size_t n_bytes);
glass_status comm_receive(glass_processes *c, struct comm_request *r, int from,
                          enum comm_tag tag, void *data, size_t n_bytes);
/* r->open = whether it is still on its way. */
glass_status comm_test(glass_processes *c, struct comm_request *r);
/* Waits for it; one that is not open is done. */
glass_status comm_wait(glass_processes *c, struct comm_request *r);
/* The same for data of any size, in messages of COMM_BYTES_MOST. */
glass_status comm_send_all(glass_processes *c, int to, enum comm_tag tag, const void *data,
                           size_t n_bytes);
glass_status comm_receive_all(glass_processes *c, int from, enum comm_tag tag, void *data,
                              size_t n_bytes);

/* all (size, n_bytes): every process's row, where it has filled its own. Also the way to wait
 * for all (n_bytes 0 is fine). */
glass_status comm_gather(glass_processes *c, void *all, size_t n_bytes);

/* Everybody gets rank 0's data. */
glass_status comm_from_first(glass_processes *c, void *data, size_t n_bytes);

/* Tells the others, once, that this process ends, and what glass_error says. */
void comm_tell(glass_processes *c, glass_status status);
/* What fails now fails in every process, in the same way: rank 0 says it. */
void comm_alike(glass_processes *c);
/* Whether a process died (of which a call has said). */
bool comm_lost(const glass_processes *c);

/* Threads for this process where nobody says: the cores that it may use, divided by the
 * processes that may use the same. NULL: all of them. */
int comm_default_threads(const glass_processes *c);

#endif
