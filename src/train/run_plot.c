/* run_plot.c - loss.svg, loss.png, speed.svg, speed.png: a run over its steps.
 *
 * Training losses and speeds are means over as many steps as share a point's place; held-out losses
 * are dots. */
#include "train/run_parts.h"

#include "train/canvas.h"
#include "train/run_metrics.h"

#include <math.h>
#include <stdio.h>

enum { WIDTH = 720, HEIGHT = 400, LEFT = 60, RIGHT = 20, TOP = 40, BOTTOM = 50 };
enum { BLUE = 0x3366cc, RED = 0xcc3300, GREY = 0xdddddd, BLACK = 0 };
enum { POINTS = 300 };

struct scale {
    double low, high; /* at the bottom and the top */
    double steps;
};

static struct point place(const struct scale *s, double step, double value) {
    return (struct point){LEFT + (WIDTH - LEFT - RIGHT) * step / s->steps,
                          TOP + (HEIGHT - TOP - BOTTOM) * (s->high - value) /
                                    (s->high - s->low)};
}

static void widen(struct scale *s, double value) {
    s->low = value < s->low ? value : s->low;
    s->high = value > s->high ? value : s->high;
}

/* Lines across at round numbers, about six; and steps below. */
static glass_status draw_grid(struct canvas *c, struct scale *s) {
    char text[32];
    if (!(s->low < s->high)) s->low = s->high - 1;
    double step = pow(10, floor(log10((s->high - s->low) / 3)));
    while ((s->high - s->low) / step > 8) step *= 2;
    for (double y = ceil(s->low / step) * step; y <= s->high; y += step) {
        struct point ends[2] = {place(s, 0, y), place(s, s->steps, y)};
        snprintf(text, sizeof text, "%.6g", fabs(y) < step / 2 ? 0 : y);
        TRY(canvas_lines(c, ends, 2, GREY, NULL));
        ends[0].x -= 6;
        ends[0].y += 4;
        TRY(canvas_text(c, ends[0], ANCHOR_END, BLACK, text));
    }
    for (int i = 0; i <= 4; i++) {
        struct point foot = place(s, s->steps * i / 4, s->low);
        foot.y = HEIGHT - BOTTOM + 20;
        snprintf(text, sizeof text, "%.0f", s->steps * i / 4);
        TRY(canvas_text(c, foot, ANCHOR_MIDDLE, BLACK, text));
    }
    const struct point middle = {(double)WIDTH / 2, HEIGHT - 10};
    return canvas_text(c, middle, ANCHOR_MIDDLE, BLACK, "step");
}

/* Means of values over the steps that share a place. */
static glass_status draw_line(struct canvas *c, const struct scale *s, const double *values,
                              const struct metric *list, int64_t n, const char *id) {
    struct point points[POINTS];
    int64_t each = (n + POINTS - 1) / POINTS, n_points = 0;
    for (int64_t i = 0; i < n; i += each) {
        double sum = 0, steps = 0;
        int64_t m = n - i < each ? n - i : each;
        for (int64_t j = i; j < i + m; j++) {
            sum += values[j];
            steps += (double)list[j].step;
        }
        points[n_points++] = place(s, steps / (double)m, sum / (double)m);
    }
    return canvas_lines(c, points, n_points, BLUE, id);
}

static glass_status draw_held_out(struct canvas *c, const struct scale *s,
                                  const struct metric *list, int64_t n) {
    char title[96];
    for (int64_t i = 0; i < n; i++) {
        const struct metric *m = &list[i];
        if (!m->evaluated) continue;
        snprintf(title, sizeof title, "step %lld: %.4f, %.4f bits a byte",
                 (long long)m->step, m->held_out_loss, m->bits_per_byte);
        TRY(canvas_dot(c, place(s, (double)m->step, m->held_out_loss), RED, title));
    }
    return GLASS_OK;
}

static glass_status draw_loss(struct canvas *c, const struct metric *list, int64_t n,
                              int64_t n_steps, double *values) {
    struct scale s = {INFINITY, 0, (double)n_steps};
    const struct point title = {LEFT, 22}, beside = {LEFT + 110, 22};
    for (int64_t i = 0; i < n; i++) {
        values[i] = list[i].loss;
        widen(&s, values[i]);
        if (list[i].evaluated) widen(&s, list[i].held_out_loss);
    }
    TRY(canvas_text(c, title, ANCHOR_START, BLUE, "loss: training"));
    TRY(canvas_text(c, beside, ANCHOR_START, RED, "held out"));
    TRY(draw_grid(c, &s));
    TRY(draw_line(c, &s, values, list, n, "training"));
    return draw_held_out(c, &s, list, n);
}

static glass_status draw_speed(struct canvas *c, const struct metric *list, int64_t n,
                               int64_t n_steps, double *values) {
    struct scale s = {0, 0, (double)n_steps};
    const struct point title = {LEFT, 22};
    for (int64_t i = 0; i < n; i++) {
        values[i] = list[i].tokens / (double)list[i].step / list[i].seconds;
        if (!isfinite(values[i])) values[i] = 0;
        widen(&s, values[i]);
    }
    TRY(canvas_text(c, title, ANCHOR_START, BLUE, "tokens a second"));
    TRY(draw_grid(c, &s));
    return draw_line(c, &s, values, list, n, "speed");
}

static glass_status draw(const struct glass_run *run, const struct metric *list, int64_t n,
                         bool speed) {
    struct canvas c = {0};
    char *path = NULL;
    double *values = NULL;
    glass_status status;
    TRY_FAIL(canvas_init(&c, WIDTH, HEIGHT));
    TRY_FAIL(mem_alloc(&values, (size_t)n, sizeof *values));
    TRY_FAIL(speed ? draw_speed(&c, list, n, run->recipe.steps, values)
                   : draw_loss(&c, list, n, run->recipe.steps, values));
    TRY_FAIL(run_path(&path, run, speed ? "speed" : "loss"));
    status = canvas_write(&c, path);
fail:
    mem_free(path);
    mem_free(values);
    canvas_clear(&c);
    return status;
}

glass_status run_plot(const struct glass_run *run) {
    struct metric *list;
    int64_t n;
    TRY(metrics_read(&list, &n, run->metrics.path));
    glass_status status = GLASS_OK;
    if (n > 0) status = draw(run, list, n, false);
    if (n > 0 && status == GLASS_OK) status = draw(run, list, n, true);
    metrics_free(list, n);
    return status;
}
