"""Summaries of a class: equal to those they were made of, with what they share held once."""

import gc
import tracemalloc

import msgspec
from msgspec.structs import replace

from grader.feedback import StudentSummary, summarise
from grader.feedback.class_summary import Shared
from tests.feedback.reports import a_class


def read_again(summary: StudentSummary) -> StudentSummary:
    """What another process or the journal hands over: nothing of it is shared."""
    return msgspec.json.decode(msgspec.json.encode(summary), type=StudentSummary)


def test_a_summary_that_shares_equals_the_one_it_was_made_of() -> None:
    shared = Shared()
    for report in a_class(20):
        summary = summarise(report)
        assert shared.of(read_again(summary)) == summary


def test_texts_of_a_changed_assignment_are_its_own() -> None:
    shared = Shared()
    before = summarise(a_class(1)[0])
    part, finding = before.parts[0], before.findings[0]
    after = replace(
        before,
        title={"en": "Another title"},
        parts=[replace(part, title={"en": "Another part"}), *before.parts[1:]],
        findings=[replace(finding, title={"en": "Another check"}), *before.findings[1:]],
    )
    for summary in (before, after, before, after):
        assert shared.of(read_again(summary)) == summary


def test_a_class_takes_little_memory() -> None:
    shared = Shared()
    summaries = [summarise(report) for report in a_class(4)]
    kept = [shared.of(read_again(s)) for s in summaries]

    def bytes_each(make: object) -> float:
        tracemalloc.start()
        try:
            kept.extend(make(read_again(s)) for s in summaries * 25)  # type: ignore[operator]
            gc.collect()
            return tracemalloc.get_traced_memory()[0] / 100
        finally:
            tracemalloc.stop()

    assert bytes_each(shared.of) < bytes_each(lambda summary: summary) / 4
