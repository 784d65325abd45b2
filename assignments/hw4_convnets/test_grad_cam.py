"""Theory 4: Grad-CAM on given activations and gradients, and on a small network."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from grader.checks.outcome import Failed, Missing, Shortfall

pytestmark = pytest.mark.question("grad-cam")

NETWORK = """
import torch
from torch import nn

def network(weights):
    model = nn.Sequential(
        nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 5, 3)),
        nn.Sequential(nn.Tanh(), nn.Flatten(), nn.Linear(80, 3)),
    )
    for parameter, given in zip(model.parameters(), weights):
        parameter.data = torch.as_tensor(given).float()
    return model.eval()

def first_part(model):
    return model[0]
"""


def alphas_of(function, A, dA):
    """Call the student's function, which may also want the activations."""
    try:
        return function(dA)
    except Failed:
        return function(A, dA)


def own_alphas(student, A, dA):
    """Return the student's own weights of these channels, None where there are none."""
    try:
        alphas = alphas_of(student.function("grad_cam_alphas"), A, dA).array.squeeze()
    except Shortfall:
        return None
    return alphas if np.shape(alphas) == (len(A),) else None


def alpha_mistakes(A, dA):
    return {
        "alphas-are-sums": dA.sum(axis=(1, 2)),
        "alphas-are-maxima": dA.max(axis=(1, 2)),
        "alphas-of-activations": A.mean(axis=(1, 2)),
        "alphas-over-channels": dA.mean(axis=0),
        "alphas-rectified": np.maximum(dA, 0).mean(axis=(1, 2)),
    }


def map_mistakes(A, alphas):
    weighted = alphas[:, None, None] * A
    return {
        "map-without-relu": weighted.sum(axis=0),
        "relu-before-the-sum": np.maximum(weighted, 0).sum(axis=0),
        "map-without-alphas": np.maximum(A.sum(axis=0), 0),
        "map-is-absolute": abs(weighted.sum(axis=0)),
    }


def judge_map(student, expect, answer, A, dA, expected, **mistakes):
    """Judge a map, at last given the student's own weights of the channels."""
    expectation = expect(answer.array.squeeze())
    variants = {
        "map-averaged": expected / len(A),
        "map-normalised": expected / (expected.max() or 1),
    }
    close = partial(expectation.close, expected, atol=1e-6, rtol=1e-3, alternatives=variants)
    try:
        close()
    except Failed:
        alphas = own_alphas(student, A, dA)
        follow = None if alphas is None else np.maximum(np.tensordot(alphas, A, axes=1), 0)
        if alphas is None:
            alphas = dA.mean(axis=(1, 2))
        close(follow_through=follow, misconceptions=map_mistakes(A, alphas) | mistakes)


def written_or_called(student, name, function, call, expected):
    try:
        return student.value(name, like=expected)
    except Missing as missing:
        try:
            return call(student.function(function))
        except Missing:
            raise missing from None


@pytest.mark.part("alphas", points=1.5)
def test_weights_of_the_channels(student, reference, expect):
    A, dA = reference.A, reference.dA
    expected = reference.grad_cam_alphas(dA)
    answer = written_or_called(
        student, "alphas", "grad_cam_alphas", lambda f: alphas_of(f, A, dA), expected
    )
    expect(answer.array.squeeze()).close(expected, misconceptions=alpha_mistakes(A, dA))


@pytest.mark.part("alphas", points=1.5)
@pytest.mark.hidden
def test_weights_of_other_channels(student, reference, expect, rng):
    A, dA = reference.A.astype(float), reference.dA.astype(float)
    example = ((dA,), reference.grad_cam_alphas(dA))
    function = student.function("grad_cam_alphas", example=example)
    for size in ((4, 5, 3), (1, 2, 6), (7, 3, 3)):
        A, dA = rng.normal(size=size), rng.normal(size=size)
        answer = alphas_of(function, A, dA)
        expected = reference.grad_cam_alphas(dA)
        expect(np.atleast_1d(answer.array.squeeze())).close(
            expected, rtol=1e-4, misconceptions=alpha_mistakes(A, dA)
        )


@pytest.mark.part("map", points=1)
def test_map_of_the_given_maps(student, reference, expect):
    A, dA = reference.A, reference.dA
    expected = reference.grad_cam_map(A, dA)
    answer = written_or_called(student, "cam", "grad_cam_map", lambda f: f(A, dA), expected)
    judge_map(student, expect, answer, A, dA, expected)


@pytest.mark.part("map", points=1)
@pytest.mark.hidden
def test_map_of_other_maps(student, reference, expect, rng):
    A, dA = reference.A.astype(float), reference.dA.astype(float)
    example = ((A, dA), reference.grad_cam_map(A, dA))
    function = student.function("grad_cam_map", example=example)
    for size in ((4, 5, 3), (6, 3, 7)):
        A, dA = rng.normal(size=size), rng.normal(size=size)
        expected = reference.grad_cam_map(A, dA)
        judge_map(student, expect, function(A, dA), A, dA, expected)


def small_network(reference, rng):
    """Draw a network, an image and a class in whose map ReLU shows: some of it is zero, not all."""
    shapes = ((4, 2, 3, 3), (4,), (5, 4, 3, 3), (5,), (3, 80), (3,))
    scope = {}
    exec(NETWORK, scope)
    while True:
        weights = [rng.normal(scale=np.prod(shape[1:]) ** -0.5, size=shape) for shape in shapes]
        weights = [each.astype(np.float32) for each in weights]
        image = torch.tensor(rng.normal(size=(1, 2, 12, 12)).astype(np.float32))
        model = scope["network"](weights)
        for label in range(3):
            expected = reference.grad_cam(model, model[0], image, label)
            if 4 <= np.count_nonzero(expected) <= expected.size - 4:
                return weights, model, image, label, expected


@pytest.mark.part("map", points=1)
@pytest.mark.hidden
def test_map_of_a_small_network(student, reference, expect, rng):
    grad_cam = student.function("grad_cam")
    weights, ours, image, label, expected = small_network(reference, rng)
    theirs = student.make(NETWORK, "network", weights)
    layer = student.make(NETWORK, "first_part", theirs)
    answer = grad_cam(theirs, layer, image, label)

    activations = ours[0](image)
    (gradients,) = torch.autograd.grad(ours[1](activations)[0, label], activations)
    probabilities = nn.Sequential(*ours, nn.Softmax(dim=1))
    scaled = reference.grad_cam(probabilities, ours[0], image, label)
    A, dA = activations[0].detach().numpy(), gradients[0].numpy()
    judge_map(student, expect, answer, A, dA, expected, **{"map-of-probabilities": scaled})
