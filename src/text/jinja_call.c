/* jinja_call.c - calling things: argument binding and the global functions. */
#include "text/jinja_run.h"

#include <string.h>
#include <time.h>

glass_status jargs_bind(struct jinja *in, struct jv *out, const struct jargs *args,
                        const char *what, const char *const *names, size_t n_names,
                        size_t n_required) {
    if (args->n > n_names)
        return jinja_fail(in, "%s() takes at most %zu arguments, %zu given", what, n_names,
                          args->n);
    for (size_t i = 0; i < n_names; i++)
        out[i] = i < args->n ? args->items[i] : jv_missing();
    for (size_t k = 0; k < args->n_keywords; k++) {
        const struct jstr *name = args->keywords[k].name;
        size_t i = 0;
        while (i < n_names && (names[i][0] == '\0' || !jstr_is(name, names[i]))) i++;
        if (i == n_names)
            return jinja_fail(in, "%s() has no argument '%.*s'", what,
                              name->n_bytes > 100 ? 100 : (int)name->n_bytes, name->bytes);
        if (out[i].type != J_MISSING)
            return jinja_fail(in, "%s() got the argument '%s' twice", what, names[i]);
        out[i] = args->keywords[k].value;
    }
    for (size_t i = 0; i < n_required; i++)
        if (out[i].type == J_MISSING)
            return jinja_fail(in, "%s() misses its argument %zu", what, i + 1);
    return GLASS_OK;
}

glass_status jarg_str(struct jinja *in, struct jstr **out, struct jv v, const char *what) {
    if (v.type != J_STR)
        return jinja_fail(in, "%s must be a string, not %s", what, jv_type_name(v));
    *out = v.u.s;
    return GLASS_OK;
}

glass_status jarg_int(struct jinja *in, int64_t *out, struct jv v, const char *what) {
    if (!jv_is_int(v))
        return jinja_fail(in, "%s must be an integer, not %s", what, jv_type_name(v));
    *out = jv_int_value(v);
    return GLASS_OK;
}

/* ---- globals */

static glass_status fill_dict(struct jinja *in, struct jdict *dict,
                              const struct jargs *args, bool *plain, const char *what) {
    struct jiter *iter;
    struct jv pair, from;
    if (args->n > 1)
        return jinja_fail(in, "%s() takes at most one positional argument", what);
    if (args->n == 1) {
        from = args->items[0];
        *plain = from.plain;
        if (from.type == J_DICT) {
            for (size_t i = 0; i < from.u.dict->n; i++)
                TRY(jdict_set(in, dict, from.u.dict->keys[i], from.u.dict->values[i]));
        } else {
            TRY(jiter_open(in, &iter, from));
            for (bool more = true;;) {
                struct jlist *two;
                TRY(jiter_next(in, iter, &pair, &more));
                if (!more) break;
                TRY(jv_collect(in, &two, pair));
                if (two->n != 2) return jinja_fail(in, "%s() needs pairs", what);
                TRY(jdict_set(in, dict, two->items[0], two->items[1]));
            }
        }
    }
    for (size_t i = 0; i < args->n_keywords; i++)
        TRY(jdict_set(in, dict, jv_str(args->keywords[i].name), args->keywords[i].value));
    return GLASS_OK;
}

static glass_status call_dict(struct jinja *in, struct jv *out, const struct jargs *args) {
    struct jdict *dict;
    bool plain = false;
    TRY(jdict_new(in, &dict));
    TRY(fill_dict(in, dict, args, &plain, "dict"));
    *out = (struct jv){.type = J_DICT, .plain = plain, .u.dict = dict};
    return GLASS_OK;
}

static glass_status call_namespace(struct jinja *in, struct jv *out,
                                   const struct jargs *args) {
    struct jdict *dict;
    bool plain = false;
    TRY(jdict_new(in, &dict));
    TRY(fill_dict(in, dict, args, &plain, "namespace"));
    for (size_t i = 0; i < dict->n; i++)
        if (dict->keys[i].type == J_STR && dict->keys[i].u.s->n_bytes > 0 &&
            dict->keys[i].u.s->bytes[0] == '_')
            return jinja_fail(in, "a namespace's names can't begin with _");
    *out = (struct jv){.type = J_NAMESPACE, .u.dict = dict};
    return GLASS_OK;
}

static glass_status call_range(struct jinja *in, struct jv *out, const struct jargs *args) {
    static const char *const names[] = {"", "", ""};
    struct jv v[3];
    int64_t n[3] = {0, 0, 1};
    TRY(jargs_bind(in, v, args, "range", names, 3, 1));
    for (size_t i = 0; i < args->n; i++)
        TRY(jarg_int(in, &n[i], v[i], "range()'s argument"));
    if (args->n == 1) {
        n[1] = n[0];
        n[0] = 0;
    }
    bool plain = v[0].plain || v[1].plain || v[2].plain;
    return jinja_range(in, out, n[0], n[1], n[2], plain);
}

static glass_status call_raise(struct jinja *in, struct jv *out, const struct jargs *args) {
    static const char *const names[] = {"message"};
    struct jv v;
    struct jstr *message;
    TRY(jargs_bind(in, &v, args, "raise_exception", names, 1, 1));
    TRY(jv_to_str(in, &message, v));
    *out = jv_none();
    return jinja_fail(in, "the template says: %.*s",
                      message->n_bytes > 900 ? 900 : (int)message->n_bytes, message->bytes);
}

static glass_status call_strftime_now(struct jinja *in, struct jv *out,
                                      const struct jargs *args) {
    static const char *const names[] = {"format"};
    struct jv v;
    struct jstr *format, *text;
    struct tm tm;
    char *buffer, *copy;
    TRY(jargs_bind(in, &v, args, "strftime_now", names, 1, 1));
    TRY(jarg_str(in, &format, v, "strftime_now()'s format"));
    time_t now = (time_t)in->now_s;
    if (in->now_s < 0)
        return jinja_fail(in, "the template asks for the time, which was not given");
    if (gmtime_r(&now, &tm) == NULL) return jinja_fail(in, "the time is out of range");
    if (format->n_bytes > 4096 || memchr(format->bytes, '\0', format->n_bytes) != NULL)
        return jinja_fail(in, "strftime_now()'s format is too long");
    size_t cap = format->n_bytes * 40 + 64;
    TRY(mem_copy_text(&copy, format->bytes, format->n_bytes));
    glass_status status = jarena_alloc(in, &buffer, cap, 1);
    /* a result of 0 bytes is either an empty text or no room, of which there is plenty */
    size_t n = status == GLASS_OK ? strftime(buffer, cap, copy, &tm) : 0;
    mem_free(copy);
    TRY(status);
    TRY(jstr_borrow(in, &text, buffer, n, jstr_any_plain(format)));
    *out = jv_str(text);
    return GLASS_OK;
}

static glass_status call_cycler(struct jinja *in, struct jv *out,
                                const struct jargs *args) {
    struct jcycler *c;
    if (args->n == 0 || args->n_keywords > 0)
        return jinja_fail(in, "cycler() needs the items to cycle through");
    TRY(jarena_alloc(in, &c, 1, sizeof *c));
    *c = (struct jcycler){args->items, args->n, 0};
    *out = (struct jv){.type = J_CYCLER, .u.cycler = c};
    return GLASS_OK;
}

static glass_status call_joiner(struct jinja *in, struct jv *out,
                                const struct jargs *args) {
    static const char *const names[] = {"sep"};
    struct jv v;
    struct jjoiner *joiner;
    TRY(jargs_bind(in, &v, args, "joiner", names, 1, 0));
    if (v.type == J_MISSING) TRY(jv_text(in, &v, ", "));
    TRY(jarena_alloc(in, &joiner, 1, sizeof *joiner));
    TRY(jarg_str(in, &joiner->separator, v, "joiner()'s separator"));
    *out = (struct jv){.type = J_JOINER, .u.joiner = joiner};
    return GLASS_OK;
}

static glass_status call_lipsum(struct jinja *in, struct jv *out,
                                const struct jargs *args) {
    (void)out, (void)args;
    return jinja_fail(in, "lipsum() is not supported");
}

static const struct {
    const char *name;
    glass_status (*call)(struct jinja *, struct jv *, const struct jargs *);
} globals[] = {
    {"range", call_range},         {"dict", call_dict},
    {"namespace", call_namespace}, {"raise_exception", call_raise},
    {"cycler", call_cycler},       {"strftime_now", call_strftime_now},
    {"joiner", call_joiner},       {"lipsum", call_lipsum},
};

struct jv jinja_global(const struct jstr *name) {
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
        if (jstr_is(name, globals[i].name))
            return (struct jv){.type = J_GLOBAL, .u.global = (int)i};
    return jv_missing();
}

glass_status jinja_call_global(struct jinja *in, struct jv *out, int global,
                               const struct jargs *args) {
    return globals[global].call(in, out, args);
}

static glass_status call_joiner_object(struct jinja *in, struct jv *out,
                                       struct jjoiner *joiner, const struct jargs *args) {
    TRY(jargs_bind(in, NULL, args, "joiner", NULL, 0, 0));
    if (joiner->used) {
        *out = jv_str(joiner->separator);
        return GLASS_OK;
    }
    joiner->used = true;
    return jv_text(in, out, "");
}

glass_status jinja_call(struct jinja *in, struct jv *out, struct jv callee,
                        const struct jargs *args) {
    const struct jmethod *method;
    switch (callee.type) {
    case J_UNDEFINED: return jv_fail_undefined(in, callee);
    case J_GLOBAL: return jinja_call_global(in, out, callee.u.global, args);
    case J_METHOD:
        method = callee.u.method;
        return method->row->call(in, out, method->self, args, method->row->name);
    case J_MACRO: return jmacro_call(in, out, callee.u.macro, args);
    case J_LOOP: return jloop_call(in, out, callee.u.loop, args);
    case J_JOINER: return call_joiner_object(in, out, callee.u.joiner, args);
    default: return jinja_fail(in, "'%s' can't be called", jv_type_name(callee));
    }
}
