/* cmd_audit_may.c - glass audit MODEL --may ACTION: yes, no, or on which conditions. */
#include "cli/cmd_audit.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const verdicts[] = {"yes", "yes, if", "unknown", "no"};
static const char *const parts[] = {"weights", "base model", "adapter", "policy",
                                    "data",    "code",       "document"};
static const char *const grades[] = {"verified", "declared", "inherited", "missing"};

const char *audit_part_name(glass_audit_part part) {
    return parts[part];
}

const char *audit_grade_name(glass_audit_grade grade) {
    return grades[grade];
}

void audit_print_evidence(const char *indent, const glass_audit_evidence *e) {
    if (*e->file == '\0') return;
    printf("%s", indent);
    audit_print_text(e->file);
    if (e->end > e->begin) {
        printf(", bytes %zu-%zu: \"", e->begin, e->end);
        audit_print_quote(e->quote, strlen(e->quote), 160);
        printf("\"");
    }
    printf("\n");
}

static glass_status member(struct buf *json, const char *name, const char *text) {
    TRY(buf_printf(json, ",\"%s\":", name));
    return buf_json_string(json, text, strlen(text));
}

glass_status audit_json_evidence(struct buf *json, const char *name,
                                 const glass_audit_evidence *e) {
    if (*e->file == '\0') return buf_printf(json, ",\"%s\":null", name);
    TRY(buf_printf(json, ",\"%s\":{\"begin\":%zu,\"end\":%zu", name, e->begin, e->end));
    TRY(member(json, "file", e->file));
    TRY(member(json, "sha256", e->sha256));
    TRY(member(json, "quote", e->quote));
    return buf_byte(json, '}');
}

static void print_reason(const glass_may_reason *r) {
    const glass_audit_claim *c = r->claim;
    printf("  %-8s %s", verdicts[r->verdict], parts[c->part]);
    if (*c->subject) printf(" ");
    audit_print_text(c->subject);
    printf(", ");
    audit_print_text(c->name);
    printf(" (%s, %s", grades[c->grade], c->how);
    if (strcmp(r->section, "-") != 0) printf(", section %s", r->section);
    printf("): ");
    audit_print_text(r->words);
    printf("\n");
    if (r->at_hand)
        audit_print_evidence("           ", &r->evidence);
    else if (strcmp(r->section, "-") != 0)
        printf("           its words are not at hand\n");
}

static void print_answer(const glass_may_answer *a) {
    printf("%s: %s\n", a->action, verdicts[a->verdict]);
    for (int v = GLASS_MAY_NO; v >= GLASS_MAY_YES; v--) /* what decides comes first */
        for (int64_t i = 0; i < a->n_reasons; i++)
            if ((int)a->reasons[i].verdict == v) print_reason(&a->reasons[i]);
}

static glass_status json_reason(struct buf *json, const glass_may_reason *r) {
    const glass_audit_claim *c = r->claim;
    TRY(buf_text(json, "{\"verdict\":"));
    TRY(buf_json_string(json, verdicts[r->verdict], strlen(verdicts[r->verdict])));
    TRY(member(json, "part", parts[c->part]));
    TRY(member(json, "subject", c->subject));
    TRY(member(json, "licence", c->key));
    TRY(member(json, "name", c->name));
    TRY(member(json, "grade", grades[c->grade]));
    TRY(member(json, "how", c->how));
    TRY(member(json, "topic", r->topic));
    TRY(member(json, "section", r->section));
    TRY(member(json, "words", r->words));
    TRY(buf_printf(json, ",\"at_hand\":%s", r->at_hand ? "true" : "false"));
    TRY(audit_json_evidence(json, "evidence", &r->evidence));
    return buf_byte(json, '}');
}

static glass_status json_answer(struct buf *json, const glass_may_answer *a) {
    TRY(buf_text(json, "{\"action\":"));
    TRY(buf_json_string(json, a->action, strlen(a->action)));
    TRY(member(json, "verdict", verdicts[a->verdict]));
    TRY(buf_text(json, ",\"reasons\":["));
    for (int64_t i = 0; i < a->n_reasons; i++) {
        if (i > 0) TRY(buf_byte(json, ','));
        TRY(json_reason(json, &a->reasons[i]));
    }
    return buf_text(json, "]}");
}

glass_status audit_may(glass_audit *audit, const struct opt_list *may, bool json) {
    struct buf out = {0};
    bool no = false;
    glass_status status = json ? buf_text(&out, "{\"answers\":[") : GLASS_OK;
    for (int i = 0; i < may->n && status == GLASS_OK; i++) {
        const glass_may_answer *answer;
        status = glass_audit_may(&answer, audit, may->items[i]);
        if (status != GLASS_OK) break;
        no |= answer->verdict == GLASS_MAY_NO || answer->verdict == GLASS_MAY_UNKNOWN;
        if (!json) {
            print_answer(answer);
            continue;
        }
        if (i > 0) status = buf_byte(&out, ',');
        if (status == GLASS_OK) status = json_answer(&out, answer);
    }
    if (status == GLASS_OK && json) {
        status = buf_text(&out, "]}");
        if (status == GLASS_OK) printf("%s\n", out.data);
    }
    buf_free(&out);
    if (status == GLASS_OK && no) return GLASS_NEGATIVE;
    return status;
}
