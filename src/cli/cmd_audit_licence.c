/* cmd_audit_licence.c - glass audit --license: which licence a file holds, how surely, what differs
 * from the known text, and what its sections do. */
#include "cli/cmd_audit.h"

#include "glass/audit.h"

#include <inttypes.h>
#include <stdio.h>

void audit_print_quote(const char *text, size_t n, size_t most) {
    size_t shown = 0;
    bool blank = false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
            blank = shown > 0;
            continue;
        }
        if ((c & 0xc0) != 0x80 && shown + blank >= most) {
            printf("…");
            return;
        }
        if (blank) putchar(' ');
        shown += blank + ((c & 0xc0) != 0x80);
        blank = false;
        putchar(c < 0x20 || c == 0x7f ? '?' : c);
    }
}

void audit_print_text(const char *text) {
    enum { MOST = 2000 };
    audit_print_quote(text, strlen(text), MOST);
}

glass_status audit_json_quote(struct buf *json, const char *text, size_t n) {
    enum { MOST = 2000 };
    return buf_json_string(json, text, n < MOST ? n : MOST);
}

static const char *verdict_name(const glass_licence_found *f) {
    static const char *const names[] = {"same bytes", "same words", "filled in", "changed",
                                        "a part"};
    return f->text_at_hand ? names[f->verdict] : "named by its address";
}

static void print_head(const glass_licence_text *t, const glass_licence_found *f) {
    printf("%s: %s, %s (%s)\n", t->path, f->name, f->version, f->id);
    if (!f->text_at_hand) {
        printf("  only its address stands here, bytes %zu-%zu: \"", f->begin, f->end);
        audit_print_quote(t->text + f->begin, f->end - f->begin, 200);
        printf("\"\n  its text is not at hand, so nothing can be quoted\n");
        return;
    }
    printf("  %s", verdict_name(f));
    if (f->verdict == GLASS_LICENCE_SAME_BYTES)
        printf(" as a known copy (%s)", f->copy);
    else
        printf(": %" PRId64 " of %" PRId64 " words of the known text in their order",
               f->n_matched, f->n_known);
    if (f->n_changed > 0) printf(", %" PRId64 " of substance differ", f->n_changed);
    printf("\n  bytes %zu-%zu of %zu", f->begin, f->end, t->n_bytes);
    if (*f->second)
        printf("; next likely: %s, in which %" PRId64 " words differ", f->second,
               f->second_changed);
    printf("\n");
}

static void print_changes(const glass_licence_text *t, const glass_licence_found *f) {
    enum { SHOWN = 40 };
    static const char *const kinds[] = {"differs", "filled in", "copyright line"};
    int64_t n = f->n_changes < SHOWN ? f->n_changes : SHOWN;
    if (f->n_changes == 0) return;
    printf("\n  where it parts from the known text\n");
    for (int64_t i = 0; i < n; i++) {
        const glass_licence_change *c = &f->changes[i];
        printf("    %s, byte %zu", kinds[c->kind], c->begin);
        if (*c->section) printf(", section %s", c->section);
        if (c->n_here > 0) {
            printf(": \"");
            audit_print_quote(t->text + c->begin, c->end - c->begin, 160);
            printf("\"");
            if (c->n_known > 0)
                printf(" stands for %" PRId64 " known word%s", c->n_known,
                       c->n_known == 1 ? "" : "s");
            else
                printf(" is added");
        } else {
            printf(": %" PRId64 " known word%s missing", c->n_known,
                   c->n_known == 1 ? " is" : "s are");
        }
        printf("\n");
    }
    if (n < f->n_changes) printf("    and %" PRId64 " more\n", f->n_changes - n);
}

static void print_rows(const glass_licence_text *t, const glass_licence_found *f) {
    printf("\n  what its sections do, in our words\n");
    for (int64_t i = 0; i < f->n_rows; i++) {
        const glass_licence_row *r = &f->rows[i];
        printf("    %-18s %-6s %s%s%s: %s\n", r->topic, r->answer, r->detail,
               *r->detail ? ", " : "", r->section, r->words);
        if (r->at_hand) {
            printf("        bytes %zu-%zu: \"", r->begin, r->end);
            audit_print_quote(t->text + r->begin, r->end - r->begin, 160);
            printf("\"\n");
        } else if (r->changed) {
            printf("        the words that say this differ in this file: read it there\n");
        }
    }
    if (f->n_changed > 0) printf("  of the known text, not of this one:\n");
    printf("  OSI: %s (%s)\n  FSF: %s (%s)\n  Debian: %s (%s)\n", f->osi, f->osi_source,
           f->fsf, f->fsf_source, f->dfsg, f->dfsg_source);
    if (*f->policy) printf("  makes part of itself: %s\n", f->policy);
    if (*f->note) printf("  note: %s\n", f->note);
}

static void print_text(const glass_licence_text *t) {
    for (int64_t i = 0; i < t->n_found; i++) {
        if (i > 0) printf("\n");
        print_head(t, &t->found[i]);
        if (t->found[i].text_at_hand) print_changes(t, &t->found[i]);
        print_rows(t, &t->found[i]);
    }
    if (t->n_found == 0)
        printf("%s: no licence of the table is in its %" PRId64 " words\n", t->path,
               t->n_words);
    else if (t->n_other > 0 && t->found[0].text_at_hand)
        printf("\n%" PRId64 " of the file's %" PRId64 " words are part of no known text\n",
               t->n_other, t->n_words);
    printf("SHA-256 of the file: %s\n", t->sha256);
}

/* ---- JSON ---- */

static glass_status member(struct buf *json, const char *name, const char *text) {
    TRY(buf_printf(json, ",\"%s\":", name));
    return buf_json_string(json, text, strlen(text));
}

static glass_status json_rows(struct buf *json, const glass_licence_text *t,
                              const glass_licence_found *f) {
    TRY(buf_text(json, ",\"rows\":["));
    for (int64_t i = 0; i < f->n_rows; i++) {
        const glass_licence_row *r = &f->rows[i];
        TRY(buf_printf(json, "%s{\"at_hand\":%s,\"changed\":%s", i ? "," : "",
                       r->at_hand ? "true" : "false", r->changed ? "true" : "false"));
        TRY(member(json, "topic", r->topic));
        TRY(member(json, "answer", r->answer));
        TRY(member(json, "detail", r->detail));
        TRY(member(json, "section", r->section));
        TRY(member(json, "words", r->words));
        if (r->at_hand) {
            TRY(buf_printf(json, ",\"begin\":%zu,\"end\":%zu,\"quote\":", r->begin,
                           r->end));
            TRY(audit_json_quote(json, t->text + r->begin, r->end - r->begin));
        }
        TRY(buf_byte(json, '}'));
    }
    return buf_byte(json, ']');
}

static glass_status json_changes(struct buf *json, const glass_licence_text *t,
                                 const glass_licence_found *f) {
    static const char *const kinds[] = {"substance", "filled", "notice"};
    TRY(buf_text(json, ",\"changes\":["));
    for (int64_t i = 0; i < f->n_changes; i++) {
        const glass_licence_change *c = &f->changes[i];
        TRY(buf_printf(
            json,
            "%s{\"kind\":\"%s\",\"begin\":%zu,\"end\":%zu,\"known_words\":%" PRId64
            ",\"words\":%" PRId64,
            i ? "," : "", kinds[c->kind], c->begin, c->end, c->n_known, c->n_here));
        TRY(member(json, "section", c->section));
        TRY(buf_text(json, ",\"text\":"));
        TRY(audit_json_quote(json, t->text + c->begin, c->end - c->begin));
        TRY(buf_byte(json, '}'));
    }
    return buf_byte(json, ']');
}

static glass_status json_found(struct buf *json, const glass_licence_text *t,
                               const glass_licence_found *f) {
    TRY(buf_text(json, "{\"key\":"));
    TRY(buf_json_string(json, f->key, strlen(f->key)));
    TRY(member(json, "name", f->name));
    TRY(member(json, "version", f->version));
    TRY(member(json, "id", f->id));
    TRY(member(json, "kind", f->kind));
    TRY(member(json, "about", f->about));
    TRY(member(json, "verdict", verdict_name(f)));
    TRY(member(json, "copy", f->copy));
    TRY(member(json, "osi", f->osi));
    TRY(member(json, "fsf", f->fsf));
    TRY(member(json, "dfsg", f->dfsg));
    TRY(member(json, "policy", f->policy));
    TRY(member(json, "note", f->note));
    TRY(member(json, "second", f->second));
    TRY(buf_printf(json,
                   ",\"known_words\":%" PRId64 ",\"matched_words\":%" PRId64
                   ",\"changed_words\":%" PRId64 ",\"second_changed_words\":%" PRId64
                   ",\"begin\":%zu,\"end\":%zu",
                   f->n_known, f->n_matched, f->n_changed, f->second_changed, f->begin,
                   f->end));
    TRY(json_changes(json, t, f));
    TRY(json_rows(json, t, f));
    return buf_byte(json, '}');
}

static glass_status print_json(const glass_licence_text *t) {
    struct buf json = {0};
    glass_status status = buf_text(&json, "{\"file\":");
    if (status == GLASS_OK) status = buf_json_string(&json, t->path, strlen(t->path));
    if (status == GLASS_OK)
        status = buf_printf(&json,
                            ",\"bytes\":%zu,\"sha256\":\"%s\",\"words\":%" PRId64
                            ",\"other_words\":%" PRId64 ",\"licences\":[",
                            t->n_bytes, t->sha256, t->n_words, t->n_other);
    for (int64_t i = 0; i < t->n_found && status == GLASS_OK; i++) {
        if (i > 0) status = buf_byte(&json, ',');
        if (status == GLASS_OK) status = json_found(&json, t, &t->found[i]);
    }
    if (status == GLASS_OK) status = buf_text(&json, "]}");
    if (status == GLASS_OK) printf("%s\n", json.data);
    buf_free(&json);
    return status;
}

glass_status audit_licence(const char *path, bool json) {
    glass_licence_text *t;
    TRY(glass_licence_read(&t, path));
    glass_status status = GLASS_OK;
    if (json)
        status = print_json(t);
    else
        print_text(t);
    /* "Is this a licence that is known?" has the answer no, too. */
    if (status == GLASS_OK && t->n_found == 0)
        status = fail(GLASS_NEGATIVE, "%s: no licence that is known", path);
    glass_licence_free(t);
    return status;
}

glass_status audit_licences(const char *name, bool json) {
    glass_licence_text *t;
    glass_status status = GLASS_OK;
    TRY(glass_licence_known(&t, name));
    if (json) {
        status = print_json(t);
    } else if (name != NULL) {
        printf("%s, %s (%s)\n  no text is at hand, so nothing can be quoted\n",
               t->found[0].name, t->found[0].version, t->found[0].id);
        print_rows(t, &t->found[0]);
    } else {
        for (int64_t i = 0; i < t->n_found; i++)
            printf("%-34s %s, %s\n", t->found[i].key, t->found[i].name,
                   t->found[i].version);
    }
    glass_licence_free(t);
    return status;
}
