"""What Linux tells about a tree of processes: who belongs to it, and what memory it holds.

Numbers of processes are reused, and the processes asked about here are
hostile: before one is killed, its descent is read again behind a pidfd.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_ZOMBIE: Final = "Z"
_PIECE: Final = 1 << 14


def _read(path: str) -> bytes:
    """Read a file of Linux's own, at half of what Python's files cost: each probe reads some."""
    file = os.open(path, os.O_RDONLY)
    try:
        pieces = []
        while piece := os.read(file, _PIECE):
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        os.close(file)


def descendants(root: int) -> set[int]:
    """Return the processes that `root` and its descendants started, zombies included."""
    found: set[int] = set()
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{pid}/task"):
                children = set(map(int, _read(f"/proc/{pid}/task/{task}/children").split()))
                waiting += children - found
                found |= children
    return found


def kill_descendants(root: int, spared: Iterable[int] = ()) -> None:
    """Kill what descends from `root`, but for `spared` and `root` itself.

    A process that has been sent SIGKILL forks no more, so this ends when a
    look at the tree shows nobody new.
    """
    done = set(spared)
    while new := descendants(root) - done:
        done |= new
        for pid in new:
            with contextlib.suppress(OSError):
                handle = os.pidfd_open(pid)
                try:
                    if _descends(pid, root):
                        signal.pidfd_send_signal(handle, signal.SIGKILL)
                finally:
                    os.close(handle)


def _descends(pid: int, root: int) -> bool:
    while pid not in (0, 1, root):
        pid = _parent(pid)[1]
    return pid == root


def _parent(pid: int) -> tuple[str, int]:
    """State and parent of a process; its name may hold spaces and brackets."""
    fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return fields[0].decode(), int(fields[1])


_TICK: Final = 1 / os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 0.01


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time of these processes, and of the children that they have waited for."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            ticks += sum(map(int, _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[11:15]))
    return ticks * _TICK


def is_running(pid: int) -> bool:
    """Tell whether there is such a process and it has not ended."""
    try:
        return _parent(pid)[0] != _ZOMBIE
    except OSError:
        return False


def resident_bytes(root: int, allowed: int, *, own_network: bool = False) -> int:
    """Return the memory that `root` and its descendants hold, exactly if it may be over `allowed`.

    What each process maps counts pages twice that it shares with its parent
    (every fork does). That sum costs microseconds; only when it is larger than
    `allowed` the kernel is asked for the proportional share of each page,
    which takes it milliseconds.

    With `own_network`, where `root` has a network namespace that nobody else is
    in, what may wait in its sockets counts too: no process maps that.
    """
    everybody = [root, *descendants(root)]
    waiting = _sockets_of(root) * _bytes_of_a_socket() if own_network else 0
    mapped = sum(_pages_of(pid, "status", (b"RssAnon:", b"RssShmem:")) for pid in everybody)
    if waiting + mapped <= allowed:
        return waiting + mapped
    with contextlib.suppress(PermissionError):  # root without CAP_SYS_PTRACE
        mapped = sum(
            _pages_of(pid, "smaps_rollup", (b"Pss_Anon:", b"Pss_Shmem:")) for pid in everybody
        )
    return waiting + mapped


def _sockets_of(pid: int) -> int:
    """How many sockets there are in the network namespace of a process; none once it has ended."""
    try:
        with open(f"/proc/{pid}/net/sockstat") as file:
            return int(file.readline().split()[2])  # "sockets: used 12"
    except (OSError, IndexError):
        return 0


@functools.cache
def _bytes_of_a_socket() -> int:
    """The most that one socket holds whose buffers cannot be enlarged, in the cage."""
    settings = (_PROC / "sys/net/core" / f for f in ("wmem_default", "rmem_default", "optmem_max"))
    return sum(int(setting.read_text()) for setting in settings if setting.exists())


def _pages_of(pid: int, file: str, names: tuple[bytes, ...]) -> int:
    """Add up lines such as ``RssAnon:   1234 kB``; nothing for a process that has ended."""
    try:
        lines = _read(f"/proc/{pid}/{file}").split(b"\n")  # a name may hold other line ends
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(names)) << 10


def out_of_memory_kills() -> int:
    """How many processes the kernel has killed since boot because no memory was left."""
    try:
        counters = _read("/proc/vmstat")
    except FileNotFoundError:  # no Linux
        return 0
    _, found, after = counters.partition(b"\noom_kill ")
    return int(after.partition(b"\n")[0]) if found else 0
