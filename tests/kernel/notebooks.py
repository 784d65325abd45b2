"""Notebooks made in place, and what to read off one that ran."""

from __future__ import annotations

from collections.abc import Callable

from nbformat import NotebookNode, v4

from grader.course.assignment import Limits
from grader.kernel.run import Run

# Far more than anything here takes on a busy machine: a test that reaches them has failed.
GENEROUS = Limits(cell_seconds=60, submission_seconds=240, probe_seconds=60)

SECRET = "KARNAMEH_TEST_SECRET"
"""A variable in the environment of the grader, before the zygote starts."""

Execute = Callable[..., Run]


def notebook_of(*sources: str | NotebookNode) -> NotebookNode:
    """A notebook with these code cells."""
    cells = [v4.new_code_cell(s) if isinstance(s, str) else s for s in sources]
    return v4.new_notebook(cells=cells)


def text_of(cell: NotebookNode) -> str:
    """What a cell printed."""
    return "".join(o.text for o in cell.outputs if o.output_type == "stream")


def printed(run: Run, index: int = -1) -> str:
    return text_of(run.notebook.cells[index])


def statuses(run: Run) -> list[str]:
    return [cell.status for cell in run.cells]
