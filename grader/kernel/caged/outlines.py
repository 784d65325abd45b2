"""Models without values: what a structure costs when nobody asks what it computes.

Making a large network is mostly drawing its initial values, and a forward pass is mostly
multiplying by them. An outline is made with zeros that nobody draws, of which memory is made when
they are written to first; a pass through it multiplies by none of them.
"""

from __future__ import annotations

import builtins
import contextlib
import math
import mmap
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

# Student code may replace builtins; these functions keep the ones of now.
globals()["__builtins__"] = dict(vars(builtins))

_LARGE: Final = 1 << 12
"""Numbers of a tensor for which the system, not the heap, is asked for zeros."""
_SHEET: Final = 1 << 22
"""Numbers for which it is asked at once."""


@contextlib.contextmanager
def blank_layers() -> Iterator[None]:
    """Make torch's layers with zeros instead of initial values, as long as this is entered."""
    import torch
    from torch.nn import Linear, init
    from torch.nn.modules.batchnorm import _NormBase
    from torch.nn.modules.conv import _ConvNd
    from torch.utils._device import _device_constructors

    _device_constructors()  # where torch.empty is listed, once: its own, not the one below
    usual: Callable[..., Any] = torch.empty
    sheet = _Sheet(torch)

    def empty(*size: Any, **options: Any) -> Any:
        if any(value is not None for value in options.values()) or not _is_usual(torch):
            return usual(*size, **options).zero_()
        shape = size if len(size) != 1 or type(size[0]) is int else size[0]
        if isinstance(shape, tuple) and math.prod(shape) >= _LARGE:
            return sheet.zeros(shape)
        return torch.zeros(*size)

    def keep(tensor: Any, *_: Any, **__: Any) -> Any:
        return tensor

    def draw_nothing(_: Any) -> None:
        pass

    blank: dict[tuple[Any, str], Callable[..., Any]] = {(torch, "empty"): empty}
    drawing = [name for name in vars(init) if name.endswith("_") and name[0] != "_"]
    blank |= {(init, name): keep for name in drawing}
    blank |= {(layer, "reset_parameters"): draw_nothing for layer in (_ConvNd, Linear, _NormBase)}
    blank |= _Moulds(torch, sheet).constructors()
    with _instead(blank):
        yield


def _is_usual(torch: Any) -> bool:
    """Whether a new tensor has 32 bits and is in memory, and nothing watches how it is made."""
    return torch.get_default_dtype() is torch.float32 and not torch._C._len_torch_function_stack()


class _Moulds:
    """Constructors that make a layer as one of its kind was made, but for its sizes.

    A network of a hundred layers is made in half the time: what torch checks and sets up for each
    is the same. Where anything is unusual, torch's own constructor is called.
    """

    def __init__(self, torch: Any, sheet: _Sheet) -> None:
        self.torch = torch
        self.sheet = sheet
        self.moulds: dict[Any, dict[str, Any]] = {}

    def constructors(self) -> dict[tuple[Any, str], Callable[..., Any]]:
        """Return those that take the place of torch's own, where those are still in place."""
        nn = self.torch.nn
        kinds: dict[Any, Callable[..., bool]] = {
            nn.Conv2d: self._conv2d,
            nn.BatchNorm2d: self._batch_norm2d,
            nn.ReLU: self._activation,
            nn.ReLU6: self._activation,
        }
        found = {}
        for kind, make in kinds.items():
            bases = [base for base in kind.__mro__[:-1] if "__init__" in vars(base)]
            if all(map(_is_torchs_own, bases)):
                usual = vars(bases[0])["__init__"]
                found[bases[0], "__init__"] = self._constructor(kind, usual, make)
        return found

    def _constructor(
        self, kind: Any, usual: Callable[..., None], make: Callable[..., bool]
    ) -> Callable[..., None]:
        hooks = self.torch.nn.modules.module
        watched = (
            hooks._global_parameter_registration_hooks,
            hooks._global_buffer_registration_hooks,
        )

        def construct(layer: Any, *args: Any, **options: Any) -> None:
            if type(layer) is kind and not any(watched) and _is_usual(self.torch):
                try:
                    done = make(layer, usual, *args, **options)
                except TypeError:  # other arguments than are known here
                    done = False
                if done:
                    return
            usual(layer, *args, **options)

        return construct

    def _conv2d(
        self,
        layer: Any,
        usual: Callable[..., None],
        in_channels: Any,
        out_channels: Any,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: Any = 1,
        bias: Any = True,
        padding_mode: Any = "zeros",
    ) -> bool:
        sizes = (in_channels, out_channels, groups)
        if any(type(size) is not int or size <= 0 for size in sizes):
            return False
        if in_channels % groups or out_channels % groups:
            return False
        options = (kernel_size, stride, padding, dilation, bias, padding_mode)
        found = self._mould(type(layer), options)
        if found is None:
            usual(layer, in_channels, out_channels, *options[:4], groups, *options[4:])
            return self._keep(layer, options)
        parameters = {
            "weight": (out_channels, in_channels // groups, *found["kernel_size"]),
            "bias": (out_channels,),
        }
        self._pour(layer, found, parameters)
        vars(layer).update(in_channels=in_channels, out_channels=out_channels, groups=groups)
        return True

    def _batch_norm2d(
        self,
        layer: Any,
        usual: Callable[..., None],
        num_features: Any,
        eps: Any = 1e-5,
        momentum: Any = 0.1,
        affine: Any = True,
        track_running_stats: Any = True,
    ) -> bool:
        if type(num_features) is not int or num_features <= 0:
            return False
        options = (eps, momentum, affine, track_running_stats)
        found = self._mould(type(layer), options)
        if found is None:
            usual(layer, num_features, *options)
            return self._keep(layer, options)
        self._pour(layer, found, dict.fromkeys(("weight", "bias"), (num_features,)))
        vars(layer)["num_features"] = num_features
        buffers = layer._buffers
        if buffers["running_mean"] is not None:
            torch = self.torch
            buffers["running_mean"] = torch.zeros(num_features)
            buffers["running_var"] = torch.ones(num_features)
            buffers["num_batches_tracked"] = torch.tensor(0)
        return True

    def _activation(self, layer: Any, usual: Callable[..., None], inplace: Any = False) -> bool:
        found = self._mould(type(layer), (inplace,))
        if found is None:
            usual(layer, inplace)
            return self._keep(layer, (inplace,))
        self._pour(layer, found, {})
        return True

    def _mould(self, kind: Any, options: tuple[Any, ...]) -> dict[str, Any] | None:
        if not all(map(_is_plain, options)):
            return None
        return self.moulds.get((kind, *map(type, options), *options))

    def _keep(self, layer: Any, options: tuple[Any, ...]) -> bool:
        """Keep what torch gave a layer, which is made by now, as it is before anything changes it."""
        if all(map(_is_plain, options)):
            own = vars(layer).copy()
            own |= {name: dict(own[name]) for name in ("_parameters", "_buffers")}
            self.moulds[(type(layer), *map(type, options), *options)] = own
        return True

    def _pour(self, layer: Any, mould: dict[str, Any], shapes: dict[str, tuple[int, ...]]) -> None:
        """Give a layer what the mould has, with containers and parameters of its own."""
        own = vars(layer)
        own.update(mould)
        for name, value in mould.items():
            kind = type(value)
            if kind in _CONTAINERS:
                own[name] = kind(value) if kind is list else kind()
        parameter, zeros = self.torch.nn.Parameter, self.sheet.zeros
        own["_parameters"] = {
            name: value if value is None else parameter(zeros(shapes[name]))
            for name, value in mould["_parameters"].items()
        }
        own["_buffers"] = dict(mould["_buffers"])


def _is_torchs_own(layer: Any) -> bool:
    """Whether the constructor of a class is the one that its module defines."""
    code = getattr(vars(layer)["__init__"], "__code__", None)
    source = getattr(sys.modules.get(layer.__module__), "__file__", None)
    return code is not None and code.co_filename == source


def _is_plain(option: Any) -> bool:
    """Whether an option is all that its type and its value tell: 3 and 3.0 are not the same."""
    if type(option) is tuple:
        return all(type(n) is int for n in option)
    return option is None or type(option) in (bool, int, float, str)


_CONTAINERS: Final = (dict, OrderedDict, set, list)


class _Sheet:
    """Zeros for many tensors, asked for at once; memory is made where they are written to first."""

    def __init__(self, torch: Any, least: int = _LARGE) -> None:
        self.torch = torch
        self.least = least  # numbers of a tensor that is not left to the heap
        self.left = np.zeros(0, np.float32)
        self.spans: list[tuple[int, int, Any]] = []  # start, end, owner

    def zeros(self, shape: tuple[int, ...]) -> Any:
        """Return a tensor of zeros, of which no other tensor has a part."""
        count = math.prod(shape)
        if count < self.least:
            return self.torch.zeros(shape, dtype=self.torch.float32, device="cpu")
        room = -(-count // 16) * 16  # tensors begin at multiples of 64 bytes
        if room > self.left.size:
            self.left = self._asked_for(max(room, _SHEET))
        part, self.left = self.left[:count], self.left[room:]
        return self.torch.from_numpy(part.reshape(shape))

    def _asked_for(self, count: int) -> Any:
        # Not numpy's zeros: after large arrays were freed, the heap gives them, and fills them.
        memory = mmap.mmap(-1, 4 * count, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        numbers = np.frombuffer(memory, np.float32)
        start = numbers.__array_interface__["data"][0]
        self.spans.append((start, start + 4 * count, numbers))
        return numbers

    def holds(self, tensor: Any) -> bool:
        """Whether a tensor has its memory here."""
        place = tensor.data_ptr()
        return any(start <= place < end for start, end, _ in self.spans)


@contextlib.contextmanager
def passed_through(model: Any) -> Iterator[None]:
    """Let convolutions of `model`, an outline, give zeros: their weights are no more than that.

    What follows them, normalisation and activations, gives zeros, too.
    """
    import torch
    from torch.nn import functional

    usual: dict[str, Callable[..., Any]] = {
        name: vars(functional)[name]
        for name in ("conv2d", "batch_norm", "relu", "relu6", "hardtanh")
    }
    sheet = _Sheet(torch, 1)
    weights = {id(tensor) for tensor in model.parameters()}

    def conv2d(
        input: Any,  # noqa: A002 - torch's name
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: Any = 1,
    ) -> Any:
        options = (stride, padding, dilation)
        if id(weight) in weights and all(type(option) is tuple for option in options):
            shape = _shape_after(input, weight, *options, groups)
            if shape is not None:
                return sheet.zeros(shape)
        return usual["conv2d"](input, weight, bias, stride, padding, dilation, groups)

    def is_zeros(x: Any) -> bool:
        return type(x) is torch.Tensor and x.dtype == torch.float32 and sheet.holds(x)

    def batch_norm(
        input: Any,  # noqa: A002 - torch's name
        running_mean: Any,
        running_var: Any,
        weight: Any = None,
        bias: Any = None,
        training: Any = False,
        momentum: Any = 0.1,
        eps: Any = 1e-5,
    ) -> Any:
        given = (running_mean, running_var, weight, bias)
        if is_zeros(input) and input.dim() == 4 and eps > 0:
            batch, wide, high, long = input.shape
            fit = all(tensor.shape == (wide,) for tensor in given if tensor is not None)
            can = batch * high * long > 1 if training else running_mean is not None
            if fit and can:
                return sheet.zeros(input.shape)
        return usual["batch_norm"](input, *given, training, momentum, eps)

    def after(name: str, place: int) -> Callable[..., Any]:
        """An activation, whose argument of that place says whether it overwrites its input."""

        def activate(input: Any, *options: Any, **named: Any) -> Any:  # noqa: A002 - torch's name
            if not is_zeros(input) or named.keys() - {"inplace", "min_val", "max_val"}:
                return usual[name](input, *options, **named)
            inplace = named.get("inplace", options[place] if len(options) > place else False)
            return input if inplace else sheet.zeros(input.shape)

        return activate

    instead: dict[str, Callable[..., Any]] = {"conv2d": conv2d, "batch_norm": batch_norm}
    instead |= {"relu": after("relu", 0), "relu6": after("relu6", 0)}
    instead["hardtanh"] = after("hardtanh", 2)
    with _instead({(functional, name): function for name, function in instead.items()}):
        yield


def _shape_after(
    x: Any,
    weight: Any,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> tuple[int, ...] | None:
    """Shape that a convolution of `x` has; None where torch should say what is wrong with it."""
    wide, given, *kernel = weight.shape
    if x.dim() != 4 or x.dtype != weight.dtype or not (x.is_cpu and x.is_contiguous()):
        return None
    if x.shape[1] != given * groups or wide % groups or str(x.dtype) != "torch.float32":
        return None
    sizes = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(x.shape[2:], kernel, stride, padding, dilation, strict=True)
    ]
    return (x.shape[0], wide, *sizes) if min(sizes) > 0 else None


def fill_with_zeros(model: Any) -> None:
    """Give the tensors of a model that have none values: zeros."""
    import torch

    sheet = _Sheet(torch)

    def zeros(tensor: Any) -> Any:
        if not tensor.is_meta:
            return tensor
        if tensor.dtype != torch.float32:
            return torch.zeros(tensor.shape, dtype=tensor.dtype, device="cpu")
        return sheet.zeros(tuple(tensor.shape))

    model._apply(zeros)


@contextlib.contextmanager
def _instead(functions: dict[tuple[Any, str], Callable[..., Any]]) -> Iterator[None]:
    """Put other functions in the place of those that objects have, and give them back at the end."""
    usual = {(holder, name): vars(holder)[name] for holder, name in functions}
    try:
        for (holder, name), function in functions.items():
            setattr(holder, name, function)
        yield
    finally:
        for (holder, name), function in usual.items():
            setattr(holder, name, function)
