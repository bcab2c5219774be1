"""Golden values of the concept statistics: Student's t-tests and non-negative matrix factorisation.

    python tests/golden/concept_stats/make.py

writes student.json and nmf.json beside this file. Made with numpy 2.4.6, scipy 1.17.1 and scikit-learn 1.9.1, seed 20240517. The
tolerances are those of the tests in src/ml/concept.

Activations lie on a grid of 1/256, so that float32 holds them exactly; other inputs have all their digits.
"""

import json
import pathlib
import warnings

import numpy as np
from scipy.stats import ttest_ind
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning

SEED = 20240517
HERE = pathlib.Path(__file__).parent


def write(name, value):
    (HERE / name).write_text(json.dumps(value, separators=(",", ":")) + "\n")


def student(generator):
    """Samples of several sizes and spreads, shares as TCAV has them, and p far into the tail."""
    shapes = [(10, 10, 0.0, 1.0), (10, 30, 0.5, 3.0), (2, 2, 1.0, 1.0), (5, 40, 0.2, 0.1), (10, 10, 30.0, 1.0), (50, 50, 20.0, 0.5)]
    pairs = [(generator.normal(0, 1, n), generator.normal(shift, scale, m)) for n, m, shift, scale in shapes]
    pairs.append((np.ones(10), generator.integers(0, 500, 10) / 500))
    pairs.append((generator.integers(480, 501, 10) / 500, np.repeat([0.0, 1.0], 15)))
    return [
        {
            "left": left.tolist(),
            "right": right.tolist(),
            "welch": float(ttest_ind(left, right, equal_var=False).pvalue),
            "pooled": float(ttest_ind(left, right, equal_var=True).pvalue),
        }
        for left, right in pairs
    ]


def factorised(model, data, **factors):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        coefficients = model.fit_transform(data, **factors)
    loss = float(((data - coefficients @ model.components_) ** 2).sum())
    return coefficients, model.components_, loss, int(model.n_iter_)


def nmf(generator, samples, dim, parts, noise):
    true = generator.gamma(0.5, 1.0, (samples, parts)) @ generator.gamma(0.5, 1.0, (parts, dim))
    data = np.maximum(true + generator.normal(0, noise, true.shape), 0)
    data = np.round(data * 256) / 256
    first = (generator.uniform(0.1, 1, (samples, parts)), generator.uniform(0.1, 1, (parts, dim)))
    nndsvda = factorised(NMF(parts, init="nndsvda", solver="cd", random_state=0), data)
    return {
        "dim": dim,
        "parts": parts,
        "grid": (data * 256).astype(int).ravel().tolist(),
        "start_coefficients": np.round(first[0], 4).ravel().tolist(),
        "start_components": np.round(first[1], 4).ravel().tolist(),
        "squared_norm": float((data**2).sum()),
        "nndsvda_loss": nndsvda[2],
    } | custom_values(data, parts, first)


def custom_values(data, parts, first):
    """From starts rounded to what is written."""
    first = [np.round(start, 4) for start in first]
    coefficients, components, loss, iterations = factorised(
        NMF(parts, init="custom", solver="cd"), data, W=first[0].copy(), H=first[1].copy()
    )
    # The default tolerance is reached by none within its 200 iterations: a coarser one shows where it stops.
    early = factorised(NMF(parts, init="custom", solver="cd", tol=1e-2), data, W=first[0].copy(), H=first[1].copy())
    return {
        "coefficients": coefficients.ravel().tolist(),
        "components": components.ravel().tolist(),
        "loss": loss,
        "iterations": iterations,
        "early_loss": early[2],
        "early_iterations": early[3],
    }


if __name__ == "__main__":
    generator = np.random.default_rng(SEED)
    write("student.json", student(generator))
    write("nmf.json", [nmf(generator, 60, 12, 4, 0.05), nmf(generator, 40, 24, 6, 0.5), nmf(generator, 30, 8, 8, 0.1)])
