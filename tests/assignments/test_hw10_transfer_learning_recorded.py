"""Saved outputs of hw10_transfer_learning: runs, claims and plots, right and wrong; and what Colab had."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from grader.report import CheckResult
from tests.assignments.outcomes import assert_found
from tests.desk import Desk, checks

SLUG = "hw10_transfer_learning"
ON_COLAB = Path(__file__).parents[2] / "submissions" / SLUG / "99504567.ipynb"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

RECORDED = (
    "test_training_from_scratch_was_recorded",
    "test_accuracy_from_scratch_stays_low",
    "test_head_was_trained",
    "test_both_accuracies_of_the_svm_were_saved",
    "test_accuracy_of_the_svm_is_that_of_unseen_images",
    "test_fine_tuning_beats_the_head",
    "test_best_method_is_that_of_the_outputs",
    "test_table_of_zeros_before_and_after",
    "test_plot_of_the_zeros",
    "test_where_there_are_more_zeros",
)


def log(name: str, losses: list[float], accuracies: list[float]) -> str:
    """Lines of a run: training loss and accuracy on validation data."""
    pairs = enumerate(zip(losses, accuracies, strict=True), start=1)
    lines = [f"{name} epoch {n} train loss: {a} val acc: {b}" for n, (a, b) in pairs]
    return "\n".join(lines) + "\n"


def falling(start: float, epochs: int) -> list[float]:
    return [round(start * 0.9**n, 4) for n in range(epochs)]


def rising(end: float, epochs: int) -> list[float]:
    return [round(end * (n + 1) / epochs, 4) for n in range(epochs)]


RIGHT = {
    "scratch": log("scratch", falling(5, 12), rising(0.04, 12)),
    "head": log("head", falling(5, 5), rising(0.08, 5)),
    "svm": "svm train acc: 0.998 val acc: 0.11\n",
    "tuned": log("tuned", falling(5, 5), rising(0.2, 5)),
    "zeros": "before: [0.0, 50.0, 0.0, 40.0, 60.0]\nafter: [0.0, 50.0, 0.0, 44.0, 66.0]\n",
    "claims": "svm_accuracy, best_method, sparser = '11%', 'tuned', 'after'",
    "plot": "plt.plot(zeros_before)",
}


def notebook(picture: bool = True, **changes: str) -> NotebookNode:
    """A notebook whose cells put out what `RIGHT` has, but for `changes`."""
    saved = RIGHT | changes
    cells = []
    for name in ("scratch", "head", "svm", "tuned", "zeros"):
        cell = new_code_cell(saved["plot"] if name == "zeros" else "run()")
        cell.metadata = {"tags": ["recorded"]}
        cell.outputs = [new_output("stream", name="stdout", text=saved[name])] * bool(saved[name])
        if name == "zeros" and picture:
            cell.outputs.append(new_output("display_data", data={"image/png": PIXEL}))
        cells.append(cell)
    return new_notebook(cells=[*cells, new_code_cell(saved["claims"])])


def graded(desk: Desk, given: NotebookNode) -> dict[str, CheckResult]:
    return checks(desk.notebook(given))


PERSIAN = "\n".join(
    f"دوره {n} هزینه آموزش: {a} دقت اعتبارسنجی: {b}"
    for n, (a, b) in enumerate(zip(falling(5, 12), rising(0.04, 12), strict=True), start=1)
)


def by_headings() -> NotebookNode:
    """Runs without names, under Persian headings; percents, other words, a bar plot."""
    given = notebook(
        scratch=PERSIAN,
        head=RIGHT["head"].replace("head ", ""),
        svm="SVM: train accuracy = 99.8%, test accuracy = 11.0%\n",
        tuned=RIGHT["tuned"].replace("tuned ", ""),
        zeros="| layer | پیش از تنظیم دقیق | پس از تنظیم دقیق |\n|---|---|---|\n"
        "| 1 | 0 | 0 |\n| 2 | 50 | 50 |\n| 3 | 0 | 0 |\n| 4 | 40 | 44 |\n| 5 | 60 | 66 |\n",
        claims="svm_accuracy, best_method, sparser = 0.11, 'fine-tuning', 'پس از تنظیم دقیق'",
        plot="plt.bar(layers, zeros)",
    )
    headings = ("آموزش از صفر", "استخراج ویژگی", "SVM", "تنظیم دقیق", "صفرها")
    cells = zip(headings, given.cells, strict=False)
    under = [each for heading, cell in cells for each in (new_markdown_cell(heading), cell)]
    return new_notebook(cells=[*under, given.cells[-1]])


@pytest.mark.parametrize("given", [notebook(), by_headings()], ids=["named", "by headings"])
def test_outputs_of_any_form_are_read(desk: Desk, given: NotebookNode) -> None:
    assert_found(graded(desk, given), dict.fromkeys(RECORDED, "passed"))


WRONG = {
    "nothing learned, nothing named": (
        notebook(
            scratch=log("scratch", [5.0] * 12, rising(0.04, 12)),
            head=log("head", falling(5, 5), [0.08] * 5),
            svm="svm accuracy: 0.998\n",
            tuned=log("tuned", falling(5, 5), rising(0.07, 5)),
            zeros="done\n",
            claims="svm_accuracy, best_method, sparser = 0.998, 'head or tuned', 'before'",
            picture=False,
        ),
        (
            "training-loss-does-not-fall",
            "passed",
            "head-does-not-generalise",
            "which-images-is-not-said",
            "pending",
            "tuning-no-better-than-the-head",
            "missing",
            "no-table-of-zeros",
            "plot-not-saved",
            "no-table-of-zeros",
        ),
    ),
    "claims against the outputs": (
        notebook(
            scratch=log("scratch", falling(5, 4), [0.5, 0.6, 0.7, 0.8]),
            svm="svm train acc: 0.998\n",
            zeros=RIGHT["zeros"].replace("44.0, 66.0", "40.0, 60.0"),
            claims="svm_accuracy, best_method, sparser = 0.998, 'tuned', 'before'",
            plot="print(zeros)",
        ),
        (
            "too-few-epochs",
            "pretrained-from-the-start",
            "passed",
            "only-training-accuracy",
            "only-training-accuracy",
            "passed",
            "best-against-own-outputs",
            "before-is-after",
            "no-plot-of-the-zeros",
            "before-is-after",
        ),
    ),
    "the other number": (
        notebook(
            scratch=log("scratch", falling(5, 12), rising(0.3, 12)),
            claims="svm_accuracy, best_method, sparser = 0.998, 'svm', 'before'",
        ),
        (
            "passed",
            "pending",
            "passed",
            "passed",
            "training-accuracy-reported",
            "passed",
            "best-against-own-outputs",
            "passed",
            "passed",
            "zeros-against-own-table",
        ),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_claims_against_the_saved_outputs_are_told_by_name(desk: Desk, name: str) -> None:
    given, found = WRONG[name]
    assert_found(graded(desk, given), dict(zip(RECORDED, found, strict=True)))


def test_torchvision_without_network_or_data_is_graded_on_what_was_recorded(desk: Desk) -> None:
    report = desk.notebook(nbformat.read(ON_COLAB, as_version=4), "99504567")
    results = checks(report)
    assert_found(results, dict.fromkeys(RECORDED, "passed"))
    for name in ("test_scores_of_the_head", "test_svm_knows_all_batches"):
        assert results[name].verdict == "pending"
        assert "torchvision" in results[name].message["en"]
        assert "torchvision" in results[name].message["fa"]
    charged = {c.verdict for q in report.questions for p in q.parts for c in p.checks}
    assert charged <= {"passed", "pending"}


def test_a_download_key_in_a_hand_in_is_not_in_its_report(desk: Desk) -> None:
    key = "00112233445566778899aabbccddeeff"
    assert key in ON_COLAB.read_text(encoding="utf-8")
    report = desk.notebook(nbformat.read(ON_COLAB, as_version=4), "99504567")
    assert key not in json.dumps(msgspec.to_builtins(report), default=str)
