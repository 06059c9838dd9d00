/* run_look.c - how good the model of now is: held-out loss, samples of text. */
#include "glass/sampler.h"
#include "glass/session.h"
#include "model/session.h"
#include "train/run_parts.h"

enum { SAMPLE_BATCH = 16 }; /* prompts are short, and memory is the training's */

glass_status run_batch_losses(struct glass_run *run, int64_t n, int owner) {
    int rank = glass_processes_rank(run->comm);
    size_t n_bytes = (size_t)n * sizeof *run->losses;
    if (owner == rank) {
        TRY(trainer_losses(run->trainer, &run->loader.batch, run->losses));
        return rank > 0 ? comm_send_all(run->comm, 0, COMM_LOSSES, run->losses, n_bytes)
                        : GLASS_OK;
    }
    return rank == 0 ? comm_receive_all(run->comm, owner, COMM_LOSSES, run->losses, n_bytes)
                     : GLASS_OK;
}

glass_status run_evaluate(struct glass_run *run, double *loss, double *bits_per_byte) {
    int owner = 0, size = glass_processes_size(run->comm);
    int64_t n_rows = 0, n_bytes = 0;
    double sum = 0; /* rank 0's */
    *loss = *bits_per_byte = 0;
    for (int64_t i = 0; i < run->n_held_out; i++) {
        const struct shard *s = &run->held_out[i];
        for (int64_t row = 0; row < s->n_rows; row += run->loader.n_rows_most) {
            int64_t n = s->n_rows - row;
            if (n > run->loader.n_rows_most) n = run->loader.n_rows_most;
            if (owner == glass_processes_rank(run->comm))
                loader_rows(&run->loader, s, row, n);
            TRY(run_batch_losses(run, n, owner));
            for (int64_t t = 0; t < n; t++) sum += (double)run->losses[t];
            owner = (owner + 1) % size;
        }
        n_rows += s->n_rows;
        n_bytes += s->n_bytes;
    }
    TRY(comm_from_first(run->comm, &sum, sizeof sum));
    *loss = sum / (double)n_rows;
    *bits_per_byte = sum / 0.69314718055994530942 / (double)n_bytes;
    return GLASS_OK;
}

/* The model with the weights of now, for as long as no step is done. */
static struct glass_model view_of(const struct glass_run *run) {
    struct glass_model view = *run->model;
    view.weights = trainer_params(run->trainer)->w;
    return view;
}

static int64_t sample_positions(const struct glass_run *run, int64_t n_prompt) {
    int64_t n = n_prompt + run->recipe.sample_n;
    return n < run->model->config.n_ctx ? n : run->model->config.n_ctx;
}

size_t run_sample_bytes(const struct glass_run *run) {
    if (run->recipe.sample_every == 0) return 0;
    return session_bytes(run->model, sample_positions(run, SAMPLE_BATCH), SAMPLE_BATCH,
                         run->n_threads, GLASS_F32);
}

/* BOS (EOS where there is none), as documents begin, and the prompt. */
static glass_status prompt_ids(const struct glass_run *run, int32_t **ids, int64_t *n) {
    const glass_tokenizer *t = run->model->tokenizer;
    const char *prompt = run->recipe.sample_prompt;
    int32_t *encoded = NULL;
    TRY(glass_tokenizer_encode(t, &encoded, n, prompt, strlen(prompt), 0));
    glass_status status = mem_alloc(ids, (size_t)*n + 1, sizeof **ids);
    if (status == GLASS_OK) {
        int32_t bos = glass_tokenizer_bos(t);
        (*ids)[0] = bos >= 0 ? bos : glass_tokenizer_eos(t);
        if (*n > 0) memcpy(*ids + 1, encoded, (size_t)*n * sizeof **ids);
        ++*n;
    }
    glass_free(encoded);
    return status;
}

struct speaking {
    glass_session *session;
    glass_sampler *sampler;
    float *logits;
    int32_t *ids; /* prompt, then what was drawn */
    int64_t n_ids;
};

static glass_status speak(struct glass_run *run, struct speaking *s) {
    const glass_tokenizer *t = run->model->tokenizer;
    int64_t n_vocab = run->model->config.n_vocab, n_prompt = s->n_ids;
    char *text;
    size_t n_bytes;
    TRY(glass_session_eval(s->session, s->ids, n_prompt, s->logits));
    for (int64_t i = 0; i < run->recipe.sample_n; i++) {
        int32_t id;
        TRY(glass_sampler_next(s->sampler, &id, s->logits, n_vocab));
        if (glass_tokenizer_is_end(t, id) || id == glass_tokenizer_eos(t)) break;
        s->ids[s->n_ids++] = id;
        if (s->n_ids == glass_session_n_ctx(s->session)) break;
        TRY(glass_session_eval(s->session, &id, 1, s->logits));
    }
    TRY(glass_tokenizer_decode(t, &text, &n_bytes, s->ids + 1, s->n_ids - 1, 0));
    buf_clear(&run->text);
    glass_status status = buf_append(&run->text, text, n_bytes);
    glass_free(text);
    return status;
}

glass_status run_sample(struct glass_run *run) {
    const struct glass_model view = view_of(run);
    struct speaking s = {0};
    glass_sampler_options sampling;
    glass_status status;
    glass_sampler_defaults(&sampling);
    sampling.temperature = (float)run->recipe.sample_temperature;
    sampling.seed = (uint64_t)run->recipe.seed;
    TRY_FAIL(prompt_ids(run, &s.ids, &s.n_ids));
    TRY_FAIL(mem_resize(&s.ids, (size_t)(s.n_ids + run->recipe.sample_n), sizeof *s.ids));
    const glass_session_options options = {.n_ctx = sample_positions(run, s.n_ids),
                                           .n_batch = SAMPLE_BATCH,
                                           .n_threads = run->n_threads};
    TRY_FAIL(glass_session_create(&s.session, &view, &options));
    TRY_FAIL(glass_sampler_create(&s.sampler, view.tokenizer, &sampling));
    TRY_FAIL(mem_alloc(&s.logits, (size_t)view.config.n_vocab, sizeof *s.logits));
    status = speak(run, &s);
fail:
    glass_session_free(s.session);
    glass_sampler_free(s.sampler);
    mem_free(s.logits);
    mem_free(s.ids);
    return status;
}
