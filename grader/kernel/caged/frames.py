"""Frames on a stream socket: eight bytes of length, then the payload.

File descriptors travel beside the header. The other end may be hostile:
lengths are bounded before anything is allocated, waiting ends at a deadline,
and descriptors that nobody asked for are closed.
"""

from __future__ import annotations

import builtins
import os
import socket
import struct
import time
from collections.abc import Callable
from typing import Final

# Student code may replace builtins; these functions keep the ones of now.
globals()["__builtins__"] = dict(vars(builtins))

from .wire import WireError  # noqa: E402

_HEADER: Final = struct.Struct(">Q")
_CHUNK: Final = 1 << 20
_WATCH_SECONDS: Final = 0.25


class Closed(ConnectionError):
    """The other side is gone."""


class TooLate(TimeoutError):
    """The other side did not answer in time."""


def send_frame(sock: socket.socket, payload: bytes, fds: list[int] | None = None) -> None:
    """Send one frame, with file descriptors beside its header.

    Raises
    ------
    Closed
        If nobody reads any more.
    TooLate
        If the timeout of `sock` ran out.
    """
    header = _HEADER.pack(len(payload))
    try:
        if fds:
            socket.send_fds(sock, [header], fds)
        else:
            payload = header + payload
        sock.sendall(payload)
    except TimeoutError as error:
        raise TooLate("the frame was not taken in time") from error
    except OSError as error:
        raise Closed(str(error)) from error


def receive_frame(
    sock: socket.socket,
    limit: int,
    deadline: float | None = None,
    fds: int = 0,
    watch: Callable[[], None] | None = None,
) -> tuple[bytes, list[int]]:
    """Receive one frame of at most `limit` bytes before `deadline` (``time.monotonic``).

    `watch` is called each quarter of a second, also while something comes, and may raise.

    Returns
    -------
    tuple
        The payload and at most `fds` file descriptors.

    Raises
    ------
    Closed
        At the end of the stream.
    TooLate
        If the frame is not complete at the deadline.
    WireError
        If the frame is longer than `limit`.
    """
    received: list[int] = []
    try:
        wait = _Wait(sock, deadline, watch)
        (length,) = _HEADER.unpack(wait.exactly(_HEADER.size, fds, received))
        if length <= limit:
            body = wait.exactly(length)
            _close(received[fds:])
            return body, received[:fds]
    except BaseException:
        _close(received)
        raise
    _close(received)
    raise WireError(f"a frame of {length} bytes, more than {limit}")


class _Wait:
    def __init__(
        self, sock: socket.socket, deadline: float | None, watch: Callable[[], None] | None
    ) -> None:
        self.sock = sock
        self.deadline = deadline
        self.watch = watch
        self.watched = time.monotonic()

    def exactly(self, count: int, fds: int = 0, received: list[int] | None = None) -> bytes:
        data = bytearray()
        while len(data) < count:
            part, new = self.some(min(count - len(data), _CHUNK), fds)
            if received is not None:
                received += new
            if not part:
                raise Closed("the stream ended")
            data += part
        return bytes(data)

    def some(self, count: int, fds: int) -> tuple[bytes, list[int]]:
        while True:
            now = time.monotonic()
            left = None if self.deadline is None else self.deadline - now
            if left is not None and left <= 0:
                raise TooLate("no answer in time")
            if self.watch is not None:
                if now - self.watched >= _WATCH_SECONDS:
                    self.watched = now
                    self.watch()
                left = min(_WATCH_SECONDS, left or _WATCH_SECONDS)
            try:
                self.sock.settimeout(left)
                if not fds:
                    return self.sock.recv(count), []
                return socket.recv_fds(self.sock, count, fds)[:2]
            except TimeoutError:
                continue
            except OSError as error:
                raise Closed(str(error)) from error


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
