/* licence_parts.h - between the files of licence.h. */
#ifndef DATA_LICENCE_PARTS_H
#define DATA_LICENCE_PARTS_H

#include "base/buf.h"

#include <stdio.h>

/* The SPDX id for a name; false if the table does not know it. */
bool licence_id(char out[128], const char *text, size_t n_bytes);

/* Whether a family ("GPL", "LGPL", "AGPL", "GFDL") has that version. */
bool licence_version(const char *family, int major, int minor);

/* An expression as nodes; strings are borrowed from the text or stand in the node. */
enum { LICENCE_NODES = 128, LICENCE_DEPTH = 16 };
struct licence_node {
    char kind;       /* 'n'ame, '&', '|', 'w'ith */
    int left, right; /* of & and |; left of w */
    char text[128];  /* n: id; w: exception */
};
struct licence_tree {
    struct licence_node nodes[LICENCE_NODES];
    int n, top; /* top -1: empty */
};
/* False if the text has too many names or too deep parentheses. */
bool licence_parse(struct licence_tree *out, const char *text, size_t n_bytes);

#endif
