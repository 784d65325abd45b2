"""What runs in a worker process: hand-ins of the audit's own, judged by the warm grader.

Every function here takes plain records and returns plain records, so that any process can do it.
"""

from __future__ import annotations

import atexit
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import nbformat
import numpy as np
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from grader.audit.mutants import Mutant, Unit
from grader.checks.answers import Unreadable, read_array
from grader.checks.compare import compare_close
from grader.checks.expect import known_values
from grader.checks.scoring import Judged
from grader.checks.session import Trouble
from grader.checks.subject import Comparing, Subject
from grader.course.assignment import Limits, read_assignment
from grader.course.course import read_course
from grader.grading.submission import SEED, Grader
from grader.grading.warm import WarmGrader
from grader.report import Verdict

EAGER = 4
"""Mutants of a function that a check is asked about first while it has caught none."""
_STUDENT = "audit"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker needs to know of the audit."""

    root: Path
    slug: str
    scratch: Path
    caged: bool = True


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One check, asked once. `told` is the misconception that it named, ``says`` its sentence."""

    check: str
    item: str
    verdict: Verdict
    told: str | None
    says: str
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether it cost no points."""
        return self.verdict == "passed"

    @property
    def lost(self) -> bool:
        """Whether it cost points, or handed the answer to a person; a fault of its own is neither."""
        return self.verdict not in ("passed", "error")


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison with a tolerance, of the reference's answer with what was expected.

    Attributes
    ----------
    used
        Largest share of the tolerance that the reference itself uses up.
    float32
        Whether the answer rounded to float32 is accepted; None where it is in no float64.
    percent
        Whether an answer that is 1 % off is accepted.
    near
        Known wrong values that ten times the tolerance would accept.
    """

    check: str
    name: str
    atol: float
    rtol: float
    used: float
    float32: bool | None
    percent: bool
    near: list[str]


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What checks said of one hand-in."""

    label: str
    seen: list[Seen]
    troubles: list[Trouble] = []
    measured: list[Measured] = []
    cell_seconds: float = 0.0


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """A check whose comparisons were given the value of a misconception, or of an alternative."""

    check: str
    kind: str
    name: str
    seen: list[Seen]


class MutantTried(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a mutant: the check that took points first, None when it survived.

    ``narrow`` names checks that would have accepted it at ten times their tolerance, ``told`` the
    misconceptions that it was told.
    """

    mutant: Mutant
    caught_by: str | None
    asked: list[str]
    told: list[str]
    troubles: list[Trouble]
    narrow: list[str]


class Short(msgspec.Struct, frozen=True, kw_only=True):
    """The reference without the cells that only show something, and the checks that it passes."""

    notebook: Any
    checks: frozenset[str]


class UnitTried(msgspec.Struct, frozen=True, kw_only=True):
    """A function whose solution was broken, and its mutants. ``reached``: checks that noticed.

    ``told`` are the misconceptions that it was told without a solution.
    """

    unit: str
    reached: list[str]
    told: list[str]
    mutants: list[MutantTried]


# ---------------------------------------------------------------- the warm grader

_warm: dict[Settings, WarmGrader] = {}


def _grader(settings: Settings) -> WarmGrader:
    if settings not in _warm:
        assignment = read_assignment(read_course(settings.root), settings.slug)
        _warm[settings] = WarmGrader(assignment, caged=settings.caged)
        atexit.register(_warm[settings].close)
    return _warm[settings]


@contextmanager
def _opened(
    settings: Settings,
    grader: Grader,
    notebook: NotebookNode,
    *,
    student: str = _STUDENT,
    seed: int = SEED,
    limits: Limits | None = None,
) -> Iterator[Subject]:
    path = settings.scratch / f"{student}-{id(grader)}.ipynb"
    path.write_text(nbformat.writes(notebook), encoding="utf-8")
    with grader.opened(student, path, seed=seed, limits=limits) as subject:
        yield subject


def _seen(judged: Iterable[Judged]) -> list[Seen]:
    return [
        Seen(
            check=each.result.id.split("[")[0],
            item=each.result.id,
            verdict=each.verdict,
            told=each.result.misconception,
            says=each.result.message.get("en") or next(iter(each.result.message.values()), ""),
            seconds=each.result.seconds,
        )
        for each in judged
    ]


def _told(seen: Iterable[Seen]) -> list[str]:
    return list(dict.fromkeys(each.told for each in seen if each.told is not None))


def _functions(grader: Grader) -> list[str]:
    return list(dict.fromkeys(check.function for check in grader.judge.checks))


# ---------------------------------------------------------------- the reference and the skeleton


def try_hand_in(
    settings: Settings,
    label: str,
    notebook: NotebookNode,
    *,
    student: str = _STUDENT,
    seed: int = SEED,
    threads: int = 1,
    again: int = 0,
    measure: bool = False,
) -> Tried:
    """Ask every check about a hand-in.

    Parameters
    ----------
    student
        Hidden inputs are drawn for them.
    threads
        Of torch, in the hand-in.
    again
        How often more the checks are asked about the same run.
    measure
        Measure what room the tolerances leave.
    """
    if threads > 1:
        notebook = deepcopy(notebook)
        setting = f"import torch; torch.set_num_threads({threads})"
        notebook.cells.insert(0, new_code_cell(setting, id="threads"))

    def work(grader: Grader) -> Tried:
        seen: list[Seen] = []
        troubles: list[Trouble] = []
        measured: list[Measured] = []
        with _opened(settings, grader, notebook, student=student, seed=seed) as subject:
            cells = max((cell.seconds for cell in subject.run.cells), default=0.0)
            for turn in range(1 + again):
                found, wrong = _one_by_one(
                    grader, subject, measured if measure and turn == 0 else None
                )
                seen += _seen(found)
                troubles += wrong
        return Tried(
            label=label, seen=seen, troubles=troubles, measured=measured, cell_seconds=cells
        )

    return _grader(settings).do(work)


def _one_by_one(
    grader: Grader, subject: Subject, measured: list[Measured] | None
) -> tuple[list[Judged], list[Trouble]]:
    """Ask each check in a fork of its own, so that none is asked again behind the scenes.

    A check that fails in a fork that another one used is judged again by the session; that would
    hide half of what a flaky one does.
    """
    judged: list[Judged] = []
    troubles: list[Trouble] = []
    for function in _functions(grader):

        def watch(comparing: Comparing, check: str = function) -> Any:
            if measured is not None and (found := _measure(check, comparing)) is not None:
                measured.append(found)
            return comparing.answered

        subject.watch = watch
        found, wrong = grader.judge.judge(subject, {function})
        judged += found
        troubles += wrong
    subject.watch = None
    return judged, troubles


def _measure(check: str, comparing: Comparing) -> Measured | None:
    atol, rtol, expected = comparing.atol, comparing.rtol, comparing.expected
    if atol is None or rtol is None or expected.dtype.kind not in "fc":
        return None
    try:
        answer = read_array(comparing.answered)
    except Unreadable:
        return None
    if not answer.size or not compare_close(answer, expected, atol, rtol).ok:
        return None
    with np.errstate(all="ignore"):
        room = atol + rtol * np.abs(expected)
        gap = np.abs(answer - expected)
        shares = np.where(gap == 0, 0.0, gap / room)
        used = float(np.nanmax(np.where(np.isfinite(gap), shares, 0.0)))
    near = [
        name
        for name, value in known_values(comparing.misconceptions)
        if not compare_close(_plain(value), expected, atol, rtol).ok
        and compare_close(_plain(value), expected, 10 * atol, 10 * rtol).ok
    ]
    float32 = None
    if answer.dtype == np.float64 and np.any(answer != answer.astype(np.float32)):
        float32 = compare_close(answer.astype(np.float32), expected, atol, rtol).ok
    return Measured(
        check=check,
        name=comparing.name,
        atol=atol,
        rtol=rtol,
        used=used,
        float32=float32,
        percent=bool(np.any(answer)) and compare_close(1.01 * answer, expected, atol, rtol).ok,
        near=near,
    )


def _plain(value: Any) -> Any:
    detach = getattr(value, "detach", None)
    return value if detach is None else detach().numpy()


# ---------------------------------------------------------------- stated values in place of answers


def try_stated_values(settings: Settings, notebook: NotebookNode) -> list[Answered]:
    """Judge the value of each misconception and alternative in place of the reference's answer.

    The value is put in where the answer is compared, in every comparison of the check that states
    it: as if a student's code had given it.
    """

    def work(grader: Grader) -> list[Answered]:
        found: list[Answered] = []
        with _opened(settings, grader, notebook) as subject:
            for function in _functions(grader):
                for kind, name in _stated_in(grader, subject, function):
                    subject.watch = _Instead(kind, name)
                    judged, _ = grader.judge.judge(subject, {function})
                    found.append(Answered(check=function, kind=kind, name=name, seen=_seen(judged)))
                subject.watch = None
        return found

    return _grader(settings).do(work)


def _stated_in(grader: Grader, subject: Subject, function: str) -> list[tuple[str, str]]:
    stated: dict[tuple[str, str], None] = {}

    def watch(comparing: Comparing) -> Any:
        for kind in ("misconceptions", "alternatives"):
            for name, _ in known_values(getattr(comparing, kind)):
                stated[kind, name] = None
        return comparing.answered

    subject.watch = watch
    grader.judge.judge(subject, {function})
    subject.watch = None
    return list(stated)


class _Instead:
    """A watch that answers with a stated value wherever there is one of that name."""

    def __init__(self, kind: str, name: str) -> None:
        self.kind, self.name = kind, name

    def __call__(self, comparing: Comparing) -> Any:
        for name, value in known_values(getattr(comparing, self.kind)):
            if name == self.name:
                return _plain(value)
        return comparing.answered


# ---------------------------------------------------------------- mutants


def try_unit(
    settings: Settings,
    notebook: NotebookNode,
    unit: Unit,
    mutants: Sequence[Mutant],
    limits: Limits,
    sound: frozenset[str],
    short: Short,
    excused: Container[Mutant],
) -> UnitTried:
    """Take the solution of a function out, see which checks notice, and try its mutants on them.

    A mutant is asked about until it loses points: first by the checks that notice, of these first
    by those that have caught none, and at last by all others. Only `sound` checks are asked: those
    that the reference itself does not always pass would blame any mutant.

    Mutants run in the `short` notebook first, and in the whole one for the checks that need it.
    Those that the author has `excused` are shown to the checks that notice, and to no other.
    """

    def work(grader: Grader) -> UnitTried:
        functions = [function for function in _functions(grader) if function in sound]
        told: list[str] = []
        reached: list[str] = []
        for source in (unit.broken, unit.idle):
            if source is not None and not reached:
                without = _with(notebook, unit.cell, source)
                with _opened(settings, grader, without, limits=limits) as subject:
                    seen = _seen(grader.judge.judge(subject, sound)[0])
                told += _told(seen)
                reached = list(dict.fromkeys(each.check for each in seen if not each.passed))
        if not reached:
            return UnitTried(unit=unit.name, reached=[], told=told, mutants=[])
        caught = dict.fromkeys(functions, 0)
        asked = dict.fromkeys(functions, 0)
        tried = []
        for mutant in mutants:
            first = [f for f in reached if not caught[f] and asked[f] < EAGER]
            then = sorted((f for f in reached if f not in first), key=lambda f: -caught[f])
            order = [*first, *then]
            if mutant not in excused:
                order += [f for f in functions if f not in reached]
            result = _try_mutant(
                settings,
                grader,
                short.notebook,
                mutant,
                [f for f in order if f in short.checks],
                limits,
            )
            rest = [function for function in order if function not in short.checks]
            if result.caught_by is None and rest:
                more = _try_mutant(settings, grader, notebook, mutant, rest, limits)
                result = _both(result, more)
            for function in result.asked:
                asked[function] += 1
            if result.caught_by is not None:
                caught[result.caught_by] += 1
            tried.append(result)
        return UnitTried(unit=unit.name, reached=reached, told=told, mutants=tried)

    return _grader(settings).do(work)


def try_check(
    settings: Settings,
    notebook: NotebookNode,
    check: str,
    mutants: Sequence[Mutant],
    limits: Limits,
) -> MutantTried | None:
    """Try mutants on one check until it catches one; return that, None if it catches none."""

    def work(grader: Grader) -> MutantTried | None:
        for mutant in mutants:
            result = _try_mutant(settings, grader, notebook, mutant, [check], limits)
            if result.caught_by is not None:
                return result
        return None

    return _grader(settings).do(work)


def _with(notebook: NotebookNode, cell: str, source: str) -> NotebookNode:
    changed: NotebookNode = nbformat.from_dict(notebook)
    next(each for each in changed.cells if each.id == cell).source = source
    return changed


def _both(first: MutantTried, then: MutantTried) -> MutantTried:
    return MutantTried(
        mutant=first.mutant,
        caught_by=then.caught_by,
        asked=first.asked + then.asked,
        told=first.told + then.told,
        troubles=first.troubles + then.troubles,
        narrow=first.narrow + then.narrow,
    )


def _try_mutant(
    settings: Settings,
    grader: Grader,
    notebook: NotebookNode,
    mutant: Mutant,
    order: Sequence[str],
    limits: Limits,
) -> MutantTried:
    asked: list[str] = []
    troubles: list[Trouble] = []
    narrow: list[str] = []
    told: list[str] = []
    caught_by = None
    hand_in = _with(notebook, mutant.cell, mutant.source)
    with _opened(settings, grader, hand_in, limits=limits) as subject:
        for function in order:

            def watch(comparing: Comparing, check: str = function) -> Any:
                if _is_narrow(comparing):
                    narrow.append(check)
                return comparing.answered

            subject.watch = watch
            judged, wrong = grader.judge.judge(subject, {function})
            troubles += wrong
            asked.append(function)
            told += _told(_seen(judged))
            if any(seen.lost for seen in _seen(judged)):
                caught_by = function
                break
    return MutantTried(
        mutant=mutant,
        caught_by=caught_by,
        asked=asked,
        told=told,
        troubles=troubles,
        narrow=list(dict.fromkeys(narrow)),
    )


def _is_narrow(comparing: Comparing) -> bool:
    """Whether an answer is wrong, and would be right at ten times the tolerance."""
    if comparing.atol is None or comparing.rtol is None:
        return False
    try:
        answer = read_array(comparing.answered)
    except Unreadable:
        return False
    atol, rtol, expected = comparing.atol, comparing.rtol, comparing.expected
    return (
        not compare_close(answer, expected, atol, rtol).ok
        and compare_close(answer, expected, 10 * atol, 10 * rtol).ok
    )
