"""Outputs of a cell as a person would see them: streams joined, overwritten lines gone.

nbclient can do this too, but after each cell, where later updates of a display
then hit the wrong output, and in time that grows with the square of a line.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from nbformat import NotebookNode


def joined(outputs: Iterable[NotebookNode]) -> list[NotebookNode]:
    """Join the outputs of each stream, at the place of its first; stdout before stderr.

    The two arrive in an order that depends on timing.
    """
    kept: list[NotebookNode] = []
    streams: dict[str, NotebookNode] = {}
    texts: dict[str, list[str]] = {}
    for output in outputs:
        if output.output_type != "stream":
            kept.append(output)
            continue
        if output.name not in streams:
            streams[output.name] = output
            kept.append(output)
        texts.setdefault(output.name, []).append(output.text)
    for name, parts in texts.items():
        streams[name].text = overwritten("".join(parts))
    for place, (first, second) in enumerate(pairwise(kept)):
        if (first.get("name"), second.get("name")) == ("stderr", "stdout"):
            kept[place : place + 2] = second, first
            break
    return kept


def size_of(outputs: Iterable[NotebookNode]) -> int:
    """Characters that outputs hold."""
    return sum(_size_of(output) for output in outputs)


def _size_of(output: NotebookNode) -> int:
    if output.output_type == "stream":
        return len(output.text)
    if output.output_type == "error":
        return len(output.evalue) + sum(map(len, output.traceback))
    return sum(len(str(value)) for value in output.data.values())


def empty(outputs: Iterable[NotebookNode]) -> None:
    """Take what they hold out of outputs, but for errors; later updates still find their places."""
    for output in outputs:
        if output.output_type == "stream":
            output.text = ""
        elif output.output_type != "error":
            output.data = {}


def overwritten(text: str) -> str:
    r"""Return what is left to see of `text`: after ``\r`` a line is written anew.

    ``\r\n`` ends a line as ``\n`` does, which is how terminals write it.
    """
    if "\r" not in text:
        return text
    return "\n".join(_last_version(line) for line in text.split("\n"))


def _last_version(line: str) -> str:
    return line.rstrip("\r").rpartition("\r")[2]
