/* import_meta.c - models as Meta publishes them: params.json beside consolidated.NN.pth, each a
 * shard with a slice of every matrix; and llama2.c's files, whose tensors have the same names.
 *
 * Which way a matrix is sliced follows from its layer in the reference code: those that read
 * the model's width are cut by rows, those that give it by columns. Embeddings were cut by
 * columns up to Llama 2 and are by rows since; their shapes tell. Rows of q and k are in pairs,
 * as the canonical form has them. Source: model.py of the llama and llama-models projects. */
#include "base/buf.h"
#include "format/llama2c.h"
#include "model/import_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum join { JOIN_SAME, JOIN_ROWS, JOIN_COLUMNS };
enum side { SIDE_WIDTH, SIDE_QUERIES, SIDE_KEYS, SIDE_MLP, SIDE_VOCAB };

struct meta_name {
    const char *theirs, *ours; /* '#' is the layer's number */
    enum join join;
    enum side
        rows; /* what they count; columns are the width, or for JOIN_COLUMNS the rows */
};

// clang-format off
static const struct meta_name names[] = {
    {"tok_embeddings", "token_embd", JOIN_ROWS, SIDE_VOCAB},
    {"norm", "output_norm", JOIN_SAME, SIDE_WIDTH},
    {"output", "output", JOIN_ROWS, SIDE_VOCAB},
    {"layers.#.attention_norm", "blk.#.attn_norm", JOIN_SAME, SIDE_WIDTH},
    {"layers.#.ffn_norm", "blk.#.ffn_norm", JOIN_SAME, SIDE_WIDTH},
    {"layers.#.attention.wq", "blk.#.attn_q", JOIN_ROWS, SIDE_QUERIES},
    {"layers.#.attention.wk", "blk.#.attn_k", JOIN_ROWS, SIDE_KEYS},
    {"layers.#.attention.wv", "blk.#.attn_v", JOIN_ROWS, SIDE_KEYS},
    {"layers.#.attention.wo", "blk.#.attn_output", JOIN_COLUMNS, SIDE_QUERIES},
    {"layers.#.feed_forward.w1", "blk.#.ffn_gate", JOIN_ROWS, SIDE_MLP},
    {"layers.#.feed_forward.w3", "blk.#.ffn_up", JOIN_ROWS, SIDE_MLP},
    {"layers.#.feed_forward.w2", "blk.#.ffn_down", JOIN_COLUMNS, SIDE_MLP},
};
// clang-format on
enum { N_NAMES = sizeof names / sizeof *names, EMBEDDING = 0, HEAD = 2, W1 = 9 };

struct meta {
    struct import *im;
    const struct llama2c_header *llama2c; /* NULL: Meta's own */
    const struct archive_tensor **shards; /* (parts) of the tensor at hand */
    struct gguf_piece *pieces;            /* (parts) */
};

static const char *where(const struct meta *m, const struct archive_tensor *t) {
    return archive_part_path(m->im->archive, t->part);
}

/* ---- tensors ---- */

static glass_status find_shards(struct meta *m, const struct meta_name *row,
                                int64_t layer) {
    struct import *im = m->im;
    char name[128];
    import_spell(name, "", row->theirs, layer, ".weight");
    for (int p = 0; p < archive_n_parts(im->archive); p++) {
        const struct archive_tensor *t = archive_find(im->archive, name, p);
        if (t == NULL)
            return fail(GLASS_BAD_INPUT, "%s: tensor %s is missing",
                        archive_part_path(im->archive, p), name);
        const struct archive_tensor *first = m->shards[0];
        int n_dims = row->join == JOIN_SAME ? 1 : 2;
        if (t->n_dims != n_dims || t->shape[0] < 1 || (n_dims == 2 && t->shape[1] < 1))
            return fail(GLASS_BAD_INPUT, "%s: tensor %s is no %s", where(m, t), name,
                        n_dims == 1 ? "vector" : "matrix");
        if (p > 0 && (t->known != first->known || t->dtype != first->dtype))
            return fail(GLASS_BAD_INPUT, "%s: tensor %s is %s, but %s in %s", where(m, t),
                        name, t->type, first->type, where(m, first));
        m->shards[p] = t;
    }
    return GLASS_OK;
}

static int64_t side(const struct import *im, enum side s) {
    switch (s) {
    case SIDE_QUERIES: return im->n_head * im->head_dim;
    case SIDE_KEYS: return im->n_head_kv * im->head_dim;
    case SIDE_MLP: return im->n_ff;
    case SIDE_VOCAB: return im->n_vocab;
    default: return im->n_embd;
    }
}

static glass_status wrong_shape(const struct meta *m, const struct archive_tensor *t,
                                int64_t rows, int64_t columns, const char *how) {
    return fail(GLASS_BAD_INPUT, "%s: tensor %s is %lld x %lld; %s asks for %lld x %lld%s",
                where(m, t), t->name, (long long)t->shape[0], (long long)t->shape[1],
                m->im->config_path, (long long)rows, (long long)columns, how);
}

/* Shards of the rows beyond one set of heads hold copies: every `copies`-th counts. */
static glass_status join_rows(struct meta *m, const struct meta_name *row, int64_t rows,
                              int64_t columns, int *n_pieces) {
    int n = archive_n_parts(m->im->archive), copies = 1;
    int64_t sum = 0;
    for (int p = 0; p < n; p++) {
        if (m->shards[p]->shape[1] != columns)
            return wrong_shape(m, m->shards[p], rows / n, columns, "");
        sum += m->shards[p]->shape[0];
    }
    if (row->rows == SIDE_KEYS && sum > rows && sum % rows == 0 && sum / rows <= n &&
        n % (int)(sum / rows) == 0)
        copies = (int)(sum / rows);
    else if (sum != rows)
        return wrong_shape(m, m->shards[0], rows / n, columns,
                           n > 1 ? " in each shard; the shards' rows do not add up" : "");
    *n_pieces = n / copies;
    for (int p = 0; p < n; p++) {
        const struct archive_tensor *t = m->shards[p], *of = m->shards[p / copies * copies];
        if (t != of &&
            (t->n_bytes != of->n_bytes || memcmp(t->data, of->data, t->n_bytes) != 0))
            return fail(GLASS_BAD_INPUT, "%s: tensor %s is no copy of the one in %s",
                        where(m, t), t->name, where(m, of));
        if (t == of) m->pieces[p / copies] = (struct gguf_piece){t->data, t->shape[0]};
    }
    return GLASS_OK;
}

static glass_status join_columns(struct meta *m, int64_t rows, int64_t columns,
                                 int *n_pieces) {
    int n = archive_n_parts(m->im->archive);
    int64_t sum = 0;
    for (int p = 0; p < n; p++) {
        const struct archive_tensor *t = m->shards[p];
        if (t->shape[0] != rows) return wrong_shape(m, t, rows, columns / n, "");
        sum += t->shape[1];
        m->pieces[p] = (struct gguf_piece){t->data, t->shape[1]};
    }
    *n_pieces = n;
    if (sum == columns) return GLASS_OK;
    return wrong_shape(m, m->shards[0], rows, columns / n,
                       n > 1 ? " in each shard; the shards' columns do not add up" : "");
}

/* 8-bit numbers with a scale a group. */
static glass_status scaled(struct meta *m, const char *ours,
                           const struct archive_tensor *t) {
    char name[128];
    snprintf(name, sizeof name, "%.*s.scales", (int)strlen(t->name) - 7, t->name);
    const struct archive_tensor *scales = archive_find(m->im->archive, name, 0);
    if (scales == NULL || t->shape[1] % m->llama2c->group != 0)
        return fail(
            GLASS_BAD_INPUT, "%s: tensor %s: groups of %lld do not fill its rows of %lld",
            where(m, t), t->name, (long long)m->llama2c->group, (long long)t->shape[1]);
    struct gguf_piece piece = {t->data, t->shape[0]};
    struct gguf_view view = {.stored = GLASS_I8,
                             .n_pieces = 1,
                             .pieces = &piece,
                             .scales = scales->data,
                             .group = m->llama2c->group};
    struct gguf_tensor out = {.name = ours,
                              .dtype = GLASS_F32,
                              .n_dims = 2,
                              .shape = {t->shape[0], t->shape[1]},
                              .view = &view};
    return gguf_build_tensor(m->im->build, &out);
}

static glass_status same_in_all(struct meta *m, int64_t n) {
    const struct archive_tensor *first = m->shards[0];
    if (first->shape[0] != n)
        return fail(GLASS_BAD_INPUT, "%s: tensor %s has %lld numbers; %s asks for %lld",
                    where(m, first), first->name, (long long)first->shape[0],
                    m->im->config_path, (long long)n);
    for (int p = 1; p < archive_n_parts(m->im->archive); p++) {
        const struct archive_tensor *t = m->shards[p];
        if (t->n_bytes != first->n_bytes || memcmp(t->data, first->data, t->n_bytes) != 0)
            return fail(GLASS_BAD_INPUT, "%s: tensor %s differs from the one in %s",
                        where(m, t), t->name, where(m, first));
    }
    return GLASS_OK;
}

static glass_status one_name(struct meta *m, const struct meta_name *row, int64_t layer) {
    struct import *im = m->im;
    char ours[128];
    int n_pieces;
    int64_t n = side(im, row->rows);
    TRY(find_shards(m, row, layer));
    const struct archive_tensor *first = m->shards[0];
    import_spell(ours, "", row->ours, layer, ".weight");
    bool columns = row->join == JOIN_COLUMNS ||
                   (row == &names[EMBEDDING] && first->shape[1] != im->n_embd);
    if (row->join == JOIN_SAME) {
        TRY(same_in_all(m, n));
        return import_tensor(im, ours, HOW_AS_IS, first);
    }
    struct gguf_tensor out = {.name = ours, .dtype = first->dtype, .n_dims = 2};
    out.shape[0] = row->join == JOIN_COLUMNS ? im->n_embd : n;
    out.shape[1] = row->join == JOIN_COLUMNS ? n : im->n_embd;
    TRY(columns ? join_columns(m, out.shape[0], out.shape[1], &n_pieces)
                : join_rows(m, row, out.shape[0], out.shape[1], &n_pieces));
    if (m->llama2c != NULL && m->llama2c->group > 0) return scaled(m, ours, first);
    if (n_pieces == 1) return import_tensor(im, ours, HOW_AS_IS, first);
    TRY(import_check_type(im, first));
    struct gguf_view view = {.by_columns = columns,
                             .stored = first->dtype,
                             .n_pieces = n_pieces,
                             .pieces = m->pieces};
    out.view = &view;
    return gguf_build_tensor(im->build, &out);
}

/* Every name in the files is one of the table's, or says nothing. */
static glass_status check_names(const struct meta *m) {
    const struct archive *a = m->im->archive;
    for (int64_t i = 0; i < archive_n_tensors(a); i++) {
        const struct archive_tensor *t = archive_tensor_at(a, i);
        size_t n = strlen(t->name);
        int64_t layer = -1;
        bool good = strcmp(t->name, "rope.freqs") == 0;
        bool stem =
            n > 7 && (strcmp(t->name + n - 7, ".weight") == 0 ||
                      (m->llama2c != NULL && strcmp(t->name + n - 7, ".scales") == 0));
        for (int k = 0; !good && stem && k < N_NAMES; k++)
            good = import_fits(names[k].theirs, t->name, n - 7, &layer);
        if (!good)
            return fail(GLASS_BAD_INPUT, "%s: tensor %.200s has no place in a Llama model",
                        where(m, t), t->name);
        if (layer >= m->im->n_layer)
            return fail(GLASS_BAD_INPUT,
                        "%s: tensor %s belongs to a layer that %s does not have",
                        where(m, t), t->name, m->im->config_path);
    }
    return GLASS_OK;
}

/* The rows of the MLP and of the vocabulary are the tensors' to say. */
static glass_status count_rows(struct meta *m, const struct meta_name *row, int64_t *out) {
    *out = 0;
    TRY(find_shards(m, row, 0));
    for (int p = 0; p < archive_n_parts(m->im->archive); p++)
        if (p == 0 || m->shards[p]->shape[1] == m->im->n_embd)
            *out += m->shards[p]->shape[0];
    return GLASS_OK;
}

static glass_status read_tensors(struct meta *m) {
    struct import *im = m->im;
    TRY(check_names(m));
    for (int k = 0; k < N_NAMES; k++) {
        int64_t n = strchr(names[k].theirs, '#') == NULL ? 1 : im->n_layer;
        if (k == HEAD && archive_find(im->archive, "output.weight", -1) == NULL) continue;
        for (int64_t layer = 0; layer < n; layer++) TRY(one_name(m, &names[k], layer));
    }
    return GLASS_OK;
}

/* ---- settings ---- */

static glass_status check_known(const struct import *im) {
    /* clang-format off */
    static const char *const known[] = {
        "dim", "n_layers", "n_heads", "n_kv_heads", "vocab_size", "multiple_of",
        "ffn_dim_multiplier", "norm_eps", "rope_theta", "use_scaled_rope",
        "rope_scaling_factor", "max_seq_len", "max_batch_size", "head_dim", "hidden_dim",
        "sliding_window", NULL};
    /* clang-format on */
    const char *key;
    json_t *value;
    json_object_foreach(im->config, key, value) {
        int i = 0;
        while (known[i] != NULL && strcmp(known[i], key) != 0) i++;
        if (known[i] == NULL && !json_is_null(value))
            return import_bad(im, key, value, "this setting is not known here");
    }
    return GLASS_OK;
}

/* params.json does not say how long a text may be; the generations of the model can be told
 * apart by what it does say. */
static int64_t context(bool scaled_rope, double theta, double eps) {
    if (scaled_rope) return 131072; /* Llama 3.1 and later */
    if (theta == 500000) return 8192;
    if (theta == 1000000) return 16384; /* Code Llama */
    return eps == 1e-5 ? 4096 : 2048;   /* Llama 2; 1 */
}

/* Llama 3.1's values are in the reference code, not in the file; the small models of 3.2 have
 * a factor of their own. */
static glass_status read_rope(struct import *im, bool *scaled_rope, double *theta) {
    double factor;
    TRY(import_number(im, im->config, "rope_theta", theta, 10000));
    TRY(import_flag(im, im->config, "use_scaled_rope", scaled_rope, false));
    TRY(import_number(im, im->config, "rope_scaling_factor", &factor,
                      im->n_embd < 4096 ? 32 : 8));
    if (!(*theta >= 1 && *theta <= 1e12))
        return import_bad(im, "rope_theta", json_object_get(im->config, "rope_theta"),
                          "1 to 1e12 is possible");
    if (!(factor >= 1 && factor <= 1e6))
        return import_bad(im, "rope_scaling_factor",
                          json_object_get(im->config, "rope_scaling_factor"),
                          "1 to 1e6 is possible");
    TRY(import_put_count(im, "rope.dimension_count", im->head_dim));
    TRY(import_put_number(im, "rope.freq_base", *theta));
    struct import_llama3 r = {*theta, factor, 1, 4, 8192, im->head_dim};
    return *scaled_rope ? import_rope_llama3(im, &r) : GLASS_OK;
}

/* The reference code reckons the MLP's width from these; the tensors must agree. */
static glass_status check_mlp(const struct import *im) {
    int64_t multiple, said;
    double factor;
    TRY(import_count(im, im->config, "hidden_dim", &said, 1, IMPORT_COUNT, 0));
    TRY(import_count(im, im->config, "multiple_of", &multiple, 1, IMPORT_COUNT, 0));
    TRY(import_number(im, im->config, "ffn_dim_multiplier", &factor, 1));
    if (!(factor > 0 && factor <= 1024))
        return import_bad(im, "ffn_dim_multiplier",
                          json_object_get(im->config, "ffn_dim_multiplier"),
                          "a factor above 0 and at most 1024 is possible");
    if (said == 0 && multiple > 0) {
        said = (int64_t)(factor * (double)(8 * im->n_embd / 3));
        said = (said + multiple - 1) / multiple * multiple;
    }
    if (said == 0 || said == im->n_ff) return GLASS_OK;
    return fail(
        GLASS_BAD_INPUT,
        "%s: its settings make an MLP of %lld, but the tensors one of %lld: is a shard "
        "missing?",
        im->config_path, (long long)said, (long long)im->n_ff);
}

static glass_status check_vocab(const struct import *im) {
    int64_t n;
    const json_t *value;
    TRY(import_get(im, im->config, "vocab_size", &value));
    if (value == NULL || (json_is_integer(value) && json_integer_value(value) == -1))
        return GLASS_OK;
    TRY(import_count(im, im->config, "vocab_size", &n, 1, IMPORT_COUNT, -1));
    if (n == im->n_vocab) return GLASS_OK;
    return fail(GLASS_BAD_INPUT, "%s: vocab_size is %lld, but the embedding has %lld rows",
                im->config_path, (long long)n, (long long)im->n_vocab);
}

static glass_status check_heads(struct import *im) {
    if (im->head_dim == 0 && im->n_embd % im->n_head == 0)
        im->head_dim = im->n_embd / im->n_head;
    if (im->n_head_kv == 0) im->n_head_kv = im->n_head;
    if (im->head_dim >= 2 && im->head_dim % 2 == 0 && im->head_dim <= 4096 &&
        im->n_head % im->n_head_kv == 0 && im->n_embd <= 1 << 20 && im->n_head <= 1 << 12)
        return GLASS_OK;
    return fail(GLASS_BAD_INPUT,
                "%s: a width of %lld with %lld heads (%lld for keys) is impossible",
                im->config_path, (long long)im->n_embd, (long long)im->n_head,
                (long long)im->n_head_kv);
}

/* What both kinds of files say in different words, under its canonical names. */
static glass_status put_shape(struct import *im, double eps) {
    TRY(import_put_count(im, "block_count", im->n_layer));
    TRY(import_put_count(im, "embedding_length", im->n_embd));
    TRY(import_put_count(im, "context_length", im->n_ctx));
    TRY(import_put_count(im, "feed_forward_length", im->n_ff));
    TRY(import_put_count(im, "attention.head_count", im->n_head));
    TRY(import_put_count(im, "attention.head_count_kv", im->n_head_kv));
    TRY(import_put_count(im, "vocab_size", im->n_vocab));
    TRY(import_put_number(im, "attention.layer_norm_rms_epsilon", eps));
    if (im->head_dim * im->n_head == im->n_embd) return GLASS_OK;
    TRY(import_put_count(im, "attention.key_length", im->head_dim));
    return import_put_count(im, "attention.value_length", im->head_dim);
}

static glass_status read_params(struct meta *m) {
    struct import *im = m->im;
    const json_t *c = im->config;
    double eps, theta;
    int64_t window;
    bool scaled_rope;
    TRY(check_known(im));
    TRY(import_count(im, c, "dim", &im->n_embd, 1, IMPORT_COUNT, -1));
    TRY(import_count(im, c, "n_layers", &im->n_layer, 1, IMPORT_LAYERS, -1));
    TRY(import_count(im, c, "n_heads", &im->n_head, 1, IMPORT_COUNT, -1));
    TRY(import_count(im, c, "n_kv_heads", &im->n_head_kv, 1, IMPORT_COUNT, 0));
    TRY(import_count(im, c, "head_dim", &im->head_dim, 1, IMPORT_COUNT, 0));
    TRY(import_number(im, c, "norm_eps", &eps, 1e-5));
    TRY(check_heads(im));
    TRY(count_rows(m, &names[W1], &im->n_ff));
    TRY(count_rows(m, &names[EMBEDDING], &im->n_vocab));
    TRY(check_mlp(im));
    TRY(check_vocab(im));
    TRY(read_rope(im, &scaled_rope, &theta));
    TRY(import_count(im, c, "max_seq_len", &im->n_ctx, 1, IMPORT_COUNT,
                     context(scaled_rope, theta, eps)));
    TRY(import_count(im, c, "sliding_window", &window, 1, IMPORT_COUNT, 0));
    if (window > 0) TRY(import_put_count(im, "attention.sliding_window", window));
    return put_shape(im, eps);
}

/* ---- both ---- */

static glass_status open_meta(struct meta *m, struct import *im) {
    size_t n = (size_t)archive_n_parts(im->archive);
    m->im = im;
    im->family = import_family_find("llama");
    TRY(gguf_put_text(im->values, "general.architecture", im->family->arch));
    TRY(mem_alloc_zero(&m->shards, n, sizeof *m->shards));
    return mem_alloc_zero(&m->pieces, n, sizeof *m->pieces);
}

static void close_meta(struct meta *m) {
    mem_free(m->shards);
    mem_free(m->pieces);
    json_decref(m->im->config);
}

glass_status import_meta(struct gguf_build *build, struct archive *archive,
                         const char *params, size_t n_params, const char *params_path) {
    struct import im = {.config_path = params_path,
                        .archive = archive,
                        .build = build,
                        .values = gguf_build_values(build)};
    struct meta m = {.im = &im};
    TRY(import_own_archive(&im));
    glass_status status = open_meta(&m, &im);
    if (status == GLASS_OK)
        status = import_parse(&im.config, params, n_params, params_path);
    if (status == GLASS_OK) status = read_params(&m);
    if (status == GLASS_OK) status = read_tensors(&m);
    close_meta(&m);
    return status;
}

glass_status import_llama2c(struct gguf_build *build, struct archive *archive) {
    struct import im = {.config_path = archive_path(archive),
                        .archive = archive,
                        .build = build,
                        .values = gguf_build_values(build)};
    struct meta m = {.im = &im, .llama2c = archive_llama2c(archive)};
    TRY(import_own_archive(&im));
    glass_status status = open_meta(&m, &im);
    const struct llama2c_header *h = m.llama2c;
    im.n_layer = h->n_layers;
    im.n_embd = h->dim;
    im.n_head = h->n_heads;
    im.n_head_kv = h->n_kv_heads;
    im.n_ff = h->hidden_dim;
    im.n_vocab = h->n_vocab;
    im.n_ctx = h->n_ctx;
    if (status == GLASS_OK) status = check_heads(&im);
    if (status == GLASS_OK && im.n_layer > IMPORT_LAYERS)
        status = fail(GLASS_BAD_INPUT, "%s: %lld layers; at most %d are possible",
                      im.config_path, (long long)im.n_layer, IMPORT_LAYERS);
    if (status == GLASS_OK) status = put_shape(&im, 1e-5); /* run.c's own */
    if (status == GLASS_OK)
        status = import_put_count(&im, "rope.dimension_count", im.head_dim);
    if (status == GLASS_OK) status = import_put_number(&im, "rope.freq_base", 10000);
    if (status == GLASS_OK) status = read_tensors(&m);
    close_meta(&m);
    return status;
}

/* ---- llama2.c's vocabulary ---- */

struct vocab_keys {
    struct buf text;
    struct gguf_string *pieces;
    float *scores;
    int32_t *types;
};

/* What SentencePiece said of each piece is lost but for its text: 0 is unknown, 1 and 2 begin
 * and end, <0x0A> is a byte, and spaces stand where SentencePiece has U+2581. */
static glass_status add_piece(struct vocab_keys *k, const struct llama2c_vocab *v,
                              int64_t id, size_t *at) {
    enum { NORMAL = 1, UNKNOWN = 2, CONTROL = 3, BYTE = 6 };
    static const char *const specials[] = {"<unk>", "<s>", "</s>"};
    size_t n;
    const char *text = llama2c_vocab_piece(v, id, &n, &k->scores[id]);
    *at = k->text.len;
    k->types[id] = NORMAL;
    if (id < 3) {
        k->types[id] = id == 0 ? UNKNOWN : CONTROL;
        return buf_text(&k->text, specials[id]);
    }
    if (n == 6 && memcmp(text, "<0x", 3) == 0 && text[5] == '>' &&
        strspn(text + 3, "0123456789ABCDEF") == 2)
        k->types[id] = BYTE;
    for (size_t i = 0; i < n; i++)
        TRY(text[i] == ' ' ? buf_text(&k->text, "\xe2\x96\x81")
                           : buf_byte(&k->text, text[i]));
    return GLASS_OK;
}

static glass_status fill_vocab(struct vocab_keys *k, const struct llama2c_vocab *v,
                               struct gguf_writer *values) {
    size_t n = (size_t)llama2c_vocab_n(v), *starts;
    TRY(mem_alloc_zero(&k->pieces, n, sizeof *k->pieces));
    TRY(mem_alloc_zero(&k->scores, n, sizeof *k->scores));
    TRY(mem_alloc_zero(&k->types, n, sizeof *k->types));
    TRY(mem_alloc_zero(&starts, n + 1, sizeof *starts));
    glass_status status = buf_text(&k->text, "");
    for (size_t i = 0; status == GLASS_OK && i < n; i++)
        status = add_piece(k, v, (int64_t)i, &starts[i]);
    starts[n] = k->text.len;
    for (size_t i = 0; i < n; i++)
        k->pieces[i] =
            (struct gguf_string){k->text.data + starts[i], starts[i + 1] - starts[i]};
    mem_free(starts);
    TRY(status);
    TRY(gguf_put_text(values, "tokenizer.ggml.model", "llama"));
    TRY(gguf_put_strings(values, "tokenizer.ggml.tokens", k->pieces, n));
    TRY(gguf_put_array(values, "tokenizer.ggml.scores", GGUF_F32, k->scores, n));
    TRY(gguf_put_array(values, "tokenizer.ggml.token_type", GGUF_I32, k->types, n));
    TRY(gguf_put_int(values, "tokenizer.ggml.bos_token_id", GGUF_U32, 1));
    return gguf_put_int(values, "tokenizer.ggml.eos_token_id", GGUF_U32, 2);
}

glass_status import_llama2c_vocab(struct gguf_writer *values, const char *path) {
    struct llama2c_vocab *v;
    struct vocab_keys k = {0};
    TRY(llama2c_vocab_open(&v, path));
    glass_status status = llama2c_vocab_n(v) < 3
                              ? fail(GLASS_BAD_INPUT, "%s: a vocabulary of %lld pieces",
                                     path, (long long)llama2c_vocab_n(v))
                              : fill_vocab(&k, v, values);
    llama2c_vocab_close(v);
    buf_free(&k.text);
    mem_free(k.pieces);
    mem_free(k.scores);
    mem_free(k.types);
    return status;
}
