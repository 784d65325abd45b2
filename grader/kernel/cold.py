"""The cold kernel: a standard ipykernel, started for each submission in the same cage.

Three seconds and more where the forked kernel takes hundredths, for
environments that cannot be forked and to prove that both give equal reports.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from queue import Empty
from typing import Any, Final

import msgspec
import zmq
from jupyter_client.connect import write_connection_file
from nbclient.exceptions import DeadKernelError

from grader.kernel import cage, processes
from grader.kernel.caged import cold, confine
from grader.kernel.clients import CheckedClient, WatchedClient
from grader.kernel.messages import error_of, flood_limits
from grader.kernel.starting import START_SECONDS, ZygoteError, lay_files

_OPEN_SECONDS: Final = 10.0
_MAX_SOCKET_PATH: Final = 100


class ColdKernel:
    """A :class:`~grader.kernel.run.Kernel`: a standard ipykernel behind unix sockets.

    Parameters
    ----------
    limits
        What its processes may use.
    files
        Data files handed in, by relative path.
    seed
        Seed of Python, numpy and torch before the first cell.
    message_bytes
        Largest answer to a question.
    output_bytes
        Most bytes of output a cell may publish.
    caged
        Whether it runs in the cage.

    Raises
    ------
    ZygoteError
        If it does not come up.
    """

    def __init__(
        self,
        limits: confine.Limits,
        *,
        files: Mapping[PurePosixPath, bytes] | None = None,
        seed: int = 0,
        message_bytes: int = 64 << 20,
        output_bytes: int = 1 << 20,
        caged: bool = True,
    ) -> None:
        self.client: Any = None
        self.layers: list[str] = []
        self.truncated = False
        self.reply: Mapping[str, Any] = {}
        self.output_bytes = output_bytes
        self._start_call = f"start(get_ipython(), {seed}, {message_bytes}, {output_bytes})"
        self._caged = caged
        self._probes = 0
        self._ended = False
        self._folder = _short_folder()
        # In the first the student's user makes the kernel's sockets, in the second the
        # grader makes those of probes: no link of a student's can lie in its way there.
        self._channel, self._questions = self._folder / "channel", self._folder / "questions"
        self._channel.mkdir()
        self._channel.chmod(0o777)
        self._questions.mkdir()
        self._questions.chmod(0o755)
        try:
            stage = self._folder / "stage"
            lay_files(stage / "files", files or {})
            (stage / "files").mkdir(parents=True, exist_ok=True)
            self._start(limits, stage)
        except BaseException:
            self.end()
            raise

    def _start(self, limits: confine.Limits, stage: Path) -> None:
        # Paths inside and outside differ, so each side gets a connection file of its own.
        inside = Path(cold.CHANNEL) if self._caged else self._channel
        key = os.urandom(16).hex().encode()
        for path, folder in (
            (self._channel / "kernel.json", inside),
            (self._folder / "client.json", self._channel),
        ):
            write_connection_file(
                str(path), transport="ipc", ip=str(folder / "k"), key=key,
                shell_port=1, iopub_port=2, stdin_port=3, control_port=4, hb_port=5,
            )  # fmt: skip
        (self._channel / "kernel.json").chmod(0o644)
        arguments = [
            *("-m", "caged", "cold", str(inside / "kernel.json")),
            msgspec.json.encode(limits).decode(),
            f"{confine.STAGE}/files" if self._caged else "",
            "yes" if self._caged else "no",
        ]
        self._log = self._folder / "kernel.log"
        with self._log.open("wb") as log:
            if self._caged:
                command = cage.sandbox_command(
                    arguments,
                    stage=stage,
                    writable={self._channel: cold.CHANNEL},
                    readable={self._questions: cold.QUESTIONS},
                )
                self.process = cage.start(command, [], log.fileno())
            else:
                self.process = subprocess.Popen(
                    [sys.executable, "-P", *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=stage / "files",
                    env=cage.environment_without_cage(self._folder),
                    start_new_session=True,
                )

    @property
    def pid(self) -> int:
        """The sandbox of the notebook's process, or that process itself."""
        return self.process.pid

    @property
    def count(self) -> int | None:
        """Execution count of the last cell."""
        count = self.reply.get("execution_count")
        return count if isinstance(count, int) else None

    @property
    def error(self) -> str | None:
        """Type and message of what the last cell raised."""
        return error_of(self.reply) if self.reply else None

    async def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Connect on `loop`, wait for the kernel and bring it to where a forked child begins.

        Raises
        ------
        ZygoteError
            If it does not come up.
        """
        self._connected = self._connect()
        self._connected.start_channels(stdin=False, hb=False)
        try:
            await self._hear_from_it()
            await self._silently(self._connected, self._start_call, START_SECONDS)
        except (TimeoutError, DeadKernelError) as error:
            self._connected.stop_channels()
            raise ZygoteError(f"no kernel: {error}; it said: {self.log()}") from error
        self.layers = msgspec.json.decode((self._channel / "layers.json").read_bytes())
        if self._caged:
            self.layers.insert(0, "bubblewrap")
        self.client = CheckedClient(self._connected, self)

    def _connect(self) -> WatchedClient:
        client = WatchedClient()
        client.load_connection_file(str(self._folder / "client.json"))
        client.process = self.process
        client.allow_stdin = False
        client.context.setsockopt(zmq.MAXMSGSIZE, flood_limits(self.output_bytes)[0])
        return client

    def detach(self) -> None:
        """Close the channels of the cells; each probe opens one of its own."""
        if self.client is not None:
            self._connected.stop_channels()
            self.client = None

    async def _hear_from_it(self) -> None:
        """Wait until the kernel answers and its publications arrive, too.

        jupyter_client would trust heartbeats here, which a busy machine misses.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise DeadKernelError("it ended before it was ready")
            with contextlib.suppress(TimeoutError, Empty):
                await self._connected.kernel_info(reply=True, timeout=1.0)
                await self._connected.iopub_channel.get_msg(timeout=1.0)
                return
        raise TimeoutError(f"it was not ready within {START_SECONDS:.0f} seconds")

    async def _silently(self, client: Any, call: str, seconds: float) -> None:
        code = f"__import__('caged.cold').cold.{call}"
        reply = await client.execute(
            code, silent=True, store_history=False, reply=True, timeout=seconds
        )
        if reply["content"].get("status") != "ok":
            raise DeadKernelError(str(reply["content"])[:1000])

    def open_probe(self) -> socket.socket:
        """Have the kernel fork and return the socket on which the fork answers.

        Raises
        ------
        OSError
            If the kernel does not take questions.
        """
        self._probes += 1
        name = f"{self._probes}"
        path = self._questions / name
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            path.chmod(0o777)
            listener.listen(1)
            listener.settimeout(_OPEN_SECONDS)
            seen = Path(cold.QUESTIONS if self._caged else self._questions, name)
            try:
                asyncio.run(self._ask_for_fork(f"fork_probe(get_ipython(), {str(seen)!r})"))
            except DeadKernelError as error:
                raise ConnectionError(str(error)) from error
            sock, _ = listener.accept()
        return sock

    async def _ask_for_fork(self, call: str) -> None:
        client = self._connect()
        client.start_channels(iopub=False, stdin=False, hb=False, control=False)
        try:
            await self._silently(client, call, _OPEN_SECONDS)
        finally:
            client.shell_channel.stop()

    def log(self) -> str:
        """The last of what the kernel wrote to its standard error."""
        return self._log.read_text(errors="replace")[-2000:].strip() or "nothing"

    def resident_bytes(self, allowed: int = 0) -> int:
        """Memory of the kernel and what it started; exact where it may be over `allowed`."""
        return processes.resident_bytes(self.pid, allowed, own_network=self._caged)

    def kill(self) -> None:
        """End the process and everything in its sandbox."""
        processes.kill_descendants(self.pid)
        if not self._caged:
            self.process.kill()

    def end(self) -> int | None:
        """Kill it, remove its folder and return its exit status (negative: a signal)."""
        if self._ended:
            return None
        self._ended = True
        status = None
        if hasattr(self, "process"):
            status = self.process.poll()
            self.kill()
            if self._caged:
                cage.end(self.process)
            self.process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
        if status is None:
            return -signal.SIGKILL
        # bubblewrap reports a signal that ended its child as 128 + its number.
        return 128 - status if status > 128 else status


def _short_folder() -> Path:
    """Make a temporary folder; the path of a unix socket must be short."""
    folder = Path(tempfile.mkdtemp(prefix="karnameh-"))
    if len(str(folder / "questions" / "000000")) > _MAX_SOCKET_PATH:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="karnameh-", dir="/tmp"))
    return folder
