"""The outputs saved in a notebook as it was handed in, read as evidence of long runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
from nbformat import NotebookNode

from grader.checks.curves import Curve, Table, read_curves, read_tables
from grader.checks.outcome import Missing
from grader.course.messages import say
from grader.kernel.run import RECORDED

if TYPE_CHECKING:
    from grader.checks.answer import Record


class RecordedCell(msgspec.Struct, frozen=True):
    """One code cell as it was saved.

    Attributes
    ----------
    index
        Place among all cells, from 0.
    tagged
        Whether it bears the tag ``recorded``.
    text
        Streams and plain results, one after another.
    html
        HTML results, such as pandas tables.
    images
        Number of saved pictures.
    outputs
        All of it as the notebook has it.
    """

    index: int
    source: str
    tagged: bool
    text: str
    html: str
    images: int
    outputs: list[Any]


class SavedOutputs:
    """What is read once from the saved outputs of a notebook, for all checks that ask."""

    def __init__(self, notebook: NotebookNode) -> None:
        self._notebook = notebook
        self._curves: dict[int, list[Curve]] = {}

    @cached_property
    def cells(self) -> list[RecordedCell]:
        """All code cells with what was saved of them."""
        return [
            _recorded_cell(index, cell)
            for index, cell in enumerate(self._notebook.cells)
            if cell.cell_type == "code"
        ]

    def curves_of(self, cell: RecordedCell) -> list[Curve]:
        """Learning curves that can be read from the outputs of one cell."""
        if cell.index not in self._curves:
            self._curves[cell.index] = read_curves(cell.outputs)
        return self._curves[cell.index]


class Recorded:
    """Saved outputs of all code cells; those tagged ``recorded`` come first where it matters."""

    def __init__(self, notebook: NotebookNode | SavedOutputs, record: Record) -> None:
        self._saved = notebook if isinstance(notebook, SavedOutputs) else SavedOutputs(notebook)
        self._record = record

    @property
    def cells(self) -> list[RecordedCell]:
        """All code cells with what was saved of them."""
        return self._saved.cells

    @property
    def tagged(self) -> list[RecordedCell]:
        """Cells tagged ``recorded``."""
        return [cell for cell in self.cells if cell.tagged]

    def matching(self, pattern: str) -> list[RecordedCell]:
        """Cells whose source matches `pattern` (a regular expression, case ignored)."""
        return [c for c in self.cells if re.search(pattern, c.source, re.IGNORECASE)]

    def text(self, cell: int | None = None) -> str:
        """Saved text of one cell, or of all that are tagged; of all cells when none is."""
        if cell is not None:
            return next((c.text for c in self.cells if c.index == cell), "")
        return "\n".join(c.text for c in self.tagged or self.cells)

    def find(self, pattern: str) -> re.Match[str] | None:
        """First match of `pattern` in a saved text."""
        for cell in self._in_order():
            if match := re.search(pattern, cell.text, re.IGNORECASE):
                self._record.cell = cell.index
                return match
        return None

    def has_image(self, pattern: str = "") -> bool:
        """Whether a picture was saved with a cell whose source matches `pattern`."""
        for cell in self.matching(pattern):
            if cell.images:
                self._record.cell = cell.index
                return True
        return False

    def curves(self, pattern: str = "") -> list[Curve]:
        """Learning curves that can be read from the saved texts.

        Raises
        ------
        Missing
            If nothing was saved, or no curve can be read from it.
        """
        if not any(cell.text or cell.images or cell.html for cell in self.tagged or self.cells):
            raise Missing(say("recorded-missing"))
        for cells in (self.tagged, self.cells):
            found: list[Curve] = []
            for cell in cells:
                if re.search(pattern, cell.source, re.IGNORECASE):
                    here = self._saved.curves_of(cell)
                    if here and not found:
                        self._record.cell = cell.index
                    found += here
            if found:
                self._record.evidence["kind"] = "curves"
                self._record.evidence["curves"] = [curve_evidence(curve) for curve in found[:12]]
                self._record.found_by = self._record.found_by or f"output:{self._record.cell}"
                return found
        raise Missing(say("recorded-no-curve"))

    def tables(self) -> list[Table]:
        """Tables that can be read from the saved outputs, text or HTML."""
        found: list[Table] = []
        for cell in self._in_order():
            here = read_tables(cell.outputs)
            if here and not found:
                self._record.cell = cell.index
            found += here
        return found

    def _in_order(self) -> Iterator[RecordedCell]:
        yield from self.tagged
        yield from (cell for cell in self.cells if not cell.tagged)


def curve_evidence(curve: Curve) -> dict[str, Any]:
    """A curve as the card draws it."""
    name = " ".join(part for part in (str(curve.run or ""), curve.split, curve.metric) if part)
    return {"name": name, "x": [float(e) for e in curve.epochs], "y": list(curve.values)}


def _recorded_cell(index: int, cell: NotebookNode) -> RecordedCell:
    text: list[str] = []
    html: list[str] = []
    images = 0
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            text.append(output.text)
        elif output.output_type in ("execute_result", "display_data"):
            text.append(output.data.get("text/plain", ""))
            html.append(output.data.get("text/html", ""))
            images += any(mime.startswith("image/") for mime in output.data)
    return RecordedCell(
        index=index,
        source=cell.source,
        tagged=RECORDED in cell.metadata.get("tags", []),
        text="\n".join(filter(None, text)),
        html="\n".join(filter(None, html)),
        images=images,
        outputs=list(cell.get("outputs", [])),
    )
