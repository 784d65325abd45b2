"""CPU time and memory of a command with all that it starts, from a control group of its own.

What a process leaves behind unreaped, or reaps unseen in a pid namespace, is in no rusage;
the kernel's accounting misses none of it. Works with cgroup v1 and v2; needs to be root.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import msgspec

_ROOT = Path("/sys/fs/cgroup")
_POLL_SECONDS = 0.1


class Used(msgspec.Struct, frozen=True):
    """What commands came to.

    Attributes
    ----------
    wall, cpu
        Seconds.
    memory
        Most anonymous memory at one time, in bytes.
    """

    wall: float
    cpu: float
    memory: int


class Group:
    """One control group; use it as a context manager.

    Raises
    ------
    PermissionError
        If this user may not make one.
    """

    def __init__(self) -> None:
        name = f"karnameh-bench-{os.getpid()}-{time.monotonic_ns()}"
        self.unified = (_ROOT / "cgroup.controllers").exists()
        kinds = ["."] if self.unified else ["cpuacct", "memory"]
        self.folders = {kind: _ROOT / kind / name for kind in kinds}
        for folder in self.folders.values():
            folder.mkdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for folder in self.folders.values():
            for _ in range(50):
                with contextlib.suppress(OSError):
                    folder.rmdir()
                    break
                time.sleep(0.1)

    @contextlib.contextmanager
    def around(self) -> Iterator[None]:
        """Have this process in the group for the time being, and all that it starts."""
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        before = {kinds or ".": path for _, kinds, path in (line.split(":", 2) for line in lines)}
        try:
            for folder in self.folders.values():
                _enter(folder)
            yield
        finally:
            for kind in self.folders:
                _enter(_ROOT / kind / before.get(kind, "/").lstrip("/"))

    def entering(self, command: Sequence[str | Path]) -> list[str]:
        """Return a command that enters the group and becomes `command`."""
        lists = [str(folder / "cgroup.procs") for folder in self.folders.values()]
        enter = f"echo $$ | tee {shlex.join(lists)} >/dev/null; exec " + '"$@"'
        return ["sh", "-c", enter, "sh", *map(str, command)]

    @property
    def cpu(self) -> float:
        """CPU time so far, in seconds."""
        if self.unified:
            return _value(self.folders["."] / "cpu.stat", "usage_usec") / 1e6
        return int((self.folders["cpuacct"] / "cpuacct.usage").read_text()) / 1e9

    @property
    def memory(self) -> int:
        """Anonymous memory now, in bytes."""
        if self.unified:
            return _value(self.folders["."] / "memory.stat", "anon")
        return _value(self.folders["memory"] / "memory.stat", "total_rss")


def _enter(folder: Path) -> None:
    (folder / "cgroup.procs").write_text(str(os.getpid()))


def _value(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    raise LookupError(f"{path} has no {name}")


def measure(
    commands: Sequence[Sequence[str | Path]],
    *,
    folder: Path,
    environment: Mapping[str, str],
    log: Path,
    beside: Group | None = None,
) -> Used:
    """Run `commands` side by side in `folder` until all have ended, and say what they used.

    What the processes of the group `beside` use meanwhile counts, too.

    Raises
    ------
    RuntimeError
        If one of them fails; its output is in `log`.
    """
    with Group() as group, log.open("ab") as output:
        groups = [group, *([] if beside is None else [beside])]
        before = sum(each.cpu for each in groups)
        peak = 0
        done = threading.Event()

        def watch() -> None:
            nonlocal peak
            while not done.wait(_POLL_SECONDS):
                peak = max(peak, sum(each.memory for each in groups))

        watcher = threading.Thread(target=watch)
        watcher.start()
        started = time.perf_counter()
        try:
            running = [
                subprocess.Popen(
                    group.entering(command),
                    cwd=folder,
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
                for command in commands
            ]
            codes = [process.wait() for process in running]
        finally:
            wall = time.perf_counter() - started
            done.set()
            watcher.join()
        if any(codes):
            raise RuntimeError(f"exit codes {codes} of {commands}: see {log}")
        return Used(wall, sum(each.cpu for each in groups) - before, peak)
