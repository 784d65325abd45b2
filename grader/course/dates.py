"""Dates as a course writes them: Jalali or Gregorian, in the course's time zone."""

from __future__ import annotations

import datetime as dt
import re
from typing import Literal
from zoneinfo import ZoneInfo

import jdatetime

from grader.course.errors import Complaint
from grader.course.texts import Text, persian_digits

Calendar = Literal["jalali", "gregorian"]

_DAY = r"(?P<year>\d{4})(?P<sep>[/-])(?P<month>\d{1,2})(?P=sep)(?P<day>\d{1,2})"
_CLOCK = r"(?P<hour>\d{1,2}):(?P<minute>\d{2})"
_WRITTEN = re.compile(rf"{_DAY}(?:[ T]+{_CLOCK})?")
_MOMENT = re.compile(
    rf"{_DAY}[ T]+{_CLOCK}(?::(?P<second>\d{{2}})(?:[.,]\d+)?)?"
    r"(?P<offset> ?(?:[Zz]|(?P<sign>[+-])(?P<ahead>\d{2}):?(?P<minutes>\d{2})))?"
)
_YEARS = {"jalali": range(1300, 1500), "gregorian": range(1921, 2121)}
_EXAMPLE = {"jalali": "1403/10/11 23:59", "gregorian": "2024-12-31 23:59"}
_MONTHS_FA = "ژانویه فوریه مارس آوریل مه ژوئن ژوئیه اوت سپتامبر اکتبر نوامبر دسامبر".split()
_MONTHS_EN = (
    "January February March April May June July August September October November December".split()
)
_WEEKDAYS_FA = "دوشنبه سه‌شنبه چهارشنبه پنج‌شنبه جمعه شنبه یک‌شنبه".split()
_WEEKDAYS_EN = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


class DateError(ValueError):
    """A date that cannot be read, with the complaint to show."""

    def __init__(self, complaint: Complaint) -> None:
        super().__init__(complaint.problem)
        self.complaint = complaint


def read_due(written: str, calendar: Calendar, zone: ZoneInfo) -> dt.datetime:
    """Return the moment that a due date names.

    Parameters
    ----------
    written
        ``1403/10/11 23:59`` or ``2024-12-31 23:59``; the digits may be Persian.
        Without a time the day ends at 23:59.
    calendar
        Calendar of the course.
    zone
        Time zone of the course. An hour that the clocks go through twice is the
        later one, in favour of the student.

    Raises
    ------
    DateError
        If `written` is no date, or none of this calendar.
    """
    example = f'write it like "{_EXAMPLE[calendar]}"'
    match = _WRITTEN.fullmatch(written.strip())  # \d and int() know the digits of every script
    if match is None:
        raise DateError(Complaint(f'"{written}" is not a date', example))
    year, month, day = (int(match[part]) for part in ("year", "month", "day"))
    hour, minute = int(match["hour"] or 23), int(match["minute"] or 59)
    if year not in _YEARS[calendar]:
        other = "gregorian" if calendar == "jalali" else "jalali"
        problem = f"{year} is not a year of the {calendar} calendar, which this course uses"
        remedy = example
        if year in _YEARS[other]:
            remedy += f', or set calendar = "{other}" in course.toml'
        raise DateError(Complaint(problem, remedy))
    date = _date(written, calendar, year, month, day)
    try:
        time = dt.time(hour, minute)
    except ValueError:
        problem = f"{match['hour']}:{match['minute']} is not a time of day"
        raise DateError(Complaint(problem, "write 00:00 to 23:59")) from None
    local = dt.datetime.combine(date, time, tzinfo=zone)
    return max(local, local.replace(fold=1), key=dt.datetime.timestamp)


def read_moment(written: str, zone: ZoneInfo) -> dt.datetime:
    """Return the moment at which something came in, as a record of hand-ins writes it.

    Parameters
    ----------
    written
        ``1403/10/11 23:59``, ``2024-12-31 23:59:40`` or, with an offset from UTC,
        ``2024-12-31T20:29:40Z``. The year tells the calendar, the digits may be Persian.
    zone
        Time zone of what carries no offset. An hour that the clocks go through
        twice is the earlier one, in favour of the student.

    Raises
    ------
    DateError
        If `written` is no date with a time.
    """
    match = _MOMENT.fullmatch(written.strip())
    if match is None:
        remedy = f'write it like "{_EXAMPLE["jalali"]}" or "{_EXAMPLE["gregorian"]}"'
        raise DateError(Complaint(f'"{written}" is not a date with a time', remedy))
    year, month, day = (int(match[part]) for part in ("year", "month", "day"))
    calendar: Calendar = "jalali" if year in _YEARS["jalali"] else "gregorian"
    if year not in _YEARS[calendar]:
        remedy = "write a year of the Jalali or of the Gregorian calendar, in four digits"
        raise DateError(Complaint(f"{year} is not a year of this century", remedy))
    date = _date(written, calendar, year, month, day)
    try:
        time = dt.time(int(match["hour"]), int(match["minute"]), int(match["second"] or 0))
        if match["offset"]:
            ahead = dt.timedelta(hours=int(match["ahead"] or 0), minutes=int(match["minutes"] or 0))
            offset = dt.timezone(-ahead if match["sign"] == "-" else ahead)
            return dt.datetime.combine(date, time, tzinfo=offset).astimezone(zone)
    except ValueError:
        problem = f'"{written}" names no time of day'
        raise DateError(Complaint(problem, "write 00:00:00 to 23:59:59")) from None
    local = dt.datetime.combine(date, time, tzinfo=zone)
    return min(local, local.replace(fold=1), key=dt.datetime.timestamp)


def _date(written: str, calendar: Calendar, year: int, month: int, day: int) -> dt.date:
    try:
        return dt.date(year, month, day) if calendar == "gregorian" else _jalali(year, month, day)
    except ValueError:
        problem = f'"{written}" names a day that the {calendar} calendar does not have'
        raise DateError(Complaint(problem, "check the month and the day")) from None


def date_text(moment: dt.datetime, calendar: Calendar) -> Text:
    """Return `moment` in words, in its own time zone.

    A Jalali date in English also says the Gregorian one, which its readers
    would otherwise look up.
    """
    clock = f"{moment:%H:%M}"
    weekday_fa, weekday_en = _WEEKDAYS_FA[moment.weekday()], _WEEKDAYS_EN[moment.weekday()]
    gregorian_en = f"{moment.day} {_MONTHS_EN[moment.month - 1]} {moment.year}"
    if calendar == "jalali":
        day = jdatetime.date.fromgregorian(date=moment.date())
        date_fa = f"{day.day} {jdatetime.date.j_months_fa[day.month - 1]} {day.year}"
        date_en = f"{day.day} {jdatetime.date.j_months_en[day.month - 1]} {day.year}"
        date_en = f"{date_en} ({gregorian_en})"
    else:
        date_fa = f"{moment.day} {_MONTHS_FA[moment.month - 1]} {moment.year}"
        date_en = gregorian_en
    return {
        "fa": persian_digits(f"{weekday_fa} {date_fa}، ساعت {clock}"),
        "en": f"{weekday_en} {date_en}, {clock}",
    }


def _jalali(year: int, month: int, day: int) -> dt.date:
    date: dt.date = jdatetime.date(year, month, day).togregorian()
    return date
