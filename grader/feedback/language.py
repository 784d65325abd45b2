"""How a card speaks: the interface's words, numbers and dates in one language."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import datetime
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from grader.course.dates import Calendar, date_text
from grader.course.texts import LANGUAGES, number_text
from grader.feedback.prose import set_inline
from grader.report import Text, Verdict

SIGNS: dict[Verdict, str] = {
    "passed": "✓",
    "partial": "◐",
    "failed": "✗",
    "missing": "○",
    "pending": "…",
    "error": "⚠",
}
"""A sign for each verdict, where there is no room for its picture or its word."""


@cache
def words() -> Mapping[str, Mapping[str, str]]:
    """Return the interface's words: ``section.key`` to its form in each language."""
    document = tomllib.loads(files(__package__).joinpath("words.toml").read_text("utf-8"))
    return {
        f"{section}.{key}": forms
        for section, keys in document.items()
        for key, forms in keys.items()
    }


@cache
def _constant(key: str, code: str) -> Markup:
    return Markup(words()[key][code])  # noqa: S704 - of words.toml


@lru_cache(maxsize=4096)
def _number(value: float, code: str) -> str:
    return number_text(round(value, 2), code)


class UnknownLanguage(ValueError):
    """A language that ``words.toml`` does not speak."""


class Language:
    """One language of a card.

    Parameters
    ----------
    code
        ``fa`` or ``en``.

    Raises
    ------
    UnknownLanguage
        If the interface has no words in that language.
    """

    def __init__(self, code: str) -> None:
        if code not in LANGUAGES:
            known = ", ".join(LANGUAGES)
            raise UnknownLanguage(f"no interface words in language {code!r}; there are: {known}")
        self.code = code
        self.direction = "rtl" if code == "fa" else "ltr"

    def __repr__(self) -> str:
        return f"Language({self.code!r})"

    def _form(self, key: str, values: Mapping[str, Any]) -> str:
        entry = words()[key]
        if values.get("count") == 1 and f"{self.code}_one" in entry:
            return entry[f"{self.code}_one"]
        return entry[self.code]

    def _shown(self, value: Any) -> Any:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return self.number(value)
        return value

    def plain(self, key: str, **values: Any) -> str:
        """Return an interface phrase as plain text; numbers are written in this language."""
        return self._form(key, values).format(**{k: self._shown(v) for k, v in values.items()})

    def template(self, key: str) -> str:
        """Return an interface phrase with its placeholders, for a script to fill in."""
        return words()[key][self.code]

    def word(self, key: str, **values: Any) -> Markup:
        """Return an interface phrase as HTML; values are escaped unless they are `Markup`."""
        if not values:
            return _constant(key, self.code)
        shown = {k: escape(self._shown(v)) for k, v in values.items()}
        phrase = self._form(key, values).format(**shown)
        return Markup(phrase)  # noqa: S704 - of words.toml, with escaped values

    def text(self, text: Text) -> str:
        """Return the form of `text` in this language, or in whichever language it has."""
        return text.get(self.code) or next((form for form in text.values() if form), "")

    def say(self, text: Text) -> Markup:
        """Return `text` as HTML: escaped, `code` and $formulas$ set, Latin runs isolated."""
        form = text.get(self.code)
        if form:
            return set_inline(form, isolate=self.direction == "rtl")
        code = next((code for code, form in text.items() if form), None)
        if code is None:
            return Markup("")
        inner = set_inline(text[code], isolate=code == "fa")
        direction = "rtl" if code == "fa" else "ltr"
        return Markup('<span lang="{}" dir="{}">{}</span>').format(code, direction, inner)

    def number(self, value: float) -> str:
        """Write a number of points, a count or a percentage, to at most two decimals."""
        return _number(value, self.code)

    def cell(self, index: int) -> str:
        """Name the cell with that index as people count: from 1."""
        return self.plain("cells.cell", number=cell_number(index))

    def moment(self, when: datetime, calendar: Calendar, time_zone: str) -> str:
        """Write a moment in the course's time zone and calendar.

        Raises
        ------
        ValueError
            If `when` has no time zone.
        """
        if when.tzinfo is None:
            raise ValueError(f"{when!r} has no time zone; give datetimes that have one")
        return date_text(when.astimezone(ZoneInfo(time_zone)), calendar)[self.code]


def cell_number(index: int) -> int:
    """Return the number by which people know the cell with that index: they count from 1."""
    return index + 1
