"""Run a reference solution for real and keep what its recorded cells put out.

    python tests/samples/record_outputs.py hw4_convnets

writes ``reference/hw4_convnets.outputs.json``: for each cell tagged ``recorded``, by its name, the
outputs as a notebook stores them. With them the reference can be graded like a hand-in.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from nbclient import NotebookClient

from grader.notebook import to_notebook

ROOT = Path(__file__).resolve().parents[2]


def record(slug: str) -> Path:
    """Execute the reference of `slug` from top to bottom and write its recorded outputs."""
    path = ROOT / "reference" / f"{slug}.py"
    text = path.read_text(encoding="utf-8")
    notebook = to_notebook(text, solution=True, languages=("fa", "en"), file=path.name)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    NotebookClient(notebook, timeout=600, kernel_name="python3", coalesce_streams=True).execute()
    outputs = {
        cell.metadata["karnameh"]["name"]: cell.outputs
        for cell in notebook.cells
        if cell.cell_type == "code" and "recorded" in cell.metadata.get("tags", [])
    }
    target = path.with_suffix(".outputs.json")
    target.write_text(json.dumps(outputs, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return target


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(record(name))
