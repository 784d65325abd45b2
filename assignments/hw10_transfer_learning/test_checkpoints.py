"""Part a: checkpoints that training goes on from, and the training loop.

What a student's functions leave is compared with a training of our own that knew no interruption.
"""

import runpy
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

pytestmark = pytest.mark.question("scratch")

PATH = Path(__file__).with_name("trials.py")
TRIALS, ours = PATH.read_text(encoding="utf-8"), runpy.run_path(str(PATH))

OUTPUTS = ("0.weight", "0.bias", "1.weight", "1.bias", "3.weight", "3.bias")
STATISTICS = ("1.running_mean", "1.running_var")
LEARNED = (
    0.5  # guessing among three classes has a loss of log 3 = 1.10, a training of ours below 0.1
)


@cache
def batches_of(seed, n=24, size=8):
    """Return measurements of three classes that can be told apart, in batches."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=n)
    centres = np.eye(3, 6)[labels] * 3
    inputs = torch.tensor(centres + rng.normal(size=(n, 6)), dtype=torch.float32)
    return list(zip(inputs.split(size), torch.tensor(labels).split(size), strict=True))


def together(state, names):
    """Return some of the tensors of a state as one row of numbers."""
    return np.concatenate([np.ravel(np.asarray(state[name])) for name in names])


def followed(seed, name, batches, times, fresh_optimizer_after=None):
    """Return our learner after some epochs, if asked with an optimiser that forgot in between."""
    model = ours["learner"](seed)
    optimizer = ours["OPTIMIZERS"][name](model.parameters())
    for epoch in range(times):
        if epoch == fresh_optimizer_after:
            optimizer = ours["OPTIMIZERS"][name](model.parameters())
        ours["steps"](model, optimizer, batches)
    return ours["state_of"](model)


# ---- the checkpoint ----------------------------------------------------------------------------------


def judge_round_trip(student, expect, seed, name) -> None:
    """Expect model, optimiser and epoch to come back from disk."""
    save = student.function("save_checkpoint").handle()
    load = student.function("load_checkpoint").handle()
    batches = batches_of(seed)
    handle = student.make(
        TRIALS, "round_trip", save, load, seed, name, batches, about="save_checkpoint"
    )
    report = handle.value().value
    expect.satisfies(report["files"] > 0, "nothing-on-disk")
    saved, later = followed(seed, name, batches, 1), followed(seed, name, batches, 2)
    fresh = ours["state_of"](ours["learner"](seed + 1))
    for names, lost in ((OUTPUTS, "model-not-restored"), (STATISTICS, "statistics-not-restored")):
        expect(together(report["loaded"], names)).close(
            together(saved, names),
            atol=1e-4,
            rtol=1e-3,
            misconceptions={
                lost: together(fresh, names),
                "checkpoint-goes-on-with-the-model": together(later, names),
            },
        )
    forgot = followed(seed, name, batches, 2, fresh_optimizer_after=1)
    expect(together(report["resumed"], OUTPUTS)).close(
        together(later, OUTPUTS),
        atol=1e-4,
        rtol=1e-3,
        misconceptions={"optimiser-not-restored": together(forgot, OUTPUTS)},
    )
    expect.satisfies(report["epoch"] is not None, "epoch-not-returned")
    expect(report["epoch"]).equal(7, misconceptions={"epoch-off-by-one": 8})


@pytest.mark.part("checkpoint", points=3)
def test_checkpoint_restores_model_and_optimiser(student, expect):
    expect.evidence(asked="save_checkpoint(path, model, optimizer, 7); load_checkpoint(path, …)")
    judge_round_trip(student, expect, 31, "momentum")


@pytest.mark.part("checkpoint", points=4)
@pytest.mark.hidden
def test_checkpoint_of_other_optimisers(student, expect, rng):
    for name in ("adam", "momentum"):
        judge_round_trip(student, expect, int(rng.integers(1000)), name)


# ---- going on ----------------------------------------------------------------------------------------


def wrong_ways_to_go_on(seed, name, batches, epochs, last):
    """Return what becomes of the model when training does not go on as it should."""
    forgot = followed(seed, name, batches, epochs, fresh_optimizer_after=last)
    return {
        "starts-over": together(followed(seed + 1, name, batches, epochs), OUTPUTS),
        "optimiser-not-restored": together(forgot, OUTPUTS),
        "all-epochs-again": together(followed(seed, name, batches, epochs + last), OUTPUTS),
        "last-epoch-again": together(followed(seed, name, batches, epochs + 1), OUTPUTS),
        "one-epoch-skipped": together(followed(seed, name, batches, epochs - 1), OUTPUTS),
    }


@pytest.mark.part("resuming", points=3)
def test_interrupted_training_goes_on(student, expect):
    seed, name, batches = 32, "momentum", batches_of(32)
    train = student.function("train").handle()
    expect.evidence(asked="train(model, batches, optimizer, 8, path, every=2), ended in epoch 6")
    handle = student.make(TRIALS, "interrupted", train, seed, name, batches, 8, 2, 5, about="train")
    report = handle.value().value
    claim = {
        "what": "epochs after the interruption",
        "claimed": "4",
        "found": str(report["epochs"]),
    }
    expect.evidence(kind="property", claims=[{**claim, "agrees": report["epochs"] == 4}])
    expect.satisfies(report["files"] > 0, "no-checkpoint-while-training")
    expect(together(report["state"], OUTPUTS)).close(
        together(followed(seed, name, batches, 8), OUTPUTS),
        atol=1e-3,
        rtol=1e-2,
        misconceptions=lambda: wrong_ways_to_go_on(seed, name, batches, 8, 4),
    )


@pytest.mark.part("resuming", points=2)
def test_training_lowers_the_loss(student, expect):
    train = student.function("train").handle()
    expect.evidence(asked="train(model, batches, SGD(model.parameters(), lr=0.2), 12)")

    def trial(seed):
        batches = batches_of(seed, n=60, size=10)
        handle = student.make(TRIALS, "trained", train, seed, "sgd", batches, 12, about="train")
        report = handle.value().value
        after = loss_of(report["state"], batches)
        wanted = {"what": "loss", "claimed": f"< {LEARNED}", "found": f"{after:.3f}"}
        expect.evidence(kind="property", claims=[{**wanted, "agrees": after < LEARNED}])
        expect.satisfies(report["epochs"] == 12, "not-as-many-epochs-as-asked")
        judge_history(expect, report["history"], seed)
        judge_steps(expect, report["state"], seed)
        return after < LEARNED

    expect.over_seeds(trial, "loss-does-not-fall")


def loss_of(state, batches) -> float:
    """Return the mean cross-entropy of a learner in this state, in evaluation mode."""
    model = ours["learner"](0)
    model.load_state_dict({name: torch.tensor(np.asarray(value)) for name, value in state.items()})
    inputs, labels = (torch.cat(part) for part in zip(*batches, strict=True))
    with torch.no_grad():
        return F.cross_entropy(model.eval()(inputs), labels).item()


def judge_history(expect, history, seed) -> None:
    """Expect one finite loss for each of twelve epochs, the mean over its six batches."""
    try:
        losses = np.array([float(np.asarray(loss).item()) for loss in history])
    except (TypeError, ValueError):
        losses = np.array([])
    expect.satisfies(len(losses) > 0, "no-history")
    expect.satisfies(len(losses) != 12 * 6, "a-loss-for-each-batch")
    expect.satisfies(len(losses) == 12, "not-a-loss-for-each-epoch")
    expect.satisfies(bool(np.isfinite(losses).all()), "training-diverges")
    added_up = np.isclose(losses[0], 6 * first_loss(seed), rtol=0.05)
    expect.satisfies(not added_up, "losses-added-up")


@cache
def first_loss(seed) -> float:
    """Return the mean loss of the first epoch of a training of ours."""
    model, batches = ours["learner"](seed), batches_of(seed, n=60, size=10)
    optimizer = ours["OPTIMIZERS"]["sgd"](model.parameters())
    model.train()
    losses = []
    for inputs, labels in batches:
        loss = F.cross_entropy(model(inputs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return float(np.mean(losses))


def judge_steps(expect, state, seed) -> None:
    """Recognise known ways in which the steps of a training loop go wrong."""
    start = ours["state_of"](ours["learner"](seed))
    same = [np.array_equal(together(state, n), together(start, n)) for n in (OUTPUTS, STATISTICS)]
    expect.satisfies(not same[0], "nothing-was-trained")
    expect.satisfies(not same[1], "trained-in-evaluation-mode")
    adding = together(with_added_gradients(seed), OUTPUTS)
    close = np.allclose(together(state, OUTPUTS), adding, atol=1e-3, rtol=1e-2)
    expect.satisfies(not close, "gradients-add-up")


@cache
def with_added_gradients(seed):
    """Return our learner after a training that never sets the gradients to zero."""
    model, batches = ours["learner"](seed), batches_of(seed, n=60, size=10)
    optimizer = ours["OPTIMIZERS"]["sgd"](model.parameters())
    model.train()
    for _ in range(12):
        for inputs, labels in batches:
            F.cross_entropy(model(inputs), labels).backward()
            optimizer.step()
    return ours["state_of"](model)
