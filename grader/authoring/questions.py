"""Names and expressions of a foreign test, as questions to the student's process.

What the notebook gives stands for itself, in the reference; what students answer
becomes ``student.value`` and ``student.function``; all else is computed in the
grader's process from typed data, or refused.
"""

from __future__ import annotations

import ast
import builtins
import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from grader.authoring.namespace import Namespace, import_line, is_installed
from grader.notebook.scopes import dotted_name

AS_SOLUTION = "__as_the_solution__"
"""``__as_the_solution__(f(3))`` in a test: the student's is what the solution's is."""
FIXTURES = ("student", "reference", "expect", "rng")
QUIET = frozenset(("print", "display"))
_NOT_HERE = frozenset(
    "__import__ breakpoint callable compile delattr dir eval exec getattr globals hasattr help "
    "input locals open setattr vars".split()
)
Node = TypeVar("Node", bound=ast.AST)


class Untranslatable(Exception):
    """A statement that has no sound form as a check; the message says why."""


class Helpers:
    """What earlier tests of a notebook define for later ones: functions, and data of their own."""

    def __init__(self) -> None:
        self.functions: dict[str, ast.FunctionDef] = {}
        self.data: dict[str, ast.Assign] = {}


class Questions:
    """What one test asks.

    Attributes
    ----------
    pure
        Names of the test's own data.
    returned
        Its names for what a student's function returned.
    standing_for
        Its names for expressions of answers.
    asked
        The student's names, and how each is asked for.
    prelude
        Data of earlier tests that it needs.
    spoiled
        Why nothing more can be asked; None if it can.
    """

    def __init__(self, namespace: Namespace, helpers: Helpers) -> None:
        self.namespace = namespace
        self.helpers = helpers
        self.pure: set[str] = set()
        self.returned: set[str] = set()
        self.standing_for: dict[str, ast.expr] = {}
        self.imports: set[str] = set()
        self.definitions: dict[str, str] = {}
        self.asked: dict[str, str] = {}
        self.prelude: list[ast.stmt] = []
        self.spoiled: str | None = None
        self.bound: set[str] = set()  # names that an expression has for itself

    def full_name(self, node: ast.expr) -> str | None:
        """``numpy.testing.assert_allclose`` for whatever names it here; a builtin's own name."""
        dotted = dotted_name(node)
        if dotted is None or dotted.startswith("."):
            return None
        root, _, rest = dotted.partition(".")
        if root in self.pure or root in self.standing_for or root in self.namespace.answers:
            return None
        if root == "self" and rest.startswith("assert"):
            return f"unittest.TestCase.{rest}"
        full = self.namespace.imports.get(root)
        if full is None:
            if root == AS_SOLUTION:
                return root
            if root.startswith("assert_"):  # of `from nose.tools import *`
                return f"nose.tools.{dotted}"
            return dotted if root in QUIET or hasattr(builtins, root) else None
        return f"{full}.{rest}" if rest else full

    def alias_of(self, node: ast.Name) -> str:
        """The student's name that a name of the test stands for; itself if it does for none."""
        meant = self.standing_for.get(node.id)
        return meant.id if isinstance(meant, ast.Name) else node.id

    def is_leaf(self, node: ast.expr) -> bool:
        """Whether `node` is one answer: a variable of the student's, or a call of their function."""
        match node:
            case ast.Name(id=name) if name not in self.bound:
                meant = self.alias_of(node)
                if name in self.standing_for and meant == name:
                    return self.is_leaf(self.standing_for[name])
                mine = meant in self.namespace.values and meant not in self.pure
                return mine or meant in self.returned
            case ast.Call(func=ast.Name() as function):
                name = self.alias_of(function)
                mine = name in self.namespace.answers - self.namespace.classes
                return mine and name not in self.pure | self.bound
        return False

    def leaf(self, node: ast.expr) -> ast.expr:
        """The answer itself, with where it came from, rather than its value."""
        if isinstance(node, ast.Name) and node.id in self.standing_for:
            return self.leaf(self.standing_for[node.id])
        if isinstance(node, ast.Name):
            return name_of(node.id if node.id in self.returned else self.ask_value(node.id))
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            raise TypeError(f"no answer: {ast.unparse(node)}")
        function = self.ask_function(self.alias_of(node.func))
        args, keywords = self.arguments(node)
        return ast.Call(name_of(function), args, keywords)

    def arguments(self, call: ast.Call) -> tuple[list[ast.expr], list[ast.keyword]]:
        args = [self.argument(value) for value in call.args]
        return args, [ast.keyword(k.arg, self.argument(k.value)) for k in call.keywords]

    def argument(self, value: ast.expr) -> ast.expr:
        if isinstance(value, ast.Name):
            name = self.alias_of(value)
            if name in self.namespace.functions and name not in self.pure | self.returned:
                function = name_of(self.ask_function(name))
                return ast.Call(ast.Attribute(function, "handle", ast.Load()), [], [])
        if self.is_leaf(value):
            self.check_spoiled()
            return self.leaf(value)
        return self.rewritten(value)[1]

    def ask_function(self, name: str) -> str:
        return self.ask(name, f"student.function({name!r})")

    def ask_value(self, name: str) -> str:
        return self.ask(name, f"student.value({name!r})")

    def ask(self, name: str, how: str) -> str:
        self.check_spoiled()
        taken = {*FIXTURES, *self.namespace.imports, *self.pure, *self.returned}
        local = name
        while local in taken or self.asked.get(local, how) != how:
            local += "_"
        self.asked[local] = how
        return local

    def check_spoiled(self) -> None:
        if self.spoiled is not None:
            raise Untranslatable(self.spoiled)

    def resolved(self, value: ast.expr) -> ast.expr:
        """`value` with the test's own names for answers put in, so that it means the same later."""
        return _Resolver(self.standing_for).visit(copy.deepcopy(value))  # type: ignore[no-any-return]

    def rewritten(self, value: ast.expr) -> tuple[bool, ast.expr]:
        """Return whether `value` asks the student, and what computes it in the grader's process."""
        rewriter = _Rewriter(self)
        with self.binding(value):
            made = rewriter.visit(copy.deepcopy(value))
        return rewriter.touched, made

    @contextmanager
    def binding(self, node: ast.AST) -> Iterator[None]:
        """While `node` is read, the names that it has for itself are nobody else's."""
        names = set(_bound_inside(node))
        if clash := sorted(names & self.namespace.answers):
            raise Untranslatable(f"it uses `{clash[0]}` for something else than the student's")
        before = self.bound
        self.bound = before | names
        try:
            yield
        finally:
            self.bound = before

    def own(self, node: Node) -> Node:
        """Return a statement about the test's own data."""
        rewriter = _Rewriter(self)
        with self.binding(node):
            made = rewriter.visit(copy.deepcopy(node))
        if rewriter.touched:
            raise Untranslatable("it changes its own data by what comes from the student")
        return made  # type: ignore[no-any-return]


class _Resolver(ast.NodeTransformer):
    def __init__(self, standing_for: dict[str, ast.expr]) -> None:
        self.standing_for = standing_for

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if isinstance(node.ctx, ast.Load) and node.id in self.standing_for:
            return copy.deepcopy(self.standing_for[node.id])
        return node


class _Rewriter(ast.NodeTransformer):
    """Puts questions to the student in the place of the student's names."""

    def __init__(self, translator: Questions) -> None:
        self.t = translator
        self.touched = False

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if self.t.is_leaf(node) and not self._is_bound(node.func):
            self.touched = True
            return ast.Attribute(self.t.leaf(node), "value", ast.Load())
        if isinstance(node.func, ast.Name) and node.func.id in _NOT_HERE:
            raise Untranslatable(f"`{node.func.id}` reaches into the process that it runs in")
        return self.generic_visit(node)  # type: ignore[return-value]

    def _is_bound(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id in self.t.bound

    def visit_Name(self, node: ast.Name) -> ast.expr:
        t, name = self.t, node.id
        if name in self.t.bound or not isinstance(node.ctx, ast.Load):
            return node
        if name in t.standing_for:
            meant = t.standing_for[name]
            if isinstance(meant, ast.Name) and meant.id == name:
                raise Untranslatable(f"`{name}` stands for itself")
            return self.visit(copy.deepcopy(meant))  # type: ignore[no-any-return]
        if name in t.returned:
            self.touched = True
            return ast.Attribute(node, "value", ast.Load())
        if name in t.pure:
            return node
        for kind in (self._of_test, self._of_notebook, self._of_python):
            if (made := kind(name)) is not None:
                return made
        raise Untranslatable(f"`{name}` is defined nowhere in the notebook")

    def _of_test(self, name: str) -> ast.expr | None:
        t = self.t
        if name in t.namespace.answers:
            return None
        if name in t.helpers.functions:
            if name not in t.definitions:
                helper = t.helpers.functions[name]
                t.definitions[name] = ""  # one that calls itself is being read already
                t.definitions[name] = self._pure_function(helper)
            return name_of(_uncollected(name))
        if name in t.helpers.data and name not in t.namespace.given:
            data = t.helpers.data[name]
            touched, value = t.rewritten(data.value)
            if touched:
                return None
            t.prelude.append(ast.Assign(targets=data.targets, value=value, lineno=0))
            t.pure.update(n.id for n in ast.walk(data.targets[0]) if isinstance(n, ast.Name))
            return name_of(name)
        return None

    def _pure_function(self, helper: ast.FunctionDef) -> str:
        inner = _Rewriter(self.t)
        with self.t.binding(helper):
            made = inner.visit(copy.deepcopy(helper))
        if inner.touched or any(
            isinstance(n, ast.Name) and n.id in FIXTURES for n in ast.walk(made)
        ):
            raise Untranslatable(f"`{helper.name}`, a function of the test, uses the student's")
        made.name = _uncollected(helper.name)
        return ast.unparse(ast.fix_missing_locations(made))

    def _of_notebook(self, name: str) -> ast.expr | None:
        t = self.t
        if name in t.namespace.values:
            self.touched = True
            return ast.Attribute(name_of(t.ask_value(name)), "value", ast.Load())
        if name in t.namespace.functions:
            raise Untranslatable(f"it uses the function `{name}` without calling it")
        if name in t.namespace.classes:
            raise Untranslatable(f"objects of the student's class `{name}` stay in their process")
        if name in t.namespace.given:
            return ast.Attribute(name_of("reference"), name, ast.Load())
        return None

    def _of_python(self, name: str) -> ast.expr | None:
        full = self.t.namespace.imports.get(name)
        if full is not None:
            if not is_installed(full):
                raise Untranslatable(f"the package `{full.split('.')[0]}` is not installed here")
            self.t.imports.add(import_line(name, full))
            return name_of(name)
        if hasattr(builtins, name):
            if name in _NOT_HERE:
                raise Untranslatable(f"`{name}` reaches into the process that it runs in")
            return name_of(name)
        return None

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        before, self.touched = self.touched, False
        made = self.generic_visit(node)
        if self.touched:  # whoever calls it might take what goes wrong there for something else
            raise Untranslatable("it hands a question to the student on as a function")
        self.touched = before
        return made  # type: ignore[return-value]

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.expr:
        raise Untranslatable("`:=` has no form as a check")

    def visit_Await(self, node: ast.Await) -> ast.expr:
        raise Untranslatable("`await` has no form as a check")


class OfSolution(_Rewriter):
    """Puts the solution's names in the place of the student's."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        return self.generic_visit(node)  # type: ignore[return-value]

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self.t.namespace.answers - self.t.pure:
            return ast.Attribute(name_of("reference"), node.id, ast.Load())
        return super().visit_Name(node)


def _uncollected(name: str) -> str:
    """Return a name that pytest does not take for a check's."""
    return f"_{name}" if name.startswith("test") else name


def names_in(node: ast.AST) -> set[str]:
    """Return the names in an expression."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _bound_inside(node: ast.AST) -> Iterator[str]:
    """Yield the names that comprehensions, lambdas and functions inside `node` have for themselves."""
    for each in ast.walk(node):
        match each:
            case ast.comprehension(target=target):
                yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))
            case ast.Lambda(args=arguments) | ast.FunctionDef(args=arguments):
                all_of = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
                yield from (a.arg for a in all_of)
                yield from (a.arg for a in (arguments.vararg, arguments.kwarg) if a)
                if isinstance(each, ast.FunctionDef):
                    for inner in ast.walk(each):
                        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                            yield inner.id


def name_of(name: str) -> ast.Name:
    """Return `name` as an expression."""
    return ast.Name(name, ast.Load())
