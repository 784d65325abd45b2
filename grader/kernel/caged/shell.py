"""An IPython shell that runs cells over one socket, without threads or ZMQ.

ipykernel's interactive shell does the work: magics, ``display``, inline
figures, top-level ``await``. Its display hook and publisher get a Jupyter
session (:class:`SocketSession`) that writes each message as one frame, so a
forked child needs neither an IOPub thread nor a port. The grader drives it
through nbclient as it would any kernel.
"""

from __future__ import annotations

import ast
import asyncio
import builtins
import contextlib
import functools
import importlib
import inspect
import io
import os
import random
import re
import signal
import socket
import sys
import threading
import time
import types
from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn

import msgspec
from ipykernel.zmqshell import ZMQInteractiveShell
from IPython.core.error import StdinNotImplementedError
from jupyter_client.session import Session
from traitlets.config import Config

from .budget import Budget
from .figures import crop_figures
from .frames import send_frame

# Without what `signal` makes of each of 60 numbers, at a fifth of the cost of a small cell.
_sigmask: Callable[[int, Iterable[Any]], set[Any]] = getattr(
    importlib.import_module("_signal"), "pthread_sigmask", lambda *_: set()
)  # Windows has none, and no cell is run by this module there
_EVERY_SIGNAL: Final = frozenset(map(int, signal.valid_signals()))
_encode = msgspec.msgpack.Encoder(enc_hook=repr).encode
_CHUNK: Final = 1 << 16
_SYNTAX: Final = ["MagicAssign", "SystemAssign", "EscapedCommand", "HelpEnd"]
# Besides syntax of IPython's, what Python may warn of whenever it reads it.
_SIGN: Final = re.compile(r"\?|=\s*[%!]|\\|\d(?:and|else|for|if|in|is|not|or)")
_ESCAPES: Final = ("%", "!", ",", ";", "/")
_FREE_FLUSHES: Final = 20
_FLUSH_SECONDS: Final = 0.1


def _frame(*parts: Any) -> bytes:
    """Encode a message; what msgpack cannot hold (lone surrogates, long integers) as text."""
    try:
        return _encode(parts)
    except (ValueError, OverflowError, TypeError, RecursionError):
        return _encode(_plain(parts))


def _plain(value: Any, depth: int = 0) -> Any:
    if type(value) is str:
        return value.encode("utf-8", "replace").decode()
    if depth < 20 and type(value) is dict:
        return {_plain(str(key)): _plain(item, depth + 1) for key, item in value.items()}
    if depth < 20 and type(value) in (list, tuple):
        return [_plain(item, depth + 1) for item in value]
    if value is None or type(value) in (bool, float):
        return value
    if type(value) is int and value.bit_length() < 64:
        return value
    return _plain(repr(value)[:1000])


class Outbox:
    """Where a cell's messages leave, as far as its budget allows."""

    def __init__(self, sock: socket.socket | None, budget: Budget) -> None:
        self.sock = sock
        self.budget = budget
        self.owner = os.getpid()
        self.streams: list[OutputStream] = []
        self.descriptors: CapturedDescriptors | None = None
        # Threads of student code print, too: their frames must not mix.
        self.lock = threading.RLock()

    def start_cell(self) -> None:
        self.budget.start_cell()
        for stream in self.streams:
            stream.start_cell()

    def drain(self) -> None:
        """Send what was printed so far, and what other programs wrote beside it."""
        for stream in self.streams:
            stream.drain()
        if self.descriptors is not None:
            self.descriptors.publish(self)

    def publish(self, kind: str, content: Any) -> None:
        """Send one message of IOPub; past the budget say so once, then drop."""
        if self.sock is None or os.getpid() != self.owner:
            return
        with self.lock:
            if kind != "stream":
                self.drain()
            admitted = self.budget.admit(kind, content)
            if admitted is not None:
                send_frame(self.sock, _frame("publish", kind, admitted))
            if self.budget.just_spent():
                send_frame(self.sock, _frame("publish", "truncated", {}))

    def reply(self, content: Any) -> None:
        if self.sock is not None:
            with self.lock:
                send_frame(self.sock, _frame("reply", "execute_reply", content))


class SocketSession(Session):
    """A Jupyter session that puts messages into an :class:`Outbox`."""

    outbox: Outbox

    def msg(self, msg_type: str, content: Any = None, *_: Any, **__: Any) -> dict[str, Any]:
        return {"msg_type": msg_type, "content": content or {}}

    def send(
        self, stream: Any, msg_or_type: Any, content: Any = None, *_: Any, **__: Any
    ) -> dict[str, Any]:
        message = msg_or_type if isinstance(msg_or_type, dict) else self.msg(msg_or_type, content)
        self.outbox.publish(message["msg_type"], message["content"])
        return message


class OutputStream(io.TextIOBase):
    """``sys.stdout`` or ``sys.stderr`` of the cells.

    The first lines of a cell are sent as they are written, so that they are
    there if it never ends; later ones wait for a tenth of a second or for
    64 KiB, or whoever prints character by character would send a message for
    each.
    """

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, name: str, outbox: Outbox, descriptor: int) -> None:
        self.name = name
        self.outbox = outbox
        self.descriptor = descriptor
        self.parts: list[str] = []
        self.size = 0
        outbox.streams.append(self)
        self.start_cell()

    def start_cell(self) -> None:
        self.flushes = 0
        self.flushed = 0.0

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if os.getpid() != self.outbox.owner:  # a process that the cell forked
            os.write(self.descriptor, text.encode("utf-8", "replace"))
            return len(text)
        self.parts.append(text)
        self.size += len(text)
        if self.size > _CHUNK:
            self.drain()
        elif text.endswith("\n"):
            self.flush()
        return len(text)

    def flush(self) -> None:
        if not self.parts:
            return
        now = time.monotonic()
        self.flushes += 1
        if self.flushes <= _FREE_FLUSHES or now - self.flushed > _FLUSH_SECONDS:
            self.flushed = now
            self.drain()

    def drain(self) -> None:
        """Send all that was written."""
        parts, self.parts, self.size = self.parts, [], 0
        text = "".join(parts)
        for start in range(0, len(text), _CHUNK):
            part = text[start : start + _CHUNK]
            self.outbox.publish("stream", {"name": self.name, "text": part})

    def fileno(self) -> int:
        return self.descriptor

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True


class CapturedDescriptors:
    """What C code and other processes write to descriptors 1 and 2, read back now and then."""

    def __init__(self) -> None:
        self.files = {name: os.memfd_create(name) for name in ("stdout", "stderr")}

    def capture(self) -> None:
        """Put the files in the place of the descriptors."""
        import fcntl  # not on Windows, where the rest of this module is of use

        for target, name in ((1, "stdout"), (2, "stderr")):
            # Written at the end wherever that is, so that it can be cut back to nothing.
            fcntl.fcntl(self.files[name], fcntl.F_SETFL, os.O_APPEND)
            os.dup2(self.files[name], target)

    def publish(self, outbox: Outbox) -> None:
        for name, file in self.files.items():
            size = os.fstat(file).st_size
            if size:
                data = os.pread(file, min(size, outbox.budget.bytes + 1), 0)
                os.ftruncate(file, 0)
                text = data.decode("utf-8", errors="replace")
                outbox.publish("stream", {"name": name, "text": text})


def make_shell() -> Any:
    """Make the shell once, in the zygote: no history file, no colours, inline figures."""
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    shell: Any = ZMQInteractiveShell.instance(config=config, user_ns={})
    session = SocketSession()
    session.outbox = Outbox(None, Budget(0))
    for publisher in (shell.displayhook, shell.display_pub):
        publisher.session = session
        publisher.pub_socket = session
    shell.displayhook.get_execution_count = lambda: shell.execution_count
    prepare(shell)
    wait_for_no_ended_program()
    pass_plain_python(shell.input_transformer_manager)
    return shell


def pass_plain_python(manager: Any) -> None:
    """Have IPython look for its own syntax only in cells that hold a sign of it.

    It would split each into tokens for that, at a third of the cost of most cells.
    """
    usual: Callable[[list[str]], list[str]] = manager.do_token_transforms
    known = list(manager.token_transformers)
    if [kind.__name__ for kind in known] != _SYNTAX:
        return

    def do_token_transforms(lines: list[str]) -> list[str]:
        text = "".join(lines)
        if (
            _SIGN.search(text) is not None
            or any(line.lstrip()[:1] in _ESCAPES for line in lines)
            or manager.token_transformers != known
            or not all(line.endswith("\n") for line in lines)
        ):
            return usual(lines)
        try:
            compile(text, "<cell>", "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
        except Exception:  # which splitting it may tell in other words
            return usual(lines)
        return lines

    manager.do_token_transforms = do_token_transforms


def wait_for_no_ended_program() -> None:
    """Have ``!command`` end with its program: pexpect waits a tenth of a second to see it end."""
    with contextlib.suppress(ImportError, AttributeError):
        terminal = importlib.import_module("ptyprocess").PtyProcess
        usual: Callable[..., None] = terminal.close

        def close(self: Any, force: bool = True) -> None:
            with contextlib.suppress(Exception):  # the usual way tells what is wrong
                if not self.closed and not self.isalive():
                    self.delayafterclose = 0
            usual(self, force)

        terminal.close = close


def refuse_input(*_: Any, **__: Any) -> NoReturn:
    """Take the place of ``input`` and ``getpass``."""
    raise StdinNotImplementedError(
        "input() was called, but nobody is there to answer while a notebook is graded; "
        "assign the value to a variable instead"
    )


def prepare(shell: Any) -> None:
    """What the forked and the standard kernel have in common: no input, no exit."""
    import getpass

    builtins.input = getpass.getpass = refuse_input
    shell.ask_exit = lambda: None
    shell.enable_gui = lambda gui=None: None  # no event loop of a window system here
    shell.system = shell.system_piped
    _name_cells(shell.compile)
    crop_figures()
    sys.modules.setdefault("grader", _left_to_grading())


class Postponed:
    """What a question that is checked from a cell comes to here."""

    passed = True
    """Whether every check passed that can be made here: none can."""

    def __repr__(self) -> str:
        return "This notebook is being checked as a whole: no question is checked from a cell."


def _left_to_grading() -> types.ModuleType:
    """Make what a cell ``from grader import check`` finds that was left in a hand-in.

    The engine is not in the cage, and such a cell is no mistake of the student's.
    """
    module = types.ModuleType("grader", "Answers questions from a cell when a notebook is edited.")

    def check(*_: Any, **__: Any) -> Postponed:
        return Postponed()

    module.check = check  # type: ignore[attr-defined]
    return module


def _name_cells(compiler: Any) -> None:
    """Name the code of each cell by its number, and have it known as part of ``__main__``.

    The name is what warnings and syntax errors show. For code that belongs to no
    module :mod:`inspect` searches all that are imported, thousands beside torch, for
    each frame of each traceback: a minute for an endless recursion.
    """

    def name_of(_raw: str, _transformed: str, number: int) -> str:
        name = f"/tmp/cell-{number}.py"
        inspect.modulesbyfile[name] = "__main__"
        return name

    compiler.get_code_name = name_of


@functools.cache
def _seeders() -> list[Callable[[int], Any]]:
    seeders: list[Callable[[int], Any]] = [random.seed]
    if "numpy.random" in sys.modules:
        seeders.append(sys.modules["numpy.random"].seed)
    if "torch" in sys.modules:
        # `torch.manual_seed` looks for accelerators too, at twice the cost of a fork.
        seeders.append(sys.modules["torch"].default_generator.manual_seed)
    return seeders


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and torch, as far as they were imported when this was first called."""
    for seeder in _seeders():
        seeder(seed)


def compute_alone() -> None:
    """Have torch compute on the calling thread, in a fork of a notebook that used several.

    A fork loses the pool's other threads; OpenMP would wait for them for ever.
    """
    if (torch := sys.modules.get("torch")) is not None:
        with contextlib.suppress(Exception):  # whatever the notebook put in its place
            torch.set_num_threads(1)


def hold_signals() -> set[Any]:
    """Hold every signal back, and return which were held back before.

    Between cells, no timer or signal that a notebook or a probe left behind may
    run a handler of the notebook's in the midst of our own code.
    """
    while True:
        with contextlib.suppress(BaseException):  # from a handler that was due just now
            return _sigmask(signal.SIG_BLOCK, _EVERY_SIGNAL)


class CellRunner:
    """Runs cells in a forked child and sends what they publish."""

    def __init__(
        self,
        shell: Any,
        sock: socket.socket,
        output_bytes: int,
        descriptors: CapturedDescriptors,
    ) -> None:
        self.shell = shell
        self.outbox = Outbox(sock, Budget(output_bytes))
        shell.displayhook.session.outbox = self.outbox
        self.outbox.descriptors = descriptors
        self.mask = hold_signals()
        descriptors.capture()
        sys.stdout = OutputStream("stdout", self.outbox, 1)
        sys.stderr = OutputStream("stderr", self.outbox, 2)
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)

    def run(self, code: str) -> None:
        """Run one cell and send its reply."""
        self.outbox.start_cell()
        try:
            try:
                _sigmask(signal.SIG_SETMASK, self.mask)
                content = self.loop.run_until_complete(self._run(code))
            finally:
                hold_signals()
        except BaseException as error:  # a signal between two of IPython's own steps
            content = _failure(error)
            self.outbox.publish("error", {**content, "traceback": []})
        if os.getpid() != self.outbox.owner:
            os._exit(0)  # a fork that the cell made and let run on
        self.outbox.drain()
        content["execution_count"] = self.shell.execution_count - 1
        self.outbox.reply(content)

    def close(self) -> None:
        """Close the channel, in a fork that is to answer on another."""
        if self.outbox.sock is not None:
            self.outbox.sock.close()

    async def _run(self, code: str) -> dict[str, Any]:
        # As ipykernel does, but that it transforms most cells twice.
        shell = self.shell
        failure = None
        try:
            transformed = shell.transform_cell(code)
        except Exception:
            transformed, failure = code, sys.exc_info()
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
        shell.payload_manager.clear_payload()
        error = result.error_before_exec or result.error_in_exec
        return {"status": "ok"} if error is None else _failure(error)


def _failure(error: BaseException) -> dict[str, Any]:
    try:
        message = str(error)[:10_000]
    except BaseException:  # __str__ of an exception is student code
        message = ""
    return {"status": "error", "ename": type(error).__name__, "evalue": message}
