"""Whether the checks of an assignment fit what its files announce."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Literal

import msgspec

from grader.course import feedback
from grader.course.assignment import FILE, Assignment, Question, places
from grader.course.errors import Complaint, Problems, did_you_mean, nearest, quoted
from grader.course.toml import dotted


class DeclaredCheck(msgspec.Struct, frozen=True, kw_only=True):
    """A test function as its marks declare it, once for all its parameters.

    Attributes
    ----------
    question, part
        Ids from the marks; None where the mark is missing.
    points
        Points of the whole function; None leaves it an equal share of the part.
    file, line
        Where it is defined.
    """

    name: str
    question: str | None
    part: str | None
    points: Decimal | None
    hidden: bool
    file: Path
    line: int


class UsedText(msgspec.Struct, frozen=True, kw_only=True):
    """A place in a check that names a text of feedback.toml.

    `kind` is ``either`` where a misconception or a note will do.
    """

    kind: Literal["misconception", "note", "either"]
    id: str
    file: Path
    line: int


def validate_checks(
    assignment: Assignment,
    checks: Sequence[DeclaredCheck],
    used: Sequence[UsedText] | None = None,
) -> None:
    """See that `checks` cover `assignment` exactly.

    Parameters
    ----------
    assignment
        As :func:`~grader.course.assignment.read_assignment` returns it.
    checks
        All test functions of its folder.
    used
        The places in them that name a misconception or a note. None when they
        are not known; then feedback.toml is not searched for unused ones.

    Raises
    ------
    CourseError
        With every mistake found: marks that name nothing, a check on a part
        that a person marks, parts without a check, points that do not add up
        or are given to some checks of a part only, checks without a text,
        texts without a check, unknown and unused misconceptions and notes.
    """
    problems = Problems(assignment.root)
    _check_names(checks, problems)
    _check_marks(assignment, checks, problems)
    _check_parts(assignment, checks, problems)
    _check_texts(assignment, checks, problems)
    if used is not None:
        _check_uses(assignment, used, problems)
    if problems.found:
        raise problems.error()


def _check_names(checks: Sequence[DeclaredCheck], problems: Problems) -> None:
    seen: dict[str, DeclaredCheck] = {}
    for check in checks:
        first = seen.setdefault(check.name, check)
        if first is not check:
            problem = f"{first.file.name}:{first.line} defines a check of this name already"
            complaint = Complaint(problem, "rename one: feedback.toml knows checks by name")
            problems.add(check.file, check.name, complaint, line=check.line)


def _check_marks(
    assignment: Assignment, checks: Sequence[DeclaredCheck], problems: Problems
) -> None:
    questions = {question.id: question for question in assignment.questions}
    for check in checks:
        for complaint in _mark_complaints(check, questions):
            problems.add(check.file, check.name, complaint, line=check.line)


def _mark_complaints(check: DeclaredCheck, questions: dict[str, Question]) -> Iterator[Complaint]:
    if check.question is None:
        remedy = 'add pytestmark = pytest.mark.question("…") to the file'
        yield Complaint("no question is named", remedy)
    elif check.question not in questions:
        problem = f'{FILE} has no question "{check.question}"'
        yield Complaint(problem, did_you_mean(check.question, list(questions)))
    elif check.part is None:
        yield Complaint("no part is named", 'add @pytest.mark.part("…")')
    else:
        parts = {part.id: part for part in questions[check.question].parts}
        if check.part not in parts:
            problem = f'the question "{check.question}" has no part "{check.part}"'
            yield Complaint(problem, did_you_mean(check.part, list(parts)))
        elif parts[check.part].kind == "rubric":
            yield Complaint(
                f'the part "{check.question}/{check.part}" is marked by a person',
                f'move the check to another part, or set the kind of this one to "auto" in {FILE}',
            )
    if check.points is not None and not (check.points.is_finite() and check.points > 0):
        yield Complaint(f"{check.points} points cannot be earned", "give points above 0, or none")


def _check_parts(
    assignment: Assignment, checks: Sequence[DeclaredCheck], problems: Problems
) -> None:
    file = assignment.folder / FILE
    for name, key, part in places(assignment.questions):
        here = [check for check in checks if f"{check.question}/{check.part}" == name]
        given = [check.points for check in here if check.points is not None]
        if part.kind == "rubric":
            continue
        if not here:
            problem = f'no check belongs to the part "{name}"'
            remedy = f'write one marked @pytest.mark.part("{part.id}"), or make the kind "rubric"'
            problems.add(file, key, Complaint(problem, remedy))
        elif given and len(given) < len(here):
            without = quoted(check.name for check in here if check.points is None)
            problem = f'some checks of the part "{name}" have points, but not {without}'
            remedy = "give points to all checks of a part, or to none"
            problems.add(file, f"{key}.points", Complaint(problem, remedy))
        elif given and sum(given) != part.points:
            problem = f'the checks of "{name}" add up to {sum(given)} points, not {part.points}'
            remedy = "change the points of the checks, or those of the part"
            problems.add(file, f"{key}.points", Complaint(problem, remedy))


def _check_texts(
    assignment: Assignment, checks: Sequence[DeclaredCheck], problems: Problems
) -> None:
    file = assignment.folder / feedback.FILE
    texts = assignment.texts.checks
    names = list(dict.fromkeys(check.name for check in checks))
    mute = [name for name in names if name not in texts]
    idle = [name for name in texts if name not in names]
    for name in mute:
        if (meant := nearest(name, idle)) is not None:
            idle.remove(meant)
            problem = f"there is no check {meant}"
            key = dotted("check", meant)
            problems.add(file, key, Complaint(problem, f"did you mean {name}?"))
            continue
        problem = f"the check {name} has no text"
        remedy = f"add [check.{name}] with a title in every language"
        problems.add(file, dotted("check", name), Complaint(problem, remedy))
    for name in idle:
        complaint = Complaint(f"there is no check {name}", "write it, or remove this text")
        problems.add(file, dotted("check", name), complaint)


def _check_uses(assignment: Assignment, used: Iterable[UsedText], problems: Problems) -> None:
    texts = assignment.texts
    both = [*texts.misconceptions, *texts.notes]
    declared = {"misconception": list(texts.misconceptions), "note": list(texts.notes)}
    idle = dict.fromkeys(
        [("misconception", each) for each in texts.misconceptions]
        + [("note", each) for each in texts.notes]
    )
    for use in used:
        kinds = ["misconception", "note"] if use.kind == "either" else [use.kind]
        for kind in kinds:
            idle.pop((kind, use.id), None)
        known = both if use.kind == "either" else declared[use.kind]
        if use.id not in known:
            what = "misconception or note" if use.kind == "either" else use.kind
            problem = f'{feedback.FILE} has no {what} "{use.id}"'
            complaint = Complaint(problem, did_you_mean(use.id, known))
            problems.add(use.file, "", complaint, line=use.line)
    for kind, name in idle:
        complaint = Complaint(f'no check names the {kind} "{name}"', "use it, or remove this text")
        problems.add(assignment.folder / feedback.FILE, dotted(kind, name), complaint)
