/* comm_mpi.c - the transport over MPI: glass-mpi.so, the only file that sees MPI. */
#include "comm/comm_parts.h"

#include <mpi.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(MPI_Request) <= sizeof(uint64_t), "a request fits its word");

static bool good(int code, char *text) {
    char words[MPI_MAX_ERROR_STRING];
    int n;
    if (code == MPI_SUCCESS) return true;
    if (MPI_Error_string(code, words, &n) != MPI_SUCCESS)
        snprintf(words, sizeof words, "error %d", code);
    snprintf(text, COMM_TEXT, "%s", words);
    return false;
}

/* Errors return: whoever meets one says it, and ends in order. */
static bool mpi_open(int *rank, int *size, char *text) {
    int level;
    return good(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level), text) &&
           good(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), text) &&
           good(MPI_Comm_rank(MPI_COMM_WORLD, rank), text) &&
           good(MPI_Comm_size(MPI_COMM_WORLD, size), text);
}

static bool mpi_send(uint64_t *request, int to, int tag, const void *data, int n,
                     char *text) {
    MPI_Request r;
    int code = MPI_Isend(data, n, MPI_BYTE, to, tag, MPI_COMM_WORLD, &r);
    memcpy(request, &r, sizeof r);
    return good(code, text);
}

static bool mpi_receive(uint64_t *request, int from, int tag, void *data, int n,
                        char *text) {
    MPI_Request r;
    int code = MPI_Irecv(data, n, MPI_BYTE, from == COMM_ANY ? MPI_ANY_SOURCE : from, tag,
                         MPI_COMM_WORLD, &r);
    memcpy(request, &r, sizeof r);
    return good(code, text);
}

static bool mpi_test(uint64_t *request, bool *done, char *text) {
    MPI_Request r;
    int flag = 0;
    memcpy(&r, request, sizeof r);
    int code = MPI_Test(&r, &flag, MPI_STATUS_IGNORE);
    memcpy(request, &r, sizeof r);
    *done = flag != 0;
    return good(code, text);
}

static void mpi_cancel(uint64_t *request) {
    MPI_Request r;
    memcpy(&r, request, sizeof r);
    if (MPI_Cancel(&r) == MPI_SUCCESS) MPI_Request_free(&r);
}

static void mpi_close(void) {
    MPI_Finalize();
}

__attribute__((
    visibility("default"))) extern const struct comm_transport glass_comm_transport;
const struct comm_transport glass_comm_transport = {
    COMM_VERSION, mpi_open, mpi_send, mpi_receive, mpi_test, mpi_cancel, mpi_close};
