"""Which names, modules and calls a piece of Python reaches outside itself.

Python's scoping rules, as far as they can be read from the syntax: what a
function assigns is local to it, class bodies are invisible to their methods,
comprehensions have their own names. What a statement needs at once is kept
apart from what its functions need when they are called.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import NamedTuple

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
_Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_IMPORTERS = {"__import__", "importlib.import_module", "import_module"}


class Call(NamedTuple):
    """A callee as it is written. ``root_is_global``: its first name is one of the notebook's."""

    callee: str
    root_is_global: bool


class Reach:
    """What a piece of code uses.

    Attributes
    ----------
    now, later
        Global names that it needs when it is executed, and when its functions are called.
    modules
        Modules that are imported inside it, by their full names.
    calls
        What it calls, anywhere inside.
    rebinds
        Global names that its functions assign (``global x``).
    """

    __slots__ = ("calls", "later", "modules", "now", "rebinds")

    def __init__(self) -> None:
        self.now: set[str] = set()
        self.later: set[str] = set()
        self.modules: set[str] = set()
        self.calls: set[Call] = set()
        self.rebinds: set[str] = set()


def reach_of(*nodes: ast.AST | None) -> Reach:
    """Return what `nodes`, which stand at the top level of a cell, reach."""
    walker = _Walker()
    for node in nodes:
        if node is not None:
            walker.visit(node)
    return walker.reach


def dotted_name(node: ast.expr) -> str | None:
    """Return ``np.linalg.inv`` for such an expression; ``.sum`` for ``(a + b).sum``; else None."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) and not parts:
        return None
    parts.append(node.id if isinstance(node, ast.Name) else "")
    return ".".join(reversed(parts))


def imported_name(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> tuple[str, str]:
    """Return the name that `alias` binds, and the full name of what it is bound to.

    ``import torch.nn`` binds ``torch``; ``from torch import nn as layers`` binds ``layers`` to
    ``torch.nn``. The first is ``*`` for a star import.
    """
    if isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        if alias.name == "*":
            return "*", module
        return alias.asname or alias.name, f"{module}.{alias.name}" if module else alias.name
    if alias.asname:
        return alias.asname, alias.name
    top = alias.name.split(".", 1)[0]
    return top, top


def targets_of(node: ast.expr) -> Iterator[ast.Name | ast.Attribute | ast.Subscript]:
    """Yield the single targets of an assignment, out of tuples, lists and stars."""
    if isinstance(node, ast.Tuple | ast.List):
        for item in node.elts:
            yield from targets_of(item)
    elif isinstance(node, ast.Starred):
        yield from targets_of(node.value)
    elif isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
        yield node


def walrus_names(*nodes: ast.AST | None) -> Iterator[str]:
    """Yield the names that ``:=`` binds in `nodes`, outside functions and lambdas."""
    stack = [node for node in nodes if node is not None]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.NamedExpr):
            yield node.target.id
        if not isinstance(node, FunctionNode | ast.Lambda | ast.ClassDef):
            stack.extend(ast.iter_child_nodes(node))


class _Scope:
    """The names of one function, class body or comprehension."""

    def __init__(self, names: Iterable[str] = (), *, is_class: bool = False) -> None:
        self.names = set(names)
        self.is_class = is_class
        self.globals: set[str] = set()
        self.imports: dict[str, str] = {}

    def add_body(self, body: Iterable[ast.AST]) -> None:
        """Add what the statements of `body` bind, without looking into inner scopes."""
        stack = list(body)
        while stack:
            node = stack.pop()
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
                self.names.add(node.id)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                for alias in node.names:
                    name, target = imported_name(node, alias)
                    self.names.add(name)
                    self.imports[name] = target
            elif isinstance(node, FunctionNode | ast.ClassDef):
                self.names.add(node.name)
                continue
            elif isinstance(node, ast.Lambda):
                continue
            elif isinstance(node, _Comprehension):
                self.names.update(walrus_names(node))
                continue
            elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
                self.names.add(node.name)
            elif isinstance(node, ast.MatchMapping) and node.rest:
                self.names.add(node.rest)
            elif isinstance(node, ast.Global):
                self.globals.update(node.names)
            stack.extend(ast.iter_child_nodes(node))


class _Walker(ast.NodeVisitor):
    def __init__(self) -> None:
        self.reach = Reach()
        self._scopes: list[_Scope] = []
        self._functions = 0

    # ------------------------------------------------------------ names

    def visit_Name(self, node: ast.Name) -> None:
        scope = self._scope_of(node.id)
        if isinstance(node.ctx, ast.Load):
            if scope is None:
                self._need(node.id)
        elif scope is None and self._scopes and node.id in self._scopes[-1].globals:
            self.reach.rebinds.add(node.id)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name) and self._scope_of(node.target.id) is None:
            self._need(node.target.id)
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        if self._scopes:
            self.reach.modules.update(alias.name for alias in node.names)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if self._scopes:
            self.reach.modules.add("." * node.level + (node.module or ""))

    def visit_Call(self, node: ast.Call) -> None:
        self._called(node.func)
        callee = dotted_name(node.func)
        if callee in _IMPORTERS and node.args and isinstance(node.args[0], ast.Constant):
            self.reach.modules.add(str(node.args[0].value))
        self.generic_visit(node)

    def _called(self, function: ast.expr) -> None:
        callee = dotted_name(function)
        if callee is None:
            return
        root, _, rest = callee.partition(".")
        scope = self._scope_of(root) if root else None
        if scope is not None and root in scope.imports:
            target = scope.imports[root]
            callee = f"{target}.{rest}" if rest else target
        self.reach.calls.add(Call(callee, root_is_global=bool(root) and scope is None))

    def _need(self, name: str) -> None:
        (self.reach.later if self._functions else self.reach.now).add(name)

    def _scope_of(self, name: str) -> _Scope | None:
        """Return the scope that `name` belongs to here, None for the notebook's globals."""
        for depth, scope in enumerate(reversed(self._scopes)):
            if scope.is_class and depth > 0:
                continue
            if name in scope.globals:
                return None
            if name in scope.names:
                return scope
        return None

    # ------------------------------------------------------------ scopes

    def visit_FunctionDef(self, node: FunctionNode) -> None:
        for decorator in node.decorator_list:
            self._called(decorator)
            self.visit(decorator)
        self._visit_all(node.returns, *_annotations(node.args))
        self._function(node.args, node.body)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._function(node.args, [node.body])

    def _function(self, arguments: ast.arguments, body: Iterable[ast.AST]) -> None:
        self._visit_all(*arguments.defaults, *arguments.kw_defaults)
        scope = _Scope(argument.arg for argument in _all_arguments(arguments))
        scope.add_body(body)
        self._scopes.append(scope)
        self._functions += 1
        self._visit_all(*body)
        self._functions -= 1
        self._scopes.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for decorator in node.decorator_list:
            self._called(decorator)
        self._visit_all(*node.decorator_list, *node.bases, *node.keywords)
        scope = _Scope(is_class=True)
        scope.add_body(node.body)
        self._scopes.append(scope)
        self._visit_all(*node.body)
        self._scopes.pop()

    def _comprehension(self, node: _Comprehension) -> None:
        self.visit(node.generators[0].iter)  # evaluated outside
        scope = _Scope()
        scope.add_body(generator.target for generator in node.generators)
        self._scopes.append(scope)
        for i, generator in enumerate(node.generators):
            self._visit_all(None if i == 0 else generator.iter, *generator.ifs)
        if isinstance(node, ast.DictComp):
            self._visit_all(node.key, node.value)
        else:
            self.visit(node.elt)
        self._scopes.pop()

    def generic_visit(self, node: ast.AST) -> None:
        if isinstance(node, _Comprehension):
            self._comprehension(node)
        else:
            super().generic_visit(node)

    def _visit_all(self, *nodes: ast.AST | None) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)


def _all_arguments(arguments: ast.arguments) -> list[ast.arg]:
    starred = [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *starred]


def _annotations(arguments: ast.arguments) -> list[ast.expr | None]:
    return [argument.annotation for argument in _all_arguments(arguments)]


def parameter_names(arguments: ast.arguments) -> tuple[str, ...]:
    """Return the names of a function's parameters in order, without ``*args`` and ``**kwargs``."""
    return tuple(a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs))
