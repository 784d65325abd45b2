"""The prose of a hand-in, by the part that it answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import msgspec
from nbformat import NotebookNode


class Prose(msgspec.Struct, frozen=True):
    """What a student wrote.

    Attributes
    ----------
    answers
        By ``question/part``; a part without an answer is not in it.
    other
        Text that belongs to no part, in the order of the notebook.
    """

    answers: dict[str, str]
    other: str


def fingerprint(answer: str) -> str:
    """A short name for this very answer, whatever the spaces around its lines."""
    text = "\n".join(line.strip() for line in answer.strip().splitlines())
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]


def prose_of(notebook: NotebookNode, skeletons: Sequence[NotebookNode]) -> Prose:
    """Collect the prose of `notebook`.

    An answer stands in the cell that the skeleton made for it, and goes on in text cells that
    the student put behind it. Where an editor dropped the marks of cells, the questions of the
    skeleton show which answer comes next.

    Parameters
    ----------
    skeletons
        The notebooks that students received, one in each language.
    """
    blank = {_plain(cell.source) for s in skeletons for cell in s.cells if _answer(cell)}
    asked = dict(_questions(skeletons))
    marked = any(_answer(cell) for cell in notebook.cells)
    answers: dict[str, list[str]] = {}
    other: list[str] = []
    place: str | None = None
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            if _ours(cell):
                place = None
            continue
        text = _plain(cell.source)
        if marked and _answer(cell):
            place = _answer(cell)
        elif text in asked:
            place = None if marked else asked[text]
            continue
        if text and text not in blank:
            (other if place is None else answers.setdefault(place, [])).append(cell.source.strip())
    return Prose({p: "\n\n".join(parts) for p, parts in answers.items()}, "\n\n".join(other))


def _questions(skeletons: Sequence[NotebookNode]) -> Iterator[tuple[str, str | None]]:
    """Yield each text of a skeleton that is no answer, and the answer that follows it."""
    for skeleton in skeletons:
        for place, cell in enumerate(skeleton.cells):
            if cell.cell_type == "markdown" and not _answer(cell):
                following = skeleton.cells[place + 1 : place + 2]
                yield _plain(cell.source), _answer(following[0]) if following else None


def _ours(cell: NotebookNode) -> bool:
    return isinstance(cell.metadata.get("karnameh"), dict)


def _answer(cell: NotebookNode) -> str | None:
    ours = cell.metadata.get("karnameh")
    answer = ours.get("answer") if isinstance(ours, dict) else None
    return answer if isinstance(answer, str) and cell.cell_type == "markdown" else None


def _plain(text: str) -> str:
    return " ".join(text.split())
