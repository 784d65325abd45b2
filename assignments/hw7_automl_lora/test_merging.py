"""Theory 2c: a layer with LoRA merged and unmerged, and what each of the two costs."""

import numpy as np
import pytest
import torch

from grader.checks.outcome import Failed, Shortfall

pytestmark = pytest.mark.question("low-rank")

LAYERS = ((5, 8, 6, 2, 0.5), (3, 6, 6, 3, 2.0), (4, 3, 9, 1, 1.5))  # n, d_in, d_out, r, scale


def layer(rng, n, d_in, d_out, r):
    """Return an input and the three matrices of a layer."""
    sizes = ((n, d_in), (d_out, d_in), (r, d_in), (d_out, r))
    return tuple(rng.normal(size=size) for size in sizes)


def call(function, *arguments):
    """Call a function that may have been written for arrays or for tensors."""
    try:
        return function(*arguments)
    except Failed as failure:
        raised = failure.evidence.get("exception", {}).get("type")
        if raised not in ("TypeError", "AttributeError"):
            raise
    return function(*(torch.tensor(a) if isinstance(a, np.ndarray) else a for a in arguments))


@pytest.mark.part("merging", points=0.75)
@pytest.mark.hidden
def test_forward_pass_without_merging(student, reference, expect, rng):
    forward = student.function("lora_forward")
    for *sizes, scale in LAYERS:
        x, W0, A, B = layer(rng, *sizes)
        adapter = (x @ A.T) @ B.T
        expect(call(forward, x, W0, A, B, scale)).close(
            reference.lora_forward(x, W0, A, B, scale),
            misconceptions={
                "base-left-out": scale * adapter,
                "adapter-left-out": x @ W0.T,
                "scale-left-out": x @ W0.T + adapter,
                "scale-on-everything": scale * (x @ W0.T + adapter),
                "scale-squared": x @ W0.T + scale**2 * adapter,
            },
        )


@pytest.mark.part("merging", points=0.75)
@pytest.mark.hidden
def test_merged_weight_gives_the_same_output(student, reference, expect, rng):
    merge = student.function("merge")
    for *sizes, scale in LAYERS:
        _, W0, A, B = layer(rng, *sizes)
        product = B @ A
        wrong = {
            "base-left-out": scale * product,
            "scale-left-out": W0 + product,
            "scale-on-everything": scale * (W0 + product),
            "scale-squared": W0 + scale**2 * product,
            "adapter-subtracted": W0 - scale * product,
            "adapter-left-out": W0,
            "merged-transposed": (W0 + scale * product).T,
        }
        if product.shape[0] == product.shape[1]:
            wrong["product-transposed"] = W0 + scale * product.T
        expect(call(merge, W0, A, B, scale)).close(
            reference.merge(W0, A, B, scale), misconceptions=wrong
        )


@pytest.mark.part("merging", points=0.75)
@pytest.mark.hidden
def test_unmerging_restores_the_base(student, reference, expect, rng):
    unmerge = student.function("unmerge")
    for *sizes, scale in LAYERS:
        _, W0, A, B = layer(rng, *sizes)
        merged = reference.merge(W0, A, B, scale)
        expect(call(unmerge, merged, A, B, scale)).close(
            W0,
            misconceptions={
                "merged-twice": merged + scale * B @ A,
                "nothing-unmerged": merged,
                "scale-left-out": merged - B @ A,
                "adapter-returned": scale * B @ A,
            },
            follow_through=undone(student, merged, W0, A, B, scale),
        )


def undone(student, merged, W0, A, B, scale):
    """Return what undoing the student's own way of merging makes of `merged`, if it merges."""
    try:
        added = call(student.function("merge"), W0, A, B, scale).array - W0
    except (Shortfall, ValueError):
        return None
    return merged - added if added.any() else None


@pytest.mark.part("merging", points=0.75)
def test_multiplications_of_one_input(student, reference, expect):
    multiplications = student.function("multiplications_per_token")
    for d_in, d_out, r in ((1024, 1024, 16), (300, 700, 5)):
        base, adapter = d_in * d_out, r * (d_in + d_out)
        expect(multiplications(d_in, d_out, r, True)).close(
            reference.multiplications_per_token(d_in, d_out, r, True),
            misconceptions={
                "merged-layer-still-pays": base + adapter,
                "merging-counted-at-inference": base + d_in * d_out * r,
            },
        )
        expect(multiplications(d_in, d_out, r, False)).close(
            reference.multiplications_per_token(d_in, d_out, r, False),
            misconceptions={
                "unmerged-as-merged": base,
                "base-left-out": adapter,
                "product-formed": base + d_in * d_out * r,
                "product-formed-and-applied": 2 * base + d_in * d_out * r,
                "only-a-counted": base + r * d_in,
            },
        )
