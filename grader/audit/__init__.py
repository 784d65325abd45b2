"""Whether the checks of an assignment can tell right from wrong, tried before students meet them.

:mod:`operators` and :mod:`mutants` make wrong hand-ins of the reference, :mod:`trials` has the
warm grader judge them in worker processes, :mod:`plan` says what is tried, :mod:`verdict` what
that means. :func:`audit_assignment` does all of it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from grader.audit.plan import PER_FUNCTION, Watcher, carry_out
from grader.audit.trials import Settings
from grader.audit.verdict import judged
from grader.checks.session import run_session
from grader.course.assignment import read_assignment
from grader.course.audit import read_statement
from grader.course.course import Course
from grader.feedback.audit import Audit
from grader.grading.executor import LocalWorkers

__all__ = ["PER_FUNCTION", "audit_assignment"]


def audit_assignment(
    course: Course,
    slug: str,
    *,
    workers: int = 1,
    caged: bool = True,
    per_function: int = PER_FUNCTION,
    seed: int = 0,
    told: Watcher = lambda what, done, total: None,
) -> Audit:
    """Audit the checks of one assignment.

    Parameters
    ----------
    workers
        Processes to work with.
    caged
        Whether the hand-ins run in the cage; they are the author's own code, slightly wrong.
    per_function, seed
        How many mutants of each function are drawn, and the seed of the drawing.
    told
        Told how it goes.

    Raises
    ------
    CourseError, BrokenChecks, BrokenReference, ReleaseError, NoCage, ZygoteError
        If there is nothing that could be audited.
    """
    assignment = read_assignment(course, slug)
    statement = read_statement(course, assignment)
    checks = run_session(assignment, lambda judge: judge.checks)
    with tempfile.TemporaryDirectory(prefix="karnameh-audit-") as folder:
        scratch = Path(folder)
        settings = Settings(root=course.root, slug=slug, scratch=scratch, caged=caged)
        pool = LocalWorkers(workers, scratch)
        try:
            found = carry_out(
                course,
                assignment,
                statement,
                pool,
                settings,
                at_once=workers,
                per_function=per_function,
                seed=seed,
                told=told,
            )
        finally:
            pool.shutdown(cancel_futures=True)
    return judged(assignment, statement, checks, found, workers=workers)
