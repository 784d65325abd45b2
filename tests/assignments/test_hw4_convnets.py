"""Every check of hw4_convnets: the slips that it recognises, and right answers of other shapes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_output

from grader.grading.release import solution
from grader.report import CheckResult
from tests.assignments.hw4_slips import Slip, rounds
from tests.desk import Desk, checks

SLUG = "hw4_convnets"
ROUNDS = list(rounds())
SEEN_ELSEWHERE = {
    "stage-without-picture",
    "cells-run-again",
    "curves-of-too-few-networks",
    "no-validation-curve",
    "training-did-not-learn",
    "table-without-networks",
    "table-contradicts-curves",
    "accuracy-not-in-the-curves",
}
"""Texts about pictures, cells and saved outputs, which the tests below name one by one."""


def solved(desk: Desk) -> NotebookNode:
    return solution(desk.assignment, desk.course.languages)


def cell_named(notebook: NotebookNode, name: str) -> NotebookNode:
    return next(c for c in notebook.cells if c.metadata.get("karnameh", {}).get("name") == name)


def recognised(desk: Desk, check: CheckResult) -> set[str]:
    """Ids of the misconception and the notes that a check came to."""
    shown = check.evidence.get("notes", [])
    notes = {n for n, note in desk.assignment.texts.notes.items() if note.text in shown}
    return {*notes, *([check.misconception] if check.misconception else [])}


def test_the_reference_is_right_throughout(desk: Desk) -> None:
    report = desk.reference()
    wrong = [c.id for c in checks(report).values() if c.verdict != "passed"]
    assert not wrong
    assert report.score.points + report.score.bonus == 89
    assert report.score.pending == 21


@pytest.mark.parametrize("language", ["fa", "en"])
def test_the_skeleton_earns_nothing(desk: Desk, language: str) -> None:
    report = desk.skeleton(language)
    assert report.score.points == 0
    assert report.score.bonus == 0
    assert not report.has_error


@pytest.mark.parametrize("together", ROUNDS, ids=range(1, len(ROUNDS) + 1))
def test_slips_are_recognised(desk: Desk, together: list[Slip]) -> None:
    notebook = solved(desk)
    notebook.cells += [new_code_cell(slip.code) for slip in together]
    found = checks(desk.notebook(notebook))
    for slip in together:
        check = found[slip.check]
        assert slip.text in recognised(desk, check), (slip.text, check)
        assert (check.verdict == "passed") == (slip.text in desk.assignment.texts.notes)


def test_no_text_is_without_its_slip(desk: Desk) -> None:
    tried = {slip.text for together in ROUNDS for slip in together}
    texts = desk.assignment.texts
    assert {*texts.misconceptions, *texts.notes} == tried | SEEN_ELSEWHERE


# ---- the residual block without functions ------------------------------------------------------------

INLINE = """
P = np.pad(image, 1)
conv_out = np.zeros((5, 5))
for i in range(5):
    for j in range(5):
        conv_out[i, j] = (P[i : i + 3, j : j + 3] * kernel).sum()
relu_out = {relu}
residual_out = np.maximum(relu_out + image, 0)
pooled = [[residual_out[i : i + 2, j : j + 2].max() for j in (0, 2)] for i in (0, 2)]
average = np.mean(pooled)
"""


def inline(desk: Desk, relu: str) -> dict[str, CheckResult]:
    notebook = solved(desk)
    cell_named(notebook, "residual-stages").source = ""
    cell_named(notebook, "residual-values").source = INLINE.format(relu=relu)
    return checks(desk.notebook(notebook))


HIDDEN_STAGES = (
    "test_convolution_of_other_images",
    "test_relu_of_other_results",
    "test_shortcut_of_other_blocks",
    "test_max_pooling_of_other_maps",
    "test_global_average_of_other_maps",
)


def test_stages_without_functions_are_run_again_on_another_image(desk: Desk) -> None:
    found = inline(desk, "np.maximum(conv_out, 0)")
    for name in HIDDEN_STAGES:
        assert found[name].verdict == "passed", found[name]
        assert "cells-run-again" in recognised(desk, found[name])


def test_a_relu_that_was_left_out_shows_without_functions_too(desk: Desk) -> None:
    found = inline(desk, "conv_out.copy()")
    assert found["test_result_of_relu"].verdict == "passed"
    assert found["test_relu_of_other_results"].misconception == "relu-does-nothing"
    assert found["test_shortcut_of_other_blocks"].verdict == "passed"


def test_an_early_mistake_costs_its_own_stage_only(desk: Desk) -> None:
    notebook = solved(desk)
    values = cell_named(notebook, "residual-values")
    values.source = values.source.replace(
        "conv2d(image, kernel)", "1.5 * conv2d(image, kernel) - 100"
    )
    found = checks(desk.notebook(notebook))
    assert found["test_result_of_the_convolution"].verdict == "failed"
    for name in ("relu", "the_shortcut", "max_pooling", "the_global_average"):
        check = found[f"test_result_of_{name}"]
        assert check.verdict == "passed", check
        assert check.evidence["follow_through"] is True


def test_every_stage_needs_its_picture(desk: Desk) -> None:
    notebook = solved(desk)
    cell_named(
        notebook, "residual-show"
    ).source = "for M in (conv_out, relu_out, residual_out):\n    plt.imshow(M)\n    plt.show()"
    found = checks(desk.notebook(notebook))
    pictures = ("the_convolution", "relu", "the_shortcut", "max_pooling", "the_global_average")
    shown = [found[f"test_picture_of_{name}"].verdict == "passed" for name in pictures]
    assert shown == [True, True, True, False, False]
    assert found["test_picture_of_max_pooling"].misconception == "stage-without-picture"


# ---- networks right around wrong blocks ------------------------------------------------------------------


def test_a_slip_in_a_block_does_not_cost_the_network(desk: Desk) -> None:
    notebook = solved(desk)
    block = cell_named(notebook, "separable")
    block.source = block.source.replace("F.relu(self.depthwise(x))", "self.depthwise(x)")
    found = checks(desk.notebook(notebook))
    assert found["test_forward_of_the_separable_block"].misconception == "no-activation-between"
    network = found["test_forward_of_mobilenet_v1"]
    assert network.verdict == "passed"
    assert network.evidence["follow_through"] is True


# ---- saved outputs ---------------------------------------------------------------------------------------

Change = Callable[[str], str]


def first_runs(text: str) -> str:
    return "".join(line for line in text.splitlines(True) if "MobileNet" not in line)


def without_validation(text: str) -> str:
    return "".join(line.split("  val")[0] + "\n" for line in text.splitlines())


def backwards(text: str) -> str:
    """Every run's values in the opposite order, so that nothing is learned."""
    lines = text.splitlines()[1:]
    turned = []
    for start in range(0, len(lines), 6):
        run = lines[start : start + 6]
        heads = [line.split("  train")[0] for line in run]
        tails = [line.split("  train", 1)[1] for line in run]
        turned += [f"{h}  train{t}" for h, t in zip(heads, reversed(tails), strict=True)]
    return "\n".join(turned) + "\n"


def losses_only(text: str) -> str:
    lines = (line.split("  train acc")[0] + "  val" + line.split("  val", 1)[1].split("  val")[0]
             for line in text.splitlines()[1:])  # fmt: skip
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("cell", "change", "check", "verdict", "text"),
    [
        ("train", first_runs, "test_curves_of_three_networks", "partial", "curves-of-too-few-networks"),
        ("train", without_validation, "test_curves_of_three_networks", "partial", "no-validation-curve"),
        ("train", backwards, "test_networks_learned", "failed", "training-did-not-learn"),
        ("train", losses_only, "test_table_agrees_with_the_curves", "pending", None),
        ("comparison", lambda t: "", "test_comparison_table", "failed", "table-without-networks"),
        ("comparison", lambda t: t.replace("0.587", "0.857"), "test_table_agrees_with_the_curves", "partial", "table-contradicts-curves"),
    ],
)  # fmt: skip
def test_saved_outputs_are_read(
    desk: Desk, cell: str, change: Change, check: str, verdict: str, text: str | None
) -> None:
    notebook = solved(desk)
    saved = cell_named(notebook, cell)
    before = saved.outputs[0].text
    after = change(before)
    assert after != before
    saved.outputs = [new_output("stream", name="stdout", text=after)]
    found = checks(desk.notebook(notebook))[check]
    assert (found.verdict, found.misconception) == (verdict, text)
    if verdict == "pending":
        assert (
            desk.assignment.texts.notes["accuracy-not-in-the-curves"].text["en"]
            in found.message["en"]
        )
