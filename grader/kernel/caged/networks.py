"""Neural networks of a notebook: their structure, what a forward pass runs, and given weights.

Layers are taken in the order in which a forward pass runs them, so that nothing
depends on what a student called them or in which order they were registered.
"""

from __future__ import annotations

import builtins
from contextlib import nullcontext
from typing import Any, Self

# Student code may replace builtins; these functions keep the ones of now.
globals()["__builtins__"] = dict(vars(builtins))


class WeightsDiffer(Exception):
    """The given weights do not fit the layers that ran; the message says where."""


def shape_of(value: Any) -> Any:
    """Shape of a tensor; of a tuple or list of them, theirs."""
    if isinstance(value, (tuple, list)):
        return [shape_of(v) for v in value]
    shape = getattr(value, "shape", None)
    return tuple(int(n) for n in shape) if shape is not None else None


_OPTIONS = (
    "in_channels out_channels in_features out_features num_features kernel_size stride padding "
    "dilation groups p inplace eps momentum affine start_dim end_dim output_size negative_slope "
    "hidden_size input_size num_layers batch_first bidirectional nonlinearity num_embeddings "
    "embedding_dim normalized_shape dim ceil_mode"
).split()


_PLAIN = (bool, int, float, str)


def options_of(module: Any) -> dict[str, Any]:
    """Options that a module was constructed with, as far as they are plain values."""
    options: dict[str, Any] = {}
    for name in _OPTIONS:
        value = module.__dict__.get(name)
        if type(value) in _PLAIN or (
            type(value) is tuple and all(type(v) in (int, bool) for v in value)
        ):
            options[name] = value
    if "bias" in module._parameters:
        options["bias"] = module._parameters["bias"] is not None
    return options


_COUNTERS = "num_batches_tracked"
_STATE = ("weight", "bias", "running_mean", "running_var")


def state_of(module: Any) -> dict[str, Any]:
    """Own parameters and buffers, those of :data:`_STATE` first, then by registration."""
    own = {k: v for k, v in module._parameters.items() if v is not None}
    own |= {k: v for k, v in module._buffers.items() if v is not None and k != _COUNTERS}
    return {k: own[k] for k in sorted(own, key=lambda k: _STATE.index(k) if k in _STATE else 9)}


def is_layer(module: Any) -> bool:
    """Whether a module computes itself: it has no children, or parameters of its own."""
    return not module._modules or any(p is not None for p in module._parameters.values())


def values_of(model: Any) -> list[Any]:
    """All tensors of a model whose values decide what a forward pass gives."""
    buffers = [b for name, b in model.named_buffers() if not name.endswith(_COUNTERS)]
    return [*model.parameters(), *buffers]


def in_precision_of(model: Any, inputs: list[Any]) -> list[Any]:
    """Return inputs in the floating dtype of `model`: a notebook may compute in double precision."""
    own = next((p.dtype for p in model.parameters() if p.is_floating_point()), None)
    if own is None:
        return inputs
    floating = [getattr(x, "is_floating_point", lambda: False)() for x in inputs]
    return [
        x.to(own) if is_floating else x for x, is_floating in zip(inputs, floating, strict=True)
    ]


class Order:
    """Notes the layers in the order in which they run: see :func:`is_layer`."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.executed: list[Any] = []
        self.known: set[int] = set()
        self.handles: list[Any] = []

    def __enter__(self) -> Self:
        for module in self.model.modules():
            if is_layer(module):
                self.handles.append(module.register_forward_hook(self._layer))
        return self

    def __exit__(self, *details: object) -> None:
        for handle in self.handles:
            handle.remove()

    def _layer(self, module: Any, inputs: Any, output: Any) -> None:
        if id(module) not in self.known:
            self.known.add(id(module))
            self.executed.append(module)


class Tracer(Order):
    """Describes the layers, and with `operations` the tensor operations, at several times the cost."""

    def __init__(self, model: Any, *, operations: bool = False) -> None:
        super().__init__(model)
        self.paths = {id(m): path for path, m in model.named_modules()}
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

    model.eval()
    with Order(model) as order, no_grad():
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
