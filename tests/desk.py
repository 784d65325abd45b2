"""A desk to grade small notebooks at: one assignment, warm, for as many notebooks as a test needs."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from grader.course.assignment import Assignment, read_assignment
from grader.course.course import Course
from grader.grading.release import skeleton, solution
from grader.grading.warm import WarmGrader
from grader.report import CheckResult, Report


class Desk:
    """One assignment with its warm grader.

    ``desk.cells(...)`` grades a notebook of bare code cells, ``desk.solution(change)`` the
    reference with some of its cells changed, ``desk.notebook(nb)`` any notebook.
    """

    def __init__(self, course: Course, slug: str, folder: Path) -> None:
        self.course = course
        self.assignment: Assignment = read_assignment(course, slug)
        self._folder = folder
        self._number = 0
        self._grader = WarmGrader(self.assignment)

    def notebook(self, notebook: NotebookNode, student: str = "00000000") -> Report:
        self._number += 1
        path = self._folder / f"{self._number}.ipynb"
        nbformat.write(notebook, path)
        graded = self._grader.grade(student, path)
        assert not graded.troubles, graded.troubles
        return graded.report

    def cells(self, *sources: str) -> dict[str, CheckResult]:
        """Grade code cells; return the checks by id."""
        notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
        return checks(self.notebook(notebook))

    def solution(self, **replacements: str) -> dict[str, CheckResult]:
        """Grade the reference with whole cells replaced, by cell name (``-`` written as ``_``)."""
        return self.solution_for("00000000", **replacements)

    def solution_for(self, student: str, **replacements: str) -> dict[str, CheckResult]:
        """As :meth:`solution`, handed in by `student`."""
        notebook = solution(self.assignment, self.course.languages)
        left = {name.replace("_", "-"): source for name, source in replacements.items()}
        for cell in notebook.cells:
            name = cell.metadata.get("karnameh", {}).get("name")
            if cell.cell_type == "code" and name in left:
                cell.source = left.pop(name)
        assert not left, f"the reference has no cells named {sorted(left)}"
        return checks(self.notebook(notebook, student))

    def skeleton(self, language: str = "fa") -> Report:
        return self.notebook(skeleton(self.assignment, language, self.course.languages))

    def reference(self) -> Report:
        return self.notebook(solution(self.assignment, self.course.languages))

    def close(self) -> None:
        self._grader.close()


def checks(report: Report) -> dict[str, CheckResult]:
    """All checks of a report by id."""
    return {c.id: c for q in report.questions for p in q.parts for c in p.checks}
