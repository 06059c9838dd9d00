/* cmd_sign.c - glass sign: a model's files, signed; and the check of such a signature, which is a
 * part of glass verify. */
#include "cli/cmd_sign.h"

#include "base/path.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

struct progress {
    bool quiet;
    double shown; /* when */
};

static bool show(void *context, uint64_t n_done, uint64_t n_bytes) {
    struct progress *p = context;
    char a[32], b[32];
    if (!p->quiet && isatty(STDERR_FILENO) && cli_now() - p->shown > 0.2) {
        p->shown = cli_now();
        fprintf(stderr, "\r%s of %s hashed\x1b[K\r", cli_bytes(a, (double)n_done),
                cli_bytes(b, (double)n_bytes));
    }
    return !cli_interrupted;
}

static void clear_line(const struct progress *p) {
    if (p->shown > 0) fprintf(stderr, "\r\x1b[K");
}

static glass_status member(struct buf *json, const char *name, const char *text) {
    TRY(buf_printf(json, ",\"%s\":", name));
    return buf_json_string(json, text, strlen(text));
}

/* ---- glass sign ---- */

struct sign {
    glass_sign_options o;
    struct opt_list chain, ignore;
    const char *out, *password_file;
    bool json, quiet;
};

/* The first line of a file. */
static glass_status read_password(struct buf *out, const char *path) {
    enum { LONGEST = 1024 };
    TRY(path_read_whole(out, path, LONGEST));
    out->len = strcspn(out->data, "\r\n");
    out->data[out->len] = '\0';
    return GLASS_OK;
}

static glass_status print_signed(const struct sign *s, const char *model,
                                 const glass_sign_report *r) {
    char bytes[32];
    struct buf json = {0};
    if (r->n_outside > 0)
        fprintf(stderr,
                "glass: warning: %" PRId64
                " of the links lead out of the folder; what is there now was signed\n",
                r->n_outside);
    if (!s->json) {
        printf("%s: %" PRId64 " file%s, %s, signed by key %.16s… into %s\nroot %s\n", model,
               r->n_files, cli_plural(r->n_files), cli_bytes(bytes, (double)r->n_bytes),
               r->key_sha256, s->out, r->root);
        return GLASS_OK;
    }
    glass_status status =
        buf_printf(&json,
                   "{\"files\":%" PRId64 ",\"bytes\":%" PRIu64 ",\"links_outside\":%" PRId64
                   ",\"root\":\"%s\",\"key\":\"%s\"",
                   r->n_files, r->n_bytes, r->n_outside, r->root, r->key_sha256);
    if (status == GLASS_OK) status = member(&json, "signature", s->out);
    if (status == GLASS_OK) printf("%s}\n", json.data);
    buf_free(&json);
    return status;
}

static glass_status work(struct sign *s, const char *model) {
    struct buf password = {0};
    struct progress p = {.quiet = s->quiet};
    glass_sign_report r;
    if (s->o.key == NULL)
        return fail(GLASS_USAGE, "a key is wanted: --key KEY.pem (openssl ecparam -name "
                                 "prime256v1 -genkey -noout -out KEY.pem makes one)");
    s->o.chain = s->chain.items;
    s->o.n_chain = s->chain.n;
    s->o.ignore = s->ignore.items;
    s->o.n_ignore = s->ignore.n;
    s->o.progress = show;
    s->o.context = &p;
    glass_status status = GLASS_OK;
    if (s->password_file != NULL) {
        status = read_password(&password, s->password_file);
        s->o.password = password.data;
    }
    if (status == GLASS_OK) status = glass_sign(model, s->out, &s->o, &r);
    clear_line(&p);
    if (password.data != NULL) explicit_bzero(password.data, password.cap);
    buf_free(&password);
    return status == GLASS_OK ? print_signed(s, model, &r) : status;
}

int cmd_sign(int argc, char **argv) {
    struct sign s = {.out = "model.sig"};
    const struct opt options[] = {
        {"key", 'k', OPT_TEXT, &s.o.key, "KEY.pem",
         "the private key: elliptic, P-256, P-384 or P-521"},
        {"password-file", 0, OPT_TEXT, &s.password_file, "FILE",
         "the key's password, a line"},
        {"certificate", 0, OPT_TEXT, &s.o.certificate, "CERT.pem",
         "the key's certificate, which then says who signed"},
        {"chain", 0, OPT_LIST, &s.chain, "CA.pem",
         "certificates between that one and a root (repeatable)"},
        {"out", 'o', OPT_TEXT, &s.out, "FILE", "the signature (model.sig)"},
        {"ignore", 0, OPT_LIST, &s.ignore, "PATH",
         "in the folder, is not signed (repeatable)"},
        {"allow-symlinks", 0, OPT_FLAG, &s.o.follow_links, NULL,
         "links are signed as the files that they lead to"},
        {"file-name", 0, OPT_FLAG, &s.o.file_name, NULL,
         "call a single file by its name (specification), not \".\" (model-signing until "
         "1.1.1)"},
        {"json", 'j', OPT_FLAG, &s.json, NULL, "one JSON object"},
        {"quiet", 'q', OPT_FLAG, &s.quiet, NULL, "no progress"},
        {0}};
    const struct opt_command command = {
        .usage = "glass sign MODEL --key KEY.pem [-o model.sig]",
        .about = "Signs a model's file or folder, file by file, as OpenSSF Model Signing "
                 "1.0 has it: glass\n"
                 "verify --signature and the model-signing tool check it. .git and the "
                 "like at the top\n"
                 "are left out, and the signature itself.",
        .examples =
            "  openssl ecparam -name prime256v1 -genkey -noout -out KEY.pem\n"
            "  openssl pkey -in KEY.pem -pubout -out PUB.pem\n"
            "  glass sign my-model --key KEY.pem -o my-model/model.sig\n"
            "  glass verify my-model --signature my-model/model.sig --key PUB.pem\n",
        .options = options,
        .min_words = 1,
        .max_words = 1};
    const char *words[1];
    int n_words;
    int code = opts_parse(&command, argc, argv, words, &n_words);
    if (code >= 0) return code;
    cli_catch_interrupt();
    glass_status status = work(&s, words[0]);
    return status == GLASS_OK ? 0 : cli_fail(status);
}

/* ---- glass verify --signature ---- */

static glass_status json_differences(struct buf *json, const glass_signature_report *r) {
    static const char *const kinds[] = {"changed", "missing", "added"};
    TRY(buf_text(json, ",\"differences\":["));
    for (int64_t i = 0; i < r->n_differences; i++) {
        const glass_signature_difference *d = &r->differences[i];
        TRY(buf_printf(json, "%s{\"kind\":\"%s\"", i > 0 ? "," : "", kinds[d->kind]));
        TRY(member(json, "file", d->name));
        TRY(member(json, "signed", d->wanted));
        TRY(member(json, "found", d->found));
        TRY(buf_byte(json, '}'));
    }
    return buf_byte(json, ']');
}

static glass_status json_report(struct buf *json, const glass_signature_report *r) {
    TRY(buf_printf(json,
                   "{\"same\":%s,\"signer_checked\":%s,\"old_form\":%s,\"files\":%" PRId64
                   ",\"bytes\":%" PRIu64 ",\"links_outside\":%" PRId64,
                   r->n_differences == 0 ? "true" : "false",
                   r->signer_checked ? "true" : "false", r->old_form ? "true" : "false",
                   r->n_files, r->n_bytes, r->n_outside));
    TRY(member(json, "method", r->method));
    TRY(member(json, "signer", r->signer));
    TRY(member(json, "issuer", r->issuer));
    TRY(member(json, "model", r->name));
    TRY(member(json, "root", r->root));
    TRY(json_differences(json, r));
    return buf_byte(json, '}');
}

static void print_differences(const glass_signature_report *r) {
    static const char *const kinds[] = {"changed", "missing", "not signed"};
    enum { SHOWN = 100 };
    for (int64_t i = 0; i < r->n_differences && i < SHOWN; i++)
        printf("  %-10s %s\n", kinds[r->differences[i].kind], r->differences[i].name);
    if (r->n_differences > SHOWN)
        printf("  and %" PRId64 " more\n", r->n_differences - SHOWN);
}

static void print_report(const glass_signature_report *r, const char *model) {
    char bytes[32];
    if (r->n_differences > 0) {
        print_differences(r);
        return;
    }
    printf("%s: the %" PRId64 " file%s that w%s signed (%s)\n", model, r->n_files,
           cli_plural(r->n_files), r->n_files == 1 ? "as" : "ere",
           cli_bytes(bytes, (double)r->n_bytes));
    printf("%s %s%s%s%s\n",
           !r->signer_checked ? "signer not checked; the signature says:"
           : *r->issuer       ? "signed by"
                              : "signed by key",
           r->signer, *r->issuer ? ", issued by " : "", r->issuer,
           r->old_form ? " (the form of model-signing 0.2)" : "");
    if (*r->root) printf("root %s\n", r->root);
}

glass_status verify_signature(const struct verify_signature *v, const char *model,
                              bool json, bool quiet) {
    struct progress p = {.quiet = quiet};
    glass_signature_report *r;
    const glass_signature_options o = {.key = v->key,
                                       .certificates = v->certificates.items,
                                       .n_certificates = v->certificates.n,
                                       .any_signer = v->any_signer,
                                       .ignore = v->ignore.items,
                                       .n_ignore = v->ignore.n,
                                       .ignore_unsigned = v->ignore_unsigned,
                                       .progress = show,
                                       .context = &p};
    struct buf text = {0};
    cli_catch_interrupt();
    if ((o.key != NULL) + (o.n_certificates > 0) + o.any_signer != 1)
        return fail(GLASS_USAGE, "--signature: whose? one of --key PUB.pem, --certificate "
                                 "CA.pem and --any-signer is wanted");
    glass_status status = glass_signature_verify(&r, model, v->signature, &o);
    clear_line(&p);
    if (r == NULL) return status;
    glass_status said = json ? json_report(&text, r) : GLASS_OK;
    if (said == GLASS_OK && json) printf("%s\n", text.data);
    if (!json) print_report(r, model);
    buf_free(&text);
    glass_signature_report_free(r);
    return said != GLASS_OK ? said : status;
}
