"""An IPython shell that runs cells over one socket, without threads or ZMQ.

ipykernel's interactive shell does the work: magics, ``display``, inline
figures, top-level ``await``. Its display hook and publisher get a Jupyter
session (:class:`SocketSession`) that writes each message as one frame, so a
forked child needs neither an IOPub thread nor a port. The grader drives it
through nbclient as it would any kernel.
"""

from __future__ import annotations

import asyncio
import builtins
import io
import os
import random
import socket
import sys
from typing import Any

import msgspec
from ipykernel.zmqshell import ZMQInteractiveShell
from IPython.core.error import StdinNotImplementedError
from jupyter_client.session import Session
from traitlets.config import Config

from .wire import send_frame

_encode = msgspec.msgpack.Encoder(enc_hook=repr).encode
_STREAM_BUFFER = 1 << 16


class Outbox:
    """Where a cell's messages leave, with a budget of bytes for each cell."""

    def __init__(self, sock: socket.socket | None, budget: int) -> None:
        self.sock = sock
        self.budget = budget
        self.left = budget
        self.owner = os.getpid()

    def start_cell(self) -> None:
        self.left = self.budget

    def publish(self, kind: str, content: Any) -> None:
        """Send one message of IOPub; past the budget say so once, then drop."""
        if self.sock is None or os.getpid() != self.owner or self.left < 0:
            return
        frame = _encode(["publish", kind, content])
        self.left -= len(frame)
        if self.left < 0:
            frame = _encode(["publish", "truncated", {}])
        send_frame(self.sock, frame)

    def reply(self, content: Any) -> None:
        if self.sock is not None:
            send_frame(self.sock, _encode(["reply", "execute_reply", content]))


class SocketSession(Session):
    """A Jupyter session that puts messages into an :class:`Outbox`."""

    outbox: Outbox

    def msg(self, msg_type: str, content: Any = None, *_: Any, **__: Any) -> dict[str, Any]:
        return {"msg_type": msg_type, "content": content or {}}

    def send(
        self, stream: Any, msg_or_type: Any, content: Any = None, *_: Any, **__: Any
    ) -> dict[str, Any]:
        message = (
            msg_or_type if isinstance(msg_or_type, dict) else self.msg(msg_or_type, content)
        )
        self.outbox.publish(message["msg_type"], message["content"])
        return message


class OutputStream(io.TextIOBase):
    """``sys.stdout`` or ``sys.stderr`` of the cells."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, name: str, outbox: Outbox, descriptor: int) -> None:
        self.name = name
        self.outbox = outbox
        self.descriptor = descriptor
        self.parts: list[str] = []
        self.size = 0

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self.parts.append(text)
        self.size += len(text)
        if self.size > _STREAM_BUFFER:
            self.flush()
        return len(text)

    def flush(self) -> None:
        if self.parts:
            text = "".join(self.parts)
            self.parts.clear()
            self.size = 0
            self.outbox.publish("stream", {"name": self.name, "text": text})

    def fileno(self) -> int:
        return self.descriptor

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True


class CapturedDescriptors:
    """What C code and child processes write to descriptors 1 and 2, read back after each cell."""

    def __init__(self) -> None:
        self.files = {name: os.memfd_create(name) for name in ("stdout", "stderr")}
        self.read = dict.fromkeys(self.files, 0)
        for target, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(self.files[name], target)

    def publish(self, outbox: Outbox) -> None:
        for name, file in self.files.items():
            size = os.fstat(file).st_size
            if size > self.read[name]:
                text = os.pread(file, min(size - self.read[name], outbox.budget), self.read[name])
                self.read[name] = size
                outbox.publish(
                    "stream", {"name": name, "text": text.decode("utf-8", errors="replace")}
                )


def make_shell() -> ZMQInteractiveShell:
    """Make the shell once, in the zygote: no history file, no colours, inline figures."""
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    shell = ZMQInteractiveShell.instance(config=config, user_ns={})
    session = SocketSession()
    session.outbox = Outbox(None, 0)
    for publisher in (shell.displayhook, shell.display_pub):
        publisher.session = session
        publisher.pub_socket = session
    shell.displayhook.get_execution_count = lambda: shell.execution_count
    prepare(shell)
    return shell


def prepare(shell: Any) -> None:
    """What the forked and the standard kernel have in common: no input, no exit."""

    def refuse(*_: Any, **__: Any) -> None:
        raise StdinNotImplementedError(
            "input() was called, but nobody is there to answer while a notebook is graded; "
            "assign the value to a variable instead"
        )

    builtins.input = refuse
    import getpass

    getpass.getpass = refuse
    shell.ask_exit = lambda: None
    shell.enable_gui = lambda gui=None: None  # no event loop of a window system here
    shell.system = shell.system_piped


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and torch, as far as they are imported."""
    random.seed(seed)
    for name in ("numpy.random", "torch"):
        module = sys.modules.get(name)
        if module is not None:
            (module.manual_seed if name == "torch" else module.seed)(seed)


class CellRunner:
    """Runs cells in a forked child and sends what they publish."""

    def __init__(self, shell: Any, sock: socket.socket, output_bytes: int) -> None:
        self.shell = shell
        self.outbox = Outbox(sock, output_bytes)
        shell.displayhook.session.outbox = self.outbox
        self.descriptors = CapturedDescriptors()
        sys.stdout = OutputStream("stdout", self.outbox, 1)
        sys.stderr = OutputStream("stderr", self.outbox, 2)
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)

    def run(self, code: str) -> None:
        """Run one cell and send its reply."""
        self.outbox.start_cell()
        try:
            content = self.loop.run_until_complete(self._run(code))
        except KeyboardInterrupt:
            content = {"status": "error", "ename": "KeyboardInterrupt", "evalue": ""}
        if os.getpid() != self.outbox.owner:
            os._exit(0)  # a fork that the cell made and let run on
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, OutputStream):
                stream.flush()
        self.descriptors.publish(self.outbox)
        content["execution_count"] = self.shell.execution_count - 1
        self.outbox.reply(content)

    async def _run(self, code: str) -> dict[str, Any]:
        # As ipykernel does: the loop is running, and only cells that await run inside it.
        shell = self.shell
        failure = None
        try:
            transformed = shell.transform_cell(code)
        except Exception:
            transformed, failure = code, sys.exc_info()
        if shell.should_run_async(
            code, transformed_cell=transformed, preprocessing_exc_tuple=failure
        ):
            try:
                result = await shell.run_cell_async(
                    code,
                    store_history=True,
                    transformed_cell=transformed,
                    preprocessing_exc_tuple=failure,
                )
            finally:
                shell.events.trigger("post_execute")
            shell.events.trigger("post_run_cell", result)
        else:
            result = shell.run_cell(code, store_history=True)
        shell.payload_manager.clear_payload()
        error = result.error_before_exec or result.error_in_exec
        if error is None:
            return {"status": "ok"}
        return {
            "status": "error",
            "ename": type(error).__name__,
            "evalue": str(error)[:10_000],
            "traceback": [],
        }
