"""A student checks their own notebook: public checks, no cage, nothing written.

The checks come from a check pack, which students receive with the assignment, or from the course
itself, where there is one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from grader.checks.session import Judge, StandIn, run_session
from grader.course.assignment import Assignment, read_assignment
from grader.course.course import FILE as COURSE_FILE
from grader.course.course import Course, read_course
from grader.course.messages import say
from grader.grading.pack import SUFFIX, read_pack, unpacked
from grader.grading.submission import Grader
from grader.grading.warmth import likely
from grader.notebook import assignment_of, storable
from grader.report import Notice, Report


class Checks(msgspec.Struct, frozen=True):
    """The checks of one assignment, wherever they come from."""

    course: Course
    assignment: Assignment
    stand_in: StandIn | None = None


@contextmanager
def checks_for(notebook: Path, named: str | None, root: Path) -> Iterator[Checks]:
    """Find the checks for `notebook`, and hold them ready.

    Parameters
    ----------
    named
        A check pack, or an assignment; None to find it out: a course in `root` comes first, then
        the pack beside the notebook.
    root
        Folder of the course, if there is one.

    Raises
    ------
    LookupError
        If no checks are found, or it cannot be told which.
    BadPack, CourseError
        If they cannot be read.
    """
    if named is not None and Path(named).suffix == SUFFIX:
        pack = read_pack(Path(named))
    elif (root / COURSE_FILE).is_file():
        course = read_course(root)
        yield Checks(course, read_assignment(course, _slug(course, notebook, named)))
        return
    else:
        pack = read_pack(find_pack(notebook, named))
    with unpacked(pack) as (course, assignment):
        yield Checks(course, assignment, pack.stand_in())


def find_pack(notebook: Path, named: str | None = None) -> Path:
    """Find the check pack for a notebook: the one in its folder, or that of its assignment.

    Parameters
    ----------
    named
        Slug of the assignment; None takes it from the notebook's metadata.

    Raises
    ------
    LookupError
        If there is none, or several and none of them is called like the assignment.
    """
    folder = notebook if notebook.is_dir() else notebook.absolute().parent
    slug = named or assignment_in(notebook)
    found: list[Path] = []
    for place in dict.fromkeys((folder, Path.cwd())):
        packs = sorted(place.glob(f"*{SUFFIX}"))
        own = [pack for pack in packs if pack.stem == slug]
        if own or (len(packs) == 1 and named is None):
            return (own or packs)[0]
        found += packs
    if not found:
        raise LookupError(
            f"there is no check pack beside {notebook.name}: put the file "
            f"{slug or 'NAME'}{SUFFIX} of the assignment into its folder, or name it with "
            "--assignment"
        )
    there_are = ", ".join(dict.fromkeys(pack.name for pack in found))
    raise LookupError(
        f"no check pack here is that of {slug or notebook.name}; add --assignment, one of: {there_are}"
    )


def assignment_in(notebook: Path) -> str | None:
    """Return the assignment that the metadata of a released notebook name."""
    try:
        ours = json.loads(notebook.read_bytes())["metadata"]["karnameh"]["assignment"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return ours if isinstance(ours, str) else None


def self_checks(
    checks: Checks,
    notebook: Path,
    *,
    occasions: Iterable[None],
    told: Callable[[Report], None],
    kernel: Literal["forked", "plain"] | None = None,
) -> None:
    """Grade `notebook` by the public checks alone, uncaged: it is the student's own.

    Once for each of `occasions`, ever warmer: checks are collected and libraries imported once.
    Everything happens in the caller's thread, so that Ctrl-C ends it wherever it is.

    Parameters
    ----------
    occasions
        An item for each time to grade, such as :func:`~grader.grading.saves.saves` yields.
    told
        Called with each report.
    kernel
        None takes the forked one on Linux, and the plain one elsewhere.
    """
    notice = Notice(id="no-cage", text=say("no-cage"))
    chosen = kernel or ("forked" if sys.platform == "linux" else "plain")

    def work(judge: Judge) -> None:
        with Grader(judge.public(), kernel=chosen, caged=False, zygote=zygote) as grader:
            for _ in occasions:
                report = grader.grade(storable(notebook.stem), notebook).report
                told(msgspec.structs.replace(report, warnings=[notice, *report.warnings]))

    zygote = None
    if chosen == "forked":
        from grader.kernel.zygotes import Zygote

        warm = likely(checks.assignment)  # while the checks are collected
        zygote = Zygote(caged=False, wait=False, warm=warm)
    try:
        run_session(checks.assignment, work, checks.stand_in)
    finally:
        if zygote is not None:
            zygote.close()


def _slug(course: Course, notebook: Path, named: str | None) -> str:
    if named is not None:
        if named not in course.assignments:
            raise LookupError(
                f"no assignment {named} in course.toml; there are: {', '.join(course.assignments)}"
            )
        return named
    if len(course.assignments) == 1:
        return course.assignments[0]
    found = assignment_of(notebook.stem, course.assignments)
    if found is None:
        raise LookupError(
            f"{notebook.name} is named like no assignment; add --assignment, one of: "
            f"{', '.join(course.assignments)}"
        )
    return found
