"""Who is late: the records of a term, and what each hand-in loses by them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from pathlib import Path

from grader.course.assignment import read_assignment
from grader.course.course import Course
from grader.course.policy import HandIn, late_penalties, lateness
from grader.course.received import FILE, Received, read_received
from grader.course.roster import normal_id
from grader.report import Late

_POINTS = Decimal(1)
"""Lateness costs a share: of how many points does not matter here."""
_HOUR = dt.timedelta(hours=1)


class Term:
    """The hand-in times of all assignments of a course.

    The grace of a term is shared by its assignments, so what one hand-in loses depends on
    those that were received before it. No other student's and no points enter into it.

    Parameters
    ----------
    submissions
        Folder of the hand-ins, with ``SLUG/received.csv`` where times are known.
    """

    def __init__(self, course: Course, submissions: Path) -> None:
        self.course = course
        self.submissions = submissions

    def file(self, slug: str) -> Path:
        """Where the times of an assignment stand."""
        return self.submissions / slug / FILE

    @cached_property
    def received(self) -> dict[str, dict[str, Received]]:
        """By assignment and student, of the assignments with a record.

        Raises
        ------
        CourseError
            With what is wrong in the first record that cannot be read.
        """
        return {
            slug: read_received(self.file(slug), self.course.calendar, self.course.time_zone)
            for slug in self.course.assignments
            if self.file(slug).is_file()
        }

    @cached_property
    def _due(self) -> dict[str, dt.datetime]:
        return {slug: read_assignment(self.course, slug).due for slug in self.received}

    def late(self, slug: str, student: str) -> Late | None:
        """How late a student's hand-in of `slug` is; None when nobody noted its time."""
        student = normal_id(student)
        hand_ins = {
            each: HandIn(
                assignment=each,
                due=self._due[each] + record.extension,
                received=record.moment,
                points=_POINTS,
            )
            for each, students in self.received.items()
            if (record := students.get(student)) is not None
        }
        own = hand_ins.get(slug)
        if own is None:
            return None
        penalties = late_penalties(self.course.late, list(hand_ins.values()))
        before = [h for h in hand_ins.values() if (h.received, h.due, h.assignment) <= _order(own)]
        used = sum((penalties[h.assignment].grace_used for h in before), dt.timedelta())
        penalty = penalties[slug]
        return Late(
            due=own.due.isoformat(),
            received=own.received.isoformat(),
            hours=_hours(lateness(own.due, own.received)),
            grace_used=_hours(penalty.grace_used),
            grace_left=_hours(self.course.late.grace - used),
            percent=float(round(Fraction(penalty.points) / Fraction(_POINTS) * 100, 6)),
        )


def _order(hand_in: HandIn) -> tuple[dt.datetime, dt.datetime, str]:
    return hand_in.received, hand_in.due, hand_in.assignment


def _hours(span: dt.timedelta) -> float:
    return round(span / _HOUR, 4)
