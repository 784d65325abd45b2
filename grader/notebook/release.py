"""From the reference, a py:percent program, to the notebooks that people open.

The reference is one file in all languages of the course, with the solutions in
it. :func:`to_notebook` makes the skeleton that students receive in one
language, or the solved notebook.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from nbformat import NotebookNode

from grader.notebook.repair import sound_notebook
from grader.notebook.solutions import Region, RegionError, regions_of, skeleton_of, solved

LANGUAGES = ("fa", "en")
_RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur"})
_YOUR_CODE = {"fa": "کد خود را اینجا بنویسید", "en": "your code here"}
_YOUR_ANSWER = {"fa": "پاسخ شما", "en": "Your answer"}

# What jupytext takes for the beginning of a cell; `# %%time` is a magic.
_MARKER = re.compile(r"#\s*(?:%%+(?:\s.*)?|<codecell>\s*|In\[[0-9 ]*\]:?\s*)")
_NOT_FOR_ID = re.compile(r"[^A-Za-z0-9_-]+")
_MAX_ID = 64
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
_OURS = ("name", "lang", "answer")
_KNOWN_METADATA = frozenset(
    (*_OURS, "tags", "title", "collapsed", "deletable", "editable", "jupyter", "slideshow")
)


class ReleaseError(ValueError):
    """The reference cannot be released; the message names file and line and says why."""

    def __init__(self, file: str, line: int, problem: str) -> None:
        self.file, self.line, self.problem = file, line, problem
        super().__init__(f"{file}:{line}: {problem}")


class _Cell(msgspec.Struct):
    """One cell of the reference. ``marker`` is the line of its ``# %%``, ``line`` where its text begins.

    Both are counted from 1 in the file.
    """

    kind: str
    source: str
    metadata: dict[str, Any]
    marker: int
    line: int
    regions: list[Region] = []

    @property
    def name(self) -> str | None:
        return self.metadata.get("name")

    @property
    def language(self) -> str | None:
        return self.metadata.get("lang")

    @property
    def answer(self) -> str | None:
        return self.metadata.get("answer")


def to_notebook(
    text: str,
    *,
    language: str | None = None,
    solution: bool = False,
    languages: Sequence[str] = LANGUAGES,
    outputs: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    assignment: str | None = None,
    file: str = "reference",
) -> NotebookNode:
    """Make a notebook from the reference.

    Parameters
    ----------
    text
        The reference, py:percent. Markdown cells carry ``lang="fa"``; what has none is kept in
        every language. A markdown cell with ``answer="question/part"`` is a prose answer. Code
        between ``# BEGIN SOLUTION`` and ``# END SOLUTION`` is the solution.
    language
        Whose cells to keep; None for all languages, which only the solved notebook can have.
    solution
        True for the solved notebook: regions without their markers, answers as they are.
        False for the skeleton: a region in a function becomes ``raise NotImplementedError``, one
        outside becomes ``name = None`` for each name that it assigns, and answers are left blank.
    languages
        The languages that every answer must be written in.
    outputs
        Saved outputs by cell name, put into the solved notebook.
    assignment
        Slug that the notebook's metadata names, so that its check pack is found.
    file
        How errors call the reference.

    Returns
    -------
    NotebookNode
        Format 4.5, with the same cell ids every time. ``metadata.karnameh`` of a cell tells its
        name, language and answer; tags stay.

    Raises
    ------
    ReleaseError
        If the reference is malformed.
    ValueError
        If no such notebook can be made of any reference.
    """
    if language is None and not solution:
        raise ValueError("a skeleton is in one language: give language=")
    if language is not None and language not in languages:
        raise ValueError(f"no language {language!r}: there are {', '.join(languages)}")
    if outputs and not solution:
        raise ValueError("outputs belong into the solved notebook: they give answers away")

    cells = list(_cells(text, file))
    _check_metadata(cells, languages, file)
    _check_answers(cells, languages, file)
    _find_regions(cells, file)
    unknown = sorted(set(outputs or ()) - {cell.name for cell in cells if cell.kind == "code"})
    if unknown:
        raise ReleaseError(file, 1, f"there are outputs for unknown cells: {', '.join(unknown)}")

    made: list[dict[str, Any]] = []
    for index, cell in enumerate(cells):
        if language is not None and cell.language not in (None, language):
            continue
        source = _solved_source(cell) if solution else _skeleton_source(cell, language or "", file)
        made.append(_made(cell, index, source, outputs or {}))
    notebook, repairs = sound_notebook(
        {
            "cells": made,
            "metadata": {
                "kernelspec": _KERNEL,
                "language_info": {"name": "python"},
                "karnameh": {"language": language, "solution": solution}
                | ({"assignment": assignment} if assignment else {}),
            },
            "nbformat": 4,
            "nbformat_minor": 5,
        },
        max_cells=len(made),
    )
    if repairs:
        raise ReleaseError(file, 1, f"cells or outputs are malformed: {repairs[0].id}")
    return notebook


def solution_rows(text: str, *, file: str = "reference") -> dict[str, list[range]]:
    """Say which rows of the solved notebook's code cells are solution.

    Returns
    -------
    dict
        Ranges of rows, counted from 1, by the id of the cell in :func:`to_notebook`'s solved one.

    Raises
    ------
    ReleaseError
        If the reference is malformed.
    """
    cells = list(_cells(text, file))
    _find_regions(cells, file)
    found = {}
    for index, cell in enumerate(cells):
        # Each region before loses its two comments, and this one its first.
        rows = [
            range(region.begin - 2 * before + 1, region.end - 2 * before)
            for before, region in enumerate(cell.regions)
        ]
        if rows:
            found[_id(cell, index)] = rows
    return found


# ---------------------------------------------------------------- reading the reference


def _cells(text: str, file: str) -> Iterator[_Cell]:
    """Yield the cells of the reference, each with its place in the file."""
    import jupytext  # only whoever releases a notebook waits for it

    markers = _marker_lines(text, file)
    cells = jupytext.reads(text, fmt="py:percent").cells
    if len(cells) == len(markers) + 1:
        markers.insert(0, 0)  # text before the first marker is a cell as well
    if len(cells) != len(markers):
        raise ReleaseError(file, 1, f"{len(markers)} cell markers make {len(cells)} cells")
    lines = text.splitlines()
    for cell, marker in zip(cells, markers, strict=True):
        line = marker
        while line < len(lines) and not lines[line].strip() and not cell.source.startswith("\n"):
            line += 1
        yield _Cell(cell.cell_type, cell.source, dict(cell.metadata), max(marker, 1), line + 1)


def _marker_lines(text: str, file: str) -> list[int]:
    """Return the lines of the ``# %%`` comments, counted from 1; those in strings are none."""
    markers = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT and _MARKER.fullmatch(token.string):
                line, column = token.start
                if token.line[:column].strip():
                    continue
                if column:
                    raise ReleaseError(file, line, "a cell cannot begin inside a block")
                markers.append(line)
    except tokenize.TokenError as error:
        problem, (line, _) = error.args
        raise ReleaseError(file, line, f"this is no Python: {problem}") from error
    except SyntaxError as error:
        raise ReleaseError(file, error.lineno or 1, f"this is no Python: {error.msg}") from error
    return markers


def _check_metadata(cells: Sequence[_Cell], languages: Sequence[str], file: str) -> None:
    seen: dict[tuple[str, str | None], int] = {}
    for cell in cells:
        unknown = sorted(
            key
            for key in set(cell.metadata) - _KNOWN_METADATA
            if not key.startswith("lines_to_") and key != "cell_marker"
        )
        if unknown:
            raise ReleaseError(file, cell.marker, f"unknown cell option: {', '.join(unknown)}")
        if cell.language is not None and cell.language not in languages:
            there_are = ", ".join(languages)
            raise ReleaseError(
                file, cell.marker, f"unknown lang {cell.language!r}: there are {there_are}"
            )
        if cell.name is not None:
            first = seen.setdefault((cell.name, cell.language), cell.marker)
            if first != cell.marker:
                raise ReleaseError(
                    file,
                    cell.marker,
                    f"the name {cell.name!r} is taken by the cell at line {first}",
                )


def _check_answers(cells: Sequence[_Cell], languages: Sequence[str], file: str) -> None:
    """Check that every prose answer stands in a markdown cell of its own in every language."""
    answers: dict[str, dict[str, int]] = {}
    for cell in cells:
        if cell.answer is None:
            continue
        if cell.kind != "markdown":
            raise ReleaseError(file, cell.marker, f"answer {cell.answer!r} is no markdown cell")
        if cell.language is None:
            raise ReleaseError(file, cell.marker, f"answer {cell.answer!r} does not say its lang")
        places = answers.setdefault(cell.answer, {})
        if cell.language in places:
            before = places[cell.language]
            raise ReleaseError(
                file, cell.marker, f"answer {cell.answer!r} already stands at line {before}"
            )
        places[cell.language] = cell.marker
    for answer, places in answers.items():
        missing = [language for language in languages if language not in places]
        if missing:
            raise ReleaseError(
                file, min(places.values()), f"answer {answer!r} is missing in {', '.join(missing)}"
            )


def _find_regions(cells: Sequence[_Cell], file: str) -> None:
    """Find the solution regions of every code cell."""
    for cell in cells:
        if cell.kind == "code":
            try:
                cell.regions = regions_of(cell.source)
            except RegionError as error:
                raise ReleaseError(file, cell.line + error.row, str(error)) from error


# ---------------------------------------------------------------- writing the cells


def _solved_source(cell: _Cell) -> str:
    if cell.kind == "markdown":
        return _directed(cell.source, cell.language)
    return solved(cell.source, cell.regions)


def _skeleton_source(cell: _Cell, language: str, file: str) -> str:
    if cell.answer is not None:
        return _YOUR_ANSWER.get(language, _YOUR_ANSWER["en"])
    if cell.kind == "markdown":
        return _directed(cell.source, cell.language)
    comment = _YOUR_CODE.get(language, _YOUR_CODE["en"])
    try:
        return skeleton_of(cell.source, cell.regions, comment)
    except RegionError as error:
        raise ReleaseError(file, cell.line + error.row, str(error)) from error


def _directed(source: str, language: str | None) -> str:
    """Return markdown that is read from right to left where its language is."""
    if language not in _RIGHT_TO_LEFT or "dir=" in source:
        return source
    return f'<div dir="rtl">\n\n{source}\n\n</div>'


def _made(
    cell: _Cell, index: int, source: str, outputs: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, Any]:
    ours = {key: cell.metadata[key] for key in _OURS if key in cell.metadata}
    metadata = {
        key: value
        for key, value in cell.metadata.items()
        if key in _KNOWN_METADATA and key not in _OURS
    }
    made: dict[str, Any] = {
        "cell_type": cell.kind,
        "id": _id(cell, index),
        "metadata": metadata | ({"karnameh": ours} if ours else {}),
        "source": source,
    }
    if cell.kind == "code":
        made["execution_count"] = None
        made["outputs"] = list(outputs.get(cell.name or "", ()))
    return made


def _id(cell: _Cell, index: int) -> str:
    """Return a cell id that is the same in every release and every language."""
    called = f"answer-{cell.answer}" if cell.answer else cell.name or ""
    plain = _NOT_FOR_ID.sub("-", called).strip("-") or f"{cell.kind}-{index}"
    suffix = f"-{cell.language}" if cell.language else ""
    return plain[: _MAX_ID - len(suffix)] + suffix
