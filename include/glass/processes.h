/* processes.h - several processes at one piece of work: training, and verifying it.
 *
 * mpirun, or srun --mpi=pmix, starts the same command n times; each process has a rank, from 0.
 * They see the same files. A process started alone has no glass_processes: NULL stands for it in
 * every call, and nothing of MPI is loaded. Only the thread that joined may use it. */
#ifndef GLASS_PROCESSES_H
#define GLASS_PROCESSES_H

#include "glass/status.h"
GLASS_BEGIN

typedef struct glass_processes glass_processes;

/* Meets the processes that were started with this one; *out = NULL where it was started alone.
 * GLASS_USAGE: there are others, but this program was built without MPI, or they were started in
 * a way by which they cannot meet. */
GLASS_API glass_status glass_processes_join(glass_processes **out);
/* Ends that. GLASS_OK and GLASS_CANCELLED: all processes end alike, and wait for each other here.
 * Any other status: what glass_error says is told to the others, whose calls fail with it. */
GLASS_API void glass_processes_leave(glass_processes *p, glass_status status);

/* 0 and 1 for NULL. The process of rank 0 writes the files. */
GLASS_API int glass_processes_rank(const glass_processes *p);
GLASS_API int glass_processes_size(const glass_processes *p);
/* Whether another process says what went wrong here: one that failed itself, or rank 0 where all
 * failed alike. Not where a process died: then all that are left say it. */
GLASS_API bool glass_processes_told(const glass_processes *p);

GLASS_END
#endif
