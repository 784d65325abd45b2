"""When hand-ins were received: moments as systems note them, and mistakes by line."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from grader.course import CourseError
from grader.course.received import Received, read_received

TEHRAN = ZoneInfo("Asia/Tehran")
HOUR = dt.timedelta(hours=1)


def received(folder: Path, text: str) -> dict[str, Received]:
    file = folder / "received.csv"
    file.write_text(text, "utf-8-sig")
    return read_received(file, TEHRAN)


def test_moments_are_read_in_either_calendar_and_with_any_offset(tmp_path: Path) -> None:
    read = received(
        tmp_path,
        "id,received,extension_hours,note\n"
        "1,1403/10/11 23:59:40,,\n"
        "۲,۱۴۰۳/۱۰/۱۲ ۰۸:۰۰,۲۴,بیمار\n"
        "3,2024-12-31T20:29:40+00:00,1.5,\n"
        "4,2024-12-31 23:59:40,,\n",
    )
    last = dt.datetime(2024, 12, 31, 23, 59, 40, tzinfo=TEHRAN)
    assert read["1"] == Received(moment=last)
    assert read["2"] == Received(
        moment=dt.datetime(2025, 1, 1, 8, tzinfo=TEHRAN), extension=24 * HOUR
    )
    assert read["3"].moment == read["4"].moment == last
    assert read["3"].extension == 1.5 * HOUR


def test_the_latest_of_several_attempts_counts(tmp_path: Path) -> None:
    read = received(
        tmp_path,
        "id,received,extension_hours\n1,1403/10/12 10:00,\n1,1403/10/11 10:00,5\n",
    )
    assert read["1"].moment == dt.datetime(2025, 1, 1, 10, tzinfo=TEHRAN)
    assert read["1"].extension == 5 * HOUR


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("id,recieved\n", 1, 'did you mean "received"?'),
        ("id,received\n1,1403/13/11 10:00\n", 2, "names a day that the jalali calendar"),
        ("id,received\n1,yesterday 10:00\n", 2, '"yesterday 10:00" is not a date with a time'),
        ("id,received\n1,1403/10/11\n", 2, "is not a date with a time"),
        ("id,received\n1,1403/10/11 10:00:75\n", 2, "names no time of day"),
        ("id,received\n1,1700/12/31 10:00\n", 2, "1700 is not a year of this century"),
        ("id,received\n1,\n", 2, "the time is missing"),
        ("id,received\n9.81E+07,1403/10/11 10:00\n", 2, "a spreadsheet has rounded"),
        ("id,received,excused\n1,1403/10/11 10:00,perhaps\n", 2, "write yes or no"),
        ("id,received\n,1403/10/11 10:00\n", 2, "the id is missing"),
        ("id,received,extension_hours\n1,1403/10/11 10:00,-3\n", 2, "is no number of hours"),
        ("id,received,extension_hours\n1,1403/10/11 10:00,NaN\n", 2, "is no number of hours"),
        ("id,received\n1,1403/10/11 10:00,x,y\n", 2, "4 fields stand here"),
        ('id,received\n1,"1403\n', 2, "not valid CSV"),
        ("", 1, "this file is empty"),
    ],
)
def test_mistakes_are_told_by_line_with_a_remedy(
    tmp_path: Path, text: str, line: int, told: str
) -> None:
    with pytest.raises(CourseError) as caught:
        received(tmp_path, text)
    (first, *_) = caught.value.problems
    assert first.file == "received.csv"
    assert first.line == line
    assert told in str(caught.value)


def test_an_exception_may_stand_without_a_time(tmp_path: Path) -> None:
    read = received(
        tmp_path,
        "id,received,extension_hours,excused\n1,,24,\n2,,,yes\n1,1403/10/12 10:00,,\n",
    )
    assert read["2"] == Received(excused=True)
    assert read["1"].moment == dt.datetime(2025, 1, 1, 10, tzinfo=TEHRAN)
    assert read["1"].extension == 24 * HOUR


def test_an_hour_that_comes_twice_is_the_earlier_one_for_work_that_came_in(tmp_path: Path) -> None:
    read = received(tmp_path, "id,received\n1,1400/06/30 23:59\n")
    assert read["1"].moment
    assert read["1"].moment.astimezone(dt.UTC) == dt.datetime(2021, 9, 21, 19, 29, tzinfo=dt.UTC)
