/* import_parts.h - what the importers share; nobody else includes it.
 *
 *   import.c           which kind of model a path is, and its tokenizer
 *   import_hf.c        Hugging Face: config.json and named tensors, by the tables of
 *   import_hf_names.c  families: their tensors' and settings' names
 *   import_meta.c      Meta: params.json and shards; llama2.c, whose models are Meta's
 *   import_card.c      what a folder says besides, with
 *   import_readme.c    the card in its README.md
 *   import_rope.c      rotary settings, in their old and new spellings
 *   import_json.c      typed questions to a config.json
 *   import_tensor.c    an archive's tensor as a canonical one */
#ifndef MODEL_IMPORT_PARTS_H
#define MODEL_IMPORT_PARTS_H

#include "base/buf.h"
#include "format/archive.h"
#include "format/gguf_build.h"
#include "model/import.h"

#include <jansson.h>

enum {
    IMPORT_CONFIG_BYTES = 16 << 20,
    IMPORT_LAYERS = 1024,   /* CONFIG_MAX_LAYERS, without needing a config */
    IMPORT_COUNT = 1 << 30, /* no count in a config is larger */
    IMPORT_SUFFIXES = 2,    /* .weight, .bias */
    IMPORT_XIELU = 4        /* alpha_p, alpha_n, beta, eps */
};

struct import {
    const char *config_path; /* for messages about settings; borrowed */
    json_t *config;
    struct archive *archive; /* the build's */
    struct gguf_build *build;
    struct gguf_writer *values; /* the build's */
    const struct import_family *family;
    int64_t n_layer, n_head, n_head_kv, n_embd, n_ff, n_ctx, n_vocab; /* 0 = not said */
    int64_t head_dim;
    bool tied, attention_bias, mlp_bias;
    float *xielu;         /* (IMPORT_XIELU, n_layer) */
    uint8_t *xielu_there; /* the same: whether the archive has it */
    uint8_t
        *claimed; /* (rows of the names, n_layer, IMPORT_SUFFIXES) whether it was there */
};

/* ---- import_json.c ---- */

/* The member "a", or the first there is of "a|b"; NULL where absent or null. Two spellings of
 * different values are refused. */
glass_status import_get(const struct import *im, const json_t *object, const char *keys,
                        const json_t **out);
/* A whole number from least to most. Absent: `absent`, or an error where that is below 0. */
glass_status import_count(const struct import *im, const json_t *object, const char *keys,
                          int64_t *out, int64_t least, int64_t most, int64_t absent);
/* A finite number. NAN as absent makes it required. */
glass_status import_number(const struct import *im, const json_t *object, const char *keys,
                           double *out, double absent);
glass_status import_flag(const struct import *im, const json_t *object, const char *keys,
                         bool *out, bool absent);
/* Borrowed from the object; absent gives `absent`. */
glass_status import_text(const struct import *im, const json_t *object, const char *keys,
                         const char **out, const char *absent);
/* "config.json: KEY is VALUE; WANT". */
glass_status import_bad(const struct import *im, const char *keys, const json_t *value,
                        const char *want);
glass_status import_parse(json_t **out, const char *text, size_t n_bytes, const char *name);

/* Puts a value under "ARCH.key". */
glass_status import_put_count(struct import *im, const char *key, int64_t value);
glass_status import_put_number(struct import *im, const char *key, double value);
glass_status import_put_flag(struct import *im, const char *key, bool value);
glass_status import_put_text(struct import *im, const char *key, const char *value);

/* ---- import_tensor.c ---- */

/* How a tensor of another format becomes the canonical one. */
enum import_how {
    HOW_AS_IS,
    HOW_HALVES_Q, /* halves to pairs, for the query heads */
    HOW_HALVES_K, /* for the key heads */
    HOW_QKV,      /* [q|k|v] by head to q, k, v */
    HOW_TURNED,   /* matrices stored (in, out) */
    HOW_PLUS_ONE  /* one is added */
};

/* Whether a weight can be of this tensor's type. */
glass_status import_check_type(const struct import *im, const struct archive_tensor *t);
/* Puts tensor t under the canonical name. */
glass_status import_tensor(struct import *im, const char *name, enum import_how how,
                           const struct archive_tensor *t);
/* The archive's mappings become the build's; the build closes the archive, also when this
 * fails. */
glass_status import_own_archive(struct import *im);

/* ---- families ---- */

enum import_bias {
    BIAS_NEVER,
    BIAS_ALWAYS,
    BIAS_ATTENTION,
    BIAS_MLP /* if the key says so */
};

struct import_name {
    const char *theirs; /* "a|b" without prefix and suffix; '#' is the layer's number */
    const char *ours;   /* without suffix */
    enum import_how how;
    enum import_bias bias;
};

enum import_kind { KIND_COUNT, KIND_NUMBER, KIND_FLAG };

struct import_key {
    const char *theirs; /* "a|b": spellings */
    const char *ours;   /* without the family's name; NULL: it is only kept in `into` */
    enum import_kind kind;
    bool required;
    double absent; /* where it is not required; NAN or 0 of a count: nothing is put */
    size_t into;   /* offset of an int64_t in struct import, 0 = none */
};

/* A setting that has no key in the canonical form, so only one meaning of it can be run. */
struct import_must {
    const char *theirs;
    const char *values; /* "silu|swish"; the first is what it is when absent */
};

struct import_family {
    const char *model_type;          /* of config.json */
    const char *arch;                /* general.architecture */
    const char *prefix;              /* of tensors' names; may be missing there */
    const struct import_name *names; /* ends with theirs == NULL */
    const char *const *ignored;      /* tensors that say nothing; ends with NULL */
    const struct import_key *keys;   /* ends with theirs == NULL */
    const struct import_must *musts; /* ends with theirs == NULL */
    const char *bias_key;            /* of BIAS_ATTENTION; NULL: "attention_bias" */
    bool attention_bias;             /* where the file does not say */
    bool tied;                       /* where the file does not say */
    bool rope;                       /* import_rope reads its settings */
    double rope_part;                /* how much of a head rotates, where it is not said */
    double rope_theta;               /* where it is not said; 0: 10000 */
    bool rope_kinds;                 /* the file may say it by kind of layer */
    double rope_local; /* theta of windowed layers, where it is not said; 0: as others */
    bool xielu;        /* layers have the numbers of that activation */
    int64_t head_dim;  /* where it is not said; 0: n_embd / n_head */
    glass_status (*more)(struct import *im); /* what tables cannot say; may be NULL */
};

/* By model_type; NULL if there is none. */
const struct import_family *import_family_find(const char *model_type);
/* Row i; NULL past the last. */
const struct import_family *import_family_at(int i);
/* "llama, mistral, …". Static. */
const char *import_family_names(void);

/* ---- import_hf.c ---- */

/* Whether a name of n bytes is "a" or "b" of "a|b", whose '#' is a number; *layer is then that
 * number, else -1. */
bool import_fits(const char *patterns, const char *name, size_t n, int64_t *layer);
/* The first of "a|b" with the layer's number and the suffix. */
void import_spell(char out[128], const char *prefix, const char *pattern, int64_t layer,
                  const char *suffix);

/* Takes the archive over, whatever happens. */
glass_status import_hf(struct gguf_build *build, struct archive *archive,
                       const char *config, size_t n_config, const char *config_path);

/* The numbers of xIELU, in the order of their rows: "xielu." and these are their keys, and
 * "layers.#.mlp.act_fn." and these their tensors. */
extern const char *const import_xielu_names[IMPORT_XIELU];

/* ---- import_card.c ---- */

/* What a folder says besides settings and weights: name, licence, sources, template. */
glass_status import_card(struct gguf_writer *values, const char *folder);
/* A file of the folder; absent gives an empty one. */
glass_status import_read_file(struct buf *out, const char *folder, const char *name,
                              size_t limit);

/* ---- import_readme.c ---- */

/* The card of README.md, and the licence of a file beside it; *named tells that it has the
 * model's name. */
glass_status import_readme(struct gguf_writer *values, const char *folder, bool *named);

/* ---- import_rope.c ---- */

glass_status import_rope(struct import *im);

struct import_llama3 {
    double theta, factor, low, high;
    double length; /* positions that the model was first trained for */
    int64_t n_rot;
};
/* factors[n_rot / 2]. */
void import_llama3_factors(float *factors, const struct import_llama3 *r);
/* A key of Glass's own: factor, low, high, length of the rule behind rope_freqs.weight. */
#define IMPORT_LLAMA3_KEY "glass.rope.llama3"
/* What LongRoPE multiplies cos and sin by unless a file says it: of the factor, and the length
 * of text that the model was first trained for. */
double import_longrope_amplitude(double factor, double length);
/* Llama 3's scaling, as a tensor of factors. */
glass_status import_rope_llama3(struct import *im, const struct import_llama3 *r);

/* ---- import_meta.c ---- */

/* Meta's params.json and the shards of its weights; takes the archive over. */
glass_status import_meta(struct gguf_build *build, struct archive *archive,
                         const char *params, size_t n_params, const char *params_path);
/* llama2.c's .bin, whose header says everything; takes the archive over. */
glass_status import_llama2c(struct gguf_build *build, struct archive *archive);
/* The vocabulary of a llama2.c tokenizer.bin as GGUF's keys. */
glass_status import_llama2c_vocab(struct gguf_writer *values, const char *path);

#endif
