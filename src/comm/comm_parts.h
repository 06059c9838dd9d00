/* comm_parts.h - the insides of src/comm.
 *
 *   comm.c        messages, waiting, notices of failure
 *   comm_join.c   who was started with this process; the transport's module; who is alive
 *   comm_mpi.c    the transport over MPI: a module of its own, glass-mpi.so, so that the program
 *                 starts without MPI's libraries unless there are processes to meet */
#ifndef COMM_COMM_PARTS_H
#define COMM_COMM_PARTS_H

#include "comm/comm.h"

#include <sys/types.h>

enum { COMM_VERSION = 1, COMM_TEXT = 512, COMM_ANY = -1 };

/* What a module exports, as `glass_comm_transport`. Calls return false on failure, with the
 * reason in text (COMM_TEXT). */
struct comm_transport {
    int version;
    bool (*open)(int *rank, int *size, char *text);
    bool (*send)(uint64_t *request, int to, int tag, const void *data, int n, char *text);
    /* from: a rank, or COMM_ANY */
    bool (*receive)(uint64_t *request, int from, int tag, void *data, int n, char *text);
    bool (*test)(uint64_t *request, bool *done, char *text);
    void (*cancel)(uint64_t *request);
    /* Waits for the other processes to do the same. */
    void (*close)(void);
};

/* What processes tell each other when they meet. */
struct comm_peer {
    char host[64];
    char machine[40];  /* the boot's identity */
    uint64_t pid_room; /* the namespace that its pid is of */
    uint64_t cores;    /* a digest of the set that it may use */
    int64_t pid;
};

struct comm_notice {
    int32_t rank, status;
    int32_t died; /* the text says who died, and is for everybody to say */
    char text[COMM_TEXT];
};

struct glass_processes {
    const struct comm_transport *transport;
    void *module;
    int rank, size;
    struct comm_peer *peers; /* (size) */
    int *pidfds; /* (size) readable when the process has ended; -1: not ours to see */
    struct comm_request *pending; /* (2 size) of comm_gather */
    struct comm_request notice;
    struct comm_notice heard, said; /* heard.status 0: nothing yet */
    bool lost, told, alike;
    char death[COMM_TEXT]; /* where lost: who died */
};

/* ---- comm.c ---- */

/* GLASS_SYSTEM, with text: a process died. */
glass_status comm_died(glass_processes *c, const char *text);

/* ---- comm_join.c ---- */

/* Processes that were started together, this one included; 1 = alone, 0 = several, their number
 * unknown. GLASS_USAGE: several that cannot meet. */
glass_status comm_expected(int *n);
glass_status comm_load(glass_processes *c, int expected);
glass_status comm_meet(glass_processes *c);
/* Whether a process of this machine has ended. */
bool comm_gone(const glass_processes *c, int rank);
/* GLASS_SYSTEM names one that has. */
glass_status comm_look(glass_processes *c);

#endif
