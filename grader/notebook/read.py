"""Reading a notebook as it comes: any bytes become a :class:`Submission` or :class:`Unreadable`."""

from __future__ import annotations

import hashlib
import stat
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
from nbformat import NotebookNode

from grader.notebook.decode import parse
from grader.notebook.findings import Finding, Unreadable
from grader.notebook.repair import sound_notebook

MAX_BYTES = 50 * 1024 * 1024
MAX_CELLS = 2000

_KERNELS = {
    "ir": "R",
    "bash": "Bash",
    "javascript": "JavaScript",
    "octave": "Octave",
    "matlab": "MATLAB",
    "rust": "Rust",
    "scala": "Scala",
    "sagemath": "SageMath",
}
"""Languages of kernels whose specification says no language, by the kernel's name."""


class Submission(msgspec.Struct, frozen=True):
    """A notebook that can be graded.

    Attributes
    ----------
    notebook
        Sound notebook of format 4.5: ``nbformat.validate`` accepts it.
    findings
        What was repaired or is worth knowing, in no order of importance.
    sha256
        Hash of the file as it was handed in, hexadecimal.
    language
        Programming language of its cells, in lower case; ``python`` where the file does not say.
    """

    notebook: NotebookNode
    findings: tuple[Finding, ...]
    sha256: str
    language: str = "python"


def read_notebook(
    source: str | Path | bytes, *, max_bytes: int = MAX_BYTES, max_cells: int = MAX_CELLS
) -> Submission:
    """Read the notebook in a file, or in bytes that were already read.

    Parameters
    ----------
    source
        Path of the file, or its content.
    max_bytes, max_cells
        Size of the file and number of cells beyond which it is not read.

    Raises
    ------
    Unreadable
        If it is no notebook, or too large; its finding says why and what the student should do.
    """
    data = source if isinstance(source, bytes) else _read_file(Path(source), max_bytes)
    if len(data) > max_bytes:
        raise Unreadable(_too_large(len(data), max_bytes))
    document, findings = parse(data)
    notebook, repairs = sound_notebook(document, max_cells=max_cells)
    language = _language(notebook.metadata)
    return Submission(
        notebook=notebook,
        findings=tuple(findings + repairs + _remarks(notebook, language)),
        sha256=hashlib.sha256(data).hexdigest(),
        language=language.lower(),
    )


def _read_file(path: Path, max_bytes: int) -> bytes:
    """Return the content of a regular file, without waiting for pipes or reading what is too large."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable(Finding("no-file", {"name": path.name}))
        if status.st_size > max_bytes:
            raise Unreadable(_too_large(status.st_size, max_bytes))
        with path.open("rb") as file:
            return file.read(max_bytes + 1)
    except OSError as error:
        raise not_opened(path, error) from error


def not_opened(path: Path, error: OSError) -> Unreadable:
    """Return what to raise when the file system does not let us read `path`."""
    reason = error.strerror or type(error).__name__
    return Unreadable(Finding("not-opened", {"name": path.name, "reason": reason}))


def _too_large(size: int, limit: int) -> Finding:
    mebibyte = 1024 * 1024
    return Finding("too-large", {"size": round(size / mebibyte, 1), "limit": limit / mebibyte})


def _language(metadata: NotebookNode) -> str:
    """Return the language that the notebook's kernel speaks, ``python`` where nothing else is said."""
    kernel = metadata.get("kernelspec", {})
    name = kernel.get("name", "").lower()
    said = kernel.get("language")
    if not (isinstance(said, str) and said):
        prefix = name.split("-", 1)[0]
        said = "Julia" if prefix == "julia" else _KERNELS.get(prefix)
    if not said and not name:
        said = metadata.get("language_info", {}).get("name")
    return said if said and "python" not in said.lower() else "python"


def _remarks(notebook: NotebookNode, language: str) -> list[Finding]:
    """Return what is worth knowing about a notebook that is sound."""
    if not notebook.cells:
        return [Finding("no-cells")]
    remarks = []
    if language != "python":
        remarks.append(Finding("other-language", {"language": language}))
    elif _is_python_2(notebook.metadata):
        remarks.append(Finding("python-2"))

    code = [(i, cell) for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    runs = [(i, n) for i, cell in code if (n := cell.execution_count) is not None]
    for (_, before), (index, number) in pairwise(runs):
        if number <= before:
            values = {"number": number, "before": before}
            remarks.append(Finding("executed-out-of-order", values, cell=index))
            break
    failed = [(i, o.ename) for i, cell in code for o in cell.outputs if o.output_type == "error"]
    if failed:
        cells = [i + 1 for i in dict.fromkeys(i for i, _ in failed)]
        errors = list(dict.fromkeys(name for _, name in failed))
        values_of: dict[str, Any] = {"cells": cells, "errors": errors}
        remarks.append(Finding("errors-left", values_of, cell=failed[0][0]))
    written = [cell for _, cell in code if cell.source.strip()]
    if written and not any(cell.outputs for cell in written):
        remarks.append(Finding("no-outputs"))
    return remarks


def _is_python_2(metadata: NotebookNode) -> bool:
    version = metadata.get("language_info", {}).get("version")
    name = metadata.get("kernelspec", {}).get("name", "")
    return name == "python2" or (isinstance(version, str) and version.startswith("2."))
