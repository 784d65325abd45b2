"""GitHub Actions: a summary for the job's page, and annotations at the notebook.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from grader.feedback.exports.wording import checks_of, message_of, said
from grader.feedback.language import SIGNS, Language
from grader.report import Report

MAX_ANNOTATIONS = 10
"""GitHub shows ten of each level for one step."""


def step_summary(reports: Iterable[Report], language: str = "en") -> str:
    """Return Markdown for ``$GITHUB_STEP_SUMMARY``: a table for each hand-in."""
    spoken = Language(language)
    heads = (spoken.plain(f"summary.{key}") for key in ("question", "part", "points"))
    header = f"| | {' | '.join(heads)} |\n|---|---|---|---:|"
    pieces = [f'<div dir="{spoken.direction}">\n']
    for report in reports:
        score = report.score
        pieces.append(f"### {_cell(said(report.title, language))} · {_cell(report.student)}\n")
        final = {"points": score.final, "max": score.max_points}
        notes = [f"**{spoken.plain('score.out_of_points', **final)}**"]
        notes += [
            spoken.plain(f"summary.{key}", points=points)
            for key in ("pending", "bonus", "penalty")
            if (points := getattr(score, key))
        ]
        pieces += [" · ".join(notes) + "\n", header]
        for question in report.questions:
            for part in question.parts:
                label, title = said(question.label, language), said(part.title, language)
                points = spoken.plain("score.out_of", points=part.points, max=part.max_points)
                sign = SIGNS[part.verdict]
                pieces.append(f"| {sign} | {_cell(label)} | {_cell(title)} | {points} |")
        pieces.append("")
    pieces.append("</div>")
    return "\n".join(pieces) + "\n"


def workflow_commands(report: Report, file: str, language: str = "en") -> Iterator[str]:
    """Yield a workflow command for each check that did not pass; `file` is the notebook."""
    shown = 0
    for question, part, check in checks_of(report):
        if check.verdict in ("passed", "pending") or shown == MAX_ANNOTATIONS:
            continue
        shown += 1
        level = "error" if check.verdict == "error" else "warning"
        title = f"{said(question.label, language)} · {said(part.title, language)}"
        message = _data(message_of(check, language))
        yield f"::{level} file={_property(file)},title={_property(title)}::{message}"


def _cell(text: str) -> str:
    """Return `text` as the content of a table's cell: no markup, no HTML, one line."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for character in "\\`*_{}[]()#+-!|~$:@":
        escaped = escaped.replace(character, f"\\{character}")
    return " ".join(escaped.split())


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
