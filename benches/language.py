"""Language models: transformers and peft beside unlearnd, on SmolLM2-135M, interleaved in one run; prints ratios of medians.

    make bench            # or .venv-reference/bin/python benches/language.py [REPETITIONS]
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDER = ROOT / "models" / "smollm2"
THREADS = 2
REPETITIONS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
PREFILL_TOKENS = 512
ROWS, TOKENS, STEPS = 4, 128, 2


class Peer:
    """The Rust side."""

    def __init__(self):
        target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        built = [path for path in (target / "release/deps").glob("text_peer-*") if not path.suffix]
        assert built, "the peer is not built; run `make bench`"
        newest = max(built, key=lambda path: path.stat().st_mtime)
        self.process = subprocess.Popen([newest, FOLDER, str(THREADS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        word, megabytes = self.process.stdout.readline().split()
        assert word == "ready"
        self.private_megabytes = float(megabytes)

    def seconds(self, **work):
        self.process.stdin.write(json.dumps(work) + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def load(dtype=torch.float32):
    return AutoModelForCausalLM.from_pretrained(FOLDER, dtype=dtype)


def prefill(model):
    tokens = torch.randint(0, model.config.vocab_size, (1, PREFILL_TOKENS))
    start = time.perf_counter()
    with torch.no_grad():
        model(tokens, logits_to_keep=1, use_cache=False)
    return time.perf_counter() - start


def lora_steps(model, optimiser, tokens):
    """Seconds a step."""

    def step():
        loss = model(input_ids=tokens, labels=tokens).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
        optimiser.step()

    step()
    start = time.perf_counter()
    for _ in range(STEPS):
        step()
    return (time.perf_counter() - start) / STEPS


def compare(title, theirs, ours, target):
    pairs = []
    for repetition in range(REPETITIONS + 1):
        pair = (theirs(), ours())
        if repetition:  # the first warms both up
            pairs.append(pair)
    ratios = sorted(a / b for a, b in pairs)
    middle = statistics.median(ratios)
    print(
        f"{title:<52} reference {statistics.median(a for a, _ in pairs):7.3f} s  unlearnd {statistics.median(b for _, b in pairs):7.3f} s"
        f"  ratio {middle:5.2f} [{ratios[0]:.2f}, {ratios[-1]:.2f}] (at least {target}){'  ok' if middle >= target else '  BELOW'}",
        flush=True,
    )


def main():
    if not FOLDER.exists():
        print("language: models/smollm2 is not here; run `make smollm2`")
        return
    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
    peer, weights = Peer(), (FOLDER / "model.safetensors").stat().st_size / 2**20
    share = peer.private_megabytes / weights
    print(f"SmolLM2-135M, {THREADS} threads, torch {torch.__version__}, median of {REPETITIONS} interleaved repetitions\n")
    print(f"private memory of the loaded model: {peer.private_megabytes:.0f} MiB, {share:.0%} of its weights (at most 20 %){'  ok' if share <= 0.2 else '  ABOVE'}")
    model = load().eval()
    compare(f"prefill of {PREFILL_TOKENS} tokens, f32 / transformers", lambda: prefill(model),
            lambda: peer.seconds(work="prefill", precision="f32", rows=1, tokens=PREFILL_TOKENS), 1.0)
    config = LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    tuned = get_peft_model(load(), config)
    optimiser = torch.optim.AdamW([p for p in tuned.parameters() if p.requires_grad], lr=2e-5)
    tokens = torch.randint(0, model.config.vocab_size, (ROWS, TOKENS))
    compare(f"LoRA step, rank 8, {ROWS} x {TOKENS}, f32 / peft", lambda: lora_steps(tuned, optimiser, tokens),
            lambda: peer.seconds(work="lora", precision="f32", rows=ROWS, tokens=TOKENS, steps=STEPS), 1.1)
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        print("bf16: not supported by this processor")
        return
    compare(f"prefill of {PREFILL_TOKENS} tokens, our bf16 / transformers f32", lambda: prefill(model),
            lambda: peer.seconds(work="prefill", precision="bf16", rows=1, tokens=PREFILL_TOKENS), 2.0)
    compare(f"LoRA step, rank 8, {ROWS} x {TOKENS}, our bf16 / peft f32", lambda: lora_steps(tuned, optimiser, tokens),
            lambda: peer.seconds(work="lora", precision="bf16", rows=ROWS, tokens=TOKENS, steps=STEPS), 1.5)


if __name__ == "__main__":
    main()
