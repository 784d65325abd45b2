"""Answers the grader's questions about an executed notebook, in a fork of it.

A question is a mapping with the key ``ask``; an answer is a mapping with
either ``value``, or ``raised`` (the student's code raised), or ``refused``
(the question cannot be answered: no such name, no value of the wire). The
agent compares nothing and knows no expected value.
"""

from __future__ import annotations

import builtins
import inspect
import io
import os
import socket
import sys
import threading
import traceback
import types
from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from typing import Any

# Student code may replace builtins; these functions keep the ones of now.
globals()["__builtins__"] = dict(vars(builtins))

import msgspec  # noqa: E402
import numpy as np  # noqa: E402

from . import wire  # noqa: E402
from .figures import draw_nothing  # noqa: E402
from .frames import Closed, receive_frame, send_frame  # noqa: E402
from .networks import (  # noqa: E402
    Modules,
    Order,
    Tracer,
    WeightsDiffer,
    in_precision_of,
    lay_weights,
    layers_with_state,
    modules_of,
    options_of,
    set_training,
    shape_of,
    values_of,
)
from .outlines import blank_layers, fill_with_zeros, passed_through  # noqa: E402
from .settled import Settled  # noqa: E402
from .wire import (  # noqa: E402
    Description,
    Reference,
    Size,
    TensorValue,
    WireError,
    pack,
    size_of,
    unpack,
)

VARIABLE_BYTES = 1 << 20
"""Largest variable that is sent unasked; others are described and can be asked for by name."""
VARIABLES_BYTES = 16 << 20
REQUEST_BYTES = 1 << 30
MAX_VARIABLES = 2000
MAX_NAME = 200
"""Longest name of a variable or a type, in characters."""

_encode = msgspec.msgpack.Encoder().encode

__all__ = ["Agent", "layers_with_state", "serve"]

_PLAIN_ARGUMENTS = (bool, int, float, str)
_PLAIN_KINDS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType)
_type_of = type


class _Refused(Exception):
    """The question has no answer; the message says why."""


def _text(text: str, length: int = MAX_NAME) -> str:
    """Text that has a place on the wire: not too long, no half of a surrogate pair."""
    return text[:length].encode("utf-8", "replace").decode()


def describe(value: Any) -> Description:
    """Describe a value by its type alone: its ``repr`` would be student code."""
    kind = _type_of(value)
    name = _text(f"{kind.__module__}.{kind.__qualname__}")
    if kind in _PLAIN_KINDS:
        return Description(name, "", "function")
    if isinstance(value, type):
        return Description(_text(f"{value.__module__}.{value.__qualname__}"), "", "class")
    if kind is types.ModuleType:
        return Description(_text(str(value.__name__)), "", "module")
    return Description(name, "", "object")


class Line:
    """The socket to the grader, as functions that the grader computes are called over it.

    Only from the process that answers, and by one of its threads at a time.
    """

    def __init__(self, sock: socket.socket, limit: int) -> None:
        self.sock = sock
        self.limit = limit
        self.lock = threading.RLock()
        self.owner = os.getpid()

    def call(self, number: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the grader's function `number`; what it cannot take is an exception here."""
        if os.getpid() != self.owner:
            raise RuntimeError("this function cannot be called from another process")
        call = {
            "called": number,
            "args": [self._sendable(value) for value in args],
            "kwargs": {str(name): self._sendable(value) for name, value in kwargs.items()},
        }
        with self.lock:
            send_frame(self.sock, pack(call, self.limit))
            payload, _ = receive_frame(self.sock, REQUEST_BYTES)
        return self.answer(unpack(payload, tensor=torch_tensor))

    def answer(self, answer: dict[str, Any]) -> Any:
        """Return what the grader told, or raise what it raised."""
        if "raised" in answer:
            raise _CALLERS_FAULT.get(answer["raised"], ValueError)(answer["message"])
        return answer["value"]

    def _sendable(self, value: Any) -> Any:
        try:
            size_of(value, self.limit)
        except WireError:
            return describe(value)
        return value


_CALLERS_FAULT: dict[str, type[Exception]] = {
    kind.__name__: kind for kind in (TypeError, ValueError, KeyError, IndexError, ArithmeticError)
}


class Agent:
    """The questions that can be asked, and what is kept between them."""

    def __init__(
        self,
        namespace: dict[str, Any],
        limit: int,
        hidden: frozenset[str] = frozenset(),
        cells: dict[str, int] | None = None,
        seed: Callable[[], None] = lambda: None,
        line: Line | None = None,
    ) -> None:
        self.namespace = namespace
        self.seed = seed
        self.line = line
        self.hidden = hidden
        self.cells = cells or {}
        self.limit = limit
        self.kept: list[Any] = []
        self.asked: set[str] = set()  # names that were asked for since the turn began
        self.alone = True  # whether nothing was used that another turn had made
        self.at_first = Settled(namespace)
        self.outlines: list[Any] = []  # models that were made without values
        self.drawn: dict[tuple[Any, ...], tuple[Any, Any]] = {}  # function and outline by call
        self.order: tuple[Any, Any, list[Any]] = (
            None,
            None,
            [],
        )  # of the last trace: whose, inputs
        self.questions: dict[str, Callable[[dict[str, Any]], Any]] = {
            "begin": self.begin,
            "settled": self.settled,
            "variables": self.variables,
            "value": self.value,
            "array": self.array,
            "call": self.call,
            "make": self.make,
            "attribute": self.attribute,
            "callback": self.callback,
            "signature": self.signature,
            "modules": self.modules,
            "parameters": self.parameters,
            "trace": self.trace,
            "forward": self.forward,
        }

    def answer(self, question: dict[str, Any]) -> bytes:
        """Return the packed answer to one question."""
        try:
            value = self.questions[question["ask"]](question)
            return self._packed(value)
        except _Refused as refusal:
            return pack({"refused": str(refusal)}, self.limit)
        except WeightsDiffer as difference:
            return pack({"refused": f"weights:{difference}"}, self.limit)
        except WireError as error:
            return pack({"refused": "wire", "because": _text(str(error), 500)}, self.limit)
        except BaseException as error:  # whatever student code raises is an answer
            return pack({"raised": self._raised(error)}, self.limit)

    def _packed(self, value: Any) -> bytes:
        try:
            return pack({"value": value}, self.limit)
        except WireError as error:
            text = str(error)
            described = describe(value)
            if text.startswith("a value of type"):
                return pack({"value": described}, self.limit)
            described = Description(described.type, _text(text, 500), "too-large")
            return pack({"value": described}, self.limit)

    def _target(self, target: Any) -> Any:
        if type(target) is Reference:
            return self.kept[target.number]
        self.asked.add(target)
        if target not in self.namespace:
            raise _Refused(f"no-name:{target}")
        return self.namespace[target]

    def _resolve(self, value: Any) -> Any:
        if type(value) is Reference:
            return self.kept[value.number]
        if type(value) is list:
            return [self._resolve(v) for v in value]
        if type(value) is tuple:
            return tuple(self._resolve(v) for v in value)
        if type(value) is dict:
            return {k: self._resolve(v) for k, v in value.items()}
        return value

    def _keep(self, value: Any) -> Reference:
        self.kept.append(value)
        return Reference(len(self.kept) - 1)

    def begin(self, question: dict[str, Any]) -> None:
        """Forget what was kept, and seed all generators as they were at the start."""
        self.kept.clear()
        self.asked.clear()
        self.alone = True
        self.outlines.clear()
        self.order = (None, None, [])
        torch = sys.modules.get("torch")
        if torch is not None:
            torch.set_grad_enabled(True)
        self.seed()

    def settled(self, question: dict[str, Any]) -> bool:
        """Whether no earlier turn can have changed what was answered in this one.

        What student code does to this answer can only keep it from a second try.
        """
        return self.alone and self.at_first.are(self.asked)

    def variables(self, question: dict[str, Any]) -> dict[str, Any]:
        """Every variable of the notebook; what is large or no value is described."""
        found: dict[str, Any] = {}
        left = Size(
            nodes=wire.MAX_NODES // 2,
            keys=wire.MAX_KEYS,
            structure=wire.STRUCTURE_BYTES // 2,
            arrays=min(VARIABLES_BYTES, self.limit),
        )
        for name, value in list(self.namespace.items()):
            if type(name) is not str or name in self.hidden or name.startswith("_"):
                continue
            if name != _text(name):
                continue
            if _type_of(value) is types.ModuleType or len(found) >= MAX_VARIABLES:
                continue
            try:
                left = left.without(size_of(value, VARIABLE_BYTES))
                found[name] = value
            except WireError as error:
                described = describe(value)
                if not str(error).startswith("a value of type"):
                    described = Description(described.type, _text(str(error), 500), "too-large")
                found[name] = described
            except Exception as error:
                found[name] = Description(describe(value).type, _text(str(error)), "object")
        return found

    def value(self, question: dict[str, Any]) -> Any:
        return self._target(question["target"])

    def array(self, question: dict[str, Any]) -> Any:
        """A value as an array, where its type knows how (a table of pandas, a list too long)."""
        value = self._target(question["target"])
        if hasattr(type(value), "__array__") or _type_of(value) in (list, tuple):
            return np.asarray(value)
        return value

    def call(self, question: dict[str, Any]) -> Any:
        """Call a function of the notebook; ``keep`` asks for a reference to the result.

        With ``outline`` it makes a model whose layers hold zeros instead of initial values: its
        structure is all there, at a part of the cost.
        """
        function = self._target(question["target"])
        if not callable(function):
            raise _Refused("not-callable")
        arguments = self._resolve(question["args"])
        keywords = self._resolve(question["kwargs"])
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):
            signature = None  # a builtin without one: the call itself will tell
        for names in question.get("choices", ()):
            known = () if signature is None else signature.parameters
            accepted = next((name for name in names if name in known), names[0])
            keywords[accepted] = keywords.pop(names[0])
        try:
            if signature is not None:
                signature.bind(*arguments, **keywords)
        except TypeError as error:
            raise _Refused(f"arguments:{error}") from None
        if question.get("outline"):
            return self._keep(self._outline_of(function, arguments, keywords))
        result = function(*arguments, **keywords)
        if isinstance(result, types.GeneratorType):
            result = [item for item, _ in zip(result, range(10_000), strict=False)]
        return self._keep(result) if question.get("keep") else result

    def _outline_of(self, function: Any, arguments: list[Any], keywords: dict[str, Any]) -> Any:
        """The outline that a function makes of plain arguments: once for all checks."""
        given = [*arguments, *keywords.values()]
        call = (id(function), len(arguments), *keywords, *map(_type_of, given), *given)
        plain = all(_type_of(value) in _PLAIN_ARGUMENTS for value in given)
        if plain and call in self.drawn:
            _, model = self.drawn[call]
            self.alone &= any(model is one for one in self.outlines)
        else:
            with blank_layers():
                model = function(*arguments, **keywords)
            if plain:
                self.drawn[call] = (function, model)
        self.outlines.append(model)
        return model

    def make(self, question: dict[str, Any]) -> Reference:
        """Run a piece of the grader's own source here and keep what its function returns."""
        scope: dict[str, Any] = {"__name__": "question"}
        exec(compile(question["source"], "<question>", "exec"), scope)
        return self._keep(scope[question["name"]](*self._resolve(question["args"])))

    def attribute(self, question: dict[str, Any]) -> Any:
        value = self._target(question["target"])
        for step in question["path"]:
            value = getattr(value, step) if type(step) is str else value[step]
        return self._keep(value) if question.get("keep") else value

    def callback(self, question: dict[str, Any]) -> Reference:
        """A function that the grader computes: student code calls it, and gets its value."""
        line, number = self.line, question["number"]
        if line is None:
            raise _Refused("nobody-to-call")

        def call(*args: Any, **kwargs: Any) -> Any:
            return line.call(number, args, kwargs)

        call.__name__ = call.__qualname__ = question["name"]
        return self._keep(call)

    def signature(self, question: dict[str, Any]) -> Any:
        function = self._target(question["target"])
        if not callable(function):
            raise _Refused("not-callable")
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):
            raise _Refused("no-signature") from None
        return [
            {"name": p.name, "kind": p.kind.name, "default": p.default is not p.empty}
            for p in parameters
        ]

    def _raised(self, error: BaseException) -> dict[str, Any]:
        """Type, message and the frames of an exception that lie in the notebook's cells."""
        frames = [
            {
                "count": self.cells[frame.f_code.co_filename],
                "line": line,
                "function": _text(frame.f_code.co_name),
            }
            for frame, line in traceback.walk_tb(error.__traceback__)
            if frame.f_code.co_filename in self.cells
        ]
        try:
            message = _text(str(error), 2000)
        except BaseException:  # __str__ of an exception is student code too
            message = ""
        return {
            "type": _text(type(error).__name__, 100),
            "message": message,
            "frames": frames[-20:],
        }

    # -- torch modules ------------------------------------------------------------

    # Facts about a network are many and small: they travel as one piece of msgpack, which the
    # grader reads as the records that it expects.

    def modules(self, question: dict[str, Any]) -> bytes:
        """Structure of an ``nn.Module``: its modules with their options."""
        return _encode(
            [
                {"path": path, "type": type(m).__name__, "options": options_of(m)}
                for path, m in modules_of(self._module(question["target"]))
                if path
            ]
        )

    def parameters(self, question: dict[str, Any]) -> bytes:
        """Name, shape and ``requires_grad`` of every parameter of an ``nn.Module``."""
        named = self._module(question["target"]).named_parameters()
        return _encode([(name, shape_of(p), p.requires_grad) for name, p in named])

    def trace(self, question: dict[str, Any]) -> bytes:
        """Layers in the order in which a forward pass runs them, if asked with its operations."""
        from torch import no_grad

        model = self._module(question["target"])
        modules = modules_of(model)
        set_training(modules, bool(question.get("training")))
        inputs = in_precision_of(model, self._resolve(question["inputs"]))
        operations = bool(question.get("operations"))
        swift = self._is_outline(model, modules) and not operations
        layers = question.get("layers", True)
        order = Tracer(modules, operations=operations) if layers else Order(modules)
        with order, no_grad(), passed_through(model) if swift else nullcontext():
            output = model(*inputs)
        self.order = (model, shape_of(inputs), order.executed)
        return _encode(
            {
                "layers": order.layers if isinstance(order, Tracer) else [],
                "operations": order.operations if isinstance(order, Tracer) else [],
                "output": shape_of(output),
            }
        )

    def forward(self, question: dict[str, Any]) -> Any:
        """Forward pass, if asked under given weights laid into the layers as they execute.

        An outline gets its values here: all of them given, or it is refused.
        """
        from torch import no_grad

        model = self._module(question["target"])
        modules = modules_of(model)
        inputs = in_precision_of(model, self._resolve(question["inputs"]))
        weights = question["weights"]
        with no_grad():
            if weights is not None:
                outline = self._is_outline(model, modules)
                set_training(modules, False)
                traced, shapes, executed = self.order
                if traced is not model or shapes != shape_of(inputs):
                    passing = passed_through(model) if outline else nullcontext()
                    with Order(modules) as order, passing:
                        model(*deepcopy(inputs))
                    executed = order.executed
                laid = lay_weights(executed, weights)
                if outline and not laid.issuperset(map(id, values_of(modules))):
                    raise _Refused("outline")
            set_training(modules, bool(question["training"]))
            return model(*inputs)

    def _is_outline(self, model: Any, modules: Modules) -> bool:
        """Whether a model was made without values; what has none at all gets zeros."""
        outline = any(model is one for one in self.outlines)
        if any(tensor.is_meta for tensor in values_of(modules)):
            fill_with_zeros(model)
            if not outline:
                self.outlines.append(model)
            return True
        return outline

    def _module(self, target: Any) -> Any:
        from torch.nn import Module

        model = self._target(target)
        if not isinstance(model, Module):
            raise _Refused("not-a-module")
        return model


def torch_tensor(value: TensorValue) -> Any:
    """Make the tensor that a question brings."""
    import torch

    tensor = torch.from_numpy(value.array)
    if value.dtype == "bfloat16":
        tensor = tensor.bfloat16()
    return tensor.requires_grad_() if value.requires_grad else tensor


def serve(
    sock: socket.socket,
    namespace: dict[str, Any],
    limit: int,
    hidden: frozenset[str] = frozenset(),
    cells: dict[str, int] | None = None,
    seed: Callable[[], None] = lambda: None,
) -> None:
    """Answer questions on `sock` until the grader closes it.

    Parameters
    ----------
    sock
        A stream socket to the grader.
    namespace
        Global names of the executed notebook.
    limit
        Largest answer in bytes.
    hidden
        Names that the shell itself put into the namespace.
    cells
        Execution count by code file name, so that an exception can name its cell.
    seed
        Brings every random generator into the state in which a question finds it.

    Standard output of the student's functions is dropped here: their answer
    is what they return.
    """
    sink = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(sink, descriptor)
    sys.stdout = sys.stderr = io.TextIOWrapper(io.FileIO(sink, "w"), errors="replace")
    draw_nothing()
    agent = Agent(namespace, limit, hidden, cells, seed, Line(sock, limit))
    agent.begin({})
    while True:
        try:
            payload, _ = receive_frame(sock, REQUEST_BYTES)
        except Closed:
            return
        send_frame(sock, agent.answer(unpack(payload, tensor=torch_tensor)))
