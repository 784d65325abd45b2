"""What an executed notebook was asked and what it answered, so that it can be asked again without it.

An answer depends on all that its process was asked before. So each is kept under a hash of the
whole conversation up to it: equal questions in the same order, from the same beginning, have the
answer that they had. Whatever else is asked nobody knows (:class:`NotAsked`), and the notebook has
to run again. Questions are kept as hashes, answers as the bytes that came over the wire.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from nbformat import NotebookNode

from grader.course.assignment import Limits
from grader.kernel.caged import wire
from grader.kernel.probe import Probe
from grader.kernel.run import CellRun, Run

_FRESH, _SHARED = b"fresh", b"shared"


class NotAsked(BaseException):
    """The notebook was not asked this, and does not run to be asked now.

    No check may take it for an answer, whatever it catches.
    """


class Turn:
    """One conversation with a process, as far as it can be repeated."""

    def __init__(self, answers: dict[bytes, bytes], *, shared: bool) -> None:
        self._answers = answers
        self._place = _SHARED if shared else _FRESH
        self._said: list[tuple[bytes, bytes]] | None = [] if shared else None
        self._open = True

    def heard(self, question: bytes, answer: bytes) -> None:
        """Keep an answer."""
        if self._open:
            self._place = _next(self._place, question)
            self._answers[self._place] = answer
            if self._said is not None:
                self._said.append((question, answer))

    def settled(self) -> None:
        """Keep all that was heard as what a process would answer that nobody had asked before."""
        if self._open and self._said is not None:
            place = _FRESH
            for question, answer in self._said:
                place = _next(place, question)
                self._answers[place] = answer

    def close(self) -> None:
        """Keep nothing from here on: what follows depends on more than the questions."""
        self._open = False


def _next(place: bytes, question: bytes) -> bytes:
    return hashlib.sha256(place + question).digest()


class KeptRun(Run):
    """An executed notebook whose process has ended, known by what it answered.

    Attributes
    ----------
    missed
        Whether something was asked that it was not asked then.
    shared
        Whether an answer comes from a process that had answered another check before.
    """

    def __init__(
        self,
        notebook: NotebookNode,
        limits: Limits,
        cells: list[CellRun],
        layers: list[str],
        seconds: float,
        answers: Mapping[bytes, bytes],
    ) -> None:
        self.notebook = notebook
        self.limits = limits
        self.cells = cells
        self.seconds = seconds
        self.replays = 0
        self.missed = False
        self.shared = False
        self._layers = layers
        self._known = answers

    @property
    def layers(self) -> list[str]:
        """Layers of the cage that held."""
        return self._layers

    def probe(self) -> Probe:
        """Return what answers as a fork of the notebook did."""
        return _KeptProbe(self)

    def close(self) -> None:
        """Nothing runs."""

    def answer(self, place: bytes) -> bytes | None:
        """Return what was answered at a place of a conversation."""
        return self._known.get(place)


class _KeptProbe(Probe):
    def __init__(self, run: KeptRun) -> None:
        self._run = run
        self._callbacks = []
        self.begin()

    def begin(self) -> None:
        self._callbacks.clear()
        self._places: dict[bytes, bytes] = {_FRESH: _FRESH, _SHARED: _SHARED}

    def ask(self, question: Mapping[str, Any]) -> Any:
        payload = wire.pack(dict(question), 1 << 30)
        self._places = {kind: _next(at, payload) for kind, at in self._places.items()}
        found = {
            kind: answer
            for kind, place in self._places.items()
            if (answer := self._run.answer(place)) is not None
        }
        self._places = {kind: self._places[kind] for kind in found}
        if not found:
            self._run.missed = True
            raise NotAsked(str(question.get("ask")))
        if _FRESH not in found:
            self._run.shared = True
        try:
            answer = wire.unpack(next(iter(found.values())))
            return self._read(answer if type(answer) is dict else {})
        except wire.WireError as error:  # no answer then, and a reason to ask again
            self._run.missed = True
            raise NotAsked(str(error)) from error

    def settled(self) -> bool:
        """Nobody can tell any more."""
        return False

    def close(self) -> None:
        """Nothing runs."""
