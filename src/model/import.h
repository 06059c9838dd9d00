/* import.h - opening a model in whatever form it was published, as a struct gguf.
 *
 * GGUF files; Hugging Face folders (config.json and safetensors or pytorch_model.bin, in one
 * file or in shards) or one weight file inside such a folder; Meta folders (params.json and
 * consolidated.NN.pth); llama2.c's .bin. Tensors stay mapped where they are. A setting that
 * would change results and that Glass does not know is an error that names it. */
#ifndef MODEL_IMPORT_H
#define MODEL_IMPORT_H

#include "format/gguf.h"
#include "glass/tokenizer.h"

/* *tokenizer is NULL when the model brings none, or when it is in the gguf's own keys. */
glass_status import_open(struct gguf **file, glass_tokenizer **tokenizer, const char *path);
/* The same without the tokenizer: *vocab (mem_free it) is the path of a file or folder whose
 * vocabulary is the model's, NULL if the gguf's own keys hold it, or nothing does. */
glass_status import_find(struct gguf **file, char **vocab, const char *path);

/* A Hugging Face folder's config.json in memory, with the weights in an archive, which is taken
 * over whatever happens: for tests and fuzzing. */
struct archive;
glass_status import_hf_memory(struct gguf **file, const char *config, size_t n_config,
                              struct archive *archive, const char *name);

#endif
