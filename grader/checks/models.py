"""Neural networks of students: structure, trace and forward pass under given weights.

Nothing depends on what a student called a submodule, on the order in which
they registered it, or on whether they used a layer or a function: the layers
are taken in the order in which a forward pass runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from grader.checks.answer import Answer
from grader.checks.conversation import Conversation, Handle, StudentFunction, to_wire
from grader.checks.outcome import Failed
from grader.course.messages import say
from grader.kernel.caged.agent import Agent
from grader.kernel.caged.wire import TensorValue

T = TypeVar("T")
Weights = list[dict[str, npt.NDArray[Any]]]
"""For each layer with state, in the order of execution: its arrays by name (``weight``, ...)."""


Option = bool | int | float | str | tuple[int, ...]


def _shape_of(value: Any) -> Any:
    """Read what an agent tells for a shape: of a tensor; of some, theirs; None of what has none."""
    if value is None:
        return None
    if type(value) is not list:
        raise ValueError("no shape")
    if all(type(n) is int for n in value):
        return tuple(value)
    return [_shape_of(part) for part in value]


class ModuleFact(msgspec.Struct, frozen=True):
    """One module of a model: where it is, its type and its options."""

    path: str
    type: str
    options: dict[str, Option]


class LayerFact(msgspec.Struct, frozen=True):
    """One layer as a forward pass ran it. Shapes include the batch."""

    path: str
    type: str
    options: dict[str, Option]
    parameters: dict[str, tuple[int, ...]]
    input: Any
    output: Any

    def __post_init__(self) -> None:
        for name in ("input", "output"):
            msgspec.structs.force_setattr(self, name, _shape_of(getattr(self, name)))


class OperationFact(msgspec.Struct, frozen=True):
    """One tensor operation (ATen's name) as a forward pass ran it."""

    name: str
    inputs: list[tuple[int, ...]]
    arguments: list[bool | int | float | list[bool | int | float]]
    output: Any

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "output", _shape_of(self.output))


class Trace(msgspec.Struct, frozen=True):
    """A forward pass: layers, and tensor operations if asked for, in the order in which they ran."""

    layers: list[LayerFact]
    operations: list[OperationFact]
    output: Any

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "output", _shape_of(self.output))


_Parameters = list[tuple[str, tuple[int, ...], bool]]
MAX_FACTS = 8 << 20
"""Bytes of facts about one network that are read."""
_read_modules = msgspec.msgpack.Decoder(list[ModuleFact]).decode
_read_parameters = msgspec.msgpack.Decoder(_Parameters).decode
_read_trace = msgspec.msgpack.Decoder(Trace).decode


class StudentModule:
    """A model of the student's, constructed in their process when it is first needed.

    Its structure needs no values, so it is taken from an outline (zeros instead of initial
    values), which costs little even for millions of parameters, and so does a forward pass
    under given weights; a model that cannot be made as an outline, or holds values besides
    the given ones, is made in full. Every method raises ``Failed`` or ``Missing`` when the
    model cannot be constructed.
    """

    def __init__(
        self,
        conversation: Conversation,
        name: str,
        function: StudentFunction,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> None:
        self._conversation = conversation
        self.name = name
        self._function = function
        self._args = args
        self._kwargs = kwargs

    @cached_property
    def handle(self) -> Handle:
        """The model in full, also as an argument for functions of the student's."""
        return self._function.kept(*self._args, **self._kwargs)

    def _facts(self, handle: Handle, read: Callable[[bytes], T], ask: str, **question: Any) -> T:
        """Ask for facts about the model and `read` them."""
        with self._conversation.probing(self.name) as probe:
            value = probe.ask({"ask": ask, "target": handle.reference, **question})
        try:
            return read(value if type(value) is bytes and len(value) <= MAX_FACTS else b"")
        except (ValueError, RecursionError) as error:  # msgspec's are ValueErrors
            raise Failed(say("died", name=self.name)) from error

    @cached_property
    def _outline(self) -> Handle | None:
        """The model without initial values; None when it cannot be made so."""
        if "handle" in self.__dict__:
            return None
        try:
            return self._function.outlined(*self._args, **self._kwargs)
        except Failed:
            return None  # constructing it in full tells what is really wrong, if anything is

    def _of_outline(self, question: Callable[[Handle], T]) -> T:
        """Ask the outline where that can answer, else the model in full."""
        if self._outline is not None:
            try:
                return question(self._outline)
            except Failed:
                pass
        return question(self.handle)

    @cached_property
    def modules(self) -> list[ModuleFact]:
        """All modules below the model, in the order of registration."""
        modules: list[ModuleFact] = self._of_outline(
            lambda handle: self._facts(handle, _read_modules, "modules")
        )
        return modules

    @cached_property
    def parameters(self) -> list[tuple[str, tuple[int, ...], bool]]:
        """Name, shape and ``requires_grad`` of each parameter tensor."""
        parameters: _Parameters = self._of_outline(
            lambda handle: self._facts(handle, _read_parameters, "parameters")
        )
        return parameters

    @property
    def parameter_count(self) -> int:
        """Number of parameters."""
        return sum(int(np.prod(shape)) for _, shape, _ in self.parameters)

    def trace(self, *inputs: Any, training: bool = False, operations: bool = False) -> Trace:
        """Layers that a forward pass of `inputs` runs; with `operations` those, too."""
        given = [_tensor(x) for x in inputs]
        trace: Trace = self._of_outline(
            lambda handle: self._facts(
                handle, _read_trace, "trace", inputs=given, training=training, operations=operations
            )
        )
        return trace

    def output_shape(self, *inputs: Any) -> Any:
        """Shape of what a forward pass of `inputs` gives; of a tuple or list of tensors, theirs."""
        given = [_tensor(x) for x in inputs]
        trace: Trace = self._of_outline(
            lambda handle: self._facts(handle, _read_trace, "trace", inputs=given, layers=False)
        )
        shape = trace.output
        return tuple(shape) if isinstance(shape, (list, tuple)) else shape

    def forward(
        self, *inputs: Any, weights: Weights | None = None, training: bool = False
    ) -> Answer:
        """Run `inputs` (arrays become float32 tensors) forward, if asked under given weights."""
        self._conversation.record.asked = (
            f"{self.name}(...)({', '.join(_shape(x) for x in inputs)})"
        )
        given = [_tensor(x) for x in inputs]

        def run(handle: Handle) -> Answer:
            question = {
                "ask": "forward",
                "target": handle.reference,
                "inputs": given,
                "weights": weights,
                "training": training,
            }
            return self._conversation.ask(self.name, lambda probe: probe.ask(question))

        return run(self.handle) if weights is None else self._of_outline(run)


def _shape(value: Any) -> str:
    shape = getattr(value, "shape", ())
    return f"<tensor {'×'.join(map(str, shape))}>" if shape else repr(value)


def _tensor(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f":
            value = value.astype(np.float32)
        return TensorValue(value, value.dtype.name)
    return to_wire(value)


def trace_module(model: Any, *inputs: Any, operations: bool = False) -> Trace:
    """Trace a model of the grader's own process as :meth:`StudentModule.trace` does a student's."""
    question = {"target": "model", "inputs": list(inputs), "operations": operations}
    return _read_trace(Agent({"model": model}, 1 << 30).trace(question))


def module_weights(model: Any, *inputs: Any) -> Weights:
    """Weights of a model of the grader's own process, by layer in the order of execution.

    Parameters
    ----------
    model
        An ``nn.Module``.
    inputs
        Tensors for one forward pass, which shows the order.
    """
    from grader.kernel.caged.agent import layers_with_state

    return [
        {name: tensor.detach().numpy().copy() for name, tensor in state.items()}
        for state in layers_with_state(model, *inputs)
    ]
