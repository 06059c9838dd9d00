/* audit_judge.c - what was found, against seven measures of openness.
 *
 *   MOF        arXiv 2403.13784, and lfai/model_openness_tool as it decides
 *   OSAID 1.0  opensource.org/ai/open-source-ai-definition: data information, code, parameters
 *   Index      the fourteen criteria of the European Open Source AI Index
 *   G7         the shared language of 2026: one label
 *   FSF        training data and scripts with the four freedoms
 *   Debian     training data and program for a model to be free (the Deep Learning Team's policy)
 *
 * Each point is as sure as the weakest thing that it rests on. */
#include "open/audit_parts.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static const glass_audit_evidence nowhere = {"", "", 0, 0, ""};

static bool there(const struct glass_audit *a, int thing) {
    return a->things[thing].words != NULL;
}

static glass_audit_grade worse(glass_audit_grade x, glass_audit_grade y) {
    return x > y ? x : y;
}

/* ---- licences of components ---- */

static bool is_open(const struct clause_licence *l) {
    return l != NULL &&
           (mof_open_tool(l->id) || strcmp(l->osi, "yes") == 0 ||
            strcmp(l->id, "PDDL-1.0") == 0 || strcmp(l->id, "OpenMDW-1.1") == 0);
}

/* Whether a claim's place is a file's folder, or above it. */
static bool covers(const char *subject, const char *file) {
    return strncmp(subject, file, strlen(subject)) == 0;
}

/* 0: an open licence; 1: one whose name is all that is known; 2: one that is not open. */
static int strictness(const struct audit_claim *c) {
    return c->licence == NULL ? 1 : is_open(c->licence) ? 0 : 2;
}

/* Documents of one data set, each under its own licence: all of them hold. */
static bool is_stricter_record(const struct audit_claim *c,
                               const struct audit_claim *best) {
    return strcmp(c->c.how, "record") == 0 && strcmp(best->c.how, "record") == 0 &&
           strictness(c) > strictness(best);
}

static const struct audit_claim *claim_for(const struct glass_audit *a,
                                           glass_audit_part part, const char *file) {
    const struct audit_claim *best = NULL;
    size_t longest = 0;
    for (int64_t i = 0; i < a->n_claims; i++) {
        const struct audit_claim *c = &a->claims[i];
        size_t n = strlen(c->c.subject);
        if (c->c.part != part || c->aside || c->c.grade >= GLASS_AUDIT_INHERITED) continue;
        if (!covers(c->c.subject, file)) continue;
        if (best == NULL || n > longest ||
            (n == longest && c->c.grade < best->c.grade && c->licence != NULL) ||
            (n == longest && is_stricter_record(c, best))) {
            best = c;
            longest = n;
        }
    }
    return best;
}

/* A card that has a tag and names other terms, too: what these are to it, its words tell. */
static bool is_mention(const struct glass_audit *a, const struct audit_claim *c) {
    if (strcmp(c->c.how, "address") != 0) return false;
    for (int64_t i = 0; i < a->n_claims; i++)
        if (strcmp(a->claims[i].c.how, "tag") == 0 && a->claims[i].licence != NULL &&
            strcmp(a->claims[i].c.evidence.file, c->c.evidence.file) == 0)
            return true;
    return false;
}

/* Weights that are elsewhere are under what the cards at hand say; if these disagree, under the
 * strictest. */
static const struct audit_claim *any_of_weights(const struct glass_audit *a) {
    const struct audit_claim *first = NULL;
    for (int64_t i = 0; i < a->n_claims; i++) {
        const struct audit_claim *c = &a->claims[i];
        if (c->c.part != GLASS_PART_MODEL || c->aside ||
            c->c.grade >= GLASS_AUDIT_INHERITED || is_mention(a, c))
            continue;
        if (first == NULL || strictness(c) > strictness(first)) first = c;
    }
    return first;
}

static glass_audit_part part_of(int i) {
    if (i == MOF_PARAMETERS || i == MOF_CHECKPOINTS || i == MOF_METADATA)
        return GLASS_PART_MODEL;
    if (strcmp(mof_kinds[i].content, "code") == 0) return GLASS_PART_CODE;
    return strcmp(mof_kinds[i].content, "data") == 0 ? GLASS_PART_DATA
                                                     : GLASS_PART_DOCUMENT;
}

/* What a declaration is of may lie elsewhere, under terms of its own; a model's card speaks for its
 * weights, and a named data set's licence is a claim of its own. */
static const struct audit_claim *own_claim(const struct glass_audit *a, int i) {
    const struct audit_thing *t = &a->things[i];
    bool elsewhere = t->grade == GLASS_AUDIT_DECLARED;
    if (elsewhere && i != MOF_PARAMETERS && i != MOF_CHECKPOINTS && i != MOF_METADATA &&
        i != MOF_DATASETS)
        return NULL;
    const struct audit_claim *c = claim_for(a, part_of(i), t->evidence.file);
    if (i == MOF_DATASETS && elsewhere) return c; /* a card that licenses its data */
    return c == NULL && elsewhere ? any_of_weights(a) : c;
}

static void set_licence(glass_audit_component *c, const struct audit_claim *claim,
                        glass_audit_grade grade, bool parameters) {
    if (claim == NULL) return;
    c->licence_grade = grade;
    c->licence = *claim->c.key ? claim->c.key : claim->c.name;
    c->licence_evidence = claim->c.evidence;
    c->open = !claim->c.changed && is_open(claim->licence);
    c->fit = c->open && mof_open_paper(claim->licence->id, c->content, parameters);
}

/* Of Glass itself: it says so of itself, as in --help. */
static void set_own_licence(glass_audit_component *c,
                            const struct clause_licence *licence) {
    if (licence == NULL) return;
    c->licence_grade = GLASS_AUDIT_DECLARED;
    c->licence = licence->key;
    c->open = is_open(licence);
    c->fit = c->open && mof_open_paper(licence->id, c->content, false);
}

static void make_components(struct glass_audit *a) {
    static const glass_audit_part others[] = {GLASS_PART_MODEL, GLASS_PART_CODE};
    for (int i = 0; i < MOF_COMPONENTS; i++) {
        const struct mof_kind *k = &mof_kinds[i];
        const struct audit_thing *t = &a->things[i];
        glass_audit_component *c = &a->components[i];
        bool parameters = i == MOF_PARAMETERS || i == MOF_CHECKPOINTS;
        *c = (glass_audit_component){.id = k->id,
                                     .name = k->name,
                                     .content = k->content,
                                     .mof_class = k->mof_class,
                                     .required = k->required,
                                     .grade = GLASS_AUDIT_MISSING,
                                     .words = "",
                                     .evidence = nowhere,
                                     .licence_grade = GLASS_AUDIT_MISSING,
                                     .licence = "",
                                     .licence_evidence = nowhere};
        if (t->words == NULL) continue;
        c->grade = t->grade;
        c->words = t->words;
        c->evidence = t->evidence;
        if (t->ours) {
            set_own_licence(c, clause_table_find(&a->table, "apache-2.0"));
            continue;
        }
        const struct audit_claim *claim = own_claim(a, i);
        set_licence(c, claim, claim != NULL ? claim->c.grade : GLASS_AUDIT_MISSING,
                    parameters);
        for (size_t o = 0; claim == NULL && o < sizeof others / sizeof *others; o++) {
            claim = claim_for(a, others[o], t->evidence.file);
            set_licence(c, claim, GLASS_AUDIT_INHERITED, parameters);
        }
    }
}

/* ---- points ---- */

static glass_status point(struct glass_audit *a, const char *measure, const char *name,
                          const char *value, glass_audit_grade grade,
                          const glass_audit_evidence *evidence, const char *words) {
    if (a->n_points == a->points_room) {
        int64_t room = a->points_room > 0 ? 2 * a->points_room : 32;
        TRY(mem_resize(&a->points, (size_t)room, sizeof *a->points));
        a->points_room = room;
    }
    glass_audit_point p = {.measure = measure,
                           .name = name,
                           .value = value,
                           .grade = grade,
                           .evidence = evidence != NULL ? *evidence : nowhere};
    TRY(pool_text(&a->pool, &p.words, words, strlen(words)));
    a->points[a->n_points++] = p;
    return GLASS_OK;
}

/* Its licence is its own and open. */
static bool own_open(const glass_audit_component *c) {
    return c->open && c->licence_grade < GLASS_AUDIT_INHERITED;
}

static glass_audit_grade grade_of(const glass_audit_component *c) {
    return worse(c->grade, c->licence_grade);
}

/* "Datasets, Training code": what of a list is not so. */
struct lacking {
    char text[600];
    int n;
    glass_audit_grade grade; /* of what is so */
};

static void lack(struct lacking *l, const char *name, const char *why) {
    size_t n = strlen(l->text);
    l->n++;
    snprintf(l->text + n, sizeof l->text - n, "%s%s%s", n ? ", " : "", name, why);
}

/* Components that have to be there under an open licence of their own. */
static struct lacking ask(const struct glass_audit *a, const int *which, int n) {
    struct lacking l = {.grade = GLASS_AUDIT_VERIFIED};
    for (int i = 0; i < n; i++) {
        const glass_audit_component *c = &a->components[which[i]];
        if (c->grade == GLASS_AUDIT_MISSING)
            lack(&l, c->name, " (not found)");
        else if (c->licence_grade == GLASS_AUDIT_MISSING)
            lack(&l, c->name, " (no licence)");
        else if (!c->open)
            lack(&l, c->name, " (licence not open)");
        else if (!own_open(c))
            lack(&l, c->name, " (licence inherited)");
        else
            l.grade = worse(l.grade, grade_of(c));
    }
    return l;
}

static const char *answer(const struct lacking *l, int n) {
    return l->n == 0 ? "yes" : l->n < n ? "partly" : "no";
}

static glass_status judge_mof(struct glass_audit *a) {
    static const char *const classes[] = {"none", "I", "II", "III"};
    bool counts[MOF_COMPONENTS];
    int mof_class;
    double progress[3];
    char words[300];
    static const struct {
        const char *name;
        glass_audit_grade worst;
    } ways[] = {{"class, as the tool", GLASS_AUDIT_INHERITED},
                {"class, as the paper", GLASS_AUDIT_DECLARED},
                {"class, by what is verified here", GLASS_AUDIT_VERIFIED}};
    for (int w = 0; w < 3; w++) {
        int inherited = 0, n_counts = 0;
        glass_audit_grade grade = GLASS_AUDIT_VERIFIED;
        for (int i = 0; i < MOF_COMPONENTS; i++) {
            const glass_audit_component *c = &a->components[i];
            counts[i] = c->grade != GLASS_AUDIT_MISSING && c->open &&
                        grade_of(c) <= ways[w].worst && (w == 0 || c->fit);
            /* The paper's table 2 takes data sets as they are, "including unlicensed". */
            if (w == 1 && i == MOF_DATASETS) counts[i] = c->grade <= ways[w].worst;
            inherited += counts[i] && c->licence_grade == GLASS_AUDIT_INHERITED;
            n_counts += counts[i];
            if (counts[i]) grade = worse(grade, grade_of(c));
        }
        mof_classify(&mof_class, progress, counts);
        int n = snprintf(words, sizeof words,
                         "class III %.0f%%, class II %.0f%%, class I %.0f%%", progress[2],
                         progress[1], progress[0]);
        if (inherited > 0)
            snprintf(words + n, sizeof words - (size_t)n,
                     "; %d of the licences that count are inherited from another part's",
                     inherited);
        TRY(point(a, "MOF", ways[w].name, classes[mof_class],
                  n_counts > 0 ? grade : GLASS_AUDIT_MISSING, NULL, words));
    }
    return GLASS_OK;
}

static glass_status judge_osaid(struct glass_audit *a, struct lacking *all) {
    static const int code[] = {MOF_PREPROCESSING, MOF_TRAINING, MOF_EVALUATION,
                               MOF_INFERENCE, MOF_ARCHITECTURE};
    static const int parameters[] = {MOF_PARAMETERS};
    const glass_audit_component *card = &a->components[MOF_DATA_CARD],
                                *data = &a->components[MOF_DATASETS];
    struct lacking d = {.grade = GLASS_AUDIT_VERIFIED}, c = ask(a, code, 5),
                   p = ask(a, parameters, 1);
    /* A section of a model's card is no full description. */
    if (card->grade != GLASS_AUDIT_VERIFIED) lack(&d, "description of all data", "");
    if (data->grade == GLASS_AUDIT_MISSING) lack(&d, "list of the data sets", "");
    d.grade = worse(card->grade == GLASS_AUDIT_MISSING ? 0 : card->grade,
                    data->grade == GLASS_AUDIT_MISSING ? 0 : data->grade);
    bool some = there(a, SIGN_DATA) || card->grade != GLASS_AUDIT_MISSING ||
                data->grade != GLASS_AUDIT_MISSING;
    const char *values[] = {d.n == 0 ? "yes"
                            : some   ? "partly"
                                     : "no",
                            answer(&c, 5), answer(&p, 1)};
    static const char *const names[] = {"data information", "code", "parameters"};
    struct lacking *parts[] = {&d, &c, &p};
    const glass_audit_evidence *where[] = {
        card->grade != GLASS_AUDIT_MISSING ? &card->evidence
        : data->grade != GLASS_AUDIT_MISSING || !there(a, SIGN_DATA)
            ? &data->evidence
            : &a->things[SIGN_DATA].evidence,
        &a->components[MOF_TRAINING].evidence,
        &a->components[MOF_PARAMETERS].licence_evidence};
    char words[700];
    *all = (struct lacking){.grade = GLASS_AUDIT_VERIFIED};
    for (int i = 0; i < 3; i++) {
        bool no = strcmp(values[i], "no") == 0;
        snprintf(words, sizeof words, "%s%s", parts[i]->n ? "lacks " : "", parts[i]->text);
        TRY(point(a, "OSAID 1.0", names[i], values[i],
                  no ? GLASS_AUDIT_MISSING : parts[i]->grade, where[i], words));
        if (parts[i]->n > 0) lack(all, names[i], "");
        all->grade = worse(all->grade, parts[i]->grade);
    }
    snprintf(words, sizeof words, "%s%s", all->n ? "not shown: " : "", all->text);
    return point(a, "OSAID 1.0", "", all->n ? "no" : "yes",
                 all->n ? GLASS_AUDIT_MISSING : all->grade, NULL, words);
}

/* ---- the European Open Source AI Index ---- */

static glass_status criterion(struct glass_audit *a, const char *name, const char *value,
                              glass_audit_grade grade, const glass_audit_evidence *e,
                              const char *words) {
    return point(a, "European Open Source AI Index", name, value, grade, e, words);
}

/* open: there, under an open licence of its own or of the whole; partial: there, or told of. A
 * program's licence says nothing of weights. */
static glass_status by_component(struct glass_audit *a, const char *name, int i) {
    const glass_audit_component *c = &a->components[i];
    bool code_or_data = strcmp(c->content, "document") != 0;
    bool open = c->grade == GLASS_AUDIT_VERIFIED && (!code_or_data || c->open);
    if (i == MOF_PARAMETERS) open = c->grade != GLASS_AUDIT_MISSING && own_open(c);
    return criterion(a, name,
                     open                              ? "open"
                     : c->grade != GLASS_AUDIT_MISSING ? "partial"
                                                       : "closed",
                     code_or_data && open ? grade_of(c) : c->grade, &c->evidence, c->words);
}

static glass_status by_thing(struct glass_audit *a, const char *name, int i) {
    const struct audit_thing *t = &a->things[i];
    if (t->words == NULL)
        return criterion(a, name, "closed", GLASS_AUDIT_MISSING, NULL, "");
    return criterion(a, name, t->grade == GLASS_AUDIT_VERIFIED ? "open" : "partial",
                     t->grade, &t->evidence, t->words);
}

static const struct audit_claim *base_of(const struct glass_audit *a) {
    for (int64_t i = 0; i < a->n_claims; i++)
        if (a->claims[i].c.part == GLASS_PART_BASE) return &a->claims[i];
    return NULL;
}

/* What a model was made from is elsewhere. */
static glass_status base_criteria(struct glass_audit *a) {
    const struct audit_claim *base = base_of(a);
    if (base == NULL) {
        TRY(by_component(a, "base model data", MOF_DATASETS));
        TRY(by_component(a, "end model data", MOF_DATASETS));
        TRY(by_component(a, "base weights", MOF_PARAMETERS));
        return by_component(a, "end weights", MOF_PARAMETERS);
    }
    /* A family's folder tells of data above the card of what was made from one of them. */
    bool family = there(a, MOF_DATASETS) &&
                  a->things[MOF_DATASETS].depth < audit_depth(base->c.evidence.file);
    TRY(family ? by_component(a, "base model data", MOF_DATASETS)
               : criterion(a, "base model data", "closed", GLASS_AUDIT_MISSING,
                           &base->c.evidence, "the base model's data is not at hand"));
    TRY(by_component(a, "end model data", MOF_DATASETS));
    TRY(criterion(a, "base weights", is_open(base->licence) ? "open" : "partial",
                  base->c.grade, &base->c.evidence, base->c.name));
    return by_component(a, "end weights", MOF_PARAMETERS);
}

static glass_status judge_index(struct glass_audit *a) {
    const glass_audit_component *p = &a->components[MOF_PARAMETERS];
    TRY(base_criteria(a));
    TRY(by_component(a, "training code", MOF_TRAINING));
    int best = MOF_ARCHITECTURE;
    for (int i = MOF_ARCHITECTURE; i <= MOF_EVALUATION; i++)
        if (a->components[i].grade < a->components[best].grade) best = i;
    TRY(by_component(a, "code documentation", best));
    TRY(by_thing(a, "hardware architecture", SIGN_HARDWARE));
    TRY(by_thing(a, "preprint", SIGN_PREPRINT));
    TRY(by_thing(a, "paper", SIGN_REVIEWED));
    TRY(by_component(a, "model card", MOF_MODEL_CARD));
    TRY(there(a, MOF_DATA_CARD) ? by_component(a, "datasheet", MOF_DATA_CARD)
                                : by_thing(a, "datasheet", SIGN_DATA));
    TRY(by_thing(a, "package", SIGN_PACKAGE));
    TRY(by_thing(a, "API and meta prompts", SIGN_API));
    return criterion(a, "licences",
                     own_open(p)   ? "open"
                     : *p->licence ? "partial"
                                   : "closed",
                     p->licence_grade, &p->licence_evidence, p->licence);
}

/* ---- labels ---- */

static glass_status judge_g7(struct glass_audit *a, const struct lacking *osaid) {
    const glass_audit_component *p = &a->components[MOF_PARAMETERS],
                                *d = &a->components[MOF_DATASETS];
    if (p->grade == GLASS_AUDIT_MISSING)
        return point(a, "G7", "", "no label", GLASS_AUDIT_MISSING, NULL,
                     "no weights are at hand, and nothing says where they are");
    if (osaid->n == 0 && own_open(d))
        return point(a, "G7", "", "data-open open source AI",
                     worse(osaid->grade, grade_of(d)), &d->evidence, "");
    if (osaid->n == 0)
        return point(a, "G7", "", "open source AI", osaid->grade, NULL,
                     "the data itself is not open to all");
    if (own_open(p))
        return point(a, "G7", "", "open weights", grade_of(p), &p->licence_evidence,
                     "data information or code is not shown to be open");
    return point(a, "G7", "", "weights available", p->grade, &p->evidence,
                 *p->licence ? "the weights' licence is not open, or is another part's"
                             : "nothing says under which licence");
}

static bool dfsg(const struct glass_audit *a, const glass_audit_component *c) {
    const struct clause_licence *l = clause_table_find(&a->table, c->licence);
    return *c->licence && l != NULL && strcmp(l->dfsg, "yes") == 0;
}

static glass_status judge_free(struct glass_audit *a) {
    static const int which[] = {MOF_DATASETS, MOF_PREPROCESSING, MOF_TRAINING,
                                MOF_PARAMETERS};
    struct lacking fsf = ask(a, which, 4), debian = {.grade = GLASS_AUDIT_VERIFIED};
    char words[700];
    for (int i = 0; i < 4; i++) {
        const glass_audit_component *c = &a->components[which[i]];
        if (c->grade == GLASS_AUDIT_MISSING)
            lack(&debian, c->name, " (not found)");
        else if (c->licence_grade >= GLASS_AUDIT_INHERITED || !dfsg(a, c))
            lack(&debian, c->name, " (not known to meet the DFSG)");
        else
            debian.grade = worse(debian.grade, grade_of(c));
    }
    snprintf(words, sizeof words, "%s%s", fsf.n ? "lacks " : "", fsf.text);
    TRY(point(a, "FSF", "", fsf.n ? "no" : "yes", fsf.n ? GLASS_AUDIT_MISSING : fsf.grade,
              NULL, words));
    snprintf(words, sizeof words, "%s%s", debian.n ? "lacks " : "", debian.text);
    return point(a, "Debian", "", debian.n ? "no" : "yes",
                 debian.n ? GLASS_AUDIT_MISSING : debian.grade, NULL, words);
}

glass_status audit_judge(struct glass_audit *a) {
    struct lacking osaid;
    if (there(a, SIGN_PREPRINT) && !there(a, MOF_PAPER))
        a->things[MOF_PAPER] = a->things[SIGN_PREPRINT];
    make_components(a);
    TRY(judge_mof(a));
    TRY(judge_osaid(a, &osaid));
    TRY(judge_index(a));
    TRY(judge_g7(a, &osaid));
    return judge_free(a);
}
