"""The reference of hw2_regularization against independent routes and the figures of the coursework."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from types import ModuleType

import jupytext
import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import ndimage
from sklearn.linear_model import Lasso, LinearRegression, Ridge
from sklearn.metrics import accuracy_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from torch import nn
from torch.nn import functional as F  # noqa: N812

from grader.checks.curves import first_epoch_of_overfitting, pick, read_curves, read_tables
from grader.checks.reference import load_reference

Array = npt.NDArray[np.float64]

ROOT = Path(__file__).parents[2]
SLUG = "hw2_regularization"


@pytest.fixture(scope="module")
def hw2() -> ModuleType:
    return load_reference(ROOT / "reference" / f"{SLUG}.py")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(16)


# ---- question 1 ------------------------------------------------------------------------------


def test_validation_loss_is_best_at_epoch_seven_after_a_bump(hw2: ModuleType) -> None:
    assert hw2.validation_losses[6] == min(hw2.validation_losses) == 1.01
    assert hw2.validation_losses[4] > hw2.validation_losses[3] > hw2.validation_losses[5]
    assert hw2.overfit_epoch == 7


def test_epoch_of_overfitting_is_that_of_a_running_record(
    hw2: ModuleType, rng: np.random.Generator
) -> None:
    for _ in range(200):
        train, validation = rng.integers(1, 9, size=(2, 6)) / 10
        expected = first_epoch_of_overfitting(train.tolist(), validation.tolist())
        assert hw2.overfitting_epoch(train.tolist(), validation.tolist()) == expected


LAYER_OUTPUT = [
    [1.6, -0.7, -0.2, 1.9],
    [-2.3, 2.5, 2.5, -0.9],
    [-0.5, 3.2, 3.7, -0.4],
    [1.3, -0.4, -2.6, 1.2],
]
KEEP_MASK = [[1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1]]


def test_dropout_is_that_of_the_coursework(hw2: ModuleType) -> None:
    np.testing.assert_array_equal(hw2.layer_output, LAYER_OUTPUT)
    np.testing.assert_array_equal(hw2.keep_mask, KEEP_MASK)
    assert hw2.keep_probability == 0.5
    np.testing.assert_allclose(
        hw2.dropout_train, [[1.6, 0, 0, 1.9], [0, 2.5, 2.5, 0], [0, 3.2, 3.7, 0], [1.3, 0, 0, 1.2]]
    )
    np.testing.assert_allclose(
        hw2.dropout_test,
        [
            [0.8, -0.35, -0.1, 0.95],
            [-1.15, 1.25, 1.25, -0.45],
            [-0.25, 1.6, 1.85, -0.2],
            [0.65, -0.2, -1.3, 0.6],
        ],
    )


def test_dropout_at_test_time_is_the_mean_of_training(
    hw2: ModuleType, rng: np.random.Generator
) -> None:
    x, p = rng.normal(size=(3, 4)), 0.8
    masks = rng.random((20_000, 3, 4)) < p
    mean = np.mean([hw2.dropout(x, mask, p, training=True) for mask in masks], axis=0)
    np.testing.assert_allclose(hw2.dropout(x, masks[0], p, training=False), mean, atol=0.03)


# ---- question 2 ------------------------------------------------------------------------------


def test_bias_and_variance_of_knn_move_as_stated(hw2: ModuleType, rng: np.random.Generator) -> None:
    points = np.linspace(0, 1, 60)[:, None]
    truth = np.sin(8 * points[:, 0])
    bias, variance = {}, {}
    for k in (1, 5, 25):
        predictions = np.array(
            [
                KNeighborsRegressor(k)
                .fit(points, truth + 0.5 * rng.normal(size=60))
                .predict(points)
                for _ in range(60)
            ]
        )
        mean = KNeighborsRegressor(k).fit(points, truth).predict(points)  # the noise averages out
        bias[k] = ((mean - truth) ** 2).mean()
        variance[k] = predictions.var(axis=0).mean()
    assert bias[1] < bias[5] < bias[25]
    assert variance[1] > variance[5] > variance[25]
    assert (hw2.bias_as_k_grows, hw2.variance_as_k_grows) == ("increases", "decreases")


def test_training_error_at_k_one_is_zero(hw2: ModuleType, rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(80, 3)), rng.integers(2, size=80)
    assert KNeighborsClassifier(1).fit(x, y).score(x, y) == 1
    assert hw2.training_error_at_k1 == 0


def test_statements_are_answered_as_the_coursework_does(hw2: ModuleType) -> None:
    assert (hw2.statement_1, hw2.statement_2, hw2.statement_3) == (True, False, False)


def test_more_features_overfit_and_a_large_penalty_underfits(rng: np.random.Generator) -> None:
    x, noise = rng.normal(size=(60, 55)), 0.3 * rng.normal(size=60)
    y = x[:, 0] + noise
    train, test = slice(0, 30), slice(30, 60)

    def errors(model: Ridge | LinearRegression, features: int) -> tuple[float, float]:
        model.fit(x[train, :features], y[train])
        residual = y - model.predict(x[:, :features])
        return (residual[train] ** 2).mean(), (residual[test] ** 2).mean()

    few, many = errors(LinearRegression(), 1), errors(LinearRegression(), 28)
    assert many[0] < few[0]
    assert many[1] > 2 * few[1]
    weak, strong = errors(Ridge(0.1), 1), errors(Ridge(1000), 1)
    assert strong[0] > 2 * weak[0]
    assert strong[1] > 2 * weak[1]


def test_penalties_leave_the_marks_by_which_they_are_told_apart(
    hw2: ModuleType, rng: np.random.Generator
) -> None:
    one = rng.normal(size=200)
    copies = np.column_stack([one] * 4) + 1e-3 * rng.normal(size=(200, 4))
    np.testing.assert_allclose(Ridge(10).fit(copies, one).coef_, 0.25, atol=0.01)
    x = rng.normal(size=(200, 4))
    sparse = Lasso(0.5).fit(x, 2 * x[:, 0] + 0.1 * rng.normal(size=200)).coef_
    assert sparse[0] > 1
    assert (sparse[1:] == 0).all()
    chosen = (hw2.penalty_1, hw2.penalty_2, hw2.penalty_3, hw2.penalty_4)
    assert chosen == ("L2", "L1", "none", "L1")


def test_steps_are_those_of_gradient_descent_on_loss_and_penalty(
    hw2: ModuleType, rng: np.random.Generator
) -> None:
    w, slope, rate, lam = rng.normal(size=5), rng.normal(size=5), 0.1, 0.3
    penalties = {
        "l2_step": lambda w: lam / 2 * (w**2).sum(),
        "l1_step": lambda w: lam * w.abs().sum(),
    }
    for name, penalty in penalties.items():
        weights = torch.tensor(w, requires_grad=True)
        (torch.tensor(slope) @ weights + penalty(weights)).backward()
        torch.optim.SGD([weights], lr=rate).step()
        np.testing.assert_allclose(
            getattr(hw2, name)(w, slope, rate, lam), weights.detach(), atol=1e-12, err_msg=name
        )
    np.testing.assert_allclose(hw2.l2_step(w, 0 * slope, rate, lam), 0.97 * w)
    assert hw2.l1_step(np.zeros(2), np.zeros(2), rate, lam).tolist() == [0, 0]


# ---- question 3 ------------------------------------------------------------------------------


def test_softmax_is_torchs_at_every_temperature(hw2: ModuleType) -> None:
    torch.manual_seed(0)
    logits = 3 * torch.randn(4, 6)
    for T in (0.5, 1.0, 4.0):
        expected = F.softmax(logits / T, dim=-1)
        torch.testing.assert_close(hw2.softmax_with_temperature(logits, T), expected)
    assert hw2.softmax_with_temperature(logits, 1e6).std() < 1e-5
    assert hw2.softmax_with_temperature(torch.tensor([1000.0, 0.0]), 1.0).tolist() == [1, 0]


def test_distillation_loss_is_made_of_torchs_two_losses(hw2: ModuleType) -> None:
    torch.manual_seed(1)
    student, teacher = torch.randn(5, 7), 2 * torch.randn(5, 7)
    labels = torch.randint(7, (5,))
    for T, alpha, beta in ((1.0, 0.5, 0.5), (4.0, 0.1, 0.9), (2.0, 1.0, 0.0)):
        kl = nn.KLDivLoss(reduction="batchmean")(
            F.log_softmax(student / T, dim=1), F.softmax(teacher / T, dim=1)
        )
        expected = alpha * nn.CrossEntropyLoss()(student, labels) + beta * kl
        loss = hw2.distillation_loss(student, teacher, labels, T, alpha, beta)
        torch.testing.assert_close(loss, expected)
    same = hw2.distillation_loss(teacher, teacher, labels, 3.0, 0.0, 1.0)
    assert same.item() == pytest.approx(0, abs=1e-6)


def test_the_soft_terms_gradient_shrinks_with_the_square_of_the_temperature(
    hw2: ModuleType,
) -> None:
    torch.manual_seed(2)
    teacher, labels = torch.randn(3, 4).double(), torch.tensor([0, 1, 2])
    sizes = []
    for T in (50.0, 100.0):
        student = torch.zeros(3, 4, dtype=torch.double, requires_grad=True)
        hw2.distillation_loss(student, teacher, labels, T, 0.0, 1.0).backward()
        assert student.grad is not None
        sizes.append(student.grad.norm().item())
    assert sizes[0] / sizes[1] == pytest.approx(4, rel=0.05)


# ---- question 4 ------------------------------------------------------------------------------


def test_data_of_the_optimisers_are_those_of_the_coursework(hw2: ModuleType) -> None:
    rows = [[0.7, 0.3, 0.7], [0.4, 1, 0.4], [0.2, 1.1, 0.1], [0.4, 0.7, 0.2], [0.1, 0.5, 0.3]]
    np.testing.assert_allclose(hw2.inputs, rows, atol=1e-7)
    np.testing.assert_allclose(hw2.targets, [4.6334, 4.3512, 4.1774, 4.2002, 4.1758], atol=1e-5)
    assert hw2.learning_rates == (1.0, 0.1, 0.01, 0.001)


def test_gradients_of_the_network_are_autograds(hw2: ModuleType) -> None:
    parameters = [p.requires_grad_() for p in hw2.initial_parameters()]
    _, gradients = hw2.loss_and_gradients(parameters)
    output = torch.sigmoid(hw2.inputs @ parameters[0]) @ parameters[1]
    expected = torch.autograd.grad(F.mse_loss(output, hw2.targets), parameters)
    for gradient, wanted in zip(gradients, expected, strict=True):
        torch.testing.assert_close(gradient.detach(), wanted)


@pytest.mark.parametrize(("name", "beta"), [("sgd_step", 0.0), ("momentum_step", 0.9)])
def test_update_rules_are_those_of_torch_optim(hw2: ModuleType, name: str, beta: float) -> None:
    torch.manual_seed(3)
    start = [torch.randn(3, 3), torch.randn(3)]
    theirs = [p.clone().requires_grad_() for p in start]
    optimiser = torch.optim.SGD(theirs, lr=0.05, momentum=beta)
    ours, velocities = start, [torch.zeros_like(p) for p in start]
    for _ in range(6):
        gradients = [torch.randn_like(p) for p in start]
        for p, g in zip(theirs, gradients, strict=True):
            p.grad = g.clone()
        optimiser.step()
        if name == "sgd_step":
            ours = hw2.sgd_step(ours, gradients, 0.05)
        else:
            ours, velocities = hw2.momentum_step(ours, gradients, velocities, 0.05, beta)
        for p, q in zip(ours, theirs, strict=True):
            torch.testing.assert_close(p, q.detach())


def test_comparison_is_that_of_the_coursework(hw2: ModuleType) -> None:
    steps = hw2.steps_needed
    assert steps["sgd", 1.0] is steps["momentum", 1.0] is None
    assert min(hw2.losses["sgd", 1.0][-10:] + hw2.losses["momentum", 1.0][-10:]) > 10
    assert max(steps["sgd", 0.1], steps["momentum", 0.1]) < 20
    assert steps["sgd", 0.01] - steps["momentum", 0.01] == pytest.approx(130, abs=5)
    assert steps["sgd", 0.001] is None  # not within the 1000 steps
    assert 1000 - steps["momentum", 0.001] == pytest.approx(930, abs=15)


# ---- question 5 ------------------------------------------------------------------------------


def test_sizes_of_the_networks_are_those_of_the_coursework(hw2: ModuleType) -> None:
    assert hw2.n_parameters == 235_146
    sizes = [m.weight.shape for m in hw2.make_large_mlp() if isinstance(m, nn.Linear)]
    assert sizes == [(512, 784), (256, 512), (128, 256), (10, 128)]
    assert sum(p.numel() for p in hw2.make_large_mlp().parameters()) == 567_434
    dropouts = [m for m in hw2.make_large_mlp(0.3) if isinstance(m, nn.Dropout)]
    assert [m.p for m in dropouts] == [0.3] * 3


def test_drawn_clothes_can_be_told_apart_whichever_way_they_face(hw2: ModuleType) -> None:
    train, test = hw2.draw_clothes(600, seed=5), hw2.draw_clothes(100, seed=6)
    assert train[0].shape == (600, 1, 28, 28)
    assert train[0].min() == -1
    assert train[0].max() == 1
    assert train[1].bincount().tolist() == [60] * 10
    neighbours = KNeighborsClassifier(5).fit(train[0].flatten(1), train[1])
    for images in (test[0], test[0].flip(-1)):
        assert neighbours.score(images.flatten(1), test[1]) > 0.35


def test_an_epoch_is_that_of_a_plain_loop(hw2: ModuleType) -> None:
    torch.manual_seed(4)
    x, y = torch.randn(20, 5), torch.randint(3, (20,))
    ours, theirs = nn.Linear(5, 3), nn.Linear(5, 3)
    theirs.load_state_dict(ours.state_dict())
    batches = [(x[:12], y[:12]), (x[12:], y[12:])]
    optimiser = torch.optim.SGD(ours.parameters(), lr=0.2)
    loss, accuracy = hw2.train_epoch(
        ours, batches, nn.CrossEntropyLoss(), optimiser, lambda model: hw2.penalty(model, 0.05)
    )
    losses, right = [], []
    for images, labels in batches:
        scores = theirs(images)
        each = F.cross_entropy(scores, labels, reduction="none")
        losses += each.tolist()
        right += (scores.argmax(1) == labels).tolist()
        weights, biases = theirs.weight, theirs.bias
        total = each.mean() + 0.05 * (weights.abs().sum() + biases.abs().sum())
        for p, g in zip(
            (weights, biases), torch.autograd.grad(total, (weights, biases)), strict=True
        ):
            p.data -= 0.2 * g
    torch.testing.assert_close(ours.weight, theirs.weight)
    torch.testing.assert_close(ours.bias, theirs.bias)
    assert loss == pytest.approx(np.mean(losses))
    assert accuracy == pytest.approx(np.mean(right))


def test_evaluation_turns_dropout_off_and_counts_every_example(hw2: ModuleType) -> None:
    torch.manual_seed(5)
    x, y = torch.randn(31, 5), torch.randint(3, (31,))
    model = nn.Sequential(nn.Linear(5, 30), nn.Dropout(0.9), nn.Linear(30, 3))
    loss, accuracy = hw2.evaluate(
        model, [(x[:30], y[:30]), (x[30:], y[30:])], nn.CrossEntropyLoss()
    )
    scores = model[2](model[0](x)).detach()
    assert accuracy == pytest.approx(accuracy_score(y, scores.argmax(1)))
    assert loss == pytest.approx(F.cross_entropy(scores, y).item())


def test_augmentation_flips_and_rotates_by_up_to_ten_degrees(
    hw2: ModuleType, rng: np.random.Generator
) -> None:
    blob = ndimage.gaussian_filter(rng.normal(size=(28, 28)), 3)
    blob *= np.hanning(28)[:, None] * np.hanning(28)
    image = torch.tensor(blob, dtype=torch.float32)[None, None]
    torch.manual_seed(6)
    results = hw2.augment(image.repeat(60, 1, 1, 1))[:, 0].numpy()
    flipped = 0
    for result in results:
        angles = np.linspace(-10, 10, 41)
        errors = {
            (side, angle): np.abs(
                ndimage.rotate(blob[:, ::side], angle, reshape=False, order=1) - result
            ).max()
            for side in (1, -1)
            for angle in angles
        }
        side, _ = min(errors, key=lambda key: errors[key])
        assert min(errors.values()) < 0.05 * np.abs(blob).max()
        flipped += side == -1
    assert 15 < flipped < 45
    assert np.ptp(results, axis=0).max() > 0.1 * np.abs(blob).max()


def test_penalty_is_lambda_times_the_sum_of_magnitudes(hw2: ModuleType) -> None:
    model = nn.Linear(2, 1)
    model.weight.data, model.bias.data = torch.tensor([[1.5, -2.0]]), torch.tensor([-0.5])
    value = hw2.penalty(model, 0.1)
    assert value.item() == pytest.approx(0.4)
    value.backward()
    assert model.weight.grad is not None
    np.testing.assert_allclose(model.weight.grad, [[0.1, -0.1]])


# ---- what was recorded -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def recorded() -> dict[str, str]:
    outputs = json.loads((ROOT / "reference" / f"{SLUG}.outputs.json").read_text())
    return {
        cell: "".join(output.get("text", "") for output in saved) for cell, saved in outputs.items()
    }


def test_recorded_runs_show_what_the_questions_are_about(recorded: dict[str, str]) -> None:
    gaps = {}
    for cell in ("train-overfit", "train-augmented", "train-penalised"):
        curves = read_curves(recorded[cell])
        train, test = pick(curves, "accuracy", "train"), pick(curves, "accuracy", "test")
        assert train is not None
        assert test is not None
        gaps[cell] = train.last - test.last
    assert gaps["train-overfit"] > 0.2
    assert max(gaps["train-augmented"], gaps["train-penalised"]) < gaps["train-overfit"] - 0.05


def test_claims_of_the_reference_agree_with_what_was_recorded(
    hw2: ModuleType, recorded: dict[str, str]
) -> None:
    loss = pick(read_curves(recorded["train-overfit"]), "loss", "test")
    assert loss is not None
    assert hw2.overfit_from_epoch == loss.epochs[int(np.argmin(loss.values))]
    assert loss.last > 1.1 * min(loss.values)
    (table,) = read_tables(recorded["train-combinations"])
    assert table.best("test_accuracy", highest=True)[0] == hw2.best_combination


# ---- texts -----------------------------------------------------------------------------------


def test_model_answers_of_the_rubric_are_those_of_the_reference() -> None:
    cells = jupytext.reads((ROOT / "reference" / f"{SLUG}.py").read_text(), fmt="py:percent").cells
    rubric = tomllib.loads((ROOT / "assignments" / SLUG / "rubric.toml").read_text())
    answers: dict[str, dict[str, str]] = {}
    for cell in cells:
        if "answer" in cell.metadata:
            answers.setdefault(cell.metadata["answer"], {})[cell.metadata["lang"]] = cell.source
    assert answers.keys() == rubric.keys()
    for part, texts in answers.items():
        model = {lang: text.strip() for lang, text in rubric[part]["model_answer"].items()}
        assert model == {lang: text.strip() for lang, text in texts.items()}
