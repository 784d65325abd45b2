"""Theory 1 and 4: the size of AutoAugment's space, the reward that heeds cost, the speed-up."""

import msgspec
import pytest

question = pytest.mark.question

TIMES = ("times", "times faster", "fold", "برابر", "برابر سریع‌تر", "مرتبه", "بار")


def as_float(answer):
    """Return the answer as a float: the count has more digits than an int64 holds."""
    return msgspec.structs.replace(answer, value=float(answer.value))


@question("automl")
@pytest.mark.part("search-cost", points=1)
def test_number_of_policies(student, reference, expect):
    answer = student.value("policy_space", kind="number", units=("policies", "سیاست"))
    one = 16 * 10 * 11
    expect(as_float(answer)).close(
        float(reference.policy_space),
        atol=0,
        rtol=0.02,
        misconceptions={
            "space-of-one-operation": one,
            "space-of-one-subpolicy": one**2,
            "second-operation-forgotten": one**5,
            "exponents-added": float(one**7),
            "choices-added": float((16 + 10 + 11) ** 10),
            "choices-times-operations": one * 10,
            "probability-forgotten": float((16 * 10) ** 10),
            "magnitude-forgotten": float((16 * 11) ** 10),
        },
    )


@question("automl")
@pytest.mark.part("search-cost", points=1)
@pytest.mark.hidden
def test_number_of_policies_of_other_spaces(student, reference, expect):
    count = student.function("count_policies", example=((2, 3, 4, 2, 1), 576))
    for o, m, p, k, s in ((2, 7, 3, 2, 3), (6, 3, 2, 1, 4), (2, 3, 2, 3, 2)):
        one = o * m * p
        expect(count(o, m, p, k, s)).close(
            reference.count_policies(o, m, p, k, s),
            rtol=1e-9,
            misconceptions={
                "space-of-one-subpolicy": one**k,
                "second-operation-forgotten": one**s,
                "exponents-added": one ** (k + s),
                "choices-added": (o + m + p) ** (k * s),
                "choices-times-operations": one * k * s,
                "probability-forgotten": (o * m) ** (k * s),
                "magnitude-forgotten": (o * p) ** (k * s),
            },
        )


@question("automl")
@pytest.mark.part("search-cost", points=1)
def test_reward_that_heeds_cost(student, reference, expect):
    reward = student.function("scaled_reward")
    for accuracy, flops, target, w in ((0.75, 3e8, 4e8, -0.07), (0.8, 9e8, 4e8, -0.3)):
        ratio = flops / target
        expect(reward(accuracy, flops, target, w)).close(
            reference.scaled_reward(accuracy, flops, target, w),
            misconceptions={
                "ratio-upside-down": accuracy * ratio**-w,
                "reward-added": accuracy + ratio**w,
                "exponent-multiplied": accuracy * ratio * w,
                "exponent-ignored": accuracy * ratio**-0.07,
                "accuracy-to-the-power": (accuracy * ratio) ** w,
            },
        )


@question("fast-autoaugment")
@pytest.mark.part("speed-up", points=2)
def test_speed_up_on_imagenet(student, reference, expect):
    answer = student.value("speed_up", kind="number", units=TIMES)
    saved = 1 - 450 / 15_000
    expect(answer).close(
        reference.speed_up,
        atol=0,
        rtol=0.02,
        misconceptions={
            "speed-up-inverted": 450 / 15_000,
            "speed-up-as-difference": 15_000 - 450,
            "speed-up-as-percentage": saved if float(answer.value) <= 1 else 100 * saved,
        },
    )
