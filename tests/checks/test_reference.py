"""Results of the reference are computed once while they are asked for, and no more of them kept."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grader.checks.reference import Reference

Make = Callable[[str], Reference]

COUNTED = """
import numpy as np

asked = []

def doubled(x):
    asked.append(x)
    return 2 * np.asarray(x, float)
"""


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make(source: str) -> Reference:
        path = tmp_path / f"{tmp_path.name}.py"
        path.write_text(source, "utf-8")
        return Reference(path)

    return make


def test_equal_arguments_are_computed_once(make: Make) -> None:
    reference = make(COUNTED)
    for _ in range(3):
        np.testing.assert_array_equal(reference.doubled(np.arange(3)), [0, 2, 4])
    assert len(reference.asked) == 1
    reference.doubled([0, 1, 2])  # equal numbers, another type
    assert len(reference.asked) == 2


def test_what_a_check_does_to_a_result_changes_no_later_one(make: Make) -> None:
    reference = make(COUNTED)
    reference.doubled([1, 2])[:] = 7
    np.testing.assert_array_equal(reference.doubled([1, 2]), [2, 4])


def test_what_every_student_is_asked_stays_however_many_come(make: Make) -> None:
    reference = make(COUNTED)
    for seed in range(3000):
        reference.doubled("1")
        reference.doubled([seed])
    assert reference.asked.count("1") == 1
    assert len(reference._results) == 1024
    reference.doubled([0])  # long gone, so computed again
    assert reference.asked.count([0]) == 2


def test_large_results_are_given_up_by_their_size(make: Make) -> None:
    reference = make("import numpy as np\ndef zeros(n):\n    return [np.zeros(n), {'n': n}]")
    sizes: list[Any] = [(1 << 20) + n for n in range(20)]  # 8 MiB each
    for n in sizes:
        assert reference.zeros(n)[1] == {"n": n}
    assert len(reference._results) == 7
    assert reference._results.bytes <= 1 << 26
    assert len(reference.zeros(1 << 24)[0]) == 1 << 24  # more than all that is kept
    assert len(reference._results) == 1
