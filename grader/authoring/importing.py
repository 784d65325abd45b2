"""Bringing another grader's assignment into a course: carried over, tried, and accounted for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import msgspec

from grader.authoring.carrying import Carried, Plan, carry
from grader.authoring.foreign import Foreign, Lost
from grader.authoring.placing import check_free, place
from grader.authoring.scaffold import course_file, customs, due_date
from grader.authoring.trial import Trial, try_on_solution
from grader.course.course import FILE as COURSE_FILE
from grader.course.course import Course

REPORT = "imported.md"


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What was written, and the report on it; `whole` if nothing was left behind."""

    paths: list[Path]
    report: str
    whole: bool


def import_into(
    course: Course, slug: str, foreign: Foreign, language: str, *, tried: bool = True
) -> Imported:
    """Write an assignment into `course`.

    Parameters
    ----------
    language
        The one that the notebook is written in.
    tried
        Whether its checks are tried on its own solution first.

    Raises
    ------
    NotPlaced
        If `slug` cannot name an assignment, or something of that name is there.
    """
    due = due_date(course.calendar, course.time_zone)
    plan = Plan(slug=slug, language=language, languages=course.languages, due=due)
    return _import(course.root, plan, foreign, {}, tried)


def import_anew(
    root: Path, slug: str, foreign: Foreign, language: str, *, tried: bool = True
) -> Imported:
    """Begin a course in `root`, taught in `language`, with an assignment; see :func:`import_into`."""
    alone = _alone(slug, language)
    return _import(root, alone, foreign, {COURSE_FILE: course_file(slug, (language,))}, tried)


def _alone(slug: str, language: str) -> Plan:
    languages = (language,)
    return Plan(
        slug=slug, language=language, languages=languages, due=due_date(*customs(languages))
    )


def _import(
    root: Path, plan: Plan, foreign: Foreign, around: Mapping[str, str], tried: bool
) -> Imported:
    check_free(root, plan.slug)
    plain: frozenset[str] = frozenset()
    refused: dict[str, str] = {}
    trial = Trial(broken="that was left out, as asked for")
    if tried:
        alone = _alone(plan.slug, plan.language)
        plain, refused, trial = _until_accepted(
            alone, lambda p, r: carry(foreign, alone, plain=p, refused=r)
        )
    carried = carry(foreign, plan, plain=plain, refused=refused)
    report = "\n".join(_report(foreign, carried, trial, plan)) + "\n"
    files = {**around, **carried.files, f"assignments/{plan.slug}/{REPORT}": report}
    paths = place(root, plan.slug, files)
    whole = not carried.lost and trial == Trial() and len(plan.languages) == 1
    return Imported(paths=paths, report=report, whole=whole)


def _until_accepted(
    plan: Plan, carried: Callable[[frozenset[str], dict[str, str]], Carried]
) -> tuple[frozenset[str], dict[str, str], Trial]:
    """Try the checks on the solution; those that fail are tried as they were written, then given up."""
    first = try_on_solution(carried(frozenset(), {}).files, plan.slug, plan.language)
    if not first.failed:
        return frozenset(), {}, first
    plain = frozenset(first.failed)
    second = try_on_solution(carried(plain, {}).files, plan.slug, plan.language)
    refused = {
        name: f"it does not accept the notebook's own solution here: {reason}"
        for name, reason in second.failed.items()
    }
    return plain - set(refused), refused, msgspec.structs.replace(second, failed={})


def _report(foreign: Foreign, carried: Carried, trial: Trial, plan: Plan) -> Iterator[str]:
    """Yield the lines of the report, in Markdown."""
    points = sum((p.points for q in foreign.questions for p in q.parts), Decimal(0))
    yield f"# {foreign.file}, imported from {foreign.origin} as {plan.slug}"
    yield ""
    yield f"- {_many(len(foreign.questions), 'question')}, {points.normalize():f} points"
    yield (
        f"- {carried.tests[0]} of {_many(carried.tests[1], 'test')} carried over, with "
        f"{carried.assertions[0]} of {_many(carried.assertions[1], 'assertion')}"
    )
    yield f"- {_tried(carried, trial)}"
    others = [code for code in plan.languages if code != plan.language]
    if others:
        yield (
            f"- its texts are in {plan.language}; the course is also taught in {', '.join(others)}: "
            f"`grader release {plan.slug}` names each text that lacks a translation, and nothing can "
            "be graded before"
        )
    if trial.cells:
        yield f"- cells of the solved notebook that fail here: {', '.join(trial.cells)}"
    for note in foreign.notes:
        yield f"- {note}"
    if carried.by_person:
        yield ""
        yield "## Points that a person gives"
        yield ""
        yield from (f"- {part}" for part in carried.by_person)
    if carried.lost:
        yield ""
        yield "## Not carried over"
        yield ""
        yield "Cells are counted from 1, with the texts."
        for lost in carried.lost:
            yield ""
            yield from _entry(lost)


def _entry(lost: Lost) -> Iterator[str]:
    where = f"Cell {lost.cell}: " if lost.cell is not None else ""
    yield f"- {where}{lost.what}"
    if lost.source.strip():
        fence = "```" if "```" not in lost.source else "~~~~"
        yield ""
        yield f"  {fence}"
        yield from (f"  {line}".rstrip() for line in lost.source.strip("\n").split("\n"))
        yield f"  {fence}"


def _tried(carried: Carried, trial: Trial) -> str:
    if trial.broken is not None:
        return f"the checks were not tried on the notebook's own solution: {trial.broken}"
    if trial.untried:
        names = ", ".join(sorted(trial.untried))
        return f"all checks accept the notebook's own solution, but these, which could not be tried here: {names}"
    if not carried.checks:
        return "no checks to try"
    return "all checks accept the notebook's own solution"


def _many(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
