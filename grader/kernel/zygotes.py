"""The grader's end of a zygote: start it, and have it fork one child a submission."""

from __future__ import annotations

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
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from grader.kernel import cage
from grader.kernel.caged import confine, wire

START_SECONDS: Final = 120.0
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class ZygoteError(RuntimeError):
    """The zygote or the cage around it did not come up, or is gone: the environment's fault."""


class Child:
    """A process in which one submission runs.

    Attributes
    ----------
    sock
        The notebook channel.
    layers
        Names of the cage layers that hold around it.
    """

    def __init__(self, zygote: Zygote, number: int, sock: socket.socket, handle: int) -> None:
        self._zygote = zygote
        self._number = number
        self.sock = sock
        self._handle = handle
        self.layers: list[str] = []
        self.pid = _process_of(handle)
        self._ended = False

    def interrupt(self) -> None:
        """Send SIGINT, as a notebook's stop button does."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """End the process and, with its pid namespace, everything that it started."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, number)
            if self._zygote.caged is False:
                os.killpg(self.pid, number)

    def resident_bytes(self) -> int:
        """Memory of this process and its descendants that is not shared with the zygote."""
        total = 0
        waiting = [self.pid]
        while waiting:
            pid = waiting.pop()
            with contextlib.suppress(OSError, ValueError):
                _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
                total += int(resident) - int(shared)
                for task in os.listdir(f"/proc/{pid}/task"):
                    children = Path(f"/proc/{pid}/task/{task}/children").read_text()
                    waiting += map(int, children.split())
        return total * os.sysconf("SC_PAGE_SIZE")

    def end(self) -> int | None:
        """Kill what still runs and return the exit status (negative: a signal)."""
        if self._ended:
            return None
        self._ended = True
        self.kill()
        self.sock.close()
        os.close(self._handle)
        return self._zygote.reap(self._number)


def _process_of(handle: int) -> int:
    for line in Path(f"/proc/self/fdinfo/{handle}").read_text().splitlines():
        if line.startswith("Pid:"):
            return int(line.split()[1])
    raise ZygoteError("this kernel does not name the process behind a pidfd (Linux 5.4 does)")


class Zygote:
    """A warm process that forks; use it as a context manager.

    Parameters
    ----------
    caged
        Whether it runs in the cage. Without, student code runs as the user who grades.

    Raises
    ------
    ZygoteError, cage.NoCage
        If it does not come up.
    """

    def __init__(self, *, caged: bool = True) -> None:
        self.caged = caged
        self.versions: dict[str, str] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="karnameh-"))
        self._log = self._folder / "zygote.log"
        self._stage = self._folder / "stage"
        self._stage.mkdir(mode=0o755)
        self._jobs = 0
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        self._control = ours
        # The number that the sandboxed process finds its end of the pair under.
        arguments = ["-m", "caged", "zygote", str(theirs.fileno())]
        with theirs, self._log.open("wb") as log:
            if self.caged:
                command = cage.sandbox_command([*arguments, "--namespaces"], stage=self._stage)
                self._process = cage.start(command, [theirs.fileno()], log.fileno())
            else:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", *arguments],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**cage.ENVIRONMENT, "PYTHONPATH": str(cage.CAGED.parent)},
                    start_new_session=True,
                )
        answer = self._receive(START_SECONDS)
        self.versions = answer["versions"]

    def _receive(self, seconds: float, fds: int = 0) -> dict[str, Any]:
        try:
            payload, received = wire.receive_frame(
                self._control, 1 << 20, time.monotonic() + seconds, fds
            )
        except (wire.Closed, wire.TooLate, wire.WireError) as error:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1)  # so that its last words are in the log
            raise ZygoteError(f"the zygote is gone ({error}); it said: {self.log()}") from error
        answer: dict[str, Any] = _decode(payload)
        answer["descriptors"] = received
        return answer

    def log(self) -> str:
        """The last of what the zygote and the sandbox wrote to their standard error."""
        with contextlib.suppress(OSError):
            return self._log.read_text(errors="replace")[-2000:].strip() or "nothing"
        return "nothing"

    def start_child(
        self,
        limits: confine.Limits,
        *,
        files: Mapping[PurePosixPath, bytes] | None = None,
        seed: int = 0,
        output_bytes: int = 1 << 20,
        message_bytes: int = 64 << 20,
    ) -> Child:
        """Fork a child for one submission, confined and ready for its first cell.

        Parameters
        ----------
        limits
            What its processes may use.
        files
            Data files handed in, by relative path, for its scratch folder.

        Raises
        ------
        ZygoteError
            If the fork or a layer of the cage fails.
        """
        self._jobs += 1
        stage = self._stage / str(self._jobs)
        try:
            return self._start_child(
                limits, stage, files or {}, seed, output_bytes, message_bytes
            )
        finally:
            if self.caged:
                shutil.rmtree(stage, ignore_errors=True)

    def _start_child(
        self,
        limits: confine.Limits,
        stage: Path,
        files: Mapping[PurePosixPath, bytes],
        seed: int,
        output_bytes: int,
        message_bytes: int,
    ) -> Child:
        job: dict[str, Any] = {
            "limits": msgspec.to_builtins(limits),
            "seed": seed,
            "output_bytes": output_bytes,
            "message_bytes": message_bytes,
        }
        if files or not self.caged:
            stage.mkdir(mode=0o755)
            for name, data in files.items():
                path = stage / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            if self.caged:
                job["stage"] = f"{confine.STAGE}/{stage.name}"
            else:
                job["scratch"] = str(stage)
        ours, theirs = socket.socketpair()
        with theirs:
            wire.send_frame(self._control, _encode(["start", job]), [theirs.fileno()])
        answer = self._receive(START_SECONDS, fds=1)
        if "failed" in answer:
            ours.close()
            raise ZygoteError(f"no child for this submission: {answer['failed']}")
        child = Child(self, answer["child"], ours, answer["descriptors"][0])
        try:
            payload, _ = wire.receive_frame(ours, 1 << 16, time.monotonic() + START_SECONDS)
            ready: dict[str, Any] = _decode(payload)
        except (wire.Closed, wire.TooLate) as error:
            child.end()
            raise ZygoteError(f"the child died at its start; it said: {self.log()}") from error
        if "failed" in ready:
            child.end()
            raise ZygoteError(f"the cage did not close: {ready['failed']}")
        child.layers = (["bubblewrap"] if self.caged else []) + ready["layers"]
        return child

    def reap(self, number: int) -> int:
        """Wait for a killed child in the zygote and return its exit status."""
        wire.send_frame(self._control, _encode(["reap", number]))
        status: int = self._receive(30.0)["status"]
        return status

    def close(self) -> None:
        """End the zygote and remove its folder."""
        if hasattr(self, "_control"):
            self._control.close()
        if hasattr(self, "_process"):
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        place: TracebackType | None,
    ) -> None:
        self.close()
