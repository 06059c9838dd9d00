/* fuzz_ledger.c - libFuzzer target: any bytes as a ledger or as metrics. A line that is read gives
 * the same entry when it is written and read again; a file that is opened to append keeps whole
 * lines up to the step, and only those. */
#include "fuzz_common.h"

#include "train/ledger.h"
#include "train/lines.h"
#include "train/run_metrics.h"

enum { MOST = 8 };

static void one_line(const char *text, size_t n, int64_t n_samples) {
    struct ledger_entry e, again;
    int64_t samples[MOST], samples2[MOST];
    uint8_t chain[32] = {1}, told[32];
    struct buf line = {0}, blocks = {0}, blocks2 = {0};
    if (ledger_parse(&e, &blocks, samples, n_samples, text, n) != GLASS_OK) {
        buf_free(&blocks);
        return;
    }
    MUST(ledger_line(&line, chain, &e) == GLASS_OK);
    MUST(ledger_chain_of(told, line.data, line.len, "fuzz") == GLASS_OK);
    MUST(memcmp(told, chain, sizeof told) == 0);
    MUST(ledger_parse(&again, &blocks2, samples2, n_samples, line.data, line.len) ==
         GLASS_OK);
    MUST(again.step == e.step && memcmp(&again.loss, &e.loss, sizeof e.loss) == 0 &&
         memcmp(&again.norm, &e.norm, sizeof e.norm) == 0 &&
         again.has_weights == e.has_weights);
    MUST(memcmp(samples, samples2, (size_t)n_samples * sizeof *samples) == 0);
    MUST(!e.has_weights || memcmp(e.weights, again.weights, 32) == 0);
    MUST(again.n_blocks == e.n_blocks);
    MUST(e.n_blocks == 0 || memcmp(e.blocks, again.blocks, 32 * (size_t)e.n_blocks) == 0);
    MUST(e.step < 0 || lines_step(line.data, line.len) == e.step ||
         e.step >= INT64_MAX / 1000);
    buf_free(&line);
    buf_free(&blocks);
    buf_free(&blocks2);
}

static void as_file(const char *text, size_t n, int64_t last_step) {
    char path[32];
    struct lines l;
    struct metric *list;
    int64_t n_list;
    int fd = fuzz_file(path, text, n);
    if (metrics_read(&list, &n_list, path) == GLASS_OK) {
        for (int64_t i = 0; i < n_list; i++)
            if (list[i].sample != NULL) fuzz_read(list[i].sample, strlen(list[i].sample));
        metrics_free(list, n_list);
    }
    if (lines_open(&l, path, last_step) == GLASS_OK) {
        char *kept = malloc(n + 1);
        MUST(kept != NULL);
        ssize_t n_kept = pread(fd, kept, n + 1, 0);
        MUST(n_kept >= 0 && (size_t)n_kept <= n && memcmp(kept, text, (size_t)n_kept) == 0);
        MUST(n_kept == 0 || kept[n_kept - 1] == '\n');
        for (const char *at = kept, *end; at < kept + n_kept; at = end + 1) {
            end = memchr(at, '\n', (size_t)(kept + n_kept - at));
            int64_t step = lines_step(at, (size_t)(end - at));
            MUST(step >= 0 && step <= last_step);
        }
        free(kept);
        lines_close(&l);
    }
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    const char *text = (const char *)data + 2;
    uint8_t chain[32];
    size_t n = size - 2;
    one_line(text, n, data[0] % (MOST + 1));
    ledger_chain_of(chain, text, n, "fuzz");
    as_file(text, n, data[1]);
    return 0;
}
