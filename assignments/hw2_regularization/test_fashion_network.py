"""Question 5a: the network, the training loop and the evaluation, tried on small data.

Loops are tried on a toy problem that takes milliseconds. Their arguments are matched by name, so
that ``train(net, loader, loss_fn, opt, epochs, device)`` is tried as well as the skeleton's own.
"""

import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from grader.checks.curves import falls
from grader.checks.outcome import Failed, Missing

pytestmark = pytest.mark.question("fashion-mlp")


def named(student, name, kinds=("function", "class")):
    """Return the names, the skeleton's first, under which the notebook has something of `kinds`."""
    names = [name, *student.subject.assignment.aliases.get(name, ())]
    found = {n: getattr(student.subject.variables.get(n), "kind", None) for n in names}
    return [n for n, kind in found.items() if kind in kinds]


# ---- the network -----------------------------------------------------------------------------------

LINEAR = {"addmm", "mm", "linear", "bmm"}
ACTIVATIONS = set(
    "relu relu_ tanh tanh_ sigmoid sigmoid_ gelu silu silu_ elu elu_ leaky_relu leaky_relu_ hardtanh "
    "hardtanh_ hardswish hardswish_ mish celu softplus prelu _prelu_kernel rrelu rrelu_with_noise "
    "threshold clamp clamp_min log_sigmoid_forward hardsigmoid".split()
)


def network(student):
    """Return the student's network, made by a function or kept in a variable of whatever name."""
    names = named(student, "make_mlp", kinds=("function", "class", "object"))
    if not names:
        values = student.subject.variables.items()
        names = [n for n, v in values if getattr(v, "type", "").endswith("container.Sequential")]
    return student.module("make_mlp", aliases=names)


def trace_of(model):
    """Trace a forward pass of two images, flat ones where the network wants them flat."""
    try:
        return model.trace(torch.zeros(2, 1, 28, 28), operations=True)
    except Failed:
        return model.trace(torch.zeros(2, 784), operations=True)


def show(expect, trace) -> None:
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


@pytest.mark.part("network", points=2)
def test_network(student, expect):
    model = network(student)
    trace = trace_of(model)
    show(expect, trace)
    kinds = [layer.type for layer in trace.layers]
    expect.satisfies(tuple(trace.output) == (2, 10), "not-ten-scores")
    expect.satisfies(not any("Conv" in kind for kind in kinds), "convolutions-in-the-mlp")
    operations = [operation.name for operation in trace.operations]
    linear = [place for place, name in enumerate(operations) if name in LINEAR]
    expect.satisfies(len(linear) >= 2, "no-hidden-layer")
    between = [bool(ACTIVATIONS & set(operations[a:b])) for a, b in pairwise(linear)]
    expect.satisfies(all(between), "layers-without-activation")
    after = set(operations[linear[-1] :])
    expect.satisfies("_softmax" not in after, "softmax-before-cross-entropy")
    expect.satisfies(not ACTIVATIONS & after, "activation-after-the-scores")
    if "_log_softmax" in after:
        expect.note("log-softmax-is-harmless")
    if model.handle.attribute("__class__", "__name__").value != "Sequential":
        expect.note("not-a-sequential")


@pytest.mark.part("network", points=1)
def test_parameter_count(student, expect):
    model = network(student)
    count = model.parameter_count
    weights = sum(int(np.prod(shape)) for _, shape, _ in model.parameters if len(shape) > 1)
    units = ("parameter", "parameters", "param", "params", "پارامتر")
    answer = student.value("n_parameters", like=count, kind="integer", units=units)
    expect(answer).equal(
        count,
        misconceptions={
            "biases-not-counted": weights,
            "tensors-counted": len(model.parameters),
        },
    )


# ---- the loop --------------------------------------------------------------------------------------

LOOPS = """
import inspect
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

ROLES = (
    ("penalty", ("penal", "regular", "l1", "l2", "lam", "decay")),
    ("optimiser", ("opt",)),
    ("criterion", ("crit", "loss", "cost")),
    ("model", ("model", "net", "mlp")),
    ("batches", ("batch", "load", "data", "train", "test", "val", "dl", "iter")),
    ("device", ("device",)),
    ("epochs", ("epochs",)),
    ("epoch", ("epoch",)),
    ("scheduler", ("sched",)),
)


def call(function, given):
    parameters = inspect.signature(function).parameters.values()
    arguments = {}
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        plain = parameter.name.lower()
        role = next((r for r, words in ROLES if any(w in plain for w in words)), None)
        optional = parameter.default is not parameter.empty
        if plain.startswith(("num_epoch", "n_epoch", "max_epoch")):
            role = "epochs"
        if "size" in plain or "interval" in plain or role == "penalty":
            role = None
        if role in given and not (optional and role in ("device", "scheduler")):
            arguments[parameter.name] = given[role]
        elif not optional:
            arguments[parameter.name] = None
    return function(**arguments)


def make_model(weights, dropout):
    (w1, b1), (w2, b2) = weights
    layers = [nn.Linear(w1.shape[1], w1.shape[0]), nn.ReLU(), nn.Linear(w2.shape[1], w2.shape[0])]
    with torch.no_grad():
        for layer, (w, b) in zip((layers[0], layers[2]), weights):
            layer.weight.copy_(w)
            layer.bias.copy_(b)
    if dropout:
        layers.insert(2, nn.Dropout(0.5))
    return nn.Sequential(*layers)


def weights_of(model):
    return [p.detach().clone() for p in model.parameters()]


def train(function, x, y, weights, size, rate, epochs):
    model, criterion = make_model(weights, dropout=False), nn.CrossEntropyLoss()
    loader = DataLoader(TensorDataset(x, y), batch_size=size)
    optimiser = torch.optim.SGD(model.parameters(), lr=rate)
    given = {"model": model, "batches": loader, "criterion": criterion, "optimiser": optimiser,
             "epochs": 1, "epoch": 1, "device": torch.device("cpu")}
    first = None
    for _ in range(epochs):
        model.train()
        call(function, given)
        first = first or weights_of(model)
    return {"first": first, "last": weights_of(model)}


def measure(function, x, y, weights, size):
    torch.manual_seed(0)
    model, criterion = make_model(weights, dropout=True), nn.CrossEntropyLoss()
    loader = DataLoader(TensorDataset(x, y), batch_size=size)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    given = {"model": model, "batches": loader, "criterion": criterion, "optimiser": optimiser,
             "epochs": 1, "epoch": 1, "device": torch.device("cpu")}
    model.train()
    returned = []
    for _ in range(2):
        returned.append(numbers(call(function, given)))
        model.train()
    return {"returned": returned, "weights": weights_of(model)}


def numbers(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [n for each in value for n in numbers(each)]
    try:
        return [float(value)]
    except (TypeError, ValueError):
        return []
"""

SIZE, RATE = 16, 0.3


def toy(seed):
    """Return data of three classes that a small network learns, and its first weights."""
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(64, 6, generator=random)
    y = (x @ torch.randn(6, 3, generator=random)).argmax(dim=1)
    sizes = ((16, 6), (3, 16))
    weights = [(torch.randn(n, m, generator=random) / m**0.5, torch.zeros(n)) for n, m in sizes]
    return x, y, weights


def loss_of(parameters, x, y) -> float:
    w1, b1, w2, b2 = (torch.as_tensor(p) for p in parameters)
    return F.cross_entropy(F.linear(F.relu(F.linear(x, w1, b1)), w2, b2), y).item()


def epoch_of(x, y, weights, *, zero=True, softmax=False, batches=None, step=1.0):
    """Return the weights after one epoch of a loop with some mistake."""
    p = [t.clone().requires_grad_() for pair in weights for t in pair]
    total = [torch.zeros_like(t) for t in p]
    for xs, ys in list(zip(x.split(SIZE), y.split(SIZE), strict=True))[:batches]:
        scores = F.linear(F.relu(F.linear(xs, p[0], p[1])), p[2], p[3])
        loss = F.cross_entropy(scores.softmax(1) if softmax else scores, ys)
        gradients = torch.autograd.grad(loss, p)
        total = [g if zero else t + g for t, g in zip(total, gradients, strict=True)]
        p = [(t - step * RATE * g).detach().requires_grad_() for t, g in zip(p, total, strict=True)]
    return [t.detach() for t in p]


def equal_weights(answered, expected) -> bool:
    return all(
        np.allclose(a, b.numpy(), atol=1e-6, rtol=1e-4)
        for a, b in zip(answered, expected, strict=True)
    )


def loop_mistakes(x, y, weights):
    return {
        "weights-never-change": [t for pair in weights for t in pair],
        "loop-leaves-after-one-batch": epoch_of(x, y, weights, batches=1),
        "gradients-not-zeroed": epoch_of(x, y, weights, zero=False),
        "softmax-in-the-loop": epoch_of(x, y, weights, softmax=True),
        "loop-climbs": epoch_of(x, y, weights, step=-1.0),
    }


@pytest.mark.part("loop", points=2)
def test_training_loop_learns(student, expect):
    try:
        train = student.function("train_epoch", aliases=named(student, "train_epoch"))

        def learns(seed) -> bool:
            x, y, weights = toy(seed)
            arguments = (train.handle(), x, y, weights, SIZE, RATE, 12)
            student.record.asked = "train_epoch(model, batches, criterion, optimiser)"
            made = student.make(LOOPS, "train", *arguments, about=train.name)
            answer = made.value().value
            for name, wrong in loop_mistakes(x, y, weights).items():
                if equal_weights(answer["first"], wrong):
                    expect.misconception(name)
            before, after = (loss_of(p, x, y) for p in (flat(weights), answer["last"]))
            return after < 0.6 * before

        expect.over_seeds(learns, "loop-does-not-learn")
    except (Missing, Failed) as shortfall:
        unless_seen_in_curves(student, expect, shortfall, r"train")


def flat(weights):
    return [t for pair in weights for t in pair]


def unless_seen_in_curves(student, expect, shortfall, split) -> None:
    """Let the saved curves speak for a loop that cannot be called: written out, or full of globals.

    Raises
    ------
    Shortfall
        The given one, where there is a function of its own fault, or no curve that falls.
    """
    if isinstance(shortfall, Failed):
        error = shortfall.evidence.get("exception", {}).get("type")
        if error not in ("NameError", "TypeError", "AttributeError"):
            raise shortfall
    try:
        curves = student.recorded.curves()
    except Missing:
        raise shortfall from None
    if not any(
        c.metric == "loss" and re.match(split, c.split) and falls(c, by=0.1) for c in curves
    ):
        raise shortfall
    expect.note("loop-seen-in-the-curves")


@pytest.mark.part("loop", points=1)
def test_evaluation_only_measures(student, expect):
    try:
        judge_evaluation(student, expect)
    except (Missing, Failed) as shortfall:
        unless_seen_in_curves(student, expect, shortfall, r"test|validation")


def judge_evaluation(student, expect) -> None:
    """Expect the accuracy of a model with dropout, in evaluation mode, and its weights untouched."""
    evaluate = student.function("evaluate", aliases=named(student, "evaluate"))
    x, y, weights = toy(seed=3)
    x, y = x[:40], y[:40]
    student.record.asked = "evaluate(model, batches, criterion)"
    arguments = (evaluate.handle(), x, y, weights, SIZE)
    answer = student.make(LOOPS, "measure", *arguments, about=evaluate.name).value().value
    expect.satisfies(equal_weights(answer["weights"], flat(weights)), "evaluation-trains")
    w1, b1, w2, b2 = flat(weights)
    scores = F.linear(F.relu(F.linear(x, w1, b1)), w2, b2)
    accuracy = (scores.argmax(dim=1) == y).float().mean().item()
    first, second = answer["returned"]
    expect.satisfies(bool(first), "evaluation-returns-nothing")
    right = any(np.isclose(n, (accuracy, 100 * accuracy), atol=1e-4).any() for n in first)
    if not right:
        expect.satisfies(np.allclose(first, second), "evaluation-with-dropout")
        counted = any(np.isclose(n, accuracy * len(y), atol=1e-4) for n in first)
        expect.satisfies(not counted, "correct-answers-not-divided")
        expect.misconception("evaluation-miscounts")
