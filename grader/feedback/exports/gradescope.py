"""Gradescope's ``results.json``, as its autograder platform reads it.

https://gradescope-autograders.readthedocs.io/en/latest/specs/
"""

from __future__ import annotations

from typing import Any

from grader.feedback.exports.wording import message_of, said
from grader.report import PartResult, QuestionResult, Report


def gradescope_results(report: Report, language: str = "en") -> dict[str, Any]:
    """Return the results of one hand-in: a test for each check, one for each part that persons mark.

    Hidden checks are shown to graders only.
    """
    tests = []
    for number, question in enumerate(report.questions, 1):
        for place, part in enumerate(question.parts, 1):
            tests += _tests(question, part, f"{number}.{place}", language)
    score = report.score
    remarks = [said(notice.text, language) for notice in report.warnings]
    if score.penalty:
        remarks.insert(0, f"Late penalty: {score.penalty}")
    return {
        "score": score.final,
        "execution_time": round(report.seconds.total),
        "output": "\n".join(remarks),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
    }


def _tests(
    question: QuestionResult, part: PartResult, number: str, language: str
) -> list[dict[str, Any]]:
    name = f"{said(question.label, language)} · {said(part.title, language)}"
    common = {"output_format": "text", "name_format": "text"}
    if part.kind == "rubric":
        comments = [c.comment for c in part.criteria if c.comment]
        return [
            {
                **common,
                "name": name,
                "number": number,
                "score": part.points,
                "max_score": part.max_points,
                "output": "\n".join(comments) if not part.pending else "To be marked by a person.",
                "visibility": "visible",
            }
        ]
    return [
        {
            **common,
            "name": f"{name}: {said(check.title, language)}",
            "number": f"{number}.{place}",
            "score": check.points,
            "max_score": check.max_points,
            "status": "passed" if check.verdict == "passed" else "failed",
            "output": message_of(check, language),
            "visibility": "hidden" if check.hidden else "visible",
        }
        for place, check in enumerate(part.checks, 1)
    ]
