"""Neural networks of a notebook: their structure, what a forward pass runs, and given weights.

Layers are taken in the order in which a forward pass runs them, so that nothing
depends on what a student called them or in which order they were registered.
"""

from __future__ import annotations

import builtins
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


def options_of(module: Any) -> dict[str, Any]:
    """Options that a module was constructed with, as far as they are plain values."""
    options: dict[str, Any] = {}
    for name in _OPTIONS:
        value = module.__dict__.get(name)
        if isinstance(value, (bool, int, float, str)) or (
            isinstance(value, tuple) and all(isinstance(v, int) for v in value)
        ):
            options[name] = value
    if "bias" in module._parameters:
        options["bias"] = module._parameters["bias"] is not None
    return options


_STATE = ("weight", "bias", "running_mean", "running_var")


def state_of(module: Any) -> dict[str, Any]:
    """Own parameters and buffers, those of :data:`_STATE` first, then by registration."""
    own = {k: v for k, v in module._parameters.items() if v is not None}
    own |= {
        k: v for k, v in module._buffers.items() if v is not None and k != "num_batches_tracked"
    }
    return {k: own[k] for k in sorted(own, key=lambda k: _STATE.index(k) if k in _STATE else 9)}


class Tracer:
    """Records layers (modules without children, or with parameters of their own) and operations."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.paths = {id(m): path for path, m in model.named_modules()}
        self.layers: list[dict[str, Any]] = []
        self.operations: list[dict[str, Any]] = []
        self.executed: list[Any] = []
        self.handles: list[Any] = []

    def __enter__(self) -> Self:
        for module in self.model.modules():
            if not module._modules or any(p is not None for p in module._parameters.values()):
                self.handles.append(module.register_forward_hook(self._layer))
        self.mode = _operation_recorder(self.operations)
        self.mode.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        self.mode.__exit__(*details)
        for handle in self.handles:
            handle.remove()

    def _layer(self, module: Any, inputs: Any, output: Any) -> None:
        if not any(m is module for m in self.executed):
            self.executed.append(module)
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
    from torch.utils._python_dispatch import TorchDispatchMode

    class Recorder(TorchDispatchMode):
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            result = func(*args, **(kwargs or {}))
            if len(operations) < 20_000:
                operations.append(
                    {
                        "name": func.overloadpacket.__name__,
                        "inputs": [tuple(a.shape) for a in args if isinstance(a, torch.Tensor)],
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
    with Tracer(model) as tracer, no_grad():
        model(*inputs)
    return [state for module in tracer.executed if (state := state_of(module))]


def lay_weights(executed: list[Any], weights: list[dict[str, Any]]) -> None:
    """Lay `weights`, one mapping for each layer with state, into the layers as they executed.

    A bias that the given weights lack becomes zero, so a superfluous bias changes nothing.
    """
    import torch

    stateful = [module for module in executed if state_of(module)]
    if len(stateful) != len(weights):
        raise WeightsDiffer(f"{len(stateful)} layers with weights, {len(weights)} expected")
    for number, (module, given) in enumerate(zip(stateful, weights, strict=True)):
        own = state_of(module)
        for name in given:
            if name not in own:
                raise WeightsDiffer(f"layer {number} ({type(module).__name__}) has no {name}")
        for name, tensor in own.items():
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
