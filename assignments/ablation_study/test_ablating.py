"""Question 3: ablating a trained model, restoring it to the bit, and measuring the effects.

The blocks may zero the parameters, put a hook or another module in the component's place, or work
on a copy. A notebook without blocks is judged by what its `ablation_effects` does to the model.
"""

import copy
import runpy
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from grader.checks.outcome import Missing, Shortfall

pytestmark = pytest.mark.question("ablating")

PATH = Path(__file__).with_name("trials.py")
TRIALS, ours = PATH.read_text(encoding="utf-8"), runpy.run_path(str(PATH))

BRANCHES = ("left", "right", "extra")
QUANTITIES = {"acc": ("acc", "دقت"), "loss": ("loss", "هزینه", "زیان", "خطا")}


# ---- networks with given weights -------------------------------------------------------------------


def random_weights(kind, rng) -> dict[str, np.ndarray]:
    """Draw weights for a network, among them numbers that only an exact copy brings back."""
    weights = {}
    for name, tensor in ours["empty"](kind).state_dict().items():
        if not tensor.is_floating_point():
            continue
        if name.endswith("running_var"):
            values = rng.uniform(0.5, 1.5, size=tensor.shape)
        else:
            values = rng.normal(scale=0.7, size=tensor.shape)
            values.flat[:2] = -0.0, 1e-41
        weights[name] = values.astype(np.float32)
    return weights


def panel_weights(reference) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in reference.panel.state_dict().items()}


def random_inputs(rng, n=20) -> torch.Tensor:
    return torch.tensor(rng.normal(size=(n, 12)), dtype=torch.float32)


def zeroed(kind, weights, chosen):
    """Return our network with every parameter at zero whose name `chosen` accepts."""
    model = ours["network"](kind, weights)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if chosen(name):
                parameter.zero_()
    return model


def inside(components):
    """Return a test for the names of the parameters that belong to `components`."""
    return lambda name: any(name.startswith(f"{component}.") for component in components)


def bypassed(kind, weights, components):
    """Return our network where the components hand on their input, None if shapes forbid it."""
    model = ours["network"](kind, weights)
    for component in components:
        model.get_submodule(component).register_forward_hook(lambda module, given, output: given[0])
    return model


def scores_of(model, x):
    try:
        return ours["look"](model, x)["scores"].numpy()
    except RuntimeError:
        return None


# ---- evaluation ------------------------------------------------------------------------------------


def pair(value):
    """Return (loss, accuracy) from what an `evaluate` returned, in whatever form, else as it is."""
    if isinstance(value, Mapping):
        value = [by_quantity(value).get(key) for key in ("loss", "acc")]
    if isinstance(value, (tuple, list)) and len(value) >= 2:
        value = plain(value[:2])
    return value


def judge_evaluation(expect, answer, model, x, labels) -> None:
    """Compare (loss, accuracy) with those of our `model`."""
    loss, accuracy = measure(model, x, labels)
    with torch.no_grad():
        scores = copy.deepcopy(model).train()(x)
        probabilities = ours["look"](model, x)["scores"].softmax(dim=1)
    n = len(labels)
    wrong = {
        "loss-and-accuracy-swapped": (accuracy, loss),
        "loss-not-averaged": (loss * n, accuracy),
        "accuracy-not-divided": (loss, accuracy * n),
        "error-for-accuracy": (loss, 1 - accuracy),
        "softmax-before-cross-entropy": (F.cross_entropy(probabilities, labels), accuracy),
        "measured-in-training-mode": (F.cross_entropy(scores, labels), right(scores, labels)),
    }
    expect(pair(answer.value)).close(
        (loss, accuracy),
        atol=1e-5,
        rtol=1e-4,
        misconceptions={name: np.array([float(v) for v in both]) for name, both in wrong.items()},
        alternatives={"percent": (loss, 100 * accuracy)},
    )


def right(scores, labels) -> float:
    return (scores.argmax(dim=1) == labels).double().mean().item()


def measure(model, x, labels) -> tuple[float, float]:
    """Return loss and accuracy of one of our models, without the reference's help."""
    scores = ours["look"](model, x)["scores"]
    return F.cross_entropy(scores, labels).item(), right(scores, labels)


@pytest.mark.part("evaluation", points=2)
def test_evaluation_of_the_panel(student, reference, expect):
    weights = panel_weights(reference)
    x, labels = reference.panel_test
    evaluate = student.function("evaluate")
    model = student.make(TRIALS, "network", "branches", weights)
    answer = evaluate(model, x, labels)
    judge_evaluation(expect, answer, ours["network"]("branches", weights), x, labels)


@pytest.mark.part("evaluation", points=2)
@pytest.mark.hidden
def test_evaluation_of_other_networks(student, expect, rng):
    evaluate = student.function("evaluate")
    for kind, n in (("steady", 40), ("tower", 25)):
        weights, x = random_weights(kind, rng), random_inputs(rng, n)
        labels = torch.tensor(rng.integers(3, size=n))
        model = student.make(TRIALS, "network", kind, weights, True)
        answer = evaluate(model, x, labels)
        judge_evaluation(expect, answer, ours["network"](kind, weights), x, labels)


# ---- inside the block -------------------------------------------------------------------------------


def enter(student, kind, weights, components, x, *, failing=False):
    """Return what was seen inside and after the student's blocks."""
    function = student.function("ablated").handle()
    model = student.make(TRIALS, "network", kind, weights)
    return (
        student.make(TRIALS, "ablated", function, model, list(components), x, failing).value().value
    )


def judge_inside(student, expect, kind, weights, components, x) -> None:
    """Expect the components to be ablated inside the blocks, and nothing else."""
    report = enter(student, kind, weights, components, x)
    expect.satisfies(not report["generator"], "decorator-forgotten")
    chosen = inside(components)
    expected = scores_of(zeroed(kind, weights, chosen), x)
    wrong = {
        "nothing-ablated": zeroed(kind, weights, lambda name: False),
        "biases-left": zeroed(
            kind, weights, lambda name: chosen(name) and not name.endswith("bias")
        ),
        "namesake-ablated": zeroed(kind, weights, lambda name: name.startswith(tuple(components))),
        "everything-else-ablated": zeroed(kind, weights, lambda name: not chosen(name)),
        "everything-ablated": zeroed(kind, weights, lambda name: True),
        "component-bypassed": bypassed(kind, weights, components),
        "second-block-undoes-the-first": zeroed(kind, weights, inside(components[-1:])),
    }
    scores = {name: scores_of(model, x) for name, model in wrong.items()}
    if len(components) == 1:
        del scores["second-block-undoes-the-first"]
    expect(report["inside"]["scores"]).close(
        expected,
        atol=1e-4,
        rtol=1e-3,
        misconceptions={name: value for name, value in scores.items() if value is not None},
    )
    if report["copied"]:
        expect.note("works-on-a-copy")


def judge_by_effects(student, reference, expect, missing, kind, weights, components) -> None:
    """Judge a notebook that has no blocks by the effects that it measures."""
    x, labels = labelled(kind, weights, np.random.default_rng(8))
    model = ours["network"](kind, weights)
    try:
        report = run_effects(student, kind, weights, components, x, labels)
    except Missing:
        raise missing from None
    judge_effects(expect, report["returned"], model, components, x, labels)
    expect.note("judged-by-its-effects")


@pytest.mark.part("disabling", points=4)
def test_output_without_a_branch(student, reference, expect):
    weights, x = panel_weights(reference), reference.panel_test[0]
    try:
        for component in BRANCHES:
            expect.evidence(asked=f'with ablated(panel, "{component}") as model: model(inputs)')
            judge_inside(student, expect, "branches", weights, [component], x)
    except Missing as missing:
        judge_by_effects(student, reference, expect, missing, "branches", weights, BRANCHES)


@pytest.mark.part("disabling", points=4)
@pytest.mark.hidden
@pytest.mark.parametrize("component", ["norm", "block", "block.2", "head"])
def test_output_of_other_networks(student, reference, expect, rng, component):
    weights, x = random_weights("tower", rng), random_inputs(rng)
    try:
        judge_inside(student, expect, "tower", weights, [component], x)
    except Missing as missing:
        judge_by_effects(student, reference, expect, missing, "tower", weights, [component])


# ---- after the block --------------------------------------------------------------------------------


def judge_state(expect, kind, weights, state, components, text_id) -> None:
    """Expect `state` to be that of `weights`, bit for bit; `text_id` explains a lost component."""
    given = ours["network"](kind, weights).state_dict()
    changed, claims = [], []
    for name, tensor in given.items():
        before, after = tensor.numpy(), np.asarray(state.get(name))
        same = (
            before.shape == after.shape
            and before.dtype == after.dtype
            and before.tobytes() == after.tobytes()
        )
        if not same:
            changed.append(name)
        found = "Δ = 0" if same else _distance(before, after)
        claims.append({"what": name, "claimed": "Δ = 0", "found": found, "agrees": same})
    expect.evidence(kind="property", claims=claims)
    if not changed:
        expect.satisfies(set(state) == set(given), "other-tensors-in-the-state")
        return
    lost = [name for name in changed if not np.any(np.asarray(state.get(name, 1)))]
    if lost and all(inside(components)(name) for name in lost):
        expect.misconception(text_id)
    if all(inside(components)(name) for name in changed):
        close = [np.allclose(given[name], state.get(name, np.nan), atol=1e-3) for name in changed]
        expect.misconception("almost-restored" if all(close) else "restored-to-something-else")
    expect.misconception("other-parameters-changed")


def _distance(before, after) -> str:
    if before.shape != after.shape:
        return f"shape {after.shape}"
    if before.dtype != after.dtype:
        return f"dtype {after.dtype}"
    return f"bits ≠, max |Δ| = {np.abs(before.astype(float) - after.astype(float)).max():.3g}"


def judge_after(student, expect, kind, weights, components, x, *, failing) -> dict:
    """Expect the model to be as before after the blocks, left by an exception if `failing`."""
    report = enter(student, kind, weights, components, x, failing=failing)
    lost = "lost-after-an-exception" if failing else "not-restored"
    judge_state(expect, kind, weights, report["state"], components, lost)
    restored = scores_of(ours["network"](kind, weights), x)
    close = np.allclose(report["scores"], restored, atol=1e-4, rtol=1e-3)
    expect.satisfies(close, "still-ablated-by-a-hook")
    expect.satisfies(not report["swallowed"], "exception-swallowed")
    expect_ablated_at_all(expect, kind, weights, components, x, report)
    return report


def expect_ablated_at_all(expect, kind, weights, components, x, report) -> None:
    """A block that changes nothing restores nothing either."""
    whole = scores_of(ours["network"](kind, weights), x)
    idle = np.allclose(report["inside"]["scores"], whole, atol=1e-6)
    expect.satisfies(not idle, "nothing-ablated")


def judge_state_by_effects(student, expect, missing, kind, weights, components, *, failing) -> None:
    """Judge a notebook that has no blocks by what its `ablation_effects` leaves of the model."""
    x, labels = labelled(kind, weights, np.random.default_rng(8))
    try:
        report = run_effects(student, kind, weights, components, x, labels, failing=failing)
    except Missing:
        raise missing from None
    lost = "lost-after-an-exception" if failing else "not-restored"
    for state in report["states"]:
        judge_state(expect, kind, weights, state, components, lost)
    expect.satisfies(not report["swallowed"], "exception-swallowed")
    if not failing:
        model = ours["network"](kind, weights)
        judge_effects(expect, report["returned"], model, components, x, labels)
    expect.note("judged-by-its-effects")


@pytest.mark.part("restoring", points=4)
def test_state_after_the_block(student, expect):
    rng = np.random.default_rng(11)
    weights, x = random_weights("branches", rng), random_inputs(rng)
    expect.evidence(asked='with ablated(model, "left"): ...')
    try:
        judge_after(student, expect, "branches", weights, ["left"], x, failing=False)
    except Missing as missing:
        judge_state_by_effects(
            student, expect, missing, "branches", weights, BRANCHES, failing=False
        )


@pytest.mark.part("restoring", points=3)
def test_state_after_an_exception(student, expect):
    rng = np.random.default_rng(12)
    weights, x = random_weights("branches", rng), random_inputs(rng)
    expect.evidence(asked='with ablated(model, "right"): raise RuntimeError')
    try:
        judge_after(student, expect, "branches", weights, ["right"], x, failing=True)
    except Missing as missing:
        judge_state_by_effects(
            student, expect, missing, "branches", weights, BRANCHES, failing=True
        )


@pytest.mark.part("restoring", points=3)
@pytest.mark.hidden
@pytest.mark.parametrize("nested", ["norm", "block2 stem", "block block.0"])
def test_nested_blocks_of_other_networks(student, expect, rng, nested):
    weights, x, components = random_weights("tower", rng), random_inputs(rng), nested.split()
    try:
        judge_inside(student, expect, "tower", weights, components, x)
        for failing in (False, True):
            report = judge_after(student, expect, "tower", weights, components, x, failing=failing)
            expect.satisfies(report["same_tensors"], "parameters-replaced")
            expect.satisfies(report["same_flags"], "mode-not-restored")
    except Missing as missing:
        judge_state_by_effects(
            student, expect, missing, "tower", weights, components, failing=False
        )


# ---- effects ----------------------------------------------------------------------------------------


def labelled(kind, weights, rng, n=60):
    """Return inputs and labels on which our network is mostly, but not always, right."""
    model = ours["network"](kind, weights)
    x = random_inputs(rng, n).to(next(model.parameters()).dtype)
    labels = torch.tensor(scores_of(model, x)).argmax(dim=1)
    noisy = torch.tensor(rng.random(n) < 0.2)
    return x, torch.where(noisy, torch.tensor(rng.integers(3, size=n)), labels)


def run_effects(student, kind, weights, components, x, labels, *, failing=False):
    """Return what the student's `ablation_effects` returns and what it leaves of the model."""
    function = student.function("ablation_effects").handle()
    trial = (function, kind, weights, list(components), x, labels, failing)
    return student.make(TRIALS, "ablation_effects", *trial).value().value


def rows(value, components):
    """Return (drop, rise) for each component from what `ablation_effects` returned.

    Also by quantity instead of by component, or as rows with or without a name; what cannot be
    read is returned as it is.
    """
    if isinstance(value, Mapping):
        if all(name in value for name in components):
            return [_row(value[name]) for name in components]
        columns = [by_quantity(value).get(key) for key in ("acc", "loss")]
        if all(isinstance(column, Mapping) for column in columns):
            return [[column.get(name) for column in columns] for name in components]
        if all(isinstance(column, (list, tuple)) for column in columns):
            return [list(row) for row in zip(*columns, strict=False)]
    if isinstance(value, (list, tuple)) and len(value) == len(components):
        return [_row(row) for row in value]
    return value


def _row(row):
    if isinstance(row, Mapping):
        return [by_quantity(row).get(key) for key in ("acc", "loss")]
    if isinstance(row, (list, tuple)):
        return [each for each in row if not isinstance(each, str)][:2]
    return row


def by_quantity(value: Mapping):
    """Return what stands under keys like ``accuracy_drop`` and ``loss``."""
    found = {}
    for key, each in value.items():
        for quantity, words in QUANTITIES.items():
            if any(word in str(key).lower() for word in words):
                found.setdefault(quantity, each)
    return found


def plain(value):
    """Return nested lists of numbers as an array; what is none is returned as it is."""
    try:
        return np.array(value, dtype=float)
    except (TypeError, ValueError):
        return value


def true_effects(model, components, x, labels, *, cumulative=False):
    """Return loss and accuracy of our whole model, and (drop, rise) for each component."""
    loss, accuracy = measure(model, x, labels)
    found = []
    fresh = copy.deepcopy(model)
    for component in components:
        if not cumulative:
            fresh = copy.deepcopy(model)
        with torch.no_grad():
            for parameter in fresh.get_submodule(component).parameters():
                parameter.zero_()
        ablated_loss, ablated_accuracy = measure(fresh, x, labels)
        found.append((accuracy - ablated_accuracy, ablated_loss - loss))
    return loss, accuracy, np.array(found)


def judge_effects(expect, value, model, components, x, labels, follow_through=None) -> None:
    """Compare the effects that the student measured with those of our model."""
    loss, accuracy, expected = true_effects(model, components, x, labels)
    own = expected if follow_through is None else follow_through  # slips in what they measured
    wrong = {
        "effects-with-flipped-signs": -own,
        "accuracy-drop-with-flipped-sign": own * [-1, 1],
        "loss-rise-with-flipped-sign": own * [1, -1],
        "columns-swapped": own[:, ::-1],
        "after-instead-of-difference": [accuracy, loss] - own * [1, -1],
        "relative-drop": own / [accuracy, loss],
        "components-pile-up": true_effects(model, components, x, labels, cumulative=True)[2],
    }
    if len(components) == 1:
        del wrong["components-pile-up"]
    expect(plain(rows(value, components))).close(
        expected,
        atol=1e-4,
        rtol=1e-3,
        misconceptions=wrong,
        alternatives={"percent": expected * [100, 1]},
        follow_through=follow_through,
    )


def own_effects(student, kind, weights, components, x, labels):
    """Return the effects that follow from the student's own `evaluate` and `ablated`."""
    try:
        evaluate, ablated = (student.function(n).handle() for n in ("evaluate", "ablated"))
        model = student.make(TRIALS, "network", kind, weights)
        groups = [[], *([component] for component in components)]
        trial = (evaluate, ablated, model, groups, x, labels)
        results = student.make(TRIALS, "measured", *trial).value().value
        whole, *without = (np.array(pair(each), dtype=float) for each in results)
    except (Shortfall, TypeError, ValueError, IndexError):
        return None
    carried = np.array([(whole[1] - each[1], each[0] - whole[0]) for each in without])
    if not np.isfinite(carried).all() or not np.any(carried):
        return None  # nothing follows from what is no number, or from an ablation without effect
    return carried


@pytest.mark.part("effects", points=4)
def test_effects_in_the_panel(student, reference, expect):
    weights, (x, labels) = panel_weights(reference), reference.panel_test
    carried = own_effects(student, "branches", weights, BRANCHES, x, labels)
    model = ours["network"]("branches", weights)
    try:
        expected = true_effects(model, BRANCHES, x, labels)[2]
        value = student.value("panel_effects", like=expected).value
    except Missing as missing:
        try:
            value = run_effects(student, "branches", weights, BRANCHES, x, labels)["returned"]
        except Missing:
            raise missing from None
    judge_effects(expect, value, model, BRANCHES, x, labels, follow_through=carried)


@pytest.mark.part("effects", points=4)
@pytest.mark.hidden
def test_effects_in_other_networks(student, expect, rng):
    for kind, components in (
        ("branches", ("extra", "left")),
        ("tower", ("block", "norm", "block2.2")),
    ):
        weights = random_weights(kind, rng)
        x, labels = labelled(kind, weights, rng)
        carried = own_effects(student, kind, weights, components, x, labels)
        value = run_effects(student, kind, weights, components, x, labels)["returned"]
        model = ours["network"](kind, weights)
        judge_effects(expect, value, model, components, x, labels, follow_through=carried)
