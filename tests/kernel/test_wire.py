"""Values survive the wire, and whatever else comes over it is refused."""

from __future__ import annotations

import struct
import subprocess
import sys
import tracemalloc
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from grader.kernel.caged import wire
from grader.kernel.caged.agent import torch_tensor
from grader.kernel.caged.wire import (
    DTYPES,
    Description,
    DtypeValue,
    Reference,
    TensorValue,
    WireError,
    pack,
    unpack,
)

LIMIT = 64 << 20
Ext = msgspec.msgpack.Ext
encode = msgspec.msgpack.encode

scalars = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(1 << 2000), max_value=1 << 2000)
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
    | st.binary(max_size=50)
)
members = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=6)
values = st.recursive(
    scalars | st.sets(members, max_size=5) | st.frozensets(members, max_size=5),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=5)
        | st.dictionaries(members, inner, max_size=5)
    ),
    max_leaves=25,
)
numeric = st.sampled_from(sorted(DTYPES)).flatmap(
    lambda name: npst.arrays(
        st.sampled_from([np.dtype(name), np.dtype(name).newbyteorder(">")]),
        npst.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4),
    )
)


def there_and_back(value: Any) -> Any:
    return unpack(pack(value, LIMIT))


def same(a: Any, b: Any) -> bool:
    """Equal in value and in type, but that sets come back frozen."""
    if isinstance(a, (set, frozenset)):
        return isinstance(b, frozenset) and a == b
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return bool(a == b)


def wide(array: np.ndarray) -> np.ndarray:
    return array.astype(array.dtype.newbyteorder("="))


@given(values)
def test_plain_values_come_back_with_their_types(value: Any) -> None:
    assert same(value, there_and_back(value))


@given(st.floats())
def test_floats_come_back_bit_for_bit(value: float) -> None:
    assert struct.pack("d", there_and_back(value)) == struct.pack("d", value)


@given(numeric)
def test_arrays_of_all_dtypes_shapes_and_byte_orders_come_back(array: np.ndarray) -> None:
    back = there_and_back(array)
    assert back.shape == array.shape
    assert back.dtype == array.dtype.newbyteorder("=")
    assert back.tobytes() == wide(array).tobytes()


@given(numeric.filter(lambda a: a.ndim > 0), st.data())
def test_views_that_are_not_contiguous_come_back(array: np.ndarray, data: Any) -> None:
    view = array.T[data.draw(npst.basic_indices(array.T.shape, allow_ellipsis=True))]
    back = there_and_back(np.asarray(view))
    assert back.shape == np.shape(view)
    assert back.tobytes() == wide(np.asarray(view)).tobytes()


def test_what_comes_back_is_ones_own_to_write() -> None:
    first, second = there_and_back([np.zeros(3), np.zeros(3, bool)])
    first += 1
    second[:] = True
    assert first.sum() == 3
    assert second.all()


def test_subclasses_of_arrays_come_back_as_arrays() -> None:
    class Lying(np.ndarray):
        shape = (7, 7)
        __hash__ = None

        def __eq__(self, other):
            return True

    back = there_and_back(np.arange(4).view(Lying))
    assert type(back) is np.ndarray
    assert back.tolist() == [0, 1, 2, 3]


def test_arrays_of_text_come_back_as_lists() -> None:
    assert there_and_back(np.array([["الف", "b"]])) == [["الف", "b"]]


@pytest.mark.parametrize("array", [np.array([object()]), np.zeros(2, "M8[s]"), np.zeros(1, "V4")])
def test_arrays_without_numbers_are_refused(array: np.ndarray) -> None:
    with pytest.raises(WireError, match="dtype"):
        pack(array, LIMIT)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(6).reshape(2, 3),
        torch.tensor(2.5),
        torch.empty(0, 3),
        torch.tensor([True, False]),
        torch.tensor([1 + 2j]).conj(),
        torch.tensor([1 + 2j]).conj().imag,
        torch.arange(6.0).reshape(2, 3).T,
        torch.eye(3).to_sparse(),
        torch.ones(2, 3).expand(4, 2, 3),
        torch.nn.Parameter(torch.ones(2)),
        torch.tensor([1, 2], dtype=torch.uint8),
        torch.tensor([1.5], dtype=torch.float16),
    ],
    ids=lambda t: f"{t.dtype}-{tuple(t.shape)}",
)
def test_tensors_come_back(tensor: torch.Tensor) -> None:
    back = there_and_back(tensor)
    assert type(back) is TensorValue
    assert back.dtype == str(tensor.dtype).removeprefix("torch.")
    assert back.requires_grad == tensor.requires_grad
    dense = tensor.detach().to_dense() if tensor.is_sparse else tensor.detach()
    assert np.array_equal(back.array, dense.resolve_conj().resolve_neg().numpy())
    again = unpack(pack(tensor, LIMIT), tensor=torch_tensor)
    assert type(again) is torch.Tensor
    assert again.dtype == tensor.dtype
    assert again.requires_grad == tensor.requires_grad
    assert torch.equal(again.detach(), dense)


def test_bfloat16_comes_back_as_numbers_for_numpy_and_as_itself_for_torch() -> None:
    tensor = torch.tensor([1.5, -3e38, float("nan")], dtype=torch.bfloat16, requires_grad=True)
    value = there_and_back(tensor)
    assert (value.dtype, value.array.dtype, value.requires_grad) == ("bfloat16", "float32", True)
    assert np.array_equal(value.array, tensor.detach().float().numpy(), equal_nan=True)
    back = unpack(pack(tensor, LIMIT), tensor=torch_tensor)
    assert back.dtype == torch.bfloat16


@pytest.mark.parametrize(
    "tensor",
    [torch.empty(2, device="meta"), torch.zeros(2, dtype=torch.float8_e5m2)],
    ids=["no values", "float8"],
)
def test_tensors_without_a_place_in_numpy_are_refused(tensor: torch.Tensor) -> None:
    with pytest.raises(WireError):
        pack(tensor, LIMIT)


class _Pair(NamedTuple):
    left: int
    right: str


class _Level(IntEnum):
    LOW = 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (_Pair(1, "a"), (1, "a")),
        (_Level.LOW, 1),
        (range(3), [0, 1, 2]),
        (torch.Size([2, 3]), (2, 3)),
        (np.float64(0.5), np.array(0.5)),
        (torch.float32, DtypeValue("float32")),
        (np.dtype("int16"), DtypeValue("int16")),
        (np.str_("سلام"), "سلام"),
        ({np.int64(3): 1, (np.int8(1), 2): 2}, {3: 1, (1, 2): 2}),
        ({np.float32(0.5)}, frozenset({0.5})),
        (Reference(7), Reference(7)),
        (Description("a.b", "text", "object"), Description("a.b", "text", "object")),
        ("\ud800", "\ufffd" * 3),
    ],
    ids=repr,
)
def test_relatives_of_plain_values_come_back_plain(value: Any, expected: Any) -> None:
    assert same(expected, there_and_back(value))


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        object(),
        lambda: None,
        _nested(100),
        _nested(100_000),
        dict.fromkeys(range(wire.MAX_KEYS + 1), 0),
        set(range(wire.MAX_KEYS + 1)),
        [0] * wire.MAX_NODES,
        range(1 << 60),
        1 << 5000,
        "x" * (wire.MAX_TEXT + 1),
        np.zeros((1,) * 17),
        np.broadcast_to(np.float64(0), (1 << 30,)),
        [np.zeros(5 << 20), np.zeros(5 << 20)],
    ],
    ids=lambda v: f"{type(v).__name__}",
)
def test_what_is_too_large_or_no_value_is_refused(value: Any) -> None:
    with pytest.raises(WireError):
        pack(value, LIMIT)


def test_what_holds_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(WireError, match="deep"):
        pack(loop, LIMIT)


# -- hostile bytes ------------------------------------------------------------------

packed = st.one_of(values, numeric).map(lambda value: pack(value, LIMIT))


def read(payload: bytes) -> None:
    """Read what may be anything: a value or a WireError, nothing else."""
    try:
        unpack(payload)
    except WireError:
        return


@given(st.binary(max_size=2000))
@settings(max_examples=200)
def test_arbitrary_bytes_raise_nothing_but_wire_errors(payload: bytes) -> None:
    read(payload)
    read(struct.pack(">I", len(payload)) + payload)


@given(packed, st.data())
@settings(max_examples=200)
def test_mutated_frames_raise_nothing_but_wire_errors(payload: bytes, data: Any) -> None:
    mutated = bytearray(payload)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(mutated) - 1))
        mutated[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
        if not mutated:
            break
    read(bytes(mutated))
    read(payload[: data.draw(st.integers(0, len(payload)))])


raw = st.recursive(
    scalars.filter(lambda v: not isinstance(v, (complex, int)))
    | st.integers(-(1 << 63), (1 << 64) - 1),
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(st.text(max_size=3) | st.integers(0, 9), inner, max_size=3)
        | st.tuples(st.integers(-2, 12), inner).map(lambda p: Ext(p[0], encode(p[1])))
        | st.tuples(st.integers(-2, 12), st.binary(max_size=9)).map(lambda p: Ext(*p))
    ),
    max_leaves=20,
)


def frame(structure: bytes, buffers: bytes = b"") -> bytes:
    return struct.pack(">I", len(structure)) + structure + buffers


@given(raw, st.binary(max_size=64))
@settings(max_examples=300)
def test_well_formed_msgpack_of_any_kind_raises_nothing_but_wire_errors(
    value: Any, buffers: bytes
) -> None:
    read(frame(encode(value), buffers))


fields = st.tuples(
    st.sampled_from([*sorted(DTYPES), "object", "V8", "float128", "<f8", ""]),
    st.lists(st.integers(-2, 5) | st.sampled_from([1 << 31, 1 << 62, (1 << 64) - 1]), max_size=18),
    st.integers(-1, 40),
    st.integers(-1, 64) | st.just(1 << 63),
)


@given(fields, st.sampled_from([6, 7]), st.binary(max_size=64))
@settings(max_examples=200)
def test_arrays_that_lie_about_themselves_are_refused(
    field: tuple[Any, ...], code: int, buffers: bytes
) -> None:
    name, shape, _, nbytes = field
    content = [*field, "float32", False] if code == 7 else [*field]
    try:
        array = unpack(frame(encode(Ext(code, encode(content))), buffers))
    except WireError:
        return
    array = array.array if code == 7 else array
    assert array.dtype == name
    assert list(array.shape) == shape
    assert array.nbytes == nbytes <= len(buffers)


def test_the_same_bytes_are_not_claimed_by_many_arrays() -> None:
    one = Ext(6, encode(["float64", [1000], 0, 8000]))
    with pytest.raises(WireError, match="overlap"):
        unpack(frame(encode([one] * 1000), bytes(8000)))


def _deep(code: int) -> bytes:
    data = encode([])
    for _ in range(500):
        data = encode([Ext(code, data)])
    return data


BOMBS = {
    "empty lists": b"\xdd\x00\x3f\xff\x00" + b"\x90" * 0x3FFF00,
    "nested lists": b"\x91" * 0x3FFF00 + b"\xc0",
    "promised list": b"\xdd\xff\xff\xff\xff",
    "promised text": b"\xdb\xff\xff\xff\xff",
    "nested tuples": _deep(1),
    "tuple of lists": encode(Ext(1, b"\xdd\x00\x3f\xff\x00" + b"\x90" * 0x3FFF00)),
    "colliding set": encode(Ext(2, encode([Ext(4, str(n * (2**61 - 1)).encode()) for n in range(20_000)]))),
    "colliding keys": encode(Ext(5, encode([[Ext(3, encode([-1000003.0 * n, float(n)])), 0] for n in range(20_000)]))),
    "integers as keys": b"\x82\x01\xc0\x02\xc0",
    "time": encode(Ext(-1, bytes(8))),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_frame_never_becomes_large(name: str) -> None:
    payload = frame(BOMBS[name])
    tracemalloc.start()
    try:
        with pytest.raises(WireError):
            unpack(payload)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 32 << 20


def test_the_largest_structure_that_is_read_stays_within_bounds() -> None:
    lists = unpack(frame(encode([[] for _ in range(wire.MAX_NODES - 1)])))
    assert sys.getsizeof(lists) + sum(map(sys.getsizeof, lists)) < 32 << 20


def test_whatever_can_be_packed_can_be_unpacked() -> None:
    widest = [np.zeros((1,) * 16)] * 11_000
    assert len(there_and_back(widest)) == 11_000
    assert len(there_and_back([1j] * 62_000)) == 62_000
    deepest: Any = {}
    for _ in range(wire.MAX_DEPTH):
        deepest = {1: deepest}
    assert same(deepest, there_and_back(deepest))


PATCHED = """
import builtins, sys
import numpy as np
from grader.kernel.caged import wire

value = {"a": [1, 2.5, np.arange(3)]}
before = wire.pack(value, 1 << 20)
for name in ("isinstance", "type", "len", "str", "all", "list", "dict", "issubclass", "set"):
    setattr(builtins, name, lambda *a, **k: 0)
np.asarray = lambda *a, **k: np.zeros(1)
sys.exit(wire.pack(value, 1 << 20) != before)
"""


def test_a_patched_interpreter_changes_nothing_that_is_sent() -> None:
    """Student code may replace builtins and numpy's functions; the wire keeps those of before."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", PATCHED]
    subprocess.run(command, cwd=root, env={"PYTHONPATH": str(root)}, check=True)
