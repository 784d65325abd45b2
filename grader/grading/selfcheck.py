"""A student checks their own notebook: public checks, no cage, nothing written."""

from __future__ import annotations

from pathlib import Path

import msgspec

from grader.checks.session import Judge, run_session
from grader.course.assignment import read_assignment
from grader.course.course import Course
from grader.course.messages import say
from grader.grading.submission import Grader
from grader.kernel.zygotes import Zygote
from grader.notebook import assignment_of, storable
from grader.report import Notice, Report


def self_check(course: Course, notebook: Path, slug: str | None = None) -> Report:
    """Grade `notebook` by the public checks alone, uncaged: it is the student's own.

    Parameters
    ----------
    slug
        The assignment; when None it is the course's only one, or the one the file is named like.

    Raises
    ------
    LookupError
        If it cannot be told which assignment the notebook is.
    """
    if slug is None:
        slug = _guess(course, notebook)
    elif slug not in course.assignments:
        raise LookupError(
            f"no assignment {slug} in course.toml; there are: {', '.join(course.assignments)}"
        )
    assignment = read_assignment(course, slug)

    with Zygote(caged=False, wait=False) as zygote:  # imports while the checks are collected

        def work(judge: Judge) -> Report:
            with Grader(judge.public(), caged=False, zygote=zygote) as grader:
                return grader.grade(storable(notebook.stem), notebook).report

        report = run_session(assignment, work)
    notice = Notice(id="no-cage", text=say("no-cage"))
    return msgspec.structs.replace(report, warnings=[notice, *report.warnings])


def _guess(course: Course, notebook: Path) -> str:
    if len(course.assignments) == 1:
        return course.assignments[0]
    found = assignment_of(notebook.stem, course.assignments)
    if found is None:
        raise LookupError(
            f"{notebook.name} is named like no assignment; add --assignment, one of: "
            f"{', '.join(course.assignments)}"
        )
    return found
