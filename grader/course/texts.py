"""What students read, in every language of the course: completeness, digits, direction."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from decimal import Decimal
from numbers import Integral, Real

from grader.course.errors import Complaint

Text = dict[str, str]
"""One sentence in each language of the course, by language code (``fa``, ``en``)."""

LANGUAGES = ("fa", "en")
"""The languages in which the engine speaks."""

LONG = 20
"""From so many characters on, equal prose in two languages is a forgotten translation."""

LRI, FSI, PDI = "\u2066", "\u2068", "\u2069"  # isolates: left-to-right, by first letter, end

_TO_PERSIAN = str.maketrans("0123456789%", "۰۱۲۳۴۵۶۷۸۹٪")
_TO_LATIN = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", "0123456789" * 2)
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_DECIMAL_POINT = re.compile(r"(?<=\d)\.(?=\d)")
_THOUSANDS_COMMA = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_CODE_AND_FORMULAS = re.compile(r"`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|https?://\S+", re.DOTALL)
_DIRECTION_MARKS = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


def text_complaints(text: Text, languages: Sequence[str]) -> Iterator[tuple[str, Complaint]]:
    """Yield what is missing from `text` for a course in `languages`.

    Parameters
    ----------
    text
        Sentences by language code.
    languages
        Codes that the course is taught in; every one must have its sentence.

    Yields
    ------
    language, complaint
        For each language that is missing, empty, unknown, or a copy of an
        earlier one. Short names and text that is nothing but code or formulas
        may be the same in two languages.
    """
    for code in text:
        if code not in LANGUAGES:
            known = ", ".join(LANGUAGES)
            yield code, Complaint(f'"{code}" is no language known here', f"known are: {known}")
    seen: dict[str, str] = {}
    for code in languages:
        if code not in text:
            yield code, Complaint("the translation is missing", f'add {code} = "…"')
            continue
        if not text[code].strip():
            yield code, Complaint("the text is empty", f"write what a reader of {code} should see")
            continue
        prose = " ".join(_CODE_AND_FORMULAS.sub(" ", text[code]).split())
        if len(prose) >= LONG and prose in seen:
            first = seen[prose]
            yield code, Complaint(f"this is a copy of the {first} text", f"translate it to {code}")
        seen.setdefault(prose, code)


def persian_digits(text: str) -> str:
    """Return `text` with Persian digits, decimal separator, thousands separator and percent sign.

    Meant for numbers in prose. Code, names and versions keep Latin digits: do
    not hand them over.
    """
    text = _THOUSANDS_COMMA.sub("٬", _DECIMAL_POINT.sub("٫", text))
    return text.translate(_TO_PERSIAN)


def latin_digits(text: str) -> str:
    """Return `text` with its Persian and Arabic digits replaced by Latin ones."""
    return text.translate(_TO_LATIN)


def isolated(text: str, language: str = "fa") -> str:
    """Return `text`, one line of code or of a student's, fit to stand in a sentence.

    In a Persian sentence it is wrapped in Unicode isolates, so that its
    brackets and signs keep their places; in an English one that is needed only
    for right-to-left letters. Control characters and direction marks of its own
    go, since they could end the isolate, reorder what follows or drive a
    terminal; line breaks, which end an isolate too, become spaces.
    """
    line = " ".join("".join(map(_harmless, text)).split())
    if any(unicodedata.bidirectional(c) in {"R", "AL"} for c in line):
        return f"{FSI}{line}{PDI}"
    return f"{LRI}{line}{PDI}" if language == "fa" else line


def _harmless(character: str) -> str:
    if character in _DIRECTION_MARKS:
        return ""
    match unicodedata.category(character):
        case "Cc" | "Zl" | "Zp":
            return " " if character.isspace() else ""
        case "Cs":  # half of a surrogate pair: cannot be written as UTF-8
            return "\ufffd"
        case _:
            return character


def number_text(number: Real | Decimal | float, language: str) -> str:
    """Return `number` as prose in `language` shows it, to about six digits.

    Whole numbers from 10,000 on are grouped; very large and small ones are
    written as powers of ten.
    """
    shown = _plain_number(number)
    if language != "fa":
        return shown
    plain = shown.replace(",", "").replace(".", "").isdigit()
    if shown == "NaN" or "∞" in shown:
        return isolated(shown)
    return persian_digits(shown) if plain else isolated(persian_digits(shown))


def _plain_number(number: Real | Decimal | float) -> str:
    if isinstance(number, Integral):
        return _whole_number(int(number))
    exact = number if isinstance(number, Decimal) else Decimal(float(number))
    if exact.is_nan():
        return "NaN"
    if exact.is_infinite():
        return "-∞" if exact < 0 else "∞"
    if exact == exact.to_integral_value() and abs(exact) < 10**15:
        return _whole_number(int(exact))
    if abs(exact) >= 10**15 or abs(exact) < Decimal("0.0001"):
        return _power_of_ten(exact, digits=4)
    decimals = max(2, 5 - exact.adjusted())
    rounded = f"{exact:.{decimals}f}".rstrip("0").rstrip(".")
    whole, _, fraction = rounded.partition(".")
    grouped = _whole_number(int(whole))
    sign = "-" if rounded.startswith("-") and not grouped.startswith("-") else ""
    return f"{sign}{grouped}.{fraction}" if fraction else f"{sign}{grouped}"


def _whole_number(number: int) -> str:
    if abs(number) >= 10**15:
        return _power_of_ten(Decimal(number), digits=4)
    return str(number) if abs(number) < 10_000 else f"{number:,}"


def _power_of_ten(number: Decimal, *, digits: int) -> str:
    mantissa, _, exponent = f"{number:.{digits}e}".partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}×10{str(int(exponent)).translate(_SUPERSCRIPT)}"
