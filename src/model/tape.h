/* tape.h - what a forward pass leaves for the backward pass: rows of every layer, as they were.
 *
 * Borrowed memory, f32, T rows each; NULL where the model has no use for it, or where it is made
 * again later. What is cheap to make again (norms, activations, probabilities) is not kept. But q,
 * k, v and attn are there always: layers may have the same memory for these. */
#ifndef MODEL_TAPE_H
#define MODEL_TAPE_H

struct tape_layer {
    float *x_attn; /* (T, n_embd) the stream that the attention's norm reads */
    float *x_ffn; /* the same for the MLP's; the same rows where the residual is parallel */
    float *q_raw,
        *k_raw;       /* before the norms of q and k, after clamps, where there are such */
    float *q, *k, *v; /* as attention reads them */
    float *attn;      /* (T, n_head*head_dim) what the output layer reads */
    float *attn_out,
        *ffn_out;     /* (T, n_embd) before the norms after, where there are such */
    float *gate, *up; /* (T, n_ff) before the activation */
};

struct tape {
    struct tape_layer *layers; /* (n_layer) */
    float *x;                  /* (T, n_embd) the stream after the last layer */
};

#endif
