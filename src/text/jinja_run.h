/* jinja_run.h - running a resolved template: iteration, attributes, calls, filters, tests. */
#ifndef TEXT_JINJA_RUN_H
#define TEXT_JINJA_RUN_H

#include "text/jinja_value.h"

struct jnode;
struct jprogram;

/* ---- calls */
struct jkeyword {
    struct jstr *name;
    struct jv value;
};
struct jargs {
    struct jv *items;
    size_t n;
    struct jkeyword *keywords;
    size_t n_keywords;
};
/* Sorts arguments into out[0..n_names); what wasn't given is J_MISSING. An empty name can
 * only be given by position. Errors on unknown, doubled, excess and missing arguments. */
glass_status jargs_bind(struct jinja *in, struct jv *out, const struct jargs *args,
                        const char *what, const char *const *names, size_t n_names,
                        size_t n_required);
glass_status jinja_call(struct jinja *in, struct jv *out, struct jv callee,
                        const struct jargs *args);
/* The value of a global name; J_MISSING if there is none. */
struct jv jinja_global(const struct jstr *name);
glass_status jinja_call_global(struct jinja *in, struct jv *out, int global,
                               const struct jargs *args);
/* Argument checks with Python-like messages. */
glass_status jarg_str(struct jinja *in, struct jstr **out, struct jv v, const char *what);
glass_status jarg_int(struct jinja *in, int64_t *out, struct jv v, const char *what);

/* ---- iteration (jinja_iter.c) */
struct jiter {
    glass_status (*next)(struct jinja *in, struct jiter *iter, struct jv *out, bool *more);
    void *state;
    struct jv over;
    size_t at;
};
/* An error for what can't be iterated. */
glass_status jiter_open(struct jinja *in, struct jiter **out, struct jv v);
bool jv_iterable(struct jv v);
/* *more is false at the end. */
glass_status jiter_next(struct jinja *in, struct jiter *iter, struct jv *out, bool *more);
glass_status jiter_new(struct jinja *in, struct jv *out,
                       glass_status (*next)(struct jinja *, struct jiter *, struct jv *,
                                            bool *),
                       void *state);
glass_status jv_collect(struct jinja *in, struct jlist **out, struct jv v); /* list(v) */
glass_status jinja_range(struct jinja *in, struct jv *out, int64_t start, int64_t stop,
                         int64_t step, bool plain);
/* reversed(v); *known false where Python raises TypeError. */
glass_status jv_reversed(struct jinja *in, struct jv *out, bool *known, struct jv v);
/* The item of a sequence at a Python index (negative from the end); false outside. */
bool jv_at(struct jinja *in, struct jv *out, struct jv v, int64_t index,
           glass_status *status);

/* ---- attributes and items (jinja_attr.c) */
glass_status jinja_getattr(struct jinja *in, struct jv *out, struct jv v,
                           struct jstr *name);
glass_status jinja_getitem(struct jinja *in, struct jv *out, struct jv v, struct jv key);
glass_status jinja_slice(struct jinja *in, struct jv *out, struct jv v, struct jv start,
                         struct jv stop, struct jv step);
/* Whether the object has an attribute of that name besides its items. */
glass_status jinja_has_attribute(struct jinja *in, bool *out, struct jv v,
                                 const struct jstr *name);

typedef glass_status jmethod_fn(struct jinja *in, struct jv *out, struct jv self,
                                const struct jargs *args, const char *name);
struct jmethod_row {
    const char *name;
    jmethod_fn *call;
};
const struct jmethod_row *jinja_str_method(const struct jstr *name);
const struct jmethod_row *jinja_dict_method(const struct jstr *name);
const struct jmethod_row *jinja_list_method(const struct jstr *name);

/* ---- operators (jinja_eval.c) */
glass_status jinja_binary(struct jinja *in, struct jv *out, enum jop op, struct jv a,
                          struct jv b);
/* "format" % values, and str.format (jinja_format.c) */
glass_status jinja_percent(struct jinja *in, struct jv *out, const struct jstr *format,
                           struct jv values);
glass_status jinja_format(struct jinja *in, struct jv *out, const struct jstr *format,
                          const struct jargs *args);

/* ---- filters and tests */
typedef glass_status jfilter_fn(struct jinja *in, struct jv *out, struct jv value,
                                const struct jargs *args, const char *name);
struct jfilter_row {
    const char *name;
    jfilter_fn *call;
};
const struct jfilter_row *jinja_find_filter(const struct jstr *name);
typedef glass_status jtest_fn(struct jinja *in, bool *out, struct jv value,
                              const struct jargs *args, const char *name);
struct jtest_row {
    const char *name;
    jtest_fn *call;
};
const struct jtest_row *jinja_find_test(const struct jstr *name);
/* Values by a dotted attribute path ("a.b.0"), as map(attribute=…) and sort take it. */
struct jpath {
    struct jv *parts;
    size_t n;
};
glass_status jpath_parse(struct jinja *in, struct jpath *out, struct jv attribute);
glass_status jpath_get(struct jinja *in, struct jv *out, const struct jpath *path,
                       struct jv v);
/* in jinja_filter_seq.c */
jfilter_fn jfilter_map, jfilter_select, jfilter_sort, jfilter_unique, jfilter_groupby,
    jfilter_dictsort, jfilter_minmax, jfilter_sum, jfilter_batch, jfilter_slice,
    jfilter_reverse, jfilter_items, jfilter_list, jfilter_first, jfilter_last, jfilter_join;

/* ---- statements (jinja_exec.c) */
glass_status jloop_length(struct jinja *in, int64_t *out, struct jloop *loop);
int64_t jloop_index0(const struct jloop *loop);
/* A property of `loop`; *known false if there is none of that name. */
glass_status jloop_attribute(struct jinja *in, struct jv *out, bool *known,
                             struct jloop *loop, const struct jstr *name);
glass_status jloop_call(struct jinja *in, struct jv *out, struct jloop *loop,
                        const struct jargs *args);
const struct jstr *jmacro_name(const struct jmacro *macro);
glass_status jmacro_attribute(struct jinja *in, struct jv *out, bool *known,
                              struct jmacro *macro, const struct jstr *name);
glass_status jmacro_call(struct jinja *in, struct jv *out, struct jmacro *macro,
                         const struct jargs *args);
glass_status jinja_run(struct jinja *in, const struct jprogram *program);

/* A function's slots while it runs; closures keep their definer's. */
struct jactivation {
    struct jactivation *outer;
    struct jv *slots;
};
glass_status jinja_eval(struct jinja *in, struct jv *out, struct jactivation *act,
                        const struct jnode *node);
/* The arguments of a call, with room for one more keyword. */
glass_status jinja_eval_args(struct jinja *in, struct jargs *out, struct jactivation *act,
                             const struct jnode *node);

#endif
