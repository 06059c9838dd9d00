/* train_rows.h - numbers of one optimiser step, for list_train.def. */
#ifndef MATH_TRAIN_ROWS_H
#define MATH_TRAIN_ROWS_H

/* Each computed in binary64 and rounded once, but for beta1 and beta2 as they are. */
struct adamw_step {
    float beta2;
    float rest1, rest2; /* 1 - beta1, 1 - beta2 */
    float rate;         /* learning rate / (1 - beta1^t) */
    float root;         /* 1 / sqrt(1 - beta2^t) */
    float eps;          /* of the denominator */
    float keep;         /* 1 - learning rate * weight decay */
    float gradient;     /* factor of every gradient: 1, or what clips it */
};

#endif
