"""The class page: complete without script, and light enough for a large class."""

from __future__ import annotations

import re
import time

import pytest
from msgspec.structs import replace

from grader.feedback import Occasion, render_index, summarise
from grader.feedback.class_summary import ClassSummary
from grader.report import Report
from tests.feedback.pages import Page
from tests.feedback.reports import a_class


@pytest.fixture(scope="module")
def students() -> list[Report]:
    return a_class(30)


@pytest.fixture(scope="module")
def page(students: list[Report], occasion: Occasion) -> Page:
    return Page(render_index(students, languages=("en",), occasion=occasion))


def test_every_student_is_in_the_table_and_linked_to_a_card(
    page: Page, students: list[Report]
) -> None:
    links = {given["href"] for given in page.all("a")}
    assert {f"{student.student}/feedback.html" for student in students} <= links


def test_the_numbers_of_the_class_are_those_of_its_students(
    page: Page, students: list[Report]
) -> None:
    finals = sorted(student.score.final for student in students)
    mean = sum(finals) / len(finals)
    assert "Students 30" in page.text
    assert f"Mean {mean:.2f}".rstrip("0").rstrip(".") in page.text
    assert sum(ClassSummary([summarise(s) for s in students]).deciles) == 30


def test_the_pass_rate_of_a_part_counts_only_what_is_decided(students: list[Report]) -> None:
    summary = ClassSummary([summarise(student) for student in students])
    rows = {row.part.key: row for row in summary.part_statistics()}
    weights = [p for s in students for q in s.questions for p in q.parts if p.id == "weights"]
    passed = sum(p.verdict == "passed" for p in weights)
    assert rows["conv-gradients/weights"].pass_percent == pytest.approx(100 * passed / 30)
    assert rows["depth/degradation"].decided < 30


def test_a_part_that_only_the_strong_get_right_discriminates() -> None:
    strong, weak = a_class(1)[0], a_class(1)[0]
    students = []
    for k in range(10):
        good = k >= 5
        questions = []
        for asked in strong.questions:
            parts = [
                replace(p, verdict="passed" if good else "failed", points=p.max_points * good)
                for p in asked.parts
            ]
            questions.append(replace(asked, parts=parts))
        points = sum(p.points for q in questions for p in q.parts) + k * 0.1
        score = replace(weak.score, points=points, bonus=0)
        students.append(replace(strong, student=str(k), questions=questions, score=score))
    rows = ClassSummary([summarise(s) for s in students]).part_statistics()
    assert all(row.discrimination is not None and row.discrimination > 0.9 for row in rows)


def test_the_same_misconception_is_told_once_with_its_count(students: list[Report]) -> None:
    groups = ClassSummary([summarise(student) for student in students]).misconceptions()
    having = {
        s.student
        for s in students
        for q in s.questions
        for p in q.parts
        for c in p.checks
        if c.misconception == "not-rotated" and c.verdict != "passed"
    }
    rotated = next(g for g in groups if g.part.key == "conv-gradients/input")
    assert set(rotated.students) == having
    counts = [len(group.students) for group in groups]
    assert counts == sorted(counts, reverse=True)


def test_equal_wrong_answers_are_one_group(students: list[Report]) -> None:
    groups = ClassSummary([summarise(student) for student in students]).wrong_answers()
    assert any(group.answer == "18342632" and len(group.students) > 1 for group in groups)


def test_grader_errors_are_told_apart_from_wrong_answers(page: Page) -> None:
    assert "Grader errors Not the students’ fault" in page.text
    assert "Our check broke down while reading the picture" in page.text


def test_what_waits_for_a_person_is_counted(page: Page) -> None:
    assert re.search(
        r"Theory 1, “Degradation of deep networks” \d+ answers, \d+ points in all", page.text
    )


def test_a_class_without_faults_says_so(students: list[Report]) -> None:
    fine = [student for student in students if not student.has_error]
    assert (
        "Every check ran without a grader error."
        in Page(render_index(fine, languages=("en",))).text
    )


def test_an_empty_class_is_a_page_too() -> None:
    assert "There are no report cards yet." in Page(render_index([], languages=("en",))).text


def test_students_names_are_text_and_their_links_stay_inside() -> None:
    odd = replace(a_class(1)[0], student='<b onclick=x>"../../etc')
    page = Page(render_index([odd]))
    assert not page.all("b", onclick="x")
    cards = {given["href"] for given in page.all("a") if given["href"].endswith("feedback.html")}
    assert cards == {"%3Cb%20onclick%3Dx%3E%22..%2F..%2Fetc/feedback.html"}


def test_the_only_script_is_the_one_that_the_policy_names(page: Page) -> None:
    policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]
    assert len(page.scripts) == 1
    assert "script-src 'sha256-" in policy
    assert "unsafe" not in policy
    for tag, given in page.elements:
        assert not [name for name in given if name.startswith("on")], tag


def test_both_languages_hold_the_same_students(students: list[Report]) -> None:
    page = Page(render_index(students))
    assert len(page.all("table", class_="students")) == 2
    hrefs = [given["href"] for given in page.all("a") if "/" in given["href"]]
    assert hrefs.count(f"{students[0].student}/feedback.html") >= 2
    assert len(page.ids) == len(set(page.ids))
    assert "۳۰" in page.text


def test_a_large_class_is_made_from_summaries_in_seconds(students: list[Report]) -> None:
    base = summarise(students[0])
    many = [replace(base, student=f"{401000000 + k}") for k in range(2000)]
    start = time.process_time()
    html = render_index(many)
    assert time.process_time() - start < 8
    assert len(html) < 6_000_000
