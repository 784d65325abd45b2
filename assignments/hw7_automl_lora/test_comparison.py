"""Practice f: the saved table of the searches, and whether what is claimed of it is in it."""

import re
from dataclasses import dataclass

import pytest

from grader.checks.curves import Table
from grader.checks.outcome import Missing
from grader.course.messages import say

pytestmark = pytest.mark.question("search")

METHODS = {  # in this order: «شبکهٔ پایه» is the baseline, not the grid
    "baseline": ("baseline", "base", "default", "untuned", "خط پایه", "پایه", "پیش‌فرض", "مبنا"),
    "bayesian": ("bayesian", "bayes", "optuna", "tpe", "gp", "بیزی", "بیز"),
    "random": ("random", "randomized", "تصادفی"),
    "halving": ("successive halving", "halving", "hyperband", "sha", "نصف کردن", "هایپربند"),
    "grid": ("grid", "توری", "شبکه‌ای", "مشبک"),
}
TRIALS = re.compile(
    r"eval|trial|\bruns?\b|iteration|n_iter|calls|budget|تعداد|ارزیابی|بودجه", re.IGNORECASE
)
SCORE = re.compile(r"accuracy|score|دقت|امتیاز", re.IGNORECASE)
PICTURE = r"accumulate|cummax|best|progress|history|results?\b|trials|بهترین"
TOLERANCE = 0.006  # "95.3 %" for 0.9529


@dataclass(frozen=True)
class Comparison:
    """The table of the searches: for each method its scores and its number of evaluations."""

    table: Table
    validation: dict[str, float]
    test: dict[str, float]
    trials: dict[str, float]


def method_in(text: str) -> str | None:
    """Return the method that a cell names."""
    words = f" {re.sub(r'[^a-z0-9؀-ۿ]+', ' ', text.lower())} "
    for method, names in METHODS.items():
        plain = (re.sub(r"[^a-z0-9؀-ۿ]+", " ", name) for name in names)
        if any(f" {name}" in words for name in plain):
            return method
    return None


def column(table, methods, name) -> dict[str, float]:
    """Return a column as numbers by method, without the cells that hold none."""
    numbers = zip(methods, table.numbers(name), strict=True)
    return {method: number for method, number in numbers if method and number is not None}


def read_comparison(table: Table) -> Comparison | None:
    """Read a table as a comparison of searches, None if it is another table."""
    methods = [
        next((found for cell in row if (found := method_in(cell)) is not None), None)
        for row in table.rows
    ]
    if len({*methods} - {None}) < 2:
        return None
    scores = [name for name in table.names if SCORE.search(name) and not name.startswith("train")]
    tested = [name for name in scores if name.startswith("test")]
    validated = [name for name in scores if name.startswith("val")]
    validated = validated or [name for name in scores if name not in tested]
    counted = [
        name
        for name, written in zip(table.names, table.columns, strict=True)
        if TRIALS.search(written) and name not in scores
    ]
    if not validated:
        return None
    return Comparison(
        table,
        column(table, methods, validated[0]),
        column(table, methods, tested[0]) if tested else {},
        column(table, methods, counted[0]) if counted else {},
    )


def comparison_in(student, expect) -> Comparison:
    """Return the largest comparison that was saved."""
    cells = student.recorded.cells
    if not any(cell.text or cell.html or cell.images for cell in cells):
        raise Missing(say("recorded-missing"))
    found = [c for t in student.recorded.tables() if (c := read_comparison(t)) is not None]
    if not found:
        lines = "\n".join(f"{cell.text}\n{cell.html}" for cell in cells).split("\n")
        if len({method_in(line) for line in lines if re.search(r"\d", line)} - {None}) >= 3:
            expect.pending("table-cannot-be-read")
        expect.misconception("comparison-missing")
    best = max(found, key=lambda each: len(each.validation))
    rows = (best.table.columns, *best.table.rows)
    expect.evidence(kind="text", answered={"text": "\n".join(" | ".join(row) for row in rows)})
    return best


def claimed_method(student) -> str:
    """Return the method that is claimed to be best, typed or printed."""
    try:
        return student.value("best_method", kind="choice", options=METHODS).value
    except Missing as missing:
        if student.has("best_method"):
            raise
        line = student.recorded.find(r"(?:\bbest\b|winner|بهترین)[^\n]*")
        named = method_in(line[0]) if line else None
        if named is None:
            raise missing from None
        return named


@pytest.mark.part("comparison", points=1)
def test_table_compares_all_searches(student, expect):
    comparison = comparison_in(student, expect)
    missing = METHODS.keys() - comparison.validation.keys()
    expect.satisfies(len(missing) <= 2, "comparison-of-too-few")
    expect.satisfies(not missing, "comparison-lacks-a-method")


@pytest.mark.part("comparison", points=1)
def test_searches_had_equal_budgets(student, expect):
    trials = comparison_in(student, expect).trials
    expect.satisfies({"random", "bayesian"} <= trials.keys(), "budget-not-shown")
    expect.satisfies(trials["random"] == trials["bayesian"], "budgets-differ")
    grid = trials.get("grid", trials["random"])
    expect.satisfies(trials["random"] <= 2 * grid, "grid-had-a-smaller-budget")


@pytest.mark.part("comparison", points=1.5)
def test_claimed_best_is_best_in_the_table(student, expect):
    comparison = comparison_in(student, expect)
    claimed = claimed_method(student)
    scores = comparison.validation
    best = max(scores.values())
    winners = [method for method, score in scores.items() if score >= best - 1e-9]
    found = ", ".join(winners)
    claims = [{"what": "best", "claimed": claimed, "found": found, "agrees": claimed in winners}]
    expect.evidence(claims=claims)
    if claimed in winners:
        return
    tested = comparison.test
    by_test = bool(tested) and tested.get(claimed, -1.0) >= max(tested.values()) - 1e-9
    expect.satisfies(not by_test, "claimed-by-the-test-score", claims=claims)
    expect.misconception("claim-contradicts-table", claims=claims)


@pytest.mark.part("comparison", points=0.5)
def test_claimed_accuracy_is_in_the_table(student, expect):
    comparison = comparison_in(student, expect)
    claimed = float(student.value("best_accuracy", kind="number").value)
    claimed = claimed / 100 if claimed > 1 else claimed * 100 if claimed < 0.01 else claimed
    try:
        method = claimed_method(student)
    except Missing:
        method = ""
    best = max(comparison.validation.values())
    rows = {"best": best, method: comparison.validation.get(method, best)}
    nearest = min(rows.values(), key=lambda value: abs(value - claimed))
    agrees = abs(nearest - claimed) <= TOLERANCE
    expect.evidence(
        claims=[
            {"what": "accuracy", "claimed": f"{claimed:.4g}", "found": f"{nearest:.4g}",
             "agrees": agrees}
        ]
    )  # fmt: skip
    if not agrees:
        tested = [abs(value - claimed) <= TOLERANCE for value in comparison.test.values()]
        expect.satisfies(not any(tested), "test-accuracy-for-validation")
        expect.misconception("accuracy-contradicts-table")


@pytest.mark.part("comparison", points=1)
def test_picture_of_progress(student, expect):
    if not any(cell.images or cell.text or cell.html for cell in student.recorded.cells):
        raise Missing(say("recorded-missing"))
    expect.satisfies(student.recorded.has_image(PICTURE), "progress-without-picture")
