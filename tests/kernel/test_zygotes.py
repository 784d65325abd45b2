"""Zygotes come up for whoever grades, and go without a trace, whatever ends them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from nbformat import v4

from grader.kernel import cage, processes
from grader.kernel.cage import NoCage
from grader.kernel.caged.confine import Limits
from grader.kernel.forked import ForkedKernel
from grader.kernel.run import run_notebook
from grader.kernel.zygotes import Zygote, ZygoteError
from tests.kernel.notebooks import GENEROUS, Execute
from tests.kernel.ordinary_user import ROOT, as_ordinary_user
from tests.kernel.test_cage import HEAD, HOLDS, REFUSED
from tests.kernel.without_torch import hide_torch

LIMITS = Limits(memory_mb=512, processes=16, file_mb=16, scratch_mb=32)

GRADER = """
import json, os, sys, time
from nbformat import v4
from grader.course.assignment import Limits
from grader.kernel.forked import ForkedKernel
from grader.kernel.run import process_limits, run_notebook
from grader.kernel.zygotes import Zygote

limits = Limits(cell_seconds=60, submission_seconds=240, probe_seconds=60)
caged, *sources = json.loads(sys.argv[1])
if not caged:
    from tests.kernel.without_torch import hide_torch
    hide_torch(sys.argv[2])
zygote = Zygote(caged=caged)

def start():
    return ForkedKernel(zygote.start_child(process_limits(limits)), 1 << 20)

def run(*sources):
    cells = [v4.new_code_cell(source) for source in sources]
    return run_notebook(v4.new_notebook(cells=cells), start, limits)

notebook = run(*sources)
with notebook.probe() as probe:
    variables = probe.variables()
notebook.close()
endless = run("import os\\nif os.fork() == 0:\\n    while True: pass")
print(json.dumps({
    "uid": os.getuid(),
    "versions": zygote.versions,
    "layers": notebook.layers,
    "cells": [[cell.status, cell.error, str(notebook.notebook.cells[cell.index].outputs)]
              for cell in notebook.cells],
    "variables": {k: v for k, v in variables.items() if isinstance(v, int)},
}), flush=True)
time.sleep(1000)
"""


@contextmanager
def grader_that_is_killed(*command: str) -> Iterator[dict[str, Any]]:
    """Start a grader that runs notebooks and then holds still; at the end it is killed."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": "/nonexistent"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd="/"
    )
    try:
        assert process.stdout is not None
        told = process.stdout.readline()
        assert told, process.communicate()[1].decode()
        yield json.loads(told)
        family = processes.descendants(process.pid)
        assert len(family) >= 3
        process.send_signal(signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + 60
        while left := {pid for pid in family if processes.is_running(pid)}:
            assert time.monotonic() < deadline, [
                Path(f"/proc/{pid}/cmdline").read_bytes() for pid in left
            ]
            time.sleep(0.01)
    finally:
        process.kill()
        process.communicate()


def facts(caged: bool, *sources: str) -> str:
    return json.dumps([caged, *sources])


AN_ORDINARY_USER_IS_REFUSED = [
    "password hashes", "the engine", "writing to /", "writing to /dev", "writing to /home",
    "writing to /etc", "another user", "a user namespace", "a mount", "tracing itself",
]  # fmt: skip


def test_the_cage_holds_for_an_ordinary_user_and_ends_with_a_grader_that_is_killed() -> None:
    head = f"ROOT = {str(ROOT)!r}\n{HEAD}"
    attempts = [REFUSED[name] for name in AN_ORDINARY_USER_IS_REFUSED]
    conditions = [
        HOLDS["an ordinary user without capabilities"],
        HOLDS["an empty scratch folder"],
        HOLDS["no process but its own"],
        "x = 41\nopen('note', 'w').write('x')\n!cat note",
    ]
    command = as_ordinary_user(
        sys.executable, "-c", GRADER, facts(True, head, *attempts, *conditions)
    )
    with grader_that_is_killed(*command) as told:
        assert told["uid"] != 0
        names = [layer.partition(" (")[0] for layer in told["layers"]]
        assert names == [
            "bubblewrap", "pid", "mount", "network", "ipc", "private scratch", "user", "rlimits",
            "no new privileges", "landlock", "seccomp",
        ]  # fmt: skip
        outcomes = [status for status, _, _ in told["cells"]]
        assert outcomes == ["ok"] + ["error"] * len(attempts) + ["ok"] * len(conditions), told
        assert told["variables"]["x"] == 41


def test_without_a_cage_notebooks_run_and_end_with_a_grader_that_is_killed(
    tmp_path: Path,
) -> None:
    """And without torch; what the cage refuses works here, so those tests can fail."""
    cells = [
        f"SECRET = 'PATH'\nROOT = {str(ROOT)!r}\n{HEAD}",
        "assert os.path.isdir(f'{ROOT}/grader') and os.getppid() > 1",
        "os.mkdir('data'); open('data/x', 'w').write('x'); print(os.getcwd(), Path.home())",
        "%%bash\nls data",
        "raise KeyError(1)",
        "x = 41\ntry: import torch\nexcept ImportError: print('no torch')",
    ]
    home = Path("/home/student")
    existed = home.exists()
    command = [sys.executable, "-c", GRADER, facts(False, *cells), str(tmp_path)]
    with grader_that_is_killed(*command) as told:
        assert told["layers"] == ["rlimits"]
        assert told["versions"].keys() == {"python", "ipython", "numpy"}
        outcomes = [status for status, _, _ in told["cells"]]
        assert outcomes == ["ok"] * 4 + ["error", "ok"], told
        assert told["variables"]["x"] == 41
    assert home.exists() == existed


def test_a_zygote_that_is_gone_is_the_environments_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cage, "environment_without_cage", cage.environment_without_cage)
    hide_torch(str(tmp_path))
    zygote = Zygote(caged=False)
    folder = zygote._folder
    child = zygote.start_child(LIMITS)
    os.kill(zygote._process.pid, signal.SIGKILL)
    with pytest.raises(ZygoteError, match="the zygote is gone"):
        zygote.start_child(LIMITS)
    assert child.end() is None
    zygote.close()
    zygote.close()
    assert not folder.exists()
    deadline = time.monotonic() + 60
    while processes.is_running(child.pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_closing_ends_children_that_are_left(zygote: Zygote) -> None:
    child = zygote.start_child(LIMITS)
    assert processes.is_running(child.pid)
    assert child in zygote._children
    assert child.end() == -signal.SIGKILL
    assert child.end() is None
    assert child not in zygote._children
    assert not processes.is_running(child.pid)


def test_no_bubblewrap_is_said_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoCage, match="apt install bubblewrap"):
        Zygote()


def test_a_sandbox_that_fails_is_said_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bwrap = tmp_path / "bwrap"
    bwrap.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n"
    )
    bwrap.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(ZygoteError, match="No permissions to create new namespace"):
        Zygote()


TRIAL = """
import json, sys
from grader.kernel import doctor
outcome = doctor.trial()
print(json.dumps([sys.prefix, outcome.failed, outcome.layers]))
"""


@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_the_environment_may_lie_below_a_folder_that_the_cage_hides(mode: int) -> None:
    """In a checkout under /tmp, for one: students see another /tmp, and the environment in it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        venv.create(folder, with_pip=False, symlinks=True)
        packages = next(Path(folder).glob("lib/python*/site-packages"))
        Path(folder).chmod(mode)
        shutil.copytree(Path(msgspec.__file__).parent, packages / "msgspec")
        told = subprocess.run(
            [f"{folder}/bin/python", "-c", TRIAL],
            env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
            capture_output=True,
            check=True,
        )
        prefix, failed, layers = json.loads(told.stdout)
        assert prefix == folder
        if os.getuid() == 0 and mode == 0o700:
            assert "cannot be read by ordinary users" in failed
            assert f"chmod -R go+rX {folder}" in failed
        else:
            assert not failed
            assert "mount" in layers


def test_libraries_that_take_long_are_ready_from_the_second_hand_in_that_uses_them() -> None:
    names = ("pandas", "sklearn.svm", "scipy.signal")
    there = f"import sys\nprint([n in sys.modules for n in {names}])"
    with Zygote() as zygote:
        seen = []
        for warm in (["learning", "science"], [], ["learning", "science"], []):
            child = zygote.start_child(LIMITS, warm=warm)
            kernel = ForkedKernel(child, 1 << 20)
            run = run_notebook(
                v4.new_notebook(cells=[v4.new_code_cell(there)]), lambda k=kernel: k, GENEROUS
            )
            seen.append(run.notebook.cells[0].outputs[0].text.strip())
            run.close()
    assert seen == ["[False, False, False]"] * 2 + ["[True, True, True]"] * 2


def test_a_library_that_starts_a_thread_is_left_to_the_notebooks() -> None:
    code = (
        "import socket, sys, threading, time\n"
        "from caged import zygote\n"
        "def hum(_):\n"
        "    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "ours, _ = socket.socketpair()\n"
        "made = zygote.Zygote(ours, namespaces=False)\n"
        "print(made.leaves_no_thread(hum), made.leaves_no_thread(lambda _: None), "
        "made.leaves_no_thread(lambda _: 1 / 0), threading.active_count())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": str(cage.CAGED.parent),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        },
    )
    assert done.stdout.split() == ["False", "True", "False", "1"]


def test_student_code_sees_no_variable_that_is_for_the_libraries(execute: Execute) -> None:
    run = execute(
        "import os, subprocess\n"
        "names = [*os.environ, *subprocess.check_output(['env'], text=True).split()]\n"
        "seen = [n for n in names if 'TUNABLES' in n or 'MALLOC' in n]"
    )
    with run.probe() as probe:
        assert probe.variables()["seen"] == []
