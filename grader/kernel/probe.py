"""Questions to an executed notebook, each probe a fork of it.

A probe lives as long as the check that opened it: what one check's calls
break, no other check sees. Its process is ended when the probe closes,
whatever it does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any, Self

import msgspec

from grader.kernel.caged import wire


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
    """No answer within the time of a probe."""


class Died(Exception):
    """The process ended without an answer, or what it sent is no answer."""


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
        Time that all its answers together may take.
    message_bytes
        Largest answer that is read.
    """

    def __init__(self, sock: socket.socket, *, seconds: float, message_bytes: int) -> None:
        self._sock = sock
        self._left = seconds
        self._limit = message_bytes + wire.STRUCTURE_BYTES + 64
        self._handle: int | None = None

    def ask(self, question: Mapping[str, Any]) -> Any:
        """Return the answer to `question`.

        Raises
        ------
        Raised, Refused, TimedOut, Died
        """
        started = time.monotonic()
        deadline = started + self._left
        try:
            if self._handle is None:
                _, handles = wire.receive_frame(self._sock, 16, deadline, fds=1)
                self._handle = handles[0] if handles else -1
            self._sock.settimeout(max(0.001, deadline - time.monotonic()))
            wire.send_frame(self._sock, wire.pack(dict(question), 1 << 30))
            payload, _ = wire.receive_frame(self._sock, self._limit, deadline)
            return self._read(wire.unpack(payload))
        except wire.TooLate:
            raise TimedOut from None
        except wire.Closed as error:
            raise Died(str(error)) from error
        except wire.WireError as error:
            raise Died(f"what it answered is no answer: {error}") from error
        finally:
            self._left -= time.monotonic() - started

    def _read(self, answer: Any) -> Any:
        if type(answer) is not dict:
            raise wire.WireError("an answer that is no mapping")
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
    ) -> Any:
        """Call a function of the notebook.

        Parameters
        ----------
        choices
            For arguments with several accepted names: all names, the first being the key in
            `kwargs`.
        keep
            Leave the result there and return a reference to it.
        """
        return self.ask(
            {
                "ask": "call",
                "target": target,
                "args": list(args),
                "kwargs": dict(kwargs or {}),
                "choices": [list(names) for names in choices],
                "keep": keep,
            }
        )

    def close(self) -> None:
        """End the fork."""
        self._sock.close()
        if self._handle is not None and self._handle >= 0:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
