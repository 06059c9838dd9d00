/* cmd_train.c - glass train: from a recipe to a model, with one line that says how it goes. */
#include "cli/cli.h"
#include "store/store.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

struct train {
    const char *folder, *resume, *status;
    int64_t n_threads, from, n_processes;
    glass_processes *processes;
    glass_run *run;
    bool dry, quiet, tty, json;
    double peak;                /* fma operations a second; 0 = not measured */
    double start, busy, tokens; /* since this process began */
};

/* Of several processes: said when a launcher ends the run and the step of now does not come to its
 * end, which waits for one that died on another machine. A second later it sends SIGKILL. */
static char last_words[600];

static void on_alarm(int number) {
    (void)number;
    ssize_t n = write(STDERR_FILENO, last_words, strlen(last_words));
    (void)n;
}

static void on_term(int number) {
    const struct itimerval soon = {.it_value = {.tv_usec = 500000}};
    cli_interrupted = 1;
    if (number == SIGTERM && last_words[0] != '\0') setitimer(ITIMER_REAL, &soon, NULL);
}

/* A connection whose other end has died is an error there, not this one's end as well. */
static void prepare_last_words(const glass_processes *p, const char *folder) {
    int rank = glass_processes_rank(p), size = glass_processes_size(p);
    struct sigaction alarm = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    if (size == 1) return;
    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGALRM, &alarm, NULL);
    if (rank > 1) return; /* two say it: the dead one may be either */
    snprintf(last_words, sizeof last_words,
             "glass: rank %d of %d is told to end, and its step does not: where a process "
             "has died, the launcher says which one; %s goes on from its last checkpoint "
             "with --resume\n",
             rank, size, folder);
}

static void no_last_words(void) {
    const struct itimerval never = {0};
    if (last_words[0] != '\0') setitimer(ITIMER_REAL, &never, NULL);
    last_words[0] = '\0';
}

/* "3 h 20 min", "12 s" */
static const char *duration(char text[32], double s) {
    if (s >= 36000)
        snprintf(text, 32, "%.0f h", s / 3600);
    else if (s >= 3600)
        snprintf(text, 32, "%d h %d min", (int)(s / 3600), (int)s / 60 % 60);
    else if (s >= 120)
        snprintf(text, 32, "%.0f min", s / 60);
    else
        snprintf(text, 32, "%.0f s", s);
    return text;
}

/* The best of three: on a machine with other work, the others tell of that work. */
static glass_status measure_peak(struct train *t, int n_threads) {
    for (int i = 0; i < 3; i++) {
        double peak;
        TRY(glass_limit_fma(&peak, n_threads, 0.1));
        if (peak > t->peak) t->peak = peak;
    }
    return GLASS_OK;
}

static void print_plan(const glass_run_plan *p) {
    char a[32], b[32];
    printf("parameters     %lld\n", (long long)p->n_params);
    printf("text           %lld tokens of %s in %lld document%s\n", (long long)p->n_tokens,
           cli_bytes(a, (double)p->text_bytes), (long long)p->n_documents,
           cli_plural(p->n_documents));
    if (p->held_out_tokens > 0)
        printf("held out       %lld tokens of %s\n", (long long)p->held_out_tokens,
               cli_bytes(a, (double)p->held_out_bytes));
    printf("steps          %lld of %lld tokens in %lld micro-batch%s: %.2f epochs\n",
           (long long)p->n_steps, (long long)p->n_batch_tokens, (long long)p->n_micro,
           p->n_micro == 1 ? "" : "es", p->epochs);
    printf("work           %.3g FLOP a step, %.3g in all\n", p->step_flops,
           p->step_flops * (double)p->n_steps);
    printf("checkpoint     %s each\n", cli_bytes(b, (double)p->checkpoint_bytes));
}

static glass_status json_whole(struct buf *b, const char *name, double value) {
    return buf_printf(b, ",\"%s\":%.0f", name, value);
}

static glass_status json_number(struct buf *b, const char *name, double value) {
    TRY(buf_printf(b, ",\"%s\":", name));
    return buf_json_number(b, value);
}

/* A line of JSON, printed and emptied. */
static void print_json(struct buf *b) {
    printf("%s}\n", b->data);
    buf_free(b);
}

static glass_status plan_json(const struct train *t, const glass_run_plan *p,
                              double seconds, size_t memory) {
    struct buf b = {0};
    const struct {
        const char *name;
        double value;
    } whole[] = {{"text_tokens", (double)p->n_tokens},
                 {"text_bytes", (double)p->text_bytes},
                 {"documents", (double)p->n_documents},
                 {"held_out_tokens", (double)p->held_out_tokens},
                 {"held_out_bytes", (double)p->held_out_bytes},
                 {"steps", (double)p->n_steps},
                 {"context", (double)p->n_context},
                 {"step_tokens", (double)p->n_batch_tokens},
                 {"micro_batches", (double)p->n_micro},
                 {"memory_bytes", (double)memory},
                 {"memory_at_most_bytes", (double)p->memory_bytes},
                 {"checkpoint_bytes", (double)p->checkpoint_bytes},
                 {"threads", p->n_threads},
                 {"processes", p->n_processes}};
    TRY(buf_printf(&b, "{\"parameters\":%lld", (long long)p->n_params));
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        TRY(json_whole(&b, whole[i].name, whole[i].value));
    TRY(json_number(&b, "epochs", p->epochs));
    TRY(json_number(&b, "step_flops", p->step_flops));
    TRY(json_number(&b, "flops", p->step_flops * (double)p->n_steps));
    TRY(json_number(&b, "step_seconds", seconds));
    TRY(json_number(&b, "tokens_per_second", (double)p->n_batch_tokens / seconds));
    TRY(json_number(&b, "share_of_peak", p->step_flops / seconds / t->peak));
    TRY(json_number(&b, "seconds", seconds * (double)p->n_steps));
    print_json(&b);
    return GLASS_OK;
}

static void print_probe(const struct train *t, const glass_run_plan *p, double seconds,
                        size_t memory) {
    char text[32];
    printf("memory         %s (a part of it measured; %.0f MB at most)",
           cli_bytes(text, (double)memory), 1e-6 * (double)p->memory_bytes);
    if (p->n_processes > 1) printf(" for each of %d processes", p->n_processes);
    printf("\n");
    printf("time           %.3g s a step with %d threads (%.0f tokens/s, %.0f%% of FMA "
           "peak), %s in all\n",
           seconds, p->n_threads, (double)p->n_batch_tokens / seconds,
           100 * p->step_flops / seconds / t->peak,
           duration(text, seconds * (double)p->n_steps));
}

static glass_status dry_run(struct train *t, const char *recipe,
                            const glass_run_options *options) {
    glass_run *run;
    glass_run_plan plan;
    size_t memory;
    double seconds = 0;
    TRY(glass_run_create(&run, recipe, options));
    glass_run_get_plan(run, &plan);
    if (!t->json) print_plan(&plan);
    glass_status status = glass_run_probe(run, &seconds, &memory);
    /* Of a small run more may be seen than reckoned: the program, a text being encoded. */
    if (memory > plan.memory_bytes) plan.memory_bytes = memory;
    if (status == GLASS_OK) status = measure_peak(t, plan.n_threads);
    if (status == GLASS_OK && t->json)
        status = plan_json(t, &plan, seconds, memory);
    else if (status == GLASS_OK)
        print_probe(t, &plan, seconds, memory);
    glass_run_close(run);
    return status;
}

/* ---- the live line ---- */

static void show_step(struct train *t, const glass_run_plan *plan,
                      const glass_run_report *p) {
    char left[32];
    t->busy += p->seconds;
    t->tokens += (double)p->n_tokens;
    double done = t->tokens / (double)p->n_tokens;
    double spent = (cli_now() - t->start) / done; /* a step, with all that follows it */
    if (!t->tty || t->quiet) return;
    fprintf(stderr,
            "\rstep %lld/%lld  loss %.4f  %.0f tokens/s  %.0f%% of FMA peak  %s left\x1b[K",
            (long long)p->step, (long long)p->n_steps, p->loss, t->tokens / t->busy,
            t->peak > 0 ? 100 * plan->step_flops / (t->busy / done) / t->peak : 0,
            duration(left, spent * (double)(p->n_steps - p->step)));
}

static void show_rest(const struct train *t, const glass_run_report *p) {
    bool any = p->evaluated || p->sample != NULL || p->checkpoint != NULL;
    if (t->quiet || !any) return;
    if (t->tty) fprintf(stderr, "\r\x1b[K");
    printf("step %lld  loss %.4f", (long long)p->step, p->loss);
    if (p->evaluated)
        printf("  held out %.4f, %.4f bits a byte", p->held_out_loss, p->bits_per_byte);
    if (p->checkpoint != NULL) printf("  %s", p->checkpoint);
    printf("\n");
    if (p->sample != NULL) printf("--- sample\n%s\n---\n", p->sample);
    fflush(stdout);
}

static glass_status stop(glass_run *run) {
    const char *folder;
    if (glass_run_n_done(run) > 0) {
        TRY(glass_run_checkpoint(run, &folder));
        if (folder == NULL) return GLASS_CANCELLED; /* rank 0 says it */
        return fail(GLASS_CANCELLED, "stopped after step %lld; %s goes on with --resume",
                    (long long)glass_run_n_done(run), folder);
    }
    return fail(GLASS_CANCELLED, "stopped before the first step");
}

static glass_status go(struct train *t, glass_run *run) {
    glass_run_plan plan;
    glass_run_report p;
    glass_status status;
    struct sigaction term = {.sa_handler = on_term};
    glass_run_get_plan(run, &plan);
    t->tty = isatty(STDERR_FILENO);
    if (t->tty && !t->quiet) TRY(measure_peak(t, plan.n_threads));
    cli_catch_interrupt();
    prepare_last_words(t->processes, plan.folder);
    sigaction(SIGTERM, &term, NULL);
    signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is an error to be told */
    sigaction(SIGUSR1, &term, NULL); /* mpirun passes it on, and batch systems send it */
    if (!t->quiet)
        printf("%s: %lld parameters, %lld tokens of text, step %lld of %lld\n", plan.folder,
               (long long)plan.n_params, (long long)plan.n_tokens,
               (long long)glass_run_n_done(run), (long long)plan.n_steps);
    fflush(stdout);
    t->start = cli_now();
    while ((status = glass_run_step(run, &p)) == GLASS_OK) {
        show_step(t, &plan, &p);
        show_rest(t, &p);
        if (p.stopped && p.step < p.n_steps) {
            no_last_words();
            status = stop(run);
            break;
        }
    }
    no_last_words();
    if (t->tty && !t->quiet) fprintf(stderr, "\r\x1b[K");
    return status == GLASS_NEGATIVE ? GLASS_OK : status;
}

static glass_status status_json(const glass_run_report *p, bool running) {
    struct buf b = {0};
    TRY(buf_printf(&b, "{\"step\":%lld,\"steps\":%lld,\"running\":%s", (long long)p->step,
                   (long long)p->n_steps, running ? "true" : "false"));
    if (p->step > 0) {
        TRY(json_number(&b, "loss", p->loss));
        TRY(json_number(&b, "norm", p->norm));
        TRY(json_number(&b, "rate", p->rate));
        TRY(json_number(&b, "tokens_per_second", (double)p->n_tokens / p->seconds));
        TRY(json_number(&b, "seconds_left", p->seconds * (double)(p->n_steps - p->step)));
    }
    if (p->evaluated) {
        TRY(json_number(&b, "held_out_loss", p->held_out_loss));
        TRY(json_number(&b, "bits_per_byte", p->bits_per_byte));
    }
    print_json(&b);
    return GLASS_OK;
}

static glass_status show_status(const char *folder, bool json) {
    glass_run_report p;
    char left[32];
    bool running;
    TRY(glass_run_status(&p, &running, folder));
    if (json) return status_json(&p, running);
    printf("step      %lld of %lld, %s\n", (long long)p.step, (long long)p.n_steps,
           running               ? "a process is at it"
           : p.step == p.n_steps ? "done"
                                 : "no process is at it");
    if (p.step > 0)
        printf("loss      %.4f\nrate      %g\nspeed     %.0f tokens/s\n", p.loss, p.rate,
               (double)p.n_tokens / p.seconds);
    if (running && p.step < p.n_steps)
        printf("left      %s\n", duration(left, p.seconds * (double)(p.n_steps - p.step)));
    if (p.evaluated)
        printf("held out  %.4f, %.4f bits a byte\n", p.held_out_loss, p.bits_per_byte);
    return GLASS_OK;
}

/* A run's steps; of several processes, rank 0 speaks. */
static glass_status train(struct train *t, const char *recipe, glass_run_options *options) {
    options->processes = t->processes;
    options->stop = &cli_interrupted;
    if (glass_processes_rank(t->processes) > 0) t->quiet = true;
    if (recipe != NULL)
        TRY(glass_run_create(&t->run, recipe, options));
    else
        TRY(glass_run_resume(&t->run, t->resume, options));
    return go(t, t->run);
}

static glass_status work(struct train *t, const char *recipe) {
    glass_run_options options = {
        .folder = t->folder, .dry = t->dry, .from = t->from, .find = store_resolve};
    struct stat st;
    if (recipe != NULL && stat(recipe, &st) == 0 && S_ISDIR(st.st_mode))
        return fail(GLASS_USAGE,
                    "%s: a folder, and a recipe is wanted: --resume %s goes on with a run, "
                    "--status tells how it stands",
                    recipe, recipe);
    TRY(cli_narrow(&options.n_threads, t->n_threads, "threads"));
    TRY(cli_narrow(&options.n_processes, t->n_processes, "processes"));
    if (t->n_threads < 0) return fail(GLASS_USAGE, "--threads: no negative number");
    if ((recipe != NULL) + (t->resume != NULL) + (t->status != NULL) != 1)
        return fail(GLASS_USAGE, "one of RECIPE, --resume RUN and --status RUN is wanted");
    if (t->status != NULL) return show_status(t->status, t->json);
    if (t->json && !t->dry) return fail(GLASS_USAGE, "--json: with --dry-run or --status");
    if (t->dry && recipe == NULL) return fail(GLASS_USAGE, "--dry-run takes a RECIPE");
    if (t->n_processes < 0 || (t->n_processes > 0 && !t->dry))
        return fail(GLASS_USAGE,
                    "--processes N goes with --dry-run; mpirun -n N starts them");
    TRY(glass_processes_join(&t->processes));
    if (!t->dry) return train(t, recipe, &options);
    options.processes = t->processes;
    return glass_processes_rank(t->processes) > 0 ? GLASS_OK : dry_run(t, recipe, &options);
}

int cmd_train(int argc, char **argv) {
    struct train t = {0};
    const struct opt options[] = {
        {"out", 'o', OPT_TEXT, &t.folder, "RUN",
         "the run's folder (default: RECIPE with .run for its ending)"},
        {"resume", 0, OPT_TEXT, &t.resume, "RUN", "go on from the newest checkpoint"},
        {"from", 0, OPT_INT, &t.from, "STEP", "with --resume: from this checkpoint"},
        {"status", 0, OPT_TEXT, &t.status, "RUN", "how a run stands"},
        {"dry-run", 0, OPT_FLAG, &t.dry, NULL,
         "parameters, memory, work and time; nothing is written"},
        {"processes", 0, OPT_INT, &t.n_processes, "N",
         "with --dry-run: what it is with so many (default: those of mpirun)"},
        {"json", 'j', OPT_FLAG, &t.json, NULL,
         "with --dry-run or --status: a line of JSON"},
        {"threads", 't', OPT_INT, &t.n_threads, "N",
         "threads (default: the recipe's, or all cores); results are the same"},
        {"quiet", 'q', OPT_FLAG, &t.quiet, NULL, "say nothing"},
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass train RECIPE [options]",
        "Trains a model from text as a recipe says (docs/training.md lists its keys).\n"
        "Ctrl-C ends after the step with a checkpoint; a run that was killed goes on from\n"
        "its last one, and ends with the same bits. Every checkpoint is a MODEL. "
        "Processes\n"
        "that mpirun starts share the work: any number of them gives the same bits.",
        "  glass train shakespeare.yaml\n"
        "  glass train shakespeare.yaml --dry-run\n"
        "  glass train --resume shakespeare.run\n"
        "  mpirun -n 4 glass train shakespeare.yaml\n"
        "  glass complete shakespeare.run/checkpoints/step-00001000 -p \"ROMEO:\"\n",
        options,
        0,
        1,
        false};
    const char *words[1] = {NULL};
    int n_words, code = opts_parse(&command, argc, argv, words, &n_words);
    if (code >= 0) return code;
    glass_status status = work(&t, words[0]);
    code = status == GLASS_OK ? 0 : cli_fail_one(t.processes, status);
    glass_processes_leave(t.processes, status);
    glass_run_close(t.run);
    return code;
}
