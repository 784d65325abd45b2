"""Solution regions of a code cell, and what stands in their place in the skeleton.

A region runs from a ``# BEGIN SOLUTION`` comment to ``# END SOLUTION``. What
replaces it depends on where it stands: in a function it raises, elsewhere the
names that it assigns become None.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from grader.notebook.ipython_syntax import python_of
from grader.notebook.scopes import FunctionNode, targets_of, walrus_names

_BEGIN = re.compile(r"\s*#\s*BEGIN SOLUTION\b")
_END = re.compile(r"\s*#\s*END SOLUTION\b")
_DEFINITION = FunctionNode | ast.ClassDef


class RegionError(ValueError):
    """A region is malformed. ``row`` is its line, counted from 0 in the cell."""

    def __init__(self, row: int, problem: str) -> None:
        self.row = row
        super().__init__(problem)


class Region(NamedTuple):
    """The rows of its BEGIN and END comments, counted from 0 in the cell."""

    begin: int
    end: int


def regions_of(source: str) -> list[Region]:
    """Return the solution regions of a cell, in order.

    Raises
    ------
    RegionError
        If a BEGIN has no END in the same cell, an END no BEGIN, or one region lies in another.
    """
    regions: list[Region] = []
    begin: int | None = None
    for row, line in enumerate(source.split("\n")):
        if _BEGIN.match(line):
            if begin is not None:
                raise RegionError(row, "BEGIN SOLUTION inside a solution region: END the first one")
            begin = row
        elif _END.match(line):
            if begin is None:
                raise RegionError(
                    row, "END SOLUTION without BEGIN SOLUTION: a region cannot span cells"
                )
            regions.append(Region(begin, row))
            begin = None
    if begin is not None:
        raise RegionError(
            begin, "BEGIN SOLUTION without END SOLUTION in its cell: a region cannot span cells"
        )
    return regions


def solved(source: str, regions: Sequence[Region]) -> str:
    """Return the cell with its solutions, without the comments around them."""
    marked = {row for region in regions for row in region}
    lines = source.split("\n")
    return "\n".join(line for row, line in enumerate(lines) if row not in marked)


def skeleton_of(source: str, regions: Sequence[Region], comment: str) -> str:
    """Return the cell without its solutions, with `comment` where the student is to write.

    Raises
    ------
    RegionError
        If a region is not a row of whole statements of one block.
    """
    if not regions:
        return source
    try:
        tree = ast.parse(python_of(source))
    except SyntaxError as error:
        raise RegionError((error.lineno or 1) - 1, f"the cell is no Python: {error.msg}") from error
    lines = source.split("\n")
    for region in reversed(regions):
        lines[region.begin : region.end + 1] = _stand_in(tree, region, comment, lines)
    return "\n".join(lines)


def _stand_in(
    tree: ast.Module, region: Region, comment: str, lines: Sequence[str]
) -> Iterator[str]:
    """Yield the lines that replace `region`."""
    statements, definition = _inside(tree, region)
    if not statements:
        raise RegionError(region.begin, "there is no whole statement in this solution region")
    covered = {row for s in statements for row in range(_first_row(s), s.end_lineno or s.lineno)}
    for row in range(region.begin + 1, region.end):
        line = lines[row].strip()
        if line and not line.startswith("#") and row not in covered:
            raise RegionError(row, "this line belongs to a statement outside the solution region")
    if max(covered) >= region.end:
        raise RegionError(region.end, "END SOLUTION cuts a statement in two")
    first = lines[statements[0].lineno - 1]
    indent = first[: len(first) - len(first.lstrip())]
    yield f"{indent}# {comment}"
    if isinstance(definition, FunctionNode):
        yield f"{indent}raise NotImplementedError"
        return
    names = list(dict.fromkeys(_assigned(statements)))
    for name in names:
        yield f"{indent}{name} = None"
    if indent and not names:
        yield f"{indent}pass"  # the block must not be left empty


def _inside(tree: ast.Module, region: Region) -> tuple[list[ast.stmt], ast.stmt | None]:
    """Return the outermost statements that begin in `region`, and the function or class around.

    Raises
    ------
    RegionError
        If they stand in more than one block.
    """
    found: list[ast.stmt] = []
    blocks: list[tuple[ast.AST, ast.stmt | None]] = []

    def visit(node: ast.AST, definition: ast.stmt | None) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt) and region.begin < _first_row(child) < region.end:
                found.append(child)
                blocks.append((node, definition))
            else:
                visit(child, child if isinstance(child, _DEFINITION) else definition)

    visit(tree, None)
    for statement, (block, _) in zip(found, blocks, strict=True):
        if block is not blocks[0][0]:
            raise RegionError(
                _first_row(statement), "the solution region goes on into another block"
            )
    return found, blocks[0][1] if blocks else None


def _first_row(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(d.lineno for d in decorators)]) - 1


def _assigned(statements: Iterable[ast.stmt]) -> Iterator[str]:
    """Yield the names that `statements` assign or define; loop variables are none of them."""
    for node in statements:
        if isinstance(node, _DEFINITION):
            yield node.name
            continue
        if isinstance(node, ast.Assign):
            yield from _names(node.targets)
        elif isinstance(node, ast.AugAssign) or (isinstance(node, ast.AnnAssign) and node.value):
            yield from _names([node.target])
        yield from (
            name
            for child in ast.iter_child_nodes(node)
            if isinstance(child, ast.expr)
            for name in walrus_names(child)
        )
        for block in ("body", "orelse", "finalbody"):
            yield from _assigned(getattr(node, block, ()))
        for branch in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            yield from _assigned(branch.body)


def _names(targets: Iterable[ast.expr]) -> Iterator[str]:
    for target in targets:
        for one in targets_of(target):
            if isinstance(one, ast.Name) and one.id != "_":
                yield one.id
