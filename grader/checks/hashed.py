"""A right answer as a slow salted hash: whoever has the pack can tell a right answer, and reads none.

A hurdle and no wall: who knows that an answer is one of ten can try all ten in a second. So short
answers are better checked by their form alone.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import numpy as np

from grader.checks import answers
from grader.checks.compare import as_numbers

_COST: Final = 1 << 15
"""Of scrypt: 32 MiB and a tenth of a second for each try."""
MAX_DIGITS: Final = 12
_SLACK: Final = 1e-6
"""How far from a whole number what was computed may be, where a whole one is expected."""


class Unhashable(ValueError):
    """No single value of which a hash can be told from those of nearly right ones."""


class Hashed(msgspec.Struct, frozen=True):
    """The hash of one expected value, and how many of its digits count (0: it is exact)."""

    salt: bytes
    digest: bytes
    digits: int = 0

    def agrees(self, answer: Any) -> bool:
        """Whether `answer` is the value, rounded as that was."""
        return any(
            _digest(text, self.salt) == self.digest for text in _written(answer, self.digits)
        )


def hashed(value: Any, salt: bytes, *, rtol: float = 0.0) -> Hashed:
    """Hash what is expected.

    Parameters
    ----------
    value
        A number, text or truth value, or whole numbers in any shape.
    salt
        Different for every value.
    rtol
        Relative tolerance of a number that is not whole: its digits beyond that do not count.

    Raises
    ------
    Unhashable
        If it is none of these.
    """
    digits = 0
    numbers = as_numbers(value)
    if numbers is not None and not np.all(numbers == np.rint(numbers)):
        if numbers.size != 1:
            raise Unhashable(f"an array of {numbers.size} numbers that are not whole")
        if not 0 < rtol < 1:
            raise Unhashable("a number that is not whole, and no rtol that says how exact it is")
        digits = min(MAX_DIGITS, max(1, math.floor(-math.log10(rtol))))
    texts = list(_written(value, digits))
    if not texts:
        raise Unhashable(f"a value of type {type(value).__name__}")
    return Hashed(salt, _digest(texts[0], salt), digits)


def _digest(text: str, salt: bytes) -> bytes:
    return hashlib.scrypt(
        text.encode(), salt=salt, n=_COST, r=8, p=1, maxmem=_COST * 1024 * 2, dklen=32
    )


def _written(value: Any, digits: int) -> Iterator[str]:
    """Yield how a value is written to be hashed: rounded, and the rounded ones beside it."""
    if isinstance(value, str):
        yield f"text {value.strip()}"
        return
    if isinstance(value, (bool, np.bool_)):
        yield f"truth {bool(value)}"
        return
    numbers = as_numbers(value)
    if numbers is None:
        try:
            numbers = np.asarray(answers.read_array(value))
        except answers.Unreadable:
            return
    flat = numbers.reshape(-1)
    if flat.size == 0 or flat.dtype.kind == "c" or not np.isfinite(flat.astype(float)).all():
        return
    if flat.size > 1 or not digits:
        if np.all(np.abs(flat - np.rint(flat)) <= _SLACK * np.maximum(1, np.abs(flat))):
            shape = list(numbers.shape) if flat.size > 1 else []
            yield f"whole {shape} {[int(number) for number in np.rint(flat)]}"
        return
    number = float(flat[0])
    if number == 0:
        yield "number 0"
        return
    unit = math.floor(math.log10(abs(number))) - digits + 1
    scaled = number / 10.0**unit
    for whole in dict.fromkeys((round(scaled), math.floor(scaled), math.ceil(scaled))):
        exact = f"{whole}e{unit}"
        yield f"number {float(exact):.{digits - 1}e}"
