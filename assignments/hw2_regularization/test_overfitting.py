"""Question 1: the epoch where overfitting begins, and dropout by hand in either convention."""

import math
import re

import numpy as np
import pytest

from grader.checks.answers import Hedged, Unreadable, read_integer, read_number
from grader.checks.compare import compare_close
from grader.checks.outcome import Missing

pytestmark = pytest.mark.question("overfitting")


# ---- the epoch ------------------------------------------------------------------------------------


def first_rise(validation):
    """First epoch, from 1, after which the loss is higher, if only for one epoch."""
    return next((t + 1 for t in range(len(validation) - 1) if validation[t + 1] > validation[t]), 0)


def epoch_mistakes(train, validation, expected):
    return {
        "stopped-at-the-first-rise": first_rise(validation),
        "epoch-from-zero": expected - 1,
        "epoch-after": expected + 1,
        "last-epoch": len(validation),
        "lowest-training-loss": int(np.argmin(train)) + 1,
    }


def epoch_of(answer):
    """Return an epoch as an integer; None, nan, 0 and negative numbers say that there is none."""
    value = answer.value
    if isinstance(value, str) and value.strip().lower() in ("none", "nan", "no", "هیچ", "ندارد"):
        return None
    try:
        number = None if value is None else read_number(value)
    except Unreadable:
        return value
    if number is None or math.isnan(number) or number <= 0:
        return None
    return int(number) if float(number).is_integer() else number


@pytest.mark.part("epoch", points=1)
def test_epoch_of_overfitting(student, reference, expect):
    train, validation = reference.train_losses, reference.validation_losses
    expected = reference.overfitting_epoch(train, validation)
    answer = stated_epoch(student, "overfit_epoch")
    expect(answer).equal(expected, misconceptions=epoch_mistakes(train, validation, expected))


EPOCH_WORDS = re.compile(r"epochs?|دور[هۀ]\u0654?|ایپاک|اپوک", re.IGNORECASE)


def stated_epoch(student, name):
    """Read the number of an epoch; the word may stand before it or after it."""
    raw = student.value(name).value
    if isinstance(raw, str):
        try:
            return read_integer(EPOCH_WORDS.sub(" ", raw))
        except (Unreadable, Hedged):
            pass  # read as it is, it tells what cannot be read
    return student.value(name, kind="integer").value


def curves_with_a_bump(rng, epochs, best):
    """Return losses whose validation part is best at epoch `best`, after a bump before it."""
    train = 2.5 * np.exp(-np.arange(epochs) / epochs) + rng.uniform(0, 0.01, epochs)
    train = np.sort(train)[::-1]
    train[-1] = train[-2] + 0.001  # the lowest training loss is not in the last epoch
    validation = train + 0.1 + 0.3 * np.maximum(0, np.arange(epochs) - best + 1)
    bump = best // 2
    validation[bump] = validation[bump - 1] + 0.05
    return train.round(3).tolist(), validation.round(3).tolist()


@pytest.mark.part("epoch", points=1)
@pytest.mark.hidden
def test_epoch_of_overfitting_of_other_curves(student, reference, expect, rng):
    example = (reference.train_losses, reference.validation_losses)
    find = student.function(
        "overfitting_epoch", example=(example, reference.overfitting_epoch(*example))
    )
    for epochs, best in ((15, 8), (20, 11)):
        train, validation = curves_with_a_bump(rng, epochs, best)
        expected = reference.overfitting_epoch(train, validation)
        mistakes = epoch_mistakes(train, validation, expected)
        expect(epoch_of(find(train, validation))).equal(expected, misconceptions=mistakes)
    level = [1.0, 0.8, 0.6, 0.5, 0.4, 0.3]
    tie = [1.2, 1.0, 0.9, 0.95, 0.9, 0.97]
    expect(epoch_of(find(level, tie))).equal(3, misconceptions={"last-of-equal-epochs": 5})
    for train, validation in (
        (level, [loss + 0.2 for loss in level]),
        ([1.0, 0.8, 0.6, 0.6, 0.65, 0.7], [1.2, 1.0, 0.9, 0.95, 1.0, 1.1]),
        # The lowest training loss came before: nothing improves behind the best epoch.
        ([1.0, 0.5, 0.6, 0.65, 0.7, 0.75], [1.2, 1.0, 0.9, 0.95, 1.0, 1.1]),
    ):
        answer = epoch_of(find(train, validation))
        expect(answer).satisfies(answer is None, "overfitting-seen-everywhere")


# ---- dropout --------------------------------------------------------------------------------------


NOTES = {"classic": "dropout-classic", "inverted": "dropout-inverted"}


def right_pairs(x, mask, p):
    """Outputs in training and at test time under each convention."""
    return {"classic": (x * mask, p * x), "inverted": (x * mask / p, x)}


def wrong_pairs(x, mask, p):
    """What mixtures and other mistakes give in training and at test time."""
    kept = x * mask
    return [
        ("dropout-scaled-twice", (kept / p, p * x)),
        ("dropout-never-scaled", (kept, x)),
        *(
            ("dropout-mask-at-test-time", (a, b))
            for a in (kept, kept / p)
            for b in (kept, kept / p)
        ),
        *(("dropout-mask-at-test-time", (a, p * kept)) for a in (kept, kept / p)),
        ("dropout-conventions-reversed", (p * kept, x)),
        ("dropout-conventions-reversed", (kept, x / p)),
        *(("dropout-drop-probability", pair) for pair in right_pairs(x, mask, 1 - p).values()),
        *(("dropout-mask-reversed", pair) for pair in right_pairs(x, 1 - mask, p).values()),
        *(("dropout-mask-reversed", pair) for pair in right_pairs(x, 1 - mask, 1 - p).values()),
        *(("dropout-without-mask", (a, b)) for a in (x, p * x) for b in (x, p * x)),
    ]


def same(answer, expected):
    return compare_close(np.asarray(answer, dtype=float), expected, 1e-6, 1e-6).ok


def judge_pair(expect, train, test, x, mask, p, own_p=None):
    """Expect training and test output of one convention, of either; name a mixture that is known."""
    for name, pair in right_pairs(x, mask, p).items():
        if same(train.array, pair[0]) and same(test.array, pair[1]):
            expect.note(NOTES[name])
            return
    if own_p is not None:
        for pair in right_pairs(x, mask, own_p).values():
            if same(train.array, pair[0]) and same(test.array, pair[1]):
                expect(train).close(x * mask, follow_through=pair[0])
                expect(test).close(p * x, follow_through=pair[1])
                return
    for name, pair in wrong_pairs(x, mask, p):
        if same(train.array, pair[0]) and same(test.array, pair[1]):
            expect.misconception(name)
    in_training, at_test = right_pairs(x, mask, p)[
        "inverted" if same(train.array, x * mask / p) else "classic"
    ]
    expect(train).close(in_training)
    expect(test).close(at_test)


@pytest.mark.part("dropout", points=1)
def test_keep_probability(student, reference, expect):
    mask = reference.keep_mask
    answer = student.value("keep_probability", kind="number")
    expect(answer).close(
        mask.mean(),
        misconceptions={
            "counted-instead-of-averaged": mask.sum(),
        },
    )


def written_or_called(student, name, like, arguments):
    """Return an output as it was written down, or as the student's function gives it."""
    try:
        return student.value(name, like=like)
    except Missing as missing:
        try:
            return student.call("dropout", *arguments)
        except Missing:
            raise missing from None


@pytest.mark.part("dropout", points=2)
def test_dropout_by_hand(student, reference, expect):
    x, mask, p = reference.layer_output, reference.keep_mask, reference.keep_probability
    train = written_or_called(
        student, "dropout_train", [x * mask, x * mask / p], (x, mask, p, True)
    )
    test = written_or_called(student, "dropout_test", p * x, (x, mask, p, False))
    try:
        own_p = read_number(student.value("keep_probability").value)
    except (Missing, Unreadable):
        own_p = None
    if own_p is not None and not 0 < own_p < 1:
        own_p = None
    judge_pair(expect, train, test, x, mask, p, own_p)


@pytest.mark.part("dropout", points=2)
@pytest.mark.hidden
def test_dropout_of_other_layers(student, expect, rng):
    dropout = student.function("dropout")
    for shape, p in (((5, 3), 0.8), ((2, 7), 0.35)):
        x, mask = rng.normal(size=shape), np.ones(shape)
        while abs(mask.mean() - p) < 0.02 or not 0 < mask.mean() < 1:  # the mask must not tell p
            mask = (rng.random(shape) < p).astype(float)
        train, test = dropout(x, mask, p, True), dropout(x, mask, p, False)
        of_mask = right_pairs(x, mask, mask.mean()).values()
        if any(same(train.array, a) and same(test.array, b) for a, b in of_mask):
            expect.misconception("dropout-probability-from-the-mask")
        judge_pair(expect, train, test, x, mask, p)
