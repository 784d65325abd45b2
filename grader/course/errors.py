"""Mistakes in the files of a course: what is wrong, where, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec


class Complaint(NamedTuple):
    """What is wrong with a value, and how to put it right."""

    problem: str
    remedy: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One mistake, with its place.

    Attributes
    ----------
    file
        Path relative to the course's folder, or absolute when it lies outside.
    key
        Dotted path inside the file, positions counted from 0:
        ``question[2].part[0].points``. Empty when the whole file is meant.
    line
        Line of the file, counted from 1, where it is known.
    """

    file: str
    key: str
    problem: str
    remedy: str
    line: int | None = None

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        if self.key:
            place = f"{place}, {self.key}"
        return f"{place}\n    {self.problem}\n    {self.remedy}"


class CourseError(Exception):
    """The files of a course cannot be used as they are.

    All mistakes that could be found are in it, so that a teacher can put them
    right in one go.

    Attributes
    ----------
    problems
        The mistakes, in the order in which they were found. Never empty.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        listed = "\n".join(str(problem) for problem in self.problems)
        if len(self.problems) == 1:
            return listed
        return f"{len(self.problems)} mistakes in the course's files:\n{listed}"


class Problems:
    """Collects the mistakes of one reading, and raises them together."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.found: list[Problem] = []

    def __len__(self) -> int:
        return len(self.found)

    def add(self, file: Path, key: str, complaint: Complaint, *, line: int | None = None) -> None:
        """Note that `file` is wrong at `key`."""
        self.found.append(
            Problem(
                file=self._shown(file),
                key=key,
                problem=complaint.problem,
                remedy=complaint.remedy,
                line=line,
            )
        )

    def error(self) -> CourseError:
        """Return what was collected as one error, to be raised."""
        return CourseError(self.found)

    def _shown(self, file: Path) -> str:
        try:
            return file.relative_to(self.root).as_posix()
        except ValueError:
            return file.as_posix()


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the one of `known` that `word` was probably meant to be.

    That is the closest in spelling, or else the only one that `word` begins.
    """
    spelled = {name.lower(): name for name in known}
    match = difflib.get_close_matches(word.lower(), spelled, n=1)
    if not match and word:
        match = [name for name in spelled if name.startswith(word.lower())]
    return spelled[match[0]] if len(match) == 1 else None


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return a remedy for the unknown `word`: the nearest of `known`, or all of them."""
    guess = nearest(word, known)
    if guess is not None:
        return f'did you mean "{guess}"?'
    if not known:
        return "remove it"
    return "known are: " + ", ".join(f'"{name}"' for name in known)


def quoted(names: Iterable[str]) -> str:
    """Return `names` in quotes, separated by commas."""
    return ", ".join(f'"{name}"' for name in names)
