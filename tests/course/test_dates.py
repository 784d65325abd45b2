"""Due dates: Jalali and Gregorian, Persian digits, the course's time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import jdatetime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.course.dates import DateError, date_text, read_due

TEHRAN = ZoneInfo("Asia/Tehran")


@pytest.mark.parametrize(
    "written",
    ["1403/10/11 23:59", "۱۴۰۳/۱۰/۱۱ ۲۳:۵۹", "١٤٠٣/١٠/١١ ٢٣:٥٩", "1403-10-11T23:59", " 1403/10/11"],
)
def test_the_ways_to_write_a_jalali_date(written):
    assert read_due(written, "jalali", TEHRAN) == datetime(2024, 12, 31, 20, 29, tzinfo=UTC)


def test_the_dates_of_the_courses():
    days = {"1404/05/05": "2025-07-27", "1402/08/16": "2023-11-07", "1400/09/20": "2021-12-11"}
    for written, day in days.items():
        assert read_due(written, "jalali", TEHRAN).date() == date.fromisoformat(day)


def test_a_gregorian_date():
    due = read_due("2024-12-31 18:00", "gregorian", ZoneInfo("Europe/Berlin"))
    assert due == datetime(2024, 12, 31, 17, 0, tzinfo=UTC)


def test_an_hour_that_comes_twice_is_the_later_one():
    # Iran set its clocks back from 24:00 to 23:00 at the end of 30 Shahrivar 1400.
    due = read_due("1400/06/30 23:59", "jalali", TEHRAN)
    assert due.astimezone(UTC) == datetime(2021, 9, 21, 20, 29, tzinfo=UTC)


def test_the_last_day_of_a_leap_year_exists_in_that_year_only():
    assert read_due("1403/12/30", "jalali", TEHRAN).date() == date(2025, 3, 20)
    with pytest.raises(DateError, match="the jalali calendar does not have"):
        read_due("1402/12/30", "jalali", TEHRAN)


@pytest.mark.parametrize(
    ("written", "calendar", "problem", "remedy"),
    [
        ("tomorrow", "jalali", '"tomorrow" is not a date', '"1403/10/11 23:59"'),
        ("1403/10-11", "jalali", "is not a date", "1403"),
        ("03/10/11", "jalali", "is not a date", "1403"),
        ("2024/12/31", "jalali", "2024 is not a year of the jalali", 'calendar = "gregorian"'),
        ("1403/10/11", "gregorian", "1403 is not a year of the gregorian", 'calendar = "jalali"'),
        ("1403/13/01", "jalali", "does not have", "month"),
        ("1403/10/11 24:00", "jalali", "24:00 is not a time", "23:59"),
    ],
)
def test_what_is_no_date_is_explained(written, calendar, problem, remedy):
    with pytest.raises(DateError) as caught:
        read_due(written, calendar, TEHRAN)
    assert problem in caught.value.complaint.problem
    assert remedy in caught.value.complaint.remedy


def test_a_jalali_date_in_words():
    due = read_due("1403/10/11 23:59", "jalali", TEHRAN)
    assert date_text(due, "jalali") == {
        "fa": "سه‌شنبه ۱۱ دی ۱۴۰۳، ساعت ۲۳:۵۹",
        "en": "Tuesday 11 Dey 1403 (31 December 2024), 23:59",
    }


def test_a_gregorian_date_in_words():
    moment = datetime(2025, 5, 3, 9, 5, tzinfo=TEHRAN)
    assert date_text(moment, "gregorian") == {
        "fa": "شنبه ۳ مه ۲۰۲۵، ساعت ۰۹:۰۵",
        "en": "Saturday 3 May 2025, 09:05",
    }


@given(st.dates(min_value=date(1930, 1, 1), max_value=date(2110, 12, 31)))
def test_every_day_is_read_back_from_its_jalali_form(day):
    written = jdatetime.date.fromgregorian(date=day).strftime("%Y/%m/%d")
    assert read_due(written, "jalali", TEHRAN).date() == day


@given(st.dates(min_value=date(2000, 1, 1), max_value=date(2100, 12, 30)))
def test_the_next_day_is_later(day):
    first, second = (
        read_due(d.isoformat(), "gregorian", TEHRAN) for d in (day, day + timedelta(1))
    )
    assert (
        timedelta(hours=22) < second.astimezone(UTC) - first.astimezone(UTC) < timedelta(hours=26)
    )
