"""Static facts of a notebook's code: what is bound where, from which modules, calling what.

Nothing is executed. Facts are computed when they are first asked for; a cell
that does not parse is listed and costs only itself.
"""

from __future__ import annotations

import ast
import builtins
import math
import warnings
from collections.abc import Iterable, Iterator
from functools import cached_property
from textwrap import dedent
from typing import Literal
from unicodedata import normalize

import msgspec
from nbformat import NotebookNode

from grader.notebook.bindings import Binding, Collector
from grader.notebook.ipython_syntax import python_of
from grader.notebook.scopes import Call, imported_name

MAX_SOURCE = 500_000
"""Characters of a cell beyond which it is not parsed."""

_TOO_DEEP = "the cell is too deeply nested to be analysed"
_MAX_ALIASES = 8
_BUILTINS = frozenset(dir(builtins))
_PARSE = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


class Import(msgspec.Struct, frozen=True):
    """One imported name.

    Attributes
    ----------
    module
        Module that is imported, or imported from, with its dots.
    name
        What is imported from it, ``*`` for all; None for ``import module``.
    alias
        Name that it is bound to; None for a star import.
    """

    cell: int
    line: int
    module: str
    name: str | None
    alias: str | None


class Definition(msgspec.Struct, frozen=True):
    """The statement that binds a name last. Lines are counted from 1 in the cell."""

    name: str
    kind: Literal["function", "class", "variable", "import"]
    cell: int
    line: int
    end_line: int
    source: str
    parameters: tuple[str, ...] = ()


class SyntaxProblem(msgspec.Struct, frozen=True):
    """A cell that is no Python. ``line`` is counted from 1 in the cell, ``source`` is that line."""

    cell: int
    line: int
    message: str
    source: str


class _Analysis:
    """What one pass over the cells finds.

    Attributes
    ----------
    bindings
        Bindings and changes by name, in order.
    star_packages
        Packages whose names were all imported by ``from … import *``.
    """

    def __init__(self) -> None:
        self.trees: dict[int, ast.Module] = {}
        self.problems: list[SyntaxProblem] = []
        self.bindings: dict[str, list[Binding]] = {}
        self.star_packages: set[str] = set()


class Facts:
    """Static facts of a notebook.

    Parameters
    ----------
    cells
        Index over all cells and source of every code cell, in order.
    """

    def __init__(self, cells: Iterable[tuple[int, str]]) -> None:
        self._sources = dict(cells)
        self._single: dict[int, Facts] = {}

    @classmethod
    def of(cls, notebook: NotebookNode) -> Facts:
        """Return the facts of `notebook`."""
        cells = enumerate(notebook.cells)
        return cls((i, cell.source) for i, cell in cells if cell.cell_type == "code")

    # ------------------------------------------------------------ parsed, once

    @cached_property
    def _analysis(self) -> _Analysis:
        """All cells parsed, and what they bind."""
        analysis = _Analysis()
        collector = Collector()
        for cell, source in self._sources.items():
            parsed = _parse(cell, source)
            if isinstance(parsed, ast.Module):
                before = len(collector.bindings)
                try:
                    collector.add_cell(cell, parsed, source)
                except RecursionError:
                    del collector.bindings[before:]
                    parsed = SyntaxProblem(cell, 1, _TOO_DEEP, "")
            if isinstance(parsed, SyntaxProblem):
                analysis.problems.append(parsed)
            else:
                analysis.trees[cell] = parsed
        for binding in collector.bindings:
            analysis.bindings.setdefault(binding.name, []).append(binding)
        analysis.star_packages.update(map(_package, collector.star_modules))
        return analysis

    @property
    def syntax_errors(self) -> tuple[SyntaxProblem, ...]:
        """The cells that are no Python, in order."""
        return tuple(self._analysis.problems)

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        """Every imported name, in order, also inside functions."""
        found: list[Import] = []
        for cell, tree in self._analysis.trees.items():
            for node in ast.walk(tree):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    found.extend(_imports(cell, node))
        return tuple(sorted(found, key=lambda one: (one.cell, one.line)))

    # ------------------------------------------------------------ names

    @cached_property
    def definitions(self) -> dict[str, Definition]:
        """The last definition of every name that the notebook binds, in order of the first."""
        found = {}
        for name, bindings in self._analysis.bindings.items():
            bound = [b for b in bindings if b.kind != "change"]
            if bound:
                found[name] = self._definition(bound[-1])
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """All names that are bound at the top level, without those that are imported."""
        return tuple(d.name for d in self.definitions.values() if d.kind != "import")

    @property
    def functions(self) -> dict[str, Definition]:
        """The functions at the top level, by name."""
        return {n: d for n, d in self.definitions.items() if d.kind == "function"}

    @property
    def classes(self) -> dict[str, Definition]:
        """The classes at the top level, by name."""
        return {n: d for n, d in self.definitions.items() if d.kind == "class"}

    def defines(self, name: str) -> bool:
        """Return whether the notebook binds `name` at the top level, by whatever statement."""
        return any(b.kind != "change" for b in self._analysis.bindings.get(name, ()))

    def cell_of(self, name: str) -> int | None:
        """Return the last cell that binds `name`, as index over all cells; None if none does.

        Only cells are parsed in which it stands.
        """
        return next((cell for cell in self._holding(name) if self._alone(cell).defines(name)), None)

    def _holding(self, name: str) -> Iterator[int]:
        """Yield the cells in which `name` may stand, the last one first."""
        for cell, source in reversed(self._sources.items()):
            if name in source or (not source.isascii() and name in normalize("NFKC", source)):
                yield cell

    def _alone(self, cell: int) -> Facts:
        """Facts of one cell."""
        if cell not in self._single:
            self._single[cell] = Facts([(cell, self._sources[cell])])
        return self._single[cell]

    def definition(self, name: str) -> str | None:
        """Return the source of the statement that binds `name` last; None if none does."""
        definition = self.definitions.get(name)
        return definition.source if definition else None

    def is_stub(self, name: str, cell: int, line: int) -> bool:
        """Return whether `name` is a function, or a class with one, that only raises in that line."""
        definition = self.definitions.get(name)
        if definition is None or definition.cell != cell:
            return False
        inside = range(definition.line, definition.end_line + 1)
        functions = [
            node
            for node in ast.walk(self._analysis.trees[cell])
            if isinstance(node, ast.FunctionDef) and node.lineno in inside
        ]
        bodies = [[s for s in f.body if not _does_nothing(s)] for f in functions]
        return any(
            len(body) == 1
            and isinstance(body[0], ast.Raise)
            and body[0].lineno <= line <= (body[0].end_lineno or 0)
            for body in bodies
        )

    # ------------------------------------------------------------ what stands behind a name

    def modules_behind(self, name: str) -> set[str]:
        """Return the top-level packages that the definition of `name` can reach.

        Followed are the names that the last definition uses, what these use, and so on: through
        functions, classes and variables of the notebook, and imports inside functions. An
        earlier definition that has been replaced does not count.
        """
        star = self._analysis.star_packages
        modules: set[str] = set()
        for binding in self._behind(name):
            modules.update(map(_package, binding.reach.modules))
            used = binding.reach.now | binding.reach.later
            if star and any(n not in self._analysis.bindings and n not in _BUILTINS for n in used):
                modules |= star
        return modules

    def calls(self, name: str, *, transitive: bool = True) -> set[str]:
        """Return what the definition of `name` calls, itself or through what it uses.

        Imported functions go by their full names whatever the notebook calls them
        (``numpy.linalg.inv`` for ``np.linalg.inv``); methods of local values as they are written
        (``x.backward``), of other expressions with a leading dot (``.sum``).
        """
        bindings = self._behind(name) if transitive else self._resolve(name, math.inf)
        return {self._full_name(call) for binding in bindings for call in binding.reach.calls}

    def _behind(self, name: str) -> Iterator[Binding]:
        """Yield every binding that the value of `name` depends on, its own first."""
        seen: set[int] = set()
        stack = self._resolve(name, math.inf)
        while stack:
            binding = stack.pop()
            if id(binding) in seen:
                continue
            seen.add(id(binding))
            yield binding
            for used in binding.reach.now:
                stack.extend(self._resolve(used, binding.position))
            for used in binding.reach.later:
                stack.extend(self._resolve(used, math.inf))

    def _resolve(self, name: str, before: float) -> list[Binding]:
        """Return the bindings that make up the value of `name` just before a position.

        That is the last one that is sure to be executed, unless it builds on the value before
        (``x = x + 1``), and all that come after it.
        """
        all_of_name = self._analysis.bindings.get(name, [])
        found: list[Binding] = []
        for binding in reversed([b for b in all_of_name if b.position < before] or all_of_name):
            found.append(binding)
            replaces = binding.kind != "change" and not binding.conditional
            if replaces and name not in binding.reach.now:
                break
        return found

    def _full_name(self, call: Call) -> str:
        callee = call.callee
        if not call.root_is_global:
            return callee
        for _ in range(_MAX_ALIASES):
            root, _, rest = callee.partition(".")
            bound = [b for b in self._resolve(root, math.inf) if b.kind != "change"]
            if not bound or bound[0].target is None or bound[0].target == root:
                break
            callee = f"{bound[0].target}.{rest}" if rest else bound[0].target
            if bound[0].kind == "import":
                break
        return callee

    def _definition(self, binding: Binding) -> Definition:
        assert binding.kind != "change"  # noqa: S101 - the caller has left these out
        lines = self._sources[binding.cell].split("\n")[binding.line - 1 : binding.end_line]
        return Definition(
            name=binding.name,
            kind=binding.kind,
            cell=binding.cell,
            line=binding.line,
            end_line=binding.end_line,
            source=dedent("\n".join(lines)),
            parameters=binding.parameters,
        )


def _does_nothing(statement: ast.stmt) -> bool:
    """Whether a statement is a docstring, ``...`` or the constructor of the base class."""
    if not isinstance(statement, ast.Expr):
        return False
    return isinstance(statement.value, ast.Constant) or (
        ast.unparse(statement.value) == "super().__init__()"
    )


def _parse(cell: int, source: str) -> ast.Module | SyntaxProblem:
    if len(source) > MAX_SOURCE:
        return SyntaxProblem(cell, 1, "the cell is too long to be analysed", "")
    try:
        try:
            return _tree(source)
        except SyntaxError:
            return _tree(python_of(source))
    except SyntaxError as error:
        line = error.lineno or 1
        lines = source.split("\n")
        shown = lines[line - 1].strip() if line <= len(lines) else ""
        return SyntaxProblem(cell, line, error.msg or "invalid syntax", shown)
    except (ValueError, RecursionError, MemoryError, OverflowError):
        return SyntaxProblem(cell, 1, _TOO_DEEP, "")


def _tree(source: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "\d" in a string is the student's business
        tree: ast.Module = compile(source, "<cell>", "exec", _PARSE, dont_inherit=True)
        return tree


def _imports(cell: int, node: ast.Import | ast.ImportFrom) -> Iterator[Import]:
    for alias in node.names:
        bound, _ = imported_name(node, alias)
        if isinstance(node, ast.Import):
            yield Import(cell, node.lineno, alias.name, None, bound)
        else:
            module = "." * node.level + (node.module or "")
            star = alias.name == "*"
            yield Import(cell, node.lineno, module, alias.name, None if star else bound)


def _package(module: str) -> str:
    """Return the top-level package of a module; relative ones keep their dots."""
    stripped = module.lstrip(".")
    dots = module[: len(module) - len(stripped)]
    return dots + stripped.split(".", 1)[0]
