/* spawn.c - see spawn.h. */
#include "data/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

glass_status spawn_open(struct spawn *out, const char *const *argv, const char *folder,
                        FILE *input) {
    posix_spawn_file_actions_t actions;
    int ends[2];
    *out = (struct spawn){.name = argv[0], .errors = tmpfile()};
    if (out->errors == NULL) return fail_errno("cannot make a temporary file");
    if (pipe2(ends, O_CLOEXEC) != 0) {
        fclose(out->errors);
        return fail_errno("cannot make a pipe");
    }
    posix_spawn_file_actions_init(&actions);
    if (input != NULL)
        posix_spawn_file_actions_adddup2(&actions, fileno(input), STDIN_FILENO);
    else
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fileno(out->errors), STDERR_FILENO);
    if (folder != NULL) posix_spawn_file_actions_addchdir_np(&actions, folder);
    int r = posix_spawnp(&out->pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv,
                         environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (r == 0 && (out->out = fdopen(ends[0], "rb")) != NULL) return GLASS_OK;
    close(ends[0]);
    fclose(out->errors);
    errno = r ? r : errno;
    return fail_errno("cannot run %s", argv[0]);
}

/* The first line that is an error as apt and git mark them, else the last one. */
static void last_words(FILE *errors, char words[300]) {
    char line[300];
    snprintf(words, 300, "it said nothing");
    rewind(errors);
    while (fgets(line, sizeof line, errors) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '\0') memcpy(words, line, sizeof line);
        if (strncmp(line, "E: ", 3) == 0 || strncmp(line, "fatal: ", 7) == 0) return;
    }
}

glass_status spawn_close(struct spawn *s, bool stopped) {
    int code;
    char words[300];
    if (s->out == NULL) return GLASS_OK;
    fclose(s->out);
    s->out = NULL;
    while (waitpid(s->pid, &code, 0) < 0 && errno == EINTR) continue;
    bool fine = WIFEXITED(code) && WEXITSTATUS(code) == 0;
    bool piped = stopped && WIFSIGNALED(code) && WTERMSIG(code) == SIGPIPE;
    last_words(s->errors, words);
    fclose(s->errors);
    if (fine || piped || (stopped && WIFEXITED(code))) return GLASS_OK;
    return fail(GLASS_SYSTEM, "%s failed: %s", s->name, words);
}

glass_status spawn_read(struct buf *out, const char *const *argv, const char *folder,
                        size_t limit) {
    struct spawn s;
    glass_status status = GLASS_OK;
    buf_clear(out);
    TRY(spawn_open(&s, argv, folder, NULL));
    for (;;) {
        status = buf_reserve(out, 65536);
        if (status != GLASS_OK) break;
        size_t n = fread(out->data + out->len, 1, 65536, s.out);
        out->len += n;
        out->data[out->len] = '\0';
        if (n == 0) break;
        if (out->len > limit) {
            status =
                fail(GLASS_BAD_INPUT, "%s printed more than %zu bytes", argv[0], limit);
            break;
        }
    }
    glass_status closed = spawn_close(&s, status != GLASS_OK);
    return status != GLASS_OK ? status : closed;
}
