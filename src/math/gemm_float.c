/* gemm_float.c - the loops around a float product; see gemm_float.h. */
#include "math/gemm_float.h"

#include <string.h>

/* One product in hand: the parameters of gemm.h. */
struct job {
    const struct gemm_float *f;
    float *c;
    int64_t c_stride;
    const char *a, *w;
    size_t a_row, w_row;
    int64_t m, n, k;
    bool more;      /* c holds the sums of earlier blocks */
    int64_t n_wide; /* columns whose panels are held at a time */
    int64_t m_high; /* activation rows that go over those before the next ones */
    /* In scratch: */
    float *panels; /* of n_wide columns, (K_MOST, n_tile) each */
    float *sums;   /* of n_wide columns, (ROWS, n_tile) for each panel */
    char *copy;    /* of GEMM_FLOAT_M activation rows' blocks, COPY_ROW apart; NULL: not
                    * needed */
};

/* A last block that is short goes together with the one before: K_MOST at a time. */
enum { K_MOST = GEMM_FLOAT_K + 64 };
/* A line more, so that rows next to each other are in different sets. */
enum { COPY_ROW = K_MOST * (int)sizeof(float) + 64 };
/* Activation rows of one go where weights are stored (k, n). */
enum { ROWS_ACROSS = 4 * GEMM_FLOAT_M };

_Static_assert((GEMM_FLOAT_N * (K_MOST + GEMM_FLOAT_ROWS)) * sizeof(float) +
                       (size_t)GEMM_FLOAT_M * COPY_ROW <=
                   GEMM_SCRATCH_BYTES,
               "scratch holds it all");

/* Activation rows of one block of k. */
struct activations {
    const char *a;
    size_t row;
};

/* What tiles prefetch meanwhile, a piece of rows each, in turns: activations and weights. */
struct ahead {
    struct gemm_float_next left[2];
    int64_t piece[2];
    int turn;
};

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* How much of k goes together from k0, a block's start, on. */
static int64_t span(const struct job *j, int64_t k0) {
    return j->k - k0 <= K_MOST ? j->k - k0 : GEMM_FLOAT_K;
}

static struct gemm_float_next take_piece(struct ahead *ahead) {
    if (ahead->left[1 - ahead->turn].n_rows > 0) ahead->turn = 1 - ahead->turn;
    struct gemm_float_next *left = &ahead->left[ahead->turn], piece = *left;
    piece.n_rows = smaller(ahead->piece[ahead->turn], left->n_rows);
    if (piece.n_rows > 0) left->from += (size_t)piece.n_rows * piece.row;
    left->n_rows -= piece.n_rows;
    return piece;
}

/* One panel and where its sums wait for the last block: in c, or in scratch where c's columns end
 * within the panel. */
struct place {
    float *panel, *sums;
    int64_t n0, k0, k;
    bool direct;
};

/* The tile of `rows` rows from `row` on, its activations at a: a block, and the next one if that
 * is short. */
static void one_tile(const struct job *j, const struct place *p, const char *a,
                     size_t a_row, int64_t row, int64_t rows,
                     const struct gemm_float_next *next) {
    const struct gemm_float_next nothing = {0};
    int64_t width = j->f->n_tile, n = smaller(width, j->n - p->n0);
    int64_t a_step = (int64_t)sizeof(float) * (j->f->copy_across != NULL ? rows : 1);
    float *c = j->c + row * j->c_stride + p->n0, *sum = p->sums + row * width;
    float *to = p->direct ? c : sum;
    bool add = j->more || p->k0 > 0;
    for (int64_t i = 0; i < rows && !p->direct && j->more && p->k0 == 0; i++)
        memcpy(sum + i * width, c + i * j->c_stride, (size_t)n * sizeof *c);
    for (int64_t l = 0; l < p->k; l += GEMM_FLOAT_K)
        j->f->tile(to, p->direct ? j->c_stride : width, a + l * a_step, a_row,
                   p->panel + l * width, smaller(GEMM_FLOAT_K, p->k - l), rows,
                   add || l > 0, l == 0 ? next : &nothing);
    for (int64_t i = 0; i < rows && !p->direct && p->k0 + p->k == j->k; i++)
        memcpy(c + i * j->c_stride, sum + i * width, (size_t)n * sizeof *c);
}

/* Rows m0 … m0+m of c, whose activations are x, at one panel's columns. Tiles are cut
 * evenly: 7 rows are 4 + 3 rather than 6 + 1, since a low tile leaves the multipliers idle.
 */
static void panel_rows(const struct job *j, const struct place *p, struct activations x,
                       int64_t m0, int64_t m, const struct gemm_float_next *next,
                       struct ahead *ahead) {
    int64_t n_tiles = (m + j->f->m_tile - 1) / j->f->m_tile, row = m0;
    for (int64_t t = 0; t < n_tiles; t++) {
        int64_t rows = m / n_tiles + (t < m % n_tiles);
        size_t a_row = j->f->copy_across != NULL ? (size_t)rows * sizeof(float) : x.row;
        struct gemm_float_next piece =
            t == 0 && next->n_rows > 0 ? *next : take_piece(ahead);
        one_tile(j, p, x.a, a_row, row, rows, &piece);
        row += rows;
        x.a += (size_t)(j->f->copy_across != NULL ? p->k * (int64_t)sizeof(float)
                                                  : (int64_t)x.row) *
               (size_t)rows;
    }
}

static const char *weights_at(const struct job *j, int64_t n0, int64_t k0) {
    if (j->f->w_across) return j->w + (size_t)k0 * j->w_row + (size_t)(n0 * j->f->w_bytes);
    return j->w + (size_t)n0 * j->w_row + (size_t)(k0 * j->f->w_bytes);
}

/* The weights that are packed after panel n0 + l of block k0. */
static struct gemm_float_next next_panel(const struct job *j, int64_t n0, int64_t l,
                                         int64_t k0) {
    int64_t n_tile = j->f->n_tile, from = n0 + l + n_tile;
    /* Those that are stored (k, n) are read in order: hardware sees that coming. */
    if (j->f->w_across) return (struct gemm_float_next){0};
    if (from == n0 + j->n_wide || from >= j->n) { /* the last one of this block */
        k0 += span(j, k0);
        if (k0 < j->k) {
            from = n0;
        } else {
            k0 = 0;
        }
    }
    if (from >= j->n) return (struct gemm_float_next){0};
    int64_t k = span(j, k0);
    return (struct gemm_float_next){weights_at(j, from, k0), j->w_row,
                                    smaller(n_tile, j->n - from),
                                    (k * j->f->w_bytes + 63) / 64};
}

/* The activations that come after rows m0 … m0+m of block k0 of columns n0 … n0+n. */
static struct gemm_float_next next_activations(const struct job *j, int64_t n0, int64_t n,
                                               int64_t m0, int64_t m, int64_t k0) {
    m0 += m;
    if (m0 >= j->m) m0 = 0, k0 += span(j, k0);
    if (k0 >= j->k) k0 = 0, n0 += n;
    if (n0 >= j->n) return (struct gemm_float_next){0};
    m = smaller(j->m_high, j->m - m0);
    int64_t k = span(j, k0), number = sizeof(float);
    int64_t row = j->f->copy_across != NULL ? k0 : m0,
            column = j->f->copy_across != NULL ? m0 : k0;
    return (struct gemm_float_next){j->a + (size_t)row * j->a_row + column * number,
                                    j->a_row, j->f->copy_across != NULL ? k : m,
                                    ((j->f->copy_across != NULL ? m : k) * number + 63) /
                                        64};
}

/* The weights, where they are stored (k, n), that are packed after the block; its last
 * activations' tiles prefetch them. */
static struct gemm_float_next next_weights(const struct job *j, int64_t n0, int64_t n,
                                           int64_t m0, int64_t m, int64_t k0) {
    if (!j->f->w_across || m0 + m < j->m) return (struct gemm_float_next){0};
    k0 += span(j, k0);
    if (k0 >= j->k) k0 = 0, n0 += n;
    if (n0 >= j->n) return (struct gemm_float_next){0};
    n = smaller(j->n_wide, j->n - n0);
    return (struct gemm_float_next){weights_at(j, n0, k0), j->w_row, span(j, k0),
                                    (n * j->f->w_bytes + 63) / 64};
}

static struct ahead ahead_of(const struct job *j, int64_t n0, int64_t n, int64_t m0,
                             int64_t m, int64_t k0) {
    struct ahead ahead = {
        {next_activations(j, n0, n, m0, m, k0), next_weights(j, n0, n, m0, m, k0)},
        {0, 0},
        1};
    int64_t tiles =
        (m + j->f->m_tile - 1) / j->f->m_tile * ((n + j->f->n_tile - 1) / j->f->n_tile);
    if (ahead.left[0].n_rows > 0 && ahead.left[1].n_rows > 0) tiles = (tiles + 1) / 2;
    for (int i = 0; i < 2; i++) ahead.piece[i] = (ahead.left[i].n_rows + tiles - 1) / tiles;
    return ahead;
}

/* The first-level cache of x86 cores has 64 sets of lines: at multiples of 4 KB, rows would
 * share one of them. */
static bool rows_collide(size_t a_row, int64_t m) {
    return a_row % 4096 == 0 && m > 1;
}

void gemm_float_copy_rows(float *to, const void *a, size_t a_row, int64_t rows, int64_t k) {
    const char *from = a;
    for (int64_t l = 0; l < k; l++, from += a_row, to += rows) {
        if (rows < 8) {
            for (int64_t i = 0; i < rows; i++)
                memcpy(to + i, from + i * (int64_t)sizeof *to, sizeof *to);
        } else { /* two halves that overlap; a tile has at most 16 rows */
            memcpy(to, from, 8 * sizeof *to);
            memcpy(to + rows - 8, from + (rows - 8) * (int64_t)sizeof *to, 8 * sizeof *to);
        }
    }
}

/* Tile by tile, as panel_rows cuts them: (k, rows) of each, so that a tile fills few lines. */
static void copy_across(const struct job *j, int64_t m0, int64_t m, int64_t k0, int64_t k) {
    int64_t n_tiles = (m + j->f->m_tile - 1) / j->f->m_tile;
    const char *from = j->a + (size_t)k0 * j->a_row + (size_t)m0 * sizeof(float);
    float *to = (float *)(void *)j->copy;
    for (int64_t t = 0; t < n_tiles; t++) {
        int64_t rows = m / n_tiles + (t < m % n_tiles);
        j->f->copy_across(to, from, j->a_row, rows, k);
        from += (size_t)rows * sizeof(float);
        to += rows * k;
    }
}

static struct activations activations_at(const struct job *j, int64_t m0, int64_t m,
                                         int64_t k0, int64_t k) {
    if (j->f->copy_across != NULL) {
        copy_across(j, m0, m, k0, k);
        return (struct activations){j->copy, 0};
    }
    struct activations x = {j->a + (size_t)m0 * j->a_row + (size_t)k0 * sizeof(float),
                            j->a_row};
    if (j->copy == NULL) return x;
    for (int64_t i = 0; i < m; i++)
        memcpy(j->copy + i * COPY_ROW, x.a + (size_t)i * x.row, (size_t)k * sizeof(float));
    return (struct activations){j->copy, COPY_ROW};
}

/* Block k0 of columns n0 … n0+n. */
static void block(const struct job *j, int64_t n0, int64_t n, int64_t k0) {
    const struct gemm_float *f = j->f;
    int64_t k = span(j, k0);
    const struct gemm_float_next nothing = {0};
    for (int64_t m0 = 0; m0 < j->m; m0 += j->m_high) {
        int64_t m = smaller(j->m_high, j->m - m0);
        struct activations x = activations_at(j, m0, m, k0, k);
        struct ahead ahead = ahead_of(j, n0, n, m0, m, k0);
        for (int64_t l = 0; l < n; l += f->n_tile) {
            struct place p = {
                j->panels + l * K_MOST, j->sums + l * GEMM_FLOAT_ROWS, n0 + l, k0, k,
                l + f->n_tile <= n};
            const char *w = weights_at(j, n0 + l, k0);
            if (m0 == 0) f->pack(p.panel, w, j->w_row, smaller(f->n_tile, n - l), k);
            struct gemm_float_next next = m0 == 0 ? next_panel(j, n0, l, k0) : nothing;
            panel_rows(j, &p, x, m0, m, &next, &ahead);
        }
    }
}

/* A few whole rows, copied where they would collide and fit. */
static void stream(const struct job *j, void *scratch) {
    struct activations x = {j->a, j->a_row};
    size_t row = (size_t)j->k * sizeof(float);
    if (rows_collide(x.row, j->m) && (size_t)j->m * (row + 64) <= GEMM_SCRATCH_BYTES) {
        for (int64_t i = 0; i < j->m; i++)
            memcpy((char *)scratch + (size_t)i * (row + 64), x.a + (size_t)i * x.row, row);
        x = (struct activations){scratch, row + 64};
    }
    j->f->stream(j->c, j->c_stride, x.a, x.row, j->w, j->w_row, j->m, j->n, j->k, scratch);
}

/* n cut into as few pieces of at most `most` as can be, evenly: 384 columns are 192 + 192, not
 * 320 + 64, for what passes by does so for each. A multiple of `unit`, which divides `most`. */
static int64_t even(int64_t n, int64_t most, int64_t unit) {
    int64_t parts = (n + most - 1) / most;
    return parts == 0 ? 0 : (n + parts * unit - 1) / (parts * unit) * unit;
}

static struct job job_of(const struct gemm_float *f, float *c, int64_t c_stride,
                         const void *a, size_t a_row, const void *w, size_t w_row,
                         int64_t m, int64_t n, int64_t k, void *scratch) {
    float *sums = (float *)scratch + GEMM_FLOAT_N * K_MOST;
    char *copy = (char *)(sums + GEMM_FLOAT_N * GEMM_FLOAT_ROWS);
    struct job j = {.f = f,
                    .c = c,
                    .c_stride = c_stride,
                    .a = a,
                    .w = w,
                    .a_row = a_row,
                    .w_row = w_row,
                    .m = m,
                    .n = n,
                    .k = k,
                    .n_wide = even(n, GEMM_FLOAT_N, f->n_tile),
                    .panels = scratch,
                    .sums = sums};
    if (f->copy_across != NULL || rows_collide(a_row, m)) j.copy = copy;
    return j;
}

static void run(struct job *j) {
    /* Weights that are stored (k, n) are packed at next to no cost, so that sums may stay in
     * the second-level cache. */
    int64_t most = j->f->w_across ? ROWS_ACROSS : GEMM_FLOAT_ROWS, m = j->m;
    int64_t rows = even(m, most, 1);
    for (; m > 0; m -= rows) {
        j->m = smaller(rows, m);
        j->m_high = even(j->m, GEMM_FLOAT_M, j->f->m_tile);
        for (int64_t n0 = 0; n0 < j->n; n0 += j->n_wide)
            for (int64_t k0 = 0; k0 < j->k; k0 += span(j, k0))
                block(j, n0, smaller(j->n_wide, j->n - n0), k0);
        j->a += (size_t)rows * (j->f->copy_across != NULL ? sizeof(float) : j->a_row);
        j->c += rows * j->c_stride;
    }
}

void gemm_float_run(const struct gemm_float *f, float *c, int64_t c_stride, const void *a,
                    size_t a_row, const void *w, size_t w_row, int64_t m, int64_t n,
                    int64_t k, void *scratch) {
    struct job j = job_of(f, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
    if (k == 0) {
        for (int64_t i = 0; i < m; i++) memset(c + i * c_stride, 0, (size_t)n * sizeof *c);
    } else if (m <= f->m_stream && n >= f->n_tile) {
        stream(&j, scratch);
    } else {
        run(&j);
    }
}

void gemm_float_more(const struct gemm_float *f, float *c, int64_t c_stride, const void *a,
                     size_t a_row, const void *w, size_t w_row, int64_t m, int64_t n,
                     int64_t k, void *scratch) {
    struct job j = job_of(f, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
    j.more = true;
    run(&j);
}
