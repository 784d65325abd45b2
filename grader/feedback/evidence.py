"""The evidence of a check, read from its plain JSON into typed records.

A hidden check's record never holds an expected value or an input, even if the
JSON does; and every text in it has its secrets redacted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from grader.report import CheckResult, Text
from grader.secrets import redact_all

Number = float | int | str | None
"""A number as JSON carries it: ``nan``, ``inf`` and ``-inf`` are strings."""


class Shown(msgspec.Struct, frozen=True):
    """A value as text and, when small enough, element by element."""

    text: str = ""
    shape: list[int] | None = None
    dtype: str | None = None
    values: Any = None


class Place(msgspec.Struct, frozen=True):
    """One element that differs."""

    index: list[int | str]
    answered: Any = None
    expected: Any = None


class Difference(msgspec.Struct, frozen=True):
    """How far the answer is from the expected value, element by element."""

    max_abs: Number = None
    max_rel: Number = None
    wrong: int | None = None
    total: int | None = None
    first: Place | None = None
    worst: Place | None = None
    heatmap: list[list[Number]] | None = None
    atol: float = 0.0
    rtol: float = 0.0


class Frame(msgspec.Struct, frozen=True):
    """One line of the student's code through which an exception passed."""

    cell: int | None = None
    line: int | None = None
    source: str = ""
    function: str = ""


class ExceptionShown(msgspec.Struct, frozen=True):
    """An exception that the student's code raised; the last frame raised it."""

    type: str
    message: str = ""
    frames: list[Frame] = []


class ExpectedLayer(msgspec.Struct, frozen=True):
    """The layer that should have been in this place."""

    type: str | None = None
    options: dict[str, Any] = {}
    output_shape: list[int] | None = None


class Layer(msgspec.Struct, frozen=True):
    """One leaf layer of a module, in the order of execution."""

    path: str
    type: str
    options: dict[str, Any] = {}
    input_shape: list[int] | None = None
    output_shape: list[int] | None = None
    expected: ExpectedLayer | None = None
    differs: bool = False


class Curve(msgspec.Struct, frozen=True):
    """One curve that the notebook recorded."""

    name: str
    x: list[Number]
    y: list[Number]


class Claim(msgspec.Struct, frozen=True):
    """Something the student says, beside what their own outputs say."""

    what: str | Text
    claimed: Any
    found: Any
    agrees: bool


class Evidence(msgspec.Struct, frozen=True):
    """What shows a verdict. Every field may be absent."""

    kind: str | None = None
    asked: str | None = None
    inputs: dict[str, Shown] = {}
    answered: Shown | None = None
    expected: Shown | None = None
    options: list[str] = []
    difference: Difference | None = None
    exception: ExceptionShown | None = None
    layers: list[Layer] = []
    curves: list[Curve] = []
    claims: list[Claim] = []
    follow_through: bool = False
    notes: list[Text] = []
    facts: dict[str, Number] = {}
    """Numbers that a property was judged by, under the names that the check gave them."""
    unread: str | None = None
    """The JSON itself, when it is not of these shapes."""


_HIDDEN_PLACES = ("first", "worst", "heatmap")


def read_evidence(check: CheckResult) -> Evidence:
    """Return the evidence of `check` as it may be shown to its student.

    Evidence of an unknown shape is kept as text in ``unread``, so that one
    unusual check cannot cost a student the card.
    """
    plain = {**redact_all(check.evidence)}
    if check.hidden:
        plain = _without_secrets_of_the_check(plain)
    plain["facts"] = {
        name: value
        for name, value in plain.items()
        if name not in Evidence.__struct_fields__
        and isinstance(value, int | float | str)
        and not check.hidden
    }
    try:
        return msgspec.convert(plain, Evidence)
    except msgspec.ValidationError:
        text = msgspec.json.format(msgspec.json.encode(plain), indent=2).decode()
        return Evidence(unread=text[:4000])


def _without_secrets_of_the_check(plain: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in plain.items() if key not in ("expected", "inputs")}
    if isinstance(difference := kept.get("difference"), dict):
        kept["difference"] = {k: v for k, v in difference.items() if k not in _HIDDEN_PLACES}
    if isinstance(layers := kept.get("layers"), list):
        kept["layers"] = [
            {**layer, "expected": None} if isinstance(layer, dict) else layer for layer in layers
        ]
    return kept


def written(value: Any) -> str:
    """Write a number as code does, to six significant digits; anything else as it is."""
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, float):
        return _signed(f"{value:.6g}")
    if isinstance(value, int):
        return _signed(str(value))
    return str(value)


def _signed(number: str) -> str:
    return "−" + number[1:] if number.startswith("-") else number


def short_shape(shape: list[int]) -> str:
    """Write a shape as numpy and torch do: ``(8, 64, 16, 16)``."""
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


_OPTIONS = (
    "in_channels", "out_channels", "in_features", "out_features", "num_features", "kernel_size",
    "stride", "padding", "dilation", "groups", "bias",
)  # fmt: skip


def options_text(options: Mapping[str, Any]) -> str:
    """Write a layer's options in the order in which its constructor has them."""
    known = [name for name in _OPTIONS if name in options]
    others = sorted(name for name in options if name not in _OPTIONS)
    return ", ".join(f"{name}={options[name]}" for name in (*known, *others))
