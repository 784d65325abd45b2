"""Comparing an answer with what was expected, and keeping the evidence.

The answer is never trusted: its class decides nothing (:mod:`grader.checks.plain`), none of its
methods is called, and all arithmetic is done here, on float64 or complex128, or on exact integers
where those go beyond 2**53.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from grader.checks.plain import (
    NUMERIC,
    brief,
    cut,
    kind_of,
    plain_array,
    plain_data,
    plain_json,
    shown,
    type_name,
)

__all__ = [
    "Comparison",
    "Difference",
    "as_numbers",
    "compare_close",
    "compare_equal",
    "evidence_of",
    "shown",
]

Scalar = bool | int | float | complex | str | None
Reason = Literal["ok", "shape", "dtype", "nonfinite", "values", "kind"]
Path = tuple[int | str, ...]

MAX_HEATMAP = 64
MAX_LISTED = 1_000_000
_MAX_DEPTH = 32
_EXACT = 2**53


class Difference(msgspec.Struct, frozen=True):
    """One place where answer and expectation differ.

    ``index`` is an array index, or the path of keys and positions in nested data.
    """

    index: Path
    answered: Scalar
    expected: Scalar


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What a comparison found.

    Attributes
    ----------
    reason
        ``ok``; ``kind``: not both numbers, or not the same kind of data; ``shape``; ``dtype``: a
        truth value against a number; ``nonfinite``: a nan or infinity on one side only;
        ``values``.
    answered_shape, expected_shape
        None for what has no shape.
    answered_dtype, expected_dtype
        Name of the dtype, or of the Python type.
    max_abs
        Largest ``|answer - expected|`` over the places where both are finite; None without any.
    max_rel
        Largest ``|answer - expected| / |expected|`` where ``expected`` is not 0; None without any.
    wrong, total
        Number of places beyond the tolerance, and of all places.
    first, worst
        The first wrong place in reading order, and the one that is furthest off.
    heatmap
        ``|answer - expected|`` of matrices up to 64 by 64, infinite where only one is finite.
    same_values_other_shape
        Whether only the shape is wrong: the same values in the same order.
    """

    ok: bool
    reason: Reason
    answered_shape: tuple[int, ...] | None = None
    expected_shape: tuple[int, ...] | None = None
    answered_dtype: str = ""
    expected_dtype: str = ""
    max_abs: float | None = None
    max_rel: float | None = None
    wrong: int = 0
    total: int = 0
    first: Difference | None = None
    worst: Difference | None = None
    heatmap: list[list[float]] | None = None
    same_values_other_shape: bool = False
    atol: float = 0.0
    rtol: float = 0.0


def compare_close(answer: object, expected: object, atol: float, rtol: float) -> Comparison:
    """Compare numbers or arrays of numbers: ``|answer - expected| <= atol + rtol * |expected|``.

    A nan equals a nan, an infinity the infinity of the same sign, and neither equals anything
    else. Integers, floats and complex numbers compare by value, and so do arrays of truth
    values, as 0 and 1; a single truth value is no number. A number and a 0-d array have the same
    shape; ``(n,)``, ``(1, n)`` and ``(n, 1)`` have not.

    Parameters
    ----------
    answer, expected
        Numbers, numeric arrays of any dtype, or nested lists of these.
    atol, rtol
        Absolute and relative tolerance, finite and not negative.

    Raises
    ------
    ValueError
        If a tolerance is negative or not finite. No answer raises anything.
    """
    if not (0 <= atol < math.inf and 0 <= rtol < math.inf):
        raise ValueError(f"tolerances must be finite and not negative, not {atol} and {rtol}")
    a, b = _numbers(answer), _numbers(expected)
    known: dict[str, Any] = {
        "answered_shape": a.values.shape if a else None,
        "expected_shape": b.values.shape if b else None,
        "answered_dtype": a.dtype if a else type_name(answer),
        "expected_dtype": b.dtype if b else type_name(expected),
        "total": b.values.size if b else 0,
        "atol": atol,
        "rtol": rtol,
    }
    if a is None or b is None:
        return Comparison(ok=False, reason="kind", **known)
    if a.values.shape != b.values.shape:
        same = False
        if a.values.size == b.values.size > 0:
            same = bool(_judged(a.flat(), b.flat(), atol, rtol)[0].all())
        return Comparison(ok=False, reason="shape", same_values_other_shape=same, **known)
    return _compared(a, b, known)


class _Numbers(NamedTuple):
    """Numbers of one shape, made comparable.

    ``values`` is float64 or complex128; ``given`` holds the numbers as they came, in reading
    order, for the integers that ``values`` cannot hold.
    """

    values: npt.NDArray[Any]
    given: npt.NDArray[Any] | list[Any]
    dtype: str

    @property
    def boolean(self) -> bool:
        return self.dtype == "bool"

    def at(self, place: int) -> bool | int | float | complex:
        """Return the number at `place` in reading order, as it was given."""
        if isinstance(self.given, list):
            return self.given[place]  # type: ignore[no-any-return]
        whole = self.given.dtype.kind in "iub"
        return (self.given if whole else self.values.reshape(-1))[place].item()  # type: ignore[no-any-return]

    def beyond(self) -> npt.NDArray[np.intp]:
        """Return the places of integers that float64 does not hold exactly."""
        if isinstance(self.given, list):
            large = [type(n) is int and not -_EXACT <= n <= _EXACT for n in self.given]
            return np.flatnonzero(large)
        if self.given.dtype.kind not in "iu":
            return np.zeros(0, dtype=np.intp)
        return np.flatnonzero(np.abs(self.values) >= _EXACT)

    def flat(self) -> _Numbers:
        return self._replace(values=self.values.reshape(-1))


def _compared(a: _Numbers, b: _Numbers, known: dict[str, Any]) -> Comparison:
    """Compare numbers of one shape."""
    agree, gap = _judged(a, b, known["atol"], known["rtol"])
    shape = a.values.shape
    matrix = len(shape) == 2 and 0 < min(shape) and max(shape) <= MAX_HEATMAP
    heatmap: list[list[float]] | None = gap.tolist() if matrix else None
    agree, gap = agree.reshape(-1), gap.reshape(-1)
    finite = np.isfinite(a.values).reshape(-1) & np.isfinite(b.values).reshape(-1)
    wrong = np.flatnonzero(~agree)
    reason: Reason = "ok"
    if a.boolean != b.boolean and shape == ():
        reason = "dtype"
    elif wrong.size:
        reason = "values" if finite[wrong].all() else "nonfinite"
    size = np.abs(b.values.reshape(-1))
    related = finite & (size > 0)
    with np.errstate(all="ignore"):
        relative = gap[related] / size[related]
    places = [int(wrong[0]), int(wrong[np.argmax(gap[wrong])])] if wrong.size else []
    differences = [
        Difference(tuple(int(i) for i in np.unravel_index(at, shape)), a.at(at), b.at(at))
        for at in places
    ]
    return Comparison(
        ok=reason == "ok",
        reason=reason,
        max_abs=float(gap[finite].max()) if finite.any() else None,
        max_rel=float(relative.max()) if relative.size else None,
        wrong=wrong.size,
        first=differences[0] if differences else None,
        worst=differences[1] if differences else None,
        heatmap=heatmap,
        **known,
    )


def _judged(
    a: _Numbers, b: _Numbers, atol: float, rtol: float
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Return where `a` and `b`, of one shape, agree, and how far apart they are."""
    x, y = a.values, b.values
    with np.errstate(all="ignore"):
        finite = np.isfinite(x) & np.isfinite(y)
        gap = np.abs(x - y)
        agree = np.where(finite, gap <= atol + rtol * np.abs(y), _same_nonfinite(x, y))
        gap = np.where(finite, gap, np.where(agree, 0.0, math.inf))
    for place in np.union1d(a.beyond(), b.beyond()):
        first, second = a.at(place), b.at(place)
        if isinstance(first, complex) or isinstance(second, complex):
            continue  # float64 is all the precision a complex number has
        index = np.unravel_index(place, x.shape)
        if _is_finite(first) and _is_finite(second):
            exact = abs(Fraction(first) - Fraction(second))
            agree[index] = exact <= Fraction(atol) + Fraction(rtol) * abs(Fraction(second))
            gap[index] = _as_float(exact)
        else:
            agree[index], gap[index] = False, math.inf
    return agree, gap


def _is_finite(value: float) -> bool:
    return isinstance(value, int) or math.isfinite(value)


def _same_nonfinite(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return where `x` and `y` are the same nan or infinity, by real and imaginary part."""
    if x.dtype.kind == "c" or y.dtype.kind == "c":
        return _same_nonfinite(x.real, y.real) & _same_nonfinite(x.imag, y.imag)
    return np.asarray((x == y) | (np.isnan(x) & np.isnan(y)))


# --- what counts as numbers -------------------------------------------------------------------


def as_numbers(value: object) -> npt.NDArray[Any] | None:
    """Return a number, numeric array or nested list as a float64 or complex128 array, else None.

    Truth values are no numbers here.
    """
    numbers = _numbers(value)
    return None if numbers is None or numbers.boolean else numbers.values


def _numbers(value: object) -> _Numbers | None:
    """Return `value` as comparable numbers; None when it is anything else."""
    array = plain_array(value)
    if array is not None and array.dtype.kind in NUMERIC:
        with np.errstate(all="ignore"):
            dtype = np.complex128 if array.dtype.kind == "c" else np.float64
            return _Numbers(array.astype(dtype), array.reshape(-1), array.dtype.name)
    leaves: list[Any] = []
    if array is not None and array.dtype.kind == "O" and array.size <= MAX_LISTED:
        shapes = {_listed(leaf, leaves, _MAX_DEPTH) for leaf in array.reshape(-1).tolist()}
        return _from_leaves(leaves, array.shape) if shapes <= {()} else None
    shape = _listed(value, leaves, 0)
    return None if shape is None else _from_leaves(leaves, shape)


def _listed(value: Any, leaves: list[Any], depth: int) -> tuple[int, ...] | None:
    """Append the numbers of nested lists to `leaves`; return their shape, None if they have none."""
    if kind_of(value) in ("bool", "number"):
        leaves.append(value)
        return ()
    if (array := plain_array(value)) is not None and array.dtype.kind in NUMERIC:
        plain = plain_data(array.reshape(-1))
        leaves.extend(plain)  # type: ignore[arg-type]
        return array.shape
    if type(value) not in (list, tuple) or depth >= _MAX_DEPTH or len(leaves) > MAX_LISTED:
        return None
    inner: tuple[int, ...] | None = None
    for item in value:
        shape = _listed(item, leaves, depth + 1)
        if shape is None or (inner is not None and shape != inner):
            return None
        inner = shape
    return (len(value), *(inner or ()))


def _from_leaves(leaves: list[Any], shape: tuple[int, ...]) -> _Numbers:
    types = {type(leaf) for leaf in leaves}
    dtype: type[complex | float] = complex if complex in types else float
    values = np.array([_as_float(leaf) for leaf in leaves], dtype=dtype).reshape(shape)
    name = next((t.__name__ for t in (complex, float, int, bool) if t in types), "float")
    return _Numbers(values, leaves, name)


def _as_float(number: Any) -> Any:
    try:
        return number if type(number) is complex else float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


# --- nested data ------------------------------------------------------------------------------


def compare_equal(answer: object, expected: object) -> Comparison:
    """Compare nested data exactly, by value and kind.

    Kinds are truth values, numbers, text, bytes, None, sequences (lists, tuples and arrays
    alike), dictionaries and sets: ``3.0`` equals ``3``, but ``True`` is not ``1`` and ``"3"`` is
    not ``3``. A nan equals a nan. No answer raises anything.
    """
    walk = _Walk()
    walk.visit(answer, expected, ())
    a, b = plain_array(answer), plain_array(expected)
    return Comparison(
        ok=walk.reason == "ok",
        reason=walk.reason,
        answered_shape=None if a is None else a.shape,
        expected_shape=None if b is None else b.shape,
        answered_dtype=type_name(answer) if a is None else str(a.dtype),
        expected_dtype=type_name(expected) if b is None else str(b.dtype),
        wrong=walk.wrong,
        total=walk.total,
        first=walk.first,
        worst=walk.first,
    )


class _Walk:
    """A walk along the expected data; the answer is looked at only where it has the same form."""

    def __init__(self) -> None:
        self.reason: Reason = "ok"
        self.wrong = 0
        self.total = 0
        self.first: Difference | None = None

    def visit(self, answer: Any, expected: Any, path: Path) -> None:
        answer, expected = plain_data(answer), plain_data(expected)
        kind = kind_of(expected)
        if kind_of(answer) != kind or kind == "other":
            self._leaf("kind", answer, expected, path)
        elif kind == "sequence" and len(answer) == len(expected) > 0:
            for place, (mine, theirs) in enumerate(zip(answer, expected, strict=True)):
                self.visit(mine, theirs, (*path, place))
        elif kind == "sequence":
            self._leaf("shape", answer, expected, path, same=len(answer) == len(expected))
        elif kind == "dict":
            self._visit_dict(answer, expected, path)
        elif kind == "set":
            same = {_key(item) for item in answer} == {_key(item) for item in expected}
            self._leaf("values", answer, expected, path, same=same)
        else:
            same = answer == expected or (answer != answer and expected != expected)
            self._leaf("values", answer, expected, path, same=same)

    def _visit_dict(self, answer: dict[Any, Any], expected: dict[Any, Any], path: Path) -> None:
        mine = {_key(key): value for key, value in answer.items()}
        same = mine.keys() == {_key(key) for key in expected}
        if not (same and expected):
            self._leaf("shape", answer, expected, path, same=same)
            return
        for key, theirs in expected.items():
            step = key if type(key) in (int, str) else brief(key)
            self.visit(mine[_key(key)], theirs, (*path, step))

    def _leaf(
        self, reason: Reason, answer: Any, expected: Any, path: Path, *, same: bool = False
    ) -> None:
        self.total += 1
        if same:
            return
        self.wrong += 1
        if self.reason == "ok":
            self.reason = reason
            self.first = Difference(path, _scalar(answer), _scalar(expected))


def _key(value: Any, depth: int = 0) -> tuple[str, object]:
    """Return what stands for `value` as a member or key: equal ones of one kind are the same."""
    value = plain_data(value)
    kind = kind_of(value)
    if kind == "sequence" and depth < _MAX_DEPTH:
        return kind, tuple(_key(item, depth + 1) for item in value)
    if kind == "set" and depth < _MAX_DEPTH:
        return kind, frozenset(_key(item, depth + 1) for item in value)
    if kind in ("bool", "number", "text", "bytes", "none"):
        return kind, "nan" if value != value else value
    return kind, id(value)


def _scalar(value: Any) -> Scalar:
    if kind_of(value) in ("bool", "number", "none"):
        return value  # type: ignore[no-any-return]
    return cut(value, 200) if type(value) is str else brief(value)


# --- evidence ---------------------------------------------------------------------------------


def evidence_of(
    comparison: Comparison, answered: object, expected: object, hidden: bool
) -> dict[str, Any]:
    """Return the evidence of `comparison` in plain JSON.

    Parameters
    ----------
    answered, expected
        What was compared.
    hidden
        Whether the check is hidden: the expected value then stays out, and so does every number
        from which it follows: single places, the heatmap, and the error of a lone number.
    """
    kind = "text" if type(expected) is str else "values"
    difference: dict[str, Any] = {
        "wrong": comparison.wrong,
        "total": comparison.total,
        "atol": comparison.atol,
        "rtol": comparison.rtol,
    }
    if not (hidden and comparison.total <= 1):
        difference["max_abs"] = plain_json(comparison.max_abs)
        difference["max_rel"] = plain_json(comparison.max_rel)
    if comparison.same_values_other_shape:
        difference["same_values_other_shape"] = True
    evidence = {
        "kind": "shape" if comparison.reason == "shape" else kind,
        "answered": shown(answered),
        "difference": difference,
    }
    if hidden:
        return evidence
    evidence["expected"] = shown(expected)
    for name, place in (("first", comparison.first), ("worst", comparison.worst)):
        if place is not None:
            difference[name] = {
                "index": list(place.index),
                "answered": plain_json(place.answered),
                "expected": plain_json(place.expected),
            }
    if comparison.heatmap is not None and not comparison.ok:
        difference["heatmap"] = plain_json(comparison.heatmap)
    return evidence
