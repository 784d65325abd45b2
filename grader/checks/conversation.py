"""A check's conversation with the student's process: calls, kept values, and how they fail.

One conversation is one check's turn at a fork of the executed notebook; what goes
wrong in it leaves as a verdict with evidence.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import numpy as np

from grader.checks.answer import Answer, Record, from_wire
from grader.checks.environment import fault_in, undefined_in
from grader.checks.outcome import Failed, Missing, Pending, Shortfall
from grader.checks.subject import Subject, code_of_call
from grader.course.messages import say
from grader.kernel.caged.wire import Description, Reference
from grader.kernel.probe import Died, Probe, Raised, Refused, TimedOut


class Conversation:
    """Questions of one check to a fork of the notebook.

    Parameters
    ----------
    subject
        The executed notebook.
    record
        Where the check keeps what it learns.
    """

    def __init__(self, subject: Subject, record: Record) -> None:
        self.subject = subject
        self.record = record
        self._open: Probe | None = None

    @contextmanager
    def probing(self, name: str, asked: str | None = None) -> Iterator[Probe]:
        """The check's probe; what goes wrong in it leaves as a verdict."""
        evidence: dict[str, Any] = {"asked": asked} if asked else {}
        certain = False
        try:
            if self._open is None:
                self._open = self.subject.forks.lend()
            yield self._open
        except Raised as error:
            certain = self._is_stub(name, error)
            raise self._raised(name, error, evidence) from None
        except TimedOut as timeout:
            evidence |= {"kind": "timeout"}
            limits = self.subject.run.limits
            if timeout.whole:
                text = say("judging-timed-out", name=name, seconds=limits.judging_seconds)
            else:
                text = say("timed-out", name=name, seconds=limits.probe_seconds)
            raise Failed(text, evidence) from None
        except Died:
            evidence |= {"kind": "exception"}
            raise Failed(say("died", name=name), evidence) from None
        except Refused as refusal:
            certain = refusal.kind == "no-name" and self.subject.lacks(name)
            raise self._refused(name, refusal, evidence) from None
        finally:
            self.subject.forks.relied_on |= not certain

    def _raised(self, name: str, error: Raised, evidence: dict[str, Any]) -> Shortfall:
        if error.type == "NotImplementedError":
            return Missing(say("not-implemented", name=name), evidence)
        if (what := self.lacking(error)) is not None:
            return Pending(say("environment-error", what=what), evidence)
        frames: list[dict[str, Any]] = []
        for frame in error.frames:
            cell = self.subject.run.cell_of_count(frame.count)
            source = ""
            if cell is not None:
                lines = self.subject.run.notebook.cells[cell].source.splitlines()
                source = lines[frame.line - 1] if 0 < frame.line <= len(lines) else ""
            frames.append(
                {"cell": cell, "line": frame.line, "source": source, "function": frame.function}
            )
        evidence |= {
            "kind": "exception",
            "exception": {"type": error.type, "message": error.message, "frames": frames},
        }
        if self.record.hidden:
            evidence["exception"]["message"] = ""
            return Failed(say("raised-hidden", type=error.type), evidence)
        where = next((f for f in reversed(frames) if f["cell"] is not None), None)
        if where is None:
            text = say("raised-no-line", type=error.type, message=error.message)
        else:
            self.record.cell = where["cell"]
            text = say(
                "raised",
                line=where["line"],
                cell=where["cell"],
                type=error.type,
                message=error.message,
            )
        return Failed(text, evidence)

    def lacking(self, error: Raised) -> str | None:
        """What the machine lacks that a call failed: itself, or the cell of a name that it uses."""
        text = f"{error.type}: {error.message}"
        if (name := undefined_in(text)) is not None:
            return self.subject.lacking_for(name)
        return fault_in(text)

    def _is_stub(self, name: str, error: Raised) -> bool:
        """Whether what was called does nothing but raise, where it raised."""
        if error.type != "NotImplementedError" or len(error.frames) != 1:
            return False
        cell = self.subject.run.cell_of_count(error.frames[0].count)
        return cell is not None and self.subject.facts.is_stub(name, cell, error.frames[0].line)

    def _refused(self, name: str, refusal: Refused, evidence: dict[str, Any]) -> Shortfall:
        if refusal.kind == "no-name":
            return Missing(say("missing-function", name=name), evidence)
        if refusal.kind == "not-callable":
            value = self.subject.variables.get(name)
            kind = value.type if isinstance(value, Description) else type(value).__name__
            return Failed(say("not-a-function", name=name, type=kind), evidence)
        if refusal.kind == "arguments":
            called = evidence.get("asked") or name
            return Failed(
                say("wrong-arguments", name=name, called=called, signature=self._signature(name)),
                evidence,
            )
        if refusal.kind == "not-a-module":
            return Failed(say("not-a-model", name=name), evidence)
        if refusal.kind == "weights":
            return Failed(say("weights-mismatch", name=name, detail=refusal.detail), evidence)
        limit = self.subject.run.limits.message_mb
        return Failed(say("too-large", name=name, limit_mb=limit), evidence)

    def _signature(self, name: str) -> str:
        definition = self.subject.facts.definition(name)
        first = (definition or name).strip().splitlines()[0]
        return first.removeprefix("def ").rstrip(":")

    def ask(self, name: str, question: Callable[[Probe], Any]) -> Answer:
        with self.probing(name) as probe:
            value, is_tensor, dtype = from_wire(question(probe))
        return Answer(value, name, "name", None, is_tensor, dtype)

    def close(self) -> None:
        """Give the fork back."""
        if self._open is not None:
            self.subject.forks.give_back(self._open)
            self._open = None


def to_wire(value: Any) -> Any:
    """Make of a check's argument a value of the wire: handles become references."""
    if isinstance(value, Handle):
        return value.reference
    if isinstance(value, Answer):
        return value.value
    if isinstance(value, (list, tuple)):
        return type(value)(to_wire(v) for v in value)
    if isinstance(value, dict):
        return {key: to_wire(v) for key, v in value.items()}
    return value


class OneOf(msgspec.Struct, frozen=True):
    """A keyword argument that may have one of several names."""

    names: tuple[str, ...]
    value: Any


def one_of(names: Sequence[str], value: Any) -> OneOf:
    """Pass `value` under the first of `names` that the student's function takes."""
    return OneOf(tuple(names), value)


class Handle:
    """A value that stays in the student's process, to be passed on or looked into."""

    def __init__(self, conversation: Conversation, reference: Reference, name: str) -> None:
        self._conversation = conversation
        self.reference = reference
        self.name = name

    def __repr__(self) -> str:
        return self.name

    def value(self) -> Answer:
        """Fetch the value itself."""
        return self._conversation.ask(
            self.name, lambda probe: probe.ask({"ask": "value", "target": self.reference})
        )

    def attribute(self, *path: str | int) -> Answer:
        """Fetch an attribute (a text) or item (a number), step by step."""
        name = ".".join([self.name, *map(str, path)])
        question: dict[str, Any] = {
            "ask": "attribute",
            "target": self.reference,
            "path": list(path),
        }
        return self._conversation.ask(name, lambda probe: probe.ask(question))

    def call(self, *args: Any, **kwargs: Any) -> Answer:
        """Call it and fetch the result."""
        return StudentFunction(self._conversation, self.name, self.reference, "name", None)(
            *args, **kwargs
        )


class StudentFunction:
    """A function of the student's, to be called in a fork of their notebook."""

    def __init__(
        self,
        conversation: Conversation,
        name: str,
        target: str | Reference,
        found_by: str,
        cell: int | None,
    ) -> None:
        self._conversation = conversation
        self.name = name
        self.target = target
        self.found_by = found_by
        self.cell = cell

    def _asked(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[dict[str, Any], list[tuple[str, ...]]]:
        """Note the call as evidence; return its keyword arguments, and the names that some may have."""
        choices = [v.names for v in kwargs.values() if isinstance(v, OneOf)]
        given = {}
        for key, value in kwargs.items():
            if isinstance(value, OneOf):
                given[value.names[0]] = to_wire(value.value)
            else:
                given[key] = to_wire(value)
        record = self._conversation.record
        record.asked = code_of_call(self.name, args, given, hidden=record.hidden)
        record.inputs = {
            str(place): value
            for place, value in enumerate(args)
            if isinstance(value, (np.ndarray, int, float, list, tuple))
        }
        return given, choices

    def _ask(
        self,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        keep: bool = False,
        outline: bool = False,
    ) -> Any:
        given, choices = self._asked(args, kwargs)
        with self._conversation.probing(self.name, self._conversation.record.asked) as probe:
            return probe.call(
                self.target,
                [to_wire(a) for a in args],
                given,
                choices=choices,
                keep=keep,
                outline=outline,
            )

    def raised(self, *args: Any, **kwargs: Any) -> type[BaseException] | None:
        """Call it and return the type of the exception that it raises; None when it returns.

        What is no exception of Python's own is told as ``Exception``.

        Raises
        ------
        Missing
            If it raises NotImplementedError.
        Failed
            If it does not end, kills its process, or takes other arguments.
        """
        given, choices = self._asked(args, kwargs)
        with self._conversation.probing(self.name, self._conversation.record.asked) as probe:
            try:
                probe.call(
                    self.target, [to_wire(a) for a in args], given, choices=choices, keep=True
                )
            except Raised as error:
                if error.type == "NotImplementedError" or self._conversation.lacking(error):
                    raise
                found = getattr(builtins, error.type, None)
                known = isinstance(found, type) and issubclass(found, BaseException)
                return found if known else Exception
        return None

    def __call__(self, *args: Any, **kwargs: Any) -> Answer:
        """Call it and return what it returns.

        Raises
        ------
        Missing
            If it raises NotImplementedError.
        Failed
            If it raises anything else, does not end, kills its process, or takes other arguments.
        """
        value, is_tensor, dtype = from_wire(self._ask(args, kwargs))
        return Answer(value, self.name, f"call:{self.target}", self.cell, is_tensor, dtype)

    def handle(self) -> Handle:
        """The function itself, as an argument for what :meth:`Student.make` runs there."""
        question: dict[str, Any] = {
            "ask": "attribute",
            "target": self.target,
            "path": [],
            "keep": True,
        }
        with self._conversation.probing(self.name) as probe:
            reference = probe.ask(question)
        if not isinstance(reference, Reference):
            raise Failed(say("died", name=self.name))
        return Handle(self._conversation, reference, self.name)

    def kept(self, *args: Any, **kwargs: Any) -> Handle:
        """Call it and leave the result in the student's process."""
        return self._kept(args, kwargs, outline=False)

    def outlined(self, *args: Any, **kwargs: Any) -> Handle:
        """Call it, its layers with zeros instead of initial values, and leave the result there."""
        return self._kept(args, kwargs, outline=True)

    def _kept(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, outline: bool) -> Handle:
        reference = self._ask(args, kwargs, keep=True, outline=outline)
        if not isinstance(reference, Reference):
            raise Failed(say("died", name=self.name))
        return Handle(self._conversation, reference, self.name)
