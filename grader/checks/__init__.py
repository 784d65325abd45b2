"""Judging: from an executed notebook to a verdict for each check.

Authors of checks meet the fixtures ``student`` (:class:`~student.Student`),
``reference`` (:class:`~reference.Reference`), ``expect``
(:class:`~expect.Expect`) and ``rng``, which :mod:`plugin` gives to pytest,
and the names below. :mod:`session` runs the checks of an assignment on one
submission after another, :mod:`scoring` turns verdicts into points.
"""

from grader.checks.answer import Answer
from grader.checks.conversation import Handle, one_of
from grader.checks.models import Weights, module_weights, trace_module

__all__ = ["Answer", "Handle", "Weights", "module_weights", "one_of", "trace_module"]
