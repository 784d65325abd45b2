"""Try the cage on this machine without running anything in it.

``python -m caged layers`` prints the names of the layers that hold, one a line, and leaves with 1
when student code must not run here.
"""

from __future__ import annotations

import os

from . import confine

_LIMITS = confine.Limits(memory_mb=64, processes=8, file_mb=1, scratch_mb=4)


def main(_: list[str]) -> None:
    """Fork into the cage as a zygote does and print what holds there."""
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    confine.next_child_in_new_pid_namespace(own)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            print(*confine.shut_in(_LIMITS, None, namespaces=True), sep="\n", flush=True)
            status = 0
        except OSError as error:
            print(f"refused: {error}", flush=True)
        finally:
            os._exit(status)
    raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
