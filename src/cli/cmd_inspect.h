/* cmd_inspect.h - between the parts of glass inspect. */
#ifndef CLI_CMD_INSPECT_H
#define CLI_CMD_INSPECT_H

#include "cli/cli.h"

int inspect_tensors_main(int argc, char **argv);
int inspect_diff_main(int argc, char **argv);
int inspect_logits_main(int argc, char **argv);
int inspect_layers_main(int argc, char **argv);
int inspect_attention_main(int argc, char **argv);
int inspect_activations_main(int argc, char **argv);

/* ---- inspect_show.c: what the views share ---- */

/* "3", "2..5" (both counted), "7..", "-1" (the last). GLASS_USAGE names the option. */
glass_status inspect_range(glass_range *out, const char *text, const char *option);
/* JSON from the library, and a newline, to standard output; frees it. */
glass_status inspect_print(char *json, size_t n_bytes);

/* Columns of the terminal, 100 where there is none. */
int inspect_columns(void);
/* Whether colours may be used: a terminal, and no NO_COLOR. */
bool inspect_colour(void);
/* A token in quotes, padded or cut to `width` columns; its number where there is no tokenizer. */
void inspect_token(const glass_tokenizer *t, int32_t id, int width);
/* A bar of at most `width` columns for a share of 0 … 1, in eighths, padded. */
void inspect_bar(double share, int width);
/* A cell of a heat map for a share of 0 … 1: a shade, or a colour behind a space. */
void inspect_cell(double share, int width);
/* The largest of n counts as a full block, in a line of n / each columns. */
void inspect_spark(const int64_t *counts, int n, int each);

/* ---- inspect_tables.c ---- */

void inspect_show_logits(const glass_predictions *p, const glass_tokenizer *t);
void inspect_show_layers(const glass_predictions *p, const glass_tokenizer *t);
void inspect_show_attention(const glass_attention *a, const glass_tokenizer *t);
void inspect_show_tensors(const glass_tensors *v, bool whole);
void inspect_show_diff(const glass_diff *d, bool all);

#endif
