"""A file of checks without those that stay behind: their code, and all that only they use.

Comments and docstrings stay behind, too: they are the author's, and may say more than the code.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Container, Iterator, Sequence

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def pruned(source: str, kept: Container[str], *, file: str = "checks") -> str:
    """Return the checks named in `kept` with the definitions and imports that they need.

    Parameters
    ----------
    source
        A file of checks.
    kept
        Names of the test functions that stay.
    file
        How errors call it.

    Returns
    -------
    str
        Python without comments and docstrings; empty when no check of the file stays.
    """
    tree = ast.parse(source, file)
    checks = [s for s in tree.body if isinstance(s, _Definition) and s.name.startswith("test_")]
    staying = {check.name for check in checks if check.name in kept}
    if not staying:
        return ""
    needed = _reached(tree, staying | {"pytestmark"})
    left = {check.name for check in checks} - staying
    lines = _bare(source, tree)
    kept_texts = []
    for statement in tree.body:
        if _is_text(statement) or _bound(statement) & left:
            continue
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            kept_texts.append(_import(statement, needed))
        elif _bound(statement) & needed:
            kept_texts.append("\n".join(lines[_first_row(statement) - 1 : statement.end_lineno]))
    return "\n".join(text for text in kept_texts if text) + "\n"


def left_behind(source: str, kept: Container[str], *, file: str = "checks") -> list[ast.stmt]:
    """Return the top-level statements that :func:`pruned` takes away, imports aside."""
    tree = ast.parse(source, file)
    names = {s.name for s in tree.body if isinstance(s, _Definition) and s.name.startswith("test_")}
    staying = {name for name in names if name in kept}
    needed = _reached(tree, staying | {"pytestmark"}) if staying else set()
    return [
        statement
        for statement in tree.body
        if not isinstance(statement, (ast.Import, ast.ImportFrom))
        and not _is_text(statement)
        and not (_bound(statement) & needed)
    ]


def _reached(tree: ast.Module, names: set[str]) -> set[str]:
    """Return `names` and all names that what they stand for uses, directly or not."""
    uses: dict[str, set[str]] = {}
    for statement in tree.body:
        for name in _bound(statement):
            uses.setdefault(name, set()).update(_used(statement))
    reached: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= uses.get(name, set()) - reached
    return reached


def _used(statement: ast.stmt) -> Iterator[str]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.arg):  # a fixture that the file itself defines
            yield node.arg
        elif isinstance(node, ast.Call):  # usefixtures("own")
            constants = (a.value for a in node.args if isinstance(a, ast.Constant))
            yield from (value for value in constants if isinstance(value, str))


def _bound(statement: ast.stmt) -> set[str]:
    """Return the names that a top-level statement binds."""
    if isinstance(statement, _Definition):
        return {statement.name}
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return set(map(_imported, statement.names))
    return {
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    } | _changed(statement)


def _changed(statement: ast.stmt) -> set[str]:
    """Return the names whose objects a bare call or an assignment changes: ``TABLE[1] = 2``."""
    found: Sequence[ast.expr] = []
    if isinstance(statement, ast.Expr):
        found = [statement.value.func] if isinstance(statement.value, ast.Call) else []
    elif isinstance(statement, ast.Assign):
        found = [t for t in statement.targets if isinstance(t, (ast.Attribute, ast.Subscript))]
    names = set()
    for changed in found:
        owner = changed
        while isinstance(owner, (ast.Attribute, ast.Subscript)):
            owner = owner.value
        if isinstance(owner, ast.Name):
            names.add(owner.id)
    return names


def _imported(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]


def _import(statement: ast.Import | ast.ImportFrom, needed: set[str]) -> str:
    """Return what stays of an import: the names that are needed."""
    if not (isinstance(statement, ast.ImportFrom) and statement.module == "__future__"):
        statement.names = [alias for alias in statement.names if _imported(alias) in needed]
    return ast.unparse(statement) if statement.names else ""


def _first_row(statement: ast.stmt) -> int:
    decorators = statement.decorator_list if isinstance(statement, _Definition) else []
    return min([statement.lineno, *(decorator.lineno for decorator in decorators)])


def _bare(source: str, tree: ast.Module) -> list[str]:
    """Return the lines of `source` without comments, and with ``pass`` for each docstring."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    for node in ast.walk(tree):
        if isinstance(node, _Definition) and _is_text(node.body[0]):
            text = node.body[0]
            first, last = text.lineno - 1, (text.end_lineno or text.lineno) - 1
            before = lines[first].encode()[: text.col_offset].decode()
            after = lines[last].encode()[text.end_col_offset :].decode()
            lines[first : last + 1] = [f"{before}pass{after}", *[""] * (last - first)]
    return lines


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
