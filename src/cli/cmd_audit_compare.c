/* cmd_audit_compare.c - glass audit A B C: side by side. */
#include "cli/cmd_audit.h"

#include <stdio.h>

enum { COLUMN = 24, FIRST = 32 };

/* "dir/name" is told by its end. */
static void print_name(const char *path) {
    size_t n = strlen(path);
    const char *shown = n > COLUMN - 2 ? path + n - (COLUMN - 3) : path;
    printf(" %s%-*s", shown == path ? "" : "…", COLUMN - (shown == path ? 1 : 2), shown);
}

static void print_cell(const char *text) {
    printf(" %-*.*s", COLUMN - 1, COLUMN - 1, text);
}

static void print_components(glass_audit *const *audits, int64_t n) {
    char cell[80];
    for (int k = 0; k < GLASS_MOF_COMPONENTS; k++) {
        printf("%-*s", FIRST, glass_audit_get(audits[0])->components[k].name);
        for (int64_t i = 0; i < n; i++) {
            const glass_audit_component *c = &glass_audit_get(audits[i])->components[k];
            if (c->grade == GLASS_AUDIT_MISSING)
                snprintf(cell, sizeof cell, "-");
            else
                snprintf(cell, sizeof cell, "%c %.14s%s%s", *audit_grade_name(c->grade),
                         *c->licence ? c->licence : "no licence",
                         c->licence_grade == GLASS_AUDIT_INHERITED ? " (i)" : "",
                         c->open ? " *" : "");
            print_cell(cell);
        }
        printf("\n");
    }
}

static void print_points(glass_audit *const *audits, int64_t n) {
    const glass_audit_report *first = glass_audit_get(audits[0]);
    const char *measure = "";
    char cell[80];
    for (int64_t k = 0; k < first->n_points; k++) {
        const glass_audit_point *p = &first->points[k];
        if (strcmp(measure, p->measure) != 0) printf("\n%s\n", p->measure);
        measure = p->measure;
        printf("  %-*s", FIRST - 2, *p->name ? p->name : "result");
        for (int64_t i = 0; i < n; i++) {
            p = &glass_audit_get(audits[i])->points[k];
            snprintf(cell, sizeof cell, "%c %s",
                     p->grade == GLASS_AUDIT_MISSING ? '-' : *audit_grade_name(p->grade),
                     p->value);
            print_cell(cell);
        }
        printf("\n");
    }
}

static void print_findings(glass_audit *const *audits, int64_t n) {
    static const char *const kinds[] = {"contradictions", "gaps", "warnings"};
    printf("\nwhat does not fit\n");
    for (int kind = 0; kind < 3; kind++) {
        printf("  %-*s", FIRST - 2, kinds[kind]);
        for (int64_t i = 0; i < n; i++) {
            const glass_audit_report *r = glass_audit_get(audits[i]);
            char cell[32];
            int found = 0;
            for (int64_t k = 0; k < r->n_findings; k++)
                found += (int)r->findings[k].kind == kind;
            snprintf(cell, sizeof cell, "%d", found);
            print_cell(cell);
        }
        printf("\n");
    }
}

static glass_status print_json(glass_audit *const *audits, int64_t n) {
    struct buf out = {0};
    glass_status status = buf_text(&out, "{\"audits\":[");
    for (int64_t i = 0; i < n && status == GLASS_OK; i++) {
        if (i > 0) status = buf_byte(&out, ',');
        if (status == GLASS_OK)
            status = audit_json_report(&out, glass_audit_get(audits[i]));
    }
    if (status == GLASS_OK) status = buf_text(&out, "]}");
    if (status == GLASS_OK) printf("%s\n", out.data);
    buf_free(&out);
    return status;
}

glass_status audit_compare(glass_audit *const *audits, int64_t n, bool json) {
    if (json) return print_json(audits, n);
    printf("%-*s", FIRST, "");
    for (int64_t i = 0; i < n; i++) print_name(glass_audit_get(audits[i])->path);
    printf("\n");
    print_components(audits, n);
    print_points(audits, n);
    print_findings(audits, n);
    printf("\nv: verified, d: declared, i, (i): inherited, -: missing; *: its licence is "
           "open\n");
    return GLASS_OK;
}
