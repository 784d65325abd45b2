"""The reference of hw10_transfer_learning against independent routes and the figures of the coursework."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from grader.checks.curves import pick, read_curves, read_tables
from grader.checks.reference import load_reference

ROOT = Path(__file__).parents[2]
OUTPUTS = ROOT / "reference" / "hw10_transfer_learning.outputs.json"
STAGES = ((3, 64), (4, 128), (6, 256), (3, 512))  # blocks and channels of ResNet-50


@pytest.fixture(scope="module")
def transfer() -> ModuleType:
    return load_reference(ROOT / "reference" / "hw10_transfer_learning.py")


@pytest.fixture
def small(transfer: ModuleType) -> nn.Module:
    """A ResNet of two thousand weights whose statistics are not those of the beginning."""
    torch.manual_seed(10)
    model: nn.Module = transfer.ResNet((1, 2, 1, 1), width=4, num_classes=5)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith(("running_mean", "bias")):
                tensor.normal_()
            elif name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
    return model.eval()


def batches_of(n: int, classes: int = 5) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(n)
    images = torch.randn(n, 3, 32, 32, generator=generator)
    labels = torch.randint(classes, (n,), generator=generator)
    return list(zip(images.split(6), labels.split(6), strict=True))


def state_of(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_same(model: nn.Module, state: dict[str, Tensor]) -> None:
    torch.testing.assert_close(dict(model.state_dict()), state, atol=0, rtol=0)


# ---- the network -----------------------------------------------------------------------------------


def test_counts_are_those_of_the_coursework(transfer: ModuleType) -> None:
    assert transfer.resnet_tensors == 161
    assert transfer.resnet_parameters == 25_557_032
    assert transfer.transfer_tensors == 163
    assert transfer.trainable_tensors == 4
    assert transfer.head_parameters == 2_299_076
    assert transfer.tuned_tensors == 34


def test_counts_follow_from_the_layers_by_hand() -> None:
    convolutions, last_stage, size = [(64, 3 * 7 * 7)], [(0, 0)], 64
    for blocks, channels in STAGES:
        last_stage = []
        for block in range(blocks):
            last_stage += [(channels, size), (channels, channels * 9), (4 * channels, channels)]
            if block == 0:
                last_stage.append((4 * channels, size))
            size = 4 * channels
        convolutions += last_stage
    weights = sum(out * fan_in for out, fan_in in convolutions)
    norms = sum(2 * out for out, _ in convolutions)
    assert len(convolutions) * 3 + 2 == 161
    assert weights + norms + (2048 * 1000 + 1000) == 25_557_032
    assert len(convolutions) * 3 + 4 == 163
    assert (2048 * 1024 + 1024) + (1024 * 196 + 196) == 2_299_076
    assert len(last_stage) * 3 + 4 == 34


def test_parts_and_shapes_are_those_of_resnet_50(transfer: ModuleType) -> None:
    with torch.device("meta"):
        model, images = transfer.resnet50().eval(), torch.empty(2, 3, 224, 224)
        assert model(images).shape == (2, 1000)
        maps = model.layer1(model.maxpool(model.relu(model.bn1(model.conv1(images)))))
        assert maps.shape == (2, 256, 56, 56)
        assert model.layer4(model.layer3(model.layer2(maps))).shape == (2, 2048, 7, 7)
    assert model.fc.weight.shape == (1000, 2048)
    names = list(model.state_dict())
    assert len(names) == 161 + 3 * 53  # three statistics of each batch normalisation
    # As the weights that torchvision publishes are named.
    assert [names[0], names[-2], names[-1]] == ["conv1.weight", "fc.weight", "fc.bias"]
    assert {
        "bn1.running_mean",
        "layer1.0.downsample.0.weight",
        "layer2.3.bn3.num_batches_tracked",
        "layer4.2.conv3.weight",
    } <= set(names)
    assert "layer4.1.downsample.0.weight" not in names


def norm(x: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    """Batch normalisation from its definition, with running statistics."""
    mean, var, weight, bias = (
        state[f"{name}.{part}"][:, None, None]
        for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / torch.sqrt(var + 1e-5) * weight + bias


def pooled_by_hand(state: dict[str, Tensor], blocks: tuple[int, ...], x: Tensor) -> Tensor:
    """ResNet's forward pass up to the pooling, from the weights alone."""
    h = F.conv2d(x, state["conv1.weight"], stride=2, padding=3)
    h = F.max_pool2d(norm(h, state, "bn1").clamp(min=0), 3, stride=2, padding=1)
    for stage, count in enumerate(blocks, start=1):
        for block in range(count):
            at, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            shortcut = h
            if f"{at}.downsample.0.weight" in state:
                down = F.conv2d(h, state[f"{at}.downsample.0.weight"], stride=stride)
                shortcut = norm(down, state, f"{at}.downsample.1")
            h = norm(F.conv2d(h, state[f"{at}.conv1.weight"]), state, f"{at}.bn1").clamp(min=0)
            h = F.conv2d(h, state[f"{at}.conv2.weight"], stride=stride, padding=1)
            h = norm(h, state, f"{at}.bn2").clamp(min=0)
            h = norm(F.conv2d(h, state[f"{at}.conv3.weight"]), state, f"{at}.bn3")
            h = (h + shortcut).clamp(min=0)
    return h.mean(dim=(2, 3))


def test_forward_pass_is_that_of_the_definition(small: nn.Module) -> None:
    state, x = state_of(small), torch.randn(3, 3, 40, 32)
    features = pooled_by_hand(state, (1, 2, 1, 1), x)
    expected = features @ state["fc.weight"].T + state["fc.bias"]
    torch.testing.assert_close(small(x), expected, atol=1e-4, rtol=1e-4)


# ---- a. checkpoints --------------------------------------------------------------------------------


def optimizer_of(model: nn.Module, name: str) -> torch.optim.Optimizer:
    if name == "adam":
        return torch.optim.Adam(model.parameters(), lr=0.01)
    return torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_training_goes_on_from_a_checkpoint_as_if_it_had_not_stopped(
    transfer: ModuleType, small: nn.Module, tmp_path: Path, name: str
) -> None:
    path, batches = str(tmp_path / "checkpoint.pt"), batches_of(12)
    optimizer = optimizer_of(small, name)
    transfer.train(small, batches, optimizer, 2)
    transfer.save_checkpoint(path, small, optimizer, 2)
    transfer.train(small, batches, optimizer, 3)

    resumed: nn.Module = transfer.ResNet((1, 2, 1, 1), width=4, num_classes=5)
    again = optimizer_of(resumed, name)
    assert transfer.load_checkpoint(path, resumed, again) == 2
    transfer.train(resumed, batches, again, 3)
    assert_same(resumed, state_of(small))


def test_an_interrupted_training_goes_on_from_its_last_checkpoint(
    transfer: ModuleType, small: nn.Module, tmp_path: Path
) -> None:
    class Breaking(list[tuple[Tensor, Tensor]]):
        """Batches that can be looped over four times."""

        left = 4

        def __iter__(self) -> Any:
            if self.left == 0:
                raise ConnectionError("the session has ended")
            self.left -= 1
            return super().__iter__()

    path, batches, start = str(tmp_path / "checkpoint.pt"), batches_of(12), state_of(small)
    whole = transfer.train(small, batches, optimizer_of(small, "momentum"), 5)
    wanted = state_of(small)
    small.load_state_dict(start)
    with pytest.raises(ConnectionError):
        transfer.train(small, Breaking(batches), optimizer_of(small, "momentum"), 5, path, every=3)
    resumed: nn.Module = transfer.ResNet((1, 2, 1, 1), width=4, num_classes=5)
    history = transfer.train(resumed, batches, optimizer_of(resumed, "momentum"), 5, path, every=3)
    assert history == whole[3:]
    assert_same(resumed, wanted)


def test_training_is_gradient_descent_on_the_mean_cross_entropy(transfer: ModuleType) -> None:
    torch.manual_seed(4)
    x, y = torch.randn(30, 4), torch.randint(3, (30,))
    model = nn.Linear(4, 3)
    W, b = (p.detach().double().numpy().copy() for p in model.parameters())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    history = transfer.train(model, [(x[:20], y[:20]), (x[20:], y[20:])], optimizer, 2)
    losses = []
    for part in (slice(20), slice(20, 30)) * 2:
        z = x[part].double().numpy() @ W.T + b
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        rows = np.arange(len(p))
        losses.append(-np.log(p[rows, y[part]]).mean())
        p[rows, y[part]] -= 1
        W -= 0.5 * p.T @ x[part].numpy() / len(p)
        b -= 0.5 * p.mean(axis=0)
    np.testing.assert_allclose(history, [np.mean(losses[:2]), np.mean(losses[2:])], rtol=1e-5)
    np.testing.assert_allclose(model.weight.detach(), W, atol=1e-5)


# ---- b, d. freezing --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("maker", "thawed"), [("feature_extractor", ()), ("fine_tuning_model", ("layer4.",))]
)
def test_only_what_is_meant_to_changes_by_training(
    transfer: ModuleType, small: nn.Module, maker: str, thawed: tuple[str, ...]
) -> None:
    before = state_of(small)
    model = getattr(transfer, maker)(small, num_classes=7)
    x = torch.randn(6, 3, 32, 32)
    W1, b1, W2, b2 = model.fc.parameters()
    hidden = (pooled_by_hand(before, (1, 2, 1, 1), x) @ W1.T + b1).clamp(min=0)
    torch.testing.assert_close(model.eval()(x), hidden @ W2.T + b2, atol=1e-4, rtol=1e-4)
    assert W1.shape == (64, 128)

    optimizer = transfer.fine_tuning_optimizer(model, 0.1)
    for images, labels in batches_of(12, classes=7):
        transfer.set_training_mode(model)
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
        optimizer.zero_grad()
    after = state_of(model)
    changed = {n for n in before if n in after and not torch.equal(before[n], after[n])}
    assert changed == {n for n in before if n.startswith(thawed or ("none",))}
    assert all(p.requires_grad for p in model.fc.parameters())


def test_optimiser_holds_what_is_trained_at_two_rates(
    transfer: ModuleType, small: nn.Module
) -> None:
    model = transfer.fine_tuning_model(small, num_classes=7)
    groups = transfer.fine_tuning_optimizer(model, 0.2).param_groups
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert set(rates) == {id(p) for p in trained.values()}
    for name, parameter in trained.items():
        assert rates[id(parameter)] == (0.2 if name.startswith("fc.") else 0.05)


# ---- c. the support vector machine ------------------------------------------------------------------


def test_features_are_pooled_by_the_definition(transfer: ModuleType, small: nn.Module) -> None:
    x = torch.randn(4, 3, 32, 32)
    expected = pooled_by_hand(state_of(small), (1, 2, 1, 1), x)
    features = transfer.pooled_features(small.train(), x)
    np.testing.assert_allclose(features, expected, atol=1e-4, rtol=1e-4)
    assert small(x).shape == (4, 5)


def test_accuracies_are_those_of_clusters_with_known_labels(
    transfer: ModuleType, small: nn.Module
) -> None:
    colours = torch.randn(5, 3, 1, 1) * 2

    def batches(labels: list[int]) -> list[tuple[Tensor, Tensor]]:
        given = torch.tensor(labels)
        images = colours[given] + 0.01 * torch.randn(len(given), 3, 32, 32)
        return list(zip(images.split(8), given.split(8), strict=True))

    train = batches([0] * 8 + [1] * 8 + [2] * 8 + [3] * 8 + [4] * 8)
    test = batches([0, 1, 2, 3, 4] * 2)
    test[0] = (test[0][0], (test[0][1] + torch.tensor([1, 1, 1, 0, 0, 0, 0, 0])) % 5)
    accuracies = transfer.svm_accuracies(small, train, test)
    np.testing.assert_allclose(accuracies, (1.0, 0.7))


# ---- e. zeros ---------------------------------------------------------------------------------------


def test_zeros_are_counted_before_an_in_place_relu_runs(transfer: ModuleType) -> None:
    class Twice(nn.Module):
        """One ReLU that runs twice, layers registered in another order than they run."""

        def __init__(self) -> None:
            super().__init__()
            self.relu = nn.ReLU(inplace=True)
            self.second = nn.Linear(3, 4)
            self.first = nn.Linear(2, 3)

        def forward(self, x: Tensor) -> Tensor:
            h: Tensor = self.relu(self.second(self.relu(self.first(x))))
            return h

    model = Twice()
    with torch.no_grad():
        model.first.weight.copy_(torch.tensor([[1.0, 0], [-1, 0], [0, 0]]))
        model.first.bias.zero_()
        model.second.weight.copy_(torch.tensor([[1.0, 0, 0], [-1, 0, 0], [-2, 0, 0], [0, 1, 0]]))
        model.second.bias.copy_(torch.tensor([0.0, 0, 0, -5]))
    # first: (2, -2, 0); relu: (2, 0, 0); second: (2, -2, -4, -5); relu: (2, 0, 0, 0).
    found = transfer.zero_percentages(model, torch.tensor([[2.0, 7.0]]))
    np.testing.assert_allclose(found, [100 / 3, 200 / 3, 0, 75])
    assert model.training
    assert not any(layer._forward_hooks for layer in model.modules())


def test_resnet_50_runs_158_layers_in_one_pass(transfer: ModuleType) -> None:
    # 53 convolutions, 53 normalisations, ReLU 1 + 3 * 16 times, two poolings, one linear layer.
    torch.manual_seed(0)
    model = transfer.ResNet((3, 4, 6, 3), width=2)
    assert len(transfer.zero_percentages(model, torch.randn(1, 3, 64, 64))) == 53 + 53 + 49 + 3


# ---- drawn cars and the saved run --------------------------------------------------------------------


def test_drawn_cars_are_the_same_for_the_same_seed_and_balanced(transfer: ModuleType) -> None:
    data, again = (transfer.draw_cars(n_models=4, n_train=3, n_val=2, seed=5) for _ in range(2))
    for part, n in (("train", 12), ("val", 8)):
        images, labels = data[part]
        assert images.shape == (n, 3, 48, 48)
        assert torch.bincount(labels).tolist() == [n // 4] * 4
        assert torch.equal(images, again[part][0])
    assert not torch.equal(data["train"][0][:8], data["val"][0])


def test_claims_are_those_of_the_saved_run(transfer: ModuleType) -> None:
    saved = json.loads(OUTPUTS.read_text(encoding="utf-8"))
    text = {name: outputs[0]["text"] for name, outputs in saved.items() if outputs}

    def last(cell: str, run: str | None = None) -> float:
        curve = pick(read_curves(text[cell]), "accuracy", "validation", run)
        assert curve is not None
        return curve.last

    accuracies = {
        "scratch": last("scratch"),
        "head": last("head", "head"),
        "svm": float(text["svm-run"].split()[-1]),
        "tuned": last("tuned"),
    }
    assert transfer.svm_accuracy == accuracies["svm"]
    assert max(accuracies, key=accuracies.__getitem__) == transfer.best_method
    assert accuracies["scratch"] < accuracies["head"] < accuracies["tuned"]
    (table,) = read_tables(text["zeros"])
    before, after = (np.array(table.numbers(column), dtype=float) for column in ("before", "after"))
    assert (after.mean() > before.mean()) == (transfer.sparser == "after")
    frozen = before == after
    assert frozen[:37].all()
    assert not frozen[37:].all()
