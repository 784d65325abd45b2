"""``expect``: compare an answer with what is right, and explain the difference.

Every method returns when the answer is right and raises a
:class:`~grader.checks.outcome.Shortfall` with its evidence when it is not.
Answers are never compared by their own operators: they are plain data by the
time they come here.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NoReturn

import numpy as np

from grader.checks import answers
from grader.checks.answer import Answer, Record, from_wire
from grader.checks.compare import Comparison, compare_close, compare_equal, evidence_of, shown
from grader.checks.outcome import (
    EnvironmentFault,
    Failed,
    Missing,
    Pending,
    Shortfall,
    left_to_grading,
)
from grader.checks.replay import NotRecorded, conceals
from grader.checks.student import Student
from grader.checks.subject import Comparing, Watch
from grader.course.feedback import Feedback
from grader.course.messages import say
from grader.report import Text

Known = Mapping[str, Any] | Callable[[], Mapping[str, Any]]
"""Values by the id of their text; the mapping and each value may be functions that make them."""
Condition = bool | Callable[[], Any]
"""A truth value, or a function that computes one from answers."""


class Expectation:
    """What is expected of one answer."""

    def __init__(
        self, answer: Any, record: Record, texts: Feedback, watch: Watch | None = None
    ) -> None:
        if isinstance(answer, Answer):
            self.name, self.value = answer.name, answer.value
            if record.cell is None:
                record.cell = answer.cell
        else:
            self.name, self.value = record.name or record.asked or "?", from_wire(answer)[0]
        if record.asked is not None:
            self.name = record.asked.split("(")[0]
        self._record = record
        self._texts = texts
        self._watch = watch

    # -- values -------------------------------------------------------------------

    def close(
        self,
        expected: Any,
        *,
        atol: float = 1e-6,
        rtol: float = 1e-6,
        misconceptions: Known | None = None,
        alternatives: Known | None = None,
        follow_through: Any = None,
    ) -> None:
        """Expect numbers of the shape of `expected` with ``|a - b| <= atol + rtol * |b|``.

        Parameters
        ----------
        misconceptions
            Known wrong values by their id in feedback.toml. Like the two below, the mapping and
            each value in it may be a function without arguments that gives it: that is called
            only when the answer is not right.
        alternatives
            Other right values by the id of their note.
        follow_through
            What would be right given the student's own earlier step; None where nothing follows.
        """
        self._watched(expected, misconceptions, alternatives, atol, rtol)
        try:
            answered = answers.read_array(self.value)
        except answers.Unreadable as error:
            raise Missing(
                say("unreadable-array", name=self.name, answered=error.answer),
                self._evidence({"kind": "values", "answered": shown(self.value)}),
            ) from None
        if self._judged_unseen(expected, rtol):
            return
        wanted = _array(expected)
        comparison = compare_close(answered, wanted, atol, rtol)
        if comparison.ok:
            self._ask_for_all(misconceptions, alternatives)
            return
        for note, value in known_values(alternatives):
            if compare_close(answered, _array(value), atol, rtol).ok:
                self._note(note)
                return
        follow_through = _made(follow_through)
        if follow_through is not None:
            carried = _array(follow_through)
            # Nothing follows from NaN or from zeros alone: what leads there carries nothing on.
            follows = bool(np.isfinite(carried).all() and np.any(carried))
            if follows and compare_close(answered, carried, atol, rtol).ok:
                self._record.follow_through = True
                return
        evidence = self._evidence(
            evidence_of(comparison, answered, wanted, hidden=self._record.hidden)
        )
        for misconception, value in known_values(misconceptions):
            if compare_close(answered, _array(value), atol, rtol).ok:
                self._misconception(misconception, evidence)
        raise Failed(self._difference(comparison, answered, wanted), evidence)

    def equal(
        self,
        expected: Any,
        *,
        misconceptions: Known | None = None,
        alternatives: Known | None = None,
    ) -> None:
        """Expect exactly `expected`: integers, texts, truth values, nested lists of them."""
        self._watched(expected, misconceptions, alternatives)
        if self._judged_unseen(expected):
            return
        comparison = compare_equal(self.value, expected)
        if comparison.ok:
            self._ask_for_all(misconceptions, alternatives)
            return
        for note, value in known_values(alternatives):
            if compare_equal(self.value, value).ok:
                self._note(note)
                return
        evidence = self._evidence(
            evidence_of(comparison, self.value, expected, hidden=self._record.hidden)
        )
        for misconception, value in known_values(misconceptions):
            if compare_equal(self.value, value).ok:
                self._misconception(misconception, evidence)
        raise Failed(say("wrong-equal", name=self.name, answered=_brief(self.value)), evidence)

    def choice(
        self,
        expected: str,
        *,
        options: Mapping[str, Sequence[str]] | Sequence[str] = (),
        misconceptions: Mapping[str, str] | None = None,
    ) -> None:
        """Expect the option `expected`; the answer was read with ``kind="choice"``."""
        self._watched(expected, misconceptions)
        if options and self.value not in options:
            try:
                self.value = answers.read_choice(self.value, options)
            except (answers.Unreadable, answers.Hedged) as error:
                raise Missing(
                    say(
                        "not-a-choice",
                        name=self.name,
                        answered=error.answer,
                        options=list(options),
                    ),
                    self._evidence({"kind": "choice", "answered": shown(error.answer)}),
                ) from None
        if self._judged_unseen(expected) or self.value == expected:
            return
        evidence: dict[str, Any] = {"kind": "choice", "answered": shown(self.value)}
        evidence = self._evidence(evidence)
        for misconception, value in (misconceptions or {}).items():
            if self.value == value:
                self._misconception(misconception, evidence)
        raise Failed(say("wrong-choice", name=self.name, answered=str(self.value)), evidence)

    def shape(self, expected: Sequence[int]) -> None:
        """Expect an array of this shape, whatever its values."""
        try:
            answered = tuple(answers.read_array(self.value).shape)
        except answers.Unreadable as error:
            raise Missing(
                say("unreadable-array", name=self.name, answered=error.answer),
                self._evidence({"kind": "shape", "answered": shown(self.value)}),
            ) from None
        if self._judged_unseen(expected) or answered == tuple(expected):
            return
        evidence = {"kind": "shape", "answered": shown(self.value)}
        if not self._record.hidden:
            evidence["expected"] = {"text": str(tuple(expected)), "shape": list(expected)}
            message = say(
                "wrong-shape", name=self.name, answered=answered, expected=tuple(expected)
            )
        else:
            message = say("wrong-shape-hidden", name=self.name, answered=answered)
        raise Failed(message, self._evidence(evidence))

    def within(self, low: float, high: float) -> None:
        """Expect one number from `low` to `high`."""
        try:
            number = answers.read_number(self.value)
        except (answers.Unreadable, answers.Hedged) as error:
            raise Missing(
                say("unreadable-number", name=self.name, answered=error.answer),
                self._evidence({"kind": "values", "answered": shown(self.value)}),
            ) from None
        if self._judged_unseen((low, high)) or low <= number <= high:
            return
        evidence = self._evidence({"kind": "values", "answered": shown(self.value)})
        if self._record.hidden:
            raise Failed(say("out-of-range-hidden", name=self.name, answered=number), evidence)
        raise Failed(
            say("out-of-range", name=self.name, answered=number, low=low, high=high), evidence
        )

    def satisfies(self, condition: Condition, text_id: str, **evidence: Any) -> None:
        """Expect a property; where it fails, the misconception `text_id` explains it.

        A `condition` that is a function is computed here: where the answer is of a kind that it
        cannot be computed from, it does not hold.
        """
        if _holds(condition):
            return
        found: dict[str, Any] = {"kind": "property", **evidence}
        if self.value is not None and "answered" not in found and not self._record.hidden:
            found["answered"] = shown(self.value)
        self._misconception(text_id, self._evidence(found))

    # -- where the reference is not -------------------------------------------------

    def _judged_unseen(self, expected: Any, rtol: float = 0.0) -> bool:
        """Judge an answer that can be read where `expected` is concealed; tell whether it is.

        Raises
        ------
        Pending
            If nothing but the form of the answer is to be looked at.
        Failed
            If the hash of what is right is another.
        """
        if self._record.wanted is not None:
            self._record.wanted.append((expected, rtol))
        hashes = self._record.hashes
        hashed = None if hashes is None else next(hashes, None)
        if not conceals(expected):
            return False
        if hashes is None:
            raise left_to_grading("readable", name=self.name)
        if hashed is None:
            raise NotRecorded("no hash of what is expected")
        if not hashed.agrees(self.value):
            evidence = self._evidence({"kind": "values", "answered": shown(self.value)})
            raise Failed(say("wrong-by-hash", name=self.name), evidence)
        return True

    def _ask_for_all(self, *known: Known | None) -> None:
        """Have every known value made that a right answer does not need, while a pack is made."""
        if self._record.wanted is not None:
            for values in known:
                list(known_values(values))

    # -- how it ends ----------------------------------------------------------------

    def _watched(
        self,
        expected: Any,
        misconceptions: Known | None,
        alternatives: Known | None = None,
        atol: float | None = None,
        rtol: float | None = None,
    ) -> None:
        """Show the comparison to whoever audits the check, and judge what they put in its place."""
        if self._watch is not None:
            self.value = self._watch(
                Comparing(
                    name=self.name,
                    answered=self.value,
                    expected=expected if atol is None else _array(expected),
                    atol=atol,
                    rtol=rtol,
                    misconceptions=misconceptions,
                    alternatives=alternatives,
                )
            )

    def _evidence(self, evidence: dict[str, Any]) -> dict[str, Any]:
        if self._record.asked is not None:
            evidence["asked"] = self._record.asked
        if self._record.inputs and not self._record.hidden:
            evidence["inputs"] = {k: shown(v) for k, v in self._record.inputs.items()}
        return evidence

    def _note(self, note: str) -> None:
        self._record.notes.append(_text_of_note(self._texts, note))

    def _misconception(self, name: str, evidence: dict[str, Any]) -> NoReturn:
        raise misconception(self._texts, name, evidence)

    def _difference(self, comparison: Comparison, answered: Any, expected: Any) -> Text:
        hidden = self._record.hidden
        if comparison.reason == "shape":
            if hidden:
                return say("wrong-shape-hidden", name=self.name, answered=answered.shape)
            return say(
                "wrong-shape",
                name=self.name,
                answered=answered.shape,
                expected=expected.shape,
            )
        if comparison.reason == "nonfinite":
            wrong = int(np.count_nonzero(~np.isfinite(answered)))
            return say("non-finite", name=self.name, wrong=wrong, total=answered.size)
        if hidden:
            return say(
                "wrong-values-hidden",
                name=self.name,
                wrong=comparison.wrong,
                total=comparison.total,
            )
        if answered.size == 1 or comparison.first is None:
            return say("wrong-value", name=self.name, answered=_brief(self.value))
        return say(
            "wrong-values",
            name=self.name,
            wrong=comparison.wrong,
            total=comparison.total,
            index=tuple(comparison.first.index),
            answered=comparison.first.answered,
        )


def misconception(texts: Feedback, name: str, evidence: dict[str, Any]) -> Shortfall:
    """The end of a check that recognised a known wrong way.

    Raises
    ------
    LookupError
        If feedback.toml has no such misconception: the author's mistake.
    """
    try:
        found = texts.misconceptions[name]
    except KeyError:
        raise LookupError(f'feedback.toml has no misconception "{name}"') from None
    if found.credit > 0:
        percent = found.credit * Decimal(100)
        text = say("misconception-partial", text=found.text, percent=percent)
    else:
        text = say("misconception", text=found.text)
    return Failed(text, evidence, misconception=name, credit=found.credit)


def _text_of_note(texts: Feedback, name: str) -> Text:
    try:
        return texts.notes[name].text
    except KeyError:
        raise LookupError(f'feedback.toml has no note "{name}"') from None


def _made(value: Any) -> Any:
    return value() if inspect.isroutine(value) or isinstance(value, functools.partial) else value


def _holds(condition: Condition) -> bool:
    if not inspect.isroutine(condition):
        return bool(condition)
    try:
        return bool(condition())
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return False  # an answer of another kind: None where a list was asked for


def known_values(values: Known | None) -> Iterator[tuple[str, Any]]:
    """Yield the values of a mapping by their ids, made where functions make them."""
    for name, value in (_made(values) or {}).items():
        yield name, _made(value)


def _array(value: Any) -> np.ndarray[Any, Any]:
    if isinstance(value, Answer):
        return value.array
    detach = getattr(value, "detach", None)
    if detach is not None:
        value = detach().numpy()
    return np.asarray(value)


def _brief(value: Any) -> str:
    text = str(value.tolist() if isinstance(value, np.ndarray) else value)
    return text if len(text) <= 80 else text[:77] + "..."


class Expect:
    """The fixture ``expect``: ``expect(answer).close(...)`` and what ends a check otherwise."""

    def __init__(self, student: Student) -> None:
        self._record = student.record
        self._texts = student.subject.texts
        self._watch = student.subject.watch

    def __call__(self, answer: Any) -> Expectation:
        return Expectation(answer, self._record, self._texts, self._watch)

    def misconception(self, name: str, **evidence: Any) -> NoReturn:
        """Fail with the misconception `name`, at its credit."""
        found: dict[str, Any] = {"kind": "property", **self._record.evidence, **evidence}
        if self._record.asked is not None:
            found.setdefault("asked", self._record.asked)
        raise misconception(self._texts, name, found)

    def satisfies(self, condition: Condition, text_id: str, **evidence: Any) -> None:
        """Expect a property of the whole answer; see :meth:`Expectation.satisfies`."""
        if not _holds(condition):
            self.misconception(text_id, **evidence)

    def over_seeds(
        self, trial: Callable[[int], bool], text_id: str, *, seeds: Sequence[int] = (0, 1, 2)
    ) -> None:
        """Expect `trial` to hold for every seed; what flips between seeds goes to a person.

        Parameters
        ----------
        trial
            Takes a seed and says whether what was asked for came out, with a margin.
        text_id
            The misconception that explains a trial that fails for every seed.
        """
        held = [bool(trial(seed)) for seed in seeds]
        if all(held):
            return
        if any(held):
            text = say("unstable", runs=len(held), passed=sum(held))
            raise Pending(text, dict(self._record.evidence))
        self.misconception(text_id)

    def note(self, name: str) -> None:
        """Add the remark `name` to what the student reads."""
        self._record.notes.append(_text_of_note(self._texts, name))

    def evidence(self, **evidence: Any) -> None:
        """Add evidence that the card shows whatever the verdict."""
        self._record.evidence.update(evidence)

    def pending(self, name: str | None = None) -> NoReturn:
        """Hand the check to a person; `name` is the misconception or note that tells why."""
        text = say("pending-person")
        if name is not None:
            known = self._texts.misconceptions.get(name) or self._texts.notes.get(name)
            if known is None:
                raise LookupError(f'feedback.toml has no misconception or note "{name}"')
            text = {k: f"{text[k]} {known.text[k]}" for k in text}
        raise Pending(text, dict(self._record.evidence))

    def environment(self, what: str) -> NoReturn:
        """Blame the machine that grades: it lacks `what`."""
        raise EnvironmentFault(say("environment-error", what=what))
