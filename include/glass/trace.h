/* trace.h - where words stand in the texts that a model learnt from.
 *
 * A trace index holds the tokens of a run's shards, in the order of all their suffixes, so that
 * any stretch of text is found in them in microseconds: how often it stands there, in which
 * documents, and, of a run, which of its steps read it. docs/trace.md tells what it is made of.
 *
 * That a text stands in what a model read is no proof that the model says it because of that:
 * a match is not a cause. */
#ifndef GLASS_TRACE_H
#define GLASS_TRACE_H

#include "glass/tokenizer.h"
GLASS_BEGIN

typedef struct glass_trace glass_trace;

/* ---- making an index ---- */

typedef struct glass_trace_build_options {
    /* A GGUF file, a tokenizer.json or its folder: the vocabulary of the shards' tokens, which
     * the index keeps. A run's is found without it. */
    const char *vocabulary;
    /* Most memory to work in, besides mapped files; 0 = 6 GB. */
    size_t memory_bytes;
    /* Tokens sorted together; 0 = 2^28, or as many as the memory allows. The index's bytes
     * depend on this and the shards alone. A document is never cut. */
    int64_t segment_tokens;
    int n_threads; /* 0 = one per core */
    /* Called from this thread some times a second, done and total in tokens; false cancels.
     * May be NULL. */
    bool (*progress)(void *context, const char *what, int64_t done, int64_t total);
    void *context;
} glass_trace_build_options;

/* Makes an index of shards (train/shard.h) at path. What was done is kept beside it in
 * PATH.building until the whole is there, and a second try goes on from that. GLASS_BAD_INPUT: a
 * shard or the vocabulary; GLASS_USAGE: too little memory for the longest document. */
GLASS_API glass_status glass_trace_build(const char *path, const char *const *shards,
                                         int64_t n_shards,
                                         const glass_trace_build_options *options);
/* Of the shards that a run of training learns from; path NULL = RUN/trace.index. */
GLASS_API glass_status glass_trace_build_run(const char *path, const char *run,
                                             const glass_trace_build_options *options);

/* ---- reading one ---- */

/* An index, or the one in a run's folder, which then tells steps as well. It is mapped, and
 * shared by threads. GLASS_BAD_INPUT: it is none, or was cut short. */
GLASS_API glass_status glass_trace_open(glass_trace **out, const char *path);
GLASS_API void glass_trace_close(glass_trace *trace);
/* Reads every byte and compares it with the index's own digests. */
GLASS_API glass_status glass_trace_check(const glass_trace *trace);

typedef struct glass_trace_info {
    int64_t n_tokens, n_documents, n_shards, n_segments;
    size_t bytes; /* of the file */
    bool of_run;  /* steps are known */
    int64_t n_steps_done;
    const char *run; /* its folder, the trace's own; NULL: of no run */
} glass_trace_info;
GLASS_API void glass_trace_get_info(const glass_trace *trace, glass_trace_info *out);
/* The vocabulary of its tokens, the trace's own. */
GLASS_API const glass_tokenizer *glass_trace_tokenizer(const glass_trace *trace);

/* How often these tokens stand in one document, one after another; n > 0. */
GLASS_API glass_status glass_trace_count(const glass_trace *trace, int64_t *count,
                                         const int32_t *ids, int64_t n);

/* A place of the texts. */
typedef struct glass_trace_at {
    int64_t document; /* counted through all shards */
    int64_t offset;   /* tokens from its start */
} glass_trace_at;
/* All places, or the first `most` of them in the index's order; *places is allocated
 * (glass_free). */
GLASS_API glass_status glass_trace_find(const glass_trace *trace, glass_trace_at **places,
                                        int64_t *n_places, const int32_t *ids, int64_t n,
                                        int64_t most);

typedef struct glass_trace_next {
    int32_t id; /* -1: the document ends */
    int64_t count;
} glass_trace_next;
/* What follows these tokens, most frequent first, then lowest id; n may be 0. *list is allocated
 * (glass_free). */
GLASS_API glass_status glass_trace_following(const glass_trace *trace,
                                             glass_trace_next **list, int64_t *n_list,
                                             const int32_t *ids, int64_t n);

/* ---- a text ---- */

typedef struct glass_trace_options {
    const char
        *prompt; /* what the text answers: documents are ranked by it, too. May be NULL */
    size_t n_prompt;
    int64_t least; /* tokens of a span; 0 = 2 */
    int64_t
        n_spans; /* the least likely ones: 0 = one in twenty tokens, at least 10; -1 = all */
    int64_t n_places; /* shown of each span: 0 = 10 */
    int64_t n_around; /* tokens of text shown on either side of a place: 0 = 40 */
    int64_t n_reads;  /* steps told of each place: 0 = 8, -1 = all */
} glass_trace_options;

/* A step of training that read a place. */
typedef struct glass_trace_read {
    int64_t step;
    int64_t window;   /* as the ledger's samples count them */
    int64_t n_tokens; /* of the span that the window held */
} glass_trace_read;

/* What is recorded of a document; each may be NULL. */
typedef struct glass_trace_record {
    const char *title, *origin, *url, *license, *author;
    const char *made_by; /* "person", "model:NAME" */
} glass_trace_record;

typedef struct glass_trace_place {
    glass_trace_at at;
    const char *name;  /* "train-0:77": glass verify --without calls it so, too */
    const char *shard; /* its name */
    int64_t in_shard;  /* the document, counted in its shard */
    double relevance;  /* BM25 of the text around to prompt and text */
    glass_trace_record record;
    const char *before, *span, *after; /* texts */
    const glass_trace_read *reads;     /* in the order of steps */
    int64_t n_reads, n_reads_all;      /* told, and how many there are */
} glass_trace_place;

/* A stretch of the text that stands in the index and is part of no longer one that does. */
typedef struct glass_trace_span {
    int64_t first, n;                /* tokens of the text */
    size_t begin, end;               /* bytes of glass_trace_result.text */
    double log2_probability;         /* of its tokens, each by its frequency alone */
    int64_t count;                   /* how often it stands in the texts */
    const glass_trace_place *places; /* most relevant first */
    int64_t n_places;
} glass_trace_span;

/* A document that has places, most relevant first. */
typedef struct glass_trace_document {
    int64_t document, n_spans;
    const glass_trace_place *best; /* its most relevant place */
} glass_trace_document;

typedef struct glass_trace_result {
    const char *
        text; /* as the vocabulary has it: what was asked for, in most of them to the byte */
    size_t n_bytes;
    int64_t n_tokens;
    const glass_trace_span *spans; /* least likely first */
    int64_t n_spans, n_spans_all;  /* told, and how many maximal ones there are */
    const glass_trace_document *documents;
    int64_t n_documents;
    int64_t n_covered; /* tokens of the text inside some maximal span of at least `least` */
} glass_trace_result;

/* Spans of a text, with where they stand. options may be NULL. */
GLASS_API glass_status glass_trace_text(glass_trace_result **out, const glass_trace *trace,
                                        const char *text, size_t n_bytes,
                                        const glass_trace_options *options);
GLASS_API void glass_trace_result_free(glass_trace_result *result);

/* The maximal spans of tokens alone, in the text's order; *spans is allocated (glass_free), its
 * places are left empty. */
GLASS_API glass_status glass_trace_spans(const glass_trace *trace, glass_trace_span **spans,
                                         int64_t *n_spans, const int32_t *ids, int64_t n,
                                         int64_t least);

/* The result as one page of HTML that needs nothing else; *html is allocated (glass_free). */
GLASS_API glass_status glass_trace_html(char **html, size_t *n_bytes,
                                        const glass_trace *trace,
                                        const glass_trace_result *result,
                                        const glass_trace_options *options);

GLASS_END
#endif
