"""One audit from beginning to end: what is tried, in which order, and by how many workers."""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from copy import deepcopy
from typing import Any

import msgspec
import nbformat
from msgspec.structs import replace
from nbformat import NotebookNode

from grader.audit.mutants import Mutant, chosen, units_and_mutants
from grader.audit.trials import (
    Answered,
    MutantTried,
    Seen,
    Settings,
    Short,
    Tried,
    UnitTried,
    try_check,
    try_hand_in,
    try_stated_values,
    try_unit,
)
from grader.course.assignment import Assignment, Limits
from grader.course.audit import ANY, Equivalent, Statement
from grader.course.course import Course
from grader.grading.release import reference_path, skeleton, solution
from grader.notebook import solution_rows

RUNS = ((0, 1), (1, 1), (2, 2), (0, 2))
"""Seeds and threads that the reference runs with. Each asks every check twice."""
PER_FUNCTION = 12
"""Mutants drawn of each function, unless told otherwise."""
MORE = 24
"""Mutants tried on a check that caught none, beyond those that it was asked about."""
_SECONDS = 3.0
"""Least time for a mutant's cell, and for what a check asks it; else five times the reference's."""
_NUMBER = re.compile(r"(?<![\w.])\d+\.\d+(?:[eE][-+]?\d+)?")

Call = tuple[Callable[..., Any], tuple[Any, ...]]
Watcher = Callable[[str, int, int], None]
"""Told what is at, how much of it is done, and how much there is."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """All that was tried.

    Attributes
    ----------
    reference, skeletons, outputs
        The checks' verdicts on the reference, on what students receive, and on the reference with
        its saved outputs changed.
    stated
        Values of misconceptions and alternatives in place of answers.
    units
        By function; `drawn` are the mutants that were tried of all `mutants`.
    again
        Mutants that were caught by checks that had caught none before.
    equivalent
        Tried mutants that the author calls equivalent, with the place of the statement in
        audit.toml; `stale` are the places of those that fit no mutant.
    """

    reference: list[Tried]
    skeletons: list[Tried]
    outputs: list[Tried]
    stated: list[Answered]
    units: list[UnitTried]
    again: list[MutantTried]
    mutants: list[Mutant]
    equivalent: dict[tuple[str, str, str], int]
    stale: list[int]
    seconds: float


def carry_out(
    course: Course,
    assignment: Assignment,
    statement: Statement,
    workers: Executor,
    settings: Settings,
    *,
    at_once: int,
    per_function: int = PER_FUNCTION,
    seed: int = 0,
    told: Watcher = lambda what, done, total: None,
) -> Found:
    """Try everything on the checks of `assignment`.

    Parameters
    ----------
    workers, at_once
        Who does the work, and how many of them there are.
    per_function
        Mutants drawn of each function.
    seed
        Of the drawing.
    """
    started = time.perf_counter()
    desk = _Desk(workers, at_once, told)
    notebook = solution(assignment, course.languages)
    reference_calls: list[Call] = [
        (
            _reference_run,
            (settings, notebook, number, s, threads),
        )
        for number, (s, threads) in enumerate(RUNS)
    ]
    skeleton_calls: list[Call] = [
        (try_hand_in, (settings, language, skeleton(assignment, language, course.languages)))
        for language in course.languages
    ]
    lean = without_shows(notebook)
    results = desk.all(
        "the reference and the skeleton",
        [
            (try_stated_values, (settings, notebook)),
            (try_hand_in, (settings, "without what only shows something", lean)),
            *reference_calls,
            *skeleton_calls,
        ],
    )
    stated, shorter, reference = results[0], results[1], results[2 : 2 + len(RUNS)]
    skeletons = results[2 + len(RUNS) :]
    sound = sound_checks(reference)
    short = Short(notebook=lean, checks=sound & sound_checks([shorter]))
    whole = Short(notebook=notebook, checks=sound)
    kept = {cell.id for cell in lean.cells}
    limits = _tight(assignment.limits, reference)

    rows = solution_rows(reference_path(assignment).read_text(encoding="utf-8"))
    units, mutants = units_and_mutants(notebook, rows)
    equivalent, stale = _equivalents(mutants, statement.equivalent)
    others = [m for m in mutants if key_of(m) not in equivalent]
    drawn = chosen(others, per_function, seed)
    own = {unit.name: [m for m in drawn if m.unit == unit.name] for unit in units}
    for mutant in mutants:
        if key_of(mutant) in equivalent:
            own[mutant.unit].append(mutant)
    unit_calls: list[Call] = []
    for unit in units:
        fast = short if unit.cell in kept else whole
        mine = own[unit.name]
        excused = [m for m in mine if any(_fits(each, m) for each in statement.equivalent)]
        arguments = (settings, notebook, unit, mine, limits, sound, fast, excused)
        unit_calls.append((try_unit, arguments))
    output_calls: list[Call] = [
        (try_hand_in, (settings, label, changed)) for label, changed in changed_outputs(notebook)
    ]
    results = desk.all("mutants", [*unit_calls, *output_calls])
    tried: list[UnitTried] = results[: len(unit_calls)]
    outputs: list[Tried] = results[len(unit_calls) :]

    equivalent |= _left_alone(tried, statement.equivalent)
    more = _more(tried, sound, others, outputs)
    again = desk.all(
        "checks that caught nothing",
        [
            (try_check, (settings, notebook, check, mutants_, limits))
            for check, mutants_ in more.items()
        ],
    )
    return Found(
        reference=reference,
        skeletons=skeletons,
        outputs=outputs,
        stated=stated,
        units=tried,
        again=[each for each in again if each is not None],
        mutants=mutants,
        equivalent=equivalent,
        stale=stale,
        seconds=time.perf_counter() - started,
    )


def _reference_run(
    settings: Settings, notebook: NotebookNode, number: int, seed: int, threads: int
) -> Tried:
    return try_hand_in(
        settings,
        f"seed {seed}, {threads} thread{'s' if threads > 1 else ''}",
        notebook,
        student=f"audit-{number}",
        seed=seed,
        threads=threads,
        again=1,
        measure=number in (0, 2),
    )


class _Desk:
    """Keeps as many calls at work as there are workers; results come in the order of the calls."""

    def __init__(self, workers: Executor, at_once: int, told: Watcher) -> None:
        self._workers, self._at_once, self._told = workers, at_once, told

    def all(self, what: str, calls: Sequence[Call]) -> list[Any]:
        results: dict[int, Any] = {}
        running: dict[Future[Any], int] = {}
        waiting = list(enumerate(calls))
        self._told(what, 0, len(calls))
        while waiting or running:
            while waiting and len(running) < self._at_once:
                place, (function, arguments) = waiting.pop(0)
                running[self._workers.submit(function, *arguments)] = place
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                results[running.pop(future)] = future.result()
                self._told(what, len(results), len(calls))
        return [results[place] for place in range(len(calls))]


def sound_checks(reference: Iterable[Tried]) -> frozenset[str]:
    """The checks that every run of the reference passes: only they can judge a mutant."""
    seen: dict[str, bool] = {}
    for run in reference:
        for each in run.seen:
            seen[each.check] = seen.get(each.check, True) and each.passed
    return frozenset(check for check, passed in seen.items() if passed)


def _tight(limits: Limits, reference: Sequence[Tried]) -> Limits:
    """Less time for mutants than for students: five times what the reference takes."""
    cell = max(run.cell_seconds for run in reference)
    check = max(each.seconds for run in reference for each in run.seen)
    cell_seconds = min(limits.cell_seconds, max(_SECONDS, 5 * cell))
    probe_seconds = min(limits.probe_seconds, max(_SECONDS, 5 * check))
    return replace(
        limits,
        cell_seconds=cell_seconds,
        submission_seconds=min(limits.submission_seconds, 4 * cell_seconds),
        probe_seconds=probe_seconds,
    )


# ---------------------------------------------------------------- cells that only show something


def without_shows(notebook: NotebookNode) -> NotebookNode:
    """The notebook without the cells that bind no name: they draw and print, at a cost."""
    shorter = deepcopy(notebook)
    shorter.cells = [
        cell
        for cell in shorter.cells
        if cell.cell_type != "code" or "recorded" in cell.metadata.get("tags", []) or _binds(cell)
    ]
    return shorter


def _binds(cell: NotebookNode) -> bool:
    nodes = list(ast.walk(ast.parse(cell.source)))
    defining = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    return any(
        isinstance(node, defining)
        or (isinstance(getattr(node, "ctx", None), ast.Store | ast.Del))
        or isinstance(node, ast.AugAssign)
        for node in nodes
    )


# ---------------------------------------------------------------- equivalents


def key_of(mutant: Mutant) -> tuple[str, str, str]:
    """What the author writes into audit.toml to name a mutant."""
    return mutant.unit, mutant.was, mutant.becomes


def _equivalents(
    mutants: Sequence[Mutant], stated: Sequence[Equivalent]
) -> tuple[dict[tuple[str, str, str], int], list[int]]:
    """The mutants that are called equivalent one by one, and the statements that fit none."""
    places: dict[tuple[str, str, str], int] = {}
    stale = []
    for place, each in enumerate(stated):
        fitting = [key_of(mutant) for mutant in mutants if _fits(each, mutant)]
        if each.becomes.strip() != ANY:
            places |= dict.fromkeys(fitting, place)
        if not fitting:
            stale.append(place)
    return places, stale


def _left_alone(
    tried: Sequence[UnitTried], stated: Sequence[Equivalent]
) -> dict[tuple[str, str, str], int]:
    """The survivors in lines of which any change is called no mistake."""
    return {
        key_of(each.mutant): place
        for unit in tried
        for each in unit.mutants
        for place, statement in enumerate(stated)
        if each.caught_by is None
        and statement.becomes.strip() == ANY
        and _fits(statement, each.mutant)
    }


def _fits(stated: Equivalent, mutant: Mutant) -> bool:
    return (
        stated.function == mutant.unit
        and _spaced(stated.was) == mutant.was
        and (stated.becomes.strip() == ANY or _spaced(stated.becomes) == mutant.becomes)
    )


def _spaced(text: str) -> str:
    return " ".join(text.split())


# ---------------------------------------------------------------- saved outputs


def changed_outputs(notebook: NotebookNode) -> Iterable[tuple[str, NotebookNode]]:
    """Yield the reference with the saved outputs of one recorded cell changed, and what was done."""
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type != "code" or not cell.outputs:
            continue
        if "recorded" not in cell.metadata.get("tags", []):
            continue
        name = cell.metadata.get("karnameh", {}).get("name", cell.id)
        for label, change in _OUTPUT_CHANGES.items():
            changed = deepcopy(notebook)
            outputs = change(changed.cells[place].outputs)
            if outputs != cell.outputs:
                changed.cells[place].outputs = outputs
                yield f"{name}: {label}", changed


def _texts_changed(
    outputs: Sequence[NotebookNode], change: Callable[[str], str]
) -> list[NotebookNode]:
    changed = [nbformat.from_dict(output) for output in outputs]
    for output in changed:
        if output.output_type == "stream":
            output.text = change(output.text)
        elif "text/plain" in output.get("data", {}) and "image/png" not in output.data:
            output.data["text/plain"] = change(output.data["text/plain"])
            output.data.pop("text/html", None)
    return changed


_OUTPUT_CHANGES: Mapping[str, Callable[[Sequence[NotebookNode]], list[NotebookNode]]] = {
    "no outputs": lambda outputs: [],
    "no pictures": lambda outputs: [o for o in outputs if "image/png" not in o.get("data", {})],
    "half of the lines": lambda outputs: _texts_changed(outputs, _half),
    "the lines in reverse": lambda outputs: _texts_changed(outputs, _reversed),
    "every fraction the same": lambda outputs: _texts_changed(
        outputs, lambda text: _NUMBER.sub("0.5", text)
    ),
    "every fraction nan": lambda outputs: _texts_changed(
        outputs, lambda text: _NUMBER.sub("nan", text)
    ),
    "fractions from one": lambda outputs: _texts_changed(
        outputs, lambda text: _NUMBER.sub(lambda m: f"{abs(1 - float(m[0])):.4f}", text)
    ),
}


def _half(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(lines[: len(lines) // 2])


def _reversed(text: str) -> str:
    return "".join(line.rstrip("\n") + "\n" for line in reversed(text.splitlines()))


# ---------------------------------------------------------------- checks that caught nothing


def _more(
    tried: Sequence[UnitTried],
    sound: frozenset[str],
    others: Sequence[Mutant],
    outputs: Sequence[Tried],
) -> dict[str, list[Mutant]]:
    """By check that caught nothing so far: mutants of what it looks at that it was not asked about.

    Among them are those that were not drawn; they are spread over the functions.
    """
    caught = {each.caught_by for unit in tried for each in unit.mutants}
    caught |= {seen.check for run in outputs for seen in run.seen if seen.lost}
    asked = {
        (key_of(each.mutant), check)
        for unit in tried
        for each in unit.mutants
        for check in each.asked
    }
    more: dict[str, list[Mutant]] = {}
    for check in sorted(sound - caught):
        looked_at = {unit.unit for unit in tried if check in unit.reached}
        found = [m for m in others if m.unit in looked_at and (key_of(m), check) not in asked]
        if found:
            more[check] = found[:: max(1, len(found) // MORE)][:MORE]
    return more


def lost_checks(seen: Iterable[Seen]) -> list[str]:
    """The checks that took points, each once."""
    return list(dict.fromkeys(each.check for each in seen if each.lost))
