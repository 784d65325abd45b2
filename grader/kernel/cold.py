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
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.connect import write_connection_file

from grader.kernel import cage
from grader.kernel.caged import cold, confine
from grader.kernel.zygotes import START_SECONDS, ZygoteError
from nbclient.exceptions import DeadKernelError

_OPEN_SECONDS = 10.0


class _WatchedClient(AsyncKernelClient):  # type: ignore[misc]
    """jupyter_client's own client, for a process that it did not start."""

    process: subprocess.Popen[bytes]

    async def is_alive(self) -> bool:
        return self.process.poll() is None


class ColdKernel:
    """A :class:`~grader.kernel.run.Kernel`: a standard ipykernel behind unix sockets.

    Parameters
    ----------
    limits
        What its processes may use.
    files
        Data files handed in, by relative path.

    Raises
    ------
    ZygoteError
        If it does not come up.
    """

    truncated = False

    def __init__(
        self,
        limits: confine.Limits,
        *,
        files: Mapping[PurePosixPath, bytes] | None = None,
        seed: int = 0,
        message_bytes: int = 64 << 20,
        caged: bool = True,
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="karnameh-"))
        self._channel = self._folder / "channel"
        self._channel.mkdir()
        # The student's user writes its sockets here; the folder above is ours alone.
        self._channel.chmod(0o777)
        self._seed, self._message_bytes = seed, message_bytes
        self._probes = 0
        self._ended = False
        stage = self._folder / "stage"
        (stage / "files").mkdir(parents=True)
        for name, data in (files or {}).items():
            path = stage / "files" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        self._inside = Path(cold.CHANNEL) if caged else self._channel
        try:
            self._start(limits, stage, caged)
        except BaseException:
            self.end()
            raise

    def _start(self, limits: confine.Limits, stage: Path, caged: bool) -> None:
        # Paths inside and outside differ, so each side gets a connection file of its own.
        key = os.urandom(16).hex().encode()
        inside_file = self._channel / "kernel.json"
        for path, folder in (
            (inside_file, self._inside),
            (self._folder / "client.json", self._channel),
        ):
            write_connection_file(
                str(path), transport="ipc", ip=str(folder / "k"), key=key,
                shell_port=1, iopub_port=2, stdin_port=3, control_port=4, hb_port=5,
            )  # fmt: skip
        inside_file.chmod(0o644)
        arguments = [
            *("-m", "caged", "cold", str(self._inside / "kernel.json")),
            msgspec.json.encode(limits).decode(),
            f"{confine.STAGE}/files" if caged else "",
            "yes" if caged else "no",
        ]
        self._log = self._folder / "kernel.log"
        with self._log.open("wb") as log:
            if caged:
                command = cage.sandbox_command(
                    arguments, stage=stage, writable={self._channel: cold.CHANNEL}
                )
                self.process = cage.start(command, [], log.fileno())
            else:
                self.process = subprocess.Popen(
                    [sys.executable, "-P", *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=stage / "files",
                    env={**cage.ENVIRONMENT, "PYTHONPATH": str(cage.CAGED.parent)},
                    start_new_session=True,
                )
        self.client: Any = None
        self.layers: list[str] = []
        self._caged = caged

    @property
    def count(self) -> int | None:
        """Execution count of the last cell."""
        counts = [self._last.get("content", {}).get("execution_count")]
        return counts[0] if isinstance(counts[0], int) else None

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Connect on `loop`; the first cell waits until the kernel is ready."""
        client = _WatchedClient()
        client.load_connection_file(str(self._folder / "client.json"))
        client.process = self.process
        client.start_channels(stdin=False)
        client.allow_stdin = False
        self._last: dict[str, Any] = {}
        self.client = _ReadyClient(client, self)

    def detach(self) -> None:
        """Leave the channels as they are: probes use them too."""

    async def get_ready(self, client: Any) -> None:
        """Wait for the kernel and bring it into the state that a forked child begins with."""
        try:
            await client.wait_for_ready(timeout=START_SECONDS)
        except RuntimeError as error:
            raise ZygoteError(f"no kernel: {error}; it said: {self.log()}") from error
        with contextlib.suppress(OSError):
            self.layers = msgspec.json.decode((self._channel / "layers.json").read_bytes())
        if self._caged:
            self.layers.insert(0, "bubblewrap")
        await self._silently(
            client, f"start(get_ipython(), {self._seed}, {self._message_bytes})"
        )

    async def _silently(self, client: Any, call: str) -> None:
        code = f"__import__('caged.cold').cold.{call}"
        reply = await client.execute_interactive(
            code, silent=True, store_history=False, timeout=START_SECONDS,
            output_hook=lambda message: None,
        )  # fmt: skip
        if reply["content"]["status"] != "ok":
            raise DeadKernelError(str(reply["content"]))

    def open_probe(self) -> socket.socket:
        """Have the kernel fork and return the socket on which the fork answers."""
        self._probes += 1
        name = f"probe-{self._probes}"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self._channel / name))
            (self._channel / name).chmod(0o777)
            listener.listen(1)
            listener.settimeout(_OPEN_SECONDS)
            path = str(self._inside / name)
            asyncio.run(self._ask_for_fork(f"fork_probe(get_ipython(), {path!r})"))
            sock, _ = listener.accept()
        return sock

    async def _ask_for_fork(self, call: str) -> None:
        client = _WatchedClient()
        client.load_connection_file(str(self._folder / "client.json"))
        client.process = self.process
        client.start_channels(stdin=False, hb=False)
        try:
            await self._silently(client, call)
        except TimeoutError as error:
            raise OSError(str(error)) from error
        finally:
            client.stop_channels()

    def log(self) -> str:
        """The last of what the kernel wrote to its standard error."""
        return self._log.read_text(errors="replace")[-2000:].strip() or "nothing"

    def resident_bytes(self) -> int:
        """Memory of the kernel and what it started."""
        total, waiting = 0, [self.process.pid]
        while waiting:
            pid = waiting.pop()
            with contextlib.suppress(OSError, ValueError):
                _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
                total += int(resident) - int(shared)
                for task in os.listdir(f"/proc/{pid}/task"):
                    children = Path(f"/proc/{pid}/task/{task}/children").read_text()
                    waiting += map(int, children.split())
        return total * os.sysconf("SC_PAGE_SIZE")

    def kill(self) -> None:
        """End the process and everything in its sandbox."""
        with contextlib.suppress(ProcessLookupError):
            if self._caged:
                self.process.kill()
            else:
                os.killpg(self.process.pid, signal.SIGKILL)

    def end(self) -> int | None:
        """Kill it, remove its folder and return its exit status."""
        if self._ended:
            return None
        self._ended = True
        status = None
        if hasattr(self, "process"):
            status = self.process.poll()
            self.kill()
            self.process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
        # bubblewrap reports a signal that ended its child as 128 + its number.
        return 128 - status if status is not None and status > 128 else status


class _ReadyClient:
    """Makes the kernel ready before its first cell and remembers each reply."""

    def __init__(self, client: Any, kernel: ColdKernel) -> None:
        self._client = client
        self._kernel = kernel
        self._ready = False
        self.allow_stdin = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def execute(self, code: str, **options: Any) -> str:
        if not self._ready:
            await self._kernel.get_ready(self._client)
            self._ready = True
        request: str = self._client.execute(code, **options)
        return request

    @property
    def shell_channel(self) -> _ReplyRecorder:
        return _ReplyRecorder(self._client.shell_channel, self._kernel)


class _ReplyRecorder:
    def __init__(self, channel: Any, kernel: ColdKernel) -> None:
        self._channel = channel
        self._kernel = kernel

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:
        message: dict[str, Any] = await self._channel.get_msg(timeout=timeout)
        self._kernel._last = message
        return message
