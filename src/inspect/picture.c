/* picture.c - what was seen, as SVG or PNG: maps of attention and of layers, bars of losses,
 * histograms. */
#include "base/utf8.h"
#include "glass/inspect.h"
#include "train/canvas.h"

#include <math.h>
#include <stdio.h>

enum { BLACK = 0, GREY = 0x888888, BLUE = 0x3366cc };
enum { MARGIN = 16, LINE = 14, SIDE_MAX = 16000 /* pixels of a picture's side */ };

/* From white (0) by blue to nearly black (1), ever darker. */
static uint32_t shade(double share) {
    static const struct {
        double at, r, g, b;
    } stops[] = {
        {0, 255, 255, 255}, {0.25, 158, 202, 225}, {0.6, 49, 110, 180}, {1, 8, 30, 80}};
    int i = 1;
    if (!(share > 0)) return 0xffffff;
    share = share > 1 ? 1 : share;
    while (share > stops[i].at) i++;
    double t = (share - stops[i - 1].at) / (stops[i].at - stops[i - 1].at);
    double r = stops[i - 1].r + t * (stops[i].r - stops[i - 1].r);
    double g = stops[i - 1].g + t * (stops[i].g - stops[i - 1].g);
    double b = stops[i - 1].b + t * (stops[i].b - stops[i - 1].b);
    return (uint32_t)lround(r) << 16 | (uint32_t)lround(g) << 8 | (uint32_t)lround(b);
}

/* Text as a label: no control characters, at most so many letters. */
static void plain(char out[64], const char *text, size_t n, size_t most) {
    size_t at = 0, letters = 0;
    for (size_t i = 0; i < n && letters < most && at < 56; letters++) {
        uint32_t c;
        i += utf8_decode(&c, text + i, n - i);
        if (c == '\n')
            c = 0x21b5;
        else if (c == UTF8_BAD || c < ' ' || (c >= 0x7f && c < 0xa0) ||
                 (c & 0xfffe) == 0xfffe)
            c = '?';
        at += utf8_encode(out + at, c);
    }
    out[at] = '\0';
}

static void label(char out[64], const glass_tokenizer *t, int32_t id, size_t most) {
    char *text;
    size_t n;
    snprintf(out, 64, "%d", id);
    if (t == NULL || id < 0 || id >= glass_tokenizer_n_vocab(t)) return;
    if (glass_tokenizer_decode(t, &text, &n, &id, 1, GLASS_SHOW_SPECIAL | GLASS_CONTINUE) !=
        GLASS_OK)
        return;
    plain(out, text, n, most);
    glass_free(text);
}

static glass_status start(struct canvas *c, double width, double height) {
    if (width > SIDE_MAX || height > SIDE_MAX)
        return fail(GLASS_USAGE,
                    "a picture of %.0f x %.0f pixels: at most %d a side; ask for fewer "
                    "positions, layers or heads",
                    width, height, SIDE_MAX);
    return canvas_init(c, (int)ceil(width), (int)ceil(height));
}

static glass_status finish(struct canvas *c, const char *path, glass_status status) {
    if (status == GLASS_OK) status = canvas_write_one(c, path);
    canvas_clear(c);
    return status;
}

/* ---- attention ---- */

enum { LABELS = 70 };

/* One head's map with its upper left corner at p; cells of `cell` pixels. */
static glass_status draw_map(struct canvas *c, const glass_attention *a, int64_t i,
                             struct point p, double cell) {
    const float *w = a->weights + i * a->n_queries * a->n_keys;
    char title[96];
    snprintf(title, sizeof title,
             cell * (double)a->n_keys > 110 ? "layer %lld, head %lld" : "%lld, %lld",
             (long long)(a->first_layer + i / a->n_heads),
             (long long)(a->first_head + i % a->n_heads));
    TRY(canvas_text(c, (struct point){p.x, p.y - 4}, ANCHOR_START, BLACK, title));
    TRY(canvas_box(c, p, cell * (double)a->n_keys, cell * (double)a->n_queries, 0xf4f4f4,
                   NULL));
    for (int64_t q = 0; q < a->n_queries; q++)
        for (int64_t k = 0; k <= a->first_query + q; k++) {
            double share = (double)w[q * a->n_keys + k];
            if (share < 1.0 / 512) continue; /* no shade that one sees */
            snprintf(title, sizeof title, "%lld sees %lld: %.4f",
                     (long long)(a->first_query + q), (long long)k, share);
            TRY(canvas_box(c,
                           (struct point){p.x + cell * (double)k, p.y + cell * (double)q},
                           cell, cell, shade(share), title));
        }
    return GLASS_OK;
}

/* A single map has room for the tokens: the queries to its left, the keys below, aslant only in
 * that each stands a line lower than the one before where words would meet. */
static glass_status draw_labels(struct canvas *c, const glass_attention *a,
                                const glass_tokenizer *t, struct point p, double cell) {
    char text[64];
    for (int64_t q = 0; q < a->n_queries; q++) {
        label(text, t, a->ids[a->first_query + q], 10);
        TRY(canvas_text(c, (struct point){p.x - 4, p.y + cell * ((double)q + 0.5) + 4},
                        ANCHOR_END, BLACK, text));
    }
    for (int64_t k = 0; k < a->n_keys; k++) {
        label(text, t, a->ids[k], 10);
        TRY(canvas_text(c,
                        (struct point){p.x + cell * ((double)k + 0.5),
                                       p.y + cell * (double)a->n_queries + LINE +
                                           (double)(k % 5) * LINE},
                        ANCHOR_MIDDLE, BLACK, text));
    }
    return GLASS_OK;
}

glass_status glass_attention_picture(const char *path, const glass_attention *a,
                                     const glass_tokenizer *t) {
    struct canvas c = {0};
    bool one = a->n_layers * a->n_heads == 1;
    double cell = one && a->n_keys <= 64 ? 18
                  : a->n_keys <= 32      ? 8
                  : a->n_keys <= 128     ? 3
                                         : 1;
    double wide = fmax(cell * (double)a->n_keys, 3 * MARGIN) + MARGIN;
    double high = cell * (double)a->n_queries + MARGIN + LINE;
    double left = one ? MARGIN + LABELS : MARGIN;
    TRY(start(&c, left + wide * (double)a->n_heads + (one ? LABELS : 0),
              MARGIN + high * (double)a->n_layers + (one ? 6 * LINE : 0)));
    glass_status status = GLASS_OK;
    for (int64_t i = 0; status == GLASS_OK && i < a->n_layers * a->n_heads; i++) {
        const struct point p = {left + wide * (double)(i % a->n_heads),
                                MARGIN + LINE + high * (double)(i / a->n_heads)};
        status = draw_map(&c, a, i, p, cell);
        if (status == GLASS_OK && one && cell == 18)
            status = draw_labels(&c, a, t, p, cell);
    }
    return finish(&c, path, status);
}

/* ---- predictions ---- */

enum { CELL_WIDTH = 76, CELL_HEIGHT = 18 };

/* Layers upwards, positions to the right; each cell the token that the layer ranks first, the
 * darker the likelier. */
static glass_status draw_lens(struct canvas *c, const glass_predictions *p,
                              const glass_tokenizer *t, int64_t n_layers) {
    double foot = MARGIN + CELL_HEIGHT * (double)n_layers;
    char text[64], title[200];
    for (int64_t i = 0; i < p->n; i++) {
        const glass_prediction *x = &p->list[i];
        const struct point at = {MARGIN + 40 + CELL_WIDTH * (double)(i / n_layers),
                                 foot - CELL_HEIGHT * (double)(i % n_layers + 1)};
        double share = exp(x->top[0].logprob);
        label(text, t, x->top[0].id, 9);
        snprintf(title, sizeof title,
                 "layer %lld, position %lld: %.4f; the last layer's answer %.4f, rank %lld",
                 (long long)x->layer, (long long)x->position, share, exp(x->answer_logprob),
                 (long long)x->answer_rank);
        TRY(canvas_box(c, at, CELL_WIDTH - 1, CELL_HEIGHT - 1, shade(share), title));
        TRY(canvas_text(c, (struct point){at.x + CELL_WIDTH / 2.0, at.y + 13},
                        ANCHOR_MIDDLE, share > 0.45 ? 0xffffff : BLACK, text));
        if (i < n_layers) {
            snprintf(text, sizeof text, "%lld", (long long)x->layer);
            TRY(canvas_text(c, (struct point){MARGIN + 34, at.y + 13}, ANCHOR_END, GREY,
                            text));
        }
    }
    for (int64_t i = 0; i < p->n; i += n_layers) {
        int64_t before = p->list[i].position - 1;
        const struct point at = {MARGIN + 40 + CELL_WIDTH * ((double)(i / n_layers) + 0.5),
                                 foot + LINE};
        label(text, t, p->ids[before], 10);
        TRY(canvas_text(c, at, ANCHOR_MIDDLE, BLUE, text));
    }
    return GLASS_OK;
}

/* A bar for each token: as many bits as it cost. */
static glass_status draw_losses(struct canvas *c, const glass_predictions *p,
                                const glass_tokenizer *t, double most) {
    char text[64], title[96];
    for (int64_t i = 0; i < p->n; i++) {
        const glass_prediction *x = &p->list[i];
        double y = MARGIN + CELL_HEIGHT * (double)i, bits = -x->logprob / log(2);
        if (x->id < 0) continue;
        label(text, t, x->id, 14);
        TRY(canvas_text(c, (struct point){MARGIN + 110, y + 13}, ANCHOR_END, BLACK, text));
        snprintf(title, sizeof title, "position %lld: %.3f bits, p %.4f, rank %lld",
                 (long long)x->position, bits, exp(x->logprob), (long long)x->rank);
        TRY(canvas_box(c, (struct point){MARGIN + 116, y + 3}, 1 + 400 * bits / most,
                       CELL_HEIGHT - 6, x->rank == 1 ? BLUE : shade(0.3), title));
        snprintf(text, sizeof text, "%.2f", bits);
        TRY(canvas_text(c, (struct point){MARGIN + 123 + 400 * bits / most, y + 13},
                        ANCHOR_START, GREY, text));
    }
    return GLASS_OK;
}

glass_status glass_predictions_picture(const char *path, const glass_predictions *p,
                                       const glass_tokenizer *t) {
    struct canvas c = {0};
    int64_t n_layers = 1;
    double most = 1;
    while (n_layers < p->n && p->list[n_layers].position == p->list[0].position) n_layers++;
    bool lens = n_layers > 1 || p->list[0].layer != p->n_layer;
    for (int64_t i = 0; i < p->n; i++) most = fmax(most, -p->list[i].logprob / log(2));
    if (lens) {
        TRY(start(&c, 2 * MARGIN + 40 + CELL_WIDTH * (double)(p->n / n_layers),
                  2 * MARGIN + LINE + CELL_HEIGHT * (double)n_layers));
        return finish(&c, path, draw_lens(&c, p, t, n_layers));
    }
    TRY(start(&c, 2 * MARGIN + 580, 2 * MARGIN + CELL_HEIGHT * (double)p->n));
    return finish(&c, path, draw_losses(&c, p, t, most));
}

/* ---- tensors ---- */

enum { HISTOGRAM_WIDTH = 8 * GLASS_BINS, HISTOGRAM_HEIGHT = 60 };

static glass_status draw_histogram(struct canvas *c, const glass_tensor_view *v,
                                   struct point p) {
    char text[200], name[64], type[64];
    int64_t most = 1;
    for (int i = 0; i < GLASS_BINS; i++) most = v->bins[i] > most ? v->bins[i] : most;
    plain(name, v->name, strlen(v->name), 50);
    plain(type, v->type, strlen(v->type), 20);
    snprintf(text, sizeof text, "%s (%s): %.4g to %.4g, std %.4g", name, type, v->min,
             v->max, v->std);
    TRY(canvas_text(c, (struct point){p.x, p.y - 4}, ANCHOR_START, BLACK, text));
    for (int i = 0; i < GLASS_BINS; i++) {
        double high = HISTOGRAM_HEIGHT * (double)v->bins[i] / (double)most;
        double step = (v->high - v->low) / GLASS_BINS;
        snprintf(text, sizeof text, "%.4g to %.4g: %lld", v->low + i * step,
                 v->low + (i + 1) * step, (long long)v->bins[i]);
        TRY(canvas_box(c, (struct point){p.x + 8 * i, p.y + HISTOGRAM_HEIGHT - high}, 7,
                       high, BLUE, text));
    }
    const struct point ends[2] = {{p.x, p.y + HISTOGRAM_HEIGHT},
                                  {p.x + HISTOGRAM_WIDTH, p.y + HISTOGRAM_HEIGHT}};
    return canvas_lines(c, ends, 2, GREY, NULL);
}

glass_status glass_tensors_picture(const char *path, const glass_tensors *t) {
    struct canvas c = {0};
    enum { COLUMNS = 3, WIDE = 460, HIGH = HISTOGRAM_HEIGHT + LINE + MARGIN };
    int64_t columns = t->n < COLUMNS ? t->n : COLUMNS;
    int64_t rows = columns > 0 ? (t->n + columns - 1) / columns : 0;
    TRY(start(&c, MARGIN + WIDE * (double)columns, 2 * MARGIN + HIGH * (double)rows));
    glass_status status = GLASS_OK;
    for (int64_t i = 0; status == GLASS_OK && i < t->n; i++)
        status =
            draw_histogram(&c, &t->list[i],
                           (struct point){MARGIN + WIDE * (double)(i % columns),
                                          MARGIN + LINE + HIGH * (double)(i / columns)});
    return finish(&c, path, status);
}
