"""What a student should fix first: the one cause that holds back the most points."""

from __future__ import annotations

from typing import Literal

import msgspec

from grader.feedback.evidence import read_evidence
from grader.report import CheckResult, PartResult, QuestionResult, Report


class Advice(msgspec.Struct, frozen=True):
    """Where to begin.

    Attributes
    ----------
    kind
        ``notebook``: there was no notebook to grade; ``cell``: one cell's error costs several
        parts; ``part``: one part has the most to gain;
        ``pending``: nothing to fix, a person has yet to mark; ``error``: the grader is to blame;
        ``done``: everything is right.
    gain
        Points that can be had, or for ``pending`` the points that are still to be marked.
    """

    kind: Literal["notebook", "cell", "part", "pending", "error", "done"]
    gain: float = 0.0
    cell: int | None = None
    question: QuestionResult | None = None
    part: PartResult | None = None
    check: CheckResult | None = None


def fix_first(report: Report) -> Advice:
    """Return the one thing to fix first for most points.

    Ordinary questions come before bonus ones; of equal gains, the one that
    stands first in the assignment.
    """
    if report.notebook is None:
        parts = [part for question in report.questions for part in question.parts]
        return Advice("notebook", gain=round(sum(map(part_loss, parts)), 2))
    for bonus in (False, True):
        questions = [question for question in report.questions if question.bonus == bonus]
        best = _best_part(questions)
        cell = _best_cell(questions)
        if cell is not None and (best is None or cell.gain > best.gain):
            return cell
        if best is not None:
            return best
    if report.has_error:
        return Advice("error")
    if report.score.pending > 0:
        return Advice("pending", gain=report.score.pending)
    return Advice("done")


def _best_part(questions: list[QuestionResult]) -> Advice | None:
    best: Advice | None = None
    for question in questions:
        for part in question.parts:
            gain = part_loss(part)
            if gain > 0 and (best is None or gain > best.gain):
                check = max(part.checks, key=check_loss, default=None)
                if check is not None and check_loss(check) == 0:
                    check = None
                best = Advice("part", gain, check.cell if check else None, question, part, check)
    return best


def _best_cell(questions: list[QuestionResult]) -> Advice | None:
    """Return the cell whose error costs the most, if it costs more than one part."""
    losses: dict[int, dict[str, float]] = {}
    first: dict[int, tuple[QuestionResult, PartResult, CheckResult]] = {}
    for question in questions:
        for part in question.parts:
            for check in part.checks:
                cell = _failing_cell(check)
                loss = check_loss(check)
                if cell is None or loss <= 0:
                    continue
                name = f"{question.id}/{part.id}"
                by_part = losses.setdefault(cell, {})
                by_part[name] = by_part.get(name, 0) + loss
                first.setdefault(cell, (question, part, check))
    shared = {cell: sum(parts.values()) for cell, parts in losses.items() if len(parts) > 1}
    if not shared:
        return None
    cell = max(shared, key=lambda index: (shared[index], -index))
    return Advice("cell", round(shared[cell], 2), cell, *first[cell])


def _failing_cell(check: CheckResult) -> int | None:
    """Return the cell in which the student's code raised, if that is what failed the check."""
    exception = read_evidence(check).exception if "exception" in check.evidence else None
    if exception is None:
        return None
    cells = [frame.cell for frame in exception.frames if frame.cell is not None]
    return cells[-1] if cells else check.cell


def check_loss(check: CheckResult) -> float:
    """Return the points that the student could still gain in `check`."""
    if check.verdict in ("pending", "error", "passed"):
        return 0.0
    return max(check.max_points - check.points, 0.0)


def part_loss(part: PartResult) -> float:
    """Return the points that the student could still gain in `part`."""
    if part.checks:
        loss = sum(check_loss(check) for check in part.checks)
    elif part.criteria:
        loss = sum(c.max_points - c.points for c in part.criteria if c.points is not None)
    elif part.verdict in ("pending", "error", "passed"):
        loss = 0.0
    else:
        loss = part.max_points - part.points - part.pending
    return round(max(loss, 0.0), 2)
