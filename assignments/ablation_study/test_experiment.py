"""Question 5: the statistics of several runs, and the interaction of two components."""

import runpy
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from grader.checks.outcome import Missing, Shortfall

pytestmark = pytest.mark.question("experiment")

PATH = Path(__file__).with_name("trials.py")
TRIALS, ours = PATH.read_text(encoding="utf-8"), runpy.run_path(str(PATH))

RELATIONS = {
    "redundant": (
        "redundancy",
        "substitutes",
        "substitute",
        "جانشین",
        "جایگزین",
        "جانشین یکدیگر",
        "جایگزین یکدیگر",
        "افزونه",
        "افزونگی",
    ),
    "independent": ("independence", "additive", "مستقل", "ناوابسته"),
    "complementary": ("complements", "complement", "synergy", "مکمل", "مکمل یکدیگر", "هم‌افزا"),
}


# ---- statistics ------------------------------------------------------------------------------------


def two_rows(value, n):
    """Return (means, spreads) of `n` components from what `summarise` returned, else as it is.

    They may come as two rows or as a pair for each component, in a mapping, a list or an array.
    """
    if isinstance(value, Mapping):
        value = list(value.values())
    try:
        found = np.array(value, dtype=float)
    except (TypeError, ValueError):
        return value
    return found.T if found.shape == (n, 2) else found


def spread_to_all(value, n):
    """Return (means, spreads) where one of them is a single number for all components."""
    if isinstance(value, (list, tuple)) and len(value) == 2:
        try:
            return [np.broadcast_to(np.asarray(each, dtype=float), n).tolist() for each in value]
        except (TypeError, ValueError):
            pass
    return value


@pytest.mark.part("statistics", points=2)
@pytest.mark.hidden
def test_mean_and_spread_of_runs(student, expect, rng):
    summarise = student.function("summarise")
    for seeds, components in ((4, 4), (5, 3)):
        drops = rng.normal(0.2, 0.1, size=(seeds, components))
        mean, spread = np.mean(drops, axis=0), np.std(drops, axis=0, ddof=1)
        wrong = {
            "mean-and-spread-swapped": (spread, mean),
            "standard-error-for-spread": (mean, spread / seeds**0.5),
            "spread-over-everything": (mean, np.full(components, drops.std(ddof=1))),
        }
        rows = two_rows(spread_to_all(summarise(drops).value, components), components)
        if isinstance(rows, np.ndarray) and rows.shape == (2, components):
            # As many seeds as components: both axes fit.
            turned = seeds == components and np.allclose(rows[0], drops.mean(axis=1))
            expect.satisfies(not turned, "wrong-axis")
            squared = any(np.allclose(rows[1], drops.var(axis=0, ddof=ddof)) for ddof in (0, 1))
            expect.satisfies(not squared, "variance-for-spread")
        expect(rows).close(
            (mean, spread),
            rtol=1e-5,
            misconceptions={name: np.array(both) for name, both in wrong.items()},
            alternatives={
                "population-spread": (mean, drops.std(axis=0)),
                "range-for-spread": (mean, np.ptp(drops, axis=0)),
            },
        )


# ---- interaction -----------------------------------------------------------------------------------


def measure_without(model, components, x, labels) -> np.ndarray:
    """Return accuracy and loss of one of our models with the components at zero."""
    kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        for component in components:
            for parameter in model.get_submodule(component).parameters():
                parameter.zero_()
        scores = ours["look"](model, x)["scores"]
    model.load_state_dict(kept)
    accuracy = (scores.argmax(dim=1) == labels).double().mean()
    return np.array([accuracy.item(), F.cross_entropy(scores, labels).item()])


def judge_interaction(expect, answer, model, pair, x, labels, follow_through=None) -> None:
    whole = measure_without(model, (), x, labels)
    first, second = (whole - measure_without(model, (each,), x, labels) for each in pair)
    both = whole - measure_without(model, pair, x, labels)
    expected, of_losses = both - first - second
    (whole, _), (first, _), (second, _), (both, _) = whole, first, second, both
    expect(np.asarray(answer, dtype=float).squeeze()).close(
        expected,
        atol=1e-4,
        rtol=1e-3,
        misconceptions={
            "interaction-with-flipped-sign": -expected,
            "interaction-of-losses": -of_losses,
            "drop-of-both": both,
            "sum-of-single-drops": first + second,
            "larger-for-sum": both - max(first, second),
            "mean-for-sum": both - (first + second) / 2,
            "accuracies-for-drops": (whole - both) - (whole - first) - (whole - second),
            "second-block-undoes-the-first": -first,
            "ratio-for-difference": both / (first + second) if first + second else np.inf,
        },
        alternatives={"percent": 100 * expected},
        follow_through=follow_through,
    )


def own_interaction(student, kind, weights, pair, x, labels) -> float | None:
    """Return the interaction that follows from the student's own `evaluate` and `ablated`."""
    try:
        evaluate, ablated = (student.function(n).handle() for n in ("evaluate", "ablated"))
        model = student.make(TRIALS, "network", kind, weights)
        groups = [[], [pair[0]], [pair[1]], list(pair)]
        trial = (evaluate, ablated, model, groups, x, labels)
        results = student.make(TRIALS, "measured", *trial).value().value
        whole, *without = (float(accuracy) for _, accuracy in results)
    except (Shortfall, TypeError, ValueError):
        return None
    first, second, both = (whole - accuracy for accuracy in without)
    return both - first - second if first or second else None


def call_interaction(student, kind, weights, pair, x, labels):
    """Return what the student's `interaction` gives for a network with given weights."""
    function = student.function("interaction")
    model = student.make(TRIALS, "network", kind, weights)
    return function(model, *pair, x, labels).array


@pytest.mark.part("interaction", points=1.5)
def test_interaction_of_the_two_branches(student, reference, expect):
    weights = {name: tensor.numpy() for name, tensor in reference.panel.state_dict().items()}
    x, labels = reference.panel_test
    pair = ("left", "right")
    carried = own_interaction(student, "branches", weights, pair, x, labels)
    try:
        answer = student.value("panel_interaction", kind="number").value
    except Missing as missing:
        try:
            answer = call_interaction(student, "branches", weights, pair, x, labels)
        except Shortfall:
            raise missing from None
    model = ours["network"]("branches", weights)
    judge_interaction(expect, answer, model, pair, x, labels, follow_through=carried)


@pytest.mark.part("interaction", points=1.5)
@pytest.mark.hidden
def test_interaction_in_other_networks(student, expect, rng):
    for kind, pair in (("branches", ("extra", "left")), ("tower", ("block", "block2"))):
        weights, x, labels = telling_network(kind, pair, rng)
        carried = own_interaction(student, kind, weights, pair, x, labels)
        answer = call_interaction(student, kind, weights, pair, x, labels)
        model = ours["network"](kind, weights)
        judge_interaction(expect, answer, model, pair, x, labels, follow_through=carried)


def telling_network(kind, pair, rng):
    """Draw weights and data until each of the `pair` matters, and differently."""
    while True:
        weights = {
            name: rng.normal(scale=0.7, size=tensor.shape).astype(np.float32)
            for name, tensor in ours["empty"](kind).named_parameters()
        }
        model = ours["network"](kind, weights)
        x = torch.tensor(rng.normal(size=(80, 12)), dtype=torch.float32)
        labels = ours["look"](model, x)["scores"].argmax(dim=1)
        first, second, both = (
            1 - measure_without(model, without, x, labels)[0]
            for without in (pair[:1], pair[1:], pair)
        )
        if min(first, second, abs(first - second), abs(both - first - second)) > 0.02:
            return weights, x, labels


@pytest.mark.part("interaction", points=1)
def test_how_the_two_branches_relate(student, reference, expect):
    answer = student.value("panel_relation", kind="choice", options=RELATIONS)
    expect(answer).choice(
        reference.panel_relation,
        misconceptions={
            "thought-independent": "independent",
            "thought-complementary": "complementary",
        },
    )
