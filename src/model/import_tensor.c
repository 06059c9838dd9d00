/* import_tensor.c - an archive's tensor as a canonical one: checks, and the view on it. */
#include "model/import_parts.h"

#include <stdio.h>
#include <string.h>

static glass_status bad(const struct archive_tensor *t, const struct import *im,
                        const char *what) {
    return fail(GLASS_BAD_INPUT, "%s: tensor %.200s: %s",
                archive_part_path(im->archive, t->part), t->name, what);
}

/* Rows of n heads; n_parts of them, and pairs in each. */
static glass_status check_heads(const struct import *im, const struct archive_tensor *t,
                                int64_t n_heads, int64_t n_parts) {
    char text[128];
    if (n_heads > 0 && t->shape[0] % (n_heads * n_parts) == 0 &&
        t->shape[0] / (n_heads * n_parts) % 2 == 0)
        return GLASS_OK;
    snprintf(text, sizeof text, "its %lld rows are not those of %lld heads",
             (long long)t->shape[0], (long long)n_heads);
    return bad(t, im, text);
}

static glass_status fill_view(struct import *im, struct gguf_view *v,
                              struct gguf_tensor *out, enum import_how how,
                              const struct archive_tensor *t) {
    switch (how) {
    case HOW_AS_IS: break;
    case HOW_HALVES_Q:
    case HOW_HALVES_K:
        v->order = GGUF_HALVES;
        v->n_heads = how == HOW_HALVES_Q ? im->n_head : im->n_head_kv;
        return check_heads(im, t, v->n_heads, 1);
    case HOW_QKV:
        v->order = GGUF_QKV;
        v->n_heads = im->n_head;
        return check_heads(im, t, v->n_heads, 3);
    case HOW_TURNED:
        if (t->n_dims == 1) break; /* the matrix' bias */
        if (t->n_dims != 2) return bad(t, im, "it is no matrix");
        v->order = GGUF_TURNED;
        out->shape[0] = t->shape[1];
        out->shape[1] = t->shape[0];
        break;
    case HOW_PLUS_ONE:
        v->plus_one = true;
        out->dtype = GLASS_F32;
        break;
    }
    return GLASS_OK;
}

glass_status import_check_type(const struct import *im, const struct archive_tensor *t) {
    char text[128];
    if (!t->known) {
        snprintf(text, sizeof text, "numbers of type %.60s cannot be weights", t->type);
        return bad(t, im, text);
    }
    if (t->dtype != GLASS_F32 && t->dtype != GLASS_F16 && t->dtype != GLASS_BF16) {
        snprintf(text, sizeof text, "it is %s; F32, F16 and BF16 can be weights",
                 glass_dtype_name(t->dtype));
        return bad(t, im, text);
    }
    return GLASS_OK;
}

glass_status import_tensor(struct import *im, const char *name, enum import_how how,
                           const struct archive_tensor *t) {
    TRY(import_check_type(im, t));
    if (t->n_dims < 1 || t->n_dims > 4) return bad(t, im, "it has not 1 to 4 dimensions");
    struct gguf_piece piece = {t->data, t->shape[0]};
    struct gguf_view view = {.stored = t->dtype, .n_pieces = 1};
    struct gguf_tensor out = {.name = name, .dtype = t->dtype, .n_dims = t->n_dims};
    for (int i = 0; i < t->n_dims; i++) {
        if (t->shape[i] < 1) return bad(t, im, "it is empty");
        out.shape[i] = t->shape[i];
        if (i > 0 && i < t->n_dims - 1) piece.n *= t->shape[i];
    }
    TRY(fill_view(im, &view, &out, how, t));
    view.pieces = &piece;
    bool plain = view.order == GGUF_AS_IS && !view.plus_one &&
                 (uintptr_t)t->data % glass_dtype_block_bytes(t->dtype) == 0;
    if (plain)
        out.data = t->data;
    else
        out.view = &view;
    return gguf_build_tensor(im->build, &out);
}

static void close_archive(void *archive) {
    archive_close(archive);
}

glass_status import_own_archive(struct import *im) {
    TRY(gguf_build_own(im->build, im->archive, close_archive));
    for (int i = 0; i < archive_n_parts(im->archive); i++)
        TRY(gguf_build_map(im->build, archive_part_map(im->archive, i)));
    return GLASS_OK;
}
