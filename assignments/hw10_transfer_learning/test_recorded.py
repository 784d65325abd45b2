"""What the saved outputs show of the four ways, and whether the claims agree with them.

Runs are told apart by their own names, else by the code of their cell, else by the heading above
it. Where several runs cannot be told apart, a person looks at them.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import pytest

from grader.checks import answers
from grader.checks.curves import Curve, falls, read_curves, read_tables, rises
from grader.checks.outcome import Missing
from grader.checks.recorded import curve_evidence
from grader.course.messages import say

# ---- which run is which ------------------------------------------------------------------------------

WAYS = {
    "pretraining": r"pre[-_ ]?training|source.?task|پیش[\s‌]?آموزش",
    "tuned": r"fine[-_ ]?tun|tuned|un[-_ ]?fre?ez|thaw|layer4|تنظیم[\s‌]?دقیق|ریز[\s‌]?تنظیم|لایه[\s‌]?های آخر",
    "svm": r"\bsv[mc]\b|linearsvc|ماشین بردار",
    "head": r"feature.?extract|extractor|\bhead\b|fro?zen|freez|requires?_grad|استخراج|منجمد|\bسر\b",
    "scratch": r"scratch|random(?:ly)?[-_ ]?(?:init|weight)|pretrained\s*=\s*False|weights\s*=\s*None|از صفر|وزن[\s‌]?های تصادفی",
}
LEARNED = ("scratch", "head", "tuned")


class Run(NamedTuple):
    """One training run as it was saved: its way, its curves by split and metric."""

    way: str | None
    curves: dict[tuple[str, str], Curve]
    cell: int

    def curve(self, split: str, metric: str) -> Curve | None:
        """The curve of a split; ``held out`` is the validation set, else the test set."""
        if split == "train":
            return self.curves.get(("train", metric))
        return self.curves.get(("validation", metric)) or self.curves.get(("test", metric))


def way_in(text: str) -> str | None:
    """Return the first way of `WAYS` that a text speaks of."""
    text = text.replace("_", " ")
    return next((way for way, words in WAYS.items() if re.search(words, text, re.IGNORECASE)), None)


_RUNS: WeakKeyDictionary[object, list[Run]] = WeakKeyDictionary()


def recorded_runs(student) -> list[Run]:
    """Return the runs that can be read from the saved outputs, in the order of the cells.

    Raises
    ------
    Missing
        If there are none.
    """
    runs = _RUNS.get(student.subject)
    if runs is None:
        runs = _RUNS[student.subject] = in_order(list(runs_of(student)))
    if not runs:
        student.recorded.curves()  # tells what is missing
        raise missing()
    return runs


def runs_of(student) -> Iterator[Run]:
    """Read the runs, cell by cell."""
    heading = ""
    saved = {cell.index: cell for cell in student.recorded.cells}
    for index, cell in enumerate(student.subject.submitted.cells):
        if cell.cell_type == "markdown":
            heading = cell.source
        if index not in saved:
            continue
        by_name: dict[str, dict[tuple[str, str], Curve]] = {}
        for curve in read_curves(saved[index].outputs):
            by_name.setdefault(curve.run, {})[curve.split, curve.metric] = curve
        for name, curves in by_name.items():
            if any(len(curve.values) > 1 for curve in curves.values()):
                way = way_in(name)
                if way is None and len(by_name) == 1:
                    code = re.sub(r"#.*", " ", saved[index].source)
                    way = way_in(code) or way_in(heading)
                yield Run(way, curves, index)


def in_order(runs: list[Run]) -> list[Run]:
    """Name three runs of which none says what it is by their order: that of the question."""
    unnamed = [run for run in runs if run.way is None]
    missing_ways = [way for way in LEARNED if way not in {run.way for run in runs}]
    if len(unnamed) != len(missing_ways):
        return runs
    names = iter(missing_ways)
    return [run if run.way else run._replace(way=next(names)) for run in runs]


def missing() -> Missing:
    return Missing(say("recorded-missing"))


def run_of(student, expect, way: str) -> Run:
    """Return the last run of a way; where some run has no name, a person looks for it.

    Raises
    ------
    Missing
        If there is none.
    """
    runs = recorded_runs(student)
    found = [run for run in runs if run.way == way]
    if not found:
        if any(run.way is None for run in runs):
            expect.pending("runs-not-told-apart")
        raise missing()
    return found[-1]


def show(student, expect, *runs: Run) -> None:
    """Draw the curves that a verdict is about, and point at their cell."""
    curves = [
        curve
        for run in runs
        for (_, metric), curve in run.curves.items()
        if metric in ("loss", "accuracy")
    ]
    student.record.cell = runs[0].cell
    expect.evidence(kind="curves", curves=[curve_evidence(curve) for curve in curves[:12]])


def expect_learning(expect, run: Run) -> None:
    """Expect the training loss to fall, or else the training accuracy to rise."""
    loss, accuracy = run.curve("train", "loss"), run.curve("train", "accuracy")
    if loss is None and accuracy is None:
        expect.pending("training-curve-not-read")
    if loss is not None:
        expect.satisfies(np.isfinite(loss.last), "training-diverges")
        expect.satisfies(falls(loss), "training-loss-does-not-fall")
    else:
        expect.satisfies(rises(accuracy), "training-loss-does-not-fall")


# ---- a. from scratch -----------------------------------------------------------------------------------


@pytest.mark.question("scratch")
@pytest.mark.part("curves", points=3)
def test_training_from_scratch_was_recorded(student, expect):
    run = run_of(student, expect, "scratch")
    show(student, expect, run)
    expect_learning(expect, run)
    expect.satisfies(run.curve("held out", "accuracy") is not None, "no-validation-accuracy")
    epochs = max(len(curve.values) for curve in run.curves.values())
    expect.satisfies(epochs >= 10, "too-few-epochs")


@pytest.mark.question("scratch")
@pytest.mark.part("curves", points=2)
def test_accuracy_from_scratch_stays_low(student, expect):
    run = run_of(student, expect, "scratch")
    show(student, expect, run)
    held_out = run.curve("held out", "accuracy")
    expect.satisfies(held_out is not None, "no-validation-accuracy")
    first, last = held_out.values[0], held_out.last
    # Right from the first epoch on, or above what later parts reach: no random weights do that.
    expect.satisfies(not (first > 0.25 and last > 0.4), "pretrained-from-the-start")
    others = [
        curve.last
        for other in recorded_runs(student)
        if other.way in ("head", "tuned") and (curve := other.curve("held out", "accuracy"))
    ]
    if others and last > max(others):
        expect.pending("scratch-above-transfer")


# ---- b. feature extraction -----------------------------------------------------------------------------


@pytest.mark.question("extraction")
@pytest.mark.part("training", points=3)
def test_head_was_trained(student, expect):
    run = run_of(student, expect, "head")
    show(student, expect, run)
    expect_learning(expect, run)
    held_out = run.curve("held out", "accuracy")
    expect.satisfies(held_out is not None, "no-validation-accuracy")
    expect.satisfies(len(held_out.values) >= 3, "too-few-epochs")
    expect.satisfies(held_out.best > held_out.values[0], "head-does-not-generalise")


# ---- c. SVM --------------------------------------------------------------------------------------------

SVM_CODE = r"\bsvm\b|\bSVC\b|LinearSVC|SGDClassifier|svm_accuracies"


def svm_numbers(student) -> dict[str, float]:
    """Return training and held-out accuracy of the SVM from the saved outputs; empty without any."""
    cells = student.recorded.cells
    texts = [
        (cell, "\n".join(line for line in cell.text.splitlines() if way_in(line) == "svm"))
        for cell in cells
    ]
    texts += [(cell, cell.text) for cell in cells if re.search(SVM_CODE, cell.source)]
    for cell, text in reversed(texts):
        found = accuracies_in(text)
        if found:
            student.record.cell = cell.index
            return found
    return {}


def accuracies_in(text: str) -> dict[str, float]:
    """Return accuracies by ``train`` and ``held out``; of one without a split, as ``unnamed``."""
    text = re.sub(r"\b(?:svm|svc|linear ?svm)\b\s*:?", " ", text, flags=re.IGNORECASE)
    found: dict[str, float] = {}
    for curve in read_curves(text):
        if curve.metric == "accuracy":
            named = "split-assumed" not in curve.flags
            split = "train" if curve.split == "train" else "held out"
            found.setdefault(split if named else "unnamed", curve.last)
    return found


def expect_svm(student, expect) -> dict[str, float]:
    """Return what was saved of the SVM; without a number, a person looks or nothing was saved."""
    found = svm_numbers(student)
    if found:
        return found
    cells = [c for c in student.recorded.cells if re.search(SVM_CODE, c.source) and c.text]
    if any(re.search(r"\d", cell.text) for cell in cells):
        expect.pending("svm-numbers-not-read")
    raise missing()


@pytest.mark.question("svm")
@pytest.mark.part("numbers", points=2)
def test_both_accuracies_of_the_svm_were_saved(student, expect):
    found = expect_svm(student, expect)
    expect.evidence(
        kind="text", answered={"text": ", ".join(f"{k}: {v:.4f}" for k, v in found.items())}
    )
    expect.satisfies("unnamed" not in found or len(found) > 1, "which-images-is-not-said")
    expect.satisfies("held out" in found, "only-training-accuracy")
    expect.satisfies("train" in found, "only-test-accuracy")


@pytest.mark.question("svm")
@pytest.mark.part("numbers", points=2)
def test_accuracy_of_the_svm_is_that_of_unseen_images(student, expect):
    answer = student.value("svm_accuracy")
    claimed = accuracy_of(answer)
    found = expect_svm(student, expect)
    held_out = found.get("held out")
    if held_out is None:
        expect.satisfies("train" not in found, "only-training-accuracy")
        expect.pending("svm-numbers-not-read")
    agrees = agree(claimed, held_out)
    expect.evidence(
        kind="property",
        claims=[
            {"what": "svm_accuracy", "claimed": f"{claimed:.4f}", "found": f"{held_out:.4f}", "agrees": agrees}
        ],
    )  # fmt: skip
    if agrees:
        return
    train = found.get("train")
    expect.satisfies(train is None or not agree(claimed, train), "training-accuracy-reported")
    expect.misconception("claim-against-own-output")


def accuracy_of(answer) -> float:
    """Read an accuracy as a fraction."""
    try:
        return float(answers.read_number(answer.value, accuracy=True))
    except (answers.Unreadable, answers.Hedged) as error:
        raise Missing(
            say("unreadable-number", name="svm_accuracy", answered=error.answer)
        ) from error


def agree(one: float, other: float) -> bool:
    """Whether two accuracies are the same up to rounding."""
    return abs(one - other) <= 0.0055


# ---- d. fine-tuning ------------------------------------------------------------------------------------


@pytest.mark.question("tuning")
@pytest.mark.part("better", points=3)
def test_fine_tuning_beats_the_head(student, expect):
    tuned = run_of(student, expect, "tuned")
    head = run_of(student, expect, "head")
    show(student, expect, tuned, head)
    expect_learning(expect, tuned)
    curves = [run.curve("held out", "accuracy") for run in (tuned, head)]
    expect.satisfies(None not in curves, "no-validation-accuracy")
    ours, theirs = (max(curve.last, curve.best) for curve in curves)
    expect.evidence(
        claims=[
            {"what": "tuned > head", "claimed": f"{ours:.4f}", "found": f"{theirs:.4f}", "agrees": ours > theirs}
        ]
    )  # fmt: skip
    expect.satisfies(ours > theirs, "tuning-no-better-than-the-head")


WORDS = {
    "scratch": ("from scratch", "random weights", "a", "از صفر", "الف"),
    "head": ("feature extraction", "extractor", "frozen", "b", "سر", "استخراج ویژگی", "ب"),
    "svm": ("support vector machine", "SVC", "c", "ماشین بردار پشتیبان", "پ"),
    "tuned": ("fine-tuning", "fine tuning", "finetuning", "fine-tuned", "tuning", "d", "تنظیم دقیق", "ت"),
}  # fmt: skip


@pytest.mark.question("tuning")
@pytest.mark.part("better", points=2)
def test_best_method_is_that_of_the_outputs(student, expect):
    claimed = student.value("best_method", kind="choice", options=WORDS).value
    shown = {}
    for run in recorded_runs(student):
        if run.way in LEARNED and (curve := run.curve("held out", "accuracy")):
            shown[run.way] = {curve.last, curve.best}
    held_out = svm_numbers(student).get("held out")
    if held_out is not None:
        shown["svm"] = {held_out}
    if len(shown) < 2:
        raise missing()
    if claimed not in shown:
        expect.pending("best-method-not-in-the-outputs")
    # By its last or its best epoch: either is an honest reading.
    winners = {max(shown, key=lambda way: pick(shown[way])) for pick in (max, min)}
    agrees = claimed in winners
    expect.evidence(
        kind="property",
        claims=[
            {"what": way, "claimed": "best" if way == claimed else "", "found": f"{max(values):.4f}", "agrees": way != claimed or agrees}
            for way, values in shown.items()
        ],
    )  # fmt: skip
    expect.satisfies(agrees, "best-against-own-outputs")


# ---- e. zeros ------------------------------------------------------------------------------------------

SIDE_WORDS = {  # in this order: "after fine-tuning" is not "fine-tuned", nor is "before" it
    "after": r"after|پس|بعد",
    "before": r"before|پیش|قبل",
    "tuned": r"tuned|fine",
    "pretrained": r"pre[-_ ]?trained|frozen|original",
}


def side_in(title: str) -> str | None:
    """Return the side that the title of a column or a list speaks of."""
    sides = (s for s, words in SIDE_WORDS.items() if re.search(words, title, re.IGNORECASE))
    return {"tuned": "after", "pretrained": "before"}.get(found := next(sides, None), found)


class Zeros(NamedTuple):
    """Percentages of zeros by layer, before and after fine-tuning."""

    before: np.ndarray
    after: np.ndarray


def zeros_table(student) -> Zeros | None:
    """Return the percentages that were saved: of a table, else of two printed lists."""
    for cell in reversed(student.recorded.cells):
        for table in read_tables(cell.outputs):
            columns = {side_in(t): table.numbers(n) for t, n in zip(table.columns, table.names, strict=True)}  # fmt: skip
            if found := zeros_of(columns):
                student.record.cell = cell.index
                return found
        if found := zeros_of(printed_lists(cell.text)):
            student.record.cell = cell.index
            return found
    return None


def zeros_of(values) -> Zeros | None:
    """Return the percentages of both sides, None where one is not of five layers or more."""
    sides = [values.get(side) or () for side in Zeros._fields]
    if any(len(side) < 5 or None in side for side in sides):
        return None
    return Zeros(*(np.array(side, dtype=float) for side in sides))


def printed_lists(text: str) -> dict[str | None, list[float]]:
    """Return the numbers of lists that are printed behind a word for their side."""
    found = re.findall(r"([^\[\]\n]{1,60})\[([^\[\]]+)\]", text)
    return {side_in(t): [float(n) for n in re.findall(r"\d+(?:\.\d+)?", v)] for t, v in found}


def expect_zeros(student, expect) -> Zeros:
    found = zeros_table(student)
    if found is None:
        cells = student.recorded.matching("zero|صفر")
        if not any(cell.text or cell.images for cell in cells):
            raise missing()
        numbers = any(len(re.findall(r"\d", cell.text)) > 20 for cell in cells)
        expect.satisfies(numbers, "no-table-of-zeros")
        expect.pending("zeros-not-read")
    return found


@pytest.mark.question("zeros")
@pytest.mark.part("table", points=2)
def test_table_of_zeros_before_and_after(student, expect):
    found = expect_zeros(student, expect)
    layers = tuple(range(1, len(found.before) + 1))
    curves = [
        {"name": name, "x": list(layers), "y": [float(v) for v in values]}
        for name, values in zip(found._fields, found, strict=True)
        if len(values) == len(layers)
    ]
    expect.evidence(kind="curves", curves=curves)
    expect.satisfies(len(found.before) == len(found.after), "not-the-same-layers")
    both = np.concatenate(found)
    expect.satisfies(bool((both >= 0).all() and (both <= 100).all()), "no-percentages")
    expect.satisfies(bool(both.any()), "no-zeros-anywhere")
    expect.satisfies(not np.array_equal(*found), "before-is-after")


@pytest.mark.question("zeros")
@pytest.mark.part("table", points=2)
def test_plot_of_the_zeros(student, expect):
    functions = student.source.functions.items()
    plots = r"\.(?:plot|bar|step|stem|scatter)\s*\("
    drawers = [re.escape(name) for name, f in functions if re.search(plots, f.source)]
    pattern = "|".join([plots, *(rf"\b{name}\s*\(" for name in drawers)])
    for cell in student.recorded.matching("zero|صفر|before|after"):
        if cell.images and re.search(pattern, cell.source):
            student.record.cell = cell.index
            return
    if not any(cell.text or cell.images for cell in student.recorded.cells):
        raise missing()
    drawn = [c for c in student.recorded.matching(pattern) if re.search("zero|صفر", c.source)]
    expect.satisfies(not drawn, "plot-not-saved")
    expect.misconception("no-plot-of-the-zeros")


SIDES = {
    "before": ("before fine-tuning", "pretrained", "قبل", "پیش از تنظیم دقیق", "پیش"),
    "after": ("after fine-tuning", "fine-tuned", "tuned", "بعد", "پس از تنظیم دقیق", "پس"),
}


@pytest.mark.question("zeros")
@pytest.mark.part("claim", points=2)
def test_where_there_are_more_zeros(student, expect):
    claimed = student.value("sparser", kind="choice", options=SIDES).value
    found = expect_zeros(student, expect)
    before, after = found.before.mean(), found.after.mean()
    expect.satisfies(before != after, "before-is-after")
    right = "after" if after > before else "before"
    expect.evidence(
        kind="property",
        claims=[
            {"what": "sparser", "claimed": claimed, "found": f"before {before:.2f}, after {after:.2f}", "agrees": claimed == right}
        ],
    )  # fmt: skip
    expect.satisfies(claimed == right, "zeros-against-own-table")
