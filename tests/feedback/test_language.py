from __future__ import annotations

from datetime import UTC, datetime

import pytest
from markupsafe import Markup

from grader.feedback import UnknownLanguage
from grader.feedback.language import Language

NEW_YEARS_EVE = datetime(2024, 12, 31, 20, 29, tzinfo=UTC)
FA, EN = Language("fa"), Language("en")


def test_numbers_in_persian_have_persian_digits_and_sign() -> None:
    assert FA.number(18.1) == "۱۸٫۱"
    assert FA.number(4231976) == "۴٬۲۳۱٬۹۷۶"
    assert FA.number(0) == "۰"


def test_points_keep_at_most_two_decimals_and_no_empty_ones() -> None:
    assert EN.number(2 / 3) == "0.67"
    assert EN.number(5.0) == "5"


def test_a_moment_is_written_in_the_zone_and_calendar_of_the_course() -> None:
    persian = FA.moment(NEW_YEARS_EVE, "jalali", "Asia/Tehran")
    assert "سه‌شنبه ۱۱ دی ۱۴۰۳" in persian
    assert "۲۳:۵۹" in persian
    english = EN.moment(NEW_YEARS_EVE, "jalali", "Asia/Tehran")
    assert "31 December 2024" in english
    assert "1403" in english
    assert "۲۰۲۴" in FA.moment(NEW_YEARS_EVE, "gregorian", "Asia/Tehran")
    assert "1403" not in EN.moment(NEW_YEARS_EVE, "gregorian", "Asia/Tehran")


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        FA.moment(datetime(2024, 12, 31), "jalali", "Asia/Tehran")  # noqa: DTZ001


def test_one_thing_is_singular_in_english() -> None:
    assert EN.plain("score.points", count=1) == "1 point"
    assert EN.plain("score.points", count=2) == "2 points"
    assert FA.plain("score.points", count=1) == "۱ امتیاز"


def test_values_in_a_phrase_are_escaped_but_markup_stays() -> None:
    assert "&lt;b&gt;" in EN.word("found.name", name="<b>")
    assert "<code>" in EN.word("found.name", name=Markup("<code>x</code>"))


def test_a_sentence_that_lacks_the_language_is_marked_as_what_it_is() -> None:
    assert EN.say({"fa": "سلام"}) == '<span lang="fa" dir="rtl">سلام</span>'
    assert EN.say({}) == ""


def test_people_count_cells_from_one() -> None:
    assert EN.cell(0) == "cell 1"
    assert FA.cell(9) == "خانهٔ ۱۰"


def test_an_unknown_language_is_refused_by_name() -> None:
    with pytest.raises(UnknownLanguage, match=r"'de'.*fa, en"):
        Language("de")
