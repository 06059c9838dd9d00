/* loss.c - see loss.h. */
#include "train/loss.h"

#include "math/kernels.h"

#include <math.h>
#include <string.h>

struct chunk {
    const struct crew *c;
    const struct loss_job *j;
    int64_t t0, n; /* rows */
};

static void norm_rows(const struct chunk *k) {
    const struct config *c = k->j->params->config;
    const struct norm *norm = &k->j->params->w.final_norm;
    int64_t D = c->n_embd, begin, end;
    team_share(k->c->me, k->n, 1, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        const float *x = k->j->x + (k->t0 + i) * D;
        float *y = k->j->work.normed + i * D;
        if (c->family.norm == NORM_RMS)
            k->c->m->rmsnorm_f32(y, x, norm->w, D, c->norm_eps);
        else
            k->c->m->layernorm_f32(y, x, norm->w, norm->b, D, c->norm_eps);
    }
    team_barrier(k->c->me);
}

static void logits(const struct chunk *k) {
    const struct linear *head = &k->j->params->w.head;
    int64_t D = head->w.k, V = head->w.n, begin, end;
    int64_t unit = matmul_unit(V, 32, k->c->me->n, false);
    while (team_queue_next(k->c->me, V, unit, &begin, &end)) {
        k->c->m->gemm_f32(k->j->work.logits + begin, V, k->j->work.normed,
                          (size_t)D * sizeof(float),
                          (const float *)head->w.data + begin * D, head->w.row_bytes, k->n,
                          end - begin, D, k->c->scratch);
        for (int64_t i = 0; head->b != NULL && i < k->n; i++) {
            float *row = k->j->work.logits + i * V + begin;
            k->c->m->add_f32(row, row, head->b + begin, end - begin);
        }
    }
    team_barrier(k->c->me);
}

/* What the model means by the products; tanhs keeps those of soft caps. */
static void finish_row(const struct chunk *k, float *l, float *tanhs, int64_t V) {
    const struct config *c = k->j->params->config;
    if (c->logit_divisor != 1) k->c->m->divide_f32(l, l, c->logit_divisor, V);
    if (c->logit_cap <= 0) return;
    k->c->m->divide_f32(tanhs, l, c->logit_cap, V);
    k->c->m->tanh_f32(tanhs, tanhs, V);
    k->c->m->scale_f32(l, tanhs, c->logit_cap, V);
}

static void finish_back(const struct chunk *k, float *dl, const float *tanhs, int64_t V) {
    const struct config *c = k->j->params->config;
    if (c->logit_cap > 0) k->c->m->softcap_back_f32(dl, tanhs, V);
    if (c->logit_divisor != 1) k->c->m->divide_f32(dl, dl, c->logit_divisor, V);
}

/* Loss and, in place, the gradient of the logits of one row. */
static void entropy_row(const struct chunk *k, int64_t i) {
    const struct loss_job *j = k->j;
    int64_t t = k->t0 + i, V = j->params->w.head.w.n;
    float *l = j->work.logits + i * V, *tanhs = j->caps[k->c->me->i];
    finish_row(k, l, tanhs, V);
    float most = k->c->m->max_f32(l, V), right = l[j->targets[t]] - most;
    float z = k->c->m->softmax_exp_f32(l, l, most, 0, V), log_z;
    k->c->m->log_f32(&log_z, &z, 1);
    j->losses[t] = log_z - right;
    if (j->dx == NULL) return;
    float f = j->weights == NULL ? j->factor : j->weights[t] * j->factor;
    float all = j->z == 0 ? f : f * fmaf(2 * j->z, most + log_z, 1.0F);
    k->c->m->scale_f32(l, l, all / z, V);
    l[j->targets[t]] = l[j->targets[t]] - f;
    finish_back(k, l, tanhs, V);
}

static void entropy(const struct chunk *k) {
    int64_t begin, end;
    while (team_queue_next(k->c->me, k->n, 4, &begin, &end))
        for (int64_t i = begin; i < end; i++) entropy_row(k, i);
    team_barrier(k->c->me);
}

/* The head's gradient, its rows in pieces: this chunk's blocks of the product over tokens. */
static void head_gradient(const struct chunk *k) {
    const struct params *p = k->j->params;
    int64_t D = p->w.head.w.k, V = p->w.head.w.n, begin, end;
    int64_t parts = 8 * (int64_t)k->c->me->n, unit = (V + parts - 1) / parts;
    gemm_kernel *product = k->t0 == 0 ? k->c->m->gemm_tn_f32 : k->c->m->gemm_tn_more_f32;
    while (team_queue_next(k->c->me, V, unit, &begin, &end))
        product((float *)(uintptr_t)p->d.head.w.data + begin * D, D,
                k->j->work.logits + begin, (size_t)V * sizeof(float), k->j->work.normed,
                (size_t)D * sizeof(float), end - begin, D, k->n, k->c->scratch);
}

/* d (n) = or += the sums of the chunk's blocks, one after the other. */
static void add_blocks(const struct chunk *k, float *d, const float *dy, const float *hat,
                       int64_t n, float *part) {
    int64_t from, to;
    if (d == NULL) return;
    if (k->t0 == 0) {
        sum_tokens(k->c, d, dy, hat, n, k->n);
        return;
    }
    team_share(k->c->me, n, 16, &from, &to); /* as sum_tokens shares them */
    for (int64_t i = 0; i < k->n; i += LOSS_BLOCK) {
        sum_tokens(k->c, part, dy + i * n, hat == NULL ? NULL : hat + i * n, n,
                   k->n - i < LOSS_BLOCK ? k->n - i : LOSS_BLOCK);
        k->c->m->add_f32(d + from, d + from, part + from, to - from);
    }
}

/* Back through the final norm, this member's rows. */
static void norm_back(const struct chunk *k) {
    const struct config *c = k->j->params->config;
    const struct norm *norm = &k->j->params->w.final_norm;
    int64_t D = c->n_embd, begin, end;
    team_share(k->c->me, k->n, 1, &begin, &end);
    for (int64_t i = begin; i < end; i++)
        (c->family.norm == NORM_RMS ? k->c->m->rmsnorm_back_f32
                                    : k->c->m->layernorm_back_f32)(
            k->j->dx + (k->t0 + i) * D, k->j->work.hat + i * D, k->j->work.d_normed + i * D,
            k->j->x + (k->t0 + i) * D, norm->w, D, c->norm_eps);
    team_barrier(k->c->me);
}

void loss_run(const struct crew *c, const struct loss_job *job) {
    const struct params *p = job->params;
    int64_t D = p->config->n_embd, V = p->w.head.w.n;
    for (int64_t t0 = 0; t0 < job->T; t0 += LOSS_ROWS) {
        struct chunk k = {c, job, t0, job->T - t0 < LOSS_ROWS ? job->T - t0 : LOSS_ROWS};
        norm_rows(&k);
        logits(&k);
        entropy(&k);
        if (job->dx == NULL) continue;
        product_list(
            c, &(struct product){job->work.d_normed, job->work.logits, NULL, &p->w.head.w},
            1, k.n);
        head_gradient(&k);
        norm_back(&k);
        add_blocks(&k, p->d.final_norm.w, job->work.d_normed, job->work.hat, D,
                   job->work.part);
        add_blocks(&k, p->d.final_norm.b, job->work.d_normed, NULL, D, job->work.part + D);
        add_blocks(&k, p->d.head.b, job->work.logits, NULL, V, job->work.part + 2 * D);
        team_barrier(c->me);
    }
}
