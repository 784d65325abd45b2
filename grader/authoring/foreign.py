"""An assignment of another grader, read: its cells, its questions, its tests as they were written.

Readers (:mod:`nbgrader`, :mod:`otter`) make one of a notebook, :mod:`carrying`
makes our files of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import msgspec
import nbformat
from nbformat import NotebookNode

from grader.grading.release import LARGEST_DATA
from grader.notebook.solutions import RegionError, regions_of, skeleton_of

_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t]*#*$", re.MULTILINE)
_POINTS = re.compile(r"\s*[(\[]\s*[\d.]+\s*(?:points?|pts?|marks?)\s*[)\]]", re.IGNORECASE)
_PICTURE = re.compile(
    r"!\[[^\]]*\]\((?!\w+:|#)([^)\s]+)[^)]*\)|<img[^>]+src=[\"'](?!\w+:)([^\"']+)"
)
_TITLE = 80


class NotImported(ValueError):
    """The notebook cannot be read as an assignment; the message names file, place and remedy."""


class Lost(msgspec.Struct, frozen=True):
    """Something that was not carried over.

    Attributes
    ----------
    cell
        The cell of the notebook, counted from 1; None where the whole is meant.
    what
        What it is and why, in a sentence.
    source
        As it was written, for whoever wants to write it anew.
    """

    cell: int | None
    what: str
    source: str = ""


class Test(msgspec.Struct, frozen=True, kw_only=True):
    """One test.

    Attributes
    ----------
    name
        Kebab-case, and the only one of its name.
    title
        What it looks at, in the notebook's language.
    source
        Python statements, true where they run without an exception.
    share
        Of the part's points.
    by_name
        The source is one function whose parameters are names of the notebook.
    hint
        What is said when it fails.
    unreadable
        Why it cannot be read as statements; empty if it can.
    """

    name: str
    title: str
    source: str
    hidden: bool
    share: Decimal
    cell: int
    by_name: bool = False
    hint: str = ""
    unreadable: str = ""

    @property
    def function(self) -> str:
        """Name of the check that it becomes."""
        return "test_" + self.name.replace("-", "_")


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a question; without tests a person marks it, by `model_answer`.

    One without a title is all that its question asks.
    """

    id: str
    title: str
    points: Decimal
    cell: int
    tests: tuple[Test, ...] = ()
    model_answer: str = ""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question with its parts."""

    id: str
    title: str
    parts: tuple[Part, ...]


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """A cell of the reference. `answer` is the ``question/part`` whose answer in words it is."""

    kind: Literal["markdown", "code"]
    source: str
    name: str = ""
    answer: str = ""
    solution: bool = False


class Foreign(msgspec.Struct, frozen=True, kw_only=True):
    """A whole assignment."""

    origin: str
    file: str
    title: str
    questions: tuple[Question, ...]
    cells: tuple[Cell, ...]
    lost: tuple[Lost, ...]
    notes: tuple[str, ...] = ()
    files: dict[str, bytes] = {}
    """What lies beside the notebook when it runs, by relative path."""


class Beside:
    """The files beside a notebook: those that go along, and those that cannot."""

    def __init__(self, notebook: Path) -> None:
        self.folder = notebook if notebook.is_dir() else notebook.parent
        self.files: dict[str, bytes] = {}
        self.left: list[str] = []

    def all(self) -> None:
        """Take whatever is there but notebooks, as nbgrader does."""
        for path in sorted(self.folder.iterdir()):
            if path.is_file() and path.suffix != ".ipynb" and not path.name.startswith("."):
                self.take(path.name)

    def take(self, name: str) -> None:
        """Take one file, by its path from the notebook's folder."""
        path = PurePosixPath(name)
        inside = not path.is_absolute() and ".." not in path.parts
        try:
            data = (self.folder / path).read_bytes() if inside else None
        except OSError:
            data = None
        room = LARGEST_DATA - sum(map(len, self.files.values()))
        if data is None or len(data) > room:
            self.left.append(name)
        else:
            self.files[path.as_posix()] = data

    def notes(self) -> Iterator[str]:
        """Say what becomes of them."""
        if self.files:
            names = ", ".join(f"`{name}`" for name in self.files)
            yield f"students get, in `files/` of the assignment: {names}"
        if self.left:
            names = ", ".join(f"`{name}`" for name in self.left)
            yield (
                f"not found inside the notebook's folder, or more than {LARGEST_DATA >> 20} MB "
                f"together: {names}"
            )


def read(path: Path) -> NotebookNode:
    """Read the notebook to import.

    Raises
    ------
    NotImported
        If `path` is no notebook in Python, or not exactly one.
    """
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.suffix == ".ipynb")
        if len(found) != 1:
            names = ", ".join(p.name for p in found) or "none"
            raise NotImported(
                f"{path}: an assignment is one notebook here, and in this folder are: {names}. "
                "Import them one at a time, each by its own name"
            )
        path = found[0]
    try:
        notebook: NotebookNode = nbformat.read(path, as_version=4)
    except OSError as error:
        raise NotImported(f"{path}: it cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        problem = str(error).partition("\n")[0][:100]
        raise NotImported(
            f"{path}: this is no notebook ({problem}): open it in Jupyter and save it again"
        ) from error
    metadata: dict[str, Any] = notebook.metadata
    language = metadata.get("kernelspec", {}).get("language") or metadata.get(
        "language_info", {}
    ).get("name", "python")
    if str(language).lower() not in ("python", "python3"):
        raise NotImported(
            f"{path}: its language is {language}, and checks are in Python: only Python notebooks "
            "can be imported"
        )
    return notebook


def heading(markdown: str) -> str | None:
    """Return the last heading of a text cell, without its points."""
    found = _HEADING.findall(markdown)
    return title_of(found[-1]) if found else None


def pictures_of(markdown: str) -> list[str]:
    """Return the files that a text cell shows."""
    return [one or other for one, other in _PICTURE.findall(markdown)]


def title_of(text: str) -> str:
    """Return the first line of a text, short and without its markup."""
    line = next((s for s in (line.strip() for line in text.splitlines()) if s), "")
    line = _POINTS.sub("", line.lstrip("#>- "))
    line = line.replace("*", "").strip(" :.")
    return line if len(line) <= _TITLE else line[: _TITLE - 1].rstrip() + "…"


def kebab(name: str) -> str:
    """Return an id made of `name`; empty if there is nothing to make it of."""
    separated = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name)
    return re.sub(r"[^a-z0-9]+", "-", separated.lower()).strip("-")[:50].strip("-")


def unique(wanted: str, taken: set[str]) -> str:
    """Return `wanted`, or the first of ``wanted-2``, … that is free; it is taken then."""
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}-{number}"
    taken.add(name)
    return name


def points_of(written: Any) -> Decimal | None:
    """Return points as they are written in metadata; None if they are no number."""
    if isinstance(written, bool) or not isinstance(written, (int, float, str)):
        return None
    try:
        value = Decimal(str(written))
    except ArithmeticError:
        return None
    return value if value.is_finite() else None


def shares(points: Decimal, tests: int) -> list[Decimal]:
    """Divide points among tests; the shares add up exactly."""
    each = (points / tests).quantize(Decimal("0.0001"))
    return [*([each] * (tests - 1)), points - each * (tests - 1)]


def sound_solution(source: str) -> tuple[str, str | None]:
    """Return a solution cell whose regions our release can take out, and what had to be changed."""
    try:
        skeleton_of(source, regions_of(source), "")
    except RegionError as error:
        return whole_solution(without_marks(source)), str(error)
    return source, None


def whole_solution(source: str) -> str:
    """Return a cell that is a solution from its first line to its last."""
    return f"# BEGIN SOLUTION\n{source.strip()}\n# END SOLUTION"


def without_marks(source: str) -> str:
    """Return a solution as it runs."""
    return "\n".join(line for line in source.split("\n") if not _is_mark(line)).strip()


def _is_mark(line: str) -> bool:
    return re.match(r"\s*#+\s*(BEGIN|END) SOLUTION\b", line) is not None
