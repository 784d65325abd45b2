"""Question 2: the simple network, and how many parameters its layers have."""

import runpy
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from grader.checks import module_weights
from grader.checks.outcome import Missing

pytestmark = pytest.mark.question("simple-net")

PATH = Path(__file__).with_name("trials.py")
TRIALS, ours = PATH.read_text(encoding="utf-8"), runpy.run_path(str(PATH))

UNITS = ("پارامتر", "پارامتر قابل آموزش", "parameters", "params", "trainable parameters")
TOTALS = ("total", "Total", "sum", "کل", "مجموع")
BATCH = 2


def show(expect, trace) -> None:
    """Put the layers of a trace into the evidence."""
    expect.evidence(
        kind="module",
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
        ],
    )


@pytest.mark.part("network", points=3)
def test_structure_of_the_network(student, expect):
    trace = student.module("SimpleNet").trace(torch.zeros(BATCH, 3, 32, 32))
    show(expect, trace)
    stateful = [layer for layer in trace.layers if layer.parameters]
    kinds = [layer.type for layer in stateful]
    expect.satisfies(kinds == ["Conv2d", "Linear"], "not-one-convolution-and-one-linear-layer")
    conv, linear = stateful
    expect.satisfies(conv.output[1:2] == (64,), "not-64-filters")
    expect.satisfies(conv.parameters["weight"][2:] == (3, 3), "kernel-not-3x3")
    expect.satisfies(conv.output[2:] == (32, 32), "convolution-shrinks-the-image")
    expect.satisfies(linear.input == (BATCH, 64 * 32 * 32), "pooled-before-the-linear-layer")
    expect.satisfies(linear.output == (BATCH, 10), "not-ten-scores")
    biases = [conv.options.get("bias"), linear.options.get("bias")]
    expect.satisfies(all(biases), "layer-without-bias")


@pytest.mark.part("network", points=3)
@pytest.mark.hidden
def test_forward_of_the_network(student, reference, expect, rng):
    model = reference.SimpleNet()
    with torch.no_grad():
        for parameter in model.parameters():
            scale = (2 / parameter[0].numel()) ** 0.5 if parameter.ndim > 1 else 0.5
            parameter.copy_(torch.tensor(rng.normal(scale=scale, size=parameter.shape)))
        x = torch.tensor(rng.normal(size=(3, 3, 32, 32)), dtype=torch.float32)
        expected = model(x)
        linear = model.fc(model.conv(x).flatten(1))
    answer = student.module("SimpleNet").forward(x, weights=module_weights(model, x))
    expect(answer).close(
        expected,
        atol=1e-3,
        rtol=1e-3,
        misconceptions={
            "no-relu": linear,
            "softmax-inside-the-network": expected.softmax(dim=1),
            "relu-on-the-scores": expected.relu(),
        },
        alternatives={"log-softmax-is-harmless": expected.log_softmax(dim=1)},
    )


# ---- parameters ------------------------------------------------------------------------------------


@pytest.mark.part("parameters", points=1)
def test_parameters_of_the_convolution(student, reference, expect):
    expected = reference.conv_parameters
    answer = student.value("conv_parameters", kind="integer", units=UNITS, like=expected)
    expect(answer).equal(
        expected,
        misconceptions={
            "biases-forgotten": 3 * 3 * 3 * 64,
            "input-channels-forgotten": 3 * 3 * 64 + 64,
            "bias-for-each-input-channel": 3 * 3 * 3 * 64 + 3 * 64,
        },
    )


@pytest.mark.part("parameters", points=1)
def test_parameters_of_the_linear_layer(student, reference, expect):
    expected = reference.linear_parameters
    answer = student.value("linear_parameters", kind="integer", units=UNITS, like=expected)
    expect(answer).equal(
        expected,
        misconceptions={
            "biases-forgotten": 64 * 32 * 32 * 10,
            "padding-forgotten": 64 * 30 * 30 * 10 + 10,
            "channels-not-flattened": 32 * 32 * 10 + 10,
            "pooling-that-is-not-there": 64 * 16 * 16 * 10 + 10,
            "image-flattened-instead": 3 * 32 * 32 * 10 + 10,
        },
    )


@pytest.mark.part("parameters", points=0.5)
def test_parameters_of_the_whole_network(student, reference, expect):
    try:
        layers = ("conv_parameters", "linear_parameters")
        own = [student.value(name, kind="integer", units=UNITS).value for name in layers]
    except Missing:
        own = []
    expected = reference.total_parameters
    answer = student.value("total_parameters", kind="integer", units=UNITS, like=expected)
    expect(answer).close(expected, atol=0, rtol=0, follow_through=sum(own) if own else None)


def read_counts(value, layers):
    """Return counts in the order of `layers`, and whether tensors were counted one by one.

    Layers without parameters and a total may be listed as well, and rows of name and count will
    do. What cannot be read is returned as it is.
    """
    if isinstance(value, (list, tuple)) and all(is_row(row) for row in value):
        value = {row[0]: row[-1] for row in value}
    if not isinstance(value, Mapping) or not all(is_count(n) for n in value.values()):
        return value, False
    named = {str(name): n for name, n in value.items() if str(name) not in TOTALS}
    by_tensor = {}
    for name, n in named.items():
        by_tensor.setdefault(name.rpartition(".")[0], []).append(n)
    if set(by_tensor) == set(layers):
        return [sum(by_tensor[name]) for name in layers], True
    listed = {name: n for name, n in named.items() if name in layers or n != 0}
    if set(listed) <= set(layers):
        return [listed.get(name, 0) for name in layers], False
    return list(listed.values()), False


def is_row(row) -> bool:
    return isinstance(row, (list, tuple)) and len(row) > 1 and isinstance(row[0], str)


def is_count(n) -> bool:
    return np.ndim(n) == 0 and np.asarray(n).dtype.kind in "iuf"


def counts(layers, tensors):
    """Return the sizes that `tensors` gives for each layer, summed; layers without any left out."""
    sums = {name: sum(t.numel() for t in tensors(layer)) for name, layer in layers}
    return {name: count for name, count in sums.items() if count}


@pytest.mark.part("parameters", points=1.5)
@pytest.mark.hidden
def test_parameters_of_other_networks(student, reference, expect, rng):
    function = student.function("parameters_by_layer")
    for kind, frozen in (("branches", ()), ("tower", ("block.0", "head"))):
        theirs = student.make(TRIALS, "network", kind, {})
        model = ours["empty"](kind)
        for name in frozen:
            student.make(FREEZE, "freeze", theirs, name)
            model.get_submodule(name).requires_grad_(False)
        expected = reference.parameters_by_layer(model)
        found, by_tensor = read_counts(function(theirs).value, list(expected))
        own = [(name, layer) for name, layer in model.named_modules() if name in expected]
        wrong = {
            "containers-counted-too": counts(model.named_modules(), lambda m: m.parameters()),
            "blocks-not-opened": counts(model.named_children(), lambda m: m.parameters()),
            "only-trainable-counted": {
                name: sum(p.numel() for p in layer.parameters() if p.requires_grad)
                for name, layer in own
            },
            "buffers-counted": counts(
                own, lambda m: [*m.parameters(recurse=False), *m.buffers(recurse=False)]
            ),
            "tensors-counted": {name: len(list(layer.parameters())) for name, layer in own},
            "biases-forgotten": {name: layer.weight.numel() for name, layer in own},
        }
        expect(np.array(found) if isinstance(found, list) else found).close(
            list(expected.values()),
            atol=0,
            rtol=0,
            misconceptions={name: list(value.values()) for name, value in wrong.items()},
        )
        if by_tensor:
            expect.note("counted-by-tensor")


FREEZE = """
def freeze(model, name):
    return model.get_submodule(name).requires_grad_(False)
"""
