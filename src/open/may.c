/* may.c - glass_audit_may: what the licences of all parts say to one thing that somebody wants to do.
 *
 * Every claim is asked; each of its licence's sections that has to do with the action becomes a
 * reason; the strictest reason decides. A tag or an address counts like a text, but nothing of it can
 * be quoted. Silence is a condition, never a yes; no licence at all is no permission, and a
 * licence whose words were changed is not the known one's. */
#include "open/audit_parts.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum action_kind {
    MAY_USE,
    MAY_COMMERCIAL,
    MAY_REDISTRIBUTE,
    MAY_MODIFY,
    MAY_TRAIN,
    MAY_SERVE,
    MAY_REVENUE,
    MAY_FIELD,
    MAY_NAME,
    MAY_TERRITORY,
    MAY_RELICENSE,
    N_ACTIONS
};

static const struct {
    const char *name;
    bool value; /* ":…" follows */
} actions[N_ACTIONS] = {{"use", false},
                        {"commercial", false},
                        {"redistribute", false},
                        {"modify", false},
                        {"train-other-models", false},
                        {"serve", true},
                        {"revenue", true},
                        {"field", true},
                        {"name", true},
                        {"territory", true},
                        {"relicense", false}};

/* Words for fields, each with those that mean it, too. */
static const struct {
    const char *field, *also;
} fields[] = {
    {"medical-advice", "health medicine medical healthcare diagnosis"},
    {"legal-advice", "law legal lawyer"},
    {"finance", "financial banking accounting credit"},
    {"military", "army war warfare defence defense"},
    {"nuclear", "nuclear-technology"},
    {"weapons", "guns arms"},
    {"espionage", "spying intelligence"},
    {"surveillance", "tracking monitoring"},
    {"biometrics", "biometric face-recognition"},
    {"law-enforcement", "police justice courts policing"},
    {"immigration", "asylum migration"},
    {"automated-decisions", "scoring hiring"},
    {"discrimination", ""},
    {"manipulation", ""},
    {"insurance", ""},
    {"critical-infrastructure", "infrastructure transport machinery"},
    {"drugs", ""},
    {"self-harm", ""},
    {"minors", "children"},
    {"trafficking", ""},
    {"sexual-content", "pornography adult"},
    {"terrorism", "extremism"},
    {"crime", "illegal"},
    {"malware", "hacking"},
    {"spam", ""},
    {"fraud", "scams"},
    {"disinformation", "misinformation"},
    {"impersonation", "deepfakes"},
    {"undisclosed", "bots"},
    {"harassment", "bullying"},
    {"defamation", ""},
    {"personal-data", "privacy"},
    {"infringement", ""},
    {"jailbreak", ""},
    {"regulated-content", ""},
    {"research", "science"},
    {"education", "teaching"},
};

struct question {
    enum action_kind kind;
    const char *value;
    double number;     /* users, or dollars a year */
    const char *field; /* of the table above */
};

struct answer {
    struct glass_audit *a;
    const struct question *q;
    glass_may_reason *reasons;
    int64_t n, room;
    glass_may_verdict verdict;
};

/* ---- the question ---- */

static bool has_word(const char *words, const char *word, size_t n) {
    for (const char *p = words; *p;) {
        size_t k = strcspn(p, " ,");
        if (k == n && strncasecmp(p, word, n) == 0) return true;
        p += k;
        p += strspn(p, " ,");
    }
    return false;
}

const char *glass_may_fields(void) {
    return "medical-advice legal-advice finance military nuclear weapons espionage "
           "surveillance "
           "biometrics law-enforcement immigration automated-decisions discrimination "
           "manipulation insurance critical-infrastructure drugs self-harm minors "
           "trafficking "
           "sexual-content terrorism crime malware spam fraud disinformation impersonation "
           "undisclosed harassment defamation personal-data infringement jailbreak "
           "regulated-content research education";
}

static glass_status read_field(struct question *q) {
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (strcasecmp(fields[i].field, q->value) == 0 ||
            has_word(fields[i].also, q->value, strlen(q->value)))
            q->field = fields[i].field;
    if (q->field != NULL) return GLASS_OK;
    return fail(GLASS_USAGE, "field:%s: not a field that the table has; it has %s",
                q->value, glass_may_fields());
}

/* "800M", "20M/month", "1.5e6". */
static glass_status read_number(struct question *q) {
    char *end;
    q->number = strtod(q->value, &end);
    bool good = end != q->value && q->number >= 0 && q->number < 1e18;
    switch (*end) {
    case 'k':
    case 'K':
        q->number *= 1e3;
        end++;
        break;
    case 'm':
    case 'M':
        q->number *= 1e6;
        end++;
        break;
    case 'b':
    case 'B':
    case 'g':
    case 'G':
        q->number *= 1e9;
        end++;
        break;
    default: break;
    }
    if (q->kind == MAY_REVENUE && strcmp(end, "/month") == 0) {
        q->number *= 12;
        end += 6;
    } else if (q->kind == MAY_REVENUE && strcmp(end, "/year") == 0) {
        end += 5;
    }
    if (good && *end == '\0') return GLASS_OK;
    return fail(GLASS_USAGE, "%s:%s: a number should follow, such as %s",
                actions[q->kind].name, q->value,
                q->kind == MAY_SERVE ? "serve:800M" : "revenue:20M or revenue:2M/month");
}

static glass_status read_question(struct question *q, const char *action) {
    *q = (struct question){.value = ""};
    for (int i = 0; i < N_ACTIONS; i++) {
        size_t n = strlen(actions[i].name);
        if (strncmp(action, actions[i].name, n) != 0) continue;
        if (actions[i].value ? action[n] != ':' || action[n + 1] == '\0'
                             : action[n] != '\0')
            continue;
        q->kind = (enum action_kind)i;
        if (actions[i].value) q->value = action + n + 1;
        if (i == MAY_FIELD) return read_field(q);
        return i == MAY_SERVE || i == MAY_REVENUE ? read_number(q) : GLASS_OK;
    }
    return fail(
        GLASS_USAGE,
        "--may %s: no such action; there are use, commercial, redistribute, modify, "
        "relicense, train-other-models, serve:USERS, revenue:AMOUNT, field:WORD, "
        "name:NAME, territory:PLACE",
        action);
}

/* ---- reasons ---- */

static glass_may_verdict soften(const struct audit_claim *c, glass_may_verdict v) {
    /* Whether weights are made of their data in the sense of the law is open. */
    return c->c.part == GLASS_PART_DATA && v != GLASS_MAY_YES ? GLASS_MAY_IF : v;
}

static glass_status grow(struct answer *x) {
    if (x->n < x->room) return GLASS_OK;
    int64_t room = x->room > 0 ? 2 * x->room : 16;
    TRY(mem_resize(&x->reasons, (size_t)room, sizeof *x->reasons));
    x->room = room;
    return GLASS_OK;
}

static glass_status add(struct answer *x, int64_t claim, glass_may_verdict v,
                        const char *topic, const char *section, const char *words) {
    TRY(grow(x));
    const struct audit_claim *c = &x->a->claims[claim];
    glass_may_verdict counted = c->aside ? GLASS_MAY_YES : soften(c, v);
    glass_may_reason *r = &x->reasons[x->n++];
    *r = (glass_may_reason){.verdict = counted,
                            .claim = &x->a->public_claims[claim],
                            .topic = topic,
                            .section = section,
                            .words = words,
                            .evidence = c->c.evidence};
    if (counted > x->verdict) x->verdict = counted;
    return GLASS_OK;
}

static glass_may_verdict verdict_of(const char *answer) {
    if (strcmp(answer, "yes") == 0) return GLASS_MAY_YES;
    return strcmp(answer, "no") == 0 ? GLASS_MAY_NO : GLASS_MAY_IF;
}

/* A section as a reason, with its words from the file where that has them. */
static glass_status add_row(struct answer *x, int64_t claim, int i, glass_may_verdict v) {
    const struct audit_claim *c = &x->a->claims[claim];
    const struct clause_row *row = &c->licence->rows[i];
    bool text = c->found != NULL && c->found->text_at_hand;
    const glass_licence_row *here = text ? &c->found->rows[i] : NULL;
    bool changed = here != NULL && here->changed;
    if (changed && v == GLASS_MAY_YES) v = GLASS_MAY_IF;
    TRY(add(x, claim, v, row->topic, row->section, row->words));
    glass_may_reason *r = &x->reasons[x->n - 1];
    if (changed)
        return pool_printf(&x->a->pool, &r->words,
                           "%s; but the words that say so are not those known: read them",
                           row->words);
    if (here == NULL || !here->at_hand) return GLASS_OK;
    r->at_hand = true;
    return audit_evidence(x->a, &r->evidence, c->c.evidence.file, c->c.evidence.sha256,
                          c->text->text, c->text->n_bytes, here->begin, here->end);
}

/* ---- what a licence says ---- */

/* "policy:use" holds for any use, "notice" where copies are given on, … */
static bool duty_holds(const char *about, const char *detail, enum action_kind kind) {
    const char *when = strchr(detail, ':');
    if (when == NULL) {
        bool serve = strcmp(detail, "display") == 0 || strcmp(detail, "restrictions") == 0;
        return kind == MAY_REDISTRIBUTE || kind == MAY_MODIFY ||
               (serve && kind == MAY_SERVE);
    }
    if (strcmp(detail, "law:use") == 0) return kind != MAY_NAME; /* sanctions name places */
    if (strcmp(when, ":use") == 0) return kind != MAY_NAME && kind != MAY_TERRITORY;
    if (strcmp(when, ":outputs") == 0) /* works made of data are what a service shows */
        return kind == MAY_TRAIN || (kind == MAY_SERVE && strcmp(about, "data") == 0);
    if (strcmp(when, ":serve") == 0) return kind == MAY_SERVE;
    return false;
}

static double limit_of(const char *detail) {
    return strncmp(detail, "over ", 5) == 0 ? strtod(detail + 5, NULL) : 0;
}

/* The row for what somebody wants to do: its topic; NULL: none is asked. */
static const char *main_topic(enum action_kind kind) {
    switch (kind) {
    case MAY_COMMERCIAL:
    case MAY_REVENUE: return "commercial";
    case MAY_REDISTRIBUTE: return "redistribute";
    case MAY_MODIFY: return "modify";
    case MAY_TRAIN: return "train-other-models";
    case MAY_SERVE: return "serve";
    case MAY_USE:
    case MAY_FIELD: return "use";
    default: return NULL;
    }
}

static int find_row(const struct clause_licence *l, const char *topic) {
    for (int i = 0; i < l->n_rows; i++)
        if (strcmp(l->rows[i].topic, topic) == 0) return i;
    return -1;
}

/* Where use itself has conditions, or commerce, these hold for whatever else somebody does. */
static glass_status ask_purpose(struct answer *x, int64_t claim, int row) {
    const struct clause_licence *l = x->a->claims[claim].licence;
    enum action_kind k = x->q->kind;
    int use = find_row(l, "use"), commerce = find_row(l, "commercial");
    if (k == MAY_NAME || k == MAY_TERRITORY) return GLASS_OK;
    if (use >= 0 && use != row && k != MAY_RELICENSE &&
        strcmp(l->rows[use].answer, "yes") != 0)
        TRY(add_row(x, claim, use, verdict_of(l->rows[use].answer)));
    if (commerce >= 0 && commerce != row && strcmp(l->rows[commerce].answer, "yes") != 0)
        TRY(add_row(x, claim, commerce, GLASS_MAY_IF));
    int modify = find_row(l, "modify");
    return k == MAY_RELICENSE && modify >= 0 && strcmp(l->rows[modify].answer, "no") == 0
               ? add_row(x, claim, modify, GLASS_MAY_NO)
               : GLASS_OK;
}

static glass_status ask_main(struct answer *x, int64_t claim) {
    const struct clause_licence *l = x->a->claims[claim].licence;
    const char *topic = main_topic(x->q->kind);
    if (topic == NULL) return ask_purpose(x, claim, -1);
    int row = find_row(l, topic);
    if (row < 0 && x->q->kind == MAY_SERVE)
        row = find_row(l, "use"); /* to serve is to use */
    if (row < 0)
        return add(x, claim, GLASS_MAY_UNKNOWN, topic, "-", "the table has no word on it");
    TRY(add_row(x, claim, row, verdict_of(l->rows[row].answer)));
    return ask_purpose(x, claim, row);
}

/* Places that licences name, by code and by what people call them. */
static const struct {
    const char *place, *names;
} places[] = {
    {"EU",
     "eu europe european-union at aut austria \xc3\xb6sterreich be bel belgium bg bgr "
     "bulgaria hr "
     "hrv croatia cy cyp cyprus cz cze czechia czech-republic dk dnk denmark ee est "
     "estonia fi "
     "fin finland fr fra france de deu germany deutschland el gr grc greece hu hun hungary "
     "ie "
     "irl ireland republic-of-ireland it ita italy italia lv lva latvia lt ltu lithuania "
     "lu lux "
     "luxembourg mt mlt malta nl nld netherlands holland pl pol poland pt prt portugal ro "
     "rou "
     "romania sk svk slovakia slovak-republic si svn slovenia es esp spain se swe sweden"},
    {"GB", "uk gb gbr united-kingdom great-britain britain england scotland wales "
           "northern-ireland"},
    {"KR", "kr kor korea south-korea republic-of-korea"}};

/* Whether a place is one that a licence names; *known: whether that can be told. Codes of two letters
 * are places; of other names only those above are known. */
static bool is_place(const char *row, const char *place, bool *known) {
    char name[64];
    size_t n = 0;
    if (strncasecmp(place, "the ", 4) == 0 || strncasecmp(place, "the-", 4) == 0)
        place += 4;
    for (; *place && n + 1 < sizeof name; place++)
        name[n++] =
            (char)(*place == ' ' || *place == '_' ? '-' : tolower((unsigned char)*place));
    name[n] = '\0';
    *known = n == 2 && isalpha((unsigned char)name[0]) && isalpha((unsigned char)name[1]);
    if (strcasecmp(row, name) == 0) return *known = true;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (has_word(places[i].names, name, n)) {
            *known = true;
            return strcmp(places[i].place, row) == 0;
        }
    return false;
}

static glass_status ask_place(struct answer *x, int64_t claim, int i) {
    const struct clause_row *row = &x->a->claims[claim].licence->rows[i];
    bool known;
    if (is_place(row->detail, x->q->value, &known))
        return add_row(x, claim, i, verdict_of(row->answer));
    if (known) return GLASS_OK;
    const char *words;
    TRY(pool_printf(
        &x->a->pool, &words,
        "%s; whether that is so of \"%s\" is not known here: ask by its code of "
        "two letters",
        row->words, x->q->value));
    return add(x, claim, GLASS_MAY_IF, row->topic, row->section, words);
}

/* A name that has the licence's first word in it may be somebody's mark, unless it is asked for. */
static glass_status ask_mark(struct answer *x, int64_t claim, int i) {
    const struct clause_licence *l = x->a->claims[claim].licence;
    char mark[32];
    size_t n = strcspn(l->name, " ");
    if (find_row(l, "name") >= 0 || n < 3 || n >= sizeof mark) return GLASS_OK;
    memcpy(mark, l->name, n);
    mark[n] = '\0';
    return strcasestr(x->q->value, mark) != NULL ? add_row(x, claim, i, GLASS_MAY_IF)
                                                 : GLASS_OK;
}

/* A section that is about numbers, fields, names or places. */
static glass_status ask_row(struct answer *x, int64_t claim, int i) {
    const struct clause_row *row = &x->a->claims[claim].licence->rows[i];
    const struct question *q = x->q;
    const char *t = row->topic;
    glass_may_verdict v = verdict_of(row->answer);
    if (strcmp(t, "users") == 0) {
        if (q->kind == MAY_SERVE)
            return add_row(x, claim, i,
                           q->number > limit_of(row->detail) ? v : GLASS_MAY_YES);
        return q->kind != MAY_NAME && q->kind != MAY_TERRITORY
                   ? add_row(x, claim, i, GLASS_MAY_IF)
                   : GLASS_OK;
    }
    if (strcmp(t, "revenue") == 0) {
        if (q->kind == MAY_REVENUE)
            return add_row(x, claim, i,
                           q->number > limit_of(row->detail) ? v : GLASS_MAY_YES);
        return q->kind != MAY_NAME && q->kind != MAY_TERRITORY
                   ? add_row(x, claim, i, GLASS_MAY_IF)
                   : GLASS_OK;
    }
    if (strcmp(t, "field") == 0 && q->kind == MAY_FIELD)
        return has_word(row->detail, q->field, strlen(q->field)) ? add_row(x, claim, i, v)
                                                                 : GLASS_OK;
    if (strcmp(t, "name") == 0 && q->kind == MAY_NAME)
        return add_row(x, claim, i,
                       strncasecmp(q->value, row->detail, strlen(row->detail)) == 0
                           ? GLASS_MAY_YES
                           : GLASS_MAY_NO);
    if (strcmp(t, "note") == 0 && strcmp(row->detail, "mark") == 0 && q->kind == MAY_NAME)
        return ask_mark(x, claim, i);
    if (strcmp(t, "territory") == 0 && q->kind == MAY_TERRITORY)
        return ask_place(x, claim, i);
    if (strcmp(t, "duty") == 0 && q->kind == MAY_RELICENSE) {
        if (strcmp(row->detail, "share-alike") == 0 ||
            strcmp(row->detail, "other-terms") == 0)
            return add_row(x, claim, i, GLASS_MAY_NO);
        return strcmp(row->detail, "restrictions") == 0 ||
                       strcmp(row->detail, "copy") == 0 ||
                       strcmp(row->detail, "notice") == 0
                   ? add_row(x, claim, i, GLASS_MAY_IF)
                   : GLASS_OK;
    }
    if (strcmp(t, "duty") == 0 &&
        duty_holds(x->a->claims[claim].licence->about, row->detail, q->kind))
        return add_row(x, claim, i, GLASS_MAY_IF);
    return GLASS_OK;
}

/* Uses that are forbidden limit any use: told once, with how many there are. */
static glass_status ask_fields(struct answer *x, int64_t claim) {
    const struct clause_licence *l = x->a->claims[claim].licence;
    int n = 0, first = -1;
    const char *words;
    if (x->q->kind != MAY_USE && x->q->kind != MAY_COMMERCIAL && x->q->kind != MAY_SERVE &&
        x->q->kind != MAY_REVENUE)
        return GLASS_OK;
    for (int i = 0; i < l->n_rows; i++)
        if (strcmp(l->rows[i].topic, "field") == 0) {
            if (n++ == 0) first = i;
        }
    if (n == 0) return GLASS_OK;
    TRY(pool_printf(&x->a->pool, &words,
                    "not for what %d of its sections forbid or limit; ask with field:WORD",
                    n));
    return add(x, claim, GLASS_MAY_IF, "field", l->rows[first].section, words);
}

/* Nothing forbids it: said, so that a yes has a reason. */
static glass_status ask_silence(struct answer *x, int64_t claim, int64_t before) {
    if (x->n > before) return GLASS_OK;
    switch (x->q->kind) {
    case MAY_NAME: return add(x, claim, GLASS_MAY_YES, "name", "-", "it asks for no name");
    case MAY_TERRITORY:
        return add(x, claim, GLASS_MAY_YES, "territory", "-", "it excludes no place");
    case MAY_RELICENSE:
        return add(
            x, claim, GLASS_MAY_YES, "duty", "-",
            "it asks neither for its own terms on what derives from it nor for a copy or "
            "notices");
    default: return GLASS_OK;
    }
}

/* Whether what was changed in a policy is a name here and an address there: no words that limit, and few
 * more than there were. */
static bool is_small(const struct audit_claim *c) {
    enum { FEW = 4 };
    for (int64_t i = 0; i < c->found->n_changes; i++) {
        const glass_licence_change *d = &c->found->changes[i];
        if (d->kind != GLASS_CHANGE_SUBSTANCE) continue;
        if (d->n_here > d->n_known + FEW ||
            limit_word(c->text->text + d->begin, d->end - d->begin, true))
            return false;
    }
    return true;
}

static glass_status ask_claim(struct answer *x, int64_t claim) {
    const struct audit_claim *c = &x->a->claims[claim];
    int64_t before = x->n;
    if (c->licence == NULL) {
        const char *words = "its licence is not at hand, or not in the table";
        if (c->c.grade == GLASS_AUDIT_MISSING && c->c.part == GLASS_PART_MODEL)
            words = "nothing at hand says what it is under; no licence is no permission";
        if (c->c.part == GLASS_PART_DATA) /* see soften */
            words =
                "its licence is not at hand, or not in the table; this does not count, as "
                "whether weights are a work made of their data is open in law";
        return add(x, claim, GLASS_MAY_UNKNOWN, "licence", "-", words);
    }
    bool policy = c->c.part == GLASS_PART_POLICY;
    if (!policy) TRY(ask_main(x, claim));
    for (int i = 0; i < c->licence->n_rows; i++) TRY(ask_row(x, claim, i));
    TRY(ask_fields(x, claim));
    if (!policy) TRY(ask_silence(x, claim, before));
    bool asked = x->q->kind == MAY_FIELD || x->q->kind == MAY_TERRITORY;
    if (policy && x->a->n_claims == 1 && (!asked || x->n == before))
        TRY(add(x, claim, GLASS_MAY_UNKNOWN, "licence", "-",
                "a policy grants nothing; the licence that it belongs to is not at hand"));
    if (!c->c.changed || x->n == before) return GLASS_OK;
    const char *words;
    TRY(pool_printf(
        &x->a->pool, &words,
        "%lld words of substance in this text are not those known: see glass audit "
        "--license %s",
        (long long)c->found->n_changed, c->c.evidence.file));
    /* What was added to a licence may take back what it grants. */
    return add(x, claim, policy && is_small(c) ? GLASS_MAY_IF : GLASS_MAY_UNKNOWN, "text",
               "-", words);
}

/* Words beside licences: nobody but a reader can tell what they do. */
static glass_status ask_limit(struct answer *x, const struct audit_limit *l) {
    enum action_kind k = x->q->kind;
    bool commerce = k == MAY_COMMERCIAL || k == MAY_SERVE || k == MAY_REVENUE ||
                    k == MAY_RELICENSE || k == MAY_REDISTRIBUTE || k == MAY_TRAIN;
    bool open = l->doubt == DOUBT_ALL || (l->doubt == DOUBT_COMMERCE && commerce);
    glass_may_verdict v =
        open && l->c.part != GLASS_PART_DATA ? GLASS_MAY_UNKNOWN : GLASS_MAY_IF;
    TRY(grow(x));
    x->reasons[x->n++] = (glass_may_reason){.verdict = v,
                                            .claim = &l->c,
                                            .topic = "words",
                                            .section = "-",
                                            .words = l->words,
                                            .at_hand = *l->c.evidence.quote != '\0',
                                            .evidence = l->c.evidence};
    if (v > x->verdict) x->verdict = v;
    return GLASS_OK;
}

/* How much a claim can show: a text more than a tag. */
static int weight(const struct audit_claim *c) {
    return 2 * (c->found != NULL && c->found->text_at_hand) +
           (c->c.grade != GLASS_AUDIT_MISSING);
}

/* Whether another claim says the same of the same part, with as good evidence. */
static bool is_said(const struct glass_audit *a, int64_t i) {
    const struct audit_claim *x = &a->claims[i];
    for (int64_t k = 0; k < a->n_claims && x->licence != NULL && !x->c.changed; k++) {
        const struct audit_claim *y = &a->claims[k];
        if (k == i || y->licence != x->licence || y->c.part != x->c.part || y->aside)
            continue;
        if (weight(y) > weight(x) || (weight(y) == weight(x) && k < i)) return true;
    }
    return false;
}

glass_status glass_audit_may(const glass_may_answer **out, glass_audit *audit,
                             const char *action) {
    struct question q;
    struct answer x = {.a = audit, .q = &q};
    glass_may_answer *answer;
    *out = NULL;
    TRY(read_question(&q, action));
    glass_status status = GLASS_OK;
    for (int64_t i = 0; i < audit->n_claims && status == GLASS_OK; i++)
        status = is_said(audit, i) ? GLASS_OK : ask_claim(&x, i);
    for (int64_t i = 0; i < audit->n_limits && status == GLASS_OK; i++)
        status = ask_limit(&x, &audit->limits[i]);
    if (status != GLASS_OK) {
        mem_free(x.reasons);
        return status;
    }
    if (x.reasons != NULL) TRY(pool_take(&audit->pool, x.reasons));
    TRY(pool_alloc(&audit->pool, &answer, 1, sizeof *answer));
    *answer =
        (glass_may_answer){.verdict = x.verdict, .reasons = x.reasons, .n_reasons = x.n};
    TRY(pool_text(&audit->pool, &answer->action, action, strlen(action)));
    *out = answer;
    return GLASS_OK;
}
