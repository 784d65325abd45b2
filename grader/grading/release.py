"""What students receive: notebooks made from the executable reference, data, and the check pack."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import nbformat
from nbformat import NotebookNode

from grader.course.assignment import FILE, Assignment, skeleton_path
from grader.course.course import Course
from grader.feedback import render_howto
from grader.grading.files import write_whole
from grader.grading.leaks import Secret, leaks
from grader.grading.pack import SUFFIX, pack_bytes
from grader.grading.recording import ReleaseRefused, make_pack
from grader.grading.secrets import secrets_of
from grader.grading.submission import RELEASED
from grader.notebook import to_notebook

HOWTO = "HOWTO.html"
_SHOWN = 20
LARGEST_DATA = 20 << 20
"""Bytes of all data files of a release together."""


class Released(msgspec.Struct, frozen=True):
    """What was written.

    Attributes
    ----------
    postponed
        Public checks that students cannot make themselves, each with the reason and the remedy.
    """

    paths: list[Path]
    postponed: dict[str, str]


def reference_path(assignment: Assignment) -> Path:
    """Path of the reference solution."""
    return assignment.root / "reference" / f"{assignment.slug}.py"


def recorded_outputs(assignment: Assignment) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """Outputs of the reference's recorded cells, by cell name; empty when none were kept."""
    path = reference_path(assignment).with_suffix(".outputs.json")
    if not path.is_file():
        return {}
    outputs: Mapping[str, Sequence[Mapping[str, Any]]] = json.loads(path.read_bytes())
    return outputs


def solution(assignment: Assignment, languages: Sequence[str]) -> NotebookNode:
    """The reference as a hand-in: solved, with the saved outputs of its recorded cells."""
    text = reference_path(assignment).read_text(encoding="utf-8")
    return to_notebook(
        text,
        solution=True,
        languages=languages,
        outputs=recorded_outputs(assignment),
        file=reference_path(assignment).name,
    )


def skeleton(assignment: Assignment, language: str, languages: Sequence[str]) -> NotebookNode:
    """The notebook that students receive in one language."""
    path = reference_path(assignment)
    text = path.read_text(encoding="utf-8")
    return to_notebook(
        text, language=language, languages=languages, assignment=assignment.slug, file=path.name
    )


def write_skeletons(course: Course, assignment: Assignment) -> list[Path]:
    """Write a skeleton in each language of the course, and nothing else; return their paths.

    Raises
    ------
    ReleaseError
        If the reference cannot be released.
    """
    written = _skeletons(course, assignment)
    for path, content in written.items():
        write_whole(path, content)
    return list(written)


def _skeletons(course: Course, assignment: Assignment) -> dict[Path, bytes]:
    notebooks = {
        skeleton_path(assignment, language): skeleton(assignment, language, course.languages)
        for language in course.languages
    }
    return {path: nbformat.writes(nb).encode() + b"\n" for path, nb in notebooks.items()}


def release(course: Course, assignment: Assignment, out: Path) -> Released:
    """Write the skeletons, and the archive that students receive.

    Raises
    ------
    ReleaseError, ReleaseRefused
        If the reference cannot be released; then nothing is written.
    """
    written = _skeletons(course, assignment)
    made = make_pack(course, assignment, solution(assignment, course.languages))
    question = next((check.question for check in made.pack.checks), assignment.questions[0].id)
    page = render_howto(
        assignment.title, course.title, assignment.slug, question, languages=course.languages
    )
    members = {path.name: data for path, data in written.items()}
    members |= {f"{assignment.slug}{SUFFIX}": pack_bytes(made.pack), HOWTO: page.encode()}
    data = made.pack.data
    if sum(map(len, data.values())) > LARGEST_DATA:
        raise ReleaseRefused(
            f"assignments/{assignment.slug}/{RELEASED} holds more than {LARGEST_DATA >> 20} MB: "
            "let the notebook fetch what is large"
        )
    if taken := sorted(members.keys() & data.keys()):
        raise ReleaseRefused(
            f"assignments/{assignment.slug}/{RELEASED}/{taken[0]} is called like a file of the "
            "release itself: rename it"
        )
    members |= data
    packed = {check.function for check in made.pack.checks if check.mode != "grading"}
    _refuse_leaks(assignment, members, secrets_of(course, assignment, packed, made.secrets))
    archive = out / f"{assignment.slug}.zip"
    out.mkdir(parents=True, exist_ok=True)
    write_whole(archive, _zipped(assignment.slug, members))
    for path, content in written.items():
        write_whole(path, content)
    return Released([*written, archive], made.postponed)


def _refuse_leaks(
    assignment: Assignment, members: Mapping[str, bytes], secrets: Sequence[Secret]
) -> None:
    found = leaks(members, secrets)
    if not found:
        return
    lines = [f"{leak.place}: {leak.secret}" for leak in found[:_SHOWN]]
    if len(found) > _SHOWN:
        lines.append(f"and {len(found) - _SHOWN} more")
    raise ReleaseRefused(
        "students would find there what they must not:\n    "
        + "\n    ".join(lines)
        + "\ntake it out; a check that needs it can be left to the grading (self_check in "
        f"assignments/{assignment.slug}/{FILE}), and a line that everybody writes can be let "
        "through (may_go_out)"
    )


def _zipped(folder: str, members: Mapping[str, bytes]) -> bytes:
    """Return an archive of one folder; the same bytes for the same members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(members.items()):
            entry = zipfile.ZipInfo(f"{folder}/{name}")
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return buffer.getvalue()
