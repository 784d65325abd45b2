import numpy as np
import pytest

pytestmark = pytest.mark.question("numbers")

M = np.array([[1.25, 2.5, 4.125], [3.5, 5.75, 9.0625], [0.5, 0.25, 7.375]])


@pytest.mark.part("sum", points=4)
def test_row_sums(student, reference, expect):
    expected = reference.row_sums(M)
    answer = student.value("total", like=expected)
    expect(answer).close(
        expected,
        misconceptions={"columns": M.sum(axis=0)},
        alternatives={"normalised": expected / M.sum()},
    )


@pytest.mark.part("scale", points=1)
def test_scaled(student, reference, expect):
    answer = student.value("scaled")
    own = student.value("total").array
    expect(answer).close(
        reference.scale(reference.row_sums(M), 2.0), follow_through=reference.scale(own, 2.0)
    )


@pytest.mark.part("scale", points=2)
@pytest.mark.hidden
def test_scale_function(student, reference, expect, rng):
    v = rng.normal(size=4)
    example = ((np.array([1.0, 2.0]), 3.0), np.array([3.0, 6.0]))
    scale = student.function("scale", example=example)
    expect(scale(v, 3.0)).close(reference.scale(v, 3.0))
