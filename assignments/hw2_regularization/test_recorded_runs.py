"""Question 5: what the saved outputs show of each training run, and whether the claims agree.

Runs are told apart by their own names, else by the code of their cell, else by the heading above
it. Where several runs cannot be told apart, a person looks at them.
"""

import ast
import re
from collections.abc import Iterator
from statistics import median
from typing import NamedTuple
from weakref import WeakKeyDictionary

import pytest

from grader.checks import answers
from grader.checks.curves import Curve, falls, gap, read_curves, read_tables
from grader.checks.outcome import Missing
from grader.checks.recorded import curve_evidence
from grader.course.messages import say

# ---- which run is which ----------------------------------------------------------------------------

METHODS = {
    "augmentation": r"augment|\baug\b|flip|rotat|random(?:crop|resized|affine|erasing)|jitter"
    r"|داده[\s‌]?افزایی|افزایش داده",
    "penalty": r"\bl[-_ ]?[12]\b|l[12][-_]|[-_+]l[12]|penal|weight.?decay|\bwd\b|regulari[sz]|lasso|ridge|جریمه|منظم",
    "dropout": r"drop[-_ ]?out|دراپ|حذف تصادفی",
}
EVERYTHING = r"\ball\b|all three|everything|combined|همه|هر سه"
OVERFIT = r"over[-_ ]?fit|بیش[\s‌]?برازش|large|big|deep|بزرگ"
SETTING_OFF = re.compile(r"\w*\s*[=:]\s*(?:None|False|0(?:\.0*)?)(?![\w.])")


class Run(NamedTuple):
    """One training run as it was saved: its methods, its curves by split and metric."""

    name: str
    methods: frozenset[str]
    overfits: bool
    curves: dict[tuple[str, str], Curve]
    cell: int

    def curve(self, split: str, metric: str) -> Curve | None:
        """The curve of a split; ``held out`` is the test set, else the validation set."""
        if split == "train":
            return self.curves.get(("train", metric))
        return self.curves.get(("test", metric)) or self.curves.get(("validation", metric))


def methods_in(name: str) -> frozenset[str]:
    """Return the methods that a name or a heading speaks of."""
    found = {m for m, words in METHODS.items() if re.search(words, name, re.IGNORECASE)}
    if not found and re.search(EVERYTHING, name, re.IGNORECASE):
        return frozenset(METHODS)
    return frozenset(found)


def methods_used(source: str) -> frozenset[str]:
    """Return the methods that code uses: not those it only comments on, nor those switched off."""
    code = SETTING_OFF.sub(" ", re.sub(r"#.*", " ", source)).replace("_", " ")
    return frozenset(m for m, words in METHODS.items() if re.search(words, code, re.IGNORECASE))


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
        runs = _RUNS[student.subject] = list(runs_of(student))
    if not runs:
        student.recorded.curves()  # tells what is missing
        raise missing_run()
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
        for curve in read_curves(saved[index].text):
            by_name.setdefault(curve.run, {})[curve.split, curve.metric] = curve
        for name, curves in by_name.items():
            if any(len(curve.values) > 1 for curve in curves.values()):
                alone = len(by_name) == 1
                yield described(name, curves, index, saved[index].source, heading, alone)


def described(name, curves, cell, source, heading, alone) -> Run:
    """Describe a run by the first of its name, its code and its heading that says anything."""
    methods, overfits = methods_in(name), bool(re.search(OVERFIT, name, re.IGNORECASE))
    if alone and not (methods or overfits):
        methods = methods_used(source) or methods_in(heading)
        overfits = not methods and bool(re.search(OVERFIT, source + heading, re.IGNORECASE))
    return Run(name, methods, overfits, curves, cell)


def show(student, expect, *runs: Run) -> None:
    """Draw the curves of the runs that a verdict is about, and point at their cell."""
    curves = [
        curve
        for run in runs
        for (_, metric), curve in run.curves.items()
        if metric in ("loss", "accuracy")
    ]
    student.record.cell = runs[0].cell
    expect.evidence(kind="curves", curves=[curve_evidence(curve) for curve in curves[:12]])


def basic_run(student) -> Run:
    runs = recorded_runs(student)
    plain = [run for run in runs if not run.methods]
    return next((run for run in plain if not run.overfits), (plain or runs)[0])


def overfitting_run(student) -> Run | None:
    """Return the run of part b: the one that says so, else the last one without any method."""
    plain = [run for run in recorded_runs(student) if not run.methods]
    said = [run for run in plain if run.overfits]
    return (said or plain or [None])[-1]


def run_with(student, expect, *methods: str) -> Run:
    """Return the first run with exactly these methods.

    Raises
    ------
    Missing
        If there is none. Where runs are left over that cannot be told apart, a person looks.
    """
    runs = recorded_runs(student)
    found = next((run for run in runs if run.methods == frozenset(methods)), None)
    if found is not None:
        return found
    if len([run for run in runs if not run.methods and not run.overfits]) > 2:
        expect.pending("runs-not-told-apart")
    raise missing_run()


def missing_run() -> Missing:
    return Missing(say("recorded-missing"))


# ---- a. the basic training -------------------------------------------------------------------------


@pytest.mark.question("fashion-mlp")
@pytest.mark.part("training", points=3)
def test_training_loss_falls(student, expect):
    run = basic_run(student)
    show(student, expect, run)
    loss, accuracy = run.curve("train", "loss"), run.curve("train", "accuracy")
    if loss is None:
        expect.pending("training-loss-not-read")
    accuracy = accuracy or run.curve("held out", "accuracy")
    expect.satisfies(not stuck_under_softmax(loss, accuracy), "loss-stuck-under-softmax")
    expect.satisfies(falls(loss, by=0.1), "training-loss-does-not-fall")


def stuck_under_softmax(loss: Curve, accuracy: Curve | None) -> bool:
    """Whether a loss has levelled where cross-entropy of probabilities over ten classes must.

    With p = 1 for the class it chooses, softmax applied twice gives a right answer a loss of
    log(e + 9) - 1 = 1.461 and a wrong one a loss of 2.461.
    """
    if len(loss.values) < 3 or loss.last < 1.461 or accuracy is None:
        return False
    level = abs(loss.values[-1] - loss.values[-3]) < 0.03
    return level and accuracy.last > 0.5 and abs(loss.last - (2.461 - accuracy.last)) < 0.08


PREDICTS = r"argmax|\.max\(|topk|predict"


@pytest.mark.question("fashion-mlp")
@pytest.mark.part("training", points=1)
def test_predictions_shown(student, expect):
    if not any(cell.text or cell.images for cell in student.recorded.cells):
        basic_run(student)  # tells that nothing was saved
    for cell in student.recorded.matching(PREDICTS):
        pictures = cell.images and re.search(r"imshow|matshow|show_images|plot_image", cell.source)
        words = re.search(r"pred|guess|پیش[\s‌]?بینی", cell.text, re.IGNORECASE)
        if pictures or (words and len(re.findall(r"\w+", cell.text)) >= 6):
            student.record.cell = cell.index
            return
    basic_run(student)
    expect.misconception("predictions-not-shown")


# ---- b. overfitting --------------------------------------------------------------------------------


def run_of_part_b(student, expect) -> Run:
    run = overfitting_run(student)
    if run is None:
        raise missing_run()
    show(student, expect, run)
    return run


def gap_of(expect, train, held_out) -> float:
    """Return how much better the training set does; curves without a common number go to a person."""
    try:
        return gap(train, held_out)
    except ValueError:
        expect.pending("accuracies-not-read")


@pytest.mark.question("fashion-mlp")
@pytest.mark.part("overfit", points=4)
def test_training_accuracy_above_test_accuracy(student, expect):
    run = run_of_part_b(student, expect)
    train, held_out = run.curve("train", "accuracy"), run.curve("held out", "accuracy")
    if train is None or held_out is None:
        expect.pending("accuracies-not-read")
    size = gap_of(expect, train, held_out)
    expect.evidence(gap=round(size, 4))
    expect.satisfies(size > 0, "no-gap")
    expect.satisfies(size >= 0.03, "gap-too-small")


@pytest.mark.question("fashion-mlp")
@pytest.mark.part("overfit", points=4)
def test_test_loss_rises(student, expect):
    run = run_of_part_b(student, expect)
    train, held_out = run.curve("train", "loss"), run.curve("held out", "loss")
    if train is None or held_out is None:
        expect.pending("losses-not-read")
    expect.satisfies(falls(train), "training-loss-does-not-fall")
    lowest = held_out.values.index(min(held_out.values))
    after = held_out.values[lowest + 1 :][-3:]
    rises = len(after) >= 2 and median(after) > 1.02 * held_out.values[lowest]
    expect.satisfies(rises, "test-loss-does-not-rise")


EPOCH_WORDS = re.compile(r"epochs?|دور[هۀ]\u0654?|ایپاک|اپوک", re.IGNORECASE)


def stated_epoch(student, name) -> int:
    """Read the number of an epoch; the word may stand before it or after it."""
    raw = student.value(name).value
    if isinstance(raw, str):
        try:
            return answers.read_integer(EPOCH_WORDS.sub(" ", raw))
        except (answers.Unreadable, answers.Hedged):
            pass  # read as it is, it tells what cannot be read
    number: int = student.value(name, kind="integer").value
    return number


@pytest.mark.question("fashion-mlp")
@pytest.mark.part("overfit", points=2)
def test_epoch_agrees_with_the_curve(student, expect):
    claimed = stated_epoch(student, "overfit_from_epoch")
    held_out = run_of_part_b(student, expect).curve("held out", "loss")
    if held_out is None:
        expect.pending("losses-not-read")
    losses = dict(zip(held_out.epochs, held_out.values, strict=True))
    lowest = min(losses, key=lambda epoch: losses[epoch])
    agrees = claimed in losses and losses[claimed] <= 1.02 * losses[lowest]
    expect.evidence(
        claims=[
            {
                "what": "overfit_from_epoch",
                "claimed": str(claimed),
                "found": f"{lowest:g}",
                "agrees": agrees,
            }
        ]
    )
    if not agrees:
        one_off = claimed + 1 == lowest and min(losses) == 1
        expect.satisfies(not one_off, "claim-counted-from-zero")
        expect.misconception("claim-against-own-curve")


# ---- c, d. the gap shrinks -------------------------------------------------------------------------


def expect_smaller_gap(student, expect, method: str) -> None:
    run, before = run_with(student, expect, method), overfitting_run(student)
    if before is None:
        raise missing_run()
    show(student, expect, run, before)
    for metric, margin in (("accuracy", 0.005), ("loss", 0.01)):
        curves = [
            each.curve(split, metric) for each in (run, before) for split in ("train", "held out")
        ]
        if all(curves):
            now, then = gap_of(expect, *curves[:2]), gap_of(expect, *curves[2:])
            learnt = run.curve("train", "accuracy")
            expect.evidence(
                **{
                    f"gap of {metric}, {each.name or label}": round(size, 4)
                    for each, label, size in ((run, method, now), (before, "before", then))
                }
            )
            expect.satisfies(learnt is None or learnt.last > 0.3, "gap-closed-by-not-learning")
            expect.satisfies(now < then - margin, "gap-does-not-shrink")
            return
    expect.pending("accuracies-not-read")


@pytest.mark.question("fashion-mlp")
@pytest.mark.part("augmented", points=5)
def test_gap_shrinks_with_augmentation(student, expect):
    expect_smaller_gap(student, expect, "augmentation")


@pytest.mark.question("fashion-mlp")
@pytest.mark.part("penalised", points=6)
def test_gap_shrinks_with_a_penalty(student, expect):
    expect_smaller_gap(student, expect, "penalty")


# ---- c. test images --------------------------------------------------------------------------------

OF_TEST = re.compile(r"test|(?<![a-z])val(?!ue)|valid", re.IGNORECASE)
RANDOM = re.compile(r"Random|Jitter|AutoAugment|TrivialAugment|AugMix", re.IGNORECASE)


@pytest.mark.question("fashion-mlp")
@pytest.mark.part("augmented", points=2)
def test_test_images_stay_as_they_are(student, expect):
    run_with(student, expect, "augmentation")
    names = {"augment", *student.subject.assignment.aliases.get("augment", ())}
    for cell in student.recorded.cells:
        try:
            tree = ast.parse(re.sub(r"^\s*[%!].*$", "", cell.source, flags=re.MULTILINE))
        except SyntaxError:
            continue
        if any(augments_test_images(node, names, student) for node in ast.walk(tree)):
            student.record.cell = cell.index
            expect.misconception("test-images-augmented")


def augments_test_images(node: ast.AST, names: set[str], student) -> bool:
    """Whether a call augments what is called test data, a loop over it does, or its data set does."""
    if isinstance(node, ast.Call):
        if called(node) in names and any(map(is_of_test, node.args)):
            return True
        keywords = {k.arg: k.value for k in node.keywords}
        train = keywords.get("train")
        if isinstance(train, ast.Constant) and train.value is False and "transform" in keywords:
            return is_random(keywords["transform"], student)
    if isinstance(node, ast.For):
        return is_of_test(node.iter) and augments(node.body, names)
    if isinstance(node, ast.GeneratorExp | ast.ListComp):
        return is_of_test(node.generators[0].iter) and augments([node.elt], names)
    return isinstance(node, ast.FunctionDef) and node.name == "evaluate" and augments([node], names)


def called(call: ast.Call) -> str:
    return getattr(call.func, "id", getattr(call.func, "attr", ""))


def is_of_test(node: ast.AST) -> bool:
    words = [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]
    words += [n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)]
    return any(OF_TEST.search(word) for word in words) and not any(
        "train" in w.lower() for w in words
    )


def augments(body: list[ast.AST], names: set[str]) -> bool:
    return any(
        isinstance(n, ast.Call) and called(n) in names for each in body for n in ast.walk(each)
    )


def is_random(transform: ast.expr, student) -> bool:
    """Whether a transformation is one of chance, followed through the names that make it up."""
    code = ast.unparse(transform)
    for name in {n.id for n in ast.walk(transform) if isinstance(n, ast.Name)}:
        code += student.source.definition(name) or ""
    return bool(RANDOM.search(code))


# ---- e. combinations -------------------------------------------------------------------------------

COMBINATIONS = {
    "dropout+L2": frozenset({"dropout", "penalty"}),
    "dropout+augmentation": frozenset({"dropout", "augmentation"}),
    "augmentation+L2": frozenset({"augmentation", "penalty"}),
    "all": frozenset(METHODS),
}
PAIRS = {
    "dropout+L2": ("L2+dropout", "dropout and L2", "dropout with L2", "dropout & L2", "dropout و L2", "dropout_l2"),
    "dropout+augmentation": (
        "augmentation+dropout", "dropout and augmentation", "dropout & augmentation", "dropout و augmentation",
        "dropout و داده‌افزایی", "dropout_aug", "dropout+aug", "dropout and data augmentation",
        "dropout+data augmentation",
    ),
    "augmentation+L2": (
        "L2+augmentation", "augmentation and L2", "augmentation & L2", "L2 and augmentation", "داده‌افزایی و L2",
        "aug_l2", "aug+L2", "data augmentation and L2", "data augmentation+L2", "augmentation و L2",
    ),
    "all": ("all three", "everything", "dropout+augmentation+L2", "dropout+L2+augmentation", "همه", "هر سه"),
}  # fmt: skip


class Result(NamedTuple):
    train: float | None
    test: float | None


def runs_of_combinations(student) -> dict[str, Run]:
    try:
        runs = recorded_runs(student)
    except Missing:
        return {}
    return {
        name: run
        for name, methods in COMBINATIONS.items()
        for run in runs
        if run.methods == methods
    }


def table_of_combinations(student) -> dict[str, Result]:
    """Return the accuracies of the table with a row for each combination; empty without one."""
    for cell in student.recorded.cells:
        for table in read_tables([cell.html, cell.text]):
            rows = {}
            for place, row in enumerate(table.rows):
                methods = methods_in(" + ".join(row))
                name = next((n for n, each in COMBINATIONS.items() if each == methods), None)
                if name is not None:
                    rows[name] = Result(
                        *(number(table, place, split) for split in ("train", "test"))
                    )
            if len(rows) >= 2:
                student.record.cell = cell.index
                return rows
    return {}


def number(table, place: int, split: str) -> float | None:
    """Return the accuracy of a split in a row of a table."""
    others = {"train": (), "test": ("validation_accuracy", "accuracy")}[split]
    for name in (f"{split}_accuracy", *others):
        if name in table.names:
            return table.numbers(name)[place]
    return None


@pytest.mark.question("combinations")
@pytest.mark.part("runs", points=6)
@pytest.mark.parametrize("combination", COMBINATIONS)
def test_combination_was_trained(student, expect, combination):
    runs, table = runs_of_combinations(student), table_of_combinations(student)
    if combination in runs:
        show(student, expect, runs[combination])
        return
    if combination not in table:
        recorded_runs(student)
        raise missing_run()
    expect.misconception("combination-without-curve")


@pytest.mark.question("combinations")
@pytest.mark.part("table", points=4)
def test_table_agrees_with_the_curves(student, expect):
    table, runs = table_of_combinations(student), runs_of_combinations(student)
    if not table:
        if not runs:
            raise missing_run()
        expect.misconception("table-missing")
    claims = []
    for name, run in runs.items():
        row = table.get(name)
        for split, claimed in (("train", row and row.train), ("test", row and row.test)):
            curve = run.curve(split if split == "train" else "held out", "accuracy")
            if curve is None:
                continue
            agrees = claimed is not None and agrees_with(curve, claimed)
            found = f"{curve.last:.4f}"
            shown = "—" if claimed is None else f"{claimed:.4f}"
            claims.append(
                {"what": f"{name}, {split}", "claimed": shown, "found": found, "agrees": agrees}
            )
    if not claims:
        expect.pending("accuracies-not-read")
    expect.evidence(claims=claims)
    expect.satisfies(all(claim["agrees"] for claim in claims), "table-against-own-curves")
    expect.satisfies(len(table) == len(COMBINATIONS), "table-incomplete")


def agrees_with(curve: Curve, claimed: float) -> bool:
    """Whether a number is the last or the best value of a curve, up to rounding."""
    return any(abs(value - claimed) <= 0.0055 for value in (curve.last, curve.best))


@pytest.mark.question("combinations")
@pytest.mark.part("winner", points=5)
def test_winner_is_that_of_the_table(student, expect):
    claimed = student.value("best_combination", kind="choice", options=PAIRS).value
    numbers = table_of_combinations(student) or {
        name: Result(*(last(run, split) for split in ("train", "held out")))
        for name, run in runs_of_combinations(student).items()
    }
    known = {name: result for name, result in numbers.items() if result.test is not None}
    if len(known) < 2:
        raise missing_run()
    best = max(result.test for result in known.values())
    winners = [name for name, result in known.items() if result.test == best]
    expect.evidence(
        claims=[
            {
                "what": "best_combination",
                "claimed": claimed,
                "found": f"{' / '.join(winners)} ({best:.4f})",
                "agrees": claimed in winners,
            }
        ]
    )
    if claimed in winners:
        return
    trained = {name: result.train for name, result in known.items() if result.train is not None}
    by_training = trained and trained.get(claimed) == max(trained.values())
    expect.satisfies(not by_training, "winner-by-training-accuracy")
    expect.misconception("winner-against-own-table")


def last(run: Run, split: str) -> float | None:
    curve = run.curve(split, "accuracy")
    return None if curve is None else curve.last
