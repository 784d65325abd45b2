"""Judging: from an executed notebook to a verdict for each check.

Authors of checks meet the fixtures ``student`` (:class:`~student.Student`),
``reference`` (:class:`~reference.Reference`), ``expect``
(:class:`~expect.Expect`) and ``rng``, which :mod:`plugin` gives to pytest,
and the names below. :mod:`session` runs the checks of an assignment on one
submission after another, :mod:`scoring` turns verdicts into points.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grader.checks.answer import Answer
    from grader.checks.conversation import Handle, one_of
    from grader.checks.models import Weights, module_weights, trace_module

__all__ = ["Answer", "Handle", "Weights", "module_weights", "one_of", "trace_module"]

_HOMES = {
    "Answer": "answer",
    "Handle": "conversation",
    "Weights": "models",
    "module_weights": "models",
    "one_of": "conversation",
    "trace_module": "models",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for: who only adds up points needs none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
