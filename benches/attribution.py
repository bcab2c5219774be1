"""Integrated gradients (ResNet-20, 64 images, 50 Gauss-Legendre steps): Captum at its best batch size against unlearnd."""

import pathlib
import resource
import time

import torch
from captum.attr import IntegratedGradients
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

IMAGES, STEPS = 64, 50
BATCHES = (64, 128, 256, 640, 3200)


class Attributions:
    """The inputs of both sides, in a folder of their own, and what came out of each."""

    def __init__(self, model, peer, folder):
        self.model, self.peer, self.folder = model.eval(), peer, pathlib.Path(folder)
        self.inputs = torch.randn(IMAGES, 3, 32, 32)
        self.targets = torch.randint(0, 10, (IMAGES,))
        save_file({"inputs": self.inputs, "targets": self.targets}, self.folder / "inputs.safetensors")
        torch.jit.script(model).save(str(self.folder / "model.pt"))

    def captum(self, batch, channels_last, steps=STEPS):
        layout = torch.channels_last if channels_last else torch.contiguous_format
        method = IntegratedGradients(self.model.to(memory_format=layout))
        inputs = self.inputs.to(memory_format=layout)
        start = time.perf_counter()
        self.theirs = method.attribute(inputs, target=self.targets, n_steps=steps, internal_batch_size=batch).detach()
        return time.perf_counter() - start

    def best_batch(self, channels_last):
        seconds = {batch: self.captum(batch, channels_last) for batch in BATCHES}
        return min(seconds, key=seconds.get)

    def unlearnd(self, torchscript=False, precision="f32", steps=STEPS):
        work = {"folder": str(self.folder), "torchscript": torchscript, "steps": steps}
        seconds = self.peer.seconds(work="attribute", precision=precision, images=0, attribution=work)
        self.result = load_file(self.folder / "result.safetensors")
        return seconds

    def cosine(self):
        """Median and smallest over the images."""
        cosines = F.cosine_similarity(self.theirs.flatten(1).double(), self.result["attributions"].flatten(1).double())
        return f"cosine {cosines.median():.6f}, at least {cosines.min():.6f}"

    def peak_mib(self, steps):
        self.unlearnd(steps=steps)
        return self.result["peak_kib"].item() / 1024


def compare_attributions(model, peer, folder, compare, bf16_supported):
    """Prints ratios through `compare(title, theirs, ours, target)`."""
    torch.manual_seed(0)
    both = Attributions(model, peer, folder)
    batches = {layout: both.best_batch(layout) for layout in (False, True)}
    print(f"\nintegrated gradients, {IMAGES} images, {STEPS} steps; Captum is fastest with batches of {batches[False]},"
          f" of {batches[True]} in channels_last")
    rows = [
        ("f32 / Captum", False, False, "f32", 1.8),
        ("f32 / Captum in channels_last", True, False, "f32", None),
        ("TorchScript / Captum", False, True, "f32", 1.2),
        ("TorchScript / Captum in channels_last", True, True, "f32", None),
        ("bf16 / Captum", False, False, "bf16", 3.0),
    ]
    for title, layout, torchscript, precision, target in rows:
        title = f"integrated gradients, {title}"
        if precision == "bf16" and not bf16_supported:
            print(f"{title:<62} not supported by this processor")
            continue
        compare(title, lambda: both.captum(batches[layout], layout), lambda: both.unlearnd(torchscript, precision), target)
        print(f"{'':<62} {both.cosine()}, longest step {1000 * both.result['longest_step'].item():.0f} ms")
    peaks = {steps: both.peak_mib(steps) for steps in (10, 50, 400)}
    print("peak memory of the process: " + ", ".join(f"{peak:.0f} MiB with {steps} steps" for steps, peak in peaks.items())
          + f"; this one, with Captum: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
