"""Rank factorisations of hw7_automl_lora: any right one is right, and what is none is told."""

from __future__ import annotations

import pytest

from tests.desk import Desk

SLUG = "hw7_automl_lora"

W = """
import numpy as np
W = np.array([[1, 3, 0, 2, 3], [0, 1, -2, 1, 2], [2, 5, 1, 3, 4], [1, 2, 1, 1, 1], [3, 7, 2, 4, 5]], float)
"""
B = "[[1, 0, 0, -1, -3], [0, 1, 0, 1, 2], [0, 0, 1, 0, 0]]"


@pytest.mark.parametrize(
    ("factors", "misconception"),
    [
        (f"A, B = W[:, :3], np.array({B}).T", "second-factor-transposed"),
        (f"A, B = np.array({B}), W[:, :3]", "factors-swapped"),
        ("A, B = W[:3], W[:, :2]", "factors-do-not-fit"),
        ("U, s, V = np.linalg.svd(W); A, B = U[:, :2] * s[:2], V[:2]", "inner-size-below-rank"),
        ("A, B = W, np.eye(5)", "inner-size-not-rank"),
        (f"A, B = W[:, :3], np.array({B}) + 1", None),
    ],
)
def test_what_is_no_factorisation_is_told_by_name(
    desk: Desk, factors: str, misconception: str | None
) -> None:
    result = desk.cells(W, factors)["test_two_factors_of_the_matrix"]
    assert result.misconception == misconception
    assert result.verdict in ("failed", "partial")


FUNCTIONS = {
    "three-factors": (
        "U, s, V = np.linalg.svd(M); r = (s > 1e-9).sum(); return U[:, :r], np.diag(s[:r]), V[:r]",
        {"rank-one": "three-factors", "full-rank": "three-factors", "wide": "three-factors"},
    ),
    "not-a-pair": ("return np.linalg.matrix_rank(M)", {"tall": "not-a-pair"}),
    "small-values-dropped": (
        "U, s, V = np.linalg.svd(M); r = int((s > 1e-3).sum()); return U[:, :r] * s[:r], V[:r]",
        {"nearly-singular": "small-values-dropped", "tall": None, "rank-one": None},
    ),
    "rounding-counted-as-rank": (
        "U, s, V = np.linalg.svd(M, full_matrices=False); r = len(s); return U * s, V",
        {"singular-up-to-rounding": "rounding-counted-as-rank", "full-rank": None, "tall": None},
    ),
    "inner-size-not-rank": (
        "return M, np.eye(M.shape[1])",
        {"rank-one": "inner-size-not-rank", "wide": "inner-size-not-rank", "full-rank": None},
    ),
}


@pytest.mark.parametrize("slip", FUNCTIONS)
def test_factorising_functions_are_tried_on_other_matrices(desk: Desk, slip: str) -> None:
    body, expected = FUNCTIONS[slip]
    results = desk.cells(W, f"def rank_factorisation(M):\n    {body}")
    for kind, misconception in expected.items():
        result = results[f"test_factors_of_other_matrices[{kind}]"]
        assert result.misconception == misconception
        assert (result.verdict == "passed") == (misconception is None)
        assert "expected" not in result.evidence


@pytest.mark.parametrize(
    "factors",
    {
        "worked": f"A, B = W[:, :3], np.array({B})",
        "svd": "U, s, V = np.linalg.svd(W); A, B = U[:, :3] * np.sqrt(s[:3]), np.sqrt(s[:3, None]) * V[:3]",
        "scaled": f"A, B = -7 * W[:, :3], np.array({B}) / -7",
        "permuted": f"p = [2, 0, 1]; A, B = W[:, :3][:, p], np.array({B})[p]",
        "qr": "import scipy.linalg as l; Q, R, p = l.qr(W, pivoting=True); "
        "A, B = Q[:, :3], R[:3][:, np.argsort(p)]",
        "rows": "B = W[[0, 1, 3]] + 0; A = np.linalg.lstsq(B.T, W.T, rcond=None)[0].T"
        " if np.linalg.matrix_rank(B) == 3 else None\n"
        "if A is None: B = W[[0, 1, 4]]; A = np.linalg.lstsq(B.T, W.T, rcond=None)[0].T",
        "torch": f"import torch; A, B = torch.tensor(W[:, :3]), torch.tensor({B})",
        "lists": f"A, B = W[:, :3].tolist(), {B}",
        "text": f"A, B = str(W[:, :3].tolist()), '''{B}'''",
        "other names, A overwritten": f"C, R = W[:, :3], np.array({B}, float); A = np.ones((2, 2))",
        "three decimals": "U, s, V = np.linalg.svd(W); A, B = (U[:, :3] * s[:3]).round(3), V[:3].round(3)",
        "a function alone": """
def rank_factorization(M):
    columns = []  # orthonormal, by Gram and Schmidt
    for v in M.T:
        for q in 2 * columns:
            v = v - (q @ v) * q
        if np.linalg.norm(v) > 1e-9:
            columns.append(v / np.linalg.norm(v))
    Q = np.array(columns).T
    return Q, Q.T @ M
""",
    }.items(),
    ids=lambda each: each[0],
)
def test_any_factorisation_is_right(desk: Desk, factors: tuple[str, str]) -> None:
    result = desk.cells(W, factors[1])["test_two_factors_of_the_matrix"]
    assert (result.verdict, result.misconception) == ("passed", None), result.message
    assert bool(result.evidence.get("notes")) == (factors[0] == "three decimals")


def test_factorising_functions_may_return_what_they_like(desk: Desk) -> None:
    results = desk.cells(
        W,
        "import torch\n"
        "def rank_factorization(M):\n"
        "    U, s, Vh = torch.linalg.svd(torch.tensor(M), full_matrices=False)\n"
        "    r = int(torch.linalg.matrix_rank(torch.tensor(M)))\n"
        "    A, B = U[:, :r], torch.diag(s[:r]) @ Vh[:r]\n"
        "    return {'A': A.squeeze() if r == 1 else A, 'B': B.squeeze() if r == 1 else B}",
    )
    kinds = {name: r for name, r in results.items() if name.startswith("test_factors_of_other")}
    assert len(kinds) == 6
    assert {r.verdict for r in kinds.values()} == {"passed"}
