"""``grader check``: a student's own check, before the deadline."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from grader.cli.console import (
    BELOW,
    INTERRUPTED,
    PASSED,
    CourseOption,
    messages,
    results,
    spoken_by,
    stop,
)
from grader.course.errors import CourseError
from grader.feedback import checked_line, render_card, student_view, waiting_line
from grader.grading.files import write_whole
from grader.grading.records import occasion
from grader.grading.saves import saves
from grader.report import Report

OwnKernel = Literal["forked", "plain"]

if TYPE_CHECKING:
    from grader.grading.selfcheck import Checks


def check(
    notebook: Annotated[Path, typer.Argument(help="Your notebook.")],
    assignment: Annotated[
        str | None,
        typer.Option(help="Its check pack, or the assignment; found out by itself if left out."),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Also write the report card here.")] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Check again whenever the notebook is saved.")
    ] = False,
    kernel: Annotated[
        OwnKernel | None,
        typer.Option(
            help="What runs the notebook: forked (Linux), plain (anywhere).",
            show_default="what the machine can",
        ),
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="fa or en; the course's first if left out.")
    ] = None,
    course: CourseOption = Path(),
) -> None:
    """Check a notebook of your own against the public checks.

    The checks come from the check pack in the notebook's folder, or from the course where there
    is one. Nothing is sent anywhere, and no network is needed.

    Examples: `grader check homework.ipynb`, `grader check homework.ipynb --html card.html`,
    `grader check homework.ipynb --watch` (Ctrl-C ends it).

    Exit codes: 0 all public checks passed that can be made here, when last checked; 1 not;
    2 usage; 130 interrupted before the first check was done.
    """
    # Imported here, for they take longer than most other commands.
    from grader.checks.reference import BrokenReference
    from grader.checks.session import BrokenChecks
    from grader.grading.pack import BadPack
    from grader.grading.selfcheck import checks_for, self_checks
    from grader.kernel.starting import ZygoteError

    if not notebook.exists():
        raise stop(f"there is no file {notebook}")
    if watch and not notebook.is_file():
        raise stop(f"--watch needs the notebook itself, and {notebook} is no file")
    try:
        with checks_for(notebook, assignment, course) as checks:
            shown = _Shown(checks, notebook, spoken_by(checks.course, language), html, watch)
            try:
                self_checks(
                    checks, notebook, occasions=shown.occasions(), told=shown.show, kernel=kernel
                )
            except KeyboardInterrupt:
                messages.print()  # the terminal has written ^C
            raise typer.Exit(shown.code)
    except (CourseError, BadPack, BrokenChecks, BrokenReference, ZygoteError, LookupError) as error:
        raise stop(str(error)) from error


class _Shown:
    """What a check, or one after another, puts on the terminal and into the card."""

    def __init__(
        self, checks: Checks, notebook: Path, language: str, html: Path | None, watch: bool
    ) -> None:
        self.code = INTERRUPTED
        self._checks = checks
        self._notebook = notebook
        self._language = language
        self._html = html
        self._watch = watch
        self._started = 0.0

    def occasions(self) -> Iterator[None]:
        """Yield when to check: once, or at every save."""
        for _ in saves(self._notebook) if self._watch else (None,):
            self._started = time.perf_counter()
            yield

    def show(self, report: Report) -> None:
        """Print what came of a check."""
        made = [
            check
            for question in report.questions
            for part in question.parts
            for check in part.checks
            if not (check.hidden or check.at_grading)
        ]
        self.code = PASSED if all(check.verdict == "passed" for check in made) else BELOW
        if self._watch:
            seconds = time.perf_counter() - self._started
            now = datetime.now().astimezone()
            results.print(checked_line(now, seconds, language=self._language))
        results.print(student_view(report, language=self._language, public_only=True))
        if self._html is not None:
            when = occasion(self._checks.course, self._checks.assignment)
            card = render_card(report, occasion=when).encode()
            try:
                write_whole(self._html, card)
            except OSError as error:
                raise stop(f"the card cannot be written to {self._html}: {error}") from error
            messages.print(f"The card is in {self._html}", markup=False)
        if self._watch:
            messages.print(waiting_line(self._notebook.name, language=self._language))
