"""The reference of ablation_study against independent routes and the figures of the coursework."""

from __future__ import annotations

import copy
import json
import statistics
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from grader.checks.curves import read_tables
from grader.checks.reference import load_reference

Array = npt.NDArray[np.float64]

ROOT = Path(__file__).parents[2]
BRANCHES = ("left", "right", "extra")


@pytest.fixture(scope="module")
def ablation() -> ModuleType:
    return load_reference(ROOT / "reference" / "ablation_study.py")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(26)


class Tower(nn.Module):
    """A residual block, normalisation and dropout; ``block`` is also how another name begins."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(6)
        self.drop = nn.Dropout(0.5)
        self.block = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6))
        self.block2 = nn.Linear(6, 6)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.drop(self.norm(x))
        h = h + self.block(h)
        h = h + self.block2(h)
        scores: Tensor = self.head(h)
        return scores


def bits(model: nn.Module) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}


# ---- question 2 ------------------------------------------------------------------------------------


def test_parameter_counts_are_those_of_the_coursework(ablation: ModuleType) -> None:
    assert ablation.conv_parameters == 1_792
    assert ablation.linear_parameters == 655_370
    assert ablation.total_parameters == 657_162
    model = ablation.SimpleNet()
    assert sum(p.numel() for p in model.parameters()) == 657_162
    assert sorted(ablation.parameters_by_layer(model).values()) == [1_792, 655_370]


def test_simple_net_is_a_convolution_relu_and_a_linear_layer(ablation: ModuleType) -> None:
    torch.manual_seed(0)
    model, x = ablation.SimpleNet(), torch.randn(2, 3, 32, 32)
    convolution, linear = [m for m in model.modules() if list(m.parameters(recurse=False))]
    patches = F.unfold(x, 3, padding=1)  # (2, 27, 1024)
    maps = convolution.weight.flatten(1) @ patches + convolution.bias[:, None]
    expected = maps.clamp(min=0).flatten(1) @ linear.weight.T + linear.bias
    torch.testing.assert_close(model(x), expected, atol=1e-4, rtol=1e-4)
    assert (maps < 0).any()


def test_each_parameter_is_counted_once(ablation: ModuleType) -> None:
    model = Tower()
    model.head.requires_grad_(False)
    assert ablation.parameters_by_layer(model) == {
        "norm": 12,
        "block.0": 42,
        "block.2": 42,
        "block2": 42,
        "head": 21,
    }


# ---- question 3 ------------------------------------------------------------------------------------


def measured_by_numpy(n: int, seed: int) -> tuple[Array, npt.NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    classes = rng.choice(3, size=n, p=[0.5, 0.3, 0.2])
    signal = np.array([[2, 0, 0, 1], [0, 2, 0, -1], [0, 0, 2, 0]])[classes]
    x = rng.normal(size=(n, 12)) + 1
    x[:, :4] += signal
    x[:, 4:8] += signal
    x[:, 8:] += 0.3 * signal
    return x, classes


def softmax(z: Array) -> Array:
    exp: Array = np.exp(z - z.max(axis=1, keepdims=True))
    return exp / exp.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def regression() -> tuple[Array, Array]:
    """The panel is a softmax regression with three biases: its weights (12, 3) and bias, by hand."""
    x, y = measured_by_numpy(300, seed=1)
    W, b = np.zeros((12, 3)), np.zeros(3)
    for _ in range(100):
        error = (softmax(x @ W + 3 * b) - np.eye(3)[y]) / len(x)
        W, b = W - 0.2 * x.T @ error, b - 0.2 * error.sum(axis=0)
    return W, b


def test_the_panel_is_a_softmax_regression(
    ablation: ModuleType, regression: tuple[Array, Array]
) -> None:
    W, b = regression
    for place, name in enumerate(BRANCHES):
        branch = ablation.panel.get_submodule(name)
        rows = slice(4 * place, 4 * place + 4)
        np.testing.assert_allclose(branch.weight.detach(), W[rows].T, atol=1e-10)
        np.testing.assert_allclose(branch.bias.detach(), b, atol=1e-10)


def accuracy_and_loss(
    regression: tuple[Array, Array], without: tuple[str, ...] = ()
) -> tuple[float, float]:
    """Return accuracy and loss of the regression with some branches left out."""
    W, b = regression
    x, y = measured_by_numpy(400, seed=2)
    kept = [place for place, name in enumerate(BRANCHES) if name not in without]
    columns = [4 * place + i for place in kept for i in range(4)]
    p = softmax(x[:, columns] @ W[columns] + len(kept) * b)
    return float((p.argmax(1) == y).mean()), float(-np.log(p[np.arange(len(y)), y]).mean())


def test_evaluation_is_that_of_numpy(ablation: ModuleType, regression: tuple[Array, Array]) -> None:
    accuracy, loss = accuracy_and_loss(regression)
    assert ablation.evaluate(ablation.panel, *ablation.panel_test) == pytest.approx(
        (loss, accuracy)
    )
    assert accuracy == 0.975


def test_evaluation_is_without_dropout_and_leaves_the_model_alone(ablation: ModuleType) -> None:
    torch.manual_seed(1)
    model, x, y = Tower(), torch.randn(30, 6), torch.randint(3, (30,))
    before = bits(model)
    assert ablation.evaluate(model, x, y) == ablation.evaluate(model, x, y)
    assert model.training
    assert bits(model) == before
    expected = F.cross_entropy(copy.deepcopy(model).eval()(x), y).item()
    assert ablation.evaluate(model, x, y)[0] == pytest.approx(expected)


@pytest.mark.parametrize("component", ["norm", "block", "block.2", "block2", "head"])
def test_only_the_component_is_ablated_and_then_restored(
    ablation: ModuleType, component: str
) -> None:
    torch.manual_seed(2)
    model, x = Tower().eval(), torch.randn(5, 6)
    with torch.no_grad():
        model.block2.bias[:2] = torch.tensor([-0.0, 1e-41])
    before, outputs = bits(model), []
    part = model.get_submodule(component)
    part.register_forward_hook(lambda module, given, output: outputs.append(output))
    by_hook = copy.deepcopy(model)
    by_hook.get_submodule(component).register_forward_hook(lambda m, i, o: torch.zeros_like(o))
    with ablation.ablated(model, component) as inside:
        assert inside is model
        torch.testing.assert_close(model(x), by_hook(x))
        assert not outputs[0].any()
    assert bits(model) == before


def test_an_exception_passes_and_the_model_is_restored(ablation: ModuleType) -> None:
    model = Tower()
    before = bits(model)
    with pytest.raises(AttributeError, match="nowhere"), ablation.ablated(model, "head"):
        model.get_submodule("nowhere")
    assert bits(model) == before


def test_blocks_nest_and_an_optimiser_still_works(ablation: ModuleType) -> None:
    torch.manual_seed(3)
    model = Tower()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = bits(model)
    with ablation.ablated(model, "block"), ablation.ablated(model, "block.0"):
        assert not model.block[2].weight.any()
        with ablation.ablated(model, "head"):
            assert not model.head.weight.any()
        assert model.head.weight.any()
        assert not model.block[0].weight.any()
    assert bits(model) == before
    model(torch.randn(8, 6)).sum().backward()
    optimizer.step()
    assert bits(model) != before


def test_effects_are_those_of_numpy(ablation: ModuleType, regression: tuple[Array, Array]) -> None:
    accuracy, loss = accuracy_and_loss(regression)
    for name in BRANCHES:
        ablated_accuracy, ablated_loss = accuracy_and_loss(regression, (name,))
        drop, rise = ablation.panel_effects[name]
        assert drop == pytest.approx(accuracy - ablated_accuracy)
        assert rise == pytest.approx(ablated_loss - loss)
    drops = {name: round(effect[0], 4) for name, effect in ablation.panel_effects.items()}
    assert drops == {"left": 0.0625, "right": 0.0525, "extra": 0.005}


# ---- question 4 ------------------------------------------------------------------------------------


def test_weights_are_those_that_the_program_of_the_notes_leaves(ablation: ModuleType) -> None:
    weight = nn.Parameter(torch.tensor(ablation.start_weight))
    optimizer = torch.optim.SGD([weight], lr=ablation.learning_rate)
    for gradient in torch.tensor(ablation.gradients):
        weight.data.zero_()
        optimizer.zero_grad()
        (weight @ gradient).backward()
        optimizer.step()
    np.testing.assert_allclose(ablation.weight_at_evaluation, weight.detach())
    np.testing.assert_allclose(ablation.weight_at_evaluation, [0.2, -0.3, -0.1])


class TwoBranches(nn.Module):
    """A panel that never had a left branch."""

    def __init__(self, panel: nn.Module) -> None:
        super().__init__()
        self.right = copy.deepcopy(panel.right)
        self.extra = copy.deepcopy(panel.extra)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.right(x[:, 4:8]) + self.extra(x[:, 8:])
        return scores


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.2),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.01),
    "adam": lambda p: torch.optim.AdamW(p, lr=0.02),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_without_a_component_is_training_a_model_that_never_had_it(
    ablation: ModuleType, name: str
) -> None:
    torch.manual_seed(4)
    x, y = (tensor[:90] for tensor in ablation.panel_train)
    batches = list(zip(x.split(30), y.split(30), strict=True))
    panel = ablation.Panel().double()
    smaller = TwoBranches(panel)
    history = ablation.train_ablated(
        panel, "left", batches, OPTIMIZERS[name](panel.parameters()), epochs=6
    )
    expected = ablation.fit(smaller, batches, OPTIMIZERS[name](smaller.parameters()), epochs=6)
    assert history == pytest.approx(expected)
    assert history[-1] < history[0]
    assert not panel.left.weight.any()
    assert not panel.left.bias.any()
    for branch in ("right", "extra"):
        for ours, theirs in zip(
            panel.get_submodule(branch).parameters(),
            smaller.get_submodule(branch).parameters(),
            strict=True,
        ):
            torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(panel(x), smaller(x))


def test_an_optimiser_with_a_memory_does_not_move_the_component(ablation: ModuleType) -> None:
    torch.manual_seed(5)
    panel, batches = ablation.Panel().double(), [ablation.panel_train]
    optimizer = torch.optim.SGD(panel.parameters(), lr=0.1, momentum=0.9)
    ablation.fit(panel, batches, optimizer, epochs=3)
    assert panel.left.weight.any()
    ablation.train_ablated(panel, "left", batches, optimizer, epochs=2)
    assert not panel.left.weight.any()


def test_the_program_of_the_notes_does_not_leave_the_component_at_zero(
    ablation: ModuleType,
) -> None:
    panel = ablation.Panel().double()
    optimizer = torch.optim.SGD(panel.parameters(), lr=0.1)
    for p in panel.left.parameters():
        p.data.zero_()
    ablation.fit(panel, [ablation.panel_train], optimizer, epochs=1)
    assert panel.left.weight.abs().max() > 0.01


# ---- question 5 ------------------------------------------------------------------------------------


def test_statistics_are_those_of_the_standard_library(
    ablation: ModuleType, rng: np.random.Generator
) -> None:
    drops = rng.normal(size=(5, 3))
    mean, spread = ablation.summarise(drops)
    for place, column in enumerate(drops.T.tolist()):
        assert mean[place] == pytest.approx(statistics.mean(column))
        assert spread[place] == pytest.approx(statistics.stdev(column))


def test_the_interaction_is_that_of_numpy(
    ablation: ModuleType, regression: tuple[Array, Array]
) -> None:
    whole, left, right, both = (
        accuracy_and_loss(regression, without)[0]
        for without in ((), ("left",), ("right",), ("left", "right"))
    )
    assert ablation.panel_interaction == pytest.approx(left + right - both - whole)
    assert ablation.panel_interaction == pytest.approx(0.4875)
    assert ablation.panel_relation == "redundant"


def test_a_residual_block_at_zero_is_a_path_around_it(ablation: ModuleType) -> None:
    torch.manual_seed(6)
    model, x = ablation.ResidualNet(width=4), torch.randn(2, 3, 32, 32)
    with torch.no_grad(), ablation.ablated(model, "block2"):
        h = F.relu(model.stem(x))
        h = F.max_pool2d(F.relu(h + model.block1(h)), 2)
        h = F.relu(h + model.block3(h))
        torch.testing.assert_close(model(x), model.head(h.mean(dim=(2, 3))))
        assert model(x).shape == (2, 10)


def test_stripes_are_balanced_reproducible_and_different(ablation: ModuleType) -> None:
    images, labels = ablation.draw_stripes(40, seed=1)
    assert images.shape == (40, 3, 32, 32)
    assert images.abs().max() <= 1
    assert torch.bincount(labels).tolist() == [4] * 10
    assert torch.equal(images, ablation.draw_stripes(40, seed=1)[0])
    assert not torch.equal(images, ablation.draw_stripes(40, seed=2)[0])


def test_images_are_drawn_where_torchvision_is_missing(
    ablation: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    train_x, train_y, test_x, test_y = ablation.load_images(20, 10)
    assert (len(train_x), len(train_y), len(test_x), len(test_y)) == (20, 20, 10, 10)
    assert "not at hand" in capsys.readouterr().out


def test_the_recorded_run_supports_its_conclusion(ablation: ModuleType) -> None:
    path = ROOT / "reference" / "ablation_study.outputs.json"
    outputs = json.loads(path.read_text(encoding="utf-8"))
    removed, retrained = read_tables(outputs["experiment"])
    for table in (removed, retrained):
        for _, *cells in table.rows:
            *drops, mean, spread = map(float, cells)
            assert len(drops) == 3
            assert mean == pytest.approx(statistics.mean(drops), abs=1e-4)
            assert spread == pytest.approx(statistics.stdev(drops), abs=1e-4)
    means = {row[0]: float(row[4]) for row in removed.rows}
    assert max(means, key=means.__getitem__) == ablation.most_important
    assert all(float(row[4]) <= float(row[5]) for row in retrained.rows)
    assert any("image/png" in output["data"] for output in outputs["chart"])
