/* jinja_test.c - the tests after `is`. */
#include "text/jinja_run.h"

#include <string.h>

static glass_status no_arguments(struct jinja *in, const struct jargs *args,
                                 const char *name) {
    return jargs_bind(in, NULL, args, name, NULL, 0, 0);
}

static glass_status test_type(struct jinja *in, bool *out, struct jv v,
                              const struct jargs *args, const char *name) {
    static const struct {
        const char *name;
        uint32_t types;
    } sets[] = {
        {"undefined", 1u << J_UNDEFINED},
        {"none", 1u << J_NONE},
        {"boolean", 1u << J_BOOL},
        {"integer", 1u << J_INT},
        {"float", 1u << J_FLOAT},
        {"number", 1u << J_BOOL | 1u << J_INT | 1u << J_FLOAT},
        {"string", 1u << J_STR},
        {"mapping", 1u << J_DICT},
        {"sequence", 1u << J_UNDEFINED | 1u << J_STR | 1u << J_LIST | 1u << J_TUPLE |
                         1u << J_DICT | 1u << J_RANGE},
        {"callable", 1u << J_UNDEFINED | 1u << J_MACRO | 1u << J_METHOD | 1u << J_GLOBAL |
                         1u << J_LOOP | 1u << J_JOINER},
    };
    TRY(no_arguments(in, args, name));
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (strcmp(name, sets[i].name) == 0) *out = (sets[i].types >> v.type & 1) != 0;
    if (strcmp(name, "defined") == 0) *out = v.type != J_UNDEFINED;
    if (strcmp(name, "iterable") == 0) *out = jv_iterable(v);
    if (strcmp(name, "true") == 0) *out = v.type == J_BOOL && v.u.b;
    if (strcmp(name, "false") == 0) *out = v.type == J_BOOL && !v.u.b;
    if (strcmp(name, "escaped") == 0) *out = v.type == J_STR && v.u.s->markup;
    return GLASS_OK;
}

static glass_status test_modulo(struct jinja *in, bool *out, struct jv v,
                                const struct jargs *args, const char *name) {
    static const char *const names[] = {"num"};
    struct jv by = jv_int(2), rest;
    int64_t wanted = strcmp(name, "odd") == 0;
    if (strcmp(name, "divisibleby") == 0) {
        TRY(jargs_bind(in, &by, args, name, names, 1, 1));
    } else {
        TRY(no_arguments(in, args, name));
    }
    TRY(jinja_binary(in, &rest, JOP_MOD, v, by));
    return jv_equal(in, out, rest, jv_int(wanted));
}

static glass_status test_compare(struct jinja *in, bool *out, struct jv v,
                                 const struct jargs *args, const char *name) {
    static const char *const names[] = {""};
    struct jv other;
    TRY(jargs_bind(in, &other, args, name, names, 1, 1));
    if (name[0] == '=' || name[0] == 'e') return jv_equal(in, out, v, other);
    if (name[0] == '!' || name[0] == 'n') {
        TRY(jv_equal(in, out, v, other));
        *out = !*out;
        return GLASS_OK;
    }
    bool or_equal = strcmp(name, "le") == 0 || strcmp(name, "ge") == 0 || name[1] == '=';
    if (name[0] == '<' || name[0] == 'l') return jv_less(in, out, v, other, or_equal);
    return jv_less(in, out, other, v, or_equal);
}

static glass_status test_in(struct jinja *in, bool *out, struct jv v,
                            const struct jargs *args, const char *name) {
    static const char *const names[] = {"seq"};
    struct jv other;
    TRY(jargs_bind(in, &other, args, name, names, 1, 1));
    return jv_contains(in, out, v, other);
}

/* Identity is clear for singletons and for what was made apart; for equal texts and numbers
 * it depends on Python's caches. */
static glass_status test_sameas(struct jinja *in, bool *out, struct jv v,
                                const struct jargs *args, const char *name) {
    static const char *const names[] = {"other"};
    struct jv other;
    TRY(jargs_bind(in, &other, args, name, names, 1, 1));
    *out = false;
    if (v.type != other.type) return GLASS_OK;
    if (v.type == J_NONE || v.type == J_BOOL) return jv_equal(in, out, v, other);
    if (v.type == J_INT || v.type == J_FLOAT || v.type == J_STR || v.type == J_METHOD) {
        bool same = v.type == J_METHOD;
        if (!same) TRY(jv_equal(in, &same, v, other));
        if (!same) return GLASS_OK;
        return jinja_fail(in, "sameas between equal values of type %s is not supported",
                          jv_type_name(v));
    }
    *out = memcmp(&v.u, &other.u, sizeof v.u) == 0;
    return GLASS_OK;
}

static glass_status test_case(struct jinja *in, bool *out, struct jv v,
                              const struct jargs *args, const char *name) {
    struct jstr *s;
    TRY(no_arguments(in, args, name));
    TRY(jv_to_str(in, &s, v));
    return jstr_is_class(in, out, s, name[0] == 'l' ? "islower" : "isupper");
}

static glass_status test_known(struct jinja *in, bool *out, struct jv v,
                               const struct jargs *args, const char *name) {
    TRY(no_arguments(in, args, name));
    if (!jv_hashable(v)) return jinja_fail(in, "unhashable type: %s", jv_type_name(v));
    *out = v.type == J_STR && (name[0] == 'f' ? jinja_find_filter(v.u.s) != NULL
                                              : jinja_find_test(v.u.s) != NULL);
    return GLASS_OK;
}

static const struct jtest_row tests[] = {
    // clang-format off
    {"defined", test_type},      {"undefined", test_type},   {"none", test_type},
    {"string", test_type},       {"mapping", test_type},     {"iterable", test_type},
    {"sequence", test_type},     {"number", test_type},      {"integer", test_type},
    {"float", test_type},        {"boolean", test_type},     {"true", test_type},
    {"false", test_type},        {"callable", test_type},    {"escaped", test_type},
    {"odd", test_modulo},        {"even", test_modulo},      {"divisibleby", test_modulo},
    {"eq", test_compare},        {"equalto", test_compare},  {"==", test_compare},
    {"ne", test_compare},        {"!=", test_compare},       {"lt", test_compare},
    {"lessthan", test_compare},  {"<", test_compare},        {"le", test_compare},
    {"<=", test_compare},        {"gt", test_compare},       {"greaterthan", test_compare},
    {">", test_compare},         {"ge", test_compare},       {">=", test_compare},
    {"in", test_in},             {"sameas", test_sameas},    {"lower", test_case},
    {"upper", test_case},        {"filter", test_known},     {"test", test_known},
    // clang-format on
};

const struct jtest_row *jinja_find_test(const struct jstr *name) {
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (jstr_is(name, tests[i].name)) return &tests[i];
    return NULL;
}
