/* trace_record.h - what is recorded of a document: title, origin, licence, author.
 *
 * The records of a shard NAME.safetensors are the lines of NAME.documents.jsonl beside it, one
 * for each of its documents in their order: JSON objects as data/record.h has them. Of these
 * "title", "source" and "path" (which give the origin), "url", "licence", "author" and "made_by"
 * are told, each a text or left out. Without such a file the documents have no records.
 */
#ifndef OPEN_TRACE_RECORD_H
#define OPEN_TRACE_RECORD_H

#include "glass/trace.h"

struct trace_records;

/* paths: of the shards (n); those that have no records are fine. GLASS_BAD_INPUT: a file has
 * another number of lines than n_documents says. */
glass_status trace_records_open(struct trace_records **out, const char *const *paths,
                                const int64_t *n_documents, int64_t n);
void trace_records_close(struct trace_records *r);

/* Texts are copied by `copy`, which the caller frees. GLASS_BAD_INPUT: the line is no JSON
 * object. */
glass_status trace_records_get(glass_trace_record *out, const struct trace_records *r,
                               int64_t shard, int64_t document,
                               glass_status (*copy)(void *context, const char **out,
                                                    const char *text, size_t n_bytes),
                               void *context);

#endif
