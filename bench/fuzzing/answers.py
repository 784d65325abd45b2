"""Answers: what students write where a number, a choice, an array or a shape is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from bench.fuzzing.target import Target, edited, spliced
from grader.checks.answers import (
    Hedged,
    Unreadable,
    read_array,
    read_boolean,
    read_choice,
    read_integer,
    read_number,
    read_shape,
    read_text,
)
from grader.checks.numerals import NotANumber, parse_number, to_float
from grader.kernel.caged.wire import Description, DtypeValue, TensorValue

_OPTIONS = {"L2": ["ridge", "ال۲", "نرم دوم"], "L1": ["lasso"], "a": ["الف"], "none": []}
_SAMPLES = [
    "3.5e-4",
    "۱٬۲۳۴٫۵۶ درصد",
    "۳/۱۴",
    "about 85.3 % (or 84?)",
    "2^10 - 1 = 1023",
    "3 × 10⁻⁵",
    "½ + 2√2",
    "12,345,678 پارامتر",
    "dW = [[1, 2], [3, 4.5]]",
    "tensor([[1., nan], [inf, 2.]], requires_grad=True)",
    r"\begin{bmatrix} 1 & 2 \\ 3 & \frac{1}{2} \end{bmatrix}",
    "array([True, False])\n1 2 3\n4 5 6",
    "torch.Size([3, 5])",
    "۳ در ۵",
    "L2, because L1 would be sparse",
    "نرم دوم، چون وزن‌ها پخش شده‌اند",
    "گزینه الف؟ شاید L1",
    "not true; صحیح نیست",
    "1e308*10",
    "0x1F, 0b101, 1_000",
]
_PIECES = [
    *"0123456789۰۵٤.,٫٬،;؛%٪+-−*×/÷^()[]{}=±√½eE\n\t |&\\!?_'",
    "\u200c", "\u202e", "10^", "e999999999", "**", "inf", "nan", "million", "or", "یا", "not", "۹" * 40,
]  # fmt: skip


def _values() -> st.SearchStrategy[Any]:
    """What the wire may bring as an answer."""
    numeric = st.sampled_from(["float16", "float64", "int8", "uint64", "bool", "complex64"])
    arrays = numeric.flatmap(
        lambda name: npst.arrays(
            np.dtype(name), npst.array_shapes(min_dims=0, min_side=0, max_side=3)
        )
    )
    leaves = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.integers(-(1 << 3000), 1 << 3000)
        | st.floats()
        | st.complex_numbers()
        | st.sampled_from(_SAMPLES)
        | st.binary(max_size=5)
        | arrays
        | arrays.map(lambda array: TensorValue(array, str(array.dtype)))
        | st.just(DtypeValue("float32"))
        | st.just(Description("a.B", "<B>", "object"))
    )
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.lists(inner, max_size=3).map(tuple)
            | st.dictionaries(st.text(max_size=2), inner, max_size=2)
        ),
        max_leaves=10,
    )


_READERS: tuple[Callable[[Any], object], ...] = (
    read_number,
    lambda answer: read_number(answer, accuracy=True, units=("times", "برابر")),
    read_integer,
    lambda answer: read_choice(answer, _OPTIONS),
    read_boolean,
    read_array,
    read_shape,
    read_text,
)


def _read(answer: Any) -> str:
    read = 0
    told: list[str] = []
    for reader in _READERS:
        try:
            reader(answer)
            read += 1
        except (Unreadable, Hedged) as error:
            told.append(str(error))
    if isinstance(answer, str):
        for integer in (False, True):
            try:
                value = parse_number(answer, integer=integer, units=("times",)).value
                assert not integer or value == int(value)
                to_float(value)
                read += 1
            except NotANumber as error:
                told.append(error.reason)
    assert all(told)
    return "read" if read else "refused"


def answers() -> Target:
    """Answers as text, and as the typed values that a notebook's variables hold."""
    pieces = st.sampled_from(_PIECES)
    text = (
        edited(_SAMPLES, pieces | st.text(max_size=4))
        | spliced(_SAMPLES)
        | st.lists(pieces, max_size=25).map("".join)
        | st.text(st.characters(codec=None), max_size=40)
        | st.builds(lambda piece, n: piece * n, pieces, st.integers(1, 4000))
    )
    return Target("answer", text | _values(), _read)
