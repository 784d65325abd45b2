"""Models without values: what a structure costs when nobody asks what it computes.

Making a large network is mostly drawing its initial values, and a forward pass is mostly
multiplying by them. An outline is made with zeros that nobody draws, of which memory is made when
they are written to first; a pass through it multiplies by none of them.
"""

from __future__ import annotations

import builtins
import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

# Student code may replace builtins; these functions keep the ones of now.
globals()["__builtins__"] = dict(vars(builtins))

_LARGE: Final = 1 << 12
"""Numbers of a tensor for which the system, not the heap, is asked for zeros."""


@contextlib.contextmanager
def blank_layers() -> Iterator[None]:
    """Make torch's layers with zeros instead of initial values, as long as this is entered."""
    import torch
    from torch.nn import Linear, init
    from torch.nn.modules.batchnorm import _NormBase
    from torch.nn.modules.conv import _ConvNd

    usual: Callable[..., Any] = torch.empty
    as_usual = usual(0)
    swift = as_usual.dtype == torch.float32 and as_usual.is_cpu

    def empty(*size: Any, **options: Any) -> Any:
        if not swift or any(value is not None for value in options.values()):
            return usual(*size, **options).zero_()
        shape = size if len(size) != 1 or type(size[0]) is int else size[0]
        if isinstance(shape, tuple) and math.prod(shape) >= _LARGE:
            return _zeros(torch, shape)
        return torch.zeros(*size)

    def keep(tensor: Any, *_: Any, **__: Any) -> Any:
        return tensor

    def draw_nothing(_: Any) -> None:
        pass

    blank: dict[tuple[Any, str], Callable[..., Any]] = {(torch, "empty"): empty}
    drawing = [name for name in vars(init) if name.endswith("_") and name[0] != "_"]
    blank |= {(init, name): keep for name in drawing}
    blank |= {(layer, "reset_parameters"): draw_nothing for layer in (_ConvNd, Linear, _NormBase)}
    with _instead(blank):
        yield


@contextlib.contextmanager
def passed_through(model: Any) -> Iterator[None]:
    """Let convolutions of `model`, an outline, give zeros: their weights are no more than that."""
    import torch
    from torch.nn import functional

    usual: Callable[..., Any] = functional.conv2d
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
                return _zeros(torch, shape)
        return usual(input, weight, bias, stride, padding, dilation, groups)

    with _instead({(functional, "conv2d"): conv2d}):
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

    def zeros(tensor: Any) -> Any:
        if not tensor.is_meta:
            return tensor
        if tensor.dtype != torch.float32:
            return torch.zeros(tensor.shape, dtype=tensor.dtype)
        return _zeros(torch, tensor.shape)

    model._apply(zeros)


def _zeros(torch: Any, shape: tuple[int, ...]) -> Any:
    """Return zeros, of which memory is made when they are written to first."""
    return torch.from_numpy(np.zeros(tuple(shape), np.float32))


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
