"""Making sample hand-ins: the released notebook answered in one way or another, run, and written down.

What the makers of the assignments share. Most samples are the released notebook with some cells
answered differently; their outputs come from running them.
"""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_output

from grader.notebook import to_notebook

ROOT = Path(__file__).resolve().parents[2]
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
COLAB = {"accelerator": "GPU", "colab": {"provenance": [], "gpuType": "T4"}}
PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


# ---- notebooks -----------------------------------------------------------------------------------


def released(
    slug: str, prose: Mapping[str, str], *, language: str = "fa", solution: bool = True
) -> NotebookNode:
    """The notebook of an assignment as released, or solved with a student's own prose."""
    reference = ROOT / "reference" / f"{slug}.py"
    saved = reference.with_suffix(".outputs.json").read_text(encoding="utf-8")
    outputs = json.loads(saved) if solution else None
    text = reference.read_text(encoding="utf-8")
    notebook = to_notebook(text, language=language, solution=solution, outputs=outputs)
    for cell in notebook.cells:
        answer = facts(cell).get("answer")
        if solution and answer in prose:
            cell.source = prose[answer]
    notebook.metadata.pop("karnameh", None)
    return notebook


def own_notebook(
    path: Path, saved: Mapping[str, list[NotebookNode]]
) -> tuple[NotebookNode, list[NotebookNode]]:
    """A notebook of a student's own from Colab, without tags, from a py:percent file.

    Returns the notebook and its named cells: those that bear `saved` outputs and are not run.
    """
    text = path.read_text(encoding="utf-8")
    notebook = nbformat.from_dict(jupytext.reads(text, fmt="py:percent"))
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, **COLAB})
    named = {c.metadata["name"]: c for c in notebook.cells if "name" in c.metadata}
    for name, outputs in saved.items():
        named[name].outputs = outputs
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
    return notebook, list(named.values())


def facts(cell: NotebookNode) -> dict[str, str]:
    """What the release wrote into a cell's metadata: its name, or the answer that it holds."""
    return dict(cell.metadata.get("karnameh", {}))


def place_of(notebook: NotebookNode, name: str) -> int:
    """Index of the cell of this name."""
    return next(i for i, cell in enumerate(notebook.cells) if facts(cell).get("name") == name)


def cell_of(notebook: NotebookNode, name: str) -> NotebookNode:
    """The cell of this name."""
    return notebook.cells[place_of(notebook, name)]


def rewrite(notebook: NotebookNode, name: str, *changes: tuple[str, str]) -> None:
    """Replace passages in the cell of this name."""
    cell = cell_of(notebook, name)
    for old, new in changes:
        if cell.source.count(old) != 1:
            raise ValueError(f"{name}: {old!r} stands there {cell.source.count(old)} times")
        cell.source = cell.source.replace(old, new)


def insert(notebook: NotebookNode, before: str, source: str, text: str = "") -> NotebookNode:
    """Insert a code cell with a saved output before the cell of this name, and return it."""
    cell = new_code_cell(source)
    cell.outputs = [stream(text)] if text else []
    notebook.cells.insert(place_of(notebook, before), cell)
    return cell


def is_recorded(cell: NotebookNode) -> bool:
    """Whether the cell is one that the grader does not run."""
    return "recorded" in cell.metadata.get("tags", [])


def with_outputs(notebook: NotebookNode, *kept: NotebookNode) -> NotebookNode:
    """Run the notebook and keep its outputs; recorded cells and those in `kept` are left alone."""
    alone = [is_recorded(cell) or any(cell is each for each in kept) for cell in notebook.cells]
    running = nbformat.from_dict(notebook)
    for ran, left in zip(running.cells, alone, strict=True):
        if left:
            ran.source = "pass"
    NotebookClient(
        running,
        timeout=120,
        kernel_name="python3",
        allow_errors=True,
        record_timing=False,
        coalesce_streams=True,
    ).execute()
    cells = zip(notebook.cells, running.cells, alone, strict=True)
    for count, (cell, ran, left) in enumerate(cells, start=1):
        if cell.cell_type == "code":
            cell.execution_count = count
            if not left:
                cell.outputs = ran.outputs
    return notebook


def numbered(notebook: NotebookNode) -> NotebookNode:
    """Give the cells the ids 1, 2, ..., so that making them again changes nothing."""
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number}"
        for output in cell.get("outputs", []):
            if output.output_type == "execute_result":
                output.execution_count = cell.execution_count
    nbformat.validate(notebook)
    return notebook


# ---- outputs -------------------------------------------------------------------------------------


def stream(text: str) -> NotebookNode:
    """What a cell printed."""
    return new_output("stream", name="stdout", text=text)


def picture(figure: Any) -> NotebookNode:
    """A figure of matplotlib as a cell shows it; the figure is closed."""
    from matplotlib import pyplot as plt

    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=60, metadata={"Software": None})
    plt.close(figure)
    data = {"image/png": base64.b64encode(drawn.getvalue()).decode(), "text/plain": "<Figure>"}
    return new_output("display_data", data=data)


# ---- files ---------------------------------------------------------------------------------------


def text_of(notebook: NotebookNode) -> str:
    """The notebook as its file has it."""
    return nbformat.writes(numbered(notebook)) + "\n"


def write_zip(path: Path, files: Mapping[str, bytes], date: tuple[int, ...]) -> None:
    """Write a zip whose bytes depend on nothing else."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, date), data)  # type: ignore[arg-type]
    path.write_bytes(packed.getvalue())


def write_samples(target: Path, samples: Mapping[str, Callable[[], NotebookNode]]) -> None:
    """Write all samples into the emptied folder `target`: their paths in it, without .ipynb."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for path, sample in samples.items():
        file = target / f"{path}.ipynb"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text_of(sample()), encoding="utf-8")
        print(path)
