"""One assignment: its questions and parts, limits, rubric and texts, read and checked."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec

from grader.course import feedback, rubric
from grader.course.course import FILE as COURSE_FILE
from grader.course.course import Course
from grader.course.dates import DateError, read_due
from grader.course.errors import Complaint, Problems, did_you_mean
from grader.course.feedback import Feedback
from grader.course.hand_ins import Names
from grader.course.rubric import Rubric
from grader.course.rules import Id, Points, between, distinct, identifier, not_empty, ruled
from grader.course.texts import Text
from grader.course.toml import convert, dotted, load

FILE = "assignment.toml"

PartKind = Literal["auto", "recorded", "rubric"]
"""How a part is graded: by running it, from its saved outputs, or by a person."""

SelfChecking = Literal["replay", "format", "hash", "grading"]
"""How students check themselves: with what the reference answered, with the form of their answer
alone, with a slow hash of what is right, or not at all before the grading."""

T = TypeVar("T")

_TENTH = Decimal("0.1")


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One part of a question: the unit that carries points."""

    id: Id
    title: Text
    kind: PartKind
    points: Points


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One question. `label` is how the assignment sheet numbers it."""

    id: Id
    label: Text
    title: Text
    bonus: bool = False
    parts: Annotated[tuple[Part, ...], ruled(not_empty("part"))] = msgspec.field(name="part")

    @property
    def points(self) -> Decimal:
        """What its parts add up to."""
        return sum((part.points for part in self.parts), Decimal(0))


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one hand-in may use, in the units that the names say (KB and MB are binary).

    Seconds are CPU time of the student's processes: of one cell, of all cells, of what one check
    asks, of what all checks ask. By the clock each is three times as long.
    """

    cell_seconds: Annotated[float, ruled(between(_TENTH, 86_400))] = 30.0
    submission_seconds: Annotated[float, ruled(between(_TENTH, 604_800))] = 300.0
    probe_seconds: Annotated[float, ruled(between(_TENTH, 3_600))] = 10.0
    judging_seconds: Annotated[float, ruled(between(_TENTH, 86_400))] = 300.0
    memory_mb: Annotated[int, ruled(between(256, 1_048_576))] = 2048
    processes: Annotated[int, ruled(between(1, 4_096))] = 64
    file_mb: Annotated[int, ruled(between(1, 65_536))] = 64
    output_kb: Annotated[int, ruled(between(1, 1_048_576))] = 1024
    message_mb: Annotated[int, ruled(between(1, 1_024))] = 64


_Names = Annotated[
    tuple[Annotated[str, ruled(identifier)], ...],
    ruled(lambda value: not_empty("name")(value) or distinct(value)),
]
_Aliases = dict[Annotated[str, ruled(identifier)], _Names]


class _AssignmentFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    title: Text
    due: str
    limits: Limits = Limits()
    aliases: _Aliases = {}
    hand_in_names: Names = ()
    resources: dict[str, Annotated[float, ruled(between(_TENTH, 1_048_576))]] = {}
    self_check: dict[str, SelfChecking] = {}
    may_go_out: tuple[str, ...] = ()
    questions: Annotated[tuple[Question, ...], ruled(not_empty("question"))] = msgspec.field(
        name="question"
    )


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """One assignment of a course.

    Attributes
    ----------
    root
        Folder of the course, to which error messages are relative.
    folder
        Folder of the assignment.
    due
        Aware of its time zone, the course's.
    aliases
        Other names that an answer may have, by the name that was asked for.
    hand_in_names
        Patterns of the names of its hand-ins; the course's, unless it has its own.
    resources
        What a worker of a cluster must have for it, as its workers announce it: ``GPU = 1``.
    self_check
        How students check themselves, by ``question/part`` or by the name of a check.
    may_go_out
        Lines of solutions or hidden checks that students may read in what they receive.
    rubric
        By ``question/part``, for every part of kind ``rubric``.
    texts
        Of checks, misconceptions and notes.
    """

    slug: str
    root: Path
    folder: Path
    title: Text
    due: dt.datetime
    limits: Limits
    aliases: dict[str, tuple[str, ...]]
    hand_in_names: tuple[str, ...] = ()
    resources: dict[str, float] = {}
    self_check: dict[str, SelfChecking] = {}
    may_go_out: tuple[str, ...] = ()
    questions: tuple[Question, ...]
    rubric: Rubric
    texts: Feedback

    @property
    def points(self) -> Decimal:
        """What the questions add up to, without bonus questions."""
        return sum((q.points for q in self.questions if not q.bonus), Decimal(0))

    @property
    def bonus_points(self) -> Decimal:
        """What the bonus questions add up to."""
        return sum((q.points for q in self.questions if q.bonus), Decimal(0))

    def question(self, question: str) -> Question:
        """Return the question with this id.

        Raises
        ------
        KeyError
            If there is none.
        """
        for each in self.questions:
            if each.id == question:
                return each
        raise KeyError(f"{self.slug} has no question {question}")

    def part(self, question: str, part: str) -> Part:
        """Return the part with this id of the question with that id.

        Raises
        ------
        KeyError
            If there is none.
        """
        for each in self.question(question).parts:
            if each.id == part:
                return each
        raise KeyError(f"question {question} of {self.slug} has no part {part}")


def places(questions: tuple[Question, ...]) -> Iterator[tuple[str, str, Part]]:
    """Yield ``question/part``, the key in assignment.toml, and the part, for every part."""
    for q, question in enumerate(questions):
        for p, part in enumerate(question.parts):
            yield f"{question.id}/{part.id}", f"question[{q}].part[{p}]", part


def skeleton_path(assignment: Assignment, language: str) -> Path:
    """Path of the skeleton notebook in one language."""
    return assignment.folder / f"{assignment.slug}.{language}.ipynb"


def read_assignment(course: Course, slug: str) -> Assignment:
    """Read the assignment `slug` of `course`.

    Raises
    ------
    CourseError
        With every mistake found in assignment.toml, rubric.toml and
        feedback.toml.
    """
    problems = Problems(course.root)
    if slug not in course.assignments:
        problem = f'the course lists no assignment "{slug}"'
        complaint = Complaint(problem, did_you_mean(slug, course.assignments))
        problems.add(course.root / COURSE_FILE, "assignments", complaint)
        raise problems.error()
    folder = course.folder(slug)
    written = _read(folder / FILE, _AssignmentFile, course, problems)
    due = None
    if written is not None:
        due = _due(folder / FILE, written.due, course, problems)
        _check_ids(folder / FILE, written.questions, problems)
        _check_limits(folder / FILE, written.limits, problems)
        _check_aliases(folder / FILE, written.aliases, problems)
        _check_self_checks(folder / FILE, written, problems)
    kinds = {part.kind for _, _, part in places(written.questions)} if written else set()
    rubrics: Rubric | None = {}
    if "rubric" in kinds or (folder / rubric.FILE).exists():
        rubrics = _read(folder / rubric.FILE, Rubric, course, problems)
    texts: Feedback | None = Feedback()
    if kinds & {"auto", "recorded"} or (folder / feedback.FILE).exists():
        texts = _read(folder / feedback.FILE, Feedback, course, problems)
    if rubrics is not None:
        _check_criteria(folder / rubric.FILE, rubrics, problems)
        if written is not None:
            _check_rubric(folder / rubric.FILE, rubrics, written.questions, problems)
    if problems.found or written is None or due is None or rubrics is None or texts is None:
        raise problems.error()
    return Assignment(
        slug=slug,
        root=course.root,
        folder=folder,
        title=written.title,
        due=due,
        limits=written.limits,
        aliases=written.aliases,
        hand_in_names=written.hand_in_names or course.hand_ins.names,
        resources=written.resources,
        self_check=written.self_check,
        may_go_out=written.may_go_out,
        questions=written.questions,
        rubric=rubrics,
        texts=texts,
    )


def _read(file: Path, record: type[T], course: Course, problems: Problems) -> T | None:
    data = load(file, problems)
    if data is None:
        return None
    return convert(data, record, file=file, languages=course.languages, problems=problems)


def _due(file: Path, written: str, course: Course, problems: Problems) -> dt.datetime | None:
    try:
        return read_due(written, course.calendar, course.time_zone)
    except DateError as error:
        problems.add(file, "due", error.complaint)
        return None


def _check_ids(file: Path, questions: tuple[Question, ...], problems: Problems) -> None:
    seen: dict[str, int] = {}
    for q, question in enumerate(questions):
        if question.id in seen:
            problem = f'question[{seen[question.id]}] has the id "{question.id}" already'
            problems.add(file, f"question[{q}].id", Complaint(problem, "give it another id"))
        seen.setdefault(question.id, q)
        parts: dict[str, int] = {}
        for p, part in enumerate(question.parts):
            if part.id in parts:
                problem = f'part[{parts[part.id]}] of this question has the id "{part.id}" already'
                complaint = Complaint(problem, "give it another id")
                problems.add(file, f"question[{q}].part[{p}].id", complaint)
            parts.setdefault(part.id, p)


def _check_limits(file: Path, limits: Limits, problems: Problems) -> None:
    for name, whole in (
        ("cell_seconds", "submission_seconds"),
        ("probe_seconds", "judging_seconds"),
    ):
        seconds, most = getattr(limits, name), getattr(limits, whole)
        if seconds > most:
            problem = f"{seconds:g} is more than {whole} ({most:g})"
            remedy = f"lower it, or raise {whole}"
            problems.add(file, f"limits.{name}", Complaint(problem, remedy))


def _check_aliases(file: Path, aliases: dict[str, tuple[str, ...]], problems: Problems) -> None:
    answers = Counter(alias for names in aliases.values() for alias in names)
    for name, names in aliases.items():
        for i, alias in enumerate(names):
            key = f"{dotted('aliases', name)}[{i}]"
            if alias in aliases:
                problem = f'"{alias}" is the name of an answer itself'
                remedy = "an alias must mean one answer only: remove it here"
                problems.add(file, key, Complaint(problem, remedy))
            elif answers[alias] > 1:
                problem = f'"{alias}" is an alias of several answers'
                remedy = "an alias must mean one answer only: keep it in one place"
                problems.add(file, key, Complaint(problem, remedy))


def _check_self_checks(file: Path, written: _AssignmentFile, problems: Problems) -> None:
    known = [name for name, _, part in places(written.questions) if part.kind != "rubric"]
    for name in written.self_check:
        if "/" in name and name not in known:
            problem = f'no check belongs to a part "{name}"'
            complaint = Complaint(problem, did_you_mean(name, known))
            problems.add(file, dotted("self_check", name), complaint)


def _check_criteria(file: Path, rubrics: Rubric, problems: Problems) -> None:
    for name, entry in rubrics.items():
        seen: dict[str, int] = {}
        for c, criterion in enumerate(entry.criteria):
            if criterion.id in seen:
                problem = f'criterion[{seen[criterion.id]}] has the id "{criterion.id}" already'
                key = f"{dotted('', name)}.criterion[{c}].id"
                problems.add(file, key, Complaint(problem, "give it another id"))
            seen.setdefault(criterion.id, c)


def _check_rubric(
    file: Path, rubrics: Rubric, questions: tuple[Question, ...], problems: Problems
) -> None:
    parts = {name: part for name, _, part in places(questions)}
    marked = [name for name, part in parts.items() if part.kind == "rubric"]
    unmarked = [name for name in marked if name not in rubrics]
    for name, entry in rubrics.items():
        key = dotted("", name)
        if name not in parts:
            problem = f'{FILE} has no part "{name}"'
            complaint = Complaint(problem, did_you_mean(name, unmarked or marked))
            problems.add(file, key, complaint)
        elif parts[name].kind != "rubric":
            problem = f'{FILE} says that "{name}" is of kind "{parts[name].kind}"'
            remedy = 'set its kind to "rubric" there, or remove this table'
            problems.add(file, key, Complaint(problem, remedy))
        elif entry.points != parts[name].points:
            problem = (
                f"the criteria add up to {entry.points} points, the part has {parts[name].points}"
            )
            remedy = f"change the criteria here, or the part's points in {FILE}"
            problems.add(file, f"{key}.criterion", Complaint(problem, remedy))
    for name in unmarked:
        problem = f'the part "{name}" is of kind "rubric" and has no table here'
        remedy = f"add [{dotted('', name)}] with a model_answer and criteria"
        problems.add(file, dotted("", name), Complaint(problem, remedy))
