"""One number as a person writes it, read exactly or not at all.

Rules where writing is ambiguous:

========================  =====================================================================
``٬`` ``'`` ``_`` space   always group thousands; groups of any other length are unreadable
``٫``                     always the decimal point
``1,234``                 1234: one comma (or ``،``) before exactly three digits groups thousands
``1,23`` ``0,234``        1.23 and 0.234: any other single comma is a decimal comma
``1.234``                 1.234; where an integer is asked, 1234
``3.000``                 3.0; where an integer is asked it may be 3 or 3000: unreadable
``1,234.5`` ``1.234,5``   1234.5: of two different separators the last is the decimal point
``(5,6)`` ``[5,6]``       unreadable: two numbers, or 5.6
``1/2``                   0.5, a fraction
``۰/۵`` ``۳/۰۵``          0.5 and 3.05: Persian writers use the slash as a decimal point, and no
                          fraction begins or its denominator begins with zero
``۱/۲``                   unreadable: a half, or 1.2
``2 * 3``                 6, but ``2 x 3`` is a shape and unreadable; ``2 x 10^3`` is 2000
``3.1m`` ``3b``           unreadable: metres or minutes, bits or bytes; ``M`` and ``B`` are read
``a = 5``                 5: the last of several equal terms; terms more than 5 % apart are
                          unreadable
========================  =====================================================================

Nothing is ever evaluated as code, and every input costs a bounded amount of work.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Collection
from fractions import Fraction

import msgspec

from grader.checks.script import folded, latin_digits, without_marks

MAX_LENGTH = 300
_MAX_DIGITS = 400
_MAX_DEPTH = 16

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_SUPERSCRIPT_RUN = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+")
_VULGAR = re.compile("[½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞⅐⅑⅒]")
_SIGNS = str.maketrans(
    {
        **dict.fromkeys("−–—‒‐‑﹣－", "-"),
        **dict.fromkeys("⋅∙·✕✖⨉", "×"),
        **dict.fromkeys("⁄∕", "÷"),
        **dict.fromkeys("’ʼ′`", "'"),
        **dict.fromkeys("≃≅", "≈"),
        **dict.fromkeys("[{", "("),
        **dict.fromkeys("]}", ")"),
        "∼": "~",
        "＋": "+",
        "，": ",",
        "،": ",",
        "．": ".",
        "％": "%",
        "٪": "%",
        "＝": "=",
        "：": ":",
        "\n": ";",
        "\t": ";",
        "\r": ";",
    }
)
_LATEX = [
    (re.compile(r"\\d?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}"), r"(\1)÷(\2)"),
    (re.compile(r"\\(?:times|cdot)(?![A-Za-z])"), "×"),
    (re.compile(r"\\approx(?![A-Za-z])"), "≈"),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\[,;: ]"), " "),
    (re.compile(r"\\%"), "%"),
    (re.compile(r"\\!|\$"), ""),
]
_SPOKEN = [
    (re.compile(r"به\s+توان|to the power of", re.IGNORECASE), "^"),
    (re.compile(r"ضرب\s?در"), "×"),
    (re.compile(r"تقسیم\s+بر|divided by", re.IGNORECASE), "÷"),
]
_OTHER_SPACE = re.compile(r"[^\S\n\t\r]+")
_ARROW = re.compile(r"[=-]>|→|⇒")
_INEQUALITY = re.compile("[<>≤≥≠≲≳]|!=")
_PERSIAN_SLASH = re.compile(r"(?<![\d./,٫٬])((?![0-9])\d+)/((?![0-9])\d+)(?![\d./,٫٬])")
_EDGES = " \"'“”«»؛;,."
_EMPHASIS = re.compile(r"(\*{1,2}|`)(.+)\1")

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>(?:\d+(?:[.,٬٫'_\ ]\d+)*\.?|[.٫]\d+)(?:[eE][-+]?\d+)?(?!\d))
    | (?P<word>[^\W\d_]+)
    | (?P<power>\*\*|\^)
    | (?P<symbol>\S)
    )""",
    re.VERBOSE,
)
_SEPARATOR = re.compile(r"[.,٬٫'_ ]")

_SCALES = {
    "k": 3, "thousand": 3, "هزار": 3,
    "million": 6, "millions": 6, "میلیون": 6, "ملیون": 6,
    "billion": 9, "billions": 9, "میلیارد": 9, "ملیارد": 9,
    "trillion": 12, "trillions": 12, "تریلیون": 12,
}  # fmt: skip
_SCALE_LETTERS = {"M": 6, "B": 9, "G": 9, "T": 12}
_PERCENT = {"percent", "percents", "pct", "درصد"}
_ABOUT = {
    "about", "around", "approximately", "approx", "roughly", "circa", "exactly", "equals", "is",
    "almost", "nearly", "حدود", "حدودا", "تقریبا", "تقریبی", "نزدیک", "دقیقا", "در", "برابر", "با",
}  # fmt: skip
_UNITS = {
    "x", "times", "fold", "برابر", "بار", "مرتبه", "تا", "عدد", "است", "میباشد",
    "parameter", "parameters", "param", "params", "پارامتر", "پارامترها", "weights", "وزن",
    "epoch", "epochs", "دوره", "ایپاک", "اپوک", "layer", "layers", "لایه", "class", "classes",
    "کلاس", "دسته", "gpu", "hour", "hours", "ساعت", "second", "seconds", "ثانیه", "minutes",
    "دقیقه", "images", "image", "تصویر", "neurons", "نورون", "operations", "flops", "macs",
}  # fmt: skip
_TIMES = {"x", "×", "times", "برابر"}
_FEWER = {"fewer", "less", "smaller", "more", "larger", "کمتر", "بیشتر", "کوچکتر", "بزرگتر"}
_SMALL = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "صفر": 0, "یک": 1, "دو": 2, "سه": 3, "چهار": 4, "پنج": 5,
    "شش": 6, "هفت": 7, "هشت": 8, "نه": 9, "ده": 10,
}  # fmt: skip
_SPECIAL = {
    "nan": math.nan,
    **dict.fromkeys(("inf", "infinity", "∞", "بینهایت"), math.inf),
}


class NotANumber(ValueError):
    """The text is not one number.

    Attributes
    ----------
    reason
        ``form``, ``ambiguous`` (two readings are possible), ``whole`` (not an integer),
        ``range`` (too large) or ``length`` (too long to be looked at).
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Written(msgspec.Struct, frozen=True):
    """A number and how it was written.

    Attributes
    ----------
    value
        The exact value, percent sign applied; a float only for nan and the infinities.
    pointed
        Whether it was written with a decimal point, an exponent or a division.
    percent
        Whether a percent sign followed or preceded it.
    """

    value: Fraction | float
    pointed: bool
    percent: bool


def parse_number(text: str, *, integer: bool = False, units: Collection[str] = ()) -> Written:
    """Read `text` as one number.

    Parameters
    ----------
    text
        What the person wrote.
    integer
        Whether the question asks for an integer: ``1.234`` is then 1234.
    units
        Words that may follow the number besides the ones everybody uses.

    Raises
    ------
    NotANumber
        If `text` is not one number, or could be read as two different ones.
    """
    if len(text) > MAX_LENGTH:
        raise NotANumber("length")
    words = _UNITS | {word for unit in units for word in folded(unit).split()}
    plain = _ARROW.sub("=", _plain(text))
    terms = [term.strip(" ~") for term in re.split(r"[=:≈]+", plain) if term.strip(" ~")]
    if not terms or _INEQUALITY.search(plain):
        raise NotANumber("form")
    answer = _term(terms[-1], integer, words)
    for place, term in enumerate(terms[:-1]):
        if _is_label(term):
            continue
        try:
            other = _term(term, integer=False, units=words)
        except NotANumber:
            if not _is_formula(term, first=place == 0):
                raise NotANumber("form") from None
            continue
        if not _near(other.value, answer.value):
            raise NotANumber("ambiguous")
    if integer and not (isinstance(answer.value, Fraction) and answer.value.denominator == 1):
        raise NotANumber("whole")
    return answer


def to_float(value: Fraction | float) -> float:
    """Return the nearest float.

    Raises
    ------
    NotANumber
        If `value` is too large for a float, or too small.
    """
    try:
        number = float(value)
    except OverflowError:
        raise NotANumber("range") from None
    if value and not number:
        raise NotANumber("range")
    return number


def _plain(text: str) -> str:
    """Write powers, signs, spaces and LaTeX in one way; digits keep their script."""
    text = "".join(c for c in without_marks(text) if unicodedata.category(c) != "Mn").strip()
    text = _EMPHASIS.sub(r"\2", text) if _EMPHASIS.fullmatch(text) else text
    for pattern, replacement in _LATEX:
        text = pattern.sub(replacement, text)
    text = _SUPERSCRIPT_RUN.sub(lambda run: f"^({run[0].translate(_SUPERSCRIPTS)})", text)
    text = _VULGAR.sub(_fraction, text).translate(_SIGNS)
    text = _OTHER_SPACE.sub(" ", text)
    for pattern, replacement in _SPOKEN:
        text = pattern.sub(replacement, text)
    text = re.sub(r"(?<=[\d)])\s*(?:times|[xX])\s*(?=[\d(])", "×", text)
    return _PERSIAN_SLASH.sub(_persian_slash, text)


def _fraction(character: re.Match[str]) -> str:
    before = character.string[: character.start()].rstrip()
    if before and before[-1].isdigit():
        raise NotANumber("form")
    top, bottom = unicodedata.normalize("NFKC", character[0]).split("⁄")
    return f"({top}÷{bottom})"


def _persian_slash(match: re.Match[str]) -> str:
    whole, rest = match[1], match[2]
    if int(whole) == 0 or (len(rest) > 1 and int(rest[0]) == 0):
        return f"{whole}٫{rest}"
    raise NotANumber("ambiguous")


def _is_label(term: str) -> bool:
    """Whether `term` names what follows: words, and digits only inside names (conv1, L2)."""
    return re.search(r"(?<!\w)\d", term) is None


def _is_formula(term: str, *, first: bool) -> bool:
    """Whether `term` is a formula in variables, such as ``2*d*r``, and no prose or list."""
    if "," in term or re.search(r"[^\W\d_]{3}", term):
        return False
    return first or re.search(r"[*×÷/^+]", term) is not None


def _near(a: Fraction | float, b: Fraction | float) -> bool:
    a, b = to_float(a), to_float(b)
    return a == b or abs(a - b) <= 0.05 * max(abs(a), abs(b)) or (a != a and b != b)


def _term(text: str, integer: bool, units: Collection[str]) -> Written:
    text = text.strip(_EDGES.replace(".", "")).rstrip(_EDGES)
    special = folded(text).replace(" ", "")
    sign = -1 if special.startswith("-") else 1
    if special.lstrip("+-") in _SPECIAL and not special.startswith(("--", "++", "+-", "-+")):
        return Written(sign * _SPECIAL[special.lstrip("+-")], pointed=True, percent=False)
    if "(" in text and "," in text:
        raise NotANumber("ambiguous")
    if text.count("(") > _MAX_DEPTH:
        raise NotANumber("form")
    return _Expression(text, integer).read(units)


class _Expression:
    """Recursive descent over the tokens of one term."""

    def __init__(self, text: str, integer: bool) -> None:
        self.tokens = [(m.lastgroup or "", m[m.lastgroup or 0]) for m in _TOKEN.finditer(text)]
        self.at = 0
        self.pointed = False
        self.point_may_group = integer and not self._is_computed()

    def read(self, units: Collection[str]) -> Written:
        percent = self._lead()
        value = self._sign() * self._quotient()
        value, percent_after = self._tail(value, units)
        if percent and percent_after:
            raise NotANumber("form")
        percent = percent or percent_after
        return Written(value / 100 if percent else value, self.pointed, percent)

    def _is_computed(self) -> bool:
        """Whether anything but units surrounds the numeral: 3.145M is no way to write 3145."""
        numerals = sum(kind == "number" for kind, _ in self.tokens)
        return numerals != 1 or any(
            kind == "power" or text in "×*/÷%" or text in _SCALE_LETTERS or folded(text) in _SCALES
            for kind, text in self.tokens
        )

    def _peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def _take(self) -> tuple[str, str]:
        token = self._peek()
        self.at += 1
        return token

    def _accept(self, *texts: str) -> str | None:
        kind, text = self._peek()
        if kind in ("symbol", "power") and text in texts:
            self.at += 1
            return text
        return None

    def _lead(self) -> bool:
        """Pass over "about", "~" and a leading × or percent sign; tell whether it was percent."""
        percent = False
        while True:
            kind, text = self._peek()
            if kind == "word" and folded(text) in _ABOUT | {"x"}:
                self.at += 1
            elif kind == "symbol" and text == "%" and not percent:
                percent = True
                self.at += 1
            elif kind == "symbol" and text in "~×":
                self.at += 1
            else:
                return percent

    def _sign(self) -> int:
        return -1 if self._accept("-", "+") == "-" else 1

    def _quotient(self) -> Fraction:
        value = self._product()
        if self._accept("/", "÷"):
            divisor = self._product()
            if divisor == 0:
                raise NotANumber("range")
            self.pointed = True
            value /= divisor
        return value

    def _product(self) -> Fraction:
        value, _ = self._power()
        while operator := self._accept("*", "×"):
            if operator == "×" and self._peek()[0] == "end":
                self.at -= 1  # "33×" means 33 times
                break
            factor, powered = self._power()
            if operator == "×" and not powered:
                raise NotANumber("ambiguous")
            value = _bounded(value * factor)
        return value

    def _power(self) -> tuple[Fraction, bool]:
        base = self._atom()
        if not self._accept("**", "^"):
            return base, False
        bracketed = self._accept("(")
        sign = self._sign()
        kind, digits = self._take()
        if kind != "number" or not digits.isdecimal() or len(digits) > 4:
            raise NotANumber("form")
        if bracketed and not self._accept(")"):
            raise NotANumber("form")
        exponent = sign * int(digits)
        if exponent < 0:
            self.pointed = True
            if base == 0:
                raise NotANumber("range")
        size = math.log10(max(abs(base.numerator), base.denominator, 1))
        if size * abs(exponent) > _MAX_DIGITS:
            raise NotANumber("range")
        return base**exponent, True

    def _atom(self) -> Fraction:
        kind, text = self._take()
        if kind == "number":
            return self._numeral(text)
        if kind == "word" and folded(text) in _SMALL:
            return Fraction(_SMALL[folded(text)])
        if kind == "symbol" and text == "(":
            value = self._sign() * self._quotient()
            if self._accept(")"):
                return value
        raise NotANumber("form")

    def _numeral(self, text: str) -> Fraction:
        mantissa, _, exponent = latin_digits(text).casefold().partition("e")
        if len(exponent) > 5:
            raise NotANumber("range")
        may_group = self.point_may_group and not exponent
        whole, decimals = split_decimal(mantissa.rstrip("."), integer=may_group)
        power = int(exponent or 0) - len(decimals)
        if abs(power) > _MAX_DIGITS:
            raise NotANumber("range")
        if decimals or exponent:
            self.pointed = True
        return Fraction(int(whole + decimals or 0)) * Fraction(10) ** power

    def _tail(self, value: Fraction, units: Collection[str]) -> tuple[Fraction, bool]:
        """Read the scale, percent sign and units after the number."""
        percent = scaled = times = False
        while self._peek()[0] != "end":
            kind, text = self._take()
            word = folded(text)
            scale = _SCALE_LETTERS.get(text) or _SCALES.get(word)
            if kind == "word" and scale and not (scaled or percent):
                value, scaled = _bounded(value * 10**scale), True
            elif (text == "%" or word in _PERCENT) and not (percent or scaled):
                percent = True
            elif (kind == "word" and word in units) or text == "×":
                times = times or word in _TIMES
            elif not (times and word in _FEWER):
                raise NotANumber("form")
        return value, percent


def _bounded(value: Fraction) -> Fraction:
    if max(abs(value.numerator), value.denominator) > 10**_MAX_DIGITS:
        raise NotANumber("range")
    return value


def split_decimal(numeral: str, *, integer: bool = False) -> tuple[str, str]:
    """Split a numeral in Latin digits into its whole and decimal digits, by the module's rules.

    Raises
    ------
    NotANumber
        If its separators make neither groups of three nor a decimal point.
    """
    digits = _SEPARATOR.split(numeral)
    marks = _SEPARATOR.findall(numeral)
    decimals = ""
    if marks and _is_point(marks, digits, integer):
        decimals = digits.pop()
        marks.pop()
    if marks:
        grouped = len(set(marks)) == 1 and marks[0] != "٫" and 1 <= len(digits[0]) <= 3
        if not grouped or any(len(group) != 3 for group in digits[1:]):
            raise NotANumber("form")
        if digits[0][0] == "0":
            raise NotANumber("form")
    return "".join(digits), decimals


def _is_point(marks: list[str], digits: list[str], integer: bool) -> bool:
    """Whether the last separator is the decimal point."""
    last, tail = marks[-1], digits[-1]
    if last not in ".,٫":
        return False
    if len(marks) > 1 or last == "٫":
        if last == "," and marks[-2:-1] == [" "] and len(tail) == 3:
            raise NotANumber("ambiguous")
        return last not in marks[:-1]
    could_group = len(tail) == 3 and 1 <= len(digits[0]) <= 3 and digits[0][0] != "0"
    if not could_group:
        if integer and last == ",":
            raise NotANumber("ambiguous")
        return True
    if last == ".":
        if not integer:
            return True
        if int(tail) == 0:
            raise NotANumber("ambiguous")
    return False
