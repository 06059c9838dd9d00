/* attn_back.h - the backward pass of attention, for a team.
 *
 * Forward (arithmetic.md, "Attention"): s_ij = dot(q_i, k_j) scale, p_ij = exp(s_ij - m_i),
 * z_i = sum16(p_i), o_i = (sum of p_ij v_j) / z_i. With g_i = do_i / z_i and
 * d_i = dot16(g_i, o_i):
 *
 *   dv_j = sum over i of p_ij g_i        ds_ij = p_ij (dot(g_i, v_j) - d_i)
 *   dq_i = (sum over j of ds_ij k_j) scale     dk_j = (sum over i of ds_ij q_i) scale
 *
 * With a soft cap s_ij = tanh(dot scale / cap) cap, and ds_ij is multiplied by 1 - tanh^2.
 * Sums over queries and keys are the products of arithmetic.md: chains over blocks of 256
 * positions, added to +0 in ascending order; those of dk and dv by query head of the group, then
 * by block of queries. Blocks without a visible pair are left out; inside the others invisible
 * pairs take part as +0. A segment's positions count from its own start. */
#ifndef TRAIN_ATTN_BACK_H
#define TRAIN_ATTN_BACK_H

#include "base/team.h"

#include <stddef.h>

/* Rows that attend to one another: row + t is position t < n. */
struct attn_rows {
    int64_t row, n;
};

/* Rows are n_head * head_dim (q, o, and their gradients) or n_head_kv * head_dim wide. */
struct attn_back {
    const float *q, *k, *v, *o, *d_o;
    float *dq, *dk, *dv; /* overwritten */
    int64_t n_head, n_head_kv, head_dim;
    float scale;
    float cap;      /* 0 = none */
    int64_t window; /* 0: all keys up to the query; else keys in (p - window, p] */
    const struct attn_rows *segments;
    int64_t n_segments;
};

/* Bytes of 64-aligned scratch for each member; n is the longest segment; capped: cap > 0. */
size_t attn_back_scratch_bytes(int64_t n, int64_t head_dim, bool capped);
/* All members, each with scratch of its own. Uses the team's queue; ends with a barrier. */
void attn_back_run(const struct member *me, const struct attn_back *job, void *scratch);

#endif
