"""Telling the environment's faults from a student's: no data, no network, no package, no GPU.

A cell that failed because the grading machine is no Colab must cost nothing.
Nor must a later cell that only misses what that cell would have defined.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Final

from grader.kernel.run import Run
from grader.notebook import Facts

_FAULTS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), what)
    for pattern, what in (
        (r"ModuleNotFoundError: No module named 'google", "google.colab"),
        (r"ModuleNotFoundError: No module named '([\w.]+)'", "{0}"),
        (r"(?:FileNotFoundError|OSError).*?'(/(?:content|kaggle|gdrive)[^']*)'", "{0}"),
        (
            r"(?:gaierror|URLError|HTTPError|ConnectionError|MaxRetryError|NewConnectionError)",
            "network",
        ),
        (r"Network is unreachable|Name or service not known|name resolution", "network"),
        (r"(?:Dataset not found|not found or corrupted)", "data set"),
        (
            r"not compiled with CUDA|Found no NVIDIA driver|CUDA-capable device|CUDA is not available",
            "CUDA",
        ),
    )
)
_UNDEFINED: Final = re.compile(r"^NameError: name '(\w+)' is not defined")


def fault_in(error: str) -> str | None:
    """Return what the machine lacks according to an exception's text, None if it is no such fault."""
    for pattern, what in _FAULTS:
        if (match := pattern.search(error)) and not _misspelt(match):
            return what.format(*match.groups())
    return None


_INSTALLED: Final = (
    "numpy torch matplotlib pandas sklearn scipy seaborn torchvision tensorflow keras tqdm optuna "
    "collections itertools functools random math time os sys copy json typing pathlib"
).split()


def _misspelt(match: re.Match[str]) -> bool:
    """Whether a module that was not found is a slip of the pen for one that everybody has."""
    if not match.re.pattern.startswith("ModuleNotFoundError") or not match.groups():
        return False
    name = match.group(1).partition(".")[0]
    return name not in _INSTALLED and bool(get_close_matches(name, _INSTALLED, 1, cutoff=0.8))


def undefined_in(error: str) -> str | None:
    """Return the name that is not defined according to an exception's text, None if it is no such."""
    match = _UNDEFINED.match(error)
    return match.group(1) if match else None


def blame(run: Run, facts: Facts) -> dict[int, str]:
    """Return the cells that failed for want of something the machine lacks, and what that is.

    Includes cells that failed with a NameError for a name that only such a cell binds.
    """
    blamed: dict[int, str] = {}
    for cell in run.cells:
        if cell.status != "error" or cell.error is None:
            continue
        what = fault_in(cell.error)
        if what is None and (name := undefined_in(cell.error)) is not None:
            what = blamed.get(facts.cell_of(name) or -1)
        if what is not None:
            blamed[cell.index] = what
    return blamed
