"""``grader new``: the beginning of an assignment, or of a course."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grader.cli.console import CourseOption, course_at, messages, results, stop
from grader.course.course import FILE, Course


def new(
    slug: Annotated[str, typer.Argument(help="The assignment: the name of its folder.")],
    course: CourseOption = Path(),
    new_course_in: Annotated[
        Path | None,
        typer.Option(
            "--new-course", metavar="DIR", help="Begin a course in this folder; made if missing."
        ),
    ] = None,
    languages: Annotated[
        str | None,
        typer.Option(help="Of a new course, its cards' language first: fa, en, or both (default)."),
    ] = None,
) -> None:
    """Write an assignment to begin from: small, complete, and valid as it is.

    Its reference, checks and texts show, in short comments, how each is written; put your own
    in their place. What is there already is never overwritten.

    Examples: `grader new week3`, `grader new week1 --new-course deep-learning --languages en`.

    Exit codes: 0 written; 2 usage, or something of that name is there.
    """
    # Imported here, for they take longer than most other commands.
    from grader.authoring.placing import NotPlaced
    from grader.authoring.scaffold import new_assignment, new_course, read_languages

    if new_course_in is not None and course != Path():
        raise stop("--course names a course that is there, --new-course begins one: give one")
    try:
        if new_course_in is None:
            written = new_assignment(_course(course, languages), slug)
        else:
            written = new_course(new_course_in, slug, read_languages(languages or "fa,en"))
    except NotPlaced as error:
        raise stop(str(error)) from error
    except OSError as error:
        raise stop(f"{error.filename}: it cannot be written: {error.strerror}") from error
    for path in written:
        results.print(str(path), markup=False, highlight=False, soft_wrap=True)
    place = new_course_in or course
    at = "" if place == Path() else f" --course {place}"
    messages.print(
        f"Next: grader grade {slug}{at}, grader audit {slug}{at}, grader release {slug}{at}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _course(root: Path, languages: str | None) -> Course:
    if languages is not None:
        raise stop(f"--languages goes with --new-course: a course has its own, in {FILE}")
    if not (root / FILE).exists():
        raise stop(
            f"there is no {FILE} in {root.resolve()}: go to the course's folder, name it with "
            "--course, or begin a course with --new-course DIR"
        )
    return course_at(root)
