/* trace_file.h - the trace index as a file: what lies where, and reading it safely.
 *
 * Everything is little-endian; sections follow each other, each at a multiple of 64.
 *
 *   header      4096 bytes: "GLTRACE1", counts, digests, and its own digest at the end
 *   shards      of each 64 bytes: SHA-256, tokens, documents, where its name begins in this
 *               section, the name's bytes; then the names
 *   vocabulary  a GGUF file with the keys tokenizer.*
 *   documents   u64 (n_documents + 1): where each begins in symbols
 *   symbols     2 or 3 bytes each: of each document its tokens + 1, then 0
 *   segments    of each 64 bytes, and one more for the end: its first symbol, its first document,
 *               SHA-256 of its buckets and suffixes, 1 once these are there, 0
 *   buckets     of each segment u32 (n_symbols + 1): where the suffixes beginning with a symbol
 *               start among its suffixes
 *   suffixes    of each segment u32 for each token: where the suffixes begin, from the
 *               segment's first symbol on, in order
 *
 * Since 0 ends every document, and no text that is looked for has it, no match crosses documents.
 * A segment is some whole documents, fewer than 2^31 symbols. So a token takes 2 + 4 bytes where
 * the vocabulary has fewer than 65536 tokens, else 3 + 4; a document 10 or 11 more.
 *
 * The sizes are checked when a file is opened, in a time that does not depend on them; digests are
 * for trace_check, and what is read in between is checked where it is used. */
#ifndef OPEN_TRACE_FILE_H
#define OPEN_TRACE_FILE_H

#include "base/buf.h"
#include "base/filemap.h"

enum { TRACE_HEADER = 4096, TRACE_ALIGN = 64, TRACE_RECORD = 64 };

enum trace_section {
    TRACE_SHARDS,
    TRACE_VOCABULARY,
    TRACE_DOCUMENTS,
    TRACE_SYMBOLS,
    TRACE_SEGMENTS,
    TRACE_BUCKETS,
    TRACE_SUFFIXES,
    TRACE_N_SECTIONS
};

struct trace_header {
    uint32_t symbol_bytes, n_symbols; /* a symbol's; what symbols are below */
    int64_t n;                        /* symbols: tokens and documents' ends */
    int64_t n_documents, n_shards, n_segments, segment_most;
    uint64_t sizes[TRACE_N_SECTIONS]; /* bytes; of the first two stored, else reckoned */
    uint8_t sha256[TRACE_N_SECTIONS][32]; /* of all but the last two */
    /* Reckoned. */
    uint64_t offsets[TRACE_N_SECTIONS], file_size;
};

/* Reckons sizes, offsets and the file's size from the counts. */
void trace_layout(struct trace_header *h);
/* whole: the header of a finished index; else of one that is being built, under another name. */
glass_status trace_header_write(uint8_t bytes[TRACE_HEADER], const struct trace_header *h,
                                bool whole);
/* GLASS_BAD_INPUT: it is none, or damaged, or counts that cannot be. */
glass_status trace_header_read(struct trace_header *out, const uint8_t *bytes,
                               size_t n_bytes, bool whole, const char *name);

struct trace_segment_record {
    int64_t begin, document;
    uint8_t sha256[32];
    bool done;
};
void trace_segment_write(uint8_t bytes[TRACE_RECORD], const struct trace_segment_record *s);
void trace_segment_read(struct trace_segment_record *out, const uint8_t *bytes);

struct trace_shard {
    uint8_t sha256[32];
    int64_t n_tokens, n_documents;
    int64_t document; /* its first, counted through all */
    char *name;       /* owned */
};

/* Some documents whose suffixes are in order. */
struct trace_segment {
    const uint8_t *symbols, *buckets, *suffixes;
    int64_t begin, n;   /* symbols: the first, how many */
    int64_t n_suffixes; /* tokens */
};

/* An index, its file apart. */
struct trace_index {
    struct trace_header h;
    const uint8_t *data; /* borrowed */
    const char *name;    /* for messages; borrowed */
    struct trace_shard *shards;
    struct trace_segment *segments;
};

glass_status trace_index_open(struct trace_index *out, const void *data, size_t n_bytes,
                              const char *name);
void trace_index_clear(struct trace_index *t);
glass_status trace_index_check(const struct trace_index *t);

/* The message for what no index that was built here has. */
glass_status trace_damaged(const struct trace_index *t, const char *what);

/* Where document d begins and ends (its 0 apart), in symbols. */
glass_status trace_document(const struct trace_index *t, int64_t d, int64_t *begin,
                            int64_t *end);
/* The document that symbol x lies in. */
glass_status trace_document_of(const struct trace_index *t, int64_t x, int64_t *d);
/* The shard of document d. */
int64_t trace_shard_of(const struct trace_index *t, int64_t d);

static inline int32_t trace_symbol(const uint8_t *symbols, uint32_t symbol_bytes,
                                   int64_t i) {
    const uint8_t *p = symbols + (size_t)i * symbol_bytes;
    return symbol_bytes == 2 ? p[0] | p[1] << 8 : p[0] | p[1] << 8 | p[2] << 16;
}

static inline int64_t trace_u32(const uint8_t *list, int64_t i) {
    uint32_t x;
    memcpy(&x, list + 4 * (size_t)i, sizeof x); /* little-endian machines */
    return x;
}

#endif
