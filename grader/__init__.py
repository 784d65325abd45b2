"""Karnameh: an autograder for deep-learning coursework.

The engine knows no homework. It reads a course (:mod:`grader.course`), a
submission (:mod:`grader.notebook`), runs it in a cage (:mod:`grader.kernel`),
judges it (:mod:`grader.checks`, :mod:`grader.grading`) and tells the student
(:mod:`grader.feedback`). In a notebook, ``from grader import check`` checks one
question of it (:mod:`grader.grading.live`).
"""

from importlib import import_module as _import_module
from typing import Any as _Any

__version__ = "0.1.0"


def __getattr__(name: str) -> _Any:
    """Import what students call when they call it: nothing else here needs the engine."""
    if name != "check":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _import_module("grader.grading.live").check
