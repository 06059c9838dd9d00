/* kernels.h - the table of arithmetic kernels (arithmetic.md, "exact-1").
 *
 * Each row of the list files is one operation: its name, result and parameters. The portable
 * C version (math/c) is the definition; math/x86 and math/arm overlay faster ones that give
 * the same bits. The same rows drive the kernel checker and the kernel benchmark.
 *
 *   list_vec.def    functions and vectors: exp, norms, softmax, rotary, …
 *   list_attn.def   attention over the key/value cache
 *   list_float.def  products with F32, F16 and BF16 weights
 *   list_q32.def    quantised weights in blocks of 32: activation rounding, products, widening
 *   list_qk.def     the same in blocks of 256
 *   list_train.def  the backward pass and the optimisers
 *   list_quant.def  weights to blocks
 *
 * The table is filled once, before the first use, and is constant afterwards. */
#ifndef MATH_KERNELS_H
#define MATH_KERNELS_H

#include "math/attn_layout.h"
#include "math/gemm.h"
#include "math/train_rows.h"
#include "math/quant.h"

struct math_kernels {
#define KERNEL(name, result, parameters) result(*name) parameters;
#include "math/list.def"
#undef KERNEL
};

/* The table in use. GLASS_ISA=c|avx2|avx512|avx512vnni|neon|dotprod in the environment forces a set; a name that
 * this machine cannot run is an error message on the first call of math_isa_status. */
const struct math_kernels *math_kernels(void);
/* GLASS_OK, or GLASS_USAGE when GLASS_ISA asks for what is not there. */
glass_status math_isa_status(void);

/* Instruction sets, for the checker: the names that this machine can run ("c" first). */
int math_n_isas(void);
const char *math_isa_name(int i);
/* Fills a table as if GLASS_ISA had been math_isa_name(i). */
void math_fill(struct math_kernels *out, int i);

#endif
