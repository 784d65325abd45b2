"""A class at a glance: what many reports have in common, from small summaries of each."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import get_args

import msgspec

from grader.feedback.evidence import read_evidence
from grader.report import PartKind, Report, Score, Text, Verdict


class PartSummary(msgspec.Struct, frozen=True):
    """One part of one student."""

    question: str
    part: str
    kind: PartKind
    bonus: bool
    label: Text
    title: Text
    verdict: Verdict
    points: float
    max_points: float
    pending: float

    @property
    def key(self) -> str:
        """Question and part as one name, as in the gradebook."""
        return f"{self.question}/{self.part}"


class Finding(msgspec.Struct, frozen=True):
    """One check of one student that did not pass, in the little that a class page needs."""

    part: str
    check: str
    title: Text
    verdict: Verdict
    message: Text
    misconception: str | None
    answer: str | None


class StudentSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What the class page and the gradebook keep of one report, and the roster's line.

    Attributes
    ----------
    handed_in
        False for a student of the roster of whom there is nothing: no report, no card.
    on_roster
        False for a hand-in whose id the roster does not have.
    """

    assignment: str
    title: Text
    student: str
    has_notebook: bool
    score: Score
    parts: list[PartSummary]
    findings: list[Finding]
    failing_cells: int
    warnings: int
    run_seconds: float
    name: str = ""
    section: str = ""
    handed_in: bool = True
    on_roster: bool = True

    @property
    def percent(self) -> float:
        """The final score in percent of the points without bonus."""
        return 100 * self.score.final / self.score.max_points if self.score.max_points else 0.0

    @property
    def verdicts(self) -> dict[Verdict, int]:
        """How many parts came to each verdict, in the order of the verdicts."""
        counts: dict[Verdict, int] = dict.fromkeys(get_args(Verdict), 0)
        for part in self.parts:
            counts[part.verdict] += 1
        return {verdict: count for verdict, count in counts.items() if count}

    @property
    def has_error(self) -> bool:
        """Whether a verdict is the grader's or the environment's fault."""
        return any(part.verdict == "error" for part in self.parts)


_ANSWER_LENGTH = 120


def summarise(report: Report) -> StudentSummary:
    """Return the summary of one report."""
    parts = []
    findings = []
    for question in report.questions:
        for part in question.parts:
            summary = PartSummary(
                question.id, part.id, part.kind, question.bonus, question.label, part.title,
                part.verdict, part.points, part.max_points, part.pending,
            )  # fmt: skip
            parts.append(summary)
            for check in part.checks:
                if check.verdict in ("passed", "pending", "missing"):
                    continue
                answered = read_evidence(check).answered
                answer = " ".join(answered.text.split())[:_ANSWER_LENGTH] if answered else None
                findings.append(
                    Finding(
                        summary.key,
                        check.id,
                        check.title,
                        check.verdict,
                        check.message,
                        check.misconception,
                        answer,
                    )
                )
    return StudentSummary(
        assignment=report.assignment,
        title=report.title,
        student=report.student,
        has_notebook=report.notebook is not None,
        score=report.score,
        parts=parts,
        findings=findings,
        failing_cells=sum(cell.status in ("error", "timeout", "died") for cell in report.cells),
        warnings=len(report.warnings),
        run_seconds=report.seconds.run,
    )


class Shared:
    """Makes summaries of one class hold once what they have in common: most of what each holds.

    A summary of its own is 50 KiB for forty parts in two languages, one that shares a tenth of it.
    """

    def __init__(self) -> None:
        self._parts: dict[tuple[object, ...], PartSummary] = {}
        self._findings: dict[tuple[str, str], Finding] = {}
        self._texts: dict[tuple[tuple[str, str], ...], Text] = {}
        self._summary: StudentSummary | None = None

    def of(self, summary: StudentSummary) -> StudentSummary:
        """Return an equal summary, made of parts and texts of earlier ones where those are equal."""
        like = self._summary
        if like is None or (like.assignment, like.title) != (summary.assignment, summary.title):
            like = self._summary = summary
        return msgspec.structs.replace(
            summary,
            assignment=like.assignment,
            title=like.title,
            parts=[self._part(part) for part in summary.parts],
            findings=[self._finding(finding) for finding in summary.findings],
        )

    def _part(self, part: PartSummary) -> PartSummary:
        key = (part.question, part.part, part.verdict, part.points, part.pending)
        like = self._parts.get(key)
        if like != part:
            like = self._parts[key] = part
        return like

    def _finding(self, finding: Finding) -> Finding:
        like = self._findings.setdefault((finding.part, finding.check), finding)
        return msgspec.structs.replace(
            finding,
            part=like.part,
            check=like.check,
            title=self._text(finding.title),
            message=self._text(finding.message),
        )

    def _text(self, text: Text) -> Text:
        return self._texts.setdefault(tuple(text.items()), text)


class PartStatistics(msgspec.Struct, frozen=True):
    """How a class did in one part. Pending and error verdicts are undecided and do not count."""

    part: PartSummary
    decided: int
    passed: int
    mean: float | None
    discrimination: float | None

    @property
    def pass_percent(self) -> float | None:
        """Students whose part is right, in percent of those decided."""
        return 100 * self.passed / self.decided if self.decided else None


class Group(msgspec.Struct, frozen=True):
    """The same thing found with several students, so that one comment serves all."""

    part: PartSummary
    title: Text
    text: Text
    answer: str | None
    students: list[str]


class ClassSummary:
    """The class page's view of many students."""

    def __init__(self, students: Sequence[StudentSummary]) -> None:
        self.students = sorted(students, key=lambda student: student.student)
        self.present = [student for student in self.students if student.handed_in]
        self._parts: dict[str, PartSummary] = {}
        self._answers: dict[str, list[tuple[PartSummary, StudentSummary]]] = {}
        for student in self.present:
            for part in student.parts:
                self._parts.setdefault(part.key, part)
                self._answers.setdefault(part.key, []).append((part, student))

    @property
    def title(self) -> Text:
        """Title of the assignment."""
        return self.students[0].title if self.students else {}

    @property
    def max_points(self) -> float:
        """Points of the assignment without bonus."""
        return max((student.score.max_points for student in self.students), default=0.0)

    @property
    def absent(self) -> int:
        """How many students of the roster handed nothing in. No statistics count them."""
        return len(self.students) - len(self.present)

    @property
    def mean(self) -> float:
        """Mean final score in points."""
        return statistics.fmean(s.score.final for s in self.present) if self.present else 0.0

    @property
    def median(self) -> float:
        """Median final score in points."""
        return statistics.median(s.score.final for s in self.present) if self.present else 0.0

    @property
    def deciles(self) -> list[int]:
        """Number of students in each tenth of the score; full marks and bonus go to the last."""
        counts = [0] * 10
        for student in self.present:
            counts[min(int(student.percent // 10), 9)] += 1
        return counts

    def part_statistics(self) -> list[PartStatistics]:
        """Return pass rate, mean and discrimination of each part, in the order of the assignment."""
        return [self._statistics_of(key, part) for key, part in self._parts.items()]

    def _statistics_of(self, key: str, part: PartSummary) -> PartStatistics:
        decided = [
            (own, student)
            for own, student in self._answers[key]
            if own.verdict not in ("pending", "error")
        ]
        points = [own.points for own, _ in decided]
        rest = [student.score.points + student.score.bonus - own.points for own, student in decided]
        return PartStatistics(
            part,
            decided=len(decided),
            passed=sum(own.verdict == "passed" for own, _ in decided),
            mean=statistics.fmean(points) if points else None,
            discrimination=_correlation(points, rest),
        )

    def misconceptions(self, limit: int = 12) -> list[Group]:
        """Return the known wrong ideas, most frequent first."""
        return self._grouped(
            lambda found: (found.misconception,) if found.misconception else None, 1, limit
        )

    def wrong_answers(self, limit: int = 12) -> list[Group]:
        """Return the wrong answers that several students gave alike, most frequent first.

        Those that a known misconception explains are left to :meth:`misconceptions`.
        """

        def key_of(found: Finding) -> tuple[str, ...] | None:
            unexplained = found.verdict in ("failed", "partial") and found.misconception is None
            return (found.check, found.answer) if unexplained and found.answer else None

        return self._grouped(key_of, 2, limit, with_answer=True)

    def faults(self, limit: int = 50) -> list[Group]:
        """Return the checks that could not be judged, through no fault of the students."""

        def key_of(found: Finding) -> tuple[str, ...] | None:
            return (found.check, *found.message.values()) if found.verdict == "error" else None

        return self._grouped(key_of, 1, limit)

    def _grouped(
        self,
        key_of: Callable[[Finding], tuple[str, ...] | None],
        at_least: int,
        limit: int,
        *,
        with_answer: bool = False,
    ) -> list[Group]:
        """Group the findings of a part that have the same key; those without one are left out."""
        groups: dict[tuple[str, ...], tuple[Finding, dict[str, None]]] = {}
        for student in self.students:
            for found in student.findings:
                if key := key_of(found):
                    names = groups.setdefault((found.part, *key), (found, {}))[1]
                    names[student.student] = None
        frequent = sorted(
            (group for group in groups.values() if len(group[1]) >= at_least),
            key=lambda group: -len(group[1]),
        )
        return [
            Group(
                self._parts[found.part],
                found.title,
                found.message,
                found.answer if with_answer else None,
                list(names),
            )
            for found, names in frequent[:limit]
        ]

    def waiting(self) -> list[tuple[PartSummary, int, float]]:
        """Return part, number of answers and points in all of what a person has to mark."""
        waiting = []
        for key, part in self._parts.items():
            own = [answer for answer, _ in self._answers[key] if answer.pending > 0]
            if own:
                waiting.append((part, len(own), sum(p.pending for p in own)))
        return waiting

    def slowest(self, limit: int = 5) -> list[StudentSummary]:
        """Return the students whose notebooks took longest to run."""
        ordered = sorted(self.students, key=lambda student: -student.run_seconds)
        return [student for student in ordered[:limit] if student.run_seconds > 0]


def summaries(reports: Iterable[Report | StudentSummary]) -> list[StudentSummary]:
    """Return the summary of each report; what is a summary already stays as it is."""
    return [r if isinstance(r, StudentSummary) else summarise(r) for r in reports]


def _correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Return Pearson's correlation, None where it has no meaning (few or constant values)."""
    if len(one) < 5 or len(set(one)) < 2 or len(set(other)) < 2:
        return None
    return statistics.correlation(one, other)
