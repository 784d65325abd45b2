"""Who is late: the times of a term's hand-ins, and what each loses by them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import msgspec

from grader.course.assignment import read_assignment
from grader.course.course import Course
from grader.course.dates import DateError, read_moment
from grader.course.errors import Problems
from grader.course.messages import say
from grader.course.policy import (
    HandIn,
    LatePolicy,
    PercentPerStartedDay,
    late_penalties,
    lateness,
)
from grader.course.received import FILE, Received, read_received
from grader.course.roster import normal_id
from grader.notebook import list_submissions
from grader.report import Late, Text

_POINTS = Decimal(1)
"""Lateness costs a share: of how many points does not matter here."""
_HOUR = dt.timedelta(hours=1)
_NONE = dt.timedelta()
_LONGEST_STAMP = 200


class Term:
    """The hand-in times of all assignments of a course.

    The grace of a term is shared by its assignments, so what one hand-in loses depends on
    those that were received before it. No other student's and no points enter into it.

    Parameters
    ----------
    submissions
        Folder of the hand-ins, with ``SLUG/received.csv`` where times are known. What stands there
        goes before the stamps and file times that the course may allow.
    """

    def __init__(self, course: Course, submissions: Path) -> None:
        self.course = course
        self.submissions = submissions

    def file(self, slug: str) -> Path:
        """Where the times of an assignment stand."""
        return self.submissions / slug / FILE

    @cached_property
    def received(self) -> dict[str, dict[str, Received]]:
        """By assignment and student, of the assignments whose times may be known.

        Raises
        ------
        CourseError
            With what is wrong in the first record that cannot be read, or in stamps.
        """
        return {
            slug: self._noted(slug) | self._stamped(slug)
            for slug in self.course.assignments
            if self._has_times(slug)
        }

    def _has_times(self, slug: str) -> bool:
        rules = self.course.hand_ins
        return self.file(slug).is_file() or rules.stamp is not None or rules.file_times

    def _noted(self, slug: str) -> dict[str, Received]:
        file = self.file(slug)
        return read_received(file, self.course.time_zone) if file.is_file() else {}

    def _stamped(self, slug: str) -> dict[str, Received]:
        """What stamps and the files themselves tell of hand-ins that the record has no time of."""
        rules = self.course.hand_ins
        if rules.stamp is None and not rules.file_times:
            return {}
        noted, problems = self._noted(slug), Problems(self.submissions)
        names = read_assignment(self.course, slug).hand_in_names
        found: dict[str, Received] = {}
        for name, path in list_submissions(self.submissions, slug, names).items():
            student = normal_id(name)
            known = noted.get(student, Received())
            if known.moment is not None:
                continue
            moment = self._stamp(path, problems)
            if moment is None and rules.file_times:
                moment = _file_time(path, self.course)
            found[student] = msgspec.structs.replace(known, moment=moment)
        if problems.found:
            raise problems.error()
        return found

    def _stamp(self, path: Path, problems: Problems) -> dt.datetime | None:
        stamp = self.course.hand_ins.stamp
        file = path / (stamp or "")
        if stamp is None or not path.is_dir() or file.is_symlink() or not file.is_file():
            return None
        with file.open("rb") as opened:
            written = opened.read(_LONGEST_STAMP).decode("utf-8-sig", "replace").strip()
        try:  # collecting tools write " UTC" after the time
            return read_moment(written.replace(" UTC", "Z"), self.course.time_zone)
        except DateError as error:
            problems.add(file, "", error.complaint)
            return None

    @cached_property
    def _due(self) -> dict[str, dt.datetime]:
        return {slug: read_assignment(self.course, slug).due for slug in self.received}

    def late(self, slug: str, student: str) -> Late | None:
        """How late a student's hand-in of `slug` is; None when nothing tells its time."""
        student = normal_id(student)
        entries = {
            each: students[student]
            for each, students in self.received.items()
            if student in students
        }
        own = entries.get(slug)
        if own is None or own.moment is None:
            return None
        due = self._due_of(slug, own)
        hand_ins = [
            HandIn(
                assignment=each,
                due=self._due_of(each, entry),
                received=entry.moment,
                points=_POINTS,
            )
            for each, entry in entries.items()
            if entry.moment is not None and not entry.excused
        ]
        penalties = late_penalties(self.course.late, hand_ins)
        at = (own.moment, due, slug)
        before = [h for h in hand_ins if (h.received, h.due, h.assignment) <= at]
        used = sum((penalties[h.assignment].grace_used for h in before), _NONE)
        penalty = penalties.get(slug)
        late = lateness(due, own.moment)
        here = penalty.grace_used if penalty else _NONE
        return Late(
            due=due.isoformat(),
            received=own.moment.isoformat(),
            extended=_hours(own.extension),
            excused=own.excused,
            hours=_hours(late),
            grace_used=_hours(here),
            grace_left=_hours(self.course.late.grace - used),
            percent=_percent(penalty.points) if penalty else 0.0,
            rule=_rule(self.course.late, late - here),
        )

    def _due_of(self, slug: str, entry: Received) -> dt.datetime:
        """The student's own due date: later by so much time, whatever the clocks do meanwhile."""
        due = self._due[slug]
        return (due.astimezone(dt.UTC) + entry.extension).astimezone(due.tzinfo)

    def without_time(self, slug: str, students: Collection[str]) -> list[str]:
        """Which of `students` have a hand-in whose time nothing tells, although times are noted."""
        known = self.received.get(slug)
        if known is None:
            return []
        return [s for s in students if known.get(normal_id(s), Received()).moment is None]

    def without_hand_in(self, slug: str, students: Collection[str]) -> list[str]:
        """Whose time is noted although they are none of `students`, who handed something in."""
        there = {normal_id(student) for student in students}
        known: Mapping[str, Received] = self.received.get(slug, {})
        return [s for s, entry in known.items() if entry.moment is not None and s not in there]


def _file_time(path: Path, course: Course) -> dt.datetime | None:
    files = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
    times = [file.lstat().st_mtime for file in files]
    return dt.datetime.fromtimestamp(max(times), course.time_zone) if times else None


def _rule(policy: LatePolicy, beyond: dt.timedelta) -> Text:
    """Say the rule of `policy` for work that is late by `beyond` its grace."""
    cutoff = policy.cutoff_days if isinstance(policy, PercentPerStartedDay) else None
    if cutoff is not None and beyond > dt.timedelta(days=cutoff):
        return say("late-rule-cutoff", days=cutoff)
    key = f"late-rule-{policy.__struct_config__.tag}"
    percent = getattr(policy, "percent_per_day", None)
    return say(key) if percent is None else say(key, percent=percent)


def _percent(share: Decimal) -> float:
    return float(round(Fraction(share) / Fraction(_POINTS) * 100, 6))


def _hours(span: dt.timedelta) -> float:
    return round(span / _HOUR, 4)
