/* cmd_data_prove.c - glass data prove, check: proofs that a corpus has a text, or has it not. */
#include "base/path.h"
#include "cli/cmd_data.h"

#include <stdio.h>
#include <unistd.h>

enum { PROOF_BYTES = 64 << 20 };

static int digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A SHA-256 in hexadecimal. */
static bool parse_hash(uint8_t out[32], const char *text) {
    if (strlen(text) != 64) return false;
    for (int i = 0; i < 32; i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        out[i] = (uint8_t)(16 * high + low);
    }
    return true;
}

glass_status data_content_of(uint8_t out[32], const char *document) {
    if (access(document, F_OK) != 0 && parse_hash(out, document)) return GLASS_OK;
    return glass_data_content(out, document);
}

glass_status data_content_in(uint8_t out[32], glass_corpus *corpus, const char *document) {
    size_t n = strspn(document, "0123456789abcdef");
    if (access(document, F_OK) == 0 || document[n] != '\0' || n < 8 || n == 64)
        return data_content_of(out, document);
    return glass_corpus_find(out, corpus, document);
}

static glass_status prove(const char *path, const char *document, const char *root,
                          bool *present) {
    glass_corpus *corpus;
    uint8_t content[32];
    char *json;
    TRY(glass_corpus_open(&corpus, path, false));
    glass_status status = data_content_in(content, corpus, document);
    if (status == GLASS_OK)
        status = glass_corpus_prove(&json, present, corpus, root, content);
    glass_corpus_close(corpus);
    if (status != GLASS_OK) return status;
    if (fputs(json, stdout) == EOF) status = fail_errno("standard output");
    glass_free(json);
    return status;
}

int data_prove_main(int argc, char **argv) {
    const char *root = NULL;
    bool present = false;
    const struct opt options[] = {{"root", 'r', OPT_TEXT, &root, "ROOT",
                                   "the corpus as this root names it (the newest)"},
                                  {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass data prove CORPUS DOC [options]",
        "Prints a proof, as JSON, that the corpus has a document with this text, or that "
        "it has none.\n"
        "DOC is a file, or the SHA-256 of a text, or its first digits, as `glass data "
        "list` "
        "shows them.\n"
        "Texts are equal only byte for byte. `glass data check` verifies the proof without "
        "the corpus. The exit "
        "code is 0\n"
        "where the text is in the corpus, and 1 where it is not.",
        "  glass data prove corpus letter.txt > proof.json\n"
        "  glass data prove corpus 3fa9c07e5511d2ab --root 71c2 > proof.json\n",
        options,
        2,
        2,
        false};
    const char *words[2];
    int n, code = opts_parse(&command, argc, argv, words, &n);
    if (code >= 0) return code;
    glass_status status = prove(words[0], words[1], root, &present);
    if (status != GLASS_OK) return cli_fail(status);
    return present ? 0 : 1;
}

struct checking {
    const char *root, *document;
    bool json;
};

/* What the caller expects of the proof, beyond that it holds. */
static glass_status expect(const struct checking *c, const glass_proof *p) {
    uint8_t content[32], said[32];
    if (c->root && strncmp(p->root, c->root, strlen(c->root)) != 0)
        return fail(GLASS_NEGATIVE, "the proof is about the root %s", p->root);
    if (c->document == NULL) return GLASS_OK;
    TRY(data_content_of(content, c->document));
    if (!parse_hash(said, p->content) || memcmp(said, content, 32) != 0)
        return fail(GLASS_NEGATIVE, "the proof is about another text than %s", c->document);
    return GLASS_OK;
}

static glass_status print_proof(const struct checking *c, const glass_proof *p) {
    struct buf out = {0};
    glass_status status;
    if (c->json)
        status =
            buf_printf(&out,
                       "{\"holds\":true,\"present\":%s,\"root\":\"%s\",\"content\":\"%s\","
                       "\"documents\":%lld,\"record\":%s}\n",
                       p->present ? "true" : "false", p->root, p->content,
                       (long long)p->n_documents, p->record ? p->record : "null");
    else
        status = buf_printf(
            &out,
            "the proof holds: text %s\n  %s the corpus of %lld document%s\n  root %s\n%s%s",
            p->content, p->present ? "is in" : "is NOT in", (long long)p->n_documents,
            cli_plural(p->n_documents), p->root, p->record ? p->record : "",
            p->record ? "\n" : "");
    if (status == GLASS_OK) status = data_print(&out);
    buf_free(&out);
    return status;
}

static glass_status check(const struct checking *c, const char *path) {
    struct buf text = {0};
    glass_proof proof;
    glass_status status =
        path_read_whole(&text, strcmp(path, "-") == 0 ? "/dev/stdin" : path, PROOF_BYTES);
    if (status == GLASS_OK) {
        status = glass_proof_check(&proof, text.data, text.len);
        if (status != GLASS_OK) status = fail_within(status, "%s", path);
    }
    buf_free(&text);
    if (status != GLASS_OK) return status;
    status = expect(c, &proof);
    if (status == GLASS_OK) status = print_proof(c, &proof);
    glass_free(proof.record);
    return status;
}

int data_check_main(int argc, char **argv) {
    struct checking c = {0};
    const struct opt options[] = {
        {"root", 'r', OPT_TEXT, &c.root, "ROOT", "the proof must be about this root"},
        {"document", 'd', OPT_TEXT, &c.document, "DOC",
         "and about this file, or text's SHA-256"},
        {"json", 'j', OPT_FLAG, &c.json, NULL,
         "the verdict and the record as a JSON object"},
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass data check PROOF [options]",
        "Verifies what `glass data prove` printed (- is standard input); nothing else is "
        "needed. The\n"
        "exit code is 0 where it holds, and 1 where it does not.",
        "  glass data check proof.json --root 71c2… --document letter.txt\n"
        "  glass data prove corpus letter.txt | glass data check - --json\n",
        options,
        1,
        1,
        false};
    const char *words[1];
    int n, code = opts_parse(&command, argc, argv, words, &n);
    if (code >= 0) return code;
    glass_status status = check(&c, words[0]);
    return status == GLASS_OK ? 0 : cli_fail(status);
}
