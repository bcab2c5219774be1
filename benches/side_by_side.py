"""Runs unlearnd's numeric core and eager PyTorch on the same work, interleaved, and prints the ratios.

`cargo bench`'s target `peer` is the other side: it reads one command a line and answers with the seconds one repetition took.
Every repetition runs both sides, one after the other, so that both meet the same machine. Ratios are medians over repetitions,
with their range, and the ratio of the fastest runs, which other work on the machine disturbs least; above 1 means that unlearnd is faster.
What the processor cannot compute (bf16 without AVX-512) is said instead of measured. A training epoch is its optimiser steps, on both
sides in batches of the same size.
"""

import copy
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import torch
from attribution import compare_attributions
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

ROOT = pathlib.Path(__file__).resolve().parents[1]
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
THREADS = 2
FORWARD_IMAGES, EPOCH_IMAGES, HEAD_IMAGES, HEAD_EPOCHS = 2560, 2560, 2560, 20
REPETITIONS = int(sys.argv[1]) if len(sys.argv) > 1 else 9


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.widen = outputs - inputs

    def forward(self, x):
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.widen:
            half = self.widen // 2
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, half, half))
        return F.relu(out + x)


class ResNet20(nn.Module):
    """He et al. 2016, parameter-free shortcuts."""

    def __init__(self, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        widths = [16, 16, 32, 64]
        for stage in (1, 2, 3):
            blocks = [Block(widths[stage - 1] if i == 0 else widths[stage], widths[stage], 2 if i == 0 and stage > 1 else 1) for i in range(3)]
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
        self.linear = nn.Linear(64, classes)

    def embed(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return x.mean((2, 3))

    def forward(self, x):
        return self.linear(self.embed(x))


class Peer:
    """The Rust side."""

    def __init__(self, weights):
        target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        built = [path for path in (target / "release/deps").glob("peer-*") if not path.suffix]
        assert built, "the peer is not built; run `make bench`"
        newest = max(built, key=lambda path: path.stat().st_mtime)
        command = [newest, str(weights), str(THREADS)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ready = self.process.stdout.readline()
        assert ready.strip() == "ready", f"the peer said {ready!r}"

    def seconds(self, **work):
        self.process.stdin.write(json.dumps(work) + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def normalise(pixels, channels_last):
    """uint8 NHWC to what the model takes, as both sides do it for every batch."""
    x = pixels.permute(0, 3, 1, 2).float().div_(255)
    x = (x - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)
    return x.contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)


def batches(count, size):
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def forward(model, pixels, batch=128):
    model.eval()
    start = time.perf_counter()
    with torch.no_grad():
        for part in batches(len(pixels), batch):
            model(normalise(pixels[part], False))
    return time.perf_counter() - start


def epoch(model, pixels, labels, channels_last, bf16, batch=128):
    model = model.to(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    model.train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    order = torch.randperm(len(pixels))
    start = time.perf_counter()
    for part in batches(len(pixels), batch):
        picked = order[part]
        x = normalise(pixels[picked], channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = F.cross_entropy(model(x).float(), labels[picked])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return time.perf_counter() - start


def head(model, pixels, labels, batch=128):
    """Frozen backbone, the head trained for 20 epochs: the plain loop of the paper's code."""
    model.eval()
    optimiser = torch.optim.SGD(model.linear.parameters(), lr=1e-3, momentum=0.9)
    start = time.perf_counter()
    for _ in range(HEAD_EPOCHS):
        order = torch.randperm(len(pixels))
        for part in batches(len(pixels), batch):
            picked = order[part]
            with torch.no_grad():
                features = model.embed(normalise(pixels[picked], False))
            loss = F.cross_entropy(model.linear(features), labels[picked])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return time.perf_counter() - start


def bf16_supported():
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()


def compare(title, theirs, ours, target, bf16=False):
    if bf16 and not bf16_supported():
        print(f"{title:<62} not supported by this processor", flush=True)
        return
    pairs = []
    for repetition in range(REPETITIONS + 1):
        pair = (theirs(), ours())
        if repetition:  # the first warms both up
            pairs.append(pair)
    ratios = sorted(a / b for a, b in pairs)
    middle = statistics.median(ratios)
    fastest = min(a for a, _ in pairs) / min(b for _, b in pairs)
    mark = "" if target is None else ("  ok" if middle >= target else "  BELOW")
    wanted = "" if target is None else f" (at least {target})"
    print(
        f"{title:<62} PyTorch {statistics.median(a for a, _ in pairs):7.3f} s  unlearnd {statistics.median(b for _, b in pairs):7.3f} s"
        f"  ratio {middle:6.2f} [{ratios[0]:.2f}, {ratios[-1]:.2f}], of minima {fastest:.2f}{wanted}{mark}",
        flush=True,
    )


def main():
    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
    model = ResNet20()
    untrained = copy.deepcopy(model)
    pixels = torch.randint(0, 256, (max(FORWARD_IMAGES, EPOCH_IMAGES, HEAD_IMAGES), 32, 32, 3), dtype=torch.uint8)
    labels = torch.randint(0, 10, (len(pixels),))
    with tempfile.TemporaryDirectory() as folder:
        weights = pathlib.Path(folder) / "resnet20.safetensors"
        save_file({name: value.contiguous() for name, value in model.state_dict().items()}, weights)
        peer = Peer(weights)
        few = pixels[:FORWARD_IMAGES]
        print(f"ResNet-20, {THREADS} threads, torch {torch.__version__}, median of {REPETITIONS} interleaved repetitions\n")
        for precision, target in (("f32", 1.6), ("bf16", 3.0)):
            compare(f"forward, folded BatchNorm, {precision} / eager NCHW f32", lambda: forward(model, few),
                    lambda: peer.seconds(work="forward", precision=precision, images=FORWARD_IMAGES), target, precision == "bf16")
        some, theirs = pixels[:EPOCH_IMAGES], labels[:EPOCH_IMAGES]
        for bf16 in (False, True):
            precision = "bf16" if bf16 else "f32"
            compare(f"training epoch, channels_last {precision} / the same in PyTorch", lambda: epoch(model, some, theirs, True, bf16),
                    lambda: peer.seconds(work="epoch", precision=precision, images=EPOCH_IMAGES), 1.0, bf16)
        best, target = ("bf16", 1.8) if bf16_supported() else ("f32", None)
        compare(f"training epoch, channels_last {best} (our best) / eager NCHW f32", lambda: epoch(model, some, theirs, False, False),
                lambda: peer.seconds(work="epoch", precision=best, images=EPOCH_IMAGES), target)
        model = model.to(memory_format=torch.contiguous_format)
        compare(f"head job, {HEAD_EPOCHS} epochs on cached activations / plain loop", lambda: head(model, pixels[:HEAD_IMAGES], labels[:HEAD_IMAGES]),
                lambda: peer.seconds(work="head", precision="f32", images=HEAD_IMAGES, epochs=HEAD_EPOCHS), 10.0)
        compare_attributions(untrained, peer, folder, compare, torch.ops.mkldnn._is_mkldnn_bf16_supported())
        peer.close()


if __name__ == "__main__":
    main()
