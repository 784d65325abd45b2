"""Question 5: the saved table over components and seeds, its chart, and what is concluded from it."""

import re
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pytest

from grader.checks import answers
from grader.checks.outcome import Missing, Pending
from grader.course.messages import say

pytestmark = pytest.mark.question("experiment")

SEED = re.compile(r"^(?:seed|run|trial|s|دانه|بذر|اجرا|تکرار)?[\s_=#:]*\d+$", re.IGNORECASE)
MEAN = re.compile(r"mean|average|\bavg|میانگین|متوسط", re.IGNORECASE)
SPREAD = re.compile(r"std|st\.? ?dev|\bsd\b|spread|deviation|±|انحراف|پراکندگی", re.IGNORECASE)
SEED_COLUMN = re.compile(r"^(?:random )?(?:seed|run|trial)s?$|^(?:دانه|بذر|اجرا)", re.IGNORECASE)
WHOLE = re.compile(
    r"(?<![a-z])(?:baseline|full|whole|none|original|complete)(?![a-z])|کامل|پایه|هیچ",
    re.IGNORECASE,
)
BARS = re.compile(r"\.barh?\s*\(|barplot|kind\s*=\s*['\"]barh?['\"]|px\.bar|countplot")


# ---- reading the table -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Printed:
    """A number as it was printed, and half a unit of its last digit."""

    value: float
    half_unit: float


@dataclass(frozen=True)
class Row:
    """What was printed of one component. Mean and spread are None where they were not."""

    drops: tuple[Printed, ...]
    mean: Printed | None = None
    spread: Printed | None = None


def printed(text: str) -> Printed | None:
    """Read one cell: a number or a percentage."""
    try:
        value = float(answers.read_number(text.strip()))
    except (answers.Unreadable, answers.Hedged):
        return None
    decimals = re.search(r"[.٫](\d+)", text)
    exponent = re.search(r"e([-+]?\d+)", text, re.IGNORECASE)
    unit = 10.0 ** ((int(exponent[1]) if exponent else 0) - (len(decimals[1]) if decimals else 0))
    return Printed(value, unit / (200 if "%" in text or "٪" in text else 2))


def halves(text: str) -> list[Printed | None]:
    """Read a cell that may hold mean and spread: ``0.31 ± 0.02``."""
    return [printed(part) for part in re.split(r"±|\+/-|\+-", text)]


def rows_of(table) -> dict[str, Row]:
    """Return the rows by component, wherever the components stand; none in other tables."""
    written = [list(table.columns), *(list(row) for row in table.rows)]
    turned = [list(column) for column in zip(*written, strict=True)]
    return components_in_rows(written) or components_in_rows(turned)


def components_in_rows(lines) -> dict[str, Row]:
    columns, *body = lines
    names = next(
        (
            at
            for at in range(len(columns))
            if all(row[at] and printed(row[at]) is None for row in body)
        ),
        None,
    )
    seeds = [at for at, title in enumerate(columns) if SEED.match(title.strip())]
    means = [at for at, title in enumerate(columns) if MEAN.search(title)]
    spreads = [at for at, title in enumerate(columns) if SPREAD.search(title) and at not in means]
    if names is None or not (seeds or means):
        return {}
    found = {}
    for row in body:
        values = [value for at in seeds if (value := printed(row[at])) is not None]
        mean, spread, *_ = [*halves(row[means[0]]), None] if means else (None, None)
        if spreads:
            spread = printed(row[spreads[0]])
        if not WHOLE.search(row[names]):
            found[row[names]] = Row(tuple(values), mean, spread)
    return found


def long_rows(table) -> dict[str, Row]:
    """Return the rows of a table with one line for each component and seed."""
    columns, body = list(table.columns), [list(row) for row in table.rows]
    seed = next((at for at, title in enumerate(columns) if SEED_COLUMN.match(title.strip())), None)
    if seed is None:
        return {}
    texts = [at for at in range(len(columns)) if all(printed(row[at]) is None for row in body)]
    drops = [at for at, title in enumerate(columns) if re.search("drop|افت", title, re.IGNORECASE)]
    if not texts or not drops:
        return {}
    found: dict[str, list[Printed]] = {}
    for row in body:
        if (value := printed(row[drops[0]])) is not None and not WHOLE.search(row[texts[0]]):
            found.setdefault(row[texts[0]], []).append(value)
    return {name: Row(tuple(values)) for name, values in found.items()}


def experiment(student) -> dict[str, Row]:
    """Return the first table of components that says most, joined with one that has the seeds."""
    tables = student.recorded.tables()
    found = [rows for table in tables for rows in (rows_of(table), long_rows(table)) if rows]
    joined = [joint(a, b) for a, b in combinations(found, 2) if set(a) == set(b)]
    return max([*found, *joined], key=completeness, default={})


def joint(one, other) -> dict[str, Row]:
    """Return the seeds of one table with mean and spread of another, where each has only its own."""
    if any(row.mean for row in one.values()):
        one, other = other, one
    if any(row.mean for row in one.values()) or any(row.drops for row in other.values()):
        return {}
    return {name: Row(one[name].drops, other[name].mean, other[name].spread) for name in one}


def completeness(rows) -> int:
    """How many of components, seeds, mean and spread a table has."""
    if len(rows) < 2:
        return 0
    values = list(rows.values())
    has = (all(len(r.drops) >= 3 for r in values), all(r.mean for r in values))
    return 1 + sum(has) + all(r.spread for r in values)


def judged_rows(student, expect) -> dict[str, Row]:
    """Return the rows; without any, fail where no number was saved, and else ask a person."""
    rows = experiment(student)
    if len(rows) >= 2:
        return rows
    expect.satisfies(not rows, "only-one-component")
    expect_outputs(student)
    numbers = any(re.search(r"\d", cell.text + cell.html) for cell in saved(student))
    expect.satisfies(numbers, "no-table")
    return expect.pending("table-not-read")


def saved(student):
    """Return the cells of the experiment: those that are tagged, all where none is."""
    return student.recorded.tagged or student.recorded.cells


def expect_outputs(student) -> None:
    if not any(cell.text or cell.html or cell.images for cell in saved(student)):
        raise Missing(say("recorded-missing"))


# ---- the table ---------------------------------------------------------------------------------------


@pytest.mark.part("table", points=2)
def test_table_over_components_and_seeds(student, expect):
    rows = judged_rows(student, expect)
    claims = [
        {"what": name, "claimed": "≥ 3", "found": str(len(r.drops)), "agrees": len(r.drops) >= 3}
        for name, r in rows.items()
    ]
    expect.evidence(kind="property", claims=claims)
    fewest = min(len(row.drops) for row in rows.values())
    expect.satisfies(fewest > 0, "no-single-runs")
    expect.satisfies(fewest > 1, "only-one-seed")
    expect.satisfies(fewest > 2, "only-two-seeds")
    different = [len({drop.value for drop in row.drops}) > 1 for row in rows.values()]
    expect.satisfies(any(different), "all-seeds-alike")


@pytest.mark.part("table", points=2)
def test_mean_and_spread_agree_with_the_runs(student, expect):
    rows = judged_rows(student, expect)
    expect.satisfies(all(row.mean for row in rows.values()), "no-mean")
    expect.satisfies(all(row.spread for row in rows.values()), "no-spread")
    expect.satisfies(all(len(row.drops) > 1 for row in rows.values()), "no-single-runs")
    claims, spreads = [], set()
    for name, row in rows.items():
        values = np.array([drop.value for drop in row.drops])
        slack = max(drop.half_unit for drop in row.drops) + 1e-9
        mean = float(values.mean())
        agrees = abs(row.mean.value - mean) <= slack + row.mean.half_unit
        claims.append(_claim(f"{name}: mean", row.mean.value, mean, agrees))
        kind = spread_kind(row.spread, values, slack)
        spreads.add(kind)
        claims.append(_claim(f"{name}: std", row.spread.value, values.std(ddof=1), kind != "none"))
    expect.evidence(kind="property", claims=claims)
    expect.satisfies(
        all(c["agrees"] for c in claims if c["what"].endswith("mean")), "mean-disagrees"
    )
    expect.satisfies("none" not in spreads, "spread-disagrees")
    wrong = [
        kind for kind in ("variance-for-spread", "standard-error-for-spread") if kind in spreads
    ]
    if wrong:
        expect.misconception(wrong[0])
    for note in ("population-spread", "range-for-spread"):
        if note in spreads:
            expect.note(note)


def spread_kind(spread, values, slack) -> str:
    """Tell which measure of spread was printed; ``none`` where it is none of the known."""
    sample, half_range = values.std(ddof=1), np.ptp(values) / 2
    for kind, value in (
        ("sample", sample),
        ("population-spread", values.std()),
        ("range-for-spread", 2 * half_range),
        ("range-for-spread", half_range),
        ("standard-error-for-spread", sample / len(values) ** 0.5),
        ("variance-for-spread", sample**2),
    ):
        if abs(spread.value - value) <= 2 * slack + spread.half_unit:
            return kind
    return "none"


def _claim(what, claimed, found, agrees):
    return {
        "what": what,
        "claimed": f"{claimed:.4g}",
        "found": f"{found:.4g}",
        "agrees": bool(agrees),
    }


# ---- the chart ---------------------------------------------------------------------------------------


@pytest.mark.part("chart", points=1)
def test_bar_chart_of_the_means(student, expect):
    functions = student.source.functions.items()
    drawers = [name for name, function in functions if BARS.search(function.source)]
    pattern = "|".join([BARS.pattern, *(rf"\b{re.escape(name)}\s*\(" for name in drawers)])
    if student.recorded.has_image(pattern):
        return
    expect_outputs(student)
    expect.satisfies(not student.recorded.matching(pattern), "chart-not-saved")
    expect.satisfies(not any(cell.images for cell in saved(student)), "no-bar-chart")
    expect.misconception("no-chart")


# ---- the conclusion ----------------------------------------------------------------------------------


@pytest.mark.part("conclusion", points=2)
def test_conclusion_agrees_with_the_table(student, expect):
    chosen = stated(student)
    rows = judged_rows(student, expect)
    means = {
        name: row.mean.value if row.mean else float(np.mean([drop.value for drop in row.drops]))
        for name, row in rows.items()
        if row.mean or row.drops
    }
    name = named(chosen, means)
    if name is None:
        expect.pending("conclusion-not-in-the-table")
    top = max(means, key=means.__getitem__)
    agrees = means[name] == means[top]
    claimed, found = (f"{each} ({means[each]:.4g})" for each in (name, top))
    claim = {"what": "most_important", "claimed": claimed, "found": found, "agrees": agrees}
    expect.evidence(kind="property", claims=[claim])
    if agrees:
        return
    widths = [rows[each].spread.value for each in (name, top) if rows[each].spread]
    if widths and means[top] - means[name] <= max(widths):
        expect.note("within-the-spread")
        return
    expect.satisfies(means[name] > min(means.values()), "least-for-most-important")
    expect.misconception("conclusion-against-the-table")


def stated(student) -> str:
    """Return the component that is said to be the most important: in a variable, or in an output."""
    try:
        return str(student.value("most_important").value)
    except (Missing, Pending):  # the cell that set it may not have run here
        said = student.recorded.find(r"most[ _]important[^:=\n]*[:=]\s*['\"]?([\w.]+)")
        if said is None:
            raise
        return said[1]


def named(chosen, names) -> str | None:
    """Return the component that an answer names, None where it names none or several."""
    plain = {name.strip().casefold(): name for name in names}
    if chosen.strip().casefold() in plain:
        return plain[chosen.strip().casefold()]
    try:
        return answers.read_choice(chosen, list(names))
    except (answers.Unreadable, answers.Hedged, ValueError):
        return None
