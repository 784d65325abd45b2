"""Sheets on which persons mark: one line a criterion, with the answer beside it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path

import msgspec
import nbformat
from nbformat import NotebookNode

from grader.course.assignment import Assignment, skeleton_path
from grader.course.course import Course
from grader.course.errors import Complaint, Problems, did_you_mean
from grader.course.roster import Roster, normal_id
from grader.course.rubric import Criterion
from grader.course.table import Columns, read_table
from grader.course.texts import latin_digits
from grader.feedback.gradebook import safe_cell
from grader.grading.marks import Book, CriterionMark, PartMarks
from grader.notebook import (
    Bounds,
    HandIns,
    Prose,
    Unreadable,
    find_notebook,
    fingerprint,
    pdf_text,
    prose_of,
    read_notebook,
)
from grader.secrets import redact

COLUMNS = (
    *("student", "name", "question", "part", "criterion", "what_earns_it", "max_points"),
    *("points", "comment", "marker", "answer", "answer_id"),
)
_NEEDED = ("student", "question", "part", "criterion", "points")
SHEET = Columns(
    required=_NEEDED,
    optional=tuple(column for column in COLUMNS if column not in _NEEDED),
    unreadable="name the sheet to import",
    missing="take the first line of `grader mark export`",
)

LONGEST = 30_000
"""Characters of one answer on a sheet: a spreadsheet's cell holds 32,767."""


_PDF = ".pdf"
MOST_PDFS = 4
"""PDFs of one hand-in that are read: each may take seconds."""


class HandInProse(msgspec.Struct, frozen=True):
    """What one student wrote: by part, beside them, and in a PDF."""

    prose: Prose
    pdf: str | None

    def answer_id(self, place: str) -> str:
        """Fingerprint of the answer to a part."""
        return fingerprint(self.prose.answers.get(place, ""))


def rubric_places(assignment: Assignment) -> dict[str, Sequence[Criterion]]:
    """Criteria by ``question/part``, in the order of the assignment."""
    return {
        place: assignment.rubric[place].criteria
        for question in assignment.questions
        for part in question.parts
        if (place := f"{question.id}/{part.id}") in assignment.rubric
    }


def read_prose(
    course: Course, assignment: Assignment, path: Path, beside: Sequence[Path] = ()
) -> HandInProse:
    """Read what a student wrote; nothing of the notebook runs. An unreadable one is empty.

    Parameters
    ----------
    beside
        PDFs that lie beside the hand-in.
    """
    loose = [path, *beside] if path.suffix.lower() == _PDF else beside
    packed: list[bytes] = []
    try:
        found = find_notebook(path, assignment.slug)
        packed = [file.data for file in found.files if file.name.lower().endswith(_PDF)]
        notebook = read_notebook(found.notebook).notebook
    except Unreadable:
        return HandInProse(Prose({}, ""), _text_of(packed, loose))
    prose = prose_of(notebook, _skeletons(course, assignment))
    return HandInProse(prose, _text_of(packed, loose))


def _text_of(packed: Sequence[bytes], loose: Sequence[Path]) -> str | None:
    """The text of the PDFs of a hand-in, of those that it holds before those beside it."""
    largest = Bounds().file_bytes
    near = [pdf.read_bytes() for pdf in loose if pdf.is_file() and pdf.stat().st_size <= largest]
    texts = [pdf_text(data) for data in [*packed, *near][:MOST_PDFS]]
    return "\n\n".join(text for text in texts if text) or None


def _skeletons(course: Course, assignment: Assignment) -> list[NotebookNode]:
    """The notebooks that students received, read once as long as they stay the same."""
    paths = (skeleton_path(assignment, language) for language in course.languages)
    return [_skeleton(path, path.stat().st_mtime_ns) for path in paths if path.is_file()]


@lru_cache(maxsize=8)
def _skeleton(path: Path, _changed: int) -> NotebookNode:
    notebook: NotebookNode = nbformat.read(path, as_version=4)
    return notebook


def changed_answers(
    course: Course, assignment: Assignment, book: Book, hand_ins: HandIns
) -> list[tuple[str, str]]:
    """Return place and student of every answer that is another one than was marked."""
    changed = []
    for student, parts in book.students.items():
        if student in hand_ins.paths:
            prose = read_prose(course, assignment, hand_ins.paths[student])
            changed += [
                (place, student)
                for place, part in parts.items()
                if part.answer and part.answer != prose.answer_id(place)
            ]
    return changed


def write_sheet(
    course: Course,
    assignment: Assignment,
    hand_ins: HandIns,
    book: Book,
    roster: Roster | None,
    *,
    only_waiting: bool = False,
) -> str:
    """Return a sheet as CSV: a line for each criterion of each student, marks as they stand.

    Secrets in what students wrote are masked, and nothing is taken for a formula.

    Parameters
    ----------
    only_waiting
        Leave out parts that are marked.
    """
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for student, path in hand_ins.paths.items():
        prose = read_prose(course, assignment, path, hand_ins.beside.get(student, ()))
        known = roster.find(student) if roster else None
        for row in _rows(course, assignment, student, prose, book, only_waiting=only_waiting):
            row["name"] = known.name if known else ""
            writer.writerow([safe_cell(row.get(column, "")) for column in COLUMNS])
    return file.getvalue()


def _shown(text: str) -> str:
    """A text as long as a cell may be: cut behind the secrets, which a cut would hide by half."""
    return redact(text)[:LONGEST]


def _rows(
    course: Course,
    assignment: Assignment,
    student: str,
    prose: HandInProse,
    book: Book,
    *,
    only_waiting: bool,
) -> Iterator[dict[str, str]]:
    language = course.languages[0]
    for place, criteria in rubric_places(assignment).items():
        question, _, part = place.partition("/")
        marks = book.students.get(student, {}).get(place)
        given = marks.criteria if marks else {}
        if only_waiting and all(c.id in given for c in criteria):
            continue
        for number, criterion in enumerate(criteria):
            mark = given.get(criterion.id)
            yield {
                "student": student,
                "question": question,
                "part": part,
                "criterion": criterion.id,
                "what_earns_it": criterion.text[language],
                "max_points": str(criterion.points),
                "points": "" if mark is None else str(mark.points),
                "comment": "" if mark is None else mark.comment,
                "marker": "" if mark is None else mark.marker,
                "answer": _shown(prose.prose.answers.get(place, "")) if number == 0 else "",
                "answer_id": prose.answer_id(place),
            }
    for name, text in (("other text", prose.prose.other), ("pdf", prose.pdf)):
        if text:
            yield {"student": student, "part": name, "answer": _shown(text)}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One mark on a sheet, and where it stands."""

    student: str
    place: str
    criterion: str
    mark: CriterionMark
    answer_id: str
    file: Path
    number: int


def read_sheet(
    file: Path, assignment: Assignment, students: Iterable[str], problems: Problems, marker: str
) -> list[Line]:
    """Read the marks of one sheet; lines without points are passed over.

    Every line that cannot be used is added to `problems`.

    Parameters
    ----------
    students
        Ids that may stand there.
    marker
        Whose marks they are where the sheet does not say.
    """
    places = rubric_places(assignment)
    known = {normal_id(student): student for student in students}
    found = []
    for number, row in read_table(file, SHEET, problems):
        line = _line(row, places, known, file, number, marker)
        if isinstance(line, Line):
            found.append(line)
        elif line is not None:
            problems.add(file, *line, line=number)
    return found


def _line(
    row: Mapping[str, str],
    places: Mapping[str, Sequence[Criterion]],
    students: Mapping[str, str],
    file: Path,
    number: int,
    marker: str,
) -> Line | tuple[str, Complaint] | None:
    written = _plain_cell(row["points"])
    if not written:
        return None
    student = students.get(normal_id(_plain_cell(row["student"])))
    if student is None:
        problem = f'no hand-in of the student "{row["student"]}"'
        return "student", Complaint(problem, did_you_mean(row["student"], list(students)))
    place = f"{_plain_cell(row['question'])}/{_plain_cell(row['part'])}"
    if place not in places:
        problem = f'"{place}" is no part that persons mark'
        return "part", Complaint(problem, did_you_mean(place, list(places)))
    wanted = _plain_cell(row["criterion"])
    criterion = next((c for c in places[place] if c.id == wanted), None)
    if criterion is None:
        problem = f'{place} has no criterion "{wanted}"'
        return "criterion", Complaint(problem, did_you_mean(wanted, [c.id for c in places[place]]))
    points = read_points(written)
    if points is None or not 0 <= points <= criterion.points:
        problem = f'"{written}" is no number of points from 0 to {criterion.points}'
        return "points", Complaint(problem, "correct it, or leave the field empty")
    return Line(
        student=student,
        place=place,
        criterion=criterion.id,
        mark=CriterionMark(
            points=points,
            comment=_plain_cell(row.get("comment", "")),
            marker=_plain_cell(row.get("marker", "")) or marker,
        ),
        answer_id=_plain_cell(row.get("answer_id", "")),
        file=file,
        number=number,
    )


def read_points(written: str) -> Decimal | None:
    """Read points in Latin, Persian or Arabic digits, with a point or a comma; None if they are none."""
    text = latin_digits(written).strip().replace("٫", ".").replace("/", ".")
    if text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    try:
        points = Decimal(text)
    except InvalidOperation:
        return None
    return points if points.is_finite() else None


def _plain_cell(text: str) -> str:
    """A cell without the apostrophe that kept it from being a formula."""
    stripped = text.strip()
    return stripped[1:] if safe_cell(stripped[1:]) == stripped and stripped else stripped


class Disagreement(msgspec.Struct, frozen=True):
    """Two markers who gave one criterion different points."""

    student: str
    place: str
    criterion: str
    marks: tuple[CriterionMark, ...]

    def __str__(self) -> str:
        given = " and ".join(f"{m.points} by {m.marker or 'nobody named'}" for m in self.marks)
        return f"{self.student}, {self.place}, {self.criterion}: {given}"


def entered(
    book: Book, lines: Sequence[Line], *, apart: Decimal = Decimal(0), mean: bool = False
) -> tuple[Book, list[Disagreement]]:
    """Return `book` with the marks of `lines`, and what two markers do not agree on.

    A later mark of the same marker takes the place of the earlier one. Of different markers whose
    points lie at most `apart` from each other, or in any case with `mean`, the mean counts.
    """
    given: dict[tuple[str, str, str], dict[str, CriterionMark]] = {}
    answers: dict[tuple[str, str], str] = {}
    for student, parts in book.students.items():
        for place, part in parts.items():
            answers[student, place] = part.answer
            for id_, mark in part.criteria.items():
                given.setdefault((student, place, id_), {})[mark.marker] = mark
    for line in lines:
        given.setdefault((line.student, line.place, line.criterion), {})[line.mark.marker] = (
            line.mark
        )
        if line.answer_id or (line.student, line.place) not in answers:
            answers[line.student, line.place] = line.answer_id
    students: dict[str, dict[str, PartMarks]] = {}
    disagreements = []
    for (student, place, id_), marks in given.items():
        points = [mark.points for mark in marks.values()]
        if max(points) - min(points) > apart and not mean:
            disagreements.append(Disagreement(student, place, id_, tuple(marks.values())))
        part = students.setdefault(student, {}).setdefault(
            place, PartMarks(answer=answers[student, place], criteria={})
        )
        part.criteria[id_] = _together(list(marks.values()))
    return msgspec.structs.replace(book, students=students), disagreements


def _together(marks: Sequence[CriterionMark]) -> CriterionMark:
    if len(marks) == 1:
        return marks[0]
    return CriterionMark(
        points=sum((mark.points for mark in marks), Decimal(0)) / len(marks),
        comment="\n".join(dict.fromkeys(m.comment for m in marks if m.comment)),
        marker=", ".join(sorted(mark.marker for mark in marks)),
    )
