#!/usr/bin/env python3
"""Forgets a CIFAR-10 class with a trained ResNet-20 through the daemon, every label strategy and three seeds, and holds the
figures against those of plain PyTorch (shared models' README).

Usage: acceptance.py [SHARED]     SHARED holds data/cifar10 and models (default: ../shared beside the repository)
Needs target/release/unlearnd and unlearnctl. Exits 1 when a bound is missed, 0 with a loud note when the data are absent.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from acceptance_concepts import ablations, concept_donors, concepts

ROOT = pathlib.Path(__file__).resolve().parents[1]
BIN = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
CLASSES = "airplane,automobile,bird,cat,deer,dog,frog,horse,ship,truck"

# labels: forget train/test, retain train/test, membership AUC, JS to the reference (head alone, 20 epochs, batch 128).
EXPECTED = {
    "original": (0.896, 0.851, 0.900, 0.857, 0.545, 0.406),
    "reference": (0.0, 0.0, 0.903, 0.856, 0.498, 0.0),
    "targeted": (0.0, 0.0, 0.900, 0.859, 0.495, 0.212),
    "random": (0.0, 0.0, 0.907, 0.864, 0.526, 0.077),
    "random-uniform-all": (0.083, 0.079, 0.908, 0.865, 0.532, 0.098),
    "second-best": (0.0, 0.0, 0.910, 0.870, 0.528, 0.004),
    "soft-reweight": (0.0, 0.0, 0.910, 0.870, 0.529, 0.004),
}
KEYS = ("forget_train_acc", "forget_test_acc", "retain_train_acc", "retain_test_acc", "mia_auc", "js_to_reference")
SEEDS = (42, 43, 44)


class Daemon:
    """The real daemon on a free port with a data directory of its own."""

    def __init__(self, shared):
        self.folder = tempfile.TemporaryDirectory(prefix="unlearnd-acceptance-")
        address_file = pathlib.Path(self.folder.name) / "address"
        self.log = open(pathlib.Path(self.folder.name) / "log", "w")
        self.process = subprocess.Popen(
            [BIN / "unlearnd", "--listen", "127.0.0.1:0", "--data-dir", f"{self.folder.name}/data", "--root", shared,
             "--address-file", address_file],
            stdout=self.log, stderr=self.log,
        )
        while not (address_file.exists() and address_file.read_text().strip()):
            if self.process.poll() is not None:
                raise SystemExit(f"the daemon did not start:\n{pathlib.Path(self.log.name).read_text()}")
            time.sleep(0.05)
        self.server = f"http://{address_file.read_text().strip()}"

    def call(self, *arguments):
        """Runs unlearnctl and returns its JSON object."""
        command = [BIN / "unlearnctl", "--server", self.server, "--json", *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode not in (0, 3):  # 3: not forgotten, which some ablations are to show
            raise SystemExit(f"{' '.join(map(str, command))}\nfailed:\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout.strip().splitlines()[-1])

    def stop(self):
        self.process.terminate()
        code = self.process.wait(timeout=60)
        self.folder.cleanup()
        return code


def unlearn(daemon, labels, seed, extra=()):
    return daemon.call(
        "unlearn", "--model", "cifar", "--train", "cifar-train", "--test", "cifar-test", "--forget-class", "deer",
        "--labels", labels, "--scope", "head", "--epochs", "20", "--seed", str(seed), "--wait", *extra,
    )


def row(title, values, expected=None):
    cells = [f"{value:.3f}" if value is not None else "-" for value in values]
    print(f"  {title:<28}" + "".join(f"{cell:>11}" for cell in cells))
    if expected is None:
        return []
    bounds = (0.03, 0.03, 0.03, 0.03, 0.02, 0.02)
    return [
        f"{title}: {key} is {value:.3f}, expected {want:.3f} within {bound}"
        for key, value, want, bound in zip(KEYS, values, expected, bounds)
        if value is None or abs(value - want) > bound
    ]


def table_against_pytorch(daemon):
    print("\nForgetting deer, head alone, 20 epochs, batch 128, seed 42 (plain PyTorch's figures are held within .03, AUC and JS within .02)")
    print(f"  {'labels':<28}" + "".join(f"{key:>11}" for key in ("forget_tr", "forget_te", "retain_tr", "retain_te", "mia_auc", "js")))
    problems = []
    for labels in ("targeted", "random", "random-uniform-all", "second-best", "soft-reweight"):
        donor = ("--donor", "horse") if labels == "targeted" else ()
        result = unlearn(daemon, labels, 42, ("--batch-size", "128", "--reference", "without-deer", *donor))
        if labels == "targeted":
            problems += row("original model", [result["before"].get(key) for key in KEYS], EXPECTED["original"])
            problems += row("retrained without deer", [result["reference"].get(key) for key in KEYS[:5]] + [0.0], EXPECTED["reference"])
        title = f"{labels} ({result['donor']})" if result.get("donor") else labels
        problems += row(title, [result["after"].get(key) for key in KEYS], EXPECTED[labels])
        where = [f"{entry['class']} {entry['share']:.2f}" for entry in result["destinations"] if entry["share"] > 0.08]
        print("      test deer go to: " + ", ".join(where))
    return problems


def seeds(daemon):
    print("\nThree seeds (batch 128; smaller batches are more steps and leave less of the class with random-uniform-all): forget train/test, retain test before -> after, seconds")
    problems = []
    bounds = {"targeted": 0.01, "random": 0.03}
    for labels in ("targeted", "random", "random-uniform-all"):
        for seed in SEEDS:
            result = unlearn(daemon, labels, seed, ("--batch-size", "128"))
            before, after = result["before"], result["after"]
            forget = max(after["forget_train_acc"], after["forget_test_acc"])
            drop = before["retain_test_acc"] - after["retain_test_acc"]
            print(
                f"  {labels:<20} seed {seed}: {after['forget_train_acc']:.4f} {after['forget_test_acc']:.4f}   "
                f"{before['retain_test_acc']:.4f} -> {after['retain_test_acc']:.4f}   {result['seconds']:.1f} s"
            )
            if labels in bounds and (forget > bounds[labels] or drop > 0.01):
                problems.append(f"{labels} seed {seed}: forget {forget:.4f}, retained drop {drop:.4f}")
            if labels == "random-uniform-all" and after["forget_train_acc"] < 0.04:
                problems.append(f"{labels} seed {seed}: leaves only {after['forget_train_acc']:.4f}, about 1/K expected")
    return problems


def head_against_forward(daemon, forward):
    """A head-scope job from cold caches against one plain forward pass of the same architecture over the same images."""
    start = time.monotonic()
    daemon.call(
        "finetune", "--model", "cifar", "--train", "cifar-train", "--forget-class", "deer", "--donor", "horse", "--scope", "head",
        "--epochs", "20", "--batch-size", "128", "--wait",
    )
    job = time.monotonic() - start
    ratio = job / forward
    print(f"\nHead scope, 20 epochs over 50,000 images: {job:.1f} s; one plain forward pass: {forward:.1f} s; ratio {ratio:.2f} (at most 1.5)")
    return [f"head job is {ratio:.2f} forward passes"] if ratio > 1.5 else []


def main():
    shared = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("UNLEARND_SHARED", ROOT.parent / "shared")).resolve()
    if not (shared / "data" / "cifar10" / "train.parquet").exists():
        print("SKIPPED: no CIFAR-10 beside the repository (data/cifar10, models); pass the folder as an argument")
        return 0
    daemon = Daemon(shared)
    try:
        for split in ("train", "test"):
            start = time.monotonic()
            data = daemon.call("dataset", "add", f"cifar-{split}", "--uri", f"file://{shared}/data/cifar10/{split}.parquet", "--split", split)
            print(f"dataset cifar-{split}: {data['splits'][0]['sample_count']} images in {time.monotonic() - start:.1f} s")
        for name, file in (("cifar", "resnet20_cifar10"), ("without-deer", "resnet20_cifar10_without_deer")):
            daemon.call("model", "load", name, "--uri", f"file://{shared}/models/{file}.safetensors", "--format", "safetensors",
                        "--architecture", "cifar_resnet20", "--class-names", CLASSES)
        problems, forward = concepts(daemon)
        problems += head_against_forward(daemon, forward) + table_against_pytorch(daemon) + seeds(daemon)
        problems += concept_donors(daemon) + ablations(daemon)
    finally:
        code = daemon.stop()
    if code != 0:
        problems.append(f"the daemon exited with {code}")
    print("\n" + ("acceptance: every figure within its bound" if not problems else "acceptance: MISSED\n  " + "\n  ".join(problems)))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
