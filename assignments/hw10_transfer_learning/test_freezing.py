"""Parts b and d: what is frozen, what is trained, and how many parameters that makes."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from grader.checks.outcome import Missing, Shortfall

PATH = Path(__file__).with_name("trials.py")
TRIALS, ours = PATH.read_text(encoding="utf-8"), runpy.run_path(str(PATH))

PARTS = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "fc")
HEAD = [(1024, 2048), (1024,), (None, 1024), (None,)]


def images(rng, n=4) -> torch.Tensor:
    return torch.tensor(rng.normal(size=(n, 3, 16, 16)), dtype=torch.float32)


# ---- counting ----------------------------------------------------------------------------------------

COUNTS = {
    "resnet_tensors": {
        "layers-for-tensors": (50, 54, 107),
        "fc-not-counted": (159,),
        "statistics-counted-too": (267, 320),
    },
    "resnet_parameters": {
        "fc-not-counted": (23_508_032,),
        "statistics-counted-too": (25_610_152, 25_610_205),
        "counted-with-the-new-head": (25_807_108,),
    },
    "transfer_tensors": {
        "head-beside-fc": (165,),
        "head-not-put-in": (161,),
        "layers-for-tensors": (54, 109),
        "fc-not-counted": (159,),
        "statistics-counted-too": (322,),
    },
    "trainable_tensors": {
        "nothing-frozen": (163, 165, 161),
        "layers-for-tensors": (2,),
        "only-the-last-layer-of-the-head": (1,),
        "parameters-for-tensors": (2_299_076,),
    },
    "head_parameters": {
        "biases-forgotten": (2_297_856,),
        "one-layer-of-the-head-forgotten": (200_900, 2_098_176),
        "head-of-one-layer": (401_604,),
        "head-of-a-thousand-classes": (3_123_176,),
        "tensors-for-parameters": (4,),
    },
}


@pytest.mark.question("extraction")
@pytest.mark.part("counts", points=5)
@pytest.mark.parametrize("name", COUNTS)
def test_count(student, reference, expect, name):
    expected = getattr(reference, name)
    like = expected if expected > 1000 else None
    answer = student.value(name, like=like, kind="integer", units=("tensors", "تنسور"))
    wrong = [text for text, values in COUNTS[name].items() if answer.value in values]
    expect(answer).equal(expected, misconceptions=dict.fromkeys(wrong, answer.value))


@pytest.mark.question("tuning")
@pytest.mark.part("count", points=2)
def test_count_of_tuned_tensors(student, reference, expect):
    answer = student.value("tuned_tensors", kind="integer", units=("tensors", "تنسور"))
    expect(answer).equal(
        reference.tuned_tensors,
        misconceptions={
            "head-forgotten": 30,
            "only-the-head": 4,
            "downsample-forgotten": 31,
            "only-the-last-block": 13,
            "everything-trained": 163,
            "layers-for-tensors": 22,
        },
    )


# ---- feature extraction ------------------------------------------------------------------------------


def transferred(student, name, seed, classes, x, *, values=False):
    """Return what became of the small network in their function."""
    function = student.function(name).handle()
    arguments = (function, seed, classes, x, values)
    return student.make(TRIALS, "transferred", *arguments, about=name).value().value


def show(expect, report, *trained: str) -> None:
    """Show how many tensors of each part are trained, beside how many should be."""
    claims = []
    for part in PARTS[:-1]:
        flags = [flag for name, flag in report["known"].items() if name.split(".")[0] == part]
        wanted = len(flags) if part in trained else 0
        claims.append(claim(f"{part}: requires_grad", wanted, sum(flags), len(flags)))
    for shape, flag in report["new"]:
        claims.append(claim(f"fc {'×'.join(map(str, shape))}: requires_grad", 1, int(flag), 1))
    expect.evidence(kind="property", claims=claims)


def claim(what, wanted, found, of) -> dict:
    return {
        "what": what,
        "claimed": f"{wanted}/{of}",
        "found": f"{found}/{of}",
        "agrees": wanted == found,
    }


def judge_head(expect, report, classes) -> None:
    """Expect a trainable head of two layers in the place of ``fc``."""
    expect.satisfies(bool(report["new"]), "no-new-head")
    kept = any(name.startswith("fc.") for name in report["known"])
    expect.satisfies(not kept, "head-beside-fc")
    shapes = [tuple(shape) for shape, _ in report["new"]]
    expect.satisfies(len(shapes) != 2, "head-of-one-layer")
    wanted = [tuple(classes if side is None else side for side in shape) for shape in HEAD]
    expect.satisfies(sorted(shapes) == sorted(wanted), "head-of-other-sizes")
    flags = [flag for _, flag in report["new"]]
    expect.satisfies(all(flags), "head-frozen-too")


@pytest.mark.question("extraction")
@pytest.mark.part("frozen", points=3)
def test_backbone_is_frozen_and_the_head_is_not(student, expect):
    x = images(np.random.default_rng(41))
    expect.evidence(asked="feature_extractor(model, 196)")
    report = transferred(student, "feature_extractor", 41, 196, x)
    show(expect, report)
    backbone = {n: f for n, f in report["known"].items() if not n.startswith("fc.")}
    if any(backbone.values()):
        expect.satisfies(not report["misspelt"], "require-grad-misspelt")
        expect.satisfies(not all(backbone.values()), "nothing-frozen")
        convolutions = [f for n, f in backbone.items() if "bn" not in n and ".1." not in n]
        expect.satisfies(any(convolutions), "normalisation-not-frozen")
        expect.misconception("part-of-the-backbone-not-frozen")
    judge_head(expect, report, 196)


def scores_by_hand(features, values):
    """Return the scores of the head, and what they are without its ReLU, or with a softmax."""
    W1, b1, W2, b2 = (torch.tensor(np.asarray(value)) for value in values)
    hidden = features @ W1.T + b1
    scores = hidden.relu() @ W2.T + b2
    return scores, {
        "head-without-activation": hidden @ W2.T + b2,
        "softmax-in-the-head": scores.softmax(dim=1),
        "activation-at-the-end": scores.relu(),
    }


def features_of(model, x) -> torch.Tensor:
    """Return the pooled features of our network in evaluation mode."""
    model.eval()
    model.fc = torch.nn.Identity()
    with torch.no_grad():
        return model(x)


@pytest.mark.question("extraction")
@pytest.mark.part("frozen", points=3)
@pytest.mark.hidden
def test_scores_of_the_head(student, expect, rng):
    seed, x = int(rng.integers(1000)), images(rng)
    report = transferred(student, "feature_extractor", seed, 9, x, values=True)
    judge_head(expect, report, 9)
    features = features_of(ours["network"](seed), x)
    expected, wrong = scores_by_hand(features, report["values"])
    expect(report["scores"]).close(
        expected,
        atol=1e-3,
        rtol=1e-3,
        misconceptions=wrong,
        alternatives={"log-softmax-is-harmless": expected.log_softmax(dim=1)},
    )


# ---- training mode -----------------------------------------------------------------------------------


def judge_training_mode(expect, report, thawed=()) -> None:
    """Expect nothing frozen to move, and what is trained to be in training mode."""
    expect.satisfies(report["same_flags"], "training-mode-changes-what-is-frozen")
    before = ours["state_of"](ours["frozen"](report["seed"], thawed))
    moved = [
        name
        for name, tensor in before.items()
        if name in report["state"]
        and not name.startswith(("fc.", *thawed))
        and not np.array_equal(tensor.numpy(), report["state"][name])
    ]
    claims = [
        {"what": name, "claimed": "Δ = 0", "found": "Δ ≠ 0", "agrees": False} for name in moved[:8]
    ]
    if claims:
        expect.evidence(kind="property", claims=claims)
    statistics = all("running" in name or "num_batches" in name for name in moved)
    expect.satisfies(not moved or not statistics, "batchnorm-still-updates")
    expect.satisfies(not moved, "frozen-weights-move")


def training_mode(student, seed, thawed, x, labels):
    function = student.function("set_training_mode").handle()
    arguments = (function, seed, thawed, x, labels)
    report = student.make(TRIALS, "in_training", *arguments, about="set_training_mode")
    return {"seed": seed, **report.value().value}


def own_training_mode(student, seed, x, labels):
    """Ask a model whose own ``train`` keeps the statistics."""
    function = student.function("feature_extractor").handle()
    arguments = (function, seed, x, labels)
    handle = student.make(TRIALS, "trained_extractor", *arguments, about="feature_extractor")
    return handle.value().value


@pytest.mark.question("extraction")
@pytest.mark.part("statistics", points=2)
def test_frozen_statistics_stay_in_training(student, expect):
    rng = np.random.default_rng(42)
    x, labels = images(rng, 6), torch.tensor(rng.integers(7, size=6))
    expect.evidence(asked="set_training_mode(model); a step on a batch")
    try:
        report = training_mode(student, 42, (), x, labels)
    except Missing as missing:
        if not kept_by_the_model(student, x, labels):
            raise missing from None
        expect.note("statistics-kept-by-the-model")
        return
    judge_training_mode(expect, report)
    expect.satisfies(report["modes"]["fc.3"], "dropout-left-in-evaluation-mode")


def kept_by_the_model(student, x, labels) -> bool:
    """Whether the model of `feature_extractor` keeps its statistics by itself in training mode."""
    try:
        state = own_training_mode(student, 42, x, labels)["state"]
    except Shortfall:
        return False
    given = ours["state_of"](ours["network"](42))
    wanted = [tensor.numpy() for name, tensor in given.items() if "running" in name]
    kept = [np.asarray(value) for name, value in state.items() if "running" in name]
    pairs = zip(wanted, kept, strict=False)
    return len(kept) >= len(wanted) and all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.question("extraction")
@pytest.mark.part("statistics", points=2)
@pytest.mark.hidden
def test_training_mode_of_other_networks(student, expect, rng):
    x, labels = images(rng, 6), torch.tensor(rng.integers(7, size=6))
    for thawed in (("layer4.",), ("layer3.", "layer4.")):
        seed = int(rng.integers(1000))
        try:
            report = training_mode(student, seed, thawed, x, labels)
        except Missing as missing:
            if not kept_by_the_model(student, x, labels):
                raise missing from None
            expect.note("statistics-kept-by-the-model")
            return
        judge_training_mode(expect, report, thawed)
        expect.satisfies(report["modes"]["fc.3"], "dropout-left-in-evaluation-mode")
    if not report["modes"]["layer4.1"]:
        expect.note("trained-normalisation-in-evaluation-mode")


# ---- fine-tuning -------------------------------------------------------------------------------------


def judge_thawed(expect, report) -> None:
    """Expect a row of last layers to be trainable, `layer4` among them, and all of the head."""
    trained = {part: [] for part in PARTS}
    for name, flag in report["known"].items():
        trained[name.split(".")[0]].append(flag)
    backbone = [part for part in PARTS if part != "fc"]
    somewhat = [part for part in backbone if any(trained[part])]
    expect.satisfies(bool(somewhat), "only-the-head-trained")
    expect.satisfies("layer4" in somewhat, "wrong-end-trained")
    expect.satisfies(len(somewhat) < len(backbone), "everything-trained")
    row = backbone[backbone.index(somewhat[0]) :]
    expect.satisfies(somewhat == row, "gap-between-trained-layers")
    expect.satisfies(all(trained["layer4"]), "part-of-layer4-frozen")


@pytest.mark.question("tuning")
@pytest.mark.part("layers", points=3)
def test_last_layers_are_trained_and_the_first_are_not(student, expect):
    x = images(np.random.default_rng(43))
    expect.evidence(asked="fine_tuning_model(model, 196)")
    report = transferred(student, "fine_tuning_model", 43, 196, x)
    show(expect, report, "layer4")
    judge_thawed(expect, report)
    judge_head(expect, report, 196)


@pytest.mark.question("tuning")
@pytest.mark.part("layers", points=2)
@pytest.mark.hidden
def test_fine_tuned_network_keeps_its_weights(student, expect, rng):
    seed, x = int(rng.integers(1000)), images(rng)
    report = transferred(student, "fine_tuning_model", seed, 5, x, values=True)
    given = [n for n, _ in ours["network"](seed).named_parameters() if not n.startswith("fc.")]
    expect.satisfies(all(name in report["known"] for name in given), "pretrained-weights-lost")
    judge_thawed(expect, report)
    judge_head(expect, report, 5)
    expected, wrong = scores_by_hand(features_of(ours["network"](seed), x), report["values"])
    expect(report["scores"]).close(
        expected,
        atol=1e-3,
        rtol=1e-3,
        misconceptions=wrong,
        alternatives={"log-softmax-is-harmless": expected.log_softmax(dim=1)},
    )


def rates_of(student, seed, thawed, learning_rate, rng):
    x, labels = images(rng, 6), torch.tensor(rng.integers(7, size=6))
    function = student.function("fine_tuning_optimizer").handle()
    arguments = (function, seed, thawed, learning_rate, x, labels)
    handle = student.make(TRIALS, "rates", *arguments, about="fine_tuning_optimizer")
    return handle.value().value


def judge_rates(expect, report, seed, thawed, learning_rate) -> None:
    """Expect all that is trained at its rate, and to move by a step."""
    model = ours["frozen"](seed, thawed)
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    head = [name for name in trained if name.startswith("fc.")]
    backbone = [name for name in trained if name not in head]
    rates = report["rates"]
    held = [name for name in backbone if name in rates]
    expect.satisfies(bool(held) or not all(n in rates for n in head), "optimiser-of-the-head-only")
    expect.satisfies(any(name in rates for name in head), "head-not-in-the-optimiser")
    expect.satisfies(all(name in rates for name in trained), "trained-parameter-left-out")
    of_head, of_backbone = ({rates[name] for name in names} for names in (head, backbone))
    expect.satisfies(min(of_backbone) > 0 and min(of_head) > 0, "rate-of-zero")
    expect.satisfies(of_head | of_backbone != {learning_rate}, "one-rate-for-all")
    expect.satisfies(max(of_backbone) < min(of_head), "rates-the-wrong-way-round")
    close = all(np.isclose(rate, learning_rate) for rate in of_head)
    expect.satisfies(close, "learning-rate-ignored")
    moved = set(report["moved"])
    expect.satisfies(moved <= set(trained), "frozen-weights-move")
    if set(rates) - set(trained):
        expect.note("frozen-parameters-in-the-optimiser")


@pytest.mark.question("tuning")
@pytest.mark.part("optimiser", points=2)
def test_optimiser_holds_all_that_is_trained(student, expect):
    expect.evidence(asked="fine_tuning_optimizer(model, 0.1)")
    report = rates_of(student, 44, ("layer4.",), 0.1, np.random.default_rng(44))
    claims = {}
    for name, rate in report["rates"].items():
        claims.setdefault(name.split(".")[0], set()).add(rate)
    expect.evidence(
        kind="property",
        claims=[
            {"what": part, "claimed": "", "found": ", ".join(f"{r:g}" for r in sorted(rates)), "agrees": True}
            for part, rates in claims.items()
        ],
    )  # fmt: skip
    judge_rates(expect, report, 44, ("layer4.",), 0.1)


@pytest.mark.question("tuning")
@pytest.mark.part("optimiser", points=2)
@pytest.mark.hidden
def test_optimiser_of_other_networks(student, expect, rng):
    for thawed in (("layer3.", "layer4."), ("layer4.",)):
        seed, rate = int(rng.integers(1000)), float(rng.uniform(0.01, 0.3))
        report = rates_of(student, seed, thawed, rate, rng)
        judge_rates(expect, report, seed, thawed, rate)
