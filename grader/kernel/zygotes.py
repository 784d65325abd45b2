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
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self

import msgspec

from grader.kernel import cage, processes
from grader.kernel.caged import confine, frames, wire
from grader.kernel.starting import START_SECONDS, ZygoteError, lay_files

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class Child:
    """A process in which one submission runs.

    Attributes
    ----------
    sock
        The notebook channel.
    pid
        Its number among the processes of this machine.
    layers
        Names of the cage layers that hold around it.
    """

    def __init__(self, zygote: Zygote, number: int, sock: socket.socket, handle: int) -> None:
        self._zygote = zygote
        self.number = number
        self.sock = sock
        self._handle = handle
        self.layers: list[str] = []
        self.pid = _process_of(handle)
        self._ended = False

    def interrupt(self) -> None:
        """Send SIGINT, as a notebook's stop button does."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, signal.SIGINT)

    def kill(self) -> None:
        """End the process and everything that it started."""
        if not self._zygote.caged:  # in the cage its pid namespace ends with it
            processes.kill_descendants(self.pid)
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def resident_bytes(self, allowed: int = 0) -> int:
        """Memory of this process and its descendants; exact where it may be over `allowed`."""
        return processes.resident_bytes(self.pid, allowed, own_network=self._zygote.caged)

    def end(self) -> int | None:
        """Kill what still runs and return the exit status (negative: a signal).

        None if it has been ended before, or if the zygote is gone and with it the status.
        """
        if self._ended:
            return None
        self._ended = True
        self.kill()
        self.sock.close()
        os.close(self._handle)
        return self._zygote.reap(self)


def _process_of(handle: int) -> int:
    for line in Path(f"/proc/self/fdinfo/{handle}").read_text().splitlines():
        if line.startswith("Pid:"):
            return int(line.split()[1])
    raise ZygoteError("this kernel does not name the process behind a pidfd (Linux 5.4 does)")


class Zygote:
    """A warm process that forks; use it as a context manager.

    It ends with the thread that started it, whatever ends that.

    Parameters
    ----------
    caged
        Whether it runs in the cage. Without, student code runs as the user who grades.
    wait
        Until it is ready; else the first child waits for that, and others work meanwhile.
    warm
        What it makes ready before its first child: as :meth:`start_child` takes it.

    Raises
    ------
    ZygoteError, cage.NoCage
        If it does not come up.
    """

    def __init__(self, *, caged: bool = True, wait: bool = True, warm: Sequence[str] = ()) -> None:
        self.caged = caged
        self._warm = warm
        self.versions: dict[str, str] = {}
        """Of Python and the libraries, once it is ready."""
        self._folder = Path(tempfile.mkdtemp(prefix="karnameh-"))
        self._log = self._folder / "zygote.log"
        self._stage = self._folder / "stage"
        self._stage.mkdir(mode=0o755)
        self._jobs = 0
        self._children: set[Child] = set()
        try:
            self._start()
            if wait:
                self.wait_until_ready()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        self._control = ours
        # The number that the sandboxed process finds its end of the pair under.
        arguments = ["-m", "caged", "zygote", str(theirs.fileno()), *self._warm]
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
                    env=cage.environment_without_cage(self._folder),
                    start_new_session=True,
                )

    def wait_until_ready(self) -> None:
        """Wait until it can fork."""
        if not self.versions:
            self.versions = self._answer(START_SECONDS)["versions"]

    def _order(self, kind: str, argument: Any, fds: list[int]) -> dict[str, Any]:
        """Give the zygote an order and return its answer."""
        try:
            self._control.settimeout(START_SECONDS)
            frames.send_frame(self._control, _encode([kind, argument]), fds)
        except (frames.Closed, frames.TooLate) as error:
            raise self._gone(error) from error
        return self._answer(START_SECONDS, fds=len(fds))

    def _answer(self, seconds: float, fds: int = 0) -> dict[str, Any]:
        try:
            payload, received = frames.receive_frame(
                self._control, 1 << 20, time.monotonic() + seconds, fds
            )
        except (frames.Closed, frames.TooLate, wire.WireError) as error:
            raise self._gone(error) from error
        answer: dict[str, Any] = _decode(payload)
        answer["descriptors"] = received
        return answer

    def _gone(self, error: Exception) -> ZygoteError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)  # so that its last words are in the log
        return ZygoteError(f"the zygote is gone ({error}); it said: {self.log()}")

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
        warm: Sequence[str] = ("networks", "optimisers", "figures"),
    ) -> Child:
        """Fork a child for one submission, confined and ready for its first cell.

        Parameters
        ----------
        limits
            What its processes may use.
        files
            Data files handed in, by relative path, for its scratch folder.
        warm
            What the zygote makes ready for it and all after it: ``networks``,
            ``optimisers``, ``figures``; ``tables`` (pandas) and ``learning``
            (scikit-learn) when asked a second time.

        Raises
        ------
        ZygoteError
            If the fork or a layer of the cage fails.
        """
        self.wait_until_ready()
        self._jobs += 1
        stage = self._stage / str(self._jobs)
        job: dict[str, Any] = {
            "limits": msgspec.to_builtins(limits),
            "seed": seed,
            "output_bytes": output_bytes,
            "message_bytes": message_bytes,
            "warm": list(warm),
        }
        try:
            if files or not self.caged:
                stage.mkdir(mode=0o755)
                lay_files(stage, files or {})
                if self.caged:
                    job["stage"] = f"{confine.STAGE}/{stage.name}"
                else:
                    job["scratch"] = str(stage)
            return self._start_child(job)
        finally:
            if self.caged:
                shutil.rmtree(stage, ignore_errors=True)

    def _start_child(self, job: dict[str, Any]) -> Child:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                answer = self._order("start", job, [theirs.fileno()])
        except ZygoteError:
            ours.close()
            raise
        if "failed" in answer:
            ours.close()
            raise ZygoteError(f"no child for this submission: {answer['failed']}")
        child = Child(self, answer["child"], ours, answer["descriptors"][0])
        self._children.add(child)
        try:
            payload, _ = frames.receive_frame(ours, 1 << 16, time.monotonic() + START_SECONDS)
        except (frames.Closed, frames.TooLate) as error:
            child.end()
            raise ZygoteError(f"the child died at its start; it said: {self.log()}") from error
        ready: dict[str, Any] = _decode(payload)
        if "failed" in ready:
            child.end()
            raise ZygoteError(f"the cage did not close: {ready['failed']}")
        child.layers = (["bubblewrap"] if self.caged else []) + ready["layers"]
        return child

    def reap(self, child: Child) -> int | None:
        """Wait for a killed child in the zygote and return its exit status."""
        self._children.discard(child)
        try:
            status: int = self._order("reap", child.number, [])["status"]
        except ZygoteError:  # it took its children with it
            return None
        return status

    def must_live(self) -> None:
        """See that it has not ended meanwhile, and with it what its children were asked.

        Raises
        ------
        ZygoteError
            If it has.
        """
        self._order("answer", None, [])

    def close(self) -> None:
        """End the zygote and all its children, and remove its folder."""
        for child in list(self._children):
            child.end()
        if hasattr(self, "_process"):
            if self.caged:
                cage.end(self._process)
            else:
                self._process.kill()
                self._process.wait()
        if hasattr(self, "_control"):
            self._control.close()
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
