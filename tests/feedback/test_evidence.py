from __future__ import annotations

import pytest

from grader.feedback.evidence import Difference, Place, Shown, read_evidence, written
from grader.feedback.gallery import check, shown, text
from grader.feedback.matrix import entries
from grader.report import CheckResult

SAID = text("پیام", "message")


def made(evidence: dict[str, object], *, hidden: bool = False) -> CheckResult:
    return check("t", "failed", 0, 1, SAID, SAID, hidden=hidden, evidence=evidence)


EVERYTHING = {
    "asked": "f(X)",
    "inputs": {"X": shown([1.0, 2.0])},
    "answered": shown([1.0, 2.0]),
    "expected": shown([7.0, 2.0]),
    "difference": {
        "max_abs": 6.0,
        "wrong": 1,
        "total": 2,
        "first": {"index": [0], "answered": 1.0, "expected": 7.0},
        "worst": {"index": [0], "answered": 1.0, "expected": 7.0},
        "heatmap": [[6.0, 0.0]],
    },
    "layers": [{"path": "a", "type": "Conv2d", "expected": {"type": "Linear"}, "differs": True}],
}


def test_a_hidden_check_shows_neither_inputs_nor_the_expected_value() -> None:
    evidence = read_evidence(made(EVERYTHING, hidden=True))
    assert evidence.expected is None
    assert not evidence.inputs
    assert evidence.difference is not None
    assert evidence.difference.first is None
    assert evidence.difference.worst is None
    assert evidence.difference.heatmap is None
    assert evidence.layers[0].expected is None
    assert evidence.difference.max_abs == 6.0


def test_a_public_check_shows_both() -> None:
    evidence = read_evidence(made(EVERYTHING))
    assert evidence.expected is not None
    assert evidence.inputs["X"].values == [1.0, 2.0]


def test_numbers_that_a_property_was_judged_by_are_kept_under_their_names() -> None:
    judged = {"kind": "property", "loss_before": 2.3, "loss_after": 2.9}
    assert read_evidence(made(judged)).facts == {"loss_before": 2.3, "loss_after": 2.9}
    assert read_evidence(made(judged, hidden=True)).facts == {}


def test_a_place_may_be_a_key() -> None:
    evidence = read_evidence(made({"difference": {"first": {"index": ["weight", 0]}}}))
    assert evidence.difference is not None
    assert evidence.difference.first is not None
    assert evidence.difference.first.index == ["weight", 0]


def test_secrets_anywhere_in_the_evidence_are_redacted() -> None:
    evidence = read_evidence(
        made(
            {
                "answered": {"text": "password = 'Nowruz1403'"},
                "exception": {
                    "type": "E",
                    "message": "bad password='Nowruz1403'",
                    "frames": [{"cell": 1, "line": 1, "source": "password = 'Nowruz1403'"}],
                },
            }
        )
    )
    assert "Nowruz1403" not in repr(evidence)


def test_evidence_of_an_unknown_shape_is_kept_as_text() -> None:
    evidence = read_evidence(made({"answered": ["not", "a", "record"], "asked": "f(X)"}))
    assert evidence.unread is not None
    assert '"not"' in evidence.unread


def test_unread_evidence_of_a_hidden_check_still_keeps_the_secret_of_the_check() -> None:
    evidence = read_evidence(made({**EVERYTHING, "answered": 3}, hidden=True))
    assert evidence.unread is not None
    assert "7.0" not in evidence.unread


def test_entries_out_of_tolerance_are_marked_and_the_worst_one_framed() -> None:
    table = entries(
        Shown(values=[[1.0, 2.0], [3.0, 4.5]]),
        Shown(values=[[1.0, 2.1], [3.0000001, 4.0]]),
        Difference(atol=1e-6, worst=Place(index=[1, 1])),
    )
    assert table is not None
    assert [[entry.wrong for entry in row] for row in table.rows] == [[False, True], [False, True]]
    assert [[entry.worst for entry in row] for row in table.rows] == [[False, False], [False, True]]


def test_nan_agrees_with_nan_and_infinity_with_itself() -> None:
    table = entries(
        Shown(values=["nan", "inf", "nan", "-inf"]), Shown(values=["nan", "inf", 1.0, "inf"])
    )
    assert table is not None
    assert [entry.wrong for entry in table.rows[0]] == [False, False, True, True]


@pytest.mark.parametrize(
    "values", [None, 3.0, [], [[]], [[1.0], [1.0, 2.0]], [[[1.0]]], [[0.0] * 11], [[0.0]] * 13]
)
def test_what_is_no_small_matrix_is_left_to_its_text(values: object) -> None:
    assert entries(Shown(values=values)) is None


def test_shapes_that_differ_mark_no_entry() -> None:
    table = entries(Shown(values=[1.0, 2.0]), Shown(values=[1.0, 2.0, 3.0]))
    assert table is not None
    assert not table.has_wrong


def test_a_listener_hears_which_entries_differ() -> None:
    table = entries(Shown(values=[1.0, 2.0]), Shown(values=[1.0, 3.0]))
    assert table is not None
    html = table.html("Your answer", "differs")
    assert html.count("differs") == 1
    assert '<caption class="vh">Your answer</caption>' in html


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-2.0, "−2"),
        (1e-6, "1e-06"),
        (0.1 + 0.2, "0.3"),
        (18342632, "18342632"),
        (True, "True"),
        ("nan", "nan"),
    ],
)
def test_numbers_are_written_as_code_writes_them(value: object, text: str) -> None:
    assert written(value) == text
