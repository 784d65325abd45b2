"""Where a layer of the cage is missing, those that remain hold what they are there for."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.kernel.ordinary_user import ROOT
from tests.kernel.refusing import WITHOUT_LANDLOCK, WITHOUT_SECCOMP
from tests.kernel.test_cage import HEAD, HELD, HOLDS, REFUSED
from tests.kernel.test_zygotes import GRADER, facts, grader_that_is_killed

TRY = """
import json
def worked(source):
    child = os.fork()  # so that one attempt cannot disturb the next
    if child == 0:
        try:
            exec(source, dict(globals()))
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print(json.dumps([name for name, source in json.loads(ATTEMPTS).items() if worked(source)]))
"""
BOUNDED = """
for folder in ("/home/student", "/tmp", "/dev/shm"):
    disk = os.statvfs(folder)
    assert disk.f_blocks * disk.f_frsize < 1 << 31 and disk.f_files <= 65536, (folder, disk)
"""
ONLY_SECCOMP = {
    "the hypervisor", "kernel crypto", "tracing itself", "memory of a process",
    "descriptors of a process", "a user namespace", "a namespace by clone", "a namespace by clone3",
    "io_uring", "semaphores that outlive their maker", "performance counters", "BPF", "keys",
    "file handles", "typing into a terminal", "calls of another architecture",
}  # fmt: skip
"""What nothing else may refuse, depending on the kernel. It leads out of no namespace."""


@pytest.mark.parametrize(
    ("layer", "machine", "may_work", "may_fail"),
    [
        ("landlock", WITHOUT_LANDLOCK, set(), set()),
        ("seccomp", WITHOUT_SECCOMP, ONLY_SECCOMP, {"sockets whose buffers cannot be enlarged"}),
    ],
    ids=["Landlock", "seccomp"],
)
def test_the_other_layers_hold(
    layer: str, machine: str, may_work: set[str], may_fail: set[str]
) -> None:
    known = {
        "ROOT": str(ROOT), "HOME": str(Path.home()), "FOLDER": "/var/tmp", "TCP": 1,
        "EVERYWHERE": 1, "UDP": 9, "ABSTRACT": "\0karnameh", "PID": os.getpid(), "SECRET": "NONE",
    }  # fmt: skip
    head = "".join(f"{name} = {value!r}\n" for name, value in known.items()) + HEAD + HELD
    attempts = f"ATTEMPTS = {json.dumps(REFUSED)!r}\n{TRY}"
    command = [sys.executable, "-c", machine + GRADER]
    cells = facts(True, head, *HOLDS.values(), BOUNDED, attempts)
    with grader_that_is_killed(*command, cells) as told:
        names = {name.partition(" (")[0] for name in told["layers"]}
        outcomes = told["cells"]
    others = {"bubblewrap", "pid", "mount", "network", "ipc", "private scratch", "user", "rlimits"}
    assert others | ({"landlock", "seccomp"} - {layer}) <= names
    assert layer not in names, "what does not hold is not claimed"
    held = dict(zip([*HOLDS, "bounded"], outcomes[1:-1], strict=True))
    assert {name for name, (status, *_) in held.items() if status != "ok"} <= may_fail, held
    status, error, said = outcomes[-1]
    assert status == "ok", error
    worked = set(json.loads(said.partition("'text': '")[2].partition("\\n'")[0]))
    assert worked <= may_work
