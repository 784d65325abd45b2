"""From verdicts of checks to points of parts, questions and the whole: exact decimals, no state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from grader.course.assignment import Assignment, Part
from grader.report import (
    CheckResult,
    Criterion,
    PartResult,
    QuestionResult,
    Score,
    Verdict,
    rounded,
)

ZERO = Decimal(0)


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One check's verdict before points: what it is worth and the share that was earned."""

    question: str
    part: str
    verdict: Verdict
    credit: Decimal
    weight: Decimal
    result: CheckResult


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What a person gave for one criterion of a rubric."""

    points: Decimal
    comment: str = ""


Marks = Mapping[str, Mapping[str, Mark]]
"""Marks by ``question/part`` and criterion."""


def earned(verdict: Verdict, credit: Decimal, weight: Decimal) -> tuple[Decimal, Decimal]:
    """Return (decided points, pending points) of a check worth `weight`.

    What is the grader's or the environment's fault is never charged: it waits for a person.
    """
    if verdict == "passed":
        return weight, ZERO
    if verdict in ("pending", "error"):
        return ZERO, weight
    return weight * credit, ZERO


def part_verdict(verdicts: Sequence[Verdict], points: Decimal) -> Verdict:
    """Sum up the verdicts of a part's checks, of which `points` came."""
    kinds = set(verdicts)
    if "error" in kinds:
        return "error"
    if "pending" in kinds:
        return "pending"
    if kinds == {"passed"}:
        return "passed"
    if points > ZERO:
        return "partial"
    return "missing" if kinds == {"missing"} else "failed"


def score_part(
    part: Part,
    judged: Sequence[Judged],
    rubric: Sequence[Criterion],
    marks: Mapping[str, Mark],
) -> tuple[PartResult, Decimal, Decimal]:
    """Return one part's result with its exact points and pending points."""
    if part.kind == "rubric":
        return _score_rubric(part, rubric, marks)
    points = pending = ZERO
    checks = []
    for each in judged:
        decided, waiting = earned(each.verdict, each.credit, each.weight)
        points += decided
        pending += waiting
        checks.append(
            msgspec.structs.replace(
                each.result, points=rounded(decided), max_points=rounded(each.weight)
            )
        )
    result = PartResult(
        id=part.id,
        title=part.title,
        kind=part.kind,
        points=rounded(points),
        max_points=rounded(part.points),
        pending=rounded(pending),
        verdict=part_verdict([each.verdict for each in judged], points),
        checks=checks,
    )
    return result, points, pending


def _score_rubric(
    part: Part, rubric: Sequence[Criterion], marks: Mapping[str, Mark]
) -> tuple[PartResult, Decimal, Decimal]:
    points = sum((mark.points for mark in marks.values()), ZERO)
    unmarked = [c for c in rubric if c.id not in marks]
    pending = sum((Decimal(str(c.max_points)) for c in unmarked), ZERO) if rubric else part.points
    verdict: Verdict = "pending"
    if not unmarked and rubric:
        full = points >= part.points
        verdict = "passed" if full else "partial" if points > ZERO else "failed"
    result = PartResult(
        id=part.id,
        title=part.title,
        kind=part.kind,
        points=rounded(points),
        max_points=rounded(part.points),
        pending=rounded(pending),
        verdict=verdict,
        criteria=[
            msgspec.structs.replace(c, points=rounded(mark.points), comment=mark.comment)
            if (mark := marks.get(c.id)) is not None
            else c
            for c in rubric
        ],
    )
    return result, points, pending


def score_assignment(
    assignment: Assignment,
    judged: Sequence[Judged],
    rubrics: Mapping[str, Sequence[Criterion]],
    marks: Marks,
    penalty: Decimal = ZERO,
) -> tuple[Score, list[QuestionResult]]:
    """Add everything up. Rounding happens once, for each number that is shown.

    Parameters
    ----------
    rubrics
        Criteria by ``question/part``.
    penalty
        Points that lateness costs.
    """
    points = bonus = pending = ZERO
    questions = []
    for question in assignment.questions:
        total = waiting = ZERO
        parts = []
        for part in question.parts:
            place = f"{question.id}/{part.id}"
            here = [e for e in judged if (e.question, e.part) == (question.id, part.id)]
            result, decided, undecided = score_part(
                part, here, rubrics.get(place, ()), marks.get(place, {})
            )
            parts.append(result)
            total += decided
            waiting += undecided
        if question.bonus:
            bonus += total
        else:
            points += total
        pending += waiting
        questions.append(
            QuestionResult(
                id=question.id,
                label=question.label,
                title=question.title,
                bonus=question.bonus,
                points=rounded(total),
                max_points=rounded(question.points),
                pending=rounded(waiting),
                parts=parts,
            )
        )
    score = Score(
        points=rounded(points),
        max_points=rounded(assignment.points),
        bonus=rounded(bonus),
        pending=rounded(pending),
        penalty=rounded(penalty),
        final=rounded(max(ZERO, points + bonus - penalty)),
    )
    return score, questions
