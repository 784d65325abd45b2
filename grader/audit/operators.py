"""Mutation operators: small mistakes in a solution, made from its syntax tree.

Each operator looks at one node and yields what a student could have written there instead. They
are the slips of this field: a wrong operator or constant, another axis, one too many or too few, a
lost sign, a missing transposition or flip, the wrong reduction, less precision, an omitted term.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any, Literal, NamedTuple

Kind = Literal[
    "operator",
    "constant",
    "axis",
    "off by one",
    "sign",
    "transposition",
    "order",
    "flip",
    "reduction",
    "dtype",
    "omission",
]


class Change(NamedTuple):
    """`node` is to be replaced by `new`; None removes a statement."""

    kind: Kind
    node: ast.expr | ast.stmt
    new: ast.expr | ast.stmt


ONLY_SHOWN = frozenset(
    "print display tqdm plt pyplot sns ax axes axs axis fig figure warnings logging".split()
)
"""Names whose calls only show something: what they are given decides no value."""

_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], Kind]] = {
    ast.Lt: (ast.LtE, "off by one"),
    ast.LtE: (ast.Lt, "off by one"),
    ast.Gt: (ast.GtE, "off by one"),
    ast.GtE: (ast.Gt, "off by one"),
    ast.Eq: (ast.NotEq, "operator"),
    ast.NotEq: (ast.Eq, "operator"),
    ast.In: (ast.NotIn, "operator"),
    ast.NotIn: (ast.In, "operator"),
    ast.Is: (ast.IsNot, "operator"),
    ast.IsNot: (ast.Is, "operator"),
}
_REDUCTIONS = {
    "sum": "mean",
    "mean": "sum",
    "max": "min",
    "min": "max",
    "amax": "amin",
    "amin": "amax",
    "argmax": "argmin",
    "argmin": "argmax",
    "maximum": "minimum",
    "minimum": "maximum",
    "std": "var",
    "var": "std",
    "any": "all",
    "all": "any",
    "prod": "sum",
    "cumsum": "cumprod",
}
_LESS_PRECISE = {
    "float64": "float32",
    "double": "float",
    "float32": "float16",
    "int64": "int32",
    "long": "int",
}
_TRANSPOSING = frozenset({"t", "transpose", "permute", "swapaxes", "moveaxis"})
_FLIPPING = frozenset({"flip", "fliplr", "flipud", "rot90"})
_ELEMENTWISE = frozenset(
    "relu relu6 leaky_relu gelu tanh sigmoid softmax log_softmax exp log log2 sqrt square abs "
    "clamp clip round dropout normalize sorted reversed sign".split()
)
"""Functions that a student can forget: what they are given has the form of what they return."""
_SMALLEST = 1e-6
"""Constants nearer to zero keep a division finite; twice as much of them is no mistake."""

Operator = Callable[[ast.AST, "Tree"], Iterator[Change]]


class Tree:
    """A syntax tree whose nodes know their parents."""

    def __init__(self, source: str) -> None:
        self.root = ast.parse(source)
        self._parents = {
            child: parent
            for parent in ast.walk(self.root)
            for child in ast.iter_child_nodes(parent)
        }

    def parent(self, node: ast.AST) -> ast.AST | None:
        """The node that holds `node`; None at the root."""
        return self._parents.get(node)

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield what holds `node`, from inside out."""
        at = self.parent(node)
        while at is not None:
            yield at
            at = self.parent(at)

    def decides_nothing(self, node: ast.AST) -> bool:
        """Whether `node` is only shown, said or announced: a text, an annotation, a picture."""
        child = node
        if isinstance(node, ast.Expr):
            node = node.value
        for parent in (node, *self.around(node)):
            if isinstance(parent, ast.keyword) and parent.arg == "strict":
                return True  # `zip(..., strict=True)` finds slips elsewhere
            if isinstance(parent, ast.Compare) and _root_name(parent.left) == "__name__":
                return True
            if isinstance(
                parent, (ast.JoinedStr, ast.Raise, ast.Assert, ast.Import, ast.ImportFrom)
            ):
                return True
            if isinstance(parent, ast.Call) and _root_name(parent.func) in ONLY_SHOWN:
                return True
            if isinstance(parent, ast.arg) or (
                isinstance(parent, ast.AnnAssign) and child is parent.annotation
            ):
                return True
            if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and (
                child in parent.decorator_list or child is getattr(parent, "returns", None)
            ):
                return True
            child = parent
        return False


def changes(tree: Tree, node: ast.AST) -> Iterator[Change]:
    """Yield what can go wrong at `node`."""
    for operator in OPERATORS:
        yield from operator(node, tree)


# ---------------------------------------------------------------- the operators


def _arithmetic(node: ast.AST, _tree: Tree) -> Iterator[Change]:
    if isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in _ARITHMETIC:
        yield Change("operator", node, _with(node, op=_ARITHMETIC[type(node.op)]()))
    elif isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield Change("operator", node, _with(node, op=other))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.Invert)):
        yield Change("operator", node, node.operand)


def _comparison(node: ast.AST, _tree: Tree) -> Iterator[Change]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARISONS:
        other, kind = _COMPARISONS[type(node.ops[0])]
        yield Change(kind, node, _with(node, ops=[other()]))


def _condition(node: ast.AST, tree: Tree) -> Iterator[Change]:
    parent = tree.parent(node)
    if not (isinstance(node, ast.expr) and isinstance(parent, (ast.If, ast.IfExp))):
        return
    if node is parent.test and not isinstance(node, (ast.UnaryOp, ast.Compare)):
        # Those two have changes of their own.
        yield Change("operator", node, ast.UnaryOp(ast.Not(), node))


def _constant(node: ast.AST, tree: Tree) -> Iterator[Change]:
    if not isinstance(node, ast.Constant) or _axis_keyword(node, tree):
        return
    value, parent = node.value, tree.parent(node)
    if isinstance(value, bool):
        yield Change("constant", node, ast.Constant(not value))
    elif isinstance(value, int):
        if _step_of(node, tree):
            return
        kind: Kind = "off by one" if _counts(node, tree) else "constant"
        yield Change(kind, node, ast.Constant(value + 1))
    elif isinstance(value, float):
        if abs(value) >= _SMALLEST or value == 0.0:
            yield Change("constant", node, ast.Constant(2 * value if value else 1.0))
    elif isinstance(value, str) and isinstance(parent, ast.Assign) and _at_top(parent, tree):
        yield Change("constant", node, ast.Constant(value + value[:1]))


def _answer(node: ast.AST, tree: Tree) -> Iterator[Change]:
    """Twice the value that a name gets at top level, where it is computed."""
    parent = tree.parent(node)
    if (
        isinstance(node, (ast.Name, ast.Call, ast.BinOp))
        and isinstance(parent, ast.Assign)
        and node is parent.value
        and isinstance(parent.targets[0], ast.Name)
        and _at_top(parent, tree)
    ):
        yield Change("constant", node, ast.BinOp(ast.Constant(2), ast.Mult(), node))


def _axis(node: ast.AST, tree: Tree) -> Iterator[Change]:
    if not (isinstance(node, ast.expr) and _axis_keyword(node, tree)):
        return
    number = _whole(node)
    if number is not None:
        yield Change(
            "axis", node, ast.Constant(1 if number == 0 else 0 if number in (1, -1) else number - 1)
        )
    elif isinstance(node, ast.Tuple) and node.elts:
        yield Change("axis", node, node.elts[0])


def _off_by_one(node: ast.AST, tree: Tree) -> Iterator[Change]:
    parent = tree.parent(node)
    if isinstance(node, ast.Constant) or not isinstance(node, ast.expr):
        return
    if isinstance(parent, ast.Slice) and node is not parent.step:
        step = ast.Add() if node is parent.lower else ast.Sub()
        yield Change("off by one", node, ast.BinOp(node, step, ast.Constant(1)))
    elif (
        isinstance(parent, ast.Call)
        and _name_of(parent.func) == "range"
        and node is parent.args[min(len(parent.args), 2) - 1]
    ):
        yield Change("off by one", node, ast.BinOp(node, ast.Sub(), ast.Constant(1)))


def _sign(node: ast.AST, tree: Tree) -> Iterator[Change]:
    if isinstance(node, ast.Return) and isinstance(node.value, ast.BinOp):
        yield Change("sign", node.value, ast.UnaryOp(ast.USub(), node.value))
    if not isinstance(node, ast.UnaryOp) or not isinstance(node.op, ast.USub):
        return
    if not (_step_of(node, tree) or _axis_keyword(node, tree)):
        yield Change("sign", node, node.operand)


def _transposition(node: ast.AST, _tree: Tree) -> Iterator[Change]:
    if isinstance(node, ast.Attribute) and node.attr in ("T", "mT", "H"):
        yield Change("transposition", node, node.value)
    elif isinstance(node, ast.Call) and _name_of(node.func) in _TRANSPOSING:
        yield from _without_call("transposition", node)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        yield Change("transposition", node, _with(node, left=node.right, right=node.left))


def _order(node: ast.AST, _tree: Tree) -> Iterator[Change]:
    """Two sizes, two indices or two arguments the wrong way round."""
    if isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load) and len(node.elts) > 1:
        *rest, a, b = node.elts
        if _different_names(a, b):
            yield Change("transposition", node, _with(node, elts=[*rest, b, a]))
    elif isinstance(node, ast.Call) and len(node.args) > 1 and not node.keywords:
        a, b, *rest = node.args
        if _different_names(a, b) and _name_of(node.func) not in (
            "zip",
            "isinstance",
            "max",
            "min",
        ):
            yield Change("order", node, _with(node, args=[b, a, *rest]))


def _flip(node: ast.AST, tree: Tree) -> Iterator[Change]:
    if isinstance(node, ast.Call) and _name_of(node.func) in _FLIPPING:
        yield from _without_call("flip", node)
    elif isinstance(node, ast.Slice) and node.step is not None and _whole(node.step) == -1:
        parent = tree.parent(node)
        if not isinstance(parent, (ast.Subscript, ast.Tuple)) or node.lower or node.upper:
            return
        subscript = parent if isinstance(parent, ast.Subscript) else tree.parent(parent)
        if isinstance(subscript, ast.Subscript):  # a slice has no brackets to be replaced alone
            yield Change("flip", subscript, _replaced(subscript, node, ast.Slice()))


def _reduction(node: ast.AST, tree: Tree) -> Iterator[Change]:
    if isinstance(node, ast.Call) and _name_of(node.func) in _REDUCTIONS:
        other = _REDUCTIONS[_name_of(node.func) or ""]
        if isinstance(node.func, ast.Name):
            other = {"mean": "max"}.get(other, other)  # there is no built-in mean
            yield Change("reduction", node.func, ast.Name(other))
        elif isinstance(node.func, ast.Attribute):
            yield Change("reduction", node.func, _with(node.func, attr=other))
    elif isinstance(node, ast.Constant) and node.value in ("mean", "sum"):
        parent = tree.parent(node)
        if isinstance(parent, ast.keyword) and parent.arg == "reduction":
            yield Change("reduction", node, ast.Constant(_REDUCTIONS[node.value]))


def _dtype(node: ast.AST, _tree: Tree) -> Iterator[Change]:
    if isinstance(node, ast.Attribute) and node.attr in _LESS_PRECISE:
        yield Change("dtype", node, _with(node, attr=_LESS_PRECISE[node.attr]))


def _omission(node: ast.AST, _tree: Tree) -> Iterator[Change]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub, ast.Mult, ast.Div)):
        yield Change("omission", node, node.left)
        if not isinstance(node.op, ast.Div):
            yield Change("omission", node, node.right)
    elif isinstance(node, ast.Call):
        name = _name_of(node.func)
        if name in _ELEMENTWISE:
            yield from _without_call("omission", node)
        if name == "Sequential" and len(node.args) > 1:
            for layer in node.args:
                rest = [arg for arg in node.args if arg is not layer]
                yield Change("omission", node, _with(node, args=rest))
        for keyword in node.keywords:
            if keyword.arg not in (None, "strict") and name != "dict":
                rest_ = [other for other in node.keywords if other is not keyword]
                yield Change("omission", node, _with(node, keywords=rest_))
    elif isinstance(node, (ast.Return, ast.Assign)) and isinstance(node.value, ast.ListComp):
        but_last = ast.Slice(upper=ast.UnaryOp(ast.USub(), ast.Constant(1)))
        yield Change("off by one", node.value, ast.Subscript(node.value, but_last))
    elif _is_a_step(node):
        assert isinstance(node, ast.stmt)  # noqa: S101 - for the type checker
        yield Change("omission", node, ast.Pass())


def _is_a_step(node: ast.AST) -> bool:
    """Whether a statement changes something that is there: it can be forgotten."""
    if isinstance(node, ast.Assign):
        return all(isinstance(target, (ast.Subscript, ast.Attribute)) for target in node.targets)
    return isinstance(node, ast.AugAssign) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    )


OPERATORS: tuple[Operator, ...] = (
    _arithmetic,
    _comparison,
    _condition,
    _constant,
    _answer,
    _axis,
    _off_by_one,
    _sign,
    _transposition,
    _order,
    _flip,
    _reduction,
    _dtype,
    _omission,
)


# ---------------------------------------------------------------- looking at nodes


def _with(node: Any, **fields: Any) -> Any:
    """A copy of `node` with other fields; its children are shared, for they are only written."""
    values = {name: getattr(node, name, None) for name in node._fields}
    return type(node)(**(values | fields))


def _replaced(root: ast.expr, old: ast.AST, new: ast.expr) -> ast.expr:
    """A copy of `root` in which `new` stands for `old`."""

    class Replace(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return new if node is marked else self.generic_visit(node)

    memo: dict[int, Any] = {}
    copy = deepcopy(root, memo)
    marked = memo[id(old)]
    changed: Any = Replace().visit(copy)
    return changed  # type: ignore[no-any-return]


def _without_call(kind: Kind, call: ast.Call) -> Iterator[Change]:
    """Leave out a function: ``f(x)`` and ``x.f()`` become ``x``."""
    if isinstance(call.func, ast.Attribute) and not _is_module(call.func.value):
        yield Change(kind, call, call.func.value)
    elif call.args and not isinstance(call.args[0], ast.Starred):
        yield Change(kind, call, call.args[0])


def _is_module(node: ast.expr) -> bool:
    """Whether this looks like ``np``, ``torch`` or ``torch.nn.functional``."""
    return _root_name(node) in ("np", "numpy", "torch", "F", "nn", "math", "scipy")


def _name_of(function: ast.expr) -> str | None:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else None


def _root_name(node: ast.expr) -> str | None:
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def _whole(node: ast.AST) -> int | None:
    """The value of a whole number, be it negative; None for anything else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _whole(node.operand)
        return None if inner is None else -inner
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    return None


def _different_names(a: ast.expr, b: ast.expr) -> bool:
    simple = (ast.Name, ast.Attribute)
    return isinstance(a, simple) and isinstance(b, simple) and ast.dump(a) != ast.dump(b)


def _axis_keyword(node: ast.AST, tree: Tree) -> bool:
    """Whether `node` is, or belongs to, the value of ``axis=`` or ``dim=``."""
    for each in (node, *tree.around(node)):
        if isinstance(each, ast.keyword):
            return each.arg in ("axis", "dim", "dims")
        if not isinstance(each, (ast.Constant, ast.UnaryOp, ast.Tuple)):
            return False
    return False


def _step_of(node: ast.AST, tree: Tree) -> bool:
    """Whether `node` is, or belongs to, the step of a slice: losing that is a missing flip."""
    inner = node
    for outer in tree.around(node):
        if isinstance(outer, ast.Slice):
            return inner is outer.step
        if not isinstance(outer, ast.UnaryOp):
            return False
        inner = outer
    return False


def _counts(node: ast.AST, tree: Tree) -> bool:
    """Whether a constant counts elements: in a subscript, a slice or a range."""
    for outer in tree.around(node):
        if isinstance(outer, (ast.Slice, ast.Subscript)):
            return True
        if isinstance(outer, ast.Call):
            return _name_of(outer.func) == "range"
        if not isinstance(outer, (ast.BinOp, ast.UnaryOp, ast.Tuple)):
            return False
    return False


def _at_top(node: ast.AST, tree: Tree) -> bool:
    return isinstance(tree.parent(node), ast.Module)
