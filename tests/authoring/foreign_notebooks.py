"""Small assignments in the formats of other graders."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from textwrap import dedent
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import (
    new_code_cell,
    new_markdown_cell,
    new_notebook,
    new_output,
    new_raw_cell,
)


def text(source: str, **nbgrader: Any) -> NotebookNode:
    return new_markdown_cell(dedent(source).strip(), metadata=_metadata(nbgrader))


def code(source: str, result: str | None = None, **nbgrader: Any) -> NotebookNode:
    outputs = [] if result is None else [new_output("execute_result", data={"text/plain": result})]
    source = dedent(source).strip()
    return new_code_cell(source, outputs=outputs, metadata=_metadata(nbgrader))


def raw(source: str) -> NotebookNode:
    return new_raw_cell(dedent(source).strip())


def saved(path: Path, *cells: NotebookNode, language: str = "python") -> Path:
    kernel = {"name": language, "language": language, "display_name": language}
    nbformat.write(new_notebook(cells=list(cells), metadata={"kernelspec": kernel}), path)
    return path


_NUMBERS: Iterator[int] = count()


def _metadata(nbgrader: dict[str, Any]) -> dict[str, Any]:
    if not nbgrader:
        return {}
    known = {"grade": False, "solution": False, "locked": False, "schema_version": 3}
    return {"nbgrader": {"grade_id": f"cell-{next(_NUMBERS):016x}", **known, **nbgrader}}


def solution(name: str) -> dict[str, Any]:
    return {"grade_id": name, "solution": True}


def tests(name: str, points: float) -> dict[str, Any]:
    return {"grade_id": name, "grade": True, "locked": True, "points": points}


def answer(name: str, points: float) -> dict[str, Any]:
    return {"grade_id": name, "grade": True, "solution": True, "points": points}


def nbgrader_notebook(path: Path) -> Path:
    """Every kind of cell that nbgrader knows, with tests that can and cannot be carried over."""
    return saved(
        path,
        text("# Sheet 3: sequences"),
        code("import numpy as np\n\nLIMIT = 5"),
        text("## Part A (3 points)\n\nWrite `evens`. ![a picture](numbers.png)"),
        code(
            '''
            def evens(n):
                """Return the first n even numbers."""
                ### BEGIN SOLUTION
                if n < 0:
                    raise ValueError("n is negative")
                return [2 * i for i in range(n)]
                ### END SOLUTION
            ''',
            **solution("evens"),
        ),
        code(
            '''
            """The first even numbers."""
            assert evens(1) == [0]
            assert len(evens(LIMIT)) == 5, "five numbers were asked for"
            ### BEGIN HIDDEN TESTS
            assert evens(4) == [0, 2, 4, 6]
            assert sum(evens(10)) == 90
            ### END HIDDEN TESTS
            ''',
            **tests("test_evens", 2),
        ),
        code(
            """
            from nose.tools import assert_raises
            assert_raises(ValueError, evens, -1)
            """,
            **tests("negative_numbers", 1),
        ),
        text("## Part B"),
        code("zeros = np.zeros(3)", **solution("zeros")),
        code("assert np.allclose(zeros, 0)", **tests("zeros_are_zero", 0.5)),
        code(
            """
            original = evens
            del evens
            try:
                print(zeros)
            finally:
                evens = original
            """,
            **tests("does_not_use_evens", 0.5),
        ),
        code("### AUTOTEST evens(3)", **tests("as_the_solution", 1)),
        code("assert zeros is not None", **tests("for_nothing", 0)),
        text("## Part C\n\nWhy does the sequence never end?"),
        text("Because each number has a successor.", **answer("why", 2)),
        code("print('drawn by hand')", **answer("drawing", 1)),
        text(
            """
            Measure something.
            === BEGIN MARK SCHEME ===
            - 1 mark for a unit
            === END MARK SCHEME ===
            """,
            task=True,
            points=1,
            locked=True,
        ),
        raw("slides"),
    )


def otter_notebook(path: Path) -> Path:
    """Every block that Otter Assign knows, with tests of both kinds."""
    return saved(
        path,
        raw(
            """
            # ASSIGNMENT CONFIG
            name: lab01
            files: [table.csv, gone.csv]
            seed: {variable: rng_seed, autograder_value: 42}
            """
        ),
        text("# Lab 1: numbers"),
        code("import numpy as np\n\nrng_seed = 42\ndebugging = True  # IGNORE"),
        text("```otter\n# BEGIN QUESTION\nname: q1\n```\n\n**Question 1.** Write `half`.\n"),
        raw("# BEGIN SOLUTION"),
        code(
            """
            def half(n):
                whole = n  # SOLUTION NO PROMPT
                return whole / 2  # SOLUTION

            np.random.seed(1)  # SEED
            quarter = half(half(1))  # SOLUTION
            shown = [quarter]
            """
        ),
        raw("# END SOLUTION"),
        raw("# BEGIN TESTS"),
        code("def test_even(half):\n    assert half(4) == 2\n\ntest_even(half)  # IGNORE"),
        code(
            '''
            """ # BEGIN TEST CONFIG
            points: 2
            hidden: true
            failure_message: Try odd numbers.
            """ # END TEST CONFIG
            def test_odd(np, half, quarter):
                assert np.isclose(half(3), 1.5)
                assert quarter == 0.25
            '''
        ),
        raw("# END TESTS"),
        raw("# END QUESTION"),
        raw("# BEGIN QUESTION\nname: q2\npoints: 3"),
        text("**Question 2.** Fill `numbers`."),
        raw("# BEGIN SOLUTION"),
        code(
            '''
            # BEGIN SOLUTION NO PROMPT
            numbers = np.array([0.5, 1.5])
            # END SOLUTION
            """ # BEGIN PROMPT
            numbers = ...
            """ # END PROMPT
            '''
        ),
        text("It could also be a list."),
        raw("# END SOLUTION"),
        raw("# BEGIN TESTS"),
        code("len(numbers)", "2"),
        code("# HIDDEN\nnumbers", "array([0.5, 1.5])"),
        code("numbers.sum() > 5", "False"),
        code("numbers.tolist", "<built-in method tolist>"),
        raw("# END TESTS"),
        raw("# END QUESTION"),
        raw("# BEGIN QUESTION\nname: q3\npoints: 1\nall_or_nothing: true"),
        text("**Question 3.** Put 7 into `seven`."),
        raw("# BEGIN SOLUTION"),
        code("seven = 7  # SOLUTION"),
        raw("# END SOLUTION"),
        raw("# BEGIN TESTS"),
        code("def test_kind(seven):\n    assert isinstance(seven, int)"),
        code("# HIDDEN\ndef test_value(seven):\n    assert seven == 7"),
        raw("# END TESTS"),
        raw("# END QUESTION"),
        raw("# BEGIN QUESTION\nname: q4\nmanual: true\npoints: 1.5"),
        text("**Question 4.** Why is 7 prime?"),
        raw("# BEGIN PROMPT"),
        text("_Because …_"),
        raw("# END PROMPT"),
        raw("# BEGIN SOLUTION"),
        text("Nothing but 1 and 7 divides it."),
        raw("# END SOLUTION"),
        raw("# END QUESTION"),
        raw("# BEGIN QUESTION\nname: practice"),
        text("**Question 5.** Think."),
        raw("# END QUESTION"),
        code("# IGNORE\nraise SystemExit"),
    )
