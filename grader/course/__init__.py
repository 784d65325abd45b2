"""What people write about a course, read into typed records.

The course, its assignments with questions, limits, rubric and texts, the late
policy and the roster, each from its file; every mistake in the files is told
at once (:class:`CourseError`). Also the engine's own sentences (:func:`say`).
Nothing here knows about notebooks, processes or reports.
"""

from __future__ import annotations

from grader.course.assignment import Assignment, Limits, Part, Question, read_assignment
from grader.course.checks import DeclaredCheck, UsedText, validate_checks
from grader.course.course import Course, read_course
from grader.course.errors import CourseError, Problem
from grader.course.messages import say
from grader.course.roster import Roster, Student, read_roster
from grader.course.texts import Text

__all__ = [
    "Assignment",
    "Course",
    "CourseError",
    "DeclaredCheck",
    "Limits",
    "Part",
    "Problem",
    "Question",
    "Roster",
    "Student",
    "Text",
    "UsedText",
    "read_assignment",
    "read_course",
    "read_roster",
    "say",
    "validate_checks",
]
