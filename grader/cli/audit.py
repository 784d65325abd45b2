"""``grader audit``: whether the checks of an assignment can tell right from wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from grader.cli.console import (
    BELOW,
    USAGE,
    CourseOption,
    Stop,
    course_at,
    messages,
    results,
    stop,
)
from grader.course.course import Course
from grader.course.errors import CourseError
from grader.feedback import render_audit
from grader.feedback.audit import Audit, Finding
from grader.feedback.untrusted import visible
from grader.grading.executor import default_workers
from grader.grading.files import write_whole
from grader.notebook import ReleaseError


def audit(
    slug: Annotated[
        str | None, typer.Argument(help="The assignment; all of the course if left out.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, help="Workers; one for each processor if left out."),
    ] = None,
    mutants: Annotated[
        int | None, typer.Option(min=1, help="Most mutants to try of each function.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of drawing them.")] = 0,
    no_cage: Annotated[
        bool, typer.Option("--no-cage", help="Run the reference and its mutants unconfined.")
    ] = False,
    reports: Annotated[
        Path | None, typer.Option(help="Folder for the pages; reports/ of the course if left out.")
    ] = None,
    course: CourseOption = Path(),
) -> None:
    """Prove the checks of an assignment before students meet them.

    The reference must earn everything, the skeleton nothing, stated values what is stated of them,
    and small mistakes in the reference (mutants) must lose points. What is wrong is named, here and
    in REPORTS/SLUG/audit.html. Leaves with 0 if the audit passes, with 1 if it does not.

    Examples: `grader audit SLUG`, `grader audit -j 2 --mutants 40`.
    """
    read = course_at(course)
    if slug is not None and slug not in read.assignments:
        raise stop(f"no assignment {slug} in course.toml; there are: {', '.join(read.assignments)}")
    failed = False
    for each in [slug] if slug is not None else read.assignments:
        found = _audited(read, each, jobs or default_workers(), not no_cage, mutants, seed)
        folder = (reports or read.root / "reports") / each
        folder.mkdir(parents=True, exist_ok=True)
        plain = msgspec.json.format(msgspec.json.encode(found), indent=1)
        write_whole(folder / "audit.json", plain + b"\n")
        write_whole(folder / "audit.html", render_audit(found).encode())
        _say(found, folder / "audit.html")
        failed = failed or not found.passed
    if failed:
        raise Stop(BELOW)


def _audited(
    course: Course, slug: str, jobs: int, caged: bool, mutants: int | None, seed: int
) -> Audit:
    # Imported here, for they take longer than most other commands.
    from grader.audit import PER_FUNCTION, audit_assignment
    from grader.checks.reference import BrokenReference
    from grader.checks.session import BrokenChecks
    from grader.kernel.cage import NoCage
    from grader.kernel.starting import ZygoteError

    live = messages.is_terminal
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=messages,
        disable=not live,
        transient=True,
    )
    with progress:
        bar = progress.add_task(slug, total=None)

        def told(what: str, done: int, total: int) -> None:
            if not live and done == 0:
                messages.print(f"{slug}: {what}", markup=False, highlight=False)
            progress.update(bar, description=f"{slug}: {what}", completed=done, total=total)

        try:
            return audit_assignment(
                course,
                slug,
                workers=jobs,
                caged=caged,
                per_function=mutants or PER_FUNCTION,
                seed=seed,
                told=told,
            )
        except (CourseError, BrokenChecks, BrokenReference, ReleaseError) as error:
            raise stop(str(error)) from error
        except NoCage as error:
            raise stop(f"{error}; or add --no-cage: it is your own code that runs") from error
        except ZygoteError as error:
            raise stop(str(error), USAGE) from error


def _say(found: Audit, page: Path) -> None:
    for finding in found.findings:
        results.print(
            visible(f"{found.assignment}: {_line(finding)}"),
            style="red" if finding.counts else "yellow" if finding.remark else "dim",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    for mutant in found.survivors:
        results.print(
            visible(
                f"{found.assignment}: survived in {mutant.function} ({mutant.kind})\n"
                f"    - {mutant.was}\n    + {mutant.becomes}"
            ),
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    verdict = "passed" if found.passed else "not passed"
    results.print(
        f"{found.assignment}: {verdict}, {found.killed} of {found.tried} mutants lost points "
        f"({found.percent:.1f} %), {len(found.equivalents)} equivalents, {found.seconds:.0f} s",
        style="green" if found.passed else "red",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    messages.print(str(page), markup=False, highlight=False, soft_wrap=True)


def _line(finding: Finding) -> str:
    accepted = f" (accepted: {finding.accepted})" if finding.accepted else ""
    remark = "remark, " if finding.remark else ""
    return f"{remark}{finding.kind}: {finding.about}. {finding.says}{accepted}"
