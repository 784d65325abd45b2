"""Answers that students typed, read as the kind the question asks for, or refused.

An answer is never guessed: what has two readings is :class:`Unreadable`, what names two options
or wavers is :class:`Hedged`. No text raises anything else, and none is evaluated. How a single
number may be written stands in :mod:`grader.checks.numerals`; how a matrix, in
:func:`read_array`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from grader.checks.matrices import array_in_text, array_of, base_array
from grader.checks.numerals import NotANumber, parse_number, to_float
from grader.checks.script import folded, words
from grader.kernel.caged.wire import Description

MAX_PROSE = 20_000

NUMBER_FORMS = ("265.75", "۲۶۵٫۷۵", "3,145,728", "2.85e32", "2.85×10^32", "3.1M", "1/2", "85%")
INTEGER_FORMS = ("3145728", "3,145,728", "۳٬۱۴۵٬۷۲۸", "2^20")
BOOLEAN_FORMS = ("True", "False", "درست", "نادرست")
ARRAY_FORMS = ("[[1, 2], [3, 4]]", "1 2\n3 4", "np.array([1, 2])", "torch.tensor([1, 2])")
SHAPE_FORMS = ("(3, 5)", "3x5", "۳×۵", "torch.Size([3, 5])")


class Unreadable(ValueError):
    """An answer that cannot be read as the kind asked for.

    Attributes
    ----------
    kind
        ``number``, ``integer``, ``choice``, ``boolean``, ``array``, ``shape`` or ``text``.
    answer
        The beginning of what was written; the name of its type when it is no text.
    accepted
        Examples of forms that can be read, the same in every language.
    reason
        ``form``, ``ambiguous``, ``whole`` (not an integer), ``ragged``, ``shortened`` (a print
        with "..." in place of values), ``range``, ``length`` or ``type``.
    """

    def __init__(
        self, kind: str, answer: object, accepted: Sequence[str], reason: str = "form"
    ) -> None:
        self.kind = kind
        self.answer = _excerpt(answer)
        self.accepted = tuple(accepted)
        self.reason = reason
        forms = ", ".join(repr(form) for form in self.accepted[:8])
        super().__init__(f"{self.answer!r} is no {kind} ({reason}); accepted are {forms}")


class Hedged(ValueError):
    """An answer that leaves itself open: "L1, or perhaps none".

    Attributes
    ----------
    answer
        The beginning of what was written.
    found
        The options or numbers that it names, in the order of the options or of the text.
    """

    def __init__(self, answer: str, found: Sequence[str]) -> None:
        self.answer = _excerpt(answer)
        self.found = tuple(found)
        super().__init__(f"{self.answer!r} leaves open which of {', '.join(self.found)} is meant")


def _excerpt(answer: object) -> str:
    if isinstance(answer, Description):
        return f"<{answer.type}>"  # the student's own type, not what stands for its value
    if type(answer) is not str:
        return f"<{type(answer).__name__}>"
    return answer if len(answer) <= 80 else answer[:79] + "…"


_PERHAPS = r"perhaps|maybe|possibly|might|probably|شاید|احتمالا|ممکن است|ممکنه"
_OPEN = (
    r"not sure|unsure|no idea|(?:do not|dont|don t) know|depends"
    r"|نمی ?دانم|نمی ?دونم|مطمین نیستم|بستگی دارد"
)
_OR = r"or|either|یا"
_WAVERING = re.compile(rf"(?<!\w)(?:{_PERHAPS}|{_OPEN}|{_OR})(?!\w)")
_UNSURE = re.compile(rf"(?<!\w)(?:{_OPEN})(?!\w)|[.;؛\n] ?(?:{_PERHAPS}|{_OR})(?!\w)")
_NEGATION = re.compile(
    r"(?<!\w)(?:not|no|isnt|isn t|arent|doesnt|doesn t|never|neither|nor|except|without"
    r"|نیست|نیستند|نه|نمی\w*|نمی|غیر|جز|بجز|بدون|مخالف)(?!\w)"
)
_BECAUSE = re.compile(
    r"(?<!\w)(?:because|since|due to|as it|as the|as they|چون|زیرا|چرا ?که|به دلیل|به علت|"
    r"به خاطر|بخاطر|دلیل)(?!\w)"
)
_SENTENCE_END = re.compile(r"[.;؛]")


# --- numbers ----------------------------------------------------------------------------------


def read_number(
    answer: object, *, accuracy: bool = False, units: Collection[str] = ()
) -> float | int:
    """Read one real number.

    Parameters
    ----------
    answer
        A number, an array of one element, or text.
    accuracy
        Whether the number is an accuracy, returned as a fraction: ``85%``, ``85`` and ``0.85``
        are then 0.85, and so is ``0.85%``, which people print when they mean 85 %. Do not ask
        for accuracies below one percent this way.
    units
        Words that may follow the number besides common ones (``times``, ``پارامتر``, …).

    Returns
    -------
    int or float
        An int when it was written without point, exponent and percent sign.

    Raises
    ------
    Unreadable
        If `answer` is not one number, or could be read as two.
    Hedged
        If it names numbers and leaves open which is meant: "3 or 4".
    """
    if type(answer) is not str:
        number = _plain_number(answer, "number", NUMBER_FORMS)
        return _as_fraction(number, percent=False, answer=answer) if accuracy else number
    try:
        written = parse_number(answer, units=units)
        value = to_float(written.value)
    except NotANumber as error:
        raise _hedged_number(answer, units) or Unreadable(
            "number", answer, NUMBER_FORMS, error.reason
        ) from None
    if accuracy:
        if written.percent and written.pointed and 0 < written.value <= Fraction(1, 100):
            return to_float(written.value * 100)
        return _as_fraction(value, percent=written.percent, answer=answer)
    if not (written.pointed or written.percent) and not isinstance(written.value, float):
        return int(written.value)
    return value


def read_integer(answer: object, *, units: Collection[str] = ()) -> int:
    """Read one integer, of any size and exactly; ``3.0`` and ``3.1M`` are integers too.

    Raises
    ------
    Unreadable
        If `answer` is not one integer, or could be read as two.
    Hedged
        If it names numbers and leaves open which is meant.
    """
    if type(answer) is not str:
        number = _plain_number(answer, "integer", INTEGER_FORMS)
        if isinstance(number, float) and not number.is_integer():
            raise Unreadable("integer", answer, INTEGER_FORMS, "whole")
        return int(number)
    try:
        return int(parse_number(answer, integer=True, units=units).value)
    except NotANumber as error:
        raise _hedged_number(answer, units) or Unreadable(
            "integer", answer, INTEGER_FORMS, error.reason
        ) from None


def _plain_number(answer: object, kind: str, forms: Sequence[str]) -> float | int:
    if issubclass(type(answer), np.ndarray | np.generic):
        array = base_array(answer)
        if array is not None and array.size == 1 and array.dtype.kind in "iuf":
            answer = array.reshape(()).astype(float if array.dtype.kind == "f" else object).item()
    if type(answer) is int or type(answer) is float:
        return answer
    raise Unreadable(kind, answer, forms, "type")


def _as_fraction(value: float, *, percent: bool, answer: object) -> float | int:
    if not percent and 1 < value <= 100:
        return value / 100
    if not 0 <= value <= 1:
        raise Unreadable("number", answer, ("0.85", "85%", "۸۵٪"), "range")
    return value


def _hedged_number(answer: str, units: Collection[str]) -> Hedged | None:
    text = _spaced(answer)
    if len(answer) > 1000 or not ("?" in text or _WAVERING.search(text)):
        return None
    found = []
    for piece in re.split(rf"(?i)[،؛;?؟]|, |(?<!\w)(?:{_PERHAPS}|{_OR})(?!\w)", answer)[:20]:
        try:
            parse_number(piece, units=units)
        except NotANumber:
            continue
        found.append(piece.strip())
    return Hedged(answer, found) if found else None


# --- choices ----------------------------------------------------------------------------------


def read_choice(answer: object, options: Mapping[str, Sequence[str]] | Sequence[str]) -> str:
    """Read which of `options` is chosen.

    Case, spacing, hyphens, diacritics, digits' script and Arabic letter variants do not matter,
    and the choice may stand in a sentence with its reason: «نرم دوم، چون وزن‌ها پخش شده‌اند»;
    options that only the reason speaks of ("L2, because L1 would …") are not chosen. An option of a single letter or digit must stand alone («الف», "(b)", "option c").

    Parameters
    ----------
    options
        The options, or for each its synonyms: ``{"L2": ["ridge", "ال۲", "نرم دوم"]}``.

    Returns
    -------
    str
        The option, as the author writes it.

    Raises
    ------
    Unreadable
        If no option is named, or it is named only to be denied.
    Hedged
        If two options are named, or one is named with a "perhaps", "or" or question mark.
    ValueError
        If the author gives two options the same synonym.
    """
    names = _synonyms(options)
    forms = tuple(options)
    if type(answer) in (bool, int):
        answer = str(answer)
    if type(answer) is not str:
        raise Unreadable("choice", answer, forms, "type")
    if len(answer) > MAX_PROSE:
        raise Unreadable("choice", answer, forms, "length")
    text = _spaced(answer)
    if (option := _alone(words(text), names)) is not None:
        if "?" in text:
            raise Hedged(answer, [option])
        return option
    mentions = _mentions(text, names)
    because = _BECAUSE.search(text, mentions[0].end) if mentions else None
    claim_end = because.start() if because else len(text)
    wavers_later = _WAVERING.search(text, claim_end) is not None
    found = {m.option for m in mentions if m.begin < claim_end or wavers_later}
    if not found:
        raise Unreadable("choice", answer, forms)
    stop = _SENTENCE_END.search(text, mentions[0].end, claim_end)
    around = _without(text, mentions)  # what is said besides the options' names
    head = around[: stop.start() if stop else claim_end]
    if len(found) > 1 or _WAVERING.search(head) or "?" in head or _UNSURE.search(around):
        raise Hedged(answer, [option for option in options if option in found])
    if _NEGATION.search(head):
        raise Unreadable("choice", answer, forms, "ambiguous")
    return found.pop()


_CHOICE_PREFIXES = {"option", "choice", "answer", "گزینه", "پاسخ", "جواب", "مورد"}


def _spaced(text: str) -> str:
    """Return `text` folded, apostrophes as spaces, one sign for line ends and question marks."""
    return re.sub(r"['’_]", " ", folded(text.replace("\n", " ; ").replace("؟", "?")))


def _synonyms(options: Mapping[str, Sequence[str]] | Sequence[str]) -> dict[str, str]:
    """Return the option of every name, the names folded and without spaces."""
    names: dict[str, str] = {}
    if not options:
        raise ValueError("a choice needs options")
    for option in options:
        synonyms = options[option] if isinstance(options, Mapping) else ()
        for name in (option, *synonyms):
            key = "".join(words(name))
            if not key or names.setdefault(key, option) != option:
                raise ValueError(
                    f"{name!r}, a name of {option!r}, is empty or names another option"
                )
    return names


def _alone(said: Sequence[str], names: Mapping[str, str]) -> str | None:
    """Return the option that the words `said` name and say nothing else, if they do."""
    own = [word for word in said if word not in _CHOICE_PREFIXES]
    return names.get("".join(said)) or names.get("".join(own))


class _Mention(msgspec.Struct, frozen=True):
    """A place in a text where an option is named."""

    begin: int
    end: int
    option: str


def _mentions(text: str, names: Mapping[str, str]) -> list[_Mention]:
    """Return where `text` names an option, the longest name at each place."""
    said = list(re.finditer(r"[^\W_]+", text))
    longest = max(len(name) for name in names)
    found: list[_Mention] = []
    at = 0
    while at < len(said):
        mention, size, joined = None, 1, ""
        for count, word in enumerate(said[at:], start=1):
            joined += word[0]
            if len(joined) > longest:
                break
            if len(joined) > 1 and joined in names:
                mention, size = _Mention(said[at].start(), word.end(), names[joined]), count
        if mention is not None:
            found.append(mention)
        at += size
    return found


def _without(text: str, mentions: Sequence[_Mention]) -> str:
    """Return `text`, as long as before, with the options' names blank."""
    for mention in mentions:
        text = text[: mention.begin] + " " * (mention.end - mention.begin) + text[mention.end :]
    return text


_TRUTH = {
    "true": ["t", "yes", "y", "correct", "right", "1", "درست", "صحیح", "بله", "بلی", "آری"],
    "false": ["f", "no", "n", "incorrect", "wrong", "0", "نادرست", "غلط", "خیر", "نه", "اشتباه"],
}
_DENIED = re.compile(
    r"^(?:(?:it|this|that|statement|the statement) )?(?:is |s )?(?:not|isn t|isnt) "
    r"(true|correct|right|false|wrong)$"
    r"|^(درست|صحیح|نادرست|غلط) (?:نیست|نمی ?باشد)$"
)


def read_boolean(answer: object) -> bool:
    """Read true or false: a bool, 0 or 1, or words (``True``, ``no``, «درست», «صحیح نیست», ✗).

    Raises
    ------
    Unreadable
        If neither is named.
    Hedged
        If both are named, or one with a "perhaps".
    """
    if issubclass(type(answer), np.ndarray | np.generic):
        array = base_array(answer)
        if array is not None and array.size == 1 and array.dtype.kind in "biu":
            answer = array.reshape(()).item()
    if type(answer) is bool:
        return answer
    if type(answer) is int and answer in (0, 1):
        return answer == 1
    if type(answer) is not str:
        raise Unreadable("boolean", answer, BOOLEAN_FORMS, "type")
    mark = answer.strip()
    if mark in ("✓", "✔", "☑", "✗", "✘", "☒"):
        return mark in "✓✔☑"
    if len(answer) > MAX_PROSE:
        raise Unreadable("boolean", answer, BOOLEAN_FORMS, "length")
    text = _spaced(answer)
    stop = _SENTENCE_END.search(text) or _BECAUSE.search(text)
    denied = _DENIED.match(text[: stop.start() if stop else None].strip(" !،,"))
    if denied and not _UNSURE.search(text):
        return words(denied[1] or denied[2])[0] in ("false", "wrong", "نادرست", "غلط")
    try:
        return read_choice(answer, _TRUTH) == "true"
    except Unreadable as error:
        raise Unreadable("boolean", answer, BOOLEAN_FORMS, error.reason) from None


# --- arrays -----------------------------------------------------------------------------------


def read_array(answer: object) -> npt.NDArray[Any]:
    """Read an array of numbers or truth values.

    Text may be nested lists, a print of numpy or torch, ``array(...)``, ``tensor(...)``, rows on
    lines (separated by spaces, commas, tabs, ``|`` or ``&``), rows separated by ``;``, or a LaTeX
    matrix; a label ``dW =`` may precede it. Numbers on lines of their own make a vector. Inside
    brackets a comma separates; thousands are then grouped by ``٬``, ``_`` or ``'`` and decimals
    by ``.`` or ``٫``. A row that separates both by commas and by bare spaces (``0,5 0,6``) has
    two readings and is refused, and so is a print shortened by "...".

    Returns
    -------
    ndarray
        Of base class and of dtype bool, int64, float64 or complex128 (an array keeps its own).

    Raises
    ------
    Unreadable
        If `answer` holds anything but numbers or is not rectangular.
    """
    if issubclass(type(answer), np.ndarray | np.generic):
        array = base_array(answer)
        if array is None:
            raise Unreadable("array", answer, ARRAY_FORMS, "type")
        return array
    try:
        if type(answer) is str:
            nested: object = array_in_text(answer)
        else:
            nested = answer
        return array_of(nested)
    except NotANumber as error:
        raise Unreadable("array", answer, ARRAY_FORMS, error.reason) from None


# --- shapes and prose ---------------------------------------------------------------------------

_SHAPE = re.compile(
    r"\s*[\[(]?\s*((?:\d{1,12}(?:\s*(?:[,×x*]|by|در)\s*|\s+))*\d{1,12})?\s*,?\s*[\])]?\s*"
)


def read_shape(answer: object) -> tuple[int, ...]:
    """Read the shape of an array: ``(3, 5)``, ``torch.Size([3, 5])``, "3x5", «۳ در ۵», a tuple.

    Raises
    ------
    Unreadable
        If `answer` is not a sequence of sizes.
    """
    if type(answer) is str:
        if len(answer) > 300:
            raise Unreadable("shape", answer, SHAPE_FORMS, "length")
        text = re.sub(r"^.*\bsize\s*\((.*)\)$", r"\1", folded(answer).replace("،", ","))
        text = re.sub(r"^[^\d\[(=:]{0,40}[=:]\s*", "", text).strip(" .؛;")
        match = _SHAPE.fullmatch(text)
        if not match or not text or (match[1] is None and "(" not in text and "[" not in text):
            raise Unreadable("shape", answer, SHAPE_FORMS)
        return tuple(int(size) for size in re.findall(r"\d+", match[1] or ""))
    if type(answer) is int:
        answer = (answer,)
    try:
        sizes = array_of(answer)
    except NotANumber:
        raise Unreadable("shape", answer, SHAPE_FORMS, "type") from None
    if sizes.size == 0 and sizes.ndim == 1:
        return ()
    if sizes.ndim != 1 or sizes.dtype.kind not in "iu" or sizes.size > 64 or (sizes < 0).any():
        raise Unreadable("shape", answer, SHAPE_FORMS, "type")
    return tuple(int(size) for size in sizes)


def read_text(answer: object) -> str:
    """Read prose: its direction marks removed but its half-spaces kept, its line ends unified.

    Raises
    ------
    Unreadable
        If `answer` is neither text nor a number, is empty, or is longer than 20,000 characters.
    """
    if type(answer) in (bool, int) or (type(answer) is float and math.isfinite(answer)):
        answer = str(answer) if type(answer) is not int or abs(answer) < 10**300 else answer
    if type(answer) is not str:
        raise Unreadable("text", answer, ("«…»",), "type")
    if len(answer) > MAX_PROSE:
        raise Unreadable("text", answer, ("«…»",), "length")
    text = re.sub(r"\r\n?", "\n", answer)
    text = re.sub("[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]", "", text).strip()
    if not text:
        raise Unreadable("text", answer, ("«…»",))
    return text
