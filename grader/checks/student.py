"""``student``: what a check asks of a student's notebook.

Every question is answered by the student's own process, in a fork that lives
as long as the check. What comes back is typed data; what goes wrong there
comes back as a verdict with evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, Literal

import msgspec
import numpy as np

from grader.checks import answers, search
from grader.checks.answer import Answer, Record, from_wire, unreadable
from grader.checks.compare import compare_close, shown
from grader.checks.conversation import Conversation, Handle, StudentFunction, to_wire
from grader.checks.outcome import Failed, Missing, Pending, Shortfall
from grader.checks.recorded import Recorded
from grader.checks.replay import NotRecorded, conceals
from grader.checks.subject import Subject, output_text
from grader.course.messages import say
from grader.kernel.caged.wire import Description, Reference
from grader.kernel.probe import Died, Raised, Refused, TimedOut
from grader.notebook.facts import Facts

Kind = Literal["number", "integer", "array", "text", "choice", "boolean", "shape"]
_PLACEHOLDERS = ("", "...", "…", "پاسخ شما", "your answer")
_MAX_CANDIDATES = 40
_GETTER = "def getter(model):\n    return lambda: model\n"


class Student:
    """The fixture ``student``: one notebook, as one check sees it."""

    def __init__(self, subject: Subject, record: Record) -> None:
        self.subject = subject
        self.record = record
        self.conversation = Conversation(subject, record)

    def close(self) -> None:
        """End the check's conversation."""
        self.conversation.close()

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
        if conceals(like):
            raise NotRecorded(f"a value to look for instead of {name}")
        if like is not None and (found_answer := self._search(name, like)) is not None:
            return self._read(found_answer, name, kind, options, units)
        self.record.cell = self.subject.cell_of(name)
        if name in variables:
            found = "..." if variables[name] not in (None, "") else repr(variables[name])
            raise Missing(say("missing-none", name=name, found=found))
        raise self._absent("missing-name", name, names)

    def _absent(self, key: str, name: str, names: Sequence[str]) -> Shortfall:
        """Nothing answers to `name`; where this machine is to blame, a person decides."""
        for candidate in names:
            if (what := self.subject.lacking_for(candidate)) is not None:
                self.record.cell = self.subject.cell_of(candidate)
                return Pending(say("environment-error", what=what))
        return Missing(say(key, name=name))

    def _fetch(self, name: str, found_by: str, cell: int | None) -> Answer:
        value = self.subject.variables[name]
        if isinstance(value, Description) and value.kind in ("too-large", "object"):
            with self.conversation.probing(name) as probe:
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
            outputs = [*self.subject.outputs(), *self._saved_outputs()]
            if (index := search.find_in_outputs(each, outputs)) is not None:
                self.record.saw(name, f"output:{index}", str(index), index)
                return Answer(each, name, f"output:{index}", index)
        return None

    def _saved_outputs(self) -> list[tuple[int, str]]:
        """Saved outputs of the cells that could not run here for want of something."""
        cells = self.subject.submitted.cells
        return [(index, output_text(cells[index])) for index in self.subject.environment]

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
            raise unreadable(name, answer.value, kind, error) from error
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
                return StudentFunction(self.conversation, candidate, candidate, found_by, cell)
        if conceals(example):
            raise NotRecorded(f"an example of {name}")
        if example is not None and (found := self._by_behaviour(names, *example)) is not None:
            cell = self.subject.cell_of(found)
            self.record.saw(name, f"call:{found}", found, cell)
            return StudentFunction(self.conversation, found, found, f"call:{found}", cell)
        raise self._absent("missing-function", name, names)

    def _by_behaviour(self, names: list[str], args: tuple[Any, ...], expected: Any) -> str | None:
        candidates = [
            n
            for n, v in self.subject.variables.items()
            if isinstance(v, Description) and v.kind == "function" and n not in names
        ][:_MAX_CANDIDATES]
        if not candidates:
            return None
        try:
            with self.subject.forks.searching() as probe:
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

    def make(self, source: str, name: str, *args: Any, about: str | None = None) -> Handle:
        """Run `source` in the student's process, call its function `name` and keep the result.

        For what a question needs there: a small model with given weights, an objective to
        minimise. Never put an expected value into it, nor anything whose knowledge would make the
        question easier: student code can read it, and what it reports is student data. What must
        not be known or touched there is a :meth:`callback`.

        `about` is the student's function that it tries out: what goes wrong is told of that one.
        """
        question = {
            "ask": "make",
            "source": source,
            "name": name,
            "args": [to_wire(a) for a in args],
        }
        about = about or name
        with self.conversation.probing(about) as probe:
            reference = probe.ask(question)
        if not isinstance(reference, Reference):
            raise Failed(say("died", name=about))
        return Handle(self.conversation, reference, about)

    def callback(self, function: Callable[..., Any], name: str) -> Handle:
        """Return a handle to `function` that the student's functions can be given and call.

        It is computed here, with the arguments as typed data: unlike what :meth:`make` leaves in
        the student's process, nobody there can look into it or change what it notes. Arguments
        that it cannot take (``TypeError``, ``ValueError``, ``LookupError``, ``ArithmeticError``)
        are an exception there.
        """
        with self.conversation.probing(name) as probe:
            return Handle(self.conversation, probe.offer(function, name), name)

    def module(self, name: str, *args: Any, aliases: Sequence[str] = (), **kwargs: Any) -> Any:
        """Construct the student's ``nn.Module`` and return it as a :class:`StudentModule`.

        A model that is kept in a variable is taken as it is.
        """
        from grader.checks.models import StudentModule

        names = self._names(name, aliases)
        if not any(n in self.subject.variables for n in names):
            raise self._absent("module-not-found", name, names)
        function = self.function(name, aliases=aliases)
        found = self.subject.variables[str(function.target)]
        if isinstance(found, Description) and found.kind == "object":
            getter = self.make(_GETTER, "getter", function.handle())
            target, found_by, cell = getter.reference, function.found_by, function.cell
            function = StudentFunction(self.conversation, name, target, found_by, cell)
            args, kwargs = (), {}
        return StudentModule(self.conversation, name, function, args, kwargs)

    # -- the notebook as text -------------------------------------------------------

    @cached_property
    def recorded(self) -> Recorded:
        """The outputs saved in the notebook as it was handed in."""
        return Recorded(self.subject.saved, self.record)

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
