"""Answers to ablation_study, in pieces: right ones, and ways to write others that differ in one place."""

from __future__ import annotations

from textwrap import dedent, indent

SETUP = """
import copy
from contextlib import contextmanager
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
"""

# ---- right pieces that the wrong ones stand beside ---------------------------------------------------

EVALUATE = """
def evaluate(model, inputs, labels):
    model.eval()
    with torch.no_grad():
        scores = model(inputs)
    return F.cross_entropy(scores, labels).item(), (scores.argmax(1) == labels).double().mean().item()
"""

ABLATED = """
@contextmanager
def ablated(model, component):
    part = model.get_submodule(component)
    saved = [p.detach().clone() for p in part.parameters()]
    try:
        for p in part.parameters():
            p.data.zero_()
        yield model
    finally:
        for p, value in zip(part.parameters(), saved):
            p.data.copy_(value)
"""

EFFECTS = """
def ablation_effects(model, components, inputs, labels):
    loss, accuracy = evaluate(model, inputs, labels)
    effects = {}
    for component in components:
        with ablated(model, component):
            l, a = evaluate(model, inputs, labels)
        effects[component] = (accuracy - a, l - loss)
    return effects
"""

TRAIN = """
def train_ablated(model, component, batches, optimizer, epochs):
    part = dict(model.named_modules())[component]
    history = []
    {start}
    for epoch in range(epochs):
        losses = []
        for inputs, labels in batches:
            {before}
            loss = F.cross_entropy(model(inputs), labels)
            optimizer.zero_grad()
            loss.backward()
            {gradient}
            optimizer.step()
            {after}
            losses.append(loss.item())
        history.append({mean})
    {end}
    return {result}
"""
ZERO = "[p.data.zero_() for p in part.parameters()]"
WEIGHTS = "[p.data.zero_() for n, p in part.named_parameters() if n.endswith('weight')]"


def train(
    start: str = "pass",
    before: str = "pass",
    gradient: str = "pass",
    after: str = "pass",
    mean: str = "sum(losses) / len(losses)",
    end: str = "pass",
    result: str = "history",
) -> str:
    """A training loop that does something at certain moments."""
    moments = {"start": start, "before": before, "gradient": gradient, "after": after, "end": end}
    return TRAIN.format(mean=mean, result=result, **moments)


def ablating(body: str) -> str:
    """A context manager `ablated` with this body."""
    return "@contextmanager\ndef ablated(model, component):" + indent(dedent(body), "    ")


def network(init: str, forward: str = "self.fc(F.relu(self.conv(x)).flatten(1))") -> str:
    return (
        "class SimpleNet(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        f"        {init}\n"
        "    def forward(self, x):\n"
        f"        return {forward}\n"
    )


CONV_AND_LINEAR = "self.conv = nn.Conv2d(3, 64, 3, padding=1); self.fc = nn.Linear(65536, 10)"
OWN = "((n, m) for n, m in model.named_modules() if list(m.parameters(recurse=False)))"


def counting(tensors: str, modules: str) -> str:
    """A function `parameters_by_layer` that adds up sizes over modules."""
    return (
        f"def parameters_by_layer(model):\n    return {{n: sum({tensors}) for n, m in {modules}}}"
    )
