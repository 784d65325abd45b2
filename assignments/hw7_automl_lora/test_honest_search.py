"""Practice e: what the search may look at. Labels turned in one part show who looked there.

All parts hold the same four clusters, so an honest network is right everywhere. Where the labels
of a part are turned to the next class, whoever scores on it finds nothing right, and whoever
learns from it (it is three times as large as the others) gets the others wrong.
"""

from collections.abc import Mapping

import numpy as np
import pytest
import torch

from grader.checks.outcome import Shortfall

pytestmark = pytest.mark.question("search")

EPOCHS = 12
CONFIG = {"hidden": 32, "learning_rate": 0.03, "dropout": 0.0, "weight_decay": 0.0}

DATA = """
from collections import namedtuple

def data(names, parts):
    return namedtuple("Data", names)(*parts)
"""
NAMES = ["train_x", "train_y", "validation_x", "validation_y", "test_x", "test_y"]


def data_with(student, rng, turned="", large=""):
    """Make data of three parts; the labels of `turned` are wrong and `large` is larger."""
    parts = []
    for part in ("train", "validation", "test"):
        n = 120 if part == large else 40
        labels = np.arange(n) % 4
        x = 3 * np.eye(6)[labels] + 0.2 * rng.normal(size=(n, 6))
        labels = (labels + (part == turned)) % 4
        parts += [torch.tensor(x, dtype=torch.float32), torch.tensor(labels)]
    return student.make(DATA, "data", NAMES, parts)


def config_of(student) -> dict[str, float]:
    """Return a configuration that learns; the student's own baseline if they changed the space."""
    try:
        own = student.value("baseline").value
    except Shortfall:
        return CONFIG
    if isinstance(own, Mapping) and own.keys() != CONFIG.keys():
        return dict(own)
    return CONFIG


def fraction(score: float) -> float:
    """Return an accuracy as a fraction: 93 stands for 93 %."""
    return score / 100 if 1 < score <= 100 else score


def score_on(student, data) -> float:
    """Return the score that the student's objective gives."""
    objective = student.function("validation_objective").kept(data, EPOCHS)
    return fraction(float(objective.call(config_of(student)).array.mean()))


def expect_learning(student, expect, rng):
    """Expect a good score on easy data; who looked at what shows only in falls from there."""
    score = score_on(student, data_with(student, rng))
    expect.satisfies(score > 0, "objective-is-a-loss")
    expect.satisfies(score >= 0.9, "objective-does-not-learn")


@pytest.mark.part("honest", points=2)
def test_search_never_sees_the_test_set(student, expect, rng):
    expect_learning(student, expect, rng)
    score = score_on(student, data_with(student, rng, turned="test", large="test"))
    expect.satisfies(score >= 0.9, "test-set-seen")


@pytest.mark.part("honest", points=2)
@pytest.mark.hidden
def test_search_learns_on_training_and_scores_on_validation(student, expect, rng):
    expect_learning(student, expect, rng)
    score = score_on(student, data_with(student, rng, turned="validation", large="train"))
    expect.satisfies(score <= 0.5, "not-scored-on-validation")
    score = score_on(student, data_with(student, rng, turned="validation", large="validation"))
    expect.satisfies(score <= 0.5, "learns-from-validation")


@pytest.mark.part("honest", points=1)
def test_last_test_takes_the_chosen_configuration_to_the_test_set(student, expect, rng):
    final = student.function("final_test")
    chosen = config_of(student)
    others = [{**chosen, "hidden": hidden} for hidden in (4, 8)]
    trials = [(others[0], 0.4), (chosen, 0.8), (others[1], 0.6)]
    for turned in ("", "test"):
        answer = final(trials, data_with(student, rng, turned=turned), EPOCHS)
        config, score = config_and_score(answer.value)
        expect.satisfies(config is None or config == chosen, "choice-is-not-the-best-trial")
        expect.satisfies(config is not None and score is not None, "test-without-its-pair")
        if turned:
            expect.satisfies(fraction(score) <= 0.1, "last-test-not-on-the-test-set")
        else:
            expect.satisfies(fraction(score) >= 0.9, "objective-does-not-learn")


def config_and_score(value):
    """Return the configuration and the number in what was returned, None for what is not there."""
    if isinstance(value, Mapping):
        nested = any(isinstance(each, Mapping) for each in value.values())
        value = list(value.values()) if nested else [value]
    items = value if isinstance(value, (list, tuple)) else [value]
    configs = [item for item in items if isinstance(item, Mapping)]
    numbers = [
        np.asarray(item) for item in items if isinstance(item, (int, float, np.number, np.ndarray))
    ]
    scores = [float(number.mean()) for number in numbers if number.size == 1]
    return configs[0] if configs else None, scores[-1] if scores else None
