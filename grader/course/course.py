"""The course: course.toml, read and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import msgspec

from grader.course.dates import Calendar
from grader.course.errors import Complaint, Problems, did_you_mean, nearest
from grader.course.hand_ins import HandInRules
from grader.course.policy import LatePolicy, NoPenalty
from grader.course.rules import distinct, not_empty, ruled, slug
from grader.course.texts import LANGUAGES, Text
from grader.course.toml import convert, load

FILE = "course.toml"


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """A course and the folder that holds it.

    Attributes
    ----------
    root
        Folder of course.toml.
    languages
        Language codes; the first is the default of report cards.
    assignments
        Slugs, in the order of the term.
    roster
        The list of students, if the course has one.
    late
        What late work loses.
    hand_ins
        How hand-ins are named, and from where their times may be known.
    """

    root: Path
    title: Text
    languages: tuple[str, ...]
    calendar: Calendar
    time_zone: ZoneInfo
    assignments: tuple[str, ...]
    roster: Path | None
    late: LatePolicy
    hand_ins: HandInRules = HandInRules()

    def folder(self, slug: str) -> Path:
        """Return the folder of the assignment `slug`."""
        return self.root / "assignments" / slug


def _language(value: str) -> Complaint | None:
    if value in LANGUAGES:
        return None
    problem = f'the grader does not speak "{value}"'
    return Complaint(problem, did_you_mean(value, LANGUAGES))


def _time_zone(value: str) -> Complaint | None:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        guess = nearest(value, sorted(available_timezones()))
        remedy = f'did you mean "{guess}"?' if guess else 'write it like "Asia/Tehran"'
        return Complaint(f'"{value}" is not a time zone', remedy)
    return None


_Languages = Annotated[
    tuple[Annotated[str, ruled(_language)], ...],
    ruled(lambda value: not_empty("language")(value) or distinct(value)),
]
_Assignments = Annotated[
    tuple[Annotated[str, ruled(slug)], ...],
    ruled(lambda value: not_empty("assignment")(value) or distinct(value)),
]


class _CourseFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    title: Text
    languages: _Languages
    calendar: Calendar
    time_zone: Annotated[str, ruled(_time_zone)]
    assignments: _Assignments
    roster: str | None = None
    late: LatePolicy = NoPenalty()
    hand_ins: HandInRules = HandInRules()


def read_course(root: Path) -> Course:
    """Read the course in the folder `root`.

    Raises
    ------
    CourseError
        With every mistake found in course.toml.
    """
    problems = Problems(root)
    file = root / FILE
    data = load(file, problems)
    if data is None:
        raise problems.error()
    written = convert(data, _CourseFile, file=file, languages=_languages(data), problems=problems)
    if written is not None:
        _check_files(root, file, written, problems)
    if written is None or problems.found:
        raise problems.error()
    return Course(
        root=root,
        title=written.title,
        languages=written.languages,
        calendar=written.calendar,
        time_zone=ZoneInfo(written.time_zone),
        assignments=written.assignments,
        roster=None if written.roster is None else root / written.roster,
        late=written.late,
        hand_ins=written.hand_ins,
    )


def _languages(data: dict[str, Any]) -> tuple[str, ...]:
    """Return the languages to check texts for, also while `data` is not checked itself."""
    written = data.get("languages")
    known = [code for code in LANGUAGES if isinstance(written, list) and code in written]
    return tuple(known) or LANGUAGES


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long for any file
        return False


def _check_files(root: Path, file: Path, written: _CourseFile, problems: Problems) -> None:
    folders = root / "assignments"
    present = sorted(p.name for p in folders.iterdir() if p.is_dir()) if folders.is_dir() else []
    unlisted = [name for name in present if name not in written.assignments]
    for i, name in enumerate(written.assignments):
        if name in present or slug(name):
            continue
        guess = nearest(name, unlisted)
        remedy = f'did you mean "{guess}"?' if guess else "create it, or take it off the list"
        complaint = Complaint(f"there is no folder assignments/{name}", remedy)
        problems.add(file, f"assignments[{i}]", complaint)
    if written.roster is not None and not _is_file(root / written.roster):
        complaint = Complaint(
            f"there is no file {written.roster}",
            "put the list of students there, or remove this key",
        )
        problems.add(file, "roster", complaint)
