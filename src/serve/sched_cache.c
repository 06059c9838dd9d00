/* sched_cache.c - the sessions that jobs run in, and the prefixes that are left in them. */
#include "serve/sched_parts.h"

glass_status cache_create(struct sched *s) {
    glass_session_options o = {.n_ctx = s->o.n_ctx,
                               .n_batch = s->o.n_batch,
                               .n_threads = s->o.n_threads,
                               .cache_type = s->o.cache_type,
                               .adapters = s->o.adapters,
                               .n_adapters = s->o.n_adapters};
    TRY(mem_alloc_zero(&s->slots, (size_t)s->o.n_parallel, sizeof *s->slots));
    for (; s->n_slots < s->o.n_parallel; s->n_slots++)
        TRY(glass_session_create(&s->slots[s->n_slots].session, s->model, &o));
    return GLASS_OK;
}

void cache_free(struct sched *s) {
    for (int64_t i = 0; i < s->n_slots; i++) glass_session_free(s->slots[i].session);
    mem_free(s->slots);
}

/* Tokens that a session and a job begin with alike. */
static int64_t same_tokens(const glass_session *session, const struct job *job,
                           int64_t most) {
    int64_t n, same = 0;
    const int32_t *held = glass_session_tokens(session, &n);
    if (n > most) n = most;
    while (same < n && held[same] == job->tokens[same]) same++;
    return same;
}

bool cache_begin(struct sched *s, struct job *job, int64_t most) {
    struct slot *best = NULL;
    int64_t same = -1;
    for (int64_t i = 0; i < s->n_slots; i++) {
        struct slot *slot = &s->slots[i];
        if (slot->job != NULL) continue;
        int64_t n = same_tokens(slot->session, job, most);
        if (n < same || (n == same && slot->used >= best->used)) continue;
        same = n;
        best = slot;
    }
    if (best == NULL || glass_session_truncate(best->session, same) != GLASS_OK)
        return false;
    best->job = job;
    job->session = best->session;
    job->n_fed = same;
    return true;
}

void cache_end(struct sched *s, struct job *job) {
    for (int64_t i = 0; i < s->n_slots; i++)
        if (s->slots[i].job == job) {
            s->slots[i].job = NULL;
            s->slots[i].used = ++s->moment;
        }
    job->session = NULL;
}
