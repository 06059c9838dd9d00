/* trace_build.h - making an index, for trace_build.c and trace_sort.c only.
 *
 *   trace_build.c   what is made of which shards; the file, its small parts and the tokens
 *   trace_sort.c    the segments' suffixes, by threads */
#ifndef OPEN_TRACE_BUILD_H
#define OPEN_TRACE_BUILD_H

#include "glass/trace.h"
#include "open/trace_file.h"
#include "train/shard.h"

struct trace_building {
    glass_trace_build_options o;
    struct trace_header h;
    char *path, *part; /* the index, and the file that it is made in */
    int fd;
    struct shard *shards;
    const char *const *names; /* (n_shards) files */
    int64_t n_shards;
    struct buf shard_list, vocabulary;
    struct trace_segment_record *segments; /* (n_segments + 1) */
    struct filemap map;                    /* of the part, once its tokens are there */
};

/* Writes at a place of the part. */
glass_status trace_put_at(const struct trace_building *b, const void *bytes, size_t n_bytes,
                          uint64_t offset);
/* What a thread takes to sort a segment of n symbols. */
size_t trace_sort_bytes(int64_t n, uint32_t n_symbols);
/* Sorts the segments that are not done, and marks each in the part when it is on the disk. */
glass_status trace_sort_segments(struct trace_building *b);

#endif
