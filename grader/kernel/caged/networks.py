"""Neural networks of a notebook: their structure, what a forward pass runs, and given weights.

Layers are taken in the order in which a forward pass runs them, so that nothing
depends on what a student called them or in which order they were registered.
"""

from __future__ import annotations

import builtins
from contextlib import nullcontext
from typing import Any, Final, Self

# Student code may replace builtins; these functions keep the ones of now.
globals()["__builtins__"] = dict(vars(builtins))


class WeightsDiffer(Exception):
    """The given weights do not fit the layers that ran; the message says where."""


def shape_of(value: Any) -> Any:
    """Shape of a tensor; of a tuple or list of them, theirs."""
    if isinstance(value, (tuple, list)):
        return [shape_of(v) for v in value]
    shape = getattr(value, "shape", None)
    return tuple(map(int, shape)) if shape is not None else None


Modules = list[tuple[str, Any]]
"""Each module of a model once, with its path."""


def modules_of(model: Any) -> Modules:
    """Every module by its path, as ``named_modules`` gives them; each once, by its first path.

    Not by that method: it is a generator for each level, and takes longer than a layer runs.
    """
    found: Modules = []
    seen: set[int] = set()
    waiting = [("", model)]
    while waiting:
        path, module = waiting.pop()
        if id(module) not in seen:
            seen.add(id(module))
            found.append((path, module))
            if module._modules:
                prefix = f"{path}." if path else ""
                below = [(prefix + name, m) for name, m in module._modules.items() if m is not None]
                waiting += reversed(below)
    return found


def set_training(modules: Modules, mode: bool) -> None:
    """Have a model train or not, as its ``train`` or ``eval`` does, which may be the student's own."""
    from torch.nn import Module

    own = [module.__dict__ for _, module in modules]
    kinds = {type(module) for _, module in modules}
    usual = all(kind.train is Module.train and kind.eval is Module.eval for kind in kinds)
    if usual and not any("train" in values or "eval" in values for values in own):
        for values in own:
            values["training"] = mode
    elif mode:
        modules[0][1].train()
    else:
        modules[0][1].eval()


_OPTION_NAMES = (
    "in_channels out_channels in_features out_features num_features kernel_size stride padding "
    "dilation groups p inplace eps momentum affine start_dim end_dim output_size negative_slope "
    "hidden_size input_size num_layers batch_first bidirectional nonlinearity num_embeddings "
    "embedding_dim normalized_shape dim ceil_mode"
).split()
_OPTIONS: Final = {name: place for place, name in enumerate(_OPTION_NAMES)}


_PLAIN = (bool, int, float, str)


def options_of(module: Any) -> dict[str, Any]:
    """Options that a module was constructed with, as far as they are plain values."""
    options: dict[str, Any] = {}
    own = module.__dict__
    for name in sorted(_OPTIONS.keys() & own.keys(), key=_OPTIONS.__getitem__):
        value = own[name]
        if type(value) in _PLAIN or (
            type(value) is tuple and all(type(v) in (int, bool) for v in value)
        ):
            options[name] = value
    if "bias" in module._parameters:
        options["bias"] = module._parameters["bias"] is not None
    return options


_COUNTERS = "num_batches_tracked"
_STATE = ("weight", "bias", "running_mean", "running_var")
_PLACES: Final = {name: place for place, name in enumerate(_STATE)}


def state_of(module: Any) -> dict[str, Any]:
    """Own parameters and buffers, those of :data:`_STATE` first, then by registration."""
    own = {k: v for k, v in module._parameters.items() if v is not None}
    own |= {k: v for k, v in module._buffers.items() if v is not None and k != _COUNTERS}
    places = [_PLACES.get(k, len(_PLACES)) for k in own]
    if places == sorted(places):  # as nearly all layers have them
        return own
    return dict(sorted(own.items(), key=lambda item: _PLACES.get(item[0], len(_PLACES))))


def is_layer(module: Any) -> bool:
    """Whether a module computes itself: it has no children, or parameters of its own."""
    return not module._modules or any(p is not None for p in module._parameters.values())


def values_of(modules: Modules) -> list[Any]:
    """All tensors of a model whose values decide what a forward pass gives."""
    found: list[Any] = []
    for _, module in modules:
        found += (p for p in module._parameters.values() if p is not None)
        for name, buffer in module._buffers.items():
            if buffer is not None and not name.endswith(_COUNTERS):
                found.append(buffer)
    return found


def in_precision_of(model: Any, inputs: list[Any]) -> list[Any]:
    """Return inputs in the floating dtype of `model`: a notebook may compute in double precision."""
    own = next((p.dtype for p in model.parameters() if p.is_floating_point()), None)
    if own is None:
        return inputs
    floating = [getattr(x, "is_floating_point", lambda: False)() for x in inputs]
    return [
        x.to(own) if is_floating else x for x, is_floating in zip(inputs, floating, strict=True)
    ]


_HOOK: Final = "order"
"""Under which a layer has our hook; those of others are numbered."""


class Order:
    """Notes the layers in the order in which they run: see :func:`is_layer`."""

    def __init__(self, modules: Modules) -> None:
        self.modules = modules
        self.executed: list[Any] = []
        self.known: set[int] = set()

    def __enter__(self) -> Self:
        # As `register_forward_hook` does, but for the handle.
        for _, module in self.modules:
            if is_layer(module):
                module._forward_hooks[_HOOK] = self._layer
        return self

    def __exit__(self, *details: object) -> None:
        for _, module in self.modules:
            module._forward_hooks.pop(_HOOK, None)

    def _layer(self, module: Any, inputs: Any, output: Any) -> None:
        if id(module) not in self.known:
            self.known.add(id(module))
            self.executed.append(module)


class Tracer(Order):
    """Describes the layers, and with `operations` the tensor operations, at several times the cost."""

    def __init__(self, modules: Modules, *, operations: bool = False) -> None:
        super().__init__(modules)
        self.paths = {id(module): path for path, module in self.modules}
        self.layers: list[dict[str, Any]] = []
        self.operations: list[dict[str, Any]] = []
        self.mode = _operation_recorder(self.operations) if operations else nullcontext()

    def __enter__(self) -> Self:
        self.mode.__enter__()
        return super().__enter__()

    def __exit__(self, *details: object) -> None:
        self.mode.__exit__(*details)
        super().__exit__(*details)

    def _layer(self, module: Any, inputs: Any, output: Any) -> None:
        super()._layer(module, inputs, output)
        self.layers.append(
            {
                "path": self.paths.get(id(module), ""),
                "type": type(module).__name__,
                "options": options_of(module),
                "parameters": {k: tuple(v.shape) for k, v in state_of(module).items()},
                "input": shape_of(inputs[0]) if inputs else None,
                "output": shape_of(output),
            }
        )


def _operation_recorder(operations: list[dict[str, Any]]) -> Any:
    """A dispatch mode that notes each ATen operation: its name, its shapes, its plain arguments."""
    import torch
    from torch.nn.parameter import is_lazy
    from torch.utils._python_dispatch import TorchDispatchMode

    def has_shape(value: Any) -> bool:
        return isinstance(value, torch.Tensor) and not is_lazy(value)

    class Recorder(TorchDispatchMode):
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            result = func(*args, **(kwargs or {}))
            if len(operations) < 20_000:
                operations.append(
                    {
                        "name": func.overloadpacket.__name__,
                        "inputs": [tuple(a.shape) for a in args if has_shape(a)],
                        "arguments": [
                            list(a) if isinstance(a, (list, tuple)) else a
                            for a in args
                            if isinstance(a, (bool, int, float))
                            or (
                                isinstance(a, (list, tuple))
                                and all(isinstance(x, (bool, int, float)) for x in a)
                            )
                        ],
                        "output": shape_of(result),
                    }
                )
            return result

    return Recorder()  # type: ignore[no-untyped-call]


def layers_with_state(model: Any, *inputs: Any) -> list[dict[str, Any]]:
    """Parameters and buffers of each layer that has any, in the order of a forward pass."""
    from torch import no_grad

    modules = modules_of(model)
    set_training(modules, False)
    with Order(modules) as order, no_grad():
        model(*inputs)
    return [state for module in order.executed if (state := state_of(module))]


def lay_weights(executed: list[Any], weights: list[dict[str, Any]]) -> set[int]:
    """Lay `weights`, one mapping for each layer with state, into the layers as they executed.

    Returns the identities of the tensors that have values now. A bias that the given weights lack becomes zero, so a superfluous bias changes nothing.
    """
    import torch

    stateful = [module for module in executed if state_of(module)]
    if len(stateful) != len(weights):
        raise WeightsDiffer(f"{len(stateful)} layers with weights, {len(weights)} expected")
    laid = set()
    for number, (module, given) in enumerate(zip(stateful, weights, strict=True)):
        own = state_of(module)
        for name in given:
            if name not in own:
                raise WeightsDiffer(f"layer {number} ({type(module).__name__}) has no {name}")
        for name, tensor in own.items():
            laid.add(id(tensor))
            if name not in given:
                if name != "bias":
                    raise WeightsDiffer(f"layer {number} ({type(module).__name__}) has {name}")
                tensor.zero_()
                continue
            value = given[name]
            squeezed = [n for n in tensor.shape if n != 1]
            if squeezed != [n for n in value.shape if n != 1]:
                raise WeightsDiffer(
                    f"layer {number} ({type(module).__name__}) {name} has shape "
                    f"{tuple(tensor.shape)}, {tuple(value.shape)} expected"
                )
            tensor.copy_(torch.from_numpy(value).reshape(tensor.shape))
    return laid
