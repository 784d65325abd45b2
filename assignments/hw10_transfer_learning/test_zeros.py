"""Part e: the percentage of zeros in the output of every layer of small networks."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

pytestmark = pytest.mark.question("zeros")

PATH = Path(__file__).with_name("trials.py")
TRIALS, ours = PATH.read_text(encoding="utf-8"), runpy.run_path(str(PATH))


class Watched:
    """What one pass of one of our networks put out, layer after layer."""

    def __init__(self, model, image, *, all_modules=False) -> None:
        self.layers, self.outputs, self.kept = [], [], []

        def watch(layer, given, output) -> None:
            self.layers.append(layer)
            self.outputs.append(output.clone())
            self.kept.append(output)  # as an in-place layer leaves it

        modules = [m for m in model.modules() if all_modules or not list(m.children())]
        hooks = [layer.register_forward_hook(watch) for layer in modules]
        with torch.no_grad():
            model(image)
        for hook in hooks:
            hook.remove()

    def percentages(self, choose=lambda layer: True, kept=False) -> list[float]:
        """Return the percentage of zeros of each layer that is chosen."""
        outputs = self.kept if kept else self.outputs
        pairs = zip(self.layers, outputs, strict=True)
        return [zeros(output) for layer, output in pairs if choose(layer)]


def zeros(output) -> float:
    return 100 * (output == 0).double().mean().item()


def other_answers(kind, seed, image):
    """Return what comes of known wrong ways."""
    model = ours["cnn"](kind, seed).eval()
    seen = Watched(model, image)
    right = np.array(seen.percentages())
    everything = Watched(model, image, all_modules=True)
    registered = [layer for layer in model.modules() if not list(layer.children())]
    last = {id(layer): zeros(out) for layer, out in zip(seen.layers, seen.outputs, strict=True)}
    sizes = np.array([output.numel() for output in seen.outputs])

    def is_relu(layer):
        return isinstance(layer, torch.nn.ReLU)

    def has_weights(layer):
        return isinstance(layer, torch.nn.Conv2d | torch.nn.Linear)

    return {
        "in-place-layer-overwrites": seen.percentages(kept=True),
        "containers-counted-too": everything.percentages(),
        "containers-counted-and-overwritten": everything.percentages(kept=True),
        "only-activations": seen.percentages(is_relu),
        "only-layers-with-weights": seen.percentages(has_weights),
        "overwritten-layers-with-weights": seen.percentages(has_weights, kept=True),
        "nonzeros-counted": 100 - right,
        "nonzero-fractions": 1 - right / 100,
        "counts-for-percentages": right / 100 * sizes,
        "order-of-registration": [last[id(layer)] for layer in registered if id(layer) in last],
        "not-positive-for-zero": [100 * (out <= 0).double().mean().item() for out in seen.outputs],
    }


def once_each(kind, seed, image) -> list[float]:
    """Return the percentages where a layer that runs twice counts once, with its last output."""
    seen = Watched(ours["cnn"](kind, seed).eval(), image)
    last = {id(layer): zeros(out) for layer, out in zip(seen.layers, seen.outputs, strict=True)}
    return list(last.values())


def judge(student, reference, expect, kind, seed, image, *, training) -> None:
    function = student.function("zero_percentages").handle()
    arguments = (function, kind, seed, image, training)
    handle = student.make(TRIALS, "zero_percentages", *arguments, about="zero_percentages")
    report = handle.value().value
    # Only in training mode do the statistics of batch normalisation move.
    expect.satisfies(report["same_state"], "measured-in-training-mode")
    expected = np.array(reference.zero_percentages(ours["cnn"](kind, seed), image))
    once = np.array(once_each(kind, seed, image))
    expect(report["first"]).close(
        expected,
        atol=0.01,
        misconceptions=lambda: other_answers(kind, seed, image),
        alternatives={
            "fractions-for-percentages": expected / 100,
            "layer-counted-once": once,
            "fractions-of-layers-counted-once": once / 100,
        },
    )
    again = report["second"] is not None and np.array_equal(report["first"], report["second"])
    expect.satisfies(again, "second-call-differs")
    expect.satisfies(report["hooks"] == 0, "hooks-left")
    if not report["same_mode"]:
        expect.note("mode-not-put-back")


def image_of(rng) -> torch.Tensor:
    return torch.tensor(rng.normal(size=(1, 3, 10, 10)), dtype=torch.float32)


@pytest.mark.part("percentages", points=3)
def test_zeros_of_layers_in_a_row(student, reference, expect):
    expect.evidence(asked="zero_percentages(model, <tensor 1×3×10×10>)")
    image = image_of(np.random.default_rng(61))
    judge(student, reference, expect, "plain", 61, image, training=False)


@pytest.mark.part("percentages", points=5)
@pytest.mark.hidden
@pytest.mark.parametrize(("kind", "training"), [("plain", True), ("crossed", False)])
def test_zeros_of_other_networks(student, reference, expect, rng, kind, training):
    seed = int(rng.integers(1000))
    judge(student, reference, expect, kind, seed, image_of(rng), training=training)
