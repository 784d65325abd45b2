"""What the checks run in the student's process: small networks, and the student's functions on them.

The text of this file is sent there. It asks and reports; it knows no expected value. A trial bears
the name of the student's function that it calls, `theirs`, for messages name the trial. The checks
use the networks on their own side too.
"""

import copy
import types
from contextlib import ExitStack

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class Branches(nn.Module):
    """Three branches add their votes: inputs (n, 12) to scores (n, 3)."""

    def __init__(self):
        super().__init__()
        self.left = nn.Linear(4, 3)
        self.right = nn.Linear(4, 3)
        self.extra = nn.Linear(4, 3)

    def forward(self, x):
        return self.left(x[:, :4]) + self.right(x[:, 4:8]) + self.extra(x[:, 8:])


class Tower(nn.Module):
    """Normalisation, dropout, and two residual blocks whose names begin alike."""

    def __init__(self, dropout):
        super().__init__()
        self.stem = nn.Linear(12, 8)
        self.norm = nn.BatchNorm1d(8)
        self.drop = nn.Dropout(dropout)
        self.block = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
        self.block2 = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        h = self.drop(F.relu(self.norm(self.stem(x))))
        h = h + self.block(h)
        h = h + self.block2(h)
        return self.head(h)


def empty(kind):
    """Return a network of the kind ``branches``, ``tower`` or ``steady`` (without dropout)."""
    return Branches() if kind == "branches" else Tower(0.5 if kind == "tower" else 0.0)


def network(kind, weights, training=False):
    """Return a network with the given weights by name, which also set its precision."""
    model = empty(kind)
    if any(str(given.dtype) == "float64" for given in weights.values()):
        model.double()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name in weights:
                tensor.copy_(torch.as_tensor(weights[name]))
    return model.train(training)


def state_of(model):
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def look(model, inputs):
    """Return the scores of `model` in evaluation mode and the output of each of its parts."""
    parts = {}

    def watch(name):
        def hook(module, given, output):
            parts[name] = output.detach().clone()

        return hook

    hooks = [
        part.register_forward_hook(watch(name)) for name, part in model.named_modules() if name
    ]
    modes = [(part, part.training) for part in model.modules()]
    model.eval()
    with torch.no_grad():
        scores = model(inputs)
    for hook in hooks:
        hook.remove()
    for part, mode in modes:
        part.training = mode
    return {"scores": scores, "parts": parts}


class Deliberate(Exception):
    """Raised on purpose, where the student's code has to bear it."""


def fail():
    raise Deliberate("raised on purpose")


# ---- ablating a trained model -----------------------------------------------------------------------


def ablated(theirs, model, components, inputs, failing):
    """Enter the blocks of all `components`, look at the model there, leave, and look again."""
    parameters = list(model.parameters())
    flags = _flags(model)
    inside, seen, swallowed, generator = model, None, False, False
    try:
        with ExitStack() as blocks:
            for component in components:
                entered = theirs(inside, component)
                generator = generator or isinstance(entered, types.GeneratorType)
                if hasattr(type(entered), "__enter__"):
                    entered = blocks.enter_context(entered)
                if isinstance(entered, nn.Module):
                    inside = entered
            seen = look(inside, inputs)
            if failing:
                fail()
        swallowed = failing
    except Deliberate:
        pass
    now = list(model.parameters())
    return {
        "inside": seen,
        "generator": generator,
        "copied": inside is not model,
        "swallowed": swallowed,
        "state": state_of(model),
        "scores": look(model, inputs)["scores"],
        "same_flags": _flags(model) == flags,
        "same_tensors": len(now) == len(parameters)
        and all(a is b for a, b in zip(now, parameters, strict=True)),
    }


def _flags(model):
    return [part.training for part in model.modules()], [
        p.requires_grad for p in model.parameters()
    ]


class Fuse:
    """Fails in the forward pass with the number `fatal`, counted from 1; never for 0."""

    def __init__(self, fatal):
        self.fatal, self.passes = fatal, 0

    def __call__(self, module, given):
        self.passes += 1
        if self.passes == self.fatal:
            fail()


def ablation_effects(theirs, kind, weights, components, inputs, labels, failing):
    """Call their function; with `failing` the first forward pass fails, then the second, ..."""
    returned, states, swallowed = None, [], False
    for fatal in (1, 2, 3) if failing else (0,):
        model = network(kind, weights)
        hook = model.register_forward_pre_hook(Fuse(fatal))
        try:
            returned = theirs(model, components, inputs, labels)
            swallowed = swallowed or failing
        except Deliberate:
            pass
        hook.remove()
        states.append(state_of(model))
    return {"returned": returned, "states": states, "swallowed": swallowed}


def measured(evaluate, ablated, model, groups, inputs, labels):
    """Evaluate a fresh copy of the model without the components of each group, block in block."""
    results = []
    for components in groups:
        inside = copy.deepcopy(model)
        with ExitStack() as blocks:
            for component in components:
                entered = ablated(inside, component)
                if hasattr(type(entered), "__enter__"):
                    entered = blocks.enter_context(entered)
                if isinstance(entered, nn.Module):
                    inside = entered
            results.append(evaluate(inside, inputs, labels))
    return results


# ---- training without a component -------------------------------------------------------------------

OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.3),
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
    "decay": lambda parameters: torch.optim.SGD(parameters, lr=0.2, weight_decay=0.01),
    "adam": lambda parameters: torch.optim.AdamW(parameters, lr=0.02),
}


def optimizer_for(model, name, batches):
    """Return an optimiser for all of `model` that has taken a step on each of `batches`."""
    optimizer = OPTIMIZERS[name](model.parameters())
    model.train()
    for inputs, labels in batches:
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
    return optimizer


def train_ablated(theirs, kind, weights, component, batches, name, warm, epochs, inputs):
    """Let their function train a network without `component`, and look at it afterwards."""
    model = network(kind, weights)
    optimizer = optimizer_for(model, name, batches if warm else [])
    returned = theirs(model, component, batches, optimizer, epochs)
    given = returned if isinstance(returned, tuple) else (returned,)
    trained = next((each for each in given if isinstance(each, nn.Module)), model)
    history = next((losses for each in given if (losses := losses_in(each)) is not None), None)
    if history is None and given and all(isinstance(each, float) for each in given):
        history = list(given)
    return {"history": history, "state": state_of(trained), **look(trained, inputs)}


def losses_in(value):
    """Return the list that a history is, or that it holds under its first key; None without any."""
    if isinstance(value, dict) and value:
        value = next(iter(value.values()))
    if isinstance(value, (torch.Tensor, np.ndarray)) and value.ndim == 1:
        value = value.tolist()
    return value if isinstance(value, list) else None
