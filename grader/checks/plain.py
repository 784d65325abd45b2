"""Values of unknown class, made plain and shown without asking any of their methods.

What a student's code returns decides nothing about how it is looked at: subclasses of ndarray are
seen as the plain array below them, and of a foreign object only the name of its class is told.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

NUMERIC = "biufc"
"""The kinds of numpy dtypes that are numbers or truth values."""

MAX_TEXT = 2000
MAX_VALUES = 400

Kind = Literal["bool", "number", "text", "bytes", "none", "sequence", "dict", "set", "other"]

_KINDS: dict[type, Kind] = {
    bool: "bool", int: "number", float: "number", complex: "number", str: "text", bytes: "bytes",
    type(None): "none", list: "sequence", tuple: "sequence", dict: "dict", set: "set",
    frozenset: "set",
}  # fmt: skip


def kind_of(value: object) -> Kind:
    """Return the kind of Python data that `value` is, by its exact class."""
    return _KINDS.get(type(value), "other")


def type_name(value: object) -> str:
    """Return the name of the class of `value`, at most 80 characters."""
    name: str = type.__dict__["__name__"].__get__(type(value))
    return cut(name, 80)


def plain_array(value: Any) -> npt.NDArray[Any] | None:
    """Return a numpy array or scalar as an array of base class; None for anything else."""
    if issubclass(type(value), np.ndarray):
        return np.ndarray.view(value, np.ndarray)
    if issubclass(type(value), np.generic) and type(value).__module__ == "numpy":
        return np.array(value)
    return None


def plain_data(value: object) -> object:
    """Return a numpy array or scalar as nested lists of Python data; anything else as it is."""
    array = plain_array(value)
    if array is None or array.dtype.kind not in NUMERIC + "USTO":
        return value
    if array.dtype.kind in "fc":  # long doubles have no Python counterpart
        with np.errstate(all="ignore"):
            array = array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
    try:
        return array.tolist()
    except ValueError:  # a text array whose bytes are no characters
        return value


def plain_json(value: Any) -> Any:
    """Return numbers and nested lists as plain JSON: nan, infinities, complex numbers as text."""
    if type(value) in (list, tuple):
        return [plain_json(item) for item in value]
    if plain_array(value) is not None:
        plain = plain_data(value)
        return plain_json(plain) if plain is not value else brief(value)
    if type(value) is float and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if type(value) is complex or (type(value) is int and abs(value) >= 2**63):
        return brief(value).strip("()")
    return value if kind_of(value) in ("bool", "number", "text", "none") else brief(value)


def shown(value: object) -> dict[str, Any]:
    """Return `value` as the evidence of a report shows it, in plain JSON.

    Returns
    -------
    dict
        ``text``, at most 2000 characters; ``shape`` and ``dtype`` of arrays, else None; and for
        numbers and arrays of at most two dimensions and 400 elements ``values``, with nan,
        infinities and complex numbers as text.
    """
    record: dict[str, Any]
    array = plain_array(value)
    if array is not None:
        record = {"text": _array_text(array), "shape": list(array.shape), "dtype": str(array.dtype)}
        small = array.ndim <= 2 and array.size <= MAX_VALUES
        if small and array.dtype.kind in NUMERIC:
            record["values"] = plain_json(array)
        return record
    text = cut(value, MAX_TEXT) if type(value) is str else brief(value, MAX_TEXT)
    record = {"text": text, "shape": None, "dtype": None}
    if kind_of(value) in ("bool", "number") or _is_small_table(value):
        record["values"] = plain_json(value)
    return record


def _is_small_table(value: Any) -> bool:
    """Whether `value` is a list of numbers, or of lists of numbers, small enough to be shown."""
    if type(value) not in (list, tuple) or len(value) > MAX_VALUES:
        return False
    rows = [row if type(row) in (list, tuple) else [row] for row in value]
    leaves = sum(len(row) for row in rows)
    return 0 < leaves <= MAX_VALUES and all(
        kind_of(leaf) in ("bool", "number") or _is_scalar(leaf) for row in rows for leaf in row
    )


def _is_scalar(value: object) -> bool:
    array = plain_array(value)
    return array is not None and array.ndim == 0 and array.dtype.kind in NUMERIC


def brief(value: object, limit: int = 200) -> str:
    """Return `value` as Python writes it, at most `limit` characters, asking no foreign class."""
    text = ""
    for piece in _pieces(value, 0):
        text += piece
        if len(text) > limit:
            break
    return cut(text, limit)


def _pieces(value: Any, depth: int) -> Iterator[str]:
    kind = kind_of(value)
    if type(value) is int and abs(value) >= 10**300:
        yield f"{'-' * (value < 0)}{_scientific(abs(value))}"
    elif kind in ("bool", "number", "none"):
        yield repr(value)
    elif kind in ("text", "bytes"):
        yield repr(value[:MAX_TEXT])
    elif (array := plain_array(value)) is not None:
        yield _array_text(array)
    elif kind == "other":
        yield f"<{type_name(value)}>"
    elif depth > 8:
        yield "…"
    elif kind == "dict":
        yield "{"
        for place, (key, item) in enumerate(value.items()):
            yield ", " if place else ""
            yield from _pieces(key, depth + 1)
            yield ": "
            yield from _pieces(item, depth + 1)
        yield "}"
    else:
        opening, closing = "[]" if type(value) is list else "()" if type(value) is tuple else "{}"
        yield opening
        for place, item in enumerate(value):
            yield ", " if place else ""
            yield from _pieces(item, depth + 1)
        yield ",)" if type(value) is tuple and len(value) == 1 else closing


def _scientific(value: int) -> str:
    exponent = int(math.log10(value))
    return f"{value // 10 ** (exponent - 6) / 10**6:.6f}e+{exponent}"


def _array_text(array: npt.NDArray[Any]) -> str:
    unseen = f"<array of {cut(str(array.dtype), 80)}, shape {array.shape}>"
    if array.dtype.hasobject:  # a print would ask the objects
        return unseen
    try:
        text = np.array2string(
            array, precision=6, threshold=MAX_VALUES, edgeitems=3, max_line_width=100
        )
    except (ValueError, OverflowError):  # text that is no text, years that cannot be written
        return unseen
    return cut(text, MAX_TEXT)


def cut(text: str, limit: int) -> str:
    """Return `text`, its end replaced by "…" where it is longer than `limit`."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
