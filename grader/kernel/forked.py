"""The forked kernel: nbclient's kernel manager and client over a child's socket.

nbclient knows cells, outputs and errors; it asks little of a kernel. This
module gives it that little over the notebook channel of a
:class:`~grader.kernel.zygotes.Child`, and reads what the child publishes as
what it is: bytes from a hostile process. A message that is no message of
Jupyter's is dropped, and a child that floods the channel is ended.
"""

from __future__ import annotations

import asyncio
import socket
from queue import Empty
from typing import Any, Final

import msgspec
from nbclient.exceptions import DeadKernelError

from grader.kernel.caged import frames
from grader.kernel.messages import OutputFlood, checked_content, error_of, flood_limits
from grader.kernel.zygotes import Child

_OPEN_SECONDS: Final = 10.0
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[str, str, dict[str, Any]]).decode


class _Channel:
    """One queue of messages, as nbclient reads it."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[dict[str, Any] | BaseException] = asyncio.Queue()

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:
        try:
            item = await asyncio.wait_for(self.queue.get(), timeout)
        except TimeoutError:
            raise Empty from None
        if isinstance(item, BaseException):
            self.queue.put_nowait(item)
            raise item
        return item


class ForkedClient:
    """What nbclient calls a kernel client, over the notebook channel of `child`.

    Parameters
    ----------
    child
        Where the cells run.
    output_bytes
        Output budget of one cell.
    """

    allow_stdin = False

    def __init__(self, child: Child, output_bytes: int) -> None:
        self.child = child
        self.output_bytes = output_bytes
        self.truncated = False
        self.dead = False
        self.count: int | None = None
        self.error: str | None = None
        self._number = 0
        self._buffer = bytearray()
        self._received = 0
        self._messages = 0
        self._most_bytes, self._most_messages = flood_limits(output_bytes)

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read the channel on `loop` from now on."""
        self._loop = loop
        self.shell_channel, self.iopub_channel = _Channel(), _Channel()
        self.stdin_channel, self.control_channel = _Channel(), _Channel()
        self.child.sock.setblocking(False)
        loop.add_reader(self.child.sock.fileno(), self._read)

    def detach(self) -> None:
        """Stop reading, so that the channel can carry probes (or be closed)."""
        if self.child.sock.fileno() >= 0:
            self._loop.remove_reader(self.child.sock.fileno())
            self.child.sock.setblocking(True)

    async def execute(self, code: str, **_: Any) -> str:
        """Send one cell and return the id of its request."""
        self._number += 1
        self._received = self._messages = 0
        self.truncated = False
        self.count = self.error = None
        frame = _encode(["execute", code])
        self.child.sock.setblocking(True)
        try:
            self.child.sock.settimeout(10.0)
            frames.send_frame(self.child.sock, frame)
        except (frames.Closed, frames.TooLate) as failure:
            self._die(DeadKernelError(str(failure)))
        finally:
            self.child.sock.setblocking(False)
        return str(self._number)

    async def is_alive(self) -> bool:
        return not self.dead

    def _die(self, error: DeadKernelError) -> None:
        self.dead = True
        self.shell_channel.queue.put_nowait(error)

    def _read(self) -> None:
        try:
            data = self.child.sock.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self.child.sock.fileno())
            self._die(DeadKernelError("the process ended"))
            return
        self._buffer += data
        self._received += len(data)
        if self._received > self._most_bytes:
            self._flood()
            return
        while len(self._buffer) >= 8:
            length = int.from_bytes(self._buffer[:8], "big")
            if length > self._most_bytes:  # no frame of ours: the cell wrote here itself
                self._flood()
                return
            if len(self._buffer) < 8 + length:
                break
            frame = bytes(self._buffer[8 : 8 + length])
            del self._buffer[: 8 + length]
            self._messages += 1
            if self._messages > self._most_messages:
                self._flood()
                return
            self._take(frame)

    def _flood(self) -> None:
        self._loop.remove_reader(self.child.sock.fileno())
        self.child.kill()
        self._die(OutputFlood("the cell wrote more than it may"))

    def _take(self, frame: bytes) -> None:
        try:
            channel, kind, content = _decode(frame)
            if kind == "truncated":
                self.truncated = True
                return
            checked = checked_content(kind, content)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return
        message = self._message(kind, checked)
        if channel == "reply" and kind == "execute_reply":
            self.count, self.error = checked["execution_count"], error_of(checked)
            self.iopub_channel.queue.put_nowait(
                self._message("status", {"execution_state": "idle"})
            )
            self.shell_channel.queue.put_nowait(message)
        elif channel == "publish" and kind != "execute_reply":
            self.iopub_channel.queue.put_nowait(message)

    def _message(self, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        return {
            "msg_type": kind,
            "header": {"msg_type": kind},
            "parent_header": {"msg_id": str(self._number)},
            "content": content,
            "metadata": {},
        }


class ForkedKernel:
    """A :class:`~grader.kernel.run.Kernel` in a child of a zygote."""

    def __init__(self, child: Child, output_bytes: int) -> None:
        self.child = child
        self.client = ForkedClient(child, output_bytes)
        self.layers = child.layers

    @property
    def truncated(self) -> bool:
        """Whether the last cell's output was cut."""
        return self.client.truncated

    @property
    def count(self) -> int | None:
        """Execution count of the last cell, None when it did not end."""
        return self.client.count

    @property
    def error(self) -> str | None:
        """Type and message of what the last cell raised."""
        return self.client.error

    async def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        self.client.attach(loop)

    def detach(self) -> None:
        self.client.detach()

    @property
    def pid(self) -> int:
        """The notebook's process."""
        return self.child.pid

    def resident_bytes(self, allowed: int = 0) -> int:
        return self.child.resident_bytes(allowed)

    def open_probe(self) -> socket.socket:
        """Have the notebook's process fork and return a socket to that fork.

        Raises
        ------
        caged.frames.Closed, caged.frames.TooLate
            If the process is gone, or does not take questions.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self.child.sock.settimeout(_OPEN_SECONDS)
                frames.send_frame(self.child.sock, _encode(["probe"]), [theirs.fileno()])
            except BaseException:
                ours.close()
                raise
        return ours

    def kill(self) -> None:
        """End its process; :meth:`end` must follow."""
        self.child.kill()

    def end(self) -> int | None:
        """Kill it and return its exit status (negative: a signal)."""
        return self.child.end()
