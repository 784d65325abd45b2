from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from grader.feedback.advice import fix_first
from grader.feedback.gallery import check, part, question, specimen, text
from grader.report import PartResult, Report, Verdict
from tests.feedback.reports import with_questions

SAID = text("پیام", "message")


def one(name: str, verdict: Verdict, points: float, most: float, **more: Any) -> PartResult:
    return part(name, SAID, [check(f"test_{name}", verdict, points, most, SAID, SAID, **more)])


def report(*parts: PartResult, bonus: tuple[PartResult, ...] = ()) -> Report:
    questions = [question("q", SAID, SAID, list(parts))]
    if bonus:
        questions.append(question("b", SAID, SAID, list(bonus), bonus=True))
    return with_questions(specimen(), questions)


def raised(cell: int) -> dict[str, Any]:
    frames = [{"cell": 1, "line": 1, "source": "g()"}, {"cell": cell, "line": 2, "source": "1/0"}]
    return {"exception": {"type": "ZeroDivisionError", "frames": frames}}


def test_the_part_with_most_to_gain_comes_first() -> None:
    advice = fix_first(
        report(one("a", "failed", 0, 3), one("b", "partial", 1, 6), one("c", "missing", 0, 4))
    )
    assert (advice.kind, advice.gain) == ("part", 5)
    assert advice.part is not None
    assert advice.part.id == "b"


def test_of_equal_gains_the_first_in_the_assignment() -> None:
    advice = fix_first(report(one("a", "failed", 0, 3), one("b", "failed", 0, 3)))
    assert advice.part is not None
    assert advice.part.id == "a"


def test_one_cell_that_breaks_several_parts_outweighs_each_of_them() -> None:
    advice = fix_first(
        report(
            one("a", "failed", 0, 3, evidence=raised(7)),
            one("b", "failed", 0, 3, evidence=raised(7)),
            one("c", "failed", 0, 5),
        )
    )
    assert (advice.kind, advice.cell, advice.gain) == ("cell", 7, 6)


def test_a_bonus_waits_until_the_rest_is_right() -> None:
    bonus = (one("x", "failed", 0, 10),)
    advice = fix_first(report(one("a", "failed", 0, 1), bonus=bonus))
    assert advice.part is not None
    assert advice.part.id == "a"
    advice = fix_first(report(one("a", "passed", 1, 1), bonus=bonus))
    assert advice.part is not None
    assert advice.part.id == "x"


def test_without_a_notebook_nothing_else_comes_first() -> None:
    empty = replace(report(one("a", "missing", 0, 9), one("b", "pending", 0, 3)), notebook=None)
    advice = fix_first(empty)
    assert (advice.kind, advice.gain) == ("notebook", 9)


def test_what_is_the_graders_fault_is_nothing_to_fix() -> None:
    assert fix_first(report(one("a", "error", 0, 9))).kind == "error"
    advice = fix_first(report(one("a", "error", 0, 9), one("b", "failed", 0, 1)))
    assert (advice.kind, advice.gain) == ("part", 1)


def test_when_all_that_is_decided_is_right_it_says_what_is_pending() -> None:
    waiting = replace(one("w", "pending", 0, 0), max_points=5, pending=5, verdict="pending")
    advice = fix_first(report(one("a", "passed", 1, 1), waiting))
    assert (advice.kind, advice.gain) == ("pending", 5)


def test_when_everything_is_right_it_says_so() -> None:
    assert fix_first(report(one("a", "passed", 1, 1))).kind == "done"


def test_points_that_a_marker_withheld_can_be_gained() -> None:
    marked = next(p for q in specimen().questions for p in q.parts if p.id == "init")
    assert fix_first(report(marked)).gain == 1
