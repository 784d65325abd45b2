"""Persian, Arabic and Latin writing made comparable: digits, letters, invisible marks."""

from __future__ import annotations

import re
import unicodedata

_OTHER_DIGIT = re.compile(r"(?![0-9])\d")
_SPACES = re.compile(r"\s+")
_ZERO_WIDTH_NON_JOINER = "\u200c"
_TATWEEL = "\u0640"

_LETTERS = str.maketrans(
    {
        "ي": "ی",
        "ى": "ی",
        "ك": "ک",
        "ە": "ه",
        "ة": "ه",
        "ہ": "ه",
        _TATWEEL: "",
        _ZERO_WIDTH_NON_JOINER: " ",
    }
)


def latin_digits(text: str) -> str:
    """Return `text` with every decimal digit of any script as 0-9; its length is unchanged."""
    if text.isascii():
        return text
    return _OTHER_DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0])), text)


def without_marks(text: str) -> str:
    """Return `text` without what has no width: direction marks, joiners, byte order marks."""
    if text.isascii():
        return text
    return "".join(c for c in text if unicodedata.category(c) != "Cf")


def folded(text: str) -> str:
    """Return `text` as it is compared: one form of every letter and digit, one space between words.

    Case, diacritics (تقریباً), Arabic letter variants (ي, ك, ة), tatweel, compatibility forms and
    direction marks are folded away; a zero-width non-joiner counts as a space.

    >>> folded("  نُرمِ‌دوم  (L۲)")
    'نرم دوم (l2)'
    """
    if text.isascii():
        return _SPACES.sub(" ", text.casefold()).strip()
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    plain = "".join(c for c in plain if unicodedata.category(c) != "Mn").translate(_LETTERS)
    return _SPACES.sub(" ", latin_digits(without_marks(plain))).strip()


def words(text: str) -> list[str]:
    """Return the words of `text`, folded; everything that is no letter or digit separates them."""
    return re.findall(r"[^\W_]+", folded(text))
