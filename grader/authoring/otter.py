"""Otter Assign's notebooks: raw cells that begin and end questions, solutions and tests.

The format: https://otter-grader.readthedocs.io, "Otter Assign", "Notebook Format".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import yaml
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
    title_of,
    unique,
    without_marks,
)
from grader.authoring.otter_code import (
    Case,
    OtterCodeError,
    called,
    case_of,
    marked,
    without_ignored,
)

_CONFIG = re.compile(r"#\s+assignment\s+config\b", re.IGNORECASE)
_BOUNDARY = re.compile(r"#\s+(begin|end)\s+(question|prompt|solution|tests)\b", re.IGNORECASE)
_IGNORED = re.compile(r"#\s*ignore\s*$", re.IGNORECASE)
_FENCE = re.compile(r"^```otter[ \t]*\n(.*?)^```[ \t]*$\n?", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"^(?:question|problem|q)\s*[\d.]+\w?\s*[:.)]*\s*", re.IGNORECASE)
_TENTH = Decimal("0.1")


def read_otter(path: Path) -> Foreign:
    """Read a master notebook of Otter Assign's.

    Raises
    ------
    NotImported
        If it is none.
    """
    notebook = read(path)
    reader = _Reader(path)
    for number, cell in enumerate(notebook.cells, start=1):
        for kind, source in _unfenced(cell):
            reader.cell(number, kind, source, cell)
    return reader.result()


class _Open(msgspec.Struct):
    """A question that has begun and not ended."""

    name: str
    config: dict[str, Any]
    begun: int
    texts: list[str] = []
    answers: list[str] = []
    solutions: list[str] = []
    cases: list[tuple[int, Case]] = []


class _Reader:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.beside = Beside(path)
        self.config: dict[str, Any] = {}
        self.title: str | None = None
        self.open: _Open | None = None
        self.block: str | None = None
        self.questions: list[Question] = []
        self.cells: list[Cell] = []
        self.lost: list[Lost] = []
        self.notes: list[str] = []
        self.ids: set[str] = set()
        self.tests: set[str] = set()
        self.praised = 0
        self.found = False

    def result(self) -> Foreign:
        if self.open is not None:
            raise self.error(self.open.begun, "this question has no end", "# END QUESTION")
        if not self.found:
            raise NotImported(
                f"{self.path}: no raw cell begins a question: import the master notebook, in which "
                "questions begin with # BEGIN QUESTION"
            )
        if not self.questions:
            raise NotImported(
                f"{self.path}: no question carries points: give one tests, or manual: true with points"
            )
        self.about_config()
        if self.praised:
            self.notes.append(
                f"what tests say when they pass ({self.praised}) was left out: cards have sentences of "
                "their own for that"
            )
        name = self.config.get("name")
        return Foreign(
            origin="Otter",
            file=self.path.name,
            title=self.title or title_of(str(name or self.path.stem.replace("_", " "))),
            questions=tuple(self.questions),
            cells=tuple(self.cells),
            lost=tuple(self.lost),
            notes=(*self.notes, *self.beside.notes()),
            files=self.beside.files,
        )

    def error(self, number: int, problem: str, wanted: str) -> NotImported:
        return NotImported(f"{self.path}, cell {number}: {problem}: a raw cell should say {wanted}")

    def about_config(self) -> None:
        for key in ("files", "student_files"):
            for name in self.config.get(key) or ():
                self.beside.take(str(name))
        seed = self.config.get("seed")
        if isinstance(seed, dict) and seed.get("variable"):
            self.notes.append(
                f"Otter sets `{seed['variable']}` anew before every cell when it grades; here it keeps "
                "the value that the notebook gives it"
            )

    # -- cells ----------------------------------------------------------------------

    def cell(self, number: int, kind: str, source: str, cell: NotebookNode) -> None:
        first = source.lstrip().split("\n")[0]
        if kind == "raw":
            self.raw(number, source, first)
        elif _IGNORED.match(first.strip()):
            return  # by its author's own word it is in no notebook that goes out
        elif self.open is not None and self.block == "tests":
            if kind == "code":
                self.case(number, source, cell)
        elif self.open is not None and self.block == "prompt":
            what = "what stood in the place of the answer, to begin from"
            self.lost.append(Lost(number, what, source))
        elif kind == "code":
            self.code(number, source)
        elif self.open is not None and self.block == "solution":
            self.answer(number, source, cell)
        else:
            self.text(number, source)

    def raw(self, number: int, source: str, first: str) -> None:
        boundary = _BOUNDARY.match(first)
        if _CONFIG.match(first):
            self.config = self.with_file(number, self.yaml(number, source))
        elif boundary is None:
            if source.strip():
                what = "a raw cell, which notebooks here have none of"
                self.lost.append(Lost(number, what, source))
        elif boundary[2].lower() == "question":
            self.question(number, boundary[1].lower() == "begin", source)
        else:
            self.bound(number, boundary[1].lower() == "begin", boundary[2].lower())

    def bound(self, number: int, begins: bool, block: str) -> None:
        if self.open is None:
            raise self.error(number, f"a block of {block} outside a question", "# BEGIN QUESTION")
        expected = None if begins else block
        if self.block != expected:
            problem = f"a block of {self.block or block} is not begun and ended in turn"
            raise self.error(number, problem, f"# END {(self.block or block).upper()}")
        self.block = block if begins else None

    def question(self, number: int, begins: bool, source: str) -> None:
        if self.block is not None:
            problem = f"a block of {self.block} has no end"
            raise self.error(number, problem, f"# END {self.block.upper()}")
        if begins:
            if self.open is not None:
                raise self.error(number, "a question begins inside another", "# END QUESTION")
            config = self.yaml(number, source)
            name = str(config.get("name") or "")
            if not name:
                raise self.error(number, "this question has no name", "name: q1")
            self.found = True
            self.open = _Open(name, config, number)
        elif self.open is None:
            raise self.error(number, "no question was begun", "# BEGIN QUESTION")
        else:
            self.ended(self.open)
            self.open = None

    def yaml(self, number: int, source: str) -> dict[str, Any]:
        try:
            found = yaml.safe_load(source)
        except yaml.YAMLError as error:
            problem = " ".join(str(error).split())[:120]
            raise NotImported(
                f"{self.path}, cell {number}: this is no YAML ({problem}): write it like name: q1"
            ) from error
        if found is None:
            return {}
        if not isinstance(found, dict):
            raise NotImported(f"{self.path}, cell {number}: write keys and values, like name: q1")
        return found

    def with_file(self, number: int, config: dict[str, Any]) -> dict[str, Any]:
        name = config.get("config_file")
        if not isinstance(name, str):
            return config
        try:
            shared = (self.path.parent / name).read_text("utf-8")
        except OSError as error:
            raise NotImported(
                f"{self.path}, cell {number}: {name} cannot be read ({error.strerror}): put it where "
                "config_file says, or remove that key"
            ) from error
        return {**self.yaml(number, shared), **config}

    # -- what cells hold --------------------------------------------------------------

    def text(self, number: int, source: str) -> None:
        if not source.strip():
            return
        for file in pictures_of(source):
            self.beside.take(file)
        if self.open is not None:
            self.open.texts.append(source)
        elif self.title is None and re.match(r"\s*#\s", source):
            self.title = heading(source)
        self.cells.append(Cell(kind="markdown", source=source))

    def answer(self, number: int, source: str, cell: NotebookNode) -> None:
        """A text in a solution block."""
        if self.open is None or "otter_include" in cell.metadata.get("tags", ()):
            self.text(number, source)
        elif _manual(self.open):
            self.open.answers.append(source)
        else:
            self.lost.append(Lost(number, "a solution in words that carries no points", source))

    def code(self, number: int, source: str) -> None:
        question = self.open if self.block == "solution" else None
        if question is None:
            source = without_ignored(source)
            if source.strip():
                self.cells.append(Cell(kind="code", source=source))
            return
        source, changes = marked(source)
        self.lost += [Lost(number, change.what, change.source) for change in changes]
        if source.strip():
            question.solutions.append(without_marks(source))
            name = kebab(question.name)
            self.cells.append(Cell(kind="code", source=source, name=name, solution=True))

    def case(self, number: int, source: str, cell: NotebookNode) -> None:
        if self.open is None or not source.strip():
            return
        try:
            case = case_of(source, cell.get("outputs", ()))
        except OtterCodeError as error:
            raise NotImported(f"{self.path}, cell {number}: {error}") from error
        self.praised += bool(case.praise)
        self.open.cases.append((number, case))

    # -- questions --------------------------------------------------------------------

    def ended(self, question: _Open) -> None:
        name = unique(kebab(question.name) or f"question-{len(self.ids) + 1}", self.ids)
        part: Part | None
        if _manual(question):
            part = self.by_person(question, name)
        elif not question.cases:
            what = f"the question `{question.name}` has no tests, and carries no points here"
            self.lost.append(Lost(question.begun, what))
            return
        else:
            part = self.tested(question)
        if part is not None:
            title = _title(question)
            self.questions.append(Question(id=name, title=title, parts=(part,)))

    def by_person(self, question: _Open, name: str) -> Part:
        points = self.points(question, question.config.get("points"))
        if not points:
            what = f"the question `{question.name}` names no points: it carries 1 here"
            self.lost.append(Lost(question.begun, what))
            points = Decimal(1)
        code = "\n\n".join(question.solutions)
        answer = "\n\n".join([*question.answers, *([f"```python\n{code}\n```"] if code else [])])
        if question.answers or not code:
            words = "\n\n".join(question.answers)
            self.cells.append(Cell(kind="markdown", source=words or "…", answer=f"{name}/answer"))
        return Part(
            id="answer",
            title="",
            points=points,
            cell=question.begun,
            model_answer=answer,
        )

    def points(self, question: _Open, written: Any) -> Decimal | None:
        if written is None:
            return None
        points = points_of(written)
        if points is None or points < 0:
            raise NotImported(
                f"{self.path}, cell {question.begun}: the points of `{question.name}` are {written!r}: "
                "write a number"
            )
        return points

    def tested(self, question: _Open) -> Part | None:
        shares = self.shares(question)
        total = sum(shares, Decimal(0))
        if not total:
            for number, case in question.cases:
                what = (
                    f"a test of `{question.name}` is worth 0 points, and every check here has some"
                )
                self.lost.append(Lost(number, what, case.source))
            return None
        cases = [(n, case, share) for (n, case), share in zip(question.cases, shares, strict=True)]
        if question.config.get("all_or_nothing"):
            cases = self.together(question, total)
        elif idle := [share for share in shares if not share]:
            self.notes.append(
                f"{question.name}: tests worth 0 points in Otter ({len(idle)}) share a tenth of the "
                "question's points here"
            )
            each = (total * _TENTH / len(idle)).quantize(Decimal("0.0001"))
            rest = total - each * len(idle)
            cases = [(n, case, share * rest / total if share else each) for n, case, share in cases]
        return Part(
            id="tests",
            title="",
            points=total,
            cell=question.begun,
            tests=tuple(self.named(question, _exact(cases, total))),
        )

    def shares(self, question: _Open) -> list[Decimal]:
        """What each test is worth, by Otter's rules."""
        written = question.config.get("points")
        given = [self.points(question, case.points) for _, case in question.cases]
        number = len(given)
        if isinstance(written, dict):
            written = (self.points(question, written.get("each", 1)) or 0) * number
        if isinstance(written, list):
            if len(written) != number:
                raise NotImported(
                    f"{self.path}, cell {question.begun}: `{question.name}` names points for "
                    f"{len(written)} tests and has {number}: write one number, or one for each"
                )
            return [self.points(question, each) or Decimal(0) for each in written]
        whole = self.points(question, str(written) if isinstance(written, Decimal) else written)
        named = sum((p for p in given if p is not None), Decimal(0))
        open_ones = sum(p is None for p in given)
        if whole is None:
            left = Decimal(0) if named else Decimal(1)
        elif named > whole:
            raise NotImported(
                f"{self.path}, cell {question.begun}: the tests of `{question.name}` are worth "
                f"{named} points, and the question {whole}: change one of them"
            )
        else:
            left = whole - named
        each = left / open_ones if open_ones else Decimal(0)
        return [each if p is None else p for p in given]

    def together(self, question: _Open, total: Decimal) -> list[tuple[int, Case, Decimal]]:
        """All tests of an all-or-nothing question in one check, the public ones also in another."""
        number = question.cases[0][0]
        cases = [case for _, case in question.cases]
        public = [case for case in cases if not case.hidden]
        if len(public) in (0, len(cases)):
            return [(number, _joined(cases, hidden=not public), total)]
        half = total / 2
        return [
            (number, _joined(public, hidden=False), half),
            (number, _joined(cases, hidden=True), half),
        ]

    def named(self, question: _Open, cases: Sequence[tuple[int, Case, Decimal]]) -> Iterator[Test]:
        base = kebab(question.name) or "question"
        for number, case, share in cases:
            name = unique(f"{base}-hidden" if case.hidden else base, self.tests)
            yield Test(
                name=name,
                title=case.name or _title(question),
                source=case.source,
                hidden=case.hidden,
                share=share,
                cell=number,
                by_name=case.by_name,
                hint=case.blame,
                unreadable=case.unreadable,
            )


def _title(question: _Open) -> str:
    first = next((title_of(text) for text in question.texts if title_of(text)), "")
    return _NUMBER.sub("", first) or first or question.name


def _manual(question: _Open) -> bool:
    return bool(question.config.get("manual"))


def _exact(
    cases: Sequence[tuple[int, Case, Decimal]], total: Decimal
) -> list[tuple[int, Case, Decimal]]:
    """Round the shares so that they add up to `total` all the same."""
    rounded = [share.quantize(Decimal("0.0001")) for _, _, share in cases]
    rounded[-1] += total - sum(rounded, Decimal(0))
    return [(n, case, share) for (n, case, _), share in zip(cases, rounded, strict=True)]


def _joined(cases: Sequence[Case], *, hidden: bool) -> Case:
    """Several tests as one."""
    if len(cases) == 1:
        return cases[0]
    return Case(
        source="\n".join(called(case) for case in cases),
        hidden=hidden,
        name=cases[0].name,
        blame=next((case.blame for case in cases if case.blame), ""),
        unreadable="; ".join(case.unreadable for case in cases if case.unreadable),
    )


class _Piece(NamedTuple):
    kind: str
    source: str


def _unfenced(cell: NotebookNode) -> Iterator[_Piece]:
    """Yield what a cell is; fences ```` ```otter ```` in a text are raw cells."""
    source = str(cell.source)
    if cell.cell_type != "markdown" or "```otter" not in source:
        yield _Piece(cell.cell_type, source)
        return
    place = 0
    for found in _FENCE.finditer(source):
        before = source[place : found.start()]
        if before.strip():
            yield _Piece("markdown", before.strip())
        yield _Piece("raw", found[1])
        place = found.end()
    if source[place:].strip():
        yield _Piece("markdown", source[place:].strip())
