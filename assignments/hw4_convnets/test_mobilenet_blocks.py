"""Practice 2: the two blocks, by structure and by their forward pass under given weights.

Layers are taken in the order in which they run, so nothing depends on their names.
"""

from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from grader.checks import module_weights, one_of

pytestmark = pytest.mark.question("mobilenet")

STRIDE = ("stride", "stride_dw", "s", "strides")
EXPANSION = ("expand_ratio", "expansion", "expansion_factor", "expand", "t")
ACTIVATIONS = {
    "relu",
    "relu_",
    "hardtanh",
    "hardtanh_",
    "clamp",
    "clamp_",
    "clamp_min",
    "clamp_min_",
}


def separable(student, in_channels, out_channels, stride):
    return student.module(
        "DepthwiseSeparableConv", in_channels, out_channels, stride=one_of(STRIDE, stride)
    )


def inverted(student, in_channels, out_channels, stride, expansion):
    return student.module(
        "InvertedResidual",
        in_channels,
        out_channels,
        stride=one_of(STRIDE, stride),
        expand_ratio=one_of(EXPANSION, expansion),
    )


@cache
def with_random_weights(block, *sizes: int):
    """Make a block with random weights and statistics, of a size that keeps the signal.

    Returns the block and its weights. They are the same for all students, the images are not.
    """
    rng = np.random.default_rng(2024)
    model = block(*sizes)
    for name, tensor in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        if tensor.ndim == 4:
            values = rng.normal(scale=(8 / tensor[0].numel()) ** 0.5, size=tensor.shape)
        elif name.endswith(("running_var", "weight")):
            values = rng.uniform(0.5, 1.5, size=tensor.shape)
        else:
            values = rng.normal(scale=0.5, size=tensor.shape)
        tensor.copy_(torch.tensor(values))
    return model.eval(), module_weights(model, torch.zeros(2, sizes[0], 9, 8))


def images(rng, *size) -> torch.Tensor:
    return torch.tensor(rng.normal(size=size), dtype=torch.float32)


def convolutions(trace):
    return [layer for layer in trace.layers if layer.type == "Conv2d"]


def show(expect, trace) -> None:
    """Put the layers of a trace into the evidence."""
    expect.evidence(
        layers=[
            {
                "path": layer.path,
                "type": layer.type,
                "options": layer.options,
                "input_shape": layer.input,
                "output_shape": layer.output,
                "expected": None,
                "differs": False,
            }
            for layer in trace.layers
        ]
    )


def ends_with_activation(trace) -> bool:
    """Whether an activation runs after the last convolution."""
    names = [operation.name for operation in trace.operations]
    last = max(i for i, name in enumerate(names) if "conv" in name)
    return bool(ACTIVATIONS & set(names[last:]))


def adds_its_input(trace, x) -> bool:
    """Whether two maps of the input's shape are added."""
    wanted = [tuple(x.shape)] * 2
    return any(o.name in ("add", "add_") and o.inputs == wanted for o in trace.operations)


# ---- depthwise separable convolution -------------------------------------------------------------


@pytest.mark.part("separable", points=3)
def test_structure_of_the_separable_block(student, expect):
    x = torch.zeros(2, 6, 8, 8)
    trace = separable(student, 6, 10, stride=2).trace(x)
    show(expect, trace)
    convs = convolutions(trace)
    expect.satisfies(len(convs) == 2, "not-two-convolutions")
    depthwise, pointwise = (conv.options for conv in convs)
    expect.satisfies(
        depthwise["groups"] == depthwise["in_channels"] == 6, "groups-are-not-channels"
    )
    expect.satisfies(tuple(depthwise["kernel_size"]) == (3, 3), "depthwise-not-3x3")
    expect.satisfies(pointwise["groups"] == 1, "pointwise-in-groups")
    expect.satisfies(tuple(pointwise["kernel_size"]) == (1, 1), "pointwise-not-1x1")
    expect.satisfies(tuple(pointwise["stride"]) == (1, 1), "stride-on-the-pointwise")
    norms = [layer for layer in trace.layers if layer.type == "BatchNorm2d"]
    expect.satisfies(len(norms) == 2, "normalisation-missing")
    expect.satisfies(tuple(trace.output) == (2, 10, 4, 4), "block-changes-size-wrongly")


@torch.no_grad()
def expect_separable(expect, answer, ours, x) -> None:
    def capped():
        return ours.pointwise(ours.depthwise(x).clamp(0, 6)).clamp(0, 6)

    def wrong():
        depthwise = ours.depthwise(x)
        return {
            "no-activation-at-the-end": ours.pointwise(depthwise.relu()),
            "no-activation-between": ours.pointwise(depthwise).relu(),
            "no-activation-at-all": ours.pointwise(depthwise),
        }

    expect(answer).close(
        ours(x),
        atol=1e-4,
        rtol=1e-3,
        misconceptions=wrong,
        alternatives={"relu6-in-v1": capped},
    )


@pytest.mark.part("separable", points=3)
@pytest.mark.hidden
def test_forward_of_the_separable_block(student, reference, expect, rng):
    for in_channels, out_channels, stride in ((4, 6, 1), (5, 3, 2), (4, 4, 1)):
        theirs = separable(student, in_channels, out_channels, stride)
        sizes = in_channels, out_channels, stride
        ours, weights = with_random_weights(reference.DepthwiseSeparableConv, *sizes)
        x = images(rng, 2, in_channels, 9, 8)
        answer = theirs.forward(x, weights=weights)
        expect_separable(expect, answer, ours, x)


# ---- inverted residual -----------------------------------------------------------------------------


@pytest.mark.part("inverted-residual", points=3)
def test_structure_of_the_inverted_residual(student, expect):
    x = torch.zeros(2, 8, 8, 8)
    trace = inverted(student, 8, 12, stride=2, expansion=6).trace(x, operations=True)
    show(expect, trace)
    convs = convolutions(trace)
    expect.satisfies(len(convs) == 3, "not-three-convolutions")
    expand, depthwise, project = (conv.options for conv in convs)
    expect.satisfies(expand["out_channels"] == 48, "expansion-is-not-t-times")
    expect.satisfies(depthwise["groups"] == depthwise["in_channels"], "groups-are-not-channels")
    expect.satisfies(tuple(depthwise["stride"]) == (2, 2), "stride-not-on-the-depthwise")
    sizes = {tuple(conv["kernel_size"]) for conv in (expand, project)}
    expect.satisfies(sizes == {(1, 1)}, "pointwise-not-1x1")
    expect.satisfies(project["out_channels"] == 12, "block-changes-size-wrongly")
    expect.satisfies(not ends_with_activation(trace), "activation-after-the-bottleneck")
    expect.satisfies(tuple(trace.output) == (2, 12, 4, 4), "block-changes-size-wrongly")


@pytest.mark.part("inverted-residual", points=2)
def test_where_the_shortcut_is(student, expect):
    x = torch.zeros(2, 8, 8, 8)
    same = inverted(student, 8, 8, stride=1, expansion=6).trace(x, operations=True)
    expect.satisfies(len(convolutions(same)) == 3, "not-three-convolutions")
    expect.satisfies(adds_its_input(same, x), "shortcut-missing")
    for out_channels, stride in ((8, 2), (16, 1)):
        trace = inverted(student, 8, out_channels, stride, expansion=6).trace(x, operations=True)
        additions = [o for o in trace.operations if o.name in ("add", "add_")]
        extra = len(convolutions(trace)) > 3
        expect.satisfies(
            not extra and not any(len(o.inputs) == 2 for o in additions), "shortcut-everywhere"
        )


@torch.no_grad()
def expect_inverted(expect, answer, ours, x) -> None:
    expected = ours(x)

    def wrong():
        body = ours.layers(x)
        with_relu = nn.Sequential(
            *(nn.ReLU() if isinstance(layer, nn.ReLU6) else layer for layer in ours.layers)
        )
        return {
            "shortcut-missing": body,
            "activation-after-the-bottleneck": body.clamp(0, 6) + (expected - body),
            "activation-after-the-sum": expected.clamp(0, 6),
            "relu-for-relu6": with_relu(x) + (expected - body),
        }

    expect(answer).close(expected, atol=1e-4, rtol=1e-3, misconceptions=wrong)


@pytest.mark.part("inverted-residual", points=3)
@pytest.mark.hidden
def test_forward_of_the_inverted_residual(student, reference, expect, rng):
    for in_channels, out_channels, stride, t in (
        (6, 6, 1, 4),
        (6, 6, 2, 6),
        (6, 9, 1, 2),
        (8, 4, 1, 1),
    ):
        theirs = inverted(student, in_channels, out_channels, stride, t)
        sizes = in_channels, out_channels, stride, t
        ours, weights = with_random_weights(reference.InvertedResidual, *sizes)
        x = images(rng, 2, in_channels, 8, 9)
        answer = theirs.forward(x, weights=weights)
        expect_inverted(expect, answer, ours, x)
