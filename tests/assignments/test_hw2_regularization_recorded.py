"""hw2_regularization, question 5: what is read from saved outputs of all shapes, and what is caught."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from grader.report import CheckResult
from tests.desk import Desk, checks

SLUG = "hw2_regularization"
FOLDER = Path(__file__).parents[2] / "assignments" / SLUG
TEXTS = tomllib.loads((FOLDER / "feedback.toml").read_text())

Curves = tuple[Sequence[float], Sequence[float], Sequence[float], Sequence[float]]
"""Training loss, training accuracy, test loss, test accuracy, by epoch."""


def ramp(begin: float, end: float, epochs: int) -> list[float]:
    return np.linspace(begin, end, epochs).round(4).tolist()


def dip(begin: float, lowest: float, end: float, epochs: int, at: int) -> list[float]:
    """Fall to the lowest value at epoch `at`, then rise to the end."""
    return ramp(begin, lowest, at) + ramp(lowest, end, epochs - at + 1)[1:]


# The worked example of the coursework: ten epochs of the basic network, then one that overfits.
BASIC: Curves = (
    ramp(0.839, 0.329, 10), ramp(0.71, 0.883, 10), ramp(0.62, 0.39, 10), ramp(0.77, 0.861, 10)
)  # fmt: skip
OVERFIT: Curves = (
    ramp(0.9, 0.09, 30), ramp(0.68, 0.968, 30), dip(0.7, 0.34, 0.52, 30, at=12), ramp(0.75, 0.884, 30)
)  # fmt: skip
MILD: Curves = (
    ramp(0.9, 0.31, 30), ramp(0.68, 0.886, 30), ramp(0.7, 0.36, 30), ramp(0.75, 0.872, 30)
)  # fmt: skip


def combined(train: float, test: float) -> Curves:
    """Curves of a combination that end in the given accuracies."""
    return ramp(1.1, 0.43, 15), ramp(0.6, train, 15), ramp(0.9, 0.45, 15), ramp(0.7, test, 15)


WORKED = {  # of the coursework: accuracy in training and at test time
    "dropout+L2": (0.856, 0.854),
    "dropout+augmentation": (0.841, 0.852),
    "augmentation+L2": (0.843, 0.839),
    "all": (0.824, 0.836),
}


def lines(name: str, curves: Curves) -> str:
    """Print as the skeleton's `fit` does."""
    return "".join(
        f"{name}  epoch {epoch}/{len(curves[0])}  train loss: {a:.4f}  train acc: {b:.4f}  "
        f"test loss: {c:.4f}  test acc: {d:.4f}\n"
        for epoch, (a, b, c, d) in enumerate(zip(*curves, strict=True), 1)
    )


def dotted(curves: Curves) -> str:
    """Print as PyTorch courses do: fractions with a percent sign."""
    return "".join(
        f"Epoch: {epoch}/{len(curves[0])}..  Training Loss: {a:.3f}..  Test Loss: {c:.3f}..  "
        f"Train Accuracy: {b:.3f}%..  Test Accuracy: {d:.3f}%\n"
        for epoch, (a, b, c, d) in enumerate(zip(*curves, strict=True), 1)
    )


def persian(curves: Curves) -> str:
    return "".join(
        f"دوره {epoch} از {len(curves[0])}\n  train loss: {a:.4f} - train acc: {100 * b:.2f}%\n"
        f"  val loss: {c:.4f} - val acc: {100 * d:.2f}%\n"
        for epoch, (a, b, c, d) in enumerate(zip(*curves, strict=True), 1)
    )


def keras(curves: Curves) -> str:
    return "".join(
        f"Epoch {epoch}/{len(curves[0])}\n1875/1875 [==============================] - 4s 2ms/step - "
        f"loss: {a:.4f} - accuracy: {b:.4f} - val_loss: {c:.4f} - val_accuracy: {d:.4f}\n"
        for epoch, (a, b, c, d) in enumerate(zip(*curves, strict=True), 1)
    )


def saved(
    source: str, text: str = "", *, picture: bool = False, tags: Sequence[str] = ()
) -> NotebookNode:
    """A code cell with the output that was saved in it; one tagged ``recorded`` is not run."""
    cell = new_code_cell(source, metadata={"tags": list(tags or ["recorded"])})
    if text:
        cell.outputs.append(new_output("stream", name="stdout", text=text))
    if picture:
        cell.outputs.append(new_output("display_data", data={"image/png": "iVBORw0KGgo="}))
    return cell


def trained(name: str, curves: Curves, source: str = "fit(...)") -> NotebookNode:
    return saved(source, lines(name, curves))


def table(rows: dict[str, tuple[float, float]]) -> str:
    body = "".join(f"| {name} | {a:.3f} | {b:.3f} |\n" for name, (a, b) in rows.items())
    return "| combination | train acc | test acc |\n|---|---|---|\n" + body


def combinations(rows: dict[str, tuple[float, float]] = WORKED) -> NotebookNode:
    text = "".join(lines(name, combined(*WORKED[name])) for name in WORKED)
    return saved("fit(...)", text + table(rows))


def predictions() -> NotebookNode:
    return saved("plt.imshow(x[0]); plt.title(model(x).argmax(1))", picture=True)


PARTS = {
    "basic": trained("basic", BASIC),
    "predictions": predictions(),
    "overfit": trained("overfit", OVERFIT),
    "epoch": new_code_cell("overfit_from_epoch = 12"),
    "augmented": trained("augmentation", MILD),
    "penalised": trained("L2", MILD),
    "combinations": combinations(),
    "winner": new_code_cell("best_combination = 'dropout+L2'"),
}


def graded(
    desk: Desk, **changes: NotebookNode | list[NotebookNode] | None
) -> dict[str, CheckResult]:
    """Grade the saved work with some of its cells changed or left out; return its checks by id."""
    cells: list[NotebookNode] = []
    for cell in (PARTS | changes).values():
        cells += cell if isinstance(cell, list) else [cell] if cell is not None else []
    return checks(desk.notebook(new_notebook(cells=[c.copy() for c in cells])))


def expect(
    results: dict[str, CheckResult], check: str, text: str | None, verdict: str | None = None
) -> None:
    """Assert a misconception and the verdict that follows from its credit, or another verdict."""
    result = results[check]
    if verdict is None:
        credit = TEXTS["misconception"][text].get("credit", 0) if text is not None else 0
        verdict = "partial" if credit > 0 else "failed"
    assert (result.verdict, result.misconception) == (verdict, text), result.message["en"]


RECORDED = (
    "test_training_loss_falls",
    "test_predictions_shown",
    "test_training_accuracy_above_test_accuracy",
    "test_test_loss_rises",
    "test_epoch_agrees_with_the_curve",
    "test_gap_shrinks_with_augmentation",
    "test_test_images_stay_as_they_are",
    "test_gap_shrinks_with_a_penalty",
    *(f"test_combination_was_trained[{name}]" for name in WORKED),
    "test_table_agrees_with_the_curves",
    "test_winner_is_that_of_the_table",
)


# ---- accepted ----------------------------------------------------------------------------------


def test_the_worked_example_of_the_coursework_earns_everything_recorded(desk: Desk) -> None:
    results = graded(desk)
    assert {check: results[check].verdict for check in RECORDED} == dict.fromkeys(
        RECORDED, "passed"
    )


def test_a_notebook_of_ones_own_is_read_by_code_and_headings(desk: Desk) -> None:
    """Four ways of printing, no names in the lines, no tags, Persian headings and digits."""
    free = ["own"]
    own = {
        "basic": saved("model.fit(train, epochs=10)", keras(BASIC), tags=free),
        "predictions": saved(
            "for i in range(6): print('predicted', names[out[i].argmax()], 'true', names[y[i]])",
            "predicted coat true shirt\npredicted bag true bag\npredicted boot true boot\n",
            tags=free,
        ),
        "overfit": [
            new_markdown_cell("## ب) بیش‌برازش کردن شبکه"),
            saved("run(model2, epochs=30)", dotted(OVERFIT), tags=free),
        ],
        "epoch": new_code_cell("overfit_from_epoch = 'دورهٔ ۱۲'"),
        "augmented": [
            new_markdown_cell("## پ"),
            saved("tf = transforms.RandomHorizontalFlip(); run(model3)", persian(MILD), tags=free),
        ],
        "penalised": saved(
            "opt = SGD(model4.parameters(), lr=0.01, weight_decay=0.01)", dotted(MILD), tags=free
        ),
        "combinations": [
            saved(f"run('{name}')", dotted(combined(*WORKED[name])), tags=free)
            for name in ("dropout+L2", "dropout+augmentation", "augmentation+L2")
        ]
        + [
            new_markdown_cell("### هر سه با هم"),
            saved("run(model8)", dotted(combined(*WORKED["all"])), tags=free),
            saved(
                "results",
                "             method  train acc  test acc\n"
                "0        dropout+L2       85.6      85.4\n"
                "1  dropout+data aug       84.1      85.2\n"
                "2            L2+aug       84.3      83.9\n"
                "3          all three       82.4      83.6\n",
                tags=free,
            ),
        ],
        "winner": new_code_cell("best_combo = 'dropout و L2'"),
    }
    results = graded(desk, **own)
    assert {check: results[check].verdict for check in RECORDED} == dict.fromkeys(
        RECORDED, "passed"
    )


def test_test_data_that_are_only_loaded_or_normalised_are_left_alone(desk: Desk) -> None:
    source = """
train_transform = T.Compose([T.RandomHorizontalFlip(), T.RandomRotation(10), T.ToTensor()])
test_transform = T.Compose([T.ToTensor(), T.Normalize(0.5, 0.5)])
train_set = FashionMNIST("data", train=True, transform=train_transform)
test_set = FashionMNIST("data", train=False, transform=test_transform)
for x, y in test_loader:
    show(model(x))
for x, y in train_loader:
    x = augment(x)
"""
    results = graded(desk, augmented=trained("augmentation", MILD, source))
    assert results["test_test_images_stay_as_they_are"].verdict == "passed"


def test_a_loop_without_a_function_is_judged_by_its_curves(desk: Desk) -> None:
    results = graded(desk)
    note = TEXTS["note"]["loop-seen-in-the-curves"]["text"]["en"]
    for check in ("test_training_loop_learns", "test_evaluation_only_measures"):
        assert results[check].verdict == "passed"
        assert [n["en"] for n in results[check].evidence["notes"]] == [note]


# ---- caught --------------------------------------------------------------------------------------


def test_nothing_saved_is_missing(desk: Desk) -> None:
    results = graded(desk, **{part: None for part in PARTS if part not in ("epoch", "winner")})
    assert {results[check].verdict for check in RECORDED} == {"missing"}


def test_a_loss_that_is_stuck_under_a_second_softmax(desk: Desk) -> None:
    accuracy = [0.62, 0.74, 0.79, 0.82, 0.835, 0.842, 0.846, 0.848, 0.85, 0.851]
    stuck: Curves = (
        [2.461 - a + 0.01 for a in accuracy], accuracy, [2.461 - a + 0.03 for a in accuracy], accuracy
    )  # fmt: skip
    results = graded(desk, basic=trained("basic", stuck))
    expect(results, "test_training_loss_falls", "loss-stuck-under-softmax")


def test_slow_learning_is_not_taken_for_a_second_softmax(desk: Desk) -> None:
    slow: Curves = (
        ramp(2.29, 1.62, 10), ramp(0.2, 0.63, 10), ramp(2.29, 1.63, 10), ramp(0.2, 0.62, 10)
    )  # fmt: skip
    assert (
        graded(desk, basic=trained("basic", slow))["test_training_loss_falls"].verdict == "passed"
    )


def test_a_training_loss_that_does_not_fall_or_is_not_printed(desk: Desk) -> None:
    level: Curves = (ramp(2.31, 2.3, 10), ramp(0.1, 0.11, 10), ramp(2.31, 2.3, 10), [0.1] * 10)
    results = graded(desk, basic=trained("basic", level), predictions=None)
    expect(results, "test_training_loss_falls", "training-loss-does-not-fall")
    expect(results, "test_predictions_shown", "predictions-not-shown")
    only = "".join(f"basic epoch {e}/10 test acc: {0.7 + e / 100:.2f}\n" for e in range(1, 11))
    results = graded(desk, basic=saved("fit(...)", only))
    expect(results, "test_training_loss_falls", None, "pending")


def test_a_network_that_does_not_overfit(desk: Desk) -> None:
    results = graded(desk, overfit=trained("overfit", BASIC), epoch=None)
    expect(results, "test_training_accuracy_above_test_accuracy", "gap-too-small")
    expect(results, "test_test_loss_rises", "test-loss-does-not-rise")
    expect(results, "test_epoch_agrees_with_the_curve", None, "missing")
    better_at_test = (BASIC[0], BASIC[3], BASIC[2], BASIC[1])
    results = graded(desk, overfit=trained("overfit", better_at_test))
    expect(results, "test_training_accuracy_above_test_accuracy", "no-gap")


def test_what_cannot_be_read_of_an_overfitting_run_goes_to_a_person(desk: Desk) -> None:
    losses = "".join(
        f"overfit epoch {e}/30 train loss: {a:.3f} test loss: {c:.3f}\n"
        for e, (a, c) in enumerate(zip(OVERFIT[0], OVERFIT[2], strict=True), 1)
    )
    results = graded(desk, overfit=saved("fit(...)", losses))
    expect(results, "test_training_accuracy_above_test_accuracy", None, "pending")
    assert results["test_test_loss_rises"].verdict == "passed"
    accuracies = "".join(
        f"overfit epoch {e}/30 train acc: {b:.3f} test acc: {d:.3f}\n"
        for e, (b, d) in enumerate(zip(OVERFIT[1], OVERFIT[3], strict=True), 1)
    )
    results = graded(desk, overfit=saved("fit(...)", accuracies))
    expect(results, "test_test_loss_rises", None, "pending")
    expect(results, "test_epoch_agrees_with_the_curve", None, "pending")


@pytest.mark.parametrize(
    ("claim", "misconception"),
    [(11, "claim-counted-from-zero"), (25, "claim-against-own-curve")],
)
def test_a_claim_against_ones_own_curve_is_shown_beside_it(
    desk: Desk, claim: int, misconception: str
) -> None:
    overfit = (*OVERFIT[:2], dip(0.7, 0.3, 0.52, 30, at=12), OVERFIT[3])
    results = graded(
        desk,
        overfit=trained("overfit", overfit),
        epoch=new_code_cell(f"overfit_from_epoch = {claim}"),
    )
    expect(results, "test_epoch_agrees_with_the_curve", misconception)
    (shown,) = results["test_epoch_agrees_with_the_curve"].evidence["claims"]
    assert (shown["claimed"], shown["found"], shown["agrees"]) == (str(claim), "12", False)


def test_a_gap_that_does_not_shrink_or_only_for_want_of_learning(desk: Desk) -> None:
    dead: Curves = (ramp(2.31, 2.3, 30), [0.1] * 30, ramp(2.31, 2.3, 30), [0.1] * 30)
    results = graded(
        desk, augmented=trained("augmentation", OVERFIT), penalised=trained("L1", dead)
    )
    expect(results, "test_gap_shrinks_with_augmentation", "gap-does-not-shrink")
    expect(results, "test_gap_shrinks_with_a_penalty", "gap-closed-by-not-learning")
    results = graded(
        desk, augmented=trained("augmentation", dead), penalised=trained("L1", OVERFIT)
    )
    expect(results, "test_gap_shrinks_with_augmentation", "gap-closed-by-not-learning")
    expect(results, "test_gap_shrinks_with_a_penalty", "gap-does-not-shrink")


def test_runs_that_cannot_be_told_apart_go_to_a_person(desk: Desk) -> None:
    unnamed = [saved("run()", dotted(curves)) for curves in (BASIC, OVERFIT, MILD, MILD)]
    results = graded(desk, basic=unnamed, overfit=None, augmented=None, penalised=None)
    expect(results, "test_gap_shrinks_with_augmentation", None, "pending")
    expect(results, "test_gap_shrinks_with_a_penalty", None, "pending")


@pytest.mark.parametrize(
    "source",
    [
        "evaluate(model, [(augment(test_images), test_labels)], criterion)",
        "for x, y in test_loader:\n    model(augment(x))",
        "data = [(augment(x), y) for x, y in val_batches]",
        "tf = T.Compose([T.RandomRotation(10)])\nt = FashionMNIST('.', train=False, transform=tf)",
    ],
)
def test_augmented_test_images_are_noticed(desk: Desk, source: str) -> None:
    results = graded(desk, augmented=trained("augmentation", MILD, source))
    expect(results, "test_test_images_stay_as_they_are", "test-images-augmented")


def test_combinations_of_which_only_some_were_trained(desk: Desk) -> None:
    text = "".join(lines(name, combined(*WORKED[name])) for name in list(WORKED)[:2])
    three = {name: WORKED[name] for name in list(WORKED)[:3]}
    results = graded(desk, combinations=saved("fit(...)", text + table(three)))
    check = "test_combination_was_trained[{}]".format
    assert results[check("dropout+L2")].verdict == "passed"
    expect(results, check("augmentation+L2"), "combination-without-curve")
    expect(results, check("all"), None, "missing")
    expect(results, "test_table_agrees_with_the_curves", "table-incomplete")


def test_a_table_that_is_missing_or_contradicts_its_curves(desk: Desk) -> None:
    curves = "".join(lines(name, combined(*WORKED[name])) for name in WORKED)
    results = graded(desk, combinations=saved("fit(...)", curves))
    expect(results, "test_table_agrees_with_the_curves", "table-missing")
    assert results["test_winner_is_that_of_the_table"].verdict == "passed"
    results = graded(desk, combinations=combinations(WORKED | {"all": (0.95, 0.94)}))
    expect(results, "test_table_agrees_with_the_curves", "table-against-own-curves")
    claims = results["test_table_agrees_with_the_curves"].evidence["claims"]
    wrong = [claim["what"] for claim in claims if not claim["agrees"]]
    assert wrong == ["all, train", "all, test"]


@pytest.mark.parametrize(
    ("answer", "rows", "misconception"),
    [
        ("all", {}, "winner-against-own-table"),
        ("augmentation+L2", {"augmentation+L2": (0.9, 0.839)}, "winner-by-training-accuracy"),
    ],
)
def test_a_winner_that_is_not_that_of_the_table(
    desk: Desk, answer: str, rows: dict[str, tuple[float, float]], misconception: str
) -> None:
    results = graded(
        desk,
        combinations=combinations(WORKED | rows),
        winner=new_code_cell(f"best_combination = {answer!r}"),
    )
    expect(results, "test_winner_is_that_of_the_table", misconception)


# ---- the whole -----------------------------------------------------------------------------------


def test_the_reference_earns_all_auto_and_recorded_points(desk: Desk) -> None:
    report = desk.reference()
    parts = [part for question in report.questions for part in question.parts]
    assert [p.id for p in parts if p.kind != "rubric" and p.verdict != "passed"] == []
    assert report.score.points == sum(p.max_points for p in parts if p.kind != "rubric") - 15 == 72
    assert (report.score.bonus, report.score.pending) == (15, 28)


@pytest.mark.parametrize("language", ["fa", "en"])
def test_the_skeleton_earns_nothing(desk: Desk, language: str) -> None:
    report = desk.skeleton(language)
    verdicts = {c.id: c.verdict for c in checks(report).values()}
    assert verdicts == dict.fromkeys(verdicts, "missing")
    assert (report.score.points, report.score.bonus) == (0, 0)
    empty = checks(report)
    assert "sgd_step" in empty["test_path_of_sgd"].message[language]
    assert "train_epoch" in empty["test_training_loop_learns"].message[language]


def test_points_are_those_of_the_coursework(desk: Desk) -> None:
    points = {q.id: int(q.points) for q in desk.assignment.questions}
    assert points == {
        "overfitting": 15, "penalties": 20, "distillation": 15, "optimisers": 10, "fashion-mlp": 40,
        "combinations": 15,
    }  # fmt: skip
    assert [q.id for q in desk.assignment.questions if q.bonus] == ["combinations"]
    lettered = {
        "overfitting": {"a": ["concepts"], "b": ["epoch", "detecting"], "c": ["dropout"]},
        "penalties": {
            "a": ["directions", "knn"], "b": ["truth", "statements"], "c": ["choices", "which", "steps"],
        },
        "distillation": {"a": ["idea"], "b": ["training"], "c": ["loss"]},
        "fashion-mlp": {
            "a": ["network", "loop", "training"], "b": ["overfit"], "c": ["augment", "augmented"],
            "d": ["penalty", "penalised"],
        },
    }  # fmt: skip
    sums = {}
    for question in desk.assignment.questions:
        points_of = {part.id: part.points for part in question.parts}
        for letter, ids in lettered.get(question.id, {}).items():
            sums[question.id, letter] = int(sum(points_of[each] for each in ids))
    assert list(sums.values()) == [5, 5, 5, 6, 6, 8, 4, 5, 6, 10, 10, 10, 10]


def test_every_misconception_is_met_by_a_wrong_answer() -> None:
    """Those of questions 1 to 4 and of the networks are met in the modules beside this one."""
    modules = Path(__file__).parent.glob(f"test_{SLUG}*.py")
    sources = "".join(path.read_text() for path in modules)
    assert [name for name in TEXTS["misconception"] if f'"{name}"' not in sources] == []
