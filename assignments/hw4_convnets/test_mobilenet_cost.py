"""Practice 2: the cost of separable convolutions, and how the two multipliers lower it."""

import pytest
import torch

pytestmark = pytest.mark.question("mobilenet")

LAYERS = ((3, 512, 512, 14), (5, 24, 40, 28), (3, 3, 32, 112))  # D, M, N, F


@pytest.mark.part("cost", points=1.5)
def test_cost_of_standard_and_separable_convolutions(student, reference, expect):
    standard = student.function("standard_cost")
    separable = student.function("separable_cost")
    for D, M, N, F in LAYERS:
        expect(standard(D, M, N, F)).close(
            reference.standard_cost(D, M, N, F),
            misconceptions={
                "cost-without-the-map": D * D * M * N,
                "cost-of-one-side": D * M * N * F * F,
            },
        )
        expect(separable(D, M, N, F)).close(
            reference.separable_cost(D, M, N, F),
            misconceptions={
                "cost-without-the-map": D * D * M + M * N,
                "pointwise-forgotten": D * D * M * F * F,
                "depthwise-forgotten": M * N * F * F,
                "depthwise-over-outputs": D * D * N * F * F + M * N * F * F,
            },
        )


@pytest.mark.part("cost", points=1)
def test_ratio_of_the_costs(student, reference, expect):
    ratio = student.function("cost_ratio")
    for D, _, N, _ in LAYERS:
        expected = reference.cost_ratio(D, N)
        expect(ratio(D, N)).close(
            expected,
            misconceptions={
                "ratio-upside-down": 1 / expected,
                "ratio-of-the-kernel-side": 1 / N + 1 / D,
                "ratio-as-product": 1 / (N * D * D),
            },
        )


@pytest.mark.part("cost", points=1.5)
@pytest.mark.hidden
def test_cost_under_both_multipliers(student, reference, expect, rng):
    separable = student.function("separable_cost")
    for alpha, rho in ((0.75, 5 / 7), (0.5, 1.0), (1.0, 0.5)):
        D, M, N, F = (int(n) for n in (3, *rng.integers(3, 9, size=2) * 32, 14))
        expected = reference.separable_cost(D, M, N, F, alpha, rho)
        expect(separable(D, M, N, F, alpha, rho)).close(
            expected,
            misconceptions={
                "cost-without-the-map": expected / (rho * F) ** 2,
                "multipliers-ignored": reference.separable_cost(D, M, N, F),
                "alpha-only-once": alpha * reference.separable_cost(D, M, N, F, 1, rho),
                "alpha-squared-throughout": alpha**2 * reference.separable_cost(D, M, N, F, 1, rho),
                "rho-not-squared": expected / rho,
            },
        )


@pytest.mark.part("multipliers", points=2)
@pytest.mark.hidden
def test_resolution_multiplier(student, expect, rng):
    scale = student.function("scale_resolution")
    for (height, width), multiplier in (((32, 32), 0.75), ((32, 64), 0.5), ((20, 20), 1.0)):
        grey = rng.uniform(0.2, 0.8, size=(2, 3, 1, 1)).astype("float32")
        images = torch.tensor(grey).expand(2, 3, height, width).contiguous()
        answer = scale(images, multiplier)
        small = (round(multiplier * height), round(multiplier * width))
        shape = answer.array.shape
        expect.satisfies(
            shape[-2:] != (small[0], width) or small[1] == width, "resolution-of-one-side"
        )
        expect.satisfies(shape != tuple(images.shape) or multiplier == 1, "resolution-unchanged")
        expect(answer).shape((2, 3, *small))
        spread = abs(answer.array - grey).max()
        expect.satisfies(spread < 1e-3, "resized-image-has-other-colours")
