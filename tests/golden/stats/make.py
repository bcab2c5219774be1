"""Golden values of the statistics, from the libraries that everybody else uses.

    python tests/golden/stats/make.py

writes evaluation.json, scores.json, roc.json, logistic.json and svm.json beside this file. Made with numpy 1.26.4, scipy 1.17.1 and
scikit-learn 1.9.1, seed 20240516. The tolerances are those of tests/stats_golden.rs.

Inputs are written with all their digits (logits as numbers that float32 holds exactly), so both sides compute on equal bits.
"""

import json
import pathlib

import numpy as np
from scipy.spatial.distance import jensenshannon
from scipy.special import log_softmax
from scipy.stats import binomtest, entropy
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, log_loss, roc_auc_score, roc_curve
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

SEED = 20240516
HERE = pathlib.Path(__file__).parent


def write(name, value):
    (HERE / name).write_text(json.dumps(value, separators=(",", ":")) + "\n")


def logits_and_labels(generator, count, classes, confidence):
    """Logits on a grid of 1/256, so that float32 and JSON hold them exactly."""
    labels = generator.integers(0, classes, count)
    logits = generator.normal(0, 1.5, (count, classes))
    logits[np.arange(count), labels] += generator.normal(confidence, 1.0, count)
    return np.round(logits * 256) / 256, labels


def scores(generator):
    logits, labels = logits_and_labels(generator, 200, 10, 2.5)
    log_p = log_softmax(logits, axis=1)
    p = np.exp(log_p)
    rows = np.arange(len(labels))
    # inspire-group/membership-inference-evaluation: _m_entr_comp, logarithms of at least 1e-30.
    log = lambda x: np.log(np.maximum(x, 1e-30))
    modified_p, modified_log = p.copy(), log(1 - p)
    modified_p[rows, labels] = 1 - p[rows, labels]
    modified_log[rows, labels] = log(p[rows, labels])
    others = p.copy()
    others[rows, labels] = 0
    write("scores.json", {
        "classes": 10,
        "logits": logits.ravel().tolist(),
        "labels": labels.tolist(),
        "loss": log_p[rows, labels].tolist(),
        "confidence": p[rows, labels].tolist(),
        "entropy": (p * log(p)).sum(axis=1).tolist(),
        "modified_entropy": (modified_p * modified_log).sum(axis=1).tolist(),
        "logit": (log_p[rows, labels] - np.log(others.sum(axis=1))).tolist(),
    })


def roc_case(members, non_members):
    truth = np.r_[np.ones(len(members)), np.zeros(len(non_members))]
    values = np.r_[members, non_members]
    full_fpr, full_tpr, _ = roc_curve(truth, values, drop_intermediate=False)
    fpr, tpr, _ = roc_curve(truth, values, drop_intermediate=True)
    return {
        "members": members.tolist(),
        "non_members": non_members.tolist(),
        "auc": roc_auc_score(truth, values),
        "fpr": fpr.tolist(),
        "tpr": tpr.tolist(),
        "advantage": np.abs(full_tpr - full_fpr).max(),
        "balanced_accuracy": 0.5 * (1 + (full_tpr - full_fpr).max()),
        "tpr_at": [[rate, full_tpr[full_fpr <= rate].max()] for rate in (0.1, 0.01, 0.001)],
    }


def roc(generator):
    write("roc.json", [
        roc_case(generator.normal(0.5, 1, 150), generator.normal(0, 1, 120)),
        roc_case(np.round(generator.normal(0.5, 1, 150), 1), np.round(generator.normal(0, 1, 120), 1)),
        roc_case(generator.integers(0, 2, 80).astype(float), generator.integers(0, 2, 60).astype(float)),
        roc_case(np.ones(20), np.ones(30)),
        roc_case(generator.normal(-1, 1, 40), generator.normal(1, 1, 1100)),
        roc_case(np.arange(10, 20.0), np.arange(10.0)),
    ])


def logistic_case(features, member, c):
    fit = LogisticRegression(C=c, tol=1e-10, max_iter=100_000).fit(features, member)
    splitter = StratifiedShuffleSplit(n_splits=10, test_size=0.1, random_state=SEED)
    splits, accuracies = [], []
    for train, test in splitter.split(features, member):
        split = LogisticRegression(C=c, tol=1e-10, max_iter=100_000).fit(features[train], member[train])
        splits.append({"train": train.tolist(), "test": test.tolist()})
        accuracies.append(split.score(features[test], member[test]))
    return {
        "columns": features.shape[1],
        "features": features.ravel().tolist(),
        "member": member.astype(bool).tolist(),
        "c": c,
        "coefficients": fit.coef_[0].tolist(),
        "intercept": fit.intercept_[0],
        "splits": splits if c == 1.0 else [],
        "mean_accuracy": float(np.mean(accuracies)),
    }


def logistic(generator):
    member = np.r_[np.ones(100), np.zeros(100)]
    loss = np.r_[generator.exponential(0.3, 100), generator.exponential(0.9, 100)].round(6)[:, None]
    several = (generator.normal(0, 1, (200, 6)) + 0.4 * member[:, None]).round(6)
    saturated = np.r_[generator.exponential(1e-4, 100), generator.exponential(8, 100)].round(9)[:, None]
    write("logistic.json", [
        logistic_case(loss, member, 1.0),
        logistic_case(several, member, 1.0),
        logistic_case(several, member, 0.01),
        logistic_case(saturated, member, 100.0),
    ])


def svm_case(train, member, judged, kernel, c, gamma):
    scaler = StandardScaler().fit(train) if kernel == "linear" else None
    scaled = lambda x: scaler.transform(x) if scaler else x
    fit = SVC(kernel=kernel, C=c, gamma=gamma, tol=1e-8, cache_size=500).fit(scaled(train), member)
    support = scaled(train)[fit.support_]
    if kernel == "linear":
        gram = support @ support.T
    else:
        squared = ((support[:, None] - support[None]) ** 2).sum(axis=2)
        gram = np.exp(-squared * (1 / train.shape[1]))
    beta = fit.dual_coef_[0]
    return {
        "kernel": kernel,
        "c": c,
        "columns": train.shape[1],
        "features": train.ravel().tolist(),
        "member": member.astype(bool).tolist(),
        "judged": judged.ravel().tolist(),
        "decisions": fit.decision_function(scaled(judged)).tolist(),
        "dual_objective": 0.5 * beta @ gram @ beta - np.abs(beta).sum(),
    }


def softmax_rows(generator, count, classes, confidence):
    logits = generator.normal(0, 1.2, (count, classes))
    logits[:, 0] += generator.normal(confidence, 1, count)
    return np.exp(log_softmax(logits, axis=1)).round(6)


def svm(generator):
    member = np.r_[np.ones(150), np.zeros(150)]
    confidence = np.r_[generator.beta(8, 1.5, 150), generator.beta(5, 2, 150)].round(6)[:, None]
    judged = generator.beta(4, 2, 200).round(6)[:, None]
    plane = (generator.normal(0, 1, (300, 3)) * np.where(member[:, None] == 1, 0.6, 1.4)).round(6)
    softmax = np.r_[softmax_rows(generator, 150, 5, 4), softmax_rows(generator, 150, 5, 3)]
    write("svm.json", [
        svm_case(confidence, member, judged, "rbf", 3.0, "auto"),
        svm_case(plane, member, generator.normal(0, 1, (200, 3)).round(6), "rbf", 3.0, "auto"),
        svm_case(softmax, member, softmax_rows(generator, 200, 5, 2), "linear", 1.0, "auto"),
    ])


def evaluation(generator):
    logits, labels = logits_and_labels(generator, 150, 6, 1.5)
    forget = np.isin(labels, [1, 4])
    p = np.exp(log_softmax(logits, axis=1))
    predicted = logits.argmax(axis=1)
    classes = np.arange(6)
    distributions = generator.dirichlet(np.full(8, 0.5), 6)
    distributions[1, 3] = 0
    distributions[1] /= distributions[1].sum()
    shares = [(0, 10), (3, 10), (10, 10), (17, 1000), (9990, 10000), (1, 1), (50, 100)]
    interval = lambda k, n: binomtest(k, n).proportion_ci(0.95, method="wilson")
    write("evaluation.json", {
        "classes": 6,
        "logits": logits.ravel().tolist(),
        "labels": labels.tolist(),
        "forget": forget.tolist(),
        "forget_correct": int((predicted == labels)[forget].sum()),
        "retain_correct": int((predicted == labels)[~forget].sum()),
        "forget_loss": log_loss(labels[forget], p[forget], labels=classes),
        "retain_loss": log_loss(labels[~forget], p[~forget], labels=classes),
        "confusion": confusion_matrix(labels, predicted, labels=classes).ravel().tolist(),
        "destinations": (np.bincount(predicted[forget], minlength=6) / forget.sum()).tolist(),
        "mean_softmax": p[forget].mean(axis=0).tolist(),
        "wilson": [[k, n, *map(float, interval(k, n))] for k, n in shares],
        "divergence": [
            {"p": a.tolist(), "q": b.tolist(), "js": jensenshannon(a, b) ** 2, "kl": float(entropy(a, b))}
            for a, b in ((distributions[0], distributions[2]), (distributions[1], distributions[3]), (distributions[4], distributions[5]))
        ],
    })


if __name__ == "__main__":
    for part in (scores, roc, logistic, svm, evaluation):
        part(np.random.default_rng(SEED))
