"""A term's hand-ins: grace shared by all assignments, and what lateness costs on the card."""

from __future__ import annotations

import datetime as dt
import html
import os
import re
import shutil
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from grader.checks.scoring import marked, percent_of, total_of
from grader.course.course import Course, read_course
from grader.course.errors import CourseError
from grader.feedback import render_card
from grader.grading.lateness import Term
from grader.report import QuestionResult, Report
from tests.desk import Desk
from tests.grading.conftest import WARMUP

ZONE = ZoneInfo("Asia/Tehran")
DUE = dt.datetime(2026, 1, 31, 23, 59, tzinfo=ZONE)
LATE = '\n[late]\npolicy = "grace-then-linear"\ngrace_hours = 72\npercent_per_day = 50\n'


@pytest.fixture
def term(course: Path) -> Course:
    """The warm-up course with a second assignment, due ten days later."""
    second = course / "assignments" / "second"
    (course / "assignments" / "warmup").rename(second)
    text = (second / "assignment.toml").read_text("utf-8")
    (second / "assignment.toml").write_text(text.replace("2026-01-31", "2026-02-10"), "utf-8")
    shutil.copytree(WARMUP / "assignments" / "warmup", course / "assignments" / "warmup")
    reference = course / "reference"
    shutil.copy(reference / "warmup.py", reference / "second.py")
    path = course / "course.toml"
    listed = path.read_text("utf-8").replace('["warmup"]', '["warmup", "second"]')
    path.write_text(listed + LATE, "utf-8")
    return read_course(course)


def note(course: Course, slug: str, *lines: str) -> None:
    folder = course.root / "submissions" / slug
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "received.csv").write_text("\n".join(["id,received,extension_hours,excused", *lines]))


def test_the_grace_of_the_term_is_used_up_in_the_order_of_the_hand_ins(term: Course) -> None:
    note(term, "warmup", "1,2026-02-02 23:59,", "2,2026-01-31 23:59:59,", "3,2026-02-01 23:59,")
    note(term, "second", "1,2026-02-13 11:59,", "3,2026-01-31 10:00,")
    times = Term(term, term.root / "submissions")
    first, second = times.late("warmup", "1"), times.late("second", "1")
    assert first
    assert second
    # Two days late: 48 of 72 hours of grace. Then 60 hours late with 24 left: 36 hours cost 75 %.
    assert (first.hours, first.grace_used, first.grace_left, first.percent) == (48, 48, 24, 0)
    assert (second.hours, second.grace_used, second.grace_left, second.percent) == (60, 24, 0, 75)
    in_time = times.late("warmup", "2")
    assert in_time
    assert (in_time.hours, in_time.grace_left) == (0, 72)
    # What was handed in before and in time leaves the grace as it is.
    early, late = times.late("second", "3"), times.late("warmup", "3")
    assert early
    assert late
    assert (early.hours, late.grace_used, late.grace_left) == (0, 24, 48)
    assert times.late("warmup", "4") is None


def test_an_extension_puts_off_the_due_date_of_one_student(term: Course) -> None:
    note(term, "warmup", "۱,2026-02-01 23:59,24", "2,2026-02-01 23:59,")
    times = Term(term, term.root / "submissions")
    own, other = times.late("warmup", "1"), times.late("warmup", "2")
    assert own
    assert other
    assert (own.hours, dt.datetime.fromisoformat(own.due)) == (0, DUE + dt.timedelta(days=1))
    assert other.hours == 24


def test_lateness_costs_a_share_of_what_is_decided_bonus_included(term: Course) -> None:
    note(term, "warmup", "1,2026-02-04 11:59,")
    late = Term(term, term.root / "submissions").late("warmup", "1")
    assert late
    assert percent_of(late) == Decimal(25)  # 84 hours late: 12 beyond the grace, half a day

    questions = [
        QuestionResult(
            id="q",
            label={},
            title={},
            bonus=bonus,
            points=points,
            max_points=12,
            pending=2,
            parts=[],
        )
        for points, bonus in ((10.33, False), (1.0, True))
    ]
    score = total_of(questions, 20.0, percent_of(late))
    assert (score.points, score.bonus, score.pending) == (10.33, 1.0, 4.0)
    assert score.penalty == 2.83  # 11.33 / 4 = 2.8325
    assert score.final == 8.5


def test_the_card_says_how_late_it_was_and_what_that_came_to(term: Course, warmup: Desk) -> None:
    note(term, "warmup", "1,2026-02-04 11:59,", "2,2026-02-02 05:59,")
    times = Term(term, term.root / "submissions")
    report = warmup.reference()

    def card(student: str) -> tuple[Report, str]:
        own = marked(report, {}, times.late("warmup", student))
        page = re.sub(r"<[^>]+>|[\u2066-\u2069]", "", render_card(own))
        return own, " ".join(page.split())

    own, page = card("1")
    assert own.score.final == pytest.approx(0.75 * (own.score.points + own.score.bonus))
    assert (
        "Handed in 84 hours late; 72 of them were covered by the term's grace, and the rest "
        "costs 25 percent of the points." in html.unescape(page)
    )
    assert "۸۴ ساعت دیر تحویل شد" in page
    earned = own.score.points + own.score.bonus
    assert (
        f"Each day takes 50%, in proportion to the time. 25 percent of the {earned:g} points earned: "
        f"{own.score.penalty:g} points were taken." in html.unescape(page)
    )
    assert "به نسبت زمان" in page
    own, page = card("2")
    assert own.score.penalty == 0
    assert "30 hours of the term's grace were used for it, and 42 are left." in html.unescape(page)
    assert card("3")[0].late is None


def allow(course: Course, rules: str, slug: str = "warmup", student: str = "1") -> Path:
    """Let the course take times from elsewhere; return the folder of a hand-in."""
    with (course.root / "course.toml").open("a", encoding="utf-8") as file:
        file.write(f"\n[hand_ins]\n{rules}\n")
    folder = course.root / "submissions" / slug / student
    folder.mkdir(parents=True)
    (folder / "notebook.ipynb").touch()
    return folder


def test_excused_work_costs_neither_points_nor_grace(term: Course, warmup: Desk) -> None:
    note(term, "warmup", "1,2026-02-20 23:59,,yes")
    note(term, "second", "1,2026-02-13 11:59,24,")
    times = Term(term, term.root / "submissions")
    excused, other = times.late("warmup", "1"), times.late("second", "1")
    assert excused
    assert other
    assert (excused.hours, excused.grace_used, excused.percent) == (480, 0, 0)
    assert (other.hours, other.extended, other.grace_used, other.grace_left) == (36, 24, 36, 36)
    page = html.unescape(render_card(marked(warmup.reference(), {}, excused)))
    assert "which the course staff have excused" in page
    page = html.unescape(render_card(marked(warmup.reference(), {}, other)))
    assert "Your deadline had been put off by 24 hours." in page


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ('policy = "hard-deadline"', "Nothing is earned after the deadline."),
        ('policy = "percent-per-started-day"\npercent_per_day = 10', "Each day begun takes 10%."),
        ('policy = "percent-per-started-day"\npercent_per_day = 10\ncutoff_days = 2',
         "After 2 days nothing is earned."),
        ('policy = "none"', "which costs nothing in this course."),
    ],
)  # fmt: skip
def test_the_card_says_the_rule_of_the_course(
    term: Course, warmup: Desk, policy: str, said: str
) -> None:
    path = term.root / "course.toml"
    path.write_text(path.read_text("utf-8").partition("[late]")[0] + f"[late]\n{policy}\n", "utf-8")
    note(term, "warmup", "1,2026-02-04 11:59,,")
    late = Term(read_course(term.root), term.root / "submissions").late("warmup", "1")
    assert said in html.unescape(render_card(marked(warmup.reference(), {}, late)))


def test_the_time_of_a_file_counts_only_where_the_course_says_so(term: Course) -> None:
    folder = allow(term, "file_times = true")
    moment = dt.datetime(2026, 2, 2, 23, 59, tzinfo=ZONE).timestamp()
    os.utime(folder / "notebook.ipynb", (moment, moment))
    assert Term(term, term.root / "submissions").late("warmup", "1") is None
    allowed = read_course(term.root)
    late = Term(allowed, term.root / "submissions").late("warmup", "1")
    assert late
    assert late.hours == 48
    note(term, "warmup", "1,2026-02-01 23:59,,")  # what is noted goes before
    late = Term(allowed, term.root / "submissions").late("warmup", "1")
    assert late
    assert late.hours == 24


def test_a_stamp_of_whoever_collects_is_read_and_a_broken_one_is_named(term: Course) -> None:
    folder = allow(term, 'stamp = "timestamp.txt"')
    (folder / "timestamp.txt").write_text("2026-02-01 20:29:00 UTC\n", "utf-8")
    course = read_course(term.root)
    late = Term(course, term.root / "submissions").late("warmup", "1")
    assert late
    assert late.hours == 24
    (folder / "timestamp.txt").write_text("soon", "utf-8")
    with pytest.raises(CourseError, match=r"warmup/1/timestamp\.txt\n.*not a date with a time"):
        Term(course, term.root / "submissions").late("warmup", "1")


def test_hand_ins_without_a_time_and_times_without_a_hand_in_are_told(term: Course) -> None:
    note(term, "warmup", "1,2026-02-01 23:59,,", "4,,24,", "5,2026-02-01 23:59,,")
    times = Term(term, term.root / "submissions")
    assert times.without_time("warmup", ["۱", "2", "4"]) == ["2", "4"]
    assert times.without_hand_in("warmup", ["۱", "2", "4"]) == ["5"]
    assert times.without_time("second", ["1"]) == []
