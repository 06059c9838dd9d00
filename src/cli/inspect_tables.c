/* inspect_tables.c - the views of glass inspect in a terminal. */
#include "cli/cmd_inspect.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { TOKEN = 18, SHOWN_PAIRS = 30, SHOWN_KEYS = 8 };

/* As many of a prediction's choices as fit the columns left. */
static void print_top(const glass_tokenizer *t, const glass_prediction *p, int64_t n_top,
                      int columns) {
    for (int64_t i = 0; i < n_top && columns >= TOKEN + 7; i++, columns -= TOKEN + 7) {
        inspect_token(t, p->top[i].id, TOKEN);
        printf("%6.3f ", exp(p->top[i].logprob));
    }
    printf("\n");
}

void inspect_show_logits(const glass_predictions *p, const glass_tokenizer *t) {
    int room = inspect_columns() - 60;
    printf("%5s %-*s %7s %7s %6s %-12s %s\n", "", TOKEN, "token", "p", "bits", "rank", "",
           "likeliest");
    for (int64_t i = 0; i < p->n; i++) {
        const glass_prediction *x = &p->list[i];
        printf("%5lld ", (long long)x->position);
        if (x->id >= 0) {
            double bits = -x->logprob / log(2);
            inspect_token(t, x->id, TOKEN);
            printf(" %7.4f %7.3f %6lld ", exp(x->logprob), bits, (long long)x->rank);
            inspect_bar(bits / 16, 12);
        } else {
            printf("%-*s %7s %7s %6s %-12s", TOKEN, "(what follows)", "", "", "", "");
        }
        printf(" ");
        print_top(t, x, p->n_top, room > TOKEN + 7 ? room : TOKEN + 7);
    }
    if (p->n_scored == 0) return;
    printf("%lld tokens, %.4f bits a token (nll %.4f, perplexity %.3f)\n",
           (long long)p->n_scored, p->nll / log(2), p->nll, exp(p->nll));
}

void inspect_show_layers(const glass_predictions *p, const glass_tokenizer *t) {
    int room = inspect_columns() - 51;
    for (int64_t i = 0; i < p->n; i++) {
        const glass_prediction *x = &p->list[i];
        if (i == 0 || x->position != p->list[i - 1].position) {
            printf("%safter position %lld, ", i > 0 ? "\n" : "",
                   (long long)x->position - 1);
            inspect_token(t, p->ids[x->position - 1], 1 + TOKEN);
            printf("; the last layer's answer: ");
            inspect_token(t, x->answer, 0 + TOKEN);
            printf("\n%5s %-22s %6s %8s %7s  %s\n", "layer", "p of that answer", "rank",
                   "KL", "entropy", "likeliest here");
        }
        printf("%5lld ", (long long)x->layer);
        inspect_bar(exp(x->answer_logprob), 14);
        printf(" %7.4f %6lld %8.3f %7.3f  ", exp(x->answer_logprob),
               (long long)x->answer_rank, x->kl, x->entropy);
        print_top(t, x, p->n_top, room > TOKEN + 7 ? room : TOKEN + 7);
    }
}

/* ---- attention ---- */

/* A line of cells for the shares of n keys; columns that are fewer sum up their keys. */
static void print_cells(const double *shares, int64_t n, int columns, int width) {
    for (int64_t c = 0; c < columns; c++) {
        double sum = 0;
        for (int64_t k = c * n / columns; k < (c + 1) * n / columns; k++) sum += shares[k];
        inspect_cell(sum, width);
    }
}

/* Columns of a map of n keys, and their width. */
static int columns_of(int64_t n, int room, int *width) {
    *width = 2 * n <= room ? 2 : 1;
    return n <= room ? (int)n : room;
}

/* Mean over heads first … first+n-1 of what a query of a layer sees. */
static void mean_of(double *out, const glass_attention *a, int64_t layer, int64_t first,
                    int64_t n, int64_t query) {
    for (int64_t k = 0; k < a->n_keys; k++) out[k] = 0;
    for (int64_t h = first; h < first + n; h++) {
        const float *w =
            a->weights + ((layer * a->n_heads + h) * a->n_queries + query) * a->n_keys;
        for (int64_t k = 0; k < a->n_keys; k++) out[k] += (double)w[k] / (double)n;
    }
}

static void print_keys(const glass_attention *a, const glass_tokenizer *t,
                       const double *shares) {
    int64_t best[SHOWN_KEYS];
    int n = 0;
    for (int64_t k = 0; k < a->n_keys; k++) {
        if (n == SHOWN_KEYS && shares[k] <= shares[best[n - 1]]) continue;
        int at = n < SHOWN_KEYS ? n++ : n - 1;
        for (; at > 0 && shares[best[at - 1]] < shares[k]; at--) best[at] = best[at - 1];
        best[at] = k;
    }
    for (int i = 0; i < n && shares[best[i]] > 0; i++) {
        printf("  %5lld ", (long long)best[i]);
        inspect_token(t, a->ids[best[i]], TOKEN);
        printf(" %6.3f ", shares[best[i]]);
        inspect_bar(shares[best[i]], 30);
        printf("\n");
    }
}

/* One query: a line for each layer (mean of its heads), or for each head of the only layer. */
static void show_query(const glass_attention *a, const glass_tokenizer *t, double *shares,
                       double *all, int room) {
    bool by_head = a->n_layers == 1;
    int64_t n = by_head ? a->n_heads : a->n_layers;
    int width, columns = columns_of(a->n_keys, room, &width);
    printf("what position %lld, ", (long long)a->first_query);
    inspect_token(t, a->ids[a->first_query], TOKEN);
    printf(", attends to: positions 0 to %lld from left to right\n",
           (long long)a->n_keys - 1);
    for (int64_t k = 0; k < a->n_keys; k++) all[k] = 0;
    for (int64_t i = 0; i < n; i++) {
        if (by_head)
            mean_of(shares, a, 0, i, 1, 0);
        else
            mean_of(shares, a, i, 0, a->n_heads, 0);
        printf("%s %3lld ", by_head ? " head" : "layer",
               (long long)(i + (by_head ? a->first_head : a->first_layer)));
        print_cells(shares, a->n_keys, columns, width);
        printf("\n");
        for (int64_t k = 0; k < a->n_keys; k++) all[k] += shares[k] / (double)n;
    }
    printf("most, over all of these:\n");
    print_keys(a, t, all);
}

/* Many queries: a map for each layer and head. */
static void show_maps(const glass_attention *a, const glass_tokenizer *t, double *shares,
                      int room) {
    int width, columns = columns_of(a->n_keys, room - TOKEN, &width);
    for (int64_t i = 0; i < a->n_layers * a->n_heads; i++) {
        int64_t window = a->windows[i / a->n_heads];
        printf("%slayer %lld, head %lld", i > 0 ? "\n" : "",
               (long long)(a->first_layer + i / a->n_heads),
               (long long)(a->first_head + i % a->n_heads));
        if (window > 0) printf(", which sees %lld positions", (long long)window);
        printf("\n");
        for (int64_t q = 0; q < a->n_queries; q++) {
            mean_of(shares, a, i / a->n_heads, i % a->n_heads, 1, q);
            printf("%5lld ", (long long)(a->first_query + q));
            inspect_token(t, a->ids[a->first_query + q], TOKEN);
            print_cells(shares, a->n_keys, columns, width);
            printf("\n");
        }
    }
}

void inspect_show_attention(const glass_attention *a, const glass_tokenizer *t) {
    double *shares;
    int room = inspect_columns() - 10;
    if (mem_alloc(&shares, 2 * (size_t)a->n_keys, sizeof *shares) != GLASS_OK) return;
    if (a->n_queries == 1)
        show_query(a, t, shares, shares + a->n_keys, room);
    else
        show_maps(a, t, shares, room);
    mem_free(shares);
}

/* ---- tensors ---- */

static void shape_text(char text[64], const int64_t *shape, int n) {
    text[0] = '\0';
    for (int d = 0; d < n; d++) {
        size_t at = strlen(text);
        snprintf(text + at, 64 - at, "%s%lld", d ? "x" : "", (long long)shape[d]);
    }
}

/* A name as the terminal may show it. */
static void print_name(const char *name, int width) {
    int n = 0;
    for (; *name != '\0' && n < width - 1; name++, n++)
        putchar(*name >= ' ' && *name < 0x7f ? *name : '?');
    for (; n < width; n++) putchar(' ');
}

static void print_bins(const glass_tensor_view *v) {
    int64_t most = 1;
    for (int i = 0; i < GLASS_BINS; i++) most = v->bins[i] > most ? v->bins[i] : most;
    for (int i = 0; i < GLASS_BINS; i++) {
        double step = (v->high - v->low) / GLASS_BINS;
        if (v->bins[i] == 0 && (i == 0 || v->bins[i - 1] == 0) &&
            (i + 1 == GLASS_BINS || v->bins[i + 1] == 0))
            continue; /* far tails */
        printf("  %11.4g ", v->low + i * step);
        inspect_bar((double)v->bins[i] / (double)most, 50);
        printf(" %lld\n", (long long)v->bins[i]);
    }
}

void inspect_show_tensors(const glass_tensors *t, bool whole) {
    int name = 12;
    for (int64_t i = 0; i < t->n; i++) {
        int n = (int)strlen(t->list[i].name) + 2;
        if (n > name) name = n < 60 ? n : 60;
    }
    printf("%-*s%-7s%-16s%10s%11s%11s%11s%11s%9s  %s\n", name, "name", "type", "shape",
           "norm", "mean", "std", "min", "max", "zeros", "histogram");
    for (int64_t i = 0; i < t->n; i++) {
        const glass_tensor_view *v = &t->list[i];
        char shape[64];
        shape_text(shape, v->shape, v->n_dims);
        print_name(v->name, name);
        printf("%-7s%-16s", v->type, shape);
        if (!v->known) {
            printf("  (numbers of this type are not read)\n");
            continue;
        }
        printf("%10.4g%11.3g%11.3g%11.3g%11.3g%9lld  ", v->norm, v->mean, v->std, v->min,
               v->max, (long long)v->n_zero);
        inspect_spark(v->bins, GLASS_BINS, 2);
        if (v->n_bad > 0) printf("  %lld not finite", (long long)v->n_bad);
        printf("\n");
        if (whole) print_bins(v);
    }
}

/* ---- two models ---- */

static int by_likeness(const void *a, const void *b) {
    const glass_tensor_pair *x = *(const glass_tensor_pair *const *)a;
    const glass_tensor_pair *y = *(const glass_tensor_pair *const *)b;
    if (x->likeness != y->likeness) return (int)y->likeness - (int)x->likeness;
    return (x->cosine > y->cosine) - (x->cosine < y->cosine);
}

static void print_pair(const glass_tensor_pair *p) {
    char shape[64], types[40];
    shape_text(shape, p->shape, p->n_dims);
    const char *a = p->type_a != NULL ? p->type_a : "-",
               *b = p->type_b != NULL ? p->type_b : "-";
    snprintf(types, sizeof types, strcmp(a, b) == 0 ? "%.16s" : "%.16s, %.16s", a, b);
    print_name(p->name, 34);
    printf("%-14s%-14s%-13s", types, shape, glass_likeness_name(p->likeness));
    if (p->likeness == GLASS_UNCOMPARED)
        printf(" %s\n", p->type_b == NULL   ? "only in the first"
                        : p->type_a == NULL ? "only in the second"
                                            : "other shapes, or types that are not read");
    else
        printf("%9.5f%10.5f%9.3f%9.3f\n", p->cosine, p->relative, p->norm_a, p->norm_b);
}

void inspect_show_diff(const glass_diff *d, bool all) {
    const glass_tensor_pair **list;
    int64_t n = 0;
    printf("%s\n\n", d->verdict);
    for (int i = 0; i <= GLASS_UNCOMPARED; i++)
        if (d->counts[i] > 0)
            printf("%6lld tensors %s\n", (long long)d->counts[i],
                   glass_likeness_name((glass_likeness)i));
    if (d->counts[GLASS_UNCOMPARED] < d->n)
        printf("matrices: cosine %.5f, median %.5f, relative distance %.5f\n", d->cosine,
               d->median, d->relative);
    if (mem_alloc(&list, (size_t)d->n, sizeof *list) != GLASS_OK) return;
    for (int64_t i = 0; i < d->n; i++)
        if (all || d->list[i].likeness > GLASS_SAME_VALUES) list[n++] = &d->list[i];
    if (!all) qsort(list, (size_t)n, sizeof *list, by_likeness);
    int64_t shown = all || n <= SHOWN_PAIRS ? n : SHOWN_PAIRS;
    if (n > 0)
        printf("\n%-34s%-14s%-14s%-13s%9s%10s%9s%9s\n",
               all ? "tensor" : "least alike first", "types", "shape", "", "cosine",
               "relative", "norm", "norm");
    for (int64_t i = 0; i < shown; i++) print_pair(list[i]);
    if (shown < n) printf("… and %lld more (--all)\n", (long long)(n - shown));
    mem_free(list);
}
