"""Practice 2: the two networks and the plain one, by size, layout and forward pass."""

from copy import deepcopy
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from grader.checks import module_weights, one_of
from grader.checks.outcome import Failed, Shortfall

pytestmark = pytest.mark.question("mobilenet")

STRIDE = ("stride", "stride_dw", "s", "strides")
EXPANSION = ("expand_ratio", "expansion", "expansion_factor", "expand", "t")
CLASSES = ("num_classes", "n_classes", "classes", "num_class", "n_class", "num_outputs")
WIDTH = ("width_mult", "alpha", "width_multiplier", "width", "width_factor", "multiplier")


def network(student, name, classes=10, width=None):
    keywords = {"num_classes": one_of(CLASSES, classes)}
    if width is not None:
        keywords["width_mult"] = one_of(WIDTH, width)
    return student.module(name, **keywords)


# ---- layouts: inputs, outputs, kernel and groups of every convolution ----------------------------


def v1_convolutions(reference):
    layers, channels = [(3, 32, 3, 1)], 32
    for wide, _ in reference.V1_BLOCKS:
        layers += [(channels, channels, 3, channels), (channels, wide, 1, 1)]
        channels = wide
    return layers


def v2_convolutions(reference):
    layers, channels = [(3, 32, 3, 1)], 32
    for t, wide, repeats, _ in reference.V2_BLOCKS:
        for _ in range(repeats):
            hidden = t * channels
            layers += [(channels, hidden, 1, 1)] if t > 1 else []
            layers += [(hidden, hidden, 3, hidden), (hidden, wide, 1, 1)]
            channels = wide
    return [*layers, (channels, 1280, 1, 1)]


def convolutions(trace):
    """Return the convolutions in the order in which they ran, without a 1×1 one that classifies."""
    with_weights = [layer for layer in trace.layers if layer.parameters]
    if with_weights and with_weights[-1].type == "Conv2d":
        with_weights.pop()
    return [layer for layer in with_weights if layer.type == "Conv2d"]


def layout(trace):
    options = [layer.options for layer in convolutions(trace)]
    return [
        (o["in_channels"], o["out_channels"], o["kernel_size"][0], o["groups"]) for o in options
    ]


def show(expect, trace, expected=()) -> None:
    """Put the convolutions of a trace into the evidence, those that differ marked."""
    names = ("in_channels", "out_channels", "kernel_size", "groups")
    rows = []
    found = layout(trace)
    for place, layer in enumerate(convolutions(trace)):
        wanted = expected[place] if place < len(expected) else None
        rows.append(
            {
                "path": layer.path,
                "type": layer.type,
                "options": layer.options,
                "input_shape": layer.input,
                "output_shape": layer.output,
                "expected": wanted
                and {"type": "Conv2d", "options": dict(zip(names, wanted, strict=True))},
                "differs": bool(expected) and found[place] != wanted,
            }
        )
    expect.evidence(kind="module", layers=rows)


def expect_parameters(student, expect, name, layers, counts) -> None:
    """Expect the number of parameters for every number of classes in `counts`."""
    biases = sum(out for _, out, _, _ in layers)
    features = layers[-1][1]
    for classes, expected in counts.items():
        count = network(student, name, classes).parameter_count
        expect(count).equal(
            expected,
            misconceptions={
                "convolutions-with-bias": expected + biases,
                "classes-ignored": expected + (10 - classes) * (features + 1),
                "classifier-forgotten": expected - classes * (features + 1),
                "normalisation-missing": expected - 2 * biases,
                "bias-for-normalisation": expected - biases,
                "classifier-without-bias": expected - classes,
            },
        )


def expect_layout(student, expect, name, layers) -> None:
    """Expect the convolutions of the paper's table, and one score per class for any image size."""
    model = network(student, name)
    trace = model.trace(torch.zeros(2, 3, 32, 32))
    show(expect, trace, layers)
    expect.satisfies(layout(trace) == layers, "layout-not-of-the-table")
    expect.satisfies(tuple(trace.output) == (2, 10), "not-one-score-per-class")
    larger = model.output_shape(torch.zeros(1, 3, 48, 48))
    expect.satisfies(larger == (1, 10), "not-one-score-per-class")


# ---- forward passes ------------------------------------------------------------------------------


@cache
def with_random_weights(network, width: float) -> nn.Module:
    """Make a network whose random weights keep the size of the signal through all its layers.

    The weights are the same for all students, the images are not; strides are the student's own.
    """
    rng = np.random.default_rng(2024)
    with torch.device("meta"):
        model = network(num_classes=10, width_mult=width)
    model.to_empty(device="cpu")
    for name, tensor in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            tensor.zero_()
            continue
        if tensor.ndim == 4:
            values = rng.normal(scale=(2 / tensor[0].numel()) ** 0.5, size=tensor.shape)
        elif tensor.ndim == 1 and name.endswith(("running_var", "weight")):
            values = rng.uniform(0.7, 1.3, size=tensor.shape)
        else:
            values = rng.normal(scale=0.2, size=tensor.shape)
        tensor.copy_(torch.tensor(values))
    model.usual_strides = [m.stride for m in model.modules() if isinstance(m, nn.Conv2d)]
    return model.eval()


@cache
def weights_of(network, width: float):
    return module_weights(with_random_weights(network, width), torch.zeros(1, 3, 32, 32))


def channels_of(model: nn.Module):
    return [m.out_channels for m in model.modules() if isinstance(m, nn.Conv2d)]


def take_strides(model: nn.Module, strides) -> None:
    """Give `model` the strides of the student's network, who may lower them for small images."""
    ours = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    if len(ours) != len(strides):
        strides = model.usual_strides
    for conv, stride in zip(ours, strides, strict=True):
        conv.stride = stride
    for block in model.modules():
        if hasattr(block, "has_shortcut"):
            inner = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
            same = inner[0].in_channels == inner[-1].out_channels
            block.has_shortcut = same and all(conv.stride == (1, 1) for conv in inner)


def with_given_weights(student, reference, rng, name):
    """Return the student's scores of two images, the reference under the same weights, the images.

    The networks are small. Where the student rounded their channels in another way they are taken
    at full width instead, where nothing has to be rounded.
    """
    # Wider than high: the last maps have two pixels, so that the mean over them shows.
    x = torch.tensor(rng.normal(size=(2, 3, 32, 40)), dtype=torch.float32)
    for width in (0.25, 1.0):
        theirs = network(student, name, width=width)
        trace = theirs.trace(x)
        kind = getattr(reference, name), width
        ours = with_random_weights(*kind)
        if [layer.options["out_channels"] for layer in convolutions(trace)] == channels_of(ours):
            break
    take_strides(ours, [tuple(layer.options["stride"]) for layer in convolutions(trace)])
    return theirs.forward(x, weights=weights_of(*kind)), ours, x


def own_block(student, block: nn.Module):
    """Construct the student's own block of the sizes of one of the reference's."""
    first, *_, last = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
    sizes = (first.in_channels, last.out_channels)
    convs = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
    stride = one_of(STRIDE, max(conv.stride[0] for conv in convs))
    if not hasattr(block, "has_shortcut"):
        return student.module("DepthwiseSeparableConv", *sizes, stride=stride)
    expansion = last.in_channels // first.in_channels
    return student.module(
        "InvertedResidual", *sizes, stride=stride, expand_ratio=one_of(EXPANSION, expansion)
    )


def scores_of_own_blocks(student, model: nn.Module, x):
    """Return the scores of the reference if it were made of the student's own blocks.

    A slip in a block was judged with the block; a network that is right around it is right. None
    where the blocks cannot be asked.
    """
    asked = student.record.asked
    try:
        for layer in model.features:
            if any(isinstance(child, nn.Conv2d) for child in layer.children()) or not [
                *layer.children()
            ]:
                x = layer(x)
            else:
                block = own_block(student, layer)
                answer = block.forward(x, weights=module_weights(layer, x))
                x = torch.tensor(answer.array, dtype=torch.float32)
        return model.classifier(x.mean(dim=(2, 3)))
    except (Shortfall, RuntimeError):
        return None
    finally:
        student.record.asked = asked


def judge_scores(student, expect, answer, model, x, *, variants=None, mistakes=None) -> None:
    """Compare scores with those of the reference, at last with those of the student's own blocks."""
    with torch.no_grad():
        expected = model(x)
        expect(answer).close(
            expected,
            atol=1e-3,
            rtol=1e-2,
            alternatives=variants,
            follow_through=lambda: scores_of_own_blocks(student, model, x),
            misconceptions={
                "softmax-inside-the-network": expected.softmax(dim=1),
                **(mistakes or {}),
            },
        )


def v1_scores(model, x, activation):
    """Return the scores of the reference's MobileNet V1 with another activation."""
    stem, _, *blocks = model.features
    x = activation(stem(x))
    for block in blocks:
        x = activation(block.pointwise(activation(block.depthwise(x))))
    return model.classifier(x.mean(dim=(2, 3)))


def with_relu(model: nn.Module) -> nn.Module:
    """Return a copy of `model` that has ReLU where it had ReLU6."""
    model = deepcopy(model)
    for module in [*model.modules()]:
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU6):
                setattr(module, name, nn.ReLU())
    return model


# ---- MobileNet V1 --------------------------------------------------------------------------------


@pytest.mark.part("mobilenet-v1", points=2.5)
def test_parameters_of_mobilenet_v1(student, reference, expect):
    layers = v1_convolutions(reference)
    expect_parameters(student, expect, "MobileNetV1", layers, {1000: 4_231_976})


@pytest.mark.part("mobilenet-v1", points=1.5)
def test_layout_of_mobilenet_v1(student, reference, expect):
    expect_layout(student, expect, "MobileNetV1", v1_convolutions(reference))


@pytest.mark.part("mobilenet-v1", points=3)
@pytest.mark.hidden
def test_forward_of_mobilenet_v1(student, reference, expect, rng):
    answer, ours, x = with_given_weights(student, reference, rng, "MobileNetV1")
    variants = {"relu6-in-v1": lambda: v1_scores(ours, x, F.relu6)}
    mistakes = {"no-activation-at-all": lambda: v1_scores(ours, x, nn.Identity())}
    judge_scores(student, expect, answer, ours, x, variants=variants, mistakes=mistakes)


# ---- MobileNet V2 --------------------------------------------------------------------------------


@pytest.mark.part("mobilenet-v2", points=2.5)
def test_parameters_of_mobilenet_v2(student, reference, expect):
    layers = v2_convolutions(reference)
    counts = {1000: 3_504_872, 10: 2_236_682}
    expect_parameters(student, expect, "MobileNetV2", layers, counts)


@pytest.mark.part("mobilenet-v2", points=1.5)
def test_layout_of_mobilenet_v2(student, reference, expect):
    expect_layout(student, expect, "MobileNetV2", v2_convolutions(reference))


@pytest.mark.part("mobilenet-v2", points=3)
@pytest.mark.hidden
def test_forward_of_mobilenet_v2(student, reference, expect, rng):
    answer, ours, x = with_given_weights(student, reference, rng, "MobileNetV2")
    mistakes = {"relu-for-relu6": lambda: with_relu(ours)(x)}
    judge_scores(student, expect, answer, ours, x, mistakes=mistakes)


# ---- multipliers and the plain network -----------------------------------------------------------


@pytest.mark.part("multipliers", points=2)
def test_width_multiplier_scales_the_channels(student, reference, expect):
    x = torch.zeros(2, 3, 32, 32)
    for name, layers in (
        ("MobileNetV1", v1_convolutions(reference)),
        ("MobileNetV2", v2_convolutions(reference)[:-1]),
    ):
        trace = network(student, name, width=0.5).trace(x)
        show(expect, trace)
        channels = [layer.options["out_channels"] for layer in convolutions(trace)][: len(layers)]
        full = [out for _, out, _, _ in layers]
        expect.satisfies(len(channels) == len(full), "layout-not-of-the-table")
        expect.satisfies(channels != full, "width-ignored")
        # Rounding to multiples of 8 adds up to 8, and an expansion multiplies what it adds.
        near = [abs(c - n / 2) <= max(8, n / 4) for c, n in zip(channels, full, strict=True)]
        expect.satisfies(all(near), "width-of-some-layers-only")


def trace_of_plain(student, x):
    """Trace the plain network, whose arguments are the student's own choice."""
    for make in (
        lambda: network(student, "PlainCNN", width=0.25),
        lambda: network(student, "PlainCNN"),
    ):
        try:
            return make().trace(x)
        except Failed:
            continue
    return student.module("PlainCNN").trace(x)


@pytest.mark.part("plain-cnn", points=1)
def test_plain_network_has_standard_convolutions_only(student, expect):
    trace = trace_of_plain(student, torch.zeros(2, 3, 32, 32))
    show(expect, trace)
    convs = convolutions(trace)
    expect.satisfies(len(convs) >= 2, "plain-network-without-convolutions")
    expect.satisfies(all(c.options["groups"] == 1 for c in convs), "plain-network-is-separable")
    expect.satisfies(
        tuple(trace.output)[:1] + tuple(trace.output)[-1:] == (2, 10), "not-one-score-per-class"
    )
