"""The plain kernel: a standard ipykernel over TCP on this machine, on Linux, macOS and Windows.

For students who check their own notebooks: no cage, no limits of memory, none of processes. It
needs no fork; where there is one, questions are answered by forks all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
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

import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.connect import write_connection_file
from jupyter_client.launcher import launch_kernel
from nbclient.exceptions import DeadKernelError

from grader.kernel import processes
from grader.kernel.caged import frames, wire
from grader.kernel.clients import CheckedClient, WatchedClient
from grader.kernel.messages import error_of, flood_limits
from grader.kernel.starting import START_SECONDS, ZygoteError, lay_files

_OPEN_SECONDS: Final = 10.0
_CAGED: Final = Path(__file__).parent / "caged"
_ENVIRONMENT: Final = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


class PlainKernel:
    """A :class:`~grader.kernel.run.Kernel` with nothing around it.

    Parameters
    ----------
    files
        Data files of the notebook, by relative path.
    seed
        Seed of Python, numpy and torch before the first cell.
    message_bytes
        Largest answer to a question.
    output_bytes
        Most bytes of output a cell may publish.

    Raises
    ------
    ZygoteError
        If it does not come up.
    """

    def __init__(
        self,
        *,
        files: Mapping[PurePosixPath, bytes] | None = None,
        seed: int = 0,
        message_bytes: int = 64 << 20,
        output_bytes: int = 1 << 20,
    ) -> None:
        self.client: Any = None
        self.layers: list[str] = []
        self.truncated = False
        self.reply: Mapping[str, Any] = {}
        self.output_bytes = output_bytes
        self._start_call = f"start(get_ipython(), {seed}, {message_bytes})"
        self._asking: BlockingKernelClient | None = None
        self._ended = False
        self._folder = Path(tempfile.mkdtemp(prefix="karnameh-"))
        work = self._folder / "work"
        work.mkdir()
        lay_files(work, files or {})
        self._connection = self._folder / "kernel.json"
        write_connection_file(str(self._connection), ip="127.0.0.1", transport="tcp")
        self._log = self._folder / "kernel.log"
        paths = [str(_CAGED.parent), os.environ.get("PYTHONPATH", "")]
        environment = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), **_ENVIRONMENT}
        with self._log.open("wb") as log:
            self.process: subprocess.Popen[bytes] = launch_kernel(
                [
                    *(sys.executable, "-m", "ipykernel_launcher", "-f", str(self._connection)),
                    "--HistoryManager.enabled=False",
                    "--InteractiveShell.colors=nocolor",
                ],
                stdout=log.fileno(),
                stderr=log.fileno(),
                cwd=str(work),
                env={**os.environ, **environment},
            )

    @property
    def pid(self) -> int:
        """The notebook's process."""
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
        """Connect on `loop`, wait for the kernel and bring it to where the first cell begins.

        Raises
        ------
        ZygoteError
            If it does not come up.
        """
        self._connected = WatchedClient()
        self._connected.load_connection_file(str(self._connection))
        self._connected.process = self.process
        self._connected.allow_stdin = False
        self._connected.context.setsockopt(zmq.MAXMSGSIZE, flood_limits(self.output_bytes)[0])
        self._connected.start_channels(stdin=False, hb=False)
        try:
            await self._hear_from_it()
            code = f"__import__('caged.plain').plain.{self._start_call}"
            reply = await self._connected.execute(
                code, silent=True, store_history=False, reply=True, timeout=START_SECONDS
            )
            content = reply["content"]
            failure = None if content.get("status") == "ok" else str(content)[:1000]
        except (TimeoutError, DeadKernelError) as error:
            failure = str(error)
        if failure is not None:
            self._connected.stop_channels()
            raise ZygoteError(f"no kernel: {failure}; it said: {self.log()}")
        self.client = CheckedClient(self._connected, self)

    async def _hear_from_it(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise DeadKernelError("it ended before it was ready")
            with contextlib.suppress(TimeoutError, Empty):
                await self._connected.kernel_info(reply=True, timeout=1.0)
                await self._connected.iopub_channel.get_msg(timeout=1.0)
                return
        raise TimeoutError(f"it was not ready within {START_SECONDS:.0f} seconds")

    def detach(self) -> None:
        """Close the channels of the cells; questions have one of their own."""
        if self.client is not None:
            self._connected.stop_channels()
            self.client = None

    def open_probe(self) -> socket.socket:
        """Have the kernel answer, and return the socket on which it does.

        Raises
        ------
        OSError
            If the kernel does not take questions, even after an interrupt.
        """
        if self._asking is None:
            self._asking = BlockingKernelClient()
            self._asking.load_connection_file(str(self._connection))
            self._asking.start_channels(iopub=False, stdin=False, hb=False, control=False)
        token = secrets.token_hex(16)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(_OPEN_SECONDS)
            port = listener.getsockname()[1]
            call = f"__import__('caged.plain').plain.answer(get_ipython(), {port}, {token!r})"
            self._asking.execute(call, silent=True, store_history=False)
            try:
                sock, _ = listener.accept()
            except TimeoutError:  # the last question is still being answered
                self._interrupt()
                sock, _ = listener.accept()
        try:
            said, _ = frames.receive_frame(sock, 1 << 10, time.monotonic() + _OPEN_SECONDS)
        except (frames.TooLate, wire.WireError) as error:
            sock.close()
            raise ConnectionError(str(error)) from error
        if not secrets.compare_digest(said, token.encode()):
            sock.close()
            raise ConnectionError("somebody else answered")
        return sock

    def _interrupt(self) -> None:
        """Press the stop button, as Jupyter does."""
        if sys.platform == "win32":
            from jupyter_client.win_interrupt import send_interrupt

            send_interrupt(self.process.win32_interrupt_event)
        else:
            self.process.send_signal(signal.SIGINT)

    def log(self) -> str:
        """The last of what the kernel wrote to its standard error."""
        return self._log.read_text(errors="replace")[-2000:].strip() or "nothing"

    def resident_bytes(self, allowed: int = 0) -> int:
        """Memory is not limited here."""
        return 0

    def kill(self) -> None:
        """End the process and what it started."""
        processes.kill_descendants(self.pid)
        self.process.kill()

    def end(self) -> int | None:
        """Kill it, remove its folder and return its exit status (negative: a signal)."""
        if self._ended:
            return None
        self._ended = True
        if self._asking is not None:
            self._asking.stop_channels()
        status = self.process.poll()
        self.kill()
        self.process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
        return -getattr(signal, "SIGKILL", 9) if status is None else status
