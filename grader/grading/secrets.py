"""What of an assignment students must not find in what they receive."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator
from textwrap import dedent
from typing import Any

from grader.checks.pruned import left_behind
from grader.course.assignment import Assignment
from grader.course.course import Course
from grader.grading.leaks import Secret, code_secrets, prose_secrets, squeezed, value_secrets
from grader.notebook import regions_of, to_notebook


def secrets_of(
    course: Course,
    assignment: Assignment,
    packed: Collection[str],
    values: Iterable[tuple[str, Any]],
) -> list[Secret]:
    """Return all secrets of an assignment.

    Parameters
    ----------
    packed
        The check functions that go out.
    values
        What the reference answers to checks that are not replayed, by the name it has there.

    Raises
    ------
    RegionError
        If the marks of the solutions do not fit together.
    """
    path = assignment.root / "reference" / f"{assignment.slug}.py"
    source = path.read_text("utf-8")
    found = [*_solutions(source, f"reference/{path.name}"), *_answers(course, assignment, source)]
    found += _hidden(assignment, packed)
    given = given_names(source)
    found += value_secrets(
        (f"reference.{name}", value) for name, value in values if name not in given
    )
    allowed = {secret.text for text in assignment.may_go_out for secret in _allowed(text)}
    return [secret for secret in found if secret.text not in allowed or secret.value is not None]


def _allowed(text: str) -> Iterator[Secret]:
    yield Secret(text, squeezed(text))
    yield from code_secrets(text, text)


def _solutions(source: str, file: str) -> Iterator[Secret]:
    lines = source.splitlines()
    for region in regions_of(source):
        code = dedent("\n".join(lines[region.begin + 1 : region.end]))
        yield from code_secrets(code, f"the solution, {file}", region.begin + 2)


def _answers(course: Course, assignment: Assignment, source: str) -> Iterator[Secret]:
    solved = to_notebook(source, solution=True, languages=course.languages)
    for cell in solved.cells:
        answer = cell.metadata.get("karnameh", {}).get("answer")
        if answer is not None:
            yield from prose_secrets(cell.source, f"the model answer of {answer}")
    for name, rubric in assignment.rubric.items():
        for text in rubric.model_answer.values():
            yield from prose_secrets(text, f"the model answer of {name} in rubric.toml")


def _hidden(assignment: Assignment, packed: Collection[str]) -> Iterator[Secret]:
    """Yield the code that stays behind, but for lines that stand in what goes out as well."""
    behind: list[tuple[str, ast.stmt, str]] = []
    beside = (path for path in assignment.folder.glob("*.py") if not path.name.startswith("test_"))
    kept = "".join(squeezed(path.read_text("utf-8")) for path in beside)
    for path in sorted(assignment.folder.glob("test_*.py")):
        source = path.read_text("utf-8")
        lines = source.splitlines()
        rows: set[int] = set()
        for statement in left_behind(source, packed, file=path.name):
            end = statement.end_lineno or statement.lineno
            rows.update(range(statement.lineno, end + 1))
            behind.append((path.name, statement, "\n".join(lines[statement.lineno - 1 : end])))
        kept += squeezed(
            "\n".join(line for row, line in enumerate(lines, start=1) if row not in rows)
        )
    for name, statement, code in behind:
        if isinstance(statement, ast.FunctionDef) and statement.name.startswith("test_"):
            yield Secret(f"the hidden check {name}: {statement.name}", statement.name)
        for secret in code_secrets(code, f"a hidden check, {name}", statement.lineno):
            if secret.text not in kept:
                yield secret


def given_names(source: str) -> set[str]:
    """Return the names that the reference binds outside its solutions: students are given them."""
    solved = {row for r in regions_of(source) for row in range(r.begin + 1, r.end + 2)}
    return {
        node.id
        for statement in ast.parse(source).body
        if statement.lineno not in solved
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
