/* trace_json.h - what a trace found, as JSON: for commands and for the server. */
#ifndef SERVE_TRACE_JSON_H
#define SERVE_TRACE_JSON_H

#include "base/buf.h"
#include "glass/trace.h"

/* Appends one object; docs/trace.md lists its fields. */
glass_status trace_json(struct buf *b, const glass_trace *trace,
                        const glass_trace_result *r);

#endif
