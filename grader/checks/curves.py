"""Learning curves in the outputs saved with a notebook, and what they show.

:func:`read_curves` and :func:`read_tables` read what students print; the other functions judge it.
How lines are read stands in :mod:`grader.checks.training_log`, how tables are in
:mod:`grader.checks.tables`, and which words name which metric in :mod:`grader.checks.labels`.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from grader.checks.labels import (
    HIGHER_IS_BETTER,
    Split,
    as_fraction,
    assumed_split,
    percent_notation,
    read_label,
)
from grader.checks.tables import (
    Outputs,
    Table,
    cell_number,
    html_tables,
    line_tables,
    pieces,
    read_tables,
)
from grader.checks.training_log import Point, Reader, Run, lines_of

__all__ = [
    "Curve",
    "Table",
    "better_than",
    "falls",
    "first_epoch_of_overfitting",
    "gap",
    "pick",
    "read_curves",
    "read_tables",
    "rises",
]


class Curve(msgspec.Struct, frozen=True):
    """One metric of one run over its epochs.

    Attributes
    ----------
    run
        Name or number of the run; "" when there is only one and it has no name.
    split, metric
        ``train``, ``validation`` or ``test``; ``loss``, ``accuracy``, ``f1`` …
    epochs, values
        The epochs as printed, and the value of each. Accuracies and their like are fractions.
    lines
        The lines from which the values were read.
    flags
        What had to be assumed: ``percent-sign-on-fraction`` ("0.85%" was read as 85 %),
        ``percent-without-sign`` (85.1 was read as 85.1 %), ``split-assumed`` (no split was
        named), ``epochs-counted`` (no epoch was printed), ``steps`` (counted in batches or
        iterations).
    """

    run: str
    split: Split
    metric: str
    epochs: tuple[float, ...]
    values: tuple[float, ...]
    lines: tuple[str, ...]
    flags: tuple[str, ...] = ()

    @property
    def last(self) -> float:
        """The value of the last epoch."""
        return self.values[-1]

    @property
    def best(self) -> float:
        """The best finite value; nan if there is none."""
        finite = [value for value in self.values if math.isfinite(value)]
        if not finite:
            return math.nan
        return max(finite) if self.metric in HIGHER_IS_BETTER else min(finite)


# --- reading --------------------------------------------------------------------------------------


def read_curves(outputs: Outputs) -> list[Curve]:
    """Read the learning curves in saved outputs: printed lines, lists and tables.

    Several runs are told apart by epochs that begin again, names before the epoch, or headings.
    Of the values printed within one epoch the last counts. No output raises anything.

    Parameters
    ----------
    outputs
        Saved text or HTML, or several of it, or outputs as a notebook file has them.

    Returns
    -------
    list of Curve
        By run, then in the order of their first lines.
    """
    reader = Reader()
    tables: list[Table] = []
    for text, markup in pieces(outputs):
        tables += html_tables(markup)
        shown = list(lines_of(text))
        found = line_tables([line for line, _ in shown])
        tables += [table for table, _, _ in found]
        taken = {n for table, start, end in found if _is_data(table) for n in range(start, end)}
        for number, (line, overwritten) in enumerate(shown):
            if number not in taken:
                reader.feed(line, overwritten)
    runs = [run for run in reader.runs if run.points]
    runs = _merged(runs) + [run for table in tables for run in _table_runs(table)]
    names = _run_names(runs)
    return [
        curve for run, name in zip(runs, names, strict=True) for curve in _run_curves(run, name)
    ]


def _is_data(table: Table) -> bool:
    """Whether a table of lines is read as such; pairs of a metric and its value are not."""
    return len(table.columns) > 2 or "epoch" in table.names


def _table_runs(table: Table) -> list[Run]:
    """Return the runs that a table of epochs shows; none when it compares something else."""
    labels = [read_label(column) for column in table.columns]
    measured = {
        place: label for place, label in enumerate(labels) if label is not None and label.metric
    }
    epochs, flags = _table_epochs(table, set(measured))
    if epochs is None:
        return []
    named = [(label.split, label.metric or "") for label in measured.values()]
    runs = [Run()]
    previous = -math.inf
    for row, epoch in zip(table.rows, epochs, strict=True):
        if epoch is None:
            continue
        if epoch <= previous:
            runs.append(Run())
        previous = epoch
        for place, label in measured.items():
            value, percent = cell_number(row[place])
            if value is not None:
                metric = label.metric or ""
                split = label.split or assumed_split(metric, named)
                sure = () if label.split else ("split-assumed",)
                point = Point(value, percent, " | ".join(row))
                runs[-1].record((split, metric), epoch, point, *sure, *flags)
    return [run for run in runs if run.points]


def _table_epochs(
    table: Table, measured: set[int]
) -> tuple[tuple[float | None, ...] | None, tuple[str, ...]]:
    """Return the epoch of each row, and what had to be assumed; None without epochs."""
    if not measured:
        return None, ()
    for name, flags in (("epoch", ()), ("step", ("steps",)), ("iteration", ("steps",))):
        if name in table.names:
            return table.numbers(name), flags
    index = table.numbers("") if table.names[0] == "" else ()
    counts = len(index) > 1 and index in (
        tuple(range(len(index))),
        tuple(range(1, len(index) + 1)),
    )
    if counts and len(measured) == len(table.names) - 1:  # the table of a history
        return index, ("epochs-counted",)
    return None, ()


def _merged(runs: Sequence[Run]) -> list[Run]:
    """Join what was printed in two loops: first all training epochs, then all validation epochs."""
    merged: list[Run] = []
    for run in runs:
        earlier = merged[-1] if merged else None
        if (
            earlier is not None
            and run.epoch is not None
            and run.name == earlier.name
            and not run.points.keys() & earlier.points.keys()
            and _epochs(run) == _epochs(earlier)
        ):
            earlier.points.update(run.points)
            earlier.flags.update(run.flags)
        else:
            merged.append(run)
    return merged


def _epochs(run: Run) -> set[float]:
    return {epoch for points in run.points.values() for epoch in points}


def _run_names(runs: Sequence[Run]) -> list[str]:
    """Return a name for each run: its own, else its heading, else its number."""
    own = [run for run in runs if run.parent is None or run.parent not in runs]
    names: dict[int, str] = {}
    taken: set[str] = set()
    for number, run in enumerate(own, start=1):
        name = run.name if len(own) == 1 else run.name or run.heading or str(number)
        again = 2
        while name in taken:
            name, again = f"{name.removesuffix(f' ({again - 1})')} ({again})", again + 1
        taken.add(name)
        names[id(run)] = name
    return [names[id(run if id(run) in names else run.parent)] for run in runs]


def _run_curves(run: Run, name: str) -> list[Curve]:
    """Return the curves of a run, accuracies of one notation made fractions together."""
    found: list[Curve] = []
    for (split, metric), points in run.points.items():
        divisor, assumed = 1, ""
        if metric in HIGHER_IS_BETTER:
            signed = _is_signed(points)
            alike = [
                point.value
                for (_, other), others in run.points.items()
                if other == metric and _is_signed(others) == signed
                for point in others.values()
            ]
            divisor, assumed = percent_notation(alike, signed=signed)
        found.append(
            Curve(
                run=name,
                split=split,
                metric=metric,
                epochs=tuple(int(e) if e.is_integer() else e for e in points),
                values=tuple(as_fraction(point.value, divisor) for point in points.values()),
                lines=tuple(dict.fromkeys(point.line for point in points.values())),
                flags=tuple(sorted(filter(None, {*run.flags[split, metric], assumed}))),
            )
        )
    return found


def _is_signed(points: Mapping[float, Point]) -> bool:
    return any(point.percent for point in points.values())


# --- judging --------------------------------------------------------------------------------------


def pick(
    curves: Iterable[Curve], metric: str, split: Split, run: str | None = None
) -> Curve | None:
    """Return the longest curve of a metric on a split (of a run, if given), or None."""
    fitting = [
        curve
        for curve in curves
        if (curve.metric, curve.split) == (metric, split) and run in (None, curve.run)
    ]
    return max(fitting, key=lambda curve: len(curve.values), default=None)


def falls(curve: Curve, *, by: float = 0.0) -> bool:
    """Tell whether a curve ends lower than it begins, by more than the fraction `by` of its start.

    Beginning and end are medians of the first and last fifth of the epochs (of one epoch, in
    short curves), so that a single noisy epoch decides nothing. A curve of fewer than two
    epochs, or one that ends in nan or infinity, does not fall.
    """
    begin, end = _ends(curve)
    return begin - end > by * abs(begin)


def rises(curve: Curve, *, by: float = 0.0) -> bool:
    """Tell whether a curve ends higher than it begins, as :func:`falls` tells of lower."""
    begin, end = _ends(curve)
    return end - begin > by * abs(begin)


def _ends(curve: Curve) -> tuple[float, float]:
    size = max(1, len(curve.values) // 5)
    begin, end = curve.values[:size], curve.values[-size:]
    if len(curve.values) < 2 or not all(map(math.isfinite, (*begin, *end))):
        return math.nan, math.nan
    return statistics.median(begin), statistics.median(end)


def gap(train: Curve, validation: Curve, *, last: int = 3) -> float:
    """Return how much better the training set does than the other: the gap of overfitting.

    Parameters
    ----------
    train, validation
        Curves of one metric.
    last
        Over how many of the last epochs that both have the mean is taken.

    Returns
    -------
    float
        In units of the metric, positive where training is better, lower loss or higher accuracy.

    Raises
    ------
    ValueError
        If the metrics differ, or there is no epoch in which both are finite.
    """
    if train.metric != validation.metric:
        raise ValueError(f"{train.metric} and {validation.metric} have no gap")
    sign = 1 if train.metric in HIGHER_IS_BETTER else -1
    both = [
        sign * (a - b)
        for _, a, b in _aligned(train, validation)
        if math.isfinite(a) and math.isfinite(b)
    ]
    if not both:
        raise ValueError("the curves have no epoch in common")
    return statistics.fmean(both[-last:])


def better_than(curve: Curve, other: Curve | float, *, by: float = 0.0) -> bool:
    """Tell whether a curve ends better than another, or than a number, by more than `by`.

    Better is higher for accuracies and their like, lower for losses and errors. A curve that
    ends in nan is better than nothing; anything finite is better than it.

    Raises
    ------
    ValueError
        If the metrics differ.
    """
    if isinstance(other, Curve) and other.metric != curve.metric:
        raise ValueError(f"{curve.metric} and {other.metric} cannot be compared")
    mine, theirs = curve.last, other.last if isinstance(other, Curve) else other
    if math.isnan(mine) or math.isnan(theirs):
        return math.isnan(theirs) and not math.isnan(mine)
    return mine - theirs > by if curve.metric in HIGHER_IS_BETTER else theirs - mine > by


def first_epoch_of_overfitting(
    train_loss: Curve | Sequence[float],
    validation_loss: Curve | Sequence[float],
    *,
    min_improvement: float = 0.0,
) -> float | None:
    """Return the first epoch after which validation loss improves no more, but training loss does.

    It is the epoch of the last improvement of the validation loss, over the best before it, by
    more than `min_improvement`. A nan is no improvement.

    Parameters
    ----------
    train_loss, validation_loss
        Curves, compared in the epochs that both have; or numbers, counted from epoch 1.

    Returns
    -------
    float or None
        None when validation loss improves until the last epoch, or training loss improves no
        more after it either: then the model is not seen to overfit.

    Raises
    ------
    ValueError
        If the curves have no epoch in common, or the numbers are not equally many.
    """
    listed = [values for values in (train_loss, validation_loss) if not isinstance(values, Curve)]
    if len(listed) == 2 and len(listed[0]) != len(listed[1]):
        raise ValueError(f"{len(listed[0])} training losses, {len(listed[1])} validation losses")
    aligned = _aligned(_as_curve(train_loss), _as_curve(validation_loss))
    if not aligned:
        raise ValueError("the curves have no epoch in common")
    best, at = math.inf, -1
    for place, (_, _, validation) in enumerate(aligned):
        if validation < best - (min_improvement if at >= 0 else 0):
            best, at = validation, place
    if at < 0 or not any(train < aligned[at][1] for _, train, _ in aligned[at + 1 :]):
        return None
    return aligned[at][0]


def _as_curve(values: Curve | Sequence[float]) -> Curve:
    if isinstance(values, Curve):
        return values
    return Curve(
        "", "train", "loss", tuple(range(1, len(values) + 1)), tuple(float(v) for v in values), ()
    )


def _aligned(first: Curve, second: Curve) -> list[tuple[float, float, float]]:
    """Return the epochs that both curves have, with both values."""
    theirs = dict(zip(second.epochs, second.values, strict=True))
    return [
        (epoch, value, theirs[epoch])
        for epoch, value in zip(first.epochs, first.values, strict=True)
        if epoch in theirs
    ]
