/* run_without_look.c - what a run and the same without some documents say: held-out loss, the
 * documents' own, an answer's. See run_without.h. */
#include "train/run_without.h"

/* ---- the documents ---- */

struct summing {
    struct glass_run *run;
    int owner;  /* of the next batch */
    double sum; /* rank 0's */
};

static glass_status flush(struct summing *x) {
    int64_t n = x->run->loader.batch.T;
    if (n > 0) TRY(run_batch_losses(x->run, n, x->owner));
    for (int64_t t = 0; t < n; t++) x->sum += (double)x->run->losses[t];
    x->owner = (x->owner + 1) % glass_processes_size(x->run->comm);
    loader_begin(&x->run->loader);
    return GLASS_OK;
}

/* Rows of one document, in pieces of the context, each seen by itself. */
static glass_status add_document(struct summing *x, const struct shard *s, int64_t d) {
    int64_t row = shard_start(s, d) - d, end = shard_start(s, d + 1) - (d + 1);
    int64_t context = x->run->recipe.context;
    for (; row < end; row += context) {
        int64_t n = end - row < context ? end - row : context;
        if (loader_add(&x->run->loader, s, row, n)) continue;
        TRY(flush(x));
        loader_add(&x->run->loader, s, row, n);
    }
    return GLASS_OK;
}

/* By the run's own shards, whose documents are whole. */
static glass_status documents_loss(struct without *w, struct glass_run *run, double *mean) {
    struct summing x = {.run = run};
    int64_t n = 0;
    loader_begin(&run->loader);
    for (int64_t i = 0; i < w->old->n_shards; i++)
        for (int64_t k = 0; k < w->list[i].n; k++) {
            const struct shard *s = &w->old->shards[i];
            int64_t d = w->list[i].documents[k];
            n += shard_start(s, d + 1) - shard_start(s, d) - 1;
            TRY(add_document(&x, s, d));
        }
    TRY(flush(&x));
    TRY(comm_from_first(run->comm, &x.sum, sizeof x.sum));
    w->out->n_left_out = n;
    *mean = n > 0 ? x.sum / (double)n : 0;
    return GLASS_OK;
}

/* ---- the answer ---- */

/* Tokens of the prompt and the answer as one text; the answer's are those behind what it has in
 * common with the prompt alone, so that a word that goes on from the prompt is one. */
static glass_status encode_both(struct without *w, const glass_tokenizer *t) {
    const glass_without_options *o = w->o;
    struct buf text = {0};
    int32_t *prompt = NULL, *whole = NULL;
    int64_t n_prompt = 0, n = 0, same = 0;
    glass_status status;
    if (o->n_prompt > 0) TRY_FAIL(buf_append(&text, o->prompt, o->n_prompt));
    TRY_FAIL(glass_tokenizer_encode(t, &prompt, &n_prompt, text.len > 0 ? text.data : "",
                                    text.len, 0));
    if (o->n_answer > 0) TRY_FAIL(buf_append(&text, o->answer, o->n_answer));
    TRY_FAIL(
        glass_tokenizer_encode(t, &whole, &n, text.len > 0 ? text.data : "", text.len, 0));
    while (same < n_prompt && same < n && prompt[same] == whole[same]) same++;
    TRY_FAIL(mem_resize(&w->ids, (size_t)n + 1, sizeof *w->ids));
    if (n > 0) memcpy(w->ids + 1, whole, (size_t)n * sizeof *whole);
    w->n_ids = n + 1;
    w->n_before = same + 1;
    if (o->n_answer == 0 || same == n) status = fail(GLASS_USAGE, "the answer is empty");
fail:
    buf_free(&text);
    glass_free(prompt);
    glass_free(whole);
    return status;
}

/* Where each token of the answer lies in what they say. */
static glass_status spell(struct without *w, const glass_tokenizer *t) {
    glass_without_report *r = w->out;
    glass_token_stream *stream;
    struct buf text = {0};
    const char *part;
    size_t n_part;
    TRY(glass_token_stream_create(&stream, t, 0));
    glass_status status = buf_reserve(&text, 1);
    for (int64_t i = 0; status == GLASS_OK && i < r->n_answer_tokens; i++) {
        r->tokens[i].id = w->ids[w->n_before + i];
        r->tokens[i].begin = text.len;
        status = glass_token_stream_push(stream, r->tokens[i].id, &part, &n_part);
        if (status == GLASS_OK) status = buf_append(&text, part, n_part);
        r->tokens[i].end = text.len;
    }
    if (status == GLASS_OK) status = glass_token_stream_finish(stream, &part, &n_part);
    if (status == GLASS_OK) status = buf_append(&text, part, n_part);
    if (r->n_answer_tokens > 0) r->tokens[r->n_answer_tokens - 1].end = text.len;
    if (status == GLASS_OK) status = buf_take(&text, &r->answer, &r->n_answer);
    glass_token_stream_free(stream);
    buf_free(&text);
    return status;
}

/* As documents begin: BOS, EOS where there is none. */
glass_status without_answer(struct without *w) {
    const glass_tokenizer *t = glass_model_tokenizer(w->old->model);
    glass_without_report *r = w->out;
    int32_t bos = glass_tokenizer_bos(t);
    if (w->o->answer == NULL) return GLASS_OK;
    TRY(encode_both(w, t));
    w->ids[0] = bos >= 0 ? bos : glass_tokenizer_eos(t);
    r->n_answer_tokens = w->n_ids - w->n_before;
    TRY(mem_alloc_zero(&r->tokens, (size_t)r->n_answer_tokens, sizeof *r->tokens));
    return spell(w, t);
}

static double *side(glass_without_pair *pair, bool with) {
    return with ? &pair->with : &pair->without;
}

/* Windows of the context; each but the first sees half of one before what it tells. */
static glass_status answer_lnp(struct without *w, struct glass_run *run, bool with) {
    glass_without_report *r = w->out;
    int64_t context = run->recipe.context, n = w->n_ids - 1, begin = 0, done = 0;
    double sum = 0;
    while (w->ids != NULL && done < n) {
        struct attn_rows rows = {0, n - begin < context ? n - begin : context};
        const struct micro_batch b = {.ids = w->ids + begin,
                                      .targets = w->ids + begin + 1,
                                      .segments = &rows,
                                      .n_segments = 1,
                                      .T = rows.n};
        TRY(trainer_losses(run->trainer, &b, run->losses));
        for (; done < begin + rows.n; done++) {
            if (done + 1 < w->n_before) continue;
            double lnp = -(double)run->losses[done - begin];
            *side(&r->tokens[done + 1 - w->n_before].lnp, with) = lnp;
            sum += lnp;
        }
        begin = done - context / 2;
    }
    *side(&r->lnp, with) = sum;
    return GLASS_OK;
}

glass_status without_measure(struct without *w, struct glass_run *run, bool with) {
    glass_without_report *r = w->out;
    r->has_held_out = run->n_held_out > 0;
    if (r->has_held_out)
        TRY(run_evaluate(run, side(&r->held_out, with), side(&r->bits_per_byte, with)));
    TRY(documents_loss(w, run, side(&r->left_out, with)));
    return answer_lnp(w, run, with);
}
