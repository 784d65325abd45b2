"""Assertions on a student's namespace, rewritten into questions to the student's process.

A test of nbgrader's or Otter's runs beside the student's code and reads its
variables. Here the same statements are read as syntax: ``assert f(3) == 9``
becomes ``expect(f(3)).equal(9)``, with ``f`` a function that is called in the
student's process, and everything else is computed in the grader's, from typed
data. What has no such form is refused with the reason, never run.
"""

from __future__ import annotations

import ast
import builtins
import copy
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from grader.authoring.namespace import (
    Namespace,
    bound_names,
    import_line,
    imported,
    is_installed,
)
from grader.notebook.ipython_syntax import python_of
from grader.notebook.scopes import dotted_name

AS_SOLUTION = "__as_the_solution__"
"""``__as_the_solution__(f(3))`` in a test: the student's is what the solution's is."""
FIXTURES = ("student", "reference", "expect", "rng")
_NOT_HERE = frozenset(
    "__import__ breakpoint callable compile delattr dir eval exec getattr globals hasattr help "
    "input locals open setattr vars".split()
)
_QUIET = frozenset(("print", "display"))
_LIBRARIES = ("nose.tools.", "numpy.testing.", "unittest.TestCase.", "torch.testing.")
_HELPER_DEPTH = 5
_SHOWN = 160
Node = TypeVar("Node", bound=ast.AST)


class Untranslatable(Exception):
    """A statement that has no sound form as a check; the message says why."""


class Left(NamedTuple):
    """A statement that could not be carried over."""

    source: str
    reason: str


class Property(NamedTuple):
    """What a student reads where an assertion does not hold: `message` is its own, if it has one."""

    code: str
    message: str | None
    raises: str | None


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


class Helpers:
    """What earlier tests of a notebook define for later ones: functions, and data of their own."""

    def __init__(self) -> None:
        self.functions: dict[str, ast.FunctionDef] = {}
        self.data: dict[str, ast.Assign] = {}


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


class _Translator:
    def __init__(self, namespace: Namespace, helpers: Helpers, prefix: str, rich: bool) -> None:
        self.namespace = namespace
        self.helpers = helpers
        self.prefix = prefix
        self.rich = rich
        self.pure: set[str] = set()  # the test's own data
        self.returned: set[str] = set()  # its names for what a student's function returned
        self.standing_for: dict[str, ast.expr] = {}  # its names for expressions of answers
        self.imports: set[str] = set()
        self.definitions: dict[str, str] = {}
        self.asked: dict[str, str] = {}  # the student's names, and how each is asked for
        self.prelude: list[ast.stmt] = []
        self.properties: dict[str, Property] = {}
        self.carried = 0
        self.spoiled: str | None = None
        self.depth = 0
        self.bound: set[str] = set()  # names that an expression has for itself
        self.returns = 0

    def run(self, tree: ast.Module, source: str) -> Translation:
        body: list[ast.stmt] = []
        left: list[Left] = []
        for statement in tree.body:
            before = self.carried, dict(self.properties), dict(self.asked), list(self.prelude)
            try:
                body += self.statement(statement)
            except Untranslatable as reason:
                self.carried, self.properties, self.asked, self.prelude = before
                text = ast.get_source_segment(source, statement) or ast.unparse(statement)
                left.append(Left(text, str(reason)))
                if self.spoiled is None and not self.only_asserts(statement):
                    first = text.splitlines()[0][:60]
                    self.spoiled = f"it stands behind `{first}`, which could not be carried over"
        asking = [ast.parse(f"{name} = {how}").body[0] for name, how in self.asked.items()]
        lines = [ast.unparse(ast.fix_missing_locations(s)) for s in (*asking, *self.prelude, *body)]
        definitions = list(self.definitions.values())
        return Translation(lines, self.imports, definitions, self.properties, self.carried, left)

    def only_asserts(self, statement: ast.stmt) -> bool:
        """Whether a statement changes nothing for those behind it."""
        match statement:
            case ast.Assert():
                return True
            case ast.Expr(value=ast.Call(func=function)):
                name = self.full_name(function) or ""
                return name.startswith((AS_SOLUTION, *_LIBRARIES))
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
            if name in _QUIET:
                return []
            if name is not None and name.startswith(_LIBRARIES):
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
            if any(isinstance(n, (ast.Attribute, ast.Subscript)) for n in ast.walk(target)):
                self.rewritten(target)  # refuses what is not the test's own
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
        if name in _names_in(value):
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
        if inside & taken or any(set(given) & _names_in(value) for value in given.values()):
            raise Untranslatable("it calls a function of the test with names that clash")
        self.depth += 1
        try:
            for name, value in given.items():
                self.stand_for(name, value)
            return self.block(helper.body)
        finally:
            self.depth -= 1
            self.standing_for, self.pure, self.returned = before

    # -- assertions -----------------------------------------------------------------

    def assertion(self, test: ast.expr, message: ast.expr | None = None) -> list[ast.stmt]:
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            return [line for part in test.values for line in self.assertion(part, message)]
        explained = self.explained(test) if self.rich else None
        if explained is not None:
            self.carried += 1
            return [explained]
        touched, made = self.rewritten(test)
        if not touched:
            raise Untranslatable("it asks nothing of the student's notebook")
        self.carried += 1
        return [self.satisfies(made, test, message)]

    def satisfies(
        self, made: ast.expr, test: ast.expr, message: ast.expr | None, raises: str | None = None
    ) -> ast.stmt:
        text = message.value if isinstance(message, ast.Constant) else None
        name = f"{self.prefix}-{len(self.properties) + 1}"
        shown = _cut(ast.unparse(self.resolved(test)))
        self.properties[name] = Property(shown, text if isinstance(text, str) else None, raises)
        held = ast.Lambda(ast.arguments([], [], None, [], [], None, []), made)
        return _call("expect.satisfies", held, ast.Constant(name))

    def explained(self, test: ast.expr) -> ast.stmt | None:
        """The form of an assertion that explains a difference, where there is one."""
        match test:
            case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
                return self.equality(left, right)
            case ast.Compare(left=left, ops=[ast.Lt() | ast.LtE()], comparators=[bound]):
                return self.small_difference(left, bound)
            case ast.Compare(left=bound, ops=[ast.Gt() | ast.GtE()], comparators=[left]):
                return self.small_difference(left, bound)
            case ast.Call(func=ast.Attribute(value=inner, attr="all"), args=[], keywords=[]):
                return self.all_equal(inner)
            case ast.Call():
                return self.closeness(test)
        return None

    def equality(self, left: ast.expr, right: ast.expr) -> ast.stmt | None:
        for answer, wanted in ((left, right), (right, left)):
            if not self.is_leaf(answer):
                continue
            if isinstance(wanted, ast.Call) and self.full_name(wanted.func) == "pytest.approx":
                options = {"rel": "rtol", "abs": "atol"}
                given = {options.get(k.arg or "", ""): k.value for k in wanted.keywords}
                if len(wanted.args) == 1 and "" not in given:
                    defaults = {"rtol": ast.Constant(1e-6), "atol": ast.Constant(1e-12)}
                    return self.compared("close", answer, wanted.args[0], {**defaults, **given})
            return self.compared("equal", answer, wanted, {})
        return None

    def all_equal(self, inner: ast.expr) -> ast.stmt | None:
        match inner:
            case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
                return self.equality(left, right)
        return None

    def small_difference(self, left: ast.expr, bound: ast.expr) -> ast.stmt | None:
        """``abs(f(x) - y) < tolerance``."""
        match left:
            case ast.Call(func=func, args=[ast.BinOp(left=a, op=ast.Sub(), right=b)], keywords=[]):
                if self.full_name(func) in ("abs", "numpy.abs", "math.fabs", "numpy.absolute"):
                    for answer, wanted in ((a, b), (b, a)):
                        if self.is_leaf(answer):
                            tolerance = {"atol": bound, "rtol": ast.Constant(0)}
                            return self.compared("close", answer, wanted, tolerance)
        return None

    def closeness(self, call: ast.Call) -> ast.stmt | None:
        name = self.full_name(call.func)
        if name is None or len(call.args) < 2:
            return None
        if name in ("numpy.array_equal", "torch.equal"):
            return self.between(call.args, "equal", {})
        if name == "numpy.all" or name not in _CLOSE:
            return None
        names, defaults = _CLOSE[name]
        tolerances = _tolerances(call, names, defaults)
        return None if tolerances is None else self.between(call.args, "close", tolerances)

    def between(
        self, args: Sequence[ast.expr], method: str, options: dict[str, ast.expr]
    ) -> ast.stmt | None:
        for answer, wanted in ((args[0], args[1]), (args[1], args[0])):
            if self.is_leaf(answer):
                return self.compared(method, answer, wanted, options)
        return None

    def compared(
        self, method: str, answer: ast.expr, wanted: ast.expr, options: dict[str, ast.expr]
    ) -> ast.stmt | None:
        """``expect(answer).close(wanted, ...)``; None if `wanted` comes from the student as well."""
        made: list[ast.expr] = []
        for value in (wanted, *options.values()):
            touched, each = self.rewritten(value)
            if touched:
                return None
            made.append(each)
        expectation = ast.Call(_name("expect"), [self.leaf(answer)], [])
        keywords = [ast.keyword(k, v) for k, v in zip(options, made[1:], strict=True)]
        return ast.Expr(
            ast.Call(ast.Attribute(expectation, method, ast.Load()), [made[0]], keywords)
        )

    def library_assertion(self, name: str, call: ast.Call) -> list[ast.stmt]:
        """What nose, numpy, torch and unittest have for ``assert``."""
        plain = name.replace("_", "").lower()
        args = call.args
        message = args[-1] if len(args) == 3 and isinstance(args[-1], ast.Constant) else None
        if plain in ("assertraises", "raises") and len(args) >= 2:
            function, *arguments = args[1:]
            if isinstance(function, ast.Lambda) and not arguments:
                return self.raising(args[0], function.body)
            return self.raising(args[0], ast.Call(function, arguments, call.keywords))
        tolerance = self.numeric_tolerance(plain, call)
        if tolerance is not None and len(args) >= 2:
            a, b, options = args[0], args[1], tolerance
            if self.rich and (made := self.between((a, b), "close", options)) is not None:
                self.carried += 1
                return [made]
            near = ast.Call(
                ast.Attribute(_name("np"), "allclose", ast.Load()),
                [a, b],
                [ast.keyword(k, v) for k, v in options.items()],
            )
            self.namespace.imports.setdefault("np", "numpy")
            return self.assertion(near, None)
        if plain in _COMPARED and len(args) >= 2:
            test: ast.expr = ast.Compare(args[0], [_COMPARED[plain]()], [args[1]])
            return self.assertion(test, message)
        if plain == "assertarrayequal" and len(args) >= 2:
            self.namespace.imports.setdefault("np", "numpy")
            equal = ast.Attribute(_name("np"), "array_equal", ast.Load())
            return self.assertion(ast.Call(equal, list(args[:2]), []), None)
        if plain in ("asserttrue", "ok", "assert") and args:
            return self.assertion(args[0], message)
        if plain == "assertfalse" and args:
            return self.assertion(ast.UnaryOp(ast.Not(), args[0]), message)
        if plain == "assertisinstance" and len(args) >= 2:
            return self.assertion(ast.Call(_name("isinstance"), list(args[:2]), []), None)
        raise Untranslatable(f"`{name}` has no form as a check")

    def as_solution(self, asked: ast.expr) -> list[ast.stmt]:
        """Expect of the student what the solution gives."""
        touched, made = self.rewritten(asked)
        if not touched:
            raise Untranslatable("it asks nothing of the student's notebook")
        with self.binding(asked):
            wanted = _OfSolution(self).visit(self.resolved(asked))
        self.carried += 1
        if self.rich and self.is_leaf(asked):
            expectation = ast.Call(_name("expect"), [self.leaf(asked)], [])
            equal = ast.Attribute(expectation, "equal", ast.Load())
            return [ast.Expr(ast.Call(equal, [wanted], []))]
        return [self.satisfies(ast.Compare(made, [ast.Eq()], [wanted]), asked, None)]

    def numeric_tolerance(self, plain: str, call: ast.Call) -> dict[str, ast.expr] | None:
        given = {k.arg: k.value for k in call.keywords}
        third = call.args[2] if len(call.args) > 2 else None
        if plain == "assertallclose":
            found = _tolerances(call, ("rtol", "atol"), (1e-7, 0.0))
            if found is None:
                raise Untranslatable("an option of its comparison has no form as a check")
            return found
        library = self.full_name(call.func) or ""
        if plain in ("assertalmostequal", "assertarrayalmostequal"):
            numpys = library.startswith("numpy.")
            digits = given.get("decimal" if numpys else "places", third)
            value = digits.value if isinstance(digits, ast.Constant) else None
            if digits is None:
                value = 6 if plain == "assertarrayalmostequal" else 7
            if not isinstance(value, int) or set(given) & {"delta"}:
                raise Untranslatable("its tolerance is not written as a number of digits")
            half = 1.5 if numpys else 0.5
            return {"atol": ast.Constant(float(f"{half}e-{value}")), "rtol": ast.Constant(0)}
        return None

    def raising(self, expected: ast.expr, called: ast.expr) -> list[ast.stmt]:
        """Expect that a call of the student's function raises `expected`."""
        if (
            isinstance(called, ast.Call)
            and isinstance(called.func, ast.Name)
            and self.is_leaf(called)
        ):
            touched, kind = self.rewritten(expected)
            function = self.ask_function(self.alias_of(called.func))
            args, keywords = self.arguments(called)
            raised = ast.Call(ast.Attribute(_name(function), "raised", ast.Load()), args, keywords)
            nothing = ast.BoolOp(ast.Or(), [raised, ast.Call(_name("type"), [_none()], [])])
            made = ast.Call(_name("issubclass"), [nothing, kind], [])
            if not touched:
                self.carried += 1
                return [self.satisfies(made, called, None, raises=ast.unparse(expected))]
        raise Untranslatable("it expects an exception of something other than a student's function")

    # -- expressions ----------------------------------------------------------------

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
            return dotted if root in _QUIET or hasattr(builtins, root) else None
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
            return _name(node.id if node.id in self.returned else self.ask_value(node.id))
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            raise TypeError(f"no answer: {ast.unparse(node)}")
        function = self.ask_function(self.alias_of(node.func))
        args, keywords = self.arguments(node)
        return ast.Call(_name(function), args, keywords)

    def arguments(self, call: ast.Call) -> tuple[list[ast.expr], list[ast.keyword]]:
        args = [self.argument(value) for value in call.args]
        return args, [ast.keyword(k.arg, self.argument(k.value)) for k in call.keywords]

    def argument(self, value: ast.expr) -> ast.expr:
        if isinstance(value, ast.Name):
            name = self.alias_of(value)
            if name in self.namespace.functions and name not in self.pure | self.returned:
                function = _name(self.ask_function(name))
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

    def __init__(self, translator: _Translator) -> None:
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
            return _name(_uncollected(name))
        if name in t.helpers.data and name not in t.namespace.given:
            data = t.helpers.data[name]
            touched, value = t.rewritten(data.value)
            if touched:
                return None
            t.prelude.append(ast.Assign(targets=data.targets, value=value, lineno=0))
            t.pure.update(n.id for n in ast.walk(data.targets[0]) if isinstance(n, ast.Name))
            return _name(name)
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
            return ast.Attribute(_name(t.ask_value(name)), "value", ast.Load())
        if name in t.namespace.functions:
            raise Untranslatable(f"it uses the function `{name}` without calling it")
        if name in t.namespace.classes:
            raise Untranslatable(f"objects of the student's class `{name}` stay in their process")
        if name in t.namespace.given:
            return ast.Attribute(_name("reference"), name, ast.Load())
        return None

    def _of_python(self, name: str) -> ast.expr | None:
        full = self.t.namespace.imports.get(name)
        if full is not None:
            if not is_installed(full):
                raise Untranslatable(f"the package `{full.split('.')[0]}` is not installed here")
            self.t.imports.add(import_line(name, full))
            return _name(name)
        if hasattr(builtins, name):
            if name in _NOT_HERE:
                raise Untranslatable(f"`{name}` reaches into the process that it runs in")
            return _name(name)
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


class _OfSolution(_Rewriter):
    """Puts the solution's names in the place of the student's."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        return self.generic_visit(node)  # type: ignore[return-value]

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self.t.namespace.answers - self.t.pure:
            return ast.Attribute(_name("reference"), node.id, ast.Load())
        return super().visit_Name(node)


def _uncollected(name: str) -> str:
    """Return a name that pytest does not take for a check's."""
    return f"_{name}" if name.startswith("test") else name


def as_written(source: str) -> str:
    """Return a test as the author knows it."""
    return re.sub(rf"{AS_SOLUTION}\((.*)\)$", r"### AUTOTEST \1", source, flags=re.MULTILINE)


def _names_in(node: ast.AST) -> set[str]:
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


# Names of the tolerances in the order of the positions behind the two numbers, and their defaults.
_CLOSE: dict[str, tuple[tuple[str, str], tuple[float, float]]] = {
    "numpy.allclose": (("rtol", "atol"), (1e-5, 1e-8)),
    "numpy.isclose": (("rtol", "atol"), (1e-5, 1e-8)),
    "torch.allclose": (("rtol", "atol"), (1e-5, 1e-8)),
    "math.isclose": (("rel_tol", "abs_tol"), (1e-9, 0.0)),
}
_COMPARED: dict[str, Callable[[], ast.cmpop]] = {
    "assertequal": ast.Eq,
    "assertequals": ast.Eq,
    "eq": ast.Eq,
    "assertnotequal": ast.NotEq,
    "assertlistequal": ast.Eq,
    "assertdictequal": ast.Eq,
    "asserttupleequal": ast.Eq,
    "assertsetequal": ast.Eq,
    "assertin": ast.In,
    "assertnotin": ast.NotIn,
    "assertgreater": ast.Gt,
    "assertgreaterequal": ast.GtE,
    "assertless": ast.Lt,
    "assertlessequal": ast.LtE,
}


def _tolerances(
    call: ast.Call, names: Sequence[str], defaults: Sequence[float]
) -> dict[str, ast.expr] | None:
    """The tolerances of a comparison; None if it has an option that is none."""
    found = dict(zip(names, (ast.Constant(d) for d in defaults), strict=True))
    given: dict[str, ast.expr] = {**found, **dict(zip(names, call.args[2:], strict=False))}
    for keyword in call.keywords:
        if keyword.arg in ("err_msg", "verbose", "msg"):
            continue
        if keyword.arg is None or keyword.arg not in names:
            return None
        given[keyword.arg] = keyword.value
    ours = {"rel_tol": "rtol", "abs_tol": "atol"}
    return {ours.get(name, name): value for name, value in given.items()}


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


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"


def _name(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _none() -> ast.Constant:
    return ast.Constant(None)


def _call(function: str, *args: ast.expr) -> ast.stmt:
    parsed = ast.parse(function, mode="eval").body
    return ast.Expr(ast.Call(parsed, list(args), []))
