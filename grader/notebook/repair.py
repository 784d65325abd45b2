"""From any JSON object with cells to a sound notebook of format 4.5.

What comes out satisfies ``nbformat.validate`` by construction, which is why it
need not be called: every field is copied through a function that knows what
the format allows there. Byte order marks, line endings and missing cell ids
are put right without a word; everything that a student might miss is told.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from nbformat import NotebookNode

from grader.notebook.decode import CONFLICT_END, CONFLICT_START
from grader.notebook.findings import Finding, Unreadable
from grader.notebook.lookalikes import other_json

MAX_DEPTH = 64
"""Nesting of metadata and of JSON outputs; what lies deeper is left out."""

_FORMAT, _MINOR = 4, 5
_CELL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_JSON_MIME = re.compile(r"application/(.*\+)?json")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_LINE_END = ("\n", "\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029")
_TRANSIENT = ("orig_nbformat", "orig_nbformat_minor", "signature")

_CELL_TYPES = {
    **dict.fromkeys(("code", "markdown", "raw")),
    "heading": "markdown",  # format 3
    "html": "markdown",  # format 3
    "text": "markdown",  # format 1
}
_OUTPUT_TYPES = {
    **dict.fromkeys(("stream", "display_data", "execute_result", "error")),
    "update_display_data": "display_data",  # Colab saves the message as it came
    "pyout": "execute_result",  # format 3
    "pyerr": "error",  # format 3
}
_OLD_MIME_KEYS = {
    "text": "text/plain",
    "html": "text/html",
    "svg": "image/svg+xml",
    "png": "image/png",
    "jpeg": "image/jpeg",
    "latex": "text/latex",
    "json": "application/json",
    "javascript": "application/javascript",
    "pdf": "application/pdf",
}


def sound_notebook(document: Any, *, max_cells: int) -> tuple[NotebookNode, list[Finding]]:
    """Return `document` as a valid notebook of format 4.5, and what was repaired.

    Raises
    ------
    Unreadable
        If `document` is no notebook, or has more than `max_cells` cells.
    """
    repair = _Repair()
    if not isinstance(document, dict):
        raise Unreadable(other_json(document))
    cells = _cells_of(document)
    if cells is None:
        raise Unreadable(other_json(document))
    if len(cells) > max_cells:
        raise Unreadable(Finding("too-many-cells", {"cells": len(cells), "limit": max_cells}))

    version = repair.count(document.get("nbformat")) or 0
    old = "worksheets" in document or 0 < version < _FORMAT
    findings = []
    if 0 < version < _FORMAT:
        findings.append(Finding("old-format", {"version": version}))
    elif version != _FORMAT:
        findings.append(Finding("unknown-format"))

    notebook = NotebookNode(
        cells=repair.cells(cells, old=old),
        metadata=repair.metadata(document.get("metadata", {}), _NOTEBOOK_METADATA, _TRANSIENT),
        nbformat=_FORMAT,
        nbformat_minor=_MINOR,
    )
    repair.make_ids_unique(notebook.cells)
    return notebook, findings + repair.findings()


def _cells_of(document: Mapping[str, Any]) -> list[Any] | None:
    """Return the cells of a notebook of any format, None if `document` is no notebook."""
    cells = document.get("cells")
    if isinstance(cells, list):
        looks_right = not cells or any(isinstance(c, dict) and "cell_type" in c for c in cells)
        return cells if looks_right or "nbformat" in document else None
    sheets = document.get("worksheets")
    if isinstance(sheets, list):
        found = [s["cells"] for s in sheets if isinstance(s, dict) and "cells" in s]
        return [cell for cells in found if isinstance(cells, list) for cell in cells]
    return [] if "nbformat" in document and "metadata" in document else None


class _Repair:
    """One notebook's repair: copies every part into its sound form and counts what it changed."""

    def __init__(self) -> None:
        self.changed: Counter[str] = Counter()
        self.first_cell: dict[str, int] = {}
        self.at: int | None = None

    def note(self, what: str) -> None:
        self.changed[what] += 1
        if self.at is not None:
            self.first_cell.setdefault(what, self.at)

    def findings(self) -> list[Finding]:
        return [
            Finding(what, {"count": count}, cell=self.first_cell.get(what))
            for what, count in self.changed.items()
        ]

    # ------------------------------------------------------------ cells

    def cells(self, cells: list[Any], *, old: bool) -> list[NotebookNode]:
        sound: list[NotebookNode] = []
        for cell in cells:
            self.at = len(sound)
            if isinstance(cell, dict):
                sound.append(self.cell(cell, old=old))
            else:
                self.note("cells-dropped")
        self.at = None
        return sound

    def cell(self, cell: Mapping[str, Any], *, old: bool) -> NotebookNode:
        kind = self.cell_type(cell)
        source = self.source(cell, old=old)
        if cell.get("cell_type") == "heading":
            level = cell.get("level")
            marks = "#" * (level if isinstance(level, int) and 1 <= level <= 6 else 1)
            source = f"{marks} {' '.join(source.splitlines())}"
        if CONFLICT_START.search(source) and CONFLICT_END.search(source):
            self.note("conflict-in-cell")

        sound = NotebookNode(
            cell_type=kind,
            id=cell.get("id"),
            metadata=self.metadata(
                cell.get("metadata", {}), _CELL_METADATA | _METADATA_OF[kind], ("trusted",)
            ),
            source=source,
        )
        if kind == "code":
            sound["execution_count"] = self.count(
                cell.get("execution_count", cell.get("prompt_number"))
            )
            sound["outputs"] = self.outputs(cell.get("outputs", []), old=old)
        elif "attachments" in cell:
            sound["attachments"] = self.attachments(cell["attachments"])
        return sound

    def cell_type(self, cell: Mapping[str, Any]) -> str:
        kind = cell.get("cell_type")
        if isinstance(kind, str) and kind in _CELL_TYPES:
            return _CELL_TYPES[kind] or kind
        self.note("cell-type-unknown")
        return "code" if "outputs" in cell or "execution_count" in cell else "raw"

    def source(self, cell: Mapping[str, Any], *, old: bool) -> str:
        for key in ("source", "input", "code", "text"):  # formats 4, 3, 1, 1
            if key in cell:
                break
        else:
            self.note("sources-repaired")
            return ""
        source = cell[key]
        if isinstance(source, list) and all(isinstance(line, str) for line in source):
            joined = _join_lines(source)
            if not old and joined != "".join(source):
                self.note("sources-repaired")
            source = joined
        elif not isinstance(source, str):
            self.note("sources-repaired")
            lines = source if isinstance(source, list) else [source]
            source = "\n".join(
                str(s).rstrip("\n") for s in lines if isinstance(s, str | int | float)
            )
        return self.text(source).replace("\r\n", "\n").replace("\r", "\n")

    def attachments(self, attachments: Any) -> NotebookNode:
        sound = NotebookNode()
        bundles = attachments if isinstance(attachments, dict) else {"": attachments}
        for name, bundle in bundles.items():
            if isinstance(bundle, dict):
                sound[self.text(name)] = self.mimebundle(bundle, old=False)
            else:
                self.note("metadata-repaired")
        return sound

    def make_ids_unique(self, cells: list[NotebookNode]) -> None:
        """Give every cell an id of its own; where one was missing, one that tells its place."""
        taken: set[str] = set()
        for index, cell in enumerate(cells):
            if isinstance(cell.id, str) and _CELL_ID.fullmatch(cell.id) and cell.id not in taken:
                taken.add(cell.id)
                continue
            if cell.id is not None:
                self.at = index
                self.note("ids-repaired")
            cell["id"] = ""
        self.at = None
        for index, cell in enumerate(cells):
            if not cell.id:
                number = index
                while f"cell-{number}" in taken:
                    number += len(cells)
                cell["id"] = f"cell-{number}"
                taken.add(cell.id)

    # ------------------------------------------------------------ outputs

    def outputs(self, outputs: Any, *, old: bool) -> list[NotebookNode]:
        if not isinstance(outputs, list):
            self.note("outputs-repaired")
            return []
        sound = []
        for output in outputs:
            kind = output.get("output_type") if isinstance(output, dict) else None
            if not isinstance(kind, str) or kind not in _OUTPUT_TYPES:
                self.note("outputs-repaired")
                continue
            kind = _OUTPUT_TYPES[kind] or kind
            sound.append(self.output(output, kind, old=old))
        return sound

    def output(self, output: Mapping[str, Any], kind: str, *, old: bool) -> NotebookNode:
        if kind == "stream":
            name = output.get("name", output.get("stream", "stdout"))
            return NotebookNode(
                output_type=kind,
                name=name if name in ("stdout", "stderr") else "stdout",
                text=self.multiline(output.get("text", ""), old=old),
            )
        if kind == "error":
            trace = output.get("traceback", [])
            lines = trace if isinstance(trace, list) else [trace]
            return NotebookNode(
                output_type=kind,
                ename=self.multiline(output.get("ename", ""), old=old),
                evalue=self.multiline(output.get("evalue", ""), old=old),
                traceback=[self.multiline(line, old=old) for line in lines],
            )
        data = output.get("data", {})
        if old and not isinstance(data, dict):
            data = {}
        if old or "data" not in output:
            data = data | {m: output[k] for k, m in _OLD_MIME_KEYS.items() if k in output}
        if not isinstance(data, dict):
            self.note("outputs-repaired")
            data = {}
        sound = NotebookNode(
            output_type=kind,
            data=self.mimebundle(data, old=old),
            metadata=self.metadata(output.get("metadata", {}), {}),
        )
        if kind == "execute_result":
            number = output.get("execution_count", output.get("prompt_number"))
            sound["execution_count"] = self.count(number)
        return sound

    def mimebundle(self, bundle: Mapping[str, Any], *, old: bool) -> NotebookNode:
        sound = NotebookNode()
        for mime, data in bundle.items():
            if _JSON_MIME.fullmatch(mime):
                sound[self.text(mime)] = self.json(data)
            elif isinstance(data, str | list):
                sound[self.text(mime)] = self.multiline(data, old=old)
            else:
                self.note("outputs-repaired")
        return sound

    def multiline(self, value: Any, *, old: bool) -> str:
        """Return text that may be saved as a list of lines."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list) and all(isinstance(line, str) for line in value):
            return self.text(_join_lines(value) if old else "".join(value))
        self.note("outputs-repaired")
        lines = value if isinstance(value, list) else [value]
        return self.text("".join(str(s) for s in lines if isinstance(s, str | int | float)))

    # ------------------------------------------------------------ values

    def count(self, value: Any) -> int | None:
        """Return a prompt number: a whole number from 0 on, or None."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        sound = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        return value if sound else None

    def metadata(
        self,
        value: Any,
        known: Mapping[str, Callable[[Any], Any]],
        transient: tuple[str, ...] = (),
    ) -> NotebookNode:
        """Return metadata whose `known` keys have the type that the format asks for.

        A function of `known` gets the value (already plain JSON) and returns it, mended where
        that is possible, or None to leave the key out.
        """
        if not isinstance(value, dict):
            if value is not None:
                self.note("metadata-repaired")
            return NotebookNode()
        sound = NotebookNode()
        for raw_key, raw in value.items():
            key = self.text(raw_key)
            if key in transient:
                continue
            item = self.json(raw)
            if key in known:
                mended = known[key](item)
                if mended != item:
                    self.note("metadata-repaired")
                if mended is None:
                    continue
                item = mended
            sound[key] = item
        return sound

    def json(self, value: Any, depth: int = 0) -> Any:
        """Return plain JSON with clean text, finite numbers and bounded depth."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        if not isinstance(value, dict | list):
            return value
        if depth >= MAX_DEPTH:
            self.note("depth-cut")
            return None
        if isinstance(value, list):
            return [self.json(item, depth + 1) for item in value]
        return NotebookNode({self.text(k): self.json(v, depth + 1) for k, v in value.items()})

    def text(self, value: str) -> str:
        """Return `value` without zero characters and halves of surrogate pairs."""
        if "\0" in value:
            self.note("characters-replaced")
            value = value.replace("\0", "")
        if not value.isascii() and _SURROGATE.search(value):
            self.note("characters-replaced")
            # Two halves that were saved one by one make a whole again.
            value = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return value


def _join_lines(lines: list[str]) -> str:
    r"""Join the lines of a cell, also where a tool saved them without their ends.

    A notebook saves ``["a\n", "b"]``. Formats up to 3, and careless tools still, save
    ``["a", "b"]``: joined as they are, all lines would become one.
    """
    if len(lines) > 1 and not any(line.endswith(_LINE_END) for line in lines[:-1]):
        return "\n".join(lines)
    return "".join(lines)


# What format 4.5 asks of the metadata that it knows; all other metadata is free.

Check = Callable[[Any], Any]


def _of_type(*types: type) -> Check:
    return lambda value: value if isinstance(value, types) else None


def _kernelspec(value: Any) -> Any:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    shown = value.get("display_name")
    return value if isinstance(shown, str) else NotebookNode(value, display_name=value["name"])


def _language_info(value: Any) -> Any:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    texts = ("file_extension", "mimetype", "pygments_lexer")
    return NotebookNode(
        {
            key: item
            for key, item in value.items()
            if (key not in texts or isinstance(item, str))
            and (key != "codemirror_mode" or isinstance(item, str | dict))
        }
    )


def _tags(value: Any) -> Any:
    tags = re.split(r"[,\s]+", value) if isinstance(value, str) else value
    if not isinstance(tags, list):
        return None
    return list(dict.fromkeys(t for t in tags if isinstance(t, str) and t and "," not in t))


def _execution(value: Any) -> Any:
    if not isinstance(value, dict):
        return None
    return NotebookNode({key: item for key, item in value.items() if isinstance(item, str)})


_NOTEBOOK_METADATA: dict[str, Check] = {
    "kernelspec": _kernelspec,
    "language_info": _language_info,
    "title": _of_type(str),
    "authors": _of_type(list),
}
_CELL_METADATA: dict[str, Check] = {
    "name": lambda value: value if isinstance(value, str) and re.fullmatch(".+", value) else None,
    "tags": _tags,
    "jupyter": _of_type(dict),
}
_METADATA_OF: dict[str, dict[str, Check]] = {
    "code": {
        "execution": _execution,
        "collapsed": _of_type(bool),
        "scrolled": lambda value: (
            value if value is True or value is False or value == "auto" else None
        ),
    },
    "markdown": {},
    "raw": {"format": _of_type(str)},
}
