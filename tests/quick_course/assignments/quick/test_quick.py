import numpy as np
import pytest

pytestmark = pytest.mark.question("numbers")

NUMBERS = np.array([1.0, 2.0, 4.0])
TOLERANCE = 1e-9


@pytest.mark.part("total", points=2)
def test_total(student, reference, expect):
    expected = reference.total(NUMBERS)
    expect(student.value("total", like=expected)).close(expected, atol=TOLERANCE)


@pytest.mark.part("total", points=1)
def test_mean(student, reference, expect):
    expect(student.value("mean")).close(reference.mean(NUMBERS))


@pytest.mark.part("double")
def test_double(student, reference, expect):
    double = student.function("double")
    for number in (3.0, -1.5):
        expect(double(number)).close(reference.double(number))
