"""Theory 2b: what LoRA trains and stores on BERT's attention, each figure given the one before."""

from collections.abc import Mapping

import msgspec
import pytest

from grader.checks import Answer
from grader.checks.outcome import Shortfall

pytestmark = pytest.mark.question("low-rank")

D, BLOCKS, HEADS, VOCABULARY, RANK, TASKS = 1024, 24, 16, 30_000, 16, 2
TWO_MATRICES = BLOCKS * 2 * 2 * D * RANK  # LoRA on the query and value matrices alone
UNITS = ("parameters", "params", "پارامتر", "times", "fold", "برابر", "مرتبه", "بار")


def number(student, name) -> Answer:
    return student.value(name, kind="number", units=UNITS)


def own(student, name) -> float | None:
    """Return the student's own figure for follow-through, None where there is none."""
    try:
        return float(number(student, name).value)
    except Shortfall:
        return None


def judge(
    expect,
    answer: Answer,
    expected: float,
    misconceptions: Mapping[str, float],
    *,
    alternatives: Mapping[str, float] | None = None,
    follow_through: float | None = None,
) -> None:
    """Judge a count; "3.1M" stands for the nearest figure that somebody could mean."""
    value = float(answer.value)
    known = [expected, *(alternatives or {}).values(), follow_through, *misconceptions.values()]
    known = [each for each in known if each is not None]
    rounded = False
    if value >= 1000 and value not in known and value == float(f"{value:.3e}"):
        nearest = min(known, key=lambda each: abs(each - value))
        rounded = abs(nearest - value) <= 0.02 * nearest
        value = nearest if rounded else value
    expect(msgspec.structs.replace(answer, value=value)).close(
        expected,
        atol=0.5 if expected >= 1000 else 0,
        rtol=0 if expected >= 1000 else 0.02,
        misconceptions=misconceptions,
        alternatives=alternatives,
        follow_through=follow_through,
    )
    if rounded:
        expect.note("rounded-number")


def two_matrices_meant(student) -> bool:
    """Whether 1,572,864 comes of two whole adapters a block, not of four halves."""
    trainable, matrix = own(student, "lora_trainable"), own(student, "per_matrix")
    return trainable == TWO_MATRICES and matrix != D * RANK


@pytest.mark.part("bert", points=0.5)
def test_lora_parameters_of_one_matrix(student, reference, expect):
    misconceptions = {
        "d-times-r": D * RANK,
        "full-matrix-counted": D * D,
        "adapter-per-head": 2 * (D // HEADS) * RANK,
        "four-matrices-for-one": 4 * 2 * D * RANK,
    }
    judge(expect, number(student, "per_matrix"), reference.per_matrix, misconceptions)


@pytest.mark.part("bert", points=1)
def test_lora_parameters_of_one_task(student, reference, expect):
    expected = reference.lora_trainable
    matrix = own(student, "per_matrix")
    alternatives = {} if matrix == D * RANK else {"lora-two-matrices": TWO_MATRICES}
    misconceptions = {
        "output-matrix-forgotten": expected * 3 / 4,
        "blocks-forgotten": expected / BLOCKS,
        "matrices-forgotten": expected / 4,
        "heads-counted-again": expected * HEADS,
        "both-tasks-together": expected * TASKS,
    }
    judge(
        expect,
        number(student, "lora_trainable"),
        expected,
        misconceptions,
        alternatives=alternatives,
        follow_through=None if matrix is None else BLOCKS * 4 * matrix,
    )


@pytest.mark.part("bert", points=0.5)
def test_parameters_of_the_base(student, reference, expect):
    expected = reference.base_parameters
    answer = number(student, "base_parameters")
    whole = 3e8 <= float(answer.value) <= 3.5e8  # 340 million and its like
    expect(answer).satisfies(not whole, "whole-model-counted")
    misconceptions = {
        "output-matrix-forgotten": expected * 3 / 4,
        "base-of-two-matrices": expected / 2,
        "blocks-forgotten": expected / BLOCKS,
        "matrices-forgotten": expected / 4,
        "heads-counted-again": expected * HEADS,
        "embeddings-counted": expected + VOCABULARY * D,
    }
    judge(expect, answer, expected, misconceptions)


@pytest.mark.part("bert", points=1)
def test_parameters_stored_for_two_tasks_with_lora(student, reference, expect):
    base, trainable = reference.base_parameters, reference.lora_trainable
    own_base = own(student, "base_parameters") or base
    own_trainable = own(student, "lora_trainable") or trainable
    answer = number(student, "lora_stored")

    def of_either(count):
        """Return the count from the student's own figures or from the right ones: the nearer."""
        counts = count(own_base, own_trainable), count(base, trainable)
        return min(counts, key=lambda each: abs(each - float(answer.value)))

    alternatives = {}
    if two_matrices_meant(student):
        alternatives["lora-two-matrices"] = base + TASKS * TWO_MATRICES
    judge(
        expect,
        answer,
        reference.lora_stored,
        {
            "base-stored-per-task": of_either(lambda fixed, tuned: TASKS * (fixed + tuned)),
            "one-adapter-stored": of_either(lambda fixed, tuned: fixed + tuned),
            "base-not-stored": of_either(lambda _, tuned: TASKS * tuned),
        },
        alternatives=alternatives,
        follow_through=own_base + TASKS * own_trainable,
    )


@pytest.mark.part("bert", points=0.5)
def test_parameters_trained_by_full_fine_tuning(student, reference, expect):
    expected = reference.full_trainable
    answer = number(student, "full_trainable")
    whole = 3e8 <= float(answer.value) <= 3.5e8
    expect(answer).satisfies(not whole, "whole-model-counted")
    misconceptions = {
        "both-tasks-together": TASKS * expected,
        "embeddings-counted": expected + VOCABULARY * D,
        "blocks-forgotten": expected / BLOCKS,
        "output-matrix-forgotten": expected * 3 / 4,
    }
    judge(expect, answer, expected, misconceptions, follow_through=own(student, "base_parameters"))


@pytest.mark.part("bert", points=0.5)
def test_parameters_stored_by_full_fine_tuning(student, reference, expect):
    expected = reference.full_stored
    trained = own(student, "full_trainable")
    judge(
        expect,
        number(student, "full_stored"),
        expected,
        {
            "one-copy-for-two-tasks": trained or expected / TASKS,
            "base-and-two-copies": expected * (TASKS + 1) / TASKS,
        },
        follow_through=None if trained is None else TASKS * trained,
    )


@pytest.mark.part("bert", points=0.5)
def test_how_many_times_fewer_parameters_are_trained(student, reference, expect):
    expected = reference.times_fewer
    answer = number(student, "times_fewer")
    full, trainable = own(student, "full_trainable"), own(student, "lora_trainable")
    alternatives = {}
    if two_matrices_meant(student):
        alternatives["lora-two-matrices"] = reference.full_trainable / TWO_MATRICES
    judge(
        expect,
        answer,
        expected,
        {
            "times-upside-down": 1 / expected,
            "ratio-of-storage": reference.full_stored / reference.lora_stored,
            "percentage-for-times": 100 / expected,
            "percentage-saved": 100 - 100 / expected,
            "d-times-r": D / RANK,
        },
        alternatives=alternatives,
        follow_through=full / trainable if full and trainable else None,
    )


@pytest.mark.part("bert", points=0.5)
@pytest.mark.hidden
def test_lora_parameters_of_other_models(student, reference, expect):
    count = student.function("lora_parameter_count")
    for d_in, d_out, r, matrices, blocks in ((768, 512, 8, 2, 12), (300, 1200, 4, 3, 6)):
        expect(count(d_in, d_out, r, matrices, blocks)).close(
            reference.lora_parameter_count(d_in, d_out, r, matrices, blocks),
            misconceptions={
                "only-a-counted": blocks * matrices * r * d_in,
                "only-b-counted": blocks * matrices * r * d_out,
                "matrix-taken-as-square": blocks * matrices * 2 * r * d_in,
                "blocks-forgotten": matrices * r * (d_in + d_out),
                "matrices-forgotten": blocks * r * (d_in + d_out),
                "full-matrix-counted": blocks * matrices * d_in * d_out,
            },
        )
