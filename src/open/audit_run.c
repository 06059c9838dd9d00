/* audit_run.c - a Glass run or corpus: what its hashes prove.
 *
 * A run's ledger is a chain over its recipe, its shards and every step; a checkpoint's SHA256SUMS and
 * the weights' root tie it to that chain; steps that are computed again prove that this program
 * makes these weights of these shards. A corpus' root is computed from its texts and records. */
#include "open/audit_parts.h"

#include "base/hash.h"
#include "base/mem.h"
#include "glass/data.h"
#include "train/run_ledger.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

glass_status audit_check_add(struct glass_audit *a, const char *name, bool good,
                             const glass_audit_evidence *evidence, const char *format,
                             ...) {
    char text[1000];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (a->n_checks == a->checks_room) {
        int64_t room = a->checks_room > 0 ? 2 * a->checks_room : 16;
        TRY(mem_resize(&a->checks, (size_t)room, sizeof *a->checks));
        a->checks_room = room;
    }
    glass_audit_check c = {.name = name, .good = good, .evidence = *evidence};
    TRY(pool_text(&a->pool, &c.words, text, strlen(text)));
    a->checks[a->n_checks++] = c;
    return GLASS_OK;
}

struct looking {
    struct glass_audit *a;
    const char *folder; /* on this machine */
    const char *prefix; /* shown */
};

/* A file of the run as evidence, with its hash. */
static glass_status file_evidence(struct looking *l, const char *name,
                                  glass_audit_evidence *e) {
    struct buf path = {0};
    uint8_t digest[32];
    char hex[65] = "";
    *e = (glass_audit_evidence){"", "", 0, 0, ""};
    glass_status status = buf_printf(&path, "%s/%s", l->folder, name);
    if (status == GLASS_OK && sha256_file(digest, path.data) == GLASS_OK)
        sha256_hex(hex, digest);
    buf_free(&path);
    if (status != GLASS_OK) return status;
    TRY(pool_text(&l->a->pool, &e->sha256, hex, strlen(hex)));
    return pool_printf(&l->a->pool, &e->file, "%s%s", l->prefix, name);
}

static bool is_fatal(glass_status status) {
    return status == GLASS_NO_MEMORY;
}

/* Whether it held; what it says of it is glass_error's. */
static glass_status record(struct looking *l, const char *name, const char *file,
                           glass_status status, const char *words) {
    glass_audit_evidence e;
    char why[600];
    if (is_fatal(status)) return status;
    snprintf(why, sizeof why, "%s", status == GLASS_OK ? words : glass_error());
    TRY(file_evidence(l, file, &e));
    TRY(audit_check_add(l->a, name, status == GLASS_OK, &e, "%s", why));
    if (status == GLASS_OK) return GLASS_OK;
    return audit_finding_add(l->a, GLASS_FINDING_CONTRADICTION, &e, NULL,
                             "a run does not agree with its own record: %s", why);
}

static glass_status offer(struct looking *l, int thing, const char *file,
                          const char *words) {
    glass_audit_evidence e;
    TRY(file_evidence(l, file, &e));
    return audit_offer(l->a, thing, GLASS_AUDIT_VERIFIED, words, &e);
}

/* What each checkpoint's bytes are, against its sums and the ledger's root of that step. */
static glass_status check_checkpoints(struct looking *l, const struct ledger_file *ledger) {
    int64_t *steps, n;
    char words[200], file[100];
    struct buf folder = {0};
    TRY(buf_printf(&folder, "%s/checkpoints", l->folder));
    glass_status status = checkpoint_list(folder.data, &steps, &n);
    if (status != GLASS_OK) {
        buf_free(&folder);
        return is_fatal(status) ? status : GLASS_OK;
    }
    for (int64_t i = 0; i < n && status == GLASS_OK; i++) {
        struct checkpoint_state state;
        uint8_t root[32];
        glass_status one = checkpoint_open(folder.data, steps[i], &state);
        if (one == GLASS_OK && ledger_file_weights(root, ledger, steps[i]) &&
            memcmp(root, state.weights, 32) != 0)
            one = fail(GLASS_NEGATIVE,
                       "checkpoint %lld has other weights than the ledger tells",
                       (long long)steps[i]);
        snprintf(
            words, sizeof words,
            "checkpoint of step %lld: every byte has its hash, and the weights' root is "
            "the ledger's",
            (long long)steps[i]);
        snprintf(file, sizeof file, "checkpoints/step-%08lld/SHA256SUMS",
                 (long long)steps[i]);
        status = record(l, "checkpoint", file, one, words);
        if (status != GLASS_OK || one != GLASS_OK) continue;
        snprintf(file, sizeof file, "checkpoints/step-%08lld/model.gguf",
                 (long long)steps[i]);
        status = i + 1 == n
                     ? offer(l, MOF_PARAMETERS, file,
                             "weights whose root the run's ledger tells")
                     : offer(l, MOF_CHECKPOINTS, file,
                             "weights on the way, whose root the run's ledger tells");
    }
    mem_free(steps);
    buf_free(&folder);
    return status;
}

/* A licence that a document's record says; once each. */
static glass_status take_record(struct looking *l, const char *shown,
                                const struct buf *text, size_t begin, size_t end) {
    struct glass_audit *a = l->a;
    const char *said;
    TRY(pool_text(&a->pool, &said, text->data + begin, end - begin));
    for (int64_t i = 0; i < a->n_claims; i++)
        if (strcmp(a->claims[i].c.how, "record") == 0 &&
            strcmp(a->claims[i].c.evidence.quote, said) == 0)
            return GLASS_OK;
    struct audit_claim claim = {.licence = clause_table_find(&a->table, said)};
    claim.c =
        (glass_audit_claim){.part = GLASS_PART_DATA,
                            .subject = l->prefix,
                            .grade = GLASS_AUDIT_DECLARED,
                            .key = claim.licence != NULL ? claim.licence->key : "",
                            .name = claim.licence != NULL ? claim.licence->name : said,
                            .how = "record"};
    TRY(audit_evidence(a, &claim.c.evidence, shown, "", text->data, text->len, begin, end));
    return audit_claim_add(a, &claim);
}

static glass_status take_lines(struct looking *l, const char *shown,
                               const struct buf *text) {
    static const char key[] = "\"licence\":\"";
    enum { CLAIMS_MOST = 400 };
    for (const char *p = text->data; (p = strstr(p, key)) != NULL;) {
        p += sizeof key - 1;
        size_t n = strcspn(p, "\""), begin = (size_t)(p - text->data);
        if (n > 0 && l->a->n_claims < CLAIMS_MOST)
            TRY(take_record(l, shown, text, begin, begin + n));
        p += n;
    }
    return GLASS_OK;
}

/* Licences that the documents of a run's shards are recorded under. */
static glass_status take_records(struct looking *l, const struct glass_run *run) {
    for (int64_t i = 0; i < run->n_shards; i++) {
        struct buf path = {0}, text = {0};
        struct audit_tree tree;
        const char *shown;
        TRY(pool_printf(&l->a->pool, &shown, "%sshards/train-%lld.documents.jsonl",
                        l->prefix, (long long)i));
        glass_status status =
            buf_printf(&path, "%s/%s", l->folder, shown + strlen(l->prefix));
        if (status == GLASS_OK && audit_tree_open(&tree, path.data) == GLASS_OK) {
            status = audit_tree_read(&text, &tree, &tree.files[0], AUDIT_TEXT);
            if (status == GLASS_OK) status = take_lines(l, shown, &text);
            audit_tree_close(&tree);
        }
        buf_free(&path);
        buf_free(&text);
        TRY(status);
    }
    return GLASS_OK;
}

/* Code that a run needs is this program. */
static glass_status offer_program(struct looking *l, glass_audit_grade grade) {
    static const int things[] = {MOF_TRAINING,   MOF_ARCHITECTURE, MOF_INFERENCE,
                                 MOF_EVALUATION, MOF_LIBRARIES,    SIGN_PACKAGE};
    glass_audit_evidence e;
    TRY(file_evidence(l, grade == GLASS_AUDIT_VERIFIED ? "ledger.jsonl" : "recipe.yaml",
                      &e));
    for (size_t i = 0; i < sizeof things / sizeof *things; i++) {
        TRY(audit_offer(l->a, things[i], i < 2 ? grade : GLASS_AUDIT_DECLARED,
                        grade == GLASS_AUDIT_VERIFIED && i < 2
                            ? "Glass, which computed steps of it again"
                            : "Glass, for which its recipe is written",
                        &e));
        struct audit_thing *t = &l->a->things[things[i]];
        t->ours = t->evidence.file == e.file;
    }
    return GLASS_OK;
}

static glass_status check_replay(struct looking *l, int64_t n_replay) {
    if (n_replay <= 0) return GLASS_OK;
    const glass_verify_options o = {.n_sample = n_replay, .seed = 1};
    glass_verify_report report = {0};
    char words[200];
    glass_status status = glass_run_verify(l->folder, &o, &report);
    snprintf(words, sizeof words,
             "%lld steps were computed again, %lld of them drawn at random: loss, norm and "
             "weights are the ledger's to the bit",
             (long long)report.n_replayed, (long long)report.n_picked);
    glass_free(report.picked);
    TRY(record(l, "replay", "ledger.jsonl", status, words));
    return status == GLASS_OK ? offer_program(l, GLASS_AUDIT_VERIFIED) : GLASS_OK;
}

static glass_status check_run(struct looking *l, int64_t n_replay) {
    struct glass_run *run = NULL;
    struct ledger_file ledger = {0};
    char words[200];
    glass_status shards = run_open_look(&run, l->folder);
    TRY(record(l, "shards", "run.json", shards,
               "recipe and shards have the hashes that the run was made with"));
    if (shards != GLASS_OK) return GLASS_OK;
    glass_status chain = ledger_file_read(&ledger, l->folder);
    if (chain == GLASS_OK) chain = ledger_file_check(&ledger, run);
    snprintf(words, sizeof words,
             "a chain of %lld lines, each hashed with the one before, from the recipe, the "
             "shards and the first weights on",
             (long long)ledger.n);
    glass_status status = record(l, "ledger", "ledger.jsonl", chain, words);
    if (status == GLASS_OK)
        status = offer(l, MOF_DATASETS, "shards/train-0.safetensors",
                       "the tokens that it learnt from");
    if (status == GLASS_OK)
        status = offer(l, MOF_METADATA, "recipe.yaml", "all settings of the training");
    if (status == GLASS_OK && run->n_held_out > 0)
        status = offer(l, MOF_EVALUATION_DATA, "shards/held-out-0.safetensors",
                       "the texts that it was evaluated on");
    if (status == GLASS_OK)
        status = offer(l, MOF_RESULTS, "metrics.jsonl", "held-out losses of the run");
    if (status == GLASS_OK) status = offer_program(l, GLASS_AUDIT_DECLARED);
    if (status == GLASS_OK) status = take_records(l, run);
    if (status == GLASS_OK && chain == GLASS_OK) {
        l->a->run = true;
        status = check_checkpoints(l, &ledger);
        if (status == GLASS_OK) status = check_replay(l, n_replay);
    }
    ledger_file_clear(&ledger);
    glass_run_close(run);
    return status;
}

/* ---- corpora ---- */

struct corpus_look {
    int64_t n, n_bad;
};

static bool look_document(void *context, const glass_document *d) {
    struct corpus_look *c = context;
    uint8_t digest[32];
    c->n++;
    bool good = sha256_bytes(digest, d->text, (size_t)d->n_bytes) == GLASS_OK &&
                memcmp(digest, d->content, 32) == 0 &&
                sha256_bytes(digest, d->record, strlen(d->record)) == GLASS_OK &&
                memcmp(digest, d->record_hash, 32) == 0;
    c->n_bad += !good;
    return true;
}

/* Every text and record has its hash, and the tree over them has the root. */
static glass_status check_corpus(struct looking *l) {
    glass_corpus *corpus;
    struct corpus_look look = {0};
    const uint8_t none[32] = {1};
    char *json = NULL, root[65] = "";
    char words[200];
    bool present;
    glass_status status = glass_corpus_open(&corpus, l->folder, false);
    if (status == GLASS_OK) {
        status = glass_corpus_each(corpus, NULL, NULL, look_document, &look);
        if (status == GLASS_OK && look.n_bad > 0)
            status = fail(GLASS_NEGATIVE,
                          "%lld of %lld documents have another text or record than their "
                          "hashes say",
                          (long long)look.n_bad, (long long)look.n);
        if (status == GLASS_OK)
            status = glass_corpus_prove(&json, &present, corpus, NULL, none);
        if (status == GLASS_OK) {
            glass_proof proof;
            status = glass_proof_check(&proof, json, strlen(json));
            if (status == GLASS_OK) {
                memcpy(root, proof.root, sizeof root);
                glass_free(proof.record);
            }
        }
        glass_free(json);
        glass_corpus_close(corpus);
    }
    snprintf(words, sizeof words, "%lld documents and their records give the root %.16s…",
             (long long)look.n, root);
    TRY(record(l, "corpus", "corpus.sqlite", status, words));
    if (status == GLASS_OK)
        TRY(offer(l, MOF_DATASETS, "texts",
                  "documents, each with its record, under the corpus' root"));
    return GLASS_OK;
}

static bool holds(const struct audit_tree *t, const char *folder, size_t n,
                  const char *name) {
    for (int64_t i = 0; i < t->n; i++)
        if (strncmp(t->files[i].path, folder, n) == 0 &&
            strcmp(t->files[i].path + n, name) == 0)
            return true;
    return false;
}

enum folder_kind { FOLDER_OTHER, FOLDER_RUN, FOLDER_CORPUS };

static enum folder_kind kind_of(const struct audit_tree *t, const char *folder, size_t n) {
    if (holds(t, folder, n, "ledger.jsonl") && holds(t, folder, n, "run.json") &&
        holds(t, folder, n, "recipe.yaml"))
        return FOLDER_RUN;
    return holds(t, folder, n, "corpus.sqlite") && holds(t, folder, n, "texts")
               ? FOLDER_CORPUS
               : FOLDER_OTHER;
}

bool audit_in_run(const struct audit_tree *t, const char *path) {
    /* A run's files lie at most two folders deep in it. */
    size_t n = audit_folder(path);
    for (int up = 0; up < 3; up++) {
        if (kind_of(t, path, n) != FOLDER_OTHER) return true;
        if (n == 0) return false;
        for (n--; n > 0 && path[n - 1] != '/';) n--;
    }
    return false;
}

glass_status audit_runs(struct glass_audit *a, const struct audit_tree *t,
                        glass_audit_part part, const char *prefix, int64_t n_replay) {
    enum { RUNS_MOST = 16 };
    int n = 0;
    if (t->one || (part != GLASS_PART_MODEL && part != GLASS_PART_DATA)) return GLASS_OK;
    for (int64_t i = 0; i < t->n && n < RUNS_MOST; i++) {
        const struct audit_file *f = &t->files[i];
        bool first =
            strcmp(f->name, "ledger.jsonl") == 0 || strcmp(f->name, "corpus.sqlite") == 0;
        if (!first || f->link) continue;
        size_t k = audit_folder(f->path);
        enum folder_kind kind = kind_of(t, f->path, k);
        if (kind == FOLDER_OTHER) continue;
        struct buf folder = {0};
        struct looking l = {.a = a};
        TRY(pool_printf(&a->pool, &l.prefix, "%s%.*s", prefix, (int)k, f->path));
        glass_status status =
            k == 0 ? buf_text(&folder, t->root)
                   : buf_printf(&folder, "%s/%.*s", t->root, (int)k - 1, f->path);
        l.folder = folder.data;
        if (status == GLASS_OK)
            status = kind == FOLDER_RUN ? check_run(&l, n_replay) : check_corpus(&l);
        buf_free(&folder);
        TRY(status);
        n++;
    }
    return GLASS_OK;
}
