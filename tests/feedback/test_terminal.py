from __future__ import annotations

import io
import re
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace
from rich.cells import cell_len
from rich.console import Console, RenderableType

from grader.feedback import checked_line, class_table, student_view, waiting_line
from grader.feedback.gallery import text
from grader.report import Report
from tests.feedback.reports import a_class, one_check


def printed(view: RenderableType, width: int = 100) -> str:
    file = io.StringIO()
    Console(file=file, width=width, color_system=None).print(view)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def test_each_part_is_one_line_and_what_failed_says_why(report: Report) -> None:
    said = printed(student_view(report))
    assert "✓ Theory 3 · How many softmaxes  3 of 3  Correct" in said
    start = said.index("✗ Theory 2 · Gradient of the input  0 of 5  Not correct")
    lines = said[start:].splitlines()[1:6]
    assert lines[0].startswith("    dX has the right shape, but 9 of its 16 entries differ.")
    assert lines[2] == "    first difference: [1, 1]: 2 ≠ 3"
    assert lines[3] == "    cell 6"
    assert lines[4].startswith("    hint: Compare what you wrote")


def test_an_exception_names_cell_and_line(report: Report) -> None:
    said = printed(student_view(report))
    assert "ValueError: operands could not be broadcast together" in said
    assert "    cell 8, line 6\n" in said


def test_shapes_that_differ_are_the_first_difference(report: Report) -> None:
    assert "first difference: (8, 12, 64) ≠ (12, 8, 64)" in printed(student_view(report))


def test_persian_is_spoken_and_code_in_it_is_isolated(report: Report) -> None:
    said = printed(student_view(report, language="fa"))
    assert "✓ نظری ۳ · تعداد softmax  ۳ از ۳  درست" in said
    assert "نخستین اختلاف: \u2066[1, 1]: 2 ≠ 3\u2069" in said
    assert "\u2066batch_first\u2069" in said
    assert said.count("\u2066") == said.count("\u2069")


def test_a_self_check_shows_public_checks_only(report: Report) -> None:
    everything = printed(student_view(report))
    public = printed(student_view(report, public_only=True))
    assert "The same function on other inputs (hidden check)" in everything
    assert "The same function on other inputs" not in public
    assert "Initialisation" not in public


def test_a_hidden_check_never_prints_the_expected_value() -> None:
    evidence = {
        "answered": {"text": "1", "shape": [], "values": 1},
        "expected": {"text": "90210", "shape": [], "values": 90210},
        "difference": {"first": {"index": [0], "answered": 1, "expected": 90210}},
    }
    assert "90210" not in printed(student_view(one_check(hidden=True, evidence=evidence)))
    assert "90210" in printed(student_view(one_check(evidence=evidence)))


def test_nothing_of_a_student_drives_the_terminal() -> None:
    attack = "\x1b[2J\x1b]0;owned\x07[bold]x[/bold]\u202e"
    report = one_check(
        message=text(attack, attack),
        evidence={
            "exception": {"type": attack, "message": attack},
            "difference": {"first": {"index": [0], "answered": attack, "expected": attack}},
        },
    )
    said = printed(student_view(replace(report, student=attack)))
    assert "\x1b" not in said
    assert "\x07" not in said
    assert "\u202e" not in said
    assert "[bold]x[/bold]" in said
    assert "\x1b" not in printed(class_table([replace(report, student=attack)]))


def test_when_all_is_right_it_says_so() -> None:
    said = printed(student_view(one_check("passed", 5)))
    assert "5 of 5 points · All checks passed." in said


def test_the_class_is_a_table_with_its_mean() -> None:
    reports = a_class(4)
    said = printed(class_table(reports))
    for student in reports:
        assert re.search(rf"{student.student} +{student.score.final:g}\b", said)
    mean = sum(r.score.final for r in reports) / 4
    assert re.search(rf"Mean +{mean:.2f}".rstrip("0"), said)


def test_the_table_fits_a_narrow_terminal() -> None:
    said = printed(class_table(a_class(3)), width=60)
    assert max(map(len, said.splitlines())) <= 60
    assert "401100000" in said


@pytest.mark.parametrize("language", ["fa", "en"])
@pytest.mark.parametrize("width", [24, 40])
def test_a_narrow_terminal_loses_nothing_and_each_line_is_isolated(
    report: Report, language: str, width: int
) -> None:
    def words_of(said: str) -> str:
        return re.sub(r"[\s\u2066\u2068\u2069]", "", said)

    narrow = printed(student_view(report, language=language), width)
    assert max(cell_len(line) for line in narrow.splitlines()) <= width
    assert words_of(narrow) == words_of(printed(student_view(report, language=language), 400))
    for line in narrow.splitlines():
        openings = line.count("\u2066") + line.count("\u2068")
        assert openings == line.count("\u2069")


def test_code_that_is_broken_over_lines_is_isolated_on_each() -> None:
    code = "optimizer.step() optimizer.zero_grad() loss.backward()"
    said = printed(student_view(one_check(message=text(f"ابتدا `{code}`", "x")), language="fa"), 30)
    lines = [line for line in said.splitlines() if "optimizer" in line or "backward" in line]
    assert len(lines) > 1
    assert all("\u2066" in line and line.endswith("\u2069") for line in lines[1:])


def coloured(environment: dict[str, str], *, terminal: bool) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal or None, _environ=environment, width=80)
    console.print(student_view(one_check()))
    return file.getvalue()


def test_colours_go_to_terminals_and_only_where_they_are_wanted() -> None:
    assert "\x1b[31m" in coloured({"TERM": "xterm-256color"}, terminal=True)
    assert "\x1b[31m" not in coloured({"TERM": "xterm", "NO_COLOR": "1"}, terminal=True)
    assert "\x1b" not in coloured({"TERM": "xterm-256color"}, terminal=False)


def test_what_passed_in_public_is_said_while_hidden_checks_wait(report: Report) -> None:
    part = one_check("passed", 5)
    waiting = replace(
        part.questions[0].parts[0].checks[0], id="later", hidden=True, verdict="pending"
    )
    question = part.questions[0]
    parts = [
        replace(question.parts[0], verdict="pending", checks=[*question.parts[0].checks, waiting])
    ]
    half = replace(part, questions=[replace(question, parts=parts)])
    assert "All public checks passed." in printed(student_view(half, public_only=True))
    assert "All public checks passed." not in printed(student_view(half))
    assert "All public checks passed." not in printed(student_view(report, public_only=True))


def test_a_repeated_check_says_when_and_what_it_waits_for() -> None:
    when = datetime(2025, 3, 4, 15, 6, 7, tzinfo=UTC)
    assert "checked at 15:06:07, 1.2 s" in printed(checked_line(when, 1.23))
    assert "بررسی ساعت ۱۵:۰۶:۰۷، ۱٫۲ ثانیه" in printed(checked_line(when, 1.23, language="fa"))
    assert "Waiting for the next save of hw (1).ipynb. Ctrl-C ends." in printed(
        waiting_line("hw (1).ipynb")
    )
    odd = "\x1b[2Jhw\u202e(1).ipynb"
    persian = printed(waiting_line(odd, language="fa"))
    assert "\x1b" not in persian
    assert "\u202e" not in persian
    assert "\u2066Ctrl-C\u2069" in persian
