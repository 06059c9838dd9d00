/* tok_train_feed.c - files as blocks of text, see tok_train.h.
 *
 * A block ends where a word ends whatever stands around it: between a letter and a space with
 * a letter behind it (all three ASCII). Every pre-tokenizer that has a name cuts there; a test
 * looks at each of them. Where blocks end depends on the text alone. */
#include "base/filemap.h"
#include "base/utf8.h"
#include "text/tok_train.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

glass_status train_feed_open(struct train_feed *feed, const char *const *paths,
                             int64_t n_paths, bool lines) {
    *feed = (struct train_feed){.paths = paths,
                                .n_paths = n_paths,
                                .fd = -1,
                                .lines = lines,
                                .block_bytes = TRAIN_BLOCK_BYTES};
    bool known = true;
    for (int64_t i = 0; i < n_paths; i++) {
        struct stat st;
        if (stat(paths[i], &st) != 0) return fail_errno("%s: cannot open", paths[i]);
        if (S_ISDIR(st.st_mode))
            return fail(GLASS_USAGE, "%s: a folder; name the files in it", paths[i]);
        known = known && S_ISREG(st.st_mode);
        feed->n_total += st.st_size;
    }
    if (!known) feed->n_total = 0;
    return GLASS_OK;
}

void train_feed_close(struct train_feed *feed) {
    if (feed->fd >= 0) close(feed->fd);
    feed->fd = -1;
    buf_free(&feed->carry);
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The last place where the block may end, 0 if there is none. */
static size_t last_cut(const struct buf *block, bool lines) {
    const char *p = block->data;
    if (lines) {
        const char *end = memrchr(p, '\n', block->len);
        return end == NULL ? 0 : (size_t)(end - p) + 1;
    }
    for (size_t at = block->len; at > 2; at--)
        if (p[at - 2] == ' ' && is_letter(p[at - 3]) && is_letter(p[at - 1])) return at - 2;
    return 0;
}

/* Reads until the block has n bytes; *more is false at the file's end. */
static glass_status fill(struct train_feed *feed, struct buf *block, size_t n, bool *more) {
    *more = true;
    if (block->len >= n) return GLASS_OK;
    TRY(buf_reserve(block, n - block->len + TRAIN_PADDING));
    while (block->len < n) {
        ssize_t got = read(feed->fd, block->data + block->len, n - block->len);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_errno("%s: cannot read", feed->paths[feed->next - 1]);
        if (got == 0) {
            *more = false;
            return GLASS_OK;
        }
        block->len += (size_t)got;
        feed->n_read += got;
    }
    return GLASS_OK;
}

static glass_status open_next(struct train_feed *feed) {
    const char *path = feed->paths[feed->next++];
    feed->fd = open(path, O_RDONLY | O_CLOEXEC);
    feed->begun = false;
    return feed->fd < 0 ? fail_errno("%s: cannot open", path) : GLASS_OK;
}

glass_status train_feed_next(struct train_feed *feed, struct buf *block) {
    size_t want = feed->block_bytes;
    buf_clear(block);
    TRY(buf_reserve(block, feed->carry.len + TRAIN_PADDING));
    TRY(buf_append(block, feed->carry.data, feed->carry.len));
    buf_clear(&feed->carry);
    for (;;) {
        bool more;
        if (feed->fd < 0) {
            if (feed->next == feed->n_paths) return GLASS_OK;
            TRY(open_next(feed));
        }
        TRY(fill(feed, block, want, &more));
        if (!feed->begun)
            TRY(filemap_check_text(feed->paths[feed->next - 1], block->data, block->len));
        feed->begun = true;
        if (!more) {
            close(feed->fd);
            feed->fd = -1;
            if (block->len > 0) return GLASS_OK;
            continue;
        }
        size_t cut = last_cut(block, feed->lines);
        if (cut == 0 && block->len >= TRAIN_GIANT_BYTES) {
            cut = utf8_complete(block->data, block->len);
            if (cut == 0) cut = block->len;
        }
        if (cut > 0) {
            TRY(buf_append(&feed->carry, block->data + cut, block->len - cut));
            block->len = cut;
            return GLASS_OK;
        }
        want = block->len * 2 < TRAIN_GIANT_BYTES ? block->len * 2 : TRAIN_GIANT_BYTES;
    }
}
