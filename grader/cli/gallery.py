"""``grader gallery``: every verdict and every kind of evidence on one card, for designers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grader.cli.console import CourseOption, course_at, messages
from grader.feedback import render_gallery
from grader.grading.files import write_whole
from grader.grading.records import TEMPLATES


def gallery(
    output: Annotated[Path, typer.Option("--output", "-o", help="The page.")] = Path(
        "gallery.html"
    ),
    course: CourseOption = Path(),
) -> None:
    """Write a card that shows every verdict and every kind of evidence, as this course's cards look.

    With it one sees what templates and styles of one's own do, without grading anything.

    Example: `grader gallery -o gallery.html`.
    """
    read = course_at(course)
    own = read.root / TEMPLATES
    page = render_gallery(read.languages, templates=own if own.is_dir() else None)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_whole(output, page.encode())
    messages.print(f"The gallery is in {output}", markup=False)
