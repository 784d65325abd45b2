"""The warm-up assignment as students receive it."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import nbformat

from grader.course.assignment import read_assignment
from grader.course.course import read_course
from grader.grading.pack import Pack, read_pack
from grader.grading.release import Released, release, solution

WARMUP = Path(__file__).parents[1] / "warmup_course"
VALUES = b"first,second\n0.5,1.5\n"


class Handout:
    """The warm-up assignment as students receive it: released once, unpacked in an empty folder."""

    def __init__(self, folder: Path) -> None:
        root = folder / "course"
        shutil.copytree(WARMUP, root, ignore=shutil.ignore_patterns("__pycache__"))
        data = root / "assignments" / "warmup" / "files" / "data"
        data.mkdir(parents=True)
        (data / "values.csv").write_bytes(VALUES)
        self.course = read_course(root)
        self.assignment = read_assignment(self.course, "warmup")
        self.released: Released = release(self.course, self.assignment, folder / "out")
        self.archive = self.released.paths[-1]
        with zipfile.ZipFile(self.archive) as archive:
            archive.extractall(folder / "home")
        self.folder = folder / "home" / "warmup"
        shutil.rmtree(root)  # no course is around
        self.pack: Pack = read_pack(self.folder / "warmup.pack")


def solved(**replacements: str) -> nbformat.NotebookNode:
    """The solved notebook, with whole cells replaced by name."""
    course = read_course(WARMUP)
    notebook = solution(read_assignment(course, "warmup"), course.languages)
    for cell in notebook.cells:
        name = cell.metadata.get("karnameh", {}).get("name")
        if cell.cell_type == "code" and name in replacements:
            cell.source = replacements[name]
    return notebook
