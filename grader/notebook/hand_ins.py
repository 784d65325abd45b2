"""Which hand-ins there are, and whose: folders, notebooks and archives as students name them."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Container, Iterator, Sequence
from itertools import chain, count
from pathlib import Path

import msgspec

from grader.course.received import FILE as RECEIVED_FILE
from grader.course.texts import latin_digits
from grader.notebook.locate import ARCHIVES
from grader.notebook.naming import (
    NOTHING_ALIKE,
    Attempt,
    attempt_of,
    folder_name,
    is_plain_id,
    likeness,
    student_by,
    student_of,
)

_READABLE = (".ipynb", ".zip")
_PDF = ".pdf"
_HANDED_IN = (*_READABLE, *ARCHIVES, ".py", _PDF, ".html", ".htm", ".docx")
"""Suffixes of single files that count as hand-ins, also of those that cannot be graded."""


class HandIns(msgspec.Struct, frozen=True, kw_only=True):
    """The hand-ins of one assignment.

    Attributes
    ----------
    paths
        The one to grade of each student, by id in sorted order.
    beside
        PDFs that lie beside a student's notebook or archive.
    superseded
        Earlier attempts of a student, which are not graded.
    misnamed
        What fits no pattern of the course, and is graded under the id that its name suggests.
    passed_over
        Files that are no hand-ins.
    """

    paths: dict[str, Path]
    beside: dict[str, tuple[Path, ...]]
    superseded: dict[str, tuple[Path, ...]]
    misnamed: dict[str, Path]
    passed_over: tuple[Path, ...]


class _File(msgspec.Struct, frozen=True):
    """One entry of the folder: whose it is, as which attempt, and whether its name fits."""

    path: Path
    student: str
    plain: str
    attempt: Attempt
    fits: bool
    is_folder: bool

    @property
    def is_pdf(self) -> bool:
        return not self.is_folder and self.path.suffix.lower() == _PDF

    def preference(self) -> tuple[bool, Attempt, bool, bool, bool, str]:
        """Order the attempts of one student: the greatest is graded.

        What can be read goes before what cannot, then the later attempt counts; of equals a folder
        goes before a file, the plainest name and a notebook before others.
        """
        suffix = self.path.suffix.lower()
        return (
            self.is_folder or suffix in _READABLE,
            self.attempt,
            self.is_folder,
            self.plain == self.student,
            suffix == _READABLE[0],
            self.path.name,
        )


def list_submissions(folder: Path, slug: str, names: Sequence[str] = ()) -> dict[str, Path]:
    """Return the hand-in to grade of each student, as :func:`survey` finds them."""
    return survey(folder, slug, names).paths


def survey(folder: Path, slug: str, names: Sequence[str] = ()) -> HandIns:
    """Find the hand-ins of assignment `slug` below `folder`.

    A folder is named by the student id; so is a file, or it carries the assignment's name as
    well (``Exercise10_99123456.zip``), or it fits one of the patterns `names`. A mark such as ``_v2``
    or ``(1)`` at the end makes it a later attempt, and the latest is graded. A PDF beside a
    notebook or an archive of the same student belongs to it. Two folders are never attempts of one
    student: where their names become one id, each is listed.
    """
    root = folder / slug
    if not root.is_dir():
        return HandIns(paths={}, beside={}, superseded={}, misnamed={}, passed_over=())
    files, passed_over = _entries(root, slug, names)
    groups: dict[str, list[_File]] = {}
    for file in files:
        key = file.student if not file.is_folder or file.student not in groups else file.path.name
        groups.setdefault(key, []).append(file)
    paths: dict[str, Path] = {}
    beside: dict[str, tuple[Path, ...]] = {}
    superseded: dict[str, tuple[Path, ...]] = {}
    misnamed: dict[str, Path] = {}
    for group in sorted(groups.values(), key=_bears_its_id_plainly, reverse=True):
        pdfs = [file for file in group if file.is_pdf]
        attempts = [file for file in group if not file.is_pdf] or pdfs
        taken = max(attempts, key=_File.preference)
        student = _free_id(taken, paths)
        paths[student] = taken.path
        if not taken.is_pdf and pdfs:
            beside[student] = tuple(file.path for file in pdfs)
        if len(attempts) > 1:
            superseded[student] = tuple(file.path for file in attempts if file is not taken)
        if not taken.fits:
            misnamed[student] = taken.path
    return HandIns(
        paths=dict(sorted(paths.items())),
        beside=beside,
        superseded=dict(sorted(superseded.items())),
        misnamed=dict(sorted(misnamed.items())),
        passed_over=tuple(passed_over),
    )


def _entries(root: Path, slug: str, names: Sequence[str]) -> tuple[list[_File], list[Path]]:
    files: list[_File] = []
    passed_over: list[Path] = []
    for path in sorted(root.iterdir(), key=lambda p: (not p.is_dir(), p.name)):
        if path.name.startswith((".", "__")) or path.name == RECEIVED_FILE:
            continue
        if path.is_dir():
            student = student_by(names, path.name, slug) or _id_of_folder(path.name)
            files.append(_File(path, student, path.name, attempt_of("")[1], True, True))
        elif path.suffix.lower() in _HANDED_IN:
            bare, attempt = attempt_of(path.stem)
            found = student_by(names, bare, slug)
            student = found or student_of(bare, slug)
            fits = found is not None if names else _speaks(bare, student, slug)
            files.append(_File(path, student, path.stem, attempt, fits, False))
        else:
            passed_over.append(path)
    return files, passed_over


def _id_of_folder(name: str) -> str:
    plain = unicodedata.normalize("NFC", name)
    return latin_digits(plain) if plain.isdecimal() else plain


def _speaks(stem: str, student: str, slug: str) -> bool:
    """Whether a name tells by itself whose it is: it bears the assignment's, or is a plain id."""
    return likeness(stem, slug) < NOTHING_ALIKE or (stem == student and is_plain_id(stem))


def _bears_its_id_plainly(group: Collection[_File]) -> bool:
    return any(file.plain == file.student == folder_name(file.student) for file in group)


def _free_id(file: _File, taken: Container[str]) -> str:
    return next(name for name in _ids(file) if name not in taken)


def _ids(file: _File) -> Iterator[str]:
    whole = folder_name(file.path.name)
    stem = whole if file.is_folder else folder_name(file.path.stem)
    numbered = (f"{whole}-{number}" for number in count(2))
    return chain((folder_name(file.student), stem, whole), numbered)
