"""What is written of a whole class: the gradebook, the class page, and marks onto the cards."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import msgspec

from grader.checks.scoring import total_of
from grader.course.assignment import Assignment
from grader.course.course import FILE as COURSE_FILE
from grader.course.course import Course
from grader.course.roster import Roster, normal_id, read_roster
from grader.feedback import (
    StudentSummary,
    render_card,
    render_index,
    summarise,
    write_gradebook,
)
from grader.grading.decided import Decided
from grader.grading.files import write_whole
from grader.grading.journal import ClassWritten, Journal
from grader.grading.material import engine_hash
from grader.grading.records import REPORT_FILE, TROUBLE_FILE, Files, occasion, write_files
from grader.report import from_json, rounded, to_json

GRADEBOOK_FILE = "gradebook.csv"
INDEX_FILE = "index.html"


def renew(course: Course, assignment: Assignment, submissions: Path, reports: Path) -> int:
    """Reckon up anew what marks and hand-in times have changed since; return how many cards.

    Raises
    ------
    CourseError
        If the marks, the hand-in times or the roster cannot be read.
    Busy
        If a batch works on the same reports.
    """
    folder = reports / assignment.slug
    decided = Decided(course, assignment, submissions)
    if not folder.is_dir():
        return 0
    with Journal(folder) as journal:
        renewed = renew_cards(course, assignment, folder, journal, decided)
        write_class(course, assignment, folder, journal)
    return renewed


def renew_cards(
    course: Course, assignment: Assignment, folder: Path, journal: Journal, decided: Decided
) -> int:
    """Reckon up what marks and lateness have changed on the cards that the journal knows."""
    when = occasion(course, assignment)
    renewed = 0
    for student, past in list(journal.finished.items()):
        stamp = decided.stamp(student)
        path = folder / student / REPORT_FILE
        if past.decided == stamp or not path.is_file():
            continue
        report = decided.applied(from_json(path.read_bytes()))
        card = render_card(report, occasion=when).encode()
        troubles = path.with_name(TROUBLE_FILE)
        kept = troubles.read_bytes() if troubles.is_file() else None
        write_files(path.parent, Files(report=to_json(report), card=card, troubles=kept))
        summary = summarise(report)
        journal.append(msgspec.structs.replace(past, summary=summary, decided=stamp))
        renewed += 1
    return renewed


def _all_summaries(folder: Path, journal: Journal) -> list[StudentSummary]:
    """Summaries of all students with a report, also of reports that the journal does not know."""
    found = {student: past.summary for student, past in journal.finished.items()}
    there = {path.parent.name: path for path in folder.glob(f"*/{REPORT_FILE}")}
    for student, path in there.items():
        if student not in found:
            try:
                found[student] = summarise(from_json(path.read_bytes()))
            except msgspec.DecodeError:
                continue  # written by another version: the next grading replaces it
    return [found[student] for student in sorted(found) if student in there]


def with_roster(
    assignment: Assignment, roster: Roster, found: Sequence[StudentSummary]
) -> list[StudentSummary]:
    """Put names to hand-ins, and a line for each student of the roster who handed nothing in."""
    students = {student.id: student for student in roster.students}
    named = []
    for summary in found:
        student = students.pop(normal_id(summary.student), None)
        named.append(
            msgspec.structs.replace(summary, on_roster=False)
            if student is None
            else msgspec.structs.replace(summary, name=student.name, section=student.section)
        )
    nothing = _nothing(assignment)
    named += [
        msgspec.structs.replace(nothing, student=s.id, name=s.name, section=s.section)
        for s in students.values()
    ]
    return sorted(named, key=lambda summary: summary.student)


def _nothing(assignment: Assignment) -> StudentSummary:
    return StudentSummary(
        assignment=assignment.slug,
        title=assignment.title,
        student="",
        has_notebook=False,
        score=total_of([], rounded(assignment.points)),
        parts=[],
        findings=[],
        failing_cells=0,
        warnings=0,
        run_seconds=0.0,
        handed_in=False,
    )


def write_class(
    course: Course, assignment: Assignment, folder: Path, journal: Journal
) -> list[StudentSummary]:
    """Write the gradebook and the class page, unless they hold all; return the summaries."""
    summaries = _all_summaries(folder, journal)
    made_of = sha256((course.root / COURSE_FILE).read_bytes())
    made_of.update(engine_hash().encode())
    if course.roster is not None:
        summaries = with_roster(assignment, read_roster(course.roster, course.root), summaries)
        made_of.update(course.roster.read_bytes())
    files = (folder / GRADEBOOK_FILE, folder / INDEX_FILE)
    if journal.class_written == made_of.hexdigest() and all(path.is_file() for path in files):
        return summaries
    write_gradebook(summaries, files[0])
    page = render_index(summaries, occasion=occasion(course, assignment))
    write_whole(files[1], page.encode())
    journal.append(ClassWritten(material=made_of.hexdigest()))
    return summaries
