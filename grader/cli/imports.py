"""``grader import-nbgrader`` and ``grader import-otter``: assignments of other graders."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.console import (
    BELOW,
    PASSED,
    CourseOption,
    course_at,
    messages,
    results,
    spoken_by,
    stop,
)
from grader.course.texts import LANGUAGES

if TYPE_CHECKING:
    from grader.authoring.foreign import Foreign

Notebook = Annotated[Path, typer.Argument(help="The notebook, or the folder that holds it alone.")]
Slug = Annotated[
    str | None, typer.Option(help="Name of the assignment here; made of the file's if left out.")
]
NewCourse = Annotated[
    Path | None,
    typer.Option("--new-course", metavar="DIR", help="Begin a course in this folder."),
]
Language = Annotated[
    str | None,
    typer.Option(help="That the notebook is written in; the course's first, or en of a new one."),
]
Tried = Annotated[
    bool, typer.Option("--try/--no-try", help="Try the checks on the notebook's own solution.")
]


def import_nbgrader(
    path: Notebook,
    slug: Slug = None,
    course: CourseOption = Path(),
    new_course: NewCourse = None,
    language: Language = None,
    tried: Tried = True,
) -> None:
    """Make an assignment of a source notebook of nbgrader's.

    Its assertions become checks that ask the student's process; what has no sound form as a check
    goes to a person, and is listed by cell at the end, and in the assignment's `imported.md`.

    Examples: `grader import-nbgrader source/ps1/problem1.ipynb --slug ps1`,
    `grader import-nbgrader problem1.ipynb --new-course my-course`.

    Exit codes: 0 all of it was carried over; 1 written, and the report names what was not; 2 usage.
    """
    from grader.authoring.nbgrader import read_nbgrader

    _import(read_nbgrader, path, slug, course, new_course, language, tried)


def import_otter(
    path: Notebook,
    slug: Slug = None,
    course: CourseOption = Path(),
    new_course: NewCourse = None,
    language: Language = None,
    tried: Tried = True,
) -> None:
    """Make an assignment of a master notebook of Otter Assign's.

    Its tests become checks that ask the student's process; what has no sound form as a check goes
    to a person, and is listed by cell at the end, and in the assignment's `imported.md`.

    Examples: `grader import-otter lab00.ipynb`,
    `grader import-otter lab00.ipynb --new-course my-course`.

    Exit codes: 0 all of it was carried over; 1 written, and the report names what was not; 2 usage.
    """
    from grader.authoring.otter import read_otter

    _import(read_otter, path, slug, course, new_course, language, tried)


def _import(
    read: Callable[[Path], Foreign],
    path: Path,
    slug: str | None,
    course: Path,
    new_course: Path | None,
    language: str | None,
    tried: bool,
) -> None:
    # Imported here, for they take longer than most other commands.
    from grader.authoring.foreign import NotImported
    from grader.authoring.importing import import_anew, import_into
    from grader.authoring.placing import NotPlaced, check_slug

    name = slug or re.sub(r"[^a-z0-9]+", "_", path.stem.lower()).strip("_")
    spoken = language or "en"
    if spoken not in LANGUAGES:
        raise stop(f'"{spoken}" is no language known here: write one of {", ".join(LANGUAGES)}')
    try:
        check_slug(name)
        foreign = read(path)
        if new_course is None:
            into = course_at(course)
            done = import_into(into, name, foreign, spoken_by(into, language), tried=tried)
        else:
            done = import_anew(new_course, name, foreign, spoken, tried=tried)
    except (NotImported, NotPlaced) as error:
        raise stop(str(error)) from error
    except OSError as error:
        raise stop(f"{error.filename}: it cannot be written: {error.strerror}") from error
    for written in done.paths:
        messages.print(str(written), markup=False, highlight=False, soft_wrap=True)
    results.print(done.report, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(PASSED if done.whole else BELOW)
