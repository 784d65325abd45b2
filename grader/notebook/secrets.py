"""Where secrets stand in a notebook: what its owner is told about them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nbformat import NotebookNode

from grader.notebook.findings import Finding
from grader.secrets import find_secrets


def secrets_left(notebook: NotebookNode) -> list[Finding]:
    """Return the finding that secrets stand in the sources or text outputs of `notebook`, if so."""
    kinds: dict[str, None] = {}
    cells: list[int] = []
    for index, cell in enumerate(notebook.cells):
        found = [s.kind for text in _texts(cell) for s in find_secrets(text)]
        if found:
            cells.append(index)
            kinds.update(dict.fromkeys(found))
    if not cells:
        return []
    values: dict[str, Any] = {"cells": [i + 1 for i in cells], "kinds": list(kinds)}
    return [Finding("secrets-left", values, cell=cells[0])]


def _texts(cell: NotebookNode) -> Iterator[str]:
    """Yield what a reader of the cell sees as text."""
    yield cell.source
    for output in cell.get("outputs", ()):
        if output.output_type == "stream":
            yield output.text
        elif output.output_type == "error":
            yield output.evalue
            yield from output.traceback
        else:
            yield from (
                data
                for mime, data in output.data.items()
                if mime.startswith("text/") and isinstance(data, str)
            )
