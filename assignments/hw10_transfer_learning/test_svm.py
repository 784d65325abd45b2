"""Part c: pooled features, and an SVM on them that is fitted once and judged on unseen images."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

pytestmark = pytest.mark.question("svm")

PATH = Path(__file__).with_name("trials.py")
TRIALS, ours = PATH.read_text(encoding="utf-8"), runpy.run_path(str(PATH))

TELLING = (106, 108, 115, 120, 121, 139)  # seeds of networks whose features tell colours apart


def images(rng, n) -> torch.Tensor:
    return torch.tensor(rng.normal(size=(n, 3, 16, 16)), dtype=torch.float32)


# ---- features ----------------------------------------------------------------------------------------


def judge_features(student, expect, seed, x, *, training) -> None:
    function = student.function("pooled_features").handle()
    arguments = (function, seed, x, training)
    handle = student.make(TRIALS, "pooled_features", *arguments, about="pooled_features")
    report = handle.value().value

    def wrong():
        model = ours["network"](seed)
        trained = pooled(ours["network"](seed), x)
        model.eval()
        with torch.no_grad():
            logits, maps = model(x), model.layer4(early(model, x))
        return {
            "logits-for-features": logits,
            "maps-not-pooled": maps.flatten(1),
            "maps-as-they-are": maps,
            "largest-for-mean": maps.amax(dim=(2, 3)),
            "features-in-training-mode": trained,
        }

    expected = pooled(ours["network"](seed).eval(), x)
    expect(report["features"]).close(
        expected,
        atol=1e-4,
        rtol=1e-3,
        misconceptions=wrong,
        alternatives={"features-not-flattened": expected[:, :, None, None]},
    )
    if not report["whole"]:
        expect.note("model-left-without-fc")


def early(model, x):
    h = model.maxpool(model.relu(model.bn1(model.conv1(x))))
    return model.layer3(model.layer2(model.layer1(h)))


def pooled(model, x):
    """Return the pooled features of our network in the mode in which it is."""
    with torch.no_grad():
        return model.layer4(early(model, x)).mean(dim=(2, 3))


@pytest.mark.part("features", points=3)
def test_features_are_the_pooled_ones(student, expect):
    expect.evidence(asked="pooled_features(model.eval(), <tensor 5×3×16×16>)")
    judge_features(student, expect, 51, images(np.random.default_rng(51), 5), training=False)


@pytest.mark.part("features", points=3)
@pytest.mark.hidden
def test_features_of_other_images(student, expect, rng):
    for n, training in ((3, True), (1, False)):
        judge_features(student, expect, int(rng.integers(1000)), images(rng, n), training=training)


# ---- the classifier ----------------------------------------------------------------------------------


def colours(labels, seed, rng) -> torch.Tensor:
    """Return images whose class is their colour, of twenty sets the one that is easiest to part."""
    model = ours["network"](seed).eval()
    palettes = [
        torch.tensor(rng.normal(size=(4, 3, 1, 1)) * 8, dtype=torch.float32) for _ in range(20)
    ]
    palette = max(palettes, key=lambda each: distance_of_features(model, each))
    noise = rng.normal(scale=0.02, size=(len(labels), 3, 16, 16))
    return palette[labels] + torch.tensor(noise, dtype=torch.float32)


def distance_of_features(model, palette) -> float:
    """Return the least distance between the directions of the colours' features."""
    features = pooled(model, palette.expand(-1, 3, 16, 16))
    return torch.pdist(torch.nn.functional.normalize(features)).min().item()


def in_batches(x, labels, size=10):
    y = torch.as_tensor(np.array(labels))
    return list(zip(x.split(size), y.split(size), strict=True))


def accuracies(student, seed, train, test) -> np.ndarray:
    """Return the two numbers of the student's function as fractions."""
    function = student.function("svm_accuracies").handle()
    arguments = (function, seed, train, test)
    handle = student.make(TRIALS, "svm_accuracies", *arguments, about="svm_accuracies")
    found = np.array(handle.value().value, dtype=float)
    return found / 100 if found.size and np.nanmax(found) > 1 else found


def judge_separable(student, expect, seed, rng) -> None:
    """Classes that a line can part, two a batch; some labels of the test are other ones."""
    labels = np.array([0, 1] * 10 + [2, 3] * 10)
    x = colours(np.concatenate([labels, labels]), seed, rng)
    told = labels.copy()
    for place in rng.permutation(40)[:12]:
        told[place] = (told[place] + 1) % 4
    found = accuracies(student, seed, in_batches(x[:40], labels), in_batches(x[40:], told))
    expect.satisfies(found.shape == (2,), "not-two-accuracies")
    if not np.allclose(found, (1.0, 0.7), atol=0.03):
        expect.satisfies(not np.allclose(found, (0.7, 1.0), atol=0.03), "accuracies-swapped")
        # Where labels are not those of the images, no classifier of images is right on all.
        expect.satisfies(found.min() < 0.97, "test-accuracy-beyond-what-images-tell")
        expect.satisfies(not 0.4 < found[0] < 0.6, "fitted-to-the-last-batch")
    expect(found).close((1.0, 0.7), atol=0.03)


@pytest.mark.part("classifier", points=4)
def test_svm_knows_all_batches(student, expect):
    expect.evidence(asked="svm_accuracies(model, train_batches, test_batches)")
    judge_separable(student, expect, TELLING[0], np.random.default_rng(52))


@pytest.mark.part("classifier", points=3)
@pytest.mark.hidden
def test_svm_learns_from_images_alone(student, expect, rng):
    """On equal images only the share of a class can be right, whatever the labels are."""
    seed = int(rng.integers(1000))
    x = torch.tensor(np.broadcast_to(rng.normal(size=(1, 3, 1, 1)), (40, 3, 16, 16)).copy())
    train, test = np.array([0, 1] * 8 + [0] * 4), np.array([0, 1] * 6 + [1] * 8)
    x = x.float()
    found = accuracies(student, seed, in_batches(x[:20], train), in_batches(x[20:], test))
    expect.satisfies(found.shape == (2,), "not-two-accuracies")
    right = [(np.mean(train == label), np.mean(test == label)) for label in (0, 1)]
    if any(np.allclose(found, pair, atol=0.01) for pair in right):
        judge_separable(student, expect, int(rng.choice(TELLING)), rng)
        return
    expect.satisfies(not np.all(found > 0.95), "labels-for-features")
    same = np.isclose(found[0], found[1]) and any(np.isclose(found[0], p[0]) for p in right)
    expect.satisfies(not same, "training-accuracy-reported")
    swapped = any(np.allclose(found, pair[::-1], atol=0.01) for pair in right)
    expect.satisfies(not swapped, "accuracies-swapped")
    expect.misconception("test-accuracy-beyond-what-images-tell")
