"""Mutants of a reference: hand-ins that are right but for one small mistake."""

from __future__ import annotations

import ast
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

import msgspec
from nbformat import NotebookNode

from grader.audit.operators import Change, Kind, Tree, changes
from grader.notebook.scopes import FunctionNode


class Mutant(msgspec.Struct, frozen=True, kw_only=True):
    """One mistake in one place.

    Attributes
    ----------
    unit
        The function that is wrong (``Class.method`` for a method), or the cell whose top level is:
        ``cell NAME``.
    was, becomes
        The changed lines as they were, and as they are now.
    cell
        Id of the cell; ``source`` is the whole of it, with the mistake.
    line
        Of the first change, counted from 1 in the cell.
    """

    unit: str
    kind: Kind
    was: str
    becomes: str
    line: int
    cell: str
    source: str


class Unit(NamedTuple):
    """A function, or a cell's top level, that holds a solution.

    ``broken`` is the whole cell with that solution raising, as in a skeleton, ``idle`` with it
    returning None; None where there is nothing to return from.
    """

    name: str
    cell: str
    broken: str
    idle: str | None


def units_and_mutants(
    notebook: NotebookNode, solutions: dict[str, list[range]]
) -> tuple[list[Unit], list[Mutant]]:
    """Find what can be mutated in a solved notebook, and mutate it.

    Parameters
    ----------
    notebook
        The reference as a hand-in.
    solutions
        Rows of each cell that are solution, by cell id, counted from 1. What students are given is
        never mutated, nor is a cell tagged ``recorded``, which nobody runs.
    """
    units: dict[str, Unit] = {}
    mutants: dict[tuple[str, str], Mutant] = {}
    for cell in notebook.cells:
        rows = solutions.get(cell.id)
        if cell.cell_type != "code" or not rows or "recorded" in cell.metadata.get("tags", []):
            continue
        tree = Tree(cell.source)
        for node in ast.walk(tree.root):
            line = getattr(node, "lineno", None)
            if line is None or not any(line in region for region in rows):
                continue
            unit = _unit_of(node, tree, cell)
            if unit not in units:
                broken, idle = _without_solution(cell.source, tree, node)
                units[unit] = Unit(unit, cell.id, broken, idle)
            if tree.decides_nothing(node):
                continue
            for change in changes(tree, node):
                mutant = _mutant(unit, change, tree, cell)
                if mutant is not None:
                    mutants.setdefault((cell.id, mutant.source), mutant)
    return list(units.values()), list(mutants.values())


def _unit_of(node: ast.AST, tree: Tree, cell: NotebookNode) -> str:
    """Name the outermost function around `node`, with its class."""
    names: list[str] = []
    for outer in (node, *tree.around(node)):
        if isinstance(outer, FunctionNode):
            names = [outer.name]
        elif isinstance(outer, ast.ClassDef):
            names = [outer.name, *names]
    named = cell.metadata.get("karnameh", {}).get("name", cell.id)
    return ".".join(names) or f"cell {named}"


def _mutant(unit: str, change: Change, tree: Tree, cell: NotebookNode) -> Mutant | None:
    source = _spliced(cell.source, change, tree)
    try:
        same = ast.dump(ast.parse(source)) == ast.dump(tree.root)
    except SyntaxError:
        return None
    if same:
        return None
    before, after = cell.source.split("\n"), source.split("\n")
    was, becomes, line = [], [], 0
    for tag, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag != "equal":
            line = line or a + 1
            was += before[a:b]
            becomes += after[c:d]
    return Mutant(
        unit=unit,
        kind=change.kind,
        was=_one_line(was),
        becomes=_one_line(becomes),
        line=line,
        cell=cell.id,
        source=source,
    )


def _one_line(lines: Sequence[str]) -> str:
    return " ".join(" ".join(lines).split())


def _spliced(source: str, change: Change, tree: Tree) -> str:
    """Write the change into the source, and leave all else as it stands there."""
    node, new = change.node, change.new
    text = ast.unparse(ast.fix_missing_locations(new))
    atom = isinstance(
        new, (ast.Constant, ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Pass)
    )
    alone = isinstance(tree.parent(node), (ast.Return, ast.Assign, ast.keyword, ast.Slice))
    if isinstance(new, ast.expr) and not (atom or alone):
        text = f"({text})"
    lines = source.encode().splitlines(keepends=True)
    start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
    end = sum(map(len, lines[: end_line - 1])) + end_column
    data = source.encode()
    return (data[:start] + text.encode() + data[end:]).decode()


def _without_solution(source: str, tree: Tree, node: ast.AST) -> tuple[str, str | None]:
    """The cell with the solution around `node` raising, and with it returning None."""
    lines = source.split("\n")
    functions = [each for each in (node, *tree.around(node)) if isinstance(each, FunctionNode)]
    if functions:
        first, *rest = functions[-1].body
        documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
        at = rest[0] if documented and rest else first
        return _inserted(lines, at, "raise NotImplementedError"), _inserted(
            lines, at, "return None"
        )
    at_top = (
        each
        for each in (node, *tree.around(node))
        if isinstance(each, ast.stmt) and tree.parent(each) is tree.root
    )
    return _inserted(lines, next(at_top), "raise NotImplementedError"), None


def _inserted(lines: list[str], at: ast.stmt, statement: str) -> str:
    row = at.lineno - 1
    return "\n".join([*lines[:row], " " * at.col_offset + statement, *lines[row:]])


def chosen(mutants: Sequence[Mutant], most: int, seed: int) -> list[Mutant]:
    """At most `most` mutants of each unit, kinds in turn, the same each time."""
    by_unit: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in mutants:
        by_unit[mutant.unit].append(mutant)
    found: list[Mutant] = []
    for unit, own in by_unit.items():
        picked = set(map(id, _in_turn(own, random.Random(f"{seed} {unit}"))[:most]))  # noqa: S311
        found += [mutant for mutant in own if id(mutant) in picked]
    return found


def _in_turn(mutants: Sequence[Mutant], rng: random.Random) -> list[Mutant]:
    by_kind: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in mutants:
        by_kind[mutant.kind].append(mutant)
    queues = [by_kind[kind] for kind in sorted(by_kind)]
    for queue in queues:
        rng.shuffle(queue)
    return list(_round_robin(queues))


def _round_robin(queues: Sequence[list[Mutant]]) -> Iterator[Mutant]:
    for turn in range(max(map(len, queues), default=0)):
        for queue in queues:
            if turn < len(queue):
                yield queue[turn]
