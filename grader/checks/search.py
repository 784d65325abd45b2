"""Finding an answer by its value, for students who structure a notebook in their own way.

Only values that could hardly be there by chance are looked for: 235146 or a matrix of gradients,
not 0, 64, 0.5, a mask or ``range(10)``. Where there are many that come near, one that agrees says
nothing: then none is found.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from grader.checks.compare import as_numbers, compare_close
from grader.checks.plain import plain_array
from grader.checks.script import latin_digits

MAX_TEXT = 1_000_000
MAX_ELEMENTS = 100_000
MAX_NEAR = 30
"""Most different values within a tenth of the wanted one, in variables or in one output."""
_NEAR = 0.1
_MIN_DIGITS = 4
_MIN_BITS = 20.0
_HALF = 0.5000001
_BITS_PER_DIGIT = math.log2(10)
_CONSTANTS = (math.pi, 2 * math.pi, math.pi / 2, math.e, math.sqrt(2), math.sqrt(3), math.log(2))


# --- which values are worth looking for ---------------------------------------------------------


def is_distinctive(value: object) -> bool:
    """Tell whether `value` says enough to be recognised when it is met.

    A number needs four significant digits and must not be a power of two, a fraction like 1/3
    or a mathematical constant. An array needs values that differ, are no arithmetic progression
    (a counter, an axis) and no identity matrix, and 20 bits in all: for each element the choice
    among the different values, and for each different value the digits after its first. Text,
    truth values and small masks never suffice.
    """
    array = as_numbers(value)
    if array is None or not 0 < array.size <= MAX_ELEMENTS:
        return False
    flat = array.reshape(-1)
    flat = flat[np.isfinite(flat)]
    if array.size == 1:
        return flat.size == 1 and not _is_common(complex(flat[0]))
    different = np.unique(flat)
    if different.size < 2 or _is_progression(flat) or _is_identity(array):
        return False
    digits = sum(_digits(complex(number)) - 1 for number in different[:64])
    bits = flat.size * math.log2(different.size) + digits * _BITS_PER_DIGIT
    return bool(bits >= _MIN_BITS)


def _digits(number: complex) -> int:
    """Return how many significant digits `number` has, of at most 6 (an integer: 12), at least 1."""
    count = 1
    for part in (abs(number.real), abs(number.imag)):
        mantissa = f"{part:.{12 if part.is_integer() else 6}g}".partition("e")[0]
        count = max(count, len(mantissa.replace(".", "").strip("0")))
    return count


def _is_common(number: complex) -> bool:
    if _digits(number) < _MIN_DIGITS:
        return True
    if number.imag:
        return False
    size = abs(number.real)
    if math.frexp(size)[0] == 0.5:
        return True
    multiples = (size * denominator for denominator in range(1, 13))
    simple = any(m < 100 and abs(m - round(m)) <= 1e-9 for m in multiples)
    return simple or any(math.isclose(size, known, rel_tol=1e-6) for known in _CONSTANTS)


def _is_progression(flat: npt.NDArray[Any]) -> bool:
    with np.errstate(all="ignore"):
        steps = np.diff(flat)
        return flat.size > 2 and bool(np.allclose(steps, steps[0], rtol=1e-6, atol=0))


def _is_identity(array: npt.NDArray[Any]) -> bool:
    return (
        array.ndim == 2
        and array.shape[0] == array.shape[1]
        and bool(np.all(array == np.eye(*array.shape)))
    )


# --- among variables ----------------------------------------------------------------------------


def find_value(
    wanted: object, variables: Mapping[str, object], atol: float, rtol: float
) -> list[str]:
    """Find the variables that hold `wanted`.

    Parameters
    ----------
    wanted
        The value to look for.
    variables
        The notebook's variables by name, in the order in which they were defined.
    atol, rtol
        Tolerances; they never make two different integers equal.

    Returns
    -------
    list of str
        The names: first those whose value has the shape of `wanted`, then those with the same
        values and additional or missing dimensions of size 1; names with a leading underscore
        last of each. Empty when `wanted` is not distinctive.
    """
    target = as_numbers(wanted)
    if target is None or not is_distinctive(wanted):
        return []
    finite = target[np.isfinite(target)]
    if np.all(finite == np.rint(finite)):
        rtol = min(rtol, 0.25 / float(np.abs(finite).max()))
    ranked: list[tuple[bool, bool, str]] = []
    near: set[bytes] = set()
    for name, value in variables.items():
        if not _may_have_size(value, target.size):
            continue
        result = compare_close(value, wanted, atol, rtol)
        numbers = as_numbers(value)
        if numbers is not None and _is_near(numbers, target):
            near.add(numbers.tobytes())
        if result.ok or (
            result.same_values_other_shape
            and _squeezed(result.answered_shape) == _squeezed(result.expected_shape)
        ):
            ranked.append((not result.ok, name.startswith("_"), name))
    if len(near) > MAX_NEAR:
        return []
    ranked.sort(key=lambda entry: entry[:2])
    return [name for _, _, name in ranked]


def _is_near(numbers: npt.NDArray[Any], target: npt.NDArray[Any]) -> bool:
    """Whether no number is further from the wanted one than a tenth of the largest of those."""
    if numbers.size != target.size:
        return False
    with np.errstate(all="ignore"):
        distance = np.abs(numbers.reshape(-1) - target.reshape(-1)).max()
        return bool(distance <= _NEAR * np.abs(target[np.isfinite(target)]).max(initial=0.0))


def _may_have_size(value: Any, size: int) -> bool:
    """Whether it is worth comparing `value`: cheap, before anything is converted."""
    if (array := plain_array(value)) is not None:
        return array.size == size
    if type(value) in (list, tuple):
        return 0 < len(value) <= size
    return size == 1


def _squeezed(shape: tuple[int, ...] | None) -> tuple[int, ...]:
    return tuple(side for side in shape or () if side != 1)


# --- among printed outputs ----------------------------------------------------------------------

_PRINTED = re.compile(
    r"(?<![\w.])[-+]?(?:(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][-+]?\d{1,3})?|nan|inf)(?!\w|\.\d)"
)
_GROUPED = re.compile(
    r"(?<![\w.,])[-+]?\d{1,3}(?:([,'_\u2009\u202f])\d{3})(?:\1\d{3}){0,12}(?:\.\d{1,40})?(?![\w,])"
)
_SEPARATORS = re.compile(r"[\s,;|&\[\](){}]+")
_WRITTEN = str.maketrans({"−": "-", "٫": ".", "٬": ",", "،": ","})


class _Printed(msgspec.Struct, frozen=True):
    """A number as it was printed: digits after the point, power of ten, digits that count."""

    value: float
    decimals: int
    exponent: int
    digits: int


def _printed(text: str) -> _Printed:
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, decimals = mantissa.lstrip("+-").partition(".")
    digits = len((whole + decimals).lstrip("0"))
    return _Printed(float(text), len(decimals), int(exponent or 0), digits)


def _power_of_ten(exponent: int) -> float:
    return float(f"1e{exponent}")  # infinite where ``10.0 ** exponent`` raises


def find_in_outputs(wanted: object, outputs: Iterable[tuple[int, str]]) -> int | None:
    """Return the number of the first output in which `wanted` was printed, None if in none.

    A number must stand there with at least four digits, an array as a whole, row by row, as
    numpy, torch or Python print it. Both may be rounded as a print rounds: to half a unit of the
    last digit shown. What is shown must itself be distinctive. Of all outputs together a million
    characters are read.

    Parameters
    ----------
    wanted
        The value to look for.
    outputs
        Pairs of a number and a text.
    """
    target = as_numbers(wanted)
    if target is None or target.dtype.kind == "c" or not is_distinctive(wanted):
        return None
    left = MAX_TEXT
    near: set[float] = set()
    first: int | None = None
    for number, text in outputs:
        read, left = latin_digits(text[:left]).translate(_WRITTEN), left - len(text[:left])
        if target.size > 1:
            found = _find_array(target, read)
        else:
            found = _find_number(float(target.reshape(-1)[0]), read, near)
        if found and first is None:
            first = number
        if left <= 0 or (first is not None and target.size > 1):
            break
    return first if len(near) <= MAX_NEAR else None


def _find_number(wanted: float, text: str, near: set[float]) -> bool:
    """Whether the number `wanted` stands in `text`; what comes near it is added to `near`."""
    grouped = (match[0].replace(match[1], "") for match in _GROUPED.finditer(text))
    plain = (match[0] for match in _PRINTED.finditer(text))
    found = False
    for number in map(_printed, itertools.chain(grouped, plain)):
        if abs(number.value - wanted) <= _NEAR * abs(wanted):
            near.add(number.value)
            found = found or _agrees(number, wanted)
    return found


def _agrees(number: _Printed, wanted: float) -> bool:
    unit = _power_of_ten(number.exponent - number.decimals)
    return number.digits >= _MIN_DIGITS and abs(number.value - wanted) <= _HALF * unit


def _find_array(wanted: npt.NDArray[Any], text: str) -> bool:
    matches = list(_PRINTED.finditer(text))
    gaps = [text[a.end() : b.start()] for a, b in itertools.pairwise(matches)]
    joined = [_SEPARATORS.fullmatch(gap) is not None for gap in gaps]
    target = wanted.reshape(-1)
    count, row = target.size, wanted.shape[-1]
    values = np.array([float(match[0]) for match in matches])
    near = np.isclose(values, target[0], rtol=0.1, atol=0.5, equal_nan=True)
    run = 0  # how many numbers up to here are joined by nothing but separators
    for last in range(len(matches)):
        run = run + 1 if last and joined[last - 1] else 1
        first = last - count + 1
        if run < count or not near[first]:
            continue
        before = gaps[first - 1] if run > count else "\n"
        after = gaps[last] if last < len(gaps) and joined[last] else "\n"
        whole = re.search(r"[\[({\n]", before) and re.search(r"[\])}\n]", after)
        if (
            whole
            and _has_rows(gaps[first:last], row)
            and _window_agrees([_printed(m[0]) for m in matches[first : last + 1]], target)
            and is_distinctive(values[first : last + 1].reshape(wanted.shape))
        ):
            return True
    return False


def _has_rows(gaps: list[str], row: int) -> bool:
    """Whether numbers with these `gaps` between them stand in rows of `row` numbers."""
    return all(
        bool(re.search(r"[\]\n;]" if place % row == 0 else r"[\[\];]", gap)) == (place % row == 0)
        for place, gap in enumerate(gaps, start=1)
    )


def _window_agrees(numbers: list[_Printed], target: npt.NDArray[Any]) -> bool:
    """Whether the printed `numbers` are `target`, rounded as one print rounds its numbers."""
    decimals = max(number.decimals for number in numbers)
    for number, value in zip(numbers, target.tolist(), strict=True):
        if not (math.isfinite(number.value) and math.isfinite(value)):
            if number.value != value and not (math.isnan(number.value) and math.isnan(value)):
                return False
            continue
        unit = _power_of_ten(number.exponent - decimals) if decimals else 0.0
        whole = number.value.is_integer() and value.is_integer()
        slack = 0.0 if whole else 1e-6 * abs(value)
        if abs(number.value - value) > _HALF * unit + slack:
            return False
    return True
