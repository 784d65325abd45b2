"""What pip would say of a package is said without it where that is certain."""

from __future__ import annotations

import numpy as np
import pytest

from grader.kernel.caged.installs import answer
from tests.kernel.notebooks import Execute

PYTHON = "/opt/a python"
MISSING = "ERROR: Could not find a version that satisfies the requirement"
AFTER = "\nprint(_exit_code)"


def text(execute: Execute, *cells: str) -> list[str]:
    run = execute(*cells)
    assert all(cell.status == "ok" for cell in run.cells)
    return ["".join(o.text for o in cell.outputs) for cell in run.notebook.cells]


def test_cells_that_install_packages_go_on_with_what_is_there(execute: Execute) -> None:
    quiet, there, missing, line, captured = text(
        execute,
        "!pip install -q numpy" + AFTER,
        "!pip install 'numpy>=1.20' --upgrade" + AFTER,
        "!pip install torchsummary==1.5.1" + AFTER,
        "%pip install -U numpy no-such-package" + AFTER,
        "%%capture said\n!pip install nothing_of_the_kind",
    )
    assert quiet == "0\n"
    assert there.startswith("Requirement already satisfied: numpy>=1.20 in ")
    assert there.endswith(f"({np.__version__})\n0\n")
    assert missing.splitlines() == [
        f"{MISSING} torchsummary==1.5.1 (from versions: none)",
        "ERROR: No matching distribution found for torchsummary==1.5.1",
        "ERROR: A notebook is graded without a network: nothing can be downloaded.",
        "1",
    ]
    assert "already satisfied: numpy in" in line
    assert "No matching distribution found for no-such-package" in line
    assert line.endswith("to use updated packages.\n1\n")
    assert captured == ""


@pytest.mark.parametrize(
    "command",
    [
        "pip install numpy==0.0.1",
        "pip3 install 'numpy<1'",
        f"'{PYTHON}' -m pip install --user numpy==1.0",
        'python3 -m pip install --no-cache-dir "numpy!=999" no-such-package',
    ],
)
def test_what_is_not_there_in_that_version_cannot_be_had(command: str) -> None:
    told = answer(command, PYTHON)
    assert told is not None
    assert told[1] == 1
    assert "No matching distribution found" in told[0]


@pytest.mark.parametrize(
    "command",
    [
        "pip list",
        "pip install",
        "pip uninstall -y numpy",
        "pip install -r requirements.txt",
        "pip install -e numpy",
        "pip install --index-url https://example.org numpy",
        "pip install git+https://example.org/a.git",
        "pip install 'a @ https://example.org/a.zip'",
        "pip install ./numpy",
        "pip install numpy.whl",
        "pip install 'numpy[test]'",
        "pip install \"numpy; python_version > '3'\"",
        "pip install numpy>=1.20",
        "pip install numpy | tail -1",
        "pip install numpy && echo done",
        "pip install numpy 2> /dev/null",
        "pip install $NAME",
        'pip install "$NAME"',
        "pip install numpy # of course",
        "pip install numpy\necho done",
        "pip install 'numpy",
        "sudo pip install numpy",
        "conda install numpy",
        "cd pip; install numpy",
        "",
    ],
)
def test_what_is_not_plain_is_left_to_the_shell(command: str) -> None:
    try:
        told = answer(command, PYTHON)
    except ValueError:
        return
    assert told is None
