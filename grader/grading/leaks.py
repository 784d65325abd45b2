"""What must not go out to students, and where it is found in what would.

Three kinds of secrets: texts of solutions (code between the marks, model answers), texts of hidden
checks and of what only they use, and values that the reference gives to checks which are not
replayed. Texts are compared without white space and kinds of quotes, numbers as they are printed,
rounded or not. What is too common to be recognised (``1``, ``"b"``) nobody can look for.
"""

from __future__ import annotations

import ast
import gzip
import io
import json
import re
import tokenize
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from grader.checks.answer import Answer
from grader.checks.compare import as_numbers
from grader.checks.script import latin_digits
from grader.checks.search import is_distinctive
from grader.grading.pack import SUFFIX, decoded

_SHORTEST_LINE: Final = 12
"""Characters of a line of code, without white space, that is recognised wherever it stands."""
_SHORTEST_PROSE: Final = 24
_MIN_DIGITS: Final = 4
_NESTED: Final = 2
"""How deep archives are opened that lie in archives."""
_NUMBER: Final = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?")
_GROUPED: Final = re.compile(r"(?<=\d)[,_٬\u2009\u202f](?=\d{3}(?!\d))")
_SPACE: Final = re.compile(r"[\s\\]+")
_SENTENCE: Final = re.compile(r"(?<=[.!?؟])\s+|\n+")
_MATH: Final = str.maketrans({"−": "-", "٫": ".", '"': "'"})


class Secret(msgspec.Struct, frozen=True):
    """Something that must not go out.

    Attributes
    ----------
    what
        How a message calls it, with the place that it comes from.
    text
        To be found as it is, :func:`squeezed`; empty for a value.
    value
        To be found as numbers.
    """

    what: str
    text: str = ""
    value: Any = None


class Leak(msgspec.Struct, frozen=True):
    """A secret, and where it was found."""

    secret: str
    place: str


class _Piece(msgspec.Struct, frozen=True):
    """One text or array of what goes out."""

    place: str
    text: str = ""
    array: Any = None


def squeezed(text: str) -> str:
    """Return `text` without what formatting changes: white space and kinds of quotes."""
    return _SPACE.sub("", text).translate(_MATH)


# ---- secrets ----------------------------------------------------------------------------------


def code_secrets(source: str, what: str, first_line: int = 1) -> Iterator[Secret]:
    """Yield the lines of a piece of code that say enough to be recognised.

    Of ``return f(x)`` and ``y = f(x)`` that is ``f(x)``, if it is long enough.
    """
    for line, text in _logical_lines(source):
        needle = _needle(text)
        if len(needle) >= _SHORTEST_LINE:
            yield Secret(f"{what}:{first_line + line - 1}: {text.strip()[:60]}", needle)


def prose_secrets(text: str, what: str) -> Iterator[Secret]:
    """Yield the sentences of a text that are long enough to be recognised."""
    for sentence in _SENTENCE.split(text):
        needle = squeezed(sentence)
        if len(needle) >= _SHORTEST_PROSE:
            yield Secret(f"{what}: {sentence.strip()[:60]}", needle)


def value_secrets(values: Iterable[tuple[str, Any]]) -> Iterator[Secret]:
    """Yield the numbers and arrays among `values` that can be recognised where they are met."""
    for name, value in values:
        yield from _numbers_in(name, value)


def _numbers_in(name: str, value: Any, depth: int = 0) -> Iterator[Secret]:
    if isinstance(value, Answer):
        value = value.value
    if type(value).__module__.startswith("torch") and hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if is_distinctive(value):
        yield Secret(f"the value of {name}", value=as_numbers(value))
    elif isinstance(value, dict) and depth < 4:
        for key, item in value.items():
            yield from _numbers_in(f"{name}[{key!r}]", item, depth + 1)
    elif isinstance(value, (list, tuple)) and depth < 4:
        for place, item in enumerate(value):
            yield from _numbers_in(f"{name}[{place}]", item, depth + 1)


def _logical_lines(source: str) -> Iterator[tuple[int, str]]:
    """Yield each statement's first line and its text on one line, without comments."""
    parts: list[str] = []
    start = column = row = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type in (tokenize.NEWLINE, tokenize.ENDMARKER):
                if parts:
                    yield start, "".join(parts)
                parts = []
            elif token.type not in (
                tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT,
            ):  # fmt: skip
                if not parts:
                    start = token.start[0]
                elif token.start[0] != row or token.start[1] > column:
                    parts.append(" ")
                parts.append(token.string)
                row, column = token.end
    except (tokenize.TokenError, SyntaxError):
        for number, line in enumerate(source.splitlines(), start=1):
            yield number, line.partition("#")[0]


def _needle(line: str) -> str:
    """Return what tells a line of code from others, empty if it is one that everybody writes."""
    text = line.strip()
    try:
        (statement,) = ast.parse(text).body
    except (SyntaxError, ValueError):  # the header of a block: a loop, a condition, a definition
        return ""
    value = getattr(statement, "value", None)
    if isinstance(statement, (ast.Import, ast.ImportFrom)) or not isinstance(value, ast.expr):
        return ""
    if isinstance(statement, ast.Expr):
        return "" if isinstance(value, ast.Constant) or _is_plain_call(value) else squeezed(text)
    bare = all(isinstance(part, ast.Name) for part in _parts(value)) or (
        isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and _is_plain_call(value)
    )
    if bare and isinstance(statement, ast.Return):
        return ""
    expression = squeezed(ast.get_source_segment(text, value) or "")
    simple = isinstance(value, (ast.Name, ast.Constant, ast.Attribute)) or bare
    if simple and not isinstance(value, ast.Constant):
        return ""
    return squeezed(text) if simple or len(expression) < _SHORTEST_LINE else expression


def _parts(value: ast.expr) -> list[ast.expr]:
    return value.elts if isinstance(value, ast.Tuple) else [value]


def _is_plain_call(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and all(
        isinstance(argument, (ast.Name, ast.Constant)) for argument in value.args
    )


# ---- what goes out ----------------------------------------------------------------------------


def leaks(members: Mapping[str, bytes], secrets: Sequence[Secret]) -> list[Leak]:
    """Search every file for every secret.

    Parameters
    ----------
    members
        Content by name.
    """
    texts = {secret.text: secret for secret in secrets if secret.text}
    values = [secret for secret in secrets if secret.value is not None]
    found: list[Leak] = []
    for name, data in sorted(members.items()):
        for piece in _pieces(name, data):
            if piece.array is not None:
                hits = [s for s in values if _holds(piece.array, s.value)]
            else:
                text = squeezed(piece.text)
                hits = [secret for needle, secret in texts.items() if needle in text]
                hits += _values_in(piece.text, values)
            found += [Leak(secret.what, piece.place) for secret in hits]
    return list(dict.fromkeys(found))


def _pieces(name: str, data: bytes, depth: int = 0) -> Iterator[_Piece]:
    """Yield the texts and arrays of a file."""
    if name.endswith(SUFFIX):
        yield from _strings(decoded(data), name)
        return
    if name.endswith(".npy"):
        try:
            yield _Piece(name, array=np.load(io.BytesIO(data), allow_pickle=False))
        except (ValueError, OSError, EOFError):
            pass
        else:
            return
    if data[:2] == b"PK" and depth < _NESTED:
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for member in archive.namelist():
                    yield from _pieces(f"{name}/{member}", archive.read(member), depth + 1)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError):
            pass
        else:
            return
    if data[:2] == b"\x1f\x8b" and depth < _NESTED:
        try:
            unpacked = gzip.decompress(data)
        except (OSError, EOFError):
            pass
        else:
            yield from _pieces(name.removesuffix(".gz"), unpacked, depth + 1)
            return
    if name.endswith((".ipynb", ".json")):
        try:
            yield from _strings(json.loads(data), name)
        except ValueError:
            pass
        else:
            return
    yield _Piece(name, data.decode("utf-8", "ignore"))
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        yield _Piece(name, data.decode("utf-16", "ignore"))


def _strings(value: Any, place: str) -> Iterator[_Piece]:
    """Yield the texts of decoded data; numbers of one list stay together."""
    if isinstance(value, str):
        yield _Piece(place, value)
    elif isinstance(value, np.ndarray):
        yield _Piece(place, array=value)
    elif isinstance(value, dict):
        if value.get("cell_type") and "source" in value:
            value = {**value, "source": "".join(value["source"])}
        for key, item in value.items():
            yield from _strings(item, f"{place}, {key}")
    elif isinstance(value, list):
        numbers = [item for item in value if not isinstance(item, (str, dict))]
        if numbers:
            yield _Piece(place, json.dumps(numbers, default=str))
        for number, item in enumerate(value, start=1):
            if isinstance(item, (str, dict, np.ndarray)):
                yield from _strings(item, f"{place} {number}")
    elif value is not None:
        yield _Piece(place, str(value))


# ---- numbers ----------------------------------------------------------------------------------


def _values_in(text: str, secrets: Sequence[Secret]) -> list[Secret]:
    if not secrets or not any(c.isdecimal() for c in text):
        return []
    read = latin_digits(text).translate(_MATH)
    found: dict[int, Secret] = {}
    for variant in {read, _GROUPED.sub("", read)}:
        numbers = [match[0] for match in _NUMBER.finditer(variant)]
        printed = np.array([float(number) for number in numbers])
        units = np.array([_unit(number) for number in numbers])
        digits = np.array([_digits(number) for number in numbers])
        for place, secret in enumerate(secrets):
            if place not in found and _printed(secret.value, printed, units, digits):
                found[place] = secret
    return list(found.values())


def _unit(number: str) -> float:
    """Return what the last digit of a printed number counts."""
    mantissa, _, exponent = number.lower().partition("e")
    return float(f"1e{int(exponent or 0) - len(mantissa.partition('.')[2])}")


def _digits(number: str) -> int:
    return len(number.lower().partition("e")[0].lstrip("+-").replace(".", "").lstrip("0"))


def _printed(
    value: npt.NDArray[Any],
    printed: npt.NDArray[Any],
    units: npt.NDArray[Any],
    digits: npt.NDArray[Any],
) -> bool:
    """Whether the numbers of `value` stand one after another, rounded as they are printed."""
    target = value.reshape(-1)
    if target.dtype.kind == "c" or target.size > printed.size:
        return False
    starts = np.arange(printed.size - target.size + 1)
    if target.size == 1:
        starts = starts[digits >= _MIN_DIGITS]
    for offset, wanted in enumerate(target.tolist()):
        at = starts + offset
        whole = units[at] >= 1
        slack = np.where(whole, 0 if float(wanted).is_integer() else 0.5, 0.5 * units[at])
        near = np.abs(printed[at] - wanted) <= slack * 1.000001 + 1e-9 * abs(wanted)
        starts = starts[near]
        if not starts.size:
            return False
    return any(is_distinctive(printed[start : start + target.size]) for start in starts)


def _holds(array: npt.NDArray[Any], value: npt.NDArray[Any]) -> bool:
    """Whether `value` stands in an array of a data file, in one piece."""
    if array.dtype.kind not in "biufc" or array.size < value.size:
        return False
    flat, target = array.reshape(-1), value.reshape(-1)
    starts = np.arange(flat.size - target.size + 1)
    for offset, wanted in enumerate(target.tolist()):
        near = np.isclose(flat[starts + offset], wanted, rtol=1e-6, atol=1e-9, equal_nan=True)
        starts = starts[near]
        if not starts.size:
            return False
    return True
