"""A student checks their own notebook: public checks, no cage, nothing written."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
    reports: list[Report] = []
    self_checks(course, notebook, slug, occasions=[None], told=reports.append)
    return reports[0]


def self_checks(
    course: Course,
    notebook: Path,
    slug: str | None = None,
    *,
    occasions: Iterable[None],
    told: Callable[[Report], None],
) -> None:
    """Grade `notebook` as :func:`self_check` does, once for each of `occasions`, ever warmer.

    Checks are collected and libraries imported once. Everything happens in the
    caller's thread, so that Ctrl-C ends it wherever it is.

    Parameters
    ----------
    occasions
        An item for each time to grade, such as :func:`~grader.grading.saves.saves` yields.
    told
        Called with each report.

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
    notice = Notice(id="no-cage", text=say("no-cage"))

    with Zygote(caged=False, wait=False) as zygote:  # imports while the checks are collected

        def work(judge: Judge) -> None:
            with Grader(judge.public(), caged=False, zygote=zygote) as grader:
                for _ in occasions:
                    report = grader.grade(storable(notebook.stem), notebook).report
                    told(msgspec.structs.replace(report, warnings=[notice, *report.warnings]))

        run_session(assignment, work)


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
