"""What two gradings of the same hand-ins differ in: whose points, and which check is why."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from grader.feedback.gradebook import safe_cell
from grader.report import CheckResult, PartResult, Report


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One check of one student that came to something else, or a whole hand-in that came or went.

    Attributes
    ----------
    place
        ``question/part``; ``*`` for the hand-in as a whole.
    check
        Id of the check, or what else of the part has changed; empty for the hand-in.
    before, after
        Verdicts; empty where there was none.
    points_before, points_after
        None where there were none.
    why
        What is said of it now, else what was said before, in the first language of the report.
    """

    student: str
    place: str
    check: str
    before: str
    after: str
    points_before: float | None
    points_after: float | None
    why: str


def changes(old: Mapping[str, Report], new: Mapping[str, Report]) -> list[Change]:
    """Return what differs, by student, in the order of the assignment."""
    return [
        change
        for student in sorted({*old, *new})
        for change in _of_student(student, old.get(student), new.get(student))
    ]


def _of_student(student: str, old: Report | None, new: Report | None) -> Iterator[Change]:
    if old is None or new is None:
        yield Change(
            student=student,
            place="*",
            check="",
            before="" if old is None else "graded",
            after="" if new is None else "graded",
            points_before=None if old is None else old.score.final,
            points_after=None if new is None else new.score.final,
            why="",
        )
        return
    before, after = _parts(old), _parts(new)
    found = [
        change
        for place in dict.fromkeys([*after, *before])
        for change in _of_part(student, place, before.get(place), after.get(place))
    ]
    yield from found
    if (old.score.final, old.score.pending) != (new.score.final, new.score.pending):
        yield Change(
            student=student,
            place="*",
            check="",
            before="graded",
            after="graded",
            points_before=old.score.final,
            points_after=new.score.final,
            why="" if found else "penalty, bonus or rounding",
        )


def _parts(report: Report) -> dict[str, PartResult]:
    return {f"{q.id}/{p.id}": p for q in report.questions for p in q.parts}


def _of_part(
    student: str, place: str, old: PartResult | None, new: PartResult | None
) -> Iterator[Change]:
    before = {check.id: check for check in old.checks} if old else {}
    after = {check.id: check for check in new.checks} if new else {}
    explained = False
    for name in dict.fromkeys([*after, *before]):
        one, other = before.get(name), after.get(name)
        if _worth(one) == _worth(other):
            continue
        explained = True
        yield Change(
            student=student,
            place=place,
            check=name,
            before=one.verdict if one else "",
            after=other.verdict if other else "",
            points_before=one.points if one else None,
            points_after=other.points if other else None,
            why=_first(other.message if other else one.message if one else {}),
        )
    if not explained and (old is None or new is None or old.points != new.points):
        yield Change(
            student=student,
            place=place,
            check="marks" if new and new.kind == "rubric" else "",
            before=old.verdict if old else "",
            after=new.verdict if new else "",
            points_before=old.points if old else None,
            points_after=new.points if new else None,
            why="",
        )


def _worth(check: CheckResult | None) -> tuple[str, float, float] | None:
    return None if check is None else (check.verdict, check.points, check.max_points)


def _first(text: Mapping[str, str]) -> str:
    return text.get("en") or next(iter(text.values()), "")


def write_changes(found: Sequence[Change], path: Path) -> None:
    """Write them as CSV that a spreadsheet opens safely."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(Change.__struct_fields__)
        for change in found:
            row = msgspec.structs.astuple(change)
            writer.writerow(
                ["" if c is None else safe_cell(c) if isinstance(c, str) else c for c in row]
            )
