"""The engine's own sentences, in Persian and English.

They stand in messages.toml, by key, with ``{placeholders}``. :func:`say` fills
them: numbers become prose (Persian digits in Persian), strings stay as they are
and are isolated from the direction of the sentence.
"""

from __future__ import annotations

import string
import tomllib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from importlib import resources
from numbers import Complex, Integral, Real
from typing import Any

import msgspec

from grader.course.errors import did_you_mean, quoted
from grader.course.texts import LANGUAGES, PDI, Text, isolated, number_text

LONGEST = 300
"""Characters of one string that a sentence shows; the evidence holds the whole of it."""

_SEPARATOR = {"fa": "، ", "en": ", "}
_NOTHING = {"fa": "(خالی)", "en": "(empty)"}


class Template(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One sentence with placeholders, in each language."""

    fa: str
    en: str

    def placeholders(self, language: str) -> frozenset[str]:
        """Return the names in braces."""
        return frozenset(name for _, name in _pieces(getattr(self, language)) if name is not None)


@cache
def templates() -> dict[str, Template]:
    """Return all sentences by key, as they stand in messages.toml."""
    source = resources.files("grader.course").joinpath("messages.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(source), dict[str, Template])


def say(key: str, **values: Any) -> Text:
    """Return the sentence `key` with `values` in its placeholders.

    Parameters
    ----------
    key
        A key of messages.toml, such as ``wrong-shape``.
    **values
        One for each placeholder:

        - numbers are written as prose: ``۱۲٫۵`` and ``12.5``;
        - strings, which may come from a student, stay as they are, made
          harmless, isolated, and cut after :data:`LONGEST` characters;
        - a tuple or list of numbers is shown as the code it is: ``(3, 5)``;
        - a list of strings is enumerated;
        - a :data:`Text`, such as a misconception's, is put in by language;
        - a placeholder named ``cell`` or ``…_cell`` takes the index of a cell
          counted from 0, as reports have it, and shows its number counted from
          1, as students count; ``cells`` takes a list of such indices.

    Returns
    -------
    Text
        In both languages, or in those of the :data:`Text` values among `values`.

    Raises
    ------
    LookupError
        If there is no sentence `key`.
    TypeError
        If a placeholder has no value, a value has no placeholder, or a value is
        none of the above.
    """
    template = templates().get(key)
    if template is None:
        raise LookupError(f'no sentence "{key}" in messages.toml: {_near(key)}')
    needed = template.placeholders("en")
    if missing := sorted(needed - values.keys()):
        raise TypeError(f'the sentence "{key}" needs a value for {quoted(missing)}')
    if unknown := sorted(values.keys() - needed):
        raise TypeError(f'the sentence "{key}" has no placeholder {quoted(unknown)}')
    texts = [value for value in values.values() if isinstance(value, Mapping)]
    languages = [code for code in LANGUAGES if all(code in text for text in texts)]
    if not languages:
        raise TypeError(f'the texts given to the sentence "{key}" have no language in common')
    return {
        code: "".join(
            literal + ("" if name is None else _shown(name, values[name], code))
            for literal, name in _pieces(getattr(template, code))
        )
        for code in languages
    }


def _near(key: str) -> str:
    return did_you_mean(key, sorted(templates()))


def _pieces(template: str) -> list[tuple[str, str | None]]:
    return [(literal, name) for literal, name, _, _ in string.Formatter().parse(template)]


def _shown(name: str, value: Any, language: str) -> str:
    if name == "cell" or name.endswith("_cell"):
        return number_text(_cell_number(name, value), language)
    if name == "cells":
        numbers = [number_text(_cell_number(name, index), language) for index in value]
        return _SEPARATOR[language].join(numbers)
    match value:
        case bool() | None:
            return isolated(repr(value), language)
        case Decimal() | Real():
            return number_text(value, language)
        case Complex():
            return isolated(f"{complex(value):.6g}", language)
        case str():
            return _string(value, language)
        case Mapping():
            text: str = value[language]
            return text
        case list() | tuple():
            return _sequence(name, value, language)
        case _:
            raise TypeError(f"{name} is a {type(value).__name__}, which no sentence can show")


def _cell_number(name: str, index: Any) -> int:
    if isinstance(index, bool) or not isinstance(index, Integral) or index < 0:
        raise TypeError(f"{name} is {index!r}, but must be the index of a cell, counted from 0")
    return int(index) + 1


def _string(value: str, language: str) -> str:
    cut = value if len(value) <= LONGEST else value[:LONGEST] + "…"
    return isolated(cut, language) if isolated(cut, "en").strip(PDI) else _NOTHING[language]


def _sequence(name: str, value: Sequence[Any], language: str) -> str:
    if value and all(isinstance(each, str) for each in value):
        return _SEPARATOR[language].join(_string(each, language) for each in value)
    if not all(isinstance(each, Integral) for each in value):
        raise TypeError(f"{name} must hold strings only or whole numbers only, not {value!r}")
    whole = [int(each) for each in value]
    return isolated(repr(tuple(whole) if isinstance(value, tuple) else whole), language)
