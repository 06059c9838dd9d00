"""corpus_config.py FOLDER - seeds for fuzz_config: transformers' config.json of the tests' tiny
models with the sizes of the target's weights, and Meta's params.json."""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIGS = os.path.join(HERE, "../tests/model/data/hf")
SIZES = {"num_hidden_layers": 2, "n_layer": 2, "num_layers": 2, "hidden_size": 8, "n_embd": 8,
         "max_position_embeddings": 16, "n_positions": 16, "intermediate_size": 8, "n_inner": 8,
         "num_attention_heads": 2, "n_head": 2, "num_heads": 2, "num_key_value_heads": 2,
         "head_dim": 4, "rotary_dim": 4, "vocab_size": 7, "tie_word_embeddings": False,
         "original_max_position_embeddings": 8, "partial_rotary_factor": 1.0}
PARAMS = {"dim": 8, "n_layers": 2, "n_heads": 2, "n_kv_heads": 2, "vocab_size": -1,
          "multiple_of": 8, "ffn_dim_multiplier": 0.3, "norm_eps": 1e-5, "rope_theta": 500000.0,
          "use_scaled_rope": True}


def fitted(value):
    if not isinstance(value, dict):
        return value
    out = {k: SIZES.get(k, fitted(v)) for k, v in value.items()}
    for key in ("layer_types", "no_rope_layers", "short_factor", "long_factor"):
        if key in out:
            out[key] = out[key][:2]
    return out


def main(folder):
    os.makedirs(folder, exist_ok=True)
    for name in sorted(os.listdir(CONFIGS)):
        if name.endswith(".json"):
            with open(os.path.join(CONFIGS, name), encoding="utf-8") as f:
                settings = fitted(json.load(f))
            with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
                json.dump(settings, f)
    with open(os.path.join(folder, "params.json"), "w", encoding="utf-8") as f:
        json.dump(PARAMS, f)


main(sys.argv[1])
