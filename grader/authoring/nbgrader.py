"""nbgrader's source notebooks: cells whose metadata say what they are.

The format: https://nbgrader.readthedocs.io, "Creating and grading assignments".
"""

from __future__ import annotations

import ast
import re
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from nbformat import NotebookNode

from grader.authoring.foreign import (
    Beside,
    Cell,
    Foreign,
    Lost,
    NotImported,
    Part,
    Question,
    Test,
    heading,
    kebab,
    pictures_of,
    points_of,
    read,
    shares,
    sound_solution,
    title_of,
    unique,
    whole_solution,
    without_marks,
)
from grader.authoring.questions import AS_SOLUTION
from grader.notebook.ipython_syntax import python_of


def _region(name: str) -> re.Pattern[str]:
    """Match the lines from BEGIN to END; what is between them is its group."""
    begin, end = (rf"^[^\n]*{word} {name}\b[^\n]*$\n?" for word in ("BEGIN", "END"))
    return re.compile(rf"{begin}(.*?){end}", re.MULTILINE | re.DOTALL)


_BEGIN = re.compile(r"^(\s*).*BEGIN SOLUTION\b.*$", re.MULTILINE)
_END = re.compile(r"^(\s*).*END SOLUTION\b.*$", re.MULTILINE)
_HIDDEN = _region("HIDDEN TESTS")
_MARKS = _region("MARK SCHEME")
_ANSWER = _region("SOLUTION")
_MADE_UP = re.compile(r"cell-[0-9a-f]{8,}")
_AUTOTEST = re.compile(r"^([ \t]*)#+\s*(HIDDEN\s+)?(HASHED\s+)?AUTOTEST\b(.*)$", re.MULTILINE)


class _Role(NamedTuple):
    """What nbgrader's metadata say of a cell."""

    id: str
    graded: bool
    solution: bool
    task: bool
    points: Decimal


def read_nbgrader(path: Path) -> Foreign:
    """Read a source notebook of nbgrader's.

    Raises
    ------
    NotImported
        If it is none.
    """
    notebook = read(path)
    if not any("nbgrader" in cell.metadata for cell in notebook.cells):
        raise NotImported(
            f"{path}: no cell has nbgrader's metadata: import the source notebook, in which "
            "View > Cell Toolbar > Create Assignment shows what each cell is"
        )
    reader = _Reader(path)
    for number, cell in enumerate(notebook.cells, start=1):
        reader.cell(number, cell)
    return reader.result()


class _Reader:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.beside = Beside(path)
        self.beside.all()
        self.title: str | None = None
        self.heading: str | None = None
        self.questions: list[tuple[str, str, list[Part]]] = []
        self.headings: dict[str | None, int] = {}
        self.cells: list[Cell] = []
        self.lost: list[Lost] = []
        self.ids: set[str] = set()
        self.question_ids: set[str] = set()
        self.tests: set[str] = set()

    def result(self) -> Foreign:
        questions = [Question(id=i, title=t, parts=tuple(p)) for i, t, p in self.questions if p]
        if not questions:
            raise NotImported(
                f"{self.path}: no cell is graded: give points to its tests or its answers in "
                "nbgrader's Create Assignment"
            )
        return Foreign(
            origin="nbgrader",
            file=self.path.name,
            title=self.title or title_of(self.path.stem.replace("_", " ")),
            questions=tuple(questions),
            cells=tuple(self.cells),
            notes=tuple(self.beside.notes()),
            files=self.beside.files,
            lost=tuple(sorted(self.lost, key=lambda lost: lost.cell or 0)),
        )

    def cell(self, number: int, cell: NotebookNode) -> None:
        role = self.role(number, cell.metadata.get("nbgrader"))
        source = str(cell.source)
        if cell.cell_type == "raw":
            if source.strip():
                self.lost.append(
                    Lost(number, "a raw cell, which notebooks here have none of", source)
                )
        elif cell.cell_type == "markdown":
            self.text(number, source, role, bool(cell.get("attachments")))
        elif role is not None and role.graded and not role.solution:
            self.test(number, source, role)
        else:
            self.code(number, source, role)

    def role(self, number: int, data: Any) -> _Role | None:
        if not isinstance(data, dict):
            return None
        points = points_of(data.get("points", 0) or 0)
        if points is None or points < 0:
            raise NotImported(
                f"{self.path}, cell {number}: its points are {data.get('points')!r}: write a number "
                "in Create Assignment"
            )
        name = str(data.get("grade_id") or "")
        if _MADE_UP.fullmatch(name) or not kebab(name):  # nbgrader's own, when nobody gave one
            name = (
                ("tests" if not data.get("solution") else "solution") if data.get("grade") else ""
            )
            name = name or ("answer" if data.get("task") else "cell")
        return _Role(
            name,
            bool(data.get("grade")),
            bool(data.get("solution")),
            bool(data.get("task")),
            points,
        )

    # -- cells ----------------------------------------------------------------------

    def text(self, number: int, source: str, role: _Role | None, attachments: bool) -> None:
        if attachments:
            self.lost.append(Lost(number, "pictures attached to a text", source))
        for file in pictures_of(source):
            if file in self.beside.files:
                continue
            what = f"the picture `{file}`, which is not beside the notebook"
            self.lost.append(Lost(number, what))
        if role is not None and role.task:
            marks = "\n".join(m.strip() for m in _MARKS.findall(source))
            self.plain(number, _MARKS.sub("", source).strip())
            self.by_person(number, role, marks)
        elif role is not None and role.solution:
            answer, question = _split_answer(source)
            self.plain(number, question)
            if role.graded:
                self.by_person(number, role, answer)
            else:
                self.lost.append(Lost(number, "a solution in words that carries no points", source))
        else:
            self.plain(number, source)

    def plain(self, number: int, source: str) -> None:
        if not source.strip():
            return
        if (found := heading(source)) is not None:
            self.heading = found
            if self.title is None and re.match(r"\s*#\s", source):
                self.title = found
        self.cells.append(Cell(kind="markdown", source=source))

    def by_person(self, number: int, role: _Role, model_answer: str) -> None:
        place = self.part(number, role, model_answer=model_answer)
        if place is not None:
            self.cells.append(Cell(kind="markdown", source=model_answer or "…", answer=place))

    def code(self, number: int, source: str, role: _Role | None) -> None:
        solution = role is not None and role.solution
        if solution:
            source, changed = _marked(source)
            if changed is not None:
                what = f"the bounds of the solution: {changed}. The whole cell is the solution now"
                self.lost.append(Lost(number, what))
        name = kebab(role.id) if role is not None and solution else ""
        self.cells.append(Cell(kind="code", source=source, name=name, solution=solution))
        if role is not None and role.graded:
            self.part(number, role, model_answer=f"```python\n{without_marks(source)}\n```")

    def test(self, number: int, source: str, role: _Role) -> None:
        if role.points > 0:
            self.part(number, role, tests=self.tests_of(number, source, role))
        else:
            what = f"the test `{role.id}` is worth 0 points, and every check here has some"
            self.lost.append(Lost(number, what, source))

    def tests_of(self, number: int, source: str, role: _Role) -> list[Test]:
        """The test of a cell; its visible assertions alone as well, where it has hidden ones."""
        source = _AUTOTEST.sub(_asked, source)
        name = unique(kebab(role.id), self.tests)
        title = _docstring(source) or role.id.replace("_", " ")
        visible = _HIDDEN.sub("", source)
        whole = re.sub(r"^.*(BEGIN|END) HIDDEN TESTS.*$\n?", "", source, flags=re.MULTILINE)
        sources = [(visible, False)]
        if visible != source:
            sources = [(visible, False), (whole, True)] if _asserts(visible) else [(whole, True)]
        parts = shares(role.points, len(sources))
        return [
            Test(
                name=name
                if not hidden or len(sources) == 1
                else unique(f"{name}-hidden", self.tests),
                title=title,
                source=text,
                hidden=hidden,
                share=share,
                cell=number,
            )
            for (text, hidden), share in zip(sources, parts, strict=True)
        ]

    def part(
        self, number: int, role: _Role, *, tests: list[Test] | None = None, model_answer: str = ""
    ) -> str | None:
        """Add a part to the question of the last heading; return its place."""
        if role.points <= 0:
            self.lost.append(Lost(number, f"`{role.id}`, which is worth 0 points", model_answer))
            return None
        if self.heading not in self.headings:
            self.headings[self.heading] = len(self.questions)
            title = self.heading or title_of(role.id.replace("_", " "))
            wanted = kebab(title) or f"question-{len(self.questions) + 1}"
            self.questions.append((unique(wanted, self.question_ids), title, []))
        question, _, parts = self.questions[self.headings[self.heading]]
        name = unique(kebab(role.id), self.ids)
        parts.append(
            Part(
                id=name,
                title=title_of(role.id.replace("_", " ").replace("-", " ")).capitalize(),
                points=role.points,
                cell=number,
                tests=tuple(tests or ()),
                model_answer=model_answer,
            )
        )
        return f"{question}/{name}"


def _marked(source: str) -> tuple[str, str | None]:
    """Return a solution cell with our marks, and what had to be changed about its bounds."""
    if not _BEGIN.search(source):
        return whole_solution(source), None
    source = _END.sub(r"\1# END SOLUTION", _BEGIN.sub(r"\1# BEGIN SOLUTION", source))
    return sound_solution(source)


def _split_answer(source: str) -> tuple[str, str]:
    """Return the answer in a text cell, and what stands around it for everybody."""
    found = _ANSWER.findall(source)
    if not found:
        return source.strip(), ""
    return "\n\n".join(part.strip() for part in found), _ANSWER.sub("", source).strip()


def _docstring(source: str) -> str | None:
    try:
        text = ast.get_docstring(ast.parse(python_of(source)))
    except SyntaxError:
        return None
    return title_of(text) if text else None


def _asked(line: re.Match[str]) -> str:
    """An AUTOTEST, from which nbgrader generates a comparison with the solution's values."""
    indent, hidden, hashed, asked = line.groups()
    try:
        statements = ast.parse(asked.strip().rstrip(";")).body
    except SyntaxError:
        return line[0]
    lines = [
        f"{indent}{AS_SOLUTION}({ast.unparse(s.value)})"
        for s in statements
        if isinstance(s, ast.Expr)
    ]
    if hidden or hashed:
        lines = [f"{indent}### BEGIN HIDDEN TESTS", *lines, f"{indent}### END HIDDEN TESTS"]
    return "\n".join(lines)


def _asserts(source: str) -> bool:
    try:
        tree = ast.parse(python_of(source))
    except SyntaxError:
        return False
    quiet = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.Assign, ast.Pass)
    return any(
        not isinstance(s, quiet)
        and not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
        for s in tree.body
    )
