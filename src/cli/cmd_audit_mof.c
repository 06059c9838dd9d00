/* cmd_audit_mof.c - glass audit --mof: records of the Model Openness Tool, graded as the tool does and
 * as the paper does, with what rests on inherited licences. */
#include "cli/cmd_audit.h"

#include <stdio.h>

static const char *const labels[] = {"Unclassified", "Class I - Open Science Model",
                                     "Class II - Open Tooling Model",
                                     "Class III - Open Model"};

static bool inherited(const glass_mof_component *c) {
    return c->present && c->open && strcmp(c->from, "distribution") == 0;
}

/* Whether the class asks for it. */
static bool counts(const glass_mof_record *r, const glass_mof_component *c) {
    return r->class_tool > 0 && c->required && c->mof_class >= r->class_tool;
}

static glass_status json_component(struct buf *json, const glass_mof_component *c) {
    TRY(buf_printf(json, "{\"id\":%d,\"name\":\"%s\",\"content\":\"%s\",\"class\":%d",
                   c->id, c->name, c->content, c->mof_class));
    TRY(buf_printf(json, ",\"required\":%s,\"present\":%s,\"open\":%s,\"fit\":%s",
                   c->required ? "true" : "false", c->present ? "true" : "false",
                   c->open ? "true" : "false", c->fit ? "true" : "false"));
    TRY(buf_text(json, ",\"licence\":"));
    TRY(buf_json_string(json, c->licence, strlen(c->licence)));
    TRY(buf_printf(json, ",\"from\":\"%s\"", c->from));
    TRY(audit_json_evidence(json, "evidence", &c->evidence));
    return buf_byte(json, '}');
}

static glass_status json_class(struct buf *json, const char *name, int mof_class,
                               const double progress[3]) {
    return buf_printf(json, ",\"%s\":{\"class\":%d,\"progress\":[%.4f,%.4f,%.4f]}", name,
                      mof_class, progress[0], progress[1], progress[2]);
}

static glass_status json_record(struct buf *json, const glass_mof_record *r) {
    TRY(buf_text(json, "{\"path\":"));
    TRY(buf_json_string(json, r->path, strlen(r->path)));
    TRY(buf_text(json, ",\"name\":"));
    TRY(buf_json_string(json, r->name, strlen(r->name)));
    TRY(json_class(json, "tool", r->class_tool, r->progress_tool));
    TRY(json_class(json, "paper", r->class_paper, r->progress_paper));
    TRY(json_class(json, "without_inherited", r->class_own, r->progress_own));
    TRY(buf_text(json, ",\"components\":["));
    for (int i = 0; i < GLASS_MOF_COMPONENTS; i++) {
        if (i > 0) TRY(buf_byte(json, ','));
        TRY(json_component(json, &r->components[i]));
    }
    return buf_text(json, "]}");
}

static void print_one(const glass_mof_record *r) {
    printf("%s (%s)\n", r->name, r->path);
    printf("  as the tool:              %s\n", labels[r->class_tool]);
    printf("  as the paper:             %s\n", labels[r->class_paper]);
    printf("  without inherited ones:   %s\n\n", labels[r->class_own]);
    printf("  %-32s %-9s %-5s %-22s %s\n", "component", "content", "class", "licence",
           "open");
    for (int i = 0; i < GLASS_MOF_COMPONENTS; i++) {
        const glass_mof_component *c = &r->components[i];
        const char *licence = !c->present ? "-" : *c->licence ? c->licence : "none";
        printf("  %-32s %-9s %-5.*s ", c->name, c->content, c->mof_class, "III");
        audit_print_quote(licence, strlen(licence), 22);
        printf("%*s %s%s%s\n", (int)(strlen(licence) < 22 ? 22 - strlen(licence) : 0), "",
               !c->present ? ""
               : c->open   ? "yes"
                           : "no",
               c->open && !c->fit ? ", not meant for this" : "",
               inherited(c) ? ", inherited" : "");
    }
    for (int i = 0; i < GLASS_MOF_COMPONENTS; i++) {
        const glass_mof_component *c = &r->components[i];
        if (counts(r, c) && inherited(c))
            printf("  the class rests on the licence of the whole for: %s\n", c->name);
    }
}

static void print_line(const glass_mof_record *r) {
    int n = 0;
    bool data = false;
    for (int i = 0; i < GLASS_MOF_COMPONENTS; i++)
        if (counts(r, &r->components[i]) && inherited(&r->components[i])) {
            n++;
            data |= strcmp(r->components[i].name, "Datasets") == 0;
        }
    printf("%-34s %-5.*s %-5.*s %-9.*s", r->name, r->class_tool, "III", r->class_paper,
           "III", r->class_own, "III");
    if (n > 0) printf(" %d inherited%s", n, data ? ", of them the datasets'" : "");
    printf("\n");
}

struct counting {
    int64_t tool[4], paper[4], own[4];
};

static void count(struct counting *n, const glass_mof_record *r) {
    n->tool[r->class_tool]++;
    n->paper[r->class_paper]++;
    n->own[r->class_own]++;
}

static void print_counts(const struct counting *n) {
    printf("\n%-34s %5s %5s %9s\n", "", "tool", "paper", "own only");
    for (int i = 1; i <= 4; i++)
        printf("%-34s %5lld %5lld %9lld\n", labels[i & 3], (long long)n->tool[i & 3],
               (long long)n->paper[i & 3], (long long)n->own[i & 3]);
}

static glass_status json_counts(struct buf *json, const char *name,
                                const int64_t counts_of[4]) {
    return buf_printf(json, ",\"%s\":[%lld,%lld,%lld,%lld]", name, (long long)counts_of[0],
                      (long long)counts_of[1], (long long)counts_of[2],
                      (long long)counts_of[3]);
}

glass_status audit_mof(const char **paths, int n, bool json) {
    struct counting counted = {0};
    struct buf out = {0};
    glass_status status = json ? buf_text(&out, "{\"records\":[") : GLASS_OK;
    if (!json && n > 1)
        printf("%-34s %-5s %-5s %-9s\n", "record", "tool", "paper", "own only");
    for (int i = 0; status == GLASS_OK && i < n; i++) {
        glass_mof_record *r;
        status = glass_mof_read(&r, paths[i]);
        if (status != GLASS_OK) break;
        count(&counted, r);
        if (json && i > 0) status = buf_byte(&out, ',');
        if (json && status == GLASS_OK) status = json_record(&out, r);
        if (!json && n == 1) print_one(r);
        if (!json && n > 1) print_line(r);
        glass_mof_free(r);
    }
    if (status == GLASS_OK && json) {
        status = buf_text(&out, "],\"counts\":{\"records\":");
        if (status == GLASS_OK) status = buf_printf(&out, "%d", n);
        if (status == GLASS_OK) status = json_counts(&out, "tool", counted.tool);
        if (status == GLASS_OK) status = json_counts(&out, "paper", counted.paper);
        if (status == GLASS_OK)
            status = json_counts(&out, "without_inherited", counted.own);
        if (status == GLASS_OK) status = buf_text(&out, "}}");
        if (status == GLASS_OK) printf("%s\n", out.data);
    } else if (status == GLASS_OK && n > 1) {
        print_counts(&counted);
    }
    buf_free(&out);
    return status;
}
