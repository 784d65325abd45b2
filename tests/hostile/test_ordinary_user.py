"""The cage of a grader without privileges holds as that of root does."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.hostile.notebooks import scripts
from tests.kernel.ordinary_user import ROOT, as_ordinary_user

# What looks or gets out depends on the user who grades; of the rest, one for each layer.
ATTACKS = [
    *(name for name in scripts() if name.startswith(("peeking/", "escaping/"))),
    *"forging/answers_later forging/patched_agent forging/passes_descriptors".split(),
    *"breaking/abort breaking/daemon breaking/descriptors_kept breaking/disk_filler".split(),
    *"breaking/fork_bomb breaking/kills_everybody breaking/memory_of_sockets".split(),
    *"breaking/memory_of_numpy breaking/scratch_deleted breaking/segmentation_fault".split(),
    *"breaking/shared_memory_left breaking/stops_itself breaking/endless_loop".split(),
]


def test_attacks_come_to_the_same_where_an_ordinary_user_grades() -> None:
    place = "tests/hostile/test_attacks.py::test_it_comes_to_what_is_stated"
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o777)
        pytest = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
        command = as_ordinary_user(*pytest, *(f"{place}[{name}]" for name in ATTACKS))
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "TMPDIR": folder}
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
    assert f"{len(ATTACKS)} passed" in done.stdout


def test_the_user_is_an_ordinary_one() -> None:
    command = as_ordinary_user(sys.executable, "-c", "import os; print(os.getuid())")
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(told.stdout) != 0
