"""Self-checking where there is no Linux: no fork, no cage, nothing of either is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat

from tests.grading.handout import Handout

ELSEWHERE = """
import importlib.abc, os, socket, sys
for name in ("resource", "fcntl", "pwd", "grp"):
    sys.modules[name] = None
MISSING = {"torch"} | {
    package + name
    for package in ("grader.kernel.", "")
    for name in ("cage", "zygotes", "forked", "cold", "caged.confine", "caged.zygote", "caged.cold")
}
class Elsewhere(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name in MISSING:
            raise ModuleNotFoundError(f"No module named {name!r}")
sys.meta_path.insert(0, Elsewhere())
del os.fork, os.memfd_create, os.pidfd_open, os.sysconf, socket.send_fds, socket.recv_fds
"""
"""Run by each Python as it starts: what macOS, Windows or a student's environment lack is not there."""

CELLS = [
    "import numpy as np\nM = np.array([[1.25, 2.5, 4.125], [3.5, 5.75, 9.0625], [0.5, 0.25, 7.375]])",
    "1 / 0",
    "import os\nprint('ready')\nos.listdir('data')",
    "total, activation = M.sum(axis=1), 'none'\nscaled = total * 2.0",
]


def test_a_notebook_is_checked_without_fork_torch_or_a_word_of_linux(
    handout: Handout, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(ELSEWHERE, "utf-8")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS])
    nbformat.write(notebook, handout.folder / "elsewhere.ipynb")
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "COLUMNS": "160"}
    asked = ["check", "elsewhere.ipynb", "--kernel", "plain", "--language", "en"]
    done = subprocess.run(
        [sys.executable, "-m", "grader.cli", *asked],
        cwd=handout.folder, env=environment, capture_output=True, text=True, timeout=200,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "without the protective cage" in done.stdout
    assert "✓ Question 1 · Sum of the rows  4 of 4" in done.stdout
    assert "✗ Bonus · Choice  0 of 1" in done.stdout
    assert "none" in done.stdout
