"""A new assignment that is valid as it is and shows how one is written, and a course around it.

The templates hold every language that the engine speaks, each text on a line of
its own (``title.fa = …``) or in a cell of its own; a course gets those of its languages.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from string import Template
from zoneinfo import ZoneInfo

import jdatetime
import nbformat

from grader.authoring.placing import NotPlaced, place
from grader.course.course import FILE as COURSE_FILE
from grader.course.course import Course
from grader.course.dates import Calendar
from grader.course.texts import LANGUAGES
from grader.notebook import to_notebook

_DAYS = 14
_STUDENT = "00000000"
_MARKER = re.compile(r'# %% \[markdown\] lang="(\w+)"')
# A student who took the means of the wrong axis, and answers in one sentence.
_SLIP = "feature_means = X.mean(axis=1)"
_SENTENCE = {
    "fa": "چون بدون آن exp برای لاجیت‌های بزرگ سرریز می‌کند.",
    "en": "Because exp overflows on large logits without it.",
}


def new_assignment(course: Course, slug: str) -> list[Path]:
    """Write a scaffold into `course`, in its languages, and return the files.

    A sample hand-in belongs to it where the course keeps its hand-ins in ``submissions``.

    Raises
    ------
    NotPlaced
        If `slug` cannot name an assignment, or something of that name is there.
    """
    made = _assignment(slug, course.languages, course.calendar, course.time_zone)
    if (course.root / "submissions").is_dir():
        made |= _hand_in(slug, made[_reference(slug)], course.languages)
    return place(course.root, slug, made)


def new_course(root: Path, slug: str, languages: Sequence[str]) -> list[Path]:
    """Begin a course in `root`, with the scaffold `slug` and a sample hand-in; return the files.

    Raises
    ------
    NotPlaced
        If there is a course in `root`, or something of its files.
    """
    calendar, zone = customs(languages)
    made = {COURSE_FILE: course_file(slug, languages)}
    made |= _assignment(slug, languages, calendar, zone)
    made |= _hand_in(slug, made[_reference(slug)], languages)
    return place(root, slug, made)


def read_languages(written: str) -> tuple[str, ...]:
    """Return the languages in ``fa,en``.

    Raises
    ------
    NotPlaced
        If one is unknown or stands there twice.
    """
    languages = tuple(part.strip() for part in written.split(","))
    unknown = [code for code in languages if code not in LANGUAGES]
    if unknown or len(set(languages)) < len(languages):
        raise NotPlaced(
            f'"{written}" is no list of languages: write some of {",".join(LANGUAGES)}, each once, '
            "separated by commas, the one of the cards first"
        )
    return languages


def customs(languages: Sequence[str]) -> tuple[Calendar, ZoneInfo]:
    """Return the calendar and the time zone that a new course in `languages` begins with."""
    if languages[0] == "fa":
        return "jalali", ZoneInfo("Asia/Tehran")
    return "gregorian", ZoneInfo("UTC")


def course_file(slug: str, languages: Sequence[str]) -> str:
    """Return course.toml of a new course with one assignment."""
    calendar, zone = customs(languages)
    return _filled(
        "course.toml",
        languages,
        slug=slug,
        languages=json.dumps(list(languages)),
        calendar=calendar,
        other_calendar="gregorian" if calendar == "jalali" else "jalali",
        time_zone=str(zone),
    )


def due_date(calendar: Calendar, zone: ZoneInfo) -> str:
    """Return the evening in two weeks, as a course with `calendar` writes it."""
    day = dt.datetime.now(zone).date() + dt.timedelta(days=_DAYS)
    if calendar == "jalali":
        return f"{jdatetime.date.fromgregorian(date=day):%Y/%m/%d} 23:59"
    return f"{day:%Y-%m-%d} 23:59"


def _reference(slug: str) -> str:
    return f"reference/{slug}.py"


def _assignment(
    slug: str, languages: Sequence[str], calendar: Calendar, zone: ZoneInfo
) -> dict[str, str]:
    folder = f"assignments/{slug}"
    due = due_date(calendar, zone)
    made = {
        f"{folder}/assignment.toml": _filled("assignment.toml", languages, slug=slug, due=due),
        _reference(slug): _spoken(_filled("reference.py", languages, slug=slug), languages),
    }
    for name in ("test_means.py", "test_softmax.py", "feedback.toml", "rubric.toml"):
        made[f"{folder}/{name}"] = _filled(name, languages)
    return made


def _filled(name: str, spoken: Sequence[str], **values: str) -> str:
    """Return a template with its ``$names`` filled in, without the texts of other languages."""
    template = files("grader.authoring").joinpath("templates", f"{name}.txt")
    others = "|".join(code for code in LANGUAGES if code not in spoken)
    foreign = re.compile(rf"^(?:\w+\.)?(?:{others}) = .*\n" if others else r"(?!)", re.MULTILINE)
    return Template(foreign.sub("", template.read_text("utf-8"))).substitute(values)


def _spoken(reference: str, languages: Sequence[str]) -> str:
    """Return a percent notebook without the cells of other languages."""
    cells = re.split(r"^(?=# %%)", reference, flags=re.MULTILINE)
    found = [(_MARKER.match(cell), cell) for cell in cells]
    return "".join(cell for marker, cell in found if marker is None or marker[1] in languages)


def _hand_in(slug: str, reference: str, languages: Sequence[str]) -> dict[str, str]:
    """The solved notebook of one language, with one mistake in it."""
    language = languages[0]
    notebook = to_notebook(reference, language=language, solution=True, languages=languages)
    for cell in notebook.cells:
        ours = cell.metadata.get("karnameh", {})
        if ours.get("name") == "means":
            cell.source = _SLIP
        if "answer" in ours:
            cell.source = _SENTENCE[language]
    return {f"submissions/{slug}/{_STUDENT}.ipynb": nbformat.writes(notebook) + "\n"}
