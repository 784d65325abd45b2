"""The code cells of Otter Assign: its marks of solutions, its test cases and their expected outputs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import yaml

from grader.authoring.foreign import sound_solution, whole_solution
from grader.notebook.ipython_syntax import python_of

_SOLUTION = re.compile(r"\s*#\s*(SOLUTION(?: NO PROMPT)?|SEED)\s*$")
_BEGIN = re.compile(r"^(\s*)#\s*BEGIN SOLUTION( NO PROMPT)?\s*$")
_END = re.compile(r"^(\s*).*#\s*END SOLUTION\s*$")
_IGNORE_LINE = re.compile(r"#\s*IGNORE\s*$", re.IGNORECASE)
_IGNORE_BEGIN = re.compile(r"\s*#\s*BEGIN\s*IGNORE", re.IGNORECASE)
_IGNORE_END = re.compile(r"#\s*END\s*IGNORE\s*$", re.IGNORECASE)
_QUOTES = r"(?:\"\"?\"?|''?'?)"
_STRING = {
    name: re.compile(
        rf"^[ \t]*{_QUOTES}\s*#\s*BEGIN {name}\b[^\n]*\n(.*?)^[ \t]*{_QUOTES};?\s*#\s*END {name}\b[^\n]*$\n?",
        re.MULTILINE | re.DOTALL,
    )
    for name in ("PROMPT", "PLUGIN")
}
_TEST_CONFIG = re.compile(
    rf"\A\s*(?:\w+\s*=\s*)?{_QUOTES}\s*#\s*BEGIN\s*TEST\s*CONFIG[^\n]*\n(.*?)^\s*{_QUOTES}\s*#\s*END\s*TEST\s*CONFIG[^\n]*$\n?",
    re.MULTILINE | re.DOTALL | re.IGNORECASE,
)
_HIDDEN = re.compile(r"\bhidden\b", re.IGNORECASE)
_NUMBERS = frozenset(("array", "nan", "inf", "np", "float64", "float32", "int64", "int32", "bool_"))


class OtterCodeError(ValueError):
    """A code cell that cannot be read; the message says why and what to do."""


class Change(NamedTuple):
    """Something about a solution cell that is not as it was."""

    what: str
    source: str = ""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One test case.

    Attributes
    ----------
    source
        Python statements that are true where they run without an exception.
    points
        As they are written; None where they are not.
    praise, blame
        What Otter says when it passes, and when it fails.
    by_name
        The source is a function whose parameters are names of the notebook.
    unreadable
        Why it cannot be read as such statements; empty if it can.
    """

    source: str
    hidden: bool
    points: Any = None
    name: str = ""
    praise: str = ""
    blame: str = ""
    by_name: bool = False
    unreadable: str = ""


# ---------------------------------------------------------------- solutions


def without_ignored(source: str) -> str:
    """Return a cell without the lines that its author wants in no notebook."""
    kept: list[str] = []
    inside = False
    for line in source.split("\n"):
        if inside:
            inside = not _IGNORE_END.search(line)
        elif _IGNORE_BEGIN.match(line):
            inside = True
        elif not _IGNORE_LINE.search(line):
            kept.append(line)
    return "\n".join(kept)


def marked(source: str) -> tuple[str, list[Change]]:
    """Return a cell of a solution block with our marks, and what about it is not as it was."""
    changes = []
    source = without_ignored(source)
    for name, what in (
        ("PROMPT", "what stood in the place of the solution, to begin from"),
        ("PLUGIN", "a plugin of Otter's"),
    ):
        changes += [Change(what, found[1]) for found in _STRING[name].finditer(source)]
        source = _STRING[name].sub("", source)
    rows: list[int] = []
    lines = []
    inside = False
    for row, line in enumerate(source.split("\n")):
        if found := _BEGIN.match(line):
            inside = True
            line = f"{found[1]}# BEGIN SOLUTION"
        elif found := _END.match(line):
            inside = False
            line = f"{found[1]}# END SOLUTION"
        elif _SOLUTION.search(line):
            line = _SOLUTION.sub("", line)
            if not inside:
                rows.append(row)
        lines.append(line)
    source = "\n".join(lines)
    if rows:
        try:
            source = _with_regions(source, rows)
        except SyntaxError as error:
            changes.append(Change(f"a solution that is no Python: {error.msg}", source))
            return whole_solution(source), changes
    source, problem = sound_solution(source)
    if problem is not None:
        what = f"the bounds of the solution: {problem}. The whole cell is the solution now"
        changes.append(Change(what))
    return source, changes


class _Place(NamedTuple):
    """A statement: the list of statements that it stands in, its position there, its rows."""

    block: int
    position: int
    first: int
    last: int


def _with_regions(source: str, rows: Sequence[int]) -> str:
    """Put marks around the statements that `rows` belong to; neighbours share them."""
    places = list(_places(ast.parse(python_of(source))))
    chosen: set[_Place] = set()
    for row in rows:
        around = [p for p in places if p.first <= row <= p.last]
        if around:
            chosen.add(min(around, key=lambda p: p.last - p.first))
    outer = sorted(
        (
            p
            for p in chosen
            if not any(o != p and o.first <= p.first <= p.last <= o.last for o in chosen)
        ),
        key=lambda p: p.first,
    )
    regions: list[list[_Place]] = []
    for place in outer:
        before = regions[-1][-1] if regions else None
        if before is not None and (before.block, before.position + 1) == (
            place.block,
            place.position,
        ):
            regions[-1].append(place)
        else:
            regions.append([place])
    lines = source.split("\n")
    for region in reversed(regions):
        first, last = region[0].first, region[-1].last
        indent = re.match(r"\s*", lines[first])
        space = indent[0] if indent else ""
        lines.insert(last + 1, f"{space}# END SOLUTION")
        lines.insert(first, f"{space}# BEGIN SOLUTION")
    return "\n".join(lines)


def _places(node: ast.AST) -> Iterator[_Place]:
    for name in ("body", "orelse", "finalbody", "handlers"):
        block = getattr(node, name, None)
        if not isinstance(block, list):
            continue
        for index, child in enumerate(block):
            if isinstance(child, ast.stmt):
                decorators = [d.lineno for d in getattr(child, "decorator_list", [])]
                first = min([child.lineno, *decorators]) - 1
                yield _Place(id(block), index, first, (child.end_lineno or child.lineno) - 1)
            yield from _places(child)


# ---------------------------------------------------------------- tests


def case_of(source: str, outputs: Sequence[Mapping[str, Any]]) -> Case:
    """Read a test cell.

    Raises
    ------
    OtterCodeError
        If its configuration cannot be read.
    """
    hidden = source.lstrip().startswith("#") and bool(
        _HIDDEN.search(source.lstrip().split("\n", maxsplit=1)[0])
    )
    config = _config(source)
    body = without_ignored(_TEST_CONFIG.sub("", source)).strip()
    case = Case(
        source=body,
        hidden=bool(config.get("hidden", hidden)),
        points=config.get("points"),
        name=str(config.get("name") or ""),
        praise=str(config.get("success_message") or "").strip(),
        blame=str(config.get("failure_message") or "").strip(),
    )
    try:
        tree = ast.parse(python_of(body))
    except SyntaxError as error:
        return msgspec.structs.replace(case, unreadable=f"it is no Python: {error.msg}")
    match tree.body:
        case [ast.FunctionDef() as function] | [ast.FunctionDef() as function, ast.Expr()]:
            if function.name.startswith("test"):
                written = ast.get_source_segment(body, function) or ast.unparse(function)
                return msgspec.structs.replace(case, source=written, by_name=True)
    printed, result = _shown(outputs)
    if printed.strip():
        return msgspec.structs.replace(case, unreadable="it compares what is printed")
    if not result.strip():
        return case
    asserted = _asserted(tree, result.strip())
    if asserted is None:
        shown = " ".join(result.split())[:60]
        why = f"what it expects is no value that can be read: {shown}"
        return msgspec.structs.replace(case, unreadable=why)
    return msgspec.structs.replace(case, source=asserted)


def called(case: Case) -> str:
    """Return a test as statements that run it."""
    if not case.by_name:
        return case.source
    function = next(s for s in ast.parse(case.source).body if isinstance(s, ast.FunctionDef))
    names = ", ".join(a.arg for a in (*function.args.posonlyargs, *function.args.args))
    return f"{case.source}\n{function.name}({names})"


def _config(source: str) -> dict[str, Any]:
    found = _TEST_CONFIG.match(source)
    if found is None:
        return {}
    try:
        config = yaml.safe_load(found[1])
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())[:120]
        raise OtterCodeError(
            f"the test's config is no YAML ({problem}): write points: 1"
        ) from error
    if config is not None and not isinstance(config, dict):
        raise OtterCodeError("the test's config has no keys: write it like points: 1")
    return config or {}


def _shown(outputs: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """What a cell has printed, and the text of its result."""
    printed = "".join("".join(out.get("text", "")) for out in outputs if "text" in out)
    results = [out["data"].get("text/plain", "") for out in outputs if "data" in out]
    return printed, "".join("".join(result) for result in results)


def _asserted(tree: ast.Module, result: str) -> str | None:
    """Return a test as an assertion of what its last line gave; None if that is not a value."""
    if not tree.body or not isinstance(last := tree.body[-1], ast.Expr):
        return None
    before = [ast.unparse(statement) for statement in tree.body[:-1]]
    asked = ast.unparse(last.value)
    try:
        value = ast.literal_eval(result)
    except (ValueError, SyntaxError):
        wanted = _array(result)
        if wanted is None:
            return None
        line = f"assert np.allclose({asked}, {wanted}, rtol=1e-06, atol=1e-08)"
        return "\n".join(["import numpy as np", *before, line])
    if value is True:
        line = f"assert {asked}"
    elif value is False:
        line = f"assert not ({asked})"
    else:
        line = f"assert ({asked}) == {result}"
    return "\n".join([*before, line])


def _array(result: str) -> str | None:
    """Return code for the printed array or number of numpy's; None if it is none."""
    try:
        tree = ast.parse(result, mode="eval")
    except SyntaxError:
        return None
    if "..." in result:  # numpy leaves out the middle of long ones
        return None
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
    if not names <= _NUMBERS or not calls or len(calls) > 1:
        return None
    return ast.unparse(_Numpy().visit(tree))


class _Numpy(ast.NodeTransformer):
    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id == "np":
            return node
        return ast.Attribute(ast.Name("np", ast.Load()), node.id, ast.Load())
