/* cmd_data.h - between the parts of glass data. */
#ifndef CLI_CMD_DATA_H
#define CLI_CMD_DATA_H

#include "cli/cli.h"
#include "glass/data.h"

int data_add_main(int argc, char **argv);
int data_pack_main(int argc, char **argv);
int data_show_main(int argc, char **argv);
int data_list_main(int argc, char **argv);
int data_prove_main(int argc, char **argv);
int data_check_main(int argc, char **argv);

/* To standard output. */
glass_status data_print(const struct buf *out);

#endif
