"""Theory 1: variances of the two initialisations, and the symmetry of an equal start."""

import numpy as np
import pytest

from grader.checks.outcome import Failed

pytestmark = pytest.mark.question("depth")

FANS = ((300, 100), (512, 512), (27, 576))


@pytest.mark.part("variances", points=1)
def test_xavier_variance(student, reference, expect):
    example = (FANS[0], reference.xavier_variance(*FANS[0]))
    variance = student.function("xavier_variance", example=example)
    for fan_in, fan_out in FANS:
        expected = reference.xavier_variance(fan_in, fan_out)
        expect(variance(fan_in, fan_out)).close(
            expected,
            atol=0,
            rtol=1e-4,
            misconceptions={
                "standard-deviation": np.sqrt(expected),
                "bound-of-the-uniform": np.sqrt(3 * expected),
                "xavier-of-one-side": 1 / fan_in,
                "he-for-xavier": reference.he_variance(fan_in, fan_out),
                "fan-sum-not-averaged": 1 / (fan_in + fan_out),
            },
        )


@pytest.mark.part("variances", points=1)
def test_he_variance(student, reference, expect):
    example = (FANS[0], reference.he_variance(*FANS[0]))
    variance = student.function("he_variance", example=example)
    for fan_in, fan_out in FANS:
        expected = reference.he_variance(fan_in, fan_out)
        try:
            answer = variance(fan_in, fan_out)
        except Failed:  # a function of fan_in alone is as good
            answer = variance(fan_in)
        expect(answer).close(
            expected,
            atol=0,
            rtol=1e-4,
            misconceptions={
                "standard-deviation": np.sqrt(expected),
                "bound-of-the-uniform": np.sqrt(3 * expected),
                "he-without-its-two": 1 / fan_in,
                "he-of-the-outputs": 2 / fan_out,
                "xavier-for-he": reference.xavier_variance(fan_in, fan_out),
            },
        )


@pytest.mark.part("symmetry", points=1)
def test_one_step_of_gradient_descent(student, reference, expect):
    images, targets = reference.tiny_images, reference.tiny_targets
    step = student.function("filters_after_step")
    for filters, readout, rate in (
        (reference.random_filters, reference.random_readout, 0.3),
        (reference.random_filters, 2 * reference.random_readout, 0.1),
        (0 * reference.random_filters, 0 * reference.random_readout, 0.5),
        (0 * reference.random_filters + 0.1, 0 * reference.random_readout + 0.1, 0.5),
    ):
        expected = reference.filters_after_step(filters, readout, images, targets, rate)
        expect(step(filters, readout, images, targets, rate)).close(
            expected,
            rtol=1e-4,
            misconceptions={
                "step-uphill": 2 * filters - expected,
                "sum-of-squares": filters + len(targets) * (expected - filters),
                "halved-square": filters + (expected - filters) / 2,
                "no-step-taken": filters,
                "gradient-for-filters": (filters - expected) / rate,
            },
        )


@pytest.mark.part("symmetry", points=0.5)
def test_how_many_filters_differ_after_the_step(student, reference, expect):
    for start in ("zero", "constant", "random"):
        name = f"distinct_from_{start}"
        expected = getattr(reference, name)
        misconceptions = {"symmetry-breaks-itself": 4} if expected == 1 else {}
        answer = student.value(name, kind="integer", units=("فیلتر", "filter", "filters"))
        expect(answer).equal(expected, misconceptions=misconceptions)
