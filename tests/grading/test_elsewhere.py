"""Self-checking where there is no Linux: no fork, no cage, nothing of either is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat

from tests.grading.handout import Handout, solved

ELSEWHERE = """
import os, socket, sys
for name in ("resource", "caged.confine", "caged.zygote", "caged.cold"):
    sys.modules[name] = None
for name in ("cage", "zygotes", "forked", "cold", "caged.confine", "caged.zygote", "caged.cold"):
    sys.modules["grader.kernel." + name] = None
del os.fork, os.memfd_create, os.pidfd_open, os.sysconf, socket.send_fds, socket.recv_fds
"""
"""Run by each Python as it starts: what macOS or Windows lack is not there."""

CHECK = """
import sys
from pathlib import Path
from grader.feedback import student_view
from grader.grading.selfcheck import checks_for, self_checks
from rich.console import Console

notebook = Path(sys.argv[1])
def show(report):
    print(report.provenance.kernel)
    Console(width=200).print(student_view(report, public_only=True))
with checks_for(notebook, None, Path()) as checks:
    self_checks(checks, notebook, occasions=[None], told=show, kernel="plain")
"""


def test_a_notebook_is_checked_without_fork_and_without_a_word_of_linux(
    handout: Handout, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(ELSEWHERE, "utf-8")
    broken = "def row_sums(M):\n    print('x' * 10)\n    return 1 / 0\n\n\ndef scale(v, factor):\n    return v"
    notebook = solved(numbers=broken, values="total = M.sum(axis=1)\nscaled = total * 2")
    notebook.cells.insert(1, nbformat.v4.new_code_cell("1 / 0"))
    nbformat.write(notebook, handout.folder / "elsewhere.ipynb")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{Path.cwd()}"}
    done = subprocess.run(
        [sys.executable, "-c", CHECK, "elsewhere.ipynb"],
        cwd=handout.folder, env=environment, capture_output=True, text=True, timeout=200,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("plain\n")
    assert "without the protective cage" in done.stdout
    assert "✓ Question 1 · Sum of the rows  4 of 4" in done.stdout
    assert "✓ Bonus · Choice  1 of 1" in done.stdout
