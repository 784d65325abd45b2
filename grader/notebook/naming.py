"""What the name of a file says: which assignment it is, and whose.

Students name their files ``Exercise10 (1).ipynb``, ``Copy of week 4.ipynb`` or
``تمرین ۴.ipynb``; archives come as ``Exercise10_99123456.zip``.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Sequence
from functools import cache

_COPY = re.compile(
    r"^(?:copy[ _-]of|کپی|نسخه[ \u200c]?(?:ای|ی)? از)[ _-]+|[ _-]+(?:copy|کپی)(?:[ _-]*\d+)?$|[ _]*[(（]\d+[)）]$",
    re.IGNORECASE,
)
_PIECE = re.compile(r"[^\W\d_]+|\d+")
_HOMEWORK: frozenset[str] = frozenset(
    "hw homework assignment assign exercise ex project تمرین تکلیف تمرینات پروژه".split()
)
_STUDENT_NUMBER = re.compile(r"\d{5,}")
_MARKS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_UNFIT = re.compile(r"[/\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]|^\.|^\s+|[\s.]+$")
_MAX_ID_BYTES = 160
_OF_THE_CLASS = frozenset({"index.html", "gradebook.csv"})
"""What stands beside the students' folders of reports."""

_ATTEMPTS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        r"[ _.-]+(?:v|ver|version|rev|attempt|try|نسخهٔ?|ویرایش|تلاش)[ _.-]*(?P<version>\d{1,3})$",
        r"(?<=\d{5})[ _-]+(?P<version>\d{1,2})$",
        r"[ _]*[(（](?P<copy>\d{1,3})[)）]$",
    )
)
_PLAIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")

Pieces = tuple[str, ...]
Attempt = tuple[int, int]
"""Version and number of the copy: ``_v2 (1)`` is (2, 1), a name without marks (1, 0)."""

NAMED, CONTAINS_NAME, CONTAINS_SHORT_NAME, NOTHING_ALIKE = range(4)
"""How a file is named: like the assignment, its name and more, its short name (``ex10`` of
``ex10_filters``) and more, otherwise."""


def without_copy_marks(stem: str) -> tuple[str, int]:
    """Return `stem` without ``Copy of``, ``(1)`` and the like, and how many of them it had."""
    stem, marks = unicodedata.normalize("NFKC", stem).strip(), 0
    while (shorter := _COPY.sub("", stem, count=1).strip()) != stem and shorter:
        stem, marks = shorter, marks + 1
    return stem, marks


def attempt_of(stem: str) -> tuple[str, Attempt]:
    """Return `stem` without the marks of a later attempt at its end, and which attempt they say it is.

    Students hand in ``Task3_99123456_v2``, browsers and course systems make ``… (1)`` of the second
    file of a name.
    """
    stem, version, copy = unicodedata.normalize("NFKC", stem).strip(), 1, 0
    while match := next((m for form in _ATTEMPTS if (m := form.search(stem))), None):
        if not stem[: match.start()].strip():
            break
        marks = match.groupdict()
        version = max(version, int(marks.get("version") or 1))
        copy = max(copy, int(marks.get("copy") or 0))
        stem = stem[: match.start()]
    return stem, (version, copy)


def is_plain_id(stem: str) -> bool:
    """Whether `stem` is an id as rosters have them, and not the name of some homework."""
    return _PLAIN_ID.fullmatch(stem) is not None and "hw" not in pieces(stem)


def student_by(names: Sequence[str], stem: str, slug: str) -> str | None:
    """Return the student in a name that fits one of the patterns `names`; None if it fits none.

    Letters fit in any case, digits in any script.
    """
    plain = _latin_digits(unicodedata.normalize("NFKC", stem)).strip()
    for pattern in names:
        if match := _expression(pattern, slug).fullmatch(plain):
            return match["student"]
    return None


@cache
def _expression(pattern: str, slug: str) -> re.Pattern[str]:
    numbers = [piece for piece in pieces(slug) if piece.isdecimal()]
    fillings = {
        "student": r"(?P<student>[\w.-]+)",
        "number": f"0*{numbers[0]}" if numbers else r"\d+",
        "slug": re.escape(slug),
        "any": ".*",
    }
    parts = string.Formatter().parse(unicodedata.normalize("NFKC", pattern))
    written = "".join(
        re.escape(_latin_digits(text)) + (fillings[name] if name else "")
        for text, name, _, _ in parts
    )
    return re.compile(written, re.IGNORECASE | re.DOTALL)


def pieces(name: str) -> Pieces:
    """Return the words and numbers of `name`: ``Week-04_final`` has ``week``, ``4`` and ``final``.

    Digits of any script become Latin ones, and every word for homework becomes ``hw``.
    """
    return tuple(map(_plain, _PIECE.findall(unicodedata.normalize("NFKC", name))))


def _plain(piece: str) -> str:
    if piece.isdecimal():
        digits = _latin_digits(piece)
        return digits.lstrip("0") or "0"
    word = piece.casefold()
    return "hw" if word in _HOMEWORK else word


def likeness(stem: str, slug: str) -> int:
    """Return how near the file name `stem` comes to the assignment's, from `NAMED` on, 0 the nearest."""
    name, whole, short = pieces(without_copy_marks(stem)[0]), pieces(slug), short_name(slug)
    if name and name in (whole, short):
        return NAMED
    if _position(name, whole) is not None:
        return CONTAINS_NAME
    return CONTAINS_SHORT_NAME if short and _position(name, short) is not None else NOTHING_ALIKE


def assignment_of(stem: str, slugs: Sequence[str]) -> str | None:
    """Return the one of `slugs` that a file name is like, None when it is like none or several."""
    ranks = sorted((likeness(stem, slug), slug) for slug in slugs)
    best = [slug for rank, slug in ranks if rank == ranks[0][0]]
    return best[0] if len(best) == 1 and ranks[0][0] < NOTHING_ALIKE else None


def short_name(slug: str) -> Pieces:
    """Return the short name of an assignment: its first word and number, empty if it has none."""
    first = pieces(re.split(r"[_\W]", slug, maxsplit=1)[0])
    return first if len(first) > 1 and first[-1].isdecimal() else ()


def student_of(stem: str, slug: str) -> str:
    """Return the student id in the name of an archive or notebook.

    A student number (five digits or more) wins; else it is what is left once the assignment's
    name is taken away; else the whole name.
    """
    stem = unicodedata.normalize("NFC", stem)
    bare, _ = without_copy_marks(stem)
    numbers: list[str] = sorted(_STUDENT_NUMBER.findall(_latin_digits(bare)), key=len)
    if numbers:
        return numbers[-1]
    if likeness(bare, slug) == NOTHING_ALIKE:
        return bare
    rest = _cut(bare, pieces(slug)) or _cut(bare, short_name(slug))
    return rest or stem


def folder_name(name: str) -> str:
    """Return `name` as a student id that can name a folder, wherever it came from.

    Reports are written to a folder of this name. Letters that a file system or a terminal takes
    for something else become ``_``: a file called ``．．／x`` is ``../x`` once its letters are
    normalised, and must not decide where we write.
    """
    plain = _UNFIT.sub("_", _MARKS.sub("", unicodedata.normalize("NFC", name)))
    fit = plain.encode()[:_MAX_ID_BYTES].decode("utf-8", "ignore") or "_"
    return f"{fit}_" if fit.lower() in _OF_THE_CLASS else fit


def storable(name: str) -> str:
    """Return the name of a file as text that can be stored: bytes that are no UTF-8 become ``?``."""
    return name.encode("utf-8", "replace").decode()


def _cut(stem: str, words: Pieces) -> str:
    """Return `stem` without the run of `words`, as it was spelt; empty if nothing is left."""
    matches = list(_PIECE.finditer(stem))
    start = _position(pieces(stem), words)
    if start is None or not words:
        return ""
    before = stem[: matches[start].start()]
    after = stem[matches[start + len(words) - 1].end() :]
    return "_".join(part for part in (before.strip(" _-.()"), after.strip(" _-.()")) if part)


def _position(name: Pieces, words: Pieces) -> int | None:
    for start in range(len(name) - len(words) + 1):
        if name[start : start + len(words)] == words:
            return start
    return None


def _latin_digits(text: str) -> str:
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)
