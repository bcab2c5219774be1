"""Tiny random language models with what transformers and Captum compute on them.

Each folder has a model as `save_pretrained` writes it (sharded for one) and `golden.safetensors`: tokens, masks, logits and hidden states
where tokens are, greedy continuations, and attributions by Captum's LayerIntegratedGradients on the token embeddings.
"""

import copy
import json
import shutil
from pathlib import Path

import torch
from captum.attr import LayerIntegratedGradients
from safetensors.torch import save_file
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    BertConfig,
    DistilBertConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
)

HERE = Path(__file__).parent
VOCABULARY, CONTEXT, PAD = 101, 64, 1
SMALL = dict(vocab_size=VOCABULARY, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
             max_position_embeddings=CONTEXT)
DECODER = dict(bos_token_id=0, eos_token_id=2, pad_token_id=PAD)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
NEOX = dict(**SMALL, **DECODER, rotary_pct=0.5)

MODELS = {
    "llama": LlamaConfig(**SMALL, **DECODER, num_key_value_heads=2, rope_theta=1e5, tie_word_embeddings=True),
    "llama3": LlamaConfig(**SMALL, **DECODER, num_key_value_heads=1, head_dim=16, rope_scaling=LLAMA3, attention_bias=True,
                          mlp_bias=True, tie_word_embeddings=False),
    "mistral": MistralConfig(**SMALL, **DECODER, num_key_value_heads=2, sliding_window=5),
    "qwen2": Qwen2Config(**SMALL, **DECODER, num_key_value_heads=2, use_sliding_window=True, sliding_window=4,
                         max_window_layers=1),
    "gpt2": GPT2Config(vocab_size=VOCABULARY, n_embd=16, n_layer=2, n_head=4, n_positions=CONTEXT, **DECODER),
    "gpt_neox": GPTNeoXConfig(**NEOX, use_parallel_residual=True),
    "gpt_neox_serial": GPTNeoXConfig(**NEOX, use_parallel_residual=False, hidden_act="gelu_new"),
    "bert": BertConfig(**SMALL, pad_token_id=PAD, num_labels=3),
    "distilbert": DistilBertConfig(vocab_size=VOCABULARY, dim=16, hidden_dim=24, n_layers=2, n_heads=4,
                                   max_position_embeddings=CONTEXT, pad_token_id=PAD, num_labels=3),
}
ENCODERS = ("bert", "distilbert")
SHARDED = ("qwen2",)
LENGTHS = (12, 7, 4)
NEW_TOKENS = 12


def padded(rows, side):
    """Tokens and mask of rows of several lengths."""
    longest = max(len(row) for row in rows)
    tokens, mask = torch.full((len(rows), longest), PAD), torch.zeros(len(rows), longest, dtype=torch.long)
    for position, row in enumerate(rows):
        place = slice(longest - len(row), None) if side == "left" else slice(len(row))
        tokens[position, place], mask[position, place] = row, 1
    return tokens, mask


def positions(mask):
    return (mask.cumsum(-1) - 1).clamp(min=0)


def randomised(model):
    """Weights large enough that attention is not flat, and biases and norms that are not 0 and 1."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            is_norm = parameter.dim() == 1 and not name.endswith("bias")
            parameter.copy_(1 + 0.1 * noise if is_norm else 0.15 * noise if parameter.dim() == 1 else 0.25 * noise)
    model.tie_weights()
    return model.eval()


def causal(model, rows):
    golden = {}
    for side in ("left", "right"):
        tokens, mask = padded(rows, side)
        with torch.no_grad():
            output = model(tokens, attention_mask=mask, position_ids=positions(mask), output_hidden_states=True)
        golden |= {f"{side}.tokens": tokens, f"{side}.mask": mask, f"{side}.logits": output.logits[mask.bool()]}
        golden[f"{side}.hidden"] = output.hidden_states[1][mask.bool()]
    with torch.no_grad():
        golden["plain.logits"] = model(rows[0][None]).logits[0, -1]
    tokens, mask = padded(rows, "left")
    settings = dict(do_sample=False, max_new_tokens=NEW_TOKENS, eos_token_id=2, pad_token_id=PAD)
    golden["greedy"] = model.generate(tokens, attention_mask=mask, **settings)[:, tokens.shape[1]:]
    golden["greedy.alone"] = model.generate(rows[1][None], attention_mask=torch.ones(1, len(rows[1]), dtype=torch.long), **settings)[:, len(rows[1]):]
    for name, kind in (("bf16", torch.bfloat16), ("f16", torch.float16)):
        with torch.no_grad():
            # A copy: converted back, the weights would stay rounded.
            golden[f"{name}.logits"] = copy.deepcopy(model).to(kind)(rows[0][None]).logits[0, -1].float()
    return golden


def causal_attribution(model, embedding, rows):
    """The answer is the last four tokens; the three before it and it itself move; the others stay."""
    tokens = rows[0][None]
    moves = torch.zeros_like(tokens, dtype=torch.bool)
    moves[:, 5:] = True
    baseline = torch.where(moves, PAD, tokens)
    answer = slice(tokens.shape[1] - 4, tokens.shape[1])

    def score(ids):
        return chosen(ids).sum(1)

    def chosen(ids):
        logits = model(inputs_embeds=path["embeddings"] if path else None, input_ids=None if path else ids).logits
        target = tokens[:, answer].expand(len(logits), -1)
        return logits[:, answer.start - 1 : answer.stop - 1].log_softmax(-1).gather(-1, target[..., None])[..., 0]

    path = {}
    method = LayerIntegratedGradients(lambda ids: score(ids), embedding)
    values, delta = method.attribute(tokens, baselines=baseline, n_steps=50, return_convergence_delta=True)
    golden = {"ig.tokens": tokens[0], "ig.moves": moves[0].long(), "ig.scores": values.sum(-1)[0], "ig.delta": delta}
    each = [LayerIntegratedGradients(lambda ids, i=i: chosen(ids)[:, i], embedding).attribute(tokens, baselines=baseline, n_steps=50) for i in range(4)]
    golden["ig.each"] = torch.stack([one.sum(-1)[0] for one in each])
    with torch.no_grad():
        golden["ig.output"] = torch.stack([score(tokens)[0], score(baseline)[0]])
    middle = method.attribute(tokens, baselines=baseline, n_steps=16, method="riemann_middle")
    golden["ig.middle"] = middle.sum(-1)[0]
    return golden


def classifier(model, embedding, rows):
    tokens, mask = padded(rows, "right")
    with torch.no_grad():
        output = model(tokens, attention_mask=mask, output_hidden_states=True)
        golden = {"right.tokens": tokens, "right.mask": mask, "right.logits": output.logits, "plain.logits": model(rows[0][None]).logits[0]}
        golden["right.hidden"] = output.hidden_states[1][mask.bool()]
    ids = rows[0][None]
    moves = torch.ones_like(ids, dtype=torch.bool)
    moves[:, [0, -1]] = False
    baseline = torch.where(moves, PAD, ids)
    outputs = {
        "logit": lambda ids: model(ids).logits[:, 2],
        "log_probability": lambda ids: model(ids).logits.log_softmax(-1)[:, 2],
        "probability": lambda ids: model(ids).logits.softmax(-1)[:, 2],
    }
    golden |= {"ig.tokens": ids[0], "ig.moves": moves[0].long()}
    for name, output in outputs.items():
        values, delta = LayerIntegratedGradients(output, embedding).attribute(ids, baselines=baseline, n_steps=50, return_convergence_delta=True)
        golden |= {f"ig.{name}": values.sum(-1)[0], f"ig.{name}.delta": delta}
    return golden


def make(name, config):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    torch.manual_seed(0)
    auto = AutoModelForSequenceClassification if name in ENCODERS else AutoModelForCausalLM
    model = randomised(auto.from_config(config))
    generator = torch.Generator().manual_seed(1)
    rows = [torch.randint(3, VOCABULARY, (length,), generator=generator) for length in LENGTHS]
    model.save_pretrained(folder, max_shard_size="16KB" if name in SHARDED else "5GB")
    embedding = model.get_input_embeddings()
    golden = classifier(model, embedding, rows) if name in ENCODERS else causal(model, rows) | causal_attribution(model, embedding, rows)
    save_file({key: value.contiguous() for key, value in golden.items()}, folder / "golden.safetensors")
    for extra in ("generation_config.json",):
        (folder / extra).unlink(missing_ok=True)


def main():
    for name, config in MODELS.items():
        make(name, config)
    sizes = {name: sum(file.stat().st_size for file in (HERE / name).iterdir()) for name in MODELS}
    print(json.dumps(sizes), sum(sizes.values()))


if __name__ == "__main__":
    main()
