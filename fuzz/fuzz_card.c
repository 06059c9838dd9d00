/* fuzz_card.c - libFuzzer target: any bytes as a licence's text, as a card's YAML, and as a file of a
 * folder that is audited: what is found lies inside the bytes, and the report and its page are whole.
 *
 * Input: a byte that chooses the file's name (from 8 on: no folder), then the file. */
#include "fuzz_common.h"

#include "glass/audit.h"
#include "open/audit_card.h"
#include "open/clause_match.h"

#include <sys/stat.h>

static char folder[64];
static struct clause_table table;

static void stop(void) {
    (void)!rmdir(folder);
    clause_table_close(&table);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    snprintf(folder, sizeof folder, "%s/glass-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    MUST(mkdtemp(folder) != NULL);
    MUST(clause_table_open(&table) == GLASS_OK);
    atexit(stop);
    return 0;
}

static void read_licence(const char *text, size_t n) {
    struct clause_matches m;
    MUST(clause_match_text(&m, &table, text, n) == GLASS_OK);
    for (int i = 0; i < m.n; i++) {
        const struct clause_match *f = &m.matches[i];
        MUST(f->begin <= f->end && f->end <= n);
        for (int k = 0; k < f->n_changes; k++)
            MUST(f->changes[k].begin <= f->changes[k].end && f->changes[k].end <= n);
    }
    clause_matches_clear(&m);
}

static void read_card(const char *text, size_t n, bool whole) {
    struct card c;
    MUST(card_read(&c, text, n, whole) == GLASS_OK);
    MUST(c.begin <= c.end && c.end <= n && c.n <= CARD_MEMBERS);
    for (int i = 0; i < c.n; i++) {
        MUST(c.members[i].begin <= c.members[i].end && c.members[i].end <= n);
        fuzz_read(c.members[i].key, strlen(c.members[i].key));
        fuzz_read(c.members[i].value, strlen(c.members[i].value));
    }
    card_clear(&c);
}

static void inside(const glass_audit_evidence *e, size_t n) {
    MUST(e->begin <= e->end && e->end <= n);
    MUST(strlen(e->quote) <= e->end - e->begin || e->begin == e->end);
    fuzz_read(e->file, strlen(e->file));
}

static void audit(const char *name, const uint8_t *bytes, size_t n) {
    char path[128];
    glass_audit *a;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wbe");
    MUST(f != NULL && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
    MUST(glass_audit_open(&a, folder, NULL) == GLASS_OK);
    const glass_audit_report *r = glass_audit_get(a);
    for (int64_t i = 0; i < r->n_claims; i++) inside(&r->claims[i].evidence, n);
    for (int64_t i = 0; i < r->n_points; i++) inside(&r->points[i].evidence, n);
    for (int64_t i = 0; i < r->n_findings; i++) {
        inside(&r->findings[i].one, n);
        inside(&r->findings[i].other, n);
    }
    const glass_may_answer *answer;
    MUST(glass_audit_may(&answer, a, "commercial") == GLASS_OK);
    char *html;
    size_t n_html;
    const glass_audit *one = a;
    MUST(glass_audit_html(&html, &n_html, &one, 1) == GLASS_OK);
    MUST(n_html > 0 && strstr(html, "<script") == NULL);
    glass_free(html);
    glass_audit_close(a);
    MUST(remove(path) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum { N_NAMES = 8 };
    static const char *const names[N_NAMES] = {
        "README.md",   "LICENSE",        "CITATION.cff", "checklist.chk",
        "config.json", "tokenizer.json", "train.yaml",   "USE_POLICY.md"};
    if (size < 1 || size > 65536) return 0;
    const char *text = (const char *)data + 1;
    read_licence(text, size - 1);
    read_card(text, size - 1, true);
    read_card(text, size - 1, false);
    /* An audit opens a table of its own, which takes most of the time. */
    if (data[0] < N_NAMES) audit(names[data[0]], data + 1, size - 1);
    return 0;
}
