"""Typed values on the wire between the grader and a caged process.

A value travels as ``u32 structure length | structure | buffers``: the structure
is msgpack, the array bytes lie behind it. Extension types carry what msgpack
lacks: arrays, tensors, tuples, sets, complex numbers, big integers, mappings
with keys that are no strings, dtypes, and a bounded description of anything
else. Nothing is pickled, in either direction.

:func:`unpack` reads what a hostile process wrote. Sizes, depth, dtypes and
shapes are checked before anything is allocated from them, and every fault is
a :class:`WireError`.
"""

from __future__ import annotations

import builtins
import math
import struct
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

# Student code may replace builtins; these functions keep the ones of now.
globals()["__builtins__"] = dict(vars(builtins))

import msgspec  # noqa: E402
import numpy as np  # noqa: E402

STRUCTURE_BYTES: Final = 4 << 20
"""Largest msgpack structure that is read (array bytes lie outside it)."""
MAX_DEPTH: Final = 32
MAX_NODES: Final = 250_000
"""Values of msgpack in one structure; an array takes six and one for each dimension."""
MAX_TEXT: Final = 100_000
MAX_NDIM: Final = 16
MAX_KEYS: Final = 10_000
"""Members of sets and keys that are no text, in all: whoever chooses them can make them collide."""
_MAX_RAW_DEPTH: Final = 3 * MAX_DEPTH + 4
"""In msgpack's own lists, of which a tuple takes two and a mapping up to three."""

_NAMES: Final = {
    (np.dtype(name).kind, np.dtype(name).itemsize): name
    for name in (
        "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 "
        "float16 float32 float64 complex64 complex128"
    ).split()
}
DTYPES: Final = frozenset(_NAMES.values())
_READ: Final = {name: (np.dtype(name).newbyteorder("<"), np.dtype(name)) for name in DTYPES}
"""As it is written, and as it is here."""

_TUPLE, _SET, _COMPLEX, _BIGINT, _MAPPING, _ARRAY, _TENSOR, _DTYPE, _DESCRIPTION, _REFERENCE = (
    range(1, 11)
)

_LENGTH: Final = struct.Struct(">I")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.decode
_Ext = msgspec.msgpack.Ext
_asarray = np.asarray
_ndarray = np.ndarray
_generic = np.generic
_frombuffer = np.frombuffer
_dtype = np.dtype
_uint8 = np.uint8
_COPIED: Final = 1 << 12
"""Bytes of an array beyond which they are not copied on their way into the frame."""


class WireError(ValueError):
    """What came over the wire is not a value of this language, or is too large."""


class TensorValue(msgspec.Struct, frozen=True, eq=False):
    """A torch tensor as the grader holds it: its values and its torch dtype's name."""

    array: np.ndarray[Any, Any]
    dtype: str
    requires_grad: bool = False


class DtypeValue(msgspec.Struct, frozen=True):
    """A numpy or torch dtype, by name."""

    name: str


class Description(msgspec.Struct, frozen=True):
    """What stands for a value that has no place on the wire.

    Attributes
    ----------
    type
        Module and name of its type, as its process says.
    text
        Its ``repr``, cut short.
    kind
        ``function``, ``class``, ``module``, ``object``, ``none`` or ``too-large``.
    """

    type: str
    text: str
    kind: str


class Reference(msgspec.Struct, frozen=True):
    """A value that the asked process keeps, by its number there."""

    number: int


# -- writing ------------------------------------------------------------------


class _Packer:
    """One message being written: the budget of nodes and bytes, and the buffers."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.nodes = 0
        self.keys = 0
        self.size = 0
        self.buffers: list[bytes | memoryview] = []

    def buffer(self, data: bytes | memoryview) -> tuple[int, int]:
        offset = self.size
        self.size += len(data)
        if self.size > self.limit:
            raise WireError(f"more than {self.limit} bytes of array data")
        self.buffers.append(data)
        return offset, len(data)

    def count(self, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise WireError(f"more than {MAX_NODES} values")

    def extension(self, code: int, fields: list[Any]) -> Any:
        """An extension that holds a list: one value more for the list."""
        self.count(1)
        return _Ext(code, _encode(fields))

    def array(self, array: Any) -> list[Any]:
        array = _asarray(array)
        # Not `dtype.name`: that is a function in Python, which student code may have changed.
        name = _NAMES.get((array.dtype.kind, array.dtype.itemsize))
        if name is None:
            raise WireError(f"an array of dtype {array.dtype}")
        if array.ndim > MAX_NDIM:
            raise WireError(f"an array of {array.ndim} dimensions")
        if array.nbytes + self.size > self.limit:
            raise WireError(f"an array of {array.nbytes} bytes")
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        self.count(4 + array.ndim)
        large = array.nbytes > _COPIED and array.flags.c_contiguous
        data = memoryview(array.reshape(-1).view(_uint8)) if large else array.tobytes()
        return [name, list(array.shape), *self.buffer(data)]

    def value(self, value: Any, depth: int = 0) -> Any:
        self.count(1)
        if depth > MAX_DEPTH:
            raise WireError(f"nested more than {MAX_DEPTH} deep")
        kind = type(value)
        if value is None or kind is bool or kind is float:
            return value
        if kind is int:
            if -(1 << 63) <= value < 1 << 63:
                return value
            if value.bit_length() > 4000:
                raise WireError("an integer of more than 4000 bits")
            return _Ext(_BIGINT, str(value).encode())
        if kind is str:
            if len(value) > MAX_TEXT:
                raise WireError(f"a text of {len(value)} characters")
            return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        if kind is bytes:
            if len(value) > MAX_TEXT:
                raise WireError(f"{len(value)} bytes")
            return value
        if kind is complex:
            self.count(2)
            return self.extension(_COMPLEX, [value.real, value.imag])
        if kind is list:
            return [self.value(v, depth + 1) for v in list.__iter__(value)]
        if kind is tuple:
            return self.extension(_TUPLE, [self.value(v, depth + 1) for v in value])
        if kind is dict:
            return self.mapping(value, depth)
        if kind is set or kind is frozenset:
            return self.extension(_SET, [self.key(v, depth + 1) for v in value])
        return self.special(value, depth)

    def key(self, value: Any, depth: int) -> Any:
        """A member of a set or a key that is no text: numbers of numpy become plain ones."""
        self.keys += 1
        if self.keys > MAX_KEYS:
            raise WireError(f"more than {MAX_KEYS} keys")
        return self.value(_plain(value), depth)

    def mapping(self, value: Mapping[Any, Any], depth: int) -> Any:
        if all(type(k) is str for k in value):
            return {self.value(k): self.value(v, depth + 1) for k, v in value.items()}
        pairs = [[self.key(k, depth + 1), self.value(v, depth + 1)] for k, v in value.items()]
        self.count(len(pairs))
        return self.extension(_MAPPING, pairs)

    def special(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is TensorValue:
            self.count(2)
            fields = [*self.array(value.array), value.dtype, value.requires_grad]
            return self.extension(_TENSOR, fields)
        if kind is Description:
            self.count(3)
            return self.extension(_DESCRIPTION, [value.type, value.text, value.kind])
        if kind is Reference:
            return _Ext(_REFERENCE, str(value.number).encode())
        if kind is DtypeValue:
            return _Ext(_DTYPE, value.name.encode()[:64])
        if issubclass(kind, (_ndarray, _generic)):
            array = _asarray(value)
            if array.dtype.kind in "US":
                return self.value(array.tolist(), depth)
            return self.extension(_ARRAY, self.array(array))
        if issubclass(kind, _dtype):
            return _Ext(_DTYPE, str(value).encode()[:64])
        torch = sys.modules.get("torch")
        if torch is not None:
            if issubclass(kind, torch.Tensor):
                return self.extension(_TENSOR, self.tensor(value, torch))
            if issubclass(kind, torch.Size):
                return self.value(tuple(int(n) for n in value), depth)
            if issubclass(kind, torch.dtype):
                return _Ext(_DTYPE, str(value).removeprefix("torch.").encode()[:64])
        for base, convert in _BASES:
            if issubclass(kind, base):
                return self.value(convert(value), depth)
        raise WireError(f"a value of type {kind.__module__}.{kind.__qualname__}")

    def tensor(self, value: Any, torch: Any) -> list[Any]:
        name = str(value.dtype).removeprefix("torch.")
        plain = value.detach()
        if name != "bfloat16" and name not in DTYPES:
            raise WireError(f"a tensor of dtype {name}")
        if plain.layout is not torch.strided:
            plain = plain.to_dense()
        if plain.device.type == "meta":
            raise WireError("a tensor without values (on the device meta)")
        if name == "bfloat16":
            plain = plain.float()
        self.count(2)
        plain = plain.cpu().resolve_conj().resolve_neg()
        return [*self.array(plain.numpy()), name, bool(value.requires_grad)]


def _plain(key: Any) -> Any:
    if issubclass(type(key), _generic):
        return key.item()
    return tuple(_plain(part) for part in key) if type(key) is tuple else key


def _members(value: range) -> list[int]:
    if len(value) > MAX_NODES:
        raise WireError(f"a range of {len(value)} numbers")
    return list(value)


# Subclasses of the plain types travel as what they are underneath.
_BASES: list[tuple[type, Callable[[Any], Any]]] = [
    (bool, bool),
    (int, int.__int__),
    (float, float.__float__),
    (str, str.__str__),
    (dict, lambda d: dict(dict.items(d))),
    (list, lambda x: list(list.__iter__(x))),
    (tuple, lambda x: tuple(tuple.__iter__(x))),
    (set, lambda x: set(set.__iter__(x))),
    (range, _members),
]


class Size(msgspec.Struct, frozen=True):
    """How much of the bounds of one frame a value takes."""

    nodes: int
    keys: int
    structure: int
    arrays: int

    def without(self, other: Size) -> Size:
        """What is left of this when `other` is taken.

        Raises
        ------
        WireError
            If it does not fit.
        """
        left = [mine - theirs for mine, theirs in zip(_fields(self), _fields(other), strict=True)]
        if min(left) < 0:
            raise WireError("no room beside the other values")
        return Size(*left)


_fields = msgspec.structs.astuple


def size_of(value: Any, limit: int) -> Size:
    """Return what `value` takes of a frame with `limit` bytes of array data.

    Raises
    ------
    WireError
        As :func:`pack` does.
    """
    packer, structure = _packed(value, limit)
    return Size(packer.nodes, packer.keys, len(structure), packer.size)


def pack(value: Any, limit: int) -> bytes:
    """Write `value` as one frame's payload, with at most `limit` bytes of array data.

    Raises
    ------
    WireError
        If `value` holds something without a place on the wire, or is too large.
    """
    packer, structure = _packed(value, limit)
    return b"".join([_LENGTH.pack(len(structure)), structure, *packer.buffers])


def _packed(value: Any, limit: int) -> tuple[_Packer, bytes]:
    packer = _Packer(limit)
    try:
        structure = _encode(packer.value(value))
    except WireError:
        raise
    except Exception as error:  # torch's, or one that a student's subclass raises
        raise WireError(f"a {type(value).__qualname__} that cannot be read: {error}") from error
    if len(structure) > STRUCTURE_BYTES:
        raise WireError(f"a structure of {len(structure)} bytes")
    return packer, structure


# -- reading ------------------------------------------------------------------

_INT, _BIN, _TEXT, _LIST, _MAP, _EXT, _WRONG = range(7)


def _heads() -> list[tuple[int, int, int]]:
    """What each first byte of msgpack announces: kind, bytes of its length, and its size."""
    heads = [(_INT, 0, 0)] * 256
    heads[0xC1] = (_WRONG, 0, 0)
    for byte in range(0x10):
        heads[0x80 + byte] = (_MAP, 0, byte)
        heads[0x90 + byte] = (_LIST, 0, byte)
    for byte in range(0x20):
        heads[0xA0 + byte] = (_TEXT, 0, byte)
    for place, width in enumerate((1, 2, 4)):
        heads[0xC4 + place] = (_BIN, width, 0)
        heads[0xC7 + place] = (_EXT, width, 0)
        heads[0xD9 + place] = (_TEXT, width, 0)
    for place, size in enumerate((4, 8, 1, 2, 4, 8, 1, 2, 4, 8)):  # floats, integers
        heads[0xCA + place] = (_BIN, 0, size)
    for place in range(5):
        heads[0xD4 + place] = (_EXT, 0, 1 << place)
    for place, width in enumerate((2, 4)):
        heads[0xDC + place] = (_LIST, width, 0)
        heads[0xDE + place] = (_MAP, width, 0)
    return heads


_HEADS: Final = _heads()
_NESTED: Final = frozenset({_TUPLE, _SET, _COMPLEX, _MAPPING, _ARRAY, _TENSOR, _DESCRIPTION})


def _survey(data: memoryview) -> None:
    """Walk a structure without making anything of it: bound its values and its depth.

    msgspec would make a list of eighty bytes out of each byte of a hostile
    structure, and nest them as deep as the interpreter allows.
    """
    place, end, raw = 0, len(data), 0
    # What is open: values still to come, whether keys are among them, where the bytes must end.
    opened: list[tuple[int, bool, int]] = []
    left, keyed, until = 1, False, end
    while True:
        while left == 0:
            if until >= 0 and place != until:
                raise WireError("an extension that holds more than one value")
            if not opened:
                return
            left, keyed, until = opened.pop()
        if place >= end:
            raise WireError("a structure that ends too early")
        raw += 1
        kind, width, size = _HEADS[data[place]]
        place += 1
        if width:
            size = int.from_bytes(data[place : place + width], "big")
            place += width
        if keyed and left % 2 == 0 and kind != _TEXT:
            raise WireError("a key that is no text")
        left -= 1
        if kind in (_BIN, _TEXT):
            place += size
        elif kind in (_LIST, _MAP):
            opened.append((left, keyed, until))
            left, keyed, until = (2 * size if kind == _MAP else size), kind == _MAP, -1
        elif kind == _EXT:
            if place >= end:
                raise WireError("a structure that ends too early")
            code = data[place]
            place += 1
            if code in _NESTED:
                opened.append((left, keyed, until))
                left, keyed, until = 1, False, place + size
            elif code in (_BIGINT, _DTYPE, _REFERENCE):
                place += size
            else:
                raise WireError(f"extension {code}")
        elif kind == _WRONG:
            raise WireError("a byte that begins nothing")
        if raw > MAX_NODES or len(opened) > _MAX_RAW_DEPTH:
            raise WireError("too many values, or nested too deep")


class _Reader:
    def __init__(self, buffers: memoryview, tensor: Callable[[TensorValue], Any] | None) -> None:
        self.buffers = buffers
        self.tensor = tensor
        self.claimed = 0
        self.keys = 0

    def decode(self, data: memoryview) -> Any:
        return _decode(data, ext_hook=self.extension)

    def array(self, fields: Any) -> np.ndarray[Any, Any]:
        name, shape, offset, nbytes = fields
        if name not in DTYPES or type(shape) is not list or len(shape) > MAX_NDIM:
            raise WireError("an array with a wrong dtype or shape")
        for number in (*shape, offset, nbytes):
            if type(number) is not int or not 0 <= number < 1 << 48:
                raise WireError("an array with a wrong shape or place")
        dtype, here = _READ[name]
        self.claimed += nbytes
        if math.prod(shape) * dtype.itemsize != nbytes or offset + nbytes > len(self.buffers):
            raise WireError("an array whose bytes do not fit its shape")
        if self.claimed > len(self.buffers):
            raise WireError("arrays that overlap")
        flat = _frombuffer(self.buffers[offset : offset + nbytes], dtype=dtype)
        if name == "bool":
            flat = flat.view(np.uint8) != 0
        return flat.reshape(shape).astype(here)

    def extension(self, code: int, data: memoryview) -> Any:
        if code == _BIGINT:
            if len(data) > 1300:
                raise WireError("an integer that is too long")
            return int(bytes(data))
        if code == _DTYPE:
            return DtypeValue(bytes(data[:64]).decode())
        if code == _REFERENCE:
            return Reference(int(bytes(data[:20])))
        fields = self.decode(data)
        if type(fields) is not list:
            raise WireError("an extension that holds no list")
        if code == _TUPLE:
            return tuple(fields)
        if code in (_SET, _MAPPING):
            self.keys += len(fields)
            if self.keys > MAX_KEYS:
                raise WireError(f"more than {MAX_KEYS} keys")
            return frozenset(fields) if code == _SET else dict(fields)
        if code == _COMPLEX:
            real, imag = fields
            return complex(float(real), float(imag))
        if code == _ARRAY:
            return self.array(fields)
        if code == _TENSOR:
            *array, dtype, requires_grad = fields
            if type(dtype) is not str or type(requires_grad) is not bool:
                raise WireError("a tensor with a wrong dtype")
            value = TensorValue(self.array(array), dtype[:32], requires_grad)
            return self.tensor(value) if self.tensor else value
        kind, text, what = fields
        return Description(str(kind)[:200], str(text)[:4000], str(what)[:20])


def unpack(payload: bytes, *, tensor: Callable[[TensorValue], Any] | None = None) -> Any:
    """Read one frame's payload, trusting nothing in it.

    Parameters
    ----------
    payload
        The bytes that :func:`pack` would write.
    tensor
        What makes of each :class:`TensorValue`; by default it stays one.

    Raises
    ------
    WireError
        If `payload` is not a well-formed value within the bounds of this module.
    """
    if len(payload) < 4:
        raise WireError("a frame without a structure")
    (length,) = _LENGTH.unpack_from(payload)
    if length > STRUCTURE_BYTES or 4 + length > len(payload):
        raise WireError("a structure that is too long")
    view = memoryview(payload)
    structure = view[4 : 4 + length]
    _survey(structure)
    try:
        return _Reader(view[4 + length :], tensor).decode(structure)
    except WireError:
        raise
    except (msgspec.DecodeError, RecursionError, ValueError, TypeError, OverflowError) as error:
        raise WireError(f"not a value of the wire: {error}") from error
