"""What is judged: one student's executed notebook, with all that checks may ask about it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from nbformat import NotebookNode

from grader.checks.environment import blame
from grader.checks.forks import Forks
from grader.checks.recorded import SavedOutputs
from grader.course.assignment import Assignment
from grader.course.feedback import Feedback
from grader.kernel.caged.agent import MAX_VARIABLES
from grader.kernel.caged.wire import Description
from grader.kernel.probe import Died, Probe, Raised, Refused, TimedOut
from grader.kernel.run import Run
from grader.notebook.facts import Facts


class Comparing(msgspec.Struct, frozen=True, kw_only=True):
    """A comparison that is about to be made, as the check asks for it.

    ``atol`` and ``rtol`` are None where it is exact; ``misconceptions`` and ``alternatives`` hold
    values, or functions that make them.
    """

    name: str
    answered: Any
    expected: Any
    atol: float | None = None
    rtol: float | None = None
    misconceptions: Any = None
    alternatives: Any = None


Watch = Callable[[Comparing], Any]
"""Takes a comparison and returns the answer to judge."""


class Subject:
    """One hand-in under judgement.

    Parameters
    ----------
    student
        Id of the student: hidden inputs are seeded by it.
    submitted
        The notebook as handed in, with its saved outputs.
    run
        The executed notebook with its live process.

    Attributes
    ----------
    silent
        Whether that process did not even tell which variables there are.
    doubtful
        Whether a check fell short of its points in a way that an earlier question may have caused.
    watch
        Sees every comparison before it is made, and may have another answer judged; None: nobody.
    """

    def __init__(
        self, assignment: Assignment, student: str, submitted: NotebookNode, run: Run
    ) -> None:
        self.assignment = assignment
        self.student = student
        self.submitted = submitted
        self.run = run
        self.forks = Forks(run.probe)
        self.silent = False
        self.doubtful = False
        self.watch: Watch | None = None

    @property
    def texts(self) -> Feedback:
        """The author's texts."""
        return self.assignment.texts

    @cached_property
    def facts(self) -> Facts:
        """Static facts of the notebook's code."""
        return Facts.of(self.submitted)

    @cached_property
    def saved(self) -> SavedOutputs:
        """What stands in the outputs of the notebook as it was handed in."""
        return SavedOutputs(self.submitted)

    @cached_property
    def executed(self) -> SavedOutputs:
        """What stands in the outputs of this run."""
        return SavedOutputs(self.run.notebook)

    @cached_property
    def variables(self) -> Mapping[str, Any]:
        """All variables of the executed notebook, fetched once; empty when that is impossible."""
        try:
            probe = self.probe()
        except (Died, TimedOut):
            self.silent = True
            return {}
        try:
            variables = probe.variables()
        except (Died, TimedOut, Raised, Refused):
            probe.close()
            self.silent = True
            return {}
        self.forks.leave(probe)
        return variables

    def lacks(self, name: str) -> bool:
        """Whether the notebook certainly left no variable of that name."""
        told = not self.silent and len(self.variables) < MAX_VARIABLES
        return told and not name.startswith("_") and name not in self.variables

    @cached_property
    def environment(self) -> Mapping[int, str]:
        """Cells that failed for want of something this machine lacks, and what that is."""
        return blame(self.run, self.facts)

    def lacking_for(self, name: str) -> str | None:
        """What this machine lacks to have run the cell that binds `name`; None if it is not that."""
        cell = self.cell_of(name)
        return None if cell is None else self.environment.get(cell)

    def probe(self) -> Probe:
        """Fork the executed notebook for one use; checks share :attr:`forks`."""
        return self.run.probe()

    def cell_of(self, name: str | None) -> int | None:
        """Index of the last cell that binds `name`, None when no cell does."""
        return None if name is None else self.facts.cell_of(name)

    def is_function(self, name: str) -> bool:
        """Whether `name` can be called, as far as its type tells."""
        value = self.variables.get(name)
        return isinstance(value, Description) and value.kind in ("function", "class")

    def outputs(self) -> list[tuple[int, str]]:
        """Text that the run printed or showed, by cell index."""
        return [
            (index, text)
            for index, cell in enumerate(self.run.notebook.cells)
            if cell.cell_type == "code" and (text := output_text(cell))
        ]

    def rng(self, check: str, *, for_student: bool = True) -> np.random.Generator:
        """Random generator of one check, the same each time: for this student, or for everybody."""
        student = self.student if for_student else ""
        words = f"{self.assignment.slug}\0{student}\0{check}".encode()
        return np.random.default_rng(int.from_bytes(hashlib.sha256(words).digest()[:8], "big"))


def output_text(cell: NotebookNode) -> str:
    """All text of a cell's outputs: streams and plain results, not errors."""
    parts = []
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            parts.append(output.text)
        elif output.output_type in ("execute_result", "display_data"):
            parts.append(output.data.get("text/plain", ""))
    return "\n".join(parts)


def code_of_call(
    name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, hidden: bool = False
) -> str:
    """Write a call as code a student can read: arrays by shape, the rest by value, if not hidden."""
    shown = [_short(value, hidden) for value in args]
    shown += [f"{key}={_short(value, hidden)}" for key, value in kwargs.items()]
    return f"{name}({', '.join(shown)})"


def _short(value: Any, hidden: bool) -> str:
    shape = getattr(value, "shape", None)
    if shape is not None and len(shape):
        kind = "tensor" if type(value).__module__.startswith("torch") else "array"
        return f"<{kind} {'×'.join(map(str, shape))}>"
    if hidden:
        return "…"
    text = repr(value)
    if len(text) > 60:
        text = text[:57] + "..."
    return text
