"""The names of a foreign notebook: what is imported, what is given, and what students answer."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterable, Iterator

from grader.notebook.ipython_syntax import python_of

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Namespace:
    """What the names at the top level of a notebook stand for.

    Attributes
    ----------
    imports
        Full name of what an imported name stands for: ``np`` is ``numpy``.
    functions, classes, values
        What students answer: names bound in cells with a solution, and whatever given code
        computes from them.
    given
        What the notebook itself defines for everybody.
    """

    def __init__(self) -> None:
        self.imports: dict[str, str] = {}
        self.functions: set[str] = set()
        self.classes: set[str] = set()
        self.values: set[str] = set()
        self.given: set[str] = set()

    @property
    def answers(self) -> set[str]:
        """All names that students answer."""
        return self.functions | self.classes | self.values

    def learn(self, source: str, *, solution: bool) -> None:
        """Read a cell; `solution` says whether students write in it."""
        try:
            tree = ast.parse(python_of(source))
        except SyntaxError:
            return  # the notebook cannot be run either, and its trial says so
        for statement in tree.body:
            if isinstance(statement, (ast.Import, ast.ImportFrom)):
                self.imports.update(imported(statement))
                continue
            mine = solution or bool(self.answers & set(_loaded(statement)))
            for node in _imports_in(statement):
                self.imports.update(imported(node))
            for name in bound_names(statement):
                self._bind(name, statement, mine=mine)

    def _bind(self, name: str, statement: ast.stmt, *, mine: bool) -> None:
        self.given.discard(name)
        for names in (self.functions, self.classes, self.values):
            names.discard(name)
        if not mine:
            self.given.add(name)
        elif isinstance(statement, ast.ClassDef):
            self.classes.add(name)
        elif isinstance(statement, _DEFINITIONS) or _is_lambda(statement):
            self.functions.add(name)
        else:
            self.values.add(name)


def imported(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """Yield each name that an import binds and the full name of what it stands for."""
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            if alias.name != "*" and node.module is not None and not node.level:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"
        elif alias.asname:
            yield alias.asname, alias.name
        else:
            top = alias.name.split(".")[0]
            yield top, top


def import_line(name: str, full: str) -> str:
    """Return the statement that binds `name` to `full` again."""
    if name == full:
        return f"import {name}"
    module, _, attribute = full.rpartition(".")
    if module and not _is_module(full):
        return f"from {module} import {attribute}" + ("" if attribute == name else f" as {name}")
    return f"import {full} as {name}"


def is_installed(full: str) -> bool:
    """Whether the package of `full` can be imported by the grader here."""
    return importlib.util.find_spec(full.partition(".")[0]) is not None


def _is_module(full: str) -> bool:
    try:
        return importlib.util.find_spec(full) is not None
    except (ImportError, ValueError):
        return False


def bound_names(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement at the top level binds there."""
    if isinstance(statement, (*_DEFINITIONS, ast.ClassDef)):
        yield statement.name
        return
    for node in _outside_functions(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, (*_DEFINITIONS, ast.ClassDef)):
            yield node.name


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    """Walk through `node`, into no function, class, lambda or comprehension."""
    inner = (*_DEFINITIONS, ast.ClassDef, ast.Lambda)
    loops = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, inner):
            yield child
        elif not isinstance(child, loops):
            yield from _outside_functions(child)


def _imports_in(statement: ast.stmt) -> Iterable[ast.Import | ast.ImportFrom]:
    return (n for n in ast.walk(statement) if isinstance(n, (ast.Import, ast.ImportFrom)))


def _loaded(statement: ast.stmt) -> Iterator[str]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id


def _is_lambda(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Lambda)
