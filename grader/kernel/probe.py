"""Questions to an executed notebook, each probe a fork of it.

What the calls of a probe change or break, no other probe sees. Its process is
ended when the probe closes, whatever it does.
"""

from __future__ import annotations

import inspect
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, Protocol, Self

import msgspec

from grader.kernel import processes
from grader.kernel.allowance import Allowance
from grader.kernel.caged import frames, wire

MAX_CALLBACKS: Final = 20_000
"""How often student code may call functions of the grader's in one turn of a probe."""
_UNREAD_SECONDS: Final = 0.25
"""By the clock: how long turns may take together before their CPU time is read."""
_BEGIN: Final = wire.pack({"ask": "begin"}, 1 << 10)


class Frame(msgspec.Struct, frozen=True):
    """One line of a traceback, in the cell that ran as ``In[count]``."""

    count: int
    line: int
    function: str


class Raised(Exception):
    """The student's code raised.

    Attributes
    ----------
    type, message
        Of their exception, as their process tells it.
    frames
        Where in the notebook's cells, outermost first.
    """

    def __init__(self, type_: str, message: str, frames: tuple[Frame, ...]) -> None:
        super().__init__(f"{type_}: {message}")
        self.type = type_
        self.message = message
        self.frames = frames


class Refused(Exception):
    """The question has no answer: ``no-name``, ``not-callable``, ``arguments``, ``weights``..."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.kind, _, self.detail = reason.partition(":")


class TimedOut(Exception):
    """No answer within the time of a probe.

    Attributes
    ----------
    whole
        Whether the time for judging the whole hand-in was over before the question was asked.
    """

    def __init__(self, *, whole: bool = False) -> None:
        super().__init__("the whole hand-in" if whole else "one probe")
        self.whole = whole


class Died(Exception):
    """The process ended without an answer, or what it sent is no answer."""


class Turn(Protocol):
    """Keeps one conversation; see :mod:`grader.kernel.transcript`."""

    def heard(self, question: bytes, answer: bytes) -> None: ...
    def settled(self) -> None: ...
    def close(self) -> None: ...


class _Called(msgspec.Struct):
    called: Annotated[int, msgspec.Meta(ge=0)]
    args: list[Any]
    kwargs: dict[str, Any]


class _RaisedAnswer(msgspec.Struct):
    type: str
    message: str
    frames: list[Frame]


class Probe:
    """A fork of the executed notebook that answers questions.

    Parameters
    ----------
    sock
        Stream socket to the fork.
    seconds
        CPU time of its processes that all its answers together may take, from its start or the last
        :meth:`begin`; by the clock :data:`~grader.kernel.allowance.PATIENCE` times as much.
    judging
        What is left for all probes of this notebook; who starts while some is left, has all its own.
    message_bytes
        Largest answer that is read.
    memory_bytes
        Most memory that the notebook and its forks may hold together.
    held
        Tells how much they do, exactly where it may be more than the given number.
    notebook
        The process that was forked.
    before
        Processes that the notebook had started before: they stay when the probe closes.
    turns
        Begins to keep what is asked and answered; told whether the fork has answered others before.
    """

    _turn: Turn | None = None

    def __init__(
        self,
        sock: socket.socket,
        *,
        seconds: float,
        judging: Allowance,
        message_bytes: int,
        memory_bytes: int,
        held: Callable[[int], int],
        notebook: int,
        before: frozenset[int],
        turns: Callable[[bool], Turn] | None = None,
    ) -> None:
        self._turns = turns
        self._turn = None if turns is None else turns(False)
        self._sock = sock
        self._seconds = seconds
        self._left = Allowance(seconds)
        self._judging = judging
        self._callbacks: list[Callable[..., Any]] = []
        self._calls_left = MAX_CALLBACKS
        self._used_before = 0.0
        self._unread = 0.0
        self._begun = True
        self._asked = time.monotonic()
        self._limit = message_bytes + wire.STRUCTURE_BYTES + 64
        self._memory = memory_bytes
        self._held = held
        self._notebook = notebook
        self._before = before
        self._failed: Died | TimedOut | None = None

    def ask(self, question: Mapping[str, Any]) -> Any:
        """Return the answer to `question`.

        Raises
        ------
        Raised, Refused, TimedOut, Died
        wire.WireError
            If `question` itself holds something without a place on the wire.
        """
        payload = wire.pack(dict(question), 1 << 30)
        if self._failed is not None:  # what follows in the stream may be anything
            raise self._failed
        self._asked = time.monotonic()
        deadline = self._asked + self._left.wall
        try:
            self._watch_time()
            self._sock.settimeout(max(0.001, self._left.wall))
            begun, self._begun = self._begun, True
            if not begun:  # both at once: to wake the other process takes longer than to begin
                frames.send_frame(self._sock, _BEGIN)
            frames.send_frame(self._sock, payload)
            if not begun and "value" not in self._receive(deadline)[1]:
                self._failed = Died("it cannot begin anew")
                raise self._failed
            while True:
                received, answer = self._receive(deadline)
                if "called" not in answer:
                    if self._turn is not None:
                        self._turn.heard(payload, received)
                    return self._read(answer)
                if self._turn is not None:  # what it is told there is no part of the question
                    self._turn.close()
                frames.send_frame(self._sock, self._called(answer))
        except frames.TooLate:
            self._failed = TimedOut()
            # As much for all that time out: how many can does not depend on how they waste it.
            self._judging.charge(cpu=self._seconds, wall=self._left.wall)
        except frames.Closed as error:
            self._failed = Died(str(error))
        except wire.WireError as error:
            self._failed = Died(f"what it answered is no answer: {error}")
        finally:
            wall = time.monotonic() - self._asked
            self._left.charge(wall=wall)
            if type(self._failed) is not TimedOut:
                self._judging.charge(wall=wall)
        raise self._failed

    def _receive(self, deadline: float) -> tuple[bytes, dict[str, Any]]:
        """Await an answer; return it as it came, and what it says."""
        received, _ = frames.receive_frame(self._sock, self._limit, deadline, watch=self._watch)
        return received, _mapping(wire.unpack(received))

    def _watch(self) -> None:
        """Called now and then while an answer is awaited."""
        self._watch_time()
        if self._held(self._memory) > self._memory:
            processes.kill_descendants(self._notebook, self._before)
            raise frames.Closed("it held more memory than it may")

    def _watch_time(self) -> None:
        wall = Allowance(self._seconds).wall - self._left.wall + time.monotonic() - self._asked
        # No sooner can its one busy process have used up the limit.
        if wall > self._seconds and self._used() - self._unread > self._seconds:
            raise frames.TooLate("its CPU time is used up")

    def _used(self) -> float:
        """CPU time of its processes since it was last read."""
        own = processes.descendants(self._notebook) - self._before
        return processes.cpu_seconds(own) - self._used_before

    def _charge_all(self) -> None:
        """Charge all turns up to now to the time for judging."""
        if type(self._failed) is not TimedOut:
            used = self._used()
            self._used_before += used
            self._unread = 0.0
            self._judging.charge(cpu=used)

    def _end_turn(self) -> None:
        """Charge a turn that is over, now or together with the next ones: most take a millisecond."""
        self._unread += Allowance(self._seconds).wall - self._left.wall
        if self._unread > _UNREAD_SECONDS:
            self._charge_all()

    def _called(self, answer: dict[str, Any]) -> bytes:
        """Call the grader's function that student code called, and return what to tell it.

        Arguments that the function cannot take are the caller's fault, and told there;
        whatever else it raises is the grader's own.
        """
        try:
            call = msgspec.convert(answer, _Called)
            function = self._callbacks[call.called]
        except (msgspec.ValidationError, IndexError) as error:
            raise wire.WireError("a call of nothing") from error
        self._calls_left -= 1
        if self._calls_left < 0:
            raise frames.Closed("it called back too often")
        try:
            inspect.signature(function).bind(*call.args, **call.kwargs)
            return wire.pack({"value": function(*call.args, **call.kwargs)}, 1 << 30)
        except (TypeError, ValueError, LookupError, ArithmeticError) as error:
            message = str(error)[:200]
            return wire.pack({"raised": type(error).__name__, "message": message}, 1 << 30)

    def _read(self, answer: dict[str, Any]) -> Any:
        if "value" in answer:
            return answer["value"]
        if "refused" in answer:
            reason = str(answer["refused"])
            raise Refused(f"wire:{answer.get('because')}" if reason == "wire" else reason)
        try:
            raised = msgspec.convert(answer.get("raised"), _RaisedAnswer)
        except msgspec.ValidationError as error:
            raise wire.WireError(str(error)) from error
        raise Raised(raised.type[:100], raised.message[:2000], tuple(raised.frames[:20]))

    def begin(self) -> None:
        """Begin anew for another check: seeds as at the start, nothing kept, all the time again.

        The process is told with the next question; whether it can begin is known then.
        """
        self._end_turn()
        if self._failed is not None:
            raise self._failed
        if self._judging.spent:
            raise TimedOut(whole=True)
        self._left = Allowance(self._seconds)
        self._callbacks.clear()
        self._calls_left = MAX_CALLBACKS
        self._begun = False
        self._turn = None if self._turns is None else self._turns(True)

    def settled(self) -> bool:
        """Whether no earlier turn can have changed what was answered in this one.

        By what the notebook's process says, so it may only decide what costs its student points.
        """
        turn, self._turn = self._turn, None  # what is asked here is no part of it
        try:
            sure = self.ask({"ask": "settled"}) is True
        finally:
            self._turn = turn
        if sure and turn is not None:
            turn.settled()
        return sure

    def offer(self, function: Callable[..., Any], name: str) -> wire.Reference:
        """Offer student code a function that is computed here.

        What it is called with comes as typed data, and what it returns goes there so: how it
        comes to that, and what it keeps, never leaves this process.
        """
        self._callbacks.append(function)
        number = len(self._callbacks) - 1
        reference = self.ask({"ask": "callback", "number": number, "name": name})
        if type(reference) is not wire.Reference:
            raise Died("no reference to a function")
        return reference

    def variables(self) -> dict[str, Any]:
        """All variables of the notebook; large ones and objects as descriptions."""
        found = self.ask({"ask": "variables"})
        if type(found) is not dict:
            raise Died("the variables are no mapping")
        return {str(name): value for name, value in found.items()}

    def call(
        self,
        target: str | wire.Reference,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        choices: Sequence[Sequence[str]] = (),
        keep: bool = False,
        outline: bool = False,
    ) -> Any:
        """Call a function of the notebook.

        Parameters
        ----------
        choices
            For arguments with several accepted names: all names, the first being the key in
            `kwargs`.
        keep
            Leave the result there and return a reference to it.
        outline
            Make layers without initial values, and keep the result.
        """
        return self.ask(
            {
                "ask": "call",
                "target": target,
                "args": list(args),
                "kwargs": dict(kwargs or {}),
                "choices": [list(names) for names in choices],
                "keep": keep,
                "outline": outline,
            }
        )

    def close(self) -> None:
        """End the fork and all that it started."""
        self._charge_all()
        self._sock.close()
        processes.kill_descendants(self._notebook, self._before)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _mapping(answer: Any) -> dict[str, Any]:
    if type(answer) is not dict:
        raise wire.WireError("an answer that is no mapping")
    return answer
