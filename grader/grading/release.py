"""Make the notebooks that students receive from the executable reference."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from grader.course.assignment import Assignment
from grader.course.course import Course
from grader.grading.files import write_whole
from grader.notebook import to_notebook


def reference_path(assignment: Assignment) -> Path:
    """Path of the reference solution."""
    return assignment.root / "reference" / f"{assignment.slug}.py"


def skeleton_path(assignment: Assignment, language: str) -> Path:
    """Path of the skeleton notebook in one language."""
    return assignment.folder / f"{assignment.slug}.{language}.ipynb"


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
    return to_notebook(text, language=language, languages=languages, file=path.name)


def write_skeletons(course: Course, assignment: Assignment) -> list[Path]:
    """Write a skeleton in each language of the course and return their paths.

    Raises
    ------
    ReleaseError
        If the reference cannot be released.
    """
    written = []
    for language in course.languages:
        notebook = skeleton(assignment, language, course.languages)
        path = skeleton_path(assignment, language)
        write_whole(path, nbformat.writes(notebook).encode() + b"\n")
        written.append(path)
    return written
