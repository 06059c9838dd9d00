/* recipe.h - what a run of training is, read from YAML against one table of keys.
 *
 * A key that is not in the table, a value of the wrong kind or outside its range is an error that
 * names file, line and key. What the file leaves out gets the table's value, and a run writes its
 * recipe whole, so that nothing in it depends on a default of the program. */
#ifndef TRAIN_RECIPE_H
#define TRAIN_RECIPE_H

#include "base/buf.h"

/* How a file of text falls into documents. */
enum recipe_documents { DOCUMENTS_WHOLE, DOCUMENTS_LINES, DOCUMENTS_PARAGRAPHS };

struct recipe_source {
    char *file; /* absolute once read; a text, or with a root one packed shard */
    char
        *shards; /* a folder of packed shards (pack.h), until a run takes them one by one */
    char *root;  /* of the pack, hexadecimal; "" for texts */
    int64_t documents;
    double weight; /* how often an epoch has each of its windows; fractions take turns */
    int64_t line;
};

enum recipe_schedule { SCHEDULE_CONSTANT, SCHEDULE_LINEAR, SCHEDULE_COSINE, SCHEDULE_WSD };

struct recipe {
    char *path;
    /* model: either base, or the rest; 0 = not said */
    char *base, *family, *tokenizer, *name;
    int64_t n_embd, n_layer, n_head, n_head_kv, head_dim, n_ff, n_ctx;
    bool tied;
    double rope_base, norm_eps, deviation;
    struct recipe_source *data;
    int64_t n_data;
    double held_out_fraction;
    char *held_out_file;
    int64_t held_out_documents;
    int64_t context, sequences, micro, steps;
    int64_t optimizer; /* enum optimizer_kind */
    double rate, beta1, beta2, eps, decay, clip;
    bool decay_matrices, decay_head, decay_embeddings, decay_norms, decay_biases;
    double muon_rate, muon_decay, momentum;
    bool nesterov;
    int64_t scale;                     /* enum muon_scale */
    int64_t recompute;                 /* enum recompute */
    double z;                          /* of the loss */
    int64_t schedule, warmup, decline; /* decline: steps at the end, of wsd */
    double final_rate;                 /* as a share of rate */
    int64_t seed, threads;
    int64_t evaluate_every, checkpoint_every, checkpoint_keep, ledger_every;
    int64_t sample_every, sample_n;
    char *sample_prompt;
    double sample_temperature;
};

/* GLASS_BAD_INPUT: "FILE:LINE: …". Paths in it are made absolute, from the recipe's folder. */
glass_status recipe_read(struct recipe *out, const char *path);
/* The same from memory; path stands for it in messages and for its folder. */
glass_status recipe_parse(struct recipe *out, const char *text, size_t n_bytes,
                          const char *path);
/* Of a new run: its texts, packs and vocabulary are there. GLASS_SYSTEM names the recipe's line. */
glass_status recipe_check_files(const struct recipe *r);
void recipe_clear(struct recipe *r);

/* Every key with its value, as YAML that recipe_parse reads. */
glass_status recipe_write(struct buf *out, const struct recipe *r);
/* The same, but only of keys that change what is learnt, without the names of files: what a
 * ledger begins with. */
glass_status recipe_identity(struct buf *out, const struct recipe *r);

/* ---- recipe_scan.c, for recipe.c ---- */

/* Whether a text has nothing that no recipe needs: aliases, tags, directives, depth. */
glass_status recipe_scan(const char *text, size_t n_bytes, const char *path);

/* ---- recipe_keys.c, for recipe.c and recipe_write.c ---- */

enum recipe_kind {
    KEY_TEXT,   /* char * */
    KEY_PATH,   /* char *, of a file or a model */
    KEY_WHOLE,  /* int64_t */
    KEY_NUMBER, /* double */
    KEY_FLAG,   /* bool */
    KEY_CHOICE  /* int64_t: a word of `choices` */
};

struct recipe_key {
    const char *name; /* "optimizer.rate" */
    enum recipe_kind kind;
    size_t at;          /* offset of the value in its struct */
    const char *absent; /* the value where the file does not say; NULL = it must */
    double least, most;
    const char *choices; /* "constant|linear|…" */
    bool aside;          /* changes no bit of what is learnt */
};

extern const struct recipe_key recipe_keys[], recipe_source_keys[];
extern const int recipe_n_keys, recipe_n_source_keys;

/* Word i of choices, which has n_bytes; NULL past the last. */
const char *recipe_choice(const char *choices, int64_t i, size_t *n_bytes);

#endif
