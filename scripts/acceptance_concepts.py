"""Concepts of a trained ResNet-20 on CIFAR-10: a bank and every class's concepts and donor in one go, classes forgotten with those
donors, and the paper's ablations. Called by acceptance.py."""

import time

# Classes forgotten with their concept donors.
FORGOTTEN = ("deer", "ship", "automobile")
# Labels and pixels of the ablations, and whether they forget.
ABLATIONS = (("targeted", "none", True), ("targeted", "localized", True), ("keep", "localized", False), ("keep", "none", False))


def concepts(daemon):
    """Learns the built-in library and extracts all ten classes from cold caches; needs no figure of another model."""
    start = time.monotonic()
    daemon.call("evaluate", "--model", "without-deer", "--test", "cifar-train", "--wait")
    forward, start = time.monotonic() - start, time.monotonic()
    daemon.call("concepts", "learn", "--bank", "library", "--model", "cifar", "--wait")
    report = daemon.call(
        "concepts", "extract", "--bank", "library", "--model", "cifar", "--train", "cifar-train", "--test", "cifar-test", "--wait",
    )
    seconds = time.monotonic() - start
    pcbm = report["pcbm"]
    by_concepts, by_model = pcbm["test"]["value"], pcbm["model_test"]["value"]
    print("\nConcepts of all ten classes (built-in library, sparse layer on 10,000 training images)")
    for entry in report["classes"]:
        owed = ", ".join(f"{concept['concept']} {concept['weight']:+.2f}" for concept in entry["concepts"][:3])
        print(f"  {entry['class']:<12} {owed:<64} donor {entry['donor']['class']}")
    print(f"  accuracy on test images: by concepts {by_concepts:.3f}, the model itself {by_model:.3f}")
    print(f"  {seconds:.1f} s; one plain forward pass over 50,000 images: {forward:.1f} s; ratio {seconds / forward:.2f} (at most 3)")
    problems = [f"concepts took {seconds / forward:.2f} forward passes"] if seconds > 3 * forward else []
    if by_model - by_concepts > 0.03:
        problems.append(f"by concepts {by_concepts:.3f}, more than 3 points below the model's {by_model:.3f}")
    return problems, forward


def forget(daemon, name, *extra):
    return daemon.call(
        "unlearn", "--model", "cifar", "--train", "cifar-train", "--test", "cifar-test", "--forget-class", name, "--scope", "head",
        "--epochs", "20", "--batch-size", "128", "--seed", "42", "--concept-bank", "library", "--wait", *extra,
    )


def figures(result):
    before, after = result["before"], result["after"]
    left = max(after["forget_train_acc"], after["forget_test_acc"])
    return left, before["retain_test_acc"] - after["retain_test_acc"]


def concept_donors(daemon):
    print("\nForgotten with the donor that concepts choose (head alone, 20 epochs, batch 128, seed 42): forget train/test, retain test before -> after")
    problems = []
    for name in FORGOTTEN:
        result = forget(daemon, name, "--labels", "targeted", "--donor-rule", "concept-confusion")
        before, after = result["before"], result["after"]
        print(
            f"  {name:<12} donor {result['donor']:<12} {after['forget_train_acc']:.4f} {after['forget_test_acc']:.4f}   "
            f"{before['retain_test_acc']:.4f} -> {after['retain_test_acc']:.4f}"
        )
        left, drop = figures(result)
        if left > 0.01 or drop > 0.01:
            problems.append(f"{name} with its concept donor: forget {left:.4f}, retained drop {drop:.4f}")
    return problems


def ablations(daemon):
    print("\nWhat forgets, labels or pixels (deer; as the paper's Table: labels do)")
    print(f"  {'labels':<12}{'pixels':<12}{'forget train':>14}{'forget test':>14}{'retain test':>14}")
    problems = []
    for labels, pixels, forgets in ABLATIONS:
        result = forget(daemon, "deer", "--labels", labels, "--image-mode", pixels)
        before, after = result["before"], result["after"]
        print(f"  {labels:<12}{pixels:<12}{after['forget_train_acc']:>14.4f}{after['forget_test_acc']:>14.4f}{after['retain_test_acc']:>14.4f}")
        kept = before["forget_train_acc"] - after["forget_train_acc"] < 0.05
        if forgets and after["forget_train_acc"] > 0.01 or not forgets and not kept:
            problems.append(f"labels {labels} with pixels {pixels}: forget accuracy {after['forget_train_acc']:.4f}")
    return problems
