"""hw2_regularization, question 5: networks, loops, augmentations and penalties as students write them."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.assignments.packed_cases import Answers, PackedNotebooks
from tests.desk import Desk

SLUG = "hw2_regularization"
FOLDER = Path(__file__).parents[2] / "assignments" / SLUG

answers = Answers(tomllib.loads((FOLDER / "feedback.toml").read_text()))
caught, accepted, left = answers.caught, answers.accepted, answers.left

GIVEN = """
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
"""


def function(name: str, arguments: str, *lines: str) -> str:
    return "\n    ".join([f"def {name}({arguments}):", *lines])


# ---- question 5: code ------------------------------------------------------------------------


def network(*layers: str) -> str:
    return function("make_mlp", "", f"return nn.Sequential({', '.join(layers)})")


FLAT, WIDE, LAST = "nn.Flatten()", "nn.Linear(784, 32)", "nn.Linear(32, 10)"

OWN_CLASS = """
class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.out, self.inner = nn.Linear(32, 10), nn.Linear(784, 32)
    def forward(self, x):
        return self.out(torch.tanh(self.inner(x.view(-1, 784))))
"""
IN_A_VARIABLE = f"net = nn.Sequential({WIDE}, nn.GELU(), {LAST})"


def loop(
    *body: str, name: str = "train_epoch", arguments: str = "model, batches, criterion, optimiser"
) -> str:
    return function(name, arguments, *body)


BATCHES = "for x, y in batches:"

WRITTEN_OTHERWISE = """
def train(dataloader, net, loss_fn, opt, num_epochs, device="cpu", log_interval=100):
    net.train()
    for epoch in range(num_epochs):
        for i, (images, labels) in enumerate(dataloader):
            images, labels = images.to(device), labels.to(device)
            net.zero_grad()
            loss_fn(net(images), labels).backward()
            opt.step()
            if i % log_interval == 0:
                print(len(dataloader.dataset))
"""
TEST_LOOP = """
def test_loop(net, test_loader, device="cpu"):
    net.eval()
    right = total = 0
    with torch.no_grad():
        for x, y in test_loader:
            right += (net(x).argmax(1) == y).sum().item()
            total += len(y)
    print(f"{100 * right / total}%")
    return {"accuracy": 100 * right / total}
"""


def evaluation(*body: str) -> str:
    return function("evaluate", "model, batches, criterion", *body)


COUNT = (
    "right = n = 0",
    BATCHES,
    "    right += (model(x).argmax(1) == y).sum().item()",
    "    n += len(y)",
)

NETWORK_AND_LOOP = [
    *accepted(
        "test_network",
        ("not-a-sequential", OWN_CLASS),
        ("log-softmax-is-harmless", network(FLAT, WIDE, "nn.ReLU()", LAST, "nn.LogSoftmax(dim=1)")),
        IN_A_VARIABLE,
        network(FLAT, WIDE, "nn.BatchNorm1d(32)", "nn.LeakyReLU()", "nn.Dropout(0.2)", LAST),
    ),
    *caught(
        "test_network",
        (
            "softmax-before-cross-entropy",
            network(FLAT, WIDE, "nn.ReLU()", LAST, "nn.Softmax(dim=1)"),
        ),
        ("layers-without-activation", network(FLAT, WIDE, "nn.Dropout(0.1)", LAST)),
        ("no-hidden-layer", network(FLAT, "nn.Linear(784, 10)")),
        ("not-ten-scores", network(FLAT, WIDE, "nn.ReLU()", "nn.Linear(32, 11)")),
        ("activation-after-the-scores", network(FLAT, WIDE, "nn.ReLU()", LAST, "nn.ReLU()")),
        (
            "convolutions-in-the-mlp",
            network("nn.Conv2d(1, 1, 1)", FLAT, WIDE, "nn.ReLU()", LAST),
        ),
    ),
    *accepted(
        "test_parameter_count",
        IN_A_VARIABLE + "\nprint('params:', sum(p.numel() for p in net.parameters()))",
        network(FLAT, WIDE, "nn.ReLU()", LAST) + "\nn_parameters = '۲۵٬۴۵۰ پارامتر'",
    ),
    *caught(
        "test_parameter_count",
        ("biases-not-counted", network(FLAT, WIDE, "nn.ReLU()", LAST) + "\nn_parameters = 25_408"),
        ("tensors-counted", network(FLAT, WIDE, "nn.ReLU()", LAST) + "\nn_parameters = 4"),
        (None, network(FLAT, WIDE, "nn.ReLU()", LAST) + "\nn_parameters = 235146"),
    ),
    *accepted(
        "test_training_loop_learns",
        WRITTEN_OTHERWISE,
        loop(  # clipped, and without the scores that the question asks back
            BATCHES,
            "    loss = F.nll_loss(F.log_softmax(model(x), 1), y)",
            "    optimiser.zero_grad()",
            "    loss.backward()",
            "    nn.utils.clip_grad_norm_(model.parameters(), 1.0)",
            "    optimiser.step()",
        ),
    ),
    *caught(
        "test_training_loop_learns",
        (
            "gradients-not-zeroed",
            loop(BATCHES, "    criterion(model(x), y).backward()", "    optimiser.step()"),
        ),
        (
            "weights-never-change",
            loop(BATCHES, "    optimiser.zero_grad()", "    criterion(model(x), y).backward()"),
        ),
        (
            "loop-leaves-after-one-batch",
            loop(
                BATCHES,
                "    optimiser.zero_grad()",
                "    criterion(model(x), y).backward()",
                "    optimiser.step()",
                "    return 0.0, 0.0",
            ),
        ),
        (
            "softmax-in-the-loop",
            loop(
                BATCHES,
                "    optimiser.zero_grad()",
                "    criterion(model(x).softmax(1), y).backward()",
                "    optimiser.step()",
            ),
        ),
        (
            "loop-climbs",
            loop(
                BATCHES,
                "    optimiser.zero_grad()",
                "    (-criterion(model(x), y)).backward()",
                "    optimiser.step()",
            ),
        ),
        (
            "loop-does-not-learn",
            loop(
                BATCHES,
                "    optimiser.zero_grad()",
                "    (1e-3 * criterion(model(x), y)).backward()",
                "    optimiser.step()",
            ),
        ),
    ),
    *accepted("test_evaluation_only_measures", TEST_LOOP),
    *caught(
        "test_evaluation_only_measures",
        ("evaluation-with-dropout", evaluation(*COUNT, "return 0.0, right / n")),
        ("correct-answers-not-divided", evaluation("model.eval()", *COUNT, "return 0.0, right")),
        ("evaluation-returns-nothing", evaluation("model.eval()", *COUNT, "print(right / n)")),
        (
            "evaluation-miscounts",
            evaluation(
                "model.eval()",
                "return np.mean([(model(x).argmax(1) == y).float().mean().item() for x, y in batches])",
            ),
        ),
        (
            "evaluation-trains",
            evaluation(
                "model.eval()", *COUNT, "model[0].weight.data += 1", "return 0.0, right / n"
            ),
        ),
    ),
]


def augmentation(*body: str) -> str:
    return function("augment", "images", *body)


FLIP = "images = images.flip(-1) if torch.rand(()) < 0.5 else images"
SHIFT = "images = torch.roll(images, int(torch.randint(-2, 3, ())), dims=-1)"

ONE_IMAGE = """
import random
def train_transform(image):
    assert image.shape == (1, 28, 28)
    if random.random() < 0.5:
        image = image.flip(-1)
    return image + 0.1 * torch.randn_like(image)
"""
TORCHVISION = """
from torchvision import transforms as T
train_transform = T.Compose([T.RandomHorizontalFlip(), T.RandomRotation(10)])
"""
TORCHVISION_INSIDE = """
def augment(images):
    from torchvision.transforms import v2
    return v2.Compose([v2.RandomHorizontalFlip(), v2.RandomRotation(10)])(images)
"""


def penalty(formula: str, *before: str, arguments: str = "model, lam") -> str:
    return function("penalty", arguments, *before, f"return {formula}")


WEIGHTS = "for p in model.parameters()"

METHODS = [
    *accepted(
        "test_augmentation_changes_images", ONE_IMAGE, augmentation(FLIP, SHIFT, "return images")
    ),
    *left("test_augmentation_changes_images", "pending", TORCHVISION, TORCHVISION_INSIDE),
    *caught(
        "test_augmentation_changes_images",
        ("augmentation-changes-nothing", augmentation("images.flip(-1)", "return images")),
        ("augmentation-not-random", augmentation("return images.flip(-1)")),
        (
            "augmentation-changes-the-shape",
            augmentation("return images[:, :, 2:, 2:] * torch.rand(())"),
        ),
        ("augmentation-destroys-images", augmentation("return torch.randn_like(images)")),
    ),
    *accepted("test_two_kinds_of_augmentation", TORCHVISION, ONE_IMAGE),
    *left(
        "test_two_kinds_of_augmentation",
        "pending",
        augmentation("return images ** torch.rand(len(images), 1, 1, 1).exp()"),
    ),
    *caught(
        "test_two_kinds_of_augmentation",
        (
            "one-augmentation-only",
            augmentation('"""Flip and rotate."""', FLIP, "return images  # rotated"),
        ),
        (
            "augmentation-not-random",
            augmentation("return torch.roll(images.flip(-1), 2, dims=-1)"),
        ),
    ),
    *accepted(
        "test_value_of_the_penalty",
        ("penalty-l2", penalty(f"lam / 2 * sum((p ** 2).sum() {WEIGHTS})")),
        ("penalty-l1", penalty(f"lam * torch.cat([p.flatten() {WEIGHTS}]).norm(1)")),
        (
            "penalty-without-biases",
            penalty(
                "lam * sum(p.pow(2).sum() for n, p in model.named_parameters() if 'weight' in n)"
            ),
        ),
        # the strength is a constant inside
        function(
            "l1_regularization", "net", "return 1e-4 * sum(p.abs().sum() for p in net.parameters())"
        ),
    ),
    *caught(
        "test_value_of_the_penalty",
        ("penalty-of-norms", penalty(f"lam * sum(p.norm(2) {WEIGHTS})")),
        ("penalty-averaged", penalty(f"lam * sum(p.abs().mean() {WEIGHTS})")),
        ("penalty-with-signs", penalty(f"lam * sum(p.sum() {WEIGHTS})")),
        (
            "penalty-of-one-layer",
            penalty("lam * total", "for p in model.parameters():", "    total = p.abs().sum()"),
        ),
        ("lambda-not-a-factor", penalty(f"sum(p.abs().sum() {WEIGHTS})")),
        ("penalty-not-one-number", penalty("lam * model[0].weight.abs()")),
        (None, penalty(f"lam * sum((p ** 4).sum() {WEIGHTS})")),
    ),
    *accepted(
        "test_penalty_pulls_the_weights",
        penalty(
            "lam * sum(layer.weight.square().sum() for layer in model if hasattr(layer, 'weight'))"
        ),
    ),
    *caught(
        "test_penalty_pulls_the_weights",
        ("penalty-without-gradient", penalty(f"lam * sum(p.abs().sum().item() {WEIGHTS})")),
        ("penalty-of-one-layer", penalty("lam * model[0].weight.abs().sum()")),
        ("penalty-with-signs", penalty(f"-lam * sum(p.abs().sum() {WEIGHTS})")),
    ),
]

CASES = [*NETWORK_AND_LOOP, *METHODS]

FAMILIES = {
    "test_network": "network",
    "test_parameter_count": "network",
    "test_augmentation_changes_images": "augment",
    "test_two_kinds_of_augmentation": "augment",
    "test_value_of_the_penalty": "penalty",
    "test_penalty_pulls_the_weights": "penalty",
}


@pytest.fixture(scope="module")
def notebooks(desk: Desk) -> PackedNotebooks:
    return PackedNotebooks(desk, GIVEN, CASES, FAMILIES)


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda number: str(CASES[number]))
def test_each_answer_comes_to_what_it_deserves(notebooks: PackedNotebooks, number: int) -> None:
    answers.verify(CASES[number], notebooks.result(number))
