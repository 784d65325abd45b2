"""The pytest plugin: marks, fixtures, and what becomes of a check.

Checks are ordinary tests. ``grader`` collects them once in a worker and runs
them for one submission after another (:mod:`grader.checks.session`); a TA who
debugs a check runs ``pytest assignments/SLUG --submission FILE --pdb``, which
grades that one file and shows every shortfall as a failed test.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
import numpy as np
import pytest

from grader.checks.answer import Record
from grader.checks.declared import function_of
from grader.checks.expect import Expect
from grader.checks.hashed import Hashed
from grader.checks.outcome import Pending
from grader.checks.reference import Reference
from grader.checks.student import Student
from grader.checks.subject import Subject
from grader.course.assignment import Assignment, read_assignment
from grader.course.course import read_course
from grader.course.errors import CourseError
from grader.notebook import Unreadable, find_notebook, read_notebook

SUBJECT = pytest.StashKey[Subject]()
ASSIGNMENT = pytest.StashKey[Assignment]()
REFERENCE = pytest.StashKey[Any]()


class Terms(msgspec.Struct, frozen=True):
    """On which terms a check runs where the reference is not, or is written down.

    Attributes
    ----------
    hashes
        Of what each expectation expects, None for one that has none.
    wanted
        Where each expectation writes down what it expects.
    """

    hashes: list[Hashed | None] | None = None
    wanted: list[Any] | None = None


BEGIN = pytest.StashKey[Callable[[str, str], Terms]]()
_STUDENT = pytest.StashKey[Student]()
_CLEANUP = pytest.StashKey[list[Any]]()

MARKERS = (
    "question(id): the question that the checks of this file belong to",
    "part(id, points=None): the part that this check belongs to, and what it is worth",
    "hidden: evidence shows neither inputs nor expected values",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--submission``."""
    group = parser.getgroup("karnameh", "grading with Karnameh")
    group.addoption(
        "--submission",
        metavar="FILE",
        help="notebook, zip or folder of one student to run the checks of an assignment on",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks and the fixtures of checks."""
    stash = config.stash

    class OfThisRun(Fixtures):
        @pytest.fixture(scope="session")
        @staticmethod  # pytest wants no method that outlives a check
        def reference() -> Any:
            """The reference solution; see :class:`grader.checks.reference.Reference`."""
            if REFERENCE not in stash:
                assignment = stash[ASSIGNMENT]
                path = assignment.root / "reference" / f"{assignment.slug}.py"
                stash[REFERENCE] = Reference(path)
            return stash[REFERENCE]

    config.pluginmanager.register(OfThisRun(config))
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)


def assignment_of(item: pytest.Item) -> tuple[Path, str]:
    """Return the course folder and the slug that a check belongs to."""
    folder = item.path.parent
    return folder.parent.parent, folder.name


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Run the notebook of ``--submission`` before the first check."""
    config = session.config
    given = config.getoption("--submission", default=None)
    if given is None or not session.items:
        return
    from grader.kernel.cage import NoCage
    from grader.kernel.forked import ForkedKernel
    from grader.kernel.run import process_limits, run_notebook
    from grader.kernel.zygotes import Zygote

    places = {assignment_of(item) for item in session.items}
    if len(places) > 1:
        raise pytest.UsageError("--submission goes with the checks of one assignment")
    root, slug = places.pop()
    path = Path(given)
    try:
        assignment = read_assignment(read_course(root), slug)
        found = find_notebook(path, slug)
        submission = read_notebook(found.notebook)
    except (CourseError, Unreadable) as error:
        raise pytest.UsageError(str(error)) from error
    cleanup = config.stash.setdefault(_CLEANUP, [])
    try:
        zygote = Zygote()
    except NoCage as error:
        session.config.issue_config_time_warning(
            pytest.PytestWarning(f"running without a cage: {error}"), stacklevel=2
        )
        zygote = Zygote(caged=False)
    cleanup.append(zygote)
    limits = assignment.limits
    files = {PurePosixPath(file.name): file.data for file in found.files}
    run = run_notebook(
        submission.notebook,
        lambda: ForkedKernel(
            zygote.start_child(process_limits(limits), files=files), limits.output_kb << 10
        ),
        limits,
    )
    cleanup.insert(0, run)
    config.stash[ASSIGNMENT] = assignment
    config.stash[SUBJECT] = Subject(assignment, path.stem, submission.notebook, run)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the notebook of ``--submission`` and its zygote."""
    for resource in config.stash.get(_CLEANUP, []):
        resource.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what waits for a person as skipped, when a TA runs checks by hand."""
    report = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, Pending):
        report.outcome = "skipped"
        report.longrepr = (str(item.path), 0, f"pending: {call.excinfo.value}")
    return report


def record_of(item: pytest.Item) -> Record | None:
    """What the check learned on its way; None when it never asked for the student."""
    student = item.stash.get(_STUDENT, None)
    return None if student is None else student.record


def forget(item: pytest.Item) -> None:
    """Let go of the last submission that the check saw."""
    if _STUDENT in item.stash:
        del item.stash[_STUDENT]


class Fixtures:
    """The fixtures of checks.

    They take no ``request``: pytest makes one for each fixture that does, at half of what
    running an item costs it. What they need of it is the item, which is noted here.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._stash = config.stash
        self._item: pytest.Item

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Note which check runs."""
        self._item = item

    @pytest.fixture
    def student(self) -> Iterator[Student]:
        """The student's executed notebook; see :class:`grader.checks.student.Student`."""
        subject = self._stash.get(SUBJECT, None)
        if subject is None:
            raise pytest.UsageError(
                "checks need a hand-in: pytest assignments/SLUG --submission NOTEBOOK"
            )
        begin = self._stash.get(BEGIN, None)
        terms = Terms() if begin is None else begin(self._item.name, function_of(self._item))
        record = Record(
            hidden=self._item.get_closest_marker("hidden") is not None,
            hashes=None if terms.hashes is None else iter(terms.hashes),
            wanted=terms.wanted,
        )
        proxy = Student(subject, record)
        self._item.stash[_STUDENT] = proxy
        yield proxy
        proxy.close()

    @pytest.fixture
    def expect(self, student: Student) -> Expect:
        """Compare and explain; see :class:`grader.checks.expect.Expect`."""
        return Expect(student)

    @pytest.fixture
    def rng(self) -> np.random.Generator:
        """Random generator seeded by assignment and check, and where the check is hidden by student.

        Public checks draw the same for everybody, so that students see beforehand what is graded.
        """
        hidden = self._item.get_closest_marker("hidden") is not None
        return self._stash[SUBJECT].rng(self._item.name, for_student=hidden)
