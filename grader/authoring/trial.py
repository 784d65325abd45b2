"""Trying an imported assignment on its own solution, before anybody relies on it.

A check that does not accept the solution it was written for has lost its
meaning on the way. The trial grades the reference in a course of its own, with
the same machinery as a class.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec
import nbformat

from grader.authoring.placing import place
from grader.authoring.scaffold import course_file
from grader.course.assignment import Assignment, read_assignment
from grader.course.course import FILE as COURSE_FILE
from grader.course.course import read_course
from grader.course.errors import CourseError
from grader.feedback.untrusted import visible
from grader.grading.batch import Batch, grade_batch
from grader.grading.executor import LocalWorkers
from grader.grading.records import REPORT_FILE, TROUBLE_FILE, Settings
from grader.grading.release import skeleton, solution
from grader.kernel.cage import find_bubblewrap
from grader.notebook import ReleaseError
from grader.report import CheckResult, Report

_SOLUTION = "solution"


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it.

    Attributes
    ----------
    failed
        The checks that do not accept the solution, each with the reason.
    untried
        The checks that could not be tried, for this machine lacks something or cells fail here.
    cells
        The cells of the solved notebook that fail, with how.
    broken
        Why nothing could be tried at all; None if it could.
    """

    failed: dict[str, str] = {}
    untried: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    broken: str | None = None


def try_on_solution(files: Mapping[str, str | bytes], slug: str, language: str) -> Trial:
    """Grade the solution of an assignment by its own checks.

    Parameters
    ----------
    files
        Of the assignment, in `language` alone, by path relative to a course.
    """
    with tempfile.TemporaryDirectory(prefix="karnameh-import-") as folder:
        root = Path(folder) / "course"
        place(root, slug, {COURSE_FILE: course_file(slug, (language,)), **files})
        try:
            return _tried(root, slug, language)
        except (CourseError, ReleaseError) as error:
            return Trial(broken=str(error))
        except Exception as error:  # noqa: BLE001 - whatever keeps it from being graded is told
            return Trial(broken=_brief(f"{type(error).__name__}: {error}"))


def _tried(root: Path, slug: str, language: str) -> Trial:
    course = read_course(root)
    assignment = read_assignment(course, slug)
    skeleton(assignment, language, course.languages)  # it can be given out
    hand_in = root / "submissions" / slug / f"{_SOLUTION}.ipynb"
    hand_in.parent.mkdir(parents=True)
    nbformat.write(solution(assignment, course.languages), hand_in)
    # The code is the teacher's own, and importing it as the reference runs it here already.
    settings = Settings(root, slug, "forked", find_bubblewrap() is not None)
    reports = root / "reports"
    batch: Batch = grade_batch(
        course,
        assignment,
        settings,
        {_SOLUTION: hand_in},
        reports,
        workers=1,
        executor=LocalWorkers,
    )
    if batch.lost:
        return Trial(broken="its worker died each time")
    written = reports / slug / _SOLUTION
    report = msgspec.json.decode((written / REPORT_FILE).read_bytes(), type=Report)
    trouble = written / TROUBLE_FILE
    troubles = trouble.read_text("utf-8") if trouble.is_file() else ""
    checks = [c for q in report.questions for p in q.parts for c in p.checks]
    cells = tuple(
        f"{cell.index + 1} ({cell.error or cell.status})"
        for cell in report.cells
        if cell.status in ("error", "timeout", "died")
    )
    # Where a cell fails for want of a package or a file, what it would have defined is missing.
    excused = ("pending", "missing") if cells else ("pending",)
    failed = {
        check.id: _reason(check, assignment, language, troubles)
        for check in checks
        if check.verdict not in ("passed", *excused)
    }
    untried = tuple(check.id for check in checks if check.verdict in excused)
    return Trial(failed=failed, untried=untried, cells=cells)


def _reason(check: CheckResult, assignment: Assignment, language: str, troubles: str) -> str:
    if check.verdict == "error" and troubles.strip():
        return _brief(troubles.strip().splitlines()[-1])
    if check.misconception is not None:
        return _brief(assignment.texts.misconceptions[check.misconception].text[language])
    return _brief(check.message.get("en") or check.message[language])


def _brief(text: str) -> str:
    line = visible(" ".join(text.split()))
    return line if len(line) <= 200 else line[:199] + "…"
