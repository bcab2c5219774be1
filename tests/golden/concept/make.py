"""Golden values of concept vectors and the sparse layer, from scikit-learn and numpy.

    python tests/golden/concept/make.py

writes cav.json, pcbm.json and pcbm_h.json beside this file. Made with numpy 2.4.6, scikit-learn 1.9.1 and torch 2.13, seed
20240516. The tolerances are those of tests/concept_golden.rs and, for pcbm_h.json, of src/ml/concept/pcbm_h.rs. Inputs are numbers on a grid of 1/256, which float32 and JSON hold exactly.
"""

import json
import pathlib
import warnings

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import SVC

SEED = 20240516
HERE = pathlib.Path(__file__).parent


def write(name, value):
    (HERE / name).write_text(json.dumps(value, separators=(",", ":")) + "\n")


def grid(values):
    return np.round(values * 256) / 256


def vector(coef, intercept):
    return {"vector": np.ravel(coef).tolist(), "bias": float(np.ravel(intercept)[0])}


def cav_case(generator, per_side, dim, shift, c):
    """Sides that overlap; unit rows as embeddings are."""
    rows = generator.normal(0, 1, (2 * per_side, dim))
    rows[:per_side] += shift * generator.normal(0, 1, dim) / np.sqrt(dim)
    rows = grid(rows * 4 / np.sqrt(dim))
    sides = np.r_[np.ones(per_side), -np.ones(per_side)]
    svc = SVC(kernel="linear", C=c, tol=1e-8).fit(rows, sides)
    logistic = LogisticRegression(C=c, tol=1e-10, max_iter=100_000, solver="lbfgs").fit(rows, sides)
    ridge = Ridge(alpha=1 / c, solver="svd").fit(rows, sides)
    positive, negative = rows[:per_side].mean(axis=0), rows[per_side:].mean(axis=0)
    difference = positive - rows.mean(axis=0)
    return {
        "dim": dim,
        "c": c,
        "positives": rows[:per_side].ravel().tolist(),
        "negatives": rows[per_side:].ravel().tolist(),
        "svc": vector(svc.coef_, svc.intercept_) | {"correct": int((svc.predict(rows) == sides).sum())},
        "logistic": vector(logistic.coef_, logistic.intercept_),
        "ridge": vector(ridge.coef_, ridge.intercept_),
        "mean_difference": vector(difference, -difference @ (positive + negative) / 2),
    }


def projections(generator, count, concepts, classes):
    """Correlated concepts, some of which matter to no class; noisy labels, so that no class is separable."""
    mixing = generator.normal(0, 1, (concepts, concepts)) * 0.4 + np.eye(concepts)
    rows = generator.normal(0, 1, (count, concepts)) @ mixing
    rows = grid(rows / rows.std(axis=0))
    weights = generator.normal(0, 1.5, (classes, concepts)) * (generator.random((classes, concepts)) < 0.5)
    labels = (rows @ weights.T + generator.gumbel(0, 1.5, (count, classes))).argmax(axis=1)
    return rows, labels


def pcbm_case(rows, labels, classes, strength, l1_ratio, multinomial=False):
    """With C = 1/(λ n) scikit-learn's objective is ours divided by λ: the same minimum."""
    count = len(rows)
    # saga stops where weights hardly change in an epoch. What is added to a weight of all classes alike changes no probability: that
    # way the curvature is l2 alone, 1e-5 at most, and steps are small long before the minimum. At 1e-7 saga stops 2.5e-3 short
    # of it (the objective is lower by 1.8e-10 with the shift undone), at 1e-13 it arrives (to 2e-9).
    tolerance, epochs = (1e-13, 500_000) if multinomial else (1e-7, 20_000)
    fit = LogisticRegression(
        solver="saga", l1_ratio=l1_ratio, C=1 / (strength * count), tol=tolerance, max_iter=epochs, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        if multinomial:
            fit.fit(rows, labels)
            coef, intercept, iterations = fit.coef_, fit.intercept_ - fit.intercept_.mean(), fit.n_iter_.max()
        else:
            ovr = OneVsRestClassifier(fit).fit(rows, labels)
            coef = np.vstack([part.coef_ for part in ovr.estimators_])
            intercept = np.ravel([part.intercept_ for part in ovr.estimators_])
            iterations = max(part.n_iter_.max() for part in ovr.estimators_)
    print(f"lambda {strength} multinomial {multinomial}: {iterations} epochs")
    return {
        "lambda": strength,
        "l1_ratio": l1_ratio,
        "multinomial": multinomial,
        "weights": coef.ravel().tolist(),
        "biases": intercept.tolist(),
    }


def pcbm(generator):
    classes, concepts = 4, 12
    rows, labels = projections(generator, 300, concepts, classes)
    write("pcbm.json", {
        "concepts": concepts,
        "classes": classes,
        "projections": rows.ravel().tolist(),
        "labels": labels.tolist(),
        "fits": [
            pcbm_case(rows, labels, classes, 1e-2, 0.99),
            pcbm_case(rows, labels, classes, 1e-3, 0.99),
            pcbm_case(rows, labels, classes, 1e-4, 0.5),
            pcbm_case(rows, labels, classes, 1e-2, 0.99, multinomial=True),
            pcbm_case(rows, labels, classes, 1e-3, 0.99, multinomial=True),
            pcbm_case(rows, labels, classes, 1e-3, 0.5, multinomial=True),
            pcbm_case(rows, labels, classes, 1e-5, 0.99),
        ],
    })


def pcbm_h(generator):
    """PCBM-h's recipe from zeros, on batches in the order that is written: the last batch of an epoch is smaller."""
    count, dim, classes, epochs = 150, 8, 4, 20
    embeddings = grid(generator.normal(0, 1, (count, dim)))
    frozen = grid(generator.normal(0, 1, (count, classes)))
    scores = embeddings @ generator.normal(0, 1, (dim, classes)) + 2 * frozen + generator.gumbel(0, 1, (count, classes))
    labels = scores.argmax(axis=1)
    orders = [generator.permutation(count) for _ in range(epochs)]
    layer = torch.nn.Linear(dim, classes)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.01)
    rows, logits, targets = torch.tensor(embeddings).float(), torch.tensor(frozen).float(), torch.tensor(labels)
    layers = []
    for batch in (part for order in orders for part in torch.tensor(order).split(64)):
        loss = torch.nn.functional.cross_entropy(logits[batch] + layer(rows[batch]), targets[batch])
        (loss + 0.001 * (layer.weight**2).mean()).backward()
        optimizer.step()
        optimizer.zero_grad()
        layers.append({"weights": layer.weight.ravel().tolist(), "biases": layer.bias.tolist()})
    write("pcbm_h.json", {
        "dim": dim,
        "classes": classes,
        "embeddings": embeddings.ravel().tolist(),
        "logits": frozen.ravel().tolist(),
        "labels": labels.tolist(),
        "orders": [order.tolist() for order in orders],
        "after_ten_steps": layers[9],
        "after_all_steps": layers[-1],
    })


def main():
    generator = np.random.default_rng(SEED)
    write("cav.json", [
        cav_case(generator, 25, 16, 3.0, 1.0),
        cav_case(generator, 15, 64, 3.0, 0.1),
        cav_case(generator, 40, 8, 2.0, 10.0),
        cav_case(generator, 30, 10, 2.0, 0.01),
    ])
    pcbm(generator)
    pcbm_h(generator)


if __name__ == "__main__":
    main()
