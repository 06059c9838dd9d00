/* comm_join.c - meeting the processes that were started with this one, and seeing whether they
 * are alive; see comm_parts.h. */
#include "comm/comm_parts.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- what the launcher says ---- */

static int number(const char *name) {
    const char *text = getenv(name);
    return text == NULL ? 0 : (int)strtol(text, NULL, 10);
}

/* Open MPI's mpirun says the number; PMIx (srun --mpi=pmix) a rank, and Slurm the number; other
 * MPIs' launchers speak PMI. A batch script has Slurm's SLURM_NTASKS but is no step. */
glass_status comm_expected(int *n) {
    int step = getenv("SLURM_STEP_ID") != NULL ? number("SLURM_STEP_NUM_TASKS") : 0;
    *n = number("OMPI_COMM_WORLD_SIZE");
    if (*n > 0) return GLASS_OK;
    if (getenv("PMIX_RANK") != NULL) {
        *n = step;
        return GLASS_OK;
    }
    *n = number("PMI_SIZE");
    if (*n > 0) return GLASS_OK;
    *n = 1;
    if (step > 1)
        return fail(
            GLASS_USAGE,
            "srun started %d tasks that cannot meet each other: srun --mpi=pmix (or "
            "mpirun) lets them",
            step);
    return GLASS_OK;
}

/* ---- the module ---- */

/* Beside the program; where it is installed: ../lib/glass; of the shared library: glass/ beside
 * it. */
static bool place(char *out, size_t n, int i) {
    char path[4096];
    Dl_info info;
    if (i == 2) {
        if (dladdr((const void *)comm_expected, &info) == 0) return false;
        snprintf(path, sizeof path, "%s", info.dli_fname);
    } else {
        ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
        if (len < 0) return false;
        path[len] = '\0';
    }
    char *slash = strrchr(path, '/');
    if (slash == NULL) return false;
    *slash = '\0';
    static const char *const tails[] = {"glass-mpi.so", "../lib/glass/glass-mpi.so",
                                        "glass/glass-mpi.so"};
    return snprintf(out, n, "%s/%s", path, tails[i]) < (int)n && access(out, F_OK) == 0;
}

static glass_status open_module(glass_processes *c, int expected) {
    char path[4200];
    bool found = false;
    for (int i = 0; i < 3 && !found; i++) found = place(path, sizeof path, i);
    if (!found)
        return fail(GLASS_USAGE,
                    "started as one of %d processes, but this build has no MPI "
                    "(glass-mpi.so): start it alone, or build it with MPI=1 where "
                    "libopenmpi-dev is installed",
                    expected);
    c->module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (c->module == NULL) return fail(GLASS_SYSTEM, "%s", dlerror());
    c->transport = dlsym(c->module, "glass_comm_transport");
    if (c->transport == NULL || c->transport->version != COMM_VERSION) {
        c->transport = NULL;
        return fail(GLASS_SYSTEM, "%s is of another version of Glass", path);
    }
    return GLASS_OK;
}

glass_status comm_load(glass_processes *c, int expected) {
    char text[COMM_TEXT];
    TRY(open_module(c, expected));
    if (!c->transport->open(&c->rank, &c->size, text)) {
        c->transport = NULL;
        return fail(GLASS_SYSTEM, "MPI: %s", text);
    }
    if (expected == 0 || c->size == expected) return GLASS_OK;
    c->transport->close();
    c->transport = NULL;
    return fail(GLASS_USAGE,
                "started as one of %d processes, but MPI sees %d: the launcher belongs to "
                "another MPI than the one Glass was built with (Open MPI's mpirun, or srun "
                "--mpi=pmix)",
                expected, c->size);
}

/* ---- who the others are ---- */

static uint64_t digest(const void *data, size_t n) {
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < n; i++)
        h = (h ^ ((const unsigned char *)data)[i]) * 1099511628211u;
    return h;
}

static void describe(struct comm_peer *p) {
    cpu_set_t cores;
    struct stat st;
    *p = (struct comm_peer){.pid = getpid()};
    gethostname(p->host, sizeof p->host - 1);
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (read(fd, p->machine, sizeof p->machine - 1) < 0) p->machine[0] = '\0';
        close(fd);
    }
    if (stat("/proc/self/ns/pid", &st) == 0) p->pid_room = st.st_ino;
    if (sched_getaffinity(0, sizeof cores, &cores) == 0)
        p->cores = digest(&cores, sizeof cores);
}

glass_status comm_meet(glass_processes *c) {
    const struct comm_peer *me = &c->peers[c->rank];
    describe(&c->peers[c->rank]);
    TRY(comm_gather(c, c->peers, sizeof *c->peers));
    for (int i = 0; i < c->size; i++) {
        const struct comm_peer *p = &c->peers[i];
        bool near = i != c->rank && me->machine[0] != '\0' && me->pid_room != 0 &&
                    strcmp(p->machine, me->machine) == 0 && p->pid_room == me->pid_room;
        /* Where the kernel has no pidfds (before 5.3), the launcher alone notices. */
        if (near) c->pidfds[i] = (int)syscall(SYS_pidfd_open, (pid_t)p->pid, 0);
    }
    return GLASS_OK;
}

bool comm_gone(const glass_processes *c, int rank) {
    struct pollfd p = {.fd = c->pidfds[rank], .events = POLLIN};
    return p.fd >= 0 && poll(&p, 1, 0) == 1;
}

glass_status comm_look(glass_processes *c) {
    for (int i = 0; i < c->size; i++) {
        if (!comm_gone(c, i)) continue;
        char text[COMM_TEXT];
        snprintf(text, sizeof text, "rank %d of %d (process %lld on %s) has died", i,
                 c->size, (long long)c->peers[i].pid, c->peers[i].host);
        return comm_died(c, text);
    }
    return GLASS_OK;
}
