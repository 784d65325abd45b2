"""What the cells of a notebook bind at the top level, statement by statement.

Each binding knows what its value reaches, so that a name can be followed back
to the modules it comes from. ``x[0] = …`` and ``x.append(…)`` bind nothing,
but what they reach flows into ``x`` as well.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import Literal

from grader.notebook.scopes import (
    FunctionNode,
    Reach,
    dotted_name,
    imported_name,
    parameter_names,
    reach_of,
    targets_of,
    walrus_names,
)

Definition = FunctionNode | ast.ClassDef


class Reaching:
    """What some code reaches, looked for when it is first asked for; one for all that it binds.

    Parameters
    ----------
    nodes
        The code.
    now
        A name that it needs besides: the target of ``x += 1``.
    """

    __slots__ = ("_nodes", "_now", "_reach")

    def __init__(self, *nodes: ast.AST | None, now: str | None = None) -> None:
        self._nodes = nodes
        self._now = now
        self._reach: Reach | None = None

    @property
    def reach(self) -> Reach:
        if self._reach is None:
            try:
                self._reach = reach_of(*self._nodes)
            except RecursionError:  # nobody writes such code by hand
                self._reach = Reach()
            if self._now is not None:
                self._reach.now.add(self._now)
        return self._reach


_GLOBAL = re.compile(r"\bglobal\b")
Kind = Literal["function", "class", "variable", "import", "change"]


class Binding:
    """One statement that binds a name, or changes what it is bound to (kind ``change``).

    Attributes
    ----------
    position
        Place of the statement among all of the notebook.
    conditional
        Whether it may be passed over: in an ``if``, a loop, a ``try``, a function with ``global``.
    target
        Full name of what is imported, or of what a plain alias (``conv = F.conv2d``) stands for.
    """

    __slots__ = (
        "_reach",
        "cell",
        "conditional",
        "end_line",
        "kind",
        "line",
        "name",
        "parameters",
        "position",
        "target",
    )

    def __init__(
        self, name: str, kind: Kind, cell: int, position: int, reach: Reach | Reaching
    ) -> None:
        self.name = name
        self.kind = kind
        self.cell = cell
        self.position = position
        self._reach = reach
        self.line = self.end_line = 0
        self.conditional = False
        self.parameters: tuple[str, ...] = ()
        self.target: str | None = None

    @property
    def reach(self) -> Reach:
        """What the value reaches."""
        return self._reach if isinstance(self._reach, Reach) else self._reach.reach


class Collector:
    """Walks the top level of one cell after another and collects bindings and star imports."""

    def __init__(self) -> None:
        self.bindings: list[Binding] = []
        self.star_modules: list[str] = []
        self._cell = 0
        self._position = 0
        self._conditions = 0
        self._has_globals = False
        self._has_walrus = False

    def add_cell(self, cell: int, tree: ast.Module, source: str) -> None:
        """Add the statements of `tree`, the cell with index `cell` and this source."""
        self._cell = cell
        self._has_globals = _GLOBAL.search(source) is not None
        self._has_walrus = ":=" in source
        self._body(tree.body)

    def _body(self, statements: Iterable[ast.stmt], *, conditional: bool = False) -> None:
        self._conditions += conditional
        for statement in statements:
            self._position += 1
            self._statement(statement)
        self._conditions -= conditional

    def _bind(self, name: str, kind: Kind, node: ast.stmt, reach: Reach | Reaching) -> Binding:
        binding = Binding(name, kind, self._cell, self._position, reach)
        decorators = getattr(node, "decorator_list", [])
        binding.line = min([node.lineno, *(d.lineno for d in decorators)])
        binding.end_line = node.end_lineno or node.lineno
        binding.conditional = self._conditions > 0
        self.bindings.append(binding)
        return binding

    def _statement(self, node: ast.stmt) -> None:
        if isinstance(node, FunctionNode | ast.ClassDef):
            self._definition(node)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            self._import(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            self._assignment(node)
        elif isinstance(node, ast.Expr):
            self._expression(node)
        elif isinstance(node, ast.For | ast.AsyncFor):
            self._targets(node, node.target, Reaching(node.iter), conditional=True)
            self._walrus(node, node.iter)
            self._body([*node.body, *node.orelse], conditional=True)
        elif isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                reach = Reaching(item.context_expr)
                if item.optional_vars is not None:
                    self._targets(node, item.optional_vars, reach)
                self._walrus(node, item.context_expr)
            self._body(node.body)
        elif isinstance(node, ast.If | ast.While):
            self._walrus(node, node.test)
            self._body(node.body, conditional=not _is_main(node.test))
            self._body(node.orelse, conditional=True)
        elif isinstance(node, ast.Try | ast.TryStar):
            handlers = [s for handler in node.handlers for s in handler.body]
            self._body([*node.body, *handlers, *node.orelse], conditional=True)
            self._body(node.finalbody)
        elif isinstance(node, ast.Match):
            self._match(node)
        else:
            self._walrus(node, node)

    def _definition(self, node: Definition) -> None:
        if isinstance(node, ast.ClassDef):
            binding = self._bind(node.name, "class", node, Reaching(node))
        else:
            binding = self._bind(node.name, "function", node, Reaching(node))
            binding.parameters = parameter_names(node.args)
        for name in sorted(binding.reach.rebinds) if self._has_globals else ():
            self._bind(name, "variable", node, binding.reach).conditional = True

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            name, target = imported_name(node, alias)
            if name == "*":
                self.star_modules.append(target)
                continue
            reach = Reach()
            reach.modules.add(target)
            self._bind(name, "import", node, reach).target = target

    def _assignment(self, node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> None:
        self._walrus(node, node.value)
        if isinstance(node, ast.AnnAssign) and node.value is None:
            return
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            pairs = _pairs(target, node.value)
            for one, value in pairs:
                builds_on = isinstance(node, ast.AugAssign) and isinstance(one, ast.Name)
                now = _root(one) if builds_on else None
                self._targets(node, one, Reaching(value, now=now))
                if isinstance(one, ast.Name) and isinstance(value, ast.Name | ast.Attribute):
                    name = dotted_name(value)
                    if name and not name.startswith("."):
                        self.bindings[-1].target = name

    def _targets(
        self, node: ast.stmt, target: ast.expr, reach: Reaching, *, conditional: bool = False
    ) -> None:
        for one in targets_of(target):
            if isinstance(one, ast.Name):
                binding = self._bind(one.id, "variable", node, reach)
                binding.conditional |= conditional
            elif root := _root(one):
                self._bind(root, "change", node, reach)

    def _expression(self, node: ast.Expr) -> None:
        self._walrus(node, node.value)
        call = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            root = _root(call.func)
            if root:
                self._bind(root, "change", node, Reaching(node))

    def _match(self, node: ast.Match) -> None:
        reach = Reaching(node.subject)
        for case in node.cases:
            for pattern in ast.walk(case.pattern):
                name = getattr(pattern, "name", None) or getattr(pattern, "rest", None)
                if isinstance(name, str):
                    self._bind(name, "variable", node, reach).conditional = True
            self._body(case.body, conditional=True)

    def _walrus(self, node: ast.stmt, *inside: ast.AST | None) -> None:
        names = list(walrus_names(*inside)) if self._has_walrus else []
        if names:
            reach = Reaching(*inside)
            for name in names:
                self._bind(name, "variable", node, reach)


def _pairs(target: ast.expr, value: ast.expr | None) -> list[tuple[ast.expr, ast.expr | None]]:
    """Return which target gets which value: in ``a, b = f(), g()`` each its own."""
    if (
        isinstance(target, ast.Tuple | ast.List)
        and isinstance(value, ast.Tuple | ast.List)
        and len(target.elts) == len(value.elts)
        and not any(isinstance(e, ast.Starred) for e in (*target.elts, *value.elts))
    ):
        both = zip(target.elts, value.elts, strict=True)
        return [pair for t, v in both for pair in _pairs(t, v)]
    return [(target, value)]


def _root(node: ast.expr) -> str | None:
    """Return ``x`` for ``x.a[0].b``, None where the chain does not begin with a name."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _is_main(test: ast.expr) -> bool:
    """Return whether `test` is ``__name__ == "__main__"``, which holds in a notebook."""
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name)
        and test.left.id == "__name__"
        and isinstance(test.ops[0], ast.Eq)
    )
