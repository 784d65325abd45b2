"""A trial of the cage, for ``grader doctor``: put it up as for a submission and tell what holds.

Run as ``python -m caged trial`` inside the outer cage; the last line that it
writes is JSON.
"""

from __future__ import annotations

import contextlib
import os
import sys

import msgspec

from . import confine

LIMITS = confine.Limits(memory_mb=256, processes=8, file_mb=1, scratch_mb=4)


class Outcome(msgspec.Struct, frozen=True):
    """What a trial found.

    Attributes
    ----------
    layers
        Names of the layers that hold.
    shared_memory
        Whether the private ``/dev/shm`` takes a file.
    failed
        Why the cage did not close, empty if it did.
    """

    layers: list[str] = []
    shared_memory: bool = False
    failed: str = ""


def main(_: list[str]) -> None:
    """Shut a child in and write its outcome to the standard output."""
    try:
        own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        confine.next_child_in_new_pid_namespace(own)
        if os.fork():
            os.wait()
            return
        layers = confine.shut_in(LIMITS, None, namespaces=True)
    except OSError as error:
        _tell(Outcome(failed=str(error)))
        return
    shared = False
    with contextlib.suppress(OSError), open("/dev/shm/trial", "wb") as file:
        shared = file.write(b"x") == 1
    _tell(Outcome(layers=layers, shared_memory=shared))
    os._exit(0)


def _tell(outcome: Outcome) -> None:
    sys.stdout.write(msgspec.json.encode(outcome).decode() + "\n")
    sys.stdout.flush()
