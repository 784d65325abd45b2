"""What the public checks ask of the reference, recorded, and answered again where no reference is.

A call is known by a hash of its arguments, whose floats are cut to what every machine computes
alike (30 bits of a double, 20 of a single): the last digits of a sum differ between machines.
What was never asked is :class:`NotRecorded`, and what must stay unknown is :class:`Concealed`.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any, Final, NoReturn

import msgspec
import numpy as np
import numpy.typing as npt

from grader.checks.plain import plain_array
from grader.checks.reference import Reference
from grader.kernel.caged.agent import torch_tensor
from grader.kernel.caged.wire import WireError, pack, unpack

_KEY_BYTES: Final = 64 << 20
_VALUE_BYTES: Final = 16 << 20
_BITS: Final = {2: 8, 4: 20, 8: 30}
"""Of the significand of a float, by its bytes."""


class NotRecorded(BaseException):
    """The reference is not here, and was not asked this when the pack was made.

    No check may take it for an answer, whatever it catches.

    Attributes
    ----------
    key
        Of the sentence that tells the student why the check is left to the grading.
    """

    def __init__(self, what: str, key: str = "not-in-pack") -> None:
        super().__init__(what)
        self.key = key


class Recorded(msgspec.Struct, frozen=True):
    """What a reference answered: values by name, results by the hash of their call."""

    values: dict[str, bytes] = {}
    calls: dict[str, dict[str, bytes]] = {}

    def __or__(self, other: Recorded) -> Recorded:
        calls = {name: dict(found) for name, found in self.calls.items()}
        for name, found in other.calls.items():
            calls.setdefault(name, {}).update(found)
        return Recorded({**self.values, **other.values}, calls)

    def answers(self) -> Iterator[tuple[str, Any]]:
        """Yield every value and every result, each with its name, or its name and call's hash."""
        for name, data in self.values.items():
            yield name, _thawed(data)
        for name, found in self.calls.items():
            for key, data in found.items():
                yield f"{name} {key}", _thawed(data)


class Recorder:
    """Takes the place of a :class:`Reference` and writes down what each check is answered.

    Attributes
    ----------
    check
        The function whose check is asking.
    by_check
        What each was answered.
    opaque
        What each was given that cannot be written down: classes, models, functions of torch.
    """

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self.check = ""
        self.by_check: dict[str, Recorded] = {}
        self.opaque: dict[str, list[str]] = {}

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._reference, name)
        recorded = self.by_check.setdefault(self.check, Recorded())
        if not inspect.isroutine(value):
            try:
                recorded.values[name] = _frozen(value)
            except WireError:
                self._cannot(name)
            return value
        calls = recorded.calls.setdefault(name, {})

        def answered(*args: Any, **kwargs: Any) -> Any:
            result = value(*args, **kwargs)
            try:
                calls[call_key(name, args, kwargs)] = _frozen(result)
            except WireError:
                self._cannot(name)
            return result

        return answered

    def _cannot(self, name: str) -> None:
        found = self.opaque.setdefault(self.check, [])
        if name not in found:
            found.append(name)


class Replay:
    """Takes the place of a :class:`Reference` with what was recorded.

    Attributes
    ----------
    concealing
        Whether the check that asks now must learn nothing: it is given :class:`Concealed`.
    """

    def __init__(self, recorded: Recorded) -> None:
        self._recorded = recorded
        self.concealing = False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if self.concealing:
            return Concealed()
        if name in self._recorded.values:
            return _thawed(self._recorded.values[name])
        if name not in self._recorded.calls:
            raise NotRecorded(f"reference.{name}")
        calls = self._recorded.calls[name]

        def answered(*args: Any, **kwargs: Any) -> Any:
            try:
                return _thawed(calls[call_key(name, args, kwargs)])
            except (KeyError, WireError):
                raise NotRecorded(f"reference.{name}(…)") from None

        return answered


def call_key(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """Hash a call; equal for arguments that differ by rounding alone.

    Raises
    ------
    WireError
        If an argument is no plain data.
    """
    packed = pack([name, _coarse(list(args)), _coarse(dict(kwargs))], _KEY_BYTES)
    return hashlib.sha256(packed).hexdigest()[:32]


def _coarse(value: Any) -> Any:
    """Return plain data with each array as its dtype, shape and the leading bits of its numbers."""
    if type(value) is float:
        value = np.float64(value)
    if type(value) in (list, tuple):
        return [type(value).__name__, *map(_coarse, value)]
    if isinstance(value, dict):
        return {key: _coarse(item) for key, item in value.items()}
    array = _tensor_array(value)
    if array is None:
        array = plain_array(value)
    if array is None or array.dtype.kind not in "fc":
        return value
    name, shape = str(array.dtype), list(array.shape)
    if array.dtype.kind == "c":
        return [name, shape, _leading(array.real), _leading(array.imag)]
    return [name, shape, _leading(array)]


def _tensor_array(value: Any) -> npt.NDArray[Any] | None:
    if not type(value).__module__.startswith("torch") or not hasattr(value, "detach"):
        return None
    tensor = value.detach().cpu()
    try:
        return np.asarray(tensor.numpy())
    except TypeError:  # bfloat16
        return np.asarray(tensor.float().numpy())


def _leading(array: npt.NDArray[Any]) -> list[Any]:
    """Split floats into the leading bits of their significands and their exponents."""
    finite = np.isfinite(array)
    bits = _BITS.get(array.dtype.itemsize, 30)
    significand, exponent = np.frexp(np.where(finite, array, 0).astype(np.float64))
    leading = np.rint(significand * 2.0**bits).astype(np.int64)
    whole = np.abs(leading) == 1 << bits  # rounded up to the next power of two
    leading = np.where(whole, leading // 2, leading)
    odd = (
        []
        if finite.all()
        else [np.nan_to_num(np.where(finite, 0, array), nan=2, posinf=1, neginf=-1).astype(np.int8)]
    )
    return [leading, (exponent + whole).astype(np.int32), *odd]


def _frozen(value: Any) -> bytes:
    packed = pack(value, _VALUE_BYTES)
    unpack(packed)  # what could not be read again is no recording
    return packed


def _thawed(data: bytes) -> Any:
    return _plain(unpack(data, tensor=torch_tensor))


def _plain(value: Any) -> Any:
    """Give back numbers of numpy as such: the wire knows them as arrays without a dimension."""
    if isinstance(value, np.ndarray):
        return value if value.ndim else value[()]
    if type(value) in (list, tuple):
        return type(value)(_plain(item) for item in value)
    if type(value) is dict:
        return {key: _plain(item) for key, item in value.items()}
    return value


class Concealed:
    """A value of the reference that nobody may learn here; all that is computed of it is one, too."""

    __hash__ = None  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Concealed:
        if name.startswith("__"):
            raise AttributeError(name)
        return Concealed()

    def __call__(self, *args: Any, **kwargs: Any) -> Concealed:
        return Concealed()

    def __getitem__(self, place: Any) -> Concealed:
        return Concealed()

    def __array_ufunc__(self, *args: Any, **kwargs: Any) -> Concealed:
        return Concealed()

    def __array_function__(self, *args: Any, **kwargs: Any) -> Concealed:
        return Concealed()

    def _refuse(self, *args: Any) -> NoReturn:
        raise NotRecorded("a value that stays unknown here")

    __bool__ = __len__ = __iter__ = __int__ = __float__ = __index__ = __str__ = __repr__ = _refuse
    __format__ = __array__ = __complex__ = _refuse


for _name in (
    "add sub mul matmul truediv floordiv mod pow lshift rshift and or xor "
    "radd rsub rmul rmatmul rtruediv rfloordiv rmod rpow rand ror rxor "
    "neg pos abs invert round eq ne lt le gt ge"
).split():
    setattr(Concealed, f"__{_name}__", Concealed.__call__)


def conceals(value: Any) -> bool:
    """Whether something in `value`, which a check expects, is :class:`Concealed`."""
    if isinstance(value, (list, tuple)):
        return any(map(conceals, value))
    if isinstance(value, dict):
        return any(map(conceals, value.values()))
    return isinstance(value, Concealed)
