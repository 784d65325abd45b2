"""An answer of the student's as checks meet it, and what a check learned while it looked for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from grader.checks import answers
from grader.checks.compare import shown
from grader.checks.hashed import Hashed
from grader.checks.outcome import Missing, Shortfall
from grader.course.messages import say
from grader.kernel.caged.wire import DtypeValue, TensorValue


class Record:
    """What a check learned on its way, whatever its end: how and where it found its answer.

    Attributes
    ----------
    hashes
        Of what each expectation of the check expects, where that is concealed; None: the form of
        an answer is all that is looked at then.
    wanted
        Where each expectation writes down what it expects, for a pack to be made of it.
    """

    def __init__(
        self,
        *,
        hidden: bool,
        hashes: Iterator[Hashed | None] | None = None,
        wanted: list[Any] | None = None,
    ) -> None:
        self.hidden = hidden
        self.hashes = hashes
        self.wanted = wanted
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
            raise unreadable(self.name, self.value, "array", error) from error


def unreadable(
    name: str, value: Any, kind: str, error: answers.Unreadable | answers.Hedged
) -> Shortfall:
    """The end of a check whose answer cannot be read as the kind that was asked for."""
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
