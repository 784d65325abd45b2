"""Arrays as people write and print them, read into lists of numbers or refused.

Everything that cannot be read raises :class:`~grader.checks.numerals.NotANumber`, whose reason may
here also be ``ragged``, ``shortened`` or ``type``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from grader.checks.numerals import NotANumber, parse_number, to_float
from grader.checks.plain import NUMERIC, plain_array
from grader.checks.script import latin_digits, without_marks

MAX_TEXT = 200_000
MAX_ELEMENTS = 1_000_000
_MAX_DEPTH = 16

Leaf = bool | int | float | complex


def base_array(value: object) -> npt.NDArray[Any] | None:
    """Return `value` as a plain ndarray of numbers; None when it holds anything else."""
    array = plain_array(value)
    return array if array is not None and array.dtype.kind in NUMERIC else None


def array_of(nested: object) -> npt.NDArray[Any]:
    """Return nested lists of numbers as an array; raises NotANumber."""
    leaves: list[Leaf] = []
    shape = _collect(nested, leaves, 0)
    types = {type(leaf) for leaf in leaves}
    if types == {bool}:
        return np.array(leaves, dtype=bool).reshape(shape)
    if types == {int} and all(-(2**63) <= leaf < 2**63 for leaf in leaves):  # type: ignore[operator]
        return np.array(leaves, dtype=np.int64).reshape(shape)
    try:
        dtype = np.complex128 if complex in types else np.float64
        return np.array(leaves, dtype=dtype).reshape(shape)
    except OverflowError:
        raise NotANumber("range") from None


def _collect(nested: object, leaves: list[Leaf], depth: int) -> tuple[int, ...]:
    """Append the numbers of `nested` to `leaves` and return its shape."""
    if depth > _MAX_DEPTH or len(leaves) > MAX_ELEMENTS:
        raise NotANumber("length")
    if type(nested) in (list, tuple):
        shapes = {_collect(item, leaves, depth + 1) for item in nested}  # type: ignore[attr-defined]
        if len(shapes) > 1:
            raise NotANumber("ragged")
        return (len(nested), *(shapes.pop() if shapes else ()))  # type: ignore[arg-type]
    if issubclass(type(nested), np.ndarray | np.generic):
        array = base_array(nested)
        if array is None:
            raise NotANumber("type")
        leaves.extend(array.ravel().tolist())
        return array.shape
    if type(nested) is str:
        leaves.append(_element(nested))
    elif type(nested) in (bool, int, float, complex):
        leaves.append(nested)  # type: ignore[arg-type]
    else:
        raise NotANumber("type")
    return ()


def _element(text: str) -> bool | int | float:
    plain = latin_digits(text)
    if re.fullmatch(r"[-+]?\d{1,18}", plain):
        return int(plain)
    if plain in ("True", "False"):
        return plain == "True"
    written = parse_number(text)
    pointed = written.pointed or "." in text
    if isinstance(written.value, float) or pointed or written.percent:
        return to_float(written.value)
    return int(written.value)


_WRAPPER = re.compile(r"(?:(?:np|numpy|torch|jnp|tf)\s*\.\s*)?(?:tensor|array|matrix|asarray)\s*\(")
_WRAPPER_OPTIONS = re.compile(
    r"\s*(?:,\s*(?:dtype|device|grad_fn|requires_grad|size|shape)\s*=\s*"
    r"(?:<[^<>]{0,80}>|'[^']{0,40}'|\"[^\"]{0,40}\"|\([^()]{0,80}\)|[\w.]{1,40})\s*){0,6},?\s*"
)
_SCALAR = re.compile(
    r"\b(?:(?:np|numpy|torch)\.)?(?:u?int\d*|float\d*|bool_?|tensor|array)\(([-+\w.]{1,40})\)"
)
_LATEX_MATRIX = re.compile(
    r"\\begin\s*\{([bpvBV]?matrix|array)\}(?:\{[^{}]*\})?(.*)\\end\s*\{\1\}", re.DOTALL
)
_LABEL = re.compile(r"^[^\[\](){}|;,\d=:][^\[\](){}|;,=:]{0,40}[=:](?!=)\s*")
_SHORT_LINE = re.compile(r"(?:^|\n)[^\n]{0,40}[\w.][^\S\n]*\n\s*[-+\w.]")
_RULE = re.compile(r"[\s|:-]*")
_NUMBER = (
    r"[-+−–]?(?:\d[\d٬_']*(?:[.٫]\d*)?|[.٫]\d+)(?:[eE][-+]?\d+)?(?:/\d+)?(?:\s?[%٪])?"
    r"|[-+−–]?(?:inf|nan|∞)|True|False"
)
_ARRAY_TOKEN = re.compile(
    rf"(?P<number>(?:{_NUMBER})(?![\w.]))|(?P<open>[\[({{])|(?P<close>[\])}}])"
    r"|(?P<comma>[,،&|])|(?P<row>[;؛])|(?P<space>\s+)|(?P<other>.)",
    re.DOTALL,
)


def array_in_text(text: str) -> object:
    """Return the nested lists of number texts that `text` writes; raises NotANumber."""
    if len(text) > MAX_TEXT:
        raise NotANumber("length")
    text = without_marks(text).strip().strip("$`").strip()
    if "..." in text or "…" in text or "\\dots" in text or "\\cdots" in text:
        raise NotANumber("shortened")
    text = _LABEL.sub("", text, count=1)
    if (begin := text.find("\\begin")) >= 0:
        if not (matrix := _LATEX_MATRIX.match(text, begin)):
            raise NotANumber("form")
        rows = [row for row in re.split(r"\\\\(?:\[[^\]]*\])?", matrix[2]) if row.strip()]
        return [[cell.strip() for cell in row.split("&")] for row in rows]
    text = _SCALAR.sub(r"\1", text)
    if wrapper := _WRAPPER.match(text):
        text = _unwrapped(text[wrapper.end() :])
    if re.search(r"[\[({]", text):
        return _bracketed(text)
    lines = [line.strip() for line in re.split(r"[\n;؛]", text) if not _RULE.fullmatch(line)]
    rows = [_row(line.strip("|")) for line in lines]
    rows = [row for row in rows if row]
    if not rows:
        raise NotANumber("form")
    if len(rows) == 1:
        return rows[0] if len(rows[0]) > 1 else rows[0][0]
    return [row[0] for row in rows] if all(len(row) == 1 for row in rows) else rows


def _unwrapped(text: str) -> str:
    """Return what stands between ``tensor(`` and its options (``dtype=``, ``device=``) and ")"."""
    if not text.endswith(")"):
        raise NotANumber("form")
    text = text[:-1]
    end = text.rfind("]") + 1 or text.find(",")
    end = len(text) if end < 0 else end
    if not _WRAPPER_OPTIONS.fullmatch(text[end : end + 500]) or len(text) - end > 500:
        raise NotANumber("form")
    return text[:end].strip()


def _bracketed(text: str) -> object:
    stack: list[list[object]] = [[]]
    pieces: list[str] = []  # the text of the innermost bracket so far

    def close_row() -> list[str]:
        text = "".join(pieces)
        pieces.clear()
        if _SHORT_LINE.search(text):
            raise NotANumber("ambiguous")  # one long row that was wrapped, or several rows
        return _row(text)

    rows: list[list[list[str]]] = [[]]  # rows ended by ";" in each open bracket
    for kind, piece in _tokens(text):
        if kind == "open":
            if close_row() or len(stack) > _MAX_DEPTH:
                raise NotANumber("form")
            stack.append([])
            rows.append([])
        elif kind == "close":
            if len(stack) == 1:
                raise NotANumber("form")
            row, items, ended = close_row(), stack.pop(), rows.pop()
            if (row or ended) and items:
                raise NotANumber("ragged")
            content = [*ended, *([row] if row else [])] if ended else items or row
            stack[-1].append(content)
        elif kind == "row":
            if len(stack) == 1 or stack[-1]:
                raise NotANumber("form")
            rows[-1].append(close_row())
        else:
            pieces.append(piece)
    if len(stack) != 1 or close_row() or len(stack[0]) != 1:
        raise NotANumber("form")
    return stack[0][0]


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    for match in _ARRAY_TOKEN.finditer(text):
        kind = match.lastgroup or "other"
        if kind == "other":
            raise NotANumber("form")
        yield kind, match[0]


def _row(text: str) -> list[str]:
    """Split one row into its numbers, which one kind of separator must keep apart."""
    numbers: list[str] = []
    gaps: list[str] = []
    gap = ""
    for kind, piece in _tokens(text):
        if kind == "number":
            if numbers:
                gaps.append(gap)
            elif gap.strip():
                raise NotANumber("form")
            numbers.append(piece)
            gap = ""
        elif kind in ("comma", "space"):
            gap += piece
        else:
            raise NotANumber("form")
    if not numbers:
        if len(gap.strip()) > 1:
            raise NotANumber("form")
        return []
    if any(not g or len(g.strip()) > 1 for g in gaps):
        raise NotANumber("form")
    bare = [not g.strip() for g in gaps]
    tight = [len(g) == 1 and not b for g, b in zip(gaps, bare, strict=True)]
    if any(bare) and not all(bare):
        raise NotANumber("ambiguous")
    grouped = [len(n) == 3 for n, t in zip(numbers[1:], tight, strict=True) if t]
    if any(tight) and not all(tight) and all(grouped):
        raise NotANumber("ambiguous")  # "1,234, 5": thousands, or three numbers
    if any(re.match(r"[-+]?0\d", latin_digits(number)) for number in numbers):
        raise NotANumber("ambiguous")  # "1 000"
    alternating = len(tight) % 2 == 1 and len(tight) > 1
    if alternating and all(t == (at % 2 == 0) for at, t in enumerate(tight)):
        raise NotANumber("ambiguous")  # "0,5, 0,6": two decimals, or four integers
    return numbers
