"""A notebook that is open and running, asked where it stands: in its own process, without a fork.

For students who check their work from a cell of it. Nothing is forked, stopped or limited; what a
call changes stays changed, as when they call it themselves.
"""

from __future__ import annotations

import contextlib
import io
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nbformat.v4 import new_code_cell, new_notebook

from grader.course.assignment import Limits
from grader.kernel.caged import wire
from grader.kernel.caged.agent import Agent, Line, torch_tensor
from grader.kernel.probe import Probe
from grader.kernel.run import CellRun, Run


class LiveRun(Run):
    """The cells that were run so far, and the names that they left.

    Parameters
    ----------
    cells
        Source of each, in the order in which they were run: the first is ``In[1]``.
    namespace
        Their global names.
    hidden
        Those that the shell itself put there.
    files
        Execution count of each cell by the name that its code has.
    seed
        Of Python, numpy and torch, before every check.
    """

    def __init__(
        self,
        cells: Sequence[str],
        namespace: Mapping[str, Any],
        limits: Limits,
        *,
        hidden: frozenset[str] = frozenset(),
        files: Mapping[str, int] | None = None,
        seed: int = 0,
    ) -> None:
        self.notebook = new_notebook(cells=[new_code_cell(source) for source in cells])
        self.cells = [
            CellRun(index=index, status="ok", count=index + 1) for index in range(len(cells))
        ]
        self.limits = limits
        self.seconds = 0.0
        self.replays = 0
        self._agent = Agent(
            dict(namespace), limits.message_mb << 20, hidden, dict(files or {}), lambda: _seed(seed)
        )

    @property
    def layers(self) -> list[str]:
        """No layer of the cage."""
        return []

    def probe(self) -> Probe:
        """Return what answers in this very process."""
        return _LiveProbe(self._agent)

    def close(self) -> None:
        """Nothing ends: the notebook is the student's."""


class _LiveProbe(Probe):
    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._callbacks = []
        agent.line = _OwnLine(self)
        self.begin()

    def begin(self) -> None:
        self._callbacks.clear()
        self._calls_left = sys.maxsize
        self.ask({"ask": "begin"})

    def ask(self, question: Mapping[str, Any]) -> Any:
        payload = wire.pack(dict(question), 1 << 30)
        said = io.StringIO()  # what functions print is no answer
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            answered = self._agent.answer(wire.unpack(payload, tensor=torch_tensor))
        answer = wire.unpack(answered)
        plain = answer if type(answer) is dict else {}
        raised = plain.get("raised")
        if isinstance(raised, dict) and raised.get("type") == "KeyboardInterrupt":
            raise KeyboardInterrupt  # the student's own, who has waited long enough
        return self._read(plain)

    def close(self) -> None:
        """Nothing was started."""


class _OwnLine(Line):
    """Calls of the grader's functions, which are in this process as well."""

    def __init__(self, probe: _LiveProbe) -> None:
        self._probe = probe

    def call(self, number: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        told = self._probe._called({"called": number, "args": list(args), "kwargs": kwargs})
        return self.answer(wire.unpack(told, tensor=torch_tensor))


def _seed(seed: int) -> None:
    random.seed(seed)
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Give the notebook its random generators back as they were."""
    python = random.getstate()
    numpy, torch = sys.modules.get("numpy.random"), sys.modules.get("torch")
    arrays = None if numpy is None else numpy.get_state()
    tensors = None if torch is None else torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(python)
        if numpy is not None:
            numpy.set_state(arrays)
        if torch is not None:
            torch.set_rng_state(tensors)
