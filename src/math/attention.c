/* attention.c - the key/value cache and attention's driver: what is stored where, and who
 * computes which rows when. The arithmetic is in the kernels (list_attn.def).
 *
 * Prompts: the team's items are (segment, kv head, run of rows); an item's scores, exponents
 * and weighted sums are made by one member. A kv head's group of query heads is a run of rows
 * like any other, so keys and values are read once for the group.
 * Generation: when there are fewer items than would keep the team busy and contexts are long,
 * members split one head: scores by blocks of keys, weighted sums by features. Both are
 * different outputs, so the bits are the same. */
#include "math/attention.h"

#include "base/fail.h"
#include "base/mem.h"
#include "math/compose.h"
#include "math/half.h"
#include "math/kernels.h"

#include <string.h>

enum {
    ROWS_MAX = 96,       /* rows of an item, or one position's group if that is larger */
    ROWS_MIN = 12,       /* even where contexts are so long that scores leave the cache */
    SCORES = 256 * 1024, /* floats: what an item's scores should fit into */
    ROW_UNIT = 12,       /* what kernels' tiles of rows divide */
    ROW_PAD = 16,        /* floats between rows of scores, against cache set conflicts */
    SPLIT_MIN_KEYS = 512 /* shorter contexts are not worth two barriers */
};

static int64_t round_up(int64_t n, int64_t unit) {
    return (n + unit - 1) / unit * unit;
}

static int64_t min_i64(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t max_i64(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* ---- the cache ---- */

glass_status attn_cache_check(glass_dtype dtype, int64_t head_dim) {
    if (dtype != GLASS_F32 && dtype != GLASS_F16 && dtype != GLASS_Q8_0) {
        const char *name = glass_dtype_name(dtype);
        return fail(GLASS_USAGE, "the key/value cache cannot be %s; F32, F16 and Q8_0 can",
                    name == NULL ? "of that type" : name);
    }
    int64_t unit = dtype == GLASS_Q8_0 ? 32 : 2;
    if (head_dim <= 0 || head_dim % unit != 0)
        return fail(
            GLASS_USAGE,
            "a key/value cache of type %s wants heads of a multiple of %d features, "
            "not %lld",
            glass_dtype_name(dtype), (int)unit, (long long)head_dim);
    return GLASS_OK;
}

/* Bytes of one K tile (16 keys of one head), and of one V panel. */
static size_t tile_bytes(const struct attn_cache *cache) {
    if (cache->dtype == GLASS_Q8_0) return (size_t)(cache->head_dim / 32) * ATTN_Q8_BYTES;
    return (size_t)cache->head_dim * ATTN_TILE * (cache->dtype == GLASS_F16 ? 2 : 4);
}

/* Tiles that lie one after the other: of the whole context, or of a page. */
static int64_t tiles_in_row(const struct attn_cache *cache) {
    if (cache->pages != NULL) return ATTN_BLOCK / ATTN_TILE;
    return round_up(cache->n_ctx, ATTN_TILE) / ATTN_TILE;
}

static size_t panel_bytes(const struct attn_cache *cache) {
    size_t n_tiles = (size_t)tiles_in_row(cache);
    if (cache->dtype == GLASS_Q8_0) return n_tiles * ATTN_Q8_BYTES;
    return n_tiles * ATTN_TILE * ATTN_TILE * (cache->dtype == GLASS_F16 ? 2 : 4);
}

/* Features of one V panel. */
static int64_t panel_dims(const struct attn_cache *cache) {
    return cache->dtype == GLASS_Q8_0 ? 32 : ATTN_TILE;
}

/* The keys' store of the page that holds pos, or of the whole context; *tile is pos's tile in
 * it. */
static uint8_t *k_store(const struct attn_cache *cache, int64_t pos, int64_t *tile) {
    *tile = pos / ATTN_TILE;
    if (cache->pages == NULL) return cache->k;
    *tile = pos % ATTN_BLOCK / ATTN_TILE;
    return (uint8_t *)cache->pages[pos / ATTN_BLOCK] + cache->k_at;
}

static uint8_t *v_store(const struct attn_cache *cache, int64_t pos, int64_t *tile) {
    *tile = pos / ATTN_TILE;
    if (cache->pages == NULL) return cache->v;
    *tile = pos % ATTN_BLOCK / ATTN_TILE;
    return (uint8_t *)cache->pages[pos / ATTN_BLOCK] + cache->v_at;
}

static uint8_t *k_tile(const struct attn_cache *cache, int64_t head, int64_t pos) {
    int64_t tile;
    uint8_t *k = k_store(cache, pos, &tile);
    return k + (size_t)(head * tiles_in_row(cache) + tile) * tile_bytes(cache);
}

/* Where key pos's tile of 16 keys starts in a head's panel. */
static uint8_t *v_tile(const struct attn_cache *cache, int64_t head, int64_t panel,
                       int64_t pos) {
    int64_t n_panels = round_up(cache->head_dim, panel_dims(cache)) / panel_dims(cache);
    int64_t tile;
    uint8_t *v = v_store(cache, pos, &tile);
    size_t panel_size = panel_bytes(cache);
    size_t per_tile = panel_size / (size_t)tiles_in_row(cache);
    return v + (size_t)(head * n_panels + panel) * panel_size + (size_t)tile * per_tile;
}

size_t attn_cache_bytes(glass_dtype dtype, int64_t n_ctx, int64_t n_head_kv,
                        int64_t head_dim) {
    /* K and V differ where head_dim is no multiple of 16; both take the larger. */
    size_t n = 0;
    if (n_ctx < 0 || n_ctx > INT64_MAX - ATTN_TILE || head_dim > INT64_MAX - ATTN_TILE)
        return SIZE_MAX;
    bool fits = mem_mul(&n, (size_t)round_up(n_ctx, ATTN_TILE),
                        (size_t)round_up(head_dim, ATTN_TILE)) &&
                mem_mul(&n, n, (size_t)n_head_kv) &&
                mem_mul(&n, n, dtype == GLASS_F32 ? 4 : 2);
    if (!fits) return SIZE_MAX;
    return dtype == GLASS_Q8_0 ? n / 2 / 32 * 34 : n;
}

void attn_copy_page(const struct attn_cache *cache, void *to, const void *from, int64_t n) {
    size_t n_tiles = (size_t)((n + ATTN_TILE - 1) / ATTN_TILE), tile = tile_bytes(cache);
    size_t in_row = ATTN_BLOCK / ATTN_TILE, panel = panel_bytes(cache);
    int64_t n_panels = round_up(cache->head_dim, panel_dims(cache)) / panel_dims(cache);
    for (int64_t h = 0; h < cache->n_head_kv; h++) {
        size_t at = cache->k_at + (size_t)h * in_row * tile;
        memcpy((uint8_t *)to + at, (const uint8_t *)from + at, n_tiles * tile);
    }
    for (int64_t i = 0; i < cache->n_head_kv * n_panels; i++) {
        size_t at = cache->v_at + (size_t)i * panel;
        memcpy((uint8_t *)to + at, (const uint8_t *)from + at, n_tiles * panel / in_row);
    }
}

/* A value, or a q8_0 block of 32, of one key: addresses of its parts in the two stores. */
struct q8_place {
    uint8_t *d; /* f16 */
    int8_t *q;  /* 32 of them, `step` apart */
    int64_t step;
};

static struct q8_place k_block(const struct attn_cache *cache, int64_t head, int64_t pos,
                               int64_t block) {
    uint8_t *at = k_tile(cache, head, pos) + (size_t)block * ATTN_Q8_BYTES;
    int64_t lane = pos % ATTN_TILE;
    return (struct q8_place){at + 2 * lane, (int8_t *)at + 32 + lane, ATTN_TILE};
}

static struct q8_place v_block(const struct attn_cache *cache, int64_t head, int64_t pos,
                               int64_t block) {
    uint8_t *at = v_tile(cache, head, block, pos);
    int64_t lane = pos % ATTN_TILE;
    return (struct q8_place){at + 2 * lane, (int8_t *)at + 32 + lane * 32, 1};
}

static void q8_put(struct q8_place to, const void *d, const int8_t *q) {
    memcpy(to.d, d, 2);
    for (int64_t i = 0; i < 32; i++) to.q[i * to.step] = q[i];
}

static uint8_t *k_value(const struct attn_cache *cache, int64_t head, int64_t pos,
                        int64_t d) {
    size_t bytes = cache->dtype == GLASS_F16 ? 2 : 4;
    return k_tile(cache, head, pos) + (size_t)(d * ATTN_TILE + pos % ATTN_TILE) * bytes;
}

static uint8_t *v_value(const struct attn_cache *cache, int64_t head, int64_t pos,
                        int64_t d) {
    size_t bytes = cache->dtype == GLASS_F16 ? 2 : 4;
    return v_tile(cache, head, d / ATTN_TILE, pos) +
           (size_t)(pos % ATTN_TILE * ATTN_TILE + d % ATTN_TILE) * bytes;
}

size_t attn_row_bytes(glass_dtype dtype, int64_t n_head_kv, int64_t head_dim) {
    size_t n = (size_t)(n_head_kv * head_dim);
    return dtype == GLASS_Q8_0 ? n / 32 * 34 : dtype == GLASS_F16 ? n * 2 : n * 4;
}

/* Copies rows between the cache and their exported form. */
static void move_q8_0(const struct attn_cache *cache, uint8_t *k, uint8_t *v, int64_t pos,
                      int64_t n, bool in) {
    int64_t n_blocks = cache->head_dim / 32;
    for (int64_t i = 0; i < n * cache->n_head_kv * n_blocks; i++, k += 34, v += 34) {
        int64_t at = pos + i / n_blocks / cache->n_head_kv;
        int64_t head = i / n_blocks % cache->n_head_kv, block = i % n_blocks;
        struct q8_place kp = k_block(cache, head, at, block);
        struct q8_place vp = v_block(cache, head, at, block);
        if (in) {
            q8_put(kp, k, (int8_t *)k + 2);
            q8_put(vp, v, (int8_t *)v + 2);
            continue;
        }
        memcpy(k, kp.d, 2);
        memcpy(v, vp.d, 2);
        for (int64_t j = 0; j < 32; j++) {
            k[2 + j] = (uint8_t)kp.q[j * kp.step];
            v[2 + j] = (uint8_t)vp.q[j * vp.step];
        }
    }
}

static void move_rows(const struct attn_cache *cache, uint8_t *k, uint8_t *v, int64_t pos,
                      int64_t n, bool in) {
    if (cache->dtype == GLASS_Q8_0) {
        move_q8_0(cache, k, v, pos, n, in);
        return;
    }
    size_t bytes = cache->dtype == GLASS_F16 ? 2 : 4;
    int64_t width = cache->n_head_kv * cache->head_dim;
    for (int64_t i = 0; i < n * width; i++, k += bytes, v += bytes) {
        int64_t at = pos + i / width, head = i % width / cache->head_dim;
        uint8_t *kp = k_value(cache, head, at, i % cache->head_dim);
        uint8_t *vp = v_value(cache, head, at, i % cache->head_dim);
        memcpy(in ? kp : k, in ? k : kp, bytes);
        memcpy(in ? vp : v, in ? v : vp, bytes);
    }
}

void attn_export(void *k, void *v, const struct attn_cache *cache, int64_t pos, int64_t n) {
    move_rows(cache, k, v, pos, n, false);
}

void attn_import(struct attn_cache *cache, const void *k, const void *v, int64_t pos,
                 int64_t n) {
    /* Only read when `in`. */
    move_rows(cache, (uint8_t *)(uintptr_t)k, (uint8_t *)(uintptr_t)v, pos, n, true);
}

/* ---- storing ---- */

/* Rows [0, n) of one head, all within the tile that holds pos; strides in floats. */
static void store_f32(const struct attn_cache *cache, int64_t head, int64_t pos, int64_t n,
                      const float *k, int64_t k_stride, const float *v, int64_t v_stride) {
    float *to = (float *)(void *)k_value(cache, head, pos, 0);
    for (int64_t d = 0; d < cache->head_dim; d++)
        for (int64_t i = 0; i < n; i++) to[d * ATTN_TILE + i] = k[i * k_stride + d];
    for (int64_t d = 0; d < cache->head_dim; d += ATTN_TILE) {
        size_t bytes = (size_t)min_i64(ATTN_TILE, cache->head_dim - d) * sizeof *v;
        for (int64_t i = 0; i < n; i++)
            memcpy(v_value(cache, head, pos + i, d), v + i * v_stride + d, bytes);
    }
}

static void store_f16(const struct attn_cache *cache, int64_t head, int64_t pos, int64_t n,
                      const float *k, int64_t k_stride, const float *v, int64_t v_stride) {
    const struct math_kernels *kernels = math_kernels();
    uint16_t rounded[ATTN_TILE][ATTN_TILE];
    for (int64_t d = 0; d < cache->head_dim; d += ATTN_TILE) {
        int64_t n_d = min_i64(ATTN_TILE, cache->head_dim - d);
        for (int64_t i = 0; i < n; i++)
            kernels->round_f16(rounded[i], k + i * k_stride + d, n_d);
        uint16_t *to = (uint16_t *)(void *)k_value(cache, head, pos, d);
        for (int64_t j = 0; j < n_d; j++)
            for (int64_t i = 0; i < n; i++) to[j * ATTN_TILE + i] = rounded[i][j];
        for (int64_t i = 0; i < n; i++)
            kernels->round_f16(v_value(cache, head, pos + i, d), v + i * v_stride + d, n_d);
    }
}

static void store_q8_0(const struct attn_cache *cache, int64_t head, int64_t pos, int64_t n,
                       const float *k, int64_t k_stride, const float *v, int64_t v_stride) {
    const struct math_kernels *kernels = math_kernels();
    for (int64_t b = 0; b < cache->head_dim / 32; b++) {
        for (int64_t i = 0; i < n; i++) {
            int8_t q[32];
            uint16_t d;
            kernels->attn_round_q8_0(q, &d, k + i * k_stride + b * 32, 32);
            q8_put(k_block(cache, head, pos + i, b), &d, q);
            kernels->attn_round_q8_0(q, &d, v + i * v_stride + b * 32, 32);
            q8_put(v_block(cache, head, pos + i, b), &d, q);
        }
    }
}

/* Tiles that positions [pos, pos + n) touch. */
static int64_t tiles_of(const struct attn_segment *segment) {
    if (segment->n <= 0) return 0;
    return (segment->pos + segment->n - 1) / ATTN_TILE - segment->pos / ATTN_TILE + 1;
}

/* What of a segment falls into its tile number `tile`, for one head. */
static void store_tile(const struct attn_segment *segment, int64_t head, int64_t tile,
                       const float *k, int64_t k_stride, const float *v, int64_t v_stride) {
    const struct attn_cache *cache = segment->cache;
    int64_t from = (segment->pos / ATTN_TILE + tile) * ATTN_TILE;
    int64_t to = min_i64(from + ATTN_TILE, segment->pos + segment->n);
    from = max_i64(from, segment->pos);
    int64_t row = segment->row + from - segment->pos;
    const float *k_row = k + row * k_stride + head * cache->head_dim;
    const float *v_row = v + row * v_stride + head * cache->head_dim;
    if (cache->dtype == GLASS_F32)
        store_f32(cache, head, from, to - from, k_row, k_stride, v_row, v_stride);
    else if (cache->dtype == GLASS_F16)
        store_f16(cache, head, from, to - from, k_row, k_stride, v_row, v_stride);
    else
        store_q8_0(cache, head, from, to - from, k_row, k_stride, v_row, v_stride);
}

void attn_store(const struct member *me, const struct attn_segment *segments,
                int64_t n_segments, const float *k, int64_t k_stride, const float *v,
                int64_t v_stride) {
    int64_t n_items = 0, first = 0, begin, end;
    for (int64_t i = 0; i < n_segments; i++)
        n_items += tiles_of(&segments[i]) * segments[i].cache->n_head_kv;
    team_share(me, n_items, 1, &begin, &end);
    for (int64_t i = 0; i < n_segments; i++) {
        int64_t n_tiles = tiles_of(&segments[i]);
        int64_t n_here = n_tiles * segments[i].cache->n_head_kv;
        for (int64_t item = max_i64(begin, first); item < min_i64(end, first + n_here);
             item++)
            store_tile(&segments[i], (item - first) / n_tiles, (item - first) % n_tiles, k,
                       k_stride, v, v_stride);
        first += n_here;
    }
    team_barrier(me);
}

void attn_store_heads(const struct attn_segment *segments, int64_t n_segments,
                      const float *k, int64_t k_stride, const float *v, int64_t v_stride,
                      int64_t head_begin, int64_t head_end) {
    for (int64_t i = 0; i < n_segments; i++)
        for (int64_t head = head_begin; head < head_end; head++)
            for (int64_t tile = 0; tile < tiles_of(&segments[i]); tile++)
                store_tile(&segments[i], head, tile, k, k_stride, v, v_stride);
}

/* ---- attending ---- */

typedef void qk_kernel ATTN_QK_PARAMETERS;
typedef void pv_kernel ATTN_PV_PARAMETERS;

/* Everything that is the same for all members and items of one attn_run. */
struct run {
    const struct math_kernels *kernels;
    const struct attn_segment *segments;
    const struct attn_shape *shape;
    const float *q;
    float *o;
    int64_t n_segments, q_stride, o_stride;
    int64_t head_dim, group; /* query heads to a kv head */
    int64_t n_head_kv;
    int64_t max_end; /* one past the last visible key of any segment */
};

/* A run of rows of one kv head's group: row r is position pos + r / group, head r % group. */
struct rows {
    const struct attn_segment *segment;
    int64_t head, pos, n; /* n rows; pos is absolute */
    int64_t first, last;  /* keys that any row sees: [first, last) */
    int64_t base;         /* first rounded down to a block: column 0 of the scores */
    float *q;             /* (n, head_dim) */
    float *sum;           /* (n, head_dim rounded up) */
    int64_t *begin, *end; /* (n) */
};

/* The largest number of rows that an item may have. */
static int64_t rows_limit(int64_t group) {
    return max_i64(ROWS_MAX, group);
}

static size_t own_bytes(int64_t head_dim, int64_t group) {
    size_t row =
        (size_t)(2 * round_up(head_dim, ATTN_TILE)) * sizeof(float) + 2 * sizeof(int64_t);
    return ((size_t)rows_limit(group) * row + 63) / 64 * 64;
}

/* Floats of scores that a member owns when contexts reach n_keys. */
static int64_t score_floats(int64_t n_keys, int64_t group) {
    int64_t row = round_up(n_keys, ATTN_TILE) + ATTN_BLOCK + ROW_PAD;
    return max_i64(SCORES, max_i64(ROWS_MIN, group) * row);
}

size_t attn_scratch_bytes(int64_t n_ctx, int64_t head_dim, int64_t n_head,
                          int64_t n_head_kv, int n_members) {
    int64_t group = n_head / n_head_kv;
    return (size_t)n_members * (own_bytes(head_dim, group) +
                                (size_t)score_floats(n_ctx, group) * sizeof(float));
}

/* Positions of a segment that make one item: as many as fit the scores. */
static int64_t positions_per_item(const struct run *run,
                                  const struct attn_segment *segment) {
    int64_t span = segment->pos + segment->n;
    if (run->shape->window > 0)
        span = min_i64(span, run->shape->window + ROWS_MAX / run->group);
    int64_t n_rows = SCORES / (round_up(span, ATTN_TILE) + ATTN_BLOCK + ROW_PAD);
    n_rows = min_i64(max_i64(n_rows, ROWS_MIN), ROWS_MAX);
    int64_t n = max_i64(1, n_rows / run->group), unit = ROW_UNIT;
    for (int64_t i = 2; i <= ROW_UNIT; i++)
        if (ROW_UNIT % i == 0 && run->group % i == 0) unit = ROW_UNIT / i;
    return n > unit ? n / unit * unit : n;
}

static int64_t items_of(const struct run *run, const struct attn_segment *segment) {
    int64_t unit = positions_per_item(run, segment);
    return (segment->n + unit - 1) / unit * run->n_head_kv;
}

/* Points at this member's own scratch. */
static void place_rows(struct rows *rows, const struct run *run, void *scratch, int i) {
    int64_t limit = rows_limit(run->group), width = round_up(run->head_dim, ATTN_TILE);
    uint8_t *own = (uint8_t *)scratch + (size_t)i * own_bytes(run->head_dim, run->group);
    rows->begin = (int64_t *)(void *)own;
    rows->end = rows->begin + limit;
    rows->q = (float *)(void *)(rows->end + limit);
    rows->sum = rows->q + limit * width;
}

/* Positions [pos, pos + n) of a segment, for one kv head. Queries are gathered so that rows
 * are evenly spaced. */
static void gather_rows(struct rows *rows, const struct run *run,
                        const struct attn_segment *segment, int64_t head, int64_t pos,
                        int64_t n) {
    int64_t group = run->group, window = run->shape->window;
    size_t bytes = (size_t)(group * run->head_dim) * sizeof(float);
    rows->segment = segment;
    rows->head = head;
    rows->pos = pos;
    rows->n = n * group;
    for (int64_t i = 0; i < n; i++) {
        int64_t row = segment->row + pos + i - segment->pos;
        memcpy(rows->q + i * group * run->head_dim,
               run->q + row * run->q_stride + head * group * run->head_dim, bytes);
        for (int64_t r = i * group; r < (i + 1) * group; r++) {
            rows->end[r] = pos + i + 1;
            rows->begin[r] = window > 0 ? max_i64(0, pos + i + 1 - window) : 0;
        }
    }
    rows->first = rows->begin[0];
    rows->last = pos + n;
    rows->base = rows->first / ATTN_BLOCK * ATTN_BLOCK;
}

/* The member reads the keys from `after` on next, if the rows see them; where blocks lie apart,
 * the processor would not see that coming. */
static void scores_of_block(const struct run *run, const struct rows *rows, float *s,
                            int64_t s_stride, int64_t key0, int64_t after) {
    const struct attn_cache *cache = rows->segment->cache;
    qk_kernel *kernel = cache->dtype == GLASS_F32   ? run->kernels->attn_qk_f32
                        : cache->dtype == GLASS_F16 ? run->kernels->attn_qk_f16
                                                    : run->kernels->attn_qk_q8_0;
    kernel(s + key0 - rows->base, s_stride, rows->q, run->head_dim, rows->begin, rows->end,
           rows->n, k_tile(cache, rows->head, key0),
           after < rows->last ? k_tile(cache, rows->head, after) : NULL, key0,
           run->head_dim, run->shape->scale);
}

/* Features [d, d + n_d) of the weighted sums, d at the start of a panel. */
static void values_of_block(const struct run *run, const struct rows *rows, const float *p,
                            int64_t p_stride, int64_t key0, int64_t d, int64_t n_d) {
    const struct attn_cache *cache = rows->segment->cache;
    pv_kernel *kernel = cache->dtype == GLASS_F32   ? run->kernels->attn_pv_f32
                        : cache->dtype == GLASS_F16 ? run->kernels->attn_pv_f16
                                                    : run->kernels->attn_pv_q8_0;
    int64_t width = round_up(run->head_dim, ATTN_TILE);
    int64_t panel = d / panel_dims(cache), after = key0 + ATTN_BLOCK;
    kernel(rows->sum + d, width, p + key0 - rows->base, p_stride, rows->begin, rows->end,
           rows->n, v_tile(cache, rows->head, panel, key0),
           after < rows->last ? v_tile(cache, rows->head, panel, after) : NULL,
           panel_bytes(cache), key0, n_d);
}

/* Row r's scores become exponents; the result is their sum. */
static float exponents_of_row(const struct run *run, const struct rows *rows, float *s,
                              int64_t r) {
    int64_t begin = rows->begin[r] - rows->base, end = rows->end[r] - rows->base;
    if (run->shape->cap > 0)
        math_softcap_f32(s + begin, s + begin, end - begin, run->shape->cap);
    float max = run->kernels->max_f32(s + begin, end - begin);
    return run->kernels->softmax_exp_f32(s, s, max, begin, end);
}

static void finish_row(const struct run *run, const struct rows *rows, int64_t r, float z,
                       int64_t d, int64_t n_d) {
    int64_t row = rows->segment->row + rows->pos - rows->segment->pos + r / run->group;
    int64_t head = rows->head * run->group + r % run->group;
    int64_t width = round_up(run->head_dim, ATTN_TILE);
    run->kernels->divide_f32(run->o + row * run->o_stride + head * run->head_dim + d,
                             rows->sum + r * width + d, z, n_d);
}

/* One item from queries to output rows. */
static void attend(const struct run *run, struct rows *rows, float *s) {
    int64_t stride = round_up(rows->last - rows->base, ATTN_TILE) + ROW_PAD;
    for (int64_t key0 = rows->base; key0 < rows->last; key0 += ATTN_BLOCK)
        scores_of_block(run, rows, s, stride, key0, key0 + ATTN_BLOCK);
    /* The row's sum waits in the padding after its last score. */
    for (int64_t r = 0; r < rows->n; r++)
        s[(r + 1) * stride - 1] = exponents_of_row(run, rows, s + r * stride, r);
    for (int64_t key0 = rows->base; key0 < rows->last; key0 += ATTN_BLOCK)
        values_of_block(run, rows, s, stride, key0, 0, run->head_dim);
    for (int64_t r = 0; r < rows->n; r++)
        finish_row(run, rows, r, s[(r + 1) * stride - 1], 0, run->head_dim);
}

/* Item i of the run: late positions, which see more keys, come first. */
static void gather_item(struct rows *rows, const struct run *run, int64_t i) {
    const struct attn_segment *segment = run->segments;
    while (i >= items_of(run, segment)) i -= items_of(run, segment++);
    int64_t unit = positions_per_item(run, segment);
    int64_t n_runs = (segment->n + unit - 1) / unit;
    int64_t at = (n_runs - 1 - i / run->n_head_kv) * unit;
    gather_rows(rows, run, segment, i % run->n_head_kv, segment->pos + at,
                min_i64(unit, segment->n - at));
}

/* This member's rows, placed, and its scores. */
static float *own_scores(struct rows *rows, const struct member *me, const struct run *run,
                         void *scratch) {
    place_rows(rows, run, scratch, me->i);
    float *s = (float *)(void *)((uint8_t *)scratch +
                                 (size_t)me->n * own_bytes(run->head_dim, run->group));
    return s + me->i * score_floats(run->max_end, run->group);
}

static void run_items(const struct member *me, const struct run *run, int64_t n_items,
                      void *scratch) {
    struct rows rows;
    float *s = own_scores(&rows, me, run, scratch);
    int64_t i, end;
    while (team_queue_next(me, n_items, 1, &i, &end)) {
        gather_item(&rows, run, i);
        attend(run, &rows, s);
    }
}

/* ---- one head shared by several members ---- */

/* Where the scores of a segment's kv head lie in the shared scratch when heads are split, in
 * floats; the offset of segment n_segments, head 0, is the total. */
static int64_t split_offset(const struct run *run, int64_t segment, int64_t head) {
    int64_t offset = 0;
    for (int64_t i = 0; i < segment; i++) {
        const struct attn_segment *s = &run->segments[i];
        int64_t stride = round_up(s->pos + s->n, ATTN_BLOCK) + ROW_PAD;
        offset += run->n_head_kv * s->n * run->group * stride;
    }
    if (head == 0) return offset;
    const struct attn_segment *s = &run->segments[segment];
    return offset +
           head * s->n * run->group * (round_up(s->pos + s->n, ATTN_BLOCK) + ROW_PAD);
}

/* Splitting pays when items are few, contexts long, and all scores fit the scratch. */
static bool wants_split(const struct member *me, const struct run *run, int64_t n_items) {
    if (me->n == 1 || n_items >= 4 * me->n || run->max_end < SPLIT_MIN_KEYS) return false;
    if (run->n_segments == 1 && n_items % me->n == 0) return false; /* even as it is */
    for (int64_t i = 0; i < run->n_segments; i++)
        if (run->segments[i].n * run->group > rows_limit(run->group)) return false;
    return split_offset(run, run->n_segments, 0) <=
           me->n * score_floats(run->max_end, run->group);
}

/* Members take (segment, kv head, part) in turn, parts of one phase of a split run: `counts`
 * parts in each segment's head. */
static bool next_part(const struct member *me, const struct run *run, struct rows *rows,
                      int64_t *part,
                      int64_t (*count)(const struct run *, int64_t segment)) {
    int64_t n = 0, i, end, segment = 0;
    for (int64_t j = 0; j < run->n_segments; j++) n += count(run, j) * run->n_head_kv;
    if (!team_queue_next(me, n, 1, &i, &end)) return false;
    while (i >= count(run, segment) * run->n_head_kv)
        i -= count(run, segment++) * run->n_head_kv;
    const struct attn_segment *s = &run->segments[segment];
    *part = i % count(run, segment);
    gather_rows(rows, run, s, i / count(run, segment), s->pos, s->n);
    return true;
}

static int64_t count_blocks(const struct run *run, int64_t segment) {
    const struct attn_segment *s = &run->segments[segment];
    int64_t window = run->shape->window;
    int64_t first = window > 0 ? max_i64(0, s->pos + 1 - window) : 0;
    return s->n == 0 ? 0 : (s->pos + s->n - 1) / ATTN_BLOCK - first / ATTN_BLOCK + 1;
}

static int64_t count_rows(const struct run *run, int64_t segment) {
    return run->segments[segment].n * run->group;
}

static int64_t count_panels(const struct run *run, int64_t segment) {
    const struct attn_segment *s = &run->segments[segment];
    return s->n == 0 ? 0 : (run->head_dim + 31) / 32;
}

static void run_split(const struct member *me, const struct run *run, void *scratch) {
    struct rows rows;
    int64_t part;
    place_rows(&rows, run, scratch, me->i);
    float *all = (float *)(void *)((uint8_t *)scratch +
                                   (size_t)me->n * own_bytes(run->head_dim, run->group));
    while (next_part(me, run, &rows, &part, count_blocks)) {
        int64_t stride = round_up(rows.last, ATTN_BLOCK) + ROW_PAD;
        float *s = all + split_offset(run, rows.segment - run->segments, rows.head);
        int64_t key0 = rows.base + part * ATTN_BLOCK;
        scores_of_block(run, &rows, s, stride, key0, key0 + me->n * ATTN_BLOCK);
    }
    team_barrier(me);
    while (next_part(me, run, &rows, &part, count_rows)) {
        int64_t stride = round_up(rows.last, ATTN_BLOCK) + ROW_PAD;
        float *s = all + split_offset(run, rows.segment - run->segments, rows.head);
        s[(part + 1) * stride - 1] = exponents_of_row(run, &rows, s + part * stride, part);
    }
    team_barrier(me);
    while (next_part(me, run, &rows, &part, count_panels)) {
        int64_t stride = round_up(rows.last, ATTN_BLOCK) + ROW_PAD;
        const float *s = all + split_offset(run, rows.segment - run->segments, rows.head);
        int64_t d = part * 32, n_d = min_i64(32, run->head_dim - d);
        for (int64_t key0 = rows.base; key0 < rows.last; key0 += ATTN_BLOCK)
            values_of_block(run, &rows, s, stride, key0, d, n_d);
        for (int64_t r = 0; r < rows.n; r++)
            finish_row(run, &rows, r, s[(r + 1) * stride - 1], d, n_d);
    }
}

static struct run run_of(float *o, int64_t o_stride, const float *q, int64_t q_stride,
                         const struct attn_segment *segments, int64_t n_segments,
                         const struct attn_shape *shape) {
    const struct attn_cache *cache = segments[0].cache;
    struct run run = {.kernels = math_kernels(),
                      .segments = segments,
                      .shape = shape,
                      .q = q,
                      .o = o,
                      .n_segments = n_segments,
                      .q_stride = q_stride,
                      .o_stride = o_stride,
                      .head_dim = cache->head_dim,
                      .group = shape->n_head / cache->n_head_kv,
                      .n_head_kv = cache->n_head_kv};
    for (int64_t i = 0; i < n_segments; i++)
        run.max_end = max_i64(run.max_end, segments[i].pos + segments[i].n);
    return run;
}

void attn_run(const struct member *me, float *o, int64_t o_stride, const float *q,
              int64_t q_stride, const struct attn_segment *segments, int64_t n_segments,
              const struct attn_shape *shape, void *scratch) {
    if (n_segments == 0) return;
    struct run run = run_of(o, o_stride, q, q_stride, segments, n_segments, shape);
    int64_t n_items = 0;
    for (int64_t i = 0; i < n_segments; i++) n_items += items_of(&run, &segments[i]);
    if (wants_split(me, &run, n_items))
        run_split(me, &run, scratch);
    else
        run_items(me, &run, n_items, scratch);
}

void attn_run_heads(const struct member *me, float *o, int64_t o_stride, const float *q,
                    int64_t q_stride, const struct attn_segment *segments,
                    int64_t n_segments, const struct attn_shape *shape, int64_t head_begin,
                    int64_t head_end, void *scratch) {
    if (n_segments == 0) return;
    struct run run = run_of(o, o_stride, q, q_stride, segments, n_segments, shape);
    struct rows rows;
    float *s = own_scores(&rows, me, &run, scratch);
    for (int64_t i = 0; i < n_segments; i++) {
        const struct attn_segment *segment = &segments[i];
        int64_t unit = positions_per_item(&run, segment);
        for (int64_t head = head_begin; head < head_end; head++)
            for (int64_t at = 0; at < segment->n; at += unit) {
                gather_rows(&rows, &run, segment, head, segment->pos + at,
                            min_i64(unit, segment->n - at));
                attend(&run, &rows, s);
            }
    }
}

float attn_exponents(float *p, const float *q, int64_t head, int64_t pos,
                     const struct attn_cache *cache, const struct attn_shape *shape) {
    const struct attn_segment segment = {cache, pos, 0, 1};
    struct run run = run_of(NULL, 0, q, 0, &segment, 1, shape);
    int64_t begin = shape->window > 0 ? max_i64(0, pos + 1 - shape->window) : 0;
    int64_t end = pos + 1;
    /* The kernels only read their queries. */
    struct rows rows = {.segment = &segment,
                        .head = head / run.group,
                        .pos = pos,
                        .n = 1,
                        .first = begin,
                        .last = end,
                        .base = begin / ATTN_BLOCK * ATTN_BLOCK,
                        .q = (float *)(uintptr_t)q,
                        .begin = &begin,
                        .end = &end};
    for (int64_t key0 = rows.base; key0 < end; key0 += ATTN_BLOCK)
        scores_of_block(&run, &rows, p + rows.base, ROW_PAD, key0, key0 + ATTN_BLOCK);
    float z = exponents_of_row(&run, &rows, p + rows.base, 0);
    for (int64_t j = 0; j < begin; j++) p[j] = 0;
    return z;
}
