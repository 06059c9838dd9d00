/* tok_train_count.c - different words and how often each occurs, see tok_train.h.
 *
 * Threads take blocks in turn. Each counts short words in a small table of its own, where a
 * word that finds its place taken sends the other one on; what is sent on, and long words, go
 * to tables that all share, one lock for each. So every word is held once, however many
 * threads there are, and what is held is known. */
#include "base/team.h"
#include "text/tok_train.h"

enum { CACHE_BITS = 14, CACHED_BYTES = 24, FIRST_SLOTS = 1024, FIRST_ROOM = 64 };

glass_status train_grow(struct train_meter *meter, void *array, size_t *room, size_t n_need,
                        size_t item_bytes) {
    if (n_need <= *room) return GLASS_OK;
    size_t n = *room < FIRST_ROOM ? FIRST_ROOM : *room, more;
    while (n < n_need) n += n / 2;
    if (!mem_mul(&more, n - *room, item_bytes)) return fail_memory(SIZE_MAX);
    size_t used = atomic_fetch_add(&meter->used, more);
    if (used > meter->limit || more > meter->limit - used)
        return fail(GLASS_BAD_INPUT,
                    "the different words of the texts and their pairs need more than %zu "
                    "bytes of memory; allow more, or train on a part of the texts",
                    meter->limit);
    TRY(mem_resize(array, n, item_bytes));
    *room = n;
    return GLASS_OK;
}

glass_status train_words_init(struct train_words *words, struct train_meter *meter) {
    *words = (struct train_words){.meter = meter};
    for (int i = 0; i < TRAIN_SHARDS; i++) pthread_mutex_init(&words->shards[i].lock, NULL);
    return GLASS_OK;
}

void train_words_clear(struct train_words *words) {
    if (words->meter == NULL) return;
    for (int i = 0; i < TRAIN_SHARDS; i++) {
        struct train_shard *s = &words->shards[i];
        size_t held = s->words_room * sizeof *s->words + s->slots_room * sizeof *s->slots;
        atomic_fetch_sub(&words->meter->used, held + s->text_room);
        pthread_mutex_destroy(&s->lock);
        mem_free(s->words);
        mem_free(s->slots);
        mem_free(s->text);
    }
    *words = (struct train_words){0};
}

int64_t train_words_different(const struct train_words *words) {
    int64_t n = 0;
    for (int i = 0; i < TRAIN_SHARDS; i++) n += (int64_t)words->shards[i].n_words;
    return n;
}

static uint64_t hash_of(const char *text, size_t n) {
    uint64_t h = n, word;
    for (; n >= 8; n -= 8, text += 8) {
        memcpy(&word, text, 8);
        h = tok_mix(h ^ word);
    }
    word = 0;
    memcpy(&word, text, n);
    h = tok_mix(h ^ word);
    return tok_mix(h ^ h >> 29);
}

static void put_slot(struct train_shard *s, uint64_t hash, uint32_t index) {
    size_t mask = s->n_slots - 1, i = hash & mask;
    while (s->slots[i] != 0) i = (i + 1) & mask;
    s->slots[i] = index + 1;
}

/* Keeps at least half of the slots free. */
static glass_status grow_slots(struct train_meter *meter, struct train_shard *s) {
    if (s->n_words * 2 < s->n_slots) return GLASS_OK;
    size_t n = s->n_slots == 0 ? FIRST_SLOTS : 2 * s->n_slots;
    TRY(train_grow(meter, &s->slots, &s->slots_room, n, sizeof *s->slots));
    s->n_slots = n;
    memset(s->slots, 0, n * sizeof *s->slots);
    for (size_t i = 0; i < s->n_words; i++) put_slot(s, s->words[i].hash, (uint32_t)i);
    return GLASS_OK;
}

static glass_status add_locked(struct train_meter *meter, struct train_shard *s,
                               uint64_t hash, const char *text, size_t n, int64_t count) {
    TRY(grow_slots(meter, s));
    size_t mask = s->n_slots - 1;
    for (size_t i = hash & mask; s->slots[i] != 0; i = (i + 1) & mask) {
        struct train_word *w = &s->words[s->slots[i] - 1];
        if (w->hash != hash || w->len != n || memcmp(s->text + w->at, text, n) != 0)
            continue;
        w->count += count;
        return GLASS_OK;
    }
    if (s->n_words == UINT32_MAX / 2)
        return fail(GLASS_BAD_INPUT, "the texts have too many different words");
    TRY(train_grow(meter, &s->words, &s->words_room, s->n_words + 1, sizeof *s->words));
    TRY(train_grow(meter, &s->text, &s->text_room, s->n_text + n, 1));
    memcpy(s->text + s->n_text, text, n);
    s->words[s->n_words] = (struct train_word){hash, count, s->n_text, (uint32_t)n};
    put_slot(s, hash, (uint32_t)s->n_words++);
    s->n_text += n;
    return GLASS_OK;
}

static glass_status add_word(struct train_words *words, const char *text, size_t n,
                             int64_t count) {
    uint64_t hash = hash_of(text, n);
    struct train_shard *s = &words->shards[hash >> 58];
    pthread_mutex_lock(&s->lock);
    glass_status status = add_locked(words->meter, s, hash, text, n, count);
    pthread_mutex_unlock(&s->lock);
    return status;
}

/* A short word, zeros behind it. */
struct cached {
    uint64_t key[CACHED_BYTES / 8];
    uint32_t count, len;
};

/* All threads' work. */
struct counting {
    struct train_words *words;
    const struct tok_pre *pre;
    const glass_vocab_options *options;
    struct train_feed feed;
    pthread_mutex_t lock; /* of the feed, and what follows */
    glass_status status;  /* the first failure */
    char *message;
};

struct counter {
    struct counting *all;
    struct cached *cache; /* (1 << CACHE_BITS) */
    struct buf copy;      /* a word that is not in the block as it is counted */
    int64_t n_words;
};

static glass_status send_on(struct counter *c, struct cached *slot) {
    glass_status status =
        add_word(c->all->words, (const char *)slot->key, slot->len, slot->count);
    slot->count = 0;
    return status;
}

/* Reads up to TRAIN_PADDING bytes behind the word; they are in the block's buffer. */
static glass_status count_word(void *context, const char *word, size_t n) {
    struct counter *c = context;
    c->n_words++;
    if (n > CACHED_BYTES) return add_word(c->all->words, word, n, 1);
    uint64_t key[CACHED_BYTES / 8];
    memcpy(key, word, sizeof key);
    for (size_t i = 0; i < CACHED_BYTES / 8; i++) {
        size_t left = n > 8 * i ? n - 8 * i : 0;
        if (left == 0)
            key[i] = 0;
        else if (left < 8)
            memset((char *)&key[i] + left, 0, 8 - left);
    }
    uint64_t h = tok_mix(tok_mix(tok_mix(key[0] + n) ^ key[1]) ^ key[2]);
    struct cached *slot = &c->cache[h >> (64 - CACHE_BITS)];
    if (slot->count > 0) {
        if (slot->len == n && memcmp(slot->key, key, sizeof key) == 0 &&
            slot->count < UINT32_MAX) {
            slot->count++;
            return GLASS_OK;
        }
        TRY(send_on(c, slot));
    }
    memcpy(slot->key, key, sizeof key);
    slot->len = (uint32_t)n;
    slot->count = 1;
    return GLASS_OK;
}

static glass_status count_block(struct counter *c, void **match, const struct buf *block) {
    const struct tok_pre *pre = c->all->pre;
    if (pre != NULL && !c->all->options->lines)
        return tok_pre_run(pre, match, block->data, block->len, count_word, c);
    for (size_t at = 0; at < block->len;) {
        const char *line = block->data + at, *end = memchr(line, '\n', block->len - at);
        size_t n = end == NULL ? block->len - at : (size_t)(end - line) + 1;
        TRY(pre == NULL ? train_spm_words(&c->copy, line, n, count_word, c)
                        : tok_pre_run(pre, match, line, n, count_word, c));
        at += n;
    }
    return GLASS_OK;
}

static bool goes_on(struct counting *all) {
    if (all->options->progress == NULL) return true;
    glass_vocab_progress p = {
        .merging = false, .done = all->feed.n_read, .total = all->feed.n_total};
    return all->options->progress(all->options->context, &p);
}

/* The next block, unless some thread has failed; then, too, its length is 0. */
static glass_status take_block(struct counting *all, struct buf *block) {
    pthread_mutex_lock(&all->lock);
    glass_status status = GLASS_OK;
    buf_clear(block);
    if (all->status == GLASS_OK) {
        status = train_feed_next(&all->feed, block);
        if (status == GLASS_OK && !goes_on(all))
            status = fail(GLASS_CANCELLED, "training was cancelled");
    }
    pthread_mutex_unlock(&all->lock);
    return status;
}

static glass_status count_blocks(struct counter *c, struct buf *block, void **match) {
    TRY(mem_alloc_zero(&c->cache, (size_t)1 << CACHE_BITS, sizeof *c->cache));
    for (;;) {
        TRY(take_block(c->all, block));
        if (block->len == 0) break;
        TRY(count_block(c, match, block));
    }
    for (size_t i = 0; i < (size_t)1 << CACHE_BITS; i++)
        if (c->cache[i].count > 0) TRY(send_on(c, &c->cache[i]));
    return GLASS_OK;
}

/* One thread's part. Messages belong to threads, so the first one is kept. */
static void count_part(void *context, const struct member *me) {
    struct counting *all = context;
    struct counter c = {.all = all};
    struct buf block = {0};
    void *match = NULL;
    (void)me;
    glass_status status = count_blocks(&c, &block, &match);
    pthread_mutex_lock(&all->lock);
    all->words->n_words += c.n_words;
    if (status != GLASS_OK && all->status == GLASS_OK) {
        const char *message = glass_error();
        all->status = status;
        if (mem_copy_text(&all->message, message, strlen(message)) != GLASS_OK)
            all->message = NULL;
    }
    pthread_mutex_unlock(&all->lock);
    tok_pre_match_free(match);
    buf_free(&block);
    buf_free(&c.copy);
    mem_free(c.cache);
}

glass_status train_count(struct train_words *words, const struct tok_pre *pre,
                         const char *const *paths, int64_t n_paths,
                         const glass_vocab_options *options) {
    struct counting all = {.words = words, .pre = pre, .options = options};
    TRY(train_feed_open(&all.feed, paths, n_paths, options->lines || pre == NULL));
    pthread_mutex_init(&all.lock, NULL);
    team_run(options->n_threads, count_part, &all);
    words->n_bytes = all.feed.n_read;
    if (all.status != GLASS_OK)
        fail(all.status, "%s", all.message == NULL ? "out of memory" : all.message);
    mem_free(all.message);
    pthread_mutex_destroy(&all.lock);
    train_feed_close(&all.feed);
    return all.status;
}
