"""Assertions about a student's answers, as expectations that explain themselves.

``assert f(3) == 9`` becomes ``expect(f(3)).equal(9)``, and whatever has no such
form ``expect.satisfies(lambda: ...)``.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import NamedTuple

from grader.authoring.namespace import Namespace
from grader.authoring.questions import Helpers, OfSolution, Questions, Untranslatable, name_of

LIBRARIES = ("nose.tools.", "numpy.testing.", "unittest.TestCase.", "torch.testing.")
_SHOWN = 160


class Property(NamedTuple):
    """What a student reads where an assertion does not hold: `message` is its own, if it has one."""

    code: str
    message: str | None
    raises: str | None


class Assertions(Questions):
    """What one test asserts.

    Attributes
    ----------
    rich
        Whether to compare by ``close`` and ``equal``.
    properties
        By id: what ``expect.satisfies`` names.
    carried
        How many assertions were rewritten.
    """

    def __init__(self, namespace: Namespace, helpers: Helpers, prefix: str, rich: bool) -> None:
        super().__init__(namespace, helpers)
        self.prefix = prefix
        self.rich = rich
        self.properties: dict[str, Property] = {}
        self.carried = 0

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
        expectation = ast.Call(name_of("expect"), [self.leaf(answer)], [])
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
                ast.Attribute(name_of("np"), "allclose", ast.Load()),
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
            equal = ast.Attribute(name_of("np"), "array_equal", ast.Load())
            return self.assertion(ast.Call(equal, list(args[:2]), []), None)
        if plain in ("asserttrue", "ok", "assert") and args:
            return self.assertion(args[0], message)
        if plain == "assertfalse" and args:
            return self.assertion(ast.UnaryOp(ast.Not(), args[0]), message)
        if plain == "assertisinstance" and len(args) >= 2:
            return self.assertion(ast.Call(name_of("isinstance"), list(args[:2]), []), None)
        raise Untranslatable(f"`{name}` has no form as a check")

    def as_solution(self, asked: ast.expr) -> list[ast.stmt]:
        """Expect of the student what the solution gives."""
        touched, made = self.rewritten(asked)
        if not touched:
            raise Untranslatable("it asks nothing of the student's notebook")
        with self.binding(asked):
            wanted = OfSolution(self).visit(self.resolved(asked))
        self.carried += 1
        if self.rich and self.is_leaf(asked):
            expectation = ast.Call(name_of("expect"), [self.leaf(asked)], [])
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
            raised = ast.Call(
                ast.Attribute(name_of(function), "raised", ast.Load()), args, keywords
            )
            nothing = ast.BoolOp(ast.Or(), [raised, ast.Call(name_of("type"), [_none()], [])])
            made = ast.Call(name_of("issubclass"), [nothing, kind], [])
            if not touched:
                self.carried += 1
                return [self.satisfies(made, called, None, raises=ast.unparse(expected))]
        raise Untranslatable("it expects an exception of something other than a student's function")


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


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"


def _none() -> ast.Constant:
    return ast.Constant(None)


def _call(function: str, *args: ast.expr) -> ast.stmt:
    parsed = ast.parse(function, mode="eval").body
    return ast.Expr(ast.Call(parsed, list(args), []))
