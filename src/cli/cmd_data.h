/* cmd_data.h - between the parts of glass data. */
#ifndef CLI_CMD_DATA_H
#define CLI_CMD_DATA_H

#include "cli/cli.h"
#include "glass/data.h"

int data_add_main(int argc, char **argv);
int data_card_main(int argc, char **argv);
int data_clean_main(int argc, char **argv);
int data_why_main(int argc, char **argv);
int data_pack_main(int argc, char **argv);
int data_show_main(int argc, char **argv);
int data_list_main(int argc, char **argv);
int data_prove_main(int argc, char **argv);
int data_check_main(int argc, char **argv);

/* CORPUS[@ROOT]: a corpus as an older root names it; its name lives in *name. */
glass_status data_take_corpus(glass_pack_source *out, struct buf *name, const char *word);
/* A file's text, or a hash as 64 digits. */
glass_status data_content_of(uint8_t out[32], const char *document);
/* The same of a text in a corpus, or the first digits of its hash. */
glass_status data_content_in(uint8_t out[32], glass_corpus *corpus, const char *document);
/* To standard output. */
glass_status data_print(const struct buf *out);

#endif
