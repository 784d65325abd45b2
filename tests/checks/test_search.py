"""Finding answers by value: what is found is the answer, and never there by chance."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from grader.checks.search import find_in_outputs, find_value, is_distinctive

DW = np.array([[-2, 0, 2], [0, 3, -2], [2, -1, 0]])
CONV = np.array(
    [
        [59, 92, 101.5, 22.5, 49],
        [42, 70, 91.5, 125, 35.5],
        [22, 47, 78.5, 94, 82.5],
        [20, 39, 69, 62, 27],
        [13, 27, 38, 33, 17],
    ]
)
POOLED = np.array([[242, 380], [117, 324]])
WEIGHTS = np.random.default_rng(1).normal(size=(3, 4))


def find_in_text(wanted: object, text: str) -> bool:
    return find_in_outputs(wanted, [(0, text)]) == 0


# --- which values are worth looking for -------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        3_145_728,
        100_663_296,
        235_146,
        265.75,
        0.8537,
        2.8516e32,
        -1792,
        (16 * 10 * 11) ** 10,
        DW,
        CONV,
        POOLED,
        WEIGHTS,
        WEIGHTS.tolist(),
        WEIGHTS.astype(np.float32),
        [0.839, 0.612, 0.455, 0.329],
        np.array([3_145_728, 1_572_864]),
    ],
)
def test_values_that_say_something_are_distinctive(value: object) -> None:
    assert is_distinctive(value)


@pytest.mark.parametrize(
    "value",
    [
        0,
        1,
        -1,
        3,
        64,
        196,
        999,
        1024,
        32_768,
        2.0**40,
        60_000,
        1e-3,
        0.5,
        0.25,
        0.1 + 0.2,
        1 / 3,
        5 / 6,
        np.pi,
        np.float32(2.5),
        np.zeros((5, 5)),
        np.full(10, 265.75),
        np.arange(100),
        np.arange(24).reshape(4, 6),
        np.linspace(0, 1, 33),
        np.eye(10),
        [1, 2],
        [[1, 1], [1, 2]],
        [[1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1]],
        [1.0, 0.1, 0.01, 0.001],
        [[1, -1], [-1, 1]],
        np.array([True, False] * 50),
        [],
        np.nan,
        [np.nan, np.inf],
        None,
        True,
        "235146",
        {"a": 235146},
        [1, [2, 3]],
        object(),
    ],
)
def test_values_that_may_be_there_by_chance_are_not(value: object) -> None:
    assert not is_distinctive(value)


# --- among variables --------------------------------------------------------------------------


def test_a_value_is_found_whatever_its_name() -> None:
    variables = {"X": np.eye(3), "g": DW.astype(np.float32), "n": 3, "name": "dW", "f": len}
    assert find_value(DW, variables, 1e-6, 1e-6) == ["g"]


def test_the_right_shape_comes_first_and_private_names_last() -> None:
    variables = {
        "_": POOLED,
        "batched": POOLED[None, None],
        "pooled": POOLED.tolist(),
        "flat": POOLED.ravel(),
        "also": POOLED + 1e-9,
        "turned": POOLED.T,
        "_batch": POOLED[None],
    }
    assert find_value(POOLED, variables, 1e-6, 1e-6) == [
        "pooled",
        "also",
        "_",
        "batched",
        "_batch",
    ]


def test_a_number_is_found_as_scalar_and_as_array_of_one() -> None:
    variables = {"total": 235_146, "a": np.array([235_146]), "b": 235_146.0, "c": 235_147}
    assert find_value(235_146, variables, 1e-6, 1e-6) == ["total", "b", "a"]


def test_tolerance_never_confuses_large_integers() -> None:
    variables = {"near": 100_663_295, "right": 100_663_296}
    assert find_value(100_663_296, variables, 1e-6, 1e-6) == ["right"]


def test_a_value_that_says_nothing_is_never_looked_for() -> None:
    assert find_value(64, {"batch_size": 64}, 1e-6, 1e-6) == []
    assert find_value(np.zeros((3, 3)), {"grad": np.zeros((3, 3))}, 1e-6, 1e-6) == []


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=3), npst.arrays(npst.scalar_dtypes(), (2, 2)), max_size=3))
def test_no_variable_raises(variables: dict[str, object]) -> None:
    assert find_value(POOLED, {**variables, "it": POOLED}, 1e-6, 1e-6)[-1:] == ["it"]


# --- among printed outputs --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (3_145_728, "trainable parameters: 3,145,728"),
        (3_145_728, "Total params: 3145728."),
        (3_145_728, "تعداد پارامترها: ۳٬۱۴۵٬۷۲۸"),
        (3_145_728, "3_145_728 per task"),
        (265.75, "global average = 265.75"),
        (265.754, "global average = 265.75"),
        (265.75, "tensor(265.7500)"),
        (265.75, "np.float64(265.75)"),
        (265.75, "میانگین: ۲۶۵٫۷۵"),
        (0.853712, "Accuracy 0.8537, done"),
        ((16 * 10 * 11) ** 10, "the space has 2.852e+32 policies"),
        (-1.2345, "(-1.2345)"),
    ],
)
def test_a_number_is_found_in_a_print(wanted: float, text: str) -> None:
    assert find_in_text(wanted, text)


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (3_145_728, "3145729"),
        (3_145_728, "31457280"),
        (3_145_728, "x3145728"),
        (3_145_728, "3,145,728,000"),
        (3_145_728, "about 3.15e6"),
        (3_145_728, ""),
        (265.75, "266"),
        (265.75, "265.6"),
        (265.75, "265.7501"),
        (265.75, "265.75.1"),
        (0.853712, "0.85"),
        (0.853712, "0.8538"),
        (64, "64"),
        (1.2345, "-1.2345"),
        (1e300 / 7, "1e999"),
    ],
)
def test_another_number_is_not(wanted: float, text: str) -> None:
    assert not find_in_text(wanted, text)


@pytest.mark.parametrize(
    "printed",
    [
        str(CONV),
        repr(CONV),
        str(CONV.tolist()),
        str(CONV.astype(np.float32)),
        str(torch.tensor(CONV)),
        str(torch.tensor(CONV, dtype=torch.float32)),
        "\n".join("\t".join(map(str, row)) for row in CONV),
        "\n".join(", ".join(map(str, row)) for row in CONV),
        "\n".join(" | ".join(map(str, row)) for row in CONV),
        "\n".join(map(str, CONV.tolist())),
        "Y = \n" + str(CONV) + "\nshape (5, 5)",
        "[[1 2]\n [3 4]]\n" + str(CONV) + "\n" + str(DW),
    ],
)
def test_a_matrix_is_found_in_a_print(printed: str) -> None:
    assert find_in_text(CONV, printed)


@pytest.mark.parametrize("scale", [1, 1e6, 1e-6])
def test_prints_round_and_so_does_the_search(scale: float) -> None:
    weights = WEIGHTS * scale
    assert find_in_text(weights, str(weights))
    assert find_in_text(weights, str(torch.tensor(weights)))
    assert find_in_text(weights, np.array2string(weights, precision=3))
    assert not find_in_text(weights * 1.01, str(weights))


def test_a_print_that_rounds_everything_away_is_no_evidence() -> None:
    assert not find_in_text(WEIGHTS, np.array2string(WEIGHTS, precision=0))
    assert not find_in_text(WEIGHTS, np.array2string(WEIGHTS, precision=1).replace(".", ""))


@pytest.mark.parametrize(
    "printed",
    [
        str(CONV.T),
        str(CONV[:, ::-1]),
        str(CONV.reshape(1, 25)),
        str(CONV.ravel()),
        str(CONV[:4]),
        str(np.hstack([CONV, CONV])),
        str(CONV + 0.5),
        str(CONV).replace("101.5", "x"),
        "[" + str(CONV.ravel().tolist())[1:-1] + ", 1, 2]",
    ],
)
def test_another_matrix_is_not(printed: str) -> None:
    assert not find_in_text(CONV, printed)


def test_a_vector_is_found_only_as_a_whole() -> None:
    losses = [0.839, 0.612, 0.455, 0.329]
    assert find_in_text(losses, "losses: [0.839, 0.612, 0.455, 0.329]")
    assert not find_in_text(losses, "losses: [0.9, 0.839, 0.612, 0.455, 0.329]")
    assert not find_in_text(losses, "[0.839, 0.612] [0.455, 0.329]")
    assert not find_in_text(losses, "0.839 then 0.612 then 0.455 then 0.329")


def test_a_long_row_may_be_wrapped() -> None:
    row = np.random.default_rng(2).normal(size=40)
    assert "\n" in str(row)
    assert find_in_text(row, str(row))


def test_a_shortened_print_is_no_evidence() -> None:
    row = np.random.default_rng(2).normal(size=2000)
    assert not find_in_text(row, str(row))


@settings(deadline=None)
@given(
    npst.arrays(np.float64, (2, 3), elements=st.floats(-1e6, 1e6, allow_subnormal=False)),
    st.integers(3, 8),
)
def test_every_distinctive_matrix_is_found_in_its_print(matrix: np.ndarray, digits: int) -> None:
    shown = np.array([float(f"{x:.{digits}f}") for x in matrix.ravel()]).reshape(2, 3)
    text = "\n".join("[" + " ".join(f"{x:.{digits}f}" for x in row) + "]" for row in matrix)
    assert find_in_text(matrix, text) == (is_distinctive(matrix) and is_distinctive(shown))


@settings(deadline=None)
@given(st.one_of(st.text(), st.text(alphabet="0123456789.,eE+-[]() \n'_nainf", max_size=80)))
def test_no_text_raises(text: str) -> None:
    for wanted in (DW, 265.75, POOLED, [1.5, np.nan, 2.7182, 3.1416]):
        find_in_text(wanted, text)


@pytest.mark.parametrize(
    "text",
    [
        "1" * 300_000 + "x",
        "123,456," * 40_000,
        "59 92 " * 50_000,
        "1.5e5" * 60_000,
        "[" * 300_000,
    ],
)
def test_a_hostile_text_costs_little_time(text: str) -> None:
    begin = time.process_time()
    assert not find_in_text(CONV, text)
    assert not find_in_text(265.75, text)
    assert time.process_time() - begin < 10


# --- where many come near -----------------------------------------------------------------------


def test_one_of_very_many_guesses_is_not_found_among_variables() -> None:
    few = {f"n{i}": 235_146 + 900 * i for i in range(-10, 11)}
    assert find_value(235_146, few, 0, 0) == ["n0"]
    many = {f"n{i}": 235_146 + i for i in range(-20, 21)}
    assert find_value(235_146, many, 0, 0) == []
    far = {f"n{i}": i * i for i in range(100)} | {"n": 235_146}
    assert find_value(235_146, far, 0, 0) == ["n"]


def test_one_of_very_many_guesses_is_not_found_among_arrays() -> None:
    guesses = {f"a{i}": CONV + i / 100 for i in range(40)}
    assert find_value(CONV, guesses, 1e-6, 1e-6) == []
    others = {f"a{i}": CONV * i for i in range(40)}
    assert find_value(CONV, others, 1e-6, 1e-6) == ["a1"]


def test_one_of_very_many_guesses_is_not_found_among_what_was_printed() -> None:
    near = range(235_100, 235_200)
    assert find_in_outputs(235_146, [(3, "235140 235143 235146")]) == 3
    assert find_in_outputs(235_146, [(0, " ".join(map(str, near)))]) is None
    assert find_in_outputs(235_146, [(n, str(n)) for n in near]) is None
    log = "\n".join(f"step {100 * n} loss {3 / (n + 1):.4f}" for n in range(1000))
    assert find_in_outputs(235_146, [(0, log), (1, "235,146 parameters")]) == 1


def test_no_more_than_a_million_characters_are_read() -> None:
    assert find_in_outputs(235_146, [(0, "word " * 210_000), (1, "235146")]) is None
    assert find_in_outputs(235_146, [(0, "word " * 190_000), (1, "235146")]) == 1
