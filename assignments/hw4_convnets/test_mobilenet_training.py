"""Practice 2: what the saved outputs show of training: curves, and the table that compares."""

import re

import pytest

from grader.checks.curves import Table, falls, rises

pytestmark = pytest.mark.question("mobilenet")

NETWORKS = 3
PARAMETERS = re.compile(r"param|پارامتر|weights|size", re.IGNORECASE)
ACCURACY = re.compile(r"accuracy|دقت", re.IGNORECASE)


def by_run(curves):
    runs = {}
    for curve in curves:
        runs.setdefault(curve.run, []).append(curve)
    return runs


def comparison(student, expect) -> tuple[Table, str]:
    """Return the comparison table and its column of accuracies."""
    found = find_comparison(student)
    if found is None:
        expect.misconception("table-without-networks")
    return found


def find_comparison(student) -> tuple[Table, str] | None:
    for table in student.recorded.tables():
        accuracies = [name for name in table.names if ACCURACY.search(name)]
        validated = [name for name in accuracies if not name.startswith("train")]
        has_parameters = any(PARAMETERS.search(column) for column in table.columns)
        if len(table.rows) >= NETWORKS and validated and has_parameters:
            return table, validated[0]
    return None


@pytest.mark.part("training", points=1.5)
def test_curves_of_three_networks(student, expect):
    runs = by_run(student.recorded.curves())
    expect.satisfies(len(runs) >= NETWORKS, "curves-of-too-few-networks")
    validated = [
        run
        for run, curves in runs.items()
        if {"train"} < {curve.split for curve in curves} and len(curves[0].epochs) >= 3
    ]
    expect.satisfies(len(validated) >= NETWORKS, "no-validation-curve")


@pytest.mark.part("training", points=0.5)
def test_networks_learned(student, expect):
    runs = by_run(student.recorded.curves())
    learned = [
        run
        for run, curves in runs.items()
        if any(
            falls(curve, by=0.05) if curve.metric == "loss" else rises(curve, by=0.05)
            for curve in curves
            if curve.split == "train"
        )
    ]
    expect.satisfies(len(learned) >= min(NETWORKS, len(runs)), "training-did-not-learn")


@pytest.mark.part("training", points=1)
def test_comparison_table(student, expect):
    table, _ = comparison(student, expect)
    expect.evidence(
        kind="text",
        answered={"text": "\n".join(" | ".join(r) for r in (table.columns, *table.rows))},
    )


@pytest.mark.part("training", points=1)
def test_table_agrees_with_the_curves(student, expect):
    table, column = comparison(student, expect)
    curves = [
        curve
        for curve in student.recorded.curves()
        if curve.metric == "accuracy" and curve.split != "train"
    ]
    if not curves:
        expect.pending("accuracy-not-in-the-curves")
    claims = []
    for row, claimed in zip(table.rows, table.numbers(column), strict=True):
        if claimed is None:
            continue
        own = [c for c in curves if _key(c.run) == _key(row[0])] or curves
        shown = {value for curve in own for value in (curve.last, curve.best)}
        nearest = min(shown, key=lambda value: abs(value - claimed))
        claims.append(
            {
                "what": row[0],
                "claimed": f"{claimed:.3f}",
                "found": f"{nearest:.3f}",
                "agrees": abs(nearest - claimed) < 0.006,
            }
        )
    expect.evidence(kind="text", claims=claims)
    agree = bool(claims) and all(claim["agrees"] for claim in claims)
    expect.satisfies(agree, "table-contradicts-curves", claims=claims)


def _key(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()
