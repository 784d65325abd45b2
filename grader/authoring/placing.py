"""Putting a new assignment into a course: files that were not there, and its place in the list."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import tomlkit

from grader.course.course import FILE as COURSE_FILE
from grader.course.errors import Complaint
from grader.course.rules import slug as slug_rule
from grader.grading.files import write_whole


class NotPlaced(ValueError):
    """An assignment that cannot be put where it was asked for; nothing was written."""

    @classmethod
    def because(cls, complaint: Complaint) -> NotPlaced:
        return cls(f"{complaint.problem}: {complaint.remedy}")


def check_slug(slug: str) -> None:
    """See that `slug` can name an assignment.

    Raises
    ------
    NotPlaced
        If it cannot.
    """
    if (complaint := slug_rule(slug)) is not None:
        raise NotPlaced.because(complaint)


def check_free(root: Path, slug: str) -> None:
    """See that nothing of an assignment `slug` is in the course at `root`.

    Raises
    ------
    NotPlaced
        Naming what is there.
    """
    check_slug(slug)
    reference = root / "reference"
    places = (
        root / "assignments" / slug,
        reference / f"{slug}.py",
        reference / f"{slug}.outputs.json",
        root / "submissions" / slug,
    )
    _check_absent(path for path in places)


def _check_absent(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.exists() or path.is_symlink():
            raise NotPlaced(
                f"{path} is there already, and nothing is ever overwritten: "
                "choose another slug, or move it away"
            )


def place(root: Path, slug: str, files: Mapping[str, str | bytes]) -> list[Path]:
    """Write the files of the new assignment `slug` and add it to the course's list.

    Parameters
    ----------
    root
        Folder of the course.
    files
        Contents by path relative to `root`. Where course.toml is among them the course is new.

    Returns
    -------
    list of Path
        What was written, in the order of `files`.

    Raises
    ------
    NotPlaced
        If one of them is there already, or the list cannot be extended; nothing is written then.
    OSError
        If they cannot be written; what was is removed again.
    """
    check_free(root, slug)
    paths = [root / name for name in files]
    _check_absent(paths)
    listed = None if COURSE_FILE in files else _with_assignment(root / COURSE_FILE, slug)
    written: list[Path] = []
    try:
        for path, text in zip(paths, files.values(), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                written.append(path)
                file.write(text if isinstance(text, bytes) else text.encode())
        if listed is not None:  # last: a list that names what is not there is a broken course
            write_whole(root / COURSE_FILE, listed.encode())
    except OSError:
        _withdraw(root, written)
        raise
    return paths


def _withdraw(root: Path, paths: Iterable[Path]) -> None:
    """Remove what was written of an assignment that could not be written whole."""
    for path in paths:
        with suppress(OSError):
            path.unlink()
        for folder in path.relative_to(root).parents:
            with suppress(OSError):  # one that holds something else stays
                (root / folder).rmdir()


def _with_assignment(file: Path, slug: str) -> str:
    """Return course.toml with `slug` at the end of its list, everything else as it was written."""
    text = file.read_bytes().decode("utf-8-sig")
    document = tomlkit.parse(text)
    listed = document["assignments"]
    if not isinstance(listed, list):
        raise NotPlaced(f"{file}, assignments: this is no list: write [ … ]")
    listed.append(slug)
    made = tomlkit.dumps(document)
    wanted = tomllib.loads(text)
    wanted["assignments"] = [*wanted["assignments"], slug]
    if tomllib.loads(made) != wanted:
        raise NotPlaced(
            f'{file}, assignments: the list cannot be extended as it is written: add "{slug}" '
            "to it by hand, or write it on one line"
        )
    return made
