"""Theory 2a: rank factorisation. Any pair of the right shapes and product is right."""

import itertools
from collections.abc import Mapping

import numpy as np
import pytest

from grader.checks import Answer
from grader.checks.outcome import Shortfall

pytestmark = pytest.mark.question("low-rank")

ROUNDED = 0.02  # error of W that factors written down with two or three decimals may make


# ---- a pair of factors ---------------------------------------------------------------------------


def pair_of(value):
    """Return the two factors among what a function returned, None where there are not two."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if not isinstance(value, (list, tuple)):
        return None
    arrays = [np.asarray(each) for each in value if isinstance(each, (np.ndarray, list))]
    arrays = [a.astype(float) for a in arrays if a.dtype.kind in "biuf"]
    return tuple(arrays) if len(arrays) == 2 else None


def as_factors(A, B, W):
    """Return the factors as matrices: of a matrix of rank one they may be vectors."""
    m, n = W.shape
    if A.ndim == 1 and A.shape == (m,):
        A = A[:, None]
    if B.ndim == 1 and B.shape == (n,):
        B = B[None, :]
    return A, B


def factorise(A, B, W, rank, atol):
    """Return whether A and B are a rank factorisation of W."""
    m, n = W.shape
    return A.shape == (m, rank) and B.shape == (rank, n) and bool(np.allclose(A @ B, W, 0, atol))


def expect_factors(expect, A, B, W, rank, atol):
    """Expect a rank factorisation of W, and recognise what goes wrong on the way to one."""
    m, n = W.shape
    A, B = as_factors(A, B, W)

    def give(product):
        return product is not None and product.shape == W.shape and np.allclose(product, W, 0, atol)

    if not give(product_of(A, B)):
        expect.satisfies(not give(product_of(A, B.T)), "second-factor-transposed")
        expect.satisfies(not give(product_of(B, A)), "factors-swapped")
        fits = A.ndim == B.ndim == 2 and A.shape[0] == m and B.shape[1] == n
        expect.satisfies(fits and A.shape[1] == B.shape[0], "factors-do-not-fit")
        expect.satisfies(A.shape[1] >= rank, "inner-size-below-rank")
        expect(Answer(A @ B, "A @ B", "name")).close(W, atol=atol, rtol=0)
    expect.satisfies(A.shape[1] == rank, "inner-size-not-rank")


def product_of(A, B):
    if A.ndim != 2 or B.ndim != 2 or A.shape[1] != B.shape[0]:
        return None
    return A @ B


def named_factors(student):
    try:
        return student.value("A").array, student.value("B").array
    except Shortfall:
        return None


def factors_anywhere(student, W, rank):
    """Return two variables, whatever their names, that factorise W: A and B may be overwritten."""
    matrices = {
        name: value.astype(float)
        for name, value in student.subject.variables.items()
        if isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype.kind in "if"
    }
    for first, second in itertools.permutations(matrices, 2):
        if {first, second} == {"A", "B"}:  # these are judged as what they are called
            continue
        A, B = matrices[first], matrices[second]
        if factorise(A, B, W, rank, ROUNDED):
            found = f"{first}, {second}"
            cell = student.subject.cell_of(first)
            student.record.saw("A, B", f"value:{found}", found, cell)
            return A, B
    return None


# ---- the checks ----------------------------------------------------------------------------------


@pytest.mark.part("factorisation", points=0.5)
def test_rank_of_the_matrix(student, reference, expect):
    answer = student.value("rank_W", kind="integer")
    expect(answer).equal(
        int(reference.rank_W),
        misconceptions={"rank-is-the-size": 5, "rank-counts-dependent-rows": 4},
    )


@pytest.mark.part("factorisation", points=1.5)
def test_two_factors_of_the_matrix(student, reference, expect):
    W, rank = reference.W, int(reference.rank_W)

    def called():
        try:
            return pair_of(student.call("rank_factorisation", W).value)
        except Shortfall:
            return None

    named = named_factors(student)
    for find in (lambda: named, lambda: factors_anywhere(student, W, rank), called):
        found = find()
        if found is not None and factorise(*found, W, rank, ROUNDED):
            if not factorise(*found, W, rank, 1e-6):
                expect.note("rounded-factors")
            return
    if named is None:
        named = called()
    if named is None:  # says what is missing, or cannot be read
        named = student.value("A").array, student.value("B").array
    A, B = named
    shapes = f"A: {A.shape}, B: {B.shape}"
    expect.evidence(answered={"text": shapes}, expected={"text": "A: (5, r), B: (r, 5)"})
    expect_factors(expect, A, B, W, rank, 1e-6)


@pytest.mark.part("factorisation", points=0.5)
def test_numbers_kept_for_the_matrix(student, reference, expect):
    answer = student.value("parameters_before", kind="integer")
    expect(answer).equal(
        reference.parameters_before, misconceptions={"sides-added": 10, "sides-not-multiplied": 5}
    )


@pytest.mark.part("factorisation", points=0.5)
def test_numbers_kept_for_the_factors(student, reference, expect):
    answer = student.value("parameters_after", kind="integer")
    try:
        rank = student.value("rank_W", kind="integer").value
    except Shortfall:
        rank = reference.rank_W
    expect(answer).close(
        reference.parameters_after,
        atol=0,
        rtol=0,
        misconceptions={
            "one-factor-kept": 15,
            "change-instead-of-count": 5,
            "only-the-rank-squared": 9,
            "inner-size-of-the-matrix": 50,
        },
        follow_through=sum(reference.W.shape) * int(rank),
    )


# m, n and r; 4 by 4 and 6 by 3, both at rank 2, come out level.
CASES = ((5, 5, 3), (5, 5, 2), (1024, 1024, 16), (4, 4, 2), (6, 3, 2), (100, 2, 1), (3, 99, 3))


@pytest.mark.part("factorisation", points=0.5)
def test_when_a_factorisation_pays(student, reference, expect):
    saves = student.function("saves_parameters")
    answered = []
    for case in CASES:
        value = saves(*case).value
        truth = isinstance(value, (bool, np.bool_, int)) and value in (0, 1)
        expect.satisfies(truth, "not-true-or-false")
        answered.append(bool(value))
    expected = [reference.saves_parameters(*case) for case in CASES]
    cases = ", ".join(map(str, CASES))
    expect.evidence(inputs={"m, n, r": {"text": cases}})
    expect(answered).equal(
        expected,
        misconceptions={
            "level-counts-as-saving": [r * (m + n) <= m * n for m, n, r in CASES],
            "low-rank-always-pays": [r < min(m, n) for m, n, r in CASES],
            "one-factor-kept": [m * r < m * n for m, n, r in CASES],
            "inequality-reversed": [not e for e in expected],
        },
    )


def of_rank(rng, m, n, rank):
    """Return an m by n matrix of this rank, far from any of lower rank."""
    U = np.linalg.qr(rng.normal(size=(m, rank)))[0]
    V = np.linalg.qr(rng.normal(size=(n, rank)))[0]
    return U * rng.uniform(1, 3, size=rank) @ V.T


def nearly_singular(rng):
    """Return a matrix of full rank whose smallest singular value is a ten-thousandth."""
    U, V = (np.linalg.qr(rng.normal(size=(5, 5)))[0] for _ in range(2))
    return U * np.array([3, 2, 1, 0.5, 3e-4]) @ V.T


MATRICES = {
    "rank-one": lambda rng: (of_rank(rng, 6, 4, 1), 1),
    "full-rank": lambda rng: (of_rank(rng, 4, 4, 4), 4),
    "wide": lambda rng: (of_rank(rng, 3, 7, 2), 2),
    "tall": lambda rng: (of_rank(rng, 7, 3, 3), 3),
    "nearly-singular": lambda rng: (nearly_singular(rng), 5),
    "singular-up-to-rounding": lambda rng: (of_rank(rng, 6, 6, 3) / 7, 3),
}


@pytest.mark.part("factorisation", points=1.5)
@pytest.mark.hidden
@pytest.mark.parametrize("kind", MATRICES)
def test_factors_of_other_matrices(student, reference, expect, rng, kind):
    factorisation = student.function("rank_factorisation")
    W, rank = MATRICES[kind](rng)
    value = factorisation(W).value
    factors = pair_of(value)
    if factors is None:
        three = isinstance(value, (list, tuple)) and len(value) == 3
        expect.satisfies(not three, "three-factors")
        expect.misconception("not-a-pair")
    A, B = as_factors(*factors, W)
    if A.ndim == B.ndim == 2 and A.shape[1] == B.shape[0] != rank:
        inner = A.shape[1]
        expect.satisfies(kind != "nearly-singular" or inner >= rank, "small-values-dropped")
        expect.satisfies(
            kind != "singular-up-to-rounding" or inner <= rank, "rounding-counted-as-rank"
        )
    expect_factors(expect, A, B, W, rank, 2e-5)
