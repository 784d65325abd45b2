"""Comparisons: by value, with evidence, and without trusting what is compared."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from grader.checks.compare import compare_close, compare_equal, evidence_of, shown

DX = np.array([[1, -2, 1, 0], [-1, 3, -3, 1], [-1, 0, 3, -2], [1, -1, -1, 1]], dtype=float)


class Liar(np.ndarray):
    """An array whose methods answer whatever its author likes."""

    def __eq__(self, other: object) -> Any:
        return np.ones(self.shape, dtype=bool)

    def __sub__(self, other: object) -> Any:
        return np.zeros(self.shape)

    def __array__(self, *args: object, **kwargs: object) -> Any:
        return DX

    def __array_ufunc__(self, *args: object, **kwargs: object) -> Any:
        return np.zeros(self.shape)

    def astype(self, *args: object, **kwargs: object) -> Any:
        return DX

    @property
    def shape(self) -> Any:
        return DX.shape

    __hash__ = None  # type: ignore[assignment]


class Stranger:
    """An object that would be equal to, close to and convertible to anything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash(3)

    def __array__(self, *args: object, **kwargs: object) -> Any:
        return DX

    def __float__(self) -> float:
        return 3.0

    def __repr__(self) -> str:
        raise RuntimeError("asked for its repr")


# --- tolerances and evidence ------------------------------------------------------------------


def test_an_equal_matrix_passes_with_its_evidence() -> None:
    result = compare_close(DX + 1e-9, DX, atol=1e-6, rtol=0)
    assert result.ok
    assert result.reason == "ok"
    assert (result.wrong, result.total) == (0, 16)
    assert result.max_abs == pytest.approx(1e-9, rel=1e-3)
    assert result.max_rel == pytest.approx(1e-9, rel=1e-3)
    assert result.first is result.worst is None


def test_the_first_and_the_worst_difference_are_found() -> None:
    answer = DX.copy()
    answer[1, 2] += 0.5
    answer[3, 0] -= 4
    result = compare_close(answer, DX, atol=1e-6, rtol=1e-6)
    assert not result.ok
    assert result.reason == "values"
    assert result.wrong == 2
    assert result.max_abs == 4
    assert result.max_rel == 4
    assert result.first is not None
    assert result.first.index == (1, 2)
    assert (result.first.answered, result.first.expected) == (-2.5, -3.0)
    assert result.worst is not None
    assert result.worst.index == (3, 0)
    assert result.heatmap is not None
    assert result.heatmap[1] == [0, 0, 0.5, 0]
    assert result.heatmap[3][0] == 4


def test_tolerances_must_make_sense() -> None:
    for atol, rtol in [(-1, 0), (0, -1), (math.nan, 0), (0, math.inf)]:
        with pytest.raises(ValueError, match="tolerances"):
            compare_close(1, 1, atol, rtol)


@pytest.mark.parametrize(
    ("answer", "expected", "reason"),
    [
        (3, 3.0, "ok"),
        (np.float32(3), 3, "ok"),
        (np.array(3), 3, "ok"),
        ([1, 2], np.array([1.0, 2.0]), "ok"),
        ((1, np.float64(2)), [1, 2], "ok"),
        ([[1], [np.array(2)]], np.array([[1], [2]]), "ok"),
        (3 + 0j, 3, "ok"),
        (3 + 1e-3j, 3, "values"),
        (np.array([1, 2], dtype=object), [1, 2], "ok"),
        (np.array([True, False]), [1, 0], "ok"),
        ([1, 0], np.array([True, False]), "ok"),
        (True, 1, "dtype"),
        (1.0, np.True_, "dtype"),
        (True, True, "ok"),
        (True, False, "values"),
        (math.nan, math.nan, "ok"),
        (math.nan, 1.0, "nonfinite"),
        (1.0, math.nan, "nonfinite"),
        (math.inf, math.inf, "ok"),
        (-math.inf, math.inf, "nonfinite"),
        (1e308, math.inf, "nonfinite"),
        (complex(math.nan, 1), complex(math.nan, 1), "ok"),
        (complex(math.nan, 1), complex(math.nan, 2), "nonfinite"),
        (complex(math.inf, 1), complex(-math.inf, 1), "nonfinite"),
        ([], [], "ok"),
        (np.zeros((0, 3)), np.zeros((0, 3)), "ok"),
        (np.zeros((0, 3)), np.zeros((3, 0)), "shape"),
        ([1, 2], [1, 2, 3], "shape"),
        ("3", 3, "kind"),
        (None, 3, "kind"),
        ([1, [2]], [1, 2], "kind"),
        ({"a": 1}, 1, "kind"),
        (np.array(["1"]), [1], "kind"),
        (np.array([None]), [1], "kind"),
        (np.array([[1], [1, 2]], dtype=object), [1, 2], "kind"),
        (Stranger(), DX, "kind"),
        (Stranger(), 3.0, "kind"),
        ([Stranger()], [3.0], "kind"),
        (np.array("2024-01-01", dtype="datetime64"), 1, "kind"),
    ],
)
def test_values_are_compared_by_what_they_are(
    answer: object, expected: object, reason: str
) -> None:
    result = compare_close(answer, expected, atol=1e-6, rtol=1e-6)
    assert result.reason == reason
    assert result.ok == (reason == "ok")


def test_subclasses_of_ndarray_do_not_speak_for_themselves() -> None:
    answer = np.zeros((2, 2)).view(Liar)
    assert compare_close(answer, DX, 1e9, 0).reason == "shape"
    assert compare_close(np.zeros((4, 4)).view(Liar), DX, 0.5, 0).wrong == 14
    assert compare_equal(np.zeros((4, 4)).view(Liar), DX).wrong == 14


@pytest.mark.parametrize("shape", [(1, 4), (4, 1), (2, 2), (4, 1, 1)])
def test_a_wrong_shape_is_told_from_wrong_values(shape: tuple[int, ...]) -> None:
    expected = np.array([59, 92, 101.5, 22.5])
    right = compare_close(expected.reshape(shape), expected, 1e-6, 0)
    assert right.reason == "shape"
    assert right.same_values_other_shape
    assert right.answered_shape == shape
    assert right.expected_shape == (4,)
    wrong = compare_close(expected[::-1].reshape(shape), expected, 1e-6, 0)
    assert wrong.reason == "shape"
    assert not wrong.same_values_other_shape


def test_large_integers_are_compared_exactly() -> None:
    assert not compare_close(2**53, 2**53 + 1, 0, 0).ok
    assert not compare_close(np.int64(2**53), np.int64(2**53 + 1), 0, 0).ok
    assert not compare_close(float(2**53), 2**53 + 1, 0.5, 0).ok
    assert compare_close(float(2**53), 2**53 + 1, 1, 0).ok
    assert compare_close([2**53 + 1], np.array([2**53 + 1]), 0, 0).ok
    low, high = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    result = compare_close(np.array([low, 0]), np.array([high, 0]), 1, 0)
    assert result.max_abs == 2.0**64
    assert result.wrong == 1
    assert result.first is not None
    assert result.first.answered == low
    assert not compare_close(np.uint64(2**64 - 1), np.int64(-1), 0, 0).ok
    assert not compare_close(np.uint8(255), np.int8(-1), 0, 0).ok
    assert compare_close(10**400, 10**400, 0, 0).ok
    assert not compare_close(10**400, 10**400 + 1, 0, 0).ok
    assert not compare_close(math.inf, 10**400, 1, 0).ok
    assert compare_close((16 * 10 * 11) ** 10, 2.85e32, 0, 0.02).ok


def test_unsigned_integers_do_not_wrap_around() -> None:
    result = compare_close(np.array([3], dtype=np.uint8), np.array([5], dtype=np.uint8), 0, 0)
    assert result.max_abs == 2


def test_large_matrices_have_no_heatmap() -> None:
    assert compare_close(np.ones((64, 64)), np.zeros((64, 64)), 0, 0).heatmap is not None
    assert compare_close(np.ones((65, 64)), np.zeros((65, 64)), 0, 0).heatmap is None
    assert compare_close(np.ones((2, 2, 2)), np.zeros((2, 2, 2)), 0, 0).heatmap is None


# --- properties -------------------------------------------------------------------------------

numeric = st.one_of(
    npst.boolean_dtypes(),
    npst.integer_dtypes(),
    npst.unsigned_integer_dtypes(),
    npst.floating_dtypes(),
    npst.complex_number_dtypes(),
)
arrays = npst.arrays(numeric, npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
tolerance = st.floats(0, 1e6)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Two arrays of one shape, any dtypes, that often agree in some places."""
    shape = draw(npst.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    first = draw(npst.arrays(draw(numeric), shape))
    if draw(st.booleans()):
        return first, draw(npst.arrays(draw(numeric), shape))
    with np.errstate(all="ignore"):
        return first, (first + draw(st.sampled_from([0, 1, 1e-6, -0.5]))).astype(first.dtype)


@settings(deadline=None)
@given(arrays)
def test_everything_equals_itself(array: np.ndarray) -> None:
    assert compare_close(array, array.copy(), 0, 0).ok
    assert compare_equal(array, array.tolist()).ok


@settings(deadline=None)
@given(pairs(), tolerance)
def test_an_absolute_tolerance_is_symmetric(
    pair: tuple[np.ndarray, np.ndarray], atol: float
) -> None:
    there, back = compare_close(*pair, atol, 0), compare_close(*reversed(pair), atol, 0)
    assert there.ok == back.ok
    assert there.wrong == back.wrong


@settings(deadline=None)
@given(pairs(), tolerance, tolerance, tolerance, tolerance)
def test_a_wider_tolerance_accepts_no_less(
    pair: tuple[np.ndarray, np.ndarray], atol: float, rtol: float, more: float, also: float
) -> None:
    narrow = compare_close(*pair, atol, rtol)
    wide = compare_close(*pair, atol + more, rtol + also)
    assert wide.wrong <= narrow.wrong
    assert wide.ok or not narrow.ok


doubles = npst.arrays(np.float64, 3, elements=st.floats(-1e100, 1e100))


@settings(deadline=None)
@given(doubles, doubles, st.floats(0, 1e3), st.floats(0, 2))
def test_finite_values_agree_as_in_numpy(
    a: np.ndarray, b: np.ndarray, atol: float, rtol: float
) -> None:
    result = compare_close(a, b, atol, rtol)
    assert result.ok == np.allclose(a, b, atol=atol, rtol=rtol)
    assert result.wrong == np.count_nonzero(~np.isclose(a, b, atol=atol, rtol=rtol))


any_dtype = st.one_of(numeric, npst.scalar_dtypes(), npst.array_dtypes(), st.just(np.dtype("O")))
any_array = any_dtype.flatmap(
    lambda dtype: npst.arrays(
        dtype,
        npst.array_shapes(min_dims=0, max_dims=2, max_side=2),
        elements=st.none() | st.integers() | st.text() if dtype == np.dtype("O") else None,
    )
)
anything = st.recursive(
    st.one_of(
        any_array,
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.complex_numbers(),
        st.text(max_size=5),
        st.binary(max_size=3),
        st.builds(Stranger),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.integers() | st.text(max_size=3) | st.booleans(), inner, max_size=3),
        st.sets(st.integers() | st.text(max_size=3) | st.booleans(), max_size=3),
    ),
    max_leaves=6,
)


@settings(deadline=None)
@given(anything, anything, st.booleans())
def test_no_answer_raises_and_all_evidence_is_json(
    answer: object, expected: object, hidden: bool
) -> None:
    for result in (compare_close(answer, expected, 1e-6, 1e-6), compare_equal(answer, expected)):
        assert result.ok == (result.reason == "ok")
        evidence = evidence_of(result, answer, expected, hidden)
        assert json.loads(json.dumps(evidence, allow_nan=False)) == evidence


# --- nested data ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (3, 3),
        (3.0, 3),
        (np.int32(3), 3),
        ("ب", "ب"),
        (None, None),
        (True, True),
        (np.True_, True),
        (math.nan, math.nan),
        ([1, (2, "x")], (1, [2, "x"])),
        (np.array([1, 2]), [1, 2]),
        (np.array(["a", "b"]), ["a", "b"]),
        ({"a": [1], "b": None}, {"b": None, "a": (1,)}),
        ({1, 2}, frozenset({2, 1})),
        ([], ()),
        ({}, {}),
        ({(1, True): 2}, {(1, True): 2}),
    ],
)
def test_equal_data_is_equal(answer: object, expected: object) -> None:
    result = compare_equal(answer, expected)
    assert result.ok
    assert result.wrong == 0
    assert result.total > 0


@pytest.mark.parametrize(
    ("answer", "expected", "reason"),
    [
        (True, 1, "kind"),
        (1, True, "kind"),
        (np.True_, 1, "kind"),
        ("3", 3, "kind"),
        (3, "3", "kind"),
        (None, 0, "kind"),
        (b"a", "a", "kind"),
        ({1}, [1], "kind"),
        (Stranger(), 3, "kind"),
        (Stranger(), Stranger(), "kind"),
        (math.nan, 1.0, "values"),
        (2**53 + 1, float(2**53), "values"),
        ([1, 2], [1, 3], "values"),
        ([1, True], [1, 1], "kind"),
        ({True}, {1}, "values"),
        ({True: 1}, {1: 1}, "shape"),
        ([1, 2], [1, 2, 3], "shape"),
        ({"a": 1}, {"a": 1, "b": 2}, "shape"),
        ({"a": 1, "c": 2}, {"a": 1, "b": 2}, "shape"),
        ({}, {"a": 1}, "shape"),
        ([], [1], "shape"),
        ({Stranger(): 1}, {3: 1}, "shape"),
        ("L2 ", "L2", "values"),
    ],
)
def test_different_data_is_different(answer: object, expected: object, reason: str) -> None:
    result = compare_equal(answer, expected)
    assert not result.ok
    assert result.reason == reason


def test_the_path_leads_to_the_first_difference() -> None:
    answer = {"layers": [{"in": 3, "out": 64}, {"in": 64, "out": 100}]}
    expected = {"layers": [{"in": 3, "out": 64}, {"in": 64, "out": 10}]}
    result = compare_equal(answer, expected)
    assert (result.wrong, result.total) == (1, 4)
    assert result.first is not None
    assert result.first.index == ("layers", 1, "out")
    assert (result.first.answered, result.first.expected) == (100, 10)


def test_a_list_that_contains_itself_ends() -> None:
    endless: list[Any] = [1]
    endless.append(endless)
    assert compare_equal(endless, [1, [1, [1, 2]]]).reason == "kind"
    assert compare_close(endless, [1, 2], 0, 0).reason == "kind"
    assert len(shown(endless)["text"]) <= 2000


# --- what the card shows ----------------------------------------------------------------------


def test_an_array_is_shown_with_its_values() -> None:
    record = shown(np.array([[1.5, math.nan], [math.inf, -2]], dtype=np.float32))
    assert record["shape"] == [2, 2]
    assert record["dtype"] == "float32"
    assert record["values"] == [[1.5, "nan"], ["inf", -2.0]]
    assert record["text"] == "[[ 1.5  nan]\n [ inf -2. ]]"


def test_large_values_are_shown_in_short() -> None:
    record = shown(np.arange(1_000_000.0))
    assert "values" not in record
    assert "..." in record["text"]
    assert len(shown(np.ones((3, 200, 200)))["text"]) <= 2000
    assert len(shown("x" * 5000)["text"]) == 2000
    assert "values" not in shown(np.zeros((2, 2, 2)))
    assert "values" not in shown([[0] * 300] * 2)
    assert shown(10**5000)["text"] == "1.000000e+5000"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("L2", "L2"),
        (3, "3"),
        (0.1, "0.1"),
        (True, "True"),
        (None, "None"),
        ([1, (2,), {"a": "b"}, {3}], "[1, (2,), {'a': 'b'}, {3}]"),
        (Stranger(), "<Stranger>"),
        ([Stranger()], "[<Stranger>]"),
        (np.full(1, object(), dtype=object), "<array of object, shape (1,)>"),
        (np.array(["a"]), "['a']"),
        (np.float64(2.5), "2.5"),
    ],
)
def test_python_data_is_shown_without_asking_it(value: object, text: str) -> None:
    assert shown(value)["text"] == text


def test_numbers_and_small_tables_carry_their_values() -> None:
    assert shown(3)["values"] == 3
    assert shown(math.inf)["values"] == "inf"
    assert shown([1, math.nan])["values"] == [1, "nan"]
    assert shown([[1, 2], [3, np.float32(4)]])["values"] == [[1, 2], [3, 4.0]]
    assert shown(3 + 4j)["values"] == "3+4j"
    assert shown(2**70)["values"] == "1180591620717411303424"
    assert "values" not in shown("3")
    assert "values" not in shown(["3"])


def test_evidence_shows_the_difference() -> None:
    answer = DX.copy()
    answer[0, 1] = math.inf
    result = compare_close(answer, DX, 1e-6, 1e-6)
    evidence = evidence_of(result, answer, DX, hidden=False)
    assert evidence["kind"] == "values"
    assert evidence["expected"]["values"] == DX.tolist()
    difference = evidence["difference"]
    assert difference["wrong"] == 1
    assert difference["first"] == {"index": [0, 1], "answered": "inf", "expected": -2.0}
    assert difference["heatmap"][0] == [0.0, "inf", 0.0, 0.0]
    assert (difference["atol"], difference["rtol"]) == (1e-6, 1e-6)


def test_evidence_of_a_hidden_check_tells_no_expected_value() -> None:
    answer = DX + 0.25
    evidence = evidence_of(compare_close(answer, DX, 0, 0), answer, DX, hidden=True)
    assert set(evidence) == {"kind", "answered", "difference"}
    assert set(evidence["difference"]) == {"wrong", "total", "atol", "rtol", "max_abs", "max_rel"}
    alone = evidence_of(compare_close(3.0, 4.0, 0, 0), 3.0, 4.0, hidden=True)
    assert set(alone["difference"]) == {"wrong", "total", "atol", "rtol"}


def test_evidence_names_a_shape_or_a_text() -> None:
    row = DX[:1]
    evidence = evidence_of(compare_close(row, DX[0], 0, 0), row, DX[0], hidden=False)
    assert evidence["kind"] == "shape"
    assert evidence["difference"]["same_values_other_shape"] is True
    assert evidence_of(compare_equal("a", "b"), "a", "b", hidden=False)["kind"] == "text"
