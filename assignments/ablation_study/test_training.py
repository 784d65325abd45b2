"""Question 4: training without a component, which has to stay zero until it is evaluated.

Every known way to go wrong is simulated on our side, so that the student's weights can be
recognised: zeroing before each step only, zeroing at the end, restoring afterwards, and so on.
"""

import runpy
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

pytestmark = pytest.mark.question("training")

PATH = Path(__file__).with_name("trials.py")
TRIALS, ours = PATH.read_text(encoding="utf-8"), runpy.run_path(str(PATH))

EPOCHS = 15
LEARNED = (
    0.55  # accuracy of the quiet branch: 0.68 and more when trained alone, below 0.3 otherwise
)


# ---- the loop of the lecture notes -----------------------------------------------------------------


@pytest.mark.part("lecture-program", points=4)
def test_weights_at_evaluation(student, reference, expect):
    rate, start, gradients = reference.learning_rate, reference.start_weight, reference.gradients
    answer = student.value("weight_at_evaluation", kind="array")
    expect(answer.array.squeeze()).close(
        reference.weight_at_evaluation,
        misconceptions={
            "thought-to-be-zero": np.zeros(3),
            "steps-add-up": -rate * gradients.sum(axis=0),
            "steps-add-up-from-the-start": start - rate * gradients.sum(axis=0),
            "last-zeroing-forgotten": start - rate * gradients[-1],
            "first-batch-for-last": -rate * gradients[0],
            "step-uphill": rate * gradients[-1],
            "learning-rate-forgotten": -gradients[-1],
            "mean-of-the-gradients": -rate * gradients.mean(axis=0),
        },
    )


# ---- data, networks and what becomes of them ---------------------------------------------------------


def examples(rng, n):
    """Draw inputs (n, 12) and labels of three classes.

    The first four features are loud, the next four quiet, and both carry the same noise: trained
    together, the quiet ones only serve to cancel it; alone, they have to tell the classes.
    """
    labels = rng.integers(3, size=n)
    centres, noise = np.eye(3, 4)[labels], rng.normal(size=(n, 4))
    loud = 3 * centres + noise + 0.4 * rng.normal(size=(n, 4))
    quiet = 1.5 * centres + noise + 0.4 * rng.normal(size=(n, 4))
    features = np.hstack([loud, quiet, rng.normal(size=(n, 4))])
    return torch.tensor(features, dtype=torch.float32), torch.tensor(labels)


def batches_of(inputs, labels):
    return list(zip(inputs.split(40), labels.split(40), strict=True))


def random_weights(kind, rng) -> dict[str, np.ndarray]:
    """Draw weights by name; those of normalisation stay as torch makes them."""
    return {
        name: rng.normal(scale=0.3, size=tensor.shape).astype(np.float32)
        for name, tensor in ours["empty"](kind).named_parameters()
        if not name.startswith("norm")
    }


def set_to_zero(model, chosen) -> None:
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if chosen(name):
                parameter.zero_()


def trained(kind, weights, batches, name, warm, chosen, when, epochs=EPOCHS):
    """Return our network after a training that zeroes the chosen parameters at certain moments.

    `when` holds ``start``, ``before`` each step, ``after`` each step, ``gradient`` (theirs is
    zeroed), ``end``.
    """
    model = ours["network"](kind, weights)
    optimizer = ours["optimizer_for"](model, name, batches if warm else [])
    model.train()
    if "start" in when:
        set_to_zero(model, chosen)
    for _ in range(epochs):
        for inputs, labels in batches:
            if "before" in when:
                set_to_zero(model, chosen)
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), labels).backward()
            if "gradient" in when:
                for called, parameter in model.named_parameters():
                    if chosen(called):
                        parameter.grad.zero_()
            optimizer.step()
            if "after" in when:
                set_to_zero(model, chosen)
    if "end" in when:
        set_to_zero(model, chosen)
    return model


def same_state(state, model, chosen) -> bool:
    """Whether the chosen parameters in `state` are those of `model`, up to rounding."""
    return all(
        np.shape(state.get(name)) == tuple(parameter.shape)
        and np.allclose(state[name], parameter.detach(), atol=1e-5, rtol=1e-3)
        for name, parameter in model.named_parameters()
        if chosen(name)
    )


def train(student, kind, weights, component, batches, name, x, *, warm=False, epochs=EPOCHS):
    """Return what came of the student's training: history, state, scores and outputs of parts."""
    function = student.function("train_ablated").handle()
    trial = (function, kind, weights, component, batches, name, warm, epochs, x)
    return student.make(TRIALS, "train_ablated", *trial).value().value


# ---- the component stays zero -------------------------------------------------------------------------


def judge_zero(student, expect, kind, component, name, rng, *, warm=False) -> None:
    """Expect the component to output zero when the trained model is evaluated."""
    batches = batches_of(*examples(rng, 120))
    weights, x = random_weights(kind, rng), examples(rng, 30)[0]
    report = train(student, kind, weights, component, batches, name, x, warm=warm, epochs=2)
    state, output = report["state"], np.asarray(report["parts"].get(component, np.nan))

    def inside(key):
        return key.startswith(f"{component}.")

    def ours_after(*when, chosen=inside, epochs=2):
        return trained(kind, weights, batches, name, warm, chosen, when, epochs)

    if not np.any(output):
        others = [layer for layer in silent_layers(state) if not inside(f"{layer}.")]
        expect.satisfies(not others, "other-component-zeroed")
        learned = not same_state(state, ours_after(epochs=0), lambda key: not inside(key))
        expect.satisfies(learned, "nothing-was-trained")
        return
    expect.evidence(kind="property", claims=[_moved(k, v) for k, v in state.items() if inside(k)])
    for misconception, when in (
        ("zeroed-before-the-step", ("before",)),
        ("zeroed-once", ("start",)),
        ("never-zeroed", ()),
        ("moved-by-momentum", ("start", "gradient")),
    ):
        if same_state(state, ours_after(*when), inside):
            expect.misconception(misconception)
    for when in (("after",), ("start", "after")):
        weights_only = ours_after(*when, chosen=lambda key: inside(key) and key.endswith("weight"))
        expect.satisfies(not same_state(state, weights_only, inside), "only-weights-zeroed")
    expect.satisfies(not same_state(state, ours_after(epochs=0), inside), "component-as-it-was")
    expect.misconception("component-not-zero")


def silent_layers(state) -> set[str]:
    """Return the layers all of whose parameters are zero."""
    layers = {}
    for key, value in state.items():
        if not key.endswith(("running_mean", "running_var", "num_batches_tracked")):
            layers.setdefault(key.rpartition(".")[0], []).append(bool(np.any(value)))
    return {layer for layer, moved in layers.items() if not any(moved)}


def _moved(key, value):
    size = float(np.abs(value).max())
    return {"what": f"max |{key}|", "claimed": "0", "found": f"{size:.3g}", "agrees": size == 0}


@pytest.mark.part("stays-zero", points=6)
def test_component_is_zero_at_evaluation(student, expect):
    rng = np.random.default_rng(21)
    expect.evidence(
        asked='train_ablated(model, "left", batches, SGD(model.parameters(), lr=0.3), 2)'
    )
    judge_zero(student, expect, "branches", "left", "sgd", rng)


@pytest.mark.part("stays-zero", points=4)
@pytest.mark.hidden
@pytest.mark.parametrize(
    ("component", "name"),
    [("block", "momentum"), ("block2.2", "decay"), ("block2", "adam"), ("block.2", "sgd")],
)
def test_component_is_zero_with_other_optimisers(student, expect, rng, component, name):
    judge_zero(student, expect, "steady", component, name, rng)


@pytest.mark.part("stays-zero", points=3)
@pytest.mark.hidden
def test_component_is_zero_after_earlier_steps(student, expect, rng):
    for name in ("momentum", "adam"):
        judge_zero(student, expect, "branches", "right", name, rng, warm=True)


# ---- the rest learns -----------------------------------------------------------------------------------


@pytest.mark.part("rest-learns", points=5)
def test_rest_learns_without_the_component(student, expect):
    expect.evidence(
        asked='train_ablated(model, "left", batches, SGD(model.parameters(), lr=0.3), 15)'
    )

    def trial(seed):
        batches, (x, labels), weights, simulated = lesson(seed)
        report = train(student, "branches", weights, "left", batches, "sgd", x)
        rest = report["scores"] - report["parts"].get("left", 0)
        accuracy = float((rest.argmax(axis=1) == labels.numpy()).mean())
        expect.evidence(claims=[_claim(accuracy)])
        for misconception, model in simulated.items():
            if same_state(report["state"], model, outside_left):
                expect.misconception(misconception)
        return accuracy >= LEARNED

    expect.over_seeds(trial, "rest-learns-too-little")


def outside_left(name) -> bool:
    return not name.startswith("left.")


@cache
def lesson(seed):
    """Return batches, test data, weights, and what known wrong ways make of the rest."""
    rng = np.random.default_rng(seed)
    batches, test = batches_of(*examples(rng, 240)), examples(rng, 200)
    weights = random_weights("branches", rng)
    simulated = {
        misconception: trained("branches", weights, batches, "sgd", False, outside_left, (), epochs)
        for misconception, epochs in (("nothing-was-trained", 0), ("trained-with-it", EPOCHS))
    }
    return batches, test, weights, simulated


def _claim(accuracy):
    return {
        "what": "accuracy",
        "claimed": f"> {LEARNED:.2f}",
        "found": f"{accuracy:.2f}",
        "agrees": accuracy >= LEARNED,
    }


@pytest.mark.part("rest-learns", points=3)
@pytest.mark.hidden
def test_history_of_the_training(student, expect, rng):
    batches = batches_of(*examples(rng, 220))
    weights, x = random_weights("branches", rng), examples(rng, 4)[0]
    report = train(student, "branches", weights, "extra", batches, "decay", x, epochs=5)
    losses = numbers(report["history"])
    expect.satisfies(losses is not None, "no-history")
    expect.satisfies(len(losses) != 5 * len(batches), "a-loss-for-each-batch")
    expect.satisfies(len(losses) == 5, "not-a-loss-for-each-epoch")
    expect.satisfies(bool(np.isfinite(losses).all()), "loss-not-finite")
    expect.satisfies(bool(losses[-1] < losses[0]), "loss-does-not-fall")
    for misconception, known in (
        ("gradients-add-up", history_of(weights, batches, 5, cleared=False)),
        ("zeroed-after-the-first-step", history_of(weights, batches, 5, zero_first=False)),
    ):
        expect.satisfies(not np.allclose(losses, known, rtol=1e-4), misconception)
    right = history_of(weights, batches, 1)[0]
    expect.satisfies(losses[0] < 0.7 * right * len(batches), "losses-added-up")
    expect.satisfies(0.75 * right < losses[0] < 1.25 * right, "not-the-mean-loss")


def numbers(history):
    """Return a history as an array, None where it is none."""
    try:
        losses = np.array([np.asarray(loss, dtype=float).item() for loss in history])
    except (TypeError, ValueError):
        return None
    return losses if len(losses) else None


def history_of(weights, batches, epochs, *, cleared=True, zero_first=True) -> list[float]:
    """Return the mean losses of our training without ``extra``, right or with a known slip."""
    model = ours["network"]("branches", weights)
    optimizer = ours["optimizer_for"](model, "decay", [])
    history, seen = [], 0
    for _ in range(epochs):
        losses = []
        for inputs, labels in batches:
            if zero_first or seen:
                set_to_zero(model, lambda key: key.startswith("extra."))
            loss = F.cross_entropy(model(inputs), labels)
            if cleared:
                optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            seen += 1
        history.append(float(np.mean(losses)))
    return history
