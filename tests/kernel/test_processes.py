"""What Linux tells of hostile processes is read as it is meant."""

from __future__ import annotations

import subprocess
import sys

from grader.kernel import processes

NAMED = """
import ctypes
ctypes.CDLL(None).prctl(15, NAME, 0, 0, 0)
print("named", flush=True)
input()
"""


def test_a_name_with_line_ends_neither_hides_memory_nor_breaks_the_count() -> None:
    held = []
    for name in (b"honest", b"\rRssAnon:"):
        code = NAMED.replace("NAME", repr(name))
        with subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            held.append(processes.resident_bytes(process.pid, sys.maxsize))
            process.kill()
    assert min(held) > 1 << 20
    assert max(held) < 2 * min(held)
