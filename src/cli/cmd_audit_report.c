/* cmd_audit_report.c - glass audit MODEL: what is claimed, by what, and what does not fit. */
#include "cli/cmd_audit.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const kinds[] = {"contradiction", "gap", "warning"};

static void print_claims(const glass_audit_report *r) {
    printf("what says under which licence\n");
    for (int64_t i = 0; i < r->n_claims; i++) {
        const glass_audit_claim *c = &r->claims[i];
        printf("  %-10s %-9s %s", audit_part_name(c->part), audit_grade_name(c->grade),
               c->name);
        if (*c->how) printf(" (%s%s)", c->how, c->changed ? ", words differ" : "");
        if (*c->subject) printf(" for %s", c->subject);
        printf("\n");
        audit_print_evidence("                       ", &c->evidence);
    }
}

static void print_components(const glass_audit_report *r) {
    printf("\n%-32s %-5s %-9s %-26s %s\n", "parts of a model", "class", "there", "licence",
           "open");
    for (int i = 0; i < GLASS_MOF_COMPONENTS; i++) {
        const glass_audit_component *c = &r->components[i];
        char licence[64];
        snprintf(licence, sizeof licence, "%.26s%s%s", c->licence, *c->licence ? ", " : "",
                 *c->licence ? audit_grade_name(c->licence_grade) : "");
        printf("%-32s %-5.*s %-9s %-26s %s\n", c->name, c->mof_class, "III",
               audit_grade_name(c->grade), licence,
               c->grade == GLASS_AUDIT_MISSING ? ""
               : c->open                       ? c->fit ? "yes" : "yes, not meant for this"
                                               : "no");
        if (*c->words) printf("    %s\n", c->words);
        audit_print_evidence("    ", &c->evidence);
    }
}

static void print_points(const glass_audit_report *r) {
    const char *measure = "";
    for (int64_t i = 0; i < r->n_points; i++) {
        const glass_audit_point *p = &r->points[i];
        if (strcmp(measure, p->measure) != 0) printf("\n%s\n", p->measure);
        measure = p->measure;
        printf("  %-32s %-9s %-9s %s\n", *p->name ? p->name : "result", p->value,
               audit_grade_name(p->grade), p->words);
    }
}

static void print_checks(const glass_audit_report *r) {
    if (r->n_checks == 0) return;
    int64_t n_hashes = 0;
    printf("\nwhat was computed again\n");
    for (int64_t i = 0; i < r->n_checks; i++) {
        const glass_audit_check *c = &r->checks[i];
        bool hash = c->good && strcmp(c->name, "hash") == 0;
        n_hashes += hash;
        if (!hash)
            printf("  %-10s %-5s %s\n", c->name, c->good ? "holds" : "FAILS", c->words);
    }
    if (n_hashes > 0)
        printf("  %-10s %-5s %" PRId64 " file%s the SHA-256 that is published\n", "hash",
               "holds", n_hashes, n_hashes == 1 ? " has" : "s have");
}

static void print_findings(const glass_audit_report *r) {
    if (r->n_findings == 0) return;
    printf("\nwhat does not fit\n");
    for (int64_t i = 0; i < r->n_findings; i++) {
        const glass_audit_finding *f = &r->findings[i];
        printf("  %s: %s\n", kinds[f->kind], f->words);
        audit_print_evidence("      ", &f->one);
        audit_print_evidence("      ", &f->other);
    }
}

static glass_status member(struct buf *json, const char *name, const char *text) {
    TRY(buf_printf(json, ",\"%s\":", name));
    return buf_json_string(json, text, strlen(text));
}

static glass_status json_claims(struct buf *json, const glass_audit_report *r) {
    TRY(buf_text(json, ",\"claims\":["));
    for (int64_t i = 0; i < r->n_claims; i++) {
        const glass_audit_claim *c = &r->claims[i];
        TRY(buf_printf(json, "%s{\"changed\":%s", i ? "," : "",
                       c->changed ? "true" : "false"));
        TRY(member(json, "part", audit_part_name(c->part)));
        TRY(member(json, "subject", c->subject));
        TRY(member(json, "grade", audit_grade_name(c->grade)));
        TRY(member(json, "licence", c->key));
        TRY(member(json, "name", c->name));
        TRY(member(json, "how", c->how));
        TRY(audit_json_evidence(json, "evidence", &c->evidence));
        TRY(buf_byte(json, '}'));
    }
    return buf_byte(json, ']');
}

static glass_status json_findings(struct buf *json, const glass_audit_report *r) {
    TRY(buf_text(json, ",\"findings\":["));
    for (int64_t i = 0; i < r->n_findings; i++) {
        const glass_audit_finding *f = &r->findings[i];
        TRY(buf_printf(json, "%s{\"kind\":\"%s\"", i ? "," : "", kinds[f->kind]));
        TRY(member(json, "words", f->words));
        TRY(audit_json_evidence(json, "one", &f->one));
        TRY(audit_json_evidence(json, "other", &f->other));
        TRY(buf_byte(json, '}'));
    }
    return buf_byte(json, ']');
}

static glass_status json_components(struct buf *json, const glass_audit_report *r) {
    TRY(buf_text(json, ",\"components\":["));
    for (int i = 0; i < GLASS_MOF_COMPONENTS; i++) {
        const glass_audit_component *c = &r->components[i];
        TRY(buf_printf(json,
                       "%s{\"id\":%d,\"class\":%d,\"required\":%s,\"open\":%s,\"fit\":%s",
                       i ? "," : "", c->id, c->mof_class, c->required ? "true" : "false",
                       c->open ? "true" : "false", c->fit ? "true" : "false"));
        TRY(member(json, "name", c->name));
        TRY(member(json, "content", c->content));
        TRY(member(json, "grade", audit_grade_name(c->grade)));
        TRY(member(json, "words", c->words));
        TRY(audit_json_evidence(json, "evidence", &c->evidence));
        TRY(member(json, "licence", c->licence));
        TRY(member(json, "licence_grade", audit_grade_name(c->licence_grade)));
        TRY(audit_json_evidence(json, "licence_evidence", &c->licence_evidence));
        TRY(buf_byte(json, '}'));
    }
    return buf_byte(json, ']');
}

static glass_status json_points(struct buf *json, const glass_audit_report *r) {
    TRY(buf_text(json, ",\"points\":["));
    for (int64_t i = 0; i < r->n_points; i++) {
        const glass_audit_point *p = &r->points[i];
        TRY(buf_printf(json, "%s{\"measure\":\"%s\"", i ? "," : "", p->measure));
        TRY(member(json, "name", p->name));
        TRY(member(json, "value", p->value));
        TRY(member(json, "grade", audit_grade_name(p->grade)));
        TRY(member(json, "words", p->words));
        TRY(audit_json_evidence(json, "evidence", &p->evidence));
        TRY(buf_byte(json, '}'));
    }
    TRY(buf_text(json, "],\"checks\":["));
    for (int64_t i = 0; i < r->n_checks; i++) {
        const glass_audit_check *c = &r->checks[i];
        TRY(buf_printf(json, "%s{\"name\":\"%s\",\"good\":%s", i ? "," : "", c->name,
                       c->good ? "true" : "false"));
        TRY(member(json, "words", c->words));
        TRY(audit_json_evidence(json, "evidence", &c->evidence));
        TRY(buf_byte(json, '}'));
    }
    return buf_byte(json, ']');
}

glass_status audit_json_report(struct buf *json, const glass_audit_report *r) {
    TRY(buf_text(json, "{\"path\":"));
    TRY(buf_json_string(json, r->path, strlen(r->path)));
    TRY(buf_printf(json,
                   ",\"files\":%" PRId64 ",\"links\":%" PRId64 ",\"links_outside\":%" PRId64
                   ",\"cut\":%s",
                   r->n_files, r->n_links, r->n_outside, r->cut ? "true" : "false"));
    TRY(json_claims(json, r));
    TRY(json_findings(json, r));
    TRY(json_components(json, r));
    TRY(json_points(json, r));
    return buf_byte(json, '}');
}

glass_status audit_show(const glass_audit *audit, bool json) {
    const glass_audit_report *r = glass_audit_get(audit);
    struct buf out = {0};
    if (!json) {
        printf("%s: %" PRId64 " file%s seen\n\n", r->path, r->n_files,
               r->n_files == 1 ? "" : "s");
        print_claims(r);
        print_components(r);
        print_points(r);
        print_checks(r);
        print_findings(r);
        return GLASS_OK;
    }
    glass_status status = audit_json_report(&out, r);
    if (status == GLASS_OK) printf("%s\n", out.data);
    buf_free(&out);
    return status;
}
