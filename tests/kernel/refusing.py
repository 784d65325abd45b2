"""Machines that lack something: the kernel refuses a system call to a program and all it starts."""

from __future__ import annotations

import errno
import struct

UNSHARE, CREATE_RULESET, PRCTL, SET_SECCOMP, PRLIMIT = 272, 444, 157, 22, 302
EPERM, EINVAL, ENOSYS = errno.EPERM, errno.EINVAL, errno.ENOSYS


def refusing(number: int, error: int, first: int | None = None) -> str:
    """Return the beginning of a program to which a system call (with this first argument) fails."""

    def step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
        return struct.pack("HBBI", code, if_true, if_false, value)

    program = step(0x20, 0) + step(0x15, number, 0, 3 if first is not None else 1)
    if first is not None:
        program += step(0x20, 16) + step(0x15, first, 0, 1)
    program += step(0x06, 0x5_0000 | error) + step(0x06, 0x7FFF_0000)
    return f"""
import ctypes, struct
from grader.kernel.caged import confine
program = {program!r}
buffer = ctypes.create_string_buffer(program, len(program))
confine._call("prctl", 38, 1, 0, 0, 0)
filter_ = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
confine._call("prctl", 22, 2, filter_, 0, 0)
"""


WITHOUT_LANDLOCK = refusing(CREATE_RULESET, ENOSYS)
WITHOUT_SECCOMP = refusing(PRCTL, EINVAL, SET_SECCOMP)
WITHOUT_NAMESPACES = refusing(UNSHARE, EPERM)
WITHOUT_LIMITS = refusing(PRLIMIT, EPERM)
