/* trace_json.c - see trace_json.h. */
#include "serve/trace_json.h"

static glass_status json_text(struct buf *b, const char *name, const char *text) {
    TRY(buf_printf(b, ",\"%s\":", name));
    if (text == NULL) return buf_text(b, "null");
    return buf_json_string(b, text, strlen(text));
}

static glass_status json_number(struct buf *b, const char *name, double value) {
    TRY(buf_printf(b, ",\"%s\":", name));
    return buf_json_number(b, value);
}

static glass_status json_place(struct buf *b, const glass_trace_info *info,
                               const glass_trace_place *p) {
    TRY(buf_printf(b, "{\"document\":%lld,\"offset\":%lld,\"in_shard\":%lld",
                   (long long)p->at.document, (long long)p->at.offset,
                   (long long)p->in_shard));
    TRY(json_text(b, "shard", p->shard));
    TRY(json_text(b, "name", p->name));
    TRY(json_number(b, "relevance", p->relevance));
    TRY(json_text(b, "title", p->record.title));
    TRY(json_text(b, "license", p->record.license));
    TRY(json_text(b, "author", p->record.author));
    TRY(json_text(b, "made_by", p->record.made_by));
    TRY(json_text(b, "origin", p->record.origin));
    TRY(json_text(b, "url", p->record.url));
    TRY(json_text(b, "before", p->before));
    TRY(json_text(b, "span", p->span));
    TRY(json_text(b, "after", p->after));
    if (!info->of_run) return buf_byte(b, '}');
    TRY(buf_printf(b, ",\"n_reads\":%lld,\"reads\":[", (long long)p->n_reads_all));
    for (int64_t i = 0; i < p->n_reads; i++)
        TRY(buf_printf(b, "%s{\"step\":%lld,\"window\":%lld,\"tokens\":%lld}",
                       i > 0 ? "," : "", (long long)p->reads[i].step,
                       (long long)p->reads[i].window, (long long)p->reads[i].n_tokens));
    return buf_text(b, "]}");
}

static glass_status json_span(struct buf *b, const glass_trace_info *info,
                              const glass_trace_result *r, const glass_trace_span *s) {
    TRY(buf_printf(b, "{\"first\":%lld,\"tokens\":%lld,\"begin\":%zu,\"end\":%zu,\"text\":",
                   (long long)s->first, (long long)s->n, s->begin, s->end));
    TRY(buf_json_string(b, r->text + s->begin, s->end - s->begin));
    TRY(json_number(b, "log2_probability", s->log2_probability));
    TRY(buf_printf(b, ",\"count\":%lld,\"places\":[", (long long)s->count));
    for (int64_t i = 0; i < s->n_places; i++) {
        if (i > 0) TRY(buf_byte(b, ','));
        TRY(json_place(b, info, &s->places[i]));
    }
    return buf_text(b, "]}");
}

glass_status trace_json(struct buf *b, const glass_trace *trace,
                        const glass_trace_result *r) {
    glass_trace_info info;
    glass_trace_get_info(trace, &info);
    TRY(buf_text(b, "{\"note\":\"a match is not a cause\",\"text\":"));
    TRY(buf_json_string(b, r->text, r->n_bytes));
    TRY(buf_printf(b,
                   ",\"tokens\":%lld,\"covered\":%lld,\"index_tokens\":%lld,"
                   "\"index_documents\":%lld,\"maximal_spans\":%lld",
                   (long long)r->n_tokens, (long long)r->n_covered,
                   (long long)info.n_tokens, (long long)info.n_documents,
                   (long long)r->n_spans_all));
    if (info.of_run) TRY(buf_printf(b, ",\"steps\":%lld", (long long)info.n_steps_done));
    TRY(buf_text(b, ",\"spans\":["));
    for (int64_t i = 0; i < r->n_spans; i++) {
        if (i > 0) TRY(buf_byte(b, ','));
        TRY(json_span(b, &info, r, &r->spans[i]));
    }
    TRY(buf_text(b, "],\"documents\":["));
    for (int64_t i = 0; i < r->n_documents; i++) {
        const glass_trace_document *d = &r->documents[i];
        TRY(buf_printf(b, "%s{\"document\":%lld,\"spans\":%lld", i > 0 ? "," : "",
                       (long long)d->document, (long long)d->n_spans));
        TRY(json_text(b, "name", d->best->name));
        TRY(json_number(b, "relevance", d->best->relevance));
        TRY(json_text(b, "title", d->best->record.title));
        TRY(json_text(b, "license", d->best->record.license));
        TRY(json_text(b, "author", d->best->record.author));
        TRY(json_text(b, "origin", d->best->record.origin));
        TRY(buf_byte(b, '}'));
    }
    return buf_text(b, "]}");
}
