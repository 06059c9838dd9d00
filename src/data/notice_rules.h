/* notice_rules.h - between notice.c and its rules. */
#ifndef DATA_NOTICE_RULES_H
#define DATA_NOTICE_RULES_H

#include "base/buf.h"

/* A file's words in lower case, one space between them and one at the end; map has the file's
 * byte for each of text's. */
struct words {
    struct buf text, map;
    bool history; /* it tells what changed (ChangeLog, NEWS) */
    bool whole;   /* it tells about licences (COPYING) */
};

enum { NOTICE_MATCHES = 24 };
struct notice_match {
    char id[64];       /* an expression */
    size_t start, end; /* of text */
    bool alternative;  /* to the matches before it: OR */
};

/* Different licences that the words name, in order. */
int notice_rules(struct notice_match matches[NOTICE_MATCHES], const struct words *w);

#endif
