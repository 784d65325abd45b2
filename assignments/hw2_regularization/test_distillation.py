"""Question 3: softmax at a temperature, and the distillation loss with or without the factor T²."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

pytestmark = pytest.mark.question("distillation")

STUDENT = torch.tensor([[2.0, 0.5, -1.0], [0.2, 1.4, 0.3], [-0.6, 0.1, 1.1], [0.9, -0.4, 0.2]])
TEACHER = torch.tensor([[3.0, 1.0, -2.0], [-0.5, 2.5, 1.5], [0.0, -1.0, 2.0], [0.4, 0.8, -0.7]])
LABELS = torch.tensor([0, 1, 2, 1])


# ---- softmax --------------------------------------------------------------------------------------


@pytest.mark.part("loss", points=1.5)
def test_softmax_with_temperature(student, reference, expect):
    softmax = student.function("softmax_with_temperature")
    for logits, T in ((STUDENT, 2.5), (TEACHER, 0.5)):
        expected = reference.softmax_with_temperature(logits, T).numpy()
        expect(softmax(logits, T)).close(
            expected,
            atol=1e-5,
            misconceptions={
                "temperature-multiplied": F.softmax(logits * T, dim=-1),
                "temperature-ignored": F.softmax(logits, dim=-1),
                "temperature-after-softmax": F.softmax(logits, dim=-1) / T,
                "softmax-over-the-batch": F.softmax(logits / T, dim=0),
                "log-softmax-for-softmax": F.log_softmax(logits / T, dim=-1),
                "exponentials-not-normalised": (logits / T).exp(),
            },
        )
    large = torch.tensor([[900.0, 901.0, 899.0]])
    answer = softmax(large, 1.0)
    expect(answer).satisfies(bool(np.isfinite(answer.array).all()), "softmax-overflows")


# ---- the loss ---------------------------------------------------------------------------------------


def cross_entropy(logits, labels):
    return F.cross_entropy(logits, labels).item()


def divergence(p, q):
    """KL(p || q) for each example."""
    return (p * (p.log() - q.log())).sum(dim=-1)


def soft(logits, T):
    return F.softmax(logits / T, dim=-1)


def recognised_mistakes(z, t, labels, T, alpha, beta):
    """Yield known wrong losses, with and without the factor T²."""
    n, classes = z.shape
    hard = cross_entropy(z, labels)
    kl = divergence(soft(t, T), soft(z, T)).mean().item()
    for factor in (1, T * T):

        def total(ce, term, a=alpha, b=beta, factor=factor):
            return a * ce + b * factor * term

        yield "kl-arguments-swapped", total(hard, divergence(soft(z, T), soft(t, T)).mean().item())
        yield (
            "temperature-on-one-side-only",
            total(hard, divergence(soft(t, T), soft(z, 1)).mean().item()),
        )
        yield (
            "temperature-on-one-side-only",
            total(hard, divergence(soft(t, 1), soft(z, T)).mean().item()),
        )
        yield "temperature-ignored", total(hard, divergence(soft(t, 1), soft(z, 1)).mean().item())
        yield "temperature-on-the-hard-labels", total(cross_entropy(z / T, labels), kl)
        yield "softmax-before-cross-entropy-in-kd", total(cross_entropy(soft(z, 1), labels), kl)
        yield "softmax-before-cross-entropy-in-kd", total(cross_entropy(soft(z, T), labels), kl)
        yield "kl-mean-over-elements", total(hard, kl / classes)
        yield "kl-summed-over-the-batch", total(hard, kl * n)
        yield "kl-summed-over-the-batch", total(hard * n, kl * n)
        yield "weights-of-the-terms-swapped", total(hard, kl, a=beta, b=alpha)
        yield "weights-of-the-terms-ignored", total(hard, kl, a=1, b=1)
        yield "beta-taken-as-one-minus-alpha", total(hard, kl, b=1 - alpha)
        without_log = soft(t, T) * (soft(t, T).log() - soft(z, T))
        yield "kl-input-without-log", total(hard, without_log.sum(dim=-1).mean().item())
        yield "kl-input-without-log", total(hard, without_log.mean().item())
        entropy = -(soft(t, T) * soft(t, T).log()).sum(dim=-1).mean().item()
        yield "soft-cross-entropy-for-kl", total(hard, kl + entropy)
        yield "kl-of-the-wrong-sign", total(hard, -kl)
    yield "soft-term-missing", alpha * hard
    yield "hard-term-missing", beta * kl
    yield "hard-term-missing", beta * T * T * kl


def judge_loss(reference, expect, answer, batch) -> str | None:
    """Expect the loss in either form; return which one it was, None where they are equal."""
    z, _, labels, T, alpha, _ = batch
    plain = reference.distillation_loss(*batch).item()
    scaled = plain + (T * T - 1) * (plain - alpha * cross_entropy(z, labels))
    value = answer.array
    expect(answer).satisfies(value.size == 1, "loss-not-one-number")
    number = float(value.reshape(()))
    if not math.isfinite(number):
        expect.misconception("log-of-log-softmax")
    for form, right in (("plain", plain), ("scaled", scaled)):
        if math.isclose(number, right, rel_tol=1e-4, abs_tol=1e-5):
            return form
    for name, wrong in recognised_mistakes(*batch):
        if math.isclose(number, wrong, rel_tol=1e-4, abs_tol=1e-5):
            expect.misconception(name)
    expect(np.float64(number)).close(plain, rtol=1e-4, atol=1e-5)
    return None


@pytest.mark.part("loss", points=2)
def test_distillation_loss(student, reference, expect):
    batch = (STUDENT, TEACHER, LABELS, 3.0, 0.4, 0.7)
    answer = student.function("distillation_loss")(*batch)
    form = judge_loss(reference, expect, answer, batch)
    expect.note("distillation-plain" if form == "plain" else "distillation-scaled-by-t-squared")


@pytest.mark.part("loss", points=2.5)
@pytest.mark.hidden
def test_distillation_loss_of_other_batches(student, reference, expect, rng):
    loss = student.function("distillation_loss")
    forms = set()
    for (n, classes), (T, alpha, beta) in (
        ((6, 5), (4.0, 0.3, 0.9)),
        ((3, 8), (1.5, 1.0, 0.25)),
        ((5, 4), (2.0, 0.6, 0.0)),
    ):
        z, t = (torch.tensor(rng.normal(scale=1.5, size=(n, classes))).float() for _ in "st")
        labels = torch.tensor(rng.integers(classes, size=n))
        batch = (z, t, labels, T, alpha, beta)
        form = judge_loss(reference, expect, loss(*batch), batch)
        if beta:
            forms.add(form)
    expect.satisfies(len(forms) == 1, "t-squared-now-and-then")
