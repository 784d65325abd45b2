"""What a terminal shows: one student's verdicts as compactly as pytest, and the class as a table.

Text that comes from a student is stripped of control sequences; nothing of it
is read as rich's markup.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from datetime import datetime

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text as Line

from grader.course.texts import FSI, LRI, PDI, isolated, persian_digits
from grader.feedback.class_summary import ClassSummary, StudentSummary, summaries
from grader.feedback.evidence import Place, read_evidence, short_shape, written
from grader.feedback.language import SIGNS, Language
from grader.feedback.untrusted import visible, without_marks
from grader.report import CheckResult, PartResult, QuestionResult, Report, Text, Verdict

_COLOURS: dict[Verdict, str] = {
    "passed": "green",
    "partial": "yellow",
    "failed": "red",
    "missing": "bright_black",
    "pending": "blue",
    "error": "magenta",
}
_OPENING = f"{LRI}{FSI}"
_QUOTED = re.compile(r"`[^`\n]+`|\$[^$\n]+\$")


def student_view(report: Report, *, language: str = "en", public_only: bool = False) -> Group:
    """Return one student's result for the terminal: ``grader check``.

    Each part is one line; a check that did not pass adds what came of it, the
    first difference, the cell and the hint.

    Parameters
    ----------
    report
        What was graded.
    language
        Language of the sentences.
    public_only
        Leave out hidden checks and parts that have no check.

    Raises
    ------
    UnknownLanguage
        If the interface does not speak `language`.
    """
    speaker = Language(language)
    lines: list[RenderableType] = [
        _line(("! ", "yellow"), (_said(notice.text, speaker), "")) for notice in report.warnings
    ]
    for question in report.questions:
        lines += _question_lines(question, speaker, public_only=public_only)
    lines.append(_summary_line(report, speaker, public_only=public_only))
    return Group(*lines)


def _question_lines(
    question: QuestionResult, speaker: Language, *, public_only: bool
) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for part in question.parts:
        checks = [check for check in part.checks if not (public_only and check.hidden)]
        if public_only and not checks:
            continue
        lines.append(_part_line(question, part, speaker))
        lines.extend(
            Padding(_check_lines(check, speaker, named=len(checks) > 1), (0, 0, 0, 4))
            for check in checks
            if check.verdict != "passed"
        )
    return lines


def question_text(question: QuestionResult, *, language: str = "en") -> str:
    """Return the result of one question as plain text.

    Raises
    ------
    UnknownLanguage
        If the interface does not speak `language`.
    """
    console = Console(file=io.StringIO(), width=100, color_system=None, force_jupyter=False)
    with console.capture() as captured:
        lines = _question_lines(question, Language(language), public_only=False)
        console.print(Group(*lines))
    return captured.get()


def checked_line(when: datetime, seconds: float, *, language: str = "en") -> Rule:
    """Return what stands above the result of a check that is repeated: when it was, how long."""
    speaker = Language(language)
    clock = f"{when:%H:%M:%S}"
    shown = persian_digits(clock) if language == "fa" else clock
    said = speaker.plain("terminal.checked", time=shown, seconds=round(seconds, 1))
    return Rule(Line(said, style="dim"), style="dim")


def waiting_line(name: str, *, language: str = "en") -> RenderableType:
    """Return what stands below the result while the next save of the notebook `name` is awaited."""
    speaker = Language(language)
    keys = isolated("Ctrl-C", language)
    said = speaker.plain("terminal.waiting", name=_isolated(name, speaker), keys=keys)
    return _line((said, "dim"))


def class_table(reports: Sequence[Report | StudentSummary], *, language: str = "en") -> Table:
    """Return the class as a table: a row for each student, the mean last.

    Raises
    ------
    UnknownLanguage
        If the interface does not speak `language`.
    """
    speaker = Language(language)
    summary = ClassSummary(summaries(reports))
    table = Table(title=_said(summary.title, speaker) or None, title_justify="left", box=None)
    table.add_column(speaker.plain("class.student"), no_wrap=True)
    for key in ("class.final", "class.waiting", "class.penalty"):
        table.add_column(speaker.plain(key), justify="right", no_wrap=True)
    table.add_column(speaker.plain("class.parts"))
    for student in summary.students:
        score = student.score
        table.add_row(
            Line(visible(student.student)),
            Line(speaker.number(score.final), style="bold"),
            Line(speaker.number(score.pending) if score.pending else "–"),
            Line(speaker.number(score.penalty) if score.penalty else "–"),
            _verdict_strip([part.verdict for part in student.parts])
            if student.handed_in
            else Line(speaker.plain("class.not_handed_in"), style="dim"),
        )
    if summary.students:
        table.add_section()
        table.add_row(
            Line(speaker.plain("class.mean"), style="dim"),
            Line(speaker.number(summary.mean), style="dim"),
        )
    return table


def _verdict_strip(verdicts: Sequence[Verdict]) -> Line:
    return Line.assemble(*((SIGNS[verdict], _COLOURS[verdict]) for verdict in verdicts))


def _part_line(question: QuestionResult, part: PartResult, speaker: Language) -> _Sentence:
    mark, colour = SIGNS[part.verdict], _COLOURS[part.verdict]
    name = f"{_said(question.label, speaker)} · {_said(part.title, speaker)}"
    points = speaker.plain("score.out_of", points=part.points, max=part.max_points)
    return _line(
        (f"{mark} ", colour),
        (name, "bold" if part.verdict != "passed" else ""),
        (f"  {points}", "dim"),
        (f"  {speaker.plain('verdict.' + part.verdict)}", colour),
    )


def _check_lines(check: CheckResult, speaker: Language, *, named: bool) -> Group:
    evidence = read_evidence(check)
    lines: list[RenderableType] = []
    if named:
        mark, colour = SIGNS[check.verdict], _COLOURS[check.verdict]
        hidden = f" ({speaker.plain('check.hidden')})" if check.hidden else ""
        title = _said(check.title, speaker) or check.id
        lines.append(_line((f"{mark} ", colour), (title, ""), (hidden, "dim")))
    if message := _said(check.message, speaker):
        lines.append(_line((message, "")))
    if exception := evidence.exception:
        lines.append(
            _line((visible(exception.type), "red"), (f": {visible(exception.message)}", ""))
        )
    if difference := first_difference(check, speaker):
        key = speaker.plain("terminal.first_difference")
        lines.append(_line((f"{key}: ", "dim"), (difference, "")))
    where = where_to_look(check, speaker)
    if where:
        lines.append(_line((where, "cyan")))
    if check.hint and check.verdict != "error":
        hint = speaker.plain("terminal.hint")
        lines.append(_line((f"{hint}: ", "dim"), (_said(check.hint, speaker), "")))
    return Group(*lines)


def first_difference(check: CheckResult, speaker: Language) -> str | None:
    """Return where an answer first differs, and from what; None where nothing shows it."""
    evidence = read_evidence(check)
    answered, expected = evidence.answered, evidence.expected
    shapes_differ = (
        answered is not None
        and expected is not None
        and answered.shape is not None
        and expected.shape is not None
        and answered.shape != expected.shape
    )
    if shapes_differ and answered and expected:
        one, other = short_shape(answered.shape or []), short_shape(expected.shape or [])
        return _isolated(f"{one} ≠ {other}", speaker)
    first: Place | None = evidence.difference.first if evidence.difference else None
    if first is not None:
        place = f"{first.index}: " if first.index else ""  # one number has no places
        place += written(first.answered)
        if first.expected is not None:
            place += f" ≠ {written(first.expected)}"
        return _isolated(place, speaker)
    if layer := next((layer for layer in evidence.layers if layer.differs), None):
        return _isolated(f"{layer.path} ({layer.type})", speaker)
    if claim := next((claim for claim in evidence.claims if not claim.agrees), None):
        return _isolated(f"{written(claim.claimed)} ≠ {written(claim.found)}", speaker)
    if answered is not None and expected is not None and answered.shape in (None, []):
        return _isolated(f"{answered.text} ≠ {expected.text}", speaker)
    return None


def where_to_look(check: CheckResult, speaker: Language) -> str | None:
    """Return the cell, and if an exception tells it the line; None where there is none."""
    evidence = read_evidence(check)
    frames = evidence.exception.frames if evidence.exception else []
    inside = [frame for frame in frames if frame.cell is not None]
    if inside and inside[-1].cell is not None:
        cell, line = speaker.cell(inside[-1].cell), inside[-1].line
        return cell if line is None else speaker.plain("exception.where", cell=cell, line=line)
    return speaker.cell(check.cell) if check.cell is not None else None


def _summary_line(report: Report, speaker: Language, *, public_only: bool) -> _Sentence:
    score = report.score
    parts_of = [part for question in report.questions for part in question.parts]
    decided = [part.verdict for part in parts_of]
    public = [check.verdict for part in parts_of for check in part.checks if not check.hidden]
    points = speaker.plain("score.out_of_points", points=score.final, max=score.max_points)
    parts = [(f"\n{points}", "bold")]
    if score.pending:
        pending = speaker.plain("score.pending_value", points=score.pending)
        parts.append((f" · {speaker.plain('score.pending')}: {pending}", "blue"))
    if decided and all(verdict == "passed" for verdict in decided):
        parts.append((f" · {speaker.plain('terminal.all_passed')}", "green"))
    elif public_only and public and all(verdict == "passed" for verdict in public):
        parts.append((f" · {speaker.plain('terminal.public_passed')}", "green"))
    return _line(*parts)


def _said(text: Text, speaker: Language) -> str:
    """Return a sentence for the terminal: no control sequences; code and formulas isolated."""
    sentence = visible(without_marks(speaker.text(text)))
    return _QUOTED.sub(lambda quoted: isolated(quoted[0][1:-1], speaker.code), sentence)


def _isolated(code: str, speaker: Language) -> str:
    return isolated(visible(without_marks(code)), speaker.code)


def _line(*parts: tuple[str, str]) -> _Sentence:
    return _Sentence(Line.assemble(*parts))


class _Sentence:
    """A text whose isolates hold on each of the lines that it is broken into.

    A terminal orders each of its lines alone, so that an isolate ends with the line; without
    its end and a new beginning, code that a narrow terminal breaks would be out of order.
    """

    def __init__(self, text: Line) -> None:
        self._text = text

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement.get(console, options, self._text)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        open_isolates: list[str] = []
        for line in self._text.wrap(console, options.max_width):
            inherited = "".join(open_isolates)
            for character in line.plain:
                if character in _OPENING:
                    open_isolates.append(character)
                elif character == PDI and open_isolates:
                    open_isolates.pop()
            line.rstrip()
            yield Line.assemble(inherited, line, PDI * len(open_isolates))
