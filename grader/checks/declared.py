"""What the checks of an assignment declare: their marks and the texts that they name."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from grader.course.assignment import Assignment
from grader.course.checks import DeclaredCheck, UsedText, validate_checks


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One item of pytest: what it belongs to and what it is worth."""

    id: str
    function: str
    question: str
    part: str
    weight: Decimal
    hidden: bool


def function_of(item: pytest.Item) -> str:
    """Return the name of the test function, without its parameters."""
    return getattr(item, "originalname", None) or item.name


def _declared(items: Sequence[pytest.Item]) -> list[DeclaredCheck]:
    found: dict[tuple[Path, str], DeclaredCheck] = {}
    for item in items:
        name = function_of(item)
        question = item.get_closest_marker("question")
        part = item.get_closest_marker("part")
        points = part.kwargs.get("points") if part is not None else None
        found.setdefault(
            (item.path, name),
            DeclaredCheck(
                name=name,
                question=str(question.args[0]) if question and question.args else None,
                part=str(part.args[0]) if part and part.args else None,
                points=None if points is None else Decimal(str(points)),
                hidden=item.get_closest_marker("hidden") is not None,
                file=item.path,
                line=(item.location[1] or 0) + 1,
            ),
        )
    return list(found.values())


def checks_of(assignment: Assignment, items: Sequence[pytest.Item]) -> list[Check]:
    """Return what each of `items` is worth, in their order.

    The points of a function are shared equally by its parameters; where a part's functions
    declare none, they share the part's points equally.

    Raises
    ------
    CourseError
        If the checks do not fit assignment.toml and feedback.toml.
    """
    declared = _declared(items)
    files = sorted({check.file for check in declared})
    validate_checks(assignment, declared, list(used_texts(files, assignment)))
    by_name = {check.name: check for check in declared}
    instances = Counter(function_of(item) for item in items)
    functions = Counter((check.question, check.part) for check in declared)
    parts = {(q.id, p.id): p.points for q in assignment.questions for p in q.parts}
    checks = []
    for item in items:
        check = by_name[function_of(item)]
        place = (check.question or "", check.part or "")
        points = check.points
        if points is None:
            points = parts[place] / functions[place]
        checks.append(
            Check(
                id=item.name,
                function=check.name,
                question=place[0],
                part=place[1],
                weight=points / instances[check.name],
                hidden=check.hidden,
            )
        )
    return checks


def used_texts(files: Iterable[Path], assignment: Assignment) -> Iterator[UsedText]:
    """Find where checks name texts of feedback.toml, by reading their source.

    Names that stand where only a name can stand (keys of ``misconceptions=``, the argument of
    ``expect.note``) must be declared. A declared name counts as used wherever it is written.
    """
    known = {*assignment.texts.misconceptions, *assignment.texts.notes}
    for file in files:
        tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield from _named_in_call(node, file)
            elif isinstance(node, ast.Constant) and node.value in known:
                yield UsedText(kind="either", id=node.value, file=file, line=node.lineno)


_Kind = Literal["misconception", "note", "either"]
_KEYWORDS: dict[str, _Kind] = {"misconceptions": "misconception", "alternatives": "note"}
_METHODS: dict[str, tuple[int, _Kind]] = {
    "satisfies": (1, "misconception"),
    "over_seeds": (1, "misconception"),
    "misconception": (0, "misconception"),
    "note": (0, "note"),
    "pending": (0, "either"),
}


def _named_in_call(call: ast.Call, file: Path) -> Iterator[UsedText]:
    def used(node: ast.expr | None, kind: _Kind) -> Iterator[UsedText]:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield UsedText(kind=kind, id=node.value, file=file, line=node.lineno)

    for keyword in call.keywords:
        kind = _KEYWORDS.get(keyword.arg or "")
        if kind is not None and isinstance(keyword.value, ast.Dict):
            for key in keyword.value.keys:
                yield from used(key, kind)
    if isinstance(call.func, ast.Attribute) and call.func.attr in _METHODS:
        place, kind = _METHODS[call.func.attr]
        if len(call.args) > place:
            yield from used(call.args[place], kind)
