"""One student's card as a template sees it: the report, and what is drawn from it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from itertools import chain
from pathlib import Path

import msgspec
from markupsafe import Markup
from msgspec.structs import replace

from grader.course.dates import Calendar
from grader.course.texts import LANGUAGES
from grader.feedback.advice import Advice, fix_first
from grader.feedback.evidence import (
    Difference,
    Evidence,
    Shown,
    read_evidence,
    short_shape,
)
from grader.feedback.language import Language
from grader.feedback.matrix import Table, entries
from grader.feedback.pictures import Drawing, curves_plot, heat_map, score_bar, shape_diagram
from grader.feedback.untrusted import image_source
from grader.report import (
    CellOutput,
    CellResult,
    CheckResult,
    Late,
    PartResult,
    QuestionResult,
    Report,
    Text,
)
from grader.secrets import redact


class Occasion(msgspec.Struct, frozen=True, kw_only=True):
    """What a card says beside the report itself: the course and its dates.

    Attributes
    ----------
    course
        Title of the course.
    languages
        Those that it is taught in; pages open in the first.
    due, handed_in, graded
        Moments with a time zone; those that are None are not shown.
    calendar, time_zone
        How moments are written.
    index_link
        Relative address of the class page, when the card should link to it.
    templates
        Folder of the course's own templates and of its ``course.css``, which go before ours.
    """

    course: Text = {}
    languages: tuple[str, ...] = LANGUAGES
    due: datetime | None = None
    handed_in: datetime | None = None
    graded: datetime | None = None
    calendar: Calendar = "jalali"
    time_zone: str = "Asia/Tehran"
    index_link: str | None = None
    templates: Path | None = None

    def of_the_class(self) -> Occasion:
        """Return the same without what concerns one student only."""
        return replace(self, handed_in=None, index_link=None)

    def of_hand_in(self, late: Late | None) -> Occasion:
        """The same with what is known of one hand-in: its own due date, and when it came."""
        if late is None:
            return self
        due, received = (datetime.fromisoformat(text) for text in (late.due, late.received))
        return replace(self, due=due, handed_in=received)

    def moments(self, language: Language) -> list[tuple[str, str, str]]:
        """Return label key, machine form and written form of the moments that are known."""
        known = (("due", self.due), ("handed_in", self.handed_in), ("graded", self.graded))
        return [
            (
                f"page.{name}",
                when.isoformat(timespec="minutes"),
                language.moment(when, self.calendar, self.time_zone),
            )
            for name, when in known
            if when is not None
        ]


class ShownCheck:
    """A check with its evidence read and drawn once for all languages.

    The evidence of a check that passed is short: an expected value that reads
    like the answer, a map of differences within the tolerance, layers that are all as they
    should be, say nothing.
    """

    def __init__(self, check: CheckResult) -> None:
        self.check = check
        self.open = check.verdict != "passed"
        evidence = read_evidence(check)
        if not self.open and evidence.difference is not None:
            brief = replace(evidence.difference, heatmap=None, first=None, worst=None)
            evidence = replace(evidence, difference=brief)
        if not self.open:
            evidence = replace(evidence, layers=[])
        answered, expected = evidence.answered, evidence.expected
        if not self.open and answered and expected and answered.text == expected.text:
            evidence = replace(evidence, expected=None)
        self.evidence: Evidence = evidence

    @property
    def shape_differs(self) -> bool:
        """Whether the difference is one of shape, so that the shapes are drawn."""
        answered, expected = self.evidence.answered, self.evidence.expected
        if answered is None or answered.shape is None:
            return False
        if self.evidence.kind == "shape":
            return True
        return expected is not None and expected.shape not in (None, answered.shape)

    @property
    def has_details(self) -> bool:
        """Whether there is any evidence to show beside the message."""
        e = self.evidence
        return bool(
            e.asked or e.answered or e.expected or e.inputs or e.exception or e.layers or e.curves
            or e.claims or e.unread or e.difference or e.facts
        )  # fmt: skip

    @property
    def shows_values(self) -> bool:
        """Whether the values say more than the diagrams of their shapes already do."""
        e = self.evidence
        values = [value for value in (e.answered, e.expected) if value is not None]
        if e.kind == "shape":
            return any(v.shape is None or v.text != short_shape(v.shape) for v in values)
        return bool(values)

    @cached_property
    def answered_table(self) -> Table | None:
        """The answer entry by entry, those that differ marked."""
        return entries(self.evidence.answered, self.evidence.expected, self.evidence.difference)

    @cached_property
    def expected_table(self) -> Table | None:
        """The expected value entry by entry."""
        return entries(self.evidence.expected)

    @staticmethod
    def table_of(value: Shown) -> Table | None:
        """Return an input entry by entry."""
        return entries(value)

    @cached_property
    def _shapes(self) -> list[tuple[str, list[int], Drawing]]:
        answered, expected = self.evidence.answered, self.evidence.expected
        return [
            (key, one.shape, shape_diagram(one.shape, other.shape if other is not None else None))
            for key, one, other in (
                ("check.answered", answered, expected),
                ("check.expected", expected, answered),
            )
            if one is not None and one.shape is not None
        ]

    def shape_pictures(self, language: Language) -> list[tuple[str, Markup]]:
        """Return label key and diagram of the answer's shape and the expected one."""
        return [
            (key, drawing.labelled(f"{language.plain(key)}: {_shape_in_words(shape, language)}"))
            for key, shape, drawing in self._shapes
        ]

    @cached_property
    def _heat_map(self) -> Drawing | None:
        difference = self.evidence.difference
        if difference is None or not difference.heatmap:
            return None
        return heat_map(difference.heatmap, _place_in(difference))

    def heat_map(self, language: Language) -> Markup | None:
        """Return the heat map of the difference, None when there is none to draw."""
        difference, drawing = self.evidence.difference, self._heat_map
        if drawing is None or difference is None or not difference.heatmap:
            return None
        size = {"rows": len(difference.heatmap), "columns": len(difference.heatmap[0])}
        worst = _place_in(difference)
        if worst is None:
            return drawing.labelled(language.plain("difference.heatmap_plain", **size))
        return drawing.labelled(language.plain("difference.heatmap", index=str(worst), **size))

    @cached_property
    def _curves(self) -> Drawing | None:
        return curves_plot(self.evidence.curves)

    def curves(self, language: Language) -> Markup | None:
        """Return the plot of the recorded curves, None when they hold no finite point."""
        if self._curves is None:
            return None
        separator = "، " if language.code == "fa" else ", "
        names = separator.join(curve.name for curve in self.evidence.curves)
        return self._curves.labelled(language.plain("curves.picture", names=names))


def _about(late: Late) -> str:
    """Return the key of the sentence about lateness that fits."""
    if late.excused:
        return "late_excused"
    if late.percent > 0:
        return "late_cost" if late.grace_used > 0 else "late_beyond"
    return "late_graced" if late.grace_used > 0 else "late_free"


def _place_in(difference: Difference) -> list[int] | None:
    """Return row and column of the worst element in the heat map, None when it is not in it."""
    if difference.worst is None or not difference.heatmap:
        return None
    index = [step for step in difference.worst.index if isinstance(step, int)]
    if len(index) != len(difference.worst.index):
        return None
    rows, columns = len(difference.heatmap), len(difference.heatmap[0])
    if len(index) == 1 and rows == 1:
        index = [0, *index]
    if len(index) == 2 and 0 <= index[0] < rows and 0 <= index[1] < columns:
        return index
    return None


def _shape_in_words(shape: Sequence[int], language: Language) -> str:
    if not shape:
        return language.plain("shape.scalar")
    return short_shape(list(shape))


class ShownOutput(msgspec.Struct, frozen=True):
    """One output of a cell; `source` is the address of a picture that is safe to show."""

    output: CellOutput
    source: str | None


class ShownCell(msgspec.Struct, frozen=True):
    """A cell of the notebook, with the lines and the reasons to look at it."""

    cell: CellResult
    outputs: list[ShownOutput]
    marked: frozenset[int]
    open: bool

    @property
    def tells_error(self) -> bool:
        """Whether an output already shows the error that stopped the cell."""
        return any(shown.output.kind == "error" for shown in self.outputs)

    @property
    def first_line(self) -> str:
        """The first line of code that says something, as the heading of a closed cell."""
        lines = redact(self.cell.source).splitlines()
        return next((line for line in lines if line.strip()), "")


class Card:
    """Everything a card's template needs that is the same in all languages."""

    def __init__(self, report: Report, occasion: Occasion) -> None:
        self.report = report
        self.occasion = occasion.of_hand_in(report.late)
        self.advice: Advice = fix_first(report)
        self._checks = {
            (question.id, part.id): [ShownCheck(check) for check in part.checks]
            for question in report.questions
            for part in question.parts
        }
        self.cells = self._read_cells()
        self.cell_indices = frozenset(cell.cell.index for cell in self.cells)

    def checks(self, question: QuestionResult, part: PartResult) -> list[ShownCheck]:
        """Return the checks of a part, those that did not pass first."""
        return sorted(self._checks[question.id, part.id], key=lambda check: not check.open)

    def _read_cells(self) -> list[ShownCell]:
        marked: dict[int, set[int]] = {}
        looked_at: set[int] = set()
        for shown in chain.from_iterable(self._checks.values()):
            if shown.check.verdict != "passed" and shown.check.cell is not None:
                looked_at.add(shown.check.cell)
            for frame in shown.evidence.exception.frames if shown.evidence.exception else ():
                if frame.cell is not None:
                    looked_at.add(frame.cell)
                    if frame.line is not None:
                        marked.setdefault(frame.cell, set()).add(frame.line)
        for notice in self.report.warnings:
            if notice.cell is not None:
                looked_at.add(notice.cell)
        return [
            ShownCell(
                cell,
                [
                    ShownOutput(output, image_source(output) if output.kind == "image" else None)
                    for output in cell.outputs
                ],
                frozenset(marked.get(cell.index, ())),
                cell.index in looked_at or cell.status in ("error", "timeout", "died"),
            )
            for cell in self.report.cells
        ]

    def found_by(self, check: CheckResult, language: Language) -> Markup | None:
        """Say how an answer was found, when that was not simply by its name."""
        if check.found_by is None:
            return None
        how, _, name = check.found_by.partition(":")
        if how == "name" or how not in ("alias", "value", "output", "call", "follow-through"):
            return None
        if how == "output" and name.isdigit():
            return language.word("found.output", name=language.cell(int(name)))
        code = Markup('<code dir="ltr">{}</code>').format(name)
        return language.word(f"found.{how}", name=code)

    def lateness(self, language: Language) -> list[Markup]:
        """Return what is to be said about lateness, sentence by sentence, and how it was worked out."""
        late, score = self.report.late, self.report.score
        if late is None:
            return []
        said = []
        if late.extended > 0:
            said.append(language.word("score.late_extended", hours=late.extended))
        if late.hours <= 0:
            return said
        figures = {
            "hours": late.hours,
            "used": late.grace_used,
            "left": late.grace_left,
            "percent": late.percent,
        }
        said.append(language.word(f"score.{_about(late)}", **figures))
        if late.percent > 0:
            said.append(language.say(late.rule))
            earned = round(score.points + score.bonus, 2)
            said.append(
                language.word(
                    "score.late_sum", percent=late.percent, earned=earned, penalty=score.penalty
                )
            )
        return said

    def score_picture(self, language: Language) -> Markup:
        """Return the bar of decided, pending and missed points."""
        score = self.report.score
        label = language.plain(
            "score.picture", final=score.final, max=score.max_points, pending=score.pending
        )
        return score_bar(score.final, score.pending, score.max_points, label)

    def question_bar(self, question: QuestionResult, language: Language) -> Markup:
        """Return the bar of one question."""
        label = language.plain(
            "score.picture",
            final=question.points,
            max=question.max_points,
            pending=question.pending,
        )
        return score_bar(question.points, question.pending, question.max_points, label)
