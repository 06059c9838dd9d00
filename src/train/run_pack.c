/* run_pack.c - packed shards in a run: a recipe's folders of them become shards of the run, which
 * are links to the pack's files (copies where the file system has no links). */
#include "base/filemap.h"
#include "base/hash.h"
#include "train/left_out.h"
#include "train/pack.h"
#include "train/run_parts.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum { MOST_SHARDS = 1024 };

static const char ending[] = ".safetensors";

bool run_is_packed(const char *file) {
    size_t n = strlen(file), cut = sizeof ending - 1;
    return n > cut && strcmp(file + n - cut, ending) == 0;
}

/* ---- taking a pack's shards ---- */

/* The root is the pack's, or that of its only corpus. */
static bool is_root(const struct pack *p, const char *root) {
    char hex[65];
    sha256_hex(hex, p->root);
    if (strcmp(hex, root) == 0) return true;
    if (p->n_corpora != 1) return false;
    sha256_hex(hex, p->corpora[0].root);
    return strcmp(hex, root) == 0;
}

static glass_status check_tokenizer(const struct glass_run *run, const struct pack *p,
                                    const char *folder) {
    uint8_t digest[32];
    TRY(pack_tokenizer(digest, glass_model_tokenizer(run->model)));
    if (memcmp(digest, p->tokenizer, 32) == 0) return GLASS_OK;
    return fail(
        GLASS_BAD_INPUT,
        "%s: packed with another tokenizer than this model's: pack the corpus with it",
        folder);
}

static glass_status take_shard(struct recipe_source *out, const struct recipe_source *from,
                               const struct pack *p, const struct pack_shard *s) {
    struct buf path = {0};
    char hex[65];
    *out = (struct recipe_source){.documents = DOCUMENTS_WHOLE, .line = from->line};
    out->weight = from->weight * p->corpora[s->corpus].weight;
    sha256_hex(hex, p->root);
    glass_status status = buf_printf(&path, "%s/%s", from->shards, s->file);
    if (status == GLASS_OK) status = buf_take(&path, &out->file, NULL);
    if (status == GLASS_OK) status = mem_copy_text(&out->shards, "", 0);
    if (status == GLASS_OK) status = mem_copy_text(&out->root, hex, 64);
    buf_free(&path);
    return status;
}

static glass_status take_pack(struct glass_run *run, const struct recipe_source *from,
                              struct recipe_source **list, int64_t *n) {
    struct pack p;
    TRY(pack_read(&p, from->shards));
    glass_status status = check_tokenizer(run, &p, from->shards);
    if (status == GLASS_OK && !is_root(&p, from->root)) {
        char hex[65];
        sha256_hex(hex, p.root);
        status = fail(GLASS_BAD_INPUT, "%s: its root is %s, the recipe says %s",
                      from->shards, hex, from->root);
    }
    for (int64_t i = 0; status == GLASS_OK && i < p.n_shards; i++) {
        if (p.shards[i].corpus < 0) continue;
        if (*n >= MOST_SHARDS)
            status = fail(GLASS_BAD_INPUT, "%s: more than %d shards in a run", from->shards,
                          MOST_SHARDS);
        if (status == GLASS_OK) status = mem_resize(list, (size_t)*n + 1, sizeof **list);
        if (status == GLASS_OK)
            status = take_shard(&(*list)[(*n)++], from, &p, &p.shards[i]);
    }
    pack_clear(&p);
    return status;
}

static void clear_source(struct recipe_source *s) {
    mem_free(s->file);
    mem_free(s->shards);
    mem_free(s->root);
}

glass_status run_take_packs(struct glass_run *run) {
    struct recipe *r = &run->recipe;
    struct recipe_source *list = NULL;
    int64_t n = 0;
    glass_status status = GLASS_OK;
    for (int64_t i = 0; status == GLASS_OK && i < r->n_data; i++) {
        struct recipe_source *from = &r->data[i];
        if (from->shards[0] != '\0') {
            status = take_pack(run, from, &list, &n);
            if (status == GLASS_OK) clear_source(from);
            if (status == GLASS_OK) *from = (struct recipe_source){0};
            continue;
        }
        status = mem_resize(&list, (size_t)n + 1, sizeof *list);
        if (status != GLASS_OK) break;
        list[n++] = *from;
        *from = (struct recipe_source){0};
    }
    /* What was not taken yet is still the recipe's. */
    for (int64_t i = 0; i < r->n_data; i++) clear_source(&r->data[i]);
    mem_free(r->data);
    r->data = list;
    r->n_data = n;
    if (status != GLASS_OK) return status;
    for (int64_t i = 0; i < n && r->held_out_fraction > 0; i++)
        if (run_is_packed(list[i].file))
            return fail(
                GLASS_BAD_INPUT,
                "%s: held_out.fraction is for texts: pack with --held-out, and name "
                "held-out.safetensors as held_out.file",
                r->path);
    if (n == 0) return fail(GLASS_BAD_INPUT, "%s: data: the packs hold no shards", r->path);
    return GLASS_OK;
}

/* ---- a run's shards ---- */

/* The pack that a shard's file lies in, and its entry there. */
static glass_status find_entry(struct pack *p, const char *file,
                               const struct pack_shard **entry) {
    const char *slash = strrchr(file, '/');
    struct buf folder = {0};
    *entry = NULL;
    glass_status status = slash == NULL ? buf_text(&folder, ".")
                                        : buf_append(&folder, file, (size_t)(slash - file));
    if (status == GLASS_OK && folder.len == 0) status = buf_text(&folder, "/");
    if (status == GLASS_OK) status = pack_read(p, folder.data);
    buf_free(&folder);
    TRY(status);
    for (int64_t i = 0; i < p->n_shards; i++)
        if (strcmp(p->shards[i].file, slash == NULL ? file : slash + 1) == 0)
            *entry = &p->shards[i];
    if (*entry != NULL) return GLASS_OK;
    pack_clear(p);
    return fail(GLASS_BAD_INPUT, "%s: pack.json beside it does not list it", file);
}

glass_status run_link_file(const char *from, const char *to) {
    FILE *in = NULL, *out = NULL;
    struct buf part = {0};
    char piece[1 << 16];
    size_t n;
    glass_status status = GLASS_OK;
    if (unlink(to) != 0 && errno != ENOENT) return fail_errno("%s: cannot remove", to);
    if (link(from, to) == 0) return GLASS_OK;
    TRY(buf_printf(&part, "%s.part-copy", to));
    if ((in = fopen(from, "rb")) == NULL)
        status = fail_errno("%s: cannot open", from);
    else if ((out = fopen(part.data, "wb")) == NULL)
        status = fail_errno("%s: cannot make", part.data);
    while (status == GLASS_OK && (n = fread(piece, 1, sizeof piece, in)) > 0)
        if (fwrite(piece, 1, n, out) != n)
            status = fail_errno("%s: cannot write", part.data);
    if (status == GLASS_OK && ferror(in)) status = fail_errno("%s: cannot read", from);
    if (status == GLASS_OK && (fflush(out) != 0 || fsync(fileno(out)) != 0))
        status = fail_errno("%s: cannot write", part.data);
    if (in != NULL) fclose(in);
    if (out != NULL) fclose(out);
    if (status == GLASS_OK && rename(part.data, to) != 0)
        status = fail_errno("%s: cannot rename", part.data);
    if (status != GLASS_OK && part.data != NULL) unlink(part.data);
    buf_free(&part);
    return status;
}

/* NAME.safetensors has its documents' records in NAME.documents.jsonl beside it. */
glass_status run_link_records(const char *from, const char *to) {
    struct buf a = {0}, b = {0};
    glass_status status = buf_printf(&a, "%.*s.documents.jsonl",
                                     (int)(strlen(from) - sizeof ending + 1), from);
    if (status == GLASS_OK)
        status = buf_printf(&b, "%.*s.documents.jsonl",
                            (int)(strlen(to) - sizeof ending + 1), to);
    if (status == GLASS_OK) status = run_link_file(a.data, b.data);
    buf_free(&a);
    buf_free(&b);
    return status;
}

glass_status run_link_shard(struct glass_run *run, struct shard *s, const char *file,
                            const char *path) {
    const struct pack_shard *entry;
    uint8_t sha256[32];
    struct pack p;
    TRY(find_entry(&p, file, &entry));
    glass_status status = check_tokenizer(run, &p, file);
    memcpy(sha256, entry->sha256, sizeof sha256);
    pack_clear(&p);
    TRY(status);
    if (!run->dry) {
        TRY(run_link_file(file, path));
        TRY(run_link_records(file, path));
    }
    TRY(shard_open(s, run->dry ? file : path, NULL));
    if (memcmp(s->sha256, sha256, sizeof sha256) == 0) return GLASS_OK;
    shard_clear(s);
    return fail(GLASS_BAD_INPUT,
                "%s: its SHA-256 is not the one that pack.json says: one of the two was "
                "changed",
                file);
}

static glass_status compare_left_out(const struct shard *s, const char *file,
                                     const struct pack_shard *entry) {
    struct shard whole;
    TRY(shard_open(&whole, file, NULL));
    glass_status status =
        memcmp(whole.sha256, entry->sha256, 32) == 0
            ? left_out_compare(s, &whole)
            : fail(GLASS_BAD_INPUT, "its SHA-256 is not the one that pack.json says");
    shard_clear(&whole);
    return status == GLASS_OK ? status : fail_within(status, "%s", file);
}

glass_status run_compare_packed(const struct shard *s, const char *file, const char *root) {
    const struct pack_shard *entry;
    struct pack p;
    char hex[65];
    TRY(find_entry(&p, file, &entry));
    sha256_hex(hex, p.root);
    glass_status status = GLASS_OK;
    if (root[0] != '\0' && strcmp(hex, root) != 0)
        status = fail(GLASS_NEGATIVE, "%s: the pack's root is %s, the recipe says %s", file,
                      hex, root);
    else if (s->n_left_out > 0)
        status = compare_left_out(s, file, entry);
    else if (memcmp(entry->sha256, s->sha256, 32) != 0)
        status =
            fail(GLASS_NEGATIVE, "%s: the pack's shard is not the one of the run", file);
    pack_clear(&p);
    return status;
}
