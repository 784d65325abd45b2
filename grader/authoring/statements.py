"""Assertions on a student's namespace, rewritten into questions to the student's process.

A test of nbgrader's or Otter's runs beside the student's code and reads its
variables. Here the same statements are read as syntax: ``assert f(3) == 9``
becomes ``expect(f(3)).equal(9)``, with ``f`` a function that is called in the
student's process, and everything else is computed in the grader's, from typed
data. What has no such form is refused with the reason, never run.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from grader.authoring.assertions import LIBRARIES, Assertions, Property
from grader.authoring.namespace import Namespace, bound_names, imported
from grader.authoring.questions import (
    AS_SOLUTION,
    FIXTURES,
    QUIET,
    Helpers,
    Untranslatable,
    names_in,
)
from grader.notebook.ipython_syntax import python_of

_HELPER_DEPTH = 5
_SHARED = frozenset(("namespace", "helpers"))


class Left(NamedTuple):
    """A statement that could not be carried over."""

    source: str
    reason: str


class Translation(NamedTuple):
    """A test as the body of a check.

    Attributes
    ----------
    body
        Its statements.
    imports
        Lines that the check's file needs.
    definitions
        Functions of the test's own that it needs, as source.
    properties
        By id: what ``expect.satisfies`` names.
    carried
        How many assertions it makes.
    left
        What could not be carried over.
    """

    body: list[str]
    imports: set[str]
    definitions: list[str]
    properties: dict[str, Property]
    carried: int
    left: list[Left]


def translate(
    source: str,
    namespace: Namespace,
    helpers: Helpers,
    *,
    prefix: str,
    rich: bool = True,
    by_name: bool = False,
) -> Translation:
    """Rewrite a test.

    Parameters
    ----------
    source
        Its statements. What they define stays in `helpers` for the tests that follow.
    prefix
        Begins the ids of its properties.
    rich
        Compare by ``expect(...).close`` and ``equal``, which explain a difference; False keeps
        every comparison as it is written.
    by_name
        The test is a function, and its parameters are names of the notebook.
    """
    try:
        tree = ast.parse(python_of(source))
    except SyntaxError as error:
        left = [Left(source, f"this is no Python: {error.msg}")]
        return Translation([], set(), [], {}, 0, left)
    translator = _Translator(namespace, helpers, prefix, rich)
    if by_name:
        function = next(s for s in tree.body if isinstance(s, ast.FunctionDef))
        tree = ast.Module(function.body, [])
    return translator.run(tree, source)


class _Translator(Assertions):
    """Reads a test statement by statement."""

    def __init__(self, namespace: Namespace, helpers: Helpers, prefix: str, rich: bool) -> None:
        super().__init__(namespace, helpers, prefix, rich)
        self.depth = 0
        self.returns = 0

    def run(self, tree: ast.Module, source: str) -> Translation:
        body: list[ast.stmt] = []
        left: list[Left] = []
        for statement in tree.body:
            before = self.state()
            try:
                body += self.statement(statement)
            except Untranslatable as reason:
                self.__dict__.update(before)
                text = ast.get_source_segment(source, statement) or ast.unparse(statement)
                left.append(Left(text, str(reason)))
                if self.spoiled is None and not self.only_asserts(statement):
                    first = text.splitlines()[0][:60]
                    self.spoiled = f"it stands behind `{first}`, which could not be carried over"
        asking = [ast.parse(f"{name} = {how}").body[0] for name, how in self.asked.items()]
        lines = [ast.unparse(ast.fix_missing_locations(s)) for s in (*asking, *self.prelude, *body)]
        definitions = list(self.definitions.values())
        return Translation(lines, self.imports, definitions, self.properties, self.carried, left)

    def state(self) -> dict[str, Any]:
        """What is known now, to go back to where a statement cannot be carried over."""
        return {key: copy.copy(value) for key, value in vars(self).items() if key not in _SHARED}

    def only_asserts(self, statement: ast.stmt) -> bool:
        """Whether a statement changes nothing for those behind it."""
        match statement:
            case ast.Assert():
                return True
            case ast.Expr(value=ast.Call(func=function)):
                name = self.full_name(function) or ""
                return name.startswith((AS_SOLUTION, *LIBRARIES))
        return False

    # -- statements -----------------------------------------------------------------

    def statement(self, node: ast.stmt) -> list[ast.stmt]:
        """Return what stands for a statement of the test."""
        match node:
            case ast.Pass():
                return []
            case ast.Import() | ast.ImportFrom():
                self.namespace.imports.update(imported(node))
                return []
            case ast.FunctionDef():
                self.helpers.functions[node.name] = node
                self.standing_for.pop(node.name, None)
                return []
            case ast.Expr(value=value):
                return self.expression_statement(value)
            case ast.Assert(test=test, msg=message):
                return self.assertion(test, message)
            case ast.Assign(targets=[target], value=value):
                return self.assignment(target, value, node)
            case ast.AnnAssign(target=target, value=value) if value is not None:
                plain = ast.Assign(targets=[target], value=value, lineno=0)
                return self.assignment(target, value, plain)
            case ast.For(orelse=[]):
                return [self.loop(node)]
            case ast.If():
                return self.condition(node)
            case ast.With(items=[item], body=[ast.Expr(value=call)]):
                return self.raising_block(item.context_expr, call)
            case ast.Try():
                return self.trial(node)
            case ast.Raise():
                raise Untranslatable("it raises by itself")
            case ast.Delete() | ast.Global():
                raise Untranslatable("it changes the student's variables")
            case ast.AugAssign(target=ast.Name(id=name)) if name in self.pure:
                return [self.own(node)]
            case _:
                raise Untranslatable(f"{_kind(node)} has no form as a check")

    def block(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        made = [line for statement in body for line in self.statement(statement)]
        return made or [ast.Pass()]

    def expression_statement(self, value: ast.expr) -> list[ast.stmt]:
        if isinstance(value, ast.Constant):
            return []
        if isinstance(value, ast.Call):
            name = self.full_name(value.func)
            if name in QUIET:
                return []
            if name is not None and name.startswith(LIBRARIES):
                return self.library_assertion(name.rpartition(".")[2], value)
            if isinstance(value.func, ast.Name) and value.func.id == AS_SOLUTION:
                return self.as_solution(value.args[0])
            if isinstance(value.func, ast.Name):
                helper = self.helpers.functions.get(value.func.id)
                if helper is not None and value.func.id not in self.namespace.answers:
                    return self.helper_call(helper, value)
        touched, made = self.rewritten(value)
        if not touched:
            return [ast.Expr(value=made)]
        if isinstance(value, ast.Call) and self.is_leaf(value):
            raise Untranslatable(
                "it calls a function of the student's for what that changes, and changes stay in "
                "the student's process"
            )
        raise Untranslatable("it computes something and checks nothing")

    def assignment(self, target: ast.expr, value: ast.expr, node: ast.Assign) -> list[ast.stmt]:
        names = [n.id for n in ast.walk(target) if isinstance(n, ast.Name)]
        self.check_own(names)
        if isinstance(target, ast.Name) and isinstance(value, ast.Name):
            meant = self.resolved(value)
            if isinstance(meant, ast.Name) and meant.id in self.namespace.functions:
                self.stand_for(target.id, meant)
                return []
        touched, made = self.rewritten(value)
        if not touched:
            parts = [n for n in ast.walk(target) if isinstance(n, (ast.Attribute, ast.Subscript))]
            if parts and not self.pure.issuperset(names):
                raise Untranslatable("it changes something that is not its own")
            self.pure.update(names)
            for name in names:
                self.standing_for.pop(name, None)
                self.returned.discard(name)
                if not self.depth:
                    self.helpers.data[name] = node
            return [ast.Assign(targets=[target], value=made, lineno=0)]
        if isinstance(target, ast.Name):
            if isinstance(value, ast.Call) and self.is_leaf(value):
                self.returned.add(target.id)
                self.standing_for.pop(target.id, None)
                self.pure.discard(target.id)
                return [ast.Assign(targets=[target], value=self.leaf(value), lineno=0)]
            self.stand_for(target.id, self.resolved(value))
            return []
        if isinstance(target, ast.Tuple) and all(isinstance(t, ast.Name) for t in target.elts):
            made_lines: list[ast.stmt] = []
            whole: ast.expr = self.resolved(value)
            if isinstance(value, ast.Call) and self.is_leaf(value):
                self.returns += 1
                held = f"returned_{self.returns}"
                self.returned.add(held)
                assign = ast.Assign(
                    targets=[ast.Name(held, ast.Store())], value=self.leaf(value), lineno=0
                )
                made_lines.append(assign)
                whole = ast.Name(held, ast.Load())
            for place, name in enumerate(names):
                item = ast.Subscript(whole, ast.Constant(place), ast.Load())
                self.stand_for(name, item)
            return made_lines
        raise Untranslatable("it assigns a part of something that comes from the student")

    def check_own(self, names: Iterable[str]) -> None:
        """See that names which the test assigns are its own, and mean nothing else in a check."""
        for name in names:
            if name in self.namespace.answers:
                raise Untranslatable(f"it assigns `{name}`, a variable of the student's")
            if name in FIXTURES:
                raise Untranslatable(f"`{name}` means something else in a check")

    def stand_for(self, name: str, value: ast.expr) -> None:
        if name in names_in(value):
            raise Untranslatable(f"it assigns `{name}` anew from what it was")
        self.standing_for[name] = value
        self.returned.discard(name)
        self.pure.discard(name)

    def loop(self, node: ast.For) -> ast.stmt:
        touched, iterated = self.rewritten(node.iter)
        if touched:
            raise Untranslatable("it loops over what comes from the student")
        names = {n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)}
        self.check_own(names)
        self.pure |= names
        for name in names:
            self.standing_for.pop(name, None)
        body = self.block(node.body)
        return ast.For(target=node.target, iter=iterated, body=body, orelse=[], lineno=0)

    def condition(self, node: ast.If) -> list[ast.stmt]:
        if not node.orelse and len(node.body) == 1 and _fails(node.body[0]):
            return self.assertion(ast.UnaryOp(ast.Not(), node.test), None)
        touched, test = self.rewritten(node.test)
        if touched:
            raise Untranslatable("what it checks depends on an answer")
        body = self.block(node.body)
        orelse = self.block(node.orelse) if node.orelse else []
        return [ast.If(test=test, body=body, orelse=orelse)]

    def raising_block(self, context: ast.expr, call: ast.expr) -> list[ast.stmt]:
        """``with pytest.raises(E): f(x)``."""
        if isinstance(context, ast.Call) and context.args:
            name = self.full_name(context.func) or ""
            if name == "pytest.raises" or name.endswith(("assert_raises", "assertRaises")):
                return self.raising(context.args[0], call)
        raise Untranslatable("a `with` block has no form as a check")

    def trial(self, node: ast.Try) -> list[ast.stmt]:
        """``try: f(x)`` / ``except E: pass`` / ``else: raise AssertionError``."""
        match node:
            case ast.Try(
                body=[ast.Expr(value=called) | ast.Assign(value=called), *more],
                handlers=[ast.ExceptHandler(type=kind, body=handled)],
                orelse=otherwise,
                finalbody=[],
            ) if kind is not None:
                silent = all(isinstance(s, ast.Pass) or _prints(s) for s in handled)
                failing = [*more, *otherwise]
                if silent and len(failing) == 1 and _fails(failing[0]):
                    return self.raising(kind, called)
        raise Untranslatable("a `try` block has no form as a check, unless it expects an exception")

    def helper_call(self, helper: ast.FunctionDef, call: ast.Call) -> list[ast.stmt]:
        """Carry over a function of the test's own that makes assertions, with its arguments put in."""
        arguments = helper.args
        odd = arguments.vararg or arguments.kwarg or arguments.kwonlyargs or call.keywords
        names = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
        missing = len(names) - len(call.args)
        defaults = list(arguments.defaults[len(arguments.defaults) - missing :]) if missing else []
        if odd or missing != len(defaults) or self.depth >= _HELPER_DEPTH:
            raise Untranslatable("it calls a function of the test in a way that cannot be followed")
        if any(isinstance(n, ast.Return) and n.value for n in ast.walk(helper)):
            raise Untranslatable("it calls a function of the test that returns something")
        given = [self.resolved(value) for value in (*call.args, *defaults)]
        return self.inlined(helper, dict(zip(names, given, strict=True)))

    def inlined(self, helper: ast.FunctionDef, given: dict[str, ast.expr]) -> list[ast.stmt]:
        before = dict(self.standing_for), set(self.pure), set(self.returned)
        inside = {n for statement in helper.body for n in bound_names(statement)}
        taken = self.pure | self.returned | self.namespace.answers | set(self.standing_for)
        given = {n: v for n, v in given.items() if not (isinstance(v, ast.Name) and v.id == n)}
        if inside & taken or any(set(given) & names_in(value) for value in given.values()):
            raise Untranslatable("it calls a function of the test with names that clash")
        self.depth += 1
        try:
            for name, value in given.items():
                self.stand_for(name, value)
            return self.block(helper.body)
        finally:
            self.depth -= 1
            self.standing_for, self.pure, self.returned = before


def _fails(statement: ast.stmt) -> bool:
    """Whether a statement always fails a test: ``raise AssertionError``, ``assert False``."""
    match statement:
        case ast.Raise(exc=ast.Call(func=ast.Name(id="AssertionError" | "Exception"))):
            return True
        case ast.Raise(exc=ast.Name(id="AssertionError" | "Exception")):
            return True
        case ast.Assert(test=ast.Constant(value=False | 0)):
            return True
    return False


def _prints(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Name(id="print"))):
            return True
        case ast.Assert(test=ast.Constant(value=True)):
            return True
    return False


def _kind(node: ast.stmt) -> str:
    names = {
        ast.ClassDef: "a class",
        ast.While: "a `while` loop",
        ast.With: "a `with` block",
        ast.AugAssign: "changing a variable of the student's",
    }
    return names.get(type(node), f"`{type(node).__name__.lower()}`")


def as_written(source: str) -> str:
    """Return a test as the author knows it."""
    return re.sub(rf"{AS_SOLUTION}\((.*)\)$", r"### AUTOTEST \1", source, flags=re.MULTILINE)
