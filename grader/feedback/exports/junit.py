"""JUnit XML: one suite for each student, one case for each check.

A wrong answer is a ``failure``; an ``error`` is the grader's or the environment's fault, so that a
pipeline that stops for errors does not stop for students. What waits for a person is ``skipped``.
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree

from grader.feedback.exports.wording import checks_of, message_of, plain, said
from grader.report import CheckResult, Report


def junit_xml(reports: Iterable[Report], language: str = "en") -> bytes:
    """Return the reports of a class as one document."""
    root = ElementTree.Element("testsuites")
    for report in reports:
        root.append(_suite(report, language))
    ElementTree.indent(root)
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _suite(report: Report, language: str) -> ElementTree.Element:
    checks = [check for _, _, check in checks_of(report)]
    verdicts = [check.verdict for check in checks]
    suite = ElementTree.Element(
        "testsuite",
        name=plain(f"{report.assignment}.{report.student}"),
        tests=str(len(checks)),
        failures=str(sum(v in ("failed", "partial", "missing") for v in verdicts)),
        errors=str(verdicts.count("error")),
        skipped=str(verdicts.count("pending")),
        time=f"{report.seconds.total:.3f}",
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name in report.score.__struct_fields__:
        value = f"{getattr(report.score, name):g}"
        ElementTree.SubElement(properties, "property", name=f"score.{name}", value=value)
    for question, part, check in checks_of(report):
        case = ElementTree.SubElement(
            suite,
            "testcase",
            name=plain(check.id),
            classname=plain(f"{report.assignment}.{question.id}.{part.id}"),
            time=f"{check.seconds:.3f}",
        )
        _outcome(case, check, language)
    return suite


def _outcome(case: ElementTree.Element, check: CheckResult, language: str) -> None:
    if check.verdict == "passed":
        return
    kind = {"error": "error", "pending": "skipped"}.get(check.verdict, "failure")
    message = said(check.message, language)
    outcome = ElementTree.SubElement(case, kind, message=message)
    if kind != "skipped":
        outcome.set("type", check.verdict)
        outcome.text = message_of(check, language)
