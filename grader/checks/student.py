"""``student``: what a check asks of a student's notebook.

Every question is answered by the student's own process, in a fork that lives
as long as the check. What comes back is typed data; what goes wrong there
comes back as a verdict with evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from grader.checks import answers, search
from grader.checks.compare import compare_close, shown
from grader.checks.outcome import Failed, Missing, Shortfall
from grader.checks.recorded import Recorded
from grader.checks.subject import Subject, code_of_call
from grader.course.messages import say
from grader.kernel.caged.wire import Description, DtypeValue, Reference, TensorValue
from grader.kernel.probe import Died, Probe, Raised, Refused, TimedOut
from grader.notebook.facts import Facts

Kind = Literal["number", "integer", "array", "text", "choice", "boolean", "shape"]
_PLACEHOLDERS = ("", "...", "…", "پاسخ شما", "your answer")
_MAX_CANDIDATES = 40


class Record:
    """What a check learned on its way, whatever its end: how and where it found its answer."""

    def __init__(self, *, hidden: bool) -> None:
        self.hidden = hidden
        self.name: str | None = None
        self.found_by: str | None = None
        self.found: str | None = None
        self.cell: int | None = None
        self.asked: str | None = None
        self.inputs: dict[str, Any] = {}
        self.notes: list[dict[str, str]] = []
        self.evidence: dict[str, Any] = {}
        self.follow_through = False

    def saw(self, name: str, found_by: str, found: str, cell: int | None) -> None:
        """Remember the first answer that was looked at; later ones only where none was."""
        if self.found_by is None or self.found_by == "name":
            self.name, self.found_by, self.found = name, found_by, found
            self.cell = cell


class Answer(msgspec.Struct, frozen=True, eq=False):
    """A value that came from the student.

    Attributes
    ----------
    value
        Plain Python or numpy; tensors arrive as arrays.
    name
        What was asked for: a variable's name, or a call as code.
    found_by
        ``name``, ``alias:<name>``, ``value:<name>``, ``output:<cell>`` or ``call:<function>``.
    cell
        The cell to look at.
    is_tensor
        Whether it was a torch tensor; ``dtype`` is then the tensor's.
    """

    value: Any
    name: str
    found_by: str
    cell: int | None = None
    is_tensor: bool = False
    dtype: str | None = None

    @property
    def array(self) -> npt.NDArray[Any]:
        """The value as an array of numbers.

        Raises
        ------
        Failed
            If it cannot be read as one.
        """
        try:
            return answers.read_array(self.value)
        except answers.Unreadable as error:
            raise _unreadable(self.name, self.value, "array", error) from error


def _unreadable(
    name: str, value: Any, kind: str, error: answers.Unreadable | answers.Hedged
) -> Shortfall:
    key = "unreadable-array" if kind in ("array", "shape") else "unreadable-number"
    answered = error.answer
    return Missing(
        say(key, name=name, answered=answered),
        {"kind": "text", "answered": shown(value if _is_plain(value) else answered)},
    )


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, int, float, bool, list, tuple, np.ndarray))


def from_wire(value: Any) -> tuple[Any, bool, str | None]:
    """Make of a value of the wire what checks work with: (value, is tensor, dtype)."""
    if isinstance(value, TensorValue):
        return value.array, True, value.dtype
    if isinstance(value, DtypeValue):
        return value.name, False, None
    if isinstance(value, np.ndarray):
        return (value if value.ndim else value[()]), False, value.dtype.name
    if isinstance(value, (list, tuple)):
        return type(value)(from_wire(v)[0] for v in value), False, None
    if isinstance(value, dict):
        return {from_wire(k)[0]: from_wire(v)[0] for k, v in value.items()}, False, None
    return value, False, None


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

    def __init__(self, student: Student, reference: Reference, name: str) -> None:
        self._student = student
        self.reference = reference
        self.name = name

    def value(self) -> Answer:
        """Fetch the value itself."""
        return self._student._ask(
            self.name, lambda probe: probe.ask({"ask": "value", "target": self.reference})
        )

    def attribute(self, *path: str | int) -> Answer:
        """Fetch an attribute (a text) or item (a number), step by step."""
        name = ".".join([self.name, *map(str, path)])
        question = {"ask": "attribute", "target": self.reference, "path": list(path)}
        return self._student._ask(name, lambda probe: probe.ask(question))

    def call(self, *args: Any, **kwargs: Any) -> Answer:
        """Call it and fetch the result."""
        return StudentFunction(self._student, self.name, self.reference, "name", None)(
            *args, **kwargs
        )


class StudentFunction:
    """A function of the student's, to be called in a fork of their notebook."""

    def __init__(
        self,
        student: Student,
        name: str,
        target: str | Reference,
        found_by: str,
        cell: int | None,
    ) -> None:
        self._student = student
        self.name = name
        self.target = target
        self.found_by = found_by
        self.cell = cell

    def _ask(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], keep: bool) -> Any:
        choices = [v.names for v in kwargs.values() if isinstance(v, OneOf)]
        given = {}
        for key, value in kwargs.items():
            if isinstance(value, OneOf):
                given[value.names[0]] = to_wire(value.value)
            else:
                given[key] = to_wire(value)
        record = self._student.record
        record.asked = code_of_call(self.name, args, given)
        record.inputs = {
            str(place): shown(value)
            for place, value in enumerate(args)
            if isinstance(value, (np.ndarray, int, float, list, tuple))
        }
        with self._student._probing(self.name, record.asked) as probe:
            return probe.call(
                self.target, [to_wire(a) for a in args], given, choices=choices, keep=keep
            )

    def __call__(self, *args: Any, **kwargs: Any) -> Answer:
        """Call it and return what it returns.

        Raises
        ------
        Missing
            If it raises NotImplementedError.
        Failed
            If it raises anything else, does not end, kills its process, or takes other arguments.
        """
        value, is_tensor, dtype = from_wire(self._ask(args, kwargs, keep=False))
        return Answer(value, self.name, f"call:{self.target}", self.cell, is_tensor, dtype)

    def kept(self, *args: Any, **kwargs: Any) -> Handle:
        """Call it and leave the result in the student's process."""
        reference = self._ask(args, kwargs, keep=True)
        if not isinstance(reference, Reference):
            raise Failed(say("died", name=self.name))
        return Handle(self._student, reference, self.name)


class Student:
    """The fixture ``student``: one notebook, as one check sees it."""

    def __init__(self, subject: Subject, record: Record) -> None:
        self.subject = subject
        self.record = record
        self._open: Probe | None = None

    # -- the process --------------------------------------------------------------

    @contextmanager
    def _probing(self, name: str, asked: str | None = None) -> Any:
        """The check's probe; what goes wrong in it leaves as a verdict."""
        evidence: dict[str, Any] = {"asked": asked} if asked else {}
        try:
            if self._open is None:
                self._open = self.subject.probe()
            yield self._open
        except Raised as error:
            raise self._raised(name, error, evidence) from None
        except TimedOut:
            evidence |= {"kind": "timeout"}
            seconds = self.subject.run.limits.probe_seconds
            raise Failed(say("timed-out", name=name, seconds=seconds), evidence) from None
        except Died:
            evidence |= {"kind": "exception"}
            raise Failed(say("died", name=name), evidence) from None
        except Refused as refusal:
            raise self._refused(name, refusal, evidence) from None

    def _raised(self, name: str, error: Raised, evidence: dict[str, Any]) -> Shortfall:
        if error.type == "NotImplementedError":
            return Missing(say("not-implemented", name=name), evidence)
        frames = []
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

    def _ask(self, name: str, question: Callable[[Probe], Any]) -> Answer:
        with self._probing(name) as probe:
            value, is_tensor, dtype = from_wire(question(probe))
        return Answer(value, name, "name", None, is_tensor, dtype)

    def close(self) -> None:
        """End the check's probe."""
        if self._open is not None:
            self._open.close()
            self._open = None

    # -- values -------------------------------------------------------------------

    def _names(self, name: str, aliases: Iterable[str]) -> list[str]:
        return [name, *aliases, *self.subject.assignment.aliases.get(name, ())]

    def has(self, name: str, *, aliases: Sequence[str] = ()) -> bool:
        """Whether the notebook answers `name` at all: it is there and not a placeholder."""
        variables = self.subject.variables
        return any(
            n in variables and not _unanswered(variables[n]) for n in self._names(name, aliases)
        )

    def value(
        self,
        name: str,
        *,
        like: Any = None,
        kind: Kind | None = None,
        options: Any = None,
        aliases: Sequence[str] = (),
        units: Sequence[str] = (),
    ) -> Answer:
        """Find an answer by name, by alias, or by its value.

        Parameters
        ----------
        name
            What the question calls it.
        like
            The expected value, or a list of arrays to look for (the expected and known wrong
            ones). Only values that could not be there by chance are searched for.
        kind
            Read what is found as this kind: ``"۳٬۱۴۵٬۷۲۸"`` is an integer.
        options
            Of a ``choice``: a list, or a mapping to synonyms.
        aliases
            Other names, besides those of assignment.toml.
        units
            Words that may follow a number.

        Raises
        ------
        Missing
            If there is no answer, or it cannot be read as `kind`.
        """
        variables = self.subject.variables
        names = self._names(name, aliases)
        for place, candidate in enumerate(names):
            if candidate in variables and not _unanswered(variables[candidate]):
                found_by = "name" if place == 0 else f"alias:{candidate}"
                cell = self.subject.cell_of(candidate)
                self.record.saw(name, found_by, candidate, cell)
                answer = self._fetch(candidate, found_by, cell)
                return self._read(answer, name, kind, options, units)
        if like is not None and (answer := self._search(name, like)) is not None:
            return self._read(answer, name, kind, options, units)
        self.record.cell = self.subject.cell_of(name)
        if name in variables:
            found = "..." if variables[name] not in (None, "") else repr(variables[name])
            raise Missing(say("missing-none", name=name, found=found))
        raise Missing(say("missing-name", name=name))

    def _fetch(self, name: str, found_by: str, cell: int | None) -> Answer:
        value = self.subject.variables[name]
        if isinstance(value, Description) and value.kind in ("too-large", "object"):
            with self._probing(name) as probe:
                value = probe.ask({"ask": "array", "target": name})
        value, is_tensor, dtype = from_wire(value)
        return Answer(value, name, found_by, cell, is_tensor, dtype)

    def _search(self, name: str, like: Any) -> Answer | None:
        wanted = like if isinstance(like, list) and _holds_arrays(like) else [like]
        for each in wanted:
            if not search.is_distinctive(each):
                continue
            variables = {n: from_wire(v)[0] for n, v in self.subject.variables.items()}
            for found in search.find_value(each, variables, atol=1e-6, rtol=1e-6)[:1]:
                cell = self.subject.cell_of(found)
                self.record.saw(name, f"value:{found}", found, cell)
                return self._fetch(found, f"value:{found}", cell)
            for index, text in self.subject.outputs():
                if search.find_in_text(each, text):
                    self.record.saw(name, f"output:{index}", str(index), index)
                    return Answer(each, name, f"output:{index}", index)
        return None

    def _read(
        self, answer: Answer, name: str, kind: Kind | None, options: Any, units: Sequence[str]
    ) -> Answer:
        if kind is None:
            return answer
        try:
            value = _READERS[kind](answer.value, options, units)
        except answers.Hedged as error:
            raise Missing(
                say("hedged", name=name, answered=error.answer),
                {"kind": "choice", "answered": shown(error.answer)},
            ) from error
        except answers.Unreadable as error:
            if kind == "choice":
                raise Missing(
                    say("not-a-choice", name=name, answered=error.answer, options=list(options)),
                    {"kind": "choice", "answered": shown(error.answer)},
                ) from error
            raise _unreadable(name, answer.value, kind, error) from error
        return msgspec.structs.replace(answer, value=value)

    # -- functions ----------------------------------------------------------------

    def function(
        self,
        name: str,
        *,
        aliases: Sequence[str] = (),
        example: tuple[tuple[Any, ...], Any] | None = None,
    ) -> StudentFunction:
        """Find a function by name, by alias, or by what it does.

        Parameters
        ----------
        example
            Arguments and their right result: the notebook's other functions are tried on them.

        Raises
        ------
        Missing
            If there is none.
        """
        variables = self.subject.variables
        names = self._names(name, aliases)
        for place, candidate in enumerate(names):
            if candidate in variables and not _unanswered(variables[candidate]):
                found_by = "name" if place == 0 else f"alias:{candidate}"
                cell = self.subject.cell_of(candidate)
                self.record.saw(name, found_by, candidate, cell)
                return StudentFunction(self, candidate, candidate, found_by, cell)
        if example is not None and (found := self._by_behaviour(names, *example)) is not None:
            cell = self.subject.cell_of(found)
            self.record.saw(name, f"call:{found}", found, cell)
            return StudentFunction(self, found, found, f"call:{found}", cell)
        raise Missing(say("missing-function", name=name))

    def _by_behaviour(self, names: list[str], args: tuple[Any, ...], expected: Any) -> str | None:
        candidates = [
            n
            for n, v in self.subject.variables.items()
            if isinstance(v, Description) and v.kind == "function" and n not in names
        ][:_MAX_CANDIDATES]
        if not candidates:
            return None
        try:
            with self.subject.probe() as probe:
                for candidate in candidates:
                    try:
                        result = from_wire(probe.call(candidate, [to_wire(a) for a in args]))[0]
                        if compare_close(answers.read_array(result), expected, 1e-6, 1e-6).ok:
                            return candidate
                    except (Raised, Refused, answers.Unreadable):
                        continue
        except (TimedOut, Died):
            return None
        return None

    def call(self, name: str, *args: Any, **kwargs: Any) -> Answer:
        """Call a function of the notebook by its name or alias."""
        return self.function(name)(*args, **kwargs)

    def make(self, source: str, name: str, *args: Any) -> Handle:
        """Run `source` in the student's process, call its function `name` and keep the result.

        For what a question needs there: a small model with given weights, an objective to
        minimise. Never put an expected value into it.
        """
        question = {
            "ask": "make",
            "source": source,
            "name": name,
            "args": [to_wire(a) for a in args],
        }
        with self._probing(name) as probe:
            reference = probe.ask(question)
        if not isinstance(reference, Reference):
            raise Failed(say("died", name=name))
        return Handle(self, reference, name)

    def module(self, name: str, *args: Any, aliases: Sequence[str] = (), **kwargs: Any) -> Any:
        """Construct the student's ``nn.Module`` and return it as a :class:`StudentModule`."""
        from grader.checks.models import StudentModule

        names = self._names(name, aliases)
        if not any(n in self.subject.variables for n in names):
            raise Missing(say("module-not-found", name=name))
        function = self.function(name, aliases=aliases)
        return StudentModule(self, name, function.kept(*args, **kwargs))

    # -- the notebook as text -------------------------------------------------------

    @cached_property
    def recorded(self) -> Recorded:
        """The outputs saved in the notebook as it was handed in."""
        return Recorded(self.subject.submitted, self.record)

    @property
    def source(self) -> Facts:
        """Static facts of the notebook's code."""
        return self.subject.facts


def _unanswered(value: Any) -> bool:
    if value is None:
        return True
    if isinstance(value, str):
        return value.strip().lower() in _PLACEHOLDERS
    if isinstance(value, Description):
        return value.type == "builtins.ellipsis"
    return isinstance(value, (list, tuple, dict)) and len(value) == 0


def _holds_arrays(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(v, np.ndarray) for v in values)


_READERS: dict[str, Callable[[Any, Any, Sequence[str]], Any]] = {
    "number": lambda value, _, units: answers.read_number(value, units=units),
    "integer": lambda value, _, units: answers.read_integer(value, units=units),
    "array": lambda value, _, __: answers.read_array(value),
    "text": lambda value, _, __: answers.read_text(value),
    "boolean": lambda value, _, __: answers.read_boolean(value),
    "shape": lambda value, _, __: answers.read_shape(value),
    "choice": lambda value, options, _: answers.read_choice(value, options),
}
