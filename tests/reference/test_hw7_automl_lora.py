"""The reference of hw7_automl_lora against independent routes and the figures of the coursework."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import sympy
import torch
from sklearn.model_selection import ParameterGrid
from torch import nn

from grader.checks.reference import load_reference
from grader.notebook import to_notebook

Array = npt.NDArray[np.float64]

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "reference" / "hw7_automl_lora.py"

W = np.array([[1, 3, 0, 2, 3], [0, 1, -2, 1, 2], [2, 5, 1, 3, 4], [1, 2, 1, 1, 1], [3, 7, 2, 4, 5]])


@pytest.fixture(scope="module")
def hw7() -> ModuleType:
    return load_reference(SOURCE)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(70)


# ---- question 1 ------------------------------------------------------------------------------


def test_the_space_of_autoaugment_is_that_of_the_paper(hw7: ModuleType) -> None:
    assert hw7.policy_space == 285_184_999_433_627_773_173_760_000_000_000
    assert hw7.policy_space == pytest.approx(2.85e32, rel=0.02)


def test_policies_are_counted_by_listing_them(hw7: ModuleType) -> None:
    operations = [(o, m, p) for o in range(2) for m in range(3) for p in range(1)]
    subpolicies = [(a, b) for a in operations for b in operations]
    policies = {(a, b, c) for a in subpolicies for b in subpolicies for c in subpolicies}
    assert hw7.count_policies(2, 3, 1, per_subpolicy=2, subpolicies=3) == len(policies)


def test_the_reward_is_accuracy_at_the_target_and_falls_beyond_it(hw7: ModuleType) -> None:
    assert hw7.scaled_reward(0.8, 400e6, 400e6) == pytest.approx(0.8)
    # Twice the cost takes 2 ** -0.07: about 4.7 % of the reward.
    assert hw7.scaled_reward(0.8, 800e6, 400e6) == pytest.approx(0.8 * 0.9526, rel=1e-4)
    assert hw7.scaled_reward(0.8, 200e6, 400e6) > 0.8
    expected = math.exp(math.log(0.7) - 0.2 * (math.log(3e8) - math.log(5e8)))
    assert hw7.scaled_reward(0.7, 3e8, 5e8, w=-0.2) == pytest.approx(expected)


# ---- question 2 ------------------------------------------------------------------------------


def test_rank_and_factors_are_those_of_the_coursework(hw7: ModuleType) -> None:
    np.testing.assert_array_equal(hw7.W, W)
    assert hw7.rank_W == 3 == sympy.Matrix(W).rank()
    np.testing.assert_array_equal(hw7.A, W[:, :3])
    worked = [[1, 0, 0, -1, -3], [0, 1, 0, 1, 2], [0, 0, 1, 0, 0]]
    np.testing.assert_allclose(hw7.B, worked, atol=1e-12)
    np.testing.assert_array_equal(W[:, :3] @ np.array(worked), W)
    assert (hw7.parameters_before, hw7.parameters_after) == (25, 30)


@pytest.mark.parametrize(
    ("m", "n", "rank"), [(5, 5, 5), (7, 4, 2), (3, 9, 3), (8, 8, 1), (6, 6, 4), (1, 5, 1)]
)
def test_factors_multiply_to_the_matrix_and_meet_in_its_rank(
    hw7: ModuleType, rng: np.random.Generator, m: int, n: int, rank: int
) -> None:
    factors = rng.integers(-4, 5, size=(m, rank)), rng.integers(-4, 5, size=(rank, n))
    matrix = factors[0] @ factors[1]
    matrix[:, 0] *= m == n  # a column of zeros is no pivot
    exact = sympy.Matrix(matrix).rank()  # by elimination on integers
    A, B = hw7.rank_factorisation(matrix.astype(float))
    assert A.shape == (m, exact)
    assert B.shape == (exact, n)
    np.testing.assert_allclose(A @ B, matrix, atol=1e-10)


@pytest.mark.parametrize(("smallest", "rank"), [(1e-6, 4), (1e-13, 3), (0.0, 3)])
def test_nearly_singular_matrices_have_the_rank_that_the_question_defines(
    hw7: ModuleType, rng: np.random.Generator, smallest: float, rank: int
) -> None:
    U, _ = np.linalg.qr(rng.normal(size=(6, 4)))
    V, _ = np.linalg.qr(rng.normal(size=(5, 4)))
    matrix = U @ np.diag([3, 1, 0.2, 3 * smallest]) @ V.T
    A, B = hw7.rank_factorisation(matrix)
    assert A.shape[1] == B.shape[0] == rank
    np.testing.assert_allclose(A @ B, matrix, atol=1e-9)


def test_a_factorisation_pays_below_mn_over_m_plus_n(hw7: ModuleType) -> None:
    for m in range(1, 12):
        for n in range(1, 12):
            for r in range(1, min(m, n) + 1):
                pays = r < Fraction(m * n, m + n)
                assert hw7.saves_parameters(m, n, r) == pays
    assert not hw7.saves_parameters(5, 5, 3)
    assert not hw7.saves_parameters(4, 4, 2)  # 16 numbers either way


def test_lora_on_bert_has_the_figures_of_the_coursework(hw7: ModuleType) -> None:
    assert hw7.per_matrix == 32_768
    assert hw7.lora_trainable == 3_145_728
    assert hw7.base_parameters == 100_663_296
    assert hw7.lora_stored == 106_954_752
    assert hw7.full_trainable == 100_663_296
    assert hw7.full_stored == 201_326_592
    assert hw7.times_fewer == 32
    count = hw7.lora_parameter_count
    assert count(1024, 1024, 16, n_matrices=2, n_blocks=24) == 1_572_864


def test_lora_parameters_are_counted_in_a_model(hw7: ModuleType) -> None:
    d_in, d_out, r, matrices, blocks = 12, 20, 3, 4, 5
    adapters = [
        nn.Sequential(nn.Linear(d_in, r, bias=False), nn.Linear(r, d_out, bias=False))
        for _ in range(matrices * blocks)
    ]
    counted = sum(p.numel() for adapter in adapters for p in adapter.parameters())
    assert hw7.lora_parameter_count(d_in, d_out, r, matrices, blocks) == counted


def test_merged_and_unmerged_layers_are_torchs(hw7: ModuleType, rng: np.random.Generator) -> None:
    n, d_in, d_out, r, scale = 5, 7, 4, 2, 0.5
    x, W0, A, B = (rng.normal(size=s) for s in ((n, d_in), (d_out, d_in), (r, d_in), (d_out, r)))
    base, down, up = (nn.Linear(1, 1, bias=False) for _ in range(3))
    for layer, weight in ((base, W0), (down, A), (up, B)):
        layer.weight = nn.Parameter(torch.tensor(weight))
    given = torch.tensor(x)
    expected = (base(given) + scale * up(down(given))).detach().numpy()
    np.testing.assert_allclose(hw7.lora_forward(x, W0, A, B, scale), expected, atol=1e-12)
    merged = hw7.merge(W0, A, B, scale)
    np.testing.assert_allclose(x @ merged.T, expected, atol=1e-12)
    np.testing.assert_allclose(hw7.unmerge(merged, A, B, scale), W0, atol=1e-12)


def test_multiplications_are_those_of_the_matrix_products(hw7: ModuleType) -> None:
    d_in, d_out, r = 6, 4, 2
    products = [(d_in, d_out), (d_in, r), (r, d_out)]
    counts = [sum(1 for _ in np.ndindex(*sizes)) for sizes in products]
    assert hw7.multiplications_per_token(d_in, d_out, r, merged=True) == counts[0]
    assert hw7.multiplications_per_token(d_in, d_out, r, merged=False) == sum(counts)


# ---- question 4 ------------------------------------------------------------------------------


def test_fast_autoaugment_is_33_times_faster(hw7: ModuleType) -> None:
    assert hw7.speed_up == pytest.approx(33.3, abs=0.05)


# ---- question 5 ------------------------------------------------------------------------------

SPACE: dict[str, list[float]] = {"a": [1, 2, 3], "b": [0.1, 0.01], "c": [5, 6, 7, 8]}


def peak(space: dict[str, list[float]], centre: Array) -> Callable[[dict[str, float]], float]:
    """Return an objective that falls off from `centre`, a point of the unit cube."""

    def score(config: dict[str, float]) -> float:
        at = [v.index(config[k]) / max(len(v) - 1, 1) for k, v in space.items()]
        return -float(((np.array(at) - centre) ** 2).sum())

    return score


def test_the_grid_is_scikit_learns(hw7: ModuleType) -> None:
    trials = hw7.grid_search(lambda config: config["a"] + config["c"], SPACE)
    configs = [config for config, _ in trials]
    expected = list(ParameterGrid(SPACE))
    assert len(configs) == len(expected) == 24
    assert all(config in configs for config in expected)
    assert all(score == config["a"] + config["c"] for config, score in trials)
    assert hw7.best_trial(trials)[1] == 11


def test_the_best_trial_of_negative_scores_is_the_highest(hw7: ModuleType) -> None:
    assert hw7.best_trial([({"a": 1}, -3.0), ({"a": 2}, -0.5), ({"a": 3}, -2.0)]) == (
        {"a": 2},
        -0.5,
    )


def test_random_search_draws_every_value_equally_often_and_independently(hw7: ModuleType) -> None:
    trials = hw7.random_search(lambda config: 0.0, SPACE, 4000, seed=3)
    assert len(trials) == 4000
    pairs = [(config["a"], config["b"]) for config, _ in trials]
    for pair in {(a, b) for a in SPACE["a"] for b in SPACE["b"]}:
        assert pairs.count(pair) / 4000 == pytest.approx(1 / 6, abs=0.03)
    again = hw7.random_search(lambda config: 0.0, SPACE, 4000, seed=3)
    other = hw7.random_search(lambda config: 0.0, SPACE, 4000, seed=4)
    assert trials == again
    assert trials != other


def test_bayesian_search_finds_what_random_search_rarely_does(hw7: ModuleType) -> None:
    space = {name: [float(v) for v in range(4)] for name in "vwxyz"}
    ranks = []
    for seed in range(4):
        score = peak(space, np.random.default_rng(seed).uniform(0.1, 0.9, size=5))
        every = np.sort([score(config) for config in ParameterGrid(space)])
        trials = hw7.bayesian_search(score, space, 40, seed=seed)
        assert len({tuple(config.values()) for config, _ in trials}) == len(trials) == 40
        best = hw7.best_trial(trials)[1]
        ranks.append(len(every) - np.searchsorted(every, best, side="right"))
    assert max(ranks) <= 3  # of 1024; random search expects about 25


def test_bayesian_search_stops_when_the_space_is_exhausted(hw7: ModuleType) -> None:
    trials = hw7.bayesian_search(lambda config: config["a"], SPACE, 100, seed=0)
    assert len(trials) == 24


def test_its_surrogate_is_scikit_learns_gaussian_process(hw7: ModuleType) -> None:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF

    space = {"a": [float(v) for v in range(7)], "b": [float(v) for v in range(5)]}
    score = peak(space, np.array([0.3, 0.8]))
    trials = hw7.bayesian_search(score, space, 12, seed=1)

    def point(config: dict[str, float]) -> list[float]:
        return [config["a"] / 6, config["b"] / 4]

    every = np.array([point(config) for config in ParameterGrid(space)])
    for step in range(5, 12):
        seen = np.array([point(config) for config, _ in trials[:step]])
        y = np.array([value for _, value in trials[:step]])
        process = GaussianProcessRegressor(RBF(0.3), alpha=1e-4, optimizer=None)
        process.fit(seen, (y - y.mean()) / y.std())
        mean, deviation = process.predict(every, return_std=True)
        promise = mean + 2 * deviation
        promise[[(every == p).all(axis=1).argmax() for p in seen]] = -np.inf
        chosen = point(trials[step][0])
        assert promise[(every == chosen).all(axis=1)][0] == pytest.approx(promise.max(), abs=1e-4)


def test_successive_halving_takes_the_rungs_of_the_question(hw7: ModuleType) -> None:
    calls: list[tuple[float, int]] = []

    def score(config: dict[str, float], budget: int) -> float:
        calls.append((config["x"], budget))
        return -abs(config["x"] - 40) if budget < 3 else config["x"]

    space = {"x": [float(v) for v in range(100)]}
    trials = hw7.successive_halving(score, space, 9, seed=2)
    assert [budget for _, budget in calls] == [1] * 9 + [3] * 3 + [9]
    first = sorted((x for x, budget in calls if budget == 1), key=lambda x: abs(x - 40))
    assert sorted(x for x, budget in calls if budget == 3) == sorted(first[:3])
    assert [x for x, budget in calls if budget == 9] == [max(first[:3])]
    assert sorted((config["x"], budget) for config, budget, _ in trials) == sorted(calls)


def test_halving_rounds_down_and_keeps_one(hw7: ModuleType) -> None:
    space = {"x": [float(v) for v in range(100)]}
    for n, eta, rungs in ((7, 2, {2: 7, 4: 3, 8: 1}), (2, 3, {2: 2, 6: 1}), (1, 3, {2: 1})):
        trials = hw7.successive_halving(lambda c, b: c["x"], space, n, 0, min_budget=2, eta=eta)
        budgets = [budget for _, budget, _ in trials]
        assert {budget: budgets.count(budget) for budget in budgets} == rungs


def digits_like(hw7: ModuleType, rng: np.random.Generator, flip: str = "") -> Any:
    """Return four clusters; the labels of the part `flip` are all moved to another class."""
    parts: list[torch.Tensor] = []
    for name in ("train", "validation", "test"):
        labels = np.arange(40) % 4
        x = 3 * np.eye(8)[labels] + 0.1 * rng.normal(size=(40, 8))
        labels = (labels + (name == flip)) % 4
        parts += [torch.tensor(x, dtype=torch.float32), torch.tensor(labels)]
    return hw7.Data(*parts)


CONFIG = {"hidden": 16, "learning_rate": 0.03, "dropout": 0.0, "weight_decay": 0.0}


@pytest.mark.parametrize(
    ("flip", "validation", "test"), [("", 1, 1), ("validation", 0, 0.5), ("test", 1, 0)]
)
def test_scores_come_from_the_validation_part_and_the_last_from_the_test_part(
    hw7: ModuleType, rng: np.random.Generator, flip: str, validation: float, test: float
) -> None:
    data = digits_like(hw7, rng, flip)
    assert hw7.validation_objective(data, 10)(CONFIG) == validation
    trials = [({**CONFIG, "hidden": 0}, 0.1), (CONFIG, 0.9), ({**CONFIG, "hidden": 0}, 0.2)]
    config, score = hw7.final_test(trials, data, 10)
    assert config == CONFIG
    if flip != "validation":  # half of what the last network learns from would be wrong
        assert score == test


def test_digits_are_split_into_parts_that_share_nothing(hw7: ModuleType) -> None:
    data = hw7.load_digits_data()
    rows = [tuple(row) for x in data[::2] for row in x.tolist()]
    assert [len(part) for part in data] == [300, 300, 700, 700, 797, 797]
    assert len(set(rows)) >= 1797 - 2  # the data set itself may hold an image twice
    assert float(data.train_x.max()) == 1.0


# ---- the files beside it -----------------------------------------------------------------------


def test_model_answers_of_the_rubric_are_those_of_the_reference() -> None:
    notebook = to_notebook(SOURCE.read_text(), solution=True, languages=("fa", "en"))
    folder = ROOT / "assignments" / "hw7_automl_lora"
    rubric = tomllib.loads((folder / "rubric.toml").read_text())
    answers: dict[str, dict[str, str]] = {}
    for cell in notebook.cells:
        ours = cell.metadata.get("karnameh", {})
        if "answer" in ours:
            prose = cell.source.removeprefix('<div dir="rtl">').removesuffix("</div>").strip()
            answers.setdefault(ours["answer"], {})[ours["lang"]] = prose
    assert answers.keys() == rubric.keys()
    for part, answer in answers.items():
        model = {language: text.strip() for language, text in rubric[part]["model_answer"].items()}
        assert model == answer
