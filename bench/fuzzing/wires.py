"""What a caged process sends: values on the wire, and Jupyter's messages."""

from __future__ import annotations

import struct
from typing import Any

import msgspec
import numpy as np
from hypothesis import strategies as st

from bench.fuzzing.target import Target, edited, spliced
from grader.kernel.caged.wire import (
    Description,
    DtypeValue,
    Reference,
    TensorValue,
    WireError,
    pack,
    unpack,
)
from grader.kernel.messages import checked_content

_LIMIT = 1 << 20
_Ext = msgspec.msgpack.Ext
_VALUES: tuple[Any, ...] = (
    None,
    [1, 2.5, True, "الف", b"\0\xff"],
    {"a": (1, 2), 3: {4, 5}, (6,): 1j},
    1 << 200,
    np.arange(12.0).reshape(3, 4),
    [np.zeros((2, 0)), np.array([True, False]), np.array(3 + 4j)],
    TensorValue(np.ones((2, 2), np.float32), "bfloat16", requires_grad=True),
    [DtypeValue("float32"), Reference(7), Description("a.B", "<B>", "object")],
    {"deep": [[[[[[[1]]]]]]]},
)


def _framed(structure: bytes, buffers: bytes, off: int) -> bytes:
    return struct.pack(">I", max(0, len(structure) + off)) + structure + buffers


def _extended() -> st.SearchStrategy[Any]:
    """What msgpack can say, and more than our language has."""
    numbers = st.integers(-(1 << 63), (1 << 64) - 1) | st.floats()
    leaves = (
        st.none()
        | st.booleans()
        | numbers
        | st.sampled_from(["float32", "bool", "complex128", "object", "bfloat16"])
        | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
        | st.binary(max_size=8)
    )

    def around(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        packed = inner.map(msgspec.msgpack.encode) | st.binary(max_size=8)
        digits = st.integers().map(lambda n: str(n).encode())
        return (
            st.lists(inner, max_size=5)
            | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3)
            | st.builds(_Ext, st.integers(0, 12), packed | digits)
        )

    return st.recursive(leaves, around, max_leaves=12)


def _read_wire(data: bytes) -> str:
    try:
        value = unpack(data)
    except WireError:
        return "refused"
    try:
        again = pack(value, _LIMIT)
    except WireError:
        return "read"  # what came in within the bounds may be larger in our own words
    unpack(again)
    return "read"


def wires() -> Target:
    """Frames of the wire."""
    samples = [pack(value, _LIMIT) for value in _VALUES]
    structures = st.binary(max_size=200) | _extended().map(msgspec.msgpack.encode)
    framed = st.builds(_framed, structures, st.binary(max_size=64), st.sampled_from([0, 0, 0, 1]))
    inputs = (
        st.binary(max_size=300) | framed | edited(samples, st.binary(max_size=9)) | spliced(samples)
    )
    return Target("wire", inputs, _read_wire)


def _read_message(sent: tuple[str, Any]) -> str:
    kind, content = sent
    try:
        checked = checked_content(kind, content)
    except ValueError:
        return "refused"
    msgspec.json.encode(checked)
    return "read"


def messages() -> Target:
    """Contents of Jupyter's messages, as the wire gives them."""
    kinds = "stream display_data update_display_data execute_result error clear_output".split()
    keys = st.sampled_from(
        "name text data transient display_id execution_count ename evalue traceback wait status "
        "stdout ok error text/plain application/json image/png a+json metadata".split()
    )
    leaves = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | keys
        | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
        | st.binary(max_size=4)
        | st.just(Reference(1))
        | st.just(np.zeros(2))
        | st.complex_numbers()
    )
    content = st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(keys | st.integers(0, 3), inner, max_size=4)
            | st.tuples(inner)
        ),
        max_leaves=10,
    )
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | content
    stream = st.fixed_dictionaries({"name": st.sampled_from(["stdout", "x"]), "text": text})
    shown = st.fixed_dictionaries(
        {"data": st.dictionaries(keys, text, max_size=3)},
        optional={"transient": content, "execution_count": st.none() | content},
    )
    failed = st.fixed_dictionaries(
        {"ename": text, "evalue": text, "traceback": st.lists(text, max_size=2)}
    )
    reply = st.fixed_dictionaries(
        {"status": st.sampled_from(["ok", "error"]), "execution_count": st.integers() | content}
    )
    fitting = (
        st.tuples(st.just("stream"), stream)
        | st.tuples(st.sampled_from(kinds[1:4]), shown)
        | st.tuples(st.just("error"), failed)
        | st.tuples(st.just("execute_reply"), reply)
    )
    kind = st.sampled_from([*kinds, "execute_reply", "comm_open"]) | st.text(max_size=4)
    return Target("message", fitting | st.tuples(kind, content), _read_message)
