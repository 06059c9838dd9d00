/* run_plan.c - what a run will take: reckoned, and measured by a part of it. */
#include "train/run_parts.h"
#include "base/clock.h"
#include "train/schedule.h"
#include "train/tree.h"

#include <stdio.h>
#include <unistd.h>

/* Floats of all tensors, and of those that products read for every token. */
static void count_weights(const struct glass_run *run, int64_t *all, int64_t *matrices) {
    const struct config *c = &run->model->config;
    *all = run->model->n_params;
    *matrices = c->n_embd * c->n_vocab; /* the head's */
    int64_t q = c->n_head * c->head_dim, kv = c->n_head_kv * c->head_dim;
    *matrices += c->n_layer * c->n_embd * (2 * q + 2 * kv);
    *matrices += c->n_layer * c->n_embd * c->n_ff * (c->family.gated ? 3 : 2);
}

static size_t shards_bytes(const struct shard *s, int64_t n) {
    size_t bytes = 0;
    for (int64_t i = 0; i < n; i++)
        bytes += (size_t)s[i].n_tokens * (size_t)s[i].token_bytes +
                 (size_t)s[i].n_documents * sizeof(int64_t);
    return bytes;
}

void glass_run_get_plan(const glass_run *run, glass_run_plan *out) {
    /* The program, its libraries' and its threads' own; measured (docs/training.md). */
    const size_t program_bytes = (size_t)15 << 20;
    const struct recipe *r = &run->recipe;
    const struct config *c = &run->model->config;
    int64_t matrices, tokens = r->context * r->sequences;
    *out = (glass_run_plan){.folder = run->folder,
                            .n_steps = r->steps,
                            .n_context = r->context,
                            .n_batch_tokens = tokens,
                            .n_micro = r->sequences / r->micro,
                            .n_threads = run->n_threads,
                            .n_processes = run->n_processes};
    count_weights(run, &out->n_params, &matrices);
    size_t shards = shards_bytes(run->shards, run->n_shards) +
                    shards_bytes(run->held_out, run->n_held_out);
    for (int64_t i = 0; i < run->n_shards + run->n_held_out; i++) {
        bool train = i < run->n_shards;
        const struct shard *s = train ? &run->shards[i] : &run->held_out[i - run->n_shards];
        *(train ? &out->n_tokens : &out->held_out_tokens) += s->n_rows;
        *(train ? &out->text_bytes : &out->held_out_bytes) += s->n_bytes;
        if (train) out->n_documents += s->n_documents;
    }
    out->epochs = (double)r->steps * (double)r->sequences / (double)run->loader.n_places;
    out->step_flops =
        (double)tokens *
        (6.0 * (double)matrices +
         12.0 * (double)(c->n_layer * c->n_head * c->head_dim) * (double)r->context / 2);
    out->memory_bytes = trainer_bytes(run->model, &run->sizes) + shards + program_bytes +
                        (run->fresh ? 0 : run->model->weight_bytes) + run_sample_bytes(run);
    out->checkpoint_bytes = 3 * (size_t)out->n_params * sizeof(float);
    if (r->optimizer == OPTIMIZER_MUON) /* whose matrices have one moment */
        out->checkpoint_bytes -=
            (size_t)(matrices - c->n_embd * c->n_vocab) * sizeof(float);
}

/* ---- the probe ---- */

/* The largest resident size of this process so far; 0 where the system does not say. */
static size_t peak_bytes(void) {
    char line[128];
    long kilobytes = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "VmHWM: %ld", &kilobytes) == 1) break;
    if (file != NULL) fclose(file);
    return (size_t)kilobytes << 10;
}

/* Floats of the moments of the process that has the most. */
static int64_t moment_floats(const struct params *p, int64_t n_processes) {
    int64_t most = 0, begin, end;
    for (int64_t i = 0; i < n_processes; i++) {
        optimizer_cut(p, i, n_processes, &begin, &end);
        if (end - begin > most) most = end - begin;
    }
    return 2 * most;
}

/* What a run takes that the probe does not: sums of more micro-batches than one, what processes
 * take that share a step, pages of shards, pictures and the database. */
static size_t unprobed_bytes(const struct glass_run *run) {
    const size_t pictures = (size_t)3 << 20; /* measured (docs/training.md) */
    const size_t mpi = (size_t)9 << 20;      /* its libraries and buffers; measured, too */
    const size_t page = (size_t)64 << 10;    /* as much is mapped where one byte is read */
    const struct recipe *r = &run->recipe;
    size_t held_out = 0, bytes = pictures;
    int64_t floats = trainer_params(run->trainer)->n_floats;
    bytes += tree_bytes(floats, r->sequences / r->micro, run->n_processes);
    if (run->n_processes > 1 && !run->joined) bytes += mpi;
    size_t train = shards_bytes(run->shards, run->n_shards);
    double read = (double)r->steps * (double)r->sequences * (double)page;
    held_out = shards_bytes(run->held_out, run->n_held_out);
    return bytes + (read < (double)train ? (size_t)read : train) + held_out;
}

/* What the probe takes that one of several processes does not: the others' moments. */
static size_t spared_bytes(const struct glass_run *run) {
    const struct params *p = trainer_params(run->trainer);
    return (size_t)(moment_floats(p, 1) - moment_floats(p, run->n_processes)) *
           sizeof(float);
}

static glass_status check_room(const glass_run *run) {
    glass_run_plan plan;
    size_t room = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    glass_run_get_plan(run, &plan);
    if (plan.memory_bytes <= room) return GLASS_OK;
    return fail(
        GLASS_NO_MEMORY,
        "such a run takes up to %.1f GB, and this machine has %.1f: make batch.micro "
        "smaller, or the model, or say recompute: layers",
        1e-9 * (double)plan.memory_bytes, 1e-9 * (double)room);
}

static glass_status probe_steps(glass_run *run, double *seconds) {
    const struct recipe *r = &run->recipe;
    struct optimizer_options o = schedule_options(r, 1);
    double add = 0;
    float norm;
    o.rate = o.muon_rate = 0; /* nothing is learnt */
    loader_samples(&run->loader, 0, r->micro);
    for (int i = 0; i < 3; i++) { /* the first one meets cold memory */
        double start = clock_now(), took;
        trainer_drop(run->trainer); /* each is the first of a step */
        TRY(trainer_add(run->trainer, &run->loader.batch,
                        1.0F / (float)(r->context * r->sequences), run->losses));
        took = clock_now() - start;
        if (i == 1 || took < add) add = took;
    }
    double start = clock_now();
    TRY(trainer_step(run->trainer, &o, &norm));
    int64_t begin, end, longest = 0;
    for (int64_t i = 0; i < run->n_processes; i++) {
        tree_run(run->sizes.n_micro, i, run->n_processes, &begin, &end);
        if (end - begin > longest) longest = end - begin;
    }
    *seconds = add * (double)longest + (clock_now() - start);
    return GLASS_OK;
}

glass_status glass_run_probe(glass_run *run, double *seconds, size_t *memory_bytes) {
    *seconds = 0;
    *memory_bytes = 0;
    if (!run->dry) return fail(GLASS_USAGE, "only a dry run can be probed");
    TRY(check_room(run));
    if (run->trainer == NULL) TRY(run_start_trainer(run));
    TRY(probe_steps(run, seconds));
    if (run->recipe.sample_every > 0) TRY(run_sample(run));
    *memory_bytes = peak_bytes();
    if (*memory_bytes > 0) *memory_bytes += unprobed_bytes(run) - spared_bytes(run);
    return GLASS_OK;
}
