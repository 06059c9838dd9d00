/* run_plot.c - loss.svg: the losses of a run over its steps.
 *
 * Training losses are means over as many steps as share a point's place; held-out losses are dots.
 * Nothing but SVG 1.1 and the reader's own fonts. */
#include "train/run_parts.h"

#include "base/path.h"
#include "train/run_metrics.h"

#include <math.h>

enum { WIDTH = 720, HEIGHT = 400, LEFT = 60, RIGHT = 20, TOP = 40, BOTTOM = 50 };

struct scale {
    double low, high; /* losses at the bottom and the top */
    double steps;
};

static double x_of(const struct scale *s, double step) {
    return LEFT + (WIDTH - LEFT - RIGHT) * step / s->steps;
}

static double y_of(const struct scale *s, double loss) {
    return TOP + (HEIGHT - TOP - BOTTOM) * (s->high - loss) / (s->high - s->low);
}

static struct scale scale_of(const struct metric *list, int64_t n, int64_t steps) {
    struct scale s = {INFINITY, 0, (double)steps};
    for (int64_t i = 0; i < n; i++) {
        double loss[2] = {list[i].loss, list[i].held_out_loss};
        for (int j = 0; j < (list[i].evaluated ? 2 : 1); j++) {
            s.low = loss[j] < s.low ? loss[j] : s.low;
            s.high = loss[j] > s.high ? loss[j] : s.high;
        }
    }
    if (!(s.low < s.high)) s.low = s.high - 1;
    return s;
}

/* Lines across at round numbers, about six. */
static glass_status draw_grid(struct buf *b, const struct scale *s) {
    double step = pow(10, floor(log10((s->high - s->low) / 3)));
    while ((s->high - s->low) / step > 8) step *= 2;
    for (double y = ceil(s->low / step) * step; y <= s->high; y += step)
        TRY(buf_printf(b,
                       "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" "
                       "stroke=\"#ddd\"/><text x=\"%d\" y=\"%.1f\" "
                       "text-anchor=\"end\">%.3g</text>\n",
                       LEFT, WIDTH - RIGHT, y_of(s, y), y_of(s, y), LEFT - 6,
                       y_of(s, y) + 4, y));
    for (int i = 0; i <= 4; i++)
        TRY(buf_printf(b, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.0f</text>\n",
                       x_of(s, s->steps * i / 4), HEIGHT - BOTTOM + 20, s->steps * i / 4));
    return buf_printf(b, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">step</text>\n",
                      WIDTH / 2, HEIGHT - 10);
}

static glass_status draw_training(struct buf *b, const struct scale *s,
                                  const struct metric *list, int64_t n) {
    const int64_t points = 300;
    int64_t each = (n + points - 1) / points;
    TRY(buf_text(b, "<polyline id=\"training\" fill=\"none\" stroke=\"#36c\" points=\""));
    for (int64_t i = 0; i < n; i += each) {
        double sum = 0, steps = 0;
        int64_t m = n - i < each ? n - i : each;
        for (int64_t j = i; j < i + m; j++) {
            sum += list[j].loss;
            steps += (double)list[j].step;
        }
        TRY(buf_printf(b, "%s%.1f,%.1f", i > 0 ? " " : "", x_of(s, steps / (double)m),
                       y_of(s, sum / (double)m)));
    }
    return buf_text(b, "\"/>\n");
}

static glass_status draw(struct buf *b, const struct metric *list, int64_t n,
                         int64_t steps) {
    struct scale s = scale_of(list, n, steps);
    TRY(buf_printf(b,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                   "font-family=\"sans-serif\" font-size=\"12\">\n"
                   "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
                   "<text x=\"%d\" y=\"22\" font-size=\"14\">Loss: <tspan fill=\"#36c\">"
                   "training</tspan>, <tspan fill=\"#c30\">held out</tspan></text>\n",
                   WIDTH, HEIGHT, LEFT));
    TRY(draw_grid(b, &s));
    TRY(draw_training(b, &s, list, n));
    for (int64_t i = 0; i < n; i++)
        if (list[i].evaluated)
            TRY(buf_printf(b,
                           "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"#c30\"><title>"
                           "step %lld: %.4f, %.4f bits a byte</title></circle>\n",
                           x_of(&s, (double)list[i].step), y_of(&s, list[i].held_out_loss),
                           (long long)list[i].step, list[i].held_out_loss,
                           list[i].bits_per_byte));
    return buf_text(b, "</svg>\n");
}

glass_status run_plot(const struct glass_run *run) {
    struct buf svg = {0};
    struct metric *list = NULL;
    char *path = NULL;
    int64_t n;
    glass_status status;
    TRY_FAIL(metrics_read(&list, &n, run->metrics.path));
    if (n == 0) goto fail;
    TRY_FAIL(draw(&svg, list, n, run->recipe.steps));
    TRY_FAIL(run_path(&path, run, "loss.svg"));
    status = path_write_whole(path, svg.data, svg.len);
fail:
    mem_free(list);
    mem_free(path);
    buf_free(&svg);
    return status;
}
